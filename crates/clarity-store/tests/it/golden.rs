//! A store as the first released format wrote it is opened by every later version.

use std::fs;
use std::path::Path;

use clarity_store::Store;

use crate::support::Place;

#[path = "../golden/content.rs"]
mod content;

/// Shows that a file of format 1 is read with all that is in it, and can be written.
#[test]
fn format_1_opens() {
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/store-v1.db");
    let place = Place::new();
    fs::copy(golden, place.path()).unwrap();
    let mut store =
        Store::open(&place.options(), content::schema().unwrap(), content::BIRTH).unwrap();
    assert!(store.damages(10).unwrap().is_empty());
    let mut transaction = store.begin().unwrap();
    insta::assert_snapshot!("golden_content", content::describe(&mut transaction).unwrap());
    transaction.commit().unwrap();
    let mut transaction = store.begin().unwrap();
    content::fill(&mut transaction).unwrap();
    transaction.commit().unwrap();
}

/// Shows that a new store with the same content says the same as the golden one.
#[test]
fn a_new_store_says_the_same() {
    let place = Place::new();
    let mut store =
        Store::open(&place.options(), content::schema().unwrap(), content::BIRTH).unwrap();
    let mut transaction = store.begin().unwrap();
    content::fill(&mut transaction).unwrap();
    transaction.commit().unwrap();
    let mut transaction = store.begin().unwrap();
    let fresh = content::describe(&mut transaction).unwrap();
    insta::assert_snapshot!("golden_content", fresh);
}
