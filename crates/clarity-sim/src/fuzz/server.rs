//! What a device sends, given to a real server in memory.

use std::sync::Arc;

use clarity_engine::protocol::model::{Counter, Incarnation, Schema};
use clarity_engine::protocol::{
    Cursor, FetchRequest, OperationAnswer, PullRequest, PushRequest, SchemaStamp, decode,
};
use clarity_server::{AccountId, Core, DeviceId, Environment, SqliteOptions};

use crate::simulation::dice::Dice;
use crate::simulation::environment::ServerEnvironment;
use crate::vfs::{Disk, DiskImage, MemoryVfs};

/// What every input begins with.
const BEFORE: &[u8] = include_bytes!("before.json");
const FILE: &str = "server.db";

/// A server with some entities, as many times as it is asked for.
struct Template {
    vfs: MemoryVfs,
    schema: Arc<Schema>,
    image: DiskImage,
}

/// A server, and an account on it.
struct Server {
    core: Core,
    account: AccountId,
}

thread_local! {
    static TEMPLATE: Template = Template::make();
}

impl Template {
    fn make() -> Self {
        let name = format!("fuzz-{:?}", std::thread::current().id());
        let (Ok(vfs), Ok(schema)) = (MemoryVfs::register(&name, 1), Schema::shipped()) else {
            panic!("there is no server")
        };
        let mut template = Self { vfs, schema: Arc::new(schema), image: DiskImage::default() };
        let disk = Disk::new(&template.vfs, 1);
        let server = template.open(&disk);
        let Ok(before) = decode::<PushRequest>(BEFORE) else { panic!("what was before") };
        let pushed = server.core.push(server.account, DeviceId(1), &before);
        assert!(pushed.is_ok_and(|answer| answer.answers.len() == before.operations.len()));
        drop(server);
        template.image = disk.clone_image();
        template
    }

    fn open(&self, disk: &Disk) -> Server {
        let options = SqliteOptions {
            vfs: Some(self.vfs.name().to_owned()),
            exclusive: true,
            busy_timeout_ms: 0,
            ..SqliteOptions::new(disk.path(FILE))
        };
        let environment: Arc<dyn Environment> = ServerEnvironment::new(1_000, Dice::new(1, 1));
        let opened = Core::open_sqlite(&options, Arc::clone(&self.schema), environment);
        let Ok(core) = opened else { panic!("the server does not open") };
        let Ok(account) = core.ensure_account("someone") else { panic!("there is no account") };
        Server { core, account }
    }
}

/// A server as it was at the beginning, with the disk that it is on.
fn with_server(act: impl FnOnce(&Server, &Schema)) {
    TEMPLATE.with(|template| {
        let disk = Disk::from_image(&template.vfs, &template.image, 1);
        act(&template.open(&disk), &template.schema);
    });
}

/// The body of a push: each operation is answered once and in its order, and a repeat gets the
/// first outcome again (clause I3).
pub(super) fn push(bytes: &[u8]) {
    let Ok(request) = decode::<PushRequest>(bytes) else { return };
    with_server(|server, _| {
        let push = || server.core.push(server.account, DeviceId(2), &request);
        let Ok(first) = push() else { return };
        assert_eq!(first.answers.len(), request.operations.len());
        let Ok(second) = push() else { panic!("a repeat is refused") };
        let outcome = |answer: &OperationAnswer| (answer.id, answer.outcome, answer.version);
        let kept = first.answers.iter().zip(&second.answers);
        // What the device has settled is forgotten.
        for (first, second) in kept.filter(|(first, _)| first.id >= request.settled_below) {
            assert_eq!(outcome(first), outcome(second), "a repeat has another outcome");
        }
    });
}

/// A cursor, and requests that hold one: the server answers with a page that goes on from it, or
/// refuses; and a page written at once is the page that is read row by row.
pub(super) fn cursor(bytes: &[u8]) {
    with_server(|server, schema| {
        if let Ok(request) = decode::<FetchRequest>(bytes) {
            let answer = server.core.fetch(server.account, &request);
            let json = server.core.fetch_json(server.account, &request);
            let json = json.ok().map(|json| decode(&json).ok());
            assert!(answer.ok() == json.map(|json| json.unwrap_or_else(|| panic!("no answer"))));
        }
        let mut request = decode::<PullRequest>(bytes).ok();
        if let Ok(cursor) = decode::<Cursor>(bytes) {
            let incarnation = Incarnation(3);
            request = Some(PullRequest {
                incarnation,
                settled_below: Counter(1),
                schema: Some(SchemaStamp::of(schema)),
                scope: cursor.scope.clone(),
                cursor: Some(cursor),
                heard: None,
                lost_epoch: None,
                from_head: false,
                rows_max: None,
            });
        }
        let Some(request) = request else { return };
        let answer = server.core.pull(server.account, DeviceId(2), &request).ok();
        let json = server.core.pull_json(server.account, DeviceId(2), &request).ok();
        let json = json.map(|json| decode(&json).unwrap_or_else(|_| panic!("no page")));
        assert!(answer == json, "the page that is written at once is another one");
        let Some(page) = answer else { return };
        assert!(page.cursor.seq <= page.head);
        let from = request.cursor.filter(|cursor| cursor.epoch == page.epoch);
        assert!(from.is_none_or(|cursor| cursor.seq <= page.cursor.seq), "it goes back");
    });
}
