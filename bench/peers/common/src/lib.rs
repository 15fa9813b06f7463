//! What the peers of the race have in common: what they answer, and how they are started and ended. A peer is a program
//! `peer-NAME THREADS [ROUTES]`: it tells its address in a line on its standard output, and ends with its standard input.
//!
//! It must never hold what one server does better than another: no socket option, no buffer, no parser.

use std::{
    env, io,
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    ops::Range,
    process, thread,
    time::Duration,
};

/// The text that most routes answer; in JSON it is the `message` of an object.
pub const TEXT: &str = "Hello, World!";

/// The type of texts, alike for all who let it be chosen.
pub const TEXT_TYPE: &str = "text/plain; charset=utf-8";

/// Piece by piece a download is sent.
pub static PIECE: [u8; 64 << 10] = [b'x'; 64 << 10];

/// So many pieces are one download: 10 MiB.
pub const PIECES: usize = 160;

/// The largest body that is sent to a server: 20 MiB.
pub const BODY_MAX: usize = 20 << 20;

/// How long the route waits that waits.
pub const WAIT: Duration = Duration::from_millis(50);

/// An idle connection is kept for as long as this by all who let it be chosen.
pub const KEEP_ALIVE: Duration = Duration::from_secs(75);

/// How many threads were asked for: the workers of an event loop, or as many as there will be connections.
///
/// # Panics
/// Where there is no such number: who starts it is mistaken.
pub fn threads() -> usize {
    let argument = env::args().nth(1);
    argument.and_then(|count| count.parse().ok()).expect("the first argument is the number of threads")
}

/// The numbers of the routes of the scenario with many of them, `/r/0` and so on; none where none were asked for.
pub fn routes() -> Range<usize> {
    0..env::args().nth(2).and_then(|count| count.parse().ok()).unwrap_or(0)
}

/// An address that is free now, for servers that cannot tell which one they were given.
///
/// # Errors
/// Where the system has none.
pub fn free_address() -> io::Result<SocketAddr> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()
}

/// Tells the address, and ends the process with its standard input.
pub fn tell(address: SocketAddr) {
    println!("{address}");
    thread::spawn(|| {
        _ = io::copy(&mut io::stdin(), &mut io::sink());
        // Not every server can be told to stop.
        process::exit(0);
    });
}

/// As [`tell`], once somebody listens there; where that never happens, the process ends without a word.
pub fn tell_once_there(address: SocketAddr) {
    const TRIES: usize = 5_000;
    thread::spawn(move || {
        for _ in 0..TRIES {
            if TcpStream::connect(address).is_ok() {
                return tell(address);
            }
            thread::sleep(Duration::from_millis(1));
        }
        process::exit(1);
    });
}

/// The path within a request target, and the captured name where it is `/users/{name}`: for servers without a router.
pub fn user(path: &str) -> Option<&str> {
    path.strip_prefix("/users/").filter(|name| !name.is_empty() && !name.contains('/'))
}
