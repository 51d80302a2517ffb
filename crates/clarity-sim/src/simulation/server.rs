//! The server of a world: the real apply and pull over a disk that can fail, and a token service.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::Arc;

use clarity_engine::protocol::model::{
    Counter, EntityKey, Incarnation, Outcome, RejectReason, Rejection, Schema,
};
use clarity_engine::protocol::{
    OperationAnswer, ProblemCode, PullRequest, PushRequest, Tokens, WireOperation, decode,
    hash_operation,
};
use clarity_server::{AccountId, Core, DeviceId, DumpedEntity, Environment, SqliteOptions};

use super::branches;
use super::dice::Dice;
use super::environment::ServerEnvironment;
use super::mischief;
use super::network::{Call, CallKind, Line, Reply, plain_answer};
use super::plant::Plant;
use super::stage::{Stage, Violation, ensure};
use super::workload::PARENT;
use crate::vfs::{CrashMode, Disk, DiskImage, Fault, MemoryVfs};

const FILE: &str = "server.db";
/// How many accounts there are.
pub(crate) const ACCOUNTS_MAX: usize = 3;

/// Operations that hold this text make the server fail while there are faults.
pub(crate) const POISON_ERROR: &str = "poison: the server fails on this";
/// Requests that hold this text are refused as unreadable for ever.
pub(crate) const POISON_UNREADABLE: &str = "poison: the request is refused";
/// Requests that hold this text are refused as too large for ever.
pub(crate) const POISON_LARGE: &str = "poison: the request is too large";
/// Operations that hold this text are refused for ever.
pub(crate) const POISON_REFUSED: &str = "poison: the operation is refused";

/// The tokens of one device.
#[derive(Debug, Default)]
struct TokenChain {
    /// The number of the newest refresh token.
    newest: u64,
    /// Access tokens with their ends, by the server's clock, and their accounts.
    access: BTreeMap<String, (i64, usize)>,
    /// How many access tokens are worth nothing any more.
    ended: usize,
}

/// The server.
pub(crate) struct Server {
    disk: Disk,
    core: Option<Core>,
    accounts: Vec<AccountId>,
    schema: Arc<Schema>,
    environment: Arc<ServerEnvironment>,
    chains: BTreeMap<usize, TokenChain>,
    /// What took effect, as far as an answer told, with the hash of its bytes.
    applied: BTreeMap<(Incarnation, Counter), [u8; 16]>,
    /// What took effect although the server has not what it depends on.
    pub(crate) without_parent: Option<(EntityKey, String)>,
    /// The newest operation of each history of a device on each entity that took effect.
    newest_of_lane: BTreeMap<(Line, Incarnation, EntityKey), Counter>,
    backup: Option<DiskImage>,
}

/// What became of a request at the server.
pub(crate) enum Served {
    Reply(Reply, Noise),
    /// The server died; whoever waits sees the connection close.
    Died,
}

/// What else a request causes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Noise {
    None,
    /// Other devices may be told that something changed.
    Changed,
}

impl Server {
    /// The files of a server that has an account and nothing else.
    pub(crate) fn template(vfs: &MemoryVfs, schema: &Arc<Schema>) -> Result<DiskImage, String> {
        let disk = Disk::new(vfs, 1);
        let environment = ServerEnvironment::new(0, Dice::new(0, 1_000));
        let core = open(&disk, schema, &environment, false)?;
        ensure_accounts(&core)?;
        drop(core);
        Ok(disk.clone_image())
    }

    pub(crate) fn new(
        vfs: &MemoryVfs,
        image: &DiskImage,
        schema: &Arc<Schema>,
        seed: u64,
    ) -> Result<Self, String> {
        let disk = Disk::from_image(vfs, image, seed);
        let environment = ServerEnvironment::new(0, Dice::new(seed, 1_000));
        let core = open(&disk, schema, &environment, false)?;
        let accounts = ensure_accounts(&core)?;
        Ok(Self {
            disk,
            core: Some(core),
            accounts,
            schema: Arc::clone(schema),
            environment,
            chains: BTreeMap::new(),
            applied: BTreeMap::new(),
            without_parent: None,
            newest_of_lane: BTreeMap::new(),
            backup: None,
        })
    }

    pub(crate) fn is_running(&self) -> bool {
        self.core.is_some()
    }

    /// Starts it after a crash.
    pub(crate) fn start(&mut self) -> Result<(), Violation> {
        if self.core.is_none() { self.open(false) } else { Ok(()) }
    }

    fn open(&mut self, restored: bool) -> Result<(), Violation> {
        let core = open(&self.disk, &self.schema, &self.environment, restored);
        self.core = Some(core.map_err(|words| Violation { clause: "I16", words })?);
        Ok(())
    }

    /// The power of its machine fails.
    pub(crate) fn crash(&mut self, stage: &mut Stage) {
        let mode = *stage.dice.pick(&CrashMode::ALL).unwrap_or(&CrashMode::Mixed);
        if stage.dice.chance(500) {
            self.disk.kill();
        } else {
            self.disk.crash(mode, stage.dice.source());
        }
        self.disk.heal();
        self.core = None;
    }

    /// Answers a request.
    pub(crate) fn serve(
        &mut self,
        stage: &mut Stage,
        device: usize,
        call: &Call,
    ) -> Result<Served, Violation> {
        self.environment.set_now(stage.now_ms);
        self.environment.begin(stage.following());
        let Some(account) = self.accepts(device, &call.token, stage.now_ms) else {
            stage.met("token_expired");
            let reply = Reply::refused(401, ProblemCode::TokenExpired, "The token has expired");
            return Ok(Served::Reply(reply, Noise::None));
        };
        let account = self.accounts[account];
        if let Some(reply) = refuse(stage, call) {
            return Ok(Served::Reply(reply, Noise::None));
        }
        if stage.fault(stage.rates.server_crash_in_disk, "server_crash_in_transaction") {
            let at = self.disk.operations() + stage.dice.index(12) as u64;
            self.disk.fail_at(at, Fault::Crash);
        }
        let served = match call.kind {
            CallKind::Push => self.push(stage, account, device, call)?,
            CallKind::Pull => self.pull(stage, account, device, call)?,
            CallKind::Fetch => self.fetch(stage, account, call)?,
        };
        if !self.disk.is_running() {
            self.crash(stage);
            return Ok(Served::Died);
        }
        self.disk.heal();
        Ok(served)
    }

    fn pull(
        &self,
        stage: &mut Stage,
        account: AccountId,
        device: usize,
        call: &Call,
    ) -> Result<Served, Violation> {
        let Some(core) = &self.core else { return Ok(Served::Died) };
        let mut request: PullRequest = decode(&call.bytes).map_err(unreadable)?;
        let other = self.mistaken(stage, account);
        if other != account {
            request.cursor = None;
        }
        let answer = core.pull_json(other, device_id(device), &request);
        Ok(match answer {
            Ok(json) => Served::Reply(Reply::success(mischief::page(stage, json)), Noise::None),
            Err(error) => Served::Reply(Reply::problem(&error.problem()), Noise::None),
        })
    }

    fn fetch(
        &self,
        stage: &mut Stage,
        account: AccountId,
        call: &Call,
    ) -> Result<Served, Violation> {
        let Some(core) = &self.core else { return Ok(Served::Died) };
        let request = decode(&call.bytes).map_err(unreadable)?;
        let reply = match core.fetch_json(self.mistaken(stage, account), &request) {
            Ok(json) => Reply::success(json),
            Err(error) => Reply::problem(&error.problem()),
        };
        Ok(Served::Reply(reply, Noise::None))
    }

    /// The account that is read: with a planted bug, now and then, another.
    fn mistaken(&self, stage: &mut Stage, account: AccountId) -> AccountId {
        let mistaken = stage.is_planted(Plant::RowsOfAnotherAccount) && stage.dice.chance(100);
        let others = self.accounts.iter().filter(|one| mistaken && **one != account);
        others.copied().next().unwrap_or(account)
    }

    fn push(
        &mut self,
        stage: &mut Stage,
        account: AccountId,
        device: usize,
        call: &Call,
    ) -> Result<Served, Violation> {
        let mut request: PushRequest = decode(&call.bytes).map_err(unreadable)?;
        let read = request.operations.iter().filter_map(|raw| {
            let operation: WireOperation = serde_json::from_str(raw.get()).ok()?;
            Some((operation, hash_operation(raw.get().as_bytes())))
        });
        let (all, hashes): (Vec<WireOperation>, Vec<[u8; 16]>) = read.unzip();
        let mut forbidden = forbidden(stage, &request, &all);
        let mut position = 0;
        request.operations.retain(|_| {
            position += 1;
            forbidden[position - 1].is_none()
        });
        if stage.is_planted(Plant::RefusedAsApplied) {
            mischief::refusals_as_done(&mut forbidden, &all);
        }
        let incarnation = request.incarnation;
        let mut torn = Vec::new();
        if stage.plant.is_some() {
            torn = mischief::push(stage, &mut request, &self.entities_of(account)?);
        }
        let undone = (stage.is_planted(Plant::AnswerBeforeCommit) && stage.dice.chance(100))
            .then(|| self.disk.clone_image());
        let Some(core) = &self.core else { return Ok(Served::Died) };
        let pushed = match core.push_noting(account, device_id(device), &request) {
            Ok(pushed) => pushed,
            Err(error) => {
                return Ok(Served::Reply(Reply::problem(&error.problem()), Noise::None));
            }
        };
        if stage.is_planted(Plant::AppliedTwice) && stage.dice.chance(200) {
            request.incarnation = Incarnation(7);
            let _ = core.push_noting(account, device_id(device), &request);
        }
        if stage.is_planted(Plant::DropReceipt) && stage.dice.chance(300) {
            self.drop_receipts()?;
        }
        if let Some(image) = undone {
            self.core = None;
            self.disk = Disk::from_image(self.disk.vfs(), &image, stage.following());
            self.start()?;
        }
        let mut response = pushed.response;
        response.answers.extend(torn);
        for answer in &response.answers {
            stage.faults.met(branches::outcome(answer.outcome));
        }
        self.record(account, (call.line, incarnation), (&all, &hashes), &response.answers)?;
        response.answers = weave(forbidden, response.answers);
        let changed = if pushed.changed.is_empty() { Noise::None } else { Noise::Changed };
        let body = serde_json::to_vec(&response).unwrap_or_default();
        Ok(Served::Reply(Reply::success(body), changed))
    }

    /// Promise I5: in each lane operations take effect in the order in which they were made. A copy
    /// of a device goes by the numbers of the other until it knows, and has an order of its own.
    fn record(
        &mut self,
        account: AccountId,
        (line, incarnation): (Line, Incarnation),
        (all, hashes): (&[WireOperation], &[[u8; 16]]),
        answers: &[OperationAnswer],
    ) -> Result<(), Violation> {
        for answer in answers.iter().filter(|answer| answer.outcome.is_settled()) {
            let found = all.iter().zip(hashes).find(|(one, _)| one.id == answer.id);
            let Some((operation, hash)) = found else { continue };
            let id = (incarnation, answer.id);
            if self.applied.contains_key(&id) {
                continue;
            }
            self.applied.insert(id, *hash);
            self.check_parent(account, operation)?;
            let lane = (line, incarnation, operation.key.clone());
            let before = self.newest_of_lane.insert(lane, answer.id).unwrap_or_default();
            ensure(before < answer.id, "I5", || {
                format!("operation {} took effect after {before} on one entity", answer.id)
            })?;
        }
        Ok(())
    }

    /// The hash of the bytes that took effect under an id, as far as an answer told of any.
    pub(crate) fn took_effect(&self, id: (Incarnation, Counter)) -> Option<[u8; 16]> {
        self.applied.get(&id).copied()
    }

    /// Promise I5: what depends on an entity never takes effect before it.
    fn check_parent(
        &mut self,
        account: AccountId,
        operation: &WireOperation,
    ) -> Result<(), Violation> {
        let named = operation.fields.as_ref().and_then(|fields| fields.get(PARENT));
        let Some(parent) = named.and_then(|named| named.as_str()) else { return Ok(()) };
        let there = self.entities_of(account)?.keys().any(|key| key.to_string() == parent);
        if !there {
            self.without_parent = Some((operation.key.clone(), parent.to_owned()));
        }
        Ok(())
    }

    /// The planted bug: receipts are gone although the operations took effect.
    fn drop_receipts(&mut self) -> Result<(), Violation> {
        let broken = |error: rusqlite::Error| Violation { clause: "sim", words: error.to_string() };
        self.core = None;
        let connection = self.disk.open(FILE).map_err(broken)?;
        connection
            .execute_batch("PRAGMA locking_mode = EXCLUSIVE; DELETE FROM receipt;")
            .map_err(broken)?;
        drop(connection);
        self.start()
    }

    /// The entities of an account as they stand.
    pub(crate) fn entities(
        &self,
        account: usize,
    ) -> Result<BTreeMap<EntityKey, DumpedEntity>, Violation> {
        self.entities_of(self.accounts[account])
    }

    fn entities_of(
        &self,
        account: AccountId,
    ) -> Result<BTreeMap<EntityKey, DumpedEntity>, Violation> {
        let mut entities = BTreeMap::new();
        let Some(core) = &self.core else { return Ok(entities) };
        core.dump_entities(account, |entity| {
            entities.insert(entity.key.clone(), entity);
            ControlFlow::Continue(())
        })
        .map_err(|error| Violation { clause: "sim", words: error.to_string() })?;
        Ok(entities)
    }

    /// Gives a device its first tokens, as after signing in. Its older ones are worth nothing from
    /// here on.
    pub(crate) fn sign_in(&mut self, stage: &Stage, device: usize, account: usize) -> Tokens {
        self.end_session(device);
        self.issue(stage, device, account)
    }

    /// Takes no token any more that a device has.
    pub(crate) fn end_session(&mut self, device: usize) {
        let chain = self.chains.entry(device).or_default();
        // Neither the newest nor its successor.
        chain.newest += 2;
        chain.ended += chain.access.len();
        chain.access.clear();
    }

    /// The successor of a refresh token; the same for a repeat. None when it is not accepted.
    pub(crate) fn renew(
        &mut self,
        stage: &Stage,
        device: usize,
        account: usize,
        refresh_token: &str,
    ) -> Option<Tokens> {
        let chain = self.chains.entry(device).or_default();
        let number: u64 = refresh_token.rsplit('-').next()?.parse().ok()?;
        if number == chain.newest {
            chain.newest += 1;
        } else if number + 1 != chain.newest {
            return None;
        }
        Some(self.issue(stage, device, account))
    }

    fn issue(&mut self, stage: &Stage, device: usize, account: usize) -> Tokens {
        let chain = self.chains.entry(device).or_default();
        let access_token = format!("access-{device}-{}", chain.ended + chain.access.len());
        let end_ms = stage.now_ms + stage.rates.token_ms;
        chain.access.insert(access_token.clone(), (end_ms, account));
        Tokens {
            account_id: format!("account-{account}"),
            device_id: format!("device-{device}"),
            access_token,
            access_expires_in_ms: stage.rates.token_ms.unsigned_abs(),
            refresh_token: format!("refresh-{device}-{}", chain.newest),
        }
    }

    /// Tokens of another account, as a person gets who signs in with the wrong one.
    pub(crate) fn foreign_tokens(&mut self, stage: &Stage, device: usize, other: usize) -> Tokens {
        self.issue(stage, device, other)
    }

    /// The account that a token is for, while it is good.
    fn accepts(&self, device: usize, token: &str, now_ms: i64) -> Option<usize> {
        let known = self.chains.get(&device).and_then(|chain| chain.access.get(token));
        known.filter(|(end_ms, _)| now_ms < *end_ms).map(|(_, account)| *account)
    }

    /// Makes a backup, if it is running.
    pub(crate) fn back_up(&mut self) {
        if self.is_running() {
            self.backup = Some(self.disk.clone_image());
        }
    }

    /// Is set back to the backup, by somebody who says so when it starts or does not. False without
    /// a backup.
    pub(crate) fn set_back(&mut self, stage: &mut Stage, says_so: bool) -> Result<bool, Violation> {
        let Some(image) = &self.backup else { return Ok(false) };
        self.core = None;
        self.disk = Disk::from_image(self.disk.vfs(), image, stage.following());
        self.environment.begin(stage.following());
        self.open(says_so)?;
        // What it has lost may take effect once more.
        self.applied.clear();
        self.newest_of_lane.clear();
        Ok(true)
    }
}

fn ensure_accounts(core: &Core) -> Result<Vec<AccountId>, String> {
    let names = (0..ACCOUNTS_MAX).map(|number| format!("person {number}"));
    let accounts = names.map(|name| core.ensure_account(&name));
    accounts.collect::<Result<_, _>>().map_err(|error| error.to_string())
}

fn open(
    disk: &Disk,
    schema: &Arc<Schema>,
    environment: &Arc<ServerEnvironment>,
    restored: bool,
) -> Result<Core, String> {
    let options = SqliteOptions {
        vfs: Some(disk.vfs().name().to_owned()),
        exclusive: true,
        busy_timeout_ms: 0,
        restored,
        ..SqliteOptions::new(disk.path(FILE))
    };
    let environment: Arc<dyn Environment> = Arc::clone(environment) as _;
    Core::open_sqlite(&options, Arc::clone(schema), environment).map_err(|error| error.to_string())
}

fn device_id(device: usize) -> DeviceId {
    DeviceId(i64::try_from(device).unwrap_or(0) + 1)
}

fn unreadable(error: clarity_engine::protocol::DecodeError) -> Violation {
    Violation { clause: "sim", words: format!("a device sent an unreadable request: {error}") }
}

/// What the server, or something before it, answers without looking further.
fn refuse(stage: &mut Stage, call: &Call) -> Option<Reply> {
    let holds = |text: &str| call.bytes.windows(text.len()).any(|part| part == text.as_bytes());
    if holds("poison: ") {
        if holds(POISON_ERROR) && !stage.healed {
            stage.met("poison_server_error");
            return Some(Reply::refused(500, ProblemCode::ServerFailure, "The server failed"));
        }
        if holds(POISON_UNREADABLE) {
            stage.met("poison_bad_request");
            return Some(Reply::refused(400, ProblemCode::BadRequest, "This cannot be read"));
        }
        if holds(POISON_LARGE) {
            stage.met("poison_too_large");
            return Some(Reply::refused(413, ProblemCode::TooLarge, "Too large"));
        }
    }
    if stage.fault(stage.rates.server_error, "server_error") {
        let status = *stage.dice.pick(&[500, 502, 503, 504]).unwrap_or(&500);
        return Some(Reply::page(status));
    }
    if stage.fault(stage.rates.too_many_requests, "too_many_requests") {
        let wait_ms = stage.dice.any_scale(1_000, 3_600_000);
        stage.asked_to_wait_until_ms = stage.asked_to_wait_until_ms.max(stage.now_ms + wait_ms);
        let mut reply = Reply::refused(429, ProblemCode::TooManyRequests, "Too many requests");
        reply.retry_after_ms = Some(wait_ms.unsigned_abs());
        return Some(reply);
    }
    None
}

/// The operations that the backend refuses, each with its answer; a batch falls as a whole.
fn forbidden(
    stage: &mut Stage,
    request: &PushRequest,
    all: &[WireOperation],
) -> Vec<Option<OperationAnswer>> {
    let is_refused: Vec<bool> =
        request.operations.iter().map(|raw| raw.get().contains(POISON_REFUSED)).collect();
    let mut answers = Vec::with_capacity(all.len());
    for (operation, refused) in all.iter().zip(&is_refused) {
        let blocking = operation.batch.and_then(|batch| {
            let mates = all.iter().zip(&is_refused);
            let mut mates = mates.filter(|(mate, refused)| mate.batch == Some(batch) && **refused);
            mates.next().map(|(mate, _)| mate.id)
        });
        answers.push(match (refused, blocking) {
            (true, _) => {
                stage.met("operation_refused");
                let message = "the backend does not take this".to_owned();
                let rejection = Some(Rejection { code: RejectReason::Refused, message });
                Some(OperationAnswer { rejection, ..plain_answer(operation.id, Outcome::Rejected) })
            }
            (false, Some(by)) => Some(OperationAnswer {
                blocked_by: Some(by),
                ..plain_answer(operation.id, Outcome::Blocked)
            }),
            (false, None) => None,
        });
    }
    answers
}

/// Puts the refusals back between the answers of the others.
fn weave(
    forbidden: Vec<Option<OperationAnswer>>,
    answers: Vec<OperationAnswer>,
) -> Vec<OperationAnswer> {
    let mut answers = answers.into_iter();
    forbidden.into_iter().filter_map(|refused| refused.or_else(|| answers.next())).collect()
}
