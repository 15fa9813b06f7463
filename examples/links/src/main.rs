//! A URL shortener: a page with sessions, a JSON API, metrics, on SQLite. A link that was acknowledged is on the disk.
//!
//! Each handler that asks the database is a plain `fn`: it may block, and runs on a thread on every
//! backend. `cargo run -p trijet-links`, with `--features mio` or `--features tokio` for these.
//! `settings.rs` lists the variables that it reads.

mod api;
mod link;
mod page;
mod session;
mod settings;
mod store;

use std::{error::Error, process::ExitCode, sync::Arc, time::Duration};

use page::{Pages, SharedPages};
use settings::Settings;
use store::Store;
use trijet::{
    IntoResponse, Response, Router, Server, StatusCode,
    extract::Rejection,
    files::Files,
    get,
    http::{HeaderValue, header::CONTENT_SECURITY_POLICY},
    middleware::{
        AccessLog, CrossOriginProtection, Metrics, RateLimit, RequestIds, SecurityHeaders, server_figures,
    },
    post, respond,
    sessions::SessionError,
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

    /// Nothing where there is no such link; other failures stay.
    fn none_if_not_found<T>(self) -> Result<Option<T>, Self> {
        if matches!(self, Self::NotFound) { Ok(None) } else { Err(self) }
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

/// A sentence, which becomes a page for browsers and a problem in the API: `worded`.
impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        Rejection::new(self.status(), self.sentence()).into_response()
    }
}

/// Nothing but what comes from here is shown or run, should something slip through the templates.
const CONTENT_POLICY: &str = "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// A problem of RFC 9457 in the API, a page elsewhere: for 404, 405, what middleware and extractors refuse, a panic.
fn worded(pages: &Pages, failure: respond::Failure) -> Response {
    let is_of_the_api = failure.uri().path().starts_with("/api/");
    if is_of_the_api { failure.problem().into_response() } else { pages.error(failure) }
}

fn app(settings: &Settings, store: Store, pages: SharedPages, metrics: &Metrics) -> Router {
    let error_pages = pages.clone();
    // One account for a client, whichever way it adds: whoever writes to the disk is slowed down.
    let adding = RateLimit::new(settings.links_per_minute, Duration::from_secs(60));
    let browsers = Router::new()
        .route("/", get(page::show))
        .route("/", post(page::add).body_limit(16 << 10).wrap(adding.clone()))
        .route("/{code}/remove", post(page::remove).body_limit(1 << 10))
        .wrap(session::sessions(store.clone()));
    let api = match &settings.token {
        Some(token) => Router::new().nest("/api", api::router(token, adding)),
        None => Router::new(),
    };
    Router::new()
        .merge(browsers)
        .merge(api)
        .route("/{code}", get(page::follow))
        .route("/metrics", get(metrics.page()))
        .nest("/static", Files::dir(&settings.static_folder).into_router())
        .state(store)
        .state(pages)
        .wrap(CrossOriginProtection::new())
        // Around all that refuses, so that each refusal is worded; the headers below stand on those words too.
        .errors(move |failure| worded(&error_pages, failure))
        .wrap(SecurityHeaders::new().set(CONTENT_SECURITY_POLICY, HeaderValue::from_static(CONTENT_POLICY)))
        .wrap(metrics.clone())
        .wrap(AccessLog::common())
        .wrap(RequestIds::new())
}

fn run() -> Result<(), Box<dyn Error>> {
    env_logger::Builder::from_env(env_logger::Env::default().default_filter_or("info")).init();
    let settings = Settings::from_environment()?;
    let store = Store::open(&settings.database)
        .map_err(|error| format!("the database {} cannot be opened: {error}", settings.database.display()))?;
    let metrics = Metrics::new();
    let server = Server::new(app(&settings, store, Arc::new(Pages::new()?), &metrics))
        .start(("127.0.0.1", settings.port))?;
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
