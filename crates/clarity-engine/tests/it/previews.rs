//! Previews: whatever the state of a device, a preview is what then really happens, and leaves no
//! trace itself.

use std::collections::{BTreeMap, BTreeSet};

use clarity_engine::protocol::FailureClass;
use clarity_engine::protocol::model::{Counter, EntityKey, Fields, Outcome};
use clarity_engine::store::{EndedAs, ListOptions, OperationState};
use clarity_engine::{Event, Preview, Resolution, Write};
use proptest::prelude::*;
use serde_json::json;

use crate::support::{self, Bench, key, note, wire};

/// What every entity looks like, and which are in conflict.
type Looks = BTreeMap<EntityKey, (Option<Fields>, bool)>;

fn looks(bench: &mut Bench) -> Looks {
    let tx = bench.store().begin().unwrap();
    let options = ListOptions { include_deleted: true, limit: usize::MAX, ..Default::default() };
    let mut looks = Looks::new();
    for entity_type in tx.entity_types().unwrap() {
        for (key, row) in tx.list_entities(&entity_type, &options).unwrap() {
            let in_conflict = tx.conflict_of(&key).unwrap().is_some();
            let shown = row.state.is_visible().then_some(row.fields);
            looks.insert(key, (shown, in_conflict));
        }
    }
    looks
}

fn queue(bench: &mut Bench) -> Vec<Counter> {
    let tx = bench.store().begin().unwrap();
    let mut queue = Vec::new();
    for state in OperationState::ALL {
        let found = tx.operations_in_state(state, Counter(0), usize::MAX).unwrap();
        queue.extend(found.into_iter().map(|operation| operation.counter));
    }
    queue.sort_unstable();
    queue
}

/// What a preview says of the entities, as a change of [`looks`].
fn expected(before: &Looks, preview: &Preview) -> Looks {
    let mut after = before.clone();
    for entity in &preview.entities {
        let known = before.get(&entity.key).cloned().unwrap_or_default();
        assert_eq!(known.0.is_some(), entity.shown_before);
        let mut fields = known.0.unwrap_or_default();
        for field in &entity.fields {
            assert_eq!(fields.get(&field.field), field.before.as_ref());
            fields.put(&field.field, field.after.clone());
        }
        let shown = entity.shown_after.then_some(fields);
        after.insert(entity.key.clone(), (shown, entity.in_conflict));
    }
    after.retain(|_, look| *look != (None, false));
    after
}

/// Previews a write, does it, and compares.
fn check(bench: &mut Bench, write: &Write) {
    // While paused nothing is sent, so that all that happens is the write itself.
    bench.event(Event::Pause { until: None });
    bench.take_ended();
    let (before, queue_before) = (looks(bench), queue(bench));
    let preview = bench.preview(write.clone());
    assert_eq!((looks(bench), queue(bench)), (before.clone(), queue_before.clone()), "no trace");
    let written = bench.try_write(write.clone());
    match (preview, written) {
        (Ok(preview), Ok(written)) => {
            let ends: BTreeMap<Counter, Option<EndedAs>> =
                preview.ends.iter().map(|one| (one.operation, one.ends_as)).collect();
            let ended = bench.take_ended().into_iter().map(|(counter, how)| (counter, Some(how)));
            assert_eq!(ends, ended.collect(), "{write:?}");
            let queues: BTreeSet<Counter> =
                preview.queues.iter().map(|one| one.operation).collect();
            let fresh = queue(bench).into_iter().filter(|one| !queue_before.contains(one));
            assert_eq!(queues, fresh.collect(), "{write:?}");
            assert!(written.operations.iter().all(|one| queues.contains(one)));
            let mut after = looks(bench);
            after.retain(|_, look| *look != (None, false));
            assert_eq!(expected(&before, &preview), after, "{write:?}");
        }
        (Err(preview), Err(written)) => assert_eq!(preview.to_string(), written.to_string()),
        (preview, written) => panic!("{write:?}: {preview:?}, then {written:?}"),
    }
    bench.event(Event::Resume);
}

/// Answers whatever is on its way, in one of several ways.
fn answer(bench: &mut Bench, how: u8) {
    while !bench.pulls.is_empty() {
        bench.answer_pull(&[]);
    }
    if bench.pushes.is_empty() {
        return;
    }
    let push = bench.pushes.remove(0);
    if how == 5 {
        bench.fail(push.request, FailureClass::Unreachable);
        bench.event(Event::SyncNow);
        return;
    }
    let answers = push.operations.iter().map(|operation| {
        let theirs = Some(json!({"title": "theirs", "progress": 500}));
        let version = operation.base.0 + 1;
        match how {
            0 if operation.batch.is_none() => wire::rejected(operation),
            1 if operation.batch.is_none() && operation.base.0 > 0 => {
                wire::with_entity(operation, Outcome::Conflict, version, theirs)
            }
            2 if operation.batch.is_none() && operation.base.0 > 0 => {
                wire::with_entity(operation, Outcome::Superseded, version, theirs)
            }
            _ => wire::applied(operation),
        }
    });
    let answers = answers.collect();
    bench.answer(&push, answers);
}

fn entity(number: u8) -> EntityKey {
    match number % 4 {
        0 => key("Goal", "g"),
        number => note(&format!("n{number}")),
    }
}

/// Some write of an app; refused ones change nothing.
fn edit(bench: &mut Bench, choice: u8, number: u8) {
    let target = entity(number);
    let title = json!({"title": format!("t{number}"), "progress": number});
    let create = |key: EntityKey, parents| Write::Create {
        key,
        fields: wire::fields(title.clone()),
        parents,
    };
    let write = match choice % 6 {
        0 => create(target, Vec::new()),
        1 | 2 => support::update(&target, json!({"title": format!("u{number}")}), None),
        3 => Write::Delete { key: target, seen: None },
        4 => create(note(&format!("child{number}")), queue(bench).into_iter().take(1).collect()),
        _ => {
            let writes = vec![create(note(&format!("b{number}")), Vec::new()), {
                support::update(&target, json!({"progress": number}), None)
            }];
            Write::Batch { atomic: number.is_multiple_of(2), writes }
        }
    };
    // What cannot be done in the present state is refused, which is fine here.
    drop(bench.try_write(write));
}

/// Something that a person takes back, gives up or brings back.
fn wish(bench: &mut Bench, choice: u8, number: u8) -> Option<Write> {
    let queue = queue(bench);
    let operation = queue.get(usize::from(number) % queue.len().max(1)).copied();
    let changes = [("title".to_owned(), Some(json!("edited")))].into_iter().collect();
    Some(match choice % 8 {
        0 | 1 => Write::Rollback { operation: operation? },
        2 => Write::RollbackEntity { key: entity(number) },
        3 => Write::Discard { operation: operation? },
        4 => Write::DiscardWithDependents { operation: operation? },
        5 => Write::EditAndRetry { operation: operation?, changes },
        6 => Write::Retry { operation: operation? },
        _ => {
            let tx = bench.store().begin().unwrap();
            let history = tx.history(0, usize::MAX).unwrap();
            let record = history.get(usize::from(number) % history.len().max(1))?;
            Write::Undo { history: clarity_engine::HistoryId(record.id) }
        }
    })
}

fn live(steps: &[(u8, u8, u8)]) {
    let mut bench = Bench::with(&note("n1"), json!({"title": "first"}));
    for (what, choice, number) in steps.iter().copied() {
        match what % 8 {
            0..3 => edit(&mut bench, choice, number),
            3 | 4 => answer(&mut bench, choice % 7),
            5 => {
                let conflict = bench.conflicts().into_iter().next();
                if let Some(conflict) = conflict {
                    let resolution = match number % 2 {
                        0 => Resolution::KeepMine,
                        _ => Resolution::UseServer,
                    };
                    bench.resolve(&conflict, resolution).unwrap();
                }
            }
            _ => {
                if let Some(write) = wish(&mut bench, choice, number) {
                    check(&mut bench, &write);
                }
            }
        }
    }
}

/// Shows that what settles a conflict waits behind an earlier change of the entity that the server
/// refused, and says so, until a person has decided about that one.
#[test]
fn a_resolution_waits_behind_what_was_refused() {
    live(&[
        (0, 5, 57),
        (0, 4, 0),
        (6, 0, 136),
        (0, 1, 61),
        (0, 3, 217),
        (3, 3, 0),
        (3, 0, 0),
        (5, 0, 181),
    ]);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    /// Shows that previews of what takes back, gives up, sends again and undoes equal what really
    /// happens, in whatever state a device is, and leave no trace.
    #[test]
    fn previews_equal_what_happens(
        steps in prop::collection::vec((any::<u8>(), any::<u8>(), any::<u8>()), 1..40)
    ) {
        live(&steps);
    }
}
