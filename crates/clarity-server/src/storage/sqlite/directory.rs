//! Accounts, devices and tokens in SQLite.

use clarity_model::ServerTime;
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::{SqliteStorage, insert_account};
use crate::storage::directory::{
    AccountRecord, DeviceRecord, Directory, DirectoryStorage, FamilyRecord, NewAccount, PublicId,
    SigningIn, TokenHash,
};
use crate::storage::{AccountId, DeviceId, StorageError};

impl DirectoryStorage for SqliteStorage {
    fn change_directory<R, E: From<StorageError>>(
        &self,
        work: impl FnOnce(&dyn Directory) -> Result<R, E>,
    ) -> Result<R, E> {
        self.transaction(|connection| work(&SqliteDirectory { connection }))
    }

    fn view_directory<R, E: From<StorageError>>(
        &self,
        work: impl FnOnce(&dyn Directory) -> Result<R, E>,
    ) -> Result<R, E> {
        self.view(|connection| work(&SqliteDirectory { connection }))
    }
}

struct SqliteDirectory<'c> {
    connection: &'c Connection,
}

const SELECT_DEVICE: &str = "
SELECT device, account, public_id, name, created_at, last_seen_at, revoked_at IS NOT NULL
FROM device";

const SELECT_TOKEN: &str = "
SELECT device.device, account, public_id, name, created_at, last_seen_at,
       revoked_at IS NOT NULL, expires_at
FROM access_token JOIN device ON device.device = access_token.device
WHERE hash = ?1";

fn read_device(row: &Row<'_>) -> rusqlite::Result<DeviceRecord> {
    Ok(DeviceRecord {
        device: DeviceId(row.get(0)?),
        account: AccountId(row.get(1)?),
        public_id: row.get(2)?,
        name: row.get(3)?,
        created_at: ServerTime(row.get(4)?),
        last_seen_at: ServerTime(row.get(5)?),
        revoked: row.get(6)?,
    })
}

impl Directory for SqliteDirectory<'_> {
    fn has_accounts(&self) -> Result<bool, StorageError> {
        let mut select = self.connection.prepare_cached(
            "SELECT EXISTS(SELECT 1 FROM account WHERE password_hash IS NOT NULL)",
        )?;
        Ok(select.query_row([], |row| row.get(0))?)
    }

    fn account_named(&self, name: &str) -> Result<Option<AccountRecord>, StorageError> {
        let mut select = self.connection.prepare_cached(
            "SELECT account, public_id, password_hash FROM account WHERE name = ?1",
        )?;
        let found = select.query_row([name], |row| {
            Ok(AccountRecord {
                account: AccountId(row.get(0)?),
                public_id: row.get(1)?,
                password_hash: row.get(2)?,
            })
        });
        Ok(found.optional()?)
    }

    fn account_public_id(&self, account: AccountId) -> Result<PublicId, StorageError> {
        let mut select =
            self.connection.prepare_cached("SELECT public_id FROM account WHERE account = ?1")?;
        Ok(select.query_row([account.0], |row| row.get(0))?)
    }

    fn insert_account(&self, account: &NewAccount<'_>) -> Result<AccountId, StorageError> {
        let NewAccount { name, password_hash, public_id, seed, now } = account;
        insert_account(self.connection, name, Some(password_hash), *public_id, *seed, *now)
    }

    fn sign_in(&self, device: &SigningIn<'_>) -> Result<DeviceRecord, StorageError> {
        let mut put = self.connection.prepare_cached(
            "INSERT INTO device(account, public_id, incarnation, name, created_at, last_seen_at)
             VALUES (?1, ?2, ?3, ?4, ?5, ?5)
             ON CONFLICT(account, incarnation) DO UPDATE SET
               name = excluded.name, last_seen_at = excluded.last_seen_at, revoked_at = NULL
             RETURNING device, account, public_id, name, created_at, last_seen_at, 0",
        )?;
        let incarnation = device.incarnation.0.to_be_bytes();
        let values =
            params![device.account.0, device.public_id, incarnation, device.name, device.now.0];
        Ok(put.query_row(values, read_device)?)
    }

    fn device(&self, device: DeviceId) -> Result<Option<DeviceRecord>, StorageError> {
        let sql = format!("{SELECT_DEVICE} WHERE device = ?1");
        let mut select = self.connection.prepare_cached(&sql)?;
        Ok(select.query_row([device.0], read_device).optional()?)
    }

    fn devices(&self, account: AccountId) -> Result<Vec<DeviceRecord>, StorageError> {
        let sql = format!("{SELECT_DEVICE} WHERE account = ?1 ORDER BY created_at, device");
        let mut select = self.connection.prepare_cached(&sql)?;
        let found = select.query_map([account.0], read_device)?;
        Ok(found.collect::<Result<_, _>>()?)
    }

    fn revoke_device(&self, device: DeviceId, now: ServerTime) -> Result<(), StorageError> {
        self.connection
            .prepare_cached(
                "UPDATE device SET revoked_at = ?2 WHERE device = ?1 AND revoked_at IS NULL",
            )?
            .execute(params![device.0, now.0])?;
        self.connection
            .prepare_cached("UPDATE token_family SET revoked = 1 WHERE device = ?1")?
            .execute([device.0])?;
        Ok(())
    }

    fn touch_device(&self, device: DeviceId, now: ServerTime) -> Result<(), StorageError> {
        self.connection
            .prepare_cached("UPDATE device SET last_seen_at = ?2 WHERE device = ?1")?
            .execute(params![device.0, now.0])?;
        Ok(())
    }

    fn family(&self, family: PublicId) -> Result<Option<FamilyRecord>, StorageError> {
        let mut select = self.connection.prepare_cached(
            "SELECT device, current_hash, successor_hash, used_at, revoked
             FROM token_family WHERE family = ?1",
        )?;
        let found = select.query_row([family], |row| {
            Ok(FamilyRecord {
                device: DeviceId(row.get(0)?),
                current: row.get(1)?,
                successor: row.get(2)?,
                used_at: ServerTime(row.get(3)?),
                revoked: row.get(4)?,
            })
        });
        Ok(found.optional()?)
    }

    fn put_family(
        &self,
        family: PublicId,
        record: &FamilyRecord,
        now: ServerTime,
    ) -> Result<(), StorageError> {
        self.connection
            .prepare_cached(
                "INSERT INTO token_family(family, device, current_hash, successor_hash, used_at,
                                          revoked)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6)
                 ON CONFLICT DO UPDATE SET
                   current_hash = excluded.current_hash,
                   successor_hash = excluded.successor_hash,
                   used_at = excluded.used_at,
                   revoked = excluded.revoked",
            )?
            .execute(params![
                family,
                record.device.0,
                record.current,
                record.successor,
                now.0,
                record.revoked
            ])?;
        Ok(())
    }

    fn remove_families(&self, device: DeviceId) -> Result<(), StorageError> {
        self.connection
            .prepare_cached("DELETE FROM token_family WHERE device = ?1")?
            .execute([device.0])?;
        Ok(())
    }

    fn put_access_token(
        &self,
        hash: TokenHash,
        device: DeviceId,
        expires_at: ServerTime,
        now: ServerTime,
    ) -> Result<(), StorageError> {
        self.connection
            .prepare_cached("DELETE FROM access_token WHERE device = ?1 AND expires_at <= ?2")?
            .execute(params![device.0, now.0])?;
        self.connection
            .prepare_cached(
                "INSERT INTO access_token(hash, device, expires_at) VALUES (?1, ?2, ?3)",
            )?
            .execute(params![hash, device.0, expires_at.0])?;
        Ok(())
    }

    fn access_token(
        &self,
        hash: TokenHash,
    ) -> Result<Option<(DeviceRecord, ServerTime)>, StorageError> {
        let mut select = self.connection.prepare_cached(SELECT_TOKEN)?;
        let found =
            select.query_row([hash], |row| Ok((read_device(row)?, ServerTime(row.get(7)?))));
        Ok(found.optional()?)
    }
}
