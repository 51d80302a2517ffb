//! Encrypted stores on disks that fail: the key changes nothing of what a crash may leave.

use std::sync::Arc;

use clarity_client::engine::store::{
    Birth, ListOptions, OpenOptions, RowState, Store, StoreError, StoreErrorKind, StoreKey,
    StoredEntity,
};
use clarity_client::model::{EntityKey, Incarnation, LocalTime, Schema, Seq, ServerTime, Version};
use clarity_sim::vfs::{CrashMode, Disk, DiskImage, Fault, MemoryVfs};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;
use serde_json::json;

use super::new_vfs;

const BIRTH: Birth = Birth { incarnation: Incarnation(7), now: LocalTime(1_700_000_000_000) };
const CANARY: &str = "canary-170-over-110";

fn open(disk: &Disk, key: u8) -> Result<Store, StoreError> {
    let mut options = OpenOptions::new(disk.path("store.db"));
    options.vfs = Some(disk.vfs().name().to_owned());
    options.exclusive = true;
    options.key = Some(StoreKey::new([key; StoreKey::BYTES]));
    Store::open(&options, Arc::new(Schema::shipped().unwrap()), BIRTH)
}

/// Writes some rows in one transaction, each under a number of its own.
fn write(store: &mut Store, numbers: std::ops::Range<u64>) -> Result<(), StoreError> {
    let mut transaction = store.begin()?;
    for number in numbers {
        let key = EntityKey::new("Note", format!("row-{number}")).unwrap();
        let row = StoredEntity {
            fields: serde_json::from_value(json!({"text": CANARY})).unwrap(),
            version: Version(1),
            seq: Seq(number),
            updated_at: ServerTime(1),
            state: RowState::Clean,
            import_id: None,
        };
        transaction.put_entity(&key, &row)?;
    }
    transaction.commit()
}

fn rows(disk: &Disk) -> usize {
    let mut store = open(disk, 1).unwrap();
    assert!(store.damages(5).unwrap().is_empty());
    let transaction = store.begin().unwrap();
    let Some(notes) = transaction.entity_types().unwrap().into_iter().next() else { return 0 };
    transaction.list_entities(&notes, &ListOptions::default()).unwrap().len()
}

/// Stops what is done with a store at every operation of the disk, in every way. It counts the
/// transactions that were acknowledged; after each stop exactly their rows are there, and those of
/// the one that was on its way or not.
fn stop_everywhere(
    vfs: &MemoryVfs,
    before: &DiskImage,
    there: usize,
    act: impl Fn(&Disk) -> usize,
) {
    let counting = Disk::from_image(vfs, before, 1);
    let all = act(&counting);
    let points = counting.operations();
    assert!(points > 20 && all > 0);
    for point in 0..points {
        for (number, mode) in (0..).zip(CrashMode::ALL.map(Some).into_iter().chain([None])) {
            let disk = Disk::from_image(vfs, before, point);
            disk.fail_at(point, if mode.is_some() { Fault::Crash } else { Fault::DiskFull });
            let done = act(&disk);
            match mode {
                Some(mode) => {
                    let mut random = ChaCha8Rng::seed_from_u64(point * 8 + number);
                    disk.crash(mode, &mut random);
                }
                None => disk.heal(),
            }
            let found = rows(&disk);
            let expected = [there + 10 * done, there + 10 * (done + 1)];
            assert!(expected.contains(&found), "{point} {mode:?}: {found}, {done} acknowledged");
        }
    }
}

/// Shows that an encrypted store that is stopped at any operation of the disk, while it is made,
/// written, or closed, by a power loss of any kind or a full disk, has every transaction that was
/// acknowledged and none in parts, under the same key.
#[test]
fn an_encrypted_store_survives_every_stop() {
    let vfs = new_vfs();
    let act = |first: u64| {
        move |disk: &Disk| {
            let Ok(mut store) = open(disk, 1) else { return 0 };
            (0..2)
                .take_while(|part| {
                    let start = first + 10 * part;
                    write(&mut store, start..start + 10).is_ok()
                })
                .count()
        }
    };
    let disk = Disk::new(&vfs, 1);
    stop_everywhere(&vfs, &disk.clone_image(), 0, act(0));
    assert_eq!(act(0)(&disk), 2);
    let holds = |bytes: &[u8]| bytes.windows(CANARY.len()).any(|part| part == CANARY.as_bytes());
    assert!(!holds(&disk.file("store.db").unwrap()));
    stop_everywhere(&vfs, &disk.clone_image(), 20, act(20));
    let error = open(&disk, 2).map(|_| ()).unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Key);
}
