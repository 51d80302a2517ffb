//! What happens to a world from outside: people, platforms, clocks, and disasters.

use clarity_engine::protocol::model::EntityType;
use clarity_engine::protocol::{Scope, Tokens};
use clarity_engine::{Event, NetworkPolicy, Wanted, Write};

use super::dice::Dice;
use super::plant::Plant;
use super::scenario::{Act, ActKind, holiday_ms};
use super::server::ACCOUNTS_MAX;
use super::stage::{Happening, Violation};
use super::workload::{self, Intent};
use super::world::{HOUR_MS, World};

/// The longest time that a system gives in the background, in milliseconds.
const BUDGET_MS: i64 = 25_000;

impl World {
    /// Something of the scenario happens.
    pub(super) fn act(&mut self, act: Act) -> Result<(), Violation> {
        let Act { device, kind, dice, .. } = act;
        self.stage.begin(dice);
        if device >= self.devices.len() {
            return Ok(());
        }
        match kind {
            ActKind::ServerCrash => {
                self.stage.met("server_crash");
                self.server_dies();
            }
            ActKind::ServerBackup => self.server.back_up(),
            ActKind::ServerRestore => self.server_is_set_back()?,
            ActKind::ClockJump => self.clock_jumps(device),
            ActKind::Partition => {
                self.stage.met("partition");
                let length_ms = self.stage.dice.any_scale(1_000, 6 * HOUR_MS);
                self.devices[device].cut_off_until_ms = self.stage.now_ms + length_ms;
            }
            ActKind::Deafness => {
                self.stage.met("partition_one_way");
                let length_ms = self.stage.dice.any_scale(1_000, 6 * HOUR_MS);
                self.devices[device].deaf_until_ms = self.stage.now_ms + length_ms;
            }
            ActKind::Flapping => self.network_flaps(device),
            ActKind::Holiday => self.nobody_is_there(dice),
            ActKind::SwitchUser => self.another_takes_it(device),
            ActKind::DeviceBackup => self.devices[device].back_up(),
            ActKind::DeviceRestore => self.device_is_set_back(device),
            ActKind::DeviceClone => self.device_is_copied(device)?,
            kind if self.devices[device].is_running() => self.person_acts(device, kind)?,
            _ => {}
        }
        Ok(())
    }

    fn person_acts(&mut self, device: usize, kind: ActKind) -> Result<(), Violation> {
        let (event, intent) = match kind {
            ActKind::Metered => {
                if self.stage.dice.chance(400) {
                    let policies = [NetworkPolicy::Any, NetworkPolicy::UnmeteredOnly];
                    let policy = *self.stage.dice.pick(&policies).unwrap_or(&NetworkPolicy::Any);
                    (Event::NetworkPolicy(policy), Intent::None)
                } else {
                    let metered = self.stage.dice.chance(500);
                    (Event::NetworkMetered { metered }, Intent::None)
                }
            }
            ActKind::Budget => return self.works_in_background(device),
            ActKind::SessionEnds | ActKind::ForeignSignIn => {
                return self.session_changes(device, kind == ActKind::ForeignSignIn);
            }
            ActKind::SetScope => {
                self.stage.met("scope_changed");
                let scope = any_scope(&mut self.stage.dice);
                (Event::Write(Write::SetScope { scope }), Intent::None)
            }
            ActKind::Fetch => {
                let wanted = vec![any_stretch(&mut self.stage.dice)];
                (Event::Write(Write::Fetch { wanted }), Intent::None)
            }
            kind => {
                let there = &self.devices[device];
                let ledger = &mut self.ledgers[there.account];
                workload::act(&mut self.stage, there, ledger, kind)
            }
        };
        self.stage.note(format_args!("device {device} {event:?}"));
        self.do_intended(device, event, intent)
    }

    fn clock_jumps(&mut self, device: usize) {
        self.stage.met("clock_jump");
        let scale = self.stage.dice.any_scale(1_000, 10 * 365 * 24 * HOUR_MS);
        let jump = if self.stage.dice.chance(500) { scale } else { -scale };
        self.devices[device].clock_offset_ms += jump;
        self.devices[device].attempts_ms.clear();
        let until_ms = self.stage.now_ms + self.stage.longest_wait_ms;
        self.stage.asked_to_wait_until_ms = self.stage.asked_to_wait_until_ms.max(until_ms);
    }

    fn network_flaps(&mut self, device: usize) {
        self.stage.met("network_flapping");
        let mut at_ms = 0;
        for number in 0..4 + self.stage.dice.index(8) {
            at_ms += self.stage.dice.any_scale(5, 20_000);
            let online = number % 2 == 1;
            self.stage.after(at_ms, Happening::NetworkHint { device, online });
        }
    }

    /// The system gives a short time, and ends the program at any point of it or tells it to stop.
    fn works_in_background(&mut self, device: usize) -> Result<(), Violation> {
        self.stage.met("background_window");
        let life = self.devices[device].life;
        let length_ms = self.stage.dice.any_scale(1, BUDGET_MS);
        self.stage.after(length_ms, Happening::BudgetEnds { device, life });
        self.step(device, vec![Event::BudgetGiven]).map(drop)
    }

    /// A background window is over.
    pub(super) fn budget_ends(&mut self, device: usize, life: u64) -> Result<(), Violation> {
        let there = &mut self.devices[device];
        if there.life != life || !there.is_running() || self.stage.healed {
            return Ok(());
        }
        if self.stage.dice.chance(500) {
            self.stage.met("killed_in_background");
            there.die(&mut self.stage);
            return Ok(());
        }
        self.step(device, vec![Event::Stopped])?;
        let away_ms = self.stage.dice.any_scale(100, 600_000);
        self.devices[device].stop(&mut self.stage, away_ms);
        Ok(())
    }

    /// The session is ended, or tokens of another account come. Later the right person signs in.
    fn session_changes(&mut self, device: usize, foreign: bool) -> Result<(), Violation> {
        let account = self.devices[device].account;
        let delay_ms = self.stage.dice.any_scale(1_000, HOUR_MS);
        self.stage.after(delay_ms, Happening::SignsIn { device });
        self.devices[device].signed_in = false;
        if !foreign {
            self.stage.met("session_ended");
            self.server.end_session(device);
            return Ok(());
        }
        self.stage.met("foreign_sign_in");
        let other = (account + 1) % ACCOUNTS_MAX;
        let mut tokens: Tokens = self.server.foreign_tokens(&self.stage, device, other);
        if self.stage.is_planted(Plant::ForeignTokens) {
            tokens.account_id = format!("account-{account}");
        }
        self.step(device, vec![Event::SignedIn(tokens)]).map(drop)
    }

    /// The person of an account signs in.
    pub(super) fn signs_in(&mut self, device: usize) -> Result<(), Violation> {
        if self.devices[device].signed_in || !self.devices[device].is_running() {
            return Ok(());
        }
        let tokens = self.server.sign_in(&self.stage, device, self.devices[device].account);
        if self.step(device, vec![Event::SignedIn(tokens)])?.is_some() {
            self.devices[device].signed_in = true;
        } else {
            // The device died on it, and the person tries again.
            self.stage.after(HOUR_MS, Happening::SignsIn { device });
        }
        Ok(())
    }

    fn nobody_is_there(&mut self, dice: u64) {
        self.stage.met("weeks_away");
        let away_ms = holiday_ms(&mut Dice::new(dice, 0));
        for device in &mut self.devices {
            if device.is_running() {
                device.stop(&mut self.stage, away_ms);
            }
        }
    }

    /// The device's next store is opened, and the present one rests: one store for each account.
    fn another_takes_it(&mut self, device: usize) {
        let account = self.devices[device].account;
        let others = (0..self.devices.len()).filter(|one| self.devices[*one].account != account);
        let others: Vec<usize> = others.collect();
        let Some(other) = self.stage.dice.pick(&others).copied() else { return };
        if !self.devices[device].is_running() {
            return;
        }
        self.stage.met("user_switch");
        let away_ms = self.stage.dice.any_scale(1_000, 24 * HOUR_MS);
        self.devices[device].stop(&mut self.stage, away_ms);
        if !self.devices[other].is_running() {
            self.stage.after(100, Happening::DeviceStarts { device: other });
        }
    }

    fn device_is_set_back(&mut self, device: usize) {
        if self.devices[device].set_back(&mut self.stage) {
            self.stage.met("device_restored");
            self.ledgers[self.devices[device].account].is_set_back = true;
        }
    }

    /// What is on a device's backup lives on a second device as well.
    fn device_is_copied(&mut self, device: usize) -> Result<(), Violation> {
        let index = self.devices.len();
        let Some(copy) = self.devices[device].copied(&mut self.stage, index) else { return Ok(()) };
        self.stage.met("device_cloned");
        self.ledgers[copy.account].is_set_back = true;
        self.devices.push(copy);
        // It has the tokens of the other one, and they are one device to the server until it is
        // signed in by itself.
        self.devices[index].start(&mut self.stage)?;
        self.step(index, vec![Event::Started])?;
        self.devices[index].signed_in = false;
        self.signs_in(index)
    }

    fn server_is_set_back(&mut self) -> Result<(), Violation> {
        let says_so = self.stage.dice.chance(500);
        if !self.server.set_back(&mut self.stage, says_so)? {
            return Ok(());
        }
        self.stage.met(if says_so { "server_restored" } else { "server_set_back_silently" });
        for ledger in &mut self.ledgers {
            ledger.is_set_back |= !says_so;
            ledger.is_restored = true;
        }
        for device in &mut self.devices {
            device.model.may_go_back = true;
            device.model.may_keep_lost |= !says_so;
        }
        self.note_lost()
    }
}

fn name(entity_type: &str) -> EntityType {
    workload::key(entity_type, "any").entity_type
}

/// What a device may follow: everything or some types, of some only the last days.
fn any_scope(dice: &mut Dice) -> Scope {
    let types: [&[&str]; 5] = [
        &[],
        &["Note"],
        &["Note", "HealthMetric", "Goal"],
        &["HealthMetric", "Mystery"],
        &["Goal", "ManualReading"],
    ];
    let types = types[dice.index(types.len())].iter().map(|one| name(one)).collect();
    let days = [None, Some(2), Some(20)][dice.index(3)];
    let windows = days.map(|days| (name("HealthMetric"), days)).into_iter().collect();
    Scope { types, windows }
}

fn any_stretch(dice: &mut Dice) -> Wanted {
    let types = ["Note", "HealthMetric", "Mystery", "Goal"];
    let entity_type = name(types[dice.index(types.len())]);
    if dice.chance(500) {
        return Wanted::Type(entity_type);
    }
    Wanted::Range { entity_type, from_ms: None, to_ms: Some(1_700_000_900_000) }
}
