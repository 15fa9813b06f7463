//! The router against a matcher that is too plain to be wrong. The bytes are lines: patterns, one that
//! begins with `>` nests those after it, then an empty line, then paths. Each address that is built of a route leads
//! back to it; and no policy of slashes leads in a circle, or to another host.

use std::task::{Context, Poll, Waker};

use trijet_core::{
    App, Body, Path, ReceivedHead, Request, Router, Uri, extract::Urls, get, inline, routing::TrailingSlash,
};

const NAMES: [&str; 24] = [
    "0", "1", "2", "3", "4", "5", "6", "7", "8", "9", "10", "11", "12", "13", "14", "15", "16", "17", "18",
    "19", "20", "21", "22", "23",
];

/// Between what a handler was given and the address that it built of it.
const ADDRESS: &str = "\n\u{1}";

pub fn check(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let (patterns, paths) = text.split_once("\n\n").unwrap_or((text, "/\n/a\n/a/b\n/b/"));
    let patterns: Vec<&str> = patterns.lines().take(24).collect();
    check_routes(text, &patterns, paths);
    check_slashes(text, &patterns, paths);
}

/// The app of the patterns, whose handlers tell their own pattern and what was captured, and the patterns as a whole.
fn app(patterns: &[&str], slash: TrailingSlash) -> (Option<App>, Vec<String>) {
    let mut router = Router::new().trailing_slash(slash);
    let mut nest: Option<(&str, Router)> = None;
    let mut whole = Vec::new();
    for (&pattern, name) in patterns.iter().zip(NAMES) {
        if let Some(prefix) = pattern.strip_prefix('>') {
            if let Some((prefix, nested)) = nest.replace((prefix, Router::new())) {
                router = router.nest(prefix, nested);
            }
            continue;
        }
        let prefix = nest.as_ref().map_or("", |(prefix, _)| prefix);
        let full = if pattern == "/" && !prefix.is_empty() {
            prefix.to_owned()
        } else {
            format!("{prefix}{pattern}")
        };
        let told = full.clone();
        let handler = get(inline(move |urls: Urls, Path(values): Path<Vec<(String, String)>>| {
            let pairs: Vec<(&str, &str)> =
                values.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
            let address = urls.by_name(name, &pairs).unwrap_or_default();
            let told =
                pairs.iter().fold(told.clone(), |told, (name, value)| format!("{told}\n{name} {value}"));
            format!("{told}{ADDRESS}{address}")
        }))
        .name(name);
        whole.push(full);
        match &mut nest {
            Some((_, nested)) => *nested = std::mem::take(nested).route(pattern, handler),
            None => router = router.route(pattern, handler),
        }
    }
    if let Some((prefix, nested)) = nest {
        router = router.nest(prefix, nested);
    }
    assert!(!router.to_string().is_empty());
    match router.build() {
        Ok(app) => (Some(app), whole),
        Err(error) => {
            assert!(error.faults().next().is_some() && !error.to_string().is_empty());
            (None, whole)
        }
    }
}

fn uris(paths: &str) -> impl Iterator<Item = (&str, Uri)> {
    let paths = paths.lines().take(24).filter(|path| path.starts_with('/') && !path.contains(['?', '#']));
    paths.filter_map(|path| Some((path, path.parse().ok()?)))
}

fn check_routes(text: &str, patterns: &[&str], paths: &str) {
    let (Some(app), whole) = app(patterns, TrailingSlash::Strict) else { return };
    let has_nests = patterns.iter().any(|pattern| pattern.starts_with('>'));
    // Captures of a part of a segment, and doubled braces, are read by the library alone.
    let is_plain = whole.iter().all(|pattern| is_plain(pattern));
    for (path, uri) in uris(paths) {
        let (status, answer) = fetch(&app, uri);
        let (told, address) = answer.rsplit_once(ADDRESS).unwrap_or((&answer, ""));
        if !address.is_empty() {
            assert!(address.starts_with('/') && !address.starts_with("//"), "{text:?} {path}: {address}");
            let uri = address.parse().expect("an address");
            assert_eq!(fetch(&app, uri), (200, answer.clone()), "{text:?} {path}: {address}");
        }
        let candidates: Vec<&String> = whole.iter().filter(|pattern| matches(pattern, path)).collect();
        // A percent-escape that is no UTF-8 is 400.
        let is_decodable = !path.contains('%');
        match status {
            200 => {
                let mut lines = told.split('\n');
                let pattern = lines.next().expect("a pattern");
                assert!(whole.iter().any(|known| known == pattern), "{text:?} {path}: {pattern}");
                if is_plain && is_decodable {
                    assert!(candidates.iter().any(|known| **known == pattern), "{text:?} {path}: {pattern}");
                    // What was captured, put back into the pattern, is the path.
                    let filled = lines.fold(pattern.to_owned(), |filled, line| {
                        let (name, value) = line.split_once(' ').expect("a capture");
                        let capture = format!("{{{name}}}");
                        let capture =
                            if filled.contains(&capture) { capture } else { format!("{{*{name}}}") };
                        filled.replacen(&capture, value, 1)
                    });
                    if !path.contains(['{', '}']) {
                        assert_eq!(filled, path, "{text:?}");
                    }
                }
                // Text wins over captures.
                if let (true, false, Some(text)) =
                    (is_plain, has_nests, candidates.iter().find(|pattern| !pattern.contains('{')))
                {
                    assert_eq!(pattern, text.as_str(), "{path}");
                }
            }
            404 if is_plain && !has_nests => {
                assert!(candidates.is_empty(), "{text:?}: {path} is not found: {candidates:?}");
            }
            404 | 400 => {}
            other => panic!("{text:?} {path}: {other}"),
        }
    }
}

/// With each policy of slashes: what a route answers it answers under each; and whoever is sent elsewhere is sent on once,
/// to the path with a slash more or less.
fn check_slashes(text: &str, patterns: &[&str], paths: &str) {
    let (Some(redirect), _) = app(patterns, TrailingSlash::Redirect) else { return };
    let (Some(ignore), Some(strict)) =
        (app(patterns, TrailingSlash::Ignore).0, app(patterns, TrailingSlash::Strict).0)
    else {
        panic!("{text:?}: three policies, and one can be served")
    };
    for (path, uri) in uris(paths) {
        let (status, location) = fetch(&redirect, uri.clone());
        let answer = fetch(&strict, uri.clone());
        if answer.0 == 200 {
            assert_eq!(fetch(&redirect, uri.clone()), answer, "{text:?} {path}");
            assert_eq!(fetch(&ignore, uri), answer, "{text:?} {path}");
            continue;
        }
        if status != 308 {
            continue;
        }
        assert!(!location.starts_with("//"), "{text:?} {path}: {location}");
        assert!(
            location.strip_suffix('/') == Some(path) || path.strip_suffix('/') == Some(&location),
            "{text:?} {path}: {location}"
        );
        let there = fetch(&redirect, location.parse().expect("an address")).0;
        assert!(matches!(there, 200 | 400), "{text:?} {path}: {there} at {location}");
        let (ignored, _) = fetch(&ignore, uri);
        assert!(matches!(ignored, 200 | 400), "{text:?} {path}: {ignored}");
    }
}

/// Whether every segment is plain text, a whole capture, or a last rest.
fn is_plain(pattern: &str) -> bool {
    pattern.split('/').all(|segment| {
        let inner = segment.strip_prefix('{').and_then(|segment| segment.strip_suffix('}'));
        let inner = inner.map_or(segment, |inner| inner.strip_prefix('*').unwrap_or(inner));
        !inner.contains(['{', '}', '*'])
    })
}

/// One segment after the other; captures are whole segments here.
fn matches(pattern: &str, path: &str) -> bool {
    let mut segments = path.split('/');
    for wanted in pattern.split('/') {
        match segments.next() {
            Some(segment) if wanted.starts_with("{*") => {
                return !segment.is_empty() || segments.next().is_some();
            }
            Some(segment) if wanted.starts_with('{') && !segment.is_empty() => {}
            Some(segment) if segment == wanted => {}
            _ => return false,
        }
    }
    segments.next().is_none()
}

fn fetch(app: &App, uri: Uri) -> (u16, String) {
    let mut request = Request::new(Body::empty());
    *request.uri_mut() = uri;
    let (parts, body) = request.into_parts();
    let head = ReceivedHead::from(parts);
    let response = ready(app.dispatch(&head, None).reply(head, body)).into_response();
    let status = response.status().as_u16();
    if let Some(location) = response.headers().get("location") {
        return (status, location.to_str().expect("an address").to_owned());
    }
    let body = ready(Box::pin(response.into_body().bytes())).expect("a body in memory");
    (status, String::from_utf8(body.into()).expect("text"))
}

fn ready<F: Future + Unpin>(mut future: F) -> F::Output {
    match std::pin::Pin::new(&mut future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => value,
        Poll::Pending => panic!("a handler that does not wait is pending"),
    }
}
