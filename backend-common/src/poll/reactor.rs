//! What handlers wait for on a poll: their timers and their sockets. The poll's thread tells it of events and of
//! time; any thread may wait. No waker is called, cloned or dropped under its lock: it may be the app's own.

use std::{
    fmt, io, iter,
    sync::PoisonError,
    task::{Context, Poll, Waker, ready},
    time::Instant,
};

use mio::{Interest, Registry, event::Event};
use slab::Slab;
use trijet_core::runtime::wake;

use super::{
    Key,
    side::{Direction, Seen, Side, Told},
    token,
};
use crate::{
    alarms::Alarms,
    server_has_ended,
    sync::{
        Mutex, MutexGuard,
        atomic::{AtomicBool, Ordering},
    },
};

/// The timers and sockets of handlers, on one poll.
pub struct Reactor {
    registry: Registry,
    /// Has the poll's thread look at [`next`](Self::next) again, if it may be asleep.
    wake: Box<dyn Fn() + Send + Sync>,
    /// Whether there may be a timer: as long as there is none, a turn takes no lock.
    is_armed: AtomicBool,
    state: Mutex<State>,
}

struct State {
    alarms: Alarms,
    sockets: Slab<Watched>,
    generation: usize,
    is_closed: bool,
}

/// A socket's readiness, as the events have told it.
struct Watched {
    key: Key,
    read: Side,
    write: Side,
}

impl State {
    fn next_generation(&mut self) -> usize {
        self.generation = self.generation.wrapping_add(1);
        self.generation
    }

    fn socket(&mut self, key: Key) -> Option<&mut Watched> {
        self.sockets.get_mut(key.index()).filter(|watched| watched.key == key)
    }

    fn side(&mut self, key: Key, direction: Direction) -> Option<&mut Side> {
        let watched = self.socket(key)?;
        Some(match direction {
            Direction::Read => &mut watched.read,
            Direction::Write => &mut watched.write,
        })
    }
}

impl Reactor {
    /// For the poll of `registry`. `wake` is called on any thread when there is a timer earlier than all others: the
    /// poll's own thread, which looks by itself before it sleeps, need not be woken by itself.
    ///
    /// # Errors
    /// Those of the system.
    pub fn new(registry: &Registry, wake: impl Fn() + Send + Sync + 'static) -> io::Result<Self> {
        Ok(Self {
            registry: registry.try_clone()?,
            wake: Box::new(wake),
            is_armed: AtomicBool::new(false),
            state: Mutex::new(State {
                alarms: Alarms::new(),
                sockets: Slab::new(),
                generation: 0,
                is_closed: false,
            }),
        })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The next time at which [`fire`](Self::fire) is worth a call.
    #[inline]
    pub fn next(&self) -> Option<Instant> {
        // Set before the wake that follows it, or on this very thread.
        if !self.is_armed.load(Ordering::Acquire) {
            return None;
        }
        let state = self.lock();
        let next = state.alarms.next();
        self.is_armed.store(next.is_some(), Ordering::Release);
        next
    }

    /// Wakes those whose time has come.
    #[inline]
    pub fn fire(&self, now: Instant) {
        if self.is_armed.load(Ordering::Acquire) {
            self.wake_due(now);
        }
    }

    fn wake_due(&self, now: Instant) {
        let due: Vec<Waker> = {
            let mut state = self.lock();
            iter::from_fn(|| state.alarms.pop_due(now)).collect()
        };
        due.into_iter().for_each(wake);
    }

    /// Takes note of an event of the socket `key`, and wakes who waits for it.
    pub fn on_event(&self, key: Key, event: &Event) {
        let has_failed = event.is_error();
        let read = Told { is_ready: event.is_readable(), is_closed: event.is_read_closed() || has_failed };
        let write = Told { is_ready: event.is_writable(), is_closed: event.is_write_closed() || has_failed };
        self.tell(key, read, write);
    }

    fn tell(&self, key: Key, read: Told, write: Told) {
        let wakers = {
            let mut state = self.lock();
            let Some(watched) = state.socket(key) else { return };
            [watched.read.tell(read), watched.write.tell(write)]
        };
        wakers.into_iter().flatten().for_each(wake);
    }

    /// Wakes all; from now on no timer is kept, and sockets have failed. The poll's thread has ended.
    pub fn close(&self) {
        let mut wakers = Vec::new();
        {
            let state = &mut *self.lock();
            state.is_closed = true;
            wakers.extend(state.alarms.drain());
            for (_, watched) in &mut state.sockets {
                wakers.extend(watched.read.waker.take());
                wakers.extend(watched.write.waker.take());
            }
        }
        wakers.into_iter().for_each(wake);
    }

    /// Ready once `at` has come, which the caller has found that it has not yet, and where no timer is kept any more.
    /// `kept` is the timer's own place.
    pub(super) fn poll_timer(&self, cx: &Context<'_>, at: Instant, kept: &mut Option<Key>) -> Poll<()> {
        let waker = cx.waker().clone();
        let mut state = self.lock();
        if state.is_closed {
            drop(state);
            return Poll::Ready(());
        }
        if let Some(key) = *kept {
            let replaced = state.alarms.replace(key, waker);
            drop(state);
            // Its time has come just now, if it has no place any more.
            return if replaced.is_ok() { Poll::Pending } else { Poll::Ready(()) };
        }
        let (key, is_earliest) = state.alarms.add(at, waker);
        *kept = Some(key);
        self.is_armed.store(true, Ordering::Release);
        drop(state);
        if is_earliest {
            (self.wake)();
        }
        Poll::Pending
    }

    /// Nobody waits for that timer any more.
    pub(super) fn forget_timer(&self, key: Key) {
        let forgotten = self.lock().alarms.remove(key);
        drop(forgotten);
    }

    /// Watches `source` for both directions.
    pub(super) fn register(&self, source: &mut impl mio::event::Source) -> io::Result<Key> {
        let key = {
            let mut state = self.lock();
            if state.is_closed {
                return Err(server_has_ended());
            }
            let generation = state.next_generation();
            let entry = state.sockets.vacant_entry();
            let key = Key::new(entry.key(), generation);
            entry.insert(Watched { key, read: Side::default(), write: Side::default() });
            key
        };
        // After it has its place: an event that came first would be lost for ever.
        match self.registry.register(source, token::socket(key), Interest::READABLE | Interest::WRITABLE) {
            Ok(()) => Ok(key),
            Err(error) => {
                self.lock().sockets.remove(key.index());
                Err(error)
            }
        }
    }

    /// Ends the watch.
    pub(super) fn deregister(&self, source: &mut impl mio::event::Source, key: Key) {
        if let Err(error) = self.registry.deregister(source) {
            log::error!("a handler's connection could not be taken off the poll: {error}");
        }
        let watched = self.lock().sockets.try_remove(key.index());
        drop(watched);
    }

    /// Reads or writes some of `wanted` bytes by `call`; otherwise as [`poll_io`](Self::poll_io).
    pub(super) fn poll_bytes(
        &self,
        key: Key,
        direction: Direction,
        cx: &Context<'_>,
        wanted: usize,
        call: impl FnMut() -> io::Result<usize>,
    ) -> Poll<io::Result<usize>> {
        let (count, seen) = ready!(self.poll_call(key, direction, cx, call))?;
        // The end of the stream is there for ever.
        if 0 < count && count < wanted {
            self.note(key, direction, |side| side.came_short(seen));
        }
        Poll::Ready(Ok(count))
    }

    /// Makes `call` until it does anything but block, or there is nothing to call for.
    pub(super) fn poll_io<R>(
        &self,
        key: Key,
        direction: Direction,
        cx: &Context<'_>,
        call: impl FnMut() -> io::Result<R>,
    ) -> Poll<io::Result<R>> {
        self.poll_call(key, direction, cx, call).map_ok(|(done, _)| done)
    }

    fn poll_call<R>(
        &self,
        key: Key,
        direction: Direction,
        cx: &Context<'_>,
        mut call: impl FnMut() -> io::Result<R>,
    ) -> Poll<io::Result<(R, Seen)>> {
        loop {
            let seen = ready!(self.poll_ready(key, direction, cx))?;
            match call() {
                Ok(done) => return Poll::Ready(Ok((done, seen))),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.note(key, direction, |side| side.would_block(seen));
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
    }

    /// Ready when a call to the system may have something to do, or will tell what is wrong.
    fn poll_ready(&self, key: Key, direction: Direction, cx: &Context<'_>) -> Poll<io::Result<Seen>> {
        let mut waker = Some(cx.waker().clone());
        let mut state = self.lock();
        if state.is_closed {
            return Poll::Ready(Err(server_has_ended()));
        }
        state
            .side(key, direction)
            .map_or(Poll::Ready(Err(server_has_ended())), |side| side.poll(&mut waker).map(Ok))
    }

    fn note(&self, key: Key, direction: Direction, note: impl FnOnce(&mut Side)) {
        if let Some(side) = self.lock().side(key, direction) {
            note(side);
        }
    }
}

impl fmt::Debug for Reactor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reactor").finish_non_exhaustive()
    }
}

#[cfg(all(test, trijet_loom))]
mod models;

#[cfg(all(test, not(trijet_loom)))]
mod tests {
    use std::{
        sync::{
            Arc,
            atomic::{AtomicUsize, Ordering},
        },
        task::Wake,
        time::Duration,
    };

    use super::*;

    #[derive(Default)]
    struct Count(AtomicUsize);

    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }

    impl Count {
        fn get(&self) -> usize {
            self.0.load(Ordering::SeqCst)
        }
    }

    /// A waker may be the app's, and come back here however it is used.
    #[test]
    fn timers_call_and_drop_wakers_without_the_lock() {
        struct ComesBack(Arc<Reactor>, Arc<Count>);
        impl ComesBack {
            fn come_back(&self) {
                assert!(self.0.state.try_lock().is_ok());
                self.1.clone().wake();
            }
        }
        impl Wake for ComesBack {
            fn wake(self: Arc<Self>) {
                self.come_back();
            }
        }
        impl Drop for ComesBack {
            fn drop(&mut self) {
                self.come_back();
            }
        }
        let poll = mio::Poll::new().unwrap();
        let reactor = Arc::new(Reactor::new(poll.registry(), || {}).unwrap());
        let count = Arc::new(Count::default());
        let waker = || Waker::from(Arc::new(ComesBack(reactor.clone(), count.clone())));
        let at = Instant::now() + Duration::from_secs(600);
        let wait = |kept: &mut Option<Key>| {
            assert!(reactor.poll_timer(&Context::from_waker(&waker()), at, kept).is_pending());
        };
        let mut kept = None;
        wait(&mut kept);
        wait(&mut kept);
        assert_eq!(count.get(), 1, "one is replaced");
        reactor.forget_timer(kept.unwrap());
        assert_eq!(count.get(), 2, "one is forgotten");
        wait(&mut None);
        reactor.fire(at);
        assert_eq!(count.get(), 4, "one is woken, and dropped");
        wait(&mut None);
        reactor.close();
        assert_eq!(count.get(), 6, "so is one that waits at the end");
    }

    #[test]
    fn timers_fire_once_in_time_and_only_an_earliest_one_wakes_the_poll() {
        let poll = mio::Poll::new().unwrap();
        let woken = Arc::new(Count::default());
        let wake = woken.clone();
        let reactor = Reactor::new(poll.registry(), move || wake.clone().wake()).unwrap();
        assert_eq!(reactor.next(), None);
        let count = Arc::new(Count::default());
        let waker = Waker::from(count.clone());
        let cx = Context::from_waker(&waker);
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut kept: Vec<_> = [50, 40, 60, 45]
            .map(|seconds| {
                let mut kept = None;
                assert!(reactor.poll_timer(&cx, at(seconds), &mut kept).is_pending());
                kept
            })
            .into();
        assert_eq!(woken.get(), 2, "those of 50 and of 40");
        assert_eq!(reactor.next(), Some(at(40)));
        reactor.fire(at(39));
        assert_eq!(count.get(), 0);
        reactor.fire(at(45));
        assert_eq!(count.get(), 2);
        assert!(reactor.poll_timer(&cx, at(40), &mut kept[1]).is_ready());
        reactor.forget_timer(kept[0].unwrap());
        reactor.forget_timer(kept[1].unwrap());
        reactor.fire(at(50));
        assert_eq!(count.get(), 2, "nobody waits for it any more");
        reactor.close();
        assert_eq!(count.get(), 3);
        assert!(reactor.poll_timer(&cx, at(60), &mut kept[2]).is_ready(), "closed");
    }

    #[test]
    fn timers_that_are_given_up_leave_nothing_behind() {
        let poll = mio::Poll::new().unwrap();
        let reactor = Reactor::new(poll.registry(), || {}).unwrap();
        let cx = Context::from_waker(Waker::noop());
        let at = Instant::now() + Duration::from_secs(60);
        for _ in 0..10_000 {
            let mut kept = None;
            assert!(reactor.poll_timer(&cx, at, &mut kept).is_pending());
            reactor.forget_timer(kept.unwrap());
        }
        let state = reactor.lock();
        assert_eq!(state.alarms.len(), 0);
    }
}
