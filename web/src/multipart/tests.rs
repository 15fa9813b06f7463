//! How much of a body is taken, and when; the suite has what is in it.

use std::{
    convert::Infallible,
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    task::{Context, Poll, Wake},
};

use futures_util::{StreamExt, stream};
use trijet_core::Body;

use super::*;

const HEAD: &str = "--b\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n";

/// A form of a body that always has another piece, with how many bytes were taken of it.
fn form(pieces: impl Iterator<Item = Vec<u8>> + Send + 'static) -> (Multipart, Arc<AtomicUsize>) {
    let taken = Arc::<AtomicUsize>::default();
    let counted = taken.clone();
    let pieces = stream::iter(pieces).inspect(move |piece| _ = counted.fetch_add(piece.len(), Relaxed));
    let body = Body::from_stream(pieces.map(Ok::<_, Infallible>));
    (Multipart::new(body, "b".into(), MultipartLimits::default(), u64::MAX), taken)
}

#[derive(Default)]
struct Wakes(AtomicUsize);

impl Wake for Wakes {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Relaxed);
    }
}

/// Runs a future that is woken whenever it is pending, and gives how often that was.
fn run<T>(future: impl Future<Output = T>) -> (T, usize) {
    let wakes = Arc::<Wakes>::default();
    let waker = wakes.clone().into();
    let (mut future, mut cx) = (pin!(future), Context::from_waker(&waker));
    for pauses in 0.. {
        match future.as_mut().poll(&mut cx) {
            Poll::Ready(output) => return (output, pauses),
            Poll::Pending => assert_eq!(wakes.0.load(Relaxed), pauses + 1, "nobody would wake it"),
        }
    }
    unreachable!()
}

#[test]
fn no_more_of_a_body_is_taken_than_is_used() {
    for size in [1, 100, 5000, 64 << 10, 1 << 20] {
        let data = (0..).map(move |_| vec![b'x'; size]);
        let (mut endless, taken) = form([HEAD.as_bytes().to_vec()].into_iter().chain(data));
        let mut part = run(endless.next()).0.unwrap().expect("a part");
        let mut given = HEAD.len();
        for _ in 0..50 {
            given += run(part.next()).0.unwrap().expect("there is more").len();
            let held = taken.load(Relaxed) - given;
            assert!(held <= size + (8 << 10), "{held} bytes are held, in pieces of {size}");
        }
    }
}

#[test]
fn what_never_ends_is_refused_at_its_limit() {
    let begins: [&[u8]; 4] = [b"", b"--b\r\nX: ", b"--b", b"--b\r\n"];
    let fills: [&[u8]; 4] = [b"x", b" ", b"\r\n\r", b"\r\n\r\n"];
    for (begin, fill) in begins.into_iter().flat_map(|begin| fills.map(|fill| (begin, fill))) {
        for size in [1, 100, 5000, 64 << 10] {
            let data = (0..).map(move |_| fill.repeat(size));
            let (mut endless, taken) = form([begin.to_vec()].into_iter().chain(data));
            let error = run(endless.next()).0.map(drop).expect_err("it never ends");
            assert!([400, 413].contains(&error.status().as_u16()), "{error}");
            let (taken, most) = (taken.load(Relaxed), (8 << 10) + begin.len() + fill.len() * size);
            assert!(taken <= most, "{taken} bytes were taken of {begin:?} and {fill:?} {size} times");
            assert!(run(endless.next()).0.unwrap().is_none(), "after an error there is no more");
        }
    }
}

/// A body that never waits must not keep a connection from pausing.
#[test]
fn a_long_part_that_nobody_reads_lets_others_go_first() {
    let long = (0..100).map(|_| vec![b'x'; 64 << 10]);
    let end = [b"\r\n--b--".to_vec()];
    let (mut form, _) = form([HEAD.as_bytes().to_vec()].into_iter().chain(long).chain(end));
    drop(run(form.next()).0.unwrap().expect("a part"));
    let (end, pauses) = run(form.next());
    assert!(end.unwrap().is_none());
    assert!((20..60).contains(&pauses), "{pauses} pauses in 6,400 KiB");
}
