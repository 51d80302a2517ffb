//! The attributes of one tag.

use std::borrow::Cow;

use quick_xml::XmlVersion;
use quick_xml::events::attributes::Attributes as RawAttributes;

use crate::limits::{ATTRIBUTE_BYTES_MAX, ATTRIBUTES_MAX};

/// Why the attributes of a tag cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum AttributeError {
    /// They do not follow the grammar: a space in a name, a missing quote, a name used twice.
    Malformed,
    /// One is longer than its limit, or there are too many.
    TooLong,
}

impl AttributeError {
    /// The error in words.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Malformed => "an element whose attributes cannot be read",
            Self::TooLong => "an element with more or longer attributes than allowed",
        }
    }
}

/// The decoded attributes of one tag.
#[derive(Debug)]
pub(crate) struct Attributes<'a> {
    pairs: Vec<(&'a str, Cow<'a, str>)>,
}

impl<'a> Attributes<'a> {
    /// Reads the attributes of a tag's content, which begins with the name.
    pub(crate) fn parse(content: &'a str) -> Result<Self, AttributeError> {
        let name = element_name(content.as_bytes()).len();
        let mut pairs = Vec::with_capacity(12);
        for attribute in RawAttributes::new(content, name) {
            let attribute = attribute.map_err(|_| AttributeError::Malformed)?;
            if attribute.value.len() > ATTRIBUTE_BYTES_MAX || pairs.len() == ATTRIBUTES_MAX {
                return Err(AttributeError::TooLong);
            }
            let value = match attribute.normalized_value(XmlVersion::Explicit1_0) {
                Ok(value) => without_control_characters(value),
                // A reference that nobody declared is text that somebody forgot to escape.
                Err(_) => attribute.value,
            };
            pairs.push((attribute.key.into_inner(), value));
        }
        Ok(Self { pairs })
    }

    /// The value of an attribute, if it is there.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.pairs.iter().find(|(key, _)| *key == name).map(|(_, value)| &**value)
    }

    /// The value of an attribute that is there and not empty.
    pub(crate) fn filled(&self, name: &str) -> Option<&str> {
        self.get(name).filter(|value| !value.is_empty())
    }
}

/// The name at the start of a tag's content.
pub(crate) fn element_name(content: &[u8]) -> &[u8] {
    let end = content.iter().position(u8::is_ascii_whitespace).unwrap_or(content.len());
    &content[..end]
}

/// References can bring back the control characters that the scanner dropped.
fn without_control_characters(value: Cow<'_, str>) -> Cow<'_, str> {
    let forbidden = |c: char| c < ' ' && !matches!(c, '\t' | '\n' | '\r');
    match value {
        Cow::Owned(text) if text.contains(forbidden) => Cow::Owned(text.replace(forbidden, "")),
        value => value,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // Shows that references, quotes of both kinds, and any order of attributes are read.
    #[test]
    fn reads_attributes() {
        let content = "Record b='it\u{a0}is' a=\"User&#8217;s Apple&#160;Watch &lt;&quot;\" c=\"\"";
        let attributes = Attributes::parse(content).unwrap();
        assert_eq!(attributes.get("a"), Some("User\u{2019}s Apple\u{a0}Watch <\""));
        assert_eq!(attributes.get("b"), Some("it\u{a0}is"));
        assert_eq!((attributes.get("c"), attributes.filled("c")), (Some(""), None));
        assert_eq!(attributes.get("d"), None);
    }

    // Shows that line breaks become spaces, references to control characters vanish, and an
    // undeclared reference stays as text.
    #[test]
    fn odd_values() {
        let attributes =
            Attributes::parse("R a=\"x\ny\" b=\"p&#11;q&#x41;\" c=\"Tom & Co\"").unwrap();
        assert_eq!(attributes.get("a"), Some("x y"));
        assert_eq!(attributes.get("b"), Some("pqA"));
        assert_eq!(attributes.get("c"), Some("Tom & Co"));
    }

    // Shows that each way to break the grammar is an error and not a guess.
    #[test]
    fn refuses_bad_grammar() {
        for content in ["R two words=\"1\"", "R a=1", "R a", "R a=\"1\" a=\"2\"", "R a=\"1\"b=\"2"]
        {
            assert_eq!(Attributes::parse(content).unwrap_err(), AttributeError::Malformed);
        }
        let long = format!("R a=\"{}\"", "x".repeat(ATTRIBUTE_BYTES_MAX + 1));
        assert_eq!(Attributes::parse(&long).unwrap_err(), AttributeError::TooLong);
        let many: String = (0..=ATTRIBUTES_MAX).map(|n| format!(" a{n}=\"1\"")).collect();
        assert_eq!(Attributes::parse(&format!("R{many}")).unwrap_err(), AttributeError::TooLong);
    }
}
