//! CLARITY Pulse inside the program: one file to copy, and a person opens its address.

use clarity_server::{WebApp, WebAppError};

/// The app, if this program was built with it (feature `pulse`).
///
/// # Errors
/// When what was built in has no page.
#[cfg(feature = "pulse")]
pub(crate) fn inside() -> Result<Option<WebApp>, WebAppError> {
    use rust_embed::RustEmbed;

    #[derive(RustEmbed)]
    #[folder = "../../apps/pulse/dist"]
    struct Files;

    let files = Files::iter().filter_map(|path| {
        let file = Files::get(&path)?;
        Some((path.into_owned(), file.data))
    });
    WebApp::of(files, "this program").map(Some)
}

/// This program was built without the app.
#[cfg(not(feature = "pulse"))]
pub(crate) fn inside() -> Result<Option<WebApp>, WebAppError> {
    Ok(None)
}
