//! The write-ahead log: finding damage in it, and making what lies behind the damage readable.
//!
//! SQLite reads a log up to the first frame whose checksum does not fit, and takes the rest for
//! what a crash left of a transaction that was never acknowledged. Frames of two later commits
//! behind such a frame show that this is not so: each commit is durable before the next begins.
//!
//! A log whose own header does not fit, SQLite takes for an empty one. Frames that fit each other
//! show that it is not; but where the file holds all of them already, nothing is missing.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;

use super::files::PAGE_BYTES;

/// Bytes of the header of a log.
const HEADER_BYTES: usize = 32;
/// Bytes of the header of a frame.
const FRAME_HEADER_BYTES: usize = 24;
/// How a log begins whose checksums are of little-endian words; one more for big-endian ones.
const MAGIC: u32 = 0x377f_0682;
/// The version of the form of logs.
const FORM: u32 = 3_007_000;

/// Whether frames that were acknowledged lie where SQLite does not see them, behind a damaged frame
/// or a damaged header, and the store's file does not hold them.
pub(crate) fn is_damaged(log: &[u8], store: &Path) -> bool {
    let Some(mended) = mended(log) else { return false };
    header_of(log).is_some() || !is_in(store, &mended)
}

/// Whether a file holds the newest state of every page of a log.
fn is_in(store: &Path, log: &[u8]) -> bool {
    let page_bytes = usize::from(PAGE_BYTES);
    let mut pages = BTreeMap::new();
    for frame in log[HEADER_BYTES..].chunks_exact(FRAME_HEADER_BYTES + page_bytes) {
        pages.insert(word(frame, 0), &frame[FRAME_HEADER_BYTES..]);
    }
    let Ok(mut file) = File::open(store) else { return false };
    let mut there = vec![0; page_bytes];
    pages.into_iter().all(|(number, page)| {
        let at = u64::from(number.saturating_sub(1)) * u64::from(PAGE_BYTES);
        let read = file.seek(SeekFrom::Start(at)).and_then(|_| file.read_exact(&mut there));
        read.is_ok() && there == page
    })
}

/// The log with new checksums up to its last commit, if frames that were acknowledged lie behind a
/// damaged one or a damaged header. A damaged frame itself then shows as a damaged page, unless a
/// later frame holds the same page anew.
pub(super) fn mended(log: &[u8]) -> Option<Vec<u8>> {
    let Some(header) = header_of(log) else { return with_header(log) };
    let frames = Frames::of(log, header.page_bytes, &log[16..24]);
    let sum = checksum(header.big_endian, (0, 0), &log[..24]);
    let damaged = frames.first_damaged(header.big_endian, Some(sum));
    let damaged = damaged.filter(|damaged| frames.commits_behind(*damaged) >= 2)?;
    let (sum, start) = match damaged {
        0 => (sum, HEADER_BYTES),
        _ => (frames.sum(damaged - 1), HEADER_BYTES + damaged * frames.bytes),
    };
    let rest = &frames.all[damaged..frames.last_commit(frames.all.len())];
    Some(summed(log[..start].to_vec(), rest, header.big_endian, sum))
}

/// The frames of a log without a header that fits, under a new one; nothing when they do not fit
/// each other up to a commit.
fn with_header(log: &[u8]) -> Option<Vec<u8>> {
    let salts = log.get(HEADER_BYTES + 8..HEADER_BYTES + 16)?;
    let frames = Frames::of(log, usize::from(PAGE_BYTES), salts);
    for big_endian in [false, true] {
        let whole = frames.first_damaged(big_endian, None).unwrap_or(frames.all.len());
        let is_torn_end = frames.commits_behind(whole) < 2;
        let known = frames.last_commit(whole);
        if known < 2 {
            continue;
        }
        let last = if is_torn_end { known } else { frames.last_commit(frames.all.len()) };
        let mut header = Vec::with_capacity(log.len());
        for number in [MAGIC + u32::from(big_endian), FORM, u32::from(PAGE_BYTES), 0] {
            header.extend_from_slice(&number.to_be_bytes());
        }
        header.extend_from_slice(salts);
        let sum = checksum(big_endian, (0, 0), &header);
        header.extend_from_slice(&sum.0.to_be_bytes());
        header.extend_from_slice(&sum.1.to_be_bytes());
        return Some(summed(header, &frames.all[..last], big_endian, sum));
    }
    None
}

/// What the header of a log says that matters here.
struct Header {
    page_bytes: usize,
    big_endian: bool,
}

/// The header of a log, if it fits.
fn header_of(log: &[u8]) -> Option<Header> {
    let header = log.get(..HEADER_BYTES)?;
    let (magic, page_bytes) = (word(header, 0), word(header, 8) as usize);
    let big_endian = magic & 1 == 1;
    let fits = (magic & !1 == MAGIC)
        && (512..=65_536).contains(&page_bytes)
        && checksum(big_endian, (0, 0), &header[..24]) == (word(header, 24), word(header, 28));
    fits.then_some(Header { page_bytes, big_endian })
}

/// The frames of a log that belong together.
struct Frames<'l> {
    all: Vec<&'l [u8]>,
    bytes: usize,
}

impl<'l> Frames<'l> {
    fn of(log: &'l [u8], page_bytes: usize, salts: &[u8]) -> Self {
        let bytes = FRAME_HEADER_BYTES + page_bytes;
        let frames = log[HEADER_BYTES..].chunks_exact(bytes);
        Self { all: frames.take_while(|frame| &frame[8..16] == salts).collect(), bytes }
    }

    /// The checksum that a frame has.
    fn sum(&self, number: usize) -> (u32, u32) {
        (word(self.all[number], 16), word(self.all[number], 20))
    }

    /// The first frame whose checksum does not follow from the one before it; that of the first
    /// from `start`, where it is known.
    fn first_damaged(&self, big_endian: bool, start: Option<(u32, u32)>) -> Option<usize> {
        (0..self.all.len()).find(|number| {
            let before = match number {
                0 => start,
                _ => Some(self.sum(number - 1)),
            };
            let next = |sum| frame_checksum(big_endian, sum, self.all[*number]);
            before.is_some_and(|sum| next(sum) != self.sum(*number))
        })
    }

    /// How many commits lie behind a frame.
    fn commits_behind(&self, number: usize) -> usize {
        self.all.iter().skip(number + 1).filter(|frame| word(frame, 4) != 0).count()
    }

    /// How many frames there are up to the last commit among the first `count`.
    fn last_commit(&self, count: usize) -> usize {
        self.all[..count].iter().rposition(|frame| word(frame, 4) != 0).map_or(0, |last| last + 1)
    }
}

/// A log continued by frames with new checksums.
fn summed(mut log: Vec<u8>, frames: &[&[u8]], big_endian: bool, mut sum: (u32, u32)) -> Vec<u8> {
    for frame in frames {
        sum = frame_checksum(big_endian, sum, frame);
        let start = log.len();
        log.extend_from_slice(frame);
        log[start + 16..start + 20].copy_from_slice(&sum.0.to_be_bytes());
        log[start + 20..start + 24].copy_from_slice(&sum.1.to_be_bytes());
    }
    log
}

fn word(bytes: &[u8], at: usize) -> u32 {
    u32::from_be_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}

fn frame_checksum(big_endian: bool, sum: (u32, u32), frame: &[u8]) -> (u32, u32) {
    let sum = checksum(big_endian, sum, &frame[..8]);
    checksum(big_endian, sum, &frame[FRAME_HEADER_BYTES..])
}

/// SQLite's checksum of a log, over pairs of 32-bit words.
fn checksum(big_endian: bool, (mut s0, mut s1): (u32, u32), bytes: &[u8]) -> (u32, u32) {
    let word = |bytes: &[u8]| {
        let four = [bytes[0], bytes[1], bytes[2], bytes[3]];
        if big_endian { u32::from_be_bytes(four) } else { u32::from_le_bytes(four) }
    };
    for pair in bytes.chunks_exact(8) {
        s0 = s0.wrapping_add(word(&pair[..4])).wrapping_add(s1);
        s1 = s1.wrapping_add(word(&pair[4..])).wrapping_add(s0);
    }
    (s0, s1)
}
