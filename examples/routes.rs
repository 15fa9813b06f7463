//! A tour of routing: captures, nests, state, extractors, errors, middleware. A notebook in memory, as a
//! page and as a JSON API. `cargo run --example routes`, then open http://127.0.0.1:8080.
//! `PORT` sets the port: 8080 if unset, any free one if 0.

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
    Form, Html, IntoResponse, Json, Next, Path, Query, Redirect, Request, Response, Router, State,
    StatusCode, get, inline, middleware::access_log, post,
};

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
}

impl IntoResponse for AppError {
    fn into_response(self) -> Response {
        match self {
            Self::NoSuchNote(id) => {
                (StatusCode::NOT_FOUND, format!("There is no note {id}.\n")).into_response()
            }
            Self::Untitled => (StatusCode::UNPROCESSABLE_ENTITY, "A note needs a title.\n").into_response(),
        }
    }
}

// --- The page: HTML, a form, and a redirect after it.

async fn index(State(notes): State<Notes>) -> Html<String> {
    let mut page = String::from("<!doctype html><title>Notes</title><h1>Notes</h1><ul>");
    for (id, note) in &notes.lock().notes {
        _ = write!(page, "<li><a href=\"/notes/{id}\">{}</a>", escape(&note.title));
    }
    page.push_str(
        "</ul><form method=post action=/notes><input name=title placeholder=Title> \
         <input name=text placeholder=Text> <button>Add</button></form>",
    );
    Html(page)
}

async fn show(Path(id): Path<u64>, State(notes): State<Notes>) -> Result<Html<String>, AppError> {
    let note = notes.find(id)?;
    let (title, text) = (escape(&note.title), escape(&note.text));
    Ok(Html(format!(
        "<!doctype html><title>{title}</title><h1>{title}</h1><p>{text}<p><a href=\"/\">All</a>"
    )))
}

async fn add_by_form(State(notes): State<Notes>, Form(note): Form<Note>) -> Result<Redirect, AppError> {
    let id = notes.add(note)?;
    Ok(Redirect::to(format!("/notes/{id}")))
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
    #[serde(default)]
    contains: String,
    #[serde(default = "ten")]
    limit: usize,
}

fn ten() -> usize {
    10
}

async fn list(Query(search): Query<Search>, State(notes): State<Notes>) -> Json<Vec<Numbered>> {
    let book = notes.lock();
    let found = book.notes.iter().filter(|(_, note)| note.title.contains(&search.contains));
    Json(found.take(search.limit).map(|(id, note)| Numbered { id: *id, note: note.clone() }).collect())
}

async fn add(State(notes): State<Notes>, Json(note): Json<Note>) -> Result<impl IntoResponse, AppError> {
    let id = notes.add(note.clone())?;
    Ok((StatusCode::CREATED, [("location", format!("/api/notes/{id}"))], Json(Numbered { id, note })))
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
        .route("/notes/{id}", get(find).delete(remove))
        .route("/export", post(export).wrap(one_at_a_time))
        .fallback(async || (StatusCode::NOT_FOUND, Json("no such endpoint")))
}

// --- Middleware: around the app, a nest, or a route.

/// The cheap kind. It says in a header how long the answer took.
async fn timing(request: Request, next: Next) -> Response {
    let began = Instant::now();
    let response = next.run(request).await;
    let timing = format!("app;dur={:.3}", began.elapsed().as_secs_f64() * 1e3);
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
        .route("/notes/{id}", get(show))
        .nest("/api", api().wrap(timing))
        .route("/sum/{left}/{right}", get(sum))
        .route("/below/{*rest}", get(below))
        .route("/home", get(async || Redirect::permanent("/")))
        // A plain `fn` that does not block can say so, and is spared the way to a thread.
        .route("/health", get(inline(|| "ok\n")))
        .state(Notes::default())
        .wrap(access_log)
}

fn run() -> Result<(), Box<dyn Error>> {
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
