//! A URL shortener: a page with sessions, a JSON API, metrics, on SQLite. A link that was acknowledged is on the disk.
//!
//! Each handler that asks the database is a plain `fn`: it may block, and runs on a thread on every
//! backend. `cargo run -p trijet-links`, with `--features mio` or `--features tokio` for these.
//! `PORT` sets the port (8080 if unset, any free one if 0), `LINKS_DB` the file (`links.db`), `LINKS_STATIC` the folder of the
//! static files (the one beside this source).

mod api;
mod link;
mod page;
mod session;
mod store;

use std::{env, error::Error, ffi::OsString, path::Path, process::ExitCode, sync::Arc};

use page::{Pages, SharedPages};
use store::Store;
use trijet::{
    IntoResponse, Response, Router, Server, StatusCode,
    cookies::Cookie,
    extract::Rejection,
    files::Files,
    get,
    http::{HeaderValue, header::CONTENT_SECURITY_POLICY},
    middleware::{AccessLog, CrossOriginProtection, Metrics, RequestIds, SecurityHeaders, server_figures},
    post,
    sessions::{Blocking, SessionError, Sessions},
};

/// What can go wrong in a handler, each with its status.
#[derive(Debug)]
enum Failure {
    /// What was sent breaks the rule that is named.
    Invalid(&'static str),
    /// The code leads somewhere else already.
    Taken,
    NotFound,
    /// Our own fault. The reason is for the log, and not for the client.
    Internal,
}

impl Failure {
    fn status(&self) -> StatusCode {
        match self {
            Self::Invalid(_) => StatusCode::UNPROCESSABLE_ENTITY,
            Self::Taken => StatusCode::CONFLICT,
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::Internal => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    fn sentence(&self) -> &'static str {
        match self {
            Self::Invalid(rule) => rule,
            Self::Taken => "This code is taken.",
            Self::NotFound => "There is no such link.",
            Self::Internal => "The link could not be stored or found.",
        }
    }

    fn internal(what: &str, error: &dyn Error) -> Self {
        log::error!("{what}: {error}");
        Self::Internal
    }
}

impl From<rusqlite::Error> for Failure {
    fn from(error: rusqlite::Error) -> Self {
        Self::internal("database", &error)
    }
}

impl From<SessionError> for Failure {
    fn from(error: SessionError) -> Self {
        Self::internal("session", &error)
    }
}

impl From<minijinja::Error> for Failure {
    fn from(error: minijinja::Error) -> Self {
        Self::internal("template", &error)
    }
}

/// A sentence, which becomes a page for browsers and a problem in the API: `errors` of their routers.
impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        Rejection::new(self.status(), self.sentence()).into_response()
    }
}

/// Nothing but what comes from here is shown or run, should something slip through the templates.
const CONTENT_POLICY: &str = "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

fn app(store: Store, pages: SharedPages, folder: &Path, metrics: &Metrics) -> Router {
    let error_pages = pages.clone();
    let browsers = Router::new()
        .route("/", get(page::show).post(page::add).body_limit(16 << 10))
        .route("/{code}/remove", post(page::remove).body_limit(1 << 10))
        .wrap(
            Sessions::new(Blocking::new(store.clone()))
                .cookie(Cookie::new("links", "").max_age(std::time::Duration::from_secs(14 * 24 * 3600))),
        );
    Router::new()
        .merge(browsers)
        .route("/{code}", get(page::follow))
        .route("/metrics", get(metrics.page()))
        .nest("/api", api::router())
        .nest("/static", Files::dir(folder).into_router())
        .errors(move |failure| error_pages.error(failure))
        .state(store)
        .state(pages)
        .wrap(CrossOriginProtection::new())
        .wrap(SecurityHeaders::new().set(CONTENT_SECURITY_POLICY, HeaderValue::from_static(CONTENT_POLICY)))
        .wrap(metrics.clone())
        .wrap(AccessLog::common())
        .wrap(RequestIds::new())
}

fn run() -> Result<(), Box<dyn Error>> {
    env_logger::Builder::from_env(env_logger::Env::default().default_filter_or("info")).init();
    let port: u16 = match env::var("PORT") {
        Ok(port) => port.parse().map_err(|_| format!("PORT is {port:?}: it must be a number up to 65535"))?,
        Err(env::VarError::NotPresent) => 8080,
        Err(error) => return Err(format!("PORT: {error}").into()),
    };
    let named = |name, default: &str| env::var_os(name).unwrap_or_else(|| OsString::from(default));
    let file = named("LINKS_DB", "links.db");
    let store = Store::open(file.as_ref())
        .map_err(|error| format!("the database {} cannot be opened: {error}", file.display()))?;
    let folder = named("LINKS_STATIC", concat!(env!("CARGO_MANIFEST_DIR"), "/static"));
    let metrics = Metrics::new();
    let server = Server::new(app(store, Arc::new(Pages::new()?), folder.as_ref(), &metrics))
        .start(("127.0.0.1", port))?;
    metrics.collect(server_figures(&server));
    server.serve()?;
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
