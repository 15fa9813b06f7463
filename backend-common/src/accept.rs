//! What to do when `accept` fails: never end, never spin, never flood the log.

use std::{
    io,
    time::{Duration, Instant},
};

/// How to go on after a failed `accept`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AcceptFailure {
    /// Nothing is queued: wait for the listener.
    Empty,
    /// This connection is gone: take the next one at once.
    Retry,
    /// The system is short of something: wait so long before the next try.
    Pause(Duration),
}

/// The state of one accept loop: keeps log lines to one a second, and tries from becoming a spin.
#[derive(Debug, Default)]
pub struct Acceptance {
    logged_at: Option<Instant>,
    unlogged: u64,
    /// Failures in a row that were tried again at once.
    retries: u32,
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
    /// Notes that a connection was accepted.
    pub fn succeeded(&mut self) {
        self.retries = 0;
    }

    /// Judges `error`, and logs it unless another was logged within the last second.
    pub fn failed(&mut self, error: &io::Error, now: Instant) -> AcceptFailure {
        let failure = match judge(error) {
            AcceptFailure::Empty => {
                self.retries = 0;
                return AcceptFailure::Empty;
            }
            AcceptFailure::Retry if self.retries < RETRIES_MAX => {
                self.retries += 1;
                AcceptFailure::Retry
            }
            AcceptFailure::Retry | AcceptFailure::Pause(_) => {
                self.retries = 0;
                AcceptFailure::Pause(PAUSE)
            }
        };
        if self.logged_at.is_some_and(|at| now.duration_since(at) < LOG_INTERVAL) {
            self.unlogged += 1;
            return failure;
        }
        let unlogged = std::mem::take(&mut self.unlogged);
        self.logged_at = Some(now);
        match failure {
            AcceptFailure::Pause(pause) => log::warn!(
                "accept failed: {error}; trying again in {pause:?} ({unlogged} more failures since the last line)"
            ),
            _ => log::debug!("accept failed: {error} ({unlogged} more failures since the last line)"),
        }
        failure
    }
}

fn judge(error: &io::Error) -> AcceptFailure {
    // Linux numbers; elsewhere an unknown shortage is retried after the pause too.
    const ENOMEM: i32 = 12;
    const ENFILE: i32 = 23;
    const EMFILE: i32 = 24;
    const ENOBUFS: i32 = 105;
    match error.kind() {
        io::ErrorKind::WouldBlock => AcceptFailure::Empty,
        io::ErrorKind::Interrupted
        | io::ErrorKind::ConnectionAborted
        | io::ErrorKind::ConnectionReset
        | io::ErrorKind::ConnectionRefused
        | io::ErrorKind::TimedOut => AcceptFailure::Retry,
        _ => match error.raw_os_error() {
            Some(ENOMEM | ENFILE | EMFILE | ENOBUFS) => AcceptFailure::Pause(PAUSE),
            // accept(2): network errors of the new connection (EPROTO, ENETDOWN, EHOSTUNREACH …) are
            // reported here and are to be treated as EAGAIN.
            Some(64 | 71 | 92 | 95 | 100 | 101 | 112 | 113 | 1) => AcceptFailure::Retry,
            // EBADF, EINVAL, ENOTSOCK and the unknown: a bug, which must not become a spin.
            _ => AcceptFailure::Pause(PAUSE),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shortages_pause_and_lost_connections_do_not() {
        let cases = [
            ("EAGAIN", 11, AcceptFailure::Empty),
            ("EINTR", 4, AcceptFailure::Retry),
            ("ECONNABORTED", 103, AcceptFailure::Retry),
            ("EPROTO", 71, AcceptFailure::Retry),
            ("EPERM", 1, AcceptFailure::Retry),
            ("EMFILE", 24, AcceptFailure::Pause(PAUSE)),
            ("ENFILE", 23, AcceptFailure::Pause(PAUSE)),
            ("ENOBUFS", 105, AcceptFailure::Pause(PAUSE)),
            ("ENOMEM", 12, AcceptFailure::Pause(PAUSE)),
            ("EBADF", 9, AcceptFailure::Pause(PAUSE)),
        ];
        for (name, number, expected) in cases {
            assert_eq!(judge(&io::Error::from_raw_os_error(number)), expected, "{name}");
        }
    }

    #[test]
    fn a_fault_that_stays_pauses_and_lost_connections_among_others_do_not() {
        let now = Instant::now();
        let [lost, empty] = [103, 11].map(io::Error::from_raw_os_error);
        let mut acceptance = Acceptance::default();
        let retries = |acceptance: &mut Acceptance| {
            (0..1000).take_while(|_| acceptance.failed(&lost, now) == AcceptFailure::Retry).count()
        };
        assert_eq!(retries(&mut acceptance), 64);
        assert_eq!(retries(&mut acceptance), 64, "after the pause");
        for _ in 0..100 {
            assert_eq!(acceptance.failed(&lost, now), AcceptFailure::Retry);
            acceptance.succeeded();
            assert_eq!(acceptance.failed(&lost, now), AcceptFailure::Retry);
            assert_eq!(acceptance.failed(&empty, now), AcceptFailure::Empty);
        }
    }

    #[test]
    fn one_line_a_second() {
        let mut acceptance = Acceptance::default();
        let start = Instant::now();
        let error = io::Error::from_raw_os_error(24);
        for millisecond in 0..900 {
            acceptance.failed(&error, start + Duration::from_millis(millisecond));
        }
        assert_eq!(acceptance.unlogged, 899);
        acceptance.failed(&error, start + Duration::from_secs(1));
        assert_eq!(acceptance.unlogged, 0);
    }
}
