//! What the network and the machines of one seed are like.

use crate::simulation::dice::Dice;

/// Rates of a seed: faults in a thousand occasions, and times in milliseconds.
#[derive(Debug, Clone)]
pub(super) struct Rates {
    pub(super) request_lost: u32,
    pub(super) answer_lost: u32,
    pub(super) sent_twice: u32,
    pub(super) hint_lost: u32,
    /// Of what is lost, how much is noticed at once.
    pub(super) reset: u32,
    pub(super) delay_ms_max: i64,
    pub(super) cut: u32,
    pub(super) stopped: u32,
    pub(super) killed: u32,
    pub(super) server_killed: u32,
    pub(super) server_stopped: u32,
    /// The longest partition, pause or absence.
    pub(super) away_ms_max: i64,
    /// The longest time between two transactions of a client.
    pub(super) pace_ms: i64,
    /// Most rows of a page.
    pub(super) page_rows: usize,
}

impl Rates {
    /// Draws the rates of a seed: some faults are frequent, others absent.
    pub(super) fn draw(dice: &mut Dice) -> Self {
        let mut rate = |often: &[u32]| dice.pick(often).copied().unwrap_or_default();
        Self {
            request_lost: rate(&[0, 20, 50, 100]),
            answer_lost: rate(&[0, 20, 50, 100]),
            sent_twice: rate(&[0, 50, 300]),
            hint_lost: rate(&[0, 100, 500, 1_000]),
            reset: rate(&[200, 500, 900]),
            cut: rate(&[0, 30, 100]),
            stopped: rate(&[0, 20, 60]),
            killed: rate(&[0, 20, 60]),
            server_killed: rate(&[0, 5, 20]),
            server_stopped: rate(&[0, 5, 20]),
            delay_ms_max: [5, 200, 5_000, 90_000][dice.index(4)],
            away_ms_max: [2_000, 30_000, 300_000][dice.index(3)],
            pace_ms: [50, 1_000, 20_000][dice.index(3)],
            page_rows: [1, 2, 5, 1_000][dice.index(4)],
        }
    }
}
