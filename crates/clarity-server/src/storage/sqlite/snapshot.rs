//! Reading transactions.

use std::ops::ControlFlow;

use clarity_model::{
    Counter, EntityKey, EntityType, Epoch, Incarnation, OperationHash, OperationId, Seq,
    ServerTime, Version,
};
use clarity_protocol::FetchPosition;
use rusqlite::{Connection, OptionalExtension, Row, ToSql, params};

use super::transaction::{read_receipt, select_entity, select_fork, select_head};
use super::value::{IdValue, id_text, integer, key_of, outcome_of, unsigned};
use crate::storage::{
    AccountId, AccountSnapshot, Fork, LogSeed, ReceiptVisitor, ScanVisitor, ScannedEntity,
    StorageError, StoredEntity, TimeRange, UnsettledReceipt,
};

/// One consistent view of one account of an SQLite database.
pub struct SqliteSnapshot<'s> {
    pub(super) connection: &'s Connection,
    pub(super) account: AccountId,
}

/// The columns of a scan, in the order in which [`visit_entity`] reads them.
macro_rules! scanned {
    ($rest:literal) => {
        concat!(
            "SELECT seq, type, id, version, deleted, updated_at, last_incarnation, last_counter,
                    batch_seq, fields, time_ms FROM entity ",
            $rest
        )
    };
}

const SCAN: &str = scanned!("WHERE account = ?1 AND seq > ?2 ORDER BY account, seq");

const SHOW: &str = scanned!("INDEXED BY entity_key WHERE account = ?1 AND type = ?2 AND id = ?3");

const NEWEST: &str = scanned!(
    "INDEXED BY entity_time WHERE account = ?1 AND type = ?2 AND time_ms >= ?3
     AND (time_ms, seq) < (?4, ?5) ORDER BY time_ms DESC, seq DESC"
);

const TIMELESS: &str = scanned!(
    "INDEXED BY entity_time WHERE account = ?1 AND type = ?2 AND time_ms IS NULL AND seq < ?3
     ORDER BY seq DESC"
);

const SEED: &str = "
SELECT seed FROM log WHERE account = ?1 AND last_seq >= ?2 ORDER BY last_seq LIMIT 1";

const UNSETTLED: &str = "
SELECT counter, outcome, version, type, id, hash
FROM receipt
WHERE account = ?1 AND incarnation = ?2 AND counter >= ?3
  AND carrier IS NULL AND outcome <= 2 AND version IS NOT NULL
ORDER BY counter";

const RECEIPTS: &str = "
SELECT incarnation, counter, outcome, version, hash, carrier, detail, type, id, single_at
FROM receipt WHERE account = ?1 ORDER BY incarnation, counter";

pub(super) fn select_log_seed(
    connection: &Connection,
    account: AccountId,
    seq: Seq,
) -> Result<Option<LogSeed>, StorageError> {
    let mut select = connection.prepare_cached(SEED)?;
    let seed: Option<i64> =
        select.query_row(params![account.0, integer(seq.0)], |row| row.get(0)).optional()?;
    Ok(seed.map(|seed| LogSeed(seed.cast_unsigned())))
}

impl AccountSnapshot for SqliteSnapshot<'_> {
    fn head(&mut self) -> Result<Seq, StorageError> {
        select_head(self.connection, self.account)
    }

    fn fork(&mut self, epoch: Epoch) -> Result<Fork, StorageError> {
        select_fork(self.connection, self.account, epoch)
    }

    fn log_seed(&mut self, seq: Seq) -> Result<Option<LogSeed>, StorageError> {
        select_log_seed(self.connection, self.account, seq)
    }

    fn entity(&mut self, key: &EntityKey) -> Result<Option<StoredEntity>, StorageError> {
        select_entity(self.connection, self.account, key)
    }

    fn unsettled_receipts(
        &mut self,
        incarnation: Incarnation,
        from: Counter,
    ) -> Result<Vec<UnsettledReceipt>, StorageError> {
        let mut select = self.connection.prepare_cached(UNSETTLED)?;
        let mut rows =
            select.query(params![self.account.0, incarnation.0.to_be_bytes(), integer(from.0)])?;
        let mut found = Vec::new();
        while let Some(row) = rows.next()? {
            let Some(entity_type) = row.get::<_, Option<String>>(3)? else { continue };
            found.push(UnsettledReceipt {
                id: Counter(unsigned(row.get(0)?)?),
                outcome: outcome_of(row.get(1)?)?,
                version: Version(unsigned(row.get(2)?)?),
                hash: OperationHash::from(row.get::<_, [u8; 16]>(5)?),
                key: key_of(&entity_type, row.get_ref(4)?)?,
            });
        }
        Ok(found)
    }

    fn scan(&mut self, after: Seq, visit: &mut ScanVisitor<'_>) -> Result<(), StorageError> {
        self.visit(SCAN, params![self.account.0, integer(after.0)], visit).map(drop)
    }

    fn show(&mut self, key: &EntityKey, visit: &mut ScanVisitor<'_>) -> Result<(), StorageError> {
        let id = IdValue::new(&key.id);
        let parameters = params![self.account.0, key.entity_type.as_str(), id];
        self.visit(SHOW, parameters, visit).map(drop)
    }

    fn scan_newest(
        &mut self,
        entity_type: &EntityType,
        range: TimeRange,
        after: Option<FetchPosition>,
        visit: &mut ScanVisitor<'_>,
    ) -> Result<(), StorageError> {
        let (account, entity_type) = (self.account.0, entity_type.as_str());
        let end = range.to_ms.map_or((i64::MAX, i64::MAX), |to_ms| (to_ms, i64::MIN));
        let (before, timeless_before) = match after {
            None => (Some(end), i64::MAX),
            Some(FetchPosition { time_ms: Some(time_ms), seq }) => {
                (Some(end.min((time_ms, integer(seq.0)))), i64::MAX)
            }
            Some(FetchPosition { time_ms: None, seq }) => (None, integer(seq.0)),
        };
        if let Some((time_ms, seq)) = before {
            let from_ms = range.from_ms.unwrap_or(i64::MIN);
            let parameters = params![account, entity_type, from_ms, time_ms, seq];
            if self.visit(NEWEST, parameters, visit)?.is_break() {
                return Ok(());
            }
        }
        self.visit(TIMELESS, params![account, entity_type, timeless_before], visit).map(drop)
    }

    fn scan_receipts(&mut self, visit: &mut ReceiptVisitor<'_>) -> Result<(), StorageError> {
        let mut select = self.connection.prepare_cached(RECEIPTS)?;
        let mut rows = select.query([self.account.0])?;
        while let Some(row) = rows.next()? {
            let incarnation: [u8; 16] = row.get(0)?;
            let operation = OperationId {
                incarnation: Incarnation(u128::from_be_bytes(incarnation)),
                counter: Counter(unsigned(row.get(1)?)?),
            };
            if visit(operation, read_receipt(row, 2)?)?.is_break() {
                break;
            }
        }
        Ok(())
    }
}

impl SqliteSnapshot<'_> {
    /// Shows what a statement finds until the visitor breaks off; says whether it did.
    fn visit(
        &self,
        sql: &'static str,
        parameters: &[&dyn ToSql],
        visit: &mut ScanVisitor<'_>,
    ) -> Result<ControlFlow<()>, StorageError> {
        let mut select = self.connection.prepare_cached(sql)?;
        let mut rows = select.query(parameters)?;
        while let Some(row) = rows.next()? {
            if visit_entity(row, visit)?.is_break() {
                return Ok(ControlFlow::Break(()));
            }
        }
        Ok(ControlFlow::Continue(()))
    }
}

fn visit_entity(
    row: &Row<'_>,
    visit: &mut ScanVisitor<'_>,
) -> Result<ControlFlow<()>, StorageError> {
    let mut buffer = [0; uuid::fmt::Hyphenated::LENGTH];
    let text = |index| -> Result<Option<&str>, StorageError> {
        row.get_ref(index)?.as_str_or_null().map_err(|_| StorageError::Value("a text"))
    };
    let incarnation: [u8; 16] = row.get(6)?;
    visit(ScannedEntity {
        entity_type: text(1)?.ok_or(StorageError::Value("a type"))?,
        id: id_text(row.get_ref(2)?, &mut buffer)?,
        version: Version(unsigned(row.get(3)?)?),
        seq: Seq(unsigned(row.get(0)?)?),
        updated_at: ServerTime(row.get(5)?),
        fields: text(9)?,
        deleted: row.get(4)?,
        last_change: OperationId {
            incarnation: Incarnation(u128::from_be_bytes(incarnation)),
            counter: Counter(unsigned(row.get(7)?)?),
        },
        batch_seq: row.get::<_, Option<i64>>(8)?.map(unsigned).transpose()?.map(Seq),
        time_ms: row.get(10)?,
    })
}
