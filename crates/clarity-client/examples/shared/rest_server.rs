//! A small REST backend in this process: it makes the ids, counts versions, and answers 409 with
//! what it has when a change was made on an older version. Any web framework does the same.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::{Map, Value, json};

/// The backend. It runs until the program ends.
#[derive(Clone)]
pub(crate) struct RestServer {
    pub(crate) address: String,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    /// What there is, by path, such as `/notes/2`.
    items: BTreeMap<String, Map<String, Value>>,
    changes: u64,
    /// The answers that were given under each `Idempotency-Key`.
    answers: BTreeMap<String, Answer>,
    /// What everything is answered instead.
    instead: Option<Answer>,
    /// The access token that everything needs, and the refresh token that gets it.
    tokens: Option<(String, String)>,
    asked: Vec<String>,
}

#[derive(Debug, Clone, Default)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn json(status: u16, body: &Value) -> Self {
        let kind = ("content-type", "application/json".to_owned());
        Self { status, headers: vec![kind], body: body.to_string() }
    }

    fn item(status: u16, item: &Map<String, Value>) -> Self {
        let mut answer = Self::json(status, &Value::Object(item.clone()));
        answer.headers.push(("etag", format!("\"{}\"", item["version"])));
        answer
    }
}

struct Asked {
    method: String,
    path: String,
    if_match: Option<String>,
    key: Option<String>,
    token: Option<String>,
    body: Map<String, Value>,
}

impl RestServer {
    pub(crate) fn start() -> std::io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = format!("http://{}", listener.local_addr()?);
        let server = Self { address, state: Arc::default() };
        let serving = server.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let server = serving.clone();
                // A connection that breaks is the other side's affair.
                std::thread::spawn(move || server.serve(stream).ok());
            }
        });
        Ok(server)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Everything is answered like this from now on, or as it should be again.
    #[allow(dead_code, reason = "not every program wants failures")]
    pub(crate) fn answer_instead(&self, answer: Option<Answer>) {
        self.state().instead = answer;
    }

    /// From now on everything needs this access token, which `POST /token` gives for a refresh
    /// token.
    #[allow(dead_code, reason = "not every program signs in")]
    pub(crate) fn need_token(&self, access: &str, refresh: &str) {
        self.state().tokens = Some((access.to_owned(), refresh.to_owned()));
    }

    /// What there is at a path that is not deleted.
    #[allow(dead_code, reason = "not every program looks")]
    pub(crate) fn item(&self, path: &str) -> Option<Value> {
        let state = self.state();
        let item = state.items.get(path).filter(|item| item["deleted"] == json!(false));
        item.map(|item| Value::Object(item.clone()))
    }

    /// The requests that changed, or tried to change, something.
    #[allow(dead_code, reason = "not every program looks")]
    pub(crate) fn asked(&self) -> Vec<String> {
        self.state().asked.clone()
    }

    /// Somebody else changes an item.
    #[allow(dead_code, reason = "not every program has somebody else")]
    pub(crate) fn change(&self, path: &str, fields: &Value) {
        let mut state = self.state();
        let fields = fields.as_object().cloned().unwrap_or_default();
        state.patch(path, fields);
    }

    fn serve(&self, stream: TcpStream) -> std::io::Result<()> {
        let mut reader = BufReader::new(stream.try_clone()?);
        let Some(asked) = read(&mut reader)? else { return Ok(()) };
        let answer = self.state().answer(asked);
        let mut text = format!("HTTP/1.1 {} -\r\nconnection: close\r\n", answer.status);
        for (name, value) in &answer.headers {
            text.push_str(&format!("{name}: {value}\r\n"));
        }
        text.push_str(&format!("content-length: {}\r\n\r\n{}", answer.body.len(), answer.body));
        let mut stream = stream;
        stream.write_all(text.as_bytes())
    }
}

fn read(reader: &mut BufReader<TcpStream>) -> std::io::Result<Option<Asked>> {
    let mut line = String::new();
    reader.read_line(&mut line)?;
    let mut words = line.split(' ');
    let (Some(method), Some(path)) = (words.next(), words.next()) else { return Ok(None) };
    let (method, path) = (method.to_owned(), path.to_owned());
    let (mut length, mut if_match, mut key, mut token) = (0, None, None, None);
    loop {
        let mut header = String::new();
        reader.read_line(&mut header)?;
        let Some((name, value)) = header.trim_end().split_once(": ") else { break };
        match name.to_ascii_lowercase().as_str() {
            "content-length" => length = value.parse().unwrap_or(0),
            "if-match" => if_match = Some(value.trim_matches('"').to_owned()),
            "idempotency-key" => key = Some(value.to_owned()),
            "authorization" => token = value.strip_prefix("Bearer ").map(str::to_owned),
            _ => {}
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    let body = serde_json::from_slice(&body).unwrap_or_default();
    Ok(Some(Asked { method, path, if_match, key, token, body }))
}

impl State {
    fn answer(&mut self, asked: Asked) -> Answer {
        if asked.method != "GET" {
            self.asked.push(format!("{} {}", asked.method, asked.path));
        }
        if let Some(instead) = &self.instead {
            return instead.clone();
        }
        if let Some((access, refresh)) = &self.tokens {
            if asked.path == "/token" {
                let is_known = asked.body.get("refresh_token") == Some(&json!(refresh));
                let renewed = json!({ "access_token": access, "expires_in": 3_600 });
                let refused = json!({ "error": "invalid_grant" });
                let (status, body) = if is_known { (200, renewed) } else { (400, refused) };
                return Answer::json(status, &body);
            }
            if asked.token.as_ref() != Some(access) {
                return Answer::json(401, &json!({ "message": "the token has ended" }));
            }
        }
        if let Some(first) = asked.key.as_ref().and_then(|key| self.answers.get(key)) {
            return first.clone();
        }
        let key = asked.key.clone();
        let answer = self.act(asked);
        if let Some(key) = key.filter(|_| answer.status < 300) {
            self.answers.insert(key, answer.clone());
        }
        answer
    }

    fn act(&mut self, asked: Asked) -> Answer {
        let (path, query) = asked.path.split_once('?').unwrap_or((&asked.path, ""));
        match asked.method.as_str() {
            "POST" if path == "/batch" => self.batch(&asked.body),
            "POST" => self.create(path, asked.body),
            "GET" if path.matches('/').count() == 1 => self.list(path, query),
            method => {
                let Some(item) = self.items.get(path).filter(|i| i["deleted"] == json!(false))
                else {
                    let status = if self.items.contains_key(path) { 410 } else { 404 };
                    return Answer::json(status, &json!({ "message": "nothing is here" }));
                };
                let stale = asked.if_match.is_some_and(|on| on != version_of(item));
                match method {
                    "GET" => Answer::item(200, item),
                    _ if stale => Answer::item(409, item),
                    "PATCH" => Answer::item(200, &self.patch(path, asked.body)),
                    "PUT" => {
                        let removed = item.keys().map(|name| (name.clone(), Value::Null));
                        let mut fields: Map<String, Value> = removed.collect();
                        fields.retain(|name, _| !KEPT.contains(&name.as_str()));
                        fields.extend(asked.body);
                        Answer::item(200, &self.patch(path, fields))
                    }
                    _ => {
                        let gone = Map::from_iter([("deleted".to_owned(), json!(true))]);
                        self.patch(path, gone);
                        Answer { status: 204, ..Answer::default() }
                    }
                }
            }
        }
    }

    fn create(&mut self, path: &str, fields: Map<String, Value>) -> Answer {
        let id = self.items.len() + 1;
        let item = format!("{path}/{id}");
        let made = [("id", json!(id)), ("version", json!(0)), ("deleted", json!(false))];
        let made = made.map(|(name, value)| (name.to_owned(), value));
        self.items.insert(item.clone(), Map::from_iter(made));
        Answer::item(201, &self.patch(&item, fields))
    }

    /// All or nothing: what cannot be done is found before anything is.
    fn batch(&mut self, body: &Map<String, Value>) -> Answer {
        let parts = body["operations"].as_array().cloned().unwrap_or_default();
        let text = |part: &Value, name: &str| part[name].as_str().map(str::to_owned);
        let wrong = |part: &Value| {
            let on = text(part, "if_match").map(|on| on.trim_matches('"').to_owned())?;
            let item = self.items.get(part["path"].as_str()?)?;
            (on != version_of(item)).then(|| item.clone())
        };
        let wrong: Vec<_> = parts.iter().map(wrong).collect();
        let fails = wrong.iter().any(Option::is_some);
        let mut answers = Vec::new();
        for (part, wrong) in parts.iter().zip(wrong) {
            answers.push(match (wrong, fails) {
                (Some(item), _) => json!({ "status": 409, "body": item }),
                (None, true) => json!({ "status": 424 }),
                (None, false) => {
                    let answer = self.act(Asked {
                        method: text(part, "method").unwrap_or_default(),
                        path: text(part, "path").unwrap_or_default(),
                        if_match: None,
                        key: None,
                        token: None,
                        body: part["body"].as_object().cloned().unwrap_or_default(),
                    });
                    let body: Value = serde_json::from_str(&answer.body).unwrap_or_default();
                    json!({ "status": answer.status, "body": body })
                }
            });
        }
        Answer::json(if fails { 409 } else { 200 }, &json!({ "answers": answers }))
    }

    fn patch(&mut self, path: &str, fields: Map<String, Value>) -> Map<String, Value> {
        self.changes += 1;
        let change = self.changes;
        let item = self.items.entry(path.to_owned()).or_default();
        for (name, value) in fields {
            if value.is_null() {
                item.remove(&name)
            } else {
                item.insert(name, value)
            };
        }
        let version = item.get("version").and_then(Value::as_u64).unwrap_or(0) + 1;
        item.insert("version".to_owned(), json!(version));
        item.insert("change".to_owned(), json!(change));
        item.clone()
    }

    fn list(&self, path: &str, query: &str) -> Answer {
        let of = |name: &str| {
            let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
            pairs.filter(|(key, _)| *key == name).find_map(|(_, value)| value.parse().ok())
        };
        let (since, limit) = (of("since").unwrap_or(0), of("limit").unwrap_or(u64::MAX));
        let inside = |at: &str| at.rsplit_once('/').is_some_and(|(parent, _)| parent == path);
        let items = self.items.iter().filter(|(at, _)| inside(at)).map(|(_, item)| item);
        let mut items: Vec<_> = items.filter(|i| i["change"].as_u64() > Some(since)).collect();
        items.sort_by_key(|item| item["change"].as_u64());
        items.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
        Answer::json(200, &json!({ "items": items }))
    }
}

/// The version of an item, as it stands in an ETag.
fn version_of(item: &Map<String, Value>) -> String {
    item["version"].to_string()
}

/// The members of an item that a replacement does not touch.
const KEPT: [&str; 4] = ["id", "version", "deleted", "change"];
