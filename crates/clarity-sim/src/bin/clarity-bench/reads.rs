//! P8: reads while a first sync goes on.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use anyhow::Result;
use clarity_client::Client;
use clarity_client::engine::store::{Comparison, Query};
use serde_json::json;

use crate::local::open;
use crate::record::{Record, reading, records};
use crate::report::Row;
use crate::sync::{sign_in, sync};

/// Rows of one page of a list.
const PAGE: usize = 50;

/// Reads one entity by its key and a page of a list by its index, over and over, while the records
/// of `seed` arrive from the server.
pub(crate) async fn during_first_sync(
    directory: &Path,
    address: &str,
    seed: u64,
    count: usize,
) -> Result<Vec<Row>> {
    let client = open(directory, "reads.db")?;
    let transport = sign_in(&client, address, false).await?;
    let done = Arc::new(AtomicBool::new(false));
    let (reader, ended) = (client.clone(), Arc::clone(&done));
    let reading = tokio::task::spawn_blocking(move || -> Result<[Vec<f64>; 2]> {
        let records = records(seed, count);
        let mut times = [Vec::new(), Vec::new()];
        for record in records.iter().cycle() {
            if ended.load(Ordering::Relaxed) {
                break;
            }
            times[0].push(timed(|| one(&reader, record))?);
            times[1].push(timed(|| page(&reader, record))?);
        }
        Ok(times)
    });
    let synced = sync(&client, transport).await;
    done.store(true, Ordering::Relaxed);
    let [one, list] = reading.await??;
    synced?;
    Ok(vec![
        Row::at_most("P8", "a read of one entity during first sync, p99", p99(one), "ms", 5.0),
        Row::at_most("P8", "a page of a list during first sync, p99", p99(list), "ms", 5.0),
    ])
}

fn timed(read: impl FnOnce() -> Result<()>) -> Result<f64> {
    let started = Instant::now();
    read()?;
    Ok(started.elapsed().as_secs_f64() * 1_000.0)
}

fn one(client: &Client, record: &Record) -> Result<()> {
    client.get(&record.key())?;
    Ok(())
}

fn page(client: &Client, record: &Record) -> Result<()> {
    let query = Query {
        filters: vec![
            ("metric".to_owned(), Comparison::Equal, json!(record.metric)),
            ("start_ms".to_owned(), Comparison::GreaterOrEqual, json!(record.start_ms)),
        ],
        order_by: Some(("start_ms".to_owned(), false)),
        limit: PAGE,
        ..Query::default()
    };
    client.query(&reading(), &query)?;
    Ok(())
}

pub(crate) fn p99(mut times: Vec<f64>) -> f64 {
    times.sort_by(f64::total_cmp);
    times.get(times.len() * 99 / 100).copied().unwrap_or(f64::NAN)
}
