//! Export of everything, and the same store again.

use std::collections::BTreeMap;
use std::io::{Read, Write as _};
use std::path::{Path, PathBuf};

use clarity_client::engine::Write;
use clarity_client::model::{EntityKey, Fields};
use clarity_client::{
    Client, ClientOptions, EntityId, EntityType, ErrorKind, ExportArchive, RestoreReport, health,
};
use proptest::prelude::*;
use serde_json::{Value, json};

struct Bench {
    client: Client,
    folder: tempfile::TempDir,
}

impl Bench {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let client = Client::open(ClientOptions::new(folder.path().join("store.db"))).unwrap();
        Self { client, folder }
    }

    fn export(&self) -> PathBuf {
        let path = self.folder.path().join("export.zip");
        self.client.export_zip(&path, |_| {}).unwrap();
        path
    }

    fn import(&self, path: &Path) -> Result<RestoreReport, clarity_client::ClientError> {
        let archive = ExportArchive::open(path)?.expect("an export");
        self.client.import_export(archive, |_| {})
    }

    fn create(&self, entity_type: &str, id: &str, fields: Value) -> EntityKey {
        let key = key(entity_type, id);
        let fields: Fields = serde_json::from_value(fields).unwrap();
        self.client.create(&key, fields).unwrap();
        key
    }

    fn update(&self, key: &EntityKey, field: &str, value: Value) {
        let changes = BTreeMap::from([(field.to_owned(), Some(value))]);
        self.client.update(key, changes, None).unwrap();
    }

    /// Everything that an app can see.
    fn view(&self) -> Vec<Value> {
        let mut all = Vec::new();
        let each = |key: &EntityKey, row: &clarity_client::engine::store::StoredEntity| {
            all.push(json!([key, row.fields, row.version.0, row.state as u8, row.import_id]));
            Ok(())
        };
        self.client.each_stored(each).unwrap();
        all
    }
}

fn key(entity_type: &str, id: &str) -> EntityKey {
    EntityKey { entity_type: EntityType::new(entity_type).unwrap(), id: EntityId::new(id).unwrap() }
}

/// The parts of an export, but for what differs from one life of a store to the next.
fn parts(path: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut zip = zip::ZipArchive::new(std::fs::File::open(path).unwrap()).unwrap();
    let mut parts = BTreeMap::new();
    for at in 0..zip.len() {
        let mut member = zip.by_index(at).unwrap();
        let mut bytes = Vec::new();
        member.read_to_end(&mut bytes).unwrap();
        parts.insert(member.name().unwrap().into_owned(), bytes);
    }
    for life in ["manifest.json", "data/tables/incarnation.jsonl", "data/tables/state.jsonl"] {
        parts.remove(life);
    }
    if let Some(operations) = parts.get_mut("data/tables/operation.jsonl") {
        let lines = operations.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
        let lines = lines.map(|line| {
            let mut row: Value = serde_json::from_slice(line).unwrap();
            row["incarnation"] = Value::Null;
            format!("{row}\n").into_bytes()
        });
        *operations = lines.collect::<Vec<_>>().concat();
    }
    parts
}

/// A store with something of everything.
fn full() -> Bench {
    let bench = Bench::new();
    bench
        .client
        .import_apple_health(&mut health::bundled_export().open().unwrap(), |_| {})
        .unwrap();
    let note = bench.create("Note", "note-1", json!({ "title": "Frühstück", "tags": ["ä"] }));
    bench.update(&note, "title", json!("Supper"));
    let gone = bench.create("Note", "note-2", json!({ "title": "gone" }));
    bench.client.delete(&gone, None).unwrap();
    bench.create(
        "Undeclared",
        "x.y",
        json!({ "ü": "ß", "null": null, "big": 1e300, "n": u64::MAX }),
    );
    let taken_back = bench.client.create(&key("Goal", "g"), Fields::new()).unwrap().operations[0];
    bench.client.write(Write::Rollback { operation: taken_back }).unwrap();
    bench
}

/// Shows that export, wipe, import gives the same store: views, queue, history, and the very bytes
/// of a second export.
#[test]
fn an_export_gives_the_same_store_again() {
    let bench = full();
    let path = bench.export();
    let other = Bench::new();
    let report = other.import(&path).unwrap();
    assert!(report.restored);
    assert_eq!(other.view(), bench.view());
    assert_eq!(other.client.status().unwrap().waiting, bench.client.status().unwrap().waiting);
    assert_eq!(other.client.newest_operation().unwrap(), bench.client.newest_operation().unwrap());
    assert_eq!(parts(&other.export()), parts(&path));
    // And it is a store that can be written.
    other.create("Note", "note-3", json!({ "title": "after" }));
}

/// Shows what an export holds: the files that its list names, no token, and a valid FHIR bundle.
#[test]
fn what_an_export_holds() {
    let bench = full();
    let systolic = json!({
        "metric": "BloodPressureSystolic", "value": 120, "unit": "mmHg", "source": "Cuff",
        "start_ms": 1_600_000_000_000_i64, "end_ms": 1_600_000_000_000_i64 });
    let mut diastolic = systolic.clone();
    diastolic["metric"] = "BloodPressureDiastolic".into();
    bench.create("HealthMetric", "00000000-0000-8000-8000-000000000001", systolic);
    bench.create("HealthMetric", "00000000-0000-8000-8000-000000000002", diastolic);
    let path = bench.export();
    let parts = parts(&path);
    assert!(parts.contains_key("README.md") && parts.contains_key("csv/HeartRate.csv"));
    assert!(!parts.keys().any(|name| name.contains("credential")), "{:?}", parts.keys());
    let bundle: Value = serde_json::from_slice(&parts["fhir/bundle.json"]).unwrap();
    let entries = bundle["entry"].as_array().unwrap();
    let metrics = bench.client.counts().unwrap()[&EntityType::new("HealthMetric").unwrap()];
    // A patient on top, and two values in one panel.
    assert_eq!(entries.len() as u64, metrics);
    let panels = entries.iter().filter(|entry| entry["resource"].get("component").is_some());
    assert_eq!(panels.count(), 1);
    for entry in &entries[1..] {
        let resource = &entry["resource"];
        assert_eq!(resource["status"], "final");
        assert!(resource["code"]["text"].is_string() && resource["subject"].is_object());
        let times = ["effectiveDateTime", "effectivePeriod"];
        assert_eq!(times.iter().filter(|name| resource.get(**name).is_some()).count(), 1);
    }
    // What people take out of it comes back as what it was.
    let folder = tempfile::tempdir().unwrap();
    for name in ["csv/HeartRate.csv", "fhir/bundle.json"] {
        let file = folder.path().join(name.replace('/', "-"));
        std::fs::write(&file, &parts[name]).unwrap();
        let mut file = health::HealthFile::open(&file, &health::CsvOptions::default()).unwrap();
        let report = bench.client.import_health(&mut file, |_| {}).unwrap();
        assert_eq!((report.new, report.damaged), (0, 0), "{name}: {report:?}");
    }
}

/// Shows that an export into a store that is in use adds what is missing, merges what waited, keeps
/// what was deleted here, and changes nothing a second time.
#[test]
fn an_export_is_merged_into_a_store_in_use() {
    let bench = full();
    let path = bench.export();
    let other = Bench::new();
    let own = other.create("Note", "own", json!({ "title": "mine" }));
    other.create("Note", "note-1", json!({ "title": "Supper", "text": "here" }));
    let report = other.import(&path).unwrap();
    assert!(!report.restored);
    let expected: u64 = report.entities.values().sum();
    assert_eq!(report.imported.new + report.imported.duplicate + report.imported.changed, expected);
    assert_eq!(report.imported.changed, 1);
    let note = other.client.get(&key("Note", "note-1")).unwrap().unwrap();
    assert_eq!(note.fields.get("text").unwrap(), "here");
    assert_eq!(note.fields.get("tags").unwrap(), &json!(["ä"]));
    assert!(other.client.get(&own).unwrap().is_some());
    other.client.delete(&note.key, None).unwrap();
    let before = (other.view(), other.client.newest_operation().unwrap());
    let again = other.import(&path).unwrap();
    assert_eq!((again.imported.new, again.imported.changed), (0, 0), "{again:?}");
    assert_eq!((other.view(), other.client.newest_operation().unwrap()), before);
    // The very store that it came from has nothing to do at all.
    let before = bench.view();
    let own = bench.import(&path).unwrap();
    assert_eq!((own.imported.new, own.imported.changed), (0, 0), "{own:?}");
    assert_eq!(bench.view(), before);
}

fn rewritten(path: &Path, change: impl Fn(&str, &mut Vec<u8>) -> bool) -> tempfile::NamedTempFile {
    let mut zip = zip::ZipArchive::new(std::fs::File::open(path).unwrap()).unwrap();
    let file = tempfile::NamedTempFile::new().unwrap();
    let mut out = zip::ZipWriter::new(file.reopen().unwrap());
    for at in 0..zip.len() {
        let mut member = zip.by_index(at).unwrap();
        let name = member.name().unwrap().into_owned();
        let mut bytes = Vec::new();
        member.read_to_end(&mut bytes).unwrap();
        if change(&name, &mut bytes) {
            out.start_file(name, zip::write::SimpleFileOptions::default()).unwrap();
            out.write_all(&bytes).unwrap();
        }
    }
    out.finish().unwrap();
    file
}

/// Shows that an export that was cut, changed, or made up is refused in words, and that the store
/// is as it was.
#[test]
fn changed_exports_are_refused() {
    let bench = full();
    let path = bench.export();
    let refuse = |file: &Path| {
        let other = Bench::new();
        let error = other.import(file).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Import, "{error}");
        assert!(error.to_string().contains(' '));
        assert!(other.view().is_empty());
        assert!(other.import(&path).unwrap().restored, "the store is still empty");
    };
    let flipped = rewritten(&path, |name, bytes| {
        if name == "data/entities.jsonl" {
            bytes[20] ^= 1;
        }
        true
    });
    refuse(flipped.path());
    let missing = rewritten(&path, |name, _| name != "data/tables/operation.jsonl");
    refuse(missing.path());
    let newer = rewritten(&path, |name, bytes| {
        if name == "manifest.json" {
            let text = String::from_utf8(bytes.clone()).unwrap();
            *bytes = text.replace("\"format_version\": 1", "\"format_version\": 2").into_bytes();
        }
        true
    });
    assert!(ExportArchive::open(newer.path()).unwrap_err().to_string().contains("newer"));
    // A file that is cut off has no list any more, and is no export to begin with.
    let whole = std::fs::read(&path).unwrap();
    let cut = self::cut(&whole[..whole.len() / 2]);
    assert!(ExportArchive::open(cut.path()).unwrap().is_none());
    let error = health::HealthFile::open(cut.path(), &health::CsvOptions::default()).unwrap_err();
    assert!(error.to_string().contains("cut off"));
}

/// Shows that a part which was changed together with its hash is refused as well: rows that this
/// program never writes, and tables that no export carries.
#[test]
fn forged_rows_are_refused() {
    let bench = full();
    let path = bench.export();
    for (table, row) in [
        ("operation", json!({ "counter": 1, "kind": 9 })),
        ("history", json!({ "id": 1, "nothing": 2 })),
        (
            "conflict",
            json!({ "id": 1, "type": "Note", "entity": "a", "counter": 1,
                             "opened_at": 1, "detail": "{" }),
        ),
        ("sqlite_master", json!({ "name": "x" })),
        ("credential", json!({ "one": 1, "server": "s", "name": "n" })),
    ] {
        let name = format!("data/tables/{table}.jsonl");
        let bytes = format!("{row}\n").into_bytes();
        let hash = blake3::hash(&bytes).to_hex().to_string();
        let forged = rewritten(&path, |member, content| {
            if member == "manifest.json" {
                let mut manifest: Value = serde_json::from_slice(content).unwrap();
                let members = manifest["members"].as_array_mut().unwrap();
                members.retain(|member| member["name"] != *name);
                let length = bytes.len();
                members.push(json!({ "name": name, "bytes": length, "lines": 1, "blake3": hash }));
                *content = manifest.to_string().into_bytes();
            }
            member != name
        });
        let file = std::fs::OpenOptions::new().read(true).write(true).open(forged.path()).unwrap();
        let mut out = zip::ZipWriter::new_append(file).unwrap();
        out.start_file(&name, zip::write::SimpleFileOptions::default()).unwrap();
        out.write_all(&bytes).unwrap();
        out.finish().unwrap();
        let other = Bench::new();
        let error = other.import(forged.path()).unwrap_err();
        assert!(error.to_string().contains("never writes"), "{table}: {error}");
        assert!(other.view().is_empty());
        other.create("Note", "works", json!({}));
    }
}

fn cut(bytes: &[u8]) -> tempfile::NamedTempFile {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(bytes).unwrap();
    file
}

/// Shows that a file that cannot be written leaves an earlier export as it was.
#[test]
fn an_export_appears_whole_or_not_at_all() {
    let bench = full();
    let path = bench.export();
    let before = std::fs::read(&path).unwrap();
    std::fs::create_dir(bench.folder.path().join("export.zip.partial")).unwrap();
    assert!(bench.client.export_zip(&path, |_| {}).is_err());
    assert_eq!(std::fs::read(&path).unwrap(), before);
}

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        prop::num::f64::NORMAL.prop_map(Value::from),
        "\\PC{0,12}".prop_map(Value::from),
    ];
    leaf.prop_recursive(2, 8, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
            prop::collection::btree_map("[a-z]{1,4}", inner, 0..3)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

fn entities() -> impl Strategy<Value = Vec<(String, String, BTreeMap<String, Value>, u8)>> {
    let types = prop::sample::select(vec!["HealthMetric", "Note", "Goal", "Strange", "Other"]);
    let names = prop::sample::select(vec![
        "metric", "start_ms", "value", "unit", "title", "tags", "ünder", "target",
    ]);
    let fields = prop::collection::btree_map(names.prop_map(str::to_owned), value(), 0..5);
    let entity = (types.prop_map(str::to_owned), "[a-zA-Z0-9_:.-]{1,12}", fields, 0..3_u8);
    prop::collection::vec(entity, 0..8)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    /// Shows that any store comes back as it was: undeclared types, any text, null, large numbers,
    /// edits and deletions.
    #[test]
    fn any_store_comes_back(entities in entities()) {
        let bench = Bench::new();
        for (entity_type, id, fields, fate) in entities {
            let key = key(&entity_type, &id);
            if bench.client.create(&key, Fields(fields)).is_err() {
                continue;
            }
            match fate {
                1 => bench.update(&key, "title", json!("edited")),
                2 => drop(bench.client.delete(&key, None).unwrap()),
                _ => {}
            }
        }
        let path = bench.export();
        let other = Bench::new();
        other.import(&path).unwrap();
        prop_assert_eq!(other.view(), bench.view());
        prop_assert_eq!(parts(&other.export()), parts(&path));
    }
}
