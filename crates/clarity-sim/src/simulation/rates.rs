//! How likely each fault is in one world. Every seed draws its own mix, and most mixes leave some
//! faults out: a fault that is always there hides what happens without it.

use super::dice::Dice;

/// Rates in thousandths, drawn once for each seed.
#[derive(Debug, Clone, Default)]
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
        let mut draw = |most: i64| {
            if calm || dice.chance(400) {
                0
            } else {
                u32::try_from(dice.between(1, most)).unwrap_or(0)
            }
        };
        Self {
            drop_request: draw(300),
            drop_answer: draw(300),
            duplicate_request: draw(300),
            duplicate_answer: draw(200),
            delay: draw(150),
            portal: draw(100),
            server_error: draw(150),
            error_after_apply: draw(100),
            too_many_requests: draw(60),
            truncate: draw(100),
            lose_hint: draw(900),
            lose_token_answer: draw(400),
            partition: draw(40),
            crash_before_commit: draw(40),
            crash_after_commit: draw(40),
            crash_in_disk: draw(60),
            disk_error: draw(30),
            server_crash: draw(60),
            server_crash_in_disk: draw(60),
            clock_jump: draw(40),
            stale_form: draw(400),
            poison: draw(100),
            has_event_stream: dice.chance(700),
            pace_ms: dice.any_scale(50, 20 * 60_000),
            token_ms: dice.any_scale(60_000, 7 * 24 * 3_600_000),
        }
    }
}
