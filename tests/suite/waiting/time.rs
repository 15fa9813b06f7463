//! Time, where one may wait, and what becomes of a wait when the server stops.

use std::{
    future,
    io::{self, Write},
    pin::pin,
    sync::mpsc::channel,
    task::Poll,
    thread,
    time::{Duration, Instant},
};

use futures_util::{
    AsyncReadExt,
    future::{join, join_all},
    stream,
};
use trijet::{
    Backend, Body, Next, Request, Response, Router, get,
    rt::{self, TcpStream},
};

use super::{LONG, Remote, answer, ask, for_two, hold, serving};
use crate::common::{
    PATIENCE,
    executor::block_on,
    server::{start, start_with, start_workers},
};

on_every_backend!(
    the_backend_is_known_wherever_the_app_runs,
    a_sleep_lasts_as_long_as_it_says,
    an_interval_ticks_at_its_times,
    a_thousand_waits_of_one_handler,
    a_plain_fn_waits_in_an_executor_of_its_own,
    a_wait_may_be_finished_on_another_thread,
    bodies_and_middleware_wait_too,
    a_cut_ends_a_handler_that_sleeps,
    a_stop_lets_a_handler_wait_to_its_end,
    a_stop_serves_the_waits_of_plain_fns_to_their_end,
    a_stop_is_told_to_who_listens,
    threads_of_ones_own_are_outside,
);

fn here() -> String {
    Backend::current().map_or_else(|| "nowhere".to_owned(), |backend| backend.to_string())
}

fn the_backend_is_known_wherever_the_app_runs(on: Backend) {
    async fn everywhere() -> String {
        let task = rt::spawn(async { here() }).await.unwrap();
        let nested = rt::spawn(async { rt::spawn(async { here() }).await.unwrap() }).await.unwrap();
        let call = rt::spawn_blocking(here).await.unwrap();
        let within = rt::spawn_blocking(|| block_on(rt::spawn(async { here() })).unwrap()).await.unwrap();
        [here(), task, nested, call, within].join(" ")
    }
    fn layer(request: Request, next: Next) -> Response {
        let name = here();
        let mut response = next.run_blocking(request);
        response.headers_mut().insert("served-by", name.parse().unwrap());
        response
    }
    let body = async || Body::from_stream(stream::once(async { Ok::<_, io::Error>(here()) }));
    let app = Router::new()
        .route("/async", get(everywhere))
        .route("/fn", get(here))
        .route("/inline", get(trijet::inline(here)))
        .route("/body", get(body))
        .route("/iterator", get(|| Body::from_iter([(); 2].into_iter().map(|()| Ok::<_, io::Error>(here())))))
        .nest("/below", Router::new().route("/", get(async || here())).wrap(layer));
    let server = start(on, app);
    let mut client = server.connect();
    let name = on.name();
    client.get("/async").says(&[name; 5].join(" "));
    for path in ["/fn", "/inline", "/body"] {
        client.get(path).says(name);
    }
    client.get("/iterator").says(&name.repeat(2));
    assert_eq!(client.get("/below").header("served-by"), Some(name));
    assert_eq!(Backend::current(), None);
}

fn a_sleep_lasts_as_long_as_it_says(on: Backend) {
    let server = serving(on, async || {
        let (start, time) = (Instant::now(), Duration::from_millis(30));
        rt::sleep(time).await;
        assert!(start.elapsed() >= time);
        let until = rt::now() + time;
        let mut sleep = pin!(rt::sleep_until(until));
        assert_eq!(sleep.deadline(), until);
        sleep.as_mut().await;
        assert!(rt::now() >= until);
        // What is over is not waited for, and what is never awaited costs nothing.
        rt::sleep_until(until).await;
        rt::sleep(Duration::ZERO).await;
        drop(rt::sleep(Duration::MAX));
        let mut never = pin!(rt::sleep(LONG));
        assert!(future::poll_fn(|cx| Poll::Ready(never.as_mut().poll(cx).is_pending())).await);
        "slept".to_owned()
    });
    for _ in 0..3 {
        assert_eq!(answer(&server), "slept");
    }
}

fn an_interval_ticks_at_its_times(on: Backend) {
    let server = serving(on, async || {
        let period = Duration::from_millis(5);
        let mut interval = rt::interval(period);
        let first = interval.tick().await;
        let mut last = first;
        for _ in 0..10 {
            let due = interval.tick().await;
            assert!(due > last && rt::now() >= due);
            // Some may be left out; the others keep their times.
            assert_eq!((due - first).as_nanos() % period.as_nanos(), 0);
            last = due;
        }
        "ticked".to_owned()
    });
    assert_eq!(answer(&server), "ticked");
}

fn a_thousand_waits_of_one_handler(on: Backend) {
    let server = serving(on, async || {
        let waits = (0..1000).map(|index| async move {
            rt::sleep(Duration::from_millis(index % 7)).await;
            index
        });
        join_all(waits).await.into_iter().sum::<u64>().to_string()
    });
    assert_eq!(answer(&server), "499500");
}

fn a_plain_fn_waits_in_an_executor_of_its_own(on: Backend) {
    let remote = for_two();
    let address = remote.address;
    let plain = move || {
        block_on(async {
            rt::sleep(Duration::from_millis(5)).await;
            let (one, other) = join(ask(address), rt::spawn(ask(address))).await;
            format!("{one} {}", other.unwrap())
        })
    };
    let server = start(on, Router::new().route("/", get(plain)));
    assert_eq!(answer(&server), "both both");
}

fn a_wait_may_be_finished_on_another_thread(on: Backend) {
    let remote = Remote::new(|mut stream| stream.write_all(b"elsewhere").unwrap());
    let server = start(
        on,
        Router::new().route(
            "/",
            get(move || {
                let sleep = rt::sleep(Duration::from_millis(5));
                let mut stream = block_on(TcpStream::connect(remote.address)).unwrap();
                let waits = async move {
                    sleep.await;
                    let mut all = String::new();
                    stream.read_to_string(&mut all).await.unwrap();
                    all
                };
                thread::spawn(move || block_on(waits)).join().unwrap()
            }),
        ),
    );
    assert_eq!(answer(&server), "elsewhere");
}

fn bodies_and_middleware_wait_too(on: Backend) {
    async fn layer(request: Request, next: Next) -> Response {
        rt::sleep(Duration::from_millis(5)).await;
        next.run(request).await
    }
    let pieces = async || {
        Body::from_stream(stream::unfold(0, async |count| {
            rt::sleep(Duration::from_millis(2)).await;
            (count < 5).then(|| (Ok::<_, io::Error>(count.to_string()), count + 1))
        }))
    };
    let server = start(on, Router::new().route("/", get(pieces)).wrap(layer));
    let response = server.connect().get("/");
    assert_eq!(response.text(), "01234");
}

fn a_cut_ends_a_handler_that_sleeps(on: Backend) {
    let ((begun, begins), (dropped, drops)) = (channel(), channel());
    let server = serving(on, move || {
        let (begun, dropped) = (begun.clone(), dropped.clone());
        async move {
            begun.send(()).unwrap();
            hold(dropped).await;
            unreachable!("it is longer than the test")
        }
    });
    let mut client = server.connect();
    client.send(crate::common::client::get("/"));
    begins.recv_timeout(PATIENCE).unwrap();
    server.handle().shutdown_now();
    server.ended();
    drops.recv_timeout(PATIENCE).expect("it is dropped");
    client.is_cut();
}

fn a_stop_lets_a_handler_wait_to_its_end(on: Backend) {
    let (begun, begins) = channel();
    let remote = for_two();
    let address = remote.address;
    let server = serving(on, move || {
        begun.send(()).unwrap();
        async move {
            rt::sleep(Duration::from_millis(10)).await;
            let (one, other) = join(ask(address), rt::spawn(ask(address))).await;
            format!("{one} {}", other.unwrap())
        }
    });
    let mut client = server.connect();
    client.send(crate::common::client::get("/"));
    begins.recv_timeout(PATIENCE).unwrap();
    server.handle().shutdown();
    client.response().says("both both");
    server.ended();
}

fn a_stop_serves_the_waits_of_plain_fns_to_their_end(on: Backend) {
    let (begun, begins) = channel();
    let wait = move || {
        let sleep = rt::sleep(Duration::from_millis(100));
        begun.send(()).unwrap();
        block_on(sleep);
        "slept"
    };
    // On mio each waits on a loop that is not its connection's, most likely.
    let app = Router::new().route("/", get(wait));
    let server = start_workers(on, app, trijet::Limits::default(), 6);
    let mut clients: Vec<_> = (0..5).map(|_| server.connect()).collect();
    for client in &mut clients {
        client.send(crate::common::client::get("/"));
        begins.recv_timeout(PATIENCE).unwrap();
    }
    server.handle().shutdown();
    for client in &mut clients {
        client.response().says("slept");
    }
    drop(clients);
    server.ended();
}

fn a_stop_is_told_to_who_listens(on: Backend) {
    let (begun, begins) = channel();
    let [from_async, from_fn, from_thread] = [(); 3].map(|()| begun.clone());
    let (told, tells) = channel();
    let waits = move || {
        let stopping = rt::stopping();
        assert!(!stopping.is_stopping());
        // Beside the handler, and after it.
        let (also, told) = (stopping.clone(), told.clone());
        drop(rt::spawn(async move {
            also.await;
            told.send(()).unwrap();
        }));
        from_async.send(()).unwrap();
        async move {
            stopping.clone().await;
            stopping.clone().await;
            stopping.is_stopping().to_string()
        }
    };
    let looks = move || {
        let stopping = rt::stopping();
        from_fn.send(()).unwrap();
        block_on(stopping.clone());
        stopping.is_stopping().to_string()
    };
    let elsewhere = move || {
        let stopping = rt::stopping();
        from_thread.send(()).unwrap();
        thread::spawn(move || {
            while !stopping.is_stopping() {
                thread::yield_now();
            }
        })
        .join()
        .unwrap();
        "true"
    };
    let app =
        Router::new().route("/async", get(waits)).route("/fn", get(looks)).route("/thread", get(elsewhere));
    // Nothing is cut in this test.
    let limits = trijet::Limits { shutdown_timeout: LONG, ..trijet::Limits::default() };
    let server = start_with(on, app, limits);
    let clients = ["/async", "/fn", "/thread"].map(|path| {
        let mut client = server.connect();
        client.send(crate::common::client::get(path));
        begins.recv_timeout(PATIENCE).unwrap();
        client
    });
    server.handle().shutdown();
    for mut client in clients {
        client.response().says("true");
    }
    tells.recv_timeout(PATIENCE).expect("a task is told");
    server.ended();
}

fn threads_of_ones_own_are_outside(on: Backend) {
    fn outside() -> String {
        thread::spawn(|| {
            let connect = block_on(TcpStream::connect("127.0.0.1:1")).unwrap_err();
            assert_eq!(connect.kind(), io::ErrorKind::NotConnected);
            let spawn = block_on(rt::spawn(async {})).unwrap_err();
            let call = block_on(rt::spawn_blocking(|| ())).unwrap_err();
            for text in [connect.to_string(), spawn.to_string(), call.to_string()] {
                assert!(text.starts_with("trijet::rt::") && text.contains("outside of a server"), "{text}");
            }
            let panic = thread::spawn(|| rt::sleep(Duration::ZERO)).join().unwrap_err();
            panic.downcast_ref::<String>().expect("a text").clone()
        })
        .join()
        .unwrap()
    }
    let server = start(on, Router::new().route("/", get(outside)));
    assert!(answer(&server).starts_with("trijet::rt::sleep was called outside of a server"));
}
