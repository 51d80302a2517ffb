//! Giving up rows: markers, digests and the sums of days.

use std::sync::Arc;

use clarity_model::{EntityKey, Priority, Schema, Seq, ServerTime, Version};
use clarity_store::{
    EvictedEntity, Eviction, EvictionReason, Month, RowState, Store, StoreTransaction,
    StoredEntity, Unit,
};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::support::{BIRTH, Place, entity_type, fields, key, stored};

const WHY: (EvictionReason, ServerTime) = (EvictionReason::Budget, ServerTime(77));
const DAY_MS: i64 = 86_400_000;
/// The first millisecond of March 2024.
const MARCH: i64 = 1_709_251_200_000;

fn open(place: &Place) -> Store {
    Store::open(&place.options(), Arc::new(Schema::shipped().unwrap()), BIRTH).unwrap()
}

/// A sample whose id holds its time.
fn sample(number: u64, time_ms: i64, value: i64) -> (EntityKey, StoredEntity) {
    let id = format!("{:08x}-{:04x}-8000-8000-{number:012x}", time_ms >> 16, time_ms & 0xffff);
    let fields = json!({
        "metric": "steps", "start_ms": time_ms, "value": value, "source": "watch", "extra": number,
    });
    (key("HealthMetric", &id), stored(fields))
}

fn put_all(transaction: &mut StoreTransaction<'_>, samples: &[(EntityKey, StoredEntity)]) {
    for (key, row) in samples {
        transaction.put_entity(key, row).unwrap();
    }
}

fn sums(transaction: &mut StoreTransaction<'_>) -> Vec<(i64, u64, f64, f64, f64)> {
    let found =
        transaction.rollups(&entity_type("HealthMetric"), "steps", None, 0..99_999).unwrap();
    found.into_iter().map(|day| (day.day, day.count, day.sum, day.min, day.max)).collect()
}

fn evict_march(transaction: &mut StoreTransaction<'_>, limit: usize) -> usize {
    let of_type = entity_type("HealthMetric");
    transaction.evict_samples(&of_type, Month::of_ms(MARCH), "start_ms", limit, WHY).unwrap().len()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    /// Shows that every time lies in its month, and that months follow each other without a gap.
    #[test]
    fn months_are_those_of_the_calendar(
        time_ms in -3_000_000_000_000_000_i64..9_000_000_000_000_000,
    ) {
        let month = Month::of_ms(time_ms);
        prop_assert!(month.start_ms() <= time_ms && time_ms < month.next().start_ms());
        prop_assert_eq!(Month::of_ms(month.start_ms()), month);
        let days = (month.next().start_ms() - month.start_ms()) / DAY_MS;
        prop_assert!((28..=31).contains(&days), "{} has {} days", month, days);
    }

    /// Shows that giving up samples and fetching them back, in any parts and with new versions and
    /// new samples in between, never changes what the sums of a day say; and that a month that was
    /// changed meanwhile says so until it is whole again.
    #[test]
    fn sums_hold_through_eviction(
        values in proptest::collection::vec((0..31_i64, -50..50_i64), 1..40),
        slices in proptest::collection::vec(1..20_usize, 0..4),
        back in 0..40_usize,
    ) {
        let place = Place::new();
        let mut store = open(&place);
        let samples: Vec<_> = values.iter().zip(1..)
            .map(|((day, value), number)| sample(number, MARCH + day * DAY_MS + 5, *value))
            .collect();
        let mut transaction = store.begin().unwrap();
        put_all(&mut transaction, &samples);
        let before = sums(&mut transaction);
        transaction.commit().unwrap();
        let mut gone = 0;
        for slice in slices {
            let mut transaction = store.begin().unwrap();
            gone += evict_march(&mut transaction, slice);
            prop_assert_eq!(&sums(&mut transaction), &before);
            transaction.commit().unwrap();
        }
        let mut transaction = store.begin().unwrap();
        let month = Month::of_ms(MARCH);
        let mut away = 0;
        for (key, row) in &samples {
            let known = transaction.is_evicted_sample(key, &row.fields).unwrap();
            prop_assert_eq!(known, transaction.entity(key).unwrap().is_none());
            away += usize::from(known);
        }
        prop_assert_eq!(away, gone);
        // Some come back.
        for (key, row) in samples.iter().take(back) {
            if transaction.take_evicted_sample(key, month, &row.fields).unwrap() {
                transaction.put_entity(key, row).unwrap();
            }
        }
        prop_assert_eq!(&sums(&mut transaction), &before);
        transaction.commit().unwrap();
        let mut transaction = store.begin().unwrap();
        put_all(&mut transaction, &samples);
        transaction.forget_evicted_month(&entity_type("HealthMetric"), month).unwrap();
        prop_assert_eq!(&sums(&mut transaction), &before);
        prop_assert!(transaction.evicted_months(None).unwrap().is_empty());
    }
}

/// Shows that a sample that was never here counts as one of those that are not.
#[test]
fn a_new_sample_of_an_evicted_month_counts() {
    let place = Place::new();
    let mut store = open(&place);
    let mut transaction = store.begin().unwrap();
    put_all(&mut transaction, &[sample(1, MARCH + 5, 10), sample(2, MARCH + 6, 30)]);
    assert_eq!(evict_march(&mut transaction, 100), 2);
    let (key, row) = sample(3, MARCH + 7, 2);
    assert!(!transaction.is_evicted_sample(&key, &row.fields).unwrap());
    let month = transaction.evicted_month_of(&key).unwrap().unwrap();
    transaction.add_evicted_sample(&key, month, &row.fields, Some(MARCH + 7)).unwrap();
    assert!(transaction.is_evicted_sample(&key, &row.fields).unwrap());
    let day = MARCH / DAY_MS;
    assert_eq!(sums(&mut transaction), [(day, 3, 42.0, 2.0, 30.0)]);
    let marker = transaction.evicted_month(&key.entity_type, month).unwrap().unwrap();
    assert_eq!((marker.count, marker.from_ms, marker.to_ms), (3, MARCH + 5, MARCH + 8));
    assert!(!marker.stale && marker.reason == EvictionReason::Budget);
    transaction.commit().unwrap();
    // And it is so after the process began anew.
    drop(store);
    let mut store = open(&place);
    let mut transaction = store.begin().unwrap();
    assert!(transaction.is_evicted_sample(&key, &row.fields).unwrap());
    assert_eq!(sums(&mut transaction), [(day, 3, 42.0, 2.0, 30.0)]);
}

/// Shows that only clean rows that were read back go, and that those with a priority of their own
/// do not go with their month.
#[test]
fn what_may_not_go_stays() {
    let place = Place::new();
    let mut store = open(&place);
    let mut transaction = store.begin().unwrap();
    let mut samples: Vec<_> = (1..=5).map(|n| sample(n, MARCH + n.cast_signed(), 1)).collect();
    samples[0].1.state = RowState::Pending;
    samples[1].1.seq = Seq(0);
    put_all(&mut transaction, &samples);
    transaction.set_kept(&samples[2].0, Some(Priority::Low)).unwrap();
    let no_time = key("HealthMetric", "018df600-0000-7000-8000-000000000000");
    transaction.put_entity(&no_time, &stored(json!({"value": 1}))).unwrap();
    assert_eq!(evict_march(&mut transaction, 100), 2);
    for (number, (key, _)) in samples.iter().enumerate() {
        assert_eq!(transaction.entity(key).unwrap().is_some(), number < 3, "{number}");
    }
    assert!(transaction.entity(&no_time).unwrap().is_some());
    assert!(
        transaction.evictable_months(&entity_type("HealthMetric"), "start_ms").unwrap().is_empty()
    );
    // By itself the one with a low priority may go.
    let floor = ServerTime(0);
    let kept = transaction.evictable_kept(Priority::Low, floor, ServerTime(i64::MAX)).unwrap();
    assert_eq!(kept.len(), 1);
    assert_eq!(kept[0].unit, Unit::Entity(samples[2].0.clone()));
    assert!(!transaction.evict_entity(&samples[0].0, WHY.0, WHY.1).unwrap());
    assert!(!transaction.evict_entity(&samples[1].0, WHY.0, WHY.1).unwrap());
    assert!(transaction.evict_entity(&samples[2].0, WHY.0, WHY.1).unwrap());
}

/// Shows that a single entity leaves a marker with its newest version, and what it adds to a day.
#[test]
fn a_single_entity_leaves_a_marker() {
    let place = Place::new();
    let mut store = open(&place);
    let mut transaction = store.begin().unwrap();
    let reading = key("ManualReading", "one");
    let content = |value: i64| json!({"metric": "weight", "start_ms": MARCH, "value": value});
    transaction.put_entity(&reading, &stored(content(80))).unwrap();
    let read = |transaction: &mut StoreTransaction<'_>| {
        let of_type = entity_type("ManualReading");
        let found = transaction.rollups(&of_type, "weight", None, 0..99_999).unwrap();
        found.iter().map(|day| (day.count, day.sum)).collect::<Vec<_>>()
    };
    assert_eq!(read(&mut transaction), [(1, 80.0)]);
    assert!(transaction.evict_entity(&reading, WHY.0, WHY.1).unwrap());
    assert_eq!(transaction.entity(&reading).unwrap(), None);
    let marker = transaction.evicted_entity(&reading).unwrap().unwrap();
    let expected =
        EvictedEntity { version: Version(3), evicted_at: WHY.1, reason: EvictionReason::Budget };
    assert_eq!(marker, expected);
    assert_eq!(read(&mut transaction), [(1, 80.0)]);
    // A newer version was heard of.
    let newer = EvictedEntity { version: Version(4), ..marker };
    transaction.put_evicted_entity(&reading, &newer, &fields(content(90))).unwrap();
    assert_eq!(read(&mut transaction), [(1, 90.0)]);
    assert!(transaction.remove_evicted_entity(&reading).unwrap());
    assert!(!transaction.remove_evicted_entity(&reading).unwrap());
    assert!(read(&mut transaction).is_empty());
}

/// Shows that entities come in the order of their last use, and that a floor makes all older ones
/// equal.
#[test]
fn entities_come_by_their_last_use() {
    let place = Place::new();
    let mut store = open(&place);
    let mut transaction = store.begin().unwrap();
    let hour = clarity_store::ACCESS_GRAIN_MS;
    for (number, updated_at) in [(1, 30), (2, 10), (3, 20)] {
        let row = StoredEntity {
            updated_at: ServerTime(updated_at * hour),
            ..stored(json!({"n": number}))
        };
        transaction.put_entity(&key("Note", &format!("n{number}")), &row).unwrap();
        transaction.put_entity(&key("Thing", &format!("t{number}")), &row).unwrap();
    }
    for name in ["Note", "Thing"] {
        let first = key(name, if name == "Note" { "n2" } else { "t2" });
        transaction.touch(std::slice::from_ref(&first), ServerTime(40 * hour), hour).unwrap();
        transaction.touch(&[first], ServerTime(40 * hour + 5), hour).unwrap();
    }
    let order = |transaction: &StoreTransaction<'_>, name: Option<&str>, floor: i64| {
        let of_type = name.map(entity_type);
        let (floor, end) = (ServerTime(floor * hour), ServerTime(i64::MAX));
        let found = transaction.evictable_entities(of_type.as_ref(), false, floor, end, 9).unwrap();
        let names = found.iter().map(|one| match &one.unit {
            Unit::Entity(key) => format!("{} {}", key.id.as_str(), one.used.0 / hour),
            Unit::Month(..) => String::new(),
        });
        names.collect::<Vec<_>>()
    };
    assert_eq!(order(&transaction, Some("Note"), 0), ["n3 20", "n1 30", "n2 40"]);
    assert_eq!(order(&transaction, None, 0), ["t3 20", "t1 30", "t2 40"]);
    assert_eq!(order(&transaction, Some("Note"), 35), ["n1 35", "n3 35", "n2 40"]);
    let (zero, before) = (ServerTime(0), ServerTime(30 * hour));
    let note = entity_type("Note");
    let old = transaction.evictable_entities(Some(&note), false, zero, before, 9).unwrap();
    assert_eq!(old.len(), 1);
    let one = transaction.evictable_entities(Some(&note), false, zero, before, 0).unwrap();
    assert!(one.is_empty());
}

/// Shows that slices of one eviction are remembered as one, and that the list is bounded.
#[test]
fn evictions_are_remembered() {
    let place = Place::new();
    let mut store = open(&place);
    let mut transaction = store.begin().unwrap();
    let mut eviction = Eviction {
        at: ServerTime(1),
        reason: EvictionReason::Age,
        entity_type: entity_type("Note"),
        month: None,
        count: 2,
        bytes: 100,
    };
    transaction.record_eviction(&eviction).unwrap();
    transaction.record_eviction(&eviction).unwrap();
    eviction.month = Some(Month(24_290));
    for hour in 0..1_100 {
        eviction.at = ServerTime(hour * 10_000_000);
        transaction.record_eviction(&eviction).unwrap();
    }
    let all = transaction.evictions(usize::MAX).unwrap();
    assert_eq!(all.len(), 1_000);
    assert_eq!(all[0], eviction);
    assert_eq!(serde_json::to_value(&all[0]).unwrap()["month"], Value::from("2024-03"));
}
