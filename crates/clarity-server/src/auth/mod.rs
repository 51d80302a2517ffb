//! Who may do what: accounts, devices and tokens. Synchronous, and without HTTP.

mod attempts;
mod password;
mod token;

use std::sync::Arc;

use clarity_model::ServerTime;
use clarity_protocol::{
    Device, DeviceList, LoginRequest, Problem, ProblemCode, RefreshRequest, SignUpRequest, Tokens,
};

use crate::core::Core;
use crate::environment::{EntropyError, random};
use crate::storage::directory::{
    DeviceRecord, Directory, DirectoryStorage, FamilyRecord, NewAccount, SigningIn,
};
use crate::storage::sqlite::public_text;
use crate::storage::{AccountId, DeviceId, Storage, StorageError};

pub use password::{PASSWORD_BYTES_MAX, PASSWORD_CHARACTERS_MIN, PasswordCost};

use attempts::Attempts;
use token::{RefreshToken, Secret};

/// Longest name of an account, in bytes.
pub const ACCOUNT_NAME_BYTES_MAX: usize = 254;
/// Longest name of a device, in bytes.
pub const DEVICE_NAME_BYTES_MAX: usize = 128;

/// Why somebody was not let in.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AuthError {
    /// The server does not take new accounts.
    #[error("this server does not take new accounts; ask its operator")]
    SignUpClosed,
    /// An account with this name exists.
    #[error("an account with this name exists; sign in, or choose another name")]
    NameTaken,
    /// The name or the password is wrong.
    #[error("the name or the password is wrong")]
    WrongCredentials,
    /// Too many wrong passwords for one account.
    #[error("too many wrong passwords; wait before the next attempt")]
    TooManyAttempts {
        /// How long to wait, in milliseconds.
        retry_after_ms: u64,
    },
    /// The access token has expired or is unknown.
    #[error("the access token has expired or is not known; refresh it")]
    TokenExpired,
    /// The refresh token is unknown, used up or revoked.
    #[error("the refresh token is not valid any more; sign in again")]
    SignInAgain,
    /// The device was revoked.
    #[error("this device was removed from the account; sign in again with the password")]
    AccessRemoved,
    /// There is no such device in the account.
    #[error("the account has no such device")]
    NoSuchDevice,
    /// A name or a password is not acceptable.
    #[error("{0}")]
    Invalid(&'static str),
    /// A password could not be hashed, or a stored hash not be read.
    #[error("the password could not be checked")]
    Hashing,
    /// The storage failed.
    #[error(transparent)]
    Storage(#[from] StorageError),
}

impl From<EntropyError> for AuthError {
    fn from(error: EntropyError) -> Self {
        Self::Storage(StorageError::Entropy(error))
    }
}

impl AuthError {
    /// The error as devices are told of it.
    #[must_use]
    pub fn problem(&self) -> Problem {
        let (status, code) = match self {
            Self::SignUpClosed => (403, ProblemCode::SignUpClosed),
            Self::NameTaken => (409, ProblemCode::NameTaken),
            Self::WrongCredentials => (401, ProblemCode::WrongCredentials),
            Self::TooManyAttempts { .. } => (429, ProblemCode::TooManyRequests),
            Self::TokenExpired => (401, ProblemCode::TokenExpired),
            Self::SignInAgain => (401, ProblemCode::SignInAgain),
            Self::AccessRemoved => (403, ProblemCode::AccessRemoved),
            Self::NoSuchDevice => (404, ProblemCode::NotFound),
            Self::Invalid(_) => (400, ProblemCode::BadRequest),
            Self::Hashing => (500, ProblemCode::ServerFailure),
            Self::Storage(error) => return crate::error::storage_problem(error),
        };
        Problem::new(status, code, self.to_string())
    }
}

/// How accounts are run.
#[derive(Debug, Clone, Copy)]
pub struct AuthSettings {
    /// Whether anybody may make an account. The first account may always be made.
    pub open_sign_up: bool,
    /// How long an access token lasts, in milliseconds.
    pub access_token_ms: u64,
    /// How long a refresh token lasts since the last one was used, in milliseconds. After it a
    /// person signs in again; the device loses nothing by it.
    pub refresh_token_ms: u64,
    /// How much work a password costs.
    pub password_cost: PasswordCost,
}

impl Default for AuthSettings {
    fn default() -> Self {
        Self {
            open_sign_up: false,
            access_token_ms: 15 * 60 * 1_000,
            refresh_token_ms: 180 * 24 * 60 * 60 * 1_000,
            password_cost: PasswordCost::Recommended,
        }
    }
}

/// Whose request it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Identified {
    /// The account.
    pub account: AccountId,
    /// The device.
    pub device: DeviceId,
}

/// Lets devices in. Signing up and in are slow on purpose; the caller bounds how many run at once.
pub struct Auth<S> {
    core: Arc<Core<S>>,
    settings: AuthSettings,
    attempts: Attempts,
}

impl<S: Storage + DirectoryStorage> Auth<S> {
    /// Lets devices in to the accounts of a server.
    pub fn new(core: Arc<Core<S>>, settings: AuthSettings) -> Self {
        Self { core, settings, attempts: Attempts::default() }
    }

    /// Makes an account and signs a device in.
    ///
    /// # Errors
    /// When sign-up is closed, the name is taken, or a name or the password is not acceptable.
    pub fn sign_up(&self, request: &SignUpRequest) -> Result<Tokens, AuthError> {
        let name = account_name(&request.name)?;
        let device_name = device_name(&request.device_name)?;
        let environment = self.core.environment();
        self.core.storage().view_directory(|directory| self.may_sign_up(directory, &name))?;
        let password_hash =
            password::hash(&request.password, self.settings.password_cost, environment)?;
        let (public_id, seed) = (random(environment)?, u64::from_le_bytes(random(environment)?));
        let device_id = random(environment)?;
        let now = environment.now();
        self.core.storage().change_directory(|directory| {
            // Again: somebody else may have been faster.
            self.may_sign_up(directory, &name)?;
            let account = directory.insert_account(&NewAccount {
                name: &name,
                password_hash: &password_hash,
                public_id,
                seed,
                now,
            })?;
            let incarnation = request.incarnation;
            let signing_in =
                SigningIn { account, public_id: device_id, incarnation, name: device_name, now };
            self.start_session(directory, &signing_in)
        })
    }

    fn may_sign_up(&self, directory: &dyn Directory, name: &str) -> Result<(), AuthError> {
        if !self.settings.open_sign_up && directory.has_accounts()? {
            return Err(AuthError::SignUpClosed);
        }
        match directory.account_named(name)? {
            Some(_) => Err(AuthError::NameTaken),
            None => Ok(()),
        }
    }

    /// Signs a device in to an account that exists. A store that was here before keeps its device,
    /// also when that was revoked.
    ///
    /// # Errors
    /// When the name or the password is wrong, or was wrong too often.
    pub fn login(&self, request: &LoginRequest) -> Result<Tokens, AuthError> {
        let name = account_name(&request.name).map_err(|_| AuthError::WrongCredentials)?;
        let device_name = device_name(&request.device_name)?;
        let environment = self.core.environment();
        let now = environment.now();
        self.attempts.check(&name, now)?;
        let record =
            self.core.storage().view_directory(|directory| directory.account_named(&name))?;
        let stored = record.as_ref().and_then(|record| record.password_hash.as_deref());
        if !password::is_right(&request.password, stored, self.settings.password_cost)? {
            self.attempts.note_wrong(&name, now);
            return Err(AuthError::WrongCredentials);
        }
        let account = record.ok_or(AuthError::WrongCredentials)?.account;
        self.attempts.note_right(&name);
        let public_id = random(environment)?;
        let incarnation = request.incarnation;
        let signing_in = SigningIn { account, public_id, incarnation, name: device_name, now };
        self.core.storage().change_directory(|directory| self.start_session(directory, &signing_in))
    }

    /// Gives a signed-in device its first tokens. Its older ones are worth nothing from here on.
    fn start_session(
        &self,
        directory: &dyn Directory,
        signing_in: &SigningIn<'_>,
    ) -> Result<Tokens, AuthError> {
        let environment = self.core.environment();
        let device = directory.sign_in(signing_in)?;
        directory.remove_families(device.device)?;
        let first =
            RefreshToken { family: random(environment)?, secret: Secret::random(environment)? };
        let record = FamilyRecord {
            device: device.device,
            current: first.secret.hash(),
            successor: first.successor(&self.server_key()).secret.hash(),
            used_at: signing_in.now,
            revoked: false,
        };
        directory.put_family(first.family, &record, signing_in.now)?;
        self.tokens(directory, &device, &first, signing_in.now)
    }

    /// Gives the successor of a refresh token: the same one until it is itself used. A token whose
    /// successor was used ends the session of whoever holds any token of it.
    ///
    /// # Errors
    /// When the token is unknown, used up or too old, or the device was revoked.
    pub fn refresh(&self, request: &RefreshRequest) -> Result<Tokens, AuthError> {
        let token = RefreshToken::parse(&request.refresh_token).ok_or(AuthError::SignInAgain)?;
        let now = self.core.environment().now();
        // A revoked family is kept, so the refusal is not an error of the transaction.
        self.core.storage().change_directory(|directory| {
            let Some(mut record) = directory.family(token.family)? else {
                return Ok(Err(AuthError::SignInAgain));
            };
            let device = directory.device(record.device)?.ok_or(AuthError::SignInAgain)?;
            if device.revoked {
                return Ok(Err(AuthError::AccessRemoved));
            }
            let age_ms = u64::try_from(now.0.saturating_sub(record.used_at.0)).unwrap_or(0);
            if record.revoked || age_ms > self.settings.refresh_token_ms {
                return Ok(Err(AuthError::SignInAgain));
            }
            let hash = token.secret.hash();
            let successor = token.successor(&self.server_key());
            if token::same(&hash, &record.successor) {
                record.current = hash;
                record.successor = successor.secret.hash();
            } else if !token::same(&hash, &record.current) {
                record.revoked = true;
                directory.put_family(token.family, &record, now)?;
                return Ok(Err(AuthError::SignInAgain));
            }
            directory.put_family(token.family, &record, now)?;
            directory.touch_device(device.device, now)?;
            self.tokens(directory, &device, &successor, now).map(Ok)
        })?
    }

    fn tokens(
        &self,
        directory: &dyn Directory,
        device: &DeviceRecord,
        refresh: &RefreshToken,
        now: ServerTime,
    ) -> Result<Tokens, AuthError> {
        let access = Secret::random(self.core.environment())?;
        let lifetime_ms = i64::try_from(self.settings.access_token_ms).unwrap_or(i64::MAX);
        let expires_at = ServerTime(now.0.saturating_add(lifetime_ms));
        directory.put_access_token(access.hash(), device.device, expires_at, now)?;
        Ok(Tokens {
            account_id: public_text(directory.account_public_id(device.account)?),
            device_id: public_text(device.public_id),
            access_token: access.text(),
            access_expires_in_ms: self.settings.access_token_ms,
            refresh_token: refresh.text(),
        })
    }

    fn server_key(&self) -> [u8; 32] {
        self.core.storage().identity().key
    }

    /// Whose access token this is.
    ///
    /// # Errors
    /// When it has expired or is unknown, or its device was revoked.
    pub fn identify(&self, access_token: &str) -> Result<Identified, AuthError> {
        let secret = Secret::parse(access_token).ok_or(AuthError::TokenExpired)?;
        let found = self
            .core
            .storage()
            .view_directory(|directory| directory.access_token(secret.hash()))?;
        let (device, expires_at) = found.ok_or(AuthError::TokenExpired)?;
        if device.revoked {
            return Err(AuthError::AccessRemoved);
        }
        if expires_at <= self.core.environment().now() {
            return Err(AuthError::TokenExpired);
        }
        Ok(Identified { account: device.account, device: device.device })
    }

    /// The devices of the account.
    ///
    /// # Errors
    /// When the storage fails.
    pub fn devices(&self, who: Identified) -> Result<DeviceList, AuthError> {
        let records =
            self.core.storage().view_directory(|directory| directory.devices(who.account))?;
        let devices = records.into_iter().map(|record| Device {
            id: public_text(record.public_id),
            name: record.name,
            created_at: record.created_at,
            last_seen_at: record.last_seen_at,
            revoked: record.revoked,
            current: record.device == who.device,
        });
        Ok(DeviceList { devices: devices.collect() })
    }

    /// Revokes a device of the same account; its tokens are worth nothing at once.
    ///
    /// # Errors
    /// When the account has no such device.
    pub fn revoke(&self, who: Identified, device_id: &str) -> Result<DeviceId, AuthError> {
        let now = self.core.environment().now();
        self.core.storage().change_directory(|directory| {
            let devices = directory.devices(who.account)?;
            let found = devices.iter().find(|record| public_text(record.public_id) == device_id);
            let device = found.ok_or(AuthError::NoSuchDevice)?.device;
            directory.revoke_device(device, now)?;
            Ok(device)
        })
    }
}

/// The form in which names of accounts are compared.
fn account_name(text: &str) -> Result<String, AuthError> {
    let name = text.trim().to_lowercase();
    let acceptable = !name.is_empty()
        && name.len() <= ACCOUNT_NAME_BYTES_MAX
        && !name.chars().any(char::is_control);
    if acceptable {
        Ok(name)
    } else {
        Err(AuthError::Invalid("a name is 1 to 254 bytes without control characters"))
    }
}

fn device_name(text: &str) -> Result<&str, AuthError> {
    let name = text.trim();
    if name.len() <= DEVICE_NAME_BYTES_MAX && !name.chars().any(char::is_control) {
        Ok(name)
    } else {
        Err(AuthError::Invalid("a device's name is at most 128 bytes without control characters"))
    }
}
