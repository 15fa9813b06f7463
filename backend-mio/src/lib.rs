//! The mio backend of `trijet`: one event loop per worker, connections spread evenly over them, plain
//! `fn` handlers on a bounded pool of threads.
//!
//! A request on a keep-alive connection costs three system calls: a poll, a read and a write. An idle
//! connection is a slot in its loop's table, without a future or a buffer.
//!
//! Applications use it through the facade, `trijet`, with feature `mio`. It knows no HTTP, has no
//! Tokio in its tree without feature `tokio-context`, and must never lock or share anything on the path of a request.

mod connections;
mod event_loop;
mod mailbox;
mod readiness;
mod runtime;
mod shared;
mod sync;
#[cfg(all(test, not(trijet_loom)))]
mod tests;
mod transport;

use std::{
    io,
    net::ToSocketAddrs,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, OnceLock},
    thread,
};

pub use trijet_backend::ServerHandle;
use trijet_backend::{Backend, Ends, Run, Service, panic_text, poll::Acceptor};
use trijet_core::{Router, driver::Driving};

use crate::{
    event_loop::EventLoop,
    mailbox::Mailbox,
    shared::{Drive, Shared},
};

/// The loop that owns the listeners. The others are given their connections.
const ACCEPTING_LOOP: usize = 0;

/// Event loops on mio.
#[derive(Clone, Copy, Debug)]
pub struct Mio;

/// A server that runs on event loops.
pub type Server = trijet_backend::Server<Mio>;

/// Serves `router` on `address` with the default settings until it is stopped.
///
/// # Errors
/// A router with faults or missing state, an address that cannot be bound, or what the system refused.
///
/// ```no_run
/// trijet_mio::serve("127.0.0.1:8080", trijet_core::Router::default())?;
/// # Ok::<(), std::io::Error>(())
/// ```
pub fn serve(address: impl ToSocketAddrs, router: Router) -> io::Result<()> {
    Server::new(router).serve(address)
}

impl Backend for Mio {
    const NAME: &'static str = "mio";
    const HAS_CONTEXT: bool = cfg!(feature = "tokio-context");

    fn prepare(service: Service) -> io::Result<Run> {
        let (app, limits) = (service.app.clone(), service.limits.clone());
        let drive = move |transport, spare| Driving::new(spare, transport, &app, &limits);
        prepare(service, Box::new(drive))
    }
}

/// Sets the loops up, and gives the work that serves with `drive`.
fn prepare(mut service: Service, drive: Box<Drive>) -> io::Result<Run> {
    let workers = service.loops()?;
    let mut polls = Vec::with_capacity(workers);
    let mut mailboxes = Vec::with_capacity(workers);
    let mut reactors = Vec::with_capacity(workers);
    for _ in 0..workers {
        let poll = mio::Poll::new().map_err(because("an event loop cannot be made"))?;
        let mailbox =
            Mailbox::new(poll.registry()).map_err(because("an event loop's waker cannot be made"))?;
        let mailbox = Arc::new(mailbox);
        reactors.push(runtime::reactor(&poll, &mailbox).map_err(because("an event loop cannot be shared"))?);
        polls.push(poll);
        mailboxes.push(mailbox);
    }
    let listeners = std::mem::take(&mut service.listeners);
    let mut acceptor = Some(
        Acceptor::new(listeners, polls[ACCEPTING_LOOP].registry())
            .map_err(because("a listener cannot be registered"))?,
    );
    let (life, context) = (service.life.clone(), service.context.clone());
    let runtime = runtime::new(&service, reactors.clone(), mailboxes.clone());
    let shared = Arc::new(Shared::new(service, mailboxes.clone(), runtime, drive));
    let asked = Arc::downgrade(&shared);
    shared.watch.ask_for_figures(move || asked.upgrade().map(|shared| shared.figures()).unwrap_or_default());

    // The threads start here, where a failure can still be told, and wait for the word to serve.
    let ends = Ends::new(&life);
    let mut loops = Loops { word: Arc::default(), threads: Vec::with_capacity(workers) };
    for (index, (poll, reactor)) in polls.into_iter().zip(reactors).enumerate() {
        let acceptor = if index == ACCEPTING_LOOP { acceptor.take() } else { None };
        let mailbox = mailboxes[index].clone();
        let seat = shared.loops[index].seat.clone();
        let shared = shared.clone();
        let event_loop = EventLoop { index, poll, mailbox, reactor, seat, shared, acceptor };
        let context = context.clone();
        let ending = ends.of(index);
        let word = loops.word.clone();
        let thread = thread::Builder::new()
            .name(format!("trijet-mio-{index}"))
            .spawn(move || {
                let _ending = ending;
                context.within(|| if is_to_serve(&word) { run(event_loop) } else { Ok(()) })
            })
            .map_err(because("the thread of an event loop cannot be started"))?;
        loops.threads.push(thread);
    }
    let watchdog = shared.watch.start();
    life.on_change(move || mailboxes.iter().for_each(|mailbox| mailbox.notify()));
    Ok(Box::new(move || {
        let threads = loops.say(true);
        let ended = ends.wait(threads.len(), "event loops");
        let threads = threads.into_iter().enumerate().filter(|(index, _)| ended.contains(index));
        let ends: Vec<_> = threads.map(|(_, thread)| thread.join()).collect();
        shared.jobs.close();
        shared.runtime.end();
        drop(watchdog);
        ends.into_iter().try_for_each(|end| {
            end.unwrap_or_else(|panic| Err(io::Error::other(panic_text(&*panic).to_owned())))
        })
    }))
}

/// Loops that wait for the word to serve. Without it they end when this is dropped: whoever is told that the server has not
/// started finds its listeners closed.
struct Loops {
    // Not a channel, which is 30 KB of each program.
    word: Arc<OnceLock<bool>>,
    threads: Vec<thread::JoinHandle<io::Result<()>>>,
}

impl Loops {
    /// Tells them, once, and gives their threads.
    fn say(&mut self, serve: bool) -> Vec<thread::JoinHandle<io::Result<()>>> {
        self.word.get_or_init(|| serve);
        let threads = std::mem::take(&mut self.threads);
        threads.iter().for_each(|thread| thread.thread().unpark());
        threads
    }
}

impl Drop for Loops {
    fn drop(&mut self) {
        for thread in self.say(false) {
            // One that panics without having served has said so.
            _ = thread.join();
        }
    }
}

/// Waits for the word.
fn is_to_serve(word: &OnceLock<bool>) -> bool {
    loop {
        match word.get() {
            Some(serve) => return *serve,
            None => thread::park(),
        }
    }
}

/// Runs one loop. Without it the server is not whole: if it fails, the others are stopped too.
fn run(event_loop: EventLoop) -> io::Result<()> {
    let life = event_loop.shared.life.clone();
    let _inside = trijet_core::runtime::enter(event_loop.shared.runtime.clone());
    let result = catch_unwind(AssertUnwindSafe(|| event_loop.run()))
        .unwrap_or_else(|panic| Err(io::Error::other(format!("it panicked: {}", panic_text(&*panic)))))
        .map_err(because("an event loop has failed"));
    if let Err(error) = &result {
        log::error!("{error}; the server stops");
        life.shutdown_now();
    }
    result
}

/// Says what was being done when the system refused.
fn because(what: &str) -> impl Fn(io::Error) -> io::Error {
    move |error| io::Error::new(error.kind(), format!("{what}: {error}"))
}

/// Runs what may panic through an app's fault: it costs a log line and `None`.
fn contained<R>(what: &str, call: impl FnOnce() -> R) -> Option<R> {
    match catch_unwind(AssertUnwindSafe(call)) {
        Ok(called) => Some(called),
        Err(panic) => {
            log::error!("panic while {what}: {}", panic_text(&*panic));
            None
        }
    }
}
