//! The ends of threads in every order: `just loom`. A change that is missed is a deadlock, which loom reports.

use trijet_loom::{model, thread};

use super::*;

fn ends() -> (Arc<Life>, Ends) {
    let life = Arc::new(Life::new(Duration::from_secs(600)));
    let ends = Ends::new(&life);
    (life, ends)
}

#[test]
fn all_ends_are_told_whenever_the_stop_comes() {
    model(|| {
        let (life, ends) = ends();
        let endings = [ends.of(0), ends.of(1)];
        let threads = endings.map(|ending| thread::spawn(move || drop(ending)));
        let stop = thread::spawn(move || life.shutdown());
        let mut ended = ends.wait(2, "threads");
        ended.sort_unstable();
        assert_eq!(ended, [0, 1]);
        threads.into_iter().chain([stop]).for_each(|thread| thread.join().unwrap());
    });
}

/// The stop is noticed at any moment of the wait, or that would have no end.
#[test]
fn a_thread_that_never_ends_is_left_behind() {
    model(|| {
        let (life, ends) = ends();
        let _held = ends.of(0);
        let stop = thread::spawn(move || life.shutdown_now());
        assert!(ends.wait(1, "threads").is_empty());
        stop.join().unwrap();
    });
}
