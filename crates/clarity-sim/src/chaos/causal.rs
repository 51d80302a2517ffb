//! The causal-consistency workload with real processes.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Result, anyhow};
use serde_json::json;

use super::nemesis::{Quota, torment};
use super::process::{Device, lock};
use super::verify::{Replica, on_server};
use super::{Plan, Report, Stage};
use crate::causal::{History, Register, Snapshot, Transaction, Value, check};
use crate::simulation::dice::Dice;

/// How many registers are shared.
const REGISTERS: usize = 4;
/// How far apart the numbers of one register are at least, so that no two clients write the same.
const CLIENTS_MAX: u64 = 64;
/// The longest pause between two transactions of a client, in milliseconds.
const PAUSE_MS_MAX: i64 = 150;

fn id(register: Register) -> String {
    format!("register-{register}")
}

fn snapshot(mut value_of: impl FnMut(&str) -> Option<Value>) -> Snapshot {
    (0..REGISTERS).map(|register| value_of(&id(register)).unwrap_or_default()).collect()
}

fn of_replica(replica: &Replica) -> Snapshot {
    snapshot(|id| {
        let goal = replica.get(&("Goal".to_owned(), id.to_owned()))?;
        goal.fields["best"].as_u64()
    })
}

pub(super) fn round(plan: &Plan, number: u64, report: &mut Report) -> Result<()> {
    let seed = plan.seed.wrapping_add(number);
    let stage = Stage::set(plan, seed)?;
    for register in 0..REGISTERS {
        stage.devices[0].must(&["add", "Goal", "--id", &id(register), "title=r", "best=0"])?;
    }
    stage.begin()?;
    let stop = AtomicBool::new(false);
    let history = Mutex::new(History::new(REGISTERS));
    let quota = Quota { kills: plan.kills, partitions: plan.partitions, stops: plan.stops };
    let (met, ended) = std::thread::scope(|scope| {
        let clients: Vec<_> = stage
            .devices
            .iter()
            .map(|device| {
                let mut dice = Dice::new(seed, 40 + device.index as u64);
                let (stop, history) = (&stop, &history);
                scope.spawn(move || act_on(device, &mut dice, stop, history))
            })
            .collect();
        let met = torment(&stage.targets(), &mut Dice::new(seed, 9), quota);
        stop.store(true, Ordering::SeqCst);
        let join = |client: std::thread::ScopedJoinHandle<'_, Result<()>>| {
            client.join().map_err(|_| anyhow!("a client panicked"))?
        };
        (met, clients.into_iter().try_for_each(join))
    });
    ended?;
    report.add(met?);
    let replicas = stage.settle(report)?;
    let mut history = lock(&history);
    for (index, replica) in replicas.iter().enumerate() {
        history.ends.push((format!("client {index}"), of_replica(replica)));
    }
    let there = on_server(&lock(&stage.server), stage.folder.path())?;
    history.ends.push(("the server".to_owned(), of_replica(&there.living)));
    for violation in check(&history) {
        report.violations += 1;
        report.problem(violation.to_string());
    }
    let acknowledged = history.transactions.iter().filter(|one| one.acknowledged).count() as u64;
    report.acknowledged += acknowledged;
    report.unknown += history.transactions.len() as u64 - acknowledged;
    report.rounds += 1;
    Ok(())
}

/// Reads and writes until told to stop.
fn act_on(
    device: &Device,
    dice: &mut Dice,
    stop: &AtomicBool,
    history: &Mutex<History>,
) -> Result<()> {
    let mut last: Value = 0;
    while !stop.load(Ordering::SeqCst) {
        std::thread::sleep(Duration::from_millis(dice.between(0, PAUSE_MS_MAX).unsigned_abs()));
        let listed = device.run(&["list", "Goal"], None)?;
        if !listed.success {
            // It was killed before it said anything: nothing was read.
            continue;
        }
        let shown = |id: &str| listed.objects.iter().find(|goal| goal["id"] == id);
        let read = snapshot(|id| shown(id)?["fields"]["best"].as_u64());
        let mut written = BTreeMap::new();
        for _ in 0..dice.index(4) {
            let register = dice.index(REGISTERS);
            let before = read[register].max(last);
            last = (before / CLIENTS_MAX + 1 + dice.index(3) as u64) * CLIENTS_MAX
                + device.index as u64;
            written.insert(register, last);
        }
        let mut lines = String::new();
        for (register, value) in &written {
            let id = id(*register);
            // What came in since it was read is merged: the larger number stays.
            let seen = shown(&id).map(|goal| goal["fields"].clone());
            let fields = json!({ "best": value });
            let line = json!({
                "do": "update", "type": "Goal", "id": id, "fields": fields, "seen": seen,
            });
            lines.push_str(&format!("{line}\n"));
        }
        let writes_nothing = written.is_empty();
        let position = {
            let mut history = lock(history);
            let client = device.index;
            let acknowledged = writes_nothing;
            history.transactions.push(Transaction {
                client,
                read: Some(read),
                written,
                acknowledged,
            });
            history.transactions.len() - 1
        };
        if !writes_nothing && device.run(&["batch", "-", "--atomic"], Some(&lines))?.success {
            lock(history).transactions[position].acknowledged = true;
        }
    }
    Ok(())
}
