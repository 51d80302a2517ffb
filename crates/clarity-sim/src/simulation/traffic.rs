//! The network of a world: how requests, answers, hints and tokens travel, and what happens to them
//! on the way.

use std::sync::Arc;

use clarity_engine::protocol::{Failure, FailureClass};
use clarity_engine::{Attention, Event, Request, Status, TokenResult};
use clarity_store::RequestId;
use memchr::memmem;

use super::branches;
use super::network::{Call, CallKind, Line, Reply, believe_anything};
use super::plant::Plant;
use super::server::{ACCOUNTS_MAX, Noise, Served};
use super::stage::{Delivery, Happening, Renewal, Violation, ensure};
use super::workload::canary;
use super::world::{HOUR_MS, REQUEST_TIMEOUT_MS, World};

/// Most attempts in an hour without success (promise L2).
const ATTEMPTS_PER_HOUR: usize = clarity_engine::ATTEMPTS_PER_HOUR_MAX;

impl World {
    /// Puts a request onto the network.
    pub(super) fn send(
        &mut self,
        device: usize,
        request: RequestId,
        body: &Request,
        token: &str,
    ) -> Result<(), Violation> {
        if let Request::Push(push) = body {
            self.devices[device].note_sent(push);
        }
        let (kind, bytes) = match body {
            Request::Push(push) => (CallKind::Push, serde_json::to_vec(push)),
            Request::Pull(pull) => (CallKind::Pull, serde_json::to_vec(pull)),
            Request::Fetch(fetch) => (CallKind::Fetch, serde_json::to_vec(fetch)),
        };
        let bytes = bytes.unwrap_or_default();
        let line = Line { device, set_back: self.devices[device].times_set_back };
        let call = Arc::new(Call { kind, bytes, token: token.to_owned(), line });
        self.count_attempt(device)?;
        let stage = &mut self.stage;
        let there = &mut self.devices[device];
        there.in_flight.insert(request);
        let life = there.life;
        stage.note(format_args!("device {device} sends {kind:?} {}", request.0));
        let timeout = Failure::new(FailureClass::Unreachable, "the server did not answer in time");
        let delivery = Delivery::Failed(timeout);
        let ended = Happening::Answered { device, life, request, delivery };
        stage.after(REQUEST_TIMEOUT_MS, ended);
        if stage.now_ms < there.cut_off_until_ms {
            let classes = [FailureClass::Offline, FailureClass::Unreachable];
            let class = *stage.dice.pick(&classes).unwrap_or(&FailureClass::Offline);
            let delivery = Delivery::Failed(Failure::new(class, "there is no way to the server"));
            let delay_ms = stage.dice.between(1, 50);
            stage.after(delay_ms, Happening::Answered { device, life, request, delivery });
            return Ok(());
        }
        if stage.fault(stage.rates.portal, "captive_portal") {
            let delivery = Delivery::Reply(Arc::new(Reply::page(200)));
            let delivery = self.believed(delivery, &call);
            let answered = Happening::Answered { device, life, request, delivery };
            self.stage.after(20, answered);
            return Ok(());
        }
        if stage.fault(stage.rates.drop_request, "request_lost") {
            return Ok(());
        }
        let mut delay_ms = stage.dice.between(5, 120);
        if stage.fault(stage.rates.delay, "request_delayed") {
            delay_ms = stage.dice.any_scale(1_000, 3 * 24 * HOUR_MS);
        }
        let arrives = Happening::Arrives { device, life, request, call };
        if stage.fault(stage.rates.duplicate_request, "request_duplicated") {
            let again_ms = stage.dice.any_scale(1, 24 * HOUR_MS);
            stage.after(again_ms, arrives.clone());
        }
        stage.after(delay_ms, arrives);
        Ok(())
    }

    /// Promise L2: while nothing succeeds, attempts are few.
    pub(super) fn count_attempt(&mut self, device: usize) -> Result<(), Violation> {
        let now_ms = self.stage.now_ms;
        let attempts = &mut self.devices[device].attempts_ms;
        attempts.push(now_ms);
        attempts.retain(|at| now_ms - at < HOUR_MS);
        // Those in flight together when the first failure came do not know of each other.
        let most = ATTEMPTS_PER_HOUR + clarity_engine::REQUESTS_IN_FLIGHT_MAX;
        ensure(attempts.len() <= most, "L2", || {
            format!("device {device}: {} attempts in an hour without success", attempts.len())
        })
    }

    /// The planted bug: a page of somebody else is taken for a success.
    pub(super) fn believed(&mut self, delivery: Delivery, call: &Call) -> Delivery {
        if !self.stage.is_planted(Plant::AcceptHtml) {
            return delivery;
        }
        let Delivery::Reply(reply) = &delivery else { return delivery };
        let believed = if reply.is_portal_page() { believe_anything(call) } else { None };
        match believed {
            Some(clarity_engine::Response::Push(push)) => {
                let body = serde_json::to_vec(&push).unwrap_or_default();
                Delivery::Reply(Arc::new(Reply::success(body)))
            }
            _ => delivery,
        }
    }

    pub(super) fn server_dies(&mut self) {
        if !self.server.is_running() {
            return;
        }
        self.server.crash(&mut self.stage);
        self.server_starts_later();
    }

    pub(super) fn server_starts_later(&mut self) {
        self.stage.note(format_args!("server died"));
        let delay_ms = self.stage.dice.any_scale(1_000, 2 * HOUR_MS);
        self.stage.after(delay_ms, Happening::ServerStarts);
    }

    /// A request reaches the server.
    pub(super) fn arrives(
        &mut self,
        device: usize,
        life: u64,
        request: RequestId,
        call: &Arc<Call>,
    ) -> Result<(), Violation> {
        let refused =
            |words: &str| Delivery::Failed(Failure::new(FailureClass::Unreachable, words));
        if !self.server.is_running() {
            let delivery = refused("the server refused the connection");
            self.stage.after(5, Happening::Answered { device, life, request, delivery });
            return Ok(());
        }
        let served = self.server.serve(&mut self.stage, device, call)?;
        if let Some((key, parent)) = self.server.without_parent.take() {
            // A person may have settled that the parent shall not be.
            let ledger = &self.ledgers[self.devices[device].account];
            let may = ledger.is_set_back || ledger.is_restored || ledger.is_disturbed(&parent);
            ensure(may, "I5", || format!("{key} took effect before its parent {parent}"))?;
        }
        let (reply, noise) = match served {
            Served::Reply(reply, noise) => (reply, noise),
            Served::Died => {
                self.server_starts_later();
                let delivery = refused("the server closed the connection");
                self.stage.after(5, Happening::Answered { device, life, request, delivery });
                return Ok(());
            }
        };
        self.stage.note(format_args!(
            "server answers {:?} {} of device {device}: {} {}",
            call.kind,
            request.0,
            reply.status,
            if reply.body.len() < 2_000 { String::from_utf8_lossy(&reply.body) } else { "".into() }
        ));
        if noise == Noise::Changed {
            self.changed_at_ms = self.stage.now_ms;
            self.hint_others(device);
        }
        self.send_back(device, life, request, reply);
        Ok(())
    }

    pub(super) fn hint_others(&mut self, device: usize) {
        if !self.stage.rates.has_event_stream {
            return;
        }
        let account = self.devices[device].account;
        for other in 0..self.devices.len() {
            if other == device || self.devices[other].account != account {
                continue;
            }
            if !self.stage.fault(self.stage.rates.lose_hint, "hint_lost") {
                let delay_ms = self.stage.dice.between(5, 500);
                self.stage.after(delay_ms, Happening::Hint { device: other });
            }
        }
    }

    /// Puts an answer onto the network.
    pub(super) fn send_back(&mut self, device: usize, life: u64, request: RequestId, reply: Reply) {
        let stage = &mut self.stage;
        if stage.fault(stage.rates.server_crash / 4, "server_crash_before_answer") {
            self.server_dies();
            return;
        }
        let is_deaf = stage.now_ms < self.devices[device].deaf_until_ms;
        if is_deaf || stage.fault(stage.rates.drop_answer, "answer_lost") {
            return;
        }
        let mut reply = reply;
        if stage.fault(stage.rates.error_after_apply, "error_after_apply") {
            reply = Reply::page(502);
        } else if stage.fault(stage.rates.truncate, "answer_truncated") {
            let length = stage.dice.index(reply.body.len().max(1));
            reply = reply.truncated(length);
        }
        let mut delay_ms = stage.dice.between(5, 120);
        if stage.fault(stage.rates.delay, "answer_delayed") {
            delay_ms = stage.dice.any_scale(1_000, 24 * HOUR_MS);
        }
        let delivery = Delivery::Reply(Arc::new(reply));
        let answered = Happening::Answered { device, life, request, delivery };
        if stage.fault(stage.rates.duplicate_answer, "answer_duplicated") {
            let again_ms = stage.dice.any_scale(1, HOUR_MS);
            stage.after(again_ms, answered.clone());
        }
        stage.after(delay_ms, answered);
    }

    /// A request ends at a device, or ends once more.
    pub(super) fn answered(
        &mut self,
        device: usize,
        life: u64,
        request: RequestId,
        delivery: Delivery,
    ) -> Result<(), Violation> {
        let there = &mut self.devices[device];
        if there.life != life || !there.is_running() {
            return Ok(());
        }
        let is_deaf = self.stage.now_ms < there.deaf_until_ms;
        if is_deaf && matches!(delivery, Delivery::Reply(_)) {
            return Ok(());
        }
        let is_first = there.in_flight.remove(&request);
        let result = match delivery {
            Delivery::Failed(_) if !is_first => return Ok(()),
            Delivery::Failed(failure) => Err(failure),
            Delivery::Reply(reply) => {
                self.is_of_its_account(device, &reply)?;
                // An answer that came too late or twice still reaches the engine.
                let mut read = reply.read(CallKind::Push);
                for kind in [CallKind::Pull, CallKind::Fetch] {
                    read = if read.is_ok() { read } else { reply.read(kind) };
                }
                read
            }
        };
        if let Err(Failure { retry_after_ms: Some(wait_ms), .. }) = &result {
            let wait_ms = i64::try_from(*wait_ms).unwrap_or(0);
            let stage = &mut self.stage;
            stage.longest_wait_ms = stage.longest_wait_ms.max(wait_ms);
            let until_ms = stage.now_ms + wait_ms;
            stage.asked_to_wait_until_ms = stage.asked_to_wait_until_ms.max(until_ms);
        }
        if let Err(failure) = &result {
            self.stage.faults.met(branches::failure(failure.class));
        }
        let words = result.as_ref().err().map(|failure| failure.message.clone());
        self.stage.note(format_args!(
            "device {device} hears of {}: {}",
            request.0,
            words.as_deref().unwrap_or("success")
        ));
        let lost = result.is_err();
        if self.stage.is_planted(Plant::LostAnswer) && !lost && self.stage.dice.chance(50) {
            return Ok(());
        }
        if lost && self.stage.is_planted(Plant::GivenUp) && self.stage.dice.chance(100) {
            self.devices[device].give_up_unheard()?;
        }
        self.step(device, vec![Event::RequestFinished { request, result }])?;
        if lost && self.stage.is_planted(Plant::ResendUnderNewId) && self.stage.dice.chance(300) {
            self.devices[device].renumber_unheard()?;
        }
        Ok(())
    }

    /// Promise I11: no answer shows anything of another account.
    fn is_of_its_account(&self, device: usize, reply: &Reply) -> Result<(), Violation> {
        let account = self.devices[device].account;
        for other in (0..ACCOUNTS_MAX).filter(|other| *other != account) {
            let found = memmem::find(&reply.body, canary(other).as_bytes());
            ensure(found.is_none(), "I11", || {
                format!("device {device} of account {account} was sent something of {other}")
            })?;
        }
        Ok(())
    }

    pub(super) fn token_asked(
        &mut self,
        device: usize,
        life: u64,
        round: u64,
        token: &str,
    ) -> Result<(), Violation> {
        let there = &self.devices[device];
        let cut_off = self.stage.now_ms < there.cut_off_until_ms.max(there.deaf_until_ms);
        if cut_off || !self.server.is_running() {
            let renewal = Renewal::Lost;
            let answered = Happening::TokenAnswered { device, life, round, renewal };
            self.stage.after(50, answered);
            return Ok(());
        }
        let renewed = self.server.renew(&self.stage, device, self.devices[device].account, token);
        let lost = self.stage.fault(self.stage.rates.lose_token_answer, "token_answer_lost");
        let renewal = match renewed {
            _ if lost => Renewal::Lost,
            Some(tokens) => Renewal::Tokens(tokens),
            None => Renewal::Refused,
        };
        self.stage.after(60, Happening::TokenAnswered { device, life, round, renewal });
        Ok(())
    }

    pub(super) fn token_answered(
        &mut self,
        device: usize,
        life: u64,
        round: u64,
        renewal: Renewal,
    ) -> Result<(), Violation> {
        if self.devices[device].life != life {
            return Ok(());
        }
        self.devices[device].refreshing = false;
        let result = match renewal {
            Renewal::Tokens(tokens) => TokenResult::Renewed(tokens),
            Renewal::Refused => TokenResult::Refused,
            Renewal::Lost => {
                let failure = Failure::new(FailureClass::Unreachable, "no answer to the refresh");
                TokenResult::Failed(failure)
            }
        };
        self.step(device, vec![Event::TokenResult { round, result }])?;
        self.is_asked_to_sign_in(device)
    }

    /// A person who is asked to sign in does so. Nobody is asked without a reason: the session was
    /// ended, or a copy of the device has gone on with its tokens.
    fn is_asked_to_sign_in(&mut self, device: usize) -> Result<(), Violation> {
        let there = &mut self.devices[device];
        let asked = |status: &Status| status.attention.contains(&Attention::AuthRequired);
        if !there.status.as_ref().is_some_and(asked) {
            return Ok(());
        }
        ensure(there.model.may_have_arrived || !there.signed_in, "sign-in", || {
            format!("device {device} is asked to sign in, and nobody ended its session")
        })?;
        there.signed_in = false;
        self.stage.after(1_000, Happening::SignsIn { device });
        Ok(())
    }
}
