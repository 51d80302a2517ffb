//! What a unit of operations is about to change.

use std::collections::{BTreeMap, BTreeSet};

use clarity_model::{
    Counter, EntityKey, EntityType, OperationId, Seq, ServerTime, TypeSchema, Version, limits,
};
use clarity_protocol::WireEntity;

use super::decide::Change;
use crate::storage::{AccountTransaction, StorageError, StoredEntity};

/// The states that entities will have when the unit is written.
pub(super) struct Plan {
    head: Seq,
    /// The first position of an atomic batch.
    batch_seq: Option<Seq>,
    entities: BTreeMap<EntityKey, Planned>,
    /// The operations of the unit that will get receipts.
    claimed: BTreeSet<Counter>,
    bytes: usize,
}

struct Planned {
    entity: StoredEntity,
    replaces: Option<Seq>,
}

impl Plan {
    pub(super) fn new(head: Seq, is_batch: bool) -> Self {
        let batch_seq = is_batch.then(|| head.next());
        let (entities, claimed) = (BTreeMap::new(), BTreeSet::new());
        Self { head, batch_seq, entities, claimed, bytes: 0 }
    }

    /// Notes that an operation of the unit uses these ids.
    pub(super) fn claim(&mut self, id: Counter, covers: &[Counter]) {
        if self.batch_seq.is_some() {
            self.claimed.insert(id);
            self.claimed.extend(covers);
        }
    }

    /// Whether an earlier operation of the unit uses this id.
    pub(super) fn is_claimed(&self, id: Counter) -> bool {
        self.claimed.contains(&id)
    }

    /// The last position that the plan gives out.
    pub(super) fn head(&self) -> Seq {
        self.head
    }

    /// An entity as it stands with what is planned so far.
    pub(super) fn entity<T: AccountTransaction>(
        &self,
        transaction: &mut T,
        key: &EntityKey,
    ) -> Result<Option<StoredEntity>, StorageError> {
        match self.entities.get(key) {
            Some(planned) => Ok(Some(planned.entity.clone())),
            None => transaction.entity(key),
        }
    }

    /// Whether an atomic batch would become too large for a page, which must hold all of it.
    pub(super) fn has_room_for(&mut self, change: &Change) -> bool {
        if self.batch_seq.is_none() {
            return true;
        }
        self.bytes += change.fields.to_canonical_json().len();
        self.bytes <= limits::PAGE_BYTES_MAX
    }

    /// Plans a new state: one version and one position for each accepted change.
    pub(super) fn change(
        &mut self,
        schema: &TypeSchema,
        key: EntityKey,
        current: Option<StoredEntity>,
        change: Change,
        version: Version,
        made_by: (OperationId, ServerTime),
    ) -> &StoredEntity {
        self.head = self.head.next();
        let replaces = match self.entities.get(&key) {
            Some(planned) => planned.replaces,
            None => current.as_ref().map(|entity| entity.seq),
        };
        // A deletion happens where the record was, so that those who follow that time hear of it.
        let time_ms = match change.deleted {
            true => current.and_then(|entity| entity.time_ms),
            false => schema.time_ms(&change.fields),
        };
        let entity = StoredEntity {
            version,
            seq: self.head,
            written: change.written,
            field_versions: change.field_versions,
            fields: change.fields,
            deleted: change.deleted,
            updated_at: made_by.1,
            last_change: made_by.0,
            batch_seq: self.batch_seq,
            time_ms,
        };
        let planned = self.entities.entry(key).insert_entry(Planned { entity, replaces });
        &planned.into_mut().entity
    }

    /// Writes everything, and notes which types changed.
    pub(super) fn write<T: AccountTransaction>(
        self,
        transaction: &mut T,
        changed: &mut BTreeSet<EntityType>,
    ) -> Result<(), StorageError> {
        for (key, planned) in self.entities {
            transaction.put_entity(&key, &planned.entity, planned.replaces)?;
            if !changed.contains(&key.entity_type) {
                changed.insert(key.entity_type);
            }
        }
        Ok(())
    }
}

/// An entity as devices are told of it.
pub(crate) fn wire(entity: &StoredEntity) -> WireEntity {
    let fields = (!entity.deleted).then(|| entity.fields.clone());
    WireEntity { version: entity.version, updated_at: entity.updated_at, fields }
}
