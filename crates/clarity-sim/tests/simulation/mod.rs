//! Tests of whole simulated worlds.

mod scenarios;

use std::num::NonZero;

use clarity_sim::simulation::{Options, Plant, Summary, Templates, run_many};

fn run(first_seed: u64, seeds: u64, plant: Option<Plant>) -> Summary {
    let options = Options {
        first_seed,
        seeds,
        threads: NonZero::new(2).unwrap(),
        plant,
        stop_at_failure: true,
        repeat_each: 50,
    };
    run_many(&options, &|_| true).unwrap()
}

/// Shows that every promise holds in some dozens of worlds, that a seed repeats, and that the
/// faults the worlds are made of are really met.
#[test]
fn promises_hold_in_whole_worlds() {
    let summary = run(1, 60, None);
    let failed: Vec<_> =
        summary.failed.iter().map(|report| (report.seed, report.violation.clone())).collect();
    assert_eq!(failed, []);
    assert_eq!(summary.repeated, 1);
    for fault in [
        "answer_lost",
        "answer_truncated",
        "captive_portal",
        "clock_jump",
        "device_crash_before_commit",
        "device_crash_in_transaction",
        "device_power_loss",
        "disk_error",
        "disk_full",
        "error_after_apply",
        "partition",
        "poison_server_error",
        "operation_refused",
        "request_duplicated",
        "request_delayed",
        "rollback_on_its_way",
        "server_crash",
        "server_crash_in_transaction",
        "token_answer_lost",
        "token_expired",
        "too_many_requests",
    ] {
        assert!(summary.faults.of(fault) > 0, "{fault} was never met");
    }
}

/// Shows that planted bugs are found, by a promise that they break: the alarms ring. The rest of
/// them takes the program, with `--alarms`.
#[test]
fn planted_bugs_are_found() {
    let expected: [(Plant, &[&str]); 8] = [
        (Plant::AcknowledgeBeforeCommit, &["I1"]),
        (Plant::CursorBeforeRows, &["I6"]),
        (Plant::AcceptHtml, &["I4", "I5", "I6", "I7"]),
        (Plant::PrunePendingRow, &["I1", "I2", "I8"]),
        (Plant::ForgetEvictedRow, &["I1", "I6", "I10"]),
        (Plant::SettledTooFar, &["I3"]),
        (Plant::GivenUp, &["I4"]),
        (Plant::LyingDisk, &["I1", "I16"]),
    ];
    for (plant, clauses) in expected {
        let summary = run(1, 40, Some(plant));
        let first = summary.failed.first().unwrap_or_else(|| panic!("{} stays", plant.name()));
        let clause = first.violation.as_ref().unwrap().clause;
        assert!(clauses.contains(&clause), "{} was found as {clause}", plant.name());
    }
}

/// Shows that the record of a seed is the same whatever ran before it, and differs between seeds.
#[test]
fn a_seed_is_one_history() {
    let templates = Templates::new("one-history").unwrap();
    let first = templates.run_seed(7, None, false);
    let other = templates.run_seed(8, None, false);
    let again = templates.run_seed(7, None, false);
    assert_eq!(first.trace_hash, again.trace_hash);
    assert_eq!(first.steps, again.steps);
    assert_ne!(first.trace_hash, other.trace_hash);
}
