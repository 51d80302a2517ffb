//! What every step of the engine works with.

use std::collections::BTreeSet;

use clarity_model::{Counter, EntityKey, LocalTime, TypeSchema};
use clarity_store::{EndedAs, StoreTransaction};

use crate::event::Changes;

/// Randomness from outside, so that a run can be repeated.
pub trait Entropy {
    /// 64 random bits.
    fn next_u64(&mut self) -> u64;

    /// A number below `bound`; zero when `bound` is zero.
    fn below(&mut self, bound: u64) -> u64 {
        if bound == 0 { 0 } else { self.next_u64() % bound }
    }

    /// 128 random bits.
    fn next_u128(&mut self) -> u128 {
        (u128::from(self.next_u64()) << 64) | u128::from(self.next_u64())
    }
}

/// One step inside the driver's transaction.
pub(crate) struct Context<'c, 's> {
    pub(crate) tx: &'c mut StoreTransaction<'s>,
    pub(crate) now: LocalTime,
    pub(crate) entropy: &'c mut dyn Entropy,
    pub(crate) noted: &'c mut Noted,
}

/// What a call has changed so far, gathered for one publication.
#[derive(Debug, Clone, Default)]
pub(crate) struct Noted {
    entities: BTreeSet<EntityKey>,
    types: BTreeSet<clarity_model::EntityType>,
    ended: Vec<(Counter, EndedAs)>,
    pub(crate) status: bool,
    /// How often the view of an entity changed, counting one that changed twice as two.
    pub(crate) touched: i64,
    /// Whether something is newly wanted from the server.
    pub(crate) fetch: bool,
    /// Whether the device follows something else from now on.
    pub(crate) scope: bool,
    /// What was asked for and was given up on this device; it is wanted whether or not what asked
    /// for it succeeds.
    pub(crate) away: Vec<EntityKey>,
}

impl Noted {
    pub(crate) fn entity(&mut self, key: &EntityKey) {
        self.touched += 1;
        if !self.types.contains(&key.entity_type) {
            self.types.insert(key.entity_type.clone());
        }
        if self.entities.len() <= Changes::KEYS_MAX {
            self.entities.insert(key.clone());
        }
    }

    /// The entities that changed; none when they are too many to be named.
    pub(crate) fn changed(&self) -> Vec<EntityKey> {
        let few = self.entities.len() <= Changes::KEYS_MAX;
        if few { self.entities.iter().cloned().collect() } else { Vec::new() }
    }

    pub(crate) fn ended(&mut self, counter: Counter, outcome: EndedAs) {
        self.status = true;
        self.ended.push((counter, outcome));
    }

    pub(crate) fn into_changes(self) -> Option<Changes> {
        if self.types.is_empty() && self.ended.is_empty() && !self.status {
            return None;
        }
        let few = self.entities.len() <= Changes::KEYS_MAX;
        Some(Changes {
            entities: if few { self.entities.into_iter().collect() } else { Vec::new() },
            types: self.types.into_iter().collect(),
            ended: self.ended,
            status: self.status,
            elsewhere: false,
        })
    }
}

impl<'s> Context<'_, 's> {
    /// The declaration of a type, by value: a transaction cannot be borrowed twice.
    pub(crate) fn type_schema(&self, key: &EntityKey) -> TypeSchema {
        self.tx.schema().type_schema(&key.entity_type).clone()
    }

    /// Runs a part that either happens as a whole or not at all.
    pub(crate) fn savepoint<T, E: From<clarity_store::StoreError>>(
        &mut self,
        part: impl FnOnce(&mut Context<'_, 's>) -> Result<T, E>,
    ) -> Result<T, E> {
        let before = self.noted.clone();
        let Self { tx, now, entropy, noted } = self;
        let result =
            tx.savepoint(|tx| part(&mut Context { tx, now: *now, entropy: &mut **entropy, noted }));
        if result.is_err() {
            let away = std::mem::take(&mut self.noted.away);
            *self.noted = Noted { away, ..before };
        }
        result
    }
}
