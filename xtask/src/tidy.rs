//! The house rules, checked by a program instead of by memory.
//!
//! Each rule is a pure function from what was read to its findings, with tests of its own that feed
//! it a bad sample: an alarm that never rings proves nothing. The whole of it is also a test of
//! this crate, so that `cargo test` alone cannot miss a broken rule.
//!
//! - [`edges`]: a crate depends only on the layers below it.
//! - [`sizes`]: files, functions, lines and inline tests stay small enough to read.
//! - [`words`]: leftover markers, sleeping tests, clocks and randomness in the core, and so on.
//! - [`manifests`]: each crate takes the workspace's lints and says what it is.
//! - [`data_licences`]: copied data keeps the licence it came under beside it.
//! - [`promises`]: each clause of the consistency promise names a test that exists.
//! - [`proofs`]: so does each row of a document's table that says what shows it.

mod data_licences;
mod edges;
mod manifests;
mod promises;
mod proofs;
mod rust;
mod sizes;
mod tree;
mod words;

use std::fmt;

use anyhow::{Result, bail};

use crate::workspace::Workspace;
pub(crate) use promises::{PROMISE, tests_of_clause};
pub(crate) use proofs::{FAULTS, tests_of_fault};
use tree::Tree;

/// One broken rule at one place.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Finding {
    /// Relative to the top of the checkout.
    path: String,
    /// Counted from 1; none where the whole file is meant.
    line: Option<usize>,
    message: String,
}

impl Finding {
    fn at(path: &str, line: usize, message: impl Into<String>) -> Self {
        Self { path: path.to_owned(), line: Some(line), message: message.into() }
    }

    fn whole(path: &str, message: impl Into<String>) -> Self {
        Self { path: path.to_owned(), line: None, message: message.into() }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            Some(line) => write!(formatter, "{}:{line}: {}", self.path, self.message),
            None => write!(formatter, "{}: {}", self.path, self.message),
        }
    }
}

/// Checks the checkout and prints what breaks a rule.
///
/// # Errors
/// When the checkout cannot be read, or any rule is broken.
pub(crate) fn run(workspace: &Workspace) -> Result<()> {
    let findings = check(workspace)?;
    if findings.is_empty() {
        println!("tidy: every rule holds");
        return Ok(());
    }
    for finding in &findings {
        println!("{finding}");
    }
    match findings.len() {
        1 => bail!("one place breaks a house rule; it is listed above"),
        count => bail!("{count} places break a house rule; they are listed above"),
    }
}

/// Everything that breaks a rule, in the order of the files.
fn check(workspace: &Workspace) -> Result<Vec<Finding>> {
    let tree = Tree::load(workspace.root())?;
    let mut findings = edges::check(&workspace.metadata()?);
    findings.extend(tree.unreadable());
    findings.extend(sizes::check(&tree));
    findings.extend(words::check(&tree));
    findings.extend(manifests::check(&tree));
    findings.extend(data_licences::check(&tree));
    findings.extend(promises::check(&tree));
    findings.extend(proofs::check(&tree));
    findings.sort();
    findings.dedup();
    Ok(findings)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Shows that the checkout keeps every house rule.
    #[test]
    fn the_checkout_keeps_the_house_rules() {
        let findings = check(&Workspace::find().unwrap()).unwrap();
        let lines: Vec<String> = findings.iter().map(Finding::to_string).collect();
        assert!(findings.is_empty(), "\n{}", lines.join("\n"));
    }

    /// Shows that a finding reads like a compiler's message, so that editors can jump to it.
    #[test]
    fn a_finding_names_its_place_first() {
        assert_eq!(Finding::at("a/b.rs", 7, "too long").to_string(), "a/b.rs:7: too long");
        assert_eq!(Finding::whole("Cargo.toml", "odd").to_string(), "Cargo.toml: odd");
    }
}
