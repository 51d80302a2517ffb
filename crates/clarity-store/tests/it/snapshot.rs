//! The definition of every table, index and column kind of a new store.

use clarity_store::Store;

use crate::support::{BIRTH, Place};

/// Shows every definition in a new file, with the schema that ships. A difference to a released
/// version needs a migration.
#[test]
fn definitions() {
    let place = Place::new();
    let schema = clarity_model::Schema::shipped().unwrap();
    drop(Store::open(&place.options(), schema.into(), BIRTH).unwrap());
    let connection = crate::raw::open(&place.options());
    let mut statement = connection
        .prepare("SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL ORDER BY tbl_name, type DESC, name")
        .unwrap();
    let definitions: Vec<String> =
        statement.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect();
    insta::assert_snapshot!(definitions.join(";\n\n"));
    let pragma = |name: &str| -> i64 {
        // With a key, the bytes of a page are told as a text.
        let sql = format!("SELECT CAST({name} AS INTEGER) FROM pragma_{name}");
        connection.query_row(&sql, [], |row| row.get(0)).unwrap()
    };
    let pragmas = ["application_id", "user_version", "auto_vacuum", "page_size"].map(pragma);
    insta::assert_snapshot!(format!("{pragmas:?}"), @"[1131172729, 3, 2, 4096]");
}
