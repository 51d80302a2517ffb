//! The examples of `docs/protocol.md` are what a server really answers.

use std::collections::BTreeMap;
use std::sync::Arc;

use clarity_model::Schema;
use clarity_protocol::{
    DeviceList, FetchRequest, Hint, Problem, ProblemCode, PullRequest, PushRequest, RefreshRequest,
    SignUpRequest, Tokens,
};
use clarity_server::{Core, DeviceId, RequestError, SqliteOptions};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::TestEnvironment;

const DOCUMENT: &str = include_str!("../../../../docs/protocol.md");

/// The named examples.
fn examples() -> BTreeMap<&'static str, &'static str> {
    let blocks = DOCUMENT.split("```json ").skip(1);
    blocks
        .map(|block| {
            let (name, rest) = block.split_once('\n').expect("a name");
            (name, rest.split_once("```").expect("an end").0)
        })
        .collect()
}

fn parsed<T: DeserializeOwned>(name: &str) -> T {
    let text = examples()[name];
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// Shows that the conversation of pushes and pulls in the document is real, byte for value.
#[test]
fn the_conversation() {
    let directory = TempDir::new().unwrap();
    let options = SqliteOptions::new(directory.path().join("server.db"));
    let schema = Arc::new(Schema::shipped().unwrap());
    let core = Core::open_sqlite(&options, schema, Arc::new(TestEnvironment::new(1))).unwrap();
    let account = core.ensure_account("someone").unwrap();
    let mut answers = Vec::new();
    for name in ["push-1", "push-2", "push-3"] {
        let request: PushRequest = parsed(name);
        let answer = core.push(account, DeviceId(1), &request).unwrap();
        answers.push((format!("{name}-answer"), json!(answer)));
    }
    for name in ["pull-1", "pull-2"] {
        let request: PullRequest = parsed(name);
        let answer = core.pull(account, DeviceId(1), &request).unwrap();
        answers.push((format!("{name}-answer"), json!(answer)));
    }
    let request: FetchRequest = parsed("fetch-1");
    answers.push(("fetch-1-answer".to_owned(), json!(core.fetch(account, &request).unwrap())));
    for (name, answer) in answers {
        let documented: Value = parsed(&name);
        let pretty = serde_json::to_string_pretty(&answer).unwrap();
        assert_eq!(documented, answer, "{name} is really:\n{pretty}");
    }
}

/// Shows that the other examples are of the forms that they illustrate.
#[test]
fn the_other_examples() {
    parsed::<SignUpRequest>("sign-up");
    parsed::<Tokens>("tokens");
    parsed::<RefreshRequest>("refresh");
    parsed::<DeviceList>("devices");
    assert!(Hint::parse(examples()["hint"]).is_some());
    let stale: Problem = parsed("rest-stale");
    assert_eq!((stale.status, stale.code), (412, ProblemCode::Stale));
    let entity: Value = parsed::<Value>("rest-stale")["entity"].clone();
    let told: Value = parsed("rest-entity");
    assert_eq!(entity.as_object().unwrap().keys().collect::<Vec<_>>(), {
        told.as_object().unwrap().keys().collect::<Vec<_>>()
    });
    let problem: Problem = parsed("problem");
    assert_eq!(problem, RequestError::CursorRefused.problem());
    assert_eq!(problem.code, ProblemCode::CursorRefused);
}
