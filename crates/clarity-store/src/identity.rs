//! What this store is, and whom it belongs to.

use clarity_model::{Epoch, Incarnation, LocalTime, Seq};
use rusqlite::params;

use crate::error::StoreError;
use crate::transaction::StoreTransaction;
use crate::value::{epoch_bytes, incarnation_bytes, read_u128, read_unsigned, signed};

/// What this store is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Meta {
    /// The current life of this store.
    pub incarnation: Incarnation,
    /// The life of the server that versions belong to; nothing before the first contact.
    pub epoch: Option<Epoch>,
    /// The account that it belongs to; nothing before the first sign-in.
    pub account_id: Option<String>,
    /// What the server calls this device.
    pub device_id: Option<String>,
    /// The profile of new rows.
    pub profile_id: i64,
    /// When the store was made.
    pub created_at: LocalTime,
    /// The version of the schema file that the tables follow.
    pub schema_version: u32,
    /// Up to which position of the log the server has promised durability.
    pub durable_through: Seq,
}

/// How to sign in. `Debug` hides everything but whether there is something.
#[derive(Default, Clone, PartialEq, Eq)]
pub struct Credentials {
    /// The server's address.
    pub server: String,
    /// The account's name.
    pub name: String,
    /// What requests are authorised with.
    pub access_token: Option<String>,
    /// When that ends, by this device's clock.
    pub access_expires_at: Option<LocalTime>,
    /// What a new one is got with.
    pub refresh_token: Option<String>,
}

impl std::fmt::Debug for Credentials {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Credentials")
            .field("has_access_token", &self.access_token.is_some())
            .field("access_expires_at", &self.access_expires_at)
            .field("has_refresh_token", &self.refresh_token.is_some())
            .finish_non_exhaustive()
    }
}

impl StoreTransaction<'_> {
    /// What this store is.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn meta(&self) -> Result<Meta, StoreError> {
        const SELECT: &str = "
            SELECT meta.incarnation, epoch, account_id, device_id, profile_id, created_at,
                   (SELECT version FROM schema_file), durable_through
            FROM meta";
        let missing = StoreError::InvalidValue { table: "meta", column: "one" };
        self.read_one(SELECT, [], |row| {
            let epoch = row.get_ref(1)?.as_blob_or_null().unwrap_or_default();
            Ok(Meta {
                incarnation: self.incarnation(row.get(0)?)?,
                epoch: epoch
                    .map(|bytes| read_u128(bytes, "meta", "epoch").map(Epoch))
                    .transpose()?,
                account_id: row.get(2)?,
                device_id: row.get(3)?,
                profile_id: row.get(4)?,
                created_at: LocalTime(row.get(5)?),
                schema_version: row.get(6)?,
                durable_through: Seq(read_unsigned(row, 7)?),
            })
        })?
        .ok_or(missing)
    }

    /// Sets the life of the server that versions belong to.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn set_epoch(&mut self, epoch: Option<Epoch>) -> Result<(), StoreError> {
        self.execute("UPDATE meta SET epoch = ?1", [epoch.map(epoch_bytes)])?;
        Ok(())
    }

    /// Sets up to which position of the log the server has promised durability.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn set_durable_through(&mut self, seq: Seq) -> Result<(), StoreError> {
        self.execute("UPDATE meta SET durable_through = ?1", [signed(seq.0)])?;
        Ok(())
    }

    /// Binds this store to an account, for ever, and sets what the server calls this device.
    ///
    /// # Errors
    /// [`StoreError::OtherAccount`] when it belongs to another account (promise I11).
    pub fn bind_account(&mut self, account: &str, device: &str) -> Result<(), StoreError> {
        let bound = self.execute(
            "UPDATE meta SET account_id = ?1, device_id = ?2
             WHERE account_id IS NULL OR account_id = ?1",
            [account, device],
        )?;
        if bound == 1 { Ok(()) } else { Err(StoreError::OtherAccount) }
    }

    /// Begins a new life of this store; operations that are made from now on carry it.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn new_incarnation(
        &mut self,
        incarnation: Incarnation,
        now: LocalTime,
    ) -> Result<(), StoreError> {
        self.execute(
            "INSERT INTO incarnation (incarnation, made_at) VALUES (?1, ?2)",
            params![incarnation_bytes(incarnation), now.0],
        )?;
        let local = self.shared.connection.last_insert_rowid();
        self.execute("UPDATE meta SET incarnation = ?1", [local])?;
        Ok(())
    }

    /// How to sign in.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn credentials(&self) -> Result<Option<Credentials>, StoreError> {
        const SELECT: &str = "SELECT server, name, access_token, access_expires_at, refresh_token
                              FROM credential";
        self.read_one(SELECT, [], |row| {
            Ok(Credentials {
                server: row.get(0)?,
                name: row.get(1)?,
                access_token: row.get(2)?,
                access_expires_at: row.get::<_, Option<i64>>(3)?.map(LocalTime),
                refresh_token: row.get(4)?,
            })
        })
    }

    /// Keeps how to sign in. A new refresh token must be committed before its first use.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn put_credentials(&mut self, credentials: &Credentials) -> Result<(), StoreError> {
        self.execute(
            "INSERT OR REPLACE INTO credential
                 (one, server, name, access_token, access_expires_at, refresh_token)
             VALUES (1, ?1, ?2, ?3, ?4, ?5)",
            params![
                credentials.server,
                credentials.name,
                credentials.access_token,
                credentials.access_expires_at.map(|time| time.0),
                credentials.refresh_token,
            ],
        )?;
        Ok(())
    }

    /// Forgets the tokens and keeps who it was.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn clear_tokens(&mut self) -> Result<(), StoreError> {
        self.execute(
            "UPDATE credential SET access_token = NULL, access_expires_at = NULL,
                 refresh_token = NULL",
            [],
        )?;
        Ok(())
    }
}
