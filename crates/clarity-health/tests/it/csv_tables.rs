//! Tables: their forms, their traps, and electrocardiograms.

use clarity_health::{CsvOptions, DateOrder, HealthError, ReadReport, Sample};
use serde_json::{Value, json};

use crate::fhir::read;
use crate::support::counts;

fn try_table(
    bytes: impl AsRef<[u8]>,
    options: &CsvOptions,
) -> Result<(Vec<Sample>, ReadReport), HealthError> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("table.csv");
    std::fs::write(&path, bytes).unwrap();
    read(&path, options).map(|(batch, report)| (batch.samples, report))
}

fn table(text: &str) -> (Vec<Sample>, ReadReport) {
    try_table(text, &berlin()).unwrap()
}

fn berlin() -> CsvOptions {
    CsvOptions { zone: Some("Europe/Berlin".to_owned()), ..CsvOptions::default() }
}

fn values(samples: &[Sample]) -> Vec<Value> {
    let of = |sample: &Sample, name: &str| sample.fields.get(name).cloned().unwrap_or_default();
    samples
        .iter()
        .map(|sample| json!([of(sample, "metric"), of(sample, "value"), of(sample, "unit")]))
        .collect()
}

/// Shows both forms, quoted fields with marks and line ends, and the mark of UTF-8.
#[test]
fn both_forms() {
    let long = "\u{feff}start,end,metric,value,unit,source,Remark\r\n\
        2020-04-10T03:33:34+02:00,,heart rate,72,bpm,\"Watch, \"\"mine\"\"\",\"a\nb\"\r\n\
        2020-04-10T03:33:34+02:00,2020-04-10T04:33:34+02:00,StepCount,120,,Phone,\r\n";
    let (samples, report) = table(long);
    let expected = [json!(["HeartRate", 72, "count/min"]), json!(["StepCount", 120, "count"])];
    assert_eq!(values(&samples), expected);
    assert_eq!(samples[0].fields.get("source").unwrap(), "Watch, \"mine\"");
    assert_eq!(samples[1].fields.get("end_ms").unwrap(), 1_586_486_014_000_i64);
    assert_eq!(counts(&report.skipped), [("column that means nothing here", 1)]);
    let wide = "Date;Time;Weight (kg);SpO2 [%];Heart rate\n\
        10.04.2020;07:05;70,5;97;61\n11.04.2020;07:06;;;62\n12.04.2020;07:06;;;\n";
    let (samples, report) = table(wide);
    let expected = [
        json!(["BodyMass", 70.5, "kg"]),
        json!(["OxygenSaturation", 0.97, "1"]),
        json!(["HeartRate", 61, "count/min"]),
        json!(["HeartRate", 62, "count/min"]),
    ];
    assert_eq!(values(&samples), expected);
    assert_eq!(samples[0].fields.get("start_ms").unwrap(), 1_586_495_100_000_i64);
    assert_eq!(samples[0].fields.get("utc_offset_min").unwrap(), 120);
    assert_eq!(counts(&report.skipped), [("row without a value", 1)]);
}

/// Shows that headings of any language are mapped, with a metric and a unit.
#[test]
fn mapped_headings() {
    let text = "Zeitpunkt\tGewicht\tPuls\n2020-04-10 07:05\t70,5\t61\n";
    let pair = |heading: &str, role: &str| (heading.to_owned(), role.to_owned());
    let columns =
        vec![pair("Zeitpunkt", "start"), pair("Gewicht", "weight:lb"), pair("Puls", "ignore")];
    let options = CsvOptions { columns, ..berlin() };
    let (samples, _) = try_table(text, &options).unwrap();
    assert_eq!(values(&samples), [json!(["BodyMass", 31.978262085, "kg"])]);
    assert_eq!(samples[0].fields.get("original_value").unwrap(), "70.5");
    let columns = vec![pair("Nothing", "start")];
    let wrong = try_table(text, &CsvOptions { columns, ..berlin() });
    assert!(matches!(wrong, Err(HealthError::CsvMapping(_))));
}

/// Shows that what cannot be understood is refused with what to say, before anything is imported.
#[test]
fn refusals_say_what_to_say() {
    let none = CsvOptions::default();
    let refused = |text: &str, options: &CsvOptions| {
        try_table(text, options).map(|(samples, _)| samples.len()).unwrap_err().to_string()
    };
    assert!(refused("date,weight\n2020-04-10 07:05,70\n", &none).contains("--zone"));
    assert!(refused("date,weight\n03/04/2020 07:05,70\n", &berlin()).contains("day-first"));
    assert!(refused("when,weight\n1,2\n", &none).contains("=start"));
    assert!(refused("date,colour\n1,2\n", &none).contains("BodyMass:kg"));
    assert!(refused("nothing at all\n", &none).contains("FHIR"));
    let zone = CsvOptions { zone: Some("Mars".to_owned()), ..CsvOptions::default() };
    assert!(refused("date,weight\n2020-04-10,70\n", &zone).contains("Mars"));
    let utf16: Vec<u8> = "date,weight\n".encode_utf16().flat_map(u16::to_le_bytes).collect();
    assert!(matches!(try_table(utf16, &none), Err(HealthError::Utf16)));
    assert!(matches!(try_table(b"", &none), Err(HealthError::Empty)));
    let order = CsvOptions { date_order: Some(DateOrder::MonthFirst), ..berlin() };
    assert_eq!(try_table("date,weight\n03/04/2020 07:05,70\n", &order).unwrap().0.len(), 1);
}

/// Shows that a bad row is damage with its place, and the others come in.
#[test]
fn bad_rows_are_damage() {
    let text = "date,weight,height\n2020-04-10,70,\nyesterday,71,\n2020-04-11,heavy,\n\
        2020-04-12,\"1,234\",\n2020-04-13,72\n2020-04-14,1e999,\n";
    let (samples, report) = table(text);
    assert_eq!(values(&samples).len(), 2);
    assert_eq!((report.damaged_total, report.complete), (4, true), "{report}");
    let first = &report.damaged[0];
    assert_eq!(&text[first.byte_offset as usize..][..9], "yesterday");
    let mut latin = b"date,weight,source\n2020-04-10,70,M\xfcller\n".to_vec();
    let (samples, report) = try_table(&latin, &berlin()).unwrap();
    assert_eq!((samples.len(), report.repaired.total()), (1, 1));
    // A quote that is never closed swallows the rest: the rows before it are there.
    latin.extend_from_slice(b"2020-04-11,71,\"open");
    latin.extend(std::iter::repeat_n(b'x', 3_000_000));
    let (samples, report) = try_table(&latin, &berlin()).unwrap();
    assert_eq!((samples.len(), report.damaged_total, report.complete), (1, 1, false));
}

/// Shows that importing a table again gives the same ids, and that the value is not part of them.
#[test]
fn ids_are_stable() {
    let one = table("date,weight\n2020-04-10,70\n").0;
    let corrected = table("date;weight\n2020-04-10;70,2\n").0;
    assert_eq!(one[0].id, corrected[0].id);
    assert_ne!(one[0].sibling_id, corrected[0].sibling_id);
}

fn ecg(voltages: &str) -> String {
    format!(
        "Name,Erika Mustermann\nGeburtsdatum,\"1. Januar 1980\"\n\
         Aufgezeichnet am,2020-01-02 08:24:00 +0100\nKlassifizierung,Sinusrhythmus\n\
         Symptome,\nSoftwareversion,1.90\nGerät,\"Watch4,4\"\nMessrate,512 Hertz\n\n\n\
         Ableitung,Ableitung I\nEinheit,µV\n\n{voltages}"
    )
}

/// Shows that an electrocardiogram is recognised in any language, with decimal commas, and that the
/// name and the date of birth are gone.
#[test]
fn electrocardiograms() {
    let (samples, report) = try_table(ecg("-265,868\n12,5\n7\n"), &CsvOptions::default()).unwrap();
    assert_eq!((samples.len(), report.damaged_total), (1, 0), "{report}");
    let fields = &samples[0].fields;
    assert_eq!(fields.get("voltages").unwrap(), &json!([-265.868, 12.5, 7]));
    assert_eq!(fields.get("sample_rate_hz").unwrap(), 512);
    assert_eq!(fields.get("unit").unwrap(), "µV");
    let text = fields.to_canonical_json();
    assert!(!text.contains("Erika") && !text.contains("1980"), "{text}");
    let broken = try_table(ecg("-265,868\nabc\n"), &CsvOptions::default()).unwrap();
    assert_eq!((broken.0.len(), broken.1.damaged_total), (1, 1));
}
