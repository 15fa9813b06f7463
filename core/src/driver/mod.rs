//! The driver, from bytes to responses. What can be done at once is done by plain functions, and so is waiting for a handler;
//! where the peer has to be waited for, one sequential `async fn` per connection goes on, and leads back to them. It must
//! never contain a rule of HTTP (those are the engine's) or know what a socket is (that is the backend's).
//!
//! Its rules:
//! 1. Read only when nothing else can be done: output flushed, no handler running, or the running
//!    handler asks for body. This is what makes a blocking read legal on threads.
//! 2. Never park with bytes in the output buffer that could have been written.
//! 3. Park in three places only: filling, flushing, and waiting for the handler.
//! 4. Drain the engine's events before any I/O, so that pipelined requests are answered in one write.
//! 5. Write at once; wait for writability only after `WouldBlock`.
//! 6. Bound the work of one turn, then yield, so that one client cannot starve others.
//! 7. The backend owns the clock. One absolute deadline per phase: a slow peer cannot re-arm it.
//! 8. Poll again whoever may have been given something by the driver's own steps: nobody is woken for that.

mod burst;
mod close;
mod driving;
mod exchange;
mod pace;
mod stream;
mod wait;

use std::{
    future::poll_fn,
    ops::{Deref, DerefMut},
    sync::Arc,
    task::{Context, Poll, Waker, ready},
    time::{Instant, SystemTime},
};

use http::StatusCode;

use crate::{
    App, CloseReason, Limits, Outcome, Transport, after,
    ambient::Collected,
    h1::{Connection, Event, Refusal},
    jobs::JobWatch,
    respond::Spare,
};
use burst::Burst;
pub(crate) use burst::Bursts;
pub use driving::Driving;
use exchange::{Rest, Running};
use pace::{Progress, Turn};

/// Serves one connection until it is idle, upgraded or closed.
///
/// The future parks only on `transport`, on the handler, and on nothing else; dropping it at any point
/// cuts the connection.
pub async fn drive<T: Transport>(transport: T, app: Arc<App>, limits: Arc<Limits>) -> Outcome<T> {
    let mut driving = Driving::new(None, transport, &app, &limits);
    poll_fn(|cx| driving.poll(cx)).await
}

/// A connection and everything that its turn needs.
struct Driver<T> {
    // In the order in which they go: what a handler and a response hold, before anybody is told that the connection is over.
    /// The handler that is waited for.
    running: Option<Running>,
    connection: Connection,
    io: Lent<T>,
    app: Option<Arc<App>>,
    limits: Arc<Limits>,
    turn: Turn,
    /// How the peer keeps up with sending a body.
    reading: Progress,
    /// How the peer keeps up with taking the response.
    writing: Progress,
    /// What the polls of a handler left: jobs, until they are handed over; a watch, while the exchange lasts.
    collected: Collected,
    /// Whether the exchange is over when the peer leaves.
    cancels: bool,
    /// The route of the exchange, by its number.
    route: u32,
    /// Memory for the next reply.
    spare: Option<Spare>,
    /// Jobs that wait for a thread, and until when they may.
    queued: Vec<(JobWatch, Instant)>,
    /// What may be queued over the high mark, while more is than that.
    burst: Option<Burst>,
    /// Why nothing can be written any more: it is discarded, while a handler runs to its end.
    broken: Option<CloseReason>,
    head_deadline: Option<Instant>,
    /// What the wall clock said, once it was asked, until something is read, written or waited for: sixteen responses
    /// that leave in one write have one date, also where an `inline` handler among them takes its time.
    wall_clock: Option<SystemTime>,
}

/// How a connection comes to its end.
enum End {
    /// Answer with this refusal, then as `Finish`.
    Refuse(Refusal),
    /// Everything is said: flush, end our direction, let the client read, close.
    Finish(CloseReason),
    /// Close without another byte.
    Drop(CloseReason),
}

/// What serving has come to.
enum Served {
    /// There is nothing to do until the next byte.
    Idle,
    /// It is to end, so that the client can read its answer.
    Over(End),
    /// It goes on once this is over.
    Waits(Wait),
}

impl From<End> for Served {
    fn from(end: End) -> Self {
        Self::Over(end)
    }
}

/// What has to be waited for.
enum Wait {
    /// The peer, to take what is queued. It has been asked just now.
    Flush,
    /// Others, who go first.
    Turn,
    /// More of a head, or the first of one. Both were looked at once: a stop that begins meanwhile finds an idle
    /// connection, and has it driven again.
    Head { is_stopping: bool, is_new: bool },
    /// The rest of an exchange.
    Exchange(Rest),
}

/// The transport of the connection that is being served: there is one whenever the driver is polled.
struct Lent<T>(Option<T>);

impl<T> Deref for Lent<T> {
    type Target = T;

    fn deref(&self) -> &T {
        self.0.as_ref().unwrap_or_else(|| unreachable!("{ABSENT}"))
    }
}

impl<T> DerefMut for Lent<T> {
    fn deref_mut(&mut self) -> &mut T {
        self.0.as_mut().unwrap_or_else(|| unreachable!("{ABSENT}"))
    }
}

const ABSENT: &str = "a driver without a connection serves none";

impl<T: Transport> Driver<T> {
    fn new(transport: T, app: Arc<App>, limits: Arc<Limits>) -> Self {
        Self {
            running: None,
            connection: Connection::new(limits.clone()),
            turn: Turn::new(&limits),
            reading: Progress::new(&limits),
            writing: Progress::new(&limits),
            io: Lent(Some(transport)),
            app: Some(app),
            limits,
            collected: Collected::default(),
            cancels: false,
            route: 0,
            spare: None,
            queued: Vec::new(),
            burst: None,
            broken: None,
            head_deadline: None,
            wall_clock: None,
        }
    }

    /// Gives the transport back, whose connection is idle: nothing of it is left here, nor of the app.
    fn leave(&mut self) -> Option<T> {
        debug_assert!(self.burst.is_none(), "nothing is queued");
        self.app = None;
        self.connection.rest();
        self.io.0.take()
    }

    /// Whether another connection with these limits may be its next.
    fn serves_by(&self, limits: &Arc<Limits>) -> bool {
        Arc::ptr_eq(&self.limits, limits)
    }

    /// Turns to another connection, after [`leave`](Self::leave).
    #[inline]
    fn enter(&mut self, transport: T, app: Arc<App>) {
        self.io = Lent(Some(transport));
        self.app = Some(app);
        self.turn.renew();
        self.reading.renew();
        self.writing.renew();
        self.head_deadline = None;
    }

    /// Serves until there is nothing to do, something has to be waited for, or the connection has to end. It is
    /// pending where a handler is waited for.
    // The life of a request, in numbered steps: ARCHITECTURE.md tells it in the same numbers.
    fn advance(&mut self, cx: &mut Context<'_>) -> Poll<Served> {
        self.wall_clock = None;
        if let Some(running) = self.running.take() {
            let exchanged = ready!(self.run(cx, running, false));
            if let Err(served) = self.exchanged(exchanged) {
                return Poll::Ready(served);
            }
        }
        loop {
            if let Err(served) = ready!(self.step(cx)) {
                return Poll::Ready(served);
            }
        }
    }

    fn step(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Served>> {
        if self.is_in_the_way() {
            self.make_way(cx)?;
        }
        Poll::Ready(match self.connection.next_event() {
            // 1. Bytes arrive, until the engine has a whole head.
            Event::NeedData => self.look_for_head(cx),
            // 2. – 5. in exchange.rs.
            Event::Request => {
                let exchanged = ready!(self.exchange(cx));
                self.exchanged(exchanged)
            }
            Event::Refused(refusal) => Err(Served::Over(End::Refuse(refusal))),
            Event::Truncated => {
                let refusal = Refusal::bad_request("the request ends within its head");
                Err(Served::Over(End::Refuse(refusal)))
            }
            Event::Closed => Err(Served::Over(End::Finish(CloseReason::PeerClosed))),
            Event::Data(_) | Event::EndOfMessage(_) | Event::BodyFailed(_) => {
                // Bodies are read within their exchange: there is none now.
                Err(Served::Over(End::Drop(CloseReason::ResponseFailed)))
            }
        })
    }

    #[inline]
    fn exchanged(&mut self, exchanged: Result<Option<Rest>, End>) -> Result<(), Served> {
        match exchanged {
            Ok(Some(rest)) => Err(Served::Waits(Wait::Exchange(rest))),
            Ok(None) => Ok(self.end_exchange(Ok(()))?),
            Err(end) => Ok(self.end_exchange(Err(end))?),
        }
    }

    /// Waits until [`advance`](Self::advance) can go on.
    async fn wait(&mut self, wait: Wait) -> Result<(), End> {
        match wait {
            Wait::Flush => self.flush(true).await,
            Wait::Turn => {
                self.yield_turn().await;
                Ok(())
            }
            Wait::Head { is_stopping, is_new } => self.fill_head(is_stopping, is_new).await,
            Wait::Exchange(rest) => {
                let exchanged = self.finish_exchange(rest).await;
                self.end_exchange(exchanged)
            }
        }
    }

    #[inline]
    fn end_exchange(&mut self, exchanged: Result<(), End>) -> Result<(), End> {
        self.io.leave_app();
        self.end_watch();
        exchanged?;
        self.turn.count_request();
        Ok(())
    }

    /// Whether a request that is here already has to wait: neither may the responses pile up (rule 2), nor
    /// the others wait for all of a pipeline (rule 6).
    fn is_in_the_way(&self) -> bool {
        self.connection.input_len() > 0
            && (self.turn.is_over() || self.connection.output_len() >= self.limits.output_high_bytes)
    }

    fn make_way(&mut self, cx: &mut Context<'_>) -> Result<(), Served> {
        self.flush_at_once(cx)?;
        if self.turn.is_over() {
            return Err(Served::Waits(Wait::Turn));
        }
        Ok(())
    }

    fn flush_at_once(&mut self, cx: &mut Context<'_>) -> Result<(), Served> {
        self.wall_clock = None;
        if self.poll_flush(cx).is_pending() {
            return Err(Served::Waits(Wait::Flush));
        }
        Ok(self.unbroken()?)
    }

    /// Reads what is there for the engine, once nothing is left to be written.
    fn look_for_head(&mut self, cx: &mut Context<'_>) -> Result<(), Served> {
        if self.connection.output_len() > 0 || self.broken.is_some() {
            self.flush_at_once(cx)?;
        }
        if self.turn.is_over() {
            return Err(match self.connection.is_idle() && !self.io.is_stopping() {
                true => Served::Idle,
                false => Served::Waits(Wait::Turn),
            });
        }
        let is_stopping = self.io.is_stopping();
        let is_idle = self.connection.is_idle();
        let is_new = is_idle && is_stopping && !self.io.is_used();
        // An empty line behind the last request, as some clients send, asks for nothing: RFC 9112 §2.2.
        let asks_nothing =
            || is_stopping && !self.connection.has_begun_head() && !self.connection.has_ended();
        if !is_new && (is_idle || asks_nothing()) {
            return self.read_first(is_stopping);
        }
        Err(Served::Waits(Wait::Head { is_stopping, is_new }))
    }

    /// Reads until there is something new for the engine.
    async fn fill_head(&mut self, is_stopping: bool, is_new: bool) -> Result<(), End> {
        const OVERDUE: Refusal =
            Refusal::new(StatusCode::REQUEST_TIMEOUT, "the request head did not arrive in time");
        let has_begun = self.connection.has_begun_head();
        let overdue = || {
            Err(match (is_new, has_begun) {
                (true, _) => End::Finish(CloseReason::Stopping),
                (false, false) => End::Finish(CloseReason::IdleTimeout),
                (false, true) => End::Refuse(OVERDUE),
            })
        };
        let now = self.io.now();
        let timeout = match (is_new, has_begun) {
            (true, _) => self.limits.linger_timeout,
            (false, false) => self.limits.idle_timeout,
            (false, true) => self.limits.head_timeout,
        };
        let deadline = *self.head_deadline.get_or_insert_with(|| after(now, timeout));
        // Rule 7: where a read blocks, a peer that drips is never waited for below.
        if now >= deadline {
            return overdue();
        }
        poll_fn(|cx| {
            if let Poll::Ready(read) = self.io.poll_read(cx, self.connection.input_space()) {
                match read {
                    Ok(0) => self.connection.receive_end(),
                    Ok(count) => self.receive_head(count),
                    Err(_) => return Poll::Ready(Err(End::Drop(CloseReason::PeerLeft))),
                }
                return Poll::Ready(Ok(()));
            }
            if !has_begun && !is_stopping && self.io.is_stopping() {
                return Poll::Ready(Ok(()));
            }
            self.io.poll_deadline(cx, deadline).map(|()| overdue())
        })
        .await
    }

    #[inline]
    fn receive_head(&mut self, count: usize) {
        self.wall_clock = None;
        let had_begun = self.connection.has_begun_head();
        self.connection.receive(count);
        self.io.mark_used();
        if !had_begun && self.connection.has_begun_head() {
            // The time in which nothing was asked is over; the time for a head begins.
            self.head_deadline = None;
        }
        self.turn.count_bytes(count);
    }

    /// Lets others go first: rule 6.
    async fn yield_turn(&mut self) {
        self.turn.renew();
        let mut has_yielded = false;
        poll_fn(|cx| {
            if std::mem::replace(&mut has_yielded, true) {
                return Poll::Ready(());
            }
            self.io.yield_turn(cx);
            Poll::Pending
        })
        .await;
    }

    /// The first read of a request. Without data the connection is idle, and the driver leaves it.
    fn read_first(&mut self, is_stopping: bool) -> Result<(), Served> {
        // Behind a request there mostly is no other: to be told so by a read was 150 instructions on the event loops.
        if !is_stopping && !self.io.may_read() {
            return Err(Served::Idle);
        }
        // The backend watches an idle connection by itself: no waker is needed.
        let mut cx = Context::from_waker(Waker::noop());
        match self.io.poll_read(&mut cx, self.connection.input_space()) {
            Poll::Ready(Ok(0)) => self.connection.receive_end(),
            Poll::Ready(Ok(count)) => self.receive_head(count),
            Poll::Ready(Err(_)) => return Err(Served::Over(End::Drop(CloseReason::PeerClosed))),
            Poll::Pending if is_stopping => {
                return Err(Served::Over(End::Finish(CloseReason::Stopping)));
            }
            Poll::Pending => return Err(Served::Idle),
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
