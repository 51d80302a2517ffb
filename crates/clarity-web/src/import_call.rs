//! Imports as a page asks for them: what was read elsewhere, part by part.

use std::collections::BTreeMap;

use clarity_client::engine::{ExternalName, Import, ImportDeletion, ImportInfo, ImportSample};
use clarity_client::model::{EntityId, EntityKey, EntityType, Fields, LocalTime};
use clarity_client::{Client, ClientError, UndoneImport, Write};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The number of an import. It has more digits than a number of JavaScript holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
#[cfg_attr(test, derive(ts_rs::TS))]
#[cfg_attr(test, ts(as = "String"))]
pub(crate) struct ImportNumber(pub(crate) i64);

impl TryFrom<String> for ImportNumber {
    type Error = std::num::ParseIntError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse().map(Self)
    }
}

impl From<ImportNumber> for String {
    fn from(number: ImportNumber) -> Self {
        number.0.to_string()
    }
}

/// One sample of a file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub(crate) struct SampleCall {
    /// Its type.
    entity_type: EntityType,
    /// Its id.
    id: EntityId,
    /// Its id when another sample of the file has the same id and other content.
    sibling_id: EntityId,
    /// Its fields.
    fields: Fields,
    /// What the source calls it.
    #[cfg_attr(test, ts(optional))]
    external: Option<ExternalCall>,
}

/// What a source calls a sample.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub(crate) struct ExternalCall {
    /// Its name for ever.
    id: String,
    /// Its version there.
    #[cfg_attr(test, ts(optional))]
    version: Option<i64>,
}

/// Something that a file says was never true.
#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(test, derive(ts_rs::TS))]
pub(crate) enum DeletionCall {
    /// By the source's own name.
    External(String),
    /// By the entity that it became.
    Entity(EntityKey),
}

impl From<SampleCall> for ImportSample {
    fn from(sample: SampleCall) -> Self {
        let SampleCall { entity_type, id, sibling_id, fields, external } = sample;
        Self {
            key: EntityKey { entity_type: entity_type.clone(), id },
            sibling: EntityKey { entity_type, id: sibling_id },
            fields,
            external: external.map(|name| ExternalName { id: name.id, version: name.version }),
        }
    }
}

impl From<DeletionCall> for ImportDeletion {
    fn from(deletion: DeletionCall) -> Self {
        match deletion {
            DeletionCall::External(name) => Self::External(name),
            DeletionCall::Entity(key) => Self::Entity(key),
        }
    }
}

/// One part of an import as the engine takes it in.
pub(crate) fn part(
    import: ImportNumber,
    source: String,
    samples: Vec<SampleCall>,
    deletions: Vec<DeletionCall>,
) -> Write {
    Write::Import(Import {
        import_id: import.0,
        samples: samples.into_iter().map(ImportSample::from).collect(),
        source: Some(source),
        deletions: deletions.into_iter().map(ImportDeletion::from).collect(),
        step: None,
    })
}

/// An import of this device.
#[derive(Serialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub(crate) struct KnownImport {
    /// Its number, by which it can be undone.
    import: ImportNumber,
    /// From what kind of source.
    source: String,
    /// When it began.
    started_at: LocalTime,
    /// When it ended; absent while it runs or when it was broken off.
    finished_at: Option<LocalTime>,
    /// What it did.
    report: Option<Value>,
}

impl From<ImportInfo> for KnownImport {
    fn from(known: ImportInfo) -> Self {
        let ImportInfo { import_id, source, started_at, finished_at, report } = known;
        Self { import: ImportNumber(import_id), source, started_at, finished_at, report }
    }
}

/// The imports of this device, the latest first.
pub(crate) fn imports(client: &Client) -> Result<Vec<KnownImport>, ClientError> {
    Ok(client.imports()?.into_iter().map(KnownImport::from).collect())
}

/// What an undo of an import deletes or deleted, by type.
#[derive(Serialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub(crate) struct UndoneCounts {
    /// What it brought and nobody has changed since: this is deleted.
    deleted: BTreeMap<EntityType, u64>,
    /// What was changed since: this stays.
    kept: BTreeMap<EntityType, u64>,
    /// What this device gave up for space, of whatever origin: this stays, too.
    given_up: BTreeMap<EntityType, u64>,
}

impl From<UndoneImport> for UndoneCounts {
    fn from(undone: UndoneImport) -> Self {
        let UndoneImport { deleted, kept, given_up, .. } = undone;
        Self { deleted, kept, given_up }
    }
}
