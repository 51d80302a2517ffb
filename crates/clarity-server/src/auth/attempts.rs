//! Wrong passwords slow down whoever guesses.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use clarity_model::ServerTime;

use super::AuthError;

/// Wrong passwords in a row before an account must wait.
const WRONG_MAX: u32 = 10;
/// How long it waits after each further one, in milliseconds.
const WAIT_MS: i64 = 30_000;
/// Accounts whose wrong passwords are counted; the oldest counts are forgotten first.
const NAMES_MAX: usize = 10_000;

#[derive(Debug, Clone, Copy)]
struct Wrong {
    count: u32,
    last: ServerTime,
}

/// Wrong passwords by account name, in memory.
#[derive(Debug, Default)]
pub(super) struct Attempts {
    wrong: Mutex<BTreeMap<String, Wrong>>,
}

impl Attempts {
    /// Whether another attempt is allowed now.
    pub(super) fn check(&self, name: &str, now: ServerTime) -> Result<(), AuthError> {
        let wrong = self.wrong.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(seen) = wrong.get(name) else { return Ok(()) };
        let waited_ms = now.0.saturating_sub(seen.last.0);
        if seen.count < WRONG_MAX || !(0..WAIT_MS).contains(&waited_ms) {
            return Ok(());
        }
        Err(AuthError::TooManyAttempts { retry_after_ms: (WAIT_MS - waited_ms).unsigned_abs() })
    }

    pub(super) fn note_wrong(&self, name: &str, now: ServerTime) {
        let mut wrong = self.wrong.lock().unwrap_or_else(PoisonError::into_inner);
        if wrong.len() >= NAMES_MAX && !wrong.contains_key(name) {
            let oldest = wrong.iter().min_by_key(|(_, seen)| seen.last);
            if let Some(oldest) = oldest.map(|(name, _)| name.clone()) {
                wrong.remove(&oldest);
            }
        }
        let seen = wrong.entry(name.to_owned()).or_insert(Wrong { count: 0, last: now });
        seen.count = seen.count.saturating_add(1);
        seen.last = now;
    }

    pub(super) fn note_right(&self, name: &str) {
        self.wrong.lock().unwrap_or_else(PoisonError::into_inner).remove(name);
    }
}
