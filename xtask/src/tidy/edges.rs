//! The layers: which crate may depend on which.
//!
//! Each crate lists the crates right below it. An edge to a crate allows what that crate may use
//! itself, because it may hand those types on.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::Finding;

/// The crates of the product and those right below each.
const LAYERS: [(&str, &[&str]); 10] = [
    ("clarity-model", &[]),
    ("clarity-protocol", &["clarity-model"]),
    ("clarity-store", &["clarity-model"]),
    ("clarity-engine", &["clarity-store", "clarity-protocol"]),
    ("clarity-health", &["clarity-model"]),
    ("clarity-client", &["clarity-engine", "clarity-health"]),
    ("clarity-server", &["clarity-protocol"]),
    ("clarity-cli", &["clarity-client", "clarity-server"]),
    ("clarity-web", &["clarity-client"]),
    ("clarity-web-import", &["clarity-health"]),
];
/// Crates that check or drive the others and may use all of them.
const ABOVE_ALL: [&str; 3] = ["clarity-sim", "xtask", "xtask-bindgen"];
/// Edges that only tests may have, as (from, to, why).
const ONLY_IN_TESTS: [(&str, &str, &str); 0] = [];
/// Outside crates that would bring a clock, a network or chance into the core.
const KEPT_OUT_OF_THE_CORE: [&str; 8] =
    ["async-std", "axum", "getrandom", "hyper", "rand", "reqwest", "tokio", "ureq"];
/// The core: the same input gives the same result.
const CORE: [&str; 4] = ["clarity-model", "clarity-protocol", "clarity-store", "clarity-engine"];

/// Finds edges against the layers, in what `cargo metadata` tells.
pub(super) fn check(metadata: &Value) -> Vec<Finding> {
    let packages: Vec<Package> =
        metadata["packages"].as_array().into_iter().flatten().map(Package::read).collect();
    let ours: BTreeSet<&str> = packages.iter().map(|package| package.name).collect();
    let allowed = allowed_edges();
    let mut findings = Vec::new();
    for package in &packages {
        let manifest = package.manifest();
        if ABOVE_ALL.contains(&package.name) {
            continue;
        }
        let Some(below) = allowed.get(package.name) else {
            let message = "the crate has no place among the layers; give it one in tidy's table";
            findings.push(Finding::whole(&manifest, message));
            continue;
        };
        for (name, kind) in &package.dependencies {
            let problem = if ours.contains(name) {
                wrong_edge(package.name, name, kind, below)
            } else {
                outside_problem(package.name, name, kind)
            };
            findings.extend(problem.map(|message| Finding::whole(&manifest, message)));
        }
    }
    findings
}

fn wrong_edge(from: &str, to: &str, kind: &str, below: &BTreeSet<&str>) -> Option<String> {
    let is_excepted = kind == "dev" && ONLY_IN_TESTS.iter().any(|(a, b, _)| (*a, *b) == (from, to));
    if below.contains(to) || is_excepted {
        return None;
    }
    let below = below.iter().copied().collect::<Vec<_>>().join(", ");
    let allowed = if below.is_empty() { "no crate of ours".to_owned() } else { below };
    let tests = if kind == "dev" { ", tests included" } else { "" };
    Some(format!("the edge {from} -> {to} is against the layers: {from} may use {allowed}{tests}"))
}

fn outside_problem(from: &str, to: &str, kind: &str) -> Option<String> {
    let is_wrong = kind != "dev" && CORE.contains(&from) && KEPT_OUT_OF_THE_CORE.contains(&to);
    is_wrong.then(|| {
        format!(
            "the edge {from} -> {to} brings a clock, a network or chance into the core; \
             they are passed in"
        )
    })
}

/// For each crate of the product, all crates below it.
fn allowed_edges() -> BTreeMap<&'static str, BTreeSet<&'static str>> {
    let mut allowed: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    // The table is in order from the bottom, so that what is below is complete when it is used.
    for (name, right_below) in LAYERS {
        let mut below: BTreeSet<&str> = right_below.iter().copied().collect();
        for layer in right_below {
            below.extend(allowed.get(layer).into_iter().flatten());
        }
        allowed.insert(name, below);
    }
    allowed
}

/// A crate of the workspace with the names and kinds of what it depends on.
struct Package<'metadata> {
    name: &'metadata str,
    dependencies: Vec<(&'metadata str, &'metadata str)>,
}

impl<'metadata> Package<'metadata> {
    fn read(value: &'metadata Value) -> Self {
        let text = |value: &'metadata Value| value.as_str().unwrap_or_default();
        let dependencies = value["dependencies"].as_array().into_iter().flatten();
        Self {
            name: text(&value["name"]),
            // The kind is null for a dependency of the program itself.
            dependencies: dependencies
                .map(|dependency| (text(&dependency["name"]), text(&dependency["kind"])))
                .collect(),
        }
    }

    fn manifest(&self) -> String {
        format!("crates/{}/Cargo.toml", self.name)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn found(edges: &[(&str, &str, Option<&str>)]) -> Vec<String> {
        let mut packages: Vec<Value> = LAYERS
            .iter()
            .map(|(name, _)| *name)
            .chain(ABOVE_ALL)
            .map(|name| json!({ "name": name, "dependencies": [] }))
            .collect();
        for (from, to, kind) in edges {
            let package = packages.iter_mut().find(|package| package["name"] == *from).unwrap();
            let dependencies = package["dependencies"].as_array_mut().unwrap();
            dependencies.push(json!({ "name": to, "kind": kind }));
        }
        check(&json!({ "packages": packages })).iter().map(Finding::to_string).collect()
    }

    /// Shows that the drawn edges and those that follow from them are allowed.
    #[test]
    fn edges_downward_are_allowed() {
        let edges = [
            ("clarity-protocol", "clarity-model", None),
            ("clarity-engine", "clarity-model", None),
            ("clarity-client", "clarity-store", None),
            ("clarity-client", "clarity-health", None),
            ("clarity-cli", "clarity-protocol", None),
            ("clarity-server", "clarity-model", Some("dev")),
            ("clarity-sim", "clarity-cli", None),
            ("clarity-engine", "serde", None),
        ];
        assert_eq!(found(&edges), Vec::<String>::new());
    }

    /// Shows that an edge upward or sideways is found, and that the finding names edge and rule.
    #[test]
    fn an_edge_against_the_layers_is_found() {
        let edges = [
            ("clarity-model", "clarity-store", None),
            ("clarity-server", "clarity-store", None),
            ("clarity-store", "clarity-protocol", Some("build")),
            ("clarity-health", "clarity-client", None),
        ];
        for edge in edges {
            assert_eq!(found(&[edge]).len(), 1, "{edge:?}");
        }
        assert_eq!(
            found(&edges[1..2]),
            ["crates/clarity-server/Cargo.toml: the edge clarity-server -> clarity-store is \
              against the layers: clarity-server may use clarity-model, clarity-protocol"]
        );
    }

    /// Shows that tests have no freedom that is not listed.
    #[test]
    fn an_edge_of_tests_against_the_layers_is_found() {
        let found = found(&[("clarity-engine", "clarity-server", Some("dev"))]);
        assert!(found[0].ends_with("tests included"), "{found:?}");
    }

    /// Shows that a new crate must be given a place.
    #[test]
    fn a_crate_without_a_place_is_found() {
        let metadata = json!({ "packages": [{ "name": "clarity-new", "dependencies": [] }] });
        assert!(check(&metadata)[0].message.contains("no place among the layers"));
    }

    /// Shows that a runtime or a network is found in the core, and is free for its tests.
    #[test]
    fn a_runtime_in_the_core_is_found() {
        assert_eq!(found(&[("clarity-engine", "tokio", None)]).len(), 1);
        assert_eq!(found(&[("clarity-model", "getrandom", None)]).len(), 1);
        assert_eq!(found(&[("clarity-engine", "tokio", Some("dev"))]).len(), 0);
        assert_eq!(found(&[("clarity-client", "tokio", None)]).len(), 0);
    }
}
