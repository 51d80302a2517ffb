//! I/O errors and full disks at any operation.

use clarity_sim::vfs::{Disk, DiskImage, Fault, MemoryVfs, OperationKind};
use rusqlite::ErrorCode;

use super::{Keeping, count_sound_rows, new_vfs, open, template, write, write_until_error};

const TRANSACTIONS: i64 = 20;

fn operations(vfs: &MemoryVfs, image: &DiskImage, keeping: Keeping) -> u64 {
    let disk = Disk::from_image(vfs, image, 1);
    assert!(write_until_error(&disk, keeping, TRANSACTIONS).1.is_none());
    disk.operations()
}

/// Sets `fault` at every operation and checks that the store then opens with all that was
/// acknowledged. Returns the error codes seen, and at how many points no error was seen: there
/// SQLite could do without the operation.
fn fail_everywhere(keeping: Keeping, fault: Fault) -> (Vec<ErrorCode>, u64, u64) {
    let vfs = new_vfs();
    let image = template(&vfs);
    let points = operations(&vfs, &image, keeping);
    let mut codes = Vec::new();
    let mut silent = 0;
    for point in 0..points {
        let disk = Disk::from_image(&vfs, &image, point);
        disk.fail_at(point, fault);
        let (acknowledged, error) = write_until_error(&disk, keeping, TRANSACTIONS);
        let met = disk.faults_met();
        assert_eq!((met.len(), met[0].operation, met[0].fault), (1, point, fault));
        match error {
            Some(error) => codes.push(error.sqlite_error_code().unwrap()),
            None => {
                assert_eq!(acknowledged, TRANSACTIONS);
                silent += 1;
            }
        }
        disk.heal();
        let rows = count_sound_rows(&disk, keeping);
        assert!(rows >= acknowledged, "{keeping:?} {fault:?} at {point}: {rows} < {acknowledged}");
        assert!(rows <= acknowledged + 1);
        assert_eq!(disk.open_handles(), 0);
    }
    (codes, silent, points)
}

/// Shows that an I/O error that happens once is reported, unless it hit a checkpoint, which is
/// tried again, and that the store opens with all that was acknowledged.
#[test]
fn an_io_error_at_each_point_is_reported() {
    for keeping in [Keeping::WalFull, Keeping::TruncateFull] {
        let (codes, silent, points) = fail_everywhere(keeping, Fault::IoErrorOnce);
        assert!(silent < points / 2, "{keeping:?}: {silent} of {points} unnoticed");
        let expected = [ErrorCode::SystemIoFailure, ErrorCode::CannotOpen];
        assert!(codes.iter().all(|code| expected.contains(code)), "{codes:?}");
    }
}

/// Shows that a disk that fails for good is reported at nearly every point, those of closing being
/// the exception, and that the store opens on the healed disk with all that was acknowledged.
#[test]
fn a_lasting_io_error_at_each_point_is_reported() {
    for keeping in [Keeping::WalFull, Keeping::TruncateFull] {
        let (codes, silent, points) = fail_everywhere(keeping, Fault::IoErrorForever);
        assert!(silent < points / 8, "{keeping:?}: {silent} of {points} unnoticed");
        let expected = [ErrorCode::SystemIoFailure, ErrorCode::CannotOpen];
        assert!(codes.iter().all(|code| expected.contains(code)), "{codes:?}");
    }
}

/// Shows that a full disk is reported as such, and that the store opens when there is room again.
#[test]
fn a_full_disk_at_each_point_is_reported() {
    for keeping in [Keeping::WalFull, Keeping::TruncateFull] {
        let (codes, _, points) = fail_everywhere(keeping, Fault::DiskFull);
        // A log that is used again after a checkpoint does not grow, so many need no room.
        assert!(codes.len() as u64 > points / 4, "{keeping:?}: {} of {points}", codes.len());
        assert!(codes.iter().all(|code| *code == ErrorCode::DiskFull), "{codes:?}");
    }
}

/// Shows that an open store works on when the disk has room again, and has lost nothing.
#[test]
fn an_open_store_survives_a_full_disk() {
    let vfs = new_vfs();
    let disk = Disk::from_image(&vfs, &template(&vfs), 1);
    let mut connection = open(&disk, Keeping::WalFull).unwrap();
    write(&mut connection, 1).unwrap();
    disk.fail_at(disk.operations(), Fault::DiskFull);
    let error = write(&mut connection, 2).unwrap_err();
    assert_eq!(error.sqlite_error_code(), Some(ErrorCode::DiskFull));
    disk.heal();
    write(&mut connection, 2).unwrap();
    drop(connection);
    assert_eq!(count_sound_rows(&disk, Keeping::WalFull), 2);
}

/// Shows that every kind of operation is counted, so that each can be made to fail.
#[test]
fn every_kind_of_operation_is_counted() {
    let vfs = new_vfs();
    let disk = Disk::from_image(&vfs, &template(&vfs), 1);
    write_until_error(&disk, Keeping::WalFull, 5);
    write_until_error(&disk, Keeping::TruncateFull, 0);
    let mut connection = open(&disk, Keeping::TruncateFull).unwrap();
    write(&mut connection, 6).unwrap();
    drop(connection);
    let mut total = 0;
    for kind in OperationKind::ALL {
        assert!(disk.operations_of(kind) > 0, "{kind:?}");
        total += disk.operations_of(kind);
    }
    assert_eq!(total, disk.operations());
}

/// Shows the cost that a durable transaction is held to: one sync of the log each.
#[test]
fn a_wal_full_transaction_syncs_once() {
    let vfs = new_vfs();
    let disk = Disk::from_image(&vfs, &template(&vfs), 1);
    let mut connection = open(&disk, Keeping::WalFull).unwrap();
    connection.execute_batch("PRAGMA wal_autocheckpoint = 0").unwrap();
    write(&mut connection, 1).unwrap();
    let before = disk.operations_of(OperationKind::Sync);
    for id in 2..=9 {
        write(&mut connection, id).unwrap();
    }
    assert_eq!(disk.operations_of(OperationKind::Sync) - before, 8);
}
