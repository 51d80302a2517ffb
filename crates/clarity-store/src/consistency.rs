//! Whether the tables agree with each other: what no check of the file itself can find.

use crate::error::StoreError;
use crate::operation::OperationState;
use crate::transaction::StoreTransaction;
use crate::value::read_unsigned;

/// Tables that contradict each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Inconsistency {
    /// The kept numbers of operations are not those of the queue.
    Counts,
    /// An operation has a number that is still to be given out.
    Numbers,
    /// Entities show local changes, and no operation makes them.
    Unexplained {
        /// How many.
        entities: u64,
    },
    /// What the server told is kept apart for entities without waiting operations.
    Confirmed {
        /// How many.
        entities: u64,
    },
    /// Conflicts are about operations that are not there.
    Conflicts {
        /// How many.
        conflicts: u64,
    },
}

impl StoreTransaction<'_> {
    /// Compares the tables with each other; nothing found is good. Takes time in proportion to the
    /// size of the store.
    ///
    /// # Errors
    /// When they cannot be read.
    pub fn inconsistencies(&self) -> Result<Vec<Inconsistency>, StoreError> {
        let mut found = Vec::new();
        let kept = self.queue_counts()?;
        let kept = [
            kept.ready,
            kept.blocked,
            kept.in_flight,
            kept.set_aside,
            kept.failed,
            kept.conflicted,
        ];
        for (state, kept) in OperationState::ALL.into_iter().zip(kept) {
            let sql = "SELECT count(*) FROM operation WHERE state = ?1";
            let counted = self.read_one(sql, [state as i64], |row| read_unsigned(row, 0))?;
            if counted != Some(kept) && !found.contains(&Inconsistency::Counts) {
                found.push(Inconsistency::Counts);
            }
        }
        let newest = "SELECT coalesce(max(counter), 0) FROM operation";
        let newest = self.read_one(newest, [], |row| read_unsigned(row, 0))?;
        if newest.unwrap_or_default() >= self.next_counter()?.0 {
            found.push(Inconsistency::Numbers);
        }
        let entities = self.unexplained()?;
        if entities > 0 {
            found.push(Inconsistency::Unexplained { entities });
        }
        let entities = self.count(
            "SELECT count(*) FROM confirmed AS c WHERE NOT EXISTS
                 (SELECT 1 FROM operation AS o WHERE o.type = c.type AND o.id = c.id)",
        )?;
        if entities > 0 {
            found.push(Inconsistency::Confirmed { entities });
        }
        let conflicts = self.count(
            "SELECT count(*) FROM conflict AS c WHERE NOT EXISTS
                 (SELECT 1 FROM operation AS o WHERE o.counter = c.counter)",
        )?;
        if conflicts > 0 {
            found.push(Inconsistency::Conflicts { conflicts });
        }
        Ok(found)
    }

    /// Rows that say that local operations wait, without one.
    fn unexplained(&self) -> Result<u64, StoreError> {
        const WITHOUT: &str = "AND NOT EXISTS (SELECT 1 FROM operation AS o WHERE o.type = ";
        let generic = format!(
            "SELECT count(*) FROM entity_generic AS e WHERE state IN (1, 3) \
             {WITHOUT} e.type AND o.id = e.id)"
        );
        let mut entities = self.count(&generic)?;
        for (entity_type, layout) in &self.shared.layouts.types {
            // A type's name is letters, digits and underscores.
            let sql = format!(
                "SELECT count(*) FROM {} AS e WHERE state IN (1, 3) \
                 {WITHOUT} '{entity_type}' AND o.id = e.id)",
                layout.table
            );
            entities += self.count(&sql)?;
            let Some(unbrought) = layout.unbrought.as_ref().filter(|one| !one.layout.generic)
            else {
                continue;
            };
            let sql = format!(
                "SELECT count(*) FROM {} AS e WHERE state IN (1, 3) \
                 {WITHOUT} '{entity_type}' AND o.id = e.id)",
                unbrought.layout.table
            );
            entities += self.count(&sql)?;
        }
        Ok(entities)
    }

    fn count(&self, sql: &str) -> Result<u64, StoreError> {
        Ok(self.read_one(sql, [], |row| read_unsigned(row, 0))?.unwrap_or_default())
    }
}
