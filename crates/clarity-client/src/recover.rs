//! Recovering a store that is damaged, and its key.

use std::sync::Arc;

use clarity_engine::protocol::model::{Incarnation, LocalTime};
use clarity_engine::store::{Birth, KeyChange, Salvage, Salvaged, Store, StoreKey};
use clarity_engine::{Engine, Entropy, PutRight};
use serde::{Deserialize, Serialize};

use crate::client::{Client, ClientOptions};
use crate::device::OsEntropy;
use crate::error::ClientError;
use crate::storing::now;

/// The name under which the last recovery is kept in the store.
const RECOVERY: &str = "recovery";

/// What a recovery did. It holds counts and names of tables, and no value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recovery {
    /// When, by this device's clock.
    pub at: LocalTime,
    /// What was read of the damaged store, and where that is now.
    pub salvaged: Salvaged,
    /// What became of the operations.
    pub operations: PutRight,
}

impl Recovery {
    /// Whether everything that the damaged store held is in the new one.
    #[must_use]
    pub fn lost_nothing(&self) -> bool {
        self.salvaged.is_complete() && self.operations.deletions_lost == 0
    }
}

impl Client {
    /// Makes a new store of everything that can be read of a damaged one, and moves the damaged
    /// files aside; they are never deleted. Nothing happens to a store that is sound, unless
    /// `even_if_sound`, which is for a store that holds what nobody can have written.
    ///
    /// What was never sent goes out as it would have. What was sent goes again under the same id
    /// with the same bytes; where those are lost, it waits among the failed operations as *may have
    /// arrived*. Once the store syncs, everything is read again before anything is sent.
    ///
    /// Until the new store is complete nothing is changed. A crash after that leaves a state that
    /// the next opening finishes.
    ///
    /// # Errors
    /// When another process has the store open, when there is none, when it is foreign or newer,
    /// and when there is no space for a second one.
    pub fn recover(
        options: &ClientOptions,
        even_if_sound: bool,
    ) -> Result<Option<Recovery>, ClientError> {
        let schema = options.schema()?;
        let mut entropy = OsEntropy::new()?;
        let at = now();
        let birth = Birth { incarnation: Incarnation(entropy.next_u128()), now: at };
        let begun = Salvage::begin(&options.store, &schema, birth, even_if_sound)?;
        let Some(salvage) = begun else { return Ok(None) };
        let engine = Engine::new(&schema);
        let mut store = Store::open(&salvage.new_store(), Arc::clone(salvage.schema()), birth)?;
        let mut transaction = store.begin()?;
        let salvaged = salvage.salvaged().clone();
        let known = salvaged.account_known;
        let operations = engine.put_right(&mut transaction, known, at, &mut entropy)?;
        let recovery = Recovery { at, salvaged, operations };
        transaction.put_state(RECOVERY, &recovery)?;
        transaction.commit()?;
        drop(store);
        salvage.finish()?;
        Ok(Some(recovery))
    }

    /// Gives a store that nobody has open its first key, another one, or none any more: `options`
    /// hold the present one, and what they hold on the next opening is `key`.
    ///
    /// At any crash the whole store is there, with its queue, under the old key or under the new
    /// one; keep both until this has returned. No file of the store is left then that the old key
    /// opens, but for those that [`KeyChange::older_copies`] names. Disks that write elsewhere than
    /// they are told, as flash memory does, may keep parts of the old file.
    ///
    /// # Errors
    /// When somebody has the store open, when there is none, when the present key is not its key,
    /// when it is damaged, when there is no space for a second one, and when this program was built
    /// without the feature `encryption`. Nothing is changed then.
    pub fn set_key(
        options: &ClientOptions,
        key: Option<&StoreKey>,
    ) -> Result<KeyChange, ClientError> {
        Ok(Store::set_key(&options.store, key)?)
    }

    /// What the last recovery of this store did; nothing when it never needed one.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn last_recovery(&self) -> Result<Option<Recovery>, ClientError> {
        self.read(|tx| Ok(tx.state(RECOVERY)?))
    }
}
