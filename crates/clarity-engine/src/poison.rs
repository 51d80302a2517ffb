//! Isolating an operation that makes whole requests fail, so that its neighbours arrive
//! (promise L4).
//!
//! A request that fails while others succeed is halved until the operation stands alone. Alone it
//! may fail three times; then it is set aside with its lane, and tried again after a minute, then
//! after four times as long each time, up to every six hours. Failures without a success in between
//! say nothing about the operations: the server is down. Where no answer came at all, which a bad
//! network does as well, it takes six failures to halve: until then the operations stay together,
//! so that others see them in order (promise I7).

use std::collections::BTreeMap;

use clarity_model::{Counter, LocalTime, RejectReason};
use clarity_protocol::{Failure, FailureClass};
use clarity_store::{OperationError, OperationState, RequestId, StoreError};

use crate::context::Context;
use crate::schedule::{
    BACKOFF_CAP_MS, SET_ASIDE_FAILURES, SET_ASIDE_FIRST_RETRY_MS, SET_ASIDE_RETRY_MS, Schedule,
    Suspect, Suspicion,
};
use crate::{lane, settle};

/// After how many failures a group is halved.
const HALVED_AFTER: u32 = SET_ASIDE_FAILURES - 1;
/// After how many failures a group is halved of which nothing was heard.
const UNHEARD_HALVED_AFTER: u32 = 6;

/// The operations that a request carried, as they were on the wire, in order.
pub(crate) fn carriers(
    context: &Context<'_, '_>,
    request: RequestId,
) -> Result<Vec<Counter>, StoreError> {
    let operations = context.tx.operations_of_request(request)?;
    let carriers = operations.into_iter().filter(|o| o.carrier == Some(o.counter));
    Ok(carriers.map(|operation| operation.counter).collect())
}

/// A group whose request failed for a reason that is not about it stays as suspect as it was.
pub(crate) fn back(schedule: &mut Schedule, carriers: &[Counter], suspicion: Suspicion) {
    if !carriers.is_empty() {
        schedule.suspects.push(Suspect { carriers: carriers.to_vec(), suspicion });
    }
}

/// A request failed in a way that one of its operations may have caused.
pub(crate) fn suspect(
    context: &mut Context<'_, '_>,
    schedule: &mut Schedule,
    carriers: Vec<Counter>,
    before: Option<Suspicion>,
    failure: &Failure,
) -> Result<(), StoreError> {
    if carriers.is_empty() {
        return Ok(());
    }
    let Some(before) = before else {
        let suspicion = Suspicion { failures: 1, successes_at: schedule.successes };
        schedule.suspects.push(Suspect { carriers, suspicion });
        return Ok(());
    };
    if schedule.successes <= before.successes_at {
        schedule.suspects.push(Suspect { carriers, suspicion: before });
        return Ok(());
    }
    let failures = before.failures + 1;
    let suspicion = Suspicion { failures, successes_at: schedule.successes };
    let halved_after = match failure.class {
        FailureClass::Unreachable => UNHEARD_HALVED_AFTER,
        _ => HALVED_AFTER,
    };
    if failures < halved_after {
        schedule.suspects.push(Suspect { carriers, suspicion });
        return Ok(());
    }
    match split(context, &carriers)? {
        Some((left, right)) => {
            // Each half stands where the whole stood before this failure.
            let suspicion = Suspicion { failures: halved_after - 1, ..suspicion };
            // The halves have not failed yet: they may go at once.
            let suspicion = Suspicion { successes_at: suspicion.successes_at - 1, ..suspicion };
            schedule.suspects.push(Suspect { carriers: left, suspicion });
            schedule.suspects.push(Suspect { carriers: right, suspicion });
            Ok(())
        }
        None if failures <= halved_after => {
            schedule.suspects.push(Suspect { carriers, suspicion });
            Ok(())
        }
        None => set_aside(context, &carriers, SET_ASIDE_FAILURES, failure),
    }
}

/// The server refuses to read the request because of something in it: halve at once; what stands
/// alone is rejected.
pub(crate) fn refused(
    context: &mut Context<'_, '_>,
    schedule: &mut Schedule,
    carriers: &[Counter],
    failure: &Failure,
) -> Result<(), StoreError> {
    if carriers.is_empty() {
        return Ok(());
    }
    let suspicion = Suspicion { failures: 0, successes_at: 0 };
    if let Some((left, right)) = split(context, carriers)? {
        schedule.suspects.push(Suspect { carriers: left, suspicion });
        schedule.suspects.push(Suspect { carriers: right, suspicion });
        return Ok(());
    }
    let code = match failure.class {
        FailureClass::TooLarge => RejectReason::TooLarge,
        _ => RejectReason::Invalid,
    };
    for carrier in carriers {
        if let Some(operation) = context.tx.operation(*carrier)? {
            settle::failed(context, &operation, code.as_str(), &failure.message)?;
        }
    }
    Ok(())
}

/// The operations of a group, cut in two.
type Halves = (Vec<Counter>, Vec<Counter>);

/// Two halves, none of which cuts an atomic batch; nothing when the group is one operation or one
/// atomic batch.
fn split(context: &Context<'_, '_>, carriers: &[Counter]) -> Result<Option<Halves>, StoreError> {
    let mut batches = Vec::with_capacity(carriers.len());
    for carrier in carriers {
        batches.push(context.tx.operation(*carrier)?.and_then(|operation| operation.batch));
    }
    let cuts_batch = |at: &usize| batches[*at].is_some() && batches[*at] == batches[*at - 1];
    let in_order = in_order_at(context, carriers)?;
    let middle = carriers.len() / 2;
    let whole: Vec<usize> = (1..carriers.len()).filter(|at| !cuts_batch(at)).collect();
    let near = |at: &&usize| at.abs_diff(middle);
    let cut = whole.iter().filter(|at| in_order[**at]).min_by_key(near);
    let cut = cut.or_else(|| whole.iter().min_by_key(near)).copied();
    Ok(cut.map(|at| (carriers[..at].to_vec(), carriers[at..].to_vec())))
}

/// For each place to cut a group at, whether all that comes before it was made before all that
/// comes after it. What a carrier covers may be older than its neighbours.
fn in_order_at(context: &Context<'_, '_>, carriers: &[Counter]) -> Result<Vec<bool>, StoreError> {
    let mut in_order = vec![false; carriers.len()];
    let mut oldest_after = Counter(u64::MAX);
    for (at, carrier) in carriers.iter().enumerate().skip(1).rev() {
        let carried = context.tx.carried_by(*carrier)?;
        oldest_after = carried.into_iter().fold(oldest_after.min(*carrier), Counter::min);
        in_order[at] = carriers[at - 1] < oldest_after;
    }
    Ok(in_order)
}

fn set_aside(
    context: &mut Context<'_, '_>,
    carriers: &[Counter],
    failures: u32,
    failure: &Failure,
) -> Result<(), StoreError> {
    let error = OperationError {
        code: RejectReason::ServerFailure.as_str().to_owned(),
        message: failure.message.clone(),
        at: context.now,
    };
    for carrier in carriers {
        let Some(operation) = context.tx.operation(*carrier)? else { continue };
        // One that was set aside before has its failures counted on.
        let failures = failures.max(operation.attempts.saturating_add(1));
        let retry_at = Some(context.now.plus_ms(set_aside_for(failures, failure.class)));
        for counter in context.tx.carried_by(*carrier)? {
            context.tx.note_attempt(counter, failures, retry_at, Some(&error))?;
            context.tx.set_operation_state(counter, OperationState::SetAside)?;
        }
        lane::block_after(context, &operation.key, *carrier)?;
        context.noted.entity(&operation.key);
    }
    context.tx.add_metric("operations_set_aside", 1)?;
    context.noted.status = true;
    Ok(())
}

/// How long an operation with this many failures of its own is set aside, in milliseconds.
///
/// On a network that loses much, an operation with which nothing is wrong can be set aside by
/// chance. So the first waits are short, and where no answer came, which says little about the
/// operation, no wait is longer than promise L1 allows.
fn set_aside_for(failures: u32, class: FailureClass) -> i64 {
    let rounds = failures.saturating_sub(SET_ASIDE_FAILURES).min(16);
    let longest = match class {
        FailureClass::Unreachable => i64::try_from(BACKOFF_CAP_MS).unwrap_or(i64::MAX),
        _ => SET_ASIDE_RETRY_MS,
    };
    SET_ASIDE_FIRST_RETRY_MS.saturating_mul(4_i64.saturating_pow(rounds)).min(longest)
}

/// How many set-aside operations one look takes up again.
const WOKEN_AT_ONCE_MAX: usize = 1_000;

/// Lets operations that were set aside go again when their time has come, each alone: one more
/// failure and it is set aside again, without having disturbed anything else.
pub(crate) fn wake(
    context: &mut Context<'_, '_>,
    schedule: &mut Schedule,
) -> Result<(), StoreError> {
    if context.tx.queue_counts()?.set_aside == 0 {
        return Ok(());
    }
    let waiting =
        context.tx.operations_in_state(OperationState::SetAside, Counter(0), WOKEN_AT_ONCE_MAX)?;
    let mut groups: BTreeMap<Counter, Vec<Counter>> = BTreeMap::new();
    for operation in waiting {
        // A clock that went back must not keep it for longer than the interval.
        let due = operation
            .next_attempt_at
            .is_none_or(|at| at <= context.now || at > context.now.plus_ms(SET_ASIDE_RETRY_MS));
        if !due {
            continue;
        }
        context.tx.set_operation_state(operation.counter, OperationState::Ready)?;
        lane::unblock(context, &operation.key)?;
        if operation.carrier == Some(operation.counter) {
            groups
                .entry(operation.batch.unwrap_or(operation.counter))
                .or_default()
                .push(operation.counter);
        }
    }
    let failures = UNHEARD_HALVED_AFTER;
    let successes_at = schedule.successes.saturating_sub(1);
    let suspicion = Suspicion { failures, successes_at };
    let groups = groups.into_values();
    schedule.suspects.extend(groups.map(|carriers| Suspect { carriers, suspicion }));
    Ok(())
}

/// A person asks to synchronise now: what was set aside is due at once. On a network that loses
/// much, an operation can be set aside although nothing is wrong with it.
pub(crate) fn retry_now(context: &mut Context<'_, '_>) -> Result<(), StoreError> {
    if context.tx.queue_counts()?.set_aside == 0 {
        return Ok(());
    }
    let waiting =
        context.tx.operations_in_state(OperationState::SetAside, Counter(0), WOKEN_AT_ONCE_MAX)?;
    for operation in waiting {
        let (attempts, due, error) = (operation.attempts, context.now, operation.error.as_ref());
        context.tx.note_attempt(operation.counter, attempts, Some(due), error)?;
    }
    Ok(())
}

/// When the next set-aside operation is due.
pub(crate) fn next_retry(context: &Context<'_, '_>) -> Result<Option<LocalTime>, StoreError> {
    if context.tx.queue_counts()?.set_aside == 0 {
        return Ok(None);
    }
    let waiting =
        context.tx.operations_in_state(OperationState::SetAside, Counter(0), WOKEN_AT_ONCE_MAX)?;
    Ok(waiting.into_iter().filter_map(|operation| operation.next_attempt_at).min())
}

/// The driver begins: only what still waits to be sent is under suspicion.
pub(crate) fn keep_waiting(
    context: &Context<'_, '_>,
    schedule: &mut Schedule,
) -> Result<(), StoreError> {
    let mut kept = Vec::new();
    for mut suspect in std::mem::take(&mut schedule.suspects) {
        let mut carriers = Vec::new();
        for carrier in suspect.carriers {
            let operation = context.tx.operation(carrier)?;
            if operation.is_some_and(|there| there.state == OperationState::Ready) {
                carriers.push(carrier);
            }
        }
        suspect.carriers = carriers;
        if !suspect.carriers.is_empty() {
            kept.push(suspect);
        }
    }
    schedule.suspects = kept;
    Ok(())
}
