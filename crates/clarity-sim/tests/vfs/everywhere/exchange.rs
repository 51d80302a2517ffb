//! What a device and its server say to each other: a queue that is sent and acknowledged, and pages
//! that are taken in under edits that wait.

use clarity_client::engine::protocol::Scope;
use clarity_client::engine::store::RequestId;
use clarity_client::engine::{Effect, Event, Request, Response, Role, Write};
use clarity_client::model::{EntityKey, FieldChange, Kind, Version};
use clarity_client::{Failure, FailureClass};
use clarity_server::{DeviceId, RequestError};
use clarity_sim::vfs::{Disk, MemoryVfs};
use serde_json::{Value, json};

use super::machine::{Machine, shipped};
use super::sweep::{Step, Workload};
use super::writes::{create, fields_of, goal, made, note, sample, update};
use crate::following::writer::Writer;

/// Rows of a page.
const ROWS: usize = 4;
/// How many entities that were lost the server takes back at once.
const GIVEN_BACK_MAX: usize = 6;

/// An answer that is the same each time it is told.
#[derive(Clone)]
enum Answer {
    Push(clarity_client::engine::protocol::PushResponse),
    Pull(clarity_client::engine::protocol::PullResponse),
    Refusal(FailureClass),
}

impl Answer {
    fn result(&self) -> Result<Response, Failure> {
        match self.clone() {
            Self::Push(answer) => Ok(Response::Push(answer)),
            Self::Pull(answer) => Ok(Response::Pull(answer)),
            Self::Refusal(class) => Err(Failure::new(class, "refused")),
        }
    }
}

fn answer(server: &Writer, request: Request) -> Answer {
    let (core, account, device) = (&server.core, server.account, DeviceId(2));
    let answered = match request {
        Request::Push(push) => {
            let given_back = push.contribution.as_ref().map_or(0, |lost| lost.entities.len());
            if given_back > GIVEN_BACK_MAX {
                return Answer::Refusal(FailureClass::TooLarge);
            }
            core.push(account, device, &push).map(Answer::Push)
        }
        Request::Pull(mut pull) => {
            pull.rows_max = Some(ROWS);
            core.pull(account, device, &pull).map(Answer::Pull)
        }
        Request::Fetch(_) => panic!("nothing is fetched here"),
    };
    match answered {
        Err(RequestError::CursorRefused) => Answer::Refusal(FailureClass::Reset),
        answered => answered.unwrap(),
    }
}

/// Talks with the server until nothing is on its way, and returns the steps in which the device did
/// so: each is a transaction of the driver, with the answers that it had then.
pub(super) fn converse(machine: &mut Machine, server: &Writer) -> Vec<Step> {
    let mut steps = Vec::new();
    go_on(machine, server, &mut steps, || vec![Event::Started, Event::SyncNow]);
    steps
}

/// The same from where it stands after some steps, with what happens then.
pub(super) fn go_on(
    machine: &mut Machine,
    server: &Writer,
    steps: &mut Vec<Step>,
    happens: fn() -> Vec<Event>,
) {
    let begin = move |machine: &mut Machine| machine.handle(Role::Drain, happens());
    machine.begin_step(steps.len());
    let mut on_their_way = sent(begin(machine).unwrap().effects);
    steps.push(Step::new(move |machine| begin(machine).map(|_| ())));
    while !on_their_way.is_empty() {
        let (request, body) = on_their_way.remove(0);
        let answer = answer(server, body);
        machine.begin_step(steps.len());
        let handled = machine.handle(Role::Drain, finished(request, &answer)).unwrap();
        on_their_way.extend(sent(handled.effects));
        steps.push(Step::new(move |machine| {
            machine.handle(Role::Drain, finished(request, &answer)).map(|_| ())
        }));
    }
}

fn finished(request: RequestId, answer: &Answer) -> Vec<Event> {
    vec![Event::RequestFinished { request, result: answer.result() }]
}

fn sent(effects: Vec<Effect>) -> Vec<(RequestId, Request)> {
    let sent = effects.into_iter().filter_map(|effect| match effect {
        Effect::Send { request, body } => Some((request, body)),
        _ => None,
    });
    sent.collect()
}

/// A server with notes, goals and samples of another device.
pub(super) fn server(vfs: &MemoryVfs) -> Writer {
    let mut server = Writer::new(vfs, &shipped(), 5);
    for number in 0..4 {
        let fields = fields_of(json!({
            "title": "theirs", "text": "one\ntwo\nthree\n", "tags": ["a"], "at_ms": number,
        }));
        server.push(Kind::Create, note(number), Version(0), Some(fields), Vec::new());
    }
    for number in 0..3 {
        let fields = fields_of(json!({"title": "theirs", "progress": 10, "target": 50}));
        server.push(Kind::Create, goal(number), Version(0), Some(fields), Vec::new());
    }
    for number in 0..3 {
        let (key, fields) = sample(number);
        server.push(Kind::Create, key, Version(0), Some(fields), Vec::new());
    }
    server
}

/// The other device changes some of what is there: other fields than this one, the same ones, and
/// it deletes.
pub(super) fn change_theirs(server: &mut Writer) {
    let mut change = |key: EntityKey, field: &str, old: Value, new: Value| {
        let change = FieldChange { field: field.to_owned(), old: Some(old), new: Some(new) };
        server.push(Kind::Update, key, Version(1), None, vec![change]);
    };
    let text = json!("one\ntwo\nthree\n");
    change(note(0), "text", text, json!("one\ntwo\nthree\nfour, theirs\n"));
    change(note(1), "title", json!("theirs"), json!("theirs, newer"));
    change(goal(0), "progress", json!(10), json!(13));
    change(goal(1), "target", json!(50), json!(60));
    server.push(Kind::Delete, note(3), Version(1), None, Vec::new());
}

/// Edits of this device: they merge, conflict, add up, are new, and delete.
fn edits() -> Vec<Write> {
    vec![
        update(note(0), "text", json!("one, mine\ntwo\nthree\n")),
        update(note(1), "title", json!("mine")),
        update(note(1), "tags", json!(["a", "mine"])),
        update(note(2), "title", json!("mine alone")),
        update(note(3), "title", json!("of what they deleted")),
        update(goal(0), "progress", json!(14)),
        update(goal(1), "target", json!(70)),
        Write::Delete { key: goal(2), seen: None },
        create(note(10), json!({"title": "new", "text": "line\n".repeat(9)})),
        Write::Batch {
            atomic: true,
            writes: vec![
                create(goal(10), json!({"title": "new", "progress": 1})),
                create(note(11), json!({"title": "of the new goal"})),
            ],
        },
        create(sample(20).0, serde_json::to_value(sample(20).1).unwrap()),
    ]
}

pub(super) fn write(machine: &mut Machine, writes: Vec<Write>) {
    let writes = writes.into_iter().map(Event::Write).collect();
    machine.handle(Role::Write, writes).unwrap();
}

/// Puts a device into a state and says which steps lead to the end from there.
fn steps_from(vfs: &MemoryVfs, before: &Disk, server: &Writer) -> Vec<Step> {
    let copy = Disk::from_image(vfs, &before.clone_image(), 1);
    let mut machine = Machine::new(&copy);
    let steps = converse(&mut machine, server);
    let queue = machine.commit(|transaction| transaction.queue_counts()).unwrap();
    assert_eq!(queue.in_flight + queue.ready, 0, "everything was answered");
    assert!(queue.conflicted > 0, "something is in conflict");
    steps
}

/// A queue is frozen, sent and answered in every way; the server's news is read afterwards.
pub(super) fn acknowledge(vfs: &MemoryVfs) -> Workload {
    let mut server = server(vfs);
    let disk = made(vfs);
    let mut machine = Machine::new(&disk);
    converse(&mut machine, &server);
    change_theirs(&mut server);
    write(&mut machine, edits());
    machine.close();
    Workload { steps: steps_from(vfs, &disk, &server), ..Workload::of(&disk) }
}

/// A first sync in pages, then a narrower and a wider scope, over edits that wait and conflict with
/// what comes. They are on their way all the time and their answer is never heard: what settles
/// them are the rows.
pub(super) fn pull(vfs: &MemoryVfs) -> Workload {
    let mut server = server(vfs);
    let disk = made(vfs);
    let mut machine = Machine::new(&disk);
    converse(&mut machine, &server);
    change_theirs(&mut server);
    for number in 10..16 {
        let (key, fields) = sample(number);
        server.push(Kind::Create, key, Version(0), Some(fields), Vec::new());
    }
    write(&mut machine, edits());
    // The answer to everything that is sent is lost.
    let events = vec![Event::Started, Event::SyncNow];
    for (_, body) in sent(machine.handle(Role::Drain, events).unwrap().effects) {
        if let Request::Push(_) = &body {
            answer(&server, body);
        }
    }
    write(&mut machine, vec![update(note(2), "text", json!("while it waits"))]);
    let types = [note(0).entity_type, goal(0).entity_type];
    let scope = Scope { types: types.into(), ..Scope::default() };
    write(&mut machine, vec![Write::SetScope { scope }]);
    write(&mut machine, vec![Write::SetScope { scope: Scope::default() }]);
    machine.close();
    let steps = steps_from(vfs, &disk, &server);
    assert!(steps.len() > 4, "{} pages", steps.len());
    Workload { steps, ..Workload::of(&disk) }
}
