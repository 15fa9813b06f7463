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
    (Multipart::new(body, "b", MultipartLimits::default(), u64::MAX), taken)
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
            let again = run(endless.next()).0.map(drop).expect_err("it does not pass for whole");
            assert_eq!(again.to_string(), error.to_string());
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

#[test]
fn a_turn_is_counted_in_bytes_however_small_the_pieces_are() {
    let end = [b"\r\n--b--".to_vec()];
    // As many pieces, and how often others go first: of 256 KiB at a time, each of a byte counts some 256.
    for (size, count, least, most) in [(0, 100_000, 90, 110), (1, 100_000, 90, 110), (1000, 10_000, 35, 55)] {
        let data = (0..count).map(move |_| vec![b'x'; size]);
        let (mut form, _) = form([HEAD.as_bytes().to_vec()].into_iter().chain(data).chain(end.clone()));
        drop(run(form.next()).0.unwrap().expect("a part"));
        let (over, pauses) = run(form.next());
        assert!(over.unwrap().is_none());
        assert!((least..most).contains(&pauses), "{pauses} pauses in {count} pieces of {size}");
    }
    // Behind the form as well.
    let empty = (0..100_000).map(|_| Vec::new());
    let (mut form, _) = form([b"--b--".to_vec()].into_iter().chain(empty));
    let (over, pauses) = run(form.next());
    assert!(over.unwrap().is_none());
    assert!((90..110).contains(&pauses), "{pauses} pauses behind the form");
}

/// The parts of a form that comes in pieces of so many bytes, or the status of what is wrong with it.
fn parts(body: &[u8], size: usize, limits: MultipartLimits) -> Result<Vec<(String, String)>, u16> {
    let pieces: Vec<_> = body.chunks(size).map(<[u8]>::to_vec).collect();
    let body = Body::from_stream(stream::iter(pieces).map(Ok::<_, Infallible>));
    let mut form = Multipart::new(body, "b", limits, u64::MAX);
    let all = async move {
        let mut all = Vec::new();
        while let Some(part) = form.next().await? {
            all.push((part.name().to_owned(), part.text().await?));
        }
        Ok::<_, MultipartError>(all)
    };
    run(all).0.map_err(|error| error.status().as_u16())
}

/// However it comes.
#[track_caller]
fn parts_anyhow(body: &[u8], limits: MultipartLimits) -> Result<Vec<(String, String)>, u16> {
    let whole = parts(body, body.len().max(1), limits);
    for size in [1, 2, 3, 7, 100, 4096] {
        assert_eq!(parts(body, size, limits), whole, "{:?} in {size}", String::from_utf8_lossy(body));
    }
    whole
}

const A: &str = "--b\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\nvalue\r\n--b";

#[test]
fn a_line_of_a_head_ends_in_both_characters() {
    // The first would hide a part: one reader's blank line is none to another.
    let rows = [
        format!("--b\r\nContent-Disposition: form-data; name=\"x\"\n\nhidden\r\n{A}--"),
        format!("--b\r\nContent-Disposition: form-data; name=\"x\"\nX: 1\r\n\r\nhidden\r\n{A}--"),
        format!("--b\r\nContent-Disposition: form-data; name=\"x\"\rX: 1\r\n\r\nhidden\r\n{A}--"),
        format!("--b\r\nContent-Disposition: form-data; name=\"x\"\r\n\n\r\nhidden\r\n{A}--"),
        format!("--b\nContent-Disposition: form-data; name=\"x\"\r\n\r\nhidden\r\n{A}--"),
        format!("--b\r\n\r\nhidden\r\n{A}--"),
        format!("--b\r\nContent-Disposition: form-data;\r\n name=\"x\"\r\n\r\nfolded\r\n{A}--"),
    ];
    for body in rows {
        assert_eq!(parts_anyhow(body.as_bytes(), MultipartLimits::default()), Err(400), "{body:?}");
    }
}

#[test]
fn two_fields_of_a_kind_are_refused() {
    for field in ["Content-Disposition: form-data; name=\"z\"", "content-type: a/b\r\nContent-Type: c/d"] {
        let body = A.replacen("value", "", 1).replacen("\r\n\r\n", &format!("\r\n{field}\r\n\r\n"), 1);
        assert_eq!(
            parts_anyhow(format!("{body}--").as_bytes(), MultipartLimits::default()),
            Err(400),
            "{body}"
        );
    }
}

#[test]
fn a_head_has_its_limit_however_it_comes() {
    let limits = MultipartLimits { head_bytes_max: 300, ..MultipartLimits::default() };
    let field = "Content-Disposition: form-data; name=\"c\"";
    // Padding, a field, and white space before its value: all of it is the head.
    let heads: [fn(usize, &str) -> String; 3] = [
        |pad, field| format!("{}\r\n{field}\r\n\r\n", " ".repeat(pad)),
        |pad, field| format!("\r\n{field}\r\nX: {}\r\n\r\n", "y".repeat(pad)),
        |pad, field| format!("\r\n{field}\r\nX:{}y\r\n\r\n", " ".repeat(pad)),
    ];
    for head in heads {
        let bare = head(0, field).len();
        for (bytes, is_allowed) in [(299, true), (300, true), (301, false), (302, false), (9000, false)] {
            let head = head(bytes - bare, field);
            assert_eq!(head.len(), bytes);
            let read = parts_anyhow(format!("{A}{head}x\r\n--b--").as_bytes(), limits);
            assert_eq!(read.as_ref().map(Vec::len), if is_allowed { Ok(2) } else { Err(&413) }, "{bytes}");
        }
    }
    // And what is before the first part, with its boundary.
    for (bytes, is_allowed) in [(295, true), (296, false)] {
        let read = parts_anyhow(format!("{}\r\n{A}--", "-".repeat(bytes)).as_bytes(), limits);
        assert_eq!(read.is_ok(), is_allowed, "{bytes}: {read:?}");
    }
}

#[test]
fn a_boundary_is_a_line() {
    let a = [("a".to_owned(), "value".to_owned())];
    for before in
        ["", "\r\n", "preamble\r\n", "pre --bx and --b-- too\r\n", "junk--b\r\n\r\n", "\n--b\r\n\r\n"]
    {
        let read = parts_anyhow(format!("{before}{A}--").as_bytes(), MultipartLimits::default());
        assert_eq!(read.as_deref(), Ok(&a[..]), "{before:?}");
    }
    assert_eq!(parts_anyhow(format!("junk{A}--").as_bytes(), MultipartLimits::default()), Ok(vec![]));
    for body in
        [format!("junk{A}x"), format!("{A}ar\r\n--b--"), format!("{A} --"), A.to_owned(), format!("{A}-")]
    {
        assert_eq!(parts_anyhow(body.as_bytes(), MultipartLimits::default()), Err(400), "{body:?}");
    }
    for body in ["--b--", "--b--\r\n", "\r\n--b--epilogue"] {
        assert_eq!(parts_anyhow(body.as_bytes(), MultipartLimits::default()), Ok(vec![]), "{body:?}");
    }
}

/// Who swallows an error of a part is told again at the next.
#[test]
fn an_error_is_final() {
    let cut = format!("{HEAD}1\r\n{HEAD}cut");
    let body = Body::from_stream(stream::iter([Ok::<_, Infallible>(cut)]));
    let mut form = Multipart::new(body, "b", MultipartLimits::default(), u64::MAX);
    let (mut texts, mut error) = (Vec::new(), None);
    while error.is_none() {
        match run(form.next()).0 {
            Ok(Some(part)) => texts.push(run(part.text()).0.unwrap_or_default()),
            Ok(None) => panic!("a cut form passes for a whole one"),
            Err(failed) => error = Some(failed.status().as_u16()),
        }
    }
    assert_eq!((texts, error), (vec!["1".to_owned(), String::new()], Some(400)));
    assert!(run(form.next()).0.is_err() && form.next_blocking().is_err());

    let large = MultipartLimits { collected_bytes_max: 1, ..MultipartLimits::default() };
    let body = Body::from_stream(stream::iter([Ok::<_, Infallible>(format!("{A}--"))]));
    let mut form = Multipart::new(body, "b", large, u64::MAX);
    assert!(run(run(form.next()).0.unwrap().expect("a part").bytes()).0.is_err());
    assert_eq!(run(form.next()).0.map(drop).expect_err("it repeats").status(), 413);
}

/// A stream ends with its error, or whoever leaves errors out would never come to an end.
#[test]
fn a_stream_of_pieces_ends_with_its_error() {
    let body = Body::from_stream(stream::iter([Ok::<_, Infallible>(format!("{HEAD}cut"))]));
    let mut form = Multipart::new(body, "b", MultipartLimits::default(), u64::MAX);
    let part = run(form.next()).0.unwrap().expect("a part");
    let pieces: Vec<_> = run(part.collect::<Vec<_>>()).0;
    assert!(pieces.last().is_some_and(Result::is_err) && pieces.len() == 2, "{pieces:?}");
}
