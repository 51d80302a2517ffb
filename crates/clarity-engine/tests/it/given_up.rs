//! What was given up for space meets what else happens to it: a narrower scope, other ids, its own
//! priority, a single fetch.

use clarity_engine::protocol::model::{
    EntityKey, EntityType, Kind, Priority, Schema, Seq, ServerTime,
};
use clarity_engine::protocol::{FailureClass, FetchResponse, Row, Scope};
use clarity_engine::store::{AliasState, Month};
use clarity_engine::{
    Event, ExternalName, Import, ImportDeletion, ImportSample, StorageSettings, Wanted, Write,
    WriteError,
};
use serde_json::{Value, json};

use crate::given_ids::{SCHEMA, made, plan};
use crate::storage::{
    DAY_MS, MARCH, is_here, is_known, keep, make_room, nothing, sample, set, steps,
    version_of_marker, wishes_for, without_a_note, without_samples,
};
use crate::support::{Bench, note, wire};

fn follow(bench: &mut Bench, scope: Scope) {
    bench.write(Write::SetScope { scope });
    for _ in 0..20 {
        bench.now = bench.now.plus_ms(10);
        bench.event(Event::Timer);
    }
}

fn only(names: &[&str]) -> Scope {
    let types = names.iter().map(|name| EntityType::new(*name).unwrap()).collect();
    Scope { types, windows: [].into() }
}

/// Fetches entities by their keys.
fn fetch(bench: &mut Bench, rows: &[(&EntityKey, Value)]) {
    let wanted = rows.iter().map(|(key, _)| Wanted::Key((*key).clone())).collect();
    bench.write(Write::Fetch { wanted });
    let rows: Vec<_> = rows.iter().map(|(key, fields)| wire::row(key, 1, fields.clone())).collect();
    bench.answer_fetch(wire::fetched(&rows, &[]));
}

fn is_stale(bench: &mut Bench, of_type: &EntityType) -> bool {
    let tx = bench.store().begin().unwrap();
    tx.evicted_month(of_type, Month::of_ms(MARCH)).unwrap().unwrap().stale
}

/// Shows that what a narrower scope leaves out is not known as given up any more, neither single
/// entities nor months, that its sums go with it, and that what is still followed stays known.
#[test]
fn a_narrower_scope_forgets_what_was_given_up() {
    let (samples, one) = ([sample(1, MARCH + 5, 10), sample(2, MARCH + 9, 20)], note("one"));
    let mut bench = Bench::new();
    let mut rows: Vec<_> =
        samples.iter().map(|(key, fields)| wire::row(key, 1, fields.clone())).collect();
    rows.push(wire::row(&one, 1, json!({"title": "a"})));
    bench.answer_pull(&rows);
    set(&mut bench, nothing());
    make_room(&mut bench);
    assert_eq!(steps(&mut bench), [(2, 30.0)]);
    follow(&mut bench, only(&["Note"]));
    assert!(is_known(&mut bench, &one));
    assert!(!is_known(&mut bench, &samples[0].0));
    assert_eq!(steps(&mut bench), []);
    follow(&mut bench, only(&["Goal"]));
    assert!(!is_known(&mut bench, &one));
    let engine = bench.engine();
    let tx = bench.store().begin().unwrap();
    assert!(engine.storage(&tx).unwrap().types.iter().all(|one| one.evicted == 0));
}

/// Shows that months that lie wholly before a window are not known as given up any more, and that
/// later ones are.
#[test]
fn a_window_forgets_the_months_before_it() {
    let (march, april) = (sample(1, MARCH + 5, 10), sample(2, MARCH + 40 * DAY_MS, 20));
    let mut bench = Bench::new();
    let rows = [wire::row(&march.0, 1, march.1), wire::row(&april.0, 1, april.1)];
    bench.answer_pull_with(wire::page_at(&rows, ServerTime(MARCH + 60 * DAY_MS)));
    set(&mut bench, nothing());
    make_room(&mut bench);
    assert!(is_known(&mut bench, &march.0) && is_known(&mut bench, &april.0));
    let windows = [(march.0.entity_type.clone(), 29)].into();
    follow(&mut bench, Scope { types: Vec::new(), windows });
    assert!(!is_known(&mut bench, &march.0) && is_known(&mut bench, &april.0));
    assert_eq!(steps(&mut bench), [(1, 20.0)]);
}

/// Shows that what a person wants to have here whatever happens stays when the scope leaves it out.
#[test]
fn a_narrower_scope_keeps_what_is_critical() {
    let (one, two) = (note("one"), note("two"));
    let mut bench = Bench::new();
    let rows = [wire::row(&one, 1, json!({"a": 1})), wire::row(&two, 1, json!({"a": 1}))];
    bench.answer_pull(&rows);
    keep(&mut bench, &one, Some(Priority::Critical));
    follow(&mut bench, only(&["Goal"]));
    assert!(is_here(&mut bench, &one) && !is_here(&mut bench, &two));
}

/// Shows that a sample that was given up by its own priority, and whose month was given up too,
/// counts once when it comes back.
#[test]
fn a_sample_with_its_own_priority_counts_once() {
    let samples = [sample(1, MARCH + 5, 10), sample(2, MARCH + 9, 20)];
    let mut bench = Bench::new();
    let rows: Vec<_> =
        samples.iter().map(|(key, fields)| wire::row(key, 1, fields.clone())).collect();
    bench.answer_pull(&rows);
    keep(&mut bench, &samples[0].0, Some(Priority::Low));
    set(&mut bench, nothing());
    make_room(&mut bench);
    assert!(!is_here(&mut bench, &samples[0].0) && !is_here(&mut bench, &samples[1].0));
    set(&mut bench, StorageSettings::default());
    fetch(&mut bench, &[(&samples[0].0, samples[0].1.clone())]);
    assert!(is_here(&mut bench, &samples[0].0));
    assert_eq!(steps(&mut bench), [(2, 30.0)]);
}

/// Shows that deleting or changing the largest sample of a day, fetched alone out of a month that
/// was given up, says that the sums of the month may not hold; and that another one does not.
#[test]
fn the_largest_of_a_day_leaves_a_doubt() {
    for (which, doubt) in [(0, false), (1, true)] {
        let samples = [sample(1, MARCH + 5, 10), sample(2, MARCH + 9, 20), sample(3, MARCH, 5)];
        let mut bench = without_samples(&samples);
        set(&mut bench, StorageSettings::default());
        let (key, fields) = &samples[which];
        fetch(&mut bench, &[(key, fields.clone())]);
        assert!(!is_stale(&mut bench, &key.entity_type));
        bench.delete(key);
        assert_eq!(is_stale(&mut bench, &key.entity_type), doubt);
    }
}

/// An answer to the fetch that was asked before anything was read since.
fn late(rows: &[Row]) -> FetchResponse {
    FetchResponse { head: Seq(10), ranges_done: 1, ..wire::fetched(rows, &[]) }
}

/// Shows that an answer to a fetch that is older than what was read and given up again since does
/// not take the marker back to an older version, whether the entity or its type was asked for.
#[test]
fn an_older_answer_takes_no_marker_back() {
    for wanted in wishes_for(&note("one")) {
        let (mut bench, one) = without_a_note();
        bench.write(Write::Fetch { wanted: vec![wanted] });
        bench.pull(&[wire::row(&one, 4, json!({"title": "theirs"}))]);
        make_room(&mut bench);
        assert_eq!(version_of_marker(&mut bench, &one), Some(4));
        set(&mut bench, StorageSettings::default());
        bench.answer_fetch(late(&[wire::row(&one, 1, json!({"title": "first"}))]));
        assert_eq!(version_of_marker(&mut bench, &one), Some(4));
        assert!(!is_here(&mut bench, &one));
        fetch(&mut bench, &[(&one, json!({"title": "theirs"}))]);
        assert!(is_here(&mut bench, &one));
    }
}

/// Shows the same of samples: those of a month in which something changed since stay away, and the
/// month is asked for once more when somebody wants it.
#[test]
fn an_older_answer_brings_no_changed_sample() {
    let samples = [sample(1, MARCH + 5, 10), sample(2, MARCH + 9, 20)];
    let changed = sample(2, MARCH + 9, 25);
    let mut bench = without_samples(&samples);
    let all = Wanted::Type(changed.0.entity_type.clone());
    bench.write(Write::Fetch { wanted: vec![all.clone()] });
    bench.pull(&[wire::row(&changed.0, 2, changed.1.clone())]);
    make_room(&mut bench);
    set(&mut bench, StorageSettings::default());
    let of = |(key, fields): &(EntityKey, Value), version| wire::row(key, version, fields.clone());
    bench.answer_fetch(late(&[of(&samples[0], 1), of(&samples[1], 1)]));
    assert!(is_known(&mut bench, &samples[0].0) && is_known(&mut bench, &changed.0));
    assert!(!is_here(&mut bench, &changed.0));
    bench.write(Write::Fetch { wanted: vec![all] });
    let rows = [of(&samples[0], 1), of(&changed, 2)];
    bench.answer_fetch(FetchResponse { ranges_done: 1, ..wire::fetched(&rows, &[]) });
    assert_eq!(bench.see(&changed.0), Some(changed.1));
    assert_eq!(steps(&mut bench), [(2, 35.0)]);
}

/// Shows that at the hard limit an export is not taken in, and that a batch that only deletes is.
#[test]
fn a_full_disk_takes_deletes_in_any_form() {
    let one = note("one");
    let mut bench = Bench::with(&one, json!({"title": "first"}));
    bench.event(Event::DiskSpace { free_bytes: Some(0) });
    let restored = Write::MergeExport {
        import_id: 1,
        replay: true,
        entities: vec![(note("two"), clarity_engine::ExportedEntity::default())],
        history: Vec::new(),
    };
    assert!(matches!(bench.try_write(restored), Err(WriteError::StorageFull)));
    let delete = Write::Delete { key: one.clone(), seen: None };
    bench.write(Write::Batch { atomic: true, writes: vec![delete] });
    assert_eq!(bench.see(&one), None);
}

/// Shows that any amount of space to be left free can be asked for.
#[test]
fn more_than_any_disk_can_be_left_free() {
    let mut bench = Bench::online();
    let settings = StorageSettings { free_disk_min_bytes: u64::MAX, ..StorageSettings::default() };
    set(&mut bench, settings);
    for _ in 0..2 {
        bench.event(Event::DiskSpace { free_bytes: Some(1) });
        assert!(bench.status().stalled.is_some());
    }
}

/// Shows that an explanation says of an entity that it was given up for space, that it is being
/// fetched, that the device does not follow it, and what stays although it is not followed; and
/// that an older name finds it.
#[test]
fn an_explanation_says_where_an_entity_is() {
    let (one, two) = (note("one"), note("two"));
    let mut bench = Bench::new();
    let rows = [wire::row(&one, 3, json!({"a": 1})), wire::row(&two, 1, json!({"a": 1}))];
    bench.answer_pull(&rows);
    assert_eq!(bench.explain(&one).unwrap().evicted, None);
    keep(&mut bench, &two, Some(Priority::Critical));
    set(&mut bench, nothing());
    make_room(&mut bench);
    let told = bench.explain(&one).unwrap();
    assert!(!told.visible && told.followed && told.evicted.is_some());
    assert_eq!((told.confirmed_version.0, told.confirmed_deleted), (3, false));
    assert!(told.message.contains("moved off this device to save space"), "{}", told.message);
    bench.write(Write::Fetch { wanted: vec![Wanted::Key(one.clone())] });
    let told = bench.explain(&one).unwrap();
    assert!(told.message.ends_with("is being fetched"), "{}", told.message);
    follow(&mut bench, only(&["Goal"]));
    let told = bench.explain(&one).unwrap();
    assert!(!told.followed && told.evicted.is_none());
    assert!(told.message.ends_with("it can be fetched by name"), "{}", told.message);
    let told = bench.explain(&two).unwrap();
    assert_eq!((told.visible, told.priority), (true, Some(Priority::Critical)));
    assert!(told.message.contains("it stays, as it was last heard of"), "{}", told.message);

    let mut bench = Bench::of(Schema::from_json(SCHEMA).unwrap());
    bench.answer_pull(&[]);
    bench.create(&plan("local"), json!({}));
    let push = bench.take_push();
    bench.answer(&push, vec![made(push.only(), "31")]);
    assert_eq!(bench.explain(&plan("local")).unwrap().key, plan("31"));
}

/// Shows that a backend which gives no stretches of time is read from the beginning instead, that
/// this brings what was given up, that it is complete only when all was read, and that what was
/// wished for meanwhile is asked for anew.
#[test]
fn a_backend_without_stretches_is_read_again() {
    let samples = [sample(1, MARCH + 5, 10), sample(2, MARCH + 9, 20)];
    let of_type = samples[0].0.entity_type.clone();
    let mut bench = without_samples(&samples);
    set(&mut bench, StorageSettings::default());
    let range = |to_ms| Wanted::Range { entity_type: of_type.clone(), from_ms: None, to_ms };
    bench.write(Write::Fetch { wanted: vec![range(None)] });
    let (request, _) = bench.take_fetch();
    bench.fail(request, FailureClass::BadRequest);
    assert_eq!(bench.pulls[0].1.cursor, None, "from the beginning");
    bench.write(Write::Fetch { wanted: vec![range(Some(MARCH))] });
    assert!(bench.fetches.is_empty(), "it would be refused alike");
    let rows: Vec<_> =
        samples.iter().map(|(key, fields)| wire::row(key, 1, fields.clone())).collect();
    let mut first = wire::page(&rows[..1]);
    first.more = true;
    bench.answer_pull_with(first);
    assert!(is_here(&mut bench, &samples[0].0));
    assert_eq!(bench.status().wanted, 2);
    bench.answer_pull(&rows[1..]);
    assert!(is_here(&mut bench, &samples[1].0));
    {
        let tx = bench.store().begin().unwrap();
        assert!(tx.evicted_months(None).unwrap().is_empty());
    }
    assert_eq!(bench.status().wanted, 1);
    let done =
        clarity_engine::protocol::FetchResponse { ranges_done: 1, ..wire::fetched(&[], &[]) };
    assert_eq!(bench.answer_fetch(done).ranges[0].to_ms, Some(MARCH));
    assert!(bench.status().idle);
}

const WATCH: &str = "watch";

/// What a source gives and takes back, each by its name.
fn feed(bench: &mut Bench, given: &[(&str, &EntityKey, &Value, i64)], gone: &[&str]) {
    let samples = given.iter().map(|(name, key, fields, version)| ImportSample {
        key: (*key).clone(),
        sibling: EntityKey { id: sample(999, MARCH, 0).0.id, ..(*key).clone() },
        fields: wire::fields((*fields).clone()),
        external: Some(ExternalName { id: (*name).to_owned(), version: Some(*version) }),
    });
    let deletions = gone.iter().map(|name| ImportDeletion::External((*name).to_owned()));
    bench.write(Write::Import(Import {
        import_id: 9,
        source: Some(WATCH.to_owned()),
        samples: samples.collect(),
        deletions: deletions.collect(),
        ..Import::default()
    }));
}

/// Shows that what a source takes back is deleted although it had been given up for space: it is
/// fetched, and deleted when it comes; what the source still has stays.
#[test]
fn what_a_source_takes_back_is_deleted_when_it_is_here_again() {
    let samples = [sample(1, MARCH + 5, 10), sample(2, MARCH + 9, 20)];
    let mut bench = without_samples(&samples);
    let [(one, one_fields), (two, two_fields)] = &samples;
    feed(&mut bench, &[("a", one, one_fields, 1), ("b", two, two_fields, 1)], &[]);
    feed(&mut bench, &[], &["a"]);
    assert!(!is_here(&mut bench, one));
    assert_eq!(waiting(&mut bench, one), []);
    assert!(bench.store().begin().unwrap().key_wanted(one).unwrap().is_some());
    bench.answer_fetch(wire::fetched(&[wire::row(one, 1, one_fields.clone())], &[]));
    assert_eq!(waiting(&mut bench, one), [Kind::Delete]);
    fetch(&mut bench, &[(two, two_fields.clone())]);
    assert_eq!(waiting(&mut bench, two), []);
    let tx = bench.store().begin().unwrap();
    assert_eq!(tx.alias(WATCH, "a").unwrap().unwrap().state, AliasState::Gone);
}

/// Shows that what a source takes back and then has again, before it was fetched, stays.
#[test]
fn what_a_source_has_again_stays() {
    let samples = [sample(1, MARCH + 5, 10)];
    let mut bench = without_samples(&samples);
    let [(one, fields)] = &samples;
    feed(&mut bench, &[("a", one, fields, 1)], &[]);
    feed(&mut bench, &[], &["a"]);
    feed(&mut bench, &[("a", one, fields, 2)], &[]);
    bench.answer_fetch(wire::fetched(&[wire::row(one, 1, fields.clone())], &[]));
    assert!(is_here(&mut bench, one));
    assert!(!waiting(&mut bench, one).contains(&Kind::Delete));
}

fn waiting(bench: &mut Bench, key: &EntityKey) -> Vec<Kind> {
    let lane = bench.store().begin().unwrap().lane(key).unwrap();
    lane.into_iter().map(|operation| operation.kind).collect()
}
