//! Where a server listens and keeps its data, and what it says when it cannot.

use std::sync::Arc;

use clarity_protocol::{PullResponse, Tokens};
use clarity_server::{Config, ServeError, Server};
use serde_json::json;
use tempfile::TempDir;

use super::{Live, config};
use crate::support::{Client, TestEnvironment};

fn test_config(directory: &TempDir) -> Config {
    config(directory, Arc::new(TestEnvironment::new(3)))
}

/// Shows that an address beyond this machine needs a proxy to be named.
#[test]
fn exposure() {
    let directory = TempDir::new().unwrap();
    let mut config = test_config(&directory);
    config.listen = ([0, 0, 0, 0], 0).into();
    let error = Server::bind(config.clone()).unwrap_err();
    assert!(matches!(error, ServeError::Exposed { .. }));
    assert!(error.to_string().contains("--behind-proxy"));
    config.behind_proxy = true;
    Server::bind(config).unwrap();
}

/// Shows the words for a port that is taken.
#[test]
fn a_taken_port() {
    let (one, two) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let bound = Server::bind(test_config(&one)).unwrap();
    let mut config = test_config(&two);
    config.listen = bound.local_addr().unwrap();
    let error = Server::bind(config).unwrap_err();
    let port = bound.local_addr().unwrap().port().to_string();
    assert!(error.to_string().contains(&port) && error.to_string().contains("taken"));
}

/// Shows the words for a data directory that another server uses, one that is a file, and one that
/// holds something else, and that the directory can be used again afterwards.
#[test]
fn data_directories() {
    let directory = TempDir::new().unwrap();
    let bound = Server::bind(test_config(&directory)).unwrap();
    let error = Server::bind(test_config(&directory)).unwrap_err();
    assert!(matches!(error, ServeError::DataDirectoryInUse { .. }));
    drop(bound);
    Server::bind(test_config(&directory)).unwrap();

    let other = TempDir::new().unwrap();
    std::fs::write(other.path().join("data"), "a file").unwrap();
    let error = Server::bind(test_config(&other)).unwrap_err();
    assert!(matches!(error, ServeError::DataDirectory { .. }));
    assert!(error.to_string().contains("data"));

    let foreign = TempDir::new().unwrap();
    std::fs::create_dir(foreign.path().join("data")).unwrap();
    std::fs::write(foreign.path().join("data/server.db"), "no database".repeat(1_000)).unwrap();
    let error = Server::bind(test_config(&foreign)).unwrap_err();
    assert!(matches!(error, ServeError::Database { .. }));
    assert!(error.to_string().contains("server.db"));
}

/// Shows that an origin with a path, which no browser would ever send, is refused.
#[test]
fn wrong_origins() {
    let directory = TempDir::new().unwrap();
    let mut config = test_config(&directory);
    config.allow_origins = vec!["https://pulse.example.org/".into()];
    assert!(matches!(Server::bind(config), Err(ServeError::Origin(_))));
}

/// Shows that data and signed-in devices are there after a stop and a start.
#[tokio::test]
async fn stop_and_start() {
    let live = Live::start();
    let tokens: Tokens = live.sign_up("someone", 1).await.json();
    let a = Client::new(1);
    let create = a.create(("Note", "n"), 0, json!({}));
    live.post("/v1/push", &tokens.access_token, &a.request(&[create])).await;
    let left = live.stop().await;
    let live = Live::start_with(|config| config.data_dir = left.path().join("data"));
    let page: PullResponse =
        live.post("/v1/pull", &tokens.access_token, &a.pull_request()).await.json();
    assert_eq!(page.rows.len(), 1);
}
