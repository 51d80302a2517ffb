//! Single entities by REST: the same versions, receipts and log as pushes.

use clarity_model::{Counter, EntityKey, Incarnation};
use clarity_protocol::{ProblemCode, PullRequest, PullResponse, Scope, Tokens};
use clarity_server::RestIds;
use reqwest::header::CONTENT_TYPE;
use serde_json::{Value, json};

use super::{Answered, Live, PASSWORD};

/// A server with an account, and the account's access token.
async fn account(rest_ids: RestIds) -> (Live, String) {
    let live = Live::start_with(|config| config.rest_ids = rest_ids);
    let tokens: Tokens = live.sign_up("someone", 1).await.json();
    (live, tokens.access_token)
}

/// A request as a program without our protocol sends it.
async fn ask(
    live: &Live,
    token: &str,
    (method, path): (&str, &str),
    headers: &[(&str, &str)],
    body: Option<Value>,
) -> Answered {
    let method = method.parse().unwrap();
    let mut request = live.client.request(method, format!("{}/v1/entities/{path}", live.url));
    request = request.bearer_auth(token);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    if let Some(body) = body {
        request = request.header(CONTENT_TYPE, "application/json").body(body.to_string());
    }
    live.send(request).await
}

fn body(answer: &Answered) -> Value {
    serde_json::from_slice(&answer.body).unwrap()
}

/// Shows the life of an entity: made, read, patched, replaced, deleted, with a version in the ETag
/// of each answer, and in the same log that pulls read.
#[tokio::test]
async fn an_entity_lives() {
    let (live, token) = account(RestIds::Client).await;
    let fields = json!({ "fields": { "title": "a", "odd": null } });
    let made = ask(&live, &token, ("POST", "Note"), &[], Some(fields)).await;
    assert_eq!(made.status, 201);
    assert_eq!(made.header("etag"), Some("\"1\""));
    let id = body(&made)["id"].as_str().unwrap().to_owned();
    let one = format!("Note/{id}");
    assert_eq!(made.header("location"), Some(&*format!("/v1/entities/{one}")));
    let read = ask(&live, &token, ("GET", &one), &[], None).await;
    assert_eq!(body(&read)["fields"], json!({ "title": "a", "odd": null }));

    let wanted = json!({ "fields": { "title": "b", "odd": null, "text": "c" } });
    let patched = ask(&live, &token, ("PATCH", &one), &[("if-match", "\"1\"")], Some(wanted)).await;
    assert_eq!((patched.status, patched.header("etag")), (200, Some("\"2\"")));
    assert_eq!(body(&patched)["fields"], json!({ "title": "b", "text": "c" }));
    let wanted = json!({ "fields": { "title": "d" } });
    let put = ask(&live, &token, ("PUT", &one), &[("if-match", "W/\"2\"")], Some(wanted)).await;
    assert_eq!((put.status, &body(&put)["fields"]), (200, &json!({ "title": "d" })));
    let deleted = ask(&live, &token, ("DELETE", &one), &[], None).await;
    assert_eq!((deleted.status, &body(&deleted)["version"]), (200, &json!(4)));
    let again = ask(&live, &token, ("DELETE", &one), &[], None).await;
    assert_eq!((again.status, &body(&again)["version"]), (200, &json!(4)));
    let read = ask(&live, &token, ("GET", &one), &[], None).await;
    assert_eq!(read.problem(), (410, ProblemCode::Deleted));
    let wanted = json!({ "fields": { "title": "e" } });
    let edit = ask(&live, &token, ("PATCH", &one), &[("if-match", "\"3\"")], Some(wanted)).await;
    assert_eq!(edit.problem(), (410, ProblemCode::Deleted));
    assert_eq!(body(&edit)["entity"]["version"], 4);

    let pull = PullRequest {
        incarnation: Incarnation(1),
        settled_below: Counter(1),
        schema: None,
        scope: Scope::default(),
        cursor: None,
        heard: None,
        lost_epoch: None,
        from_head: false,
        rows_max: None,
    };
    let page: PullResponse = live.post("/v1/pull", &token, &pull).await.json();
    assert_eq!(page.rows.len(), 1);
    assert_eq!(page.rows[0].key, EntityKey::new("Note", &id).unwrap());
    assert!(page.rows[0].deleted);
}

/// Shows that a change of an older version is answered 412 with the entity, and changes nothing.
#[tokio::test]
async fn a_stale_change_gets_the_entity() {
    let (live, token) = account(RestIds::Client).await;
    let fields = json!({ "id": "n 1", "fields": { "title": "a" } });
    let made = ask(&live, &token, ("POST", "Note"), &[], Some(fields)).await;
    assert_eq!(made.header("location"), Some("/v1/entities/Note/n%201"));
    let one = "Note/n%201";
    for version in ["\"2\"", "\"0\""] {
        for method in ["PATCH", "PUT", "DELETE"] {
            let wanted = (method != "DELETE").then(|| json!({ "fields": { "title": "b" } }));
            let answer = ask(&live, &token, (method, one), &[("if-match", version)], wanted).await;
            assert_eq!(answer.problem(), (412, ProblemCode::Stale));
            assert_eq!(body(&answer)["entity"]["fields"], json!({ "title": "a" }));
            assert_eq!(answer.header("etag"), Some("\"1\""));
        }
    }
    let unread = ask(&live, &token, ("DELETE", one), &[("if-match", "1")], None).await;
    assert_eq!(unread.problem(), (400, ProblemCode::BadRequest));
    let other = json!({ "id": "n 1", "fields": { "title": "b" } });
    let taken = ask(&live, &token, ("POST", "Note"), &[], Some(other)).await;
    assert_eq!(taken.problem(), (409, ProblemCode::Stale));
    let same = json!({ "id": "n 1", "fields": { "title": "a" } });
    let same = ask(&live, &token, ("POST", "Note"), &[], Some(same)).await;
    assert_eq!((same.status, &body(&same)["version"]), (201, &json!(1)));
    for method in ["GET", "PATCH", "DELETE"] {
        let wanted = (method == "PATCH").then(|| json!({ "fields": {} }));
        let none = ask(&live, &token, (method, "Note/none"), &[], wanted).await;
        assert_eq!(none.problem(), (404, ProblemCode::NotFound));
    }
}

/// Shows promise I3 for REST: under one key a change happens once, whatever became of the answer,
/// and the key means nothing to another account.
#[tokio::test]
async fn one_key_is_one_change() {
    let (live, token) = account(RestIds::Server).await;
    let other: Tokens = live.sign_up("other", 2).await.json();
    let operation = "000000000000000000000000000000ab:7";
    for key in ["my key", operation] {
        let headers = [("idempotency-key", key)];
        let fields = json!({ "fields": { "title": key } });
        let made = ask(&live, &token, ("POST", "Note"), &headers, Some(fields.clone())).await;
        let again = ask(&live, &token, ("POST", "Note"), &headers, Some(fields.clone())).await;
        assert_eq!((made.status, again.status), (201, 201));
        assert_eq!(body(&made), body(&again));
        let wrong = ask(&live, &token, ("POST", "Note"), &headers, Some(json!({}))).await;
        assert_eq!(wrong.problem(), (422, ProblemCode::IdempotencyKeyReused));
        let theirs =
            ask(&live, &other.access_token, ("POST", "Note"), &headers, Some(fields)).await;
        assert_ne!(body(&theirs)["id"], body(&made)["id"]);

        let one = format!("Note/{}", body(&made)["id"].as_str().unwrap());
        let seen = ask(&live, &other.access_token, ("GET", &one), &[], None).await;
        assert_eq!(seen.status, 404, "another account sees nothing");
    }
    let page = ask(&live, &token, ("GET", "Note"), &[], None).await;
    assert_eq!(body(&page)["items"].as_array().unwrap().len(), 2);
}

/// Shows that a key is known for 100 days and forgotten then, with everything that is kept of it.
#[tokio::test]
async fn keys_are_forgotten_by_their_age() {
    let (live, _) = account(RestIds::Server).await;
    let account = live.core.ensure_account("someone").unwrap();
    let receipts = || {
        let mut count = 0;
        let each = |_| {
            count += 1;
            std::ops::ControlFlow::Continue(())
        };
        live.core.dump_receipts(account, each).unwrap();
        count
    };
    let make = async |key: &str| {
        let tokens: Tokens = live.login("someone", PASSWORD, 1).await.json();
        let headers = [("idempotency-key", key)];
        let fields = json!({ "fields": { "title": key } });
        let token = tokens.access_token;
        body(&ask(&live, &token, ("POST", "Note"), &headers, Some(fields)).await)["id"].clone()
    };
    let first = make("first").await;
    let day_ms = 86_400_000;
    live.environment.advance_ms(99 * day_ms);
    assert_eq!(make("first").await, first, "it is known");
    make("second").await;
    assert_eq!(receipts(), 2);
    live.environment.advance_ms(2 * day_ms);
    make("third").await;
    assert_eq!(receipts(), 2, "the first is forgotten");
    assert_ne!(make("first").await, first);
    live.environment.advance_ms(101 * day_ms);
    make("fourth").await;
    assert_eq!(receipts(), 1);
    let path = live.directory.path().join("data").join("server.db");
    let database = rusqlite::Connection::open(path).unwrap();
    let marks = "SELECT count(*) FROM settled_mark";
    let marks: i64 = database.query_row(marks, [], |row| row.get(0)).unwrap();
    assert_eq!(marks, 1, "nothing is left of the names");
}

/// Shows the mode in which the server makes every id and answers 409.
#[tokio::test]
async fn the_server_makes_the_ids() {
    let (live, token) = account(RestIds::Server).await;
    let mine = json!({ "id": "mine", "fields": { "title": "a" } });
    let made = ask(&live, &token, ("POST", "Note"), &[], Some(mine)).await;
    let id = body(&made)["id"].as_str().unwrap().to_owned();
    assert_ne!(id, "mine");
    let one = format!("Note/{id}");
    let wanted = json!({ "fields": { "title": "b" } });
    let answer = ask(&live, &token, ("PATCH", &one), &[("if-match", "\"9\"")], Some(wanted)).await;
    assert_eq!(answer.problem(), (409, ProblemCode::Stale));
    let fields = json!({ "fields": {} });
    let put = ask(&live, &token, ("PUT", "Note/mine"), &[], Some(fields)).await;
    assert_eq!(put.problem(), (404, ProblemCode::NotFound));
}

/// Shows that a type is read in pages that go on where the last one ended, and that a place of
/// another database is refused.
#[tokio::test]
async fn a_type_is_listed_in_pages() {
    let (live, token) = account(RestIds::Client).await;
    for number in 0..5 {
        let fields = json!({ "id": number.to_string(), "fields": {} });
        let made = ask(&live, &token, ("POST", "Note"), &[], Some(fields.clone())).await;
        assert_eq!(made.status, 201);
        ask(&live, &token, ("POST", "Goal"), &[], Some(fields)).await;
    }
    let mut place = String::new();
    let mut seen = Vec::new();
    loop {
        let path = format!("Note?limit=2{place}");
        let page = body(&ask(&live, &token, ("GET", &path), &[], None).await);
        let items = page["items"].as_array().unwrap().clone();
        seen.extend(items.iter().map(|item| item["id"].as_str().unwrap().to_owned()));
        place = format!("&after={}", page["next"].as_str().unwrap());
        if page["more"] == json!(false) {
            break;
        }
    }
    assert_eq!(seen, ["0", "1", "2", "3", "4"]);
    ask(&live, &token, ("DELETE", "Note/3"), &[], None).await;
    let path = format!("Note?limit=2{place}");
    let news = body(&ask(&live, &token, ("GET", &path), &[], None).await);
    assert_eq!(news["items"][0]["deleted"], json!(true));
    for wrong in ["1", "x.y.z", "00000000000000000000000000000001.1.0000000000000001"] {
        let path = format!("Note?after={wrong}");
        let refused = ask(&live, &token, ("GET", &path), &[], None).await;
        assert_eq!(refused.problem(), (410, ProblemCode::CursorRefused));
    }
}

/// Shows that hostile and wrong requests are refused with a reason and change nothing.
#[tokio::test]
async fn wrong_requests_are_refused() {
    let (live, token) = account(RestIds::Client).await;
    let deep = (0..40).fold(json!(1), |inner, _| json!([inner]));
    let large = json!({ "fields": { "text": "x".repeat(300 * 1024) } });
    let huge = json!({ "fields": { "text": "x".repeat(700 * 1024) } });
    let cases = [
        ("Note", json!({ "fields": { "text": deep } }), 400),
        ("Note", json!({ "fields": [] }), 400),
        ("Note", large, 413),
        ("Note", huge, 413),
        ("No-te", json!({ "fields": {} }), 400),
        ("Note", json!({ "id": "a/b", "fields": {} }), 400),
        ("Note", json!({ "fields": { "": 1 } }), 400),
    ];
    for (path, wanted, status) in cases {
        let answer = ask(&live, &token, ("POST", path), &[], Some(wanted)).await;
        assert_eq!(answer.problem().0, status, "{path}");
    }
    let long = "k".repeat(300);
    let headers = [("idempotency-key", &*long)];
    let answer = ask(&live, &token, ("POST", "Note"), &headers, Some(json!({}))).await;
    assert_eq!(answer.problem().0, 400);
    let answer = ask(&live, &token, ("GET", "Note?limit=many"), &[], None).await;
    assert_eq!(answer.problem().0, 400);
    let nobody = ask(&live, "nonsense", ("GET", "Note"), &[], None).await;
    assert_eq!(nobody.problem(), (401, ProblemCode::TokenExpired));
    let page = ask(&live, &token, ("GET", "Note"), &[], None).await;
    assert_eq!(body(&page)["items"], json!([]));
}
