//! Access and refresh tokens.
//!
//! A refresh token is `<family>.<secret>`. The secret of a successor is derived from its
//! predecessor's secret and the server's key, so asking again with the same token gives the same
//! successor although only hashes are stored; and who steals the database can derive nothing.

use crate::environment::{Environment, random};
use crate::storage::StorageError;
use crate::storage::directory::{PublicId, TokenHash};

/// 256 random bits as text.
pub(super) struct Secret([u8; 32]);

impl Secret {
    pub(super) fn random(environment: &dyn Environment) -> Result<Self, StorageError> {
        Ok(Self(random(environment)?))
    }

    pub(super) fn parse(text: &str) -> Option<Self> {
        unhex(text).map(Self)
    }

    pub(super) fn text(&self) -> String {
        hex(&self.0)
    }

    /// What is stored of it.
    pub(super) fn hash(&self) -> TokenHash {
        *blake3::hash(&self.0).as_bytes()
    }
}

/// A refresh token.
pub(super) struct RefreshToken {
    pub(super) family: PublicId,
    pub(super) secret: Secret,
}

impl RefreshToken {
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (family, secret) = text.split_once('.')?;
        Some(Self { family: unhex(family)?, secret: Secret::parse(secret)? })
    }

    pub(super) fn text(&self) -> String {
        format!("{}.{}", hex(&self.family), self.secret.text())
    }

    /// The token that follows this one.
    pub(super) fn successor(&self, server_key: &[u8; 32]) -> Self {
        let mut hasher = blake3::Hasher::new_keyed(server_key);
        hasher.update(b"successor of a refresh token");
        hasher.update(&self.family);
        hasher.update(&self.secret.0);
        Self { family: self.family, secret: Secret(*hasher.finalize().as_bytes()) }
    }
}

/// Whether two hashes are equal, in a time that does not depend on where they differ.
pub(super) fn same(left: &TokenHash, right: &TokenHash) -> bool {
    blake3::Hash::from_bytes(*left) == blake3::Hash::from_bytes(*right)
}

pub(super) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    let mut text = String::with_capacity(2 * bytes.len());
    for byte in bytes {
        // Writing into a string cannot fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}

/// Exactly `2 * N` lower-case hexadecimal digits.
pub(super) fn unhex<const N: usize>(text: &str) -> Option<[u8; N]> {
    fn digit(byte: u8) -> Option<u8> {
        match byte {
            b'0'..=b'9' => Some(byte - b'0'),
            b'a'..=b'f' => Some(byte - b'a' + 10),
            _ => None,
        }
    }
    if text.len() != 2 * N {
        return None;
    }
    let mut bytes = [0; N];
    for (byte, pair) in bytes.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
        *byte = digit(pair[0])? << 4 | digit(pair[1])?;
    }
    Some(bytes)
}
