//! What an app has done when its server starts and when it has stopped. They may block: nothing is served meanwhile. One
//! that fails or panics never keeps the others of the stop, or the stop itself, from coming to its end.

use std::{
    fmt, io, mem,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Mutex, PoisonError},
};

use trijet_core::BoxError;

use crate::{ServerHandle, panic_text};

type Hook = Box<dyn FnOnce(&ServerHandle) -> Result<(), BoxError> + Send>;

/// The hooks of one server, each run once.
#[derive(Default)]
pub struct Hooks {
    at_start: Mutex<Vec<Hook>>,
    at_stop: Mutex<Vec<Hook>>,
}

impl Hooks {
    /// Has `hook` run at the start, after those before.
    pub fn on_start(&mut self, hook: impl FnOnce(&ServerHandle) -> Result<(), BoxError> + Send + 'static) {
        self.at_start.get_mut().unwrap_or_else(PoisonError::into_inner).push(Box::new(hook));
    }

    /// Has `hook` run after the stop, after those before.
    pub fn on_stop(&mut self, hook: impl FnOnce(&ServerHandle) -> Result<(), BoxError> + Send + 'static) {
        self.at_stop.get_mut().unwrap_or_else(PoisonError::into_inner).push(Box::new(hook));
    }

    /// Whether there is any that has not been run.
    pub fn is_empty(&self) -> bool {
        [&self.at_start, &self.at_stop].map(|hooks| lock(hooks).is_empty()) == [true, true]
    }

    /// Runs those of the start, unless that was done, up to the first that fails.
    ///
    /// # Errors
    /// What it says.
    pub fn start(&self, server: &ServerHandle) -> io::Result<()> {
        take(&self.at_start).into_iter().try_for_each(|hook| run(hook, "on_start", server))
    }

    /// Runs those of the stop, unless that was done: all of them.
    ///
    /// # Errors
    /// What the first says that fails; the log has them all.
    pub fn stop(&self, server: &ServerHandle) -> io::Result<()> {
        let hooks = take(&self.at_stop);
        if hooks.is_empty() {
            return Ok(());
        }
        let mut stopped = Ok(());
        server.life.set_in_hooks(true);
        for hook in hooks {
            let done = run(hook, "on_stop", server).inspect_err(|error| log::error!("{error}"));
            stopped = stopped.and(done);
        }
        server.life.set_in_hooks(false);
        stopped
    }
}

fn take(hooks: &Mutex<Vec<Hook>>) -> Vec<Hook> {
    mem::take(&mut lock(hooks))
}

fn lock(hooks: &Mutex<Vec<Hook>>) -> std::sync::MutexGuard<'_, Vec<Hook>> {
    hooks.lock().unwrap_or_else(PoisonError::into_inner)
}

fn run(hook: Hook, name: &str, server: &ServerHandle) -> io::Result<()> {
    let failed = |text: String| Err(io::Error::other(text));
    match catch_unwind(AssertUnwindSafe(|| hook(server))) {
        Ok(Ok(())) => Ok(()),
        Ok(Err(error)) => failed(format!("{name}: {error}")),
        Err(panic) => failed(format!("{name} panicked: {}", panic_text(&*panic))),
    }
}

impl fmt::Debug for Hooks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hooks").finish_non_exhaustive()
    }
}
