//! [`ETags`]: an entity tag for each response that is in memory, and 304 for who has it already. It must never wait for a
//! body, nor hold one back.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use http::{
    HeaderMap, HeaderValue, Method, StatusCode,
    header::{
        CACHE_CONTROL, CONTENT_ENCODING, CONTENT_LANGUAGE, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, ETAG,
        IF_NONE_MATCH,
    },
};
use sha2::{Digest, Sha256};
use trijet_core::{Body, Next, Request, Response, extract::Needs, middleware::Middleware, respond::Answer};

use super::{Provided, fields::elements};

/// Gives responses an `ETag`, and answers 304 Not Modified to who has the same already (RFC 9110 §8.8.3, §13.1.2).
///
/// It is for 200s to GET and HEAD whose body is in memory: text, bytes, JSON. The tag is the first 128 bits of the
/// body's SHA-256, so the same on every machine. Streams, larger bodies and what says `no-store` go by untouched. A
/// handler may set a tag of its own: it is kept, and compared too, also for streams.
///
/// It saves the bytes, not the work: the handler has run. Hashing the MiB that is the most by default takes 0.5 to
/// 4 ms.
///
/// ```
/// use trijet_core::{Router, get};
/// use trijet_web::middleware::ETags;
///
/// let client = trijet_core::sim::TestClient::new(Router::new().route("/", get(async || "page")).wrap(ETags::new()));
/// let tag = client.get("/").send().header("etag").unwrap().to_owned();
/// let again = client.get("/").header("if-none-match", tag).send();
/// assert_eq!((again.status.as_u16(), again.text()), (304, ""));
/// ```
#[derive(Clone, Copy, Debug)]
pub struct ETags {
    bytes_max: usize,
}

impl ETags {
    /// For bodies of up to 1 MiB.
    pub fn new() -> Self {
        Self { bytes_max: 1 << 20 }
    }

    /// For bodies of up to `bytes_max` bytes. They are hashed where the connection is driven: on mio and Tokio
    /// others wait for so long.
    #[must_use]
    pub fn bytes_max(mut self, bytes_max: usize) -> Self {
        self.bytes_max = bytes_max;
        self
    }
}

impl Default for ETags {
    fn default() -> Self {
        Self::new()
    }
}

impl Middleware<Provided> for ETags {
    async fn call(self, request: Request, next: Next) -> Answer {
        if !matches!(*request.method(), Method::GET | Method::HEAD) {
            return next.run(request).await.into();
        }
        let is_head = request.method() == Method::HEAD;
        let wanted = Wanted::of(request.headers());
        let response = next.run(request).await;
        if response.status() != StatusCode::OK {
            return response.into();
        }
        let response = tagged(response, is_head, self.bytes_max);
        match response.headers().get(ETAG) {
            Some(tag) if wanted.has(tag) => not_modified(response).into(),
            _ => response.into(),
        }
    }

    fn declare(_: &mut Needs) {}
}

fn tagged(mut response: Response, is_head: bool, bytes_max: usize) -> Response {
    let is_kept =
        elements(response.headers(), &CACHE_CONTROL).all(|word| !word.eq_ignore_ascii_case("no-store"));
    if !is_kept || response.headers().contains_key(ETAG) {
        return response;
    }
    match std::mem::take(response.body_mut()).into_full() {
        Ok(data) => {
            // A handler of HEAD has no body to tell the tag of GET by.
            if data.len() <= bytes_max && !(is_head && data.is_empty()) {
                response.headers_mut().insert(ETAG, tag(&data));
            }
            *response.body_mut() = data.into();
        }
        Err(body) => *response.body_mut() = body,
    }
    response
}

/// A strong validator (RFC 9110 §8.8.1): other bytes have another.
fn tag(data: &[u8]) -> HeaderValue {
    let hash = Sha256::digest(data);
    // Its alphabet has neither quotes nor control characters.
    HeaderValue::try_from(format!("\"{}\"", URL_SAFE_NO_PAD.encode(&hash[..16])))
        .unwrap_or(HeaderValue::from_static("\"\""))
}

/// The tags that a client has.
struct Wanted {
    tags: Vec<HeaderValue>,
}

impl Wanted {
    fn of(headers: &HeaderMap) -> Self {
        Self { tags: headers.get_all(IF_NONE_MATCH).iter().cloned().collect() }
    }

    /// RFC 9110 §13.1.2: by the weak comparison, or `*` for any.
    fn has(&self, tag: &HeaderValue) -> bool {
        let tag = opaque(tag.as_bytes());
        self.tags.iter().any(|list| {
            let mut list = list.as_bytes();
            if list.trim_ascii() == b"*" {
                return true;
            }
            // A tag may hold a comma, so the list is read from quote to quote.
            while let Some(start) = list.iter().position(|byte| *byte == b'"') {
                let Some(len) = list[start + 1..].iter().position(|byte| *byte == b'"') else { return false };
                if &list[start..start + len + 2] == tag {
                    return true;
                }
                list = &list[start + len + 2..];
            }
            false
        })
    }
}

/// Without the mark of a weak one.
fn opaque(tag: &[u8]) -> &[u8] {
    tag.strip_prefix(b"W/").unwrap_or(tag)
}

/// RFC 9110 §15.4.5: the fields that a cache updates go with it, those that describe a body do not.
fn not_modified(response: Response) -> Response {
    let (mut parts, _) = response.into_parts();
    parts.status = StatusCode::NOT_MODIFIED;
    for name in [CONTENT_ENCODING, CONTENT_LANGUAGE, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE] {
        parts.headers.remove(name);
    }
    Response::from_parts(parts, Body::empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tag_is_the_hash_of_the_body() {
        // SHA-256 of nothing begins with e3b0c44298fc1c149afbf4c8996fb924.
        assert_eq!(tag(b""), "\"47DEQpj8HBSa-_TImW-5JA\"");
        assert_ne!(tag(b"a"), tag(b"b"));
    }

    #[test]
    fn who_has_it() {
        for (list, tag, has) in [
            ("\"a\"", "\"a\"", true),
            ("W/\"a\"", "\"a\"", true),
            ("\"a\"", "W/\"a\"", true),
            ("\"b\", \"a\"", "\"a\"", true),
            ("\"b\",W/\"a\"", "\"a\"", true),
            ("\"b,\\\", \"a\"", "\"a\"", true),
            ("*", "\"a\"", true),
            (" * ", "\"a\"", true),
            ("\"*\"", "\"a\"", false),
            ("\"b\"", "\"a\"", false),
            ("a", "\"a\"", false),
            ("\"a", "\"a\"", false),
            ("\"aa\"", "\"a\"", false),
            ("", "\"a\"", false),
            ("\"b, \"a\"\"", "\", \"", false),
        ] {
            let headers = HeaderMap::from_iter([(IF_NONE_MATCH, HeaderValue::from_static(list))]);
            assert_eq!(Wanted::of(&headers).has(&HeaderValue::from_static(tag)), has, "{list} {tag}");
        }
    }
}
