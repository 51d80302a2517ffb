//! A world as data: what it is made of, its faults, and what happens in it from outside. Drawn from
//! a seed, or read from a file.
//!
//! Each act has a seed of its own, and so has everything that follows from it. So an act that is
//! left out changes nothing of the choices of the others, and a failing scenario can be made
//! smaller by leaving things out.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::dice::Dice;
use super::rates::Rates;

/// Fewest devices of a world.
const DEVICES_MIN: usize = 3;
/// Most devices of a world.
const DEVICES_MAX: usize = 5;
/// Most steps of a world before its faults are healed.
const STEPS_MAX: u64 = 320;
/// Most steps of a world that may be long.
const LONG_STEPS_MAX: u64 = 1_200;
const DAY_MS: i64 = 24 * 3_600_000;

/// A world before it begins.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Scenario {
    /// What it is kept for, in words.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub shows: String,
    /// Decides all that is not written here.
    pub seed: u64,
    /// After how many steps its faults are healed at the latest.
    pub(crate) steps_max: u64,
    /// The account of each device, counted from zero.
    pub(crate) devices: Vec<usize>,
    pub(crate) rates: Rates,
    pub(crate) acts: Vec<Act>,
}

/// Something that happens from outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Act {
    /// When, in milliseconds since the world began.
    pub(crate) at_ms: i64,
    /// To which device.
    pub(crate) device: usize,
    /// What.
    pub(crate) kind: ActKind,
    /// Decides how, and what follows.
    pub(crate) dice: u64,
}

/// What happens from outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ActKind {
    /// The app comes to the foreground.
    Foreground,
    /// A person asks to synchronise now.
    SyncNow,
    /// The platform says that the network came or went.
    Network,
    /// A silent push.
    Push,
    /// A person pauses synchronisation.
    Pause,
    /// A person resumes it.
    Resume,
    /// Another process writes.
    OtherProcess,
    /// Somebody looks how much of the disk is free.
    DiskSpace,
    /// A person looks at something.
    Look,
    /// A person makes something.
    Create,
    /// A person changes something.
    Update,
    /// A person deletes something.
    Delete,
    /// A person makes something deleted anew.
    Undelete,
    /// Several writes at once.
    Batch,
    /// A health source is read.
    Import,
    /// A person takes back an operation.
    Rollback,
    /// A person takes back all that waits of an entity.
    RollbackEntity,
    /// A person brings something back that lost.
    Undo,
    /// A person settles something that waits for one.
    Settle,
    /// The server stops and starts again.
    ServerCrash,
    /// A device's clock jumps.
    ClockJump,
    /// A device is cut off.
    Partition,
    /// A device's requests arrive, and it hears no answer.
    Deafness,
    /// The network comes and goes.
    Flapping,
    /// The network costs by volume, or does not any more.
    Metered,
    /// The system gives a short time in the background and ends it at any point.
    Budget,
    /// A person chooses what the device follows.
    SetScope,
    /// A person asks for things from the server by name.
    Fetch,
    /// A health source tells of new things and of some that are gone.
    SourceChanges,
    /// A person writes very much at once.
    ManyWrites,
    /// Another person takes the device.
    SwitchUser,
    /// The session is ended from elsewhere, and the person signs in again later.
    SessionEnds,
    /// Somebody signs in with another account into this one's store.
    ForeignSignIn,
    /// Nobody uses any device for weeks.
    Holiday,
    /// A backup of a device is made.
    DeviceBackup,
    /// A device is set back to its backup.
    DeviceRestore,
    /// A device's backup is put onto a new one, and both go on.
    DeviceClone,
    /// A backup of the server is made.
    ServerBackup,
    /// The server is set back to its backup.
    ServerRestore,
}

/// What people and the platform do, with how often, of all together.
const USUAL: [(ActKind, usize); 23] = [
    (ActKind::Foreground, 3),
    (ActKind::SyncNow, 3),
    (ActKind::Network, 2),
    (ActKind::Push, 2),
    (ActKind::Pause, 1),
    (ActKind::Resume, 3),
    (ActKind::OtherProcess, 1),
    (ActKind::DiskSpace, 1),
    (ActKind::Look, 4),
    (ActKind::Create, 14),
    (ActKind::Update, 34),
    (ActKind::Delete, 6),
    (ActKind::Undelete, 3),
    (ActKind::Batch, 7),
    (ActKind::Import, 6),
    (ActKind::Rollback, 3),
    (ActKind::RollbackEntity, 2),
    (ActKind::Undo, 2),
    (ActKind::Settle, 3),
    (ActKind::SourceChanges, 3),
    (ActKind::Budget, 1),
    (ActKind::Metered, 1),
    (ActKind::Fetch, 1),
];

impl Scenario {
    /// The world of a seed.
    #[must_use]
    pub fn draw(seed: u64) -> Self {
        let mut dice = Dice::new(seed, 0);
        let rates = Rates::draw(&mut dice);
        let count = DEVICES_MIN + dice.index(DEVICES_MAX - DEVICES_MIN + 1);
        let accounts = if dice.chance(600) { 1 } else { 2 + dice.index(2) };
        // Most devices are of the first account, so that it has company.
        let devices = (0..count).map(|index| index.saturating_sub(1) % accounts).collect();
        let is_long = dice.chance(100);
        let steps_max = if is_long { LONG_STEPS_MAX } else { STEPS_MAX };
        let acts = draw_acts(&mut dice, &rates, count);
        Self { shows: String::new(), seed, steps_max, devices, rates, acts }
    }
}

impl Scenario {
    /// As text for a file: JSON with a line for each act, and only the faults that there are.
    #[must_use]
    pub fn to_text(&self) -> String {
        let mut head = serde_json::to_value(self).unwrap_or_default();
        if let Some(rates) = head.get_mut("rates").and_then(Value::as_object_mut) {
            rates.retain(|_, rate| *rate != json!(0) && *rate != json!(false));
        }
        if let Some(head) = head.as_object_mut() {
            head.remove("acts");
        }
        let head = serde_json::to_string_pretty(&head).unwrap_or_default();
        let head = head.trim_end_matches(['}', '\n']);
        let acts = self.acts.iter().map(|act| serde_json::to_string(act).unwrap_or_default());
        let acts: Vec<String> = acts.map(|act| format!("    {act}")).collect();
        format!("{head},\n  \"acts\": [\n{}\n  ]\n}}\n", acts.join(",\n"))
    }

    /// Reads what [`Scenario::to_text`] wrote.
    ///
    /// # Errors
    /// In words, when it is no scenario.
    pub fn from_text(text: &str) -> Result<Self, String> {
        serde_json::from_str(text).map_err(|error| format!("this is no scenario: {error}"))
    }

    /// How many things happen from outside.
    #[must_use]
    pub fn acts(&self) -> usize {
        self.acts.len()
    }
}

fn draw_acts(dice: &mut Dice, rates: &Rates, devices: usize) -> Vec<Act> {
    let mut acts = Vec::new();
    let mut at_ms = 0;
    for _ in 0..90 + dice.index(50) {
        // Each device's person has a pace.
        at_ms += dice.any_scale(10, rates.pace_ms) / devices as i64;
        let device = dice.index(devices);
        let mut push = |dice: &mut Dice, kind| {
            acts.push(Act { at_ms, device, kind, dice: dice.seed() });
        };
        for (kind, rate) in rates.of_acts() {
            if dice.chance(rate) {
                push(dice, kind);
            }
        }
        let kind = usual(dice);
        push(dice, kind);
        if let Some(holiday) = acts.last().filter(|_| dice.chance(rates.weeks_away)) {
            let mut holiday = Act { kind: ActKind::Holiday, ..*holiday };
            holiday.dice = dice.seed();
            at_ms += holiday_ms(&mut Dice::new(holiday.dice, 0));
            acts.push(holiday);
        }
    }
    acts
}

/// How long nobody uses any device, in milliseconds.
pub(crate) fn holiday_ms(dice: &mut Dice) -> i64 {
    dice.any_scale(DAY_MS, 60 * DAY_MS)
}

fn usual(dice: &mut Dice) -> ActKind {
    let mut choice = dice.index(USUAL.iter().map(|(_, weight)| weight).sum());
    for (kind, weight) in USUAL {
        if choice < weight {
            return kind;
        }
        choice -= weight;
    }
    ActKind::Look
}
