//! Reads all rows of a damaged table that SQLite can still reach.
//!
//! A damaged page hides the rows on it, and a scan stops there. Rows before it are reached from the
//! front, rows behind it from the back, and rows between two damaged pages by looking into the gap:
//! the widest gap first, each time in its middle, until nothing is left to look for or the number
//! of looks is used up.

use std::collections::{BTreeMap, BTreeSet};

use rusqlite::types::{ToSqlOutput, Value as SqlValue, ValueRef};
use rusqlite::{Connection, ToSql};

/// Most numbers that are looked for one by one: the last ones.
const ONE_BY_ONE_MAX: i64 = 1_000_000;
/// How many looks into gaps in a row may find nothing before the rest is given up.
const FRUITLESS_LOOKS_MAX: usize = 2_000;

/// What one row holds, in the order of the columns that were asked for.
pub(super) type Row = Vec<SqlValue>;

/// How the rows of a table are found.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Table {
    /// Its name, quoted.
    pub(super) name: String,
    /// The columns to read, quoted.
    pub(super) columns: Vec<String>,
    /// The column that orders the rows, quoted.
    pub(super) key: String,
    /// Only the rows in which this column has this value.
    pub(super) only: Option<(String, String)>,
    /// The largest number that a key can be where it is one, as far as that is known.
    pub(super) highest: i64,
    /// Whether every number up to the highest is looked for by itself at the end. A damaged key can
    /// lead a scan astray, past rows that are still reached one by one.
    pub(super) one_by_one: bool,
}

/// Where a range of keys begins or ends.
#[derive(Debug, Clone, PartialEq)]
struct Edge {
    key: SqlValue,
    /// Whether the row with this very key is part of the range.
    with: bool,
}

/// Keys between two edges.
#[derive(Debug, Clone, PartialEq)]
struct Gap {
    low: Edge,
    high: Edge,
}

/// Calls `each` with every row that can be read. Returns whether that were certainly all rows.
pub(super) fn read_all(
    source: &Connection,
    table: &Table,
    mut each: impl FnMut(Row),
) -> rusqlite::Result<bool> {
    let text = |text: &str| Edge { key: SqlValue::Text(text.to_owned()), with: true };
    let blob = |bytes: &[u8]| Edge { key: SqlValue::Blob(bytes.to_vec()), with: true };
    let integer = |number: i64| Edge { key: SqlValue::Integer(number), with: true };
    // Numbers come before texts, and texts before bytes.
    let mut gaps = vec![
        Gap { low: integer(i64::MIN), high: integer(i64::MAX) },
        Gap { low: text(""), high: text("\u{10ffff}\u{10ffff}\u{10ffff}\u{10ffff}") },
        Gap { low: blob(&[]), high: blob(&[0xff; 64]) },
    ];
    let mut complete = true;
    let mut seen = BTreeSet::new();
    let mut fruitless = 0;
    let mut queue = BTreeMap::new();
    let mut number = 0_usize;
    while let Some(gap) = gaps.pop().or_else(|| queue.pop_last().map(|(_, gap)| gap)) {
        let mut found = 0_usize;
        let rest = read_range(source, table, gap, &mut |key, row| {
            found += 1;
            if let (true, SqlValue::Integer(number)) = (table.one_by_one, key) {
                seen.insert(*number);
            }
            each(row);
        });
        fruitless = if found > 0 { 0 } else { fruitless + 1 };
        let Some(mut rest) = rest else { continue };
        complete = false;
        if fruitless > FRUITLESS_LOOKS_MAX {
            break;
        }
        if matches!(&rest.high.key, SqlValue::Integer(high) if *high > table.highest) {
            // Nothing was found from there, and nothing is expected there.
            rest.high = Edge { key: SqlValue::Integer(table.highest), with: true };
            rest.low.key = match rest.low.key {
                SqlValue::Integer(low) => SqlValue::Integer(low.max(0)),
                other => other,
            };
        }
        for half in halves(rest) {
            number += 1;
            let width = position(&half.high.key).saturating_sub(position(&half.low.key));
            queue.insert((width, number), half);
        }
    }
    if table.one_by_one {
        for number in (table.highest - ONE_BY_ONE_MAX).max(1)..=table.highest {
            if !seen.contains(&number) {
                let only = integer(number);
                let read = rows(source, table, &only, &only, false, |_, row| each(row));
                complete &= read.is_ok();
            }
        }
    }
    Ok(complete)
}

/// Reads a range from both ends. Returns what is left between two damaged places.
fn read_range(
    source: &Connection,
    table: &Table,
    gap: Gap,
    each: &mut dyn FnMut(&SqlValue, Row),
) -> Option<Gap> {
    let Gap { mut low, mut high } = gap;
    for backwards in [false, true] {
        let mut last = None;
        let ended = rows(source, table, &low, &high, backwards, |key, row| {
            each(&key, row);
            last = Some(key);
        });
        if let Some(key) = last {
            let edge = Edge { key, with: false };
            if backwards {
                high = edge;
            } else {
                low = edge;
            }
        }
        if ended.is_ok() {
            return None;
        }
    }
    Some(Gap { low, high })
}

fn rows(
    source: &Connection,
    table: &Table,
    low: &Edge,
    high: &Edge,
    backwards: bool,
    mut each: impl FnMut(SqlValue, Row),
) -> rusqlite::Result<()> {
    let key = &table.key;
    let from = if low.with { ">=" } else { ">" };
    let to = if high.with { "<=" } else { "<" };
    let order = if backwards { "DESC" } else { "ASC" };
    let only =
        table.only.as_ref().map_or(String::new(), |(column, _)| format!("{column} = ?3 AND"));
    let sql = format!(
        "SELECT {key}, {} FROM {} NOT INDEXED WHERE {only} {key} {from} ?1 AND {key} {to} ?2 \
         ORDER BY {key} {order}",
        table.columns.join(", "),
        table.name,
    );
    let mut statement = source.prepare_cached(&sql)?;
    statement.raw_bind_parameter(1, Bytes(&low.key))?;
    statement.raw_bind_parameter(2, Bytes(&high.key))?;
    if let Some((_, value)) = &table.only {
        statement.raw_bind_parameter(3, value)?;
    }
    let mut rows = statement.raw_query();
    while let Some(row) = rows.next()? {
        let key = owned(row.get_ref(0)?);
        let mut values = Vec::with_capacity(table.columns.len());
        for column in 0..table.columns.len() {
            values.push(owned(row.get_ref(column + 1)?));
        }
        each(key, values);
    }
    Ok(())
}

/// A value with its bytes as they are, also where a text is not valid.
fn owned(value: ValueRef<'_>) -> SqlValue {
    match value {
        ValueRef::Null => SqlValue::Null,
        ValueRef::Integer(number) => SqlValue::Integer(number),
        ValueRef::Real(number) => SqlValue::Real(number),
        ValueRef::Text(bytes) => SqlValue::Text(String::from_utf8_lossy(bytes).into_owned()),
        ValueRef::Blob(bytes) => SqlValue::Blob(bytes.to_vec()),
    }
}

struct Bytes<'a>(&'a SqlValue);

impl ToSql for Bytes<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(self.0.into()))
    }
}

/// Both halves of a gap; nothing when there is nothing between its edges.
fn halves(gap: Gap) -> Vec<Gap> {
    let (low, high) = (position(&gap.low.key), position(&gap.high.key));
    let between = high.saturating_sub(low);
    if between < 2 {
        return Vec::new();
    }
    let middle = key_at(&gap.low.key, low + between / 2);
    let is_between = |middle: &SqlValue| (low + 1..high).contains(&position(middle));
    let Some(middle) = middle.filter(is_between) else { return Vec::new() };
    vec![
        Gap { low: gap.low, high: Edge { key: middle.clone(), with: false } },
        Gap { low: Edge { key: middle, with: true }, high: gap.high },
    ]
}

/// Where a key lies among those of its kind; keys that begin with the same 16 bytes lie together.
fn position(key: &SqlValue) -> u128 {
    match key {
        SqlValue::Integer(number) => u128::from(number.abs_diff(i64::MIN)),
        SqlValue::Text(text) => first_bytes(text.as_bytes()),
        SqlValue::Blob(bytes) => first_bytes(bytes),
        SqlValue::Null | SqlValue::Real(_) => 0,
    }
}

fn first_bytes(bytes: &[u8]) -> u128 {
    let mut sixteen = [0; 16];
    let length = bytes.len().min(16);
    sixteen[..length].copy_from_slice(&bytes[..length]);
    u128::from_be_bytes(sixteen)
}

/// The key of the same kind at a position.
fn key_at(like: &SqlValue, position: u128) -> Option<SqlValue> {
    match like {
        SqlValue::Integer(_) => {
            let offset = i128::try_from(position).ok()?;
            i64::try_from(offset + i128::from(i64::MIN)).ok().map(SqlValue::Integer)
        }
        // Ids as texts are mostly plain letters and digits, for which this is exact enough.
        SqlValue::Text(_) => {
            let bytes = position.to_be_bytes();
            let plain: String = bytes.iter().map(|byte| char::from(byte & 0x7f)).collect();
            Some(SqlValue::Text(plain))
        }
        SqlValue::Blob(_) => Some(SqlValue::Blob(position.to_be_bytes().to_vec())),
        SqlValue::Null | SqlValue::Real(_) => None,
    }
}

/// The values of one column that can be read, each once.
pub(super) fn distinct(
    source: &Connection,
    table: &Table,
    column: usize,
) -> rusqlite::Result<BTreeSet<String>> {
    let mut found = BTreeSet::new();
    read_all(source, table, |row| {
        if let Some(SqlValue::Text(text)) = row.get(column) {
            found.insert(text.clone());
        }
    })?;
    Ok(found)
}
