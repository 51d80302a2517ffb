//! The bench: the workloads of the product with ratios to plain SQLite in the same run.

#![allow(clippy::expect_used, clippy::print_stdout)]

mod backlog;
mod local;
mod reads;
mod record;
mod reference;
mod report;
mod sync;

use std::path::PathBuf;

use anyhow::Result;
use clap::Parser;

use report::Row;

/// The records of the largest first sync.
const MILLION: usize = 1_000_000;

/// Measures Clarity Sync against plain SQLite on this machine.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask bench")]
struct Arguments {
    /// Writes the rows as JSON to a file; without a name, to standard output instead of the table.
    #[arg(long, value_name = "FILE", num_args = 0..=1)]
    json: Option<Option<PathBuf>>,
    /// Leaves out the first sync of 1,000,000 records.
    #[arg(long)]
    quick: bool,
    /// Runs only the rows whose id begins so, such as P1.
    #[arg(long, value_name = "ID")]
    only: Option<String>,
    /// How many records the larger workloads have.
    #[arg(long, default_value_t = 100_000)]
    records: usize,
    /// The device's side of a first sync, as a process of its own.
    #[arg(long, hide = true)]
    first_sync: Option<String>,
    /// Where that device keeps its store.
    #[arg(long, hide = true)]
    directory: Option<PathBuf>,
}

#[tokio::main]
async fn main() -> Result<()> {
    let arguments = Arguments::parse();
    if let (Some(address), Some(directory)) = (&arguments.first_sync, &arguments.directory) {
        println!("{}", serde_json::to_string(&sync::first_sync(address, directory).await?)?);
        return Ok(());
    }
    let rows = run(&arguments).await?;
    match &arguments.json {
        Some(None) => println!("{}", serde_json::to_string_pretty(&rows)?),
        Some(Some(file)) => {
            std::fs::write(file, serde_json::to_string_pretty(&rows)?)?;
            println!("{}", report::table(&rows));
        }
        None => println!("{}", report::table(&rows)),
    }
    Ok(())
}

async fn run(arguments: &Arguments) -> Result<Vec<Row>> {
    let wanted =
        |id: &str| arguments.only.as_ref().is_none_or(|only| id.starts_with(only.as_str()));
    let count = arguments.records;
    let mut rows = Vec::new();
    let size = record::records(0, 1).iter().map(record::Record::json_bytes).sum::<usize>();
    tell(&format!("records of {size} bytes of JSON"));
    if wanted("P1") {
        tell("P1, P1c: single durable writes");
        rows.extend(tokio::task::spawn_blocking(local::single_writes).await??);
    }
    if wanted("P2") {
        tell("P2: writes in batches");
        rows.push(tokio::task::spawn_blocking(move || local::batched_writes(count)).await??);
    }
    if ["P3", "P4", "P5", "P8"].into_iter().any(wanted) {
        rows.extend(over_the_wire(count, wanted("P5"), wanted("P8")).await?);
        if !arguments.quick && wanted("P4") && arguments.records < MILLION {
            let million = over_the_wire(MILLION, false, false).await?;
            rows.extend(million.into_iter().filter(|row| row.id != "P3"));
        }
    }
    if wanted("P7") {
        let queued = if arguments.quick { count } else { MILLION };
        tell(&format!("P7: enqueue and acknowledge with {queued} queued"));
        rows.extend(backlog::backlog(queued).await?);
    }
    rows.retain(|row| wanted(row.id));
    Ok(rows)
}

async fn over_the_wire(count: usize, with_round_trips: bool, with_reads: bool) -> Result<Vec<Row>> {
    tell(&format!("R: bulk insert of {count}"));
    let bulk = tokio::task::spawn_blocking(move || sync::bulk_reference(count)).await??;
    let directory = tempfile::tempdir()?;
    let server = sync::TestServer::start(&directory.path().join("server")).await?;
    tell(&format!("P3: push of {count}"));
    let pushed = sync::push(directory.path(), &server, count).await?;
    let mut rows =
        vec![Row::rate("P3", "queued operations pushed and acknowledged", pushed, bulk, 0.25)];
    tell(&format!("P4: first sync of {count}"));
    let address = server.address.clone();
    let first =
        tokio::task::spawn_blocking(move || sync::first_sync_process(&address, count)).await??;
    let what = if count >= MILLION {
        ["first sync of 1,000,000", "its peak memory", "its first useful page"]
    } else {
        ["first sync of 100,000", "its peak memory", "its first useful page"]
    };
    rows.push(Row::rate("P4", what[0], local::rate(count, first.seconds), bulk, 0.5));
    rows.push(Row::at_most("P4", what[1], first.peak_mib, "MiB", 64.0));
    rows.push(Row::at_most("P4", what[2], first.first_page_ms, "ms", 300.0));
    if with_reads {
        tell("P8: reads during a first sync");
        let (directory, address) = (directory.path(), &server.address);
        rows.extend(reads::during_first_sync(directory, address, sync::PUSHED, count).await?);
    }
    if with_round_trips {
        tell("P5: from one device to the other");
        rows.extend(sync::visible_elsewhere(directory.path(), &server.address).await?);
    }
    server.stop().await?;
    Ok(rows)
}

/// Progress, on standard error so that `--json` stays readable by a program.
fn tell(words: &str) {
    eprintln!("{words} …");
}
