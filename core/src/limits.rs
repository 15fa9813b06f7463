//! Every limit and timeout of the server, in one struct, with the reason beside each default.
//! They mean the same on every backend. This file must never hold behaviour.

use std::time::{Duration, Instant};

/// The limits and timeouts of a server. All are on by default.
///
/// ```
/// use trijet_core::Limits;
/// let limits = Limits { body_bytes_max: 8 << 20, ..Limits::default() };
/// assert_eq!(limits.headers_max, 100);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of a request head, request line and blank line included; over it 431. 16 KiB: what
    /// common servers and proxies let through.
    pub head_bytes_max: usize,
    /// Header fields in a request; over it 431. 100: browsers send about 20.
    pub headers_max: usize,
    /// Bytes of a request target; over it 414. 8 KiB: the least that RFC 9112 §3 recommends.
    pub target_bytes_max: usize,
    /// Bytes of a request body; over it 413. 2 MiB: forms and JSON fit, uploads raise it per route.
    pub body_bytes_max: u64,
    /// Bytes of one chunk-size line, extensions included; over it 400. Real ones are under 20.
    pub chunk_line_bytes_max: usize,
    /// Bytes of chunk extensions in one body; over it 400. Nobody uses them, attackers do.
    pub chunk_extension_bytes_max: usize,
    /// Trailer fields in one body; over it 400.
    pub trailers_max: usize,
    /// Bytes of the trailer section; over it 400.
    pub trailer_bytes_max: usize,
    /// Time for a whole head, from its first byte; over it 408 and close. No human types heads.
    pub head_timeout: Duration,
    /// Time that a connection may be idle between requests; over it a silent close. 75 s: longer than
    /// the idle time of common load balancers, so that they close first.
    pub idle_timeout: Duration,
    /// Time before a body or a response has to keep [`Limits::progress_bytes_per_second_min`].
    pub progress_grace: Duration,
    /// The slowest average at which a peer may send a body or take a response; under it 408 or close.
    pub progress_bytes_per_second_min: u32,
    /// Time without a single byte of a body sent or of a response taken; over it 408 or close.
    pub stall_timeout: Duration,
    /// Connections at a time; over it accepting pauses and the kernel queues. `None`: 10,000, or the
    /// open-file limit less 64 if that is lower, but never under half of it.
    pub connections_max: Option<usize>,
    /// Threads for handlers that block: the pool of mio and Tokio, the request threads of threaded. As many again at most
    /// are for the calls of [`rt::spawn_blocking`](crate::rt::spawn_blocking), for the look-up of names, and on threaded
    /// for its tasks and helpers.
    pub blocking_threads_max: usize,
    /// Calls (threaded: connections) that wait for such a thread; over it 503. The next piece of an answer that has
    /// begun waits, too, and is never refused for it: that would cut the answer.
    pub blocking_queue_max: usize,
    /// The longest such wait; over it 503.
    pub blocking_queue_timeout: Duration,
    /// Time for which one poll of a handler, its middleware or its body may hold its event loop (mio) or worker
    /// (Tokio); over it a line in the log names the route, and [`Statistics`] count it. It is known to a tenth.
    /// `None`: nothing is watched. 100 ms: what a person begins to notice, and far more than a poll that waits for
    /// nothing takes.
    ///
    /// [`Statistics`]: https://docs.rs/trijet/latest/trijet/struct.Statistics.html
    pub loop_hold_max: Option<Duration>,
    /// Output queued on a connection at which its body stream is no longer polled. Pieces of 8 KiB and more are gathered
    /// up to four times as much for one write, as long as the reader takes all at once and the turn has room for it. What
    /// readers then do not take is bounded for all connections of an app together: 2 MiB over their high marks, of which
    /// each has three times its mark or nothing.
    pub output_high_bytes: usize,
    /// Output queued on a connection at which its body stream is polled again.
    pub output_low_bytes: usize,
    /// Declared length of an unread request body up to which it is drained to keep the connection.
    pub drain_bytes_max: u64,
    /// Bytes that are read and discarded before a close, so that the client can read its answer.
    pub linger_bytes_max: u64,
    /// Time for that.
    pub linger_timeout: Duration,
    /// Requests that one connection may have served before others get a turn.
    pub turn_requests_max: u32,
    /// Bytes that one connection may move before others get a turn.
    pub turn_bytes_max: usize,
    /// Time for requests in flight once shutdown has begun; then sockets are cut: those of an event loop that a handler
    /// holds when it lets go.
    pub shutdown_timeout: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            head_bytes_max: 16 << 10,
            headers_max: 100,
            target_bytes_max: 8 << 10,
            body_bytes_max: 2 << 20,
            chunk_line_bytes_max: 256,
            chunk_extension_bytes_max: 4 << 10,
            trailers_max: 32,
            trailer_bytes_max: 4 << 10,
            head_timeout: Duration::from_secs(10),
            idle_timeout: Duration::from_secs(75),
            progress_grace: Duration::from_secs(5),
            progress_bytes_per_second_min: 240,
            stall_timeout: Duration::from_secs(30),
            connections_max: None,
            blocking_threads_max: 512,
            blocking_queue_max: 1024,
            blocking_queue_timeout: Duration::from_secs(5),
            loop_hold_max: Some(Duration::from_millis(100)),
            output_high_bytes: 64 << 10,
            output_low_bytes: 32 << 10,
            drain_bytes_max: 256 << 10,
            linger_bytes_max: 16 << 20,
            linger_timeout: Duration::from_secs(2),
            turn_requests_max: 16,
            turn_bytes_max: 256 << 10,
            shutdown_timeout: Duration::from_secs(30),
        }
    }
}

impl Limits {
    /// Checks that the limits can be honoured.
    ///
    /// # Errors
    /// A sentence that names the field, what is wrong with it and what to set.
    pub fn validate(&self) -> Result<(), String> {
        let at_least = |name: &str, value: u64, least: u64| {
            if value < least {
                return Err(format!("Limits::{name} is {value}: set it to at least {least}"));
            }
            Ok(())
        };
        at_least("head_bytes_max", self.head_bytes_max as u64, 64)?;
        at_least("headers_max", self.headers_max as u64, 1)?;
        at_least("target_bytes_max", self.target_bytes_max as u64, 1)?;
        at_least("chunk_line_bytes_max", self.chunk_line_bytes_max as u64, 18)?;
        at_least("blocking_threads_max", self.blocking_threads_max as u64, 1)?;
        at_least("output_high_bytes", self.output_high_bytes as u64, 1)?;
        at_least("turn_requests_max", u64::from(self.turn_requests_max), 1)?;
        at_least("turn_bytes_max", self.turn_bytes_max as u64, 1)?;
        if let Some(connections) = self.connections_max {
            at_least("connections_max", connections as u64, 1)?;
        }
        if let Some(hold) = self.loop_hold_max.filter(|hold| *hold < LOOP_HOLD_FLOOR) {
            return Err(format!(
                "Limits::loop_hold_max is {hold:?}: set it to at least {LOOP_HOLD_FLOOR:?}, or to None"
            ));
        }
        let at_most = |name: &str, value: usize, most: usize| {
            if value > most {
                return Err(format!("Limits::{name} is {value}: set it to at most {most}"));
            }
            Ok(())
        };
        at_most("headers_max", self.headers_max, HEADERS_CEILING)?;
        at_most("trailers_max", self.trailers_max, HEADERS_CEILING)?;
        at_most("target_bytes_max", self.target_bytes_max, TARGET_CEILING)?;
        if self.output_low_bytes > self.output_high_bytes {
            return Err(format!(
                "Limits::output_low_bytes is {} and output_high_bytes {}: the low mark must not be over the high one",
                self.output_low_bytes, self.output_high_bytes
            ));
        }
        Ok(())
    }
}

/// The moment `timeout` after `now`. A timeout beyond what an [`Instant`] can hold means never.
///
/// ```
/// # #![allow(clippy::disallowed_methods)]
/// use std::time::{Duration, Instant};
/// let now = Instant::now();
/// assert_eq!(trijet_core::after(now, Duration::from_secs(1)), now + Duration::from_secs(1));
/// assert!(trijet_core::after(now, Duration::MAX) > now + Duration::from_secs(1 << 30));
/// ```
#[inline]
pub fn after(now: Instant, timeout: Duration) -> Instant {
    /// A hundred years: longer than any connection lives.
    const FAR: Duration = Duration::from_secs(100 * 365 * 24 * 3600);
    now.checked_add(timeout.min(FAR)).unwrap_or(now)
}

/// The most header fields that can be allowed: `http::HeaderMap` panics over about 24,000 names, and this
/// stays far from it.
const HEADERS_CEILING: usize = 4096;

/// The least that can be told from a loop's ordinary work by looking at it now and then.
const LOOP_HOLD_FLOOR: Duration = Duration::from_millis(10);

/// The longest target that can be allowed: `http::Uri` refuses a longer one, as if it were malformed.
const TARGET_CEILING: usize = 65_534;

/// How sockets are set up: data here, applied by each backend.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SocketSettings {
    /// Connections that the kernel queues before they are accepted.
    pub backlog: i32,
    /// Sends small segments at once (`TCP_NODELAY`).
    pub no_delay: bool,
    /// Binds an address whose old connections linger in `TIME_WAIT` (`SO_REUSEADDR`).
    pub reuse_address: bool,
    /// The permissions of the file of a Unix socket, `0o660` for example: who may write to it may connect. `None`:
    /// what the process's umask leaves of `0o777`.
    pub unix_mode: Option<u32>,
}

impl Default for SocketSettings {
    fn default() -> Self {
        Self { backlog: 1024, no_delay: true, reuse_address: true, unix_mode: None }
    }
}
