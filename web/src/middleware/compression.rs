//! [`Compression`]: which responses are compressed, and what their head says then. How is in `encoding`.

use std::sync::Arc;

use http::{
    HeaderMap, HeaderValue, Method, StatusCode,
    header::{
        ACCEPT_ENCODING, ACCEPT_RANGES, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_RANGE,
        CONTENT_TYPE, ETAG, IF_NONE_MATCH,
    },
};
use http_body::Body as HttpBody;
use trijet_core::{Body, Next, Request, Response, extract::Needs, middleware::Middleware, respond::Answer};

use super::{
    Coding, Provided,
    coding::{Wish, negotiate},
    encoding::{Encoded, Encoder, PIECE_BYTES},
    fields::{elements, vary_by},
};

/// Compresses responses by the coding that the client likes best (RFC 9110 §12.5.3): zstd, brotli or gzip, in this
/// order where it likes them alike.
///
/// It compresses what gets smaller: text, JSON, XML, scripts, SVG, WebAssembly and their like, by `Content-Type`.
/// It leaves alone what has a `Content-Encoding` already, images, video, archives and whatever else it does not
/// know, event streams (`text/event-stream`), parts (206), bodies of less than 1,024 bytes where that is known, what
/// says `no-transform`, and what has a digest of its bytes (`Content-Digest`, `Repr-Digest`, and the older `Digest`
/// and `Content-MD5`).
///
/// - Responses that it may compress have `Vary: Accept-Encoding`, also when it does not. A strong `ETag` becomes
///   weak, as the bytes are others (RFC 9110 §8.8.1), and `Accept-Ranges` goes.
/// - HEAD has the fields of GET, without `Content-Length`: nothing is compressed to find it out.
/// - Streams are compressed as they come: what the stream has given goes out about 5 ms later, if it gives no more
///   for now. A large body is compressed 32 KiB at a time, and between two pieces others have their turn. Each
///   response under way takes memory for its compressor: 0.6 MiB in gzip, 1.5 in zstd, 4 in brotli.
///
/// Do not compress secrets next to what a client can choose (BREACH): a page that shows a token and echoes a
/// parameter tells the token by its length. Leave such routes out.
///
/// ```
/// use trijet_core::{Router, get};
/// use trijet_web::middleware::Compression;
///
/// let app = Router::new().route("/", get(async || "hello ".repeat(1000))).wrap(Compression::new());
/// let client = trijet_core::sim::TestClient::new(app);
/// let answer = client.get("/").header("accept-encoding", "gzip, br;q=0.5").send();
/// assert_eq!(answer.header("content-encoding"), Some("gzip"));
/// assert!(answer.bytes().len() < 100);
/// assert_eq!(client.get("/").send().bytes().len(), 6000);
/// ```
#[derive(Clone, Debug)]
pub struct Compression {
    codings: Arc<[Coding]>,
    bytes_min: u64,
}

impl Compression {
    /// All codings, for bodies from 1,024 bytes on.
    pub fn new() -> Self {
        // Below, what is saved fits into the packet that is sent anyway.
        Self { codings: Coding::ALL.into(), bytes_min: 1024 }
    }

    /// Offers these codings alone, the preferred first.
    #[must_use]
    pub fn codings(mut self, codings: impl IntoIterator<Item = Coding>) -> Self {
        self.codings = codings.into_iter().collect();
        self
    }

    /// Leaves bodies alone that are known to be smaller.
    #[must_use]
    pub fn bytes_min(mut self, bytes_min: u64) -> Self {
        self.bytes_min = bytes_min;
        self
    }
}

impl Default for Compression {
    fn default() -> Self {
        Self::new()
    }
}

impl Middleware<Provided> for Compression {
    async fn call(self, request: Request, next: Next) -> Answer {
        let is_head = request.method() == Method::HEAD;
        let wish = negotiate(request.headers(), &self.codings);
        let held: Vec<HeaderValue> = request.headers().get_all(IF_NONE_MATCH).iter().cloned().collect();
        let mut response = next.run(request).await;
        if response.status() == StatusCode::NOT_MODIFIED {
            not_modified(response.headers_mut(), wish, &held);
            return response.into();
        }
        compressed(response, wish, is_head, self.bytes_min).into()
    }

    fn declare(_: &mut Needs) {}
}

/// RFC 9110 §15.4.5: the fields that the 200 would have. Whether that would be compressed cannot be told by a head
/// without a type; but the client tells by its tag which one it has, `held`. The tag of what is never compressed stays
/// as it is.
fn not_modified(headers: &mut HeaderMap, wish: Wish, held: &[HeaderValue]) {
    vary_by(headers, &ACCEPT_ENCODING);
    let Some(tag) = headers.get(ETAG) else { return };
    let weak = [b"W/", tag.as_bytes()].concat();
    // No tag has a quote within, so this finds whole ones alone.
    let has_weak = held.iter().any(|list| list.as_bytes().windows(weak.len()).any(|part| part == weak));
    if wish != Wish::Plain && has_weak {
        weaken(headers);
    }
}

fn compressed(mut response: Response, wish: Wish, is_head: bool, bytes_min: u64) -> Response {
    let status = response.status();
    let has_body =
        !matches!(status, StatusCode::NO_CONTENT | StatusCode::RESET_CONTENT | StatusCode::PARTIAL_CONTENT);
    if !has_body || !may_be_encoded(response.headers()) {
        return response;
    }
    vary_by(response.headers_mut(), &ACCEPT_ENCODING);
    let coding = match wish {
        Wish::Plain => return response,
        Wish::Rather(_) if known_length(&response, is_head).is_some_and(|length| length < bytes_min) => {
            return response;
        }
        Wish::Rather(coding) | Wish::Only(coding) => coding,
    };
    let encoder = match Encoder::new(coding) {
        Ok(encoder) => encoder,
        Err(error) => {
            log::error!("a response is sent as it is, as the compressor could not be made: {error}");
            return response;
        }
    };
    let (mut parts, body) = response.into_parts();
    let headers = &mut parts.headers;
    headers.insert(CONTENT_ENCODING, coding.value());
    headers.remove(CONTENT_LENGTH);
    // Ranges would be of the plain body.
    headers.remove(ACCEPT_RANGES);
    weaken(headers);
    Response::from_parts(parts, encoded(body, encoder, is_head))
}

/// A small body that is here is compressed at once, so that its length is known. That of HEAD is never asked for.
fn encoded(body: Body, mut encoder: Encoder, is_head: bool) -> Body {
    if is_head {
        return Body::new(Encoded::new(Body::empty(), encoder));
    }
    match body.into_full() {
        Ok(data) if data.len() <= PIECE_BYTES => match encoder.write(&data).and_then(|()| encoder.finish()) {
            Ok(output) => output.into(),
            Err(error) => Body::from_iter([Err::<Vec<u8>, _>(error)]),
        },
        Ok(data) => Body::new(Encoded::new(data.into(), encoder)),
        Err(body) => Body::new(Encoded::new(body, encoder)),
    }
}

/// How long the plain body is. A handler of HEAD tells by `Content-Length` alone.
fn known_length(response: &Response, is_head: bool) -> Option<u64> {
    let exact = response.body().size_hint().exact().filter(|length| !(is_head && *length == 0));
    exact.or_else(|| response.headers().get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok())
}

const DIGESTS: [&str; 4] = ["content-digest", "repr-digest", "digest", "content-md5"];

fn may_be_encoded(headers: &HeaderMap) -> bool {
    let is_raw = !headers.contains_key(CONTENT_ENCODING) && !headers.contains_key(CONTENT_RANGE);
    // RFC 9111 §5.2.2.6. A digest of the bytes that are sent would be wrong, and so would one of the representation, of
    // which the coding is a part (RFC 9530 §2 and §3); the older two are of the one or the other.
    let may_change = !DIGESTS.iter().any(|name| headers.contains_key(*name))
        && elements(headers, &CACHE_CONTROL).all(|word| !word.eq_ignore_ascii_case("no-transform"));
    let gets_smaller =
        headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).is_some_and(gets_smaller);
    is_raw && may_change && gets_smaller
}

/// Whether a content type is of text, by whatever name.
fn gets_smaller(content_type: &str) -> bool {
    let essence = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    match essence.split_once('/') {
        // Each event is to be there when it is sent, and intermediaries that decode would hold it back.
        Some(("text", subtype)) => subtype != "event-stream",
        Some((_, subtype))
            if subtype.ends_with("+json") || subtype.ends_with("+xml") || subtype.ends_with("+text") =>
        {
            true
        }
        Some(("application", subtype)) => matches!(
            subtype,
            "json"
                | "x-ndjson"
                | "jsonl"
                | "json-seq"
                | "xml"
                | "javascript"
                | "x-javascript"
                | "ecmascript"
                | "wasm"
                | "graphql"
                | "toml"
                | "yaml"
                | "x-yaml"
                | "sql"
                | "rtf"
                | "x-www-form-urlencoded"
                | "xml-dtd"
                | "vnd.ms-fontobject"
                | "x-font-ttf"
                | "manifest"
        ),
        Some(("font", subtype)) => matches!(subtype, "ttf" | "otf" | "sfnt" | "collection"),
        Some(("image", subtype)) => matches!(subtype, "bmp" | "x-icon" | "vnd.microsoft.icon"),
        Some(("model", subtype)) => matches!(subtype, "obj" | "mtl" | "stl" | "gltf-binary"),
        _ => false,
    }
}

/// RFC 9110 §8.8.1: other bytes, so no longer the strong tag.
fn weaken(headers: &mut HeaderMap) {
    let Some(tag) = headers.get(ETAG).filter(|tag| !tag.as_bytes().starts_with(b"W/")) else { return };
    let weak = [b"W/", tag.as_bytes()].concat();
    match HeaderValue::from_bytes(&weak) {
        Ok(weak) => headers.insert(ETAG, weak),
        Err(_) => headers.remove(ETAG),
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_gets_smaller() {
        for (content_type, expected) in [
            ("text/plain; charset=utf-8", true),
            ("text/html", true),
            ("TEXT/CSS", true),
            ("application/json", true),
            ("application/problem+json", true),
            ("image/svg+xml", true),
            ("application/wasm", true),
            ("text/event-stream", false),
            ("text/event-stream; charset=utf-8", false),
            ("image/png", false),
            ("image/jpeg", false),
            ("video/mp4", false),
            ("audio/mpeg", false),
            ("application/zip", false),
            ("application/gzip", false),
            ("application/zstd", false),
            ("application/pdf", false),
            ("application/octet-stream", false),
            ("font/woff2", false),
            ("multipart/byteranges", false),
            ("text", false),
            ("", false),
        ] {
            assert_eq!(gets_smaller(content_type), expected, "{content_type:?}");
        }
    }

    #[test]
    fn what_has_a_digest_is_left_alone() {
        let mut headers = HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static("text/plain"))]);
        assert!(may_be_encoded(&headers));
        for name in ["content-digest", "repr-digest", "digest", "content-md5"] {
            headers.insert(name, HeaderValue::from_static("sha-256=:AAAA:"));
            assert!(!may_be_encoded(&headers), "{name}");
            headers.remove(name);
        }
    }

    #[test]
    fn a_304_has_the_tag_that_the_client_has() {
        let gzip = Wish::Rather(Coding::Gzip);
        for (tag, held, wish, expected) in [
            ("\"a\"", "\"a\"", gzip, "\"a\""),
            ("\"a\"", "*", gzip, "\"a\""),
            ("\"a\"", "W/\"b\", \"a\"", gzip, "\"a\""),
            ("\"a\"", "\"W/\", W/\"aa\", \"a\"", gzip, "\"a\""),
            ("\"a\"", "W/\"b\", W/\"a\"", gzip, "W/\"a\""),
            ("\"a\"", "W/\"a\"", Wish::Plain, "\"a\""),
            ("W/\"a\"", "W/\"a\"", gzip, "W/\"a\""),
        ] {
            let mut headers = HeaderMap::from_iter([(ETAG, HeaderValue::from_static(tag))]);
            not_modified(&mut headers, wish, &[HeaderValue::from_static(held)]);
            assert_eq!(headers[ETAG], expected, "{tag} {held}");
            assert_eq!(headers["vary"], "accept-encoding");
        }
    }

    #[test]
    fn tags_become_weak_once() {
        for (tag, expected) in [("\"a\"", "W/\"a\""), ("W/\"a\"", "W/\"a\"")] {
            let mut headers = HeaderMap::from_iter([(ETAG, HeaderValue::from_static(tag))]);
            weaken(&mut headers);
            assert_eq!(headers[ETAG], expected);
        }
    }
}
