//! What the tests share.

use std::io::Write;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use clarity_health::{AppleExport, HealthError, ReadReport, Sample};
use serde_json::Value;
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

/// A record with these attributes on top of the required ones.
pub(crate) fn record(more: &str) -> String {
    format!(
        "<Record type=\"HKQuantityTypeIdentifierHeartRate\" sourceName=\"Watch\" \
         unit=\"count/min\" startDate=\"2020-04-10 03:33:34 +0200\" \
         endDate=\"2020-04-10 03:33:34 +0200\" {more}/>\n"
    )
}

/// A whole document around some elements.
pub(crate) fn export(body: &str) -> String {
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<HealthData locale=\"en_US\">\n \
         <ExportDate value=\"2020-04-17 13:23:53 +0200\"/>\n{body}</HealthData>\n"
    )
}

/// Where the data of this crate is.
pub(crate) fn data(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("data").join(path)
}

/// Reads an opened export to its end.
pub(crate) fn read_all(export: &mut AppleExport) -> Result<(Vec<Sample>, ReadReport), HealthError> {
    let mut samples = Vec::new();
    let report = export.read(
        &mut |batch| {
            samples.extend(batch);
            ControlFlow::Continue(())
        },
        &mut |_| {},
    )?;
    Ok((samples, report))
}

/// Reads the export at a path.
pub(crate) fn read_path(path: &Path) -> Result<(Vec<Sample>, ReadReport), HealthError> {
    read_all(&mut AppleExport::open(path)?)
}

/// Reads a document as `export.xml`.
pub(crate) fn read_xml(xml: impl AsRef<[u8]>) -> (Vec<Sample>, ReadReport) {
    try_read_xml(xml).expect("the export can be read")
}

/// Reads a document as `export.xml`; it may be refused.
pub(crate) fn try_read_xml(
    xml: impl AsRef<[u8]>,
) -> Result<(Vec<Sample>, ReadReport), HealthError> {
    let mut file = tempfile::NamedTempFile::new().expect("a temporary file");
    file.write_all(xml.as_ref()).expect("the document is written");
    read_path(file.path())
}

/// Makes a zip of files with these names and contents.
pub(crate) fn zip_of(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut zip = ZipWriter::new(std::io::Cursor::new(Vec::new()));
    for (name, content) in files {
        zip.start_file(*name, SimpleFileOptions::default()).expect("a new file in the zip");
        zip.write_all(content).expect("its content");
    }
    zip.finish().expect("a whole zip").into_inner()
}

/// Reads a zip from its bytes.
pub(crate) fn read_zip(bytes: &[u8]) -> Result<(Vec<Sample>, ReadReport), HealthError> {
    try_read_xml(bytes)
}

/// The samples of one type.
pub(crate) fn of_type<'a>(samples: &'a [Sample], entity_type: &str) -> Vec<&'a Sample> {
    samples.iter().filter(|sample| sample.entity_type == entity_type).collect()
}

/// A field that has to be there.
pub(crate) fn field<'a>(sample: &'a Sample, name: &str) -> &'a Value {
    sample.fields.get(name).unwrap_or_else(|| panic!("the field {name}"))
}

/// The whole of a damaged or skipped list, for comparing.
pub(crate) fn damages(report: &ReadReport) -> Vec<(u64, &'static str)> {
    report.damaged.iter().map(|damage| (damage.byte_offset, damage.what)).collect()
}

/// Names and counts.
pub(crate) fn counts(counts: &clarity_health::Counts) -> Vec<(&str, u64)> {
    counts.iter().collect()
}
