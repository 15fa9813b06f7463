//! Connections: core's settings applied, and calls that the standard library has not. Nothing here binds or accepts.

use std::{
    io::{self, IoSlice, Read},
    net::SocketAddr,
    time::Duration,
};

use socket2::{SockRef, Socket};
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

/// Reads what is there, as [`Read::read`](io::Read::read) does, where that takes a socket for itself.
///
/// # Errors
/// Those of `recv(2)`.
#[inline]
pub fn receive<'s, S>(stream: &'s S, into: &mut [u8]) -> io::Result<usize>
where
    SockRef<'s>: From<&'s S>,
{
    (&*SockRef::from(stream)).read(into)
}

/// Writes without raising SIGPIPE, which std's vectored write does where the host resets its handler.
///
/// # Errors
/// Those of `sendmsg(2)`; `Interrupted` is retried.
#[inline]
pub fn send_vectored<'s, S>(stream: &'s S, from: &[IoSlice<'_>]) -> io::Result<usize>
where
    SockRef<'s>: From<&'s S>,
{
    send(&SockRef::from(stream), from, MSG_NOSIGNAL)
}

/// As [`send_vectored`], but never blocks, where the system can be asked for that by the call.
///
/// # Errors
/// As [`send_vectored`].
pub fn send_at_once<'s, S>(stream: &'s S, from: &[IoSlice<'_>]) -> io::Result<usize>
where
    SockRef<'s>: From<&'s S>,
{
    send(&SockRef::from(stream), from, MSG_NOSIGNAL | MSG_DONTWAIT)
}

const IS_LINUX: bool = cfg!(any(target_os = "linux", target_os = "android"));
const MSG_NOSIGNAL: i32 = if IS_LINUX { 0x4000 } else { 0 };
const MSG_DONTWAIT: i32 = if IS_LINUX { 0x40 } else { 0 };

#[inline]
fn send(socket: &Socket, from: &[IoSlice<'_>], flags: i32) -> io::Result<usize> {
    let from = &from[..from.len().min(SLICES_MAX)];
    loop {
        let sent = match from {
            [one] => socket.send_with_flags(one, flags),
            many => socket.send_vectored_with_flags(many, flags),
        };
        match sent {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            other => return other,
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
