//! Three-way merge of texts by lines.
//!
//! Lines, not words: joining two edits of one line could turn "take 5 mg" into a dose that nobody
//! wrote. Two sides that touch the same line, or insert at the same place, are for a person.
//!
//! The algorithm is that of diff3 (Khanna, Kunal and Pierce, *A Formal Investigation of Diff3*,
//! 2007): both sides are compared with the base, and their hunks are laid side by side.

use std::ops::Range;

use similar::DiffOp;
use similar::algorithms::{Capture, Compact, Replace, myers};

use crate::limits::{TEXT_MERGE_BYTES_MAX, TEXT_MERGE_WORK_MAX};

/// Joins two edits of one text, or gives nothing when a person must choose: the edits overlap, a
/// text is longer than [`TEXT_MERGE_BYTES_MAX`], or comparing would cost more than
/// [`TEXT_MERGE_WORK_MAX`].
///
/// The result does not depend on which side is `ours`.
#[must_use]
pub fn merge_text(base: &str, ours: &str, theirs: &str) -> Option<String> {
    if ours == theirs || theirs == base {
        return Some(ours.to_owned());
    }
    if ours == base {
        return Some(theirs.to_owned());
    }
    if [base, ours, theirs].iter().any(|text| text.len() > TEXT_MERGE_BYTES_MAX) {
        return None;
    }
    let base_lines: Vec<&str> = base.split('\n').collect();
    let our_hunks = hunks(&base_lines, ours)?;
    let their_hunks = hunks(&base_lines, theirs)?;
    let merged = interleave(our_hunks, their_hunks)?;
    Some(apply(&base_lines, &merged))
}

/// Base lines `range` become `lines`.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Hunk<'a> {
    range: Range<usize>,
    lines: Vec<&'a str>,
}

impl Hunk<'_> {
    /// Two hunks exclude each other when they change a common line, or when one inserts exactly
    /// where the other begins or ends, because their order would be a guess.
    fn excludes(&self, other: &Hunk<'_>) -> bool {
        if self.range.is_empty() || other.range.is_empty() {
            self.range.start <= other.range.end && other.range.start <= self.range.end
        } else {
            self.range.start < other.range.end && other.range.start < self.range.end
        }
    }
}

fn hunks<'a>(base: &[&str], side: &'a str) -> Option<Vec<Hunk<'a>>> {
    let lines: Vec<&str> = side.split('\n').collect();
    let prefix = base.iter().zip(&lines).take_while(|(left, right)| left == right).count();
    let suffix = base[prefix..]
        .iter()
        .rev()
        .zip(lines[prefix..].iter().rev())
        .take_while(|(left, right)| left == right)
        .count();
    let (base_end, side_end) = (base.len() - suffix, lines.len() - suffix);
    if (base_end - prefix).saturating_mul(side_end - prefix) > TEXT_MERGE_WORK_MAX {
        return None;
    }
    let operations = compare(&base[prefix..base_end], &lines[prefix..side_end]);
    let changed = operations.iter().filter(|operation| !matches!(operation, DiffOp::Equal { .. }));
    let mut found: Vec<Hunk<'a>> = Vec::new();
    for operation in changed {
        let (old, new) = (operation.old_range(), operation.new_range());
        let range = old.start + prefix..old.end + prefix;
        let replacement = &lines[new.start + prefix..new.end + prefix];
        match found.last_mut() {
            // A deletion next to an insertion is one replacement.
            Some(last) if last.range.end == range.start => {
                last.range.end = range.end;
                last.lines.extend_from_slice(replacement);
            }
            _ => found.push(Hunk { range, lines: replacement.to_vec() }),
        }
    }
    Some(found)
}

/// What makes one list of lines the other, by Myers' algorithm.
///
/// The library's own function for this takes the algorithm as a value, and so brings all that it
/// has, whose weight everybody pays who opens the app in a browser.
fn compare(base: &[&str], lines: &[&str]) -> Vec<DiffOp> {
    let mut steps = Compact::new(Replace::new(Capture::new()), base, lines);
    let Ok(()) = myers::diff(&mut steps, base, 0..base.len(), lines, 0..lines.len());
    steps.into_inner().into_inner().into_ops()
}

fn interleave<'a>(ours: Vec<Hunk<'a>>, theirs: Vec<Hunk<'a>>) -> Option<Vec<Hunk<'a>>> {
    let mut merged: Vec<Hunk<'a>> = Vec::with_capacity(ours.len() + theirs.len());
    let (mut ours, mut theirs) = (ours.into_iter().peekable(), theirs.into_iter().peekable());
    loop {
        match (ours.peek(), theirs.peek()) {
            (Some(our), Some(their)) if our == their => {
                merged.extend(ours.next());
                theirs.next();
            }
            (Some(our), Some(their)) if our.excludes(their) => return None,
            (Some(our), Some(their)) if our.range.start < their.range.start => {
                merged.extend(ours.next());
            }
            (_, Some(_)) => merged.extend(theirs.next()),
            (Some(_), None) => merged.extend(ours.next()),
            (None, None) => return Some(merged),
        }
    }
}

fn apply(base: &[&str], hunks: &[Hunk<'_>]) -> String {
    let mut lines: Vec<&str> = Vec::with_capacity(base.len());
    let mut next = 0;
    for hunk in hunks {
        lines.extend_from_slice(&base[next..hunk.range.start]);
        lines.extend_from_slice(&hunk.lines);
        next = hunk.range.end;
    }
    lines.extend_from_slice(&base[next..]);
    lines.join("\n")
}
