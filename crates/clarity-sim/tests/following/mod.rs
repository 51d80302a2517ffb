//! Random histories of a device that follows now this and now that, beside a writer: with the real
//! engine, store and server, small pages, requests that fail, kills, and days that pass.

mod follower;
mod restored;
pub(crate) mod writer;

use std::collections::BTreeMap;
use std::sync::Arc;

use clarity_engine::protocol::Scope;
use clarity_engine::protocol::model::{EntityType, Fields, Schema, Version};
use clarity_sim::vfs::MemoryVfs;

use follower::Follower;
use writer::Writer;

const DAY_MS: i64 = 86_400_000;
/// The first day of each history.
const FIRST_DAY: i64 = 20_000;
const SEEDS: u64 = 60;
const STEPS: usize = 120;
const TYPES: [&str; 5] = ["HealthMetric", "Workout", "Note", "Goal", "Mystery"];

/// Repeatable randomness: SplitMix64.
pub(crate) struct Dice(u64);

impl clarity_engine::Entropy for Dice {
    fn next_u64(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}

impl Dice {
    fn index(&mut self, count: usize) -> usize {
        use clarity_engine::Entropy;
        usize::try_from(self.below(count as u64)).unwrap()
    }

    /// A record's own time: today or on one of the days before.
    fn time_ms(&mut self) -> i64 {
        (FIRST_DAY - self.index(40) as i64) * DAY_MS
    }
}

fn name(entity_type: &str) -> EntityType {
    EntityType::new(entity_type).unwrap()
}

fn scope(types: &[&str], windows: &[(&str, u32)]) -> Scope {
    Scope {
        types: types.iter().map(|one| name(one)).collect(),
        windows: windows.iter().map(|(one, days)| (name(one), *days)).collect(),
    }
}

fn any_scope(dice: &mut Dice) -> Scope {
    let windows = [
        vec![],
        vec![("HealthMetric", 2)],
        vec![("HealthMetric", 20)],
        vec![("HealthMetric", 5), ("Workout", 30)],
    ];
    let types: [&[&str]; 5] = [
        &[],
        &["Note"],
        &["Note", "HealthMetric"],
        &["HealthMetric", "Workout", "Mystery"],
        &["Goal", "Workout"],
    ];
    scope(types[dice.index(5)], &windows[dice.index(4)])
}

/// What is alive, with version and fields.
type Rows = BTreeMap<String, (Version, Fields)>;

fn one_history(vfs: &MemoryVfs, schema: &Arc<Schema>, seed: u64) -> (Rows, Rows, Scope) {
    let mut dice = Dice(seed);
    let mut writer = Writer::new(vfs, schema, seed);
    let mut follower = Follower::new(vfs, schema, seed);
    for _ in 0..STEPS {
        match dice.index(20) {
            0..6 => writer.act(&mut dice),
            6..8 => follower.write(&mut dice),
            8 => follower.follow(any_scope(&mut dice)),
            9 => follower.fetch(&mut dice, &writer),
            10 => follower.is_killed(),
            11 => writer.days_pass(dice.index(3) as i64),
            12..14 => follower.wants_to_sync(),
            _ => follower.answered(&writer, &mut dice),
        }
    }
    follower.settle(&writer);
    // What was written or fetched here and is not followed goes when the next day begins.
    writer.days_pass(1);
    follower.settle(&writer);
    let scope = follower.scope();
    let followed = writer.rows(|key, fields| {
        let time_ms = schema.type_schema(&key.entity_type).time_ms(fields);
        scope.holds(key.entity_type.as_str(), time_ms, writer.now())
    });
    (follower.rows(), followed, scope)
}

/// Shows promise I6 for every scope: however a device's scope changed, and whatever was written
/// elsewhere, failed or was killed meanwhile, it ends with exactly what the server has in it.
#[test]
fn a_scope_is_widened_and_narrowed_without_loss() {
    let vfs = MemoryVfs::register("following", 7).unwrap();
    let schema = Arc::new(Schema::shipped().unwrap());
    let (mut rows, mut parts) = (0, 0);
    for seed in 0..SEEDS {
        let (found, expected, scope) = one_history(&vfs, &schema, seed);
        let missing: Vec<_> = expected.keys().filter(|key| !found.contains_key(*key)).collect();
        let surplus: Vec<_> = found.keys().filter(|key| !expected.contains_key(*key)).collect();
        assert_eq!((missing, surplus), (vec![], vec![]), "seed {seed}, {scope:?}");
        assert!(found == expected, "seed {seed}: a row is not the server's");
        rows += found.len();
        parts += usize::from(!scope.is_everything());
    }
    assert!(rows > 300 && parts > 20, "too little happened: {rows} rows, {parts} scopes");
}

/// Shows that a first sync of a part survives a kill after each answer: it goes on where it broke
/// off, shows what has come, and ends with everything.
#[test]
fn a_first_sync_goes_on_after_every_kill() {
    let vfs = MemoryVfs::register("following-kills", 8).unwrap();
    let schema = Arc::new(Schema::shipped().unwrap());
    for wanted in [Scope::default(), scope(&["Note", "HealthMetric"], &[("HealthMetric", 20)])] {
        let mut dice = Dice(4);
        let mut writer = Writer::new(&vfs, &schema, 4);
        for _ in 0..150 {
            writer.act(&mut dice);
        }
        let mut follower = Follower::new(&vfs, &schema, 4);
        follower.follow(wanted);
        let mut seen = 0;
        let mut answers = 0;
        while follower.is_catching_up() {
            follower.answered_well(&writer);
            follower.is_killed();
            let rows = follower.rows().len();
            assert!(rows >= seen, "what was shown stays");
            seen = rows;
            answers += 1;
            assert!(answers < 500, "it does not go on");
        }
        follower.settle(&writer);
        let scope = follower.scope();
        let expected = writer.rows(|key, fields| {
            let time_ms = schema.type_schema(&key.entity_type).time_ms(fields);
            scope.holds(key.entity_type.as_str(), time_ms, writer.now())
        });
        assert!(answers > 5 && expected.len() > 5, "{answers} answers, {} rows", expected.len());
        assert!(follower.rows() == expected, "after {answers} answers");
    }
}
