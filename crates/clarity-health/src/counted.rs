//! A reader that knows where it is, and stops where it is told to.

use std::cell::Cell;
use std::io::{self, Read};
use std::rc::Rc;

use crate::error::LimitReached;

/// Where a reader is, shared with whoever looks at what it reads.
#[derive(Debug, Clone, Default)]
pub(crate) struct Place {
    position: Rc<Cell<u64>>,
    limit: Rc<Cell<u64>>,
}

impl Place {
    /// Bytes that were read.
    pub(crate) fn position(&self) -> u64 {
        self.position.get()
    }

    /// Lets so many bytes more be read. Answers the limit that was there.
    pub(crate) fn allow(&self, bytes: usize) -> u64 {
        self.limit.replace(self.position.get().saturating_add(bytes as u64))
    }

    /// As [`Place::allow`], and never beyond the limit that is there.
    pub(crate) fn narrow(&self, bytes: usize) -> u64 {
        let before = self.allow(bytes);
        self.limit.set(self.limit.get().min(before));
        before
    }

    /// Puts a limit back.
    pub(crate) fn restore(&self, limit: u64) {
        self.limit.set(limit);
    }
}

/// Counts what is read, and fails beyond the limit of its place.
#[derive(Debug)]
pub(crate) struct Counted<R> {
    reader: R,
    place: Place,
}

impl<R> Counted<R> {
    pub(crate) fn new(reader: R, place: Place) -> Self {
        Self { reader, place }
    }
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = self.place.limit.get().saturating_sub(self.place.position.get());
        if left == 0 && !buffer.is_empty() {
            return Err(io::Error::other(LimitReached));
        }
        let length = usize::try_from(left).map_or(buffer.len(), |left| left.min(buffer.len()));
        let count = self.reader.read(&mut buffer[..length])?;
        self.place.position.set(self.place.position.get() + count as u64);
        Ok(count)
    }
}
