//! Downloads that fast clients take: more of them than threads, and others beside.

use std::{
    convert::Infallible,
    io::{Read, Write},
    net::TcpStream,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use trijet_core::{Body, Router, get};
use trijet_threaded::Server;

const PATIENCE: Duration = Duration::from_secs(10);

#[test]
fn endless_downloads_share_the_threads_with_each_other_and_with_requests() {
    fn piece() -> Result<Vec<u8>, Infallible> {
        Ok(vec![b'x'; 16 << 10])
    }
    let download = async || Body::from_iter(std::iter::repeat_with(piece));
    let router = Router::new().route("/endless", get(download)).route("/", get(async || "hello"));
    let server = Server::new(router).workers(1).start("127.0.0.1:0").unwrap();
    let connect = |path: &str| {
        let client = TcpStream::connect(server.local_addr()).unwrap();
        client.set_read_timeout(Some(PATIENCE)).unwrap();
        let request = format!("GET {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
        (&client).write_all(request.as_bytes()).unwrap();
        client
    };
    let over = Arc::new(AtomicBool::new(false));
    let taken: Vec<Arc<AtomicUsize>> = (0..3).map(|_| Arc::default()).collect();
    let clients: Vec<_> = taken
        .iter()
        .map(|taken| {
            let (mut client, taken, over) = (connect("/endless"), taken.clone(), over.clone());
            thread::spawn(move || {
                let mut buffer = vec![0; 1 << 20];
                while !over.load(Ordering::Relaxed) {
                    taken.fetch_add(client.read(&mut buffer).unwrap(), Ordering::Relaxed);
                }
            })
        })
        .collect();
    for _ in 0..5 {
        let mut answer = String::new();
        connect("/").read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    }
    let begun = Instant::now();
    while taken.iter().any(|taken| taken.load(Ordering::Relaxed) <= 1 << 20) {
        assert!(begun.elapsed() < PATIENCE, "a download starves: {taken:?}");
        thread::yield_now();
    }
    over.store(true, Ordering::Relaxed);
    clients.into_iter().for_each(|client| client.join().unwrap());
    server.shutdown_now();
    server.wait().unwrap();
}
