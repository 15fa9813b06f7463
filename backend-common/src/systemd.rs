//! The sockets that systemd passes at start, by the protocol of `sd_listen_fds(3)`: descriptors from 3 on, their count in
//! `LISTEN_FDS`, whose they are in `LISTEN_PID`, their names in `LISTEN_FDNAMES`. They are taken over once.

use std::{
    env, io,
    sync::{Mutex, PoisonError},
};

use listenfd::ListenFd;

use crate::Listener;

/// Those that nobody has taken, with their names; `None` before the first look.
static PASSED: Mutex<Option<Vec<(String, Listener)>>> = Mutex::new(None);

/// The listeners of this name, or all.
///
/// # Errors
/// Where there are none, or one of those that are passed is no stream socket that listens.
pub(crate) fn take(name: Option<&str>) -> io::Result<Vec<Listener>> {
    let mut passed = PASSED.lock().unwrap_or_else(PoisonError::into_inner);
    let passed = match &mut *passed {
        Some(passed) => passed,
        unseen => unseen.insert(receive()?),
    };
    let (taken, left): (Vec<_>, Vec<_>) =
        std::mem::take(passed).into_iter().partition(|(own, _)| name.is_none_or(|name| name == own));
    *passed = left;
    if taken.is_empty() {
        let text = match name {
            Some(name) => format!("no socket of the name {name:?} was passed (LISTEN_FDNAMES)"),
            None => "no socket was passed (LISTEN_FDS)".to_owned(),
        };
        return Err(io::Error::new(io::ErrorKind::NotFound, text));
    }
    Ok(taken.into_iter().map(|(_, listener)| listener).collect())
}

/// Takes them over, and their count out of the environment.
fn receive() -> io::Result<Vec<(String, Listener)>> {
    let names = env::var("LISTEN_FDNAMES").unwrap_or_default();
    let mut names = names.split(':');
    let mut descriptors = ListenFd::from_env();
    let mut passed = Vec::with_capacity(descriptors.len());
    for index in 0..descriptors.len() {
        // As systemd calls one without a name.
        let name = names.next().filter(|name| !name.is_empty()).unwrap_or("unknown").to_owned();
        let listener = receive_one(&mut descriptors, index).map_err(|error| {
            let text = format!("socket {index} ({name}) of those that are passed: {error}");
            io::Error::new(error.kind(), text)
        })?;
        passed.push((name, listener));
    }
    Ok(passed)
}

fn receive_one(descriptors: &mut ListenFd, index: usize) -> io::Result<Listener> {
    let taken = match descriptors.take_tcp_listener(index) {
        Ok(tcp) => tcp.map(std::os::fd::OwnedFd::from),
        // The crate says of which kind it is by the call that it does not refuse.
        Err(_) => descriptors.take_unix_listener(index)?.map(std::os::fd::OwnedFd::from),
    };
    let none = || io::Error::new(io::ErrorKind::NotFound, "it is not there");
    Listener::try_from(taken.ok_or_else(none)?)
}
