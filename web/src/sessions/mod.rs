//! Sessions: what an app remembers of a browser from one request to the next. [`Sessions`] is the middleware, [`Session`] the
//! extractor, and [`SessionStore`] where they are kept; or they are [in the cookie itself](Sessions::in_cookies).
//!
//! Nothing is stored and no cookie set before something is written, and nothing is loaded before a handler asks. No id that
//! comes from a client is ever taken for a new session.
//!
//! ```
//! use trijet_core::{Redirect, Router, get, post};
//! use trijet_web::{cookies::Cookie, sessions::{MemoryStore, Session, SessionError, Sessions}};
//!
//! async fn log_in(session: Session, name: String) -> Result<Redirect, SessionError> {
//!     // Who knew the id before the login must not have it afterwards.
//!     session.renew();
//!     session.insert("name", &name)?;
//!     Ok(Redirect::to("/"))
//! }
//!
//! fn hello(session: Session) -> Result<String, SessionError> {
//!     let name: Option<String> = session.get("name")?;
//!     Ok(name.map_or("Log in, please.".into(), |name| format!("Hello, {name}!")))
//! }
//!
//! async fn log_out(session: Session) {
//!     session.destroy();
//! }
//!
//! let router = Router::new()
//!     .route("/", get(hello))
//!     .route("/log-in", post(log_in))
//!     .route("/log-out", post(log_out))
//!     .wrap(Sessions::new(MemoryStore::new()).cookie(Cookie::new("id", "").secure()));
//! assert!(router.build().is_ok());
//! ```

mod data;
mod layer;
mod memory;
mod seen;
mod session;
mod store;

use std::{
    fmt,
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

use trijet_core::rt;

pub use self::{
    data::SessionError,
    layer::Remembered,
    memory::MemoryStore,
    session::Session,
    store::{Blocking, BlockingSessionStore, SessionStore},
};
use crate::cookies::{Cookie, Keys};
use seen::Seen;
use store::AnyStore;

/// A middleware that keeps sessions: in a [store](Self::new), or [in the cookie](Self::in_cookies).
///
/// Unless told otherwise, the cookie is called `session`, is `HttpOnly`, `SameSite=Lax` and for all paths, and ends with the
/// browser. A session ends after a day without a request that asked for it (in a cookie: that wrote to it), and after two weeks in any
/// case.
///
/// What a handler has changed is saved once its response is made, before that is sent: what the body of a response still
/// changes while it streams is lost. If the response is a 500, nothing is saved. Of two requests at the same time that change
/// one session, the last one counts. One that only reads changes nothing. In a store, a session that one of them destroys stays
/// destroyed; [in a cookie](Self::in_cookies) nobody can know.
///
/// A response for which the session was loaded has `Vary: Cookie`; one that sets the cookie is `private` to caches, unless
/// the app says otherwise.
#[derive(Clone)]
pub struct Sessions(Arc<Settings>);

#[derive(Clone)]
struct Settings {
    place: Place,
    /// Its value is of no interest.
    cookie: Cookie,
    idle_timeout: Duration,
    lifetime: Duration,
    data_bytes_max: usize,
    clock: Arc<dyn Fn() -> SystemTime + Send + Sync>,
    seen: Arc<Seen>,
}

#[derive(Clone)]
enum Place {
    Store(Arc<dyn AnyStore>),
    Cookie(Keys),
}

/// A day: who comes back tomorrow at the same time is still known.
const IDLE_TIMEOUT: Duration = Duration::from_secs(24 * 3600);
/// Two weeks: a stolen cookie is of no use afterwards, however busy it is kept.
const LIFETIME: Duration = Duration::from_secs(14 * 24 * 3600);
/// 64 KiB: notes about a visitor, not documents.
const STORED_BYTES_MAX: usize = 64 << 10;
/// What fits into a cookie of 4,096 bytes once it is sealed and in Base64, beside a name of usual length.
const COOKIE_DATA_BYTES_MAX: usize = 2900;

impl Sessions {
    /// Sessions in a store: of this crate, of yours, or a client that blocks, wrapped in [`Blocking`]. The cookie holds a
    /// random id of 256 bits.
    ///
    /// The store is given a SHA-256 of that id and never the id itself: who reads the store, a copy of it or its log, learns
    /// nothing that would make him the user.
    pub fn new(store: impl SessionStore) -> Self {
        Self::at(Place::Store(Arc::new(store)), STORED_BYTES_MAX)
    }

    /// Sessions that the cookie itself holds, encrypted and authenticated with `keys`: there is no store, and any server with
    /// the keys knows them.
    ///
    /// What that cannot do: hold more than some 2.9 KB, and take anything back. An older cookie that somebody has kept is as
    /// good as the last one, also after [`destroy`](Session::destroy), to the end of its time; and of two requests at the same
    /// time that write, the one that is answered last sets the cookie, even where the other was the logout. Where a logout must
    /// hold, take a store.
    ///
    /// For that reason the cookie is set by requests that write to the session, and by no others: its
    /// [idle time](Self::idle_timeout) and its [`max_age`](Cookie::max_age) begin anew with a write, and not where it was only
    /// read. An app whose users read for long writes now and then, in a request of its choice.
    pub fn in_cookies(keys: Keys) -> Self {
        Self::at(Place::Cookie(keys), COOKIE_DATA_BYTES_MAX)
    }

    fn at(place: Place, data_bytes_max: usize) -> Self {
        Self(Arc::new(Settings {
            place,
            cookie: Cookie::new("session", ""),
            idle_timeout: IDLE_TIMEOUT,
            lifetime: LIFETIME,
            data_bytes_max,
            clock: Arc::new(date),
            seen: Arc::default(),
        }))
    }

    /// The name and the attributes of the cookie; the value does not matter. With a [`max_age`](Cookie::max_age) it outlives
    /// the browser, and is set anew when the session is asked for, [now and then](Self::idle_timeout); one that holds the
    /// session, whenever that is written.
    ///
    /// A browser may keep the cookie longer than there is a session: one with a `max_age` of two weeks is of no use once
    /// nobody came for the [idle time](Self::idle_timeout), which is a day unless set, or once the [`lifetime`](Self::lifetime) is
    /// over. "Stay logged in" takes all three.
    ///
    /// A `max_age` that is set anew has one more edge. A request that has read the session just before another one
    /// [renews](Session::renew) it, and whose response arrives just after, sets the cookie of the old id again, and the user has to
    /// log in once more. It takes a response that is under way at the very login, and at that the one in a minute that sets
    /// the cookie. Without a `max_age` it cannot be.
    ///
    /// # Panics
    /// For a cookie that could not be sent, because of its name, path or domain.
    #[must_use]
    pub fn cookie(self, cookie: Cookie) -> Self {
        let field = cookie.clone().with_value("").into_field();
        assert!(field.is_ok(), "Sessions: {}", field.err().unwrap_or_default());
        self.with(|settings| settings.cookie = cookie)
    }

    /// How long a session lives without a request that asks for it; in a cookie, without one that writes to it.
    ///
    /// A store is not told of each request that only reads: only of the first after a sixteenth of this time (or of the
    /// cookie's [`max_age`](Cookie::max_age), if that is shorter), and a minute at most. So the end may come earlier by as
    /// much. With a `max_age`, the cookie is set anew at the same time.
    #[must_use]
    pub fn idle_timeout(self, timeout: Duration) -> Self {
        self.with(|settings| settings.idle_timeout = timeout)
    }

    /// How long a session lives at most, from the first thing that was written.
    #[must_use]
    pub fn lifetime(self, lifetime: Duration) -> Self {
        self.with(|settings| settings.lifetime = lifetime)
    }

    /// The most bytes that the data of a session has as JSON: 64 KiB in a store; 2,900, and never more, in a cookie.
    #[must_use]
    pub fn data_bytes_max(self, bytes: usize) -> Self {
        self.with(|settings| {
            settings.data_bytes_max = match settings.place {
                Place::Store(_) => bytes,
                Place::Cookie(_) => bytes.min(COOKIE_DATA_BYTES_MAX),
            }
        })
    }

    /// What time it is, in place of the system's clock: for tests. Stores have a clock of their own for what they keep. Where a
    /// server's time is virtual, as in simulation, the default is the system's date when it began, and what has passed there since.
    #[must_use]
    pub fn clock(self, clock: impl Fn() -> SystemTime + Send + Sync + 'static) -> Self {
        self.with(|settings| settings.clock = Arc::new(clock))
    }

    fn with(mut self, change: impl FnOnce(&mut Settings)) -> Self {
        change(Arc::make_mut(&mut self.0));
        self
    }
}

/// The date. In a server whose clock is ahead of the real one, or behind it, since its time is virtual, it is by as much: as
/// the [`MemoryStore`] counts, too.
fn date() -> SystemTime {
    let date = SystemTime::now();
    if rt::backend().is_none() {
        return date;
    }
    let (own, real) = (rt::now(), Instant::now());
    let moved = match own.checked_duration_since(real) {
        Some(ahead) => date.checked_add(ahead),
        None => date.checked_sub(real - own),
    };
    moved.unwrap_or(date)
}

/// The most that the idle time may be counted wrong: nobody notices a minute, and a store has a write less for each click.
const UNSEEN_MAX: Duration = Duration::from_secs(60);

impl Settings {
    /// For how long a store need not be told that a session is in use, in seconds.
    fn unseen_max(&self) -> u64 {
        let shortest = self.cookie.lasts().map_or(self.idle_timeout, |age| age.min(self.idle_timeout));
        (shortest / 16).min(UNSEEN_MAX).as_secs()
    }

    /// Seconds since 1970.
    fn now(&self) -> u64 {
        (self.clock)().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs()
    }
}

impl fmt::Debug for Sessions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sessions").field("cookie", &self.0.cookie.name()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
