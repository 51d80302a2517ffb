//! Resources as they come out of a stream of JSON: what matters of each is kept, the rest is
//! passed over without being held.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::Value;

use crate::counted::Place;
use crate::limits::{FHIR_ENTRY_BYTES_MAX, FHIR_KEPT_BYTES_MAX};

/// The members of a resource that are looked at.
const KEPT: [&str; 18] = [
    "id",
    "resourceType",
    "status",
    "meta",
    "code",
    "subject",
    "device",
    "performer",
    "effectiveDateTime",
    "effectiveInstant",
    "effectivePeriod",
    "valueQuantity",
    "valueCodeableConcept",
    "valueString",
    "valueBoolean",
    "valueInteger",
    "component",
    "dataAbsentReason",
];

/// What was kept of a resource.
#[derive(Default)]
pub(crate) struct Resource {
    members: serde_json::Map<String, Value>,
    /// Whether it has a value of a kind that is not kept.
    pub(crate) other_value: bool,
}

impl Resource {
    /// A member.
    pub(crate) fn get(&self, name: &str) -> Option<&Value> {
        self.members.get(name)
    }

    /// A member that is a text.
    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        self.get(name).and_then(Value::as_str)
    }
}

/// One entry of a bundle, or a resource on its own.
#[derive(Default)]
pub(crate) struct Entry {
    pub(crate) full_url: Option<String>,
    pub(crate) resource: Resource,
    /// The name of what a history says was deleted.
    pub(crate) deleted: Option<String>,
}

/// Takes each entry as it ends; false stops the reading.
pub(crate) type Taker<'t> = dyn FnMut(Entry) -> bool + 't;

/// Reads a resource, and the entries of a bundle one by one.
pub(crate) struct ResourceSeed<'s, 't> {
    pub(crate) place: &'s Place,
    /// Where the entries go; nothing inside an entry.
    pub(crate) entries: Option<&'s mut Taker<'t>>,
    /// Set once something has begun.
    pub(crate) begun: Option<&'s mut bool>,
}

/// What is no object is nothing.
macro_rules! visit_nothing {
    () => {
        fn visit_bool<E>(self, _: bool) -> Result<Self::Value, E> {
            Ok(Self::Value::default())
        }
        fn visit_i64<E>(self, _: i64) -> Result<Self::Value, E> {
            Ok(Self::Value::default())
        }
        fn visit_u64<E>(self, _: u64) -> Result<Self::Value, E> {
            Ok(Self::Value::default())
        }
        fn visit_f64<E>(self, _: f64) -> Result<Self::Value, E> {
            Ok(Self::Value::default())
        }
        fn visit_str<E>(self, _: &str) -> Result<Self::Value, E> {
            Ok(Self::Value::default())
        }
        fn visit_unit<E>(self) -> Result<Self::Value, E> {
            Ok(Self::Value::default())
        }
        fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
            formatter.write_str("a FHIR resource")
        }
    };
}

impl<'de> DeserializeSeed<'de> for ResourceSeed<'_, '_> {
    type Value = Resource;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Resource, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for ResourceSeed<'_, '_> {
    type Value = Resource;

    visit_nothing!();

    fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<Resource, A::Error> {
        while sequence.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Resource::default())
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<Resource, A::Error> {
        if let Some(begun) = self.begun.take() {
            *begun = true;
        }
        let mut resource = Resource::default();
        while let Some(key) = map.next_key::<String>()? {
            if key == "entry"
                && let Some(entries) = self.entries.as_deref_mut()
            {
                map.next_value_seed(EntriesSeed { place: self.place, entries })?;
            } else if KEPT.contains(&key.as_str()) {
                let before = self.place.narrow(FHIR_KEPT_BYTES_MAX);
                let value: Value = map.next_value()?;
                self.place.restore(before);
                if value != Value::Null {
                    resource.members.insert(key, value);
                }
            } else {
                resource.other_value |= key.starts_with("value");
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(resource)
    }
}

struct EntriesSeed<'s, 't> {
    place: &'s Place,
    entries: &'s mut Taker<'t>,
}

impl<'de> DeserializeSeed<'de> for EntriesSeed<'_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for EntriesSeed<'_, '_> {
    type Value = ();

    visit_nothing!();

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<(), A::Error> {
        loop {
            self.place.allow(FHIR_ENTRY_BYTES_MAX);
            let Some(entry) = sequence.next_element_seed(EntrySeed { place: self.place })? else {
                break;
            };
            if !(self.entries)(entry) {
                return Err(serde::de::Error::custom(STOPPED));
            }
        }
        self.place.allow(FHIR_ENTRY_BYTES_MAX);
        Ok(())
    }
}

/// What the error says when whoever takes the entries wants no more.
pub(crate) const STOPPED: &str = "stopped on request";

struct EntrySeed<'s> {
    place: &'s Place,
}

impl<'de> DeserializeSeed<'de> for EntrySeed<'_> {
    type Value = Entry;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Entry, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for EntrySeed<'_> {
    type Value = Entry;

    visit_nothing!();

    fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<Entry, A::Error> {
        while sequence.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Entry::default())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Entry, A::Error> {
        let mut entry = Entry::default();
        while let Some(key) = map.next_key::<String>()? {
            match key.as_str() {
                "resource" => {
                    let seed = ResourceSeed { place: self.place, entries: None, begun: None };
                    entry.resource = map.next_value_seed(seed)?;
                }
                "fullUrl" | "request" => {
                    let before = self.place.narrow(FHIR_KEPT_BYTES_MAX);
                    let value: Value = map.next_value()?;
                    self.place.restore(before);
                    match value {
                        Value::String(url) => entry.full_url = Some(url),
                        request => entry.deleted = deleted(&request),
                    }
                }
                _ => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(entry)
    }
}

/// What a request of a history deletes.
fn deleted(request: &Value) -> Option<String> {
    let is_delete = request.get("method").and_then(Value::as_str) == Some("DELETE");
    let url = request.get("url").and_then(Value::as_str)?;
    is_delete.then(|| url.to_owned())
}
