use http::{HeaderMap, HeaderValue};
use trijet_core::{IntoResponse, Response};

use super::*;

fn request(cookies: &[&[u8]]) -> Cookies {
    let mut headers = HeaderMap::new();
    for field in cookies {
        headers.append("cookie", HeaderValue::from_bytes(field).unwrap());
    }
    Cookies::from_headers(&headers)
}

fn fields(response: &Response) -> Vec<&str> {
    response.headers().get_all("set-cookie").iter().map(|field| field.to_str().unwrap()).collect()
}

/// What a browser sends for the one cookie of this jar.
fn sent(jar: CookieJar) -> String {
    let response = jar.into_response();
    let [field] = fields(&response)[..] else { panic!("one cookie") };
    field.split(';').next().unwrap().to_owned()
}

#[test]
fn what_is_malformed_is_skipped() {
    let long = format!("long={}", "x".repeat(COOKIE_BYTES_MAX));
    let longest = format!("most={}", "x".repeat(COOKIE_BYTES_MAX - 4));
    type Row = (&'static [u8], &'static [(&'static str, &'static str)]);
    let rows: [Row; 15] = [
        (b"a=1; b=2", &[("a", "1"), ("b", "2")]),
        (b"a=1;b=2;", &[("a", "1"), ("b", "2")]),
        (b" a = 1 ;\tb=2", &[("a", "1"), ("b", "2")]),
        (b"a", &[]),
        (b"=1; b=2", &[("b", "2")]),
        (b";;;=;= ;b=2", &[("b", "2")]),
        (b"a=", &[("a", "")]),
        (b"a=b=c", &[("a", "b=c")]),
        (b"a b=1; c=2", &[("c", "2")]),
        (b"a\"=1; c=2", &[("c", "2")]),
        (b"a=\xff; b=2", &[("b", "2")]),
        (b"a=\"1\"", &[("a", "\"1\"")]),
        (b"a=%C3%BC%3b", &[("a", "\u{fc};")]),
        // No UTF-8 once it is decoded.
        (b"a=%ff; b=2", &[("b", "2")]),
        (b"a=100%", &[("a", "100%")]),
    ];
    for (field, expected) in rows {
        let cookies = request(&[field]);
        let read: Vec<_> = cookies.iter().collect();
        let expected: Vec<_> = expected.iter().map(|(name, value)| (*name, Cow::from(*value))).collect();
        assert_eq!(read, expected, "{:?}", String::from_utf8_lossy(field));
    }
    let sizes = [&long, &longest].map(|field| request(&[field.as_bytes()]).len());
    assert_eq!(sizes, [0, 1]);
}

#[test]
fn several_fields_are_one_list_whose_first_counts() {
    let cookies = request(&[b"a=1; b=2", b"a=3"]);
    assert_eq!((cookies.get("a").as_deref(), cookies.get("b").as_deref()), (Some("1"), Some("2")));
    assert_eq!((cookies.get("c"), cookies.len()), (None, 3));
    assert!(request(&[]).is_empty());
}

#[test]
fn no_more_are_read_than_browsers_send() {
    let many: String = (0..5000).map(|number| format!("c{number}=x;")).collect();
    let cookies = request(&[many.as_bytes()]);
    assert_eq!(cookies.len(), COOKIES_MAX);
    assert!(cookies.get("c199").is_some() && cookies.get("c200").is_none());
}

#[test]
fn any_value_comes_back() {
    let all: String = ('\0'..='\u{ff}').chain("\u{20ac}; Domain=evil, \"\\%41%".chars()).collect();
    let keys = Keys::generate();
    for value in ["", "plain", "a b", &*all] {
        let pair = sent(CookieJar::new().set(Cookie::new("a", value)));
        assert_eq!(request(&[pair.as_bytes()]).get("a").as_deref(), Some(value));
        let pair = sent(CookieJar::new().set_signed(Cookie::new("a", value), &keys));
        assert_eq!(request(&[pair.as_bytes()]).signed("a", &keys).as_deref(), Some(value));
        let pair = sent(CookieJar::new().set_private(Cookie::new("a", value), &keys));
        assert_eq!(request(&[pair.as_bytes()]).private("a", &keys).as_deref(), Some(value));
    }
}

/// What a client makes of the pair by another bit. Some of it is no field, and never gets here.
fn read_flipped(pair: &str, read: impl Fn(&Cookies) -> Option<String>) {
    let start = pair.find('=').unwrap() + 1;
    let mut tried = 0;
    for index in start..pair.len() {
        for bit in 0..8 {
            let mut bytes = pair.as_bytes().to_vec();
            bytes[index] ^= 1 << bit;
            let Ok(field) = HeaderValue::from_bytes(&bytes) else { continue };
            tried += 1;
            let cookies = request(&[field.as_bytes()]);
            assert_eq!(read(&cookies), None, "bit {bit} of {index} in {pair}");
        }
    }
    assert!(tried > 4 * (pair.len() - start), "{tried}");
}

#[test]
fn every_bit_of_a_signed_cookie_counts() {
    let keys = Keys::generate();
    for value in ["ada", "a value, with \u{fc}; and %", "1"] {
        let pair = sent(CookieJar::new().set_signed(Cookie::new("user", value), &keys));
        assert_eq!(request(&[pair.as_bytes()]).signed("user", &keys).as_deref(), Some(value));
        read_flipped(&pair, |cookies| cookies.signed("user", &keys));
    }
}

#[test]
fn every_bit_of_a_private_cookie_counts() {
    let keys = Keys::generate();
    for value in ["ada", "", "a value, with \u{fc}; and %"] {
        let pair = sent(CookieJar::new().set_private(Cookie::new("user", value), &keys));
        assert_eq!(request(&[pair.as_bytes()]).private("user", &keys).as_deref(), Some(value));
        assert!(!pair.contains("ada"));
        read_flipped(&pair, |cookies| cookies.private("user", &keys));
    }
}

#[test]
fn a_seal_is_for_one_name_and_one_kind() {
    let keys = Keys::generate();
    for jar in [
        CookieJar::new().set_signed(Cookie::new("user", "ada"), &keys),
        CookieJar::new().set_private(Cookie::new("user", "ada"), &keys),
    ] {
        let pair = sent(jar);
        let moved = pair.replacen("user=", "admin=", 1);
        let cookies = request(&[moved.as_bytes()]);
        assert_eq!((cookies.signed("admin", &keys), cookies.private("admin", &keys)), (None, None));
        let cut = request(&[&pair.as_bytes()[..pair.len() - 1]]);
        assert_eq!((cut.signed("user", &keys), cut.private("user", &keys)), (None, None));
        let longer = request(&[format!("{pair}A").as_bytes()]);
        assert_eq!((longer.signed("user", &keys), longer.private("user", &keys)), (None, None));
        let own = request(&[pair.as_bytes()]);
        assert!(own.signed("user", &keys).is_some() != own.private("user", &keys).is_some());
    }
    for forged in ["", "user=", "user=ada", "user=\u{e9}", &format!("user={}ada", "A".repeat(43) + "=")] {
        let cookies = request(&[forged.as_bytes()]);
        assert_eq!((cookies.signed("user", &keys), cookies.private("user", &keys)), (None, None), "{forged}");
    }
}

#[test]
fn old_keys_read_and_new_ones_write() {
    let ([one, two], name) = ([[1; 64], [2; 64]], "user");
    let before = Keys::new(&one).unwrap();
    let after = Keys::new(&two).unwrap().with_old(&one).unwrap();
    let rows = [
        (sent(CookieJar::new().set_signed(Cookie::new(name, "ada"), &before)), true),
        (sent(CookieJar::new().set_signed(Cookie::new(name, "ada"), &after)), false),
        (sent(CookieJar::new().set_private(Cookie::new(name, "ada"), &before)), true),
        (sent(CookieJar::new().set_private(Cookie::new(name, "ada"), &after)), false),
    ];
    for (pair, is_old) in rows {
        let cookies = request(&[pair.as_bytes()]);
        let read = |keys: &Keys| cookies.signed(name, keys).or_else(|| cookies.private(name, keys));
        assert_eq!(read(&after).as_deref(), Some("ada"));
        assert_eq!(read(&before).is_some(), is_old);
    }
    assert_eq!(Keys::new(&[0; 63]).unwrap_err(), after.with_old(&[0; 63]).unwrap_err());
    assert_eq!(format!("{before:?}"), "Keys { keys: 1, .. }");
}

#[test]
fn attributes_are_safe_unless_they_are_told_otherwise() {
    let rows = [
        (Cookie::new("a", "1"), "a=1; HttpOnly; SameSite=Lax; Path=/"),
        (Cookie::new("a", "1").secure(), "a=1; HttpOnly; SameSite=Lax; Secure; Path=/"),
        (
            Cookie::new("a", "1").readable_by_scripts().same_site(SameSite::Strict).path("/shop"),
            "a=1; SameSite=Strict; Path=/shop",
        ),
        (Cookie::new("a", "1").same_site(SameSite::None), "a=1; HttpOnly; SameSite=None; Secure; Path=/"),
        (
            Cookie::new("a", "1").domain("example.com"),
            "a=1; HttpOnly; SameSite=Lax; Path=/; Domain=example.com",
        ),
        (Cookie::new("__Host-a", "1"), "__Host-a=1; HttpOnly; SameSite=Lax; Secure; Path=/"),
        (Cookie::new("__secure-a", "1").path("/b"), "__secure-a=1; HttpOnly; SameSite=Lax; Secure; Path=/b"),
    ];
    for (cookie, expected) in rows {
        assert_eq!(fields(&CookieJar::new().set(cookie).into_response()), [expected]);
    }
    let forever = Cookie::new("a", "1").max_age(std::time::Duration::MAX);
    let response = CookieJar::new().set(forever).into_response();
    assert!(fields(&response)[0].contains("; Max-Age="), "{response:?}");
}

#[test]
fn what_cannot_be_sent_is_no_response() {
    let rows = [
        Cookie::new("", "1"),
        Cookie::new("a b", "1"),
        Cookie::new("a;b", "1"),
        Cookie::new("a=b", "1"),
        Cookie::new("a\r\nSet-Cookie: b", "1"),
        Cookie::new("\u{fc}", "1"),
        Cookie::new("a", "1").path("/; Domain=evil"),
        Cookie::new("a", "1").path("/\r\nb"),
        Cookie::new("a", "1").path("b"),
        Cookie::new("a", "1").path(""),
        Cookie::new("a", "1").domain("evil; Path=/"),
        Cookie::new("a", "1").domain(""),
        Cookie::new("a", "x".repeat(COOKIE_BYTES_MAX)),
        Cookie::new("a", "\u{fc}".repeat(COOKIE_BYTES_MAX / 3)),
        Cookie::new("__Host-a", "1").path("/b"),
        Cookie::new("__host-a", "1").domain("example.com"),
    ];
    for cookie in rows {
        let jar = CookieJar::new().set(Cookie::new("before", "1")).set(cookie.clone());
        let response = (jar, "hello").into_response();
        assert_eq!(response.status(), 500, "{cookie:?}");
        assert_eq!(fields(&response), [""; 0], "{cookie:?}");
    }
}

#[test]
fn a_jar_holds_each_cookie_once_and_adds_to_others() {
    let jar = CookieJar::new()
        .set(Cookie::new("a", "1"))
        .set(Cookie::new("a", "2").path("/b"))
        .set(Cookie::new("a", "3"))
        .remove("b")
        .remove(Cookie::new("c", "1").domain("example.com"));
    let response = (jar, CookieJar::new().set(Cookie::new("a", "4")), "hello").into_response();
    let fields = fields(&response);
    assert_eq!(fields[..2], ["a=2; HttpOnly; SameSite=Lax; Path=/b", "a=3; HttpOnly; SameSite=Lax; Path=/"]);
    assert!(fields[2].starts_with("b=; ") && fields[2].contains("Max-Age=0; Expires="), "{}", fields[2]);
    assert!(fields[3].starts_with("c=; ") && fields[3].contains("Domain=example.com"), "{}", fields[3]);
    assert_eq!(fields[4..], ["a=4; HttpOnly; SameSite=Lax; Path=/"]);
    assert_eq!(response.status(), 200);
}

#[test]
fn nothing_of_a_value_is_in_debug_output() {
    assert_eq!(format!("{:?}", request(&[b"a=secret"])), r#"Cookies(["a"])"#);
    assert_eq!(format!("{:?}", Cookie::new("a", "secret")), r#"Cookie { name: "a", .. }"#);
}
