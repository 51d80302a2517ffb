//! The journal of intended writes, and what each of them must have come to.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use anyhow::Result;
use serde_json::{Map, Value};

use super::{Key, Operation, each_line, number, text};

/// All intended writes.
#[derive(Default)]
pub(super) struct Journal {
    operations: Vec<Operation>,
    imported: u64,
    entities: BTreeMap<Key, Made>,
    conflict: Option<Key>,
}

/// Everything that was meant for one entity.
#[derive(Default)]
pub(super) struct Made {
    created: Map<String, Value>,
    /// The newest value that each device set, by field.
    updates: BTreeMap<String, BTreeMap<String, Value>>,
    resolved: Map<String, Value>,
    rules: Map<String, Value>,
    devices: BTreeSet<String>,
}

impl Journal {
    pub(super) fn read(path: &Path) -> Result<Self> {
        let mut journal = Self::default();
        each_line(path, |line| journal.take(&line))?;
        Ok(journal)
    }

    fn take(&mut self, line: &Value) -> Result<()> {
        let incarnation = text(line, "incarnation")?;
        let kind = text(line, "kind")?;
        if kind == "import" {
            let (first, next) = (number(line, "first_operation")?, number(line, "next_operation")?);
            self.imported += next.saturating_sub(first);
            self.operations.extend((first..next).map(|number| (incarnation.clone(), number)));
            return Ok(());
        }
        for operation in line["operations"].as_array().into_iter().flatten() {
            self.operations.push((incarnation.clone(), operation.as_u64().unwrap_or_default()));
        }
        let key = (text(line, "type")?, text(line, "id")?);
        let made = self.entities.entry(key.clone()).or_default();
        let fields = line["fields"].as_object().cloned().unwrap_or_default();
        match kind.as_str() {
            "create" => made.created = fields,
            "resolve" => {
                made.resolved = fields;
                self.conflict = Some(key);
            }
            _ => {
                let device = text(line, "device")?;
                made.devices.insert(device.clone());
                made.rules.extend(line["rules"].as_object().cloned().unwrap_or_default());
                for (field, value) in fields {
                    made.updates.entry(field).or_default().insert(device.clone(), value);
                }
            }
        }
        Ok(())
    }

    /// Every operation that was made.
    pub(super) fn operations(&self) -> impl Iterator<Item = Operation> {
        self.operations.iter().cloned()
    }

    /// How many of them were imported samples.
    pub(super) fn imported_operations(&self) -> u64 {
        self.imported
    }

    /// The entities that were written by hand.
    pub(super) fn entities(&self) -> impl Iterator<Item = (&Key, &Made)> {
        self.entities.iter()
    }

    pub(super) fn keys(&self) -> BTreeSet<Key> {
        self.entities.keys().cloned().collect()
    }

    /// The entity whose conflict a person settled.
    pub(super) fn conflict(&self) -> Option<&Key> {
        self.conflict.as_ref()
    }
}

impl Made {
    /// The fields that somebody set.
    pub(super) fn fields(&self) -> BTreeSet<&String> {
        self.created.keys().chain(self.updates.keys()).chain(self.resolved.keys()).collect()
    }

    pub(super) fn by_both_devices(&self) -> bool {
        self.devices.len() > 1
    }

    /// Whether a field was changed while apart, and nobody had to choose.
    pub(super) fn merged_by_itself(&self, field: &str) -> bool {
        self.updates.contains_key(field) && !self.resolved.contains_key(field)
    }

    /// Whether what is there is what must have come of everything that was meant.
    pub(super) fn arrived(&self, field: &str, there: &Value) -> bool {
        if let Some(chosen) = self.resolved.get(field) {
            return chosen == there;
        }
        let base = self.created.get(field).unwrap_or(&Value::Null);
        let sides: Vec<&Value> = match self.updates.get(field) {
            Some(sides) => sides.values().collect(),
            None => return base == there,
        };
        let [left, right] = sides[..] else { return sides == [there] };
        match self.rules.get(field).and_then(Value::as_str) {
            Some("counter") => {
                let [base, left, right, there] =
                    [base, left, right, there].map(|value| value.as_i64().unwrap_or_default());
                there == base + (left - base) + (right - base)
            }
            Some("max") => {
                let [left, right, there] =
                    [left, right, there].map(|value| value.as_i64().unwrap_or_default());
                there == left.max(right)
            }
            Some("set") => parts_merged(base, left, right, there, elements),
            Some("text") => parts_merged(base, left, right, there, lines),
            _ => left == there && right == there,
        }
    }
}

/// What either side added is there, what either took away is not, and there is nothing else.
fn parts_merged(
    base: &Value,
    left: &Value,
    right: &Value,
    there: &Value,
    parts: fn(&Value) -> BTreeSet<String>,
) -> bool {
    let [base, left, right, there] = [base, left, right, there].map(parts);
    let all: BTreeSet<&String> = base.union(&left).chain(&right).collect();
    let wanted: BTreeSet<&String> = all
        .into_iter()
        .filter(|part| {
            let was = base.contains(*part);
            let kept = left.contains(*part) && right.contains(*part);
            let added = !was && (left.contains(*part) || right.contains(*part));
            added || was && kept
        })
        .collect();
    there.iter().collect::<BTreeSet<_>>() == wanted
}

fn elements(value: &Value) -> BTreeSet<String> {
    value.as_array().into_iter().flatten().map(Value::to_string).collect()
}

fn lines(value: &Value) -> BTreeSet<String> {
    value.as_str().unwrap_or_default().lines().map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn made(base: Value, left: Value, right: Value, rule: Value) -> Made {
        let field = || "f".to_owned();
        let sides = BTreeMap::from([("A".to_owned(), left), ("B".to_owned(), right)]);
        Made {
            created: Map::from_iter([(field(), base)]),
            updates: BTreeMap::from([(field(), sides)]),
            rules: Map::from_iter([(field(), rule)]),
            ..Made::default()
        }
    }

    /// Shows for each rule what must have come of two changes, and that anything else is noticed:
    /// one side lost, or applied twice.
    #[test]
    fn two_changes_must_both_be_there_once() {
        let counter = made(json!(10), json!(13), json!(12), json!("counter"));
        assert!(counter.arrived("f", &json!(15)));
        assert!([13, 12, 18].iter().all(|wrong| !counter.arrived("f", &json!(wrong))));
        let max = made(json!(4), json!(7), json!(6), json!("max"));
        assert!(max.arrived("f", &json!(7)) && !max.arrived("f", &json!(6)));
        let set = made(json!(["a"]), json!(["a", "b"]), json!(["c"]), json!("set"));
        assert!(set.arrived("f", &json!(["c", "b"])));
        assert!(!set.arrived("f", &json!(["a", "b", "c"])) && !set.arrived("f", &json!(["b"])));
        let text = made(json!("1\n2"), json!("one\n2"), json!("1\ntwo"), json!("text"));
        assert!(text.arrived("f", &json!("one\ntwo")));
        assert!(!text.arrived("f", &json!("one\n2")) && !text.arrived("f", &json!("one\n2\ntwo")));
        let value = made(json!(1), json!(2), json!(3), Value::Null);
        assert!(!value.arrived("f", &json!(2)), "two values cannot both be there");
    }
}
