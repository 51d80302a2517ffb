//! The random marks of log positions.
//!
//! Each transaction that takes positions keeps a random seed for them; the mark of a position is
//! derived from the seed, so a server that was set back to an earlier state gives other marks to
//! the positions that it hands out anew, and notices cursors from the history that it lost.

use clarity_model::{Check, Seq};

use crate::storage::{AccountId, AccountSnapshot, Identity, StorageError};

/// The mark of a position; none beyond the head.
pub(crate) fn check_of<S: AccountSnapshot>(
    snapshot: &mut S,
    identity: &Identity,
    account: AccountId,
    seq: Seq,
) -> Result<Option<Check>, StorageError> {
    let Some(seed) = snapshot.log_seed(seq)? else { return Ok(None) };
    let mut hasher = blake3::Hasher::new_keyed(&identity.key);
    hasher.update(b"mark of a log position");
    hasher.update(&account.0.to_le_bytes());
    hasher.update(&seed.0.to_le_bytes());
    hasher.update(&seq.0.to_le_bytes());
    let mut first = [0; 8];
    first.copy_from_slice(&hasher.finalize().as_bytes()[..8]);
    Ok(Some(Check(u64::from_le_bytes(first))))
}
