//! In simulation, where time passes as the test says; the suite has the rest, on real servers.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, SystemTime},
};

use trijet_core::{
    BoxError, Router, get, post,
    sim::{Settings as SimSettings, TestClient, TestResponse},
};

use super::{MemoryStore, Session, SessionStore, Sessions, data::Data};
use crate::cookies::{Cookie, Keys};

/// A clock of the test's, in seconds.
fn clock() -> (Arc<AtomicU64>, impl Fn() -> SystemTime + Send + Sync + 'static) {
    let seconds = Arc::new(AtomicU64::new(1_000_000));
    let read = seconds.clone();
    (seconds, move || SystemTime::UNIX_EPOCH + Duration::from_secs(read.load(Ordering::Relaxed)))
}

fn app(sessions: Sessions) -> Router {
    Router::new()
        .route("/plain", get(async || "plain"))
        .route(
            "/read",
            get(async |session: Session| session.get::<String>("name").unwrap().unwrap_or_default()),
        )
        .route("/write", post(async |session: Session, name: String| session.insert("name", &name)))
        .route("/renew", post(|session: Session| session.renew()))
        .route("/destroy", post(|session: Session| session.destroy()))
        .wrap(sessions)
}

/// A browser with one cookie.
struct Browser {
    client: TestClient,
    cookie: Option<String>,
}

impl Browser {
    fn new(sessions: Sessions) -> Self {
        Self { client: TestClient::with_settings(app(sessions), SimSettings::default()), cookie: None }
    }

    fn ask(&mut self, path: &str, body: &str) -> TestResponse {
        let method = if body.is_empty() && !["/renew", "/destroy"].contains(&path) { "GET" } else { "POST" };
        let mut request = self.client.request(method.parse().unwrap(), path);
        if let Some(cookie) = &self.cookie {
            request = request.header("cookie", cookie);
        }
        let response = request.body(body).send();
        if let Some(field) = response.header("set-cookie") {
            let pair = field.split(';').next().unwrap().to_owned();
            self.cookie = (!field.contains("Max-Age=0")).then_some(pair);
        }
        response
    }

    fn read(&mut self) -> String {
        self.ask("/read", "").text().to_owned()
    }

    fn write(&mut self, name: &str) {
        assert_eq!(self.ask("/write", name).status, 200);
    }

    fn pass(&self, seconds: u64) {
        self.client.sim().advance(Duration::from_secs(seconds));
    }
}

/// Nobody has to lend them a clock: that of the simulation is all that passes.
#[test]
fn virtual_time_is_time_for_sessions() {
    for is_in_cookie in [false, true] {
        let sessions = match is_in_cookie {
            false => Sessions::new(MemoryStore::new()),
            true => Sessions::in_cookies(Keys::generate()),
        };
        let mut browser = Browser::new(sessions.idle_timeout(Duration::from_secs(3600)));
        browser.write("ada");
        for _ in 0..10 {
            browser.pass(3000);
            assert_eq!(browser.read(), "ada", "in a cookie: {is_in_cookie}");
            // Who only reads sets no cookie.
            if is_in_cookie {
                browser.write("ada");
            }
        }
        browser.pass(3601);
        assert_eq!(browser.read(), "", "in a cookie: {is_in_cookie}");
    }
}

#[test]
fn idle_sessions_end_and_busy_ones_at_the_end_of_their_life() {
    for is_in_cookie in [false, true] {
        let (seconds, clock) = clock();
        let sessions = match is_in_cookie {
            false => Sessions::new(MemoryStore::new()),
            true => Sessions::in_cookies(Keys::generate()),
        };
        let sessions = sessions.clock(clock);
        let sessions = sessions.idle_timeout(Duration::from_secs(100)).lifetime(Duration::from_secs(1000));
        let mut browser = Browser::new(sessions);
        let pass = |browser: &Browser, count: u64| {
            seconds.fetch_add(count, Ordering::Relaxed);
            browser.pass(count);
        };
        browser.write("ada");
        for _ in 0..9 {
            pass(&browser, 99);
            assert_eq!(browser.read(), "ada", "in a cookie: {is_in_cookie}");
            // Who only reads sets no cookie.
            if is_in_cookie {
                browser.write("ada");
            }
        }
        // 891 s old, and busy to the end.
        pass(&browser, 60);
        assert_eq!(browser.read(), "ada");
        pass(&browser, 60);
        assert_eq!(browser.read(), "", "in a cookie: {is_in_cookie}");
        browser.write("bob");
        pass(&browser, 101);
        assert_eq!(browser.read(), "", "in a cookie: {is_in_cookie}");
        // A clock that goes back ends nothing.
        browser.write("eve");
        seconds.fetch_sub(10_000, Ordering::Relaxed);
        assert_eq!(browser.read(), "eve");
    }
}

#[test]
fn a_cookie_with_a_max_age_is_set_anew_when_it_is_used() {
    for is_in_cookie in [false, true] {
        let sessions = match is_in_cookie {
            false => Sessions::new(MemoryStore::new()),
            true => Sessions::in_cookies(Keys::generate()),
        };
        let (seconds, clock) = clock();
        let cookie = Cookie::new("id", "").max_age(Duration::from_secs(600)).secure();
        let mut browser = Browser::new(sessions.clock(clock).cookie(cookie));
        browser.write("ada");
        seconds.fetch_add(10_000, Ordering::Relaxed);
        let read = browser.ask("/read", "");
        assert_eq!(read.header("set-cookie").is_some(), !is_in_cookie);
        let again = if is_in_cookie { browser.ask("/write", "ada") } else { read };
        let field = again.header("set-cookie").expect("it is set anew");
        assert!(
            field.starts_with("id=") && field.contains("; Secure") && field.contains("Max-Age=600"),
            "{field}"
        );
        assert_eq!(again.header("cache-control"), Some("private"));
    }
}

/// A request that only reads, and is answered after the one that has ended or changed the session.
#[test]
fn a_slow_reader_brings_nothing_back() {
    for is_in_cookie in [false, true] {
        let (seconds, clock) = clock();
        let sessions = match is_in_cookie {
            false => Sessions::new(MemoryStore::new()),
            true => Sessions::in_cookies(Keys::generate()),
        };
        let slow = Router::new().route(
            "/slow",
            get(async |session: Session| {
                trijet_core::rt::sleep(Duration::from_secs(2)).await;
                session.get::<String>("name").unwrap().unwrap_or_default()
            }),
        );
        let cookie = Cookie::new("session", "").max_age(Duration::from_secs(100_000));
        let sessions = sessions.clock(clock).cookie(cookie);
        let app = app(sessions.clone()).merge(slow.wrap(sessions));
        let mut browser =
            Browser { client: TestClient::with_settings(app, SimSettings::default()), cookie: None };
        browser.write("ada");
        let kept = browser.cookie.clone().unwrap();
        for path in ["/write", "/destroy"] {
            // Long enough for a cookie to be set anew.
            seconds.fetch_add(3 * 3600, Ordering::Relaxed);
            let reader = browser.client.sim().connect();
            reader.send(format!("GET /slow HTTP/1.1\r\nHost: a\r\nCookie: {kept}\r\n\r\n"));
            browser.client.sim().settle();
            assert_eq!(browser.ask(path, if path == "/write" { "bob" } else { "" }).status, 200);
            browser.pass(3);
            let answer = reader.received_text().to_lowercase();
            assert!(
                answer.ends_with(if is_in_cookie || path == "/write" { "ada" } else { "bob" }),
                "{answer}"
            );
            let is_set = answer.contains("set-cookie");
            // That of a store holds no data, and none at all once the session is gone.
            assert_eq!(is_set, !is_in_cookie && path == "/write", "{path}: {answer}");
        }
    }
}

#[test]
fn a_private_cookie_is_no_session() {
    let keys = Keys::generate();
    let (plain, sealing) = (keys.clone(), keys.clone());
    // What a user chooses, and an app keeps in a cookie of the same name.
    let chosen = r#"[1000000,1000000,{"name":"admin"}]"#;
    let set = move || {
        let cookie = Cookie::new("session", chosen);
        std::future::ready(crate::cookies::CookieJar::new().set_private(cookie, &sealing))
    };
    let app = Router::new().route("/set", get(set)).merge(app(Sessions::in_cookies(keys).clock(clock().1)));
    let mut browser =
        Browser { client: TestClient::with_settings(app, SimSettings::default()), cookie: None };
    browser.ask("/set", "");
    let kept = browser.cookie.clone().unwrap();
    assert_eq!(browser.read(), "");
    let mut headers = http::HeaderMap::new();
    headers.insert("cookie", kept.parse().unwrap());
    let cookies = crate::cookies::Cookies::from_headers(&headers);
    assert_eq!(cookies.private("session", &plain).as_deref(), Some(chosen));
}

#[test]
#[should_panic(expected = "Sessions: the name of the cookie \"my session\" is no token")]
fn a_cookie_that_cannot_be_sent_is_refused_at_once() {
    _ = Sessions::new(MemoryStore::new()).cookie(Cookie::new("my session", ""));
}

#[test]
fn what_could_not_be_read_again_is_refused() {
    for is_in_cookie in [false, true] {
        let sessions = match is_in_cookie {
            false => Sessions::new(MemoryStore::new()),
            true => Sessions::in_cookies(Keys::generate()),
        };
        let nested = async |session: Session, depth: String| {
            let depth = depth.parse().unwrap();
            let nested = (0..depth).fold(serde_json::json!(1), |inner, _| serde_json::json!([inner]));
            session.insert("name", "ada")?;
            session.insert("nested", &nested)
        };
        let named = async |session: Session, count: String| {
            session.insert("\u{1}".repeat(count.parse().unwrap()), "")
        };
        let more = Router::new().route("/nested", post(nested)).route("/named", post(named));
        let app = app(sessions.clone()).merge(more.wrap(sessions));
        let mut browser =
            Browser { client: TestClient::with_settings(app, SimSettings::default()), cookie: None };
        assert_eq!(browser.ask("/nested", "100").status, 200);
        assert_eq!(browser.read(), "ada");
        for depth in ["101", "125", "126", "127"] {
            assert_eq!(browser.ask("/nested", depth).status, 500, "{depth}");
        }
        // Each of these characters has six bytes.
        assert_eq!(browser.ask("/named", "400").status, 200);
        assert_eq!(browser.ask("/named", if is_in_cookie { "1000" } else { "20000" }).status, 500);
    }
}

/// What a store was asked.
#[derive(Clone, Default)]
struct Spy(MemoryStore, Arc<Mutex<Vec<(&'static str, String)>>>);

impl Spy {
    fn note(&self, what: &'static str, id: &str) {
        self.1.lock().unwrap().push((what, id.to_owned()));
    }

    fn take(&self) -> Vec<&'static str> {
        std::mem::take(&mut *self.1.lock().unwrap()).into_iter().map(|(what, _)| what).collect()
    }
}

impl SessionStore for Spy {
    async fn load(&self, id: &str) -> Result<Option<Vec<u8>>, BoxError> {
        self.note("load", id);
        SessionStore::load(&self.0, id).await
    }

    async fn insert(&self, id: &str, data: Vec<u8>, keep: Duration) -> Result<(), BoxError> {
        self.note("insert", id);
        SessionStore::insert(&self.0, id, data, keep).await
    }

    async fn update(&self, id: &str, data: Vec<u8>, keep: Duration) -> Result<bool, BoxError> {
        self.note("update", id);
        SessionStore::update(&self.0, id, data, keep).await
    }

    async fn touch(&self, id: &str, keep: Duration) -> Result<bool, BoxError> {
        self.note("touch", id);
        SessionStore::touch(&self.0, id, keep).await
    }

    async fn remove(&self, id: &str) -> Result<bool, BoxError> {
        self.note("remove", id);
        SessionStore::remove(&self.0, id).await
    }
}

#[test]
fn a_store_is_asked_for_no_more_than_is_needed() {
    let (spy, (seconds, clock)) = (Spy::default(), clock());
    let mut browser = Browser::new(Sessions::new(spy.clone()).clock(clock));
    assert_eq!(browser.ask("/plain", "").header("set-cookie"), None);
    assert_eq!(browser.read(), "");
    browser.ask("/renew", "");
    browser.ask("/destroy", "");
    assert_eq!((spy.take(), browser.cookie.as_ref()), (vec![], None));

    browser.write("ada");
    assert_eq!(spy.take(), ["insert"]);
    let first = browser.cookie.clone().unwrap();
    let plain = browser.ask("/plain", "");
    assert_eq!((plain.header("vary"), spy.take()), (None, vec![]));
    let read = browser.ask("/read", "");
    assert_eq!((read.header("vary"), read.header("set-cookie")), (Some("cookie"), None));
    assert_eq!(spy.take(), ["load"]);
    seconds.fetch_add(60, Ordering::Relaxed);
    browser.read();
    assert_eq!(spy.take(), ["load", "touch"]);
    browser.write("bob");
    assert_eq!(spy.take(), ["load", "update"]);
    assert_eq!(browser.cookie.as_ref(), Some(&first));
    browser.ask("/renew", "");
    assert_eq!(spy.take(), ["load", "insert", "remove"]);
    let second = browser.cookie.clone().unwrap();
    assert_ne!(first, second);
    assert_eq!(browser.read(), "bob");
    browser.ask("/destroy", "");
    assert_eq!(browser.cookie, None);
    for old in [first, second] {
        browser.cookie = Some(old);
        assert_eq!(browser.read(), "");
    }
    // What cannot be an id is not looked for.
    spy.take();
    for forged in
        ["session=", "session=1", "session=../../etc/passwd", &format!("session={}", "G".repeat(64))]
    {
        browser.cookie = Some(forged.to_owned());
        assert_eq!(browser.read(), "");
        assert_eq!(spy.take(), [""; 0], "{forged}");
    }
}

/// Nor is the cookie set anew each time: what is under way at a login would set the old one again.
#[test]
fn reading_writes_now_and_then() {
    let day = Duration::from_secs(24 * 3600);
    for (idle, max_age, interval) in [
        (day, None, 60),
        (day, Some(day * 30), 60),
        (day, Some(Duration::from_secs(480)), 30),
        (Duration::from_secs(320), None, 20),
        (Duration::from_secs(15), Some(day), 1),
    ] {
        let (spy, (seconds, clock)) = (Spy::default(), clock());
        let cookie = Cookie::new("session", "");
        let cookie = max_age.map_or(cookie.clone(), |age| cookie.max_age(age));
        let sessions = Sessions::new(spy.clone()).clock(clock).cookie(cookie).idle_timeout(idle);
        let mut browser = Browser::new(sessions);
        browser.write("ada");
        let mut told = 0;
        for second in 0..240 {
            let read = browser.ask("/read", "");
            let is_told = spy.take().contains(&"touch");
            assert_eq!(read.text(), "ada");
            assert_eq!(read.header("set-cookie").is_some(), is_told && max_age.is_some(), "{second}");
            told += u32::from(is_told);
            seconds.fetch_add(1, Ordering::Relaxed);
        }
        // Not in the first interval, as it was just written to; with none, each time.
        let expected = if interval == 1 { 240 } else { 240 / interval - 1 };
        assert_eq!(told, expected, "{idle:?} {max_age:?}");
    }
}

/// A store that forgets nothing.
struct Forever(MemoryStore);

const AGES: Duration = Duration::from_secs(1_000_000);

impl SessionStore for Forever {
    async fn load(&self, id: &str) -> Result<Option<Vec<u8>>, BoxError> {
        SessionStore::load(&self.0, id).await
    }

    async fn insert(&self, id: &str, data: Vec<u8>, _: Duration) -> Result<(), BoxError> {
        SessionStore::insert(&self.0, id, data, AGES).await
    }

    async fn update(&self, id: &str, data: Vec<u8>, _: Duration) -> Result<bool, BoxError> {
        SessionStore::update(&self.0, id, data, AGES).await
    }

    async fn touch(&self, id: &str, _: Duration) -> Result<bool, BoxError> {
        SessionStore::touch(&self.0, id, AGES).await
    }

    async fn remove(&self, id: &str) -> Result<bool, BoxError> {
        SessionStore::remove(&self.0, id).await
    }
}

#[test]
fn the_end_of_a_life_needs_no_store_that_forgets() {
    let (seconds, clock) = clock();
    let sessions = Sessions::new(Forever(MemoryStore::new())).clock(clock);
    let mut browser = Browser::new(sessions.lifetime(Duration::from_secs(1000)));
    browser.write("ada");
    seconds.fetch_add(999, Ordering::Relaxed);
    assert_eq!(browser.read(), "ada");
    seconds.fetch_add(1, Ordering::Relaxed);
    assert_eq!(browser.read(), "");
}

#[test]
fn a_store_never_sees_an_id_that_a_cookie_has() {
    let spy = Spy::default();
    let mut browser = Browser::new(Sessions::new(spy.clone()));
    browser.write("ada");
    browser.read();
    let token = browser.cookie.clone().unwrap().split_off("session=".len());
    assert!(token.len() == 64 && token.bytes().all(|byte| byte.is_ascii_hexdigit()), "{token}");
    let asked = spy.1.lock().unwrap();
    let [(_, first), .., (_, last)] = &asked[..] else { panic!("{asked:?}") };
    assert_eq!(first, last);
    assert!(first.len() == 64 && *first != token, "{first}");
}

#[test]
fn what_was_kept_is_read_and_nothing_else_is() {
    let data = {
        let mut data = Data::new(5);
        data.values.insert("a\"b".into(), serde_json::json!({"c": [1, null]}));
        data
    };
    assert_eq!(Data::from_bytes(&data.to_bytes()), Some(data.clone()));
    for none in ["", "null", "[]", "[1,2]", "[1,2,3]", "[1,2,{},4]", "[\"1\",2,{}]", "[-1,2,{}]", "{\"a\":1}"]
    {
        assert_eq!(Data::from_bytes(none.as_bytes()), None, "{none}");
    }
}

/// Runs a future that never waits.
fn now<T>(future: impl Future<Output = Result<T, BoxError>>) -> T {
    let mut future = std::pin::pin!(future);
    let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
    match future.as_mut().poll(&mut cx) {
        std::task::Poll::Ready(result) => result.unwrap(),
        std::task::Poll::Pending => panic!("it waits"),
    }
}

#[test]
fn a_flood_of_new_sessions_ends_no_old_one() {
    let hour = Duration::from_secs(3600);
    let store = MemoryStore::new().sessions_max(100).bytes_max(10_000);
    for user in 0..50 {
        now(store.insert(&format!("user {user}"), vec![0; 10], hour));
        assert!(now(store.load(&format!("user {user}"))).is_some());
    }
    for number in 0..1000 {
        now(store.insert(&number.to_string(), vec![0; 100], 2 * hour));
        assert!(store.len() <= 100);
    }
    for user in 0..50 {
        assert!(now(store.load(&format!("user {user}"))).is_some(), "{user}");
    }
    assert!(now(store.load("999")).is_some() && now(store.load("0")).is_none());
    // Where all have come back, it is the oldest that goes.
    let store = MemoryStore::new().sessions_max(2);
    for id in ["a", "b"] {
        now(store.insert(id, vec![], hour));
        now(store.load(id));
    }
    now(store.insert("c", vec![], hour));
    assert!(
        now(store.load("a")).is_none() && now(store.load("b")).is_some() && now(store.load("c")).is_some()
    );
}

#[test]
fn a_store_in_memory_is_bounded() {
    let hour = Duration::from_secs(3600);
    let store = MemoryStore::new().sessions_max(10).bytes_max(100);
    for number in 0..1000_u32 {
        now(store.insert(&number.to_string(), vec![0; 10], hour + Duration::from_secs(number.into())));
        assert!(store.len() <= 10);
        assert!(now(store.load(&number.to_string())).is_some());
    }
    assert!(now(store.load("989")).is_none() && now(store.load("990")).is_some());
    // Bytes count as well, and the newest stays though it ends the soonest.
    now(store.insert("large", vec![0; 95], Duration::from_secs(60)));
    assert_eq!((store.len(), now(store.load("large")).map(|data| data.len())), (1, Some(95)));
    now(store.insert("too large", vec![0; 101], hour));
    assert!(store.is_empty());
    // What is over is not there, and goes at the next occasion.
    now(store.insert("over", vec![1], Duration::ZERO));
    assert!(now(store.load("over")).is_none());
    assert!(!now(store.update("over", vec![2], hour)) && !now(store.touch("over", hour)));
    assert!(!now(store.remove("over")));
    now(store.insert("kept", vec![3], hour));
    assert_eq!(store.len(), 1);
    assert!(now(store.touch("kept", hour)) && now(store.update("kept", vec![4], hour)));
    assert_eq!(now(store.load("kept")), Some(vec![4]));
    assert!(now(store.remove("kept")) && !now(store.remove("kept")));
    assert!(!now(store.update("kept", vec![5], hour)) && store.is_empty());
}
