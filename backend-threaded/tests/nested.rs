//! Wakes that reach a connection under a plain `fn`, and what such a job costs while it waits.

use std::{
    future::{pending, poll_fn},
    io::{Read, Write},
    net::TcpStream,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU32, Ordering},
        mpsc,
    },
    task::Poll,
    thread,
    time::Duration,
};

use trijet_core::{Body, Next, Request, Response, Router, get, post};
use trijet_threaded::{Server, ServerHandle};

const PATIENCE: Duration = Duration::from_secs(10);

/// One test at a time: some measure the processor time of the process.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

fn connect(server: &ServerHandle) -> TcpStream {
    let stream = TcpStream::connect(server.local_addr()).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
}

fn rest(mut stream: &TcpStream) -> String {
    let mut rest = String::new();
    stream.read_to_string(&mut rest).unwrap();
    rest
}

/// The processor time of this process so far.
#[cfg(target_os = "linux")]
fn cpu() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
    // Fields 14 and 15 of proc(5), in ticks of 10 ms.
    let ticks: u64 = fields[11..13].iter().map(|ticks| ticks.parse::<u64>().unwrap()).sum();
    Duration::from_millis(ticks * 10)
}

fn read_all(body: Body) -> String {
    let mut text = String::new();
    body.reader().read_to_string(&mut text).map_or_else(|error| error.to_string(), |_| text)
}

#[test]
#[cfg(target_os = "linux")]
fn a_plain_fn_that_reads_slowly_through_a_stop_costs_no_processor_time() {
    let _alone = alone();
    let (begin, begun) = mpsc::channel();
    let begin = Arc::new(Mutex::new(begin));
    let read_all = move |body: Body| {
        begin.lock().unwrap().send(()).unwrap();
        read_all(body)
    };
    let server = Server::new(Router::new().route("/", post(read_all))).start("127.0.0.1:0").unwrap();
    let client = connect(&server);
    (&client).write_all(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nab").unwrap();
    begun.recv().unwrap();
    server.shutdown();
    let before = cpu();
    thread::sleep(Duration::from_millis(600));
    let spent = cpu() - before;
    (&client).write_all(b"cd").unwrap();
    let answer = rest(&client);
    assert!(answer.ends_with("\r\n\r\nabcd"), "{answer}");
    server.wait().unwrap();
    assert!(spent < Duration::from_millis(300), "{spent:?} of 600 ms");
}

#[test]
#[cfg(target_os = "linux")]
fn a_plain_layer_that_waits_for_ever_costs_no_processor_time_after_the_end() {
    let _alone = alone();
    let (begin, begun) = mpsc::channel();
    let begin = Arc::new(Mutex::new(begin));
    let never = move || {
        begin.lock().unwrap().send(()).unwrap();
        pending::<()>()
    };
    fn layer(request: Request, next: Next) -> Response {
        next.run_blocking(request)
    }
    let server = Server::new(Router::new().route("/", get(never)).wrap(layer)).start("127.0.0.1:0").unwrap();
    let client = connect(&server);
    (&client).write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
    begun.recv().unwrap();
    server.shutdown_now();
    server.wait().unwrap();
    let before = cpu();
    thread::sleep(Duration::from_millis(600));
    let spent = cpu() - before;
    assert!(spent < Duration::from_millis(300), "{spent:?} of 600 ms");
}

#[test]
fn no_wake_is_lost_under_a_plain_layer() {
    let _alone = alone();
    // The handler under the layer is woken by another thread, at about the moment when the layer's wait
    // turns to driving the connection.
    const ROUNDS: u32 = 50_000;
    let (send, receive) = mpsc::channel::<(std::task::Waker, Arc<AtomicBool>, u32)>();
    let waking = thread::spawn(move || {
        loop {
            let (waker, done, round) = match receive.try_recv() {
                Ok(message) => message,
                Err(mpsc::TryRecvError::Empty) => continue,
                Err(mpsc::TryRecvError::Disconnected) => return,
            };
            for _ in 0..round % 200 {
                std::hint::spin_loop();
            }
            done.store(true, Ordering::SeqCst);
            waker.wake();
        }
    });
    let (send, rounds) = (Arc::new(Mutex::new(send)), Arc::new(AtomicU32::new(0)));
    let counted = rounds.clone();
    let handler = move || {
        let (send, rounds) = (send.clone(), counted.clone());
        async move {
            while rounds.load(Ordering::SeqCst) < ROUNDS {
                let round = rounds.fetch_add(1, Ordering::SeqCst);
                let done = Arc::new(AtomicBool::new(false));
                let mut sent = false;
                poll_fn(|cx| {
                    if done.load(Ordering::SeqCst) {
                        return Poll::Ready(());
                    }
                    if !std::mem::replace(&mut sent, true) {
                        let message = (cx.waker().clone(), done.clone(), round);
                        send.lock().unwrap().send(message).unwrap();
                    }
                    Poll::Pending
                })
                .await;
            }
            "all"
        }
    };
    fn layer(request: Request, next: Next) -> Response {
        next.run_blocking(request)
    }
    let router = Router::new().route("/", get(handler)).wrap(layer);
    let server = Server::new(router).start("127.0.0.1:0").unwrap();
    let client = connect(&server);
    (&client).write_all(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").unwrap();
    server.shutdown();
    // A lost wake shows as an answer that never comes: the read gives up.
    client.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    let answer = rest(&client);
    assert!(answer.ends_with("all"), "{} rounds: {answer}", rounds.load(Ordering::SeqCst));
    server.wait().unwrap();
    waking.join().unwrap();
}
