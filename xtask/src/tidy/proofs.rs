//! Tables that say what shows each of their rows, and the tests that they name.
//!
//! In a document, a table whose last column is headed `test` has a test that exists in each row,
//! in backticks, written as a path that begins with the crate and ends with the function, and no
//! empty cell.

use std::collections::{BTreeMap, BTreeSet};

use super::Finding;
use super::tree::Tree;

/// Where documents are.
const DOCUMENTS: &str = "docs/";

/// Tells of each fault what happens then.
pub(crate) const FAULTS: &str = "docs/failure-modes.md";
/// How many faults there are: F1, F2 and so on.
const FAULTS_MAX: usize = 37;

/// Finds rows without a proof.
pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let tests = Tests::of(tree);
    let documents = tree
        .files
        .iter()
        .filter(|file| file.path.starts_with(DOCUMENTS) && file.path.ends_with(".md"));
    let mut findings = Vec::new();
    for file in documents {
        for (line, row) in rows(&file.text) {
            let problems = problems(&row, &tests);
            findings.extend(problems.into_iter().map(|words| Finding::at(&file.path, line, words)));
        }
    }
    if let Some(text) = tree.text(FAULTS) {
        let missing = (1..=FAULTS_MAX).filter(|number| !text.contains(&row_of(*number)));
        let words = |number| format!("the fault F{number} has no row (`{}`)", row_of(number));
        findings.extend(missing.map(|number| Finding::whole(FAULTS, words(number))));
    }
    findings
}

/// How the row of a fault begins.
fn row_of(fault: usize) -> String {
    format!("| **F{fault}** ")
}

/// The tests that the row of a fault names, in its order; none for one without a row.
pub(crate) fn tests_of_fault(faults: &str, name: &str) -> Vec<String> {
    let beginning = format!("**{name}** ");
    let all = rows(faults).into_iter().map(|(_, row)| row);
    let mut wanted = all.filter(|row| row.first().is_some_and(|cell| cell.starts_with(&beginning)));
    let row = wanted.next().unwrap_or_default();
    row.last().map(|cell| paths(cell).into_iter().map(str::to_owned).collect()).unwrap_or_default()
}

/// The rows of the tables that name tests, each with its line.
fn rows(text: &str) -> Vec<(usize, Vec<String>)> {
    let mut rows = Vec::new();
    let mut columns = None;
    for (index, line) in text.lines().enumerate() {
        let Some(cells) = cells(line) else {
            columns = None;
            continue;
        };
        match columns {
            None => {
                let names_tests = cells.last().is_some_and(|last| last == "test");
                columns = Some((names_tests, cells.len()));
            }
            Some((true, width)) if !is_ruler(&cells) => {
                let mut cells = cells;
                cells.resize(width, String::new());
                rows.push((index + 1, cells));
            }
            Some(_) => {}
        }
    }
    rows
}

/// The cells of a table's line. A bar in backticks or behind a backslash is no border.
fn cells(line: &str) -> Option<Vec<String>> {
    let inside = line.trim().strip_prefix('|')?.strip_suffix('|')?;
    let (mut cells, mut cell, mut in_code, mut escaped) = (Vec::new(), String::new(), false, false);
    for character in inside.chars() {
        in_code ^= character == '`';
        if character == '|' && !in_code && !escaped {
            cells.push(cell.trim().to_owned());
            cell.clear();
        } else {
            cell.push(character);
        }
        escaped = character == '\\';
    }
    cells.push(cell.trim().to_owned());
    Some(cells)
}

/// Whether this is the line between a table's head and its body.
fn is_ruler(cells: &[String]) -> bool {
    cells.iter().all(|cell| cell.chars().all(|character| "-:".contains(character)))
}

fn problems(row: &[String], tests: &Tests<'_>) -> Vec<String> {
    let named = row.last().map(|cell| paths(cell)).unwrap_or_default();
    let mut problems = Vec::new();
    if row.iter().any(String::is_empty) {
        problems.push("the row has an empty cell".to_owned());
    }
    if named.is_empty() {
        problems.push("the row names no test that shows it".to_owned());
    }
    let missing = named.into_iter().filter(|path| !tests.has(path));
    problems.extend(missing.map(|path| format!("the test `{path}` does not exist")));
    problems
}

/// The paths of tests in a text: what is in backticks and looks like one.
pub(super) fn paths(text: &str) -> Vec<&str> {
    // Between backticks is every second piece.
    let pieces = text.split('`').skip(1).step_by(2);
    pieces.filter(|piece| is_path(piece)).collect()
}

fn is_path(text: &str) -> bool {
    let is_word = |character: char| character.is_ascii_alphanumeric() || "_-:".contains(character);
    text.contains("::") && text.chars().all(is_word)
}

/// The tests of the checkout: the name of each with the crates that have it.
#[derive(Debug)]
pub(super) struct Tests<'tree> {
    crates_by_name: BTreeMap<&'tree str, BTreeSet<&'tree str>>,
    crates: BTreeSet<&'tree str>,
}

impl<'tree> Tests<'tree> {
    pub(super) fn of(tree: &'tree Tree) -> Self {
        let mut crates_by_name: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
        for file in &tree.files {
            let (Some(rust), Some(folder)) = (&file.rust, file.crate_folder()) else {
                continue;
            };
            for function in rust.functions.iter().filter(|function| function.is_test) {
                crates_by_name.entry(&function.name).or_default().insert(crate_name(folder));
            }
        }
        Self { crates_by_name, crates: tree.crate_folders().into_iter().map(crate_name).collect() }
    }

    /// Whether a test of this name exists; in that crate, if the path begins with one.
    pub(super) fn has(&self, path: &str) -> bool {
        let name = path.rsplit("::").next().unwrap_or_default();
        let Some(crates) = self.crates_by_name.get(name) else {
            return false;
        };
        let first = path.split("::").next().unwrap_or_default().replace('_', "-");
        !self.crates.contains(first.as_str()) || crates.contains(first.as_str())
    }
}

/// The name of the crate in this folder; ours are named like their folders.
fn crate_name(folder: &str) -> &str {
    folder.rsplit('/').next().unwrap_or(folder)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(table: &str) -> Vec<String> {
        let tree = Tree::of(&[
            ("docs/rows.md", table),
            ("crates/clarity-server/Cargo.toml", ""),
            ("crates/clarity-server/tests/it/main.rs", "#[test] fn holds() {}"),
        ]);
        check(&tree).iter().map(Finding::to_string).collect()
    }

    /// Shows that a filled row with a test that exists is fine, and that other tables are free.
    #[test]
    fn filled_rows_are_fine() {
        let table = "| part | test |\n|---|---|\n| a `x | y` | `clarity-server::it::holds` |\n";
        assert_eq!(found(table), Vec::<String>::new());
        assert_eq!(found("| part | note |\n|---|---|\n| a | |\n"), Vec::<String>::new());
    }

    /// Shows that a fault without a row is found, and which tests a row names.
    #[test]
    fn every_fault_has_a_row() {
        let row = |number| format!("| **F{number}** words | `clarity-server::it::holds` |\n");
        let rows = |left_out| (1..=FAULTS_MAX).filter(move |number| *number != left_out).map(row);
        let text =
            |left_out| format!("| fault | test |\n|--|--|\n{}", rows(left_out).collect::<String>());
        let found = |text: &str| {
            check(&Tree::of(&[
                (FAULTS, text),
                ("crates/clarity-server/Cargo.toml", ""),
                ("crates/clarity-server/tests/it/main.rs", "#[test] fn holds() {}"),
            ]))
            .len()
        };
        assert_eq!((found(&text(0)), found(&text(9))), (0, 1));
        assert_eq!(tests_of_fault(&text(0), "F3"), ["clarity-server::it::holds"]);
        assert!(tests_of_fault(&text(3), "F3").is_empty());
    }

    /// Shows that an empty cell, a row without a test and a test that is gone are found.
    #[test]
    fn a_row_without_proof_is_found() {
        for (row, problem) in [
            ("| | `clarity-server::holds` |", "an empty cell"),
            ("| a | by hand |", "names no test"),
            ("| a |", "names no test"),
            ("| a | `clarity-server::gone` |", "`clarity-server::gone` does not exist"),
        ] {
            let found = found(&format!("| part | test |\n|:--|--:|\n{row}\n"));
            assert!(found.iter().any(|line| line.contains(problem)), "{row}: {found:?}");
            assert!(found[0].starts_with("docs/rows.md:3:"), "{found:?}");
        }
    }
}
