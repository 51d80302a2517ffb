//! Tests of scenarios as data: kept ones, and smaller ones of those that fail.

use clarity_sim::simulation::{Plant, Scenario, Templates, shrink};

/// Shows that what the simulation once found stays mended: each kept scenario holds every promise,
/// and is the same history each time.
#[test]
fn kept_scenarios_hold() {
    let templates = Templates::new("kept-scenarios").unwrap();
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/scenarios");
    let mut names = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let scenario = Scenario::from_text(&std::fs::read_to_string(&path).unwrap()).unwrap();
        assert_ne!(scenario.shows, "", "{} does not say what it shows", path.display());
        let first = templates.run(scenario.clone(), None, false);
        assert_eq!(first.violation, None, "{}", path.display());
        assert_eq!(templates.run(scenario, None, false).trace_hash, first.trace_hash);
        names.push(path);
    }
    assert!(!names.is_empty());
}

/// Shows that a seed's scenario can be written, read, and run as the seed.
#[test]
fn a_scenario_is_its_text() {
    let templates = Templates::new("scenario-text").unwrap();
    let scenario = Scenario::draw(11);
    let text = scenario.to_text();
    let read = Scenario::from_text(&text).unwrap();
    assert_eq!(read.to_text(), text);
    let report = templates.run(read, None, false);
    assert_eq!(report.trace_hash, templates.run_seed(11, None, false).trace_hash);
    assert!(Scenario::from_text(&text[..text.len() / 2]).is_err());
}

/// Shows that a failing scenario becomes much smaller and still fails in the same way.
#[test]
fn a_failing_scenario_shrinks() {
    let templates = Templates::new("shrinking").unwrap();
    let plant = Some(Plant::AcknowledgeBeforeCommit);
    let fails = |seed: &u64| templates.run_seed(*seed, plant, false).violation.is_some();
    let scenario = Scenario::draw((1..40).find(fails).unwrap());
    let clause = templates.run(scenario.clone(), plant, false).violation.unwrap().clause;
    let small = shrink(&templates, &scenario, plant, 60);
    assert!(small.acts() * 2 < scenario.acts(), "{} acts are left", small.acts());
    let report = templates.run(small.clone(), plant, false);
    assert_eq!(report.violation.unwrap().clause, clause);
    assert!(small.shows.contains(clause));
}
