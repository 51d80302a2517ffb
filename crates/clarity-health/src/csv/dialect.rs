//! Which characters a table uses.

use crate::error::HealthError;

/// The marks between columns that are known.
const DELIMITERS: [u8; 4] = *b",;\t|";
/// How many rows are looked at.
const ROWS: usize = 20;

/// The mark of UTF-8 at the start of some files.
pub(crate) const MARK: &[u8] = b"\xef\xbb\xbf";

/// Refuses UTF-16, with a mark or without.
pub(crate) fn refuse_utf16(head: &[u8]) -> Result<(), HealthError> {
    let marked = head.starts_with(b"\xff\xfe") || head.starts_with(b"\xfe\xff");
    let zeros = head.iter().take(256).filter(|byte| **byte == 0).count();
    if marked || zeros * 4 > head.len().min(256) { Err(HealthError::Utf16) } else { Ok(()) }
}

/// Finds the mark between columns: the one with which most rows have as many columns as the
/// headings, and of several the one that makes most columns. Nothing when none makes two.
pub(crate) fn delimiter(head: &[u8]) -> Option<u8> {
    let scored = DELIMITERS.into_iter().filter_map(|mark| Some((score(head, mark)?, mark)));
    // Of equals the first, which is the more usual one.
    scored.rev().max_by_key(|(score, _)| *score).map(|(_, mark)| mark)
}

fn score(head: &[u8], mark: u8) -> Option<(usize, usize)> {
    let mut reader = csv::ReaderBuilder::new()
        .delimiter(mark)
        .has_headers(false)
        .flexible(true)
        .from_reader(head);
    let mut record = csv::ByteRecord::new();
    let mut columns = 0;
    let mut same = 0;
    for row in 0..ROWS {
        // What is in memory cannot fail to be read.
        if !reader.read_byte_record(&mut record).ok()? {
            break;
        }
        if row == 0 {
            columns = record.len();
        } else if record.len() == columns {
            same += 1;
        }
    }
    (columns > 1).then_some((same, columns))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Shows that decimal commas and quoted marks do not mislead.
    #[test]
    fn delimiters() {
        let table: [(&str, Option<u8>); 6] = [
            ("date,value\n2020-01-01,1\n", Some(b',')),
            ("date;value\n2020-01-01;1,5\n2020-01-02;2,5\n", Some(b';')),
            ("date\tvalue\n2020-01-01\t1,5\n", Some(b'\t')),
            ("\"a;b\",value\n\"1;2\",3\n", Some(b',')),
            ("nothing\n1\n", None),
            ("", None),
        ];
        for (text, expected) in table {
            assert_eq!(delimiter(text.as_bytes()), expected, "{text}");
        }
        assert!(refuse_utf16(b"\xff\xfed\0a\0").is_err());
        assert!(refuse_utf16(b"d\0a\0t\0e\0").is_err());
        assert!(refuse_utf16(b"\xef\xbb\xbfdate").is_ok());
    }
}
