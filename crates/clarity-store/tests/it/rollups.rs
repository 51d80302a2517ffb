//! Daily sums equal what the rows say.

use std::collections::BTreeMap;

use clarity_model::{EntityKey, Seq, ServerTime, Version};
use clarity_store::{DayRollup, RowState, Store, StoreError, StoreTransaction, StoredEntity};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::support::{Place, entity_type, key, sample, stored};

const DAY: i64 = 86_400_000;

#[derive(Debug, Clone)]
enum Write {
    Put(u128, Value, RowState),
    Insert(u128, Value),
    Remove(u128),
    SetVersion(u128, RowState),
    Undone(Vec<Write>, bool),
    Refresh(usize),
    Read,
    Commit,
}

fn row_state() -> impl Strategy<Value = RowState> {
    prop::sample::select(vec![
        RowState::Clean,
        RowState::Pending,
        RowState::Deleted,
        RowState::PendingDelete,
    ])
}

/// Mostly rows that count, on a few days around 1970, and some that do not.
fn row() -> impl Strategy<Value = Value> {
    let metric = prop::sample::select(vec![json!("steps"), json!("weight"), json!(5), json!("")]);
    let source = prop::sample::select(vec![json!("watch"), json!("phone"), json!(null), json!("")]);
    let time = prop_oneof![
        6 => (-2 * DAY..3 * DAY).prop_map(Value::from),
        1 => prop::sample::select(vec![
            json!(0), json!(-1), json!(DAY), json!(DAY - 1), json!(-DAY), json!(1.5), json!("x"),
        ]),
    ];
    let value = prop_oneof![
        6 => (-1_000..1_000_i64).prop_map(Value::from),
        3 => (-1_000..1_000_i64).prop_map(|number| json!(number as f64 / 8.0)),
        1 => prop::sample::select(vec![json!("many"), json!(null), json!(u64::MAX)]),
    ];
    (metric, source, time, value).prop_map(|(metric, source, time, value)| {
        json!({"metric": metric, "source": source, "start_ms": time, "value": value})
    })
}

fn simple_write() -> impl Strategy<Value = Write> {
    prop_oneof![
        4 => (0..8_u128, row(), row_state())
            .prop_map(|(id, row, state)| Write::Put(id, row, state)),
        3 => (0..8_u128, row()).prop_map(|(id, row)| Write::Insert(id, row)),
        2 => (0..8_u128).prop_map(Write::Remove),
        3 => (0..8_u128, row_state()).prop_map(|(id, state)| Write::SetVersion(id, state)),
        1 => (0..4_usize).prop_map(Write::Refresh),
        1 => Just(Write::Read),
    ]
}

fn write() -> impl Strategy<Value = Write> {
    prop_oneof![
        8 => simple_write(),
        2 => (prop::collection::vec(simple_write(), 1..4), any::<bool>())
            .prop_map(|(writes, fails)| Write::Undone(writes, fails)),
        1 => Just(Write::Commit),
    ]
}

fn act(transaction: &mut StoreTransaction<'_>, write: &Write) {
    match write {
        Write::Put(id, row, state) => {
            let entity = StoredEntity { state: *state, ..stored(row.clone()) };
            transaction.put_entity(&sample(*id), &entity).unwrap();
        }
        Write::Insert(id, row) => {
            transaction.insert_entity(&sample(*id), &stored(row.clone())).unwrap();
        }
        Write::Remove(id) => {
            transaction.remove_entity(&sample(*id)).unwrap();
        }
        Write::SetVersion(id, state) => {
            let key = sample(*id);
            transaction
                .set_entity_version(&key, Version(9), Seq(9), ServerTime(9), *state)
                .unwrap();
        }
        Write::Undone(writes, fails) => {
            let _ = transaction.savepoint(|transaction| {
                for write in writes {
                    act(transaction, write);
                }
                if *fails { Err(StoreError::Busy) } else { Ok(()) }
            });
        }
        Write::Refresh(limit) => {
            transaction.refresh_rollups(*limit).unwrap();
        }
        Write::Read => {
            rollups(transaction, "steps");
        }
        Write::Commit => {}
    }
}

fn rollups(transaction: &mut StoreTransaction<'_>, kind: &str) -> Vec<DayRollup> {
    transaction.rollups(&entity_type("Sample"), kind, None, -10..10).unwrap()
}

/// The same from the rows that can be read. All values are multiples of 1/8, so sums are exact.
fn direct(transaction: &StoreTransaction<'_>, kind: &str) -> Vec<DayRollup> {
    let mut days: BTreeMap<(i64, String), Vec<f64>> = BTreeMap::new();
    let options = clarity_store::ListOptions::default();
    let rows = transaction.list_entities(&entity_type("Sample"), &options).unwrap();
    for (_, entity) in rows {
        let field = |name: &str| entity.fields.get(name).cloned().unwrap_or_default();
        let value = field("value");
        let counts = field("metric") == json!(kind) && (value.is_i64() || value.is_f64());
        if let (true, Some(time), Some(value)) =
            (counts, field("start_ms").as_i64(), value.as_f64())
        {
            let source = field("source").as_str().unwrap_or_default().to_owned();
            days.entry((time.div_euclid(DAY), source)).or_default().push(value);
        }
    }
    let rollup = |((day, source), values): ((i64, String), Vec<f64>)| DayRollup {
        day,
        source,
        count: values.len() as u64,
        sum: values.iter().sum(),
        min: values.iter().copied().fold(f64::INFINITY, f64::min),
        max: values.iter().copied().fold(f64::NEG_INFINITY, f64::max),
    };
    days.into_iter().map(rollup).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// Shows that sums equal a computation from the rows after any writes, also undone ones, in
    /// the same transaction, in later ones, and for a reader that cannot write.
    #[test]
    fn sums_equal_the_rows(writes in prop::collection::vec(write(), 1..40)) {
        let place = Place::new();
        let mut store = place.open();
        let mut reader = Store::open_reader(&place.options(), place.schema.clone()).unwrap();
        for part in writes.split(|write| matches!(write, Write::Commit)) {
            let mut transaction = store.begin().unwrap();
            for write in part {
                act(&mut transaction, write);
            }
            transaction.commit().unwrap();
            let mut snapshot = reader.snapshot().unwrap();
            for kind in ["steps", "weight", ""] {
                prop_assert_eq!(rollups(&mut snapshot, kind), direct(&snapshot, kind));
            }
        }
        let mut transaction = store.begin().unwrap();
        for kind in ["steps", "weight", ""] {
            let expected = direct(&transaction, kind);
            prop_assert_eq!(&rollups(&mut transaction, kind), &expected);
            prop_assert_eq!(&rollups(&mut transaction, kind), &expected);
        }
    }
}

/// Shows that sums are narrowed to a source and to days, and that idle work makes them all.
#[test]
fn sums_by_source_and_day() {
    let place = Place::new();
    let mut store = place.open();
    let mut transaction = store.begin().unwrap();
    for (id, (source, day, value)) in
        [("watch", 0, 1), ("watch", 1, 2), ("phone", 1, 4), ("watch", 2, 8)].iter().enumerate()
    {
        let row = json!({
            "metric": "steps", "source": source, "start_ms": day * DAY + 5, "value": value
        });
        transaction.put_entity(&sample(id as u128), &stored(row)).unwrap();
    }
    transaction.put_entity(&key("Undeclared", "x"), &stored(json!({"metric": "steps"}))).unwrap();
    assert_eq!(transaction.refresh_rollups(2).unwrap(), 2);
    assert_eq!(transaction.refresh_rollups(2).unwrap(), 1);
    assert_eq!(transaction.refresh_rollups(2).unwrap(), 0);
    let of_type = entity_type("Sample");
    let watch = transaction.rollups(&of_type, "steps", Some("watch"), 1..3).unwrap();
    let sums: Vec<(i64, f64)> = watch.iter().map(|rollup| (rollup.day, rollup.sum)).collect();
    assert_eq!(sums, [(1, 2.0), (2, 8.0)]);
    assert_eq!(transaction.rollups(&of_type, "steps", None, 1..2).unwrap().len(), 2);
    let other = entity_type("Undeclared");
    assert!(transaction.rollups(&other, "steps", None, 0..9).unwrap().is_empty());
}

/// Shows that a row that goes on one day and comes on another changes both.
#[test]
fn a_moved_row_changes_both_days() {
    let place = Place::new();
    let mut store = place.open();
    let mut transaction = store.begin().unwrap();
    let row =
        |time: i64| json!({"metric": "steps", "source": "watch", "start_ms": time, "value": 1});
    let moved: EntityKey = sample(1);
    transaction.put_entity(&moved, &stored(row(0))).unwrap();
    assert_eq!(rollups(&mut transaction, "steps")[0].day, 0);
    transaction.commit().unwrap();
    let mut transaction = store.begin().unwrap();
    transaction.put_entity(&moved, &stored(row(DAY))).unwrap();
    transaction.commit().unwrap();
    let mut transaction = store.begin().unwrap();
    let days: Vec<i64> =
        rollups(&mut transaction, "steps").iter().map(|rollup| rollup.day).collect();
    assert_eq!(days, [1]);
}
