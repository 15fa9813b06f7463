//! One request, one answer: whether the file that was found has to be sent, how much of it, and what is said with it.

use std::{
    fs::File,
    io,
    sync::Mutex,
    time::{Duration, Instant, SystemTime},
};

use http::{
    HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri,
    header::{
        ACCEPT, ACCEPT_RANGES, ALLOW, CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_ENCODING, CONTENT_LENGTH,
        CONTENT_RANGE, CONTENT_TYPE, RANGE, RETRY_AFTER, VARY,
    },
};
use trijet_core::{Body, IntoResponse, Response, extract::Rejection};

use super::{
    Disposition, Settings, SideFiles, Unknown,
    conditions::{Ranges, Validators, Verdict},
    encodings::{self, Coding},
    find::{Found, Missing, Wanted, find, redirect},
    names,
    open::Fault,
    path::{Refused, Relative},
    ranges::{self, Selection},
    send::{self, Part},
    state::State,
};

const SEC_FETCH_MODE: HeaderName = HeaderName::from_static("sec-fetch-mode");

/// What is looked at of a request.
pub(super) struct Asked<'a> {
    pub(super) method: &'a Method,
    /// None where the path was not the client's.
    pub(super) target: Option<&'a Uri>,
    pub(super) slash: Slash,
    pub(super) headers: &'a HeaderMap,
}

/// Where the target with a slash behind it leads.
#[derive(Clone, Copy)]
pub(super) enum Slash {
    /// To the same files.
    Routed,
    /// Somewhere else, or nowhere.
    Elsewhere,
}

pub(super) fn answer(settings: &Settings, asked: &Asked<'_>, wanted: Result<Wanted, Refused>) -> Response {
    if let Some(refusal) = other_method(asked.method) {
        return refusal;
    }
    let found = match wanted {
        Err(Refused::Malformed(reason)) => return refusal(StatusCode::BAD_REQUEST, reason),
        Err(Refused::NotFound) => return not_found(settings),
        Err(Refused::NoName(reason)) => Err(Missing::NoName(reason)),
        Err(Refused::Respelled(path)) => return redirect(&path, asked.target.and_then(Uri::query)),
        Ok(wanted) => find(settings, asked, &wanted),
    };
    let found = match found {
        Err(Missing::NotFound | Missing::NoName(_)) if is_for_the_index(settings, asked) => {
            match root_index(settings, asked) {
                Ok(index) => return page_of_scripts(settings, asked, index),
                Err(missing) => Err(missing),
            }
        }
        found => found,
    };
    match found {
        Ok(found) => serve(settings, asked, found),
        Err(Missing::NotFound | Missing::NoName(None)) => not_found(settings),
        Err(Missing::NoName(Some(reason))) => {
            not_the_index(settings, refusal(StatusCode::BAD_REQUEST, reason))
        }
        Err(Missing::Fault(fault)) => failed(asked, &fault),
        Err(Missing::Answered(response)) => *response,
    }
}

/// The index, for a path that is none of its own.
fn page_of_scripts(settings: &Settings, asked: &Asked<'_>, index: Found) -> Response {
    // However long the files last: there may be one of this name tomorrow.
    let cache = settings.cache.asked_each_time(&index.path);
    let mut response = serve(settings, asked, index);
    let is_served = response.status().is_success() || response.status() == StatusCode::NOT_MODIFIED;
    let headers = response.headers_mut();
    headers.append(VARY, HeaderValue::from_static("accept, sec-fetch-mode"));
    if is_served {
        headers.insert(CACHE_CONTROL, cache);
    }
    response
}

/// The answer to a method that files do not have; routes see to that before.
fn other_method(method: &Method) -> Option<Response> {
    const ALLOWED: [(HeaderName, &str); 1] = [(ALLOW, "GET, HEAD, OPTIONS")];
    match *method {
        Method::GET | Method::HEAD => None,
        Method::OPTIONS => Some((StatusCode::NO_CONTENT, ALLOWED, ()).into_response()),
        // RFC 9110 §15.5.6.
        Method::POST | Method::PUT | Method::PATCH | Method::DELETE | Method::TRACE | Method::CONNECT => {
            let refusal = refusal(StatusCode::METHOD_NOT_ALLOWED, "This path does not offer the method.");
            Some((ALLOWED, refusal).into_response())
        }
        // RFC 9110 §9.1: nobody knows it.
        _ => Some(refusal(StatusCode::NOT_IMPLEMENTED, "This server does not know the method.")),
    }
}

fn root_index(settings: &Settings, asked: &Asked<'_>) -> Result<Found, Missing> {
    let root = Wanted::Path(Relative { name: String::new(), is_folder: true });
    find(settings, asked, &root)
}

/// Whether a browser navigates here, to a page that scripts make.
fn is_for_the_index(settings: &Settings, asked: &Asked<'_>) -> bool {
    if settings.unknown == Unknown::NotFound || settings.index.is_none() {
        return false;
    }
    if let Some(mode) = asked.headers.get(SEC_FETCH_MODE) {
        return mode == "navigate";
    }
    let mut accepted =
        asked.headers.get_all(ACCEPT).iter().flat_map(|value| value.as_bytes().split(|byte| *byte == b','));
    accepted.any(|range| {
        let mut parts = range.split(|byte| *byte == b';').map(<[u8]>::trim_ascii);
        let is_page = parts.next().is_some_and(|kind| kind.eq_ignore_ascii_case(b"text/html"));
        is_page && parts.all(|parameter| encodings::weight(parameter) != Some(0))
    })
}

fn serve(settings: &Settings, asked: &Asked<'_>, found: Found) -> Response {
    let Found { file, state, path, coding } = found;
    let mut headers = HeaderMap::new();
    let is_settled = state.is_settled(SystemTime::now());
    let validators = Validators::of(&state, coding.map_or("", Coding::name), is_settled);
    validators.put(&mut headers);
    // What may be half of a file must not last.
    let cache =
        if is_settled { settings.cache.value(&path) } else { Some(settings.cache.asked_each_time(&path)) };
    headers.extend(cache.map(|cache| (CACHE_CONTROL, cache)));
    if settings.side_files == SideFiles::Offered {
        // RFC 9110 §12.5.5: also where there is no other form today.
        headers.insert(VARY, HeaderValue::from_static("accept-encoding"));
    }
    let ranges = match validators.judge(asked.method, asked.headers) {
        Verdict::Failed => {
            let text = "The file is not in the state that the request asks for.";
            return refusal(StatusCode::PRECONDITION_FAILED, text);
        }
        // RFC 9110 §15.4.5: with what the whole answer would say of caching.
        Verdict::NotModified => return (StatusCode::NOT_MODIFIED, headers).into_response(),
        Verdict::Proceed(ranges) => ranges,
    };
    headers.insert(ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    headers.insert(CONTENT_TYPE, names::content_type(&path));
    if let Some(coding) = coding {
        headers.insert(CONTENT_ENCODING, HeaderValue::from_static(coding.name()));
    }
    let name = path.rsplit('/').next().unwrap_or_default();
    match &settings.disposition {
        Disposition::Inline => {}
        Disposition::Attachment => drop(headers.insert(CONTENT_DISPOSITION, names::attachment(name))),
        Disposition::AttachmentAs(name) => drop(headers.insert(CONTENT_DISPOSITION, names::attachment(name))),
    }
    let length = state.length;
    let selection = match ranges {
        Ranges::Apply => select(asked.headers, length),
        Ranges::Ignore => Selection::Whole,
    };
    let (status, parts) = match selection {
        Selection::Whole => (StatusCode::OK, vec![Part::Stretch(0..length)]),
        Selection::Unsatisfiable => return unsatisfiable(length),
        Selection::Parts(mut ranges) => match (ranges.pop(), ranges.is_empty()) {
            (Some(range), true) => {
                put_content_range(&mut headers, format!("bytes {}-{}/{length}", range.start, range.end - 1));
                (StatusCode::PARTIAL_CONTENT, vec![Part::Stretch(range)])
            }
            // The coding is that of the file, and not of the parts: clients differ on what the field would mean.
            _ if coding.is_some() => (StatusCode::OK, vec![Part::Stretch(0..length)]),
            (last, _) => {
                ranges.extend(last);
                (StatusCode::PARTIAL_CONTENT, multipart(&mut headers, ranges, length))
            }
        },
    };
    send(asked, status, headers, (file, state), parts)
}

/// RFC 9110 §14.2 with §5.3: a field that stands there twice is no list of ranges.
fn select(headers: &HeaderMap, length: u64) -> Selection {
    let mut values = headers.get_all(RANGE).iter();
    match (values.next(), values.next()) {
        (Some(value), None) => ranges::select(value.as_bytes(), length),
        _ => Selection::Whole,
    }
}

fn multipart(headers: &mut HeaderMap, ranges: Vec<std::ops::Range<u64>>, length: u64) -> Vec<Part> {
    let content_type = headers.remove(CONTENT_TYPE);
    let content_type = content_type.as_ref().and_then(|value| value.to_str().ok()).unwrap_or_default();
    let (parts, boundary) = send::multipart(ranges, length, content_type);
    let value = HeaderValue::try_from(format!("multipart/byteranges; boundary={boundary}"));
    headers.extend(value.ok().map(|value| (CONTENT_TYPE, value)));
    parts
}

fn put_content_range(headers: &mut HeaderMap, value: String) {
    headers.extend(HeaderValue::try_from(value).ok().map(|value| (CONTENT_RANGE, value)));
}

fn send(
    asked: &Asked<'_>,
    status: StatusCode,
    mut headers: HeaderMap,
    (file, state): (File, State),
    parts: Vec<Part>,
) -> Response {
    // Also for a body whose length does not show before it has been read, and for HEAD (RFC 9110 §9.3.2).
    headers.insert(CONTENT_LENGTH, HeaderValue::from(send::length(&parts)));
    let body = if *asked.method == Method::HEAD { Ok(Body::empty()) } else { send::body(file, state, parts) };
    match body {
        Ok(body) => respond(status, headers, body),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => failed(asked, &Fault::Busy(error)),
        Err(error) => failed(asked, &Fault::Failed(error)),
    }
}

fn respond(status: StatusCode, headers: HeaderMap, body: Body) -> Response {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    response
}

/// RFC 9110 §15.5.17.
fn unsatisfiable(length: u64) -> Response {
    let text = "None of the ranges begins inside the file.";
    let mut response = refusal(StatusCode::RANGE_NOT_SATISFIABLE, text);
    put_content_range(response.headers_mut(), format!("bytes */{length}"));
    response
}

/// In the way of all that refuses, so that an app can word it in one place.
fn refusal(status: StatusCode, text: &'static str) -> Response {
    Rejection::new(status, text).into_response()
}

pub(super) fn missing() -> Response {
    refusal(StatusCode::NOT_FOUND, "There is nothing at this path.")
}

fn not_found(settings: &Settings) -> Response {
    not_the_index(settings, missing())
}

fn not_the_index(settings: &Settings, mut response: Response) -> Response {
    if settings.unknown == Unknown::Index {
        // Another client would get the index.
        response.headers_mut().insert(VARY, HeaderValue::from_static("accept, sec-fetch-mode"));
    }
    response
}

fn failed(asked: &Asked<'_>, fault: &Fault) -> Response {
    // Of a target there is nothing in the log but what may stand in a path: visible ASCII.
    let path = asked.target.map_or("", Uri::path);
    match fault {
        Fault::NotFound => missing(),
        Fault::Busy(error) => {
            if is_time_to_warn() {
                log::warn!("a file could not be sent now: {path}: {error}");
            }
            let refusal = refusal(StatusCode::SERVICE_UNAVAILABLE, "The file cannot be sent now: try again.");
            ([(RETRY_AFTER, "1")], refusal).into_response()
        }
        Fault::Failed(error) => {
            log::error!("a file could not be sent: {path}: {error}");
            refusal(StatusCode::INTERNAL_SERVER_ERROR, "The file could not be sent.")
        }
    }
}

/// At most once a second: a process that has no descriptor left has none for any of the requests.
fn is_time_to_warn() -> bool {
    static WARNED: Mutex<Option<Instant>> = Mutex::new(None);
    const INTERVAL: Duration = Duration::from_secs(1);

    let mut warned = WARNED.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let is_time = warned.is_none_or(|at| at.elapsed() >= INTERVAL);
    if is_time {
        *warned = Some(Instant::now());
    }
    is_time
}

#[cfg(test)]
mod tests {
    use trijet_core::{Router, get, respond::Failure, sim::TestClient};

    use super::*;

    #[test]
    fn all_refusals_are_worded_by_the_app() {
        let brew = Method::from_bytes(b"BREW").unwrap();
        type Make = fn(&Asked<'_>) -> Response;
        let rows: [(Make, u16, Option<&str>); 5] = [
            (|asked| failed(asked, &Fault::Busy(io::Error::other("planted"))), 503, Some("1")),
            (|asked| failed(asked, &Fault::Failed(io::Error::other("planted"))), 500, None),
            (|asked| failed(asked, &Fault::NotFound), 404, None),
            (|asked| other_method(asked.method).unwrap(), 501, None),
            (|_| unsatisfiable(7), 416, None),
        ];
        for (make, status, retry_after) in rows {
            let brew = brew.clone();
            let handler = move || {
                let headers = HeaderMap::new();
                make(&Asked { method: &brew, target: None, slash: Slash::Elsewhere, headers: &headers })
            };
            let words = |failure: Failure| format!("in other words: {}", failure.status().as_u16());
            let client = TestClient::new(Router::new().route("/", get(handler)).errors(words));
            let answer = client.get("/").send();
            assert_eq!(answer.text(), format!("in other words: {status}"));
            assert_eq!(answer.status, status);
            assert_eq!(answer.header("retry-after"), retry_after);
        }
    }
}
