//! P7: what one more operation costs when very many wait already.
//!
//! One store, so that only the length of the queue differs: it is filled, measured, drained, and
//! measured again with nothing waiting. A backend in this process accepts everything at once, so
//! that what is measured is the device's own work: freezing, answering, removing.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use anyhow::{Context, Result};
use clarity_client::engine::protocol::{
    Cursor, OperationAnswer, PullResponse, PushResponse, Scope, WireOperation,
};
use clarity_client::model::{Check, Epoch, Outcome, Seq, ServerTime, Version};
use clarity_client::{
    Client, Failure, FailureClass, Refreshed, Request, Response, Transport, TransportFuture, Write,
};
use serde_json::value::RawValue;
use tokio::sync::Notify;

use crate::local::{create, open, rate};
use crate::record::{Record, records};
use crate::report::Row;

/// Single writes that are timed at each length of the queue.
const SINGLE_WRITES: usize = 2_000;
/// Full pushes that are timed at each length of the queue.
const PUSHES: usize = 20;
/// Pushes that are on their way before the timed ones: as many as travel at once, and one.
const PUSHES_BEFORE: usize = 4;
/// Operations in a full push.
const PUSH: usize = 1_000;

/// Accepts every operation at once, and notes when each push came.
#[derive(Default)]
struct Accepting {
    pushes: Mutex<Vec<Instant>>,
    /// After how many pushes to say so; none are wanted while it is zero.
    wanted: AtomicUsize,
    reached: Notify,
}

impl Accepting {
    fn push(&self, operations: &[Box<RawValue>]) -> Result<Response, Failure> {
        let mut pushes = self.pushes.lock().unwrap_or_else(PoisonError::into_inner);
        pushes.push(Instant::now());
        if pushes.len() == self.wanted.load(Ordering::Relaxed) {
            self.reached.notify_one();
        }
        let answer = |bytes: &RawValue| {
            let operation: WireOperation = serde_json::from_str(bytes.get()).map_err(|_| {
                Failure::new(FailureClass::BadRequest, "an operation cannot be read")
            })?;
            Ok(OperationAnswer {
                id: operation.id,
                entity_id: None,
                outcome: Outcome::Applied,
                version: Some(Version(operation.base.0 + 1)),
                entity: None,
                fields: BTreeMap::new(),
                rejection: None,
                blocked_by: None,
            })
        };
        let answers =
            operations.iter().map(|bytes| answer(bytes)).collect::<Result<_, Failure>>()?;
        Ok(Response::Push(PushResponse {
            epoch: Epoch(1),
            at: ServerTime(1),
            head: None,
            answers,
            contributed: Vec::new(),
        }))
    }
}

impl Transport for Accepting {
    fn send(
        &self,
        request: Request,
        _access_token: Option<String>,
    ) -> TransportFuture<'_, Result<Response, Failure>> {
        let answer = match request {
            Request::Push(push) => self.push(&push.operations),
            Request::Pull(_) => Ok(Response::Pull(nothing_new())),
            Request::Fetch(_) => {
                Err(Failure::new(FailureClass::BadRequest, "there is nothing to fetch here"))
            }
        };
        Box::pin(std::future::ready(answer))
    }

    fn refresh(&self, _refresh_token: Option<String>) -> TransportFuture<'_, Refreshed> {
        Box::pin(std::future::ready(Refreshed::Refused))
    }
}

fn nothing_new() -> PullResponse {
    let (epoch, seq) = (Epoch(1), Seq(0));
    PullResponse {
        epoch,
        at: ServerTime(1),
        rows: Vec::new(),
        cursor: Cursor { epoch, seq, check: Check(0), scope: Scope::default(), place: None },
        head: seq,
        more: false,
        durable_through: seq,
        restored: None,
    }
}

/// The costs at one length of the queue, as rates.
struct Costs {
    enqueue: f64,
    acknowledge: f64,
}

/// Enqueue and acknowledge with `count` operations queued, as ratios to the empty queue.
pub(crate) async fn backlog(count: usize) -> Result<Vec<Row>> {
    let directory = tempfile::tempdir()?;
    let client = fill(directory.path(), count).await?;
    let long = measure(&client, 21).await?;
    drain(&client).await?;
    queue(&client, records(22, (PUSHES + PUSHES_BEFORE) * PUSH)).await?;
    let empty = measure(&client, 23).await?;
    let slower = |what, long: f64, empty: f64| Row {
        reference: Some(empty),
        ratio: Some(empty / long),
        target: "<= 1.2".to_owned(),
        holds: empty / long <= 1.2,
        ..Row::rate("P7", what, long, empty, 0.0)
    };
    Ok(vec![
        slower(
            "durable writes with a long queue, cost to an empty one",
            long.enqueue,
            empty.enqueue,
        ),
        slower("acknowledged with a long queue, the same", long.acknowledge, empty.acknowledge),
    ])
}

async fn fill(directory: &Path, count: usize) -> Result<Client> {
    let client = open(directory, "backlog.db")?;
    // Filled in parts, so that the records need not all be in memory.
    let part = 100_000.min(count.max(1));
    for number in 0..count.div_ceil(part) {
        queue(&client, records(1_000 + u64::try_from(number)?, part)).await?;
    }
    Ok(client)
}

async fn queue(client: &Client, records: Vec<Record>) -> Result<()> {
    let client = client.clone();
    tokio::task::spawn_blocking(move || -> Result<()> {
        for batch in records.chunks(PUSH) {
            let writes = batch.iter().map(create).collect();
            client.write(Write::Batch { atomic: false, writes })?;
        }
        Ok(())
    })
    .await?
}

async fn measure(client: &Client, seed: u64) -> Result<Costs> {
    let writer = client.clone();
    let enqueue = tokio::task::spawn_blocking(move || -> Result<f64> {
        let records = records(seed, SINGLE_WRITES);
        let started = Instant::now();
        for record in &records {
            writer.write(create(record))?;
        }
        Ok(rate(records.len(), started.elapsed().as_secs_f64()))
    })
    .await??;
    let transport = Arc::new(Accepting::default());
    let wanted = PUSHES_BEFORE + PUSHES;
    transport.wanted.store(wanted, Ordering::Relaxed);
    client.run(Arc::clone(&transport), transport.reached.notified()).await?;
    let pushes = transport.pushes.lock().unwrap_or_else(PoisonError::into_inner);
    let first = pushes.get(PUSHES_BEFORE - 1).context("too few pushes were sent")?;
    let last = pushes.get(wanted - 1).context("too few pushes were sent")?;
    let acknowledge = rate(PUSHES * PUSH, last.duration_since(*first).as_secs_f64());
    Ok(Costs { enqueue, acknowledge })
}

async fn drain(client: &Client) -> Result<()> {
    let patience = std::time::Duration::from_secs(60);
    let report = client.sync(Arc::new(Accepting::default()), patience, |_| {}).await?;
    anyhow::ensure!(report.status.waiting == 0, "the queue did not empty");
    Ok(())
}
