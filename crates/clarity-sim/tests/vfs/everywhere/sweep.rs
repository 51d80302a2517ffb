//! One mechanism for every workload: each I/O fails once, in each manner, and what is found then is
//! compared with what the workload goes through without faults.
//!
//! A workload is a list of steps, each of which acknowledges what it did when it returns. Run
//! without faults it goes through *states*: everything that its stores hold, table by table. After
//! a fault in a step the stores must be in the state before it or the state after it. So everything
//! that was acknowledged is there; and as rows and queue agree in each state of the undisturbed
//! run, they agree, and nothing is there by half. Then the program is started again and must go on
//! to the next state.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use clarity_client::model::Schema;
use clarity_sim::vfs::{CrashMode, Disk, DiskImage, Fault, MemoryVfs};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;

use super::content::content;
use super::machine::{FILE, Machine, shipped};

/// How often a step is tried again on a disk that works again.
const TRIES: usize = 3;
/// Seed of every disk, so that equal steps write equal bytes.
const SEED: u64 = 1;

type Act = dyn Fn(&mut Machine) -> anyhow::Result<()>;

/// One thing that is done, and acknowledged when it returns.
pub(super) struct Step {
    act: Box<Act>,
    /// Through how many states it goes: more than one for opening a store that is made or brought
    /// up to date in several transactions.
    states: usize,
}

impl Step {
    /// One transaction, or none.
    pub(super) fn new(act: impl Fn(&mut Machine) -> anyhow::Result<()> + 'static) -> Self {
        Self { act: Box::new(act), states: 1 }
    }

    /// Several transactions, after each of which a restart begins the step again.
    pub(super) fn of_states(
        states: usize,
        act: impl Fn(&mut Machine) -> anyhow::Result<()> + 'static,
    ) -> Self {
        Self { act: Box::new(act), states }
    }

    /// Takes it, as so many-th.
    pub(super) fn take(&self, machine: &mut Machine, number: usize) -> anyhow::Result<()> {
        machine.begin_step(number);
        (self.act)(machine)
    }
}

/// What is done with the stores of a device.
pub(super) struct Workload {
    pub(super) before: DiskImage,
    pub(super) steps: Vec<Step>,
    /// The schema that the first account's store has at the end.
    pub(super) schema: Arc<Schema>,
    /// What else must hold in every state.
    pub(super) holds: Box<dyn Fn(&Disk)>,
}

/// How the disk fails at one I/O.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Manner {
    /// The power fails; this becomes of what no sync had covered.
    PowerLoss(CrashMode),
    /// Only the process dies.
    Kill,
    /// One I/O error; the program goes on with the store that it has open.
    ErrorOnce,
    /// I/O errors from then on; the program gives up, and the power fails.
    ErrorForever,
    /// The disk is full; when there is room again, the program goes on with the store that it has
    /// open.
    Full,
}

impl Manner {
    pub(super) const ALL: [Self; 8] = [
        Self::PowerLoss(CrashMode::LoseUnsynced),
        Self::PowerLoss(CrashMode::KeepUnsynced),
        Self::PowerLoss(CrashMode::Prefix),
        Self::PowerLoss(CrashMode::Mixed),
        Self::Kill,
        Self::ErrorOnce,
        Self::ErrorForever,
        Self::Full,
    ];

    fn fault(self) -> Fault {
        match self {
            Self::PowerLoss(_) | Self::Kill => Fault::Crash,
            Self::ErrorOnce => Fault::IoErrorOnce,
            Self::ErrorForever => Fault::IoErrorForever,
            Self::Full => Fault::DiskFull,
        }
    }

    /// What the disk holds when the machine runs again, and how many writes were torn.
    fn left(self, disk: &Disk, seed: u64) -> (DiskImage, u64) {
        let mode = match self {
            Self::Kill => return (disk.clone_image(), 0),
            Self::PowerLoss(mode) => mode,
            Self::ErrorForever => CrashMode::Mixed,
            Self::ErrorOnce | Self::Full => CrashMode::LoseUnsynced,
        };
        let (image, report) = disk.image_after(mode, &mut ChaCha8Rng::seed_from_u64(seed));
        (image, report.torn)
    }
}

/// What every fault of a workload came to.
#[derive(Debug, Default)]
pub(super) struct Tally {
    pub(super) points: u64,
    runs: u64,
    torn_writes: u64,
    /// Something acknowledged was gone.
    pub(super) lost: u64,
    /// Something was there by half, or rows and queue did not agree.
    pub(super) split: u64,
    /// The stores could not be opened, or were damaged.
    pub(super) unopenable: u64,
    /// The program did not go on as it does without faults.
    pub(super) stuck: u64,
    /// The first that went wrong.
    pub(super) first: Option<String>,
}

impl fmt::Display for Tally {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { points, runs, torn_writes, lost, split, unopenable, stuck, .. } = self;
        write!(
            formatter,
            "{points:>4} I/Os x {} manners = {runs:>5} runs, {torn_writes:>5} torn \
             writes: {lost} lost, {split} split, {unopenable} unopenable, {stuck} stuck",
            Manner::ALL.len(),
        )
    }
}

impl Tally {
    fn count(&mut self, wrong: Wrong, place: String) {
        let (count, words) = match wrong {
            Wrong::Lost(words) => (&mut self.lost, words),
            Wrong::Split(words) => (&mut self.split, words),
            Wrong::Unopenable(words) => (&mut self.unopenable, words),
            Wrong::Stuck(words) => (&mut self.stuck, words),
        };
        *count += 1;
        self.first.get_or_insert(format!("{place}: {words}"));
    }
}

/// The undisturbed run.
struct Course {
    states: Vec<String>,
    /// The number of the state after so many steps.
    ends: Vec<usize>,
    points: u64,
}

/// What went wrong in a run.
#[derive(Clone)]
enum Wrong {
    Lost(String),
    Split(String),
    Unopenable(String),
    Stuck(String),
}

impl Workload {
    /// Nothing, with stores of the product's schema.
    pub(super) fn of(disk: &Disk) -> Self {
        let before = disk.clone_image();
        Self { before, steps: Vec::new(), schema: shipped(), holds: Box::new(|_| {}) }
    }

    /// Fails every I/O of the workload, in every manner.
    pub(super) fn fail_everywhere(&self, vfs: &MemoryVfs) -> Tally {
        self.fail_in(vfs, &Manner::ALL, false)
    }

    /// Fails every I/O in these manners; on a disk that ignores syncs if `lies`.
    pub(super) fn fail_in(&self, vfs: &MemoryVfs, manners: &[Manner], lies: bool) -> Tally {
        let course = self.course(vfs);
        let mut tally = Tally { points: course.points, ..Tally::default() };
        // What was found good once is good again: many faults leave the same bytes.
        let mut good = BTreeSet::new();
        for point in 0..course.points {
            let mut stopped: Option<(Fault, Disk, Result<usize, Wrong>)> = None;
            for manner in manners {
                let ran = stopped.take_if(|(fault, ..)| *fault != manner.fault());
                drop(ran);
                let (_, disk, done) = stopped.get_or_insert_with(|| {
                    let disk = Disk::from_image(vfs, &self.before, SEED);
                    disk.set_ignores_syncs(lies);
                    let done = self.run_into(&disk, point, manner.fault());
                    (manner.fault(), disk, done)
                });
                let (image, torn) = manner.left(disk, point);
                tally.runs += 1;
                tally.torn_writes += torn;
                let judged = done.clone().and_then(|done| {
                    let there = (done, image.fingerprint());
                    if !good.contains(&there) {
                        self.judge(vfs, &image, &course, done)?;
                        good.insert(there);
                    }
                    Ok(())
                });
                if let Err(wrong) = judged {
                    tally.count(wrong, format!("I/O {point}, {manner:?}"));
                }
            }
        }
        tally
    }

    fn act(&self, machine: &mut Machine, step: usize) -> anyhow::Result<()> {
        self.steps[step].take(machine, step)
    }

    /// Runs it without faults.
    fn course(&self, vfs: &MemoryVfs) -> Course {
        let disk = Disk::from_image(vfs, &self.before, SEED);
        let mut machine = Machine::new(&disk);
        let mut course = Course { states: Vec::new(), ends: Vec::new(), points: 0 };
        course.enter(self, &disk);
        for number in 0..self.steps.len() {
            let from = disk.operations();
            self.act(&mut machine, number).unwrap();
            if self.steps[number].states > 1 {
                let before = course.states.len();
                self.enter_between(vfs, &mut course, from..disk.operations());
                assert_eq!(course.states.len() - before, self.steps[number].states - 1, "{number}");
            }
            course.enter(self, &disk);
            assert!(machine.agrees_with_itself(), "step {number}");
        }
        machine.close();
        assert_eq!(course.states.last(), Some(&content(&disk).unwrap()));
        course.points = disk.operations();
        assert_eq!(disk.open_handles(), 0);
        course
    }

    /// Adds the states that a step goes through between its beginning and its end.
    fn enter_between(&self, vfs: &MemoryVfs, course: &mut Course, points: std::ops::Range<u64>) {
        let end = points.end;
        let mut found = Vec::new();
        for point in points.chain([end]) {
            let disk = Disk::from_image(vfs, &self.before, SEED);
            disk.fail_at(point, Fault::Crash);
            let mut machine = Machine::new(&disk);
            let _ = (0..self.steps.len()).try_for_each(|step| self.act(&mut machine, step));
            drop(machine);
            disk.kill();
            let there = content(&disk).unwrap();
            if course.states.last() != Some(&there) && found.last() != Some(&there) {
                found.push(there);
            }
        }
        // The last is where the step ends.
        found.pop();
        course.states.extend(found);
    }

    /// Runs it with a fault at one I/O, and says how many steps were acknowledged.
    fn run_into(&self, disk: &Disk, point: u64, fault: Fault) -> Result<usize, Wrong> {
        disk.fail_at(point, fault);
        // With an error that passes, and a disk that has room again, the program goes on.
        let goes_on = matches!(fault, Fault::IoErrorOnce | Fault::DiskFull);
        let mut machine = Machine::new(disk);
        let (mut done, mut tries) = (0, 0);
        while done < self.steps.len() {
            match self.act(&mut machine, done) {
                Ok(()) => done += 1,
                Err(_) if goes_on && tries < TRIES => {
                    tries += 1;
                    disk.heal();
                }
                Err(error) if goes_on => {
                    return Err(Wrong::Stuck(format!("step {done} fails for ever: {error:#}")));
                }
                Err(_) => break,
            }
        }
        drop(machine);
        let met = disk.faults_met();
        match met.first() {
            Some(met) if met.operation == point => Ok(done),
            _ => Err(Wrong::Stuck("the I/O was not met".to_owned())),
        }
    }

    /// Looks at what a fault left of stores of which `done` steps were acknowledged.
    fn judge(
        &self,
        vfs: &MemoryVfs,
        image: &DiskImage,
        course: &Course,
        done: usize,
    ) -> Result<(), Wrong> {
        let disk = Disk::from_image(vfs, image, SEED);
        let found = content(&disk).map_err(Wrong::Unopenable)?;
        let next = self.place(course, done, &found)?;
        self.go_on(&disk, course, next)
    }

    /// Where the program goes on that was killed when `done` steps were acknowledged.
    fn place(&self, course: &Course, done: usize, found: &String) -> Result<usize, Wrong> {
        let last = course.ends[done];
        let next = course.ends.get(done + 1).copied().unwrap_or(last);
        if let Some(more) = course.states[last..=next].iter().position(|state| state == found) {
            return Ok(if more > 0 && last + more == next { done + 1 } else { done });
        }
        if course.states[..last].contains(found) {
            return Err(Wrong::Lost(format!("what step {} acknowledged is gone", done - 1)));
        }
        let difference = difference(&course.states[last], found);
        Err(Wrong::Split(format!("after {done} steps, neither old nor new: {difference}")))
    }

    /// Starts the program again: it opens its stores and takes the next step, to the state that it
    /// has without faults. From there on everything is as without faults.
    fn go_on(&self, disk: &Disk, course: &Course, next: usize) -> Result<(), Wrong> {
        let mut machine = Machine::new(disk);
        let taken = match self.steps.get(next) {
            Some(step) => step.take(&mut machine, next),
            None => machine.at(FILE, &self.schema).store().map(|_| ()).map_err(anyhow::Error::from),
        };
        taken.map_err(|error| {
            Wrong::Unopenable(format!("started again, step {next} fails: {error:#}"))
        })?;
        drop(machine);
        let end = content(disk).map_err(Wrong::Unopenable)?;
        let expected = &course.states[course.ends[self.steps.len().min(next + 1)]];
        if *expected == end { Ok(()) } else { Err(Wrong::Stuck(difference(expected, &end))) }
    }
}

impl Course {
    /// Takes the state of a disk as the one after the next step.
    fn enter(&mut self, workload: &Workload, disk: &Disk) {
        let state = content(disk).unwrap();
        if self.states.last() != Some(&state) {
            self.states.push(state);
        }
        self.ends.push(self.states.len() - 1);
        (workload.holds)(&Disk::from_image(disk.vfs(), &disk.clone_image(), SEED));
    }
}

/// The first line in which two states differ.
fn difference(expected: &str, found: &str) -> String {
    let mut lines = expected.lines().zip(found.lines());
    match lines.find(|(expected, found)| expected != found) {
        Some((expected, found)) => format!("expected {expected:.200}, found {found:.200}"),
        None => format!("{} lines, expected {}", found.lines().count(), expected.lines().count()),
    }
}
