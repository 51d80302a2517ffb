//! Whether the alarms ring: every planted bug, by which promise it is found, and how soon.

use std::num::NonZero;
use std::time::Instant;

use anyhow::{Result, anyhow};
use clarity_sim::simulation::{Options, Plant, run_many};
use comfy_table::Table;
use serde_json::json;

/// Runs seeds with each planted bug until it is found; false when one is not.
///
/// # Errors
/// When no world can be made.
pub(crate) fn run(first_seed: u64, seeds: u64, as_json: bool) -> Result<bool> {
    let mut table = Table::new();
    table.set_header(["planted bug", "found as", "after seeds", "seconds"]);
    let mut found = 0;
    let mut rows = Vec::new();
    for plant in Plant::ALL {
        let options = Options {
            first_seed,
            seeds,
            threads: NonZero::<usize>::MIN,
            plant: Some(plant),
            stop_at_failure: true,
            repeat_each: 0,
        };
        let began = Instant::now();
        let summary = run_many(&options, &|_| true).map_err(|words| anyhow!(words))?;
        let seconds = began.elapsed().as_secs_f64();
        let violation = summary.failed.first().and_then(|report| report.violation.as_ref());
        let clause = violation.map(|violation| violation.clause);
        found += usize::from(clause.is_some());
        rows.push(json!({
            "plant": plant.name(),
            "layer": "simulation",
            "found_as": clause,
            "seeds": summary.seeds,
            "seconds": (seconds * 1_000.0).round() / 1_000.0,
        }));
        let (seeds, seconds) = (summary.seeds.to_string(), format!("{seconds:.2}"));
        table.add_row([plant.name(), clause.unwrap_or("NOT FOUND"), &seeds, &seconds]);
    }
    if as_json {
        println!("{}", json!({ "planted": Plant::ALL.len(), "found": found, "bugs": rows }));
    } else {
        println!("{table}");
        println!("{found} of {} planted bugs were found", Plant::ALL.len());
    }
    Ok(found == Plant::ALL.len())
}
