//! Who a request comes from, behind proxies: [`BehindProxies`], a middleware that is told which addresses are those of
//! proxies, and [`ClientAddress`], which it finds. It believes nobody else: an address that a client has written into the
//! field itself stands to the left of what the proxies have added, and is never reached.
//!
//! ```
//! use trijet_core::{Router, get};
//! use trijet_web::client::{BehindProxies, ClientAddress};
//!
//! async fn who(client: ClientAddress) -> String {
//!     client.ip().to_string()
//! }
//!
//! // A proxy on the same machine, which sets `X-Forwarded-For`.
//! let router = Router::new().route("/", get(who)).wrap(BehindProxies::x_forwarded(["127.0.0.1", "::1"])?);
//! # Ok::<(), trijet_web::client::NetworkError>(())
//! ```

mod fields;
mod network;
mod node;

use std::{convert::Infallible, fmt, net::IpAddr, net::SocketAddr, sync::Arc};

use http::{HeaderMap, request::Parts};
use trijet_core::{
    FromRequestParts, Next, Request,
    extract::{Context, Needs, OptionalFromRequestParts, Rejection},
    middleware::Middleware,
    respond::Answer,
};

pub use self::network::NetworkError;
use self::{fields::Elements, network::Network, node::Node};

/// A middleware that finds the [`ClientAddress`] of each request, by what the proxies in front of the app say.
///
/// It needs to know two things, and there is no default for either: which addresses the proxies have, and which field they
/// write. A field that they do not write comes from the client as it is.
///
/// Each proxy adds, at the right, the address that its own connection came from. So the list is read from the right, as
/// long as the address there is a proxy's: the first other one is the client's. Where the connection itself is from no
/// proxy, the fields count for nothing.
///
/// The connections of a proxy on the same machine may come over a Unix socket, and have no address: `"unix"` among the
/// proxies trusts those. The client is then the first address from the right that is no proxy's, as ever, and there is
/// none where the nearest proxy names none. It trusts everybody who may open that socket: its mode says who that is.
///
/// ```
/// # use trijet_core::{Router, get};
/// # use trijet_web::client::{BehindProxies, ClientAddress};
/// // nginx, with `proxy_pass http://unix:/run/app.sock`.
/// let proxies = BehindProxies::x_forwarded(["unix"])?;
/// # let headers = [("x-forwarded-for".parse().unwrap(), "1.1.1.1, 198.51.100.1".parse().unwrap())].into_iter().collect();
/// # assert_eq!(proxies.client_over_unix(&headers).unwrap().ip().to_string(), "198.51.100.1");
/// let router = Router::new().route("/", get(async |client: ClientAddress| client.ip().to_string())).wrap(proxies);
/// # assert!(router.build().is_ok());
/// # Ok::<(), trijet_web::client::NetworkError>(())
/// ```
#[derive(Clone)]
pub struct BehindProxies {
    proxies: Arc<[Network]>,
    /// Whether connections without an address are those of proxies.
    trusts_unix: bool,
    field: Field,
}

/// How proxies that come over a Unix socket are named.
const UNIX: &str = "unix";

#[derive(Clone, Copy, Debug)]
enum Field {
    Forwarded,
    XForwarded,
}

/// So many proxies in a row are believed. More are a loop, or a mistake.
const PROXIES_MAX: usize = 32;

impl BehindProxies {
    /// For proxies that write `Forwarded` (RFC 7239). Each of `proxies` is an address or a network, `10.0.0.0/8` or `::1`, or
    /// `unix`.
    ///
    /// # Errors
    /// For what is neither.
    pub fn forwarded<'n>(proxies: impl IntoIterator<Item = &'n str>) -> Result<Self, NetworkError> {
        Self::new(proxies, Field::Forwarded)
    }

    /// For proxies that write `X-Forwarded-For`, and perhaps `-Proto` and `-Host`. Of those two, which are no lists with most
    /// proxies, the place that belongs to the outermost proxy counts, and else the leftmost: the proxies must set them anew,
    /// and not leave what the client has sent.
    ///
    /// # Errors
    /// As [`forwarded`](Self::forwarded).
    pub fn x_forwarded<'n>(proxies: impl IntoIterator<Item = &'n str>) -> Result<Self, NetworkError> {
        Self::new(proxies, Field::XForwarded)
    }

    fn new<'n>(proxies: impl IntoIterator<Item = &'n str>, field: Field) -> Result<Self, NetworkError> {
        let mut trusts_unix = false;
        let mut networks = Vec::new();
        for proxy in proxies {
            match proxy {
                UNIX => trusts_unix = true,
                network => networks.push(Network::parse(network)?),
            }
        }
        Ok(Self { proxies: networks.into(), trusts_unix, field })
    }

    fn is_proxy(&self, address: IpAddr) -> bool {
        self.proxies.iter().any(|network| network.contains(address))
    }

    /// The client of a connection from `peer` with these fields.
    pub fn client(&self, peer: SocketAddr, headers: &HeaderMap) -> ClientAddress {
        let client = ClientAddress::new(peer.ip().to_canonical(), Some(peer.port()));
        if !self.is_proxy(client.ip) {
            return client;
        }
        self.in_front_of(client, &mut Elements::new(self.field, headers))
    }

    /// The client of a connection over a Unix socket with these fields: none where such connections are not those of
    /// proxies, or where the proxy says no address.
    pub fn client_over_unix(&self, headers: &HeaderMap) -> Option<ClientAddress> {
        if !self.trusts_unix {
            return None;
        }
        let mut elements = Elements::new(self.field, headers);
        let nearest = elements.next()?;
        let Node::Address(ip, port) = nearest.node else { return None };
        let client =
            ClientAddress { is_https: nearest.is_https, host: nearest.host, ..ClientAddress::new(ip, port) };
        Some(if self.is_proxy(ip) { self.in_front_of(client, &mut elements) } else { client })
    }

    /// Who is in front of `client`, a proxy, as that and the proxies in front of it say.
    fn in_front_of(&self, mut client: ClientAddress, elements: &mut Elements<'_>) -> ClientAddress {
        for _ in 0..PROXIES_MAX {
            let Some(element) = elements.next() else { return client };
            // What the outermost proxy has said so far counts; each further one knows better.
            client.is_https = element.is_https;
            client.host = element.host;
            match element.node {
                Node::Address(ip, port) => (client.ip, client.port) = (ip, port),
                Node::Hidden(name) => {
                    client.port = None;
                    client.hidden = Some(name);
                    return client;
                }
            }
            if !self.is_proxy(client.ip) {
                return client;
            }
        }
        client.hidden = Some("unknown".into());
        client
    }
}

impl fmt::Debug for BehindProxies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BehindProxies").field("field", &self.field).finish_non_exhaustive()
    }
}

/// Marks [`BehindProxies`] as a middleware.
#[derive(Debug)]
pub enum Proxied {}

impl Middleware<Proxied> for BehindProxies {
    fn call(self, mut request: Request, next: Next) -> impl Future<Output = Answer> + Send + 'static {
        let client = match next.peer_address() {
            Some(peer) => Some(self.client(peer, request.headers())),
            None => self.client_over_unix(request.headers()),
        };
        if let Some(client) = client {
            request.extensions_mut().insert(client);
        }
        let answer = next.run(request);
        async { answer.await.into() }
    }

    fn declare(_: &mut Needs) {}
}

/// Who a request comes from, as far as trusted proxies say: an extractor, behind [`BehindProxies`].
///
/// Without that middleware it answers 500 with a log line, and so does a connection without an address (a test, a Unix
/// socket), unless that is a proxy's which says one; take `Option<ClientAddress>` to serve it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientAddress {
    ip: IpAddr,
    port: Option<u16>,
    hidden: Option<Box<str>>,
    is_https: Option<bool>,
    host: Option<Box<str>>,
}

impl ClientAddress {
    fn new(ip: IpAddr, port: Option<u16>) -> Self {
        Self { ip, port, hidden: None, is_https: None, host: None }
    }

    /// The address of the client. Where a proxy hides that, or what it says makes no sense, it is the address of that proxy:
    /// the furthest that somebody who is trusted has vouched for. An IPv4 address is one also where it came as IPv6.
    pub fn ip(&self) -> IpAddr {
        self.ip
    }

    /// The port of the client, where it is known.
    pub fn port(&self) -> Option<u16> {
        self.port
    }

    /// How the client is called instead where a proxy hides its address (RFC 7239 §6.2 and §6.3): `unknown`, or a name such
    /// as `_hidden` that the proxy has made up. Everybody behind that proxy has the same [`ip`](Self::ip) here.
    pub fn hidden(&self) -> Option<&str> {
        self.hidden.as_deref()
    }

    /// Whether the client speaks to the outermost proxy by TLS, where that says so.
    pub fn is_https(&self) -> Option<bool> {
        self.is_https
    }

    /// The host that the client has asked the outermost proxy for, where that says so. The client chooses it: it is a host
    /// by its form, and no more.
    pub fn host(&self) -> Option<&str> {
        self.host.as_deref()
    }
}

impl FromRequestParts for ClientAddress {
    type Rejection = Rejection;

    async fn from_request_parts(parts: &mut Parts, context: &Context) -> Result<Self, Rejection> {
        parts.extensions.get().cloned().ok_or_else(|| {
            let route = context.route().unwrap_or("no route");
            Rejection::internal(format!(
                "ClientAddress on `{route}`: there is no middleware BehindProxies around it, or the connection has no address, and is \
                 not that of a proxy which says one"
            ).into())
        })
    }
}

impl OptionalFromRequestParts for ClientAddress {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &Context) -> Result<Option<Self>, Infallible> {
        Ok(parts.extensions.get().cloned())
    }
}

#[cfg(test)]
mod tests;
