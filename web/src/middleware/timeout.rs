//! [`Timeout`]: an answer in time, or an error in its place. It must never wait for what it has given up. Where a
//! layer outside of it blocks, it cannot give up a plain `fn`: its docs say so.

use std::time::Duration;

use http::StatusCode;
use trijet_core::{Next, Request, extract::Needs, middleware::Middleware, respond::Answer, rt};

use super::{Provided, fields::sentence};

/// Gives all that is inside so much time to make its response, else answers 503, or 504.
///
/// What is inside is dropped then, wherever it waits: an `async fn` and what it has begun, and a plain `fn` that
/// still waits for a thread, which then never runs. A plain `fn` that runs cannot be stopped: the client is
/// answered all the same, its result is dropped, and its thread is free when it returns. It can look at
/// [`Disconnected`](trijet_core::extract::Disconnected), which tells it that nobody waits.
///
/// **No `fn` middleware may stand outside of it**: that runs all that is inside on its own thread, so a plain `fn` in
/// there, be it a handler or another layer, runs in place, and holds up this timeout until it returns. Its answer is
/// sent then, however late. Only what waits in an `async fn` is cut there. So write a layer that stands outside as an
/// `async fn`, or wrap the timeout around it.
///
/// The time ends with the response's head: for a body that streams there are the server's limits of progress. Time in
/// queues counts, where they are inside.
///
/// ```
/// use std::time::Duration;
/// use trijet_core::{Router, get, rt};
/// use trijet_web::middleware::Timeout;
///
/// async fn slow() { rt::sleep(Duration::from_secs(60)).await }
///
/// let app = Router::new().route("/", get(slow)).wrap(Timeout::new(Duration::from_secs(5)));
/// assert_eq!(trijet_core::sim::TestClient::new(app).get("/").send().status, 503);
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Timeout {
    time: Duration,
    status: StatusCode,
}

impl Timeout {
    /// Answers 503 (RFC 9110 §15.6.4) once `time` is over.
    pub fn new(time: Duration) -> Self {
        Self { time, status: StatusCode::SERVICE_UNAVAILABLE }
    }

    /// Answers 504 (RFC 9110 §15.6.5) in its place: for routes that ask others.
    #[must_use]
    pub fn gateway(mut self) -> Self {
        self.status = StatusCode::GATEWAY_TIMEOUT;
        self
    }
}

impl Middleware<Provided> for Timeout {
    async fn call(self, request: Request, next: Next) -> Answer {
        let in_time = rt::timeout(self.time, next.run(request)).await;
        in_time.unwrap_or_else(|_| sentence(self.status, "The answer took too long.")).into()
    }

    fn declare(_: &mut Needs) {}
}
