//! The files of the checkout, read once for all rules.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

use super::Finding;
use super::rust::RustFile;

/// Folders that hold no source of ours, wherever they are.
const SKIPPED_FOLDERS: [&str; 4] = [".git", "node_modules", "dist", "__pycache__"];
/// Hidden folders that do hold source of ours.
const HIDDEN_FOLDERS: [&str; 4] = [".cargo", ".ci", ".config", ".github"];
/// Endings of files that people write by hand.
const TEXT_ENDINGS: [&str; 14] = [
    "css", "html", "js", "json", "kt", "md", "py", "rs", "sh", "sql", "swift", "toml", "ts", "yml",
];
/// Folders whose files are data that came from elsewhere or from a program.
const DATA_FOLDERS: [&str; 4] = ["data", "fixtures", "snapshots", "corpus"];

/// A text that somebody wrote.
#[derive(Debug)]
pub(super) struct SourceFile {
    /// Relative to the top of the checkout, with forward slashes.
    pub(super) path: String,
    pub(super) text: String,
    /// The parts of a Rust file, if it is one and can be read as one.
    pub(super) rust: Option<RustFile>,
    /// Why a Rust file cannot be read as one.
    problem: Option<String>,
}

impl SourceFile {
    /// A file with this content; a Rust file that cannot be read as one has no parts.
    pub(super) fn new(path: &str, text: &str) -> Self {
        let (rust, problem) = match path.ends_with(".rs").then(|| RustFile::read(text)) {
            Some(Ok(rust)) => (Some(rust), None),
            Some(Err(error)) => (None, Some(error.to_string())),
            None => (None, None),
        };
        Self { path: path.to_owned(), text: text.to_owned(), rust, problem }
    }

    /// Whether all of this file is test code by its place.
    pub(super) fn is_test_file(&self) -> bool {
        let mut parts = self.path.rsplit('/');
        let name = parts.next().unwrap_or_default();
        name == "tests.rs" || name.ends_with("_tests.rs") || parts.any(|folder| folder == "tests")
    }

    /// The folder of the crate that this file belongs to, such as `crates/clarity-model`.
    pub(super) fn crate_folder(&self) -> Option<&str> {
        if let Some(rest) = self.path.strip_prefix("crates/") {
            let length = rest.find('/')?;
            return Some(&self.path[.."crates/".len() + length]);
        }
        self.path.starts_with("xtask/").then_some("xtask")
    }
}

/// Everything that the rules look at.
#[derive(Debug, Default)]
pub(super) struct Tree {
    /// The texts, in the order of their paths.
    pub(super) files: Vec<SourceFile>,
    /// The paths of all files, data included, in order.
    pub(super) paths: Vec<String>,
}

impl Tree {
    /// Reads the checkout. What Cargo built, what git keeps, and links are not followed.
    ///
    /// # Errors
    /// When a folder or file cannot be read.
    pub(super) fn load(root: &Path) -> Result<Self> {
        let mut tree = Self::default();
        tree.load_folder(root, "")?;
        tree.paths.sort();
        tree.files.sort_by(|left, right| left.path.cmp(&right.path));
        Ok(tree)
    }

    fn load_folder(&mut self, folder: &Path, prefix: &str) -> Result<()> {
        let cannot = || format!("the folder {} cannot be read", folder.display());
        for entry in fs::read_dir(folder).with_context(cannot)? {
            let entry = entry.with_context(cannot)?;
            let name = entry.file_name().to_string_lossy().into_owned();
            let path = format!("{prefix}{name}");
            let kind = entry.file_type().with_context(cannot)?;
            if kind.is_dir() {
                if is_source_folder(&name, prefix) {
                    self.load_folder(&entry.path(), &format!("{path}/"))?;
                }
            } else if kind.is_file() {
                if is_text(&path) {
                    self.load_file(&entry.path(), &path)?;
                }
                self.paths.push(path);
            }
        }
        Ok(())
    }

    fn load_file(&mut self, file: &Path, path: &str) -> Result<()> {
        let bytes = match fs::read(file) {
            Ok(bytes) => bytes,
            // Somebody's editor took a temporary file away between the listing and the reading.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(error).with_context(|| format!("{path} cannot be read")),
        };
        self.files.push(SourceFile::new(path, &String::from_utf8_lossy(&bytes)));
        Ok(())
    }

    /// Rust files that the rules could not look into.
    pub(super) fn unreadable(&self) -> Vec<Finding> {
        self.files
            .iter()
            .filter_map(|file| {
                let problem = file.problem.as_ref()?;
                Some(Finding::whole(&file.path, format!("cannot be read as Rust: {problem}")))
            })
            .collect()
    }

    /// The text of one file.
    pub(super) fn text(&self, path: &str) -> Option<&str> {
        self.files.iter().find(|file| file.path == path).map(|file| file.text.as_str())
    }

    /// The folders of all crates, in order.
    pub(super) fn crate_folders(&self) -> Vec<&str> {
        self.files
            .iter()
            .filter(|file| file.path.ends_with("/Cargo.toml"))
            .filter_map(|file| {
                let folder = file.crate_folder()?;
                (file.path.len() == folder.len() + "/Cargo.toml".len()).then_some(folder)
            })
            .collect()
    }

    /// A tree of these files, for the tests of the rules.
    #[cfg(test)]
    pub(super) fn of(files: &[(&str, &str)]) -> Self {
        Self {
            files: files.iter().map(|(path, text)| SourceFile::new(path, text)).collect(),
            paths: files.iter().map(|(path, _)| (*path).to_owned()).collect(),
        }
    }
}

fn is_source_folder(name: &str, prefix: &str) -> bool {
    if name.starts_with('.') {
        return HIDDEN_FOLDERS.contains(&name);
    }
    // `target` and its variants are Cargo's only at the top; elsewhere the word is free to use.
    let is_build_output = prefix.is_empty() && name.starts_with("target");
    !is_build_output && !SKIPPED_FOLDERS.contains(&name)
}

fn is_text(path: &str) -> bool {
    let in_data = path.split('/').rev().skip(1).any(|folder| DATA_FOLDERS.contains(&folder));
    let ending = path.rsplit('/').next().and_then(|name| name.rsplit_once('.'));
    let is_written = ending.is_some_and(|(_, ending)| TEXT_ENDINGS.contains(&ending));
    // Lock files are written by programs and must name the registries.
    let is_lock = path.ends_with("package-lock.json");
    (is_written && !in_data && !is_lock) || path.starts_with(".ci/")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Shows which folders are ours.
    #[test]
    fn build_output_and_hidden_folders_are_left_out() {
        assert!(is_source_folder("crates", ""));
        assert!(is_source_folder(".ci", ""));
        assert!(is_source_folder("target", "crates/clarity-sim/src/"));
        assert!(!is_source_folder("target", ""));
        assert!(!is_source_folder("target-two", ""));
        assert!(!is_source_folder(".git", ""));
        assert!(!is_source_folder("node_modules", "apps/pulse/"));
    }

    /// Shows which files are texts of ours: data and lock files are not, Rust named `data` is.
    #[test]
    fn data_and_lock_files_are_not_read() {
        assert!(is_text("crates/clarity-model/src/lib.rs"));
        assert!(is_text("crates/clarity-model/src/data.rs"));
        assert!(is_text(".ci/run"));
        assert!(!is_text("crates/clarity-cli/data/export/README.md"));
        assert!(!is_text("Cargo.lock"));
        assert!(!is_text("packages/sync/package-lock.json"));
    }

    /// Shows that test files are known by their place.
    #[test]
    fn test_files_are_known_by_their_place() {
        let is_test = |path| SourceFile::new(path, "").is_test_file();
        assert!(is_test("crates/a/tests/it/main.rs"));
        assert!(is_test("crates/a/src/merge/tests.rs"));
        assert!(!is_test("crates/a/src/merge.rs"));
    }

    /// Shows that a file that is not made of Rust tokens is told, and does not hide from the rules.
    #[test]
    fn a_broken_file_is_told() {
        let tree = Tree::of(&[("xtask/src/a.rs", "fn a( {"), ("xtask/src/b.rs", "fn b() {}")]);
        let findings: Vec<_> = tree.unreadable().into_iter().map(|finding| finding.path).collect();
        assert_eq!(findings, ["xtask/src/a.rs"]);
    }

    /// Shows that the crates of a tree are found, and nested manifests are not taken for them.
    #[test]
    fn crates_are_found_by_their_manifests() {
        let tree = Tree::of(&[
            ("Cargo.toml", ""),
            ("crates/a/Cargo.toml", ""),
            ("crates/a/fuzz/Cargo.toml", ""),
            ("xtask/Cargo.toml", ""),
        ]);
        assert_eq!(tree.crate_folders(), ["crates/a", "xtask"]);
    }
}
