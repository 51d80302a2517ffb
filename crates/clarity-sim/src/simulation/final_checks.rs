//! What must hold at the end, when the faults are over and everybody has had time.

use std::collections::BTreeMap;

use clarity_engine::protocol::model::EntityKey;
use clarity_engine::{Event, Flow};
use clarity_server::DumpedEntity;
use clarity_store::{EndedAs, OperationState};
use serde_json::Value;

use super::checks::{self, Replica};
use super::device::Device;
use super::model::{COUNTER_PREFIX, Waiting, number};
use super::person;
use super::server::ACCOUNTS_MAX;
use super::stage::{Violation, ensure};
use super::workload::{self, Intent, ORIGIN};
use super::world::World;

/// How often a person looks at what is left before it counts as impossible to settle.
const LOOKS_MAX: usize = 60;

/// Ends the faults, waits, lets a person settle what only a person can, and checks all.
pub(crate) fn settle(world: &mut World) -> Result<(), Violation> {
    world.heal()?;
    world.wait_out()?;
    nothing_is_stuck(world)?;
    world.wait_for_news()?;
    replicas_agree(world)?;
    people_settle_the_rest(world)?;
    while world.stage.agenda.hasten_requests(world.stage.now_ms) > 0 {
        world.stage.note(format_args!("what was still on its way arrives"));
        world.wait_out()?;
        // The server hints no device at its own changes, and this one may have given them up.
        for device in 0..world.devices.len() {
            world.do_intended(device, Event::SyncNow, Intent::None)?;
        }
        world.wait_out()?;
    }
    queues_are_empty(world)?;
    world.wait_for_news()?;
    replicas_agree(world)?;
    every_operation_ended_once(world)?;
    world.lost_came_back()?;
    for account in 0..ACCOUNTS_MAX {
        // What a copy knew is not known, and what the server had lost may have met what was made
        // since.
        let ledger = &world.ledgers[account];
        if ledger.is_set_back || ledger.is_restored {
            continue;
        }
        let entities = world.server.entities(account)?;
        counters_add_up(world, account, &entities)?;
        nothing_made_is_lost(world, account, &entities)?;
        tags_are_there(world, account, &entities)?;
    }
    Ok(())
}

/// Promise L1: with no help from anyone nothing waits but what only a person can settle.
fn nothing_is_stuck(world: &World) -> Result<(), Violation> {
    for device in &world.devices {
        if let Some(counter) = checks::stuck(&device.model) {
            let status = device.status.as_ref();
            let stalled = status.and_then(|status| status.stalled.as_ref());
            return ensure(false, "L1", || {
                let key = device.model.queue.get(&counter).map(|waiting| &waiting.key);
                let lane = device.model.queue.iter();
                let lane: Vec<_> = lane.filter(|(_, one)| Some(&one.key) == key).collect();
                format!(
                    "device {}: operation {counter} still waits; stalled: {stalled:?}; {lane:?}",
                    device.index,
                )
            });
        }
    }
    Ok(())
}

fn people_settle_the_rest(world: &mut World) -> Result<(), Violation> {
    for _ in 0..LOOKS_MAX {
        let mut busy = false;
        for device in 0..world.devices.len() {
            for _ in 0..3 {
                let there = &world.devices[device];
                if there.model.queue.is_empty() {
                    break;
                }
                busy = true;
                let Some(write) = person::settle_something(&mut world.stage, there) else { break };
                world.stage.note(format_args!("device {device} {write:?}"));
                world.do_intended(device, Event::Write(write), Intent::None)?;
            }
        }
        if !busy {
            return Ok(());
        }
        world.wait_out()?;
    }
    Ok(())
}

fn queues_are_empty(world: &World) -> Result<(), Violation> {
    for device in &world.devices {
        ensure(device.model.queue.is_empty(), "L1", || {
            let left: Vec<_> = device.model.queue.iter().collect();
            format!("device {}: a person cannot settle {left:?}", device.index)
        })?;
        let flow = device.status.as_ref().map(|status| status.flow);
        ensure(flow == Some(Flow::Synced), "status", || {
            format!("device {} has nothing left to do and says {flow:?}", device.index)
        })?;
    }
    Ok(())
}

/// Promise I6: what devices know of the server's state is the server's state.
fn replicas_agree(world: &mut World) -> Result<(), Violation> {
    for account in 0..ACCOUNTS_MAX {
        let entities = world.server.entities(account)?;
        for device in world.devices.iter_mut().filter(|device| device.account == account) {
            replica_agrees(device, &entities)?;
        }
    }
    Ok(())
}

fn replica_agrees(
    device: &mut Device,
    entities: &BTreeMap<EntityKey, DumpedEntity>,
) -> Result<(), Violation> {
    let given_up = device.given_up()?;
    let scope = device.scope()?;
    let is_followed = |key: &EntityKey| {
        scope.follows(key.entity_type.as_str()) && !scope.windows.contains_key(&key.entity_type)
    };
    let replicas: BTreeMap<EntityKey, Replica> = device.confirmed()?.into_iter().collect();
    for (key, entity) in entities {
        let fields = (!entity.deleted).then(|| entity.fields.clone());
        let expected = Replica { version: entity.version, fields };
        // What is not followed, or only of the last days, is as it was last heard of.
        if !is_followed(key) {
            continue;
        }
        let found = replicas.get(key);
        // Its request may have arrived after all, long after it was given up for a while.
        let is_aside = |one: &Waiting| one.key == *key && one.state == OperationState::SetAside;
        if device.model.queue.values().any(is_aside) {
            continue;
        }
        // Of a server that was set back by somebody who did not say so a device may know more than
        // it: what was lost and not given back stays, until the server has that version again.
        let is_newer = found.is_none_or(|found| found.version > entity.version);
        if device.model.may_keep_lost && is_newer {
            continue;
        }
        let is_known = found.is_none() && !entity.deleted;
        if is_known && given_up.has(key, entity.version) {
            continue;
        }
        ensure(found == Some(&expected), "I6", || {
            let words = |replica: &Replica| {
                format!("version {} {}", replica.version, checks::text(replica.fields.as_ref()))
            };
            let found = found.map_or_else(|| "nothing".to_owned(), words);
            format!("device {} has of {key} {found}; {}", device.index, words(&expected))
        })?;
    }
    // What was given up, and the server has lost, is known until somebody asks for it.
    let lost = device.model.may_go_back;
    let is_live = |key: &EntityKey| entities.get(key).map_or(lost, |there| lost || !there.deleted);
    // Of what is not followed nobody hears that it is gone.
    let mut known = given_up.keys();
    let gone = known.find(|key| is_followed(key) && !is_live(key) || replicas.contains_key(*key));
    ensure(gone.is_none(), "I10", || {
        format!("device {} takes {gone:?} for given up", device.index)
    })?;
    // What a server that was set back silently has lost stays on the devices that have it.
    let unknown = replicas.keys().find(|key| !entities.contains_key(*key));
    let unknown = unknown.filter(|_| !device.model.may_keep_lost);
    ensure(unknown.is_none(), "I6", || {
        format!("device {} has {unknown:?}, which the server has not", device.index)
    })?;
    Ok(())
}

/// Promise I4.
fn every_operation_ended_once(world: &World) -> Result<(), Violation> {
    for device in &world.devices {
        let open = device.model.fates.iter().find(|(_, fate)| fate.ended.is_none());
        ensure(open.is_none(), "I4", || {
            format!("device {}: an operation has no end: {open:?}", device.index)
        })?;
    }
    Ok(())
}

/// Promise I3: each accepted step of a counter is in its sum exactly once.
fn counters_add_up(
    world: &World,
    account: usize,
    entities: &BTreeMap<EntityKey, DumpedEntity>,
) -> Result<(), Violation> {
    for which in 0..2 {
        let key = workload::key("Goal", &format!("{COUNTER_PREFIX}{which}"));
        let devices = world.devices.iter().filter(|device| device.account == account);
        let fates = devices.flat_map(|device| device.model.fates.values());
        let accepted = fates.filter(|fate| {
            fate.key == key && matches!(fate.ended, Some(EndedAs::Applied | EndedAs::Merged))
        });
        let expected: i64 = accepted.map(|fate| fate.delta).sum();
        let found = entities.get(&key).map(|entity| number(entity.fields.get("progress")));
        ensure(found.unwrap_or_default() == expected, "I3", || {
            format!("{key} is {found:?} at the server; the accepted steps make {expected}")
        })?;
    }
    Ok(())
}

/// What was accepted and never deleted is there, with the field that no schema knows.
fn nothing_made_is_lost(
    world: &World,
    account: usize,
    entities: &BTreeMap<EntityKey, DumpedEntity>,
) -> Result<(), Violation> {
    for (key, made) in world.ledgers[account].made.iter().filter(|(_, made)| !made.disturbed) {
        let fate = world.devices[made.device].model.fates.get(&made.operation);
        let ended = fate.and_then(|fate| fate.ended);
        if !matches!(ended, Some(EndedAs::Applied | EndedAs::Merged)) {
            continue;
        }
        let entity = entities.get(key).filter(|entity| !entity.deleted);
        ensure(entity.is_some(), "I4", || format!("{key} was accepted and is not there"))?;
        let origin = entity.and_then(|entity| entity.fields.get(ORIGIN));
        let kept = made.origin == Value::Null || origin == Some(&made.origin);
        ensure(kept, "I9", || format!("{key} has lost a field that its schema does not know"))?;
    }
    Ok(())
}

/// What was added to a set and never removed is in it.
fn tags_are_there(
    world: &World,
    account: usize,
    entities: &BTreeMap<EntityKey, DumpedEntity>,
) -> Result<(), Violation> {
    for (key, device, operation, tag) in &world.ledgers[account].tags {
        let fate = world.devices[*device].model.fates.get(operation);
        let accepted =
            fate.is_some_and(|fate| matches!(fate.ended, Some(EndedAs::Applied | EndedAs::Merged)));
        let undisturbed = world.ledgers[account].made.get(key).is_some_and(|made| !made.disturbed);
        if !accepted || !undisturbed {
            continue;
        }
        let tags = entities.get(key).and_then(|entity| entity.fields.get("tags"));
        let tags = tags.and_then(Value::as_array);
        let there = tags.is_some_and(|tags| tags.iter().any(|one| one.as_str() == Some(tag)));
        ensure(there, "I9", || format!("the tag {tag} of {key} was accepted and is not there"))?;
    }
    Ok(())
}
