//! Request targets and Host: what is let through is ASCII that another parser reads the same, of the form
//! that its method may have; and what is beyond doubt is let through. Two lines: the target and the Host.

use http::{Method, Uri, header};
use trijet_core::{
    Limits,
    h1::{Connection, Event},
};

pub fn check(bytes: &[u8]) {
    let mut lines = bytes.splitn(2, |&byte| byte == b'\n');
    let target = lines.next().unwrap_or_default();
    let host = lines.next().unwrap_or(b"a");
    for method in [Method::GET, Method::OPTIONS, Method::CONNECT] {
        with(&method, target, host);
    }
}

fn with(method: &Method, target: &[u8], host: &[u8]) {
    let head = [method.as_str().as_bytes(), b" ", target, b" HTTP/1.1\r\nHost: ", host, b"\r\n\r\n"].concat();
    let shown = head.escape_ascii();
    let mut connection = Connection::new(Limits::default().into());
    let mut rest = &head[..];
    let event = loop {
        match connection.next_event() {
            Event::NeedData if rest.is_empty() => connection.receive_end(),
            Event::NeedData => {
                let space = connection.input_space();
                let count = space.len().min(rest.len());
                space[..count].copy_from_slice(&rest[..count]);
                connection.receive(count);
                rest = &rest[count..];
            }
            event => break event,
        }
    };
    let Event::Request = event else {
        let is_simple = |byte: &u8| byte.is_ascii_alphanumeric() || b"/-._~".contains(byte);
        let is_certain = target.starts_with(b"/")
            && target.iter().all(is_simple)
            && target.len() <= 8192
            && !host.is_empty()
            && host.iter().all(u8::is_ascii_lowercase)
            && host.len() < 8000
            && *method != Method::CONNECT;
        assert!(!is_certain, "refused: {event:?}: {shown}");
        return;
    };
    // Host can hold a whole line of another field, and the target a whole line of the request: then it is
    // another request.
    if head.windows(2).filter(|window| window == b"\r\n").count() > 3 || target.contains(&b' ') {
        return;
    }
    let request = connection.request().expect("it is being served");
    let request = request.parts().unwrap_or_else(|refusal| panic!("{refusal}: {shown}"));
    let uri = &request.uri;
    let target = std::str::from_utf8(target).unwrap_or_else(|_| panic!("not ASCII: {shown}"));
    assert!(target.bytes().all(|byte| byte.is_ascii_graphic() && !b"\"<>\\#".contains(&byte)), "{shown}");
    assert_eq!(target.parse::<Uri>().ok().as_ref(), Some(uri), "{shown}");
    let own_host = request.headers.get(header::HOST).expect("Host is there").as_bytes();
    assert_eq!(request.headers.get_all(header::HOST).iter().count(), 1, "{shown}");
    match (method, target) {
        (&Method::CONNECT, _) => {
            assert!(uri.scheme().is_none() && uri.authority().is_some(), "{shown}");
            is_host(target.as_bytes());
            assert!(target.contains(':'), "{shown}");
        }
        (&Method::OPTIONS, "*") => {}
        _ if target.starts_with('/') => {
            assert!(uri.authority().is_none(), "{shown}");
            let (path, query) = match target.split_once('?') {
                Some((path, query)) => (path, Some(query)),
                None => (target, None),
            };
            assert_eq!((uri.path(), uri.query()), (path, query), "{shown}");
            assert!(own_host.trim_ascii() == host.trim_ascii(), "{shown}");
        }
        _ => {
            // RFC 9110 §7.4: not https, without TLS.
            assert_eq!(uri.scheme_str(), Some("http"), "{shown}");
            let authority = uri.authority().unwrap_or_else(|| panic!("no host: {shown}")).as_str();
            is_host(authority.as_bytes());
            assert_eq!(authority.as_bytes(), own_host, "{shown}");
        }
    }
    if *method != Method::CONNECT {
        let path = uri.path();
        assert!(path.starts_with('/') || path == "*", "{shown}");
        for (at, _) in path.match_indices('%') {
            let escape = path.as_bytes().get(at + 1..at + 3);
            assert!(escape.is_some_and(|escape| escape.iter().all(u8::is_ascii_hexdigit)), "{shown}");
        }
    }
    // RFC 9110 §4.2.1: an http URI has a host.
    if *method != Method::CONNECT || !own_host.is_empty() {
        is_host(own_host);
    }
}

/// Neither userinfo nor a path, and a port that is one.
fn is_host(host: &[u8]) {
    let shown = host.escape_ascii();
    assert!(host.iter().all(|byte| byte.is_ascii_graphic() && !b"@/?#\\\"<>^`{|}".contains(byte)), "{shown}");
    let text = std::str::from_utf8(host).expect("ASCII");
    let after = match text.strip_prefix('[') {
        Some(literal) => literal.split_once(']').expect("a closing bracket").1,
        None => {
            let end = text.find(':').unwrap_or(text.len());
            assert!(end > 0 && !text.contains(['[', ']']), "{shown}");
            &text[end..]
        }
    };
    if let Some(port) = after.strip_prefix(':') {
        assert!(
            port.is_empty()
                || port.trim_start_matches('0').parse::<u16>().is_ok()
                || port.bytes().all(|b| b == b'0'),
            "{shown}"
        );
    } else {
        assert_eq!(after, "", "{shown}");
    }
}
