//! The network between real processes does what it is told.

use std::net::SocketAddr;
use std::sync::Arc;

use clarity_client::model::{EntityKey, Schema};
use clarity_client::{Client, ClientOptions, Fields, HttpTransport, SyncEnd};
use clarity_server::{Config, Server};
use clarity_sim::proxy::{FaultRates, Link, Proxy, Way, Weather};
use serde_json::json;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;

/// Always.
const ALWAYS: u32 = 1_000;

/// A server that tells of each request that reaches it, and answers `done`.
async fn telling_server() -> (SocketAddr, mpsc::UnboundedReceiver<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (tell, told) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let tell = tell.clone();
            tokio::spawn(async move {
                let mut request = Vec::new();
                while !request.ends_with(b"\r\n\r\n") {
                    if stream.read_buf(&mut request).await? == 0 {
                        return Ok(());
                    }
                }
                let _ = tell.send(());
                let answer =
                    b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\nConnection: close\r\n\r\ndone";
                stream.write_all(answer).await
            });
        }
    });
    (address, told)
}

/// Asks once and gives what comes back until the connection ends.
async fn ask(link: &Link) -> String {
    let address = link.address().trim_start_matches("http://");
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await.unwrap();
    let mut answer = Vec::new();
    // A connection that is reset has said all that it will.
    let _ = stream.read_to_end(&mut answer).await;
    String::from_utf8(answer).unwrap()
}

/// A proxy blocks its thread to start and to end, which that of an asynchronous test must not do.
async fn proxy(server: SocketAddr) -> (Arc<Proxy>, Arc<Link>) {
    let start = move || {
        let proxy = Proxy::start(server, 5).unwrap();
        let link = proxy.link().unwrap();
        (Arc::new(proxy), Arc::new(link))
    };
    tokio::task::spawn_blocking(start).await.unwrap()
}

/// Shows partitions of each way: what is held arrives when the way is open again, and what is
/// broken never does; a partition on the way back lets the request through.
#[tokio::test]
async fn partitions_of_each_way() {
    let (server, mut told) = telling_server().await;
    let (proxy, link) = proxy(server).await;
    let fair = Weather::default();
    assert!(ask(&link).await.ends_with("done"));
    told.recv().await.unwrap();

    link.set(Weather { to_server: Way::Broken, ..fair });
    assert_eq!(ask(&link).await, "");
    assert!(told.try_recv().is_err(), "it did not arrive");

    link.set(Weather { to_device: Way::Broken, ..fair });
    assert_eq!(ask(&link).await, "");
    told.recv().await.expect("it arrived, and nobody heard of it");

    link.set(Weather { to_device: Way::Held, ..fair });
    let asking = tokio::spawn({
        let link = Arc::clone(&link);
        async move { ask(&link).await }
    });
    told.recv().await.expect("it arrived");
    assert!(!asking.is_finished());
    link.set(fair);
    assert!(asking.await.unwrap().ends_with("done"), "the answer came when the way was open");

    link.set(Weather { to_server: Way::Held, ..fair });
    let asking = tokio::spawn({
        let link = Arc::clone(&link);
        async move { ask(&link).await }
    });
    assert!(told.try_recv().is_err() && !asking.is_finished(), "it is on its way");
    link.set(fair);
    assert!(asking.await.unwrap().ends_with("done"));
    told.recv().await.unwrap();
    tokio::task::spawn_blocking(move || drop(proxy)).await.unwrap();
}

/// Shows each fault of a single request: what reaches the server, what comes back, and that it is
/// counted.
#[tokio::test]
async fn faults_of_single_requests() {
    let none = FaultRates::default();
    let rows = [
        ("request_lost", FaultRates { request_lost: ALWAYS, ..none }, 0, ""),
        ("answer_lost", FaultRates { answer_lost: ALWAYS, ..none }, 1, ""),
        ("sent_twice", FaultRates { sent_twice: ALWAYS, ..none }, 2, "done"),
        ("refused", FaultRates { refused: ALWAYS, ..none }, 0, "503 Service Unavailable"),
        ("broken_off", FaultRates { broken_off: ALWAYS, ..none }, 1, "do"),
        ("trickles", FaultRates { trickles: ALWAYS, ..none }, 1, "done"),
    ];
    for (name, faults, arrivals, answer) in rows {
        let (server, mut told) = telling_server().await;
        let (proxy, link) = proxy(server).await;
        link.set(Weather { faults, ..Weather::default() });
        let heard = ask(&link).await;
        assert!(heard.contains(answer), "{name}: {heard}");
        assert_eq!(heard.contains("done"), answer == "done", "{name}: {heard}");
        let arrived = std::iter::from_fn(|| told.try_recv().ok()).count();
        assert_eq!(arrived, arrivals, "{name}");
        assert_eq!(proxy.faults().get(name), Some(&1), "{name}");
        tokio::task::spawn_blocking(move || drop(proxy)).await.unwrap();
    }
}

/// Shows that a device and a server get through a bad network to the end, each change once.
#[tokio::test]
async fn a_device_gets_through_a_bad_network() {
    let folder = TempDir::new().unwrap();
    let mut config = Config::new(folder.path(), Arc::new(Schema::shipped().unwrap()));
    config.listen = ([127, 0, 0, 1], 0).into();
    config.auth.password_cost = clarity_server::auth::PasswordCost::Trivial;
    let bound = Server::bind(config).unwrap();
    let (proxy, link) = proxy(bound.local_addr().unwrap()).await;
    tokio::spawn(bound.serve(std::future::pending()));
    let client = Client::open(ClientOptions::new(folder.path().join("store.db"))).unwrap();
    let transport = Arc::new(HttpTransport::new(link.address()).unwrap());
    let incarnation = client.meta().unwrap().incarnation;
    let tokens = transport.sign_up("anna", "correct horse battery", "a", incarnation).await;
    client.signed_in(transport.address(), "anna", tokens.unwrap()).unwrap();
    let faults = FaultRates { request_lost: 200, answer_lost: 200, ..FaultRates::BAD };
    link.set(Weather { faults, ..Weather::default() });
    let mut rounds = 0;
    while proxy.faults().len() < 5 {
        let key = EntityKey::new("Note", format!("n{rounds}")).unwrap();
        client.create(&key, Fields::from([("title", json!(rounds))])).unwrap();
        let patience = std::time::Duration::from_secs(120);
        let report = client.sync(Arc::clone(&transport), patience, |_| {}).await.unwrap();
        assert_eq!((report.end, report.status.waiting), (SyncEnd::Done, 0));
        assert_eq!(client.get(&key).unwrap().unwrap().version.0, 1);
        rounds += 1;
    }
    tokio::task::spawn_blocking(move || drop(proxy)).await.unwrap();
}
