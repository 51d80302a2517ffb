//! What must be on a device's disk, kept outside it: moved on only by commits that returned.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use clarity_engine::protocol::model::{Counter, EntityKey, EntityType, FieldChange, Kind, Seq};
use clarity_store::{
    EndedAs, ListOptions, OperationState, QueuedOperation, StoreError, StoreTransaction,
    StoredEntity,
};
use serde_json::Value;

/// The beginning of the ids of goals that only ever count; their sums are checked (promise I3).
pub(crate) const COUNTER_PREFIX: &str = "counter-";

/// An operation in the queue, as far as it must not change by itself.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Waiting {
    pub(crate) key: EntityKey,
    pub(crate) kind: Kind,
    pub(crate) state: OperationState,
    pub(crate) sent: bool,
    pub(crate) carrier: Option<Counter>,
    pub(crate) batch: Option<Counter>,
    pub(crate) reason: Option<String>,
    /// Whether a person took it back while it was on its way.
    pub(crate) taken_back: bool,
    /// The operations that must be accepted before it, as far as they are in the queue.
    pub(crate) parents: Vec<Counter>,
}

impl Waiting {
    fn of(operation: &QueuedOperation, parents: Vec<Counter>) -> Self {
        Self {
            parents,
            taken_back: false,
            key: operation.key.clone(),
            kind: operation.kind,
            state: operation.state,
            sent: operation.first_sent_at.is_some(),
            carrier: operation.carrier,
            batch: operation.batch,
            reason: operation.error.as_ref().map(|error| error.code.clone()),
        }
    }
}

impl fmt::Debug for Waiting {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:?} {} {:?}", self.kind, self.key, self.state)?;
        if self.sent {
            formatter.write_str(" sent")?;
        }
        if let Some(carrier) = self.carrier {
            write!(formatter, " carried by {carrier}")?;
        }
        if let Some(batch) = self.batch {
            write!(formatter, " batch {batch}")?;
        }
        if self.taken_back {
            formatter.write_str(" taken back")?;
        }
        if let Some(reason) = &self.reason {
            write!(formatter, " {reason}")?;
        }
        if !self.parents.is_empty() {
            write!(formatter, " after {:?}", self.parents)?;
        }
        Ok(())
    }
}

/// An operation from its making to its end.
#[derive(Debug, Clone)]
pub(crate) struct Fate {
    pub(crate) key: EntityKey,
    /// What it adds to a counter.
    pub(crate) delta: i64,
    pub(crate) ended: Option<EndedAs>,
}

/// What a transaction is about to make of a device.
#[derive(Debug, Clone)]
pub(crate) struct Change {
    pub(crate) queue: BTreeMap<Counter, Waiting>,
    pub(crate) rows: Vec<(EntityKey, Option<StoredEntity>)>,
    pub(crate) made: Vec<(Counter, Fate)>,
    pub(crate) ended: Vec<(Counter, EndedAs)>,
}

/// The device as the last commit that returned left it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Model {
    pub(crate) queue: BTreeMap<Counter, Waiting>,
    pub(crate) rows: BTreeMap<EntityKey, StoredEntity>,
    pub(crate) fates: BTreeMap<Counter, Fate>,
    /// The operations that an answer or a page named as part of the server's state.
    pub(crate) named: BTreeSet<Counter>,
    /// The operations of which the answer at hand says that their ids are of others: they have
    /// never been sent.
    pub(crate) reused: BTreeSet<Counter>,
    /// Whether the device is, or has, a copy: what it sent may have arrived without its knowing.
    pub(crate) may_have_arrived: bool,
    /// Whether the server was set back, so that what it told may go back too.
    pub(crate) may_go_back: bool,
    /// Whether that happened by somebody who did not say so: what was lost may stay lost.
    pub(crate) may_keep_lost: bool,
}

impl Model {
    /// Follows a commit.
    pub(crate) fn follow(&mut self, change: Change) {
        self.queue = change.queue;
        for (key, row) in change.rows {
            match row {
                Some(row) => self.rows.insert(key, row),
                None => self.rows.remove(&key),
            };
        }
        self.fates.extend(change.made);
        for (counter, ended) in change.ended {
            if let Some(fate) = self.fates.get_mut(&counter) {
                fate.ended = Some(ended);
            }
        }
    }

    /// The entities of sent operations, and of those that stand or fall with them.
    pub(crate) fn sent_with(&self, wanted: impl Fn(Counter, &Waiting) -> bool) -> Vec<EntityKey> {
        let mut keys = Vec::new();
        for (_, found) in self.queue.iter().filter(|(counter, one)| wanted(**counter, one)) {
            let is_mate = |other: &Waiting| found.batch.is_some() && other.batch == found.batch;
            let all = self.queue.values().filter(|one| one.key == found.key || is_mate(one));
            keys.extend(all.filter(|one| one.sent).map(|one| one.key.clone()));
        }
        keys
    }

    /// The operations in some state, in order.
    pub(crate) fn in_state(&self, state: OperationState) -> Vec<Counter> {
        let waiting = self.queue.iter().filter(|(_, waiting)| waiting.state == state);
        waiting.map(|(counter, _)| *counter).collect()
    }
}

/// The whole queue of a store.
pub(crate) fn read_queue(
    transaction: &StoreTransaction<'_>,
) -> Result<BTreeMap<Counter, QueuedOperation>, StoreError> {
    let mut queue = BTreeMap::new();
    let counts = transaction.queue_counts()?;
    for (state, count) in [
        (OperationState::Ready, counts.ready),
        (OperationState::Blocked, counts.blocked),
        (OperationState::InFlight, counts.in_flight),
        (OperationState::SetAside, counts.set_aside),
        (OperationState::Failed, counts.failed),
        (OperationState::Conflicted, counts.conflicted),
    ] {
        if count > 0 {
            let operations = transaction.operations_in_state(state, Counter(0), usize::MAX)?;
            queue.extend(operations.into_iter().map(|operation| (operation.counter, operation)));
        }
    }
    Ok(queue)
}

/// The queue as the model keeps it.
pub(crate) fn waiting(
    transaction: &StoreTransaction<'_>,
    queue: &BTreeMap<Counter, QueuedOperation>,
) -> Result<BTreeMap<Counter, Waiting>, StoreError> {
    let mut waiting = BTreeMap::new();
    for (counter, operation) in queue {
        let parents = match operation.state {
            OperationState::Blocked => transaction.parents(*counter)?,
            _ => Vec::new(),
        };
        waiting.insert(*counter, Waiting::of(operation, parents));
    }
    for counter in transaction.taken_back()? {
        if let Some(operation) = waiting.get_mut(&counter) {
            operation.taken_back = true;
        }
    }
    Ok(waiting)
}

/// All rows of a store.
pub(crate) fn read_rows(
    transaction: &StoreTransaction<'_>,
) -> Result<BTreeMap<EntityKey, StoredEntity>, StoreError> {
    let mut rows = BTreeMap::new();
    let options = ListOptions { include_deleted: true, limit: usize::MAX, ..Default::default() };
    let types: Vec<EntityType> = transaction.entity_types()?;
    for entity_type in types {
        let listed = transaction.list_entities(&entity_type, &options)?;
        rows.extend(listed.into_iter().map(|(key, row)| (key, comparable(row))));
    }
    Ok(rows)
}

/// A row without its place in the log, which moves without anybody being told.
pub(crate) fn comparable(mut row: StoredEntity) -> StoredEntity {
    row.seq = Seq(0);
    row
}

/// What is remembered of a new operation.
pub(crate) fn fate_of(operation: &QueuedOperation, row: Option<&StoredEntity>) -> Fate {
    let counts = operation.key.id.as_str().starts_with(COUNTER_PREFIX);
    let delta = match (&operation.changes, counts) {
        (_, false) => 0,
        (Some(changes), true) => changes.iter().map(delta_of).sum(),
        (None, true) => row.map_or(0, |row| number(row.fields.get("progress"))),
    };
    Fate { key: operation.key.clone(), delta, ended: None }
}

fn delta_of(change: &FieldChange) -> i64 {
    if change.field == "progress" {
        number(change.new.as_ref()) - number(change.old.as_ref())
    } else {
        0
    }
}

/// A whole number, zero when there is none.
pub(crate) fn number(value: Option<&Value>) -> i64 {
    value.and_then(Value::as_f64).map_or(0, |number| number as i64)
}
