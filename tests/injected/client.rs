//! The client's side of the oracle: every request that was fully sent ends in exactly one complete response, or
//! in one close. A response that is cut, or a second one, fails.

use std::{
    io::{self, Read, Write},
    net::{Ipv4Addr, SocketAddr, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use socket2::{Domain, Socket, Type};

use crate::{process::PATIENCE, server};

/// How a request ended.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum End {
    Answered(u16, Vec<u8>),
    /// Closed or reset, before a byte of an answer.
    Closed,
}

impl End {
    pub(crate) fn status(&self) -> u16 {
        match self {
            Self::Answered(status, _) => *status,
            Self::Closed => 0,
        }
    }
}

pub(crate) struct Client {
    stream: TcpStream,
    buffer: Vec<u8>,
    /// The head of the last answer.
    pub(crate) head: String,
}

pub(crate) fn get(path: &str) -> Vec<u8> {
    format!("GET {path} HTTP/1.1\r\nhost: t\r\n\r\n").into_bytes()
}

pub(crate) fn post(path: &str, body: &[u8]) -> Vec<u8> {
    let head = format!("POST {path} HTTP/1.1\r\nhost: t\r\ncontent-length: {}\r\n\r\n", body.len());
    [head.as_bytes(), body].concat()
}

pub(crate) fn post_chunked(path: &str, body: &[u8]) -> Vec<u8> {
    let mut request =
        format!("POST {path} HTTP/1.1\r\nhost: t\r\ntransfer-encoding: chunked\r\n\r\n").into_bytes();
    for chunk in body.chunks(1000) {
        request.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
        request.extend_from_slice(chunk);
        request.extend_from_slice(b"\r\n");
    }
    request.extend_from_slice(b"0\r\n\r\n");
    request
}

impl Client {
    pub(crate) fn connect(address: SocketAddr) -> Self {
        Self::reserve().connect(address)
    }

    /// A client whose port is known before it connects.
    pub(crate) fn reserve() -> Reserved {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        socket.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into()).unwrap();
        Reserved(socket)
    }

    pub(crate) fn port(&self) -> u16 {
        self.stream.local_addr().unwrap().port()
    }

    /// Sends it; whether the server took all of it.
    pub(crate) fn send(&mut self, bytes: &[u8]) -> bool {
        self.stream.write_all(bytes).is_ok()
    }

    pub(crate) fn ask(&mut self, request: &[u8]) -> End {
        // Where the server ends the connection meanwhile, what it has said can still be read.
        self.send(request);
        self.receive()
    }

    /// The end of one request. Fails where an answer is cut.
    pub(crate) fn receive(&mut self) -> End {
        self.receive_any().expect("an answer is cut")
    }

    /// The end of one request; `None` for an answer that is cut.
    pub(crate) fn receive_any(&mut self) -> Option<End> {
        let end = loop {
            if let Some(at) = self.buffer.windows(4).position(|four| four == b"\r\n\r\n") {
                break at + 4;
            }
            if !self.more() {
                return self.buffer.is_empty().then_some(End::Closed);
            }
        };
        self.head = String::from_utf8(self.buffer.drain(..end).collect()).expect("a head of text");
        let status = self.head[9..12].parse().expect("a status");
        let body = match self.field("content-length") {
            Some(length) => self.take(length.parse().expect("a length"))?,
            None => self.chunks()?,
        };
        Some(End::Answered(status, body))
    }

    /// Waits for the 100 Continue that says that the handler wants its body.
    pub(crate) fn is_asked_for_the_body(&mut self) {
        const CONTINUE: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";
        assert_eq!(self.take(CONTINUE.len()).as_deref(), Some(CONTINUE));
    }

    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        let mut fields = self.head.lines().filter_map(|line| line.split_once(": "));
        fields.find(|(field, _)| *field == name).map(|(_, value)| value)
    }

    fn chunks(&mut self) -> Option<Vec<u8>> {
        let mut body = Vec::new();
        loop {
            let end = loop {
                match self.buffer.windows(2).position(|two| two == b"\r\n") {
                    Some(at) => break at,
                    None if self.more() => {}
                    None => return None,
                }
            };
            let line = self.take(end + 2)?;
            let size = std::str::from_utf8(&line[..end]).expect("a size");
            let size = usize::from_str_radix(size, 16).expect("a size");
            let chunk = self.take(size + 2)?;
            if size == 0 {
                return Some(body);
            }
            body.extend_from_slice(&chunk[..size]);
        }
    }

    fn take(&mut self, count: usize) -> Option<Vec<u8>> {
        while self.buffer.len() < count {
            if !self.more() {
                return None;
            }
        }
        Some(self.buffer.drain(..count).collect())
    }

    /// Reads; whether there was more.
    fn more(&mut self) -> bool {
        let held = self.buffer.len();
        self.buffer.resize(held + (64 << 10), 0);
        let read = self.stream.read(&mut self.buffer[held..]);
        self.buffer.truncate(held + *read.as_ref().unwrap_or(&0));
        match read {
            Ok(count) => count > 0,
            Err(error) if error.kind() == io::ErrorKind::ConnectionReset => false,
            Err(error) => panic!("no answer: {error}; received {:?}", self.buffer.escape_ascii()),
        }
    }

    /// Whether the connection ends without another byte.
    pub(crate) fn is_ended(&mut self) -> bool {
        self.buffer.is_empty() && !self.more()
    }
}

/// A client that has a port, and no connection yet.
pub(crate) struct Reserved(Socket);

impl Reserved {
    pub(crate) fn port(&self) -> u16 {
        self.0.local_addr().unwrap().as_socket().unwrap().port()
    }

    pub(crate) fn connect(self, address: SocketAddr) -> Client {
        self.0.connect(&address.into()).expect("the server listens");
        let stream = TcpStream::from(self.0);
        stream.set_nodelay(true).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        Client { stream, buffer: Vec::new(), head: String::new() }
    }
}

/// Every route in turn over one connection, each answer to the byte; how many requests.
pub(crate) fn tour(address: SocketAddr) -> usize {
    let mut client = Client::connect(address);
    let body: Vec<u8> = (0..8000_u32).map(|index| (index % 253) as u8).collect();
    let pieces: String = (0..50).map(|index| format!("piece {index};")).collect();
    let length = body.len().to_string().into_bytes();
    let requests = [
        (get("/quick"), b"quick".to_vec()),
        (get("/plain"), b"plain".to_vec()),
        (post("/echo", &body), body.clone()),
        (post_chunked("/echo", &body), body.clone()),
        (post("/plain-echo", &body), body.clone()),
        (post("/measure", &body), length.clone()),
        (post("/plain-measure", &body), length.clone()),
        (post_chunked("/plain-measure", &body), length),
        (get("/pieces"), pieces.into_bytes()),
        (get("/big"), server::big()),
        ([get("/quick"), get("/quick"), get("/quick")].concat(), b"quick".to_vec()),
    ];
    let count = requests.len();
    for (index, (request, expected)) in requests.into_iter().enumerate() {
        let end = client.ask(&request);
        assert!(end == End::Answered(200, expected), "request {index} of a tour: {}", shown(&end));
    }
    for _ in 0..2 {
        assert_eq!(client.receive(), End::Answered(200, b"quick".to_vec()));
    }
    count + 2
}

fn shown(end: &End) -> String {
    match end {
        End::Answered(status, body) => {
            format!("{status} with {} bytes: {:?}", body.len(), body[..body.len().min(60)].escape_ascii())
        }
        End::Closed => "closed".to_owned(),
    }
}

/// So many tours at a time; how many requests.
pub(crate) fn tours(address: SocketAddr, count: usize) -> usize {
    let runs: Vec<_> = (0..count).map(|_| thread::spawn(move || tour(address))).collect();
    runs.into_iter().map(|run| run.join().expect("a tour holds")).sum()
}

/// So much that later traffic finds every buffer made.
pub(crate) fn warm_up(address: SocketAddr) {
    tours(address, 4);
}

/// Connections that must never notice: each asks all the time.
pub(crate) struct Bystanders {
    over: Arc<AtomicBool>,
    threads: Vec<JoinHandle<usize>>,
}

impl Bystanders {
    pub(crate) fn begin(address: SocketAddr) -> Self {
        let over = Arc::new(AtomicBool::new(false));
        let clients: Vec<_> = (0..3)
            .map(|_| {
                let mut client = Client::connect(address);
                assert_eq!(client.ask(&get("/quick")), End::Answered(200, b"quick".to_vec()));
                client
            })
            .collect();
        let ask = |mut client: Client| {
            let over = over.clone();
            thread::spawn(move || {
                let mut count = 0;
                while !over.load(Ordering::Relaxed) {
                    assert_eq!(client.ask(&get("/quick")), End::Answered(200, b"quick".to_vec()));
                    count += 1;
                    thread::sleep(Duration::from_millis(2));
                }
                count
            })
        };
        let threads = clients.into_iter().map(ask).collect();
        Self { over, threads }
    }

    /// Fails where one has noticed; how many requests they have made.
    pub(crate) fn end(self) -> usize {
        self.over.store(true, Ordering::Relaxed);
        self.threads.into_iter().map(|each| each.join().expect("a bystander notices nothing")).sum()
    }
}
