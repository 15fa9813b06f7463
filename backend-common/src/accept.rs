//! What to do when `accept` fails: never end, never spin, never flood the log.

use std::{
    io,
    time::{Duration, Instant},
};

use crate::LocalAddress;

/// How to go on after a failed `accept`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AcceptFailure {
    /// Nothing is queued: wait for the listener.
    Empty,
    /// This connection is gone: take the next one at once.
    Retry,
    /// The system is short of something, whichever listener is asked: wait so long before any is asked again.
    PauseAll(Duration),
    /// Something is wrong with this listener: wait so long before it is asked again, and close it where the server
    /// stops. The others are none the worse.
    PauseOne(Duration),
}

/// How `accept` goes at one listener: keeps its log lines to one a second, and tries from becoming a spin.
#[derive(Debug)]
pub struct Acceptance {
    /// What the log calls it.
    listener: String,
    lines: Lines,
    /// Failures in a row that were tried again at once.
    retries: u32,
}

/// Keeps lines of the log to one a second. A server has one for its shortages, which are not a listener's.
#[derive(Debug, Default)]
pub struct Lines {
    logged_at: Option<Instant>,
    unlogged: u64,
}

const PAUSE: Duration = Duration::from_millis(100);
/// Connections that are lost one by one leave others between them, or an empty queue. So many failures in a
/// row are a fault that stays, such as a network that is down.
const RETRIES_MAX: u32 = 64;
const LOG_INTERVAL: Duration = Duration::from_secs(1);

/// Accepts per listener, failed ones included, once a stop has begun: the most that Linux queues by default
/// (`somaxconn`). A flood of new connections cannot put the end off.
pub const LAST_ACCEPTS_MAX: usize = 4096;

impl Acceptance {
    /// At the listener of this address.
    pub fn at(address: &LocalAddress) -> Self {
        Self { listener: address.to_string(), lines: Lines::default(), retries: 0 }
    }

    /// Notes that a connection was accepted.
    pub fn succeeded(&mut self) {
        self.retries = 0;
    }

    /// Judges `error`, and logs it unless another was logged within the last second: another of the `shortages`, if it
    /// is one, else of this listener.
    pub fn failed(&mut self, error: &io::Error, now: Instant, shortages: &mut Lines) -> AcceptFailure {
        let failure = match judge(error) {
            AcceptFailure::Retry if self.retries < RETRIES_MAX => {
                self.retries += 1;
                AcceptFailure::Retry
            }
            other => {
                self.retries = 0;
                if other == AcceptFailure::Retry { AcceptFailure::PauseOne(PAUSE) } else { other }
            }
        };
        let listener = &self.listener;
        let (lines, pause) = match failure {
            AcceptFailure::Empty => return failure,
            AcceptFailure::Retry => (&mut self.lines, None),
            AcceptFailure::PauseOne(pause) => (&mut self.lines, Some(pause)),
            AcceptFailure::PauseAll(pause) => (shortages, Some(pause)),
        };
        if let Some(unlogged) = lines.next(now) {
            match pause {
                Some(pause) => log::warn!(
                    "accept failed at {listener}: {error}; trying again in {pause:?} ({unlogged} more failures since \
                     the last line)"
                ),
                None => log::debug!(
                    "accept failed at {listener}: {error} ({unlogged} more failures since the last line)"
                ),
            }
        }
        failure
    }
}

impl Lines {
    /// Whether there may be another line; then, how many there were not since the last.
    fn next(&mut self, now: Instant) -> Option<u64> {
        if self.logged_at.is_some_and(|at| now.duration_since(at) < LOG_INTERVAL) {
            self.unlogged += 1;
            return None;
        }
        self.logged_at = Some(now);
        Some(std::mem::take(&mut self.unlogged))
    }
}

fn judge(error: &io::Error) -> AcceptFailure {
    // Linux numbers; elsewhere a shortage is taken for a fault of the listener, which is tried again too.
    const ENOMEM: i32 = 12;
    const ENFILE: i32 = 23;
    const EMFILE: i32 = 24;
    // Of the poll, where it is to watch the new connection: epoll_ctl(2).
    const ENOSPC: i32 = 28;
    const ENOBUFS: i32 = 105;
    match error.kind() {
        io::ErrorKind::WouldBlock => AcceptFailure::Empty,
        io::ErrorKind::Interrupted
        | io::ErrorKind::ConnectionAborted
        | io::ErrorKind::ConnectionReset
        | io::ErrorKind::ConnectionRefused
        | io::ErrorKind::TimedOut => AcceptFailure::Retry,
        _ => match error.raw_os_error() {
            Some(ENOMEM | ENFILE | EMFILE | ENOSPC | ENOBUFS) => AcceptFailure::PauseAll(PAUSE),
            // accept(2): network errors of the new connection (EPROTO, ENETDOWN, EHOSTUNREACH …) are
            // reported here and are to be treated as EAGAIN.
            Some(64 | 71 | 92 | 95 | 100 | 101 | 112 | 113 | 1) => AcceptFailure::Retry,
            // EBADF, EINVAL (it no longer listens), ENOTSOCK and the unknown, which must not become a spin.
            _ => AcceptFailure::PauseOne(PAUSE),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn acceptance() -> Acceptance {
        Acceptance::at(&LocalAddress::Tcp(([127, 0, 0, 1], 80).into()))
    }

    #[test]
    fn shortages_pause_all_faults_the_one_and_lost_connections_none() {
        let cases = [
            ("EAGAIN", 11, AcceptFailure::Empty),
            ("EINTR", 4, AcceptFailure::Retry),
            ("ECONNABORTED", 103, AcceptFailure::Retry),
            ("EPROTO", 71, AcceptFailure::Retry),
            ("EPERM", 1, AcceptFailure::Retry),
            ("EMFILE", 24, AcceptFailure::PauseAll(PAUSE)),
            ("ENFILE", 23, AcceptFailure::PauseAll(PAUSE)),
            ("ENOBUFS", 105, AcceptFailure::PauseAll(PAUSE)),
            ("ENOMEM", 12, AcceptFailure::PauseAll(PAUSE)),
            ("ENOSPC", 28, AcceptFailure::PauseAll(PAUSE)),
            ("EBADF", 9, AcceptFailure::PauseOne(PAUSE)),
            ("EINVAL", 22, AcceptFailure::PauseOne(PAUSE)),
            ("ENOTSOCK", 88, AcceptFailure::PauseOne(PAUSE)),
        ];
        for (name, number, expected) in cases {
            assert_eq!(judge(&io::Error::from_raw_os_error(number)), expected, "{name}");
        }
    }

    #[test]
    fn a_fault_that_stays_pauses_and_lost_connections_among_others_do_not() {
        let now = Instant::now();
        let [lost, empty] = [103, 11].map(io::Error::from_raw_os_error);
        let mut shortages = Lines::default();
        let mut acceptance = acceptance();
        let mut fail = |acceptance: &mut Acceptance, error| acceptance.failed(error, now, &mut shortages);
        let mut tries = 0..1000;
        let failure = tries.find_map(|tries| match fail(&mut acceptance, &lost) {
            AcceptFailure::Retry => None,
            other => Some((tries, other)),
        });
        assert_eq!(failure, Some((64, AcceptFailure::PauseOne(PAUSE))));
        let again = (0..1000).take_while(|_| fail(&mut acceptance, &lost) == AcceptFailure::Retry).count();
        assert_eq!(again, 64, "after the pause");
        for _ in 0..100 {
            assert_eq!(fail(&mut acceptance, &lost), AcceptFailure::Retry);
            acceptance.succeeded();
            assert_eq!(fail(&mut acceptance, &lost), AcceptFailure::Retry);
            assert_eq!(fail(&mut acceptance, &empty), AcceptFailure::Empty);
        }
    }

    #[test]
    fn one_line_a_second() {
        let start = Instant::now();
        for (error, is_shortage) in [(24, true), (22, false)] {
            let error = io::Error::from_raw_os_error(error);
            // The shortages of all listeners are told together.
            let mut shortages = Lines::default();
            let mut listeners = [acceptance(), acceptance()];
            for millisecond in 0..900 {
                let now = start + Duration::from_millis(millisecond);
                listeners[millisecond as usize % 2].failed(&error, now, &mut shortages);
            }
            let own: u64 = listeners.iter().map(|listener| listener.lines.unlogged).sum();
            assert_eq!((shortages.unlogged, own), if is_shortage { (899, 0) } else { (0, 898) });
            for listener in &mut listeners {
                listener.failed(&error, start + Duration::from_millis(1001), &mut shortages);
            }
            assert_eq!((shortages.unlogged, listeners[0].lines.unlogged), (u64::from(is_shortage), 0));
        }
    }
}
