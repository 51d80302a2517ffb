//! The server as a process: where it listens, where it keeps its data, how it stops.

use std::fs::{File, TryLockError};
use std::future::Future;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderValue, Request};
use clarity_model::Schema;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::sync::Semaphore;
use tower::ServiceExt;

use crate::auth::{Auth, AuthSettings};
use crate::core::Core;
use crate::environment::{Environment, SystemEnvironment};
use crate::http::{App, router};
use crate::storage::StorageError;
use crate::storage::sqlite::SqliteOptions;
use crate::web_app::WebApp;

/// The database's file in the data directory.
pub const DATABASE_FILE: &str = "server.db";
/// The file whose lock says that a server runs on the data directory.
const LOCK_FILE: &str = "server.lock";
/// Connections that are open at once; further ones wait to be accepted.
const CONNECTIONS_MAX: usize = 20_000;
/// How long a connection may take to send the head of a request.
const HEAD_TIME_MAX: Duration = Duration::from_secs(30);
/// How long a stop waits for requests that are being worked on.
const STOP_TIME_MAX: Duration = Duration::from_secs(20);
/// How long to wait when the system has no more files for connections.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Who makes the ids of entities that are created by REST.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum RestIds {
    /// The client, or the server when the client names none. A change that was made on an older
    /// version is answered 412.
    #[default]
    Client,
    /// Always the server, as most backends do. A change that was made on an older version is
    /// answered 409.
    Server,
}

/// How a server runs.
#[derive(Clone)]
pub struct Config {
    /// The address to listen on. Port 0 takes any free port.
    pub listen: SocketAddr,
    /// Where the database is; made when it does not exist.
    pub data_dir: PathBuf,
    /// The schema whose policies decide.
    pub schema: Arc<Schema>,
    /// How accounts are run.
    pub auth: AuthSettings,
    /// A proxy in front of it makes connections secure, so it may listen beyond this machine.
    pub behind_proxy: bool,
    /// Web apps of these origins may use the server, such as `https://pulse.example.org`.
    pub allow_origins: Vec<String>,
    /// A web app to serve besides the protocol.
    pub web_app: Option<WebApp>,
    /// The database was restored from a backup: start a new epoch.
    pub restored: bool,
    /// Keep the receipt of every operation for audits, also after its device has heard of it.
    pub keep_receipts: bool,
    /// Who makes the ids of entities that are created by REST.
    pub rest_ids: RestIds,
    /// Time and randomness.
    pub environment: Arc<dyn Environment>,
}

impl Config {
    /// A server on this machine only, with the usual settings.
    pub fn new(data_dir: impl Into<PathBuf>, schema: Arc<Schema>) -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 8787)),
            data_dir: data_dir.into(),
            schema,
            auth: AuthSettings::default(),
            behind_proxy: false,
            allow_origins: Vec::new(),
            web_app: None,
            restored: false,
            keep_receipts: false,
            rest_ids: RestIds::default(),
            environment: Arc::new(SystemEnvironment),
        }
    }
}

/// Why a server does not run.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServeError {
    /// It would be reachable from other machines without a secure connection.
    #[error(
        "{listen} can be reached from other machines, and the server itself does not encrypt; \
         listen on 127.0.0.1, or put a proxy with TLS in front and say --behind-proxy"
    )]
    Exposed {
        /// The address.
        listen: SocketAddr,
    },
    /// Somebody else listens there.
    #[error("port {} of {} is taken; stop the other program or choose another port",
            listen.port(), listen.ip())]
    AddressTaken {
        /// The address.
        listen: SocketAddr,
    },
    /// It cannot listen there.
    #[error("cannot listen on {listen}: {reason}")]
    Listen {
        /// The address.
        listen: SocketAddr,
        /// The system's words.
        reason: io::Error,
    },
    /// The data directory cannot be made or written.
    #[error("the data directory {} cannot be used: {reason}", path.display())]
    DataDirectory {
        /// The directory.
        path: PathBuf,
        /// The system's words.
        reason: io::Error,
    },
    /// Another server runs on the data directory.
    #[error("another server uses the data directory {}; stop it first", path.display())]
    DataDirectoryInUse {
        /// The directory.
        path: PathBuf,
    },
    /// An origin is not one.
    #[error("\"{0}\" is not an origin; write it like https://pulse.example.org")]
    Origin(String),
    /// The database cannot be opened.
    #[error("{}: {reason}", path.display())]
    Database {
        /// The database's file.
        path: PathBuf,
        /// Why not.
        reason: StorageError,
    },
}

/// Starts servers.
#[derive(Debug)]
pub struct Server;

impl Server {
    /// Opens the database and takes the address. Nothing is answered yet.
    ///
    /// # Errors
    /// When the address or the data directory cannot be used, in words for the operator.
    pub fn bind(config: Config) -> Result<Bound, ServeError> {
        let listen = config.listen;
        if !listen.ip().is_loopback() && !config.behind_proxy {
            return Err(ServeError::Exposed { listen });
        }
        let origins = config.allow_origins.iter().map(|origin| {
            let is_origin = origin.contains("://") && !origin.ends_with('/');
            let value = HeaderValue::from_str(origin).ok().filter(|_| is_origin);
            value.ok_or_else(|| ServeError::Origin(origin.clone()))
        });
        let origins: Vec<HeaderValue> = origins.collect::<Result<_, _>>()?;
        let lock = claim(&config.data_dir)?;
        let listener = take_address(listen)?;
        let path = config.data_dir.join(DATABASE_FILE);
        let options = SqliteOptions { restored: config.restored, ..SqliteOptions::new(&path) };
        let core = Core::open_sqlite(&options, config.schema, config.environment)
            .map_err(|reason| ServeError::Database { path, reason })?;
        let core = Arc::new(core.keeping_receipts(config.keep_receipts));
        let auth = Auth::new(Arc::clone(&core), config.auth);
        let app = Arc::new(App::new(core, auth, config.rest_ids));
        let router = router(&app, &origins, config.web_app);
        Ok(Bound { listener, app, router, _lock: lock })
    }
}

/// Makes the data directory and locks it; the lock goes with the process.
fn claim(directory: &Path) -> Result<File, ServeError> {
    let unusable = |reason| ServeError::DataDirectory { path: directory.to_owned(), reason };
    make_private(directory).map_err(unusable)?;
    let lock = File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(directory.join(LOCK_FILE))
        .map_err(unusable)?;
    match lock.try_lock() {
        Ok(()) => Ok(lock),
        Err(TryLockError::WouldBlock) => {
            Err(ServeError::DataDirectoryInUse { path: directory.to_owned() })
        }
        Err(TryLockError::Error(reason)) => Err(unusable(reason)),
    }
}

/// Makes a directory that only its owner can look into; one that exists is left as it is.
fn make_private(directory: &Path) -> io::Result<()> {
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(directory)
}

fn take_address(listen: SocketAddr) -> Result<TcpListener, ServeError> {
    let listener = TcpListener::bind(listen).and_then(|listener| {
        listener.set_nonblocking(true)?;
        Ok(listener)
    });
    listener.map_err(|reason| match reason.kind() {
        io::ErrorKind::AddrInUse => ServeError::AddressTaken { listen },
        _ => ServeError::Listen { listen, reason },
    })
}

/// A server that has its address and its database.
pub struct Bound {
    listener: TcpListener,
    app: Arc<App>,
    router: Router,
    _lock: File,
}

impl std::fmt::Debug for Bound {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Bound").field("listener", &self.listener).finish_non_exhaustive()
    }
}

impl Bound {
    /// The address that it listens on, with the port that was chosen.
    ///
    /// # Errors
    /// When the system does not tell.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// The server without its network.
    #[must_use]
    pub fn core(&self) -> &Arc<Core> {
        &self.app.core
    }

    /// Answers requests until `shutdown` is done, then finishes those that it works on, for at
    /// most 20 seconds. Needs a tokio runtime with its I/O and time drivers.
    ///
    /// # Errors
    /// When the listening socket cannot be used.
    pub async fn serve(self, shutdown: impl Future<Output = ()>) -> io::Result<()> {
        let Self { listener, app, router, _lock } = self;
        let listener = tokio::net::TcpListener::from_std(listener)?;
        let graceful = GracefulShutdown::new();
        let connections = Arc::new(Semaphore::new(CONNECTIONS_MAX));
        let mut shutdown = std::pin::pin!(shutdown);
        loop {
            let accepting = accept(&listener, &connections);
            let (stream, permit) = tokio::select! {
                accepted = accepting => accepted,
                () = &mut shutdown => break,
            };
            let service =
                router.clone().map_request(|request: Request<Incoming>| request.map(Body::new));
            let connection = http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(HEAD_TIME_MAX)
                .serve_connection(TokioIo::new(stream), TowerToHyperService::new(service));
            let connection = graceful.watch(connection);
            tokio::spawn(async move {
                // A connection that breaks is the other side's affair; it will come back.
                let _ = connection.await;
                drop(permit);
            });
        }
        drop(listener);
        app.hub.close();
        if tokio::time::timeout(STOP_TIME_MAX, graceful.shutdown()).await.is_err() {
            tracing::warn!("stopped with requests that were not finished");
        }
        Ok(())
    }
}

/// Waits for the next connection, and for room to serve it.
async fn accept(
    listener: &tokio::net::TcpListener,
    connections: &Arc<Semaphore>,
) -> (tokio::net::TcpStream, Option<tokio::sync::OwnedSemaphorePermit>) {
    let permit = Arc::clone(connections).acquire_owned().await.ok();
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                // Answers are written whole; waiting to fill a packet would only delay them.
                let _ = stream.set_nodelay(true);
                return (stream, permit);
            }
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}
