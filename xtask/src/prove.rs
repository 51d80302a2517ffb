//! `prove`: runs the tests that a clause of the promise, or a fault, names.

use std::collections::BTreeMap;
use std::fs;

use anyhow::{Context, Result, ensure};

use crate::checks::ENCRYPTING_CRATES;
use crate::process;
use crate::tidy::{FAULTS, PROMISE, tests_of_clause, tests_of_fault};
use crate::workspace::Workspace;

/// Options of `cargo xtask prove`.
#[derive(Debug, clap::Args)]
pub(crate) struct ProveOptions {
    /// A clause of docs/consistency.md such as I1, or a fault of docs/failure-modes.md such as F7
    name: String,
}

/// Runs the tests of a clause or of a fault.
///
/// # Errors
/// When there is none of this name, it names no test, a test fails, or a named one was not run.
pub(crate) fn prove(workspace: &Workspace, options: &ProveOptions) -> Result<()> {
    let name = options.name.to_uppercase();
    let (document, tests_of): (_, fn(&str, &str) -> Vec<String>) = match name.starts_with('F') {
        true => (FAULTS, tests_of_fault),
        false => (PROMISE, tests_of_clause),
    };
    let text = fs::read_to_string(workspace.root().join(document));
    let tests = tests_of(&text.with_context(|| format!("{document} cannot be read"))?, &name);
    ensure!(!tests.is_empty(), "{document} names no test for {name}");
    for (package, functions) in by_crate(&tests) {
        run(workspace, package, &functions)?;
    }
    Ok(())
}

/// The functions of each crate, of paths that begin with the crate and end with the function.
fn by_crate(tests: &[String]) -> BTreeMap<&str, Vec<&str>> {
    let mut crates: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for path in tests {
        if let (Some(package), Some(function)) = (path.split("::").next(), path.rsplit("::").next())
        {
            crates.entry(package).or_default().push(function);
        }
    }
    crates
}

fn run(workspace: &Workspace, package: &str, functions: &[&str]) -> Result<()> {
    let passed = |features: &[&str]| -> Result<usize> {
        let mut command = workspace.cargo("test");
        command.args(["--package", package, "--lib", "--bins", "--tests"]).args(features);
        command.arg("--").args(functions);
        let lines = process::run_keeping(&mut command, is_passed_test)?;
        Ok(functions.iter().filter(|name| lines.iter().any(|line| names(line, name))).count())
    };
    let mut count = passed(&[])?;
    // Some tests are there only where stores can be encrypted.
    if count < functions.len() && ENCRYPTING_CRATES.contains(&package) {
        count = passed(&["--features", "encryption"])?;
    }
    ensure!(count == functions.len(), "{package}: {count} of {} tests were run", functions.len());
    Ok(())
}

/// Whether a line tells of a test that has passed.
fn is_passed_test(line: &str) -> bool {
    line.starts_with("test ") && line.ends_with(" ... ok")
}

/// Whether such a line is about this function.
fn names(line: &str, function: &str) -> bool {
    let path = line.trim_start_matches("test ").trim_end_matches(" ... ok");
    path.rsplit("::").next() == Some(function)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Shows that each test is run in its crate, by its own name.
    #[test]
    fn tests_are_run_by_crate() {
        let tests = ["a::b::one", "c::two", "a::three"].map(str::to_owned);
        let crates = by_crate(&tests);
        assert_eq!(crates["a"], ["one", "three"]);
        assert_eq!(crates["c"], ["two"]);
        assert!(is_passed_test("test vfs::everywhere::pull ... ok"));
        assert!(!is_passed_test("test vfs::everywhere::pull ... FAILED"));
        assert!(names("test vfs::everywhere::pull ... ok", "pull"));
        assert!(!names("test vfs::everywhere::pull ... ok", "ull"));
    }
}
