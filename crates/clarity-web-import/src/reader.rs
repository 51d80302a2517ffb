//! What JavaScript sees of the reading.

use std::cell::RefCell;
use std::ops::ControlFlow;

use clarity_health::{CsvOptions, HealthFile};
use js_sys::Function;
use wasm_bindgen::prelude::wasm_bindgen;
use wasm_bindgen::{JsError, JsValue};
use web_sys::{Blob, FileReaderSync};

use crate::part::{ReadSummary, write_of};
use crate::slices;

/// Reads a file to its end. `take` gets each part as the JSON of a write, `progress` is told in
/// JSON how far it is; the answer is the JSON of a [`ReadSummary`].
///
/// # Errors
/// An error in words when the file cannot be read at all; what `take` throws, if it does.
#[wasm_bindgen]
pub fn read_file(file: Blob, take: &Function, progress: &Function) -> Result<String, JsValue> {
    let input = slices::input(file, FileReaderSync::new()?);
    let mut file = HealthFile::from_input(input, &CsvOptions::default()).map_err(in_words)?;
    let (import, source) = (file.import_id(), file.source_id());
    let thrown = RefCell::new(None);
    let report = file.read(
        &mut |batch| {
            let write = write_of(import.as_str(), source, &batch);
            match take.call1(&JsValue::NULL, &write.into()) {
                Ok(_) => ControlFlow::Continue(()),
                Err(error) => {
                    thrown.replace(Some(error));
                    ControlFlow::Break(())
                }
            }
        },
        &mut |now| {
            let now = serde_json::to_string(&now).unwrap_or_default();
            if let Err(error) = progress.call1(&JsValue::NULL, &now.into()) {
                thrown.replace(Some(error));
            }
        },
    );
    if let Some(error) = thrown.into_inner() {
        return Err(error);
    }
    let summary = ReadSummary::from(&report.map_err(in_words)?);
    Ok(serde_json::to_string(&summary).unwrap_or_default())
}

fn in_words(error: clarity_health::HealthError) -> JsValue {
    JsError::new(&error.to_string()).into()
}
