//! What is read: a file on a disk, or bytes that somebody else gives.

use std::fs::File;
use std::io::{self, Read, Seek};
use std::path::Path;
use std::sync::Arc;

use crate::error::HealthError;
use crate::limits::PROLOGUE_BYTES_MAX;

/// Bytes that can be read from any place.
pub trait ReadSeek: Read + Seek + Send {}
impl<T: Read + Seek + Send> ReadSeek for T {}

type Open = dyn Fn() -> io::Result<Box<dyn ReadSeek>> + Send + Sync;

/// A file that can be opened again and again, wherever its bytes are. `Debug` hides which.
#[derive(Clone)]
pub struct Input {
    bytes: u64,
    open: Arc<Open>,
}

impl std::fmt::Debug for Input {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Input").field("bytes", &self.bytes).finish_non_exhaustive()
    }
}

impl Input {
    /// A file of so many bytes. Each call of `open` gives a reader of its own, at the first byte.
    pub fn new(
        bytes: u64,
        open: impl Fn() -> io::Result<Box<dyn ReadSeek>> + Send + Sync + 'static,
    ) -> Self {
        Self { bytes, open: Arc::new(open) }
    }

    /// A file on a disk, of a size that is known already.
    pub(crate) fn on_disk(path: &Path, bytes: u64) -> Self {
        let path = path.to_owned();
        Self::new(bytes, move || Ok(Box::new(File::open(&path)?)))
    }

    /// A file on a disk.
    pub(crate) fn at(path: &Path) -> Result<Self, HealthError> {
        let bytes = std::fs::metadata(path).map_err(HealthError::Read)?.len();
        Ok(Self::on_disk(path, bytes))
    }

    /// Its size.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    pub(crate) fn open(&self) -> Result<Box<dyn ReadSeek>, HealthError> {
        (self.open)().map_err(HealthError::Read)
    }

    /// The first bytes, by which a format is recognised.
    pub(crate) fn head(&self) -> Result<Vec<u8>, HealthError> {
        let mut head = Vec::new();
        let start = self.open()?.take(PROLOGUE_BYTES_MAX as u64).read_to_end(&mut head);
        start.map_err(HealthError::Read)?;
        Ok(head)
    }
}
