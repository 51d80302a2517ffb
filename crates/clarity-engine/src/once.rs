//! Writes that are asked for again when their answer was lost.
//!
//! Whoever writes through somebody else, as a page does through the worker that has the store, does
//! not know whether a write was made when that one ends before it has answered. So the write says
//! who asks and counts its questions, and what became of it is kept, in the same transaction, until
//! the asker says that it has heard.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::context::Context;
use crate::error::WriteError;
use crate::event::Written;

/// The name under which answers are kept in the store.
const WRITERS: &str = "writers";
/// Most writers whose answers are kept; the one that has been silent for longest is forgotten.
pub const WRITERS_MAX: usize = 64;
/// Most answers of one writer that are kept.
pub const UNHEARD_MAX: usize = 1_024;

/// Which write it is, however often it is asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
pub struct Once {
    /// Who asks: a name that nobody else uses, such as random bits.
    pub writer: String,
    /// The number of the write among those of the writer.
    pub number: u64,
    /// The writer has heard what became of its writes below this number.
    pub heard_below: u64,
}

#[derive(Default, Serialize, Deserialize)]
struct Writers {
    /// How many writes there were: their order, which no clock tells.
    writes: u64,
    writers: BTreeMap<String, Writer>,
}

#[derive(Serialize, Deserialize)]
struct Writer {
    last_write: u64,
    heard_below: u64,
    written: BTreeMap<u64, Written>,
}

/// What became of a write the first time; nothing when this is the first time.
pub(crate) fn written_before(
    context: &Context<'_, '_>,
    once: &Once,
) -> Result<Option<Written>, WriteError> {
    let writers: Writers = context.tx.state(WRITERS)?.unwrap_or_default();
    let Some(writer) = writers.writers.get(&once.writer) else { return Ok(None) };
    if once.number < writer.heard_below {
        // It was made, and whoever asked has heard of it.
        return Ok(Some(Written::default()));
    }
    let known = writer.written.get(&once.number).cloned();
    let unheard = writer.written.range(once.heard_below..).count();
    if known.is_none() && unheard >= UNHEARD_MAX {
        return Err(WriteError::TooManyUnheard);
    }
    Ok(known)
}

/// Keeps what became of a write.
pub(crate) fn note(
    context: &mut Context<'_, '_>,
    once: Once,
    written: &Written,
) -> Result<(), WriteError> {
    let mut known: Writers = context.tx.state(WRITERS)?.unwrap_or_default();
    known.writes += 1;
    let Writers { writes, writers } = &mut known;
    let new = Writer { last_write: 0, heard_below: 0, written: BTreeMap::new() };
    let writer = writers.entry(once.writer).or_insert(new);
    writer.last_write = *writes;
    writer.heard_below = writer.heard_below.max(once.heard_below);
    writer.written = writer.written.split_off(&writer.heard_below);
    writer.written.insert(once.number, written.clone());
    while writers.len() > WRITERS_MAX {
        let silent = writers.iter().min_by_key(|(_, writer)| writer.last_write);
        let Some(name) = silent.map(|(name, _)| name.clone()) else { break };
        writers.remove(&name);
    }
    Ok(context.tx.put_state(WRITERS, &known)?)
}
