//! The driver with backends that the tests hold in their hands.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use clarity_client::engine::Pause;
use clarity_client::engine::protocol::{Hint, Tokens};
use clarity_client::engine::store::DrainLock;
use clarity_client::model::EntityKey;
use clarity_client::{
    Client, ClientError, ClientOptions, Failure, FailureClass, Fields, Flow, Refreshed, Request,
    Response, SyncEnd, Transport, TransportFuture,
};
use tokio::sync::{Notify, mpsc, oneshot};

use crate::backend::Backend;

const PATIENCE: Duration = Duration::from_secs(60);

fn note(id: &str) -> EntityKey {
    EntityKey::new("Note", id).unwrap()
}

fn fields() -> Fields {
    Fields::from([("title", "a".into())])
}

fn client() -> (tempfile::TempDir, Client) {
    let directory = tempfile::tempdir().unwrap();
    let client = Client::open(ClientOptions::new(directory.path().join("store.db"))).unwrap();
    (directory, client)
}

/// A backend whose pushes arrive, and whose answers are held back until the test lets them go.
pub(crate) struct Held {
    pub(crate) backend: Backend,
    pub(crate) arrived: mpsc::UnboundedSender<()>,
    pub(crate) release: Notify,
}

impl Transport for Held {
    fn send(
        &self,
        request: Request,
        token: Option<String>,
    ) -> TransportFuture<'_, Result<Response, Failure>> {
        Box::pin(async move {
            let push = matches!(request, Request::Push(_));
            let answer = self.backend.send(request, token).await;
            if push {
                self.arrived.send(()).unwrap();
                self.release.notified().await;
            }
            answer
        })
    }

    fn refresh(&self, token: Option<String>) -> TransportFuture<'_, Refreshed> {
        self.backend.refresh(token)
    }
}

/// Shows promise L5: a run dropped while an answer is on its way loses nothing, and the next
/// run gets the same answer again instead of a second effect.
#[tokio::test]
async fn a_run_dropped_half_way_loses_nothing() {
    let (_directory, client) = client();
    let backend = Backend::default();
    let (arrived, mut arrivals) = mpsc::unbounded_channel();
    let held = Arc::new(Held { backend: backend.clone(), arrived, release: Notify::new() });
    client.create(&note("n"), fields()).unwrap();
    tokio::select! {
        ended = client.run(held, std::future::pending()) => panic!("it ended: {ended:?}"),
        _ = arrivals.recv() => {}
    }
    assert_eq!(client.status().unwrap().waiting, 1, "nobody has heard the answer");
    let report = client.sync(Arc::new(backend), PATIENCE, |_| {}).await.unwrap();
    assert_eq!((report.end, report.status.waiting), (SyncEnd::Done, 0));
    assert_eq!(client.get(&note("n")).unwrap().unwrap().version.0, 1, "it took effect once");
}

/// Shows that what a killed process was at does not count as going on: only while somebody holds
/// the right to drain does the status say that it syncs.
#[cfg(unix)]
#[tokio::test]
async fn a_killed_process_does_not_sync() {
    let (directory, client) = client();
    let (arrived, mut arrivals) = mpsc::unbounded_channel();
    let held = Held { backend: Backend::default(), arrived, release: Notify::new() };
    client.create(&note("n"), fields()).unwrap();
    // The same store under another name, where nobody holds anything.
    let elsewhere = tempfile::tempdir().unwrap();
    let link = elsewhere.path().join("store.db");
    std::os::unix::fs::symlink(directory.path().join("store.db"), &link).unwrap();
    let (stop, stopped) = oneshot::channel::<()>();
    let run = client.run(Arc::new(held), async { drop(stopped.await) });
    let look = async {
        arrivals.recv().await.unwrap();
        let status = client.status().unwrap();
        assert_eq!((status.flow, status.in_flight), (Flow::Syncing, 1));
        let after = Client::open(ClientOptions::new(link)).unwrap();
        let status = after.status().unwrap();
        assert_eq!((status.flow, status.in_flight), (Flow::Pending, 1));
        drop(stop);
    };
    let (ran, ()) = tokio::join!(run, look);
    ran.unwrap();
}

/// Shows that reads and writes do not wait for a sync in progress.
#[tokio::test]
async fn reads_and_writes_do_not_wait_for_a_sync() {
    let (_directory, client) = client();
    let (arrived, mut arrivals) = mpsc::unbounded_channel();
    let release = Notify::new();
    let held = Arc::new(Held { backend: Backend::default(), arrived, release });
    client.create(&note("one"), fields()).unwrap();
    let sync = client.sync(Arc::clone(&held), PATIENCE, |_| {});
    let meanwhile = async {
        arrivals.recv().await.unwrap();
        assert!(client.get(&note("one")).unwrap().unwrap().pending);
        client.create(&note("two"), fields()).unwrap();
        assert_eq!(client.status().unwrap().in_flight, 1);
        held.release.notify_one();
        arrivals.recv().await.unwrap();
        held.release.notify_one();
    };
    let (report, ()) = tokio::join!(sync, meanwhile);
    assert_eq!(report.unwrap().status.waiting, 0);
}

/// Shows that one client drains once: a second run is refused at once, and harms nothing.
#[tokio::test]
async fn a_client_drains_once() {
    let (_directory, client) = client();
    let backend = Arc::new(Backend::default());
    let (started, begun) = oneshot::channel::<()>();
    let (stop, stopped) = oneshot::channel::<()>();
    let first = client.run(Arc::clone(&backend), async {
        drop(started);
        drop(stopped.await);
    });
    let second = async {
        drop(begun.await);
        let refused = client.run(backend, std::future::ready(())).await;
        assert!(matches!(refused, Err(ClientError::AlreadyDraining)), "{refused:?}");
        drop(stop);
    };
    let (first, ()) = tokio::join!(first, second);
    first.unwrap();
}

/// Shows that while another process drains the store, what this process writes is sent by the other
/// one, and a sync is done by the other one too: it comes to its end when that has read and sent
/// everything.
#[tokio::test]
async fn another_process_drains_for_all() {
    let (directory, writer) = client();
    let path = directory.path().join("store.db");
    let drainer = Client::open(ClientOptions::new(&path)).unwrap();
    let backend = Arc::new(Backend::default());
    let mut changes = drainer.watch();
    let (stop, stopped) = oneshot::channel::<()>();
    let run = drainer.run(Arc::clone(&backend), async { drop(stopped.await) });
    let write = async {
        while drainer.status().unwrap().last_pull.is_none() {
            changes.recv().await.unwrap();
        }
        writer.create(&note("n"), fields()).unwrap();
        while writer.get(&note("n")).unwrap().unwrap().pending {
            changes.recv().await.unwrap();
        }
        writer.create(&note("o"), fields()).unwrap();
        let requests = || writer.counters().unwrap()["requests_succeeded"];
        let before = requests();
        let report = writer.sync(backend, Duration::ZERO, |_| {}).await.unwrap();
        assert_eq!((report.end, report.status.waiting), (SyncEnd::Done, 0));
        assert!(requests() >= before + 2, "it was sent, and read anew");
        drop(stop);
    };
    let (ran, ()) = tokio::join!(run, write);
    ran.unwrap();
}

/// Shows that a sync of a client that is kept in sync already is done by that run.
#[tokio::test]
async fn a_sync_beside_a_run_is_done_by_it() {
    let (_directory, client) = client();
    let backend = Arc::new(Backend::default());
    let (stop, stopped) = oneshot::channel::<()>();
    let run = client.run(Arc::clone(&backend), async { drop(stopped.await) });
    let sync = async {
        client.create(&note("n"), fields()).unwrap();
        let report = client.sync(backend, PATIENCE, |_| {}).await.unwrap();
        assert_eq!((report.end, report.status.waiting), (SyncEnd::Done, 0));
        drop(stop);
    };
    let (ran, ()) = tokio::join!(run, sync);
    ran.unwrap();
}

/// Shows that a sync goes on by itself when the process that drained ends, and that one which does
/// nothing is not waited for without end.
#[tokio::test(start_paused = true)]
async fn a_sync_takes_over() {
    let (directory, client) = client();
    client.create(&note("n"), fields()).unwrap();
    let path = directory.path().join("store.db");
    let idle = DrainLock::try_acquire(&path).unwrap().unwrap();
    let backend = Arc::new(Backend::default());
    let refused = client.sync(Arc::clone(&backend), PATIENCE, |_| {}).await;
    assert!(matches!(refused, Err(ClientError::HeldElsewhere)), "{refused:?}");
    assert_eq!(client.status().unwrap().waiting, 1);
    let mut idle = Some(idle);
    let show = |_: &clarity_client::Status| drop(idle.take());
    let report = client.sync(backend, PATIENCE, show).await.unwrap();
    assert_eq!((report.end, report.status.waiting), (SyncEnd::Done, 0));
}

/// Shows that the right to drain is given back only when the store's thread has really stopped, and
/// always is, also when the run was dropped.
#[tokio::test]
async fn the_right_to_drain_is_given_back() {
    let (directory, client) = client();
    let path = directory.path().join("store.db");
    let (stop, stopped) = oneshot::channel::<()>();
    drop(stop);
    client.run(Arc::new(Backend::default()), async { drop(stopped.await) }).await.unwrap();
    let right = DrainLock::try_acquire(&path).unwrap();
    assert!(right.is_some(), "after a run that was stopped");
    drop(right);
    let other = Client::open(ClientOptions::new(&path)).unwrap();
    let never = client.run(Arc::new(Backend::default()), std::future::pending());
    tokio::select! {
        biased;
        ended = never => panic!("it ended: {ended:?}"),
        () = tokio::task::yield_now() => {}
    }
    let report = other.sync(Arc::new(Backend::default()), PATIENCE, |_| {}).await.unwrap();
    assert_eq!(report.end, SyncEnd::Done, "after a run that was dropped");
}

/// A backend whose tokens expire: the first access token is refused.
struct Expiring {
    backend: Backend,
    refreshes: AtomicUsize,
    refused: bool,
}

impl Transport for Expiring {
    fn send(
        &self,
        request: Request,
        token: Option<String>,
    ) -> TransportFuture<'_, Result<Response, Failure>> {
        if token.as_deref() != Some("second") {
            let failure = Failure::new(FailureClass::Auth, "the token has expired");
            return Box::pin(std::future::ready(Err(failure)));
        }
        self.backend.send(request, token)
    }

    fn refresh(&self, token: Option<String>) -> TransportFuture<'_, Refreshed> {
        self.refreshes.fetch_add(1, Ordering::SeqCst);
        let refreshed = if self.refused {
            Refreshed::Refused
        } else {
            assert_eq!(token.as_deref(), Some("refresh"));
            Refreshed::Tokens(tokens("second"))
        };
        Box::pin(std::future::ready(refreshed))
    }
}

fn tokens(access: &str) -> Tokens {
    Tokens {
        account_id: "account".to_owned(),
        device_id: "device".to_owned(),
        access_token: access.to_owned(),
        access_expires_in_ms: 1,
        refresh_token: "refresh".to_owned(),
    }
}

/// Shows that an expired token is renewed once for the push and the pull that wait for it, and that
/// a refused renewal stops the sync, names who must act, and keeps what waits.
#[tokio::test]
async fn an_expired_token_is_renewed_once() {
    for refused in [false, true] {
        let (_directory, client) = client();
        client.signed_in("http://127.0.0.1:1", "anna", tokens("first")).unwrap();
        client.create(&note("n"), fields()).unwrap();
        let refreshes = AtomicUsize::new(0);
        let expiring = Arc::new(Expiring { backend: Backend::default(), refreshes, refused });
        let report = client.sync(Arc::clone(&expiring), PATIENCE, |_| {}).await.unwrap();
        assert_eq!(expiring.refreshes.load(Ordering::SeqCst), 1);
        match report.end {
            SyncEnd::Done => assert!(!refused && report.status.waiting == 0),
            SyncEnd::Stalled(stalled) => {
                assert!(refused && stalled.why == Pause::AuthRequired);
                assert_eq!(report.status.waiting, 1);
            }
            SyncEnd::OutOfPatience(stalled) => panic!("{stalled:?}"),
        }
    }
}

/// Shows promise I11: a store that belongs to one account takes no tokens of another.
#[test]
fn a_store_belongs_to_one_account() {
    let (_directory, client) = client();
    client.signed_in("http://127.0.0.1:1", "anna", tokens("first")).unwrap();
    let other = Tokens { account_id: "other".to_owned(), ..tokens("theirs") };
    let refused = client.signed_in("http://127.0.0.1:1", "bert", other);
    assert!(matches!(refused, Err(ClientError::OtherAccount)));
    let credentials = client.credentials().unwrap().unwrap();
    assert_eq!(
        (credentials.name.as_str(), credentials.access_token.as_deref()),
        ("anna", Some("first"))
    );
}

/// Shows that a pause holds in every process of the store, and that a sync says so at once.
#[tokio::test]
async fn a_pause_holds_and_is_told() {
    let (_directory, client) = client();
    client.create(&note("n"), fields()).unwrap();
    client.pause_sync(None).unwrap();
    let report = client.sync(Arc::new(Backend::default()), PATIENCE, |_| {}).await.unwrap();
    assert!(matches!(report.end, SyncEnd::Stalled(stalled) if stalled.why == Pause::UserPaused));
    client.resume_sync().unwrap();
    let report = client.sync(Arc::new(Backend::default()), PATIENCE, |_| {}).await.unwrap();
    assert_eq!((report.end, report.status.waiting), (SyncEnd::Done, 0));
}

/// A backend with a stream of hints that the test writes.
struct Hinting {
    backend: Backend,
    hints: Mutex<Option<mpsc::UnboundedReceiver<Hint>>>,
}

impl Transport for Hinting {
    fn send(
        &self,
        request: Request,
        token: Option<String>,
    ) -> TransportFuture<'_, Result<Response, Failure>> {
        self.backend.send(request, token)
    }

    fn refresh(&self, token: Option<String>) -> TransportFuture<'_, Refreshed> {
        self.backend.refresh(token)
    }

    fn hints<'a>(
        &'a self,
        _token: Option<String>,
        deliver: &'a (dyn Fn(Hint) + Send + Sync),
    ) -> TransportFuture<'a, Result<(), Failure>> {
        let mut hints = self.hints.lock().unwrap().take().unwrap();
        Box::pin(async move {
            while let Some(hint) = hints.recv().await {
                deliver(hint);
            }
            std::future::pending().await
        })
    }
}

/// Shows that a hint brings another device's change at once.
#[tokio::test]
async fn a_hint_brings_a_change() {
    let ((_one, here), (_two, there)) = (client(), client());
    let backend = Backend::default();
    let (hint, hints) = mpsc::unbounded_channel();
    let hinting = Hinting { backend: backend.clone(), hints: Mutex::new(Some(hints)) };
    let mut changes = here.watch();
    let (stop, stopped) = oneshot::channel::<()>();
    let run = here.run(Arc::new(hinting), async { drop(stopped.await) });
    let change = async {
        while !here.status().unwrap().idle {
            changes.recv().await.unwrap();
        }
        there.create(&note("n"), fields()).unwrap();
        there.sync(Arc::new(backend), PATIENCE, |_| {}).await.unwrap();
        hint.send(Hint::full()).unwrap();
        while here.get(&note("n")).unwrap().is_none() {
            changes.recv().await.unwrap();
        }
        drop(stop);
    };
    let (ran, ()) = tokio::join!(run, change);
    ran.unwrap();
}

/// Shows that a sync hears no hints: one that came while it ends would leave a pull undone, and the
/// status waiting for nothing.
#[tokio::test]
async fn a_sync_hears_no_hints() {
    let (_directory, client) = client();
    let (hint, hints) = mpsc::unbounded_channel();
    hint.send(Hint::full()).unwrap();
    let backend = Backend::default();
    let hinting = Arc::new(Hinting { backend, hints: Mutex::new(Some(hints)) });
    let report = client.sync(Arc::clone(&hinting), PATIENCE, |_| {}).await.unwrap();
    assert_eq!((report.end, report.status.flow), (SyncEnd::Done, Flow::Synced));
    assert!(hinting.hints.lock().unwrap().is_some(), "nobody listened");
}
