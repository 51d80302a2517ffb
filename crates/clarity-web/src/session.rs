//! A store with what asks it and what keeps it in sync.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use clarity_client::engine::Changes;
use clarity_client::{
    Client, ClientError, ErrorKind, Failure, FailureClass, HttpTransport, WouldBeLost,
};
use serde::Serialize;
use tokio::sync::Notify;
use tokio::sync::broadcast::error::{RecvError, TryRecvError};

use crate::call::{Call, Loss};

/// Makes the way to a server.
type Connect = Box<dyn Fn(&str) -> Result<HttpTransport, ClientError> + Send + Sync>;

/// Most losses that a person was shown and has not decided on.
const LOSSES_MAX: usize = 8;

/// Why a call failed. Nothing of it was stored, unless the words say so.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct CallError {
    /// What kind of error it is, for programs.
    pub kind: ErrorKind,
    /// What happened and what to do, in words.
    pub message: String,
}

impl From<ClientError> for CallError {
    fn from(error: ClientError) -> Self {
        Self { kind: error.kind(), message: error.to_string() }
    }
}

impl CallError {
    pub(crate) fn invalid(message: String) -> Self {
        Self { kind: ErrorKind::Invalid, message }
    }
}

/// A store, open in a page's worker.
pub struct Session {
    client: Client,
    connect: Connect,
    /// Whether the store is being kept in sync.
    running: AtomicBool,
    /// Whether it must not be, because it is about to be erased.
    halted: AtomicBool,
    stop: Notify,
    /// Something changed about whether the store is kept in sync.
    turned: Notify,
    losses: Mutex<Losses>,
}

#[derive(Default)]
struct Losses {
    next: u32,
    shown: BTreeMap<u32, WouldBeLost>,
}

impl std::fmt::Debug for Session {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Session").finish_non_exhaustive()
    }
}

impl Session {
    /// A session of an open store; `connect` makes the way to a server by its address.
    pub fn new(
        client: Client,
        connect: impl Fn(&str) -> Result<HttpTransport, ClientError> + Send + Sync + 'static,
    ) -> Self {
        Self {
            client,
            connect: Box::new(connect),
            running: AtomicBool::new(false),
            halted: AtomicBool::new(false),
            stop: Notify::new(),
            turned: Notify::new(),
            losses: Mutex::default(),
        }
    }

    /// The store.
    #[must_use]
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// Answers a call, both in JSON: `{"ok": …}` or `{"error": {"kind": …, "message": …}}`.
    pub async fn call(&self, call: &str) -> String {
        let answer = match serde_json::from_str::<Call>(call) {
            Ok(call) => self.answer(call).await,
            Err(error) => Err(unreadable(&error)),
        };
        in_json(answer)
    }

    /// Answers a call now, and again each time that the answer is another one, until `emit` says
    /// that nobody wants it any more. Between two looks it waits for `pause`, so that a sync that
    /// changes much does not spend its time on being watched.
    pub async fn watch(&self, call: &str, pause: impl AsyncFn(), emit: impl Fn(&str) -> bool) {
        let concern = match serde_json::from_str::<Call>(call) {
            Ok(call) if call.is_read() => call.concern(),
            Ok(_) => {
                let words = "only what reads can be watched".to_owned();
                emit(&in_json(Err(CallError::invalid(words))));
                return;
            }
            Err(error) => {
                emit(&in_json(Err(unreadable(&error))));
                return;
            }
        };
        // From here on nothing is missed: the first value is read after this.
        let mut changes = self.client.watch();
        let mut given = String::new();
        loop {
            let answer = self.call(call).await;
            if answer != given {
                if !emit(&answer) {
                    return;
                }
                given = answer;
            }
            pause().await;
            loop {
                match changes.recv().await {
                    Ok(changes) if !concern.is_about(&changes) => {}
                    Ok(_) | Err(RecvError::Lagged(_)) => break,
                    Err(RecvError::Closed) => return,
                }
            }
            // Whatever has been published so far is part of what is read now.
            while !matches!(changes.try_recv(), Err(TryRecvError::Empty | TryRecvError::Closed)) {}
        }
    }

    /// Keeps the store in sync whenever somebody is signed in, as long as it is polled.
    pub async fn keep_in_sync(&self) {
        loop {
            match self.transport() {
                Ok(transport) if !self.halted.load(Ordering::Acquire) => {
                    self.running.store(true, Ordering::Release);
                    // It ends when it is stopped, or with the store.
                    let _ = self.client.run(Arc::new(transport), self.stop.notified()).await;
                    self.running.store(false, Ordering::Release);
                    self.turned.notify_waiters();
                }
                _ => self.turned.notified().await,
            }
            if self.client.meta().is_err() {
                return;
            }
        }
    }

    /// Somebody has signed in: from now on the store is kept in sync with that server.
    pub(crate) fn signed_in(&self) {
        if self.running.load(Ordering::Acquire) {
            // With the address that is known now.
            self.stop.notify_one();
        } else {
            self.turned.notify_waiters();
        }
    }

    /// Waits until nothing keeps the store in sync, and nothing will until [`Session::go_on`].
    pub(crate) async fn halt(&self) {
        let ended = self.turned.notified();
        self.halted.store(true, Ordering::Release);
        if self.running.load(Ordering::Acquire) {
            self.stop.notify_one();
            ended.await;
        }
    }

    pub(crate) fn go_on(&self) {
        self.halted.store(false, Ordering::Release);
        self.turned.notify_waiters();
    }

    pub(crate) fn connect(&self, server: &str) -> Result<HttpTransport, ClientError> {
        (self.connect)(server)
    }

    /// The way to the server that the store is signed in to.
    pub(crate) fn transport(&self) -> Result<HttpTransport, ClientError> {
        let known = self.client.credentials()?.filter(|known| known.refresh_token.is_some());
        let nobody = || {
            let words = "nobody has signed in on this device; sign in first";
            ClientError::from(Failure::new(FailureClass::Auth, words))
        };
        self.connect(&known.ok_or_else(nobody)?.server)
    }

    /// Numbers what a person is shown before they sign out.
    pub(crate) fn show(&self, lost: WouldBeLost) -> Loss {
        let mut losses = self.losses.lock().unwrap_or_else(PoisonError::into_inner);
        losses.next += 1;
        let seen = losses.next;
        losses.shown.insert(seen, lost.clone());
        while losses.shown.len() > LOSSES_MAX {
            losses.shown.pop_first();
        }
        Loss { seen, lost }
    }

    /// What a person was shown under a number.
    pub(crate) fn shown(&self, seen: u32) -> Result<WouldBeLost, ClientError> {
        let losses = self.losses.lock().unwrap_or_else(PoisonError::into_inner);
        losses.shown.get(&seen).cloned().ok_or(ClientError::Moved)
    }
}

/// What a watched answer depends on.
pub(crate) enum Concern {
    Entity(clarity_client::EntityKey),
    Type(clarity_client::EntityType),
    Anything,
}

impl Concern {
    fn is_about(&self, changes: &Changes) -> bool {
        match self {
            Self::Entity(key) => changes.concerns_entity(key),
            Self::Type(entity_type) => changes.concerns_type(entity_type),
            Self::Anything => true,
        }
    }
}

fn unreadable(error: &serde_json::Error) -> CallError {
    // The words of the parser may quote what was sent.
    let (line, column) = (error.line(), error.column());
    CallError::invalid(format!("the call cannot be read at line {line}, column {column}"))
}

fn in_json(answer: Result<String, CallError>) -> String {
    match answer {
        Ok(json) => format!("{{\"ok\":{json}}}"),
        Err(error) => {
            let error = serde_json::to_string(&error).unwrap_or_default();
            format!("{{\"error\":{error}}}")
        }
    }
}
