//! How far this device has pulled, the pages that wait to be shown, and imports.

use clarity_model::{LocalTime, ServerTime};
use rusqlite::{Row, params};
use serde_json::Value;

use crate::error::StoreError;
use crate::transaction::StoreTransaction;
use crate::value::{json_text, read_optional_json};

/// One part of the cursor: how far one scope has been pulled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CursorPart {
    /// Its number.
    pub part: u32,
    /// What it covers.
    pub scope: String,
    /// The server's opaque text; nothing before the first page.
    pub cursor: Option<String>,
    /// Whether it has reached the head once.
    pub caught_up: bool,
    /// When it was last pulled, by the server's clock.
    pub pulled_at: Option<ServerTime>,
}

/// One run of an import. `Debug` hides the report.
#[derive(Clone, PartialEq)]
pub struct ImportRecord {
    /// Its number.
    pub import_id: i64,
    /// From where.
    pub source: String,
    /// When it began.
    pub started_at: LocalTime,
    /// When it ended; nothing while it runs or when it was broken off.
    pub finished_at: Option<LocalTime>,
    /// What it did.
    pub report: Option<Value>,
}

impl std::fmt::Debug for ImportRecord {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("ImportRecord")
            .field("import_id", &self.import_id)
            .field("started_at", &self.started_at)
            .field("finished_at", &self.finished_at)
            .finish_non_exhaustive()
    }
}

impl StoreTransaction<'_> {
    /// All parts of the cursor, by number.
    ///
    /// # Errors
    /// When they cannot be read.
    pub fn cursor_parts(&self) -> Result<Vec<CursorPart>, StoreError> {
        let sql = "SELECT part, scope, cursor, caught_up, pulled_at FROM cursor_part ORDER BY part";
        self.read_all(sql, [], |row| {
            Ok(CursorPart {
                part: row.get(0)?,
                scope: row.get(1)?,
                cursor: row.get(2)?,
                caught_up: row.get(3)?,
                pulled_at: row.get::<_, Option<i64>>(4)?.map(ServerTime),
            })
        })
    }

    /// Adds a part of the cursor or replaces it.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn put_cursor_part(&mut self, part: &CursorPart) -> Result<(), StoreError> {
        self.execute(
            "INSERT OR REPLACE INTO cursor_part (part, scope, cursor, caught_up, pulled_at)
             VALUES (?1, ?2, ?3, ?4, ?5)",
            params![
                part.part,
                part.scope,
                part.cursor,
                part.caught_up,
                part.pulled_at.map(|time| time.0)
            ],
        )?;
        Ok(())
    }

    /// Removes a part of the cursor and the pages that wait for it; false when there is none.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn remove_cursor_part(&mut self, part: u32) -> Result<bool, StoreError> {
        self.clear_stage(part)?;
        Ok(self.execute("DELETE FROM cursor_part WHERE part = ?1", [part])? == 1)
    }

    /// Keeps a page until it is shown together with others; says its number, from 1.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn stage_page(&mut self, part: u32, bytes: &[u8]) -> Result<u32, StoreError> {
        let page = self.read_one(
            "SELECT coalesce(max(page), 0) + 1 FROM pull_stage WHERE part = ?1",
            [part],
            |row| Ok(row.get::<_, u32>(0)?),
        )?;
        let page = page.unwrap_or(1);
        self.execute(
            "INSERT INTO pull_stage (part, page, bytes) VALUES (?1, ?2, ?3)",
            params![part, page, bytes],
        )?;
        Ok(page)
    }

    /// The pages that wait, in the order in which they came.
    ///
    /// # Errors
    /// When they cannot be read.
    pub fn staged_pages(&self, part: u32) -> Result<Vec<Vec<u8>>, StoreError> {
        let sql = "SELECT bytes FROM pull_stage WHERE part = ?1 ORDER BY page";
        self.read_all(sql, [part], |row| Ok(row.get(0)?))
    }

    /// Forgets the pages that wait; says how many there were.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn clear_stage(&mut self, part: u32) -> Result<usize, StoreError> {
        self.execute("DELETE FROM pull_stage WHERE part = ?1", [part])
    }

    /// Keeps or replaces a run of an import.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn put_import(&mut self, record: &ImportRecord) -> Result<(), StoreError> {
        let report = record.report.as_ref();
        let report = report.map(|report| json_text(report, "import", "report")).transpose()?;
        self.execute(
            "INSERT OR REPLACE INTO import (import_id, source, started_at, finished_at, report)
             VALUES (?1, ?2, ?3, ?4, ?5)",
            params![
                record.import_id,
                record.source,
                record.started_at.0,
                record.finished_at.map(|time| time.0),
                report,
            ],
        )?;
        Ok(())
    }

    /// All runs of imports, the latest first.
    ///
    /// # Errors
    /// When they cannot be read.
    pub fn imports(&self) -> Result<Vec<ImportRecord>, StoreError> {
        let sql = "SELECT import_id, source, started_at, finished_at, report FROM import
                   ORDER BY started_at DESC, import_id";
        self.read_all(sql, [], read_import)
    }

    /// Ends a run of an import; false when there is none with this number.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn finish_import(
        &mut self,
        import_id: i64,
        now: LocalTime,
        report: &Value,
    ) -> Result<bool, StoreError> {
        let finished = self.execute(
            "UPDATE import SET finished_at = ?2, report = ?3 WHERE import_id = ?1",
            params![import_id, now.0, json_text(report, "import", "report")?],
        )?;
        Ok(finished == 1)
    }

    /// One run of an import.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn import(&self, import_id: i64) -> Result<Option<ImportRecord>, StoreError> {
        let sql = "SELECT import_id, source, started_at, finished_at, report FROM import
                   WHERE import_id = ?1";
        self.read_one(sql, [import_id], read_import)
    }
}

fn read_import(row: &Row<'_>) -> Result<ImportRecord, StoreError> {
    Ok(ImportRecord {
        import_id: row.get(0)?,
        source: row.get(1)?,
        started_at: LocalTime(row.get(2)?),
        finished_at: row.get::<_, Option<i64>>(3)?.map(LocalTime),
        report: read_optional_json(row.get_ref(4)?, "import", "report")?,
    })
}
