//! One operation that can never succeed among many, over real sockets.

use clarity_client::{Counter, FailureReason, Fields, Write};
use serde_json::json;

use super::{Hub, note};

/// Shows promise L4 as a person sees it: of 10,000 changes one is too large for the server once it
/// has met another device's; the other 9,999 arrive, it waits in the inbox with its reason, and an
/// edit and retry sends it.
#[tokio::test]
async fn one_poison_operation_among_ten_thousand() {
    let hub = Hub::start();
    let first = hub.sign_up("anna").await;
    let second = hub.sign_in("anna").await;
    let shared = note("shared");
    first.create(&shared, json!({"title": "shared"}));
    first.sync_all().await;
    second.sync_all().await;
    // Each alone is within the limit of an entity; both together are not.
    first.update(&shared, json!({"text": "a".repeat(150_000)}));
    first.sync_all().await;
    let large = json!({"x_large": "b".repeat(150_000)});
    let writes = (0..10_000).map(|number| {
        if number == 5_000 {
            let changes = serde_json::from_value(large.clone()).unwrap();
            return Write::Update { key: shared.clone(), changes, seen: None };
        }
        let fields = Fields::from([("title", format!("note {number}").into())]);
        Write::Create { key: note(&format!("n{number}")), fields, parents: Vec::new() }
    });
    second.client.enqueue_batch(writes, |_| {}).unwrap();
    let report = second.sync().await;
    assert_eq!((report.status.failed, report.status.waiting), (1, 0));
    first.sync_all().await;
    let notes = first.client.counts().unwrap().into_values().sum::<u64>();
    assert_eq!(notes, 10_000, "9,999 new ones and the shared one");
    let failed = second.client.failed(Counter(0), 10).unwrap().remove(0);
    assert_eq!((&failed.change.key, failed.reason), (&shared, FailureReason::TooLarge));
    let changes = [("x_large".to_owned(), Some(json!("small")))].into_iter().collect();
    second.client.edit_and_retry(failed.change.operation, changes).unwrap();
    second.sync_all().await;
    assert_eq!(second.client.status().unwrap().failed, 0);
    first.sync_all().await;
    assert_eq!(first.field(&shared, "x_large"), Some(json!("small")));
    hub.stop().await;
}
