//! The rules of a jar, as tables.

use super::*;

const START: SystemTime = SystemTime::UNIX_EPOCH;

fn at(seconds: u64) -> Now {
    Now { elapsed: Duration::from_secs(seconds), date: START + Duration::from_secs(1_000_000_000 + seconds) }
}

/// What a request says after these fields, of responses of `localhost` to requests for `/a/b`.
fn said(fields: &[&str], path: &str, now: Now) -> String {
    let mut jar = Jar::default();
    for field in fields {
        jar.receive(field.as_bytes(), "localhost", "/a/b", at(0));
    }
    String::from_utf8(jar.field("localhost", path, now).unwrap_or_default()).unwrap()
}

#[test]
fn a_pair_is_read_as_browsers_do() {
    for (field, expected) in [
        ("a=b", "a=b"),
        ("  a \t=  b  ", "a=b"),
        ("a=b=c", "a=b=c"),
        ("a=", "a="),
        ("a=\"b\"", "a=\"b\""),
        ("=b", "b"),
        ("b", "b"),
        ("a=b; Unknown=c; ; =;", "a=b"),
        ("", ""),
        ("=", ""),
        (";Path=/", ""),
        ("a=b\x01", ""),
    ] {
        assert_eq!(said(&[field], "/a/b", at(0)), expected, "{field:?}");
    }
    let long = "x".repeat(PAIR_BYTES_MAX - 1);
    assert_eq!(said(&[&format!("a={long}")], "/a/b", at(0)), format!("a={long}"));
    assert_eq!(said(&[&format!("ab={long}")], "/a/b", at(0)), "");
}

#[test]
fn a_path_is_where_it_is_sent() {
    for (field, path, is_sent) in [
        // Of the request's own path.
        ("a=b", "/a/b", true),
        ("a=b", "/a", true),
        ("a=b", "/a/", true),
        ("a=b", "/ab", false),
        ("a=b", "/", false),
        ("a=b; Path=", "/a", true),
        ("a=b; Path=", "/", false),
        ("a=b; Path=c", "/c", false),
        ("a=b; path=/", "/", true),
        ("a=b; Path=/", "/anywhere", true),
        ("a=b; Path=/c", "/c", true),
        ("a=b; Path=/c", "/c/d", true),
        ("a=b; Path=/c", "/cd", false),
        ("a=b; Path=/c/", "/c/d", true),
        ("a=b; Path=/c/", "/c", false),
        ("a=b; Path=/c; Path=/d", "/d", true),
        ("a=b; Path=/c; Path=/d", "/c", false),
        ("a=b; Path=/C", "/c", false),
    ] {
        assert_eq!(!said(&[field], path, at(0)).is_empty(), is_sent, "{field:?} for {path}");
    }
    let long = format!("a=b; Path=/c; Path=/{}", "d".repeat(ATTRIBUTE_BYTES_MAX));
    assert_eq!(said(&[&long], "/c", at(0)), "a=b", "too long to be looked at");
}

#[test]
fn an_age_ends_it() {
    const DAY: u64 = 24 * 60 * 60;
    for (attributes, lasts) in [
        ("", None),
        ("Max-Age=10", Some(10)),
        ("max-age = 10", Some(10)),
        ("Max-Age=10; Max-Age=20", Some(20)),
        ("Max-Age=10; Max-Age=ten", Some(10)),
        ("Max-Age=+10", None),
        ("Max-Age=1.5", None),
        ("Max-Age=0", Some(0)),
        ("Max-Age=-1", Some(0)),
        ("Max-Age=99999999999999999999", Some(400 * DAY)),
        // 1,000,000,000 is Sun, 09 Sep 2001 01:46:40 GMT.
        ("Expires=Sun, 09 Sep 2001 01:46:50 GMT", Some(10)),
        ("Expires=Sun, 09-Sep-01 01:46:50 GMT", Some(10)),
        ("Expires=Thu, 01 Jan 1970 00:00:00 GMT", Some(0)),
        ("Expires=Thu, 01 Jan 2099 00:00:00 GMT", Some(400 * DAY)),
        ("Expires=tomorrow", None),
        ("Expires=Thu, 01 Jan 1970 00:00:00 GMT; Max-Age=10", Some(10)),
        ("Max-Age=10; Expires=Thu, 01 Jan 2099 00:00:00 GMT", Some(10)),
    ] {
        let field = format!("a=b; {attributes}");
        let is_sent = |seconds| !said(&[&field], "/a/b", at(seconds)).is_empty();
        match lasts {
            None => assert!(is_sent(1000 * DAY), "{field}"),
            Some(0) => assert!(!is_sent(0), "{field}"),
            Some(seconds) => assert!(is_sent(seconds - 1) && !is_sent(seconds), "{field}"),
        }
    }
}

#[test]
fn a_cookie_replaces_the_same_and_no_other() {
    let of = |fields: &[&str]| said(fields, "/a/b", at(0));
    assert_eq!(of(&["a=1; Path=/", "b=2; Path=/", "a=3; Path=/"]), "a=3; b=2", "in its place");
    assert_eq!(of(&["a=1; Path=/", "a=2; Path=/a", "c=3; Path=/"]), "a=2; a=1; c=3", "longer paths first");
    assert_eq!(of(&["a=1; Path=/", "a=; Path=/; Max-Age=0"]), "", "removed");
    assert_eq!(of(&["a=1; Path=/", "a=; Path=/a; Max-Age=0"]), "a=1", "that is another one");
    assert_eq!(of(&["a=1; Path=/", "A=2; Path=/"]), "a=1; A=2");
    let mut jar = Jar::default();
    for field in ["a=1; Path=/", "a=2; Path=/a", "b=3; Max-Age=5"] {
        jar.receive(field.as_bytes(), "localhost", "/", at(0));
    }
    assert_eq!(jar.value("a", at(0)).as_deref(), Some("2"));
    assert_eq!((jar.value("b", at(4)).as_deref(), jar.value("b", at(5))), (Some("3"), None));
    jar.clear();
    assert_eq!(jar.value("a", at(0)), None);
}

#[test]
fn a_host_has_its_own() {
    for (set_by, attributes, asked, is_sent) in [
        ("a.example", "", "a.example", true),
        ("A.example:8080", "", "a.EXAMPLE:9090", true),
        ("a.example", "", "b.a.example", false),
        ("a.example", "Domain=a.example", "b.a.example", true),
        ("a.example", "Domain=.A.example", "b.a.example", true),
        ("a.example", "Domain=a.example", "ba.example", false),
        ("a.example", "Domain=a.example", "example", false),
        ("a.example", "Domain=b.example", "b.example", false),
        ("a.example", "Domain=b.a.example", "b.a.example", false),
        ("b.a.example", "Domain=a.example", "a.example", true),
        ("a.example", "Domain=", "a.example", true),
        ("a.example", "Domain=", "b.a.example", false),
        ("127.0.0.1", "Domain=0.0.1", "127.0.0.1", false),
        ("127.0.0.1:80", "", "127.0.0.1", true),
        ("[::1]:80", "", "[::1]", true),
        ("localhost", "Domain=localhost", "localhost", true),
        ("localhost", "Domain=localhost", "a.localhost", false),
        ("a.example", "Domain=example", "a.example", false),
        ("a.localhost", "Domain=localhost", "localhost", false),
    ] {
        let mut jar = Jar::default();
        jar.receive(format!("a=b; {attributes}").as_bytes(), set_by, "/", at(0));
        assert_eq!(jar.field(asked, "/", at(0)).is_some(), is_sent, "{set_by} {attributes} {asked}");
    }
}

#[test]
fn what_a_name_promises_is_kept() {
    for (field, is_kept) in [
        ("__Secure-a=b; Secure", true),
        ("__Secure-a=b", false),
        ("__secure-a=b", false),
        ("__Host-a=b; Secure; Path=/", true),
        ("__Host-a=b; Secure", false),
        ("__Host-a=b; Path=/", false),
        ("__Host-a=b; Secure; Path=/; Domain=localhost", false),
        ("__Host-a=b; Secure; Path=/a", false),
        ("=__Secure-a=b; Secure", false),
        ("__Host-", false),
        // `localhost` counts as secure, and no other site asks.
        ("a=b; Secure; HttpOnly; SameSite=Strict", true),
        ("a=b; SameSite=Lax", true),
        ("a=b; SameSite=None", false),
        ("a=b; samesite = NONE", false),
        ("a=b; SameSite=None; Secure", true),
        ("a=b; SameSite=None; SameSite=Lax", true),
    ] {
        assert_eq!(!said(&[field], "/a/b", at(0)).is_empty(), is_kept, "{field}");
    }
}
