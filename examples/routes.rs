//! A tour of routing: captures, nests, hosts, names, state, extractors, errors, middleware. A notebook in memory, as a
//! page and as a JSON API. `cargo run --example routes`, then open http://127.0.0.1:8080.
//! `PORT` sets the port: 8080 if unset, any free one if 0. `-- --table` prints the routes, and serves nothing.

use std::{
    collections::BTreeMap,
    env,
    error::Error,
    fmt::Write,
    process::ExitCode,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Instant,
};

use serde::{Deserialize, Serialize};
use trijet::{
    Form, Html, IntoResponse, Json, Method, Next, Path, Query, Redirect, Request, Response, Router, State,
    StatusCode,
    extract::{MatchedPath, Rejection, Urls},
    get, inline,
    middleware::access_log,
    post,
    respond::Failure,
    routing::{RouteName, TrailingSlash, UrlError},
};

// --- Names: an address is built from the route's own pattern, so it cannot lead elsewhere.

const NOTE: RouteName<(u64,)> = RouteName::new("note");
const API_NOTE: RouteName<(u64,)> = RouteName::new("api-note");

// --- State: given once to the router, and cloned for each handler that takes it.

#[derive(Clone, Default)]
struct Notes(Arc<Mutex<Notebook>>);

#[derive(Default)]
struct Notebook {
    last: u64,
    notes: BTreeMap<u64, Note>,
}

#[derive(Clone, Deserialize, Serialize)]
struct Note {
    title: String,
    #[serde(default)]
    text: String,
}

#[derive(Serialize)]
struct Numbered {
    id: u64,
    #[serde(flatten)]
    note: Note,
}

impl Notes {
    fn lock(&self) -> MutexGuard<'_, Notebook> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn add(&self, note: Note) -> Result<u64, AppError> {
        if note.title.trim().is_empty() {
            return Err(AppError::Untitled);
        }
        let mut book = self.lock();
        book.last += 1;
        let id = book.last;
        book.notes.insert(id, note);
        Ok(id)
    }

    fn find(&self, id: u64) -> Result<Note, AppError> {
        self.lock().notes.get(&id).cloned().ok_or(AppError::NoSuchNote(id))
    }
}

// --- Errors: a handler cannot fail. Its error is a response, so `?` works.

enum AppError {
    NoSuchNote(u64),
    Untitled,
    Url(UrlError),
}

impl IntoResponse for AppError {
    fn into_response(self) -> Response {
        match self {
            // A rejection is worded below, as are those of Trijet.
            Self::NoSuchNote(id) => {
                Rejection::new(StatusCode::NOT_FOUND, format!("There is no note {id}.")).into_response()
            }
            Self::Untitled => {
                Rejection::new(StatusCode::UNPROCESSABLE_ENTITY, "A note needs a title.").into_response()
            }
            Self::Url(error) => error.into_response(),
        }
    }
}

impl From<UrlError> for AppError {
    fn from(error: UrlError) -> Self {
        Self::Url(error)
    }
}

/// All errors that no handler has worded: 404, 405, what extractors refuse, a panic. For programs as a problem of
/// RFC 9457, for people as a page; and one page for a certain path.
fn worded(failure: Failure) -> Response {
    if failure.status() == StatusCode::NOT_FOUND && failure.uri().path().starts_with("/notes") {
        return Html("<!doctype html><title>No such note</title><p><a href=\"/\">All notes</a>")
            .into_response();
    }
    match failure.preferred(&["application/problem+json", "text/html"]) {
        Some("text/html") => {
            let (status, detail) = (failure.status(), escape(failure.detail()));
            Html(format!("<!doctype html><title>{status}</title><h1>{status}</h1><p>{detail}"))
                .into_response()
        }
        _ => failure.problem().into_response(),
    }
}

// --- The page: HTML, a form, and a redirect after it.

async fn index(State(notes): State<Notes>, urls: Urls) -> Result<Html<String>, UrlError> {
    let mut page = String::from("<!doctype html><title>Notes</title><h1>Notes</h1><ul>");
    for (id, note) in &notes.lock().notes {
        let address = urls.to(NOTE, (*id,))?;
        _ = write!(page, "<li><a href=\"{address}\">{}</a>", escape(&note.title));
    }
    page.push_str(
        "</ul><form method=post action=/notes><input name=title placeholder=Title> \
         <input name=text placeholder=Text> <button>Add</button></form>",
    );
    Ok(Html(page))
}

async fn show(Path(id): Path<u64>, State(notes): State<Notes>) -> Result<Html<String>, AppError> {
    let note = notes.find(id)?;
    let (title, text) = (escape(&note.title), escape(&note.text));
    Ok(Html(format!(
        "<!doctype html><title>{title}</title><h1>{title}</h1><p>{text}<p><a href=\"/\">All</a>"
    )))
}

async fn add_by_form(
    State(notes): State<Notes>,
    urls: Urls,
    Form(note): Form<Note>,
) -> Result<Redirect, AppError> {
    let id = notes.add(note)?;
    Ok(Redirect::to(urls.to(NOTE, (id,))?))
}

/// Text that a user gave, made safe to stand in HTML.
fn escape(text: &str) -> String {
    text.chars().fold(String::with_capacity(text.len()), |mut safe, character| {
        match character {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            other => safe.push(other),
        }
        safe
    })
}

// --- The API: a router of its own, nested under /api.

#[derive(Deserialize)]
struct Search {
    /// Each of them: `?contains=a&contains=b`.
    #[serde(default)]
    contains: Vec<String>,
    #[serde(default = "ten")]
    limit: usize,
}

fn ten() -> usize {
    10
}

async fn list(Query(search): Query<Search>, State(notes): State<Notes>) -> Json<Vec<Numbered>> {
    let book = notes.lock();
    let is_wanted = |note: &Note| search.contains.iter().all(|text| note.title.contains(text));
    let found = book.notes.iter().filter(|(_, note)| is_wanted(note));
    Json(found.take(search.limit).map(|(id, note)| Numbered { id: *id, note: note.clone() }).collect())
}

async fn add(
    State(notes): State<Notes>,
    urls: Urls,
    Json(note): Json<Note>,
) -> Result<impl IntoResponse, AppError> {
    let id = notes.add(note.clone())?;
    Ok((StatusCode::CREATED, [("location", urls.to(API_NOTE, (id,))?)], Json(Numbered { id, note })))
}

/// What is answered to a method that a note does not offer, in place of 405.
async fn never_changed(method: Method) -> Rejection {
    Rejection::new(
        StatusCode::METHOD_NOT_ALLOWED,
        format!("{method}? Notes are never changed: remove it, and add another."),
    )
}

async fn find(Path(id): Path<u64>, State(notes): State<Notes>) -> Result<Json<Numbered>, AppError> {
    notes.find(id).map(|note| Json(Numbered { id, note }))
}

async fn remove(Path(id): Path<u64>, State(notes): State<Notes>) -> Result<StatusCode, AppError> {
    notes.lock().notes.remove(&id).map(|_| StatusCode::NO_CONTENT).ok_or(AppError::NoSuchNote(id))
}

/// A plain `fn`: it may block, here to write all of it to a file.
fn export(State(notes): State<Notes>) -> Result<String, StatusCode> {
    let everything =
        serde_json::to_vec(&notes.lock().notes).map_err(|_| StatusCode::INTERNAL_SERVER_ERROR)?;
    let file = env::temp_dir().join(format!("trijet-notes-{}.json", std::process::id()));
    std::fs::write(&file, &everything).map_err(|_| StatusCode::INSUFFICIENT_STORAGE)?;
    Ok(format!("{} bytes in {}\n", everything.len(), file.display()))
}

fn api() -> Router {
    Router::new()
        .route("/notes", get(list).post(add).body_limit(64 << 10))
        .route("/notes/{id}", get(find).delete(remove).fallback(never_changed).name(API_NOTE))
        .route("/export", post(export).wrap(one_at_a_time))
        .fallback(async || (StatusCode::NOT_FOUND, Json("no such endpoint")))
}

// --- Middleware: around the app, a nest, or a route.

/// The cheap kind. It says in a header how long the answer took, and which route that was.
async fn timing(path: Option<MatchedPath>, request: Request, next: Next) -> Response {
    let began = Instant::now();
    let response = next.run(request).await;
    let path = path.as_ref().map_or("none", MatchedPath::as_str);
    let timing = format!("app;dur={:.3};desc=\"{path}\"", began.elapsed().as_secs_f64() * 1e3);
    ([("server-timing", timing)], response).into_response()
}

/// The kind that may block. All that is inside it runs on this same thread.
fn one_at_a_time(request: Request, next: Next) -> Response {
    static TURN: Mutex<()> = Mutex::new(());
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    next.run_blocking(request)
}

// --- Captures of several kinds.

async fn sum(Path((left, right)): Path<(i64, i64)>) -> String {
    format!("{}\n", left.saturating_add(right))
}

async fn below(Path(rest): Path<String>) -> String {
    format!("below: {rest}\n")
}

fn app() -> Router {
    Router::new()
        .route("/", get(index))
        .route("/notes", post(add_by_form))
        .route("/notes/{id}", get(show).name(NOTE))
        .nest("/api", api().wrap(timing))
        .route("/sum/{left}/{right}", get(sum))
        .route("/below/{*rest}", get(below))
        .route("/home", get(async || Redirect::permanent("/")))
        // A plain `fn` that does not block can say so, and is spared the way to a thread.
        .route("/health", get(inline(|| "ok\n")))
        // Another host, with routes of its own.
        .host("status.localhost", Router::new().route("/", get(inline(|| "all is well\n"))))
        // `/notes/1/` is sent to `/notes/1`.
        .trailing_slash(TrailingSlash::Redirect)
        .state(Notes::default())
        .errors(worded)
        .wrap(access_log)
}

#[expect(clippy::print_stdout, reason = "it was asked for")]
fn run() -> Result<(), Box<dyn Error>> {
    if env::args().nth(1).as_deref() == Some("--table") {
        print!("{}", app());
        return Ok(());
    }
    env_logger::Builder::from_env(env_logger::Env::default().default_filter_or("info")).init();
    let port = match env::var("PORT") {
        Ok(port) => port.parse().map_err(|_| format!("PORT is {port:?}: it must be a number up to 65535"))?,
        Err(env::VarError::NotPresent) => 8080,
        Err(error) => return Err(format!("PORT: {error}").into()),
    };
    trijet::serve(("127.0.0.1", port), app())?;
    Ok(())
}

#[expect(clippy::print_stderr, reason = "the last word of a program that could not start")]
fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("routes: {error}");
            ExitCode::FAILURE
        }
    }
}
