//! Writes a golden store file: `cargo run -p clarity-store --example make_golden_store -- FILE`.
//!
//! It is run once for each released format, and the file is then kept for ever.

use std::path::PathBuf;

use anyhow::{Context, ensure};
use clarity_store::{OpenOptions, Store};

#[path = "../tests/golden/content.rs"]
mod content;

fn main() -> anyhow::Result<()> {
    let path = PathBuf::from(std::env::args_os().nth(1).context("name the file to write")?);
    ensure!(!path.exists(), "the file exists; a golden file is never replaced");
    let mut store = Store::open(&OpenOptions::new(path), content::schema()?, content::BIRTH)?;
    let mut transaction = store.begin()?;
    content::fill(&mut transaction)?;
    transaction.commit()?;
    let mut transaction = store.begin()?;
    content::describe(&mut transaction)?;
    transaction.commit()?;
    Ok(())
}
