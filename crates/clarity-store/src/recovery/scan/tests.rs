use std::fs;

use rusqlite::OpenFlags;
use tempfile::TempDir;

use super::*;

const PAGE: usize = PAGE_BYTES as usize;
const ROWS: i64 = 400;
/// The page of the first table of a file, counted from zero.
const ROOT: usize = 1;

/// A file with one table, in which only the keys matter, and nothing else.
fn filled_by(table: &str, insert: &str) -> Vec<u8> {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("filled.db");
    let connection = Connection::open(&path).unwrap();
    connection.execute_batch(&format!("PRAGMA page_size = 4096; {table}; BEGIN")).unwrap();
    let mut insert = connection.prepare(insert).unwrap();
    for key in 1..=ROWS {
        insert.execute((key, "x".repeat(100))).unwrap();
    }
    connection.execute_batch("COMMIT").unwrap();
    fs::read(path).unwrap()
}

fn filled() -> Vec<u8> {
    let table = "CREATE TABLE t (key INTEGER PRIMARY KEY, text TEXT)";
    filled_by(table, "INSERT INTO t (key, text) VALUES (?1, ?2)")
}

fn word(bytes: &[u8], at: usize) -> usize {
    usize::from(u16::from_be_bytes([bytes[at], bytes[at + 1]]))
}

/// The pages with the rows, in their order.
fn leaves(bytes: &[u8]) -> Vec<usize> {
    let root = &bytes[ROOT * PAGE..][..PAGE];
    let page = |at: usize| word(root, at + 2) - 1;
    let cells = (0..word(root, 3)).map(|number| page(word(root, 12 + 2 * number)));
    cells.chain([page(8)]).collect()
}

/// Where the rows of a leaf begin: each with a byte that says how long it is, and then its key.
fn cells(bytes: &[u8], leaf: usize) -> Vec<usize> {
    let page = leaf * PAGE;
    (0..word(bytes, page + 3)).map(|number| page + word(bytes, page + 8 + 2 * number)).collect()
}

/// A key of two bytes.
fn key(bytes: &[u8], cell: usize) -> i64 {
    assert!(bytes[cell + 1] >= 0x80 && bytes[cell + 2] < 0x80);
    i64::from(bytes[cell + 1] & 0x7f) << 7 | i64::from(bytes[cell + 2])
}

fn table(one_by_one: bool) -> Table {
    Table {
        name: "t".to_owned(),
        columns: vec!["key".to_owned()],
        key: "key".to_owned(),
        only: None,
        highest: ROWS,
        one_by_one,
    }
}

/// Reads the table of a file. More rows than `most` are a failure at once, so that what would never
/// end fails too.
fn read(bytes: &[u8], table: &Table, most: usize, mut each: impl FnMut(i64) -> bool) -> Found {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("damaged.db");
    fs::write(&path, bytes).unwrap();
    let source = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap();
    let mut brought = 0;
    let found = read_all(&source, table, |row| {
        brought += 1;
        assert!(brought <= most, "no end in sight after {most} rows");
        let [SqlValue::Integer(key)] = row.as_slice() else { panic!("{row:?}") };
        each(*key)
    });
    found.unwrap()
}

/// Shows that one flipped bit in a key next to unreadable pages, on either side of them, neither
/// keeps the reading from its end nor costs another row, also not one between two such pages.
#[test]
fn a_garbled_key_beside_damage_costs_no_other_row() {
    let sound = filled();
    let leaves = leaves(&sound);
    for unreadable in [vec![4], vec![4, 6]] {
        let before = *cells(&sound, leaves[3]).last().unwrap();
        let after = cells(&sound, leaves[unreadable.last().unwrap() + 1])[0];
        for (cell, bit) in [(before, 0x40), (before, 0x01), (after, 0x40), (after, 0x01)] {
            let mut bytes = sound.clone();
            let mut expected: BTreeSet<i64> = (1..=ROWS).collect();
            for leaf in unreadable.iter().map(|number| leaves[*number]) {
                bytes[leaf * PAGE..][..PAGE].fill(0);
                for lost in cells(&sound, leaf) {
                    expected.remove(&key(&sound, lost));
                }
            }
            bytes[cell + 1] ^= bit;
            expected.remove(&key(&sound, cell));
            expected.insert(key(&bytes, cell));
            let mut brought = BTreeSet::new();
            let most = 4 * expected.len();
            let found = read(&bytes, &table(false), most, |key| {
                brought.insert(key);
                true
            });
            assert_eq!(brought, expected, "{unreadable:?}, bit {bit} of {}", key(&sound, cell));
            assert_eq!(found, Found { complete: false, unusable: 0 });
        }
    }
}

/// Shows that pages which lead to each other in so many ways that SQLite would read for years are
/// left when more rows came than the file has room for, and that no row of theirs is missed.
#[test]
fn pages_that_are_reached_in_several_ways_have_an_end() {
    const POINTERS: u8 = 100;
    const LEVELS: usize = 8;
    let mut bytes = filled();
    let leaf = leaves(&bytes)[0];
    let rows = cells(&bytes, leaf).len();
    // Each page has nothing but pointers to the next one, and the last one to the leaf.
    let mut child = leaf;
    for level in (0..LEVELS).rev() {
        let number = if level == 0 { ROOT } else { bytes.len() / PAGE };
        bytes.resize(bytes.len().max((number + 1) * PAGE), 0);
        let pointer = u32::try_from(child + 1).unwrap().to_be_bytes();
        let page = &mut bytes[number * PAGE..][..PAGE];
        page.fill(0);
        page[0] = 5;
        page[4] = POINTERS;
        page[8..12].copy_from_slice(&pointer);
        for place in 0..usize::from(POINTERS) {
            let cell = PAGE - 5 * (place + 1);
            page[12 + 2 * place..][..2]
                .copy_from_slice(&u16::try_from(cell).unwrap().to_be_bytes());
            page[cell..][..4].copy_from_slice(&pointer);
            page[cell + 4] = 0x7f;
        }
        child = number;
    }
    let pages = u32::try_from(bytes.len() / PAGE).unwrap();
    bytes[28..32].copy_from_slice(&pages.to_be_bytes());
    let mut brought = BTreeSet::new();
    let room = bytes.len() / 6;
    let found = read(&bytes, &table(true), room, |key| {
        brought.insert(key);
        true
    });
    assert_eq!(brought.len(), rows);
    assert_eq!(found, Found { complete: false, unusable: 0 });
}

/// Shows that, where pages are unreadable, a number whose row could not be used is looked for once
/// more, as a garbled row may have taken its place, and that a row counts as unusable once.
#[test]
fn a_number_of_an_unusable_row_is_looked_for_again() {
    let sound = filled();
    let mut damaged = sound.clone();
    damaged[leaves(&sound)[4] * PAGE..][..PAGE].fill(0);
    for (bytes, times) in [(sound, 1), (damaged, 2)] {
        let mut met = 0;
        let found = read(&bytes, &table(true), 10_000, |key| {
            met += u32::from(key == 7);
            key != 7
        });
        assert_eq!((met, found.unusable, found.complete), (times, 1, times == 1));
    }
}

/// Shows that rows which share their key are read up to an unreadable page from both of its sides,
/// each once.
#[test]
fn rows_with_one_key_are_read_from_both_sides() {
    let table_of_pairs =
        "CREATE TABLE t (source TEXT, key INTEGER, PRIMARY KEY (source, key)) WITHOUT ROWID";
    let insert = "INSERT INTO t (key, source) VALUES (?1, ?2)";
    let mut bytes = filled_by(table_of_pairs, insert);
    let unreadable = leaves(&bytes)[4];
    let lost = cells(&bytes, unreadable).len();
    bytes[unreadable * PAGE..][..PAGE].fill(0);
    let mut brought = BTreeSet::new();
    let by_source = Table { key: "source".to_owned(), ..table(false) };
    let most = usize::try_from(ROWS).unwrap() - lost;
    read(&bytes, &by_source, most, |key| brought.insert(key));
    assert_eq!(brought.len(), most);
}
