//! [`AccessLog`]: one line for each request, once its response is over. What clients send must never look like a line, or
//! a field, of its own.

use std::{
    fmt::{self, Write},
    net::{IpAddr, SocketAddr},
    time::{Duration, Instant, SystemTime},
};

use http::{Method, StatusCode, Uri, Version};
use httpdate::HttpDate;
use trijet_core::{Next, Request, extract::Needs, middleware::Middleware, respond::Answer};

use super::{
    Provided, RequestId,
    fields::{client_address, now},
    observed::{End, Observer, observe},
};

/// Logs each request at the target `trijet::access` and the level info, once the last byte of its response is with the
/// connection, or the client has left before.
///
/// - [`common`](Self::common): the Common Log Format of the NCSA and Apache, `host - - [time] "request" status bytes`.
/// - [`json`](Self::json): an object a line, with the fields `time` (RFC 3339, of the request), `peer`, `method`,
///   `target`, `version`, `route`, `status`, `bytes`, `duration_us`, `is_whole` (false where the body was cut),
///   `request_id`, where [`RequestIds`](super::RequestIds) stands outside, and `client`, where `BehindProxies` does. What is
///   not known is null.
///
/// Behind a proxy, the connection is the proxy's: `peer` is its address, and `host` is, too, unless `BehindProxies` stands
/// outside (feature `client-address`), with the list of proxies that are believed: then `host` is the client, as `client` is.
///
/// A request that got no response of the app, as an `async fn` panicked or was given up, has no status: `-`, or null,
/// whatever the server has said then. A plain `fn` that panics makes a response inside, which is logged as its 500.
///
/// What no layer sees is not logged: what the server answers by itself to a head that is malformed, too large or too
/// slow, and to a connection over its limits.
///
/// The bytes are those of the body. Quotes, backslashes, control characters and whatever is not ASCII are escaped,
/// so that no request can forge a line or a field. Targets may hold what should not be in a log:
/// [`without_query`](Self::without_query).
///
/// Where the log is off it costs one look.
///
/// ```
/// use trijet_core::{Router, get};
/// use trijet_web::middleware::AccessLog;
///
/// let app = Router::new().route("/", get(async || "hello")).wrap(AccessLog::json().without_query());
/// # assert_eq!(trijet_core::sim::TestClient::new(app).get("/?a").send().text(), "hello");
/// ```
#[derive(Clone, Copy, Debug)]
pub struct AccessLog {
    form: Form,
    query: Query,
}

#[derive(Clone, Copy, Debug)]
enum Form {
    Common,
    Json,
}

#[derive(Clone, Copy, Debug)]
enum Query {
    Logged,
    LeftOut,
}

impl AccessLog {
    /// In the Common Log Format.
    pub fn common() -> Self {
        Self { form: Form::Common, query: Query::Logged }
    }

    /// In JSON.
    pub fn json() -> Self {
        Self { form: Form::Json, query: Query::Logged }
    }

    /// Leaves the queries of targets out: for apps that have secrets or personal data there.
    #[must_use]
    pub fn without_query(mut self) -> Self {
        self.query = Query::LeftOut;
        self
    }
}

const TARGET: &str = "trijet::access";

impl Middleware<Provided> for AccessLog {
    async fn call(self, request: Request, next: Next) -> Answer {
        if !log::log_enabled!(target: TARGET, log::Level::Info) {
            return next.run(request).await.into();
        }
        let line = Line {
            log: self,
            time: SystemTime::now(),
            began: now(),
            peer: next.peer_address(),
            client: client_address(&request),
            method: request.method().clone(),
            uri: request.uri().clone(),
            version: request.version(),
            route: next.route().map(Box::from),
            request_id: request.extensions().get().cloned(),
            status: None,
        };
        // Also where this future is dropped before there is a response.
        let mut unanswered = Unanswered(Some(line));
        let response = next.run(request).await;
        let Some(mut line) = unanswered.0.take() else { return response.into() };
        line.status = Some(response.status());
        // RFC 9110 §6.4.1: what has no body sends none of the one that is there.
        if line.method == Method::HEAD || has_no_body(response.status()) {
            line.ended(0, End::Whole);
            return response.into();
        }
        observe(response, line).into()
    }

    fn declare(_: &mut Needs) {}
}

fn has_no_body(status: StatusCode) -> bool {
    matches!(status, StatusCode::NO_CONTENT | StatusCode::RESET_CONTENT | StatusCode::NOT_MODIFIED)
}

/// What one line tells.
struct Line {
    log: AccessLog,
    time: SystemTime,
    began: Instant,
    peer: Option<SocketAddr>,
    client: Option<IpAddr>,
    method: Method,
    uri: Uri,
    version: Version,
    route: Option<Box<str>>,
    request_id: Option<RequestId>,
    status: Option<StatusCode>,
}

/// A line that is logged without a response, if nobody takes it.
struct Unanswered(Option<Line>);

impl Drop for Unanswered {
    fn drop(&mut self) {
        if let Some(line) = self.0.take() {
            line.ended(0, End::Early);
        }
    }
}

impl Observer for Line {
    fn ended(self, bytes: u64, end: End) {
        let duration = now().saturating_duration_since(self.began);
        let text = match self.log.form {
            Form::Common => self.common(bytes),
            Form::Json => self.json(bytes, end, duration),
        };
        log::info!(target: TARGET, "{text}");
    }
}

impl Line {
    fn target(&self) -> Target<'_> {
        Target(&self.uri, self.log.query)
    }

    fn common(&self, bytes: u64) -> String {
        let mut line = match self.client.or(self.peer.map(|peer| peer.ip())) {
            Some(host) => host.to_string(),
            None => "-".to_owned(),
        };
        line.push_str(" - - [");
        push_common_time(&mut line, self.time);
        let request = format!("{} {} {:?}", self.method, self.target(), self.version);
        line.push_str("] \"");
        push_escaped(&mut line, &request, Style::Common);
        // A `String` takes all that is written.
        let _ = match self.status {
            Some(status) => write!(line, "\" {} ", status.as_u16()),
            None => write!(line, "\" - "),
        };
        let _ = if bytes == 0 { write!(line, "-") } else { write!(line, "{bytes}") };
        line
    }

    fn json(&self, bytes: u64, end: End, duration: Duration) -> String {
        let mut line = String::from("{\"time\":\"");
        push_rfc3339(&mut line, self.time);
        line.push('"');
        let mut text = |name: &str, value: Option<&dyn fmt::Display>| {
            let _ = write!(line, ",\"{name}\":");
            match value {
                Some(value) => {
                    line.push('"');
                    push_escaped(&mut line, &value.to_string(), Style::Json);
                    line.push('"');
                }
                None => line.push_str("null"),
            }
        };
        text("peer", self.peer.as_ref().map(|peer| peer as _));
        text("client", self.client.as_ref().map(|client| client as _));
        text("method", Some(&self.method));
        text("target", Some(&self.target()));
        text("version", Some(&format_args!("{:?}", self.version)));
        text("route", self.route.as_ref().map(|route| route as _));
        text("request_id", self.request_id.as_ref().map(|id| id as _));
        let _ = match self.status {
            Some(status) => write!(line, ",\"status\":{}", status.as_u16()),
            None => write!(line, ",\"status\":null"),
        };
        let _ = write!(line, ",\"bytes\":{bytes},\"duration_us\":");
        let _ = write!(line, "{}", duration.as_micros());
        let _ = write!(line, ",\"is_whole\":{}}}", end == End::Whole);
        line
    }
}

/// A target, with its query or without.
struct Target<'a>(&'a Uri, Query);

impl fmt::Display for Target<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.1 {
            Query::Logged => self.0.fmt(f),
            Query::LeftOut => f.write_str(self.0.path()),
        }
    }
}

#[derive(Clone, Copy)]
enum Style {
    /// As Apache does: `\"`, `\\`, `\xhh`.
    Common,
    /// RFC 8259 §7.
    Json,
}

fn push_escaped(line: &mut String, text: &str, style: Style) {
    for character in text.chars() {
        // A `String` takes all that is written.
        let _ = match (character, style) {
            ('"' | '\\', _) => write!(line, "\\{character}"),
            (' '..='~', _) => line.write_char(character),
            (other, Style::Common) => {
                let mut bytes = [0; 4];
                other.encode_utf8(&mut bytes).bytes().try_for_each(|byte| write!(line, "\\x{byte:02x}"))
            }
            (other, Style::Json) => {
                let mut units = [0; 2];
                other.encode_utf16(&mut units).iter().try_for_each(|unit| write!(line, "\\u{unit:04x}"))
            }
        };
    }
}

/// `Sun, 06 Nov 1994 08:49:37 GMT` (RFC 9110 §5.6.7), for who takes it apart.
fn http_date(time: SystemTime) -> Option<String> {
    /// 9999-12-31T23:59:59Z: what the format can tell.
    const LAST: u64 = 253_402_300_799;
    let seconds = time.duration_since(SystemTime::UNIX_EPOCH).ok()?.as_secs();
    (seconds <= LAST).then(|| HttpDate::from(time).to_string())
}

/// `06/Nov/1994:08:49:37 +0000`
fn push_common_time(line: &mut String, time: SystemTime) {
    let Some(date) = http_date(time) else { return line.push('-') };
    let (day, month, year, clock) = (&date[5..7], &date[8..11], &date[12..16], &date[17..25]);
    let _ = write!(line, "{day}/{month}/{year}:{clock} +0000");
}

/// `1994-11-06T08:49:37.000Z`
fn push_rfc3339(line: &mut String, time: SystemTime) {
    const MONTHS: &str = "JanFebMarAprMayJunJulAugSepOctNovDec";
    let Some(date) = http_date(time) else { return };
    let month = MONTHS.find(&date[8..11]).unwrap_or(0) / 3 + 1;
    let millis = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().subsec_millis();
    let (day, year, clock) = (&date[5..7], &date[12..16], &date[17..25]);
    let _ = write!(line, "{year}-{month:02}-{day}T{clock}.{millis:03}Z");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(target: &str) -> Line {
        Line {
            log: AccessLog::json(),
            // The example of RFC 9110 §5.6.7.
            time: SystemTime::UNIX_EPOCH + Duration::from_millis(784_111_777_005),
            began: Instant::now(),
            peer: Some("192.0.2.7:4711".parse().unwrap()),
            client: None,
            method: Method::GET,
            uri: target.parse().unwrap(),
            version: Version::HTTP_11,
            route: Some("/a/{b}".into()),
            request_id: None,
            status: Some(StatusCode::NOT_FOUND),
        }
    }

    #[test]
    fn both_forms() {
        let mut line = line("/a/b?c=d");
        assert_eq!(
            line.common(0),
            "192.0.2.7 - - [06/Nov/1994:08:49:37 +0000] \"GET /a/b?c=d HTTP/1.1\" 404 -"
        );
        let json = concat!(
            r#"{"time":"1994-11-06T08:49:37.005Z","peer":"192.0.2.7:4711","client":null,"method":"GET","#,
            r#""target":"/a/b?c=d","version":"HTTP/1.1","route":"/a/{b}","request_id":null,"status":404,"bytes":12,"duration_us":1500,"is_whole":true}"#
        );
        assert_eq!(line.json(12, End::Whole, Duration::from_micros(1_500)), json);
        line.client = Some("2001:db8::1".parse().unwrap());
        let client = r#""peer":"192.0.2.7:4711","client":"2001:db8::1","method""#;
        assert!(line.json(12, End::Whole, Duration::ZERO).contains(client));
        assert!(line.common(0).starts_with("2001:db8::1 - - ["), "{}", line.common(0));
        line.client = None;
        line.log = AccessLog::common().without_query();
        line.peer = None;
        assert_eq!(line.common(12), "- - - [06/Nov/1994:08:49:37 +0000] \"GET /a/b HTTP/1.1\" 404 12");
    }

    #[test]
    fn nothing_that_is_sent_ends_a_field_or_a_line() {
        for (text, common, json) in [
            ("\"", r#"\""#, r#"\""#),
            ("\\", r"\\", r"\\"),
            ("a\r\nb", r"a\x0d\x0ab", r"a\u000d\u000ab"),
            ("\0\u{1b}[31m", r"\x00\x1b[31m", r"\u0000\u001b[31m"),
            ("\u{7f}\u{85}\u{2028}", r"\x7f\xc2\x85\xe2\x80\xa8", r"\u007f\u0085\u2028"),
            ("é😀", r"\xc3\xa9\xf0\x9f\x98\x80", r"\u00e9\ud83d\ude00"),
        ] {
            for (style, expected) in [(Style::Common, common), (Style::Json, json)] {
                let mut line = String::new();
                push_escaped(&mut line, text, style);
                assert_eq!(line, expected, "{text:?}");
            }
        }
        // A quote is one of the few that a `Uri` may hold as it is; no client can send one.
        let mut forged = line("/");
        forged.uri = "/a\"b".parse().unwrap();
        assert!(forged.common(1).contains(r#""GET /a\"b HTTP/1.1" 404 1"#), "{}", forged.common(1));
    }

    #[test]
    fn months() {
        for (days, expected) in
            [(0, "1970-01-01"), (58, "1970-02-28"), (364, "1970-12-31"), (11_016, "2000-02-29")]
        {
            let mut text = String::new();
            push_rfc3339(&mut text, SystemTime::UNIX_EPOCH + Duration::from_secs(days * 86_400));
            assert_eq!(text, format!("{expected}T00:00:00.000Z"));
        }
    }
}
