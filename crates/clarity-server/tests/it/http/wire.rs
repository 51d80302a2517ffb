//! Push, pull and what is refused, over HTTP.

use std::io::Write;

use clarity_model::{Outcome, limits};
use clarity_protocol::{
    Answer, FailureClass, PROTOCOL_HEADER, ProblemCode, PullRequest, PullResponse, PushResponse,
    Tokens, classify,
};
use clarity_server::WebApp;
use reqwest::header::{ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_TYPE};
use serde_json::json;

use super::{Answered, Live};
use crate::support::{Client, fields_of};

async fn push_notes(live: &Live, tokens: &Tokens, client: &Client, count: usize) {
    let operations: Vec<_> = (0..count)
        .map(|n| client.create(("Note", &format!("n{n}")), 0, json!({"at": n, "ä": "\u{1f600}"})))
        .collect();
    let answer = live.post("/v1/push", &tokens.access_token, &client.request(&operations)).await;
    let response: PushResponse = answer.json();
    assert!(response.answers.iter().all(|answer| answer.outcome == Outcome::Applied));
}

fn class(answered: &Answered) -> FailureClass {
    let answer = Answer {
        status: answered.status,
        protocol: answered.header(PROTOCOL_HEADER),
        content_type: answered.header("content-type"),
        retry_after_ms: None,
        body: &answered.body,
    };
    classify(answer).unwrap_err().class
}

/// Shows a push and a pull of another device over a connection, and that another account sees
/// nothing of it.
#[tokio::test]
async fn push_and_pull() {
    let live = Live::start();
    let (first, second) = live.two_devices().await;
    let other: Tokens = live.sign_up("another", 1).await.json();
    let (a, b) = (Client::new(1), Client::new(2));
    push_notes(&live, &first, &a, 3).await;
    let page: PullResponse =
        live.post("/v1/pull", &second.access_token, &b.pull_request()).await.json();
    assert_eq!(page.rows.len(), 3);
    assert_eq!(page.rows[2].fields, Some(fields_of(json!({"at": 2, "ä": "\u{1f600}"}))));
    let page: PullResponse =
        live.post("/v1/pull", &other.access_token, &a.pull_request()).await.json();
    assert!(page.rows.is_empty());
    assert_eq!(live.post("/v1/pull", "", &a.pull_request()).await.status, 401);
}

/// Shows that a request without the protocol's header is told to update, except for health.
#[tokio::test]
async fn the_protocol_is_required() {
    let live = Live::start();
    for version in ["", "2", "x"] {
        let request = live.client.post(format!("{}/v1/pull", live.url));
        let refused = live.send(request.header(PROTOCOL_HEADER, version)).await;
        assert_eq!(refused.problem(), (426, ProblemCode::UpgradeRequired));
        assert_eq!(class(&refused), FailureClass::UpgradeRequired);
    }
    for path in ["/v1/health", "/v1/ready"] {
        let answered = live.send(live.client.get(format!("{}{path}", live.url))).await;
        assert_eq!(answered.status, 200);
        assert_eq!(answered.header("content-type"), Some("application/json"));
    }
}

/// Shows what is answered to paths, methods, media types, codings and bodies that are not ours.
#[tokio::test]
async fn other_requests_are_refused() {
    let live = Live::start();
    let tokens: Tokens = live.sign_up("someone", 1).await.json();
    let token = &tokens.access_token;
    let missing = live.get("/v1/nothing", token).await;
    assert_eq!(missing.problem(), (404, ProblemCode::NotFound));
    assert_eq!(class(&missing), FailureClass::Config);
    assert_eq!(live.get("/", token).await.problem(), (404, ProblemCode::NotFound));
    assert_eq!(live.get("/v1/push", token).await.problem(), (405, ProblemCode::NotFound));
    let post = || live.request("POST", "/v1/push").bearer_auth(token).body("{}");
    let refused = live.send(post()).await;
    assert_eq!(refused.problem(), (415, ProblemCode::UpgradeRequired));
    let refused = live.send(post().header(CONTENT_TYPE, "text/plain")).await;
    assert_eq!(refused.problem(), (415, ProblemCode::UpgradeRequired));
    let json = || post().header(CONTENT_TYPE, "application/json; charset=utf-8");
    let refused = live.send(json().header(CONTENT_ENCODING, "br")).await;
    assert_eq!(refused.problem(), (415, ProblemCode::UpgradeRequired));
    for coding in ["identity", "zstd", "gzip"] {
        let refused = live.send(json().header(CONTENT_ENCODING, coding)).await;
        assert_eq!(refused.problem(), (400, ProblemCode::BadRequest));
        assert_eq!(class(&refused), FailureClass::BadRequest);
    }
}

/// Shows that compressed requests are read and that answers are compressed as the device wants.
#[tokio::test]
async fn compression() {
    let live = Live::start();
    let tokens: Tokens = live.sign_up("someone", 1).await.json();
    let a = Client::new(1);
    let operations: Vec<_> =
        (0..50).map(|n| a.create(("Note", &format!("n{n}")), 0, json!({"at": n}))).collect();
    let body = serde_json::to_vec(&a.request(&operations)).unwrap();
    let post = |path, body: Vec<u8>| {
        let request = live.request("POST", path).bearer_auth(&tokens.access_token);
        request.header(CONTENT_TYPE, "application/json").body(body)
    };
    for (coding, body) in [("zstd", zstd::encode_all(&*body, 3).unwrap()), ("gzip", gzip(&body))] {
        let request = post("/v1/push", body).header(CONTENT_ENCODING, coding);
        let response: PushResponse = live.send(request).await.json();
        assert_eq!(response.answers.len(), 50);
    }
    let pull = serde_json::to_vec(&Client::new(2).pull_request()).unwrap();
    for (accepted, coding) in [
        ("gzip, zstd", Some("zstd")),
        ("gzip;q=0.5, br", Some("gzip")),
        ("zstd;q=0, gzip", Some("gzip")),
        ("br", None),
        ("", None),
    ] {
        let request = post("/v1/pull", pull.clone()).header(ACCEPT_ENCODING, accepted);
        let answered = live.send(request).await;
        assert_eq!(answered.header("content-encoding"), coding, "{accepted}");
        let body = match coding {
            Some("zstd") => zstd::decode_all(&*answered.body).unwrap(),
            Some(_) => gunzip(&answered.body),
            None => answered.body,
        };
        let page: PullResponse = serde_json::from_slice(&body).unwrap();
        assert_eq!(page.rows.len(), 50);
    }
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn gunzip(bytes: &[u8]) -> Vec<u8> {
    let mut plain = Vec::new();
    std::io::copy(&mut flate2::read::GzDecoder::new(bytes), &mut plain).unwrap();
    plain
}

/// Shows that bodies beyond the limit are refused, plain, or small and unfolding into more.
#[tokio::test]
async fn large_bodies_and_bombs() {
    let live = Live::start();
    let tokens: Tokens = live.sign_up("someone", 1).await.json();
    let large = vec![b' '; limits::REQUEST_BYTES_MAX + 1];
    let bomb = vec![b' '; 64 * 1024 * 1024];
    let (zstd_bomb, gzip_bomb) = (zstd::encode_all(&*bomb, 3).unwrap(), gzip(&bomb));
    assert!(zstd_bomb.len() < 100_000 && gzip_bomb.len() < 100_000);
    for (coding, body) in [("identity", large), ("zstd", zstd_bomb), ("gzip", gzip_bomb)] {
        let request = live
            .request("POST", "/v1/push")
            .bearer_auth(&tokens.access_token)
            .header(CONTENT_TYPE, "application/json")
            .header(CONTENT_ENCODING, coding);
        let refused = live.send(request.body(body)).await;
        assert_eq!(refused.problem(), (413, ProblemCode::TooLarge), "{coding}");
        assert_eq!(class(&refused), FailureClass::TooLarge);
    }
}

/// Shows that too many operations, and too many bytes of them, are refused whole, while a single
/// operation above the bytes of a push travels.
#[tokio::test]
async fn limits_of_a_push() {
    let live = Live::start();
    let tokens: Tokens = live.sign_up("someone", 1).await.json();
    let a = Client::new(1);
    let push = async |operations: &[_]| {
        live.post("/v1/push", &tokens.access_token, &a.request(operations)).await
    };
    let many: Vec<_> =
        (0..=limits::PUSH_OPERATIONS_MAX).map(|_| a.delete(("Note", "n"), 0)).collect();
    assert_eq!(push(&many).await.problem(), (413, ProblemCode::TooLarge));
    assert_eq!(push(&many[1..]).await.status, 200);
    let large = "x".repeat(250 * 1024);
    let few: Vec<_> = (0..5)
        .map(|n| a.create(("Note", &format!("n{n}")), 0, json!({ "large": large })))
        .collect();
    assert_eq!(push(&few).await.problem(), (413, ProblemCode::TooLarge));
    assert_eq!(push(&few[..2]).await.status, 200);
}

/// Shows that a cursor from elsewhere is answered as a reset.
#[tokio::test]
async fn a_cursor_from_elsewhere() {
    let live = Live::start();
    let tokens: Tokens = live.sign_up("someone", 1).await.json();
    let a = Client::new(1);
    push_notes(&live, &tokens, &a, 1).await;
    let page: PullResponse =
        live.post("/v1/pull", &tokens.access_token, &a.pull_request()).await.json();
    let mut cursor = page.cursor;
    cursor.check.0 ^= 1;
    let request = PullRequest { cursor: Some(cursor), ..a.pull_request() };
    let refused = live.post("/v1/pull", &tokens.access_token, &request).await;
    assert_eq!(refused.problem(), (410, ProblemCode::CursorRefused));
    assert_eq!(class(&refused), FailureClass::Reset);
}

/// Shows that web apps of the named origins, and no others, may read answers.
#[tokio::test]
async fn origins() {
    let live = Live::start_with(|config| {
        config.allow_origins = vec!["https://pulse.example.org".into()];
    });
    let preflight = |origin: &str| {
        let request = live.client.request(reqwest::Method::OPTIONS, live.url.clone() + "/v1/push");
        let request = request.header("access-control-request-method", "POST");
        let wanted = "authorization,clarity-protocol,content-type";
        request.header("access-control-request-headers", wanted).header("origin", origin)
    };
    let answered = live.send(preflight("https://pulse.example.org")).await;
    assert_eq!(answered.status, 200);
    let allowed = answered.header("access-control-allow-origin");
    assert_eq!(allowed, Some("https://pulse.example.org"));
    let answered = live.send(preflight("https://elsewhere.example.org")).await;
    assert_eq!(answered.header("access-control-allow-origin"), None);
}

/// Shows that the files of a web app are served besides the protocol, with its page for paths that
/// only the app knows, and nothing outside of its directory.
#[tokio::test]
async fn files_of_an_app() {
    let files = tempfile::TempDir::new().unwrap();
    std::fs::create_dir(files.path().join("app")).unwrap();
    std::fs::write(files.path().join("app/index.html"), "<p>app").unwrap();
    std::fs::write(files.path().join("app/app.js"), "1").unwrap();
    std::fs::write(files.path().join("secret"), "secret").unwrap();
    let live = Live::start_with(|config| {
        config.web_app = Some(WebApp::read(&files.path().join("app")).unwrap())
    });
    for (path, body) in [("/", "<p>app"), ("/app.js", "1"), ("/notes/7", "<p>app")] {
        let answered = live.send(live.client.get(format!("{}{path}", live.url))).await;
        assert_eq!((answered.status, &*answered.body), (200, body.as_bytes()), "{path}");
    }
    for path in ["/..%2fsecret", "/%2e%2e/secret"] {
        let answered = live.send(live.client.get(format!("{}{path}", live.url))).await;
        assert_ne!(&*answered.body, b"secret");
    }
    assert_eq!(live.get("/v1/nothing", "").await.problem().0, 404);
}

/// Shows that an app runs its own scripts only, that files whose names have a hash are kept for
/// good and no others, and that a file that is not there is no page.
#[tokio::test]
async fn files_of_an_app_say_how_long_they_hold() {
    let files = tempfile::TempDir::new().unwrap();
    std::fs::create_dir(files.path().join("assets")).unwrap();
    for name in ["index.html", "app.js", "assets/app-1a2b3c.js"] {
        std::fs::write(files.path().join(name), "1").unwrap();
    }
    let live =
        Live::start_with(|config| config.web_app = Some(WebApp::read(files.path()).unwrap()));
    let kept = [
        ("/", 200, "no-cache"),
        ("/notes/7", 200, "no-cache"),
        ("/app.js", 200, "no-cache"),
        ("/assets/app-1a2b3c.js", 200, "public, max-age=31536000, immutable"),
    ];
    for (path, status, keep) in kept {
        let answered = live.send(live.client.get(format!("{}{path}", live.url))).await;
        assert_eq!((answered.status, answered.header("cache-control")), (status, Some(keep)));
        let policy = answered.header("content-security-policy").unwrap_or_default();
        assert!(policy.starts_with("default-src 'none'; script-src 'self'"), "{policy}");
        assert!(!policy.contains("unsafe-inline"), "{policy}");
    }
    for path in ["/gone.js", "/assets/app-0.js"] {
        let answered = live.send(live.client.get(format!("{}{path}", live.url))).await;
        assert_eq!(answered.status, 404, "{path}");
    }
}

/// Shows that a file travels in the smallest form that the asking side takes, and not at all where
/// it is there already.
#[tokio::test]
async fn files_of_an_app_travel_small() {
    let files = tempfile::TempDir::new().unwrap();
    let contents = [("index.html", "<p>app"), ("app.js", "plain"), ("app.js.br", "small")];
    for (name, content) in contents {
        std::fs::write(files.path().join(name), content).unwrap();
    }
    let live = Live::start_with(|config| {
        config.web_app = Some(WebApp::read(files.path()).unwrap());
    });
    let get = |accepted: &str| {
        live.client.get(format!("{}/app.js", live.url)).header("accept-encoding", accepted)
    };
    let accepted = [
        ("gzip, br", "small", Some("br")),
        ("br;q=0.5", "small", Some("br")),
        ("br;q=0", "plain", None),
        ("gzip", "plain", None),
    ];
    for (accepted, body, encoding) in accepted {
        let answered = live.send(get(accepted)).await;
        assert_eq!(
            (&*answered.body, answered.header("content-encoding")),
            (body.as_bytes(), encoding)
        );
        assert_eq!(answered.header("vary"), Some("accept-encoding"));
        assert_eq!(answered.header("content-type"), Some("text/javascript; charset=utf-8"));
        let etag = answered.header("etag").unwrap().to_owned();
        let again = live.send(get(accepted).header("if-none-match", &etag)).await;
        assert_eq!((again.status, &*again.body), (304, &b""[..]));
        let other = live.send(get(accepted).header("if-none-match", "\"other\"")).await;
        assert_eq!(other.status, 200);
    }
    let request = live.client.post(format!("{}/app.js", live.url));
    assert_eq!(live.send(request).await.status, 405);
    let bare = tempfile::TempDir::new().unwrap();
    let words = WebApp::read(bare.path()).unwrap_err().to_string();
    assert!(words.contains("no index.html in") && words.contains("build the app"), "{words}");
}
