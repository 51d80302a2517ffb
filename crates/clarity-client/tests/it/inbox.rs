//! What waits for a person, through the SDK.

use std::sync::Arc;
use std::time::Duration;

use clarity_client::engine::protocol::{OperationAnswer, PushResponse, WireOperation};
use clarity_client::model::{EntityKey, Outcome, RejectReason, Rejection, ServerTime};
use clarity_client::{
    Client, ClientError, ClientOptions, Counter, Failure, FailureReason, Fields, HistoryCause,
    Refreshed, Request, Response, Transport, TransportFuture, Write,
};
use serde_json::{Value, json};

use crate::backend::Backend;

const PATIENCE: Duration = Duration::from_secs(60);

/// A backend that refuses every operation with the word "poison" in it.
#[derive(Default)]
pub(crate) struct Picky(Backend);

impl Transport for Picky {
    fn send(
        &self,
        request: Request,
        token: Option<String>,
    ) -> TransportFuture<'_, Result<Response, Failure>> {
        Box::pin(async move {
            let Request::Push(mut push) = request else {
                return self.0.send(request, token).await;
            };
            let (poison, rest): (Vec<_>, Vec<_>) =
                push.operations.into_iter().partition(|bytes| bytes.get().contains("poison"));
            push.operations = rest;
            let answer = self.0.send(Request::Push(push), token).await?;
            let Response::Push(PushResponse { epoch, mut answers, .. }) = answer else {
                panic!("a push is answered by a push")
            };
            for bytes in poison {
                let operation: WireOperation = serde_json::from_str(bytes.get()).unwrap();
                let message = "no poison, please".to_owned();
                answers.push(OperationAnswer {
                    id: operation.id,
                    outcome: Outcome::Rejected,
                    entity_id: None,
                    version: None,
                    entity: None,
                    fields: std::collections::BTreeMap::new(),
                    rejection: Some(Rejection { code: RejectReason::Invalid, message }),
                    blocked_by: None,
                });
            }
            Ok(Response::Push(PushResponse {
                epoch,
                at: ServerTime(0),
                head: None,
                answers,
                contributed: Vec::new(),
            }))
        })
    }

    fn refresh(&self, token: Option<String>) -> TransportFuture<'_, Refreshed> {
        self.0.refresh(token)
    }
}

fn note(id: &str) -> EntityKey {
    EntityKey::new("Note", id).unwrap()
}

fn title(title: &str) -> Fields {
    Fields::from([("title", title.into())])
}

fn change(value: &str) -> std::collections::BTreeMap<String, Option<Value>> {
    [("title".to_owned(), Some(json!(value)))].into_iter().collect()
}

/// A client with notes "good" and "n0" to "n2", whose edits of the latter were refused.
async fn refused() -> (tempfile::TempDir, Client, Arc<Picky>) {
    let directory = tempfile::tempdir().unwrap();
    let client = Client::open(ClientOptions::new(directory.path().join("store.db"))).unwrap();
    let backend = Arc::new(Picky::default());
    for number in 0..3 {
        client.create(&note(&format!("n{number}")), title("a")).unwrap();
    }
    client.sync(Arc::clone(&backend), PATIENCE, |_| {}).await.unwrap();
    for number in 0..3 {
        client.update(&note(&format!("n{number}")), change("poison"), None).unwrap();
    }
    client.create(&note("good"), title("good")).unwrap();
    client.sync(Arc::clone(&backend), PATIENCE, |_| {}).await.unwrap();
    (directory, client, backend)
}

/// Shows that a failed change is shown with its reason and what differs, also after a restart, and
/// that its neighbours went.
#[tokio::test]
async fn a_failed_change_is_shown_with_its_reason_and_difference() {
    let (directory, client, _) = refused().await;
    drop(client);
    let client = Client::open(ClientOptions::new(directory.path().join("store.db"))).unwrap();
    assert_eq!(client.get(&note("good")).unwrap().map(|note| note.pending), Some(false));
    let failed = client.failed(Counter(0), 10).unwrap();
    assert_eq!(failed.len(), 3);
    assert_eq!(
        client.failed_operation(failed[1].change.operation).unwrap().as_ref(),
        failed.get(1)
    );
    let shown = json!(failed[0]);
    assert_eq!(shown["reason"], "invalid");
    assert_eq!(shown["message"], "no poison, please");
    let difference = json!({"field": "title", "base": "a", "local": "poison", "server": "a"});
    assert_eq!(shown["differences"], json!([difference]));
    assert!(!format!("{failed:?}").contains("poison\""), "values are not shown");
}

/// Shows that all with one reason can be exported, retried and given up at once, that others stay,
/// and that each says what became of it.
#[tokio::test]
async fn failed_changes_are_settled_in_bulk() {
    let (_directory, client, backend) = refused().await;
    let mut exported = Vec::new();
    let count = client.each_failed::<ClientError>(Some(FailureReason::Invalid), |failed| {
        exported.push(json!(failed)["differences"][0]["local"].clone());
        Ok(())
    });
    assert_eq!((count.unwrap(), exported), (3, vec![json!("poison"); 3]));
    let none = client.retry_all(Some(FailureReason::TooLarge)).unwrap();
    assert_eq!((none.done, none.left), (0, 0));
    assert_eq!(client.retry_all(None).unwrap().done, 3);
    client.sync(Arc::clone(&backend), PATIENCE, |_| {}).await.unwrap();
    let failed = client.failed(Counter(0), 10).unwrap();
    assert_eq!(failed.len(), 3, "they are refused again");
    let parent = failed[0].change.operation;
    let write = Write::Create { key: note("child"), fields: Fields::new(), parents: vec![parent] };
    client.write(write).unwrap();
    let report = client.discard_all(FailureReason::Invalid).unwrap();
    assert_eq!((report.done, report.left), (2, 1));
    assert_eq!(report.reasons[0].operation, parent);
    assert!(report.reasons[0].message.contains("depend on"));
    client.discard_with_dependents(parent).unwrap();
    assert!(client.failed(Counter(0), 10).unwrap().is_empty());
    let entry = client.history(Some(&note("n0")), None, 10).unwrap().pop().unwrap();
    assert_eq!((entry.cause, entry.obstacle.clone()), (HistoryCause::Discarded, None));
    client.undo(entry.id).unwrap();
    assert_eq!(client.get(&note("n0")).unwrap().unwrap().fields, title("poison"));
    let undone = client.history_entry(entry.id).unwrap().unwrap();
    assert!(undone.obstacle.unwrap().contains("undone already"));
}

/// Shows that a preview says what would be lost and changes nothing.
#[tokio::test]
async fn a_preview_changes_nothing() {
    let (_directory, client, _) = refused().await;
    let operation = client.failed(Counter(0), 1).unwrap()[0].change.operation;
    let newest = client.newest_operation().unwrap();
    let preview = client.preview(Write::Discard { operation }).unwrap();
    assert_eq!(preview.ends[0].operation, operation);
    let entity = json!(preview.entities[0]);
    assert_eq!(entity["id"], "n0");
    let field = json!({"field": "title", "before": "poison", "after": "a"});
    assert_eq!(entity["fields"], json!([field]));
    assert_eq!(client.status().unwrap().failed, 3);
    assert_eq!(client.newest_operation().unwrap(), newest);
    assert_eq!(client.get(&note("n0")).unwrap().unwrap().fields, title("poison"));
}
