//! Addresses to listen on, as they are written, and their binding. Several at once know of each other.

use std::{
    fmt, io,
    net::{SocketAddr, TcpListener, ToSocketAddrs},
    path::{Path, PathBuf},
    str::FromStr,
};

use socket2::{Domain, Protocol, Socket, Type};
use trijet_core::SocketSettings;

use crate::{
    Listen, Listener,
    listener::{self, At},
    unix,
};

/// What to listen on, to be bound when the server starts. It is parsed from text:
///
/// | text | what it is |
/// | --- | --- |
/// | `127.0.0.1:8080` | an address of TCP; port 0 takes any free port |
/// | `[::]:8080` | all addresses, those of IPv4 included where the system does so and none of IPv4 with this port is listened on too |
/// | `localhost:8080` | the first address of that name that can be bound |
/// | `unix:/run/app.sock` | a Unix socket; its file is taken away at the stop |
/// | `systemd`, `systemd:web` | the sockets, or those of this name, that systemd passes (feature `systemd`) |
///
/// The file of a Unix socket is made with the mode [`SocketSettings::unix_mode`]. One that is there is replaced if nobody
/// listens on it, and is an error otherwise. Of servers that start at the same moment one has it, and the others are told so.
/// A file that is not yet half a second old may wait for that long to be listened on, before it is taken for dead.
///
/// ```
/// use trijet_backend::Address;
///
/// let address: Address = "unix:/run/app.sock".parse()?;
/// assert_eq!(address.to_string(), "unix:/run/app.sock");
/// assert_eq!(address, Address::unix("/run/app.sock"));
/// assert!("8080".parse::<Address>().is_err());
/// // Abstract sockets, which have no file, are not made here.
/// assert!("unix:@app".parse::<Address>().is_err());
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Address(Kind);

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Kind {
    Tcp(SocketAddr),
    Host { name: String, port: u16 },
    Unix(PathBuf),
    Systemd { name: Option<String> },
}

impl Address {
    /// A Unix socket at `path`, which is one of a file, from the folder on in which the server starts.
    pub fn unix(path: impl Into<PathBuf>) -> Self {
        Self(Kind::Unix(path.into()))
    }

    /// The sockets that systemd passes, or those with the name (`FileDescriptorName=`) that is given. There has to be one at
    /// least, and each has to be a stream socket that listens; what else is passed stays as it is. They may be asked for
    /// once: a socket that is taken is not there a second time. `LISTEN_PID` has to be this process, as `sd_listen_fds(3)` says.
    ///
    /// They are the descriptors from 3 on: start that server first, before the process opens others. At the first such
    /// bind `LISTEN_PID` and `LISTEN_FDS` leave the environment, so that no child takes them for its own; no other thread
    /// should look at the environment at that moment.
    #[cfg(feature = "systemd")]
    pub fn systemd(name: Option<&str>) -> Self {
        Self(Kind::Systemd { name: name.map(str::to_owned) })
    }
}

impl From<SocketAddr> for Address {
    fn from(address: SocketAddr) -> Self {
        Self(Kind::Tcp(address))
    }
}

impl FromStr for Address {
    type Err = io::Error;

    fn from_str(text: &str) -> io::Result<Self> {
        let invalid = |why: &str| {
            let text = format!("{text:?} is no address to listen on: {why}");
            Err(io::Error::new(io::ErrorKind::InvalidInput, text))
        };
        if let Some(path) = text.strip_prefix("unix:") {
            return match path {
                "" => invalid("the path of a Unix socket is missing"),
                _ if path.contains('\0') => invalid("a path has no zero byte"),
                _ if path.starts_with('@') => {
                    invalid("abstract sockets are not made here; a file of this name is unix:./@NAME")
                }
                path => Ok(Self::unix(path)),
            };
        }
        if let Some(rest) = text.strip_prefix("systemd") {
            let name = match rest.strip_prefix(':') {
                None if rest.is_empty() => Some(None),
                Some("") | None => None,
                Some(name) => Some(Some(name.to_owned())),
            };
            if let Some(name) = name {
                return Ok(Self(Kind::Systemd { name }));
            }
        }
        if let Ok(address) = text.parse() {
            return Ok(Self(Kind::Tcp(address)));
        }
        // RFC 1123 §2.1 for what names are made of; whether there is such a one is seen at start.
        match text.rsplit_once(':') {
            Some((name, port)) if is_name(name) => match port.parse() {
                // The standard library takes a sign too.
                Ok(number) if !port.starts_with('+') => {
                    Ok(Self(Kind::Host { name: name.to_owned(), port: number }))
                }
                _ => invalid("its port is no number up to 65535"),
            },
            Some(_) => invalid("it has to be IP:PORT, [IPV6]:PORT, NAME:PORT, unix:PATH or systemd"),
            None => invalid("its port is missing, as in 127.0.0.1:8080"),
        }
    }
}

fn is_name(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte))
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Kind::Tcp(address) => address.fmt(f),
            Kind::Host { name, port } => write!(f, "{name}:{port}"),
            Kind::Unix(path) => write!(f, "unix:{}", path.display()),
            Kind::Systemd { name: None } => f.write_str("systemd"),
            Kind::Systemd { name: Some(name) } => write!(f, "systemd:{name}"),
        }
    }
}

/// Binds the first address of `addresses` that can be bound, and listens.
///
/// # Errors
/// The reason with the address that it concerns, such as one in use.
pub fn bind(addresses: impl ToSocketAddrs, settings: SocketSettings) -> io::Result<TcpListener> {
    bind_first(addresses, &settings, |_| false)
}

/// Binds all that is not bound yet, in the order given. Where one fails, none is left.
///
/// # Errors
/// As [`bind`].
pub(crate) fn bind_all(listens: Vec<Listen>, settings: &SocketSettings) -> io::Result<Vec<Listener>> {
    let listens = listens.into_iter().map(Resolved::new).collect::<io::Result<Vec<_>>>()?;
    let v4: Vec<u16> = listens.iter().flat_map(Resolved::v4_ports).collect();
    // All of IPv6 is all of IPv4 too on most systems, and would be in the way of what is listened on there.
    let is_only_v6 = |address: SocketAddr| {
        address.is_ipv6() && address.ip().is_unspecified() && v4.contains(&address.port())
    };
    let mut listeners = Vec::with_capacity(listens.len());
    for listen in listens {
        match listen {
            Resolved::Listener(listener) => listeners.push(listener),
            Resolved::Tcp(addresses) => listeners.push(bind_first(&*addresses, settings, is_only_v6)?.into()),
            Resolved::Unix(path) => listeners.push(bind_unix(&path, settings)?),
            Resolved::Systemd { name } => listeners.extend(take_from_systemd(name)?),
        }
    }
    Ok(listeners)
}

/// What is listened on or to be bound, once the names are looked up.
enum Resolved {
    Listener(Listener),
    /// The first that can be bound.
    Tcp(Vec<SocketAddr>),
    Unix(PathBuf),
    Systemd {
        name: Option<String>,
    },
}

impl Resolved {
    fn new(listen: Listen) -> io::Result<Self> {
        Ok(match listen.0 {
            At::Listener(listener) => Self::Listener(listener),
            At::Address(Address(kind), _) => match kind {
                Kind::Tcp(address) => Self::Tcp(vec![address]),
                Kind::Host { name, port } => {
                    let addresses = (&*name, port).to_socket_addrs().map_err(because(&name))?;
                    Self::Tcp(addresses.collect())
                }
                Kind::Unix(path) => Self::Unix(path),
                Kind::Systemd { name } => Self::Systemd { name },
            },
        })
    }

    /// The ports that it has of IPv4, or may have. One that the system is to give is none that another has.
    fn v4_ports(&self) -> impl Iterator<Item = u16> + use<> {
        let addresses = match self {
            Self::Tcp(addresses) => addresses.clone(),
            Self::Listener(Listener { socket: listener::Socket::Tcp(listener), .. }) => {
                Vec::from_iter(listener.local_addr())
            }
            Self::Listener(_) | Self::Unix(_) | Self::Systemd { .. } => Vec::new(),
        };
        addresses.into_iter().filter(|address| address.is_ipv4() && address.port() != 0).map(|at| at.port())
    }
}

fn because(what: impl fmt::Display) -> impl Fn(io::Error) -> io::Error {
    move |error| io::Error::new(error.kind(), format!("cannot listen on {what}: {error}"))
}

fn bind_first(
    addresses: impl ToSocketAddrs,
    settings: &SocketSettings,
    is_only_v6: impl Fn(SocketAddr) -> bool,
) -> io::Result<TcpListener> {
    let mut failure = io::Error::new(io::ErrorKind::InvalidInput, "no address to listen on was given");
    for address in addresses.to_socket_addrs()? {
        match bind_one(address, settings, is_only_v6(address)) {
            Ok(listener) => return Ok(listener),
            Err(error) => failure = because(address)(error),
        }
    }
    Err(failure)
}

fn bind_one(address: SocketAddr, settings: &SocketSettings, only_v6: bool) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(settings.reuse_address)?;
    if only_v6 {
        socket.set_only_v6(true)?;
    }
    socket.bind(&address.into())?;
    socket.listen(settings.backlog)?;
    Ok(socket.into())
}

fn bind_unix(path: &Path, settings: &SocketSettings) -> io::Result<Listener> {
    let (listener, file) =
        unix::bind(path, settings).map_err(because(format_args!("unix:{}", path.display())))?;
    Ok(Listener::with_file(listener, file))
}

fn take_from_systemd(name: Option<String>) -> io::Result<Vec<Listener>> {
    #[cfg(feature = "systemd")]
    let taken = crate::systemd::take(name.as_deref());
    #[cfg(not(feature = "systemd"))]
    let taken = Err(io::Error::new(io::ErrorKind::Unsupported, "it needs the feature `systemd` of trijet"));
    taken.map_err(because(Address(Kind::Systemd { name })))
}

#[cfg(all(test, not(trijet_loom)))]
mod tests {
    use super::*;

    #[test]
    fn port_zero_is_given_and_a_taken_port_is_named() {
        let settings = SocketSettings::default();
        let first = bind("127.0.0.1:0", settings).unwrap();
        let address = first.local_addr().unwrap();
        assert_ne!(address.port(), 0);
        let error = bind(address, settings).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::AddrInUse);
        assert!(error.to_string().contains(&address.to_string()), "{error}");
    }

    #[test]
    fn what_is_parsed_is_shown_again() {
        for text in [
            "127.0.0.1:8080",
            "[::1]:0",
            "localhost:80",
            "my-host.internal:65535",
            "unix:/run/app.sock",
            "unix:a b:c",
            "unix:./@app",
            "systemd",
            "systemd:web",
            "systemd-host:80",
        ] {
            assert_eq!(text.parse::<Address>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn what_is_no_address_is_named_with_the_reason() {
        for text in [
            "",
            "8080",
            ":8080",
            "localhost",
            "localhost:",
            "localhost:http",
            "localhost:65536",
            "localhost:+80",
            "127.0.0.1:080000",
            "http://localhost:80",
            "::1:80",
            "[::1]",
            "unix:",
            "unix:a\0b",
            "unix:@app",
            "systemd:",
            "a b:80",
        ] {
            let error = text.parse::<Address>().unwrap_err().to_string();
            assert!(error.starts_with(&format!("{text:?} is no address to listen on: ")), "{error}");
        }
    }

    #[test]
    fn all_of_v6_and_any_of_v4_are_bound_at_one_port() {
        let settings = SocketSettings::default();
        let listens = |addresses: &[Address]| addresses.iter().cloned().map(Listen::from).collect::<Vec<_>>();
        for v4 in ["0.0.0.0", "127.0.0.1", "localhost"] {
            let port = bind("0.0.0.0:0", settings).unwrap().local_addr().unwrap().port();
            let addresses: [Address; 2] =
                [format!("{v4}:{port}"), format!("[::]:{port}")].map(|text| text.parse().unwrap());
            let [v4, v6] = addresses.clone();
            match bind_all(listens(&addresses[1..]), &settings) {
                // There is no IPv6 here.
                Err(_) => return,
                Ok(alone) => drop(alone),
            }
            let is_v4 = bind_all(listens(&addresses[..1]), &settings).unwrap()[0].local_addr().unwrap();
            if is_v4.tcp().unwrap().is_ipv6() {
                // A name for an address of IPv6 alone.
                continue;
            }
            assert_eq!(bind_all(listens(&addresses), &settings).unwrap().len(), 2, "{v4}");
            assert_eq!(bind_all(listens(&[v6.clone(), v4.clone()]), &settings).unwrap().len(), 2, "{v4}");
            assert!(bind_all(listens(&[v4.clone(), v4.clone()]), &settings).is_err());
            assert_eq!(bind_all(listens(&addresses), &settings).unwrap().len(), 2, "none was left");
        }
    }

    #[test]
    fn one_bound_already_is_none_in_the_way_of_all_of_v6() {
        let settings = SocketSettings::default();
        let bound = bind("127.0.0.1:0", settings).unwrap();
        let v6: Address = format!("[::]:{}", bound.local_addr().unwrap().port()).parse().unwrap();
        if std::net::TcpListener::bind("[::]:0").is_ok() {
            assert_eq!(bind_all(vec![Listen::from(bound), v6.into()], &settings).unwrap().len(), 2);
        }
    }
}
