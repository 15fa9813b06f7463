//! The loops with a driver of their own: lines instead of HTTP, so that a failure here is the backend's.

use std::{
    future::poll_fn,
    io::{self, BufRead, BufReader, IoSlice, Read, Write},
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, mpsc},
    task::{Poll, Waker},
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use trijet_backend::{Life, Settings};
use trijet_core::{CloseReason, Limits, Outcome, Router, Transport, driver::Driving};

use crate::{ACCEPTING_LOOP, Server, transport::MioTransport};

/// What a parked line tells the test: its waker, with which the test lets it go on.
type Parked = mpsc::Sender<(Waker, mpsc::Sender<()>)>;

const LONG: usize = 8 << 20;

/// Answers each line: the command's answer, or the line itself.
async fn serve_lines(mut transport: MioTransport, parked: Parked) -> Outcome<MioTransport> {
    let mut input = Vec::new();
    // Small, so that reads that fill the buffer and reads that come short both happen.
    let mut buffer = [0; 8];
    loop {
        while let Some(end) = input.iter().position(|&byte| byte == b'\n') {
            let line: Vec<u8> = input.drain(..=end).collect();
            if let Err(error) = answer(&mut transport, &line, &parked).await {
                assert!(error.kind() != io::ErrorKind::Other, "{error}");
                return Outcome::Closed(CloseReason::PeerLeft);
            }
            // Fills the buffer, so there may be more: the next drive has to find it.
            if line == b"restart\n" && input.is_empty() {
                return Outcome::Idle(transport);
            }
        }
        let idle = input.is_empty();
        let read = poll_fn(|cx| match transport.poll_read(cx, &mut buffer) {
            Poll::Pending if idle => Poll::Ready(None),
            polled => polled.map(Some),
        });
        match read.await {
            None if transport.is_stopping() => return Outcome::Closed(CloseReason::Stopping),
            None => {
                return Outcome::Idle(transport);
            }
            Some(Ok(count)) if count > 0 => input.extend_from_slice(&buffer[..count]),
            Some(_) => return Outcome::Closed(CloseReason::PeerClosed),
        }
    }
}

async fn answer(transport: &mut MioTransport, line: &[u8], parked: &Parked) -> io::Result<()> {
    match line {
        b"thread\n" => write(transport, format!("{}\n", thread::current().name().unwrap()).as_bytes()).await,
        b"panic\n" => panic!("planted"),
        b"long\n" => write(transport, &vec![b'x'; LONG]).await,
        b"wait\n" => {
            let at = transport.now() + Duration::from_millis(30);
            // An earlier deadline that is replaced must not fire.
            let mut first = Some(at - Duration::from_millis(20));
            poll_fn(|cx| {
                if let Some(early) = first.take() {
                    assert!(transport.poll_deadline(cx, early).is_pending());
                }
                transport.poll_deadline(cx, at)
            })
            .await;
            assert!(transport.now() >= at);
            write(transport, line).await
        }
        b"spin\n" => {
            // Until the peer goes away: woken anew in each of its polls.
            poll_fn(|cx| {
                cx.waker().wake_by_ref();
                transport.poll_read(cx, &mut [0]).map(drop)
            })
            .await;
            write(transport, line).await
        }
        b"park\n" => {
            let (go, gone) = mpsc::channel();
            let mut go = Some(go);
            let parked = parked.clone();
            poll_fn(move |cx| {
                if let Some(go) = go.take() {
                    parked.send((cx.waker().clone(), go)).unwrap();
                }
                if gone.try_recv().is_ok() { Poll::Ready(()) } else { Poll::Pending }
            })
            .await;
            write(transport, line).await
        }
        _ => write(transport, line).await,
    }
}

async fn write(transport: &mut MioTransport, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        let count = poll_fn(|cx| transport.poll_write(cx, &[IoSlice::new(bytes)])).await?;
        bytes = &bytes[count..];
    }
    Ok(())
}

/// A server of lines, joined at the end of the test.
struct Lines {
    address: SocketAddr,
    life: Arc<Life>,
    parked: mpsc::Receiver<(Waker, mpsc::Sender<()>)>,
    run: Option<trijet_backend::Run>,
    thread: Option<JoinHandle<bool>>,
}

fn lines(workers: usize, limits: Limits) -> Lines {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let settings = Settings { workers: Some(workers), limits, ..Settings::default() };
    let (service, _) = settings.service(Router::default(), vec![listener.into()], "mio").unwrap();
    let address = service.handle.local_addr();
    let life = service.life.clone();
    let (parked, receive) = mpsc::channel();
    let drive = move |transport, _| Driving::by(serve_lines(transport, parked.clone()));
    let run = crate::prepare(service, Box::new(drive));
    Lines { address, life, parked: receive, run: Some(run.unwrap()), thread: None }
}

impl Lines {
    fn start(workers: usize) -> Self {
        lines(workers, Limits::default()).run()
    }

    fn run(mut self) -> Self {
        let run = self.run.take().unwrap();
        self.thread = Some(thread::spawn(move || matches!(catch_unwind(AssertUnwindSafe(run)), Ok(Ok(())))));
        self
    }

    fn connect(&self) -> Client {
        let stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        Client(BufReader::new(stream))
    }

    /// What the next line that parks has told.
    fn parked(&self) -> (Waker, mpsc::Sender<()>) {
        self.parked.recv_timeout(Duration::from_secs(10)).unwrap()
    }

    /// Whether the server ended well.
    fn wait(mut self) -> bool {
        self.thread.take().unwrap().join().unwrap()
    }

    fn stop(self) {
        self.life.shutdown();
        assert!(self.wait());
    }
}

struct Client(BufReader<TcpStream>);

impl Client {
    fn send(&mut self, text: &str) {
        self.0.get_mut().write_all(text.as_bytes()).unwrap();
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.0.read_line(&mut line).unwrap();
        line
    }

    fn ask(&mut self, text: &str) -> String {
        self.send(text);
        self.line()
    }

    /// Everything until the server closes.
    fn rest(&mut self) -> String {
        let mut rest = String::new();
        self.0.read_to_string(&mut rest).unwrap();
        rest
    }

    fn was_cut(mut self) -> bool {
        // A cut is a reset where bytes were unread, else an end.
        self.0
            .read(&mut [0])
            .map_or_else(|error| error.kind() == io::ErrorKind::ConnectionReset, |count| count == 0)
    }
}

#[test]
fn a_connection_is_kept_and_pipelined_lines_are_answered_in_order() {
    let server = Lines::start(2);
    let mut client = server.connect();
    for round in 0..100 {
        assert_eq!(client.ask(&format!("{round}\n")), format!("{round}\n"));
    }
    let many: String = (0..1000).map(|number| format!("{number}\n")).collect();
    client.send(&many);
    let answers: String = (0..1000).map(|_| client.line()).collect();
    assert_eq!(answers, many);
    let again = "restart\n".repeat(100);
    client.send(&again);
    let answers: String = (0..100).map(|_| client.line()).collect();
    assert_eq!(answers, again);
    server.stop();
}

#[test]
fn an_end_that_comes_with_the_data_is_not_lost() {
    let server = Lines::start(2);
    for round in 0..500 {
        // Lengths around the buffer's: the end must be seen after full reads and after short ones.
        let text = format!("{}\n", "y".repeat(round % 20));
        let mut client = server.connect();
        client.send(&text);
        client.0.get_mut().shutdown(Shutdown::Write).unwrap();
        assert_eq!(client.rest(), text);
    }
    server.stop();
}

#[test]
fn a_half_closed_peer_still_gets_its_answer() {
    let server = Lines::start(1);
    let mut client = server.connect();
    client.send("park\n");
    let (waker, go) = server.parked();
    client.0.get_mut().shutdown(Shutdown::Write).unwrap();
    go.send(()).unwrap();
    waker.wake();
    assert_eq!(client.rest(), "park\n");
    server.stop();
}

#[test]
fn a_line_is_woken_from_another_thread_and_wakers_may_outlive_everything() {
    let server = Lines::start(2);
    let mut clients: Vec<_> = (0..4).map(|_| server.connect()).collect();
    let mut wakers = Vec::new();
    for _ in 0..50 {
        for client in &mut clients {
            client.send("park\n");
            let (waker, go) = server.parked();
            waker.wake_by_ref();
            go.send(()).unwrap();
            waker.wake_by_ref();
            wakers.push(waker);
            assert_eq!(client.line(), "park\n");
            // Late wakes reach an idle connection.
            wakers.iter().for_each(Waker::wake_by_ref);
        }
    }
    drop(clients);
    let mut next = server.connect();
    wakers.iter().for_each(Waker::wake_by_ref);
    assert_eq!(next.ask("a\n"), "a\n");
    server.stop();
    wakers.into_iter().for_each(Waker::wake);
}

#[test]
fn a_panic_costs_its_connection_alone() {
    let server = Lines::start(1);
    let mut other = server.connect();
    assert_eq!(other.ask("a\n"), "a\n");
    for _ in 0..10 {
        let mut client = server.connect();
        client.send("panic\n");
        assert!(client.was_cut());
    }
    assert_eq!(other.ask("b\n"), "b\n");
    server.stop();
}

#[test]
fn a_long_answer_waits_for_a_slow_reader() {
    let server = Lines::start(1);
    let mut slow = server.connect();
    slow.send("long\nend\n");
    // The loop goes on meanwhile.
    assert_eq!(server.connect().ask("a\n"), "a\n");
    let mut long = vec![0; LONG];
    slow.0.read_exact(&mut long).unwrap();
    assert!(long.iter().all(|&byte| byte == b'x'));
    assert_eq!(slow.line(), "end\n");
    server.stop();
}

#[test]
fn deadlines_come_when_they_are_due() {
    const IDLE: Duration = Duration::from_millis(300);
    let server = lines(1, Limits { idle_timeout: IDLE, ..Limits::default() }).run();
    let mut client = server.connect();
    for _ in 0..3 {
        let start = Instant::now();
        assert_eq!(client.ask("wait\n"), "wait\n");
        assert!(start.elapsed() >= Duration::from_millis(30));
    }
    let start = Instant::now();
    assert_eq!(client.rest(), "", "idle for too long");
    let elapsed = start.elapsed();
    assert!(elapsed >= IDLE - Duration::from_millis(50) && elapsed < IDLE * 10, "{elapsed:?}");
    server.stop();
}

#[test]
fn a_connection_that_never_speaks_is_dropped() {
    let limits = Limits { idle_timeout: Duration::from_millis(50), ..Limits::default() };
    let server = lines(2, limits).run();
    let mut clients: Vec<_> = (0..4).map(|_| server.connect()).collect();
    assert!(clients.iter_mut().all(|client| client.rest().is_empty()));
    server.stop();
}

#[test]
fn an_idle_time_without_end_is_no_fault() {
    let server = lines(1, Limits { idle_timeout: Duration::MAX, ..Limits::default() }).run();
    let mut client = server.connect();
    client.send("a\n");
    client.0.get_mut().shutdown(Shutdown::Write).unwrap();
    assert_eq!(client.rest(), "a\n");
    server.stop();
}

#[test]
fn a_task_that_always_wakes_itself_starves_nobody() {
    let server = Lines::start(1);
    let mut spinning = server.connect();
    spinning.send("spin\n");
    let mut client = server.connect();
    for _ in 0..100 {
        assert_eq!(client.ask("a\n"), "a\n");
    }
    spinning.send("!");
    assert_eq!(spinning.line(), "spin\n");
    server.stop();
}

#[test]
fn connections_are_spread_evenly() {
    let server = Lines::start(2);
    let mut clients: Vec<_> = (0..300).map(|_| server.connect()).collect();
    let on_first = clients.iter_mut().filter_map(|client| {
        let name = client.ask("thread\n");
        (name == format!("trijet-mio-{ACCEPTING_LOOP}\n")).then_some(())
    });
    assert_eq!(on_first.count(), 150);
    server.stop();
}

#[test]
fn over_the_limit_connections_wait_in_the_kernel() {
    let server = lines(2, Limits { connections_max: Some(2), ..Limits::default() }).run();
    let mut first = server.connect();
    let mut second = server.connect();
    assert_eq!((first.ask("a\n"), second.ask("a\n")), ("a\n".to_owned(), "a\n".to_owned()));
    let mut waiting: Vec<_> = (0..20).map(|_| server.connect()).collect();
    for client in &mut waiting {
        client.send("park\n");
    }
    // Those two are held busy; whoever else were served would have parked.
    for client in [&mut first, &mut second] {
        client.send("park\n");
    }
    let held = [server.parked(), server.parked()];
    assert!(server.parked.try_recv().is_err());
    for (waker, go) in held {
        go.send(()).unwrap();
        waker.wake();
    }
    drop((first, second));
    for client in waiting {
        let (waker, go) = server.parked();
        go.send(()).unwrap();
        waker.wake();
        drop(client);
    }
    server.stop();
}

#[test]
fn a_stop_serves_what_the_kernel_has_queued() {
    let server = lines(2, Limits { connections_max: Some(8), ..Limits::default() });
    // More than a turn accepts, and more than the limit.
    let mut clients: Vec<_> = (0..100).map(|_| server.connect()).collect();
    for client in &mut clients {
        client.send("a\n");
    }
    server.life.shutdown();
    let server = server.run();
    for client in &mut clients {
        assert_eq!(client.rest(), "a\n");
    }
    let address = server.address;
    assert!(server.wait());
    assert!(TcpStream::connect(address).is_err(), "the listener is closed");
}

#[test]
fn a_stop_closes_what_is_idle_and_finishes_what_is_in_flight() {
    let server = Lines::start(2);
    let mut idle: Vec<_> = (0..4).map(|_| server.connect()).collect();
    for client in &mut idle {
        assert_eq!(client.ask("a\n"), "a\n");
    }
    let mut busy: Vec<_> = (0..4).map(|_| server.connect()).collect();
    let held: Vec<_> = busy
        .iter_mut()
        .map(|client| {
            client.send("park\n");
            server.parked()
        })
        .collect();
    server.life.shutdown();
    assert!(idle.iter_mut().all(|client| client.rest().is_empty()));
    for (waker, go) in held {
        go.send(()).unwrap();
        waker.wake();
    }
    assert!(busy.iter_mut().all(|client| client.rest() == "park\n"));
    assert!(server.wait());
}

#[test]
fn at_the_deadline_of_a_stop_or_when_it_must_end_now_connections_are_cut() {
    for now in [false, true] {
        let shutdown_timeout = if now { Duration::from_secs(60) } else { Duration::from_millis(50) };
        let server = lines(2, Limits { shutdown_timeout, ..Limits::default() }).run();
        let mut clients: Vec<_> = (0..4).map(|_| server.connect()).collect();
        let held: Vec<_> = clients
            .iter_mut()
            .map(|client| {
                client.send("park\n");
                server.parked()
            })
            .collect();
        server.life.shutdown();
        if now {
            server.life.shutdown_now();
        }
        assert!(clients.into_iter().all(Client::was_cut), "now: {now}");
        assert!(server.wait());
        drop(held);
    }
}

#[test]
fn a_loop_that_fails_ends_the_server_with_an_error() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let settings = Settings { workers: Some(3), ..Settings::default() };
    let (service, _) = settings.service(Router::default(), vec![listener.into()], "mio").unwrap();
    let run = crate::prepare(service, Box::new(|_, _| panic!("planted in the loop itself"))).unwrap();
    let server = thread::spawn(run);
    let mut client = TcpStream::connect(address).unwrap();
    client.write_all(b"a\n").unwrap();
    assert!(server.join().unwrap().is_err());
}

#[test]
fn the_public_server_starts_and_stops_many_times() {
    for _ in 0..50 {
        let handle = Server::new(Router::default()).workers(2).start("127.0.0.1:0").unwrap();
        handle.shutdown();
        handle.wait().unwrap();
    }
}
