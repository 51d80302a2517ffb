//! The form of an export: a ZIP with a manifest that names every part of it with its hash.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;

use clarity_engine::protocol::model::Fields;
use serde::{Deserialize, Serialize};
use zip::ZipArchive;

use crate::error::ClientError;

/// What marks a manifest as one of ours.
pub(crate) const FORMAT: &str = "clarity-export";
/// The version of the form.
pub(crate) const FORMAT_VERSION: u32 = 1;
/// The part that names the others; it is written last.
pub(crate) const MANIFEST: &str = "manifest.json";
/// The part with the entities.
pub(crate) const ENTITIES: &str = "data/entities.jsonl";
/// Where the rows of tables are.
pub(crate) const TABLES: &str = "data/tables/";
/// Largest manifest, in bytes.
const MANIFEST_BYTES_MAX: u64 = 4 * 1024 * 1024;
/// Longest line, in bytes: a frozen operation as hexadecimal digits, and then some.
const LINE_BYTES_MAX: u64 = 8 * 1024 * 1024;
/// Most parts.
const MEMBERS_MAX: usize = 20_000;
/// A part may unpack to this many times its packed size, beyond a first few megabytes. Real ones
/// reach about 40.
const RATIO_MAX: u64 = 400;
const RATIO_GRACE_BYTES: u64 = 16 * 1024 * 1024;

/// What an export says of itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Manifest {
    pub(crate) format: String,
    pub(crate) format_version: u32,
    pub(crate) program: String,
    pub(crate) made_at_ms: i64,
    pub(crate) tables_version: u32,
    pub(crate) schema_version: u32,
    /// The newest version of that schema that has steps.
    #[serde(default)]
    pub(crate) schema_steps: u32,
    pub(crate) account_id: Option<String>,
    pub(crate) incarnation: String,
    pub(crate) next_counter: u64,
    pub(crate) counts: BTreeMap<String, u64>,
    pub(crate) members: Vec<Member>,
}

/// One part.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Member {
    pub(crate) name: String,
    pub(crate) bytes: u64,
    pub(crate) lines: u64,
    pub(crate) blake3: String,
}

/// One entity of an export.
#[derive(Serialize, Deserialize)]
pub(crate) struct EntityLine {
    #[serde(rename = "type")]
    pub(crate) entity_type: String,
    pub(crate) id: String,
    pub(crate) state: LineState,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) fields: Option<Fields>,
    pub(crate) version: u64,
    pub(crate) seq: u64,
    pub(crate) updated_at_ms: i64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) import_id: Option<i64>,
    /// What the server had told, where local changes wait on top of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) base: Option<Fields>,
}

/// What an entity was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum LineState {
    Clean,
    Pending,
    Deleted,
    PendingDelete,
}

/// An export of everything on a device, opened for import.
pub struct ExportArchive {
    zip: ZipArchive<BufReader<File>>,
    pub(crate) manifest: Manifest,
    /// The name of this export, from its manifest.
    pub(crate) name: String,
}

impl std::fmt::Debug for ExportArchive {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("ExportArchive")
            .field("made_at_ms", &self.manifest.made_at_ms)
            .finish_non_exhaustive()
    }
}

pub(crate) fn refused(what: &'static str) -> ClientError {
    ClientError::ExportRefused(what)
}

const CUT: &str = "a part of it is missing, cut off or changed";

impl ExportArchive {
    /// Opens a file if it is an export of this program, by its manifest; nothing when it is
    /// anything else.
    ///
    /// # Errors
    /// When it is one, and was made by a newer version or has a manifest that cannot be read.
    pub fn open(path: &Path) -> Result<Option<Self>, ClientError> {
        let Ok(file) = File::open(path) else { return Ok(None) };
        let Ok(mut zip) = ZipArchive::new(BufReader::new(file)) else { return Ok(None) };
        let mut text = Vec::new();
        {
            let Ok(member) = zip.by_name(MANIFEST) else { return Ok(None) };
            let read = member.take(MANIFEST_BYTES_MAX).read_to_end(&mut text);
            if read.is_err() {
                return Err(refused(CUT));
            }
        }
        #[derive(Deserialize)]
        struct Mark {
            format: String,
            format_version: u32,
            tables_version: u32,
        }
        let Ok(mark) = serde_json::from_slice::<Mark>(&text) else { return Ok(None) };
        if mark.format != FORMAT {
            return Ok(None);
        }
        let tables = clarity_engine::store::TABLES_VERSION;
        if mark.format_version > FORMAT_VERSION || mark.tables_version > tables {
            return Err(refused("it was made by a newer version of this program; update this one"));
        }
        let manifest: Manifest =
            serde_json::from_slice(&text).map_err(|_| refused("its manifest cannot be read"))?;
        let name = blake3::hash(&text).to_hex().to_string();
        Ok(Some(Self { zip, manifest, name }))
    }

    /// How many bytes the parts have in all.
    #[must_use]
    pub fn bytes_total(&self) -> u64 {
        self.manifest.members.iter().fold(0, |sum, member| sum.saturating_add(member.bytes))
    }

    /// Reads all of it once and compares it with its manifest. Nothing is unpacked to a disk, so
    /// no name in it can lead anywhere.
    pub(crate) fn verify(&mut self, progress: &mut dyn FnMut(u64)) -> Result<(), ClientError> {
        let members = self.manifest.members.clone();
        if members.len() > MEMBERS_MAX || self.zip.len() != members.len() + 1 {
            return Err(refused(CUT));
        }
        let mut buffer = vec![0; 64 * 1024];
        let mut done = 0;
        for member in &members {
            let mut reader = self.zip.by_name(&member.name).map_err(|_| refused(CUT))?;
            let packed = reader.compressed_size();
            if member.bytes > packed.saturating_mul(RATIO_MAX).max(RATIO_GRACE_BYTES) {
                return Err(refused("a part of it unpacks to far more than a real one"));
            }
            let mut hasher = blake3::Hasher::new();
            let mut left = member.bytes;
            loop {
                let count = reader.read(&mut buffer).map_err(|_| refused(CUT))?;
                if count == 0 {
                    break;
                }
                left = left.checked_sub(count as u64).ok_or_else(|| refused(CUT))?;
                hasher.update(&buffer[..count]);
                done += count as u64;
                progress(done);
            }
            if left > 0 || hasher.finalize().to_hex().as_str() != member.blake3 {
                return Err(refused(CUT));
            }
        }
        Ok(())
    }

    /// The tables whose rows it carries.
    pub(crate) fn tables(&self) -> Vec<String> {
        let names = self.manifest.members.iter().map(|member| member.name.as_str());
        let tables = names.filter_map(|name| name.strip_prefix(TABLES)?.strip_suffix(".jsonl"));
        tables.map(str::to_owned).collect()
    }

    /// Shows each line of a part.
    pub(crate) fn each_line<T: serde::de::DeserializeOwned>(
        &mut self,
        name: &str,
        each: &mut dyn FnMut(T) -> Result<(), ClientError>,
    ) -> Result<(), ClientError> {
        let member = self.zip.by_name(name).map_err(|_| refused(CUT))?;
        let mut lines = BufReader::new(member);
        let mut line = Vec::new();
        while read_line(&mut lines, &mut line).map_err(|_| refused(CUT))? {
            let value = serde_json::from_slice(&line)
                .map_err(|_| refused("a line of it has a form that this program never writes"))?;
            each(value)?;
        }
        Ok(())
    }
}

/// Reads the next line; false at the end.
fn read_line(reader: &mut impl BufRead, line: &mut Vec<u8>) -> io::Result<bool> {
    line.clear();
    let count = reader.take(LINE_BYTES_MAX).read_until(b'\n', line)?;
    if count as u64 == LINE_BYTES_MAX {
        return Err(io::ErrorKind::InvalidData.into());
    }
    Ok(count > 0)
}
