//! What the rules need to know about a Rust file, found in its tokens.
//!
//! Tokens and not a syntax tree, for two reasons: functions inside macros (`proptest!`) are seen
//! like any other, and the library for it is small. Comments and the insides of strings are no
//! tokens, so that naming a forbidden word in a sentence is allowed.

use std::str::FromStr;

use anyhow::{Result, anyhow};
use proc_macro2::{Delimiter, Group, TokenStream, TokenTree};

/// A function with its lines, counted from 1, both ends included.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Function {
    pub(super) name: String,
    pub(super) first_line: usize,
    pub(super) last_line: usize,
    /// Whether an attribute makes it a test.
    pub(super) is_test: bool,
}

/// A range of lines, both ends included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Lines {
    pub(super) first: usize,
    pub(super) last: usize,
}

impl Lines {
    pub(super) fn count(self) -> usize {
        self.last - self.first + 1
    }

    pub(super) fn contains(self, line: usize) -> bool {
        (self.first..=self.last).contains(&line)
    }
}

/// One token; a string has an empty text.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Token {
    pub(super) text: String,
    pub(super) line: usize,
}

/// The parts of a Rust file.
#[derive(Debug, Default)]
pub(super) struct RustFile {
    pub(super) functions: Vec<Function>,
    /// Modules that are compiled only for tests and written in place.
    pub(super) test_modules: Vec<Lines>,
    /// All tokens in order, brackets among them.
    pub(super) tokens: Vec<Token>,
    /// Strings that no formatter can break: those over several lines, and long ones.
    pub(super) long_strings: Vec<Lines>,
    /// Lines of attributes that switch a test off.
    pub(super) ignored_tests: Vec<usize>,
}

/// From this width on, a string is the reason for a long line.
const LONG_STRING_COLUMNS: usize = 60;

impl RustFile {
    /// Takes a file apart.
    ///
    /// # Errors
    /// When the text is not made of Rust tokens.
    pub(super) fn read(text: &str) -> Result<Self> {
        let stream = TokenStream::from_str(text).map_err(|error| anyhow!("{error}"))?;
        let mut file = Self::default();
        file.walk(stream);
        Ok(file)
    }

    fn walk(&mut self, stream: TokenStream) {
        let trees: Vec<TokenTree> = stream.into_iter().collect();
        let mut attributes = Attributes::default();
        for (index, tree) in trees.iter().enumerate() {
            if let (TokenTree::Group(group), true) = (tree, follows_hash(&trees, index)) {
                attributes.add(group);
                if switches_test_off(group) {
                    self.ignored_tests.push(group.span_open().start().line);
                }
            } else if let TokenTree::Ident(word) = tree {
                if word == "fn" {
                    self.add_function(&trees[index..], attributes.is_test);
                } else if word == "mod" {
                    self.add_module(&trees[index..], attributes.is_for_tests);
                }
            }
            if ends_attributes(tree) {
                attributes = Attributes::default();
            }
            self.add_token(tree);
        }
    }

    fn add_token(&mut self, tree: &TokenTree) {
        match tree {
            TokenTree::Group(group) => {
                let (open, close) = match group.delimiter() {
                    Delimiter::Parenthesis => ("(", ")"),
                    Delimiter::Brace => ("{", "}"),
                    Delimiter::Bracket => ("[", "]"),
                    Delimiter::None => ("", ""),
                };
                self.push(open, group.span_open().start().line);
                self.walk(group.stream());
                self.push(close, group.span_close().start().line);
            }
            TokenTree::Literal(literal) => {
                let (start, end) = (literal.span().start(), literal.span().end());
                if start.line != end.line || end.column - start.column >= LONG_STRING_COLUMNS {
                    self.long_strings.push(Lines { first: start.line, last: end.line });
                }
                self.push("", start.line);
            }
            TokenTree::Ident(word) => self.push(&word.to_string(), word.span().start().line),
            TokenTree::Punct(punct) => {
                self.push(&punct.as_char().to_string(), punct.span().start().line);
            }
        }
    }

    fn push(&mut self, text: &str, line: usize) {
        self.tokens.push(Token { text: text.to_owned(), line });
    }

    fn add_function(&mut self, trees: &[TokenTree], is_test: bool) {
        // Without a name it is the type of a function.
        let Some(TokenTree::Ident(name)) = trees.get(1) else {
            return;
        };
        let first_line = trees[0].span().start().line;
        let last_line = body(&trees[2..])
            .map_or(first_line, |body| body.span_close().end().line)
            .max(first_line);
        self.functions.push(Function { name: name.to_string(), first_line, last_line, is_test });
    }

    fn add_module(&mut self, trees: &[TokenTree], is_for_tests: bool) {
        let (Some(TokenTree::Ident(_)), Some(TokenTree::Group(body)), true) =
            (trees.get(1), trees.get(2), is_for_tests)
        else {
            return;
        };
        let first = trees[0].span().start().line;
        self.test_modules.push(Lines { first, last: body.span_close().end().line });
    }
}

/// What the attributes before an item say about it.
#[derive(Debug, Default)]
struct Attributes {
    is_test: bool,
    is_for_tests: bool,
}

impl Attributes {
    fn add(&mut self, group: &Group) {
        let words = words_in(group.stream());
        let has = |word: &str| words.iter().any(|other| other == word);
        let is_condition = words.first().is_some_and(|word| word == "cfg");
        self.is_for_tests |= is_condition && has("test") && !has("not");
        self.is_test |= !is_condition && (has("test") || has("rstest"));
    }
}

/// The names in a stream, insides of brackets included.
fn words_in(stream: TokenStream) -> Vec<String> {
    let mut words = Vec::new();
    for tree in stream {
        match tree {
            TokenTree::Ident(word) => words.push(word.to_string()),
            TokenTree::Group(group) => words.extend(words_in(group.stream())),
            TokenTree::Punct(_) | TokenTree::Literal(_) => {}
        }
    }
    words
}

/// Whether the group at this place belongs to `#[…]` or `#![…]`.
fn follows_hash(trees: &[TokenTree], index: usize) -> bool {
    let TokenTree::Group(group) = &trees[index] else {
        return false;
    };
    let is = |back: usize, wanted: char| {
        index.checked_sub(back).is_some_and(
            |place| matches!(&trees[place], TokenTree::Punct(punct) if punct.as_char() == wanted),
        )
    };
    group.delimiter() == Delimiter::Bracket && (is(1, '#') || (is(1, '!') && is(2, '#')))
}

fn switches_test_off(attribute: &Group) -> bool {
    let words = words_in(attribute.stream());
    match words.first().map(String::as_str) {
        Some("ignore") => true,
        Some("cfg_attr") => words.iter().any(|word| word == "ignore"),
        _ => false,
    }
}

/// Whether attributes seen so far no longer apply after this token: they reach over `pub`, `async`
/// and the like up to the item's own word.
fn ends_attributes(tree: &TokenTree) -> bool {
    match tree {
        TokenTree::Ident(word) => {
            !["pub", "async", "unsafe", "const", "extern"].iter().any(|kept| word == kept)
        }
        TokenTree::Group(group) => group.delimiter() == Delimiter::Brace,
        TokenTree::Punct(punct) => !matches!(punct.as_char(), '#' | '!'),
        TokenTree::Literal(_) => false,
    }
}

/// The body of a function, if it has one.
fn body(trees: &[TokenTree]) -> Option<&Group> {
    for tree in trees {
        match tree {
            TokenTree::Group(group) if group.delimiter() == Delimiter::Brace => return Some(group),
            TokenTree::Punct(punct) if punct.as_char() == ';' => return None,
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(file: &RustFile, is_test: bool) -> Vec<&str> {
        let functions = file.functions.iter().filter(|function| function.is_test == is_test);
        functions.map(|function| function.name.as_str()).collect()
    }

    /// Shows that tests are told from other functions, inside macros and behind other attributes.
    #[test]
    fn tests_are_told_from_functions() {
        let file = RustFile::read(
            "#[test] fn one() {}
             #[tokio::test] #[allow(unused)] pub(crate) async fn two() {}
             proptest! { #[test] fn three(a in 0..9u8) { } }
             #[inline] fn four() {}
             #[cfg(test)] fn five() {}
             fn six(callback: fn(u8) -> u8) where [u8; 3]: Sized {}
             trait Seventh { fn seven(&self); }",
        )
        .unwrap();
        assert_eq!(names(&file, true), ["one", "two", "three"]);
        assert_eq!(names(&file, false), ["four", "five", "six", "seven"]);
    }

    /// Shows that a function reaches from its word to its closing brace.
    #[test]
    fn a_function_has_its_lines() {
        let file =
            RustFile::read("\n/// Doc.\nfn long(\n    a: u8,\n) -> u8 {\n    a\n}\n").unwrap();
        let function = &file.functions[0];
        assert_eq!((function.first_line, function.last_line), (3, 7));
    }

    /// Shows that only modules compiled for tests count as such.
    #[test]
    fn test_modules_are_found() {
        let text = "#[cfg(test)]\nmod tests {\n}\n#[cfg(not(test))]\nmod real {\n}\nmod a {\n}\n\
                    #[cfg(test)] mod elsewhere;";
        let file = RustFile::read(text).unwrap();
        assert_eq!(file.test_modules, [Lines { first: 2, last: 3 }]);
    }

    /// Shows that switched-off tests are seen in both spellings and not confused with others.
    #[test]
    fn switched_off_tests_are_seen() {
        let text = format!(
            "#[{0}]\nfn a() {{}}\n#[cfg_attr(miri, {0})]\nfn b() {{}}\n#[must_use]\n\
                            fn c() {{}}",
            "ignore"
        );
        assert_eq!(RustFile::read(&text).unwrap().ignored_tests, [1, 3]);
    }

    /// Shows that comments and the insides of strings are no tokens.
    #[test]
    fn comments_and_strings_are_no_tokens() {
        let file = RustFile::read("// word\nfn a() { \"word\"; }").unwrap();
        assert!(file.tokens.iter().all(|token| token.text != "word"));
        assert!(RustFile::read("fn a( {").is_err());
    }
}
