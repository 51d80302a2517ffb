//! The write-ahead log: finding damage in it, and making what lies behind the damage readable.
//!
//! SQLite reads a log up to the first frame whose checksum does not fit, and takes the rest for
//! what a crash left of a transaction that was never acknowledged. Frames of two later commits
//! behind such a frame show that this is not so: each commit is durable before the next begins.

/// Bytes of the header of a log.
const HEADER_BYTES: usize = 32;
/// Bytes of the header of a frame.
const FRAME_HEADER_BYTES: usize = 24;

/// Whether frames that were acknowledged lie behind a damaged one.
pub(crate) fn is_damaged(log: &[u8]) -> bool {
    mended(log).is_some()
}

/// The log with new checksums up to its last commit, if frames that were acknowledged lie behind a
/// damaged one. The damaged frame itself then shows as a damaged page, unless a later frame holds
/// the same page anew.
pub(super) fn mended(log: &[u8]) -> Option<Vec<u8>> {
    let header = log.get(..HEADER_BYTES)?;
    let word = |bytes: &[u8], at: usize| {
        u32::from_be_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
    };
    let magic = word(header, 0);
    let page_bytes = word(header, 8) as usize;
    if magic & 0xffff_fffe != 0x377f_0682 || !(512..=65_536).contains(&page_bytes) {
        return None;
    }
    let big_endian = magic & 1 == 1;
    let salts = &header[16..24];
    let mut sum = checksum(big_endian, (0, 0), &header[..24]);
    let frame_bytes = FRAME_HEADER_BYTES + page_bytes;
    let frames: Vec<&[u8]> = log[HEADER_BYTES..].chunks_exact(frame_bytes).collect();
    let of_this_log = frames.iter().take_while(|frame| &frame[8..16] == salts).count();
    let mut first_damaged = None;
    let mut commits_behind = 0;
    let mut last_commit = 0;
    for (number, frame) in frames[..of_this_log].iter().enumerate() {
        if first_damaged.is_none() {
            let next = frame_checksum(big_endian, sum, frame);
            if (word(frame, 16), word(frame, 20)) == next {
                sum = next;
            } else {
                first_damaged = Some(number);
            }
        }
        if word(frame, 4) != 0 {
            last_commit = number + 1;
            commits_behind += usize::from(first_damaged.is_some_and(|damaged| number > damaged));
        }
    }
    let damaged = first_damaged.filter(|_| commits_behind >= 2)?;
    let mut mended = log[..HEADER_BYTES + damaged * frame_bytes].to_vec();
    for frame in &frames[damaged..last_commit] {
        sum = frame_checksum(big_endian, sum, frame);
        let start = mended.len();
        mended.extend_from_slice(frame);
        mended[start + 16..start + 20].copy_from_slice(&sum.0.to_be_bytes());
        mended[start + 20..start + 24].copy_from_slice(&sum.1.to_be_bytes());
    }
    Some(mended)
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
