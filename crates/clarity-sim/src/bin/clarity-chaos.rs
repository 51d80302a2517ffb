//! `clarity-chaos`: real processes, killed, stopped and cut off from each other; and the
//! causal-consistency workload, with them or in virtual time.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Result, anyhow};
use clap::{Parser, ValueEnum};
use clarity_sim::causal::{CausalSummary, Simulated};
use clarity_sim::chaos::{Plan, Report, causal_round, program_beside, round};

/// How many failing seeds are told of in words.
const FAILURES_TOLD: usize = 10;

/// What is run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Workload {
    /// Writes of every kind
    Writes,
    /// Transactions of reads and writes over shared registers, checked for causal consistency
    Causal,
    /// The same in virtual time: a round is a seed
    SimulatedCausal,
}

/// Kills, stops and cuts off real processes, heals, and compares what is there with what was
/// acknowledged.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask chaos", version, about)]
struct Arguments {
    /// What is run
    #[arg(value_enum, default_value_t = Workload::Writes)]
    workload: Workload,
    /// How many rounds; each has a server and devices of its own
    #[arg(long, default_value_t = 1)]
    rounds: u64,
    /// Begin no further round after so many minutes
    #[arg(long)]
    minutes: Option<u64>,
    /// The first seed
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// How many devices
    #[arg(long, default_value_t = 4)]
    devices: usize,
    /// How many processes are killed in each round
    #[arg(long, default_value_t = 10)]
    kills: u64,
    /// How many partitions each round has
    #[arg(long, default_value_t = 6)]
    partitions: u64,
    /// How often a process stands still in each round
    #[arg(long, default_value_t = 4)]
    stops: u64,
    /// The program `clarity`; the one beside this when left out
    #[arg(long)]
    program: Option<PathBuf>,
    /// Print the result as one JSON object
    #[arg(long)]
    json: bool,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let passed = match arguments.workload {
        Workload::SimulatedCausal => simulate(&arguments),
        Workload::Writes | Workload::Causal => run(&arguments),
    };
    match passed {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::from(2)
        }
    }
}

/// Whether there is time for another round.
fn goes_on(arguments: &Arguments, started: Instant) -> bool {
    let limit = arguments.minutes.map(|minutes| Duration::from_secs(60 * minutes));
    limit.is_none_or(|limit| started.elapsed() < limit)
}

fn run(arguments: &Arguments) -> Result<bool> {
    let program = arguments.program.clone().map_or_else(program_beside, Ok)?;
    let (seed, devices) = (arguments.seed, arguments.devices);
    let Arguments { kills, partitions, stops, .. } = *arguments;
    let plan = Plan { program, seed, devices, kills, partitions, stops };
    let started = Instant::now();
    let mut report = Report::default();
    for number in 0..arguments.rounds {
        if !goes_on(arguments, started) {
            break;
        }
        match arguments.workload {
            Workload::Causal => causal_round(&plan, number, &mut report)?,
            _ => round(&plan, number, &mut report)?,
        }
        let Report { met, acknowledged, .. } = &report;
        let (kills, parts) = (met.kills(), met.partitions);
        eprintln!("round {number}: {kills} kills, {parts} partitions, {acknowledged} writes");
    }
    if arguments.json {
        println!("{}", serde_json::to_string(&report)?);
    } else {
        print_report(&report);
    }
    Ok(report.passed())
}

fn print_report(report: &Report) {
    let Report { met, rounds, .. } = report;
    println!(
        "{rounds} rounds: {} kills of devices and {} of servers, {} of commands, {} stops, \
         {} partitions",
        met.device_kills, met.server_kills, met.command_kills, met.stops, met.partitions
    );
    for (name, count) in &report.faults {
        println!("{count:>10}  {name}");
    }
    println!(
        "{} writes acknowledged, {} unknown; {} lost, {} doubled, {} queues waiting, \
         {} devices unequal, {} violations",
        report.acknowledged,
        report.unknown,
        report.lost,
        report.doubled,
        report.waiting,
        report.unequal,
        report.violations
    );
    println!(
        "after healing at most {} ms to empty queues, {} ms to equal devices",
        report.queues_empty_ms_max, report.equal_ms_max
    );
    for problem in &report.problems {
        println!("  {problem}");
    }
}

fn simulate(arguments: &Arguments) -> Result<bool> {
    let simulated = Simulated::new("causal").map_err(|words| anyhow!(words))?;
    let mut summary = CausalSummary::default();
    let started = Instant::now();
    for seed in arguments.seed..arguments.seed + arguments.rounds {
        if !goes_on(arguments, started) {
            break;
        }
        let ran = simulated.run_seed(seed, None, &mut summary);
        ran.map_err(|words| anyhow!("seed {seed}: {words}"))?;
    }
    for (seed, violations) in summary.failed.iter().take(FAILURES_TOLD) {
        if let Some(first) = violations.first() {
            eprintln!("seed {seed}: {} violations; the first: {first}", violations.len());
            eprintln!("  cargo xtask chaos simulated-causal --seed {seed}");
        }
    }
    let (runs, transactions) = (summary.runs, summary.transactions);
    if arguments.json {
        let failed: Vec<u64> = summary.failed.iter().map(|(seed, _)| *seed).collect();
        let (faults, failed) = (&summary.faults, &failed);
        let told = serde_json::json!({
            "runs": runs, "transactions": transactions, "faults": faults, "failed_seeds": failed,
        });
        println!("{told}");
    } else {
        for (name, count) in &summary.faults {
            println!("{count:>10}  {name}");
        }
        let failed = summary.failed.len();
        println!("{runs} histories of {transactions} transactions, {failed} failed");
    }
    Ok(summary.failed.is_empty())
}
