//! The records of a generated export.

use std::io::{self, Write};

use super::kinds::{COMMON, DIASTOLIC, Kind, Quantity, RARE, SYSTOLIC, VARIABILITY};
use super::random::Random;
use super::text::Text;
use super::{Generated, Locale, Options, prologue, routes};
use crate::time::civil_from_unix;

/// 2015-01-01T00:00:00Z.
const FIRST_S: i64 = 1_420_070_400;
const DAY_S: i64 = 86_400;
/// The records of a large export spread over ten years, those of a small one lie closer.
const SPAN_S: u64 = 10 * 365 * 86_400;
const STEP_S_MAX: u64 = 240;
const WORKOUT_STEP_S: i64 = 2 * DAY_S;
const DAMAGED_EVERY: u64 = 1_000;
const DUPLICATE_EVERY: u64 = 97;
const SIBLING_EVERY: u64 = 101;
const BEATS: u64 = 40;

/// When a workout begins; route files and records agree on it.
pub(super) fn workout_start_s(options: &Options, number: u64) -> i64 {
    let jitter = Random::new(options.seed ^ number.wrapping_mul(0x9e37)).below(7_200);
    FIRST_S + 7 * 3_600 + WORKOUT_STEP_S * number as i64 + jitter as i64
}

/// One record with all that is random about it.
#[derive(Clone, Copy)]
struct Entry {
    kind: Kind,
    start_s: i64,
    position: f64,
    pointer: u64,
    watch: bool,
}

/// Writes an export from its first to its last byte.
pub(super) struct DocumentWriter<'a, W> {
    options: &'a Options,
    text: Text<W>,
    random: Random,
    /// Start of the latest record; no two records start in the same second.
    now_s: i64,
    generated: Generated,
}

impl<'a, W: Write> DocumentWriter<'a, W> {
    pub(super) fn new(options: &'a Options, out: W) -> Self {
        Self {
            options,
            text: Text::new(out, options.locale.offset_min()),
            random: Random::new(options.seed),
            now_s: FIRST_S,
            generated: Generated::default(),
        }
    }

    pub(super) fn write(mut self) -> io::Result<Generated> {
        self.head();
        while self.generated.records < self.options.records {
            self.next_records();
            self.text.pass_on()?;
        }
        for number in 0..self.options.workouts {
            self.workout(number);
            self.text.pass_on()?;
        }
        self.summaries()?;
        self.unsupported();
        if self.options.defects.truncated_tail {
            self.text.push(" <Record type=\"HKQuantityTypeIdentifierHeartRate\" sourceName=\"An");
        } else {
            self.text.push("</HealthData>\n");
        }
        self.generated.bytes = self.text.finish()?;
        Ok(self.generated)
    }

    fn head(&mut self) {
        let options = self.options;
        self.text.push(&prologue::text(options.defects.prologue));
        self.text.push("<HealthData locale=\"").push(options.locale.name()).push("\">\n");
        let end_s = FIRST_S + (options.records * self.step_s()) as i64 + 30 * DAY_S;
        self.text.push(" <ExportDate value=\"").date(end_s).push("\"/>\n <Me ");
        self.text.push("HKCharacteristicTypeIdentifierDateOfBirth=\"1980-01-01\" ");
        self.text.push("HKCharacteristicTypeIdentifierBiologicalSex=\"HKBiologicalSexNotSet\" ");
        self.text.push("HKCharacteristicTypeIdentifierBloodType=\"HKBloodTypeNotSet\"/>\n");
        self.generated.unsupported += 1;
    }

    /// Seconds between two records on average.
    fn step_s(&self) -> u64 {
        (SPAN_S / self.options.records.max(1)).clamp(2, STEP_S_MAX)
    }

    fn next_records(&mut self) {
        let entry = self.next_entry();
        if entry.kind.identifier == SYSTOLIC.identifier {
            self.blood_pressure(entry);
        } else {
            self.record(&entry);
        }
        let count = self.generated.records;
        let defects = self.options.defects;
        if defects.duplicates && count.is_multiple_of(DUPLICATE_EVERY) {
            self.write_record(&entry);
            self.generated.duplicates += 1;
        } else if defects.duplicates && count.is_multiple_of(SIBLING_EVERY) {
            self.sibling(entry);
        }
        if defects.damaged_records && count.is_multiple_of(DAMAGED_EVERY) {
            self.damaged();
        }
    }

    fn next_entry(&mut self) -> Entry {
        let step = 1 + self.random.below(2 * self.step_s() - 1);
        self.now_s += step as i64;
        let mut ticket = self.random.below(1_000);
        let mut kind = None;
        for (common, share) in COMMON {
            if ticket < share {
                kind = Some(common);
                break;
            }
            ticket -= share;
        }
        let kind = kind.unwrap_or_else(|| match self.random.below(RARE.len() as u64 + 2) {
            0 => SYSTOLIC,
            1 => VARIABILITY,
            index => RARE[index as usize - 2],
        });
        let random = self.random.next();
        Entry {
            kind,
            start_s: self.now_s,
            position: self.random.fraction(),
            pointer: random >> 28,
            watch: random & 7 != 0,
        }
    }

    fn record(&mut self, entry: &Entry) {
        self.write_record(entry);
        self.generated.records += 1;
    }

    /// Systolic and diastolic on their own, and once more together.
    fn blood_pressure(&mut self, systolic: Entry) {
        self.record(&systolic);
        let diastolic = Entry { kind: DIASTOLIC, ..systolic };
        if self.generated.records == self.options.records {
            return;
        }
        self.record(&diastolic);
        let open = " <Correlation type=\"HKCorrelationTypeIdentifierBloodPressure\"";
        self.text.push(open);
        self.shared_attributes(&systolic);
        self.text.push(">\n");
        for member in [systolic, diastolic] {
            self.text.push("  ");
            self.write_record(&member);
        }
        self.text.push(" </Correlation>\n");
        self.generated.correlations += 1;
    }

    fn sibling(&mut self, entry: Entry) {
        let other = Entry { position: (entry.position + 0.5) % 1.0, ..entry };
        let (value, _) = entry.kind.value(entry.position, self.options.locale);
        let (other_value, _) = other.kind.value(other.position, self.options.locale);
        // A type with one possible value, or a word, has no sibling to offer.
        let numeric = !matches!(entry.kind.quantity, Quantity::Category(_) | Quantity::Interval);
        let scale = 10_f64.powi(entry.kind.decimals as i32);
        if numeric && (value * scale).round() != (other_value * scale).round() {
            self.write_record(&other);
            self.generated.siblings += 1;
        }
    }

    fn write_record(&mut self, entry: &Entry) {
        let Kind { identifier, quantity, decimals, .. } = entry.kind;
        self.text.push(" <Record type=\"").push(identifier).push("\"");
        self.shared_attributes(entry);
        match quantity {
            Quantity::Interval => {}
            Quantity::Category(words) => {
                let index = (entry.position * words.len() as f64) as usize;
                let word = words.get(index).copied().unwrap_or("");
                self.text.push(" value=\"").push(word).push("\"");
            }
            _ => {
                let (value, unit) = entry.kind.value(entry.position, self.options.locale);
                self.text.push(" unit=\"").push(unit).push("\" value=\"");
                self.text.decimal(value, decimals).push("\"");
            }
        }
        if identifier == VARIABILITY.identifier {
            self.beats(entry);
        } else if identifier == COMMON[0].0.identifier && entry.pointer & 3 != 0 {
            self.text.push(">\n  <MetadataEntry key=\"HKMetadataKeyHeartRateMotionContext\" ");
            self.text.push("value=\"").integer(entry.pointer & 1);
            self.text.push("\"/>\n </Record>\n");
        } else {
            self.text.push("/>\n");
        }
    }

    fn shared_attributes(&mut self, entry: &Entry) {
        self.text.push(" sourceName=\"");
        if !entry.watch {
            self.text.push("Scale &amp; Phone\" sourceVersion=\"16.1");
        } else if self.options.defects.control_characters && entry.pointer & 63 == 0 {
            self.text.push("Anna\u{2019}s Apple").byte(0x0B).push("\u{a0}Watch");
            self.text.push("\" sourceVersion=\"9.1");
        } else {
            self.text.push("Anna&#8217;s Apple\u{a0}Watch\" sourceVersion=\"9.1");
        }
        if entry.watch {
            self.text.push("\" device=\"&lt;&lt;HKDevice: ");
            let pointers = self.options.defects.device_pointers;
            self.text.pointer(if pointers { entry.pointer } else { 0x2_82a4_5810 });
            self.text.push("&gt;, name:Apple Watch, manufacturer:Apple Inc., model:Watch, ");
            self.text.push("hardware:Watch6,2, software:9.1&gt;");
        }
        let end_s = entry.start_s + entry.kind.duration_s as i64;
        self.text.push("\" creationDate=\"").date(end_s + 9);
        self.text.push("\" startDate=\"").date(entry.start_s);
        self.text.push("\" endDate=\"").date(end_s).push("\"");
    }

    fn beats(&mut self, entry: &Entry) {
        self.text.push(">\n  <HeartRateVariabilityMetadataList>\n");
        let separator = if self.options.locale == Locale::GermanGermany { "," } else { "." };
        for beat in 0..BEATS {
            let civil = civil_from_unix((entry.start_s + beat as i64) * 1_000, 0);
            self.text.push("   <InstantaneousBeatsPerMinute bpm=\"");
            self.text.integer(60 + (entry.pointer >> (beat % 30)) % 24).push("\" time=\"");
            self.text.clock(civil.hour, civil.minute, civil.second).push(separator);
            self.text.padded((entry.pointer >> (beat % 20)) % 100, 2).push("\"/>\n");
        }
        self.text.push("  </HeartRateVariabilityMetadataList>\n </Record>\n");
    }

    /// A record that cannot be read, each time for another reason.
    fn damaged(&mut self) {
        let start = " <Record type=\"HKQuantityTypeIdentifierHeartRate\" sourceName=\"Watch\" ";
        let dates = "startDate=\"2015-01-01 00:00:00 +0000\" endDate=\"2015-01-01 00:00:00 +0000\"";
        self.text.push(start);
        match self.generated.damaged % 4 {
            0 => self.text.push("unit=\"count/min\" value=\"72,5\" ").push(dates).push("/>\n"),
            1 => self.text.push("HK Unit=\"count/min\" value=\"72\" ").push(dates).push("/>\n"),
            2 => self.text.push("unit=\"count/min\" value=\"72 ").push(dates).push("/>\n"),
            _ => self.text.push("unit=\"count/min\" value=\"72\" startDate=\"yesterday\"/>\n"),
        };
        self.generated.damaged += 1;
    }

    fn workout(&mut self, number: u64) {
        let start_s = workout_start_s(self.options, number);
        let end_s = start_s + 1_800;
        let statistics = number.is_multiple_of(2);
        self.text.push(" <Workout workoutActivityType=\"HKWorkoutActivityType");
        self.text.push(["Running", "Walking", "Cycling", "Yoga"][number as usize % 4]);
        self.text.push("\" duration=\"30.25\" durationUnit=\"min\"");
        if !statistics {
            self.text.push(" totalDistance=\"").decimal(self.random.fraction() * 9.0, 5);
            self.text.push("\" totalDistanceUnit=\"km\" totalEnergyBurned=\"");
            self.text.decimal(self.random.fraction() * 500.0, 3);
            self.text.push("\" totalEnergyBurnedUnit=\"kcal\"");
        }
        self.text.push(" sourceName=\"Anna&#8217;s Apple\u{a0}Watch\" sourceVersion=\"9.1\"");
        self.text.push(" creationDate=\"").date(end_s + 2).push("\" startDate=\"").date(start_s);
        self.text.push("\" endDate=\"").date(end_s).push("\">\n");
        self.text.push("  <MetadataEntry key=\"HKTimeZone\" value=\"Europe/Berlin\"/>\n");
        self.text.push("  <MetadataEntry key=\"HKAverageMETs\" value=\"4.5 kcal/hr\u{b7}kg\"/>\n");
        self.text.push("  <WorkoutEvent type=\"HKWorkoutEventTypeSegment\" date=\"").date(start_s);
        self.text.push("\" duration=\"7.5\" durationUnit=\"min\"/>\n");
        if statistics {
            self.workout_statistics(start_s, end_s);
        }
        if number < u64::from(self.options.routes) {
            self.text.push("  <WorkoutRoute sourceName=\"Watch\" startDate=\"").date(start_s);
            self.text.push("\" endDate=\"").date(end_s).push("\">\n   <FileReference path=\"");
            self.text.push(&routes::path(self.options, number as u32));
            self.text.push("\"/>\n  </WorkoutRoute>\n");
        }
        self.text.push(" </Workout>\n");
        self.generated.workouts += 1;
    }

    fn workout_statistics(&mut self, start_s: i64, end_s: i64) {
        for (name, unit, low, high) in [
            ("ActiveEnergyBurned", "kcal", 80.0, 600.0),
            ("DistanceWalkingRunning", "km", 1.0, 9.0),
        ] {
            self.text.push("  <WorkoutStatistics type=\"HKQuantityTypeIdentifier").push(name);
            self.text.push("\" startDate=\"").date(start_s).push("\" endDate=\"").date(end_s);
            let sum = low + (high - low) * self.random.fraction();
            self.text.push("\" sum=\"").decimal(sum, 3);
            self.text.push("\" unit=\"").push(unit).push("\"/>\n");
        }
    }

    fn summaries(&mut self) -> io::Result<()> {
        let mut day_s = FIRST_S;
        while day_s <= self.now_s {
            self.text.push(" <ActivitySummary dateComponents=\"").day(day_s);
            self.text.push("\" activeEnergyBurned=\"").decimal(self.random.fraction() * 900.0, 3);
            self.text.push("\" activeEnergyBurnedGoal=\"450\" activeEnergyBurnedUnit=\"kcal\"");
            self.text.push(" appleMoveTime=\"0\" appleMoveTimeGoal=\"0\" appleExerciseTime=\"");
            self.text.integer(self.random.below(120));
            self.text.push("\" appleExerciseTimeGoal=\"30\" appleStandHours=\"");
            self.text.integer(self.random.below(17));
            self.text.push("\" appleStandHoursGoal=\"12\"/>\n");
            self.text.pass_on()?;
            self.generated.summaries += 1;
            day_s += DAY_S;
        }
        Ok(())
    }

    fn unsupported(&mut self) {
        self.text.push(" <ClinicalRecord type=\"Immunization\" identifier=\"1\" ");
        self.text.push("resourceFilePath=\"/clinical-records/Immunization-1.json\"/>\n");
        self.text.push(" <Audiogram type=\"HKDataTypeIdentifierAudiogram\">\n");
        self.text.push("  <SensitivityPoint frequencyValue=\"250\"/>\n </Audiogram>\n");
        self.text.push(" <VisionPrescription type=\"glasses\"/>\n");
        self.generated.unsupported += 3;
    }
}
