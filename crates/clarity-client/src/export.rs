//! Export of everything on a device, as a ZIP that people and programs can read and that gives the
//! same store again.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;

use clarity_engine::protocol::model::{EntityKey, EntityType, Fields};
use clarity_engine::store::{
    Comparison, ListOptions, Query, RowState, StoreTransaction, StoredEntity,
};
use clarity_health::{CsvWriter, FhirWriter};
use serde::Serialize;
use serde_json::json;
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

use crate::archive::{
    ENTITIES, EntityLine, FORMAT, FORMAT_VERSION, LineState, MANIFEST, Manifest, Member, TABLES,
};
use crate::client::Client;
use crate::error::ClientError;
use crate::storing::now;

/// How many rows one read takes.
const ROWS: usize = 1_000;
/// The types that hold measurements: a metric, a time and a value.
const MEASURED: [&str; 2] = ["HealthMetric", "ManualReading"];
const SYSTOLIC: &str = "BloodPressureSystolic";
const DIASTOLIC: &str = "BloodPressureDiastolic";
const README: &str = include_str!("export.md");

/// How far an export is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct ExportProgress {
    /// Rows that were written.
    pub done: u64,
    /// Rows in all.
    pub total: u64,
}

/// What an export holds.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct ExportReport {
    /// Entities by type, as an app sees them.
    pub entities: BTreeMap<EntityType, u64>,
    /// Remains of deleted entities.
    pub deleted: u64,
    /// Rows of the other tables: operations that wait, conflicts, history and the rest.
    pub rows: BTreeMap<String, u64>,
    /// Tables of measurements, one for each metric.
    pub tables: u64,
    /// Observations in the FHIR bundle.
    pub observations: u64,
    /// Measurements whose time no table and no bundle can say; they are among the entities.
    pub without_time: u64,
    /// Size of the file, in bytes.
    pub bytes: u64,
}

impl Client {
    /// Writes everything on this device into a ZIP: every entity, what waits to be sent, conflicts,
    /// failed operations, history, imports and sources as JSON lines, from which
    /// [`Client::import_export`] makes the same store again; and for people a table for each
    /// metric and a FHIR R4 bundle. Tokens are not in it.
    ///
    /// It shows one moment: writes go on meanwhile and are not in it. Memory does not grow with
    /// the store. The file appears whole or not at all; an earlier one is replaced.
    ///
    /// # Errors
    /// When the store cannot be read or the file cannot be written.
    pub fn export_zip(
        &self,
        path: &Path,
        mut progress: impl FnMut(ExportProgress),
    ) -> Result<ExportReport, ClientError> {
        let mut partial = path.as_os_str().to_owned();
        partial.push(".partial");
        let partial = Path::new(&partial);
        let written = self.write_zip(partial, &mut progress).and_then(|report| {
            std::fs::rename(partial, path).map_err(ClientError::ExportFile)?;
            Ok(report)
        });
        if written.is_err() {
            // What cannot be removed is replaced by the next export.
            let _ = std::fs::remove_file(partial);
        }
        written
    }

    fn write_zip(
        &self,
        path: &Path,
        progress: &mut dyn FnMut(ExportProgress),
    ) -> Result<ExportReport, ClientError> {
        let file = File::create(path).map_err(ClientError::ExportFile)?;
        let zip = ZipWriter::new(BufWriter::new(file));
        self.read(|tx| {
            let (members, report) = (Vec::new(), ExportReport::default());
            let total = total_rows(tx)?;
            let mut export = Export { tx, zip, members, report, done: 0, total, progress };
            export.readme()?;
            export.entities()?;
            export.tables()?;
            export.csv()?;
            export.fhir()?;
            export.finish()
        })
    }
}

/// An export that is being written.
struct Export<'e> {
    tx: &'e StoreTransaction<'e>,
    zip: ZipWriter<BufWriter<File>>,
    members: Vec<Member>,
    report: ExportReport,
    done: u64,
    total: u64,
    progress: &'e mut dyn FnMut(ExportProgress),
}

/// One part that is being written: counted and hashed on its way.
struct Part<'p> {
    zip: &'p mut ZipWriter<BufWriter<File>>,
    hasher: blake3::Hasher,
    bytes: u64,
    lines: u64,
}

impl Write for Part<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.zip.write(bytes)?;
        self.hasher.update(&bytes[..count]);
        self.bytes += count as u64;
        self.lines += bytes[..count].iter().filter(|byte| **byte == b'\n').count() as u64;
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn failed(error: impl Into<io::Error>) -> ClientError {
    ClientError::ExportFile(error.into())
}

fn total_rows(tx: &StoreTransaction<'_>) -> Result<u64, ClientError> {
    let mut total = 0;
    for entity_type in tx.entity_types()? {
        let count = tx.count_entities(&entity_type)?;
        let times = if MEASURED.contains(&entity_type.as_str()) { 3 } else { 1 };
        total += count * times;
    }
    Ok(total)
}

fn line(out: &mut Part<'_>, value: &impl Serialize) -> Result<(), ClientError> {
    serde_json::to_writer(&mut *out, value).map_err(failed)?;
    out.write_all(b"\n").map_err(failed)
}

impl<'e> Export<'e> {
    /// Writes one part.
    fn part<T>(
        &mut self,
        name: &str,
        write: impl FnOnce(&mut Part<'_>, &mut Tally<'_>) -> Result<T, ClientError>,
    ) -> Result<T, ClientError> {
        let options = SimpleFileOptions::default().large_file(true);
        self.zip.start_file(name, options).map_err(failed)?;
        let hasher = blake3::Hasher::new();
        let mut part = Part { zip: &mut self.zip, hasher, bytes: 0, lines: 0 };
        let mut tally = Tally {
            report: &mut self.report,
            done: &mut self.done,
            total: self.total,
            progress: self.progress,
        };
        let result = write(&mut part, &mut tally)?;
        let blake3 = part.hasher.finalize().to_hex().to_string();
        let (bytes, lines) = (part.bytes, part.lines);
        self.members.push(Member { name: name.to_owned(), bytes, lines, blake3 });
        Ok(result)
    }

    fn readme(&mut self) -> Result<(), ClientError> {
        self.part("README.md", |out, _| out.write_all(README.as_bytes()).map_err(failed))
    }

    fn entities(&mut self) -> Result<(), ClientError> {
        let tx = self.tx;
        self.part(ENTITIES, |out, tally| {
            for entity_type in tx.entity_types()? {
                let mut options = ListOptions { after: None, limit: ROWS, include_deleted: true };
                loop {
                    let page = tx.list_entities(&entity_type, &options)?;
                    for (key, row) in &page {
                        line(out, &entity_line(tx, key, row)?)?;
                        tally.entity(key, row.state.is_visible());
                    }
                    let Some((last, _)) = page.last().filter(|_| page.len() == ROWS) else { break };
                    options.after = Some(last.id.clone());
                }
            }
            Ok(())
        })
    }

    fn tables(&mut self) -> Result<(), ClientError> {
        let tx = self.tx;
        for table in tx.portable_tables()? {
            let count = self.part(&format!("{TABLES}{table}.jsonl"), |out, _| {
                tx.each_portable_row::<ClientError>(&table, &mut |row| line(out, row))?;
                Ok(out.lines)
            })?;
            self.report.rows.insert(table, count);
        }
        Ok(())
    }

    /// The metrics of all types that hold measurements, with the types.
    fn metrics(&self) -> Result<BTreeMap<String, Vec<EntityType>>, ClientError> {
        let mut metrics: BTreeMap<String, Vec<EntityType>> = BTreeMap::new();
        for name in MEASURED {
            let Ok(entity_type) = EntityType::new(name) else { continue };
            for metric in self.tx.column_values(&entity_type, "metric")? {
                metrics.entry(metric).or_default().push(entity_type.clone());
            }
        }
        Ok(metrics)
    }

    fn csv(&mut self) -> Result<(), ClientError> {
        let tx = self.tx;
        let mut names = std::collections::BTreeSet::new();
        for (metric, types) in self.metrics()? {
            let name = file_name(&metric, &mut names);
            self.part(&format!("csv/{name}.csv"), |out, tally| {
                let mut table = CsvWriter::new(&mut *out).map_err(failed)?;
                for entity_type in &types {
                    tx.each_entity_where::<ClientError>(
                        entity_type,
                        ("metric", &metric),
                        "start_ms",
                        &mut |key, row| {
                            let (name, id) = (key.entity_type.as_str(), key.id.as_str());
                            let there = table.put(name, id, &row.fields).map_err(failed)?;
                            tally.report.without_time += u64::from(!there);
                            tally.step();
                            Ok(())
                        },
                    )?;
                }
                table.finish().map_err(failed)
            })?;
            self.report.tables += 1;
        }
        Ok(())
    }

    fn fhir(&mut self) -> Result<(), ClientError> {
        let tx = self.tx;
        let metrics = self.metrics()?;
        self.report.observations = self.part("fhir/bundle.json", |out, tally| {
            let mut bundle = FhirWriter::new(&mut *out).map_err(failed)?;
            for (metric, types) in &metrics {
                for entity_type in types {
                    tx.each_entity_where::<ClientError>(
                        entity_type,
                        ("metric", metric),
                        "start_ms",
                        &mut |key, row| {
                            put_observation(tx, &mut bundle, metric, key, &row.fields)?;
                            tally.step();
                            Ok(())
                        },
                    )?;
                }
            }
            bundle.finish().map_err(failed)
        })?;
        Ok(())
    }

    fn finish(mut self) -> Result<ExportReport, ClientError> {
        let meta = self.tx.meta()?;
        let mut counts: BTreeMap<String, u64> = self.report.rows.clone();
        for (entity_type, count) in &self.report.entities {
            counts.insert(entity_type.as_str().to_owned(), *count);
        }
        let manifest = Manifest {
            format: FORMAT.to_owned(),
            format_version: FORMAT_VERSION,
            program: env!("CARGO_PKG_VERSION").to_owned(),
            made_at_ms: now().0,
            tables_version: clarity_engine::store::TABLES_VERSION,
            schema_version: meta.schema_version,
            schema_steps: self.tx.schema().steps_version(),
            account_id: meta.account_id,
            incarnation: format!("{:032x}", meta.incarnation.0),
            next_counter: self.tx.next_counter()?.0,
            counts,
            members: self.members,
        };
        self.zip.start_file(MANIFEST, SimpleFileOptions::default()).map_err(failed)?;
        serde_json::to_writer_pretty(&mut self.zip, &manifest).map_err(failed)?;
        let buffer = self.zip.finish().map_err(failed)?;
        let file = buffer.into_inner().map_err(|error| failed(error.into_error()))?;
        file.sync_all().map_err(failed)?;
        self.report.bytes = file.metadata().map_err(failed)?.len();
        (self.progress)(ExportProgress { done: self.total, total: self.total });
        Ok(self.report)
    }
}

/// Counts while a part is written.
struct Tally<'t> {
    report: &'t mut ExportReport,
    done: &'t mut u64,
    total: u64,
    progress: &'t mut dyn FnMut(ExportProgress),
}

impl Tally<'_> {
    fn entity(&mut self, key: &EntityKey, visible: bool) {
        if visible {
            *self.report.entities.entry(key.entity_type.clone()).or_default() += 1;
            self.step();
        } else {
            self.report.deleted += 1;
        }
    }

    fn step(&mut self) {
        *self.done += 1;
        if self.done.is_multiple_of(ROWS as u64) {
            let done = (*self.done).min(self.total);
            (self.progress)(ExportProgress { done, total: self.total });
        }
    }
}

fn entity_line(
    tx: &StoreTransaction<'_>,
    key: &EntityKey,
    row: &StoredEntity,
) -> Result<EntityLine, ClientError> {
    let state = match row.state {
        RowState::Clean => LineState::Clean,
        RowState::Pending => LineState::Pending,
        RowState::Deleted => LineState::Deleted,
        RowState::PendingDelete => LineState::PendingDelete,
    };
    let waits = matches!(state, LineState::Pending | LineState::PendingDelete);
    let confirmed = if waits { tx.confirmed(key)? } else { None };
    let base = confirmed.filter(|confirmed| !confirmed.deleted).map(|confirmed| confirmed.fields);
    Ok(EntityLine {
        entity_type: key.entity_type.as_str().to_owned(),
        id: key.id.as_str().to_owned(),
        state,
        fields: row.state.is_visible().then(|| row.fields.clone()),
        version: row.version.0,
        seq: row.seq.0,
        updated_at_ms: row.updated_at.0,
        import_id: row.import_id,
        base,
    })
}

/// Writes an Observation. Of a blood pressure the two values are one; it is written with the first.
fn put_observation<W: Write>(
    tx: &StoreTransaction<'_>,
    bundle: &mut FhirWriter<W>,
    metric: &str,
    key: &EntityKey,
    fields: &Fields,
) -> Result<(), ClientError> {
    let measured = (key.id.as_str(), fields);
    let other = match metric {
        SYSTOLIC => partner(tx, DIASTOLIC, key, fields)?,
        DIASTOLIC => partner(tx, SYSTOLIC, key, fields)?,
        _ => {
            bundle.put(measured).map_err(failed)?;
            return Ok(());
        }
    };
    let other = other.as_ref().map(|(key, row)| (key.id.as_str(), &row.fields));
    match (metric, other) {
        (SYSTOLIC, other) => bundle.put_blood_pressure(Some(measured), other).map_err(failed)?,
        (_, None) => bundle.put_blood_pressure(None, Some(measured)).map_err(failed)?,
        // It was or will be written with its other value.
        (_, Some(_)) => false,
    };
    Ok(())
}

/// The other value of a blood pressure: of the same moment and source, and the only one.
fn partner(
    tx: &StoreTransaction<'_>,
    metric: &str,
    key: &EntityKey,
    fields: &Fields,
) -> Result<Option<(EntityKey, StoredEntity)>, ClientError> {
    let Some(start) = fields.get("start_ms") else { return Ok(None) };
    let of = |metric: &str| {
        let same = |name: &str, value| (name.to_owned(), Comparison::Equal, value);
        let filters = vec![same("metric", json!(metric)), same("start_ms", start.clone())];
        let mut rows =
            tx.query_entities(&key.entity_type, &Query { filters, ..Query::default() })?;
        rows.retain(|(_, row)| row.fields.get("source") == fields.get("source"));
        Ok::<_, ClientError>(rows)
    };
    let own = if metric == SYSTOLIC { DIASTOLIC } else { SYSTOLIC };
    let mut others = of(metric)?;
    let is_clear = others.len() == 1 && of(own)?.len() == 1;
    Ok(if is_clear { others.pop() } else { None })
}

/// The name of a file for a metric: no other has it, and no name leads out of a folder.
fn file_name(metric: &str, names: &mut std::collections::BTreeSet<String>) -> String {
    let safe = |c: char| if c.is_ascii_alphanumeric() || c == '-' { c } else { '_' };
    let plain: String = metric.chars().take(60).map(safe).collect();
    let plain = if plain.is_empty() { "_".to_owned() } else { plain };
    if plain == metric && names.insert(plain.to_lowercase()) {
        return plain;
    }
    let hash = blake3::hash(metric.as_bytes()).to_hex();
    let name = format!("{plain}-{}", &hash[..8]);
    names.insert(name.to_lowercase());
    name
}
