//! Plays a row on the simulated backend: no time passes, so what has not come by then never does.

use trijet::testing::{Settings, Sim};

use crate::{
    app,
    judge::Got,
    row::{Cut, Row, Step},
};

pub(crate) fn play(row: &Row, cut: Cut) -> Got {
    let sim = Sim::new(app::app(), Settings { limits: app::limits(), ..Settings::default() });
    let peer = sim.connect();
    let mut awaited = 0;
    for step in &row.steps {
        match (step, cut) {
            (Step::Send(bytes), Cut::Whole) => _ = peer.send(bytes),
            (Step::Send(bytes), Cut::Bytes) => {
                for byte in bytes {
                    peer.send([*byte]);
                    sim.settle();
                }
            }
            (Step::Await(text), _) => {
                sim.settle();
                let received = peer.received();
                let found =
                    received[awaited..].windows(text.len()).position(|window| window == text.as_bytes());
                let Some(at) = found else {
                    return Got { bytes: received, fault: Some(format!("{text:?} never came")) };
                };
                awaited += at + text.len();
            }
            (Step::HalfClose, _) => _ = peer.half_close(),
        }
    }
    sim.settle();
    let fault = if peer.is_reset() {
        Some("the server reset the connection".to_owned())
    } else if !peer.is_closed() {
        Some("the server did not end its direction".to_owned())
    } else {
        None
    };
    Got { bytes: peer.received(), fault }
}
