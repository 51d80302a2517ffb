//! Failed operations and what a person does with them; taking back what was not sent.

use clarity_engine::protocol::FailureClass;
use clarity_engine::protocol::model::Counter;
use clarity_engine::store::{EndedAs, OperationState};
use clarity_engine::{Attention, Event, Write, WriteError};
use serde_json::json;

use crate::support::{Bench, note, wire};

/// A note whose title was changed to "b", which the server rejected, with a later edit behind it.
fn rejected() -> Bench {
    let key = note("n");
    let mut bench = Bench::with(&key, json!({"title": "a"}));
    bench.update(&key, json!({"title": "b"}));
    let push = bench.take_push();
    bench.update(&key, json!({"at_ms": 1}));
    bench.answer(&push, vec![wire::rejected(push.only())]);
    bench
}

/// Shows that a rejected operation stays with its reason, holds what comes after it in its lane,
/// stays in view, and is told.
#[test]
fn a_rejected_operation_waits_with_its_reason() {
    let mut bench = rejected();
    let failed = bench.operation(Counter(1)).unwrap();
    assert_eq!(failed.state, OperationState::Failed);
    let error = failed.error.unwrap();
    assert_eq!(error.code, "not_allowed");
    assert_eq!(error.message, "the change is not allowed");
    assert_eq!(bench.state(Counter(2)), Some(OperationState::Blocked));
    assert_eq!(bench.see(&note("n")), Some(json!({"title": "b", "at_ms": 1})));
    assert!(bench.status().attention.contains(&Attention::Failed));
    bench.restart();
    assert!(bench.pushes.is_empty(), "not by itself");
    assert_eq!(bench.status().failed, 1);
}

/// Shows that a retry sends the change as a new operation, because the old id has its answer for
/// ever, and that what came after it still comes after it.
#[test]
fn a_retry_has_a_new_id_and_keeps_its_place() {
    let mut bench = rejected();
    let renewed = bench.write(Write::Retry { operation: Counter(1) }).operations;
    assert_eq!(renewed, [Counter(3), Counter(4)]);
    assert_eq!(bench.ended(Counter(1)), Some(EndedAs::Resolved));
    let push = bench.apply_push();
    assert_eq!(push.counters(), [4]);
    assert_eq!(push.only().covers, [Counter(3)]);
    assert_eq!(bench.see(&note("n")), Some(json!({"title": "b", "at_ms": 1})));
    assert!(bench.is_settled());
}

/// Shows that giving up a failed operation takes only its own change back, keeps that in history,
/// and lets the later edit go.
#[test]
fn a_discard_takes_back_one_change() {
    let mut bench = rejected();
    bench.write(Write::Discard { operation: Counter(1) });
    assert_eq!(bench.see(&note("n")), Some(json!({"title": "a", "at_ms": 1})));
    assert_eq!(bench.ended(Counter(1)), Some(EndedAs::Rejected));
    assert_eq!(bench.history(&note("n"))[0].entry.detail["fields"], json!({"title": "b"}));
    assert_eq!(bench.apply_push().counters(), [2]);
    assert!(bench.is_settled());
}

fn edit(operation: Counter, changes: serde_json::Value) -> Write {
    let changes: std::collections::BTreeMap<String, serde_json::Value> =
        serde_json::from_value(changes).unwrap();
    let changes = changes.into_iter().map(|(field, value)| (field, Some(value))).collect();
    Write::EditAndRetry { operation, changes }
}

/// Shows that a failed change can be edited and sent again in its place: the later edit of the same
/// field, which was written on top of it, is still on top, and nothing asks a person.
#[test]
fn an_edit_and_retry_keeps_its_place() {
    let mut bench = rejected();
    let later = bench.update(&note("n"), json!({"title": "c"}));
    let operations = bench.write(edit(Counter(1), json!({"title": "good"}))).operations;
    assert_eq!((operations.len(), bench.ended(later)), (3, Some(EndedAs::Resolved)));
    assert!(bench.conflicts().is_empty());
    assert_eq!(bench.see(&note("n")), Some(json!({"title": "c", "at_ms": 1})));
    assert_eq!(bench.apply_push().only().changes.len(), 2);
    assert!(bench.is_settled());
}

/// Shows that an edit may add a field and leave others as they are, of a create as well, and that
/// an edit which would leave nothing, or break a limit, is refused and changes nothing.
#[test]
fn an_edit_changes_the_fields_that_it_names() {
    let key = note("made");
    let mut bench = Bench::online();
    let made = bench.create(&key, json!({"title": "bad", "at_ms": 1}));
    let push = bench.take_push();
    bench.answer(&push, vec![wire::rejected(push.only())]);
    let large = edit(made, json!({"text": "x".repeat(300 * 1024)}));
    assert!(matches!(bench.try_write(large), Err(WriteError::Invalid(_))));
    bench.write(edit(made, json!({"title": "good", "text": "more"})));
    let sent = bench.apply_push();
    let wanted = wire::fields(json!({"title": "good", "at_ms": 1, "text": "more"}));
    assert_eq!(sent.only().fields.as_ref(), Some(&wanted));
    let mut bench = rejected();
    let nothing = bench.try_write(edit(Counter(1), json!({"title": "a"})));
    assert!(matches!(nothing, Err(WriteError::NothingLeft(Counter(1)))));
    assert_eq!(bench.state(Counter(1)), Some(OperationState::Failed));
}

/// Shows that a discard can take with it what depends on the failed operation, and says so before.
#[test]
fn a_discard_can_take_dependents_along() {
    let mut bench = Bench::online();
    let parent = bench.create(&note("parent"), json!({"title": "p"}));
    let push = bench.take_push();
    let child = bench.create_after(&note("child"), json!({"title": "c"}), vec![parent]);
    bench.answer(&push, vec![wire::rejected(push.only())]);
    let write = Write::DiscardWithDependents { operation: parent };
    let preview = bench.preview(write.clone()).unwrap();
    let ends: Vec<_> = preview.ends.iter().map(|one| (one.operation, one.goes_along)).collect();
    assert_eq!(ends, [(parent, false), (child, true)]);
    assert!(preview.entities.iter().all(|one| one.shown_before && !one.shown_after));
    bench.write(write);
    assert_eq!((bench.see(&note("parent")), bench.see(&note("child"))), (None, None));
    assert!(bench.is_settled());
}

/// Shows that changes which travelled together and were rejected together are retried together:
/// retrying the newest does not leave it stuck behind its own older part.
#[test]
fn what_was_rejected_together_is_retried_together() {
    let key = note("n");
    let mut bench = Bench::with(&key, json!({"title": "a"}));
    bench.event(Event::Pause { until: None });
    bench.update(&key, json!({"title": "b"}));
    let newest = bench.update(&key, json!({"title": "c"}));
    bench.event(Event::Resume);
    let push = bench.take_push();
    bench.answer(&push, vec![wire::rejected(push.only())]);
    assert_eq!(bench.status().failed, 2);
    bench.write(Write::Retry { operation: newest });
    bench.apply_push();
    assert_eq!(bench.see(&key), Some(json!({"title": "c"})));
    assert!(bench.is_settled());
}

/// Shows that giving up a create takes the edits with it that would have nothing to change.
#[test]
fn giving_up_a_create_gives_up_its_edits() {
    let key = note("n");
    let mut bench = Bench::online();
    bench.create(&key, json!({"title": "a"}));
    let push = bench.take_push();
    bench.update(&key, json!({"title": "b"}));
    bench.answer(&push, vec![wire::rejected(push.only())]);
    bench.write(Write::Discard { operation: Counter(1) });
    assert_eq!(bench.see(&key), None);
    assert_eq!(bench.ended(Counter(2)), Some(EndedAs::Cancelled));
    assert_eq!(bench.history(&key).len(), 2);
    assert!(bench.is_settled());
}

/// Shows that one waiting operation can be taken back while later ones of the entity stay.
#[test]
fn a_rollback_takes_back_one_operation() {
    let key = note("n");
    let mut bench = Bench::with(&key, json!({"title": "a"}));
    bench.event(Event::Pause { until: None });
    let first = bench.update(&key, json!({"title": "b"}));
    bench.update(&key, json!({"at_ms": 1}));
    bench.write(Write::Rollback { operation: first });
    assert_eq!(bench.see(&key), Some(json!({"title": "a", "at_ms": 1})));
    assert_eq!(bench.ended(first), Some(EndedAs::Cancelled));
    bench.event(Event::Resume);
    assert_eq!(bench.apply_push().counters(), [2]);
    assert!(bench.is_settled());
}

/// Shows that a later edit of the same field stays when the earlier one is taken back, also where
/// the field is one that only a person could merge: nobody else has changed it.
#[test]
fn a_later_edit_outlives_the_rollback_of_an_earlier_one() {
    let key = note("n");
    let mut bench = Bench::with(&key, json!({"title": "a"}));
    bench.event(Event::Pause { until: None });
    let first = bench.update(&key, json!({"title": "b"}));
    bench.update(&key, json!({"title": "c"}));
    bench.write(Write::Rollback { operation: first });
    assert_eq!(bench.see(&key), Some(json!({"title": "c"})));
    let last = bench.delete(&key);
    bench.write(Write::Rollback { operation: Counter(2) });
    assert!(bench.conflicts().is_empty(), "a delete that saw the edit is no question either");
    bench.write(Write::Rollback { operation: last });
    assert_eq!(bench.see(&key), Some(json!({"title": "a"})));
    bench.event(Event::Resume);
    assert!(bench.is_settled());
}

/// Shows that a rollback of everything brings back exactly what the server has.
#[test]
fn a_rollback_of_everything_shows_what_is_confirmed() {
    let key = note("n");
    let mut bench = Bench::with(&key, json!({"title": "a"}));
    bench.event(Event::Pause { until: None });
    let edit = bench.update(&key, json!({"title": "b"}));
    let delete = bench.delete(&key);
    bench.write(Write::Rollback { operation: delete });
    bench.write(Write::Rollback { operation: edit });
    let entity = bench.entity(&key).unwrap();
    assert_eq!((json!(entity.fields), entity.pending), (json!({"title": "a"}), false));
    assert_eq!(entity.version.0, 1);
    bench.event(Event::Resume);
    assert!(bench.is_settled());
}

/// Shows what cannot be taken back, retried or given up, and that such a call changes nothing.
#[test]
fn impossible_wishes_are_refused_with_a_reason() {
    let mut bench = Bench::online();
    let parent = bench.create(&note("parent"), json!({}));
    let push = bench.take_push();
    let healthy = bench.try_write(Write::Retry { operation: parent });
    assert!(matches!(healthy, Err(WriteError::NotFailed(_))));
    let unknown = bench.try_write(Write::Discard { operation: Counter(99) });
    assert!(matches!(unknown, Err(WriteError::NoSuchOperation(Counter(99)))));
    bench.create_after(&note("child"), json!({}), vec![parent]);
    bench.answer(&push, vec![wire::rejected(push.only())]);
    let needed = bench.try_write(Write::Discard { operation: parent });
    assert!(matches!(needed, Err(WriteError::HasDependents(_))));
    let edited = edit(parent, json!({"title": "b"}));
    assert!(matches!(bench.try_write(edit(Counter(2), json!({}))), Err(WriteError::NotFailed(_))));
    assert!(matches!(bench.preview(edited).map(|preview| preview.queues.len()), Ok(1)));
    let idle = bench.try_write(Write::RollbackEntity { key: note("nobody") });
    assert!(matches!(idle, Err(WriteError::NothingToRollBack)));
    assert_eq!(bench.status().failed, 1);
}

/// Shows that a change which is larger than an operation may be goes to the inbox without being
/// sent, and that its neighbours go.
#[test]
fn a_change_too_large_to_send_waits_for_a_person() {
    let key = note("n");
    // Just under the limit of an entity: the old and the new value together are over it.
    let text = |letter: &str| letter.repeat(262_120);
    let mut bench = Bench::with(&key, json!({"text": text("a")}));
    bench.event(Event::Pause { until: None });
    bench.update(&key, json!({"text": text("b")}));
    bench.update(&key, json!({"text": text("c")}));
    bench.create(&note("neighbour"), json!({}));
    bench.event(Event::Resume);
    assert_eq!(bench.apply_push().only().key, note("neighbour"));
    assert_eq!(bench.status().failed, 2);
    assert_eq!(bench.operation(Counter(1)).unwrap().error.unwrap().code, "too_large");
}

/// Shows that an entity which would break a limit is refused at once, and nothing is stored.
#[test]
fn an_entity_over_a_limit_is_refused() {
    let key = note("n");
    let mut bench = Bench::online();
    let fields = wire::fields(json!({"text": "x".repeat(300 * 1024)}));
    let write = Write::Create { key: key.clone(), fields, parents: Vec::new() };
    assert!(matches!(bench.try_write(write), Err(WriteError::Invalid(_))));
    assert_eq!(bench.see(&key), None);
    assert!(bench.is_settled());
}

/// Shows that an operation whose fate the server no longer knows is never sent again by itself.
#[test]
fn what_may_have_arrived_is_asked_of_a_person() {
    use clarity_engine::protocol::model::Outcome;
    let mut bench = Bench::online();
    let made = bench.create(&note("n"), json!({}));
    let push = bench.take_push();
    bench.answer(&push, vec![wire::answer(push.only(), Outcome::Reidentify)]);
    let failed = bench.operation(made).unwrap();
    assert_eq!(failed.state, OperationState::Failed);
    assert_eq!(failed.error.unwrap().code, "may_have_arrived");
    bench.event(Event::SyncNow);
    bench.fail_only(FailureClass::Transient);
    bench.wake();
    assert!(bench.pushes.is_empty());
}
