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
            Self::Storage(StorageError::Full) => {
                Problem::new(507, ProblemCode::ServerFailure, "The server has no space left")
                    .with_detail("nothing was changed; try again when the operator made room")
            }
            Self::Storage(StorageError::Busy) => {
                Problem::new(503, ProblemCode::ServerFailure, "The server is busy")
                    .with_detail("nothing was changed; try again")
            }
            Self::Storage(_) => {
                Problem::new(500, ProblemCode::ServerFailure, "The server's storage failed")
                    .with_detail("nothing was changed; try again")
            }
        }
    }
}
