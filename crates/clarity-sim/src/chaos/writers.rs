//! People who write, and what they know of it: what was acknowledged, and what nobody knows.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::Result;
use serde_json::{Value, json};

use super::process::Device;
use crate::simulation::dice::Dice;

/// The goal that everybody counts on.
pub(super) const COUNTED: &str = "counted";
/// The longest pause between two writes of a device, in milliseconds.
const PAUSE_MS_MAX: i64 = 120;

/// What is known of an entity that one device writes.
#[derive(Debug, Default)]
pub(super) struct Own {
    /// The titles that it may have: the last one that was acknowledged, and those written since.
    pub(super) titles: Vec<String>,
    /// Whether its making was acknowledged.
    pub(super) is_made: bool,
    /// Whether its deletion was acknowledged; nothing when nobody knows.
    pub(super) is_deleted: Option<bool>,
}

/// What one device's people know.
#[derive(Debug, Default)]
pub(super) struct Journal {
    /// By id, what is only written here.
    pub(super) own: BTreeMap<String, Own>,
    /// How much was certainly added to the shared counter, and how much perhaps.
    pub(super) counted: u64,
    pub(super) perhaps_counted: u64,
    pub(super) acknowledged: u64,
    pub(super) unknown: u64,
    serial: u64,
}

/// Writes until told to stop.
pub(super) fn write_on(device: &Device, dice: &mut Dice, stop: &AtomicBool) -> Result<Journal> {
    let mut journal = Journal::default();
    while !stop.load(Ordering::SeqCst) {
        match dice.index(10) {
            0..4 => add(device, &mut journal)?,
            4 | 5 => edit(device, dice, &mut journal)?,
            6 => delete(device, dice, &mut journal)?,
            7 => batch(device, dice, &mut journal)?,
            _ => count(device, &mut journal)?,
        }
        std::thread::sleep(Duration::from_millis(dice.between(0, PAUSE_MS_MAX).unsigned_abs()));
    }
    Ok(journal)
}

impl Journal {
    /// A title that nobody else writes.
    fn title(&mut self, device: &Device) -> String {
        self.serial += 1;
        format!("{}-{}", device.index, self.serial)
    }

    fn note(&mut self, success: bool) {
        if success { self.acknowledged += 1 } else { self.unknown += 1 }
    }

    fn make(&mut self, id: String, title: String, is_made: bool) {
        let made = Own { titles: vec![title], is_made, is_deleted: Some(false) };
        self.own.insert(id, made);
    }

    /// Something that is certainly there.
    fn any(&self, dice: &mut Dice) -> Option<String> {
        let there = |own: &Own| own.is_made && own.is_deleted == Some(false);
        let living = self.own.iter().filter(|(_, own)| there(own));
        let living: Vec<&String> = living.map(|(id, _)| id).collect();
        dice.pick(&living).map(|id| (*id).clone())
    }
}

fn add(device: &Device, journal: &mut Journal) -> Result<()> {
    let title = journal.title(device);
    let ended = device.run(&["add", "Note", &format!("title=\"{title}\"")], None)?;
    journal.note(ended.success);
    // Nobody knows the id of one whose command was killed; its title is unique.
    let id = ended.last()["id"].as_str().unwrap_or(&title).to_owned();
    journal.make(id, title, ended.success);
    Ok(())
}

fn edit(device: &Device, dice: &mut Dice, journal: &mut Journal) -> Result<()> {
    let Some(id) = journal.any(dice) else { return Ok(()) };
    let title = journal.title(device);
    let assigned = format!("title=\"{title}\"");
    let ended = device.run(&["edit", &format!("Note/{id}"), &assigned], None)?;
    journal.note(ended.success);
    let own = journal.own.entry(id).or_default();
    if ended.success {
        own.titles.clear();
    }
    own.titles.push(title);
    Ok(())
}

fn delete(device: &Device, dice: &mut Dice, journal: &mut Journal) -> Result<()> {
    let Some(id) = journal.any(dice) else { return Ok(()) };
    let ended = device.run(&["delete", &format!("Note/{id}")], None)?;
    journal.note(ended.success);
    journal.own.entry(id).or_default().is_deleted = ended.success.then_some(true);
    Ok(())
}

/// Several notes at once, all or nothing.
fn batch(device: &Device, dice: &mut Dice, journal: &mut Journal) -> Result<()> {
    let mut lines = String::new();
    let mut made = Vec::new();
    for _ in 0..=dice.index(4) {
        let title = journal.title(device);
        let id = format!("note-{title}");
        let fields = json!({ "title": title });
        let line = json!({ "do": "create", "type": "Note", "id": id, "fields": fields });
        lines.push_str(&format!("{line}\n"));
        made.push((id, title));
    }
    let ended = device.run(&["batch", "-", "--atomic"], Some(&lines))?;
    journal.note(ended.success);
    for (id, title) in made {
        journal.make(id, title, ended.success);
    }
    Ok(())
}

/// Adds one to the shared counter, on what is there now.
fn count(device: &Device, journal: &mut Journal) -> Result<()> {
    let goal = format!("Goal/{COUNTED}");
    let shown = device.run(&["show", &goal], None)?;
    if !shown.success {
        return Ok(());
    }
    let fields: &Value = &shown.last()["fields"];
    let more = format!("progress={}", fields["progress"].as_u64().unwrap_or_default() + 1);
    let ended = device.run(&["edit", &goal, &more, "--seen", &fields.to_string()], None)?;
    journal.note(ended.success);
    let counted = if ended.success { &mut journal.counted } else { &mut journal.perhaps_counted };
    *counted += 1;
    Ok(())
}
