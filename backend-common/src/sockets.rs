//! Connections: core's settings applied, and calls that the standard library has not. Nothing here binds or accepts.

use std::{
    io::{self, IoSlice},
    net::SocketAddr,
    os::fd::{AsFd, BorrowedFd},
    time::Duration,
};

use rustix::{
    io::Errno,
    net::{self, RecvFlags, SendAncillaryBuffer, SendFlags, recv},
};
use socket2::SockRef;
use trijet_core::SocketSettings;

/// Applies the settings that concern a connection accepted from `peer`: a Unix socket has no options of TCP.
///
/// # Errors
/// Those of the system: the connection is to be dropped then.
pub fn prepare_connection<'s, S>(
    stream: &'s S,
    peer: Option<SocketAddr>,
    settings: SocketSettings,
) -> io::Result<()>
where
    SockRef<'s>: From<&'s S>,
{
    if settings.no_delay && peer.is_some() {
        SockRef::from(stream).set_tcp_nodelay(true)?;
    }
    Ok(())
}

/// The most slices that Linux takes in one call (IOV_MAX).
pub(crate) const SLICES_MAX: usize = 1024;

/// Reads what is there, as [`Read::read`](io::Read::read) does: by the system call alone.
///
/// # Errors
/// Those of `recv(2)`.
// The C library's makes a place of it where a thread can be cancelled, with two atomic swaps that nobody needs:
// 60 instructions a call.
#[inline]
pub fn receive(stream: impl AsFd, into: &mut [u8]) -> io::Result<usize> {
    Ok(recv(stream, into, RecvFlags::empty())?.1)
}

/// Writes without raising SIGPIPE, which std's vectored write does where the host resets its handler.
///
/// # Errors
/// Those of `sendmsg(2)`; `Interrupted` is retried.
pub fn send_vectored(stream: impl AsFd, from: &[IoSlice<'_>]) -> io::Result<usize> {
    send(stream.as_fd(), from, NO_SIGNAL)
}

/// As [`send_vectored`], but never blocks, where the system can be asked for that by the call.
///
/// # Errors
/// As [`send_vectored`].
pub fn send_at_once(stream: impl AsFd, from: &[IoSlice<'_>]) -> io::Result<usize> {
    send(stream.as_fd(), from, NO_SIGNAL | SendFlags::DONTWAIT)
}

/// Where it cannot be said by the call, the standard library has said it of the socket.
#[cfg(not(any(target_os = "linux", target_os = "android")))]
const NO_SIGNAL: SendFlags = SendFlags::empty();
#[cfg(any(target_os = "linux", target_os = "android"))]
const NO_SIGNAL: SendFlags = SendFlags::NOSIGNAL;

fn send(stream: BorrowedFd<'_>, from: &[IoSlice<'_>], flags: SendFlags) -> io::Result<usize> {
    let from = &from[..from.len().min(SLICES_MAX)];
    loop {
        let sent = match from {
            [one] => net::send(stream, one, flags),
            many => net::sendmsg(stream, many, &mut SendAncillaryBuffer::default(), flags),
        };
        match sent {
            Err(Errno::INTR) => {}
            other => return Ok(other?),
        }
    }
}

/// Makes the close of `stream` a reset.
pub fn reset_on_close<'s, S>(stream: &'s S)
where
    SockRef<'s>: From<&'s S>,
{
    if let Err(error) = SockRef::from(stream).set_linger(Some(Duration::ZERO)) {
        log::debug!("a connection could not be set to be reset: {error}");
    }
}

/// The open-file limit of this process, where the system tells.
///
/// Read from `/proc`, since asking the system otherwise takes a crate or `unsafe`.
pub fn open_files_max() -> Option<usize> {
    let limits = std::fs::read_to_string("/proc/self/limits").ok()?;
    let row = limits.lines().find_map(|line| line.strip_prefix("Max open files"))?;
    row.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(target_os = "linux")]
    fn the_open_file_limit_is_read() {
        assert!(open_files_max().is_some_and(|files| files > 0));
    }
}
