//! Writes the pieces of XML quickly: a generated export may have many gigabytes.

use std::io::{self, Write};

use crate::time::civil_from_unix;

const FLUSH_BYTES: usize = 64 * 1024;

/// A buffer in front of a writer.
pub(super) struct Text<W> {
    out: W,
    buffer: Vec<u8>,
    written: u64,
    offset_min: i32,
    /// `+0200` and the like.
    offset_text: String,
}

impl<W: Write> Text<W> {
    pub(super) fn new(out: W, offset_min: i32) -> Self {
        let sign = if offset_min < 0 { '-' } else { '+' };
        let minutes = offset_min.abs();
        let offset_text = format!(" {sign}{:02}{:02}", minutes / 60, minutes % 60);
        let buffer = Vec::with_capacity(FLUSH_BYTES + 4_096);
        Self { out, buffer, written: 0, offset_min, offset_text }
    }

    /// Adds text as it is.
    pub(super) fn push(&mut self, text: &str) -> &mut Self {
        self.buffer.extend_from_slice(text.as_bytes());
        self
    }

    /// Adds one byte, which may be one that XML forbids.
    pub(super) fn byte(&mut self, byte: u8) -> &mut Self {
        self.buffer.push(byte);
        self
    }

    /// Adds a number in decimal digits.
    pub(super) fn integer(&mut self, number: u64) -> &mut Self {
        self.padded(number, 1)
    }

    /// Adds a number in at least so many decimal digits.
    pub(super) fn padded(&mut self, mut number: u64, digits: usize) -> &mut Self {
        let mut text = [b'0'; 20];
        let mut start = text.len();
        while number > 0 || text.len() - start < digits {
            start -= 1;
            text[start] = b'0' + (number % 10) as u8;
            number /= 10;
        }
        self.buffer.extend_from_slice(&text[start..]);
        self
    }

    /// Adds a number that is not negative, rounded, without needless zeros.
    pub(super) fn decimal(&mut self, number: f64, decimals: u32) -> &mut Self {
        let scale = 10_u64.pow(decimals);
        let mut scaled = (number * scale as f64).round() as u64;
        let mut decimals = decimals as usize;
        while decimals > 0 && scaled.is_multiple_of(10) {
            scaled /= 10;
            decimals -= 1;
        }
        let scale = 10_u64.pow(decimals as u32);
        self.integer(scaled / scale);
        if decimals > 0 {
            self.push(".").padded(scaled % scale, decimals);
        }
        self
    }

    /// Adds a pointer as it looks in device texts.
    pub(super) fn pointer(&mut self, number: u64) -> &mut Self {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        self.push("0x");
        for shift in (0..9).rev() {
            self.buffer.push(DIGITS[(number >> (shift * 4) & 15) as usize]);
        }
        self
    }

    /// Adds `2020-04-10 03:38:56 +0200`.
    pub(super) fn date(&mut self, unix_s: i64) -> &mut Self {
        let civil = civil_from_unix(unix_s * 1_000, self.offset_min);
        self.padded(civil.year.unsigned_abs(), 4).push("-");
        self.padded(civil.month.into(), 2).push("-");
        self.padded(civil.day.into(), 2).push(" ");
        self.clock(civil.hour, civil.minute, civil.second);
        self.buffer.extend_from_slice(self.offset_text.as_bytes());
        self
    }

    /// Adds `2020-04-10`.
    pub(super) fn day(&mut self, unix_s: i64) -> &mut Self {
        let civil = civil_from_unix(unix_s * 1_000, self.offset_min);
        self.padded(civil.year.unsigned_abs(), 4).push("-");
        self.padded(civil.month.into(), 2).push("-").padded(civil.day.into(), 2)
    }

    /// Adds `2020-04-10T01:38:56Z`.
    pub(super) fn date_utc(&mut self, unix_s: i64) -> &mut Self {
        let offset_min = std::mem::take(&mut self.offset_min);
        self.day(unix_s).push("T");
        let civil = civil_from_unix(unix_s * 1_000, 0);
        self.clock(civil.hour, civil.minute, civil.second).push("Z");
        self.offset_min = offset_min;
        self
    }

    /// Adds `03:38:56`.
    pub(super) fn clock(&mut self, hour: u8, minute: u8, second: u8) -> &mut Self {
        self.padded(hour.into(), 2).push(":").padded(minute.into(), 2);
        self.push(":").padded(second.into(), 2)
    }

    /// Passes the buffer on when it is full.
    pub(super) fn pass_on(&mut self) -> io::Result<()> {
        if self.buffer.len() >= FLUSH_BYTES { self.flush() } else { Ok(()) }
    }

    /// Passes the buffer on; answers how many bytes were written in all.
    pub(super) fn finish(&mut self) -> io::Result<u64> {
        self.flush()?;
        self.out.flush()?;
        Ok(self.written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.write_all(&self.buffer)?;
        self.written += self.buffer.len() as u64;
        self.buffer.clear();
        Ok(())
    }
}
