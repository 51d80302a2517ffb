//! Import of samples with stable ids: importing the same again changes nothing, here and on any
//! other device.

use clarity_model::{EntityKey, EntityType, Fields, Kind, LocalTime, validate_fields};
use clarity_store::{
    AliasState, ImportRecord, ListOptions, RowState, SourceAlias, StoreError, StoreTransaction,
    StoredEntity,
};
use serde_json::Value;

use crate::context::Context;
use crate::error::WriteError;
use crate::event::{Import, ImportDeletion, ImportSample, Written};
use crate::feed::{self, Comparing, FeedStep, SourceState};
use crate::history::HistoryCause;
use crate::write;

/// Imports a part of a source. A damaged sample never stops the others.
pub(crate) fn import(context: &mut Context<'_, '_>, import: Import) -> Result<Written, WriteError> {
    let Import { import_id, samples, source, deletions, step } = import;
    begin(context, import_id, source.as_deref())?;
    let mut written =
        Written { operations: Vec::with_capacity(samples.len()), ..Written::default() };
    let mut feed = match &source {
        Some(source) => Some(Feed::begin(context, source, step.as_ref())?),
        None => None,
    };
    for sample in samples {
        if validate_fields(&sample.fields).is_err() {
            written.imported.invalid += 1;
            continue;
        }
        take(context, import_id, sample, feed.as_mut(), &mut written)?;
    }
    for deletion in deletions {
        match (deletion, &feed) {
            (ImportDeletion::External(external), Some(feed)) => {
                for alias in context.tx.aliases_under(feed.source, &external)? {
                    feed::withdraw(
                        context,
                        feed.source,
                        alias,
                        HistoryCause::Withdrawn,
                        &mut written,
                    )?;
                }
            }
            // Without a source there are no names.
            (ImportDeletion::External(_), None) => {}
            (ImportDeletion::Entity(key), _) => {
                let key = context.tx.present_key(&key)?;
                if feed::is_away(context.tx, &key)? {
                    context.noted.away.push(key);
                    written.imported.away += 1;
                } else {
                    feed::delete(context, &key, HistoryCause::Withdrawn, &mut written)?;
                }
            }
        }
    }
    if let (Some(feed), Some(step)) = (feed, step) {
        feed::step(context, feed.source, feed.state, step)?;
    }
    Ok(written)
}

/// Keeps that this import was begun.
fn begin(
    context: &mut Context<'_, '_>,
    import_id: i64,
    source: Option<&str>,
) -> Result<(), StoreError> {
    if context.tx.import(import_id)?.is_some() {
        return Ok(());
    }
    context.tx.put_import(&ImportRecord {
        import_id,
        source: source.unwrap_or("file").to_owned(),
        started_at: context.now,
        finished_at: None,
        report: None,
    })
}

/// Keeps that an import has ended, and what it did.
pub(crate) fn finish(
    context: &mut Context<'_, '_>,
    import_id: i64,
    report: Value,
) -> Result<Written, WriteError> {
    begin(context, import_id, None)?;
    context.tx.finish_import(import_id, context.now, &report)?;
    Ok(Written::default())
}

/// The source of what is imported.
struct Feed<'s> {
    source: &'s str,
    state: SourceState,
}

impl<'s> Feed<'s> {
    /// The first part of a comparison gets a new number, by which what it does not see is known.
    fn begin(
        context: &Context<'_, '_>,
        source: &'s str,
        step: Option<&FeedStep>,
    ) -> Result<Self, StoreError> {
        let mut state = feed::state(context.tx, source)?;
        let is_snapshot = matches!(step, Some(FeedStep::Snapshot { .. }));
        if is_snapshot && !matches!(state.comparing, Comparing::Running { .. }) {
            state.round += 1;
        }
        Ok(Self { source, state })
    }
}

/// Takes one sample in.
fn take(
    context: &mut Context<'_, '_>,
    import_id: i64,
    sample: ImportSample,
    feed: Option<&mut Feed<'_>>,
    written: &mut Written,
) -> Result<(), WriteError> {
    let named = feed.zip(sample.external.clone());
    let Some((feed, external)) = named else {
        let verdict = what_to_do(context, import_id, &sample)?;
        apply(context, import_id, sample.fields, verdict, written)?;
        return Ok(());
    };
    let alias = context.tx.alias(feed.source, &external.id)?;
    let others = Others { source: feed.source, external: &external.id };
    let verdict = match &alias {
        Some(alias) if same_metric(context, alias, &sample.fields)? => {
            match by_name(context, alias, &sample.fields, external.version)? {
                Verdict::Changed(key) => others.spare(context, Verdict::Changed(key), &sample)?,
                known => known,
            }
        }
        _ => {
            let verdict = what_to_do(context, import_id, &sample)?;
            others.spare(context, verdict, &sample)?
        }
    };
    let is_deleted = matches!(verdict, Verdict::DeletedBefore(_));
    let key = apply(context, import_id, sample.fields, verdict, written)?;
    let before = alias.as_ref();
    let alias = SourceAlias {
        external: external.id,
        key,
        version: external.version.max(before.and_then(|alias| alias.version)),
        round: feed.state.round,
        state: before.filter(|_| is_deleted).map_or(AliasState::Linked, |alias| alias.state),
    };
    if before != Some(&alias) {
        context.tx.put_alias(feed.source, &alias)?;
    }
    Ok(())
}

enum Verdict {
    New(EntityKey),
    Changed(EntityKey),
    Duplicate(EntityKey),
    DeletedBefore(EntityKey),
    Away(EntityKey),
}

/// Whether a known name still means the same kind of thing. Names that are only unique within one
/// server could otherwise overwrite what another one named alike.
fn same_metric(
    context: &Context<'_, '_>,
    alias: &SourceAlias,
    fields: &Fields,
) -> Result<bool, StoreError> {
    let key = context.tx.present_key(&alias.key)?;
    let row = context.tx.entity(&key)?.filter(|row| row.state.is_visible());
    Ok(row.is_none_or(|row| {
        ["metric", "correlation"].iter().all(|name| row.fields.get(*name) == fields.get(*name))
    }))
}

/// Decides what a sample is whose name is known.
fn by_name(
    context: &Context<'_, '_>,
    alias: &SourceAlias,
    fields: &Fields,
    version: Option<i64>,
) -> Result<Verdict, WriteError> {
    let key = context.tx.present_key(&alias.key)?;
    let is_newer = match (version, alias.version) {
        (Some(version), Some(known)) => version > known,
        _ => false,
    };
    let is_known = version.is_some() && version <= alias.version;
    let row = context.tx.entity(&key)?;
    Ok(match row {
        // The source has it again.
        _ if alias.state.is_gone() && is_newer => match row.map(|row| row.state) {
            Some(RowState::Clean | RowState::Pending) => Verdict::Changed(key),
            _ => Verdict::New(key),
        },
        _ if alias.state.is_gone() => Verdict::DeletedBefore(key),
        None => what_is_not_here(context, key, None, fields)?,
        Some(row) if !row.state.is_visible() => Verdict::DeletedBefore(key),
        Some(row) if row.fields == *fields || is_known => Verdict::Duplicate(key),
        Some(_) => Verdict::Changed(key),
    })
}

/// What the other names of a source mean than the one that a sample has.
struct Others<'s> {
    source: &'s str,
    external: &'s str,
}

impl Others<'_> {
    /// Of two things of one source that have, or had once, the same moment and metric, each is its
    /// own: neither is written over the other, nor taken for it.
    fn spare(
        &self,
        context: &Context<'_, '_>,
        verdict: Verdict,
        sample: &ImportSample,
    ) -> Result<Verdict, WriteError> {
        let (Verdict::Changed(key) | Verdict::Duplicate(key)) = &verdict else {
            return Ok(verdict);
        };
        if !self.mean(context, key, &sample.fields)? {
            return Ok(verdict);
        }
        let siblings = (1..).map_while(|number| numbered(&sample.sibling, number));
        for sibling in siblings {
            let key = context.tx.present_key(&sibling)?;
            let Some(row) = context.tx.entity(&key)? else {
                return what_is_not_here(context, key, None, &sample.fields);
            };
            if !self.mean(context, &key, &sample.fields)? {
                return Ok(match row.state.is_visible() {
                    true if row.fields == sample.fields => Verdict::Duplicate(key),
                    true => Verdict::Changed(key),
                    false => Verdict::DeletedBefore(key),
                });
            }
        }
        Ok(verdict)
    }

    /// Whether another name means an entity that holds something else than these fields.
    fn mean(
        &self,
        context: &Context<'_, '_>,
        key: &EntityKey,
        fields: &Fields,
    ) -> Result<bool, StoreError> {
        if context.tx.entity(key)?.is_none_or(|row| row.fields == *fields) {
            return Ok(false);
        }
        let named = context.tx.aliases_of(self.source, key)?;
        Ok(named.iter().any(|other| other.external != self.external && !other.state.is_gone()))
    }
}

/// The key of the so many-th of the things that have the same moment and the same value, or had;
/// none when the id has no room for the number, which ids made from a hash always have.
fn numbered(sibling: &EntityKey, number: u32) -> Option<EntityKey> {
    match number {
        1 => Some(sibling.clone()),
        _ => EntityKey::new(sibling.entity_type.as_str(), format!("{}-{number}", sibling.id)).ok(),
    }
}

/// Decides what a sample without a known name is to what is here.
///
/// One export may hold two values under one key (two readings of one source in the same second).
/// The first gets the key's id and the others ids made from key and value. A value that is neither
/// under the key's id nor under its own is therefore a second value when this very import wrote
/// the first, and otherwise a correction.
fn what_to_do(
    context: &Context<'_, '_>,
    import_id: i64,
    sample: &ImportSample,
) -> Result<Verdict, WriteError> {
    let key = context.tx.present_key(&sample.key)?;
    let Some(row) = context.tx.entity(&key)? else {
        let sibling = context.tx.present_key(&sample.sibling)?;
        return what_is_not_here(context, key, Some(&sibling), &sample.fields);
    };
    match row.state {
        RowState::Deleted | RowState::PendingDelete => return Ok(Verdict::DeletedBefore(key)),
        RowState::Clean | RowState::Pending if row.fields == sample.fields => {
            return Ok(Verdict::Duplicate(key));
        }
        RowState::Clean | RowState::Pending => {}
    }
    let sibling = context.tx.present_key(&sample.sibling)?;
    match context.tx.entity(&sibling)?.map(|row| row.state) {
        Some(RowState::Deleted | RowState::PendingDelete) => Ok(Verdict::DeletedBefore(sibling)),
        Some(RowState::Clean | RowState::Pending) => Ok(Verdict::Duplicate(sibling)),
        None if context.tx.is_evicted_sample(&sibling, &sample.fields)? => {
            Ok(Verdict::Duplicate(sibling))
        }
        None if row.import_id == Some(import_id) => Ok(Verdict::New(sibling)),
        None => Ok(Verdict::Changed(key)),
    }
}

/// Does what was decided; says which entity it is.
fn apply(
    context: &mut Context<'_, '_>,
    import_id: i64,
    fields: Fields,
    verdict: Verdict,
    written: &mut Written,
) -> Result<EntityKey, WriteError> {
    let imported = &mut written.imported;
    Ok(match verdict {
        Verdict::New(key) => {
            let made = write::create(context, &key, fields, &[], None, Some(import_id))?;
            written.operations.push(made);
            imported.new += 1;
            key
        }
        Verdict::Changed(key) => {
            written.operations.extend(replace(context, &key, fields, import_id)?);
            imported.changed += 1;
            key
        }
        Verdict::Duplicate(key) => {
            imported.duplicate += 1;
            key
        }
        Verdict::DeletedBefore(key) => {
            imported.deleted_before += 1;
            key
        }
        Verdict::Away(key) => {
            context.noted.away.push(key.clone());
            imported.away += 1;
            key
        }
    })
}

/// A sample without a row: new, or one of those that were given up for space.
fn what_is_not_here(
    context: &Context<'_, '_>,
    key: EntityKey,
    sibling: Option<&EntityKey>,
    fields: &Fields,
) -> Result<Verdict, WriteError> {
    if context.tx.is_evicted_sample(&key, fields)? {
        return Ok(Verdict::Duplicate(key));
    }
    if let Some(sibling) = sibling
        && context.tx.is_evicted_sample(sibling, fields)?
    {
        return Ok(Verdict::Duplicate(sibling.clone()));
    }
    // Of single entities only a version is remembered. A sample of a month is made all the same:
    // the server has it by its id, and its policy says which of two stands.
    let is_away = context.tx.evicted_entity(&key)?.is_some();
    Ok(if is_away { Verdict::Away(key) } else { Verdict::New(key) })
}

/// A source corrected a sample: a new version of the same entity.
fn replace(
    context: &mut Context<'_, '_>,
    key: &EntityKey,
    fields: Fields,
    import_id: i64,
) -> Result<Option<clarity_model::Counter>, WriteError> {
    let before = context.tx.entity(key)?.map(|row| row.fields).unwrap_or_default();
    let removed = before.keys().filter(|name| !fields.contains_key(*name));
    let removed: Vec<_> = removed.map(|name| (name.clone(), None)).collect();
    let set = fields.0.into_iter().map(|(name, value)| (name, Some(value)));
    let operation = write::update(context, key, set.chain(removed).collect(), None, None)?;
    if let Some(mut row) = context.tx.entity(key)? {
        row.import_id = Some(import_id);
        context.tx.put_entity(key, &row)?;
    }
    Ok(operation)
}

/// An entity that an import brought.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImportMember {
    /// The entity.
    pub key: EntityKey,
    /// Whether nobody has changed it since, so that an undo deletes it.
    pub untouched: bool,
}

/// Entities of a type after an id that an import brought, out of the next `limit` ones; and the id
/// to go on after, if there are more.
pub(crate) fn members(
    tx: &StoreTransaction<'_>,
    import_id: i64,
    entity_type: &EntityType,
    options: &ListOptions,
) -> Result<(Vec<ImportMember>, Option<clarity_model::EntityId>), StoreError> {
    let rows = tx.list_entities(entity_type, options)?;
    let next = (rows.len() == options.limit).then(|| rows.last().map(|(key, _)| key.id.clone()));
    let mut members = Vec::new();
    for (key, row) in rows.into_iter().filter(|(_, row)| row.import_id == Some(import_id)) {
        let untouched = is_untouched(tx, &key, &row)?;
        members.push(ImportMember { key, untouched });
    }
    Ok((members, next.flatten()))
}

/// Whether an entity is as the import made it: the server has its first version, or none yet.
fn is_untouched(
    tx: &StoreTransaction<'_>,
    key: &EntityKey,
    row: &StoredEntity,
) -> Result<bool, StoreError> {
    match row.state {
        RowState::Clean => Ok(row.version.0 <= 1),
        RowState::Pending => {
            let lane = tx.lane(key)?;
            Ok(matches!(&lane[..], [only] if only.kind == Kind::Create))
        }
        RowState::Deleted | RowState::PendingDelete => Ok(false),
    }
}

/// Takes back what an import brought, as far as these entities are still as it made them.
pub(crate) fn undo(
    context: &mut Context<'_, '_>,
    import_id: i64,
    keys: &[EntityKey],
) -> Result<Written, WriteError> {
    let mut written = Written::default();
    for key in keys {
        let row = context.tx.entity(key)?.filter(|row| row.import_id == Some(import_id));
        let Some(row) = row else { continue };
        if is_untouched(context.tx, key, &row)? {
            feed::delete(context, key, HistoryCause::ImportUndone, &mut written)?;
        }
    }
    Ok(written)
}

/// An import as it is shown.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct ImportInfo {
    /// Its number.
    pub import_id: i64,
    /// From what kind of source.
    pub source: String,
    /// When it began.
    pub started_at: LocalTime,
    /// When it ended; absent while it runs or when it was broken off.
    pub finished_at: Option<LocalTime>,
    /// What it did.
    pub report: Option<Value>,
}

impl From<ImportRecord> for ImportInfo {
    fn from(record: ImportRecord) -> Self {
        let ImportRecord { import_id, source, started_at, finished_at, report } = record;
        Self { import_id, source, started_at, finished_at, report }
    }
}
