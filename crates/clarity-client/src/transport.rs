//! How requests travel. An app with its own backend puts it behind [`Transport`].

use std::future::Future;
use std::pin::Pin;

use clarity_engine::protocol::{Failure, Hint, Tokens};
use clarity_engine::{Request, Response};

/// A future of a transport.
#[cfg(not(target_arch = "wasm32"))]
pub type TransportFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;
/// A future of a transport. In a browser nothing moves between threads.
#[cfg(target_arch = "wasm32")]
pub type TransportFuture<'a, T> = Pin<Box<dyn Future<Output = T> + 'a>>;

/// How a token refresh ended.
#[derive(Debug)]
pub enum Refreshed {
    /// There are new tokens.
    Tokens(Tokens),
    /// The refresh token was not accepted: a person must sign in.
    Refused,
    /// No answer, or none that says anything about the token.
    Failed(Failure),
}

/// How much travelled, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Traffic {
    /// Bytes of requests, as they went out.
    pub sent: u64,
    /// Bytes of answers, as they are unpacked.
    pub received: u64,
}

/// What carries requests to a server and answers back.
///
/// # Contract
/// * Each call ends, within a time that the implementation bounds, also when nothing answers.
/// * `Ok` only for an answer that the server itself gave: an operation leaves the queue when an
///   answer names it, so a made-up answer loses data. Whatever else happens is a [`Failure`] whose
///   class says what to do; see [`clarity_engine::protocol::classify`] for HTTP.
/// * The bytes of each operation in a push arrive as they are, and one operation id changes the
///   backend's state at most once: the same bytes may be sent again at any time, until they are
///   answered.
/// * No payload and no token goes into logs or errors.
///
/// ```
/// use clarity_client::{Failure, FailureClass, Refreshed, Request, Response};
/// use clarity_client::{Transport, TransportFuture};
///
/// /// A transport for a device that is never online.
/// struct Airplane;
///
/// impl Transport for Airplane {
///     fn send(
///         &self,
///         _request: Request,
///         _access_token: Option<String>,
///     ) -> TransportFuture<'_, Result<Response, Failure>> {
///         Box::pin(async { Err(Failure::new(FailureClass::Offline, "there is no network")) })
///     }
///
///     fn refresh(&self, _refresh_token: Option<String>) -> TransportFuture<'_, Refreshed> {
///         Box::pin(async { Refreshed::Refused })
///     }
/// }
/// ```
pub trait Transport: Send + Sync + 'static {
    /// Carries one request.
    fn send(
        &self,
        request: Request,
        access_token: Option<String>,
    ) -> TransportFuture<'_, Result<Response, Failure>>;

    /// Asks for new tokens. The driver calls it once for all requests that wait for them.
    fn refresh(&self, refresh_token: Option<String>) -> TransportFuture<'_, Refreshed>;

    /// Waits for hints that something changed and hands each over; returns when the stream ends.
    /// A transport without such a stream never returns.
    fn hints<'a>(
        &'a self,
        access_token: Option<String>,
        deliver: &'a (dyn Fn(Hint) + Send + Sync),
    ) -> TransportFuture<'a, Result<(), Failure>> {
        let _ = (access_token, deliver);
        Box::pin(std::future::pending())
    }

    /// How much travelled since the last call; zero where it is not counted.
    fn take_traffic(&self) -> Traffic {
        Traffic::default()
    }
}
