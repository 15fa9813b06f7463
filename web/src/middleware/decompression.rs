//! [`Decompression`]: which requests are decoded, and by what. How is in `decoding`.

use http::{
    HeaderMap, HeaderValue, StatusCode,
    header::{ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_LENGTH},
};
use trijet_core::{
    Body, IntoResponse, Next, Request, Response, extract::Needs, middleware::Middleware, respond::Answer,
};

use super::{
    Coding, Provided,
    decoding::Decoded,
    fields::{elements, sentence},
};

/// Decodes request bodies in gzip, brotli and zstd (RFC 9110 §8.4), so that extractors and handlers see plain ones.
///
/// - What comes out may be 2 MiB, or as [`bytes_max`](Self::bytes_max) says: one byte more fails with
///   [`BodyError::TooLarge`](trijet_core::BodyError::TooLarge), which extractors answer with 413. A bomb is not
///   unpacked: two pieces of 16 KiB at most are in memory at a time.
/// - Beside them each coding of each request takes the window that the client asks for: 32 KiB in gzip, at most 8 MiB
///   in zstd and 16 MiB in brotli, whatever may come out. Where many clients may send such bodies at once, a
///   [`ConcurrencyLimit`](super::ConcurrencyLimit) around it bounds the memory.
/// - A coding that is not known is answered with 415 and `Accept-Encoding`, which lists those that are (RFC 9110
///   §15.5.16), and so are more than two codings on top of each other.
/// - A body that is malformed, or cut, fails with [`BodyError::Malformed`](trijet_core::BodyError::Malformed): 400.
///
/// The server's own limit, and that of a [`BodyLimit`](super::BodyLimit) outside of this one, are for the bytes
/// that the client sends.
///
/// ```
/// use trijet_core::{Router, post};
/// use trijet_web::middleware::Decompression;
///
/// let app = Router::new().route("/", post(async |text: String| text)).wrap(Decompression::new());
/// let client = trijet_core::sim::TestClient::new(app);
/// let hello = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3, 0xcb, 0x48, 0xcd, 0xc9, 0xc9, 7, 0, 0x86, 0xa6, 0x10, 0x36, 5, 0, 0, 0];
/// assert_eq!(client.post("/").header("content-encoding", "gzip").body(hello).send().text(), "hello");
/// let refused = client.post("/").header("content-encoding", "compress").body("x").send();
/// assert_eq!((refused.status.as_u16(), refused.header("accept-encoding")), (415, Some("zstd, br, gzip")));
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Decompression {
    bytes_max: u64,
}

/// Nobody needs more than one. Each costs its window.
const CODINGS_MAX: usize = 2;

impl Decompression {
    /// Lets bodies become 2 MiB, as [`Limits::body_bytes_max`](trijet_core::Limits::body_bytes_max) does.
    pub fn new() -> Self {
        Self { bytes_max: 2 << 20 }
    }

    /// Lets bodies become so large.
    #[must_use]
    pub fn bytes_max(mut self, bytes_max: u64) -> Self {
        self.bytes_max = bytes_max;
        self
    }
}

impl Default for Decompression {
    fn default() -> Self {
        Self::new()
    }
}

impl Middleware<Provided> for Decompression {
    async fn call(self, request: Request, next: Next) -> Answer {
        let Ok(codings) = codings(request.headers()) else { return unsupported().into() };
        if codings.is_empty() {
            return next.run(request).await.into();
        }
        let (mut parts, mut body) = request.into_parts();
        // RFC 9110 §8.4: in the order in which they were applied, so the last comes off first.
        for coding in codings.into_iter().rev() {
            body = match Decoded::new(body, coding, self.bytes_max) {
                Ok(decoded) => Body::bounded(decoded),
                Err(error) => {
                    log::error!("a request could not be decoded, as the decoder could not be made: {error}");
                    return StatusCode::INTERNAL_SERVER_ERROR.into_answer();
                }
            };
        }
        parts.headers.remove(CONTENT_ENCODING);
        parts.headers.remove(CONTENT_LENGTH);
        next.run(Request::from_parts(parts, body)).await.into()
    }

    fn declare(_: &mut Needs) {}
}

/// The codings of a request, the first applied first.
fn codings(headers: &HeaderMap) -> Result<Vec<Coding>, Unknown> {
    // A line that is no text would be left out of the list.
    if headers.get_all(CONTENT_ENCODING).iter().any(|value| value.to_str().is_err()) {
        return Err(Unknown);
    }
    let mut codings = Vec::new();
    for name in elements(headers, &CONTENT_ENCODING).filter(|name| !name.eq_ignore_ascii_case("identity")) {
        if codings.len() == CODINGS_MAX {
            return Err(Unknown);
        }
        codings.push(Coding::named(name).ok_or(Unknown)?);
    }
    Ok(codings)
}

#[derive(Debug, PartialEq, Eq)]
struct Unknown;

fn unsupported() -> Response {
    let text =
        "The request was refused: its body has a content coding that is not known here, or too many of them.";
    let mut response = sentence(StatusCode::UNSUPPORTED_MEDIA_TYPE, text);
    response.headers_mut().insert(ACCEPT_ENCODING, HeaderValue::from_static("zstd, br, gzip"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_codings_there_are() {
        use Coding::{Brotli, Gzip, Zstd};
        for (field, expected) in [
            ("gzip", Ok(vec![Gzip])),
            ("GZIP", Ok(vec![Gzip])),
            ("x-gzip", Ok(vec![Gzip])),
            ("br, zstd", Ok(vec![Brotli, Zstd])),
            ("identity", Ok(vec![])),
            ("identity, gzip", Ok(vec![Gzip])),
            ("", Ok(vec![])),
            (",,", Ok(vec![])),
            ("gzip, gzip, gzip", Err(Unknown)),
            ("deflate", Err(Unknown)),
            ("gzip;q=1", Err(Unknown)),
            ("gzip\"", Err(Unknown)),
        ] {
            let headers = HeaderMap::from_iter([(CONTENT_ENCODING, HeaderValue::from_static(field))]);
            assert_eq!(codings(&headers), expected, "{field:?}");
        }
        let bytes = HeaderMap::from_iter([(CONTENT_ENCODING, HeaderValue::from_bytes(b"gzip\xff").unwrap())]);
        assert_eq!(codings(&bytes), Err(Unknown));
    }
}
