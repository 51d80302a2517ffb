//! What a server lost when it was restored from a backup, and must have again at the end: promise
//! I13.

use clarity_engine::protocol::model::{EntityKey, Fields, Version};
use clarity_store::RowState;

use super::device::unexpected;
use super::stage::{Violation, ensure};
use super::world::World;

/// An entity that a device has in a version that the restored server does not know.
#[derive(Debug)]
pub(crate) struct Lost {
    device: usize,
    key: EntityKey,
    version: Version,
    /// None when it was deleted.
    fields: Option<Fields>,
}

impl World {
    /// Takes note of what the server has just lost of what devices have.
    pub(super) fn note_lost(&mut self) -> Result<(), Violation> {
        self.lost.clear();
        for device in &self.devices {
            let kept = self.server.entities(device.account)?;
            for (key, row) in &device.model.rows {
                let fields = match row.state {
                    RowState::Clean => Some(row.fields.clone()),
                    RowState::Deleted => None,
                    RowState::Pending | RowState::PendingDelete => continue,
                };
                let version = kept.get(key).map(|kept| kept.version).unwrap_or_default();
                if row.version > version {
                    let (device, key, version) = (device.index, key.clone(), row.version);
                    self.lost.push(Lost { device, key, version, fields });
                }
            }
        }
        Ok(())
    }

    /// What a device had is at the server again, or gave way to what was made there since and is in
    /// the device's history.
    pub(super) fn lost_came_back(&mut self) -> Result<(), Violation> {
        for Lost { device, key, version, fields } in std::mem::take(&mut self.lost) {
            let there = &mut self.devices[device];
            let account = there.account;
            let scope = there.scope()?;
            let is_away = there.given_up()?.keys().any(|away| *away == key);
            let is_followed = scope.follows(key.entity_type.as_str())
                && !scope.windows.contains_key(&key.entity_type);
            // What was given up before the device heard of the restore is nowhere any more.
            if self.ledgers[account].is_set_back || is_away || !is_followed {
                continue;
            }
            let in_history = there.has_history(&key).map_err(unexpected)?;
            let entities = self.server.entities(account)?;
            let found = entities.get(&key);
            let is_there = found.is_some_and(|found| {
                let same = fields.is_none() == found.deleted
                    && fields.as_ref().is_none_or(|fields| *fields == found.fields);
                found.version > version || (found.version == version && same)
            });
            ensure(is_there || in_history, "I13", || {
                let found = found.map(|found| (found.version, found.deleted));
                format!(
                    "device {device} had version {version} of {key}, which the server lost; it has \
                     {found:?}"
                )
            })?;
        }
        Ok(())
    }
}
