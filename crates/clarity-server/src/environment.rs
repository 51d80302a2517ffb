//! What the server takes from the world besides storage and network: time and randomness.

use std::time::{SystemTime, UNIX_EPOCH};

use clarity_model::ServerTime;

/// The source of random bytes failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the operating system gave no random bytes; the request was not carried out")]
pub struct EntropyError;

/// Time and randomness. Tests and simulations pass their own, so that a run can be repeated.
pub trait Environment: Send + Sync {
    /// The server's time. It is told to devices and shown; correctness never depends on it.
    fn now(&self) -> ServerTime;

    /// Fills `bytes` with random bytes that nobody can guess.
    ///
    /// # Errors
    /// When there are none to be had.
    fn fill_random(&self, bytes: &mut [u8]) -> Result<(), EntropyError>;
}

/// The real clock and the operating system's random bytes.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemEnvironment;

impl Environment for SystemEnvironment {
    fn now(&self) -> ServerTime {
        let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        ServerTime(i64::try_from(since_1970.as_millis()).unwrap_or(i64::MAX))
    }

    fn fill_random(&self, bytes: &mut [u8]) -> Result<(), EntropyError> {
        getrandom::fill(bytes).map_err(|_| EntropyError)
    }
}

/// An array of random bytes.
pub(crate) fn random<const N: usize>(
    environment: &dyn Environment,
) -> Result<[u8; N], EntropyError> {
    let mut bytes = [0; N];
    environment.fill_random(&mut bytes)?;
    Ok(bytes)
}
