//! What goes to stdout and stderr, for people and for programs.

use std::io::{self, IsTerminal, Write};
use std::time::Duration;

use comfy_table::{ContentArrangement, Table, presets};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde::Serialize;
use serde_json::{Value, json};

use crate::exit::{CliError, CliResult};

/// Longest text of a value in a table, in characters.
const CELL_MAX: usize = 80;
/// How wide a table is that is not written to a terminal, in characters.
const WIDTH_WITHOUT_TERMINAL: u16 = 120;

/// Where a command writes to.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Output {
    json: bool,
}

impl Output {
    pub(crate) fn new(json: bool) -> Self {
        Self { json }
    }

    /// Whether a program reads.
    pub(crate) fn is_json(self) -> bool {
        self.json
    }

    /// Clears the terminal, so that what comes next is in place of what was there; elsewhere and
    /// for programs it does nothing.
    pub(crate) fn redraw(self) -> CliResult<()> {
        let mut out = io::stdout().lock();
        if !self.json && out.is_terminal() {
            // Erases the screen with what was scrolled away, and goes to its first character.
            write!(out, "\x1b[2J\x1b[3J\x1b[H")?;
        }
        Ok(())
    }

    /// One object: as JSON for programs, in words for people.
    pub(crate) fn show(
        self,
        object: &impl Serialize,
        words: impl FnOnce() -> String,
    ) -> CliResult<()> {
        let mut out = io::stdout().lock();
        if self.json {
            serde_json::to_writer(&mut out, object)?;
            writeln!(out)?;
        } else {
            writeln!(out, "{}", words().trim_end())?;
        }
        out.flush()?;
        Ok(())
    }

    /// Many objects: one a line for programs, something else for people.
    pub(crate) fn show_all<T: Serialize>(
        self,
        objects: &[T],
        words: impl FnOnce() -> String,
    ) -> CliResult<()> {
        let mut out = io::BufWriter::new(io::stdout().lock());
        if self.json {
            for object in objects {
                serde_json::to_writer(&mut out, object)?;
                writeln!(out)?;
            }
        } else {
            writeln!(out, "{}", words().trim_end())?;
        }
        out.flush()?;
        Ok(())
    }

    /// An error: a sentence on stderr, and an object on stdout for programs.
    pub(crate) fn error(self, error: &CliError) {
        // When nobody can be told, the exit code still says it.
        let _ = writeln!(io::stderr(), "error: {error}");
        self.error_object(error);
    }

    /// The object of an error, for programs.
    pub(crate) fn error_object(self, error: &CliError) {
        if self.json {
            let object = json!({
                "error": { "kind": error.kind.as_str(), "message": error.to_string() }
            });
            let _ = writeln!(io::stdout(), "{object}");
        }
    }
}

/// A progress bar on stderr; nothing at all when that is not a terminal.
pub(crate) fn progress_bar(template: &str) -> ProgressBar {
    let target = if io::stderr().is_terminal() {
        ProgressDrawTarget::stderr_with_hz(10)
    } else {
        ProgressDrawTarget::hidden()
    };
    let bar = ProgressBar::with_draw_target(None, target);
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style.progress_chars("█▉▊▋▌▍▎▏ "));
    }
    bar.enable_steady_tick(Duration::from_millis(200));
    bar
}

/// A table with these headings.
pub(crate) fn table<const N: usize>(headings: [&str; N]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::UTF8_HORIZONTAL_ONLY);
    table.set_content_arrangement(ContentArrangement::Dynamic);
    if !io::stdout().is_terminal() {
        table.set_width(WIDTH_WITHOUT_TERMINAL);
    }
    table.set_header(headings);
    table
}

/// A value as a person reads it: texts without quotes, anything else as JSON.
pub(crate) fn value_text(value: Option<&Value>) -> String {
    match value {
        None => "(nothing)".to_owned(),
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
    }
}

/// A text in at most so many characters, on one line.
pub(crate) fn shortened(text: &str) -> String {
    let line = text.replace('\n', " ⏎ ");
    if line.chars().count() <= CELL_MAX {
        return line;
    }
    let mut short: String = line.chars().take(CELL_MAX - 1).collect();
    short.push('…');
    short
}

/// A number with commas between groups of three digits.
pub(crate) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// `1 record`, `2 records`.
pub(crate) fn counted(number: u64, one: &str, many: &str) -> String {
    format!("{} {}", grouped(number), if number == 1 { one } else { many })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Shows that numbers and texts are written as a person reads them.
    #[test]
    fn numbers_and_texts_are_readable() {
        let shown: Vec<String> = [0, 999, 1_000, 1_234_567].into_iter().map(grouped).collect();
        assert_eq!(shown, ["0", "999", "1,000", "1,234,567"]);
        assert_eq!(counted(1, "record", "records"), "1 record");
        assert_eq!(value_text(Some(&json!("a\"b"))), "a\"b");
        assert_eq!(shortened("a\nb"), "a ⏎ b");
        assert_eq!(shortened(&"x".repeat(200)).chars().count(), CELL_MAX);
    }
}
