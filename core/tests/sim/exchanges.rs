//! Each golden exchange: as it is, cut anywhere, and under any schedule. The bytes are always the same.

use crate::{app, golden::Golden};

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
