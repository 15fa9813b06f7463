//! How the backends' own threads are started.

use std::{io, thread};

/// Starts a thread called `name` that does `work`.
///
/// The work is boxed: what starts a thread is some 3 KB of machine code, and so in a program once, not for each kind of
/// work.
pub(crate) fn spawn(
    name: impl Into<String>,
    work: impl FnOnce() + Send + 'static,
) -> io::Result<thread::JoinHandle<()>> {
    let work: Box<dyn FnOnce() + Send> = Box::new(work);
    thread::Builder::new().name(name.into()).spawn(work)
}
