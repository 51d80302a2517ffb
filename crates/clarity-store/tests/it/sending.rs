//! Freezing, sending again, and giving up a request.

use clarity_model::{Counter, LocalTime};
use clarity_store::{OperationState, QueueCounts, RequestId, StoreError};

use crate::support::{Place, counters, numbers, sample, update};

/// Shows the whole way: frozen bytes and the first time of sending never change, whatever
/// happens to the request.
#[test]
fn freeze_release_resend() {
    let place = Place::new();
    let mut store = place.open();
    let mut transaction = store.begin().unwrap();
    for _ in 0..3 {
        transaction.insert_operation(&update(&sample(1))).unwrap();
    }
    let other = transaction.insert_operation(&update(&sample(2))).unwrap();
    let carrier = Counter(1);
    let covered = [Counter(1), Counter(2)];
    transaction.freeze(carrier, &covered, b"\x00frozen", RequestId(7), LocalTime(100)).unwrap();
    transaction.freeze(other, &[], b"other", RequestId(8), LocalTime(101)).unwrap();
    transaction.commit().unwrap();

    let mut transaction = store.begin().unwrap();
    assert_eq!(transaction.frozen(carrier).unwrap().unwrap(), b"\x00frozen");
    assert_eq!(transaction.frozen(Counter(2)).unwrap(), None);
    assert_eq!(transaction.frozen(Counter(99)).unwrap(), None);
    assert_eq!(numbers(&transaction.carried_by(carrier).unwrap()), [1, 2]);
    assert_eq!(counters(&transaction.operations_of_request(RequestId(7)).unwrap()), [1, 2]);
    let under_way =
        transaction.operations_in_state(OperationState::InFlight, Counter(0), 10).unwrap();
    assert_eq!(counters(&under_way), [1, 2, 4]);
    assert_eq!(transaction.in_flight_keys().unwrap().len(), 3);
    let second = transaction.operation(Counter(2)).unwrap().unwrap();
    assert_eq!((second.carrier, second.request), (Some(carrier), Some(RequestId(7))));
    assert_eq!(second.first_sent_at, Some(LocalTime(100)));

    assert_eq!(transaction.release(RequestId(7)).unwrap(), 2);
    assert_eq!(transaction.release(RequestId(7)).unwrap(), 0);
    assert!(transaction.operations_of_request(RequestId(7)).unwrap().is_empty());
    let released = transaction.operation(Counter(1)).unwrap().unwrap();
    assert_eq!((released.state, released.request), (OperationState::Ready, None));
    assert_eq!((released.carrier, released.first_sent_at), (Some(carrier), Some(LocalTime(100))));

    assert!(transaction.resend(carrier, RequestId(9), LocalTime(200)).unwrap());
    let again = transaction.operation(Counter(2)).unwrap().unwrap();
    assert_eq!(
        (again.first_sent_at, again.last_attempt_at),
        (Some(LocalTime(100)), Some(LocalTime(200)))
    );
    assert_eq!(transaction.frozen(carrier).unwrap().unwrap(), b"\x00frozen");
    let counts = QueueCounts { ready: 1, in_flight: 3, ..QueueCounts::default() };
    assert_eq!(transaction.queue_counts().unwrap(), counts);
    assert_eq!(transaction.release_all_in_flight().unwrap(), 3);
    assert_eq!(counters(&transaction.ready_operations(Counter(0), 9).unwrap()), [1, 2, 3, 4]);
    assert!(!transaction.resend(Counter(3), RequestId(10), LocalTime(300)).unwrap());
}

/// Shows that an operation that leaves flight is no longer part of its request, and that an
/// operation set aside can be sent again.
#[test]
fn leaving_flight_leaves_the_request() {
    let place = Place::new();
    let mut store = place.open();
    let mut transaction = store.begin().unwrap();
    let counter = transaction.insert_operation(&update(&sample(1))).unwrap();
    transaction.freeze(counter, &[counter], b"x", RequestId(1), LocalTime(1)).unwrap();
    transaction.set_operation_state(counter, OperationState::SetAside).unwrap();
    assert!(transaction.operations_of_request(RequestId(1)).unwrap().is_empty());
    assert!(transaction.resend(counter, RequestId(2), LocalTime(2)).unwrap());
    let counts = QueueCounts { in_flight: 1, ..QueueCounts::default() };
    assert_eq!(transaction.queue_counts().unwrap(), counts);
    let missing = transaction.freeze(Counter(9), &[], b"", RequestId(3), LocalTime(3));
    assert!(matches!(missing, Err(StoreError::NoSuchOperation(Counter(9)))));
}
