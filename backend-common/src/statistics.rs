//! What a running server tells of itself, the same on every backend. Plain figures: nothing here is counted.

use std::time::Duration;

/// What a server is doing, at one moment: [`ServerHandle::statistics`](crate::ServerHandle::statistics).
///
/// A test can fail where a handler has held its event loop:
///
/// ```
/// # use trijet_backend::Statistics;
/// # fn at_the_end_of_a_test(statistics: Statistics) {
/// assert!(statistics.recent_holds.is_empty(), "{:?}", statistics.recent_holds);
/// # }
/// # at_the_end_of_a_test(Statistics::default());
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Statistics {
    /// Connections that are open, the idle ones included.
    pub connections: usize,
    /// Threads of the pool that plain `fn` handlers run on; on threaded, those that requests run on. Idle ones leave
    /// after 2 s.
    pub threads: usize,
    /// Calls (threaded: connections) that wait for such a thread.
    pub queued: usize,
    /// How often a handler, its middleware or its body has held a loop for
    /// [`Limits::loop_hold_max`](trijet_core::Limits::loop_hold_max). Always 0 on threaded, which has no loops.
    pub holds: u64,
    /// The last of them, at most 16, the oldest first.
    pub recent_holds: Vec<Hold>,
    /// The event loops (mio) or the workers that have served the app (Tokio). Empty on threaded, and where
    /// `loop_hold_max` is `None`.
    pub loops: Vec<LoopStatistics>,
}

/// One event loop of mio, or one worker of Tokio.
///
/// Its lag is how long it has not looked for events: on mio, how long its current round over the connections that
/// have something to do has lasted; on Tokio, where rounds are not told, how long the current poll of a handler or a
/// body has. It is found by looking, ten times within `loop_hold_max`: shorter ones show as zero.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct LoopStatistics {
    /// The name of its thread.
    pub thread: String,
    /// Its lag now. Zero while it waits for events.
    pub lag: Duration,
    /// The most in the last 10 to 20 s.
    pub lag_max: Duration,
    /// How often it was held.
    pub holds: u64,
}

/// A poll that has held its loop for longer than it may.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Hold {
    /// The route by its method and pattern, `GET /reports/{id}` for example.
    pub route: String,
    /// The name of the loop's thread.
    pub thread: String,
    /// How long it has held it, so far if it still does. Known to a tenth of the limit.
    pub duration: Duration,
    /// Whether it has let go.
    pub is_over: bool,
    /// What the thread did when the limit was reached, where the system tells (Linux): that it computes, or the
    /// system call that it waits in.
    pub doing: Option<String>,
}

/// What a backend knows by itself.
#[derive(Clone, Copy, Debug, Default)]
pub struct Figures {
    /// As in [`Statistics::connections`].
    pub connections: usize,
    /// As in [`Statistics::threads`].
    pub threads: usize,
    /// As in [`Statistics::queued`].
    pub queued: usize,
}
