//! The connections of one loop: a slab that only the loop's own thread sees, and so needs no locks.
//!
//! The table is borrowed for moments: never while a future is polled, or
//! while anything is dropped or woken that could run foreign code.

use std::{
    cell::RefCell,
    collections::VecDeque,
    mem::{self, ManuallyDrop},
    sync::Arc,
    task::{Context, Waker},
    time::{Duration, Instant},
};

use mio::event::Event;
use slab::Slab;
use trijet_backend::poll::{Key, Task, Timers};
use trijet_core::{after, driver::Driving};

use crate::{
    mailbox::{ConnectionWaker, Mailbox},
    readiness::{Direction, Readiness},
    shared::Drive,
    transport::MioTransport,
};

thread_local! {
    // Without a destructor, which every look would have to ask for: `Entered` takes out what is there.
    static CONNECTIONS: ManuallyDrop<RefCell<Option<Connections>>> =
        const { ManuallyDrop::new(RefCell::new(None)) };
}

/// The running `drive` of one connection.
pub(crate) type Driver = Driving<MioTransport>;

/// What a slot holds.
pub(crate) enum Work {
    /// Nothing goes on: no future, no buffer.
    Idle(MioTransport),
    /// A request, or part of one, is there.
    Active(Driver),
}

/// A connection's place in the table, opaque outside.
pub(crate) struct Slot {
    key: Key,
    /// `None` while it is being polled, as its waker: who polls has both, and counts no references.
    work: Option<Work>,
    waker: Option<Waker>,
    readiness: Arc<Readiness>,
    read_waker: Option<Waker>,
    write_waker: Option<Waker>,
    deadline: Option<Instant>,
    deadline_waker: Option<Waker>,
    /// The earliest entry in the timers.
    armed: Option<Instant>,
    /// Whether it is in the ready queue.
    queued: bool,
}

impl Slot {
    fn set_deadline(&mut self, at: Instant, timers: &mut Timers) {
        self.deadline = Some(at);
        if self.armed.is_none_or(|armed| at < armed) {
            self.armed = Some(at);
            timers.arm(at, self.key);
        }
    }

    fn waiting(&mut self, direction: Direction) -> &mut Option<Waker> {
        match direction {
            Direction::Read => &mut self.read_waker,
            Direction::Write => &mut self.write_waker,
        }
    }
}

/// A connection that has something to do.
pub(crate) struct Turn {
    pub(crate) key: Key,
    pub(crate) driver: Driver,
    pub(crate) waker: Waker,
}

/// What is to be dropped when the table is not borrowed. Boxed, as there mostly is none.
#[derive(Default)]
pub(crate) struct Unused {
    _wakers: [Option<Waker>; 3],
    _driver: Option<Driver>,
}

/// What a loop finds at the end of a round.
pub(crate) enum Next {
    /// Somebody waits for a deadline that has come.
    Wake(Waker),
    /// A connection has been idle for too long, and is no longer in its slot.
    Drop(MioTransport),
    /// Somebody waits for a turn.
    Turn,
    /// There is nothing to do but for events, until then.
    Wait(Option<Instant>),
}

pub(crate) struct Connections {
    slots: Slab<Slot>,
    generation: usize,
    ready: Vec<Key>,
    /// Those whose connections have gone idle in this round. How long they may be is counted from its end, when the loop
    /// asks the clock anyway.
    rested: Vec<Key>,
    /// What handlers have spawned, and has something to do.
    tasks: VecDeque<Arc<Task>>,
    timers: Timers,
    mailbox: Arc<Mailbox>,
    /// Those whose connections went idle, for the next ones that have something to say.
    spare: Vec<Driver>,
    /// The loop's.
    index: usize,
}

/// As many are kept: more are there only while so many handlers wait at once. Each is about 8 KiB with its buffers.
const SPARE_MAX: usize = 32;

/// Makes this thread a loop's own, until it is dropped with all its connections.
pub(crate) struct Entered(());

pub(crate) fn enter(index: usize, mailbox: Arc<Mailbox>) -> Entered {
    let connections = Connections {
        slots: Slab::new(),
        generation: 0,
        ready: Vec::new(),
        rested: Vec::new(),
        tasks: VecDeque::new(),
        timers: Timers::default(),
        mailbox,
        spare: Vec::new(),
        index,
    };
    CONNECTIONS.with(|own| own.replace(Some(connections)));
    Entered(())
}

impl Drop for Entered {
    fn drop(&mut self) {
        // Dropping a handler's future may call wakers, which find the table gone then.
        let connections = CONNECTIONS.with(|connections| connections.take());
        for slot in connections.into_iter().flat_map(|connections| connections.slots) {
            crate::contained("dropping a connection", || drop(slot));
        }
    }
}

/// Looks at this thread's connections; `None` on any other thread.
#[inline]
pub(crate) fn with<R>(look: impl FnOnce(&mut Connections) -> R) -> Option<R> {
    CONNECTIONS.with(|connections| connections.borrow_mut().as_mut().map(look))
}

/// Looks at this thread's connections if they are those of the loop with this mailbox.
fn with_own<R>(mailbox: &Arc<Mailbox>, look: impl FnOnce(&mut Connections) -> R) -> Option<R> {
    let looked = CONNECTIONS.try_with(|connections| {
        // A waker that is called while the table is borrowed goes by the mailbox, like a foreign one.
        let mut connections = connections.try_borrow_mut().ok()?;
        connections.as_mut().filter(|own| Arc::ptr_eq(&own.mailbox, mailbox)).map(look)
    });
    looked.ok().flatten()
}

/// Queues the connection if this is the thread of its loop.
pub(crate) fn wake_here(mailbox: &Arc<Mailbox>, key: Key) -> bool {
    with_own(mailbox, |own| own.queue(key)).is_some()
}

/// Has the loop run a task.
pub(crate) fn schedule(mailbox: &Arc<Mailbox>, task: Arc<Task>) {
    let mut task = Some(task);
    with_own(mailbox, |own| own.tasks.extend(task.take()));
    if let Some(task) = task {
        mailbox.schedule(task);
    }
}

/// Whether this is the thread of the loop with this mailbox: it looks at its timers before it sleeps.
pub(crate) fn is_here(mailbox: &Arc<Mailbox>) -> bool {
    with_own(mailbox, |_| ()).is_some()
}

/// The index of this thread's loop.
pub(crate) fn index() -> Option<usize> {
    CONNECTIONS.try_with(|connections| Some(connections.try_borrow().ok()?.as_ref()?.index)).ok().flatten()
}

impl Connections {
    /// A slot for a new connection, to be filled by [`keep_idle`](Self::keep_idle), and what is known of its directions.
    pub(crate) fn reserve(&mut self) -> (Key, Arc<Readiness>) {
        let entry = self.slots.vacant_entry();
        self.generation = self.generation.wrapping_add(1);
        let key = Key::new(entry.key(), self.generation);
        let waker = Waker::from(Arc::new(ConnectionWaker::new(key, self.mailbox.clone())));
        let readiness = Arc::<Readiness>::default();
        entry.insert(Slot {
            key,
            work: None,
            waker: Some(waker),
            readiness: readiness.clone(),
            read_waker: None,
            write_waker: None,
            deadline: None,
            deadline_waker: None,
            armed: None,
            queued: false,
        });
        (key, readiness)
    }

    fn slot(&mut self, key: Key) -> Option<&mut Slot> {
        slot_of(&mut self.slots, key)
    }

    /// Lets the connection have a turn.
    pub(crate) fn queue(&mut self, key: Key) {
        let was_queued = self.slot(key).is_none_or(|slot| mem::replace(&mut slot.queued, true));
        if !was_queued {
            self.ready.push(key);
        }
    }

    /// Lets every connection have a turn.
    pub(crate) fn queue_all(&mut self) {
        for (_, slot) in &mut self.slots {
            if !mem::replace(&mut slot.queued, true) {
                self.ready.push(slot.key);
            }
        }
    }

    /// Takes tasks that came from other threads.
    pub(crate) fn take_tasks(&mut self, tasks: &mut Vec<Arc<Task>>) {
        self.tasks.extend(tasks.drain(..));
    }

    /// Takes the next task that has something to do.
    pub(crate) fn next_task(&mut self) -> Option<Arc<Task>> {
        self.tasks.pop_front()
    }

    /// Those that wait for a turn now, in exchange for a queue that is empty, and how many tasks do. Those that are woken
    /// meanwhile come after the next events.
    pub(crate) fn begin_round(&mut self, round: &mut Vec<Key>) -> usize {
        mem::swap(&mut self.ready, round);
        self.tasks.len()
    }

    /// Takes a connection whose turn it is out of its slot. One that is idle is served with `drive`, if there
    /// may be something to read or the server `is_stopping`; else it was woken by what an earlier request has left behind.
    /// `drive` only begins: nothing of the app's runs.
    pub(crate) fn begin_turn(&mut self, key: Key, drive: &Drive, is_stopping: bool) -> Option<Turn> {
        let slot = slot_of(&mut self.slots, key)?;
        slot.queued = false;
        let driver = match slot.work.take()? {
            Work::Active(driver) => driver,
            Work::Idle(transport) if is_stopping || slot.readiness.is_ready(Direction::Read) => {
                drive(transport, self.spare.pop())
            }
            idle => {
                slot.work = Some(idle);
                return None;
            }
        };
        let waker = slot.waker.take()?;
        Some(Turn { key, driver, waker })
    }

    /// Puts a connection back that waits.
    pub(crate) fn keep_active(&mut self, Turn { key, driver, waker }: Turn) {
        if let Some(slot) = self.slot(key) {
            slot.work = Some(Work::Active(driver));
            slot.waker = Some(waker);
        }
    }

    /// Keeps a new connection, which is idle.
    pub(crate) fn keep_idle(&mut self, key: Key, transport: MioTransport) {
        if let Some(slot) = slot_of(&mut self.slots, key) {
            slot.work = Some(Work::Idle(transport));
            self.rested.push(key);
        }
    }

    /// The end of a turn whose connection is idle. Gives what need not be held any longer: wakers, where it has waited in
    /// its turn, or the driver, where there are enough.
    pub(crate) fn rest(
        &mut self,
        Turn { key, driver, waker }: Turn,
        transport: MioTransport,
    ) -> Option<Box<Unused>> {
        let mut unused = None;
        if let Some(slot) = slot_of(&mut self.slots, key) {
            slot.work = Some(Work::Idle(transport));
            slot.waker = Some(waker);
            self.rested.push(key);
            if slot.readiness.is_ready(Direction::Read) && !mem::replace(&mut slot.queued, true) {
                self.ready.push(key);
            }
            let kept = [&mut slot.read_waker, &mut slot.write_waker, &mut slot.deadline_waker];
            if kept.iter().any(|kept| kept.is_some()) {
                let own = slot.waker.as_ref();
                let wakers =
                    kept.map(|kept| kept.take().filter(|kept| !own.is_some_and(|own| own.will_wake(kept))));
                // Copies of the connection's own waker are dropped here, which only counts: it is in the slot.
                if wakers.iter().any(Option::is_some) {
                    unused = Some(Box::new(Unused { _wakers: wakers, _driver: None }));
                }
            }
        }
        if self.spare.len() < SPARE_MAX {
            self.spare.push(driver);
        } else {
            unused.get_or_insert_default()._driver = Some(driver);
        }
        unused
    }

    /// Frees the slot. What it still held is given back, to be dropped when the table is not borrowed.
    #[must_use]
    pub(crate) fn remove(&mut self, key: Key) -> Option<Slot> {
        self.slot(key)?;
        let slot = self.slots.remove(key.index());
        let slots = &self.slots;
        self.timers.tidy(slots.len(), |at, key| {
            slots.get(key.index()).is_some_and(|slot| slot.key == key && slot.armed == Some(at))
        });
        Some(slot)
    }

    /// Takes note of an event, and gives the wakers that wait for it.
    pub(crate) fn on_event(&mut self, key: Key, event: &Event) -> Option<[Option<Waker>; 2]> {
        let slot = slot_of(&mut self.slots, key)?;
        slot.readiness.on_event(event);
        let is_readable = slot.readiness.is_ready(Direction::Read);
        if is_readable && matches!(slot.work, Some(Work::Idle(_))) {
            if !mem::replace(&mut slot.queued, true) {
                self.ready.push(key);
            }
            return None;
        }
        let is_writable = slot.readiness.is_ready(Direction::Write);
        let read = if is_readable { slot.read_waker.take() } else { None };
        Some([read, if is_writable { slot.write_waker.take() } else { None }])
    }

    /// Keeps the waker until there is an event of `direction`: one that says that there is more, or that the peer has
    /// ended it. Reading and watching for the end share one place. `None`: the connection is not on this thread.
    ///
    /// Gives a waker that it replaced, to be dropped when the table is not borrowed.
    pub(crate) fn wait_for(
        &mut self,
        key: Key,
        direction: Direction,
        cx: &Context<'_>,
    ) -> Option<Option<Waker>> {
        Some(keep_waker(self.slot(key)?.waiting(direction), cx))
    }

    /// Keeps the waker until `at`. Gives a waker that it replaced.
    pub(crate) fn wait_until(&mut self, key: Key, at: Instant, cx: &Context<'_>) -> Option<Waker> {
        let slot = slot_of(&mut self.slots, key)?;
        slot.set_deadline(at, &mut self.timers);
        keep_waker(&mut slot.deadline_waker, cx)
    }

    /// What is to be done next, at the end of a round, where a connection may be idle for `idle_timeout`.
    pub(crate) fn next(&mut self, now: Instant, idle_timeout: Duration) -> Next {
        if !self.rested.is_empty() {
            let deadline = after(now, idle_timeout);
            while let Some(key) = self.rested.pop() {
                let slot = slot_of(&mut self.slots, key);
                // A new one may have had its first turn already, and wait for a deadline of its own.
                if let Some(slot) = slot.filter(|slot| matches!(slot.work, Some(Work::Idle(_)))) {
                    slot.set_deadline(deadline, &mut self.timers);
                }
            }
        }
        while let Some((at, key)) = self.timers.pop_due(now) {
            let slot = slot_of(&mut self.slots, key);
            let Some(slot) = slot.filter(|slot| slot.armed == Some(at)) else { continue };
            slot.armed = None;
            match slot.deadline {
                Some(deadline) if deadline > now => slot.set_deadline(deadline, &mut self.timers),
                Some(_) => {
                    slot.deadline = None;
                    if let Some(waker) = slot.deadline_waker.take() {
                        return Next::Wake(waker);
                    }
                    // Data that is there already was in time. (A wake alone is none: late ones come at any time.)
                    if matches!(slot.work, Some(Work::Idle(_))) && !slot.readiness.is_ready(Direction::Read) {
                        let slot = self.slots.remove(key.index());
                        if let Some(Work::Idle(transport)) = slot.work {
                            return Next::Drop(transport);
                        }
                    }
                }
                None => {}
            }
        }
        if self.ready.is_empty() && self.tasks.is_empty() {
            Next::Wait(self.timers.next())
        } else {
            Next::Turn
        }
    }
}

/// As [`Connections::slot`], where the rest of the table is used meanwhile.
fn slot_of(slots: &mut Slab<Slot>, key: Key) -> Option<&mut Slot> {
    slots.get_mut(key.index()).filter(|slot| slot.key == key)
}

fn keep_waker(kept: &mut Option<Waker>, cx: &Context<'_>) -> Option<Waker> {
    match kept {
        Some(waker) if waker.will_wake(cx.waker()) => None,
        other => other.replace(cx.waker().clone()),
    }
}

#[cfg(all(test, not(trijet_loom)))]
mod tests {
    use super::*;

    #[test]
    fn what_outlives_a_connection_does_not_reach_the_next_in_its_slot() {
        let poll = mio::Poll::new().unwrap();
        let mailbox = Arc::new(Mailbox::new(poll.registry()).unwrap());
        let _entered = enter(0, mailbox.clone());
        let (first, second) = with(|own| {
            let (first, _) = own.reserve();
            own.wait_until(first, Instant::now(), &Context::from_waker(Waker::noop()));
            drop(own.remove(first));
            (first, own.reserve().0)
        })
        .unwrap();
        assert_eq!((first.index(), first == second), (second.index(), false));
        assert!(wake_here(&mailbox, first));
        with(|own| {
            assert!(own.wait_for(first, Direction::Read, &Context::from_waker(Waker::noop())).is_none());
            let next = own.next(Instant::now(), Duration::ZERO);
            assert!(matches!(next, Next::Wait(None)), "neither a late wake nor a late timer");
            assert!(own.remove(first).is_none());
            own.queue(second);
            own.queue(second);
            let mut round = Vec::new();
            own.begin_round(&mut round);
            assert_eq!(round, [second], "queued once");
        });
    }
}
