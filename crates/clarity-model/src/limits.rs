//! The named limits of the system (promise I15).
//!
//! At a limit the caller gets an error; nothing is dropped. Sizes are bytes of compact JSON.

/// Largest entity: 256 KiB of compact JSON fields.
pub const ENTITY_BYTES_MAX: usize = 256 * 1024;
/// Largest wire operation: 512 KiB of compact JSON.
pub const OPERATION_BYTES_MAX: usize = 512 * 1024;
/// Most wire operations in one push request.
pub const PUSH_OPERATIONS_MAX: usize = 1_000;
/// Most bytes of operations in one push request; a single larger operation travels alone.
pub const PUSH_BYTES_MAX: usize = 1024 * 1024;
/// Largest request body that the server decompresses: one push of the largest size plus envelope.
pub const REQUEST_BYTES_MAX: usize = 2 * 1024 * 1024;
/// Most rows in one pull page.
pub const PAGE_ROWS_MAX: usize = 5_000;
/// Most bytes of rows in one pull page; a single larger row travels alone.
pub const PAGE_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Most entities that one fetch names.
pub const FETCH_KEYS_MAX: usize = 1_000;
/// Most stretches of time that one fetch names.
pub const FETCH_RANGES_MAX: usize = 100;
/// Largest fetch request: the most keys of the longest form, and the most ranges.
pub const FETCH_REQUEST_BYTES_MAX: usize = 512 * 1024;
/// Largest response body that a device decompresses: the largest page plus envelope.
pub const RESPONSE_BYTES_MAX: usize = 8 * 1024 * 1024;
/// Deepest nesting of JSON arrays and objects inside a field.
pub const JSON_DEPTH_MAX: usize = 32;
/// Longest text that the three-way merge accepts; longer texts go to the conflict inbox.
pub const TEXT_MERGE_BYTES_MAX: usize = 64 * 1024;
/// Most line comparisons that one text merge may cost, so that it is bounded without a clock.
pub const TEXT_MERGE_WORK_MAX: usize = 16_000_000;
/// Longest entity type name.
pub const ENTITY_TYPE_BYTES_MAX: usize = 64;
/// Longest entity id.
pub const ENTITY_ID_BYTES_MAX: usize = 128;
/// Longest field name.
pub const FIELD_NAME_BYTES_MAX: usize = 128;
/// Most operations that one wire operation may cover by coalescing.
pub const COVERED_OPERATIONS_MAX: usize = 1_000;
/// Most operations in one atomic batch: it must fit into one request.
pub const ATOMIC_BATCH_OPERATIONS_MAX: usize = PUSH_OPERATIONS_MAX;
/// Most rows that an incremental pull collects before it shows them together.
pub const ATOMIC_PULL_ROWS_MAX: u64 = 10_000;
/// Largest schema file.
pub const SCHEMA_BYTES_MAX: usize = 1024 * 1024;
/// Most steps in all migrations of a schema together.
pub const MIGRATION_STEPS_MAX: usize = 1_000;
/// Most values that one step maps.
pub const MAPPED_VALUES_MAX: usize = 1_000;
/// Highest version of an entity that a device gives back to a server that lost it: 2^40, more
/// changes than a device could make in its life, and far from where numbers end.
pub const VERSION_GIVEN_BACK_MAX: u64 = 1 << 40;
