//! Equal seeds give equal bytes.

use clarity_sim::vfs::{CrashMode, Disk, DiskImage, Fault, MemoryVfs, START_UNIX_MS};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;

use super::{Keeping, new_vfs, open, template, write_until_error};

/// The hashes of all bytes after a stop in the middle, and after the power loss that follows; with
/// the length of the journal at the stop.
fn hashes(
    vfs: &MemoryVfs,
    image: &DiskImage,
    keeping: Keeping,
    seed: u64,
) -> ([[u8; 32]; 2], usize) {
    let disk = Disk::from_image(vfs, image, seed);
    disk.fail_at(150 + seed, Fault::Crash);
    let (_, error) = write_until_error(&disk, keeping, 40);
    assert!(error.is_some());
    let stopped = disk.clone_image();
    let journals = stopped.file_names().filter(|name| *name != "store.db");
    let journal_bytes: usize = journals.map(|name| stopped.file(name).unwrap().len()).sum();
    disk.crash(CrashMode::Mixed, &mut ChaCha8Rng::seed_from_u64(seed));
    ([stopped.fingerprint(), disk.clone_image().fingerprint()], journal_bytes)
}

/// Shows that the bytes follow from the seed alone, also while other threads draw from SQLite's
/// generator, which is shared by the process.
#[test]
fn equal_seeds_give_equal_bytes_on_any_thread() {
    for keeping in [Keeping::WalFull, Keeping::WalNormal, Keeping::TruncateFull] {
        let all_hashes = || {
            let vfs = new_vfs();
            let image = template(&vfs);
            (0..20).map(|seed| hashes(&vfs, &image, keeping, seed)).collect::<Vec<_>>()
        };
        let (first, second) = std::thread::scope(|scope| {
            let first = scope.spawn(all_hashes);
            let second = scope.spawn(all_hashes);
            (first.join().unwrap(), second.join().unwrap())
        });
        assert_eq!(first, second, "{keeping:?}");
        assert_eq!(first, all_hashes(), "{keeping:?}");
        let with_journal = first.iter().filter(|(_, journal_bytes)| *journal_bytes > 1000).count();
        assert!(with_journal > 5, "{keeping:?}: the hashes cover too few journals");
    }
}

/// Shows that two disks of different seeds differ only in the journal's random numbers, which
/// proves that these do come from the seed: the database files are equal.
#[test]
fn the_seed_is_in_the_journal() {
    let vfs = new_vfs();
    let image = template(&vfs);
    let [one, other] = [1, 2].map(|seed| {
        let disk = Disk::from_image(&vfs, &image, seed);
        disk.fail_at(100, Fault::Crash);
        write_until_error(&disk, Keeping::WalFull, 40);
        disk.clone_image()
    });
    assert_eq!(one.file("store.db"), other.file("store.db"));
    assert_ne!(one.file("store.db-wal"), other.file("store.db-wal"));
}

/// Shows that SQLite sees the virtual time, that it stands still, and that waiting for a lock moves
/// it and takes no real time.
#[test]
fn time_is_virtual() {
    let vfs = new_vfs();
    let disk = Disk::new(&vfs, 1);
    let connection = disk.open("store.db").unwrap();
    let now_ms = || -> i64 {
        let sql = "SELECT CAST(round(unixepoch('now', 'subsec') * 1000) AS INTEGER)";
        connection.query_row(sql, [], |row| row.get(0)).unwrap()
    };
    assert_eq!(now_ms(), START_UNIX_MS);
    vfs.set_time_unix_ms(1_800_000_000_123);
    assert_eq!((now_ms(), now_ms()), (1_800_000_000_123, 1_800_000_000_123));

    let writer = open(&disk, Keeping::TruncateFull).unwrap();
    writer.execute_batch("CREATE TABLE t(x)").unwrap();
    let refused = connection.execute_batch("CREATE TABLE u(x)").unwrap_err();
    assert_eq!(refused.sqlite_error_code(), Some(rusqlite::ErrorCode::DatabaseBusy));
    let waited_ms = vfs.time_unix_ms() - 1_800_000_000_123;
    assert!((4_000..=6_000).contains(&waited_ms), "waited {waited_ms} ms");
}
