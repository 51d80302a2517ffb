//! Time and randomness of a simulated server: both are the world's.

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use clarity_engine::protocol::model::ServerTime;
use clarity_server::{EntropyError, Environment};
use rand_chacha::rand_core::Rng;

use super::dice::Dice;

/// What a server asks the machine for that it runs on.
pub(crate) struct ServerEnvironment {
    now_ms: AtomicI64,
    dice: Mutex<Dice>,
}

impl ServerEnvironment {
    pub(crate) fn new(now_ms: i64, dice: Dice) -> Arc<Self> {
        Arc::new(Self { now_ms: AtomicI64::new(now_ms), dice: Mutex::new(dice) })
    }

    pub(crate) fn set_now(&self, now_ms: i64) {
        self.now_ms.store(now_ms, Ordering::SeqCst);
    }

    /// Begins something whose randomness follows from a seed of its own.
    pub(crate) fn begin(&self, seed: u64) {
        *self.dice.lock().unwrap_or_else(PoisonError::into_inner) = Dice::new(seed, 0);
    }
}

impl Environment for ServerEnvironment {
    fn now(&self) -> ServerTime {
        ServerTime(self.now_ms.load(Ordering::SeqCst))
    }

    fn fill_random(&self, bytes: &mut [u8]) -> Result<(), EntropyError> {
        let mut dice = self.dice.lock().unwrap_or_else(PoisonError::into_inner);
        dice.source().fill_bytes(bytes);
        Ok(())
    }
}
