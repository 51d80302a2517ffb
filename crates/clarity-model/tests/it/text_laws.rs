//! The laws of joining two edits of one text.

use clarity_model::{limits, merge_text};
use proptest::collection::vec;
use proptest::prelude::*;

/// What one side does to one line of the base.
#[derive(Debug, Clone, PartialEq)]
enum LineEdit {
    Replace,
    Delete,
    /// One more line after it.
    Extend,
}

/// Who touches a line of the base, if anybody.
#[derive(Debug, Clone, PartialEq)]
enum Touch {
    Nobody,
    Ours(LineEdit),
    Theirs(LineEdit),
}

fn touch() -> impl Strategy<Value = Touch> {
    let edit = || prop::sample::select(vec![LineEdit::Replace, LineEdit::Delete, LineEdit::Extend]);
    prop_oneof![
        3 => Just(Touch::Nobody),
        1 => edit().prop_map(Touch::Ours),
        1 => edit().prop_map(Touch::Theirs),
    ]
}

/// The text that comes of the touches for which `counts` holds. Lines that nobody touches stand
/// between the others, so that no two edits meet.
fn written(touches: &[Touch], counts: impl Fn(&Touch) -> bool) -> String {
    let mut lines = Vec::new();
    for (touch, number) in touches.iter().zip(0..) {
        let (edit, side) = match touch {
            Touch::Ours(edit) if counts(touch) => (Some(edit), "ours"),
            Touch::Theirs(edit) if counts(touch) => (Some(edit), "theirs"),
            _ => (None, ""),
        };
        match edit {
            None => lines.push(format!("line {number}")),
            Some(LineEdit::Replace) => lines.push(format!("{side} instead of {number}")),
            Some(LineEdit::Delete) => {}
            Some(LineEdit::Extend) => {
                lines.extend([format!("line {number}"), format!("{side} after {number}")]);
            }
        }
        lines.push(format!("quiet {number}"));
    }
    lines.join("\n")
}

/// A side of unique lines: some of the base kept in order, and new ones tagged with `side`.
fn side_of(kept: &[bool], inserted: &[bool], side: &str) -> String {
    let mut lines = Vec::new();
    for (number, (kept, inserted)) in kept.iter().zip(inserted).enumerate() {
        if *inserted {
            lines.push(format!("{side} {number}"));
        }
        if *kept {
            lines.push(format!("base {number}"));
        }
    }
    lines.join("\n")
}

fn short_text() -> impl Strategy<Value = String> {
    vec(prop::sample::select(vec!["", "a", "b", "c"]), 0..8).prop_map(|lines| lines.join("\n"))
}

proptest! {
    // Edits of different lines are joined into exactly the text with both.
    #[test]
    fn edits_of_different_lines_are_both_there(touches in vec(touch(), 1..12)) {
        let base = written(&touches, |_| false);
        let ours = written(&touches, |touch| matches!(touch, Touch::Ours(_)));
        let theirs = written(&touches, |touch| matches!(touch, Touch::Theirs(_)));
        let both = written(&touches, |_| true);
        prop_assert_eq!(merge_text(&base, &ours, &theirs), Some(both));
    }

    // No side is preferred, also in texts that repeat their lines.
    #[test]
    fn sides_are_alike(base in short_text(), ours in short_text(), theirs in short_text()) {
        prop_assert_eq!(merge_text(&base, &ours, &theirs), merge_text(&base, &theirs, &ours));
    }

    // A side that did nothing, or did the same, is no reason to ask anybody.
    #[test]
    fn one_edit_stands_alone(base in short_text(), ours in short_text()) {
        prop_assert_eq!(merge_text(&base, &ours, &base), Some(ours.clone()));
        prop_assert_eq!(merge_text(&base, &base, &ours), Some(ours.clone()));
        prop_assert_eq!(merge_text(&base, &ours, &ours), Some(ours));
    }

    // However the edits lie, a joined text holds each line that a side added, in that side's order,
    // and loses only lines that a side removed.
    #[test]
    fn no_line_is_lost(
        flags in vec(prop::array::uniform4(prop::bool::weighted(0.8)), 1..16)
    ) {
        let column = |index: usize| flags.iter().map(|row| row[index]).collect::<Vec<bool>>();
        let (our_kept, their_kept) = (column(0), column(1));
        let rare = |index: usize| column(index).iter().map(|flag| !flag).collect::<Vec<bool>>();
        let all = vec![true; flags.len()];
        let base = side_of(&all, &vec![false; flags.len()], "");
        let ours = side_of(&our_kept, &rare(2), "ours");
        let theirs = side_of(&their_kept, &rare(3), "theirs");
        let Some(merged) = merge_text(&base, &ours, &theirs) else { return Ok(()) };
        let merged: Vec<&str> = merged.split('\n').collect();
        for side in [&ours, &theirs] {
            let other = if side == &ours { &theirs } else { &ours };
            let survivors: Vec<&str> = side
                .split('\n')
                .filter(|line| !line.starts_with("base") || other.split('\n').any(|l| l == *line))
                .collect();
            let found: Vec<&str> =
                merged.iter().copied().filter(|line| survivors.contains(line)).collect();
            prop_assert_eq!(found, survivors);
        }
    }

    // Two different edits of one line are never guessed at.
    #[test]
    fn edits_of_one_line_are_for_a_person(
        before in vec("[a-z]{1,4}", 0..5), after in vec("[a-z]{1,4}", 0..5)
    ) {
        let with = |line: &str| {
            let middle = [line.to_owned()];
            [&before[..], &middle[..], &after[..]].concat().join("\n")
        };
        let merged = merge_text(&with("take 5 mg"), &with("take 10 mg"), &with("take 5 g"));
        prop_assert_eq!(merged, None);
    }
}

// Two notes at the same place: which comes first would be a guess.
#[test]
fn insertions_at_one_place_are_for_a_person() {
    assert_eq!(merge_text("a\nb", "a\nx\nb", "a\ny\nb"), None);
    assert_eq!(merge_text("", "x", "y"), None);
}

// The same line added by both is there once.
#[test]
fn the_same_edit_is_made_once() {
    let merged = merge_text("a\nb\nc\nd", "a\nnew\nb\nc\nd", "a\nnew\nb\nc\nD");
    assert_eq!(merged.as_deref(), Some("a\nnew\nb\nc\nD"));
}

// A line removed by one and edited by the other is for a person.
#[test]
fn removing_an_edited_line_is_for_a_person() {
    assert_eq!(merge_text("a\nb\nc", "a\nc", "a\nB\nc"), None);
}

// Line ends are kept as they are, of either kind.
#[test]
fn line_ends_are_kept() {
    let merged = merge_text("a\r\nb\r\nc\r\n", "A\r\nb\r\nc\r\n", "a\r\nb\r\nC\r\n");
    assert_eq!(merged.as_deref(), Some("A\r\nb\r\nC\r\n"));
}

// At the limit a text is joined, one byte above it is for a person.
#[test]
fn long_texts_are_for_a_person() {
    let text = |first: char, last: char, bytes: usize| {
        let middle = "x\n".repeat((bytes - 4) / 2);
        let padding = "y".repeat((bytes - 4) % 2);
        format!("{first}\n{middle}{padding}\n{last}")
    };
    let merge =
        |bytes| merge_text(&text('a', 'z', bytes), &text('A', 'z', bytes), &text('a', 'Z', bytes));
    let limit = limits::TEXT_MERGE_BYTES_MAX;
    assert_eq!(text('a', 'z', limit).len(), limit);
    assert!(merge(limit).is_some());
    assert_eq!(merge(limit + 1), None);
}

// Texts whose comparison would cost too much are for a person, at once.
#[test]
fn costly_texts_are_for_a_person() {
    let lines = |tag: &str| (0..5_000).map(|n| format!("{tag}{n}\n")).collect::<String>();
    let merged = merge_text(&lines("a"), &lines("b"), &lines("c"));
    assert_eq!(merged, None);
    let quiet = (0..5_000).map(|n| format!("{n}\n")).collect::<String>();
    let rewritten = lines("b");
    const { assert!(5_000 * 5_000 > limits::TEXT_MERGE_WORK_MAX) };
    assert_eq!(merge_text(&quiet, &rewritten, &format!("{quiet}end")), None);
}
