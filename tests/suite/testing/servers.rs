//! What only a client of a real server has: its end, its errors, and waits that have one.

use super::*;

on_every_backend! {
    a_server_ends_with_its_client,
    a_server_that_ends_with_an_error_is_told,
    what_never_comes_is_not_waited_for,
    what_never_ends_is_not_waited_for,
    an_open_exchange_keeps_its_server,
    a_server_that_cannot_start_is_told,
}

fn a_server_ends_with_its_client(on: Backend) {
    let ended = Arc::new(AtomicUsize::new(0));
    let own = ended.clone();
    let (tell, told) = std::sync::mpsc::channel();
    let app = Router::new().route("/", get(async || rt::sleep(Duration::from_secs(600)).await));
    let server = Server::new(app).backend(on).on_start(move |server| Ok(tell.send(server.clone())?));
    let client = server
        .on_stop(move |_| {
            thread::sleep(Duration::from_millis(50));
            own.fetch_add(1, Ordering::Relaxed);
            Ok(())
        })
        .test_client();
    let handle = told.recv().unwrap();
    let other = client.clone().with_cookies();
    // A handler that is still waiting does not keep it.
    drop(client.get("/").open());
    drop(client);
    other.get("/nowhere").send().assert_status(404);
    let started = Instant::now();
    drop(other);
    assert_eq!(ended.load(Ordering::Relaxed), 1, "its hooks have run");
    assert!(!handle.is_ready());
    handle.wait().unwrap();
    assert!(started.elapsed() < Duration::from_secs(5), "{:?}", started.elapsed());
}

fn a_server_that_ends_with_an_error_is_told(on: Backend) {
    let server = || Server::new(Router::new()).backend(on).on_stop(|_| Err("the disk is full".into()));
    let panic = panic_of(|| _ = server().test_client());
    assert_eq!(panic, "the server of this test ended with an error: on_stop: the disk is full");
    // Within a panic there is no second one.
    let panic = panic_of(|| {
        let client = server().test_client();
        client.get("/").send().assert_status(200);
    });
    assert!(panic.starts_with("GET /: the status is 404 Not Found, and not 200 OK"), "{panic}");
}

fn what_never_comes_is_not_waited_for(on: Backend) {
    let app = Router::new().route("/", get(async || rt::sleep(Duration::from_secs(600)).await));
    let client = Server::new(app).backend(on).test_client().patience(Duration::from_millis(300));
    let panic = panic_of(|| _ = client.get("/").send());
    assert!(panic.starts_with("GET /: no answer within 300ms\n\n> GET / HTTP/1.1\n"), "{panic}");
    let raw = client.raw("GET / HTTP/1.1\r\nhost: a\r\n");
    assert_eq!((raw.text().as_str(), raw.is_closed), ("", false));
}

fn what_never_ends_is_not_waited_for(on: Backend) {
    let ticks = async || {
        Body::from_stream(stream::unfold((), async |()| {
            rt::sleep(Duration::from_millis(20)).await;
            Some((Ok::<_, Infallible>("tick"), ()))
        }))
    };
    let client = Server::new(Router::new().route("/", get(ticks))).backend(on).test_client();
    let client = client.patience(Duration::from_millis(100));
    let panic = panic_of(|| _ = client.get("/").send());
    assert!(panic.starts_with("GET /: the response has not ended within 600ms; `open` reads one"), "{panic}");
    let panic = panic_of(|| _ = client.raw("GET / HTTP/1.1\r\nhost: a\r\n\r\n"));
    assert_eq!(panic, "a raw exchange: the server still writes after 600ms");
    let mut exchange = client.get("/").open();
    assert_eq!(exchange.read().unwrap(), "tick");
}

fn an_open_exchange_keeps_its_server(on: Backend) {
    let client = Server::new(echoes()).backend(on).test_client();
    let mut exchange = client.post("/async").open();
    drop(client);
    exchange.write("still here");
    assert_eq!(exchange.read().unwrap(), "still here");
}

fn a_server_that_cannot_start_is_told(on: Backend) {
    let app = Router::new().route("/a", get(async |State(number): State<u32>| number.to_string()));
    let panic = panic_of(|| _ = Server::new(app).backend(on).test_client());
    assert!(panic.starts_with("the server cannot be started: ") && panic.contains("u32"), "{panic}");
}
