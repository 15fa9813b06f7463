//! A process that was started here: told and asked line by line, looked at through `/proc`, and ended. It
//! must never touch a process that it did not start. Linux only.

use std::{
    collections::BTreeMap,
    fs,
    io::{self, BufRead, BufReader, Write},
    process::{ChildStderr, ChildStdin, ChildStdout, Command, Stdio},
    time::Duration,
};

/// A process that takes orders on its standard input, and answers each with a line. Dropping it ends it at once.
pub struct Child {
    process: std::process::Child,
    orders: Option<ChildStdin>,
    said: BufReader<ChildStdout>,
}

/// What a process holds.
#[derive(Clone, Copy, Debug, Default)]
pub struct Held {
    /// User memory that is resident and its own, in bytes.
    pub memory: u64,
    /// Open descriptors.
    pub files: u64,
    /// Threads.
    pub threads: u64,
}

impl Held {
    /// As it was, or less, up to so many bytes more of memory.
    pub fn is_back_at(&self, base: &Self, memory_more: u64) -> bool {
        self.files <= base.files && self.threads <= base.threads && self.memory <= base.memory + memory_more
    }
}

/// What the scheduler has counted for each thread of a process.
#[derive(Clone, Debug, Default)]
pub struct Scheduled(BTreeMap<String, Turns>);

/// What threads had of the processors.
#[derive(Clone, Copy, Debug, Default)]
pub struct Turns {
    /// How often one had to wait.
    pub waits: u64,
    /// How often one had to leave because another was to run.
    pub ousted: u64,
    /// How long they ran, to the nanosecond.
    pub ran: Duration,
}

impl Scheduled {
    /// Since `before`. What threads did that have ended meanwhile is not known.
    pub fn since(&self, before: &Self) -> Turns {
        self.0.iter().fold(Turns::default(), |sum, (thread, now)| {
            let then = before.0.get(thread).copied().unwrap_or_default();
            Turns {
                waits: sum.waits + now.waits.saturating_sub(then.waits),
                ousted: sum.ousted + now.ousted.saturating_sub(then.ousted),
                ran: sum.ran + now.ran.saturating_sub(then.ran),
            }
        })
    }
}

impl Child {
    /// Starts it, with pipes for what is told and said.
    ///
    /// # Errors
    /// Where it cannot be started.
    pub fn spawn(command: &mut Command) -> io::Result<Self> {
        let mut process = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let orders = process.stdin.take();
        let said = BufReader::new(process.stdout.take().ok_or(io::ErrorKind::BrokenPipe)?);
        Ok(Self { process, orders, said })
    }

    /// Its standard error, once, where the command has a pipe for it.
    pub fn errors(&mut self) -> Option<ChildStderr> {
        self.process.stderr.take()
    }

    /// Gives it a line.
    ///
    /// # Errors
    /// Where it does not listen.
    pub fn tell(&mut self, order: &str) -> io::Result<()> {
        let orders = self.orders.as_mut().ok_or(io::ErrorKind::BrokenPipe)?;
        orders.write_all(format!("{order}\n").as_bytes())
    }

    /// The next line that it says.
    ///
    /// # Errors
    /// Where it says nothing more.
    pub fn hear(&mut self) -> io::Result<String> {
        let mut line = String::new();
        if self.said.read_line(&mut line)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(line.trim_end().to_owned())
    }

    /// Gives it a line, and awaits one.
    ///
    /// # Errors
    /// Where it does not answer.
    pub fn ask(&mut self, order: &str) -> io::Result<String> {
        self.tell(order)?;
        self.hear()
    }

    /// What it holds now. With thousands of descriptors this takes milliseconds.
    ///
    /// # Errors
    /// Where it is gone.
    pub fn held(&self) -> io::Result<Held> {
        let files = fs::read_dir(self.path("fd"))?.count() as u64;
        Ok(Held { memory: self.status("RssAnon:")? << 10, files, threads: self.threads()? })
    }

    /// How many threads it has now.
    ///
    /// # Errors
    /// Where it is gone.
    pub fn threads(&self) -> io::Result<u64> {
        self.status("Threads:")
    }

    /// A row of `/proc/…/status` that is a number.
    ///
    /// # Errors
    /// Where it is gone, or there is no such row.
    pub fn status(&self, name: &str) -> io::Result<u64> {
        row(&fs::read_to_string(self.path("status"))?, name)
    }

    /// What the scheduler has counted. With thousands of threads this takes a while.
    ///
    /// # Errors
    /// Where it is gone.
    pub fn scheduled(&self) -> io::Result<Scheduled> {
        let mut scheduled = Scheduled::default();
        for thread in fs::read_dir(self.path("task"))? {
            let thread = thread?;
            // It may have ended since.
            let read = |name| fs::read_to_string(thread.path().join(name));
            let (Ok(status), Ok(ran)) = (read("status"), read("schedstat")) else { continue };
            let ran = ran.split(' ').next().and_then(|nanos| nanos.parse().ok()).unwrap_or(0);
            let turns = Turns {
                waits: row(&status, "voluntary_ctxt_switches:")?,
                ousted: row(&status, "nonvoluntary_ctxt_switches:")?,
                ran: Duration::from_nanos(ran),
            };
            scheduled.0.insert(thread.file_name().to_string_lossy().into_owned(), turns);
        }
        Ok(scheduled)
    }

    /// The time that it has spent on a processor, in ticks of ten milliseconds.
    ///
    /// # Errors
    /// Where it is gone.
    pub fn processor_time(&self) -> io::Result<Duration> {
        let stat = fs::read_to_string(self.path("stat"))?;
        // The second field is a name in brackets, and may hold anything.
        let fields = stat.rsplit_once(')').map_or("", |(_, fields)| fields).split_whitespace();
        // utime and stime, the fields 14 and 15, in hundredths of a second.
        let ticks: u64 = fields.skip(11).take(2).filter_map(|field| field.parse::<u64>().ok()).sum();
        Ok(Duration::from_millis(ticks * 10))
    }

    /// Ends its standard input, and waits for its end.
    ///
    /// # Errors
    /// Where it fails.
    pub fn stop(mut self) -> io::Result<()> {
        drop(self.orders.take());
        let status = self.process.wait()?;
        if status.success() { Ok(()) } else { Err(io::Error::other(format!("the process failed: {status}"))) }
    }

    fn path(&self, name: &str) -> String {
        format!("/proc/{}/{name}", self.process.id())
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        // One that has ended is not signalled again.
        _ = self.process.kill();
        _ = self.process.wait();
    }
}

fn row(status: &str, name: &str) -> io::Result<u64> {
    let row = status.lines().find_map(|line| line.strip_prefix(name));
    row.and_then(|row| row.split_whitespace().next()?.parse().ok())
        .ok_or_else(|| io::Error::other(format!("/proc tells no {name}")))
}
