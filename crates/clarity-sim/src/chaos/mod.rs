//! Real processes: `clarity serve` and several `clarity device … watch`, with commands that write
//! beside them, killed and made to stand still at random, and a network between them that fails.
//!
//! Each round has a server, an account and devices of its own. When its misfortunes are over
//! everything heals, and what is there is compared with what was acknowledged: nothing is lost,
//! nothing is there twice, every queue is empty within 11 seconds, and all devices come to hold
//! what the server holds. What is chosen follows from the seed; what then happens is up to the
//! machine, so a run does not repeat exactly.

mod causal;
mod nemesis;
mod process;
mod report;
mod verify;
mod writers;

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow};
use tempfile::TempDir;

use crate::proxy::{Link, Proxy, Weather};
use crate::simulation::dice::Dice;
use nemesis::{Quota, Targets, torment};
use process::{Device, News, Server, lock};
pub use report::{Misfortunes, Report};
use verify::{compare, on_device, on_server};
use writers::{COUNTED, Journal, write_on};

/// A queue that still waits so long after everything has healed is a failure.
const EMPTY_WITHIN: Duration = Duration::from_secs(11);
/// How long devices may take to come to hold the same (promise L1).
const EQUAL_WITHIN: Duration = Duration::from_secs(5 * 60);

/// What a run does.
#[derive(Debug, Clone)]
pub struct Plan {
    /// The program `clarity`.
    pub program: PathBuf,
    /// What is chosen follows from it.
    pub seed: u64,
    /// How many devices each round has.
    pub devices: usize,
    /// How many processes of devices and servers are killed in each round.
    pub kills: u64,
    /// How many partitions each round has.
    pub partitions: u64,
    /// How often a process stands still in each round.
    pub stops: u64,
}

/// The processes of a round.
struct Stage {
    folder: TempDir,
    devices: Vec<Device>,
    links: Vec<Link>,
    proxy: Proxy,
    server: Mutex<Server>,
    news: Arc<News>,
}

impl Stage {
    /// Starts a server and devices of one account.
    fn set(plan: &Plan, seed: u64) -> Result<Self> {
        let folder = TempDir::with_prefix("clarity-chaos-").context("making a folder")?;
        let server = Server::start(&plan.program, &folder.path().join("server"))?;
        let proxy = Proxy::start(server.address, seed)?;
        let news = Arc::new(News::default());
        let (mut devices, mut links) = (Vec::new(), Vec::new());
        for index in 0..plan.devices {
            let (device, link) =
                (Device::new(&plan.program, folder.path(), index, &news), proxy.link()?);
            let how = if index == 0 { "sign-up" } else { "login" };
            let name = index.to_string();
            let who = ["--server", link.address(), "--name", "people", "--device-name", &name];
            device.must(&[&[how], &who[..]].concat())?;
            devices.push(device);
            links.push(link);
        }
        Ok(Self { folder, devices, links, proxy, server: Mutex::new(server), news })
    }

    /// Brings what is on the first device to all, and begins to watch.
    fn begin(&self) -> Result<()> {
        for device in &self.devices {
            device.must(&["sync"])?;
            device.watch()?;
        }
        Ok(())
    }

    fn targets(&self) -> Targets<'_> {
        Targets { server: &self.server, devices: &self.devices, links: &self.links }
    }

    /// Everything heals; then queues must become empty, and devices equal. Gives what they hold.
    fn settle(&self, report: &mut Report) -> Result<Vec<verify::Replica>> {
        self.links.iter().for_each(|link| link.set(Weather::default()));
        let healed = Instant::now();
        for device in &self.devices {
            if !self.becomes_empty(device, healed + EMPTY_WITHIN)? {
                report.waiting += 1;
                let status = device.status();
                report.problem(format!("device {} still waits: {status}", device.index));
            }
        }
        let took = millis(healed.elapsed());
        report.queues_empty_ms_max = report.queues_empty_ms_max.max(took);
        let mut replicas = Vec::new();
        for device in &self.devices {
            replicas.push(self.becomes_equal(device, healed + EQUAL_WITHIN, report)?);
        }
        report.equal_ms_max = report.equal_ms_max.max(millis(healed.elapsed()));
        for (name, count) in self.proxy.faults() {
            *report.faults.entry(name).or_default() += count;
        }
        Ok(replicas)
    }

    /// Whether a queue becomes empty until a time. The watching process says so; the store knows.
    fn becomes_empty(&self, device: &Device, until: Instant) -> Result<bool> {
        loop {
            let said = device.status()["waiting"] == 0;
            if said && device.must(&["status"])?.last()["waiting"] == 0 {
                return Ok(true);
            }
            if Instant::now() >= until {
                return Ok(device.must(&["status"])?.last()["waiting"] == 0);
            }
            self.news.wait(until);
        }
    }

    fn becomes_equal(
        &self,
        device: &Device,
        until: Instant,
        report: &mut Report,
    ) -> Result<verify::Replica> {
        loop {
            let (here, open) = on_device(device, self.folder.path())?;
            let there = on_server(&lock(&self.server), self.folder.path())?.living;
            if here == there && open == 0 {
                return Ok(here);
            }
            if Instant::now() >= until {
                report.unequal += 1;
                let differs = there.iter().filter(|(key, one)| here.get(*key) != Some(one)).count();
                let words = format!("{differs} entities differ, {open} operations have no end");
                report.problem(format!("device {}: {words}", device.index));
                return Ok(here);
            }
            self.news.wait(until.min(Instant::now() + Duration::from_secs(1)));
        }
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// Runs one round of writes of every kind.
///
/// # Errors
/// When a process cannot be started or does what it must not.
pub fn round(plan: &Plan, number: u64, report: &mut Report) -> Result<()> {
    let seed = plan.seed.wrapping_add(number);
    let stage = Stage::set(plan, seed)?;
    let goal = ["add", "Goal", "--id", COUNTED, "title=steps", "progress=0"];
    stage.devices[0].must(&goal)?;
    stage.begin()?;
    let stop = AtomicBool::new(false);
    let quota = Quota { kills: plan.kills, partitions: plan.partitions, stops: plan.stops };
    let (met, journals) = std::thread::scope(|scope| {
        let writers: Vec<_> = stage
            .devices
            .iter()
            .map(|device| {
                let mut dice = Dice::new(seed, 20 + device.index as u64);
                let stop = &stop;
                scope.spawn(move || write_on(device, &mut dice, stop))
            })
            .collect();
        let met = torment(&stage.targets(), &mut Dice::new(seed, 8), quota);
        stop.store(true, Ordering::SeqCst);
        let join = |writer: std::thread::ScopedJoinHandle<'_, Result<Journal>>| {
            writer.join().map_err(|_| anyhow!("a writer panicked"))?
        };
        let journals = writers.into_iter().map(join).collect::<Result<Vec<_>>>();
        (met, journals)
    });
    report.add(met?);
    stage.settle(report)?;
    let there = on_server(&lock(&stage.server), stage.folder.path())?;
    compare(&journals?, &there, report);
    report.rounds += 1;
    Ok(())
}

/// Runs one round of the causal-consistency workload, and checks what its clients saw.
///
/// # Errors
/// When a process cannot be started or does what it must not.
pub fn causal_round(plan: &Plan, number: u64, report: &mut Report) -> Result<()> {
    causal::round(plan, number, report)
}

/// The program `clarity` beside this one, as Cargo builds them.
///
/// # Errors
/// When it is not there.
pub fn program_beside() -> Result<PathBuf> {
    let this = std::env::current_exe().context("finding this program")?;
    let folder = this.parent().unwrap_or(Path::new("."));
    let program = folder.join(format!("clarity{}", std::env::consts::EXE_SUFFIX));
    if !program.is_file() {
        return Err(anyhow!("there is no {}; `cargo xtask chaos` builds it", program.display()));
    }
    Ok(program)
}
