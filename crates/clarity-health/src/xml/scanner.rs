//! Finds the tags of an XML stream, in bounded memory, and goes on after damage.
//!
//! A general XML reader gives up at the first error, and an attribute whose closing quote is lost
//! makes it swallow the rest of the file into one tag. Here a `<` inside a tag, which well-formed
//! XML never has, ends the damaged tag: reading goes on there. What is inside a tag is left to
//! `quick-xml`.
//!
//! *Architecture Invariant:* a [`Scanner`] holds at most one tag of
//! [`TAG_BYTES_MAX`] bytes and one read ahead, however long the
//! stream is.

use std::io::{self, Read};
use std::ops::Range;

use memchr::{memchr, memchr2, memchr3, memmem};

use crate::limits::{COMMENT_BYTES_MAX, TAG_BYTES_MAX, TEXT_BYTES_MAX};

const READ_BYTES: usize = 64 * 1024;

/// One piece of the stream.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Token<'a> {
    /// A start tag: name and attributes, without the angle brackets and a closing slash.
    Start {
        /// Name and attributes.
        content: &'a [u8],
        /// Whether the element ends with this tag.
        empty: bool,
    },
    /// The name in an end tag.
    End(&'a [u8]),
    /// The text since the last tag, cut to [`TEXT_BYTES_MAX`]; only when asked for.
    Text(&'a [u8]),
    /// A place that is not XML; reading goes on behind it.
    Broken(Breakage),
    /// The stream is at its end. `inside_tag` says that it ends in the middle of one.
    EndOfInput {
        /// Whether a tag or comment was cut.
        inside_tag: bool,
    },
}

/// What is wrong at a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Breakage {
    /// A tag that never ends, or with a `<` in it.
    Unclosed,
    /// A tag or comment over its limit.
    TooLong,
    /// An `<!ENTITY`.
    EntityDeclaration,
    /// Text where none belongs.
    Text,
}

/// A token by its place in the buffer.
enum Piece {
    Tag(Range<usize>),
    EndTag(Range<usize>),
    Text(Range<usize>),
    Broken(Breakage),
    EndOfInput { inside_tag: bool },
}

/// The bytes between the reader and the parser.
pub(crate) struct Scanner<R> {
    source: R,
    /// Bytes without control characters; `start..` is unread.
    buffer: Vec<u8>,
    start: usize,
    /// How far into the original stream `buffer[0]` is.
    base: u64,
    /// Where control characters were taken out of the buffer, and how many at each place.
    dropped: Vec<(usize, u64)>,
    dropped_total: u64,
    ended: bool,
    error: Option<io::Error>,
    keep_text: bool,
    /// Whether what follows belongs to a place that was reported as broken.
    in_damage: bool,
    /// The place of the last token, or of the one that is being read.
    token_offset: u64,
}

impl<R: Read> Scanner<R> {
    /// A scanner at the start of a stream. With `keep_text`, text is a token too.
    pub(crate) fn new(source: R, keep_text: bool) -> Self {
        Self {
            source,
            buffer: Vec::with_capacity(2 * READ_BYTES),
            start: 0,
            base: 0,
            dropped: Vec::new(),
            dropped_total: 0,
            ended: false,
            error: None,
            keep_text,
            in_damage: false,
            token_offset: 0,
        }
    }

    /// The place of the last token, in bytes of the original stream.
    pub(crate) fn token_offset(&self) -> u64 {
        self.token_offset
    }

    /// The place behind the last token, in bytes of the original stream.
    pub(crate) fn position(&self) -> u64 {
        self.offset(self.start)
    }

    /// How many control characters were dropped so far.
    pub(crate) fn dropped_total(&self) -> u64 {
        self.dropped_total
    }

    /// The error that ended the stream early, if one did.
    pub(crate) fn take_error(&mut self) -> Option<io::Error> {
        self.error.take()
    }

    fn offset(&self, index: usize) -> u64 {
        let dropped: u64 = self
            .dropped
            .iter()
            .take_while(|(position, _)| *position <= index)
            .map(|(_, count)| count)
            .sum();
        self.base + index as u64 + dropped
    }

    /// Finds `needle` in the first `limit` bytes and moves to it. Answers what was cut away.
    pub(crate) fn skip_to(&mut self, needle: &[u8], limit: usize) -> Option<&[u8]> {
        loop {
            let unread = &self.buffer[self.start..];
            if let Some(found) = memmem::find(unread, needle) {
                let prologue = self.start..self.start + found;
                self.start += found;
                self.token_offset = self.position();
                return Some(&self.buffer[prologue]);
            }
            if unread.len() >= limit || !self.fill() {
                return None;
            }
        }
    }

    /// Whether only white space is left, as far as the next few bytes tell.
    pub(crate) fn only_space_left(&mut self) -> bool {
        loop {
            let unread = &self.buffer[self.start..];
            if let Some(found) = unread.iter().position(|byte| !byte.is_ascii_whitespace()) {
                self.token_offset = self.offset(self.start + found);
                return false;
            }
            self.start = self.buffer.len();
            if !self.fill() {
                return true;
            }
        }
    }

    /// The next token.
    pub(crate) fn next(&mut self) -> Token<'_> {
        let piece = self.advance();
        self.view(piece)
    }

    /// The next token and its place, which cannot be asked for while the token is held.
    pub(crate) fn next_with_offset(&mut self) -> (u64, Token<'_>) {
        let piece = self.advance();
        (self.token_offset(), self.view(piece))
    }

    fn view(&self, piece: Piece) -> Token<'_> {
        match piece {
            Piece::Tag(range) => {
                let content = &self.buffer[range];
                match content.strip_suffix(b"/") {
                    Some(content) => Token::Start { content, empty: true },
                    None => Token::Start { content, empty: false },
                }
            }
            Piece::EndTag(range) => Token::End(self.buffer[range][1..].trim_ascii()),
            Piece::Text(range) => Token::Text(&self.buffer[range]),
            Piece::Broken(breakage) => Token::Broken(breakage),
            Piece::EndOfInput { inside_tag } => Token::EndOfInput { inside_tag },
        }
    }

    fn advance(&mut self) -> Piece {
        loop {
            if let Some(piece) = self.move_to_bracket() {
                return piece;
            }
            self.token_offset = self.position();
            // `move_to_bracket` leaves `start` at a `<`, or at the end of the stream.
            let Some(next) = self.byte(1) else {
                let inside_tag = self.start < self.buffer.len();
                self.start = self.buffer.len();
                return Piece::EndOfInput { inside_tag };
            };
            match next {
                b'!' | b'?' => {
                    if let Some(piece) = self.skip_declaration() {
                        return piece;
                    }
                }
                b'/' => return self.tag(true),
                b'A'..=b'Z' | b'a'..=b'z' | b'_' | b':' | 0x80.. => return self.tag(false),
                // A stray bracket in a text is no tag.
                _ => self.start += 1,
            }
        }
    }

    /// Moves to the next `<` or to the end. Answers the text before it, if it is wanted, or that
    /// there is some where none belongs.
    fn move_to_bracket(&mut self) -> Option<Piece> {
        let mut kept = 0;
        loop {
            let from = self.start + kept;
            let found = memchr(b'<', &self.buffer[from..]);
            let end = found.map_or(self.buffer.len(), |found| from + found);
            if let Some(stray) = self.stray_text(end) {
                return Some(stray);
            }
            if found.is_some() {
                self.in_damage = false;
                let text = self.start..end;
                self.start = end;
                return self.wanted_text(text).map(Piece::Text);
            }
            kept = end - self.start;
            if !self.keep_text || kept > TEXT_BYTES_MAX {
                // Text that nobody reads is not held.
                self.start = end;
                kept = 0;
            }
            if !self.fill() {
                self.start = self.buffer.len();
                return None;
            }
        }
    }

    /// Without `keep_text` there is nothing but white space between tags; a tag that lost its `<`
    /// would otherwise vanish without a trace. What is left of a broken tag was reported already.
    fn stray_text(&mut self, end: usize) -> Option<Piece> {
        if self.keep_text || self.in_damage {
            return None;
        }
        let text = &self.buffer[self.start..end];
        self.start += text.iter().position(|byte| !byte.is_ascii_whitespace())?;
        self.token_offset = self.position();
        self.in_damage = true;
        Some(Piece::Broken(Breakage::Text))
    }

    fn wanted_text(&mut self, text: Range<usize>) -> Option<Range<usize>> {
        if !self.keep_text || text.is_empty() {
            return None;
        }
        self.token_offset = self.offset(text.start);
        Some(text.start..text.end.min(text.start + TEXT_BYTES_MAX))
    }

    /// Reads from `start`, which is at a `<`, to the end of the tag.
    fn tag(&mut self, end_tag: bool) -> Piece {
        let mut scanned = 1;
        let mut quote = None;
        loop {
            let unread = &self.buffer[self.start..];
            let found = match quote {
                None if end_tag => memchr2(b'>', b'<', &unread[scanned..]),
                None => find_outside_quotes(&unread[scanned..]),
                Some(quote) => memchr2(quote, b'<', &unread[scanned..]),
            };
            let Some(found) = found.map(|found| scanned + found) else {
                scanned = unread.len();
                if scanned > TAG_BYTES_MAX {
                    self.start = self.buffer.len();
                    self.in_damage = true;
                    return Piece::Broken(Breakage::TooLong);
                }
                if !self.fill() {
                    self.start = self.buffer.len();
                    return Piece::EndOfInput { inside_tag: true };
                }
                continue;
            };
            match unread[found] {
                b'<' => {
                    self.start += found;
                    return Piece::Broken(Breakage::Unclosed);
                }
                b'>' if quote.is_none() => {
                    let tag = self.start + 1..self.start + found;
                    self.start += found + 1;
                    return match (found > TAG_BYTES_MAX, end_tag) {
                        (true, _) => Piece::Broken(Breakage::TooLong),
                        (false, true) => Piece::EndTag(tag),
                        (false, false) => Piece::Tag(tag),
                    };
                }
                byte => quote = if quote.is_some() { None } else { Some(byte) },
            }
            scanned = found + 1;
        }
    }

    /// Skips `<!…>`, `<!--…-->`, `<![CDATA[…]]>` and `<?…?>` without holding them.
    fn skip_declaration(&mut self) -> Option<Piece> {
        while self.buffer.len() - self.start < 9 && self.fill() {}
        let unread = &self.buffer[self.start..];
        if unread.starts_with(b"<!ENTITY") {
            self.start += 8;
            self.in_damage = true;
            return Some(Piece::Broken(Breakage::EntityDeclaration));
        }
        let (opening, ending): (usize, &[u8]) = if unread.starts_with(b"<!--") {
            (4, b"-->")
        } else if unread.starts_with(b"<![CDATA[") {
            (9, b"]]>")
        } else {
            // In a document type, brackets nest; the declarations in it are taken one by one. An
            // instruction ends at its bracket too: nothing else should be lost to a stray `<?`.
            return self.skip_to_bracket();
        };
        self.start += opening.min(unread.len());
        let mut skipped = 0;
        loop {
            let unread = &self.buffer[self.start..];
            if let Some(found) = memmem::find(unread, ending) {
                self.start += found + ending.len();
                return None;
            }
            // The ending may lie across two reads.
            let passed = unread.len().saturating_sub(ending.len() - 1);
            self.start += passed;
            skipped += passed;
            if skipped > COMMENT_BYTES_MAX {
                self.in_damage = true;
                return Some(Piece::Broken(Breakage::TooLong));
            }
            if !self.fill() {
                self.start = self.buffer.len();
                return Some(Piece::EndOfInput { inside_tag: true });
            }
        }
    }

    fn skip_to_bracket(&mut self) -> Option<Piece> {
        self.start += 2;
        let mut skipped = 0;
        loop {
            let unread = &self.buffer[self.start..];
            if let Some(found) = memchr2(b'>', b'<', unread) {
                // A `<` begins the next declaration inside this one.
                self.start += found + usize::from(unread[found] == b'>');
                // Only route files begin with an instruction; between records there is none.
                return (!self.keep_text).then_some(Piece::Broken(Breakage::Text));
            }
            skipped += unread.len();
            self.start = self.buffer.len();
            if skipped > COMMENT_BYTES_MAX {
                self.in_damage = true;
                return Some(Piece::Broken(Breakage::TooLong));
            }
            if !self.fill() {
                return Some(Piece::EndOfInput { inside_tag: true });
            }
        }
    }

    fn byte(&mut self, ahead: usize) -> Option<u8> {
        while self.buffer.len() - self.start <= ahead {
            if !self.fill() {
                return None;
            }
        }
        self.buffer.get(self.start + ahead).copied()
    }

    /// Reads more behind the unread bytes. False at the end of the stream.
    fn fill(&mut self) -> bool {
        if self.ended {
            return false;
        }
        self.compact();
        let old_length = self.buffer.len();
        self.buffer.resize(old_length + READ_BYTES, 0);
        let count = loop {
            match self.source.read(&mut self.buffer[old_length..]) {
                Ok(count) => break count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    self.error = Some(error);
                    break 0;
                }
            }
        };
        self.buffer.truncate(old_length + count);
        self.ended = count == 0;
        self.drop_control_characters(old_length);
        !self.ended
    }

    fn compact(&mut self) {
        if self.start == 0 {
            return;
        }
        let before = self.dropped.partition_point(|(position, _)| *position <= self.start);
        let dropped: u64 = self.dropped.drain(..before).map(|(_, count)| count).sum();
        self.base += self.start as u64 + dropped;
        for (position, _) in &mut self.dropped {
            *position -= self.start;
        }
        self.buffer.drain(..self.start);
        self.start = 0;
    }

    /// Takes out the control characters that XML forbids and some apps write all the same.
    fn drop_control_characters(&mut self, from: usize) {
        // Whole pieces without an early end are what the compiler turns into vector code.
        let has_forbidden =
            |piece: &[u8]| piece.iter().fold(false, |found, byte| found | is_forbidden(*byte));
        if !self.buffer[from..].chunks(512).any(has_forbidden) {
            return;
        }
        let mut write = from;
        for read in from..self.buffer.len() {
            let byte = self.buffer[read];
            if is_forbidden(byte) {
                self.dropped_total += 1;
                match self.dropped.last_mut() {
                    Some((position, count)) if *position == write => *count += 1,
                    _ => self.dropped.push((write, 1)),
                }
            } else {
                self.buffer[write] = byte;
                write += 1;
            }
        }
        self.buffer.truncate(write);
    }
}

fn is_forbidden(byte: u8) -> bool {
    byte < 0x20 && !matches!(byte, b'\t' | b'\n' | b'\r')
}

fn find_outside_quotes(bytes: &[u8]) -> Option<usize> {
    // A tag has a quote every few bytes, so the four bytes are looked for in two searches, the
    // second one only up to where the first one found something.
    let found = memchr3(b'"', b'>', b'<', bytes);
    let before = &bytes[..found.unwrap_or(bytes.len())];
    memchr(b'\'', before).or(found)
}

#[cfg(test)]
mod tests;
