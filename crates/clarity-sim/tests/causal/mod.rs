//! The causal-consistency workload in virtual time.

use clarity_sim::causal::{CausalSummary, Plant, Simulated};

/// How many seeds the tests run; `cargo xtask chaos causal` runs more.
const SEEDS: u64 = 30;

fn run(simulated: &Simulated, seeds: u64, plant: Option<Plant>) -> CausalSummary {
    let mut summary = CausalSummary::default();
    for seed in 1..=seeds {
        let ran = simulated.run_seed(seed, plant, &mut summary);
        assert_eq!(ran, Ok(()), "seed {seed}");
    }
    summary
}

/// Shows promise I7 as the published workload asks for it: five to ten clients that read and write
/// in transactions, under partitions of each kind, pauses and kills, see nothing that causal
/// consistency forbids, and end equal.
#[test]
fn causal_consistency_holds_under_every_fault() {
    let simulated = Simulated::new("causal").unwrap();
    let summary = run(&simulated, SEEDS, None);
    for (seed, violations) in &summary.failed {
        println!("seed {seed}: {} violations; the first: {}", violations.len(), violations[0]);
    }
    println!("{:?}", summary.faults);
    assert_eq!(summary.failed.len(), 0);
    assert!(summary.transactions > 1_500, "{}", summary.transactions);
    for fault in ["partition", "device_killed", "device_stopped", "server_killed", "answer_lost"] {
        assert!(summary.faults.contains_key(fault), "{fault} was not met");
    }
}

/// Shows that the checks find what they are for: a page that loses a row while its cursor moves,
/// and a server that says it has taken what it has not.
#[test]
fn planted_violations_are_found() {
    let simulated = Simulated::new("causal-planted").unwrap();
    for plant in [Plant::TornPage, Plant::EmptyPromise] {
        let mut summary = CausalSummary::default();
        let found = (1..=SEEDS).any(|seed| {
            // A queue that never empties is a find as well.
            simulated.run_seed(seed, Some(plant), &mut summary).is_err()
                || !summary.failed.is_empty()
        });
        assert!(found, "{plant:?} was not found");
    }
}
