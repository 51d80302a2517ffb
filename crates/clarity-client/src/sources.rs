//! Health sources that go on: pulled page by page, each page durable together with its cursor.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use clarity_engine::{
    Comparing, FeedCursor, FeedScope, FeedStep, Imported, SourceChange, SourceInfo, SourceState,
    Write,
};
use clarity_health::source::{
    Budget, Completeness, Cursor, HealthSource, Scope, SourceDescriptor, SourceError,
};
use clarity_health::{Batch, Sample, import_number};
use serde::Serialize;

use crate::background::{BackgroundSource, TimeLeft};
use crate::client::Client;
use crate::error::ClientError;
use crate::import::import_of;
use crate::transport::TransportFuture;

/// How many samples one page is asked for.
const PAGE_SAMPLES: usize = 1_000;
/// Longest cursor that is kept, in bytes.
const CURSOR_BYTES_MAX: usize = 64 * 1024;
/// Longest id of a source, in bytes.
const SOURCE_ID_BYTES_MAX: usize = 100;

/// How much a pull of sources may do. What it does within is durable, page by page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PullBudget {
    /// At most so many samples of each source.
    pub max_samples: usize,
    /// No page is begun after this, if there is a hurry.
    pub deadline: Option<Instant>,
}

impl Default for PullBudget {
    /// Everything, without a hurry.
    fn default() -> Self {
        Self { max_samples: usize::MAX, deadline: None }
    }
}

/// What a pull of one source did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PullReport {
    /// The source.
    pub source: String,
    /// What became of what it gave.
    pub imported: Imported,
    /// Samples that this app wrote into it itself.
    pub own: u64,
    /// Whether the budget ended before the source did.
    pub more: bool,
    /// Why the source gave no more, in words; what it gave before is kept.
    pub error: Option<String>,
    /// Where the comparison with all that it has stands. `held` waits for a person.
    pub comparing: Comparing,
}

/// A source with what is wanted of it, used by one pull at a time.
type Shared = Arc<Mutex<(Box<dyn HealthSource>, Scope)>>;
/// Sources that are pulled together.
pub(crate) type Registered = Mutex<Vec<Shared>>;

/// A registered source in a window of time in the background.
struct InBackground {
    name: String,
    source: Shared,
}

impl BackgroundSource for InBackground {
    fn name(&self) -> &str {
        &self.name
    }

    fn collect<'a>(
        &'a self,
        client: &'a Client,
        left: TimeLeft,
    ) -> TransportFuture<'a, Result<Imported, ClientError>> {
        let (client, source) = (client.clone(), Arc::clone(&self.source));
        let deadline = Some(Instant::now() + left.duration());
        let budget = PullBudget { deadline, ..PullBudget::default() };
        let pull = move || {
            let mut source = source.lock().unwrap_or_else(PoisonError::into_inner);
            let (source, scope) = &mut *source;
            client.pull_source(source.as_mut(), scope, budget)
        };
        Box::pin(async move {
            // A source may wait for its platform, which must not hold up the network.
            let report = tokio::task::spawn_blocking(pull).await;
            let report = report.map_err(|_| ClientError::SourceContract("it panicked"))??;
            match report.error {
                Some(error) if report.imported == Imported::default() => {
                    Err(ClientError::Source(error))
                }
                _ => Ok(report.imported),
            }
        })
    }
}

impl Client {
    /// Registers a source, so that [`Client::pull_sources`] pulls it. A source of the same id
    /// takes the place of the earlier one. The registration lives as long as this client; where
    /// the source was read up to is in the store.
    ///
    /// # Errors
    /// When the id of the source is empty or too long.
    pub fn register_source(
        &self,
        source: Box<dyn HealthSource>,
        scope: Scope,
    ) -> Result<(), ClientError> {
        let id = checked(&source.descriptor())?;
        let mut all = self.registered().lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|other| {
            let other = other.lock().unwrap_or_else(PoisonError::into_inner);
            other.0.descriptor().id != id
        });
        all.push(Arc::new(Mutex::new((source, scope))));
        Ok(())
    }

    /// Pulls all registered sources, one after the other, within a budget, as `sync_within` does
    /// after it has sent and read. It blocks the thread; an asynchronous program gives it
    /// one of its own.
    ///
    /// # Errors
    /// When the store fails. A source that fails is in its report, and does not stop the others.
    pub fn pull_sources(&self, budget: PullBudget) -> Result<Vec<PullReport>, ClientError> {
        let all = self.registered().lock().unwrap_or_else(PoisonError::into_inner).clone();
        let mut reports = Vec::new();
        for source in all {
            let mut source = source.lock().unwrap_or_else(PoisonError::into_inner);
            let (source, scope) = &mut *source;
            reports.push(self.pull_source(source.as_mut(), scope, budget)?);
        }
        Ok(reports)
    }

    /// The registered sources, for a window of time in the background.
    pub(crate) fn registered_sources(&self) -> Vec<Arc<dyn BackgroundSource>> {
        let all = self.registered().lock().unwrap_or_else(PoisonError::into_inner).clone();
        let sources = all.into_iter().map(|source| {
            let name = {
                let source = source.lock().unwrap_or_else(PoisonError::into_inner);
                source.0.descriptor().name
            };
            Arc::new(InBackground { name, source }) as Arc<dyn BackgroundSource>
        });
        sources.collect()
    }

    /// Pulls one source within a budget. Each page is durable with its cursor: a run that is killed
    /// goes on after the last whole page, and a page that comes twice changes nothing.
    ///
    /// # Errors
    /// When the store fails, or the source breaks its contract. Why a source gives nothing now is
    /// in the report.
    pub fn pull_source(
        &self,
        source: &mut dyn HealthSource,
        scope: &Scope,
        budget: PullBudget,
    ) -> Result<PullReport, ClientError> {
        let descriptor = source.descriptor();
        let id = checked(&descriptor)?;
        self.change_source(&id, SourceChange::Named(descriptor.name.clone()))?;
        let report = PullReport {
            source: id,
            imported: Imported::default(),
            own: 0,
            more: false,
            error: None,
            comparing: Comparing::No,
        };
        let mut pull = Pull {
            client: self,
            descriptor,
            scope,
            left: budget.max_samples,
            anew: 0,
            compared: false,
            report,
        };
        loop {
            let hurried = budget.deadline.is_some_and(|deadline| Instant::now() >= deadline);
            if pull.left == 0 || hurried {
                pull.report.more = true;
                break;
            }
            if !pull.step(source, budget.deadline)? {
                break;
            }
        }
        pull.report.comparing = self.source_state(&pull.report.source)?.comparing;
        Ok(pull.report)
    }

    /// The sources that this store knows: what is linked to them, how far they were read, and
    /// deletions that wait for a person.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn sources(&self) -> Result<Vec<SourceInfo>, ClientError> {
        self.read(|tx| Ok(self.engine().sources(tx)?))
    }

    /// The held deletions of a source are right: what it no longer has is deleted here and on
    /// every device, and stays in the history for 30 days. Says how many that were. It is durable
    /// part by part.
    ///
    /// # Errors
    /// When none are held, or the store fails.
    pub fn confirm_source_deletions(&self, source: &str) -> Result<u64, ClientError> {
        self.change_source(source, SourceChange::Confirm)?;
        let mut deleted = 0;
        while self.source_state(source)?.comparing == Comparing::Deleting {
            deleted += self.change_source(source, SourceChange::DeleteSome)?.deleted;
        }
        Ok(deleted)
    }

    /// The held deletions of a source are wrong: what is here stays, and the source no longer
    /// decides about it.
    ///
    /// # Errors
    /// When none are held, or the store fails.
    pub fn refuse_source_deletions(&self, source: &str) -> Result<(), ClientError> {
        self.change_source(source, SourceChange::Refuse).map(drop)
    }

    fn change_source(&self, source: &str, change: SourceChange) -> Result<Imported, ClientError> {
        let source = source.to_owned();
        Ok(self.write(Write::Source { source, change })?.imported)
    }

    fn source_state(&self, source: &str) -> Result<SourceState, ClientError> {
        self.read(|tx| Ok(self.engine().source_state(tx, source)?))
    }
}

fn checked(descriptor: &SourceDescriptor) -> Result<String, ClientError> {
    if descriptor.id.is_empty() || descriptor.id.len() > SOURCE_ID_BYTES_MAX {
        return Err(ClientError::SourceContract("its id is empty or too long"));
    }
    Ok(descriptor.id.clone())
}

/// A pull that goes on.
struct Pull<'p> {
    client: &'p Client,
    descriptor: SourceDescriptor,
    scope: &'p Scope,
    left: usize,
    /// How often everything had to be compared within this pull.
    anew: u32,
    /// Whether everything was compared within this pull.
    compared: bool,
    report: PullReport,
}

impl Pull<'_> {
    /// Does the next thing; false when there is nothing more to do now.
    fn step(
        &mut self,
        source: &mut dyn HealthSource,
        deadline: Option<Instant>,
    ) -> Result<bool, ClientError> {
        let state = self.client.source_state(&self.descriptor.id)?;
        let budget = Budget { max_samples: self.left.min(PAGE_SAMPLES), deadline };
        match &state.comparing {
            Comparing::Deleting => {
                let done = self.change(SourceChange::DeleteSome)?;
                self.left = self.left.saturating_sub(usize::try_from(done.deleted).unwrap_or(0));
                Ok(true)
            }
            Comparing::Due | Comparing::Running { .. }
                if !self.descriptor.capabilities.snapshots =>
            {
                self.change(SourceChange::NotComparable)?;
                Ok(true)
            }
            Comparing::Due => self.compare(source, &state, None, budget),
            Comparing::Running { next } => {
                let from = next.as_ref().filter(|next| next.scope == self.scope.hash());
                self.compare(source, &state, from.map(cursor), budget)
            }
            _ => self.page(source, &state, budget),
        }
    }

    fn page(
        &mut self,
        source: &mut dyn HealthSource,
        state: &SourceState,
        budget: Budget,
    ) -> Result<bool, ClientError> {
        let stored = state.cursor.as_ref().filter(|it| it.scope == self.scope.hash());
        let from = stored.map(cursor);
        let page = match source.pull(self.scope, from.as_ref(), budget) {
            Ok(page) => page,
            Err(error) => return self.failed(&error),
        };
        let is_empty = page.upserts.is_empty() && page.deletions.is_empty();
        if is_empty && page.more && page.next == from {
            return Err(ClientError::SourceContract(
                "it says that there is more and gives nothing",
            ));
        }
        let missing = page.completeness == Completeness::DeletesMayBeMissing;
        let compare =
            missing && !page.more && !self.compared && self.descriptor.capabilities.snapshots;
        let next = page.next.map(|next| self.kept(next)).transpose()?;
        let batch = Batch { samples: page.upserts, deletions: page.deletions };
        self.import(batch, state, FeedStep::Page { next, compare })?;
        Ok(page.more || compare)
    }

    fn compare(
        &mut self,
        source: &mut dyn HealthSource,
        state: &SourceState,
        from: Option<Cursor>,
        budget: Budget,
    ) -> Result<bool, ClientError> {
        let page = match source.snapshot(self.scope, from.as_ref(), budget) {
            Ok(page) => page,
            Err(SourceError::Unsupported) => {
                self.change(SourceChange::NotComparable)?;
                return Ok(true);
            }
            Err(error) => return self.failed(&error),
        };
        if page.next.is_some() && page.next == from {
            return Err(ClientError::SourceContract("its snapshot does not go on"));
        }
        self.compared |= page.next.is_none();
        let next = page.next.map(|next| self.kept(next)).transpose()?;
        let resume = page.resume.map(|resume| self.kept(resume)).transpose()?;
        let scope = FeedScope { metrics: self.scope.metrics.clone(), from_ms: self.scope.from_ms };
        let batch = Batch { samples: page.present, deletions: Vec::new() };
        self.import(batch, state, FeedStep::Snapshot { scope, next, resume })?;
        Ok(true)
    }

    /// The source gave nothing. A void cursor is followed by a comparison, once.
    fn failed(&mut self, error: &SourceError) -> Result<bool, ClientError> {
        let compare = error.needs_snapshot();
        self.change(SourceChange::Failed { reason: error.to_string(), compare })?;
        self.anew += u32::from(compare);
        if compare && self.anew == 1 {
            return Ok(true);
        }
        self.report.error = Some(error.to_string());
        Ok(false)
    }

    fn import(
        &mut self,
        batch: Batch,
        state: &SourceState,
        step: FeedStep,
    ) -> Result<(), ClientError> {
        let count = batch.samples.len() + batch.deletions.len();
        self.left = self.left.saturating_sub(count.max(1));
        let own = self.descriptor.own_origin.as_deref();
        let is_own = |sample: &Sample| {
            let origin = sample.fields.get("source").and_then(|source| source.as_str());
            own.is_some() && origin == own
        };
        let (own, samples): (Vec<_>, Vec<_>) = batch.samples.into_iter().partition(is_own);
        let batch = Batch { samples, deletions: batch.deletions };
        // What a later reading from the start brings is another import: a value that it corrects is
        // not a second value of the first one.
        let number = import_number(self.descriptor.import_id().as_str());
        let import_id = (number ^ state.run).abs();
        let mut import = import_of(batch, import_id, &self.descriptor.id)?;
        import.step = Some(step);
        let written = self.client.write(Write::Import(import))?;
        self.report.own += own.len() as u64;
        self.report.imported.add(written.imported);
        Ok(())
    }

    fn change(&mut self, change: SourceChange) -> Result<Imported, ClientError> {
        let imported = self.client.change_source(&self.descriptor.id, change)?;
        self.report.imported.add(imported);
        Ok(imported)
    }

    fn kept(&self, cursor: Cursor) -> Result<FeedCursor, ClientError> {
        if cursor.bytes.len() > CURSOR_BYTES_MAX {
            return Err(ClientError::SourceContract("its cursor is larger than allowed"));
        }
        let scope = self.scope.hash();
        Ok(FeedCursor { bytes: cursor.bytes, schema: cursor.schema, scope })
    }
}

fn cursor(kept: &FeedCursor) -> Cursor {
    Cursor { bytes: kept.bytes.clone(), schema: kept.schema }
}
