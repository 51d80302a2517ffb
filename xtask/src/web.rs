//! `web`: the engine as WebAssembly, the packages of the web around it, and the app.
//!
//! Everything is built from what is checked in and from what the lock files name. The modules have
//! limits, because a person waits for them the first time that they need one.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::node::Node;
use crate::prerequisites::{self, Need, WASM_TARGET};
use crate::process;
use crate::workspace::Workspace;

/// The profile that the module is built with: as small as it gets.
const PROFILE: &str = "web";

/// A crate that becomes a module of its own.
struct Module {
    package: &'static str,
    /// As Cargo names what it builds.
    file: &'static str,
    /// The folder among what the package of the web is built to.
    folder: &'static str,
    /// What it may weigh with brotli, in bytes.
    brotli_bytes_max: u64,
}

/// What a page begins with.
const ENGINE: Module = Module {
    package: "clarity-web",
    file: "clarity_web",
    folder: "engine",
    brotli_bytes_max: 900_000,
};
/// What reads files, loaded when somebody imports one.
const IMPORTER: Module = Module {
    package: "clarity-web-import",
    file: "clarity_web_import",
    folder: "importer",
    brotli_bytes_max: 400_000,
};
/// What of SQLite no store uses.
const LEFT_OUT: &str = "-USQLITE_ENABLE_FTS5 -USQLITE_ENABLE_RTREE -USQLITE_ENABLE_SESSION \
    -USQLITE_ENABLE_PREUPDATE_HOOK -USQLITE_ENABLE_BYTECODE_VTAB -USQLITE_ENABLE_DBPAGE_VTAB \
    -USQLITE_ENABLE_STMTVTAB -USQLITE_ENABLE_API_ARMOR -USQLITE_ENABLE_MATH_FUNCTIONS \
    -USQLITE_ENABLE_OFFSET_SQL_FUNC -USQLITE_ENABLE_UNKNOWN_SQL_FUNCTION \
    -USQLITE_ENABLE_DBSTAT_VTAB -USQLITE_ENABLE_UNLOCK_NOTIFY -USQLITE_ENABLE_COLUMN_METADATA \
    -DSQLITE_OMIT_WAL -DSQLITE_OMIT_JSON -DSQLITE_OMIT_UTF16 \
    -DSQLITE_OMIT_AUTHORIZATION -DSQLITE_OMIT_TRACE -DSQLITE_OMIT_DESERIALIZE \
    -DSQLITE_OMIT_GET_TABLE -DSQLITE_OMIT_COMPLETE -DSQLITE_OMIT_TCL_VARIABLE \
    -DSQLITE_OMIT_COMPILEOPTION_DIAGS -DSQLITE_UNTESTABLE";
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
/// Asked of Node: write each file of the app that gets smaller a second time, once for each way of
/// making it smaller, and say what they weigh.
const SHRINK: &str = "
const { readdirSync, readFileSync, writeFileSync } = require('node:fs');
const { join } = require('node:path');
const { brotliCompressSync, constants, gzipSync } = require('node:zlib');
const folder = process.argv[1];
const small = /\\.(br|gz)$/;
const all = [];
for (const entry of readdirSync(folder, { recursive: true, withFileTypes: true })) {
  if (!entry.isFile() || small.test(entry.name)) continue;
  const path = join(entry.parentPath, entry.name);
  const raw = readFileSync(path);
  const gzip = gzipSync(raw, { level: 9 });
  const brotli = brotliCompressSync(raw, {
    params: {
      [constants.BROTLI_PARAM_LGWIN]: constants.BROTLI_MAX_WINDOW_BITS,
      [constants.BROTLI_PARAM_SIZE_HINT]: raw.length,
    },
  });
  if (gzip.length < raw.length) writeFileSync(path + '.gz', gzip);
  if (brotli.length < raw.length) writeFileSync(path + '.br', brotli);
  all.push({ name: entry.name, raw: raw.length, gzip: gzip.length, brotli: brotli.length });
}
console.log(JSON.stringify(all));
";

/// Builds the engine's module, the packages and the app, and reports what they weigh. Says which
/// folder the app is in.
///
/// # Errors
/// When something is missing and cannot be fetched, does not compile, or weighs too much.
pub(crate) fn web(workspace: &Workspace) -> Result<PathBuf> {
    let built = build(workspace)?;
    for (brotli_bytes, module) in built.weights {
        ensure!(
            brotli_bytes <= module.brotli_bytes_max,
            "the module {} weighs {} kB with brotli; at most {} kB",
            module.file,
            brotli_bytes / 1_000,
            module.brotli_bytes_max / 1_000
        );
    }
    Ok(built.app)
}

/// What was built for browsers.
pub(crate) struct Built {
    /// The folder of the app's files.
    pub(crate) app: PathBuf,
    /// What each module weighs as it travels.
    weights: Vec<(u64, Module)>,
}

/// Builds the engine's module, the packages and the app, whatever they weigh: a compiler of another
/// distribution keeps nobody from trying the product.
///
/// # Errors
/// When something is missing and cannot be fetched, or does not compile.
pub(crate) fn build(workspace: &Workspace) -> Result<Built> {
    prerequisites::ensure_present(&[Need::Clang, Need::WasmTarget])?;
    let node = Node::find(workspace)?;
    install(workspace, &node)?;
    for module in [ENGINE, IMPORTER] {
        build_module(workspace, &node, &module)?;
    }
    // In the order in which the workspaces are listed: the packages compile against what was
    // written around the modules, and the app against the packages.
    let build = ["run", "build", "--workspaces", "--if-present"];
    process::run(&mut npm(workspace, &node, &build))?;
    let app = app(workspace).join("dist");
    let files = shrink(&node, &app)?;
    let weigh = |module: Module| Ok((weight_of(&files, &module)?, module));
    let weights = [ENGINE, IMPORTER].into_iter().map(weigh).collect::<Result<_>>()?;
    Ok(Built { app, weights })
}

/// Builds what [`web`] builds and the server, and runs [`test_with`] them.
///
/// # Errors
/// As [`web`] and [`test_with`]; and when something is missing and cannot be fetched.
pub(crate) fn test(workspace: &Workspace) -> Result<()> {
    prerequisites::ensure_present(&[Need::CCompiler, Need::Chromium])?;
    web(workspace)?;
    let mut program = workspace.cargo("build");
    program.args(["--package", "clarity-cli", "--bin", "clarity", "--features", "pulse"]);
    process::run(&mut program)?;
    test_with(workspace, &workspace.built("clarity")?)
}

/// Has the tests of the packages and of the app run in Chromium, with what is built of them and
/// this server.
///
/// # Errors
/// When Node cannot be fetched, or a test fails.
pub(crate) fn test_with(workspace: &Workspace, program: &Path) -> Result<()> {
    let mut node = Node::find(workspace)?.command("node");
    // Each has a server and a browser of its own; while one waits, another goes on.
    node.args(["--test", "--test-concurrency=2"]).env("CLARITY_PROGRAM", program);
    let elements = workspace.root().join("packages").join("sync-elements");
    for folder in [package(workspace), elements, app(workspace)] {
        node.args(tests_in(&folder.join("test"))?);
    }
    node.envs(prerequisites::chromium().map(|program| ("CHROMIUM", program)));
    process::run(node.current_dir(workspace.root()).stdin(Stdio::null()))
}

/// The files with tests in a folder, in the order of their names.
fn tests_in(folder: &Path) -> Result<Vec<PathBuf>> {
    let cannot = || format!("reading {}", folder.display());
    let entries = fs::read_dir(folder).with_context(cannot)?;
    let paths = entries.map(|entry| entry.map(|entry| entry.path()));
    let mut paths: Vec<PathBuf> = paths.collect::<Result<_, _>>().with_context(cannot)?;
    paths.retain(|path| path.to_string_lossy().ends_with(".test.mjs"));
    paths.sort();
    Ok(paths)
}

fn package(workspace: &Workspace) -> PathBuf {
    workspace.root().join("packages").join("sync")
}

fn app(workspace: &Workspace) -> PathBuf {
    workspace.root().join("apps").join("pulse")
}

/// A call of npm at the top of the checkout.
fn npm(workspace: &Workspace, node: &Node, arguments: &[&str]) -> Command {
    let mut command = node.command("npm");
    command.args(arguments).current_dir(workspace.root()).stdin(Stdio::null());
    command
}

/// Has npm get what the lock file names, unless that is what is there.
fn install(workspace: &Workspace, node: &Node) -> Result<()> {
    let wanted = workspace.root().join("package-lock.json");
    let there = workspace.root().join("node_modules").join(".package-lock.json");
    let changed_at = |path: &Path| fs::metadata(path).and_then(|known| known.modified()).ok();
    if changed_at(&there).is_some_and(|there| changed_at(&wanted) <= Some(there)) {
        return Ok(());
    }
    process::run(&mut npm(workspace, node, &["ci", "--no-fund", "--no-audit"]))
}

/// Builds a module with its JavaScript, and makes it small.
fn build_module(workspace: &Workspace, node: &Node, module: &Module) -> Result<()> {
    let mut cargo = workspace.cargo("build");
    cargo.args(["--package", module.package, "--lib", "--target", WASM_TARGET]);
    process::run(cargo.args(["--profile", PROFILE]).env("SQLITE_WASM_RS_FLAGS", LEFT_OUT))?;
    let target = workspace.target_folder()?;
    let built = target.join(WASM_TARGET).join(PROFILE).join(format!("{}.wasm", module.file));
    let folder = package(workspace).join("dist").join(module.folder);
    fs::create_dir_all(&folder).with_context(|| format!("making {}", folder.display()))?;
    // A program of its own: what it is made of would make this one slow to build.
    let mut bind = workspace.cargo("run");
    bind.args(["--quiet", "--package", "xtask-bindgen", "--"]).arg(&built).arg(&folder);
    process::run(&mut bind)?;
    let module = folder.join(format!("{}_bg.wasm", module.file));
    let mut shrink = node.command(workspace.root().join("node_modules/.bin/wasm-opt"));
    shrink.args(["-Oz", "--strip-debug", "--strip-producers"]).args(FEATURES);
    process::run(shrink.arg(&module).arg("--output").arg(&module))
}

/// Writes the app's files in the forms in which they travel, and says what they weigh.
fn shrink(node: &Node, app: &Path) -> Result<Vec<Value>> {
    let mut node = node.command("node");
    let output = node.args(["--eval", SHRINK, "--"]).arg(app).output();
    let output = output.context("asking Node to make the app's files smaller")?;
    let words = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "Node could not make {} smaller: {words}", app.display());
    let files: Vec<Value> =
        serde_json::from_slice(&output.stdout).context("reading Node's answer")?;
    let kilobytes = |value: &Value| value.as_f64().unwrap_or_default() / 1_000.0;
    println!("{:>10} {:>10} {:>10}", "raw", "gzip", "brotli");
    for file in &files {
        println!(
            "{:>7.0} kB {:>7.0} kB {:>7.0} kB  {}",
            kilobytes(&file["raw"]),
            kilobytes(&file["gzip"]),
            kilobytes(&file["brotli"]),
            file["name"].as_str().unwrap_or_default()
        );
    }
    Ok(files)
}

/// What a module among the app's files weighs with brotli, in bytes.
fn weight_of(files: &[Value], module: &Module) -> Result<u64> {
    let is_module = |file: &&Value| {
        let name = file["name"].as_str().unwrap_or_default();
        name.starts_with(&format!("{}_bg", module.file)) && name.ends_with(".wasm")
    };
    let file = files.iter().find(is_module);
    let weight = file.and_then(|file| file["brotli"].as_u64());
    weight.with_context(|| format!("the app has no module {}", module.file))
}
