//! Bodies that pause, stay small, become nothing, or ask for much.

use std::task::Waker;

use brotli::enc::BrotliEncoderParams;

use super::*;

/// All that comes out, or how it ends.
fn decoded(coding: Coding, data: Vec<u8>) -> Result<Vec<u8>, BodyError> {
    let mut body = Decoded::new(data.into(), coding, u64::MAX).unwrap();
    let (mut cx, mut all) = (Context::from_waker(Waker::noop()), Vec::new());
    loop {
        match body.poll_output(&mut cx) {
            Poll::Ready(Some(Ok(piece))) => {
                assert!(piece.len() <= PIECE_BYTES);
                all.extend_from_slice(&piece);
            }
            Poll::Ready(Some(Err(error))) => return Err(error),
            Poll::Ready(None) => return Ok(all),
            Poll::Pending => {}
        }
    }
}

fn brotli(window_log: i32, large_window: bool) -> Vec<u8> {
    let parameters =
        BrotliEncoderParams { quality: 1, lgwin: window_log, large_window, ..BrotliEncoderParams::default() };
    let mut data = Vec::new();
    brotli::BrotliCompress(&mut &[b'x'; 100_000][..], &mut data, &parameters).unwrap();
    data
}

#[test]
fn no_window_is_larger_than_the_standard_says() {
    assert_eq!(decoded(Coding::Brotli, brotli(24, false)).unwrap().len(), 100_000);
    assert!(matches!(decoded(Coding::Brotli, brotli(30, true)), Err(BodyError::Malformed(_))));
    let zstd = |window_log| {
        let mut encoder = zstd::stream::write::Encoder::new(Vec::new(), 1).unwrap();
        encoder.window_log(window_log).unwrap();
        io::Write::write_all(&mut encoder, &[b'x'; 100_000]).unwrap();
        encoder.finish().unwrap()
    };
    assert_eq!(decoded(Coding::Zstd, zstd(23)).unwrap().len(), 100_000);
    assert!(matches!(decoded(Coding::Zstd, zstd(24)), Err(BodyError::Malformed(_))));
}

#[test]
fn others_have_their_turn_however_little_came() {
    let zeros = zstd::encode_all(&vec![0; 1 << 20][..], 1).unwrap();
    let mut body = Decoded::new(zeros.into(), Coding::Zstd, u64::MAX).unwrap();
    let (mut cx, mut turns) = (Context::from_waker(Waker::noop()), 0);
    loop {
        match body.poll_output(&mut cx) {
            Poll::Ready(None) => break,
            Poll::Ready(Some(piece)) => drop(piece.unwrap()),
            Poll::Pending => turns += 1,
        }
    }
    assert_eq!(turns, (1 << 20) / TURN_BYTES);
}

#[test]
fn others_have_their_turn_while_nothing_comes_out() {
    let empty = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    let members = empty.repeat(100_000);
    // As one piece, and as many.
    for piece_bytes in [members.len(), 1000] {
        let pieces: Vec<_> = members.chunks(piece_bytes).map(|piece| Some(piece.to_vec())).collect();
        let mut body = Decoded::new(Body::new(Frames(pieces.into())), Coding::Gzip, u64::MAX).unwrap();
        let (mut cx, mut turns) = (Context::from_waker(Waker::noop()), 0);
        loop {
            match body.poll_output(&mut cx) {
                Poll::Ready(None) => break,
                Poll::Ready(Some(piece)) => panic!("{piece:?}"),
                Poll::Pending => turns += 1,
            }
        }
        assert_eq!(turns, members.len() / (TURN_BYTES / INPUT_WEIGHT), "pieces of {piece_bytes}");
    }
}

/// A body of these frames, `None` for a pause.
struct Frames(std::collections::VecDeque<Option<Vec<u8>>>);

impl HttpBody for Frames {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        match self.0.pop_front() {
            Some(Some(data)) => Poll::Ready(Some(Ok(Frame::data(data.into())))),
            Some(None) => Poll::Pending,
            None => Poll::Ready(None),
        }
    }
}

fn hello(coding: Coding) -> Vec<u8> {
    match coding {
        Coding::Gzip => {
            let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
            io::Write::write_all(&mut encoder, b"hello").unwrap();
            encoder.finish().unwrap()
        }
        Coding::Brotli => {
            let mut data = Vec::new();
            brotli::BrotliCompress(&mut &b"hello"[..], &mut data, &BrotliEncoderParams::default()).unwrap();
            data
        }
        // A frame of one raw block, with the content's size (RFC 8878 §3.1.1).
        Coding::Zstd => b"\x28\xb5\x2f\xfd\x20\x05\x29\0\0hello".to_vec(),
    }
}

#[test]
fn a_client_may_pause_and_its_body_be_asked_for_meanwhile() {
    for coding in Coding::ALL {
        let data = hello(coding);
        for at in 0..=data.len() {
            let mut frames = std::collections::VecDeque::from([Some(data[..at].to_vec())]);
            frames.extend(std::iter::repeat_n(None, 40));
            // What is empty is no progress either.
            frames.extend(std::iter::repeat_n(Some(Vec::new()), 40));
            frames.push_back(Some(data[at..].to_vec()));
            let mut body = Decoded::new(Body::new(Frames(frames)), coding, u64::MAX).unwrap();
            let (mut cx, mut all, mut pauses) = (Context::from_waker(Waker::noop()), Vec::new(), 0);
            loop {
                match body.poll_output(&mut cx) {
                    Poll::Ready(None) => break,
                    Poll::Ready(Some(Ok(piece))) => all.extend_from_slice(&piece),
                    Poll::Ready(Some(Err(error))) => panic!("{coding:?}, cut at {at}: {error}"),
                    Poll::Pending => pauses += 1,
                }
            }
            assert_eq!((&*all, pauses), (&b"hello"[..], 40), "{coding:?}, cut at {at}");
        }
    }
}

#[test]
fn a_small_piece_keeps_no_large_one_alive() {
    for coding in Coding::ALL {
        let mut body = Decoded::new(hello(coding).into(), coding, u64::MAX).unwrap();
        let mut cx = Context::from_waker(Waker::noop());
        let Poll::Ready(Some(Ok(piece))) = body.poll_output(&mut cx) else { panic!("a piece") };
        let capacity = piece.try_into_mut().expect("nobody else has it").capacity();
        assert!(capacity < 100, "{coding:?}: {capacity} bytes");
    }
}
