//! A response that comes later, from any thread: [`Deferred`]. It must never be lost: whatever becomes of the one who
//! owes it, there is an answer.

use std::{
    fmt,
    future::poll_fn,
    sync::{Arc, PoisonError},
    task::{Context, Poll, Waker},
    time::Duration,
};

use http::{HeaderMap, StatusCode, response::Parts};

use super::{IntoResponse, append_field, internal_error, sentence};
use crate::{
    BoxFuture, Response,
    panics::drop_contained,
    rt, runtime,
    sync::{Mutex, MutexGuard},
};

/// What a handler returns when the answer will come from somewhere else: a callback, another thread, a queue.
///
/// [`new`](Self::new) gives it together with a [`Reply`], which is sent off to wherever the answer is made. The
/// connection waits, and so does what stands around the handler: middleware sees the answer, not the promise of it.
/// Status and headers that a tuple puts before it are added to the answer, but not to an error in its place.
///
/// An `async fn` that can await its answer has no need of this.
///
/// On mio and Tokio no thread waits for the answer. On threaded one does: a pending answer holds its request thread, as
/// any handler that waits, and counts towards [`Limits::blocking_threads_max`](crate::Limits::blocking_threads_max).
///
/// ```
/// use std::{thread, time::Duration};
/// use trijet_core::{respond::Deferred, Router, get};
///
/// /// Some library that calls back.
/// fn query(question: &str, callback: impl FnOnce(String) + Send + 'static) {
///     let answer = format!("the answer to {question}");
///     thread::spawn(move || callback(answer));
/// }
///
/// fn handler() -> Deferred {
///     let (reply, deferred) = Deferred::new(Duration::from_secs(5));
///     query("everything", move |answer| reply.send(answer));
///     deferred
/// }
/// let router = Router::new().route("/", get(handler));
/// # #[cfg(feature = "testing")]
/// assert_eq!(trijet_core::sim::TestClient::new(router).get("/").send().text(), "the answer to everything");
/// ```
#[must_use = "it is the response: return it from the handler"]
pub struct Deferred(Promised);

impl Deferred {
    /// A response that is to come within `deadline`, from when the handler has returned, and the [`Reply`] that it will
    /// be sent by. If it does not come in time, the answer is 504 (Gateway Timeout); if the reply is dropped, by a
    /// panic for example, it is 500.
    pub fn new(deadline: Duration) -> (Reply, Self) {
        let slot = Arc::new(Slot(Mutex::new(State { phase: Phase::Owed, waker: None })));
        (Reply(slot.clone()), Self(Promised { slot, deadline, wait: awaited }))
    }
}

impl IntoResponse for Deferred {
    fn into_response(self) -> Response {
        // Stands for the answer until that is there; if nobody waited for it, this would be the answer.
        let mut placeholder = internal_error();
        *placeholder.status_mut() = unsaid();
        placeholder.headers_mut().clear();
        placeholder.extensions_mut().insert(Arc::new(Mutex::new(Some(self.0))));
        placeholder
    }
}

/// The status of a placeholder of which no other was said.
fn unsaid() -> StatusCode {
    StatusCode::from_u16(599).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}

impl fmt::Debug for Deferred {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Deferred").field("deadline", &self.0.deadline).finish_non_exhaustive()
    }
}

/// Sends the response of a [`Deferred`], from any thread. Dropped without, it is answered with 500.
#[must_use = "dropping it answers 500"]
pub struct Reply(Arc<Slot>);

impl Reply {
    /// Answers with `response`. If nobody waits any more, it is dropped.
    pub fn send(self, response: impl IntoResponse) {
        self.0.settle(Phase::Sent(response.into_response()));
    }

    /// Whether somebody still waits for it: not once the deadline is over, or the request was given up. Who has much to
    /// do for an answer may look now and then.
    pub fn is_wanted(&self) -> bool {
        matches!(self.0.lock().phase, Phase::Owed)
    }
}

impl Drop for Reply {
    fn drop(&mut self) {
        self.0.settle(Phase::Dropped);
    }
}

impl fmt::Debug for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reply").finish_non_exhaustive()
    }
}

/// What is between the one who answers and the one who waits.
struct Slot(Mutex<State>);

struct State {
    phase: Phase,
    waker: Option<Waker>,
}

enum Phase {
    Owed,
    Sent(Response),
    Dropped,
    /// Nobody waits any more.
    Over,
}

impl Slot {
    fn lock(&self) -> MutexGuard<'_, State> {
        // No user code runs under this lock, so a poisoned one is still consistent.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes what is owed into `phase`, and wakes who waits. Later changes are nothing.
    fn settle(&self, phase: Phase) {
        let mut state = self.lock();
        if !matches!(state.phase, Phase::Owed) {
            drop(state);
            drop(phase);
            return;
        }
        state.phase = phase;
        let waker = state.waker.take();
        drop(state);
        if let Some(waker) = waker {
            runtime::wake(waker);
        }
    }

    fn poll(&self, cx: &Context<'_>) -> Poll<Phase> {
        // Cloned and dropped without the lock: it may be the app's own.
        let mut waker = Some(cx.waker().clone());
        let mut state = self.lock();
        if !matches!(state.phase, Phase::Owed) {
            return Poll::Ready(std::mem::replace(&mut state.phase, Phase::Over));
        }
        std::mem::swap(&mut state.waker, &mut waker);
        Poll::Pending
    }
}

/// The waiting side.
pub(super) struct Promised {
    slot: Arc<Slot>,
    deadline: Duration,
    /// [`awaited`]. It comes along, so that a program that defers nothing has none of it.
    wait: fn(Self, Response) -> BoxFuture<Response>,
}

/// As the extension of a response that stands for another: responses' extensions have to be `Clone`.
type Extension = Arc<Mutex<Option<Promised>>>;

impl Drop for Promised {
    fn drop(&mut self) {
        let (phase, waker) = {
            let mut state = self.slot.lock();
            (std::mem::replace(&mut state.phase, Phase::Over), state.waker.take())
        };
        drop_contained(phase);
        drop(waker);
    }
}

impl Promised {
    /// As [`settled`], of what `placeholder` is known to stand for.
    pub(super) fn wait_for(self, placeholder: Response) -> BoxFuture<Response> {
        (self.wait)(self, placeholder)
    }

    /// The answer, or what stands in for it: nothing that was said of the former belongs to the latter.
    async fn response(self) -> Result<Response, Response> {
        let phase = match rt::deadline(self.deadline, poll_fn(|cx| self.slot.poll(cx))).await {
            Ok(phase) => phase,
            // It may have come just now.
            Err(_) => std::mem::replace(&mut self.slot.lock().phase, Phase::Over),
        };
        match phase {
            Phase::Sent(response) => Ok(response),
            Phase::Owed => Err(sentence(StatusCode::GATEWAY_TIMEOUT, "The answer did not come in time.")),
            Phase::Dropped | Phase::Over => {
                log::error!("the reply of a deferred response was dropped without an answer: 500 is sent");
                Err(internal_error())
            }
        }
    }
}

/// What `response` stands for, if it stands for another.
pub(super) fn promised(response: &Response) -> Option<Promised> {
    if response.extensions().is_empty() {
        return None;
    }
    let extension = response.extensions().get::<Extension>()?;
    extension.lock().unwrap_or_else(PoisonError::into_inner).take()
}

/// Waits for what `response` stands for, if it stands for another.
pub(super) async fn settled(response: Response) -> Response {
    match promised(&response) {
        None => response,
        Some(promised) => promised.wait_for(response).await,
    }
}

fn awaited(promised: Promised, placeholder: Response) -> BoxFuture<Response> {
    Box::pin(completed(promised, placeholder))
}

/// Waits for the response that `placeholder` stands for, which may be a placeholder itself, and adds what was said of it.
async fn completed(mut promised: Promised, placeholder: Response) -> Response {
    // The outermost first.
    let mut said = vec![said_by(placeholder)];
    let mut response = loop {
        let response = match promised.response().await {
            Ok(response) => response,
            Err(instead) => return instead,
        };
        match self::promised(&response) {
            Some(next) => promised = next,
            None => break response,
        }
        said.push(said_by(response));
    };
    for (status, fields) in said.iter().rev() {
        if *status != unsaid() {
            *response.status_mut() = *status;
        }
        let headers = response.headers_mut();
        for name in fields.keys() {
            headers.remove(name);
        }
        for (name, value) in fields {
            append_field(headers, name.clone(), value.clone());
        }
    }
    response
}

/// What a placeholder says of the response. Nothing else of it is kept: what of the app's is in it could panic when it is
/// dropped, beside that of another.
fn said_by(placeholder: Response) -> (StatusCode, HeaderMap) {
    let (Parts { status, headers, extensions, .. }, body) = placeholder.into_parts();
    drop_contained(body);
    drop_contained(extensions);
    (status, headers)
}

#[cfg(all(test, trijet_loom))]
mod models;

#[cfg(all(test, feature = "testing", not(trijet_loom)))]
mod tests {
    use super::*;
    use crate::{
        Router,
        exercise::logged,
        get, inline,
        sim::{TestClient, TestResponse},
    };

    /// Stands for what is there already.
    fn ready(response: impl IntoResponse) -> Deferred {
        let (reply, deferred) = Deferred::new(Duration::from_secs(600));
        reply.send(response);
        deferred
    }

    fn answer<R: IntoResponse + 'static>(
        handler: impl Fn() -> R + Clone + Send + Sync + 'static,
    ) -> TestResponse {
        TestClient::new(Router::new().route("/", get(inline(handler)))).get("/").send()
    }

    /// Of what stands for others, the outermost says most.
    #[test]
    fn what_is_said_along_a_chain_is_added_from_its_end() {
        let last = || ready((StatusCode::OK, [("x", "0"), ("zero", "0")], "at last"));
        let middle = move || ready((StatusCode::CREATED, [("x", "1"), ("one", "1")], last()));
        let answer = answer(move || (StatusCode::ACCEPTED, [("x", "2"), ("two", "2")], middle()));
        assert_eq!((answer.status.as_u16(), answer.text()), (202, "at last"));
        let said = ["x", "zero", "one", "two"].map(|name| answer.header(name));
        assert_eq!(said, [Some("2"), Some("0"), Some("1"), Some("2")]);
        assert_eq!(answer.headers.get_all("x").iter().count(), 1);
    }

    #[test]
    fn nothing_that_was_said_belongs_to_an_error() {
        let dropped = || Deferred::new(Duration::from_secs(600)).1;
        let middle = move || ready((StatusCode::CREATED, [("one", "1")], dropped()));
        let answer = answer(move || (StatusCode::ACCEPTED, [("two", "2")], middle()));
        let said = (answer.status.as_u16(), answer.header("one"), answer.header("two"));
        assert_eq!(said, (500, None, None));
    }

    /// Were one to go while the panic of the other unwinds, the process would end.
    #[test]
    fn what_placeholders_hold_panics_each_for_itself() {
        struct Bomb;
        impl Drop for Bomb {
            fn drop(&mut self) {
                panic!("planted");
            }
        }
        fn armed(response: impl IntoResponse) -> Response {
            let mut response = response.into_response();
            response.extensions_mut().insert(Arc::new(Bomb));
            response
        }
        logged();
        let answer = answer(|| armed(ready(armed(ready("at last")))));
        assert_eq!((answer.status.as_u16(), answer.text()), (200, "at last"));
        assert_eq!(logged().iter().filter(|line| line.contains("planted")).count(), 2);
    }
}
