//! What happens when a store turns out to be damaged.

use std::sync::atomic::Ordering;

use clarity_engine::store::StoreErrorKind;
use clarity_engine::{Attention, Event, Pause, Stalled, Status, WhoActs};

use crate::client::Client;
use crate::error::ClientError;
use crate::storing::now;

/// Most findings that an examination at opening asks for.
const FINDINGS_AT_OPENING: u32 = 1;

impl Client {
    /// After damage was met, the store is examined as a whole when it is opened again: what a
    /// failing memory or cable made up is gone then, and what is really damaged is said at once.
    pub(crate) fn examine_if_suspect(&self) -> Result<(), ClientError> {
        if !self.status()?.attention.contains(&Attention::Damaged) {
            return Ok(());
        }
        match self.damages(FINDINGS_AT_OPENING)?.pop() {
            Some(detail) => Err(clarity_engine::store::StoreError::Damaged { detail }.into()),
            None => self.note(Event::StoreSound),
        }
    }

    /// Takes note that a read met damage, once: from then on nothing is sent.
    pub(crate) fn note_damage(&self, error: &ClientError) {
        let is_damage = matches!(
            error,
            ClientError::Store(error) if error.kind() == StoreErrorKind::Damaged
        );
        if is_damage && !self.worker().damaged().swap(true, Ordering::Relaxed) {
            tracing::error!("the store is damaged; nothing is sent until it is recovered");
            // A store that cannot be written any more is paused by the mark that was just set.
            let _ = self.note(Event::StoreDamaged);
        }
    }

    /// Shows the damage also where the store can no longer say it itself.
    pub(crate) fn with_damage(&self, mut status: Status) -> Status {
        let known = status.attention.contains(&Attention::Damaged);
        if self.worker().damaged().load(Ordering::Relaxed) && !known {
            status.attention.insert(0, Attention::Damaged);
            status.stalled = Some(Stalled {
                why: Pause::Damaged,
                since: now(),
                who_must_act: WhoActs::Person,
                message: "the store is damaged; recover it to go on".to_owned(),
                next_attempt: None,
            });
        }
        status
    }
}
