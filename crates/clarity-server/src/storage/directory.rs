//! What is kept of accounts, devices and tokens. Tokens are kept as hashes only.

use clarity_model::{Incarnation, ServerTime};

use super::{AccountId, DeviceId, StorageError};

/// The hash of a token.
pub type TokenHash = [u8; 32];
/// An opaque id that devices are told.
pub type PublicId = [u8; 16];

/// An account to make.
#[derive(Clone)]
pub struct NewAccount<'a> {
    /// The name to sign in with, in the form in which names are compared.
    pub name: &'a str,
    /// The hash of the password, in PHC form.
    pub password_hash: &'a str,
    /// Its opaque id.
    pub public_id: PublicId,
    /// The seed of the mark of its first position.
    pub seed: u64,
    /// The server's time.
    pub now: ServerTime,
}

/// An account that can sign in.
#[derive(Clone)]
pub struct AccountRecord {
    /// The account.
    pub account: AccountId,
    /// Its opaque id.
    pub public_id: PublicId,
    /// The hash of its password, in PHC form; none when nobody can sign in.
    pub password_hash: Option<String>,
}

/// A device that signs in with the password.
#[derive(Clone)]
pub struct SigningIn<'a> {
    /// Its account.
    pub account: AccountId,
    /// The opaque id that it gets if its store was never here.
    pub public_id: PublicId,
    /// Its store.
    pub incarnation: Incarnation,
    /// What a person calls it.
    pub name: &'a str,
    /// The server's time.
    pub now: ServerTime,
}

/// A device.
#[derive(Clone, PartialEq, Eq)]
pub struct DeviceRecord {
    /// The device.
    pub device: DeviceId,
    /// Its account.
    pub account: AccountId,
    /// Its opaque id.
    pub public_id: PublicId,
    /// What a person calls it.
    pub name: String,
    /// When it first signed in.
    pub created_at: ServerTime,
    /// When it last signed in or refreshed its tokens.
    pub last_seen_at: ServerTime,
    /// Whether it was revoked since it last signed in.
    pub revoked: bool,
}

/// The refresh tokens of one sign-in.
#[derive(Clone)]
pub struct FamilyRecord {
    /// The device.
    pub device: DeviceId,
    /// The newest token that was used.
    pub current: TokenHash,
    /// The token that was answered for it.
    pub successor: TokenHash,
    /// When a token of it was last used, or it began.
    pub used_at: ServerTime,
    /// Whether a used-up token was seen again, or the device was revoked.
    pub revoked: bool,
}

/// Accounts, devices and tokens, inside one transaction.
pub trait Directory {
    /// Whether there is an account that somebody can sign in to.
    ///
    /// # Errors
    /// When the storage fails; so for every method here.
    fn has_accounts(&self) -> Result<bool, StorageError>;
    /// The account with a name.
    ///
    /// # Errors
    /// When the storage fails.
    fn account_named(&self, name: &str) -> Result<Option<AccountRecord>, StorageError>;
    /// The opaque id of an account.
    ///
    /// # Errors
    /// When the storage fails.
    fn account_public_id(&self, account: AccountId) -> Result<PublicId, StorageError>;
    /// Makes an account whose name is free.
    ///
    /// # Errors
    /// When the storage fails.
    fn insert_account(&self, account: &NewAccount<'_>) -> Result<AccountId, StorageError>;
    /// The entry of a device that signs in: the one of its store, revoked no more, or a new one.
    ///
    /// # Errors
    /// When the storage fails.
    fn sign_in(&self, device: &SigningIn<'_>) -> Result<DeviceRecord, StorageError>;
    /// A device.
    ///
    /// # Errors
    /// When the storage fails.
    fn device(&self, device: DeviceId) -> Result<Option<DeviceRecord>, StorageError>;
    /// The devices of an account, oldest first.
    ///
    /// # Errors
    /// When the storage fails.
    fn devices(&self, account: AccountId) -> Result<Vec<DeviceRecord>, StorageError>;
    /// Revokes a device and its refresh tokens.
    ///
    /// # Errors
    /// When the storage fails.
    fn revoke_device(&self, device: DeviceId, now: ServerTime) -> Result<(), StorageError>;
    /// Notes that a device was heard.
    ///
    /// # Errors
    /// When the storage fails.
    fn touch_device(&self, device: DeviceId, now: ServerTime) -> Result<(), StorageError>;
    /// The tokens of a sign-in.
    ///
    /// # Errors
    /// When the storage fails.
    fn family(&self, family: PublicId) -> Result<Option<FamilyRecord>, StorageError>;
    /// Keeps the tokens of a sign-in.
    ///
    /// # Errors
    /// When the storage fails.
    fn put_family(
        &self,
        family: PublicId,
        record: &FamilyRecord,
        now: ServerTime,
    ) -> Result<(), StorageError>;
    /// Forgets the refresh tokens of a device: it signs in anew.
    ///
    /// # Errors
    /// When the storage fails.
    fn remove_families(&self, device: DeviceId) -> Result<(), StorageError>;
    /// Keeps an access token, and forgets those of the device that have expired.
    ///
    /// # Errors
    /// When the storage fails.
    fn put_access_token(
        &self,
        hash: TokenHash,
        device: DeviceId,
        expires_at: ServerTime,
        now: ServerTime,
    ) -> Result<(), StorageError>;
    /// The device of an access token, and when the token expires.
    ///
    /// # Errors
    /// When the storage fails.
    fn access_token(
        &self,
        hash: TokenHash,
    ) -> Result<Option<(DeviceRecord, ServerTime)>, StorageError>;
}

/// A storage that keeps accounts, devices and tokens.
pub trait DirectoryStorage {
    /// Carries out `work` in one durable transaction; nothing is kept when it fails.
    ///
    /// # Errors
    /// Those of `work` and of the storage.
    fn change_directory<R, E: From<StorageError>>(
        &self,
        work: impl FnOnce(&dyn Directory) -> Result<R, E>,
    ) -> Result<R, E>;

    /// Carries out `work` on one consistent view, without waiting for writers.
    ///
    /// # Errors
    /// Those of `work` and of the storage.
    fn view_directory<R, E: From<StorageError>>(
        &self,
        work: impl FnOnce(&dyn Directory) -> Result<R, E>,
    ) -> Result<R, E>;
}
