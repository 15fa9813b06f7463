//! A URL shortener: a JSON API and a page, on SQLite. A link that was acknowledged is on the disk.
//!
//! Each handler that asks the database is a plain `fn`: it may block, and runs on a thread on every
//! backend. `cargo run -p trijet-links`, with `--features mio` or `--features tokio` for these.
//! `PORT` sets the port (8080 if unset, any free one if 0), `LINKS_DB` the file (`links.db`).

mod api;
mod link;
mod page;
mod store;

use std::{env, error::Error, process::ExitCode};

use store::Store;
use trijet::{IntoResponse, Response, Router, StatusCode, get, middleware::access_log};

/// What can go wrong in a handler, each with its status.
#[derive(Debug)]
enum Failure {
    /// What was sent breaks the rule that is named.
    Invalid(&'static str),
    /// The code leads somewhere else already.
    Taken,
    NotFound,
    Database(rusqlite::Error),
}

impl Failure {
    fn status(&self) -> StatusCode {
        match self {
            Self::Invalid(_) => StatusCode::UNPROCESSABLE_ENTITY,
            Self::Taken => StatusCode::CONFLICT,
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::Database(_) => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    fn sentence(&self) -> &'static str {
        match self {
            Self::Invalid(rule) => rule,
            Self::Taken => "This code is taken.",
            Self::NotFound => "There is no such link.",
            Self::Database(error) => {
                // For the log, and not for the client.
                log::error!("database: {error}");
                "The link could not be stored or found."
            }
        }
    }
}

impl From<rusqlite::Error> for Failure {
    fn from(error: rusqlite::Error) -> Self {
        Self::Database(error)
    }
}

/// Plain text, for the redirect and the page; the API answers with JSON.
impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        (self.status(), format!("{}\n", self.sentence())).into_response()
    }
}

fn app(store: Store) -> Router {
    Router::new()
        .route("/", get(page::show).post(page::add).body_limit(16 << 10))
        .route("/{code}", get(page::follow))
        .nest("/api", api::router())
        .state(store)
        .wrap(access_log)
}

fn run() -> Result<(), Box<dyn Error>> {
    env_logger::Builder::from_env(env_logger::Env::default().default_filter_or("info")).init();
    let port = match env::var("PORT") {
        Ok(port) => port.parse().map_err(|_| format!("PORT is {port:?}: it must be a number up to 65535"))?,
        Err(env::VarError::NotPresent) => 8080,
        Err(error) => return Err(format!("PORT: {error}").into()),
    };
    let file = env::var_os("LINKS_DB").unwrap_or_else(|| "links.db".into());
    let store = Store::open(file.as_ref())
        .map_err(|error| format!("the database {} cannot be opened: {error}", file.display()))?;
    trijet::serve(("127.0.0.1", port), app(store))?;
    Ok(())
}

#[expect(clippy::print_stderr, reason = "the last word of a program that could not start")]
fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("links: {error}");
            ExitCode::FAILURE
        }
    }
}
