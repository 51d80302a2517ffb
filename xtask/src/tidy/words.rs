//! Words that must not be in the checkout, or not in a part of it.
//!
//! Rules about code look at tokens, so that a comment may explain why a thing is not used. Rules
//! about texts look at every line of every file that a person wrote. The words are put together
//! from pieces here, so that this file does not find itself.

use super::Finding;
use super::rust::RustFile;
use super::tree::{SourceFile, Tree};

/// Crates whose result may depend on nothing but their input.
const DETERMINISTIC: [&str; 4] = [
    "crates/clarity-model",
    "crates/clarity-protocol",
    "crates/clarity-store",
    "crates/clarity-engine",
];
/// Crates in which no order may come from hashing.
const ORDERED: [&str; 3] =
    ["crates/clarity-model", "crates/clarity-protocol", "crates/clarity-engine"];

/// Where a rule about code applies.
#[derive(Debug, Clone, Copy)]
enum Scope {
    Everywhere,
    Crates(&'static [&'static str]),
    TestCode,
}

/// A sequence of tokens that must not appear.
#[derive(Debug)]
struct Code {
    tokens: &'static [&'static str],
    scope: Scope,
    advice: &'static str,
}

const CLOCK_ADVICE: &str = "time is passed in; this crate looks at no clock";
const RANDOM_ADVICE: &str = "randomness comes from a seed that is passed in, or from the system's \
                             source at the edge, so that a run can be repeated";
const HASH_ADVICE: &str = "its order differs from run to run; use the BTree kind";
const SLEEP_ADVICE: &str = "a test that sleeps is slow or wrong; wait for what is meant";
const UNFINISHED_ADVICE: &str = "finish it, or leave it out";

const CODE: [Code; 12] = [
    Code { tokens: &["todo", "!"], scope: Scope::Everywhere, advice: UNFINISHED_ADVICE },
    Code { tokens: &["unimplemented", "!"], scope: Scope::Everywhere, advice: UNFINISHED_ADVICE },
    Code { tokens: &["thread_rng"], scope: Scope::Everywhere, advice: RANDOM_ADVICE },
    Code { tokens: &["rand", ":", ":", "rng"], scope: Scope::Everywhere, advice: RANDOM_ADVICE },
    Code { tokens: &["rand", ":", ":", "random"], scope: Scope::Everywhere, advice: RANDOM_ADVICE },
    Code { tokens: &["thread", ":", ":", "sleep"], scope: Scope::TestCode, advice: SLEEP_ADVICE },
    Code { tokens: &["time", ":", ":", "sleep"], scope: Scope::TestCode, advice: SLEEP_ADVICE },
    Code {
        tokens: &["SystemTime", ":", ":", "now"],
        scope: Scope::Crates(&DETERMINISTIC),
        advice: CLOCK_ADVICE,
    },
    Code {
        tokens: &["Instant", ":", ":", "now"],
        scope: Scope::Crates(&DETERMINISTIC),
        advice: CLOCK_ADVICE,
    },
    Code { tokens: &["tokio"], scope: Scope::Crates(&DETERMINISTIC), advice: "no runtime in here" },
    Code { tokens: &["HashMap"], scope: Scope::Crates(&ORDERED), advice: HASH_ADVICE },
    Code { tokens: &["HashSet"], scope: Scope::Crates(&ORDERED), advice: HASH_ADVICE },
];

/// What a text must not contain.
#[derive(Debug)]
struct Text {
    word: &'static str,
    place: Place,
    advice: &'static str,
}

/// What must stand around a word for it to be meant.
#[derive(Debug, Clone, Copy)]
enum Place {
    /// A word of its own.
    Word,
    /// The beginning of a path.
    PathStart,
    /// Anywhere.
    Anywhere,
}

const PATH_ADVICE: &str = "a path of one machine; nobody else has it";
const HOST_ADVICE: &str = "registries are chosen by the configuration of the machine";

const TEXT: [Text; 12] = [
    Text { word: concat!("TO", "DO"), place: Place::Word, advice: UNFINISHED_ADVICE },
    Text { word: concat!("FIX", "ME"), place: Place::Word, advice: UNFINISHED_ADVICE },
    Text { word: concat!("X", "XX"), place: Place::Word, advice: UNFINISHED_ADVICE },
    Text { word: concat!("/ho", "me/"), place: Place::PathStart, advice: PATH_ADVICE },
    Text { word: concat!("/Us", "ers/"), place: Place::PathStart, advice: PATH_ADVICE },
    Text { word: concat!("/ro", "ot/"), place: Place::PathStart, advice: PATH_ADVICE },
    Text { word: concat!("/wo", "rk/"), place: Place::PathStart, advice: PATH_ADVICE },
    Text { word: concat!("C:\\", "Users"), place: Place::Anywhere, advice: PATH_ADVICE },
    Text { word: concat!("crates", ".io"), place: Place::Anywhere, advice: HOST_ADVICE },
    Text { word: concat!("npm", "js.org"), place: Place::Anywhere, advice: HOST_ADVICE },
    Text { word: concat!("npm", "js.com"), place: Place::Anywhere, advice: HOST_ADVICE },
    Text { word: concat!("py", "pi.org"), place: Place::Anywhere, advice: HOST_ADVICE },
];

/// Finds forbidden words.
pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in &tree.files {
        findings.extend(check_text(file));
        if let Some(rust) = &file.rust {
            findings.extend(check_code(file, rust));
        }
    }
    findings
}

fn check_text(file: &SourceFile) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (index, line) in file.text.lines().enumerate() {
        for rule in TEXT.iter().filter(|rule| is_in(rule, line)) {
            let message = format!("`{}`: {}", rule.word, rule.advice);
            findings.push(Finding::at(&file.path, index + 1, message));
        }
    }
    findings
}

fn is_in(rule: &Text, line: &str) -> bool {
    line.match_indices(rule.word).any(|(start, word)| {
        let before = line[..start].chars().next_back();
        let after = line[start + word.len()..].chars().next();
        let touches = |character: Option<char>| {
            character.is_some_and(|character| character.is_alphanumeric() || character == '_')
        };
        match rule.place {
            Place::Anywhere => true,
            Place::Word => !touches(before) && !touches(after),
            // Inside a longer path or an address the folder goes on from something.
            Place::PathStart => {
                !touches(before) && !before.is_some_and(|before| "./-}>*~$".contains(before))
            }
        }
    })
}

fn check_code(file: &SourceFile, rust: &RustFile) -> Vec<Finding> {
    let mut findings: Vec<Finding> = rust
        .ignored_tests
        .iter()
        .map(|line| Finding::at(&file.path, *line, "a test that is switched off proves nothing"))
        .collect();
    for rule in &CODE {
        let windows = rust.tokens.windows(rule.tokens.len());
        let matching = windows.filter(|tokens| {
            tokens.iter().map(|token| token.text.as_str()).eq(rule.tokens.iter().copied())
        });
        for line in matching.map(|tokens| tokens[0].line) {
            if applies(rule.scope, file, rust, line) {
                let message = format!("`{}`: {}", rule.tokens.concat(), rule.advice);
                findings.push(Finding::at(&file.path, line, message));
            }
        }
    }
    findings
}

fn applies(scope: Scope, file: &SourceFile, rust: &RustFile, line: usize) -> bool {
    match scope {
        Scope::Everywhere => true,
        Scope::Crates(folders) => {
            file.crate_folder().is_some_and(|folder| folders.contains(&folder))
        }
        Scope::TestCode => {
            file.is_test_file() || rust.test_modules.iter().any(|module| module.contains(line))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(path: &str, text: &str) -> Vec<String> {
        check(&Tree::of(&[(path, text)])).iter().map(Finding::to_string).collect()
    }

    fn is_found(path: &str, text: &str) -> bool {
        !found(path, text).is_empty()
    }

    const ENGINE: &str = "crates/clarity-engine/src/lanes.rs";
    const SERVER: &str = "crates/clarity-server/src/lib.rs";

    /// Shows that every rule about texts finds its own word, in a document and in a comment.
    #[test]
    fn every_text_rule_rings() {
        for rule in &TEXT {
            assert!(is_found("docs/a.md", &format!("see `{}`", rule.word)), "{}", rule.word);
            assert!(is_found(SERVER, &format!("// {} x", rule.word)), "{}", rule.word);
        }
    }

    /// Shows that every rule about code finds its own tokens where it applies.
    #[test]
    fn every_code_rule_rings() {
        for rule in &CODE {
            let code = format!("fn a() {{ {}(); }}", rule.tokens.concat());
            let path = match rule.scope {
                Scope::Everywhere => SERVER.to_owned(),
                Scope::Crates(folders) => format!("{}/src/a.rs", folders[0]),
                Scope::TestCode => "crates/clarity-server/tests/it/main.rs".to_owned(),
            };
            assert!(is_found(&path, &code), "{code} in {path}");
        }
    }

    /// Shows that the place of a finding is its line.
    #[test]
    fn a_finding_has_its_line() {
        let found = found(ENGINE, "\n\nuse std::collections::HashMap;\n");
        assert_eq!(found.len(), 1);
        assert!(found[0].starts_with("crates/clarity-engine/src/lanes.rs:3: `HashMap`"));
    }

    /// Shows that sleeping is found in inline tests, and allowed in the program around them.
    #[test]
    fn sleeping_is_found_in_tests_only() {
        let sleep = "fn a() { std::thread::sleep(b); }";
        assert!(!is_found(SERVER, sleep));
        assert!(is_found(SERVER, &format!("#[cfg(test)] mod tests {{ {sleep} }}")));
        assert!(is_found("crates/clarity-server/src/http/tests.rs", "use tokio::time::sleep;"));
    }

    /// Shows that a test that is switched off is found.
    #[test]
    fn a_test_switched_off_is_found() {
        let test = |attribute: &str| format!("#[test] #[{attribute}] fn a() {{}}");
        assert!(is_found(SERVER, &test("ignore")));
        assert!(is_found(SERVER, &test("ignore = \"slow\"")));
        assert!(!is_found(SERVER, &test("should_panic")));
    }

    /// Shows that clocks and hashing are free outside the core, and may be named in its comments.
    #[test]
    fn rules_of_the_core_end_at_its_border() {
        let clock = "fn a() { std::time::Instant::now(); }";
        assert!(is_found(ENGINE, clock));
        assert!(is_found("crates/clarity-store/src/lib.rs", clock));
        assert!(!is_found(SERVER, clock));
        assert!(!is_found(ENGINE, "// No HashMap in here."));
    }

    /// Shows that paths are found where they begin, and not inside other paths.
    #[test]
    fn only_absolute_paths_are_found() {
        let home = concat!("/ho", "me/");
        assert!(is_found("docs/a.md", &format!("run {home}anna/clarity")));
        assert!(!is_found("docs/a.md", &format!("open https://example.org{home}page")));
        assert!(!is_found("docs/a.md", &format!("see src{home}page.ts")));
    }
}
