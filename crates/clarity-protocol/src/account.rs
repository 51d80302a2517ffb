//! Accounts, devices and tokens.

use std::fmt;

use clarity_model::{Incarnation, ServerTime};
use serde::{Deserialize, Serialize};

/// Makes an account and signs this device in.
#[derive(Clone, Serialize, Deserialize)]
pub struct SignUpRequest {
    /// The name to sign in with, such as an e-mail address.
    pub name: String,
    /// At least 10 characters.
    pub password: String,
    /// What a person calls this device.
    pub device_name: String,
    /// The store that signs in.
    pub incarnation: Incarnation,
}

/// Signs this device in to an account that exists.
#[derive(Clone, Serialize, Deserialize)]
pub struct LoginRequest {
    /// The name of the account.
    pub name: String,
    /// Its password.
    pub password: String,
    /// What a person calls this device.
    pub device_name: String,
    /// The store that signs in; a store that was here before keeps its device entry.
    pub incarnation: Incarnation,
}

/// Asks for the successor of a refresh token. Asking again with the same token gives the same
/// successor until that is used, so a lost answer signs nobody out.
#[derive(Clone, Serialize, Deserialize)]
pub struct RefreshRequest {
    /// The newest refresh token that the device holds.
    pub refresh_token: String,
}

/// What a signed-in device holds.
#[derive(Clone, Serialize, Deserialize)]
pub struct Tokens {
    /// The account's opaque id; a store belongs to one account for ever.
    pub account_id: String,
    /// The device's opaque id.
    pub device_id: String,
    /// Sent with each request as `Authorization: Bearer`.
    pub access_token: String,
    /// How long the access token lasts from now, in milliseconds.
    pub access_expires_in_ms: u64,
    /// Used once, for the next pair.
    pub refresh_token: String,
}

/// A device of an account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Device {
    /// Its opaque id.
    pub id: String,
    /// What a person calls it.
    pub name: String,
    /// When it first signed in.
    pub created_at: ServerTime,
    /// When it was last heard.
    pub last_seen_at: ServerTime,
    /// Whether it was revoked: it can sign in again only with the password.
    pub revoked: bool,
    /// Whether it is the device that asks.
    pub current: bool,
}

/// All devices of an account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeviceList {
    /// The devices, oldest first.
    pub devices: Vec<Device>,
}

macro_rules! redacted {
    ($($name:ident),*) => {$(
        impl fmt::Debug for $name {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.debug_struct(stringify!($name)).finish_non_exhaustive()
            }
        }
    )*};
}

redacted!(SignUpRequest, LoginRequest, RefreshRequest, Tokens);
