//! Many changes from JSON lines.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read};
use std::path::PathBuf;

use clap::Args;
use clarity_client::model::limits;
use clarity_client::{
    BatchCause, BatchError, Client, EntityId, EntityKey, EntityType, Fields, ReadVersion, Write,
};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::device::store::Place;
use crate::exit::{CliError, CliResult, ExitKind};
use crate::output::{Output, counted, grouped, progress_bar};

/// Longest line, in bytes: the largest operation and what its line has around it.
const LINE_BYTES_MAX: u64 = 2 * limits::OPERATION_BYTES_MAX as u64;

/// Arguments of `clarity device batch`.
#[derive(Debug, Args)]
#[command(after_help = "\
Each line is one change, as a JSON object:
  {\"do\":\"create\",\"type\":\"Note\",\"fields\":{\"title\":\"Breakfast\"}}   \"id\" names it, else it is new
  {\"do\":\"update\",\"type\":\"Note\",\"id\":\"ID\",\"fields\":{\"title\":\"Supper\"},\"remove\":[\"text\"]}
    with \"seen\":{\"title\":\"Breakfast\"} a change that came in since is merged, not written over
  {\"do\":\"delete\",\"type\":\"Note\",\"id\":\"ID\"}

Lines are saved in parts, in order. After an error the lines before it are saved, those from it on
are not; mend it and go on with --from LINE. With --atomic all lines are saved and reach the server
together or not at all: at most 1,000 changes and 1 MiB, each entity once.")]
pub(crate) struct BatchArguments {
    /// The file; - for standard input
    #[arg(value_name = "FILE|-")]
    file: PathBuf,
    /// All or nothing, here and at the server
    #[arg(long)]
    atomic: bool,
    /// Begin with this line, counted from 1
    #[arg(long, value_name = "LINE", default_value_t = 1)]
    from: u64,
}

/// One line.
#[derive(Deserialize)]
#[serde(tag = "do", rename_all = "snake_case", deny_unknown_fields)]
enum Line {
    Create {
        #[serde(rename = "type")]
        entity_type: EntityType,
        id: Option<EntityId>,
        #[serde(default)]
        fields: Fields,
    },
    Update {
        #[serde(rename = "type")]
        entity_type: EntityType,
        id: EntityId,
        #[serde(default)]
        fields: Fields,
        #[serde(default)]
        remove: Vec<String>,
        /// The fields as their writer saw them; absent writes over what is there now.
        seen: Option<Fields>,
    },
    Delete {
        #[serde(rename = "type")]
        entity_type: EntityType,
        id: EntityId,
    },
}

/// Reads and writes.
pub(crate) fn run(place: &Place, arguments: &BatchArguments, output: Output) -> CliResult {
    let client = place.open_or_make()?;
    let input: Box<dyn Read> = if arguments.file.as_os_str() == "-" {
        Box::new(std::io::stdin())
    } else {
        let file = std::fs::File::open(&arguments.file);
        Box::new(file.map_err(|error| CliError::file(&arguments.file, &error))?)
    };
    let lines = Lines { input: BufReader::new(input), client: &client, number: 0 };
    let mut lines = lines.skip_to(arguments.from)?;
    if arguments.atomic { atomic(&client, &mut lines, output) } else { stream(lines, output) }
}

fn stream(mut lines: Lines<'_>, output: Output) -> CliResult {
    let client = lines.client;
    let bar = progress_bar("{spinner} {msg}");
    // The line of each write that is not durable yet, for the words of an error.
    let mut numbers = std::collections::VecDeque::new();
    let shared = std::cell::RefCell::new((&mut numbers, 0_u64));
    let writes = std::iter::from_fn(|| {
        let next = lines.next()?;
        if next.is_ok() {
            shared.borrow_mut().0.push_back(lines.number);
        }
        Some(next)
    });
    let result = client.try_enqueue_batch(writes, |progress| {
        let mut shared = shared.borrow_mut();
        let settled = progress.durable - shared.1;
        shared.1 = progress.durable;
        shared.0.drain(..usize::try_from(settled).unwrap_or(usize::MAX));
        bar.set_message(format!("{} saved", counted(progress.durable, "change", "changes")));
    });
    bar.finish_and_clear();
    match result {
        Ok(done) => {
            output.show(&done, || {
                let saved = counted(done.durable, "change", "changes");
                format!("{saved} saved on this device and waiting to be sent.")
            })?;
            Ok(ExitKind::Done)
        }
        Err(BatchError { progress, cause }) => {
            let saved = format!("{} before it are saved", grouped(progress.durable));
            let at = numbers.front().copied().unwrap_or_default();
            Err(match cause {
                BatchCause::Refused { reason, .. } => {
                    let error = CliError::from(clarity_client::ClientError::from(*reason));
                    CliError::new(error.kind, format!("line {at}: {error}; {saved}"))
                }
                BatchCause::Source(error) => CliError::new(error.kind, format!("{error}; {saved}")),
                BatchCause::Client(error) => {
                    let error = CliError::from(*error);
                    CliError::new(error.kind, format!("{error}; {saved}, up to line {at}"))
                }
                _ => CliError::unexpected(saved),
            })
        }
    }
}

fn atomic(client: &Client, lines: &mut Lines<'_>, output: Output) -> CliResult {
    let mut writes = Vec::new();
    let mut numbers = Vec::new();
    while let Some(write) = lines.next() {
        writes.push(write?);
        numbers.push(lines.number);
        if writes.len() > limits::ATOMIC_BATCH_OPERATIONS_MAX {
            let most = grouped(limits::ATOMIC_BATCH_OPERATIONS_MAX as u64);
            let words = format!("more than {most} lines; an atomic batch holds no more");
            return Err(CliError::usage(format!("{words}; nothing was saved")));
        }
    }
    let written = client.write(Write::Batch { atomic: true, writes }).map_err(|error| {
        use clarity_client::engine::WriteError;
        let at = match &error {
            clarity_client::ClientError::Write(WriteError::InBatch { position, .. }) => {
                numbers.get(*position).map(|number| format!("line {number}: "))
            }
            _ => None,
        };
        let error = CliError::from(error);
        let words = format!("{}{error}; nothing was saved", at.unwrap_or_default());
        CliError::new(error.kind, words)
    })?;
    let object = json!({ "durable": numbers.len(), "operations": written.operations.len() });
    output.show(&object, || {
        let saved = counted(numbers.len() as u64, "change", "changes");
        format!("{saved} saved together on this device and waiting to be sent.")
    })?;
    Ok(ExitKind::Done)
}

/// The lines of the input as writes. Only one line is held at a time.
struct Lines<'c> {
    input: BufReader<Box<dyn Read>>,
    client: &'c Client,
    /// The line that was read last, counted from 1.
    number: u64,
}

impl Lines<'_> {
    /// Leaves out what comes before a line.
    fn skip_to(mut self, from: u64) -> CliResult<Self> {
        while self.number + 1 < from {
            if self.line()?.is_none() {
                break;
            }
        }
        Ok(self)
    }

    fn line(&mut self) -> CliResult<Option<Vec<u8>>> {
        let mut line = Vec::new();
        let read = (&mut self.input).take(LINE_BYTES_MAX + 1).read_until(b'\n', &mut line)?;
        if read == 0 {
            return Ok(None);
        }
        self.number += 1;
        if line.len() as u64 > LINE_BYTES_MAX {
            return Err(CliError::usage(format!("line {} is longer than 1 MiB", self.number)));
        }
        Ok(Some(line))
    }

    fn write_of(&self, line: &[u8]) -> CliResult<Write> {
        let line: Line = serde_json::from_slice(line).map_err(|error| {
            // The words of the parser may quote what it read, which may be a health value.
            let what = match error.classify() {
                serde_json::error::Category::Data => {
                    "is not a change; see `clarity device batch --help`"
                }
                _ => "is not JSON",
            };
            let place = format!("line {}, column {}", self.number, error.column());
            CliError::usage(format!("{place}: this {what}"))
        })?;
        Ok(match line {
            Line::Create { entity_type, id, fields } => {
                let key = match id {
                    Some(id) => EntityKey { entity_type, id },
                    None => self.client.new_key(&entity_type)?,
                };
                Write::Create { key, fields, parents: Vec::new() }
            }
            Line::Update { entity_type, id, fields, remove, seen } => {
                let mut changes: BTreeMap<String, Option<Value>> =
                    fields.0.into_iter().map(|(name, value)| (name, Some(value))).collect();
                changes.extend(remove.into_iter().map(|name| (name, None)));
                let seen = seen.map(|fields| ReadVersion { fields });
                Write::Update { key: EntityKey { entity_type, id }, changes, seen }
            }
            Line::Delete { entity_type, id } => {
                Write::Delete { key: EntityKey { entity_type, id }, seen: None }
            }
        })
    }
}

impl Iterator for Lines<'_> {
    type Item = CliResult<Write>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            match self.line() {
                Ok(None) => return None,
                Ok(Some(line)) if line.trim_ascii().is_empty() => {}
                Ok(Some(line)) => return Some(self.write_of(&line)),
                Err(error) => return Some(Err(error)),
            }
        }
    }
}
