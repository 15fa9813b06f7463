//! Many connections at once, on every backend: nobody starves, and those that do nothing cost nothing.
//! The figures are the project's own bars; they shrink, with a printed word, where the open-file limit
//! of the process is too low for them.
#![expect(clippy::print_stdout, reason = "the figures are worth reading in the test's output")]
#![cfg(all(feature = "threaded", feature = "mio", feature = "tokio"))]

use std::{
    hint,
    io::{self, Read, Write},
    net::{SocketAddr, TcpStream},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    thread,
    time::{Duration, Instant},
};

use ::mio::{Events, Interest, Poll, Token};

use trijet::{Backend, Path, Router, Server, ServerHandle, State, get, rt};

#[path = "common/backends.rs"]
#[macro_use]
mod backends;

on_every_backend!(
    busy_connections_are_served_fairly,
    thousands_of_handlers_that_wait_take_turns,
    idle_connections_and_slow_heads_delay_nobody,
);

/// Each crowd takes most of the descriptors that a process may have: one at a time.
static ALONE: Mutex<()> = Mutex::new(());

fn alone() -> MutexGuard<'static, ()> {
    // A crowd that failed has been reported, and is gone.
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nHost: test\r\n\r\n";

fn start(backend: Backend, workers: usize) -> ServerHandle {
    let app = Router::new().route("/", get(async || "hello"));
    Server::new(app).backend(backend).workers(workers).start("127.0.0.1:0").unwrap()
}

fn stop(server: &ServerHandle) {
    server.shutdown_now();
    server.wait().unwrap();
}

fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_nodelay(true).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    stream
}

/// One request and its whole response.
fn exchange(stream: &mut TcpStream) {
    stream.write_all(REQUEST).unwrap();
    let mut response = Vec::new();
    let mut piece = [0; 512];
    while !response.ends_with(b"hello") {
        let count = stream.read(&mut piece).unwrap();
        assert!(count > 0, "closed after {:?}", String::from_utf8_lossy(&response));
        response.extend_from_slice(&piece[..count]);
    }
    assert!(response.starts_with(b"HTTP/1.1 200 OK\r\n"));
}

/// `wanted` connections, or what the open-file limit leaves, with both ends in this process.
fn within_limit(wanted: usize) -> usize {
    let limit = std::fs::read_to_string("/proc/self/limits")
        .ok()
        .and_then(|limits| {
            let row = limits.lines().find_map(|line| line.strip_prefix("Max open files"))?;
            row.split_whitespace().next()?.parse::<usize>().ok()
        })
        .unwrap_or(1024);
    let possible = (limit / 2).saturating_sub(200);
    if possible < wanted {
        println!("{possible} connections instead of {wanted}: the open-file limit is {limit}");
    }
    wanted.min(possible)
}

/// Jain's fairness index: 1 if all are equal, 1/n if one has all.
fn jain(counts: &[u64]) -> f64 {
    let sum: u64 = counts.iter().sum();
    let squares: u64 = counts.iter().map(|count| count * count).sum();
    (sum * sum) as f64 / (counts.len() as f64 * squares as f64)
}

/// Keeps one request under way on each of `connections`, from one thread, and counts the answers of each.
fn serve_closed_loops(address: SocketAddr, connections: usize, time: Duration) -> Vec<u64> {
    let mut poll = Poll::new().unwrap();
    let mut streams: Vec<_> = (0..connections)
        .map(|index| {
            let stream = connect(address);
            stream.set_nonblocking(true).unwrap();
            let mut stream = ::mio::net::TcpStream::from_std(stream);
            poll.registry().register(&mut stream, Token(index), Interest::READABLE).unwrap();
            (stream, 0_u64)
        })
        .collect();
    let response_length = {
        let mut stream = connect(address);
        stream.write_all(REQUEST).unwrap();
        stream.read(&mut [0; 512]).unwrap()
    };
    for (stream, _) in &mut streams {
        assert_eq!(stream.write(REQUEST).unwrap(), REQUEST.len());
    }
    let mut events = Events::with_capacity(connections);
    let begun = Instant::now();
    while begun.elapsed() < time {
        poll.poll(&mut events, Some(Duration::from_secs(20))).unwrap();
        assert!(!events.is_empty(), "nobody is answered any more");
        for event in &events {
            let (stream, count) = &mut streams[event.token().0];
            let mut response = [0; 512];
            // Responses are far smaller than a segment: each comes whole.
            match stream.read(&mut response) {
                Ok(length) => assert_eq!(length, response_length, "{}", String::from_utf8_lossy(&response)),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => continue,
                Err(error) => panic!("{error}"),
            }
            *count += 1;
            assert_eq!(stream.write(REQUEST).unwrap(), REQUEST.len());
        }
    }
    streams.into_iter().map(|(_, count)| count).collect()
}

fn busy_connections_share_fairly(backend: Backend, workers: usize, connections: usize) {
    let _alone = alone();
    let connections = within_limit(connections);
    let server = start(backend, workers);
    let address = server.local_addr();
    let counts = serve_closed_loops(address, connections, Duration::from_secs(3));
    stop(&server);
    let (index, least) = (jain(&counts), counts.iter().min().unwrap());
    println!(
        "{backend}: {connections} connections, {workers} workers: {} answers, Jain {index:.3}, least {least}, most {}",
        counts.iter().sum::<u64>(),
        counts.iter().max().unwrap(),
    );
    assert!(*least > 1, "{backend}: a connection starved");
    assert!(index >= 0.9, "{backend}: Jain index {index:.3}");
}

/// Mio and Tokio have one loop: between loops it is the system that shares out the cores.
fn busy_connections_are_served_fairly(backend: Backend) {
    let workers = if backend == Backend::Threaded { 64 } else { 1 };
    busy_connections_share_fairly(backend, workers, 512);
}

/// How often each handler of a crowd had its turn.
struct Turns {
    counts: Vec<AtomicU64>,
    are_over: AtomicBool,
}

impl Turns {
    fn each(&self) -> Vec<u64> {
        self.counts.iter().map(|count| count.load(Relaxed)).collect()
    }

    /// Looks until all had a turn, and `turns` a handler more than in `before`.
    fn await_more(&self, before: &[u64], turns: u64) -> Vec<u64> {
        let begun = Instant::now();
        loop {
            let now = self.each();
            let more: u64 = now.iter().zip(before).map(|(now, before)| now - before).sum();
            if more >= turns * now.len() as u64 && now.iter().all(|count| *count > 0) {
                return now;
            }
            assert!(begun.elapsed() < Duration::from_secs(60), "{more} turns of {} handlers", now.len());
            thread::sleep(Duration::from_millis(1));
        }
    }
}

/// Each is ready again in less time than a turn of all takes, and no client has a part in it: the order is the loop's
/// alone. On threaded each has a thread, and it is the system's.
fn thousands_of_handlers_that_wait_take_turns(backend: Backend) {
    const TURNS: u64 = 12;
    const WORK: Duration = Duration::from_micros(20);
    async fn wait(Path(index): Path<usize>, State(turns): State<Arc<Turns>>) -> &'static str {
        while !turns.are_over.load(Relaxed) {
            rt::sleep(Duration::from_millis(1)).await;
            turns.counts[index].fetch_add(1, Relaxed);
            let worked = Instant::now() + WORK;
            while Instant::now() < worked {
                hint::spin_loop();
            }
        }
        "hello"
    }
    let _alone = alone();
    let count = within_limit(if backend == Backend::Threaded { 64 } else { 4_000 });
    let workers = if backend == Backend::Threaded { count } else { 1 };
    let counts = std::iter::repeat_with(AtomicU64::default).take(count).collect();
    let turns = Arc::new(Turns { counts, are_over: AtomicBool::new(false) });
    let app = Router::new().route("/{index}", get(wait)).state(turns.clone());
    let server = Server::new(app).backend(backend).workers(workers).start("127.0.0.1:0").unwrap();
    let streams: Vec<_> = (0..count)
        .map(|index| {
            let mut stream = connect(server.local_addr());
            write!(stream, "GET /{index} HTTP/1.1\r\nHost: test\r\n\r\n").unwrap();
            stream
        })
        .collect();
    let before = turns.await_more(&vec![0; count], 1);
    let after = turns.await_more(&before, TURNS);
    turns.are_over.store(true, Relaxed);
    let counts: Vec<u64> = after.iter().zip(&before).map(|(after, before)| after - before).collect();
    drop(streams);
    stop(&server);
    let index = jain(&counts);
    println!(
        "{backend}: {count} handlers, {} turns, Jain {index:.3}, least {}, most {}",
        counts.iter().sum::<u64>(),
        counts.iter().min().unwrap(),
        counts.iter().max().unwrap(),
    );
    assert!(index >= 0.9, "{backend}: Jain index {index:.3}");
}

fn idle_connections_and_slow_heads_delay_nobody(backend: Backend) {
    let workers = if backend == Backend::Threaded { 64 } else { 2 };
    the_idle_and_the_slow_keep_nobody_waiting(backend, workers);
}

fn the_idle_and_the_slow_keep_nobody_waiting(backend: Backend, workers: usize) {
    let _alone = alone();
    let connections = within_limit(6_000);
    let (idle, slow) = (connections * 5 / 6, connections / 6);
    let server = start(backend, workers);
    let address = server.local_addr();
    let mut idle: Vec<_> = (0..idle).map(|_| connect(address)).collect();
    idle.iter_mut().for_each(exchange);
    let mut slow: Vec<_> = (0..slow).map(|_| connect(address)).collect();
    let mut longest = Duration::ZERO;
    for byte in &REQUEST[..REQUEST.len() - 1] {
        for stream in &mut slow {
            stream.write_all(&[*byte]).unwrap();
        }
        let begun = Instant::now();
        exchange(&mut connect(address));
        longest = longest.max(begun.elapsed());
    }
    // They are all still there, and are served once they say what they want.
    for stream in &mut slow {
        stream.write_all(&REQUEST[REQUEST.len() - 1..]).unwrap();
        let mut first = [0; 15];
        stream.read_exact(&mut first).unwrap();
        assert_eq!(&first, b"HTTP/1.1 200 OK");
    }
    idle.iter_mut().for_each(exchange);
    stop(&server);
    println!(
        "{backend}: {} idle, {} slow heads, {workers} workers: a new request waits {longest:?} at most",
        idle.len(),
        slow.len()
    );
    // A safety net and no measure: a thread held by one slow head would cost its whole time.
    assert!(longest < Duration::from_secs(5), "{backend}: a new request waited {longest:?}");
}
