//! How a handler learns that its client has left: [`RequestExt::disconnected`] and the extractor
//! [`Disconnected`]. Nothing is watched, and nothing allocated, until somebody asks. It must never cancel
//! anything by itself: a client that has ended its direction may still wait for its answer.

use std::{
    convert::Infallible,
    fmt,
    pin::Pin,
    sync::{Arc, atomic::Ordering},
    task::{Context as TaskContext, Poll},
};

use http::request::Parts;

use crate::{
    FromRequestParts,
    extract::{Context, Needs},
    jobs,
    latch::{Latch, Listener},
};

/// What a request can be asked beside what it says.
pub trait RequestExt {
    /// Tells when the client of this request has left: see [`Disconnected`].
    ///
    /// Ask in the handler or in a middleware, and move the handle to where it is needed. On a thread or a
    /// task of your own the request has no connection, and neither has one that you made yourself: there
    /// the answer is a handle that never says so, with a warning in the log.
    fn disconnected(&self) -> Disconnected;
}

impl<B> RequestExt for http::Request<B> {
    fn disconnected(&self) -> Disconnected {
        here()
    }
}

/// Tells when the client has left: a flag, and a future. An extractor, and what
/// [`RequestExt::disconnected`] gives.
///
/// A handler whose client has left runs to its end, unless it looks here or its route has
/// [`cancel_on_disconnect`](crate::MethodRouter::cancel_on_disconnect). Clones can go to other threads and
/// tasks, and into the stream of the response.
///
/// - The client has left once it has closed or reset the connection. It is noticed soon after that, also
///   behind a body or requests that nobody has read yet (as long as the system can hold them: nothing is
///   read for this): while the handler runs or its response is being sent, and not before an `async fn`
///   has waited for something.
/// - **A client that only ends its direction looks the same** (`shutdown(SHUT_WR)`), and may still read its
///   answer. So this cancels nothing by itself, and the answer is sent in any case.
/// - Once the exchange is over, its client counts as gone: whoever still works for it works for nobody.
///
/// It costs nothing for requests that do not ask.
///
/// ```
/// use trijet_core::{Request, RequestExt, Router, extract::Disconnected, get};
///
/// /// A plain `fn` looks at the flag between two pieces of work.
/// fn search(client: Disconnected) -> String {
///     let mut found = 0;
///     for shelf in 0..1000 {
///         if client.is_disconnected() {
///             break;
///         }
///         found += shelf % 2;
///     }
///     format!("{found} found")
/// }
///
/// /// An `async fn` can wait for it, beside other things.
/// async fn subscribe(request: Request) {
///     // Nobody else ends this subscription.
///     request.disconnected().await;
/// }
///
/// let router = Router::new().route("/search", get(search)).route("/subscribe", get(subscribe));
/// # #[cfg(feature = "testing")] {
/// # use trijet_core::sim::{Settings, Sim};
/// # let sim = Sim::new(router, Settings::default());
/// # let peer = sim.connect();
/// # peer.send("GET /search HTTP/1.1\r\nHost: a\r\n\r\nGET /subscribe HTTP/1.1\r\nHost: a\r\n\r\n");
/// # sim.settle();
/// # assert!(peer.received_text().ends_with("500 found"));
/// # peer.half_close();
/// # sim.settle();
/// # assert_eq!(peer.received_text().matches("200 OK").count(), 2);
/// # }
/// ```
#[derive(Clone)]
pub struct Disconnected(Listener);

impl Disconnected {
    /// Whether the client has left. It does not wait.
    pub fn is_disconnected(&self) -> bool {
        self.0.is_told()
    }

    /// Of an exchange that is over.
    pub(crate) fn of_the_past() -> Self {
        Watch::default().handle()
    }

    /// Of no exchange: there is nobody who could leave.
    fn of_nobody() -> Self {
        Self(Arc::<Latch>::default().listener())
    }
}

/// Resolves when the client has left, and at the latest when the exchange is over.
impl Future for Disconnected {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut TaskContext<'_>) -> Poll<()> {
        Pin::new(&mut self.0).poll(cx)
    }
}

impl fmt::Debug for Disconnected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Disconnected").field(&self.is_disconnected()).finish()
    }
}

impl FromRequestParts for Disconnected {
    type Rejection = Infallible;

    const READS_HEAD: bool = false;

    async fn from_request_parts(_: &mut Parts, _: &Context) -> Result<Self, Infallible> {
        Ok(here())
    }

    fn declare(_: &mut Needs) {}
}

/// The handle of the exchange that this thread works for.
fn here() -> Disconnected {
    jobs::disconnected().unwrap_or_else(|| {
        log::warn!(
            "a request was asked for its client outside of the server: ask in the handler, and move the handle"
        );
        Disconnected::of_nobody()
    })
}

/// What a backend tells when the peer has left: [`Transport::watch_peer`](crate::Transport::watch_peer).
#[derive(Clone)]
pub struct PeerWatch(Arc<Latch>);

impl PeerWatch {
    /// Says that the peer has left. Once is enough, and any thread will do.
    pub fn tell(&self) {
        self.0.tell();
    }
}

impl fmt::Debug for PeerWatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("PeerWatch").field(&self.0.is_told()).finish()
    }
}

/// The driver's end, as long as the exchange lasts; with it, everybody is told. It waits too, at its own place.
pub(crate) struct Watch(PeerWatch, Option<usize>);

impl Default for Watch {
    fn default() -> Self {
        Self(PeerWatch(Arc::default()), None)
    }
}

impl Watch {
    pub(crate) fn handle(&self) -> Disconnected {
        Disconnected(self.0.0.listener())
    }

    pub(crate) fn peer(&self) -> &PeerWatch {
        &self.0
    }

    pub(crate) fn is_told(&self) -> bool {
        self.0.0.is_told()
    }

    /// Notes that what answers this exchange has panicked. It is kept here for want of another thing that lasts as long
    /// as the exchange and costs nothing until it is needed.
    pub(crate) fn note_panic(&self) {
        self.0.0.has_panicked.store(true, Ordering::Relaxed);
    }

    pub(crate) fn has_panicked(&self) -> bool {
        self.0.0.has_panicked.load(Ordering::Relaxed)
    }

    pub(crate) fn poll_told(&mut self, cx: &TaskContext<'_>) -> Poll<()> {
        let Self(PeerWatch(latch), place) = self;
        latch.poll(place, cx)
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.0.tell();
    }
}

#[cfg(test)]
mod tests {
    use std::{sync::atomic::AtomicUsize, task::Wake};

    use super::*;

    #[derive(Default)]
    struct Count(AtomicUsize);

    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn poll(handle: &mut Disconnected, waker: &Arc<Count>) -> Poll<()> {
        Pin::new(handle).poll(&mut TaskContext::from_waker(&waker.clone().into()))
    }

    #[test]
    fn each_handle_has_its_last_waker_woken_once() {
        let [first, second, third] = std::array::from_fn(|_| Arc::<Count>::default());
        let watch = Watch::default();
        let (mut one, mut two) = (watch.handle(), watch.handle());
        let mut gone = one.clone();
        assert!(poll(&mut one, &first).is_pending());
        for _ in 0..100 {
            assert!(poll(&mut one, &second).is_pending());
            assert!(poll(&mut two, &second).is_pending());
        }
        assert!(poll(&mut gone, &third).is_pending());
        drop(gone);
        assert_eq!(watch.0.0.wakers().len(), 2);
        assert!(!one.is_disconnected());

        watch.peer().clone().tell();
        watch.peer().tell();
        drop(watch);
        let woken = [&first, &second, &third].map(|count| count.0.load(Ordering::Relaxed));
        assert_eq!(woken, [0, 2, 0]);
        assert!(one.is_disconnected() && two.clone().is_disconnected());
        assert!(poll(&mut one, &first).is_ready() && poll(&mut one, &first).is_ready());
    }

    /// A latch of the whole server has a listener for each of its clients, and each is polled with every event: none is
    /// looked for among the others, as each keeps its place; and a place is used again.
    #[test]
    fn each_who_listens_keeps_a_place() {
        const COUNT: usize = 1000;
        let waker = Arc::<Count>::default();
        let watch = Watch::default();
        let mut handles: Vec<_> = (0..COUNT).map(|_| watch.handle()).collect();
        for _ in 0..3 {
            assert!(handles.iter_mut().all(|handle| poll(handle, &waker).is_pending()));
            assert_eq!(watch.0.0.wakers().places(), COUNT);
        }
        handles.drain(..COUNT / 2).for_each(drop);
        assert_eq!(watch.0.0.wakers().len(), COUNT / 2);
        for _ in 0..COUNT / 2 {
            let mut more = watch.handle();
            assert!(poll(&mut more, &waker).is_pending());
            handles.push(more);
        }
        assert_eq!(watch.0.0.wakers().places(), COUNT, "none has been added");
        drop(watch);
        assert!(handles.iter().all(Disconnected::is_disconnected));
        assert_eq!(waker.0.load(Ordering::Relaxed), COUNT);
    }

    #[test]
    fn a_waker_that_panics_keeps_nothing_from_the_others() {
        struct Bomb;
        impl Wake for Bomb {
            fn wake(self: Arc<Self>) {
                panic!("planted");
            }
        }
        let waker = Arc::<Count>::default();
        let watch = Watch::default();
        let (mut one, mut two) = (watch.handle(), watch.handle());
        assert!(Pin::new(&mut one).poll(&mut TaskContext::from_waker(&Arc::new(Bomb).into())).is_pending());
        assert!(poll(&mut two, &waker).is_pending());
        drop(watch);
        assert_eq!(waker.0.load(Ordering::Relaxed), 1);
    }

    #[test]
    fn the_end_of_the_exchange_tells() {
        let waker = Arc::<Count>::default();
        let watch = Watch::default();
        let mut handle = watch.handle();
        assert!(poll(&mut handle, &waker).is_pending());
        drop(watch);
        assert_eq!(waker.0.load(Ordering::Relaxed), 1);
        assert!(poll(&mut handle, &waker).is_ready());
        assert!(Disconnected::of_the_past().is_disconnected());
    }
}
