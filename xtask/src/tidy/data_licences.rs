//! Data that was copied from elsewhere keeps the licence it came under beside it.

use std::collections::BTreeSet;

use super::Finding;
use super::tree::Tree;

/// The licence texts of the project itself.
const OWN_LICENCES: [&str; 2] = ["LICENSE-APACHE", "LICENSE-MIT"];

/// Finds folders of copied data without a licence: each `crates/*/data/*/` must hold one.
pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for name in OWN_LICENCES {
        if !tree.paths.iter().any(|path| path == name) {
            findings.push(Finding::whole(name, "the licence text of the project is missing"));
        }
    }
    let folders: BTreeSet<String> =
        tree.paths.iter().filter_map(|path| data_folder(path)).collect();
    for folder in folders {
        let has_licence = tree.paths.iter().any(|path| {
            let name = path.strip_prefix(&folder).unwrap_or_default();
            name.starts_with("LICENSE") && !name.contains('/')
        });
        if !has_licence {
            let message = "copied data needs the licence it came under: a file LICENSE beside it";
            findings.push(Finding::whole(&folder, message));
        }
    }
    findings
}

/// The folder of copied data that this file is in, with a slash at its end.
fn data_folder(path: &str) -> Option<String> {
    let mut parts = path.split('/');
    let (crates, name, data) = (parts.next()?, parts.next()?, parts.next()?);
    let folder = parts.next()?;
    // A file right in `data` is in no folder of its own.
    parts.next()?;
    let is_data = crates == "crates" && data == "data";
    is_data.then(|| format!("{crates}/{name}/{data}/{folder}/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(paths: &[&str]) -> Vec<String> {
        let files: Vec<_> = OWN_LICENCES.iter().chain(paths).map(|path| (*path, "")).collect();
        check(&Tree::of(&files)).iter().map(Finding::to_string).collect()
    }

    /// Shows that data with its licence beside it is fine, at any depth.
    #[test]
    fn data_with_its_licence_is_fine() {
        assert!(
            found(&[
                "crates/clarity-cli/data/README.md",
                "crates/clarity-cli/data/export/LICENSE",
                "crates/clarity-cli/data/export/routes/one.gpx",
            ])
            .is_empty()
        );
    }

    /// Shows that data without a licence is found, also if a neighbour or a deeper folder has one.
    #[test]
    fn data_without_a_licence_is_found() {
        let found = found(&[
            "crates/clarity-cli/data/one/LICENSE",
            "crates/clarity-cli/data/two/export.xml",
            "crates/clarity-cli/data/two/deeper/LICENSE",
        ]);
        assert_eq!(found.len(), 1);
        assert!(found[0].starts_with("crates/clarity-cli/data/two/: copied data"), "{found:?}");
    }

    /// Shows that the project's own licences must be there.
    #[test]
    fn missing_licences_of_the_project_are_found() {
        assert_eq!(check(&Tree::of(&[])).len(), 2);
    }
}
