//! A process that may have 64 files, and a hundred connections that come at it.

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use socket2::{Domain, Socket, Type};
use trijet::{Backend, Limits, Router, get};

use crate::common::{
    eventually,
    log_lines::LogLines,
    oracle::{Bystanders, Oracle},
};

in_children_on_every_backend!("ulimit -n 64": a_hundred_connections);

/// As many connections as the system has files for, less ten, which are the server's. Both ends are this process's,
/// so that more of them wait for a file on the other side than ever get one.
fn crowd(address: SocketAddr) -> Vec<Socket> {
    let mut sockets: Vec<Socket> =
        (0..100).map_while(|_| Socket::new(Domain::IPV4, Type::STREAM, None).ok()).collect();
    assert!(sockets.len() > 20 && sockets.len() < 100, "{} sockets", sockets.len());
    sockets.truncate(sockets.len() - 10);
    for socket in &sockets {
        socket.connect(&address.into()).expect("the system queues it");
    }
    sockets
}

/// How many files this process has open.
fn descriptors() -> usize {
    std::fs::read_dir("/proc/self/fd").expect("one is left").count()
}

/// Those that are served go on, others are taken once there is a descriptor; and the failing `accept`s
/// neither spin nor flood the log.
fn a_hundred_connections(on: Backend) {
    let lines = LogLines::collect();
    let limits = Limits { connections_max: Some(1_000), ..Limits::default() };
    let app = Router::new().route("/", get(async || "hello")).route("/fn", get(|| "hello"));
    let oracle = Oracle::watch_with(on, app, limits, Bystanders::Served);
    let (start, base) = (Instant::now(), descriptors());
    for _ in 0..3 {
        let crowd = crowd(oracle.server().address());
        let failed = |line: &String| line.contains("accept failed");
        lines.await_one("the shortage is told", failed);
        drop(crowd);
        let mut client = oracle.connect();
        client.get("/").says("hello");
        client.get("/fn").says("hello");
        drop(client);
        // Those that were queued are still to be taken, and let go: they would make room for the next crowd.
        eventually("the crowd is gone", || descriptors() <= base);
        lines.forget();
    }
    // The last line tells how many failures it stands for: one each 100 ms at most.
    let crowd = crowd(oracle.server().address());
    let until = Instant::now() + Duration::from_millis(2_500);
    let mut told = Vec::new();
    while Instant::now() < until {
        told.extend(lines.take().into_iter().filter(|line| line.contains("accept failed")));
        std::thread::sleep(Duration::from_millis(10));
    }
    drop(crowd);
    assert!((1..=4).contains(&told.len()), "one line a second: {told:?}");
    let failures: u64 = told
        .iter()
        .map(|line| {
            let count = line.rsplit_once('(').and_then(|(_, rest)| rest.split(' ').next()).expect("a count");
            count.parse::<u64>().expect("a count") + 1
        })
        .sum();
    let most = start.elapsed().as_millis() as u64 / 100 + 20;
    assert!(failures <= most, "{failures} failures, where {most} are one each 100 ms");
}
