//! Sessions over real sockets, in a store, in a store that blocks, and in the cookie: each promise for all of them.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use trijet::{
    Backend, BoxError, Limits, Next, Request, Response, Router, StatusCode,
    cookies::{Cookie, Keys},
    get, post,
    sessions::{Blocking, BlockingSessionStore, MemoryStore, Session, SessionError, Sessions},
};

use crate::common::{
    client::{Client, get as request},
    eventually,
    gate::Gate,
    response::Response as Answer,
    server::{Running, start, start_with},
};

on_every_backend!(
    nothing_is_set_until_something_is_written,
    what_is_written_is_read_again,
    an_id_of_the_clients_choice_is_never_taken,
    a_renewed_session_leaves_its_old_id,
    a_destroyed_session_is_gone,
    a_session_that_has_ended_does_not_come_back,
    a_session_has_a_size,
    a_failed_request_saves_nothing,
    a_store_that_fails_is_a_500,
    a_full_pool_is_told_before_the_handler_and_never_behind_it,
    without_the_middleware_it_is_a_500,
    every_bit_of_a_session_in_a_cookie_counts,
);

/// As a client of a database is, which blocks.
#[derive(Clone, Default)]
struct Database(Arc<Mutex<HashMap<String, Vec<u8>>>>, Arc<AtomicBool>);

impl Database {
    fn ask<R>(&self, ask: impl FnOnce(&mut HashMap<String, Vec<u8>>) -> R) -> Result<R, BoxError> {
        if self.1.load(Ordering::SeqCst) {
            return Err("the database is gone".into());
        }
        Ok(ask(&mut self.0.lock().unwrap()))
    }
}

impl BlockingSessionStore for Database {
    fn load(&self, id: &str) -> Result<Option<Vec<u8>>, BoxError> {
        self.ask(|rows| rows.get(id).cloned())
    }

    fn insert(&self, id: &str, data: Vec<u8>, _: Duration) -> Result<(), BoxError> {
        self.ask(|rows| drop(rows.insert(id.to_owned(), data)))
    }

    fn update(&self, id: &str, data: Vec<u8>, _: Duration) -> Result<bool, BoxError> {
        self.ask(|rows| rows.get_mut(id).map(|row| *row = data).is_some())
    }

    fn touch(&self, id: &str, _: Duration) -> Result<bool, BoxError> {
        self.ask(|rows| rows.contains_key(id))
    }

    fn remove(&self, id: &str) -> Result<bool, BoxError> {
        self.ask(|rows| rows.remove(id).is_some())
    }
}

fn read(session: Session) -> Result<String, SessionError> {
    Ok(session.get("name")?.unwrap_or_else(|| "nobody".into()))
}

async fn read_async(session: Session) -> Result<String, SessionError> {
    read(session)
}

fn write(session: Session, name: String) -> Result<(), SessionError> {
    session.insert("name", &name)
}

async fn write_async(session: Session, name: String) -> Result<(), SessionError> {
    write(session, name)
}

async fn log_in(session: Session, name: String) -> Result<(), SessionError> {
    session.renew();
    session.insert("name", &name)
}

async fn log_out(session: Session) {
    session.destroy();
}

/// A middleware takes it too.
async fn members_only(session: Session, request: Request, next: Next) -> Result<Response, StatusCode> {
    if session.is_empty() { Err(StatusCode::FORBIDDEN) } else { Ok(next.run(request).await) }
}

fn app(sessions: Sessions) -> Router {
    Router::new()
        .route("/plain", get(|| "plain"))
        .route("/fn", get(read).post(write))
        .route("/async", get(read_async).post(write_async))
        .route("/log-in", post(log_in))
        .route("/log-out", post(log_out))
        .route(
            "/switch",
            post(|session: Session| {
                session.destroy();
                session.insert("name", "switched")
            }),
        )
        .route("/forget", post(async |session: Session| session.remove("name").to_string()))
        .route(
            "/fail",
            post(async |session: Session| {
                session.insert("name", "failed").unwrap();
                StatusCode::INTERNAL_SERVER_ERROR
            }),
        )
        .route("/members", get(|| "welcome").wrap(members_only))
        .wrap(sessions)
}

/// Each kind, with whether the server itself can end a session.
fn each_kind(on: Backend, test: impl Fn(&Running, bool)) {
    test(&start(on, app(Sessions::new(MemoryStore::new()))), true);
    test(&start(on, app(Sessions::new(Blocking::new(Database::default())))), true);
    test(&start(on, app(Sessions::in_cookies(Keys::generate()))), false);
}

/// A client that keeps its cookie as a browser does.
struct Browser {
    client: Client,
    cookie: Option<String>,
}

impl Browser {
    fn new(server: &Running) -> Self {
        Self { client: server.connect(), cookie: None }
    }

    fn with(server: &Running, cookie: impl Into<String>) -> Self {
        Self { client: server.connect(), cookie: Some(cookie.into()) }
    }

    fn send(&mut self, method: &str, path: &str, body: &str) {
        let cookie =
            self.cookie.iter().map(|pair| format!("cookie: theme=dark; {pair}\r\n")).collect::<String>();
        let length = body.len();
        self.client.send(format!(
            "{method} {path} HTTP/1.1\r\nhost: t\r\n{cookie}content-length: {length}\r\n\r\n{body}"
        ));
    }

    fn receive(&mut self) -> Answer {
        let answer = self.client.response();
        if let Some(field) = answer.header("set-cookie") {
            let pair = field.split(';').next().unwrap().to_owned();
            self.cookie = (!field.contains("Max-Age=0")).then_some(pair);
        }
        answer
    }

    fn get(&mut self, path: &str) -> Answer {
        self.send("GET", path, "");
        self.receive()
    }

    fn post(&mut self, path: &str, body: &str) -> Answer {
        self.send("POST", path, body);
        self.receive()
    }
}

fn nothing_is_set_until_something_is_written(on: Backend) {
    each_kind(on, |server, _| {
        let mut browser = Browser::new(server);
        let plain = browser.get("/plain").says("plain");
        assert_eq!((plain.header("set-cookie"), plain.header("vary")), (None, None));
        for path in ["/fn", "/async"] {
            let answer = browser.get(path).says("nobody");
            assert_eq!((answer.header("set-cookie"), answer.header("vary")), (None, Some("cookie")));
        }
        for path in ["/log-out", "/forget"] {
            assert_eq!(browser.post(path, "").with_status(200).header("set-cookie"), None);
        }
        browser.get("/members").with_status(403);
        let written = browser.post("/fn", "ada").with_status(200);
        let field = written.header("set-cookie").expect("it is set").to_owned();
        assert!(
            field.starts_with("session=") && field.ends_with("; HttpOnly; SameSite=Lax; Path=/"),
            "{field}"
        );
        assert_eq!(written.header("cache-control"), Some("private"));
        // Who only reads, does not set it again.
        assert_eq!(browser.get("/fn").says("ada").header("set-cookie"), None);
    });
}

fn what_is_written_is_read_again(on: Backend) {
    each_kind(on, |server, _| {
        let mut browser = Browser::new(server);
        for (path, name) in [("/fn", "ada"), ("/async", "bob"), ("/fn", "\u{fc};\r\n\"\\%"), ("/async", "")] {
            browser.post(path, name).with_status(200);
            for path in ["/fn", "/async"] {
                browser.get(path).says(name);
            }
        }
        browser.get("/members").says("welcome");
        browser.post("/forget", "").says("true");
        browser.get("/fn").says("nobody");
        // Another browser has another one.
        let mut other = Browser::new(server);
        other.get("/fn").says("nobody");
        other.post("/fn", "eve").with_status(200);
        assert_ne!(other.cookie, browser.cookie);
        browser.get("/fn").says("nobody");
        other.get("/fn").says("eve");
    });
}

fn an_id_of_the_clients_choice_is_never_taken(on: Backend) {
    each_kind(on, |server, _| {
        for planted in
            ["0".repeat(64), "1".into(), String::new(), "../../x".into(), "%00".into(), "A".repeat(3000)]
        {
            let mut browser = Browser::with(server, format!("session={planted}"));
            browser.get("/fn").says("nobody");
            browser.post("/fn", "ada").with_status(200);
            let given = browser.cookie.clone().unwrap();
            assert_ne!(given, format!("session={planted}"));
            Browser::with(server, format!("session={planted}")).get("/fn").says("nobody");
        }
    });
}

fn a_renewed_session_leaves_its_old_id(on: Backend) {
    each_kind(on, |server, can_end| {
        let mut browser = Browser::new(server);
        browser.post("/fn", "guest").with_status(200);
        let planted = browser.cookie.clone().unwrap();
        browser.post("/log-in", "ada").with_status(200);
        assert_ne!(browser.cookie.as_ref(), Some(&planted));
        browser.get("/async").says("ada");
        // Whoever knew the id has nothing of the login, whatever he does.
        let mut attacker = Browser::with(server, &planted);
        attacker.get("/fn").says(if can_end { "nobody" } else { "guest" });
        attacker.post("/fn", "eve").with_status(200);
        browser.get("/fn").says("ada");
    });
}

fn a_destroyed_session_is_gone(on: Backend) {
    each_kind(on, |server, can_end| {
        let mut browser = Browser::new(server);
        browser.post("/fn", "ada").with_status(200);
        let kept = browser.cookie.clone().unwrap();
        let over = browser.post("/log-out", "").with_status(200);
        let field = over.header("set-cookie").expect("it is removed");
        assert!(field.starts_with("session=; ") && field.contains("Max-Age=0"), "{field}");
        browser.get("/fn").says("nobody");
        Browser::with(server, &kept).get("/fn").says(if can_end { "nobody" } else { "ada" });
        // What is written after it is another one.
        browser.post("/fn", "bob").with_status(200);
        let second = browser.cookie.clone().unwrap();
        browser.post("/switch", "").with_status(200);
        assert!(browser.cookie.is_some() && browser.cookie.as_ref() != Some(&second));
        browser.get("/fn").says("switched");
        Browser::with(server, &second).get("/fn").says(if can_end { "nobody" } else { "bob" });
    });
}

/// One request destroys what another still holds.
fn a_session_that_has_ended_does_not_come_back(on: Backend) {
    for renews in [false, true] {
        let lasting = Cookie::new("session", "").max_age(Duration::from_secs(600));
        let gate = Gate::default();
        let (waits, (entered, entries)) = (gate.clone(), std::sync::mpsc::channel());
        let slow = move |session: Session| {
            entered.send(()).unwrap();
            let opened = waits.clone().opened();
            async move {
                opened.await;
                if renews {
                    session.renew();
                }
                session.insert("name", "back").map_err(|_| StatusCode::INTERNAL_SERVER_ERROR)
            }
        };
        let app = Router::new()
            .route("/fn", get(read).post(write))
            .route("/log-out", post(log_out))
            .route("/slow", post(slow))
            // Such a cookie is set each time that the session is asked for, as long as that is there.
            .wrap(Sessions::new(MemoryStore::new()).cookie(lasting));
        let server = start(on, app);
        let mut browser = Browser::new(&server);
        browser.post("/fn", "ada").with_status(200);
        let mut meanwhile = Browser::with(&server, browser.cookie.clone().unwrap());
        meanwhile.send("POST", "/slow", "");
        entries.recv_timeout(crate::common::PATIENCE).expect("it is under way");
        browser.post("/log-out", "").with_status(200);
        gate.open();
        let late = meanwhile.receive().with_status(200);
        assert_eq!(late.header("set-cookie"), None, "renews: {renews}");
        meanwhile.get("/fn").says("nobody");
    }
}

fn a_session_has_a_size(on: Backend) {
    let kinds = [
        (Sessions::new(MemoryStore::new()), (64 << 10) - 100, 64 << 10),
        (Sessions::new(Blocking::new(Database::default())).data_bytes_max(100), 80, 100),
        (Sessions::in_cookies(Keys::generate()).data_bytes_max(1 << 20), 2800, 2900),
    ];
    for (sessions, most, more) in kinds {
        let server = start(on, app(sessions));
        let mut browser = Browser::new(&server);
        let text = "x".repeat(most);
        browser.post("/fn", &text).with_status(200);
        browser.get("/fn").says(&text);
        browser.post("/async", &"x".repeat(more)).with_status(500);
        let mut browser = Browser::with(&server, browser.cookie.unwrap());
        browser.get("/async").says(&text);
    }
}

fn a_failed_request_saves_nothing(on: Backend) {
    each_kind(on, |server, _| {
        let mut browser = Browser::new(server);
        assert_eq!(browser.post("/fail", "").with_status(500).header("set-cookie"), None);
        browser.post("/fn", "ada").with_status(200);
        browser.post("/fail", "").with_status(500);
        browser.get("/fn").says("ada");
    });
}

fn a_store_that_fails_is_a_500(on: Backend) {
    let database = Database::default();
    let server = start(on, app(Sessions::new(Blocking::new(database.clone()))));
    let mut browser = Browser::new(&server);
    browser.post("/fn", "ada").with_status(200);
    database.1.store(true, Ordering::SeqCst);
    for path in ["/fn", "/async"] {
        let answer = browser.get(path).with_status(500);
        assert!(!answer.text().contains("database"), "{answer:?}");
        // Without a cookie there is nothing to load, and nothing to save.
        Browser::new(&server).get(path).says("nobody");
        let answer = Browser::new(&server).post(path, "bob").with_status(500);
        assert_eq!(answer.header("set-cookie"), None);
    }
    browser.get("/plain").says("plain");
    database.1.store(false, Ordering::SeqCst);
    browser.get("/fn").says("ada");
}

/// One thread, which is taken: what is refused is refused before the handler, with a 503, and what a handler has done is
/// saved, however many wait, and for however long.
fn a_full_pool_is_told_before_the_handler_and_never_behind_it(on: Backend) {
    const CLIENTS: usize = 6;
    // Where there is no room to wait, and where there is no time.
    for queue_max in [1, 100] {
        let (gate, runs) = (Gate::default(), Arc::new(AtomicUsize::new(0)));
        let (closed, (entered, entries)) = (gate.clone(), std::sync::mpsc::channel());
        let hold = move || {
            entered.send(()).unwrap();
            closed.wait();
        };
        let counted = runs.clone();
        let write = move |session: Session, name: String| {
            counted.fetch_add(1, Ordering::SeqCst);
            async move { session.insert("name", &name) }
        };
        let database = Database::default();
        let app = Router::new()
            .route("/hold", get(hold))
            .route("/name", get(read_async).post(write))
            .wrap(Sessions::new(Blocking::new(database.clone())));
        let limits = Limits {
            blocking_threads_max: 1,
            blocking_queue_max: queue_max,
            blocking_queue_timeout: Duration::from_secs(2),
            ..Limits::default()
        };
        let server = start_with(on, app, limits);
        let mut known = Browser::new(&server);
        known.post("/name", "ada").with_status(200);

        let mut holder = server.connect();
        holder.send(request("/hold"));
        entries.recv_timeout(crate::common::PATIENCE).expect("the thread is taken");
        let mut writers: Vec<Browser> = (0..CLIENTS).map(|_| Browser::new(&server)).collect();
        writers.iter_mut().for_each(|writer| writer.send("POST", "/name", "bob"));
        if on != Backend::Threaded {
            eventually("all have begun", || runs.load(Ordering::SeqCst) == 1 + CLIENTS);
        }
        let refused = Browser::with(&server, known.cookie.clone().unwrap()).get("/name");
        assert_eq!((refused.status, refused.header("retry-after")), (503, Some("1")), "{refused:?}");
        gate.open();
        holder.response().with_status(200);
        let mut saved = 1;
        for mut writer in writers {
            let answer = writer.receive();
            match answer.status {
                200 => saved += 1,
                // On threaded it takes a thread to begin.
                status => assert_eq!((status, on), (503, Backend::Threaded), "{answer:?}"),
            }
            assert_eq!(answer.header("set-cookie").is_some(), answer.status == 200, "{answer:?}");
        }
        assert_eq!((runs.load(Ordering::SeqCst), database.0.lock().unwrap().len()), (saved, saved));
        let cookie = known.cookie.unwrap();
        eventually("a thread is free again", || Browser::with(&server, &cookie).get("/name").text() == "ada");
    }
}

fn without_the_middleware_it_is_a_500(on: Backend) {
    let server = start(on, Router::new().route("/", get(read_async)));
    server.connect().get("/").with_status(500);
}

fn every_bit_of_a_session_in_a_cookie_counts(on: Backend) {
    let sessions = Sessions::in_cookies(Keys::generate()).cookie(Cookie::new("s", ""));
    let server = start(on, app(sessions));
    let mut browser = Browser::new(&server);
    browser.post("/fn", "ada").with_status(200);
    let pair = browser.cookie.clone().unwrap();
    assert!(pair.starts_with("s=") && !pair.contains("ada"));
    for index in 2..pair.len() {
        for bit in 0..8 {
            let mut changed = pair.clone().into_bytes();
            changed[index] ^= 1 << bit;
            let Ok(changed) = String::from_utf8(changed) else { continue };
            if changed.contains(['\r', '\n', '\0']) {
                continue;
            }
            let answer = Browser::with(&server, &changed).get("/fn");
            // What is no field is refused as a request.
            assert!(
                answer.status == 400 || answer.text() == "nobody",
                "bit {bit} of byte {index}: {answer:?}"
            );
        }
    }
    // Nor does it count under another name.
    Browser::with(&server, pair.replacen("s=", "t=", 1)).get("/fn").says("nobody");
}
