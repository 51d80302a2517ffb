//! Nothing that is somebody's own leaves in a support bundle or in the program's log.

use std::collections::BTreeMap;
use std::fmt::{Debug, Write as _};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use clarity_client::engine::protocol::{
    OperationAnswer, PushResponse, Tokens, WireEntity, WireOperation,
};
use clarity_client::model::{
    Counter, EntityKey, Epoch, Fields, Outcome, RejectReason, Rejection, ServerTime, Version,
};
use clarity_client::{
    Client, ClientOptions, Failure, FailureClass, Refreshed, Request, Response, Transport,
    TransportFuture, Write,
};
use serde_json::json;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

/// Every planted text has this word in it, in one spelling or another.
const CANARY: &str = "canary";

/// A server whose every word is a canary: it refuses one change, finds a conflict in the other, and
/// fails on every pull.
struct Chatty;

impl Chatty {
    fn answer(operation: &WireOperation) -> OperationAnswer {
        let refused = operation.key.id.as_str().contains("refused");
        let message = "canary words of the server".to_owned();
        let fields = Some(Fields::from([("title", json!("canary of another device"))]));
        let entity = WireEntity { version: Version(9), updated_at: ServerTime(1), fields };
        OperationAnswer {
            id: operation.id,
            outcome: if refused { Outcome::Rejected } else { Outcome::Conflict },
            version: Some(Version(9)),
            entity: Some(entity).filter(|_| !refused),
            fields: BTreeMap::new(),
            rejection: refused.then_some(Rejection { code: RejectReason::NotAllowed, message }),
            blocked_by: None,
            entity_id: None,
        }
    }
}

impl Transport for Chatty {
    fn send(
        &self,
        request: Request,
        _token: Option<String>,
    ) -> TransportFuture<'_, Result<Response, Failure>> {
        let answer = match request {
            Request::Push(push) => {
                let operations = push.operations.iter();
                let parsed = operations.map(|bytes| serde_json::from_str(bytes.get()).unwrap());
                let answers = parsed.map(|operation| Self::answer(&operation)).collect();
                Ok(Response::Push(PushResponse {
                    epoch: Epoch(1),
                    at: ServerTime(0),
                    head: None,
                    answers,
                    contributed: Vec::new(),
                }))
            }
            Request::Pull(_) | Request::Fetch(_) => {
                Err(Failure::new(FailureClass::Transient, "canary words of a failure"))
            }
        };
        Box::pin(std::future::ready(answer))
    }

    fn refresh(&self, _token: Option<String>) -> TransportFuture<'_, Refreshed> {
        Box::pin(std::future::ready(Refreshed::Refused))
    }
}

/// Everything that is logged, with every field of it.
#[derive(Default)]
struct Log(Mutex<String>);

struct Recorder<'a>(&'a mut String);

impl Visit for Recorder<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        let _ = write!(self.0, " {}={value:?}", field.name());
    }
}

impl Subscriber for &'static Log {
    fn enabled(&self, _metadata: &Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, span: &Attributes<'_>) -> Id {
        span.record(&mut Recorder(&mut self.0.lock().unwrap()));
        Id::from_u64(1)
    }

    fn record(&self, _span: &Id, values: &Record<'_>) {
        values.record(&mut Recorder(&mut self.0.lock().unwrap()));
    }

    fn record_follows_from(&self, _span: &Id, _follows: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut log = self.0.lock().unwrap();
        let _ = write!(log, "\n{}", event.metadata().target());
        event.record(&mut Recorder(&mut log));
    }

    fn enter(&self, _span: &Id) {}

    fn exit(&self, _span: &Id) {}
}

fn log() -> &'static Log {
    static LOG: OnceLock<Log> = OnceLock::new();
    LOG.get_or_init(Log::default)
}

fn key(entity_type: &str, id: &str) -> EntityKey {
    EntityKey::new(entity_type, id).unwrap()
}

fn create(client: &Client, key: EntityKey, fields: Fields, parents: Vec<Counter>) -> Counter {
    client.write(Write::Create { key, fields, parents }).unwrap().operations[0]
}

/// A store with a canary in every place that takes a text of somebody's.
async fn planted(client: &Client) {
    let tokens = Tokens {
        account_id: "canary-account".to_owned(),
        device_id: "canary-device".to_owned(),
        access_token: "canary-access".to_owned(),
        access_expires_in_ms: 900_000,
        refresh_token: "canary-refresh".to_owned(),
    };
    client.signed_in("https://canary.example.org:8443", "canary name", tokens).unwrap();
    let secret = Fields::from([("title", json!("canary title")), ("canary_field", json!(4711))]);
    let refused = create(client, key("Note", "canary-refused"), secret.clone(), Vec::new());
    create(client, key("Note", "canary-conflict"), secret.clone(), Vec::new());
    create(client, key("CanaryType", "canary-child"), secret, vec![refused]);
    let patience = Duration::ZERO;
    let report = client.sync(Arc::new(Chatty), patience, |_| {}).await.unwrap();
    assert_eq!((report.status.failed, report.status.conflicts), (1, 1));
    // A value that lost is in the history.
    let waiting = create(client, key("Note", "canary-taken-back"), Fields::new(), Vec::new());
    client.write(Write::Rollback { operation: waiting }).unwrap();
}

/// Shows promise I17 for the support bundle and for the log of a whole run: of texts planted in
/// values, names, ids, tokens, the account, the server's address and the server's words, none is in
/// them; and that the bundle says what it contains.
#[tokio::test]
async fn nothing_of_anybodys_own_leaves() {
    tracing::subscriber::set_global_default(log()).unwrap();
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("store.db");
    let client = Client::open(ClientOptions::new(&file)).unwrap();
    planted(&client).await;
    let bundle = client.support_bundle().unwrap();
    let text = bundle.text();
    assert!(!text.to_lowercase().contains(CANARY), "{text}");
    for planted in ["4711", "example.org", "8443"] {
        assert!(!text.contains(planted), "{planted}: {text}");
    }
    // What helps is there.
    let parsed: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(parsed["status"]["failed"], 1);
    assert_eq!(parsed["status"]["signed_in"], true);
    let queue = parsed["queue"].as_array().unwrap();
    let reasons: Vec<_> = queue.iter().filter_map(|one| one["reason"].as_str()).collect();
    assert!(reasons.contains(&"not_allowed"), "{text}");
    assert_eq!(parsed["conflicts"][0]["fields"], 1);
    let names: Vec<String> = bundle.contents().into_iter().map(|part| part.name).collect();
    let inside: Vec<String> = parsed.as_object().unwrap().keys().cloned().collect();
    assert_eq!(names, inside, "everything in it is told");
    assert!(bundle.contents().iter().all(|part| !part.holds.is_empty() && part.bytes > 0));

    tracing::info!("the log is heard");
    let logged = log().0.lock().unwrap().clone();
    assert!(logged.contains("the log is heard"));
    assert!(!logged.to_lowercase().contains(CANARY), "{logged}");

    // The alarm rings: the store itself holds them all.
    drop(client);
    let stored = std::fs::read(&file).unwrap();
    let stored = String::from_utf8_lossy(&stored);
    for planted in ["canary title", "canary_field", "canary-refresh", "canary words of the server"]
    {
        assert!(stored.contains(planted), "{planted} was planted");
    }
}
