//! Writes the JavaScript around a WebAssembly module: `xtask-bindgen MODULE FOLDER`.
//!
//! It is the library of wasm-bindgen's own program, in the version that the lock file names, so
//! that both sides of the boundary are of one version.

use std::env;
use std::path::PathBuf;

use anyhow::{Context, Result};
use wasm_bindgen_cli_support::Bindgen;

fn main() -> Result<()> {
    let mut arguments = env::args_os().skip(1).map(PathBuf::from);
    let module = arguments.next().context("which module?")?;
    let folder = arguments.next().context("into which folder?")?;
    Bindgen::new()
        .input_path(&module)
        .web(true)?
        .typescript(true)
        .remove_name_section(true)
        .remove_producers_section(true)
        .generate(&folder)
        .with_context(|| format!("writing the JavaScript around {}", module.display()))
}
