//! The server over real connections on this machine.

mod accounts;
mod events;
mod process;
mod rest;
mod wire;

use std::sync::Arc;

use clarity_model::Incarnation;
use clarity_protocol::{
    LoginRequest, PROTOCOL_HEADER, Problem, ProblemCode, SignUpRequest, Tokens,
};
use clarity_server::auth::{AuthSettings, PasswordCost};
use clarity_server::{Bound, Config, Core, Server};
use reqwest::header::{CONTENT_TYPE, HeaderMap};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tempfile::TempDir;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::support::{TestEnvironment, schema};

pub(crate) const PASSWORD: &str = "correct horse battery";

/// A server that runs until it is stopped or dropped.
pub(crate) struct Live {
    pub(crate) url: String,
    pub(crate) environment: Arc<TestEnvironment>,
    pub(crate) core: Arc<Core>,
    pub(crate) client: reqwest::Client,
    stop: Option<oneshot::Sender<()>>,
    serving: JoinHandle<std::io::Result<()>>,
    pub(crate) directory: TempDir,
}

/// An answer, read to its end.
#[derive(Debug)]
pub(crate) struct Answered {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
}

impl Answered {
    pub(crate) fn json<T: DeserializeOwned>(&self) -> T {
        assert_eq!(self.status, 200, "{}", String::from_utf8_lossy(&self.body));
        serde_json::from_slice(&self.body).unwrap()
    }

    /// The code of the problem that it is, with what every problem has.
    pub(crate) fn problem(&self) -> (u16, ProblemCode) {
        let problem: Problem = serde_json::from_slice(&self.body).unwrap();
        assert_eq!(self.headers[CONTENT_TYPE], "application/problem+json");
        assert_eq!(problem.status, self.status);
        assert!(!problem.title.is_empty());
        (self.status, problem.code)
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }
}

pub(crate) fn config(directory: &TempDir, environment: Arc<TestEnvironment>) -> Config {
    Config {
        listen: ([127, 0, 0, 1], 0).into(),
        auth: AuthSettings {
            password_cost: PasswordCost::Trivial,
            open_sign_up: true,
            ..AuthSettings::default()
        },
        environment,
        ..Config::new(directory.path().join("data"), schema())
    }
}

impl Live {
    pub(crate) fn start() -> Self {
        Self::start_with(|_| {})
    }

    /// Starts a server with other settings.
    pub(crate) fn start_with(change: impl FnOnce(&mut Config)) -> Self {
        let directory = TempDir::new().unwrap();
        let environment = Arc::new(TestEnvironment::new(7));
        let mut config = config(&directory, Arc::clone(&environment));
        change(&mut config);
        let bound: Bound = Server::bind(config).unwrap();
        let url = format!("http://{}", bound.local_addr().unwrap());
        let core = Arc::clone(bound.core());
        let (stop, stopped) = oneshot::channel();
        let serving = tokio::spawn(bound.serve(async {
            let _ = stopped.await;
        }));
        // Built together with the SDK, whose features are then on, a client wants to be told which
        // cryptography to use, and would unpack answers before a test sees them.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = reqwest::Client::builder().no_gzip().no_zstd().build().unwrap();
        Self { url, environment, core, client, stop: Some(stop), serving, directory }
    }

    /// Asks the server to stop, waits until it did, and gives what it leaves behind.
    pub(crate) async fn stop(mut self) -> TempDir {
        self.stop.take().unwrap().send(()).unwrap();
        self.serving.await.unwrap().unwrap();
        self.directory
    }

    pub(crate) fn request(&self, method: &str, path: &str) -> reqwest::RequestBuilder {
        let method = method.parse().unwrap();
        self.client.request(method, format!("{}{path}", self.url)).header(PROTOCOL_HEADER, "1")
    }

    pub(crate) async fn send(&self, request: reqwest::RequestBuilder) -> Answered {
        let response = request.send().await.unwrap();
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        assert_eq!(headers[PROTOCOL_HEADER], "1");
        Answered { status, headers, body: response.bytes().await.unwrap().to_vec() }
    }

    pub(crate) async fn post(&self, path: &str, token: &str, body: &impl Serialize) -> Answered {
        let request = self.request("POST", path).header(CONTENT_TYPE, "application/json");
        let body = serde_json::to_vec(body).unwrap();
        self.send(request.bearer_auth(token).body(body)).await
    }

    pub(crate) async fn get(&self, path: &str, token: &str) -> Answered {
        self.send(self.request("GET", path).bearer_auth(token)).await
    }

    pub(crate) async fn sign_up(&self, name: &str, store: u128) -> Answered {
        let request = SignUpRequest {
            name: name.into(),
            password: PASSWORD.into(),
            device_name: format!("device {store}"),
            incarnation: Incarnation(store),
        };
        self.post("/v1/accounts", "", &request).await
    }

    pub(crate) async fn login(&self, name: &str, password: &str, store: u128) -> Answered {
        let request = LoginRequest {
            name: name.into(),
            password: password.into(),
            device_name: format!("device {store}"),
            incarnation: Incarnation(store),
        };
        self.post("/v1/login", "", &request).await
    }

    /// Two devices of one account.
    pub(crate) async fn two_devices(&self) -> (Tokens, Tokens) {
        let first = self.sign_up("someone", 1).await.json();
        let second = self.login("someone", PASSWORD, 2).await.json();
        (first, second)
    }
}
