//! No space left: a clear error, nothing half done, and everything works again afterwards.

use clarity_store::{Store, StoreError};
use serde_json::json;

use crate::support::{Place, sample, stored, update};

/// Writes rows of 2 KB until it fails.
fn write_until_full(store: &mut Store) -> StoreError {
    let mut transaction = store.begin().unwrap();
    for number in 1_000.. {
        let long = stored(json!({"note": "x".repeat(2_000)}));
        let written = transaction
            .put_entity(&sample(number), &long)
            .and_then(|()| transaction.insert_operation(&update(&sample(number))));
        if let Err(error) = written {
            let after = transaction.queue_counts().map(|_| ());
            assert!(matches!(after, Err(StoreError::RolledBack)), "{after:?}");
            let commit = transaction.commit();
            assert!(matches!(commit, Err(StoreError::RolledBack)), "{commit:?}");
            return error;
        }
    }
    unreachable!("the limit was never reached")
}

/// Shows that a full disk is `Full`, that nothing of the transaction stays, that the lost
/// transaction cannot write piece by piece, and that the store goes on when there is space.
#[test]
fn a_full_store_says_so_and_goes_on() {
    let place = Place::new();
    let mut store = place.open();
    let mut transaction = store.begin().unwrap();
    transaction.put_entity(&sample(1), &stored(json!({"value": 1}))).unwrap();
    transaction.commit().unwrap();
    let limit = store.size().unwrap().bytes + 100_000;
    store.set_size_limit(limit).unwrap();
    let error = write_until_full(&mut store);
    assert!(matches!(error, StoreError::Full), "{error:?}");
    assert!(error.to_string().contains("free some space"));
    let mut transaction = store.begin().unwrap();
    assert_eq!(transaction.count_entities(&crate::support::entity_type("Sample")).unwrap(), 1);
    assert_eq!(transaction.queue_counts().unwrap().total(), 0);
    transaction.put_entity(&sample(2), &stored(json!({}))).unwrap();
    transaction.commit().unwrap();
    store.set_size_limit(u64::MAX).unwrap();
    let mut transaction = store.begin().unwrap();
    for number in 0..500 {
        transaction.put_entity(&sample(number), &stored(json!({"n": "x".repeat(2_000)}))).unwrap();
    }
    transaction.commit().unwrap();
    assert!(store.damages(10).unwrap().is_empty());
}

/// Shows that `Full` within a savepoint is passed on, and that the transaction is then gone.
#[test]
fn full_within_a_savepoint() {
    let place = Place::new();
    let mut store = place.open();
    let limit = store.size().unwrap().bytes + 50_000;
    store.set_size_limit(limit).unwrap();
    let mut transaction = store.begin().unwrap();
    let full: Result<(), StoreError> = transaction.savepoint(|transaction| {
        for number in 0..1_000 {
            let long = stored(json!({"note": "x".repeat(2_000)}));
            transaction.put_entity(&sample(number), &long)?;
        }
        Ok(())
    });
    assert!(matches!(full, Err(StoreError::Full)));
    assert!(matches!(transaction.commit(), Err(StoreError::RolledBack)));
    assert!(store.begin().unwrap().entity_types().unwrap().is_empty());
}

/// Shows that space that is no longer used is given back.
#[test]
fn space_is_given_back() {
    let place = Place::new();
    let mut store = place.open();
    let mut transaction = store.begin().unwrap();
    for number in 0..500 {
        transaction.put_entity(&sample(number), &stored(json!({"n": "x".repeat(2_000)}))).unwrap();
    }
    transaction.commit().unwrap();
    let large = store.size().unwrap();
    let mut transaction = store.begin().unwrap();
    for number in 0..500 {
        transaction.remove_entity(&sample(number)).unwrap();
    }
    transaction.commit().unwrap();
    let emptied = store.size().unwrap();
    assert_eq!(emptied.bytes, large.bytes);
    assert!(emptied.free_bytes > 900_000);
    store.give_back_space(u64::MAX).unwrap();
    let small = store.size().unwrap();
    assert!(small.bytes + 900_000 < large.bytes && small.free_bytes == 0, "{small:?}");
}
