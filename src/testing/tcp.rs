//! Real connections for the test client, and the server that ends with it. It knows bytes, and no HTTP; every wait has an
//! end.

use std::{
    cell::Cell,
    io::{self, ErrorKind, Read, Write},
    net::{SocketAddr, TcpStream},
    sync::mpsc,
    thread,
    time::{Duration, Instant, SystemTime},
};

use trijet_backend::ServerHandle;
use trijet_core::sim::{Connect, Connection, TestClient, Wait};

/// How long a client waits for what is to come next, unless it is told otherwise. It is there so that a test that fails
/// ends: nothing takes that long to pass.
const PATIENCE: Duration = Duration::from_secs(10);
/// So many times as long a whole answer may take, of which each piece is in time.
const IN_ALL: u32 = 6;
/// What a longer one is taken for: no clock overflows.
const PATIENCE_MAX: Duration = Duration::from_secs(365 * 24 * 60 * 60);
/// How long it waits for what is on its way already.
const BRIEFLY: Duration = Duration::from_millis(100);
/// How long a write may block before it is looked whether the server wants to be read from first.
const WRITE_TICK: Duration = Duration::from_millis(5);
/// How often it reads before it writes again.
const TAKEN_MAX: usize = 64;
/// What is read at once.
const READ_BYTES: usize = 64 << 10;

/// A client of a server that runs already. It does not stop it.
///
/// ```
/// # #[cfg(feature = "threaded")] {
/// use trijet::{Router, Server, get, testing::connect_to};
///
/// let server = Server::new(Router::new().route("/", get(async || "hello"))).start("127.0.0.1:0")?;
/// connect_to(server.local_addr()).get("/").send().assert_text("hello");
/// server.shutdown();
/// server.wait()?;
/// # }
/// # Ok::<(), std::io::Error>(())
/// ```
pub fn connect_to(address: SocketAddr) -> TestClient {
    TestClient::over(Remote::new(address, address.to_string(), None))
}

/// A client of this server, which ends with the client.
pub(crate) fn serve(server: ServerHandle) -> TestClient {
    TestClient::over(Remote::new(server.local_addr(), server.backend().to_owned(), Some(Running(server))))
}

/// A server at an address.
struct Remote {
    address: SocketAddr,
    name: String,
    started: Instant,
    patience: Cell<Duration>,
    _running: Option<Running>,
}

impl Remote {
    fn new(address: SocketAddr, name: String, running: Option<Running>) -> Self {
        Self { address, name, started: Instant::now(), patience: Cell::new(PATIENCE), _running: running }
    }
}

impl Connect for Remote {
    fn name(&self) -> &str {
        &self.name
    }

    fn connect(&self) -> io::Result<Box<dyn Connection>> {
        let stream = TcpStream::connect_timeout(&self.address, self.patience.get())?;
        stream.set_nodelay(true)?;
        stream.set_write_timeout(Some(WRITE_TICK))?;
        Ok(Box::new(Stream { stream, patience: self.patience.get(), early: Vec::new(), reset: None }))
    }

    fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }

    fn advance(&self, duration: Duration) {
        thread::sleep(duration);
    }

    fn wall_clock(&self) -> SystemTime {
        SystemTime::now()
    }

    fn set_patience(&self, patience: Duration) {
        // A timeout of zero would be none.
        self.patience.set(patience.clamp(Duration::from_millis(1), PATIENCE_MAX));
    }
}

struct Stream {
    stream: TcpStream,
    patience: Duration,
    /// What came while something was written.
    early: Vec<u8>,
    /// A system tells of a reset once, and then that the connection has ended. Who writes may be the one that is told.
    reset: Option<ErrorKind>,
}

impl Stream {
    /// Takes in what has come, so that a server that waits for its answer to be read goes on reading.
    fn take_in(&mut self) -> io::Result<()> {
        self.stream.set_nonblocking(true)?;
        // Not for ever, of one that writes faster than it can be read.
        for _ in 0..TAKEN_MAX {
            if !matches!(self.receive(), Ok(1..)) {
                break;
            }
        }
        self.stream.set_nonblocking(false)
    }

    /// Reads once into what came early.
    fn receive(&mut self) -> io::Result<usize> {
        let held = self.early.len();
        self.early.resize(held + READ_BYTES, 0);
        let read = loop {
            match self.stream.read(&mut self.early[held..]) {
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                read => break read,
            }
        };
        self.early.truncate(held + *read.as_ref().unwrap_or(&0));
        match (read, &self.reset) {
            (Err(error), _) => Err(self.note(error)),
            (Ok(0), Some(reset)) => Err((*reset).into()),
            (read, _) => read,
        }
    }

    fn note(&mut self, error: io::Error) -> io::Error {
        if error.kind() == ErrorKind::ConnectionReset {
            self.reset = Some(error.kind());
        }
        error
    }
}

impl Connection for Stream {
    fn write(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        let last = Instant::now() + self.patience * IN_ALL;
        let mut until = Instant::now() + self.patience;
        while !bytes.is_empty() {
            match self.stream.write(bytes) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(count) => {
                    bytes = &bytes[count..];
                    until = last.min(Instant::now() + self.patience);
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if is_late(&error) => {
                    if Instant::now() >= until {
                        let text = format!("the rest was not taken within {:?}", self.patience);
                        return Err(io::Error::new(ErrorKind::TimedOut, text));
                    }
                    self.take_in()?;
                }
                Err(error) => return Err(self.note(error)),
            }
        }
        Ok(())
    }

    fn pause(&mut self, duration: Duration) {
        thread::sleep(duration);
    }

    fn patience_in_all(&self) -> Duration {
        self.patience * IN_ALL
    }

    fn read(&mut self, into: &mut Vec<u8>, wait: Wait) -> io::Result<usize> {
        if self.early.is_empty() {
            let patience = match wait {
                Wait::Patiently => Some(self.patience),
                Wait::Briefly => Some(BRIEFLY.min(self.patience)),
                Wait::NotAtAll => None,
            };
            match patience {
                Some(patience) => self.stream.set_read_timeout(Some(patience))?,
                None => self.stream.set_nonblocking(true)?,
            }
            let received = self.receive();
            self.stream.set_nonblocking(false)?;
            if let Err(error) = received {
                let late = || {
                    io::Error::new(ErrorKind::TimedOut, format!("within {:?}", patience.unwrap_or_default()))
                };
                return Err(if is_late(&error) { late() } else { error });
            }
        }
        into.extend_from_slice(&self.early);
        let count = self.early.len();
        self.early.clear();
        Ok(count)
    }
}

/// Whether it would have to wait for longer: the name of that depends on the system.
fn is_late(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut)
}

/// A server that is stopped and waited for when it is dropped: its connections are cut, its hooks run.
struct Running(ServerHandle);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.shutdown_now();
        let handle = self.0.clone();
        let (done, ended) = mpsc::channel();
        let waiting = thread::Builder::new().spawn(move || done.send(handle.wait()));
        let ended = match waiting {
            Ok(_) => ended.recv_timeout(PATIENCE),
            Err(_) => return fail("no thread can be started to wait for the end of the server"),
        };
        match ended {
            Ok(Ok(())) => {}
            Ok(Err(error)) => fail(&format!("the server of this test ended with an error: {error}")),
            Err(_) => fail(&format!(
                "the server of this test did not end within {PATIENCE:?}: a handler or a hook of it still runs"
            )),
        }
    }
}

#[expect(clippy::print_stderr, reason = "a second panic would end the process")]
fn fail(text: &str) {
    if thread::panicking() {
        eprintln!("{text}");
    } else {
        panic!("{text}");
    }
}
