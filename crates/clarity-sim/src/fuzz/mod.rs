//! What comes from outside, whatever it is: one function for each place where bytes of others are
//! read. It fails when a reader panics, and when what the reader says of itself is not so.
//!
//! `cargo xtask fuzz` feeds them with what a coverage-guided fuzzer makes up. A test feeds each
//! with its corpus, `fuzz/corpus/NAME`, so that what was once found stays found.

mod files;
mod merging;
mod server;
mod wire;

/// A place where bytes of others are read.
#[derive(Debug, Clone, Copy)]
pub struct Target {
    /// Its name, and that of its corpus.
    pub name: &'static str,
    /// Reads some bytes. Panics when something is wrong with the reader, never because something
    /// is wrong with the bytes.
    pub read: fn(&[u8]),
}

/// Every place.
pub const TARGETS: [Target; 11] = [
    Target { name: "messages", read: wire::messages },
    Target { name: "push", read: server::push },
    Target { name: "cursor", read: server::cursor },
    Target { name: "events", read: wire::events },
    Target { name: "hint", read: wire::hint },
    Target { name: "merge", read: merging::merge },
    Target { name: "apple_xml", read: files::apple_xml },
    Target { name: "apple_zip", read: files::apple_zip },
    Target { name: "csv", read: files::csv },
    Target { name: "fhir", read: files::fhir },
    Target { name: "backup", read: files::backup },
];

/// The place with this name.
#[must_use]
pub fn target(name: &str) -> Option<Target> {
    TARGETS.into_iter().find(|target| target.name == name)
}
