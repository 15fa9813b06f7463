//! A gate that handlers wait at, on a thread or in a future, until the test opens it.

use std::{
    future::poll_fn,
    sync::{Arc, Condvar, Mutex},
    task::{Poll, Waker},
};

use super::PATIENCE;

#[derive(Clone, Default)]
pub(crate) struct Gate(Arc<(Mutex<State>, Condvar)>);

#[derive(Default)]
struct State {
    open: bool,
    wakers: Vec<Waker>,
}

impl Gate {
    /// Lets everybody through, now and from now on.
    pub(crate) fn open(&self) {
        let (state, changed) = &*self.0;
        let wakers = {
            let mut state = state.lock().unwrap();
            state.open = true;
            std::mem::take(&mut state.wakers)
        };
        changed.notify_all();
        wakers.into_iter().for_each(Waker::wake);
    }

    /// Waits on this thread.
    pub(crate) fn wait(&self) {
        let (state, changed) = &*self.0;
        let state = state.lock().unwrap();
        let (_state, result) = changed.wait_timeout_while(state, PATIENCE, |state| !state.open).unwrap();
        assert!(!result.timed_out(), "the gate was never opened");
    }

    /// Waits without holding a thread.
    pub(crate) async fn opened(self) {
        poll_fn(|cx| {
            let mut state = self.0.0.lock().unwrap();
            if state.open {
                return Poll::Ready(());
            }
            state.wakers.push(cx.waker().clone());
            Poll::Pending
        })
        .await;
    }
}
