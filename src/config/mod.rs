//! The settings of a server as an operator writes them: in a file of any format that serde reads, and in the environment.
//! It reads no file itself, and starts nothing. Each setting has one name, which is the same everywhere.

mod environment;
mod fields;
mod file;
mod value;

use std::{io, time::Duration};

use trijet_backend::{Address, ServerHandle};
use trijet_core::{Limits, Router, SocketSettings};

use crate::{Backend, Server};

/// The settings of a server, from a file and from the environment: feature `config`.
///
/// It implements `serde::Deserialize`, so that the format is the application's choice: TOML, JSON, YAML or a part of a larger
/// file. A setting that is left out has its default. One that is unknown or makes no sense is an error that names it, and the
/// format says in which line.
///
/// ```toml
/// address = ["127.0.0.1:8080", "[::1]:8080", "unix:/run/app.sock"]
/// backend = "mio"
/// workers = 2
/// body_bytes_max = "8 MiB"
/// head_timeout = "5 s"
/// drain_delay = 10
/// unix_mode = "0660"
/// ```
///
/// | setting | values |
/// | --- | --- |
/// | `address` | an [`Address`], or a list of them; in the environment with commas between. Default: `127.0.0.1:8080` |
/// | `backend` | `threaded`, `mio` or `tokio`; the variable `TRIJET_BACKEND` comes before it, whatever the prefix |
/// | `workers`, and what counts in [`Limits`] | a whole number; `auto` for `workers` and `connections_max` |
/// | what ends in `bytes` or `bytes_max` in [`Limits`] | a whole number of bytes, or `"16 KiB"`, `"8 MiB"`, `"1 GiB"` |
/// | `drain_delay`, and what is a time in [`Limits`] | seconds, or `"500 ms"`, `"10 s"`, `"2 min"`, `"1 h"`; `off` for `loop_hold_max` |
/// | `backlog`, `no_delay`, `reuse_address` | as in [`SocketSettings`] |
/// | `unix_mode` | octal digits in quotes, `"0660"` |
///
/// Every field of [`Limits`] and [`SocketSettings`] is a setting of its name. In the environment it is in capitals behind a
/// prefix: `TRIJET_BODY_BYTES_MAX`.
///
/// ```
/// # #[cfg(all(feature = "threaded", feature = "json"))] {
/// use trijet::{Router, ServerConfig, get};
///
/// # let text = r#"{ "address": "127.0.0.1:0", "backend": "threaded", "head_timeout": "5 s" }"#;
/// let config: ServerConfig = serde_json::from_str(text)?;
/// // What the environment says comes before the file.
/// let config = config.with_env("MY_APP_SERVER_")?;
/// let app = Router::new().route("/", get(async || "Hello, World!"));
/// let server = config.server(app).start_on(&config.address)?;
/// # server.shutdown();
/// # server.wait()?;
/// # }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ServerConfig {
    /// What to listen on: for [`Server::start_on`].
    pub address: Vec<Address>,
    /// As in [`Server::backend`], but what `TRIJET_BACKEND` names comes before it. `None`: the preferred one, without that.
    pub backend: Option<Backend>,
    /// As in [`Server::workers`]. `None`: the backend's default.
    pub workers: Option<usize>,
    /// As in [`Server::limits`].
    pub limits: Limits,
    /// As in [`Server::sockets`].
    pub sockets: SocketSettings,
    /// As in [`Server::drain_delay`].
    pub drain_delay: Duration,
}

impl Default for ServerConfig {
    fn default() -> Self {
        Self {
            // Not all addresses: what is served to the world is for its operator to say.
            address: vec![Address::from(std::net::SocketAddr::from(([127, 0, 0, 1], 8080)))],
            backend: None,
            workers: None,
            limits: Limits::default(),
            sockets: SocketSettings::default(),
            drain_delay: Duration::ZERO,
        }
    }
}

impl ServerConfig {
    /// The defaults, changed by the environment; as [`with_env`](Self::with_env).
    ///
    /// # Errors
    /// As [`with_env`](Self::with_env).
    pub fn from_env(prefix: &str) -> io::Result<Self> {
        Self::default().with_env(prefix)
    }

    /// Changes what the environment sets: `PREFIX` and the name of the setting in capitals, as `TRIJET_WORKERS` behind the
    /// prefix `TRIJET_`. A variable that is empty is as good as none.
    ///
    /// The prefix is to be the server's alone: another variable that begins with it is taken for a mistake in writing.
    /// Kubernetes sets such ones: for a Service `my-app` there are `MY_APP_SERVICE_HOST`, `MY_APP_PORT` and others, so that
    /// `MY_APP_` is no prefix to take there.
    ///
    /// # Errors
    /// A variable that names no setting, or whose value makes no sense, by its name.
    ///
    /// ```
    /// # #[cfg(feature = "threaded")] {
    /// let config = trijet::ServerConfig::from_env("MY_APP_SERVER_")?;
    /// assert_eq!(config, trijet::ServerConfig::default());
    /// # }
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn with_env(mut self, prefix: &str) -> io::Result<Self> {
        environment::apply(&mut self, prefix, std::env::vars_os())?;
        Ok(self)
    }

    /// A server for `app` with these settings, to be started on [`address`](Self::address).
    pub fn server(&self, app: Router) -> Server {
        Server::new(app).configured(self)
    }

    /// Starts `app` with these settings, on their addresses.
    ///
    /// # Errors
    /// As [`Server::start_on`].
    pub fn start(&self, app: Router) -> io::Result<ServerHandle> {
        self.server(app).start_on(&self.address)
    }

    /// Serves `app` with these settings until it is stopped by a signal (feature `signals`) or from a handler.
    ///
    /// # Errors
    /// As [`Server::start_on`].
    pub fn serve(&self, app: Router) -> io::Result<()> {
        self.server(app).serve_on(&self.address)
    }
}
