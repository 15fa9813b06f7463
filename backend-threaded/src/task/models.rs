//! A connection's future between its thread, the poller and whoever wakes it, in every order that these can
//! come in: `just loom`. Task, waker, parking and what they share are the server's own, on a real socket.

use std::{
    future::poll_fn,
    io,
    net::TcpListener,
    os::{fd::RawFd, unix::net::UnixStream},
    sync::{
        LazyLock, Weak,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    task::Wake,
    time::Duration,
};

use mio::Poll as Poller;
use trijet_backend::{
    Backend, Run, Server, Service,
    poll::{Key, token},
};
use trijet_core::{CloseReason, Router, jobs::Blocker};
use trijet_loom::{Condvar, Mutex, Waker as PollerWaker, atomic, model, model_within, thread};

use super::*;
use crate::{parking::Parking, watching::Watching};

/// In place of the pool, which has models of its own: each item gets a thread at once.
pub(crate) struct Pool<T> {
    ceiling: usize,
    run: fn(T),
    closed: Mutex<bool>,
}

impl<T: Send + 'static> Pool<T> {
    pub(crate) fn within(_: &'static str, ceiling: usize, _: impl Fn(&mut dyn FnMut()), run: fn(T)) -> Self {
        Self { ceiling, run, closed: Mutex::new(false) }
    }

    pub(crate) fn keeping_one(self) -> Self {
        self
    }

    pub(crate) fn push(&self, item: T, _: usize) -> Result<(), Vec<T>> {
        if *self.closed.lock().unwrap() || thread::is_refused() {
            return Err(vec![item]);
        }
        let run = self.run;
        drop(thread::spawn(move || run(item)));
        Ok(())
    }

    /// Whose thread is started at once too.
    pub(crate) fn offer(&self, item: T, queue_max: usize) -> Result<(), Vec<T>> {
        self.push(item, queue_max)
    }

    pub(crate) fn start_lacking(&self) -> Result<(), Vec<T>> {
        Ok(())
    }

    pub(crate) fn close(&self) {
        *self.closed.lock().unwrap() = true;
    }

    pub(crate) fn waiting(&self) -> usize {
        0
    }

    pub(crate) fn threads(&self) -> usize {
        0
    }

    pub(crate) fn ceiling(&self) -> usize {
        self.ceiling
    }

    pub(crate) fn waiting_up_to(&self, _: Instant, _: impl Fn(&T) -> bool) -> usize {
        0
    }

    pub(crate) fn take_since(&self, _: Instant, _: impl Fn(&T) -> bool) -> Vec<T> {
        Vec::new()
    }
}

/// What a server is made from; it has no threads of its own.
pub(crate) fn service() -> &'static Service {
    static CAUGHT: std::sync::Mutex<Option<Service>> = std::sync::Mutex::new(None);
    static SERVICE: LazyLock<Service> = LazyLock::new(|| {
        struct Catching;
        impl Backend for Catching {
            const NAME: &'static str = "none";
            fn prepare(service: Service) -> io::Result<Run> {
                *CAUGHT.lock().unwrap() = Some(service);
                Err(io::Error::other("it is not to be started"))
            }
        }
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        Server::<Catching>::new(Router::new()).start_on([listener]).unwrap_err();
        let service = CAUGHT.lock().unwrap().take().unwrap();
        Service { connections_max: 1, ..service }
    });
    &SERVICE
}

/// One server, and one connection within a request.
#[derive(Clone)]
struct Bench {
    shared: Arc<Shared>,
    waker: Arc<TaskWaker>,
    /// What the future waits for: these bits, set by as many others before they wake it.
    told: Arc<atomic::AtomicUsize>,
    over: Arc<(Mutex<usize>, Condvar)>,
    /// A job that waits for the future's end.
    job: Arc<Mutex<Option<Waker>>>,
    /// Counts as std's: they add no orders to a model.
    at_once: Arc<AtomicUsize>,
    finished: Arc<AtomicUsize>,
    /// The poll that sockets are parked with, and a socket on which nothing happens.
    _poll: Arc<(Poller, UnixStream, UnixStream)>,
    socket: RawFd,
}

/// Tells when the future is dropped, however it ended.
struct Over(Bench);

impl Drop for Over {
    fn drop(&mut self) {
        let (count, changed) = &*self.0.over;
        *count.lock().unwrap() += 1;
        changed.notify_all();
        let job = self.0.job.lock().unwrap().take();
        if let Some(job) = job {
            job.wake();
        }
    }
}

/// Where the future waits.
#[derive(Clone, Copy)]
enum Wait {
    /// Parked with the poller, for its peer.
    Parked(Option<Instant>),
    /// On its thread, for something else.
    OnThread(Option<Instant>),
}

const HOUR: Duration = Duration::from_secs(3600);

impl Bench {
    fn new() -> Self {
        let poll = Poller::new().unwrap();
        let (socket, peer) = UnixStream::pair().unwrap();
        let waker = Arc::new(PollerWaker::new(poll.registry(), token::WAKER).unwrap());
        let parking = Parking::new(poll.registry().try_clone().unwrap(), waker.clone());
        let (watching, _) = Watching::new(poll.registry()).unwrap();
        let shared = Arc::new(Shared::new(service(), parking, watching, waker, Weak::new()));
        Self {
            waker: TaskWaker::new(&shared),
            shared,
            told: Arc::new(atomic::AtomicUsize::new(0)),
            over: Arc::new((Mutex::new(0), Condvar::new())),
            job: Arc::new(Mutex::new(None)),
            at_once: Arc::default(),
            finished: Arc::default(),
            socket: socket.as_raw_fd(),
            _poll: Arc::new((poll, socket, peer)),
        }
    }

    /// A future that is over when all of `bits` have been told.
    fn task(&self, bits: usize, wait: Wait) -> Task {
        let (bench, over) = (self.clone(), Over(self.clone()));
        let drive = poll_fn(move |_| {
            let _over = &over;
            assert_eq!(bench.at_once.fetch_add(1, Relaxed), 0, "polled on two threads at once");
            let told = bench.told.load(Relaxed);
            bench.at_once.fetch_sub(1, Relaxed);
            if told == bits {
                bench.finished.fetch_add(1, Relaxed);
                return Poll::Ready(Outcome::Closed(CloseReason::Announced));
            }
            current::with(|current| match wait {
                Wait::Parked(deadline) => {
                    current.wait_for_peer(bench.socket, Interest::READABLE);
                    current.deadline = deadline;
                }
                Wait::OnThread(deadline) => current.deadline = deadline,
            });
            Poll::Pending
        });
        Task { drive: Driving::by(drive), waker: self.waker.clone(), shared: self.shared.clone() }
    }

    /// Gives the future its time, as a thread of the pool does.
    fn run(&self, bits: usize, wait: Wait) {
        Runnable::Resume(self.task(bits, wait)).run();
    }

    /// Somebody who has something for the future.
    fn tell(&self, bit: usize) -> thread::JoinHandle<()> {
        let bench = self.clone();
        thread::spawn(move || {
            bench.told.fetch_or(bit, Relaxed);
            bench.waker.wake_by_ref();
        })
    }

    /// The poller's turn for which it is woken; deadlines come at once.
    fn poll(&self) -> thread::JoinHandle<()> {
        let shared = self.shared.clone();
        thread::spawn(move || {
            shared.poller.poll();
            for parked in shared.parking.take_due(Instant::now() + HOUR) {
                Runnable::resume(parked);
            }
        })
    }

    /// Waits until the future is gone. One that nobody wakes is a deadlock, which loom reports.
    fn wait_for_the_end(&self) {
        let (count, changed) = &*self.over;
        let mut count = count.lock().unwrap();
        while *count == 0 {
            count = changed.wait(count).unwrap();
        }
        assert_eq!(*count, 1);
    }

    fn assert_finished(&self) {
        self.wait_for_the_end();
        assert_eq!(self.finished.load(Relaxed), 1);
        assert!(self.shared.parking.take_all().is_empty());
    }
}

#[test]
fn a_wake_finds_the_future_wherever_it_is() {
    model(|| {
        let bench = Bench::new();
        let others = [bench.tell(1), bench.tell(2)];
        bench.run(3, Wait::Parked(None));
        bench.assert_finished();
        others.into_iter().for_each(|other| other.join().unwrap());
    });
}

/// The first place in the parking is the first key: its event comes at any time, also when it is stale.
#[test]
fn a_wake_and_an_event_are_one_turn() {
    model(|| {
        let bench = Bench::new();
        let other = bench.tell(1);
        let poller = bench.clone();
        let poller = thread::spawn(move || {
            if let Some(parked) = poller.shared.parking.take(Key::new(0, 1)) {
                Runnable::resume(parked);
            }
        });
        bench.run(1, Wait::Parked(None));
        bench.assert_finished();
        other.join().unwrap();
        poller.join().unwrap();
    });
}

#[test]
fn a_wake_and_a_deadline_are_one_turn() {
    model(|| {
        let bench = Bench::new();
        let other = bench.tell(1);
        let poller = bench.clone();
        let poller = thread::spawn(move || {
            // That the future finds its deadline to be some time off does not matter: it looks, and parks again.
            for parked in poller.shared.parking.take_due(Instant::now() + 2 * HOUR) {
                Runnable::resume(parked);
            }
        });
        bench.run(1, Wait::Parked(Some(Instant::now() + HOUR)));
        bench.assert_finished();
        other.join().unwrap();
        poller.join().unwrap();
    });
}

#[test]
fn a_thread_that_waits_misses_no_wake() {
    model(|| {
        let bench = Bench::new();
        let others = [bench.tell(1), bench.tell(2)];
        bench.run(3, Wait::OnThread(None));
        bench.assert_finished();
        others.into_iter().for_each(|other| other.join().unwrap());
    });
}

#[test]
fn a_wait_on_the_thread_ends_by_its_deadline_or_a_wake() {
    model(|| {
        let bench = Bench::new();
        let other = bench.tell(1);
        let clock = bench.waker.clone();
        let clock = thread::spawn(move || clock.expire());
        bench.run(1, Wait::OnThread(Some(Instant::now() + HOUR)));
        bench.assert_finished();
        other.join().unwrap();
        clock.join().unwrap();
    });
}

/// Nothing is told: the wait itself has to end.
#[test]
fn a_wait_on_the_thread_ends_by_its_deadline_alone() {
    model(|| {
        let bench = Bench::new();
        let clock = bench.waker.clone();
        let clock = thread::spawn(move || clock.expire());
        bench.waker.wait(&bench.shared, Some(Instant::now() + HOUR), || false);
        bench.waker.wait(&bench.shared, Some(Instant::now()), || false);
        assert!(!bench.waker.was_woken());
        clock.join().unwrap();
    });
}

/// It is asked for its thread before, while or after it waits there; and woken.
#[test]
fn who_makes_way_misses_no_wake() {
    model(|| {
        let bench = Bench::new();
        let other = bench.tell(1);
        let asking = bench.waker.clone();
        let asking = thread::spawn(move || asking.ask_for_way());
        bench.run(1, Wait::OnThread(None));
        bench.assert_finished();
        other.join().unwrap();
        asking.join().unwrap();
    });
}

#[test]
fn a_cut_ends_the_wait_on_a_thread() {
    model(|| {
        let bench = Bench::new();
        let cutting = bench.shared.clone();
        let cut = thread::spawn(move || cutting.cut());
        bench.run(1, Wait::OnThread(None));
        bench.wait_for_the_end();
        cut.join().unwrap();
    });
}

/// It ends parked, on its thread, or between the two; and a wake comes meanwhile.
#[test]
fn a_cut_leaves_nothing_parked() {
    model(|| {
        let bench = Bench::new();
        let cutting = bench.shared.clone();
        let cut = thread::spawn(move || cutting.cut());
        let other = bench.tell(1);
        bench.run(3, Wait::Parked(None));
        bench.wait_for_the_end();
        assert_eq!(bench.finished.load(Relaxed), 0);
        other.join().unwrap();
        cut.join().unwrap();
        assert!(bench.shared.parking.take_all().is_empty());
    });
}

/// A job runs, and others come for its connection just as it ends. The last word is the job's own.
#[test]
fn a_lent_future_is_somebodys_until_its_end() {
    for wait in [Wait::OnThread(None), Wait::Parked(None)] {
        model(move || {
            let bench = Bench::new();
            let other = bench.tell(1);
            bench.waker.begin_job();
            bench.waker.lend(bench.task(3, wait));
            let back = bench.waker.end_job();
            bench.told.fetch_or(2, Relaxed);
            bench.waker.wake_by_ref();
            if let Some(task) = back {
                Runnable::Resume(task).run();
            }
            bench.assert_finished();
            other.join().unwrap();
        });
    }
}

/// As a job that waits does: it takes the future for a while, and lends it again.
#[test]
fn a_future_that_is_taken_and_lent_again_misses_no_wake() {
    model(|| {
        let bench = Bench::new();
        let other = bench.tell(1);
        bench.waker.begin_job();
        bench.waker.lend(bench.task(1, Wait::OnThread(None)));
        if let Some(task) = bench.waker.reclaim() {
            bench.waker.lend(task);
        }
        // The job goes on for as long as it takes.
        other.join().unwrap();
        bench.assert_finished();
        assert!(bench.waker.end_job().is_none());
    });
}

/// It is tried again, for which the poller is woken. Until then it is nobody's.
#[test]
fn a_lent_future_that_has_no_thread_is_tried_again() {
    model(|| {
        let bench = Bench::new();
        bench.waker.begin_job();
        bench.waker.lend(bench.task(1, Wait::OnThread(None)));
        thread::refuse(1);
        let poller = bench.poll();
        // The job goes on for as long as it takes.
        bench.tell(1).join().unwrap();
        bench.assert_finished();
        assert!(bench.waker.end_job().is_none());
        poller.join().unwrap();
    });
}

/// The first wake finds no thread, and the second comes at any time.
#[test]
fn a_wake_is_not_lost_while_no_thread_can_be_started() {
    model_within(2, || {
        let bench = Bench::new();
        bench.waker.begin_job();
        bench.waker.lend(bench.task(3, Wait::OnThread(None)));
        thread::refuse(1);
        let poller = bench.poll();
        let other = bench.tell(1);
        bench.told.fetch_or(2, Relaxed);
        bench.waker.wake_by_ref();
        bench.assert_finished();
        other.join().unwrap();
        assert!(bench.waker.end_job().is_none());
        poller.join().unwrap();
    });
}

/// A request thread is as hard to come by as a helper.
#[test]
fn a_future_that_has_no_thread_is_tried_again() {
    model(|| {
        let bench = Bench::new();
        thread::refuse(1);
        let poller = bench.poll();
        let other = bench.tell(1);
        Runnable::Resume(bench.task(1, Wait::OnThread(None))).queue();
        bench.assert_finished();
        other.join().unwrap();
        poller.join().unwrap();
    });
}

/// No helper ever comes: the thread of the job that waits is one.
#[test]
fn a_job_that_waits_drives_what_has_no_thread() {
    model(|| {
        let bench = Bench::new();
        bench.waker.begin_job();
        bench.waker.lend(bench.task(3, Wait::OnThread(None)));
        // The job's wait comes too late for this one.
        let task = bench.waker.reclaim().unwrap();
        thread::refuse(usize::MAX);
        let helper = bench.clone();
        let helper = thread::spawn(move || {
            helper.told.fetch_or(1, Relaxed);
            helper.waker.help(task);
        });
        let other = bench.tell(2);
        let nested = Rc::new(Nested::new(bench.waker.clone(), bench.shared.clone()));
        nested.block_on(&mut |cx| {
            *bench.job.lock().unwrap() = Some(cx.waker().clone());
            if *bench.over.0.lock().unwrap() > 0 { Poll::Ready(()) } else { Poll::Pending }
        });
        nested.end();
        bench.assert_finished();
        [helper, other].into_iter().for_each(|other| other.join().unwrap());
    });
}

#[test]
fn a_cut_leaves_nothing_that_has_no_thread() {
    model(|| {
        let bench = Bench::new();
        bench.waker.begin_job();
        bench.waker.lend(bench.task(3, Wait::OnThread(None)));
        thread::refuse(usize::MAX);
        let cutting = bench.shared.clone();
        let cut = thread::spawn(move || cutting.cut());
        bench.tell(1).join().unwrap();
        cut.join().unwrap();
        // While the job goes on.
        bench.wait_for_the_end();
        assert_eq!(bench.finished.load(Relaxed), 0);
        assert!(bench.waker.end_job().is_none());
    });
}

/// As a body that another thread reads: only its peer can bring news, whatever the job's own waits did meanwhile.
#[test]
fn what_a_wait_brings_here_is_left_for_its_peer() {
    model(|| {
        let bench = Bench::new();
        bench.waker.begin_job();
        let task = bench.task(1, Wait::Parked(None));
        let helper = thread::spawn(move || task.help());
        let nested = Rc::new(Nested::new(bench.waker.clone(), bench.shared.clone()));
        nested.block_on(&mut |_| Poll::Ready(()));
        nested.run_nested(&mut || {});
        helper.join().unwrap();
        let parked = bench.shared.parking.take_all();
        assert_eq!(parked.len(), 1);
        bench.told.store(1, Relaxed);
        parked.into_iter().for_each(Runnable::resume);
        bench.assert_finished();
        assert!(bench.waker.end_job().is_none());
    });
}

/// A helper has it just then, and leaves it: whoever waits in a job is the last who can let it go.
#[test]
fn a_cut_leaves_nothing_lent_under_a_job_that_waits() {
    model(|| {
        let bench = Bench::new();
        bench.waker.begin_job();
        let task = bench.task(1, Wait::OnThread(None));
        let helper = thread::spawn(move || task.help());
        let cutting = bench.shared.clone();
        let cut = thread::spawn(move || cutting.cut());
        let nested = Rc::new(Nested::new(bench.waker.clone(), bench.shared.clone()));
        nested.block_on(&mut |cx| {
            *bench.job.lock().unwrap() = Some(cx.waker().clone());
            if *bench.over.0.lock().unwrap() > 0 { Poll::Ready(()) } else { Poll::Pending }
        });
        nested.end();
        bench.wait_for_the_end();
        assert_eq!(bench.finished.load(Relaxed), 0);
        assert!(bench.waker.end_job().is_none());
        [helper, cut].into_iter().for_each(|other| other.join().unwrap());
    });
}
