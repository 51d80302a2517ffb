//! What the tour meant to write, kept apart from what any store says: `intended-writes.jsonl`.

use std::fs::File;
use std::io::Write;
use std::path::Path;

use anyhow::{Context, Result};
use serde_json::{Map, Value, json};

/// The file.
pub(crate) const INTENDED_FILE: &str = "intended-writes.jsonl";

/// The journal of a tour.
#[derive(Debug)]
pub(crate) struct Journal {
    file: File,
}

/// A write that was meant.
#[derive(Debug)]
pub(crate) struct Intended<'a> {
    pub(crate) device: &'a str,
    pub(crate) incarnation: &'a str,
    /// `create`, `update` or `resolve`.
    pub(crate) kind: &'static str,
    pub(crate) entity_type: &'a str,
    pub(crate) id: &'a str,
    pub(crate) fields: Map<String, Value>,
    /// How fields merge when both devices change them; a plain value when not named.
    pub(crate) rules: &'a [(&'static str, &'static str)],
    /// The operations as the command told them.
    pub(crate) operations: &'a Value,
}

impl Journal {
    /// Begins a new journal in a folder.
    pub(crate) fn create(folder: &Path) -> Result<Self> {
        let path = folder.join(INTENDED_FILE);
        let file = File::create(&path).with_context(|| format!("writing {}", path.display()))?;
        Ok(Self { file })
    }

    /// Notes a write.
    pub(crate) fn write(&mut self, intended: &Intended<'_>) -> Result<()> {
        let rules: Map<String, Value> =
            intended.rules.iter().map(|(field, rule)| ((*field).to_owned(), json!(rule))).collect();
        self.line(&json!({
            "device": intended.device,
            "incarnation": intended.incarnation,
            "kind": intended.kind,
            "type": intended.entity_type,
            "id": intended.id,
            "fields": intended.fields,
            "rules": rules,
            "operations": intended.operations,
        }))
    }

    /// Notes a whole import, whose operations are a range.
    pub(crate) fn import(
        &mut self,
        device: &str,
        incarnation: &str,
        report: &Value,
        first: u64,
        next: u64,
    ) -> Result<()> {
        self.line(&json!({
            "device": device,
            "incarnation": incarnation,
            "kind": "import",
            "by_type": report["by_type"],
            "first_operation": first,
            "next_operation": next,
        }))
    }

    fn line(&mut self, line: &Value) -> Result<()> {
        writeln!(self.file, "{line}").context("writing the journal of the tour")
    }
}
