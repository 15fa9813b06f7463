//! Runs a model in every order that its threads can come in.

use std::{
    any::type_name,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Instant,
};

use crate::thread;

/// How often a thread is interrupted where it could have gone on, unless `LOOM_MAX_PREEMPTIONS` says more: nearly
/// every known fault needs two at most, and each further one multiplies the executions.
const PREEMPTIONS_MAX: usize = 3;

/// Runs `run` in every order, and prints how many there were.
///
/// # Panics
/// As [`model_within`].
pub fn model<F: Fn() + Send + Sync + 'static>(run: F) {
    model_within(PREEMPTIONS_MAX, run);
}

/// As [`model`], where so many preemptions would take too long.
///
/// # Panics
/// Where an execution does, where its threads wait for each other, or where there was but one order: a model
/// in which nothing happens at the same time shows nothing.
pub fn model_within<F: Fn() + Send + Sync + 'static>(preemptions_max: usize, run: F) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = builder.preemption_bound.or(Some(preemptions_max));
    let executions = Arc::new(AtomicUsize::new(0));
    let counter = executions.clone();
    let began = Instant::now();
    builder.check(move || {
        counter.fetch_add(1, Ordering::Relaxed);
        thread::refuse(0);
        run();
    });
    let executions = executions.load(Ordering::Relaxed);
    report(type_name::<F>(), executions, began);
    assert!(executions > 1, "nothing happens at the same time");
}

#[expect(clippy::print_stdout, reason = "the figures are what one wants to see of a green model")]
fn report(name: &str, executions: usize, began: Instant) {
    let name = name.trim_end_matches("::{{closure}}");
    println!("{executions:>8} executions in {:>6.2} s: {name}", began.elapsed().as_secs_f32());
}
