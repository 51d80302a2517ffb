//! Makes a failing scenario smaller: what can be left out without the failure going away is left
//! out.

use serde_json::Value;

use super::Templates;
use super::plant::Plant;
use super::scenario::Scenario;

/// Leaves out of a scenario what its failure does not need. Gives the scenario back as it is when
/// it does not fail. The same promise must break; what is seen may differ. Tries at most so many
/// runs.
#[must_use]
pub fn shrink(
    templates: &Templates,
    scenario: &Scenario,
    plant: Option<Plant>,
    runs_max: usize,
) -> Scenario {
    let Some(violation) = templates.run(scenario.clone(), plant, false).violation else {
        return scenario.clone();
    };
    let clause = violation.clause;
    let mut attempt = Attempt { templates, plant, clause, runs_left: runs_max };
    let mut best = scenario.clone();
    loop {
        let before = best.clone();
        fewer_acts(&mut attempt, &mut best);
        fewer_faults(&mut attempt, &mut best);
        fewer_devices(&mut attempt, &mut best);
        if best == before || attempt.runs_left == 0 {
            best.shows = format!("{clause}: {}", violation.words);
            return best;
        }
    }
}

/// What a smaller scenario must still do.
struct Attempt<'a> {
    templates: &'a Templates,
    plant: Option<Plant>,
    clause: &'static str,
    runs_left: usize,
}

impl Attempt<'_> {
    /// Takes the candidate if it fails in the same way.
    fn take(&mut self, best: &mut Scenario, candidate: Scenario) -> bool {
        if self.runs_left == 0 || candidate == *best {
            return false;
        }
        self.runs_left -= 1;
        let violation = self.templates.run(candidate.clone(), self.plant, false).violation;
        let fails = violation.is_some_and(|violation| violation.clause == self.clause);
        if fails {
            *best = candidate;
        }
        fails
    }
}

/// Delta debugging: parts of the acts are left out, large ones first.
fn fewer_acts(attempt: &mut Attempt<'_>, best: &mut Scenario) {
    let mut part = best.acts.len().div_ceil(2);
    while part > 0 {
        let mut from = 0;
        while from < best.acts.len() {
            let mut candidate = best.clone();
            let to = (from + part).min(candidate.acts.len());
            candidate.acts.drain(from..to);
            if !attempt.take(best, candidate) {
                from += part;
            }
        }
        part /= 2;
    }
}

/// Each fault that has a rate is left out.
fn fewer_faults(attempt: &mut Attempt<'_>, best: &mut Scenario) {
    let Ok(Value::Object(rates)) = serde_json::to_value(&best.rates) else { return };
    for (name, rate) in rates {
        // How long tokens and pauses last is no fault.
        if name.ends_with("_ms") {
            continue;
        }
        let Ok(Value::Object(mut fewer)) = serde_json::to_value(&best.rates) else { return };
        fewer.insert(name, if rate.is_boolean() { false.into() } else { 0.into() });
        let Ok(rates) = serde_json::from_value(Value::Object(fewer)) else { continue };
        let candidate = Scenario { rates, ..best.clone() };
        attempt.take(best, candidate);
    }
}

/// The last devices are left out.
fn fewer_devices(attempt: &mut Attempt<'_>, best: &mut Scenario) {
    while best.devices.len() > 1 {
        let mut candidate = best.clone();
        candidate.devices.pop();
        if !attempt.take(best, candidate) {
            return;
        }
    }
}
