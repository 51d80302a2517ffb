//! The 93 types of records that a generated export has, with their units in three locales.

use super::Locale;

/// What a number measures; it decides the unit in each locale.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Quantity {
    Energy,
    Distance,
    Height,
    Mass,
    Volume,
    Temperature,
    Speed,
    Glucose,
    /// The same unit everywhere.
    Fixed(&'static str),
    /// A word from this list.
    Category(&'static [&'static str]),
    /// Neither value nor unit.
    Interval,
}

/// One type of record.
#[derive(Debug, Clone, Copy)]
pub(super) struct Kind {
    pub(super) identifier: &'static str,
    pub(super) quantity: Quantity,
    low: f64,
    high: f64,
    pub(super) decimals: u32,
    /// How long one record lasts; 0 for a moment.
    pub(super) duration_s: u64,
}

const fn kind(
    identifier: &'static str,
    quantity: Quantity,
    low: f64,
    high: f64,
    decimals: u32,
    duration_s: u64,
) -> Kind {
    Kind { identifier, quantity, low, high, decimals, duration_s }
}

const fn word(identifier: &'static str, words: &'static [&'static str], duration_s: u64) -> Kind {
    kind(identifier, Quantity::Category(words), 0.0, 0.0, 0, duration_s)
}

impl Kind {
    /// A value and its unit as this locale writes them. `position` is from 0 to 1.
    pub(super) fn value(&self, position: f64, locale: Locale) -> (f64, &'static str) {
        let value = self.low + (self.high - self.low) * position;
        let american = locale == Locale::EnglishUnitedStates;
        match self.quantity {
            Quantity::Energy if american => (value, "Cal"),
            Quantity::Energy if locale == Locale::ChineseChina => (value * 4.184, "kJ"),
            Quantity::Energy => (value, "kcal"),
            Quantity::Distance if american => (value / 1.609_344, "mi"),
            Quantity::Distance => (value, "km"),
            Quantity::Height if american => (value / 30.48, "ft"),
            Quantity::Height => (value, "cm"),
            Quantity::Mass if american => (value / 0.453_592_37, "lb"),
            Quantity::Mass => (value, "kg"),
            Quantity::Volume if american => (value / 29.573_529_562_5, "fl_oz_us"),
            Quantity::Volume => (value, "mL"),
            Quantity::Temperature if american => (value * 1.8 + 32.0, "degF"),
            Quantity::Temperature => (value, "degC"),
            Quantity::Speed if american => (value / 1.609_344, "mi/hr"),
            Quantity::Speed => (value, "km/hr"),
            Quantity::Glucose if american => (value * 18.015_588, "mg/dL"),
            Quantity::Glucose => (value, "mmol&lt;180.1558800000541&gt;/L"),
            Quantity::Fixed(unit) => (value, unit),
            Quantity::Category(_) | Quantity::Interval => (value, ""),
        }
    }
}

use Quantity::{
    Distance, Energy, Fixed, Glucose, Height, Interval, Mass, Speed, Temperature, Volume,
};

/// The types that most records have, and how many in a thousand.
pub(super) const COMMON: [(Kind, u64); 5] = [
    (kind("HKQuantityTypeIdentifierHeartRate", Fixed("count/min"), 48.0, 172.0, 0, 0), 450),
    (kind("HKQuantityTypeIdentifierActiveEnergyBurned", Energy, 0.05, 14.0, 3, 58), 220),
    (kind("HKQuantityTypeIdentifierBasalEnergyBurned", Energy, 0.2, 18.0, 3, 600), 120),
    (kind("HKQuantityTypeIdentifierStepCount", Fixed("count"), 3.0, 900.0, 0, 540), 90),
    (kind("HKQuantityTypeIdentifierDistanceWalkingRunning", Distance, 0.002, 0.8, 5, 540), 60),
];

/// The two values of a blood pressure, which are written together.
pub(super) const SYSTOLIC: Kind =
    kind("HKQuantityTypeIdentifierBloodPressureSystolic", Fixed("mmHg"), 98.0, 158.0, 0, 0);
pub(super) const DIASTOLIC: Kind =
    kind("HKQuantityTypeIdentifierBloodPressureDiastolic", Fixed("mmHg"), 58.0, 98.0, 0, 0);

/// Heart rate variability, which comes with its beats.
pub(super) const VARIABILITY: Kind =
    kind("HKQuantityTypeIdentifierHeartRateVariabilitySDNN", Fixed("ms"), 12.0, 140.0, 4, 61);

const SEVERITY: &[&str] = &[
    "HKCategoryValueSeverityMild",
    "HKCategoryValueSeverityModerate",
    "HKCategoryValueSeveritySevere",
];
const NOT_APPLICABLE: &[&str] = &["HKCategoryValueNotApplicable"];

/// Everything else.
pub(super) const RARE: [Kind; 85] = [
    kind("HKQuantityTypeIdentifierRestingHeartRate", Fixed("count/min"), 44.0, 78.0, 0, 60_000),
    kind(
        "HKQuantityTypeIdentifierWalkingHeartRateAverage",
        Fixed("count/min"),
        70.0,
        130.0,
        1,
        40_000,
    ),
    kind(
        "HKQuantityTypeIdentifierHeartRateRecoveryOneMinute",
        Fixed("count/min"),
        10.0,
        45.0,
        3,
        0,
    ),
    kind("HKQuantityTypeIdentifierRespiratoryRate", Fixed("count/min"), 9.0, 22.0, 1, 0),
    kind("HKQuantityTypeIdentifierOxygenSaturation", Fixed("%"), 0.9, 1.0, 2, 0),
    kind("HKQuantityTypeIdentifierVO2Max", Fixed("mL/min\u{b7}kg"), 28.0, 58.0, 2, 0),
    kind("HKQuantityTypeIdentifierBodyMass", Mass, 54.0, 96.0, 2, 0),
    kind("HKQuantityTypeIdentifierLeanBodyMass", Mass, 42.0, 70.0, 2, 0),
    kind("HKQuantityTypeIdentifierBodyMassIndex", Fixed("count"), 19.0, 29.0, 4, 0),
    kind("HKQuantityTypeIdentifierBodyFatPercentage", Fixed("%"), 0.1, 0.34, 3, 0),
    kind("HKQuantityTypeIdentifierHeight", Height, 150.0, 196.0, 0, 0),
    kind("HKQuantityTypeIdentifierWaistCircumference", Height, 66.0, 104.0, 1, 0),
    kind("HKQuantityTypeIdentifierBodyTemperature", Temperature, 36.1, 39.2, 1, 0),
    kind("HKQuantityTypeIdentifierBasalBodyTemperature", Temperature, 36.0, 37.1, 2, 0),
    kind(
        "HKQuantityTypeIdentifierAppleSleepingWristTemperature",
        Temperature,
        34.0,
        36.8,
        3,
        28_000,
    ),
    kind("HKQuantityTypeIdentifierBloodGlucose", Glucose, 3.9, 10.0, 1, 0),
    kind("HKQuantityTypeIdentifierInsulinDelivery", Fixed("IU"), 0.5, 12.0, 1, 0),
    kind("HKQuantityTypeIdentifierBloodAlcoholContent", Fixed("%"), 0.0, 0.0009, 5, 0),
    kind("HKQuantityTypeIdentifierNumberOfAlcoholicBeverages", Fixed("count"), 1.0, 4.0, 0, 0),
    kind("HKQuantityTypeIdentifierElectrodermalActivity", Fixed("mcS"), 0.1, 12.0, 2, 0),
    kind("HKQuantityTypeIdentifierPeripheralPerfusionIndex", Fixed("%"), 0.01, 0.09, 3, 0),
    kind("HKQuantityTypeIdentifierForcedVitalCapacity", Fixed("L"), 3.0, 5.6, 2, 0),
    kind("HKQuantityTypeIdentifierForcedExpiratoryVolume1", Fixed("L"), 2.4, 4.4, 2, 0),
    kind("HKQuantityTypeIdentifierPeakExpiratoryFlowRate", Fixed("L/min"), 320.0, 640.0, 0, 0),
    kind("HKQuantityTypeIdentifierInhalerUsage", Fixed("count"), 1.0, 3.0, 0, 0),
    kind("HKQuantityTypeIdentifierNumberOfTimesFallen", Fixed("count"), 1.0, 2.0, 0, 0),
    kind("HKQuantityTypeIdentifierFlightsClimbed", Fixed("count"), 1.0, 9.0, 0, 300),
    kind("HKQuantityTypeIdentifierDistanceCycling", Distance, 0.01, 2.4, 5, 120),
    kind("HKQuantityTypeIdentifierDistanceSwimming", Fixed("m"), 25.0, 50.0, 0, 60),
    kind("HKQuantityTypeIdentifierDistanceWheelchair", Distance, 0.01, 0.8, 4, 300),
    kind("HKQuantityTypeIdentifierDistanceDownhillSnowSports", Distance, 0.2, 3.0, 4, 300),
    kind("HKQuantityTypeIdentifierSwimmingStrokeCount", Fixed("count"), 8.0, 40.0, 0, 60),
    kind("HKQuantityTypeIdentifierPushCount", Fixed("count"), 8.0, 90.0, 0, 60),
    kind("HKQuantityTypeIdentifierAppleExerciseTime", Fixed("min"), 1.0, 1.0, 0, 60),
    kind("HKQuantityTypeIdentifierAppleStandTime", Fixed("min"), 1.0, 5.0, 0, 300),
    kind("HKQuantityTypeIdentifierAppleMoveTime", Fixed("min"), 1.0, 5.0, 0, 300),
    kind("HKQuantityTypeIdentifierTimeInDaylight", Fixed("min"), 1.0, 60.0, 0, 3_600),
    kind("HKQuantityTypeIdentifierPhysicalEffort", Fixed("kcal/hr\u{b7}kg"), 1.0, 9.0, 1, 600),
    kind(
        "HKQuantityTypeIdentifierWorkoutEffortScore",
        Fixed("appleEffortScore"),
        1.0,
        10.0,
        0,
        1_800,
    ),
    kind("HKQuantityTypeIdentifierWalkingSpeed", Speed, 2.6, 6.4, 3, 20),
    kind("HKQuantityTypeIdentifierWalkingStepLength", Height, 54.0, 84.0, 0, 20),
    kind("HKQuantityTypeIdentifierWalkingAsymmetryPercentage", Fixed("%"), 0.0, 0.2, 3, 20),
    kind("HKQuantityTypeIdentifierWalkingDoubleSupportPercentage", Fixed("%"), 0.2, 0.36, 3, 20),
    kind("HKQuantityTypeIdentifierAppleWalkingSteadiness", Fixed("%"), 0.8, 1.0, 3, 600_000),
    kind("HKQuantityTypeIdentifierSixMinuteWalkTestDistance", Fixed("m"), 400.0, 500.0, 0, 0),
    kind("HKQuantityTypeIdentifierStairAscentSpeed", Fixed("m/s"), 0.2, 0.7, 3, 10),
    kind("HKQuantityTypeIdentifierStairDescentSpeed", Fixed("m/s"), 0.2, 0.8, 3, 10),
    kind("HKQuantityTypeIdentifierRunningSpeed", Speed, 7.0, 15.0, 3, 5),
    kind("HKQuantityTypeIdentifierRunningPower", Fixed("W"), 140.0, 320.0, 0, 5),
    kind("HKQuantityTypeIdentifierRunningStrideLength", Fixed("m"), 0.7, 1.4, 2, 5),
    kind("HKQuantityTypeIdentifierRunningVerticalOscillation", Fixed("cm"), 6.0, 11.0, 1, 5),
    kind("HKQuantityTypeIdentifierRunningGroundContactTime", Fixed("ms"), 200.0, 310.0, 0, 5),
    kind("HKQuantityTypeIdentifierCyclingSpeed", Speed, 12.0, 42.0, 3, 5),
    kind("HKQuantityTypeIdentifierCyclingPower", Fixed("W"), 80.0, 340.0, 0, 5),
    kind("HKQuantityTypeIdentifierCyclingCadence", Fixed("count/min"), 60.0, 105.0, 0, 5),
    kind("HKQuantityTypeIdentifierUnderwaterDepth", Fixed("m"), 1.0, 24.0, 2, 5),
    kind("HKQuantityTypeIdentifierWaterTemperature", Temperature, 9.0, 28.0, 1, 60),
    kind("HKQuantityTypeIdentifierUVExposure", Fixed("count"), 1.0, 9.0, 0, 600),
    kind(
        "HKQuantityTypeIdentifierEnvironmentalAudioExposure",
        Fixed("dBASPL"),
        38.0,
        96.0,
        4,
        1_800,
    ),
    kind("HKQuantityTypeIdentifierHeadphoneAudioExposure", Fixed("dBASPL"), 42.0, 98.0, 4, 900),
    kind("HKQuantityTypeIdentifierEnvironmentalSoundReduction", Fixed("dBASPL"), 4.0, 22.0, 2, 600),
    kind("HKQuantityTypeIdentifierAtrialFibrillationBurden", Fixed("%"), 0.0, 0.04, 3, 600_000),
    kind(
        "HKQuantityTypeIdentifierAppleSleepingBreathingDisturbances",
        Fixed("count"),
        0.0,
        12.0,
        2,
        28_000,
    ),
    kind("HKQuantityTypeIdentifierDietaryEnergyConsumed", Energy, 60.0, 980.0, 0, 0),
    kind("HKQuantityTypeIdentifierDietaryProtein", Fixed("g"), 1.0, 60.0, 1, 0),
    kind("HKQuantityTypeIdentifierDietaryCarbohydrates", Fixed("g"), 2.0, 140.0, 1, 0),
    kind("HKQuantityTypeIdentifierDietaryFatTotal", Fixed("g"), 1.0, 70.0, 1, 0),
    kind("HKQuantityTypeIdentifierDietarySodium", Fixed("mg"), 20.0, 1_800.0, 0, 0),
    kind("HKQuantityTypeIdentifierDietaryVitaminD", Fixed("mcg"), 1.0, 50.0, 1, 0),
    kind("HKQuantityTypeIdentifierDietaryCaffeine", Fixed("mg"), 20.0, 240.0, 0, 0),
    kind("HKQuantityTypeIdentifierDietaryWater", Volume, 100.0, 900.0, 0, 0),
    word(
        "HKCategoryTypeIdentifierSleepAnalysis",
        &[
            "HKCategoryValueSleepAnalysisInBed",
            "HKCategoryValueSleepAnalysisAsleepCore",
            "HKCategoryValueSleepAnalysisAsleepDeep",
            "HKCategoryValueSleepAnalysisAsleepREM",
            "HKCategoryValueSleepAnalysisAwake",
        ],
        1_500,
    ),
    word(
        "HKCategoryTypeIdentifierAppleStandHour",
        &["HKCategoryValueAppleStandHourStood", "HKCategoryValueAppleStandHourIdle"],
        3_600,
    ),
    word("HKCategoryTypeIdentifierMindfulSession", NOT_APPLICABLE, 600),
    word("HKCategoryTypeIdentifierHandwashingEvent", NOT_APPLICABLE, 21),
    word("HKCategoryTypeIdentifierToothbrushingEvent", NOT_APPLICABLE, 120),
    word("HKCategoryTypeIdentifierHighHeartRateEvent", NOT_APPLICABLE, 600),
    word("HKCategoryTypeIdentifierLowHeartRateEvent", NOT_APPLICABLE, 600),
    word("HKCategoryTypeIdentifierHeadache", SEVERITY, 7_200),
    word("HKCategoryTypeIdentifierFatigue", SEVERITY, 36_000),
    word("HKCategoryTypeIdentifierCoughing", SEVERITY, 36_000),
    word(
        "HKCategoryTypeIdentifierAudioExposureEvent",
        &["HKCategoryValueEnvironmentalAudioExposureEventMomentaryLimit"],
        180,
    ),
    word(
        "HKCategoryTypeIdentifierMenstrualFlow",
        &["HKCategoryValueMenstrualFlowLight", "HKCategoryValueMenstrualFlowMedium"],
        0,
    ),
    kind("HKDataTypeSleepDurationGoal", Fixed("min"), 480.0, 480.0, 0, 0),
    kind("HKCategoryTypeIdentifierSexualActivity", Interval, 0.0, 0.0, 0, 0),
];

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    // Shows that there are 93 different types.
    #[test]
    fn ninety_three_types() {
        let mut names: BTreeSet<_> = RARE.iter().map(|kind| kind.identifier).collect();
        names.extend(COMMON.iter().map(|(kind, _)| kind.identifier));
        names.extend([SYSTOLIC, DIASTOLIC, VARIABILITY].map(|kind| kind.identifier));
        assert_eq!(names.len(), 93);
    }
}
