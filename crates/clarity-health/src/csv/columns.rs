//! What the columns of a table are.

use super::CsvOptions;
use crate::error::HealthError;
use crate::metrics::{by_words, plain_words};

/// What a column holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Role {
    Start,
    End,
    Date,
    Time,
    Metric,
    Value,
    Unit,
    Category,
    Source,
    Device,
    Ignore,
    /// Values of one metric.
    ValuesOf {
        metric: String,
        unit: String,
    },
}

/// Where what is in a row.
#[derive(Debug, Default)]
pub(crate) struct Columns {
    pub(crate) start: Option<usize>,
    pub(crate) end: Option<usize>,
    pub(crate) date: Option<usize>,
    pub(crate) time: Option<usize>,
    pub(crate) metric: Option<usize>,
    pub(crate) value: Option<usize>,
    pub(crate) unit: Option<usize>,
    pub(crate) category: Option<usize>,
    pub(crate) source: Option<usize>,
    pub(crate) device: Option<usize>,
    /// Column, metric and unit of tables with a column for each metric.
    pub(crate) metrics: Vec<(usize, String, String)>,
    /// Headings that mean nothing here.
    pub(crate) unknown: u64,
}

impl Columns {
    /// Finds out from the headings and from what the person said of them.
    pub(crate) fn read(headings: &[String], options: &CsvOptions) -> Result<Self, HealthError> {
        let mut columns = Self::default();
        let mapped = mapped(headings, options)?;
        for (index, heading) in headings.iter().enumerate() {
            let said = mapped.iter().find(|(at, _)| *at == index).map(|(_, role)| role.clone());
            match said.or_else(|| guess(heading)) {
                Some(role) => columns.put(role, index),
                None => columns.unknown += 1,
            }
        }
        if columns.start.is_none() && columns.date.is_none() {
            return Err(HealthError::CsvNoTime);
        }
        let long = columns.metric.is_some() || options.metric.is_some();
        let holds = columns.value.is_some() || columns.category.is_some();
        if columns.metrics.is_empty() && !(long && holds) {
            return Err(HealthError::CsvNoValue);
        }
        Ok(columns)
    }

    fn put(&mut self, role: Role, index: usize) {
        let slot = match role {
            Role::Start => &mut self.start,
            Role::End => &mut self.end,
            Role::Date => &mut self.date,
            Role::Time => &mut self.time,
            Role::Metric => &mut self.metric,
            Role::Value => &mut self.value,
            Role::Unit => &mut self.unit,
            Role::Category => &mut self.category,
            Role::Source => &mut self.source,
            Role::Device => &mut self.device,
            Role::Ignore => return,
            Role::ValuesOf { metric, unit } => {
                self.metrics.push((index, metric, unit));
                return;
            }
        };
        // Of two columns of one kind the first is it.
        slot.get_or_insert(index);
    }
}

/// What the person said of the columns.
fn mapped(headings: &[String], options: &CsvOptions) -> Result<Vec<(usize, Role)>, HealthError> {
    let mut found = Vec::new();
    for (heading, word) in &options.columns {
        let wrong = || HealthError::CsvMapping(format!("{heading}={word}"));
        let at = headings.iter().position(|known| known.trim() == heading.trim());
        let role = role(word).ok_or_else(wrong)?;
        found.push((at.ok_or_else(wrong)?, role));
    }
    Ok(found)
}

/// The role that a word of a person names.
fn role(word: &str) -> Option<Role> {
    Some(match word.trim() {
        "start" => Role::Start,
        "end" => Role::End,
        "date" => Role::Date,
        "time" => Role::Time,
        "metric" => Role::Metric,
        "value" => Role::Value,
        "unit" => Role::Unit,
        "category" => Role::Category,
        "source" => Role::Source,
        "device" => Role::Device,
        "ignore" => Role::Ignore,
        other => {
            let (metric, unit) = other.split_once(':')?;
            let known = by_words(metric).map_or(metric.trim(), |metric| metric.name);
            if known.is_empty() {
                return None;
            }
            Role::ValuesOf { metric: known.to_owned(), unit: unit.trim().to_owned() }
        }
    })
}

/// What a heading means, by its words.
fn guess(heading: &str) -> Option<Role> {
    let plain = plain_words(heading);
    let role = match plain.as_str() {
        "start" | "start date" | "startdate" | "start time" | "starttime" | "timestamp"
        | "datetime" | "date time" | "recorded at" | "measured at" => Role::Start,
        "end" | "end date" | "enddate" | "end time" | "endtime" => Role::End,
        "date" | "day" | "datum" => Role::Date,
        "time" | "zeit" | "uhrzeit" => Role::Time,
        "metric" | "type" | "measurement" => Role::Metric,
        "value" | "reading" | "wert" => Role::Value,
        "unit" | "units" | "einheit" => Role::Unit,
        "category" => Role::Category,
        "source" | "source name" | "sourcename" => Role::Source,
        "device" => Role::Device,
        "entity id" | "entity type" | "utc offset min" => Role::Ignore,
        _ => return guess_metric(heading),
    };
    Some(role)
}

/// `Weight (kg)`, `Heart rate [bpm]`, `Steps`.
fn guess_metric(heading: &str) -> Option<Role> {
    let (name, unit) = match heading.split_once(['(', '[']) {
        Some((name, rest)) => (name, rest.trim_end().trim_end_matches([')', ']'])),
        None => (heading, ""),
    };
    let metric = by_words(name)?;
    Some(Role::ValuesOf { metric: metric.name.to_owned(), unit: unit.trim().to_owned() })
}
