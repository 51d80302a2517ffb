//! Calls as a page makes them, on a store of this machine.

use std::cell::{Cell, RefCell};

use clarity_client::{Client, ClientOptions, HttpTransport};
use serde_json::{Value, json};

use crate::session::Session;

struct Page {
    session: Session,
    writes: Cell<u64>,
    _folder: tempfile::TempDir,
}

impl Page {
    fn open() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let options = ClientOptions::new(folder.path().join("store.db"));
        let client = Client::open(options).expect("a store");
        let session = Session::new(client, HttpTransport::new);
        Self { session, writes: Cell::new(0), _folder: folder }
    }

    async fn answer(&self, call: Value) -> Value {
        serde_json::from_str(&self.session.call(&call.to_string()).await).expect("JSON")
    }

    async fn ok(&self, call: Value) -> Value {
        let mut answer = self.answer(call).await;
        assert!(answer["error"].is_null(), "{answer}");
        answer["ok"].take()
    }

    async fn write(&self, write: Value) -> Value {
        let number = self.writes.get();
        self.writes.set(number + 1);
        let once = json!({"writer": "page", "number": number, "heard_below": number});
        self.ok(json!({"call": "write", "once": once, "write": write})).await
    }

    async fn note(&self, text: &str) -> Value {
        let key = self.ok(json!({"call": "new_key", "entity_type": "Note"})).await;
        let create = json!({"write": "create", "key": key, "fields": {"text": text}});
        self.write(create).await;
        key
    }
}

/// Shows that what a page writes is read back, that a removed field is gone and a null one is not,
/// and that the queue says what waits.
#[tokio::test]
async fn what_is_written_is_read() {
    let page = Page::open();
    let key = page.note("slept well").await;
    let set = json!({"mood": null, "title": "t"});
    page.write(json!({"write": "update", "key": key, "set": set, "remove": ["text"]})).await;
    let found = page.ok(json!({"call": "get", "key": key})).await;
    assert_eq!(found["fields"], json!({"mood": null, "title": "t"}));
    assert_eq!(found["pending"], true);
    let queue = page.ok(json!({"call": "queue"})).await;
    assert_eq!(queue.as_array().map(Vec::len), Some(2));
    let query = json!({"filters": [["title", "=", "t"]], "limit": 5});
    let found = page.ok(json!({"call": "query", "entity_type": "Note", "query": query})).await;
    assert_eq!(found["entities"][0]["id"], key["id"]);
}

/// Shows that a write that another worker is asked for again is made once.
#[tokio::test]
async fn a_repeated_write_is_made_once() {
    let page = Page::open();
    let key = page.note("a").await;
    let update = json!({"write": "update", "key": key, "set": {"text": "b"}});
    let first = page.write(update.clone()).await;
    let other = json!({"write": "update", "key": key, "set": {"text": "c"}});
    page.write(other).await;
    let once = json!({"writer": "page", "number": 1, "heard_below": 1});
    let again = page.ok(json!({"call": "write", "once": once, "write": update})).await;
    assert_eq!(again["operations"], json!([]));
    assert_eq!(first["operations"].as_array().map(Vec::len), Some(1));
    let found = page.ok(json!({"call": "get", "key": key})).await;
    assert_eq!(found["fields"]["text"], "c");
}

/// Shows that a call that cannot be read, is not known or is refused is answered with an error of a
/// kind, in words that quote nothing of it.
#[tokio::test]
async fn what_is_refused_says_why() {
    let page = Page::open();
    for call in ["", "{", "{\"call\":\"secret\"}", "{\"call\":\"get\",\"key\":\"secret\"}"] {
        let answer: Value = serde_json::from_str(&page.session.call(call).await).expect("JSON");
        assert_eq!(answer["error"]["kind"], "invalid", "{answer}");
        assert!(!answer.to_string().contains("secret"), "{answer}");
    }
    let key = json!({"type": "Note", "id": "none"});
    let delete = json!({"write": "delete", "key": key});
    let once = json!({"writer": "page", "number": 1, "heard_below": 1});
    let answer = page.answer(json!({"call": "write", "once": once, "write": delete})).await;
    assert_eq!(answer["error"]["kind"], "not_found", "{answer}");
    let answer = page.answer(json!({"call": "sync_now"})).await;
    assert_eq!(answer["error"]["kind"], "auth_required", "{answer}");
}

/// Shows that a watched answer comes at once, then when it is another one, and ends when nobody
/// wants it; and that only what reads can be watched.
#[tokio::test]
async fn a_watch_tells_what_is_new() {
    let page = Page::open();
    let key = page.note("a").await;
    let texts = RefCell::new(Vec::new());
    let call = json!({"call": "get", "key": key}).to_string();
    let watch = page.session.watch(
        &call,
        async || (),
        |answer| {
            let answer: Value = serde_json::from_str(answer).expect("JSON");
            texts.borrow_mut().push(answer["ok"]["fields"]["text"].clone());
            texts.borrow().len() < 2
        },
    );
    let write = async {
        page.note("of another entity").await;
        page.write(json!({"write": "update", "key": key, "set": {"text": "b"}})).await;
    };
    tokio::join!(watch, write);
    assert_eq!(*texts.borrow(), [json!("a"), json!("b")]);
    let refused = RefCell::new(String::new());
    let call = json!({"call": "resume_sync"}).to_string();
    page.session
        .watch(
            &call,
            async || (),
            |answer| {
                *refused.borrow_mut() = answer.to_owned();
                true
            },
        )
        .await;
    assert!(refused.borrow().contains("only what reads"), "{}", refused.borrow());
}

/// Shows that a person signs out only from what they were shown: another number, or a change since,
/// ends it with everything kept.
#[tokio::test]
async fn signing_out_needs_what_was_shown() {
    let page = Page::open();
    page.note("a").await;
    let loss = page.ok(json!({"call": "would_be_lost"})).await;
    assert_eq!((&loss["total"], &loss["unsent"]["Note"]), (&json!(1), &json!(1)));
    let out = json!({"call": "sign_out", "seen": 99, "must_revoke": false});
    assert_eq!(page.answer(out).await["error"]["kind"], "state");
    assert_eq!(page.ok(json!({"call": "counts"})).await, json!({"Note": 1}));
    assert_eq!(page.ok(json!({"call": "account"})).await, Value::Null);
}
