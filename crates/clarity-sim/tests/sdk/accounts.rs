//! Accounts, devices, tokens and hints, over real sockets.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use clarity_client::engine::Pause;
use clarity_client::engine::protocol::{Answer, DeviceList, classify, path};
use clarity_client::{
    ClientError, ErrorKind, Failure, HttpTransport, Refreshed, Request, Response, SyncEnd,
    Transport, TransportFuture,
};
use serde_json::json;
use tokio::sync::oneshot;

use super::{Device, Hub, PASSWORD, note};

const DAY_MS: i64 = 24 * 3_600_000;

/// Shows that what one device writes before anybody signed in reaches another device of the account
/// after both have signed in.
#[tokio::test]
async fn two_devices_of_an_account_share_their_data() {
    let hub = Hub::start();
    let first = Device::new(&hub.address);
    first.create(&note("early"), json!({"title": "before the account"}));
    let incarnation = first.client.meta().unwrap().incarnation;
    let tokens = first.transport.sign_up("anna", PASSWORD, "phone", incarnation).await.unwrap();
    first.take("anna", tokens);
    first.sync_all().await;
    let second = hub.sign_in("anna").await;
    second.sync_all().await;
    assert_eq!(second.field(&note("early"), "title"), Some(json!("before the account")));
    second.update(&note("early"), json!({"title": "changed"}));
    second.sync_all().await;
    first.sync_all().await;
    assert_eq!(first.field(&note("early"), "title"), Some(json!("changed")));
}

/// Shows promise I11 from outside: another account sees nothing of it.
#[tokio::test]
async fn accounts_do_not_see_each_other() {
    let hub = Hub::start();
    let (anna, bert) = (hub.sign_up("anna").await, hub.sign_up("bert").await);
    anna.create(&note("n"), json!({"title": "private"}));
    anna.sync_all().await;
    bert.sync_all().await;
    assert_eq!(bert.client.counts().unwrap().len(), 0);
}

/// Shows that a wrong password is told apart from everything else, and changes nothing.
#[tokio::test]
async fn a_wrong_password_changes_nothing() {
    let hub = Hub::start();
    let device = hub.sign_up("anna").await;
    device.create(&note("n"), json!({}));
    let incarnation = device.client.meta().unwrap().incarnation;
    for (name, password) in [("anna", "a wrong password"), ("nobody", PASSWORD)] {
        let refused = device.transport.sign_in(name, password, "phone", incarnation).await;
        let error = refused.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::WrongCredentials);
        assert!(!format!("{error} {error:?}").contains(password));
    }
    device.sync_all().await;
}

/// Shows that a store signed in to one account cannot be signed in to another.
#[tokio::test]
async fn a_store_stays_with_its_account() {
    let hub = Hub::start();
    let (anna, bert) = (hub.sign_up("anna").await, hub.sign_up("bert").await);
    let incarnation = anna.client.meta().unwrap().incarnation;
    let tokens = bert.transport.sign_in("bert", PASSWORD, "phone", incarnation).await.unwrap();
    let refused = anna.client.signed_in(&hub.address, "bert", tokens);
    assert!(matches!(refused, Err(ClientError::OtherAccount)));
    anna.sync_all().await;
}

/// Shows that an expired access token is renewed without anybody noticing, and that the new refresh
/// token is kept.
#[tokio::test]
async fn an_expired_token_is_renewed_by_itself() {
    let hub = Hub::start();
    let device = hub.sign_up("anna").await;
    let before = device.client.credentials().unwrap().unwrap();
    hub.clock.ahead_ms.store(3_600_000, Ordering::SeqCst);
    device.create(&note("n"), json!({}));
    device.sync_all().await;
    let after = device.client.credentials().unwrap().unwrap();
    assert_ne!(after.access_token, before.access_token);
    assert_ne!(after.refresh_token, before.refresh_token);
    hub.clock.ahead_ms.store(7_200_000, Ordering::SeqCst);
    device.sync_all().await;
}

/// Shows that a device which was revoked elsewhere is told so, sends nothing more, keeps its data,
/// and continues after a sign-in.
#[tokio::test]
async fn a_revoked_device_keeps_its_data() {
    let hub = Hub::start();
    let (owner, lost) = (hub.sign_up("anna").await, hub.sign_in("anna").await);
    lost.sync_all().await;
    let token = owner.client.credentials().unwrap().unwrap().access_token.unwrap();
    let list: DeviceList = owner.transport.get(path::DEVICES, &token).await.unwrap();
    let other = list.devices.iter().find(|device| !device.current).unwrap();
    let address = format!("{}/{}", path::DEVICES, other.id);
    owner.transport.delete(&address, &token).await.unwrap();

    lost.create(&note("n"), json!({"title": "kept"}));
    let report = lost.sync().await;
    let SyncEnd::Stalled(stalled) = report.end else { panic!("{:?}", report.end) };
    assert_eq!((stalled.why, report.status.waiting), (Pause::AccessRemoved, 1));
    assert_eq!(lost.field(&note("n"), "title"), Some(json!("kept")));
    lost.sign_in("anna").await;
    lost.sync_all().await;
    owner.sync_all().await;
    assert_eq!(owner.field(&note("n"), "title"), Some(json!("kept")));
}

/// Shows that a change on one device appears on another that is only listening.
#[tokio::test]
async fn a_change_reaches_a_listening_device() {
    let hub = Hub::start();
    let (writer, listener) = (hub.sign_up("anna").await, hub.sign_in("anna").await);
    let (stop, stopped) = oneshot::channel::<()>();
    let transport = Arc::clone(&listener.transport);
    let run = listener.client.run(transport, async { drop(stopped.await) });
    let write = async {
        listener.watch(|client| client.status().unwrap().last_pull.is_some()).await;
        writer.create(&note("n"), json!({}));
        writer.sync_all().await;
        listener.watch(|client| client.get(&note("n")).unwrap().is_some()).await;
        drop(stop);
    };
    let (ran, ()) = tokio::join!(run, write);
    ran.unwrap();
}

/// Shows that a store nobody signed in with says what it waits for, and works.
#[tokio::test]
async fn a_store_without_an_account_waits_for_a_sign_in() {
    let hub = Hub::start();
    let device = Device::new(&hub.address);
    device.create(&note("n"), json!({}));
    let report = device.sync().await;
    let SyncEnd::Stalled(stalled) = report.end else { panic!("{:?}", report.end) };
    assert_eq!((stalled.why, report.status.waiting), (Pause::AuthRequired, 1));
}

/// Shows that a device which was away for 90 days, longer than its access and its refresh token
/// last, is told to sign in again, loses nothing, and sends everything after that, once.
#[tokio::test]
async fn ninety_days_away_lose_nothing() {
    let hub = Hub::start_with(|config| config.auth.refresh_token_ms = 30 * DAY_MS.unsigned_abs());
    let (away, other) = (hub.sign_up("anna").await, hub.sign_in("anna").await);
    away.sync_all().await;
    for day in 0..90 {
        away.create(&note(&format!("{day}")), json!({"title": "kept"}));
    }
    hub.clock.ahead_ms.store(90 * DAY_MS, Ordering::SeqCst);
    let report = away.sync().await;
    let SyncEnd::Stalled(stalled) = report.end else { panic!("{:?}", report.end) };
    assert_eq!((stalled.why, report.status.waiting), (Pause::AuthRequired, 90));
    away.sign_in("anna").await;
    away.sync_all().await;
    other.sign_in("anna").await;
    other.sync_all().await;
    for day in 0..90 {
        let note = other.client.get(&note(&format!("{day}"))).unwrap().unwrap();
        assert_eq!(note.version.0, 1, "once");
    }
}

/// Shows that a refresh token lasts as long as it is used from time to time.
#[tokio::test]
async fn a_refresh_token_that_is_used_lasts() {
    let hub = Hub::start_with(|config| config.auth.refresh_token_ms = 30 * DAY_MS.unsigned_abs());
    let device = hub.sign_up("anna").await;
    for month in 1..5 {
        hub.clock.ahead_ms.store(month * 25 * DAY_MS, Ordering::SeqCst);
        device.sync_all().await;
    }
}

/// Shows that a sign-in page of a public network which goes away heals by itself: nobody asks, and
/// what waited is sent.
#[tokio::test]
async fn a_captive_portal_heals_by_itself() {
    let hub = Hub::start();
    let device = hub.sign_up("anna").await;
    let portal = Arc::new(Portal { inner: Arc::clone(&device.transport), open: false.into() });
    device.create(&note("n"), json!({}));
    let (stop, stopped) = oneshot::channel::<()>();
    let run = device.client.run(Arc::clone(&portal), async { drop(stopped.await) });
    let pass = async {
        let why = |client: &clarity_client::Client| client.status().unwrap().stalled;
        device.watch(|client| why(client).is_some_and(|s| s.why == Pause::CaptivePortal)).await;
        portal.open.store(true, Ordering::SeqCst);
        device.watch(|client| client.status().unwrap().waiting == 0).await;
        assert_eq!(why(&device.client), None);
        drop(stop);
    };
    let (ran, ()) = tokio::join!(run, pass);
    ran.unwrap();
}

/// A network whose sign-in page answers everything until somebody signs in.
struct Portal {
    inner: Arc<HttpTransport>,
    open: AtomicBool,
}

impl Transport for Portal {
    fn send(
        &self,
        request: Request,
        token: Option<String>,
    ) -> TransportFuture<'_, Result<Response, Failure>> {
        if self.open.load(Ordering::SeqCst) {
            return self.inner.send(request, token);
        }
        let page = Answer {
            status: 200,
            protocol: None,
            content_type: Some("text/html"),
            retry_after_ms: None,
            body: b"<html>Please sign in</html>",
        };
        Box::pin(std::future::ready(Err(classify(page).unwrap_err())))
    }

    fn refresh(&self, token: Option<String>) -> TransportFuture<'_, Refreshed> {
        self.inner.refresh(token)
    }
}
