//! Bodies of any length, and a connection for each request: loops over the client of the loads, which parses every answer
//! and compares it byte by byte. It must never be used where answers are small and many.

use std::{collections::HashMap, io, net::SocketAddr, sync::Arc, time::Instant};

use trijet_load::client::{Client, Content, Exchange, Key, Options, What};

use super::Counted;
use crate::scenarios::Ask;

pub struct Loop {
    pub counted: Counted,
    client: Client,
    exchange: Arc<Exchange>,
    slots: HashMap<Key, usize>,
    width: usize,
    churns: bool,
}

impl Loop {
    pub fn new(address: SocketAddr, width: usize, churns: bool, ask: Ask) -> io::Result<Self> {
        // A closed connection holds its port for a while.
        let options = if churns { Options::from_many_addresses() } else { Options::default() };
        let client = Client::new(address, options)?;
        let exchange = Exchange::raw(ask.requests[0].clone()).may(200, Content::Exactly(ask.content));
        let counted = Counted::new(width);
        Ok(Self { counted, client, exchange: Arc::new(exchange), slots: HashMap::new(), width, churns })
    }

    /// Asks and is answered until then.
    pub fn run(&mut self, until: Instant) -> io::Result<()> {
        if self.slots.is_empty() {
            (0..self.width).for_each(|slot| self.open(slot));
        }
        loop {
            let now = Instant::now();
            if now >= until {
                return self.counted.check();
            }
            for event in self.client.wait(until)? {
                let Some(slot) = self.slots.get(&event.key).copied() else { continue };
                match event.what {
                    What::Connected => {}
                    What::Answered(answer) => {
                        self.counted.answer(slot, 1, answer.due, answer.at);
                        if self.churns {
                            self.client.close(event.key);
                            self.reopen(event.key, slot);
                        } else {
                            self.client.send(event.key, &self.exchange, Instant::now());
                        }
                    }
                    What::Failed(error) => return Err(error),
                    What::Wrong(_) => {
                        self.counted.wrong += 1;
                        self.reopen(event.key, slot);
                    }
                    What::Closed { .. } => {
                        self.counted.closed += 1;
                        self.reopen(event.key, slot);
                    }
                }
            }
            self.counted.check()?;
        }
    }

    fn reopen(&mut self, key: Key, slot: usize) {
        self.slots.remove(&key);
        self.open(slot);
    }

    fn open(&mut self, slot: usize) {
        let key = self.client.connect();
        self.slots.insert(key, slot);
        self.client.send(key, &self.exchange, Instant::now());
    }
}
