//! A long run that can be stopped at any time and gone on with: what it has come to is kept in a
//! file after each part.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use clarity_sim::simulation::Summary;
use serde::{Deserialize, Serialize};

/// What a run has come to.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct State {
    /// The first seed.
    pub(crate) first_seed: u64,
    /// The planted bug.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) plant: Option<String>,
    /// How many seeds have run.
    pub(crate) seeds: u64,
    /// How many of them ran twice.
    pub(crate) repeated: u64,
    /// How many things happened in all.
    pub(crate) steps: u64,
    /// For how long processors were busy with it, in seconds.
    pub(crate) processor_seconds: f64,
    /// The seeds that failed, with what was seen.
    pub(crate) failed: BTreeMap<u64, String>,
    /// The faults that were met, and the ways in which they were dealt with.
    pub(crate) met: BTreeMap<String, u64>,
}

impl State {
    /// Reads a state, or begins one.
    ///
    /// # Errors
    /// When the file cannot be read, or is of another run.
    pub(crate) fn open(file: &Path, first_seed: u64, plant: Option<&str>) -> Result<Self> {
        let begun = Self { first_seed, plant: plant.map(str::to_owned), ..Self::default() };
        if !file.exists() {
            return Ok(begun);
        }
        let text = std::fs::read_to_string(file)
            .with_context(|| format!("{} cannot be read", file.display()))?;
        let state: Self = serde_json::from_str(&text)
            .with_context(|| format!("{} is no state of a run", file.display()))?;
        ensure!(
            state.first_seed == first_seed && state.plant == begun.plant,
            "{} is of a run from seed {}; name another file, or that seed",
            file.display(),
            state.first_seed
        );
        Ok(state)
    }

    /// Writes it, whole or not at all.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub(crate) fn save(&self, file: &Path) -> Result<()> {
        let new = file.with_extension("new");
        let text = serde_json::to_string_pretty(self)?;
        std::fs::write(&new, text + "\n")
            .and_then(|()| std::fs::rename(&new, file))
            .with_context(|| format!("{} cannot be written", file.display()))
    }

    /// Adds what a part has come to.
    pub(crate) fn add(&mut self, part: &Summary, processor_seconds: f64) {
        self.seeds += part.seeds;
        self.repeated += part.repeated;
        self.steps += part.steps;
        self.processor_seconds += processor_seconds;
        for report in &part.failed {
            let words = report.violation.as_ref().map(ToString::to_string).unwrap_or_default();
            self.failed.insert(report.seed, words);
        }
        for (name, count) in part.faults.iter() {
            *self.met.entry(name.to_owned()).or_default() += count;
        }
    }

    /// The seeds that one core does in an hour.
    pub(crate) fn seeds_per_hour(&self) -> f64 {
        self.seeds as f64 * 3_600.0 / self.processor_seconds.max(0.001)
    }

    /// The steps that one core does in a second.
    pub(crate) fn steps_per_second(&self) -> f64 {
        self.steps as f64 / self.processor_seconds.max(0.001)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Shows that a run goes on from what it has kept, and that another run does not take it over.
    #[test]
    fn a_run_goes_on_from_its_file() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("state.json");
        let mut state = State::open(&file, 7, None).unwrap();
        let part = Summary { seeds: 3, steps: 900, ..Summary::default() };
        state.add(&part, 1.5);
        state.failed.insert(8, "I3: twice".to_owned());
        state.save(&file).unwrap();
        assert_eq!(State::open(&file, 7, None).unwrap(), state);
        assert!(State::open(&file, 8, None).is_err());
        assert!(State::open(&file, 7, Some("drop-receipt")).is_err());
    }
}
