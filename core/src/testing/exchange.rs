//! One request and its response, piece by piece: [`Exchange`]. It waits for nothing but what it is asked for, and what
//! fails is a panic that shows how far it came.

use std::{
    fmt,
    io::{self, ErrorKind},
    time::Duration,
};

use bytes::Bytes;

use super::{
    Connection, TestClient, TestResponse, Wait,
    answer::{Answer, Asked, Event},
    show::{self, Sent},
};

/// A request whose head is sent, and whose response has not ended: [`TestRequest::open`](super::TestRequest::open). What
/// is written and what is read may alternate. Who drops it leaves, as a client that closes its connection.
///
/// ```
/// use std::time::Duration;
/// use trijet_core::{Body, Router, post, sim::TestClient};
///
/// async fn echo(body: Body) -> Body { Body::from_stream(body.into_stream()) }
///
/// let client = TestClient::new(Router::new().route("/echo", post(echo)));
/// let mut exchange = client.post("/echo").open();
/// exchange.head().assert_status(200);
/// exchange.write("to");
/// assert_eq!(exchange.read().unwrap(), "to");
/// client.advance(Duration::from_secs(3));
/// exchange.write("fro");
/// assert_eq!(exchange.read().unwrap(), "fro");
/// exchange.finish().assert_text("tofro");
/// ```
///
/// # On the simulation
/// What is written goes on its way when something is waited for: [`head`](Self::head), [`read`](Self::read),
/// [`finish`](Self::finish), [`TestClient::advance`] or the drop. There is one thread, and a plain `fn` that reads its body
/// by a reader has it until the body has come, however long that takes:
///
/// - Write what it waits for before you wait for what it answers, as above.
/// - Let time pass by [`pause`](Self::pause), between two pieces that are both written, and not by
///   [`advance`](TestClient::advance), in which nothing more can be written.
/// - A schedule with a seed may have it read before you have written: leave it in order, or take a real backend.
pub struct Exchange {
    connection: Box<dyn Connection>,
    client: TestClient,
    host: String,
    path: String,
    sent: Sent,
    sending: Sending,
    /// What the server did not take.
    unsent: Option<io::Error>,
    answer: Answer,
    is_cut: bool,
}

/// What is left of the request's body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sending {
    /// So many bytes of the length that was declared.
    Length(usize),
    Chunks,
    Over,
}

/// What an exchange begins with.
pub(super) struct Opening {
    pub(super) what: String,
    pub(super) asked: Asked,
    pub(super) host: String,
    pub(super) path: String,
    pub(super) head: Vec<u8>,
    /// The whole body as it is sent, and the pieces that it is made of.
    pub(super) body: Vec<u8>,
    pub(super) pieces: Vec<Vec<u8>>,
    pub(super) sending: Sending,
}

impl Exchange {
    #[track_caller]
    pub(super) fn open(client: &TestClient, opening: Opening) -> Self {
        let Opening { what, asked, host, path, head, body, pieces, sending } = opening;
        let connection = client.connection(&what);
        let bytes = [&*head, &*body].concat();
        let mut sent = Sent::new(what, head);
        pieces.iter().for_each(|piece| sent.add_body(piece));
        let client = client.clone();
        let answer = Answer::new(asked);
        let mut exchange =
            Self { connection, client, host, path, sent, sending, unsent: None, answer, is_cut: false };
        exchange.put(&bytes);
        exchange
    }

    /// Writes a piece of the body: one chunk, where its length was not declared.
    ///
    /// # Panics
    /// If the body has ended, or was given with the request; if it would be longer than was declared.
    #[track_caller]
    pub fn write(&mut self, bytes: impl AsRef<[u8]>) -> &mut Self {
        let bytes = bytes.as_ref();
        match &mut self.sending {
            Sending::Over => self.fail(format_args!(
                "the body has ended, and nothing can be written; its length is declared by a field, or it is sent in \
                 chunks with POST, PUT and PATCH"
            )),
            Sending::Length(left) if *left < bytes.len() => {
                let left = *left;
                self.fail(format_args!("{} B are written, and {left} B are left of the declared length", bytes.len()));
            }
            Sending::Length(left) => {
                *left -= bytes.len();
                self.sent.add_body(bytes);
                self.put(bytes);
            }
            Sending::Chunks if bytes.is_empty() => {}
            Sending::Chunks => {
                self.sent.add_body(bytes);
                self.put(&chunk(bytes));
            }
        }
        self
    }

    /// Ends the body. Where a length was declared and is not reached, the server goes on waiting for the rest.
    pub fn end_body(&mut self) -> &mut Self {
        if std::mem::replace(&mut self.sending, Sending::Over) == Sending::Chunks {
            self.put(LAST_CHUNK);
        }
        self
    }

    /// Lets `duration` pass before what is written next: on the simulation virtual time, else real time.
    pub fn pause(&mut self, duration: Duration) -> &mut Self {
        self.connection.pause(duration);
        self
    }

    /// Waits for the head. The body of what it gives is what has been [read](Self::read) so far.
    ///
    /// # Panics
    /// As [`TestClient`] says.
    #[track_caller]
    pub fn head(&mut self) -> TestResponse {
        while self.answer.head().is_none() {
            self.next(Wait::Patiently);
        }
        self.so_far()
    }

    /// Waits for the next piece of the body. A body of unknown length comes as it was sent, chunk by chunk; another one as
    /// it arrives. `None`: it has ended.
    ///
    /// # Panics
    /// As [`TestClient`] says.
    #[track_caller]
    pub fn read(&mut self) -> Option<Bytes> {
        loop {
            match self.next(Wait::Patiently) {
                Some(Event::Piece(piece)) => return Some(piece),
                Some(Event::Done) => return None,
                Some(Event::Head | Event::NeedData) | None => {}
            }
        }
    }

    /// The next piece of the body, if it is on its way already: on the simulation no time passes, elsewhere it waits for a
    /// tenth of a second. `None`: nothing comes, or nothing more, which [`is_over`](Self::is_over) tells apart.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use trijet_core::{Router, get, rt, sim::TestClient};
    /// # async fn slow() -> &'static str { rt::sleep(Duration::from_secs(60)).await; "now" }
    /// let client = TestClient::new(Router::new().route("/slow", get(slow)));
    /// let mut exchange = client.get("/slow").open();
    /// client.advance(Duration::from_secs(59));
    /// assert_eq!(exchange.read_now(), None);
    /// assert!(!exchange.is_over());
    /// client.advance(Duration::from_secs(1));
    /// assert_eq!(exchange.read_now().unwrap(), "now");
    /// assert_eq!(exchange.read_now(), None);
    /// assert!(exchange.is_over());
    /// ```
    ///
    /// On the simulation time does pass where a plain `fn` reads its body by a reader: it has the one thread until the body
    /// has come, as [above](Self#on-the-simulation).
    ///
    /// # Panics
    /// As [`TestClient`] says.
    #[track_caller]
    pub fn read_now(&mut self) -> Option<Bytes> {
        loop {
            match self.next(Wait::Briefly) {
                Some(Event::Piece(piece)) => return Some(piece),
                Some(Event::Done) | None => return None,
                Some(Event::Head | Event::NeedData) => {}
            }
        }
    }

    /// Whether the response has been read to its end. It waits for nothing: after [`read`](Self::read) and
    /// [`read_now`](Self::read_now) have given `None` it tells why.
    pub fn is_over(&self) -> bool {
        self.answer.is_done()
    }

    /// Ends the body, and waits for the rest of the response. It has the whole body, with what has been read before.
    ///
    /// What follows a response fails the test; on a real connection only if it is there already: it is not waited for.
    ///
    /// # Panics
    /// As [`TestClient`] says; also if the response does not end though more and more of it comes.
    #[track_caller]
    pub fn finish(mut self) -> TestResponse {
        self.end_body();
        let (started, most) = (self.client.elapsed(), self.connection.patience_in_all());
        while !matches!(self.next(Wait::Patiently), Some(Event::Done)) {
            let took = self.client.elapsed().saturating_sub(started);
            if took >= most {
                self.fail(format_args!(
                    "the response has not ended within {most:?}; `open` reads one that does not end"
                ));
            }
            if self.answer.raw().len() > WHOLE_BYTES_MAX {
                self.fail(format_args!(
                    "the response has not ended after {WHOLE_BYTES_MAX} bytes; `open` reads one that does not end"
                ));
            }
        }
        // What came with it, or right behind it. That the connection ends there is no matter.
        if !self.is_cut {
            _ = self.connection.read(self.answer.receive(), Wait::NotAtAll);
        }
        match self.answer.rest_len() {
            0 => self.so_far(),
            1 => self.fail(format_args!("1 byte follows the response")),
            rest => self.fail(format_args!("{rest} bytes follow the response")),
        }
    }

    /// Goes on by one event; `None` where nothing comes and it is no matter.
    #[track_caller]
    fn next(&mut self, wait: Wait) -> Option<Event> {
        let event = match self.answer.next_event() {
            Ok(event) => event,
            Err(fault) => self.fail(format_args!("{fault}")),
        };
        match event {
            Event::NeedData => {
                if !self.receive(wait) {
                    return None;
                }
            }
            Event::Head => {
                if let Some(head) = self.answer.head() {
                    self.client.keep_cookies(&head.headers, &self.host, &self.path);
                }
            }
            Event::Piece(_) | Event::Done => {}
        }
        Some(event)
    }

    /// Waits for more; false where nothing comes and it is no matter.
    #[track_caller]
    fn receive(&mut self, wait: Wait) -> bool {
        let cut = match self.connection.read(self.answer.receive(), wait) {
            Ok(0) if !self.is_cut => {
                // It may be what ends the response.
                self.is_cut = true;
                self.answer.receive_end();
                return true;
            }
            Ok(0) => String::new(),
            Ok(_) => return true,
            Err(error) if error.kind() == ErrorKind::TimedOut => {
                if wait == Wait::Briefly {
                    return false;
                }
                let what = if self.answer.head().is_some() { "no more of the response" } else { "no answer" };
                self.fail(format_args!("{what} {error}"));
            }
            Err(error) if error.kind() == ErrorKind::ConnectionReset => ", by a reset".to_owned(),
            // It is not the server that fails.
            Err(error) if error.kind() == ErrorKind::Other => self.fail(format_args!("{error}")),
            Err(error) => format!(": {error}"),
        };
        let reason = self.connection.end_reason().map(|reason| format!(" ({reason})")).unwrap_or_default();
        let place = match (self.answer.raw().is_empty(), self.answer.head().is_some()) {
            (true, _) => "without an answer",
            (_, true) => "within the response",
            (_, false) => "within the response's head",
        };
        self.fail(format_args!("the server closed the connection {place}{cut}{reason}"))
    }

    fn so_far(&self) -> TestResponse {
        // Whoever asks has seen a head.
        match self.answer.so_far() {
            Some(whole) => TestResponse::new(self.sent.clone(), whole),
            None => self.fail(format_args!("no answer")),
        }
    }

    fn put(&mut self, bytes: &[u8]) {
        if self.unsent.is_none() {
            self.unsent = self.connection.write(bytes).err();
        }
    }

    #[track_caller]
    fn fail(&self, what: fmt::Arguments<'_>) -> ! {
        let unsent = self.unsent.as_ref().map(|error| format!("; sending failed before: {error}"));
        panic!("{}: {what}{}\n\n{self}", self.sent.what, unsent.unwrap_or_default())
    }
}

/// A response that is longer is taken for one without an end, so that a test fails and memory does not.
pub(super) const WHOLE_BYTES_MAX: usize = if cfg!(test) { 1 << 20 } else { 256 << 20 };

const LAST_CHUNK: &[u8] = b"0\r\n\r\n";

fn chunk(bytes: &[u8]) -> Vec<u8> {
    [format!("{:x}\r\n", bytes.len()).as_bytes(), bytes, b"\r\n"].concat()
}

/// A body of these pieces, in chunks; empty ones are left out.
pub(super) fn chunked(pieces: &[Vec<u8>]) -> Vec<u8> {
    let mut body: Vec<u8> =
        pieces.iter().filter(|piece| !piece.is_empty()).flat_map(|piece| chunk(piece)).collect();
    body.extend_from_slice(LAST_CHUNK);
    body
}

/// As far as it has come, as the bytes came.
impl fmt::Display for Exchange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.sent.show(f)?;
        writeln!(f)?;
        show::show_raw(f, self.answer.raw())
    }
}

impl fmt::Debug for Exchange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Exchange").field("request", &self.sent.what).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
