//! What stands before the records, whole and broken in the ways that two releases broke it.

use super::Prologue;

const HEAD: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE HealthData [
<!-- HealthKit Export Version: "#;

const BODY: &str = r#" -->
<!ELEMENT HealthData (ExportDate,Me,(Record|Correlation|Workout|ActivitySummary|
  ClinicalRecord|Audiogram|VisionPrescription)*)>
<!ATTLIST HealthData locale CDATA #REQUIRED>
<!ELEMENT ExportDate EMPTY>
<!ATTLIST ExportDate value CDATA #REQUIRED>
<!ELEMENT Me EMPTY>
<!ELEMENT Record ((MetadataEntry|HeartRateVariabilityMetadataList)*)>
<!ATTLIST Record type CDATA #REQUIRED unit CDATA #IMPLIED value CDATA #IMPLIED>
<!ELEMENT Correlation ((MetadataEntry|Record)*)>
<!ELEMENT Workout ((MetadataEntry|WorkoutEvent|WorkoutRoute|WorkoutStatistics)*)>
<!ELEMENT ActivitySummary EMPTY>
<!ELEMENT MetadataEntry EMPTY>
<!ATTLIST MetadataEntry key CDATA #REQUIRED value CDATA #REQUIRED>
"#;

const VISION: &str = "<!ELEMENT VisionPrescription (MetadataEntry*)>\n\
                      <!ATTLIST VisionPrescription type CDATA #REQUIRED";

/// The text of a prologue.
pub(super) fn text(prologue: Prologue) -> String {
    let (version, vision_end, end) = match prologue {
        Prologue::Absent => return String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"),
        Prologue::Version14 => ("14", ">\n", "]>\n"),
        // The attribute list is never closed, and a stray block follows.
        Prologue::Version12Unclosed => {
            ("12", "\n", "device CDATA #IMPLIED\n<!ELEMENT MetadataEntry EMPTY>\n> >\n]>\n")
        }
        Prologue::Version13Short => ("13", ">\n", "]\n"),
        Prologue::Version13Long => ("13", ">\n", "]>>\n"),
    };
    format!("{HEAD}{version}{BODY}{VISION}{vision_end}{end}")
}
