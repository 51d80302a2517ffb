//! Why a request as a whole was not carried out.

use clarity_protocol::{Problem, ProblemCode};

use crate::environment::EntropyError;
use crate::storage::StorageError;

/// Why a request as a whole was not carried out. Nothing of it was kept.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RequestError {
    /// The cursor or the epoch belongs to another history than this database's.
    #[error("the cursor or the epoch is not of this database; read everything again")]
    CursorRefused,
    /// The request is larger than a limit.
    #[error("{0}")]
    TooLarge(&'static str),
    /// The request contradicts itself or asks for what there is not.
    #[error("{0}")]
    BadRequest(&'static str),
    /// The device's schema lacks steps that the server's has taken.
    #[error(
        "this app has version {device} of the schema, and the server has version {server}, which \
         this app would misread: update the app; what was written in it is kept and sent then"
    )]
    OlderSchema {
        /// The device's version.
        device: u32,
        /// The server's version.
        server: u32,
    },
    /// The server's schema lacks steps that the device's has taken.
    #[error(
        "this app has version {device} of the schema, and the server only has version {server}: \
         whoever runs the server loads the newer schema; what was written in the app is kept and \
         sent then"
    )]
    NewerSchema {
        /// The device's version.
        device: u32,
        /// The server's version.
        server: u32,
    },
    /// The storage failed.
    #[error(transparent)]
    Storage(#[from] StorageError),
}

impl From<EntropyError> for RequestError {
    fn from(error: EntropyError) -> Self {
        Self::Storage(StorageError::Entropy(error))
    }
}

impl RequestError {
    /// The error as devices are told of it. What failed inside the server stays inside.
    #[must_use]
    pub fn problem(&self) -> Problem {
        match self {
            Self::CursorRefused => {
                Problem::new(410, ProblemCode::CursorRefused, "This history is not known here")
                    .with_detail("the server was restored or reset: read everything again")
            }
            Self::TooLarge(words) => {
                Problem::new(413, ProblemCode::TooLarge, "The request is too large")
                    .with_detail(*words)
            }
            Self::BadRequest(words) => {
                Problem::new(400, ProblemCode::BadRequest, "The request cannot be carried out")
                    .with_detail(*words)
            }
            Self::OlderSchema { .. } => Problem::new(
                426,
                ProblemCode::UpgradeRequired,
                "This app is too old for the server",
            )
            .with_detail(self.to_string()),
            Self::NewerSchema { .. } => Problem::new(
                426,
                ProblemCode::UpgradeRequired,
                "The server is too old for this app",
            )
            .with_detail(self.to_string()),
            Self::Storage(error) => storage_problem(error),
        }
    }
}

/// A failure of the storage as devices are told of it.
pub(crate) fn storage_problem(error: &StorageError) -> Problem {
    let (status, title, detail) = match error {
        StorageError::Full => (
            507,
            "The server has no space left",
            "nothing was changed; try again when the operator made room",
        ),
        StorageError::Busy => (503, "The server is busy", "nothing was changed; try again"),
        _ => (500, "The server's storage failed", "nothing was changed; try again"),
    };
    Problem::new(status, ProblemCode::ServerFailure, title).with_detail(detail)
}
