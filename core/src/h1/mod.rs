//! The HTTP/1.1 engine: bytes in, events out; responses in, bytes out. It never sees a socket, a
//! thread, a waker or a clock.
//!
//! ```text
//!                 bytes                                      bytes
//!   receive ──▶ [ Input ] ── next_event ──▶ Event   ┌──▶ [ Output ] ──▶ output_slices / output_written
//!                  ▲                          │     │
//!              head.rs  decode.rs          driver   └── encode.rs ◀── send_response, send_data, send_end
//!
//!   Head ──Request──▶ Exchange ──end_exchange──▶ Head          (kept)
//!     │                  └───────────────────▶ Closed         (close was announced, or cut)
//!     └──Refused──▶ Closed
//! ```
//!
//! ```
//! use trijet_core::{Limits, h1::{Connection, Event}};
//!
//! let mut connection = Connection::new(Limits::default().into());
//! let request = b"GET /hello HTTP/1.1\r\nHost: example.com\r\n\r\n";
//! connection.input_space()[..request.len()].copy_from_slice(request);
//! connection.receive(request.len());
//! let Event::Request = connection.next_event() else { panic!("a whole request was received") };
//! assert_eq!(connection.request().unwrap().path(), "/hello");
//! ```

mod decode;
mod encode;
mod framing;
mod grammar;
mod head;
mod input;
mod known;
mod output;
mod refusal;
mod target;
#[cfg(test)]
mod tests;
mod trailers;
mod work;

use std::{io::IoSlice, sync::Arc, time::SystemTime};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, StatusCode, Version, header};

pub use decode::BodyFault;
pub use encode::BodyLength;
pub use framing::{Expect, Framing, KeepAlive};
pub use head::RequestHead;
pub use refusal::Refusal;

use crate::{
    Limits,
    respond::{Fields, set_field},
};
use decode::{Decoded, Decoder};
use encode::{Asked, Encoding};
use input::{Expecting, Input};
use output::Output;

/// One HTTP/1.1 connection of a server, without its I/O.
pub struct Connection {
    limits: Arc<Limits>,
    input: Input,
    output: Output,
    /// The search for the next head: at its beginning but in [`State::Head`].
    scan: head::Scan,
    state: State,
}

enum State {
    /// Between requests, or within a head.
    Head,
    /// From a request's head to the end of both messages.
    Exchange(Exchange),
    /// No further request is read; the last one was a HEAD request, or was not.
    Closed { is_head: bool },
}

struct Exchange {
    head: head::Head,
    keep_alive: KeepAlive,
    expect: Expect,
    body_bytes_max: u64,
    decoder: Decoder,
    /// Sticky: the body is not decoded further.
    fault: Option<BodyFault>,
    /// `None` until the response head is written.
    encoding: Option<Encoding>,
}

/// What the bytes received so far amount to.
#[derive(Debug)]
pub enum Event {
    /// Nothing more without more bytes: read into [`Connection::input_space`].
    NeedData,
    /// The head of a request, which [`Connection::request`] tells; its body, if any, follows as `Data`.
    Request,
    /// Bytes of the request's body.
    Data(Bytes),
    /// The request's body is complete; its trailers, if it had any.
    EndOfMessage(Option<HeaderMap>),
    /// The body cannot be read any further. Sticky.
    BodyFailed(BodyFault),
    /// The request is refused: answer with [`Connection::send_refusal`] and close.
    Refused(Refusal),
    /// The peer ended its direction between two requests, or the connection is done.
    Closed,
    /// The peer ended its direction within a head.
    Truncated,
}

/// What is to be done with a response's body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SendBody {
    /// Send it: `send_data`, then `send_end`.
    Yes,
    /// This response has none: drop it.
    No,
}

/// A response body did not have the length that its head declared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WrongLength;

/// What becomes of the connection after an exchange.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AfterExchange {
    /// The next request may follow.
    Next,
    /// It may follow once the rest of this one's body was decoded and discarded.
    Drain,
    /// The response announced the close, or its end marks it.
    Close,
}

impl Connection {
    /// A connection on which nothing was received yet.
    pub fn new(limits: Arc<Limits>) -> Self {
        Self {
            limits,
            input: Input::default(),
            output: Output::default(),
            scan: head::Scan::default(),
            state: State::Head,
        }
    }

    /// Room for the next read, never empty. Tell with [`receive`](Self::receive) how much was used.
    #[inline]
    pub fn input_space(&mut self) -> &mut [u8] {
        let expecting = match &self.state {
            State::Exchange(exchange) => exchange.decoder.expecting(),
            State::Head | State::Closed { .. } => Expecting::Head,
        };
        self.input.space(expecting)
    }

    /// Notes that `count` bytes were read into [`input_space`](Self::input_space).
    ///
    /// # Panics
    /// If that is more than there was room for.
    #[inline]
    pub fn receive(&mut self, count: usize) {
        self.input.receive(count);
    }

    /// Bytes that were received and are not used yet.
    #[inline]
    pub fn input_len(&self) -> usize {
        self.input.len()
    }

    /// Notes that the peer has ended its direction.
    pub fn receive_end(&mut self) {
        self.input.end();
    }

    /// Whether nothing of a next request has come: an idle connection.
    #[inline]
    pub fn is_idle(&self) -> bool {
        matches!(self.state, State::Head)
            && self.scan.is_at_start()
            && self.input.len() == 0
            && !self.input.ended()
    }

    /// Whether no request is being served.
    pub fn is_between_requests(&self) -> bool {
        matches!(self.state, State::Head)
    }

    /// Whether something of a request has come: more than the empty lines of RFC 9112 §2.2.
    #[inline]
    pub fn has_begun_head(&self) -> bool {
        !self.input.bytes().iter().all(|byte| matches!(byte, b'\r' | b'\n'))
    }

    /// Whether the peer has ended its direction.
    #[inline]
    pub fn has_ended(&self) -> bool {
        self.input.ended()
    }

    /// Takes one step with the bytes that are here. During an exchange this decodes the body, so it is
    /// called only when somebody wants it.
    #[inline]
    pub fn next_event(&mut self) -> Event {
        match &self.state {
            // All that is here has been looked at.
            State::Head if self.input.len() == 0 && !self.input.ended() => Event::NeedData,
            _ => self.take_step(),
        }
    }

    fn take_step(&mut self) -> Event {
        match &mut self.state {
            State::Closed { .. } => Event::Closed,
            State::Head => match self.scan.advance(&mut self.input, &self.limits) {
                Ok(Some(head)) => {
                    self.state = State::Exchange(Exchange::new(head, self.limits.body_bytes_max));
                    Event::Request
                }
                Ok(None) if !self.input.ended() => Event::NeedData,
                Ok(None) => {
                    // Empty lines alone are no request: RFC 9112 §2.2.
                    let is_nothing = self.input.len() == 0;
                    self.state = State::Closed { is_head: self.scan.is_head() };
                    if is_nothing { Event::Closed } else { Event::Truncated }
                }
                Err(refusal) => {
                    self.state = State::Closed { is_head: self.scan.is_head() };
                    Event::Refused(refusal)
                }
            },
            State::Exchange(exchange) => exchange.next_event(&mut self.input, &self.limits),
        }
    }

    /// The head of the request that is being served.
    #[inline]
    pub fn request(&self) -> Option<RequestHead<'_>> {
        match &self.state {
            State::Exchange(exchange) => Some(RequestHead::new(&exchange.head, self.input.head())),
            State::Head | State::Closed { .. } => None,
        }
    }

    /// Sets the most bytes that this request's body may have.
    ///
    /// # Errors
    /// [`BodyFault::TooLarge`] where the declared length is over it already.
    #[inline]
    pub fn limit_body(&mut self, bytes_max: u64) -> Result<(), BodyFault> {
        let State::Exchange(exchange) = &mut self.state else { return Ok(()) };
        exchange.body_bytes_max = bytes_max;
        if matches!(exchange.head.judged.framing, Framing::Length(length) if length > bytes_max) {
            exchange.fault = Some(BodyFault::TooLarge);
            return Err(BodyFault::TooLarge);
        }
        Ok(())
    }

    /// Notes that the body is asked for, which a client may be waiting for: RFC 9110 §10.1.1. A 100 goes
    /// out at the first ask, and never after the response's head.
    pub fn ask_body(&mut self) {
        let State::Exchange(exchange) = &mut self.state else { return };
        if exchange.expect == Expect::Continue && exchange.encoding.is_none() && exchange.fault.is_none() {
            exchange.expect = Expect::Nothing;
            self.output.put(b"HTTP/1.1 100 Continue\r\n\r\n");
        }
    }

    /// Whether the client waits for a 100 that may still be sent.
    pub fn awaits_continue(&self) -> bool {
        matches!(
            &self.state,
            State::Exchange(Exchange { expect: Expect::Continue, encoding: None, fault: None, .. })
        )
    }

    /// Gives the body up for a reason that the bytes do not show, such as a peer that is too slow.
    pub fn fail_body(&mut self, fault: BodyFault) {
        if let State::Exchange(exchange) = &mut self.state {
            exchange.fault.get_or_insert(fault);
        }
    }

    /// Decides, from what the handler has read by now and the framing of the rest, whether the
    /// connection can be kept. Called before the response's body is first polled, since that may read
    /// the request's, and how much of it would depend on what has arrived.
    #[inline]
    pub fn settle(&mut self) {
        let State::Exchange(exchange) = &mut self.state else { return };
        if exchange.rest(self.limits.drain_bytes_max) == AfterExchange::Close {
            exchange.keep_alive = KeepAlive::No;
        }
    }

    /// Whether a response of `status` can be the last word on this request. A 1xx never is (RFC 9110 §15),
    /// and a 2xx to CONNECT would be the beginning of a tunnel (§9.3.6), which there is not.
    #[inline]
    pub fn can_end_with(&self, status: StatusCode) -> bool {
        let is_tunnel = matches!(&self.state, State::Exchange(exchange) if exchange.head.method == Method::CONNECT)
            && status.is_success();
        !status.is_informational() && !is_tunnel
    }

    /// Whether a response of `status` to this request has a body on the wire.
    #[inline]
    pub fn sends_body(&self, status: StatusCode) -> bool {
        matches!(&self.state, State::Exchange(exchange) if exchange.head.method != Method::HEAD)
            && !encode::has_no_body(status)
    }

    /// Writes the head of the response. `keep` is `KeepAlive::No` where the server wants to close.
    ///
    /// [`settle`](Self::settle) comes first.
    pub fn send_response<'a>(
        &mut self,
        status: StatusCode,
        fields: impl Into<Fields<'a>>,
        length: BodyLength,
        keep: KeepAlive,
        wall_clock: SystemTime,
    ) -> SendBody {
        let fields = fields.into();
        let State::Exchange(exchange) = &mut self.state else { return SendBody::No };
        let asked = Asked::by(&exchange.head);
        let encoding = encode::encoding(asked, status, fields, length);
        if keep == KeepAlive::No
            || encoding == Encoding::UntilClose
            || framing::asks_to_close(fields)
            // The client may or may not send a body that was never asked for: RFC 9110 §10.1.1.
            || exchange.expect == Expect::Continue
            || exchange.fault.is_some()
        {
            exchange.keep_alive = KeepAlive::No;
        }
        encode::put_head(&mut self.output, encoding, status, fields, length, exchange.keep_alive, wall_clock);
        exchange.encoding = Some(encoding);
        if encoding == Encoding::None { SendBody::No } else { SendBody::Yes }
    }

    /// Sends a response that is whole: head, body and end. `keep` is as of [`send_response`](Self::send_response).
    pub fn send_whole<'a>(
        &mut self,
        status: StatusCode,
        fields: impl Into<Fields<'a>>,
        body: Bytes,
        keep: KeepAlive,
        wall_clock: SystemTime,
    ) {
        let length = BodyLength::Known(body.len() as u64);
        if self.send_response(status, fields, length, keep, wall_clock) == SendBody::Yes {
            self.output.put_data(body);
            if let State::Exchange(exchange) = &mut self.state {
                exchange.encoding = Some(Encoding::None);
            }
        }
    }

    /// Sends one piece of the response's body.
    ///
    /// # Errors
    /// [`WrongLength`] where it is more than was declared; what fits is sent.
    #[inline]
    pub fn send_data(&mut self, mut data: Bytes) -> Result<(), WrongLength> {
        let State::Exchange(Exchange { encoding: Some(encoding), .. }) = &mut self.state else {
            return Err(WrongLength);
        };
        match encoding {
            Encoding::None => {}
            Encoding::UntilClose => self.output.put_data(data),
            Encoding::Chunked => encode::put_chunk(&mut self.output, data),
            Encoding::Length(rest) => {
                let fits = usize::try_from(*rest).unwrap_or(usize::MAX).min(data.len());
                *rest -= fits as u64;
                let too_long = fits < data.len();
                data.truncate(fits);
                self.output.put_data(data);
                if too_long {
                    return Err(WrongLength);
                }
            }
        }
        Ok(())
    }

    /// Ends the response's body.
    ///
    /// # Errors
    /// [`WrongLength`] where less was sent than was declared: the connection has to be cut.
    #[inline]
    pub fn send_end(&mut self, trailers: Option<&HeaderMap>) -> Result<(), WrongLength> {
        let State::Exchange(Exchange { encoding: Some(encoding), .. }) = &mut self.state else {
            return Err(WrongLength);
        };
        match encoding {
            Encoding::Length(rest) if *rest > 0 => return Err(WrongLength),
            Encoding::None | Encoding::Length(_) | Encoding::UntilClose => {}
            Encoding::Chunked => encode::put_last_chunk(&mut self.output, trailers),
        }
        *encoding = Encoding::None;
        Ok(())
    }

    /// Goes on to the next request where it may follow at once; tells what is to be done before otherwise.
    #[inline]
    pub fn go_on(&mut self) -> AfterExchange {
        let after = self.after_exchange();
        if after == AfterExchange::Next {
            self.state = State::Head;
        }
        after
    }

    /// What is to follow, once the response has been sent to its end.
    #[inline]
    pub fn after_exchange(&self) -> AfterExchange {
        match &self.state {
            State::Exchange(exchange) if exchange.keep_alive != KeepAlive::No => {
                exchange.rest(self.limits.drain_bytes_max)
            }
            State::Head => AfterExchange::Next,
            State::Exchange(_) | State::Closed { .. } => AfterExchange::Close,
        }
    }

    /// Goes on to the next request, or closes where [`after_exchange`](Self::after_exchange) says so.
    #[inline]
    pub fn end_exchange(&mut self) {
        if self.go_on() != AfterExchange::Next {
            self.state = State::Closed { is_head: false };
        }
    }

    /// Answers `refusal` with a whole response that announces the close.
    pub fn send_refusal(&mut self, refusal: &Refusal, wall_clock: SystemTime) {
        let asked = match &self.state {
            State::Exchange(exchange) if exchange.encoding.is_none() => Asked::by(&exchange.head),
            // Once a response's head is out there is no room for another.
            State::Exchange(_) => return,
            State::Head => refused(self.scan.is_head()),
            State::Closed { is_head } => refused(*is_head),
        };
        let mut headers = HeaderMap::new();
        set_field(&mut headers, header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
        if refusal.status == StatusCode::SERVICE_UNAVAILABLE {
            set_field(&mut headers, header::RETRY_AFTER, HeaderValue::from_static("1"));
        }
        let body = Bytes::from(format!("{}\n", refusal.reason));
        let (fields, length) = (Fields::Map(&headers), BodyLength::Known(body.len() as u64));
        let encoding = encode::encoding(asked, refusal.status, fields, length);
        let output = &mut self.output;
        encode::put_head(output, encoding, refusal.status, fields, length, KeepAlive::No, wall_clock);
        if *asked.method != Method::HEAD {
            self.output.put_data(body);
        }
        self.state = State::Closed { is_head: false };
    }

    /// Bytes that are still to be written.
    #[inline]
    pub fn output_len(&self) -> usize {
        self.output.len()
    }

    /// Those of them that are in the engine's own memory, since they came in small pieces.
    pub fn output_copied_len(&self) -> usize {
        self.output.copied_len()
    }

    /// All that is to be written, where that is one piece, as it nearly always is.
    #[inline]
    pub fn output_in_one(&self) -> Option<&[u8]> {
        self.output.in_one()
    }

    /// Fills `slices` with what is to be written next, and gives those used.
    pub fn output_slices<'a, 's>(&'a self, slices: &'s mut [IoSlice<'a>]) -> &'s [IoSlice<'a>] {
        self.output.slices(slices)
    }

    /// Notes that `count` bytes were written.
    #[inline]
    pub fn output_written(&mut self, count: usize) {
        self.output.advance(count);
    }

    /// Whether the end of the response that is being sent is told by closing alone.
    pub fn ends_by_close(&self) -> bool {
        matches!(&self.state, State::Exchange(Exchange { encoding: Some(Encoding::UntilClose), .. }))
    }

    /// Gives up what is to be written.
    pub fn discard_output(&mut self) {
        self.output.clear();
    }

    /// Lets go of what an idle connection does not need, or more than another one will: its buffers stay, to be used
    /// for that.
    #[inline]
    pub fn rest(&mut self) {
        self.input.rest();
        self.output.rest();
    }

    /// Discards what was received, and gives how much it was: for the time after the last response.
    pub fn discard_input(&mut self) -> usize {
        self.input.discard()
    }
}

/// The whole response that refuses a connection before anything of it was parsed.
pub fn refusal_bytes(refusal: &Refusal, wall_clock: SystemTime) -> Bytes {
    let mut connection = Connection::new(Arc::default());
    connection.send_refusal(refusal, wall_clock);
    connection.output.take_all()
}

/// The refusal of a server that has no thread free for a connection in time.
pub const OVERLOADED: Refusal =
    Refusal::new(StatusCode::SERVICE_UNAVAILABLE, "the server is overloaded: try again later");

impl Exchange {
    fn new(head: head::Head, body_bytes_max: u64) -> Self {
        Self {
            keep_alive: head.judged.keep_alive,
            expect: head.judged.expect,
            body_bytes_max,
            decoder: Decoder::new(head.judged.framing),
            fault: None,
            encoding: None,
            head,
        }
    }

    fn next_event(&mut self, input: &mut Input, limits: &Limits) -> Event {
        if let Some(fault) = self.fault {
            return Event::BodyFailed(fault);
        }
        let fault = match self.decoder.decode(input, limits, self.body_bytes_max) {
            Ok(Decoded::Data(data)) => return Event::Data(data),
            Ok(Decoded::End(trailers)) => return Event::EndOfMessage(trailers),
            Ok(Decoded::NeedData) if !input.ended() => return Event::NeedData,
            Ok(Decoded::NeedData) => BodyFault::Truncated,
            Err(fault) => fault,
        };
        self.fault = Some(fault);
        Event::BodyFailed(fault)
    }

    /// What the rest of the request's body means for the connection. By its declared length, not by
    /// what has come: the answer must be the same however the bytes were cut.
    fn rest(&self, drain_bytes_max: u64) -> AfterExchange {
        if self.fault.is_some() {
            return AfterExchange::Close;
        }
        match self.head.judged.framing {
            _ if self.decoder.is_done() => AfterExchange::Next,
            Framing::Length(length) if length <= drain_bytes_max => AfterExchange::Drain,
            Framing::Empty | Framing::Length(_) | Framing::Chunked => AfterExchange::Close,
        }
    }
}

/// A request that was refused before it was parsed.
fn refused(is_head: bool) -> Asked<'static> {
    Asked { method: if is_head { &Method::HEAD } else { &Method::GET }, version: Version::HTTP_11 }
}
