//! Every single I/O of everything that a device does with its stores fails once, in each manner.
//!
//! The table, with a line for each workload:
//!
//! ```sh
//! cargo test -p clarity-sim --test main vfs::everywhere -- --nocapture
//! ```

mod accounts;
mod content;
mod exchange;
mod formats;
mod machine;
mod restored;
mod room;
mod sweep;
mod writes;

use clarity_sim::vfs::{CrashMode, MemoryVfs};
use serde_json::json;

use super::new_vfs;
use sweep::{Manner, Step, Workload};

type Make = fn(&MemoryVfs) -> Workload;

/// Every workload with its name and the fewest I/Os that it may have, so that none becomes empty in
/// silence.
const WORKLOADS: [(&str, Make, u64); 9] = [
    ("enqueue", writes::enqueue, 100),
    ("acknowledge", exchange::acknowledge, 100),
    ("pull", exchange::pull, 100),
    ("give back", restored::give_back, 100),
    ("prune", room::prune, 100),
    ("vacuum", room::vacuum, 60),
    ("migrate", formats::migrate, 100),
    ("carry", formats::carry, 60),
    ("user switch", accounts::user_switch, 200),
];

/// Fails every I/O of one workload in every manner, and prints what came of it.
fn fail_everywhere(name: &str) {
    let vfs = new_vfs();
    let (_, make, points_min) = WORKLOADS.iter().find(|(one, ..)| *one == name).unwrap();
    let tally = make(&vfs).fail_everywhere(&vfs);
    println!("{name:<11} {tally}");
    assert_eq!(tally.first, None, "{tally}");
    assert_eq!((tally.lost, tally.split, tally.unopenable, tally.stuck), (0, 0, 0, 0));
    assert!(tally.points >= *points_min, "{tally}, expected at least {points_min} I/Os");
}

/// Shows that writes of an app, acknowledged one by one, are all there after a fault at any I/O,
/// each with its operation, and that the app goes on.
#[test]
fn enqueue() {
    fail_everywhere("enqueue");
}

/// Shows that a queue that is frozen, sent and answered is never settled by half and never twice,
/// whichever I/O fails.
#[test]
fn acknowledge() {
    fail_everywhere("acknowledge");
}

/// Shows that pages show with their cursor or not at all, and edits that wait stay on top of them,
/// whichever I/O fails.
#[test]
fn pull() {
    fail_everywhere("pull");
}

/// Shows that what a restored server has lost is marked, given back and answered once and to the
/// last, and that nothing of it is gone here meanwhile, whichever I/O fails.
#[test]
fn give_back() {
    fail_everywhere("give back");
}

/// Shows that making room, whichever I/O of it fails, loses nothing that may not go, leaves nothing
/// unknown, changes no sum, and goes on afterwards to the same end.
#[test]
fn prune() {
    fail_everywhere("prune");
}

/// Shows that giving space back to the disk and emptying the log change nothing, whichever I/O
/// fails.
#[test]
fn vacuum() {
    fail_everywhere("vacuum");
}

/// Shows that a store that is brought to another form of its tables and to other schemas is of the
/// one or of the other, whichever I/O fails, with everything that was in it.
#[test]
fn migrate() {
    fail_everywhere("migrate");
}

/// Shows that of a table too large to be carried forward at once every row is there and carried
/// forward exactly once, whichever I/O fails.
#[test]
fn carry() {
    fail_everywhere("carry");
}

/// Shows that the stores of two accounts keep what each acknowledged and nothing of the other,
/// whichever I/O fails while people sign in, write in turn and sign out, and that a store is whole
/// or erased.
#[test]
fn user_switch() {
    fail_everywhere("user switch");
}

/// Shows that the alarms ring: what a disk that lies about syncs loses is counted as lost, and a
/// row whose operation is written in a transaction of its own as split.
#[test]
fn the_alarms_ring() {
    let vfs = new_vfs();
    let power_loss = [Manner::PowerLoss(CrashMode::LoseUnsynced)];
    let lying = writes::enqueue(&vfs).fail_in(&vfs, &power_loss, true);
    assert!(lying.lost > 20, "{lying}");
    let apart = Step::new(|machine| {
        let key = writes::note(1);
        let fields = writes::fields_of(json!({"title": "without its operation"}));
        machine.commit(|transaction| transaction.put_entity(&key, &writes::row_of(fields)))?;
        writes::written(writes::create(writes::note(2), json!({"title": "late"}))).take(machine, 1)
    });
    let apart = Workload { steps: vec![apart], ..writes::enqueue(&vfs) };
    let apart = apart.fail_in(&vfs, &power_loss, false);
    assert!(apart.split > 2, "{apart}");
}
