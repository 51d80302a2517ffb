//! The exact form of what is handed over and reported: what is stored and shown must not change by
//! accident.

use clarity_health::generate::{Locale, Options};
use clarity_health::{Sample, bundled_export, sample::entity_type};
use serde_json::Value;

use crate::support::{data, export, field, of_type, read_all, read_path, read_xml, record};

/// A sample as JSON, with a route cut to its first points.
fn shape(sample: &Sample) -> Value {
    let mut shape = serde_json::to_value(sample).unwrap();
    if let Some(points) = shape.pointer_mut("/fields/points").and_then(Value::as_array_mut) {
        points.truncate(2);
    }
    if let Some(beats) = shape.pointer_mut("/fields/beats").and_then(Value::as_array_mut) {
        beats.truncate(2);
    }
    shape
}

fn bundled() -> Vec<Sample> {
    read_all(&mut bundled_export().open().unwrap()).unwrap().0
}

// Shows the form of a measurement, a category, and a record with beats.
#[test]
fn health_metrics() {
    let samples = bundled();
    insta::assert_json_snapshot!("health_metric", shape(&samples[0]));
    let category = samples.iter().find(|sample| sample.fields.contains_key("category")).unwrap();
    insta::assert_json_snapshot!("health_metric_category", shape(category));
    let beats = samples.iter().find(|sample| sample.fields.contains_key("beats")).unwrap();
    insta::assert_json_snapshot!("health_metric_beats", shape(beats));
}

// Shows the form of a workout of 2016 with totals, and of a summary.
#[test]
fn workouts_and_summaries() {
    let (samples, _) = read_path(&data("dogsheep/zip_contents")).unwrap();
    insta::assert_json_snapshot!("workout", shape(of_type(&samples, entity_type::WORKOUT)[0]));
    let summary = of_type(&samples, entity_type::ACTIVITY_SUMMARY)[0];
    insta::assert_json_snapshot!("activity_summary", shape(summary));
}

// Shows the form of route chunks from a file and from inside a workout.
#[test]
fn routes() {
    let samples = bundled();
    let chunks = of_type(&samples, entity_type::WORKOUT_ROUTE);
    insta::assert_json_snapshot!("workout_route", shape(chunks[0]));
    let (samples, _) = read_path(&data("dogsheep/export.xml")).unwrap();
    let inline = of_type(&samples, entity_type::WORKOUT_ROUTE)[0];
    insta::assert_json_snapshot!("workout_route_inline", shape(inline));
}

// Shows the form of a workout with statistics, events with metadata, and parts that are left out.
#[test]
fn workout_with_statistics() {
    let dates = "startDate=\"2022-10-02 08:00:00 +0200\" endDate=\"2022-10-02 08:30:00 +0200\"";
    let body = format!(
        "<Workout workoutActivityType=\"HKWorkoutActivityTypeRunning\" duration=\"30\" \
         durationUnit=\"min\" totalDistance=\"1\" totalDistanceUnit=\"km\" \
         sourceName=\"W\" {dates}>\
         <MetadataEntry key=\"HKIndoorWorkout\" value=\"0\"/>\
         <WorkoutEvent type=\"HKWorkoutEventTypePause\" date=\"2022-10-02 08:10:00 +0200\" \
         duration=\"1.5\" durationUnit=\"min\"><MetadataEntry key=\"k\" value=\"v\"/>\
         </WorkoutEvent>\
         <WorkoutStatistics type=\"HKQuantityTypeIdentifierHeartRate\" {dates} average=\"140.5\" \
         minimum=\"90\" maximum=\"171\" unit=\"count/min\"/>\
         <WorkoutStatistics type=\"HKQuantityTypeIdentifierDistanceWalkingRunning\" {dates} \
         sum=\"3.1\" unit=\"mi\"/>\
         <WorkoutStatistics type=\"HKQuantityTypeIdentifierActiveEnergyBurned\" {dates} \
         sum=\"1000\" unit=\"kJ\"/>\
         <WorkoutActivity uuid=\"1\" startDate=\"2022-10-02 08:00:00 +0200\">\
         <WorkoutStatistics type=\"HKQuantityTypeIdentifierActiveEnergyBurned\" sum=\"9\" \
         unit=\"kcal\"/><MetadataEntry key=\"inner\" value=\"1\"/></WorkoutActivity></Workout>"
    );
    let (samples, report) = read_xml(export(&body));
    assert_eq!((samples.len(), report.damaged_total), (1, 0));
    insta::assert_json_snapshot!("workout_statistics", shape(&samples[0]));
}

// Shows the form of a correlation, and that its members are samples only once.
#[test]
fn correlations() {
    let member = |kind: &str, value: &str| {
        format!(
            "<Record type=\"HKQuantityTypeIdentifierBloodPressure{kind}\" sourceName=\"Cuff\" \
             unit=\"mmHg\" startDate=\"2020-04-10 07:00:00 +0200\" \
             endDate=\"2020-04-10 07:00:00 +0200\" value=\"{value}\">\
             <MetadataEntry key=\"HKWasUserEntered\" value=\"1\"/></Record>"
        )
    };
    let members = member("Systolic", "121") + &member("Diastolic", "79");
    let body = format!(
        "{members}<Correlation type=\"HKCorrelationTypeIdentifierBloodPressure\" \
         sourceName=\"Cuff\" creationDate=\"2020-04-10 07:00:05 +0200\" \
         startDate=\"2020-04-10 07:00:00 +0200\" endDate=\"2020-04-10 07:00:00 +0200\">\
         <MetadataEntry key=\"HKWasUserEntered\" value=\"1\"/>{members}</Correlation>"
    );
    let (samples, report) = read_xml(export(&body));
    assert_eq!(report.emitted.get(entity_type::HEALTH_METRIC), 2);
    assert_eq!((samples.len(), report.damaged_total), (3, 0));
    insta::assert_json_snapshot!("correlation", shape(&samples[2]));
}

// Shows the report as programs and as people read it, with everything that can be in it.
#[test]
fn reports() {
    let body = record("value=\"72\"")
        + &record("value=\"72,5\"")
        + "<Me a=\"b\"/><Audiogram type=\"x\"/>\x0B<Future/>"
        + &record("value=\"73");
    let (_, report) = read_xml(&export(&body)[..]);
    insta::assert_json_snapshot!("report", report);
    insta::assert_snapshot!("report_words", report.to_string());
    let scan = bundled_export()
        .open()
        .unwrap()
        .scan(&mut |_| std::ops::ControlFlow::Continue(()))
        .unwrap();
    insta::assert_snapshot!("scan_words", scan.to_string());
}

// Shows that every sample of every locale fits an entity and has no null but inside points.
#[test]
fn samples_are_valid_entities() {
    for locale in [Locale::EnglishUnitedStates, Locale::GermanGermany, Locale::ChineseChina] {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("export.zip");
        let options = Options { records: 3_000, locale, ..Options::default() };
        clarity_health::generate::write_zip(&options, &path).unwrap();
        let (samples, _) = read_path(&path).unwrap();
        for sample in &samples {
            clarity_model::validate_fields(&sample.fields).unwrap();
            clarity_model::EntityKey::new(sample.entity_type, sample.id.as_str()).unwrap();
            assert!(!sample.fields.values().any(Value::is_null));
            assert!(!format!("{sample:?}").contains(sample.id.as_str()));
        }
        let route = of_type(&samples, entity_type::WORKOUT_ROUTE)[0];
        assert_eq!(field(route, "points").as_array().unwrap().len(), 1_000);
    }
}
