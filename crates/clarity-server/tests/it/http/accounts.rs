//! Accounts, devices and tokens over HTTP.

use clarity_protocol::{DeviceList, FailureClass, ProblemCode, RefreshRequest, Tokens};

use super::{Answered, Live, PASSWORD};

async fn refresh(live: &Live, token: &str) -> Answered {
    live.post("/v1/refresh", "", &RefreshRequest { refresh_token: token.into() }).await
}

async fn works(live: &Live, tokens: &Tokens) -> bool {
    live.get("/v1/devices", &tokens.access_token).await.status == 200
}

/// Shows that the first account may always be made, and others only when sign-up is open.
#[tokio::test]
async fn sign_up_is_closed_after_the_first() {
    let live = Live::start_with(|config| config.auth.open_sign_up = false);
    live.core.ensure_account("an account that nobody signs in to").unwrap();
    let tokens: Tokens = live.sign_up("Someone@Example.org ", 1).await.json();
    assert!(works(&live, &tokens).await);
    let refused = live.sign_up("another", 2).await;
    assert_eq!(refused.problem(), (403, ProblemCode::SignUpClosed));
    let again: Tokens = live.login("someone@example.org", PASSWORD, 2).await.json();
    assert_eq!(again.account_id, tokens.account_id);
    assert_ne!(again.device_id, tokens.device_id);
}

/// Shows that names are taken whatever their case, and that short passwords and empty names are
/// refused.
#[tokio::test]
async fn sign_up_is_checked() {
    let live = Live::start();
    live.sign_up("someone", 1).await.json::<Tokens>();
    assert_eq!(live.sign_up("SomeOne", 2).await.problem(), (409, ProblemCode::NameTaken));
    assert_eq!(live.sign_up("  ", 2).await.problem(), (400, ProblemCode::BadRequest));
    let short = serde_json::json!({
        "name": "other", "password": "123456789", "device_name": "", "incarnation": "0".repeat(32),
    });
    let refused = live.post("/v1/accounts", "", &short).await;
    assert_eq!(refused.problem(), (400, ProblemCode::BadRequest));
    assert!(!String::from_utf8_lossy(&refused.body).contains("123456789"));
}

/// Shows that wrong names, wrong passwords and accounts without a password look the same.
#[tokio::test]
async fn wrong_credentials() {
    let live = Live::start();
    live.sign_up("someone", 1).await.json::<Tokens>();
    live.core.ensure_account("embedded").unwrap();
    let mut bodies = Vec::new();
    for (name, password) in
        [("someone", "wrong password"), ("nobody", PASSWORD), ("embedded", PASSWORD), ("", "")]
    {
        let refused = live.login(name, password, 2).await;
        assert_eq!(refused.problem(), (401, ProblemCode::WrongCredentials));
        bodies.push(refused.body);
    }
    bodies.dedup();
    assert_eq!(bodies.len(), 1);
}

/// Shows that guessing is slowed down for one account, by the server's own clock, and not for
/// others; and that waiting helps.
#[tokio::test]
async fn guessing_is_slow() {
    let live = Live::start();
    live.sign_up("someone", 1).await.json::<Tokens>();
    for _ in 0..10 {
        live.login("someone", "wrong password", 2).await;
    }
    let refused = live.login("someone", PASSWORD, 2).await;
    assert_eq!(refused.problem(), (429, ProblemCode::TooManyRequests));
    let wait_s: i64 = refused.header("retry-after").unwrap().parse().unwrap();
    assert!((1..=30).contains(&wait_s));
    assert_eq!(live.login("nobody", PASSWORD, 2).await.status, 401);
    live.environment.advance_ms(wait_s * 1_000);
    live.login("someone", PASSWORD, 2).await.json::<Tokens>();
}

/// Shows that an access token ends when it said it would, and that a refreshed one works.
#[tokio::test]
async fn access_tokens_expire() {
    let live = Live::start_with(|config| config.auth.access_token_ms = 60_000);
    let tokens: Tokens = live.sign_up("someone", 1).await.json();
    assert_eq!(tokens.access_expires_in_ms, 60_000);
    assert!(works(&live, &tokens).await);
    live.environment.advance_ms(60_000);
    let expired = live.get("/v1/devices", &tokens.access_token).await;
    assert_eq!(expired.problem(), (401, ProblemCode::TokenExpired));
    assert_eq!(expired.header("www-authenticate"), Some("Bearer"));
    for unknown in ["", "nonsense", &"0".repeat(64)] {
        let refused = live.get("/v1/devices", unknown).await;
        assert_eq!(refused.problem(), (401, ProblemCode::TokenExpired));
    }
    let fresh: Tokens = refresh(&live, &tokens.refresh_token).await.json();
    assert!(works(&live, &fresh).await);
}

/// Shows that a lost refresh answer signs nobody out: asking again gives the same successor, until
/// that is used.
#[tokio::test]
async fn a_lost_refresh_answer() {
    let live = Live::start();
    let first: Tokens = live.sign_up("someone", 1).await.json();
    let lost: Tokens = refresh(&live, &first.refresh_token).await.json();
    let second: Tokens = refresh(&live, &first.refresh_token).await.json();
    assert_eq!(lost.refresh_token, second.refresh_token);
    assert_ne!(first.refresh_token, second.refresh_token);
    let third: Tokens = refresh(&live, &second.refresh_token).await.json();
    let again: Tokens = refresh(&live, &second.refresh_token).await.json();
    assert_eq!(third.refresh_token, again.refresh_token);
    assert!(works(&live, &again).await);
}

/// Shows that a token whose successor was used ends the whole session, for thief and owner, and
/// that the device stays and can sign in again.
#[tokio::test]
async fn a_used_up_refresh_token() {
    let live = Live::start();
    let first: Tokens = live.sign_up("someone", 1).await.json();
    let second: Tokens = refresh(&live, &first.refresh_token).await.json();
    let third: Tokens = refresh(&live, &second.refresh_token).await.json();
    for token in [&first.refresh_token, &second.refresh_token, &third.refresh_token] {
        let refused = refresh(&live, token).await;
        assert_eq!(refused.problem(), (401, ProblemCode::SignInAgain));
    }
    let again: Tokens = live.login("someone", PASSWORD, 1).await.json();
    assert_eq!(again.device_id, first.device_id);
    refresh(&live, &again.refresh_token).await.json::<Tokens>();
    for garbage in ["", "x.y", &format!("{}.{}", "0".repeat(32), "0".repeat(64))] {
        assert_eq!(refresh(&live, garbage).await.problem().1, ProblemCode::SignInAgain);
    }
}

/// Shows that signing in again from the same store ends its older session.
#[tokio::test]
async fn signing_in_again_ends_the_older_session() {
    let live = Live::start();
    let first: Tokens = live.sign_up("someone", 1).await.json();
    live.login("someone", PASSWORD, 1).await.json::<Tokens>();
    let refused = refresh(&live, &first.refresh_token).await;
    assert_eq!(refused.problem(), (401, ProblemCode::SignInAgain));
}

/// Shows that a revoked device is out at once, is told so, is listed as revoked, and comes back
/// only with the password, as the same device.
#[tokio::test]
async fn a_revoked_device() {
    let live = Live::start();
    let (first, second) = live.two_devices().await;
    let path = format!("/v1/devices/{}", second.device_id);
    let request = live.request("DELETE", &path).bearer_auth(&first.access_token);
    let list: DeviceList = live.send(request).await.json();
    let listed: Vec<_> = list
        .devices
        .iter()
        .map(|device| (device.name.as_str(), device.current, device.revoked))
        .collect();
    assert_eq!(listed, [("device 1", true, false), ("device 2", false, true)]);
    let refused = live.get("/v1/devices", &second.access_token).await;
    assert_eq!(refused.problem(), (403, ProblemCode::AccessRemoved));
    let refused = refresh(&live, &second.refresh_token).await;
    assert_eq!(refused.problem(), (403, ProblemCode::AccessRemoved));
    let failure = clarity_protocol::classify(clarity_protocol::Answer {
        status: refused.status,
        protocol: refused.header("clarity-protocol"),
        content_type: refused.header("content-type"),
        retry_after_ms: None,
        body: &refused.body,
    });
    assert_eq!(failure.unwrap_err().class, FailureClass::AccessRemoved);
    let again: Tokens = live.login("someone", PASSWORD, 2).await.json();
    assert_eq!(again.device_id, second.device_id);
    assert!(works(&live, &again).await);
}

/// Shows that nobody can see or revoke the devices of another account.
#[tokio::test]
async fn devices_of_another_account() {
    let live = Live::start();
    let first: Tokens = live.sign_up("someone", 1).await.json();
    let other: Tokens = live.sign_up("another", 1).await.json();
    assert_ne!(first.device_id, other.device_id);
    let path = format!("/v1/devices/{}", other.device_id);
    let request = live.request("DELETE", &path).bearer_auth(&first.access_token);
    assert_eq!(live.send(request).await.problem(), (404, ProblemCode::NotFound));
    assert!(works(&live, &other).await);
    let list: DeviceList = live.get("/v1/devices", &other.access_token).await.json();
    assert_eq!(list.devices.len(), 1);
}

/// Shows that the database holds no password and no token, only hashes.
#[tokio::test]
async fn nothing_secret_is_stored() {
    let live = Live::start();
    let tokens: Tokens = live.sign_up("someone", 1).await.json();
    let left = live.stop().await;
    let file = left.path().join("data").join(clarity_server::DATABASE_FILE);
    let bytes = std::fs::read(file).unwrap();
    let secret = tokens.refresh_token.split_once('.').unwrap().1;
    let unhex = |text: &str| -> Vec<u8> {
        let pairs = text.as_bytes().chunks(2).map(|pair| std::str::from_utf8(pair).unwrap());
        pairs.map(|pair| u8::from_str_radix(pair, 16).unwrap()).collect()
    };
    for text in [PASSWORD, secret, &tokens.access_token] {
        assert!(!bytes.windows(text.len()).any(|window| window == text.as_bytes()));
    }
    for secret in [unhex(secret), unhex(&tokens.access_token)] {
        assert!(!bytes.windows(secret.len()).any(|window| window == secret));
    }
}
