//! Notes: an app that is there to be tested, by `tests/notes.rs`. It has a login by a cookie, JSON, an upload, and live
//! events. The app is a function of a library, so that a `main` serves the same one as the tests speak to:
//! `trijet::serve("127.0.0.1:8080", trijet_notes::app())`.

use std::{
    convert::Infallible,
    io::{self, Read},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use futures_util::{Stream, stream};
use serde::{Deserialize, Serialize};
use trijet::{
    Form, IntoResponse, Json, Redirect, Response, Router, State, StatusCode,
    cookies::{Cookie, CookieJar, Cookies},
    get,
    multipart::{Multipart, MultipartError},
    post, rt,
    sse::{Event, Sse},
};

/// A note, and who has written it.
#[derive(Clone, Debug, Serialize)]
pub struct Note {
    author: String,
    text: String,
}

#[derive(Clone, Default)]
struct Notes(Arc<Mutex<Vec<Note>>>);

impl Notes {
    fn lock(&self) -> MutexGuard<'_, Vec<Note>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[derive(Deserialize)]
struct Login {
    name: String,
}

/// A real one asks for a password, and keeps a session.
async fn log_in(Form(login): Form<Login>) -> (CookieJar, Redirect) {
    let cookie = Cookie::new("name", login.name).max_age(Duration::from_secs(3600)).secure();
    (CookieJar::new().set(cookie), Redirect::to("/notes"))
}

async fn log_out() -> (CookieJar, Redirect) {
    (CookieJar::new().remove("name"), Redirect::to("/notes"))
}

async fn list(State(notes): State<Notes>) -> Json<Vec<Note>> {
    Json(notes.lock().clone())
}

#[derive(Deserialize)]
struct NewNote {
    text: String,
}

async fn add(cookies: Cookies, State(notes): State<Notes>, Json(new): Json<NewNote>) -> Response {
    let Some(author) = cookies.get("name") else {
        return (StatusCode::UNAUTHORIZED, "Log in first.\n").into_response();
    };
    let note = Note { author, text: new.text };
    notes.lock().push(note.clone());
    (StatusCode::CREATED, Json(note)).into_response()
}

/// A plain `fn`: it may block, as one that writes to a file does.
fn import(State(notes): State<Notes>, mut form: Multipart) -> Result<String, MultipartError> {
    let mut author = "nobody".to_owned();
    let mut count = 0;
    while let Some(mut part) = form.next_blocking()? {
        if part.name() == "author" {
            author = part.text_blocking()?;
            continue;
        }
        let mut lines = String::new();
        part.read_to_string(&mut lines).map_err(io::Error::other)?;
        for line in lines.lines() {
            notes.lock().push(Note { author: author.clone(), text: line.to_owned() });
            count += 1;
        }
    }
    Ok(format!("{count} notes\n"))
}

/// How many notes there are, every five seconds.
async fn count(State(notes): State<Notes>) -> Sse {
    Sse::new(counts(notes))
}

fn counts(notes: Notes) -> impl Stream<Item = Result<Event, Infallible>> + Send {
    stream::unfold((notes, false), |(notes, is_next)| async move {
        if is_next {
            rt::sleep(Duration::from_secs(5)).await;
        }
        let count = notes.lock().len();
        Some((Ok(Event::new(count.to_string())), (notes, true)))
    })
}

/// The app.
pub fn app() -> Router {
    Router::new()
        .route("/log-in", post(log_in))
        .route("/log-out", post(log_out))
        .route("/notes", get(list).post(add))
        .route("/import", post(import).body_limit(1 << 20))
        .route("/count", get(count))
        .state(Notes::default())
}
