//! The content of the golden file: something in every table.

use std::fmt::Write;
use std::sync::Arc;

use clarity_model::{
    Counter, EntityKey, EntityType, Epoch, FieldChange, Fields, Incarnation, Kind, LocalTime,
    Schema, Seq, ServerTime, Version,
};
use clarity_store::{
    Birth, ConfirmedEntity, Credentials, CursorPart, Ended, EndedAs, ListOptions, NewHistory,
    NewOperation, OperationError, OperationState, RequestId, RowState, StoreError,
    StoreTransaction, StoredEntity,
};
use serde_json::{Value, json};

/// What the golden store was born with.
pub(crate) const BIRTH: Birth = Birth {
    incarnation: Incarnation(0x0011_2233_4455_6677_8899_aabb_ccdd_eeff),
    now: LocalTime(1_700_000_000_000),
};

/// A schema of its own, so that a change of the shipped one does not touch the golden file.
pub(crate) fn schema() -> Result<Arc<Schema>, StoreError> {
    let text = json!({
        "format": 1, "name": "golden", "version": 1,
        "types": {"Sample": {
            "fields": {
                "metric": {"column": "text"}, "source": {"column": "text"},
                "start_ms": {"column": "integer"}, "value": {"column": "number"},
                "flag": {"column": "boolean"}, "details": {"column": "json"}
            },
            "indexes": [["metric", "start_ms"]],
            "rollup": {
                "kind": "metric", "source": "source", "time_ms": "start_ms", "value": "value"
            }
        }}
    });
    let unreadable = StoreError::NotJson { table: "schema_file", column: "json" };
    Schema::from_json(&text.to_string()).map(Arc::new).map_err(|_| unreadable)
}

fn key(entity_type: &str, id: &str) -> Result<EntityKey, StoreError> {
    let invalid = StoreError::InvalidValue { table: "entity", column: "id" };
    EntityKey::new(entity_type, id).map_err(|_| invalid)
}

fn fields(value: &Value) -> Fields {
    let pairs = value.as_object().into_iter().flatten();
    pairs.map(|(name, value)| (name.clone(), value.clone())).collect()
}

const FIRST: &str = "018bcfe5-6800-7000-8000-000000000001";
const SECOND: &str = "018bcfe5-6800-8000-8000-000000000002";

/// Puts something into every table. Doing it twice is allowed.
pub(crate) fn fill(transaction: &mut StoreTransaction<'_>) -> Result<(), StoreError> {
    fill_entities(transaction)?;
    fill_queue(transaction)?;
    let (first, note) = (key("Sample", FIRST)?, key("Undeclared", "preferences")?);
    let now = LocalTime(1_700_000_002_000);
    transaction.put_conflict(&note, Counter(3), now, &json!({"fields": ["theme"]}))?;
    transaction.add_history(&NewHistory {
        at: now,
        key: first.clone(),
        counter: Some(Counter(1)),
        cause: "superseded".to_owned(),
        detail: json!({"value": 71}),
        expires_at: LocalTime(1_702_592_002_000),
    })?;
    let ended = Ended {
        outcome: EndedAs::Merged,
        at: now,
        version: Some(Version(5)),
        resolved_by: Some(Counter(2)),
    };
    transaction.record_ended(Counter(1), &ended)?;
    transaction.put_cursor_part(&CursorPart {
        part: 1,
        scope: "all".to_owned(),
        cursor: Some("opaque".to_owned()),
        caught_up: true,
        pulled_at: Some(ServerTime(1_700_000_001_500)),
    })?;
    transaction.clear_stage(1)?;
    transaction.stage_page(1, b"\x00page")?;
    transaction.put_id_map(&note.entity_type, &note.id, &first.id)?;
    let import = 1;
    transaction.put_import(&clarity_store::ImportRecord {
        import_id: import,
        source: "apple_health".to_owned(),
        started_at: now,
        finished_at: None,
        report: None,
    })?;
    transaction.finish_import(import, now, &json!({"rows": 2}))?;
    transaction.put_state("retry", &json!({"failures": 2}))?;
    transaction.add_metric("sent", 7)?;
    transaction.set_epoch(Some(Epoch(0xabcd)))?;
    transaction.set_durable_through(Seq(40))?;
    transaction.bind_account("account-1", "device-1")?;
    transaction.put_credentials(&Credentials {
        server: "https://sync.example.org".to_owned(),
        name: "ada".to_owned(),
        access_token: Some("access".to_owned()),
        access_expires_at: Some(LocalTime(1_700_000_900_000)),
        refresh_token: Some("refresh".to_owned()),
    })
}

fn fill_entities(transaction: &mut StoreTransaction<'_>) -> Result<(), StoreError> {
    let clean = StoredEntity {
        fields: fields(&json!({
            "metric": "weight", "source": "scale", "start_ms": 1_700_000_000_000_i64,
            "value": 70.5, "flag": true, "details": {"a": [1, 1.0, null]}, "other": u64::MAX
        })),
        version: Version(4),
        seq: Seq(39),
        updated_at: ServerTime(1_700_000_000_900),
        state: RowState::Clean,
        import_id: Some(1),
    };
    transaction.put_entity(&key("Sample", FIRST)?, &clean)?;
    let odd = fields(&json!({
        "metric": "weight", "start_ms": 1_700_000_000_001_i64, "value": 70, "flag": null
    }));
    transaction
        .put_entity(&key("Sample", "odd id")?, &StoredEntity { fields: odd, ..clean.clone() })?;
    let deleted = StoredEntity { state: RowState::Deleted, ..clean.clone() };
    transaction.put_entity(&key("Sample", SECOND)?, &deleted)?;
    let theme = fields(&json!({"theme": "dark", "minus_zero": -0.0}));
    let pending =
        StoredEntity { fields: theme.clone(), state: RowState::Pending, import_id: None, ..clean };
    let preferences = key("Undeclared", "preferences")?;
    transaction.put_entity(&preferences, &pending)?;
    transaction.touch(
        std::slice::from_ref(&preferences),
        clarity_model::ServerTime(1_700_000_001_000),
        0,
    )?;
    transaction.put_confirmed(
        &preferences,
        &ConfirmedEntity {
            fields: theme,
            deleted: false,
            version: Version(4),
            seq: Seq(39),
            updated_at: ServerTime(1_700_000_000_900),
        },
    )
}

fn fill_queue(transaction: &mut StoreTransaction<'_>) -> Result<(), StoreError> {
    let change =
        FieldChange { field: "theme".to_owned(), old: Some(json!(null)), new: Some(json!("dark")) };
    let update = NewOperation {
        kind: Kind::Update,
        key: key("Undeclared", "preferences")?,
        changes: Some(vec![change]),
        undelete: false,
        batch: None,
        parents: Vec::new(),
        schema: 1,
        made_at: LocalTime(1_700_000_001_000),
        state: OperationState::Ready,
    };
    let create = NewOperation {
        kind: Kind::Create,
        key: key("Sample", FIRST)?,
        changes: None,
        undelete: true,
        ..update.clone()
    };
    let first = transaction.insert_operation(&create)?;
    let second = transaction.insert_operation(&NewOperation {
        batch: Some(first),
        parents: vec![first],
        state: OperationState::Blocked,
        ..update.clone()
    })?;
    let third =
        transaction.insert_operation(&NewOperation { state: OperationState::Failed, ..update })?;
    let now = LocalTime(1_700_000_001_200);
    transaction.freeze(first, &[second], b"\x00frozen", RequestId(9), now)?;
    let error = OperationError {
        code: "invalid".to_owned(),
        message: "the server does not accept this".to_owned(),
        at: now,
    };
    transaction.note_attempt(third, 3, Some(LocalTime(1_700_000_009_000)), Some(&error))?;
    Ok(())
}

/// Everything that can be read, in words. `Debug` hides values, so fields are written as JSON.
pub(crate) fn describe(transaction: &mut StoreTransaction<'_>) -> Result<String, StoreError> {
    let mut text = String::new();
    let mut line = |what: &str, value: &dyn std::fmt::Debug| {
        // Writing into a text cannot fail.
        let _ = writeln!(text, "{what}: {value:?}");
    };
    line("meta", &transaction.meta()?);
    let tokens = transaction.credentials()?;
    line("refresh token", &tokens.map(|tokens| tokens.refresh_token));
    let everything = ListOptions { include_deleted: true, ..ListOptions::default() };
    for entity_type in transaction.entity_types()? {
        for (key, entity) in transaction.list_entities(&entity_type, &everything)? {
            line("entity", &key.to_string());
            line("  row", &entity);
            line("  fields", &entity.fields.to_canonical_json());
            line("  confirmed", &transaction.confirmed(&key)?);
            line("  server id", &transaction.server_id_of(&key)?);
            for operation in transaction.lane(&key)? {
                line("  operation", &operation);
                line("    changes", &serde_json::to_string(&operation.changes).ok());
                line("    frozen", &transaction.frozen(operation.counter)?);
                line("    parents", &transaction.parents(operation.counter)?);
                line("    ended", &transaction.ended(operation.counter)?);
            }
            for record in transaction.history_of(&key, 0, usize::MAX)? {
                line("  history", &(&record, &record.entry.detail));
            }
        }
    }
    line("counts", &transaction.queue_counts()?);
    line("next", &transaction.next_counter()?);
    for record in transaction.conflicts(0, 100)? {
        line("conflict", &(&record, &record.detail));
    }
    line("cursor", &transaction.cursor_parts()?);
    line("pages", &transaction.staged_pages(1)?);
    line("import", &transaction.import(1)?.map(|import| (import.source, import.report)));
    line("state", &transaction.state::<Value>("retry")?);
    line("metrics", &transaction.metrics()?);
    let invalid = StoreError::InvalidValue { table: "entity", column: "type" };
    let sample = EntityType::new("Sample").map_err(|_| invalid)?;
    line("rollups", &transaction.rollups(&sample, "weight", None, 0..100_000)?);
    Ok(text)
}
