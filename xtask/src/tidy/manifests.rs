//! What every crate owes its reader: the workspace's lints, a description, and documentation.

use super::Finding;
use super::tree::Tree;

/// Finds crates that owe something.
pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for folder in tree.crate_folders() {
        let manifest = format!("{folder}/Cargo.toml");
        let text = tree.text(&manifest).unwrap_or_default();
        if !takes_workspace_lints(text) {
            let message = "does not take the workspace's lints (`[lints]` with `workspace = true`)";
            findings.push(Finding::whole(&manifest, message));
        }
        if !has_description(text) {
            findings.push(Finding::whole(&manifest, "has no description of the crate"));
        }
        for root in ["src/lib.rs", "src/main.rs"] {
            let path = format!("{folder}/{root}");
            if tree.text(&path).is_some_and(|text| !begins_with_documentation(text)) {
                findings.push(Finding::at(
                    &path,
                    1,
                    "does not begin with what the crate is (`//!`)",
                ));
            }
        }
    }
    findings
}

/// The lines of one table of a manifest, without comments.
fn table<'text>(manifest: &'text str, name: &str) -> Vec<&'text str> {
    let heading = format!("[{name}]");
    manifest
        .lines()
        .map(|line| line.split('#').next().unwrap_or_default().trim())
        .skip_while(|line| *line != heading)
        .skip(1)
        .take_while(|line| !line.starts_with('['))
        .collect()
}

/// The value of a key in these lines, as it is written.
fn value<'text>(lines: &[&'text str], key: &str) -> Option<&'text str> {
    lines.iter().find_map(|line| {
        let (name, value) = line.split_once('=')?;
        (name.trim() == key).then_some(value.trim())
    })
}

fn takes_workspace_lints(manifest: &str) -> bool {
    value(&table(manifest, "lints"), "workspace") == Some("true")
        || manifest.lines().any(|line| line.replace(' ', "") == "lints.workspace=true")
}

fn has_description(manifest: &str) -> bool {
    let description = value(&table(manifest, "package"), "description");
    description.is_some_and(|text| !text.trim_matches(['"', '\'', ' ']).is_empty())
}

fn begins_with_documentation(text: &str) -> bool {
    let line = text.lines().find(|line| !line.trim().is_empty()).unwrap_or_default();
    let sentence = line.strip_prefix("//!").unwrap_or_default();
    !sentence.trim().is_empty() || line.starts_with("#![doc")
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "[package]\nname = \"a\"\ndescription = \"What it is.\"\n\n\
                        [lints]\nworkspace = true\n\n[dependencies]\n";
    const DOCUMENTED: &str = "//! What it is.\n";

    fn found(manifest: &str, library: &str) -> Vec<String> {
        let files = [("crates/a/Cargo.toml", manifest), ("crates/a/src/lib.rs", library)];
        check(&Tree::of(&files)).iter().map(Finding::to_string).collect()
    }

    /// Shows that a crate that owes nothing is left alone.
    #[test]
    fn a_complete_crate_is_fine() {
        assert_eq!(found(GOOD, DOCUMENTED), Vec::<String>::new());
        assert_eq!(found(GOOD, "#![doc = include_str!(\"../README.md\")]\n").len(), 0);
    }

    /// Shows that missing lints are found, also where another table says `workspace = true`.
    #[test]
    fn missing_lints_are_found() {
        let manifest = GOOD.replace("[lints]", "[other]");
        assert!(found(&manifest, DOCUMENTED)[0].contains("lints"));
    }

    /// Shows that a missing and an empty description are found, and another table's is not taken.
    #[test]
    fn a_missing_description_is_found() {
        for manifest in [
            GOOD.replace("What it is.", ""),
            GOOD.replace("description", "comment"),
            GOOD.replace("description", "[package.metadata]\ndescription"),
        ] {
            assert!(found(&manifest, DOCUMENTED)[0].contains("description"), "{manifest}");
        }
    }

    /// Shows that a library without documentation is found.
    #[test]
    fn a_library_without_documentation_is_found() {
        for library in ["", "mod a;\n", "//!\nmod a;\n", "// What it is.\n"] {
            assert!(found(GOOD, library)[0].contains("does not begin"), "{library}");
        }
    }
}
