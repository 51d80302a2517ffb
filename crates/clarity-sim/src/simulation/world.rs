//! One world: some devices of some accounts, a server, the network between them, and what happens
//! to them.

use std::collections::BTreeMap;
use std::sync::Arc;

use clarity_engine::protocol::Hint;
use clarity_engine::protocol::model::{Counter, Fields, Schema};
use clarity_engine::{Effect, Event, Write, WriteError, Written};
use clarity_store::EndedAs;
use serde_json::json;

use super::checks;
use super::device::{Device, Stepped};
use super::final_checks;
use super::model::{COUNTER_PREFIX, Waiting};
use super::plant::Plant;
use super::restored::Lost;
use super::scenario::Scenario;
use super::server::{ACCOUNTS_MAX, Server};
use super::stage::{Happening, Planned, Stage, Violation, ensure};
use super::workload::{self, Intent, Ledger, Made};
use super::{L1_MS, Templates};

/// After this time a device gives a request up, in milliseconds.
pub(super) const REQUEST_TIMEOUT_MS: i64 = 60_000;
pub(super) const HOUR_MS: i64 = 3_600_000;
/// Without an event stream a device learns of changes by its timer.
const PULL_MS: i64 = clarity_engine::PULL_INTERVAL_MS as i64;
/// Most steps within one millisecond; more is a loop.
const STEPS_AT_ONCE_MAX: u64 = 500;
/// Most steps of a world until its end; more is a loop as well.
const STEPS_UNTIL_END_MAX: u64 = 30_000;
/// In this time a device has read what it was told of, when nothing fails, in milliseconds.
const NEWS_MS: i64 = 10_000;
/// When worlds begin: at the end of 2023.
pub(super) const START_MS: i64 = 1_700_000_000_000;

/// A world.
pub(crate) struct World {
    pub(crate) stage: Stage,
    pub(crate) devices: Vec<Device>,
    pub(crate) server: Server,
    /// What the people of each account have done.
    pub(crate) ledgers: Vec<Ledger>,
    /// What the server lost when it was restored last.
    pub(super) lost: Vec<Lost>,
    pub(crate) scenario: Scenario,
    pub(crate) steps: u64,
    steps_at_once: (i64, u64),
    /// When the server last took a change.
    pub(super) changed_at_ms: i64,
}

impl World {
    pub(crate) fn new(
        templates: &Templates,
        schema: &Arc<Schema>,
        scenario: Scenario,
        plant: Option<Plant>,
        shown: bool,
    ) -> Result<Self, Violation> {
        let stage = Stage::new(&scenario, plant, shown);
        let broken = |words| Violation { clause: "sim", words };
        let seed = scenario.seed;
        let server = Server::new(&templates.vfs, &templates.server, schema, seed);
        let mut devices = Vec::with_capacity(scenario.devices.len());
        for index in 0..scenario.devices.len() {
            let (vfs, image) = (&templates.vfs, &templates.device);
            devices.push(Device::new(vfs, image, schema, &scenario, index, plant)?);
        }
        Ok(Self {
            stage,
            devices,
            server: server.map_err(broken)?,
            ledgers: (0..ACCOUNTS_MAX).map(|_| Ledger::default()).collect(),
            lost: Vec::new(),
            scenario,
            steps: 0,
            steps_at_once: (0, 0),
            changed_at_ms: START_MS,
        })
    }

    /// Lives through all of it.
    pub(crate) fn run(&mut self) -> Result<(), Violation> {
        let rates = self.stage.rates.clone();
        let accounts = &self.scenario.devices;
        self.stage.note(format_args!("devices of accounts {accounts:?}, {rates:?}"));
        self.stage.healed = true;
        for device in 0..self.devices.len() {
            self.step(device, vec![Event::Started])?;
            let tokens = self.server.sign_in(&self.stage, device, self.devices[device].account);
            self.devices[device].signed_in = true;
            self.step(device, vec![Event::SignedIn(tokens)])?;
        }
        self.populate()?;
        self.stage.healed = false;
        for (number, act) in self.scenario.acts.iter().enumerate() {
            self.stage.after(10 + act.at_ms, Happening::Act { number });
        }
        while self.stage.agenda.has_acts()
            && self.steps < self.scenario.steps_max
            && self.advance(i64::MAX)?
        {}
        final_checks::settle(self)
    }

    /// What everybody has to begin with: goals that are counted on and that nobody does anything
    /// else with, and some of everything.
    fn populate(&mut self) -> Result<(), Violation> {
        for account in 0..ACCOUNTS_MAX {
            let first = self.devices.iter().position(|device| device.account == account);
            let Some(device) = first else { continue };
            for number in 0..2 {
                let key = workload::key("Goal", &format!("{COUNTER_PREFIX}{number}"));
                let fields = Fields::from([("progress", json!(0)), ("title", json!("steps"))]);
                let write = Write::Create { key, fields, parents: Vec::new() };
                self.step(device, vec![Event::Write(write)])?;
            }
            let ledger = &mut self.ledgers[account];
            for (event, intent) in
                workload::first_things(&mut self.stage, &self.devices[device], ledger)
            {
                self.do_intended(device, event, intent)?;
            }
        }
        Ok(())
    }

    /// Lets the next thing happen; false when nothing is left up to that time.
    pub(crate) fn advance(&mut self, until_ms: i64) -> Result<bool, Violation> {
        let Some((at_ms, Planned { happening, dice })) = self.stage.agenda.next(until_ms) else {
            return Ok(false);
        };
        self.stage.begin(dice);
        self.stage.now_ms = self.stage.now_ms.max(at_ms);
        self.steps += 1;
        if self.steps_at_once.0 != self.stage.now_ms {
            self.steps_at_once = (self.stage.now_ms, 0);
        }
        self.steps_at_once.1 += 1;
        ensure(self.steps_at_once.1 <= STEPS_AT_ONCE_MAX, "L2", || {
            format!("{STEPS_AT_ONCE_MAX} steps in one millisecond; the last: {happening:?}")
        })?;
        ensure(self.steps <= STEPS_UNTIL_END_MAX, "L2", || {
            format!("it does not come to an end; the last: {happening:?}")
        })?;
        self.happen(happening)?;
        Ok(true)
    }

    /// Lets everything happen up to a time.
    pub(crate) fn run_until(&mut self, until_ms: i64) -> Result<(), Violation> {
        while self.advance(until_ms)? {}
        self.stage.now_ms = self.stage.now_ms.max(until_ms);
        Ok(())
    }

    fn happen(&mut self, happening: Happening) -> Result<(), Violation> {
        match happening {
            Happening::Act { number } => self.act(self.scenario.acts[number]),
            Happening::Wake { device, round } => {
                let there = &mut self.devices[device];
                if there.timer_round != round || !there.is_running() {
                    return Ok(());
                }
                there.has_timer = false;
                self.step(device, vec![Event::Timer]).map(drop)
            }
            Happening::MakesRoom { device, life } => {
                if self.devices[device].life != life {
                    return Ok(());
                }
                self.step(device, vec![Event::Timer]).map(drop)
            }
            Happening::Arrives { device, life, request, call } => {
                self.arrives(device, life, request, &call)
            }
            Happening::Answered { device, life, request, delivery } => {
                self.answered(device, life, request, delivery)
            }
            Happening::TokenAsked { device, life, round, refresh_token } => {
                self.token_asked(device, life, round, &refresh_token)
            }
            Happening::TokenAnswered { device, life, round, renewal } => {
                self.token_answered(device, life, round, renewal)
            }
            Happening::Hint { device } => {
                self.step(device, vec![Event::PushReceived(Hint::full())]).map(drop)
            }
            Happening::NetworkHint { device, online } => {
                self.step(device, vec![Event::NetworkChanged { online }]).map(drop)
            }
            Happening::BudgetEnds { device, life } => self.budget_ends(device, life),
            Happening::SignsIn { device } => self.signs_in(device),
            Happening::DeviceStarts { device } => {
                if self.devices[device].is_running() {
                    return Ok(());
                }
                self.devices[device].start(&mut self.stage)?;
                self.stage.note(format_args!("device {device} starts"));
                self.step(device, vec![Event::Started]).map(drop)
            }
            Happening::ServerStarts => {
                self.stage.note(format_args!("server starts"));
                self.server.start()
            }
        }
    }

    /// Carries out what a person does, and checks that it shows (promise I7).
    pub(crate) fn do_intended(
        &mut self,
        device: usize,
        event: Event,
        intent: Intent,
    ) -> Result<(), Violation> {
        let account = self.devices[device].account;
        if let Event::Write(Write::Resolve { conflict, .. }) = &event {
            // A person may settle on anything, even that the entity shall not be.
            let conflicts = self.devices[device].conflicts.iter();
            for resolved in conflicts.filter(|one| one.id == *conflict && one.deleted_by.is_some())
            {
                self.ledgers[account].disturb(&resolved.key);
            }
        }
        self.disturb_what_is_taken_back(device, &event)?;
        let Some(written) = self.step(device, vec![event])? else { return Ok(()) };
        let Some(first) = written.into_iter().next() else { return Ok(()) };
        let written = match first {
            Ok(written) => written,
            Err(error) => {
                self.stage.note(format_args!("  refused: {error}"));
                return Ok(());
            }
        };
        let there = &self.devices[device];
        let rows = &there.model.rows;
        match intent {
            Intent::None => {}
            Intent::Made { made } => {
                for (key, origin) in made {
                    let fates = &there.model.fates;
                    let mut makers = written.operations.iter();
                    let maker = makers.find(|one| fates.get(one).is_some_and(|f| f.key == key));
                    let shown = rows.get(&key).is_some_and(|row| row.state.is_visible());
                    ensure(shown, "I7", || format!("{key} was made and does not show"))?;
                    let Some(operation) = maker.copied() else { continue };
                    let made = Made { device, operation, origin, disturbed: false };
                    self.ledgers[account].made.entry(key).or_insert(made);
                }
            }
            Intent::Tagged { key, tag } => {
                for operation in written.operations {
                    self.ledgers[account].tags.push((key.clone(), device, operation, tag.clone()));
                }
            }
            // There was nothing to change, and it was given up in the same step.
            Intent::Changed { key, .. }
                if written.operations.is_empty() && !rows.contains_key(&key) => {}
            Intent::Changed { key, fields } => {
                let row = rows.get(&key).filter(|row| row.state.is_visible());
                for (name, value) in fields {
                    let shown = row.and_then(|row| row.fields.get(&name));
                    ensure(shown == value.as_ref(), "I7", || {
                        format!("device {device}: the change of {name} of {key} does not show")
                    })?;
                }
            }
        }
        Ok(())
    }

    /// What reaches the server and is taken back there, or is brought back, may look like anything.
    fn disturb_what_is_taken_back(
        &mut self,
        device: usize,
        event: &Event,
    ) -> Result<(), Violation> {
        let there = &mut self.devices[device];
        let mut keys = Vec::new();
        match event {
            Event::Write(Write::Undo { history }) => keys.extend(there.history_key(*history)?),
            Event::Write(Write::Rollback { operation }) => {
                keys.extend(there.model.sent_with(|counter, _| counter == *operation));
            }
            Event::Write(Write::RollbackEntity { key }) => {
                keys.extend(there.model.sent_with(|_, waiting| waiting.key == *key));
            }
            _ => {}
        }
        for key in keys {
            self.ledgers[self.devices[device].account].disturb(&key);
        }
        Ok(())
    }

    /// One transaction on a device, and what follows from it.
    pub(crate) fn step(
        &mut self,
        device: usize,
        events: Vec<Event>,
    ) -> Result<Option<Vec<Result<Written, WriteError>>>, Violation> {
        let before = self.devices[device].model.queue.clone();
        let Some(stepped) = self.devices[device].step(&mut self.stage, events)? else {
            return Ok(None);
        };
        self.accepted_as_sent(device, &before)?;
        let queue = &self.devices[device].model.queue;
        if *queue != before {
            self.stage.trace.show(|| format!("queue of device {device}: {queue:?}"));
        }
        let Stepped { written, effects, access_token, refresh_token, more } = stepped;
        if more {
            let life = self.devices[device].life;
            self.stage.after(1, Happening::MakesRoom { device, life });
        }
        for effect in effects {
            match effect {
                Effect::Send { request, body } => {
                    self.send(device, request, &body, &access_token)?;
                }
                Effect::RefreshToken { round } => {
                    let there = &mut self.devices[device];
                    there.refreshing = true;
                    let (life, refresh_token) = (there.life, refresh_token.clone());
                    let delay_ms = self.stage.dice.between(10, 300);
                    let asked = Happening::TokenAsked { device, life, round, refresh_token };
                    self.stage.after(delay_ms, asked);
                }
                Effect::WakeAt(at) => {
                    let there = &mut self.devices[device];
                    there.timer_round += 1;
                    there.has_timer = true;
                    let round = there.timer_round;
                    let mut delay_ms = at.since_ms(there.local_time(&self.stage)).max(1);
                    if self.stage.is_planted(Plant::NoBackoff) {
                        delay_ms = 1;
                    }
                    if self.stage.is_planted(Plant::LostTimer) && self.stage.dice.chance(50) {
                        continue;
                    }
                    self.stage.after(delay_ms, Happening::Wake { device, round });
                }
                _ => {}
            }
        }
        if let Some(status) = &self.devices[device].status {
            checks::liveness(&self.devices[device], status)?;
        }
        Ok(Some(written))
    }

    /// Promise I4: what ended as accepted took effect with the very bytes that this device sent.
    fn accepted_as_sent(
        &self,
        device: usize,
        before: &BTreeMap<Counter, Waiting>,
    ) -> Result<(), Violation> {
        let there = &self.devices[device];
        let gone = before.iter().filter(|(counter, _)| !there.model.queue.contains_key(counter));
        for (counter, waiting) in gone {
            let ended = there.model.fates.get(counter).and_then(|fate| fate.ended);
            let accepted = [EndedAs::Applied, EndedAs::Merged, EndedAs::Superseded].map(Some);
            let carrier = waiting.carrier.unwrap_or(*counter);
            let Some((incarnation, hash)) = there.sent.get(&carrier) else { continue };
            let effect = self.server.took_effect((*incarnation, carrier));
            let as_sent = effect.is_none_or(|effect| effect == *hash);
            ensure(as_sent || !accepted.contains(&ended), "I4", || {
                let key = &waiting.key;
                format!(
                    "device {device}: operation {counter} of {key} ended as {ended:?}, and \
                     something else took effect under its id"
                )
            })?;
        }
        Ok(())
    }

    /// Ends all faults.
    pub(crate) fn heal(&mut self) -> Result<(), Violation> {
        self.stage.note(format_args!("all faults end"));
        self.stage.healed = true;
        self.stage.agenda.forget_acts();
        self.server.start()?;
        for device in 0..self.devices.len() {
            self.devices[device].cut_off_until_ms = 0;
            self.devices[device].deaf_until_ms = 0;
            if !self.devices[device].is_running() {
                self.devices[device].start(&mut self.stage)?;
                self.step(device, vec![Event::Started])?;
            }
            self.signs_in(device)?;
            let metered = Event::NetworkMetered { metered: false };
            let space = Event::DiskSpace { free_bytes: Some(u64::MAX) };
            self.step(device, vec![Event::Resume, metered, space])?;
            if self.stage.rates.has_event_stream {
                // A connection that is made anew begins with a hint.
                self.stage.after(1_000, Happening::Hint { device });
            }
        }
        Ok(())
    }

    /// Waits as long as promise L1 allows.
    pub(crate) fn wait_out(&mut self) -> Result<(), Violation> {
        let from_ms = self.stage.now_ms.max(self.stage.asked_to_wait_until_ms);
        let by_timer_ms = if self.stage.rates.has_event_stream { 0 } else { PULL_MS };
        self.run_until(from_ms + by_timer_ms + L1_MS)?;
        // What a timer began in the last moment may end.
        let is_busy = |device: &Device| !device.in_flight.is_empty() || device.refreshing;
        if self.devices.iter().any(is_busy) {
            self.run_until(self.stage.now_ms + 2 * REQUEST_TIMEOUT_MS)?;
        }
        Ok(())
    }

    /// Waits until every device can have heard of the last change. What was set aside may get
    /// through at the very end of the time that promise L1 allows; who has no event stream hears
    /// of that by its timer.
    pub(crate) fn wait_for_news(&mut self) -> Result<(), Violation> {
        let by_timer_ms = if self.stage.rates.has_event_stream { 0 } else { PULL_MS };
        loop {
            let heard_ms = self.changed_at_ms + by_timer_ms + NEWS_MS;
            if heard_ms <= self.stage.now_ms {
                return Ok(());
            }
            self.run_until(heard_ms)?;
        }
    }
}
