//! What is asked of the servers: each scenario is a request, the answer that it must have, and a kind of load. It must
//! never know a server.

use bytes::Bytes;

/// A scenario.
#[derive(Debug)]
pub struct Scenario {
    pub name: &'static str,
    /// A line for the page.
    pub title: &'static str,
    pub connections: usize,
    pub load: Load,
    /// How many numbered routes a server has beside the others.
    pub routes: usize,
    ask: fn() -> Ask,
}

/// How a scenario loads a server. Every connection asks again as soon as it was answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Load {
    /// Small answers whose length is known once there was one; so many requests are sent at once.
    Small { depth: usize },
    /// Bodies of any length and framing.
    Large,
    /// A connection for each request, which the client closes.
    Churn,
    /// Connections that were answered once and say nothing more: first so many, then the scenario's.
    Idle { few: usize },
}

/// A request, and the body of its answer, which has the status 200.
#[derive(Clone, Debug)]
pub struct Ask {
    /// One of these after the other; they have the same answer.
    pub requests: Vec<Bytes>,
    pub content: Bytes,
    /// The type of the content, and the content as the floor is told it.
    pub floor: (&'static str, String),
    pub has_body: bool,
    /// How long a server that cannot know the route has to wait.
    pub wait_ms: u64,
}

const TEXT: &str = "Hello, World!";
const TEXT_TYPE: &str = "text/plain; charset=utf-8";
const ROUTES: usize = 1000;
const MIB: usize = 1 << 20;

/// All of them, in the order of the page.
pub static ALL: [Scenario; 14] = [
    small("plaintext-64", "Plaintext, 64 connections", 64, || text(["/plaintext".to_owned()])),
    small("plaintext-512", "Plaintext, 512 connections", 512, || text(["/plaintext".to_owned()])),
    Scenario {
        load: Load::Small { depth: 16 },
        ..small("pipelined", "Plaintext, 64 connections, 16 requests at once on each", 64, || {
            text(["/plaintext".to_owned()])
        })
    },
    small("json", "JSON, 64 connections", 64, || Ask {
        floor: ("application/json", JSON.to_owned()),
        content: Bytes::from_static(JSON.as_bytes()),
        ..text(["/json".to_owned()])
    }),
    small("param", "A captured parameter, 64 connections", 64, || Ask {
        floor: (TEXT_TYPE, "1234".to_owned()),
        content: Bytes::from_static(b"1234"),
        ..text(["/users/1234".to_owned()])
    }),
    Scenario {
        routes: ROUTES,
        ..small("router", "1,000 routes, asked for in turn, 64 connections", 64, || {
            // 37 and 1,000 have no divisor in common, so that this is each of them.
            text((0..ROUTES).map(|number| format!("/r/{}", number * 37 % ROUTES)))
        })
    },
    small("fn", "A plain `fn` (or what may block there), 64 connections", 64, || {
        text(["/fn/plaintext".to_owned()])
    }),
    small("echo-1k", "Echo of 1 KiB, 64 connections", 64, || echo("/echo", 1 << 10)),
    large("echo-1m", "Echo of 1 MiB, 8 connections", 8, || echo("/echo", MIB)),
    large("upload", "Upload of 20 MiB, 4 connections", 4, || Ask {
        floor: (TEXT_TYPE, (20 * MIB).to_string()),
        content: (20 * MIB).to_string().into(),
        ..echo("/upload", 20 * MIB)
    }),
    large("download", "Download of 10 MiB, streamed, 8 connections", 8, || Ask {
        floor: ("application/octet-stream", format!("x*{}", 10 * MIB)),
        content: vec![b'x'; 10 * MIB].into(),
        ..text(["/download".to_owned()])
    }),
    Scenario {
        load: Load::Churn,
        ..small("churn", "A connection for each request, 64 at a time", 64, || {
            text(["/plaintext".to_owned()])
        })
    },
    small("wait", "A wait of 50 ms, 1,000 connections", 1000, || Ask {
        wait_ms: 50,
        ..text(["/wait".to_owned()])
    }),
    Scenario {
        load: Load::Idle { few: 1000 },
        ..small("idle", "Memory for each idle connection, between 1,000 and 5,000", 5000, || {
            text(["/plaintext".to_owned()])
        })
    },
];

const JSON: &str = r#"{"message":"Hello, World!"}"#;

const fn small(name: &'static str, title: &'static str, connections: usize, ask: fn() -> Ask) -> Scenario {
    Scenario { name, title, connections, load: Load::Small { depth: 1 }, routes: 0, ask }
}

const fn large(name: &'static str, title: &'static str, connections: usize, ask: fn() -> Ask) -> Scenario {
    Scenario { load: Load::Large, ..small(name, title, connections, ask) }
}

fn text(targets: impl IntoIterator<Item = String>) -> Ask {
    let request = |target| format!("GET {target} HTTP/1.1\r\nHost: race\r\n\r\n").into();
    Ask {
        requests: targets.into_iter().map(request).collect(),
        content: Bytes::from_static(TEXT.as_bytes()),
        floor: (TEXT_TYPE, TEXT.to_owned()),
        has_body: false,
        wait_ms: 0,
    }
}

fn echo(target: &str, length: usize) -> Ask {
    let head = format!(
        "POST {target} HTTP/1.1\r\nHost: race\r\nContent-Type: application/octet-stream\r\nContent-Length: {length}\r\n\r\n"
    );
    let body = vec![b'x'; length];
    Ask {
        requests: vec![[head.as_bytes(), &body].concat().into()],
        content: body.into(),
        floor: ("application/octet-stream", format!("x*{length}")),
        has_body: true,
        wait_ms: 0,
    }
}

impl Scenario {
    /// The scenario of this name.
    pub fn named(name: &str) -> Option<&'static Self> {
        ALL.iter().find(|scenario| scenario.name == name)
    }

    /// What is asked. It may be megabytes.
    pub fn ask(&self) -> Ask {
        (self.ask)()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn requests_are_whole_and_routes_are_all_asked_for() {
        for scenario in &ALL {
            let ask = scenario.ask();
            for request in &ask.requests {
                let end = request.windows(4).position(|end| end == b"\r\n\r\n").unwrap() + 4;
                assert_eq!(request.len() > end, ask.has_body, "{}", scenario.name);
            }
        }
        let router = Scenario::named("router").unwrap().ask();
        assert_eq!(router.requests.iter().collect::<BTreeSet<_>>().len(), 1000);
        assert!(Scenario::named("none").is_none());
    }
}
