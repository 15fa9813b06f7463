//! The figures of a running server, for the page of `Metrics`. They are those of `ServerHandle::statistics`, under
//! the names that Prometheus has for such.

use trijet_web::middleware::Exposition;

use crate::ServerHandle;

/// Has [`Metrics`](crate::middleware::Metrics) show what a server tells of itself: pass it to
/// [`collect`](crate::middleware::Metrics::collect) once the server has started.
///
/// Each has the labels `backend` and `address`, so that several servers can be on one page:
///
/// | name | kind | what |
/// | --- | --- | --- |
/// | `trijet_connections` | gauge | open connections, the idle ones included |
/// | `trijet_threads` | gauge | threads of the pool for plain `fn` (threaded: for requests) |
/// | `trijet_queued` | gauge | calls (threaded: connections) that wait for such a thread |
/// | `trijet_loop_holds_total` | counter | how often a handler has held an event loop |
/// | `trijet_loop_lag_seconds` | gauge | how long a loop has not looked for events, by `thread` |
/// | `trijet_loop_lag_max_seconds` | gauge | the most of that in the last 10 to 20 s, by `thread` |
///
/// ```
/// # #[cfg(feature = "threaded")] {
/// use trijet::{Router, Server, get, middleware::{Metrics, server_figures}};
///
/// let metrics = Metrics::new();
/// let app = Router::new().route("/metrics", get(metrics.page())).wrap(metrics.clone());
/// let server = Server::new(app).start("127.0.0.1:0")?;
/// metrics.collect(server_figures(&server));
/// assert!(metrics.text().contains("trijet_connections{"));
/// # server.shutdown_now();
/// # server.wait()?;
/// # }
/// # Ok::<(), std::io::Error>(())
/// ```
pub fn server_figures(server: &ServerHandle) -> impl Fn(&mut Exposition) + Send + Sync + 'static + use<> {
    let server = server.clone();
    move |page| {
        let statistics = server.statistics();
        let address = server.local_addrs().first().map(ToString::to_string).unwrap_or_default();
        let labels = [("backend", server.backend()), ("address", &*address)];
        for (name, help, value) in [
            ("trijet_connections", "Open connections, the idle ones included.", statistics.connections),
            ("trijet_threads", "Threads for what may block.", statistics.threads),
            ("trijet_queued", "What waits for such a thread.", statistics.queued),
        ] {
            // Small numbers.
            page.gauge(name, help, &labels, value as f64);
        }
        let help = "How often a handler has held an event loop.";
        page.counter("trijet_loop_holds_total", help, &labels, statistics.holds);
        for each in &statistics.loops {
            let labels = [labels[0], labels[1], ("thread", &*each.thread)];
            let help = "How long a loop has not looked for events.";
            page.gauge("trijet_loop_lag_seconds", help, &labels, each.lag.as_secs_f64());
            let help = "The most of that in the last 10 to 20 s.";
            page.gauge("trijet_loop_lag_max_seconds", help, &labels, each.lag_max.as_secs_f64());
        }
    }
}
