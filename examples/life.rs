//! The life of a server: its settings from a file and from the environment, several listeners, what a load balancer asks,
//! and what is done at the start and after the stop. `cargo run --example life --features config`.
//!
//! `LIFE_CONFIG` names a file in TOML. `LIFE_SERVER_ADDRESS`, `LIFE_SERVER_WORKERS` and so on come before it:
//! `LIFE_SERVER_ADDRESS=127.0.0.1:8080,unix:/tmp/life.sock`. SIGINT stops it: for two seconds it is not ready, and serves.

use std::{
    env,
    error::Error,
    fs,
    path::PathBuf,
    process::ExitCode,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use serde::{Deserialize, Deserializer, de::DeserializeSeed};
use trijet::{Router, ServerConfig, State, get, health};

/// What the file holds: the server's settings are a part of it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Config {
    greeting: Option<String>,
    #[serde(default = "defaults", deserialize_with = "read_server")]
    server: ServerConfig,
}

/// This application's own, where they differ from the server's.
fn defaults() -> ServerConfig {
    let mut defaults = ServerConfig::default();
    defaults.drain_delay = Duration::from_secs(2);
    defaults
}

/// Reads over them.
fn read_server<'de, D: Deserializer<'de>>(server: D) -> Result<ServerConfig, D::Error> {
    defaults().deserialize(server)
}

/// Reads the file, if one is named; then the environment.
fn configure() -> Result<(String, ServerConfig), Box<dyn Error>> {
    let config = match env::var_os("LIFE_CONFIG") {
        None => Config { greeting: None, server: defaults() },
        Some(path) => {
            let path = PathBuf::from(path);
            let text = fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))?;
            toml::from_str::<Config>(&text).map_err(|error| format!("{}: {error}", path.display()))?
        }
    };
    let greeting = config.greeting.unwrap_or_else(|| "Hello, World!".to_owned());
    Ok((greeting, config.server.with_env("LIFE_SERVER_")?))
}

/// Stands for what has to be opened before the first request, and closed after the last.
#[derive(Default)]
struct Database {
    opened: Mutex<Option<Instant>>,
}

impl Database {
    /// It may block: nothing is accepted meanwhile.
    fn open(&self) -> Result<(), String> {
        *self.opened.lock().map_err(|error| error.to_string())? = Some(Instant::now());
        Ok(())
    }

    fn close(&self) -> Result<Duration, String> {
        let opened = self.opened.lock().map_err(|error| error.to_string())?.take();
        opened.map(|since| since.elapsed()).ok_or_else(|| "it was not open".to_owned())
    }

    fn is_open(&self) -> bool {
        self.opened.lock().is_ok_and(|opened| opened.is_some())
    }
}

async fn hello(State(greeting): State<String>, State(database): State<Arc<Database>>) -> String {
    format!("{greeting} The database is open: {}.\n", database.is_open())
}

fn run() -> Result<(), Box<dyn Error>> {
    env_logger::Builder::from_env(env_logger::Env::default().default_filter_or("info")).init();
    let (greeting, config) = configure()?;
    let database = Arc::new(Database::default());
    let (opened, closed) = (database.clone(), database.clone());
    let app = Router::new()
        .route("/", get(hello))
        // A load balancer asks this one, and goes elsewhere once it is 503.
        .route("/ready", get(health::ready))
        .route("/live", get(health::live))
        .state(greeting)
        .state(database);
    config
        .server(app)
        .on_start(move |server| {
            opened.open()?;
            log::info!("the database is open; {} listeners are bound", server.local_addrs().len());
            Ok(())
        })
        .on_stop(move |_| {
            log::info!("the last connection has ended; the database was open for {:?}", closed.close()?);
            Ok(())
        })
        .serve_on(&config.address)?;
    Ok(())
}

#[expect(clippy::print_stderr, reason = "the last word of a program that could not start")]
fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("life: {error}");
            ExitCode::FAILURE
        }
    }
}
