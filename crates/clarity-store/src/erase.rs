//! Erasing a store, when a person signs out.

use crate::error::StoreError;
use crate::transaction::StoreTransaction;

impl StoreTransaction<'_> {
    /// Takes everything out of the store and commits: what is left is a file that the next opening
    /// makes a new store of, with another identity. Its pages are overwritten. Other connections
    /// that are open fail from here on, so that nothing they are told to keep goes into a file that
    /// is about to vanish.
    ///
    /// # Errors
    /// When it cannot be written; then everything is still there.
    pub fn erase(self) -> Result<(), StoreError> {
        let connection = &self.shared.connection;
        connection.pragma_update(None, "secure_delete", true)?;
        let names: Vec<String> = self.read_all(
            "SELECT name FROM sqlite_schema
             WHERE type = 'table' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'",
            [],
            |row| Ok(row.get(0)?),
        )?;
        for name in names {
            let quoted = name.replace('"', "\"\"");
            connection.execute_batch(&format!("DROP TABLE \"{quoted}\""))?;
        }
        // A store of version 0 is one whose tables are still to be made.
        connection.pragma_update(None, "user_version", 0)?;
        self.commit()
    }
}
