//! A change of the schema that is not finished.

use crate::client::Client;
use crate::error::ClientError;

/// How many rows are brought up to date in one transaction when somebody waits for all of them.
const ROWS_AT_ONCE: usize = 5_000;

impl Client {
    /// Whether rows of a large table are still to be brought up to date after a change of the
    /// schema. It goes on by itself whenever the store has nothing else to do; reads and writes are
    /// as always meanwhile.
    ///
    /// # Errors
    /// When the store is closed.
    pub fn is_following_schema(&self) -> Result<bool, ClientError> {
        self.worker().run(|device| device.has_schema_work())
    }

    /// Brings all of them up to date now, in as many transactions as it takes. A kill loses none
    /// that is done, and the next opening goes on.
    ///
    /// # Errors
    /// When the store fails; what was done before is kept.
    pub fn finish_following_schema(&self) -> Result<(), ClientError> {
        while self.worker().run(|device| device.follow_schema(ROWS_AT_ONCE))?? {}
        Ok(())
    }
}
