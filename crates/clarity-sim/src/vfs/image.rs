//! The bytes of one file, in chunks that clones share until one of them writes.

use std::sync::{Arc, LazyLock};

/// Bytes in one shared chunk. The usual SQLite page, so that a page write replaces one chunk.
const CHUNK_BYTES: usize = 4096;

type Chunk = [u8; CHUNK_BYTES];

/// What holes and fresh space are made of.
static ZERO_CHUNK: LazyLock<Arc<Chunk>> = LazyLock::new(|| Arc::new([0; CHUNK_BYTES]));

/// One file's bytes, copy-on-write.
///
/// Invariant: there are exactly as many chunks as the length needs, and the bytes of the last
/// chunk that lie past the length are zero, so that growing shows zeros.
#[derive(Clone, Default)]
pub(super) struct FileImage {
    chunks: Vec<Arc<Chunk>>,
    length: usize,
}

impl FileImage {
    pub(super) fn from_bytes(bytes: &[u8]) -> Self {
        let mut image = Self::default();
        image.write(0, bytes);
        image
    }

    pub(super) fn length(&self) -> usize {
        self.length
    }

    /// Copies what exists of the range into `buffer`, leaves the rest of it alone, and returns how
    /// many bytes existed.
    pub(super) fn read(&self, offset: usize, buffer: &mut [u8]) -> usize {
        let available = self.length.saturating_sub(offset).min(buffer.len());
        let mut done = 0;
        while done < available {
            let start = (offset + done) % CHUNK_BYTES;
            let step = (CHUNK_BYTES - start).min(available - done);
            let chunk = &self.chunks[(offset + done) / CHUNK_BYTES];
            buffer[done..done + step].copy_from_slice(&chunk[start..start + step]);
            done += step;
        }
        available
    }

    /// Writes `data` at `offset`, growing the file if needed.
    pub(super) fn write(&mut self, offset: usize, data: &[u8]) {
        if data.is_empty() {
            return;
        }
        if offset + data.len() > self.length {
            self.set_length(offset + data.len());
        }
        let mut done = 0;
        while done < data.len() {
            let start = (offset + done) % CHUNK_BYTES;
            let step = (CHUNK_BYTES - start).min(data.len() - done);
            let chunk = &mut self.chunks[(offset + done) / CHUNK_BYTES];
            Arc::make_mut(chunk)[start..start + step].copy_from_slice(&data[done..done + step]);
            done += step;
        }
    }

    /// Cuts the file, or grows it with zeros.
    pub(super) fn set_length(&mut self, length: usize) {
        self.chunks.resize_with(length.div_ceil(CHUNK_BYTES), || Arc::clone(&ZERO_CHUNK));
        let tail = length % CHUNK_BYTES;
        if length < self.length && tail != 0 {
            let last = self.chunks.len() - 1;
            Arc::make_mut(&mut self.chunks[last])[tail..].fill(0);
        }
        self.length = length;
    }

    /// Makes this image equal to `newer`, given all that differs: the ranges written since, and
    /// the shortest length that the file had in between. Costs the changes, not the file.
    pub(super) fn catch_up(
        &mut self,
        newer: &Self,
        written: impl Iterator<Item = (usize, usize)>,
        shortest: usize,
    ) {
        let shared =
            self.chunks.len().min(newer.chunks.len()).min(shortest.min(newer.length) / CHUNK_BYTES);
        self.chunks.truncate(shared);
        for (offset, length) in written {
            let last = (offset + length).div_ceil(CHUNK_BYTES).min(shared);
            for index in offset / CHUNK_BYTES..last {
                self.chunks[index] = Arc::clone(&newer.chunks[index]);
            }
        }
        self.chunks.extend_from_slice(&newer.chunks[shared..]);
        self.length = newer.length;
    }

    pub(super) fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = vec![0; self.length];
        self.read(0, &mut bytes);
        bytes
    }

    /// Feeds length and bytes to `hasher`.
    pub(super) fn hash_into(&self, hasher: &mut blake3::Hasher) {
        hasher.update(&(self.length as u64).to_le_bytes());
        for (index, chunk) in self.chunks.iter().enumerate() {
            hasher.update(&chunk[..(self.length - index * CHUNK_BYTES).min(CHUNK_BYTES)]);
        }
    }
}
