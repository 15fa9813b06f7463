//! An app whose handlers wait for a gate of the test's, and tell when they have been entered.

use std::sync::mpsc::{Receiver, channel};

use futures_util::{StreamExt, stream};
use trijet::{Body, Bytes, Router, get, post};

use super::gate::Gate;

pub(crate) struct Held {
    pub(crate) gate: Gate,
    pub(crate) entries: Receiver<()>,
    pub(crate) app: Router,
}

/// Routes that wait for a gate: before their answer, within it, as `fn` and as `async fn`.
pub(crate) fn held() -> Held {
    let gate = Gate::default();
    let (entered, entries) = channel();
    let hold = {
        let (entered, gate) = (entered.clone(), gate.clone());
        move || {
            let (entered, gate) = (entered.clone(), gate.clone());
            async move {
                entered.send(()).unwrap();
                gate.opened().await;
                "held"
            }
        }
    };
    let hold_fn = {
        let (entered, gate) = (entered.clone(), gate.clone());
        move || {
            entered.send(()).unwrap();
            gate.wait();
            "held"
        }
    };
    let hold_body = {
        let gate = gate.clone();
        move || {
            entered.send(()).unwrap();
            let opened = gate.clone().opened();
            let rest = stream::once(async move {
                opened.await;
                Ok::<_, std::io::Error>("ld")
            });
            std::future::ready(Body::from_stream(stream::iter([Ok("he")]).chain(rest)))
        }
    };
    let app = Router::new()
        .route("/", get(async || "hello"))
        .route("/fn", get(|| "hello"))
        .route("/bytes", post(async |body: Bytes| body))
        .route("/hold", get(hold))
        .route("/hold/fn", get(hold_fn))
        .route("/hold/body", get(hold_body));
    Held { gate, entries, app }
}
