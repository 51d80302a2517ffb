//! Reads an Apple Health export and says what is in it.
//!
//! ```text
//! cargo run --release -p clarity-health --example read_export -- export.zip
//! cargo run --release -p clarity-health --example read_export -- --scan export.zip
//! cargo run --release -p clarity-health --example read_export -- --generate 2000000 export.zip
//! ```
//!
//! Without a path it reads the bundled export.

use std::io::Write as _;
use std::ops::ControlFlow;
use std::path::Path;
use std::time::Instant;

use anyhow::{Context, Result};
use clarity_health::generate::{Defects, Options, Prologue, write_xml, write_zip};
use clarity_health::{AppleExport, Progress, bundled_export};

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments[..] {
        [] => read(bundled_export().open()?),
        ["--generate", records, path] => generate(records.parse()?, Path::new(path)),
        ["--scan", path] => scan(AppleExport::open(Path::new(path))?),
        [path] => read(AppleExport::open(Path::new(path))?),
        _ => anyhow::bail!("usage: read_export [--scan] [PATH] | --generate RECORDS PATH"),
    }
}

fn read(mut export: AppleExport) -> Result<()> {
    let started = Instant::now();
    let mut batches = 0_u64;
    let report = export.read(
        &mut |batch| {
            batches += 1;
            drop(batch);
            ControlFlow::Continue(())
        },
        &mut show,
    )?;
    eprintln!();
    print!("{report}");
    println!("{batches} batches, {}", speed(report.bytes, started));
    Ok(())
}

fn scan(mut export: AppleExport) -> Result<()> {
    let started = Instant::now();
    let report = export.scan(&mut |progress| {
        show(progress);
        ControlFlow::Continue(())
    })?;
    eprintln!();
    print!("{report}");
    println!("{}", speed(report.read.bytes, started));
    Ok(())
}

fn generate(records: u64, path: &Path) -> Result<()> {
    let started = Instant::now();
    let defects = Defects {
        prologue: Prologue::Version12Unclosed,
        control_characters: true,
        device_pointers: true,
        ..Defects::default()
    };
    let options = Options { records, workouts: 300, routes: 20, defects, ..Options::default() };
    let generated = if path.extension().is_some_and(|extension| extension == "zip") {
        write_zip(&options, path)?
    } else {
        write_xml(&options, &mut std::fs::File::create(path).context("cannot write the export")?)?
    };
    println!("{generated:?}");
    println!("{}", speed(generated.bytes, started));
    Ok(())
}

fn show(progress: Progress) {
    let percent = progress.bytes_read * 100 / progress.bytes_total.max(1);
    eprint!("\r{} {percent} %", progress.phase.as_str());
    // Progress that cannot be shown is no reason to stop.
    let _ = std::io::stderr().flush();
}

fn speed(bytes: u64, started: Instant) -> String {
    let seconds = started.elapsed().as_secs_f64();
    let mebibytes = bytes as f64 / 1_048_576.0;
    format!("{mebibytes:.1} MiB in {seconds:.2} s: {:.0} MiB/s", mebibytes / seconds)
}
