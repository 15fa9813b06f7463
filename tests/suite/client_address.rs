//! Who a request comes from, over real sockets: the proxy is the test itself, on 127.0.0.1.

use trijet::{
    Address, Backend, Router, Server,
    client::{BehindProxies, ClientAddress},
    get,
};

use crate::common::{
    client::Client,
    response::Response,
    server::{Running, start},
};

on_every_backend!(
    a_proxy_that_is_trusted_is_believed,
    a_proxy_over_a_unix_socket_is_believed_where_that_is_said,
    nobody_else_is,
    without_the_middleware_it_is_a_500,
);

fn describe(client: &ClientAddress) -> String {
    format!("{} {:?} {:?} {:?}", client.ip(), client.hidden(), client.is_https(), client.host())
}

async fn who(client: ClientAddress) -> String {
    describe(&client)
}

fn who_perhaps(client: Option<ClientAddress>) -> String {
    client.map_or_else(|| "nobody".into(), |client| describe(&client))
}

fn app() -> Router {
    Router::new().route("/", get(who)).route("/fn", get(who_perhaps))
}

fn ask(client: &mut Client, path: &str, fields: &[u8]) -> Response {
    let head = format!("GET {path} HTTP/1.1\r\nhost: t\r\n");
    client.send([head.as_bytes(), fields, b"\r\n"].concat()).response()
}

const NEAR: &str = "127.0.0.1 None None None";

fn a_proxy_that_is_trusted_is_believed(on: Backend) {
    let networks = ["127.0.0.0/8", "10.0.0.0/8"];
    let forwarded = start(on, app().wrap(BehindProxies::forwarded(networks).unwrap()));
    let x_forwarded = start(on, app().wrap(BehindProxies::x_forwarded(networks).unwrap()));
    let rows: [(&[u8], &str, &str); 7] = [
        (b"", NEAR, NEAR),
        (
            b"forwarded: for=198.51.100.1;proto=https;host=app\r\n",
            "198.51.100.1 None Some(true) Some(\"app\")",
            NEAR,
        ),
        (
            b"x-forwarded-for: 198.51.100.1\r\nx-forwarded-proto: http\r\nx-forwarded-host: app\r\n",
            NEAR,
            "198.51.100.1 None Some(false) Some(\"app\")",
        ),
        (
            b"forwarded: for=\"evil, for=\"[2001:db8::1]:1\", for=10.0.0.1\r\nx-forwarded-for: 1.1.1.1, 198.51.100.1, 10.0.0.1\r\n",
            "2001:db8::1 None None None",
            "198.51.100.1 None None None",
        ),
        (b"forwarded: for=_h\r\n", "127.0.0.1 Some(\"_h\") None None", NEAR),
        (
            b"forwarded: \xff\r\nx-forwarded-for: \xff\r\n",
            "127.0.0.1 Some(\"unknown\") None None",
            "127.0.0.1 Some(\"unknown\") None None",
        ),
        (b"forwarded:\r\nx-forwarded-for:\r\n", NEAR, "127.0.0.1 Some(\"unknown\") None None"),
    ];
    for path in ["/", "/fn"] {
        for (fields, by_forwarded, by_x_forwarded) in rows {
            ask(&mut forwarded.connect(), path, fields).says(by_forwarded);
            ask(&mut x_forwarded.connect(), path, fields).says(by_x_forwarded);
        }
    }
}

fn a_proxy_over_a_unix_socket_is_believed_where_that_is_said(on: Backend) {
    let fields = b"x-forwarded-for: 1.1.1.1, 198.51.100.1\r\nx-forwarded-proto: https\r\n";
    for (proxies, over_unix, over_tcp) in [
        (vec!["unix"], "198.51.100.1 None Some(true) None", NEAR),
        (vec!["127.0.0.1", "unix"], "198.51.100.1 None Some(true) None", "198.51.100.1 None Some(true) None"),
        (vec!["0.0.0.0/0", "::/0"], "nobody", "1.1.1.1 None Some(true) None"),
    ] {
        let path = std::env::temp_dir().join(format!("trijet-proxied-{on}-{}", std::process::id()));
        let app = app().wrap(BehindProxies::x_forwarded(proxies).unwrap());
        let addresses = [Address::unix(&path), "127.0.0.1:0".parse().unwrap()];
        let server = Running::new(on, Server::new(app).backend(on).start_on(&addresses));
        ask(&mut Client::connect_unix(&path), "/fn", fields).says(over_unix);
        ask(&mut Client::connect_unix(&path), "/fn", b"").says("nobody");
        let tcp = server.handle().local_addrs()[1].tcp().unwrap();
        ask(&mut Client::connect(tcp), "/fn", fields).says(over_tcp);
    }
}

fn nobody_else_is(on: Backend) {
    let server = start(on, app().wrap(BehindProxies::x_forwarded(["10.0.0.0/8", "::1"]).unwrap()));
    let fields =
        b"x-forwarded-for: 198.51.100.1\r\nx-forwarded-proto: https\r\nforwarded: for=198.51.100.1\r\n";
    for path in ["/", "/fn"] {
        ask(&mut server.connect(), path, fields).says(NEAR);
    }
}

fn without_the_middleware_it_is_a_500(on: Backend) {
    let server = start(on, app());
    ask(&mut server.connect(), "/", b"").with_status(500);
    ask(&mut server.connect(), "/fn", b"").says("nobody");
}
