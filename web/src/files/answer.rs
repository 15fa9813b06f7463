//! One request, one answer: which file, which form of it, whether it has to be sent, and how much of it.

use std::{fs::File, fs::Metadata, io, path::Path, time::SystemTime};

use http::{
    HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri,
    header::{
        ACCEPT, ACCEPT_RANGES, ALLOW, CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_ENCODING, CONTENT_LENGTH,
        CONTENT_RANGE, CONTENT_SECURITY_POLICY, CONTENT_TYPE, LOCATION, RANGE, RETRY_AFTER, VARY,
    },
};
use rustix::fd::OwnedFd;
use trijet_core::{Body, Html, IntoResponse, Response, extract::Rejection};

use super::{
    Disposition, Folders, Settings, SideFiles, Source, Unknown,
    conditions::{Ranges, Validators, Verdict},
    encodings::{self, Coding},
    listing, names,
    open::{self, Fault, Opened, Root},
    path::{Refused, Relative},
    ranges::{self, Selection},
    send::{self, Part},
};

const SEC_FETCH_MODE: HeaderName = HeaderName::from_static("sec-fetch-mode");

/// What is looked at of a request.
pub(super) struct Asked<'a> {
    pub(super) method: &'a Method,
    /// None where the path was not the client's.
    pub(super) target: Option<&'a Uri>,
    pub(super) headers: &'a HeaderMap,
}

impl<'a> Asked<'a> {
    pub(super) fn get(headers: &'a HeaderMap) -> Self {
        Self { method: &Method::GET, target: None, headers }
    }
}

/// What is asked for.
pub(super) enum Wanted {
    Path(Relative),
    /// The one that there is.
    TheFile,
}

/// A file that was found.
struct Found {
    file: File,
    metadata: Metadata,
    /// Where it lies in the folder, or its own name.
    path: String,
    coding: Option<Coding>,
}

/// Why there is none.
enum Missing {
    NotFound,
    Fault(Fault),
    /// The answer is there already.
    Answered(Box<Response>),
}

impl From<Fault> for Missing {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::NotFound => Self::NotFound,
            other => Self::Fault(other),
        }
    }
}

pub(super) fn answer(settings: &Settings, asked: &Asked<'_>, wanted: Result<Wanted, Refused>) -> Response {
    if let Some(refusal) = other_method(asked.method) {
        return refusal;
    }
    let found = match wanted {
        Err(Refused::Malformed(reason)) => return refusal(StatusCode::BAD_REQUEST, reason),
        Err(Refused::NotFound) => return not_found(settings),
        Ok(wanted) => find(settings, asked, &wanted),
    };
    let found = match found {
        Err(Missing::NotFound) if is_for_the_index(settings, asked) => match root_index(settings, asked) {
            Ok(index) => Ok((index, Some("accept, sec-fetch-mode"))),
            Err(missing) => Err(missing),
        },
        found => found.map(|found| (found, None)),
    };
    match found {
        Ok((found, depends)) => {
            let mut response = serve(settings, asked, found);
            if let Some(depends) = depends {
                response.headers_mut().append(VARY, HeaderValue::from_static(depends));
            }
            response
        }
        Err(Missing::NotFound) => not_found(settings),
        Err(Missing::Fault(fault)) => failed(asked, &fault),
        Err(Missing::Answered(response)) => *response,
    }
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
        _ => Some((StatusCode::NOT_IMPLEMENTED, "This server does not know the method.").into_response()),
    }
}

fn find(settings: &Settings, asked: &Asked<'_>, wanted: &Wanted) -> Result<Found, Missing> {
    match (&settings.source, wanted) {
        (Source::File(path), _) => one_file(settings, asked, path),
        (Source::Folder(_), Wanted::TheFile) => Err(Missing::NotFound),
        (Source::Folder(root), Wanted::Path(path)) => {
            let root = Root::open(root)?;
            match root.look_up(&path.name)? {
                // A file is no folder.
                Opened::File(..) if path.is_folder => Err(Missing::NotFound),
                Opened::File(file, metadata) => {
                    Ok(best_form(settings, asked, (file, metadata), &path.name, |name| root.look_up(name)))
                }
                Opened::Folder(folder) => in_folder(settings, asked, &root, &folder, path),
            }
        }
    }
}

fn one_file(settings: &Settings, asked: &Asked<'_>, path: &Path) -> Result<Found, Missing> {
    let Opened::File(file, metadata) = open::open(path)? else { return Err(Missing::NotFound) };
    let name = path.file_name().map(|name| name.to_string_lossy()).unwrap_or_default();
    let beside = |name: &str| open::open(&path.with_file_name(name));
    Ok(best_form(settings, asked, (file, metadata), &name, beside))
}

/// The index of a folder, or what else it is answered with.
fn in_folder(
    settings: &Settings,
    asked: &Asked<'_>,
    root: &Root,
    folder: &OwnedFd,
    path: &Relative,
) -> Result<Found, Missing> {
    let index = settings.index.as_deref().map(|index| match path.name.as_str() {
        "" => index.to_owned(),
        folder => format!("{folder}/{index}"),
    });
    let index = match &index {
        Some(name) => match root.look_up(name) {
            Ok(Opened::File(file, metadata)) => Some(((file, metadata), name)),
            Ok(Opened::Folder(_)) | Err(Fault::NotFound) => None,
            Err(fault) => return Err(fault.into()),
        },
        None => None,
    };
    if index.is_none() && settings.folders == Folders::NotFound {
        return Err(Missing::NotFound);
    }
    // Links in its page are relative: without the slash they would lead beside it.
    if let (Some(target), false) = (asked.target, path.is_folder) {
        return Err(Missing::Answered(Box::new(to_folder(target))));
    }
    match index {
        Some((opened, name)) => Ok(best_form(settings, asked, opened, name, |name| root.look_up(name))),
        None => {
            let page = listing::page(root, folder, &path.name, settings.dots);
            Err(match page {
                Ok(page) => Missing::Answered(Box::new(list(page))),
                Err(error) => Missing::Fault(Fault::Failed(error)),
            })
        }
    }
}

fn list(page: String) -> Response {
    let headers = [
        (CACHE_CONTROL, "no-cache"),
        // It has nothing but text and links, whatever the names are.
        (CONTENT_SECURITY_POLICY, "default-src 'none'; base-uri 'none'; form-action 'none'"),
    ];
    (headers, Html(page)).into_response()
}

/// To the same path with a slash. Not for ever: what is a folder today may be none tomorrow.
fn to_folder(target: &Uri) -> Response {
    let (path, query) = (target.path(), target.query());
    // `//host` would be another server (RFC 3986 §4.2).
    if path.starts_with("//") {
        return missing();
    }
    let mark = if query.is_some() { "?" } else { "" };
    match HeaderValue::try_from(format!("{path}/{mark}{}", query.unwrap_or_default())) {
        Ok(location) => {
            let mut response = StatusCode::TEMPORARY_REDIRECT.into_response();
            response.headers_mut().insert(LOCATION, location);
            response
        }
        Err(_) => missing(),
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
        let kind = range.split(|byte| *byte == b';').next().unwrap_or_default();
        kind.trim_ascii().eq_ignore_ascii_case(b"text/html")
    })
}

/// The file, or what lies compressed beside it, where the client takes that.
fn best_form(
    settings: &Settings,
    asked: &Asked<'_>,
    (file, metadata): (File, Metadata),
    path: &str,
    look_up: impl Fn(&str) -> Result<Opened, Fault>,
) -> Found {
    if settings.side_files == SideFiles::Offered {
        for coding in encodings::accepted(asked.headers) {
            if let Ok(Opened::File(file, metadata)) = look_up(&format!("{path}{}", coding.suffix())) {
                return Found { file, metadata, path: path.to_owned(), coding: Some(coding) };
            }
        }
    }
    Found { file, metadata, path: path.to_owned(), coding: None }
}

fn serve(settings: &Settings, asked: &Asked<'_>, found: Found) -> Response {
    let Found { file, metadata, path, coding } = found;
    let mut headers = HeaderMap::new();
    let validators = Validators::of(&metadata, coding.map_or("", Coding::name), SystemTime::now());
    validators.put(&mut headers);
    if let Some(cache) = settings.cache.value(&path) {
        headers.insert(CACHE_CONTROL, cache);
    }
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
    let length = metadata.len();
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
    send(asked, status, headers, file, parts)
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
    file: File,
    parts: Vec<Part>,
) -> Response {
    // Also for a body whose length does not show before it has been read, and for HEAD (RFC 9110 §9.3.2).
    headers.insert(CONTENT_LENGTH, HeaderValue::from(send::length(&parts)));
    let body = if *asked.method == Method::HEAD { Ok(Body::empty()) } else { send::body(file, parts) };
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

fn missing() -> Response {
    refusal(StatusCode::NOT_FOUND, "There is nothing at this path.")
}

fn not_found(settings: &Settings) -> Response {
    let mut response = missing();
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
            log::warn!("a file could not be sent now: {path}: {error}");
            let headers = [(RETRY_AFTER, "1")];
            (StatusCode::SERVICE_UNAVAILABLE, headers, "The file cannot be sent now: try again.")
                .into_response()
        }
        Fault::Failed(error) => {
            log::error!("a file could not be sent: {path}: {error}");
            (StatusCode::INTERNAL_SERVER_ERROR, "The file could not be sent.").into_response()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_redirect_stays_on_its_server() {
        for (target, expected) in [
            ("/a", Some("/a/")),
            ("/a?b=c", Some("/a/?b=c")),
            ("/a%20b", Some("/a%20b/")),
            // Whatever the route that leads here.
            ("//evil.example/a", None),
        ] {
            let response = to_folder(&Uri::from_static(target));
            assert_eq!(response.headers().get(LOCATION).map(|value| value.to_str().unwrap()), expected);
            assert_eq!(response.status(), if expected.is_some() { 307 } else { 404 }, "{target}");
        }
    }
}
