#![allow(clippy::unwrap_used)]

use super::*;

fn types(count: usize) -> Vec<EntityType> {
    (0..count).map(|n| EntityType::new(format!("T{n}")).unwrap()).collect()
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().build().unwrap()
}

/// Shows that hints which wait for a slow listener become one that names each type once.
#[test]
fn waiting_hints_are_joined() {
    let hub = Arc::new(Hub::default());
    let slow = hub.subscribe(AccountId(1), DeviceId(1));
    hub.changed(AccountId(1), DeviceId(2), &types(2));
    hub.changed(AccountId(1), DeviceId(3), &types(3));
    hub.changed(AccountId(1), DeviceId(1), &types(9));
    hub.changed(AccountId(2), DeviceId(2), &types(9));
    let hint = runtime().block_on(slow.next()).unwrap();
    assert_eq!(hint.to_json(), r#"{"sync":{"type":"partial","entities":["T0","T1","T2"]}}"#);
}

/// Shows that a listener which has missed very many types is told to read everything, once.
#[test]
fn too_many_types_become_everything() {
    let hub = Arc::new(Hub::default());
    let slow = hub.subscribe(AccountId(1), DeviceId(1));
    hub.changed(AccountId(1), DeviceId(2), &types(HINT_TYPES_MAX + 1));
    hub.changed(AccountId(1), DeviceId(2), &types(2));
    assert_eq!(runtime().block_on(slow.next()).unwrap(), Hint::full());
    hub.changed(AccountId(1), DeviceId(2), &types(1));
    let next = runtime().block_on(slow.next()).unwrap();
    assert_eq!(next.entities, [HintEntity::Type(types(1).remove(0))]);
}

/// Shows that nothing is kept of listeners that went away, and that a closed hub ends old and new
/// ones.
#[test]
fn listeners_come_and_go() {
    let hub = Arc::new(Hub::default());
    let (one, two) =
        (hub.subscribe(AccountId(1), DeviceId(1)), hub.subscribe(AccountId(2), DeviceId(2)));
    drop(one);
    assert_eq!(hub.listeners().by_account.len(), 1);
    hub.close();
    assert_eq!(runtime().block_on(two.next()), None);
    assert_eq!(runtime().block_on(hub.subscribe(AccountId(1), DeviceId(1)).next()), None);
}
