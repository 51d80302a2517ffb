//! Disks, their images, their handles and their files.

use clarity_sim::vfs::{CrashMode, Disk, Fault, MemoryVfs, VfsError};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;
use rusqlite::ErrorCode;

use super::{Keeping, count_sound_rows, new_vfs, open, template, write, write_until_error};

/// Shows that a disk made from an image and the disk that the image was taken of do not see each
/// other's writes, nor does the image.
#[test]
fn an_image_is_independent() {
    let vfs = new_vfs();
    let original = Disk::from_image(&vfs, &template(&vfs), 1);
    write_until_error(&original, Keeping::WalFull, 3);
    let image = original.clone_image();
    let before = image.fingerprint();

    let clone = Disk::from_image(&vfs, &image, 2);
    let mut in_clone = open(&clone, Keeping::WalFull).unwrap();
    let mut in_original = open(&original, Keeping::WalFull).unwrap();
    for id in 4..=10 {
        write(&mut in_clone, id).unwrap();
    }
    write(&mut in_original, 4).unwrap();
    drop((in_clone, in_original));

    assert_eq!(count_sound_rows(&clone, Keeping::WalFull), 10);
    assert_eq!(count_sound_rows(&original, Keeping::WalFull), 4);
    assert_eq!(image.fingerprint(), before);
    assert_eq!(count_sound_rows(&Disk::from_image(&vfs, &image, 3), Keeping::WalFull), 3);
    drop(original);
    assert_eq!(count_sound_rows(&clone, Keeping::WalFull), 10);
}

/// Shows that a connection that was open when the machine stopped gets errors, and that neither
/// its use nor its closing touches the store that was opened since, whose journal it would delete.
#[test]
fn dead_connections_touch_nothing() {
    let vfs = new_vfs();
    for keeping in [Keeping::WalFull, Keeping::TruncateFull, Keeping::DeleteExtra] {
        let disk = Disk::from_image(&vfs, &template(&vfs), 1);
        let mut dead = open(&disk, keeping).unwrap();
        write(&mut dead, 1).unwrap();
        dead.execute_batch("BEGIN; INSERT INTO row VALUES (77, 'never')").unwrap();
        let old_path = disk.path("store.db");
        disk.crash(CrashMode::KeepUnsynced, &mut ChaCha8Rng::seed_from_u64(1));

        let mut living = open(&disk, keeping).unwrap();
        write(&mut living, 2).unwrap();
        living.execute_batch("BEGIN; UPDATE row SET body = 'open transaction'").unwrap();
        let operations = disk.operations();
        let error = dead.execute_batch("INSERT INTO row VALUES (78, 'never'); COMMIT").unwrap_err();
        assert_eq!(error.sqlite_error_code(), Some(ErrorCode::SystemIoFailure), "{keeping:?}");
        drop(dead);
        let flags = rusqlite::OpenFlags::default();
        let reopened = rusqlite::Connection::open_with_flags_and_vfs(&old_path, flags, vfs.name());
        assert!(reopened.is_err(), "{keeping:?}: an old path was served");
        assert_eq!(disk.operations(), operations, "{keeping:?}: a dead handle was served");
        living.execute_batch("ROLLBACK").unwrap();
        write(&mut living, 3).unwrap();
        drop(living);
        assert_eq!(count_sound_rows(&disk, keeping), 3);
    }
}

/// Shows that a stopped machine serves nothing until it is started again.
#[test]
fn a_stopped_machine_serves_nothing() {
    let vfs = new_vfs();
    let disk = Disk::from_image(&vfs, &template(&vfs), 1);
    let mut connection = open(&disk, Keeping::WalFull).unwrap();
    disk.fail_at(disk.operations() + 2, Fault::Crash);
    assert!(write(&mut connection, 1).is_err());
    assert!(!disk.is_running());
    assert!(write(&mut connection, 1).is_err());
    assert!(disk.open("store.db").is_err());
    disk.kill();
    assert!(disk.is_running());
    assert!(write(&mut connection, 1).is_err());
    assert_eq!(count_sound_rows(&disk, Keeping::WalFull), 0);
}

/// Shows that a second connection to a store with one owner is refused, so that such a bug shows,
/// and that it gets its turn when the first is closed.
#[test]
fn a_second_connection_is_busy() {
    let vfs = new_vfs();
    for keeping in [Keeping::WalFull, Keeping::TruncateFull] {
        let disk = Disk::from_image(&vfs, &template(&vfs), 1);
        let mut owner = open(&disk, keeping).unwrap();
        write(&mut owner, 1).unwrap();
        let refused = open(&disk, keeping).and_then(|mut second| write(&mut second, 2));
        let code = refused.unwrap_err().sqlite_error_code();
        assert_eq!(code, Some(ErrorCode::DatabaseBusy), "{keeping:?}");
        let reader = disk.open("store.db").unwrap();
        let refused = reader.query_row("SELECT count(*) FROM row", [], |_| Ok(())).unwrap_err();
        assert_eq!(refused.sqlite_error_code(), Some(ErrorCode::DatabaseBusy), "{keeping:?}");
        drop((owner, reader));
        assert_eq!(count_sound_rows(&disk, keeping), 1);
    }
}

/// Shows that connections without exclusive locking share a rollback-journal database as they share
/// a file: many readers, or one writer.
#[test]
fn readers_and_a_writer_take_turns() {
    let vfs = new_vfs();
    let disk = Disk::from_image(&vfs, &template(&vfs), 1);
    let [one, other] = [(); 2].map(|()| disk.open("store.db").unwrap());
    let count = "SELECT count(*) FROM row";
    one.execute_batch("BEGIN; SELECT * FROM row").unwrap();
    other.execute_batch("BEGIN; SELECT * FROM row; INSERT INTO row VALUES (1, 'x')").unwrap();
    let waiting = other.execute_batch("COMMIT").unwrap_err();
    assert_eq!(waiting.sqlite_error_code(), Some(ErrorCode::DatabaseBusy));
    one.execute_batch("COMMIT").unwrap();
    other.execute_batch("COMMIT").unwrap();
    let rows: i64 = one.query_row(count, [], |row| row.get(0)).unwrap();
    assert_eq!(rows, 1);
}

/// Shows that files can be read, replaced, moved aside and removed from outside.
#[test]
fn files_can_be_handled_from_outside() {
    let vfs = new_vfs();
    let disk = Disk::from_image(&vfs, &template(&vfs), 1);
    write_until_error(&disk, Keeping::WalFull, 2);
    let bytes = disk.file("store.db").unwrap();
    let mut damaged = bytes.clone();
    damaged[20..60].fill(0xff);
    disk.put_file("store.db", &damaged);
    assert!(open(&disk, Keeping::TruncateFull).and_then(|mut store| write(&mut store, 3)).is_err());

    assert!(disk.rename_file("store.db", "aside/store.db"));
    assert!(!disk.rename_file("store.db", "elsewhere"));
    disk.put_file("store.db", &bytes);
    disk.crash(CrashMode::LoseUnsynced, &mut ChaCha8Rng::seed_from_u64(1));
    assert_eq!(count_sound_rows(&disk, Keeping::TruncateFull), 2);
    assert_eq!(disk.file("aside/store.db"), Some(damaged));
    assert!(disk.remove_file("aside/store.db"));
    assert!(!disk.file_names().contains(&"aside/store.db".to_owned()));
    assert!(disk.clone_image().size_bytes() >= bytes.len() as u64);
}

/// Shows that the order of changes is kept by `Prefix`: of writes without sync between them, what
/// survives is the state after one of them, so that even NORMAL stays without gaps, and that some
/// runs survive in part.
#[test]
fn a_prefix_survives() {
    let vfs = new_vfs();
    let image = template(&vfs);
    let mut seen = std::collections::BTreeSet::new();
    for seed in 0..60 {
        let disk = Disk::from_image(&vfs, &image, 1);
        let mut connection = open(&disk, Keeping::WalNormal).unwrap();
        connection.execute_batch("PRAGMA wal_autocheckpoint = 0").unwrap();
        for id in 1..=6 {
            write(&mut connection, id).unwrap();
        }
        disk.crash(CrashMode::Prefix, &mut ChaCha8Rng::seed_from_u64(seed));
        seen.insert(count_sound_rows(&disk, Keeping::WalNormal));
    }
    assert!(seen.len() > 4, "{seen:?}");
}

/// Shows that thousands of disks can come and go on one VFS, and that a disk that is gone cannot
/// be opened.
#[test]
fn disks_come_and_go() {
    let vfs = new_vfs();
    let image = template(&vfs);
    let mut last_path = None;
    for seed in 0..3_000 {
        let disk = Disk::from_image(&vfs, &image, seed);
        assert_eq!(write_until_error(&disk, Keeping::WalFull, 1).0, 1);
        last_path = Some(disk.path("store.db"));
    }
    let flags = rusqlite::OpenFlags::default();
    let path = last_path.unwrap();
    let gone = rusqlite::Connection::open_with_flags_and_vfs(path, flags, vfs.name());
    assert_eq!(gone.unwrap_err().sqlite_error_code(), Some(ErrorCode::CannotOpen));
}

/// Shows that a name is registered once, and that names that SQLite cannot hold are refused.
#[test]
fn names_are_unique() {
    let vfs = new_vfs();
    let again = MemoryVfs::register(vfs.name(), 1).unwrap_err();
    assert!(matches!(again, VfsError::NameTaken { name } if name == vfs.name()));
    assert!(matches!(MemoryVfs::register("unix", 1), Err(VfsError::NameTaken { .. })));
    assert!(matches!(MemoryVfs::register("a\0b", 1), Err(VfsError::InvalidName)));
    assert!(matches!(MemoryVfs::register("", 1), Err(VfsError::InvalidName)));
}
