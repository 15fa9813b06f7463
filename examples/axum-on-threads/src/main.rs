//! An app of axum as its documentation shows them (captures, JSON, queries, state, layers of tower-http), and not a line
//! of it knows what serves it: here that is trijet, on threads. `cargo run` in this folder; `--features mio` and
//! `--features tokio` take the other backends. `PORT` sets the port: 8080 if unset, any free one if 0.
//!
//! What is new is in `main`.

use std::{
    env,
    error::Error,
    net::SocketAddr,
    process::ExitCode,
    sync::{Arc, Mutex, PoisonError},
};

use axum::{
    Extension, Json, Router,
    extract::{Path, Query, State},
    http::{HeaderValue, StatusCode, header},
    routing::get,
};
use serde::{Deserialize, Serialize};
use tower_http::{cors::CorsLayer, set_header::SetResponseHeaderLayer, trace::TraceLayer};
use trijet::interop;

#[derive(Clone, Serialize)]
struct Note {
    id: usize,
    text: String,
}

#[derive(Deserialize)]
struct NewNote {
    text: String,
}

#[derive(Deserialize)]
struct Filter {
    #[serde(default)]
    contains: String,
}

#[derive(Clone, Default)]
struct Notes(Arc<Mutex<Vec<Note>>>);

impl Notes {
    fn with<R>(&self, work: impl FnOnce(&mut Vec<Note>) -> R) -> R {
        work(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

async fn list(State(notes): State<Notes>, Query(filter): Query<Filter>) -> Json<Vec<Note>> {
    let is_meant = |note: &&Note| note.text.contains(&filter.contains);
    Json(notes.with(|notes| notes.iter().filter(is_meant).cloned().collect()))
}

async fn add(State(notes): State<Notes>, Json(new): Json<NewNote>) -> (StatusCode, Json<Note>) {
    let note = notes.with(|notes| {
        let note = Note { id: notes.len() + 1, text: new.text };
        notes.push(note.clone());
        note
    });
    (StatusCode::CREATED, Json(note))
}

async fn show(State(notes): State<Notes>, Path(id): Path<usize>) -> Result<Json<Note>, StatusCode> {
    let note = notes.with(|notes| notes.get(id.wrapping_sub(1)).cloned());
    note.map(Json).ok_or(StatusCode::NOT_FOUND)
}

async fn who(Extension(peer): Extension<SocketAddr>) -> String {
    peer.ip().to_string()
}

/// The app of axum.
fn app() -> Router {
    let sniff = SetResponseHeaderLayer::overriding(
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    );
    Router::new()
        .route("/", get(async || "Hello from axum!"))
        .route("/notes", get(list).post(add))
        .route("/notes/{id}", get(show))
        .route("/who", get(who))
        .layer(CorsLayer::permissive())
        .layer(sniff)
        .with_state(Notes::default())
}

/// How it is served: as the handler of whatever no route of ours knows.
fn served() -> trijet::Router {
    let app = interop::service(app());
    // What handlers look for in the extensions.
    let app = app.prepare(|request, context| {
        if let Some(peer) = context.peer_address() {
            request.extensions_mut().insert(peer);
        }
    });
    trijet::Router::new()
        // Handlers of ours beside it may block.
        .route("/blocking", trijet::get(|| "a plain fn"))
        // The same app once more, for which the prefix is not there.
        .nest("/v1", app.clone().into_router())
        .fallback(app)
        // A layer of tower around all of it.
        .wrap(interop::layer(TraceLayer::new_for_http()))
}

fn port() -> Result<u16, Box<dyn Error>> {
    match env::var("PORT") {
        Ok(port) => {
            port.parse().map_err(|_| format!("PORT is {port:?}: it must be a number up to 65535").into())
        }
        Err(_) => Ok(8080),
    }
}

fn run() -> Result<(), Box<dyn Error>> {
    trijet::serve(("127.0.0.1", port()?), served())?;
    Ok(())
}

fn main() -> ExitCode {
    env_logger::Builder::from_env(env_logger::Env::default().default_filter_or("info")).init();
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            log::error!("{error}");
            ExitCode::FAILURE
        }
    }
}
