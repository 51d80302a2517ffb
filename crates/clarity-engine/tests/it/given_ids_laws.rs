//! Random lives of a device whose backend gives ids of its own: whatever is lost on the way and
//! wherever the process ends, both sides hold the same in the end, once, and under one name.

use std::collections::{BTreeMap, BTreeSet};

use clarity_engine::protocol::model::{Counter, EntityId, EntityKey, Kind, Version};
use clarity_engine::protocol::{FailureClass, Row, WireOperation};
use clarity_engine::{Write, WriteError};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::given_ids::{online, plan, step};
use crate::support::{Bench, update, wire};

/// One step of a life.
#[derive(Debug, Clone)]
enum Act {
    MakePlan(u8, Option<u8>),
    MakeStep(u8, u8),
    PointStep(u8, Option<u8>),
    NamePlan(u8, u8),
    DeletePlan(u8),
    /// The server answers the push on its way, if there is one, and the answer arrives or not.
    Answer {
        arrives: bool,
    },
    /// A page arrives, in which the server names the operations that it holds or does not.
    Pull {
        names: bool,
    },
    Restart,
}

fn steps() -> impl Strategy<Value = Vec<Act>> {
    let number = 0_u8..4;
    let perhaps = prop::option::of(number.clone());
    let to = || (number.clone(), perhaps.clone());
    let step = prop_oneof![
        3 => to().prop_map(|(a, b)| Act::MakePlan(a, b)),
        3 => (number.clone(), number.clone()).prop_map(|(a, b)| Act::MakeStep(a, b)),
        3 => to().prop_map(|(a, b)| Act::PointStep(a, b)),
        2 => (number.clone(), 0_u8..9).prop_map(|(a, b)| Act::NamePlan(a, b)),
        1 => number.clone().prop_map(Act::DeletePlan),
        5 => any::<bool>().prop_map(|arrives| Act::Answer { arrives }),
        2 => any::<bool>().prop_map(|names| Act::Pull { names }),
        1 => Just(Act::Restart),
    ];
    prop::collection::vec(step, 1..40)
}

/// A backend that gives plans ids of its own and merges nothing, with one device.
#[derive(Default)]
struct Backend {
    rows: BTreeMap<EntityKey, Row>,
    /// What became of each operation, with the id that it gave.
    receipts: BTreeMap<Counter, (EntityKey, Version)>,
    given: u64,
}

impl Backend {
    fn apply(&mut self, operation: &WireOperation) -> wire::Answer {
        if let Some((key, version)) = self.receipts.get(&operation.id) {
            let fields = self.rows[key].fields.clone().map(|fields| json!(fields));
            let outcome = clarity_engine::protocol::model::Outcome::Applied;
            let now = self.rows[key].version.0;
            let mut answer = wire::with_entity(operation, outcome, now, fields);
            answer.version = Some(*version);
            answer.entity_id = Some(key.id.clone());
            return answer;
        }
        let mut key = operation.key.clone();
        let is_new = operation.kind == Kind::Create && !self.rows.contains_key(&key);
        if is_new && key.entity_type.as_str() == "Plan" {
            self.given += 1;
            key.id = EntityId::new(format!("given-{}", self.given)).unwrap();
        }
        let before = self.rows.get(&key);
        let version = Version(before.map_or(0, |row| row.version.0) + 1);
        let mut fields = match (operation.kind, before) {
            (Kind::Create, _) => operation.fields.clone().unwrap_or_default(),
            (_, Some(row)) => row.fields.clone().unwrap_or_default(),
            (_, None) => panic!("the server does not have what operation {} names", operation.id),
        };
        for change in &operation.changes {
            fields.put(&change.field, change.new.clone());
        }
        let deleted = operation.kind == Kind::Delete;
        let row = wire::row(&key, version.0, json!({}));
        let fields = (!deleted).then_some(fields);
        self.rows.insert(key.clone(), Row { fields, deleted, ..row });
        self.receipts.insert(operation.id, (key.clone(), version));
        let mut answer = wire::applied(operation);
        answer.version = Some(version);
        answer.entity_id = Some(key.id);
        answer
    }

    fn page(&self, names: bool) -> Vec<Row> {
        let mut rows: Vec<Row> = self.rows.values().cloned().collect();
        for row in rows.iter_mut().filter(|_| names) {
            let held = self.receipts.iter().filter(|(_, (key, _))| *key == row.key);
            let outcome = clarity_engine::protocol::model::Outcome::Applied;
            row.operations = held
                .map(|(id, _)| clarity_engine::protocol::SettledOperation {
                    id: *id,
                    outcome,
                    hash: None,
                })
                .collect();
        }
        rows
    }
}

struct Life {
    bench: Bench,
    backend: Backend,
    made: BTreeSet<EntityKey>,
}

impl Life {
    fn new() -> Self {
        let (backend, made) = (Backend::default(), BTreeSet::new());
        Self { bench: online(), backend, made }
    }

    /// Writes; what the engine refuses because of what is there or not is no concern here.
    fn write(&mut self, write: Write) -> bool {
        match self.bench.try_write(write) {
            Ok(_) => true,
            Err(WriteError::Exists | WriteError::NotFound) => false,
            Err(error) => panic!("{error}"),
        }
    }

    fn make(&mut self, key: EntityKey, fields: Value) {
        let (fields, parents) = (wire::fields(fields), Vec::new());
        if self.write(Write::Create { key: key.clone(), fields, parents }) {
            self.made.insert(key);
        }
    }

    fn step(&mut self, of: Act) {
        match of {
            Act::MakePlan(id, after) => {
                let after = after.map(local);
                let fields = after.map_or(json!({}), |after| json!({ "after": after }));
                self.make(plan(&local(id)), fields);
            }
            Act::MakeStep(id, to) => {
                let fields = json!({ "plan": local(to), "title": local(to) });
                self.make(step(&format!("step-{id}")), fields);
            }
            Act::PointStep(id, to) => {
                let changes = json!({ "plan": to.map(local) });
                self.write(update(&step(&format!("step-{id}")), changes, None));
            }
            Act::NamePlan(id, name) => {
                self.write(update(&plan(&local(id)), json!({ "title": name.to_string() }), None));
            }
            Act::DeletePlan(id) => {
                self.write(Write::Delete { key: plan(&local(id)), seen: None });
            }
            Act::Answer { arrives } => self.answer(arrives),
            Act::Pull { names } => self.pull(names),
            Act::Restart => self.bench.restart(),
        }
    }

    fn answer(&mut self, arrives: bool) {
        if self.bench.pushes.is_empty() {
            return;
        }
        let push = self.bench.pushes.remove(0);
        let answers = push.operations.iter().map(|one| self.backend.apply(one)).collect();
        if arrives {
            self.bench.answer(&push, answers);
        } else {
            self.bench.fail(push.request, FailureClass::Unreachable);
        }
    }

    fn pull(&mut self, names: bool) {
        if !self.bench.pulls.is_empty() {
            let rows = self.backend.page(names);
            self.bench.answer_pull(&rows);
        }
    }

    /// Nothing is lost any more.
    fn settle(&mut self) {
        for _ in 0..400 {
            if !self.bench.pushes.is_empty() {
                self.answer(true);
            } else if !self.bench.pulls.is_empty() {
                self.pull(true);
            } else if self.bench.is_settled() {
                return;
            } else {
                self.bench.wake();
            }
        }
        panic!("it does not come to rest: {:?}", self.bench.status());
    }

    fn check(&mut self) {
        let mut live = 0;
        for key in self.made.clone() {
            let present = self.bench.present(&key);
            let there = self.backend.rows.get(&present).and_then(|row| row.fields.clone());
            let seen = self.bench.see(&present);
            assert_eq!(seen, there.map(|fields| json!(fields)), "{key} is the same on both sides");
            live += usize::from(seen.is_some());
            for field in ["plan", "after"] {
                let named = seen.as_ref().and_then(|seen| seen.get(field)).and_then(Value::as_str);
                let Some(named) = named.filter(|named| named.starts_with("local-")) else {
                    continue;
                };
                let known = self.backend.rows.contains_key(&self.bench.present(&plan(named)));
                assert!(!known, "{key} names {named} by an id that has been replaced");
            }
            let title = seen.as_ref().and_then(|seen| seen.get("title"));
            if key.entity_type.as_str() == "Step" && title.is_some() {
                let title = title.and_then(Value::as_str).unwrap();
                assert!(title.starts_with("local-"), "it is not declared as a reference");
            }
        }
        let rows = self.backend.rows.values().filter(|row| !row.deleted).count();
        assert_eq!(rows, live, "nothing is doubled");
    }
}

fn local(id: u8) -> String {
    format!("local-{id}")
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    /// Shows that in any order of writes, answers, losses, pages and ends of the process, every
    /// entity arrives once, under one name, with its references.
    #[test]
    fn any_life_ends_in_one_name_for_everything(steps in steps()) {
        let mut life = Life::new();
        for step in steps {
            life.step(step);
        }
        life.settle();
        life.check();
    }
}
