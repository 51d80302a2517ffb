//! What devices give back to a server that was restored from a backup.

use clarity_model::limits::VERSION_GIVEN_BACK_MAX;
use clarity_model::{Epoch, Seq, Version};
use clarity_protocol::{
    ContributedEntity, Contribution, ContributionAnswer, ContributionOutcome, PushRequest, Restored,
};
use clarity_server::{Core, DeviceId, RequestError, SqliteOptions};
use serde_json::{Value, json};

use crate::support::{Client, Server, TestEnvironment, fields_of, schema};

const NOTE: (&str, &str) = ("Note", "n");

/// A server that had the note once when it was backed up, and was restored from that: its life
/// before, and the server.
fn restored(a: &Client) -> (Epoch, Server) {
    let server = Server::new();
    a.push_one(&server, &a.create(NOTE, 0, json!({"text": "old"})));
    let lost = server.core.epoch();
    let copy = server.directory.path().join("copy.db");
    server.core.storage().back_up(&copy).unwrap();
    let options = SqliteOptions { restored: true, ..SqliteOptions::new(&copy) };
    let environment = std::sync::Arc::new(TestEnvironment::new(99));
    let core = Core::open_sqlite(&options, schema(), environment).unwrap();
    (lost, Server { core, ..server })
}

fn had(version: u64, fields: Option<Value>) -> ContributedEntity {
    let key = clarity_model::EntityKey::new(NOTE.0, NOTE.1).unwrap();
    ContributedEntity { key, version: Version(version), fields: fields.map(fields_of) }
}

fn give(
    server: &Server,
    from: &Client,
    epoch: Epoch,
    had: ContributedEntity,
) -> ContributionAnswer {
    let mut request = from.request(&[]);
    request.contribution = Some(Contribution { epoch, entities: vec![had] });
    server.push(&request).unwrap().contributed.remove(0)
}

fn text(server: &Server) -> Option<Value> {
    let note = server.entity(NOTE.0, NOTE.1).filter(|note| !note.deleted)?;
    note.fields.get("text").cloned()
}

/// Shows that the server says where the life ended that it was restored from, and takes back what
/// came after: once, however often and by whomever it is given, and never an older version.
#[test]
fn what_a_restored_server_lost_is_given_back() {
    let (a, b) = (Client::new(1), Client::new(2));
    let (lost, server) = restored(&a);
    let asked = clarity_protocol::PullRequest { lost_epoch: Some(lost), ..a.pull_request() };
    let told = server.pull(&asked).unwrap().restored;
    assert_eq!(told, Some(Restored { head: Some(Seq(1)) }));
    let json = server.core.pull_json(server.account, DeviceId(1), &asked).unwrap();
    let json: Value = serde_json::from_slice(&json).unwrap();
    assert_eq!(json["restored"], json!({"head": 1}));

    for (from, version, words) in [(&a, 3, "third"), (&a, 3, "third"), (&b, 2, "second")] {
        let answer = give(&server, from, lost, had(version, Some(json!({"text": words}))));
        assert_eq!(answer.outcome, ContributionOutcome::Held);
        assert_eq!(answer.row.version, Version(3));
        assert_eq!(text(&server), Some(json!("third")));
    }
    give(&server, &b, lost, had(4, Some(json!({"text": "fourth"}))));
    assert_eq!(text(&server), Some(json!("fourth")));
    assert_eq!(server.entity(NOTE.0, NOTE.1).unwrap().version, Version(4));
}

/// Shows that a row that the restored server has changed by itself is not overwritten, and that the
/// device is told.
#[test]
fn what_was_changed_since_is_not_overwritten() {
    let (a, b) = (Client::new(1), Client::new(2));
    let (lost, server) = restored(&a);
    b.push_one(&server, &b.update(NOTE, 1, json!([{"field": "text", "old": "old", "new": "new"}])));
    let stands = text(&server);
    let answer = give(&server, &a, lost, had(3, Some(json!({"text": "third"}))));
    assert_eq!(answer.outcome, ContributionOutcome::Superseded);
    assert_eq!(answer.row.fields.unwrap().get("text").cloned(), stands);
    assert_eq!(text(&server), stands);
}

/// Shows that a deletion that the backup does not know is taken back, and that an older version
/// which comes after it brings nothing back to life.
#[test]
fn deletions_are_given_back() {
    let (a, b) = (Client::new(1), Client::new(2));
    let (lost, server) = restored(&a);
    let answer = give(&server, &a, lost, had(3, None));
    assert!(answer.row.deleted);
    assert_eq!(text(&server), None);
    let answer = give(&server, &b, lost, had(2, Some(json!({"text": "second"}))));
    assert_eq!(answer.outcome, ContributionOutcome::Held);
    assert_eq!(text(&server), None);
}

/// Shows that nobody brings an entity near the end of all versions, where no change could follow.
#[test]
fn no_version_is_beyond_what_changes_can_reach() {
    let a = Client::new(1);
    let (lost, server) = restored(&a);
    let give = |version| {
        let entities = vec![had(version, Some(json!({"text": "given"})))];
        let contribution = Some(Contribution { epoch: lost, entities });
        server.push(&PushRequest { contribution, ..a.request(&[]) })
    };
    assert!(matches!(give(u64::MAX), Err(RequestError::BadRequest(_))));
    assert!(matches!(give(VERSION_GIVEN_BACK_MAX + 1), Err(RequestError::BadRequest(_))));
    assert_eq!(text(&server), Some(json!("old")));
    give(VERSION_GIVEN_BACK_MAX).unwrap();
    let answer = a.push_one(&server, &a.update(NOTE, VERSION_GIVEN_BACK_MAX, json!([])));
    assert_eq!(answer.version, Some(Version(VERSION_GIVEN_BACK_MAX)));
    let edit = json!([{"field": "text", "old": "given", "new": "more"}]);
    let answer = a.push_one(&server, &a.update(NOTE, VERSION_GIVEN_BACK_MAX, edit));
    assert_eq!(answer.version, Some(Version(VERSION_GIVEN_BACK_MAX + 1)));
}
