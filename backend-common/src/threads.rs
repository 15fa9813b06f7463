//! How the threads are started that nobody asks for a result.

use std::{io, thread};

/// Starts a thread called `name` that does `work`.
///
/// The work is boxed: what starts a thread is some 3 KB of machine code, which is there for each type of the work.
pub(crate) fn spawn(
    name: impl Into<String>,
    work: impl FnOnce() + Send + 'static,
) -> io::Result<thread::JoinHandle<()>> {
    spawn_boxed(name.into(), Box::new(work))
}

// Once also where it is called from: inlined it was in three units of the package.
#[inline(never)]
fn spawn_boxed(name: String, work: Box<dyn FnOnce() + Send>) -> io::Result<thread::JoinHandle<()>> {
    thread::Builder::new().name(name).spawn(work)
}
