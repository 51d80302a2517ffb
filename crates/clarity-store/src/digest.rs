//! What the samples of an evicted month were: a set of short hashes of id and fields, five bytes
//! for each sample on the disk.
//!
//! It tells whether a sample that is imported or pulled again is exactly one that was given up.
//! Ten thousand samples in a month make one mistake in a hundred million questions.

use std::collections::{BTreeMap, BTreeSet};

use clarity_model::{EntityId, EntityType, Fields};
use rusqlite::params;

use crate::error::StoreError;
use crate::month::Month;
use crate::transaction::StoreTransaction;

const HASH_BYTES: usize = 5;

/// The hash of a sample.
pub(crate) fn hash(id: &EntityId, fields: &Fields) -> u64 {
    let mut hasher = blake3::Hasher::new();
    hasher.update(id.as_str().as_bytes());
    hasher.update(b"\0");
    hasher.update(fields.to_canonical_json().as_bytes());
    let mut eight = [0; 8];
    eight[8 - HASH_BYTES..].copy_from_slice(&hasher.finalize().as_bytes()[..HASH_BYTES]);
    u64::from_be_bytes(eight)
}

/// The digests that a transaction has looked at. Changed ones are written when it commits.
#[derive(Debug, Default)]
pub(crate) struct Digests {
    /// The months that are evicted, in whole or in part; nothing before the first question.
    pub(crate) months: Option<BTreeSet<(EntityType, Month)>>,
    loaded: BTreeMap<(EntityType, Month), Digest>,
}

#[derive(Debug, Default)]
struct Digest {
    hashes: BTreeSet<u64>,
    changed: bool,
}

impl StoreTransaction<'_> {
    /// Whether a month's digest holds a hash.
    pub(crate) fn digest_holds(
        &self,
        entity_type: &EntityType,
        month: Month,
        hash: u64,
    ) -> Result<bool, StoreError> {
        self.with_digest(entity_type, month, |digest| digest.hashes.contains(&hash))
    }

    /// Takes a hash out of a month's digest; false when it does not hold it.
    pub(crate) fn digest_remove(
        &mut self,
        entity_type: &EntityType,
        month: Month,
        hash: u64,
    ) -> Result<bool, StoreError> {
        self.with_digest(entity_type, month, |digest| {
            let held = digest.hashes.remove(&hash);
            digest.changed |= held;
            held
        })
    }

    /// Adds a hash to a month's digest.
    pub(crate) fn digest_add(
        &mut self,
        entity_type: &EntityType,
        month: Month,
        hash: u64,
    ) -> Result<(), StoreError> {
        self.with_digest(entity_type, month, |digest| digest.changed |= digest.hashes.insert(hash))
    }

    /// Adds the hashes of a slice without reading what is there.
    pub(crate) fn digest_append(
        &mut self,
        entity_type: &EntityType,
        month: Month,
        hashes: &[u64],
    ) -> Result<(), StoreError> {
        self.flush_digests()?;
        self.digests.get_mut().loaded.remove(&(entity_type.clone(), month));
        self.execute(
            "INSERT INTO evicted_digest (type, month, chunk, hashes)
             SELECT ?1, ?2, coalesce(max(chunk), 0) + 1, ?3 FROM evicted_digest
             WHERE type = ?1 AND month = ?2",
            params![entity_type.as_str(), month.0, bytes_of(hashes.iter().copied())],
        )?;
        Ok(())
    }

    /// Forgets a month's digest.
    pub(crate) fn digest_forget(
        &mut self,
        entity_type: &EntityType,
        month: Month,
    ) -> Result<(), StoreError> {
        self.digests.get_mut().loaded.remove(&(entity_type.clone(), month));
        self.execute(
            "DELETE FROM evicted_digest WHERE type = ?1 AND month = ?2",
            params![entity_type.as_str(), month.0],
        )?;
        Ok(())
    }

    /// Writes the digests that changed.
    pub(crate) fn flush_digests(&mut self) -> Result<(), StoreError> {
        let mut loaded = std::mem::take(&mut self.digests.get_mut().loaded);
        for ((entity_type, month), digest) in loaded.iter_mut().filter(|(_, one)| one.changed) {
            self.execute(
                "DELETE FROM evicted_digest WHERE type = ?1 AND month = ?2",
                params![entity_type.as_str(), month.0],
            )?;
            if !digest.hashes.is_empty() {
                self.execute(
                    "INSERT INTO evicted_digest (type, month, chunk, hashes) VALUES (?1, ?2, 0, ?3)",
                    params![
                        entity_type.as_str(),
                        month.0,
                        bytes_of(digest.hashes.iter().copied())
                    ],
                )?;
            }
            digest.changed = false;
        }
        self.digests.get_mut().loaded = loaded;
        Ok(())
    }

    fn with_digest<T>(
        &self,
        entity_type: &EntityType,
        month: Month,
        act: impl FnOnce(&mut Digest) -> T,
    ) -> Result<T, StoreError> {
        let key = (entity_type.clone(), month);
        if !self.digests.borrow().loaded.contains_key(&key) {
            let digest = self.load_digest(entity_type, month)?;
            self.digests.borrow_mut().loaded.insert(key.clone(), digest);
        }
        let mut digests = self.digests.borrow_mut();
        Ok(act(digests.loaded.entry(key).or_default()))
    }

    fn load_digest(&self, entity_type: &EntityType, month: Month) -> Result<Digest, StoreError> {
        let mut digest = Digest::default();
        let sql = "SELECT hashes FROM evicted_digest WHERE type = ?1 AND month = ?2";
        let mut statement = self.prepared(sql)?;
        let mut rows = statement.query(params![entity_type.as_str(), month.0])?;
        while let Some(row) = rows.next()? {
            let invalid = StoreError::InvalidValue { table: "evicted_digest", column: "hashes" };
            let bytes = row.get_ref(0)?.as_blob().map_err(|_| invalid)?;
            digest.hashes.extend(bytes.chunks_exact(HASH_BYTES).map(|five| {
                let mut eight = [0; 8];
                eight[8 - HASH_BYTES..].copy_from_slice(five);
                u64::from_be_bytes(eight)
            }));
        }
        Ok(digest)
    }
}

fn bytes_of(hashes: impl Iterator<Item = u64>) -> Vec<u8> {
    hashes.flat_map(|hash| hash.to_be_bytes().into_iter().skip(8 - HASH_BYTES)).collect()
}
