//! Windows in the background, silent pushes, and who makes the windows.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use clarity_client::engine::Pause;
use clarity_client::model::EntityKey;
use clarity_client::{
    BackgroundEnd, BackgroundFailure, BackgroundRequest, BackgroundScheduler, BackgroundSource,
    BackgroundWork, Client, ClientError, ClientOptions, Conditions, DesktopScheduler, Failure,
    FailureClass, Fields, Imported, NetworkPolicy, Refreshed, Request, Response, SyncEnd, TimeLeft,
    Transport, TransportFuture,
};
use tokio::sync::{Notify, oneshot};

use crate::backend::Backend;

/// Longer than any test takes; none waits for it to pass.
const LONG: Duration = Duration::from_secs(120);

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

fn work() -> BackgroundWork {
    BackgroundWork { time: LONG, ..BackgroundWork::default() }
}

fn failed(end: BackgroundEnd) -> BackgroundFailure {
    match end {
        BackgroundEnd::Failed { why } => why,
        other => panic!("it did not fail: {other:?}"),
    }
}

/// A backend that remembers in which order it was asked, and can be made to answer no more.
#[derive(Clone, Default)]
struct Recorder {
    backend: Backend,
    log: Arc<Mutex<Vec<&'static str>>>,
    /// The request with this number, from one on, gets no answer, and the test is told.
    silent_at: Arc<AtomicUsize>,
    silent: Arc<Notify>,
    /// Lets the answer to that request go after all.
    answer: Arc<Notify>,
    /// Every request is refused for an hour.
    busy: Arc<AtomicBool>,
}

impl Recorder {
    fn log(&self) -> Vec<&'static str> {
        self.log.lock().unwrap().clone()
    }

    fn count(&self, what: &str) -> usize {
        self.log().iter().filter(|one| **one == what).count()
    }
}

impl Transport for Recorder {
    fn send(
        &self,
        request: Request,
        token: Option<String>,
    ) -> TransportFuture<'_, Result<Response, Failure>> {
        let number = {
            let mut log = self.log.lock().unwrap();
            log.push(if matches!(request, Request::Push(_)) { "push" } else { "pull" });
            log.len()
        };
        if number == self.silent_at.load(Ordering::SeqCst) {
            self.silent.notify_one();
            // It arrives all the same.
            return Box::pin(async move {
                let answer = self.backend.send(request, token).await;
                self.answer.notified().await;
                answer
            });
        }
        if self.busy.load(Ordering::SeqCst) {
            let mut failure = Failure::new(FailureClass::Transient, "busy");
            failure.retry_after_ms = Some(3_600_000);
            return Box::pin(std::future::ready(Err(failure)));
        }
        self.backend.send(request, token)
    }

    fn refresh(&self, token: Option<String>) -> TransportFuture<'_, Refreshed> {
        self.backend.refresh(token)
    }
}

/// A health source of the test.
struct Source {
    log: Arc<Mutex<Vec<&'static str>>>,
    makes: Option<EntityKey>,
    fails: bool,
    hangs: bool,
}

impl BackgroundSource for Source {
    fn name(&self) -> &str {
        "scale"
    }

    fn collect<'a>(
        &'a self,
        client: &'a Client,
        left: TimeLeft,
    ) -> TransportFuture<'a, Result<Imported, ClientError>> {
        Box::pin(async move {
            assert!(!left.duration().is_zero());
            self.log.lock().unwrap().push("source");
            let mut imported = Imported::default();
            if let Some(key) = &self.makes {
                client.create(key, fields())?;
                imported.new += 1;
            }
            if self.hangs {
                std::future::pending::<()>().await;
            }
            if self.fails { Err(ClientError::OtherAccount) } else { Ok(imported) }
        })
    }
}

fn source(recorder: &Recorder, makes: Option<&str>) -> Source {
    let log = Arc::clone(&recorder.log);
    Source { log, makes: makes.map(note), fails: false, hangs: false }
}

/// Shows the order of a window: what waits is sent, then it is read, then the sources are asked,
/// and what they brought is sent; and what the report says of it.
#[tokio::test]
async fn a_window_sends_then_reads_then_asks() {
    let (_directory, client) = client();
    let recorder = Recorder::default();
    client.create(&note("one"), fields()).unwrap();
    client.create(&note("two"), fields()).unwrap();
    let mut work = work();
    work.sources.push(Arc::new(source(&recorder, Some("weight"))));
    let report = client.sync_within(Arc::new(recorder.clone()), &work).await.unwrap();
    let log = recorder.log();
    assert_eq!(&log[..3], ["push", "pull", "source"], "{log:?}");
    assert_eq!(&log[3..4], ["push"], "{log:?}");
    assert_eq!((report.end, report.unfinished), (BackgroundEnd::NewData, false));
    assert_eq!((report.sent, report.sources[0].imported.new), (3, 1));
    assert_eq!(client.status().unwrap().waiting, 0);
    let again = client.sync_within(Arc::new(recorder), &BackgroundWork::default()).await.unwrap();
    assert_eq!((again.end, again.received, again.sent), (BackgroundEnd::NoData, 0, 0));
}

/// Shows that what another device wrote makes it new data, once.
#[tokio::test]
async fn what_others_wrote_is_new_data() {
    let (_one, writer) = client();
    let (_other, reader) = client();
    let recorder = Recorder::default();
    writer.create(&note("n"), fields()).unwrap();
    writer.sync_within(Arc::new(recorder.clone()), &work()).await.unwrap();
    for (end, received) in [(BackgroundEnd::NewData, 1), (BackgroundEnd::NoData, 0)] {
        let report = reader.sync_within(Arc::new(recorder.clone()), &work()).await.unwrap();
        assert_eq!((report.end, report.received), (end, received));
    }
}

/// Shows each reason not to begin, or to end without having done anything; nothing is lost by any.
#[tokio::test]
async fn a_window_says_why_it_could_do_nothing() {
    let (_directory, client) = client();
    client.create(&note("n"), fields()).unwrap();
    let recorder = Recorder::default();
    let run = async |work: BackgroundWork| {
        let report = client.sync_within(Arc::new(recorder.clone()), &work).await.unwrap();
        assert_eq!((report.sent, report.unfinished), (0, true));
        failed(report.end)
    };
    let mut offline = BackgroundWork { requires_network: true, ..work() };
    offline.conditions.online = Some(false);
    assert_eq!(run(offline).await, BackgroundFailure::NoNetwork);
    client.set_network_online(false).unwrap();
    let told = BackgroundWork { requires_network: true, ..work() };
    assert_eq!(run(told).await, BackgroundFailure::NoNetwork);
    client.set_network_online(true).unwrap();
    let mut unplugged = BackgroundWork { requires_power: true, ..work() };
    unplugged.conditions.on_power = Some(false);
    assert_eq!(run(unplugged).await, BackgroundFailure::NoPower);
    let stalled = |why: BackgroundFailure| match why {
        BackgroundFailure::Stalled(stalled) => stalled.why,
        other => panic!("{other:?}"),
    };
    client.pause_sync(None).unwrap();
    assert_eq!(stalled(run(work()).await), Pause::UserPaused);
    client.resume_sync().unwrap();
    client.set_network_policy(NetworkPolicy::UnmeteredOnly).unwrap();
    let conditions = Conditions { metered: Some(true), ..Conditions::default() };
    assert_eq!(stalled(run(BackgroundWork { conditions, ..work() }).await), Pause::Metered);
    client.set_network_policy(NetworkPolicy::Any).unwrap();
    let no_time = BackgroundWork { time: Duration::ZERO, ..work() };
    assert_eq!(run(no_time).await, BackgroundFailure::OutOfTime);
    assert_eq!(recorder.log(), Vec::<&str>::new(), "nothing was sent by any of them");
    recorder.busy.store(true, Ordering::SeqCst);
    assert_eq!(stalled(run(work()).await), Pause::Backoff);
    assert_eq!(client.status().unwrap().waiting, 1);
}

/// Shows promise L5 for windows: one that is dropped at any request, whether its answer was lost or
/// not, loses nothing, and the next one ends with everything there exactly once.
#[tokio::test]
async fn a_window_may_end_at_any_point() {
    for at in 1..=6 {
        let (_directory, client) = client();
        let recorder = Recorder::default();
        recorder.silent_at.store(at, Ordering::SeqCst);
        for number in 0..3 {
            client.create(&note(&format!("{number}")), fields()).unwrap();
        }
        let mut work = work();
        work.sources.push(Arc::new(source(&recorder, Some("weight"))));
        tokio::select! {
            biased;
            () = recorder.silent.notified() => {}
            ended = client.sync_within(Arc::new(recorder.clone()), &work) => drop(ended.unwrap()),
        }
        recorder.silent_at.store(0, Ordering::SeqCst);
        work.sources.clear();
        let report = client.sync_within(Arc::new(recorder.clone()), &work).await.unwrap();
        assert!(!report.unfinished, "at {at}");
        for number in 0..3 {
            let note = client.get(&note(&format!("{number}"))).unwrap().unwrap();
            assert_eq!((note.version.0, note.pending), (1, false), "once, at {at}");
        }
        assert_eq!(client.status().unwrap().waiting, 0);
    }
}

/// Shows that a source that fails is named and in nobody's way, and that one which does not end is
/// ended with the window; what it wrote before is kept.
#[tokio::test]
async fn a_source_that_fails_is_in_nobodys_way() {
    let (_directory, client) = client();
    let recorder = Recorder::default();
    let mut work = work();
    work.sources.push(Arc::new(Source { fails: true, ..source(&recorder, None) }));
    work.sources.push(Arc::new(source(&recorder, Some("second"))));
    let report = client.sync_within(Arc::new(recorder.clone()), &work).await.unwrap();
    assert_eq!((report.end, report.unfinished), (BackgroundEnd::NewData, true));
    assert!(report.sources[0].stopped.as_ref().unwrap().contains("another account"));
    assert_eq!(report.sources[1].stopped, None);

    work.sources = vec![Arc::new(Source { hangs: true, ..source(&recorder, Some("third")) })];
    work.time = Duration::from_millis(400);
    let report = client.sync_within(Arc::new(recorder.clone()), &work).await.unwrap();
    assert!(report.unfinished && report.sources[0].stopped.is_some());
    assert!(client.get(&note("third")).unwrap().is_some());
}

/// Shows that a window joins a driver that is there already, of this client or of another process,
/// and takes over when that one ends.
#[tokio::test]
async fn a_window_joins_a_driver_that_is_there() {
    let (directory, client) = client();
    let other = Client::open(ClientOptions::new(directory.path().join("store.db"))).unwrap();
    let recorder = Recorder::default();
    for drainer in [&client, &other] {
        let (stop, stopped) = oneshot::channel::<()>();
        let (begun, begins) = oneshot::channel::<()>();
        let run = drainer.run(Arc::new(recorder.clone()), async {
            drop(begun);
            drop(stopped.await);
        });
        let window = async {
            drop(begins.await);
            let mut work = work();
            let before = recorder.count("source");
            work.sources.push(Arc::new(source(&recorder, None)));
            let report = client.sync_within(Arc::new(recorder.clone()), &work).await.unwrap();
            assert_eq!(report.end, BackgroundEnd::NoData);
            assert_eq!(recorder.count("source"), before + 1);
            // What is asked for while the driver ends is done all the same.
            drop(stop);
            client.sync_within(Arc::new(recorder.clone()), &work).await.unwrap()
        };
        let (ran, report) = tokio::join!(run, window);
        ran.unwrap();
        assert_eq!((report.end, report.unfinished), (BackgroundEnd::NoData, false));
    }
}

/// Shows that bytes which are no hint are no data: no request, no change, no error.
#[tokio::test]
async fn what_is_no_hint_is_no_data() {
    let (_directory, client) = client();
    let recorder = Recorder::default();
    let before = client.counters().unwrap();
    let deep = format!("{{\"sync\":{{\"type\":\"full\"}},\"x\":{}", "[".repeat(30_000));
    let huge = vec![b'{'; 5_000_000];
    let payloads: [&[u8]; 8] = [
        b"",
        b"null",
        b"{\"sync\":{\"type\":\"wipe\"}}",
        b"{\"sync\":{\"type\":\"full\"",
        b"{\"sync\":{\"type\":\"full\xff\"}}",
        b"{\"sync\":{\"type\":\"partial\",\"entities\":[\"../x\"]}}",
        deep.as_bytes(),
        &huge,
    ];
    for payload in payloads {
        let end = client.handle_push(Arc::new(recorder.clone()), payload, LONG).await;
        assert_eq!(end, BackgroundEnd::NoData);
    }
    assert_eq!(recorder.log(), Vec::<&str>::new());
    assert_eq!(client.counters().unwrap(), before);
    assert!(client.status().unwrap().idle || client.status().unwrap().last_pull.is_none());
}

/// Shows the three results of a push, of each kind.
#[tokio::test]
async fn a_push_ends_in_new_data_no_data_or_failed() {
    for kind in ["full", "urgent", "partial"] {
        let (_one, writer) = client();
        let (_other, reader) = client();
        let recorder = Recorder::default();
        let named = if kind == "partial" { ",\"entities\":[\"Note\"]" } else { "" };
        let payload = format!("{{\"sync\":{{\"type\":\"{kind}\"{named}}},\"aps\":{{}}}}");
        let push = async || {
            let transport = Arc::new(recorder.clone());
            reader.handle_push(transport, payload.as_bytes(), LONG).await
        };
        push().await;
        assert_eq!(push().await, BackgroundEnd::NoData, "{kind}");
        writer.create(&note("n"), fields()).unwrap();
        writer.sync_within(Arc::new(recorder.clone()), &work()).await.unwrap();
        assert_eq!(push().await, BackgroundEnd::NewData, "{kind}");
        assert!(reader.get(&note("n")).unwrap().is_some());
        reader.pause_sync(None).unwrap();
        assert!(matches!(failed(push().await), BackgroundFailure::Stalled(_)), "{kind}");
    }
}

/// Shows that only an urgent push cuts a waiting backoff short.
#[tokio::test]
async fn an_urgent_push_jumps_the_backoff() {
    let (_directory, client) = client();
    let recorder = Recorder::default();
    recorder.busy.store(true, Ordering::SeqCst);
    failed(client.sync_within(Arc::new(recorder.clone()), &work()).await.unwrap().end);
    recorder.busy.store(false, Ordering::SeqCst);
    let asked = recorder.log().len();
    let push =
        async |payload: &[u8]| client.handle_push(Arc::new(recorder.clone()), payload, LONG).await;
    failed(push(b"{\"sync\":{\"type\":\"full\"}}").await);
    assert_eq!(recorder.log().len(), asked, "it waits as the server asked");
    push(b"{\"sync\":{\"type\":\"urgent\"}}").await;
    assert!(recorder.log().len() > asked);
    assert_eq!(client.status().unwrap().stalled, None);
}

/// Shows that many pushes at once collapse: what is new is read while it is read and once more.
#[tokio::test]
async fn pushes_at_once_collapse() {
    let (_directory, client) = client();
    let recorder = Recorder::default();
    let push: &[u8] = b"{\"sync\":{\"type\":\"full\"}}";
    // The first pull does not come back before all the pushes are there.
    recorder.silent_at.store(1, Ordering::SeqCst);
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..20 {
        let (client, recorder) = (client.clone(), recorder.clone());
        tasks.spawn(async move { client.handle_push(Arc::new(recorder), push, LONG).await });
    }
    recorder.silent.notified().await;
    recorder.answer.notify_one();
    while let Some(end) = tasks.join_next().await {
        assert_eq!(end.unwrap(), BackgroundEnd::NoData);
    }
    let pulls = recorder.count("pull");
    assert!((1..=3).contains(&pulls), "{pulls}");
}

/// Shows that the desktop makes windows by itself, says what it promises, plans the next one with
/// jitter, and that all of it is still known after a restart, until it is cancelled.
#[tokio::test]
async fn the_desktop_keeps_a_plan() {
    let (directory, client) = client();
    let recorder = Recorder::default();
    assert_eq!(client.background_plan().unwrap(), None);
    let request = BackgroundRequest { work: work(), ..BackgroundRequest::default() };
    let mut changes = client.watch();
    let windows = DesktopScheduler.run(&client, Arc::new(recorder.clone()), &request);
    let first = async {
        while client.background_plan().unwrap().is_none_or(|plan| plan.last_run.is_none()) {
            // The plan itself is no news: it is looked for after each.
            let _ = tokio::time::timeout(Duration::from_millis(20), changes.recv()).await;
        }
    };
    tokio::select! {
        ended = windows => panic!("it ended: {ended:?}"),
        () = first => {}
    }
    let plan = client.background_plan().unwrap().unwrap();
    let last = plan.last_run.clone().unwrap();
    assert_eq!((last.end, last.unfinished), (BackgroundEnd::NoData, false));
    assert_eq!((plan.promise.asked_ms, plan.promise.promised_ms), (900_000, Some(900_000)));
    let wait_ms = plan.next_run_at.since_ms(last.at);
    assert!((810_000..=901_000).contains(&wait_ms), "{wait_ms}");
    assert_eq!(recorder.count("pull"), 1, "what is not due is not done");
    drop(client);
    let client = Client::open(ClientOptions::new(directory.path().join("store.db"))).unwrap();
    assert_eq!(client.background_plan().unwrap(), Some(plan.clone()));
    DesktopScheduler.schedule(&client, &request).unwrap();
    let again = client.background_plan().unwrap().unwrap();
    assert_eq!(again.next_run_at, plan.next_run_at, "what is due stays due");
    DesktopScheduler.cancel(&client).unwrap();
    assert_eq!(client.background_plan().unwrap(), None);
}

/// Shows that a person's own sync goes over a metered network to its end, that it says so, and that
/// the device waits for another network afterwards.
#[tokio::test]
async fn a_sync_by_hand_goes_over_a_metered_network() {
    let (_directory, client) = client();
    client.set_network_policy(NetworkPolicy::UnmeteredOnly).unwrap();
    client.set_network_metered(true).unwrap();
    client.create(&note("n"), fields()).unwrap();
    let report = client.sync(Arc::new(Recorder::default()), LONG, |_| {}).await.unwrap();
    assert_eq!((report.end, report.status.waiting), (SyncEnd::Done, 0));
    let stalled = client.status().unwrap().stalled;
    assert_eq!(stalled.map(|stalled| stalled.why), Some(Pause::Metered));
}
