//! The queue: order, lanes, states, parents and batches.

use clarity_model::{Counter, Incarnation, Kind, LocalTime};
use clarity_store::{
    NewOperation, OperationError, OperationState, QueueCounts, RequestId, StoreError,
};
use serde_json::json;

use crate::support::{BIRTH, Place, change, counters, key, numbers, sample, update};

/// Shows that an operation is read back as it was made, with its absent and `null` values apart.
#[test]
fn an_operation_reads_back() {
    let place = Place::new();
    let mut store = place.open();
    let mut transaction = store.begin().unwrap();
    let changes = vec![
        change("a", None, Some(json!(null))),
        change("b", Some(json!(-0.0)), None),
        change("c", Some(json!({"x": [1, 1.0]})), Some(json!("\u{0}"))),
    ];
    let new = NewOperation {
        kind: Kind::Create,
        changes: Some(changes),
        undelete: true,
        batch: Some(Counter(1)),
        state: OperationState::Blocked,
        ..update(&sample(1))
    };
    assert_eq!(transaction.next_counter().unwrap(), Counter(1));
    let counter = transaction.insert_operation(&new).unwrap();
    assert_eq!(counter, Counter(1));
    assert_eq!(transaction.next_counter().unwrap(), Counter(2));
    let read = transaction.operation(counter).unwrap().unwrap();
    assert_eq!(read.incarnation, BIRTH.incarnation);
    assert_eq!((read.kind, &read.key, &read.changes), (new.kind, &new.key, &new.changes));
    assert_eq!((read.undelete, read.batch, read.schema), (true, Some(Counter(1)), 7));
    assert_eq!((read.made_at, read.state, read.attempts), (new.made_at, new.state, 0));
    assert_eq!((read.first_sent_at, read.request, read.carrier), (None, None, None));

    let of_row = NewOperation { changes: None, ..new };
    let of_row = transaction.insert_operation(&of_row).unwrap();
    assert_eq!(transaction.operation(of_row).unwrap().unwrap().changes, None);
    let changes = [change("a", None, Some(json!(1)))];
    assert!(transaction.set_operation_changes(of_row, &changes).unwrap());
    assert_eq!(transaction.operation(of_row).unwrap().unwrap().changes, Some(changes.into()));
    assert!(!transaction.set_operation_changes(Counter(99), &[]).unwrap());
}

/// Shows that lanes and scans come in counter order and touch only their own operations.
#[test]
fn lanes_and_states_are_in_order() {
    let place = Place::new();
    let mut store = place.open();
    let mut transaction = store.begin().unwrap();
    let (one, other) = (sample(1), key("Undeclared", "other"));
    for number in 0..10_u64 {
        let lane = if number % 2 == 0 { &one } else { &other };
        transaction.insert_operation(&update(lane)).unwrap();
    }
    assert_eq!(counters(&transaction.lane(&one).unwrap()), [1, 3, 5, 7, 9]);
    assert_eq!(counters(&transaction.ready_operations(Counter(2), 3).unwrap()), [3, 4, 5]);
    assert!(transaction.set_operation_state(Counter(5), OperationState::Failed).unwrap());
    let (ready, blocked) = (OperationState::Ready, OperationState::Blocked);
    let moved = transaction.set_lane_state(&one, Counter(5), ready, blocked).unwrap();
    assert_eq!(moved, 2);
    assert_eq!(
        counters(&transaction.ready_operations(Counter(0), 100).unwrap()),
        [1, 2, 3, 4, 6, 8, 10]
    );
    let blocked = transaction.operations_in_state(blocked, Counter(0), 100).unwrap();
    assert_eq!(counters(&blocked), [7, 9]);
    let counts = QueueCounts { ready: 7, blocked: 2, failed: 1, ..QueueCounts::default() };
    assert_eq!(transaction.queue_counts().unwrap(), counts);
    assert_eq!((counts.total(), counts.unsettled()), (10, 9));
    assert!(!transaction.lane_is_empty(&one).unwrap());
    assert!(transaction.lane_is_empty(&key("Sample", "nobody")).unwrap());
    assert!(!transaction.set_operation_state(Counter(99), OperationState::Ready).unwrap());
}

/// Shows that counters are never used twice, not even after the queue was emptied.
#[test]
fn counters_are_never_reused() {
    let place = Place::new();
    let mut store = place.open();
    let mut transaction = store.begin().unwrap();
    let first = transaction.insert_operation(&update(&sample(1))).unwrap();
    assert!(transaction.remove_operation(first).unwrap());
    assert!(!transaction.remove_operation(first).unwrap());
    transaction.commit().unwrap();
    drop(store);
    let mut store = place.open();
    let mut transaction = store.begin().unwrap();
    assert_eq!(transaction.insert_operation(&update(&sample(1))).unwrap(), Counter(2));
    drop(transaction);
    let mut transaction = store.begin().unwrap();
    // What was rolled back was never seen by anybody.
    assert_eq!(transaction.insert_operation(&update(&sample(1))).unwrap(), Counter(2));
}

/// Shows that a child finds the parents that still wait, and a parent its children even when it
/// has gone.
#[test]
fn parents_and_children() {
    let place = Place::new();
    let mut store = place.open();
    let mut transaction = store.begin().unwrap();
    let first = transaction.insert_operation(&update(&sample(1))).unwrap();
    let second = transaction.insert_operation(&update(&sample(2))).unwrap();
    let parents = vec![first, second, first];
    let child = NewOperation { parents, ..update(&sample(3)) };
    let child = transaction.insert_operation(&child).unwrap();
    assert_eq!(numbers(&transaction.parents(child).unwrap()), [1, 2]);
    assert_eq!(transaction.children(first).unwrap(), [child]);
    transaction.remove_operation(first).unwrap();
    assert_eq!(numbers(&transaction.parents(child).unwrap()), [2]);
    assert_eq!(transaction.children(first).unwrap(), [child]);
    transaction.remove_operation(child).unwrap();
    assert!(transaction.children(first).unwrap().is_empty());
    assert!(transaction.children(second).unwrap().is_empty());
}

/// Shows what the lowest unsettled and the oldest waiting operations are.
#[test]
fn lowest_and_oldest() {
    let place = Place::new();
    let mut store = place.open();
    let mut transaction = store.begin().unwrap();
    assert_eq!(transaction.lowest_unsettled().unwrap(), None);
    assert_eq!(transaction.oldest_waiting().unwrap(), None);
    for (number, state) in OperationState::ALL.into_iter().rev().enumerate() {
        let made_at = LocalTime(100 + number as i64);
        let operation = NewOperation { made_at, state, ..update(&sample(number as u128 + 1)) };
        transaction.insert_operation(&operation).unwrap();
    }
    // Conflicted, failed, set aside, in flight, blocked, ready.
    assert_eq!(transaction.lowest_unsettled().unwrap(), Some(Counter(1)));
    assert_eq!(transaction.oldest_waiting().unwrap(), Some(LocalTime(102)));
    transaction.remove_operation(Counter(1)).unwrap();
    assert_eq!(transaction.lowest_unsettled().unwrap(), Some(Counter(3)));
    transaction.remove_operation(Counter(3)).unwrap();
    assert_eq!(transaction.lowest_unsettled().unwrap(), Some(Counter(4)));
    assert_eq!(transaction.oldest_waiting().unwrap(), Some(LocalTime(103)));
}

/// Shows that an attempt leaves its count, its time and its reason.
#[test]
fn attempts_are_noted() {
    let place = Place::new();
    let mut store = place.open();
    let mut transaction = store.begin().unwrap();
    let counter = transaction.insert_operation(&update(&sample(1))).unwrap();
    let error = OperationError {
        code: "invalid".to_owned(),
        message: "the server does not accept this".to_owned(),
        at: LocalTime(9),
    };
    assert!(transaction.note_attempt(counter, 2, Some(LocalTime(77)), Some(&error)).unwrap());
    let read = transaction.operation(counter).unwrap().unwrap();
    assert_eq!((read.attempts, read.next_attempt_at), (2, Some(LocalTime(77))));
    assert_eq!(read.error, Some(error));
    assert!(transaction.note_attempt(counter, 0, None, None).unwrap());
    let read = transaction.operation(counter).unwrap().unwrap();
    assert_eq!((read.attempts, read.next_attempt_at, read.error), (0, None, None));
    assert!(!transaction.note_attempt(Counter(99), 0, None, None).unwrap());
}

/// Shows that a renumbered operation is as if never sent, and that whatever named it names the
/// new number.
#[test]
fn renumbering_makes_an_operation_new() {
    let place = Place::new();
    let mut store = place.open();
    let mut transaction = store.begin().unwrap();
    let key = sample(1);
    let batch = NewOperation { batch: Some(Counter(1)), ..update(&key) };
    let first = transaction.insert_operation(&batch).unwrap();
    let second = transaction.insert_operation(&batch).unwrap();
    let child = NewOperation { parents: vec![first], ..update(&sample(2)) };
    let child = transaction.insert_operation(&child).unwrap();
    transaction.put_conflict(&key, first, LocalTime(1), &json!({})).unwrap();
    transaction.freeze(first, &[second], b"bytes", RequestId(4), LocalTime(50)).unwrap();

    transaction.new_incarnation(Incarnation(2), LocalTime(60)).unwrap();
    let new = transaction.renumber(first).unwrap();
    assert_eq!(new, Counter(4));
    assert_eq!(transaction.operation(first).unwrap(), None);
    let read = transaction.operation(new).unwrap().unwrap();
    assert_eq!((read.incarnation, read.state), (Incarnation(2), OperationState::Ready));
    assert_eq!((read.first_sent_at, read.request, read.carrier), (None, None, None));
    assert_eq!(read.batch, Some(new));
    assert_eq!(transaction.frozen(new).unwrap(), None);
    assert_eq!(transaction.children(new).unwrap(), [child]);
    assert_eq!(transaction.conflict_of(&key).unwrap().unwrap().counter, new);
    let second = transaction.operation(second).unwrap().unwrap();
    assert_eq!((second.carrier, second.batch), (None, Some(new)));
    assert_eq!(second.incarnation, BIRTH.incarnation);
    assert_eq!(counters(&transaction.operations_of_batch(new).unwrap()), [2, 4]);
    let counts = QueueCounts { ready: 2, in_flight: 1, ..QueueCounts::default() };
    assert_eq!(transaction.queue_counts().unwrap(), counts);
    let missing = transaction.renumber(first);
    assert!(matches!(missing, Err(StoreError::NoSuchOperation(Counter(1)))));
}

/// Shows that an absorbed operation says nothing of its own and travels with another one, and that
/// a thawed one is as if never sent.
#[test]
fn absorbed_and_thawed() {
    let place = Place::new();
    let mut store = place.open();
    let mut transaction = store.begin().unwrap();
    let first = transaction.insert_operation(&update(&sample(1))).unwrap();
    let second = transaction.insert_operation(&update(&sample(1))).unwrap();
    transaction.absorb(first, second).unwrap();
    let absorbed = transaction.operation(first).unwrap().unwrap();
    assert_eq!((absorbed.state, absorbed.carrier), (OperationState::Blocked, Some(second)));
    assert_eq!(absorbed.changes, Some(Vec::new()));
    transaction.freeze(second, &[first], b"bytes", RequestId(1), LocalTime(5)).unwrap();
    let third = transaction.insert_operation(&update(&sample(2))).unwrap();
    transaction.new_incarnation(Incarnation(2), LocalTime(6)).unwrap();
    assert_eq!(transaction.reidentify_unsent().unwrap(), 1);
    let incarnation = transaction.operation(third).unwrap().unwrap().incarnation;
    assert_eq!(incarnation, Incarnation(2));
    transaction.thaw(second).unwrap();
    let thawed = transaction.operation(second).unwrap().unwrap();
    assert_eq!((thawed.state, thawed.incarnation), (OperationState::Ready, Incarnation(2)));
    assert_eq!((thawed.first_sent_at, thawed.request, thawed.carrier), (None, None, None));
    assert_eq!(transaction.frozen(second).unwrap(), None);
    transaction.add_parent(third, second).unwrap();
    assert_eq!(transaction.children(second).unwrap(), [third]);
    assert_eq!(transaction.forget_parent(second).unwrap(), 1);
    assert!(transaction.children(second).unwrap().is_empty());
    assert!(matches!(transaction.thaw(Counter(99)), Err(StoreError::NoSuchOperation(_))));
    assert!(matches!(transaction.absorb(Counter(99), first), Err(StoreError::NoSuchOperation(_))));
}
