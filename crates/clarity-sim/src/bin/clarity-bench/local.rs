//! P1, P1c and P2: local writes.

use std::sync::Arc;
use std::time::Instant;

use anyhow::Result;
use clarity_client::{Client, ClientOptions, Schema, Write};

use crate::record::{Record, SCHEMA, records};
use crate::reference;
use crate::report::Row;

/// How often each side of a comparison is run; the medians are compared.
const ROUNDS: usize = 3;
/// Single writes in one round.
const SINGLE_WRITES: usize = 2_000;
/// Callers at once in P1c.
const CALLERS: usize = 16;
/// Writes in one batch of P2.
const BATCH: usize = 1_000;

/// Opens a fresh device store.
pub(crate) fn open(directory: &std::path::Path, name: &str) -> Result<Client> {
    let schema = Some(Arc::new(Schema::from_json(SCHEMA)?));
    Ok(Client::open(ClientOptions { schema, ..ClientOptions::new(directory.join(name)) })?)
}

pub(crate) fn create(record: &Record) -> Write {
    Write::Create { key: record.key(), fields: record.fields(), parents: Vec::new() }
}

pub(crate) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn per_second(count: usize, started: Instant) -> f64 {
    rate(count, started.elapsed().as_secs_f64())
}

pub(crate) fn rate(count: usize, seconds: f64) -> f64 {
    u32::try_from(count).map_or(f64::NAN, f64::from) / seconds
}

/// P1 and P1c: one durable write, by one caller and by sixteen.
pub(crate) fn single_writes() -> Result<Vec<Row>> {
    let (mut plain, mut one, mut many) = (Vec::new(), Vec::new(), Vec::new());
    for round in 0..ROUNDS {
        let directory = tempfile::tempdir()?;
        let records = records(u64::try_from(round)?, SINGLE_WRITES);
        let elapsed = reference::write(&directory.path().join("r.db"), &records, 1, true)?;
        plain.push(rate(records.len(), elapsed.as_secs_f64()));
        let client = open(directory.path(), "one.db")?;
        let started = Instant::now();
        for record in &records {
            client.write(create(record))?;
        }
        one.push(per_second(records.len(), started));
        let client = open(directory.path(), "many.db")?;
        let started = Instant::now();
        std::thread::scope(|scope| {
            let callers = records.chunks(records.len().div_ceil(CALLERS)).map(|part| {
                let client = client.clone();
                scope.spawn(move || part.iter().try_for_each(|r| client.write(create(r)).map(drop)))
            });
            let callers: Vec<_> = callers.collect();
            callers.into_iter().try_for_each(|caller| match caller.join() {
                Ok(result) => result.map_err(anyhow::Error::from),
                Err(_) => anyhow::bail!("a caller panicked"),
            })
        })?;
        many.push(per_second(records.len(), started));
    }
    let (plain, one, many) = (median(plain), median(one), median(many));
    Ok(vec![
        Row::rate("P1", "durable local writes, one caller", one, plain, 0.8),
        Row::rate("P1c", "the same, 16 callers, to one caller", many, one, 5.0),
    ])
}

/// P2: many local writes in batches.
pub(crate) fn batched_writes(count: usize) -> Result<Row> {
    let (mut plain, mut ours) = (Vec::new(), Vec::new());
    for round in 0..ROUNDS {
        let directory = tempfile::tempdir()?;
        let records = records(u64::try_from(round)?, count);
        let elapsed = reference::write(&directory.path().join("r.db"), &records, BATCH, true)?;
        plain.push(rate(count, elapsed.as_secs_f64()));
        let client = open(directory.path(), "ours.db")?;
        let started = Instant::now();
        for batch in records.chunks(BATCH) {
            let writes = batch.iter().map(create).collect();
            client.write(Write::Batch { atomic: false, writes })?;
        }
        ours.push(per_second(count, started));
    }
    Ok(Row::rate("P2", "local writes in batches", median(ours), median(plain), 0.5))
}
