//! The steps of the tour.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use clarity_client::health::bundled_export;
use serde_json::{Map, Value, json};

use crate::output::{counted, grouped};
use crate::tour::dice::Dice;
use crate::tour::journal::{Intended, Journal};
use crate::tour::kills::{self, Kills};
use crate::tour::network::{FaultCounts, Network, Weather};
use crate::tour::process::{DeviceHandle, Ended, ServerProcess, program};
use crate::tour::show::Show;

/// How often both devices may sync until they must agree.
const ROUNDS_MAX: u32 = 100;
/// How long one sync goes on against failures before it is started anew, in seconds.
const PATIENCE: &str = "3";
/// The note that both devices edit.
const NOTE: &str = "Slept at ten.\nWoke twice.\nDreamt of rain.\nUp at six.\nCoffee.";

/// What to do, and where.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) work: PathBuf,
    pub(crate) dump: PathBuf,
    pub(crate) export: Option<PathBuf>,
    pub(crate) seed: u64,
    pub(crate) kills: bool,
}

/// What only the run itself can tell.
#[derive(Debug)]
pub(crate) struct RunFigures {
    pub(crate) device_kills: u32,
    pub(crate) server_kills: u32,
    pub(crate) faults: FaultCounts,
}

/// A tour on its way.
pub(crate) struct Tour {
    pub(crate) show: Show,
    pub(crate) server: ServerProcess,
    pub(crate) network: Network,
    pub(crate) a: DeviceHandle,
    pub(crate) b: DeviceHandle,
    pub(crate) dice: Dice,
    journal: Journal,
    incarnations: [String; 2],
}

/// Fields with the rules by which they merge.
type Fields<'a> = (Value, &'a [(&'static str, &'static str)]);

/// Runs the whole script and leaves the files in the folder of the plan.
pub(crate) fn run(plan: &Plan, show: Show) -> Result<RunFigures> {
    let server = ServerProcess::start(&plan.work.join("server"))?;
    let network = Network::start(server.address, plan.seed)?;
    let mut tour = Tour {
        show,
        network,
        server,
        a: DeviceHandle::new("A", plan.work.join("a")),
        b: DeviceHandle::new("B", plan.work.join("b")),
        dice: Dice::new(plan.seed ^ 0x70_75_72),
        journal: Journal::create(&plan.dump)?,
        incarnations: [String::new(), String::new()],
    };
    let export = match &plan.export {
        Some(path) => path.clone(),
        None => {
            let path = plan.work.join("export.zip");
            bundled_export().write_to(&path).context("writing the built-in export")?;
            path
        }
    };
    let mut kills = Kills::default();
    tour.share()?;
    tour.go_offline()?;
    tour.work_apart(&export, plan.kills.then_some(&mut kills))?;
    tour.come_back(plan.kills.then_some(&mut kills))?;
    tour.settle_conflict()?;
    tour.compare(&plan.dump)?;
    let faults = tour.network.counts();
    Ok(RunFigures { device_kills: kills.devices, server_kills: kills.servers, faults })
}

impl Tour {
    /// Step 1: both sign in and share a few things that a person typed.
    fn share(&mut self) -> Result<()> {
        self.show.step(1, "Two devices, one account");
        let address = self.network.address().to_owned();
        let account = ["--server", &address, "--name", "tourist", "--device-name"];
        for (device, how) in [(&self.a, "sign-up"), (&self.b, "login")] {
            let mut arguments = vec![how];
            arguments.extend(account);
            arguments.push(device.name);
            device.run(&arguments)?;
        }
        for (slot, device) in [&self.a, &self.b].into_iter().enumerate() {
            let status = device.run(&["status"])?;
            self.incarnations[slot] = status["incarnation"].as_str().unwrap_or_default().to_owned();
        }
        let a = self.a.clone();
        let note = json!({ "title": "Night", "text": NOTE, "tags": ["sleep"] });
        self.create(&a, "Note", "night", note)?;
        self.create(&a, "Note", "plan", json!({ "title": "Plan", "text": "Walk more." }))?;
        let steps = json!({ "title": "Steps", "metric": "steps", "target": 8_000 });
        self.create(&a, "Goal", "steps", steps)?;
        let walks = json!({ "title": "Walks", "target": 20, "progress": 10, "best": 4 });
        self.create(&a, "Goal", "walks", walks)?;
        let pressure = json!({ "metric": "blood_pressure_systolic", "value": 121, "unit": "mmHg" });
        self.create(&a, "ManualReading", "evening", pressure)?;
        self.sync_until_agreed()?;
        self.show.done("signed in; 2 notes, 2 goals and a reading made on A arrived on B");
        Ok(())
    }

    /// Step 2: the network goes away.
    fn go_offline(&mut self) -> Result<()> {
        self.show.step(2, "Both go offline");
        self.network.set_weather(Weather::Offline);
        for device in [&self.a, &self.b] {
            let ended = device.try_run(&["sync", "--patience", "0"])?;
            if ended.code != Some(5) {
                bail!(
                    "a sync of device {} without a network ended with {:?}: {}",
                    device.name,
                    ended.code,
                    ended.message()
                );
            }
        }
        self.show.done("a sync says so and ends with code 5; everything else goes on working");
        Ok(())
    }

    /// Step 3: A imports, and both change the same notes and goals.
    fn work_apart(&mut self, export: &Path, kills: Option<&mut Kills>) -> Result<()> {
        self.show.step(3, "A imports a health export, and both edit the same things");
        let a = self.a.clone();
        let first = next_operation(&a)?;
        let path = export.to_str().context("the path of the export is not text")?;
        let killed = kills.is_some();
        if let Some(kills) = kills {
            kills::while_importing(self, path, kills)?;
        }
        let report = a.run(&["import", path])?;
        let next = next_operation(&a)?;
        let incarnation = self.incarnations[0].clone();
        self.journal.import(a.name, &incarnation, &report, first, next)?;
        self.show.done(&format!(
            "imported: {}, {}, {}, {}",
            counted(count_of(&report, "HealthMetric"), "record", "records"),
            counted(count_of(&report, "Workout"), "workout", "workouts"),
            counted(count_of(&report, "ActivitySummary"), "daily summary", "daily summaries"),
            counted(count_of(&report, "WorkoutRoute"), "piece of a route", "pieces of routes"),
        ));
        if let Some(kept) = report["duplicate"].as_u64().filter(|_| killed) {
            self.show
                .note(&format!("{} of them were saved by imports that were killed", grouped(kept)));
        }
        let again = a.run(&["import", path])?;
        if again["new"] != 0 || again["changed"] != 0 {
            bail!("importing the same export again changed something");
        }
        self.show.done("imported again: 0 new, 0 changed");
        self.edit_on_both()
    }

    fn edit_on_both(&mut self) -> Result<()> {
        let (a, b) = (self.a.clone(), self.b.clone());
        let text = [("text", "text"), ("tags", "set")];
        let numbers = [("progress", "counter"), ("best", "max")];
        let begun = NOTE.replace("Slept at ten.", "Slept at eleven.");
        self.edit(&a, "Note", "night", (json!({ "text": begun }), &text))?;
        let edited = NOTE.replace("Slept at ten.", "Slept at half past ten.");
        let both = json!({ "text": edited, "tags": ["sleep", "late"] });
        self.edit(&a, "Note", "night", (both, &text))?;
        let other = NOTE.replace("Coffee.", "Tea, for once.");
        let both = json!({ "text": other, "tags": ["sleep", "tea"] });
        self.edit(&b, "Note", "night", (both, &text))?;
        self.edit(&a, "Note", "plan", (json!({ "title": "Plan for May" }), &text))?;
        self.edit(&b, "Note", "plan", (json!({ "tags": ["may"] }), &text))?;
        self.edit(&a, "Goal", "walks", (json!({ "progress": 13, "best": 7 }), &numbers))?;
        self.edit(&b, "Goal", "walks", (json!({ "progress": 12, "best": 6 }), &numbers))?;
        self.edit(&a, "ManualReading", "evening", (json!({ "note": "after dinner" }), &[]))?;
        self.edit(&b, "ManualReading", "evening", (json!({ "source": "arm cuff" }), &[]))?;
        self.edit(&a, "Goal", "steps", (json!({ "target": 9_000 }), &[]))?;
        self.edit(&b, "Goal", "steps", (json!({ "target": 12_000 }), &[]))?;
        self.create(&b, "Note", "from-b", json!({ "title": "Made on B", "text": "Offline." }))?;
        self.show
            .done("on both: a note's lines and tags, a goal's progress, other fields of a reading");
        self.show.done("and one true conflict: the target of a goal, 9,000 on A, 12,000 on B");
        let waiting: Vec<String> = [&a, &b]
            .into_iter()
            .map(|device| Ok(format!("{} on {}", grouped(waiting(device)?), device.name)))
            .collect::<Result<_>>()?;
        self.show.note(&format!("waiting to be sent: {}", waiting.join(", ")));
        Ok(())
    }

    /// Step 4: the network comes back, badly.
    fn come_back(&mut self, kills: Option<&mut Kills>) -> Result<()> {
        self.show.step(4, "The network comes back, and it is a bad one");
        self.network.set_weather(Weather::Faulty);
        let before = self.network.counts();
        if let Some(kills) = kills {
            kills::while_syncing(self, kills)?;
            self.show.done(&format!(
                "killed on the way: device A {} times ({} in imports, {} in syncs), the server {}",
                kills.devices,
                kills.imports,
                kills.devices - kills.imports,
                kills.servers
            ));
        }
        let rounds = self.sync_until_agreed()?;
        let now = self.network.counts();
        self.show.done(&format!(
            "in step after {}; of {} requests the network",
            counted(rounds.into(), "round of syncs", "rounds of syncs"),
            now.requests - before.requests
        ));
        self.show.note(&format!(
            "dropped {}, lost {} after the server had done it, sent {} twice,",
            now.requests_dropped, now.answers_lost, now.duplicated
        ));
        self.show.note(&format!("delayed {} and refused {}", now.delayed, now.refused));
        Ok(())
    }

    /// Step 5: a person settles what only a person can.
    fn settle_conflict(&mut self) -> Result<()> {
        self.show.step(5, "The conflict waits for a person");
        let (device, conflict) = self.open_conflict()?;
        let field = &conflict["fields"][0];
        self.show.done(&format!(
            "on {}: {} of {}/{}: before {}, here {}, on the server {}",
            device.name,
            field["field"].as_str().unwrap_or_default(),
            conflict["type"].as_str().unwrap_or_default(),
            conflict["id"].as_str().unwrap_or_default(),
            field["base"],
            field["local"],
            field["server"]
        ));
        let id = conflict["id"].as_str().unwrap_or_default().to_owned();
        let number = conflict_number(&conflict);
        let written = device.run(&["resolve", &number, "--set", "target=10000"])?;
        let entity_type = conflict["type"].as_str().unwrap_or_default().to_owned();
        let slot = usize::from(device.name == self.b.name);
        self.journal.write(&Intended {
            device: device.name,
            incarnation: &self.incarnations[slot],
            kind: "resolve",
            entity_type: &entity_type,
            id: &id,
            fields: Map::from_iter([("target".to_owned(), json!(10_000))]),
            rules: &[],
            operations: &written["operations"],
        })?;
        self.sync_until_agreed()?;
        self.show.done("settled with 10,000 and sent, through the same bad network");
        Ok(())
    }

    /// Step 6: everything is written to files.
    fn compare(&mut self, dump: &Path) -> Result<()> {
        self.show.step(6, "What is where now");
        for (device, name) in [(&self.a, "a"), (&self.b, "b")] {
            let entities = dump.join(format!("replica-{name}.jsonl"));
            let operations = dump.join(format!("operations-{name}.jsonl"));
            let path = |path: &Path| path.to_string_lossy().into_owned();
            device.run(&["export", &path(&entities), "--operations", &path(&operations)])?;
        }
        let mut command = std::process::Command::new(program()?);
        command.args(["--json", "dump-server", "--data"]).arg(self.server.data());
        let output = command.arg("--to").arg(dump).output().context("dumping the server")?;
        if !output.status.success() {
            bail!("the server could not be dumped: {}", Ended::of(&output).message());
        }
        self.show.done("both devices and the server were written to files and read back");
        Ok(())
    }

    fn create(
        &mut self,
        device: &DeviceHandle,
        entity_type: &str,
        id: &str,
        fields: Value,
    ) -> Result<()> {
        let arguments = ["add", entity_type, "--id", id].map(str::to_owned).to_vec();
        self.write(device, "create", entity_type, id, arguments, (fields, &[]))
    }

    fn edit(
        &mut self,
        device: &DeviceHandle,
        entity_type: &str,
        id: &str,
        fields: Fields<'_>,
    ) -> Result<()> {
        let arguments = vec!["edit".to_owned(), format!("{entity_type}/{id}")];
        self.write(device, "update", entity_type, id, arguments, fields)
    }

    fn write(
        &mut self,
        device: &DeviceHandle,
        kind: &'static str,
        entity_type: &str,
        id: &str,
        mut arguments: Vec<String>,
        (fields, rules): Fields<'_>,
    ) -> Result<()> {
        let fields = fields.as_object().cloned().unwrap_or_default();
        arguments.extend(fields.iter().map(|(field, value)| format!("{field}={value}")));
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let written = device.run(&arguments)?;
        let slot = usize::from(device.name == self.b.name);
        self.journal.write(&Intended {
            device: device.name,
            incarnation: &self.incarnations[slot],
            kind,
            entity_type,
            id,
            fields,
            rules,
            operations: &written["operations"],
        })
    }

    /// Both sync at the same time, again and again, until both are done and neither had anything
    /// to send: what one reads then is all that the other ever sent.
    fn sync_until_agreed(&mut self) -> Result<u32> {
        let mut last = String::new();
        let mut nothing_to_send = false;
        for round in 1..=ROUNDS_MAX {
            let children = [self.a.spawn(SYNC)?, self.b.spawn(SYNC)?];
            let mut ended = Vec::new();
            for child in children {
                ended.push(Ended::of(&child.wait_with_output()?));
            }
            let done = ended.iter().all(|ended| ended.code == Some(0));
            if done && nothing_to_send {
                return Ok(round);
            }
            nothing_to_send =
                done && ended.iter().all(|ended| ended.object["status"]["waiting"] == 0);
            last = ended.iter().map(|ended| format!("{}; ", ended.summary())).collect();
        }
        bail!("the devices did not agree after {ROUNDS_MAX} syncs: {last}")
    }

    fn open_conflict(&self) -> Result<(DeviceHandle, Value)> {
        for device in [&self.a, &self.b] {
            if let Some(conflict) = device.run_lines(&["conflicts"])?.into_iter().next() {
                return Ok((device.clone(), conflict));
            }
        }
        bail!("the two targets did not become a conflict")
    }
}

/// A sync with the tour's patience.
pub(crate) const SYNC: &[&str] = &["sync", "--patience", PATIENCE];

fn next_operation(device: &DeviceHandle) -> Result<u64> {
    let status = device.run(&["status"])?;
    status["next_operation"].as_u64().context("a status without the next operation")
}

fn waiting(device: &DeviceHandle) -> Result<u64> {
    Ok(device.run(&["status"])?["waiting"].as_u64().unwrap_or_default())
}

fn count_of(report: &Value, entity_type: &str) -> u64 {
    report["by_type"][entity_type].as_u64().unwrap_or_default()
}

fn conflict_number(conflict: &Value) -> String {
    conflict["conflict"].to_string()
}
