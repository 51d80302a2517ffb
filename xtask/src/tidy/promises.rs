//! The consistency promise names its proofs, and the proofs exist.
//!
//! `docs/consistency.md` states the clauses I1 to I18 and L1 to L5. Each begins with its name in
//! bold, at the start of a list item, a heading, a table row or a paragraph:
//!
//! ```text
//! - **I3 at most once** One operation id … tests: `clarity-server::apply::a_repeat_is_answered`
//! ```
//!
//! and reaches to the next clause or heading. After `tests:` (or `test:`) come the tests, each in
//! backticks and written as a path that begins with the crate and ends with the function. A clause
//! whose code does not exist says `not yet built` instead (or `tests: later`).

use std::collections::BTreeMap;

use super::Finding;
use super::proofs::{Tests, paths};
use super::tree::Tree;

pub(crate) const PROMISE: &str = "docs/consistency.md";
const SAFETY_CLAUSES: usize = 18;
const LIVENESS_CLAUSES: usize = 5;
/// What a clause says that has no tests because it has no code.
const OPEN_MARKERS: [&str; 2] = ["not yet built", "tests: later"];

/// Finds clauses without a proof.
pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let Some(text) = tree.text(PROMISE) else {
        return vec![Finding::whole(PROMISE, "the consistency promise is missing")];
    };
    let clauses = clauses(text);
    let tests = Tests::of(tree);
    let mut findings = Vec::new();
    for name in clause_names() {
        match clauses.get(&name) {
            None => {
                let message = format!("the clause {name} is missing (`**{name} …**`)");
                findings.push(Finding::whole(PROMISE, message));
            }
            Some(clause) => {
                for problem in problems(clause, &tests) {
                    let message = format!("the clause {name} {problem}");
                    findings.push(Finding::at(PROMISE, clause.line, message));
                }
            }
        }
    }
    findings
}

fn clause_names() -> impl Iterator<Item = String> {
    let safety = (1..=SAFETY_CLAUSES).map(|number| format!("I{number}"));
    safety.chain((1..=LIVENESS_CLAUSES).map(|number| format!("L{number}")))
}

/// The words of a clause and the line where it begins.
#[derive(Debug)]
struct Clause {
    line: usize,
    text: String,
}

/// The clauses by their names. A name that begins twice is one clause with both texts.
fn clauses(text: &str) -> BTreeMap<String, Clause> {
    let mut clauses: BTreeMap<String, Clause> = BTreeMap::new();
    let mut current: Option<String> = None;
    for (index, line) in text.lines().enumerate() {
        if let Some(name) = clause_beginning(line) {
            clauses
                .entry(name.clone())
                .or_insert_with(|| Clause { line: index + 1, text: String::new() });
            current = Some(name);
        } else if line.starts_with('#') {
            current = None;
        }
        if let Some(clause) = current.as_ref().and_then(|name| clauses.get_mut(name)) {
            clause.text.push_str(line);
            clause.text.push('\n');
        }
    }
    clauses
}

/// The name of the clause that begins on this line.
fn clause_beginning(line: &str) -> Option<String> {
    let bold = line.trim_start_matches(['#', '-', '*', '|', ' ']);
    let is_bold = line[..line.len() - bold.len()].ends_with("**");
    let name = bold.split(|character: char| !character.is_ascii_alphanumeric()).next()?;
    (is_bold && clause_names().any(|known| known == name)).then(|| name.to_owned())
}

fn problems(clause: &Clause, tests: &Tests) -> Vec<String> {
    let named = named_tests(&clause.text);
    let words = clause.text.split_whitespace().collect::<Vec<_>>().join(" ").to_lowercase();
    let is_open = OPEN_MARKERS.iter().any(|marker| words.contains(marker));
    if named.is_empty() && !is_open {
        return vec!["names no test that proves it".to_owned()];
    }
    let missing = named.into_iter().filter(|path| !tests.has(path));
    missing.map(|path| format!("names the test `{path}`, which does not exist")).collect()
}

/// The tests that a clause names, in its order; none for a clause that is not there.
pub(crate) fn tests_of_clause(promise: &str, name: &str) -> Vec<String> {
    let clauses = clauses(promise);
    let clause = clauses.get(name).map(|clause| named_tests(&clause.text)).unwrap_or_default();
    clause.into_iter().map(str::to_owned).collect()
}

/// The paths in backticks after `test:` or `tests:`.
fn named_tests(clause: &str) -> Vec<&str> {
    let Some(start) = ["tests:", "test:", "Tests:", "Test:"]
        .iter()
        .filter_map(|marker| clause.find(marker))
        .min()
    else {
        return Vec::new();
    };
    paths(&clause[start..])
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A promise whose clauses all name the same existing test, with one clause put differently.
    fn promise(name: &str, instead: &str) -> String {
        clause_names()
            .map(|clause| {
                let text = format!("**{clause} a name** Words. tests: `clarity-server::it::holds`");
                format!("- {}\n", if clause == name { instead.to_owned() } else { text })
            })
            .collect()
    }

    fn found(promise: &str) -> Vec<String> {
        let tree = Tree::of(&[
            (PROMISE, promise),
            ("crates/clarity-server/Cargo.toml", ""),
            ("crates/clarity-store/Cargo.toml", ""),
            ("crates/clarity-server/tests/it/main.rs", "#[test] fn holds() {}\nfn helps() {}"),
        ]);
        check(&tree).iter().map(Finding::to_string).collect()
    }

    /// Shows that a promise whose clauses all name an existing test is fine in any layout.
    #[test]
    fn a_promise_with_its_tests_is_fine() {
        assert_eq!(found(&promise("", "")), Vec::<String>::new());
        for instead in [
            "**I3** Words\n  over lines.\n  Tests: `other::word`, `clarity_server::holds`",
            "**I3.** Words. test: `clarity-server::it::holds` (under `SIGKILL`)",
        ] {
            let found = found(&promise("I3", &instead.replace("`other::word`, ", "")));
            assert_eq!(found, Vec::<String>::new(), "{instead}");
        }
        let table = promise("", "").replace("- **", "| **");
        assert_eq!(found(&table), Vec::<String>::new());
    }

    /// Shows that a clause that is not in the promise is found, and the promise itself too.
    #[test]
    fn a_missing_clause_is_found() {
        assert!(found(&promise("L5", "nothing"))[0].contains("the clause L5 is missing"));
        assert!(check(&Tree::of(&[]))[0].message.contains("promise is missing"));
    }

    /// Shows that a clause without a test is found with its line.
    #[test]
    fn a_clause_without_a_test_is_found() {
        let found = found(&promise("I2", "**I2 together** Words with `code` and a later line."));
        assert_eq!(found, ["docs/consistency.md:2: the clause I2 names no test that proves it"]);
    }

    /// Shows that a named test must exist, be a test, and be in the crate that is named.
    #[test]
    fn a_named_test_must_exist() {
        for path in ["clarity-server::it::gone", "clarity-server::helps", "clarity-store::holds"] {
            let clause = format!("**I1 durable** tests: `clarity-server::holds`, `{path}`");
            let found = found(&promise("I1", &clause));
            assert_eq!(found.len(), 1, "{path}");
            assert!(found[0].contains(path), "{found:?}");
        }
    }

    /// Shows that a clause may be open if it says so.
    #[test]
    fn an_open_clause_says_so() {
        for words in ["Words; not yet\n  built.", "Words. tests: later"] {
            let found = found(&promise("I13", &format!("**I13 reset** {words}")));
            assert_eq!(found, Vec::<String>::new());
        }
    }
}
