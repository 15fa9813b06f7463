//! The test client: requests to an app, through the engine and the driver. What fails is a panic that says why, since it
//! is for tests.

use std::{
    cell::RefCell,
    fmt,
    io::ErrorKind,
    rc::Rc,
    time::{Duration, SystemTime},
};

use http::{HeaderMap, Method, header};

use super::{
    Asked, Connect, Connection, TestRequest, Wait,
    cookies::{Jar, Now},
    exchange::WHOLE_BYTES_MAX,
    whole_len,
};
use crate::{
    Router,
    sim::{Settings, Sim},
};

/// Sends requests to an app: in memory, or to a server on any backend.
///
/// Each request has a connection of its own, and goes through all that a request from the network goes
/// through. No redirect is followed: the answer is what is tested. On the simulation time is virtual: a test of a timeout
/// takes none.
///
/// ```
/// use trijet_core::{Path, Router, get, post, sim::TestClient};
///
/// async fn greet(Path(name): Path<String>) -> String { format!("Hello, {name}!") }
///
/// let client = TestClient::new(
///     Router::new().route("/greet/{name}", get(greet)).route("/echo", post(|body: String| body)),
/// );
/// let response = client.get("/greet/Ada").send();
/// assert_eq!(response.status, 200);
/// assert_eq!(response.header("content-type"), Some("text/plain; charset=utf-8"));
/// assert_eq!(response.text(), "Hello, Ada!");
///
/// client.post("/echo").body("ping").send().assert_text("ping");
/// client.get("/nowhere").send().assert_status(404);
/// ```
///
/// Clones are the same client, with the same cookies.
///
/// # Panics
/// Sending panics where no whole and correct response comes: the handler waits for something that never
/// comes, the response has no end, the server cut the connection, or what it sent breaks a rule. The message shows the
/// exchange.
#[derive(Clone)]
pub struct TestClient {
    jar: Option<Rc<RefCell<Jar>>>,
    /// Dropped last: a server may end with it.
    connector: Rc<dyn Connect>,
}

/// How long a handler may wait, in real time, for another thread.
const PATIENCE: Duration = Duration::from_secs(5);

impl TestClient {
    /// A client of `router` on the simulation.
    ///
    /// # Panics
    /// If the router must not be served; the message names each fault.
    #[track_caller]
    pub fn new(router: Router) -> Self {
        Self::with_settings(router, Settings::default())
    }

    /// A client of `router` on the simulation, served with other limits or under another schedule.
    ///
    /// # Panics
    /// If the router must not be served, or the limits cannot be honoured.
    #[track_caller]
    pub fn with_settings(router: Router, settings: Settings) -> Self {
        let patience = settings.patience.or(Some(PATIENCE));
        Self::over(Sim::new(router, Settings { patience, ..settings }))
    }

    /// A client of something else, or of a simulation that is there already.
    pub fn over(connector: impl Connect + 'static) -> Self {
        Self { jar: None, connector: Rc::new(connector) }
    }

    /// The same with an empty jar of cookies of its own, which it keeps and sends as a browser does: by `Path`, `Domain`,
    /// `Max-Age` and `Expires`, of which time is the client's own. So [`advance`](Self::advance) makes them expire.
    ///
    /// It is not the default, so that a test of a single answer depends on no other one, and nothing is sent that is not
    /// seen in the test. Two clients with cookies are two browsers.
    ///
    /// ```
    /// use std::time::Duration;
    /// use trijet_core::{HeaderMap, Router, get, sim::TestClient};
    ///
    /// async fn visit(headers: HeaderMap) -> ([(&'static str, &'static str); 1], &'static str) {
    ///     let has_been_here = headers.get("cookie").is_some_and(|cookies| cookies == "seen=yes");
    ///     ([("set-cookie", "seen=yes; Max-Age=60")], if has_been_here { "again" } else { "new" })
    /// }
    ///
    /// let client = TestClient::new(Router::new().route("/", get(visit)));
    /// let (ada, bob) = (client.clone().with_cookies(), client.with_cookies());
    /// ada.get("/").send().assert_text("new").assert_cookie("seen", "yes");
    /// ada.get("/").send().assert_text("again");
    /// bob.get("/").send().assert_text("new");
    /// ada.advance(Duration::from_secs(60));
    /// assert_eq!(ada.cookie("seen"), None);
    /// ```
    ///
    /// - `Secure` cookies are kept and sent, as browsers do with `localhost`: the app is tested as it is configured for TLS.
    /// - `HttpOnly` and `SameSite` change nothing here: no script runs, and no other site asks.
    /// - What a browser would not keep is not kept: too large ones, those of another domain or of one without a dot,
    ///   `SameSite=None` without `Secure`, `__Host-` without what that promises.
    /// - A request whose `Cookie` field is set by hand has that one alone.
    /// - `Expires` is compared with the client's date: on the simulation that is [`Settings::wall_clock`] and the time that
    ///   has passed since: 1994, unless that is set. An app that reckons `Expires` by the clock of the system sets a date of
    ///   long after that, which [`advance`](Self::advance) does not reach: let `wall_clock` be `SystemTime::now()` there, or
    ///   set `Max-Age`.
    #[must_use]
    pub fn with_cookies(self) -> Self {
        Self { jar: Some(Rc::default()), ..self }
    }

    /// The value of the cookie of this name that is kept, as it is sent; of several, the one with the longest path.
    ///
    /// # Panics
    /// Without [`with_cookies`](Self::with_cookies), as for the other two.
    #[track_caller]
    pub fn cookie(&self, name: &str) -> Option<String> {
        let now = self.now();
        self.jar().borrow_mut().value(name, now)
    }

    /// Keeps a cookie, as if an answer of `localhost` to a request for `/` had had this field `Set-Cookie`:
    /// `theme=dark; Path=/shop`. With `Max-Age=0` it is removed.
    ///
    /// # Panics
    /// As [`cookie`](Self::cookie).
    #[track_caller]
    pub fn set_cookie(&self, field: &str) {
        let now = self.now();
        self.jar().borrow_mut().receive(field.as_bytes(), "localhost", "/", now);
    }

    /// Forgets all cookies.
    ///
    /// # Panics
    /// As [`cookie`](Self::cookie).
    #[track_caller]
    pub fn clear_cookies(&self) {
        self.jar().borrow_mut().clear();
    }

    #[track_caller]
    fn jar(&self) -> &RefCell<Jar> {
        self.jar.as_deref().expect("this client keeps no cookies: make it with `with_cookies`")
    }

    /// What the `Cookie` field of a request says.
    pub(super) fn cookies_for(&self, host: &str, path: &str) -> Option<Vec<u8>> {
        self.jar.as_ref()?.borrow_mut().field(host, path, self.now())
    }

    /// Keeps what an answer sets.
    pub(super) fn keep_cookies(&self, headers: &HeaderMap, host: &str, path: &str) {
        let Some(jar) = &self.jar else { return };
        let (mut jar, now) = (jar.borrow_mut(), self.now());
        for field in headers.get_all(header::SET_COOKIE) {
            jar.receive(field.as_bytes(), host, path, now);
        }
    }

    fn now(&self) -> Now {
        Now { elapsed: self.elapsed(), date: self.wall_clock() }
    }

    /// The same, but it waits for at most `patience`, in real time, for whatever is to come next; so do clones that are
    /// there already.
    ///
    /// - On a real backend it is ten seconds unless said otherwise, and six times as long for a whole response, so that no
    ///   test hangs.
    /// - On the simulation it is how long a handler may wait for another thread ([`Settings::patience`]): five seconds unless
    ///   said otherwise. Of virtual time a wait takes a day at most, and a whole response a week.
    #[must_use]
    pub fn patience(self, patience: Duration) -> Self {
        self.connector.set_patience(patience);
        self
    }

    /// Lets time pass: on the simulation virtual time, of which a test takes none. On a real backend it waits for that
    /// long, so that the same test runs there. Zero lets happen what can happen at once; more time passes on the
    /// simulation only while a plain `fn` waits for its body by a reader.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use trijet_core::{Router, sim::TestClient};
    /// let client = TestClient::new(Router::new());
    /// client.advance(Duration::from_secs(3600));
    /// assert_eq!(client.elapsed(), Duration::from_secs(3600));
    /// ```
    #[track_caller]
    pub fn advance(&self, duration: Duration) {
        // Through the trait a failure would be none of the caller's line.
        match self.connector.sim() {
            Some(sim) => sim.advance(duration),
            None => self.connector.advance(duration),
        }
    }

    /// The time that has passed since the client was made.
    pub fn elapsed(&self) -> Duration {
        self.connector.elapsed()
    }

    fn wall_clock(&self) -> SystemTime {
        self.connector.wall_clock()
    }

    /// What it is connected to: `the simulation`, or the name of a backend.
    pub fn connected_to(&self) -> &str {
        self.connector.name()
    }

    /// A GET request.
    pub fn get(&self, target: &str) -> TestRequest<'_> {
        self.request(Method::GET, target)
    }

    /// A HEAD request.
    pub fn head(&self, target: &str) -> TestRequest<'_> {
        self.request(Method::HEAD, target)
    }

    /// A POST request.
    pub fn post(&self, target: &str) -> TestRequest<'_> {
        self.request(Method::POST, target)
    }

    /// A PUT request.
    pub fn put(&self, target: &str) -> TestRequest<'_> {
        self.request(Method::PUT, target)
    }

    /// A PATCH request.
    pub fn patch(&self, target: &str) -> TestRequest<'_> {
        self.request(Method::PATCH, target)
    }

    /// A DELETE request.
    pub fn delete(&self, target: &str) -> TestRequest<'_> {
        self.request(Method::DELETE, target)
    }

    /// An OPTIONS request.
    pub fn options(&self, target: &str) -> TestRequest<'_> {
        self.request(Method::OPTIONS, target)
    }

    /// A request of any method. `target` is sent as it is.
    pub fn request(&self, method: Method, target: &str) -> TestRequest<'_> {
        TestRequest::new(self, method, target)
    }

    /// Sends `bytes` on a connection of their own, and gives everything that the server wrote: on the simulation until
    /// nothing more can happen without time passing. On a real backend, until it has closed the connection, or has sent
    /// whole responses and then nothing for a tenth of a second; where that never comes, until the client's
    /// [patience](Self::patience) is over. There, have the last request of several say `Connection: close`.
    ///
    /// ```
    /// # use trijet_core::{Router, sim::TestClient};
    /// let raw = TestClient::new(Router::new()).raw("BREW /pot HTCPCP/1.0\r\n\r\n");
    /// assert!(raw.text().starts_with("HTTP/1.1 400 Bad Request\r\n"));
    /// assert!(raw.is_closed);
    /// ```
    ///
    /// # Panics
    /// If the server cannot be connected to, or what it writes has no end.
    #[track_caller]
    pub fn raw(&self, bytes: impl AsRef<[u8]>) -> Raw {
        let sent = bytes.as_ref();
        let mut connection = self.connection(&"a raw exchange");
        // What is not taken may have been answered.
        _ = connection.write(sent);
        let asked = if sent.starts_with(b"HEAD ") { Asked::Head } else { Asked::Other };
        let mut bytes = Vec::new();
        let (started, most) = (self.elapsed(), connection.patience_in_all());
        loop {
            let is_simulated = self.connector.sim().is_some();
            let wait =
                if is_simulated || is_answered(&bytes, asked) { Wait::Briefly } else { Wait::Patiently };
            let is_closed = match connection.read(&mut bytes, wait) {
                Ok(0) => true,
                Ok(_) if bytes.len() > WHOLE_BYTES_MAX => {
                    panic!("a raw exchange: the server still writes after {WHOLE_BYTES_MAX} bytes");
                }
                Ok(_) if self.elapsed().saturating_sub(started) >= most => {
                    panic!("a raw exchange: the server still writes after {most:?}");
                }
                Ok(_) => continue,
                Err(error) if error.kind() == ErrorKind::Other => panic!("a raw exchange: {error}"),
                Err(error) => error.kind() != ErrorKind::TimedOut,
            };
            return Raw { bytes, is_closed };
        }
    }

    /// The simulation below, for connections of one's own, hosts that answer, and the date.
    ///
    /// # Panics
    /// If the client is connected to something else: [`connected_to`](Self::connected_to) tells.
    #[track_caller]
    pub fn sim(&self) -> &Sim {
        match self.connector.sim() {
            Some(sim) => sim,
            None => panic!("there is no simulation: this client is connected to {}", self.connected_to()),
        }
    }

    #[track_caller]
    pub(super) fn connection(&self, what: &dyn fmt::Display) -> Box<dyn Connection> {
        match self.connector.connect() {
            Ok(connection) => connection,
            Err(error) => panic!("{what}: {} cannot be connected to: {error}", self.connected_to()),
        }
    }
}

/// Whether `bytes` are whole responses that announce no close, at least one.
fn is_answered(bytes: &[u8], asked: Asked) -> bool {
    let mut rest = bytes;
    loop {
        match whole_len(rest, asked, false) {
            Ok(Some(len)) => {
                let head = rest[..len].to_ascii_lowercase();
                rest = &rest[len..];
                if rest.is_empty() {
                    return super::find(&head, b"\r\nconnection: close\r\n").is_none();
                }
            }
            Ok(None) | Err(_) => return false,
        }
    }
}

impl fmt::Debug for TestClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TestClient").field("connected_to", &self.connected_to()).finish_non_exhaustive()
    }
}

/// What the server wrote on a connection of raw bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Raw {
    /// Everything it wrote.
    pub bytes: Vec<u8>,
    /// Whether it ended the connection.
    pub is_closed: bool,
}

impl Raw {
    /// Everything it wrote, as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes).into_owned()
    }
}
