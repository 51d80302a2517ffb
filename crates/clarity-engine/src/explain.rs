//! Why an operation is not at the server: the true reason, who must act, and what happens next.
//!
//! An operation's own state comes first, then what it waits behind, then what holds up everything.
//! The reason of what it waits behind is told with it, so that the end of the chain is seen.

use clarity_model::{Counter, EntityKey, Kind, LocalTime, Priority, Version};
use clarity_store::{OperationState, QueuedOperation, StoreError, StoreTransaction};
use serde::Serialize;

use crate::conflict::ConflictId;
use crate::explain_words as words;
use crate::failure::FailureReason;
use crate::schedule::{Pause, Schedule, WhoActs};
use crate::storage::Absence;
use crate::view::is_absorbed;
use crate::{scope, status, storage};

/// The longest chain of operations that wait for each other which is told.
const CHAIN_MAX: usize = 16;
/// Most waiting operations of one entity that are explained.
const PENDING_MAX: usize = 100;

/// Why an operation has not taken effect at the server, or that it has ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case", tag = "reason")]
#[non_exhaustive]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
pub enum Why {
    /// It ended, as this word says.
    Ended {
        /// How.
        outcome: &'static str,
    },
    /// It goes with the next request.
    Next,
    /// It is on its way; its answer has not come.
    InFlight,
    /// A request that carried it failed while the server was well; it is sent again in smaller
    /// groups, to find the one that is at fault.
    Isolating,
    /// Nobody has signed in, so nothing is sent.
    NotSignedIn,
    /// No process synchronises this store.
    NotRunning,
    /// Everything is held up.
    Paused {
        /// By what.
        pause: Pause,
        /// Whether it is that the connection could not be made secure.
        insecure: bool,
        /// Whether the server itself named the time until which to wait.
        asked_to_wait: bool,
    },
    /// It waits in the conflict inbox.
    Conflict {
        /// The conflict.
        conflict: Option<ConflictId>,
    },
    /// The server refused it.
    Rejected {
        /// Why.
        code: FailureReason,
    },
    /// The server failed on it again and again while others went through.
    SetAside {
        /// How often.
        failures: u32,
    },
    /// An earlier change of the same entity is in the conflict inbox.
    BehindConflict {
        /// The earlier one.
        operation: Counter,
    },
    /// An earlier change of the same entity was refused.
    BehindFailed {
        /// The earlier one.
        operation: Counter,
    },
    /// An earlier change of the same entity is set aside.
    BehindSetAside {
        /// The earlier one.
        operation: Counter,
    },
    /// An earlier change of the same entity has not been answered.
    BehindEarlier {
        /// The earlier one.
        operation: Counter,
    },
    /// It waits for an operation that must be accepted first.
    Parent {
        /// That one.
        operation: Counter,
    },
    /// Another member of its atomic batch cannot go.
    Batch {
        /// The member.
        operation: Counter,
    },
    /// A person settled a conflict; the settlement travels for it.
    PartOfResolution {
        /// The settlement.
        operation: Counter,
    },
}

/// The answer to: why is this not at the server?
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
pub struct Explanation {
    /// The operation.
    pub operation: Counter,
    /// What it does; absent when it has ended.
    pub kind: Option<Kind>,
    /// The entity; absent when it has ended.
    #[serde(flatten)]
    #[cfg_attr(feature = "typescript", ts(skip))]
    pub key: Option<EntityKey>,
    /// Why.
    pub why: Why,
    /// Since when; absent when it is not known.
    pub since: Option<LocalTime>,
    /// Who must act.
    pub who_must_act: WhoActs,
    /// When it is tried again by itself, if that is known.
    pub next_attempt: Option<LocalTime>,
    /// Why, in words.
    pub message: String,
    /// What happens next, in words.
    pub next: String,
    /// Why that which it waits for is not at the server either.
    pub because: Option<Box<Explanation>>,
}

/// What is known of an entity and of everything that waits for it.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
pub struct EntityExplanation {
    /// The entity.
    #[serde(flatten)]
    pub key: EntityKey,
    /// Whether an app sees it.
    pub visible: bool,
    /// The version that the server last told of; zero before it knows the entity.
    pub confirmed_version: Version,
    /// Whether the server has deleted it.
    pub confirmed_deleted: bool,
    /// Its operations that wait, in order, each with its reason; the first hundred.
    pub waiting: Vec<Explanation>,
    /// What is known of it when it was given up on this device for space; absent when it was not.
    pub evicted: Option<Absence>,
    /// Whether the device follows it: its type, and its time where only the last days are followed.
    pub followed: bool,
    /// The priority of its own that a person gave it.
    pub priority: Option<Priority>,
    /// Its open conflict.
    pub conflict: Option<ConflictId>,
    /// Its operations that were refused.
    pub failed: Vec<Counter>,
    /// Operations of other entities that its own wait for.
    pub waits_for: Vec<Counter>,
    /// Operations of other entities that wait for its own.
    pub waited_for_by: Vec<Counter>,
    /// In words.
    pub message: String,
}

/// What the engine needs to explain: the store, the schedule, and whether anybody synchronises.
pub(crate) struct Explainer<'a, 's> {
    pub(crate) tx: &'a StoreTransaction<'s>,
    pub(crate) schedule: &'a Schedule,
    pub(crate) running: bool,
}

impl Explainer<'_, '_> {
    /// Why an operation is not at the server; nothing for one that was never made.
    pub(crate) fn operation(&self, counter: Counter) -> Result<Option<Explanation>, StoreError> {
        if let Some(operation) = self.tx.operation(counter)? {
            return self.waiting(&operation, CHAIN_MAX).map(Some);
        }
        if counter == Counter(0) || counter >= self.tx.next_counter()? {
            return Ok(None);
        }
        let ended = self.tx.ended(counter)?;
        let outcome = ended.map_or("applied", |ended| ended.outcome.as_str());
        let why = Why::Ended { outcome };
        Ok(Some(Explanation {
            operation: counter,
            kind: None,
            key: None,
            since: ended.map(|ended| ended.at),
            who_must_act: WhoActs::Nobody,
            next_attempt: None,
            message: words::why(&why, None),
            next: words::next(&why, None),
            because: None,
            why,
        }))
    }

    /// What is known of an entity; nothing when this device knows nothing of it, although it
    /// follows such entities.
    pub(crate) fn entity(&self, key: &EntityKey) -> Result<Option<EntityExplanation>, StoreError> {
        let key = &self.tx.present_key(key)?;
        let row = self.tx.entity(key)?;
        let lane = self.tx.lane(key)?;
        let evicted = if row.is_none() { storage::absence(self.tx, key)? } else { None };
        let followed = scope::follows(self.tx, key, row.as_ref())?;
        if row.is_none() && lane.is_empty() && evicted.is_none() && followed {
            return Ok(None);
        }
        let confirmed = self.tx.confirmed(key)?;
        let visible = row.as_ref().is_some_and(|row| row.state.is_visible());
        let of_marker = self.tx.evicted_entity(key)?.map(|marker| marker.version);
        let of_row = row.as_ref().map(|row| row.version).or(of_marker).unwrap_or_default();
        let deleted = || lane.is_empty() && row.is_some() && !visible;
        let mut explained = EntityExplanation {
            key: key.clone(),
            visible,
            confirmed_version: confirmed.as_ref().map_or(of_row, |confirmed| confirmed.version),
            confirmed_deleted: confirmed.as_ref().map_or_else(deleted, |there| there.deleted),
            waiting: Vec::new(),
            evicted,
            followed,
            priority: self.tx.kept(key)?,
            conflict: self.tx.conflict_of(key)?.map(|conflict| ConflictId(conflict.id)),
            failed: Vec::new(),
            waits_for: Vec::new(),
            waited_for_by: Vec::new(),
            message: String::new(),
        };
        for operation in &lane {
            if operation.state == OperationState::Failed {
                explained.failed.push(operation.counter);
            }
            explained.waits_for.extend(self.tx.parents(operation.counter)?);
            explained.waited_for_by.extend(self.tx.children(operation.counter)?);
            if explained.waiting.len() < PENDING_MAX {
                explained.waiting.push(self.waiting(operation, CHAIN_MAX)?);
            }
        }
        let own = |other: &Counter| lane.iter().any(|operation| operation.counter == *other);
        explained.waits_for.retain(|other| !own(other));
        explained.waited_for_by.retain(|other| !own(other));
        explained.message = words::entity(&explained, lane.len());
        Ok(Some(explained))
    }

    fn waiting(
        &self,
        operation: &QueuedOperation,
        depth: usize,
    ) -> Result<Explanation, StoreError> {
        let why = self.why(operation)?;
        let because = match self.other(&why).filter(|_| depth > 0) {
            Some(other) => self.tx.operation(other)?,
            None => None,
        };
        let because = because.map(|other| self.waiting(&other, depth - 1)).transpose()?;
        let error = operation.error.as_ref();
        let (mut since, mut next_attempt) = match &why {
            Why::Paused { pause, .. } => self.of_pause(*pause),
            Why::Isolating => (None, self.schedule.next_attempt),
            Why::InFlight => (operation.last_attempt_at.or(operation.first_sent_at), None),
            Why::Rejected { .. } => (error.map(|error| error.at), None),
            Why::SetAside { .. } => (error.map(|error| error.at), operation.next_attempt_at),
            Why::Conflict { conflict } => (self.opened_at(*conflict)?, None),
            _ => (None, None),
        };
        let mut who_must_act = self.who_acts(&why);
        if let Some(because) = &because {
            since = because.since;
            next_attempt = because.next_attempt;
            who_must_act = because.who_must_act;
        }
        let detail = match &why {
            Why::Paused { pause, .. } => self.schedule.pauses.get(pause).map(|i| &*i.message),
            Why::Rejected { .. } | Why::SetAside { .. } => error.map(|error| &*error.message),
            _ => None,
        };
        Ok(Explanation {
            operation: operation.counter,
            kind: Some(operation.kind),
            key: Some(operation.key.clone()),
            since: Some(since.unwrap_or(operation.made_at)),
            who_must_act,
            next_attempt,
            message: words::why(&why, detail),
            next: words::next(&why, next_attempt.filter(|_| self.running)),
            because: because.map(Box::new),
            why,
        })
    }

    fn why(&self, operation: &QueuedOperation) -> Result<Why, StoreError> {
        Ok(match operation.state {
            OperationState::Conflicted => {
                let conflict = self.tx.conflict_of(&operation.key)?;
                Why::Conflict { conflict: conflict.map(|conflict| ConflictId(conflict.id)) }
            }
            OperationState::Failed => {
                let code = operation.error.as_ref().map(|error| error.code.as_str());
                Why::Rejected { code: FailureReason::from_code(code.unwrap_or_default()) }
            }
            OperationState::SetAside => Why::SetAside { failures: operation.attempts },
            OperationState::InFlight => Why::InFlight,
            OperationState::Blocked => match self.blocker(operation)? {
                Some(why) => why,
                None => self.of_all(operation)?,
            },
            OperationState::Ready => match self.earlier(operation)? {
                Some(why) => why,
                None => self.of_all(operation)?,
            },
        })
    }

    /// What holds up everything, or the request that comes next.
    fn of_all(&self, operation: &QueuedOperation) -> Result<Why, StoreError> {
        let carrier = operation.carrier.unwrap_or(operation.counter);
        let mut suspects = self.schedule.suspects.iter().flat_map(|suspect| &suspect.carriers);
        let is_suspect = suspects.any(|other| *other == carrier);
        // A full disk stops what is read; what waits goes out all the same.
        let stalling = status::stalling(self.schedule, |pause| pause != Pause::StorageFull);
        // The others go through: it is not the server that is in the way.
        let alone = self.schedule.other_works || stalling.is_none();
        let held = stalling.is_some_and(|(pause, _)| pause.holds());
        if self.running && is_suspect && alone && !held {
            return Ok(Why::Isolating);
        }
        if let Some((pause, info)) = stalling {
            let (insecure, asked_to_wait) = (info.insecure, info.asked_to_wait);
            return Ok(Why::Paused { pause, insecure, asked_to_wait });
        }
        if self.running {
            return Ok(Why::Next);
        }
        let credentials = self.tx.credentials()?;
        let signed_out = credentials.as_ref().map(|known| known.refresh_token.is_none());
        let never_sent = self.schedule.last_success.is_none();
        Ok(if signed_out.unwrap_or(never_sent) { Why::NotSignedIn } else { Why::NotRunning })
    }

    /// What a blocked operation waits behind.
    fn blocker(&self, operation: &QueuedOperation) -> Result<Option<Why>, StoreError> {
        if is_absorbed(operation) {
            let carrier = operation.carrier.unwrap_or(operation.counter);
            return Ok(Some(Why::PartOfResolution { operation: carrier }));
        }
        if let Some(parent) = self.tx.parents(operation.counter)?.first() {
            return Ok(Some(Why::Parent { operation: *parent }));
        }
        if let Some(why) = self.earlier(operation)? {
            return Ok(Some(why));
        }
        let Some(batch) = operation.batch else { return Ok(None) };
        for mate in self.tx.operations_of_batch(batch)? {
            if mate.counter == operation.counter || is_absorbed(&mate) {
                continue;
            }
            let free = matches!(mate.state, OperationState::Ready | OperationState::InFlight);
            let waits =
                !self.tx.parents(mate.counter)?.is_empty() || self.earlier(&mate)?.is_some();
            if waits || !(free || mate.state == OperationState::Blocked) {
                return Ok(Some(Why::Batch { operation: mate.counter }));
            }
        }
        Ok(None)
    }

    /// The operation of the same entity that an operation waits behind.
    fn earlier(&self, operation: &QueuedOperation) -> Result<Option<Why>, StoreError> {
        let lane = self.tx.lane(&operation.key)?;
        let before = lane.iter().take_while(|other| other.counter < operation.counter);
        let mut before = before.filter(|other| !is_absorbed(other));
        // What is ready before it travels with it, unless it is on its way already.
        let holds = |other: &&QueuedOperation| other.state != OperationState::Ready;
        Ok(before.find(holds).map(|other| {
            let operation = other.counter;
            match other.state {
                OperationState::Conflicted => Why::BehindConflict { operation },
                OperationState::Failed => Why::BehindFailed { operation },
                OperationState::SetAside => Why::BehindSetAside { operation },
                _ => Why::BehindEarlier { operation },
            }
        }))
    }

    /// The operation that a reason points at.
    fn other(&self, why: &Why) -> Option<Counter> {
        match why {
            Why::BehindConflict { operation }
            | Why::BehindFailed { operation }
            | Why::BehindSetAside { operation }
            | Why::BehindEarlier { operation }
            | Why::Parent { operation }
            | Why::Batch { operation }
            | Why::PartOfResolution { operation } => Some(*operation),
            _ => None,
        }
    }

    fn of_pause(&self, pause: Pause) -> (Option<LocalTime>, Option<LocalTime>) {
        let info = self.schedule.pauses.get(&pause);
        let next = match info {
            Some(info) if pause.holds() => info.until,
            _ => self.schedule.next_attempt,
        };
        (info.map(|info| info.since), next)
    }

    fn opened_at(&self, conflict: Option<ConflictId>) -> Result<Option<LocalTime>, StoreError> {
        let Some(ConflictId(id)) = conflict else { return Ok(None) };
        Ok(self.tx.conflict(id)?.map(|conflict| conflict.opened_at))
    }

    fn who_acts(&self, why: &Why) -> WhoActs {
        match why {
            Why::Paused { insecure: true, .. } => WhoActs::Operator,
            Why::Paused { pause, .. } => pause.who_acts(),
            Why::NotSignedIn | Why::Conflict { .. } | Why::Rejected { .. } => WhoActs::Person,
            Why::SetAside { .. } => WhoActs::Operator,
            Why::NotRunning => WhoActs::Person,
            _ => WhoActs::Nobody,
        }
    }
}
