//! Where the project is on this machine, and how its own Cargo is called.

use std::env;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};
use serde_json::Value;

/// The checkout that this program was started from.
#[derive(Debug, Clone)]
pub(crate) struct Workspace {
    root: PathBuf,
}

impl Workspace {
    /// Finds the checkout: the parent of this crate's folder, as told by `cargo run`, or as it was
    /// when this program was built.
    pub(crate) fn find() -> Result<Self> {
        let manifest_folder = env::var_os("CARGO_MANIFEST_DIR")
            .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")), PathBuf::from);
        let root = manifest_folder
            .parent()
            .map(Path::to_path_buf)
            .context("the folder of xtask has no parent")?;
        ensure!(
            root.join("xtask").join("Cargo.toml").is_file(),
            "{} is not a checkout of this project; run `cargo xtask` inside one",
            root.display()
        );
        Ok(Self { root })
    }

    /// The top folder of the checkout.
    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// A call of Cargo, with the top folder as its working directory and no standard input.
    pub(crate) fn cargo(&self, subcommand: &str) -> Command {
        let mut command = cargo_program();
        command.arg(subcommand).current_dir(&self.root).stdin(Stdio::null());
        command
    }

    /// A call of Cargo that keeps the working directory and the standard input of the person, so
    /// that paths in handed-on arguments mean what they say.
    pub(crate) fn cargo_in_place(&self, subcommand: &str) -> Command {
        let mut command = cargo_program();
        command.arg(subcommand).arg("--manifest-path").arg(self.root.join("Cargo.toml"));
        command
    }

    /// What Cargo knows about the crates of this workspace, without their outside dependencies.
    pub(crate) fn metadata(&self) -> Result<Value> {
        let output = self
            .cargo("metadata")
            .args(["--no-deps", "--offline", "--format-version", "1"])
            .stderr(Stdio::inherit())
            .output()
            .context("`cargo metadata` could not be started")?;
        ensure!(output.status.success(), "`cargo metadata` ended with {}", output.status);
        serde_json::from_slice(&output.stdout).context("`cargo metadata` did not answer in JSON")
    }

    /// The folder that Cargo builds into.
    pub(crate) fn target_folder(&self) -> Result<PathBuf> {
        let metadata = self.metadata()?;
        let folder = metadata["target_directory"]
            .as_str()
            .context("`cargo metadata` named no target folder")?;
        Ok(PathBuf::from(folder))
    }

    /// Where Cargo puts a program that it builds for trying things out.
    pub(crate) fn built(&self, program: &str) -> Result<PathBuf> {
        Ok(self.target_folder()?.join("debug").join(program))
    }
}

/// The Cargo that started this program, so that one toolchain does everything.
fn cargo_program() -> Command {
    Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
}
