//! Exit codes, and errors in one sentence.

use std::fmt;
use std::io;
use std::process::ExitCode;

use clarity_client::engine::store::StoreError;
use clarity_client::{ClientError, ErrorKind, FailureClass, KeyError};
use clarity_server::{DumpError, ServeError, StorageError};

/// The exit codes, as the help shows them.
pub(crate) const EXIT_CODES: &str = "\
Exit codes:
   0  done
   1  a check failed, or something unexpected happened
   2  the command cannot be understood or asks for what is not allowed
   3  there is no such thing, or it cannot be done in the present state
   4  a person must sign in (again), or the name or password is wrong
   5  the server cannot be reached or does not answer as it should; what waits is kept
   6  the store or database is damaged, foreign, of a newer version, or cannot be used
   7  the disk is full; nothing that was acknowledged is lost
   8  the import cannot be read
   9  conflicts or failed changes wait for a person (for `sync --strict` and `recover`)
  10  the server cannot listen where it was told to
  11  the key of an encrypted store is missing or is another one; nothing was changed

An error is one sentence on stderr, with --json also an object on stdout:
  {\"error\":{\"kind\":\"...\",\"message\":\"...\"}}

Environment:
  CLARITY_STORE            folder of the device's store, where --store is not given
  CLARITY_KEY              key of an encrypted store: 64 hexadecimal digits
  CLARITY_KEY_FILE         file with that key, where --key-file is not given
  CLARITY_LOG              level of the log on stderr, where --log is not given
  CLARITY_PASSWORD         password for sign-up and login
  CLARITY_STORE_BYTES_MAX  most bytes that the device's store may take";

/// How the program ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ExitKind {
    Done,
    Unexpected,
    Usage,
    State,
    SignIn,
    Unreachable,
    Store,
    DiskFull,
    Import,
    Attention,
    Listen,
    Key,
}

impl ExitKind {
    fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Unexpected => 1,
            Self::Usage => 2,
            Self::State => 3,
            Self::SignIn => 4,
            Self::Unreachable => 5,
            Self::Store => 6,
            Self::DiskFull => 7,
            Self::Import => 8,
            Self::Attention => 9,
            Self::Listen => 10,
            Self::Key => 11,
        }
    }

    /// The kind for programs.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Unexpected => "unexpected",
            Self::Usage => "usage",
            Self::State => "state",
            Self::SignIn => "sign_in",
            Self::Unreachable => "unreachable",
            Self::Store => "store",
            Self::DiskFull => "disk_full",
            Self::Import => "import",
            Self::Attention => "attention",
            Self::Listen => "listen",
            Self::Key => "key",
        }
    }
}

impl From<ExitKind> for ExitCode {
    fn from(kind: ExitKind) -> Self {
        Self::from(kind.code())
    }
}

/// Why a command failed: one sentence, without any health value.
#[derive(Debug)]
pub(crate) struct CliError {
    pub(crate) kind: ExitKind,
    message: String,
    broken_pipe: bool,
}

/// What a command gives.
pub(crate) type CliResult<T = ExitKind> = Result<T, CliError>;

impl CliError {
    pub(crate) fn new(kind: ExitKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), broken_pipe: false }
    }

    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self::new(ExitKind::Usage, message)
    }

    pub(crate) fn state(message: impl Into<String>) -> Self {
        Self::new(ExitKind::State, message)
    }

    pub(crate) fn unexpected(message: impl Into<String>) -> Self {
        Self::new(ExitKind::Unexpected, message)
    }

    /// A file that could not be read or written.
    pub(crate) fn file(path: &std::path::Path, error: &io::Error) -> Self {
        let path = path.display();
        match error.kind() {
            io::ErrorKind::NotFound => {
                Self::state(format!("{path}: there is no such file or folder"))
            }
            io::ErrorKind::InvalidData => Self::usage(format!("{path}: this is not a text file")),
            _ => Self::new(of_io(error), format!("{path}: {error}")),
        }
    }

    /// Whether whoever read our output went away, which is no error of ours.
    pub(crate) fn is_broken_pipe(&self) -> bool {
        self.broken_pipe
    }
}

impl fmt::Display for CliError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.message)
    }
}

fn of_io(error: &io::Error) -> ExitKind {
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => ExitKind::DiskFull,
        io::ErrorKind::NotFound => ExitKind::State,
        _ => ExitKind::Unexpected,
    }
}

impl From<io::Error> for CliError {
    fn from(error: io::Error) -> Self {
        let broken_pipe = error.kind() == io::ErrorKind::BrokenPipe;
        Self { kind: of_io(&error), message: error.to_string(), broken_pipe }
    }
}

impl From<serde_json::Error> for CliError {
    fn from(error: serde_json::Error) -> Self {
        match error.io_error_kind() {
            Some(kind) => io::Error::from(kind).into(),
            // Words of the parser may quote what it read.
            None => Self::unexpected("something could not be written or read as JSON"),
        }
    }
}

impl From<ClientError> for CliError {
    fn from(error: ClientError) -> Self {
        let kind = match error.kind() {
            ErrorKind::Invalid => ExitKind::Usage,
            ErrorKind::NotFound | ErrorKind::State | ErrorKind::Busy => ExitKind::State,
            ErrorKind::AuthRequired | ErrorKind::WrongCredentials => ExitKind::SignIn,
            ErrorKind::Unreachable => of_server(&error),
            ErrorKind::StorageFull => ExitKind::DiskFull,
            ErrorKind::Store | ErrorKind::Damaged => ExitKind::Store,
            ErrorKind::Import => ExitKind::Import,
            ErrorKind::Key => ExitKind::Key,
            _ => ExitKind::Unexpected,
        };
        let advice = match &error {
            ClientError::Key(KeyError::NotGiven) | ClientError::Store(StoreError::KeyRequired) => {
                ": --key-file FILE or CLARITY_KEY"
            }
            _ if error.kind() == ErrorKind::Damaged => ": `clarity device recover`",
            _ => "",
        };
        Self::new(kind, format!("{error}{advice}"))
    }
}

/// A server that answers and refuses is not one that cannot be reached.
fn of_server(error: &ClientError) -> ExitKind {
    let ClientError::Server(failure) = error else { return ExitKind::Unreachable };
    match failure.class {
        FailureClass::Auth | FailureClass::AccessRemoved => ExitKind::SignIn,
        FailureClass::BadRequest | FailureClass::TooLarge => ExitKind::Usage,
        _ => ExitKind::Unreachable,
    }
}

impl From<StorageError> for CliError {
    fn from(error: StorageError) -> Self {
        let kind = match error {
            StorageError::Full => ExitKind::DiskFull,
            StorageError::Busy => ExitKind::State,
            _ => ExitKind::Store,
        };
        Self::new(kind, error.to_string())
    }
}

impl From<ServeError> for CliError {
    fn from(error: ServeError) -> Self {
        let message = error.to_string();
        let kind = match &error {
            ServeError::Exposed { .. }
            | ServeError::AddressTaken { .. }
            | ServeError::Listen { .. } => ExitKind::Listen,
            ServeError::DataDirectoryInUse { .. } => ExitKind::State,
            ServeError::DataDirectory { reason, .. } => match of_io(reason) {
                ExitKind::DiskFull => ExitKind::DiskFull,
                _ => ExitKind::Store,
            },
            ServeError::Origin(_) => ExitKind::Usage,
            ServeError::Database { reason: StorageError::Full, .. } => ExitKind::DiskFull,
            ServeError::Database { .. } => ExitKind::Store,
            _ => ExitKind::Unexpected,
        };
        Self::new(kind, message)
    }
}

impl From<DumpError> for CliError {
    fn from(error: DumpError) -> Self {
        match error {
            DumpError::Storage(error) => error.into(),
            DumpError::Write(error) => error.into(),
            other => Self::unexpected(other.to_string()),
        }
    }
}
