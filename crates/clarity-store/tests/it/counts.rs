//! The counters of the queue equal a real count, whatever happens.

use clarity_model::{Counter, Incarnation, LocalTime};
use clarity_store::{
    NewOperation, OperationState, QueueCounts, RequestId, StoreError, StoreTransaction,
};
use proptest::prelude::*;

use crate::support::{Place, sample, update};

#[derive(Debug, Clone)]
enum Step {
    Insert { lane: u128, state: OperationState },
    SetState { counter: u64, state: OperationState },
    SetLane { lane: u128, after: u64, from: OperationState, to: OperationState },
    Freeze { carrier: u64, covered: Vec<u64>, request: u64 },
    Resend { carrier: u64, request: u64 },
    Release { request: u64 },
    ReleaseAll,
    Remove { counter: u64 },
    Renumber { counter: u64 },
    Absorb { counter: u64, into: u64 },
    Thaw { counter: u64 },
    FailedSavepoint(Vec<Step>),
    Savepoint(Vec<Step>),
}

fn simple_step() -> impl Strategy<Value = Step> {
    let state = || prop::sample::select(OperationState::ALL.to_vec());
    let counter = || 1..30_u64;
    prop_oneof![
        4 => (0..4_u128, state()).prop_map(|(lane, state)| Step::Insert { lane, state }),
        2 => (counter(), state()).prop_map(|(counter, state)| Step::SetState { counter, state }),
        2 => (0..4_u128, counter(), state(), state())
            .prop_map(|(lane, after, from, to)| Step::SetLane { lane, after, from, to }),
        2 => (counter(), prop::collection::vec(counter(), 0..3), 0..3_u64)
            .prop_map(|(carrier, covered, request)| Step::Freeze { carrier, covered, request }),
        1 => (counter(), 0..3_u64)
            .prop_map(|(carrier, request)| Step::Resend { carrier, request }),
        1 => (0..3_u64).prop_map(|request| Step::Release { request }),
        1 => Just(Step::ReleaseAll),
        2 => counter().prop_map(|counter| Step::Remove { counter }),
        1 => counter().prop_map(|counter| Step::Renumber { counter }),
        1 => (counter(), counter()).prop_map(|(counter, into)| Step::Absorb { counter, into }),
        1 => counter().prop_map(|counter| Step::Thaw { counter }),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => simple_step(),
        1 => prop::collection::vec(simple_step(), 1..4).prop_map(Step::FailedSavepoint),
        1 => prop::collection::vec(simple_step(), 1..4).prop_map(Step::Savepoint),
    ]
}

/// Does a step. An operation that is not there is an error for some steps and nothing for others;
/// either way nothing may be counted.
fn act(transaction: &mut StoreTransaction<'_>, step: &Step) -> Result<(), StoreError> {
    let now = LocalTime(5);
    match step {
        Step::Insert { lane, state } => {
            let operation = NewOperation { state: *state, ..update(&sample(*lane)) };
            transaction.insert_operation(&operation)?;
        }
        Step::SetState { counter, state } => {
            transaction.set_operation_state(Counter(*counter), *state)?;
        }
        Step::SetLane { lane, after, from, to } => {
            transaction.set_lane_state(&sample(*lane), Counter(*after), *from, *to)?;
        }
        Step::Freeze { carrier, covered, request } => {
            let covered: Vec<Counter> = covered.iter().copied().map(Counter).collect();
            transaction.savepoint(|transaction| {
                let request = RequestId(*request);
                transaction.freeze(Counter(*carrier), &covered, b"bytes", request, now)
            })?;
        }
        Step::Resend { carrier, request } => {
            transaction.resend(Counter(*carrier), RequestId(*request), now)?;
        }
        Step::Release { request } => {
            transaction.release(RequestId(*request))?;
        }
        Step::ReleaseAll => {
            transaction.release_all_in_flight()?;
        }
        Step::Remove { counter } => {
            transaction.remove_operation(Counter(*counter))?;
        }
        Step::Renumber { counter } => {
            transaction.renumber(Counter(*counter))?;
        }
        Step::Absorb { counter, into } => transaction.absorb(Counter(*counter), Counter(*into))?,
        Step::Thaw { counter } => transaction.thaw(Counter(*counter))?,
        Step::FailedSavepoint(steps) => {
            transaction.savepoint(|transaction| {
                for step in steps {
                    let _ = act(transaction, step);
                }
                transaction.new_incarnation(Incarnation(99), now)?;
                Err(StoreError::Busy)
            })?;
        }
        Step::Savepoint(steps) => {
            transaction.savepoint(|transaction| {
                for step in steps {
                    let _ = act(transaction, step);
                }
                Ok::<_, StoreError>(())
            })?;
        }
    }
    Ok(())
}

fn counted(transaction: &StoreTransaction<'_>) -> QueueCounts {
    let count = |state| {
        let all = transaction.operations_in_state(state, Counter(0), usize::MAX).unwrap();
        all.len() as u64
    };
    QueueCounts {
        ready: count(OperationState::Ready),
        blocked: count(OperationState::Blocked),
        in_flight: count(OperationState::InFlight),
        set_aside: count(OperationState::SetAside),
        failed: count(OperationState::Failed),
        conflicted: count(OperationState::Conflicted),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    /// Shows that the counters equal a count of the rows within a transaction after each step,
    /// and in the file after each commit and each rollback.
    #[test]
    fn counters_equal_a_count(
        transactions in prop::collection::vec(
            (prop::collection::vec(step(), 0..12), any::<bool>()), 1..5),
    ) {
        let place = Place::new();
        let mut store = place.open();
        for (steps, commits) in transactions {
            let mut transaction = store.begin().unwrap();
            for step in &steps {
                let _ = act(&mut transaction, step);
                prop_assert_eq!(transaction.queue_counts().unwrap(), counted(&transaction));
            }
            if commits {
                transaction.commit().unwrap();
            } else {
                drop(transaction);
            }
            let transaction = store.begin().unwrap();
            prop_assert_eq!(transaction.queue_counts().unwrap(), counted(&transaction));
            drop(transaction);
            // And the same seen from outside, by SQL alone.
            let outside = crate::raw::open(&place.options());
            let kept: String = outside.query_row(
                "SELECT format('%d %d %d %d %d %d', ready, blocked, in_flight, set_aside, failed,
                     conflicted) FROM queue_count", [], |row| row.get(0)).unwrap();
            let real: String = outside.query_row(
                "SELECT format('%d %d %d %d %d %d', count(*) FILTER (WHERE state = 0),
                     count(*) FILTER (WHERE state = 1), count(*) FILTER (WHERE state = 2),
                     count(*) FILTER (WHERE state = 3), count(*) FILTER (WHERE state = 4),
                     count(*) FILTER (WHERE state = 5)) FROM operation",
                [], |row| row.get(0)).unwrap();
            prop_assert_eq!(kept, real);
            let beyond: bool = outside.query_row(
                "SELECT (SELECT next_counter FROM queue_count)
                     > coalesce((SELECT max(counter) FROM operation), 0)",
                [], |row| row.get(0)).unwrap();
            prop_assert!(beyond);
        }
    }
}
