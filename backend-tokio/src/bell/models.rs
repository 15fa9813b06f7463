//! The bell in every order that its threads can come in: `just loom`.

use trijet_loom::{
    Sleeper,
    atomic::{AtomicBool, Ordering::Relaxed},
    model, thread,
};

use super::*;

/// In place of the life: its phase, told before the bell is rung.
#[derive(Default)]
struct Phase(AtomicBool);

/// A task that listens, looks at the phase, and sleeps until it is woken.
fn wait_for_the_stop(bell: &Arc<Bell>, phase: &Phase) {
    let sleeper = Arc::new(Sleeper::default());
    let mut member = bell.member();
    loop {
        member.listen(&sleeper.clone().into());
        if phase.0.load(Relaxed) {
            return;
        }
        sleeper.sleep();
    }
}

#[test]
fn whoever_listens_and_then_looks_is_woken() {
    model(|| {
        let (bell, phase) = (Arc::new(Bell::default()), Arc::new(Phase::default()));
        let tasks: Vec<_> = (0..2)
            .map(|_| {
                let (bell, phase) = (bell.clone(), phase.clone());
                thread::spawn(move || wait_for_the_stop(&bell, &phase))
            })
            .collect();
        phase.0.store(true, Relaxed);
        bell.ring();
        tasks.into_iter().for_each(|task| task.join().unwrap());
        assert!(bell.lock().is_empty());
    });
}

/// A task that moves to another waker, and one that ends, while the bell is rung.
#[test]
fn a_change_of_waker_is_heard_and_who_has_left_is_not() {
    model(|| {
        let (bell, phase) = (Arc::new(Bell::default()), Arc::new(Phase::default()));
        let (ringing, told) = (bell.clone(), phase.clone());
        let mut leaving = bell.member();
        let gone = Arc::new(Sleeper::default());
        leaving.listen(&gone.clone().into());
        let mut member = bell.member();
        let (first, second) = (Arc::new(Sleeper::default()), Arc::new(Sleeper::default()));
        member.listen(&first.into());
        let ringer = thread::spawn(move || {
            told.0.store(true, Relaxed);
            ringing.ring();
        });
        drop(leaving);
        assert_eq!(Arc::strong_count(&gone), 1, "the bell keeps no waker of a task that has ended");
        member.listen(&second.clone().into());
        if !phase.0.load(Relaxed) {
            second.sleep();
        }
        ringer.join().unwrap();
    });
}

/// Who listens and then looks is woken by the last ring too, whichever comes first, also by another waker than before.
#[test]
fn the_last_ring_is_heard_or_seen() {
    model(|| {
        let bell = Arc::new(Bell::default());
        let listening = bell.clone();
        let waiter = thread::spawn(move || {
            let mut member = listening.member();
            for _ in 0..2 {
                let sleeper = Arc::new(Sleeper::default());
                member.listen(&sleeper.clone().into());
                if !member.is_over() {
                    sleeper.sleep();
                }
            }
            assert!(member.is_over());
        });
        bell.ring_last();
        waiter.join().unwrap();
        assert!(bell.lock().is_empty());
    });
}
