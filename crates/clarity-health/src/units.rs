//! Canonical units.
#![doc = include_str!("units.md")]

use crate::number::{parse, round_significant};

/// A value in its canonical unit.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Canonical<'a> {
    /// The number.
    pub(crate) value: f64,
    /// The canonical unit, or the unit of the export when it is not known.
    pub(crate) unit: &'a str,
    /// Whether `value` is another number than the export wrote.
    pub(crate) converted: bool,
}

/// `canonical = (value - subtract) * multiply / divide`.
struct Rule {
    unit: &'static str,
    subtract: f64,
    multiply: f64,
    divide: f64,
}

const fn same(unit: &'static str) -> Rule {
    Rule { unit, subtract: 0.0, multiply: 1.0, divide: 1.0 }
}

const fn times(unit: &'static str, multiply: f64) -> Rule {
    Rule { multiply, ..same(unit) }
}

const fn over(unit: &'static str, divide: f64) -> Rule {
    Rule { divide, ..same(unit) }
}

/// Converts a number from the unit of an export.
///
/// `metric` is the type without its prefix; it decides where a unit alone does not (food is
/// weighed in grams, and `mg/dL` needs to know the substance).
pub(crate) fn canonical<'a>(metric: &str, value: f64, unit: &'a str) -> Canonical<'a> {
    let Some(rule) = rule(metric, unit) else {
        return Canonical { value, unit, converted: false };
    };
    if rule.subtract == 0.0 && rule.multiply == rule.divide {
        return Canonical { value, unit: rule.unit, converted: false };
    }
    let converted = round_significant((value - rule.subtract) * rule.multiply / rule.divide, 12);
    Canonical { value: converted, unit: rule.unit, converted: converted != value }
}

/// Reads a number and converts it; none when it is not a number.
pub(crate) fn canonical_text<'a>(
    metric: &str,
    text: &str,
    unit: Option<&'a str>,
) -> Option<Canonical<'a>> {
    let value = parse(text)?;
    Some(canonical(metric, value, unit.unwrap_or("")))
}

fn rule(metric: &str, unit: &str) -> Option<Rule> {
    let rule = match unit {
        "count" | "count/min" | "kcal" | "m" | "mL" | "degC" | "m/s" | "mmHg" | "min" => {
            return None;
        }
        "Cal" => same("kcal"),
        "cal" => over("kcal", 1_000.0),
        "kJ" => over("kcal", 4.184),
        "J" => over("kcal", 4_184.0),
        "km" => times("m", 1_000.0),
        "cm" => over("m", 100.0),
        "mm" => over("m", 1_000.0),
        "mi" => times("m", 1_609.344),
        "yd" => times("m", 0.9144),
        "ft" => times("m", 0.3048),
        "in" => times("m", 0.0254),
        "kg" | "g" | "mg" | "mcg" | "lb" | "oz" | "st" => return mass(metric, unit),
        "L" => times("mL", 1_000.0),
        "fl_oz_us" => times("mL", 29.573_529_562_5),
        "fl_oz_imp" => times("mL", 28.413_062_5),
        "cup_us" => times("mL", 236.588_236_5),
        "cup_imp" => times("mL", 284.130_625),
        "pt_us" => times("mL", 473.176_473),
        "pt_imp" => times("mL", 568.261_25),
        "degF" => Rule { unit: "degC", subtract: 32.0, multiply: 1.0, divide: 1.8 },
        "K" => Rule { subtract: 273.15, ..same("degC") },
        "km/hr" => over("m/s", 3.6),
        "mi/hr" => times("m/s", 0.447_04),
        "ft/s" => times("m/s", 0.3048),
        "kPa" => over("mmHg", 0.133_322_387_415),
        "hPa" => over("mmHg", 1.333_223_874_15),
        "inHg" => times("mmHg", 25.4),
        "cmAq" => times("mmHg", 0.735_559_121),
        "mg/dL" if metric == "BloodGlucose" => over("mmol/L", 18.015_588),
        "%" => same("1"),
        "count/s" => times("count/min", 60.0),
        "hr" => times("min", 60.0),
        // The molar mass is part of the unit's name, with the noise of a float.
        _ if unit.starts_with("mmol<") && unit.ends_with(">/L") => same("mmol/L"),
        _ => return None,
    };
    Some(rule)
}

fn mass(metric: &str, unit: &str) -> Option<Rule> {
    let food = metric.starts_with("Dietary");
    let rule = match (food, unit) {
        (false, "kg") | (true, "g") => return None,
        (false, "g") => over("kg", 1_000.0),
        (false, "lb") => times("kg", 0.453_592_37),
        (false, "oz") => times("kg", 0.028_349_523_125),
        (false, "st") => times("kg", 6.350_293_18),
        (true, "mg") => over("g", 1_000.0),
        (true, "mcg") => over("g", 1_000_000.0),
        (true, "kg") => times("g", 1_000.0),
        (true, "oz") => times("g", 28.349_523_125),
        (true, "lb") => times("g", 453.592_37),
        _ => return None,
    };
    Some(rule)
}

#[cfg(test)]
mod tests {
    use super::*;

    // Shows every conversion of the table with one value that is known from elsewhere.
    #[test]
    fn every_unit_of_the_table() {
        let table = [
            ("ActiveEnergyBurned", "Cal", 12.5, "kcal", 12.5),
            ("ActiveEnergyBurned", "kJ", 4.184, "kcal", 1.0),
            ("ActiveEnergyBurned", "cal", 1_500.0, "kcal", 1.5),
            ("ActiveEnergyBurned", "J", 8_368.0, "kcal", 2.0),
            ("DistanceWalkingRunning", "km", 0.00639, "m", 6.39),
            ("DistanceWalkingRunning", "mi", 1.0, "m", 1_609.344),
            ("DistanceSwimming", "yd", 25.0, "m", 22.86),
            ("Height", "cm", 172.0, "m", 1.72),
            ("Height", "ft", 6.0, "m", 1.8288),
            ("WalkingStepLength", "in", 30.0, "m", 0.762),
            ("BodyMass", "lb", 150.0, "kg", 68.038_855_5),
            ("BodyMass", "st", 11.0, "kg", 69.853_224_98),
            ("BodyMass", "kg", 70.5, "kg", 70.5),
            ("DietaryProtein", "g", 20.0, "g", 20.0),
            ("DietarySodium", "mg", 1_200.0, "g", 1.2),
            ("DietaryVitaminA", "mcg", 900.0, "g", 0.0009),
            ("DietaryWater", "fl_oz_us", 8.0, "mL", 236.588_236_5),
            ("ForcedVitalCapacity", "L", 4.2, "mL", 4_200.0),
            ("BodyTemperature", "degF", 98.6, "degC", 37.0),
            ("BodyTemperature", "K", 310.15, "degC", 37.0),
            ("WalkingSpeed", "km/hr", 5.4, "m/s", 1.5),
            ("WalkingSpeed", "mi/hr", 10.0, "m/s", 4.4704),
            ("BloodPressureSystolic", "kPa", 16.0, "mmHg", 120.009_852_135),
            ("BloodGlucose", "mg/dL", 90.0, "mmol/L", 4.995_673_746_54),
            ("BloodGlucose", "mmol<180.1558800000541>/L", 5.5, "mmol/L", 5.5),
            ("OxygenSaturation", "%", 0.97, "1", 0.97),
            ("HeartRate", "count/s", 1.2, "count/min", 72.0),
            ("HeartRate", "count/min", 72.0, "count/min", 72.0),
            ("AppleExerciseTime", "hr", 0.5, "min", 30.0),
            ("VO2Max", "mL/min·kg", 41.5, "mL/min·kg", 41.5),
            ("Unknown", "mg/dL", 90.0, "mg/dL", 90.0),
        ];
        for (metric, unit, value, expected_unit, expected) in table {
            let canonical = canonical(metric, value, unit);
            assert_eq!((canonical.unit, canonical.value), (expected_unit, expected), "{unit}");
            assert_eq!(canonical.converted, value != expected, "{metric} {unit}");
        }
    }
}
