//! Connections that handlers make. It holds no socket: the runtime does.

use std::{
    fmt,
    future::poll_fn,
    io::{self, IoSlice},
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6},
    task::{Context, Poll},
};

use super::{current, task::spawn_lookup};
use crate::runtime::Socket;

/// A TCP connection to somewhere else, made by a handler. It is closed when it is dropped.
///
/// With feature `futures-io` (on by default) it has the traits `futures_io::AsyncRead` and `AsyncWrite`, and with them
/// all that the crates `futures` and `futures-lite` offer for these: lines, splitting, copying. Reading and writing may
/// wait at the same time; a read or write that is dropped while it waits has taken nothing.
///
/// ```no_run
/// use std::{io, time::Duration};
/// use trijet_core::rt::{self, TcpStream};
///
/// async fn ask(question: &str) -> io::Result<String> {
///     let mut database = rt::timeout(Duration::from_secs(1), TcpStream::connect("db.internal:5000")).await??;
///     database.write_all(question.as_bytes()).await?;
///     database.close().await?;
///     let mut answer = Vec::new();
///     let mut part = [0; 1024];
///     loop {
///         match database.read(&mut part).await? {
///             0 => return String::from_utf8(answer).map_err(io::Error::other),
///             count => answer.extend_from_slice(&part[..count]),
///         }
///     }
/// }
/// ```
pub struct TcpStream(Box<dyn Socket>);

impl TcpStream {
    /// Connects to `address`: a [`SocketAddr`], an address and a port, or text such as `"db.internal:5432"`. A name is
    /// looked up as the system does it, on one of at most [`Limits::blocking_threads_max`] threads that are for this
    /// alone: no call of [`spawn_blocking`](super::spawn_blocking) holds it up. Its addresses are tried one after the
    /// other.
    ///
    /// # Errors
    /// An address without a port, a name that is not known, what the system says of the last address that was tried, and
    /// a call outside of a server ([`io::ErrorKind::NotConnected`]).
    ///
    /// [`Limits::blocking_threads_max`]: crate::Limits::blocking_threads_max
    pub async fn connect(address: impl Address) -> io::Result<Self> {
        let runtime = current("trijet::rt::TcpStream::connect")?;
        let addresses = match address.host()? {
            Host::Address(address) => vec![address],
            Host::Name(name, port) => {
                let resolver = runtime.clone();
                spawn_lookup(&*runtime, move || resolver.resolve(&name, port)).await??
            }
        };
        let mut last = io::Error::new(io::ErrorKind::NotFound, "the host has no address");
        for address in addresses {
            let connected = async {
                let mut socket = runtime.connect(address)?;
                poll_fn(|cx| socket.poll_connected(cx)).await?;
                Ok(Self(socket))
            };
            match connected.await {
                Ok(stream) => return Ok(stream),
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    #[cfg(feature = "testing")]
    pub(crate) fn new(socket: Box<dyn Socket>) -> Self {
        Self(socket)
    }

    /// Reads what is there into `into`, and gives the number of bytes; 0 is the end of the stream.
    ///
    /// # Errors
    /// Those of the connection.
    pub async fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        poll_fn(|cx| self.poll_read(cx, into)).await
    }

    /// Writes all of `bytes`. Dropped while it waits, it may have written some.
    ///
    /// # Errors
    /// Those of the connection.
    pub async fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        let mut left = bytes;
        while !left.is_empty() {
            match poll_fn(|cx| self.poll_write(cx, &[IoSlice::new(left)])).await? {
                0 => return Err(io::ErrorKind::WriteZero.into()),
                count => left = &left[count..],
            }
        }
        Ok(())
    }

    /// Ends the sending direction: the other side reads the end of the stream. It can still answer.
    ///
    /// # Errors
    /// Those of the connection.
    pub async fn close(&mut self) -> io::Result<()> {
        poll_fn(|cx| self.0.poll_close(cx)).await
    }

    /// As [`read`](Self::read), for what is written by hand.
    ///
    /// # Errors
    /// Those of the connection.
    pub fn poll_read(&mut self, cx: &mut Context<'_>, into: &mut [u8]) -> Poll<io::Result<usize>> {
        if into.is_empty() {
            return Poll::Ready(Ok(0));
        }
        self.0.poll_read(cx, into)
    }

    /// Writes some of `from`, and gives the number of bytes.
    ///
    /// # Errors
    /// Those of the connection.
    pub fn poll_write(&mut self, cx: &mut Context<'_>, from: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        if from.iter().all(|slice| slice.is_empty()) {
            return Poll::Ready(Ok(0));
        }
        self.0.poll_write(cx, from)
    }

    /// The address at this end.
    ///
    /// # Errors
    /// Those of the system.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.0.local_addr()
    }

    /// The address at the other end.
    ///
    /// # Errors
    /// Those of the system.
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.0.peer_addr()
    }

    /// Has small writes sent at once (TCP_NODELAY); off at first.
    ///
    /// # Errors
    /// Those of the system.
    pub fn set_nodelay(&self, nodelay: bool) -> io::Result<()> {
        self.0.set_nodelay(nodelay)
    }
}

impl fmt::Debug for TcpStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TcpStream")
            .field("local", &self.local_addr().ok())
            .field("peer", &self.peer_addr().ok())
            .finish()
    }
}

#[cfg(feature = "futures-io")]
impl futures_io::AsyncRead for TcpStream {
    fn poll_read(
        self: std::pin::Pin<&mut Self>,
        cx: &mut Context<'_>,
        into: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        self.get_mut().poll_read(cx, into)
    }
}

#[cfg(feature = "futures-io")]
impl futures_io::AsyncWrite for TcpStream {
    fn poll_write(
        self: std::pin::Pin<&mut Self>,
        cx: &mut Context<'_>,
        from: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.get_mut().poll_write(cx, &[IoSlice::new(from)])
    }

    fn poll_write_vectored(
        self: std::pin::Pin<&mut Self>,
        cx: &mut Context<'_>,
        from: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.get_mut().poll_write(cx, from)
    }

    fn poll_flush(self: std::pin::Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        // Nothing is held back here.
        Poll::Ready(Ok(()))
    }

    fn poll_close(self: std::pin::Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.get_mut().0.poll_close(cx)
    }
}

/// Where to connect to: what [`TcpStream::connect`] takes.
pub trait Address {
    /// The address, or the name to look up.
    ///
    /// # Errors
    /// Where there is no port.
    fn host(self) -> io::Result<Host>;
}

/// What an [`Address`] names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Host {
    /// An address.
    Address(SocketAddr),
    /// A name to look up, and a port.
    Name(String, u16),
}

impl Address for &str {
    fn host(self) -> io::Result<Host> {
        if let Ok(address) = self.parse() {
            return Ok(Host::Address(address));
        }
        let parts = self.rsplit_once(':').and_then(|(name, port)| Some((name, port.parse().ok()?)));
        match parts {
            Some((name, port)) if !name.is_empty() && !name.contains(':') => {
                Ok(Host::Name(name.to_owned(), port))
            }
            _ => Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                format!(
                    "{self:?} is no address to connect to: it takes a host and a port, as in \"localhost:5432\""
                ),
            )),
        }
    }
}

impl Address for String {
    fn host(self) -> io::Result<Host> {
        self.as_str().host()
    }
}

impl Address for &String {
    fn host(self) -> io::Result<Host> {
        self.as_str().host()
    }
}

impl Address for (&str, u16) {
    fn host(self) -> io::Result<Host> {
        let (name, port) = self;
        Ok(name.parse().map_or_else(
            |_| Host::Name(name.to_owned(), port),
            |ip: IpAddr| Host::Address((ip, port).into()),
        ))
    }
}

impl Address for (String, u16) {
    fn host(self) -> io::Result<Host> {
        (self.0.as_str(), self.1).host()
    }
}

macro_rules! addresses {
    ($($type:ty),*) => {$(
        impl Address for $type {
            fn host(self) -> io::Result<Host> {
                Ok(Host::Address(self.into()))
            }
        }
    )*};
}

addresses!(SocketAddr, SocketAddrV4, SocketAddrV6, (IpAddr, u16), (Ipv4Addr, u16), (Ipv6Addr, u16));

impl Address for &SocketAddr {
    fn host(self) -> io::Result<Host> {
        Ok(Host::Address(*self))
    }
}
