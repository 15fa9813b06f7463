//! Waiting for time to pass. It knows no clock: the runtime has one.

use std::{
    fmt,
    future::poll_fn,
    pin::Pin,
    task::{Context, Poll},
    time::{Duration, Instant},
};

use pin_project_lite::pin_project;

use super::current_or_panic;
use crate::{
    after,
    runtime::{Runtime, Timer},
};

/// The backend's clock, by which all that waits here is measured. It is [`Instant::now`], but where time is virtual:
/// in simulation, and where Tokio's clock is paused.
///
/// # Panics
/// Outside of a server.
#[track_caller]
pub fn now() -> Instant {
    current_or_panic("trijet::rt::now").now()
}

/// Waits for `duration`: until at least that long after this call. One of no duration lets others go first. It keeps
/// its time also for who outlives the server, on a thread of their own.
///
/// # Panics
/// Outside of a server.
#[track_caller]
pub fn sleep(duration: Duration) -> Sleep {
    let runtime = current_or_panic("trijet::rt::sleep");
    Sleep::new(&*runtime, after(runtime.now(), duration))
}

/// Waits until `deadline`, by the clock of [`now`]; not at all if that is over.
///
/// # Panics
/// Outside of a server.
#[track_caller]
pub fn sleep_until(deadline: Instant) -> Sleep {
    Sleep::new(&*current_or_panic("trijet::rt::sleep_until"), deadline)
}

/// The future of [`sleep`] and [`sleep_until`]. Dropping it costs no more than forgetting it.
#[must_use = "it waits only where it is awaited"]
pub struct Sleep {
    timer: Box<dyn Timer>,
    deadline: Instant,
    /// Whether others had their turn.
    has_yielded: bool,
}

impl Sleep {
    fn new(runtime: &dyn Runtime, deadline: Instant) -> Self {
        Self { timer: runtime.timer(deadline), deadline, has_yielded: false }
    }

    /// When it is over.
    pub fn deadline(&self) -> Instant {
        self.deadline
    }
}

impl Future for Sleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if self.timer.poll_elapsed(cx).is_pending() {
            self.has_yielded = true;
            return Poll::Pending;
        }
        if std::mem::replace(&mut self.has_yielded, true) {
            return Poll::Ready(());
        }
        // Over from the start: others go first all the same, or a loop of these would hold an event loop for ever.
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

impl fmt::Debug for Sleep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sleep").field("deadline", &self.deadline).finish_non_exhaustive()
    }
}

/// Gives `future` at most `duration`. If that is not enough, the future is dropped with the [`Timeout`], and what
/// it waited for is given up.
///
/// # Panics
/// Outside of a server.
///
/// ```
/// use std::{future, time::Duration};
/// use trijet_core::{Router, get, rt};
///
/// async fn hopeless() -> String {
///     let never = future::pending::<()>();
///     rt::timeout(Duration::from_secs(30), never).await.unwrap_err().to_string()
/// }
/// # #[cfg(feature = "testing")] {
/// let client = trijet_core::sim::TestClient::new(Router::new().route("/", get(hopeless)));
/// assert_eq!(client.get("/").send().text(), "the time is over");
/// # }
/// ```
#[track_caller]
pub fn timeout<F: Future>(duration: Duration, future: F) -> Timeout<F> {
    let runtime = current_or_panic("trijet::rt::timeout");
    let sleep = Sleep::new(&*runtime, after(runtime.now(), duration));
    Timeout { future, sleep }
}

/// As [`timeout`], where `future` is ready by the doing of another thread: see [`Runtime::deadline`].
#[track_caller]
pub(crate) fn deadline<F: Future>(duration: Duration, future: F) -> Timeout<F> {
    let runtime = current_or_panic("trijet::rt::timeout");
    let deadline = after(runtime.now(), duration);
    Timeout { future, sleep: Sleep { timer: runtime.deadline(deadline), deadline, has_yielded: false } }
}

pin_project! {
    /// The future of [`timeout`]: the output of the future inside, or [`Elapsed`]. One that is ready in time wins,
    /// also if it is polled late.
    #[derive(Debug)]
    #[must_use = "futures do nothing unless they are awaited"]
    pub struct Timeout<F> {
        #[pin]
        future: F,
        sleep: Sleep,
    }
}

impl<F: Future> Future for Timeout<F> {
    type Output = Result<F::Output, Elapsed>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        if let Poll::Ready(output) = this.future.poll(cx) {
            return Poll::Ready(Ok(output));
        }
        Pin::new(this.sleep).poll(cx).map(|()| Err(Elapsed(())))
    }
}

/// The time given to a future was over before it was ready.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Elapsed(());

impl fmt::Display for Elapsed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the time is over")
    }
}

impl std::error::Error for Elapsed {}

impl From<Elapsed> for std::io::Error {
    fn from(elapsed: Elapsed) -> Self {
        Self::new(std::io::ErrorKind::TimedOut, elapsed)
    }
}

/// Ticks every `period`, the first time at once. Ticks that nobody has waited for in time are left out, and
/// the others stay where they would have been.
///
/// # Panics
/// Outside of a server, or where `period` is zero.
///
/// ```
/// use std::time::Duration;
/// use trijet_core::{Router, get, rt};
///
/// async fn three() -> String {
///     let mut interval = rt::interval(Duration::from_secs(2));
///     let first = interval.tick().await;
///     interval.tick().await;
///     format!("{} s", (interval.tick().await - first).as_secs())
/// }
/// # #[cfg(feature = "testing")] {
/// let client = trijet_core::sim::TestClient::new(Router::new().route("/", get(three)));
/// assert_eq!(client.get("/").send().text(), "4 s");
/// # }
/// ```
#[track_caller]
pub fn interval(period: Duration) -> Interval {
    assert!(!period.is_zero(), "the period of trijet::rt::interval is zero: it would tick for ever at once");
    let runtime = current_or_panic("trijet::rt::interval");
    let sleep = Sleep::new(&*runtime, runtime.now());
    Interval { runtime, period, sleep }
}

/// Regular ticks: see [`interval`].
pub struct Interval {
    runtime: std::sync::Arc<dyn Runtime>,
    period: Duration,
    sleep: Sleep,
}

impl Interval {
    /// Waits for the next tick, and gives the time that it was due at. Dropping the future loses no tick.
    pub async fn tick(&mut self) -> Instant {
        poll_fn(|cx| self.poll_tick(cx)).await
    }

    /// As [`tick`](Self::tick), for futures and streams that are written by hand.
    pub fn poll_tick(&mut self, cx: &mut Context<'_>) -> Poll<Instant> {
        if Pin::new(&mut self.sleep).poll(cx).is_pending() {
            return Poll::Pending;
        }
        let due = self.sleep.deadline;
        let late = self.runtime.now().saturating_duration_since(due);
        self.sleep =
            Sleep::new(&*self.runtime, after(due + late, self.period - remainder(late, self.period)));
        Poll::Ready(due)
    }

    /// The time from tick to tick.
    pub fn period(&self) -> Duration {
        self.period
    }
}

/// What is left of `time` after as many whole `period`s as it holds.
fn remainder(time: Duration, period: Duration) -> Duration {
    const NANOS: u128 = 1_000_000_000;
    let left = time.as_nanos() % period.as_nanos();
    // A remainder of two durations is one.
    Duration::new((left / NANOS) as u64, (left % NANOS) as u32)
}

impl fmt::Debug for Interval {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Interval").field("period", &self.period).finish_non_exhaustive()
    }
}
