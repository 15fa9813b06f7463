//! The same bytes, in order and whole, under a seeded schedule, and cut: the client receives the same
//! bytes and the same end. The app is that of `tests/differential`, the backend the simulated one; the real
//! ones have `tests/differential` and the fuzz target `backends`.

use std::{
    sync::{Arc, LazyLock},
    time::Duration,
};

use trijet_core::{
    App,
    sim::{Schedule, Settings, Sim},
};

use super::Choices;

#[path = "../differential/app.rs"]
mod app;

static APP: LazyLock<Arc<App>> =
    LazyLock::new(|| Arc::new(app::app().build().expect("a router without faults")));

pub fn check(bytes: &[u8]) {
    let mut choices = Choices::of(bytes);
    let expected = play(bytes, &[], Settings::default());
    let seeded = |seed, buffer_bytes| Settings {
        schedule: Schedule::Seeded(seed),
        buffer_bytes,
        ..Settings::default()
    };
    let narrow = if bytes.len() < 2000 { 100 } else { 4096 };
    let cuts = choices.cuts(bytes.len(), 6);
    for (cuts, settings) in [
        (&cuts[..], Settings::default()),
        (&[][..], seeded(choices.next(), 64 << 10)),
        (&cuts[..], seeded(choices.next(), narrow)),
    ] {
        let schedule = settings.schedule;
        let given = play(bytes, cuts, settings);
        assert!(
            given == expected,
            "{} cut at {cuts:?}, {schedule:?}:\n{}\n{}",
            bytes.escape_ascii(),
            expected.escape_ascii(),
            given.escape_ascii()
        );
    }
}

/// Everything that the client received until the server closed.
fn play(bytes: &[u8], cuts: &[usize], settings: Settings) -> Vec<u8> {
    let sim = Sim::with_app(APP.clone(), settings);
    let peer = sim.connect();
    let mut start = 0;
    for &cut in cuts {
        // Time passes only once nothing else can happen.
        peer.send(&bytes[start..cut]).wait(Duration::from_nanos(1));
        start = cut;
    }
    peer.send(&bytes[start..]).half_close();
    sim.run();
    assert!(sim.close_reason(&peer).is_some(), "no end: {}", bytes.escape_ascii());
    peer.received()
}
