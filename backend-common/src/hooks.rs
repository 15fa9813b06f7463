//! What an app has done when its server starts and when it has stopped. They may block: nothing is served meanwhile. One
//! that fails or panics never keeps the others of the stop, or the stop itself, from coming to its end.

use std::{
    error::Error,
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

fn run(hook: Hook, name: &'static str, server: &ServerHandle) -> io::Result<()> {
    match catch_unwind(AssertUnwindSafe(|| hook(server))) {
        Ok(Ok(())) => Ok(()),
        Ok(Err(error)) => Err(io::Error::other(Failed { name, error })),
        Err(panic) => Err(io::Error::other(format!("{name} panicked: {}", panic_text(&*panic)))),
    }
}

/// The error of a hook, which is its source.
#[derive(Debug)]
struct Failed {
    name: &'static str,
    error: BoxError,
}

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = self.error.to_string();
        let mut cause = self.error.source();
        while let Some(error) = cause {
            let own = error.to_string();
            // Some say their cause themselves.
            if !text.ends_with(&own) {
                text.extend([": ", &own]);
            }
            cause = error.source();
        }
        write!(f, "{}: {text}", self.name)
    }
}

impl Error for Failed {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&*self.error)
    }
}

impl fmt::Debug for Hooks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hooks").finish_non_exhaustive()
    }
}

#[cfg(all(test, not(trijet_loom)))]
mod tests {
    use super::*;

    #[derive(Debug)]
    struct Layer(&'static str, Option<Box<Layer>>);

    impl fmt::Display for Layer {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str(self.0)
        }
    }

    impl Error for Layer {
        fn source(&self) -> Option<&(dyn Error + 'static)> {
            self.1.as_deref().map(|cause| cause as _)
        }
    }

    #[test]
    fn an_error_is_told_with_its_causes_each_once() {
        let cause = |text, cause| Some(Box::new(Layer(text, cause)));
        let deep = Layer("no database", cause("no answer: refused", cause("refused", cause("by it", None))));
        let failed = Failed { name: "on_start", error: Box::new(deep) };
        assert_eq!(failed.to_string(), "on_start: no database: no answer: refused: by it");
        let error = io::Error::other(failed);
        assert!(error.source().is_some_and(|source| source.is::<Layer>()));
    }
}
