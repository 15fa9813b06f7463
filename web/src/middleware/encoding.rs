//! A body that is compressed as it goes by. A poll must never compress more than a bounded piece, so that no body,
//! of whatever size, holds an event loop; and nothing that the producer has given must wait in here for long while it
//! gives no more.

use std::{
    io::{self, Write},
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use brotli::CompressorWriter;
use bytes::Bytes;
use flate2::{Compression as Level, write::GzEncoder};
use http::HeaderMap;
use http_body::{Body as HttpBody, Frame};
use trijet_core::{Body, BodyError, rt};
use zstd::stream::write::Encoder as ZstdEncoder;

use super::Coding;

/// How much is compressed in one poll: about a millisecond, as the slowest coding does 36 MB/s of JSON (gzip;
/// brotli 53, zstd 280).
pub(super) const PIECE_BYTES: usize = 32 << 10;
/// How much is gathered before it goes out: a chunk, and a write, of its own.
const CHUNK_BYTES: usize = 16 << 10;
/// How long what was given may wait for more to be compressed with. A flush costs some bytes, and the items of an
/// iterator that may block are a hop between threads apart: flushed one by one, short ones would get larger.
const PAUSE: Duration = Duration::from_millis(5);

/// Levels that compress about as fast as a network takes it: what more would save is little.
const GZIP_LEVEL: u32 = 5;
const BROTLI_QUALITY: u32 = 4;
const ZSTD_LEVEL: i32 = 3;
/// The window, as a power of two. 256 KiB bound the memory of each response that is under way (0.6 MiB in gzip, 1.5
/// in zstd, 4 in brotli); what larger windows find is in larger bodies than those of most apps.
const WINDOW_LOG: u32 = 18;
/// The writer's own buffer.
const BROTLI_BUFFER_BYTES: usize = 4 << 10;

/// One of the compressors, all of which write into a `Vec`.
pub(super) enum Encoder {
    Gzip(GzEncoder<Vec<u8>>),
    Brotli(Box<CompressorWriter<Vec<u8>>>),
    Zstd(ZstdEncoder<'static, Vec<u8>>),
}

impl Encoder {
    pub(super) fn new(coding: Coding) -> io::Result<Self> {
        Ok(match coding {
            Coding::Gzip => Self::Gzip(GzEncoder::new(Vec::new(), Level::new(GZIP_LEVEL))),
            Coding::Brotli => {
                let writer =
                    CompressorWriter::new(Vec::new(), BROTLI_BUFFER_BYTES, BROTLI_QUALITY, WINDOW_LOG);
                Self::Brotli(Box::new(writer))
            }
            Coding::Zstd => {
                let mut encoder = ZstdEncoder::new(Vec::new(), ZSTD_LEVEL)?;
                encoder.window_log(WINDOW_LOG)?;
                Self::Zstd(encoder)
            }
        })
    }

    pub(super) fn write(&mut self, data: &[u8]) -> io::Result<()> {
        match self {
            Self::Gzip(encoder) => encoder.write_all(data),
            Self::Brotli(encoder) => encoder.write_all(data),
            Self::Zstd(encoder) => encoder.write_all(data),
        }
    }

    /// All that was written comes out.
    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Gzip(encoder) => encoder.flush(),
            Self::Brotli(encoder) => encoder.flush(),
            Self::Zstd(encoder) => encoder.flush(),
        }
    }

    /// What has come out so far.
    fn output(&mut self) -> &mut Vec<u8> {
        match self {
            Self::Gzip(encoder) => encoder.get_mut(),
            Self::Brotli(encoder) => encoder.get_mut(),
            Self::Zstd(encoder) => encoder.get_mut(),
        }
    }

    pub(super) fn finish(self) -> io::Result<Vec<u8>> {
        match self {
            Self::Gzip(encoder) => encoder.finish(),
            // It writes its end as it goes: into a `Vec`, that cannot fail.
            Self::Brotli(encoder) => Ok(encoder.into_inner()),
            Self::Zstd(encoder) => encoder.finish(),
        }
    }
}

/// A body on its way through an encoder.
pub(super) struct Encoded {
    body: Body,
    /// Given, and not compressed yet.
    rest: Bytes,
    encoder: Option<Encoder>,
    /// Whether the encoder may hold something back.
    is_dirty: bool,
    /// Since the producer first paused with something held back.
    pause: Option<rt::Sleep>,
    trailers: Option<HeaderMap>,
}

impl Encoded {
    pub(super) fn new(body: Body, encoder: Encoder) -> Self {
        Self {
            body,
            rest: Bytes::new(),
            encoder: Some(encoder),
            is_dirty: false,
            pause: None,
            trailers: None,
        }
    }

    fn poll_output(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, BodyError>>> {
        let mut left = PIECE_BYTES;
        while let Some(encoder) = &mut self.encoder {
            if !self.rest.is_empty() {
                let piece = self.rest.split_to(self.rest.len().min(left));
                left -= piece.len();
                encoder.write(&piece).map_err(source)?;
                self.is_dirty = true;
                if encoder.output().len() >= CHUNK_BYTES {
                    self.pause = None;
                    return Poll::Ready(Some(Ok(std::mem::take(encoder.output()).into())));
                }
                if left == 0 {
                    // There is more to do, and others go first.
                    cx.waker().wake_by_ref();
                    return Poll::Pending;
                }
                continue;
            }
            match Pin::new(&mut self.body).poll_frame(cx) {
                Poll::Ready(Some(Ok(frame))) => match frame.into_data() {
                    Ok(data) => self.rest = data,
                    Err(frame) => {
                        self.trailers = frame.into_trailers().ok();
                        return self.finish();
                    }
                },
                Poll::Ready(Some(Err(error))) => {
                    // What is held back is not sent: the body is not whole.
                    self.encoder = None;
                    return Poll::Ready(Some(Err(error)));
                }
                Poll::Ready(None) => return self.finish(),
                Poll::Pending => {
                    if !self.is_dirty {
                        return Poll::Pending;
                    }
                    // Outside of a server there is no time to wait for.
                    if self.pause.is_some() || rt::backend().is_some() {
                        let pause = self.pause.get_or_insert_with(|| rt::sleep(PAUSE));
                        ready!(Pin::new(pause).poll(cx));
                    }
                    self.pause = None;
                    self.is_dirty = false;
                    encoder.flush().map_err(source)?;
                    let output = std::mem::take(encoder.output());
                    return if output.is_empty() {
                        Poll::Pending
                    } else {
                        Poll::Ready(Some(Ok(output.into())))
                    };
                }
            }
        }
        Poll::Ready(None)
    }

    fn finish(&mut self) -> Poll<Option<Result<Bytes, BodyError>>> {
        let Some(encoder) = self.encoder.take() else { return Poll::Ready(None) };
        Poll::Ready(Some(encoder.finish().map(Bytes::from).map_err(source)))
    }
}

fn source(error: io::Error) -> BodyError {
    BodyError::Source(error.into())
}

impl HttpBody for Encoded {
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
mod tests {
    use std::{
        io::Read,
        sync::{
            Arc,
            atomic::{AtomicBool, Ordering},
        },
        task::Waker,
    };

    use super::*;

    /// A body of these frames, `None` for a pause.
    struct Frames(std::vec::IntoIter<Option<&'static [u8]>>);

    impl HttpBody for Frames {
        type Data = Bytes;
        type Error = BodyError;

        fn poll_frame(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
            match self.0.next() {
                Some(Some(data)) => Poll::Ready(Some(Ok(Frame::data(data.into())))),
                Some(None) => Poll::Pending,
                None => Poll::Ready(None),
            }
        }
    }

    fn encoded(coding: Coding, frames: Vec<Option<&'static [u8]>>) -> Encoded {
        Encoded::new(Body::new(Frames(frames.into_iter())), Encoder::new(coding).unwrap())
    }

    /// As much of the plain text as can be had of what has come out so far.
    fn plain(coding: Coding, data: &[u8]) -> Vec<u8> {
        let mut text = Vec::new();
        let mut piece = [0; 1024];
        let mut reader: Box<dyn Read> = match coding {
            Coding::Gzip => Box::new(flate2::read::GzDecoder::new(data)),
            Coding::Brotli => Box::new(brotli::Decompressor::new(data, 64)),
            Coding::Zstd => Box::new(zstd::stream::read::Decoder::new(data).unwrap()),
        };
        while let Ok(count @ 1..) = reader.read(&mut piece) {
            text.extend_from_slice(&piece[..count]);
        }
        text
    }

    #[test]
    fn a_producer_that_pauses_has_been_heard_so_far() {
        for coding in Coding::ALL {
            let mut body =
                encoded(coding, vec![Some(b"one "), Some(b"two "), None, None, Some(b"three"), None]);
            let mut cx = Context::from_waker(Waker::noop());
            let mut out = Vec::new();
            for expected in [&b"one two "[..], b"", b"one two three"] {
                match body.poll_output(&mut cx) {
                    Poll::Ready(Some(Ok(data))) => out.extend_from_slice(&data),
                    Poll::Pending => assert_eq!(expected, b"", "{coding:?}"),
                    other => panic!("{other:?}"),
                }
                if !expected.is_empty() {
                    assert_eq!(plain(coding, &out), expected, "{coding:?}");
                }
            }
            let Poll::Ready(Some(Ok(end))) = body.poll_output(&mut cx) else { panic!("an end") };
            out.extend_from_slice(&end);
            assert_eq!(plain(coding, &out), b"one two three", "{coding:?}");
            assert!(matches!(body.poll_output(&mut cx), Poll::Ready(None)));
        }
    }

    #[test]
    fn a_large_body_is_compressed_a_piece_at_a_time() {
        struct Woken(AtomicBool);
        impl std::task::Wake for Woken {
            fn wake(self: Arc<Self>) {
                self.0.store(true, Ordering::Relaxed);
            }
        }
        static ZEROS: [u8; 20 * PIECE_BYTES] = [0; 20 * PIECE_BYTES];
        for coding in Coding::ALL {
            let woken = Arc::new(Woken(AtomicBool::new(false)));
            let waker = Waker::from(woken.clone());
            let mut cx = Context::from_waker(&waker);
            let mut body = encoded(coding, vec![Some(&ZEROS)]);
            let (mut polls, mut out) = (0, Vec::new());
            loop {
                polls += 1;
                match body.poll_output(&mut cx) {
                    Poll::Ready(None) => break,
                    Poll::Ready(Some(data)) => out.extend_from_slice(&data.unwrap()),
                    Poll::Pending => {
                        assert!(woken.0.swap(false, Ordering::Relaxed), "{coding:?}: it would stop here")
                    }
                }
            }
            assert!(polls >= 20, "{coding:?}: {polls} polls");
            assert_eq!(plain(coding, &out), ZEROS, "{coding:?}");
        }
    }
}
