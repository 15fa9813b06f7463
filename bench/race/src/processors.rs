//! Which processor works for whom: the server has one, the load another. What is started has that of the thread that starts
//! it. It must never touch another process.

use std::io;

use rustix::{
    process::{Resource, Rlimit, getrlimit, setrlimit},
    thread::{CpuSet, sched_getaffinity, sched_setaffinity},
};

/// The two processors; the same one where there is no other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Processors {
    pub server: usize,
    pub load: usize,
}

impl Processors {
    /// The first two that this thread may use.
    pub fn choose() -> io::Result<Self> {
        let allowed = sched_getaffinity(None)?;
        let mut processors = (0..CpuSet::MAX_CPU).filter(|processor| allowed.is_set(*processor));
        let server = processors.next().ok_or(io::ErrorKind::NotFound)?;
        Ok(Self { server, load: processors.next().unwrap_or(server) })
    }
}

/// This thread, and what it starts from now on, stays on one processor.
pub fn stay_on(processor: usize) -> io::Result<()> {
    let mut set = CpuSet::new();
    set.set(processor);
    Ok(sched_setaffinity(None, &set)?)
}

/// Raises the limit of open files as far as it goes, for the servers too.
pub fn raise_files() -> io::Result<()> {
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    Ok(setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum })?)
}

/// What this process has used so far.
pub fn own_time() -> std::time::Duration {
    use rustix::time::{ClockId, clock_gettime};
    let time = clock_gettime(ClockId::ProcessCPUTime);
    std::time::Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}
