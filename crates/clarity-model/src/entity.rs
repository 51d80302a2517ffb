//! Entities and their fields.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::{Deref, DerefMut};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{EntityKey, ServerTime, Version};

/// The named JSON fields of an entity, in the order of their names.
///
/// Fields that this version of the schema does not know are kept like any other. An absent field
/// and a field that is `null` are different things. `Debug` shows the names and hides the values
/// (promise I17).
#[derive(Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(transparent)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
pub struct Fields(pub BTreeMap<String, Value>);

impl Fields {
    /// No fields.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Compact JSON with the names in order: equal fields give equal bytes.
    #[must_use]
    pub fn to_canonical_json(&self) -> String {
        serde_json::to_string(&self.0).unwrap_or_default()
    }

    /// Sets a field, or removes it when the value is absent.
    pub fn put(&mut self, field: &str, value: Option<Value>) {
        match value {
            Some(value) => {
                self.0.insert(field.to_owned(), value);
            }
            None => {
                self.0.remove(field);
            }
        }
    }
}

impl fmt::Debug for Fields {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_set().entries(self.0.keys()).finish()
    }
}

impl Deref for Fields {
    type Target = BTreeMap<String, Value>;
    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

impl DerefMut for Fields {
    fn deref_mut(&mut self) -> &mut Self::Target {
        &mut self.0
    }
}

impl FromIterator<(String, Value)> for Fields {
    fn from_iter<I: IntoIterator<Item = (String, Value)>>(pairs: I) -> Self {
        Self(pairs.into_iter().collect())
    }
}

impl<const N: usize> From<[(&str, Value); N]> for Fields {
    fn from(pairs: [(&str, Value); N]) -> Self {
        pairs.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
    }
}

/// An entity as an app reads it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
pub struct Entity {
    /// Its name.
    #[serde(flatten)]
    pub key: EntityKey,
    /// Its fields, with local changes that still wait included.
    pub fields: Fields,
    /// The version that the server last told of; zero before the server knows it.
    pub version: Version,
    /// When the server accepted that version.
    pub updated_at: ServerTime,
    /// Whether local changes still wait to be sent.
    pub pending: bool,
}

impl Entity {
    /// What this read saw, to hand back with an update.
    #[must_use]
    pub fn read_version(&self) -> ReadVersion {
        ReadVersion { fields: self.fields.clone() }
    }
}

/// What a writer saw when it read an entity.
///
/// An update takes the old value of each changed field from it, so that a form that was opened
/// before a pull cannot overwrite what its user never saw.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ReadVersion {
    /// The fields as they were read.
    pub fields: Fields,
}
