//! The log of this process, on stderr.
//!
//! What is logged names no value, no entity, no token and no account; the crates that log see to
//! that, and their tests look for it.

use std::io::IsTerminal;

use tracing_subscriber::filter::LevelFilter;

/// From which level on events are logged.
#[derive(Debug, Clone, Copy, clap::ValueEnum)]
pub(crate) enum Level {
    /// Nothing
    Off,
    /// What failed
    Error,
    /// What looks wrong as well
    Warn,
    /// Each request as well
    Info,
    /// What only a developer wants to know
    Debug,
}

impl From<Level> for LevelFilter {
    fn from(level: Level) -> Self {
        match level {
            Level::Off => Self::OFF,
            Level::Error => Self::ERROR,
            Level::Warn => Self::WARN,
            Level::Info => Self::INFO,
            Level::Debug => Self::DEBUG,
        }
    }
}

/// Logs from now on: as lines for people, or as one JSON object a line.
pub(crate) fn start(level: Level, as_json: bool) {
    let log = tracing_subscriber::fmt()
        .with_max_level(LevelFilter::from(level))
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal());
    if as_json {
        log.json().init();
    } else {
        log.init();
    }
}
