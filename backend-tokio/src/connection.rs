//! The task of one connection: the driver while there is something to do, and nothing but the socket
//! while it is idle. It must never hold the driver's future, or a buffer, of an idle connection.

use std::{
    cell::RefCell,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll, ready},
    time::Instant,
};

use trijet_backend::{Figures, Jobs, Life, Watch};
use trijet_core::{App, Limits, Outcome, Transport, after, driver::Driving, runtime::Runtime};

use crate::{
    bell::{Bell, Member},
    runtime::{Swapped, TokioRuntime},
    transport::TokioTransport,
};

/// What the connections of one server have in common.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) app: Arc<App>,
    pub(crate) limits: Arc<Limits>,
    pub(crate) life: Arc<Life>,
    pub(crate) bell: Arc<Bell>,
    pub(crate) jobs: Jobs,
    pub(crate) runtime: Arc<TokioRuntime>,
    pub(crate) watch: Arc<Watch>,
    /// As many as the acceptor has.
    pub(crate) connections: AtomicUsize,
}

impl Shared {
    /// What others are told.
    pub(crate) fn figures(&self) -> Figures {
        Figures {
            connections: self.connections.load(Ordering::Relaxed),
            threads: self.jobs.threads(),
            queued: self.jobs.waiting(),
        }
    }
}

thread_local! {
    /// Drivers whose connections went idle, for the next ones that have something to say on this worker. They hold
    /// nothing of any server.
    static SPARE: RefCell<Vec<Driving<TokioTransport>>> = const { RefCell::new(Vec::new()) };
}

/// As many are kept: more are there only while so many handlers wait at once. Each is about 8 KiB with its buffers.
const SPARE_MAX: usize = 32;

fn keep_spare(driver: Driving<TokioTransport>) {
    // Where the thread ends there is no place to keep any.
    let _ = SPARE.try_with(|spare| {
        let mut spare = spare.borrow_mut();
        if spare.len() < SPARE_MAX {
            spare.push(driver);
        }
    });
}

/// One connection, from accept to close.
pub(crate) struct Connection {
    state: State,
    member: Member,
    /// The server's, in its place on the thread while this is polled.
    runtime: Option<Arc<dyn Runtime>>,
}

enum State {
    /// Boxed apart, so that a waiting task stays small.
    Driven(Driving<TokioTransport>),
    Idle {
        transport: TokioTransport,
        /// Once it has been waited.
        deadline: Option<Instant>,
    },
    Over,
}

impl Connection {
    pub(crate) fn new(transport: TokioTransport) -> Self {
        let member = transport.shared().bell.member();
        let runtime = transport.shared().runtime.clone();
        Self { state: State::driven(transport), member, runtime: Some(runtime) }
    }
}

impl State {
    fn driven(transport: TokioTransport) -> Self {
        let shared = transport.shared().clone();
        let spare = SPARE.try_with(|spare| spare.borrow_mut().pop()).ok().flatten();
        Self::Driven(Driving::new(spare, transport, &shared.app, &shared.limits))
    }

    fn after(outcome: Outcome<TokioTransport>) -> Self {
        match outcome {
            Outcome::Idle(transport) => Self::Idle { transport, deadline: None },
            Outcome::Upgrade(_, _) => {
                log::error!("an upgrade was asked for, which this backend does not know: closed");
                Self::Over
            }
            Outcome::Closed(reason) => {
                log::trace!("connection closed: {reason:?}");
                Self::Over
            }
        }
    }
}

impl Future for Connection {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let Self { state, member, runtime } = &mut *self;
        // Before any look at the phase, here or in the driver.
        member.listen(cx.waker());
        let _inside = Swapped::new(runtime);
        let mut had_turn = false;
        loop {
            match state {
                State::Driven(driver) => {
                    let outcome = ready!(driver.poll(cx));
                    had_turn = true;
                    let driven = std::mem::replace(state, State::after(outcome));
                    if let (State::Driven(driver), State::Idle { .. }) = (driven, &*state) {
                        keep_spare(driver);
                    }
                }
                State::Idle { transport, deadline } => {
                    // The first look arranges nothing: where it finds something, 90 instructions less. Behind a turn there
                    // mostly is nothing.
                    let is_ready = transport.is_stopping() || (!had_turn && transport.may_read());
                    if !is_ready && transport.poll_readable(cx).is_pending() {
                        let timeout = transport.shared().limits.idle_timeout;
                        let deadline = *deadline.get_or_insert_with(|| after(transport.now(), timeout));
                        ready!(transport.poll_deadline(cx, deadline));
                        *state = State::Over;
                    } else if had_turn {
                        // Others go first. And what a task may take from Tokio in one poll may be used up, so that no read
                        // comes to anything before the next.
                        cx.waker().wake_by_ref();
                        return Poll::Pending;
                    } else if let State::Idle { transport, .. } = std::mem::replace(state, State::Over) {
                        *state = State::driven(transport);
                    }
                }
                State::Over => return Poll::Ready(()),
            }
        }
    }
}
