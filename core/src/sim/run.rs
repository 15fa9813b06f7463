//! The schedule: whoever can do something does one step, until nobody can; only then time passes.
//! Jobs run on this thread, one at a time, and the simulation goes on below them while they wait.

use std::{
    cell::{Cell, RefCell},
    rc::Rc,
    sync::Arc,
    task::{Context, Poll, Wake, Waker},
    time::{Duration, Instant, SystemTime},
};

use super::{
    CENTURY, Peer, Settings, SimTransport,
    alarm::{Alarm, Bell},
    connection::WAIT_MAX,
    holding::Holding,
    peer,
    runtime::SimRuntime,
    world::Shared,
};
use crate::{
    App, BoxFuture, CloseReason, Limits, Outcome, Router, Transport, after,
    driver::Driving,
    jobs::Blocker,
    rt::{Address, TcpStream},
    runtime::{self, Runtime},
};

/// A server and its clients, in memory.
///
/// Nothing happens until it is told to go on: [`settle`](Self::settle) without time passing,
/// [`advance`](Self::advance) for some time, [`run`](Self::run) until nothing can happen any more.
/// Clones are the same simulation.
///
/// ```
/// use std::time::Duration;
/// use trijet_core::{CloseReason, Router, get, sim::{Settings, Sim}};
///
/// let sim = Sim::new(Router::new().route("/", get(|| "hello")), Settings::default());
/// let peer = sim.connect();
/// peer.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
/// sim.settle();
/// assert!(peer.received_text().ends_with("\r\n\r\nhello"));
///
/// sim.advance(Duration::from_secs(74));
/// assert!(!peer.is_closed());
/// sim.advance(Duration::from_secs(1));
/// assert_eq!(sim.close_reason(&peer), Some(CloseReason::IdleTimeout));
/// ```
#[derive(Clone)]
pub struct Sim(Rc<Inner>);

struct Inner {
    app: Arc<App>,
    limits: Arc<Limits>,
    world: Shared,
    patience: Cell<Duration>,
    bell: Arc<Bell>,
    slots: RefCell<Vec<Slot>>,
    /// Connections that no peer is left of: the next ones take their places once they are closed.
    left: RefCell<Vec<usize>>,
    spare: RefCell<Vec<Drive>>,
    runtime: Arc<SimRuntime>,
    /// What was spawned; a place is free again once its task is over.
    tasks: RefCell<Vec<Spawned>>,
    is_in_job: Cell<bool>,
    /// When what still runs after a stop is cut.
    cut_at: Cell<Option<Instant>>,
}

/// One connection of the server.
struct Slot {
    task: Task,
    alarm: Arc<Alarm>,
    /// It was resumed because the server stops.
    was_told: bool,
}

/// A task of `rt`.
struct Spawned {
    /// `None` while it is polled, and when it is over.
    future: Option<BoxFuture<()>>,
    alarm: Arc<Alarm>,
}

type Drive = Driving<SimTransport>;

enum Task {
    Driven(Drive),
    /// It is being polled.
    Away,
    Idle(SimTransport, Instant),
    Closed(CloseReason),
}

enum Action {
    Act(usize),
    Wake,
    Poll(usize),
    Resume(usize),
    Expire(usize),
    RunJob,
    PollTask(usize),
    RunCall,
}

/// A task is polled without a cause once in so many steps.
const SPURIOUS: usize = 16;

impl Sim {
    /// Serves `router`.
    ///
    /// # Panics
    /// If it must not be served, or the limits cannot be honoured.
    #[track_caller]
    pub fn new(router: Router, settings: Settings) -> Self {
        let app = match router.build() {
            Ok(app) => app,
            Err(error) => panic!("the router cannot be served: {error}"),
        };
        Self::with_app(app.with_body_bytes_max(settings.limits.body_bytes_max).into(), settings)
    }

    /// Serves an app that is built already, and may be served more than once. The limit of its bodies is
    /// its own.
    ///
    /// # Panics
    /// If the limits cannot be honoured.
    #[track_caller]
    pub fn with_app(app: Arc<App>, settings: Settings) -> Self {
        if let Err(fault) = settings.limits.validate() {
            panic!("{fault}");
        }
        let Settings { hold_clock, limits: Limits { loop_hold_max, .. }, .. } = settings;
        let holding =
            hold_clock.zip(loop_hold_max).map(|(clock, max)| Holding::new(clock, max, app.route_names()));
        let world = Shared::new(&settings, holding);
        Self(Rc::new(Inner {
            app,
            limits: Arc::new(settings.limits),
            runtime: SimRuntime::new(world.clone()),
            tasks: RefCell::default(),
            world,
            patience: Cell::new(settings.patience.unwrap_or_default().min(CENTURY)),
            bell: Arc::default(),
            slots: RefCell::default(),
            left: RefCell::default(),
            spare: RefCell::default(),
            is_in_job: Cell::new(false),
            cut_at: Cell::new(None),
        }))
    }

    /// A client connects. Once the server stops, it is reset.
    pub fn connect(&self) -> Peer {
        let inner = &*self.0;
        let free = inner.take_left();
        let mut world = inner.world.lock();
        let (wire, old) = match free {
            Some(wire) => (wire, Some(std::mem::take(&mut world.wires[wire]))),
            None => (world.add_wire(), None),
        };
        let is_stopping = world.is_stopping;
        drop(world);
        // The wakers in it may be anybody's.
        drop(old);
        let transport = SimTransport::new(inner.world.clone(), wire);
        let task = if is_stopping {
            drop(transport);
            inner.world.lock().wires[wire].to_peer.reset();
            Task::Closed(CloseReason::Stopping)
        } else {
            inner.drive(transport)
        };
        let alarm = Alarm::set(inner.bell.clone());
        let slot = Slot { task, alarm, was_told: false };
        let mut slots = inner.slots.borrow_mut();
        match free {
            Some(wire) => slots[wire] = slot,
            None => slots.push(slot),
        }
        drop(slots);
        Peer { world: inner.world.clone(), wire }
    }

    /// Nobody will ask any more what has become of `peer`, which has closed.
    pub(super) fn forget(&self, peer: &Peer) {
        self.0.left.borrow_mut().push(peer.wire);
    }

    /// Has `serve` answer whoever connects to `address` with [`rt::TcpStream`](crate::rt::TcpStream): a name and a port, or
    /// an address. What it gives is polled as a task of its own, on virtual time, with the other end of the connection.
    ///
    /// ```
    /// use std::{io, time::Duration};
    /// use trijet_core::{Router, get, rt::{self, TcpStream}, sim::TestClient};
    ///
    /// async fn ask() -> io::Result<String> {
    ///     let mut database = TcpStream::connect("db.internal:5000").await?;
    ///     let mut answer = [0; 3];
    ///     database.read(&mut answer).await?;
    ///     String::from_utf8(answer.into()).map_err(io::Error::other)
    /// }
    /// let app = Router::new().route("/", get(async || ask().await.unwrap_or_else(|error| error.to_string())));
    /// let client = TestClient::new(app);
    /// client.sim().host("db.internal:5000", |mut client: TcpStream| async move {
    ///     rt::sleep(Duration::from_secs(3600)).await;
    ///     client.write_all(b"yes").await.unwrap();
    /// });
    /// assert_eq!(client.get("/").send().text(), "yes");
    /// ```
    ///
    /// # Panics
    /// If the address has no port.
    pub fn host<S, F>(&self, address: impl Address, serve: S)
    where
        S: Fn(TcpStream) -> F + Send + Sync + 'static,
        F: Future<Output = ()> + Send + 'static,
    {
        let host = address.host().unwrap_or_else(|error| panic!("{error}"));
        let serve = Arc::new(move |stream| Box::pin(serve(stream)) as BoxFuture<()>);
        self.0.world.lock().services.add_host(host, serve);
    }

    /// Goes on until nothing can happen without time passing. Time passes even so while a plain handler
    /// waits for its body, since it waits on this thread: let the peer's script [`wait`](Peer::wait) then.
    ///
    /// # Panics
    /// If the simulation cannot go on: a plain handler waits for something that never comes.
    #[track_caller]
    pub fn settle(&self) {
        while self.step() {}
    }

    /// Goes on for `duration` of virtual time.
    ///
    /// # Panics
    /// As [`settle`](Self::settle).
    #[track_caller]
    pub fn advance(&self, duration: Duration) {
        let until = self.0.world.lock().now + duration.min(CENTURY);
        self.settle();
        while self.0.pass_time(Some(until)) {
            self.settle();
        }
        self.0.reach(until);
        self.settle();
    }

    /// Goes on until nothing can happen any more: without open scripts, until every connection was
    /// closed for being idle.
    ///
    /// # Panics
    /// As [`settle`](Self::settle).
    #[track_caller]
    pub fn run(&self) {
        self.settle();
        while self.pass_time() {
            self.settle();
        }
    }

    /// Does one thing, and tells whether there was one.
    #[track_caller]
    fn step(&self) -> bool {
        match self.try_step() {
            Ok(is_done) => is_done,
            Err(fault) => panic!("{fault}"),
        }
    }

    /// Does one thing, and tells whether there was one; an error where the simulation must not go on.
    pub(super) fn try_step(&self) -> Result<bool, String> {
        let inner = &*self.0;
        let _inside = runtime::enter(inner.runtime.clone());
        inner.world.wake_due();
        inner.take_spawned();
        let mut actions = inner.actions();
        if actions.is_empty() {
            return Ok(false);
        }
        let (choice, spurious) = {
            let rng = &mut inner.world.lock().rng;
            (rng.pick(actions.len()), rng.is_once_in(SPURIOUS).then(|| rng.pick(inner.slots.borrow().len())))
        };
        if let Some(task) = spurious {
            inner.slots.borrow()[task].alarm.wake_by_ref();
        }
        match actions.swap_remove(choice) {
            Action::Act(wire) => peer::act(&mut inner.world.lock(), wire),
            Action::Wake => {
                let mut world = inner.world.lock();
                let late = world.late.len();
                let late = world.rng.pick(late);
                world.late.swap_remove(late).wake();
            }
            Action::Poll(slot) => inner.poll(slot),
            Action::Resume(slot) => {
                let is_stopping = inner.world.lock().is_stopping;
                let slot = &mut inner.slots.borrow_mut()[slot];
                if let Task::Idle(transport, _) = std::mem::replace(&mut slot.task, Task::Away) {
                    slot.task = inner.drive(transport);
                    slot.was_told = is_stopping;
                    slot.alarm.wake_by_ref();
                }
            }
            Action::Expire(slot) => {
                inner.slots.borrow_mut()[slot].task = Task::Closed(CloseReason::IdleTimeout);
            }
            Action::RunJob => {
                // The lock is free while the job runs.
                let job = inner.world.lock().jobs.pop_front();
                inner.is_in_job.set(true);
                if let Some(job) = job {
                    job.run(Some(Rc::new(self.clone())));
                }
                inner.is_in_job.set(false);
            }
            Action::PollTask(task) => inner.poll_task(task),
            Action::RunCall => {
                let call = inner.world.lock().services.calls.pop_front();
                if let Some(call) = call {
                    call.run();
                }
            }
        }
        // Within a job a panic would be the handler's.
        if !inner.is_in_job.get() {
            let fault = inner.world.lock().fault.take();
            if let Some(fault) = fault {
                return Err(fault);
            }
        }
        Ok(true)
    }

    /// Lets time pass until the next thing that waits for it; false where nothing does.
    pub(super) fn pass_time(&self) -> bool {
        self.0.pass_time(None) || self.0.is_woken_from_outside()
    }

    /// The same, but not beyond this virtual time.
    pub(super) fn pass_time_until(&self, elapsed: Duration) -> bool {
        let until = self.0.world.lock().start + elapsed;
        self.0.pass_time(Some(until)) || self.0.is_woken_from_outside()
    }

    /// Begins a graceful stop, as a server's handle does.
    pub fn stop(&self) {
        let mut world = self.0.world.lock();
        if !world.is_stopping {
            world.is_stopping = true;
            // As on the real ones, each connection looks once whether it has anything to wait for now.
            self.0.slots.borrow().iter().for_each(|slot| slot.alarm.wake_by_ref());
            self.0.cut_at.set(Some(world.now + self.0.limits.shutdown_timeout));
        }
        // Wakers may be anybody's.
        drop(world);
        self.0.runtime.tasks().stop();
    }

    /// Why the server closed the connection of `peer`; `None` while it is open.
    pub fn close_reason(&self, peer: &Peer) -> Option<CloseReason> {
        match self.0.slots.borrow()[peer.wire].task {
            Task::Closed(reason) => Some(reason),
            Task::Driven(_) | Task::Away | Task::Idle(..) => None,
        }
    }

    /// Whether the connection of `peer` is idle: the server keeps nothing of it but its transport.
    pub fn is_idle(&self, peer: &Peer) -> bool {
        matches!(self.0.slots.borrow()[peer.wire].task, Task::Idle(..))
    }

    /// The virtual time that has passed.
    pub fn elapsed(&self) -> Duration {
        let world = self.0.world.lock();
        world.since_start(world.now)
    }

    /// Sets what `Date` says.
    pub fn set_wall_clock(&self, time: SystemTime) {
        let mut world = self.0.world.lock();
        world.wall_clock = time;
        world.wall_clock_set = world.now;
    }

    /// The date as a client has it: unlike what `Date` says, it goes on.
    pub(super) fn date(&self) -> SystemTime {
        let world = self.0.world.lock();
        world.wall_clock.checked_add(world.now - world.wall_clock_set).unwrap_or(world.wall_clock)
    }

    /// Sets how long to wait for other threads, as [`Settings::patience`] does.
    pub(super) fn set_patience(&self, patience: Duration) {
        self.0.patience.set(patience.min(CENTURY));
    }
}

impl Inner {
    fn drive(&self, transport: SimTransport) -> Task {
        // As the backends do: a driver serves one connection after another.
        let spare = self.spare.borrow_mut().pop();
        Task::Driven(Driving::new(spare, transport, &self.app, &self.limits))
    }

    /// The place of a connection that is over at both ends. Without it every step would look at all there have ever been.
    fn take_left(&self) -> Option<usize> {
        let (slots, world) = (self.slots.borrow(), self.world.lock());
        let is_over = |wire: &usize| {
            matches!(slots[*wire].task, Task::Closed(_)) && world.wires[*wire].script.is_done()
        };
        let mut left = self.left.borrow_mut();
        let at = left.iter().position(is_over)?;
        Some(left.swap_remove(at))
    }

    /// What could be done now. The first is done where everything goes in order.
    fn actions(&self) -> Vec<Action> {
        let world = self.world.lock();
        let peers = world.wires.iter().enumerate();
        let acting = peers.filter(|(_, wire)| peer::can_act(wire, world.now, world.buffer_bytes));
        let mut actions: Vec<Action> = acting.map(|(wire, _)| Action::Act(wire)).collect();
        if !world.late.is_empty() {
            actions.push(Action::Wake);
        }
        let mut woken = Vec::new();
        for (index, slot) in self.slots.borrow().iter().enumerate() {
            match &slot.task {
                Task::Driven(_) => woken.extend(slot.alarm.turn().map(|turn| (turn, index))),
                Task::Idle(_, deadline) => {
                    let is_to_be_told = world.is_stopping && !slot.was_told;
                    if world.wires[index].to_server.is_readable() || is_to_be_told {
                        actions.push(Action::Resume(index));
                    } else if world.now >= *deadline {
                        actions.push(Action::Expire(index));
                    }
                }
                Task::Away | Task::Closed(_) => {}
            }
        }
        let mut woken: Vec<(u64, Action)> =
            woken.into_iter().map(|(turn, index)| (turn, Action::Poll(index))).collect();
        for (index, task) in self.tasks.borrow().iter().enumerate() {
            if task.future.is_some() {
                woken.extend(task.alarm.turn().map(|turn| (turn, Action::PollTask(index))));
            }
        }
        woken.sort_unstable_by_key(|(turn, _)| *turn);
        actions.extend(woken.into_iter().map(|(_, action)| action));
        if !world.services.calls.is_empty() {
            actions.push(Action::RunCall);
        }
        if !world.jobs.is_empty() && !self.is_in_job.get() {
            actions.push(Action::RunJob);
        }
        actions
    }

    /// Gives the tasks that were spawned their places.
    fn take_spawned(&self) {
        loop {
            let Some(future) = self.world.lock().services.spawned.pop_front() else { return };
            let spawned = Spawned { future: Some(future), alarm: Alarm::set(self.bell.clone()) };
            let mut tasks = self.tasks.borrow_mut();
            // One that is polled just now is known by its alarm, which it has twice.
            let is_free = |task: &Spawned| task.future.is_none() && Arc::strong_count(&task.alarm) == 1;
            match tasks.iter_mut().find(|task| is_free(task)) {
                Some(free) => *free = spawned,
                None => tasks.push(spawned),
            }
        }
    }

    fn poll_task(&self, index: usize) {
        let (future, alarm) = {
            let task = &mut self.tasks.borrow_mut()[index];
            task.alarm.take();
            (task.future.take(), task.alarm.clone())
        };
        let Some(mut future) = future else { return };
        let polled = future.as_mut().poll(&mut Context::from_waker(&Waker::from(alarm)));
        if polled.is_pending() {
            self.tasks.borrow_mut()[index].future = Some(future);
        }
    }

    fn poll(&self, index: usize) {
        let (task, alarm) = {
            let slot = &mut self.slots.borrow_mut()[index];
            slot.alarm.take();
            (std::mem::replace(&mut slot.task, Task::Away), slot.alarm.clone())
        };
        let Task::Driven(mut drive) = task else { unreachable!("only a driven task is polled") };
        // A panic that leaves the driver must not be taken for the handler's by a job above.
        let fault = Fault(self);
        let polled = drive.poll(&mut Context::from_waker(&Waker::from(alarm)));
        std::mem::forget(fault);
        let task = match polled {
            Poll::Pending => Task::Driven(drive),
            Poll::Ready(Outcome::Idle(transport)) => {
                self.spare.borrow_mut().push(drive);
                let deadline = after(transport.now(), self.limits.idle_timeout);
                Task::Idle(transport, deadline)
            }
            Poll::Ready(Outcome::Closed(reason)) => Task::Closed(reason),
            Poll::Ready(Outcome::Upgrade(..)) => panic!("the simulated backend has no upgrades yet"),
        };
        self.slots.borrow_mut()[index].task = task;
    }

    fn reach(&self, at: Instant) {
        self.world.lock().reach(at);
        if self.cut_at.get().is_some_and(|cut_at| cut_at <= at) {
            self.cut_at.set(None);
            let slots = self.slots.take();
            let cut = slots.into_iter().map(|slot| match slot.task {
                Task::Closed(_) | Task::Away => slot,
                Task::Driven(_) | Task::Idle(..) => {
                    Slot { task: Task::Closed(CloseReason::Stopping), ..slot }
                }
            });
            self.slots.replace(cut.collect());
        }
    }

    /// Lets time pass until the next thing that waits for it, but not beyond `until`.
    fn pass_time(&self, until: Option<Instant>) -> bool {
        let world_next = self.world.lock().next_time();
        let idle_next = self
            .slots
            .borrow()
            .iter()
            .filter_map(|slot| match slot.task {
                Task::Idle(_, deadline) => Some(deadline),
                Task::Driven(_) | Task::Away | Task::Closed(_) => None,
            })
            .min();
        let is_serving = self.slots.borrow().iter().any(|slot| !matches!(slot.task, Task::Closed(_)));
        let cut_next = self.cut_at.get().filter(|_| is_serving);
        match world_next.into_iter().chain(idle_next).chain(cut_next).min() {
            Some(next) if until.is_none_or(|until| next <= until) => {
                let is_patient = self.world.lock().services.is_patient(next);
                if !(is_patient && self.is_woken_from_outside()) {
                    self.reach(next);
                }
                true
            }
            _ => false,
        }
    }

    /// Waits, where that is allowed, for a wake from another thread.
    fn is_woken_from_outside(&self) -> bool {
        self.bell.silence();
        let patience = self.patience.get();
        !patience.is_zero() && (!self.actions().is_empty() || self.bell.wait(patience))
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        // They hold the world, which holds what they wait for.
        self.runtime.tasks().end();
        let left = {
            let mut world = self.world.lock();
            (std::mem::take(&mut world.services.spawned), std::mem::take(&mut world.services.calls))
        };
        drop(left);
    }
}

/// Dropped while the driver unwinds.
struct Fault<'a>(&'a Inner);

impl Drop for Fault<'_> {
    fn drop(&mut self) {
        self.0.world.lock().fault = Some("the driver panicked".to_owned());
    }
}

impl Blocker for Sim {
    fn block_on(&self, wait: &mut dyn FnMut(&mut Context<'_>) -> Poll<()>) {
        let inner = &*self.0;
        let alarm = Alarm::set(inner.bell.clone());
        let waker = Waker::from(alarm.clone());
        let until = self.elapsed() + WAIT_MAX;
        loop {
            if alarm.take() && wait(&mut Context::from_waker(&waker)).is_ready() {
                return;
            }
            if alarm.turn().is_none() && !self.step() && !self.pass_time_until(until) {
                let fault = "a plain handler waits for something that never comes";
                inner.world.lock().fault = Some(fault.to_owned());
                panic!("{fault}");
            }
        }
    }
}
