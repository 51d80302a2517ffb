//! Identifiers and counters, each its own type.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::limits;

/// Why a text is not an identifier.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum IdError {
    /// A type name has a character outside `A-Z a-z 0-9 _`, starts with a digit, or has no length.
    #[error(
        "an entity type is 1 to {} letters, digits or underscores and starts with a letter",
        limits::ENTITY_TYPE_BYTES_MAX
    )]
    EntityType,
    /// An entity id is empty, too long, or has a control character or a slash.
    #[error(
        "an entity id is 1 to {} bytes without control characters or slashes",
        limits::ENTITY_ID_BYTES_MAX
    )]
    EntityId,
    /// A 128-bit value is not 32 hexadecimal digits.
    #[error("expected 32 hexadecimal digits")]
    Hex128,
    /// An operation id is not `incarnation:counter`.
    #[error("an operation id has the form <32 hexadecimal digits>:<counter>")]
    OperationId,
}

macro_rules! text_id {
    ($(#[$doc:meta])* $name:ident, $error:ident, $valid:path) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
        pub struct $name(Arc<str>);

        impl $name {
            /// Checks and takes over a text.
            ///
            /// # Errors
            /// When the text breaks the rule of this identifier.
            pub fn new(text: impl AsRef<str>) -> Result<Self, IdError> {
                let text = text.as_ref();
                if $valid(text) { Ok(Self(Arc::from(text))) } else { Err(IdError::$error) }
            }

            /// The identifier as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(&*self.0, formatter)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str(&self.0)
            }
        }

        impl FromStr for $name {
            type Err = IdError;
            fn from_str(text: &str) -> Result<Self, IdError> {
                Self::new(text)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&self.0)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
                Self::new(text).map_err(serde::de::Error::custom)
            }
        }
    };
}

text_id! {
    /// The type of an entity, such as `Note`: a letter, then letters, digits or underscores.
    EntityType, EntityType, valid_entity_type
}
text_id! {
    /// The id of an entity within its type.
    ///
    /// A UUIDv7 made on the device, a UUIDv8 made from content for imported samples, a fixed word
    /// for singletons, or whatever a backend assigns. Ids are never logged.
    EntityId, EntityId, valid_entity_id
}

fn valid_entity_type(text: &str) -> bool {
    text.len() <= limits::ENTITY_TYPE_BYTES_MAX
        && text.starts_with(|first: char| first.is_ascii_alphabetic())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

fn valid_entity_id(text: &str) -> bool {
    !text.is_empty()
        && text.len() <= limits::ENTITY_ID_BYTES_MAX
        && !text.chars().any(|c| c.is_control() || c == '/')
}

/// An entity's full name: its type and its id.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
pub struct EntityKey {
    /// The type.
    #[serde(rename = "type")]
    pub entity_type: EntityType,
    /// The id within the type.
    pub id: EntityId,
}

impl EntityKey {
    /// Builds a key from two texts.
    ///
    /// # Errors
    /// When either text breaks its rule.
    pub fn new(entity_type: impl AsRef<str>, id: impl AsRef<str>) -> Result<Self, IdError> {
        Ok(Self { entity_type: EntityType::new(entity_type)?, id: EntityId::new(id)? })
    }
}

impl fmt::Display for EntityKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}/{}", self.entity_type, self.id)
    }
}

macro_rules! number {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(
            Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default,
            Serialize, Deserialize,
        )]
        #[serde(transparent)]
        #[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
        pub struct $name(pub u64);

        impl $name {
            /// The next value.
            #[must_use]
            pub fn next(self) -> Self {
                Self(self.0.saturating_add(1))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(&self.0, formatter)
            }
        }
    };
}

number! {
    /// How often the server has accepted a change of an entity, within one [`Epoch`].
    /// Zero means that the server has never told us of it.
    Version
}
number! {
    /// A position in an account's log: dense, in commit order, within one [`Epoch`].
    Seq
}
number! {
    /// The number of an operation on one device: dense, from 1, never used twice.
    Counter
}

macro_rules! hex128 {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub u128);

        impl fmt::Display for $name {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(formatter, "{:032x}", self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(formatter, "{}({:032x})", stringify!($name), self.0)
            }
        }

        impl FromStr for $name {
            type Err = IdError;
            fn from_str(text: &str) -> Result<Self, IdError> {
                if text.len() != 32 || !text.bytes().all(|b| b.is_ascii_hexdigit()) {
                    return Err(IdError::Hex128);
                }
                u128::from_str_radix(text, 16).map(Self).map_err(|_| IdError::Hex128)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}

hex128! {
    /// One life of a local store: 128 random bits made with it, and made anew when the store turns
    /// out to be a copy.
    Incarnation
}
hex128! {
    /// One life of a server's database: random, and made anew by a restore.
    Epoch
}
hex128! {
    /// The hash of an operation's bytes, by which two operations under one id are told apart.
    OperationHash
}

impl From<[u8; 16]> for OperationHash {
    fn from(bytes: [u8; 16]) -> Self {
        Self(u128::from_be_bytes(bytes))
    }
}

/// A random mark that the server gave to one position of an account's log.
///
/// A cursor that carries another mark for its position has seen a history that this server no
/// longer has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Check(pub u64);

impl fmt::Display for Check {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:016x}", self.0)
    }
}

impl Serialize for Check {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Check {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        let expected = || serde::de::Error::custom("expected 16 hexadecimal digits");
        if text.len() != 16 || !text.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Err(expected());
        }
        u64::from_str_radix(&text, 16).map(Self).map_err(|_| expected())
    }
}

/// The name of an operation everywhere and for ever.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OperationId {
    /// The store that made it.
    pub incarnation: Incarnation,
    /// Its number there.
    pub counter: Counter,
}

impl fmt::Display for OperationId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}:{}", self.incarnation, self.counter)
    }
}

impl FromStr for OperationId {
    type Err = IdError;
    fn from_str(text: &str) -> Result<Self, IdError> {
        let (incarnation, digits) = text.split_once(':').ok_or(IdError::OperationId)?;
        let incarnation = incarnation.parse().map_err(|_| IdError::OperationId)?;
        let counter: u64 = digits.parse().map_err(|_| IdError::OperationId)?;
        // One operation has one spelling: no sign and no leading zeros.
        if counter.to_string() != digits {
            return Err(IdError::OperationId);
        }
        Ok(Self { incarnation, counter: Counter(counter) })
    }
}

impl Serialize for OperationId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for OperationId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}
