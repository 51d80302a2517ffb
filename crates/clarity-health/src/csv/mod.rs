//! Tables as text: a heading row, then a row for each measurement or each moment.

mod columns;
mod dialect;
mod ecg;
mod number;
mod when;
mod write;

use std::io::{Chain, Cursor, Read};
use std::path::Path;

use self::columns::Columns;
pub(crate) use self::dialect::refuse_utf16;
pub(crate) use self::ecg::{is_ecg, read_ecg};
use self::number::NoNumber;
pub use self::when::DateOrder;
use self::when::{NoTime, Zone};
pub use self::write::CsvWriter;
use crate::counted::{Counted, Place};
use crate::error::{HealthError, is_limit};
use crate::input::{Input, ReadSeek};
use crate::limits::CSV_ROW_BYTES_MAX;
use crate::meter::Meter;
use crate::metrics::by_words;
use crate::output::{Output, Sink};
use crate::report::{ImportId, Phase, ReadReport};
use crate::source::{RawSample, Reading};

const DAMAGED_TIME: &str = "a row whose time cannot be read";
const DAMAGED_ZONE: &str = "a row whose time has no zone";
const DAMAGED_ORDER: &str = "a row whose date can be read in two ways";
const DAMAGED_NUMBER: &str = "a row whose value is no number";
const DAMAGED_AMBIGUOUS: &str =
    "a row whose value can be read in two ways; say whether the comma is decimal";
const DAMAGED_LONG: &str =
    "a row longer than allowed, perhaps a quote that is not closed; the rest was not read";
const DAMAGED_READ: &str = "the file cannot be read further than here";
const SKIPPED_EMPTY: &str = "row without a value";
/// The parts of a row that the reader takes at once beyond what it has to.
const READ_AHEAD_BYTES: usize = 16 * 1024;
/// How many rows are looked at before anything is imported.
const ROWS_TRIED: usize = 20;

/// What a person says of a table that it does not say itself.
#[derive(Debug, Clone, Default)]
pub struct CsvOptions {
    /// Headings with what their columns hold: `start`, `end`, `date`, `time`, `metric`, `value`,
    /// `unit`, `category`, `source`, `device`, `ignore`, or `METRIC:UNIT`.
    pub columns: Vec<(String, String)>,
    /// What was measured, in a table that is about one metric.
    pub metric: Option<String>,
    /// The zone of times that name none: `Europe/Berlin` or `+02:00`.
    pub zone: Option<String>,
    /// Which number of `03/04/2020` is the day.
    pub date_order: Option<DateOrder>,
    /// Whether `1,234` is a little more than one; a table with semicolons needs no saying.
    pub decimal_comma: Option<bool>,
    /// The app or device that it comes from, where no column says so.
    pub source: Option<String>,
}

/// A table in a file.
#[derive(Debug)]
pub struct CsvFile {
    input: Input,
    delimiter: u8,
    is_ecg: bool,
    options: CsvOptions,
    zone: Option<Zone>,
    import_id: ImportId,
}

impl CsvFile {
    /// Opens a table and makes sure that its columns and the times of its first rows are
    /// understood.
    ///
    /// # Errors
    /// The message says what has to be said of the table, and how.
    pub fn open(path: &Path, options: &CsvOptions) -> Result<Self, HealthError> {
        Self::from_input(Input::at(path)?, options)
    }

    pub(crate) fn from_input(input: Input, options: &CsvOptions) -> Result<Self, HealthError> {
        let head = input.head()?;
        if head.is_empty() {
            return Err(HealthError::Empty);
        }
        refuse_utf16(&head)?;
        let zone = options.zone.as_deref().map(Zone::read).transpose()?;
        let mut hasher = blake3::Hasher::new();
        hasher.update(b"clarity-health/import/csv/1").update(&input.bytes().to_le_bytes());
        hasher.update(&head);
        let mut file = Self {
            input,
            delimiter: b',',
            is_ecg: is_ecg(&head),
            options: options.clone(),
            zone,
            import_id: ImportId(hasher.finalize().to_hex()[..32].to_owned()),
        };
        if !file.is_ecg {
            let single = options.metric.is_some() || !options.columns.is_empty();
            let found = dialect::delimiter(head.strip_prefix(dialect::MARK).unwrap_or(&head));
            file.delimiter = match found {
                Some(delimiter) => delimiter,
                None if single => b',',
                None => return Err(HealthError::NotRecognised),
            };
            file.try_head()?;
        }
        Ok(file)
    }

    pub(crate) fn import_id(&self) -> ImportId {
        self.import_id.clone()
    }

    pub(crate) fn bytes_total(&self) -> u64 {
        self.input.bytes()
    }

    /// Reads the first rows, so that what holds for all of them is said before anything is
    /// imported.
    fn try_head(&self) -> Result<(), HealthError> {
        let mut rows = Rows::open(self)?;
        for _ in 0..ROWS_TRIED {
            if !matches!(rows.next(), Ok(true)) {
                break;
            }
            match rows.samples(&mut |_| {}) {
                Err(DAMAGED_ZONE) => return Err(HealthError::CsvZoneMissing),
                Err(DAMAGED_ORDER) => return Err(HealthError::CsvDateOrder),
                _ => {}
            }
        }
        Ok(())
    }

    pub(crate) fn run(
        &mut self,
        sink: &mut Sink<'_>,
        meter: &mut Meter<'_>,
    ) -> Result<ReadReport, HealthError> {
        let mut output = Output::new(sink, ReadReport::new(self.import_id.clone()));
        output.report.complete = true;
        meter.begin(Phase::Records);
        let position = if self.is_ecg {
            read_ecg(self.input.open()?, &mut output)
        } else {
            self.read_rows(&mut output, meter)?
        };
        meter.finish_file(position, &mut output);
        output.flush();
        output.report.complete &= !output.report.cancelled;
        output.report.bytes = meter.done_bytes;
        meter.call(0, &output);
        Ok(output.report)
    }

    fn read_rows(
        &self,
        output: &mut Output<'_>,
        meter: &mut Meter<'_>,
    ) -> Result<u64, HealthError> {
        let mut rows = Rows::open(self)?;
        output.report.skipped.add_some("column that means nothing here", rows.columns.unknown);
        while !output.cancelled() {
            match rows.next() {
                Ok(true) => {}
                Ok(false) => break,
                Err(what) => {
                    output.damage(rows.place.position(), what);
                    output.report.complete = false;
                    break;
                }
            }
            let mut empty = true;
            let offset = rows.offset();
            let mut refused = None;
            let result = rows.samples(&mut |sample| {
                empty = false;
                match sample.into_sample() {
                    Ok(sample) => output.put(sample, 1_000),
                    Err(what) => refused = Some(what),
                }
            });
            match (result, refused) {
                (Err(what), _) | (Ok(()), Some(what)) => output.damage(offset, what),
                (Ok(()), None) if empty => output.skip(SKIPPED_EMPTY),
                (Ok(()), None) => {}
            }
            if rows.take_mended() {
                output.report.repaired.add("field with bytes that are not UTF-8", 1);
            }
            meter.advance(rows.place.position(), output);
        }
        Ok(rows.place.position())
    }
}

type Source = Chain<Cursor<Vec<u8>>, Counted<Box<dyn ReadSeek>>>;

/// The rows of a table, one at a time.
struct Rows<'f> {
    file: &'f CsvFile,
    reader: csv::Reader<Source>,
    place: Place,
    record: csv::ByteRecord,
    columns: Columns,
    mended: std::cell::Cell<bool>,
}

impl<'f> Rows<'f> {
    fn open(file: &'f CsvFile) -> Result<Self, HealthError> {
        let place = Place::default();
        place.allow(CSV_ROW_BYTES_MAX + READ_AHEAD_BYTES);
        let mut counted = Counted::new(file.input.open()?, place.clone());
        let mut first = Vec::new();
        let mark = dialect::MARK.len() as u64;
        counted.by_ref().take(mark).read_to_end(&mut first).map_err(HealthError::from_io)?;
        if first == dialect::MARK {
            first.clear();
        }
        let mut reader = csv::ReaderBuilder::new()
            .delimiter(file.delimiter)
            .flexible(true)
            .from_reader(Cursor::new(first).chain(counted));
        let headings = reader.byte_headers().map_err(from_csv)?;
        let headings: Vec<String> =
            headings.iter().map(|name| String::from_utf8_lossy(name).into_owned()).collect();
        let columns = Columns::read(&headings, &file.options)?;
        let record = csv::ByteRecord::new();
        let mended = std::cell::Cell::new(false);
        Ok(Self { file, reader, place, record, columns, mended })
    }

    /// Reads the next row; false at the end.
    fn next(&mut self) -> Result<bool, &'static str> {
        self.place.allow(CSV_ROW_BYTES_MAX + READ_AHEAD_BYTES);
        self.reader.read_byte_record(&mut self.record).map_err(|error| match error.into_kind() {
            csv::ErrorKind::Io(error) if is_limit(&error) => DAMAGED_LONG,
            _ => DAMAGED_READ,
        })
    }

    /// Where the row begins.
    fn offset(&self) -> u64 {
        self.record.position().map_or(0, csv::Position::byte)
    }

    fn take_mended(&self) -> bool {
        self.mended.take()
    }

    /// A filled field.
    fn text(&self, column: Option<usize>) -> Option<String> {
        let bytes = self.record.get(column?)?.trim_ascii();
        let text = String::from_utf8_lossy(bytes);
        self.mended.set(self.mended.get() || matches!(text, std::borrow::Cow::Owned(_)));
        (!text.is_empty()).then(|| text.into_owned())
    }

    fn time(&self, text: &str) -> Result<crate::time::Timestamp, &'static str> {
        let options = &self.file.options;
        when::read(text, self.file.zone.as_ref(), options.date_order).map_err(|error| match error {
            NoTime::Zone => DAMAGED_ZONE,
            NoTime::Order => DAMAGED_ORDER,
            NoTime::Unreadable => DAMAGED_TIME,
        })
    }

    fn number(&self, text: &str) -> Result<f64, &'static str> {
        // Where commas cannot stand between columns, they stand in numbers.
        let european = (self.file.delimiter != b',' && !text.contains('.')).then_some(true);
        let comma = self.file.options.decimal_comma.or(european);
        number::read(text, comma).map_err(|error| match error {
            NoNumber::Ambiguous => DAMAGED_AMBIGUOUS,
            NoNumber::Unreadable => DAMAGED_NUMBER,
        })
    }

    /// What a row measures.
    fn samples(&self, take: &mut dyn FnMut(RawSample)) -> Result<(), &'static str> {
        let columns = &self.columns;
        let start = match self.text(columns.start) {
            Some(text) => text,
            None => {
                let date = self.text(columns.date).ok_or(DAMAGED_TIME)?;
                match self.text(columns.time) {
                    Some(time) => format!("{date} {time}"),
                    None => date,
                }
            }
        };
        let start = self.time(&start)?;
        let end = self.text(columns.end).map(|text| self.time(&text)).transpose()?;
        let mut row = RawSample::quantity("", 0.0, "", start.unix_ms);
        row.end_ms = end.map_or(start.unix_ms, |end| end.unix_ms);
        row.utc_offset_min = Some(start.offset_min);
        let source = self.text(columns.source).or_else(|| self.file.options.source.clone());
        row.origin = Some(source.unwrap_or_else(|| "CSV".to_owned()));
        row.device = self.text(columns.device);
        for (column, metric, unit) in &columns.metrics {
            let Some(text) = self.text(Some(*column)) else { continue };
            let reading = Reading::Quantity { value: self.number(&text)?, unit: unit.clone() };
            take(RawSample { metric: metric.clone(), reading, ..row.clone() });
        }
        self.long_form(row, take)
    }

    /// A row that says what it measures.
    fn long_form(
        &self,
        row: RawSample,
        take: &mut dyn FnMut(RawSample),
    ) -> Result<(), &'static str> {
        let columns = &self.columns;
        let metric = self.text(columns.metric).or_else(|| self.file.options.metric.clone());
        let Some(metric) = metric else { return Ok(()) };
        let metric = by_words(&metric).map_or(metric, |known| known.name.to_owned());
        let reading = if let Some(text) = self.text(columns.value) {
            let unit = self.text(columns.unit).unwrap_or_default();
            Reading::Quantity { value: self.number(&text)?, unit }
        } else if let Some(word) = self.text(columns.category) {
            Reading::Category(word)
        } else {
            return Ok(());
        };
        take(RawSample { metric, reading, ..row });
        Ok(())
    }
}

fn from_csv(error: csv::Error) -> HealthError {
    match error.into_kind() {
        csv::ErrorKind::Io(error) => HealthError::from_io(error),
        _ => HealthError::NotRecognised,
    }
}
