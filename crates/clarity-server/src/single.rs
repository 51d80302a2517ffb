//! Single entities without a network: what REST requests ask for, on the same code path as pushes.

use clarity_model::{
    EntityId, EntityKey, EntityType, Fields, Incarnation, OperationId, Seq, validate_depth,
    validate_field_name, validate_fields,
};
use clarity_protocol::{Cursor, PullRequest, PullResponse, Scope, WireEntity, hash_operation};

use crate::apply::{Single, SingleOutcome, Wish, apply_single, wire};
use crate::core::{ChangedTypes, Core};
use crate::environment::random;
use crate::error::RequestError;
use crate::storage::{AccountId, AccountSnapshot, DeviceId, Storage, StorageError};

/// The name of a single change, from the key that a client gave it.
#[derive(Debug, Clone)]
pub enum ChangeName {
    /// The client does not say when it asks again.
    Unnamed,
    /// What the client calls it. An operation id of a device names that operation.
    Named(String),
}

impl<S: Storage> Core<S> {
    /// A new id for an entity, as the server makes them.
    ///
    /// # Errors
    /// When there are no random bytes.
    pub fn new_entity_id(&self) -> Result<EntityId, RequestError> {
        let millis = u64::try_from(self.environment().now().0).unwrap_or(0);
        let random: [u8; 10] = random(self.environment())?;
        let uuid = uuid::Builder::from_unix_timestamp_millis(millis, &random).into_uuid();
        EntityId::new(uuid.hyphenated().to_string())
            .map_err(|_| RequestError::BadRequest("the server could not make an id"))
    }

    /// Makes one change of one entity; a repeat under the same name gets the first outcome.
    ///
    /// `said` is everything that the request says, so that the same name with another wish is
    /// told from a repeat.
    ///
    /// # Errors
    /// When the wish breaks a limit, or the request as a whole cannot be carried out; then
    /// nothing of it was.
    pub fn change_one(
        &self,
        account: AccountId,
        device: DeviceId,
        name: &ChangeName,
        said: &[u8],
        (key, on, wish): (EntityKey, Option<clarity_model::Version>, Wish),
    ) -> Result<(SingleOutcome, ChangedTypes), RequestError> {
        check(&wish)?;
        let (name, is_repeatable) = self.name_of(account, name)?;
        let hash = hash_operation(said);
        let single = Single { name, is_repeatable, hash, key, on, wish };
        let context = self.context(device)?;
        let (outcome, changed) =
            self.storage().write::<_, StorageError>(account, |transaction| {
                apply_single(transaction, &context, single)
            })?;
        Ok((outcome, changed.into_iter().collect()))
    }

    fn name_of(
        &self,
        account: AccountId,
        name: &ChangeName,
    ) -> Result<(OperationId, bool), RequestError> {
        let first = clarity_model::Counter(1);
        let ChangeName::Named(text) = name else {
            let incarnation = Incarnation(u128::from_le_bytes(random(self.environment())?));
            return Ok((OperationId { incarnation, counter: first }, false));
        };
        if let Ok(operation) = text.parse::<OperationId>() {
            let counts = (1..=i64::MAX.cast_unsigned()).contains(&operation.counter.0);
            if counts {
                return Ok((operation, true));
            }
        }
        // Any other name is taken for the life of a store that made one operation. The database's
        // key keeps it apart from the incarnations of devices.
        let mut hasher = blake3::Hasher::new_keyed(&self.storage().identity().key);
        hasher.update(b"change name");
        hasher.update(&account.0.to_le_bytes());
        hasher.update(text.as_bytes());
        let mut half = [0; 16];
        half.copy_from_slice(&hasher.finalize().as_bytes()[..16]);
        let incarnation = Incarnation(u128::from_le_bytes(half));
        Ok((OperationId { incarnation, counter: first }, true))
    }

    /// One entity as it stands; without fields when it was deleted.
    ///
    /// # Errors
    /// When the storage fails.
    pub fn read_one(
        &self,
        account: AccountId,
        key: &EntityKey,
    ) -> Result<Option<WireEntity>, RequestError> {
        self.storage().read(account, |snapshot| {
            let entity = snapshot.entity(key)?;
            Ok(entity.as_ref().map(wire))
        })
    }

    /// The next entities of a type in the order of their newest changes, deleted ones included,
    /// after a place that an earlier page named.
    ///
    /// # Errors
    /// [`RequestError::CursorRefused`] when the place is not of this database.
    pub fn list_one_type(
        &self,
        account: AccountId,
        device: DeviceId,
        entity_type: &EntityType,
        (after, rows_max): (Option<&str>, Option<usize>),
    ) -> Result<(PullResponse, String), RequestError> {
        let scope = Scope { types: vec![entity_type.clone()], windows: Default::default() };
        let cursor = match after {
            Some(text) => Some(parse_place(text, &scope).ok_or(RequestError::CursorRefused)?),
            None => None,
        };
        let request = PullRequest {
            incarnation: Incarnation(0),
            settled_below: clarity_model::Counter(0),
            schema: None,
            scope,
            cursor,
            heard: None,
            lost_epoch: None,
            from_head: false,
            rows_max,
        };
        let page = self.pull(account, device, &request)?;
        let place = place(&page.cursor);
        Ok((page, place))
    }
}

/// A cursor as one word.
fn place(cursor: &Cursor) -> String {
    format!("{}.{}.{}", cursor.epoch, cursor.seq, cursor.check)
}

fn parse_place(text: &str, scope: &Scope) -> Option<Cursor> {
    let mut parts = text.split('.');
    let epoch = parts.next()?.parse().ok()?;
    let seq = Seq(parts.next()?.parse().ok()?);
    let check = parts.next().filter(|check| check.len() == 16)?;
    let check = clarity_model::Check(u64::from_str_radix(check, 16).ok()?);
    parts.next().is_none().then(|| Cursor { epoch, seq, check, scope: scope.clone(), place: None })
}

/// What an operation of a push is checked for when it is read.
fn check(wish: &Wish) -> Result<(), RequestError> {
    let checked = match wish {
        Wish::Create(fields) | Wish::Replace(fields) => validate_fields(fields),
        Wish::Patch(wanted) => wanted.iter().try_for_each(|(field, value)| {
            validate_field_name(field)?;
            value.iter().try_for_each(|value| validate_depth(field, value))?;
            let alone = value.clone().map(|value| (field.clone(), value));
            validate_fields(&alone.into_iter().collect::<Fields>())
        }),
        Wish::Delete => Ok(()),
    };
    checked.map_err(|error| match error {
        clarity_model::InvalidEntity::TooLarge { .. } => {
            RequestError::TooLarge("an entity has at most 256 KiB; make it smaller or split it")
        }
        _ => RequestError::BadRequest(
            "a field's name or nesting is not allowed; see the limits of the protocol",
        ),
    })
}
