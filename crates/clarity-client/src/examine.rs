//! Examining a store: what is wrong with it, and what to do about each finding.

use clarity_engine::protocol::model::LocalTime;
use clarity_engine::store::Inconsistency;
use serde::Serialize;

use crate::client::Client;
use crate::error::ClientError;
use crate::explain::SyncedBy;
use crate::platform::free_bytes;
use crate::storing::now;

/// Most findings of damage that are told.
const DAMAGES_MAX: u32 = 20;
/// No device that runs this program has a clock before this: 2025-01-01.
const CLOCK_MIN: LocalTime = LocalTime(1_735_689_600_000);
/// How far a stored time may lie ahead of the clock, in milliseconds: one day.
const AHEAD_MAX_MS: i64 = 86_400_000;

/// What was looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
pub enum Check {
    /// The file.
    Integrity,
    /// Whether the tables agree with each other.
    Consistency,
    /// Whether the store follows the program's schema.
    Schema,
    /// The device's clock.
    Clock,
    /// The room on the disk.
    Disk,
    /// Who synchronises.
    Lock,
    /// Whether the server is there; only where it is asked for.
    Server,
}

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
pub enum Severity {
    /// Good to know.
    Note,
    /// Something should be done; nothing is lost.
    Warning,
    /// The store is damaged.
    Damage,
}

/// What was found, without any value, name or id.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
pub struct Finding {
    /// What was looked at.
    pub check: Check,
    /// How bad it is.
    pub severity: Severity,
    /// What is so.
    pub message: String,
    /// What to do about it.
    pub to_do: String,
}

impl Finding {
    /// A finding.
    #[must_use]
    pub fn new(check: Check, severity: Severity, message: &str, to_do: &str) -> Self {
        Self { check, severity, message: message.to_owned(), to_do: to_do.to_owned() }
    }
}

impl Client {
    /// Examines the store: the file, whether its tables agree, its schema, the clock, the room on
    /// the disk, and who synchronises. An empty answer is a good one. Takes time in proportion to
    /// the size of the store, and writes wait for a part of it.
    ///
    /// # Errors
    /// When the store cannot be read at all.
    pub fn examine(&self) -> Result<Vec<Finding>, ClientError> {
        let mut findings = Vec::new();
        let save = "recover it: all that can be read goes into a new store, and the old one is \
                    moved aside";
        for damage in self.damages(DAMAGES_MAX)? {
            let words = format!("the file is damaged: {damage}");
            findings.push(Finding::new(Check::Integrity, Severity::Damage, &words, save));
        }
        for inconsistency in self.read(|tx| Ok(tx.inconsistencies()?))? {
            let words = words(inconsistency);
            let to_do = "keep a copy of the folder and report it with a support bundle";
            findings.push(Finding::new(Check::Consistency, Severity::Damage, &words, to_do));
        }
        let (meta, schema) = self.read(|tx| Ok((tx.meta()?, tx.schema().version)))?;
        if meta.schema_version > schema {
            let words = format!(
                "the store has schema {}, this program knows {schema}",
                meta.schema_version
            );
            let to_do = "update this program; everything is kept meanwhile";
            findings.push(Finding::new(Check::Schema, Severity::Warning, &words, to_do));
        }
        if self.is_following_schema()? {
            let words = "rows are still being brought up to date after a change of the schema";
            let to_do = "nothing: it goes on whenever the store is open and has nothing else to do";
            findings.push(Finding::new(Check::Schema, Severity::Note, words, to_do));
        }
        let oldest = self.status()?.oldest_waiting;
        findings.extend(clock(now(), [Some(meta.created_at), oldest]));
        findings
            .extend(disk(free_bytes(self.path()), self.storage_settings()?.free_disk_min_bytes));
        let waiting = self.status()?.waiting;
        if waiting > 0 && self.synced_by()? == SyncedBy::Nobody {
            let words = "changes wait, and nothing synchronises this store";
            let to_do = "synchronise once, or keep it in sync";
            findings.push(Finding::new(Check::Lock, Severity::Note, words, to_do));
        }
        Ok(findings)
    }
}

fn words(inconsistency: Inconsistency) -> String {
    match inconsistency {
        Inconsistency::Counts => "the counted operations are not those of the queue".to_owned(),
        Inconsistency::Numbers => "the numbers of operations would be used twice".to_owned(),
        Inconsistency::Unexplained { entities } => {
            format!("{entities} entities show changes that no operation makes")
        }
        Inconsistency::Confirmed { entities } => {
            format!("{entities} entities keep the server's version without a reason")
        }
        Inconsistency::Conflicts { conflicts } => {
            format!("{conflicts} conflicts are about operations that are not there")
        }
        other => format!("the tables disagree: {other:?}"),
    }
}

/// Whether a clock can be right, as far as the store's own times tell.
fn clock(now: LocalTime, stored: [Option<LocalTime>; 2]) -> Option<Finding> {
    let ahead = stored.into_iter().flatten().any(|at| at.since_ms(now) > AHEAD_MAX_MS);
    let words = if now < CLOCK_MIN {
        "this device's clock is years behind"
    } else if ahead {
        "this device's clock was ahead when the store was written, or is behind now"
    } else {
        return None;
    };
    let to_do = "set the clock; nothing depends on it but what is shown, and secure connections";
    Some(Finding::new(Check::Clock, Severity::Warning, words, to_do))
}

/// Whether there is room on the disk for what is written next.
fn disk(free_bytes: Option<u64>, kept_free_bytes: u64) -> Option<Finding> {
    let free = free_bytes?;
    let megabytes = |bytes: u64| bytes / 1_000_000;
    let (severity, words) = if free < kept_free_bytes {
        let words = format!(
            "the disk has {} MB left, and {} MB are to be left free: new changes are refused",
            megabytes(free),
            megabytes(kept_free_bytes)
        );
        (Severity::Warning, words)
    } else if free < kept_free_bytes.saturating_mul(2) {
        let words = format!(
            "the disk has {} MB left; below {} MB new changes are refused",
            megabytes(free),
            megabytes(kept_free_bytes)
        );
        (Severity::Note, words)
    } else {
        return None;
    };
    let to_do = "free some space; what was acknowledged is kept, and what waits is sent meanwhile";
    Some(Finding::new(Check::Disk, severity, &words, to_do))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Shows which clocks cannot be right.
    #[test]
    fn clocks_that_cannot_be_right_are_found() {
        let now = LocalTime(CLOCK_MIN.0 + AHEAD_MAX_MS);
        assert_eq!(clock(now, [Some(now), None]), None);
        let ahead = Some(now.plus_ms(AHEAD_MAX_MS + 1));
        assert!(clock(now, [Some(now), ahead]).is_some());
        assert!(clock(LocalTime(0), [None, None]).is_some());
    }

    /// Shows how much room is enough, little, and too little.
    #[test]
    fn a_full_disk_is_found() {
        let severity = |free| disk(free, 200).map(|finding| finding.severity);
        assert_eq!([severity(None), severity(Some(400)), severity(Some(u64::MAX))], [None; 3]);
        assert_eq!(severity(Some(399)), Some(Severity::Note));
        assert_eq!(severity(Some(200)), Some(Severity::Note));
        assert_eq!(severity(Some(199)), Some(Severity::Warning));
        assert!(disk(Some(1), u64::MAX).is_some());
    }
}
