//! The schema: one versioned JSON file that says what types exist and how they merge.
//!
//! Devices embed it, the server loads it, and requests carry its version and hash. The server's
//! copy decides; a device's copy says how to store and to show. Types that it does not name are
//! synced all the same, with the default policy and in a generic table.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use serde::{Deserialize, Serialize};

use crate::entity::Fields;
use crate::ids::EntityType;
use crate::limits::SCHEMA_BYTES_MAX;
use crate::migration::Migration;
use crate::migration_check::check_migrations;

/// Who wins when both sides changed a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Policy {
    /// The server's value stands; the local one is kept in history.
    ServerWins,
    /// The local value goes on top of the server's version.
    ClientWins,
    /// The field's merge rule; a field without one is `manual`.
    Merge,
    /// A person chooses, in the conflict inbox.
    #[default]
    Manual,
}

/// How two changes of one field become one value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MergeRule {
    /// Three-way by lines; overlapping edits go to the inbox.
    Text,
    /// An array without order: additions and removals of both sides.
    Set,
    /// A number: the sum of both differences.
    Counter,
    /// The larger number, or the later text.
    Max,
    /// The smaller number, or the earlier text.
    Min,
    /// The value that reached the server last.
    Latest,
    /// An array that only grows at its end.
    Append,
}

/// The rule of one field, after type and field policies are taken together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rule {
    /// See [`Policy::ServerWins`].
    ServerWins,
    /// See [`Policy::ClientWins`].
    ClientWins,
    /// See [`Policy::Manual`].
    Manual,
    /// See [`Policy::Merge`].
    Merge(MergeRule),
}

impl Rule {
    /// Every rule there is, for what must hold of each.
    pub const ALL: [Self; 10] = [
        Self::ServerWins,
        Self::ClientWins,
        Self::Manual,
        Self::Merge(MergeRule::Text),
        Self::Merge(MergeRule::Set),
        Self::Merge(MergeRule::Counter),
        Self::Merge(MergeRule::Max),
        Self::Merge(MergeRule::Min),
        Self::Merge(MergeRule::Latest),
        Self::Merge(MergeRule::Append),
    ];
}

/// What happens when one side edits what the other side deletes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EditAgainstDelete {
    /// A person chooses.
    #[default]
    Manual,
    /// It stays deleted.
    DeleteWins,
    /// It comes back with the edit.
    EditWins,
}

/// The type of a typed column. A value of another kind is kept exactly, outside the column.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Column {
    /// JSON integers that fit into 64 signed bits.
    Integer,
    /// JSON numbers, integers and floats told apart.
    Number,
    /// JSON strings.
    Text,
    /// `true` and `false`.
    Boolean,
    /// Arrays and objects, as compact JSON.
    Json,
}

/// How long data of a type is kept on a device when space is short.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
pub enum Priority {
    /// Goes first.
    Low,
    /// The usual.
    #[default]
    Normal,
    /// Goes last.
    High,
    /// Never goes.
    Critical,
}

/// A field that holds the id of another entity.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reference {
    /// The type of the entity that the field names.
    #[serde(rename = "type")]
    pub entity_type: EntityType,
}

/// One declared field.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FieldSchema {
    /// The type of its column; without one the field stays among the undeclared ones.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub column: Option<Column>,
    /// A policy for this field instead of the type's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy: Option<Policy>,
    /// The merge rule, for the policy `merge`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub merge: Option<MergeRule>,
    /// The entity that this field refers to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub references: Option<Reference>,
}

/// Daily roll-ups of a type: count, sum, minimum and maximum by kind, source and day.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RollupSchema {
    /// The field that tells one measure from another, such as the metric's name.
    pub kind: String,
    /// The field that names the source.
    pub source: String,
    /// The field with the time, in milliseconds since 1970 UTC; the day is the UTC day.
    pub time_ms: String,
    /// The field with the number.
    pub value: String,
}

/// The field by which a rolling window of a type is measured.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Window {
    /// The field with the record's own time, in milliseconds since 1970 UTC.
    pub time_ms: String,
}

/// One declared type.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TypeSchema {
    /// The policy of fields that have none of their own.
    #[serde(default)]
    pub policy: Policy,
    /// What happens when an edit meets a delete.
    #[serde(default)]
    pub edit_against_delete: EditAgainstDelete,
    /// How long it is kept when space is short.
    #[serde(default)]
    pub priority: Priority,
    /// The declared fields.
    #[serde(default)]
    pub fields: BTreeMap<String, FieldSchema>,
    /// Indexes over declared columns, each a list of field names.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub indexes: Vec<Vec<String>>,
    /// Daily roll-ups.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rollup: Option<RollupSchema>,
    /// The rolling window; off until an app asks for one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub window: Option<Window>,
}

impl TypeSchema {
    /// The field with the record's own time, in milliseconds since 1970 UTC: that of the rolling
    /// window, else that of the roll-ups.
    #[must_use]
    pub fn time_field(&self) -> Option<&str> {
        let window = self.window.as_ref().map(|window| window.time_ms.as_str());
        window.or_else(|| self.rollup.as_ref().map(|rollup| rollup.time_ms.as_str()))
    }

    /// The rule of a field.
    #[must_use]
    pub fn rule(&self, field: &str) -> Rule {
        let declared = self.fields.get(field);
        let policy = declared.and_then(|field| field.policy).unwrap_or(self.policy);
        match (policy, declared.and_then(|field| field.merge)) {
            (Policy::ServerWins, _) => Rule::ServerWins,
            (Policy::ClientWins, _) => Rule::ClientWins,
            (Policy::Merge, Some(rule)) => Rule::Merge(rule),
            (Policy::Merge, None) | (Policy::Manual, _) => Rule::Manual,
        }
    }

    /// The record's own time by the type's window, in milliseconds since 1970 UTC; none when the
    /// type declares no window or the record holds no whole number there.
    #[must_use]
    pub fn time_ms(&self, fields: &Fields) -> Option<i64> {
        let window = self.window.as_ref()?;
        fields.get(&window.time_ms).and_then(serde_json::Value::as_i64)
    }
}

/// All declared types, with a name and a version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Schema {
    /// The version of the file's own format: 1.
    pub format: u32,
    /// Whose schema it is.
    pub name: String,
    /// Raised by whoever changes the schema.
    pub version: u32,
    /// The declared types.
    pub types: BTreeMap<EntityType, TypeSchema>,
    /// What changed between its versions, for what was made with an older one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub migrations: Vec<Migration>,
}

/// Why a text is not a schema.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SchemaError {
    /// Not JSON, or not of the schema's form.
    #[error("the schema file is not valid: {0}")]
    Form(String),
    /// Made for a later version of this program.
    #[error("the schema file has format {found}; this program reads format 1")]
    Format {
        /// The format that the file names.
        found: u32,
    },
    /// A name in it cannot be a table or a column, an index is empty, or something refers to a
    /// field that is not declared as a column.
    #[error("in the schema, type {entity_type}: {problem}")]
    Type {
        /// The type.
        entity_type: EntityType,
        /// What is wrong and what to do.
        problem: String,
    },
    /// Larger than a schema may be.
    #[error("the schema file has {bytes} bytes; the limit is {SCHEMA_BYTES_MAX}")]
    TooLarge {
        /// Its size.
        bytes: usize,
    },
    /// What leads from one version to another makes no sense.
    #[error("in the schema, the migration to version {to}: {problem}")]
    Migration {
        /// The version that it leads to.
        to: u32,
        /// What is wrong and what to do.
        problem: String,
    },
}

static UNDECLARED: LazyLock<TypeSchema> = LazyLock::new(TypeSchema::default);

/// Columns that every entity table has and that a declared field may not take.
pub const RESERVED_COLUMNS: [&str; 9] = [
    "id",
    "extra",
    "version",
    "seq",
    "updated_at",
    "state",
    "accessed_at",
    "import_id",
    "profile_id",
];

impl Schema {
    /// The schema that ships with Clarity Sync: health types, notes, goals and preferences.
    pub const SHIPPED_JSON: &'static str = include_str!("../schema/clarity.json");

    /// Reads a schema file and checks it.
    ///
    /// # Errors
    /// [`SchemaError`] says what is wrong and where.
    pub fn from_json(text: &str) -> Result<Self, SchemaError> {
        #[derive(Deserialize)]
        struct OnlyFormat {
            format: u32,
        }
        if text.len() > SCHEMA_BYTES_MAX {
            return Err(SchemaError::TooLarge { bytes: text.len() });
        }
        let form = |error: serde_json::Error| SchemaError::Form(error.to_string());
        // First and alone: a later format may have keys that this program would call mistakes.
        let OnlyFormat { format } = serde_json::from_str(text).map_err(form)?;
        if format != 1 {
            return Err(SchemaError::Format { found: format });
        }
        let schema: Self = serde_json::from_str(text).map_err(form)?;
        let mut lower_case_names = BTreeSet::new();
        for (entity_type, declared) in &schema.types {
            let at = |problem| SchemaError::Type { entity_type: entity_type.clone(), problem };
            check_type(declared).map_err(at)?;
            // Table names do not tell upper from lower case.
            if !lower_case_names.insert(entity_type.as_str().to_ascii_lowercase()) {
                return Err(at(
                    "another type has the same name but for upper and lower case".into()
                ));
            }
        }
        check_migrations(&schema)?;
        Ok(schema)
    }

    /// The schema that ships with Clarity Sync.
    ///
    /// # Errors
    /// Never for a released build: a test reads it.
    pub fn shipped() -> Result<Self, SchemaError> {
        Self::from_json(Self::SHIPPED_JSON)
    }

    /// The declaration of a type; an undeclared type has no columns and the policy `manual`.
    #[must_use]
    pub fn type_schema(&self, entity_type: &EntityType) -> &TypeSchema {
        self.types.get(entity_type).unwrap_or(&UNDECLARED)
    }

    /// A hash of the canonical form: 32 hexadecimal digits, the first half of BLAKE3.
    #[must_use]
    pub fn hash(&self) -> String {
        let canonical = serde_json::to_vec(self).unwrap_or_default();
        blake3::hash(&canonical).to_hex()[..32].to_owned()
    }
}

fn check_type(declared: &TypeSchema) -> Result<(), String> {
    let is_column =
        |name: &String| declared.fields.get(name).is_some_and(|field| field.column.is_some());
    for (name, field) in &declared.fields {
        let plain = name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_');
        if field.column.is_some() && (!plain || !name.starts_with(|c: char| c.is_ascii_lowercase()))
        {
            return Err(format!(
                "the column \"{name}\" must be lower-case letters, digits and underscores"
            ));
        }
        if field.column.is_some() && RESERVED_COLUMNS.contains(&name.as_str()) {
            return Err(format!("the column name \"{name}\" is reserved; choose another"));
        }
    }
    if declared.indexes.iter().any(Vec::is_empty) {
        return Err("an index names no field".to_owned());
    }
    let rollup = declared.rollup.iter().flat_map(|rollup| {
        [&rollup.kind, &rollup.source, &rollup.time_ms, &rollup.value].into_iter()
    });
    let window = declared.window.iter().map(|window| &window.time_ms);
    let named = declared.indexes.iter().flatten().chain(rollup).chain(window);
    match named.into_iter().find(|name| !is_column(name)) {
        Some(name) => Err(format!("\"{name}\" is used as a column but not declared as one")),
        None => Ok(()),
    }
}
