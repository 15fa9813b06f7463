//! An example as a process, and a client for it on a socket of the standard library. It must never stop a
//! process that it did not start.

use std::{
    ffi::OsStr,
    io::{self, BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpStream},
    path::Path,
    process::{Child, Command, ExitStatus, Stdio},
    sync::{
        Mutex,
        atomic::{AtomicBool, Ordering},
        mpsc,
    },
    thread,
    time::{Duration, Instant},
};

/// Longer than anything here takes, also on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// A running example. Dropping it is `kill -9`.
pub(crate) struct Process {
    child: Child,
    address: SocketAddr,
    log: Mutex<mpsc::Receiver<String>>,
    is_interrupted: AtomicBool,
}

impl Process {
    /// Starts `program` on a free port, and waits for the log line that names address and backend.
    pub(crate) fn start(
        program: &Path,
        backend: &str,
        variables: &[(&str, impl AsRef<OsStr> + Copy)],
    ) -> Self {
        let mut child = Command::new(program)
            .env("PORT", "0")
            .env("TRIJET_BACKEND", backend)
            .env_remove("RUST_LOG")
            .envs(variables.iter().copied())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("{}: {error}", program.display()));
        let log = BufReader::new(child.stderr.take().expect("piped"));
        let (send, receive) = mpsc::channel();
        // Read to the end, so that the process never waits for its log to be read.
        thread::spawn(move || log.lines().map_while(Result::ok).for_each(|line| drop(send.send(line))));
        let mut seen = String::new();
        let line = loop {
            match receive.recv_timeout(PATIENCE) {
                Ok(line) if line.contains("serving on http://") => break line,
                Ok(line) => seen.extend([&line, "\n"]),
                Err(error) => panic!("{} did not say its address ({error}):\n{seen}", program.display()),
            }
        };
        let rest = line.split_once("serving on http://").expect("just seen").1;
        // The first, where there are several.
        let (address, rest) = rest.split_once([' ', ',']).expect("a space or a comma after the address");
        assert!(format!(" {rest}").contains(&format!(" with backend {backend} ")), "{line}");
        let address = address.parse().expect("an address");
        Self { child, address, log: Mutex::new(receive), is_interrupted: AtomicBool::new(false) }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) fn connect(&self) -> Client {
        Client::connect(self.address)
    }

    /// The most memory that the process has held, in bytes, where the system tells.
    pub(crate) fn peak_memory(&self) -> Option<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).ok()?;
        let row = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
        let kilobytes: u64 = row.split_whitespace().next()?.parse().ok()?;
        Some(kilobytes << 10)
    }

    /// Sends SIGINT.
    pub(crate) fn signal(&self) {
        let sent = Command::new("sh").arg("-c").arg(format!("kill -INT {}", self.child.id())).status();
        assert!(sent.is_ok_and(|status| status.success()), "SIGINT could not be sent");
        self.is_interrupted.store(true, Ordering::Relaxed);
    }

    /// Waits for a line of the log that has this in it.
    pub(crate) fn await_line(&self, part: &str) {
        let log = self.log.lock().expect("no other test of it has failed");
        let mut seen = String::new();
        loop {
            match log.recv_timeout(PATIENCE) {
                Ok(line) if line.contains(part) => return,
                Ok(line) => seen.extend([&line, "\n"]),
                Err(error) => panic!("it did not say {part:?} ({error}):\n{seen}"),
            }
        }
    }

    /// Sends SIGINT, unless the test has, and waits for the end, which must be a success.
    pub(crate) fn interrupt(mut self) {
        if !self.is_interrupted.load(Ordering::Relaxed) {
            self.signal();
        }
        let until = Instant::now() + PATIENCE;
        let status: ExitStatus = loop {
            match self.child.try_wait().expect("it can be waited for") {
                Some(status) => break status,
                None if Instant::now() < until => thread::sleep(Duration::from_millis(10)),
                None => panic!("it did not stop on SIGINT"),
            }
        };
        assert!(status.success(), "after SIGINT: {status}");
    }
}

/// Ends it at once, as `kill -9` does: a test that fails leaves no process behind either. One that has ended
/// is not signalled again.
impl Drop for Process {
    fn drop(&mut self) {
        _ = self.child.kill();
        _ = self.child.wait();
    }
}

/// A connection that is kept, and the cookies that came by it.
pub(crate) struct Client {
    stream: BufReader<TcpStream>,
    cookies: Vec<String>,
}

/// A response.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }

    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).expect("UTF-8")
    }
}

impl Client {
    pub(crate) fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).expect("it listens");
        stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        stream.set_write_timeout(Some(PATIENCE)).expect("a timeout");
        Self { stream: BufReader::new(stream), cookies: Vec::new() }
    }

    /// Asks, and panics where there is no answer.
    pub(crate) fn ask(&mut self, method: &str, target: &str, content_type: &str, body: &[u8]) -> Answer {
        self.try_ask(method, target, content_type, body)
            .unwrap_or_else(|error| panic!("{method} {target}: {error}"))
    }

    /// A GET.
    pub(crate) fn get(&mut self, target: &str) -> Answer {
        self.ask("GET", target, "", b"")
    }

    /// Asks. An error is a connection that broke before the answer was whole.
    pub(crate) fn try_ask(
        &mut self,
        method: &str,
        target: &str,
        content_type: &str,
        body: &[u8],
    ) -> io::Result<Answer> {
        let fields: &[(&str, &str)] =
            if content_type.is_empty() { &[] } else { &[("Content-Type", content_type)] };
        self.try_ask_with(method, target, fields, body)
    }

    /// Asks with these fields, and panics where there is no answer.
    pub(crate) fn ask_with(
        &mut self,
        method: &str,
        target: &str,
        fields: &[(&str, &str)],
        body: &[u8],
    ) -> Answer {
        self.try_ask_with(method, target, fields, body)
            .unwrap_or_else(|error| panic!("{method} {target}: {error}"))
    }

    /// As [`try_ask`](Self::try_ask), with these fields.
    pub(crate) fn try_ask_with(
        &mut self,
        method: &str,
        target: &str,
        fields: &[(&str, &str)],
        body: &[u8],
    ) -> io::Result<Answer> {
        self.send(method, target, fields, body)?;
        let mut answer = self.read_head()?;
        let mut body = Vec::new();
        if method != "HEAD" {
            self.read_body(&answer, |piece| body.extend_from_slice(piece))?;
        }
        answer.body = body;
        if let Some(cookie) = answer.header("set-cookie") {
            let pair = cookie.split(';').next().unwrap_or_default().to_owned();
            let (name, _) = pair.split_once('=').expect("a pair");
            self.cookies.retain(|other| !other.starts_with(&format!("{name}=")));
            if !cookie.contains("Max-Age=0") {
                self.cookies.push(pair);
            }
        }
        Ok(answer)
    }

    /// Asks for a body that does not end: see [`chunk`](Self::chunk).
    pub(crate) fn listen(&mut self, target: &str) -> Answer {
        let sent = self.send("GET", target, &[], b"");
        sent.and_then(|()| self.read_head()).unwrap_or_else(|error| panic!("{target}: {error}"))
    }

    /// The next chunk of it; an empty one is the end.
    pub(crate) fn chunk(&mut self) -> String {
        let mut chunk = Vec::new();
        let mut read = || -> io::Result<()> {
            let line = self.line()?;
            let length = u64::from_str_radix(&line, 16).expect("a chunk's length");
            self.read_exactly(length, &mut |piece| chunk.extend_from_slice(piece))?;
            assert_eq!(self.line()?, "");
            Ok(())
        };
        read().expect("a chunk");
        String::from_utf8(chunk).expect("UTF-8")
    }

    /// Sends a request, with the cookies that it has been given; a body where there are fields to tell of it.
    fn send(&mut self, method: &str, target: &str, fields: &[(&str, &str)], body: &[u8]) -> io::Result<()> {
        let mut head = format!("{method} {target} HTTP/1.1\r\nHost: localhost\r\n");
        for (name, value) in fields {
            head += &format!("{name}: {value}\r\n");
        }
        if !fields.is_empty() {
            head += &format!("Content-Length: {}\r\n", body.len());
        }
        if !self.cookies.is_empty() {
            head += &format!("Cookie: {}\r\n", self.cookies.join("; "));
        }
        head += "\r\n";
        let mut request = head.into_bytes();
        request.extend_from_slice(body);
        self.stream.get_mut().write_all(&request)
    }

    /// Sends a chunked body while reading the answer's, on two threads.
    pub(crate) fn exchange(
        mut self,
        method: &str,
        target: &str,
        pieces: impl Iterator<Item = Vec<u8>> + Send + 'static,
        take: impl FnMut(&[u8]),
    ) -> io::Result<Answer> {
        let head =
            format!("{method} {target} HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n");
        let mut stream = self.stream.get_ref().try_clone()?;
        let sender = thread::spawn(move || -> io::Result<()> {
            stream.write_all(head.as_bytes())?;
            for piece in pieces {
                let mut chunk = format!("{:x}\r\n", piece.len()).into_bytes();
                chunk.extend_from_slice(&piece);
                chunk.extend_from_slice(b"\r\n");
                stream.write_all(&chunk)?;
            }
            stream.write_all(b"0\r\n\r\n")
        });
        let answer = self.read_head()?;
        self.read_body(&answer, take)?;
        sender.join().expect("the sender does not panic")?;
        Ok(answer)
    }

    fn line(&mut self) -> io::Result<String> {
        let mut line = String::new();
        if self.stream.read_line(&mut line)? == 0 || !line.ends_with("\r\n") {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        line.truncate(line.len() - 2);
        Ok(line)
    }

    fn read_head(&mut self) -> io::Result<Answer> {
        let invalid = |line: &str| io::Error::new(io::ErrorKind::InvalidData, format!("{line:?} in a head"));
        let first = self.line()?;
        let status =
            first.split(' ').nth(1).and_then(|status| status.parse().ok()).ok_or_else(|| invalid(&first))?;
        let mut headers = Vec::new();
        loop {
            let line = self.line()?;
            if line.is_empty() {
                return Ok(Answer { status, headers, body: Vec::new() });
            }
            let (name, value) = line.split_once(": ").ok_or_else(|| invalid(&line))?;
            headers.push((name.to_owned(), value.to_owned()));
        }
    }

    fn read_body(&mut self, head: &Answer, mut take: impl FnMut(&[u8])) -> io::Result<()> {
        if head.status == 204 || head.status == 304 {
            return Ok(());
        }
        if let Some(length) = head.header("content-length") {
            return self.read_exactly(length.parse().expect("a length"), &mut take);
        }
        assert_eq!(head.header("transfer-encoding"), Some("chunked"), "{head:?}");
        loop {
            let line = self.line()?;
            let length = u64::from_str_radix(&line, 16).expect("a chunk's length");
            self.read_exactly(length, &mut take)?;
            assert_eq!(self.line()?, "");
            if length == 0 {
                return Ok(());
            }
        }
    }

    fn read_exactly(&mut self, length: u64, take: &mut impl FnMut(&[u8])) -> io::Result<()> {
        let mut rest = length;
        while rest > 0 {
            let mut limited = (&mut self.stream).take(rest);
            let piece = limited.fill_buf()?;
            if piece.is_empty() {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            take(piece);
            let count = piece.len();
            self.stream.consume(count);
            rest -= count as u64;
        }
        Ok(())
    }
}
