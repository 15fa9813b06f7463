//! The simulated backend: a backend like any other, in memory, with a virtual clock and a seeded
//! schedule; and the test client on it. No socket, no thread, and no time passes here.
//!
//! - [`TestClient`] runs an app without sockets: for the tests of an app.
//! - [`Sim`] and [`Peer`] let a test decide what happens on each connection, byte by byte and second by
//!   second, under a schedule that is the same for the same seed.
//!
//! There is one thread, for handlers, plain `fn`, jobs and calls alike, and one job or call at a time. A plain `fn` whose
//! wait the simulation can see goes on within it: [`Next::run_blocking`](crate::Next::run_blocking),
//! [`Body::reader`](crate::Body::reader). It cannot see any other, and what that waits for never comes where it has to
//! come from this thread:
//!
//! - an executor of the `fn`'s own, on whatever of [`rt`](crate::rt) is not ready;
//! - two plain `fn`, or calls of [`rt::spawn_blocking`](crate::rt::spawn_blocking), that meet by a channel or a lock.
//!
//! Such a test hangs. On a server's backends both work: try these on one.
//!
//! ```text
//!   Peer ──script──▶ Wire { to_server, to_peer } ◀── SimTransport ◀── drive
//!                       └──────── World: clock, jobs, choices ────────┘
//!                                        ▲ one step at a time
//!                                       Sim
//! ```

mod alarm;
mod connection;
mod holding;
mod peer;
mod rng;
mod run;
mod runtime;
mod transport;
mod world;

use std::time::{Duration, Instant, SystemTime};

/// The most virtual time that passes in one go: no clock overflows.
const CENTURY: Duration = Duration::from_secs(100 * 365 * 24 * 60 * 60);

pub use peer::Peer;
pub use run::Sim;
pub use transport::SimTransport;

use crate::Limits;
pub use crate::testing::{
    Connect, Connection, Exchange, MultipartForm, Raw, TestClient, TestRequest, TestResponse, Wait,
};

/// How a simulation is set up.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The server's limits.
    pub limits: Limits,
    /// In which order things happen, and how much at a time.
    pub schedule: Schedule,
    /// What fits into the sockets' buffers, in each direction.
    pub buffer_bytes: usize,
    /// How long a read or a write that has to wait blocks before it is pending, as it does on threads.
    /// Zero: not at all, as on an event loop.
    pub tick: Duration,
    /// What `Date` says; it stands still.
    pub wall_clock: SystemTime,
    /// How long, in real time, to wait for a wake from another thread before a simulation in which
    /// nothing can happen any more is taken to be over, or a [`Deferred`](crate::respond::Deferred) answer to be late.
    /// `None`: five seconds for a [`TestClient`], and for a [`Sim`] of one's own not at all.
    pub patience: Option<Duration>,
    /// A clock of real time, by which a simulation panics once a poll of the app has taken longer than
    /// [`Limits::loop_hold_max`]: `Some(Instant::now)`. `None`: nothing is watched, as no virtual time passes in a
    /// handler. A plain `fn` may take its time here too, but for one that is [`inline`](crate::inline).
    ///
    /// ```should_panic
    /// use std::{thread, time::{Duration, Instant}};
    /// use trijet_core::{Router, get, sim::{Settings, TestClient}};
    ///
    /// async fn careless() { thread::sleep(Duration::from_millis(200)) }
    ///
    /// let settings = Settings { hold_clock: Some(Instant::now), ..Settings::default() };
    /// let client = TestClient::with_settings(Router::new().route("/", get(careless)), settings);
    /// client.get("/").send(); // panics: "GET /: GET / held its thread for 200.1ms …"
    /// ```
    pub hold_clock: Option<fn() -> Instant>,
}

impl Default for Settings {
    /// The default limits, everything in order, buffers of 64 KiB, calls that never block, Sun, 06 Nov 1994 08:49:37 GMT, and the
    /// patience of whoever it is for.
    fn default() -> Self {
        Self {
            limits: Limits::default(),
            schedule: Schedule::InOrder,
            buffer_bytes: 64 << 10,
            tick: Duration::ZERO,
            // The example of RFC 9110 §5.6.7.
            wall_clock: SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_777),
            patience: None,
            hold_clock: None,
        }
    }
}

/// What decides where a real network and scheduler would.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Schedule {
    /// Bytes arrive whole and at once; what was begun first goes first.
    InOrder,
    /// By this seed: short reads and writes, readiness that comes late, wakes without a cause, tasks in
    /// any order. The same seed gives the same run.
    Seeded(u64),
}
