//! Each golden exchange: as it is, cut anywhere, and under any schedule. The bytes are always the same.

use std::time::Duration;

use trijet_core::{
    Limits,
    sim::{Settings, Sim},
};

use crate::{
    app::{self, Choices},
    golden::Golden,
};

#[test]
fn golden_exchanges() {
    let all = Golden::all();
    assert!(all.len() >= 30, "only {} exchanges were found", all.len());
    for golden in all {
        golden.check(&golden.play(&app::sim(), []));
    }
}

/// Positions to cut at: all of them, or, of a long request, those near its ends and some between.
fn positions(len: usize) -> impl Iterator<Item = usize> {
    (1..len).filter(move |at| len < 1000 || *at < 200 || len - *at < 200 || at % 509 == 0)
}

#[test]
fn a_cut_changes_nothing() {
    for golden in Golden::all() {
        let sim = app::sim();
        for at in positions(golden.sent.len()) {
            assert_eq!(golden.play(&sim, [at]), golden.expected, "{} cut at {at}", golden.name);
        }
    }
}

#[test]
fn bytes_that_come_one_by_one_change_nothing() {
    for golden in Golden::all() {
        let answer = golden.play(&app::sim(), 1..golden.sent.len());
        assert_eq!(answer, golden.expected, "{}", golden.name);
    }
}

#[test]
fn no_schedule_changes_anything() {
    for golden in Golden::all() {
        for seed in 0..200 {
            let sim = app::seeded(&app::built(), seed, golden.sent.len());
            assert_eq!(golden.play(&sim, []), golden.expected, "{} with the seed {seed}", golden.name);
        }
    }
}

#[test]
fn the_shortest_turns_change_nothing() {
    let limits = Limits { turn_bytes_max: 1, turn_requests_max: 1, ..Limits::default() };
    let sim = Sim::with_app(app::built(), Settings { limits, ..Settings::default() });
    for golden in Golden::all() {
        let middle = golden.sent.len() / 2;
        assert_eq!(golden.play(&sim, [middle]), golden.expected, "{}", golden.name);
    }
}

#[test]
fn calls_that_block_change_nothing() {
    let settings = Settings { tick: Duration::from_millis(20), ..Settings::default() };
    let sim = Sim::with_app(app::built(), settings);
    for golden in Golden::all() {
        // Time passes within a read: what takes its time here would take too long.
        let cuts = golden.sent.len().min(400);
        assert_eq!(golden.play(&sim, 1..cuts), golden.expected, "{}", golden.name);
    }
}

/// Damages what is sent, as noise on the line or an attacker would.
fn damage(golden: &mut Golden, choices: &mut Choices) {
    const WORDS: [&[u8]; 12] = [
        b"\r\n",
        b"\n",
        b"\r",
        b" ",
        b":",
        b"0",
        b"\0",
        b"\xff",
        b"close",
        b"GET / HTTP/1.1\r\nHost: a\r\n\r\n",
        b"Content-Length: 3\r\n",
        b"Transfer-Encoding: chunked\r\n",
    ];
    for _ in 0..=choices.below(3) {
        let at = choices.below(golden.sent.len());
        let end = (at + choices.below(4)).min(golden.sent.len());
        golden.sent.splice(at..end, WORDS[choices.below(WORDS.len())].iter().copied());
    }
}

#[test]
fn a_cut_changes_nothing_of_what_is_damaged_either() {
    let mut statuses = std::collections::BTreeMap::<String, usize>::new();
    let all = Golden::short();
    for seed in 0..3000 {
        let mut choices = Choices(seed);
        let mut golden = all[choices.below(all.len())].clone();
        damage(&mut golden, &mut choices);
        let whole = golden.play(&app::sim(), []);
        for status in whole.lines.split("HTTP/1.1 ").skip(1) {
            *statuses.entry(status[..3].to_owned()).or_default() += 1;
        }
        let text = golden.sent.escape_ascii();
        let cut = 1 + choices.below(golden.sent.len().max(2) - 1);
        assert_eq!(golden.play(&app::sim(), [cut]), whole, "seed {seed} cut at {cut}: {text}");
        let sim = app::seeded(&app::built(), seed, 100);
        assert_eq!(golden.play(&sim, []), whole, "seed {seed}, scheduled: {text}");
    }
    // What is damaged is still of all kinds.
    for status in ["200", "400", "404", "413", "501"] {
        assert!(statuses.get(status).is_some_and(|count| *count >= 10), "{status} is rare: {statuses:?}");
    }
}

#[test]
fn exchanges_at_the_same_time_change_nothing_of_each_other() {
    for seed in 0..20 {
        let sim = app::seeded(&app::built(), seed, 1 << 20);
        let played: Vec<_> = Golden::all()
            .into_iter()
            .filter(|golden| golden.waits.is_zero())
            .map(|g| (g.begin(&sim), g))
            .collect();
        sim.settle();
        for (peer, golden) in played {
            assert_eq!(golden.answer(&peer), golden.expected, "{} with the seed {seed}", golden.name);
        }
    }
}
