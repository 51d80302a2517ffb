//! Tables that contradict each other are found.

use clarity_store::{Inconsistency, RowState, StoredEntity};
use serde_json::json;

use crate::support::{Place, key, stored, update};

/// Shows that tables which contradict each other are found, each in its way, and that nothing is
/// found in sound ones.
#[test]
fn contradictions_between_tables_are_found() {
    let damage = [
        ("UPDATE queue_count SET ready = ready + 1", Inconsistency::Counts),
        ("UPDATE queue_count SET next_counter = 1", Inconsistency::Numbers),
        (
            "UPDATE entity_generic SET state = 1 WHERE id = 'other'",
            Inconsistency::Unexplained { entities: 1 },
        ),
        (
            "INSERT INTO confirmed VALUES ('Undeclared', 'other', NULL, 0, 1, 1, 1, 7)",
            Inconsistency::Confirmed { entities: 1 },
        ),
        (
            "INSERT INTO conflict (type, entity, counter, opened_at, detail)
             VALUES ('Undeclared', 'other', 99, 1, '{}')",
            Inconsistency::Conflicts { conflicts: 1 },
        ),
    ];
    for (sql, expected) in damage {
        let place = Place::new();
        let mut store = place.open();
        let mut transaction = store.begin().unwrap();
        let (waits, other) = (key("Undeclared", "waits"), key("Undeclared", "other"));
        let pending = StoredEntity { state: RowState::Pending, ..stored(json!({})) };
        transaction.put_entity(&waits, &pending).unwrap();
        transaction.put_entity(&other, &stored(json!({}))).unwrap();
        transaction.insert_operation(&update(&waits)).unwrap();
        assert_eq!(transaction.inconsistencies().unwrap(), []);
        transaction.commit().unwrap();
        let raw = crate::raw::open(&place.options());
        assert_eq!(raw.execute(sql, []).unwrap(), 1, "{sql}");
        let transaction = store.begin().unwrap();
        assert_eq!(transaction.inconsistencies().unwrap(), [expected], "{sql}");
    }
}
