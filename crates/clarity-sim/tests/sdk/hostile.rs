//! Whoever answers in the server's place: sign-in pages, broken lines, bombs. None of it is ever
//! taken for an answer.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};

use clarity_client::SyncEnd;
use clarity_client::engine::Pause;
use serde_json::json;

use super::{Device, Hub, note};

/// Answers every request on a new port with these bytes, and closes the connection.
fn impostor(answer: Vec<u8>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let answer = answer.clone();
            // The client may hang up before it has read everything: that is what is tested.
            std::thread::spawn(move || drop(reply(stream, &answer)));
        }
    });
    address
}

fn reply(mut stream: TcpStream, answer: &[u8]) -> std::io::Result<()> {
    let mut request = Vec::new();
    let mut buffer = [0; 4_096];
    while !is_whole(&request) {
        let read = stream.read(&mut buffer)?;
        if read == 0 {
            return Ok(());
        }
        request.extend_from_slice(&buffer[..read]);
    }
    stream.write_all(answer)?;
    stream.shutdown(std::net::Shutdown::Write)
}

/// Whether the head and the announced body of a request are there.
fn is_whole(request: &[u8]) -> bool {
    let Some(head) = request.windows(4).position(|window| window == b"\r\n\r\n") else {
        return false;
    };
    let text = String::from_utf8_lossy(&request[..head]).to_ascii_lowercase();
    let length = text.lines().find_map(|line| line.strip_prefix("content-length:"));
    let length: usize = length.map_or(0, |length| length.trim().parse().unwrap());
    request.len() >= head + 4 + length
}

/// A line to a server on which every byte of an answer travels alone.
fn dribbling(server: &str) -> String {
    let server = server.trim_start_matches("http://").to_owned();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for client in listener.incoming().map_while(Result::ok) {
            let server = TcpStream::connect(&server).unwrap();
            client.set_nodelay(true).unwrap();
            let (from, to) = (client.try_clone().unwrap(), server.try_clone().unwrap());
            std::thread::spawn(move || drop(carry(from, to, 4_096)));
            std::thread::spawn(move || drop(carry(server, client, 1)));
        }
    });
    address
}

fn carry(mut from: TcpStream, mut to: TcpStream, at_once: usize) -> std::io::Result<()> {
    let mut buffer = vec![0; at_once];
    loop {
        let read = from.read(&mut buffer)?;
        if read == 0 {
            return to.shutdown(std::net::Shutdown::Write);
        }
        to.write_all(&buffer[..read])?;
    }
}

fn http(head: &str, body: &[u8]) -> Vec<u8> {
    let mut answer = format!("HTTP/1.1 {head}\r\nConnection: close\r\n\r\n").into_bytes();
    answer.extend_from_slice(body);
    answer
}

const OURS: &str = "200 OK\r\nClarity-Protocol: 1\r\nContent-Type: application/json";

/// Syncs once with an impostor; the write before it must survive.
async fn pause_of(answer: Vec<u8>) -> Pause {
    let device = Device::new(&impostor(answer));
    device.create(&note("n"), json!({"title": "kept"}));
    let report = device.try_sync().await;
    assert_eq!(report.status.waiting, 1, "nothing was acknowledged");
    assert_eq!(device.field(&note("n"), "title"), Some(json!("kept")));
    assert_eq!(report.status.last_success, None);
    match report.end {
        SyncEnd::OutOfPatience(stalled) | SyncEnd::Stalled(stalled) => stalled.why,
        SyncEnd::Done => panic!("it was taken for an answer"),
    }
}

/// Shows that the sign-in page of a public network is known for what it is, in each of its forms.
#[tokio::test]
async fn a_captive_portal_acknowledges_nothing() {
    let page = b"<html>Welcome! Please accept our terms.</html>";
    let forms = [
        http("200 OK\r\nContent-Type: text/html", page),
        http("200 OK\r\nContent-Type: application/json", b"{\"ok\":true}"),
        http("302 Found\r\nLocation: http://portal.example.org/login", b""),
        http("204 No Content", b""),
        http("511 Network Authentication Required\r\nContent-Type: text/html", page),
    ];
    for form in forms {
        let shown = String::from_utf8_lossy(&form).into_owned();
        assert_eq!(pause_of(form).await, Pause::CaptivePortal, "{shown}");
    }
}

/// Shows that an answer which is cut off, or is no message of ours, acknowledges nothing.
#[tokio::test]
async fn a_broken_answer_acknowledges_nothing() {
    let cut = format!("{OURS}\r\nContent-Length: 5000");
    assert_eq!(pause_of(http(&cut, b"{\"epoch\":")).await, Pause::ServerUnreachable);
    assert_eq!(pause_of(http(OURS, b"{\"epoch\":")).await, Pause::Backoff);
    assert_eq!(pause_of(http(OURS, b"[1, 2, 3]")).await, Pause::Backoff);
    assert_eq!(pause_of(http(OURS, b"")).await, Pause::Backoff);
    assert_eq!(pause_of(b"\x00\x01nonsense".to_vec()).await, Pause::ServerUnreachable);
    assert_eq!(pause_of(Vec::new()).await, Pause::ServerUnreachable);
}

/// Shows that an answer which trickles in is still an answer, and that hints come through as well.
#[tokio::test]
async fn a_slow_line_is_still_a_line() {
    let hub = Hub::start();
    let writer = hub.sign_up("anna").await;
    let slow = Device::new(&dribbling(&hub.address));
    slow.sign_in("anna").await;
    writer.create(&note("theirs"), json!({"text": "from afar ".repeat(100)}));
    writer.sync_all().await;
    slow.create(&note("mine"), json!({"title": "kept"}));
    slow.sync_all().await;
    assert!(slow.field(&note("theirs"), "text").is_some());
    writer.sync_all().await;
    assert_eq!(writer.field(&note("mine"), "title"), Some(json!("kept")));
}

/// Shows promise I15 for answers: one that is larger than any page, also when it was small on the
/// wire, is given up, and nothing of it is taken.
#[tokio::test]
async fn a_bomb_is_given_up() {
    let zeros = vec![b' '; 64 * 1024 * 1024];
    let packed = zstd::bulk::compress(&zeros, 1).unwrap();
    assert!(packed.len() < 100_000);
    let head = format!("{OURS}\r\nContent-Encoding: zstd\r\nContent-Length: {}", packed.len());
    assert_eq!(pause_of(http(&head, &packed)).await, Pause::Backoff);
    assert_eq!(pause_of(http(OURS, &zeros)).await, Pause::Backoff);
}

/// Shows that a server which asks to wait is obeyed, and that its own errors are told in its words.
#[tokio::test]
async fn a_busy_server_is_left_alone_as_long_as_it_asks() {
    let head = "503 Service Unavailable\r\nClarity-Protocol: 1\r\nRetry-After: 120\r\n\
                Content-Type: application/problem+json";
    let problem = json!({"type": "/problems/server_failure", "status": 503, "title": "Full",
                         "detail": "come back later", "code": "server_failure"});
    let device = Device::new(&impostor(http(head, problem.to_string().as_bytes())));
    device.create(&note("n"), json!({}));
    let status = device.try_sync().await.status;
    let stalled = status.stalled.unwrap();
    assert_eq!((stalled.why, stalled.message.as_str()), (Pause::Backoff, "Full: come back later"));
    let wait_ms = stalled.next_attempt.unwrap().since_ms(status.last_error_at.unwrap());
    assert_eq!(wait_ms, 120_000);
}
