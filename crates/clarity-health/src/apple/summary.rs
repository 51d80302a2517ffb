//! `ActivitySummary`: the rings of one day.

use clarity_model::Fields;

use super::common::{Unreadable, put, put_some};
use crate::identity::{Identity, Key};
use crate::number::to_json;
use crate::output::{Output, Ready};
use crate::sample::entity_type::ACTIVITY_SUMMARY;
use crate::time::parse_day;
use crate::units::canonical_text;
use crate::xml::Attributes;

const NO_DAY: Unreadable = "an activity summary without a day";
const BAD_NUMBER: Unreadable = "an activity summary with a value that is not a number";

/// Attributes and the fields they become. Version 11 called the move time `appleMoveMinutes`;
/// where both are, the later name is last and stays.
const PLAIN: [(&str, &str); 8] = [
    ("appleMoveMinutes", "move_min"),
    ("appleMoveMinutesGoal", "move_goal_min"),
    ("appleMoveTime", "move_min"),
    ("appleMoveTimeGoal", "move_goal_min"),
    ("appleExerciseTime", "exercise_min"),
    ("appleExerciseTimeGoal", "exercise_goal_min"),
    ("appleStandHours", "stand_hours"),
    ("appleStandHoursGoal", "stand_goal_hours"),
];
const ENERGY: [(&str, &str); 2] = [
    ("activeEnergyBurned", "active_energy_kcal"),
    ("activeEnergyBurnedGoal", "active_energy_goal_kcal"),
];

/// Reads a summary and hands it over. Its id is made from the day alone.
pub(crate) fn read_summary(
    attributes: &Attributes<'_>,
    output: &mut Output<'_>,
) -> Result<(), Unreadable> {
    let day = attributes.get("dateComponents").unwrap_or("");
    let start_ms = parse_day(day).ok_or(NO_DAY)?;
    let mut fields = Fields::new();
    let mut content = Vec::new();
    let mut add = |attribute, field, unit: Option<&str>| -> Result<(), Unreadable> {
        if let Some(text) = attributes.filled(attribute) {
            let number = canonical_text("ActiveEnergyBurned", text, unit).ok_or(BAD_NUMBER)?;
            put(&mut fields, field, to_json(number.value));
            content.push((field, number.value));
        }
        Ok(())
    };
    for (attribute, field) in PLAIN {
        add(attribute, field, None)?;
    }
    let unit = attributes.filled("activeEnergyBurnedUnit");
    for (attribute, field) in ENERGY {
        add(attribute, field, unit)?;
    }
    put_some(&mut fields, "day", Some(day));
    let identity = Identity::of(&Key {
        entity_type: ACTIVITY_SUMMARY,
        metric: day,
        start_ms,
        end_ms: start_ms,
        source: "",
        device: "",
    });
    let ready = Ready { entity_type: ACTIVITY_SUMMARY, fields, bytes: 0 };
    output.emit(ready, &identity, |parts| {
        for (field, number) in content {
            parts.text(field).number(number);
        }
    });
    Ok(())
}
