//! Writing measurements as a table that this crate reads.

use std::io::{self, Write};

use clarity_model::Fields;
use serde_json::Value;

use crate::time::date_time;

/// The headings. The last two say which entity it is here, and are passed over when they are read.
const HEADINGS: [&str; 10] = [
    "start",
    "end",
    "metric",
    "value",
    "unit",
    "category",
    "source",
    "device",
    "entity type",
    "entity id",
];

/// Writes one row for each measurement, in the form that [`CsvFile`](crate::CsvFile) reads.
#[derive(Debug)]
pub struct CsvWriter<W: Write> {
    out: csv::Writer<W>,
}

impl<W: Write> CsvWriter<W> {
    /// Begins the table with its headings.
    ///
    /// # Errors
    /// When `out` cannot be written.
    pub fn new(out: W) -> io::Result<Self> {
        let mut out = csv::Writer::from_writer(out);
        out.write_record(HEADINGS)?;
        Ok(Self { out })
    }

    /// Writes a measurement; false when it has no time or one that cannot be written.
    ///
    /// # Errors
    /// When the table cannot be written.
    pub fn put(&mut self, entity_type: &str, id: &str, fields: &Fields) -> io::Result<bool> {
        let integer = |name: &str| fields.get(name).and_then(Value::as_i64);
        let text = |name: &str| fields.get(name).and_then(Value::as_str).unwrap_or_default();
        let offset = integer("utc_offset_min").and_then(|offset| i32::try_from(offset).ok());
        let time = |unix_ms| date_time(unix_ms, offset.unwrap_or(0));
        let Some(start) = integer("start_ms").and_then(time) else { return Ok(false) };
        let end = integer("end_ms").and_then(time).unwrap_or_default();
        let value = fields.get("value").filter(|value| value.is_number());
        let value = value.map(Value::to_string).unwrap_or_default();
        let row = [
            start.as_str(),
            &end,
            text("metric"),
            &value,
            text("unit"),
            text("category"),
            text("source"),
            text("device"),
            entity_type,
            id,
        ];
        self.out.write_record(row)?;
        Ok(true)
    }

    /// Ends the table.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn finish(mut self) -> io::Result<()> {
        self.out.flush()
    }
}
