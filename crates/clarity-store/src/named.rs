//! Named values of the engine, and named sums.

use std::collections::BTreeMap;

use rusqlite::params;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::StoreError;
use crate::transaction::StoreTransaction;
use crate::value::{json_text, read_json};

impl StoreTransaction<'_> {
    /// A named value.
    ///
    /// # Errors
    /// [`StoreError::InvalidValue`] when it is not of this form.
    pub fn state<T: DeserializeOwned>(&self, name: &str) -> Result<Option<T>, StoreError> {
        self.read_one("SELECT value FROM state WHERE name = ?1", [name], |row| {
            read_json(row.get_ref(0)?, "state", "value")
        })
    }

    /// Keeps a named value.
    ///
    /// # Errors
    /// [`StoreError::NotJson`] when it has no form in JSON.
    pub fn put_state<T: Serialize + ?Sized>(
        &mut self,
        name: &str,
        value: &T,
    ) -> Result<(), StoreError> {
        self.execute(
            "INSERT OR REPLACE INTO state (name, value) VALUES (?1, ?2)",
            params![name, json_text(value, "state", "value")?],
        )?;
        Ok(())
    }

    /// Forgets a named value; false when there was none.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn remove_state(&mut self, name: &str) -> Result<bool, StoreError> {
        Ok(self.execute("DELETE FROM state WHERE name = ?1", [name])? == 1)
    }

    /// Adds to a named sum.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn add_metric(&mut self, name: &str, difference: i64) -> Result<(), StoreError> {
        self.execute(
            "INSERT INTO metric (name, value) VALUES (?1, ?2)
             ON CONFLICT (name) DO UPDATE SET value = value + excluded.value",
            params![name, difference],
        )?;
        Ok(())
    }

    /// A named sum; zero when nothing was added yet.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn metric(&self, name: &str) -> Result<i64, StoreError> {
        let sql = "SELECT value FROM metric WHERE name = ?1";
        Ok(self.read_one(sql, [name], |row| Ok(row.get(0)?))?.unwrap_or_default())
    }

    /// All named sums.
    ///
    /// # Errors
    /// When they cannot be read.
    pub fn metrics(&self) -> Result<BTreeMap<String, i64>, StoreError> {
        let sql = "SELECT name, value FROM metric";
        let all = self.read_all(sql, [], |row| Ok((row.get(0)?, row.get(1)?)))?;
        Ok(all.into_iter().collect())
    }
}
