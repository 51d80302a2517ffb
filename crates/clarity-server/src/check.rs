//! The random marks of log positions.
//!
//! Each transaction that takes positions keeps a random seed for them; the mark of a position is
//! derived from the seed, so a server that was set back to an earlier state gives other marks to
//! the positions that it hands out anew, and notices cursors from the history that it lost.

use clarity_model::{Check, Seq};
use clarity_protocol::LogMark;

use crate::error::RequestError;
use crate::storage::{AccountId, Identity, LogSeed};

/// Refuses what a device has heard of a position unless it is what this database says of it.
///
/// `seed` is that of the transaction that gave the position out; none beyond the head.
pub(crate) fn require_known(
    seed: Option<LogSeed>,
    identity: &Identity,
    account: AccountId,
    heard: LogMark,
) -> Result<(), RequestError> {
    let known = seed.map(|seed| mark_of(seed, identity, account, heard.seq));
    if known == Some(heard) { Ok(()) } else { Err(RequestError::CursorRefused) }
}

/// A position that was given out with a seed, with its mark.
pub(crate) fn mark_of(seed: LogSeed, identity: &Identity, account: AccountId, seq: Seq) -> LogMark {
    let mut hasher = blake3::Hasher::new_keyed(&identity.key);
    hasher.update(b"mark of a log position");
    hasher.update(&account.0.to_le_bytes());
    hasher.update(&seed.0.to_le_bytes());
    hasher.update(&seq.0.to_le_bytes());
    let mut first = [0; 8];
    first.copy_from_slice(&hasher.finalize().as_bytes()[..8]);
    LogMark { seq, check: Check(u64::from_le_bytes(first)) }
}
