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
    assert_eq!(transaction.prune_ended(Counter(4), 2).unwrap(), 2);
    assert_eq!(transaction.ended(Counter(1)).unwrap(), None, "the oldest first");
    assert_eq!(transaction.prune_ended(Counter(4), 2).unwrap(), 1);
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

/// Shows that values that lost are kept until they are pruned, the oldest first, and that the store
/// knows which were brought back.
#[test]
fn history_is_kept_until_it_is_pruned() {
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
    let of_entity = transaction.history_of(&sample(1), 0, 9).unwrap();
    assert_eq!(of_entity.iter().map(|record| record.id).collect::<Vec<_>>(), [first, second]);
    assert_eq!(transaction.history(first, 9).unwrap()[0].entry, entry(2, None));
    assert_eq!(transaction.history_of(&sample(1), first, 9).unwrap()[0].id, second);
    assert!(transaction.history_of(&sample(2), 0, 9).unwrap().is_empty());
    assert!(transaction.mark_undone(second, Counter(7)).unwrap());
    let undone = transaction.history_entry(second).unwrap().unwrap();
    assert_eq!(undone.undone_by, Some(Counter(7)));
    assert_eq!(transaction.newest_history().unwrap(), second);
    assert_eq!(transaction.prune_history(second, 1).unwrap(), 1);
    assert_eq!(transaction.history_entry(first).unwrap(), None);
    assert_eq!(transaction.history(0, 9).unwrap().len(), 1);
}

/// Shows that the link from an operation to the one that it takes back is found from both ends,
/// follows a new number, and ends from either side.
#[test]
fn an_operation_knows_what_it_takes_back() {
    let place = Place::new();
    let mut store = place.open();
    let mut transaction = store.begin().unwrap();
    transaction.add_revert(Counter(2), Counter(1)).unwrap();
    assert!(transaction.add_revert(Counter(3), Counter(1)).is_err(), "once is enough");
    transaction.renumber_revert(Counter(1), Counter(9)).unwrap();
    assert_eq!(transaction.inverse_of(Counter(9)).unwrap(), Some(Counter(2)));
    assert_eq!(transaction.reverts(Counter(2)).unwrap(), Some(Counter(9)));
    assert_eq!(transaction.inverse_of(Counter(1)).unwrap(), None);
    assert_eq!(transaction.taken_back().unwrap(), [Counter(9)]);
    transaction.forget_revert(Counter(9)).unwrap();
    assert_eq!(transaction.reverts(Counter(2)).unwrap(), None);
}
