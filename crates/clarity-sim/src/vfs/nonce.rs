//! Makes the random numbers that SQLite writes into its journals follow the disk's seed.
//!
//! SQLite salts each write-ahead log, and each rollback journal, with bytes of a generator that
//! is shared by all connections and threads of the process and that no VFS controls. They decide
//! nothing, but they are in the files, so two runs of one seed would differ in their bytes. The
//! maps here stand between SQLite and the file: on the way out they replace the process's number
//! with one of the disk's, on the way back they restore it, so each side sees a journal that is
//! valid as it stands, and a handle that is opened later needs no map.
//!
//! The checksums that depend on those numbers are replaced without reading the data, because both
//! are linear in them modulo 2^32: a page's checksum in a rollback journal is the journal's number
//! plus a sum over the page, and a frame's checksum in a write-ahead log is a fixed matrix applied
//! to the checksum of the frame before it, plus a term of the data alone.
//!
//! Sources: "Database File Format", sections "The Rollback Journal" and "The Write-Ahead Log", of
//! the SQLite documentation.

use std::borrow::Cow;

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::Rng;

/// Reads stored bytes at an offset into a buffer, and says whether all of them exist.
pub(super) type ReadStored<'a> = &'a dyn Fn(usize, &mut [u8]) -> bool;

/// The map of one open handle.
pub(super) enum NonceMap {
    /// The file holds no random numbers.
    Plain,
    /// A write-ahead log.
    Log(Option<LogMap>),
    /// A rollback journal: one entry for each of its segments, in order.
    Journal(Vec<Segment>),
}

impl NonceMap {
    /// What to store when SQLite writes `data` at `offset`.
    pub(super) fn outgoing<'a>(
        &mut self,
        offset: usize,
        data: &'a [u8],
        random: &mut ChaCha8Rng,
    ) -> Cow<'a, [u8]> {
        match self {
            Self::Plain => Cow::Borrowed(data),
            Self::Log(map) => log_outgoing(map, offset, data, random),
            Self::Journal(segments) => journal_outgoing(segments, offset, data, random),
        }
    }

    /// Restores in `data`, read at `offset`, what SQLite wrote.
    pub(super) fn incoming(&self, offset: usize, data: &mut [u8], stored: ReadStored<'_>) {
        match self {
            Self::Plain | Self::Log(None) => {}
            Self::Log(Some(map)) => map.incoming(offset, data, stored),
            Self::Journal(segments) => journal_incoming(segments, offset, data),
        }
    }

    /// Forgets what a file that was cut to nothing held.
    pub(super) fn emptied(&mut self) {
        match self {
            Self::Plain => {}
            Self::Log(map) => *map = None,
            Self::Journal(segments) => segments.clear(),
        }
    }
}

const LOG_HEADER: usize = 32;
const FRAME_HEADER: usize = 24;
/// Where salts and checksum begin in the header of a log, and in that of a frame.
const LOG_SALTS: usize = 16;
const FRAME_SALTS: usize = 8;

/// A running checksum of a write-ahead log, or the difference of two.
type Sums = [u32; 2];
/// What a run of data words does to a difference of checksums.
type Matrix = [[u32; 2]; 2];

/// One pair of data words: `s1 += x + s2; s2 += y + s1`.
const STEP: Matrix = [[1, 1], [1, 2]];

/// What the present header of a log replaced.
pub(super) struct LogMap {
    page_bytes: usize,
    live_salts: [u8; 8],
    stored_salts: [u8; 8],
    /// Stored minus live checksum of the log's header.
    header_difference: Sums,
    /// What one frame does to a difference of checksums.
    frame_step: Matrix,
}

fn log_outgoing<'a>(
    map: &mut Option<LogMap>,
    offset: usize,
    data: &'a [u8],
    random: &mut ChaCha8Rng,
) -> Cow<'a, [u8]> {
    if offset == 0 && data.len() == LOG_HEADER {
        let mut header = data.to_vec();
        *map = Some(LogMap::replace(&mut header, random));
        return Cow::Owned(header);
    }
    let Some(map) = map else { return Cow::Borrowed(data) };
    match map.frame_at(offset) {
        Some(frame) if data.len() == FRAME_HEADER && data[8..16] == map.live_salts => {
            let mut header = data.to_vec();
            header[8..16].copy_from_slice(&map.stored_salts);
            let live = sums_at(&header, 16);
            put_sums(&mut header, 16, add(live, map.difference(frame)));
            Cow::Owned(header)
        }
        _ => Cow::Borrowed(data),
    }
}

impl LogMap {
    /// Gives a log's header salts of the disk.
    fn replace(header: &mut [u8], random: &mut ChaCha8Rng) -> Self {
        let mut live_salts = [0; 8];
        live_salts.copy_from_slice(&header[LOG_SALTS..LOG_SALTS + 8]);
        let mut stored_salts = [0; 8];
        random.fill_bytes(&mut stored_salts);
        let live = sums_at(header, 24);
        header[LOG_SALTS..LOG_SALTS + 8].copy_from_slice(&stored_salts);
        let stored = header_checksum(header);
        put_sums(header, 24, stored);
        let page_bytes = word_at(header, 8) as usize;
        Self {
            page_bytes,
            live_salts,
            stored_salts,
            header_difference: subtract(stored, live),
            // A frame's checksum covers the first 8 bytes of its header, and its page.
            frame_step: power(STEP, (8 + page_bytes) / 8),
        }
    }

    /// The number, counting from 1, of the frame whose header is at `offset`.
    fn frame_at(&self, offset: usize) -> Option<usize> {
        let behind_header = offset.checked_sub(LOG_HEADER)?;
        let frame_bytes = FRAME_HEADER + self.page_bytes;
        behind_header.is_multiple_of(frame_bytes).then(|| behind_header / frame_bytes + 1)
    }

    /// Stored minus live checksum of a frame.
    fn difference(&self, frame: usize) -> Sums {
        apply(power(self.frame_step, frame), self.header_difference)
    }

    fn incoming(&self, offset: usize, data: &mut [u8], stored: ReadStored<'_>) {
        if offset < LOG_HEADER {
            let mut header = [0; LOG_HEADER];
            if stored(0, &mut header) && header[LOG_SALTS..LOG_SALTS + 8] == self.stored_salts {
                header[LOG_SALTS..LOG_SALTS + 8].copy_from_slice(&self.live_salts);
                let sums = sums_at(&header, 24);
                put_sums(&mut header, 24, subtract(sums, self.header_difference));
                overlay(offset, data, 0, &header);
            }
        }
        let frame_bytes = FRAME_HEADER + self.page_bytes;
        let mut frame = offset.saturating_sub(LOG_HEADER) / frame_bytes + 1;
        let mut at = LOG_HEADER + (frame - 1) * frame_bytes;
        while at < offset + data.len() {
            // A read of a page alone touches no header; nearly all reads are that.
            if at + FRAME_HEADER > offset {
                self.restore_frame(frame, at, offset, data, stored);
            }
            frame += 1;
            at += frame_bytes;
        }
    }

    fn restore_frame(
        &self,
        frame: usize,
        at: usize,
        offset: usize,
        data: &mut [u8],
        stored: ReadStored<'_>,
    ) {
        let mut header = [0; FRAME_HEADER];
        if stored(at, &mut header) && header[FRAME_SALTS..16] == self.stored_salts {
            header[FRAME_SALTS..16].copy_from_slice(&self.live_salts);
            let sums = sums_at(&header, 16);
            put_sums(&mut header, 16, subtract(sums, self.difference(frame)));
            overlay(offset, data, at, &header);
        }
    }
}

/// Bytes of a rollback journal's header that carry something.
const JOURNAL_HEADER: usize = 28;
/// Where the header has its random number.
const JOURNAL_NONCE: usize = 12;
/// Smallest sector, hence smallest write of a whole header, that SQLite assumes.
const JOURNAL_SECTOR: usize = 512;

/// One header of a rollback journal and the records that follow it.
pub(super) struct Segment {
    start: usize,
    sector_bytes: usize,
    page_bytes: usize,
    live: u32,
    stored: u32,
}

impl Segment {
    /// Whether a record has its checksum at `offset`.
    fn has_checksum_at(&self, offset: usize) -> bool {
        let records = self.start + self.sector_bytes;
        // A record is the page's number, the page and the checksum.
        offset >= records && (offset - records) % (8 + self.page_bytes) == 4 + self.page_bytes
    }
}

fn journal_outgoing<'a>(
    segments: &mut Vec<Segment>,
    offset: usize,
    data: &'a [u8],
    random: &mut ChaCha8Rng,
) -> Cow<'a, [u8]> {
    // Pages in records start 4 bytes behind a multiple of 8, so a long write at the start of a
    // sector is a header.
    if data.len() >= JOURNAL_SECTOR && offset.is_multiple_of(JOURNAL_SECTOR) {
        segments.retain(|segment| segment.start < offset);
        let segment = Segment {
            start: offset,
            sector_bytes: word_at(data, 20) as usize,
            page_bytes: word_at(data, 24) as usize,
            live: word_at(data, JOURNAL_NONCE),
            stored: random.next_u32(),
        };
        let mut header = data.to_vec();
        put_word(&mut header, JOURNAL_NONCE, segment.stored);
        segments.push(segment);
        return Cow::Owned(header);
    }
    match segment_of(segments, offset) {
        Some(segment) if data.len() == 4 && segment.has_checksum_at(offset) => {
            let mut checksum = data.to_vec();
            let moved = word_at(data, 0).wrapping_add(segment.stored.wrapping_sub(segment.live));
            put_word(&mut checksum, 0, moved);
            Cow::Owned(checksum)
        }
        _ => Cow::Borrowed(data),
    }
}

fn journal_incoming(segments: &[Segment], offset: usize, data: &mut [u8]) {
    let Some(segment) = segment_of(segments, offset) else { return };
    let is_nonce = offset == segment.start + JOURNAL_NONCE;
    if data.len() == 4 && (is_nonce || segment.has_checksum_at(offset)) {
        let moved = word_at(data, 0).wrapping_sub(segment.stored.wrapping_sub(segment.live));
        put_word(data, 0, moved);
    } else if offset == segment.start && data.len() >= JOURNAL_HEADER {
        put_word(data, JOURNAL_NONCE, segment.live);
    }
}

fn segment_of(segments: &[Segment], offset: usize) -> Option<&Segment> {
    segments.iter().rev().find(|segment| segment.start <= offset)
}

/// Copies into `data`, which shows a file from `offset`, what of `bytes` at `at` lies in it.
fn overlay(offset: usize, data: &mut [u8], at: usize, bytes: &[u8]) {
    let start = at.max(offset);
    let end = (at + bytes.len()).min(offset + data.len());
    if start < end {
        data[start - offset..end - offset].copy_from_slice(&bytes[start - at..end - at]);
    }
}

/// The checksum of a log's header; the lowest bit of its magic number says in which byte order
/// words are summed.
fn header_checksum(header: &[u8]) -> Sums {
    let is_big_endian = header[3] & 1 == 1;
    let mut sums: Sums = [0, 0];
    for pair in header[..24].as_chunks::<8>().0 {
        let [first, second] = [0, 4].map(|at| {
            let word = word_at(pair, at);
            if is_big_endian { word } else { word.swap_bytes() }
        });
        sums[0] = sums[0].wrapping_add(first).wrapping_add(sums[1]);
        sums[1] = sums[1].wrapping_add(second).wrapping_add(sums[0]);
    }
    sums
}

fn word_at(bytes: &[u8], at: usize) -> u32 {
    let mut word = [0; 4];
    word.copy_from_slice(&bytes[at..at + 4]);
    u32::from_be_bytes(word)
}

fn put_word(bytes: &mut [u8], at: usize, word: u32) {
    bytes[at..at + 4].copy_from_slice(&word.to_be_bytes());
}

fn sums_at(bytes: &[u8], at: usize) -> Sums {
    [word_at(bytes, at), word_at(bytes, at + 4)]
}

fn put_sums(bytes: &mut [u8], at: usize, sums: Sums) {
    put_word(bytes, at, sums[0]);
    put_word(bytes, at + 4, sums[1]);
}

fn add(left: Sums, right: Sums) -> Sums {
    [left[0].wrapping_add(right[0]), left[1].wrapping_add(right[1])]
}

fn subtract(left: Sums, right: Sums) -> Sums {
    [left[0].wrapping_sub(right[0]), left[1].wrapping_sub(right[1])]
}

fn apply(matrix: Matrix, sums: Sums) -> Sums {
    matrix.map(|row| row[0].wrapping_mul(sums[0]).wrapping_add(row[1].wrapping_mul(sums[1])))
}

fn multiply(left: Matrix, right: Matrix) -> Matrix {
    left.map(|row| {
        [0, 1].map(|column| {
            let first = row[0].wrapping_mul(right[0][column]);
            first.wrapping_add(row[1].wrapping_mul(right[1][column]))
        })
    })
}

fn power(mut base: Matrix, mut exponent: usize) -> Matrix {
    let mut result = [[1, 0], [0, 1]];
    while exponent > 0 {
        if exponent & 1 == 1 {
            result = multiply(result, base);
        }
        base = multiply(base, base);
        exponent >>= 1;
    }
    result
}
