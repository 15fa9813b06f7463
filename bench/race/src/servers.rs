//! Who races: the floors, Trijet on each backend, the peers, and what each cannot do. It must never hold a figure.

use crate::scenarios::Scenario;

/// A server, as it is started.
#[derive(Debug)]
pub struct Server {
    pub name: &'static str,
    pub kind: Kind,
    pub program: Program,
    /// The package of the lockfile whose version is told.
    pub library: Option<&'static str>,
    pub has: Has,
}

/// What serves a connection: it decides the number of threads, and which floor a server is compared with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// One event loop or worker, whatever the connections.
    Loop,
    /// A thread each, of as many as there are connections.
    Threads,
}

/// How it is started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Program {
    /// The package `peer-floor`, of this kind.
    Floor(&'static str),
    /// The package `peer-trijet`, with this backend.
    Trijet(&'static str),
    /// The package `peer-NAME`.
    Peer(&'static str),
    /// Debian's, with a configuration of ours.
    Nginx,
}

/// What a server has beside the rest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Has {
    /// A router that 1,000 routes can be given to.
    pub router: bool,
    /// Handlers that may block.
    pub blocking: bool,
    /// Responses that are streamed.
    pub streams: bool,
    /// Handlers of one's own.
    pub handlers: bool,
}

const LOW: Has = Has { router: false, blocking: false, streams: true, handlers: true };
const BLOCKING: Has = Has { blocking: true, ..LOW };
const ROUTED: Has = Has { router: true, ..LOW };
const FULL: Has = Has { blocking: true, ..ROUTED };

/// All of them, in the order of each round.
pub static ALL: [Server; 18] = [
    // The floors know no route, so that they are there in all scenarios.
    Server { program: Program::Floor("epoll"), library: None, ..peer("floor-epoll", Kind::Loop, FULL) },
    Server {
        program: Program::Floor("threads"),
        library: None,
        ..peer("floor-threads", Kind::Threads, FULL)
    },
    Server {
        program: Program::Trijet("threaded"),
        library: Some("trijet"),
        ..peer("trijet-threaded", Kind::Threads, FULL)
    },
    Server {
        program: Program::Trijet("mio"),
        library: Some("trijet"),
        ..peer("trijet-mio", Kind::Loop, FULL)
    },
    Server {
        program: Program::Trijet("tokio"),
        library: Some("trijet"),
        ..peer("trijet-tokio", Kind::Loop, FULL)
    },
    peer("hyper", Kind::Loop, LOW),
    peer("axum", Kind::Loop, FULL),
    Server { library: Some("actix-web"), ..peer("actix", Kind::Loop, FULL) },
    Server { library: Some("xitca-web"), ..peer("xitca", Kind::Loop, ROUTED) },
    peer("ntex", Kind::Loop, ROUTED),
    Server { library: Some("may_minihttp"), ..peer("may", Kind::Loop, Has { streams: false, ..LOW }) },
    peer("rocket", Kind::Loop, FULL),
    peer("trillium", Kind::Loop, ROUTED),
    peer("tiny_http", Kind::Threads, BLOCKING),
    peer("rouille", Kind::Threads, BLOCKING),
    peer("astra", Kind::Threads, BLOCKING),
    peer("touche", Kind::Threads, BLOCKING),
    Server {
        program: Program::Nginx,
        library: None,
        ..peer("nginx", Kind::Loop, Has { handlers: false, ..ROUTED })
    },
];

const fn peer(name: &'static str, kind: Kind, has: Has) -> Server {
    Server { name, kind, program: Program::Peer(name), library: Some(name), has }
}

impl Server {
    /// The server of this name.
    pub fn named(name: &str) -> Option<&'static Self> {
        ALL.iter().find(|server| server.name == name)
    }

    /// The package of its program.
    pub fn package(&self) -> Option<&'static str> {
        match self.program {
            Program::Floor(_) => Some("floor"),
            Program::Trijet(_) => Some("trijet"),
            Program::Peer(name) => Some(name),
            Program::Nginx => None,
        }
    }

    /// The floor that it is compared with.
    pub fn floor(&self) -> &'static str {
        match self.kind {
            Kind::Loop => "floor-epoll",
            Kind::Threads => "floor-threads",
        }
    }

    /// Whether it is ours and no floor.
    pub fn is_ours(&self) -> bool {
        matches!(self.program, Program::Trijet(_))
    }

    /// How many threads it is given for so many connections.
    pub fn threads(&self, connections: usize) -> usize {
        match (self.kind, self.program) {
            // It takes the number for its plain `fn` handlers; of loops it has one.
            (_, Program::Trijet(_)) | (Kind::Threads, _) => connections + SPARE,
            (Kind::Loop, _) => 1,
        }
    }

    /// Why it does not take part, where that is so.
    pub fn cannot(&self, scenario: &Scenario) -> Option<&'static str> {
        match scenario.name {
            "router" if !self.has.router => Some("it has no router, or one that tries route after route"),
            "fn" if !self.has.blocking => Some("nothing that may block was written for it"),
            "download" if !self.has.streams => Some("it streams no response"),
            "echo-1k" | "echo-1m" | "upload" | "wait" if !self.has.handlers => Some("it has no handlers"),
            _ => None,
        }
    }
}

/// Threads beside those for connections: for the first look at an answer, and one that is just ending.
const SPARE: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenarios;

    #[test]
    fn the_floors_take_part_everywhere_and_names_are_unique() {
        for floor in ["floor-epoll", "floor-threads"] {
            let floor = Server::named(floor).unwrap();
            assert!(scenarios::ALL.iter().all(|scenario| floor.cannot(scenario).is_none()));
        }
        for server in &ALL {
            assert_eq!(ALL.iter().filter(|other| other.name == server.name).count(), 1);
            assert!(Server::named(server.floor()).is_some());
            assert!(Scenario::named(server.name).is_none());
        }
        assert_eq!(Server::named("axum").unwrap().threads(64), 1);
        assert_eq!(Server::named("rouille").unwrap().threads(64), 72);
    }
}
