//! A handle of one operation: to look at, to await, to follow.

use std::sync::Arc;
use std::time::Duration;

use clarity_client::engine::WriteError;
use clarity_client::model::EntityKey;
use clarity_client::{
    Client, ClientError, ClientOptions, Counter, FailureReason, Fields, OperationOutcome,
    OperationStatus,
};
use tokio::sync::{Notify, mpsc, oneshot};

use crate::backend::Backend;
use crate::inbox::Picky;
use crate::sync::Held;

const PATIENCE: Duration = Duration::from_secs(60);

fn note(id: &str) -> EntityKey {
    EntityKey::new("Note", id).unwrap()
}

fn title(title: &str) -> Fields {
    Fields::from([("title", title.into())])
}

fn open(directory: &tempfile::TempDir) -> Client {
    Client::open(ClientOptions::new(directory.path().join("store.db"))).unwrap()
}

/// Shows that the states of an operation can be followed from its queue to its end.
#[tokio::test]
async fn the_states_of_an_operation_can_be_followed() {
    let directory = tempfile::tempdir().unwrap();
    let client = open(&directory);
    let operation = client.create(&note("n"), title("a")).unwrap().operations[0];
    let (arrived, mut arrivals) = mpsc::unbounded_channel();
    let backend = Backend::default();
    let held = Arc::new(Held { backend, arrived, release: Notify::new() });
    let sync = client.sync(Arc::clone(&held), PATIENCE, |_| {});
    let follow = async {
        let mut states = client.operation(operation).states();
        let pending = states.next().await.unwrap().unwrap();
        assert_eq!(pending, Some(OperationStatus::Pending));
        arrivals.recv().await.unwrap();
        let on_its_way = states.next().await.unwrap().unwrap();
        assert_eq!(on_its_way, Some(OperationStatus::InProgress));
        held.release.notify_one();
        let ended = states.next().await.unwrap().unwrap();
        assert_eq!(ended, Some(OperationStatus::Completed));
    };
    // Following begins before anything is sent.
    let ((), report) = tokio::join!(biased; follow, sync);
    report.unwrap();
}

/// Shows that an outcome can be awaited across a restart and for an operation that another process
/// sends, and what each outcome is called.
#[tokio::test]
async fn an_outcome_is_awaited_across_restarts_and_processes() {
    let directory = tempfile::tempdir().unwrap();
    let client = open(&directory);
    let operation = client.create(&note("n"), title("a")).unwrap().operations[0];
    drop(client);
    let (waiter, sender) = (open(&directory), open(&directory));
    assert_eq!(waiter.operation(operation).outcome_now().unwrap(), None);
    let handle = waiter.operation(operation);
    let outcome = handle.outcome();
    let sync = sender.sync(Arc::new(Backend::default()), PATIENCE, |_| {});
    let (outcome, report) = tokio::join!(outcome, sync);
    report.unwrap();
    assert_eq!(outcome.unwrap(), OperationOutcome::Applied);
    let never = waiter.operation(Counter(99));
    assert_eq!(never.state().unwrap(), None);
    let never = never.outcome().await;
    assert!(matches!(never, Err(ClientError::Write(WriteError::NoSuchOperation(Counter(99))))));
}

/// Shows that who awaits an operation hears that it failed, which is not its end: after an edit and
/// retry it was replaced, and the one that replaced it is applied.
#[tokio::test]
async fn a_failure_is_an_outcome_and_not_the_end() {
    let directory = tempfile::tempdir().unwrap();
    let client = open(&directory);
    let backend = Arc::new(Picky::default());
    let operation = client.create(&note("n"), title("poison")).unwrap().operations[0];
    let (stop, stopped) = oneshot::channel::<()>();
    let run = client.run(backend, async { drop(stopped.await) });
    let person = async {
        let failed = client.operation(operation).outcome().await.unwrap();
        let OperationOutcome::Failed { reason, message } = failed else { panic!("{failed:?}") };
        assert_eq!((reason, message.as_str()), (FailureReason::Invalid, "no poison, please"));
        let changes = [("title".to_owned(), Some("cure".into()))].into_iter().collect();
        let renewed = client.edit_and_retry(operation, changes).unwrap().operations[0];
        let replaced = client.operation(operation).outcome().await.unwrap();
        assert_eq!(replaced, OperationOutcome::Resolved { by: Some(renewed) });
        let applied = client.operation(renewed).outcome().await.unwrap();
        assert_eq!(applied, OperationOutcome::Applied);
        drop(stop);
    };
    let (ran, ()) = tokio::join!(run, person);
    ran.unwrap();
}

/// Shows the whole of an optimistic update: shown at once, taken back while on its way, and gone at
/// the server as well once its answer was there.
#[tokio::test]
async fn an_optimistic_update_is_taken_back_on_its_way() {
    let directory = tempfile::tempdir().unwrap();
    let client = open(&directory);
    let backend = Backend::default();
    client.create(&note("n"), title("a")).unwrap();
    client.sync(Arc::new(backend.clone()), PATIENCE, |_| {}).await.unwrap();
    let changes = [("title".to_owned(), Some("b".into()))].into_iter().collect();
    let update = client.update(&note("n"), changes, None).unwrap().operations[0];
    let (arrived, mut arrivals) = mpsc::unbounded_channel();
    let release = Notify::new();
    let held = Arc::new(Held { backend: backend.clone(), arrived, release });
    let sync = client.sync(Arc::clone(&held), PATIENCE, |_| {});
    let person = async {
        arrivals.recv().await.unwrap();
        let inverse = client.rollback(update).unwrap().operations[0];
        assert_eq!(client.get(&note("n")).unwrap().unwrap().fields, title("a"));
        held.release.notify_one();
        assert_eq!(client.operation(update).outcome().await.unwrap(), OperationOutcome::Applied);
        arrivals.recv().await.unwrap();
        held.release.notify_one();
        assert_eq!(client.operation(inverse).outcome().await.unwrap(), OperationOutcome::Applied);
    };
    let (report, ()) = tokio::join!(sync, person);
    report.unwrap();
    let other = tempfile::tempdir().unwrap();
    let other = open(&other);
    other.sync(Arc::new(backend), PATIENCE, |_| {}).await.unwrap();
    let note = other.get(&note("n")).unwrap().unwrap();
    assert_eq!((note.fields, note.version.0), (title("a"), 3));
}
