//! Reads all rows of a damaged table that SQLite can still reach.
//!
//! A damaged page hides the rows on it, and a scan stops there. Rows before it are reached from the
//! front, rows behind it from the back, and rows between two damaged pages by looking into the gap:
//! the widest gap first, each time in its middle, until nothing is left to look for or the number
//! of looks is used up.
//!
//! It ends whatever the damage, in a time that the size of the file bounds: all scans of a table
//! together bring no more rows than the file has room for, as a single one can go on and on where a
//! page is reached in several ways; and only so many looks in a row may be fruitless. A damaged key
//! can bring a row into a gap in which it does not lie. Such a row makes no look fruitful and moves
//! no edge, or else the same gap would come again and again.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};

use rusqlite::types::{ToSqlOutput, Value as SqlValue, ValueRef};
use rusqlite::{Connection, ToSql};

use super::files::PAGE_BYTES;

/// Most numbers that are looked for one by one: as many of the first ones, and of the last ones.
const ONE_BY_ONE_MAX: i64 = 1_000_000;
/// How many looks into gaps in a row may find nothing before the rest is given up.
const FRUITLESS_LOOKS_MAX: usize = 2_000;
/// Fewest bytes that a row takes in a file.
const ROW_BYTES_MIN: u64 = 6;

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
    /// Whether every number up to the highest is looked for by itself where scans were interrupted.
    /// A damaged key can lead a scan astray, past rows that are still reached one by one.
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

impl Gap {
    fn holds(&self, key: &SqlValue) -> bool {
        let is_within = |edge: &Edge, inwards| {
            let found = order(key, &edge.key);
            found == Some(inwards) || edge.with && found == Some(Ordering::Equal)
        };
        is_within(&self.low, Ordering::Greater) && is_within(&self.high, Ordering::Less)
    }
}

/// How two keys of the same kind follow each other.
fn order(one: &SqlValue, other: &SqlValue) -> Option<Ordering> {
    match (one, other) {
        (SqlValue::Integer(one), SqlValue::Integer(other)) => Some(one.cmp(other)),
        (SqlValue::Text(one), SqlValue::Text(other)) => Some(one.cmp(other)),
        (SqlValue::Blob(one), SqlValue::Blob(other)) => Some(one.cmp(other)),
        _ => None,
    }
}

/// What came of reading a table.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Found {
    /// Whether that were certainly all rows.
    pub(super) complete: bool,
    /// How many rows could be read and not be used.
    pub(super) unusable: u64,
}

/// Calls `each` with every row that can be read. It returns whether the row could be used.
pub(super) fn read_all(
    source: &Connection,
    table: &Table,
    mut each: impl FnMut(Row) -> bool,
) -> rusqlite::Result<Found> {
    let text = |text: &str| Edge { key: SqlValue::Text(text.to_owned()), with: true };
    let blob = |bytes: &[u8]| Edge { key: SqlValue::Blob(bytes.to_vec()), with: true };
    let integer = |number: i64| Edge { key: SqlValue::Integer(number), with: true };
    // Numbers come before texts, and texts before bytes.
    let mut widest = vec![
        Gap { low: integer(i64::MIN), high: integer(i64::MAX) },
        Gap { low: text(""), high: text("\u{10ffff}\u{10ffff}\u{10ffff}\u{10ffff}") },
        Gap { low: blob(&[]), high: blob(&[0xff; 64]) },
    ];
    let mut found = Found { complete: true, unusable: 0 };
    let mut seen = BTreeMap::new();
    let mut fruitless = 0;
    let mut rows_left = rows_max(source)?;
    let mut queue = BTreeMap::new();
    let mut number = 0_usize;
    loop {
        let is_widest = !widest.is_empty();
        let next = widest.pop().or_else(|| queue.pop_last().map(|(_, gap)| gap));
        let Some(gap) = next else { break };
        let mut take = |key: &SqlValue, row| {
            let usable = each(row);
            found.unusable += u64::from(!usable);
            if let (true, SqlValue::Integer(number)) = (table.one_by_one, key) {
                *seen.entry(*number).or_insert(false) |= usable;
            }
        };
        let look = look_into(source, table, gap, is_widest, &mut rows_left, &mut take);
        found.complete &= look.rest.is_none() && rows_left > 0;
        if rows_left == 0 {
            break;
        }
        fruitless = if look.fruitful { 0 } else { fruitless + 1 };
        let Some(mut rest) = look.rest else { continue };
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
    if table.one_by_one && !found.complete {
        found.unusable += one_by_one(source, table, &seen, each);
    }
    Ok(found)
}

/// Looks for each number of which no usable row was seen. Returns how many rows that were not seen
/// before could not be used.
fn one_by_one(
    source: &Connection,
    table: &Table,
    seen: &BTreeMap<i64, bool>,
    mut each: impl FnMut(Row) -> bool,
) -> u64 {
    let usable = |number: &i64| seen.get(number) == Some(&true);
    // A larger number shows that the highest is not known.
    let is_known = seen.keys().rev().find(|number| usable(number)) <= Some(&table.highest);
    let highest = if is_known { table.highest } else { table.highest.max(ONE_BY_ONE_MAX) };
    let first = 1..=highest.min(ONE_BY_ONE_MAX);
    let last = (highest - ONE_BY_ONE_MAX).max(ONE_BY_ONE_MAX) + 1..=highest;
    let mut unusable = 0;
    // A garbled row may have taken the number of one that can be used.
    for number in first.chain(last).filter(|number| !usable(number)) {
        let edge = Edge { key: SqlValue::Integer(number), with: true };
        let only = Gap { low: edge.clone(), high: edge };
        // What cannot be read here is why there is more to look for.
        let _ = rows(source, table, &only, false, &mut 1, |key, row| {
            // SQLite goes on to another row where it does not find this one.
            if key == only.low.key {
                unusable += u64::from(!each(row) && !seen.contains_key(&number));
            }
        });
    }
    unusable
}

/// Most rows that there is room for in the file.
fn rows_max(source: &Connection) -> rusqlite::Result<u64> {
    let pages: i64 = source.pragma_query_value(None, "page_count", |row| row.get(0))?;
    Ok(pages.unsigned_abs() * u64::from(PAGE_BYTES) / ROW_BYTES_MIN)
}

/// What came of looking into a gap.
struct Look {
    /// Whether it brought a row that lies there.
    fruitful: bool,
    /// What is left between two damaged places.
    rest: Option<Gap>,
}

/// Reads a gap from both ends. One that is as wide as can be is done when it was read from one end
/// to the other; in any other, a scan also ends at a damaged key that seems to lie behind it.
fn look_into(
    source: &Connection,
    table: &Table,
    gap: Gap,
    is_widest: bool,
    rows_left: &mut u64,
    each: &mut dyn FnMut(&SqlValue, Row),
) -> Look {
    let mut scan = |part: &Gap, backwards| {
        let mut last = None;
        let ended = rows(source, table, part, backwards, rows_left, |key, row| {
            each(&key, row);
            if part.holds(&key) {
                last = Some(Edge { key, with: false });
            }
        });
        (last, ended.is_ok())
    };
    let (front, forwards) = scan(&gap, false);
    if forwards && is_widest {
        return Look { fruitful: front.is_some(), rest: None };
    }
    let mut behind = gap.clone();
    if let (Some(front), true) = (&front, forwards) {
        behind.low = front.clone();
    }
    let (back, backwards) = scan(&behind, true);
    let fruitful = front.is_some() || back.is_some();
    if forwards && backwards {
        return Look { fruitful, rest: None };
    }
    let low = front.unwrap_or_else(|| gap.low.clone());
    let high = back.unwrap_or_else(|| gap.high.clone());
    // With a damaged key for an edge they may have crossed, and say nothing of what is between.
    let have_crossed = order(&low.key, &high.key) == Some(Ordering::Greater);
    Look { fruitful, rest: Some(if have_crossed { gap } else { Gap { low, high } }) }
}

/// Calls `each` with the rows from one edge of a gap to the other, and with any that lie out of
/// order between them. Stops without an error when no row is left to be brought.
fn rows(
    source: &Connection,
    table: &Table,
    gap: &Gap,
    backwards: bool,
    rows_left: &mut u64,
    mut each: impl FnMut(SqlValue, Row),
) -> rusqlite::Result<()> {
    let Gap { low, high } = gap;
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
    while *rows_left > 0
        && let Some(row) = rows.next()?
    {
        *rows_left -= 1;
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
        true
    })?;
    Ok(found)
}

#[cfg(test)]
mod tests;
