//! The backend over real sockets: life, limits and the two ways to run. What the bytes mean is the suite's matter.

use std::{
    future,
    io::{self, Read, Write},
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    os::{
        fd::OwnedFd,
        unix::{fs::PermissionsExt, net::UnixStream},
    },
    sync::{Arc, Mutex, mpsc},
    task::{Context, Poll, Waker},
    thread,
    time::Duration,
};

use tokio::runtime::{self, Runtime};
use trijet_backend::Address;
use trijet_core::{Limits, Path, Router, SocketSettings, get, rt};
use trijet_tokio::{IntoListener, Server, ServerHandle};

const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n";

/// Only so that a failing test ends: nothing here waits for it to pass.
const PATIENCE: Duration = Duration::from_secs(20);

fn start(limits: Limits) -> ServerHandle {
    Server::new(Router::default()).workers(2).limits(limits).start("127.0.0.1:0").unwrap()
}

fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
}

/// Reads one response, whatever its status.
fn response(stream: &mut TcpStream) -> io::Result<()> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte)?;
        head.push(byte[0]);
    }
    let head = String::from_utf8(head).unwrap().to_ascii_lowercase();
    assert!(head.starts_with("http/1.1 "), "{head}");
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap();
    io::copy(&mut stream.take(length.parse().unwrap()), &mut io::sink())?;
    Ok(())
}

fn exchange(stream: &mut TcpStream) {
    stream.write_all(REQUEST).unwrap();
    response(stream).unwrap()
}

/// Reads to the end, which may be a reset where the server was cut.
fn is_closed(stream: &mut TcpStream) -> bool {
    match stream.read(&mut [0; 64]) {
        Ok(read) => read == 0,
        Err(error) => error.kind() == io::ErrorKind::ConnectionReset,
    }
}

/// Fails the test where the server does not end.
fn wait(server: ServerHandle) {
    let (done, ended) = mpsc::channel();
    thread::spawn(move || done.send(server.wait()));
    ended.recv_timeout(PATIENCE).expect("the server did not end").unwrap();
}

#[test]
fn one_connection_serves_many_requests() {
    let server = start(Limits::default());
    let mut stream = connect(server.local_addr());
    for _ in 0..200 {
        exchange(&mut stream);
    }
    server.shutdown();
    assert!(is_closed(&mut stream));
    wait(server);
}

#[test]
fn pipelined_requests_are_answered_in_order_also_after_a_half_close() {
    let server = start(Limits::default());
    let mut stream = connect(server.local_addr());
    stream.write_all(&REQUEST.repeat(100)).unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
    for _ in 0..100 {
        response(&mut stream).unwrap();
    }
    assert!(is_closed(&mut stream));
    server.shutdown_now();
    wait(server);
}

#[test]
fn a_stop_answers_what_was_sent_and_takes_what_was_connected_before() {
    for _ in 0..50 {
        let server = start(Limits::default());
        let mut idle = connect(server.local_addr());
        exchange(&mut idle);
        let mut kept = connect(server.local_addr());
        exchange(&mut kept);
        kept.write_all(REQUEST).unwrap();
        let mut fresh: Vec<_> = (0..10).map(|_| connect(server.local_addr())).collect();
        for stream in &mut fresh {
            stream.write_all(REQUEST).unwrap();
        }
        server.shutdown();
        response(&mut kept).unwrap();
        for stream in &mut fresh {
            response(stream).unwrap();
        }
        assert!(is_closed(&mut idle));
        let address = server.local_addr();
        // A client that stays would be waited for: it may still be reading.
        drop((kept, fresh));
        wait(server);
        assert!(TcpStream::connect(address).is_err());
    }
}

#[test]
fn over_the_limit_the_kernel_queues() {
    let server = start(Limits { connections_max: Some(2), ..Limits::default() });
    let mut first = connect(server.local_addr());
    let mut second = connect(server.local_addr());
    exchange(&mut first);
    exchange(&mut second);
    let mut third = connect(server.local_addr());
    third.write_all(REQUEST).unwrap();
    // The two that are in keep being served, and the third is not.
    for _ in 0..20 {
        exchange(&mut first);
        exchange(&mut second);
    }
    third.set_nonblocking(true).unwrap();
    assert_eq!(third.read(&mut [0]).unwrap_err().kind(), io::ErrorKind::WouldBlock);
    third.set_nonblocking(false).unwrap();
    drop(first);
    response(&mut third).unwrap();
    server.shutdown_now();
    wait(server);
    assert!(is_closed(&mut second));
}

#[test]
fn a_stop_takes_what_the_kernel_has_queued_also_over_the_limit() {
    let server = start(Limits { connections_max: Some(1), ..Limits::default() });
    let mut first = connect(server.local_addr());
    first.write_all(&REQUEST[..9]).unwrap();
    let mut second = connect(server.local_addr());
    second.write_all(REQUEST).unwrap();
    second.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
    assert!(response(&mut second).is_err(), "it waits");
    server.shutdown();
    second.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    response(&mut second).expect("it is answered, though the first goes on");
    first.write_all(&REQUEST[9..]).unwrap();
    response(&mut first).unwrap();
    drop((first, second));
    wait(server);
}

#[test]
fn an_unfinished_request_is_cut_at_the_deadline() {
    let limits = Limits { shutdown_timeout: Duration::from_millis(50), ..Limits::default() };
    let server = start(limits);
    let mut stream = connect(server.local_addr());
    exchange(&mut stream);
    stream.write_all(b"GET / HTTP/1.1\r\nHo").unwrap();
    server.shutdown();
    wait(server);
}

#[test]
fn an_idle_connection_is_closed_silently_at_its_deadline() {
    let server = start(Limits { idle_timeout: Duration::from_millis(50), ..Limits::default() });
    let mut stream = connect(server.local_addr());
    exchange(&mut stream);
    assert!(is_closed(&mut stream));
    server.shutdown();
    wait(server);
}

#[test]
fn several_listeners_are_all_served() {
    let listeners: Vec<_> = (0..3).map(|_| TcpListener::bind("127.0.0.1:0").unwrap()).collect();
    let server = Server::new(Router::default()).start_on(listeners).unwrap();
    for address in server.local_addrs() {
        exchange(&mut connect(address.tcp().unwrap()));
    }
    server.shutdown();
    wait(server);
}

#[test]
fn many_starts_and_stops_leave_nothing_behind() {
    for _ in 0..50 {
        let server = start(Limits::default());
        exchange(&mut connect(server.local_addr()));
        server.shutdown();
        wait(server);
    }
}

#[derive(Default)]
struct Latch {
    set: bool,
    waker: Option<Waker>,
}

/// A latch without tokio's `sync`, which the library must not come to need: its setter, and its poll.
fn latch() -> (impl FnOnce() + Send + 'static, impl FnMut(&mut Context<'_>) -> Poll<()>) {
    let latch = Arc::new(Mutex::new(Latch::default()));
    let other = latch.clone();
    let set = move || {
        let mut latch = latch.lock().unwrap();
        latch.set = true;
        latch.waker.take().into_iter().for_each(Waker::wake);
    };
    let poll = move |cx: &mut Context<'_>| {
        let mut latch = other.lock().unwrap();
        latch.waker = Some(cx.waker().clone());
        if latch.set { Poll::Ready(()) } else { Poll::Pending }
    };
    (set, poll)
}

fn runtimes() -> [Runtime; 2] {
    [runtime::Builder::new_current_thread(), runtime::Builder::new_multi_thread()]
        .map(|mut builder| builder.enable_all().build().unwrap())
}

#[test]
fn it_runs_inside_a_runtime_until_told_to_stop() {
    for runtime in runtimes() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, mut stopped) = latch();
        let client = thread::spawn(move || {
            let mut stream = connect(address);
            exchange(&mut stream);
            exchange(&mut stream);
            stop();
            assert!(is_closed(&mut stream));
        });
        let served = runtime.block_on(async {
            listener.set_nonblocking(true).unwrap();
            let listener = tokio::net::TcpListener::from_std(listener).unwrap();
            let stop = future::poll_fn(|cx| stopped(cx));
            Server::new(Router::default()).run_until(listener, stop).await
        });
        served.unwrap();
        client.join().unwrap();
    }
}

#[test]
fn inside_a_runtime_too_it_has_a_handle() {
    for runtime in runtimes() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let serve = async { Server::new(Router::default()).run_with_handle(listener) };
        let (server, serving) = runtime.block_on(serve).unwrap();
        let told = server.clone();
        let client = thread::spawn(move || {
            let mut stream = connect(told.local_addr());
            exchange(&mut stream);
            assert_eq!(told.statistics().connections, 1);
            told.shutdown();
            assert!(is_closed(&mut stream));
            // As another would, that has not stopped it.
            told.wait().unwrap();
            assert_eq!(told.statistics().connections, 0);
        });
        runtime.block_on(serving);
        client.join().unwrap();
        server.wait().unwrap();
    }
}

#[test]
fn inside_a_runtime_too_there_are_hooks_and_listeners_of_both_kinds() {
    for runtime in runtimes() {
        let path = std::env::temp_dir().join(format!("trijet-tokio-{}", std::process::id()));
        let (tell, told) = mpsc::channel();
        let also = tell.clone();
        let server = Server::new(Router::default())
            .on_start(move |server| {
                // It may block, and a thread of the runtime may not.
                thread::spawn(move || tell.send("start").unwrap()).join().unwrap();
                assert!(!server.is_ready());
                Ok(())
            })
            .on_stop(move |server| {
                assert_eq!(server.statistics().connections, 0);
                also.send("stop")?;
                Err("planted".into())
            });
        let serve = async {
            let unix = tokio::net::UnixListener::bind(&path).unwrap();
            let listeners = [TcpListener::bind("127.0.0.1:0").unwrap().into()];
            let listeners = unix.into_listeners().unwrap().into_iter().chain(listeners);
            server.run_with_handle(listeners.collect::<Vec<_>>())
        };
        let (server, serving) = runtime.block_on(serve).unwrap();
        assert_eq!(told.try_recv(), Err(mpsc::TryRecvError::Empty), "they are the future's");
        let told_of = server.clone();
        let other = path.clone();
        let client = thread::spawn(move || {
            exchange(&mut connect(told_of.local_addr()));
            exchange(&mut TcpStream::from(OwnedFd::from(UnixStream::connect(other).unwrap())));
            assert!(told_of.is_ready());
            told_of.shutdown();
            told_of.wait().unwrap_err().to_string()
        });
        runtime.block_on(serving);
        assert_eq!(client.join().unwrap(), "on_stop: planted");
        assert_eq!(told.try_iter().collect::<Vec<_>>(), ["start", "stop"]);
        std::fs::remove_file(&path).unwrap();
    }
}

#[test]
fn inside_a_runtime_too_a_start_that_fails_is_no_start() {
    for runtime in runtimes() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let server =
            Server::new(Router::default()).on_start(|_| panic!("planted")).on_stop(|_| panic!("not run"));
        let error = runtime.block_on(server.run(listener)).unwrap_err();
        assert_eq!(error.to_string(), "on_start panicked: planted");
        TcpStream::connect(address).expect_err("the port is closed");
    }
}

#[test]
fn inside_a_runtime_too_addresses_are_bound() {
    for runtime in runtimes() {
        let path = std::env::temp_dir().join(format!("trijet-tokio-bound-{}", std::process::id()));
        let addresses = [Address::unix(&path), "127.0.0.1:0".parse().unwrap()];
        let sockets = SocketSettings { unix_mode: Some(0o620), ..SocketSettings::default() };
        let server = Server::new(Router::default()).sockets(sockets);
        let (server, serving) = runtime.block_on(async { server.run_with_handle(addresses) }).unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o620);
        let again = Server::new(Router::default()).run(Address::unix(&path));
        assert_eq!(runtime.block_on(again).unwrap_err().kind(), io::ErrorKind::AddrInUse);
        let (told, other) = (server.clone(), path.clone());
        let client = thread::spawn(move || {
            exchange(&mut connect(told.local_addr()));
            exchange(&mut TcpStream::from(OwnedFd::from(UnixStream::connect(other).unwrap())));
            told.shutdown();
        });
        runtime.block_on(serving);
        client.join().unwrap();
        assert!(!path.exists(), "its file goes with it");
    }
}

#[test]
fn to_stop_now_ends_it_inside_a_runtime_though_a_hook_of_the_stop_hangs() {
    for runtime in runtimes() {
        let (begun, begins) = mpsc::channel();
        let (go_on, waits) = mpsc::channel::<()>();
        let server = Server::new(Router::default()).on_stop(move |_| {
            begun.send(())?;
            // Until the other end is dropped.
            _ = waits.recv();
            Ok(())
        });
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let (server, serving) = runtime.block_on(async { server.run_with_handle(listener) }).unwrap();
        let stopped = server.clone();
        let stop = thread::spawn(move || {
            stopped.shutdown();
            begins.recv_timeout(PATIENCE).unwrap();
            stopped.shutdown_now();
        });
        let ended = runtime.block_on(async { tokio::time::timeout(PATIENCE, serving).await });
        ended.expect("it did not end");
        drop(go_on);
        stop.join().unwrap();
        let told = server.wait().unwrap_err().to_string();
        assert_eq!(told, "stopped now, while on_stop was still running");
    }
}

/// What the log says of servers inside of a runtime.
static ANNOUNCED: Mutex<Vec<String>> = Mutex::new(Vec::new());

struct Log;

impl log::Log for Log {
    fn enabled(&self, _: &log::Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &log::Record<'_>) {
        if record.target() == "trijet" {
            ANNOUNCED.lock().unwrap().push(record.args().to_string());
        }
    }

    fn flush(&self) {}
}

#[test]
fn inside_a_runtime_too_it_is_said_to_serve_once_it_does() {
    log::set_logger(&Log).unwrap();
    log::set_max_level(log::LevelFilter::Info);
    let is_announced = |server: &ServerHandle| {
        let own = format!("serving on http://{} ", server.local_addr());
        ANNOUNCED.lock().unwrap().iter().any(|line| line.starts_with(&own))
    };
    let [runtime, _] = runtimes();
    let server = Server::new(Router::default()).on_start(move |server| {
        assert!(!is_announced(server), "its start is not over");
        Ok(())
    });
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let (server, serving) = runtime.block_on(async { server.run_with_handle(listener) }).unwrap();
    let told = server.clone();
    let client = thread::spawn(move || {
        exchange(&mut connect(told.local_addr()));
        assert!(is_announced(&told));
        told.shutdown();
    });
    runtime.block_on(serving);
    client.join().unwrap();
    server.wait().unwrap();
}

/// The runtime goes on, and would serve them.
#[test]
fn connections_that_outlive_a_server_inside_a_runtime_fail() {
    for runtime in runtimes() {
        let peer = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = peer.local_addr().unwrap();
        let (begun, begins) = mpsc::channel();
        let (told, tells) = mpsc::channel();
        let outlive = move || {
            let block_on = |work| runtime::Handle::current().block_on(work);
            let mut awaited = block_on(rt::TcpStream::connect(address)).unwrap();
            let read = future::poll_fn(|cx| {
                let polled = awaited.poll_read(cx, &mut [0]);
                if polled.is_pending() {
                    _ = begun.send(());
                }
                polled
            });
            let read = runtime::Handle::current().block_on(read);
            told.send(("a read", read.map_err(|error| error.kind()))).unwrap();
            let begun = block_on(rt::TcpStream::connect(address));
            told.send(("a connect", begun.map(|_| 0).map_err(|error| error.kind()))).unwrap();
        };
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let app = Router::new().route("/", get(outlive));
        let serve = async { Server::new(app).run_with_handle(listener) };
        let (server, serving) = runtime.block_on(serve).unwrap();
        let client = thread::spawn(move || {
            let mut stream = connect(server.local_addr());
            stream.write_all(REQUEST).unwrap();
            begins.recv_timeout(PATIENCE).unwrap();
            server.shutdown_now();
        });
        runtime.block_on(serving);
        client.join().unwrap();
        for what in ["a read", "a connect"] {
            let failed = Err(io::ErrorKind::ConnectionAborted);
            assert_eq!(tells.recv_timeout(PATIENCE), Ok((what, failed)));
        }
    }
}

#[test]
fn dropping_the_run_future_cuts_its_connections() {
    for runtime in runtimes() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, mut stopped) = latch();
        let client = thread::spawn(move || {
            let mut stream = connect(address);
            exchange(&mut stream);
            stop();
            assert!(is_closed(&mut stream));
        });
        runtime.block_on(async {
            let mut run = Box::pin(Server::new(Router::default()).run(listener));
            future::poll_fn(|cx| {
                assert!(run.as_mut().poll(cx).is_pending());
                stopped(cx)
            })
            .await;
            drop(run);
            assert!(TcpStream::connect(address).is_err());
            // The runtime goes on: what is closed is closed by the drop.
            while !client.is_finished() {
                tokio::task::yield_now().await;
            }
        });
        client.join().unwrap();
    }
}

#[test]
fn inside_a_runtime_workers_are_refused_by_name() {
    let [runtime, _] = runtimes();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let run = Server::new(Router::default()).workers(2).run(listener);
    let error = runtime.block_on(run).unwrap_err();
    assert!(error.to_string().contains("workers"), "{error}");
}

/// What a task may take from Tokio in one poll is used up by its handler, just when there is more to be read.
#[test]
fn who_has_taken_all_that_it_may_lets_others_go_first() {
    async fn takes(Path(count): Path<u32>) {
        for _ in 0..count {
            tokio::task::consume_budget().await;
        }
    }
    let (entered, entries) = mpsc::channel();
    let (open, gate) = mpsc::channel();
    let gate = Arc::new(Mutex::new(gate));
    // It holds its worker, so that much comes meanwhile.
    let hold = move || {
        let (entered, gate) = (entered.clone(), gate.clone());
        async move {
            entered.send(()).unwrap();
            gate.lock().unwrap().recv_timeout(PATIENCE).unwrap();
        }
    };
    let app = Router::new().route("/hold", get(hold)).route("/takes/{count}", get(takes));
    let server = Server::new(app).workers(1).start("127.0.0.1:0").unwrap();
    let ask = |stream: &mut TcpStream, path: &str| {
        stream.write_all(format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n").as_bytes()).unwrap();
    };
    let mut holder = connect(server.local_addr());
    // The read of the request takes one of 128.
    for count in 120..=130 {
        let mut stream = connect(server.local_addr());
        ask(&mut stream, "/takes/0");
        response(&mut stream).unwrap();
        // The worker hears of the request and of the end behind it at once.
        ask(&mut holder, "/hold");
        entries.recv_timeout(PATIENCE).unwrap();
        ask(&mut stream, &format!("/takes/{count}"));
        stream.shutdown(Shutdown::Write).unwrap();
        open.send(()).unwrap();
        response(&mut holder).unwrap();
        response(&mut stream).unwrap();
        ask(&mut holder, "/takes/0");
        response(&mut holder).unwrap_or_else(|error| panic!("behind {count}: {error}"));
    }
    drop(holder);
    server.shutdown();
    server.wait().unwrap();
}
