//! How likely each fault is in one world. Every seed draws its own mix, and most mixes leave some
//! faults out: a fault that is always there hides what happens without it.

use serde::{Deserialize, Serialize};

use super::dice::Dice;
use super::scenario::ActKind;

/// Rates in thousandths, drawn once for each seed.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Rates {
    pub(crate) drop_request: u32,
    pub(crate) drop_answer: u32,
    pub(crate) duplicate_request: u32,
    pub(crate) duplicate_answer: u32,
    pub(crate) delay: u32,
    pub(crate) portal: u32,
    pub(crate) server_error: u32,
    pub(crate) error_after_apply: u32,
    pub(crate) too_many_requests: u32,
    pub(crate) truncate: u32,
    pub(crate) lose_hint: u32,
    pub(crate) lose_token_answer: u32,
    pub(crate) partition: u32,
    pub(crate) crash_before_commit: u32,
    pub(crate) crash_after_commit: u32,
    pub(crate) crash_in_disk: u32,
    pub(crate) disk_error: u32,
    pub(crate) server_crash: u32,
    pub(crate) server_crash_in_disk: u32,
    pub(crate) clock_jump: u32,
    pub(crate) stale_form: u32,
    pub(crate) poison: u32,
    pub(crate) weeks_away: u32,
    pub(crate) deafness: u32,
    pub(crate) flapping: u32,
    pub(crate) set_scope: u32,
    pub(crate) many_writes: u32,
    pub(crate) switch_user: u32,
    pub(crate) session_ends: u32,
    pub(crate) foreign_sign_in: u32,
    pub(crate) device_backup: u32,
    pub(crate) device_restore: u32,
    pub(crate) device_clone: u32,
    pub(crate) server_backup: u32,
    pub(crate) server_restore: u32,
    /// Whether some devices may keep only a little.
    pub(crate) is_short_of_space: bool,
    /// Whether devices hold a connection over which the server tells them of changes.
    pub(crate) has_event_stream: bool,
    /// Longest pause between two acts of a person, in milliseconds.
    pub(crate) pace_ms: i64,
    /// How long an access token lasts, in milliseconds.
    pub(crate) token_ms: i64,
}

impl Rates {
    pub(crate) fn draw(dice: &mut Dice) -> Self {
        let calm = dice.chance(50);
        // A copy put back leaves little that must hold at the end, so most worlds have none.
        let set_back_device = dice.chance(120);
        let set_back_server = dice.chance(120);
        let mut draw = |off: u32, most: i64| {
            if calm || dice.chance(off) {
                0
            } else {
                u32::try_from(dice.between(1, most)).unwrap_or(0)
            }
        };
        Self {
            drop_request: draw(400, 300),
            drop_answer: draw(400, 300),
            duplicate_request: draw(400, 300),
            duplicate_answer: draw(400, 200),
            delay: draw(400, 150),
            portal: draw(400, 100),
            server_error: draw(400, 150),
            error_after_apply: draw(400, 100),
            too_many_requests: draw(400, 60),
            truncate: draw(400, 100),
            lose_hint: draw(400, 900),
            lose_token_answer: draw(400, 400),
            partition: draw(400, 40),
            crash_before_commit: draw(400, 40),
            crash_after_commit: draw(400, 40),
            crash_in_disk: draw(400, 60),
            disk_error: draw(400, 30),
            server_crash: draw(400, 60),
            server_crash_in_disk: draw(400, 60),
            clock_jump: draw(400, 40),
            stale_form: draw(400, 400),
            poison: draw(400, 100),
            weeks_away: draw(400, 30),
            deafness: draw(400, 30),
            flapping: draw(400, 40),
            set_scope: draw(700, 60),
            many_writes: draw(700, 15),
            switch_user: draw(700, 60),
            session_ends: draw(700, 30),
            foreign_sign_in: draw(700, 30),
            device_backup: if set_back_device { 50 } else { 0 },
            device_restore: if set_back_device { 20 } else { 0 },
            device_clone: if set_back_device { 15 } else { 0 },
            server_backup: if set_back_server { 60 } else { 0 },
            server_restore: if set_back_server { 25 } else { 0 },
            is_short_of_space: dice.chance(400),
            has_event_stream: dice.chance(700),
            pace_ms: dice.any_scale(50, 20 * 60_000),
            token_ms: dice.any_scale(60_000, 7 * 24 * 3_600_000),
        }
    }

    /// How likely each rare act is, whenever somebody does something.
    pub(crate) fn of_acts(&self) -> [(ActKind, u32); 15] {
        [
            (ActKind::ServerCrash, self.server_crash),
            (ActKind::ClockJump, self.clock_jump),
            (ActKind::Partition, self.partition),
            (ActKind::Deafness, self.deafness),
            (ActKind::Flapping, self.flapping),
            (ActKind::SetScope, self.set_scope),
            (ActKind::ManyWrites, self.many_writes),
            (ActKind::SwitchUser, self.switch_user),
            (ActKind::SessionEnds, self.session_ends),
            (ActKind::ForeignSignIn, self.foreign_sign_in),
            (ActKind::DeviceBackup, self.device_backup),
            (ActKind::DeviceRestore, self.device_restore),
            (ActKind::DeviceClone, self.device_clone),
            (ActKind::ServerBackup, self.server_backup),
            (ActKind::ServerRestore, self.server_restore),
        ]
    }
}
