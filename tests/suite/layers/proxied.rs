//! Behind a proxy that is believed, `RateLimit` and `AccessLog` go by the client and not by the connection.

use std::time::Duration;

use trijet::{
    Backend, Router,
    client::BehindProxies,
    get,
    middleware::{AccessLog, RateLimit},
};

use super::asking;
use crate::common::{
    log_lines::LogLines,
    server::{Running, start},
};

on_every_backend!(behind_a_proxy_each_client_has_a_rate_of_its_own);

#[cfg(target_os = "linux")]
mod children {
    use super::*;

    in_children_on_every_backend!("": a_line_tells_of_the_client);
}

const LONG: Duration = Duration::from_secs(600);

/// All connections are one proxy's, and the clients are not; but who is no proxy cannot say that he is another.
fn behind_a_proxy_each_client_has_a_rate_of_its_own(on: Backend) {
    let ask = |server: &Running, client: &str| {
        server.connect().send(asking("GET", "/", &[("x-forwarded-for", client)])).response().status
    };
    for (proxies, expected) in [
        ("127.0.0.0/8", [200, 200, 429, 200, 200, 429, 200, 200, 429]),
        ("192.0.2.0/24", [200, 200, 429, 429, 429, 429, 429, 429, 429]),
    ] {
        let behind = BehindProxies::x_forwarded([proxies]).unwrap();
        let app = Router::new().route("/", get(async || "hello"));
        let server = start(on, app.wrap(RateLimit::new(2, LONG)).wrap(behind));
        let statuses = [
            "198.51.100.1",
            "198.51.100.1",
            "198.51.100.1",
            "198.51.100.2",
            "1.1.1.1, 198.51.100.2",
            "198.51.100.2",
            // What one client has all of.
            "2001:db8::1",
            "2001:db8::2",
            "2001:db8::ffff:0:0:3",
        ]
        .map(|client| ask(&server, client));
        assert_eq!(statuses, expected, "{proxies}");
    }
}

#[cfg(target_os = "linux")]
fn a_line_tells_of_the_client(on: Backend) {
    let lines = LogLines::collect();
    for (proxies, client) in [("127.0.0.0/8", "198.51.100.7"), ("192.0.2.0/24", "127.0.0.1")] {
        let app = Router::new()
            .nest("/common", Router::new().route("/", get(async || "hello")).wrap(AccessLog::common()))
            .nest("/json", Router::new().route("/", get(async || "hello")).wrap(AccessLog::json()))
            .wrap(BehindProxies::x_forwarded([proxies]).unwrap());
        let server = start(on, app);
        for path in ["/common", "/json"] {
            lines.forget();
            let fields = [("x-forwarded-for", "\"forged\", 198.51.100.7")];
            server.connect().send(asking("GET", path, &fields)).response().says("hello");
            let is_so = |line: &String| match path {
                "/common" => line.starts_with(&format!("INFO {client} - - [")),
                _ => {
                    line.contains("\"peer\":\"127.0.0.1:")
                        && line.contains(&format!("\"client\":\"{client}\","))
                }
            };
            lines.await_one(&format!("{path} of {client}"), is_so);
        }
    }
}
