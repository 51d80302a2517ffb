//! Writes that are asked for again because their answer was lost.

use clarity_engine::{Once, UNHEARD_MAX, WRITERS_MAX, Write, WriteError, Written};
use serde_json::json;

use crate::support::{Bench, note, update};

fn once(number: u64, heard_below: u64, write: Write) -> Write {
    once_by("a page", number, heard_below, write)
}

fn once_by(writer: &str, number: u64, heard_below: u64, write: Write) -> Write {
    let once = Once { writer: writer.to_owned(), number, heard_below };
    Write::Once { once, write: Box::new(write) }
}

fn rename(title: &str) -> Write {
    update(&note("n"), json!({ "title": title }), None)
}

fn bench() -> Bench {
    let mut bench = Bench::new();
    bench.create(&note("n"), json!({"title": "a"}));
    bench
}

/// Shows that a write that is asked for again is made once and answered alike, also after a
/// restart, and also when something else was written between.
#[test]
fn a_repeat_gets_the_first_answer() {
    let mut bench = bench();
    let first = bench.write(once(1, 0, rename("b")));
    bench.write(rename("c"));
    bench.restart();
    assert_eq!(bench.write(once(1, 0, rename("b"))), first);
    assert_eq!(bench.see(&note("n")), Some(json!({"title": "c"})));
    let key = note("made");
    let create = || Write::Create {
        key: key.clone(),
        fields: [("title", json!("m"))].into(),
        parents: Vec::new(),
    };
    let made = bench.write(once(2, 0, create()));
    assert_eq!(bench.write(once(2, 0, create())), made);
}

/// Shows that a write that was refused was not made, and may succeed when it is asked for again.
#[test]
fn a_refused_write_was_not_made() {
    let mut bench = Bench::new();
    let refused = bench.try_write(once(1, 0, rename("b")));
    assert!(matches!(refused, Err(WriteError::NotFound)));
    bench.create(&note("n"), json!({"title": "a"}));
    assert_eq!(bench.write(once(1, 0, rename("b"))).operations.len(), 1);
}

/// Shows that what a writer has heard of is forgotten, and is not made again all the same.
#[test]
fn what_was_heard_is_not_made_again() {
    let mut bench = bench();
    bench.write(once(1, 0, rename("b")));
    bench.write(once(2, 2, rename("c")));
    assert_eq!(bench.write(once(1, 0, rename("b"))), Written::default());
    assert_eq!(bench.see(&note("n")), Some(json!({"title": "c"})));
}

/// Shows that answers that nobody hears of are bounded: the writer is told, and nothing is dropped.
#[test]
fn unheard_answers_are_bounded() {
    let mut bench = bench();
    for number in 0..UNHEARD_MAX as u64 {
        bench.write(once(number, 0, rename(if number % 2 == 0 { "b" } else { "c" })));
    }
    let next = UNHEARD_MAX as u64;
    let refused = bench.try_write(once(next, 0, rename("d")));
    assert!(matches!(refused, Err(WriteError::TooManyUnheard)));
    assert_eq!(bench.write(once(next, 1, rename("d"))).operations.len(), 1);
}

/// Shows that the writer that has been silent for longest is forgotten, and no other.
#[test]
fn the_most_silent_writer_is_forgotten() {
    let mut bench = bench();
    for writer in 0..=WRITERS_MAX {
        let title = if writer % 2 == 0 { "b" } else { "c" };
        bench.write(once_by(&format!("page {writer}"), 1, 0, rename(title)));
    }
    let repeated = bench.write(once_by("page 1", 1, 0, rename("other")));
    assert_eq!(bench.see(&note("n")), Some(json!({"title": "b"})));
    assert_eq!(repeated.operations.len(), 1);
    bench.write(once_by("page 0", 1, 0, rename("again")));
    assert_eq!(bench.see(&note("n")), Some(json!({"title": "again"})));
}
