//! Files that somebody gives to a device: health data, and backups.

use std::collections::BTreeMap;
use std::io::{Cursor, Write};
use std::ops::ControlFlow;
use std::path::Path;

use clarity_client::health::{AppleExport, Batch, CsvOptions, HealthError, HealthFile, ReadReport};
use clarity_client::model::EntityKey;
use clarity_client::{Client, ClientOptions, ExportArchive};
use serde_json::{Value, json};
use tempfile::TempDir;
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

/// How a line begins that names the file whose content follows.
const MEMBER: &[u8] = b"=== ";
/// How a zip begins.
const ZIP: &[u8] = b"PK";
const MANIFEST: &str = "manifest.json";

/// Gives bytes to a reader, as a file.
fn with_file(name: &str, bytes: &[u8], read: impl FnOnce(&Path)) {
    let Ok(folder) = TempDir::new() else { panic!("there is no folder") };
    let path = folder.path().join(name);
    assert!(std::fs::write(&path, bytes).is_ok(), "there is no file");
    read(&path);
}

/// What was read is what the report says, and each sample is an entity that a store takes.
fn check(
    read: impl FnOnce(&mut dyn FnMut(Batch) -> ControlFlow<()>) -> Result<ReadReport, HealthError>,
) {
    let mut count = 0;
    let report = read(&mut |batch| {
        for sample in &batch.samples {
            let key = EntityKey::new(sample.entity_type, sample.id.as_str());
            assert!(key.is_ok(), "a sample that is no entity");
        }
        count += batch.samples.len() as u64;
        ControlFlow::Continue(())
    });
    if let Ok(report) = report {
        assert_eq!(report.emitted.total(), count, "the report counts other samples");
    }
}

fn health_file(path: &Path) {
    let options = CsvOptions { zone: Some("UTC".to_owned()), ..CsvOptions::default() };
    let Ok(mut file) = HealthFile::open(path, &options) else { return };
    check(|sink| file.read(sink, &mut |_| {}));
}

fn apple(path: &Path) {
    let Ok(mut export) = AppleExport::open(path) else { return };
    check(|sink| {
        let mut samples = |samples| sink(Batch { samples, deletions: Vec::new() });
        export.read(&mut samples, &mut |_| {})
    });
}

/// An export of Apple's Health app that was unpacked.
pub(super) fn apple_xml(bytes: &[u8]) {
    with_file("export.xml", bytes, apple);
}

/// The same as a zip; or the files of one, each after a line with its name.
pub(super) fn apple_zip(bytes: &[u8]) {
    let packed = if bytes.starts_with(ZIP) { bytes.to_vec() } else { zip_of(&members(bytes)) };
    with_file("export.zip", &packed, apple);
}

/// A table.
pub(super) fn csv(bytes: &[u8]) {
    with_file("table.csv", bytes, health_file);
}

/// FHIR, whole or by lines.
pub(super) fn fhir(bytes: &[u8]) {
    with_file("bundle.json", bytes, health_file);
}

/// A backup as a zip; or its parts, each after a line with its name, under a manifest that fits
/// them. What is taken in fits together and can be opened again; what is refused changes nothing.
pub(super) fn backup(bytes: &[u8]) {
    let packed = match bytes.starts_with(ZIP) {
        true => bytes.to_vec(),
        false => zip_of(&with_manifest(members(bytes))),
    };
    with_file("backup.zip", &packed, |path| {
        let Ok(Some(archive)) = ExportArchive::open(path) else { return };
        let options = ClientOptions::new(path.with_file_name("store.db"));
        let Ok(client) = Client::open(options.clone()) else { panic!("there is no store") };
        let taken_in = client.import_export(archive, |_| {});
        if taken_in.is_err() {
            assert!(client.would_be_lost().is_ok_and(|lost| lost.total == 0), "a part is there");
        }
        drop(client);
        let again = Client::open(options);
        assert!(again.is_ok_and(|client| client.status().is_ok()), "the store is spoilt");
    });
}

/// The files in a text: the name of each is in a line before it.
fn members(bytes: &[u8]) -> Vec<(String, Vec<u8>)> {
    let mut members: Vec<(String, Vec<u8>)> = Vec::new();
    for line in bytes.split_inclusive(|byte| *byte == b'\n') {
        match line.strip_prefix(MEMBER) {
            Some(name) => {
                let name = String::from_utf8_lossy(name.trim_ascii()).into_owned();
                members.push((name, Vec::new()));
            }
            None => {
                if let Some((_, content)) = members.last_mut() {
                    content.extend_from_slice(line);
                }
            }
        }
    }
    members
}

fn zip_of(members: &[(String, Vec<u8>)]) -> Vec<u8> {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    let options = SimpleFileOptions::default();
    for (name, content) in members {
        // A second file of one name, or one without any, cannot be written.
        if zip.start_file(name.as_str(), options).is_ok() {
            let _ = zip.write_all(content);
        }
    }
    zip.finish().map(Cursor::into_inner).unwrap_or_default()
}

/// The parts of a backup with a manifest that names them as they are. What else it says comes from
/// the one that was given, if there was one.
fn with_manifest(members: Vec<(String, Vec<u8>)>) -> Vec<(String, Vec<u8>)> {
    let (manifests, parts): (Vec<_>, Vec<_>) =
        members.into_iter().partition(|(name, _)| name == MANIFEST);
    let given = manifests.first().and_then(|(_, text)| serde_json::from_slice(text).ok());
    let mut manifest = json!({
        "format": "clarity-export", "format_version": 1, "program": "", "made_at_ms": 0,
        "tables_version": 1, "schema_version": 1, "account_id": null,
        "incarnation": "00000000000000000000000000000009", "next_counter": 9, "counts": {},
    });
    if let (Some(manifest), Some(Value::Object(given))) = (manifest.as_object_mut(), given) {
        manifest.extend(given);
    }
    let mut parts: BTreeMap<String, Vec<u8>> = parts.into_iter().collect();
    let named = parts.iter().map(|(name, content)| {
        let lines = content.iter().filter(|byte| **byte == b'\n').count();
        let blake3 = blake3::hash(content).to_hex().to_string();
        json!({"name": name, "bytes": content.len(), "lines": lines, "blake3": blake3})
    });
    manifest["members"] = Value::Array(named.collect());
    parts.insert(MANIFEST.to_owned(), manifest.to_string().into_bytes());
    parts.into_iter().collect()
}
