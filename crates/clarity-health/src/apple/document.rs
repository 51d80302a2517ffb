//! Turns the tags of `export.xml` into samples.
//!
//! The document is read as a stack of open elements. A sample is handed over at its end tag, so a
//! cut file gives exactly the samples that are whole in it. A lost start or end tag costs the
//! element it belonged to: an element of the top level always begins anew at the top level.

use std::collections::BTreeMap;

use clarity_model::EntityId;

use super::common::{Added, SKIPPED_FULL, SKIPPED_REPEATED, Unreadable};
use super::correlation::Correlation;
use super::element::Element;
use super::record::Record;
use super::route::{Point, RouteChunks, known};
use super::summary::read_summary;
use super::workout::Workout;
use crate::limits::DEPTH_MAX;
use crate::number::parse;
use crate::output::Output;
use crate::time::parse_timestamp;
use crate::xml::{Attributes, element_name};

const SKIPPED_ME: &str = "personal characteristics (birth date, sex, blood type): never imported";
const SKIPPED_CLINICAL: &str = "clinical record: not supported yet";
const SKIPPED_AUDIOGRAM: &str = "hearing test: not supported yet";
const SKIPPED_VISION: &str = "vision prescription: not supported yet";
const SKIPPED_ACTIVITY: &str = "part of a workout with several activities: not supported yet";
const SKIPPED_ROUTE_METADATA: &str = "metadata of a workout route: not supported yet";
const SKIPPED_ROUTE_FILE: &str = "route that a workout refers to but the export does not have";
const SKIPPED_UNKNOWN: &str = "element that this version does not know";

const MISPLACED: Unreadable = "an element in a place where it cannot be";
const NO_END: Unreadable = "an element whose end is missing";
const NO_START: Unreadable = "an end tag that nothing began";
const TOO_DEEP: Unreadable = "elements nested deeper than any export has them";
const BAD_METADATA: Unreadable = "a metadata entry without a key";
const BAD_LOCATION: Unreadable = "a route point without a place";

/// What an open element is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Role {
    Root,
    Record,
    Beats,
    Correlation,
    Workout,
    Event,
    Route,
    /// Nothing in it is read.
    Ignored,
}

#[derive(Debug)]
struct Frame {
    element: Element,
    role: Role,
    byte_offset: u64,
}

/// The state between two tags.
pub(crate) struct Document<'r> {
    stack: Vec<Frame>,
    /// Elements below the deepest that is looked at.
    too_deep: u64,
    record: Option<Record>,
    correlation: Option<Correlation>,
    workout: Option<Workout>,
    route: Option<RouteChunks>,
    /// Ids of the route files by their name in lower case, without folders.
    route_files: &'r BTreeMap<String, EntityId>,
    complete: bool,
}

impl<'r> Document<'r> {
    /// A document of which nothing was read.
    pub(crate) fn new(route_files: &'r BTreeMap<String, EntityId>) -> Self {
        Self {
            stack: Vec::new(),
            too_deep: 0,
            record: None,
            correlation: None,
            workout: None,
            route: None,
            route_files,
            complete: false,
        }
    }

    /// Whether the root element is closed.
    pub(crate) fn is_complete(&self) -> bool {
        self.complete
    }

    /// A start tag; `content` is its name and attributes.
    pub(crate) fn start(
        &mut self,
        content: &str,
        empty: bool,
        byte_offset: u64,
        output: &mut Output<'_>,
    ) {
        let element = Element::of(element_name(content.as_bytes()));
        let member = element == Element::Record && self.role() == Some(Role::Correlation);
        if element.is_top_level() && self.stack.len() > 1 && !member {
            // The end of what is open was lost.
            self.abandon_above(1, output);
        }
        if self.stack.len() >= DEPTH_MAX || self.too_deep > 0 {
            if self.too_deep == 0 {
                output.damage(byte_offset, TOO_DEEP);
            }
            self.too_deep += u64::from(!empty);
            return;
        }
        let role = self.open(element, content, byte_offset, output);
        if empty {
            self.close(role, output);
        } else {
            self.stack.push(Frame { element, role, byte_offset });
        }
    }

    /// An end tag.
    pub(crate) fn end(&mut self, name: &[u8], byte_offset: u64, output: &mut Output<'_>) {
        if self.too_deep > 0 {
            self.too_deep -= 1;
            return;
        }
        let element = Element::of(name);
        let Some(index) = self.stack.iter().rposition(|frame| frame.element == element) else {
            // The end of an element that is known belongs to a start that was counted as damaged.
            if matches!(element, Element::Other(_)) {
                output.damage(byte_offset, NO_START);
            }
            return;
        };
        self.abandon_above(index + 1, output);
        if let Some(frame) = self.stack.pop() {
            self.close(frame.role, output);
        }
    }

    /// The end of the input, whether proper or not: what is still open is lost, but for the points
    /// of a route.
    pub(crate) fn finish(&mut self, output: &mut Output<'_>) {
        if let Some(route) = self.route.take() {
            route.finish(false, output);
        }
    }

    fn role(&self) -> Option<Role> {
        self.stack.last().map(|frame| frame.role)
    }

    /// Closes elements whose end tags are missing; what they were building is lost.
    fn abandon_above(&mut self, height: usize, output: &mut Output<'_>) {
        self.too_deep = 0;
        while self.stack.len() > height {
            let Some(frame) = self.stack.pop() else {
                return;
            };
            output.damage(frame.byte_offset, NO_END);
            match frame.role {
                Role::Record => self.record = None,
                Role::Correlation => self.correlation = None,
                Role::Workout => self.workout = None,
                Role::Event => {
                    if let Some(workout) = &mut self.workout {
                        workout.abandon_event();
                    }
                }
                Role::Route => self.finish(output),
                Role::Root | Role::Beats | Role::Ignored => {}
            }
        }
    }

    /// Handles the start of an element; answers what it is for.
    fn open(
        &mut self,
        element: Element,
        content: &str,
        byte_offset: u64,
        output: &mut Output<'_>,
    ) -> Role {
        if self.role() == Some(Role::Ignored) {
            return Role::Ignored;
        }
        let attributes = match Attributes::parse(content) {
            Ok(attributes) => attributes,
            Err(error) => {
                output.damage(byte_offset, error.as_str());
                // The root may be damaged itself; what is in it is still read.
                let root = self.stack.is_empty() && element == Element::HealthData;
                return if root { Role::Root } else { Role::Ignored };
            }
        };
        let opened = match self.role() {
            None if element == Element::HealthData => {
                output.report.locale = attributes.filled("locale").map(bounded_locale);
                Ok(Role::Root)
            }
            Some(Role::Root) => self.open_top_level(element, &attributes, output),
            Some(role) => self.open_part(role, element, &attributes, output),
            None => Err(MISPLACED),
        };
        opened.unwrap_or_else(|what| {
            output.damage(byte_offset, what);
            Role::Ignored
        })
    }

    fn open_top_level(
        &mut self,
        element: Element,
        attributes: &Attributes<'_>,
        output: &mut Output<'_>,
    ) -> Result<Role, Unreadable> {
        let skipped = match element {
            Element::Record => {
                self.record = Some(Record::read(attributes)?);
                return Ok(Role::Record);
            }
            Element::Workout => {
                self.workout = Some(Workout::read(attributes)?);
                return Ok(Role::Workout);
            }
            Element::Correlation => {
                self.correlation = Some(Correlation::read(attributes)?);
                return Ok(Role::Correlation);
            }
            Element::ActivitySummary => {
                return read_summary(attributes, output).map(|()| Role::Ignored);
            }
            Element::ExportDate => {
                let date = attributes.get("value").and_then(parse_timestamp);
                output.report.export_date_ms = date.map(|date| date.unix_ms);
                return Ok(Role::Ignored);
            }
            Element::Me => SKIPPED_ME,
            Element::ClinicalRecord => SKIPPED_CLINICAL,
            Element::Audiogram => SKIPPED_AUDIOGRAM,
            Element::VisionPrescription => SKIPPED_VISION,
            element if element.is_part() => return Err(MISPLACED),
            _ => SKIPPED_UNKNOWN,
        };
        output.skip(skipped);
        Ok(Role::Ignored)
    }

    fn open_part(
        &mut self,
        role: Role,
        element: Element,
        attributes: &Attributes<'_>,
        output: &mut Output<'_>,
    ) -> Result<Role, Unreadable> {
        if element == Element::MetadataEntry {
            return self.metadata(role, attributes, output).map(|()| Role::Ignored);
        }
        let added = match (role, element) {
            (Role::Record, Element::Beats) => return Ok(Role::Beats),
            (Role::Beats, Element::Beat) => {
                self.record.as_mut().map(|record| record.add_beat(attributes)).transpose()?
            }
            (Role::Correlation, Element::Record) => {
                let correlation = self.correlation.as_mut();
                correlation.map(|correlation| correlation.add_member(attributes)).transpose()?
            }
            (Role::Workout, Element::WorkoutEvent) => {
                self.workout.as_mut().map(|workout| workout.open_event(attributes)).transpose()?;
                return Ok(Role::Event);
            }
            (Role::Workout, Element::WorkoutStatistics) => {
                let workout = self.workout.as_mut();
                workout.map(|workout| workout.add_statistics(attributes)).transpose()?
            }
            (Role::Workout, Element::WorkoutRoute) => {
                let source = attributes.filled("sourceName").map(str::to_owned);
                self.route = Some(RouteChunks::new(source));
                return Ok(Role::Route);
            }
            (Role::Workout, Element::WorkoutActivity) => {
                output.skip(SKIPPED_ACTIVITY);
                None
            }
            (Role::Route, Element::FileReference) => {
                self.link_route_file(attributes.get("path").unwrap_or(""), output)
            }
            (Role::Route, Element::Location) => {
                let point = read_location(attributes).ok_or(BAD_LOCATION)?;
                if let Some(route) = &mut self.route {
                    route.add(point, output);
                }
                None
            }
            (_, Element::Other(_)) => {
                output.skip(SKIPPED_UNKNOWN);
                None
            }
            _ => return Err(MISPLACED),
        };
        note(added, output);
        Ok(Role::Ignored)
    }

    fn metadata(
        &mut self,
        role: Role,
        attributes: &Attributes<'_>,
        output: &mut Output<'_>,
    ) -> Result<(), Unreadable> {
        let key = attributes.get("key").ok_or(BAD_METADATA)?;
        let value = attributes.get("value").unwrap_or("");
        let added = match role {
            Role::Record => {
                self.record.as_mut().map(|record| record.extras().add_metadata(key, value))
            }
            Role::Correlation => self
                .correlation
                .as_mut()
                .map(|correlation| correlation.extras().add_metadata(key, value)),
            Role::Workout => {
                self.workout.as_mut().map(|workout| workout.extras().add_metadata(key, value))
            }
            Role::Event => {
                self.workout.as_mut().map(|workout| workout.add_event_metadata(key, value))
            }
            Role::Route => {
                output.skip(SKIPPED_ROUTE_METADATA);
                None
            }
            Role::Root | Role::Beats | Role::Ignored => return Err(MISPLACED),
        };
        note(added, output);
        Ok(())
    }

    fn link_route_file(&mut self, path: &str, output: &mut Output<'_>) -> Option<Added> {
        let route = self.route_files.get(&file_key(path));
        if route.is_none() {
            output.skip(SKIPPED_ROUTE_FILE);
        }
        Some(self.workout.as_mut()?.add_route(route?))
    }

    /// Handles the end of an element.
    fn close(&mut self, role: Role, output: &mut Output<'_>) {
        match role {
            Role::Record => {
                if let Some(record) = self.record.take() {
                    record.finish(output);
                }
            }
            Role::Correlation => {
                if let Some(correlation) = self.correlation.take() {
                    correlation.finish(output);
                }
            }
            Role::Workout => {
                if let Some(workout) = self.workout.take() {
                    workout.finish(output);
                }
            }
            Role::Event => {
                let added = self.workout.as_mut().map(Workout::close_event);
                note(added, output);
            }
            Role::Route => {
                if let Some(route) = self.route.take() {
                    let id = route.id().cloned();
                    let added = id
                        .and_then(|id| self.workout.as_mut().map(|workout| workout.add_route(&id)));
                    route.finish(true, output);
                    note(added, output);
                }
            }
            Role::Root => self.complete = true,
            Role::Beats | Role::Ignored => {}
        }
    }
}

fn note(added: Option<Added>, output: &mut Output<'_>) {
    match added {
        Some(Added::Full) => output.skip(SKIPPED_FULL),
        Some(Added::Repeated) => output.skip(SKIPPED_REPEATED),
        Some(Added::Kept) | None => {}
    }
}

/// The name under which a route file is found again: without folders, whose names are translated.
pub(crate) fn file_key(path: &str) -> String {
    path.rsplit(['/', '\\']).next().unwrap_or(path).to_lowercase()
}

fn bounded_locale(locale: &str) -> String {
    locale.chars().take(32).collect()
}

fn read_location(attributes: &Attributes<'_>) -> Option<Point> {
    let number = |name: &str| attributes.get(name).and_then(parse);
    Some(Point {
        latitude: number("latitude")?,
        longitude: number("longitude")?,
        elevation_m: number("altitude"),
        time_ms: attributes.get("date").and_then(parse_timestamp).map(|time| time.unix_ms),
        speed_m_per_s: known(number("speed")),
        course_degrees: known(number("course")),
        horizontal_accuracy_m: known(number("horizontalAccuracy")),
        vertical_accuracy_m: known(number("verticalAccuracy")),
    })
}
