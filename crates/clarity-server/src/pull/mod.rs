//! Pulling: what changed in an account since a cursor, a page at a time.
//!
//! The cost of a page follows its size: rows are stored in log order, a scan stops at the page's
//! limits, and what a scope leaves out is passed over in bounded steps.
//!
//! *Architecture Invariant:* nothing here knows of HTTP or SQL.

mod fetch;
mod page;
mod rows;

use std::collections::BTreeMap;

use clarity_model::{Counter, EntityType, Incarnation, Seq, Version};
use clarity_protocol::{Cursor, PullRequest, Restored, SettledOperation};

use crate::check::{mark_of, require_known};
use crate::error::RequestError;
use crate::storage::{
    AccountId, AccountSnapshot, Identity, ScannedEntity, StorageError, UnsettledReceipt,
};

pub(crate) use fetch::{Fetched, check_fetch, read_fetched};
pub(crate) use page::read_page;
use rows::PageRow;
pub(crate) use rows::{JsonRows, RowSink, TypedRows};

/// Checks a request before anything is read: where it starts.
pub(crate) fn start<S: AccountSnapshot>(
    snapshot: &mut S,
    identity: &Identity,
    account: AccountId,
    request: &PullRequest,
) -> Result<Seq, RequestError> {
    if let Some(heard) = request.heard {
        require_known(snapshot.log_seed(heard.seq)?, identity, account, heard)?;
    }
    let Some(cursor) = &request.cursor else {
        return if request.from_head { Ok(snapshot.head()?) } else { Ok(Seq(0)) };
    };
    if cursor.scope != request.scope {
        return Err(RequestError::BadRequest("the cursor was given for another scope"));
    }
    if cursor.epoch != identity.epoch {
        return Err(RequestError::CursorRefused);
    }
    require_known(snapshot.log_seed(cursor.seq)?, identity, account, cursor.mark())?;
    Ok(cursor.seq)
}

/// Where the life of the database ended that the device asks about.
pub(crate) fn restored<S: AccountSnapshot>(
    snapshot: &mut S,
    identity: &Identity,
    request: &PullRequest,
) -> Result<Option<Restored>, StorageError> {
    let Some(lost) = request.lost_epoch else { return Ok(None) };
    // Within one life, set back by somebody who did not say so, nobody knows where it broke off.
    let head = if lost == identity.epoch { None } else { snapshot.fork(lost)?.left_at };
    Ok(Some(Restored { head }))
}

/// The cursor of the position where a page ends.
pub(crate) fn cursor_at<S: AccountSnapshot>(
    snapshot: &mut S,
    identity: &Identity,
    account: AccountId,
    request: &PullRequest,
    seq: Seq,
) -> Result<Cursor, StorageError> {
    let seed = snapshot.log_seed(seq)?;
    let seed = seed.ok_or(StorageError::Value("a position of the log without a seed"))?;
    let check = mark_of(seed, identity, account, seq).check;
    let scope = request.scope.clone();
    Ok(Cursor { epoch: identity.epoch, seq, check, scope, place: None })
}

/// The operations of the asking store whose answers it may not have, by entity.
#[derive(Default)]
pub(crate) struct Unsettled {
    by_key: BTreeMap<EntityType, BTreeMap<String, Vec<(SettledOperation, Version)>>>,
}

impl Unsettled {
    pub(crate) fn load<S: AccountSnapshot>(
        snapshot: &mut S,
        incarnation: Incarnation,
        settled_below: Counter,
    ) -> Result<Self, StorageError> {
        let mut unsettled = Self::default();
        for receipt in snapshot.unsettled_receipts(incarnation, settled_below)? {
            let UnsettledReceipt { id, outcome, hash, .. } = receipt;
            let operation = SettledOperation { id, outcome, hash: Some(hash) };
            let of_type = unsettled.by_key.entry(receipt.key.entity_type).or_default();
            let of_entity = of_type.entry(receipt.key.id.as_str().to_owned()).or_default();
            of_entity.push((operation, receipt.version));
        }
        Ok(unsettled)
    }

    /// The row of an entity; a short one tells only its version.
    fn row<'e>(&self, entity: &ScannedEntity<'e>, is_short: bool) -> PageRow<'e> {
        PageRow {
            entity_type: entity.entity_type,
            id: entity.id,
            version: entity.version,
            seq: entity.seq,
            updated_at: entity.updated_at,
            fields: if entity.deleted || is_short { None } else { entity.fields },
            deleted: entity.deleted && !is_short,
            outside: false,
            operations: self.contained(entity.entity_type, entity.id, entity.version),
        }
    }

    /// The operations that a version of an entity contains.
    fn contained(&self, entity_type: &str, id: &str, version: Version) -> Vec<SettledOperation> {
        if self.by_key.is_empty() {
            return Vec::new();
        }
        let of_type = self.by_key.iter().find(|(name, _)| name.as_str() == entity_type);
        let Some(operations) = of_type.and_then(|(_, entities)| entities.get(id)) else {
            return Vec::new();
        };
        let contained = operations.iter().filter(|(_, held_by)| *held_by <= version);
        contained.map(|(operation, _)| operation.clone()).collect()
    }
}
