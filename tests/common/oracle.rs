//! What must hold after every fault. [`Oracle::watch`] stands at the start of a test, which is alone in
//! its process: it starts the server, brings it to its base and reads the figures. While the test goes on,
//! bystanders keep asking and must be answered as if nothing were. When it goes out of scope, every figure
//! has to come back to its base within 5 s, and nothing may be left once the server has stopped.
//!
//! That each request gets one answer or one announced close is for the test's own, strict client to see:
//! [`Client::response`], [`Client::is_ended`].

use std::{
    fs,
    net::{SocketAddr, TcpListener},
    sync::{
        Arc, Barrier,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use trijet::{Backend, Limits, Router, get};

use super::{
    client::{Client, get as request},
    eventually,
    server::{Running, start_on, start_with},
};

/// How long the figures may take to come back.
const SETTLED_WITHIN: Duration = Duration::from_secs(5);
const MEMORY_SLACK: u64 = 8 << 20;

/// Who is served beside the fault.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Bystanders {
    /// Some that ask all the time, of an `async fn` and of a `fn`, and some that are idle until the end.
    Served,
    /// None: the fault takes what they would need, and says so to them.
    Absent,
}

pub(crate) struct Oracle {
    server: Option<Running>,
    before: Figures,
    base: Figures,
    bystanders: Option<Crowd>,
}

impl Oracle {
    /// Serves `app` and watches over it.
    pub(crate) fn watch(on: Backend, app: Router) -> Self {
        Self::watch_with(on, app, Limits::default(), Bystanders::Served)
    }

    /// As [`watch`](Self::watch), with other limits.
    pub(crate) fn watch_with(on: Backend, app: Router, limits: Limits, bystanders: Bystanders) -> Self {
        Self::begin(bystanders, app, |app| start_with(on, app, limits))
    }

    /// As [`watch`](Self::watch), on a listener that is given.
    pub(crate) fn watch_on(on: Backend, app: Router, limits: Limits, listener: TcpListener) -> Self {
        Self::begin(Bystanders::Served, app, |app| start_on(on, app, limits, listener))
    }

    fn begin(bystanders: Bystanders, app: Router, start: impl FnOnce(Router) -> Running) -> Self {
        let meet = Arc::new(Barrier::new(AT_ONCE));
        let together = move || {
            meet.wait();
            "together"
        };
        let app = app
            .route("/bystander", get(async || "async"))
            .route("/bystander/fn", get(|| "fn"))
            .route("/bystander/together", get(together));
        let before = Figures::read(None);
        let server = start(app);
        let bystanders = match bystanders {
            Bystanders::Served => {
                warm_up(server.address());
                Some(Crowd::gather(server.address()))
            }
            Bystanders::Absent => {
                start_what_stays(server.address());
                None
            }
        };
        let base = Figures::read(Some(server.address()));
        Self { server: Some(server), before, base, bystanders }
    }

    pub(crate) fn server(&self) -> &Running {
        self.server.as_ref().expect("it serves until the end")
    }

    pub(crate) fn connect(&self) -> Client {
        self.server().connect()
    }

    /// Waits until the server has closed every connection but the bystanders', whether or not its peer has
    /// read all of it.
    pub(crate) fn await_closed_by_server(&self) {
        let address = self.server().address();
        let is_open = |state: &str| ["01", "08"].contains(&state);
        eventually("the server closes", || connections(address, is_open) <= self.base.connections);
    }

    /// The memory of the process beyond that at the base.
    pub(crate) fn memory_grown(&self) -> u64 {
        Figures::read(Some(self.server().address())).memory.saturating_sub(self.base.memory)
    }
}

impl Drop for Oracle {
    fn drop(&mut self) {
        if thread::panicking() {
            return;
        }
        let server = self.server.take().expect("it serves until the end");
        let address = Some(server.address());
        let crowd = self.bystanders.take().map(Crowd::rest);
        // The bystanders are still connected: they belong to the base.
        settle("after the fault", address, self.base);
        // Those that were idle meanwhile are served as before.
        for mut client in crowd.into_iter().flatten() {
            client.get("/bystander").says("async");
        }
        drop(server);
        settle("after the stop", address, Figures { memory: self.base.memory, ..self.before });
    }
}

/// The one thread of the pool that is kept once it was needed.
fn start_what_stays(address: SocketAddr) {
    let mut client = Client::connect(address);
    client.get("/bystander/fn").says("fn");
    drop(client);
    let is_any = |state: &str| !["06", "0A"].contains(&state);
    eventually("the server closes", || connections(address, is_any) == 0);
}

/// As many at once as the base is to have threads for.
const AT_ONCE: usize = 8;

fn warm_up(address: SocketAddr) {
    let ask = move || {
        let mut client = Client::connect(address);
        client.get("/bystander").says("async");
        client.get("/bystander/together").says("together");
    };
    let threads: Vec<_> = (0..AT_ONCE).map(|_| thread::spawn(ask)).collect();
    threads.into_iter().for_each(|thread| thread.join().unwrap());
}

/// What a process holds.
#[derive(Clone, Copy, Debug)]
struct Figures {
    descriptors: usize,
    threads: usize,
    /// On the server's side, those that it has not accepted yet and those it has not closed yet included.
    connections: usize,
    /// Anonymous memory in use, in bytes.
    memory: u64,
}

impl Figures {
    fn read(server: Option<SocketAddr>) -> Self {
        let count = |what: &str| fs::read_dir(format!("/proc/self/{what}")).unwrap().count();
        let status = fs::read_to_string("/proc/self/status").unwrap();
        let memory = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).unwrap();
        Self {
            descriptors: count("fd"),
            threads: count("task"),
            // Neither listeners, nor over for the process (`TIME_WAIT`).
            connections: server
                .map_or(0, |server| connections(server, |state| !["06", "0A"].contains(&state))),
            memory: memory.split_whitespace().next().unwrap().parse::<u64>().unwrap() << 10,
        }
    }

    fn is_within(self, base: Self) -> bool {
        self.descriptors <= base.descriptors
            && self.threads <= base.threads
            && self.connections <= base.connections
            && self.memory <= base.memory + MEMORY_SLACK
    }
}

/// The connections at `server` whose state, a number of the system's, `is_counted`.
fn connections(server: SocketAddr, is_counted: impl Fn(&str) -> bool) -> usize {
    let port = format!(":{:04X}", server.port());
    let table = fs::read_to_string("/proc/self/net/tcp").unwrap();
    let is_ours = |row: &&str| {
        let mut columns = row.split_whitespace().skip(1);
        let (local, _peer, state) = (columns.next(), columns.next(), columns.next());
        local.is_some_and(|local| local.ends_with(&port)) && state.is_some_and(&is_counted)
    };
    table.lines().skip(1).filter(is_ours).count()
}

fn settle(when: &str, server: Option<SocketAddr>, base: Figures) {
    let start = Instant::now();
    loop {
        let now = Figures::read(server);
        if now.is_within(base) {
            return;
        }
        assert!(start.elapsed() < SETTLED_WITHIN, "{when}: {now:?}, where the base is {base:?}");
        thread::sleep(Duration::from_millis(5));
    }
}

/// Connections that have nothing to do with the fault.
struct Crowd {
    idle: Vec<Client>,
    stop: Arc<AtomicBool>,
    asking: JoinHandle<Vec<Client>>,
}

impl Crowd {
    fn gather(address: SocketAddr) -> Self {
        let connect = |count: usize| (0..count).map(move |_| Client::connect(address));
        let mut idle: Vec<Client> = connect(2).collect();
        idle.iter_mut().for_each(|client| drop(client.get("/bystander/fn").says("fn")));
        let mut active: Vec<Client> = connect(2).collect();
        // Each is accepted once it is answered, and belongs to the base.
        active.iter_mut().for_each(|client| drop(client.get("/bystander").says("async")));
        let stop = Arc::new(AtomicBool::new(false));
        let is_stopped = stop.clone();
        let asking = thread::spawn(move || {
            while !is_stopped.load(Ordering::Relaxed) {
                for client in &mut active {
                    client.send(request("/bystander") + &request("/bystander/fn"));
                    client.response().says("async");
                    client.response().says("fn");
                }
                // They are to be there, not to be the load.
                thread::sleep(Duration::from_millis(1));
            }
            active
        });
        Self { idle, stop, asking }
    }

    /// Asks no more. Fails where one that asked has noticed something.
    fn rest(self) -> Vec<Client> {
        self.stop.store(true, Ordering::Relaxed);
        let active = self.asking.join().expect("a bystander noticed the fault");
        self.idle.into_iter().chain(active).collect()
    }
}
