//! The planted bugs of a device: mistakes that a driver could make.

use clarity_engine::{Event, Response};
use clarity_store::{OperationState, RowState, Store, StoreError, StoreTransaction, StoredEntity};

use super::device::{Device, Stepped, unexpected};
use super::model;
use super::plant::Plant;
use super::stage::{Stage, Violation};

impl Device {
    /// The planted bug: the cursor of a page moves in a transaction of its own.
    pub(super) fn commit_cursor_alone(
        &mut self,
        store: &mut Store,
        events: &[Event],
    ) -> Result<Option<Stepped>, StoreError> {
        let mut transaction = store.begin()?;
        for event in events {
            let Event::RequestFinished { result: Ok(Response::Pull(page)), .. } = event else {
                continue;
            };
            let parts = transaction.cursor_parts()?;
            let Some(mut part) = parts.into_iter().next() else { continue };
            part.cursor = serde_json::to_string(&page.cursor).ok();
            transaction.put_cursor_part(&part)?;
        }
        transaction.commit()?;
        // And before the rows can follow, the program ends.
        Ok(None)
    }

    /// The planted bugs of housekeeping and of taking in rows.
    pub(super) fn be_careless(
        &self,
        stage: &mut Stage,
        transaction: &mut StoreTransaction<'_>,
    ) -> Result<(), StoreError> {
        let waiting = || self.model.queue.values().next().map(|waiting| waiting.key.clone());
        match stage.plant {
            Some(Plant::PrunePendingRow) if stage.dice.chance(50) => {
                let operations = model::read_queue(transaction)?;
                if let Some(operation) = operations.values().next() {
                    transaction.remove_entity(&operation.key)?;
                }
            }
            Some(Plant::ForgetEvictedRow) if stage.dice.chance(50) => {
                let rows = self.model.rows.iter();
                let mut clean = rows.filter(|(_, row)| row.state == RowState::Clean);
                if let Some((key, _)) = clean.next_back() {
                    transaction.remove_entity(key)?;
                }
            }
            Some(Plant::PullOverPending) if stage.dice.chance(100) => {
                let Some(key) = waiting() else { return Ok(()) };
                let Some(there) = transaction.confirmed(&key)? else { return Ok(()) };
                if let Some(row) = transaction.entity(&key)? {
                    let row = StoredEntity { fields: there.fields, ..row };
                    transaction.put_entity(&key, &row)?;
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// The planted bug: what ran out of time is taken out of the queue.
    pub(super) fn give_up_unheard(&mut self) -> Result<(), Violation> {
        let Some(store) = &mut self.store else { return Ok(()) };
        let mut transaction = store.begin().map_err(unexpected)?;
        let operations = model::read_queue(&transaction).map_err(unexpected)?;
        let sent = operations.values().filter(|operation| operation.first_sent_at.is_some());
        for operation in sent {
            transaction.remove_operation(operation.counter).map_err(unexpected)?;
        }
        transaction.commit().map_err(unexpected)
    }

    /// The planted bug: what was sent and not heard of gets another number.
    pub(crate) fn renumber_unheard(&mut self) -> Result<(), Violation> {
        let Some(store) = &mut self.store else { return Ok(()) };
        let mut transaction = store.begin().map_err(unexpected)?;
        let operations = model::read_queue(&transaction).map_err(unexpected)?;
        for (counter, operation) in operations {
            if operation.first_sent_at.is_none() || operation.state != OperationState::Ready {
                continue;
            }
            let new = transaction.renumber(counter).map_err(unexpected)?;
            if let Some(fate) = self.model.fates.remove(&counter) {
                self.model.fates.insert(new, fate);
            }
        }
        let operations = model::read_queue(&transaction).map_err(unexpected)?;
        self.model.queue = model::waiting(&transaction, &operations).map_err(unexpected)?;
        transaction.commit().map_err(unexpected)
    }
}
