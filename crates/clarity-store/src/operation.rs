//! The operations of the queue as values.

use clarity_model::{Counter, EntityKey, FieldChange, Incarnation, Kind, LocalTime};
use rusqlite::Row;
use serde::{Deserialize, Serialize};

use crate::error::StoreError;
use crate::transaction::StoreTransaction;
use crate::value::{read_key, read_optional_json, read_optional_unsigned, read_unsigned};

/// What an operation in the queue waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[repr(u8)]
pub enum OperationState {
    /// It can be sent.
    Ready = 0,
    /// It waits for another operation.
    Blocked = 1,
    /// It is under way.
    InFlight = 2,
    /// It failed again and again, and is tried later, apart from the others.
    SetAside = 3,
    /// The server refused it; it waits for a person.
    Failed = 4,
    /// It is in the conflict inbox.
    Conflicted = 5,
}

impl OperationState {
    /// All states, in the order of their numbers in the file.
    pub const ALL: [Self; 6] = [
        Self::Ready,
        Self::Blocked,
        Self::InFlight,
        Self::SetAside,
        Self::Failed,
        Self::Conflicted,
    ];
    pub(crate) const COUNT: usize = Self::ALL.len();

    pub(crate) fn read(number: i64) -> Result<Self, StoreError> {
        usize::try_from(number)
            .ok()
            .and_then(|at| Self::ALL.get(at).copied())
            .ok_or(StoreError::InvalidValue { table: "operation", column: "state" })
    }
}

/// The number of a request of this device.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct RequestId(pub u64);

/// Why an operation failed the last time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OperationError {
    /// The reason as one word: why the server rejected it, or the class of the answer.
    pub code: String,
    /// The reason in words a person can act on, without values.
    pub message: String,
    /// When, by this device's clock.
    pub at: LocalTime,
}

/// An operation to put into the queue.
#[derive(Debug, Clone, PartialEq)]
pub struct NewOperation {
    /// What it does.
    pub kind: Kind,
    /// The entity.
    pub key: EntityKey,
    /// What it changes; nothing for a create that refers to its row.
    pub changes: Option<Vec<FieldChange>>,
    /// A create whose writer knew that the entity was deleted.
    pub undelete: bool,
    /// The first operation of its atomic batch.
    pub batch: Option<Counter>,
    /// The operations that it waits for.
    pub parents: Vec<Counter>,
    /// The version of the schema file that it was made with.
    pub schema: u32,
    /// When it was made.
    pub made_at: LocalTime,
    /// The state that it starts in.
    pub state: OperationState,
}

/// An operation in the queue. Its frozen bytes are loaded apart.
#[derive(Debug, Clone, PartialEq)]
pub struct QueuedOperation {
    /// Its number on this device.
    pub counter: Counter,
    /// The life of the store that the number belongs to.
    pub incarnation: Incarnation,
    /// What it does.
    pub kind: Kind,
    /// The entity.
    pub key: EntityKey,
    /// What it changes; nothing for a create that refers to its row.
    pub changes: Option<Vec<FieldChange>>,
    /// A create whose writer knew that the entity was deleted.
    pub undelete: bool,
    /// The first operation of its atomic batch.
    pub batch: Option<Counter>,
    /// The version of the schema file that `changes` are of: they are carried forward when they
    /// are read.
    pub schema: u32,
    /// When it was made.
    pub made_at: LocalTime,
    /// What it waits for.
    pub state: OperationState,
    /// How often it was tried and failed for a reason of its own.
    pub attempts: u32,
    /// When its bytes may first have left this device.
    pub first_sent_at: Option<LocalTime>,
    /// When it was last sent.
    pub last_attempt_at: Option<LocalTime>,
    /// Not before when it is tried again.
    pub next_attempt_at: Option<LocalTime>,
    /// The request that it travels in.
    pub request: Option<RequestId>,
    /// The operation whose frozen bytes say it.
    pub carrier: Option<Counter>,
    /// Why it failed the last time.
    pub error: Option<OperationError>,
    /// How often the entity had moved on at the server when what it wants arrived there.
    pub rounds: u32,
}

pub(crate) fn kind_number(kind: Kind) -> i64 {
    match kind {
        Kind::Create => 0,
        Kind::Update => 1,
        Kind::Delete => 2,
    }
}

fn read_kind(number: i64) -> Result<Kind, StoreError> {
    Ok(match number {
        0 => Kind::Create,
        1 => Kind::Update,
        2 => Kind::Delete,
        _ => return Err(StoreError::InvalidValue { table: "operation", column: "kind" }),
    })
}

/// The columns that [`read_operation`] reads, in its order.
macro_rules! select_operation {
    ($rest:literal) => {
        concat!(
            "SELECT counter, incarnation, kind, type, id, changes, undelete, batch, schema, \
             made_at, state, attempts, first_sent_at, last_attempt_at, next_attempt_at, request, \
             carrier, error, rounds FROM operation ",
            $rest
        )
    };
}
pub(crate) use select_operation;

pub(crate) fn read_operation(
    transaction: &StoreTransaction<'_>,
    row: &Row<'_>,
) -> Result<QueuedOperation, StoreError> {
    const TABLE: &str = "operation";
    let time = |at: usize| Ok::<_, StoreError>(row.get::<_, Option<i64>>(at)?.map(LocalTime));
    let counter = |at: usize| Ok::<_, StoreError>(read_optional_unsigned(row, at)?.map(Counter));
    let (kind, key) = (read_kind(row.get(2)?)?, read_key(row, 3, TABLE)?);
    // What is stored of an operation stays as it was made; it is carried forward when it is read.
    let (schema, made_with) = (transaction.schema(), row.get(8)?);
    let changes: Option<Vec<FieldChange>> = read_optional_json(row.get_ref(5)?, TABLE, "changes")?;
    // What a resolution has taken over is empty, and stays so.
    let number: i64 = row.get(0)?;
    let carrier: Option<i64> = row.get(16)?;
    let absorbed = carrier.is_some_and(|carrier| carrier != number) && time(12)?.is_none();
    let changes = changes.map(|changes| match absorbed {
        true => changes,
        false => schema.carried_changes(made_with, &key.entity_type, kind, changes),
    });
    Ok(QueuedOperation {
        counter: Counter(read_unsigned(row, 0)?),
        incarnation: transaction.incarnation(row.get(1)?)?,
        kind,
        key,
        changes,
        undelete: row.get(6)?,
        batch: counter(7)?,
        schema: schema.version.max(made_with),
        made_at: LocalTime(row.get(9)?),
        state: OperationState::read(row.get(10)?)?,
        attempts: row.get(11)?,
        first_sent_at: time(12)?,
        last_attempt_at: time(13)?,
        next_attempt_at: time(14)?,
        request: read_optional_unsigned(row, 15)?.map(RequestId),
        carrier: counter(16)?,
        error: read_optional_json(row.get_ref(17)?, TABLE, "error")?,
        rounds: row.get(18)?,
    })
}
