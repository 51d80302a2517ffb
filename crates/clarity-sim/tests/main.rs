//! Tests of the simulation's parts.

#![allow(clippy::unwrap_used)] // Helpers of tests fail the test that calls them.

mod causal;
mod following;
mod fuzz;
mod proxy;
mod sdk;
mod simulation;
mod vfs;
