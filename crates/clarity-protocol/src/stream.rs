//! The event stream, as a device reads it.

use std::fmt;

use crate::hint::Hint;

/// Reads the event stream: each `data:` line of it is a [`Hint`], and whatever else there is, is
/// not. It takes the stream in pieces of any length. `Debug` hides what was read.
#[derive(Default)]
pub struct HintStream {
    /// The line that has not ended yet.
    line: Vec<u8>,
}

impl HintStream {
    /// Longest line that is kept, in bytes: what is beyond it is passed over.
    pub const LINE_BYTES_MAX: usize = 64 * 1024;

    /// Takes in the next piece of the stream, and delivers the hints that end in it.
    pub fn take_in(&mut self, piece: &[u8], deliver: &mut dyn FnMut(Hint)) {
        for byte in piece {
            if *byte == b'\n' {
                if let Some(hint) = hint_of(&self.line) {
                    deliver(hint);
                }
                self.line.clear();
            } else if self.line.len() < Self::LINE_BYTES_MAX {
                self.line.push(*byte);
            }
        }
    }
}

fn hint_of(line: &[u8]) -> Option<Hint> {
    let text = std::str::from_utf8(line).ok()?;
    Hint::parse(text.strip_prefix("data:")?.trim())
}

impl fmt::Debug for HintStream {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("HintStream").field("bytes", &self.line.len()).finish()
    }
}
