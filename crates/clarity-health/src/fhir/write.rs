//! Writing a FHIR R4 bundle of Observations, as a stream.

use std::io::{self, Write};

use clarity_model::Fields;
use serde_json::{Value, json};

use crate::metrics::{BLOOD_PRESSURE_PANEL, Metric, by_loinc, by_name};
use crate::number::{round_significant, to_json};
use crate::time::date_time;

/// What marks a resource as written here: its id is the id of an entity.
pub(crate) const OWN_SOURCE: &str = "urn:clarity-sync";
const LOINC: &str = "http://loinc.org";
const UCUM: &str = "http://unitsofmeasure.org";
const CATEGORIES: &str = "http://terminology.hl7.org/CodeSystem/observation-category";
const ABSENT: &str = "http://terminology.hl7.org/CodeSystem/data-absent-reason";
/// The one person that a device's data is about. A resource has to say whom it is about; who that
/// is, is not said.
const PATIENT: &str = "urn:uuid:00000000-0000-8000-8000-000000000001";

/// Writes one bundle of the type `collection`: a patient without a name, and Observations.
///
/// Memory does not grow with it. The bundle is whole after [`FhirWriter::finish`] only.
#[derive(Debug)]
pub struct FhirWriter<W: Write> {
    out: W,
    count: u64,
}

/// A measurement to write: the id of its entity, and its fields.
pub type Measured<'a> = (&'a str, &'a Fields);

impl<W: Write> FhirWriter<W> {
    /// Begins the bundle.
    ///
    /// # Errors
    /// When `out` cannot be written.
    pub fn new(mut out: W) -> io::Result<Self> {
        out.write_all(b"{\"resourceType\":\"Bundle\",\"type\":\"collection\",\"entry\":[\n")?;
        let patient = json!({ "fullUrl": PATIENT, "resource": { "resourceType": "Patient" } });
        serde_json::to_writer(&mut out, &patient)?;
        Ok(Self { out, count: 0 })
    }

    /// Writes a measurement; false when it has no time or a time that FHIR cannot say.
    ///
    /// # Errors
    /// When the bundle cannot be written.
    pub fn put(&mut self, (id, fields): Measured<'_>) -> io::Result<bool> {
        let name = text(fields, "metric").unwrap_or("measurement");
        let known = by_name(name);
        let Some(mut resource) = shared(id, fields, known.map(|metric| metric.category)) else {
            return Ok(false);
        };
        resource["code"] = code(name, known, fields);
        put_value(&mut resource, known, fields);
        self.entry(&resource).map(|()| true)
    }

    /// Writes a blood pressure, of which one of the two values may be missing; false as in
    /// [`FhirWriter::put`].
    ///
    /// # Errors
    /// When the bundle cannot be written.
    pub fn put_blood_pressure(
        &mut self,
        systolic: Option<Measured<'_>>,
        diastolic: Option<Measured<'_>>,
    ) -> io::Result<bool> {
        let Some((id, fields)) = systolic.or(diastolic) else { return Ok(false) };
        let Some(mut resource) = shared(id, fields, Some("vital-signs")) else { return Ok(false) };
        let coding = json!([{
            "system": LOINC, "code": BLOOD_PRESSURE_PANEL,
            "display": "Blood pressure panel with all children optional",
        }]);
        resource["code"] = json!({ "coding": coding, "text": "Blood pressure" });
        let parts = [("BloodPressureSystolic", systolic), ("BloodPressureDiastolic", diastolic)];
        let parts = parts.map(|(name, measured)| {
            let known = by_name(name);
            let mut part = json!({ "code": code(name, known, &Fields::new()) });
            match measured {
                Some((id, fields)) => {
                    part["id"] = id.into();
                    put_value(&mut part, known, fields);
                }
                None => part["dataAbsentReason"] = absent(),
            }
            part
        });
        resource["component"] = parts.to_vec().into();
        self.entry(&resource).map(|()| true)
    }

    fn entry(&mut self, resource: &Value) -> io::Result<()> {
        self.count += 1;
        self.out.write_all(b",\n")?;
        let id = resource["id"].as_str().unwrap_or_default();
        let entry = json!({ "fullUrl": format!("urn:uuid:{id}"), "resource": resource });
        Ok(serde_json::to_writer(&mut self.out, &entry)?)
    }

    /// Ends the bundle; says how many Observations it has.
    ///
    /// # Errors
    /// When the bundle cannot be written.
    pub fn finish(mut self) -> io::Result<u64> {
        self.out.write_all(b"\n]}\n")?;
        self.out.flush()?;
        Ok(self.count)
    }
}

fn text<'f>(fields: &'f Fields, name: &str) -> Option<&'f str> {
    fields.get(name).and_then(Value::as_str)
}

/// What every Observation has.
fn shared(id: &str, fields: &Fields, category: Option<&str>) -> Option<Value> {
    let offset = fields.get("utc_offset_min").and_then(Value::as_i64);
    let offset = offset.and_then(|offset| i32::try_from(offset).ok()).unwrap_or(0);
    let start_ms = fields.get("start_ms").and_then(Value::as_i64)?;
    let end_ms = fields.get("end_ms").and_then(Value::as_i64).unwrap_or(start_ms);
    let start = date_time(start_ms, offset)?;
    let mut resource = json!({
        "resourceType": "Observation",
        "id": resource_id(id),
        "meta": { "source": OWN_SOURCE },
        "status": "final",
        "subject": { "reference": PATIENT },
    });
    if let Some(category) = category {
        let coding = json!([{ "system": CATEGORIES, "code": category }]);
        resource["category"] = json!([{ "coding": coding }]);
    }
    if end_ms > start_ms {
        let end = date_time(end_ms, offset)?;
        resource["effectivePeriod"] = json!({ "start": start, "end": end });
    } else {
        resource["effectiveDateTime"] = start.into();
    }
    if let Some(source) = text(fields, "source").filter(|source| !source.trim().is_empty()) {
        resource["device"] = json!({ "display": source });
    }
    Some(resource)
}

/// An id that FHIR allows; any other is hashed.
fn resource_id(id: &str) -> String {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.');
    if !id.is_empty() && id.len() <= 64 && id.bytes().all(allowed) {
        id.to_owned()
    } else {
        blake3::hash(id.as_bytes()).to_hex()[..64].to_owned()
    }
}

fn code(name: &str, known: Option<&Metric>, fields: &Fields) -> Value {
    let display = fields.get("metadata").and_then(|metadata| metadata.get("display"));
    let display = display.and_then(Value::as_str);
    let unknown = name.strip_prefix("LOINC ").filter(|code| by_loinc(code).is_none());
    let codes: Vec<Value> = match (known, unknown) {
        (Some(metric), _) => {
            metric.loinc.iter().map(|code| json!({ "system": LOINC, "code": code })).collect()
        }
        (None, Some(code)) => vec![json!({ "system": LOINC, "code": code })],
        (None, None) => return json!({ "text": display.unwrap_or(name) }),
    };
    // Of several codes only blood oxygen has two that mean the same.
    let codes = if name == "OxygenSaturation" { codes } else { codes[..1].to_vec() };
    json!({ "coding": codes, "text": display.unwrap_or(name) })
}

fn absent() -> Value {
    json!({ "coding": [{ "system": ABSENT, "code": "unknown" }] })
}

fn put_value(resource: &mut Value, known: Option<&Metric>, fields: &Fields) {
    let unit = text(fields, "unit").unwrap_or_default();
    let number = fields.get("value").and_then(Value::as_f64);
    match (number, text(fields, "category")) {
        (Some(value), _) => {
            resource["valueQuantity"] = match known.filter(|metric| metric.unit == unit) {
                Some(metric) => json!({
                    "value": to_json(scaled(value, metric.factor)),
                    "unit": metric.ucum, "system": UCUM, "code": metric.ucum,
                }),
                None if unit.is_empty() => json!({ "value": to_json(value) }),
                None => json!({ "value": to_json(value), "unit": unit }),
            };
        }
        (None, Some(word)) if !word.is_empty() => {
            resource["valueCodeableConcept"] = json!({ "text": word });
        }
        (None, _) => resource["dataAbsentReason"] = absent(),
    }
}

/// A value in the unit that is written, without the noise of the multiplication.
fn scaled(value: f64, factor: f64) -> f64 {
    if factor == 1.0 { value } else { round_significant(value * factor, 15) }
}
