//! What a device follows.

use clarity_engine::protocol::Scope;
use clarity_engine::{ScopeStatus, Write};

use crate::client::Client;
use crate::error::ClientError;

impl Client {
    /// Follows another part of the account from now on, durably. What is newly followed comes with
    /// the next sync, the newest first; what is no longer followed goes from this device alone, but
    /// for what waits to be sent. Nothing is deleted for anybody else.
    ///
    /// # Errors
    /// As [`Client::write`]; when a window is asked for of a type without a time of its own.
    pub fn set_scope(&self, scope: Scope) -> Result<(), ClientError> {
        self.write(Write::SetScope { scope }).map(drop)
    }

    /// What this device follows, and how far it has come with it.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn scope(&self) -> Result<ScopeStatus, ClientError> {
        self.read(|tx| Ok(self.engine().scope(tx)?))
    }
}
