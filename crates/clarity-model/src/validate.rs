//! Limits on what an entity may hold, checked at every boundary.

use serde::Serialize;
use serde_json::Value;

use crate::{EntityKey, Fields, limits};

/// Why the fields of an entity are not accepted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidEntity {
    /// The fields together are larger than the limit.
    #[error("the entity has {bytes} bytes of JSON; the limit is {}", limits::ENTITY_BYTES_MAX)]
    TooLarge {
        /// Its size as compact JSON.
        bytes: usize,
    },
    /// A field nests arrays and objects deeper than the limit.
    #[error("the field \"{field}\" nests deeper than {} levels", limits::JSON_DEPTH_MAX)]
    TooDeep {
        /// The name of the field.
        field: String,
    },
    /// A field name is empty, too long, or holds a control character.
    #[error(
        "a field name is 1 to {} bytes without control characters",
        limits::FIELD_NAME_BYTES_MAX
    )]
    FieldName,
}

/// Checks names, depth and size of an entity's fields.
///
/// # Errors
/// The first rule that is broken.
pub fn validate_fields(fields: &Fields) -> Result<(), InvalidEntity> {
    let commas = fields.len().saturating_sub(1);
    let mut bytes = "{}".len() + commas;
    for (name, value) in fields.iter() {
        validate_field_name(name)?;
        validate_depth(name, value)?;
        bytes += written_length(name) + ":".len() + json_length(value);
    }
    if bytes > limits::ENTITY_BYTES_MAX {
        return Err(InvalidEntity::TooLarge { bytes });
    }
    Ok(())
}

/// Checks the name of one field.
///
/// # Errors
/// [`InvalidEntity::FieldName`] when it is empty, longer than [`limits::FIELD_NAME_BYTES_MAX`], or
/// holds a control character.
pub fn validate_field_name(name: &str) -> Result<(), InvalidEntity> {
    let valid = !name.is_empty()
        && name.len() <= limits::FIELD_NAME_BYTES_MAX
        && !name.chars().any(char::is_control);
    if valid { Ok(()) } else { Err(InvalidEntity::FieldName) }
}

/// Checks the nesting of one field's value.
///
/// # Errors
/// [`InvalidEntity::TooDeep`] when it nests deeper than [`limits::JSON_DEPTH_MAX`].
pub fn validate_depth(field: &str, value: &Value) -> Result<(), InvalidEntity> {
    if depth_is_at_most(value, limits::JSON_DEPTH_MAX) {
        Ok(())
    } else {
        Err(InvalidEntity::TooDeep { field: field.to_owned() })
    }
}

/// Whether a key's texts could name an entity; keys built by [`EntityKey::new`] always do.
#[must_use]
pub fn validate_key(key: &EntityKey) -> bool {
    EntityKey::new(key.entity_type.as_str(), key.id.as_str()).is_ok()
}

fn depth_is_at_most(value: &Value, levels: usize) -> bool {
    match value {
        Value::Array(items) => {
            levels > 0 && items.iter().all(|item| depth_is_at_most(item, levels - 1))
        }
        Value::Object(map) => {
            levels > 0 && map.values().all(|item| depth_is_at_most(item, levels - 1))
        }
        _ => true,
    }
}

/// The length of a value as compact JSON, without building it for the common cases.
fn json_length(value: &Value) -> usize {
    match value {
        Value::Null | Value::Bool(true) => 4,
        Value::Bool(false) => 5,
        _ => written_length(value),
    }
}

fn written_length<T: Serialize + ?Sized>(value: &T) -> usize {
    let mut counter = ByteCounter(0);
    // Writing a value into a counter cannot fail: keys are strings and nothing is I/O.
    let _ = serde_json::to_writer(&mut counter, value);
    counter.0
}

struct ByteCounter(usize);

impl std::io::Write for ByteCounter {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0 += bytes.len();
        Ok(bytes.len())
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
