//! SIGINT and SIGTERM: the first stops gracefully, the second stops now. One thread for the process,
//! started with the first server that asks; without a server left, the signal does what it does by default.

use std::{
    io,
    sync::{Arc, Mutex, PoisonError, Weak},
    thread,
};

use signal_hook::{
    consts::{SIGINT, SIGTERM},
    iterator::Signals,
    low_level::{emulate_default_handler, signal_name},
};

use crate::Life;

static LISTENING: Mutex<Listening> = Mutex::new(Listening { is_begun: false, lives: Vec::new() });

struct Listening {
    is_begun: bool,
    lives: Vec<Weak<Life>>,
}

pub(crate) fn stop_on_signal(life: &Arc<Life>) -> io::Result<()> {
    let mut listening = LISTENING.lock().unwrap_or_else(PoisonError::into_inner);
    if !listening.is_begun {
        let signals = Signals::new([SIGINT, SIGTERM])?;
        thread::Builder::new().name("trijet-signals".to_owned()).spawn(move || listen(signals))?;
        listening.is_begun = true;
    }
    listening.lives.push(Arc::downgrade(life));
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

/// Moves every living server one step on; whether there was one.
fn stop_all(signal: &str) -> bool {
    let lives = &mut LISTENING.lock().unwrap_or_else(PoisonError::into_inner).lives;
    lives.retain(|life| life.upgrade().is_some_and(|life| !life.is_ended()));
    for life in lives.iter().filter_map(Weak::upgrade) {
        if life.is_asked() {
            log::info!(target: "trijet", "{signal} again: stopping now");
            life.shutdown_now();
        } else {
            log::info!(target: "trijet", "{signal}: stopping; once more to stop now");
            life.drain();
        }
    }
    !lives.is_empty()
}
