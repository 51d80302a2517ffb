//! P3, P4 and P5: what goes over the wire, with a real server over loopback.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use clarity_client::{Client, HttpTransport, Schema, SyncEnd, Write};
use clarity_server::{Config, Server};
use serde::{Deserialize, Serialize};
use tokio::sync::oneshot;

use crate::local::{create, median, open, rate};
use crate::record::{SCHEMA, reading, records};
use crate::reference;
use crate::report::Row;

/// How long a sync of the bench may be without a success.
const PATIENCE: Duration = Duration::from_secs(60);
/// Records in one transaction of the reference's bulk insert: one page.
const BULK: usize = 5_000;
/// Changes that P5 times.
const ROUND_TRIPS: usize = 300;
/// The seed of the records that P3 pushes, and that the server then has.
pub(crate) const PUSHED: u64 = 3;
const NAME: &str = "bench";
const PASSWORD: &str = "a password of the bench";

/// A server of this process, on a free port of this machine.
pub(crate) struct TestServer {
    pub(crate) address: String,
    stop: oneshot::Sender<()>,
    task: tokio::task::JoinHandle<std::io::Result<()>>,
}

impl TestServer {
    pub(crate) async fn start(directory: &Path) -> Result<Self> {
        let schema = Arc::new(Schema::from_json(SCHEMA)?);
        let mut config = Config::new(directory, schema);
        config.listen = "127.0.0.1:0".parse()?;
        let bound = Server::bind(config)?;
        let address = format!("http://{}", bound.local_addr()?);
        let (stop, stopped) = oneshot::channel::<()>();
        let task = tokio::spawn(async move {
            let stopped = async move {
                // A dropped sender stops it as well.
                let _ = stopped.await;
            };
            bound.serve(stopped).await
        });
        Ok(Self { address, stop, task })
    }

    pub(crate) async fn stop(self) -> Result<()> {
        drop(self.stop);
        Ok(self.task.await.context("the server did not stop")??)
    }
}

pub(crate) async fn sign_in(
    client: &Client,
    address: &str,
    first: bool,
) -> Result<Arc<HttpTransport>> {
    let transport = HttpTransport::new(address)?;
    let reader = client.clone();
    let incarnation = tokio::task::spawn_blocking(move || reader.meta()).await??.incarnation;
    let tokens = if first {
        transport.sign_up(NAME, PASSWORD, "bench", incarnation).await?
    } else {
        transport.sign_in(NAME, PASSWORD, "bench", incarnation).await?
    };
    let (client, address) = (client.clone(), address.to_owned());
    tokio::task::spawn_blocking(move || client.signed_in(&address, NAME, tokens)).await??;
    Ok(Arc::new(transport))
}

pub(crate) async fn sync(client: &Client, transport: Arc<HttpTransport>) -> Result<()> {
    let report = client.sync(transport, PATIENCE, |_| {}).await?;
    match report.end {
        SyncEnd::Done if report.status.waiting == 0 => Ok(()),
        end => bail!("the sync ended with {end:?}"),
    }
}

/// The reference's bulk insert, in records a second.
pub(crate) fn bulk_reference(count: usize) -> Result<f64> {
    let records = records(9, count);
    let mut rates = Vec::new();
    for _ in 0..3 {
        let directory = tempfile::tempdir()?;
        let elapsed = reference::write(&directory.path().join("r.db"), &records, BULK, false)?;
        rates.push(rate(count, elapsed.as_secs_f64()));
    }
    Ok(median(rates))
}

/// P3: everything that waits in a queue is pushed, applied and acknowledged. The server then has
/// the records that P4 reads.
pub(crate) async fn push(directory: &Path, server: &TestServer, count: usize) -> Result<f64> {
    let client = open(directory, "pusher.db")?;
    let transport = sign_in(&client, &server.address, true).await?;
    let writer = client.clone();
    tokio::task::spawn_blocking(move || -> Result<()> {
        for batch in records(PUSHED, count).chunks(1_000) {
            let writes = batch.iter().map(create).collect();
            writer.write(Write::Batch { atomic: false, writes })?;
        }
        Ok(())
    })
    .await??;
    let started = Instant::now();
    sync(&client, transport).await?;
    Ok(rate(count, started.elapsed().as_secs_f64()))
}

/// What the process of a first sync says of itself.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct FirstSync {
    pub(crate) records: u64,
    pub(crate) seconds: f64,
    pub(crate) first_page_ms: f64,
    pub(crate) peak_mib: f64,
}

/// P4 in a process of its own, so that its memory is only the device's.
pub(crate) fn first_sync_process(address: &str, count: usize) -> Result<FirstSync> {
    let directory = tempfile::tempdir()?;
    let output = Command::new(std::env::current_exe()?)
        .args(["--first-sync", address, "--directory"])
        .arg(directory.path())
        .output()?;
    if !output.status.success() {
        bail!("the device's process failed: {}", String::from_utf8_lossy(&output.stderr));
    }
    let measured: FirstSync = serde_json::from_slice(&output.stdout)?;
    if measured.records != u64::try_from(count)? {
        bail!("the device has {} records of {count}", measured.records);
    }
    Ok(measured)
}

/// The device's side of P4.
pub(crate) async fn first_sync(address: &str, directory: &Path) -> Result<FirstSync> {
    let client = open(directory, "fresh.db")?;
    let transport = sign_in(&client, address, false).await?;
    let mut changes = client.watch();
    let started = Instant::now();
    let first_page = async {
        loop {
            match changes.recv().await {
                Ok(changes) if !changes.types.is_empty() => return started.elapsed(),
                Err(tokio::sync::broadcast::error::RecvError::Closed) => return Duration::MAX,
                Ok(_) | Err(_) => {}
            }
        }
    };
    let (synced, first_page) = tokio::join!(sync(&client, transport), first_page);
    synced?;
    let seconds = started.elapsed().as_secs_f64();
    let counts = tokio::task::spawn_blocking(move || client.counts()).await??;
    Ok(FirstSync {
        records: counts.get(&reading()).copied().unwrap_or_default(),
        seconds,
        first_page_ms: first_page.as_secs_f64() * 1_000.0,
        peak_mib: peak_mib()?,
    })
}

/// The largest resident memory of this process so far.
fn peak_mib() -> Result<f64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib: f64 = line
        .and_then(|line| line.split_whitespace().next())
        .context("the system does not tell the peak of memory")?
        .parse()?;
    Ok(kib / 1_024.0)
}

/// P5: from the call of a write on A until a read on B sees it, both durable.
pub(crate) async fn visible_elsewhere(directory: &Path, address: &str) -> Result<Vec<Row>> {
    let (a, b) = (open(directory, "a.db")?, open(directory, "b.db")?);
    let mut drivers = Vec::new();
    for client in [&a, &b] {
        let transport = sign_in(client, address, false).await?;
        sync(client, Arc::clone(&transport)).await?;
        let client = client.clone();
        drivers
            .push(tokio::spawn(async move { client.run(transport, std::future::pending()).await }));
    }
    let mut seen = b.watch();
    let mut times = Vec::with_capacity(ROUND_TRIPS);
    for record in records(5, ROUND_TRIPS) {
        let started = Instant::now();
        a.submit(create(&record))?.await?;
        let key = record.key();
        loop {
            let (reader, wanted) = (b.clone(), key.clone());
            let there = tokio::task::spawn_blocking(move || reader.get(&wanted)).await??;
            if there.is_some() {
                break;
            }
            tokio::time::timeout(PATIENCE, seen.recv()).await.context("B saw nothing")??;
        }
        times.push(started.elapsed().as_secs_f64() * 1_000.0);
    }
    for driver in drivers {
        driver.abort();
    }
    times.sort_by(f64::total_cmp);
    let at = |percent: usize| times[(times.len() * percent / 100).min(times.len() - 1)];
    Ok(vec![
        Row::at_most("P5", "a change on A visible on B, p50", at(50), "ms", 5.0),
        Row::at_most("P5", "a change on A visible on B, p99", at(99), "ms", 25.0),
    ])
}
