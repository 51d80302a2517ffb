//! Sizes that keep code readable in one sitting.

use super::Finding;
use super::tree::{SourceFile, Tree};

/// Most lines of a source file.
const FILE_LINES_MAX: usize = 600;
/// Most columns of a line of Rust.
const LINE_COLUMNS_MAX: usize = 100;
/// Most lines of a function, from `fn` to its closing brace.
const FUNCTION_LINES_MAX: usize = 70;
/// Most lines of tests inside the file that they test.
const INLINE_TEST_LINES_MAX: usize = 150;
/// Endings of files that are programs, to which the file size applies.
const PROGRAM_ENDINGS: [&str; 8] = [".css", ".js", ".kt", ".py", ".rs", ".sh", ".swift", ".ts"];

/// Finds what is too large.
pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    tree.files.iter().flat_map(check_file).collect()
}

fn check_file(file: &SourceFile) -> Vec<Finding> {
    let mut findings = Vec::new();
    let lines = file.text.lines().count();
    // What a test writes nobody reads in one sitting.
    let is_written = file.text.lines().next().is_some_and(|first| first.contains("do not edit"));
    if lines > FILE_LINES_MAX
        && !is_written
        && PROGRAM_ENDINGS.iter().any(|ending| file.path.ends_with(ending))
    {
        findings.push(Finding::whole(
            &file.path,
            format!("has {lines} lines; one concept a file, at most {FILE_LINES_MAX} lines"),
        ));
    }
    let Some(rust) = &file.rust else {
        return findings;
    };
    for function in &rust.functions {
        let lines = function.last_line - function.first_line + 1;
        if lines > FUNCTION_LINES_MAX {
            findings.push(Finding::at(
                &file.path,
                function.first_line,
                format!(
                    "the function `{}` has {lines} lines; at most {FUNCTION_LINES_MAX}",
                    function.name
                ),
            ));
        }
    }
    for module in rust.test_modules.iter().filter(|module| module.count() > INLINE_TEST_LINES_MAX) {
        findings.push(Finding::at(
            &file.path,
            module.first,
            format!(
                "{} lines of tests inside the file; over {INLINE_TEST_LINES_MAX} they belong into \
                 a file of their own",
                module.count()
            ),
        ));
    }
    findings.extend(wide_lines(file));
    findings
}

fn wide_lines(file: &SourceFile) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (index, line) in file.text.lines().enumerate() {
        let (number, columns) = (index + 1, line.chars().count());
        if columns > LINE_COLUMNS_MAX && !may_be_wide(file, number, line) {
            findings.push(Finding::at(
                &file.path,
                number,
                format!("{columns} columns; at most {LINE_COLUMNS_MAX}"),
            ));
        }
    }
    findings
}

/// Addresses cannot be broken, and strings are sometimes clearer whole.
fn may_be_wide(file: &SourceFile, number: usize, line: &str) -> bool {
    if line.contains("http://") || line.contains("https://") {
        return true;
    }
    // A documentation comment is a string to the compiler, but people can break it.
    let is_comment = line.trim_start().starts_with("//");
    let strings = file.rust.iter().flat_map(|rust| &rust.long_strings);
    !is_comment && strings.into_iter().any(|string| string.contains(number))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn messages(text: &str) -> Vec<String> {
        let tree = Tree::of(&[("crates/a/src/lib.rs", text)]);
        check(&tree).iter().map(Finding::to_string).collect()
    }

    fn lines(count: usize) -> String {
        "    let _ = 1;\n".repeat(count)
    }

    /// Shows that a file may have 600 lines and not one more.
    #[test]
    fn a_long_file_is_found() {
        assert!(messages(&"//\n".repeat(600)).is_empty());
        assert!(messages(&"//\n".repeat(601))[0].contains("has 601 lines"));
    }

    /// Shows that a function may have 70 lines and not one more.
    #[test]
    fn a_long_function_is_found() {
        assert!(messages(&format!("fn a() {{\n{}}}\n", lines(68))).is_empty());
        let found = messages(&format!("\nfn a() {{\n{}}}\n", lines(69)));
        assert!(
            found[0].starts_with("crates/a/src/lib.rs:2: the function `a` has 71"),
            "{found:?}"
        );
    }

    /// Shows that tests inside a file may have 150 lines and not one more.
    #[test]
    fn many_inline_tests_are_found() {
        let module =
            |count| format!("#[cfg(test)]\nmod tests {{\n{}}}\n", "    use a::b;\n".repeat(count));
        assert!(messages(&module(148)).is_empty());
        assert!(messages(&module(149))[0].contains("151 lines of tests"));
    }

    /// Shows that a wide line is found, a comment of the documentation included.
    #[test]
    fn a_wide_line_is_found() {
        let wide = "a".repeat(98);
        assert!(messages(&format!("// {}", &wide[..97])).is_empty());
        assert!(messages(&format!("// {wide}"))[0].contains("101 columns"));
        assert!(messages(&format!("/// {wide}\nfn a() {{}}"))[0].contains("102 columns"));
    }

    /// Shows that columns are characters, so that text in any script has the same room.
    #[test]
    fn columns_are_characters() {
        assert!(messages(&format!("// {}", "ü".repeat(97))).is_empty());
    }

    /// Shows that addresses and strings that cannot be broken may be wide.
    #[test]
    fn addresses_and_strings_may_be_wide() {
        let wide = "a".repeat(120);
        assert!(messages(&format!("// https://{wide}")).is_empty());
        assert!(messages(&format!("const A: &str = \"{wide}\";")).is_empty());
        assert!(messages(&format!("const A: &str = r#\"\n{wide}\n\"#;")).is_empty());
        assert_eq!(messages(&format!("const {wide}: &str = \"short\";")).len(), 1);
    }
}
