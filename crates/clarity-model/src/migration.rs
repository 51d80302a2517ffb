//! How a schema evolves: what changes between its versions, declared in the schema file itself.
//!
//! Additions need no declaration: a field or type that somebody does not know survives everywhere.
//! A step here is for what an addition cannot say. The device and the server run the same steps,
//! over rows, over waiting operations and over what was sent under an older version, each exactly
//! once. No step looks at anything but one entity, none loses a field, and a type keeps its name.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::change::{FieldChange, Kind};
use crate::entity::Fields;
use crate::ids::EntityType;
use crate::schema::Schema;

/// What changes from the version before `to` to the version `to`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Migration {
    /// The version of the schema that the steps lead to.
    pub to: u32,
    /// The steps, in order; none for a version that only adds. A step names fields as the steps
    /// before it left them.
    #[serde(default)]
    pub steps: Vec<MigrationStep>,
}

/// One change of what is stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
#[non_exhaustive]
pub enum MigrationStep {
    /// A field gets another name. Where an entity has an undeclared field of the new name already,
    /// that one gets the old name, so that nothing is lost.
    RenameField {
        /// The type.
        #[serde(rename = "type")]
        entity_type: EntityType,
        /// The old name.
        from: String,
        /// The new name.
        to: String,
    },
    /// A field that is absent gets a value: for a new field that every entity must have.
    Default {
        /// The type.
        #[serde(rename = "type")]
        entity_type: EntityType,
        /// The field.
        field: String,
        /// Its value where it is absent.
        value: Value,
    },
    /// Values of a field become other values.
    MapValues {
        /// The type.
        #[serde(rename = "type")]
        entity_type: EntityType,
        /// The field.
        field: String,
        /// Which value becomes which.
        values: Vec<MappedValue>,
        /// What happens to a value that is not among them.
        #[serde(default)]
        unmapped: Unmapped,
    },
}

/// One value and what it becomes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MappedValue {
    /// The old value.
    pub from: Value,
    /// The new value.
    pub to: Value,
}

/// What happens to a value that a map does not name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Unmapped {
    /// It stays as it is.
    #[default]
    Keep,
    /// It stays as it is in entities. An operation that wants it, and has not taken effect, fails
    /// and is shown to a person.
    Refuse,
}

impl MigrationStep {
    /// The type that the step changes.
    #[must_use]
    pub fn entity_type(&self) -> &EntityType {
        match self {
            Self::RenameField { entity_type, .. }
            | Self::Default { entity_type, .. }
            | Self::MapValues { entity_type, .. } => entity_type,
        }
    }

    /// What a field of this name is called after the step.
    pub(crate) fn name_after<'n>(&'n self, name: &'n str) -> &'n str {
        match self {
            Self::RenameField { from, to, .. } if from == name => to,
            Self::RenameField { from, to, .. } if to == name => from,
            _ => name,
        }
    }

    /// The value of a field after the step, by the name that the field has before it.
    fn value_after(&self, name: &str, value: Option<Value>) -> Option<Value> {
        match self {
            Self::Default { field, value: default, .. } if field == name => {
                Some(value.unwrap_or_else(|| default.clone()))
            }
            Self::MapValues { field, values, .. } if field == name => {
                let mapped = values.iter().find(|mapped| Some(&mapped.from) == value.as_ref());
                mapped.map(|mapped| mapped.to.clone()).or(value)
            }
            _ => value,
        }
    }
}

impl Schema {
    /// The newest version that has steps; zero when none has.
    ///
    /// Whoever has an older version than this would misread what this schema stores and says.
    #[must_use]
    pub fn steps_version(&self) -> u32 {
        let with_steps = |migration: &&Migration| !migration.steps.is_empty();
        self.migrations.iter().rev().find(with_steps).map_or(0, |migration| migration.to)
    }

    /// Whether anything of a type is to be carried forward from this version.
    #[must_use]
    pub fn carries(&self, since: u32, entity_type: &EntityType) -> bool {
        self.steps(since, entity_type).next().is_some()
    }

    /// The types of which anything is to be carried forward from this version.
    #[must_use]
    pub fn carried_types(&self, since: u32) -> std::collections::BTreeSet<&EntityType> {
        let later = self.migrations.iter().filter(|migration| migration.to > since);
        later.flat_map(|migration| &migration.steps).map(MigrationStep::entity_type).collect()
    }

    /// Whether a step since this version changes a field of this name, or gives it the name.
    #[must_use]
    pub fn touches(&self, since: u32, entity_type: &EntityType, name: &str) -> bool {
        self.steps(since, entity_type).any(|step| match step {
            MigrationStep::RenameField { from, to, .. } => from == name || to == name,
            MigrationStep::Default { field, .. } | MigrationStep::MapValues { field, .. } => {
                field == name
            }
        })
    }

    fn steps<'s>(
        &'s self,
        since: u32,
        entity_type: &'s EntityType,
    ) -> impl Iterator<Item = &'s MigrationStep> {
        let later = self.migrations.iter().filter(move |migration| migration.to > since);
        let steps = later.flat_map(|migration| &migration.steps);
        steps.filter(move |step| step.entity_type() == entity_type)
    }

    /// What a field of an older version is called now.
    #[must_use]
    pub fn carried_name(&self, since: u32, entity_type: &EntityType, name: &str) -> String {
        let mut name = name.to_owned();
        for step in self.steps(since, entity_type) {
            let after = step.name_after(&name).to_owned();
            name = after;
        }
        name
    }

    /// One value of a field of an older version: what it is called and what it is now.
    #[must_use]
    pub fn carried_value(
        &self,
        since: u32,
        entity_type: &EntityType,
        name: &str,
        value: Option<Value>,
    ) -> Option<Value> {
        let (mut name, mut value) = (name.to_owned(), value);
        for step in self.steps(since, entity_type) {
            value = step.value_after(&name, value);
            let after = step.name_after(&name).to_owned();
            name = after;
        }
        value
    }

    /// Carries some fields of an entity forward: those that are there, and no others.
    #[must_use]
    pub fn carried_part(&self, since: u32, entity_type: &EntityType, fields: Fields) -> Fields {
        if !self.carries(since, entity_type) {
            return fields;
        }
        let carried = fields.0.into_iter().filter_map(|(name, value)| {
            let value = self.carried_value(since, entity_type, &name, Some(value))?;
            Some((self.carried_name(since, entity_type, &name), value))
        });
        carried.collect()
    }

    /// Carries all fields of an entity forward.
    #[must_use]
    pub fn carried_fields(&self, since: u32, entity_type: &EntityType, fields: Fields) -> Fields {
        let mut fields = fields;
        for step in self.steps(since, entity_type) {
            match step {
                MigrationStep::RenameField { from, to, .. } => {
                    let (moved, met) = (fields.0.remove(from), fields.0.remove(to));
                    fields.put(to, moved);
                    fields.put(from, met);
                }
                MigrationStep::Default { field, .. } | MigrationStep::MapValues { field, .. } => {
                    let value = step.value_after(field, fields.0.remove(field));
                    fields.put(field, value);
                }
            }
        }
        fields
    }

    /// Carries the changes of an operation forward.
    ///
    /// A create and a delete speak of the whole entity, an update only of what it changes. A change
    /// that changes nothing any more goes.
    #[must_use]
    pub fn carried_changes(
        &self,
        since: u32,
        entity_type: &EntityType,
        kind: Kind,
        changes: Vec<FieldChange>,
    ) -> Vec<FieldChange> {
        if !self.carries(since, entity_type) {
            return changes;
        }
        let changed = |change: FieldChange| FieldChange {
            field: self.carried_name(since, entity_type, &change.field),
            old: self.carried_value(since, entity_type, &change.field, change.old),
            new: self.carried_value(since, entity_type, &change.field, change.new),
        };
        let mut carried: Vec<FieldChange> = match kind {
            Kind::Update => {
                let carried = changes.into_iter().map(changed);
                carried.filter(|change| change.old != change.new).collect()
            }
            Kind::Create => {
                let whole = whole(changes.into_iter().map(|one| (one.field, one.new)));
                let whole = self.carried_fields(since, entity_type, whole).0;
                let made = |(field, new)| FieldChange { field, old: None, new: Some(new) };
                whole.into_iter().map(made).collect()
            }
            Kind::Delete => {
                let whole = whole(changes.into_iter().map(|one| (one.field, one.old)));
                let whole = self.carried_fields(since, entity_type, whole).0;
                let gone = |(field, old)| FieldChange { field, old: Some(old), new: None };
                whole.into_iter().map(gone).collect()
            }
        };
        carried.sort_by(|one, other| one.field.cmp(&other.field));
        carried
    }

    /// The first field whose wanted value, already carried forward from this version, a step does
    /// not take (see [`Unmapped::Refuse`]).
    pub fn refused_field<'v>(
        &self,
        since: u32,
        entity_type: &EntityType,
        wanted: impl IntoIterator<Item = (&'v String, &'v Value)>,
    ) -> Option<&'v str> {
        let mut wanted = wanted.into_iter();
        let refusing: Vec<(String, Vec<Value>)> = self.refusing(since, entity_type);
        let refused = |(name, value): &(&String, &Value)| {
            let mut maps = refusing.iter().filter(|(field, _)| field == *name);
            maps.any(|(_, taken)| !taken.contains(value))
        };
        wanted.find(refused).map(|(name, _)| name.as_str())
    }

    /// The fields whose values must be among some, by their present names, and those values as they
    /// are now.
    fn refusing(&self, since: u32, entity_type: &EntityType) -> Vec<(String, Vec<Value>)> {
        let mut found: Vec<(String, Vec<Value>)> = Vec::new();
        for step in self.steps(since, entity_type) {
            for (name, taken) in &mut found {
                for value in taken {
                    *value = step.value_after(name, Some(value.take())).unwrap_or_default();
                }
                let after = step.name_after(name).to_owned();
                *name = after;
            }
            if let MigrationStep::MapValues { field, values, unmapped: Unmapped::Refuse, .. } = step
            {
                let taken = values.iter().map(|mapped| mapped.to.clone());
                found.push((field.clone(), taken.collect()));
            }
        }
        found
    }
}

/// The entity that a create makes or a delete saw.
fn whole(values: impl Iterator<Item = (String, Option<Value>)>) -> Fields {
    let mut fields = Fields::new();
    for (field, value) in values {
        fields.put(&field, value);
    }
    fields
}

/// Whether a device and a server understand each other, each given by the version of its schema and
/// the newest version of it that has steps: neither may lack steps that the other has taken.
#[must_use]
pub fn schemas_agree(one: (u32, u32), other: (u32, u32)) -> bool {
    one.0 >= other.1 && other.0 >= one.1
}
