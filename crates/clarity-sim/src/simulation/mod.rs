//! Whole worlds from one seed: several devices with the real engine and the real SQLite on disks
//! that fail, the real server, a network that loses, delays, repeats and reorders, clocks that
//! jump, and people who write, delete, resolve and take back.
//!
//! Each seed draws its own world, with its own rates of each fault. After every step the promises
//! of `docs/consistency.md` are checked that can be checked then; at the end the faults heal,
//! everybody gets the time of promise L1, and the rest is checked. Time is virtual and everything
//! runs on one thread, so the same seed always gives the same run.
//!
//! What is real: engine, store, SQLite, protocol codecs, answer classes, apply, pull, receipts.
//! What is played: HTTP, the driver, the token service, people.

mod acts;
mod branches;
mod careless;
mod checks;
mod device;
pub(crate) mod dice;
pub(crate) mod environment;
mod faults;
mod final_checks;
mod keeping;
mod mischief;
mod model;
mod network;
mod person;
mod plant;
mod rates;
mod restored;
mod runner;
mod scenario;
mod server;
mod shrink;
mod stage;
mod traffic;
mod workload;
mod world;

use std::sync::Arc;

use clarity_engine::protocol::model::Schema;

pub use faults::{EXPECTED, FaultCounts};
pub use plant::Plant;
pub use runner::{Options, SeedReport, Summary, run_many};
pub use scenario::Scenario;
pub use shrink::shrink;
pub use stage::Violation;

use crate::vfs::{DiskImage, MemoryVfs};
use device::Device;
use server::Server;
use world::World;

/// The time within which everything is in order again after the faults end (promise L1), in
/// milliseconds: 5 minutes.
const L1_MS: i64 = 5 * 60_000;

/// What all worlds of one thread are made from.
pub struct Templates {
    vfs: MemoryVfs,
    schema: Arc<Schema>,
    server: DiskImage,
    device: DiskImage,
}

impl Templates {
    /// Registers a VFS of this name and makes the templates on it. One for each thread.
    ///
    /// # Errors
    /// In words, when the name is taken or a template cannot be made.
    pub fn new(name: &str) -> Result<Self, String> {
        let vfs = MemoryVfs::register(name, 0).map_err(|error| error.to_string())?;
        let schema = Arc::new(Schema::shipped().map_err(|error| error.to_string())?);
        let server = Server::template(&vfs, &schema)?;
        let device = Device::template(&vfs, &schema)?;
        Ok(Self { vfs, schema, server, device })
    }

    /// Lives through one seed.
    pub fn run_seed(&self, seed: u64, plant: Option<Plant>, shown: bool) -> SeedReport {
        self.run(Scenario::draw(seed), plant, shown)
    }

    /// Lives through one scenario.
    pub fn run(&self, scenario: Scenario, plant: Option<Plant>, shown: bool) -> SeedReport {
        let seed = scenario.seed;
        let mut world = match World::new(self, &self.schema, scenario, plant, shown) {
            Ok(world) => world,
            Err(violation) => return SeedReport::failed_to_begin(seed, violation),
        };
        let violation = world.run().err();
        SeedReport {
            seed,
            violation,
            trace_hash: world.stage.trace.hash(),
            steps: world.steps,
            faults: world.stage.faults.clone(),
        }
    }
}
