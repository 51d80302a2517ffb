//! Import of an export: the same store again, or its content into a store that is in use.

use std::collections::BTreeMap;
use std::sync::Arc;

use clarity_engine::protocol::model::{
    Counter, EntityId, EntityKey, EntityType, Incarnation, Schema, Seq, ServerTime, Version,
    validate_fields,
};
use clarity_engine::store::{PortableRow, RowState, StoreTransaction, StoredEntity};
use clarity_engine::{Event, ExportedEntity, Imported, Write};
use serde::Serialize;

use crate::archive::{ENTITIES, EntityLine, ExportArchive, LineState, TABLES, refused};
use crate::client::Client;
use crate::error::ClientError;
use crate::storing::now;

/// How many entities one transaction of a merge takes.
const MERGED_AT_ONCE: usize = 500;

/// What the import of an export did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RestoreReport {
    /// Whether the store was empty and is now the exported one. Otherwise the content was merged.
    pub restored: bool,
    /// The number of the import, by which a merge can be taken back; none for a restore.
    pub import: Option<i64>,
    /// Entities in the export, by type.
    pub entities: BTreeMap<EntityType, u64>,
    /// For a merge: what became of them. `changed` were changes that waited there.
    pub imported: Imported,
}

/// How far the import of an export is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct RestoreProgress {
    /// Bytes that were compared with the manifest.
    pub verified: u64,
    /// Bytes in all.
    pub total: u64,
    /// Entities that were taken in.
    pub entities: u64,
}

impl Client {
    /// Takes in an export of this program.
    ///
    /// Into a store that was never written it is a restore: entities, what waits, conflicts, failed
    /// operations and history are as they were, in one transaction; when that device syncs, it
    /// reads everything again before it sends, and nothing is doubled. Into a store that is in use
    /// it is a merge: what is missing is made, what waited there is done here by the rules of every
    /// change, what was deleted here stays deleted, and a second time changes nothing.
    ///
    /// The whole file is compared with its manifest first.
    ///
    /// # Errors
    /// When the export is not whole, was changed, or is of another account; nothing was changed
    /// then. When the store fails, a restore has changed nothing, and a merge keeps what it did and
    /// goes on when it is started again.
    pub fn import_export(
        &self,
        mut archive: ExportArchive,
        progress: impl FnMut(RestoreProgress) + Send + 'static,
    ) -> Result<RestoreReport, ClientError> {
        let mut progress = progress;
        let total = archive.bytes_total();
        archive.verify(&mut |verified| {
            progress(RestoreProgress { verified, total, entities: 0 });
        })?;
        let bound = self.meta()?.account_id;
        let other = |account: &String| archive.manifest.account_id.as_ref() != Some(account);
        if archive.manifest.account_id.is_some() && bound.as_ref().is_some_and(other) {
            return Err(ClientError::OtherAccount);
        }
        let schema = self.read(|tx| Ok(Arc::clone(tx.schema())))?;
        if archive.manifest.schema_steps > schema.version {
            return Err(refused("it was made by a newer version of the app; update this one"));
        }
        let mut tell = move |entities| {
            progress(RestoreProgress { verified: total, total, entities });
        };
        if self.read(|tx| Ok(tx.is_untouched()?))? {
            let report = self.worker().run(move |device| {
                device.restore(now(), |tx| restore(tx, &mut archive, &mut tell))
            })??;
            self.notify(Event::StoreChanged)?;
            return Ok(report);
        }
        self.merge(&mut archive, &schema, &mut tell)
    }

    fn merge(
        &self,
        archive: &mut ExportArchive,
        schema: &Schema,
        tell: &mut dyn FnMut(u64),
    ) -> Result<RestoreReport, ClientError> {
        let import_id = clarity_health::import_number(&archive.name);
        let incarnation = incarnation(archive)?;
        let replay = self.read(|tx| {
            let done = tx.import(import_id)?.is_some_and(|import| import.finished_at.is_some());
            Ok(!done && !tx.has_lived_as(incarnation)?)
        })?;
        let mut report = RestoreReport {
            restored: false,
            import: Some(import_id),
            entities: BTreeMap::new(),
            imported: Imported::default(),
        };
        let mut part = Vec::new();
        let since = archive.manifest.schema_version;
        let flush = |entities, history| {
            let write = Write::MergeExport { import_id, replay, entities, history };
            self.write(write).map(|written| written.imported)
        };
        let mut taken = 0;
        archive.each_line(ENTITIES, &mut |line: EntityLine| {
            let (key, waits) = (key_of(&line)?, waits(&line));
            if line.fields.is_some() {
                *report.entities.entry(key.entity_type.clone()).or_default() += 1;
            }
            let carry = |fields| schema.carried_fields(since, &key.entity_type, fields);
            let (fields, base) = (line.fields.map(carry), line.base.map(carry));
            part.push((key, ExportedEntity { fields, base, pending: waits }));
            taken += 1;
            if part.len() == MERGED_AT_ONCE {
                report.imported.add(flush(std::mem::take(&mut part), Vec::new())?);
                tell(taken);
            }
            Ok(())
        })?;
        report.imported.add(flush(part, Vec::new())?);
        let mut rows = Vec::new();
        if archive.tables().iter().any(|table| table == "history") {
            archive.each_line(&format!("{TABLES}history.jsonl"), &mut |row: PortableRow| {
                rows.push(row);
                if rows.len() == MERGED_AT_ONCE {
                    flush(Vec::new(), std::mem::take(&mut rows))?;
                }
                Ok(())
            })?;
        }
        flush(Vec::new(), rows)?;
        let kept = serde_json::to_value(report.imported).unwrap_or_default();
        self.write(Write::FinishImport { import_id, report: kept })?;
        Ok(report)
    }
}

/// Whose life the export is of.
fn incarnation(archive: &ExportArchive) -> Result<Incarnation, ClientError> {
    let number = u128::from_str_radix(&archive.manifest.incarnation, 16);
    number.map(Incarnation).map_err(|_| refused("its manifest cannot be read"))
}

fn key_of(line: &EntityLine) -> Result<EntityKey, ClientError> {
    let wrong = |_| refused("a line of it has a form that this program never writes");
    let entity_type = EntityType::new(&*line.entity_type).map_err(wrong)?;
    let id = EntityId::new(&*line.id)
        .map_err(|_| refused("a line of it has a form that this program never writes"))?;
    Ok(EntityKey { entity_type, id })
}

fn waits(line: &EntityLine) -> bool {
    matches!(line.state, LineState::Pending | LineState::PendingDelete)
}

/// What the caller of a restore gets, with what the engine ends it with.
type Restored = (RestoreReport, Option<String>, Counter);

/// Puts everything back, within one transaction.
fn restore(
    tx: &mut StoreTransaction<'_>,
    archive: &mut ExportArchive,
    tell: &mut dyn FnMut(u64),
) -> Result<Restored, ClientError> {
    if !tx.is_untouched()? {
        return Err(refused("something was written into this store meanwhile; try again"));
    }
    tx.clear_portable()?;
    let mut entities: BTreeMap<EntityType, u64> = BTreeMap::new();
    let mut taken = 0;
    let (schema, since) = (Arc::clone(tx.schema()), archive.manifest.schema_version);
    archive.each_line(ENTITIES, &mut |line: EntityLine| {
        let key = key_of(&line)?;
        let carry = |fields| schema.carried_fields(since, &key.entity_type, fields);
        let state = match (line.state, line.fields.is_some()) {
            (LineState::Clean, true) => RowState::Clean,
            (LineState::Pending, true) => RowState::Pending,
            (LineState::Deleted, false) => RowState::Deleted,
            (LineState::PendingDelete, false) => RowState::PendingDelete,
            _ => return Err(refused("a line of it contradicts itself")),
        };
        let fields = line.fields.map(carry).unwrap_or_default();
        validate_fields(&fields).map_err(|_| refused("an entity in it is larger than allowed"))?;
        if state.is_visible() {
            *entities.entry(key.entity_type.clone()).or_default() += 1;
        }
        let row = StoredEntity {
            fields,
            version: Version(line.version),
            seq: Seq(line.seq),
            updated_at: ServerTime(line.updated_at_ms),
            state,
            import_id: line.import_id,
        };
        tx.put_entity(&key, &row)?;
        taken += 1;
        if taken % 1_000 == 0 {
            tell(taken);
        }
        Ok(())
    })?;
    for table in archive.tables() {
        archive.each_line(&format!("{TABLES}{table}.jsonl"), &mut |row: PortableRow| {
            Ok(tx.restore_row(&table, &row)?)
        })?;
    }
    let imported = Imported::default();
    let report = RestoreReport { restored: true, import: None, entities, imported };
    let counter = Counter(archive.manifest.next_counter.max(1));
    Ok((report, archive.manifest.account_id.clone(), counter))
}
