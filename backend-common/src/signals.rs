//! SIGINT and SIGTERM: the first stops gracefully, the second stops now. One thread for the process,
//! started with the first server that asks; without a server left, the signal does what it does by default. So does the
//! second while all are still starting: a hook of the start that hangs cannot be stopped, and must not keep the process.

use std::{
    io,
    sync::{Arc, Mutex, PoisonError, Weak},
};

use signal_hook::{
    consts::{SIGINT, SIGTERM},
    iterator::Signals,
    low_level::{emulate_default_handler, signal_name},
};

use crate::{Life, threads::spawn};

static LISTENING: Mutex<Listening> = Mutex::new(Listening { is_begun: false, lives: Vec::new() });

struct Listening {
    is_begun: bool,
    lives: Vec<Weak<Life>>,
}

pub(crate) fn stop_on_signal(life: &Arc<Life>) -> io::Result<()> {
    let mut listening = LISTENING.lock().unwrap_or_else(PoisonError::into_inner);
    if !listening.is_begun {
        let signals = Signals::new([SIGINT, SIGTERM])?;
        spawn("trijet-signals", move || listen(signals))?;
        listening.is_begun = true;
    }
    let own = Arc::downgrade(life);
    // Once: a signal moves each by one step.
    if !listening.lives.iter().any(|known| known.ptr_eq(&own)) {
        listening.lives.push(own);
    }
    Ok(())
}

fn listen(mut signals: Signals) {
    for signal in signals.forever() {
        let name = signal_name(signal).unwrap_or("signal");
        if stop_all(name) {
            continue;
        }
        if let Err(error) = emulate_default_handler(signal) {
            log::error!("{name} could not be handled: {error}");
        }
    }
}

/// Moves every living server one step on; whether there was one that can go on.
fn stop_all(signal: &str) -> bool {
    let lives = &mut LISTENING.lock().unwrap_or_else(PoisonError::into_inner).lives;
    lives.retain(|life| life.upgrade().is_some_and(|life| !life.is_ended()));
    let living: Vec<_> = lives.iter().filter_map(Weak::upgrade).collect();
    if !living.is_empty() && living.iter().all(|life| life.is_starting() && life.is_asked()) {
        log::info!(target: "trijet", "{signal} again, and the start is not over: the process ends");
        return false;
    }
    for life in living {
        if life.is_asked() {
            log::info!(target: "trijet", "{signal} again: stopping now");
            life.shutdown_now();
        } else if life.is_starting() {
            log::info!(
                target: "trijet",
                "{signal}: stopping as soon as the start is over; once more to end the process"
            );
            life.drain();
        } else {
            log::info!(target: "trijet", "{signal}: stopping; once more to stop now");
            life.drain();
        }
    }
    !lives.is_empty()
}

#[cfg(all(test, not(trijet_loom)))]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::Phase;

    /// Signals themselves: `tests/faults/signals.rs`.
    #[test]
    fn the_second_ends_the_process_while_all_are_starting_and_none_moves_a_server_by_two_steps() {
        let [first, second] = [(); 2].map(|()| Arc::new(Life::new(Duration::from_secs(5))));
        for life in [&first, &first, &second] {
            stop_on_signal(life).unwrap();
        }
        assert!(stop_all("A"));
        assert!(!first.is_ended() && first.phase() != Phase::Cut, "one step");
        second.serves();
        assert!(stop_all("A"), "one has started");
        assert_eq!([first.phase(), second.phase()], [Phase::Cut; 2]);
        second.end(Ok(()));
        assert!(!stop_all("A"), "what is left hangs in its start");
        first.end(Ok(()));
        assert!(!stop_all("A"), "nothing is left");
    }
}
