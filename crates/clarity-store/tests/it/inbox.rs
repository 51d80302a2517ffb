//! Endings, conflicts and history.

use clarity_model::{Counter, LocalTime, Version};
use clarity_store::{Ended, EndedAs, NewHistory};
use serde_json::json;

use crate::support::{Place, key, sample};

/// Shows that every way to end is read back.
#[test]
fn endings_read_back() {
    let place = Place::new();
    let mut store = place.open();
    let mut transaction = store.begin().unwrap();
    let all = [
        EndedAs::Applied,
        EndedAs::Merged,
        EndedAs::Superseded,
        EndedAs::Resolved,
        EndedAs::Rejected,
        EndedAs::Cancelled,
    ];
    for (number, outcome) in (1..).zip(all) {
        let resolved_by = (number % 2 == 0).then_some(Counter(number + 10));
        let ended =
            Ended { outcome, at: LocalTime(5), version: Some(Version(number)), resolved_by };
        transaction.record_ended(Counter(number), &ended).unwrap();
        assert_eq!(transaction.ended(Counter(number)).unwrap(), Some(ended));
    }
    assert_eq!(transaction.ended(Counter(99)).unwrap(), None);
    assert_eq!(transaction.prune_ended(Counter(4)).unwrap(), 3);
    assert_eq!(transaction.ended(Counter(3)).unwrap(), None);
    assert!(transaction.ended(Counter(4)).unwrap().is_some());
}

/// Shows that an entity has at most one conflict, which keeps its number while it changes, and
/// that no number is used twice.
#[test]
fn one_conflict_for_each_entity() {
    let place = Place::new();
    let mut store = place.open();
    let mut transaction = store.begin().unwrap();
    let (one, other) = (sample(1), key("Undeclared", "x"));
    let first = transaction.put_conflict(&one, Counter(1), LocalTime(1), &json!({"n": 1})).unwrap();
    let second = transaction.put_conflict(&other, Counter(2), LocalTime(2), &json!([])).unwrap();
    let again = transaction.put_conflict(&one, Counter(3), LocalTime(3), &json!({"n": 2})).unwrap();
    assert_eq!(first, again);
    let record = transaction.conflict(first).unwrap().unwrap();
    assert_eq!((&record.key, record.counter, &record.detail), (&one, Counter(3), &json!({"n": 2})));
    assert_eq!(transaction.conflict_of(&one).unwrap().as_ref(), Some(&record));
    assert_eq!(transaction.conflicts(0, 1).unwrap(), [record]);
    assert_eq!(transaction.conflicts(first, 9).unwrap()[0].id, second);
    assert_eq!(transaction.count_conflicts().unwrap(), 2);
    assert!(transaction.remove_conflict(second).unwrap());
    assert!(!transaction.remove_conflict(second).unwrap());
    assert_eq!(transaction.conflict_of(&other).unwrap(), None);
    let third = transaction.put_conflict(&other, Counter(4), LocalTime(4), &json!(null)).unwrap();
    assert!(third > second);
}

/// Shows that values that lost are kept until their time has come.
#[test]
fn history_is_kept_until_it_expires() {
    let place = Place::new();
    let mut store = place.open();
    let mut transaction = store.begin().unwrap();
    let entry = |at: i64, counter: Option<Counter>| NewHistory {
        at: LocalTime(at),
        key: sample(1),
        counter,
        cause: "superseded".to_owned(),
        detail: json!({"lost": at}),
        expires_at: LocalTime(at + 30),
    };
    let first = transaction.add_history(&entry(1, Some(Counter(5)))).unwrap();
    let second = transaction.add_history(&entry(2, None)).unwrap();
    assert_eq!(
        transaction.history_entry(first).unwrap().unwrap().entry,
        entry(1, Some(Counter(5)))
    );
    let of_entity = transaction.history_of(&sample(1)).unwrap();
    assert_eq!(of_entity.iter().map(|record| record.id).collect::<Vec<_>>(), [first, second]);
    assert_eq!(transaction.history(first, 9).unwrap()[0].entry, entry(2, None));
    assert!(transaction.history_of(&sample(2)).unwrap().is_empty());
    assert_eq!(transaction.prune_history(LocalTime(31)).unwrap(), 1);
    assert_eq!(transaction.history_entry(first).unwrap(), None);
    assert_eq!(transaction.history(0, 9).unwrap().len(), 1);
}
