//! The key of an encrypted store.

use std::fmt;

use zeroize::Zeroizing;

/// The key of an encrypted store: 256 random bits. Who loses it loses the store; the server still
/// has all that was sent.
///
/// `Debug` hides it, and its memory is overwritten when it is dropped. Copies that SQLite holds
/// while the store is open are out of reach here.
#[derive(Clone, PartialEq, Eq)]
pub struct StoreKey(Zeroizing<[u8; StoreKey::BYTES]>);

impl StoreKey {
    /// How many bytes a key has.
    pub const BYTES: usize = 32;

    /// A key of these bytes, which must be random: nothing is derived from a password here.
    #[must_use]
    pub fn new(bytes: [u8; Self::BYTES]) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// A key from 64 hexadecimal digits; nothing when the text is anything else.
    #[must_use]
    pub fn from_hex(text: &str) -> Option<Self> {
        let digits = text.as_bytes();
        if digits.len() != 2 * Self::BYTES {
            return None;
        }
        let mut bytes = Zeroizing::new([0; Self::BYTES]);
        for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
            let high = char::from(pair[0]).to_digit(16)?;
            let low = char::from(pair[1]).to_digit(16)?;
            *byte = u8::try_from(high * 16 + low).ok()?;
        }
        Some(Self(bytes))
    }

    /// The key as 64 hexadecimal digits, in memory that is overwritten when it is dropped.
    #[must_use]
    pub fn to_hex(&self) -> Zeroizing<String> {
        hex(self.bytes())
    }

    pub(crate) fn bytes(&self) -> &[u8; Self::BYTES] {
        &self.0
    }
}

impl fmt::Debug for StoreKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("StoreKey")
    }
}

/// Bytes as hexadecimal digits, in memory that is overwritten when it is dropped.
pub(crate) fn hex(bytes: &[u8]) -> Zeroizing<String> {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    // With its whole length from the beginning, so that growing leaves no copy behind.
    let mut text = Zeroizing::new(String::with_capacity(2 * bytes.len()));
    for byte in bytes {
        for digit in [byte >> 4, byte & 15] {
            text.push(char::from(DIGITS[usize::from(digit)]));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Shows that digits in either case give the key back, that anything else is no key, and that
    /// `Debug` shows nothing of it.
    #[test]
    fn digits_are_a_key_and_debug_hides_it() {
        let key = StoreKey::new(std::array::from_fn(|index| 7 * index as u8));
        let text = key.to_hex();
        assert_eq!(text.len(), 64);
        assert_eq!(StoreKey::from_hex(&text), Some(key.clone()));
        assert_eq!(StoreKey::from_hex(&text.to_uppercase()), Some(key.clone()));
        let longer = format!("{}0", *text);
        let foreign = format!("{}é", &text[..62]);
        for wrong in ["", &text[1..], &longer, &foreign, &text.replace('0', "g")] {
            assert_eq!(StoreKey::from_hex(wrong), None, "{wrong}");
        }
        assert_eq!(format!("{key:?}"), "StoreKey");
    }
}
