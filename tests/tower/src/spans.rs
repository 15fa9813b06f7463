//! Whether a thread is within a span of tower-http: a subscriber that knows nothing else.

use std::{
    cell::Cell,
    sync::{
        Once,
        atomic::{AtomicU64, Ordering},
    },
};

use tracing::{Event, Metadata, Subscriber, span};

thread_local! {
    static DEPTH: Cell<u32> = const { Cell::new(0) };
}

/// From now on, in this process.
pub(crate) fn are_counted() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        tracing::subscriber::set_global_default(Counting).expect("there is no other subscriber")
    });
}

/// Whether this thread is within one now.
pub(crate) fn is_within() -> bool {
    DEPTH.get() > 0
}

struct Counting;

impl Subscriber for Counting {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.is_span() && metadata.target().starts_with("tower_http::trace")
    }

    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        span::Id::from_u64(NEXT.fetch_add(1, Ordering::Relaxed))
    }

    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}

    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}

    fn event(&self, _: &Event<'_>) {}

    fn enter(&self, _: &span::Id) {
        DEPTH.set(DEPTH.get() + 1);
    }

    fn exit(&self, _: &span::Id) {
        DEPTH.set(DEPTH.get() - 1);
    }
}
