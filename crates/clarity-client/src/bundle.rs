//! The support bundle: what a person can hand to somebody who helps, with nothing in it that says
//! whose it is or how they are.
//!
//! It is put together from a list of what may be in it, never by leaving out: numbers, states,
//! times, and the names of types that the schema declares. Entities and undeclared types have names
//! that mean something within one bundle only.

use std::collections::BTreeMap;

use clarity_engine::protocol::model::{Counter, EntityKey, EntityType};
use clarity_engine::store::{OperationState, QueuedOperation, StoreTransaction};
use clarity_engine::{FailureReason, Status};
use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::client::Client;
use crate::error::ClientError;
use crate::examine::Finding;

/// Most operations and conflicts that a bundle lists, of each state.
const LISTED_MAX: usize = 200;
/// How many waiting operations are explained.
const EXPLAINED_MAX: usize = 20;

/// One part of a bundle.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
pub struct BundlePart {
    /// Its name in the bundle.
    pub name: String,
    /// What is in it.
    pub holds: &'static str,
    /// How large it is.
    pub bytes: usize,
}

/// A support bundle: JSON that a person can read before they hand it on.
#[derive(Debug, Clone, PartialEq)]
pub struct SupportBundle {
    parts: Map<String, Value>,
}

impl SupportBundle {
    /// What it contains, part by part, to show before it is saved.
    #[must_use]
    pub fn contents(&self) -> Vec<BundlePart> {
        let part = |(name, value): (&String, &Value)| BundlePart {
            name: name.clone(),
            holds: holds(name),
            bytes: value.to_string().len(),
        };
        self.parts.iter().map(part).collect()
    }

    /// The whole bundle, exactly as it is saved.
    #[must_use]
    pub fn text(&self) -> String {
        let value = Value::Object(self.parts.clone());
        serde_json::to_string_pretty(&value).unwrap_or_default()
    }
}

fn holds(part: &str) -> &'static str {
    match part {
        "about" => {
            "versions of the program and of its tables, the operating system, and if it is encrypted"
        }
        "store" => "sizes, and how many entities there are of each type",
        "findings" => "what an examination of the store found",
        "status" => "where the sync stands and what holds it up, without anybody's words",
        "metrics" => "sums of what the sync did",
        "queue" => "operations that wait or failed: what they do and their state, not to what",
        "reasons" => "why the first of them wait",
        "conflicts" => "open conflicts: how many fields each has",
        "cursors" => "whether everything was read, not from where",
        _ => "",
    }
}

impl Client {
    /// Puts a support bundle together. It holds no value, no name of a field, no text that a
    /// person or a server wrote, no id, no account and no token. Takes time in proportion to the
    /// size of the store, as [`Client::examine`] does.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn support_bundle(&self) -> Result<SupportBundle, ClientError> {
        let findings = self.examine()?;
        let status = self.status()?;
        let mut parts = Map::new();
        parts.insert("about".to_owned(), self.about()?);
        parts.insert("findings".to_owned(), found(&findings));
        parts.insert("status".to_owned(), self.status_part(&status)?);
        parts.insert("metrics".to_owned(), json!(self.metrics()?));
        let size = self.size()?;
        let waiting = self.queue(Counter(0), EXPLAINED_MAX)?;
        let mut reasons = Vec::new();
        for change in waiting {
            if let Some(told) = self.why_not_synced(change.operation)? {
                let (why, since, next) = (told.why, told.since, told.next_attempt);
                reasons.push(json!({
                    "operation": told.operation, "why": why, "since": since,
                    "who_must_act": told.who_must_act, "next_attempt": next,
                    "because": told.because.map(|because| because.why),
                }));
            }
        }
        parts.insert("reasons".to_owned(), json!(reasons));
        self.read(|tx| {
            let mut names = Names::default();
            let mut entities = BTreeMap::new();
            for entity_type in tx.entity_types()? {
                let count = tx.count_entities(&entity_type)?;
                entities.insert(names.of_type(tx, &entity_type), count);
            }
            let store = json!({
                "bytes": size.bytes, "free_bytes": size.free_bytes, "entities": entities,
                "operations_made": tx.next_counter()?.0.saturating_sub(1),
            });
            parts.insert("store".to_owned(), store);
            parts.insert("queue".to_owned(), queue(tx, &mut names)?);
            let conflicts = self.engine().conflicts(tx, None, LISTED_MAX)?.into_iter();
            let conflicts: Vec<Value> = conflicts
                .map(|conflict| {
                    json!({
                        "conflict": conflict.id,
                        "entity": names.of_entity(tx, &conflict.key),
                        "fields": conflict.fields.len(),
                        "deleted": conflict.deleted_by.is_some(),
                    })
                })
                .collect();
            parts.insert("conflicts".to_owned(), json!(conflicts));
            let cursors = tx.cursor_parts()?.into_iter();
            let cursors: Vec<Value> = cursors
                .map(|part| {
                    json!({
                        "part": part.part, "caught_up": part.caught_up,
                        "begun": part.cursor.is_some(), "pulled_at": part.pulled_at,
                    })
                })
                .collect();
            parts.insert("cursors".to_owned(), json!(cursors));
            Ok(())
        })?;
        Ok(SupportBundle { parts })
    }

    fn about(&self) -> Result<Value, ClientError> {
        let (meta, schema) = self.read(|tx| Ok((tx.meta()?, tx.schema().version)))?;
        Ok(json!({
            "version": env!("CARGO_PKG_VERSION"),
            "system": std::env::consts::OS,
            "architecture": std::env::consts::ARCH,
            "schema_of_program": schema,
            "schema_of_store": meta.schema_version,
            "store_made_at": meta.created_at,
            "encrypted": self.is_encrypted()?,
            "now": crate::storing::now(),
        }))
    }

    fn status_part(&self, status: &Status) -> Result<Value, ClientError> {
        let credentials = self.credentials()?;
        let signed_in = credentials.as_ref().is_some_and(|known| known.refresh_token.is_some());
        let secure = credentials.is_some_and(|known| known.server.starts_with("https:"));
        let stalled = status.stalled.as_ref().map(|stalled| {
            json!({
                "why": stalled.why, "since": stalled.since,
                "who_must_act": stalled.who_must_act, "next_attempt": stalled.next_attempt,
            })
        });
        Ok(json!({
            "flow": status.flow, "attention": status.attention, "waiting": status.waiting,
            "in_flight": status.in_flight, "failed": status.failed,
            "set_aside": status.set_aside, "conflicts": status.conflicts, "stalled": stalled,
            "idle": status.idle, "catching_up": status.catching_up, "progress": status.progress,
            "last_success": status.last_success, "last_pull": status.last_pull,
            "oldest_waiting": status.oldest_waiting, "last_error_at": status.last_error_at,
            "signed_in": signed_in, "secure": secure, "synced_by": self.synced_by()?,
        }))
    }
}

/// Findings without their words, which may quote what SQLite said.
fn found(findings: &[Finding]) -> Value {
    let bare = findings.iter().map(|finding| {
        json!({ "check": finding.check, "severity": finding.severity, "to_do": finding.to_do })
    });
    bare.collect()
}

fn queue(tx: &StoreTransaction<'_>, names: &mut Names) -> Result<Value, ClientError> {
    let mut listed = Vec::new();
    for state in OperationState::ALL {
        for operation in tx.operations_in_state(state, Counter(0), LISTED_MAX)? {
            listed.push(one(tx, names, &operation)?);
        }
    }
    Ok(json!(listed))
}

fn one(
    tx: &StoreTransaction<'_>,
    names: &mut Names,
    operation: &QueuedOperation,
) -> Result<Value, ClientError> {
    // The code of a reason is a word of a list; one that is not on it may be anybody's text.
    let reason = operation.error.as_ref().map(|error| FailureReason::from_code(&error.code));
    Ok(json!({
        "operation": operation.counter,
        "does": operation.kind,
        "entity": names.of_entity(tx, &operation.key),
        "type": names.of_type(tx, &operation.key.entity_type),
        "fields": operation.changes.as_ref().map(Vec::len),
        "state": operation.state,
        "attempts": operation.attempts,
        "reason": reason,
        "batch": operation.batch,
        "parents": tx.parents(operation.counter)?,
        "carrier": operation.carrier,
        "schema": operation.schema,
        "made_at": operation.made_at,
        "first_sent_at": operation.first_sent_at,
        "next_attempt_at": operation.next_attempt_at,
    }))
}

/// What entities and undeclared types are called within one bundle.
#[derive(Default)]
struct Names {
    entities: BTreeMap<EntityKey, usize>,
    types: BTreeMap<EntityType, usize>,
}

impl Names {
    fn of_type(&mut self, tx: &StoreTransaction<'_>, entity_type: &EntityType) -> String {
        if tx.schema().types.contains_key(entity_type) {
            return entity_type.to_string();
        }
        let next = self.types.len() + 1;
        format!("undeclared-{}", self.types.entry(entity_type.clone()).or_insert(next))
    }

    fn of_entity(&mut self, tx: &StoreTransaction<'_>, key: &EntityKey) -> String {
        let next = self.entities.len() + 1;
        let number = *self.entities.entry(key.clone()).or_insert(next);
        format!("{}-{number}", self.of_type(tx, &key.entity_type))
    }
}
