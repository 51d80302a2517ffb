//! The metrics that other formats name: LOINC codes, UCUM units and the words of tables.

/// One metric as the Health app names it, with its names elsewhere.
#[derive(Debug)]
pub(crate) struct Metric {
    /// The name here, as in the field `metric`.
    pub(crate) name: &'static str,
    /// LOINC codes; the first one is written, all are read.
    pub(crate) loinc: &'static [&'static str],
    /// The unit of the field `unit`.
    pub(crate) unit: &'static str,
    /// The UCUM code that is written.
    pub(crate) ucum: &'static str,
    /// `written = value * factor`: FHIR wants percent and centimetres.
    pub(crate) factor: f64,
    /// The FHIR category.
    pub(crate) category: &'static str,
    /// What headings of tables call it, in lower case and without signs.
    pub(crate) words: &'static [&'static str],
}

const VITAL: &str = "vital-signs";
const ACTIVITY: &str = "activity";

macro_rules! metrics {
    ($($name:literal $loinc:expr, $unit:literal, $ucum:literal * $factor:literal, $category:expr,
       $words:expr;)*) => {
        &[$(Metric {
            name: $name, loinc: &$loinc, unit: $unit, ucum: $ucum, factor: $factor,
            category: $category, words: &$words,
        }),*]
    };
}

/// All of them.
#[rustfmt::skip]
pub(crate) const METRICS: &[Metric] = metrics! {
    "HeartRate" ["8867-4"], "count/min", "/min" * 1.0, VITAL, ["heart rate", "pulse", "hr", "bpm"];
    "RestingHeartRate" ["40443-4"], "count/min", "/min" * 1.0, VITAL, ["resting heart rate"];
    "HeartRateVariabilitySDNN" ["80404-7"], "ms", "ms" * 1.0, VITAL, ["sdnn", "hrv sdnn"];
    "StepCount" ["55423-8", "41950-7"], "count", "{steps}" * 1.0, ACTIVITY, ["steps", "step count"];
    "ActiveEnergyBurned" ["55424-6", "41979-6"], "kcal", "kcal" * 1.0, ACTIVITY,
        ["active energy", "active energy burned", "calories active"];
    "AppleExerciseTime" ["55411-3"], "min", "min" * 1.0, ACTIVITY,
        ["exercise time", "exercise minutes"];
    "DistanceWalkingRunning" ["55430-3"], "m", "m" * 1.0, ACTIVITY,
        ["distance", "walking running distance"];
    "BodyMass" ["29463-7", "3141-9"], "kg", "kg" * 1.0, VITAL,
        ["weight", "body mass", "body weight"];
    "Height" ["8302-2"], "m", "cm" * 100.0, VITAL, ["height", "body height"];
    "BodyMassIndex" ["39156-5"], "count", "kg/m2" * 1.0, VITAL, ["bmi", "body mass index"];
    "BodyFatPercentage" ["41982-0"], "1", "%" * 100.0, VITAL,
        ["body fat", "body fat percentage", "fat"];
    "OxygenSaturation" ["2708-6", "59408-5"], "1", "%" * 100.0, VITAL,
        ["oxygen saturation", "blood oxygen", "spo2"];
    "RespiratoryRate" ["9279-1"], "count/min", "/min" * 1.0, VITAL,
        ["respiratory rate", "breathing rate"];
    "BodyTemperature" ["8310-5", "8331-1"], "degC", "Cel" * 1.0, VITAL,
        ["temperature", "body temperature"];
    "BloodGlucose" ["15074-8", "2339-0"], "mmol/L", "mmol/L" * 1.0, VITAL,
        ["glucose", "blood glucose", "blood sugar"];
    "BloodPressureSystolic" ["8480-6"], "mmHg", "mm[Hg]" * 1.0, VITAL,
        ["systolic", "systolic blood pressure", "blood pressure systolic", "sys"];
    "BloodPressureDiastolic" ["8462-4"], "mmHg", "mm[Hg]" * 1.0, VITAL,
        ["diastolic", "diastolic blood pressure", "blood pressure diastolic", "dia"];
    "VO2Max" ["60842-2"], "mL/min·kg", "mL/min/kg" * 1.0, ACTIVITY, ["vo2max", "vo2 max"];
};

/// The codes of a blood pressure with both values.
pub(crate) const BLOOD_PRESSURE_PANEL: &str = "85354-9";

/// The metric with this name.
pub(crate) fn by_name(name: &str) -> Option<&'static Metric> {
    METRICS.iter().find(|metric| metric.name == name)
}

/// The metric with this LOINC code.
pub(crate) fn by_loinc(code: &str) -> Option<&'static Metric> {
    METRICS.iter().find(|metric| metric.loinc.contains(&code))
}

/// The metric that these words of a table name, or the name itself.
pub(crate) fn by_words(words: &str) -> Option<&'static Metric> {
    let plain = plain_words(words);
    let named = |metric: &&Metric| {
        metric.name.eq_ignore_ascii_case(words.trim()) || metric.words.contains(&plain.as_str())
    };
    METRICS.iter().find(named)
}

/// Words in lower case, with single spaces and no other signs.
pub(crate) fn plain_words(text: &str) -> String {
    let letters = text.chars().map(|c| if c.is_alphanumeric() { c } else { ' ' });
    let lower: String = letters.flat_map(char::to_lowercase).collect();
    lower.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// A number with its unit in the words of UCUM or of a table, as an export of the Health app
/// would write it. `%` is a hundredth here, and a fraction there.
pub(crate) fn from_ucum<'a>(metric: &str, value: f64, unit: &'a str) -> (f64, &'a str) {
    let known = by_name(metric);
    let is_fraction = known.is_some_and(|metric| metric.unit == "1");
    match unit {
        "%" | "percent" if is_fraction => (value / 100.0, "1"),
        // Not through the table of the Health app's units, in which it is a fraction.
        "%" => (value, "percent"),
        "" => (value, known.map_or("", |metric| metric.unit)),
        "/min" | "1/min" | "{beats}/min" | "{Beats}/min" | "beats/min" | "{breaths}/min"
        | "breaths/min" | "bpm" => (value, "count/min"),
        "mm[Hg]" | "mm Hg" => (value, "mmHg"),
        "Cel" | "°C" | "C" => (value, "degC"),
        "[degF]" | "°F" | "F" => (value, "degF"),
        "[lb_av]" | "lbs" => (value, "lb"),
        "[oz_av]" => (value, "oz"),
        "[stone_av]" => (value, "st"),
        "[in_i]" | "inches" => (value, "in"),
        "[ft_i]" => (value, "ft"),
        "[yd_i]" => (value, "yd"),
        "[mi_i]" | "miles" => (value, "mi"),
        "h" | "hours" => (value, "hr"),
        "kg/m2" | "kg/m²" if metric == "BodyMassIndex" => (value, "count"),
        "mL/min/kg" | "mL/(kg.min)" | "ml/kg/min" => (value, "mL/min·kg"),
        "{steps}" | "steps" | "{count}" | "/d" | "{steps}/d" if metric == "StepCount" => {
            (value, "count")
        }
        other => (value, other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Shows that no code and no word names two metrics.
    #[test]
    fn names_are_unique() {
        let mut codes = std::collections::BTreeSet::new();
        let mut words = std::collections::BTreeSet::new();
        for metric in METRICS {
            assert!(metric.loinc.iter().all(|code| codes.insert(*code)), "{}", metric.name);
            assert!(metric.words.iter().all(|word| words.insert(*word)), "{}", metric.name);
            assert!(metric.words.iter().all(|word| plain_words(word) == *word), "{}", metric.name);
        }
    }

    /// Shows that a percentage becomes a fraction only where the metric is one.
    #[test]
    fn percentages() {
        assert_eq!(from_ucum("OxygenSaturation", 97.0, "%"), (0.97, "1"));
        assert_eq!(from_ucum("LOINC 4544-3", 45.0, "%"), (45.0, "percent"));
        assert_eq!(by_words(" Blood-Oxygen ").map(|metric| metric.name), Some("OxygenSaturation"));
    }
}
