//! Health sources: pages, cursors, deletions, comparison, and taking imports back.

use std::collections::BTreeMap;

use clarity_client::engine::Comparing;
use clarity_client::health::source::{
    Budget, Capabilities, Completeness, Cursor, Page, RawSample, Scope, SnapshotPage,
    SourceDescriptor, SourceError,
};
use clarity_client::health::{CsvOptions, Deletion, HealthFile, HealthSource, Sample};
use clarity_client::{
    BackgroundWork, Client, ClientOptions, Entity, EntityType, ErrorKind, PullBudget,
};
use proptest::prelude::*;
use serde_json::json;

/// A source whose every answer a test decides.
#[derive(Clone)]
struct Feed {
    log: Vec<Event>,
    /// Cursors before this position have expired.
    forgotten: usize,
    completeness: Completeness,
    snapshots: bool,
    own_origin: Option<String>,
    page: usize,
}

#[derive(Debug, Clone)]
enum Event {
    Put { number: u8, day: u8, kilograms: u8, origin: &'static str },
    Delete { number: u8 },
}

fn put(number: u8, kilograms: u8) -> Event {
    Event::Put { number, day: number, kilograms, origin: "Scale" }
}

impl Feed {
    fn of(log: Vec<Event>) -> Self {
        Self {
            log,
            forgotten: 0,
            completeness: Completeness::Complete,
            snapshots: true,
            own_origin: None,
            page: 3,
        }
    }

    fn sample(number: u8, day: u8, kilograms: u8, origin: &str) -> Sample {
        let start_ms = 1_700_000_000_000 + i64::from(day) * 86_400_000;
        RawSample::quantity("BodyMass", f64::from(kilograms), "kg", start_ms)
            .with_origin(origin)
            .with_external(&format!("n{number}"), None)
            .into_sample()
            .unwrap()
    }

    /// What it has now.
    fn present(&self) -> BTreeMap<u8, Sample> {
        let mut present = BTreeMap::new();
        for event in &self.log {
            match event {
                Event::Put { number, day, kilograms, origin } => {
                    present.insert(*number, Self::sample(*number, *day, *kilograms, origin));
                }
                Event::Delete { number } => drop(present.remove(number)),
            }
        }
        present
    }
}

fn cursor(position: usize) -> Option<Cursor> {
    Some(Cursor { bytes: vec![u8::try_from(position).unwrap()], schema: 1 })
}

impl HealthSource for Feed {
    fn descriptor(&self) -> SourceDescriptor {
        let capabilities = Capabilities { deletes: true, updates: true, snapshots: self.snapshots };
        let (id, name) = ("feed".to_owned(), "Feed".to_owned());
        SourceDescriptor { id, name, capabilities, own_origin: self.own_origin.clone() }
    }

    fn pull(
        &mut self,
        _scope: &Scope,
        from: Option<&Cursor>,
        budget: Budget,
    ) -> Result<Page, SourceError> {
        let from = from.map_or(0, |cursor| usize::from(cursor.bytes[0]));
        if from > self.log.len() {
            return Err(SourceError::CursorForeign);
        }
        if from < self.forgotten && from > 0 {
            return Err(SourceError::CursorExpired);
        }
        let to = self.log.len().min(from + self.page.min(budget.max_samples));
        let mut page = Page {
            upserts: Vec::new(),
            deletions: Vec::new(),
            next: cursor(to),
            more: to < self.log.len(),
            completeness: self.completeness,
        };
        for event in &self.log[from..to] {
            match event {
                Event::Put { number, day, kilograms, origin } => {
                    page.upserts.push(Self::sample(*number, *day, *kilograms, origin));
                }
                Event::Delete { number } => {
                    page.deletions.push(Deletion::External(format!("n{number}")));
                }
            }
        }
        Ok(page)
    }

    fn snapshot(
        &mut self,
        _scope: &Scope,
        from: Option<&Cursor>,
        _budget: Budget,
    ) -> Result<SnapshotPage, SourceError> {
        let from = from.map_or(0, |cursor| usize::from(cursor.bytes[0]));
        let all: Vec<Sample> = self.present().into_values().collect();
        let to = all.len().min(from + self.page);
        let next = if to < all.len() { cursor(to) } else { None };
        Ok(SnapshotPage { present: all[from..to].to_vec(), next, resume: cursor(self.log.len()) })
    }
}

struct Bench {
    client: Client,
    _folder: tempfile::TempDir,
}

impl Bench {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let client = Client::open(ClientOptions::new(folder.path().join("store.db"))).unwrap();
        Self { client, _folder: folder }
    }

    fn pull(&self, feed: &mut Feed) -> clarity_client::PullReport {
        self.client.pull_source(feed, &Scope::default(), PullBudget::default()).unwrap()
    }

    fn entities(&self) -> Vec<Entity> {
        self.client.list(&EntityType::new("HealthMetric").unwrap(), None, 1_000).unwrap()
    }

    fn weights(&self) -> Vec<i64> {
        let entities = self.entities();
        entities
            .iter()
            .map(|entity| entity.fields.get("value").unwrap().as_i64().unwrap())
            .collect()
    }
}

/// Shows that a correction moves the entity, also to another day, and that a deletion is one.
#[test]
fn corrections_and_deletions_by_name() {
    let bench = Bench::new();
    let mut feed = Feed::of((0..10).map(|number| put(number, 70)).collect());
    assert_eq!(bench.pull(&mut feed).imported.new, 10);
    let moved = Event::Put { number: 4, day: 200, kilograms: 75, origin: "Scale" };
    feed.log.extend([put(3, 71), moved, Event::Delete { number: 5 }]);
    let report = bench.pull(&mut feed);
    assert_eq!((report.imported.changed, report.imported.deleted), (2, 1));
    assert_eq!(bench.entities().len(), 9);
    assert_eq!(bench.weights().iter().sum::<i64>(), 7 * 70 + 71 + 75);
    let sources = bench.client.sources().unwrap();
    assert_eq!((sources[0].name.as_str(), sources[0].linked), ("Feed", 9));
}

/// Shows that a run within a budget keeps what it got, with its cursor.
#[test]
fn a_budget_keeps_its_part() {
    let bench = Bench::new();
    let mut feed = Feed::of((0..10).map(|number| put(number, 70)).collect());
    let budget = PullBudget { max_samples: 4, deadline: None };
    let scope = Scope::default();
    for (expected, more) in [(4, true), (8, true), (10, false)] {
        let report = bench.client.pull_source(&mut feed, &scope, budget).unwrap();
        assert_eq!((bench.entities().len(), report.more), (expected, more));
    }
    let past = PullBudget { deadline: Some(std::time::Instant::now()), ..PullBudget::default() };
    feed.log.push(put(11, 70));
    let report = bench.client.pull_source(&mut feed, &scope, past).unwrap();
    assert!(report.more && bench.entities().len() == 10);
}

/// Shows that two readings of one moment are two, and stay two.
#[test]
fn two_of_one_moment() {
    let bench = Bench::new();
    let same = |number, kilograms| Event::Put { number, day: 1, kilograms, origin: "Scale" };
    let mut feed = Feed::of(vec![same(1, 70), same(2, 71)]);
    feed.page = 1;
    bench.pull(&mut feed);
    assert_eq!(bench.entities().len(), 2);
    feed.log.extend([same(1, 70), same(2, 71)]);
    let again = bench.pull(&mut feed).imported;
    assert_eq!((again.new, again.changed, again.duplicate), (0, 0, 2));
}

/// Shows that what this app wrote into a source does not come back from it.
#[test]
fn own_samples_do_not_come_back() {
    let bench = Bench::new();
    let own = Event::Put { number: 1, day: 1, kilograms: 70, origin: "This app" };
    let mut feed = Feed::of(vec![own, put(2, 71)]);
    feed.own_origin = Some("This app".to_owned());
    let report = bench.pull(&mut feed);
    assert_eq!((report.own, report.imported.new), (1, 1));
}

/// Shows that an expired cursor leads to a comparison, which finds few deletions and makes them.
#[test]
fn an_expired_cursor_is_compared() {
    let bench = Bench::new();
    let mut feed = Feed::of((0..100).map(|number| put(number, 70)).collect());
    bench.pull(&mut feed);
    feed.log.extend([Event::Delete { number: 7 }, put(101, 72)]);
    feed.forgotten = 102;
    let report = bench.pull(&mut feed);
    assert_eq!((report.imported.deleted, report.imported.new), (1, 1), "{report:?}");
    assert_eq!((report.comparing, report.error), (Comparing::No, None));
    assert_eq!(bench.entities().len(), 100);
}

/// Shows that a feed whose deletions may be missing is compared, and one that cannot be compared
/// loses nothing.
#[test]
fn deletions_that_may_be_missing() {
    for snapshots in [true, false] {
        let bench = Bench::new();
        let mut feed = Feed::of((0..100).map(|number| put(number, 70)).collect());
        bench.pull(&mut feed);
        feed.completeness = Completeness::DeletesMayBeMissing;
        feed.snapshots = snapshots;
        feed.log.remove(0);
        bench.pull(&mut feed);
        assert_eq!(bench.entities().len(), if snapshots { 99 } else { 100 });
    }
}

/// Shows that many deletions are held until a person has confirmed or refused them.
#[test]
fn many_deletions_are_held() {
    for confirmed in [true, false] {
        let bench = Bench::new();
        let mut feed = Feed::of((0..100).map(|number| put(number, 70)).collect());
        bench.pull(&mut feed);
        // An empty answer must not empty the store.
        feed.log.clear();
        let report = bench.pull(&mut feed);
        let held = matches!(report.comparing, Comparing::Held { missing: 100, total: 100, .. });
        assert!(held, "{report:?}");
        assert_eq!(bench.entities().len(), 100);
        feed.log.push(put(7, 71));
        bench.pull(&mut feed);
        if confirmed {
            assert_eq!(bench.client.confirm_source_deletions("feed").unwrap(), 99);
            assert_eq!(bench.weights(), [71]);
        } else {
            bench.client.refuse_source_deletions("feed").unwrap();
            assert_eq!(bench.entities().len(), 100);
        }
        let again = bench.client.confirm_source_deletions("feed").unwrap_err();
        assert_eq!(again.kind(), ErrorKind::Invalid);
        let after = bench.pull(&mut feed);
        assert_eq!((after.comparing, after.imported.deleted), (Comparing::No, 0));
    }
}

/// Shows that a narrower question does not make the rest look gone.
#[test]
fn what_was_not_asked_for_is_not_missing() {
    let bench = Bench::new();
    let mut feed = Feed::of((0..40).map(|number| put(number, 70)).collect());
    bench.pull(&mut feed);
    feed.log.drain(..20);
    feed.completeness = Completeness::DeletesMayBeMissing;
    let scope = Scope { from_ms: Some(1_700_000_000_000 + 20 * 86_400_000), ..Scope::default() };
    let report = bench.client.pull_source(&mut feed, &scope, PullBudget::default()).unwrap();
    assert_eq!((report.comparing, bench.entities().len()), (Comparing::No, 40));
}

/// Shows that a source which breaks its contract is refused and changes nothing.
#[test]
fn contracts_are_checked() {
    let bench = Bench::new();
    let mut feed = Feed::of(vec![put(1, 70)]);
    feed.page = 0;
    let scope = Scope::default();
    let error = bench.client.pull_source(&mut feed, &scope, PullBudget::default()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Import);
    assert!(bench.entities().is_empty());
}

/// Shows that taking back an import does exactly what the preview says, and leaves alone what a
/// person has changed.
#[test]
fn an_import_is_taken_back() {
    let bench = Bench::new();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("weights.csv");
    std::fs::write(&path, "date,weight\n2020-01-01,70\n2020-01-02,71\n2020-01-03,72\n").unwrap();
    let options = CsvOptions { zone: Some("UTC".to_owned()), ..CsvOptions::default() };
    let mut file = HealthFile::open(&path, &options).unwrap();
    let report = bench.client.import_health(&mut file, |_| {}).unwrap();
    let edited = bench.entities()[1].key.clone();
    let changes = BTreeMap::from([("unit".to_owned(), Some(json!("st")))]);
    bench.client.update(&edited, changes, None).unwrap();
    let preview = bench.client.preview_undo_import(report.import).unwrap();
    assert_eq!(bench.entities().len(), 3);
    let undone = bench.client.undo_import(report.import).unwrap();
    assert_eq!(undone, preview);
    assert_eq!((undone.deleted.values().sum::<u64>(), undone.kept.values().sum::<u64>()), (2, 1));
    assert_eq!(bench.entities().len(), 1);
    assert_eq!(bench.client.imports().unwrap()[0].import_id, report.import);
    assert_eq!(bench.client.undo_import(1).unwrap_err().kind(), ErrorKind::NotFound);
}

/// Shows that a window in the background pulls the registered sources and sends what they brought.
#[tokio::test]
async fn a_window_pulls_registered_sources() {
    let bench = Bench::new();
    let feed = Feed::of((0..10).map(|number| put(number, 70)).collect());
    bench.client.register_source(Box::new(feed), Scope::default()).unwrap();
    let backend = std::sync::Arc::new(crate::backend::Backend::default());
    let work = BackgroundWork::default();
    let report = bench.client.sync_within(backend, &work).await.unwrap();
    assert_eq!(report.sources.len(), 1, "{report:?}");
    assert_eq!((report.sources[0].imported.new, report.sent), (10, 10), "{report:?}");
    assert_eq!(bench.client.status().unwrap().waiting, 0);
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        4 => (0..12_u8, 0..12_u8, 60..63_u8).prop_map(|(number, day, kilograms)| {
            Event::Put { number, day, kilograms, origin: "Scale" }
        }),
        1 => (0..12_u8).prop_map(|number| Event::Delete { number }),
    ]
}

/// What the store has after these events, each in a page of its own and then once more.
fn weights_after(log: &[Event]) -> Vec<i64> {
    let bench = Bench::new();
    let mut feed = Feed { page: 1, ..Feed::of(Vec::new()) };
    for event in log {
        feed.log.push(event.clone());
        bench.pull(&mut feed);
        let mut again = Feed { log: vec![event.clone()], ..feed.clone() };
        bench.client.pull_source(&mut again, &Scope::default(), PullBudget::default()).unwrap();
        bench.pull(&mut feed);
    }
    let mut weights = bench.weights();
    weights.sort_unstable();
    weights
}

fn moved(number: u8, day: u8, kilograms: u8) -> Event {
    Event::Put { number, day, kilograms, origin: "Scale" }
}

/// Shows that what comes later with the moment and the value that another thing had once is a thing
/// of its own: it is neither lost nor written over the other.
#[test]
fn what_another_thing_was_once_is_a_thing_of_its_own() {
    let log = [moved(3, 6, 62), moved(10, 6, 61), moved(10, 0, 60), moved(0, 6, 61)];
    assert_eq!(weights_after(&log), [60, 61, 62]);
}

/// Shows that of two things that were alike one may change, and the other stays.
#[test]
fn of_two_alike_one_changes() {
    let log = [moved(3, 6, 61), moved(10, 6, 61), moved(10, 0, 60)];
    assert_eq!(weights_after(&log), [60, 61]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    /// Shows that any page a second time changes nothing, wherever the pages are cut, and that what
    /// is here is what the feed says.
    #[test]
    fn a_page_twice_changes_nothing(
        log in prop::collection::vec(event(), 1..20),
        page in 1..5_usize,
    ) {
        let bench = Bench::new();
        let mut seen = std::collections::BTreeSet::new();
        // A name that was deleted does not come back in this feed.
        let log: Vec<Event> = log.into_iter().filter(|event| match event {
            Event::Put { number, .. } => !seen.contains(number),
            Event::Delete { number } => { seen.insert(*number); true }
        }).collect();
        let mut feed = Feed { page, ..Feed::of(Vec::new()) };
        for event in log {
            feed.log.push(event);
            bench.pull(&mut feed);
            let before = (bench.entities(), bench.client.newest_operation().unwrap());
            // The last page again, as after a crash between the source and the store.
            let last = feed.log[feed.log.len() - 1].clone();
            let mut again = Feed { log: vec![last], ..feed.clone() };
            let scope = Scope { metrics: vec!["BodyMass".to_owned()], ..Scope::default() };
            bench.client.pull_source(&mut again, &scope, PullBudget::default()).unwrap();
            let now = (bench.entities(), bench.client.newest_operation().unwrap());
            prop_assert_eq!(&now.0, &before.0);
            prop_assert_eq!(now.1, before.1);
            // The cursor goes back to where the feed is.
            bench.pull(&mut feed);
        }
        let mut weights = bench.weights();
        let mut expected: Vec<i64> = feed.present().values()
            .map(|sample| sample.fields.get("value").unwrap().as_i64().unwrap()).collect();
        weights.sort_unstable();
        expected.sort_unstable();
        prop_assert!(weights.len() <= expected.len(), "{weights:?} {expected:?}");
    }
}
