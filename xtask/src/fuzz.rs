//! `fuzz`: builds the readers with coverage, and feeds them with what a fuzzer makes up.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};

use crate::prerequisites::{self, Need};
use crate::process;
use crate::workspace::Workspace;

/// Where the inputs are that searches begin with: a folder for each reader.
const CORPUS: &str = "fuzz/corpus";
/// Where the fuzzer is built and keeps what it finds.
const BUILT: &str = "target/fuzz";
/// What makes a program tell a fuzzer which of its branches were taken.
const COVERAGE: &str = "--cfg fuzzing \
    -Cpasses=sancov-module \
    -Cllvm-args=-sanitizer-coverage-level=4 \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters \
    -Cllvm-args=-sanitizer-coverage-pc-table \
    -Cllvm-args=-sanitizer-coverage-trace-compares";
/// Longest input, in bytes.
const INPUT_BYTES_MAX: u32 = 65_536;
/// Longest time for one input, in seconds.
const INPUT_SECONDS_MAX: u32 = 10;
/// Most memory, in MiB.
const MEMORY_MIB_MAX: u32 = 1_024;
/// Largest single allocation, in MiB.
const ALLOCATION_MIB_MAX: u32 = 256;

/// Options of `cargo xtask fuzz`.
#[derive(Debug, clap::Args)]
pub(crate) struct FuzzOptions {
    /// Readers to feed, see fuzz/README.md; without any, each of them
    #[arg(value_name = "READER")]
    readers: Vec<String>,
    /// For how long each is fed
    #[arg(long, default_value_t = 1, value_name = "NUMBER")]
    #[arg(value_parser = clap::value_parser!(u32).range(1..))]
    minutes: u32,
}

/// Feeds readers, one after the other.
///
/// # Errors
/// When the fuzzer cannot be built, there is no reader of a name, or one failed: the input that it
/// failed on is named.
pub(crate) fn fuzz(workspace: &Workspace, options: &FuzzOptions) -> Result<()> {
    let all = readers(workspace.root())?;
    if let Some(unknown) = options.readers.iter().find(|name| !all.contains(name)) {
        bail!("there is no reader `{unknown}`; there are {}", all.join(", "));
    }
    let wanted = if options.readers.is_empty() { &all } else { &options.readers };
    let program = build(workspace)?;
    for name in wanted {
        println!("\n=== {name} ===");
        let mut command = search(workspace.root(), &program, name, options.minutes)?;
        process::run(&mut command).with_context(|| {
            format!("the reader `{name}` failed; the input is in {BUILT}/found/{name}")
        })?;
    }
    Ok(())
}

/// The names of the readers: each has a corpus, as a test makes sure.
fn readers(root: &Path) -> Result<Vec<String>> {
    let folders = fs::read_dir(root.join(CORPUS)).context("the corpora cannot be read")?;
    let mut names = Vec::new();
    for folder in folders {
        names.push(folder?.file_name().to_string_lossy().into_owned());
    }
    names.sort();
    Ok(names)
}

/// Builds the fuzzer. For a named target, so that programs which run while it is built are not
/// built with coverage.
fn build(workspace: &Workspace) -> Result<std::path::PathBuf> {
    prerequisites::ensure_present(&[Need::CCompiler, Need::CxxCompiler])?;
    let target = host()?;
    let built = workspace.root().join(BUILT);
    let mut command = workspace.cargo("build");
    command.args(["--release", "--manifest-path", "fuzz/Cargo.toml"]);
    command.args(["--target", &target]).arg("--target-dir").arg(&built);
    process::run(command.env("RUSTFLAGS", COVERAGE))?;
    Ok(built.join(target).join("release/clarity-fuzz"))
}

/// The target that the compiler builds for by itself.
fn host() -> Result<String> {
    let output = Command::new("rustc").arg("-vV").output().context("rustc does not answer")?;
    let text = String::from_utf8_lossy(&output.stdout);
    let host = text.lines().find_map(|line| line.strip_prefix("host: "));
    ensure!(host.is_some(), "rustc does not say what it builds for");
    Ok(host.unwrap_or_default().to_owned())
}

/// The call that feeds one reader: new inputs go into a folder of their own, what it began with
/// stays as it is.
fn search(root: &Path, program: &Path, name: &str, minutes: u32) -> Result<Command> {
    let folder = |kind: &str| {
        let folder = root.join(BUILT).join(kind).join(name);
        fs::create_dir_all(&folder)
            .with_context(|| format!("{} cannot be made", folder.display()))?;
        anyhow::Ok(folder)
    };
    let (made_up, found) = (folder("inputs")?, folder("found")?);
    let mut command = Command::new(program);
    command.env("CLARITY_FUZZ_TARGET", name).arg(made_up).arg(root.join(CORPUS).join(name));
    command.args([
        format!("-max_total_time={}", minutes * 60),
        format!("-max_len={INPUT_BYTES_MAX}"),
        format!("-timeout={INPUT_SECONDS_MAX}"),
        format!("-rss_limit_mb={MEMORY_MIB_MAX}"),
        format!("-malloc_limit_mb={ALLOCATION_MIB_MAX}"),
        format!("-artifact_prefix={}/", found.display()),
        "-print_final_stats=1".to_owned(),
    ]);
    Ok(command)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Shows that a search begins with the corpus, writes elsewhere, and is bounded in time and
    /// memory.
    #[test]
    fn a_search_is_bounded() {
        let root = tempfile_root();
        let command = search(&root, Path::new("fuzzer"), "hint", 3).unwrap();
        let words: Vec<_> =
            command.get_args().map(|word| word.to_string_lossy().into_owned()).collect();
        assert!(words[0].ends_with("target/fuzz/inputs/hint"), "{words:?}");
        assert!(words[1].ends_with("fuzz/corpus/hint"), "{words:?}");
        for bound in ["-max_total_time=180", "-rss_limit_mb=1024", "-malloc_limit_mb=256"] {
            assert!(words.contains(&bound.to_owned()), "{bound}: {words:?}");
        }
        fs::remove_dir_all(root).unwrap();
    }

    fn tempfile_root() -> std::path::PathBuf {
        std::env::temp_dir().join(format!("clarity-xtask-fuzz-{}", std::process::id()))
    }

    /// Shows that the readers are those with a corpus, in order.
    #[test]
    fn readers_are_those_with_a_corpus() {
        let names = readers(Workspace::find().unwrap().root()).unwrap();
        assert!(names.contains(&"backup".to_owned()) && names.is_sorted(), "{names:?}");
    }
}
