//! Reads health exports in a browser's worker.
//!
//! It is a module of its own beside the engine's, because most visits need none of it. A file is
//! read by slices, never as a whole; what is in it is handed over as the writes that the engine's
//! worker takes in, in JSON.
//!
//! *Architecture Invariant:* nothing is decided here; what a file holds, `clarity-health` says.

mod part;
#[cfg(target_arch = "wasm32")]
mod reader;
#[cfg(target_arch = "wasm32")]
mod slices;

pub use part::{ReadSummary, write_of};
#[cfg(target_arch = "wasm32")]
pub use reader::read_file;
