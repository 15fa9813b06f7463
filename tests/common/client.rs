//! A raw client over one socket: it sends any bytes, ends in any way, and reads responses by the strict
//! parser. Every read has a time limit, so that no test can hang.

use std::{
    io::{self, Read, Write},
    net::{Shutdown, SocketAddr, TcpStream},
    os::{fd::OwnedFd, unix::net::UnixStream},
    path::Path,
    time::Duration,
};

use socket2::SockRef;

use super::{
    PATIENCE,
    response::{Ending, Response, fields},
};

pub(crate) struct Client {
    stream: TcpStream,
    /// Received, and not looked at yet.
    buffer: Vec<u8>,
}

/// The request line and `Host` of a GET.
pub(crate) fn get(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nhost: t\r\n\r\n")
}

/// A POST with its body, by its length.
pub(crate) fn post(path: &str, body: &str) -> String {
    format!("POST {path} HTTP/1.1\r\nhost: t\r\ncontent-length: {}\r\n\r\n{body}", body.len())
}

/// A POST whose body is one chunk.
pub(crate) fn post_chunked(path: &str, body: &str) -> String {
    format!(
        "POST {path} HTTP/1.1\r\nhost: t\r\ntransfer-encoding: chunked\r\n\r\n{:x}\r\n{body}\r\n0\r\n\r\n",
        body.len()
    )
}

impl Client {
    pub(crate) fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).expect("the server listens");
        stream.set_nodelay(true).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        Self { stream, buffer: Vec::new() }
    }

    /// Over a connection that stands already.
    pub(crate) fn from(stream: TcpStream) -> Self {
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        Self { stream, buffer: Vec::new() }
    }

    /// A connection whose receive buffer is as small as the system allows: a slow reader fills it at once.
    pub(crate) fn connect_narrow(address: SocketAddr) -> Self {
        let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
        socket.set_recv_buffer_size(4 << 10).unwrap();
        socket.connect(&address.into()).expect("the server listens");
        let stream = TcpStream::from(socket);
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        Self { stream, buffer: Vec::new() }
    }

    /// A connection of a Unix socket: what is called on it is the same.
    pub(crate) fn connect_unix(path: &Path) -> Self {
        let stream = UnixStream::connect(path).expect("the server listens");
        Self::from(OwnedFd::from(stream).into())
    }

    pub(crate) fn stream(&self) -> &TcpStream {
        &self.stream
    }

    pub(crate) fn send(&mut self, bytes: impl AsRef<[u8]>) -> &mut Self {
        self.stream.write_all(bytes.as_ref()).expect("the server takes the request");
        self
    }

    /// Sends where it is no matter whether the server still listens.
    pub(crate) fn try_send(&mut self, bytes: impl AsRef<[u8]>) -> io::Result<()> {
        self.stream.write_all(bytes.as_ref())
    }

    /// Ends the sending direction.
    pub(crate) fn half_close(&mut self) -> &mut Self {
        self.stream.shutdown(Shutdown::Write).expect("a half-close");
        self
    }

    /// Ends the connection by a reset.
    pub(crate) fn reset(self) {
        SockRef::from(&self.stream).set_linger(Some(Duration::ZERO)).unwrap();
    }

    /// Another handle of the same socket, for a thread that sends while this one reads.
    pub(crate) fn sender(&self) -> TcpStream {
        self.stream.try_clone().unwrap()
    }

    /// Sends a GET and reads its answer.
    #[track_caller]
    pub(crate) fn get(&mut self, path: &str) -> Response {
        self.send(get(path)).response()
    }

    /// Reads one response.
    #[track_caller]
    pub(crate) fn response(&mut self) -> Response {
        let head = self.head();
        self.rest_of(head)
    }

    /// Reads one response to a HEAD request.
    #[track_caller]
    pub(crate) fn response_to_head(&mut self) -> Response {
        self.head()
    }

    /// Reads the body that follows `head`.
    #[track_caller]
    pub(crate) fn rest_of(&mut self, mut response: Response) -> Response {
        let mut body = Vec::new();
        let ending = response.ending();
        response.chunks = self.body(ending, |piece| body.extend_from_slice(piece));
        response.body = body;
        response.trailers = self.end_of_chunks(ending);
        response
    }

    /// Reads what follows the last chunk's line, where there are chunks.
    #[track_caller]
    pub(crate) fn end_of_chunks(&mut self, ending: Ending) -> Vec<(String, String)> {
        match ending {
            Ending::Chunked => self.trailers(),
            Ending::Length(_) | Ending::Close => Vec::new(),
        }
    }

    /// Reads one head.
    #[track_caller]
    pub(crate) fn head(&mut self) -> Response {
        let end = self.find(b"\r\n\r\n");
        let head: Vec<u8> = self.buffer.drain(..end + 4).collect();
        Response::parse(&head)
    }

    /// Reads a body, and gives the sizes of its chunks if it has any. Chunked: up to the last chunk's line.
    #[track_caller]
    pub(crate) fn body(&mut self, ending: Ending, mut take: impl FnMut(&[u8])) -> Option<Vec<usize>> {
        match ending {
            Ending::Length(length) => {
                self.exactly(length, &mut take);
                None
            }
            Ending::Close => {
                while self.fill() > 0 {
                    take(&std::mem::take(&mut self.buffer));
                }
                take(&std::mem::take(&mut self.buffer));
                None
            }
            Ending::Chunked => {
                let mut sizes = Vec::new();
                loop {
                    let line = self.line();
                    let is_plain =
                        line.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte));
                    assert!(is_plain && (line == "0" || !line.starts_with('0')), "a chunk size: {line:?}");
                    let size = usize::from_str_radix(&line, 16).expect("a chunk size");
                    if size == 0 {
                        return Some(sizes);
                    }
                    sizes.push(size);
                    self.exactly(size as u64, &mut take);
                    assert_eq!(self.line(), "", "a line end after a chunk");
                }
            }
        }
    }

    /// Reads one chunk of a chunked body that has not ended.
    #[track_caller]
    pub(crate) fn chunk(&mut self, mut take: impl FnMut(&[u8])) {
        let line = self.line();
        let size = u64::from_str_radix(&line, 16).unwrap_or_else(|_| panic!("a chunk size: {line:?}"));
        assert!(size > 0, "the body has ended");
        self.exactly(size, &mut take);
        assert_eq!(self.line(), "", "a line end after a chunk");
    }

    fn trailers(&mut self) -> Vec<(String, String)> {
        let mut lines = Vec::new();
        loop {
            let line = self.line();
            if line.is_empty() {
                return fields(lines.iter().map(String::as_str));
            }
            lines.push(line);
        }
    }

    #[track_caller]
    fn exactly(&mut self, mut length: u64, take: &mut impl FnMut(&[u8])) {
        while length > 0 {
            if self.buffer.is_empty() {
                assert!(self.fill() > 0, "the body ends {length} bytes early");
            }
            let count = usize::try_from(length).unwrap_or(usize::MAX).min(self.buffer.len());
            take(&self.buffer[..count]);
            self.buffer.drain(..count);
            length -= count as u64;
        }
    }

    #[track_caller]
    fn line(&mut self) -> String {
        let end = self.find(b"\r\n");
        let line: Vec<u8> = self.buffer.drain(..end + 2).collect();
        String::from_utf8(line[..end].to_vec()).expect("a line of text")
    }

    #[track_caller]
    fn find(&mut self, what: &[u8]) -> usize {
        let mut from = 0;
        loop {
            if let Some(at) = self.buffer[from..].windows(what.len()).position(|window| window == what) {
                return from + at;
            }
            from = (self.buffer.len() + 1).saturating_sub(what.len());
            if self.fill() == 0 {
                panic!("closed before a whole answer: {:?}", String::from_utf8_lossy(&self.buffer));
            }
        }
    }

    /// Reads once more. 0: the server has ended its direction.
    #[track_caller]
    fn fill(&mut self) -> usize {
        let held = self.buffer.len();
        self.buffer.resize(held + (64 << 10), 0);
        let read = loop {
            match self.stream.read(&mut self.buffer[held..]) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                read => break read,
            }
        };
        self.buffer.truncate(held + *read.as_ref().unwrap_or(&0));
        read.unwrap_or_else(|error| {
            panic!("no answer: {error}; received {:?}", String::from_utf8_lossy(&self.buffer))
        })
    }

    /// Fails unless the server ends its direction without another byte.
    #[track_caller]
    pub(crate) fn is_ended(&mut self) {
        let rest = if self.buffer.is_empty() { self.fill() } else { self.buffer.len() };
        assert_eq!(rest, 0, "more than expected: {:?}", String::from_utf8_lossy(&self.buffer));
    }

    /// Reads at most `count` bytes, and forgets them.
    pub(crate) fn read_some(&mut self, count: usize) {
        self.buffer.clear();
        _ = self.stream.read(&mut vec![0; count]);
    }

    /// Reads once, to be looked at later; gives how much that was.
    #[track_caller]
    pub(crate) fn take_in(&mut self) -> usize {
        self.fill()
    }

    /// Waits for the first bytes, and gives what one read brought.
    #[track_caller]
    pub(crate) fn first_read(&mut self) -> &[u8] {
        assert!(self.buffer.is_empty() && self.fill() > 0, "it ended");
        &self.buffer
    }

    /// What one read brings, or what is here already; it is not looked at again.
    #[track_caller]
    pub(crate) fn first_read_and_forget(&mut self) -> Vec<u8> {
        if self.buffer.is_empty() {
            self.fill();
        }
        std::mem::take(&mut self.buffer)
    }

    /// Everything up to the end, whether that is a close or a reset.
    pub(crate) fn everything(&mut self) -> (Vec<u8>, Result<(), io::ErrorKind>) {
        let mut all = std::mem::take(&mut self.buffer);
        match self.stream.read_to_end(&mut all) {
            Ok(_) => (all, Ok(())),
            Err(error) => (all, Err(error.kind())),
        }
    }

    /// Fails unless the connection is over, by a close or a reset, whatever comes before.
    #[track_caller]
    pub(crate) fn is_cut(&mut self) {
        let (_, end) = self.everything();
        assert!(matches!(end, Ok(()) | Err(io::ErrorKind::ConnectionReset)), "{end:?}");
    }

    /// Whether nothing has come so far.
    pub(crate) fn is_silent(&mut self) -> bool {
        if !self.buffer.is_empty() {
            return false;
        }
        self.stream.set_nonblocking(true).unwrap();
        let read = self.stream.peek(&mut [0]);
        self.stream.set_nonblocking(false).unwrap();
        matches!(read, Err(error) if error.kind() == io::ErrorKind::WouldBlock)
    }
}
