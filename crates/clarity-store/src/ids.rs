//! Ids that a backend gave: one entity under several names, and its move from one to another.

use clarity_model::{Counter, EntityId, EntityKey, EntityType};
use rusqlite::params;

use crate::entity::bind_key;
use crate::error::StoreError;
use crate::transaction::StoreTransaction;
use crate::value::{IdValue, read_id, read_key, read_unsigned, signed};

/// Where entities are named besides their own tables: the table, and its columns with type and id.
/// A test looks for columns that are missing here.
const NAMED_IN: [(&str, &str, &str); 10] = [
    ("confirmed", "type", "id"),
    ("operation", "type", "id"),
    ("conflict", "type", "entity"),
    ("history", "type", "entity"),
    ("unmet_reference", "type", "id"),
    ("unmet_reference", "from_type", "from_id"),
    ("source_alias", "type", "id"),
    ("wanted_key", "type", "id"),
    ("kept", "type", "id"),
    ("lost_entity", "type", "id"),
];

impl StoreTransaction<'_> {
    /// Keeps the id that a backend gave to an entity. Names that led to the local id lead to the
    /// new one from now on; several local ids may lead to one entity.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn put_id_map(
        &mut self,
        entity_type: &EntityType,
        local_id: &EntityId,
        server_id: &EntityId,
    ) -> Result<(), StoreError> {
        let (local, server) = (IdValue::of(local_id), IdValue::of(server_id));
        let entity_type = entity_type.as_str();
        self.execute(
            "DELETE FROM id_map WHERE type = ?1 AND local_id = ?2",
            params![entity_type, server],
        )?;
        self.execute(
            "UPDATE id_map SET server_id = ?3 WHERE type = ?1 AND server_id = ?2",
            params![entity_type, local, server],
        )?;
        self.execute(
            "INSERT OR REPLACE INTO id_map (type, local_id, server_id) VALUES (?1, ?2, ?3)",
            params![entity_type, local, server],
        )?;
        Ok(())
    }

    /// Whether a backend has ever given an id to an entity of this store.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn has_given_ids(&self) -> Result<bool, StoreError> {
        Ok(self.read_one("SELECT 1 FROM id_map LIMIT 1", [], |_| Ok(()))?.is_some())
    }

    /// The id that a backend gave to an entity, by the local one.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn server_id_of(&self, local: &EntityKey) -> Result<Option<EntityId>, StoreError> {
        self.read_one(
            "SELECT server_id FROM id_map WHERE type = ?1 AND local_id = ?2",
            params![local.entity_type.as_str(), IdValue::of(&local.id)],
            |row| read_id(row.get_ref(0)?, "id_map"),
        )
    }

    /// The key that an entity has now: the one that a backend gave, or the same.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn present_key(&self, key: &EntityKey) -> Result<EntityKey, StoreError> {
        let given = self.server_id_of(key)?;
        Ok(match given {
            Some(id) => EntityKey { entity_type: key.entity_type.clone(), id },
            None => key.clone(),
        })
    }

    /// The local ids under which an entity was known before, by the one that a backend gave.
    ///
    /// # Errors
    /// When they cannot be read.
    pub fn local_ids_of(&self, server: &EntityKey) -> Result<Vec<EntityId>, StoreError> {
        self.read_all(
            "SELECT local_id FROM id_map WHERE type = ?1 AND server_id = ?2 ORDER BY local_id",
            params![server.entity_type.as_str(), IdValue::of(&server.id)],
            |row| read_id(row.get_ref(0)?, "id_map"),
        )
    }

    /// Moves an entity with everything that names it to another id. Where the new id has a row, a
    /// confirmed state or a conflict of its own, that one stays and the moved one goes; queue and
    /// history become one, and the higher priority counts.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn move_entity(&mut self, from: &EntityKey, to: &EntityId) -> Result<(), StoreError> {
        let target = EntityKey { entity_type: from.entity_type.clone(), id: to.clone() };
        self.bring(from)?;
        let priority = self.kept(from)?.max(self.kept(&target)?);
        self.set_kept(&target, priority)?;
        if self.entity(&target)?.is_some() {
            self.remove_entity(from)?;
        } else {
            // What was given up under the new id is here again with the row that moves there.
            self.remove_evicted_entity(&target)?;
            let layout = self.shared.layouts.of(&from.entity_type);
            let mut statement = self.prepared(&layout.set_id)?;
            let next = bind_key(&mut statement, layout, from)?;
            statement.raw_bind_parameter(next, IdValue::of(to))?;
            statement.raw_execute()?;
        }
        let (entity_type, id) = (from.entity_type.as_str(), IdValue::of(&from.id));
        for (table, of_type, of_id) in NAMED_IN {
            let rename = format!(
                "UPDATE OR IGNORE {table} SET {of_id} = ?3 WHERE {of_type} = ?1 AND {of_id} = ?2"
            );
            self.execute(&rename, params![entity_type, id, IdValue::of(to)])?;
            let rest = format!("DELETE FROM {table} WHERE {of_type} = ?1 AND {of_id} = ?2");
            self.execute(&rest, params![entity_type, id])?;
        }
        Ok(())
    }

    /// Notes that an entity names another one that the server does not know yet.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn add_unmet_reference(
        &mut self,
        to: &EntityKey,
        from: &EntityKey,
    ) -> Result<(), StoreError> {
        self.execute(
            "INSERT OR IGNORE INTO unmet_reference (type, id, from_type, from_id)
             VALUES (?1, ?2, ?3, ?4)",
            params![
                to.entity_type.as_str(),
                IdValue::of(&to.id),
                from.entity_type.as_str(),
                IdValue::of(&from.id),
            ],
        )?;
        Ok(())
    }

    /// The entities that name, or once named, this one before the server knew it.
    ///
    /// # Errors
    /// When they cannot be read.
    pub fn unmet_references(&self, to: &EntityKey) -> Result<Vec<EntityKey>, StoreError> {
        self.read_all(
            "SELECT from_type, from_id FROM unmet_reference WHERE type = ?1 AND id = ?2
             ORDER BY from_type, from_id",
            params![to.entity_type.as_str(), IdValue::of(&to.id)],
            |row| read_key(row, 0, "unmet_reference"),
        )
    }

    /// Forgets who names an entity, once the server knows it.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn clear_unmet_references(&mut self, to: &EntityKey) -> Result<(), StoreError> {
        self.execute(
            "DELETE FROM unmet_reference WHERE type = ?1 AND id = ?2",
            params![to.entity_type.as_str(), IdValue::of(&to.id)],
        )?;
        Ok(())
    }

    /// The create that waits in the lane of an entity, the newest if there are several.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn create_of(&self, key: &EntityKey) -> Result<Option<Counter>, StoreError> {
        self.read_one(
            "SELECT counter FROM operation INDEXED BY operation_by_lane
             WHERE type = ?1 AND id = ?2 AND kind = 0 ORDER BY counter DESC LIMIT 1",
            params![key.entity_type.as_str(), IdValue::of(&key.id)],
            |row| read_unsigned(row, 0).map(Counter),
        )
    }

    /// Sets how often the entity had moved on at the server when this operation arrived; false
    /// when it is not in the queue.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn set_operation_rounds(
        &mut self,
        counter: Counter,
        rounds: u32,
    ) -> Result<bool, StoreError> {
        let sql = "UPDATE operation SET rounds = ?2 WHERE counter = ?1";
        Ok(self.execute(sql, params![signed(counter.0), rounds])? == 1)
    }
}

#[cfg(test)]
mod tests {
    use rusqlite::Connection;

    use super::NAMED_IN;
    use crate::schema_sql::MIGRATIONS;

    /// Shows that a move to another id reaches every table that names entities.
    #[test]
    fn a_move_reaches_every_table() {
        let connection = Connection::open_in_memory().expect("a database");
        for migration in MIGRATIONS {
            connection.execute_batch(migration).expect("the tables");
        }
        let columns = "SELECT tables.name, columns.name, columns.type FROM sqlite_master AS tables, \
                       pragma_table_info(tables.name) AS columns WHERE tables.type = 'table'";
        let mut statement = connection.prepare(columns).expect("a query");
        let mut rows = statement.query([]).expect("the columns");
        let mut found = 0;
        while let Some(row) = rows.next().expect("a row") {
            let read = |at| row.get::<_, String>(at).expect("a text");
            let (table, column, kind) = (read(0), read(1), read(2));
            // An id of an entity is a BLOB or a TEXT, so its column is declared as ANY; `id_map`
            // is what tells the names apart, and what was given up has no row that could move.
            let stays = ["entity_generic", "id_map", "evicted_entity"].contains(&&*table);
            if kind != "ANY" || stays {
                continue;
            }
            found += 1;
            let is_moved = NAMED_IN.iter().any(|(of, _, id)| (*of, *id) == (&*table, &*column));
            assert!(is_moved, "{table}.{column} names entities and is not moved with them");
        }
        assert_eq!(found, NAMED_IN.len());
    }
}
