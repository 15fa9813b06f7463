//! Plays a row on the simulated backend: no time passes, so what has not come by then never does.

use trijet::testing::{Settings, Sim};

use crate::{
    app,
    judge::Got,
    row::{Cut, Row, Step},
};

pub(crate) fn play(row: &Row, cut: Cut) -> Got {
    let longest = row.steps.iter().map(|step| match step {
        Step::Send(bytes) => bytes.len(),
        Step::Await(_) | Step::HalfClose => 0,
    });
    let default = Settings::default();
    let settings = Settings {
        limits: app::limits(),
        // No more than this is ever under way: byte by byte, in both directions.
        buffer_bytes: match cut {
            Cut::Whole => default.buffer_bytes,
            Cut::Bytes => cut.size(longest.max().unwrap_or(0)),
        },
        ..default
    };
    let sim = Sim::new(app::app(), settings);
    let peer = sim.connect();
    for step in &row.steps {
        match step {
            Step::Send(bytes) => peer.send(bytes),
            Step::Await(text) => peer.await_text(text),
            Step::HalfClose => peer.half_close(),
        };
    }
    peer.await_close().half_close();
    sim.settle();
    let fault = if peer.is_reset() {
        Some("the server reset the connection")
    } else if !peer.is_closed() {
        Some("the server did not end its direction")
    } else if !peer.is_done() {
        Some("not every step was taken")
    } else {
        None
    };
    Got { bytes: peer.received(), fault: fault.map(str::to_owned) }
}
