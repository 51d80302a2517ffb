//! Reading many entities: page by page, counted, and summed for charts.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;
use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use clarity_engine::protocol::model::{Entity, EntityKey, EntityType};
use clarity_engine::store::{DayRollup, ListOptions, Position, Query, StoredEntity};
use jiff::Span;
use jiff::civil::{Date, date};
use serde::{Deserialize, Serialize, Serializer};

use crate::client::{Client, visible};
use crate::error::ClientError;
use crate::storing::Command;

/// How many changed days are summed anew after a read that found some.
const DAYS_REFRESHED_MAX: usize = 500;

/// How many rows one read of a long list takes.
const PAGE: usize = 1_000;

/// Where the next page of a query begins. As a text it can be kept and handed in later, also to
/// another process; what is in it may change with any version.
///
/// It holds a value of an entity, so it does not belong into logs; `Debug` hides it.
#[derive(Clone, PartialEq)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS), ts(as = "String"))]
pub struct Continuation(Place);

#[derive(Clone, PartialEq, Serialize, Deserialize)]
struct Place {
    #[serde(rename = "t")]
    entity_type: EntityType,
    #[serde(rename = "o")]
    order_by: Option<(String, bool)>,
    #[serde(rename = "p")]
    position: Position,
}

impl fmt::Debug for Continuation {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Continuation").finish_non_exhaustive()
    }
}

impl fmt::Display for Continuation {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let json = serde_json::to_vec(&self.0).map_err(|_| fmt::Error)?;
        formatter.write_str(&URL_SAFE_NO_PAD.encode(json))
    }
}

impl FromStr for Continuation {
    type Err = ClientError;

    fn from_str(text: &str) -> Result<Self, ClientError> {
        let json = URL_SAFE_NO_PAD.decode(text).map_err(|_| ClientError::Continuation)?;
        serde_json::from_slice(&json).map(Self).map_err(|_| ClientError::Continuation)
    }
}

impl Serialize for Continuation {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// One page of a query.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
pub struct Page {
    /// The entities, in the order of the query.
    pub entities: Vec<Entity>,
    /// Where the next page begins; nothing when there are no more.
    pub next: Option<Continuation>,
}

/// How long the stretches of time are that a chart shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
pub enum Period {
    /// Days, in UTC.
    Day,
    /// Months.
    Month,
    /// Years.
    Year,
}

/// Which sums are asked for, of a type that declares roll-ups.
#[derive(Debug, Clone, PartialEq)]
pub struct RollupQuery {
    /// The type.
    pub entity_type: EntityType,
    /// Which measure, as in the field that the type declares for it: `heart_rate`, say.
    pub kind: String,
    /// Only this source; all of them when absent.
    pub source: Option<String>,
    /// The days, as numbers since 1970-01-01 UTC; the end is not part of them.
    pub days: Range<i64>,
    /// What is summed up together.
    pub period: Period,
    /// Whether each source has sums of its own.
    pub by_source: bool,
}

/// The sums of one stretch of time.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
pub struct Rollup {
    /// The day, month or year, as in `2024-02-29`, `2024-02` or `2024`.
    pub period: String,
    /// The source, where each has sums of its own; empty for entities that name none.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "typescript", ts(optional))]
    pub source: Option<String>,
    /// How many values.
    pub count: u64,
    /// Their sum.
    pub sum: f64,
    /// Their mean.
    pub mean: f64,
    /// The smallest.
    pub min: f64,
    /// The largest.
    pub max: f64,
}

impl Client {
    /// Entities of a type by their fields.
    ///
    /// # Errors
    /// When the store cannot be read, or the query names something that cannot be compared.
    pub fn query(
        &self,
        entity_type: &EntityType,
        query: &Query,
    ) -> Result<Vec<Entity>, ClientError> {
        self.read(|tx| {
            let rows = tx.query_entities(entity_type, query)?;
            let found: Vec<Entity> =
                rows.into_iter().filter_map(|(key, row)| visible(key, row)).collect();
            self.accesses().note(tx.schema(), found.iter().map(|entity| &entity.key));
            Ok(found)
        })
    }

    /// One page of the entities that a query finds, after an earlier page or from the start.
    ///
    /// Pages join without a gap and without a repetition, whatever is written between them: an
    /// entity that nobody touches comes exactly once.
    ///
    /// # Errors
    /// When the store cannot be read; [`ClientError::Continuation`] for one of another query.
    pub fn page(
        &self,
        entity_type: &EntityType,
        query: &Query,
        after: Option<&Continuation>,
    ) -> Result<Page, ClientError> {
        let mut query = query.clone();
        if let Some(Continuation(place)) = after {
            if place.entity_type != *entity_type || place.order_by != query.order_by {
                return Err(ClientError::Continuation);
            }
            query.after = Some(place.position.clone());
        }
        let found = self.read(|tx| Ok(tx.query_page(entity_type, &query)?))?;
        let next = found.next.map(|position| {
            let order_by = query.order_by.clone();
            Continuation(Place { entity_type: entity_type.clone(), order_by, position })
        });
        let entities = found.rows.into_iter().filter_map(|(key, row)| visible(key, row)).collect();
        Ok(Page { entities, next })
    }

    /// How many entities a query finds, whatever its limit.
    ///
    /// # Errors
    /// As [`Client::query`].
    pub fn count(&self, entity_type: &EntityType, query: &Query) -> Result<u64, ClientError> {
        self.read(|tx| Ok(tx.count_found(entity_type, query)?))
    }

    /// Count, sum, mean, minimum and maximum by day, month or year, in the order of time: what a
    /// chart shows. Nothing for a type that declares no roll-ups.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn rollups(&self, query: &RollupQuery) -> Result<Vec<Rollup>, ClientError> {
        let RollupQuery { entity_type, kind, source, days, .. } = query;
        let (found, dirty) = self.read_mut(|tx| {
            let dirty = tx.has_dirty_days()?;
            Ok((tx.rollups(entity_type, kind, source.as_deref(), days.clone())?, dirty))
        })?;
        if dirty {
            self.refresh_rollups();
        }
        Ok(sum_up(found, query))
    }

    /// Every entity, deleted ones included, in pages of one consistent view: for exports and
    /// checks.
    ///
    /// # Errors
    /// When the store cannot be read, or `each` fails.
    pub fn each_stored(
        &self,
        mut each: impl FnMut(&EntityKey, &StoredEntity) -> Result<(), ClientError>,
    ) -> Result<(), ClientError> {
        self.read(|tx| {
            for entity_type in tx.entity_types()? {
                let mut options = ListOptions { after: None, limit: PAGE, include_deleted: true };
                loop {
                    let page = tx.list_entities(&entity_type, &options)?;
                    for (key, row) in &page {
                        each(key, row)?;
                    }
                    let Some((last, _)) = page.last().filter(|_| page.len() == PAGE) else { break };
                    options.after = Some(last.id.clone());
                }
            }
            Ok(())
        })
    }

    /// Has the sums of changed days made again behind the back of whoever reads, so that the next
    /// read finds them made. One such job at a time.
    fn refresh_rollups(&self) {
        if self.refreshing().swap(true, Ordering::AcqRel) {
            return;
        }
        // Not the client itself: the thread that writes must not be the last to hold it.
        let refreshing = Arc::clone(self.refreshing());
        let job = move |device: &mut crate::device::Device| {
            let refreshed = device.store().begin().and_then(|mut transaction| {
                transaction.refresh_rollups(DAYS_REFRESHED_MAX)?;
                transaction.commit()
            });
            if refreshed.is_err() {
                // Reads are right all the same; they only take longer.
                tracing::debug!("the sums of changed days could not be kept");
            }
            refreshing.store(false, Ordering::Release);
        };
        if self.worker().send(Command::Run(Box::new(job))).is_err() {
            self.refreshing().store(false, Ordering::Release);
        }
    }
}

/// Adds up days to the periods that are asked for.
fn sum_up(days: Vec<DayRollup>, query: &RollupQuery) -> Vec<Rollup> {
    let mut sums: BTreeMap<(i64, Option<String>), Rollup> = BTreeMap::new();
    for day in days {
        let (start, period) = period_of(day.day, query.period);
        let source = query.by_source.then(|| day.source.clone());
        let sum = sums.entry((start, source.clone())).or_insert_with(|| Rollup {
            period,
            source,
            count: 0,
            sum: 0.0,
            mean: 0.0,
            min: f64::INFINITY,
            max: f64::NEG_INFINITY,
        });
        sum.count += day.count;
        sum.sum += day.sum;
        sum.min = sum.min.min(day.min);
        sum.max = sum.max.max(day.max);
    }
    let with_mean = |mut sum: Rollup| {
        sum.mean = sum.sum / sum.count as f64;
        sum
    };
    sums.into_values().map(with_mean).collect()
}

/// The first day of the period that a day lies in, and the period's name. A day that no calendar
/// knows is a period of its own.
fn period_of(day: i64, period: Period) -> (i64, String) {
    let epoch = date(1970, 1, 1);
    let span = Span::new().try_days(day);
    let Ok(at) = span.and_then(|span| epoch.checked_add(span)) else {
        return (day, format!("day {day}"));
    };
    let since_first = match period {
        Period::Day => 0,
        Period::Month => i64::from(at.day()) - 1,
        Period::Year => i64::from(at.day_of_year()) - 1,
    };
    (day - since_first, name_of(at, period))
}

fn name_of(at: Date, period: Period) -> String {
    match period {
        Period::Day => at.to_string(),
        Period::Month => format!("{:04}-{:02}", at.year(), at.month()),
        Period::Year => format!("{:04}", at.year()),
    }
}
