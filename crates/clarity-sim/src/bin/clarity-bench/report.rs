//! The rows that a bench prints.

use comfy_table::Table;
use serde::Serialize;

/// One measured figure.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Row {
    /// Which workload.
    pub(crate) id: &'static str,
    /// What it is, in words.
    pub(crate) what: &'static str,
    /// The figure.
    pub(crate) value: f64,
    /// Its unit.
    pub(crate) unit: &'static str,
    /// The same of the reference in this run, where there is one.
    pub(crate) reference: Option<f64>,
    /// The figure as a ratio to the reference.
    pub(crate) ratio: Option<f64>,
    /// What the ratio, or without one the figure, should be.
    pub(crate) target: String,
    /// Whether it is.
    pub(crate) holds: bool,
}

impl Row {
    /// A rate that should be at least `target` times the reference.
    pub(crate) fn rate(
        id: &'static str,
        what: &'static str,
        value: f64,
        reference: f64,
        target: f64,
    ) -> Self {
        let ratio = value / reference;
        Self {
            id,
            what,
            value,
            unit: "1/s",
            reference: Some(reference),
            ratio: Some(ratio),
            target: format!(">= {target}"),
            holds: ratio >= target,
        }
    }

    /// A figure that should be at most `target`.
    pub(crate) fn at_most(
        id: &'static str,
        what: &'static str,
        value: f64,
        unit: &'static str,
        target: f64,
    ) -> Self {
        let holds = value <= target;
        let target = format!("<= {target}");
        Self { id, what, value, unit, reference: None, ratio: None, target, holds }
    }
}

/// The rows for people.
pub(crate) fn table(rows: &[Row]) -> String {
    let mut table = Table::new();
    table.set_header(["", "workload", "value", "unit", "reference", "ratio", "target", "holds"]);
    for row in rows {
        table.add_row([
            row.id.to_owned(),
            row.what.to_owned(),
            number(row.value),
            row.unit.to_owned(),
            row.reference.map(number).unwrap_or_default(),
            row.ratio.map(|ratio| format!("{ratio:.2}")).unwrap_or_default(),
            row.target.clone(),
            if row.holds { "yes" } else { "no" }.to_owned(),
        ]);
    }
    table.to_string()
}

fn number(value: f64) -> String {
    if value >= 100.0 { format!("{value:.0}") } else { format!("{value:.2}") }
}
