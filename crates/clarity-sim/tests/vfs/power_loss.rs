//! What survives when the power fails, or the process dies, at any operation.

use clarity_sim::vfs::{CrashMode, Disk, DiskImage, Fault, MemoryVfs};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;

use super::{Keeping, count_sound_rows, new_vfs, open, template, write, write_until_error};

const TRANSACTIONS: i64 = 30;

/// The ways to lose power; those with choices more than once.
const LOSSES: [CrashMode; 7] = [
    CrashMode::LoseUnsynced,
    CrashMode::KeepUnsynced,
    CrashMode::Prefix,
    CrashMode::Prefix,
    CrashMode::Mixed,
    CrashMode::Mixed,
    CrashMode::Mixed,
];

struct Tally {
    points: u64,
    runs: u64,
    /// Acknowledged transactions that were gone, over all runs.
    lost: i64,
    torn_writes: u64,
}

fn operations(vfs: &MemoryVfs, image: &DiskImage, keeping: Keeping) -> u64 {
    let disk = Disk::from_image(vfs, image, 1);
    let (acknowledged, error) = write_until_error(&disk, keeping, TRANSACTIONS);
    assert_eq!((acknowledged, error), (TRANSACTIONS, None));
    disk.operations()
}

/// Stops the machine at every operation of 30 transactions, loses power in every way, and checks
/// what is left.
fn lose_power_everywhere(keeping: Keeping) -> Tally {
    let vfs = new_vfs();
    let image = template(&vfs);
    let points = operations(&vfs, &image, keeping);
    let mut tally = Tally { points, runs: 0, lost: 0, torn_writes: 0 };
    for point in 0..points {
        let stopped = Disk::from_image(&vfs, &image, point);
        stopped.fail_at(point, Fault::Crash);
        let (acknowledged, _) = write_until_error(&stopped, keeping, TRANSACTIONS);
        assert!(!stopped.is_running(), "the fault at {point} was not met");
        for (number, mode) in LOSSES.into_iter().enumerate() {
            let disk = Disk::from_image(&vfs, &image, point);
            disk.fail_at(point, Fault::Crash);
            assert_eq!(write_until_error(&disk, keeping, TRANSACTIONS).0, acknowledged);
            let seed = point * LOSSES.len() as u64 + number as u64;
            let report = disk.crash(mode, &mut ChaCha8Rng::seed_from_u64(seed));
            let rows = count_sound_rows(&disk, keeping);
            assert!(rows <= acknowledged + 1, "{keeping:?} {point} {mode:?}: {rows} rows");
            tally.lost += (acknowledged - rows).max(0);
            tally.torn_writes += report.torn;
            tally.runs += 1;
        }
    }
    tally
}

/// Shows that WAL with FULL loses no acknowledged transaction, wherever and however the power
/// fails, and that row and outbox row are there together or not at all.
#[test]
fn wal_full_loses_nothing() {
    let tally = lose_power_everywhere(Keeping::WalFull);
    assert_eq!(tally.lost, 0);
    assert!(tally.points > 200 && tally.torn_writes > 100, "the test visits too little");
    assert_eq!(tally.runs, tally.points * LOSSES.len() as u64);
}

/// Shows that rollback journals that are truncated, with FULL, lose nothing either.
#[test]
fn truncate_full_loses_nothing() {
    assert_eq!(lose_power_everywhere(Keeping::TruncateFull).lost, 0);
}

/// Shows that rollback journals that are deleted, with EXTRA, lose nothing either.
#[test]
fn delete_extra_loses_nothing() {
    assert_eq!(lose_power_everywhere(Keeping::DeleteExtra).lost, 0);
}

/// Shows that the alarm rings: WAL with NORMAL, which syncs only at checkpoints, does lose
/// acknowledged transactions; it stays sound, though.
#[test]
fn wal_normal_loses_some() {
    assert!(lose_power_everywhere(Keeping::WalNormal).lost > 100);
}

/// Shows that a device that lies about syncs is caught: acknowledged transactions are lost even
/// with FULL.
#[test]
fn ignored_syncs_lose_some() {
    let vfs = new_vfs();
    let disk = Disk::from_image(&vfs, &template(&vfs), 1);
    disk.set_ignores_syncs(true);
    let mut connection = open(&disk, Keeping::WalFull).unwrap();
    for id in 1..=3 {
        write(&mut connection, id).unwrap();
    }
    disk.crash(CrashMode::LoseUnsynced, &mut ChaCha8Rng::seed_from_u64(1));
    assert_eq!(count_sound_rows(&disk, Keeping::WalFull), 0);
}

/// Shows that the death of the process alone loses nothing in any mode, wherever it strikes: the
/// operating system still has all that was written.
#[test]
fn a_killed_process_loses_nothing() {
    let vfs = new_vfs();
    let image = template(&vfs);
    for keeping in [Keeping::WalFull, Keeping::WalNormal, Keeping::TruncateFull] {
        for point in 0..operations(&vfs, &image, keeping) {
            let disk = Disk::from_image(&vfs, &image, point);
            disk.fail_at(point, Fault::Crash);
            let (acknowledged, _) = write_until_error(&disk, keeping, TRANSACTIONS);
            disk.kill();
            assert!(count_sound_rows(&disk, keeping) >= acknowledged, "{keeping:?} {point}");
        }
    }
}

/// Shows that what a killed process wrote and did not sync is still at risk when the power fails
/// later.
#[test]
fn a_kill_makes_nothing_durable() {
    let vfs = new_vfs();
    let disk = Disk::from_image(&vfs, &template(&vfs), 1);
    let mut connection = open(&disk, Keeping::WalNormal).unwrap();
    for id in 1..=3 {
        write(&mut connection, id).unwrap();
    }
    disk.kill();
    let survivor = Disk::from_image(&vfs, &disk.clone_image(), 1);
    assert_eq!(count_sound_rows(&survivor, Keeping::WalNormal), 3);
    disk.crash(CrashMode::LoseUnsynced, &mut ChaCha8Rng::seed_from_u64(1));
    assert_eq!(count_sound_rows(&disk, Keeping::WalNormal), 0);
}

/// Shows that a store that is being created survives a stop at every operation: it is there whole
/// or can be created again.
#[test]
fn creation_survives_power_loss() {
    let vfs = new_vfs();
    let schema = "CREATE TABLE IF NOT EXISTS row(id INTEGER PRIMARY KEY, body TEXT)";
    let create = |disk: &Disk| open(disk, Keeping::WalFull)?.execute_batch(schema);
    let whole = Disk::new(&vfs, 1);
    create(&whole).unwrap();
    for point in 0..whole.operations() {
        for mode in CrashMode::ALL {
            let disk = Disk::new(&vfs, point);
            disk.fail_at(point, Fault::Crash);
            let created = create(&disk).is_ok();
            disk.crash(mode, &mut ChaCha8Rng::seed_from_u64(point));
            let connection = open(&disk, Keeping::WalFull).unwrap();
            let sql = "SELECT count(*) FROM sqlite_schema";
            let tables: i64 = connection.query_row(sql, [], |row| row.get(0)).unwrap();
            assert!(tables == 1 || !created, "{point} {mode:?}: an acknowledged table is gone");
            drop(connection);
            create(&disk).unwrap();
        }
    }
}
