//! For the tests of this crate: an app under a minimal backend, in one thread. It polls a reply as the
//! driver does, and runs jobs once the poll has returned.

use std::{
    net::SocketAddr,
    pin::Pin,
    sync::Mutex,
    task::{Context, Poll, Waker},
};

use http::{HeaderMap, request::Builder};

use crate::{App, Body, ReceivedHead, Request, Response, Router, ambient};

pub(crate) const PEER: SocketAddr =
    SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 4321);

/// An answer as a test wants to look at it.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) text: String,
    /// How many jobs the backend was given.
    pub(crate) jobs: usize,
    pub(crate) extensions: http::Extensions,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }
}

/// What the backend does with jobs.
#[derive(Clone, Copy)]
pub(crate) enum Pool {
    Free,
    Full,
}

pub(crate) fn app(router: Router) -> App {
    router.build().unwrap()
}

/// The faults of a router that must not be served, without the places in these tests that they name.
pub(crate) fn faults(router: Router) -> Vec<String> {
    router.build().unwrap_err().faults().map(without_places).collect()
}

pub(crate) fn without_places(fault: &str) -> String {
    let mut parts = fault.split(" (");
    let mut text = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        match part.split_once(')') {
            Some((place, rest)) if place.contains(".rs:") => text += rest,
            _ => text = format!("{text} ({part}"),
        }
    }
    text
}

pub(crate) fn request(method: &str, target: &str) -> Builder {
    Request::builder().method(method).uri(target)
}

pub(crate) fn get(app: &App, target: &str) -> Answer {
    send(app, request("GET", target).body(Body::empty()).unwrap())
}

pub(crate) fn send(app: &App, request: Request) -> Answer {
    send_to(app, request, Some(PEER), Pool::Free)
}

pub(crate) fn send_to(app: &App, request: Request, peer: Option<SocketAddr>, pool: Pool) -> Answer {
    let mut jobs = 0;
    let response: Response = drive(reply(app, request, peer), pool, &mut jobs).into_response();
    let (parts, body) = response.into_parts();
    let body = drive(Box::pin(body.bytes()), pool, &mut 0).unwrap();
    Answer {
        status: parts.status.as_u16(),
        headers: parts.headers,
        text: String::from_utf8(body.into()).unwrap(),
        jobs,
        extensions: parts.extensions,
    }
}

/// The reply to `request`, not yet polled.
pub(crate) fn reply(app: &App, request: Request, peer: Option<SocketAddr>) -> crate::respond::BoxReply {
    let (parts, body) = request.into_parts();
    let head = ReceivedHead::from(parts);
    app.dispatch(&head, peer).reply(head, body)
}

fn drive<F: Future + Unpin>(mut future: F, pool: Pool, count: &mut usize) -> F::Output {
    let mut context = Context::from_waker(Waker::noop());
    loop {
        let mut collected = ambient::Collected::default();
        let poll = ambient::enter_driver(&mut collected, || Pin::new(&mut future).poll(&mut context));
        if let Poll::Ready(value) = poll {
            return value;
        }
        assert!(!collected.jobs.is_empty(), "pending, and nothing is under way");
        for job in collected.jobs {
            *count += 1;
            match pool {
                Pool::Free => job.run(None),
                Pool::Full => drop(job),
            }
        }
    }
}

/// The log lines of this thread since the last call.
pub(crate) fn logged() -> Vec<String> {
    static LOGGER: Lines = Lines(Mutex::new(Vec::new()));
    if log::set_logger(&LOGGER).is_ok() {
        log::set_max_level(log::LevelFilter::Info);
    }
    let here = std::thread::current().id();
    let mut lines = LOGGER.0.lock().unwrap();
    let (own, others) = std::mem::take(&mut *lines).into_iter().partition(|(thread, _)| *thread == here);
    *lines = others;
    own.into_iter().map(|(_, line)| line).collect()
}

struct Lines(Mutex<Vec<(std::thread::ThreadId, String)>>);

impl log::Log for Lines {
    fn enabled(&self, _: &log::Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &log::Record<'_>) {
        let line = format!("{} {} {}", record.level(), record.target(), record.args());
        self.0.lock().unwrap().push((std::thread::current().id(), line));
    }

    fn flush(&self) {}
}
