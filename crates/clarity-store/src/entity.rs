//! Entities: the rows that the app reads.

use clarity_model::{EntityId, EntityKey, EntityType, Fields, Seq, ServerTime, Version};
use rusqlite::{Row, Statement, params};

use crate::error::StoreError;
use crate::layout::TypeLayout;
use crate::transaction::StoreTransaction;
use crate::value::{
    ExtraWriter, IdValue, TextBytes, column_value, read_column, read_fields, read_id, read_type,
    read_unsigned, row_limit, signed,
};

/// What a row stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum RowState {
    /// As the server told.
    Clean = 0,
    /// Local operations wait.
    Pending = 1,
    /// The stub of a delete that the server knows.
    Deleted = 2,
    /// A local delete waits.
    PendingDelete = 3,
}

impl RowState {
    /// Whether the app sees the entity.
    #[must_use]
    pub fn is_visible(self) -> bool {
        matches!(self, Self::Clean | Self::Pending)
    }

    /// Whether local operations wait.
    #[must_use]
    pub fn is_pending(self) -> bool {
        matches!(self, Self::Pending | Self::PendingDelete)
    }

    fn read(number: i64) -> Result<Self, StoreError> {
        Ok(match number {
            0 => Self::Clean,
            1 => Self::Pending,
            2 => Self::Deleted,
            3 => Self::PendingDelete,
            _ => return Err(StoreError::InvalidValue { table: "entity", column: "state" }),
        })
    }
}

/// An entity as it is stored. `Debug` hides the values of its fields.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredEntity {
    /// What the app sees; empty when it is deleted.
    pub fields: Fields,
    /// The version that the server last told of; zero before it knows the entity.
    pub version: Version,
    /// The position of that version in the account's log.
    pub seq: Seq,
    /// When the server accepted that version.
    pub updated_at: ServerTime,
    /// What the row stands for.
    pub state: RowState,
    /// The import that brought it.
    pub import_id: Option<i64>,
}

/// Which entities to list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListOptions {
    /// Begin after this id; from the first when absent.
    pub after: Option<EntityId>,
    /// At most so many.
    pub limit: usize,
    /// Whether stubs of deleted entities are listed too.
    pub include_deleted: bool,
}

impl Default for ListOptions {
    /// The first thousand that are not deleted.
    fn default() -> Self {
        Self { after: None, limit: 1_000, include_deleted: false }
    }
}

impl StoreTransaction<'_> {
    /// One entity.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn entity(&self, key: &EntityKey) -> Result<Option<StoredEntity>, StoreError> {
        let layout = self.shared.layouts.of(&key.entity_type);
        let mut statement = self.prepared(&layout.select)?;
        bind_key(&mut statement, layout, key)?;
        let mut rows = statement.raw_query();
        rows.next()?.map(|row| read_entity(layout, row)).transpose()
    }

    /// Inserts an entity or replaces it; when it was last accessed, and whose it is, stay. A
    /// deleted entity is stored without fields.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn put_entity(&mut self, key: &EntityKey, entity: &StoredEntity) -> Result<(), StoreError> {
        self.bring(key)?;
        self.leave_evicted_day(key, Some(entity))?;
        self.mark_row_dirty(key)?;
        self.mark_fields_dirty(key, entity);
        let layout = self.shared.layouts.of(&key.entity_type);
        let mut statement = self.prepared(&layout.upsert)?;
        bind_entity(&mut statement, layout, key, entity)?;
        statement.raw_execute()?;
        Ok(())
    }

    /// Inserts an entity; false, and nothing changed, when there is one or the stub of one.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn insert_entity(
        &mut self,
        key: &EntityKey,
        entity: &StoredEntity,
    ) -> Result<bool, StoreError> {
        self.bring(key)?;
        let layout = self.shared.layouts.of(&key.entity_type);
        let mut statement = self.prepared(&layout.insert)?;
        bind_entity(&mut statement, layout, key, entity)?;
        let inserted = statement.raw_execute()? == 1;
        if inserted {
            self.mark_fields_dirty(key, entity);
        }
        Ok(inserted)
    }

    /// Removes an entity or its stub, with no trace; false when there was none.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn remove_entity(&mut self, key: &EntityKey) -> Result<bool, StoreError> {
        self.bring(key)?;
        self.leave_evicted_day(key, None)?;
        self.mark_row_dirty(key)?;
        let layout = self.shared.layouts.of(&key.entity_type);
        let mut statement = self.prepared(&layout.delete)?;
        bind_key(&mut statement, layout, key)?;
        Ok(statement.raw_execute()? == 1)
    }

    /// Moves an entity to what the server acknowledged, touching no field; false when there is
    /// none.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn set_entity_version(
        &mut self,
        key: &EntityKey,
        version: Version,
        seq: Seq,
        updated_at: ServerTime,
        state: RowState,
    ) -> Result<bool, StoreError> {
        self.bring(key)?;
        let layout = self.shared.layouts.of(&key.entity_type);
        let run = |sql: &str| {
            let mut statement = self.prepared(sql)?;
            let next = bind_key(&mut statement, layout, key)?;
            statement.raw_bind_parameter(next, state as i64)?;
            statement.raw_bind_parameter(next + 1, signed(version.0))?;
            statement.raw_bind_parameter(next + 2, signed(seq.0))?;
            statement.raw_bind_parameter(next + 3, updated_at.0)?;
            Ok::<_, StoreError>(statement.raw_execute()? == 1)
        };
        if layout.rollup.is_none() {
            return run(&layout.set_version);
        }
        // The sums of a day count visible rows only.
        if run(&layout.set_version_same_visibility)? {
            return Ok(true);
        }
        let changed = run(&layout.set_version)?;
        self.mark_row_dirty(key)?;
        Ok(changed)
    }

    /// Sets only the position in the log; false when there is no such entity.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn set_entity_seq(&mut self, key: &EntityKey, seq: Seq) -> Result<bool, StoreError> {
        self.bring(key)?;
        let layout = self.shared.layouts.of(&key.entity_type);
        let mut statement = self.prepared(&layout.set_seq)?;
        let next = bind_key(&mut statement, layout, key)?;
        statement.raw_bind_parameter(next, signed(seq.0))?;
        Ok(statement.raw_execute()? == 1)
    }

    /// Entities of a type in the order of their ids: first other texts, then UUIDs.
    ///
    /// # Errors
    /// When they cannot be read.
    pub fn list_entities(
        &self,
        entity_type: &EntityType,
        options: &ListOptions,
    ) -> Result<Vec<(EntityKey, StoredEntity)>, StoreError> {
        let layout = self.shared.layouts.of(entity_type);
        // The empty text comes before every id.
        let after = options.after.as_ref().map_or(IdValue::Text(""), IdValue::of);
        let states = if options.include_deleted { 4 } else { 2 };
        let limit = row_limit(options.limit);
        self.read_all(&layout.list, params![entity_type.as_str(), after, states, limit], |row| {
            read_keyed_entity(entity_type, layout, row)
        })
    }

    /// How many entities of a type the app sees. It takes time in proportion to their number.
    ///
    /// # Errors
    /// When they cannot be read.
    pub fn count_entities(&self, entity_type: &EntityType) -> Result<u64, StoreError> {
        let layout = self.shared.layouts.of(entity_type);
        let count =
            self.read_one(&layout.count, [entity_type.as_str()], |row| read_unsigned(row, 0))?;
        Ok(count.unwrap_or_default())
    }

    /// The types that have entities or stubs here, in order.
    ///
    /// # Errors
    /// When they cannot be read.
    pub fn entity_types(&self) -> Result<Vec<EntityType>, StoreError> {
        let mut types = Vec::new();
        for (entity_type, layout) in &self.shared.layouts.types {
            let sql = format!("SELECT 1 FROM {} LIMIT 1", layout.from);
            if self.read_one(&sql, [], |_| Ok(()))?.is_some() {
                types.push(entity_type.clone());
            }
        }
        // From type to type by the key, so that the rows of one are not all walked.
        const NEXT: &str = "SELECT min(type) FROM entity_generic WHERE type > ?1";
        let mut last = String::new();
        loop {
            let next = self.read_one(NEXT, [&last], |row| match row.get_ref(0)? {
                rusqlite::types::ValueRef::Null => Ok(None),
                value => read_type(value, "entity_generic").map(Some),
            })?;
            let Some(entity_type) = next.flatten() else { break };
            last = entity_type.as_str().to_owned();
            types.push(entity_type);
        }
        types.sort();
        // A type whose rows are being brought out of the generic table was met twice.
        types.dedup();
        Ok(types)
    }
}

/// Binds a key as the first parameters; says which parameter comes next.
pub(crate) fn bind_key(
    statement: &mut Statement<'_>,
    layout: &TypeLayout,
    key: &EntityKey,
) -> Result<usize, StoreError> {
    statement.raw_bind_parameter(1, IdValue::of(&key.id))?;
    if layout.generic {
        statement.raw_bind_parameter(2, key.entity_type.as_str())?;
    }
    Ok(layout.key_parameters() + 1)
}

/// Binds a whole row. What is not bound is NULL.
pub(crate) fn bind_entity(
    statement: &mut Statement<'_>,
    layout: &TypeLayout,
    key: &EntityKey,
    entity: &StoredEntity,
) -> Result<(), StoreError> {
    let first = bind_key(statement, layout, key)?;
    let mut extra = ExtraWriter::default();
    if entity.state.is_visible() {
        // Fields and columns are both in the order of their names.
        let mut columns = layout.columns.iter().enumerate().peekable();
        for (name, value) in entity.fields.iter() {
            while columns.next_if(|(_, column)| column.name < *name).is_some() {}
            let placed = columns
                .next_if(|(_, column)| column.name == *name)
                .and_then(|(at, column)| Some((at, column_value(column.kind, value)?)));
            match placed {
                Some((at, value)) => statement.raw_bind_parameter(first + at, value)?,
                None => extra.push(name, value)?,
            }
        }
    }
    let next = first + layout.columns.len();
    let extra = extra.finish();
    statement.raw_bind_parameter(next, TextBytes(extra.as_deref()))?;
    statement.raw_bind_parameter(next + 1, signed(entity.version.0))?;
    statement.raw_bind_parameter(next + 2, signed(entity.seq.0))?;
    statement.raw_bind_parameter(next + 3, entity.updated_at.0)?;
    statement.raw_bind_parameter(next + 4, entity.state as i64)?;
    statement.raw_bind_parameter(next + 5, entity.import_id)?;
    Ok(())
}

/// Reads the columns of [`TypeLayout::select_columns`].
pub(crate) fn read_entity(layout: &TypeLayout, row: &Row<'_>) -> Result<StoredEntity, StoreError> {
    let next = layout.columns.len();
    let mut fields = read_fields(row.get_ref(next)?, "entity", "extra")?;
    for (at, column) in layout.columns.iter().enumerate() {
        if let Some(value) = read_column(column.kind, row.get_ref(at)?)? {
            fields.insert(column.name.clone(), value);
        }
    }
    Ok(StoredEntity {
        fields: Fields(fields),
        version: Version(read_unsigned(row, next + 1)?),
        seq: Seq(read_unsigned(row, next + 2)?),
        updated_at: ServerTime(row.get(next + 3)?),
        state: RowState::read(row.get(next + 4)?)?,
        import_id: row.get(next + 5)?,
    })
}

/// Reads an entity together with its id.
pub(crate) fn read_keyed_entity(
    entity_type: &EntityType,
    layout: &TypeLayout,
    row: &Row<'_>,
) -> Result<(EntityKey, StoredEntity), StoreError> {
    let id = read_id(row.get_ref(layout.columns.len() + 6)?, "entity")?;
    let key = EntityKey { entity_type: entity_type.clone(), id };
    Ok((key, read_entity(layout, row)?))
}
