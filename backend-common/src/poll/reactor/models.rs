//! Timers and sockets in every order that the poll's thread and those that wait can come in: `just loom`. In place of
//! the poll there is what is left of it without events: something to be woken from. What the events are of is told to
//! the reactor by whoever makes them, and the system is a count of bytes.

use std::{
    sync::{
        Arc, LazyLock,
        atomic::{AtomicUsize as Count, Ordering::Relaxed},
    },
    task::Wake,
    time::Duration,
};

use mio::Token;
use trijet_loom::{Sleeper, Waker as PollWaker, atomic::AtomicUsize, model, model_within, thread};

use super::*;

/// No time passes in a model: what is due by this one has come, and what is due later never comes.
static SOON: LazyLock<Instant> = LazyLock::new(|| Instant::now() + Duration::from_secs(60));

fn later() -> Instant {
    *SOON + Duration::from_secs(3600)
}

#[derive(Clone)]
struct Bench {
    reactor: Arc<Reactor>,
    poll: Arc<PollWaker>,
    /// How many timers were told that their time has come; std's, as it adds no orders.
    fired: Arc<Count>,
}

/// Whoever waits.
struct Waiter {
    sleeper: Arc<Sleeper>,
    fired: Arc<Count>,
}

impl Wake for Waiter {
    fn wake(self: Arc<Self>) {
        self.fired.fetch_add(1, Relaxed);
        self.sleeper.clone().wake();
    }
}

impl Bench {
    fn new() -> Self {
        static POLL: LazyLock<mio::Poll> = LazyLock::new(|| mio::Poll::new().unwrap());
        let poll = Arc::new(PollWaker::default());
        let wake = poll.clone();
        let reactor = Reactor::new(POLL.registry(), move || wake.wake().unwrap()).unwrap();
        Self { reactor: Arc::new(reactor), poll, fired: Arc::default() }
    }

    /// Waits for what `poll` polls. A wake that is lost is a deadlock, which loom reports.
    fn wait<R>(&self, mut poll: impl FnMut(&Context<'_>) -> Poll<R>) -> R {
        let sleeper = Arc::new(Sleeper::default());
        let waker = Waker::from(Arc::new(Waiter { sleeper: sleeper.clone(), fired: self.fired.clone() }));
        loop {
            if let Poll::Ready(done) = poll(&Context::from_waker(&waker)) {
                return done;
            }
            sleeper.sleep();
        }
    }

    /// Somebody who waits until `at`.
    fn timer(&self, at: Instant) -> thread::JoinHandle<()> {
        let bench = self.clone();
        thread::spawn(move || {
            let mut kept = None;
            bench.wait(|cx| bench.reactor.poll_timer(cx, at, &mut kept));
            kept.into_iter().for_each(|key| bench.reactor.forget_timer(key));
        })
    }

    /// The poll's thread, until so many timers are over.
    fn serve(&self, timers: usize) {
        while self.fired.load(Relaxed) < timers {
            match self.reactor.next() {
                Some(at) if at <= *SOON => self.reactor.fire(at),
                _ => self.poll.poll(),
            }
        }
    }

    fn assert_nobody_waits(&self) {
        assert!(self.reactor.lock().alarms.len() == 0);
    }
}

/// The poll's thread looks, is about to sleep, or sleeps; without any timer, or with one that is far off.
#[test]
fn no_timer_is_slept_over() {
    for has_another in [false, true] {
        model_within(2, move || {
            let bench = Bench::new();
            if has_another {
                let cx = Context::from_waker(Waker::noop());
                assert!(bench.reactor.poll_timer(&cx, later(), &mut None).is_pending());
            }
            let timers = [bench.timer(*SOON - Duration::from_secs(1)), bench.timer(*SOON)];
            bench.serve(2);
            timers.into_iter().for_each(|timer| timer.join().unwrap());
            assert_eq!(bench.reactor.lock().alarms.len(), usize::from(has_another));
        });
    }
}

/// As one timer ends, the poll's thread finds that there is none; and the next one comes.
#[test]
fn a_timer_after_the_last_one_is_not_slept_over() {
    model(|| {
        let bench = Bench::new();
        let other = bench.clone();
        let timers = thread::spawn(move || {
            other.timer(*SOON).join().unwrap();
            other.timer(*SOON).join().unwrap();
        });
        bench.serve(2);
        timers.join().unwrap();
        bench.assert_nobody_waits();
    });
}

/// The timer after it has its slot, and another time.
#[test]
fn a_timer_that_is_given_up_as_it_comes_due_ends_no_other() {
    model(|| {
        let bench = Bench::new();
        let (firing, poll) = (bench.reactor.clone(), bench.poll.clone());
        let fire = thread::spawn(move || {
            poll.poll();
            firing.fire(*SOON);
        });
        let cx = Context::from_waker(Waker::noop());
        let (mut given_up, mut kept) = (None, None);
        assert!(bench.reactor.poll_timer(&cx, *SOON, &mut given_up).is_pending());
        bench.reactor.forget_timer(given_up.unwrap());
        assert!(bench.reactor.poll_timer(&cx, later(), &mut kept).is_pending());
        fire.join().unwrap();
        assert!(bench.reactor.poll_timer(&cx, later(), &mut kept).is_pending());
        bench.reactor.fire(later());
        assert!(bench.reactor.poll_timer(&cx, later(), &mut kept).is_ready());
        bench.assert_nobody_waits();
    });
}

/// Its events are told by the model, not by the system.
struct Source;

impl mio::event::Source for Source {
    fn register(&mut self, _: &Registry, _: Token, _: Interest) -> io::Result<()> {
        Ok(())
    }

    fn reregister(&mut self, _: &Registry, _: Token, _: Interest) -> io::Result<()> {
        Ok(())
    }

    fn deregister(&mut self, _: &Registry) -> io::Result<()> {
        Ok(())
    }
}

/// What the system has received of a connection, and [`CLOSED`] once its peer has left.
type Received = Arc<AtomicUsize>;

const CLOSED: usize = 1 << 8;

impl Bench {
    /// A connection whose peer sends these, one after the other.
    fn receive<const N: usize>(&self, sent: [usize; N]) -> (Key, Received, thread::JoinHandle<()>) {
        let key = self.reactor.register(&mut Source).unwrap();
        let received = Received::default();
        let (bench, system) = (self.clone(), received.clone());
        let peer = thread::spawn(move || {
            for what in sent {
                system.fetch_add(what, Ordering::AcqRel);
                // An event tells of what is so when it is taken, and that is of the last one at the latest.
                let read = Told { is_ready: true, is_closed: what & CLOSED != 0 };
                bench.reactor.tell(key, read, Told { is_ready: false, is_closed: false });
            }
        });
        (key, received, peer)
    }

    /// Reads up to `wanted` bytes, or to the end.
    fn read(&self, key: Key, received: &Received, wanted: usize) -> usize {
        let call = || match received.fetch_and(CLOSED, Ordering::AcqRel) {
            0 => Err(io::ErrorKind::WouldBlock.into()),
            there => Ok(there & !CLOSED),
        };
        self.wait(|cx| self.reactor.poll_bytes(key, Direction::Read, cx, wanted, call)).unwrap()
    }
}

/// It comes before a read, after one that would block, or between that and the note of it.
#[test]
fn no_event_is_lost_to_a_read_that_would_block() {
    model(|| {
        let bench = Bench::new();
        let (key, received, peer) = bench.receive([1, 1, 1]);
        let mut count = 0;
        while count < 3 {
            // All that it asks for, as far as it knows: it reads on until the system would block.
            count += bench.read(key, &received, 1);
        }
        peer.join().unwrap();
    });
}

#[test]
fn no_event_is_lost_to_a_read_that_comes_short() {
    model(|| {
        let bench = Bench::new();
        let (key, received, peer) = bench.receive([1, 1, 1]);
        let mut count = 0;
        while count < 3 {
            count += bench.read(key, &received, 100);
        }
        peer.join().unwrap();
    });
}

/// No event tells of it twice.
#[test]
fn the_end_of_a_stream_is_seen_after_a_read_that_comes_short() {
    for sent in [[1, CLOSED], [0, 1 | CLOSED]] {
        model(move || {
            let bench = Bench::new();
            let (key, received, peer) = bench.receive(sent);
            assert_eq!(bench.read(key, &received, 100), 1);
            assert_eq!(bench.read(key, &received, 100), 0);
            peer.join().unwrap();
        });
    }
}

/// They wait already, are about to, or come too late.
#[test]
fn whoever_waits_is_told_that_the_poll_has_ended() {
    model(|| {
        let bench = Bench::new();
        let timer = bench.timer(later());
        let reading = bench.clone();
        let reader = thread::spawn(move || {
            let Ok(key) = reading.reactor.register(&mut Source) else { return };
            let call = || -> io::Result<()> { panic!("there was no event") };
            let read = reading.wait(|cx| reading.reactor.poll_io(key, Direction::Read, cx, call));
            assert_eq!(read.unwrap_err().kind(), io::ErrorKind::ConnectionAborted);
            reading.reactor.deregister(&mut Source, key);
        });
        bench.reactor.close();
        timer.join().unwrap();
        reader.join().unwrap();
        bench.assert_nobody_waits();
        assert!(bench.reactor.lock().sockets.is_empty());
    });
}
