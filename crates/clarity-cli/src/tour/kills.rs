//! Kills at random moments: the importing device and the server, without any warning.

use std::process::{Child, ExitStatus};
use std::sync::mpsc::Receiver;
use std::time::Duration;

use anyhow::{Result, bail};

use crate::tour::script::{SYNC, Tour};

/// How often the device is killed while it imports.
const IMPORTS: u32 = 5;
/// How often the device is killed while it syncs.
const SYNCS: u32 = 5;
/// How often the server is killed.
const SERVERS: u32 = 5;
/// How often a kill may come too late before the tour gives up.
const MISSES_MAX: u32 = 500;
/// How long after a request was seen on its way a kill may come, in milliseconds.
const AFTER_REQUEST_MS_MAX: u64 = 25;
/// The longest wait before an import is killed, to begin with, in milliseconds.
const IMPORT_MS_MAX: u64 = 400;
/// How long to wait for a request.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(5);

/// The kills that really hit a running process.
#[derive(Debug, Default)]
pub(crate) struct Kills {
    pub(crate) devices: u32,
    pub(crate) imports: u32,
    pub(crate) servers: u32,
}

/// Kills imports of device A.
pub(crate) fn while_importing(tour: &mut Tour, path: &str, kills: &mut Kills) -> Result<()> {
    let mut wait_ms_max = IMPORT_MS_MAX;
    for _ in 0..MISSES_MAX {
        if kills.imports == IMPORTS {
            return Ok(());
        }
        let child = tour.a.spawn(&["import", path])?;
        std::thread::sleep(Duration::from_millis(tour.dice.below(wait_ms_max)));
        if kill(child)? {
            kills.imports += 1;
            kills.devices += 1;
        } else {
            // It was done before: next time sooner.
            wait_ms_max = (wait_ms_max * 2 / 3).max(2);
        }
    }
    bail!("imports of the device ended before they could be killed")
}

/// Kills syncs of device A and, in turn, the server under syncs of both.
pub(crate) fn while_syncing(tour: &mut Tour, kills: &mut Kills) -> Result<()> {
    let requests = tour.network.passing();
    let mut requests_seen = 2;
    for _ in 0..MISSES_MAX {
        if kills.devices - kills.imports == SYNCS {
            break;
        }
        let child = tour.a.spawn(SYNC)?;
        let which = 1 + tour.dice.below(requests_seen);
        await_requests(&requests, which);
        pause(tour);
        if kill(child)? {
            kills.devices += 1;
            kill_server(tour, &requests, kills)?;
        } else {
            requests_seen = 1;
        }
    }
    if kills.devices - kills.imports < SYNCS || kills.servers < SERVERS {
        bail!("syncs of the device ended before they could be killed");
    }
    Ok(())
}

fn kill_server(tour: &mut Tour, requests: &Receiver<()>, kills: &mut Kills) -> Result<()> {
    if kills.servers == SERVERS {
        return Ok(());
    }
    let children = [tour.a.spawn(SYNC)?, tour.b.spawn(SYNC)?];
    let which = 1 + tour.dice.below(3);
    await_requests(requests, which);
    pause(tour);
    tour.server.kill_and_restart()?;
    kills.servers += 1;
    for child in children {
        child.wait_with_output()?;
    }
    Ok(())
}

/// Waits until some requests of a process that was just started are on their way to the server.
fn await_requests(requests: &Receiver<()>, count: u64) {
    while requests.try_recv().is_ok() {}
    for _ in 0..count {
        if requests.recv_timeout(REQUEST_TIMEOUT).is_err() {
            // None came: whatever runs now is killed as it is.
            return;
        }
    }
}

fn pause(tour: &mut Tour) {
    std::thread::sleep(Duration::from_millis(tour.dice.below(AFTER_REQUEST_MS_MAX)));
}

/// Kills a process; tells whether it was still running.
fn kill(mut child: Child) -> Result<bool> {
    // One that has ended cannot be killed; its status then says so.
    let _ = child.kill();
    Ok(was_killed(child.wait_with_output()?.status))
}

#[cfg(unix)]
fn was_killed(status: ExitStatus) -> bool {
    use std::os::unix::process::ExitStatusExt;
    /// `SIGKILL`, as POSIX numbers it.
    const KILLED: i32 = 9;
    status.signal() == Some(KILLED)
}

#[cfg(not(unix))]
fn was_killed(status: ExitStatus) -> bool {
    !status.success()
}
