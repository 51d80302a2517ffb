//! Entities: making, changing, showing.

use std::collections::BTreeMap;
use std::path::PathBuf;

use clap::Args;
use clarity_client::{
    Client, Comparison, Continuation, Entity, EntityId, EntityKey, EntityType, Fields, Query,
    ReadVersion, Written,
};
use serde_json::{Value, json};

use crate::device::follow::follow;
use crate::device::rollup::parse_time;
use crate::device::storage::not_found;
use crate::device::store::Place;
use crate::exit::{CliError, CliResult, ExitKind};
use crate::output::{Output, counted, grouped, shortened, table, value_text};

/// Arguments of `clarity device add`.
#[derive(Debug, Args)]
pub(crate) struct AddArguments {
    /// The type, such as Note
    #[arg(value_name = "TYPE")]
    entity_type: EntityType,
    /// field=value; the value is JSON where it can be read as JSON, otherwise text
    #[arg(value_name = "FIELD=VALUE")]
    fields: Vec<String>,
    /// The id, instead of a new one
    #[arg(long)]
    id: Option<EntityId>,
}

/// Arguments of `clarity device edit`.
#[derive(Debug, Args)]
pub(crate) struct EditArguments {
    /// The entity, as TYPE/ID
    #[arg(value_name = "TYPE/ID", value_parser = parse_key)]
    key: EntityKey,
    /// field=value sets a field, field= removes it
    #[arg(value_name = "FIELD=VALUE", required = true)]
    fields: Vec<String>,
    /// What you saw when you began, as JSON or a file with it (the output of `show --json`): a
    /// change that came in since is then merged or becomes a conflict instead of being lost
    #[arg(long, value_name = "JSON|FILE")]
    seen: Option<String>,
}

/// Arguments of commands that take one entity.
#[derive(Debug, Args)]
pub(crate) struct KeyArguments {
    /// The entity, as TYPE/ID
    #[arg(value_name = "TYPE/ID", value_parser = parse_key)]
    key: EntityKey,
}

/// Arguments of `clarity device show`.
#[derive(Debug, Args)]
pub(crate) struct ShowArguments {
    /// The entity, as TYPE/ID
    #[arg(value_name = "TYPE/ID", value_parser = parse_key)]
    key: EntityKey,
    /// Go on until Ctrl-C and show it again each time that it changes
    #[arg(long)]
    watch: bool,
}

/// Arguments of `clarity device list`.
#[derive(Debug, Args)]
pub(crate) struct ListArguments {
    /// The type; without it the types are listed
    #[arg(value_name = "TYPE")]
    entity_type: Option<EntityType>,
    /// At most so many
    #[arg(long, value_name = "NUMBER", default_value_t = 100)]
    limit: usize,
    /// Leave out so many at the start
    #[arg(long, value_name = "NUMBER", default_value_t = 0, conflicts_with = "after")]
    offset: usize,
    /// Begin where an earlier list ended: what it printed as the continuation
    #[arg(long, value_name = "CONTINUATION")]
    after: Option<Continuation>,
    /// Only entities with this value; may be given several times
    #[arg(long = "where", value_name = "FIELD=VALUE")]
    conditions: Vec<String>,
    /// Order by this field, the largest first
    #[arg(long, value_name = "FIELD")]
    newest: Option<String>,
    /// Order by this field, the smallest first
    #[arg(long, value_name = "FIELD", conflicts_with = "newest")]
    order: Option<String>,
    /// Only entities of this time or later: a date, or a date and time with its offset
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    since: Option<i64>,
    /// Only entities before this time
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    until: Option<i64>,
    /// Say only how many there are
    #[arg(long, conflicts_with = "watch")]
    count: bool,
    /// Go on until Ctrl-C and list again each time that something changes
    #[arg(long, conflicts_with = "after")]
    watch: bool,
}

/// `TYPE/ID` as a key.
pub(crate) fn parse_key(text: &str) -> Result<EntityKey, String> {
    let words = "an entity is named TYPE/ID, such as Note/breakfast";
    let (entity_type, id) = text.split_once('/').ok_or(words)?;
    EntityKey::new(entity_type, id).map_err(|error| error.to_string())
}

/// `field=value` as a pair; an empty value is none.
pub(crate) fn parse_assignment(text: &str) -> CliResult<(String, Option<Value>)> {
    let pair = text.split_once('=').filter(|(field, _)| !field.is_empty());
    // The text itself may hold a health value, so it is not repeated.
    let (field, value) = pair.ok_or_else(|| CliError::usage("a field is set as FIELD=VALUE"))?;
    let value = match value {
        "" => None,
        text => Some(serde_json::from_str(text).unwrap_or_else(|_| Value::from(text))),
    };
    Ok((field.to_owned(), value))
}

pub(crate) fn parse_assignments(texts: &[String]) -> CliResult<BTreeMap<String, Option<Value>>> {
    let mut assignments = BTreeMap::new();
    for text in texts {
        let (field, value) = parse_assignment(text)?;
        if assignments.contains_key(&field) {
            return Err(CliError::usage("a field is set twice; name each field once"));
        }
        assignments.insert(field, value);
    }
    Ok(assignments)
}

/// Makes an entity.
pub(crate) fn add(place: &Place, arguments: &AddArguments, output: Output) -> CliResult {
    let client = place.open_or_make()?;
    let given = parse_assignments(&arguments.fields)?;
    let fields: Fields =
        given.into_iter().filter_map(|(field, value)| Some((field, value?))).collect();
    let key = match &arguments.id {
        Some(id) => EntityKey { entity_type: arguments.entity_type.clone(), id: id.clone() },
        None => client.new_key(&arguments.entity_type)?,
    };
    let names = fields.keys().cloned().collect();
    let written = client.create(&key, fields)?;
    show_written(output, &key, names, &written, "Added")
}

/// Changes an entity.
pub(crate) fn edit(place: &Place, arguments: &EditArguments, output: Output) -> CliResult {
    let client = place.open()?;
    let changes = parse_assignments(&arguments.fields)?;
    let seen = arguments.seen.as_deref().map(read_seen).transpose()?;
    let names = changes.keys().cloned().collect();
    let written = client.update(&arguments.key, changes, seen)?;
    show_written(output, &arguments.key, names, &written, "Changed")
}

/// Deletes an entity.
pub(crate) fn delete(place: &Place, arguments: &KeyArguments, output: Output) -> CliResult {
    let client = place.open()?;
    let written = client.delete(&arguments.key, None)?;
    show_written(output, &arguments.key, Vec::new(), &written, "Deleted")
}

/// What the writer saw: the fields themselves, or an entity as `show --json` prints it.
fn read_seen(text: &str) -> CliResult<ReadVersion> {
    let content = if text.trim_start().starts_with('{') {
        text.to_owned()
    } else {
        let path = PathBuf::from(text);
        std::fs::read_to_string(&path).map_err(|error| CliError::file(&path, &error))?
    };
    let unreadable = || CliError::usage("--seen is not a JSON object of fields");
    let value: Value = serde_json::from_str(&content).map_err(|_| unreadable())?;
    let is_entity = value["type"].is_string() && value["fields"].is_object();
    let fields = if is_entity { value["fields"].clone() } else { value };
    let fields: Fields = serde_json::from_value(fields).map_err(|_| unreadable())?;
    Ok(ReadVersion { fields })
}

/// What a write did. The operations are what an intended write is followed by.
pub(crate) fn show_written(
    output: Output,
    key: &EntityKey,
    fields: Vec<String>,
    written: &Written,
    did: &str,
) -> CliResult {
    let object = json!({
        "type": key.entity_type,
        "id": key.id,
        "fields": fields,
        "operations": written.operations,
    });
    output.show(&object, || match written.operations.as_slice() {
        [] => format!("{key} has these values already; there was nothing to change"),
        _ => format!("{did} {key}; saved on this device and waiting to be sent"),
    })?;
    Ok(ExitKind::Done)
}

/// Shows an entity.
pub(crate) fn show(place: &Place, arguments: &ShowArguments, output: Output) -> CliResult {
    let client = place.open()?;
    if arguments.watch {
        let gone = || format!("{} is not on this device", arguments.key);
        return follow(client.watch_entity(&arguments.key), output, |output, entity| {
            output.show(entity, || entity.as_ref().map_or_else(gone, entity_words))
        });
    }
    let entity = client.get(&arguments.key)?;
    let Some(entity) = entity else { return Err(not_found(&client, &arguments.key)?) };
    output.show(&entity, || entity_words(&entity))?;
    Ok(ExitKind::Done)
}

fn entity_words(entity: &Entity) -> String {
    let mut shown = table(["field", "value"]);
    for (field, value) in entity.fields.iter() {
        shown.add_row([field.clone(), value_text(Some(value))]);
    }
    let state = if entity.pending { "changes wait to be sent" } else { "as the server has it" };
    format!("{}, version {}, {state}\n{shown}", entity.key, entity.version)
}

/// Lists entities or types.
pub(crate) fn list(place: &Place, arguments: &ListArguments, output: Output) -> CliResult {
    let client = place.open()?;
    let Some(entity_type) = &arguments.entity_type else { return list_types(&client, output) };
    let query = query(arguments)?;
    if arguments.count {
        let count = client.count(entity_type, &query)?;
        output.show(&json!({ "count": count }), || counted(count, "entity", "entities"))?;
        return Ok(ExitKind::Done);
    }
    if arguments.watch {
        return follow(client.watch_query(entity_type, &query), output, |output, found| {
            output.show(&json!({ "entities": found }), || list_words(entity_type, found, None))
        });
    }
    let page = client.page(entity_type, &query, arguments.after.as_ref())?;
    let words = || list_words(entity_type, &page.entities, page.next.as_ref());
    output.show_all(&page.entities, words)?;
    if let (true, Some(next)) = (output.is_json(), &page.next) {
        output.show(&json!({ "next": next }), String::new)?;
    }
    Ok(ExitKind::Done)
}

fn query(arguments: &ListArguments) -> CliResult<Query> {
    let mut filters = Vec::new();
    for condition in &arguments.conditions {
        let (field, value) = parse_assignment(condition)?;
        filters.push((field, Comparison::Equal, value.unwrap_or(Value::Null)));
    }
    let newest = arguments.newest.clone().map(|field| (field, true));
    let (since, until) = (arguments.since, arguments.until);
    let bounded = since.is_some() || until.is_some();
    Ok(Query {
        filters,
        time_ms: bounded.then(|| since.unwrap_or(i64::MIN)..until.unwrap_or(i64::MAX)),
        order_by: newest.or_else(|| arguments.order.clone().map(|field| (field, false))),
        after: None,
        limit: arguments.limit,
        offset: arguments.offset,
    })
}

fn list_words(entity_type: &EntityType, found: &[Entity], next: Option<&Continuation>) -> String {
    let mut shown = table(["id", "version", "fields"]);
    for entity in found {
        let version = format!("{}{}", entity.version, if entity.pending { " +" } else { "" });
        let fields: Vec<String> = entity
            .fields
            .iter()
            .map(|(field, value)| format!("{field}: {}", value_text(Some(value))))
            .collect();
        shown.add_row([entity.key.id.as_str(), &version, &shortened(&fields.join("  "))]);
    }
    if found.is_empty() {
        return format!("No {entity_type} is here that fits.");
    }
    let count = counted(found.len() as u64, "entity", "entities");
    let more = next.map(|next| format!("\nmore: --after {next}")).unwrap_or_default();
    format!("{shown}\n{count}; + marks changes that wait to be sent{more}")
}

fn list_types(client: &Client, output: Output) -> CliResult {
    let counts = client.counts()?;
    output.show(&counts, || {
        if counts.is_empty() {
            return "The store is empty.".to_owned();
        }
        let mut shown = table(["type", "entities"]);
        for (entity_type, count) in &counts {
            shown.add_row([entity_type.as_str(), &grouped(*count)]);
        }
        shown.to_string()
    })?;
    Ok(ExitKind::Done)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Shows what a value is taken for: JSON where it is JSON, text otherwise, nothing when empty.
    #[test]
    fn values_are_json_or_text() {
        let parsed = |text: &str| parse_assignment(text).unwrap();
        assert_eq!(parsed("f=1.50"), ("f".to_owned(), Some(json!(1.5))));
        assert_eq!(parsed("f=null"), ("f".to_owned(), Some(Value::Null)));
        assert_eq!(parsed("f=\"1\""), ("f".to_owned(), Some(json!("1"))));
        assert_eq!(parsed("f=a=b c"), ("f".to_owned(), Some(json!("a=b c"))));
        assert_eq!(parsed("f="), ("f".to_owned(), None));
        assert!(parse_assignment("no value").is_err() && parse_assignment("=x").is_err());
    }
}
