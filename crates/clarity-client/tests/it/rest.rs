//! The REST transport against a small backend over real connections.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use clarity_client::engine::protocol::Tokens;
use clarity_client::engine::{Pause, StorageSettings};
use clarity_client::model::EntityKey;
use clarity_client::rest::{Endpoint, Feed, RestBackend, RestTransport, UpdateWith, Versions};
use clarity_client::{
    Client, ClientOptions, Counter, EntityType, Fields, Resolution, SyncEnd, SyncReport, Write,
};
use serde_json::{Value, json};

use crate::rest_server::{Answer, RestServer};

const PATIENCE: Duration = Duration::from_secs(60);

struct Phone {
    server: RestServer,
    client: Client,
    transport: Arc<RestTransport>,
    _directory: tempfile::TempDir,
}

impl Phone {
    fn new() -> Self {
        Self::with(|backend| backend)
    }

    fn with(change: impl FnOnce(RestBackend) -> RestBackend) -> Self {
        let server = RestServer::start().unwrap();
        let feed = Feed::since("since", "change").limit("limit", 2);
        let backend = RestBackend::new(&server.address)
            .unwrap()
            .with(EntityType::new("Note").unwrap(), Endpoint::new("/notes").read_by(feed))
            .versions(Versions::ETag { listed_in: "version".to_owned() });
        let transport = Arc::new(RestTransport::new(change(backend)).unwrap());
        let directory = tempfile::tempdir().unwrap();
        let client = Client::open(ClientOptions::new(directory.path().join("store.db"))).unwrap();
        Self { server, client, transport, _directory: directory }
    }

    async fn sync(&self, patience: Duration) -> SyncReport {
        self.client.sync(Arc::clone(&self.transport), patience, |_| {}).await.unwrap()
    }

    async fn sync_all(&self) {
        let report = self.sync(PATIENCE).await;
        assert_eq!((report.end, report.status.waiting), (SyncEnd::Done, 0));
    }

    fn create(&self, id: &str, fields: Value) -> EntityKey {
        let key = EntityKey::new("Note", id).unwrap();
        let fields: Fields = serde_json::from_value(fields).unwrap();
        self.client.create(&key, fields).unwrap();
        key
    }

    fn update(&self, key: &EntityKey, changes: Value) {
        let changes: BTreeMap<String, Option<Value>> = serde_json::from_value(changes).unwrap();
        self.client.update(key, changes, None).unwrap();
    }

    fn seen(&self, key: &EntityKey) -> Value {
        json!(self.client.get(key).unwrap().unwrap().fields)
    }
}

/// Shows what each status of the protocol's table leads to, end to end: a named pause, or the
/// inbox with a reason; the change itself is kept in every case.
#[tokio::test]
async fn every_status_leads_somewhere() {
    let paused = |why: Pause| (Some(why), None);
    let in_the_inbox = |code| (None, Some(code));
    let html = ("content-type", "text/html".to_owned());
    let table = [
        (200, true, paused(Pause::CaptivePortal)),
        (302, false, paused(Pause::CaptivePortal)),
        (401, true, paused(Pause::CaptivePortal)),
        (401, false, paused(Pause::AuthRequired)),
        (400, false, in_the_inbox("invalid")),
        (403, false, in_the_inbox("not_allowed")),
        (404, false, paused(Pause::Config)),
        (405, false, paused(Pause::Config)),
        (501, false, paused(Pause::Config)),
        (408, false, paused(Pause::Backoff)),
        (409, false, in_the_inbox("refused")),
        (410, false, in_the_inbox("refused")),
        (413, false, in_the_inbox("too_large")),
        (415, false, paused(Pause::UpgradeRequired)),
        (422, false, in_the_inbox("invalid")),
        (425, false, paused(Pause::Backoff)),
        (426, false, paused(Pause::UpgradeRequired)),
        (429, false, paused(Pause::Backoff)),
        (500, false, paused(Pause::Backoff)),
        (503, false, paused(Pause::Backoff)),
    ];
    for (status, is_html, (pause, code)) in table {
        let phone = Phone::with(|backend| {
            // Only written, so that each answer is one to the change.
            backend.with(EntityType::new("Note").unwrap(), Endpoint::new("/notes"))
        });
        phone.sync_all().await;
        let key = phone.create("n", json!({ "title": "a" }));
        let headers = if is_html { vec![html.clone()] } else { Vec::new() };
        let answer = Answer { status, headers, body: String::new() };
        phone.server.answer_instead(Some(answer));
        let report = phone.sync(Duration::ZERO).await;
        let stalled = report.status.stalled.map(|stalled| stalled.why);
        let failed = phone.client.failed(Counter(0), 10).unwrap();
        let failed = failed.first().map(|failed| failed.code.clone());
        if code.is_some() {
            assert_eq!(failed.as_deref(), code, "{status}");
        } else {
            assert_eq!((stalled, failed), (pause, None), "{status}");
        }
        assert_eq!(phone.seen(&key), json!({ "title": "a" }), "{status}");
    }
}

/// Shows that a backend asks for the time it wants.
#[tokio::test]
async fn a_wait_is_obeyed() {
    let phone = Phone::new();
    phone.sync_all().await;
    for id in ["one", "two", "three", "four", "five"] {
        phone.create(id, json!({}));
    }
    let wait = ("retry-after", "600".to_owned());
    phone.server.answer_instead(Some(Answer {
        status: 429,
        headers: vec![wait],
        ..Answer::default()
    }));
    let before = phone.server.asked().len();
    let report = phone.sync(Duration::ZERO).await;
    let next = report.status.stalled.unwrap().next_attempt.unwrap();
    let since = report.status.last_error_at.unwrap();
    assert!(next.since_ms(since) >= 600_000);
    assert!(phone.server.asked().len() - before <= 3, "the others are not tried");
}

/// Shows that edits of different fields merge on the device, also where changes replace.
#[tokio::test]
async fn stale_changes_merge() {
    for update in [UpdateWith::Patch, UpdateWith::Put] {
        let phone = Phone::with(|backend| backend.update_with(update));
        let key = phone.create("n", json!({ "title": "a", "text": "one\n" }));
        phone.sync_all().await;
        phone.server.change("/notes/1", &json!({ "text": "two\n" }));
        phone.update(&key, json!({ "title": "b" }));
        phone.sync_all().await;
        let item = phone.server.item("/notes/1").unwrap();
        assert_eq!((&item["title"], &item["text"]), (&json!("b"), &json!("two\n")));
        assert_eq!(phone.seen(&key), json!({ "title": "b", "text": "two\n" }));

        phone.server.change("/notes/1", &json!({ "title": "theirs" }));
        phone.update(&key, json!({ "title": "mine" }));
        phone.sync(PATIENCE).await;
        let conflict = phone.client.conflicts(None, 10).unwrap().remove(0);
        assert_eq!(conflict.fields[0].server, Some(json!("theirs")));
        phone.client.resolve(&conflict, Resolution::KeepMine).unwrap();
        phone.sync_all().await;
        assert_eq!(phone.server.item("/notes/1").unwrap()["title"], json!("mine"));
    }
}

/// Shows that changes and deletes of others arrive, page by page, and that an edit of what was
/// deleted there waits for a person.
#[tokio::test]
async fn lists_are_followed() {
    let phone = Phone::new();
    let keys: Vec<_> = (0..5).map(|n| phone.create(&format!("n{n}"), json!({ "n": n }))).collect();
    phone.sync_all().await;
    for n in 1..=5 {
        phone.server.change(&format!("/notes/{n}"), &json!({ "seen": n }));
    }
    phone.server.change("/notes/3", &json!({ "deleted": true }));
    phone.sync_all().await;
    let present = |key: &EntityKey| phone.client.get(key).unwrap();
    assert_eq!(keys.iter().filter(|key| present(key).is_some()).count(), 4);
    assert_eq!(phone.client.list(&keys[0].entity_type, None, 10).unwrap().len(), 4);
    let key = keys.iter().find(|key| present(key).is_some()).unwrap();
    let id = present(key).unwrap().key.id;
    phone.server.change(&format!("/notes/{id}"), &json!({ "deleted": true }));
    phone.update(key, json!({ "title": "mine" }));
    phone.sync(PATIENCE).await;
    assert_eq!(phone.client.conflicts(None, 10).unwrap().len(), 1);
}

/// Shows that an atomic batch travels as one request where the backend takes it, goes again as a
/// whole when one member was stale, and is rejected with that reason where it does not.
#[tokio::test]
async fn batches_are_one_request() {
    let phone = Phone::with(|backend| backend.batch_at("/batch"));
    let (one, two) = (phone.create("one", json!({ "title": "a" })), phone.create("two", json!({})));
    phone.sync_all().await;
    let one_id = phone.client.get(&one).unwrap().unwrap().key.id;
    phone.server.change(&format!("/notes/{one_id}"), &json!({ "text": "x\n" }));
    let write = |key: &EntityKey| {
        let changes = BTreeMap::from([("title".to_owned(), Some(json!("b")))]);
        Write::Update { key: key.clone(), changes, seen: None }
    };
    let batch = || Write::Batch { atomic: true, writes: vec![write(&one), write(&two)] };
    phone.client.write(batch()).unwrap();
    phone.sync_all().await;
    let batches = phone.server.asked().iter().filter(|asked| *asked == "POST /batch").count();
    assert!(batches >= 1);
    assert_eq!(phone.seen(&one), json!({ "title": "b", "text": "x\n" }));
    assert_eq!(phone.seen(&two), json!({ "title": "b" }));
    assert!(!phone.server.asked().iter().any(|asked| asked.starts_with("PATCH")));

    let phone = Phone::new();
    let (one, two) = (phone.create("one", json!({})), phone.create("two", json!({})));
    phone.sync_all().await;
    let writes = vec![write(&one), write(&two)];
    phone.client.write(Write::Batch { atomic: true, writes }).unwrap();
    phone.sync(PATIENCE).await;
    let failed = phone.client.failed(Counter(0), 10).unwrap();
    assert_eq!(failed.len(), 2);
    assert!(failed[0].message.contains("several changes as one"));
}

/// Shows that a token which the backend no longer takes is renewed once for all requests that met
/// it, that what waited then arrives, and that a refused renewal waits for a person and keeps it.
#[tokio::test]
async fn an_ended_token_is_renewed_for_all() {
    let phone = Phone::with(|backend| backend.refresh_at("/token"));
    let tokens = |access: &str| Tokens {
        account_id: RestTransport::UNNAMED_ACCOUNT.to_owned(),
        device_id: "phone".to_owned(),
        access_token: access.to_owned(),
        access_expires_in_ms: 3_600_000,
        refresh_token: "first".to_owned(),
    };
    phone.client.signed_in(&phone.server.address, "someone", tokens("old")).unwrap();
    phone.server.need_token("new", "first");
    for id in ["one", "two", "three", "four"] {
        phone.create(id, json!({ "title": "a" }));
    }
    phone.sync_all().await;
    let asked = phone.server.asked();
    assert_eq!(asked.iter().filter(|asked| *asked == "POST /token").count(), 1, "{asked:?}");
    assert!(phone.server.item("/notes/4").is_some() && phone.server.item("/notes/5").is_none());

    phone.server.need_token("newer", "another");
    let key = phone.create("late", json!({ "title": "b" }));
    let report = phone.sync(PATIENCE).await;
    assert_eq!(report.status.stalled.map(|stalled| stalled.why), Some(Pause::AuthRequired));
    assert_eq!((report.status.waiting, phone.seen(&key)), (1, json!({ "title": "b" })));
    phone.client.signed_in(&phone.server.address, "someone", tokens("newer")).unwrap();
    phone.sync_all().await;
    assert!(phone.server.item("/notes/5").is_some());
}

/// Shows that what was given up for space is fetched from the backend when it is asked for, that
/// what is gone there is known as gone, and that what it does not give keeps the reason.
#[tokio::test]
async fn what_was_given_up_is_fetched() {
    let phone = Phone::new();
    let keys: Vec<_> = (0..3).map(|n| phone.create(&format!("n{n}"), json!({ "n": n }))).collect();
    phone.sync_all().await;
    phone.sync_all().await;
    let settings = phone.client.storage_settings().unwrap();
    let nothing = StorageSettings { budget_bytes: 0, ..settings };
    phone.client.set_storage(nothing).unwrap();
    phone.sync_all().await;
    assert!(phone.client.get(&keys[0]).unwrap().is_none());
    phone.client.set_storage(settings).unwrap();
    let gone = phone.client.present_key(&keys[1]).unwrap();
    phone.server.change(&format!("/notes/{}", gone.id), &json!({ "deleted": true }));
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let run = phone.client.run(Arc::clone(&phone.transport), async { drop(stopped.await) });
    let read = async {
        let found = phone.client.get_or_fetch(&keys[0]).await.unwrap();
        assert_eq!(json!(found.found.unwrap().fields), json!({ "n": 0 }));
        assert_eq!(found.missing, None);
        let found = phone.client.get_or_fetch(&keys[1]).await.unwrap();
        assert_eq!((found.found, found.missing), (None, None));
        let forbidden = Answer::json(403, &json!({ "message": "not yours" }));
        phone.server.answer_instead(Some(forbidden));
        let found = phone.client.get_or_fetch(&keys[2]).await.unwrap();
        assert_eq!(found.found, None);
        assert!(found.missing.unwrap().why.contains("does not give it"));
        drop(stop);
    };
    let (ran, ()) = tokio::join!(run, read);
    ran.unwrap();
}

/// Shows that tokens are renewed in the words of OAuth, and that a refusal asks for a person.
#[tokio::test]
async fn tokens_are_renewed() {
    let phone = Phone::with(|backend| backend.refresh_at("/token"));
    let tokens = Tokens {
        account_id: RestTransport::UNNAMED_ACCOUNT.to_owned(),
        device_id: "phone".to_owned(),
        access_token: "old".to_owned(),
        access_expires_in_ms: 1,
        refresh_token: "first".to_owned(),
    };
    phone.client.signed_in(&phone.server.address, "someone", tokens).unwrap();
    use clarity_client::{Refreshed, Transport};
    let renewed = json!({ "access_token": "new", "expires_in": 60 });
    phone.server.answer_instead(Some(Answer::json(200, &renewed)));
    match phone.transport.refresh(Some("first".to_owned())).await {
        Refreshed::Tokens(tokens) => {
            assert_eq!((&*tokens.access_token, &*tokens.refresh_token), ("new", "first"));
            assert_eq!(tokens.access_expires_in_ms, 60_000);
        }
        other => panic!("{other:?}"),
    }
    let refused = json!({ "error": "invalid_grant" });
    phone.server.answer_instead(Some(Answer::json(400, &refused)));
    assert!(matches!(phone.transport.refresh(Some("x".into())).await, Refreshed::Refused));
    phone.server.answer_instead(Some(Answer { status: 503, ..Answer::default() }));
    assert!(matches!(phone.transport.refresh(Some("x".into())).await, Refreshed::Failed(_)));
    assert!(matches!(phone.transport.refresh(None).await, Refreshed::Refused));
}
