//! The middleware of the package `trijet-web`, over real sockets. Tables of what each decides stand beside its code; here is
//! what it does to requests, responses, bodies and connections.

mod auth;
mod bodies;
#[cfg(feature = "compression")]
mod coding;
mod crowds;
mod observing;
mod origins;

use crate::common::response::Response;

/// The request line, `Host`, and these fields.
fn asking(method: &str, path: &str, fields: &[(&str, &str)]) -> String {
    let fields: String = fields.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    format!("{method} {path} HTTP/1.1\r\nhost: app.example\r\n{fields}\r\n")
}

/// All values of a field, in order.
fn values<'r>(response: &'r Response, name: &str) -> Vec<&'r str> {
    let matching = response.headers.iter().filter(|(field, _)| field == name);
    matching.map(|(_, value)| value.as_str()).collect()
}
