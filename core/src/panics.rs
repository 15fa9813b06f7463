//! Panics of what the app wrote: contained, and told to the log in one line. Their text must never reach a peer.

use std::{
    any::Any,
    ops::{Deref, DerefMut},
    panic::{AssertUnwindSafe, catch_unwind},
};

/// What was called panicked; the log says how.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Panicked;

/// Runs `call`, which is the app's or holds what is the app's.
#[inline]
pub(crate) fn contained<R>(call: impl FnOnce() -> R) -> Result<R, Panicked> {
    catch_unwind(AssertUnwindSafe(call)).map_err(tell)
}

/// Tells the log. Apart, since the above is there once for each of its many calls.
#[cold]
fn tell(panic: Box<dyn Any + Send>) -> Panicked {
    let text = text(&*panic);
    match advice(text) {
        Some(advice) => log::error!("a handler or body panicked: {text}. {advice}"),
        None => log::error!("a handler or body panicked: {text}"),
    }
    // What was thrown may have a destructor that panics too.
    if let Err(again) = catch_unwind(AssertUnwindSafe(|| drop(panic))) {
        std::mem::forget(again);
    }
    Panicked
}

/// Drops `value`, whose destructor is the app's.
// One function for each type, which is called: inlined it was in each of the many places that drop a response.
#[inline(never)]
pub(crate) fn drop_contained<V>(value: V) {
    let _ = contained(|| drop(value));
}

/// What the app wrote, and drops: a panic of its destructor costs a log line, whenever that is.
pub(crate) struct Held<V>(Option<V>);

impl<V> Held<V> {
    pub(crate) fn new(value: V) -> Self {
        Self(Some(value))
    }

    pub(crate) fn into_inner(mut self) -> V {
        self.0.take().unwrap_or_else(|| unreachable!("it is empty only while it is dropped"))
    }
}

impl<V> Deref for Held<V> {
    type Target = V;

    fn deref(&self) -> &V {
        self.0.as_ref().unwrap_or_else(|| unreachable!("it is empty only while it is dropped"))
    }
}

impl<V> DerefMut for Held<V> {
    fn deref_mut(&mut self) -> &mut V {
        self.0.as_mut().unwrap_or_else(|| unreachable!("it is empty only while it is dropped"))
    }
}

impl<V> Drop for Held<V> {
    fn drop(&mut self) {
        if let Some(value) = self.0.take() {
            drop_contained(value);
        }
    }
}

fn text(panic: &(dyn Any + Send)) -> &str {
    panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("no text")
}

/// What to do about a panic whose cause is known.
fn advice(text: &str) -> Option<&'static str> {
    // What Tokio says where a future of its own, or its `Handle::current`, finds no runtime.
    text.contains("Tokio 1.x runtime").then_some(
        "This needs a Tokio runtime, and this thread is in none: enable the feature `tokio-context` of trijet, serve \
         the app on the Tokio backend (feature `tokio`, or TRIJET_BACKEND=tokio), or enter a runtime of your own",
    )
}

#[cfg(test)]
mod tests {
    use std::{
        pin::pin,
        sync::Arc,
        task::{Context, Waker},
    };

    use super::*;
    use crate::{Body, ambient, exercise::logged};

    #[test]
    fn what_is_thrown_may_panic_once_more() {
        struct Bomb(u32);
        impl Drop for Bomb {
            fn drop(&mut self) {
                if self.0 > 0 {
                    std::panic::panic_any(Bomb(self.0 - 1));
                }
            }
        }
        assert_eq!(contained(|| std::panic::panic_any(Bomb(2))), Err::<(), _>(Panicked));
    }

    /// Were one of them to go while the panic of the other unwinds, the process would end.
    #[test]
    fn what_a_response_holds_panics_each_for_itself() {
        struct Bomb(u32);
        impl Drop for Bomb {
            fn drop(&mut self) {
                panic!("planted {}", self.0);
            }
        }
        fn iterator(at_once: bool) -> impl Iterator<Item = std::io::Result<&'static str>> + Send {
            let bomb = Bomb(2);
            std::iter::repeat_with(move || {
                let _held = &bomb;
                assert!(!at_once, "planted 1");
                Ok("piece")
            })
        }
        logged();
        let mut response = crate::Response::new(Body::from_iter(iterator(false)));
        response.extensions_mut().insert(Arc::new(Bomb(1)));
        drop_contained(response);
        assert_eq!(planted(), [2, 1], "the one within, then what unwinds");

        let mut body = Body::from_iter(iterator(true));
        let mut collected = ambient::Collected::default();
        let mut cx = Context::from_waker(Waker::noop());
        assert!(ambient::enter_driver(&mut collected, || pin!(body.next()).poll(&mut cx)).is_pending());
        collected.jobs.pop().unwrap().run(None);
        assert_eq!(planted(), [2, 1]);
    }

    /// Which of the planted panics have been told, in order.
    fn planted() -> Vec<u32> {
        let lines = logged();
        lines.iter().filter_map(|line| line.split("planted ").nth(1)?.parse().ok()).collect()
    }

    #[test]
    fn a_missing_tokio_runtime_is_one_line_that_says_what_to_do() {
        logged();
        let text = "there is no reactor running, must be called from the context of a Tokio 1.x runtime";
        assert_eq!(contained(|| panic!("{text}")), Err::<(), _>(Panicked));
        let [line] = &logged()[..] else { panic!("one line") };
        for said in [text, "`tokio-context`", "TRIJET_BACKEND=tokio"] {
            assert!(line.contains(said), "{line}");
        }
    }
}
