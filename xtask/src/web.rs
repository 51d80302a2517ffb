//! `web`: the engine as WebAssembly, and the packages of the web around it.
//!
//! Everything is built from what is checked in and from what the lock files name. The engine's
//! module has a limit, because a person waits for it the first time that they open a page.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

use crate::prerequisites::{self, Need, WASM_TARGET};
use crate::process;
use crate::workspace::Workspace;

/// The profile that the module is built with: as small as it gets.
const PROFILE: &str = "web";
/// The module as Cargo names it.
const MODULE: &str = "clarity_web";
/// What the module may weigh with brotli, in bytes: little more than what it weighs, so that what
/// makes it larger is seen. The goal is 900 kB.
const BROTLI_BYTES_MAX: u64 = 910_000;
/// What of SQLite no store uses.
const LEFT_OUT: &str = "-USQLITE_ENABLE_FTS5 -USQLITE_ENABLE_RTREE -USQLITE_ENABLE_SESSION \
    -USQLITE_ENABLE_PREUPDATE_HOOK -USQLITE_ENABLE_BYTECODE_VTAB -USQLITE_ENABLE_DBPAGE_VTAB \
    -USQLITE_ENABLE_STMTVTAB";
/// What of WebAssembly the compiler makes use of; all browsers with files for pages have it.
const FEATURES: [&str; 8] = [
    "--enable-bulk-memory",
    "--enable-bulk-memory-opt",
    "--enable-call-indirect-overlong",
    "--enable-multivalue",
    "--enable-mutable-globals",
    "--enable-nontrapping-float-to-int",
    "--enable-reference-types",
    "--enable-sign-ext",
];
/// Asked of Node: how large files are as they are and as they travel.
const SIZES: &str = "
const { readFileSync } = require('node:fs');
const zlib = require('node:zlib');
const all = process.argv.slice(1).map((path) => {
  const raw = readFileSync(path);
  const brotli = zlib.brotliCompressSync(raw, {
    params: {
      [zlib.constants.BROTLI_PARAM_LGWIN]: zlib.constants.BROTLI_MAX_WINDOW_BITS,
      [zlib.constants.BROTLI_PARAM_SIZE_HINT]: raw.length,
    },
  });
  const gzip = zlib.gzipSync(raw, { level: 9 });
  return { path, raw: raw.length, gzip: gzip.length, brotli: brotli.length };
});
console.log(JSON.stringify(all));
";

/// Builds the engine's module and the packages, and reports what they weigh.
///
/// # Errors
/// When something is missing and cannot be fetched, does not compile, or weighs too much.
pub(crate) fn web(workspace: &Workspace) -> Result<()> {
    prerequisites::ensure_present(&[Need::Clang, Need::WasmTarget, Need::Node])?;
    install(workspace)?;
    let engine = build_engine(workspace)?;
    // They compile against what was written around the module.
    process::run(&mut npm(workspace, &["run", "build", "--workspaces", "--if-present"]))?;
    report(workspace, &engine)
}

/// Builds what [`web`] builds and the server, and has the tests of the packages run in Chromium.
///
/// # Errors
/// As [`web`]; and when a test fails.
pub(crate) fn test(workspace: &Workspace) -> Result<()> {
    prerequisites::ensure_present(&[Need::CCompiler, Need::Chromium])?;
    web(workspace)?;
    process::run(workspace.cargo("build").args(["--package", "clarity-cli", "--bin", "clarity"]))?;
    let program = workspace.target_folder()?.join("debug").join("clarity");
    let mut node = Command::new("node");
    node.arg("--test").arg(package(workspace).join("test")).env("CLARITY_PROGRAM", program);
    process::run(node.current_dir(workspace.root()).stdin(Stdio::null()))
}

fn package(workspace: &Workspace) -> PathBuf {
    workspace.root().join("packages").join("sync")
}

/// A call of npm at the top of the checkout.
fn npm(workspace: &Workspace, arguments: &[&str]) -> Command {
    let mut command = Command::new("npm");
    command.args(arguments).current_dir(workspace.root()).stdin(Stdio::null());
    command
}

/// Has npm get what the lock file names, unless that is what is there.
fn install(workspace: &Workspace) -> Result<()> {
    let wanted = workspace.root().join("package-lock.json");
    let there = workspace.root().join("node_modules").join(".package-lock.json");
    let changed_at = |path: &Path| fs::metadata(path).and_then(|known| known.modified()).ok();
    if changed_at(&there).is_some_and(|there| changed_at(&wanted) <= Some(there)) {
        return Ok(());
    }
    process::run(&mut npm(workspace, &["ci", "--no-fund", "--no-audit"]))
}

/// Builds the module with its JavaScript, and makes it small; says which folder it is in.
fn build_engine(workspace: &Workspace) -> Result<PathBuf> {
    let mut cargo = workspace.cargo("build");
    cargo.args(["--package", "clarity-web", "--lib", "--target", WASM_TARGET]);
    process::run(cargo.args(["--profile", PROFILE]).env("SQLITE_WASM_RS_FLAGS", LEFT_OUT))?;
    let target = workspace.target_folder()?;
    let built = target.join(WASM_TARGET).join(PROFILE).join(format!("{MODULE}.wasm"));
    let engine = package(workspace).join("dist").join("engine");
    fs::create_dir_all(&engine).with_context(|| format!("making {}", engine.display()))?;
    // A program of its own: what it is made of would make this one slow to build.
    let mut bind = workspace.cargo("run");
    bind.args(["--quiet", "--package", "xtask-bindgen", "--"]).arg(&built).arg(&engine);
    process::run(&mut bind)?;
    let module = engine.join(format!("{MODULE}_bg.wasm"));
    let mut shrink = Command::new(workspace.root().join("node_modules/.bin/wasm-opt"));
    shrink.args(["-Oz", "--strip-debug", "--strip-producers"]).args(FEATURES);
    process::run(shrink.arg(&module).arg("--output").arg(&module))?;
    Ok(engine)
}

/// Says what the module and its script weigh.
fn report(workspace: &Workspace, engine: &Path) -> Result<()> {
    let module = engine.join(format!("{MODULE}_bg.wasm"));
    let mut node = Command::new("node");
    node.args(["--eval", SIZES, "--"]).arg(&module).arg(engine.join(format!("{MODULE}.js")));
    let output = node.current_dir(workspace.root()).output().context("asking Node for sizes")?;
    ensure!(output.status.success(), "Node could not measure {}", module.display());
    let sizes: Value = serde_json::from_slice(&output.stdout).context("reading Node's answer")?;
    let kilobytes = |value: &Value| value.as_f64().unwrap_or_default() / 1_000.0;
    println!("{:>10} {:>10} {:>10}", "raw", "gzip", "brotli");
    for file in sizes.as_array().into_iter().flatten() {
        let path = PathBuf::from(file["path"].as_str().unwrap_or_default());
        println!(
            "{:>7.0} kB {:>7.0} kB {:>7.0} kB  {}",
            kilobytes(&file["raw"]),
            kilobytes(&file["gzip"]),
            kilobytes(&file["brotli"]),
            path.file_name().unwrap_or_default().to_string_lossy()
        );
    }
    let brotli = sizes[0]["brotli"].as_u64().unwrap_or(u64::MAX);
    if brotli > BROTLI_BYTES_MAX {
        bail!(
            "the engine's module weighs {} kB with brotli; at most {} kB",
            brotli / 1_000,
            BROTLI_BYTES_MAX / 1_000
        );
    }
    Ok(())
}
