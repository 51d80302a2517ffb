//! `test`: every check of the project, in the order in which a mistake is cheapest to hear of.
//!
//! Continuous integration runs this command and nothing else. Each step has a heading and shows
//! its own output untouched; the first step that fails ends the run, and the error is the last
//! line. A run that succeeds ends with a table of the steps and the closing line of the tests.

mod summary;

use std::io::IsTerminal;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use crate::prerequisites::{self, Need, WASM_TARGET};
use crate::workspace::Workspace;
use crate::{forward, process, tidy, web};

/// The crates that must compile for browsers.
const BROWSER_CRATES: [&str; 4] =
    ["clarity-store", "clarity-engine", "clarity-client", "clarity-web"];
/// The crates with tests of encrypted stores.
pub(crate) const ENCRYPTING_CRATES: [&str; 4] =
    ["clarity-store", "clarity-client", "clarity-cli", "clarity-sim"];
/// What turns it on.
const ENCRYPTION: &str = "clarity-cli/keyring,clarity-sim/encryption";
/// How many seeds the simulation runs as part of the tests.
const SIMULATION_SEEDS: &str = "1000";
/// Within how many seeds each planted bug must be found.
const ALARM_SEEDS: &str = "2000";

/// Options of `cargo xtask test`.
#[derive(Debug, clap::Args)]
pub(crate) struct TestOptions {
    /// Leave out the long steps: documentation, its examples, encryption, the web in a browser, the
    /// simulation, and real processes
    #[arg(long)]
    fast: bool,
}

impl TestOptions {
    /// What the tests are built with. Their build makes the programs that the later steps run, of
    /// which one has the app inside where that was built before.
    fn features(&self) -> &'static [&'static str] {
        if self.fast { &[] } else { &["--features", "clarity-cli/pulse"] }
    }
}

/// How a step that did not fail came out.
#[derive(Debug, PartialEq, Eq)]
enum Outcome {
    /// All is well; the lines are worth repeating at the very end.
    Passed(Vec<String>),
    /// The step needs a tool that is optional and not here.
    Skipped(&'static str),
}

/// One check.
struct Step {
    name: &'static str,
    is_long: bool,
    run: fn(&Workspace, &TestOptions) -> Result<Outcome>,
}

const STEPS: [Step; 13] = [
    Step { name: "format", is_long: false, run: format },
    Step { name: "clippy", is_long: false, run: clippy },
    Step { name: "tidy", is_long: false, run: house_rules },
    Step { name: "licences", is_long: false, run: licences },
    Step { name: "documentation", is_long: true, run: |workspace, _| passed(doc(workspace)) },
    Step { name: "build of the web", is_long: true, run: build_web },
    Step { name: "build of tests", is_long: false, run: build_tests },
    Step { name: "tests", is_long: false, run: tests },
    Step { name: "documented examples", is_long: true, run: documented_examples },
    Step { name: "web", is_long: true, run: test_web },
    Step { name: "simulation", is_long: true, run: simulation },
    Step { name: "real processes", is_long: true, run: real_processes },
    Step { name: "encryption", is_long: true, run: encryption },
];

/// Runs the checks, stopping at the first that fails.
///
/// # Errors
/// When something is missing and cannot be fetched, or a check fails; the error names it.
pub(crate) fn test(workspace: &Workspace, options: &TestOptions) -> Result<()> {
    let mut needs = vec![Need::CCompiler, Need::Rustfmt, Need::Clippy, Need::Libcrypto];
    if !options.fast {
        needs.extend([Need::Clang, Need::WasmTarget, Need::Keyring]);
        needs.push(Need::Chromium);
    }
    prerequisites::ensure_present(&needs)?;
    let steps = STEPS.iter().filter(|step| !(options.fast && step.is_long));
    run_steps(workspace, options, steps)
}

fn run_steps<'steps>(
    workspace: &Workspace,
    options: &TestOptions,
    steps: impl Iterator<Item = &'steps Step>,
) -> Result<()> {
    let mut rows = Vec::new();
    let mut closing_lines = Vec::new();
    for step in steps {
        println!("\n=== {} ===", step.name);
        let started = Instant::now();
        let outcome = (step.run)(workspace, options);
        let took = started.elapsed();
        match outcome {
            Ok(Outcome::Passed(lines)) => {
                println!("=== {}: passed in {} ===", step.name, in_words(took));
                rows.push(summary::Row::new(step.name, took, "passed"));
                closing_lines.extend(lines);
            }
            Ok(Outcome::Skipped(why)) => {
                println!("=== {}: skipped, {why} ===", step.name);
                rows.push(summary::Row::new(step.name, took, format!("skipped: {why}")));
            }
            Err(error) => {
                rows.push(summary::Row::new(step.name, took, "FAILED"));
                print!("\n{}", summary::table(&rows));
                return Err(error.context(format!("the check `{}` failed", step.name)));
            }
        }
    }
    print!("\n{}", summary::table(&rows));
    for line in closing_lines {
        println!("{line}");
    }
    Ok(())
}

/// A duration as a person says it.
fn in_words(duration: Duration) -> String {
    let seconds = duration.as_secs_f64();
    if seconds < 60.0 {
        return format!("{seconds:.1} s");
    }
    let whole = duration.as_secs();
    format!("{} min {:02} s", whole / 60, whole % 60)
}

fn passed(result: Result<()>) -> Result<Outcome> {
    result.map(|()| Outcome::Passed(Vec::new()))
}

fn format(workspace: &Workspace, _: &TestOptions) -> Result<Outcome> {
    let outcome = process::run(workspace.cargo("fmt").args(["--all", "--check"]));
    passed(outcome.context("`cargo fmt --all` puts it right"))
}

/// With everything that can be turned on: a second run without would look at the same lines again,
/// and what is unused without shows as a warning when the tests are built.
fn clippy(workspace: &Workspace, _: &TestOptions) -> Result<Outcome> {
    let mut command = workspace.cargo("clippy");
    command.args(["--workspace", "--all-targets", "--features", ENCRYPTION]);
    passed(process::run(command.args(["--", "--deny", "warnings"])))
}

fn house_rules(workspace: &Workspace, _: &TestOptions) -> Result<Outcome> {
    passed(tidy::run(workspace))
}

/// Licences, bans and sources of outside code. New security advisories are no property of a
/// change and need the network, so that `cargo deny check` with them is run beside, not in here.
fn licences(workspace: &Workspace, _: &TestOptions) -> Result<Outcome> {
    if !prerequisites::answers("cargo", &["deny", "--version"]) {
        return Ok(Outcome::Skipped("cargo-deny is not installed"));
    }
    passed(process::run(workspace.cargo("deny").args(["check", "licenses", "bans", "sources"])))
}

/// Checks that the crates meant for browsers compile for them.
///
/// # Errors
/// When clang or the target is missing and cannot be fetched, or something does not compile.
pub(crate) fn wasm_check(workspace: &Workspace) -> Result<()> {
    prerequisites::ensure_present(&[Need::Clang, Need::WasmTarget])?;
    let mut command = workspace.cargo("check");
    for name in BROWSER_CRATES {
        command.args(["--package", name]);
    }
    process::run(command.args(["--target", WASM_TARGET]))
}

/// Builds the documentation of the project's own crates, with warnings as errors, and with the
/// features with which they were checked: what they depend on is the same then.
///
/// # Errors
/// When rustdoc has anything to complain about.
pub(crate) fn doc(workspace: &Workspace) -> Result<()> {
    let mut command = workspace.cargo("doc");
    command.args(["--workspace", "--no-deps", "--features", ENCRYPTION]);
    command.env("RUSTDOCFLAGS", "--deny warnings");
    process::run(&mut command)
}

fn build_web(workspace: &Workspace, _: &TestOptions) -> Result<Outcome> {
    passed(web::web(workspace).map(|_| ()))
}

/// Compiles the tests with Cargo's progress in view, apart from the tests' own time.
fn build_tests(workspace: &Workspace, options: &TestOptions) -> Result<Outcome> {
    let mut command = workspace.cargo("test");
    command.args(["--workspace", "--lib", "--bins", "--tests", "--examples", "--no-run"]);
    passed(process::run(command.args(options.features())))
}

fn tests(workspace: &Workspace, options: &TestOptions) -> Result<Outcome> {
    if prerequisites::answers("cargo", &["nextest", "--version"]) {
        let mut command = workspace.cargo("nextest");
        command.args(["run", "--workspace"]).args(options.features());
        let lines = run_keeping(&mut command, summary::is_nextest_summary)?;
        return Ok(Outcome::Passed(lines));
    }
    println!("cargo-nextest is not installed; `cargo test` runs the same tests");
    let mut command = workspace.cargo("test");
    command.args(["--workspace", "--lib", "--bins", "--tests", "--examples", "--no-fail-fast"]);
    command.args(options.features());
    let lines = run_keeping(&mut command, summary::is_cargo_test_result)?;
    Ok(Outcome::Passed(vec![summary::sum_of_cargo_tests(&lines)]))
}

fn documented_examples(workspace: &Workspace, _: &TestOptions) -> Result<Outcome> {
    passed(process::run(workspace.cargo("test").args(["--workspace", "--doc", "--quiet"])))
}

fn test_web(workspace: &Workspace, _: &TestOptions) -> Result<Outcome> {
    passed(web::test_with(workspace, &workspace.built("clarity")?))
}

/// Encrypted stores, with keys in files and in a real keyring. Encryption takes another SQLite and
/// is off in every other step; what is tested here is what it changes, and that the store's own
/// tests hold with a key. It is the last step because it builds the programs anew.
fn encryption(workspace: &Workspace, _: &TestOptions) -> Result<Outcome> {
    let mut command = workspace.cargo("test");
    for name in ENCRYPTING_CRATES {
        command.args(["--package", name]);
    }
    command.args(["--features", ENCRYPTION, "--tests", "--no-fail-fast", "--"]);
    passed(process::run(command.args(["encryption::", "keyring::", "keys::", "rekey::"])))
}

/// The programs are those that the build of the tests has made: with assertions, and not much
/// slower than a release, because most of the time is SQLite's, which is optimized in both.
fn simulation(workspace: &Workspace, _: &TestOptions) -> Result<Outcome> {
    let simulate = |arguments: &[&str]| built(workspace, forward::SIMULATION, arguments);
    simulate(&["--alarms", "--seeds", ALARM_SEEDS])?;
    passed(simulate(&["--seeds", SIMULATION_SEEDS]))
}

/// A round of writes, and one of the causal workload, with real processes. The histories in virtual
/// time are part of the tests; more of them, and more rounds, are one command: `cargo xtask chaos`.
fn real_processes(workspace: &Workspace, _: &TestOptions) -> Result<Outcome> {
    for workload in ["writes", "causal"] {
        built(workspace, forward::CHAOS, &[workload])?;
    }
    passed(Ok(()))
}

/// Runs a program that the build of the tests has made.
fn built(workspace: &Workspace, program: &str, arguments: &[&str]) -> Result<()> {
    let mut command = Command::new(workspace.built(program)?);
    process::run(command.args(arguments).stdin(std::process::Stdio::null()))
}

/// Runs a command whose output is read on its way, without losing its colours.
fn run_keeping(command: &mut Command, keep: fn(&str) -> bool) -> Result<Vec<String>> {
    if std::io::stdout().is_terminal() && std::env::var_os("CARGO_TERM_COLOR").is_none() {
        command.env("CARGO_TERM_COLOR", "always");
    }
    process::run_keeping(command, keep)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Shows that the first failing step ends the run and is named.
    #[test]
    fn the_first_failure_ends_the_run() {
        fn fails(_: &Workspace, _: &TestOptions) -> Result<Outcome> {
            anyhow::bail!("broken")
        }
        fn must_not_run(_: &Workspace, _: &TestOptions) -> Result<Outcome> {
            unreachable!("a step after the failing one was run")
        }
        let steps = [
            Step { name: "first", is_long: false, run: |_, _| passed(Ok(())) },
            Step { name: "second", is_long: false, run: fails },
            Step { name: "third", is_long: false, run: must_not_run },
        ];
        let error =
            run_steps(&Workspace::find().unwrap(), &TestOptions { fast: true }, steps.iter())
                .unwrap_err();
        assert_eq!(format!("{error:#}"), "the check `second` failed: broken");
    }

    /// Shows that an optional step that is skipped does not fail the run.
    #[test]
    fn a_skipped_step_is_no_failure() {
        let steps =
            [Step { name: "a", is_long: false, run: |_, _| Ok(Outcome::Skipped("no tool")) }];
        run_steps(&Workspace::find().unwrap(), &TestOptions { fast: true }, steps.iter()).unwrap();
    }

    /// Shows that durations are told in seconds up to a minute and in minutes from there.
    #[test]
    fn durations_are_told_in_words() {
        assert_eq!(in_words(Duration::from_millis(1_240)), "1.2 s");
        assert_eq!(in_words(Duration::from_secs(723)), "12 min 03 s");
    }
}
