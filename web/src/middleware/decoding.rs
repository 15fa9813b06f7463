//! A body that is decoded as it goes by. What comes out must never be more than is allowed, nor stand in memory by more
//! than a piece, however little went in.

use std::{
    io::{self, BufRead, Read},
    pin::Pin,
    task::{Context, Poll, ready},
};

use brotli::{BrotliDecompressStream, BrotliResult, BrotliState, enc::StandardAlloc};
use bytes::{Buf, Bytes};
use flate2::bufread::MultiGzDecoder;
use http::HeaderMap;
use http_body::{Body as HttpBody, Frame};
use trijet_core::{Body, BodyError};
use zstd::stream::read::Decoder as ZstdDecoder;

use super::Coding;

/// What has arrived of a body, as the decoders read it: they are told to come again where there is nothing yet, and
/// where it is the turn of others.
#[derive(Default)]
struct Arrived {
    data: Bytes,
    is_whole: bool,
    /// How much may be read in this turn.
    turn: usize,
}

impl Arrived {
    fn push(&mut self, data: Bytes) {
        // A decoder may have left a few bytes that it cannot use without the next.
        self.data = match self.data.is_empty() {
            true => data,
            false => [&self.data[..], &data].concat().into(),
        };
    }
}

impl BufRead for Arrived {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        let readable = self.data.len().min(self.turn);
        if readable == 0 && !(self.data.is_empty() && self.is_whole) {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        Ok(&self.data[..readable])
    }

    fn consume(&mut self, amount: usize) {
        let amount = amount.min(self.data.len());
        self.data.advance(amount);
        self.turn = self.turn.saturating_sub(amount);
    }
}

impl Read for Arrived {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let count = self.fill_buf()?.read(into)?;
        self.consume(count);
        Ok(count)
    }
}

/// One of the decoders. Each gives as much at a time as it is asked for.
enum Decoder {
    Gzip(Box<MultiGzDecoder<Arrived>>),
    Brotli(Box<BrotliDecoder>),
    Zstd(ZstdDecoder<'static, Arrived>),
}

/// RFC 9659 §3: no window of more than 8 MiB.
const ZSTD_WINDOW_LOG_MAX: u32 = 23;

impl Decoder {
    fn new(coding: Coding) -> io::Result<Self> {
        Ok(match coding {
            Coding::Gzip => Self::Gzip(Box::new(MultiGzDecoder::new(Arrived::default()))),
            Coding::Brotli => Self::Brotli(Box::default()),
            Coding::Zstd => {
                let mut decoder = ZstdDecoder::with_buffer(Arrived::default())?;
                decoder.window_log_max(ZSTD_WINDOW_LOG_MAX)?;
                Self::Zstd(decoder)
            }
        })
    }

    fn arrived(&mut self) -> &mut Arrived {
        match self {
            Self::Gzip(decoder) => decoder.get_mut(),
            Self::Brotli(decoder) => &mut decoder.arrived,
            Self::Zstd(decoder) => decoder.get_mut(),
        }
    }

    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Gzip(decoder) => decoder.read(into),
            Self::Brotli(decoder) => decoder.read(into),
            Self::Zstd(decoder) => decoder.read(into),
        }
    }
}

/// Brotli by its bare state, as its reader cannot be told to refuse the large windows that are no part of RFC 7932:
/// a peer could ask for a gigabyte.
struct BrotliDecoder {
    arrived: Arrived,
    state: BrotliState<StandardAlloc, StandardAlloc, StandardAlloc>,
    is_done: bool,
}

impl Default for BrotliDecoder {
    fn default() -> Self {
        let alloc = StandardAlloc::default;
        Self {
            arrived: Arrived::default(),
            state: BrotliState::new_strict(alloc(), alloc(), alloc()),
            is_done: false,
        }
    }
}

impl BrotliDecoder {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        loop {
            if self.is_done {
                // Nothing may follow.
                return if self.arrived.fill_buf()?.is_empty() {
                    Ok(0)
                } else {
                    Err(io::ErrorKind::InvalidData.into())
                };
            }
            let input = self.arrived.data.slice(..self.arrived.data.len().min(self.arrived.turn));
            let (mut input_left, mut input_at) = (input.len(), 0);
            let (mut output_left, mut output_at, mut total) = (into.len(), 0, 0);
            let result = BrotliDecompressStream(
                &mut input_left,
                &mut input_at,
                &input,
                &mut output_left,
                &mut output_at,
                into,
                &mut total,
                &mut self.state,
            );
            self.arrived.consume(input_at);
            match result {
                BrotliResult::ResultFailure => return Err(io::ErrorKind::InvalidData.into()),
                BrotliResult::ResultSuccess => self.is_done = true,
                BrotliResult::NeedsMoreInput
                    if output_at == 0 && self.arrived.is_whole && self.arrived.data.is_empty() =>
                {
                    return Err(io::ErrorKind::UnexpectedEof.into());
                }
                BrotliResult::NeedsMoreInput if output_at == 0 => {
                    return Err(io::ErrorKind::WouldBlock.into());
                }
                BrotliResult::NeedsMoreInput | BrotliResult::NeedsMoreOutput => {}
            }
            if output_at > 0 {
                return Ok(output_at);
            }
        }
    }
}

/// How much is decoded at a time.
const PIECE_BYTES: usize = 16 << 10;
/// How much goes in and comes out before others have their turn: what little came may become much, and much that came
/// may become nothing.
const TURN_BYTES: usize = 128 << 10;
/// What goes in counts so many times as much: 8 KiB fill a turn. Those are 400 empty members of gzip, each of which
/// costs a new decoder, and a millisecond together; as much as 128 KiB that come out.
const INPUT_WEIGHT: usize = 16;

/// A body on its way through a decoder.
pub(super) struct Decoded {
    body: Body,
    decoder: Option<Decoder>,
    /// Where the decoder writes. A piece is a copy of it, so that one of a few bytes keeps no more than those alive.
    scratch: Box<[u8]>,
    /// How much may still come out.
    left: u64,
    /// How much went in, by its weight, and came out since others had their turn.
    turn: usize,
    /// Nothing comes out before more has come in. The decoder is not asked then: libzstd takes the sixteenth call
    /// without progress for an error.
    is_hungry: bool,
    trailers: Option<HeaderMap>,
}

impl Decoded {
    /// The plain body of `body`, of at most `bytes_max` bytes.
    pub(super) fn new(body: Body, coding: Coding, bytes_max: u64) -> io::Result<Self> {
        Ok(Self {
            body,
            decoder: Some(Decoder::new(coding)?),
            scratch: vec![0; PIECE_BYTES].into(),
            left: bytes_max,
            turn: 0,
            is_hungry: true,
            trailers: None,
        })
    }

    fn poll_output(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, BodyError>>> {
        while let Some(decoder) = &mut self.decoder {
            if self.turn >= TURN_BYTES {
                self.turn = 0;
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            if self.is_hungry {
                let Poll::Ready(frame) = Pin::new(&mut self.body).poll_frame(cx) else {
                    self.turn = 0;
                    return Poll::Pending;
                };
                match frame {
                    Some(Ok(frame)) => match frame.into_data() {
                        Ok(data) => {
                            self.is_hungry = data.is_empty();
                            decoder.arrived().push(data);
                        }
                        Err(frame) => {
                            self.trailers = frame.into_trailers().ok();
                            decoder.arrived().is_whole = true;
                            self.is_hungry = false;
                        }
                    },
                    Some(Err(error)) => return self.fail(error),
                    None => {
                        decoder.arrived().is_whole = true;
                        self.is_hungry = false;
                    }
                }
                continue;
            }
            let may_read = (TURN_BYTES - self.turn).div_ceil(INPUT_WEIGHT);
            decoder.arrived().turn = may_read;
            let result = decoder.read(&mut self.scratch);
            let arrived = decoder.arrived();
            self.turn += INPUT_WEIGHT * (may_read - arrived.turn);
            match result {
                Ok(0) if arrived.is_whole => self.decoder = None,
                // An end within what was sent as one body, and more behind it: only gzip has that, and it reads on.
                Ok(0) => return self.fail(BodyError::Malformed(MALFORMED)),
                Ok(count) => {
                    self.is_hungry =
                        count < self.scratch.len() && arrived.data.is_empty() && !arrived.is_whole;
                    let Some(left) = self.left.checked_sub(count as u64) else {
                        return self.fail(BodyError::TooLarge);
                    };
                    self.left = left;
                    self.turn += count;
                    return Poll::Ready(Some(Ok(Bytes::copy_from_slice(&self.scratch[..count]))));
                }
                // Else it is the turn of others.
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.is_hungry = !arrived.is_whole && (arrived.data.is_empty() || arrived.turn > 0);
                }
                Err(_) => return self.fail(BodyError::Malformed(MALFORMED)),
            }
        }
        Poll::Ready(None)
    }

    /// Nothing more is decoded, nor wanted of the client.
    fn fail(&mut self, error: BodyError) -> Poll<Option<Result<Bytes, BodyError>>> {
        self.decoder = None;
        self.body = Body::empty();
        Poll::Ready(Some(Err(error)))
    }
}

const MALFORMED: &str = "its content coding is broken, or cut short";

impl HttpBody for Decoded {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        Poll::Ready(match ready!(self.poll_output(cx)) {
            Some(output) => Some(output.map(Frame::data)),
            None => self.trailers.take().map(|trailers| Ok(Frame::trailers(trailers))),
        })
    }
}

#[cfg(test)]
mod tests;
