//! What a test client speaks through: [`Connect`] opens connections and knows the time, a [`Connection`] takes bytes and
//! gives bytes. Nothing here knows HTTP.

use std::{
    io,
    time::{Duration, SystemTime},
};

use crate::sim::Sim;

/// Where a [`TestClient`](super::TestClient) connects to: the simulation, a server that listens, or something of a test's
/// own, such as a script of what a broken server answers.
///
/// ```
/// use std::{io, time::{Duration, SystemTime}};
/// use trijet_core::sim::{Connect, Connection, TestClient, Wait};
///
/// /// Answers whatever it is asked with the same bytes.
/// struct Parrot(&'static str);
///
/// struct Perch(&'static [u8]);
///
/// impl Connect for Parrot {
///     fn name(&self) -> &str { "a parrot" }
///     fn connect(&self) -> io::Result<Box<dyn Connection>> { Ok(Box::new(Perch(self.0.as_bytes()))) }
///     fn elapsed(&self) -> Duration { Duration::ZERO }
///     fn advance(&self, _: Duration) {}
///     fn wall_clock(&self) -> SystemTime { SystemTime::UNIX_EPOCH }
///     fn set_patience(&self, _: Duration) {}
/// }
///
/// impl Connection for Perch {
///     fn write(&mut self, _: &[u8]) -> io::Result<()> { Ok(()) }
///     fn pause(&mut self, _: Duration) {}
///     fn read(&mut self, into: &mut Vec<u8>, _: Wait) -> io::Result<usize> {
///         into.extend_from_slice(self.0);
///         Ok(std::mem::take(&mut self.0).len())
///     }
/// }
///
/// let client = TestClient::over(Parrot("HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello"));
/// client.get("/").send().assert_text("hello");
/// ```
pub trait Connect {
    /// What is connected to, for messages: `the simulation`, `mio`.
    fn name(&self) -> &str;

    /// Opens a connection.
    ///
    /// # Errors
    /// Where nobody listens.
    fn connect(&self) -> io::Result<Box<dyn Connection>>;

    /// The time that has passed since it was made.
    fn elapsed(&self) -> Duration;

    /// Lets `duration` pass.
    fn advance(&self, duration: Duration);

    /// The date, by which cookies expire.
    fn wall_clock(&self) -> SystemTime;

    /// Sets how long, in real time, a connection waits for what is to come next.
    fn set_patience(&self, patience: Duration);

    /// The simulation, where it is one.
    fn sim(&self) -> Option<&Sim> {
        None
    }
}

/// One connection. Who drops it leaves.
pub trait Connection {
    /// Sends all of `bytes`, sooner or later.
    ///
    /// # Errors
    /// Where nobody takes them. What was answered before can still be read.
    fn write(&mut self, bytes: &[u8]) -> io::Result<()>;

    /// Lets `duration` pass before what is written next.
    fn pause(&mut self, duration: Duration);

    /// Waits for what comes next, adds it to `into`, and tells how much it was. 0: the server has ended its direction.
    ///
    /// # Errors
    /// `TimedOut` where nothing comes; the text says how long it was waited for, as in `within 10s`. `ConnectionReset`.
    fn read(&mut self, into: &mut Vec<u8>, wait: Wait) -> io::Result<usize>;

    /// How long a whole answer may take that comes in pieces, by [`Connect::elapsed`]: one that has no end is given up then.
    /// It is a week unless told otherwise, for virtual time.
    fn patience_in_all(&self) -> Duration {
        Duration::from_secs(7 * 24 * 60 * 60)
    }

    /// Why the server has ended it, where that is known.
    fn end_reason(&self) -> Option<String> {
        None
    }
}

/// How long to wait for what comes next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wait {
    /// As long as it may come. On the simulation time passes.
    Patiently,
    /// For what is on its way already. On the simulation no time passes; elsewhere a tenth of a second.
    Briefly,
    /// For what is there. On the simulation that is what can come without time passing.
    NotAtAll,
}
