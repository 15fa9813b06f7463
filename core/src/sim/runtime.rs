//! `rt` in simulation: timers of the virtual clock, tasks that the schedule polls, calls that it runs, and connections to
//! hosts that are futures themselves.

use std::{
    collections::VecDeque,
    io::{self, IoSlice},
    net::{Ipv4Addr, SocketAddr},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker},
    time::Instant,
};

use super::world::{End, Pipe, Shared, World};
use crate::{
    BoxFuture,
    rt::{Host, TcpStream},
    runtime::{self, Call, Runtime, Socket, Tasks, Timer},
};

/// What the simulated backend lends to handlers that wait.
pub(super) struct SimRuntime {
    pub(super) world: Shared,
    tasks: Tasks,
}

/// What `rt` has in the world.
#[derive(Default)]
pub(super) struct Services {
    timers: Vec<Option<Waiting>>,
    /// Wakers to be called once the world is not locked.
    pub(super) due: Vec<Waker>,
    /// Tasks that are not polled yet.
    pub(super) spawned: VecDeque<BoxFuture<()>>,
    /// Calls that wait for the one thread that there is.
    pub(super) calls: VecDeque<Box<dyn Call>>,
    hosts: Vec<ServedHost>,
    /// How many connections to hosts there have been.
    connected: usize,
}

/// What a timer waits for, and who is woken then.
struct Waiting {
    at: Instant,
    waker: Option<Waker>,
    /// Something is given up then that another thread may give.
    is_patient: bool,
}

/// What answers at an address.
type Serve = Arc<dyn Fn(TcpStream) -> BoxFuture<()> + Send + Sync>;

struct ServedHost {
    name: Option<String>,
    address: SocketAddr,
    serve: Serve,
}

/// A connection between a handler and a host: what each end reads. The two ends share it, and it goes with them.
struct Link {
    pipes: [Way; 2],
    addresses: [SocketAddr; 2],
}

/// One direction, with the one who waits for room in it.
#[derive(Default)]
struct Way {
    pipe: Pipe,
    writer: Option<Waker>,
}

/// An operation is held back once in so many polls.
const HELD_BACK: usize = 4;

impl Services {
    /// Notes who is to be woken, now that it is `now`.
    pub(super) fn reach(&mut self, now: Instant) {
        for timer in self.timers.iter_mut().flatten() {
            if timer.at <= now {
                self.due.extend(timer.waker.take());
            }
        }
    }

    /// The next time that is waited for.
    pub(super) fn next_time(&self) -> Option<Instant> {
        self.timers.iter().flatten().filter(|timer| timer.waker.is_some()).map(|timer| timer.at).min()
    }

    /// Whether something is given up at `at` that another thread may give before.
    pub(super) fn is_patient(&self, at: Instant) -> bool {
        let mut waiting = self.timers.iter().flatten().filter(|timer| timer.waker.is_some());
        waiting.any(|timer| timer.at == at && timer.is_patient)
    }

    /// Has `serve` answer at the address, or under the name, that `host` is.
    pub(super) fn add_host(&mut self, host: Host, serve: Serve) {
        let (name, address) = match host {
            Host::Address(address) => (None, address),
            // TEST-NET-1 (RFC 5737 §3): addresses that are nobody's.
            Host::Name(name, port) => {
                let number = u8::try_from(self.hosts.len() % 250).unwrap_or_default() + 1;
                (Some(name), (Ipv4Addr::new(192, 0, 2, number), port).into())
            }
        };
        self.hosts.push(ServedHost { name, address, serve });
    }
}

impl SimRuntime {
    pub(super) fn new(world: Shared) -> Arc<Self> {
        Arc::new(Self { world, tasks: Tasks::default() })
    }

    fn add_timer(&self, at: Instant, is_patient: bool) -> Box<dyn Timer> {
        let timers = &mut self.world.lock().services.timers;
        let free = timers.iter().position(Option::is_none);
        let index = free.unwrap_or_else(|| {
            timers.push(None);
            timers.len() - 1
        });
        timers[index] = Some(Waiting { at, waker: None, is_patient });
        Box::new(SimTimer { world: self.world.clone(), index })
    }
}

impl Runtime for SimRuntime {
    fn backend(&self) -> &'static str {
        "simulated"
    }

    fn is_ready(&self) -> bool {
        !self.world.lock().is_stopping
    }

    fn now(&self) -> Instant {
        self.world.lock().now
    }

    fn timer(&self, at: Instant) -> Box<dyn Timer> {
        self.add_timer(at, false)
    }

    fn deadline(&self, at: Instant) -> Box<dyn Timer> {
        self.add_timer(at, true)
    }

    fn connect(&self, address: SocketAddr) -> io::Result<Box<dyn Socket>> {
        let (own, serve) = {
            let services = &mut self.world.lock().services;
            let host = services.hosts.iter().find(|host| host.address == address);
            let Some(serve) = host.map(|host| host.serve.clone()) else {
                let text = format!("nobody serves {address} in this simulation: Sim::host adds somebody");
                return Err(io::Error::new(io::ErrorKind::ConnectionRefused, text));
            };
            let port = u16::try_from(49_152 + services.connected % 16_384).unwrap_or(49_152);
            services.connected += 1;
            (SocketAddr::from((Ipv4Addr::LOCALHOST, port)), serve)
        };
        let link = Arc::new(Mutex::new(Link { pipes: Default::default(), addresses: [own, address] }));
        let end = |side| SimSocket { world: self.world.clone(), link: link.clone(), side };
        // What the app wrote is called, and it may connect itself: the world is not locked.
        let task = serve(TcpStream::new(Box::new(end(1))));
        self.world.lock().services.spawned.push_back(task);
        Ok(Box::new(end(0)))
    }

    fn resolve(&self, host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
        let world = self.world.lock();
        let served = world.services.hosts.iter();
        let address = served
            .filter(|served| served.name.as_deref() == Some(host) && served.address.port() == port)
            .map(|served| served.address)
            .next();
        address.map(|address| vec![address]).ok_or_else(|| {
            let text = format!("nobody serves {host}:{port} in this simulation: Sim::host adds somebody");
            io::Error::new(io::ErrorKind::NotFound, text)
        })
    }

    fn spawn(&self, task: BoxFuture<()>) {
        self.world.lock().services.spawned.push_back(task);
    }

    fn spawn_blocking(&self, call: Box<dyn Call>) {
        self.world.lock().services.calls.push_back(call);
    }

    fn tasks(&self) -> &Tasks {
        &self.tasks
    }
}

struct SimTimer {
    world: Shared,
    index: usize,
}

impl Timer for SimTimer {
    fn poll_elapsed(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        // Cloned and dropped while the world is not locked: it may be the app's own, and hold anything.
        let mut own = Some(cx.waker().clone());
        let world = &mut *self.world.lock();
        match &mut world.services.timers[self.index] {
            Some(Waiting { at, waker, .. }) if *at > world.now => {
                std::mem::swap(waker, &mut own);
                Poll::Pending
            }
            _ => Poll::Ready(()),
        }
    }
}

impl Drop for SimTimer {
    fn drop(&mut self) {
        let forgotten = self.world.lock().services.timers[self.index].take();
        drop(forgotten);
    }
}

/// One end of a link: it reads the way of its own side, and writes the other's.
struct SimSocket {
    world: Shared,
    /// Locked within the world, where both are.
    link: Arc<Mutex<Link>>,
    side: usize,
}

impl SimSocket {
    fn link(&self) -> MutexGuard<'_, Link> {
        self.link.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Does `act`, unless the schedule holds it back.
    fn poll<R>(&self, cx: &Context<'_>, act: impl FnOnce(&mut Link, &mut Chance<'_>) -> Poll<R>) -> Poll<R> {
        // Cloned, called and dropped while nothing is locked: it may be the app's own, and hold anything.
        let (mut own, mut woken) = (Some(cx.waker().clone()), None);
        let polled = {
            let World { rng, late, buffer_bytes, .. } = &mut *self.world.lock();
            if rng.is_once_in(HELD_BACK) {
                late.extend(own.take());
                return Poll::Pending;
            }
            let chance = &mut Chance { rng, buffer_bytes: *buffer_bytes, own: &mut own, woken: &mut woken };
            act(&mut self.link(), chance)
        };
        if let Some(woken) = woken {
            runtime::wake(woken);
        }
        polled
    }
}

/// What decides how much is done, and the wakers beside.
struct Chance<'a> {
    rng: &'a mut super::rng::Rng,
    buffer_bytes: usize,
    own: &'a mut Option<Waker>,
    woken: &'a mut Option<Waker>,
}

impl Chance<'_> {
    /// It waits at `place`.
    fn wait<R>(&mut self, place: &mut Option<Waker>) -> Poll<R> {
        std::mem::swap(place, self.own);
        Poll::Pending
    }

    /// Has the one at `place` woken.
    fn wake(&mut self, place: &mut Option<Waker>) {
        *self.woken = place.take();
    }
}

impl Socket for SimSocket {
    fn poll_connected(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll(cx, |_, _| Poll::Ready(Ok(())))
    }

    fn poll_read(&mut self, cx: &mut Context<'_>, into: &mut [u8]) -> Poll<io::Result<usize>> {
        self.poll(cx, |link, chance| {
            let way = &mut link.pipes[self.side];
            if way.pipe.end == End::Reset {
                return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
            }
            if !way.pipe.is_readable() {
                return chance.wait(&mut way.pipe.waker);
            }
            let count = match way.pipe.bytes.len().min(into.len()) {
                0 => 0,
                count => chance.rng.portion(count),
            };
            for (byte, place) in way.pipe.bytes.drain(..count).zip(into) {
                *place = byte;
            }
            chance.wake(&mut way.writer);
            Poll::Ready(Ok(count))
        })
    }

    fn poll_write(&mut self, cx: &mut Context<'_>, from: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        self.poll(cx, |link, chance| {
            let way = &mut link.pipes[1 - self.side];
            if way.pipe.end != End::Open {
                return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
            }
            let offered: usize = from.iter().map(|slice| slice.len()).sum();
            let room = chance.buffer_bytes.saturating_sub(way.pipe.bytes.len());
            if room == 0 {
                return chance.wait(&mut way.writer);
            }
            let count = chance.rng.portion(room.min(offered));
            let bytes = from.iter().flat_map(|slice| slice.iter());
            way.pipe.bytes.extend(bytes.take(count));
            chance.wake(&mut way.pipe.waker);
            Poll::Ready(Ok(count))
        })
    }

    fn poll_close(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll(cx, |link, chance| {
            let way = &mut link.pipes[1 - self.side];
            if way.pipe.end == End::Open {
                way.pipe.end = End::Ended;
            }
            chance.wake(&mut way.pipe.waker);
            Poll::Ready(Ok(()))
        })
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.link().addresses[self.side])
    }

    fn peer_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.link().addresses[1 - self.side])
    }

    fn set_nodelay(&self, _: bool) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for SimSocket {
    /// As a close of a real socket: the other end reads what was sent, then the end; its writes fail. With bytes unread
    /// it is a reset.
    fn drop(&mut self) {
        let wakers = {
            let mut link = self.link();
            let has_unread = !link.pipes[self.side].pipe.bytes.is_empty();
            let [own, other] = match &mut link.pipes {
                [first, second] if self.side == 0 => [first, second],
                [first, second] => [second, first],
            };
            own.pipe.bytes.clear();
            own.pipe.end = End::Reset;
            if has_unread {
                other.pipe.bytes.clear();
                other.pipe.end = End::Reset;
            } else if other.pipe.end == End::Open {
                other.pipe.end = End::Ended;
            }
            [own.writer.take(), other.pipe.waker.take()]
        };
        wakers.into_iter().flatten().for_each(runtime::wake);
    }
}
