//! The server of the loads as a process: started, asked for its counts, and awaited until it has let go.

use std::{
    env, io,
    net::SocketAddr,
    ops::{Deref, DerefMut},
    process::Command,
    thread,
    time::{Duration, Instant},
};

use crate::{
    app::Counts,
    child::{Child, Held},
};

/// A running server. Dropping it ends it at once.
pub struct Process {
    child: Child,
    address: SocketAddr,
}

impl Process {
    /// Starts this program as a server.
    ///
    /// # Errors
    /// Where it cannot be started, or does not tell its address.
    pub fn start(settings: &[String]) -> io::Result<Self> {
        let mut command = Command::new(env::current_exe()?);
        // Fixed, these two stay small. Otherwise the C library raises them to twice the largest piece that
        // was freed, and each of its arenas keeps that much, which `trim` does not reach.
        let allocator = [("MALLOC_TRIM_THRESHOLD_", "131072"), ("MALLOC_MMAP_THRESHOLD_", "131072")];
        Self::spawn(command.arg("serve").args(settings).envs(allocator))
    }

    /// Starts a program that tells its address, and ends with its standard input.
    ///
    /// # Errors
    /// As [`start`](Self::start).
    pub fn spawn(command: &mut Command) -> io::Result<Self> {
        let mut child = Child::spawn(command)?;
        let address = child.hear()?.parse();
        Ok(Self {
            child,
            address: address.map_err(|_| io::Error::other("the server did not tell its address"))?,
        })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What its app has counted.
    ///
    /// # Errors
    /// Where it does not answer.
    pub fn counts(&mut self) -> io::Result<Counts> {
        serde_json::from_str(&self.ask("counts")?).map_err(io::Error::other)
    }

    /// Waits until it holds no more than `base`, or the time is over; tells what it held last, and after
    /// how long. What its allocator has not given back is not counted.
    ///
    /// # Errors
    /// Where it is gone.
    pub fn settle(&mut self, base: &Held, memory_more: u64, most: Duration) -> io::Result<(Held, Duration)> {
        let start = Instant::now();
        loop {
            self.ask("trim")?;
            let held = self.held()?;
            let waited = start.elapsed();
            if held.is_back_at(base, memory_more) || waited >= most {
                return Ok((held, waited));
            }
            // Nobody tells when another process has let go of something.
            thread::sleep(Duration::from_millis(50));
        }
    }

    /// Stops it gracefully.
    ///
    /// # Errors
    /// Where it fails.
    pub fn stop(self) -> io::Result<()> {
        self.child.stop()
    }
}

impl Deref for Process {
    type Target = Child;

    fn deref(&self) -> &Child {
        &self.child
    }
}

impl DerefMut for Process {
    fn deref_mut(&mut self) -> &mut Child {
        &mut self.child
    }
}
