//! A realistic stack of middleware around a small API: names, logs, metrics, CORS, CSRF, limits, passwords, compression.
//! `cargo run --example middleware --features middleware,compression,metrics`, then
//! `curl -i --compressed -u ada:lovelace http://127.0.0.1:8080/admin/report`.
//! `PORT` sets the port: 8080 if unset, any free one if 0. `PASSWORD` is Ada's.

use std::{env, error::Error, fmt::Write, process::ExitCode, sync::Arc, time::Duration};

use trijet::{
    Method, Router, Server, StatusCode,
    extract::Extension,
    get,
    middleware::{
        AccessLog, Basic, BasicAuth, BodyLimit, Compression, ConcurrencyLimit, Cors, CrossOriginProtection,
        Decompression, ETags, Metrics, RateLimit, RequestId, RequestIds, SecurityHeaders, Timeout,
        constant_time_eq, server_figures,
    },
    post,
};

/// Who is logged in.
#[derive(Clone)]
struct Admin(String);

/// May block: a real one asks a database, and hashes with Argon2, some hash also for a name that it does not know: else
/// the time tells which names there are. Here it compares always, in constant time.
fn check(password: &str, given: Basic) -> Option<Admin> {
    let is_good = constant_time_eq(&given.password, password);
    (given.user == "ada" && is_good).then_some(Admin(given.user))
}

async fn index(Extension(id): Extension<RequestId>) -> String {
    format!("This is request {id}.\n")
}

/// Long enough to be compressed, the same each time: it gets a tag.
fn report(Extension(Admin(name)): Extension<Admin>) -> String {
    let mut text = format!("A report for {name}\n");
    for line in 1..=500 {
        // A `String` takes all that is written.
        let _ = writeln!(text, "line {line} of many that are alike");
    }
    text
}

/// May be sent compressed.
async fn count(text: String) -> String {
    format!("{} lines\n", text.lines().count())
}

async fn endless() {
    std::future::pending().await
}

/// Around the routes that need a password.
fn admin(password: Arc<str>) -> Router {
    Router::new()
        .route("/report", get(report).wrap(ETags::new()))
        .wrap(BasicAuth::new("admin", move |given: Basic| check(&password, given)))
        // Each check of a password costs: ten a minute are enough for somebody who knows theirs.
        .wrap(RateLimit::new(10, Duration::from_secs(60)))
}

/// A later wrap stands outside an earlier one: read it from the bottom to the top, as a request does.
fn app(password: Arc<str>, metrics: &Metrics) -> Router {
    let api = Router::new()
        .route("/", get(index))
        .route("/count", post(count))
        .route("/endless", get(endless).wrap(Timeout::new(Duration::from_millis(100)).gateway()))
        .nest("/admin", admin(password))
        // A router that is merged keeps its layers around its routes and its fallback: this is one of them.
        .fallback(async || (StatusCode::NOT_FOUND, "There is nothing here.\n"))
        .wrap(Decompression::new().bytes_max(1 << 20))
        .wrap(BodyLimit::new(256 << 10))
        .wrap(Compression::new())
        .wrap(Timeout::new(Duration::from_secs(10)))
        .wrap(ConcurrencyLimit::new(256).queue(256, Duration::from_secs(2)))
        .wrap(CrossOriginProtection::new().trust(["https://app.example"]))
        .wrap(Cors::origins(["https://app.example"]).methods([Method::GET, Method::POST]).credentials())
        .wrap(SecurityHeaders::new())
        .wrap(metrics.clone())
        .wrap(AccessLog::json().without_query())
        .wrap(RequestIds::new());
    // Beside what is measured. In earnest, serve it on another address, where only Prometheus comes.
    Router::new()
        .merge(api)
        .route("/metrics", get(metrics.page()))
        .route("/health", get(async || StatusCode::OK))
}

fn run() -> Result<(), Box<dyn Error>> {
    env_logger::Builder::from_env(env_logger::Env::default().default_filter_or("info")).init();
    let port: u16 = match env::var("PORT") {
        Ok(port) => port.parse().map_err(|_| format!("PORT is {port:?}: it must be a number up to 65535"))?,
        Err(env::VarError::NotPresent) => 8080,
        Err(error) => return Err(format!("PORT: {error}").into()),
    };
    let password = env::var("PASSWORD").unwrap_or_else(|_| "lovelace".to_owned());
    let metrics = Metrics::new();
    let server = Server::new(app(password.into(), &metrics)).start(("127.0.0.1", port))?;
    metrics.collect(server_figures(&server));
    server.serve()?;
    Ok(())
}

#[expect(clippy::print_stderr, reason = "the last word of a program that could not start")]
fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("middleware: {error}");
            ExitCode::FAILURE
        }
    }
}
