//! The sockets that systemd passes at start, by the protocol of `sd_listen_fds(3)`: descriptors from 3 on, their count in
//! `LISTEN_FDS`, whose they are in `LISTEN_PID`, their names in `LISTEN_FDNAMES`. They are taken over once. What is passed
//! and is no listener of ours stays as it is, for whoever it is for.

use std::{
    env,
    ffi::OsString,
    io,
    os::fd::{IntoRawFd, OwnedFd},
    process,
    sync::{Mutex, PoisonError},
};

use listenfd::ListenFd;
use socket2::{SockRef, Type};

use crate::Listener;

/// More than any service has, and few enough for a table: the number is from outside.
const DESCRIPTORS_MAX: usize = 4096;

/// What was passed and nobody has taken; `None` before they are taken over.
static PASSED: Mutex<Option<Passed>> = Mutex::new(None);

struct Passed {
    /// As many as there were.
    count: usize,
    left: Vec<Descriptor>,
}

struct Descriptor {
    index: usize,
    name: String,
    /// Or why it is none.
    listener: Result<Listener, String>,
}

/// The listeners of this name, or all.
///
/// # Errors
/// Where there are none, or one of them is no stream socket that listens: then none is taken.
pub(crate) fn take(name: Option<&str>) -> io::Result<Vec<Listener>> {
    let mut passed = PASSED.lock().unwrap_or_else(PoisonError::into_inner);
    let passed = match &mut *passed {
        Some(passed) => passed,
        unseen => unseen.insert(receive()?),
    };
    passed.take(name)
}

impl Passed {
    fn take(&mut self, name: Option<&str>) -> io::Result<Vec<Listener>> {
        let is_asked_for = |one: &Descriptor| name.is_none_or(|name| name == one.name);
        let mut asked = self.left.iter().filter(|one| is_asked_for(one)).peekable();
        if asked.peek().is_none() {
            let text = match name {
                Some(name) => {
                    format!("no socket of the name {name:?} was passed (LISTEN_FDNAMES), or it is taken")
                }
                None if self.count == 0 => "no socket was passed (LISTEN_FDS is 0)".to_owned(),
                None => format!("all that were passed are taken ({})", self.count),
            };
            return Err(io::Error::new(io::ErrorKind::NotFound, text));
        }
        if let Some((one, why)) = asked.find_map(|one| Some((one, one.listener.as_ref().err()?))) {
            let (number, name) = (one.index + 1, &one.name);
            let text = format!("descriptor {number} of {}, of the name {name:?}: {why}", self.count);
            return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
        }
        let (taken, left) = std::mem::take(&mut self.left).into_iter().partition(is_asked_for);
        self.left = left;
        let taken: Vec<Descriptor> = taken;
        // None is an error: that was looked for.
        Ok(taken.into_iter().filter_map(|one| one.listener.ok()).collect())
    }
}

/// Takes them over, and their count out of the environment.
fn receive() -> io::Result<Passed> {
    let invalid = |text| io::Error::new(io::ErrorKind::InvalidInput, text);
    let expected = count(|name| env::var_os(name), process::id()).map_err(invalid)?;
    let names = env::var("LISTEN_FDNAMES").unwrap_or_default();
    let mut names = names.split(':');
    let mut descriptors = ListenFd::from_env();
    let count = descriptors.len();
    if count != expected {
        return Err(invalid(format!("{expected} sockets were passed (LISTEN_FDS), and {count} are there")));
    }
    let receive_one = |index| Descriptor {
        index,
        // As systemd calls one without a name.
        name: names.next().filter(|name| !name.is_empty()).unwrap_or("unknown").to_owned(),
        listener: receive_one(&mut descriptors, index),
    };
    Ok(Passed { count, left: (0..count).map(receive_one).collect() })
}

/// How many descriptors are this process's, by the `variables`.
///
/// # Errors
/// Where there are none to look for: a sentence that says by which variable.
fn count(variables: impl Fn(&str) -> Option<OsString>, process: u32) -> Result<usize, String> {
    let number = |name: &str| -> Result<Option<u32>, String> {
        let Some(value) = variables(name) else { return Ok(None) };
        let number = value.to_str().filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()));
        let number = number.and_then(|text| text.parse().ok());
        number.map(Some).ok_or_else(|| format!("{name} is {value:?}, and has to be a number"))
    };
    let Some(count) = number("LISTEN_FDS")? else {
        return Err("no socket was passed (LISTEN_FDS is not set)".to_owned());
    };
    match number("LISTEN_PID")? {
        Some(own) if own == process => {}
        Some(other) => {
            return Err(format!(
                "the sockets that were passed are process {other}'s (LISTEN_PID), and this is {process}"
            ));
        }
        None => return Err("LISTEN_FDS is set, but not whose the sockets are (LISTEN_PID)".to_owned()),
    }
    let count = count as usize;
    if count > DESCRIPTORS_MAX {
        return Err(format!("LISTEN_FDS is {count}, and has to be at most {DESCRIPTORS_MAX}"));
    }
    // Of the crate, and not of the protocol.
    match number("LISTEN_FDS_FIRST_FD")? {
        Some(first) if i32::try_from(first as usize + count).is_err() => {
            Err(format!("LISTEN_FDS_FIRST_FD is {first}, which no descriptor is"))
        }
        _ => Ok(count),
    }
}

fn receive_one(descriptors: &mut ListenFd, index: usize) -> Result<Listener, String> {
    const NONE: &str = "it is no socket of TCP or Unix streams that listens";
    let taken = match descriptors.take_tcp_listener(index) {
        Ok(tcp) => tcp.map(OwnedFd::from),
        // The crate says of which kind it is by the call that it does not refuse. What it refuses twice, it leaves open.
        Err(_) => descriptors.take_unix_listener(index).map_err(|_| NONE)?.map(OwnedFd::from),
    };
    let taken = taken.ok_or(NONE)?;
    let is_listener = {
        let socket = SockRef::from(&taken);
        socket.r#type().is_ok_and(|kind| kind == Type::STREAM) && socket.is_listener().unwrap_or(false)
    };
    if !is_listener {
        // Left open, too.
        let _ = taken.into_raw_fd();
        return Err(NONE.to_owned());
    }
    Listener::try_from(taken).map_err(|error| error.to_string())
}

#[cfg(all(test, not(trijet_loom)))]
mod tests {
    use std::{net::TcpListener, os::unix::ffi::OsStringExt};

    use super::*;

    #[test]
    fn what_is_wrong_with_the_variables_is_said() {
        let pid = ("LISTEN_PID", "7");
        for (variables, expected) in [
            (&[][..], Err("LISTEN_FDS is not set")),
            (&[pid], Err("LISTEN_FDS is not set")),
            (&[("LISTEN_FDS", "2"), pid], Ok(2)),
            (&[("LISTEN_FDS", "0"), pid], Ok(0)),
            (&[("LISTEN_FDS", "4096"), pid], Ok(4096)),
            (&[("LISTEN_FDS", "4097"), pid], Err("LISTEN_FDS is 4097, and has to be at most 4096")),
            (&[("LISTEN_FDS", "2147483647"), pid], Err("LISTEN_FDS is 2147483647, and has to be at most")),
            (&[("LISTEN_FDS", "many"), pid], Err("LISTEN_FDS is \"many\", and has to be a number")),
            (&[("LISTEN_FDS", ""), pid], Err("LISTEN_FDS is \"\", and has to be a number")),
            (&[("LISTEN_FDS", "+1"), pid], Err("LISTEN_FDS is \"+1\", and has to be a number")),
            (&[("LISTEN_FDS", "-1"), pid], Err("LISTEN_FDS is \"-1\", and has to be a number")),
            (&[("LISTEN_FDS", "2")], Err("not whose the sockets are (LISTEN_PID)")),
            (&[("LISTEN_FDS", "2"), ("LISTEN_PID", "")], Err("LISTEN_PID is \"\", and has to be a number")),
            (&[("LISTEN_FDS", "2"), ("LISTEN_PID", "8")], Err("are process 8's (LISTEN_PID), and this is 7")),
            (&[("LISTEN_FDS", "2"), pid, ("LISTEN_FDS_FIRST_FD", "3")], Ok(2)),
            (
                &[("LISTEN_FDS", "2"), pid, ("LISTEN_FDS_FIRST_FD", "2147483647")],
                Err("LISTEN_FDS_FIRST_FD is 2147483647, which no descriptor is"),
            ),
            (
                &[("LISTEN_FDS", "2"), pid, ("LISTEN_FDS_FIRST_FD", "x")],
                Err("LISTEN_FDS_FIRST_FD is \"x\", and has to be a number"),
            ),
        ] {
            let get = |name: &str| {
                let found = variables.iter().find(|(own, _)| *own == name);
                found.map(|(_, value)| OsString::from(value))
            };
            match (count(get, 7), expected) {
                (Ok(count), Ok(expected)) => assert_eq!(count, expected),
                (Err(text), Err(expected)) => assert!(text.contains(expected), "{text}"),
                (count, expected) => panic!("{variables:?}: {count:?}, and not {expected:?}"),
            }
        }
        let no_text = |_: &str| Some(OsString::from_vec(vec![0xff]));
        assert!(count(no_text, 7).unwrap_err().contains("LISTEN_FDS is \"\\xFF\""));
    }

    #[test]
    fn what_is_no_listener_is_told_of_when_it_is_asked_for_and_in_nobody_s_way() {
        let listener = || Ok(TcpListener::bind("127.0.0.1:0").unwrap().into());
        let foreign = || Err("it is a file".to_owned());
        let left = [
            ("web", listener()),
            ("other", foreign()),
            ("web", listener()),
            ("mixed", listener()),
            ("mixed", foreign()),
        ];
        let left = left.into_iter().enumerate();
        let left =
            left.map(|(index, (name, listener))| Descriptor { index, name: name.to_owned(), listener });
        let mut passed = Passed { count: 5, left: left.collect() };
        let mut take = |name| passed.take(name).map(|taken| taken.len()).map_err(|error| error.to_string());
        let said = "descriptor 2 of 5, of the name \"other\": it is a file";
        assert_eq!(take(None), Err(said.to_owned()));
        assert_eq!(take(Some("other")), Err(said.to_owned()));
        assert!(take(Some("mixed")).unwrap_err().starts_with("descriptor 5 of 5"));
        assert_eq!(take(Some("web")), Ok(2));
        assert!(take(Some("web")).unwrap_err().contains("or it is taken"));
        passed.left.clear();
        assert_eq!(passed.take(None).unwrap_err().to_string(), "all that were passed are taken (5)");
    }
}
