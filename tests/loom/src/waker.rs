//! In place of mio's waker, and of the poll that it wakes.

use std::{io, sync::PoisonError};

use crate::{Condvar, Mutex};

/// As mio's: any number of wakes are one event, until the poll has told of it.
#[derive(Debug, Default)]
pub struct Waker {
    state: Mutex<State>,
    came: Condvar,
}

#[derive(Debug, Default)]
struct State {
    is_woken: bool,
    system_calls: usize,
}

impl Waker {
    /// As mio's.
    ///
    /// # Errors
    /// None.
    pub fn new<R, T>(_: &R, _: T) -> io::Result<Self> {
        Ok(Self::default())
    }

    /// As mio's.
    ///
    /// # Errors
    /// None.
    pub fn wake(&self) -> io::Result<()> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.is_woken = true;
        state.system_calls += 1;
        self.came.notify_one();
        Ok(())
    }

    /// A poll in which nothing but a wake can happen. One that never comes is a deadlock, which loom reports.
    pub fn poll(&self) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        while !state.is_woken {
            state = self.came.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        state.is_woken = false;
    }

    /// How often it has been woken.
    pub fn system_calls(&self) -> usize {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).system_calls
    }
}
