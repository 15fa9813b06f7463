//! Forms. The bytes are a `Content-Type`, a line end, and a body. What is read of it must not depend on how it is cut, nor on
//! whether it is awaited or waited for; the limits refuse and never change a part; and where the boundary is a plain one, the
//! parts are those of a second reader that sees all bytes at once.

use std::{
    convert::Infallible,
    io::Read as _,
    pin::Pin,
    sync::LazyLock,
    task::{Context, Poll, Waker},
};

use futures_util::stream;
use trijet::{
    Body, Bytes, Router,
    extract::Extension,
    inline,
    multipart::{Multipart, MultipartError, MultipartLimits, Part},
    post,
};
use trijet_core::{App, ReceivedHead, Request};

use super::Choices;

static PLENTY: LazyLock<App> = LazyLock::new(|| app(MultipartLimits::default(), 1 << 20));
static FEW: LazyLock<App> = LazyLock::new(|| {
    let limits = MultipartLimits {
        parts_max: 3,
        part_bytes_max: 64,
        collected_bytes_max: 32,
        head_bytes_max: 128,
        name_bytes_max: 8,
        file_name_bytes_max: 16,
    };
    app(limits, 512)
});

pub fn check(bytes: &[u8]) {
    let line = bytes.iter().position(|byte| *byte == b'\n').unwrap_or(bytes.len());
    let (kind, body) = (&bytes[..line], bytes.get(line + 1..).unwrap_or_default());
    let Ok(kind) = http::HeaderValue::from_bytes(kind) else { return };
    let mut choices = Choices::of(bytes);
    let read = |app: &App, cuts: &[usize]| answer(app, &kind, body, cuts);
    let all: Vec<usize> = (0..=body.len()).collect();
    let some = [choices.cuts(body.len(), 5), choices.cuts(body.len(), 50)];
    let mut whole = Vec::new();
    for app in [&*PLENTY, &*FEW] {
        let awaited = read(app, &[]);
        for cuts in some.iter().chain([&all]) {
            assert_eq!(read(app, cuts), awaited, "cut at {cuts:?}: {:?}", bytes.escape_ascii().to_string());
        }
        whole.push(awaited);
    }
    // What the limits let through is what it is without them.
    let [plenty, few] = &whole[..] else { unreachable!() };
    let is_refused = matches!(few, Answer::Form(_, Err(_)) | Answer::Refused(_));
    assert!(is_refused || few == plenty, "{few:?} {plenty:?}");
    if let (Answer::Form(parts, Ok(())), Some(boundary)) = (plenty, plain_boundary(&kind)) {
        let data: Vec<&[u8]> = parts.iter().map(|part| &part.data[..]).collect();
        let expected = plain(body, boundary).unwrap_or_else(|| panic!("it has no end: {parts:?}"));
        assert_eq!(data, expected, "{:?}", bytes.escape_ascii().to_string());
    }
}

/// What came of a form.
#[derive(Debug, PartialEq)]
enum Answer {
    /// It is none.
    Refused(u16),
    /// The parts, as far as they could be read, and how it ended.
    Form(Vec<Seen>, Result<(), String>),
}

#[derive(Debug, PartialEq)]
struct Seen {
    name: String,
    file_name: Option<String>,
    content_type: Option<String>,
    data: Vec<u8>,
}

impl Seen {
    fn of(part: &Part<'_>) -> Self {
        if let Some(name) = part.safe_file_name() {
            assert!(
                !name.is_empty() && !name.starts_with('.') && !name.contains(['/', '\\', '\0']),
                "{name:?}"
            );
        }
        Self {
            name: part.name().to_owned(),
            file_name: part.file_name().map(str::to_owned),
            content_type: part.content_type().map(str::to_owned),
            data: Vec::new(),
        }
    }
}

type Read = std::sync::mpsc::Sender<Answer>;

/// Awaits the parts at `/async`, and waits for them at `/fn`.
fn app(limits: MultipartLimits, bytes_max: u64) -> App {
    async fn all(form: &mut Multipart, parts: &mut Vec<Seen>) -> Result<(), MultipartError> {
        while let Some(mut part) = form.next().await? {
            let mut seen = Seen::of(&part);
            while let Some(piece) = part.next().await? {
                assert!(!piece.is_empty());
                seen.data.extend_from_slice(&piece);
            }
            parts.push(seen);
        }
        Ok(())
    }
    fn all_blocking(form: &mut Multipart, parts: &mut Vec<Seen>) -> Result<(), MultipartError> {
        while let Some(mut part) = form.next_blocking()? {
            let mut seen = Seen::of(&part);
            if part.read_to_end(&mut seen.data).is_err() {
                // Told again, as an error of the form's own.
                assert!(part.next_blocking()?.is_none(), "an error is final");
            }
            parts.push(seen);
        }
        Ok(())
    }
    async fn awaited(Extension(sender): Extension<Read>, mut form: Multipart) {
        let mut parts = Vec::new();
        let end = all(&mut form, &mut parts).await.map_err(|error| error.to_string());
        let again = form.next().await.map(|part| assert!(part.is_none())).map_err(|error| error.to_string());
        assert_eq!(again, end, "an end is final");
        sender.send(Answer::Form(parts, end)).expect("somebody asks");
    }
    fn blocking(Extension(sender): Extension<Read>, mut form: Multipart) {
        let mut parts = Vec::new();
        let end = all_blocking(&mut form, &mut parts).map_err(|error| error.to_string());
        sender.send(Answer::Form(parts, end)).expect("somebody asks");
    }
    let routes = [("/async", post(awaited)), ("/fn", post(inline(blocking)))];
    let router = routes
        .into_iter()
        .fold(Router::new(), |router, (path, handler)| router.route(path, handler.body_limit(bytes_max)));
    router.state(limits).build().expect("an app")
}

/// What both handlers make of it, which is the same.
fn answer(app: &App, kind: &http::HeaderValue, body: &[u8], cuts: &[usize]) -> Answer {
    let [one, other] = ["/async", "/fn"].map(|path| {
        let (sender, receiver) = std::sync::mpsc::channel();
        let mut pieces = Vec::new();
        let mut begin = 0;
        for end in cuts.iter().copied().chain([body.len()]) {
            pieces.push(Ok::<_, Infallible>(Bytes::copy_from_slice(&body[begin..end])));
            begin = end;
        }
        let mut request = Request::new(Body::empty());
        *request.method_mut() = http::Method::POST;
        *request.uri_mut() = path.parse().expect("a path");
        request.headers_mut().insert("content-type", kind.clone());
        request.extensions_mut().insert::<Read>(sender);
        let head = ReceivedHead::from(request.into_parts().0);
        let body = Body::from_stream(stream::iter(pieces));
        let response = finish(app.dispatch(&head, None).reply(head, body)).into_response();
        match receiver.try_recv() {
            Ok(answer) => answer,
            Err(_) => {
                let status = response.status().as_u16();
                assert!(matches!(status, 400 | 415), "{status}");
                Answer::Refused(status)
            }
        }
    });
    assert_eq!(one, other, "awaited and waited for");
    one
}

/// A long form lets others go first; here nobody else is there.
fn finish<F: Future + Unpin>(mut future: F) -> F::Output {
    for _ in 0..1000 {
        if let Poll::Ready(value) = Pin::new(&mut future).poll(&mut Context::from_waker(Waker::noop())) {
            return value;
        }
    }
    panic!("it is pending for ever")
}

/// The boundary, if the type is written in the plainest way.
fn plain_boundary(kind: &http::HeaderValue) -> Option<&str> {
    let boundary = kind.to_str().ok()?.strip_prefix("multipart/form-data; boundary=")?;
    boundary.bytes().all(|byte| byte.is_ascii_alphanumeric()).then_some(boundary)
}

/// The data of the parts of a form that is well-formed (RFC 2046 §5.1.1).
fn plain(body: &[u8], boundary: &str) -> Option<Vec<Vec<u8>>> {
    let delimiter = format!("\r\n--{boundary}");
    let whole = [b"\r\n", body].concat();
    let find = |from: usize, what: &[u8]| {
        whole[from..].windows(what.len()).position(|window| window == what).map(|at| from + at)
    };
    let mut at = find(0, delimiter.as_bytes())? + delimiter.len();
    let mut parts = Vec::new();
    while !whole[at..].starts_with(b"--") {
        let data = find(at, b"\r\n\r\n")? + 4;
        let end = find(data, delimiter.as_bytes())?;
        parts.push(whole[data..end].to_vec());
        at = end + delimiter.len();
    }
    Some(parts)
}
