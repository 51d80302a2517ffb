//! Every way in which exports are known to be odd or broken.

use clarity_health::HealthError;
use clarity_health::limits::{ATTRIBUTE_BYTES_MAX, DEPTH_MAX, TAG_BYTES_MAX};
use serde_json::Value;

use crate::support::{counts, damages, export, field, of_type, read_xml, record, try_read_xml};

const GOOD: &str = "value=\"60\"";

/// The byte at which a text first occurs.
fn place(xml: &str, text: &str) -> u64 {
    xml.find(text).expect("the text occurs") as u64
}

// Shows that the two released document types with mistakes are cut away, whatever is in them.
#[test]
fn broken_document_types_of_version_12_and_13() {
    let body = export(&record(GOOD));
    let body = body.strip_prefix("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n").unwrap();
    for prologue in [
        "<!DOCTYPE HealthData [\n<!ATTLIST VisionPrescription\n  type CDATA #REQUIRED\n]>\n",
        "<!DOCTYPE HealthData [\n<!ELEMENT HealthData ANY>\n device CDATA #IMPLIED\n> >\n]>\n",
        "<!DOCTYPE HealthData [\n<!ELEMENT HealthData ANY>\n]\n",
        "<!DOCTYPE HealthData [\n<!ELEMENT HealthData ANY>\n]>>\n",
        "\u{feff}",
        "",
    ] {
        let (samples, report) = read_xml(format!("{prologue}{body}"));
        assert_eq!((samples.len(), report.damaged_total, report.complete), (1, 0, true));
    }
}

// Shows that control characters are dropped, as bytes and as references, and counted.
#[test]
fn control_characters_are_dropped() {
    let clean = record(GOOD).replace("\"Watch\"", "\"My Watch\"");
    let dirty = clean.replace("My Watch", "My\u{b} Wa\0tch\u{1f}");
    let referenced = clean.replace("My Watch", "My&#11; Watch&#x1F;");
    let (expected, _) = read_xml(export(&clean));
    let (samples, report) = read_xml(export(&dirty));
    assert_eq!(samples, expected);
    assert_eq!(counts(&report.repaired), [("control character that was dropped", 3)]);
    assert_eq!(read_xml(export(&referenced)).0, expected);
}

// Shows that an entity declaration is refused before the records and never expanded behind them.
#[test]
fn entity_declarations_are_refused() {
    let bomb = "<!DOCTYPE HealthData [<!ENTITY a \"aaaa\"><!ENTITY b \"&a;&a;\">]>";
    let xml = export(&record(GOOD)).replace("<HealthData", &format!("{bomb}<HealthData"));
    assert!(matches!(try_read_xml(xml), Err(HealthError::EntityDeclaration)));
    let inside = record(GOOD) + "<!ENTITY a \"x\">" + &record(GOOD).replace("Watch", "&a;");
    let (samples, report) = read_xml(export(&inside));
    assert_eq!((samples.len(), report.damaged_total), (2, 1));
    assert_eq!(field(&samples[1], "source"), "&a;");
}

// Shows that a cut export gives what is whole in it and says where it ends.
#[test]
fn truncated_xml_delivers_what_is_whole() {
    let xml = export(&(record(GOOD) + &record("value=\"61\"")));
    let cut = &xml[..xml.len() - 40];
    let (samples, report) = read_xml(cut);
    assert_eq!((samples.len(), report.complete), (1, false));
    assert_eq!(damages(&report).len(), 1);
    assert_eq!(report.damaged[0].what, "the file ends before the export does");
    assert!(report.damaged[0].byte_offset <= cut.len() as u64);
    assert!(report.to_string().contains("ends early"));
}

// Shows that a document without records, and one with only its root, are read.
#[test]
fn exports_without_records() {
    for xml in ["<HealthData/>", "<HealthData locale=\"x\"></HealthData>"] {
        let (samples, report) = read_xml(xml);
        assert_eq!((samples.len(), report.damaged_total, report.complete), (0, 0, true));
    }
}

// Shows that numeric references, named ones, and the characters themselves are the same text.
#[test]
fn references_and_no_break_spaces() {
    let names = [
        "User&#8217;s Apple&#160;Watch",
        "User\u{2019}s Apple\u{a0}Watch",
        "User&#x2019;s Apple&#xA0;Watch",
    ];
    let all: Vec<_> =
        names.iter().map(|name| read_xml(export(&record(GOOD).replace("Watch", name))).0).collect();
    assert_eq!(field(&all[0][0], "source"), "User\u{2019}s Apple\u{a0}Watch");
    assert!(all.iter().all(|samples| *samples == all[0]));
}

// Shows that the spaces in attribute names that the first iOS wrote cost one record, not the rest.
#[test]
fn attribute_names_with_spaces() {
    let body = record(GOOD) + &record("HK Thing=\"x\" value=\"61\"") + &record("value=\"62\"");
    let xml = export(&body);
    let (samples, report) = read_xml(&xml);
    let values: Vec<_> = samples.iter().map(|sample| field(sample, "value").clone()).collect();
    assert_eq!(values, [60, 62]);
    let expected =
        place(&xml, "HK Thing") - (record(" HK Thing").find("HK Thing").unwrap() as u64) + 1;
    assert_eq!(damages(&report), [(expected, "an element whose attributes cannot be read")]);
}

// Shows that the memory address in a device text is stripped and changes no id.
#[test]
fn pointers_in_devices() {
    let device = |pointer: &str| {
        record(&format!(
            "{GOOD} device=\"&lt;&lt;HKDevice: {pointer}, name:Apple Watch, software:6.1&gt;\""
        ))
    };
    let (first, _) = read_xml(export(&device("0x282a45810&gt;")));
    let (second, _) = read_xml(export(&device("0xb0f577c00&gt;")));
    assert_eq!(field(&first[0], "device"), "name:Apple Watch, software:6.1");
    assert_eq!(first, second);
    assert_eq!(first, read_xml(export(&device("0x"))).0);
}

// Shows that three offsets of one instant are one sample, with the offset kept beside.
#[test]
fn offsets_of_the_phone_change_no_id() {
    let at = |start: &str| {
        let record = record(GOOD).replace("2020-04-10 03:33:34 +0200", start);
        read_xml(export(&record)).0.remove(0)
    };
    let times =
        ["2020-04-10 03:33:34 +0200", "2020-04-09 18:33:34 -0700", "2020-04-10 07:03:34 +0530"];
    let samples: Vec<_> = times.iter().map(|time| at(time)).collect();
    for (sample, offset_min) in samples.iter().zip([120, -420, 330]) {
        assert_eq!((&sample.id, &sample.sibling_id), (&samples[0].id, &samples[0].sibling_id));
        assert_eq!(field(sample, "start_ms"), 1_586_482_414_000_i64);
        assert_eq!(field(sample, "utc_offset_min"), offset_min);
    }
}

// Shows that text where a number should be, and missing parts, are damage at their place, and that
// no damage says what the value was.
#[test]
fn unreadable_records_are_damage() {
    let long = "<Record type=\"HKQuantityTypeIdentifierStepCount\" ";
    let dates = "startDate=\"2020-04-10 03:33:34 +0200\" endDate=\"2020-04-10 03:33:34 +0200\"";
    for (bad, what) in [
        (record("value=\"72,5\""), "a record whose value is not a number"),
        (record("value=\"inf\""), "a record whose value is not a number"),
        (format!("{long} value=\"a lot\" {dates}/>"), "a record whose value is not a number"),
        (format!("<Record {dates}/>"), "an element without a type"),
        (format!("{long}/>"), "an element whose start date is missing or no date"),
        (
            record(GOOD).replace("startDate=\"2020", "startDate=\"20x0"),
            "an element whose start date is missing or no date",
        ),
        (
            record(GOOD).replace("endDate=\"2020-04", "endDate=\"2020-14"),
            "an element whose end date is missing or no date",
        ),
    ] {
        let xml = export(&format!("{}{bad}{}", record(GOOD), record("value=\"61\"")));
        let (samples, report) = read_xml(&xml);
        assert_eq!((samples.len(), report.complete), (2, true), "{bad}");
        assert_eq!(damages(&report), [(place(&xml, &bad), what)]);
        assert!(!report.to_string().contains("72,5") && !report.to_string().contains("Watch"));
    }
}

// Shows that a lost quote, a lost bracket and a lost end tag each cost one record.
#[test]
fn lost_marks_cost_one_record() {
    let three = |middle: &str| export(&(record(GOOD) + middle + &record("value=\"62\"")));
    let whole = record("value=\"61\"");
    for middle in [
        whole.replace("value=\"61\"", "value=\"61"),
        whole.replace("/>", ""),
        whole.replace("sourceName=\"Watch\"", "sourceName=\"Wa<tch\""),
        whole.replace("/>", "><MetadataEntry key=\"a\" value=\"b\"/>"),
        whole.replace("<Record", "Record"),
        whole.replace("<Record", "<?ecord"),
        whole.replace("<Record", "</ecord"),
    ] {
        let (samples, report) = read_xml(three(&middle));
        let values: Vec<_> = samples.iter().map(|sample| field(sample, "value").clone()).collect();
        assert_eq!(values, [60, 62], "{middle}");
        assert!(report.damaged_total >= 1 && report.complete);
    }
}

// Shows that types of later versions, with a number, a word or nothing, are imported as they are.
#[test]
fn unknown_types_are_imported_as_they_are() {
    let of = |kind: &str, more: &str| {
        record(more)
            .replace("HKQuantityTypeIdentifierHeartRate", kind)
            .replace("unit=\"count/min\" ", "")
    };
    let body = of("HKDataTypeSleepDurationGoal", "value=\"480\" unit=\"min\"")
        + &of("HKNewTypeMood", "value=\"HKMoodFine\"")
        + &of("HKCategoryTypeIdentifierFuture", "value=\"3\"")
        + &of("HKQuantityTypeIdentifierFuture", "value=\"1.5\" unit=\"parsec\"")
        + &of("HKQuantityTypeIdentifier", "");
    let (samples, report) = read_xml(export(&body));
    assert_eq!(report.damaged_total, 0);
    let shown: Vec<_> = samples
        .iter()
        .map(|sample| {
            let part = |name: &str| sample.fields.get(name).cloned().unwrap_or(Value::Null);
            Value::from(vec![part("metric"), part("value"), part("unit"), part("category")])
        })
        .collect();
    let expected = serde_json::json!([
        ["HKDataTypeSleepDurationGoal", 480, "min", null],
        ["HKNewTypeMood", null, null, "HKMoodFine"],
        ["Future", null, null, "3"],
        ["Future", 1.5, "parsec", null],
        ["HKQuantityTypeIdentifier", null, null, null],
    ]);
    assert_eq!(Value::from(shown), expected);
}

// Shows that statistics win over the totals of older exports, and that the totals are used alone.
#[test]
fn workout_statistics_and_totals() {
    let workout = |inside: &str| {
        let body = format!(
            "<Workout workoutActivityType=\"HKWorkoutActivityTypeRunning\" duration=\"0.5\" \
             durationUnit=\"hr\" totalDistance=\"2\" totalDistanceUnit=\"mi\" \
             totalEnergyBurned=\"418.4\" totalEnergyBurnedUnit=\"kJ\" \
             startDate=\"2020-04-10 03:33:34 +0200\" endDate=\"2020-04-10 04:03:34 +0200\">\
             {inside}</Workout>"
        );
        read_xml(export(&body)).0.remove(0)
    };
    let old = workout("");
    assert_eq!(field(&old, "duration_s"), 1_800);
    assert_eq!(field(&old, "distance_m"), 3_218.688);
    assert_eq!(field(&old, "energy_kcal"), 100);
    let new = workout(
        "<WorkoutStatistics type=\"HKQuantityTypeIdentifierDistanceCycling\" sum=\"5\" \
         unit=\"km\"/>\
         <WorkoutStatistics type=\"HKQuantityTypeIdentifierDistanceSwimming\" sum=\"400\" \
         unit=\"m\"/>\
         <WorkoutStatistics type=\"HKQuantityTypeIdentifierActiveEnergyBurned\" sum=\"300\" \
         unit=\"Cal\"/>",
    );
    assert_eq!(field(&new, "distance_m"), 5_400);
    assert_eq!(field(&new, "energy_kcal"), 300);
    assert_eq!(new.id, old.id);
    assert_ne!(new.sibling_id, old.sibling_id);
}

// Shows that both names of the move time become one field, and a bad number costs the summary.
#[test]
fn summaries_of_both_versions() {
    let (samples, report) = read_xml(export(
        "<ActivitySummary dateComponents=\"2021-05-01\" appleMoveMinutes=\"12\" \
         appleMoveMinutesGoal=\"30\"/>\
         <ActivitySummary dateComponents=\"2021-05-02\" appleMoveTime=\"13\" \
         activeEnergyBurned=\"1\" \
         activeEnergyBurnedUnit=\"kJ\"/>\
         <ActivitySummary dateComponents=\"2021-05-03\" appleMoveTime=\"x\"/>\
         <ActivitySummary dateComponents=\"someday\"/>",
    ));
    assert_eq!((samples.len(), report.damaged_total), (2, 2));
    assert_eq!(
        (field(&samples[0], "move_min"), field(&samples[0], "move_goal_min")),
        (&12.into(), &30.into())
    );
    assert_eq!(field(&samples[1], "move_min"), 13);
    assert_eq!(field(&samples[1], "active_energy_kcal"), 0.239_005_736_138);
}

// Shows that what is not supported is counted with a reason, and its insides are not misread.
#[test]
fn unsupported_elements_are_counted() {
    let (samples, report) = read_xml(export(&format!(
        "<Me HKCharacteristicTypeIdentifierDateOfBirth=\"1990-02-02\"/>\
         <ClinicalRecord type=\"x\" resourceFilePath=\"/clinical-records/x.json\"/>\
         <Audiogram type=\"x\"><MetadataEntry key=\"a\" value=\"b\"/>\
         <SensitivityPoint/></Audiogram>\
         <VisionPrescription><RightEye/></VisionPrescription><Future><Inner/></Future>{}",
        record(GOOD)
    )));
    assert_eq!((samples.len(), report.damaged_total), (1, 0));
    assert_eq!(
        counts(&report.skipped),
        [
            ("clinical record: not supported yet", 1),
            ("element that this version does not know", 1),
            ("hearing test: not supported yet", 1),
            ("personal characteristics (birth date, sex, blood type): never imported", 1),
            ("vision prescription: not supported yet", 1),
        ]
    );
    assert!(!serde_json::to_string(&report).unwrap().contains("1990"));
}

// Shows that elements in impossible places are damage, and that what follows is read.
#[test]
fn wrong_structure() {
    let nested = record("value=\"61\"").replace("/>", &format!(">{}</Record>", record(GOOD)));
    for (body, samples, damaged) in [
        (nested.clone(), 1, 1),
        ("<MetadataEntry key=\"a\" value=\"b\"/>".to_owned(), 0, 1),
        ("<Location/></Workout></Nothing>".to_owned(), 0, 2),
        ("Record value=\"61\"/> and text".to_owned(), 0, 1),
        (format!("<HealthData>{}", record(GOOD)), 1, 2),
        (record(GOOD).replace("/>", "><WorkoutRoute/></Record>"), 1, 1),
        (record(GOOD).replace("/>", "><MetadataEntry value=\"b\"/></Record>"), 1, 1),
        (format!("<Audiogram>{}", record(GOOD)), 1, 1),
        (format!("<Workout>{}</Workout>", record(GOOD)), 1, 2),
    ] {
        let (found, report) = read_xml(export(&format!("{body}{}", record("value=\"62\""))));
        assert_eq!((found.len(), report.damaged_total), (samples + 1, damaged), "{body}");
    }
}

// Shows that nesting deeper than the limit is damage, and the record behind it is read.
#[test]
fn depth_is_bounded() {
    let deep = "<x>".repeat(50_000);
    let (samples, report) = read_xml(export(&format!("{deep}{}", record(GOOD))));
    assert_eq!(samples.len(), 1);
    assert_eq!(report.damaged_total, DEPTH_MAX as u64);
    let balanced = deep.clone() + &"</x>".repeat(50_000);
    let (samples, report) = read_xml(export(&format!("{balanced}{}", record(GOOD))));
    assert_eq!((samples.len(), report.damaged_total), (1, 1));
}

// Shows that attributes, tags and samples over their limits are reported and the rest is read.
#[test]
fn long_texts_are_bounded() {
    let text = |bytes: usize| "x".repeat(bytes);
    let around = |middle: String| export(&(record(GOOD) + &middle + &record("value=\"62\"")));
    let (samples, report) =
        read_xml(around(record(&format!("device=\"{}\"", text(ATTRIBUTE_BYTES_MAX + 1)))));
    assert_eq!((samples.len(), report.damaged_total), (2, 1));
    let (samples, report) = read_xml(around(record(&format!("a=\"{}\"", text(TAG_BYTES_MAX)))));
    assert_eq!((samples.len(), report.damaged_total), (2, 1));

    let entry = |key: usize| {
        format!("<MetadataEntry key=\"{key}\" value=\"{}\"/>", text(ATTRIBUTE_BYTES_MAX - 100))
    };
    let entries: String = (0..6).map(entry).collect();
    let full = record("value=\"61\"").replace("/>", &format!(">{entries}</Record>"));
    let (samples, report) = read_xml(around(full));
    assert_eq!((samples.len(), report.damaged_total), (3, 0));
    assert_eq!(
        counts(&report.skipped),
        [("part of a sample that is larger than an entity may be", 3)]
    );
    clarity_model::validate_fields(&samples[1].fields).unwrap();
    assert_eq!(field(&samples[1], "metadata").as_object().unwrap().len(), 3);
}

// Shows that a record with as many beats as anybody may write stays within an entity.
#[test]
fn beats_are_bounded() {
    let beats = "<InstantaneousBeatsPerMinute bpm=\"65\" time=\"23:47:49,20\"/>".repeat(20_000);
    let inside = format!(
        "><HeartRateVariabilityMetadataList>{beats}<InstantaneousBeatsPerMinute time=\"1\"/>\
         </HeartRateVariabilityMetadataList></Record>"
    );
    let (samples, report) = read_xml(export(&record(GOOD).replace("/>", &inside)));
    clarity_model::validate_fields(&samples[0].fields).unwrap();
    let kept = field(&samples[0], "beats").as_array().unwrap().len() as u64;
    assert_eq!(kept + report.skipped.total(), 20_000);
    assert_eq!(report.damaged_total, 1);
}

// Shows that the first of two metadata entries with one key is kept and the other counted.
#[test]
fn repeated_metadata_keys() {
    let inside =
        "><MetadataEntry key=\"a\" value=\"1\"/><MetadataEntry key=\"a\" value=\"2\"/></Record>";
    let (samples, report) = read_xml(export(&record(GOOD).replace("/>", inside)));
    assert_eq!(field(&samples[0], "metadata"), &serde_json::json!({"a": "1"}));
    assert_eq!(counts(&report.skipped), [("metadata entry that repeats a key", 1)]);
}

// Shows that bytes which are not UTF-8 are replaced and counted, and cost no record.
#[test]
fn bytes_that_are_not_utf8() {
    let mut xml = export(&record(GOOD)).into_bytes();
    let index = xml.windows(5).position(|window| window == b"Watch").unwrap();
    xml[index] = 0xFF;
    let (samples, report) = read_xml(xml);
    assert_eq!(field(&samples[0], "source"), "\u{fffd}atch");
    assert_eq!(report.repaired.total(), 1);
}

// Shows that data behind the end is reported and not read.
#[test]
fn data_behind_the_end() {
    let xml = export(&record(GOOD));
    let (samples, report) = read_xml(xml.repeat(2));
    assert_eq!((samples.len(), report.complete), (1, true));
    let what = "data after the end of the export, which was not read";
    assert_eq!(damages(&report), [(xml.len() as u64, what)]);
}

// Shows that exact repeats have one sibling id, and other values under one key have others.
#[test]
fn repeats_and_siblings() {
    let body = record(GOOD) + &record(GOOD) + &record("value=\"61\"");
    let (samples, _) = read_xml(export(&body));
    assert!(samples.iter().all(|sample| sample.id == samples[0].id));
    assert_eq!(samples[0].sibling_id, samples[1].sibling_id);
    assert_ne!(samples[0].sibling_id, samples[2].sibling_id);
    assert_ne!(samples[0].sibling_id, samples[0].id);
}

// Shows that a route inside a cut workout keeps its points, and says that it is not whole.
#[test]
fn inline_routes_survive_a_cut() {
    let points: String = (0..2_500)
        .map(|second| {
            let (minute, second) = (second / 60, second % 60);
            format!(
                "<Location date=\"2016-11-14 07:{minute:02}:{second:02} -0700\" latitude=\"37.5\" \
                 longitude=\"-122\" course=\"-1\" speed=\"2.5\"/>"
            )
        })
        .collect();
    let body = format!(
        "<Workout workoutActivityType=\"x\" startDate=\"2016-11-14 07:00:00 -0700\" \
         endDate=\"2016-11-14 08:00:00 -0700\"><WorkoutRoute sourceName=\"W\">{points}\
         </WorkoutRoute></Workout>"
    );
    let whole = export(&body);
    let (samples, report) = read_xml(&whole);
    assert_eq!((samples.len(), report.route_points), (4, 2_500));
    let cut = &whole[..place(&whole, "</WorkoutRoute>") as usize];
    let (left, report) = read_xml(cut);
    assert_eq!((left.len(), report.route_points, report.complete), (3, 2_500, false));
    assert_eq!(left[..2], samples[..2]);
    assert_eq!(left[2].id, samples[2].id);
    assert!(!left[2].fields.contains_key("chunks"));
    let chunk = of_type(&samples, "WorkoutRoute")[2];
    assert_eq!((field(chunk, "chunk"), field(chunk, "chunks")), (&2.into(), &3.into()));
    assert_eq!(field(chunk, "points")[0][5], Value::Null);
}
