use std::collections::BTreeMap;

use super::*;

/// A client, what it reads if anything, and what it writes.
type Entry<'a> = (usize, Option<[Value; 3]>, &'a [(Register, Value)]);

/// A history of which every write is acknowledged.
fn history(entries: &[Entry<'_>]) -> History {
    let mut history = History::new(3);
    for (client, read, written) in entries {
        history.transactions.push(Transaction {
            client: *client,
            read: read.map(Vec::from),
            written: written.iter().copied().collect::<BTreeMap<_, _>>(),
            acknowledged: true,
        });
    }
    history
}

fn clauses(history: &History) -> Vec<Clause> {
    check(history).into_iter().map(|violation| violation.clause).collect()
}

/// Shows that a history in which everybody sees what they must, at different times, is accepted.
#[test]
fn what_may_be_seen_is_accepted() {
    let mut fine = history(&[
        (0, Some([0, 0, 0]), &[(0, 11), (1, 12)]),
        (1, Some([0, 0, 0]), &[(2, 21)]),
        (0, Some([11, 12, 0]), &[(0, 13)]),
        (1, Some([11, 12, 21]), &[]),
        (2, Some([0, 0, 21]), &[(1, 31)]),
        // A write that was less than what was there shows as what was there.
        (1, Some([13, 31, 21]), &[(1, 29)]),
        (1, Some([13, 31, 21]), &[]),
    ]);
    fine.ends = vec![("a".to_owned(), vec![13, 31, 21]), ("server".to_owned(), vec![13, 31, 21])];
    assert_eq!(check(&fine), []);
}

/// Shows that a client that does not see its own write is found.
#[test]
fn a_missing_own_write_is_found() {
    let found = clauses(&history(&[(0, None, &[(0, 11)]), (0, Some([0, 0, 0]), &[])]));
    assert_eq!(found, [Clause::ReadYourWrites]);
}

/// Shows that a client that sees less than before is found, also where it saw another's write.
#[test]
fn a_view_that_goes_back_is_found() {
    let found = clauses(&history(&[
        (0, None, &[(0, 11)]),
        (1, Some([11, 0, 0]), &[]),
        (1, Some([0, 0, 0]), &[]),
    ]));
    assert_eq!(found, [Clause::MonotonicReads]);
}

/// Shows that a later write of a client which is seen before its earlier one is found.
#[test]
fn writes_out_of_order_are_found() {
    let found = clauses(&history(&[
        (0, None, &[(0, 11)]),
        (0, None, &[(1, 12)]),
        (1, Some([0, 12, 0]), &[]),
    ]));
    assert_eq!(found, [Clause::MonotonicWrites]);
}

/// Shows that a write which is seen without what its client had seen before is found, also through
/// several clients.
#[test]
fn an_effect_before_its_cause_is_found() {
    let found = clauses(&history(&[
        (0, None, &[(0, 11)]),
        (1, Some([11, 0, 0]), &[(1, 21)]),
        (2, Some([11, 21, 0]), &[(2, 31)]),
        (3, Some([0, 0, 31]), &[]),
    ]));
    assert_eq!(found, [Clause::WritesFollowReads, Clause::WritesFollowReads]);
}

/// Shows that half of what was written at once is found.
#[test]
fn half_a_transaction_is_found() {
    let found = clauses(&history(&[(0, None, &[(0, 11), (2, 12)]), (1, Some([0, 0, 12]), &[])]));
    assert_eq!(found, [Clause::AtomicReads]);
}

/// Shows that a number which nobody had written is found, and one from the future is such a one.
#[test]
fn a_value_from_nowhere_is_found() {
    let found = clauses(&history(&[(1, Some([99, 12, 0]), &[]), (0, None, &[(1, 12)])]));
    assert_eq!(found, [Clause::NothingFromNowhere, Clause::NothingFromNowhere]);
}

/// Shows that replicas which end apart are found, and acknowledged writes that are in none.
#[test]
fn unequal_ends_and_losses_are_found() {
    let mut lost = history(&[(0, None, &[(0, 11)]), (0, None, &[(1, 12)])]);
    lost.ends = vec![("a".to_owned(), vec![11, 12, 0]), ("b".to_owned(), vec![11, 0, 0])];
    assert_eq!(clauses(&lost), [Clause::NothingLost, Clause::EqualFinalState]);
    lost.ends = vec![("a".to_owned(), vec![11, 0, 0]), ("b".to_owned(), vec![11, 0, 0])];
    assert_eq!(clauses(&lost), [Clause::NothingLost, Clause::NothingLost]);
}

/// Shows that a write without an acknowledgement may be there or not, but not half of it.
#[test]
fn an_unacknowledged_write_may_be_missing() {
    let mut history = history(&[(0, None, &[(0, 11), (1, 12)]), (0, Some([0, 0, 0]), &[])]);
    history.transactions[0].acknowledged = false;
    assert_eq!(clauses(&history), []);
    history.transactions[1].read = Some(vec![11, 12, 0]);
    assert_eq!(clauses(&history), []);
    history.transactions[1].read = Some(vec![11, 0, 0]);
    assert_eq!(clauses(&history), [Clause::AtomicReads]);
}
