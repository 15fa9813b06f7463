//! A waker, and a place to sleep until it is called.

use std::{sync::Arc, task::Wake};

use crate::{Condvar, Mutex};

/// Whoever sleeps here is woken by it as a waker. A call before the sleep counts.
#[derive(Default)]
pub struct Sleeper {
    woken: Mutex<bool>,
    changed: Condvar,
}

impl Sleeper {
    /// Sleeps until the next call that no sleep has taken yet.
    pub fn sleep(&self) {
        let mut woken = self.woken.lock().unwrap();
        while !*woken {
            woken = self.changed.wait(woken).unwrap();
        }
        *woken = false;
    }
}

impl Wake for Sleeper {
    fn wake(self: Arc<Self>) {
        *self.woken.lock().unwrap() = true;
        self.changed.notify_one();
    }
}
