//! A source of health data of one's own: a scale that keeps its readings until it is reset. It is
//! pulled within a budget, and deletions that are too many wait for a person.

use std::error::Error;

use clarity_client::engine::Comparing;
use clarity_client::health::source::{
    Budget, Capabilities, Completeness, Cursor, Page, RawSample, Scope, SnapshotPage,
    SourceDescriptor, SourceError,
};
use clarity_client::health::{Deletion, HealthSource, Sample};
use clarity_client::{Client, ClientOptions, EntityType, PullBudget};

/// The scale: what happened, in order. A reading that was deleted has no weight.
struct Scale {
    log: Vec<(u64, Option<f64>)>,
}

impl Scale {
    fn sample(number: u64, kilograms: f64) -> Result<Sample, SourceError> {
        let start_ms = 1_700_000_000_000 + number as i64 * 86_400_000;
        RawSample::quantity("BodyMass", kilograms, "kg", start_ms)
            .with_origin("Scale")
            .with_external(&format!("reading-{number}"), None)
            .into_sample()
            .map_err(|_| SourceError::Unavailable)
    }

    fn cursor(position: usize) -> Option<Cursor> {
        Some(Cursor { bytes: position.to_le_bytes().to_vec(), schema: 1 })
    }

    fn position(cursor: Option<&Cursor>) -> Result<usize, SourceError> {
        let Some(cursor) = cursor else { return Ok(0) };
        let bytes = cursor.bytes[..].try_into().map_err(|_| SourceError::CursorForeign)?;
        Ok(usize::from_le_bytes(bytes))
    }
}

impl HealthSource for Scale {
    fn descriptor(&self) -> SourceDescriptor {
        let capabilities = Capabilities { deletes: true, updates: true, snapshots: true };
        let (id, name) = ("scale".to_owned(), "Bathroom scale".to_owned());
        SourceDescriptor { id, name, capabilities, own_origin: None }
    }

    fn pull(
        &mut self,
        _scope: &Scope,
        cursor: Option<&Cursor>,
        budget: Budget,
    ) -> Result<Page, SourceError> {
        let from = Self::position(cursor)?;
        if from > self.log.len() {
            return Err(SourceError::CursorForeign);
        }
        let to = self.log.len().min(from + budget.max_samples);
        let (mut upserts, mut deletions) = (Vec::new(), Vec::new());
        for (number, weight) in &self.log[from..to] {
            match weight {
                Some(kilograms) => upserts.push(Self::sample(*number, *kilograms)?),
                None => deletions.push(Deletion::External(format!("reading-{number}"))),
            }
        }
        let (next, more) = (Self::cursor(to), to < self.log.len());
        Ok(Page { upserts, deletions, next, more, completeness: Completeness::Complete })
    }

    fn snapshot(
        &mut self,
        _scope: &Scope,
        _from: Option<&Cursor>,
        _budget: Budget,
    ) -> Result<SnapshotPage, SourceError> {
        let latest: std::collections::BTreeMap<_, _> = self.log.iter().copied().collect();
        let there = latest.into_iter().filter_map(|(number, weight)| Some((number, weight?)));
        let present = there.map(|(number, kilograms)| Self::sample(number, kilograms));
        let present = present.collect::<Result<_, _>>()?;
        Ok(SnapshotPage { present, next: None, resume: Self::cursor(self.log.len()) })
    }
}

pub(crate) fn main() -> Result<(), Box<dyn Error>> {
    let directory = tempfile::tempdir()?;
    let client = Client::open(ClientOptions::new(directory.path().join("health.db")))?;
    let metric = EntityType::new("HealthMetric")?;
    let count = || client.counts().map(|counts| counts.get(&metric).copied().unwrap_or(0));
    let scope = Scope::default();
    let mut scale = Scale { log: (0..100).map(|number| (number, Some(70.0))).collect() };

    // A short window in the background takes a part, and the next one goes on.
    let short = PullBudget { max_samples: 30, deadline: None };
    let part = client.pull_source(&mut scale, &scope, short)?;
    assert!(part.more && count()? == 30);
    client.pull_source(&mut scale, &scope, PullBudget::default())?;
    assert_eq!(count()?, 100);

    // A correction and a deletion.
    scale.log.extend([(7, Some(71.5)), (8, None)]);
    let changes = client.pull_source(&mut scale, &scope, PullBudget::default())?;
    assert_eq!((changes.imported.changed, changes.imported.deleted), (1, 1));
    println!("{} readings after a deletion", count()?);

    // The scale was reset: its positions are void and most readings are gone. Nothing is deleted
    // before a person has said so.
    scale.log = (0..20).map(|number| (number, Some(70.0))).collect();
    let reset = client.pull_source(&mut scale, &scope, PullBudget::default())?;
    let Comparing::Held { missing, total, .. } = reset.comparing else {
        return Err("many deletions are held".into());
    };
    println!("Bathroom scale no longer has {missing} of {total} readings");
    assert_eq!(count()?, 99);
    client.refuse_source_deletions("scale")?;
    assert_eq!(count()?, 99);

    // Registered sources are pulled by background runs.
    client.register_source(Box::new(scale), scope)?;
    let reports = client.pull_sources(PullBudget::default())?;
    assert_eq!(reports.len(), 1);
    Ok(())
}
