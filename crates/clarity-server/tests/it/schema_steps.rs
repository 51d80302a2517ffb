//! A server that loads a newer schema: what it has and what older devices send is carried forward,
//! and whoever would misread or be misread is sent away.

use std::sync::Arc;

use clarity_model::{EntityKey, Outcome, RejectReason, Schema};
use clarity_protocol::{
    FetchRequest, OperationAnswer, PullRequest, PushRequest, SchemaStamp, WireOperation,
};
use clarity_server::storage::StorageError;
use clarity_server::storage::sqlite::SqliteOptions;
use clarity_server::{Core, RequestError};
use serde_json::{Value, json};

use crate::support::{Client, Server, TestEnvironment, assert_outcome, told};

fn schema(version: u32, migrations: &Value) -> Arc<Schema> {
    let keeps = json!({"edit_against_delete": "edit_wins"});
    let mut weight = keeps.clone();
    weight["fields"] = json!({
        "comment": {"policy": "merge", "merge": "text"}, "unit": {}, "place": {}, "amount": {}
    });
    if version == 1 {
        weight["fields"] = json!({"note": {"policy": "merge", "merge": "text"}});
    }
    let file = json!({
        "format": 1, "name": "t", "version": version, "migrations": migrations,
        "types": {"Weight": weight, "Other": keeps},
    });
    Arc::new(Schema::from_json(&file.to_string()).unwrap())
}

fn steps() -> Value {
    json!([
        {"rename_field": {"type": "Weight", "from": "note", "to": "comment"}},
        {"map_values": {"type": "Weight", "field": "unit", "unmapped": "refuse",
            "values": [{"from": "kilo", "to": "kg"}]}},
        {"default": {"type": "Weight", "field": "place", "value": "home"}}
    ])
}

fn first() -> Arc<Schema> {
    schema(1, &json!([]))
}

fn second() -> Arc<Schema> {
    schema(2, &json!([{"to": 2, "steps": steps()}]))
}

fn load(server: Server, schema: Arc<Schema>) -> Result<Server, StorageError> {
    let Server { core, directory, account } = server;
    drop(core);
    let options = SqliteOptions::new(directory.path().join("server.db"));
    let core = Core::open_sqlite(&options, schema, Arc::new(TestEnvironment::new(9)))?;
    Ok(Server { core, directory, account })
}

fn fields(server: &Server, entity_type: &str, id: &str) -> Value {
    json!(server.entity(entity_type, id).unwrap().fields)
}

const W: (&str, &str) = ("Weight", "w");

/// Shows that entities are carried forward when a newer schema is loaded, each exactly once and
/// with its version, position and the versions of its fields; that deleted ones keep what may come
/// back; and that other types stay as they are.
#[test]
fn entities_follow_a_newer_schema() {
    let server = Server::new_with(first());
    let client = Client::new(1);
    let there = json!({"note": "a\nb\n", "unit": "kilo", "amount": 1});
    client.push(
        &server,
        &[
            client.create(W, 0, there.clone()),
            client.create(("Weight", "gone"), 0, json!({"unit": "kilo"})),
            client.create(("Other", "o"), 0, there.clone()),
        ],
    );
    let amount = json!([{"field": "amount", "old": 1, "new": 2}]);
    let note = json!([{"field": "note", "old": "a\nb\n", "new": "A\nb\n"}]);
    client.push(
        &server,
        &[
            client.update(W, 1, amount),
            client.update(W, 2, note),
            client.delete(("Weight", "gone"), 1),
        ],
    );
    let before = server.entities();
    let server = load(server, second()).unwrap();
    let carried = json!({"comment": "A\nb\n", "unit": "kg", "amount": 2, "place": "home"});
    assert_eq!(fields(&server, "Weight", "w"), carried);
    assert_eq!(fields(&server, "Other", "o"), there);
    let marks = |all: Vec<clarity_server::DumpedEntity>| -> Vec<_> {
        all.into_iter().map(|one| (one.key, one.version, one.seq, one.updated_at)).collect()
    };
    assert_eq!(marks(server.entities()), marks(before));
    // Whoever saw version 2 did not see the newer comment, and did see everything else.
    let other = Client::new(2);
    let changes = json!([
        {"field": "comment", "old": "a\nb\n", "new": "a\nB\n"},
        {"field": "unit", "old": "kg", "new": "lb"}
    ]);
    let both = one_of(&server, &other, with_schema(2, other.update(W, 2, changes)));
    assert_outcome(&both, Outcome::Merged, Some(4));
    let merged = json!({"comment": "A\nB\n", "unit": "lb", "amount": 2, "place": "home"});
    assert_eq!(told(&both), merged);
    let back = other.update(("Weight", "gone"), 1, json!([{"field": "amount", "new": 3}]));
    let back = one_of(&server, &other, with_schema(2, back));
    assert_eq!(told(&back), json!({"unit": "kg", "amount": 3, "place": "home"}));
    // A second start finds nothing to do.
    let before = server.entities();
    let server = load(server, second()).unwrap();
    assert_eq!(server.entities(), before);
}

fn with_schema(schema: u32, operation: WireOperation) -> WireOperation {
    WireOperation { schema, ..operation }
}

/// A device that was upgraded and sends what its older version had frozen.
fn upgraded(client: &Client, operations: &[WireOperation]) -> PushRequest {
    let schema = SchemaStamp { version: 2, hash: String::new(), steps: 2 };
    PushRequest { schema, ..client.request(operations) }
}

/// The answer to one operation of an upgraded device.
fn one_of(server: &Server, client: &Client, operation: WireOperation) -> OperationAnswer {
    server.push(&upgraded(client, &[operation])).unwrap().answers.remove(0)
}

/// Shows that what was frozen under the older version takes effect in the new words, once, and
/// that its repeat gets the first outcome, whether the first came before or after the server was
/// upgraded; and that a value that no step takes is refused with its own reason, as its batch is.
#[test]
fn what_was_frozen_before_is_carried() {
    let server = Server::new_with(first());
    let client = Client::new(1);
    let create = client.create(W, 0, json!({"note": "n", "unit": "kilo"}));
    client.push_one(&server, &create);
    let server = load(server, second()).unwrap();
    let repeated = server.push(&upgraded(&client, &[create])).unwrap().answers.remove(0);
    assert_outcome(&repeated, Outcome::Applied, Some(1));
    let carried = json!({"comment": "n", "unit": "kg", "place": "home"});
    assert_eq!(told(&repeated), carried);
    let update = client.update(
        W,
        1,
        json!([
            {"field": "note", "old": "n", "new": "m"}, {"field": "unit", "old": "kilo", "new": "kg"}
        ]),
    );
    let fresh = client.create(("Weight", "new"), 0, json!({"unit": "kilo"}));
    let stone = client.create(("Weight", "bad"), 0, json!({"unit": "stone"}));
    let operations = [update, fresh, stone];
    let answers = server.push(&upgraded(&client, &operations)).unwrap().answers;
    assert_outcome(&answers[0], Outcome::Applied, Some(2));
    assert_outcome(&answers[1], Outcome::Applied, Some(1));
    assert_outcome(&answers[2], Outcome::Rejected, None);
    let rejection = answers[2].rejection.clone().unwrap();
    assert_eq!(rejection.code, RejectReason::SchemaMigration);
    assert!(rejection.message.contains("\"unit\"") && !rejection.message.contains("stone"));
    let again = server.push(&upgraded(&client, &operations)).unwrap().answers;
    assert_eq!(again[2], answers[2]);
    assert_eq!(again[0].outcome, Outcome::Applied);
    let moved = json!({"comment": "m", "unit": "kg", "place": "home"});
    assert_eq!(fields(&server, "Weight", "w"), moved);
    assert_eq!(fields(&server, "Weight", "new"), json!({"unit": "kg", "place": "home"}));
    assert!(server.entity("Weight", "bad").is_none());
    let batch = |operation: WireOperation, first| WireOperation { batch: Some(first), ..operation };
    let fine = client.create(("Weight", "fine"), 0, json!({"unit": "kilo"}));
    let stone = client.create(("Weight", "bad"), 0, json!({"unit": "stone"}));
    let number = fine.id;
    let pair = [batch(fine, number), batch(stone, number)];
    let answers = server.push(&upgraded(&client, &pair)).unwrap().answers;
    let outcomes: Vec<_> = answers.iter().map(|answer| answer.outcome).collect();
    assert_eq!(outcomes, [Outcome::Blocked, Outcome::Rejected]);
}

/// Shows that whoever lacks the other's steps is answered 426 to every kind of request, in words
/// that say who must act, that nothing happens then, and that additions send nobody away.
#[test]
fn who_would_misread_is_sent_away() {
    let server = load(Server::new_with(first()), second()).unwrap();
    let client = Client::new(1);
    let create = client.create(W, 0, json!({"unit": "kilo"}));
    let cases = [((1, 0), false), ((2, 2), true), ((3, 2), true), ((3, 3), false), ((0, 0), false)];
    for ((version, steps), agrees) in cases {
        let schema = SchemaStamp { version, hash: String::new(), steps };
        let push = PushRequest { schema: schema.clone(), ..client.request(&[]) };
        let pull = PullRequest { schema: Some(schema.clone()), ..client.pull_request() };
        let fetch = FetchRequest {
            incarnation: client.incarnation,
            epoch: None,
            settled_below: client.settled_below,
            schema: Some(schema),
            keys: vec![EntityKey::new("Weight", "w").unwrap()],
            ranges: Vec::new(),
            rows_max: None,
        };
        let results = [
            server.push(&push).map(drop),
            server.pull(&pull).map(drop),
            server.fetch(&fetch).map(drop),
        ];
        for result in results {
            let Err(error) = result else {
                assert!(agrees, "{version}");
                continue;
            };
            assert!(!agrees, "{version}: {error}");
            let problem = error.problem();
            assert_eq!(problem.status, 426);
            let too_old = version < 2;
            assert_eq!(matches!(error, RequestError::OlderSchema { .. }), too_old);
            let act = if too_old { "update the app" } else { "whoever runs the server" };
            assert!(problem.detail.unwrap().contains(act));
        }
    }
    let older = client.request(&[create]);
    assert!(server.push(&older).is_err());
    assert!(server.entities().is_empty() && server.receipts().is_empty());
}

/// Shows that an older schema, and one whose steps are not those that were taken, are refused in
/// clear words, and that the entities stay as they are.
#[test]
fn what_cannot_be_followed_is_refused() {
    let server = Server::new_with(first());
    let client = Client::new(1);
    client.push_one(&server, &client.create(W, 0, json!({"unit": "kilo"})));
    let server = load(server, second()).unwrap();
    let (directory, account) = (server.directory, server.account);
    drop(server.core);
    let file = directory.path().join("server.db");
    let before = std::fs::read(&file).unwrap();
    let other = json!([{"to": 2, "steps": [steps()[2]]}, {"to": 3, "steps": []}]);
    let open = |schema| {
        let options = SqliteOptions::new(&file);
        Core::open_sqlite(&options, schema, Arc::new(TestEnvironment::new(9)))
    };
    let refused = open(first()).map(drop).unwrap_err();
    assert!(matches!(refused, StorageError::OlderSchema { found: 2, known: 1 }), "{refused}");
    let refused = open(schema(3, &other)).map(drop).unwrap_err();
    assert!(matches!(refused, StorageError::SchemaHistory { .. }), "{refused}");
    assert!(refused.to_string().contains("steps never change"), "{refused}");
    assert!(std::fs::read(&file).unwrap() == before, "the file is as it was");
    let server = Server { core: open(second()).unwrap(), directory, account };
    assert_eq!(fields(&server, "Weight", "w"), json!({"unit": "kg", "place": "home"}));
}

/// Shows that single entities by REST are in the words of the server's own schema.
#[test]
fn single_changes_are_of_the_present() {
    use clarity_server::{ChangeName, Wish};
    let server = load(Server::new_with(first()), second()).unwrap();
    let key = EntityKey::new("Weight", "w").unwrap();
    let wish = Wish::Create(serde_json::from_value(json!({"note": 1, "unit": "stone"})).unwrap());
    let device = clarity_server::storage::DeviceId(1);
    let name = ChangeName::Unnamed;
    server.core.change_one(server.account, device, &name, b"", (key, None, wish)).unwrap();
    assert_eq!(fields(&server, "Weight", "w"), json!({"note": 1, "unit": "stone"}));
}
