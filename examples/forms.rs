//! Forms: a login that a session remembers, files that are uploaded, and a page that counts them live. No page of another
//! site can send them. `cargo run --example forms --features sessions,middleware,multipart,sse`, then open
//! http://127.0.0.1:8080 in two windows.
//! `PORT` sets the port: 8080 if unset, any free one if 0. `SECRET` is a key of at least 64 bytes, by which the theme is
//! signed: a random one if unset, so that nobody's is known after a restart.

use std::{
    collections::HashMap,
    convert::Infallible,
    env,
    error::Error,
    fs::File,
    future::poll_fn,
    io,
    path::PathBuf,
    process::ExitCode,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Poll, Waker},
};

use futures_util::{Stream, stream};
use serde::Deserialize;
use trijet::{
    Form, Html, IntoResponse, Next, Redirect, Request, Response, Router, State, StatusCode,
    cookies::{Cookie, CookieJar, Cookies, Keys},
    get,
    middleware::{CrossOriginProtection, access_log},
    multipart::{Multipart, MultipartError, MultipartLimits},
    post,
    sessions::{MemoryStore, Session, SessionError, Sessions},
    sse::{Event, LastEventId, Sse},
};

// --- The login: who has one is in the session, and nowhere else.

#[derive(Deserialize)]
struct Login {
    name: String,
    password: String,
}

const NAME: &str = "name";

async fn log_in(session: Session, Form(login): Form<Login>) -> Result<Response, SessionError> {
    // An app of yours compares a slow hash here, in a plain `fn`.
    if login.password != "sesame" {
        return Ok((StatusCode::FORBIDDEN, "That is not the password.\n").into_response());
    }
    // Whoever knew the id of the session before must not be logged in now.
    session.renew();
    session.insert(NAME, &login.name)?;
    Ok(Redirect::to("/").into_response())
}

async fn log_out(session: Session) -> Redirect {
    session.destroy();
    Redirect::to("/")
}

/// Around what is for members.
async fn members_only(session: Session, request: Request, next: Next) -> Response {
    match session.get::<String>(NAME) {
        Ok(Some(_)) => next.run(request).await,
        Ok(None) => (StatusCode::UNAUTHORIZED, "Log in first.\n").into_response(),
        Err(error) => error.into_response(),
    }
}

// --- The theme: a signed cookie, which its owner can read and not change.

async fn set_theme(State(keys): State<Keys>, theme: String) -> CookieJar {
    CookieJar::new().set_signed(Cookie::new("theme", theme), &keys)
}

// --- Uploads: a plain `fn`, since it writes to files.

/// Where files go, under names of our own; what their owners call them is kept beside.
#[derive(Clone)]
struct Shelf {
    folder: Arc<PathBuf>,
    count: Counter,
}

fn upload(State(shelf): State<Shelf>, mut form: Multipart) -> Result<String, MultipartError> {
    let mut answer = String::new();
    while let Some(mut part) = form.next_blocking()? {
        let Some(name) = part.safe_file_name() else {
            answer += &format!("{}: {}\n", part.name().to_owned(), part.text_blocking()?);
            continue;
        };
        let number = shelf.count.add_one();
        let size = io::copy(&mut part, &mut File::create(shelf.folder.join(format!("{number}.bin")))?)?;
        answer += &format!("{name}: {size} bytes\n");
    }
    Ok(answer)
}

// --- The live counter: an event for each upload, from where the window has left off.

#[derive(Clone, Default)]
struct Counter(Arc<Mutex<Counted>>);

#[derive(Default)]
struct Counted {
    count: u64,
    /// How many have waited so far; each has its number.
    waiters: u64,
    waiting: HashMap<u64, Waker>,
}

/// Somebody who waits. A window that is closed leaves nothing behind.
struct Waiter<'c> {
    counter: &'c Counter,
    number: u64,
}

impl Drop for Waiter<'_> {
    fn drop(&mut self) {
        // The lock is free again before the waker is dropped.
        let waker = self.counter.lock().waiting.remove(&self.number);
        drop(waker);
    }
}

impl Counter {
    fn lock(&self) -> MutexGuard<'_, Counted> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn add_one(&self) -> u64 {
        let mut counted = self.lock();
        counted.count += 1;
        let (count, waiting) = (counted.count, std::mem::take(&mut counted.waiting));
        drop(counted);
        waiting.into_values().for_each(Waker::wake);
        count
    }

    /// The count, once it is another than `seen`.
    async fn other_than(&self, seen: Option<u64>) -> u64 {
        let waiter = self.waiter();
        poll_fn(|cx| {
            let mut counted = self.lock();
            if Some(counted.count) != seen {
                return Poll::Ready(counted.count);
            }
            let former = counted.waiting.insert(waiter.number, cx.waker().clone());
            drop(counted);
            drop(former);
            Poll::Pending
        })
        .await
    }

    fn waiter(&self) -> Waiter<'_> {
        let mut counted = self.lock();
        counted.waiters += 1;
        Waiter { counter: self, number: counted.waiters }
    }

    fn changes(self, seen: Option<u64>) -> impl Stream<Item = Result<Event, Infallible>> + Send {
        stream::unfold((self, seen), |(counter, seen)| async move {
            let count = counter.other_than(seen).await;
            let event = Event::new(count.to_string()).event("uploads").id(count.to_string());
            Some((Ok(event), (counter, Some(count))))
        })
    }
}

async fn live(LastEventId(seen): LastEventId, State(shelf): State<Shelf>) -> Sse {
    Sse::new(shelf.count.changes(seen.and_then(|id| id.parse().ok())))
}

// --- The page.

async fn page(
    session: Session,
    cookies: Cookies,
    State(keys): State<Keys>,
) -> Result<Html<String>, SessionError> {
    let theme = cookies.signed("theme", &keys).unwrap_or_else(|| "light".into());
    let inside = match session.get::<String>(NAME)? {
        None => "<form method=post action=/log-in><input name=name placeholder=Name> <input name=password type=password \
                 placeholder=sesame> <button>Log in</button></form>"
            .to_owned(),
        Some(name) => format!(
            "<p>Hello, {}!<form method=post action=/upload enctype=multipart/form-data><input name=title> <input name=file \
             type=file multiple> <button>Upload</button></form><form method=post action=/log-out><button>Log out</button></form>",
            escape(&name)
        ),
    };
    Ok(Html(format!(
        "<!doctype html><meta name=color-scheme content=\"{}\"><title>Forms</title><h1>Uploads: <span id=count>…</span></h1>{inside}\
         <script>new EventSource('/live').addEventListener('uploads', event => count.textContent = event.data)</script>",
        escape(&theme)
    )))
}

/// Text that a user gave, made safe to stand in HTML.
fn escape(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            other => safe.push(other),
        }
    }
    safe
}

fn app(keys: Keys, folder: PathBuf) -> Router {
    Router::new()
        .route("/", get(page))
        .route("/log-in", post(log_in))
        .route("/log-out", post(log_out))
        .route("/theme", post(set_theme).body_limit(100))
        .route("/upload", post(upload).body_limit(64 << 20).wrap(members_only))
        .route("/live", get(live))
        // With TLS, `.cookie(Cookie::new("session", "").secure())`.
        .wrap(Sessions::new(MemoryStore::new()))
        // Else another site's page could log its visitors in here, as somebody whose uploads are watched, or out. Behind a
        // proxy that changes `Host`, `.trust(["https://your.example"])`.
        .wrap(CrossOriginProtection::new())
        .wrap(access_log)
        .state(keys)
        .state(MultipartLimits { parts_max: 16, ..MultipartLimits::default() })
        .state(Shelf { folder: Arc::new(folder), count: Counter::default() })
}

fn run() -> Result<(), Box<dyn Error>> {
    env_logger::Builder::from_env(env_logger::Env::default().default_filter_or("info")).init();
    let port = match env::var("PORT") {
        Ok(port) => port.parse().map_err(|_| format!("PORT is {port:?}: it must be a number up to 65535"))?,
        Err(env::VarError::NotPresent) => 8080,
        Err(error) => return Err(format!("PORT: {error}").into()),
    };
    let keys = match env::var("SECRET") {
        Ok(secret) => Keys::new(secret.as_bytes()).map_err(|error| format!("SECRET: {error}"))?,
        Err(env::VarError::NotPresent) => Keys::generate(),
        Err(error) => return Err(format!("SECRET: {error}").into()),
    };
    let folder = env::temp_dir().join(format!("trijet-forms-{}", std::process::id()));
    std::fs::create_dir(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    let served = trijet::serve(("127.0.0.1", port), app(keys, folder.clone()));
    std::fs::remove_dir_all(&folder)?;
    Ok(served?)
}

#[expect(clippy::print_stderr, reason = "the last word of a program that could not start")]
fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("forms: {error}");
            ExitCode::FAILURE
        }
    }
}
