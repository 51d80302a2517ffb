//! What all parts of a world share: the time, what is about to happen, chance, and the record.

use std::collections::BTreeMap;
use std::fmt::{self, Write};
use std::sync::Arc;

use clarity_engine::protocol::Failure;
use clarity_store::RequestId;

use super::dice::{Dice, mix};
use super::faults::FaultCounts;
use super::network::{Call, Reply};
use super::plant::Plant;
use super::rates::Rates;
use super::scenario::Scenario;
use super::world::START_MS;

/// A promise that did not hold, with what was seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// The clause of the promise, such as `I3`.
    pub clause: &'static str,
    /// What was seen.
    pub words: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: {}", self.clause, self.words)
    }
}

/// Makes a violation unless something holds.
pub(crate) fn ensure(
    holds: bool,
    clause: &'static str,
    words: impl FnOnce() -> String,
) -> Result<(), Violation> {
    if holds { Ok(()) } else { Err(Violation { clause, words: words() }) }
}

/// What reaches a device at the end of a request.
#[derive(Debug, Clone)]
pub(crate) enum Delivery {
    Reply(Arc<Reply>),
    Failed(Failure),
}

/// What reaches a device that asked for new tokens.
#[derive(Debug, Clone)]
pub(crate) enum Renewal {
    Tokens(clarity_engine::protocol::Tokens),
    Refused,
    /// Nothing.
    Lost,
}

/// Something that will happen.
#[derive(Debug, Clone)]
pub(crate) enum Happening {
    /// Something from outside, by its number in the scenario.
    Act { number: usize },
    /// The newest timer that a device asked for.
    Wake { device: usize, round: u64 },
    /// A device goes on making room.
    MakesRoom { device: usize, life: u64 },
    /// A request reaches the server.
    Arrives { device: usize, life: u64, request: RequestId, call: Arc<Call> },
    /// A request ends at a device.
    Answered { device: usize, life: u64, request: RequestId, delivery: Delivery },
    /// A device asks for new tokens.
    TokenAsked { device: usize, life: u64, round: u64, refresh_token: String },
    /// The answer to that.
    TokenAnswered { device: usize, life: u64, round: u64, renewal: Renewal },
    /// A hint reaches a device.
    Hint { device: usize },
    /// The platform says whether there is a network.
    NetworkHint { device: usize, online: bool },
    /// A background window of a device is over.
    BudgetEnds { device: usize, life: u64 },
    /// The person of a device's account signs in.
    SignsIn { device: usize },
    /// A device is switched on again.
    DeviceStarts { device: usize },
    /// The server is started again.
    ServerStarts,
}

/// What happens when: by time, and within one millisecond in the order of planning.
#[derive(Debug, Default)]
pub(crate) struct Agenda {
    planned: BTreeMap<(i64, u64), Planned>,
    last: u64,
}

/// Something that is planned, with the seed of what will follow from it.
#[derive(Debug)]
pub(crate) struct Planned {
    pub(crate) happening: Happening,
    pub(crate) dice: u64,
}

impl Agenda {
    pub(crate) fn plan(&mut self, at_ms: i64, planned: Planned) {
        self.last += 1;
        self.planned.insert((at_ms, self.last), planned);
    }

    /// The next thing to happen up to a time.
    pub(crate) fn next(&mut self, until_ms: i64) -> Option<(i64, Planned)> {
        let entry = self.planned.first_entry()?;
        if entry.key().0 > until_ms {
            return None;
        }
        let ((at_ms, _), planned) = entry.remove_entry();
        Some((at_ms, planned))
    }

    /// Lets all that is still on its way to the server arrive now.
    pub(crate) fn hasten_requests(&mut self, now_ms: i64) -> usize {
        let is_request = |one: &Planned| matches!(one.happening, Happening::Arrives { .. });
        let late: Vec<_> = self
            .planned
            .iter()
            .filter(|((at_ms, _), planned)| *at_ms > now_ms && is_request(planned))
            .map(|(key, _)| *key)
            .collect();
        for key in &late {
            if let Some(planned) = self.planned.remove(key) {
                self.plan(now_ms, planned);
            }
        }
        late.len()
    }

    /// Whether something from outside is still to come.
    pub(crate) fn has_acts(&self) -> bool {
        self.planned.values().rev().any(|one| matches!(one.happening, Happening::Act { .. }))
    }

    /// Forgets what people would have done.
    pub(crate) fn forget_acts(&mut self) {
        self.planned.retain(|_, planned| !matches!(planned.happening, Happening::Act { .. }));
    }
}

/// The record of a run: a hash of every line, and the lines themselves when somebody reads them.
#[derive(Debug)]
pub(crate) struct Trace {
    line: String,
    hash: u64,
    shown: bool,
}

impl Trace {
    pub(crate) fn new(shown: bool) -> Self {
        Self { line: String::new(), hash: 0xcbf2_9ce4_8422_2325, shown }
    }

    pub(crate) fn hash(&self) -> u64 {
        self.hash
    }

    /// Shows something that follows from what is noted, and so is not part of the record.
    pub(crate) fn show(&self, words: impl FnOnce() -> String) {
        if self.shown {
            println!("{:>12} {}", "", words());
        }
    }

    fn note(&mut self, now_ms: i64, words: fmt::Arguments<'_>) {
        self.line.clear();
        // Writing into a string cannot fail.
        let _ = write!(self.line, "{now_ms:>12} {words}");
        for byte in self.line.bytes() {
            self.hash = (self.hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
        if self.shown {
            println!("{}", self.line);
        }
    }
}

/// What all parts of a world share.
#[derive(Debug)]
pub(crate) struct Stage {
    pub(crate) now_ms: i64,
    pub(crate) agenda: Agenda,
    /// Decides what happens now.
    pub(crate) dice: Dice,
    /// The seed of what happens now, and how much has followed from it.
    follows: (u64, u64),
    pub(crate) rates: Rates,
    pub(crate) faults: FaultCounts,
    pub(crate) trace: Trace,
    pub(crate) plant: Option<Plant>,
    /// No faults any more.
    pub(crate) healed: bool,
    /// The end of the longest wait that a server asked for.
    pub(crate) asked_to_wait_until_ms: i64,
    /// The longest wait that a server asked for: a clock that goes back begins it anew.
    pub(crate) longest_wait_ms: i64,
}

impl Stage {
    pub(crate) fn new(scenario: &Scenario, plant: Option<Plant>, shown: bool) -> Self {
        Self {
            now_ms: START_MS,
            agenda: Agenda::default(),
            dice: Dice::new(scenario.seed, 0),
            follows: (scenario.seed, 0),
            rates: scenario.rates.clone(),
            faults: FaultCounts::default(),
            trace: Trace::new(shown),
            plant,
            healed: false,
            asked_to_wait_until_ms: 0,
            longest_wait_ms: 0,
        }
    }

    /// Begins something whose choices, and whose consequences, follow from a seed of its own.
    pub(crate) fn begin(&mut self, seed: u64) {
        self.dice = Dice::new(seed, 0);
        self.follows = (seed, 0);
    }

    /// The seed of something that follows from what happens now.
    pub(crate) fn following(&mut self) -> u64 {
        self.follows.1 += 1;
        mix(self.follows.0, self.follows.1)
    }

    pub(crate) fn note(&mut self, words: fmt::Arguments<'_>) {
        self.trace.note(self.now_ms, words);
    }

    /// Whether a fault happens now; if so it is counted.
    pub(crate) fn fault(&mut self, per_mille: u32, name: &'static str) -> bool {
        if self.healed || !self.dice.chance(per_mille) {
            return false;
        }
        self.met(name);
        true
    }

    /// Counts a fault.
    pub(crate) fn met(&mut self, name: &'static str) {
        self.faults.met(name);
        self.trace.note(self.now_ms, format_args!("! {name}"));
    }

    pub(crate) fn is_planted(&self, plant: Plant) -> bool {
        self.plant == Some(plant)
    }

    /// Plans something so many milliseconds from now.
    pub(crate) fn after(&mut self, delay_ms: i64, happening: Happening) {
        let dice = self.following();
        let at_ms = self.now_ms.saturating_add(delay_ms.max(0));
        self.agenda.plan(at_ms, Planned { happening, dice });
    }
}
