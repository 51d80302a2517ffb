//! Passwords: argon2id with its recommended parameters.

use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher, PasswordVerifier};
use argon2::{Argon2, Params};

use crate::environment::{Environment, random};

use super::AuthError;

/// Fewest characters of a password.
pub const PASSWORD_CHARACTERS_MIN: usize = 10;
/// Most bytes of a password: enough for any, and no work for whoever sends megabytes.
pub const PASSWORD_BYTES_MAX: usize = 1_024;

/// How much work a password costs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum PasswordCost {
    /// What argon2 recommends: 19 MiB, two passes.
    #[default]
    Recommended,
    /// Next to none, for tests and demonstrations. Such hashes protect nothing.
    Trivial,
}

impl PasswordCost {
    fn hasher(self) -> Argon2<'static> {
        match self {
            Self::Recommended => Argon2::default(),
            Self::Trivial => {
                let params = Params::new(Params::MIN_M_COST, 1, 1, None).unwrap_or_default();
                Argon2::new(argon2::Algorithm::Argon2id, argon2::Version::V0x13, params)
            }
        }
    }
}

/// Checks that a new password is long enough and hashes it, slowly.
pub(super) fn hash(
    password: &str,
    cost: PasswordCost,
    environment: &dyn Environment,
) -> Result<String, AuthError> {
    if password.chars().count() < PASSWORD_CHARACTERS_MIN {
        return Err(AuthError::Invalid("a password has at least 10 characters"));
    }
    if password.len() > PASSWORD_BYTES_MAX {
        return Err(AuthError::Invalid("a password has at most 1,024 bytes"));
    }
    let salt: [u8; 16] = random(environment)?;
    let hash = cost.hasher().hash_password_with_salt(password.as_bytes(), &salt);
    Ok(hash.map_err(|_| AuthError::Hashing)?.to_string())
}

/// Whether the password is the one of `stored`, slowly. Without a stored hash the answer is no,
/// after the same work, so that the time does not tell whether an account exists.
pub(super) fn is_right(
    password: &str,
    stored: Option<&str>,
    cost: PasswordCost,
) -> Result<bool, AuthError> {
    if password.len() > PASSWORD_BYTES_MAX {
        return Ok(false);
    }
    let Some(stored) = stored else {
        let salt = [0; 16];
        let _ = cost.hasher().hash_password_with_salt(password.as_bytes(), &salt);
        return Ok(false);
    };
    let stored = PasswordHash::new(stored).map_err(|_| AuthError::Hashing)?;
    Ok(Argon2::default().verify_password(password.as_bytes(), &stored).is_ok())
}
