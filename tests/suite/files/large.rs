//! A large file in little memory: of a process of its own, since it is all the process's that is measured.

use std::{
    fs,
    io::Write,
    sync::mpsc::{TryRecvError, channel},
    thread,
};

use trijet::{Backend, Router, files::Files};

use super::Site;
use crate::common::{client::get as request, pattern::Pattern, server::start};

in_children_on_every_backend!(":": a_large_file_in_little_memory);

fn peak_memory() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let row = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    row.split_whitespace().next().unwrap().parse::<u64>().unwrap() << 10
}

/// 64 MiB, every byte compared, to four clients at once, while others are served.
fn a_large_file_in_little_memory(on: Backend) {
    const LARGE: u64 = 64 << 20;
    const MEMORY_MAX: u64 = 8 << 20;

    let site = Site::new();
    site.write("small", "small");
    {
        let mut file = fs::File::create(site.root().join("large")).unwrap();
        let mut written = Pattern::default();
        while written.position() < LARGE {
            let rest = usize::try_from(LARGE - written.position()).unwrap();
            file.write_all(written.piece(rest)).unwrap();
        }
    }
    let server = start(on, Router::new().fallback(Files::dir(site.root())));
    server.connect().get("/small").says("small");
    let before = peak_memory();
    let (done, ended) = channel();
    for _ in 0..4 {
        let mut client = server.connect();
        let done = done.clone();
        thread::spawn(move || {
            client.send(request("/large"));
            let head = client.head().with_status(200);
            let mut received = Pattern::default();
            client.body(head.ending(), |piece| assert!(received.matches(piece)));
            done.send(received.position()).unwrap();
        });
    }
    drop(done);
    let mut client = server.connect();
    let mut received = Vec::new();
    while received.len() < 4 {
        match ended.try_recv() {
            Ok(length) => received.push(length),
            Err(TryRecvError::Empty) => drop(client.get("/small").says("small")),
            Err(TryRecvError::Disconnected) => panic!("a client failed"),
        }
    }
    assert_eq!(received, [LARGE; 4]);
    let taken = peak_memory() - before;
    assert!(taken <= MEMORY_MAX, "{} KiB more", taken >> 10);
}
