//! The files of a web app, as the server holds and serves them.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use axum::body::Bytes;

/// What a web app shows for its own paths.
const PAGE: &str = "index.html";
/// Where a file has been written a second time, made smaller for the way.
const ENCODINGS: [Encoding; 2] =
    [Encoding { name: "br", ending: ".br" }, Encoding { name: "gzip", ending: ".gz" }];
/// How deep folders may lie in folders.
const DEPTH_MAX: usize = 16;

/// The files of a web app, read whole before any is served: what replaces them on the disk while
/// the server runs never meets half of what was there before.
#[derive(Debug, Clone)]
pub struct WebApp {
    files: BTreeMap<String, File>,
}

/// Why there is no web app.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WebAppError {
    /// A web app has a page.
    #[error("there is no {PAGE} in {from}; build the app first")]
    NoPage {
        /// Where it was looked for.
        from: String,
    },
    /// A file or folder cannot be read.
    #[error("{} cannot be read: {reason}", path.display())]
    Unreadable {
        /// The file or folder.
        path: PathBuf,
        /// The system's words.
        reason: io::Error,
    },
    /// Folders lie in folders without end.
    #[error("{} lies more than {DEPTH_MAX} folders deep; an app has no such files", path.display())]
    TooDeep {
        /// The folder.
        path: PathBuf,
    },
}

/// One way in which a file travels.
#[derive(Debug)]
struct Encoding {
    /// As HTTP names it.
    name: &'static str,
    /// What the names of such files end with.
    ending: &'static str,
}

/// One file with its smaller forms.
#[derive(Debug, Clone)]
pub(crate) struct File {
    plain: Form,
    smaller: Vec<(&'static str, Form)>,
    /// What is in it, as HTTP names it.
    pub(crate) content_type: String,
}

/// A file as it travels.
#[derive(Debug, Clone)]
pub(crate) struct Form {
    pub(crate) bytes: Bytes,
    /// Names these bytes and no others, in the quotes of HTTP.
    pub(crate) etag: String,
}

impl WebApp {
    /// Reads all files of a folder and of the folders in it. A file beside one of the same name
    /// with `.br` or `.gz` behind it is served in that form to who takes it.
    ///
    /// # Errors
    /// When there is no `index.html`, or something cannot be read.
    pub fn read(folder: &Path) -> Result<Self, WebAppError> {
        let mut found = Vec::new();
        read_into(&mut found, folder, "", 0)?;
        let from = folder.display().to_string();
        Self::of(found.into_iter().map(|(path, bytes)| (path, bytes.into())), &from)
    }

    /// The app that these files are: each with its path, folders divided by `/`. `from` says where
    /// they are from, for the words of errors.
    ///
    /// # Errors
    /// When there is no `index.html`.
    pub fn of(
        files: impl IntoIterator<Item = (String, Cow<'static, [u8]>)>,
        from: &str,
    ) -> Result<Self, WebAppError> {
        let mut forms: BTreeMap<String, Form> = BTreeMap::new();
        for (path, bytes) in files {
            let bytes = match bytes {
                Cow::Borrowed(bytes) => Bytes::from_static(bytes),
                Cow::Owned(bytes) => Bytes::from(bytes),
            };
            let etag = format!("\"{}\"", &blake3::hash(&bytes).to_hex()[..32]);
            forms.insert(path, Form { bytes, etag });
        }
        let is_smaller = |path: &str| {
            let plain = |encoding: &Encoding| path.strip_suffix(encoding.ending);
            ENCODINGS.iter().filter_map(plain).any(|plain| forms.contains_key(plain))
        };
        let plain = forms.iter().filter(|(path, _)| !is_smaller(path));
        let files = plain.map(|(path, plain)| {
            let smaller = ENCODINGS.iter().filter_map(|encoding| {
                let form = forms.get(&format!("{path}{}", encoding.ending))?;
                Some((encoding.name, form.clone()))
            });
            let kind = mime_guess::from_path(path).first_or_octet_stream();
            let content_type = match kind.type_() {
                mime_guess::mime::TEXT => format!("{kind}; charset=utf-8"),
                _ => kind.to_string(),
            };
            let file = File { plain: plain.clone(), smaller: smaller.collect(), content_type };
            (path.clone(), file)
        });
        let files: BTreeMap<String, File> = files.collect();
        match files.contains_key(PAGE) {
            true => Ok(Self { files }),
            false => Err(WebAppError::NoPage { from: from.to_owned() }),
        }
    }

    /// The file at a path of an address, and whether it is the page. A path that names no file is
    /// a screen of the app, which its page shows; one that looks like a file and is none is not
    /// there.
    pub(crate) fn at(&self, path: &str) -> Option<(&File, bool)> {
        let path = path.trim_start_matches('/');
        if let Some(file) = self.files.get(path) {
            return Some((file, path == PAGE));
        }
        let last = path.rsplit('/').next().unwrap_or_default();
        let is_screen = !last.contains('.');
        self.files.get(PAGE).filter(|_| is_screen).map(|page| (page, true))
    }
}

impl File {
    /// The form in which the file travels to who accepts these encodings (`Accept-Encoding` of
    /// RFC 9110, 12.5.3), and what that form is called unless it is the plain one.
    pub(crate) fn for_who_accepts(&self, accepted: &str) -> (&Form, Option<&'static str>) {
        let accepts = |name: &str| {
            accepted.split(',').any(|one| {
                let mut parts = one.split(';').map(str::trim);
                let is_named = parts.next().is_some_and(|one| one.eq_ignore_ascii_case(name));
                let weight = parts.find_map(|part| part.strip_prefix("q=")?.parse::<f32>().ok());
                is_named && weight.unwrap_or(1.0) > 0.0
            })
        };
        let smaller = self.smaller.iter().find(|(name, _)| accepts(name));
        smaller.map_or((&self.plain, None), |(name, form)| (form, Some(*name)))
    }

    /// Whether there is a choice of forms.
    pub(crate) fn has_smaller_forms(&self) -> bool {
        !self.smaller.is_empty()
    }
}

/// Reads the files of a folder, each with the path that it has there.
fn read_into(
    found: &mut Vec<(String, Vec<u8>)>,
    folder: &Path,
    inside: &str,
    depth: usize,
) -> Result<(), WebAppError> {
    if depth > DEPTH_MAX {
        return Err(WebAppError::TooDeep { path: folder.to_owned() });
    }
    let unreadable = |path: &Path| {
        let path = path.to_owned();
        |reason| WebAppError::Unreadable { path, reason }
    };
    for entry in fs::read_dir(folder).map_err(unreadable(folder))? {
        let path = entry.map_err(unreadable(folder))?.path();
        let Some(name) = path.file_name().and_then(|name| name.to_str()) else { continue };
        let inside = format!("{inside}{name}");
        if path.is_dir() {
            read_into(found, &path, &format!("{inside}/"), depth + 1)?;
        } else {
            let bytes = fs::read(&path).map_err(unreadable(&path))?;
            found.push((inside, bytes));
        }
    }
    Ok(())
}
