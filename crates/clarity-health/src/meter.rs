//! Progress of a reading.

use std::ops::ControlFlow;

use crate::limits::PROGRESS_BYTES;
use crate::output::Output;
use crate::report::{Phase, Progress};

/// Says how far the reading is, about once for each mebibyte.
pub(crate) struct Meter<'a> {
    progress: &'a mut dyn FnMut(Progress) -> ControlFlow<()>,
    bytes_total: u64,
    phase: Phase,
    /// Set while scanning: all phases look like one.
    fixed_phase: Option<Phase>,
    pub(crate) done_bytes: u64,
    next_call_bytes: u64,
    stopped: bool,
}

impl<'a> Meter<'a> {
    pub(crate) fn new(
        progress: &'a mut dyn FnMut(Progress) -> ControlFlow<()>,
        bytes_total: u64,
        fixed_phase: Option<Phase>,
    ) -> Self {
        let phase = fixed_phase.unwrap_or(Phase::Records);
        Self {
            progress,
            bytes_total,
            phase,
            fixed_phase,
            done_bytes: 0,
            next_call_bytes: 0,
            stopped: false,
        }
    }

    pub(crate) fn begin(&mut self, phase: Phase) {
        self.phase = self.fixed_phase.unwrap_or(phase);
    }

    pub(crate) fn advance(&mut self, position: u64, output: &mut Output<'_>) {
        if self.done_bytes + position >= self.next_call_bytes {
            self.call(position, output);
            output.report.cancelled |= self.stopped;
        }
    }

    pub(crate) fn finish_file(&mut self, position: u64, output: &mut Output<'_>) {
        self.advance(position, output);
        self.done_bytes += position;
    }

    pub(crate) fn call(&mut self, position: u64, output: &Output<'_>) {
        let bytes_read = self.done_bytes + position;
        self.next_call_bytes = bytes_read + PROGRESS_BYTES;
        let flow = (self.progress)(Progress {
            phase: self.phase,
            bytes_read,
            bytes_total: self.bytes_total.max(bytes_read),
            samples: output.report.emitted.total(),
            skipped: output.report.skipped.total(),
            damaged: output.report.damaged_total,
        });
        self.stopped |= flow.is_break();
    }
}
