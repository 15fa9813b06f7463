//! The request body between the handler, which asks for it, and the driver, which alone reads the
//! connection. One frame at most stands here at a time, and none that was not asked for.

use std::{
    sync::{Arc, PoisonError},
    task::{Context, Poll, Waker},
};

use bytes::Bytes;
use http_body::{Frame, SizeHint};

use super::BodyError;
use crate::sync::{Mutex, MutexGuard};

/// The two ends for one request whose body has `length` bytes, where that is declared.
pub(crate) fn incoming(length: Option<u64>) -> (Source, Incoming) {
    let slot = Arc::new(Mutex::new(Slot { length, ..Slot::default() }));
    (Source(slot.clone()), Incoming(slot))
}

#[derive(Default)]
struct Slot {
    /// Bytes not yet delivered, where the length was declared.
    length: Option<u64>,
    demand: Demand,
    reader: Option<Waker>,
    driver: Option<Waker>,
    /// The driver's end is gone: what is asked from now on is not answered.
    is_over: bool,
}

#[derive(Default)]
enum Demand {
    /// The reader has not asked.
    #[default]
    None,
    /// It asked and waits.
    Asked,
    /// Its answer is here.
    Answered(Result<Frame<Bytes>, BodyError>),
    /// No more will come.
    Ended,
    /// Nobody will read any more.
    Dropped,
}

fn lock(slot: &Mutex<Slot>) -> MutexGuard<'_, Slot> {
    // No user code runs under this lock, so a poisoned one is still consistent.
    slot.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The reader's end, inside a [`Body`](super::Body).
pub(crate) struct Incoming(Arc<Mutex<Slot>>);

impl Incoming {
    pub(super) fn poll_frame(&self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let mut slot = lock(&self.0);
        match std::mem::take(&mut slot.demand) {
            Demand::Answered(frame) => {
                if frame.is_err() {
                    slot.demand = Demand::Ended;
                }
                Poll::Ready(Some(frame))
            }
            Demand::Ended | Demand::Dropped => {
                slot.demand = Demand::Ended;
                Poll::Ready(None)
            }
            Demand::None | Demand::Asked if slot.is_over => {
                slot.demand = Demand::Ended;
                Poll::Ready(Some(Err(BodyError::Finished)))
            }
            Demand::None | Demand::Asked => {
                slot.demand = Demand::Asked;
                store(&mut slot.reader, cx.waker());
                let driver = slot.driver.take();
                drop(slot);
                if let Some(driver) = driver {
                    driver.wake();
                }
                Poll::Pending
            }
        }
    }

    pub(super) fn size_hint(&self) -> SizeHint {
        lock(&self.0).length.map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}

impl Drop for Incoming {
    fn drop(&mut self) {
        let mut slot = lock(&self.0);
        slot.demand = Demand::Dropped;
        // The driver waits for no word of this: it reads for those who ask, and need not be woken.
        let wakers = (slot.reader.take(), slot.driver.take());
        drop(slot);
        drop(wakers);
    }
}

/// The driver's end.
pub(crate) struct Source(Arc<Mutex<Slot>>);

impl Source {
    /// Whether the reader waits for a frame now; else the driver is woken once it does.
    pub(crate) fn is_wanted(&self, cx: &Context<'_>) -> bool {
        let mut slot = lock(&self.0);
        match slot.demand {
            Demand::Asked => true,
            Demand::None | Demand::Answered(_) => {
                store(&mut slot.driver, cx.waker());
                false
            }
            Demand::Ended | Demand::Dropped => false,
        }
    }

    /// Whether somebody may still ask.
    pub(crate) fn has_reader(&self) -> bool {
        !matches!(lock(&self.0).demand, Demand::Ended | Demand::Dropped)
    }

    /// Answers the reader. It is woken, unless by the waker of `cx`: that is the driver's, which polls its handler, or the
    /// body of its response, again behind this, or as soon as it may.
    pub(crate) fn deliver(&self, cx: &Context<'_>, frame: Result<Frame<Bytes>, BodyError>) {
        let mut slot = lock(&self.0);
        let data = frame.as_ref().ok().and_then(Frame::data_ref);
        if let (Some(length), Some(data)) = (&mut slot.length, data) {
            *length = length.saturating_sub(data.len() as u64);
        }
        answer(cx, slot, Demand::Answered(frame));
    }

    /// Tells the reader that the body is complete, as [`deliver`](Self::deliver) does.
    pub(crate) fn end(&self, cx: &Context<'_>) {
        answer(cx, lock(&self.0), Demand::Ended);
    }
}

fn answer(cx: &Context<'_>, mut slot: MutexGuard<'_, Slot>, answer: Demand) {
    if matches!(slot.demand, Demand::Dropped | Demand::Ended) {
        return;
    }
    slot.demand = answer;
    let reader = slot.reader.take();
    drop(slot);
    // Most handlers are polled by the driver itself: to wake it was another round of the event loop.
    if let Some(reader) = reader.filter(|reader| !reader.will_wake(cx.waker())) {
        reader.wake();
    }
}

impl Drop for Source {
    fn drop(&mut self) {
        // A frame that is already there is still the reader's.
        let reader = {
            let mut slot = lock(&self.0);
            slot.is_over = true;
            slot.reader.take()
        };
        if let Some(reader) = reader {
            reader.wake();
        }
    }
}

fn store(place: &mut Option<Waker>, waker: &Waker) {
    match place {
        Some(stored) => stored.clone_from(waker),
        none => *none = Some(waker.clone()),
    }
}

#[cfg(all(test, trijet_loom))]
mod models;

#[cfg(all(test, not(trijet_loom)))]
mod tests {
    use std::{
        sync::atomic::{AtomicBool, Ordering},
        task::Wake,
    };

    use super::*;

    /// Who polls its reader by itself need not wake anybody for that; who waits elsewhere is woken.
    #[test]
    fn who_delivers_wakes_others_alone() {
        #[derive(Default)]
        struct Woken(AtomicBool);
        impl Wake for Woken {
            fn wake(self: Arc<Self>) {
                self.0.store(true, Ordering::Relaxed);
            }
        }
        let woken = Arc::new(Woken::default());
        let waker = Waker::from(woken.clone());
        let (mut own, other) = (Context::from_waker(&waker), Context::from_waker(Waker::noop()));
        for (driver, is_woken) in [(Context::from_waker(&waker), false), (other, true)] {
            for ends in [false, true] {
                let (source, incoming) = incoming(None);
                assert!(incoming.poll_frame(&mut own).is_pending());
                if ends {
                    source.end(&driver);
                } else {
                    source.deliver(&driver, Ok(Frame::data(Bytes::from_static(b"data"))));
                }
                assert_eq!(woken.0.swap(false, Ordering::Relaxed), is_woken, "{ends}");
                assert!(incoming.poll_frame(&mut own).is_ready());
                drop(source);
                assert!(!woken.0.load(Ordering::Relaxed), "nobody waits");
            }
        }
    }

    /// A reader that outlives its exchange is told so, also where the exchange left it a frame.
    #[test]
    fn nothing_is_awaited_from_an_exchange_that_is_over() {
        let mut cx = Context::from_waker(Waker::noop());
        for is_answered in [false, true] {
            let (source, incoming) = incoming(None);
            assert!(incoming.poll_frame(&mut cx).is_pending());
            if is_answered {
                source.deliver(&cx, Ok(Frame::data(Bytes::from_static(b"last"))));
            }
            drop(source);
            if is_answered {
                assert!(matches!(incoming.poll_frame(&mut cx), Poll::Ready(Some(Ok(_)))));
            }
            assert!(matches!(incoming.poll_frame(&mut cx), Poll::Ready(Some(Err(BodyError::Finished)))));
            assert!(matches!(incoming.poll_frame(&mut cx), Poll::Ready(None)));
        }
    }
}
