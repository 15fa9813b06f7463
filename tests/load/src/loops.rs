//! Loops over a client: open ones, in which requests are due at their times whatever becomes of them, and closed
//! ones, in which each connection waits for its answer. They only send and take note; whoever has them waits.

use std::{sync::Arc, time::Instant};

use crate::{
    client::{Client, Event, Exchange, Key, What},
    measure::{Dice, Schedule, Tally},
};

/// Requests at their times, one at a time on a connection.
#[derive(Debug)]
pub struct OpenLoop {
    /// When they are due.
    pub schedule: Schedule,
    /// What has become of them.
    pub tally: Tally,
    exchanges: Vec<Arc<Exchange>>,
    connections: Connections,
    group: u8,
}

/// Which connection a request takes.
#[derive(Debug)]
pub enum Connections {
    /// Any of these that is free, by chance. At least one has to be.
    AnyOf(Vec<Key>, Dice),
    /// One that is free, or a new one.
    FreeOrNew(Vec<Key>),
}

impl OpenLoop {
    /// A loop that sends `exchanges` in turn; the connections that it makes are of `group`.
    pub fn new(schedule: Schedule, connections: Connections, exchanges: Vec<Exchange>, group: u8) -> Self {
        let exchanges = exchanges.into_iter().map(Arc::new).collect();
        Self { schedule, tally: Tally::default(), exchanges, connections, group }
    }

    /// Sends what is due.
    pub fn send_due(&mut self, client: &mut Client) {
        while let Some(due) = self.schedule.take(Instant::now()) {
            let key = match &mut self.connections {
                Connections::AnyOf(keys, dice) => loop {
                    let key = keys[dice.below(keys.len())];
                    if client.is_open(key) && client.unanswered(key) == 0 {
                        break key;
                    }
                },
                Connections::FreeOrNew(free) => loop {
                    match free.pop() {
                        Some(key) if client.is_open(key) => break key,
                        Some(_) => {}
                        None => break client.connect_as(self.group),
                    }
                },
            };
            let exchange = &self.exchanges[self.tally.sent as usize % self.exchanges.len()];
            client.send(key, exchange, due);
            self.tally.sends(due);
        }
    }

    /// Takes note of what has happened to a connection of this loop.
    pub fn note(&mut self, event: &Event) {
        self.tally.note(event);
        if let (Connections::FreeOrNew(free), What::Answered(answer)) = (&mut self.connections, &event.what)
            && !answer.closes
        {
            free.push(event.key);
        }
    }

    /// Whether nothing is to be sent any more, and all is known of what was.
    pub fn is_over(&self) -> bool {
        self.schedule.next().is_none() && self.tally.outstanding() == 0
    }
}

/// Requests each of which follows the answer before it, on so many connections.
#[derive(Debug)]
pub struct ClosedLoop {
    /// What has become of them.
    pub tally: Tally,
    exchanges: Vec<Arc<Exchange>>,
    reuse: Reuse,
    width: usize,
    open: usize,
    left: u64,
    group: u8,
}

/// How long a connection is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reuse {
    /// For as long as the server keeps it.
    Kept,
    /// For one request.
    Once,
}

impl ClosedLoop {
    /// A loop of `count` requests, `exchanges` in turn, on `width` connections of `group` at a time.
    pub fn new(count: u64, width: usize, reuse: Reuse, exchanges: Vec<Exchange>, group: u8) -> Self {
        let exchanges = exchanges.into_iter().map(Arc::new).collect();
        Self { tally: Tally::default(), exchanges, reuse, width, open: 0, left: count, group }
    }

    /// Opens the connections that are missing, each with a request.
    pub fn fill(&mut self, client: &mut Client) {
        while self.open < self.width && self.left > 0 {
            let key = client.connect_as(self.group);
            self.open += 1;
            self.ask(client, key);
        }
    }

    fn ask(&mut self, client: &mut Client, key: Key) {
        let now = Instant::now();
        client.send(key, &self.exchanges[self.tally.sent as usize % self.exchanges.len()], now);
        self.tally.sends(now);
        self.left -= 1;
    }

    /// Takes note of what has happened to a connection of this loop, and goes on with it.
    pub fn note(&mut self, client: &mut Client, event: &Event) {
        self.tally.note(event);
        match &event.what {
            What::Connected => {}
            // The server's close is awaited.
            What::Answered(answer) if answer.closes => {}
            What::Answered(_) if self.reuse == Reuse::Kept && self.left > 0 => self.ask(client, event.key),
            What::Answered(_) => {
                client.close(event.key);
                self.open -= 1;
            }
            What::Failed(_) | What::Wrong(_) | What::Closed { .. } => self.open -= 1,
        }
    }

    /// Whether nothing is to be sent any more, and every connection is gone.
    pub fn is_over(&self) -> bool {
        self.left == 0 && self.open == 0
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeMap, time::Duration};

    use trijet::{Router, Server, ServerHandle, get};

    use super::*;
    use crate::client::Options;

    const PATIENCE: Duration = Duration::from_secs(60);

    fn serve() -> (ServerHandle, Client) {
        let app = Router::new().route("/", get(async || "hello")).route("/other", get(async || "hellO"));
        let server = Server::new(app).start("127.0.0.1:0").unwrap();
        let client = Client::new(server.local_addr(), Options::default()).unwrap();
        (server, client)
    }

    fn run(closed: &mut ClosedLoop, client: &mut Client) -> BTreeMap<Key, u64> {
        let until = Instant::now() + PATIENCE;
        let mut answers = BTreeMap::new();
        while !closed.is_over() {
            assert!(Instant::now() < until, "{closed:?}");
            closed.fill(client);
            answers.extend(client.answers().filter(|(_, count)| *count > 0));
            for event in client.wait(until).unwrap() {
                closed.note(client, &event);
            }
        }
        answers
    }

    #[test]
    fn a_closed_loop_counts_every_answer_on_every_connection() {
        let (server, mut client) = serve();
        let hello = || vec![Exchange::get("/").may_say("hello")];
        let mut kept = ClosedLoop::new(400, 4, Reuse::Kept, hello(), 0);
        let answers = run(&mut kept, &mut client);
        assert_eq!((kept.tally.sent, kept.tally.with(200), answers.len()), (400, 400, 4));
        assert!(client.is_empty());
        let mut once = ClosedLoop::new(40, 4, Reuse::Once, hello(), 0);
        run(&mut once, &mut client);
        assert_eq!((once.tally.sent, once.tally.with(200), once.tally.outstanding()), (40, 40, 0));
        server.shutdown_now();
    }

    #[test]
    fn a_wrong_byte_and_a_close_are_told() {
        let (server, mut client) = serve();
        let other = Exchange::get("/other").may_say("hello");
        let mut wrong = ClosedLoop::new(3, 1, Reuse::Kept, vec![other], 0);
        run(&mut wrong, &mut client);
        assert_eq!((wrong.tally.wrong, wrong.tally.answers()), (3, 0), "{:?}", wrong.tally.samples);
        let key = client.connect();
        let hello = Arc::new(Exchange::get("/").may_say("hello"));
        client.expect(key, &hello, Instant::now());
        let mut tally = Tally::default();
        tally.sends(Instant::now());
        // The server is stopped with nothing said: what was expected has no answer.
        server.shutdown_now();
        let until = Instant::now() + PATIENCE;
        while tally.outstanding() > 0 && Instant::now() < until {
            client.wait(until).unwrap().iter().for_each(|event| tally.note(event));
        }
        assert_eq!(tally.unanswered + tally.failed, 1);
    }

    #[test]
    fn an_open_loop_sends_on_time_whatever_is_answered() {
        let (server, mut client) = serve();
        let schedule = Schedule::steady(Instant::now(), 1_000.0, Duration::from_millis(200));
        let hello = Exchange::get("/").may_say("hello");
        let mut open = OpenLoop::new(schedule, Connections::FreeOrNew(Vec::new()), vec![hello], 7);
        let until = Instant::now() + PATIENCE;
        while !open.is_over() {
            assert!(Instant::now() < until, "{open:?}");
            open.send_due(&mut client);
            for event in client.wait(open.schedule.next().unwrap_or(until)).unwrap() {
                assert_eq!(event.key.group, 7);
                open.note(&event);
            }
        }
        assert_eq!((open.tally.sent, open.tally.with(200)), (200, 200));
        server.shutdown_now();
    }
}
