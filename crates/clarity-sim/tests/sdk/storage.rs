//! A device that keeps little, against the real server and on a real disk.

use std::path::PathBuf;

use clarity_client::engine::store::{
    Birth, Comparison, Month, OpenOptions, Query, RowState, Store, StoredEntity,
};
use clarity_client::engine::{FREE_DISK_MIN_BYTES, Import, ImportSample, StorageSettings};
use clarity_client::model::{
    EntityType, Fields, Incarnation, LocalTime, Priority, Seq, ServerTime, Version,
};
use clarity_client::{EntityKey, Period, RollupQuery, SyncEnd, Write};
use serde_json::json;
use tokio::sync::oneshot;

use super::{Device, Hub, note};

/// The first millisecond of 2023.
const START_MS: i64 = 1_672_531_200_000;
const DAY_MS: i64 = 86_400_000;
const MEGABYTE: u64 = 1_000_000;

fn metric() -> EntityType {
    EntityType::new("HealthMetric").unwrap()
}

fn import(samples: Vec<ImportSample>) -> Write {
    Write::Import(Import { import_id: 1, samples, ..Import::default() })
}

/// The sums of the samples by month.
fn monthly(days: std::ops::Range<i64>) -> RollupQuery {
    RollupQuery {
        entity_type: metric(),
        kind: "heart_rate".to_owned(),
        source: None,
        days,
        period: Period::Month,
        by_source: false,
    }
}

/// A sample as an import makes it, one every so many milliseconds.
fn sample(number: i64, every_ms: i64) -> (EntityKey, Fields) {
    let start_ms = START_MS + number * every_ms;
    let id = format!("{:08x}-{:04x}-8000-8000-{number:012x}", start_ms >> 16, start_ms & 0xffff);
    let fields = json!({
        "metric": "heart_rate", "start_ms": start_ms, "end_ms": start_ms + 5_000, "unit": "/min",
        "value": 50 + number % 90, "source": "Watch", "device": "name:Watch, model:Watch7,3",
    });
    (EntityKey::new("HealthMetric", id).unwrap(), serde_json::from_value(fields).unwrap())
}

fn budget(bytes: u64) -> StorageSettings {
    StorageSettings { budget_bytes: bytes, age_ms: None, ..StorageSettings::default() }
}

impl Device {
    fn path(&self) -> PathBuf {
        self._directory.path().join("store.db")
    }

    /// What the file system really holds of the store.
    fn bytes_on_disk(&self) -> u64 {
        let files = std::fs::read_dir(self._directory.path()).unwrap();
        let names = files.map(|file| file.unwrap());
        let of_store =
            names.filter(|file| file.file_name().to_string_lossy().starts_with("store.db"));
        of_store.map(|file| file.metadata().map(|found| found.len()).unwrap_or(0)).sum()
    }

    fn count(&self, entity_type: &str) -> u64 {
        let of_type = EntityType::new(entity_type).unwrap();
        self.client.counts().unwrap().get(&of_type).copied().unwrap_or_default()
    }
}

/// Puts rows into a store as if a sync had brought them.
fn fill(device: &Device, rows: impl Iterator<Item = (EntityKey, Fields)>) {
    let schema = clarity_client::Schema::shipped().unwrap();
    let birth = Birth { incarnation: Incarnation(1), now: LocalTime(0) };
    let options = OpenOptions::new(device.path());
    let mut store = Store::open(&options, schema.into(), birth).unwrap();
    let mut rows = rows.zip(1_u64..).peekable();
    while rows.peek().is_some() {
        let mut transaction = store.begin().unwrap();
        for ((key, fields), number) in rows.by_ref().take(20_000) {
            let row = StoredEntity {
                fields,
                version: Version(1),
                seq: Seq(number),
                updated_at: ServerTime(i64::try_from(number).unwrap()),
                state: RowState::Clean,
                import_id: None,
            };
            transaction.put_entity(&key, &row).unwrap();
        }
        transaction.commit().unwrap();
    }
}

/// Shows that a device with 200,000 synced entities is held to 20 MB on its disk with log and
/// indexes, that single entities of a low place go in their order and high and critical ones stay
/// while there is anything else, that whole months go oldest first, and that the sums of the days
/// that went are still there.
#[tokio::test(flavor = "multi_thread")]
async fn two_hundred_thousand_entities_in_twenty_megabytes() {
    let hub = Hub::start();
    let device = hub.sign_up("anna").await;
    device.sync_all().await;
    let samples = (0..170_000).map(|number| sample(number, 600_000));
    let things = (0..29_000).map(|number| {
        let key = EntityKey::new("Thing", format!("thing-{number:06}")).unwrap();
        (key, Fields::from([("text", json!("x".repeat(100))), ("number", json!(number))]))
    });
    let notes = (0..1_000).map(|number| {
        (note(&format!("note-{number:04}")), Fields::from([("title", json!("keep me"))]))
    });
    fill(&device, samples.chain(things).chain(notes));
    let kept = EntityKey::new("Thing", "thing-000000").unwrap();
    device.client.store_for_offline(&kept, Priority::Critical).unwrap();
    device.update(&note("note-0000"), json!({"title": "not sent yet"}));
    let day = START_MS / DAY_MS;
    let sums = device.client.rollups(&monthly(day..day + 9_999)).unwrap();
    assert!(device.bytes_on_disk() > 40 * MEGABYTE);
    device.client.set_storage(budget(20 * MEGABYTE)).unwrap();
    device.client.pause_sync(None).unwrap();
    let report = device.sync().await;
    assert!(matches!(report.end, SyncEnd::Stalled(_)));
    assert!(device.bytes_on_disk() <= 20 * MEGABYTE, "{}", device.bytes_on_disk());
    let storage = device.client.storage().unwrap();
    assert!(!storage.report.over_budget);
    assert!(storage.file_bytes + storage.log_bytes <= device.bytes_on_disk());
    // What has a higher priority stays, and what was not sent.
    assert_eq!(device.count("Note"), 1_000);
    assert_eq!(device.field(&note("note-0000"), "title"), Some(json!("not sent yet")));
    assert!(device.client.get(&kept).unwrap().is_some());
    // Nothing was ever asked for: months go before single entities, the oldest first.
    assert_eq!(device.count("Thing"), 29_000);
    let months = &storage.report.months;
    assert_eq!(months[0].month, Month::of_ms(START_MS));
    let here = device.count("HealthMetric");
    let gone: u64 = months.iter().map(|month| month.count).sum();
    assert_eq!(here + gone, 170_000);
    assert!(here > 0 && gone > 0);
    for pair in months.windows(2) {
        assert_eq!(pair[0].month.next(), pair[1].month);
    }
    let (oldest_here, _) = sample(i64::try_from(gone).unwrap(), 600_000);
    assert!(device.client.get(&oldest_here).unwrap().is_some());
    assert_eq!(storage.report.evicted_total, gone);
    assert!(storage.report.evictions.iter().all(|one| one.bytes > 0));
    let after = device.client.rollups(&monthly(day..day + 9_999)).unwrap();
    assert_eq!(after, sums);
    hub.stop().await;
}

/// Shows that 200,000 entities that the server does not have are all kept, whatever the budget.
#[tokio::test(flavor = "multi_thread")]
async fn two_hundred_thousand_unsynced_entities_are_kept() {
    let hub = Hub::start();
    let device = hub.sign_up("anna").await;
    device.sync_all().await;
    hub.stop().await;
    device.client.set_storage(budget(20 * MEGABYTE)).unwrap();
    for batch in 0..200 {
        let numbers = batch * 1_000..(batch + 1) * 1_000;
        let samples = numbers.map(|number| {
            let (key, fields) = sample(number, 600_000);
            let (sibling, _) = sample(number + 1_000_000, 600_000);
            ImportSample { key, sibling, fields, external: None }
        });
        let samples = samples.collect();
        device.client.write(import(samples)).unwrap();
    }
    let report = device.try_sync().await;
    assert_eq!(report.status.waiting, 200_000);
    assert_eq!(device.count("HealthMetric"), 200_000);
    let storage = device.client.storage().unwrap();
    assert!(storage.report.over_budget && storage.report.evicted_total == 0);
    assert_eq!(storage.report.protected[0].count, 200_000);
    assert!(!storage.report.full);
}

/// Shows that a device with a small budget stays under it on its disk while it reads an account
/// that is larger, that it knows what it does not have, fetches it on access, shows the same sums
/// as the device that has all, and says offline that something is not here and why.
#[tokio::test(flavor = "multi_thread")]
async fn a_small_device_reads_a_large_account() {
    let hub = Hub::start();
    let large = hub.sign_up("anna").await;
    let samples: Vec<_> = (0..12_000).map(|number| sample(number, 3_600_000)).collect();
    for batch in samples.chunks(1_000) {
        let samples = batch.iter().map(|(key, fields)| {
            let sibling = note("unused").id;
            let sibling = EntityKey { id: sibling, ..key.clone() };
            ImportSample { key: key.clone(), sibling, fields: fields.clone(), external: None }
        });
        let samples = samples.collect();
        large.client.write(import(samples)).unwrap();
    }
    for number in 0..20 {
        large.create(&note(&format!("note-{number}")), json!({"title": format!("{number}")}));
    }
    large.sync_all().await;

    let small = hub.sign_in("anna").await;
    let bytes = 2 * MEGABYTE;
    small.client.set_storage(budget(bytes)).unwrap();
    let mut most = 0;
    let patience = super::PATIENCE;
    let transport = std::sync::Arc::clone(&small.transport);
    let show = |_: &clarity_client::Status| most = small.bytes_on_disk().max(most);
    let report = small.client.sync(transport, patience, show).await.unwrap();
    assert_eq!(report.end, SyncEnd::Done);
    assert!(most <= bytes, "{most} bytes on the disk");
    assert!(small.bytes_on_disk() <= bytes);
    let gone = 12_000 - small.count("HealthMetric");
    assert!(gone > 6_000, "{gone} are not here");
    assert_eq!(small.count("Note"), 20);

    let day = START_MS / DAY_MS;
    let days = day..day + 600;
    let sums = large.client.rollups(&monthly(days.clone())).unwrap();
    assert_eq!(small.client.rollups(&monthly(days)).unwrap(), sums);
    what_is_away_comes_on_access(&small, &samples).await;
    assert!(small.bytes_on_disk() <= bytes);
    hub.stop().await;
}

/// Offline it is known to be away and why; with a server it is fetched, and an import knows it.
async fn what_is_away_comes_on_access(small: &Device, samples: &[(EntityKey, Fields)]) {
    let (first, fields) = &samples[0];
    assert!(small.client.get(first).unwrap().is_none());
    assert!(small.client.absence(first).unwrap().is_some());
    let missing = small.client.get_or_fetch(first).await.unwrap().missing.unwrap();
    assert!(missing.why.contains("moved off this device"), "{}", missing.why);

    let succeeded = small.client.metrics().unwrap().requests_succeeded;
    let (stop, stopped) = oneshot::channel::<()>();
    let client = small.client.clone();
    let transport = std::sync::Arc::clone(&small.transport);
    let running = tokio::spawn(async move {
        client.run(transport, async { drop(stopped.await) }).await.unwrap();
    });
    small.watch(|client| client.metrics().unwrap().requests_succeeded > succeeded).await;
    let found = small.client.get_or_fetch(first).await.unwrap();
    assert_eq!(found.missing, None);
    assert_eq!(&found.found.unwrap().fields, fields);
    // A stretch of time, whole.
    let query = Query {
        filters: vec![
            ("start_ms".to_owned(), Comparison::GreaterOrEqual, json!(START_MS)),
            ("start_ms".to_owned(), Comparison::Less, json!(START_MS + 10 * DAY_MS)),
        ],
        ..Query::default()
    };
    let found = small.client.query_or_fetch(&metric(), &query).await.unwrap();
    assert_eq!((found.found.len(), found.missing), (240, None));
    // An import of all of it again is nothing new, here or there.
    let again = samples.iter().take(2_000).map(|(key, fields)| {
        let sibling = EntityKey { id: note("unused").id, ..key.clone() };
        ImportSample { key: key.clone(), sibling, fields: fields.clone(), external: None }
    });
    let write = import(again.collect());
    let imported = small.client.write(write).unwrap().imported;
    assert_eq!((imported.duplicate, imported.new), (2_000, 0));
    drop(stop);
    running.await.unwrap();
}

/// Shows that a device whose disk is nearly full takes no new changes, sends what waits, and goes
/// on by itself.
#[tokio::test(flavor = "multi_thread")]
async fn a_nearly_full_disk() {
    let hub = Hub::start();
    let device = hub.sign_up("anna").await;
    device.create(&note("one"), json!({"title": "one"}));
    let settings = StorageSettings { free_disk_min_bytes: u64::MAX / 2, ..budget(20 * MEGABYTE) };
    device.client.set_storage(settings).unwrap();
    let report = device.sync().await;
    assert_eq!(report.status.waiting, 0, "what waits goes out");
    let SyncEnd::Stalled(stalled) = report.end else { panic!("{:?}", report.end) };
    assert_eq!(stalled.why, clarity_client::engine::Pause::StorageFull);
    let refused = device.client.create(&note("two"), Fields::new()).unwrap_err();
    assert_eq!(refused.kind(), clarity_client::ErrorKind::StorageFull);
    assert!(device.client.storage().unwrap().report.full);
    let settings = StorageSettings { free_disk_min_bytes: FREE_DISK_MIN_BYTES.min(1), ..settings };
    device.client.set_storage(settings).unwrap();
    device.sync_all().await;
    device.create(&note("two"), json!({}));
    hub.stop().await;
}
