//! Reads of many entities: side by side, page by page, and summed for charts.

use std::collections::BTreeMap;

use clarity_client::engine::store::{Birth, OpenOptions, Store};
use clarity_client::model::{EntityKey, EntityType, Incarnation, LocalTime, Schema};
use clarity_client::{
    Client, ClientError, ClientOptions, Comparison, Continuation, ErrorKind, Fields, Period, Query,
    RollupQuery, Write,
};
use serde_json::json;

const DAY_MS: i64 = 86_400_000;

fn client() -> (tempfile::TempDir, Client) {
    let directory = tempfile::tempdir().unwrap();
    let client = Client::open(ClientOptions::new(directory.path().join("store.db"))).unwrap();
    (directory, client)
}

fn entity_type(name: &str) -> EntityType {
    EntityType::new(name).unwrap()
}

fn key(name: &str, id: &str) -> EntityKey {
    EntityKey::new(name, id).unwrap()
}

fn reading(client: &Client, id: &str, at_ms: i64, value: f64, source: &str) {
    let fields = Fields::from([
        ("metric", json!("weight")),
        ("start_ms", json!(at_ms)),
        ("value", json!(value)),
        ("source", json!(source)),
    ]);
    client.create(&key("ManualReading", id), fields).unwrap();
}

/// Shows that reads wait for nothing: not for a read that has not ended, on this thread or another,
/// and not for a write that has not ended.
#[test]
fn reads_wait_for_nothing() {
    let (directory, client) = client();
    client.create(&key("Note", "n"), Fields::from([("title", json!("a"))])).unwrap();
    let options = OpenOptions::new(directory.path().join("store.db"));
    let birth = Birth { incarnation: Incarnation(1), now: LocalTime(0) };
    let schema = std::sync::Arc::new(Schema::shipped().unwrap());
    let mut other = Store::open(&options, schema, birth).unwrap();
    let writing = other.begin().unwrap();
    let mut reads = 0;
    client
        .each_stored(|_, _| {
            // Both would wait for ever if the first read held them up.
            assert!(client.get(&key("Note", "n"))?.is_some());
            std::thread::scope(|scope| {
                let readers: Vec<_> = (0..6)
                    .map(|_| scope.spawn(|| client.query(&entity_type("Note"), &Query::default())))
                    .collect();
                for reader in readers {
                    assert_eq!(reader.join().unwrap().unwrap().len(), 1);
                    reads += 1;
                }
            });
            Ok(())
        })
        .unwrap();
    assert_eq!(reads, 6);
    drop(writing);
}

/// Shows that a continuation can be kept as a text, goes on exactly where the page ended although
/// others wrote meanwhile, and belongs to its query alone.
#[test]
fn pages_go_on_from_a_text() {
    let (_directory, client) = client();
    for number in 0..10 {
        reading(&client, &format!("r{number}"), number * DAY_MS, number as f64, "scale");
    }
    let of_type = entity_type("ManualReading");
    let query = Query {
        filters: vec![("metric".to_owned(), Comparison::Equal, json!("weight"))],
        time_ms: Some(2 * DAY_MS..9 * DAY_MS),
        order_by: Some(("start_ms".to_owned(), true)),
        limit: 3,
        ..Query::default()
    };
    assert_eq!(client.count(&of_type, &query).unwrap(), 7);
    let (mut seen, mut text): (Vec<String>, Option<String>) = (Vec::new(), None);
    loop {
        let after: Option<Continuation> = text.as_deref().map(|text| text.parse().unwrap());
        let page = client.page(&of_type, &query, after.as_ref()).unwrap();
        seen.extend(page.entities.iter().map(|entity| entity.key.id.to_string()));
        reading(&client, &format!("new{}", seen.len()), 8 * DAY_MS + 1, 80.0, "scale");
        let Some(next) = page.next else { break };
        let hidden = format!("{next:?}");
        assert!(!hidden.contains("r6") && hidden.starts_with("Continuation"), "{hidden}");
        text = Some(next.to_string());
    }
    assert_eq!(seen, ["r8", "r7", "r6", "r5", "r4", "r3", "r2"]);
    let next = client.page(&of_type, &query, None).unwrap().next.unwrap();
    let ascending = Query { order_by: Some(("start_ms".to_owned(), false)), ..query.clone() };
    let refused = client.page(&of_type, &ascending, Some(&next)).unwrap_err();
    assert!(matches!(refused, ClientError::Continuation));
    for text in ["", "x", "!!", "e30", &"A".repeat(100_000)] {
        let refused = text.parse::<Continuation>().unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::Invalid, "{text:.10}");
    }
}

/// Shows that sums come by day, month and year, over all sources or by each, and follow a change.
#[test]
fn sums_come_by_day_month_and_year() {
    let (_directory, client) = client();
    let day = |year: i16, month: i8, day: i8| {
        let epoch = jiff::civil::date(1970, 1, 1);
        i64::from(jiff::civil::date(year, month, day).since(epoch).unwrap().get_days())
    };
    let points = [
        ("a", day(2023, 12, 31), 70.0, "scale"),
        ("b", day(2024, 2, 29), 71.0, "scale"),
        ("c", day(2024, 2, 29), 75.0, "hand"),
        ("d", day(2024, 3, 1), 72.0, "scale"),
    ];
    for (id, day, value, source) in points {
        reading(&client, id, day * DAY_MS, value, source);
    }
    let query = RollupQuery {
        entity_type: entity_type("ManualReading"),
        kind: "weight".to_owned(),
        source: None,
        days: i64::MIN..i64::MAX,
        period: Period::Day,
        by_source: false,
    };
    let sums = |query: &RollupQuery| -> Vec<(String, u64, f64, f64, f64)> {
        let found = client.rollups(query).unwrap();
        found.into_iter().map(|sum| (sum.period, sum.count, sum.mean, sum.min, sum.max)).collect()
    };
    let row = |period: &str, count, mean, min, max| (period.to_owned(), count, mean, min, max);
    assert_eq!(
        sums(&query),
        [
            row("2023-12-31", 1, 70.0, 70.0, 70.0),
            row("2024-02-29", 2, 73.0, 71.0, 75.0),
            row("2024-03-01", 1, 72.0, 72.0, 72.0),
        ]
    );
    let months = RollupQuery { period: Period::Month, ..query.clone() };
    assert_eq!(sums(&months)[1], row("2024-02", 2, 73.0, 71.0, 75.0));
    let years = RollupQuery { period: Period::Year, ..query.clone() };
    assert_eq!(
        sums(&years),
        [row("2023", 1, 70.0, 70.0, 70.0), row("2024", 3, 218.0 / 3.0, 71.0, 75.0)]
    );
    let each = RollupQuery { by_source: true, days: day(2024, 1, 1)..i64::MAX, ..years.clone() };
    let by_source: Vec<_> =
        client.rollups(&each).unwrap().into_iter().map(|sum| (sum.source, sum.count)).collect();
    assert_eq!(by_source, [(Some("hand".to_owned()), 1), (Some("scale".to_owned()), 2)]);
    let one = RollupQuery { source: Some("hand".to_owned()), ..years.clone() };
    assert_eq!(sums(&one), [row("2024", 1, 75.0, 75.0, 75.0)]);
    let heavier = BTreeMap::from([("value".to_owned(), Some(json!(90.0)))]);
    client.update(&key("ManualReading", "b"), heavier, None).unwrap();
    assert_eq!(sums(&months)[1], row("2024-02", 2, 82.5, 75.0, 90.0));
    let none = RollupQuery { entity_type: entity_type("Note"), ..query };
    assert_eq!(sums(&none), []);
}

/// Shows that a reading dated beyond every calendar is summed by itself and breaks nothing.
#[test]
fn a_day_beyond_every_calendar_is_a_period_of_its_own() {
    let (_directory, client) = client();
    reading(&client, "far", i64::MAX - 1, 1.0, "scale");
    reading(&client, "early", i64::MIN, 2.0, "scale");
    let query = RollupQuery {
        entity_type: entity_type("ManualReading"),
        kind: "weight".to_owned(),
        source: None,
        days: i64::MIN..i64::MAX,
        period: Period::Year,
        by_source: false,
    };
    let found = client.rollups(&query).unwrap();
    assert_eq!(found.iter().map(|sum| sum.count).collect::<Vec<_>>(), [1, 1]);
    assert_eq!(found[0].period, format!("day {}", i64::MIN.div_euclid(DAY_MS)));
}

/// Shows that a write is in every read from the moment that it returns, whichever connection reads.
#[test]
fn every_read_sees_what_was_written() {
    let (_directory, client) = client();
    std::thread::scope(|scope| {
        for writer in 0..4 {
            let client = &client;
            scope.spawn(move || {
                for number in 0..25 {
                    let key = key("Note", &format!("{writer}-{number}"));
                    let fields = Fields::from([("title", json!("a"))]);
                    let write = Write::Create { key: key.clone(), fields, parents: Vec::new() };
                    client.write(write).unwrap();
                    assert!(client.get(&key).unwrap().is_some());
                }
            });
        }
    });
    assert_eq!(client.count(&entity_type("Note"), &Query::default()).unwrap(), 100);
}
