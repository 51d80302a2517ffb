//! Writing transactions.

use std::collections::BTreeMap;

use clarity_model::{
    Counter, EntityKey, Epoch, Fields, Incarnation, OperationId, Seq, ServerTime, Version,
};
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::snapshot::select_log_seed;
use super::value::{IdValue, integer, key_of, outcome_code, outcome_of, unsigned};
use crate::storage::{
    AccountId, AccountTransaction, DeviceId, Fork, LogSeed, StorageError, StoredEntity,
    StoredReceipt, TakenOver,
};

/// A writing transaction over one account of an SQLite database.
pub struct SqliteTransaction<'t> {
    pub(super) connection: &'t Connection,
    pub(super) account: AccountId,
}

const SELECT_ENTITY: &str = "
SELECT version, seq, written, field_versions, fields, deleted, updated_at, last_incarnation,
       last_counter, batch_seq, time_ms
FROM entity INDEXED BY entity_key WHERE account = ?1 AND type = ?2 AND id = ?3";

const INSERT_ENTITY: &str = "
INSERT INTO entity(account, seq, type, id, version, written, deleted, updated_at,
                   last_incarnation, last_counter, batch_seq, field_versions, fields, time_ms)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14)";

const SELECT_RECEIPT: &str = "
SELECT outcome, version, hash, carrier, detail, type, id, single_at
FROM receipt WHERE account = ?1 AND incarnation = ?2 AND counter = ?3";

const INSERT_RECEIPT: &str = "
INSERT INTO receipt(account, incarnation, counter, outcome, version, hash, carrier, detail,
                    type, id, single_at)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)";

const PUT_MARK: &str = "
INSERT INTO settled_mark(account, incarnation, device, below) VALUES (?1, ?2, ?3, ?4)
ON CONFLICT DO UPDATE SET device = excluded.device, below = excluded.below";

pub(super) fn read_entity(row: &Row<'_>) -> Result<StoredEntity, StorageError> {
    let field_versions: Option<String> = row.get(3)?;
    let fields = row.get_ref(4)?.as_str_or_null().map_err(|_| StorageError::Value("fields"))?;
    let incarnation: [u8; 16] = row.get(7)?;
    Ok(StoredEntity {
        version: Version(unsigned(row.get(0)?)?),
        seq: Seq(unsigned(row.get(1)?)?),
        written: Version(unsigned(row.get(2)?)?),
        field_versions: match field_versions {
            Some(text) => serde_json::from_str(&text)
                .map_err(|_| StorageError::Value("versions of fields"))?,
            None => BTreeMap::new(),
        },
        fields: parse_fields(fields)?,
        deleted: row.get(5)?,
        updated_at: ServerTime(row.get(6)?),
        last_change: OperationId {
            incarnation: Incarnation(u128::from_be_bytes(incarnation)),
            counter: Counter(unsigned(row.get(8)?)?),
        },
        batch_seq: row.get::<_, Option<i64>>(9)?.map(unsigned).transpose()?.map(Seq),
        time_ms: row.get(10)?,
    })
}

pub(super) fn parse_fields(text: Option<&str>) -> Result<Fields, StorageError> {
    match text {
        Some(text) => serde_json::from_str(text).map_err(|_| StorageError::Value("fields")),
        None => Ok(Fields::new()),
    }
}

/// Reads a receipt from columns that begin at `first`, in the order of [`SELECT_RECEIPT`].
pub(super) fn read_receipt(row: &Row<'_>, first: usize) -> Result<StoredReceipt, StorageError> {
    let entity_type: Option<String> = row.get(first + 5)?;
    Ok(StoredReceipt {
        outcome: outcome_of(row.get(first)?)?,
        version: row.get::<_, Option<i64>>(first + 1)?.map(unsigned).transpose()?.map(Version),
        hash: row.get(first + 2)?,
        carrier: row.get::<_, Option<i64>>(first + 3)?.map(unsigned).transpose()?.map(Counter),
        detail: row.get(first + 4)?,
        key: match entity_type {
            Some(entity_type) => Some(key_of(&entity_type, row.get_ref(first + 6)?)?),
            None => None,
        },
        single_at: row.get::<_, Option<i64>>(first + 7)?.map(ServerTime),
    })
}

pub(super) fn select_head(
    connection: &Connection,
    account: AccountId,
) -> Result<Seq, StorageError> {
    let mut select = connection.prepare_cached("SELECT head FROM account WHERE account = ?1")?;
    let head: Option<i64> = select.query_row([account.0], |row| row.get(0)).optional()?;
    Ok(Seq(unsigned(head.ok_or(StorageError::Value("no such account"))?)?))
}

pub(super) fn select_fork(
    connection: &Connection,
    account: AccountId,
    epoch: Epoch,
) -> Result<Fork, StorageError> {
    let mut select = connection.prepare_cached(
        "SELECT max(CASE WHEN epoch = ?2 THEN head END), max(head) FROM lineage WHERE account = ?1",
    )?;
    let (left_at, begun_at): (Option<i64>, Option<i64>) = select
        .query_row(params![account.0, epoch.0.to_be_bytes()], |row| {
            Ok((row.get(0)?, row.get(1)?))
        })?;
    Ok(Fork {
        left_at: left_at.map(unsigned).transpose()?.map(Seq),
        begun_at: Seq(unsigned(begun_at.unwrap_or(0))?),
    })
}

pub(super) fn select_entity(
    connection: &Connection,
    account: AccountId,
    key: &EntityKey,
) -> Result<Option<StoredEntity>, StorageError> {
    let mut select = connection.prepare_cached(SELECT_ENTITY)?;
    let id = IdValue::new(&key.id);
    let mut rows = select.query(params![account.0, key.entity_type.as_str(), id])?;
    rows.next()?.map(read_entity).transpose()
}

impl AccountTransaction for SqliteTransaction<'_> {
    fn head(&mut self) -> Result<Seq, StorageError> {
        select_head(self.connection, self.account)
    }

    fn advance_head(&mut self, head: Seq, seed: u64) -> Result<(), StorageError> {
        let head = integer(head.0);
        self.connection
            .prepare_cached("UPDATE account SET head = ?2 WHERE account = ?1")?
            .execute(params![self.account.0, head])?;
        self.connection
            .prepare_cached("INSERT INTO log(account, last_seq, seed) VALUES (?1, ?2, ?3)")?
            .execute(params![self.account.0, head, seed.cast_signed()])?;
        Ok(())
    }

    fn log_seed(&mut self, seq: Seq) -> Result<Option<LogSeed>, StorageError> {
        select_log_seed(self.connection, self.account, seq)
    }

    fn entity(&mut self, key: &EntityKey) -> Result<Option<StoredEntity>, StorageError> {
        select_entity(self.connection, self.account, key)
    }

    fn put_entity(
        &mut self,
        key: &EntityKey,
        entity: &StoredEntity,
        replaces: Option<Seq>,
    ) -> Result<(), StorageError> {
        if let Some(seq) = replaces {
            self.connection
                .prepare_cached("DELETE FROM entity WHERE account = ?1 AND seq = ?2")?
                .execute(params![self.account.0, integer(seq.0)])?;
        }
        let field_versions = match entity.field_versions.is_empty() {
            true => None,
            false => serde_json::to_string(&entity.field_versions).ok(),
        };
        let keeps_fields = !entity.deleted || !entity.fields.is_empty();
        let fields = keeps_fields.then(|| entity.fields.to_canonical_json());
        self.connection.prepare_cached(INSERT_ENTITY)?.execute(params![
            self.account.0,
            integer(entity.seq.0),
            key.entity_type.as_str(),
            IdValue::new(&key.id),
            integer(entity.version.0),
            integer(entity.written.0),
            entity.deleted,
            entity.updated_at.0,
            entity.last_change.incarnation.0.to_be_bytes(),
            integer(entity.last_change.counter.0),
            entity.batch_seq.map(|seq| integer(seq.0)),
            field_versions,
            fields,
            entity.time_ms,
        ])?;
        Ok(())
    }

    fn receipt(&mut self, operation: OperationId) -> Result<Option<StoredReceipt>, StorageError> {
        let mut select = self.connection.prepare_cached(SELECT_RECEIPT)?;
        let mut rows = select.query(params![
            self.account.0,
            operation.incarnation.0.to_be_bytes(),
            integer(operation.counter.0)
        ])?;
        match rows.next()? {
            Some(row) => read_receipt(row, 0).map(Some),
            None => Ok(None),
        }
    }

    fn newest_receipt(&mut self, incarnation: Incarnation) -> Result<Counter, StorageError> {
        let mut select = self.connection.prepare_cached(
            "SELECT max(counter) FROM receipt WHERE account = ?1 AND incarnation = ?2",
        )?;
        let newest: Option<i64> = select
            .query_row(params![self.account.0, incarnation.0.to_be_bytes()], |row| row.get(0))?;
        Ok(Counter(unsigned(newest.unwrap_or(0))?))
    }

    fn put_receipt(
        &mut self,
        operation: OperationId,
        receipt: &StoredReceipt,
    ) -> Result<(), StorageError> {
        self.connection.prepare_cached(INSERT_RECEIPT)?.execute(params![
            self.account.0,
            operation.incarnation.0.to_be_bytes(),
            integer(operation.counter.0),
            outcome_code(receipt.outcome),
            receipt.version.map(|version| integer(version.0)),
            receipt.hash,
            receipt.carrier.map(|counter| integer(counter.0)),
            receipt.detail,
            receipt.key.as_ref().map(|key| key.entity_type.as_str()),
            receipt.key.as_ref().map(|key| IdValue::new(&key.id)),
            receipt.single_at.map(|at| at.0),
        ])?;
        Ok(())
    }

    fn raise_settled_mark(
        &mut self,
        incarnation: Incarnation,
        device: DeviceId,
        below: Counter,
    ) -> Result<Counter, StorageError> {
        let incarnation = incarnation.0.to_be_bytes();
        let mut select = self.connection.prepare_cached(
            "SELECT below FROM settled_mark WHERE account = ?1 AND incarnation = ?2",
        )?;
        let known: Option<i64> =
            select.query_row(params![self.account.0, incarnation], |row| row.get(0)).optional()?;
        let wanted = integer(below.0);
        let raised = known.map_or(wanted, |known| known.max(wanted));
        if known != Some(raised) {
            self.connection.prepare_cached(PUT_MARK)?.execute(params![
                self.account.0,
                incarnation,
                device.0,
                raised
            ])?;
        }
        Ok(Counter(unsigned(raised)?))
    }

    fn prune_receipts(
        &mut self,
        incarnation: Incarnation,
        below: Counter,
        count_max: u64,
    ) -> Result<(), StorageError> {
        let incarnation = incarnation.0.to_be_bytes();
        let mut select = self.connection.prepare_cached(
            "SELECT min(counter) FROM receipt WHERE account = ?1 AND incarnation = ?2",
        )?;
        let oldest: Option<i64> =
            select.query_row(params![self.account.0, incarnation], |row| row.get(0))?;
        let Some(oldest) = oldest else { return Ok(()) };
        let end = oldest.saturating_add(integer(count_max)).min(integer(below.0));
        if oldest < end {
            self.connection
                .prepare_cached(
                    "DELETE FROM receipt WHERE account = ?1 AND incarnation = ?2 AND counter < ?3",
                )?
                .execute(params![self.account.0, incarnation, end])?;
        }
        Ok(())
    }

    fn fork(&mut self, epoch: Epoch) -> Result<Fork, StorageError> {
        select_fork(self.connection, self.account, epoch)
    }

    fn taken_over(
        &mut self,
        epoch: Epoch,
        key: &EntityKey,
    ) -> Result<Option<TakenOver>, StorageError> {
        let mut select = self.connection.prepare_cached(
            "SELECT version, seq FROM taken_over
             WHERE account = ?1 AND epoch = ?2 AND type = ?3 AND id = ?4",
        )?;
        let id = IdValue::new(&key.id);
        let epoch = epoch.0.to_be_bytes();
        let mut rows =
            select.query(params![self.account.0, epoch, key.entity_type.as_str(), id])?;
        let Some(row) = rows.next()? else { return Ok(None) };
        let (version, seq) = (unsigned(row.get(0)?)?, unsigned(row.get(1)?)?);
        Ok(Some(TakenOver { version: Version(version), seq: Seq(seq) }))
    }

    fn put_taken_over(
        &mut self,
        epoch: Epoch,
        key: &EntityKey,
        taken_over: TakenOver,
    ) -> Result<(), StorageError> {
        self.connection
            .prepare_cached(
                "INSERT OR REPLACE INTO taken_over(account, epoch, type, id, version, seq)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            )?
            .execute(params![
                self.account.0,
                epoch.0.to_be_bytes(),
                key.entity_type.as_str(),
                IdValue::new(&key.id),
                integer(taken_over.version.0),
                integer(taken_over.seq.0),
            ])?;
        Ok(())
    }

    fn prune_single_receipts(
        &mut self,
        before: ServerTime,
        count_max: u64,
    ) -> Result<(), StorageError> {
        let old: Vec<([u8; 16], i64)> = self
            .connection
            .prepare_cached(
                "SELECT incarnation, counter FROM receipt
                 WHERE account = ?1 AND single_at < ?2 ORDER BY single_at LIMIT ?3",
            )?
            .query_map(params![self.account.0, before.0, integer(count_max)], |row| {
                Ok((row.get(0)?, row.get(1)?))
            })?
            .collect::<Result<_, _>>()?;
        for (incarnation, counter) in old {
            self.connection
                .prepare_cached(
                    "DELETE FROM receipt WHERE account = ?1 AND incarnation = ?2 AND counter = ?3",
                )?
                .execute(params![self.account.0, incarnation, counter])?;
            // A mark of zero says nothing but that the name was used.
            self.connection
                .prepare_cached(
                    "DELETE FROM settled_mark WHERE account = ?1 AND incarnation = ?2 AND below = 0
                     AND NOT EXISTS (SELECT 1 FROM receipt WHERE account = ?1 AND incarnation = ?2)",
                )?
                .execute(params![self.account.0, incarnation])?;
        }
        Ok(())
    }
}
