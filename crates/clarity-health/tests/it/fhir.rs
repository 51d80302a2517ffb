//! FHIR R4: the bundles of Synthea, and what an Observation may be.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::path::Path;

use clarity_health::{
    Batch, CsvOptions, Deletion, FhirWriter, HealthError, HealthFile, ReadReport, Sample,
};
use serde_json::{Value, json};

use crate::support::data;

/// Reads a file of any format.
pub(crate) fn read(path: &Path, options: &CsvOptions) -> Result<(Batch, ReadReport), HealthError> {
    let mut all = Batch::default();
    let report = HealthFile::open(path, options)?.read(
        &mut |batch| {
            all.samples.extend(batch.samples);
            all.deletions.extend(batch.deletions);
            ControlFlow::Continue(())
        },
        &mut |_| {},
    )?;
    Ok((all, report))
}

fn read_text(text: &str) -> (Batch, ReadReport) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("bundle.json");
    std::fs::write(&path, text).unwrap();
    read(&path, &CsvOptions::default()).unwrap()
}

fn observation(more: Value) -> Value {
    let mut resource = json!({
        "resourceType": "Observation", "id": "a", "status": "final",
        "code": { "coding": [{ "system": "http://loinc.org", "code": "8867-4" }] },
        "subject": { "reference": "Patient/1" },
        "effectiveDateTime": "2020-04-10T03:33:34+02:00",
        "valueQuantity": { "value": 72, "code": "/min" },
    });
    for (name, value) in more.as_object().unwrap() {
        resource[name] = value.clone();
    }
    resource
}

fn bundle(resources: &[Value]) -> String {
    let entries = resources.iter().map(|resource| json!({ "resource": resource }));
    json!({ "entry": entries.collect::<Vec<_>>(), "resourceType": "Bundle", "type": "history" })
        .to_string()
}

fn metrics(samples: &[Sample]) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for sample in samples {
        let kind = sample.fields.get("metric").or_else(|| sample.fields.get("correlation"));
        *counts.entry(kind.unwrap().as_str().unwrap().to_owned()).or_default() += 1;
    }
    counts
}

/// Shows what becomes of three invented patients: vital signs under the names of the Health app,
/// laboratory values under their codes, everything else counted; in canonical units; and that a
/// second reading gives the same.
#[test]
fn synthea_bundles() {
    for path in std::fs::read_dir(data("synthea")).unwrap() {
        let path = path.unwrap().path();
        if path.extension().is_none_or(|ending| ending != "json") {
            continue;
        }
        let (batch, report) = read(&path, &CsvOptions::default()).unwrap();
        assert!(report.complete && report.damaged_total == 0, "{report}");
        assert_eq!((report.subjects, report.withdrawn), (1, 0));
        let text: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
        let entries = text["entry"].as_array().unwrap();
        let others = entries
            .iter()
            .filter(|entry| entry["resource"]["resourceType"] != "Observation")
            .count() as u64;
        let skipped: u64 = report
            .skipped
            .iter()
            .filter(|(reason, _)| reason.ends_with("not an Observation"))
            .map(|(_, count)| count)
            .sum();
        assert_eq!(skipped, others);
        let counts = metrics(&batch.samples);
        assert_eq!(counts["BloodPressure"], counts["BloodPressureSystolic"]);
        for sample in &batch.samples {
            assert!(sample.external.as_ref().unwrap().id.starts_with("urn:uuid:"));
            let unit = sample.fields.get("unit").and_then(Value::as_str);
            match sample.fields.get("metric").and_then(Value::as_str) {
                Some("Height") => assert_eq!(unit, Some("m")),
                Some("BodyMass") => assert_eq!(unit, Some("kg")),
                Some("BloodPressureSystolic") => assert_eq!(unit, Some("mmHg")),
                _ => {}
            }
        }
        let again = read(&path, &CsvOptions::default()).unwrap();
        assert_eq!((again.0, again.1), (batch, report));
    }
}

/// Shows the figures of one patient, and that a folder is all of its files.
#[test]
fn figures_of_a_patient_and_of_a_folder() {
    let one = data("synthea").join("Buster_Hoeger_ad2e3fc5-2b5d-4cb9-8d03-9ea0f4ac8423.json");
    let (batch, _) = read(&one, &CsvOptions::default()).unwrap();
    let counts = metrics(&batch.samples);
    insta::assert_json_snapshot!(counts);
    let (all, report) = read(&data("synthea"), &CsvOptions::default()).unwrap();
    assert!(all.samples.len() > batch.samples.len());
    assert_eq!(report.subjects, 3);
    assert!(report.to_string().contains("3 different people"));
}

/// Shows each kind of value, time and status.
#[test]
fn kinds_of_observations() {
    let cases = [
        json!({}),
        json!({ "id": "b", "valueQuantity": null, "valueString": "tired" }),
        json!({ "valueQuantity": null, "valueCodeableConcept": { "text": "asleep" } }),
        json!({ "effectiveDateTime": null,
                "effectivePeriod": {
            "start": "2020-01-01T00:00:00Z", "end": "2020-01-01T01:00:00Z" } }),
        json!({ "effectiveDateTime": "2020-01-01" }),
        json!({ "code": { "coding": [{ "system": "http://loinc.org", "code": "59408-5" }] },
                "valueQuantity": { "value": 97, "code": "%" } }),
        json!({ "code": { "text": "Grip" }, "valueInteger": 4 }),
    ];
    let (batch, report) = read_text(&bundle(&cases.map(observation)));
    assert_eq!(report.skipped.total(), 0, "{report}");
    assert_eq!(report.damaged_total, 0);
    let fields: Vec<_> = batch.samples.iter().map(|sample| &sample.fields).collect();
    insta::assert_json_snapshot!(fields);
}

/// Shows that what is not a measurement with a time is left out, each with its reason.
#[test]
fn what_is_left_out() {
    let cases = [
        json!({ "status": "cancelled" }),
        json!({ "effectiveDateTime": null }),
        json!({ "effectiveDateTime": "2020-04" }),
        json!({ "code": {} }),
        json!({ "valueQuantity": null }),
        json!({ "valueQuantity": null, "valueSampledData": { "data": "1 2 3" } }),
        json!({ "valueQuantity": { "value": "seventy" } }),
        json!({ "effectiveDateTime": null,
                "effectivePeriod": {
            "start": "2020-01-02T00:00:00Z", "end": "2020-01-01T01:00:00Z" } }),
        json!({ "resourceType": "Condition", "code": 7 }),
    ];
    let (batch, report) = read_text(&bundle(&cases.map(observation)));
    assert_eq!(batch.samples.len(), 0);
    assert_eq!(report.skipped.total(), 9, "{report}");
    assert!(report.complete);
}

/// Shows that a withdrawn observation is a deletion under the name that it came with, and that an
/// amended one keeps its name and its version.
#[test]
fn withdrawn_and_amended() {
    let uuid = "37663719-c702-4588-964e-27d987ab94ed";
    let amended =
        observation(json!({ "id": uuid, "status": "amended", "meta": { "versionId": "3" } }));
    let withdrawn = observation(json!({ "id": uuid, "status": "entered-in-error" }));
    let (batch, report) = read_text(&bundle(&[amended, withdrawn]));
    let external = batch.samples[0].external.as_ref().unwrap();
    assert_eq!((external.id.as_str(), external.version), (&*format!("urn:uuid:{uuid}"), Some(3)));
    assert_eq!(batch.deletions, [Deletion::External(external.id.clone())]);
    assert_eq!(report.withdrawn, 1);
    let history = json!({ "resourceType": "Bundle", "entry": [
        { "request": { "method": "DELETE", "url": format!("Observation/{uuid}") } },
        { "request": { "method": "DELETE", "url": "Observation/7" } },
    ] });
    let (batch, report) = read_text(&history.to_string());
    assert_eq!(batch.deletions, [Deletion::External(external.id.clone())]);
    assert_eq!(report.skipped.total(), 1);
}

/// Shows that single resources, one a line, are read like those of a bundle.
#[test]
fn one_resource_a_line() {
    let lines = [observation(json!({})), observation(json!({ "id": "c" }))];
    let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
    let (batch, report) = read_text(&format!("\u{feff}{text}"));
    assert_eq!(batch.samples.len(), 2);
    assert!(report.complete, "{report}");
    // The same moment and metric: one sample, whatever it is called.
    assert_eq!(batch.samples[0].id, batch.samples[1].id);
}

/// Shows that what is written is a valid bundle, with a panel for a blood pressure, and reads back
/// as the same samples.
#[test]
fn a_written_bundle_reads_back() {
    let one = data("synthea").join("Buster_Hoeger_ad2e3fc5-2b5d-4cb9-8d03-9ea0f4ac8423.json");
    let (batch, _) = read(&one, &CsvOptions::default()).unwrap();
    let of = |metric: &str| {
        let found = batch
            .samples
            .iter()
            .filter(|sample| sample.fields.get("metric").and_then(Value::as_str) == Some(metric));
        found.map(|sample| (sample.id.as_str(), &sample.fields)).collect::<Vec<_>>()
    };
    let mut bytes = Vec::new();
    let mut writer = FhirWriter::new(&mut bytes).unwrap();
    for measured in of("BodyMass").into_iter().chain(of("Height")).chain(of("LOINC 4544-3")) {
        assert!(writer.put(measured).unwrap());
    }
    for (systolic, diastolic) in
        of("BloodPressureSystolic").into_iter().zip(of("BloodPressureDiastolic"))
    {
        assert!(writer.put_blood_pressure(Some(systolic), Some(diastolic)).unwrap());
    }
    assert!(writer.put_blood_pressure(of("BloodPressureSystolic").pop(), None).unwrap());
    writer.finish().unwrap();
    let value: Value = serde_json::from_slice(&bytes).unwrap();
    for entry in &value["entry"].as_array().unwrap()[1..] {
        check_required(&entry["resource"]);
    }
    let (back, report) = read_text(std::str::from_utf8(&bytes).unwrap());
    assert_eq!(report.skipped.total(), 1, "the patient alone: {report}");
    let before: BTreeMap<_, _> =
        batch.samples.iter().map(|sample| (&sample.id, &sample.fields)).collect();
    for sample in &back.samples {
        let same = before[&sample.id];
        for name in ["metric", "value", "unit", "start_ms", "source"] {
            assert_eq!(sample.fields.get(name), same.get(name), "{name}");
        }
    }
}

/// What FHIR R4 requires of an Observation, and what its vital signs require on top.
pub(crate) fn check_required(resource: &Value) {
    assert_eq!(resource["resourceType"], "Observation");
    assert_eq!(resource["status"], "final");
    assert!(resource["code"]["text"].is_string());
    assert!(resource["subject"]["reference"].is_string());
    let times = ["effectiveDateTime", "effectivePeriod"].map(|name| resource.get(name).is_some());
    assert_eq!(times.iter().filter(|there| **there).count(), 1);
    let values = ["valueQuantity", "valueCodeableConcept", "dataAbsentReason", "component"];
    assert_eq!(values.iter().filter(|name| resource.get(**name).is_some()).count(), 1);
    let id = resource["id"].as_str().unwrap();
    assert!(id.len() <= 64 && id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-'));
    if resource["category"][0]["coding"][0]["code"] == "vital-signs" {
        assert_eq!(resource["code"]["coding"][0]["system"], "http://loinc.org");
        let components = resource.get("component").and_then(Value::as_array);
        let components: Vec<&Value> = components.into_iter().flatten().collect();
        if !components.is_empty() {
            assert_eq!(resource["code"]["coding"][0]["code"], "85354-9");
            let codes: Vec<_> =
                components.iter().map(|part| &part["code"]["coding"][0]["code"]).collect();
            assert_eq!(codes, ["8480-6", "8462-4"]);
        }
        for quantity in
            components.into_iter().chain([resource]).filter_map(|part| part.get("valueQuantity"))
        {
            assert_eq!(quantity["system"], "http://unitsofmeasure.org");
            assert!(quantity["code"].is_string() && quantity["value"].is_number());
        }
    }
}
