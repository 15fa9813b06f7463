//! Connections of handlers: what they carry, what interrupts them, and what goes on beside them.

use std::{
    io::{self, Read, Write},
    net::TcpListener,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::{Pin, pin},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Waker},
    time::Duration,
};

use futures_util::{
    AsyncBufReadExt, AsyncReadExt, AsyncWriteExt,
    future::{Either, join, join_all, select},
    io::BufReader,
};
use trijet::{
    Backend, Router, get,
    rt::{self, TcpStream},
};

use super::{LONG, Remote, answer, ask, for_two, serving, silent};
use crate::common::{
    PATIENCE,
    gate::Gate,
    pattern::Pattern,
    server::{start_with, start_workers},
};

on_every_backend!(
    two_waits_go_on_at_once,
    a_timeout_interrupts_a_read,
    a_timeout_interrupts_what_is_always_ready,
    what_is_dropped_while_it_waits_is_closed,
    a_connection_carries_both_directions_at_once,
    a_peer_that_ends_is_read_to_its_end,
    connections_that_cannot_be_made_are_errors,
    names_are_looked_up,
    names_are_looked_up_beside_calls_that_wait,
    what_is_always_ready_lets_others_go,
    a_waker_that_panics_costs_nobody_else,
);

fn two_waits_go_on_at_once(on: Backend) {
    let remote = for_two();
    let address = remote.address;
    let server = serving(on, move || async move {
        let (one, other) = join(ask(address), ask(address)).await;
        // A task beside its handler, and two tasks.
        let third = rt::spawn(ask(address));
        let fourth = ask(address).await;
        let tasks = [rt::spawn(ask(address)), rt::spawn(ask(address))];
        let [fifth, sixth]: [_; 2] = join_all(tasks).await.try_into().unwrap();
        [one, other, third.await.unwrap(), fourth, fifth.unwrap(), sixth.unwrap()].join(" ")
    });
    assert_eq!(answer(&server), ["both"; 6].join(" "));
}

fn a_timeout_interrupts_a_read(on: Backend) {
    let (remote, ends) = silent();
    let server = serving(on, move || async move {
        let mut stream = TcpStream::connect(remote.address).await.unwrap();
        let mut byte = [0];
        let read = rt::timeout(Duration::from_millis(20), stream.read(&mut byte));
        let error = io::Error::from(read.await.unwrap_err());
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        // The connection is as good as before.
        let again = rt::timeout(Duration::ZERO, stream.read(&mut byte)).await;
        assert!(again.is_err());
        let in_time = rt::timeout(LONG, rt::sleep(Duration::ZERO)).await;
        format!("{error}, {in_time:?}")
    });
    assert_eq!(answer(&server), "the time is over, Ok(())");
    ends.recv_timeout(PATIENCE).expect("the connection is closed with its handler");
}

fn a_timeout_interrupts_what_is_always_ready(on: Backend) {
    let remote = Remote::new(|mut stream| while stream.write_all(&[0; 64 << 10]).is_ok() {});
    let server = serving(on, move || async move {
        let mut stream = TcpStream::connect(remote.address).await.unwrap();
        let busy = async {
            let mut bytes = [0; 16];
            loop {
                stream.read(&mut bytes).await.unwrap();
            }
        };
        let elapsed: Result<(), _> = rt::timeout(Duration::from_millis(50), busy).await;
        elapsed.unwrap_err().to_string()
    });
    assert_eq!(answer(&server), "the time is over");
}

fn what_is_dropped_while_it_waits_is_closed(on: Backend) {
    let (remote, ends) = silent();
    let server = serving(on, move || async move {
        let reading = async {
            let mut stream = TcpStream::connect(remote.address).await.unwrap();
            stream.read(&mut [0]).await
        };
        match select(pin!(reading), pin!(rt::sleep(Duration::from_millis(10)))).await {
            Either::Left((read, _)) => format!("{read:?}"),
            Either::Right(_) => "left".to_owned(),
        }
    });
    assert_eq!(answer(&server), "left");
    ends.recv_timeout(PATIENCE).expect("the connection is closed");
}

fn a_connection_carries_both_directions_at_once(on: Backend) {
    const LENGTH: u64 = 8 << 20;
    let remote = Remote::new(|stream| {
        // Echoes; far more than the buffers hold, so that each side has to read while it writes.
        let mut reading = stream.try_clone().unwrap();
        io::copy(&mut reading, &mut &stream).unwrap();
    });
    let server = serving(on, move || async move {
        let stream = TcpStream::connect(remote.address).await.unwrap();
        assert_eq!(stream.peer_addr().unwrap(), remote.address);
        assert_ne!(stream.local_addr().unwrap(), remote.address);
        stream.set_nodelay(true).unwrap();
        let (mut reading, mut writing) = stream.split();
        let write = async {
            let mut pattern = Pattern::default();
            while pattern.position() < LENGTH {
                let left = usize::try_from(LENGTH - pattern.position()).unwrap();
                writing.write_all(pattern.piece(left)).await.unwrap();
            }
            writing.close().await.unwrap();
        };
        let read = async {
            let (mut pattern, mut count, mut buffer) = (Pattern::default(), 0, vec![0; 100_000]);
            loop {
                match reading.read(&mut buffer).await.unwrap() {
                    0 => return count,
                    read => {
                        assert!(pattern.matches(&buffer[..read]));
                        count += read;
                    }
                }
            }
        };
        let ((), count) = join(write, read).await;
        count.to_string()
    });
    assert_eq!(answer(&server), LENGTH.to_string());
}

fn a_peer_that_ends_is_read_to_its_end(on: Backend) {
    let remote = Remote::new(|mut stream| {
        let mut line = [0; 5];
        stream.read_exact(&mut line).unwrap();
        stream.write_all(b"one\ntwo\nthree").unwrap();
    });
    let server = serving(on, move || async move {
        let mut stream = TcpStream::connect(remote.address.to_string()).await.unwrap();
        stream.write_all(b"lines").await.unwrap();
        let (mut lines, mut reader) = (Vec::new(), BufReader::new(stream));
        loop {
            let mut line = String::new();
            if reader.read_line(&mut line).await.unwrap() == 0 {
                break;
            }
            lines.push(line.trim().to_owned());
        }
        // And again, however often.
        assert_eq!(reader.read(&mut [0]).await.unwrap(), 0);
        lines.join(" ")
    });
    assert_eq!(answer(&server), "one two three");
}

fn connections_that_cannot_be_made_are_errors(on: Backend) {
    // Bound and not listening any more: nobody is there.
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let server = serving(on, move || async move {
        let refused = TcpStream::connect(free).await.unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::ConnectionRefused, "{refused}");
        let no_port = TcpStream::connect("localhost").await.unwrap_err();
        assert_eq!(no_port.kind(), io::ErrorKind::InvalidInput);
        assert!(no_port.to_string().contains("a host and a port"), "{no_port}");
        TcpStream::connect(("a.name.that.is.invalid", 80)).await.expect_err("no such name");
        "refused".to_owned()
    });
    assert_eq!(answer(&server), "refused");
}

fn names_are_looked_up(on: Backend) {
    let remote = Remote::new(|mut stream| stream.write_all(b"found").unwrap());
    let port = remote.address.port();
    let server = serving(on, move || async move {
        let mut found = String::new();
        TcpStream::connect(("localhost", port)).await.unwrap().read_to_string(&mut found).await.unwrap();
        found
    });
    assert_eq!(answer(&server), "found");
}

fn names_are_looked_up_beside_calls_that_wait(on: Backend) {
    let remote = Remote::new(|mut stream| stream.write_all(b"found").unwrap());
    let port = remote.address.port();
    let connect = move || async move {
        let (gate, held) = (Gate::default(), Gate::default());
        let (opened, begun) = (gate.clone(), held.clone());
        let call = rt::spawn_blocking(move || {
            begun.open();
            opened.wait();
        });
        held.opened().await;
        let mut found = String::new();
        let mut stream =
            rt::timeout(PATIENCE / 2, TcpStream::connect(("localhost", port))).await.unwrap().unwrap();
        stream.read_to_string(&mut found).await.unwrap();
        gate.open();
        call.await.unwrap();
        found
    };
    let limits = trijet::Limits { blocking_threads_max: 1, ..trijet::Limits::default() };
    let server = start_with(on, Router::new().route("/", get(connect)), limits);
    assert_eq!(answer(&server), "found");
}

fn what_is_always_ready_lets_others_go(on: Backend) {
    let remote = Remote::new(|mut stream| while stream.write_all(&[0; 64 << 10]).is_ok() {});
    let told = Arc::new(AtomicBool::new(false));
    let (until, tell) = (told.clone(), told.clone());
    let naps = move || {
        let until = until.clone();
        async move {
            while !until.load(Ordering::SeqCst) {
                rt::sleep(Duration::ZERO).await;
            }
            "told"
        }
    };
    let until = told.clone();
    let reads = move || {
        let until = until.clone();
        async move {
            let mut stream = TcpStream::connect(remote.address).await.unwrap();
            let mut bytes = [0; 16];
            while !until.load(Ordering::SeqCst) {
                stream.read(&mut bytes).await.unwrap();
            }
            "told"
        }
    };
    let tells = move || {
        tell.store(true, Ordering::SeqCst);
        std::future::ready("tells")
    };
    let app = Router::new().route("/naps", get(naps)).route("/reads", get(reads)).route("/tells", get(tells));
    // One loop; on threaded a thread for each.
    let server =
        start_workers(on, app, trijet::Limits::default(), if on == Backend::Threaded { 3 } else { 1 });
    let mut clients = ["/naps", "/reads"].map(|path| {
        let mut client = server.connect();
        client.send(crate::common::client::get(path));
        client
    });
    server.connect().get("/tells").says("tells");
    clients.iter_mut().for_each(|client| drop(client.response().says("told")));
}

/// Wherever its waits are served, and whoever wakes it there.
fn a_waker_that_panics_costs_nobody_else(on: Backend) {
    struct Bomb;
    impl std::task::Wake for Bomb {
        fn wake(self: Arc<Self>) {
            panic!("planted");
        }
    }
    /// It may be ready already, or have the handler itself wake at once: a sleep that is over by now.
    fn poll(future: Pin<&mut impl Future>, waker: &Waker) {
        let polled = || drop(future.poll(&mut Context::from_waker(waker)));
        _ = catch_unwind(AssertUnwindSafe(polled));
    }
    let answers = Remote::new(|mut stream| stream.write_all(b"an answer").unwrap());
    let server = serving(on, move || async move {
        let waker = Arc::new(Bomb).into();
        let mut bombed = pin!(rt::sleep(Duration::from_millis(1)));
        poll(bombed.as_mut(), &waker);
        poll(pin!(TcpStream::connect(answers.address)), &waker);
        let mut stream = TcpStream::connect(answers.address).await.unwrap();
        poll(pin!(stream.read(&mut [0])), &waker);
        let mut task = rt::spawn(rt::sleep(Duration::from_millis(1)));
        poll(pin!(&mut task), &waker);
        rt::sleep(Duration::from_millis(20)).await;
        // A waker that replaces the bad one is woken.
        bombed.await;
        task.await.unwrap();
        "unharmed".to_owned()
    });
    for _ in 0..3 {
        assert_eq!(answer(&server), "unharmed");
    }
}
