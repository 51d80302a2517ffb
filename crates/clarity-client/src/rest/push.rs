//! A push as several requests, a few at once.

use std::collections::VecDeque;
use std::sync::Arc;

use clarity_engine::Response;
use clarity_engine::protocol::model::{Incarnation, Outcome, RejectReason, Rejection};
use clarity_engine::protocol::{
    Failure, FailureClass, OperationAnswer, PushRequest, PushResponse, WireOperation,
};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use super::answer::{self, Heard, Verdict, judge, judge_read};
use super::backend::Endpoint;
use super::request::{Ask, Plan, plan, put};
use super::{Inner, now};

/// The status of a member of a batch that only failed because another one did.
const FAILED_DEPENDENCY: u64 = 424;

/// Operations that stand or fall together, mostly one.
type Unit = Vec<WireOperation>;

/// What became of a unit: the answers that there are, and why others have none.
struct Told {
    answers: Vec<OperationAnswer>,
    failure: Option<Failure>,
}

impl Told {
    fn of(result: Result<OperationAnswer, Failure>) -> Self {
        match result {
            Ok(answer) => Self { answers: vec![answer], failure: None },
            Err(failure) => Self { answers: Vec::new(), failure: Some(failure) },
        }
    }
}

/// Sends a push. What is answered is answered, whatever becomes of the rest.
pub(super) async fn push(
    inner: &Arc<Inner>,
    request: PushRequest,
    token: Option<String>,
) -> Result<Response, Failure> {
    let epoch = inner.backend.epoch;
    let life = request.incarnation;
    let token: Option<Arc<str>> = token.map(Arc::from);
    let mut waiting = units(&request)?;
    let mut running = JoinSet::new();
    let mut told = Told { answers: Vec::new(), failure: None };
    loop {
        let goes_on = told.failure.as_ref().is_none_or(|failure| !stops(failure));
        while goes_on && running.len() < inner.backend.at_once {
            let Some(unit) = waiting.pop_front() else { break };
            let (inner, token) = (Arc::clone(inner), token.clone());
            running.spawn(async move { send_unit(&inner, life, unit, token.as_deref()).await });
        }
        let Some(ended) = running.join_next().await else { break };
        let one = ended.unwrap_or_else(|_| {
            let words = "a request of this device broke off";
            Told::of(Err(Failure::new(FailureClass::Transient, words)))
        });
        told.answers.extend(one.answers);
        told.failure = graver(told.failure, one.failure);
    }
    let unanswered = told.answers.len() < request.operations.len();
    let answers = told.answers;
    let answered = PushResponse { epoch, at: now(), head: None, answers, contributed: Vec::new() };
    match told.failure {
        Some(failure) if answered.answers.is_empty() => Err(failure),
        Some(rest) if unanswered => Ok(Response::PushInPart { answered, rest }),
        _ => Ok(Response::Push(answered)),
    }
}

/// The failures that the next request would only meet again.
fn stops(failure: &Failure) -> bool {
    failure.class != FailureClass::Transient || failure.retry_after_ms.is_some()
}

/// The failure that says most about what to do. One that asks to wait longer wins among equals.
fn graver(one: Option<Failure>, other: Option<Failure>) -> Option<Failure> {
    let weight = |failure: &Failure| {
        let class = match failure.class {
            FailureClass::Auth => 5,
            FailureClass::AccessRemoved => 4,
            FailureClass::UpgradeRequired => 3,
            FailureClass::Config => 2,
            FailureClass::Transient => 0,
            _ => 1,
        };
        (class, failure.retry_after_ms)
    };
    match (one, other) {
        (Some(one), Some(other)) => Some(if weight(&other) > weight(&one) { other } else { one }),
        (one, other) => one.or(other),
    }
}

/// The operations in their order, the members of an atomic batch together.
fn units(request: &PushRequest) -> Result<VecDeque<Unit>, Failure> {
    let mut units: VecDeque<Unit> = VecDeque::new();
    for raw in &request.operations {
        let operation: WireOperation = serde_json::from_str(raw.get()).map_err(|_| {
            Failure::new(FailureClass::BadRequest, "an operation of this device cannot be read")
        })?;
        let last = units.back_mut();
        match last.filter(|unit| operation.batch.is_some() && unit[0].batch == operation.batch) {
            Some(unit) => unit.push(operation),
            None => units.push_back(vec![operation]),
        }
    }
    Ok(units)
}

async fn send_unit(inner: &Inner, life: Incarnation, unit: Unit, token: Option<&str>) -> Told {
    if let [operation] = &unit[..] {
        return Told::of(send_one(inner, life, operation, token).await);
    }
    match send_batch(inner, life, &unit, token).await {
        Ok(answers) => Told { answers, failure: None },
        Err(failure) => Told { answers: Vec::new(), failure: Some(failure) },
    }
}

fn no_endpoint(operation: &WireOperation) -> OperationAnswer {
    let message = format!(
        "this app has no endpoint for the type {}; update the app, or discard the change",
        operation.key.entity_type
    );
    let rejection = Rejection { code: RejectReason::NotAllowed, message };
    answer::with_rejection(operation, rejection)
}

/// Sends one operation: one request, or two where something has to be read.
async fn send_one(
    inner: &Inner,
    life: Incarnation,
    operation: &WireOperation,
    token: Option<&str>,
) -> Result<OperationAnswer, Failure> {
    let backend = &inner.backend;
    let Some(endpoint) = endpoint_of(inner, operation) else {
        return Ok(no_endpoint(operation));
    };
    let ask = match plan(backend, endpoint, life, operation) {
        Plan::Nothing => return Ok(answer::applied(operation, Some(operation.base), None)),
        Plan::Ask(ask) => ask,
        Plan::ReadFirst(read) => {
            let heard = inner.ask(&read, token).await?;
            match judge_read(backend, &heard)? {
                None if heard.status == 404 && !backend.missing_is_deleted => {
                    return Ok(answer::rejected(operation, 404));
                }
                None => return Ok(answer::stale(operation, None, answer::deleted(operation))),
                Some(read) if read.version.is_some_and(|there| there != operation.base) => {
                    return Ok(answer::stale(operation, None, answer::entity(operation, read)));
                }
                Some(read) => {
                    put(backend, endpoint, life, operation, read.fields.unwrap_or_default())
                }
            }
        }
    };
    let heard = inner.ask(&ask, token).await?;
    match judge(backend, operation, &heard) {
        Verdict::Answered(answer) => Ok(*answer),
        Verdict::Failed(failure) => Err(failure),
        Verdict::Moved => moved(inner, endpoint, operation, token).await,
    }
}

/// The entity has moved on, and the answer did not say to what.
async fn moved(
    inner: &Inner,
    endpoint: &Endpoint,
    operation: &WireOperation,
    token: Option<&str>,
) -> Result<OperationAnswer, Failure> {
    let item = inner.backend.item(endpoint, &operation.key.id);
    let heard = inner.ask(&Ask::get(item), token).await?;
    let entity = match judge_read(&inner.backend, &heard)? {
        Some(read) => answer::entity(operation, read),
        None => answer::deleted(operation),
    };
    Ok(answer::stale(operation, None, entity))
}

/// Sends an atomic batch as one request.
async fn send_batch(
    inner: &Inner,
    life: Incarnation,
    unit: &[WireOperation],
    token: Option<&str>,
) -> Result<Vec<OperationAnswer>, Failure> {
    let backend = &inner.backend;
    let all_rejected = |words: &str| {
        let code = RejectReason::Refused;
        let reject = |operation| {
            answer::with_rejection(operation, Rejection { code, message: words.to_owned() })
        };
        Ok(unit.iter().map(reject).collect())
    };
    let Some(path) = &backend.batch else {
        return all_rejected("this backend cannot make several changes as one; make them singly");
    };
    let mut parts = Vec::with_capacity(unit.len());
    let mut sent = Vec::with_capacity(unit.len());
    for operation in unit {
        let Some(endpoint) = endpoint_of(inner, operation) else {
            return all_rejected("one of the changes is of a type without an endpoint");
        };
        match plan(backend, endpoint, life, operation) {
            Plan::Nothing => {}
            Plan::Ask(ask) => {
                parts.push(ask.as_part());
                sent.push(operation);
            }
            Plan::ReadFirst(_) => {
                return all_rejected("a batch cannot replace what it must read first");
            }
        }
    }
    let ask = Ask {
        method: "POST",
        path: path.clone(),
        if_match: None,
        idempotency_key: parts.first().and_then(|p| p["idempotency_key"].as_str()).map(Into::into),
        body: Some(json!({ "operations": parts })),
    };
    let heard = inner.ask(&ask, token).await?;
    if let Some(failure) = answer::of_the_request(&heard) {
        return Err(failure);
    }
    let answers = heard.json()?.and_then(|body| body.get("answers")?.as_array().cloned());
    let Some(answers) = answers.filter(|answers| answers.len() == sent.len()) else {
        return match heard.status {
            200..=299 => Err(answer::unreadable()),
            404 => Err(answer::config(404)),
            status => all_rejected(&format!("the backend refused the batch (HTTP {status})")),
        };
    };
    let mut judged = Vec::with_capacity(unit.len());
    for (operation, part) in sent.iter().zip(&answers) {
        let is_innocent = part.get("status").and_then(Value::as_u64) == Some(FAILED_DEPENDENCY);
        if !is_innocent {
            judged.push(judge_part(inner, operation, &part_heard(&heard, part), token).await?);
        }
    }
    let fell = judged.len() < sent.len();
    if fell && judged.iter().all(|answer| answer.outcome.is_settled()) {
        return Err(answer::unreadable());
    }
    Ok(whole(unit, judged))
}

/// What became of one member of a batch.
async fn judge_part(
    inner: &Inner,
    operation: &WireOperation,
    heard: &Heard,
    token: Option<&str>,
) -> Result<OperationAnswer, Failure> {
    match (judge(&inner.backend, operation, heard), endpoint_of(inner, operation)) {
        (Verdict::Answered(answer), _) => Ok(*answer),
        (Verdict::Failed(failure), _) => Err(failure),
        (Verdict::Moved, Some(endpoint)) => moved(inner, endpoint, operation, token).await,
        (Verdict::Moved, None) => Ok(no_endpoint(operation)),
    }
}

fn endpoint_of<'i>(inner: &'i Inner, operation: &WireOperation) -> Option<&'i Endpoint> {
    inner.backend.types.get(&operation.key.entity_type)
}

/// All or nothing: when one member did not take effect, the others are blocked by it.
fn whole(unit: &[WireOperation], judged: Vec<OperationAnswer>) -> Vec<OperationAnswer> {
    let blocking = judged.iter().find(|answer| !answer.outcome.is_settled());
    let blocking = blocking.map(|answer| answer.id);
    let answer_of = |operation: &WireOperation| {
        let judged = judged.iter().find(|answer| answer.id == operation.id);
        match (judged, blocking) {
            (Some(answer), None) => answer.clone(),
            (Some(answer), Some(_)) if !answer.outcome.is_settled() => answer.clone(),
            (_, Some(by)) => OperationAnswer {
                blocked_by: Some(by),
                ..answer::answer(operation, Outcome::Blocked)
            },
            (None, None) => answer::applied(operation, Some(operation.base), None),
        }
    };
    unit.iter().map(answer_of).collect()
}

/// One answer of a batch, as if it had come by itself.
fn part_heard(batch: &Heard, part: &Value) -> Heard {
    let text = |name: &str| part.get(name).and_then(Value::as_str).map(str::to_owned);
    let status = part.get("status").and_then(Value::as_u64);
    Heard {
        status: status.and_then(|status| u16::try_from(status).ok()).unwrap_or(500),
        etag: text("etag"),
        location: text("location"),
        is_problem: false,
        body: part.get("body").map(|body| body.to_string().into_bytes()).unwrap_or_default(),
        ..batch.clone()
    }
}
