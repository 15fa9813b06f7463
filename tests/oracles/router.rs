//! The router against a matcher that is too plain to be wrong. The bytes are lines: patterns, one that
//! begins with `>` nests those after it, then an empty line, then paths.

use std::task::{Context, Poll, Waker};

use trijet_core::{App, Body, Path, ReceivedHead, Request, Router, Uri, get, inline};

pub fn check(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let (patterns, paths) = text.split_once("\n\n").unwrap_or((text, "/\n/a\n/a/b\n/b/"));
    let patterns: Vec<&str> = patterns.lines().take(24).collect();
    let mut router = Router::new();
    let mut nest: Option<(&str, Router)> = None;
    let mut whole = Vec::new();
    for &pattern in &patterns {
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
        let handler = get(inline(move |Path(values): Path<Vec<(String, String)>>| {
            values.into_iter().fold(told.clone(), |told, (name, value)| format!("{told}\n{name} {value}"))
        }));
        whole.push(full);
        match &mut nest {
            Some((_, nested)) => *nested = std::mem::take(nested).route(pattern, handler),
            None => router = router.route(pattern, handler),
        }
    }
    let has_nests = patterns.iter().any(|pattern| pattern.starts_with('>'));
    if let Some((prefix, nested)) = nest {
        router = router.nest(prefix, nested);
    }
    let app = match router.build() {
        Ok(app) => app,
        Err(error) => {
            assert!(error.faults().next().is_some() && !error.to_string().is_empty());
            return;
        }
    };
    // Captures of a part of a segment, and doubled braces, are read by the library alone.
    let is_plain = whole.iter().all(|pattern| is_plain(pattern));
    for path in paths.lines().take(24) {
        if !path.starts_with('/') || path.contains(['?', '#']) {
            continue;
        }
        let Ok(uri) = path.parse::<Uri>() else { continue };
        let (status, told) = fetch(&app, uri);
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
    let body = ready(Box::pin(response.into_body().bytes())).expect("a body in memory");
    (status, String::from_utf8(body.into()).expect("text"))
}

fn ready<T>(mut future: std::pin::Pin<Box<dyn Future<Output = T> + Send>>) -> T {
    match future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => value,
        Poll::Pending => panic!("a handler that does not wait is pending"),
    }
}
