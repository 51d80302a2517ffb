//! What happens to the processes and to the network between them.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use anyhow::Result;

use super::process::{Device, Server, lock};
use super::report::Misfortunes;
use crate::proxy::{FaultRates, Link, Way, Weather};
use crate::simulation::dice::Dice;

/// The longest pause between two misfortunes, in milliseconds.
const GAP_MS_MAX: i64 = 500;
/// The longest partition, pause or absence, in milliseconds.
const AWAY_MS_MAX: i64 = 2_500;

/// Who can be met.
pub(super) struct Targets<'a> {
    pub(super) server: &'a Mutex<Server>,
    pub(super) devices: &'a [Device],
    pub(super) links: &'a [Link],
}

/// How often.
#[derive(Debug, Clone, Copy)]
pub(super) struct Quota {
    pub(super) kills: u64,
    pub(super) partitions: u64,
    pub(super) stops: u64,
}

/// What ends a misfortune.
enum End {
    Connect(usize),
    GoOn(usize),
    ServerGoesOn,
    Start(usize),
}

/// Lets all of it happen, and ends it.
pub(super) fn torment(targets: &Targets<'_>, dice: &mut Dice, quota: Quota) -> Result<Misfortunes> {
    let bad = Weather { faults: FaultRates::BAD, ..Weather::default() };
    targets.links.iter().for_each(|link| link.set(bad));
    let mut met = Misfortunes::default();
    let mut running: Vec<(Instant, End)> = Vec::new();
    loop {
        let left = [
            quota.kills.saturating_sub(met.kills()),
            quota.partitions.saturating_sub(met.partitions),
            quota.stops.saturating_sub(met.stops),
        ];
        if left == [0; 3] {
            break;
        }
        std::thread::sleep(Duration::from_millis(dice.between(50, GAP_MS_MAX).unsigned_abs()));
        end_those(targets, &mut running, |until| until <= Instant::now())?;
        let away = Duration::from_millis(dice.between(100, AWAY_MS_MAX).unsigned_abs());
        let until = Instant::now() + away;
        let which = dice.between(0, i64::try_from(left.iter().sum::<u64>())?).unsigned_abs();
        let end = if which < left[0] {
            kill(targets, dice, &running, &mut met)?
        } else if which < left[0] + left[1] {
            part(targets, dice, &mut met)
        } else {
            stop(targets, dice, &running, &mut met)?
        };
        running.extend(end.into_iter().map(|end| (until, end)));
    }
    end_those(targets, &mut running, |_| true)?;
    Ok(met)
}

fn end_those(
    targets: &Targets<'_>,
    running: &mut Vec<(Instant, End)>,
    ends: impl Fn(Instant) -> bool,
) -> Result<()> {
    for (until, end) in std::mem::take(running) {
        if !ends(until) {
            running.push((until, end));
            continue;
        }
        match end {
            End::Connect(link) => {
                targets.links[link].set(Weather { faults: FaultRates::BAD, ..Weather::default() });
            }
            End::GoOn(device) => targets.devices[device].go_on()?,
            End::ServerGoesOn => lock(targets.server).go_on()?,
            End::Start(device) => targets.devices[device].watch()?,
        }
    }
    Ok(())
}

/// Whether a device is away or stands still.
fn is_down(running: &[(Instant, End)], device: usize) -> bool {
    running.iter().any(|(_, end)| match end {
        End::GoOn(other) | End::Start(other) => *other == device,
        End::Connect(_) | End::ServerGoesOn => false,
    })
}

fn kill(
    targets: &Targets<'_>,
    dice: &mut Dice,
    running: &[(Instant, End)],
    met: &mut Misfortunes,
) -> Result<Vec<End>> {
    if dice.chance(250) {
        if running.iter().any(|(_, end)| matches!(end, End::ServerGoesOn)) {
            return Ok(Vec::new());
        }
        lock(targets.server).kill_and_restart()?;
        met.server_kills += 1;
        return Ok(Vec::new());
    }
    let device = dice.index(targets.devices.len());
    if is_down(running, device) {
        return Ok(Vec::new());
    }
    if dice.chance(400) && targets.devices[device].kill_command() {
        met.command_kills += 1;
    }
    targets.devices[device].kill();
    met.device_kills += 1;
    if dice.chance(500) {
        targets.devices[device].watch()?;
        return Ok(Vec::new());
    }
    Ok(vec![End::Start(device)])
}

/// Cuts one device off, or all of them.
fn part(targets: &Targets<'_>, dice: &mut Dice, met: &mut Misfortunes) -> Vec<End> {
    let way = if dice.chance(500) { Way::Held } else { Way::Broken };
    let ways = [(way, Way::Open), (Way::Open, way), (way, way)];
    let (to_server, to_device) = ways[dice.index(ways.len())];
    let weather = Weather { to_server, to_device, faults: FaultRates::BAD };
    let count = targets.links.len();
    let cut: Vec<usize> =
        if dice.chance(200) { (0..count).collect() } else { vec![dice.index(count)] };
    met.partitions += 1;
    for link in &cut {
        targets.links[*link].set(weather);
    }
    cut.into_iter().map(End::Connect).collect()
}

fn stop(
    targets: &Targets<'_>,
    dice: &mut Dice,
    running: &[(Instant, End)],
    met: &mut Misfortunes,
) -> Result<Vec<End>> {
    if dice.chance(250) {
        lock(targets.server).stop()?;
        met.stops += 1;
        return Ok(vec![End::ServerGoesOn]);
    }
    let device = dice.index(targets.devices.len());
    if is_down(running, device) {
        return Ok(Vec::new());
    }
    targets.devices[device].stop()?;
    met.stops += 1;
    Ok(vec![End::GoOn(device)])
}
