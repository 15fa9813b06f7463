//! What a server listens on, bound already: sockets of TCP, v4 and v6, and Unix sockets. Nothing here reads or accepts.

use std::{
    fmt, io,
    net::{SocketAddr, TcpListener, TcpStream},
    os::{
        fd::OwnedFd,
        unix::net::{UnixListener, UnixStream},
    },
    path::{Path, PathBuf},
};

use socket2::{Domain, SockRef, Type};

use trijet_core::SocketSettings;

use crate::{Address, address, unix::SocketFile};

/// A socket that listens, of TCP or of Unix.
///
/// ```
/// use std::net::TcpListener;
/// use trijet_backend::Listener;
///
/// let listener = Listener::from(TcpListener::bind("127.0.0.1:0")?);
/// assert!(listener.local_addr()?.tcp().is_some());
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug)]
pub struct Listener {
    // Taken away before the socket is closed.
    file: Option<SocketFile>,
    pub(crate) socket: Socket,
}

/// The two kinds of sockets, as the standard library has them.
#[derive(Debug)]
pub enum Socket {
    /// Of TCP.
    Tcp(TcpListener),
    /// Of the Unix domain.
    Unix(UnixListener),
}

impl Listener {
    /// The address that it is bound to.
    ///
    /// # Errors
    /// Those of the system.
    pub fn local_addr(&self) -> io::Result<LocalAddress> {
        // From the root on, though it may have been bound by a shorter one.
        if let Some(file) = &self.file {
            return Ok(LocalAddress::Unix(Some(file.path().to_owned())));
        }
        match &self.socket {
            Socket::Tcp(listener) => listener.local_addr().map(LocalAddress::Tcp),
            Socket::Unix(listener) => {
                let address = listener.local_addr()?;
                Ok(LocalAddress::Unix(address.as_pathname().map(Path::to_owned)))
            }
        }
    }

    /// A Unix socket and the file that we have made for it.
    pub(crate) fn with_file(listener: UnixListener, file: SocketFile) -> Self {
        Self { file: Some(file), socket: Socket::Unix(listener) }
    }

    /// For backends: its file is to be dropped before the socket.
    pub fn into_parts(self) -> (Socket, Option<SocketFile>) {
        (self.socket, self.file)
    }

    /// Prepares it for an accept loop of readiness.
    ///
    /// # Errors
    /// Those of the system.
    pub(crate) fn prepare(&self) -> io::Result<()> {
        match &self.socket {
            Socket::Tcp(listener) => listener.set_nonblocking(true),
            Socket::Unix(listener) => listener.set_nonblocking(true),
        }
    }
}

impl From<TcpListener> for Listener {
    fn from(listener: TcpListener) -> Self {
        Self { socket: Socket::Tcp(listener), file: None }
    }
}

/// Its file is whose who has made it: it is there after the server too.
impl From<UnixListener> for Listener {
    fn from(listener: UnixListener) -> Self {
        Self { socket: Socket::Unix(listener), file: None }
    }
}

/// A descriptor from elsewhere: a parent process, a supervisor.
impl TryFrom<OwnedFd> for Listener {
    type Error = io::Error;

    /// # Errors
    /// Where it is no socket of TCP or Unix streams that listens.
    fn try_from(descriptor: OwnedFd) -> io::Result<Self> {
        let domain = {
            let socket = SockRef::from(&descriptor);
            let is_listening = socket.r#type()? == Type::STREAM && socket.is_listener()?;
            is_listening.then(|| socket.domain()).transpose()?
        };
        match domain {
            Some(Domain::IPV4 | Domain::IPV6) => Ok(TcpListener::from(descriptor).into()),
            Some(Domain::UNIX) => Ok(UnixListener::from(descriptor).into()),
            _ => Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                "it is no socket of TCP or Unix streams that listens",
            )),
        }
    }
}

/// An accepted Unix connection as the type that transports are made of. A [`TcpStream`] is a descriptor on which `recv`,
/// `sendmsg`, `shutdown` and `setsockopt` are called, which a Unix stream has too; so no call asks of which kind it is. What
/// it has not, an address and options of TCP, is told by its peer's address, which is `None`.
pub fn as_stream(stream: UnixStream) -> TcpStream {
    OwnedFd::from(stream).into()
}

/// Who a connection is from, for the log.
pub fn name_peer(peer: Option<SocketAddr>) -> String {
    peer.map_or_else(|| "a Unix socket".to_owned(), |peer| peer.to_string())
}

/// An address that a server listens on. It is shown as an [`Address`] is written.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum LocalAddress {
    /// Of TCP, with the port that was given for port 0.
    Tcp(SocketAddr),
    /// A Unix socket's path; `None` where it has none, as in the abstract namespace of Linux.
    Unix(Option<PathBuf>),
}

impl LocalAddress {
    /// That of TCP.
    pub fn tcp(&self) -> Option<SocketAddr> {
        match self {
            Self::Tcp(address) => Some(*address),
            Self::Unix(_) => None,
        }
    }

    /// The path of a Unix socket.
    pub fn unix(&self) -> Option<&Path> {
        match self {
            Self::Unix(path) => path.as_deref(),
            Self::Tcp(_) => None,
        }
    }
}

impl fmt::Display for LocalAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Unix(Some(path)) => write!(f, "unix:{}", path.display()),
            Self::Unix(None) => f.write_str("unix:(no path)"),
        }
    }
}

/// What a server is to listen on: what is bound already, or an address that it binds when it starts.
#[derive(Debug)]
pub struct Listen(pub(crate) At);

#[derive(Debug)]
pub(crate) enum At {
    /// To be bound at start, with the server's settings, by what binds all: a program that binds its listeners itself
    /// knows nothing of names, Unix sockets and systemd, which are 20 KB.
    Address(Address, BindAll),
    /// Bound.
    Listener(Listener),
}

pub(crate) type BindAll = fn(Vec<Listen>, &SocketSettings) -> io::Result<Vec<Listener>>;

impl Listen {
    /// Binds what is not bound.
    pub(crate) fn bind_all(listens: Vec<Self>, settings: &SocketSettings) -> io::Result<Vec<Listener>> {
        let mut listeners = Vec::with_capacity(listens.len());
        let bind = listens.iter().find_map(|listen| match listen.0 {
            At::Address(_, bind) => Some(bind),
            At::Listener(_) => None,
        });
        if let Some(bind) = bind {
            return bind(listens, settings);
        }
        for Self(at) in listens {
            if let At::Listener(listener) = at {
                listeners.push(listener);
            }
        }
        Ok(listeners)
    }
}

impl From<Address> for Listen {
    fn from(address: Address) -> Self {
        Self(At::Address(address, address::bind_all))
    }
}

impl From<&Address> for Listen {
    fn from(address: &Address) -> Self {
        address.clone().into()
    }
}

impl From<SocketAddr> for Listen {
    fn from(address: SocketAddr) -> Self {
        Address::from(address).into()
    }
}

impl<L: Into<Listener>> From<L> for Listen {
    fn from(listener: L) -> Self {
        Self(At::Listener(listener.into()))
    }
}

#[cfg(all(test, not(trijet_loom)))]
mod tests {
    use super::*;

    #[test]
    fn a_descriptor_is_a_listener_or_an_error() {
        let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = tcp.local_addr().unwrap();
        let listener = Listener::try_from(OwnedFd::from(tcp)).unwrap();
        assert_eq!(listener.local_addr().unwrap(), LocalAddress::Tcp(address));
        let connected = TcpStream::connect(address).unwrap();
        let udp = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        let (unix, _other) = UnixStream::pair().unwrap();
        let file = std::fs::File::open("/dev/null").unwrap();
        for (what, descriptor) in [
            ("a connection", OwnedFd::from(connected)),
            ("UDP", udp.into()),
            ("a Unix connection", unix.into()),
            ("a file", file.into()),
        ] {
            assert!(Listener::try_from(descriptor).is_err(), "{what}");
        }
    }
}
