//! Numbers between text, `f64` and JSON.

use serde_json::Value;

/// Integers up to here are exact in an `f64`: 2^53.
const EXACT_INTEGER_MAX: f64 = 9_007_199_254_740_992.0;

/// Reads a decimal number with a point. Infinities and words are not numbers here.
pub(crate) fn parse(text: &str) -> Option<f64> {
    // The standard parser also takes "inf", "infinity" and "nan".
    if !text.bytes().any(|byte| byte.is_ascii_digit()) {
        return None;
    }
    text.trim_ascii().parse::<f64>().ok().filter(|number| number.is_finite())
}

/// The JSON form of a number: an integer where it is one and exact, else a float.
pub(crate) fn to_json(number: f64) -> Value {
    if number.fract() == 0.0 && number.abs() < EXACT_INTEGER_MAX {
        // The guard above makes this conversion exact.
        Value::from(number as i64)
    } else {
        Value::from(number)
    }
}

/// Rounds to a number of significant decimal digits, so that the noise of a unit conversion does
/// not look like a measurement.
pub(crate) fn round_significant(number: f64, digits: i32) -> f64 {
    if number == 0.0 || !number.is_finite() {
        return number;
    }
    let places = digits - 1 - number.abs().log10().floor() as i32;
    // Powers of ten are exact up to 10^22; beyond them rounding would add noise.
    if !(-22..=22).contains(&places) {
        return number;
    }
    if places >= 0 {
        let scale = 10_f64.powi(places);
        let scaled = number * scale;
        if scaled.is_finite() { scaled.round() / scale } else { number }
    } else {
        let scale = 10_f64.powi(-places);
        (number / scale).round() * scale
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // Shows that whole numbers become JSON integers and only what is finite is a number.
    #[test]
    fn json_form() {
        assert_eq!(to_json(72.0).to_string(), "72");
        assert_eq!(to_json(-0.0).to_string(), "0");
        assert_eq!(to_json(45.9626).to_string(), "45.9626");
        assert_eq!(to_json(9_007_199_254_740_992.0).to_string(), "9007199254740992.0");
        assert_eq!(parse("72.50"), Some(72.5));
        assert_eq!(parse(" 72 "), Some(72.0));
        for text in ["", "72,5", "inf", "NaN", "1e999", "seventy", "7 2"] {
            assert_eq!(parse(text), None, "{text}");
        }
    }

    // Shows that rounding removes conversion noise and keeps extreme numbers as they are.
    #[test]
    fn rounding() {
        assert_eq!(round_significant(0.00639 * 1_000.0, 12), 6.39);
        assert_eq!(round_significant(123_456_789.123_456_7, 12), 123_456_789.123);
        assert_eq!(round_significant(1.5e300, 12), 1.5e300);
        assert_eq!(round_significant(-2.0 / 3.0, 3), -0.667);
        assert_eq!(round_significant(0.0, 12), 0.0);
    }
}
