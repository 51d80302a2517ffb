//! Feeds one reader with what libFuzzer makes up. `cargo xtask fuzz` builds and runs it; which
//! reader it is, the environment says.

#![no_main]

use std::sync::OnceLock;

use clarity_sim::fuzz::{Target, target};

/// Names the reader.
const TARGET: &str = "CLARITY_FUZZ_TARGET";

static READER: OnceLock<Target> = OnceLock::new();

fn chosen() -> Target {
    let name = std::env::var(TARGET).unwrap_or_default();
    let Some(target) = target(&name) else {
        eprintln!("{TARGET} must name a reader; `cargo xtask fuzz` does");
        std::process::exit(2);
    };
    target
}

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    (READER.get_or_init(chosen).read)(bytes);
});
