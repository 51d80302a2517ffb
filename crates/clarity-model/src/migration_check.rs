//! Whether the migrations of a schema file make sense: checked before anything is touched.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::ids::EntityType;
use crate::limits::{MAPPED_VALUES_MAX, MIGRATION_STEPS_MAX};
use crate::migration::{MappedValue, Migration, MigrationStep};
use crate::schema::{MergeRule, Rule, Schema, SchemaError};
use crate::validate::{validate_depth, validate_field_name};

/// The names that the steps gave up so far, for each type.
type GivenUp<'s> = BTreeMap<&'s EntityType, BTreeSet<&'s str>>;

/// Checks the migrations of a schema file.
pub(crate) fn check_migrations(schema: &Schema) -> Result<(), SchemaError> {
    let Some(first) = schema.migrations.first() else { return Ok(()) };
    let fail = |to: u32, problem: String| Err(SchemaError::Migration { to, problem });
    if first.to < 2 {
        return fail(first.to, "the first version has none before it; begin with 2".to_owned());
    }
    let mut expected = first.to;
    let mut count = 0;
    let mut given_up = GivenUp::new();
    for Migration { to, steps } in &schema.migrations {
        if *to != expected {
            let words = format!(
                "version {expected} should come here; each version after the first named one has \
                 an entry, in order and once, with no steps when it only adds"
            );
            return fail(*to, words);
        }
        count += steps.len();
        if count > MIGRATION_STEPS_MAX {
            return fail(*to, format!("there are more than {MIGRATION_STEPS_MAX} steps"));
        }
        for step in steps {
            if let Err(problem) = check_step(schema, step, &mut given_up) {
                return fail(*to, problem);
            }
        }
        expected = expected.saturating_add(1);
    }
    let last = expected.saturating_sub(1);
    if last != schema.version {
        let words =
            format!("the last migration must lead to the schema's version {}", schema.version);
        return fail(last, words);
    }
    let all = schema.migrations.iter();
    let all: Vec<_> = all.flat_map(|one| one.steps.iter().map(|step| (one.to, step))).collect();
    for (at, (to, step)) in all.iter().enumerate() {
        let later = all[at + 1..].iter().map(|(_, step)| *step);
        if let Err(problem) = check_result(schema, step, later, &given_up) {
            return fail(*to, problem);
        }
    }
    Ok(())
}

fn check_step<'s>(
    schema: &Schema,
    step: &'s MigrationStep,
    given_up: &mut GivenUp<'s>,
) -> Result<(), String> {
    let entity_type = step.entity_type();
    if !schema.types.contains_key(entity_type) {
        return Err(format!("the type {entity_type} is not declared; a type keeps its name"));
    }
    let gone = given_up.entry(entity_type).or_default();
    let there = |field: &str| match gone.contains(field) {
        true => Err(format!("an earlier step gave up the field \"{field}\" of {entity_type}")),
        false => Ok(()),
    };
    match step {
        MigrationStep::RenameField { from, to, .. } => {
            check_name(from)?;
            check_name(to)?;
            there(from)?;
            if from == to {
                return Err(format!("the field \"{from}\" is renamed to its own name"));
            }
            if gone.contains(to.as_str()) {
                return Err(format!(
                    "it goes back to the name \"{to}\", which an earlier step gave up; choose a \
                     new name"
                ));
            }
            gone.insert(from);
        }
        MigrationStep::Default { field, value, .. } => {
            check_name(field)?;
            there(field)?;
            check_value(value)?;
        }
        MigrationStep::MapValues { field, values, .. } => {
            check_name(field)?;
            there(field)?;
            check_map(values)?;
        }
    }
    Ok(())
}

fn check_name(field: &str) -> Result<(), String> {
    validate_field_name(field).map_err(|error| error.to_string())
}

fn check_value(value: &Value) -> Result<(), String> {
    validate_depth("value", value).map_err(|error| error.to_string())
}

fn check_map(values: &[MappedValue]) -> Result<(), String> {
    if values.is_empty() {
        return Err("a map names no value; leave it out".to_owned());
    }
    if values.len() > MAPPED_VALUES_MAX {
        return Err(format!("a map names more than {MAPPED_VALUES_MAX} values"));
    }
    let mut seen = BTreeSet::new();
    for MappedValue { from, to } in values {
        check_value(from)?;
        check_value(to)?;
        if !seen.insert(from.to_string()) {
            return Err(format!("the value {from} is mapped twice"));
        }
    }
    Ok(())
}

/// What the steps lead to must be what the schema declares.
fn check_result<'s>(
    schema: &Schema,
    step: &'s MigrationStep,
    later: impl Iterator<Item = &'s MigrationStep>,
    given_up: &GivenUp<'_>,
) -> Result<(), String> {
    let entity_type = step.entity_type();
    let declared = schema.type_schema(entity_type);
    let gone =
        |name: &String| given_up.get(entity_type).is_some_and(|gone| gone.contains(name.as_str()));
    if let Some(still) = declared.fields.keys().find(|name| gone(name)) {
        return Err(format!(
            "a step gave up the field \"{still}\" of {entity_type}, which is still declared"
        ));
    }
    let name = match step {
        MigrationStep::RenameField { to, .. } => to,
        MigrationStep::Default { field, .. } | MigrationStep::MapValues { field, .. } => field,
    };
    let later = later.filter(|step| step.entity_type() == entity_type);
    let name = later.fold(name.as_str(), |name, step| step.name_after(name));
    if !declared.fields.contains_key(name) {
        return Err(format!("the field \"{name}\" of {entity_type} is not declared"));
    }
    let rollup = declared.rollup.iter().flat_map(|rollup| {
        [&rollup.kind, &rollup.source, &rollup.time_ms, &rollup.value].into_iter()
    });
    let window = declared.window.iter().map(|window| &window.time_ms);
    if rollup.chain(window).any(|field| *field == name) {
        return Err(format!(
            "the field \"{name}\" of {entity_type} is what its roll-ups or its window are reckoned \
             by; declare a new field instead"
        ));
    }
    let combines = matches!(
        declared.rule(name),
        Rule::Merge(MergeRule::Text | MergeRule::Set | MergeRule::Counter | MergeRule::Append)
    );
    if combines && matches!(step, MigrationStep::MapValues { .. }) {
        return Err(format!(
            "the values of \"{name}\" of {entity_type} are combined when they merge, so single \
             values cannot be mapped"
        ));
    }
    Ok(())
}

impl Schema {
    /// Checks that this schema goes on from an older version of itself: what led to that one is
    /// unchanged. Otherwise what was stored under it would be misread.
    ///
    /// # Errors
    /// [`SchemaError::Migration`] with the first version whose steps are others.
    pub fn check_continues(&self, older: &Self) -> Result<(), SchemaError> {
        let has_steps = |migration: &&Migration| !migration.steps.is_empty();
        let mut then = older.migrations.iter().filter(has_steps);
        let mut now =
            self.migrations.iter().filter(|one| one.to <= older.version).filter(has_steps);
        loop {
            let to = match (then.next(), now.next()) {
                (None, None) => return Ok(()),
                (then, now) if then == now => continue,
                (Some(then), _) => then.to,
                (None, Some(now)) => now.to,
            };
            let problem = format!(
                "its steps are not those with which version {} was stored; steps never change once \
                 they are released",
                older.version
            );
            return Err(SchemaError::Migration { to, problem });
        }
    }
}
