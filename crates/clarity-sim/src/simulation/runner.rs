//! Many seeds on several threads.

use std::num::NonZero;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use super::Templates;
use super::faults::FaultCounts;
use super::plant::Plant;
use super::stage::Violation;

/// What one seed came to.
#[derive(Debug, Clone)]
pub struct SeedReport {
    /// The seed.
    pub seed: u64,
    /// The first promise that did not hold.
    pub violation: Option<Violation>,
    /// A hash over everything that happened.
    pub trace_hash: u64,
    /// How many things happened.
    pub steps: u64,
    /// The faults that were met.
    pub faults: FaultCounts,
}

impl SeedReport {
    pub(crate) fn failed_to_begin(seed: u64, violation: Violation) -> Self {
        let faults = FaultCounts::default();
        Self { seed, violation: Some(violation), trace_hash: 0, steps: 0, faults }
    }
}

/// Which seeds to run, and how.
#[derive(Debug, Clone)]
pub struct Options {
    /// The first seed.
    pub first_seed: u64,
    /// How many seeds, one after the other.
    pub seeds: u64,
    /// How many threads.
    pub threads: NonZero<usize>,
    /// A bug to plant.
    pub plant: Option<Plant>,
    /// Stop at the first seed that fails.
    pub stop_at_failure: bool,
    /// One of so many seeds is run twice, to show that a seed repeats; zero for none.
    pub repeat_each: u64,
}

/// What many seeds came to.
#[derive(Debug, Clone, Default)]
pub struct Summary {
    /// How many seeds ran.
    pub seeds: u64,
    /// Those that failed, by seed.
    pub failed: Vec<SeedReport>,
    /// How many seeds ran twice.
    pub repeated: u64,
    /// How many things happened in all.
    pub steps: u64,
    /// The faults that were met.
    pub faults: FaultCounts,
}

/// Runs seeds on several threads. `progress` hears of each finished seed, on any thread; when it
/// answers false no new seed is begun.
///
/// # Errors
/// In words, when a world cannot be made at all.
pub fn run_many(
    options: &Options,
    progress: &(dyn Fn(&SeedReport) -> bool + Sync),
) -> Result<Summary, String> {
    let next = AtomicU64::new(0);
    let summary = Mutex::new(Summary::default());
    let failures = thread::scope(|scope| {
        let workers: Vec<_> = (0..options.threads.get())
            .map(|_| scope.spawn(|| work(options, &next, &summary, progress)))
            .collect();
        let results = workers.into_iter().map(|worker| {
            worker.join().unwrap_or_else(|_| Err("a simulation thread panicked".to_owned()))
        });
        results.filter_map(Result::err).collect::<Vec<_>>()
    });
    if let Some(words) = failures.into_iter().next() {
        return Err(words);
    }
    let mut summary = summary.into_inner().unwrap_or_else(PoisonError::into_inner);
    summary.failed.sort_by_key(|report| report.seed);
    Ok(summary)
}

fn work(
    options: &Options,
    next: &AtomicU64,
    summary: &Mutex<Summary>,
    progress: &(dyn Fn(&SeedReport) -> bool + Sync),
) -> Result<(), String> {
    // A name for each registration: they last as long as the process.
    static REGISTERED: AtomicU64 = AtomicU64::new(0);
    let number = REGISTERED.fetch_add(1, Ordering::SeqCst);
    let templates = Templates::new(&format!("simulation-{number}"))?;
    loop {
        let position = next.fetch_add(1, Ordering::SeqCst);
        if position >= options.seeds {
            return Ok(());
        }
        let seed = options.first_seed.wrapping_add(position);
        let mut report = templates.run_seed(seed, options.plant, false);
        let repeats = options.repeat_each > 0 && seed.is_multiple_of(options.repeat_each);
        if repeats && report.violation.is_none() {
            let again = templates.run_seed(seed, options.plant, false);
            if again.trace_hash != report.trace_hash {
                let words = "the same seed went another way the second time".to_owned();
                report.violation = Some(Violation { clause: "determinism", words });
            }
        }
        let goes_on = progress(&report);
        let failed = report.violation.is_some();
        let mut summary = summary.lock().unwrap_or_else(PoisonError::into_inner);
        summary.seeds += 1;
        summary.repeated += u64::from(repeats);
        summary.steps += report.steps;
        summary.faults.add(&report.faults);
        if failed {
            summary.failed.push(report);
        }
        drop(summary);
        if !goes_on || (failed && options.stop_at_failure) {
            next.store(options.seeds, Ordering::SeqCst);
        }
    }
}
