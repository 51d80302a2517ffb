//! Route files: GPX 1.1 as the Health app writes it, with its extensions.

use std::io::Read;

use clarity_model::EntityId;

use super::route::{Point, RouteChunks, known, route_id};
use crate::number::parse;
use crate::output::Output;
use crate::time::parse_timestamp;
use crate::xml::{Attributes, Breakage, Scanner, Token, element_name};

/// Nothing in the first bytes of a file says where its first point is; a real one has it within
/// the first kilobyte.
const FIRST_POINT_BYTES_MAX: u64 = 64 * 1024;

const BAD_POINT: &str = "a route point without a place";
const BAD_NUMBER: &str = "a value in a route point that is not a number or a date";
const CUT: &str = "the route file ends early";
const BROKEN: &str = "a place that is not XML";
const ENTITY: &str = "an entity declaration, which is refused";

/// What the reader of a route file found next.
enum Found {
    Point(Point),
    Damage(&'static str),
    /// The end; whether it was the proper one.
    End(bool),
}

/// Reads points one by one.
struct GpxReader<R> {
    scanner: Scanner<R>,
    point: Option<Point>,
    field: Option<Field>,
    closed: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Field {
    Elevation,
    Time,
    Speed,
    Course,
    HorizontalAccuracy,
    VerticalAccuracy,
}

impl Field {
    fn of(name: &[u8]) -> Option<Self> {
        Some(match name {
            b"ele" => Self::Elevation,
            b"time" => Self::Time,
            b"speed" => Self::Speed,
            b"course" => Self::Course,
            b"hAcc" => Self::HorizontalAccuracy,
            b"vAcc" => Self::VerticalAccuracy,
            _ => return None,
        })
    }

    /// Writes a text into a point; false when the text is not what the field holds.
    fn set(self, point: &mut Point, text: &str) -> bool {
        if self == Self::Time {
            point.time_ms = parse_timestamp(text).map(|time| time.unix_ms);
            return point.time_ms.is_some();
        }
        let number = parse(text);
        let slot = match self {
            Self::Elevation | Self::Time => &mut point.elevation_m,
            Self::Speed => &mut point.speed_m_per_s,
            Self::Course => &mut point.course_degrees,
            Self::HorizontalAccuracy => &mut point.horizontal_accuracy_m,
            Self::VerticalAccuracy => &mut point.vertical_accuracy_m,
        };
        *slot = if self == Self::Elevation { number } else { known(number) };
        number.is_some()
    }
}

/// An owned token, so that the reader can change itself while it looks at one.
enum Step {
    Found(Found),
    Nothing,
}

impl<R: Read> GpxReader<R> {
    fn new(source: R) -> Self {
        let scanner = Scanner::new(source, true);
        Self { scanner, point: None, field: None, closed: false }
    }

    fn next(&mut self) -> Found {
        loop {
            if let Step::Found(found) = self.step() {
                return found;
            }
        }
    }

    fn step(&mut self) -> Step {
        match self.scanner.next() {
            Token::Start { content, empty } => {
                let name = element_name(content);
                if name == b"trkpt" {
                    let cut = self.point.is_some();
                    self.point = read_place(content);
                    return match self.point {
                        None => Step::Found(Found::Damage(BAD_POINT)),
                        Some(point) if empty => {
                            self.point = None;
                            Step::Found(Found::Point(point))
                        }
                        Some(_) if cut => Step::Found(Found::Damage(BROKEN)),
                        Some(_) => Step::Nothing,
                    };
                }
                self.field = if empty { None } else { Field::of(name) };
            }
            Token::Text(text) => {
                if let (Some(field), Some(point)) = (self.field, &mut self.point) {
                    let text = std::str::from_utf8(text).unwrap_or("");
                    if !field.set(point, text) {
                        return Step::Found(Found::Damage(BAD_NUMBER));
                    }
                }
            }
            Token::End(name) => {
                self.field = None;
                match name {
                    b"trkpt" => {
                        if let Some(point) = self.point.take() {
                            return Step::Found(Found::Point(point));
                        }
                    }
                    b"gpx" => self.closed = true,
                    _ => {}
                }
            }
            Token::Broken(Breakage::EntityDeclaration) => {
                return Step::Found(Found::Damage(ENTITY));
            }
            Token::Broken(_) => {
                // Values behind a broken tag would go to the wrong field.
                self.field = None;
                return Step::Found(Found::Damage(BROKEN));
            }
            Token::EndOfInput { .. } => return Step::Found(Found::End(self.closed)),
        }
        Step::Nothing
    }
}

fn read_place(content: &[u8]) -> Option<Point> {
    let content = std::str::from_utf8(content).ok()?;
    let attributes = Attributes::parse(content).ok()?;
    Some(Point {
        latitude: parse(attributes.get("lat")?)?,
        longitude: parse(attributes.get("lon")?)?,
        ..Point::default()
    })
}

/// The id of the route in a file, from its first point; none when it has no point.
pub(crate) fn read_route_id(source: impl Read) -> Option<EntityId> {
    let mut reader = GpxReader::new(source.take(FIRST_POINT_BYTES_MAX));
    loop {
        match reader.next() {
            Found::Point(point) => return Some(route_id(&point)),
            Found::Damage(_) => {}
            Found::End(_) => return None,
        }
    }
}

/// What became of a route file.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum RouteOutcome {
    /// At least one point was read.
    Read,
    /// There is no point in it.
    Empty,
}

/// Reads a route file to its end and hands over its chunks. `progress` gets the bytes read so far.
pub(crate) fn read_route(
    source: impl Read,
    output: &mut Output<'_>,
    progress: &mut dyn FnMut(u64, &mut Output<'_>),
) -> Result<RouteOutcome, std::io::Error> {
    let mut reader = GpxReader::new(source);
    let mut chunks = RouteChunks::default();
    let whole = loop {
        match reader.next() {
            Found::Point(point) => {
                chunks.add(point, output);
                progress(reader.scanner.position(), output);
            }
            Found::Damage(what) => output.damage(reader.scanner.token_offset(), what),
            Found::End(whole) => break whole,
        }
        if output.cancelled() {
            break true;
        }
    };
    progress(reader.scanner.position(), output);
    if !whole {
        output.damage(reader.scanner.position(), CUT);
    }
    let dropped = reader.scanner.dropped_total();
    if dropped > 0 {
        output.report.repaired.add("control character that was dropped", dropped);
    }
    let outcome = if chunks.id().is_some() { RouteOutcome::Read } else { RouteOutcome::Empty };
    chunks.finish(whole, output);
    reader.scanner.take_error().map_or(Ok(outcome), Err)
}
