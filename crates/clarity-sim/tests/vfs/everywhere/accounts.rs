//! Two accounts on one device, each with a store of its own, and a sign-out.

use clarity_client::engine::Event;
use clarity_client::engine::Role;
use clarity_client::engine::store::{Credentials, TABLES_VERSION};
use clarity_client::model::LocalTime;
use clarity_sim::vfs::{Disk, MemoryVfs};
use serde_json::json;

use super::machine::{FILE, Machine, shipped};
use super::sweep::{Step, Workload};
use super::writes::{create, note, update};

/// The store of the second account.
const OTHER: &str = "account-2/store.db";
/// Transactions in which a store is made: each version of its tables, and its schema.
const MAKING: usize = TABLES_VERSION as usize + 1;

fn open(file: &'static str, states: usize) -> Step {
    Step::of_states(states, move |machine| {
        machine.at(file, &shipped()).store()?;
        Ok(())
    })
}

/// Somebody signs in, and stays signed in.
fn sign_in(file: &'static str, name: &'static str) -> Step {
    Step::new(move |machine| {
        let credentials = Credentials {
            server: "https://sync.example".to_owned(),
            name: name.to_owned(),
            access_token: Some(format!("access of {name}")),
            access_expires_at: Some(LocalTime(0)),
            refresh_token: Some(format!("refresh of {name}")),
        };
        machine.at(file, &shipped()).commit(|transaction| {
            transaction.bind_account(name, "the-device")?;
            transaction.put_credentials(&credentials)
        })
    })
}

fn write(file: &'static str, number: i64, words: &'static str) -> Step {
    Step::new(move |machine| {
        let event = Event::Write(create(note(number), json!({"title": words})));
        machine.at(file, &shipped()).handle(Role::Write, vec![event]).map(|_| ())
    })
}

/// The store is erased, and then its files are removed, as signing out does.
fn sign_out(file: &'static str) -> [Step; 2] {
    let erase =
        Step::new(move |machine| Ok(machine.at(file, &shipped()).store()?.begin()?.erase()?));
    let remove = Step::new(move |machine| {
        machine.close();
        for ending in ["-wal", "-journal", ""] {
            machine.disk.remove_file(&format!("{file}{ending}"));
        }
        Ok(())
    });
    [erase, remove]
}

/// Two accounts write in turn; then the second signs out, somebody new signs in in its place and
/// writes, and the first goes on.
pub(super) fn user_switch(vfs: &MemoryVfs) -> Workload {
    let disk = Disk::new(vfs, 1);
    let mut machine = Machine::new(&disk);
    let before = [
        sign_in(FILE, "anna"),
        write(FILE, 1, "of anna, one"),
        sign_in(OTHER, "berta"),
        write(OTHER, 1, "of berta, one"),
    ];
    for (number, step) in before.iter().enumerate() {
        step.take(&mut machine, number).unwrap();
    }
    machine.close();
    let [erase, remove] = sign_out(OTHER);
    let mut steps = vec![
        write(FILE, 2, "of anna, two"),
        write(OTHER, 2, "of berta, two"),
        erase,
        remove,
        open(OTHER, MAKING),
        sign_in(OTHER, "carla"),
        write(OTHER, 1, "of carla, one"),
    ];
    steps.push(Step::new(|machine| {
        let event = Event::Write(update(note(1), "title", json!("of anna, at the end")));
        machine.at(FILE, &shipped()).handle(Role::Write, vec![event]).map(|_| ())
    }));
    Workload { steps, holds: Box::new(hold_apart), ..Workload::of(&disk) }
}

/// Nothing of one account is in the other's files.
fn hold_apart(disk: &Disk) {
    let files = disk.file_names();
    for (file, others) in [(FILE, ["berta", "carla"].as_slice()), (OTHER, &["anna"])] {
        for name in files.iter().filter(|name| name.starts_with(file)) {
            let bytes = disk.file(name).unwrap();
            for other in others {
                let found = bytes.windows(other.len()).any(|part| part == other.as_bytes());
                assert!(!found, "{name} holds something of {other}");
            }
        }
    }
    // Nobody signs in beside what the one before left.
    let bytes = disk.file(OTHER).unwrap_or_default();
    let holds = |name: &str| bytes.windows(name.len()).any(|part| part == name.as_bytes());
    assert!(!(holds("berta") && holds("carla")), "carla's file holds something of berta");
}
