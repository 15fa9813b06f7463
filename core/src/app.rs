//! The app as the driver sees it: one request in, one lazy reply out.
//! Nothing of the user's may run before the reply is polled.

use std::{fmt, future::ready, mem, net::SocketAddr, sync::Arc};

use http::Method;

use crate::{
    Body, IntoResponse, Limits,
    driver::Bursts,
    extract::{At, Captures, ContextRef},
    h1::Refusal,
    received::ReceivedHead,
    respond::{BoxReply, Spare},
    routing::{Compiled, Endpoint, Table, Unmatched},
};

/// An app that is ready to be served: a checked and compiled [`Router`](crate::Router).
pub struct App {
    routes: Compiled,
    body_bytes_max: u64,
    bursts: Bursts,
}

/// What becomes of one request: the call that answers it, and the settings of the route that it met.
#[derive(Debug)]
pub struct Dispatch<'a> {
    endpoint: &'a Arc<Endpoint>,
    captures: Captures,
    peer: Option<SocketAddr>,
    body_bytes_max: u64,
}

impl Dispatch<'_> {
    /// Calls the handler, with the head that the route was found by. The reply is lazy: nothing of the app runs before
    /// its first poll, but for what clones the handler.
    #[inline]
    pub fn reply(mut self, head: ReceivedHead<'_>, body: Body) -> BoxReply {
        self.reply_in(&mut None, head, body)
    }

    /// As [`reply`](Self::reply), in `spare` where it fits, and once.
    // Not by value: to move it into the closure that contains panics was 40 instructions.
    #[inline]
    pub(crate) fn reply_in(
        &mut self,
        spare: &mut Option<Spare>,
        head: ReceivedHead<'_>,
        body: Body,
    ) -> BoxReply {
        let &mut Self { endpoint, ref mut captures, peer, body_bytes_max } = self;
        let captures = mem::take(captures);
        ContextRef { endpoint, at: At::Handler, captures, peer, body_bytes_max }.enter(0, head, body, spare)
    }

    /// Whether a router around the route words the errors that are found before the app runs.
    pub fn words_refusals(&self) -> bool {
        self.endpoint.words().next().is_some()
    }

    /// Answers in place of [`reply`](Self::reply) a request that is refused before the app runs. No middleware sees it;
    /// the routers that have [`errors`](crate::Router::errors) word it, the innermost first.
    pub fn refuse(&self, head: ReceivedHead<'_>, refusal: Refusal) -> BoxReply {
        let response = refusal.into_response();
        let words = self.endpoint.words().next();
        match (words, head.into_request(Body::empty())) {
            (Some(words), Ok(request)) => {
                (words.refuse)(request.into_parts().0, self.endpoint.clone(), response)
            }
            _ => BoxReply::new(ready(response.into())),
        }
    }

    /// The most bytes that the request's body may have.
    pub fn body_bytes_max(&self) -> u64 {
        self.body_bytes_max
    }

    /// Whether the reply is dropped when the client leaves.
    pub fn cancels(&self) -> bool {
        self.endpoint.cancels
    }

    /// The number of the route, in [`App::route_names`].
    pub fn route(&self) -> u32 {
        self.endpoint.number
    }
}

impl App {
    pub(crate) fn new(routes: Compiled) -> Self {
        Self { routes, body_bytes_max: Limits::default().body_bytes_max, bursts: Bursts::default() }
    }

    /// Sets the most bytes that a request's body may have where its route does not say: a server passes
    /// its [`Limits::body_bytes_max`].
    #[must_use]
    pub fn with_body_bytes_max(mut self, bytes: u64) -> Self {
        self.body_bytes_max = bytes;
        self
    }

    /// What its connections may have queued over their high marks.
    pub(crate) fn bursts(&self) -> &Bursts {
        &self.bursts
    }

    /// How logs name the routes, `GET /reports/{id}` for example, by the numbers that
    /// [`Transport::enter_app`](crate::Transport::enter_app) is given.
    pub fn route_names(&self) -> Arc<[Box<str>]> {
        self.routes.names.clone()
    }

    /// Finds the route of a request; nothing of the app runs here. `peer` is the client's address, where there is one.
    #[inline]
    pub fn dispatch(&self, head: &ReceivedHead<'_>, peer: Option<SocketAddr>) -> Dispatch<'_> {
        let (endpoint, captures) = self.find(head);
        let body_bytes_max = endpoint.body_bytes_max.unwrap_or(self.body_bytes_max);
        Dispatch { endpoint, captures, peer, body_bytes_max }
    }

    fn find(&self, head: &ReceivedHead<'_>) -> (&Arc<Endpoint>, Captures) {
        let method = head.method();
        match head.path_bytes() {
            // RFC 9112 §3.2.3 and §3.2.4: these targets name the server, not a path.
            _ if *method == Method::CONNECT => (&self.routes.refusal, Captures::default()),
            b"*" if *method == Method::OPTIONS => (&self.routes.options, Captures::default()),
            path => {
                let table = self.routes.table(head);
                match table.find_text(path) {
                    Some(route) => (route.endpoint(method), Captures::default()),
                    None => find_by_pattern(table, method, head.path()),
                }
            }
        }
    }
}

#[inline(never)]
fn find_by_pattern<'t>(table: &'t Table, method: &Method, path: &str) -> (&'t Arc<Endpoint>, Captures) {
    match table.find(path) {
        Some((route, values)) => {
            (route.endpoint(method), Captures::new(values.iter().map(|(_, value)| value)))
        }
        None => match table.find_nothing(path) {
            Unmatched::OtherSlash(route, captures) => (route.endpoint(method), captures),
            Unmatched::Nothing(endpoint, captures) => (endpoint, captures),
        },
    }
}

impl fmt::Debug for App {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("App").finish_non_exhaustive()
    }
}
