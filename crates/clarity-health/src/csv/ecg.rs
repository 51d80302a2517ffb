//! An electrocardiogram as the Health app writes it.
//!
//! The words of its first lines are in the language of the phone, so lines are known by their
//! place. The person's name and date of birth are dropped.

use std::io::{BufRead, BufReader, Read};

use clarity_model::Fields;
use serde_json::Value;

use super::number;
use crate::identity::{Identity, Key};
use crate::limits::{ECG_SAMPLES_MAX, PROLOGUE_BYTES_MAX, SAMPLE_BYTES_MAX};
use crate::number::to_json;
use crate::output::{Output, Ready};
use crate::sample::entity_type::ELECTROCARDIOGRAM;
use crate::time::parse_timestamp;

const DAMAGED: &str = "an electrocardiogram whose first lines cannot be read";
const DAMAGED_VOLTAGE: &str = "a voltage that is no number; the rest was not read";
const TOO_LONG: &str = "electrocardiogram that is longer than an entity may be";
/// The facts, in their order. Name and date of birth come before them.
const FACTS: [&str; 6] =
    ["recorded", "classification", "symptoms", "software_version", "device", "sample_rate"];
/// Most lines of facts, with empty ones between.
const LINES_MAX: usize = 24;

/// Whether the start of a file is one of an electrocardiogram: eight pairs, of which the third is a
/// moment and the eighth a rate.
pub(crate) fn is_ecg(head: &[u8]) -> bool {
    let text = String::from_utf8_lossy(head);
    let pairs: Vec<(&str, &str)> = text.lines().take(8).filter_map(pair).collect();
    pairs.len() == 8
        && parse_timestamp(pairs[2].1).is_some()
        && pairs[7].1.split_whitespace().next().is_some_and(|rate| decimal(rate).is_some())
}

/// The two fields of a line; a field in quotes may have commas.
fn pair(line: &str) -> Option<(&str, &str)> {
    let (key, value) = line.trim_start_matches('\u{feff}').split_once([',', ';'])?;
    Some((key.trim(), value.trim().trim_matches('"').trim()))
}

/// A number in which the only mark is the decimal one.
fn decimal(text: &str) -> Option<f64> {
    number::read(text, Some(text.contains(','))).ok()
}

/// Reads a whole electrocardiogram; says how many bytes that were.
pub(crate) fn read_ecg(reader: impl Read, output: &mut Output<'_>) -> u64 {
    // Sixty bytes a line are more than a voltage has.
    let limit = PROLOGUE_BYTES_MAX as u64 + 60 * ECG_SAMPLES_MAX as u64;
    let mut reader = BufReader::new(reader.take(limit));
    let mut position = 0;
    let mut lines = || -> Option<String> {
        let mut line = Vec::new();
        let count = reader.by_ref().take(4_096).read_until(b'\n', &mut line).ok()?;
        position += count as u64;
        (count > 0).then(|| String::from_utf8_lossy(&line).trim().to_owned())
    };
    match read_facts(&mut lines) {
        Some((fields, first)) => voltages(fields, first, &mut lines, output),
        None => output.damage(0, DAMAGED),
    }
    position
}

/// The facts, and the first voltage, which follows them.
fn read_facts(lines: &mut dyn FnMut() -> Option<String>) -> Option<(Fields, f64)> {
    let mut fields = Fields::new();
    let mut put = |name: &str, value: Value| drop(fields.insert(name.to_owned(), value));
    let mut fact = 0;
    for _ in 0..LINES_MAX {
        let line = lines()?;
        if line.is_empty() {
            continue;
        }
        if fact >= FACTS.len() + 2
            && let Some(first) = decimal(&line)
        {
            return Some((fields, first));
        }
        let (_, value) = pair(&line)?;
        let place = fact;
        fact += 1;
        match place.checked_sub(2).map(|place| FACTS.get(place).copied()) {
            // The name and the date of birth.
            None => {}
            Some(Some("recorded")) => {
                let moment = parse_timestamp(value)?;
                put("start_ms", moment.unix_ms.into());
                put("utc_offset_min", moment.offset_min.into());
            }
            Some(Some("sample_rate")) => {
                let rate = value.split_whitespace().next().and_then(decimal)?;
                put("sample_rate_hz", to_json(rate));
            }
            Some(Some(name)) if !value.is_empty() => put(name, value.into()),
            Some(Some(_)) => {}
            Some(None) if place == FACTS.len() + 2 => put("lead", value.into()),
            Some(None) => put("unit", value.into()),
        }
    }
    None
}

fn voltages(
    mut fields: Fields,
    first: f64,
    lines: &mut dyn FnMut() -> Option<String>,
    output: &mut Output<'_>,
) {
    let mut voltages = vec![to_json(first)];
    while let Some(line) = lines() {
        if line.is_empty() {
            continue;
        }
        match decimal(&line) {
            Some(voltage) if voltages.len() < ECG_SAMPLES_MAX => voltages.push(to_json(voltage)),
            Some(_) => return output.skip(TOO_LONG),
            None => {
                output.damage(0, DAMAGED_VOLTAGE);
                break;
            }
        }
    }
    let rate = fields.get("sample_rate_hz").and_then(Value::as_f64).unwrap_or_default();
    let start_ms = fields.get("start_ms").and_then(Value::as_i64).unwrap_or_default();
    let length_ms = if rate > 0.0 { (voltages.len() as f64 * 1_000.0 / rate) as i64 } else { 0 };
    let text = Value::Array(voltages.clone()).to_string();
    if text.len() > SAMPLE_BYTES_MAX {
        return output.skip(TOO_LONG);
    }
    fields.insert("end_ms".to_owned(), start_ms.saturating_add(length_ms).into());
    fields.insert("voltages".to_owned(), Value::Array(voltages));
    let device = fields.get("device").and_then(Value::as_str).unwrap_or_default().to_owned();
    let identity = Identity::of(&Key {
        entity_type: ELECTROCARDIOGRAM,
        metric: "Electrocardiogram",
        start_ms,
        end_ms: start_ms,
        source: "",
        device: &device,
    });
    let bytes = text.len() * 4;
    output.emit(Ready { entity_type: ELECTROCARDIOGRAM, fields, bytes }, &identity, |parts| {
        parts.text(&text);
    });
}
