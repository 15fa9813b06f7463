//! How servers stand to each other within a scenario: shares of the floor, who is the best peer, who is ahead. It must never
//! compare a server of ours with a peer by anything that the page does not show.

use crate::{
    results::{Measured, Run},
    scenarios::{Load, Scenario},
    servers::{self, Kind, Program, Server},
    statistics::{Comparison, Spread, ratios},
};

/// What is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Measure {
    /// Answers a second, as a share of the floor's.
    Rate,
    /// Processor time of an answer, as a share of the floor's.
    Processor,
    /// KiB for each idle connection. A share of what holds next to nothing would say little.
    Memory,
}

/// Where one stands to another: ahead is more answers, less processor time, less memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    Ahead,
    /// The ranges overlap.
    Equal,
    Behind,
}

/// A server of ours beside the floor and the best peer of its kind.
#[derive(Debug)]
pub struct Standing {
    pub own: &'static Server,
    pub share: Spread,
    pub best: Option<Best>,
}

/// The best peer of a kind, and where ours stands to it.
#[derive(Debug)]
pub struct Best {
    pub server: &'static Server,
    pub share: Spread,
    pub place: Place,
    /// Connections that it left without an answer, the most of the rounds.
    pub starved: usize,
    /// Peers of the kind that took part.
    pub of: usize,
}

impl Measure {
    /// What a scenario is measured by.
    pub fn of(scenario: &Scenario) -> &'static [Self] {
        match scenario.load {
            Load::Idle { .. } => &[Self::Memory],
            _ => &[Self::Rate, Self::Processor],
        }
    }

    fn figure(self) -> fn(&Run) -> f64 {
        match self {
            Self::Rate => |run| run.rate,
            Self::Processor => |run| run.cpu_us,
            Self::Memory => |run| run.idle_kib,
        }
    }

    /// The figures of the rounds. Who gave no answer in one spent no time on any: of that round there is nothing to tell.
    fn figures(self, measured: &Measured, server: &str) -> Vec<(usize, f64)> {
        let figure = self.figure();
        let figures = measured.figures(server, |run| (run.rate, figure(run))).into_iter();
        let told = figures.filter(|(_, (rate, _))| self != Self::Processor || *rate > 0.0);
        told.map(|(round, (_, figure))| (round, figure)).collect()
    }

    /// The figures as they were measured.
    fn plain(self, measured: &Measured, server: &Server) -> Option<Spread> {
        Spread::of(self.figures(measured, server.name).into_iter().map(|(_, figure)| figure))
    }

    /// What is shown of a server: a share of its floor of the same round, or KiB.
    pub fn share(self, measured: &Measured, server: &Server) -> Option<Spread> {
        if self == Self::Memory {
            return self.plain(measured, server);
        }
        let floor = self.figures(measured, server.floor());
        Spread::of(ratios(&self.figures(measured, server.name), &floor))
    }

    /// How a figure compares with another, where less may be better.
    pub fn better(self, comparison: Comparison) -> Place {
        match (comparison, self) {
            (Comparison::Equal, _) => Place::Equal,
            (Comparison::More, Self::Rate) | (Comparison::Less, Self::Processor | Self::Memory) => {
                Place::Ahead
            }
            (Comparison::Less, Self::Rate) | (Comparison::More, Self::Processor | Self::Memory) => {
                Place::Behind
            }
        }
    }

    /// Where one server stands to another. They are equal only if nothing that is shown of them is apart: neither the
    /// figures nor, where they have the same floor, the shares of it, which know nothing of a machine that is faster in
    /// some rounds.
    pub fn place(self, measured: &Measured, own: &Server, other: &Server) -> Option<Place> {
        let compare = |of: &dyn Fn(&Server) -> Option<Spread>| Some(of(own)?.compare(&of(other)?));
        let plain = compare(&|server| self.plain(measured, server))?;
        let shares = compare(&|server| self.share(measured, server)).filter(|_| own.kind == other.kind);
        let both = match (plain, shares.unwrap_or(Comparison::Equal)) {
            (one, Comparison::Equal) | (Comparison::Equal, one) => one,
            (Comparison::More, Comparison::More) => Comparison::More,
            (Comparison::Less, Comparison::Less) => Comparison::Less,
            // They contradict each other: nothing is known.
            (Comparison::More, Comparison::Less) | (Comparison::Less, Comparison::More) => Comparison::Equal,
        };
        Some(self.better(both))
    }

    /// Those that have a figure, the best first.
    pub fn ranking(self, measured: &Measured, kind: Kind) -> Vec<(&'static Server, Spread)> {
        let all = servers::ALL.iter().filter(|server| server.kind == kind);
        let mut ranking: Vec<_> =
            all.filter_map(|server| Some((server, self.share(measured, server)?))).collect();
        ranking.sort_by(|(_, one), (_, other)| match self {
            Self::Rate => other.median.total_cmp(&one.median),
            Self::Processor | Self::Memory => one.median.total_cmp(&other.median),
        });
        ranking
    }

    /// The best peer of this server's kind.
    fn best(self, measured: &Measured, own: &Server) -> Option<Best> {
        let peers = self.ranking(measured, own.kind).into_iter();
        let peers: Vec<_> = peers.filter(|(server, _)| is_peer(server)).collect();
        let (server, share) = *peers.first()?;
        let starved = measured.runs.iter().filter(|run| run.server == server.name).map(|run| run.starved);
        Some(Best {
            server,
            share,
            place: self.place(measured, own, server)?,
            starved: starved.max().unwrap_or(0),
            of: peers.len(),
        })
    }

    /// Where each of ours stands.
    pub fn standings(self, measured: &Measured) -> Vec<Standing> {
        let ours = servers::ALL.iter().filter(|server| server.is_ours());
        ours.filter_map(|own| {
            let share = self.share(measured, own)?;
            Some(Standing { own, share, best: self.best(measured, own) })
        })
        .collect()
    }
}

/// Whether it is neither ours nor a floor.
pub fn is_peer(server: &Server) -> bool {
    matches!(server.program, Program::Peer(_) | Program::Nginx)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn measured(runs: &[(&str, [f64; 2])]) -> Measured {
        let run = |server: &str, round, rate| Run {
            server: server.to_owned(),
            round,
            rate,
            cpu_us: if rate > 0.0 { 1e6 / rate } else { 0.0 },
            starved: usize::from(server == "tiny_http") * (3 + round),
            ..Run::default()
        };
        let runs =
            runs.iter().flat_map(|(server, rates)| [run(server, 0, rates[0]), run(server, 1, rates[1])]);
        Measured { runs: runs.collect(), ..Measured::default() }
    }

    fn best_of(measured: &Measured, measure: Measure, own: &str) -> (&'static str, Place) {
        let standings = measure.standings(measured);
        let standing = standings.iter().find(|standing| standing.own.name == own).unwrap();
        let best = standing.best.as_ref().unwrap();
        (best.server.name, best.place)
    }

    #[test]
    fn who_is_apart_in_anything_is_not_equal() {
        // The machine was twice as fast in the second round. The figures overlap, the shares do not.
        let runs = [("floor-epoll", [100.0, 200.0]), ("trijet-mio", [70.0, 140.0]), ("may", [80.0, 164.0])];
        let measured = measured(&runs);
        assert_eq!(best_of(&measured, Measure::Rate, "trijet-mio"), ("may", Place::Behind));
        assert_eq!(best_of(&measured, Measure::Processor, "trijet-mio"), ("may", Place::Behind));
        // The floor alone was slow in the first: the shares overlap, the figures do not.
        let runs = [("floor-epoll", [100.0, 200.0]), ("trijet-mio", [70.0, 71.0]), ("may", [80.0, 81.0])];
        let measured = self::measured(&runs);
        assert_eq!(best_of(&measured, Measure::Rate, "trijet-mio"), ("may", Place::Behind));
        assert_eq!(best_of(&measured, Measure::Processor, "trijet-mio"), ("may", Place::Behind));
        let runs = [("floor-epoll", [100.0, 200.0]), ("trijet-mio", [70.0, 140.0]), ("may", [75.0, 120.0])];
        let measured = self::measured(&runs);
        assert_eq!(best_of(&measured, Measure::Rate, "trijet-mio"), ("may", Place::Equal));
    }

    #[test]
    fn the_best_is_a_peer_of_the_same_kind() {
        let runs = [
            ("floor-epoll", [100.0, 100.0]),
            ("floor-threads", [80.0, 80.0]),
            ("trijet-threaded", [70.0, 70.0]),
            ("trijet-mio", [90.0, 90.0]),
            ("axum", [60.0, 60.0]),
            ("hyper", [75.0, 75.0]),
            ("tiny_http", [50.0, 50.0]),
        ];
        let measured = measured(&runs);
        assert_eq!(best_of(&measured, Measure::Rate, "trijet-threaded"), ("tiny_http", Place::Ahead));
        assert_eq!(best_of(&measured, Measure::Rate, "trijet-mio"), ("hyper", Place::Ahead));
        let standings = Measure::Rate.standings(&measured);
        let best = standings[0].best.as_ref().unwrap();
        assert_eq!((best.starved, best.of, standings[1].best.as_ref().unwrap().of), (4, 1, 2));
        // Of different kinds, the figures themselves count: 70 is more than 60, though the share is another.
        let [threaded, axum] = ["trijet-threaded", "axum"].map(|name| Server::named(name).unwrap());
        assert_eq!(Measure::Rate.place(&measured, threaded, axum), Some(Place::Ahead));
        assert_eq!(Measure::Processor.place(&measured, axum, threaded), Some(Place::Behind));
    }

    #[test]
    fn who_gave_no_answer_spent_no_time_on_one() {
        let runs = [
            ("floor-threads", [80.0, 80.0]),
            ("trijet-threaded", [70.0, 70.0]),
            ("tiny_http", [50.0, 0.0]),
            ("astra", [0.0, 0.0]),
        ];
        let measured = measured(&runs);
        assert_eq!(best_of(&measured, Measure::Processor, "trijet-threaded"), ("tiny_http", Place::Ahead));
        let tiny_http = Server::named("tiny_http").unwrap();
        assert_eq!(Measure::Processor.share(&measured, tiny_http).unwrap().median, 1.6);
    }

    #[test]
    fn without_a_peer_or_a_floor_there_is_nothing_to_say() {
        let measured = measured(&[("trijet-mio", [90.0, 90.0])]);
        assert!(Measure::Rate.standings(&measured).is_empty());
        let measured = self::measured(&[("floor-epoll", [100.0, 100.0]), ("trijet-mio", [90.0, 90.0])]);
        assert!(Measure::Rate.standings(&measured)[0].best.is_none());
    }
}
