//! What to send next, and what a finished request means.

use std::collections::BTreeSet;

use clarity_model::{Counter, limits};
use clarity_protocol::{Failure, FailureClass, SchemaStamp};
use clarity_store::{RequestId, StoreError};

use crate::context::Context;
use crate::event::{Effect, Request, Response};
use crate::schedule::{
    Direction, InFlight, PULL_INTERVAL_MS, Pause, REQUESTS_IN_FLIGHT_MAX, Schedule, Suspect,
};
use crate::{
    ageing, contribute, fetch, held, identity, lane, network, poison, pull, push, scope, settle,
    token,
};

/// Sends what can be sent now, and says when to look again.
pub(crate) fn drive(
    context: &mut Context<'_, '_>,
    schedule: &mut Schedule,
    stamp: &SchemaStamp,
) -> Result<Vec<Effect>, StoreError> {
    let mut effects = Vec::new();
    wake(context, schedule)?;
    held::show_if_nothing_is_read(context, schedule)?;
    if !schedule.is_held() && !schedule.refreshing {
        if schedule.failing_since.is_some() {
            probe(context, schedule, stamp, &mut effects)?;
        } else {
            fill(context, schedule, stamp, &mut effects)?;
        }
    }
    network::end_wish(schedule, context.now);
    end_run(context, schedule)?;
    let set_aside = poison::next_retry(context)?;
    if schedule.sweeping {
        schedule.sweeping = scope::sweep(context)?;
    }
    if let Some(at) = schedule.wake_at(set_aside, context.now) {
        effects.push(Effect::WakeAt(at));
    }
    Ok(effects)
}

/// Takes note that nothing is left to do.
fn end_run(context: &mut Context<'_, '_>, schedule: &mut Schedule) -> Result<(), StoreError> {
    let busy = !schedule.in_flight.is_empty()
        || schedule.refreshing
        || schedule.pull_wanted
        || schedule.contributing
        || schedule.failing_since.is_some()
        || !schedule.suspects.is_empty();
    let progress = &mut schedule.progress;
    if busy || progress.run == 0 || progress.over || waiting(context)? > 0 {
        return Ok(());
    }
    let took_ms = progress.finish(context.now);
    context.noted.status = true;
    context.tx.add_metric("syncs", 1)?;
    context.tx.add_metric("sync_ms", took_ms)
}

/// Ends what time has ended.
fn wake(context: &mut Context<'_, '_>, schedule: &mut Schedule) -> Result<(), StoreError> {
    schedule.tame_clock(context.now);
    let paused_until = schedule.pauses.get(&Pause::UserPaused).and_then(|pause| pause.until);
    if paused_until.is_some_and(|until| until <= context.now) {
        schedule.pauses.remove(&Pause::UserPaused);
    }
    network::wake(schedule, context.now);
    if schedule.next_pull.is_none_or(|next| next <= context.now) {
        schedule.pull_wanted = true;
        schedule.next_pull = Some(context.now.plus_ms(interval_with_jitter(context)));
    }
    poison::wake(context, schedule)
}

/// 15 minutes, up to a tenth less, so that devices do not all come at once.
fn interval_with_jitter(context: &mut Context<'_, '_>) -> i64 {
    let jitter = context.entropy.below(PULL_INTERVAL_MS / 10);
    i64::try_from(PULL_INTERVAL_MS - jitter).unwrap_or(i64::MAX)
}

/// While failing, one request at a time, each after its backoff. Pull and push take turns, so that
/// neither can keep the other from showing that the server is well. The direction that is known to
/// work flows meanwhile.
fn probe(
    context: &mut Context<'_, '_>,
    schedule: &mut Schedule,
    stamp: &SchemaStamp,
    effects: &mut Vec<Effect>,
) -> Result<(), StoreError> {
    let failing = schedule.failing.filter(|_| schedule.other_works);
    if !schedule.is_probing() && schedule.may_probe(context.now) {
        if schedule.must_renew(context.now) {
            schedule.attempts.push(context.now);
            token::renew(schedule, effects);
            return Ok(());
        }
        if failing == Some(Direction::Fetch) && schedule.may_read() {
            if !send_fetch(context, schedule, effects)? {
                // There is nothing left that could fail.
                schedule.flow_again();
                return fill(context, schedule, stamp, effects);
            }
            schedule.attempts.push(context.now);
            return fill_beside_fetch(context, schedule, stamp, effects);
        }
        let must_pull = schedule.resync || failing == Some(Direction::Pull);
        let with_pull = must_pull || (schedule.probe_with_pull && schedule.may_read());
        schedule.probe_with_pull = !with_pull;
        let pushed = !with_pull && send_push(context, schedule, stamp, effects, true)?;
        if !pushed && !with_pull && failing == Some(Direction::Push) {
            // There is nothing left that could fail.
            schedule.flow_again();
            return fill(context, schedule, stamp, effects);
        }
        let pulled = !pushed && schedule.may_read();
        if pulled {
            send_pull(context, schedule, effects)?;
        }
        if pushed || pulled {
            schedule.attempts.push(context.now);
        } else if !schedule.making_room {
            // Without room nothing is read; what is written meanwhile is an attempt of its own.
            // Room that is being made is there in a moment, and what is due goes then.
            schedule.wait_longest(context.now);
        }
    }
    match failing {
        Some(Direction::Push) => {
            fill_with_pull(context, schedule, effects)?;
            fill_with_fetch(context, schedule, effects)
        }
        Some(Direction::Pull) => {
            fill_with_fetch(context, schedule, effects)?;
            fill_with_pushes(context, schedule, stamp, effects)
        }
        Some(Direction::Fetch) => fill_beside_fetch(context, schedule, stamp, effects),
        None => Ok(()),
    }
}

/// While only fetches fail, everything else goes on.
fn fill_beside_fetch(
    context: &mut Context<'_, '_>,
    schedule: &mut Schedule,
    stamp: &SchemaStamp,
    effects: &mut Vec<Effect>,
) -> Result<(), StoreError> {
    fill_with_pull(context, schedule, effects)?;
    fill_with_pushes(context, schedule, stamp, effects)
}

fn fill(
    context: &mut Context<'_, '_>,
    schedule: &mut Schedule,
    stamp: &SchemaStamp,
    effects: &mut Vec<Effect>,
) -> Result<(), StoreError> {
    if schedule.must_renew(context.now) && wants_to_send(context, schedule)? {
        token::renew(schedule, effects);
        return Ok(());
    }
    if schedule.uploads_first {
        fill_with_pushes(context, schedule, stamp, effects)?;
        if !schedule.is_in_flight(Direction::Push) {
            fill_with_pull(context, schedule, effects)?;
            fill_with_fetch(context, schedule, effects)?;
        }
    } else {
        fill_with_pull(context, schedule, effects)?;
        fill_with_fetch(context, schedule, effects)?;
        fill_with_pushes(context, schedule, stamp, effects)?;
    }
    // A suspect group waits for a success of something else; a pull can be that.
    let alone = schedule.in_flight.is_empty() && !schedule.suspects.is_empty();
    if alone && schedule.may_read() {
        send_pull(context, schedule, effects)?;
    }
    Ok(())
}

fn wants_to_send(context: &Context<'_, '_>, schedule: &Schedule) -> Result<bool, StoreError> {
    let wanted = schedule.pull_wanted || schedule.fetch_wanted || schedule.contributing;
    Ok(wanted || context.tx.queue_counts()?.ready > 0)
}

fn fill_with_pull(
    context: &mut Context<'_, '_>,
    schedule: &mut Schedule,
    effects: &mut Vec<Effect>,
) -> Result<(), StoreError> {
    let room = schedule.in_flight.len() < REQUESTS_IN_FLIGHT_MAX;
    let wanted = schedule.pull_wanted && schedule.may_read();
    if wanted && !schedule.is_in_flight(Direction::Pull) && room {
        send_pull(context, schedule, effects)?;
    }
    Ok(())
}

fn fill_with_fetch(
    context: &mut Context<'_, '_>,
    schedule: &mut Schedule,
    effects: &mut Vec<Effect>,
) -> Result<(), StoreError> {
    let room = schedule.in_flight.len() < REQUESTS_IN_FLIGHT_MAX;
    // After a reset of the server everything is read anew, in order.
    let may = schedule.fetch_wanted && !schedule.resync && schedule.may_read();
    if may && !schedule.is_in_flight(Direction::Fetch) && room {
        send_fetch(context, schedule, effects)?;
    }
    Ok(())
}

fn fill_with_pushes(
    context: &mut Context<'_, '_>,
    schedule: &mut Schedule,
    stamp: &SchemaStamp,
    effects: &mut Vec<Effect>,
) -> Result<(), StoreError> {
    // After a reset of the server, what it has now must be known before anything is laid on it.
    while !schedule.resync && schedule.in_flight.len() < REQUESTS_IN_FLIGHT_MAX {
        if !send_push(context, schedule, stamp, effects, false)? {
            break;
        }
    }
    Ok(())
}

fn send_pull(
    context: &mut Context<'_, '_>,
    schedule: &mut Schedule,
    effects: &mut Vec<Effect>,
) -> Result<(), StoreError> {
    let request = schedule.allocate();
    schedule.in_flight.push(InFlight { id: request, token: schedule.token, ..InFlight::default() });
    let pull = pull::build(context, schedule.full_rows)?;
    schedule.pull_scope = pull.scope.clone();
    schedule.pull_cursor = pull.cursor.clone();
    let body = Request::Pull(pull);
    schedule.progress.begin(context.now);
    effects.push(Effect::Send { request, body });
    // Whatever is heard of from now on may not be part of the answer any more.
    schedule.pull_wanted = false;
    schedule.uploads_first = false;
    context.noted.status = true;
    Ok(())
}

/// Asks for what is wanted by name, if there is something.
fn send_fetch(
    context: &mut Context<'_, '_>,
    schedule: &mut Schedule,
    effects: &mut Vec<Effect>,
) -> Result<bool, StoreError> {
    let request = schedule.allocate();
    let Some(built) = fetch::build(context, schedule, request)? else {
        schedule.fetch_wanted = false;
        return Ok(false);
    };
    let token = schedule.token;
    schedule.in_flight.push(InFlight { id: request, fetch: true, token, ..InFlight::default() });
    effects.push(Effect::Send { request, body: Request::Fetch(built) });
    context.noted.status = true;
    Ok(true)
}

/// Sends one push, if there is something to push. A suspect group goes alone, and only after
/// something else has succeeded since it failed, unless this is a probe.
fn send_push(
    context: &mut Context<'_, '_>,
    schedule: &mut Schedule,
    stamp: &SchemaStamp,
    effects: &mut Vec<Effect>,
    is_probe: bool,
) -> Result<bool, StoreError> {
    if schedule.carrying {
        return Ok(false);
    }
    if schedule.contributing {
        return contribute::send(context, schedule, stamp, effects);
    }
    let request = schedule.allocate();
    let successes = schedule.successes;
    let ready = |suspect: &Suspect| {
        let suspicion = suspect.suspicion;
        is_probe || suspicion.failures == 0 || successes > suspicion.successes_at
    };
    // The oldest first, and one after the other: what was made later must not arrive earlier.
    schedule.suspects.sort_by_key(|suspect| suspect.carriers.first().copied());
    while let Some(position) = schedule.suspects.iter().position(ready) {
        if schedule.is_in_flight(Direction::Push) {
            return Ok(false);
        }
        let suspect = schedule.suspects.remove(position);
        if let Some(built) = push::rebuild(context, request, &suspect.carriers, stamp)? {
            let suspect = Some(suspect.suspicion);
            let token = schedule.token;
            schedule.in_flight.push(InFlight {
                id: request,
                push: true,
                fetch: false,
                token,
                suspect,
                contributes: false,
            });
            schedule.progress.begin(context.now);
            effects.push(Effect::Send { request, body: Request::Push(built) });
            return Ok(true);
        }
    }
    // While a push is on its way, the next one waits to be worth it.
    let counts = context.tx.queue_counts()?;
    let worth = !schedule.is_in_flight(Direction::Push)
        || counts.ready >= u64::try_from(limits::PUSH_OPERATIONS_MAX).unwrap_or(u64::MAX);
    if counts.ready == 0 || !worth {
        return Ok(false);
    }
    let suspects: BTreeSet<Counter> =
        schedule.suspects.iter().flat_map(|suspect| suspect.carriers.iter().copied()).collect();
    let Some(built) = push::build(context, request, &suspects, stamp)? else { return Ok(false) };
    let token = schedule.token;
    schedule.in_flight.push(InFlight {
        id: request,
        push: true,
        fetch: false,
        token,
        suspect: None,
        contributes: false,
    });
    schedule.progress.begin(context.now);
    schedule.progress.sent(counts.ready + counts.in_flight);
    effects.push(Effect::Send { request, body: Request::Push(built) });
    Ok(true)
}

/// A request has ended. An answer to a request that this life of the driver does not know of is
/// ignored: what it carried is sent again and answered again.
pub(crate) fn finished(
    context: &mut Context<'_, '_>,
    schedule: &mut Schedule,
    request: RequestId,
    result: Result<Response, Failure>,
) -> Result<Vec<Effect>, StoreError> {
    let Some(in_flight) = schedule.take(request) else { return Ok(Vec::new()) };
    context.noted.status = true;
    let response = match result {
        Ok(response) => response,
        Err(failure) => return failed(context, schedule, &in_flight, &failure),
    };
    if let Some(words) = no_answer(context, schedule, &in_flight, &response)? {
        let failure = Failure::new(FailureClass::Transient, words);
        return failed(context, schedule, &in_flight, &failure);
    }
    match response {
        Response::PushInPart { answered, rest } => {
            if names_any(context, request, &answered)? {
                take_in(context, schedule, answered)?;
            }
            return failed(context, schedule, &in_flight, &rest);
        }
        Response::Push(response) => {
            take_in(context, schedule, response)?;
            // What the answer did not name stays in the queue and is sent again.
            lane::release(context, request)?;
        }
        Response::Fetch(response) => {
            succeeded(context, schedule, Direction::Fetch)?;
            fetch::answered(context, schedule, request, response)?;
        }
        Response::Pull(_) if pull::is_void(context, schedule)? => {
            succeeded(context, schedule, Direction::Pull)?;
            schedule.pull_wanted = true;
        }
        Response::Pull(response) => {
            succeeded(context, schedule, Direction::Pull)?;
            let at = response.at;
            let at_head = pull::page(context, schedule, response)?;
            scope::pulled(context, schedule, at, at_head)?;
            if at_head {
                held::show(context, schedule, request)?;
                fetch::read_through(context, schedule, at)?;
                ageing::after_pull(context, at)?;
                schedule.last_pull = Some(context.now);
                let next = context.now.plus_ms(interval_with_jitter(context));
                schedule.next_pull = Some(next);
            }
        }
    }
    Ok(Vec::new())
}

/// Why an answer is none to what was asked, if so: taken for one, it would be asked for at once
/// again, without end.
fn no_answer(
    context: &Context<'_, '_>,
    schedule: &Schedule,
    in_flight: &InFlight,
    response: &Response,
) -> Result<Option<&'static str>, StoreError> {
    let request = in_flight.id;
    Ok(match (in_flight.direction(), response) {
        (Direction::Push, Response::Push(response)) if in_flight.contributes => {
            contribute::no_answer(context, response)?
        }
        (Direction::Push, Response::PushInPart { .. }) => None,
        (Direction::Push, Response::Push(response)) => {
            let words = "the server's answer does not say what became of the changes";
            (!names_any(context, request, response)?).then_some(words)
        }
        (Direction::Pull, Response::Pull(response)) => {
            let stands = !pull::advances(context, response)?;
            let words = "the server's answer ends where it began";
            (stands && !pull::is_void(context, schedule)?).then_some(words)
        }
        (Direction::Fetch, Response::Fetch(response)) => {
            let words = "the server's answer tells nothing of what was asked for";
            (!fetch::tells_any(context, request, response)?).then_some(words)
        }
        _ => Some("the answer belongs to another question"),
    })
}

/// Takes in what a server answered to a push.
fn take_in(
    context: &mut Context<'_, '_>,
    schedule: &mut Schedule,
    mut response: clarity_protocol::PushResponse,
) -> Result<(), StoreError> {
    succeeded(context, schedule, Direction::Push)?;
    let waited = waiting(context)?;
    if identity::meet_epoch(context, response.epoch)? {
        identity::hear(context, response.head)?;
        let contributed = std::mem::take(&mut response.contributed);
        contribute::answered(context, schedule, contributed)?;
        let response = held::hold(context, schedule, response)?;
        settle::answers(context, response)?;
    } else {
        identity::reset(context, schedule)?;
    }
    schedule.progress.answered(waited, waiting(context)?);
    Ok(())
}

/// How many operations are to be sent or on their way.
fn waiting(context: &Context<'_, '_>) -> Result<u64, StoreError> {
    let counts = context.tx.queue_counts()?;
    Ok(counts.ready + counts.in_flight)
}

/// Whether an answer names any operation that its request carried and that still waits for it.
fn names_any(
    context: &Context<'_, '_>,
    request: RequestId,
    response: &clarity_protocol::PushResponse,
) -> Result<bool, StoreError> {
    let carriers = poison::carriers(context, request)?;
    let named = response.answers.iter().any(|answer| carriers.contains(&answer.id));
    Ok(named || carriers.is_empty())
}

fn succeeded(
    context: &mut Context<'_, '_>,
    schedule: &mut Schedule,
    direction: Direction,
) -> Result<(), StoreError> {
    schedule.succeeded(direction, context.now);
    context.tx.add_metric("requests_succeeded", 1)
}

fn failed(
    context: &mut Context<'_, '_>,
    schedule: &mut Schedule,
    in_flight: &InFlight,
    failure: &Failure,
) -> Result<Vec<Effect>, StoreError> {
    let direction = in_flight.direction();
    let carriers = if in_flight.push { poison::carriers(context, in_flight.id)? } else { vec![] };
    lane::release(context, in_flight.id)?;
    context.tx.add_metric("requests_failed", 1)?;
    match direction {
        Direction::Push => {}
        Direction::Pull => schedule.pull_wanted = true,
        Direction::Fetch => schedule.fetch_wanted = true,
    }
    let about_content = is_about_content(failure.class);
    let refused = matches!(failure.class, FailureClass::TooLarge | FailureClass::BadRequest);
    if direction == Direction::Fetch && !refused {
        context.tx.release_wanted(Some(in_flight.id))?;
    }
    if let (Some(suspicion), false) = (in_flight.suspect, about_content) {
        poison::back(schedule, &carriers, suspicion);
    }
    match failure.class {
        // It went with a token that has been renewed since: it just goes again.
        FailureClass::Auth if in_flight.token < schedule.token => Ok(Vec::new()),
        FailureClass::Auth => token::refused(context, schedule, &failure.message),
        FailureClass::AccessRemoved => {
            schedule.pause(Pause::AccessRemoved, context.now, &failure.message);
            Ok(Vec::new())
        }
        FailureClass::Reset => {
            let is_news = !schedule.resync;
            identity::reset(context, schedule)?;
            note_failure(context, schedule, Some(direction), failure);
            if is_news {
                // The server is there and said what to do: no wait of earlier failures holds.
                schedule.hurry(context.now);
            }
            Ok(Vec::new())
        }
        FailureClass::TooLarge | FailureClass::BadRequest if in_flight.push => {
            contribute::refused(context, schedule, in_flight)?;
            poison::refused(context, schedule, &carriers, failure)?;
            // Halving finds one bad operation in a few requests. A server that refuses whatever it
            // is sent must not be asked a thousand times in a row (promise L2).
            if schedule.refused_too_often(context.now) {
                note_failure(context, schedule, Some(direction), failure);
            }
            Ok(Vec::new())
        }
        FailureClass::TooLarge | FailureClass::BadRequest if in_flight.fetch => {
            fetch::refused(context, schedule, in_flight.id, failure)?;
            if schedule.refused_too_often(context.now) {
                note_failure(context, schedule, Some(direction), failure);
            }
            Ok(Vec::new())
        }
        FailureClass::Transient | FailureClass::Unreachable if in_flight.push => {
            poison::suspect(context, schedule, carriers, in_flight.suspect, failure)?;
            note_failure(context, schedule, Some(direction), failure);
            Ok(Vec::new())
        }
        _ => {
            note_failure(context, schedule, Some(direction), failure);
            Ok(Vec::new())
        }
    }
}

/// Whether a failure may be about what the request carried.
fn is_about_content(class: FailureClass) -> bool {
    matches!(
        class,
        FailureClass::Transient
            | FailureClass::Unreachable
            | FailureClass::TooLarge
            | FailureClass::BadRequest
    )
}

pub(crate) fn note_failure(
    context: &mut Context<'_, '_>,
    schedule: &mut Schedule,
    direction: Option<Direction>,
    failure: &Failure,
) {
    schedule.failed(direction, failure, context.now, context.entropy);
}
