//! The calls and their answers in TypeScript: written from the Rust types into the package of the
//! web, and compared with what is checked in.

use std::any::TypeId;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use ts_rs::{Config, TS, TypeVisitor};

use crate::call::{Call, answers};
use crate::session::CallError;

/// Where the package has them.
const FILE: &str = "../../packages/sync/src/types.ts";
/// Set, the file is written anew instead of compared.
const WRITE: &str = "CLARITY_WRITE_TYPES";

/// Declarations by name.
pub(crate) struct Types {
    config: Config,
    seen: BTreeSet<TypeId>,
    declared: BTreeMap<String, String>,
}

impl Types {
    fn new() -> Self {
        // Numbers of operations, times and counts are far below 2^53.
        let config = Config::new().with_large_int("number");
        Self { config, seen: BTreeSet::new(), declared: BTreeMap::new() }
    }

    /// What a type is called; it and what it is made of are declared.
    pub(crate) fn name<T: TS + 'static + ?Sized>(&mut self) -> String {
        self.visit::<T>();
        T::name(&self.config)
    }
}

impl TypeVisitor for Types {
    fn visit<T: TS + 'static + ?Sized>(&mut self) {
        if !self.seen.insert(TypeId::of::<T>()) {
            return;
        }
        if T::output_path().is_some() {
            let docs = T::docs().unwrap_or_default();
            let declaration = format!("{docs}export {}", T::decl(&self.config));
            self.declared.insert(T::ident(&self.config), declaration);
        }
        T::visit_dependencies(self);
        T::visit_generics(self);
    }
}

fn written() -> String {
    let mut types = Types::new();
    types.name::<Call>();
    types.name::<CallError>();
    let answers: Vec<String> = answers(&mut types)
        .into_iter()
        .map(|(call, answer)| format!("  {call}: {answer};\n"))
        .collect();
    // What is written only when it is known, and lies among the other fields.
    if let Some(explanation) = types.declared.get_mut("Explanation") {
        *explanation = format!("{} & Partial<EntityKey>;", explanation.trim_end_matches(';'));
    }
    let mut text = String::from(
        "// Written from the Rust types by a test of the crate `clarity-web`; do not edit.\n\n",
    );
    for declaration in types.declared.values() {
        text.push_str(&compact(declaration));
        text.push('\n');
    }
    text.push_str("/** What each call is answered. */\nexport interface Answers {\n");
    text.push_str(&answers.concat());
    text.push_str("}\n");
    text
}

/// A declaration with each comment of one line on one line.
fn compact(declaration: &str) -> String {
    let mut compact = String::new();
    let mut lines = declaration.lines().map(str::trim_end);
    while let Some(line) = lines.next() {
        let mut comment = Vec::new();
        if line == "/**" {
            comment.extend(lines.by_ref().take_while(|line| line.trim() != "*/"));
        }
        match comment.as_slice() {
            [] => compact.push_str(line),
            [only] => {
                let words = only.trim_start().trim_start_matches('*').trim_start();
                compact.push_str(&format!("/** {words} */"));
            }
            several => compact.push_str(&format!("/**\n{}\n */", several.join("\n"))),
        }
        compact.push('\n');
    }
    compact
}

/// Shows that the types of the package of the web are those of this program.
#[test]
fn the_types_of_the_web_are_fresh() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(FILE);
    let wanted = written();
    if std::env::var_os(WRITE).is_some() {
        std::fs::write(&path, &wanted).expect("the types are written");
    }
    let there = std::fs::read_to_string(&path).expect("the types are there");
    assert!(
        there == wanted,
        "{FILE} is not what the Rust types say; write it with \
         `{WRITE}=1 cargo test -p clarity-web types` and look at the difference"
    );
}
