//! The simulation as what a test client connects to. Time passes where the client waits for something, and nowhere else.

use std::{
    io::{self, ErrorKind},
    thread,
    time::{Duration, SystemTime},
};

use super::{Peer, Sim};
use crate::testing::{Connect, Connection, Wait};

impl Connect for Sim {
    fn name(&self) -> &str {
        "the simulation"
    }

    fn connect(&self) -> io::Result<Box<dyn Connection>> {
        let (sim, peer) = (self.clone(), Sim::connect(self));
        peer.receive_up_to(peer.buffer_bytes());
        Ok(Box::new(SimConnection { opened: sim.elapsed(), sim, peer, taken: 0 }))
    }

    fn elapsed(&self) -> Duration {
        Sim::elapsed(self)
    }

    fn advance(&self, duration: Duration) {
        Sim::advance(self, duration);
    }

    fn wall_clock(&self) -> SystemTime {
        self.date()
    }

    fn set_patience(&self, patience: Duration) {
        Sim::set_patience(self, patience);
    }

    fn sim(&self) -> Option<&Sim> {
        Some(self)
    }
}

/// The most virtual time that one wait takes. Without it a wait beside something that ticks would have no end.
pub(super) const WAIT_MAX: Duration = Duration::from_secs(24 * 60 * 60);

struct SimConnection {
    sim: Sim,
    peer: Peer,
    opened: Duration,
    /// How much of what was received has been given out.
    taken: usize,
}

impl SimConnection {
    fn take(&mut self, into: &mut Vec<u8>) -> usize {
        let count = self.peer.received_after(self.taken, into);
        self.taken += count;
        // As a socket does: what nobody reads stays in its buffer, and the server has to wait.
        self.peer.receive_up_to(self.taken + self.peer.buffer_bytes());
        count
    }
}

impl Connection for SimConnection {
    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.peer.send(bytes);
        Ok(())
    }

    fn pause(&mut self, duration: Duration) {
        self.peer.wait(duration);
    }

    fn read(&mut self, into: &mut Vec<u8>, wait: Wait) -> io::Result<usize> {
        let until = self.sim.elapsed() + WAIT_MAX;
        loop {
            let count = self.take(into);
            if count > 0 {
                return Ok(count);
            }
            if self.peer.is_closed() {
                return if self.peer.is_reset() { Err(ErrorKind::ConnectionReset.into()) } else { Ok(0) };
            }
            // No further than to what is waited for: a plain `fn` may be next that waits for what is written then.
            let goes_on = self.sim.try_step().map_err(io::Error::other)?
                || wait == Wait::Patiently && self.sim.pass_time_until(until);
            if !goes_on {
                let passed = self.sim.elapsed() - self.opened;
                let text = format!(
                    "after {passed:?} of virtual time; the handler waits for something that never comes"
                );
                return Err(io::Error::new(ErrorKind::TimedOut, text));
            }
        }
    }

    fn end_reason(&self) -> Option<String> {
        self.sim.close_reason(&self.peer).map(|reason| format!("{reason:?}"))
    }
}

impl Drop for SimConnection {
    fn drop(&mut self) {
        self.peer.close();
        // What happens then may be a panic itself.
        if !thread::panicking() {
            self.sim.settle();
            if self.peer.give_up() {
                self.sim.settle();
            }
        }
        self.sim.forget(&self.peer);
    }
}
