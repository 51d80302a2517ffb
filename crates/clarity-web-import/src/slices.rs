//! A file of the page, read by slices.

use std::cell::RefCell;
use std::io::{self, Read, Seek, SeekFrom};

use clarity_health::{Input, ReadSeek};
use js_sys::Uint8Array;
use web_sys::{Blob, FileReaderSync};

/// How much is asked of the browser at once.
const SLICE_BYTES: u64 = 256 * 1024;

thread_local! {
    /// The file of this worker. Readers must be free to move between threads, which what belongs
    /// to JavaScript is not; a worker reads one file and has one thread.
    static FILE: RefCell<Option<(Blob, FileReaderSync)>> = const { RefCell::new(None) };
}

/// The file that this worker reads from now on.
pub(crate) fn input(file: Blob, reader: FileReaderSync) -> Input {
    let bytes = size_of(&file);
    FILE.with(|place| place.replace(Some((file, reader))));
    Input::new(bytes, move || {
        let reader = Slices { bytes, position: 0, held: Vec::new(), held_from: 0 };
        Ok(Box::new(reader) as Box<dyn ReadSeek>)
    })
}

/// Sizes are whole numbers far below 2^53.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "see above")]
fn size_of(file: &Blob) -> u64 {
    file.size() as u64
}

struct Slices {
    bytes: u64,
    position: u64,
    held: Vec<u8>,
    held_from: u64,
}

impl Slices {
    /// What is held from the position on.
    fn ahead(&self) -> &[u8] {
        let skip = self.position.checked_sub(self.held_from).and_then(|skip| skip.try_into().ok());
        skip.and_then(|skip: usize| self.held.get(skip..)).unwrap_or_default()
    }
}

impl Read for Slices {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.ahead().is_empty() && self.position < self.bytes {
            let end = self.bytes.min(self.position.saturating_add(SLICE_BYTES));
            self.held = slice(self.position, end)?;
            self.held_from = self.position;
        }
        let ahead = self.ahead();
        let count = ahead.len().min(buffer.len());
        buffer[..count].copy_from_slice(&ahead[..count]);
        self.position += count as u64;
        Ok(count)
    }
}

impl Seek for Slices {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let position = match to {
            SeekFrom::Start(position) => Some(position),
            SeekFrom::End(by) => self.bytes.checked_add_signed(by),
            SeekFrom::Current(by) => self.position.checked_add_signed(by),
        };
        let before_start = || io::Error::from(io::ErrorKind::InvalidInput);
        self.position = position.ok_or_else(before_start)?;
        Ok(self.position)
    }
}

#[expect(clippy::cast_precision_loss, reason = "sizes are far below 2^53")]
fn slice(from: u64, to: u64) -> io::Result<Vec<u8>> {
    // The file was moved, changed or deleted since it was chosen, or its disk is gone.
    let gone = |_| io::Error::other("the file is no longer as it was when it was chosen");
    FILE.with_borrow(|place| {
        let (file, reader) = place.as_ref().ok_or(io::ErrorKind::NotFound)?;
        let part = file.slice_with_f64_and_f64(from as f64, to as f64).map_err(gone)?;
        let read = reader.read_as_array_buffer(&part).map_err(gone)?;
        Ok(Uint8Array::new(&read).to_vec())
    })
}
