//! `clarity-sim`: lives through many simulated worlds and says which promise broke, if one did.

mod alarms;
mod state;

use std::num::NonZero;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow};
use clap::Parser;
use clarity_sim::simulation::{
    EXPECTED, Options, Plant, Scenario, SeedReport, Templates, run_many, shrink,
};

use state::State;

/// Worlds make and drop millions of small things, on SQLite's side as well, whose allocations it
/// takes over too.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// One of so many seeds is run twice.
const REPEAT_EACH: u64 = 100;
/// How many failing seeds are told of in words.
const FAILURES_TOLD: usize = 10;
/// After so many seeds what the run has come to is told, and kept where there is a file for it.
const PART_SEEDS: u64 = 500;
/// In so many seeds every fault and every way to deal with one is met.
const EVERYTHING_MET_SEEDS: u64 = 2_000;
/// How many runs are tried at most to make a scenario smaller.
const SHRINK_RUNS_MAX: usize = 2_000;

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
    /// Keep what the run has come to in this file, and go on from it: a run may be stopped
    #[arg(long, value_name = "FILE")]
    state: Option<PathBuf>,
    /// Print the result as one JSON object
    #[arg(long)]
    json: bool,
    /// Print what happens, line by line; for one seed
    #[arg(long)]
    trace: bool,
    /// Run the scenario of a file instead of seeds
    #[arg(long, value_name = "FILE", conflicts_with_all = ["seeds", "state", "minutes"])]
    scenario: Option<PathBuf>,
    /// Make the scenario of the seed or file as small as it still fails, and write it here
    #[arg(long, value_name = "FILE")]
    shrink: Option<PathBuf>,
    /// Plant a bug and see the checks find it
    #[arg(long)]
    plant: Option<Plant>,
    /// Plant every bug, one after the other, and tell by which promise each is found, and how soon
    #[arg(long, conflicts_with_all = ["plant", "scenario", "state"])]
    alarms: bool,
    /// Go on after a seed has failed
    #[arg(long)]
    keep_going: bool,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let single = arguments.trace || arguments.scenario.is_some() || arguments.shrink.is_some();
    let result = match (single, arguments.alarms) {
        (true, _) => run_one(&arguments),
        (false, true) => alarms::run(arguments.seed, arguments.seeds, arguments.json),
        (false, false) => run(&arguments),
    };
    match result {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::from(2)
        }
    }
}

/// Runs one seed or the scenario of a file; false when it failed.
fn run_one(arguments: &Arguments) -> Result<bool> {
    let templates = Templates::new("simulation-one").map_err(|words| anyhow!(words))?;
    let scenario = match &arguments.scenario {
        Some(file) => read(file)?,
        None => Scenario::draw(arguments.seed),
    };
    let Some(file) = &arguments.shrink else {
        let report = templates.run(scenario, arguments.plant, arguments.trace);
        tell(&report, arguments);
        return Ok(report.violation.is_none());
    };
    let small = shrink(&templates, &scenario, arguments.plant, SHRINK_RUNS_MAX);
    std::fs::write(file, small.to_text())
        .with_context(|| format!("{} cannot be written", file.display()))?;
    eprintln!("{} of {} acts are left in {}", small.acts(), scenario.acts(), file.display());
    let report = templates.run(small, arguments.plant, arguments.trace);
    tell(&report, arguments);
    Ok(report.violation.is_none())
}

fn read(file: &Path) -> Result<Scenario> {
    let text = std::fs::read_to_string(file)
        .with_context(|| format!("{} cannot be read", file.display()))?;
    Scenario::from_text(&text).map_err(|words| anyhow!("{}: {words}", file.display()))
}

/// Runs the seeds; false when one of them failed, or something was never met.
fn run(arguments: &Arguments) -> Result<bool> {
    let threads = match arguments.threads {
        Some(threads) => threads,
        None => std::thread::available_parallelism()?,
    };
    let plant = arguments.plant.map(Plant::name);
    let mut state = match &arguments.state {
        Some(file) => State::open(file, arguments.seed, plant)?,
        None => State { first_seed: arguments.seed, ..State::default() },
    };
    let started = Instant::now();
    let limit = arguments.minutes.map(|minutes| Duration::from_secs(60 * minutes));
    let is_over = || limit.is_some_and(|limit| started.elapsed() >= limit);
    let mut told = 0;
    while state.seeds < arguments.seeds && !is_over() {
        let options = Options {
            first_seed: arguments.seed.wrapping_add(state.seeds),
            seeds: PART_SEEDS.min(arguments.seeds - state.seeds),
            threads,
            plant: arguments.plant,
            stop_at_failure: !arguments.keep_going,
            repeat_each: REPEAT_EACH,
        };
        let (busy, began) = (processor_seconds(), Instant::now());
        let part = run_many(&options, &|_| true).map_err(|words| anyhow!(words))?;
        let spent = processor_seconds().zip(busy).map(|(now, before)| now - before);
        let at_most = began.elapsed().as_secs_f64() * threads.get() as f64;
        state.add(&part, spent.unwrap_or(at_most));
        if let Some(file) = &arguments.state {
            state.save(file)?;
        }
        for report in part.failed.iter().take(FAILURES_TOLD - told) {
            tell(report, arguments);
            told += 1;
        }
        eprintln!(
            "{} of {} seeds, {} failed, {:.0} seeds an hour and core",
            state.seeds,
            arguments.seeds,
            state.failed.len(),
            state.seeds_per_hour()
        );
        if !part.failed.is_empty() && !arguments.keep_going {
            break;
        }
    }
    let missing = missing(&state, arguments.plant);
    print_summary(arguments, &state, &missing, started.elapsed(), threads)?;
    Ok(state.failed.is_empty() && missing.is_empty())
}

/// What a run of this length should have met and has not.
fn missing(state: &State, plant: Option<Plant>) -> Vec<&'static str> {
    if state.seeds < EVERYTHING_MET_SEEDS || plant.is_some() {
        return Vec::new();
    }
    EXPECTED.into_iter().filter(|name| !state.met.contains_key(*name)).collect()
}

/// Says why a seed failed, and the line that repeats it.
fn tell(report: &SeedReport, arguments: &Arguments) {
    let Some(violation) = &report.violation else {
        eprintln!("seed {}: {} steps, all promises held", report.seed, report.steps);
        return;
    };
    let plant = arguments.plant.map(|plant| format!(" --plant {}", plant.name()));
    let plant = plant.unwrap_or_default();
    eprintln!("seed {} failed: {violation}", report.seed);
    if arguments.scenario.is_none() {
        let again = format!("cargo xtask sim --seed {}{plant}", report.seed);
        eprintln!("  {again} --trace");
        eprintln!("  {again} --shrink crates/clarity-sim/tests/scenarios/NAME.json");
    }
}

/// The time for which this process has used processors, in seconds; none where the system does not
/// tell.
fn processor_seconds() -> Option<f64> {
    const TICKS_PER_SECOND: f64 = 100.0;
    let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
    // The name of the program may hold spaces and ends with the last bracket.
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace().skip(11);
    let user: f64 = fields.next()?.parse().ok()?;
    let system: f64 = fields.next()?.parse().ok()?;
    Some((user + system) / TICKS_PER_SECOND)
}

fn print_summary(
    arguments: &Arguments,
    state: &State,
    missing: &[&str],
    took: Duration,
    threads: NonZero<usize>,
) -> Result<()> {
    if arguments.json {
        let mut told = serde_json::to_value(state)?;
        told["failed_seeds"] = state.failed.keys().copied().collect();
        told["failed"] = state.failed.len().into();
        told["never_met"] = missing.into();
        told["seconds"] = ((took.as_secs_f64() * 1_000.0).round() / 1_000.0).into();
        told["threads"] = threads.get().into();
        told["seeds_per_hour_per_core"] = state.seeds_per_hour().round().into();
        told["steps_per_second_per_core"] = state.steps_per_second().round().into();
        println!("{told}");
        return Ok(());
    }
    for (name, count) in &state.met {
        println!("{count:>10}  {name}");
    }
    println!(
        "{} seeds, {} failed, {} run twice, {} steps; on one core {:.0} steps a second and {:.0} \
         seeds an hour",
        state.seeds,
        state.failed.len(),
        state.repeated,
        state.steps,
        state.steps_per_second(),
        state.seeds_per_hour()
    );
    if !missing.is_empty() {
        println!("never met: {}", missing.join(", "));
    }
    Ok(())
}
