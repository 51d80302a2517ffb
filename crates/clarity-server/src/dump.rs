//! A whole database as canonical JSON lines, for checks and for people.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;

use clarity_model::Schema;
use serde::Serialize;

use crate::core::{Core, DumpedEntity, DumpedReceipt};
use crate::environment::SystemEnvironment;
use crate::storage::StorageError;
use crate::storage::sqlite::SqliteStorage;

/// Why a dump is not complete.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DumpError {
    /// The database could not be read.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// A file of the dump could not be written.
    #[error("the dump could not be written: {0}")]
    Write(#[from] io::Error),
}

/// The file of entities in a dump.
pub const ENTITIES_FILE: &str = "server-entities.jsonl";
/// The file of receipts in a dump.
pub const RECEIPTS_FILE: &str = "server-receipts.jsonl";

#[derive(Serialize)]
struct EntityLine<'a> {
    account: &'a str,
    deleted: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    fields: Option<&'a clarity_model::Fields>,
    id: &'a str,
    seq: u64,
    #[serde(rename = "type")]
    entity_type: &'a str,
    updated_at: i64,
    version: u64,
}

#[derive(Serialize)]
struct ReceiptLine<'a> {
    account: &'a str,
    counter: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    covered_by: Option<u64>,
    incarnation: String,
    outcome: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<u64>,
}

/// Writes all entities and receipts of a database into two files of `directory`, a line of JSON
/// with its keys in order for each; memory does not grow with the database. The database is only
/// read, and may be in use by a running server.
///
/// # Errors
/// When the database cannot be read or a file cannot be written; the files are then incomplete.
pub fn dump_database(database: &Path, directory: &Path) -> Result<(), DumpError> {
    let storage = SqliteStorage::open_reader(database)?;
    let accounts = storage.accounts()?;
    let (types, migrations) = Default::default();
    let schema = Schema { format: 1, name: String::new(), version: 0, types, migrations };
    let core = Core::new(storage, Arc::new(schema), Arc::new(SystemEnvironment));
    std::fs::create_dir_all(directory)?;
    let mut entities = BufWriter::new(File::create(directory.join(ENTITIES_FILE))?);
    let mut receipts = BufWriter::new(File::create(directory.join(RECEIPTS_FILE))?);
    for (account, public_id, _) in accounts {
        let mut written = Ok(());
        core.dump_entities(account, |entity| {
            written = entity_line(&mut entities, &public_id, &entity);
            go_on(&written)
        })?;
        written?;
        let mut written = Ok(());
        core.dump_receipts(account, |receipt| {
            written = receipt_line(&mut receipts, &public_id, &receipt);
            go_on(&written)
        })?;
        written?;
    }
    entities.flush()?;
    receipts.flush()?;
    Ok(())
}

fn go_on(written: &io::Result<()>) -> ControlFlow<()> {
    if written.is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
}

fn entity_line(out: &mut impl Write, account: &str, entity: &DumpedEntity) -> io::Result<()> {
    let line = EntityLine {
        account,
        deleted: entity.deleted,
        fields: (!entity.deleted).then_some(&entity.fields),
        id: entity.key.id.as_str(),
        seq: entity.seq.0,
        entity_type: entity.key.entity_type.as_str(),
        updated_at: entity.updated_at.0,
        version: entity.version.0,
    };
    serde_json::to_writer(&mut *out, &line)?;
    out.write_all(b"\n")
}

fn receipt_line(out: &mut impl Write, account: &str, receipt: &DumpedReceipt) -> io::Result<()> {
    let line = ReceiptLine {
        account,
        counter: receipt.counter.0,
        covered_by: receipt.covered_by.map(|counter| counter.0),
        incarnation: receipt.incarnation.to_string(),
        outcome: receipt.outcome.as_str(),
        version: receipt.version.map(|version| version.0),
    };
    serde_json::to_writer(&mut *out, &line)?;
    out.write_all(b"\n")
}
