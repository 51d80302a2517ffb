//! A network between real processes that fails as it is told: an HTTP proxy with a link for each
//! device.
//!
//! A partition keeps what is under way, as a real network does whose ends send again, or breaks the
//! connection; it can be of one way, or of both. The other faults are drawn from a seed for each
//! request: lost requests, lost answers, requests that arrive twice, delays, refusals, answers that
//! break off, and answers that trickle.
//!
//! The tour of the program `clarity` has a smaller network of its own, because it ships with the
//! product and this does not.

mod carry;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio::sync::watch;

use crate::simulation::dice::Dice;

/// What one way of a link does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Way {
    /// It carries.
    #[default]
    Open,
    /// It keeps what is sent and carries it when it is open again.
    Held,
    /// It breaks the connection.
    Broken,
}

/// How often each fault of a request happens, in a thousand requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct FaultRates {
    /// The request does not reach the server, and its connection breaks.
    pub request_lost: u32,
    /// The server has done it, and the connection breaks without an answer.
    pub answer_lost: u32,
    /// The request reaches the server twice.
    pub sent_twice: u32,
    /// It takes up to a quarter of a second longer.
    pub delayed: u32,
    /// Somebody on the way answers 503.
    pub refused: u32,
    /// The answer breaks off half-way.
    pub broken_off: u32,
    /// The answer comes in small pieces.
    pub trickles: u32,
}

impl FaultRates {
    /// A bad network.
    pub const BAD: Self = Self {
        request_lost: 30,
        answer_lost: 30,
        sent_twice: 60,
        delayed: 150,
        refused: 15,
        broken_off: 15,
        trickles: 30,
    };
}

/// What a link is like.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Weather {
    /// From the device to the server.
    pub to_server: Way,
    /// From the server to the device.
    pub to_device: Way,
    /// What happens to single requests.
    pub faults: FaultRates,
}

/// How often each fault happened, by its name.
pub type ProxyFaults = BTreeMap<&'static str, u64>;

/// What the tasks of a proxy share.
#[derive(Debug)]
struct Shared {
    server: SocketAddr,
    dice: Mutex<Dice>,
    faults: Mutex<ProxyFaults>,
}

impl Shared {
    /// Draws whether a fault happens, and counts it.
    fn meets(&self, per_mille: u32, name: &'static str) -> bool {
        let happens = lock(&self.dice).chance(per_mille);
        if happens {
            *lock(&self.faults).entry(name).or_default() += 1;
        }
        happens
    }

    fn below(&self, bound: i64) -> u64 {
        lock(&self.dice).between(0, bound).unsigned_abs()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A network in front of one server. It ends with this value.
#[derive(Debug)]
pub struct Proxy {
    runtime: Runtime,
    shared: Arc<Shared>,
}

/// The way of one device to the server.
#[derive(Debug)]
pub struct Link {
    address: String,
    weather: watch::Sender<Weather>,
}

impl Proxy {
    /// Starts a network to a server, with faults drawn from a seed.
    ///
    /// # Errors
    /// When no thread can be started.
    pub fn start(server: SocketAddr, seed: u64) -> std::io::Result<Self> {
        let mut runtime = tokio::runtime::Builder::new_multi_thread();
        let runtime = runtime.worker_threads(1).enable_all().build()?;
        let (dice, faults) = (Mutex::new(Dice::new(seed, 7)), Mutex::default());
        Ok(Self { runtime, shared: Arc::new(Shared { server, dice, faults }) })
    }

    /// Opens a link in fair weather.
    ///
    /// # Errors
    /// When no port is free.
    pub fn link(&self) -> std::io::Result<Link> {
        let listener = self.runtime.block_on(TcpListener::bind("127.0.0.1:0"))?;
        let address = format!("http://{}", listener.local_addr()?);
        let (weather, seen) = watch::channel(Weather::default());
        self.runtime.spawn(carry::accept(listener, Arc::clone(&self.shared), seen));
        Ok(Link { address, weather })
    }

    /// How often each fault happened so far.
    #[must_use]
    pub fn faults(&self) -> ProxyFaults {
        lock(&self.shared.faults).clone()
    }
}

impl Link {
    /// The address that the device takes for the server's.
    #[must_use]
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Changes the weather. What was held goes on when its way is open.
    pub fn set(&self, weather: Weather) {
        self.weather.send_replace(weather);
    }
}
