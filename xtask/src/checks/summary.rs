//! The end of a run: the table of the steps, and the closing line of the tests.

use std::time::Duration;

use super::in_words;

/// One line of the table.
#[derive(Debug)]
pub(super) struct Row {
    step: String,
    took: Duration,
    result: String,
}

impl Row {
    pub(super) fn new(step: &str, took: Duration, result: impl Into<String>) -> Self {
        Self { step: step.to_owned(), took, result: result.into() }
    }
}

/// The steps with their durations and results, and the sum of the durations.
pub(super) fn table(rows: &[Row]) -> String {
    let width = rows.iter().map(|row| row.step.len()).max().unwrap_or(0).max("total".len());
    let mut text = String::new();
    let mut total = Duration::ZERO;
    for Row { step, took, result } in rows {
        total += *took;
        text.push_str(&format!("{step:width$}  {:>12}  {result}\n", in_words(*took)));
    }
    text.push_str(&format!("{:width$}  {:>12}\n", "total", in_words(total)));
    text
}

/// Whether this is the line by which nextest closes its run.
pub(super) fn is_nextest_summary(line: &str) -> bool {
    without_colours(line).trim_start().starts_with("Summary [")
}

/// Whether this is the line by which one test program under `cargo test` closes.
pub(super) fn is_cargo_test_result(line: &str) -> bool {
    without_colours(line).starts_with("test result:")
}

/// The closing lines of all test programs as one, in the same words.
pub(super) fn sum_of_cargo_tests(lines: &[String]) -> String {
    let lines: Vec<String> = lines.iter().map(|line| without_colours(line)).collect();
    let sum = |what: &str| -> u64 { lines.iter().map(|line| count_before(line, what)).sum() };
    format!(
        "test result: ok. {} passed; {} failed; {} ignored; in {} test programs",
        sum(" passed"),
        sum(" failed"),
        sum(" ignored"),
        lines.len()
    )
}

/// The number right before these words, or zero where they are missing.
fn count_before(line: &str, what: &str) -> u64 {
    let Some(end) = line.find(what) else {
        return 0;
    };
    let number = line[..end].rsplit(|character: char| !character.is_ascii_digit()).next();
    number.and_then(|digits| digits.parse().ok()).unwrap_or(0)
}

/// The text without the escape sequences that colour it on a terminal.
fn without_colours(line: &str) -> String {
    let mut plain = String::with_capacity(line.len());
    let mut characters = line.chars();
    while let Some(character) = characters.next() {
        if character == '\u{1b}' {
            // A sequence ends at its first letter.
            characters.by_ref().find(char::is_ascii_alphabetic);
        } else {
            plain.push(character);
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Shows that the table lines up and adds the durations.
    #[test]
    fn the_table_lines_up_and_adds() {
        let rows = [
            Row::new("format", Duration::from_millis(400), "passed"),
            Row::new("simulation", Duration::from_secs(80), "FAILED"),
        ];
        let expected = "\
format             0.4 s  passed
simulation  1 min 20 s  FAILED
total       1 min 20 s
";
        let squeezed = |text: &str| -> Vec<Vec<String>> {
            text.lines().map(|line| line.split_whitespace().map(str::to_owned).collect()).collect()
        };
        let table = table(&rows);
        assert_eq!(squeezed(&table), squeezed(expected));
        let columns: Vec<_> = table.lines().map(|line| line.find(" s").unwrap()).collect();
        assert!(columns.windows(2).all(|pair| pair[0] == pair[1]), "{table}");
    }

    /// Shows that nextest's closing line is known with and without colours, and no other line is.
    #[test]
    fn the_closing_line_of_nextest_is_known() {
        let plain = "     Summary [   0.012s] 3 tests run: 3 passed, 0 skipped";
        let coloured = "\u{1b}[32;1m     Summary\u{1b}[0m [   0.012s] 3 tests run: 3 passed";
        assert!(is_nextest_summary(plain));
        assert!(is_nextest_summary(coloured));
        assert!(!is_nextest_summary("        PASS [   0.003s] xtask tidy::tests::works"));
    }

    /// Shows that the test programs of `cargo test` are added up, coloured or not.
    #[test]
    fn cargo_test_results_are_added() {
        let lines = [
            "test result: ok. 12 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out"
                .to_owned(),
            "test result: \u{1b}[32mok\u{1b}[m. 30 passed; 0 failed; 0 ignored; 0 measured"
                .to_owned(),
        ];
        assert!(lines.iter().all(|line| is_cargo_test_result(line)));
        assert_eq!(
            sum_of_cargo_tests(&lines),
            "test result: ok. 42 passed; 0 failed; 1 ignored; in 2 test programs"
        );
    }
}
