//! What the person who takes the tour sees.

use std::io::Write;

use serde_json::{Value, json};

use crate::exit::{CliResult, ExitKind};
use crate::output::{Output, counted, grouped};
use crate::tour::script::RunFigures;
use crate::tour::verify::Figures;

/// The tour's voice: stdout for people; stderr when stdout is for a program.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Show {
    output: Output,
}

impl Show {
    pub(crate) fn new(output: Output) -> Self {
        Self { output }
    }

    fn line(self, line: &str) {
        // Nobody may be listening; the figures at the end do not depend on it.
        if self.output.is_json() {
            let _ = writeln!(std::io::stderr(), "{line}");
        } else {
            let _ = writeln!(std::io::stdout(), "{line}");
        }
    }

    /// The heading of a step.
    pub(crate) fn step(self, number: u32, words: &str) {
        self.line(&format!("\n{number}  {words}"));
    }

    /// Something that was done and seen to be so.
    pub(crate) fn done(self, words: &str) {
        self.line(&format!("   ✓ {words}"));
    }

    /// Something worth knowing.
    pub(crate) fn note(self, words: &str) {
        self.line(&format!("     {words}"));
    }

    /// The figures, and how the program ends.
    pub(crate) fn end(self, figures: &Figures, run: Option<&RunFigures>) -> CliResult {
        let passed = figures.passed();
        let mut object = serde_json::to_value(figures)?;
        object["passed"] = Value::from(passed);
        if let Some(run) = run {
            object["device_kills"] = json!(run.device_kills);
            object["server_kills"] = json!(run.server_kills);
            object["faults"] = serde_json::to_value(run.faults)?;
        }
        self.line("\n   From the files of both devices and the server alone:");
        for (holds, words) in figure_lines(figures) {
            self.line(&format!("   {} {words}", if holds { "✓" } else { "✗" }));
        }
        for difference in &figures.differences {
            self.line(&format!("   ✗ {difference}"));
        }
        self.line(if passed {
            "\n   Everything arrived exactly once, and all three hold the same."
        } else {
            "\n   SOMETHING IS WRONG: see the lines marked with ✗."
        });
        if self.output.is_json() {
            self.output.show(&object, String::new)?;
        }
        Ok(if passed { ExitKind::Done } else { ExitKind::Unexpected })
    }
}

fn figure_lines(figures: &Figures) -> Vec<(bool, String)> {
    let accounted = figures.operations_accepted + figures.operations_covered;
    vec![
        (
            figures.records > 0,
            format!(
                "{} and {} in all, on the server and on both devices",
                counted(figures.records, "health record", "health records"),
                counted(figures.entities, "entity", "entities"),
            ),
        ),
        (
            accounted == figures.operations_made,
            format!(
                "{} changes made = {} accepted by the server + {} covered by a later one",
                grouped(figures.operations_made),
                grouped(figures.operations_accepted),
                grouped(figures.operations_covered),
            ),
        ),
        (figures.lost == 0, format!("{} lost", figures.lost)),
        (figures.doubled == 0, format!("{} doubled", figures.doubled)),
        (
            figures.replicas_equal,
            format!(
                "the two devices and the server hold {}",
                if figures.replicas_equal { "the same" } else { "DIFFERENT things" }
            ),
        ),
        (
            figures.conflict_version == Some(3),
            match figures.conflict_version {
                Some(version) => format!("the conflict was settled in version {version}"),
                None => "no conflict was settled".to_owned(),
            },
        ),
        (
            figures.merged_fields > 0,
            format!(
                "{} changed on both devices merged by themselves",
                counted(figures.merged_fields, "field or entity", "fields and entities")
            ),
        ),
    ]
}
