//! Whoever answers in the server's place: sign-in pages, broken lines, bombs, servers gone wrong.

use std::time::Duration;

use clarity_client::engine::protocol::{CONTENT_TYPE, PROTOCOL_HEADER, path};
use clarity_client::model::{Counter, Epoch};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// How an exchange goes once the request has been read.
#[derive(Debug, Clone)]
pub(crate) enum Answer {
    /// These bytes, then the end of the connection.
    Bytes(Vec<u8>),
    /// These bytes, then a reset of the connection.
    ThenReset(Vec<u8>),
    /// These bytes, then nothing, while the connection stays.
    ThenSilence(Vec<u8>),
    /// A push is answered with this, in an answer of ours; everything else fails for a while.
    Push(Vec<Value>),
    /// There is nobody: the port is closed.
    NoServer,
    /// There is nobody of that name.
    NoName,
    /// A secure connection is asked for, and something else answers.
    NotSecure,
}

/// What an answer to a push must know of what was sent.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sent {
    pub(crate) operation: Counter,
    pub(crate) epoch: Epoch,
}

/// Begins to answer, and gives the address.
pub(crate) async fn impostor(answer: Answer, sent: Sent) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    match answer {
        Answer::NoServer => return format!("http://{address}"),
        // A name that no resolver has to ask anybody about: a part of it is too long.
        Answer::NoName => return format!("http://{}.example", "n".repeat(64)),
        _ => {}
    }
    let scheme = if matches!(answer, Answer::NotSecure) { "https" } else { "http" };
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            // The client may hang up before it has read everything: that is what is tested.
            tokio::spawn(exchange(stream, answer.clone(), sent));
        }
    });
    format!("{scheme}://{address}")
}

async fn exchange(mut stream: TcpStream, answer: Answer, sent: Sent) -> std::io::Result<()> {
    if let Answer::NotSecure = answer {
        return stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await;
    }
    let Some(request) = read_request(&mut stream).await? else { return Ok(()) };
    match answer {
        Answer::Bytes(bytes) => stream.write_all(&bytes).await,
        Answer::ThenReset(bytes) => {
            stream.write_all(&bytes).await?;
            stream.set_zero_linger()
        }
        Answer::ThenSilence(bytes) => {
            stream.write_all(&bytes).await?;
            // Until the client hangs up.
            stream.read(&mut [0]).await.map(drop)
        }
        Answer::Push(answers) => stream.write_all(&push_answer(&request, answers, sent)).await,
        Answer::NoServer | Answer::NoName | Answer::NotSecure => Ok(()),
    }
}

fn push_answer(request: &[u8], answers: Vec<Value>, sent: Sent) -> Vec<u8> {
    if !request.starts_with(format!("POST {} ", path::PUSH).as_bytes()) {
        return ours("503 Service Unavailable", "{}");
    }
    let mut answers = answers;
    for answer in &mut answers {
        // A counter that the table gives is another operation's.
        answer["counter"] = answer.get("counter").cloned().unwrap_or(json!(sent.operation));
    }
    ours("200 OK", json!({"epoch": sent.epoch, "at": 1, "answers": answers}).to_string())
}

/// The head and the announced body of a request; nothing when the client hung up.
async fn read_request(stream: &mut TcpStream) -> std::io::Result<Option<Vec<u8>>> {
    let mut request = Vec::new();
    while !is_whole(&request) {
        if stream.read_buf(&mut request).await? == 0 {
            return Ok(None);
        }
    }
    Ok(Some(request))
}

fn is_whole(request: &[u8]) -> bool {
    let Some(head) = request.windows(4).position(|window| window == b"\r\n\r\n") else {
        return false;
    };
    let text = String::from_utf8_lossy(&request[..head]).to_ascii_lowercase();
    let length = text.lines().find_map(|line| line.strip_prefix("content-length:"));
    let length: usize = length.map_or(0, |length| length.trim().parse().unwrap());
    request.len() >= head + 4 + length
}

/// An answer with this status line, further header lines and body, as anybody could give it.
pub(crate) fn http(head: &str, body: impl AsRef<[u8]>) -> Vec<u8> {
    let mut answer = format!("HTTP/1.1 {head}\r\nConnection: close\r\n\r\n").into_bytes();
    answer.extend_from_slice(body.as_ref());
    answer
}

/// An answer as a Clarity server gives it.
pub(crate) fn ours(status: &str, body: impl AsRef<[u8]>) -> Vec<u8> {
    http(&format!("{status}\r\n{}", our_headers()), body)
}

/// The two lines by which an answer of a Clarity server is known.
pub(crate) fn our_headers() -> String {
    format!("{PROTOCOL_HEADER}: 1\r\nContent-Type: {CONTENT_TYPE}")
}

/// A line to a server on which every byte of an answer travels alone.
pub(crate) async fn dribbling(server: &str) -> String {
    let server = server.trim_start_matches("http://").to_owned();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            let server = TcpStream::connect(&server).await.unwrap();
            client.set_nodelay(true).unwrap();
            let (from_client, to_client) = client.into_split();
            let (from_server, to_server) = server.into_split();
            tokio::spawn(carry(from_client, to_server, 4_096));
            tokio::spawn(carry(from_server, to_client, 1));
        }
    });
    address
}

async fn carry(
    mut from: impl tokio::io::AsyncRead + Unpin,
    mut to: impl tokio::io::AsyncWrite + Unpin,
    at_once: usize,
) -> std::io::Result<()> {
    let mut buffer = vec![0; at_once];
    loop {
        let read = from.read(&mut buffer).await?;
        if read == 0 {
            return to.shutdown().await;
        }
        to.write_all(&buffer[..read]).await?;
    }
}

/// How long the devices of these tests wait for an answer from somebody who gives none.
pub(crate) const SHORT_TIMEOUT: Duration = Duration::from_millis(300);
