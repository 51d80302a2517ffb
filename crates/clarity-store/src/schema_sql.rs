//! The tables of a store, as SQL, with what every column means.
//!
//! A released version is never edited: a later one appends its own SQL to [`MIGRATIONS`], and each
//! runs in one transaction. The tables of declared types are not here; they follow the schema file
//! (see [`crate::layout`]).
//!
//! Conventions of all tables:
//! - times are milliseconds since 1970 UTC, by the device's clock unless said otherwise;
//! - an entity's id is a 16-byte BLOB when its text is a lower-case hyphenated UUID, else TEXT;
//! - `Version`, `Seq` and other unsigned 64-bit numbers are kept with the same bits as signed ones;
//! - JSON is compact, with the names of an object in order.

/// Marks a SQLite file as a store of this program: "ClSy" in ASCII.
pub(crate) const APPLICATION_ID: i32 = 0x436c_5379;

/// The SQL that leads from each version to the next; the first makes an empty file a store.
pub(crate) const MIGRATIONS: [&str; 3] = [VERSION_1, VERSION_2, VERSION_3];

/// The latest version of the tables, as in `PRAGMA user_version`.
pub(crate) const LATEST_VERSION: u32 = MIGRATIONS.len() as u32;

/// The columns that every entity table has after its declared ones.
///
/// - `extra`: the fields that have no column or do not fit theirs exactly, as a JSON object;
///   NULL when there are none
/// - `version`: the version that the server last told of; 0 before it knows the entity
/// - `seq`: the position of that version in the account's log
/// - `updated_at`: when the server accepted it, by the server's clock
/// - `state`: 0 clean, 1 local operations wait, 2 deleted (a stub), 3 a local delete waits
/// - `accessed_at`: when the app last asked for it, recorded lazily; NULL means never
/// - `import_id`: the import that brought it; NULL for anything else
/// - `profile_id`: whose record it is, for a later version with several people; 0 is the owner
pub(crate) const ENTITY_TAIL_SQL: &str = "\
    extra TEXT,
    version INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    state INTEGER NOT NULL,
    accessed_at INTEGER,
    import_id INTEGER,
    profile_id INTEGER NOT NULL DEFAULT 0";

/// Version 1.
///
/// `meta`, one row: what this store is.
/// - `incarnation`: the row of `incarnation` that new operations carry
/// - `epoch`: the life of the server that versions belong to, 16 bytes; NULL before the first
/// - `account_id`, `device_id`: whom the server knows this store as; NULL before the first sign-in
/// - `profile_id`: the profile of new rows
/// - `created_at`: when the store was made
/// - `durable_through`: up to which position of the log the server has promised durability
///
/// `schema_file`, one row: the schema file that the entity tables follow.
/// - `version`: its version; `json`: its text
///
/// `declared_type`: the types that have a table of their own.
/// - `type`: its name; `rollup`: its roll-up declaration as JSON, or NULL
///
/// `declared_column`: the columns of those tables.
/// - `type`, `field`: which; `kind`: integer, number, text, boolean or json
///
/// `incarnation`: the lives of this store.
/// - `local`: a small number for it; `incarnation`: its 16 bytes; `made_at`: when it began
///
/// `entity_generic`: entities of undeclared types.
/// - `type`, `id`: the key; the rest as in [`ENTITY_TAIL_SQL`], all fields in `extra`
///
/// `confirmed`: what the server last told of an entity that has waiting operations.
/// - `type`, `id`: the key; `fields`: JSON, the last known ones when deleted, NULL when none
/// - `deleted`: 1 when the server has deleted it
/// - `version`, `seq`, `updated_at`: as in an entity table
///
/// `operation`: the queue.
/// - `counter`: its number, dense from 1, never used twice; `incarnation`: whose number it is
/// - `kind`: 0 create, 1 update, 2 delete; `type`, `id`: the entity
/// - `changes`: JSON array of field changes; NULL for a create that refers to its row
/// - `undelete`: 1 for a create whose writer knew that the entity was deleted
/// - `batch`: the first operation of its atomic batch; NULL outside one
/// - `schema`: the version of the schema file that it was made with; `made_at`: when
/// - `state`: 0 ready, 1 blocked, 2 in flight, 3 set aside, 4 failed, 5 conflicted
/// - `attempts`: how often it was tried and failed for a reason of its own
/// - `first_sent_at`: when its bytes may first have left; once set, it never changes
/// - `last_attempt_at`, `next_attempt_at`: when it was last sent, and not before when again
/// - `request`: the request that it travels in while in flight
/// - `carrier`: the operation whose bytes say it, itself or the one that it was merged into
/// - `frozen`: the bytes of a carrier as they were first sent; `error`: JSON of the last error
///
/// `operation_parent`: an operation waits for others. `child` waits for `parent`. The row stays
/// until the child is gone, so that a parent may leave first.
///
/// `queue_count`, one row: kept with the queue so that counting costs nothing.
/// - `next_counter`: what the next operation gets; the others: operations in each state
///
/// `ended`: operations that ended otherwise than by being applied as they were.
/// - `counter`: which; `outcome`: a word; `at`: when; `version`: that it led to, if any
/// - `resolved_by`: the operation that resolved it, if any
///
/// `conflict`: the inbox, at most one for each entity.
/// - `id`: its number; `type`, `entity`: the entity; `counter`: the first operation in conflict
/// - `opened_at`: when; `detail`: JSON of the engine
///
/// `history`: values that lost.
/// - `id`: its number; `at`: when; `type`, `entity`: the entity; `counter`: the operation, if any
/// - `cause`: why, one word; `detail`: JSON of the engine; `expires_at`: when it may go
///
/// `cursor_part`: how far this device has pulled.
/// - `part`: its number; `scope`: what it covers; `cursor`: the server's opaque text
/// - `caught_up`: 1 once it has reached the head; `pulled_at`: when, by the server's clock
///
/// `pull_stage`: pages that are shown together. `part`, `page`: which; `bytes`: the page.
///
/// `id_map`: ids that a backend gave. `type`, `local_id`, `server_id`.
///
/// `import`: runs of an import.
/// - `import_id`: its number; `source`: from where; `started_at`, `finished_at`: when
/// - `report`: JSON of what it did
///
/// `state`: named values of the engine. `name`; `value`: JSON.
///
/// `metric`: named sums. `name`; `value`.
///
/// `credential`, one row: how to sign in.
/// - `server`: its address; `name`: the account's name; `access_token`; `access_expires_at`: when
///   that ends; `refresh_token`
///
/// `rollup`: sums of one day.
/// - `type`, `kind`, `day`, `source`: which; `day` counts from 1970-01-01 UTC
/// - `count`, `sum`, `min`, `max`: of the values
///
/// `rollup_dirty`: days whose sums no longer hold. `type`, `kind`, `day`.
const VERSION_1: &str = concat!(
    include_str!("sql/version_1_identity.sql"),
    include_str!("sql/version_1_queue.sql"),
    include_str!("sql/version_1_engine.sql"),
);

/// Version 2, a file for each part of what it adds.
///
/// `id_map`, made anew: several local ids may lead to one entity. `type`, `local_id`; `server_id`:
/// the id that the entity has now.
///
/// `unmet_reference`: an entity that names another one which the server does not know yet.
/// - `type`, `id`: the one that is named; `from_type`, `from_id`: the one that names it
///
/// `operation`, a further column.
/// - `rounds`: how often the entity had moved on at a backend that does not merge
///
/// `operation_revert`: an operation that takes back another one, which is on its way.
/// - `operation`: the one that waits behind it; `reverts`: the one on its way
///
/// `history`: one more column.
/// - `undone_by`: the operation that brought the value back; NULL when none did
/// - `expires_at` is for showing: what is old is found by the server's time (`ageing` in `state`)
///
/// `wanted_key`: entities to fetch.
/// - `number`: the order in which they were wanted; `type`, `id`: the key
/// - `request`: the request that asks for it; NULL while it waits
/// - `refused`: why the server will not give it, in words; NULL for one that waits
///
/// `wanted_range`: stretches of time to fetch.
/// - `number`: its number; `type`: of which type
/// - `from_ms`, `to_ms`: the first time in it and the first after it; NULL for without end
/// - `rank`: what is smaller goes first, 0 is by name; `rows`: how many rows of it have come
/// - `after`: where the last answer broke off, JSON of the engine; NULL at the beginning
/// - `request`, `refused`: as in `wanted_key`
///
/// `source`: health sources.
/// - `source`: its name for ever; `name`: what people call it; `state`: JSON of the engine
/// - `updated_at`: when that was written
///
/// `source_alias`: what a source calls an entity.
/// - `source`, `external`: its name there; `type`, `id`: the entity
/// - `version`: the source's version that was imported last; `round`: the number of the last
///   comparison that saw it; `gone`: 1 when the source said that it no longer has it, 2 when it
///   said so of something that was given up for space, which is deleted when it is here again
///
/// `kept`: entities with a priority of their own instead of their type's.
/// - `type`, `id`: which; `priority`: 0 low, 1 normal, 2 high, 3 critical
///
/// `month_access`: when samples of a month were last asked for or arrived.
/// - `type`, `month`: which; `month` counts from January of the year 0
/// - `accessed_at`: when, by the server's clock
///
/// `evicted_entity`: single entities that the server has and this device gave up for space.
/// - `type`, `id`: which; `version`: the newest that was heard of
/// - `evicted_at`: when, by the server's clock; `reason`: 0 the budget, 1 the age
/// - `kind`, `time_ms`, `source`, `value`: what it adds to the daily roll-ups; `kind` is NULL when
///   nothing
///
/// `evicted_month`: months of samples of which some were given up.
/// - `type`, `month`: which; a sample's month is that of the time in its id
/// - `count`: how many; `from_ms`, `to_ms`: between which times of their own, the end not included
/// - `stale`: 1 when one of them was changed or deleted since, so that the roll-ups may not hold
/// - `evicted_since`: 1 when some were given up since the whole of it was last wanted
/// - `evicted_at`, `reason`: as above
///
/// `evicted_digest`: what those samples were, 5 bytes for each, so that the same sample is known
/// when it is imported again.
/// - `type`, `month`, `chunk`: which part; `hashes`: of id and fields, one after the other
///
/// `evicted_rollup`: what those samples add to the sums of their days.
/// - `type`, `kind`, `day`, `source`, `count`, `sum`, `min`, `max`: as in `rollup`
/// - `month`: the month of the marker that they belong to
///
/// `eviction`: the latest evictions, for people.
/// - `id`: its number; `at`: when, by the server's clock; `reason`: as above
/// - `type`, `month`: what; `month` is NULL for single entities
/// - `count`: how many; `bytes`: how many bytes of the file they took
///
/// `declared_type`, one more column.
/// - `part`: which of its two names the type's table has, `entity_T` or `entity_T.1`; while rows
///   are brought from one into the other there are both
///
/// `schema_work`: what is left to do after the schema has changed.
/// - `type`: for which type
/// - `source`: the table that rows are brought from, NULL once all are; `columns`: its declared
///   columns, JSON; `since`: the version of the schema that these rows are of
/// - `fill`: new columns that are filled from `extra`, JSON; `after`: the last row that was looked
///   at
///
/// `confirmed`, `conflict`, `history`: one more column.
/// - `schema`: the version of the schema file that the fields in it are of
const VERSION_2: &str = concat!(
    include_str!("sql/version_2_storage.sql"),
    include_str!("sql/version_2_scopes.sql"),
    include_str!("sql/version_2_inbox.sql"),
    include_str!("sql/version_2_sources.sql"),
    include_str!("sql/version_2_life.sql"),
    include_str!("sql/version_2_ids.sql"),
    include_str!("sql/version_2_schema.sql"),
);

/// Version 3.
///
/// `lost_entity`: entities that the server lost when it was restored, and that this device gives
/// back as it has them.
/// - `type`, `id`: which; `epoch`: the life of the server that its version belongs to, 16 bytes
const VERSION_3: &str = include_str!("sql/version_3.sql");
