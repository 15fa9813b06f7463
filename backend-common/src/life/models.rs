//! The latch in every order that its threads can come in: `just loom`.

use std::sync::Arc;

use trijet_loom::{model, thread};

use super::*;

fn life() -> Arc<Life> {
    Arc::new(Life::new(Duration::from_secs(5)))
}

/// What a backend waits at: rung by the latch under its lock.
#[derive(Default)]
struct Bell {
    rung: Mutex<usize>,
    changed: Condvar,
}

impl Bell {
    fn of(life: &Life) -> Arc<Self> {
        let bell = Arc::new(Self::default());
        let rung = bell.clone();
        life.on_change(move || {
            *rung.rung.lock().unwrap() += 1;
            rung.changed.notify_all();
        });
        bell
    }

    fn count(&self) -> usize {
        *self.rung.lock().unwrap()
    }

    /// Waits until it has been rung since it was `seen` last.
    fn wait(&self, seen: usize) {
        let mut rung = self.rung.lock().unwrap();
        while *rung == seen {
            rung = self.changed.wait(rung).unwrap();
        }
    }
}

#[test]
fn two_stops_and_now_only_move_forward() {
    model(|| {
        let life = life();
        let bell = Bell::of(&life);
        let stops: Vec<_> = (0..2)
            .map(|_| {
                let life = life.clone();
                thread::spawn(move || {
                    life.shutdown();
                    life.phase()
                })
            })
            .collect();
        life.shutdown_now();
        assert_eq!(life.phase(), Phase::Cut);
        let seen: Vec<_> = stops.into_iter().map(|stop| stop.join().unwrap()).collect();
        // A stop that came first may have been overtaken by now; none is undone, and there is one deadline.
        let deadlines: Vec<_> = seen.iter().filter(|phase| **phase != Phase::Cut).collect();
        assert!(deadlines.iter().all(|phase| matches!(phase, Phase::Stopping(_))));
        assert!(deadlines.windows(2).all(|pair| pair[0] == pair[1]), "the first deadline stays");
        assert_eq!((life.phase(), life.is_stopping()), (Phase::Cut, true));
        let steps = bell.count();
        assert!(steps == 1 || steps == 2 && deadlines.len() <= 2, "each change rings once: {steps}");
    });
}

/// The phases that one observer sees, while others stop the server.
#[test]
fn an_observer_sees_no_step_back() {
    model(|| {
        let life = life();
        let stops = [Life::shutdown, Life::shutdown, Life::shutdown_now].map(|stop| {
            let life = life.clone();
            thread::spawn(move || stop(&life))
        });
        let first = life.is_stopping();
        let phases = [life.phase(), life.phase()];
        assert!(phases[0] <= phases[1], "{phases:?}");
        if let [Phase::Stopping(before), Phase::Stopping(after)] = phases {
            assert_eq!(before, after);
        }
        assert!(!first || phases[0] != Phase::Running, "told to stop, and it has not begun");
        stops.into_iter().for_each(|stop| stop.join().unwrap());
        assert_eq!(life.phase(), Phase::Cut);
    });
}

/// A backend that looks at the phase, and sleeps where it is still running.
#[test]
fn whoever_waits_for_a_change_wakes() {
    model(|| {
        let life = life();
        let loops: Vec<_> = (0..2)
            .map(|_| {
                let life = life.clone();
                thread::spawn(move || {
                    let bell = Bell::of(&life);
                    let mut seen = 0;
                    while life.phase() != Phase::Cut {
                        bell.wait(seen);
                        seen = bell.count();
                    }
                })
            })
            .collect();
        life.shutdown();
        life.shutdown_now();
        loops.into_iter().for_each(|each| each.join().unwrap());
    });
}

/// Who does not look: a change that has come already is told at once.
#[test]
fn whoever_listens_too_late_is_told() {
    model(|| {
        let life = life();
        let other = life.clone();
        let stop = thread::spawn(move || other.shutdown());
        Bell::of(&life).wait(0);
        assert!(life.is_stopping() && life.phase() != Phase::Running);
        stop.join().unwrap();
    });
}

#[test]
fn the_end_wakes_every_waiter() {
    model(|| {
        let life = life();
        let waiters: Vec<_> = (0..2)
            .map(|_| {
                let life = life.clone();
                thread::spawn(move || assert!(life.wait().is_ok()))
            })
            .collect();
        life.end(Ok(()));
        waiters.into_iter().for_each(|waiter| waiter.join().unwrap());
        assert!(life.is_stopping());
    });
}

#[test]
fn of_two_ends_one_stays() {
    model(|| {
        let life = life();
        let (waiting, failing) = (life.clone(), life.clone());
        let waiter = thread::spawn(move || waiting.wait().is_ok());
        let failing = thread::spawn(move || failing.end(Err(io::Error::other("planted"))));
        life.end(Ok(()));
        let end = life.wait().is_ok();
        assert_eq!(waiter.join().unwrap(), end);
        failing.join().unwrap();
        assert_eq!(life.wait().is_ok(), end);
    });
}

/// After the end nothing is called any more: the backend's own parts are gone.
#[test]
fn a_stop_against_the_end_leaves_no_callback() {
    model(|| {
        let life = life();
        let bell = Bell::of(&life);
        let other = life.clone();
        let stop = thread::spawn(move || other.shutdown_now());
        life.end(Ok(()));
        let rung = bell.count();
        stop.join().unwrap();
        assert_eq!(bell.count(), rung, "called after the end");
        assert_eq!(Arc::strong_count(&bell), 1, "the latch lets go of the callback");
    });
}

/// A drain, which is a thread that waits, against what ends the server: it never stays behind.
#[test]
fn a_drain_ends_with_the_server() {
    model(|| {
        let life = Arc::new(Life::new(Duration::from_secs(5)).draining(Duration::from_secs(600)));
        life.serves();
        let (drains, ends) = (life.clone(), life.clone());
        let drain = thread::spawn(move || {
            drains.drain();
            assert!(!drains.is_ready());
        });
        let end = thread::spawn(move || ends.end(Ok(())));
        life.shutdown_now();
        drain.join().unwrap();
        end.join().unwrap();
        assert!(!life.is_ready() && life.is_stopping());
    });
}

/// A cut brings the hooks of the stop on: it is not taken for one that comes while they run.
#[test]
fn a_cut_leaves_the_hooks_that_follow_it_their_time() {
    model(|| {
        let life = life();
        let (server, bell) = (life.clone(), Bell::of(&life));
        let serving = thread::spawn(move || {
            bell.wait(0);
            server.set_in_hooks(true);
            server.set_in_hooks(false);
            server.end(Ok(()));
        });
        life.shutdown_now();
        serving.join().unwrap();
        assert!(life.wait().is_ok());
    });
}
