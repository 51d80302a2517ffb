//! What was read, in the JSON that the engine's worker takes.

use std::collections::BTreeMap;

use clarity_health::{Batch, Deletion, ReadReport, Sample, import_number};
use serde::Serialize;
use serde_json::{Value, json};

#[derive(Serialize)]
struct Part<'b> {
    write: &'static str,
    import: String,
    source: &'static str,
    samples: &'b [Sample],
    deletions: Vec<Value>,
}

/// The write that takes in a batch of the import of this name.
#[must_use]
pub fn write_of(import_id: &str, source: &'static str, batch: &Batch) -> String {
    let deletions = batch.deletions.iter().map(|deletion| match deletion {
        Deletion::External(name) => json!({ "external": name }),
        Deletion::Entity { entity_type, id } => {
            json!({ "entity": { "type": entity_type, "id": id } })
        }
    });
    let part = Part {
        write: "import",
        import: import_number(import_id).to_string(),
        source,
        samples: &batch.samples,
        deletions: deletions.collect(),
    };
    // Fields are JSON already, and nothing else here can fail to be.
    serde_json::to_string(&part).unwrap_or_default()
}

/// What reading a file came to.
#[derive(Debug, Serialize)]
pub struct ReadSummary {
    /// The number of the import.
    pub import: String,
    /// People that the data is about, as far as it says.
    pub subjects: u64,
    /// What the end of the import is told.
    pub read: FileRead,
}

/// As the engine's worker takes it.
#[derive(Debug, Serialize)]
pub struct FileRead {
    /// Samples that were read.
    pub read: u64,
    /// What was left out, by reason in words.
    pub skipped: BTreeMap<String, u64>,
    /// Places that could not be read.
    pub damaged: u64,
    /// Whether the file was read to its proper end.
    pub complete: bool,
}

impl From<&ReadReport> for ReadSummary {
    fn from(report: &ReadReport) -> Self {
        let skipped = report.skipped.iter().map(|(reason, count)| (reason.to_owned(), count));
        Self {
            import: import_number(report.import_id.as_str()).to_string(),
            subjects: report.subjects,
            read: FileRead {
                read: report.emitted.total(),
                skipped: skipped.collect(),
                damaged: report.damaged_total,
                complete: report.complete,
            },
        }
    }
}
