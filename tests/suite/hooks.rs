//! What an app has done when its server starts and when it has stopped: before anything is accepted, after all has ended.
//! Hooks may block, fail and panic.

use std::{
    error::Error,
    fmt::{self, Display},
    io::{self, Write},
    net::TcpStream,
    sync::{
        Arc, Mutex,
        mpsc::{Receiver, Sender, channel},
    },
};

use trijet::{Backend, Router, Server, ServerHandle, get};

use crate::common::{
    PATIENCE,
    client::{Client, get as request},
    held::held,
    patiently,
    server::{Running, unhurried},
};

on_every_backend!(
    those_of_the_start_run_before_anything_is_accepted,
    a_start_that_fails_is_no_start,
    a_stop_asked_for_at_the_start_is_one,
    those_of_the_stop_run_after_the_last_connection,
    those_of_the_stop_all_run_and_the_first_failure_is_told,
    those_of_the_stop_run_after_a_cut_too,
    a_cut_is_no_failure_of_those_of_the_stop,
    now_leaves_one_behind_that_hangs,
    what_they_fail_with_is_the_source_of_the_error,
    they_are_inside_what_handlers_are_inside_of,
);

fn server(on: Backend, app: Router) -> Server {
    Server::new(app).backend(on).limits(unhurried())
}

/// What has happened, in its order.
#[derive(Clone, Default)]
struct Story(Arc<Mutex<Vec<String>>>);

impl Story {
    fn tell(&self, what: impl Into<String>) {
        self.0.lock().unwrap().push(what.into());
    }

    fn so_far(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }
}

fn those_of_the_start_run_before_anything_is_accepted(on: Backend) {
    let story = Story::default();
    let (first, second, asked) = (story.clone(), story.clone(), story.clone());
    let (give, given) = channel();
    let app = Router::new().route(
        "/",
        get(move || {
            asked.tell("asked");
            "hello"
        }),
    );
    let server = server(on, app)
        .on_start(move |server| {
            // All listens: it is connected, and waits in the queue.
            let mut client = TcpStream::connect(server.local_addr())?;
            client.write_all(request("/").as_bytes())?;
            give.send(client)?;
            first.tell(format!("first, ready: {}", server.is_ready()));
            Ok(())
        })
        .on_start(move |server| {
            second.tell(format!("second, {} connections", server.statistics().connections));
            Ok(())
        });
    let server = Running::new(on, server.start("127.0.0.1:0"));
    assert!(server.handle().is_ready());
    let mut client = Client::from(given.recv_timeout(PATIENCE).unwrap());
    client.response().says("hello");
    assert_eq!(story.so_far(), ["first, ready: false", "second, 0 connections", "asked"]);
}

fn a_start_that_fails_is_no_start(on: Backend) {
    type Hook = fn() -> Result<(), trijet::BoxError>;
    let hooks: [(Hook, &str); 2] = [
        (|| Err("no database".into()), "on_start: no database"),
        (|| panic!("planted"), "on_start panicked: planted"),
    ];
    for (hook, expected) in hooks {
        let story = Story::default();
        let (later, stop) = (story.clone(), story.clone());
        let (give, given) = channel::<ServerHandle>();
        let started = server(on, Router::new())
            .on_start(move |server| {
                give.send(server.clone())?;
                hook()
            })
            .on_start(move |_| {
                later.tell("another start");
                Ok(())
            })
            .on_stop(move |_| {
                stop.tell("stop");
                Ok(())
            })
            .start("127.0.0.1:0");
        assert_eq!(started.unwrap_err().to_string(), expected);
        assert_eq!(story.so_far(), [""; 0]);
        let server = given.recv_timeout(PATIENCE).unwrap();
        assert!(!server.is_ready());
        let waited = server.clone();
        assert_eq!(patiently("the server", move || waited.wait()).unwrap_err().to_string(), expected);
        TcpStream::connect(server.local_addr()).expect_err("the port is closed");
    }
}

fn a_stop_asked_for_at_the_start_is_one(on: Backend) {
    let started = server(on, Router::new())
        .on_start(|server| {
            server.shutdown();
            Ok(())
        })
        .start("127.0.0.1:0");
    let server = Running::new(on, started);
    assert!(!server.handle().is_ready());
    server.ended();
}

fn those_of_the_stop_run_after_the_last_connection(on: Backend) {
    let held = held();
    let (tell, told) = channel();
    let started = server(on, held.app)
        .on_stop(move |server| {
            tell.send(server.statistics().connections)?;
            Ok(())
        })
        .start("127.0.0.1:0");
    let server = Running::new(on, started);
    let mut client = server.connect();
    client.send(request("/hold"));
    held.entries.recv_timeout(PATIENCE).unwrap();
    server.handle().shutdown();
    // Others are closed, and this one holds the end.
    TcpStream::connect(server.address()).map(drop).ok();
    assert!(told.try_recv().is_err(), "a connection is left");
    held.gate.open();
    client.response().says("held");
    client.is_ended();
    drop(client);
    assert_eq!(told.recv_timeout(PATIENCE), Ok(0));
    server.ended();
}

fn those_of_the_stop_all_run_and_the_first_failure_is_told(on: Backend) {
    let story = Story::default();
    let [first, second, third] = [(); 3].map(|()| story.clone());
    let started = server(on, Router::new())
        .on_stop(move |_| {
            first.tell("first");
            panic!("planted")
        })
        .on_stop(move |_| {
            second.tell("second");
            Err("planted too".into())
        })
        .on_stop(move |_| {
            third.tell("third");
            Ok(())
        })
        .start("127.0.0.1:0");
    let server = started.unwrap();
    let waited = server.clone();
    server.shutdown();
    let ended = patiently("the server", move || waited.wait());
    assert_eq!(ended.unwrap_err().to_string(), "on_stop panicked: planted");
    assert_eq!(story.so_far(), ["first", "second", "third"]);
}

/// A hook that tells that it has begun, and goes on when it is told to.
fn hangs(
    begun: Sender<()>,
    go_on: Receiver<()>,
) -> impl FnOnce(&ServerHandle) -> Result<(), trijet::BoxError> {
    move |_| {
        begun.send(())?;
        // Until the other end is dropped.
        _ = go_on.recv();
        Ok(())
    }
}

fn those_of_the_stop_run_after_a_cut_too(on: Backend) {
    let held = held();
    let (begun, begins) = channel();
    let (go_on, waits) = channel::<()>();
    let server = server(on, held.app).on_stop(hangs(begun, waits)).start("127.0.0.1:0");
    let server = Running::new(on, server);
    let mut client = server.connect();
    client.send(request("/hold"));
    held.entries.recv_timeout(PATIENCE).unwrap();
    server.handle().shutdown_now();
    begins.recv_timeout(PATIENCE).unwrap();
    client.is_cut();
    drop(go_on);
    server.ended();
    held.gate.open();
}

/// The cut itself must not be taken for one that comes while they run.
fn a_cut_is_no_failure_of_those_of_the_stop(on: Backend) {
    for _ in 0..100 {
        let server = server(on, Router::new()).on_stop(|_| Ok(())).start("127.0.0.1:0").unwrap();
        server.shutdown_now();
        patiently("the server", move || server.wait()).unwrap();
    }
}

fn now_leaves_one_behind_that_hangs(on: Backend) {
    let (begun, begins) = channel();
    let (go_on, waits) = channel::<()>();
    let server = server(on, Router::new()).on_stop(hangs(begun, waits)).start("127.0.0.1:0").unwrap();
    server.shutdown();
    begins.recv_timeout(PATIENCE).unwrap();
    server.shutdown_now();
    let waited = server.clone();
    let ended = patiently("the server", move || waited.wait());
    assert_eq!(ended.unwrap_err().to_string(), "stopped now, while on_stop was still running");
    drop(go_on);
}

/// For who starts and for who waits, and both are told the causes.
fn what_they_fail_with_is_the_source_of_the_error(on: Backend) {
    #[derive(Debug)]
    struct Planted(io::Error);

    impl Display for Planted {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("no database")
        }
    }

    impl Error for Planted {
        fn source(&self) -> Option<&(dyn Error + 'static)> {
            Some(&self.0)
        }
    }

    fn is_told(error: &io::Error, hook: &str) {
        assert_eq!(error.to_string(), format!("{hook}: no database: no answer"));
        let source = error.source().and_then(|source| source.downcast_ref::<Planted>());
        assert_eq!(source.expect("the hook's own").0.kind(), io::ErrorKind::TimedOut);
    }

    let planted = || Planted(io::Error::new(io::ErrorKind::TimedOut, "no answer"));
    let (give, given) = channel::<ServerHandle>();
    let started = server(on, Router::new())
        .on_start(move |server| {
            give.send(server.clone())?;
            Err(planted().into())
        })
        .start("127.0.0.1:0");
    is_told(&started.unwrap_err(), "on_start");
    let waited = given.recv_timeout(PATIENCE).unwrap();
    is_told(&patiently("the server", move || waited.wait()).unwrap_err(), "on_start");
    let server =
        server(on, Router::new()).on_stop(move |_| Err(planted().into())).start("127.0.0.1:0").unwrap();
    server.shutdown();
    for _ in 0..2 {
        let waited = server.clone();
        is_told(&patiently("the server", move || waited.wait()).unwrap_err(), "on_stop");
    }
}

/// Clients that need Tokio are set up and closed in hooks, too.
fn they_are_inside_what_handlers_are_inside_of(on: Backend) {
    fn is_inside() -> bool {
        ::tokio::runtime::Handle::try_current().is_ok()
    }
    let (tell, told) = channel();
    let also = tell.clone();
    let server = server(on, Router::new().route("/", get(async || is_inside().to_string())))
        .on_start(move |_| Ok(tell.send(is_inside())?))
        .on_stop(move |_| Ok(also.send(is_inside())?))
        .start("127.0.0.1:0");
    let server = Running::new(on, server);
    let handlers: bool = server.connect().get("/").with_status(200).text().parse().unwrap();
    server.handle().shutdown();
    assert_eq!([told.recv_timeout(PATIENCE), told.recv_timeout(PATIENCE)], [Ok(handlers); 2]);
    server.ended();
}
