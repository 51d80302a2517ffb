//! Two ways to take rows: as values, and straight into the bytes of an answer.

use clarity_model::{EntityId, EntityKey, EntityType, Seq, ServerTime, Version};
use clarity_protocol::{Row, SettledOperation};
use serde::Serialize;

use crate::storage::StorageError;

/// A row of a page before it takes a form.
#[derive(Clone)]
pub(crate) struct PageRow<'a> {
    pub(crate) entity_type: &'a str,
    pub(crate) id: &'a str,
    pub(crate) version: Version,
    pub(crate) seq: Seq,
    pub(crate) updated_at: ServerTime,
    /// Canonical JSON.
    pub(crate) fields: Option<&'a str>,
    pub(crate) deleted: bool,
    pub(crate) outside: bool,
    pub(crate) operations: Vec<SettledOperation>,
}

impl PageRow<'_> {
    /// The length of the row as JSON, near enough for a limit.
    fn bytes(&self) -> usize {
        const ENVELOPE: usize = 120;
        const OPERATION: usize = 96;
        let fields = self.fields.map_or(0, str::len);
        let named = self.entity_type.len() + self.id.len();
        ENVELOPE + named + fields + OPERATION * self.operations.len()
    }
}

/// Takes the rows of a page.
pub(crate) trait RowSink {
    /// How many rows it holds.
    fn len(&self) -> usize;
    /// How many bytes of rows it holds, near enough for a limit.
    fn bytes(&self) -> usize;
    /// Takes a row.
    fn push(&mut self, row: PageRow<'_>) -> Result<(), StorageError>;
    /// Keeps only the first rows.
    fn truncate(&mut self, rows: usize);

    /// Whether the row would exceed a limit; a single row never does.
    fn is_full(&self, rows_max: usize, bytes_max: usize, row: &PageRow<'_>) -> bool {
        self.len() > 0 && (self.len() >= rows_max || self.bytes() + row.bytes() > bytes_max)
    }
}

/// Rows as values of the protocol.
#[derive(Default)]
pub(crate) struct TypedRows {
    pub(crate) rows: Vec<Row>,
    bytes: usize,
}

impl RowSink for TypedRows {
    fn len(&self) -> usize {
        self.rows.len()
    }

    fn bytes(&self) -> usize {
        self.bytes
    }

    fn push(&mut self, row: PageRow<'_>) -> Result<(), StorageError> {
        self.bytes += row.bytes();
        let fields = row.fields.map(serde_json::from_str).transpose();
        self.rows.push(Row {
            key: EntityKey {
                entity_type: EntityType::new(row.entity_type)
                    .map_err(|_| StorageError::Value("a type"))?,
                id: EntityId::new(row.id).map_err(|_| StorageError::Value("an id"))?,
            },
            version: row.version,
            seq: row.seq,
            updated_at: row.updated_at,
            fields: fields.map_err(|_| StorageError::Value("fields"))?,
            deleted: row.deleted,
            outside: row.outside,
            operations: row.operations,
        });
        Ok(())
    }

    fn truncate(&mut self, rows: usize) {
        self.rows.truncate(rows);
    }
}

/// Rows as the elements of a JSON array, written without building them first.
#[derive(Default)]
pub(crate) struct JsonRows {
    json: Vec<u8>,
    /// Where each row ends.
    ends: Vec<usize>,
    bytes: usize,
}

impl JsonRows {
    /// The JSON of an answer that has these rows and the members of `rest`, which has some.
    pub(crate) fn into_answer<T: Serialize>(self, rest: &T) -> Result<Vec<u8>, StorageError> {
        let rest = serde_json::to_vec(rest).map_err(|_| StorageError::Value("an answer"))?;
        let mut json = Vec::with_capacity(self.json.len() + rest.len() + 16);
        json.extend_from_slice(b"{\"rows\":[");
        json.extend_from_slice(&self.json);
        json.extend_from_slice(b"],");
        json.extend_from_slice(&rest[1..]);
        Ok(json)
    }

    fn number(&mut self, name: &[u8], number: i128) {
        use std::io::Write;
        self.json.extend_from_slice(name);
        // Writing into memory cannot fail.
        let _ = write!(self.json, "{number}");
    }
}

impl RowSink for JsonRows {
    fn len(&self) -> usize {
        self.ends.len()
    }

    fn bytes(&self) -> usize {
        self.bytes
    }

    fn push(&mut self, row: PageRow<'_>) -> Result<(), StorageError> {
        self.bytes += row.bytes();
        if !self.ends.is_empty() {
            self.json.push(b',');
        }
        // A type is letters, digits and underscores: nothing to escape.
        self.json.extend_from_slice(b"{\"type\":\"");
        self.json.extend_from_slice(row.entity_type.as_bytes());
        self.json.extend_from_slice(b"\",\"id\":");
        let unwritable = |_| StorageError::Value("an id");
        serde_json::to_writer(&mut self.json, row.id).map_err(unwritable)?;
        self.number(b",\"version\":", i128::from(row.version.0));
        self.number(b",\"seq\":", i128::from(row.seq.0));
        self.number(b",\"updated_at\":", i128::from(row.updated_at.0));
        if let Some(fields) = row.fields {
            self.json.extend_from_slice(b",\"fields\":");
            self.json.extend_from_slice(fields.as_bytes());
        }
        if row.deleted {
            self.json.extend_from_slice(b",\"deleted\":true");
        }
        if row.outside {
            self.json.extend_from_slice(b",\"outside\":true");
        }
        if !row.operations.is_empty() {
            self.json.extend_from_slice(b",\"operations\":");
            serde_json::to_writer(&mut self.json, &row.operations).map_err(unwritable)?;
        }
        self.json.push(b'}');
        self.ends.push(self.json.len());
        Ok(())
    }

    fn truncate(&mut self, rows: usize) {
        self.ends.truncate(rows);
        self.json.truncate(self.ends.last().copied().unwrap_or(0));
    }
}
