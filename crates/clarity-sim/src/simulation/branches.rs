//! The names of the ways in which the engine and the server deal with trouble, for counting which
//! of them were gone.

use clarity_engine::protocol::FailureClass;
use clarity_engine::protocol::model::Outcome;
use clarity_engine::{Flow, Pause, Status};
use clarity_store::EndedAs;

use super::faults::FaultCounts;

/// What a request failed with.
pub(crate) fn failure(class: FailureClass) -> &'static str {
    match class {
        FailureClass::Offline => "failed: offline",
        FailureClass::Unreachable => "failed: unreachable",
        FailureClass::CaptivePortal => "failed: captive portal",
        FailureClass::Auth => "failed: token refused",
        FailureClass::Reset => "failed: cursor refused",
        FailureClass::TooLarge => "failed: too large",
        FailureClass::BadRequest => "failed: bad request",
        FailureClass::Transient => "failed: for a while",
        _ => "failed: otherwise",
    }
}

/// What became of an operation at the server.
pub(crate) fn outcome(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Applied => "outcome: applied",
        Outcome::Merged => "outcome: merged",
        Outcome::Superseded => "outcome: superseded",
        Outcome::Conflict => "outcome: conflict",
        Outcome::Stale => "outcome: stale",
        Outcome::Rejected => "outcome: rejected",
        Outcome::Blocked => "outcome: blocked",
        Outcome::OpIdReused => "outcome: id reused",
        Outcome::Reidentify => "outcome: may have arrived",
    }
}

/// How an operation ended at a device.
pub(crate) fn ended(ended: EndedAs) -> &'static str {
    match ended {
        EndedAs::Applied => "ended: applied",
        EndedAs::Merged => "ended: merged",
        EndedAs::Superseded => "ended: superseded",
        EndedAs::Resolved => "ended: resolved",
        EndedAs::Rejected => "ended: rejected",
        EndedAs::Cancelled => "ended: cancelled",
    }
}

/// Counts what a device's status says, where it did not say so before.
pub(crate) fn status(counts: &mut FaultCounts, before: Option<&Status>, now: &Status) {
    let why = |status: &Status| status.stalled.as_ref().map(|stalled| stalled.why);
    if let Some(pause) = why(now).filter(|pause| before.and_then(why) != Some(*pause)) {
        counts.met(paused(pause));
    }
    for (name, holds) in [
        ("state: conflict open", (|status| status.conflicts > 0) as fn(&Status) -> bool),
        ("state: failed operation", |status| status.failed > 0),
        ("state: set aside", |status| status.set_aside > 0),
        ("state: wanted by name", |status| status.wanted > 0),
        ("state: making room", |status| status.making_room),
        ("state: catching up", |status| status.catching_up),
        ("state: in step", |status| status.flow == Flow::Synced),
    ] {
        if holds(now) && !before.is_some_and(holds) {
            counts.met(name);
        }
    }
}

fn paused(pause: Pause) -> &'static str {
    match pause {
        Pause::Offline => "pause: offline",
        Pause::ServerUnreachable => "pause: server unreachable",
        Pause::CaptivePortal => "pause: captive portal",
        Pause::AuthRequired => "pause: sign in",
        Pause::StorageFull => "pause: storage full",
        Pause::UserPaused => "pause: by the person",
        Pause::Metered => "pause: metered",
        Pause::Backoff => "pause: backoff",
        _ => "pause: otherwise",
    }
}
