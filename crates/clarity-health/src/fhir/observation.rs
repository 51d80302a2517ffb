//! One Observation as samples.

use std::collections::BTreeMap;

use clarity_model::EntityId;
use serde_json::Value;

use super::resource::{Entry, Resource};
use super::write::OWN_SOURCE;
use crate::metrics::by_loinc;
use crate::sample::{Deletion, ExternalRef, Sample};
use crate::source::{RawSample, Reading};
use crate::time::{parse_day, parse_timestamp};

const LOINC: &str = "http://loinc.org";
const NO_TIME: &str = "observation without a time, or dated by month or year only";
const NO_CODE: &str = "observation that does not say what was observed";
const NO_VALUE: &str = "observation without a value";
const OTHER_VALUE: &str = "observation with a kind of value that is not supported";
const NOT_DONE: &str = "observation that was cancelled or has no result yet";
const UNREADABLE: &str = "observation with a value that cannot be read";

/// What an Observation became.
#[derive(Debug)]
pub(crate) enum Outcome {
    Samples(Vec<Sample>),
    Withdrawn(Vec<Deletion>),
    Skipped(&'static str),
}

/// Reads an Observation.
pub(crate) fn read(entry: &Entry) -> Outcome {
    let resource = &entry.resource;
    let external = external_id(entry);
    match resource.text("status") {
        Some("entered-in-error") => return Outcome::Withdrawn(withdrawn(resource, external)),
        Some("cancelled" | "registered") => return Outcome::Skipped(NOT_DONE),
        _ => {}
    }
    match samples(resource, external.as_deref()) {
        Ok(samples) => Outcome::Samples(samples),
        Err(reason) => Outcome::Skipped(reason),
    }
}

/// What is known of an observation that was never true, by its name and by what it says.
fn withdrawn(resource: &Resource, external: Option<String>) -> Vec<Deletion> {
    let samples = samples(resource, external.as_deref()).unwrap_or_default();
    let by_content = samples.into_iter();
    let by_content = by_content.map(|sample| Deletion::Entity {
        entity_type: sample.entity_type,
        id: EntityId::clone(&sample.id),
    });
    match external {
        Some(external) => vec![Deletion::External(external)],
        None => by_content.collect(),
    }
}

/// The name of a resource that lasts: its full address, its UUID, or its id with whom it is about.
fn external_id(entry: &Entry) -> Option<String> {
    if let Some(url) = &entry.full_url
        && (url.starts_with("urn:uuid:") || url.starts_with("http"))
    {
        return Some(url.clone());
    }
    let id = entry.resource.text("id").filter(|id| !id.is_empty())?;
    match uuid::Uuid::parse_str(id) {
        Ok(uuid) => Some(uuid.urn().to_string()),
        Err(_) => Some(format!("Observation/{id}@{}", subject(&entry.resource).unwrap_or(""))),
    }
}

/// The name under which a deletion knows a resource; nothing when it is not unique.
pub(crate) fn deleted_id(entry: &Entry, url: &str) -> Option<String> {
    if let Some(full) = &entry.full_url {
        return Some(full.clone());
    }
    let id = url.strip_prefix("Observation/")?;
    uuid::Uuid::parse_str(id).ok().map(|uuid| uuid.urn().to_string())
}

/// Whom a resource is about.
pub(crate) fn subject(resource: &Resource) -> Option<&str> {
    resource.get("subject")?.get("reference")?.as_str()
}

struct Times {
    start_ms: i64,
    end_ms: i64,
    utc_offset_min: Option<i32>,
}

fn times(resource: &Resource) -> Option<Times> {
    let instant = |text: &str| match parse_timestamp(text) {
        Some(time) => Some((time.unix_ms, Some(time.offset_min))),
        None => parse_day(text).map(|unix_ms| (unix_ms, None)),
    };
    let single = resource.text("effectiveDateTime").or_else(|| resource.text("effectiveInstant"));
    if let Some(text) = single {
        let (start_ms, utc_offset_min) = instant(text)?;
        return Some(Times { start_ms, end_ms: start_ms, utc_offset_min });
    }
    let period = resource.get("effectivePeriod")?;
    let (start_ms, utc_offset_min) = instant(period.get("start")?.as_str()?)?;
    let end = period.get("end").and_then(Value::as_str).and_then(instant);
    Some(Times { start_ms, end_ms: end.map_or(start_ms, |(end_ms, _)| end_ms), utc_offset_min })
}

/// What was observed: the metric's name here, and what the source calls it.
fn metric(code: &Value) -> Option<(String, Option<String>)> {
    let codings = code.get("coding").and_then(Value::as_array);
    let codings = codings.map(Vec::as_slice).unwrap_or_default();
    let loinc = codings.iter().filter(|coding| system(coding) == Some(LOINC));
    let codes: Vec<&str> =
        loinc.filter_map(|coding| coding.get("code").and_then(Value::as_str)).collect();
    let display = code.get("text").or_else(|| codings.first()?.get("display"));
    let display = display.and_then(Value::as_str).map(str::to_owned);
    if let Some(known) = codes.iter().find_map(|code| by_loinc(code)) {
        return Some((known.name.to_owned(), None));
    }
    if let Some(code) = codes.first() {
        return Some((format!("LOINC {code}"), display));
    }
    let coded = codings.first().and_then(|coding| coding.get("code")).and_then(Value::as_str);
    coded.map(str::to_owned).or_else(|| display.clone()).map(|name| (name, display))
}

fn system(coding: &Value) -> Option<&str> {
    coding.get("system").and_then(Value::as_str)
}

fn samples(resource: &Resource, external: Option<&str>) -> Result<Vec<Sample>, &'static str> {
    let times = times(resource).ok_or(NO_TIME)?;
    let code = resource.get("code").ok_or(NO_CODE)?;
    let (name, display) = metric(code).ok_or(NO_CODE)?;
    let version = version(resource);
    let mut whole = RawSample {
        external: external.map(|id| ExternalRef { id: id.to_owned(), version }),
        metric: name,
        reading: Reading::Event,
        start_ms: times.start_ms,
        end_ms: times.end_ms,
        utc_offset_min: times.utc_offset_min,
        origin: Some(origin(resource).unwrap_or("FHIR").to_owned()),
        device: subject(resource).map(str::to_owned),
        metadata: BTreeMap::new(),
    };
    if let Some(display) = display {
        whole.metadata.insert("display".to_owned(), display);
    }
    let members = components(resource, &whole)?;
    if !members.is_empty() {
        return if is_own(resource) { own_panel(resource, members) } else { panel(whole, members) };
    }
    whole.reading = match reading(|name| resource.get(name))? {
        Some(reading) => reading,
        None if resource.other_value => return Err(OTHER_VALUE),
        None => return Err(NO_VALUE),
    };
    let mut sample = whole.into_sample()?;
    if is_own(resource) {
        own_id(&mut sample, resource.text("id"));
    }
    Ok(vec![sample])
}

/// Whether a resource was written by [`super::FhirWriter`].
fn is_own(resource: &Resource) -> bool {
    let source = resource.get("meta").and_then(|meta| meta.get("source"));
    source.and_then(Value::as_str) == Some(OWN_SOURCE)
}

/// What was written here keeps the id that it had.
fn own_id(sample: &mut Sample, id: Option<&str>) {
    if let Some(id) = id.and_then(|id| EntityId::new(id).ok()) {
        sample.id = id;
        sample.external = None;
    }
}

/// Measurements that were taken together: each on its own, and the whole.
fn panel(mut whole: RawSample, members: Vec<RawSample>) -> Result<Vec<Sample>, &'static str> {
    let pressure = ["BloodPressureSystolic", "BloodPressureDiastolic"];
    if members.iter().any(|member| pressure.contains(&member.metric.as_str())) {
        "BloodPressure".clone_into(&mut whole.metric);
        whole.metadata.clear();
    }
    let mut samples = vec![whole.into_group(&members)?];
    for member in members {
        samples.push(member.into_sample()?);
    }
    Ok(samples)
}

/// The values of a blood pressure that was written here. What held them together, if anything,
/// was an entity of its own.
fn own_panel(resource: &Resource, members: Vec<RawSample>) -> Result<Vec<Sample>, &'static str> {
    let list = resource.get("component").and_then(Value::as_array);
    let mut samples = Vec::new();
    for member in members {
        let part = list.into_iter().flatten().find(|part| {
            part.get("code").and_then(metric).is_some_and(|(name, _)| name == member.metric)
        });
        let mut sample = member.into_sample()?;
        own_id(&mut sample, part.and_then(|part| part.get("id")).and_then(Value::as_str));
        samples.push(sample);
    }
    Ok(samples)
}

fn components(resource: &Resource, whole: &RawSample) -> Result<Vec<RawSample>, &'static str> {
    let mut members = Vec::new();
    let list = resource.get("component").and_then(Value::as_array);
    for component in list.into_iter().flatten() {
        let (name, display) = component.get("code").and_then(metric).ok_or(NO_CODE)?;
        let Some(reading) = reading(|name| component.get(name))? else { continue };
        let mut member = whole.clone();
        member.metadata.clear();
        if let Some(display) = display {
            member.metadata.insert("display".to_owned(), display);
        }
        if let Some(external) = &mut member.external {
            external.id = format!("{}#{name}", external.id);
        }
        member.metric = name;
        member.reading = reading;
        members.push(member);
    }
    members.sort_by(|left, right| left.metric.cmp(&right.metric));
    Ok(members)
}

/// The value of an observation or of a component.
fn reading<'v>(get: impl Fn(&str) -> Option<&'v Value>) -> Result<Option<Reading>, &'static str> {
    if let Some(quantity) = get("valueQuantity") {
        let value = quantity.get("value").and_then(Value::as_f64).ok_or(UNREADABLE)?;
        let unit = quantity.get("code").or_else(|| quantity.get("unit"));
        let unit = unit.and_then(Value::as_str).unwrap_or_default().to_owned();
        return Ok(Some(Reading::Quantity { value, unit }));
    }
    if let Some(concept) = get("valueCodeableConcept") {
        let coding = concept.get("coding").and_then(Value::as_array).and_then(|list| list.first());
        let display =
            coding.and_then(|coding| coding.get("display").or_else(|| coding.get("code")));
        let word = concept.get("text").or(display).and_then(Value::as_str).ok_or(UNREADABLE)?;
        return Ok(Some(Reading::Category(word.to_owned())));
    }
    if let Some(text) = get("valueString") {
        let text = text.as_str().ok_or(UNREADABLE)?;
        return Ok(Some(Reading::Category(text.to_owned())));
    }
    if let Some(flag) = get("valueBoolean") {
        let flag = flag.as_bool().ok_or(UNREADABLE)?;
        return Ok(Some(Reading::Category(flag.to_string())));
    }
    if let Some(number) = get("valueInteger") {
        let value = number.as_f64().ok_or(UNREADABLE)?;
        return Ok(Some(Reading::Quantity { value, unit: String::new() }));
    }
    Ok(None)
}

/// The device, else whoever performed it.
fn origin(resource: &Resource) -> Option<&str> {
    let display = |value: &'_ Value| value.get("display").and_then(Value::as_str).is_some();
    let device = resource.get("device").filter(|device| display(device));
    let performer = resource.get("performer").and_then(|list| list.get(0));
    device.or(performer)?.get("display")?.as_str()
}

/// The version of a resource, where its server counts.
fn version(resource: &Resource) -> Option<i64> {
    resource.get("meta")?.get("versionId")?.as_str()?.parse().ok()
}
