//! Numbers as tables write them.

/// Why a text is no number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NoNumber {
    /// It can be read in two ways that differ by a thousand.
    Ambiguous,
    /// It is no number.
    Unreadable,
}

/// Reads a number with a decimal point or a decimal comma and perhaps marks between thousands.
///
/// `comma` says which one holds, where that is known.
pub(crate) fn read(text: &str, comma: Option<bool>) -> Result<f64, NoNumber> {
    let spaces = ['\u{a0}', '\u{202f}', ' ', '\'', '’'];
    let plain: String = text.trim().chars().filter(|c| !spaces.contains(c)).collect();
    let commas = plain.matches(',').count();
    let points = plain.matches('.').count();
    let normal = match (commas, points, comma) {
        (0, 0 | 1, None | Some(false)) | (0, 0, _) => plain,
        (0, _, Some(true)) => plain.replace('.', ""),
        (_, 0 | 1, Some(false)) => plain.replace(',', ""),
        (1, _, Some(true)) => plain.replace('.', "").replace(',', "."),
        (1, 0, None) if three_digits_follow(&plain) => return Err(NoNumber::Ambiguous),
        (1, 0, None) => plain.replace(',', "."),
        // The mark that comes last is the decimal one.
        (1, 1.., None) if plain.rfind(',') > plain.rfind('.') => {
            plain.replace('.', "").replace(',', ".")
        }
        (1.., 1, None) if plain.rfind('.') > plain.rfind(',') => plain.replace(',', ""),
        (2.., 0, None) => plain.replace(',', ""),
        _ => return Err(NoNumber::Unreadable),
    };
    crate::number::parse(&normal).ok_or(NoNumber::Unreadable)
}

/// `1,234` may be a thousand or a little more than one; `0,234` and `1234,567` may not.
fn three_digits_follow(text: &str) -> bool {
    let Some((before, after)) = text.split_once(',') else { return false };
    let before = before.trim_start_matches(['-', '+']);
    after.len() == 3 && (1..=3).contains(&before.len()) && before != "0"
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Shows that both marks are understood, and that nothing is guessed by a factor of thousand.
    #[test]
    fn marks() {
        let table: &[(&str, Option<bool>, Result<f64, NoNumber>)] = &[
            ("72", None, Ok(72.0)),
            ("72.5", None, Ok(72.5)),
            ("72,5", None, Ok(72.5)),
            ("-265,868", Some(true), Ok(-265.868)),
            ("-265,868", None, Err(NoNumber::Ambiguous)),
            ("0,123", None, Ok(0.123)),
            ("1.234,5", None, Ok(1_234.5)),
            ("1,234.5", None, Ok(1_234.5)),
            ("1,234,567", None, Ok(1_234_567.0)),
            ("1.234", Some(true), Ok(1_234.0)),
            ("1,234", Some(false), Ok(1_234.0)),
            ("1 234", None, Ok(1_234.0)),
            ("1e3", None, Ok(1_000.0)),
            ("", None, Err(NoNumber::Unreadable)),
            ("inf", None, Err(NoNumber::Unreadable)),
            ("1.2.3", None, Err(NoNumber::Unreadable)),
            ("12 kg", None, Err(NoNumber::Unreadable)),
        ];
        for (text, comma, expected) in table {
            assert_eq!(read(text, *comma), *expected, "{text} {comma:?}");
        }
    }
}
