//! `clarity-sim`: lives through many simulated worlds and says which promise broke, if one did.

use std::num::NonZero;
use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Result, anyhow};
use clap::Parser;
use clarity_sim::simulation::{Options, Plant, SeedReport, Summary, Templates, run_many};

/// One of so many seeds is run twice.
const REPEAT_EACH: u64 = 100;
/// How many failing seeds are told of in words.
const FAILURES_TOLD: usize = 10;

/// Simulates devices, server and network with every fault they can have, from seeds.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask sim", version, about)]
struct Arguments {
    /// How many seeds to run
    #[arg(long, default_value_t = 1_000)]
    seeds: u64,
    /// The first seed
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// How many threads; as many as there are cores when left out
    #[arg(long)]
    threads: Option<NonZero<usize>>,
    /// Stop after so many minutes, however many seeds are left
    #[arg(long)]
    minutes: Option<u64>,
    /// Print the result as one JSON object
    #[arg(long)]
    json: bool,
    /// Print what happens, line by line; for one seed
    #[arg(long)]
    trace: bool,
    /// Plant a bug and see the checks find it
    #[arg(long)]
    plant: Option<Plant>,
    /// Go on after a seed has failed
    #[arg(long)]
    keep_going: bool,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match run(&arguments) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::from(2)
        }
    }
}

/// Runs the seeds; false when one of them failed.
fn run(arguments: &Arguments) -> Result<bool> {
    if arguments.trace {
        let templates = Templates::new("simulation-trace").map_err(|words| anyhow!(words))?;
        let report = templates.run_seed(arguments.seed, arguments.plant, true);
        tell(&report, arguments.plant);
        return Ok(report.violation.is_none());
    }
    let threads = match arguments.threads {
        Some(threads) => threads,
        None => std::thread::available_parallelism()?,
    };
    let options = Options {
        first_seed: arguments.seed,
        seeds: arguments.seeds,
        threads,
        plant: arguments.plant,
        stop_at_failure: !arguments.keep_going,
        repeat_each: REPEAT_EACH,
    };
    let started = Instant::now();
    let limit = arguments.minutes.map(|minutes| Duration::from_secs(60 * minutes));
    let done = AtomicU64::new(0);
    let summary = run_many(&options, &|_| {
        let done = done.fetch_add(1, Ordering::SeqCst) + 1;
        if done.is_multiple_of(500) {
            let seconds = started.elapsed().as_secs_f64();
            eprintln!("{done} seeds, {:.0} a second", done as f64 / seconds);
        }
        limit.is_none_or(|limit| started.elapsed() < limit)
    })
    .map_err(|words| anyhow!(words))?;
    for report in summary.failed.iter().take(FAILURES_TOLD) {
        tell(report, arguments.plant);
    }
    print_summary(arguments, &summary, started.elapsed(), threads);
    Ok(summary.failed.is_empty())
}

/// Says why a seed failed, and the line that repeats it.
fn tell(report: &SeedReport, plant: Option<Plant>) {
    match &report.violation {
        None => eprintln!("seed {}: {} steps, all promises held", report.seed, report.steps),
        Some(violation) => {
            let plant = plant.map(|plant| format!(" --plant {}", plant.name())).unwrap_or_default();
            eprintln!("seed {} failed: {violation}", report.seed);
            eprintln!("  cargo xtask sim --seed {} --seeds 1 --trace{plant}", report.seed);
        }
    }
}

fn print_summary(
    arguments: &Arguments,
    summary: &Summary,
    took: Duration,
    threads: NonZero<usize>,
) {
    let seconds = took.as_secs_f64().max(0.001);
    let per_hour_per_core = summary.seeds as f64 * 3_600.0 / seconds / threads.get() as f64;
    if arguments.json {
        let faults: serde_json::Map<String, serde_json::Value> =
            summary.faults.iter().map(|(name, count)| (name.to_owned(), count.into())).collect();
        let failed: Vec<u64> = summary.failed.iter().map(|report| report.seed).collect();
        println!(
            "{}",
            serde_json::json!({
                "seeds": summary.seeds,
                "failed": failed.len(),
                "failed_seeds": failed,
                "first_seed": arguments.seed,
                "repeated": summary.repeated,
                "steps": summary.steps,
                "seconds": (seconds * 1_000.0).round() / 1_000.0,
                "threads": threads,
                "seeds_per_hour_per_core": per_hour_per_core.round(),
                "faults": faults,
            })
        );
        return;
    }
    for (name, count) in summary.faults.iter() {
        println!("{count:>10}  {name}");
    }
    println!(
        "{} seeds, {} failed, {} run twice, {} steps, {per_hour_per_core:.0} seeds an hour and core",
        summary.seeds,
        summary.failed.len(),
        summary.repeated,
        summary.steps
    );
}
