//! The words of explanations: one table, so that every reason says what a person can do.

use clarity_model::{LocalTime, Priority};

use crate::explain::{EntityExplanation, Why};
use crate::schedule::Pause;

/// Why, in words.
pub(crate) fn why(why: &Why, detail: Option<&str>) -> String {
    let said = |words: &str| match detail.filter(|detail| !detail.is_empty()) {
        Some(detail) => format!("{words}: {}", detail.trim_end_matches('.')),
        None => words.to_owned(),
    };
    match why {
        Why::Ended { outcome } => ended(outcome).to_owned(),
        Why::Next => "it goes with the next request".to_owned(),
        Why::InFlight => "it is on its way, and the server has not answered yet".to_owned(),
        Why::Isolating => "a request that carried it failed while the server was well; it goes \
                           again in smaller groups, to find the change that is at fault"
            .to_owned(),
        Why::NotSignedIn => "nobody has signed in, so everything stays on this device".to_owned(),
        Why::NotRunning => "nothing synchronises this store at the moment".to_owned(),
        Why::Paused { insecure: true, .. } => {
            said("the connection to the server cannot be made secure")
        }
        Why::Paused { pause, asked_to_wait, .. } => said(paused(*pause, *asked_to_wait)),
        Why::Conflict { .. } => "the entity was changed here and elsewhere, and both versions \
                                 wait for a person to choose"
            .to_owned(),
        Why::Rejected { .. } => said("the server refused it"),
        Why::SetAside { failures } => {
            said(&format!("the server failed on it {failures} times while others went through"))
        }
        Why::BehindConflict { operation } => {
            format!("an earlier change of the same entity, {operation}, is in conflict")
        }
        Why::BehindFailed { operation } => {
            format!("an earlier change of the same entity, {operation}, was refused")
        }
        Why::BehindSetAside { operation } => {
            format!("an earlier change of the same entity, {operation}, is set aside")
        }
        Why::BehindEarlier { operation } => {
            format!("an earlier change of the same entity, {operation}, has not been answered")
        }
        Why::Parent { operation } => {
            format!("it depends on operation {operation}, which the server has not accepted yet")
        }
        Why::Batch { operation } => {
            format!("operation {operation} of the same batch cannot go, and they go together")
        }
        Why::PartOfResolution { operation } => {
            format!("a conflict was settled; operation {operation} carries what was chosen")
        }
    }
}

fn ended(outcome: &str) -> &'static str {
    match outcome {
        "applied" => "it has taken effect at the server",
        "merged" => "it has taken effect at the server, merged with changes of others",
        "superseded" => "the server kept another value; this one is in the history",
        "resolved" => "a later operation settled it",
        "rejected" => "the server refused it and it was given up",
        _ => "it was taken back before it was sent",
    }
}

fn paused(pause: Pause, asked_to_wait: bool) -> &'static str {
    match pause {
        Pause::Offline => "there is no network",
        Pause::ServerUnreachable => "the server does not answer",
        Pause::CaptivePortal => "the network wants a sign-in of its own",
        Pause::AuthRequired => "the server does not know who this is any more",
        Pause::AccessRemoved => "this device or account may not use the server any more",
        Pause::UpgradeRequired => "this program is too old for the server, or too new",
        Pause::Config => "there is no such server at the address",
        Pause::StorageFull => "the storage of this device is full",
        Pause::Damaged => "the store of this device is damaged",
        Pause::UserPaused => "synchronising was paused on this device",
        Pause::Metered => "the network costs money, and large transfers wait for another",
        Pause::Backoff if asked_to_wait => "the server asked to wait",
        Pause::Backoff => "the server failed",
    }
}

/// What happens next, in words. The time is in the explanation itself.
pub(crate) fn next(why: &Why, next_attempt: Option<LocalTime>) -> String {
    let timed = next_attempt.is_some();
    match why {
        Why::Ended { .. } => "nothing; it has ended",
        Why::Next => "it is sent at once",
        Why::InFlight => "its answer settles it; without one it is sent again under the same name",
        Why::Isolating => "its group is sent after another request has succeeded",
        Why::NotSignedIn => "sign in; then everything that waits is sent",
        Why::NotRunning => "it is sent when the app synchronises the next time",
        Why::Paused { insecure: true, .. } => {
            "have the server's certificate and this device's clock looked at; it is tried again \
             by itself"
        }
        Why::Paused { pause, .. } => after_pause(*pause, timed),
        Why::Conflict { .. } => "choose a version; what was chosen is then sent",
        Why::Rejected { code } => code.advice(),
        Why::SetAside { .. } => {
            "it is tried again by itself, later and later up to every 6 hours; a sync asked for by \
             hand tries it at once"
        }
        Why::BehindConflict { .. } => "settle the conflict; then it goes",
        Why::BehindFailed { .. } => "try the refused change again or discard it; then it goes",
        Why::BehindSetAside { .. } => "it goes when the earlier one has been accepted",
        Why::BehindEarlier { .. } => "it goes as soon as the earlier one is answered",
        Why::Parent { .. } => "it goes when that one has been accepted",
        Why::Batch { .. } => "the batch goes when all of it can",
        Why::PartOfResolution { .. } => "it ends together with that one",
    }
    .to_owned()
}

fn after_pause(pause: Pause, timed: bool) -> &'static str {
    match pause {
        Pause::AuthRequired | Pause::AccessRemoved => {
            "sign in again; everything is kept and is then sent"
        }
        Pause::UpgradeRequired => {
            "update this program, or the server if that is older; until then writes are kept here"
        }
        Pause::Config => "have the server's address looked at; it is tried again by itself",
        Pause::StorageFull => "free some space; then it goes on by itself",
        Pause::Damaged => "recover the store: all that can be read is saved, and then it goes on",
        Pause::UserPaused if timed => "it goes on by itself at the time that was chosen",
        Pause::UserPaused => "resume synchronising",
        Pause::Metered => "it goes on with another network, or when it is allowed on this one",
        Pause::CaptivePortal => "open a web page and sign in to the network; it is tried again",
        Pause::Offline if timed => "it goes on when there is a network, and is tried meanwhile",
        Pause::Offline | Pause::ServerUnreachable | Pause::Backoff if !timed => {
            "it is tried again when the app synchronises the next time"
        }
        _ => "it is tried again by itself",
    }
}

/// An entity, in words.
pub(crate) fn entity(explained: &EntityExplanation, waiting: usize) -> String {
    let known = match (explained.confirmed_version.0, explained.confirmed_deleted) {
        (0, _) if !explained.visible && waiting == 0 => "it is not on this device".to_owned(),
        (0, _) => "the server does not know it yet".to_owned(),
        (version, false) => format!("the server has version {version}"),
        (version, true) => format!("the server deleted it in version {version}"),
    };
    let waits = match waiting {
        0 => "nothing waits".to_owned(),
        1 => "1 change waits".to_owned(),
        more => format!("{more} changes wait"),
    };
    let first = explained.waiting.first().map(|first| &first.message);
    let mut words = match first {
        Some(message) => format!("{known}, {waits}: {message}"),
        None => format!("{known}, {waits}"),
    };
    for more in [away(explained), outside(explained)].into_iter().flatten() {
        words.push_str("; ");
        words.push_str(more);
    }
    words
}

/// Where an entity is that was given up for space.
fn away(explained: &EntityExplanation) -> Option<&'static str> {
    let evicted = explained.evicted.as_ref()?;
    Some(match (evicted.certain, evicted.wanted, &evicted.refused) {
        (_, _, Some(_)) => "it was moved off this device to save space, and the server refused it",
        (_, true, None) => "it was moved off this device to save space, and is being fetched",
        (true, false, None) => {
            "it was moved off this device to save space; it is fetched when it is asked for"
        }
        (false, false, None) => {
            "its month was moved off this device to save space; if it was part of it, it is \
             fetched when it is asked for"
        }
    })
}

/// What it means that the device does not follow an entity.
fn outside(explained: &EntityExplanation) -> Option<&'static str> {
    let is_critical = explained.priority == Some(Priority::Critical);
    match (explained.followed, explained.visible) {
        (true, _) => None,
        (false, true) if is_critical => {
            Some("this device does not follow it: it stays, as it was last heard of")
        }
        (false, true) => {
            Some("this device does not follow it: it stays for the day, as it was last heard of")
        }
        (false, false) => Some("this device does not follow it; it can be fetched by name"),
    }
}
