use super::*;

const PROXIES: [&str; 3] = ["10.0.0.0/8", "192.0.2.7", "2001:db8:ffff::/48"];

fn headers(fields: &[(&'static str, &str)]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in fields {
        headers.append(*name, value.parse().unwrap());
    }
    headers
}

/// `IP port hidden proto host` of the client.
fn describe(client: &ClientAddress) -> String {
    let port = client.port().map_or_else(|| "-".into(), |port| port.to_string());
    let proto = client.is_https().map_or("-", |is_https| if is_https { "https" } else { "http" });
    format!(
        "{} {port} {} {proto} {}",
        client.ip(),
        client.hidden().unwrap_or("-"),
        client.host().unwrap_or("-")
    )
}

fn forwarded(peer: &str, lines: &[&str]) -> String {
    let fields: Vec<_> = lines.iter().map(|line| ("forwarded", *line)).collect();
    let proxies = BehindProxies::forwarded(PROXIES).unwrap();
    describe(&proxies.client(peer.parse().unwrap(), &headers(&fields)))
}

fn x_forwarded(peer: &str, fields: &[(&'static str, &str)]) -> String {
    let proxies = BehindProxies::x_forwarded(PROXIES).unwrap();
    describe(&proxies.client(peer.parse().unwrap(), &headers(fields)))
}

const NEAR: &str = "10.0.0.1:5000";
const FAR: &str = "203.0.113.9:6000";

#[test]
fn forwarded_is_read_as_its_grammar_says() {
    let rows: [(&[&str], &str); 33] = [
        (&[], "10.0.0.1 5000 - - -"),
        (&[""], "10.0.0.1 5000 - - -"),
        (&["for=198.51.100.1"], "198.51.100.1 - - - -"),
        (&["For=\"198.51.100.1:8080\""], "198.51.100.1 8080 - - -"),
        (&["for=198.51.100.1:8080"], "198.51.100.1 8080 - - -"),
        (&["for=\"[2001:db8:cafe::17]\""], "2001:db8:cafe::17 - - - -"),
        (&["for=\"[2001:db8:cafe::17]:4711\""], "2001:db8:cafe::17 4711 - - -"),
        (&["for=\"[::ffff:198.51.100.1]:1\""], "198.51.100.1 1 - - -"),
        (&["for=\"[2001:db8:cafe::17]:_port\""], "2001:db8:cafe::17 - - - -"),
        (
            &["for=198.51.100.1;proto=https;by=10.0.0.1;host=example.com:8443"],
            "198.51.100.1 - - https example.com:8443",
        ),
        (&["host=\"[::1]:80\";PROTO=Http ; FOR=198.51.100.1"], "198.51.100.1 - - http [::1]:80"),
        (&["for=198.51.100.1;proto=gopher;host=\"a b\""], "198.51.100.1 - - - -"),
        (&["for=198.51.100.1;host=\"user@evil\""], "198.51.100.1 - - - -"),
        // Hidden ones (§6.2, §6.3): the address is that of the proxy that hides it.
        (&["for=unknown;proto=https"], "10.0.0.1 - unknown https -"),
        (&["for=_gazonk"], "10.0.0.1 - _gazonk - -"),
        (&["for=\"_gazonk:_80\""], "10.0.0.1 - _gazonk - -"),
        (&["for=_SEVKISEK, for=10.0.0.2"], "10.0.0.2 - _SEVKISEK - -"),
        (&["for=198.51.100.1, for=unknown"], "10.0.0.1 - unknown - -"),
        (&["proto=https"], "10.0.0.1 - unknown https -"),
        // What is malformed hides as well, and is never taken for an address.
        (&["for=\"198.51.100.1"], "10.0.0.1 - unknown - -"),
        (&["for=198.51.100.1\""], "10.0.0.1 - unknown - -"),
        (&["for=\"198.51.100.1\\\"\""], "10.0.0.1 - unknown - -"),
        (&["for=198.51.100.1;for=198.51.100.2"], "10.0.0.1 - unknown - -"),
        (&["for=198.51.100.256"], "10.0.0.1 - unknown - -"),
        (&["for=198.51.100.01"], "10.0.0.1 - unknown - -"),
        (&["for=198.51.100.1:+80"], "10.0.0.1 - unknown - -"),
        (&["for=198.51.100.1:65536"], "10.0.0.1 - unknown - -"),
        (&["for=\"[2001:db8::1\""], "10.0.0.1 - unknown - -"),
        (&["for=\"[fe80::1%25eth0]\""], "10.0.0.1 - unknown - -"),
        (&["for=<script>"], "10.0.0.1 - unknown - -"),
        (&["198.51.100.1"], "10.0.0.1 - unknown - -"),
        (&["for = 198.51.100.1"], "10.0.0.1 - unknown - -"),
        (&["for=198.51.100.1, , ,"], "198.51.100.1 - - - -"),
    ];
    for (lines, expected) in rows {
        assert_eq!(forwarded(NEAR, lines), expected, "{lines:?}");
    }
}

#[test]
fn who_is_no_proxy_is_the_client_whatever_it_says() {
    let fields = [
        ("forwarded", "for=10.0.0.1;proto=https;host=evil"),
        ("x-forwarded-for", "10.0.0.1"),
        ("x-forwarded-proto", "https"),
        ("x-forwarded-host", "evil"),
    ];
    for peer in ["203.0.113.9", "192.0.2.8", "9.255.255.255", "11.0.0.0", "[2001:db8:fffe::1]", "[::a00:1]"] {
        let peer = format!("{peer}:6000");
        let expected = format!("{} 6000 - - -", peer.parse::<SocketAddr>().unwrap().ip());
        let headers = headers(&fields);
        for proxies in [BehindProxies::forwarded(PROXIES), BehindProxies::x_forwarded(PROXIES)] {
            let client = proxies.unwrap().client(peer.parse().unwrap(), &headers);
            assert_eq!(describe(&client), expected);
        }
    }
    // Where nobody is trusted, nobody is.
    let none = BehindProxies::x_forwarded([]).unwrap();
    assert_eq!(describe(&none.client(NEAR.parse().unwrap(), &headers(&fields))), "10.0.0.1 5000 - - -");
}

/// The client has written what is in the first column; the proxies have added theirs.
#[test]
fn what_a_client_writes_into_the_field_is_never_reached() {
    let spoofs = [
        "for=10.0.0.9",
        "for=10.0.0.9, for=10.0.0.8",
        "for=192.0.2.66;proto=https;host=evil",
        "for=\"192.0.2.66",
        "for=\"192.0.2.66, ",
        "\"",
        "\\\"",
        ",,,,\"a\\",
        "for=unknown",
        "for=_x;for=_y",
        "for=\"a\"b\"",
        "\u{fc}",
    ];
    let added: [(&[&str], &str); 4] = [
        (&["for=203.0.113.9;proto=http;host=app"], "203.0.113.9 - - http app"),
        (&["for=\"[2001:db8:1::1]:6000\";host=\"a,b\"", "for=10.1.1.1"], "2001:db8:1::1 6000 - - a,b"),
        (&["for=203.0.113.9", "for=192.0.2.7;proto=https", "for=\"10.1.1.1:1\""], "203.0.113.9 - - - -"),
        (&["for=_hidden;proto=https", "for=\"[2001:db8:ffff::1]\""], "2001:db8:ffff::1 - _hidden https -"),
    ];
    for spoof in spoofs {
        for (elements, expected) in added {
            // Added to the line, and as lines of their own.
            let line = format!("{spoof}, {}", elements.join(", "));
            assert_eq!(forwarded(NEAR, &[&line]), expected, "{line}");
            let line = format!("{spoof},{}", elements.join(","));
            assert_eq!(forwarded(NEAR, &[&line]), expected, "{line}");
            let lines: Vec<&str> = [spoof].into_iter().chain(elements.iter().copied()).collect();
            assert_eq!(forwarded(NEAR, &lines), expected, "{lines:?}");
        }
    }
}

#[test]
fn the_other_fields_are_read_from_the_right_too() {
    let rows: [(&[(&'static str, &str)], &str); 22] = [
        (&[], "10.0.0.1 5000 - - -"),
        // Who adds an empty place has not vouched for what stands left of it.
        (&[("x-forwarded-for", "")], "10.0.0.1 - unknown - -"),
        (&[("x-forwarded-for", "203.0.113.9,")], "10.0.0.1 - unknown - -"),
        (&[("x-forwarded-for", "203.0.113.9, , 10.2.2.2")], "10.2.2.2 - unknown - -"),
        (&[("x-forwarded-for", "203.0.113.9"), ("x-forwarded-for", " ")], "10.0.0.1 - unknown - -"),
        (&[("x-forwarded-for", ",, 203.0.113.9"), ("x-forwarded-proto", "https,")], "203.0.113.9 - - - -"),
        (&[("x-forwarded-for", "203.0.113.9")], "203.0.113.9 - - - -"),
        (&[("x-forwarded-for", "203.0.113.9:6000")], "203.0.113.9 6000 - - -"),
        (&[("x-forwarded-for", "2001:db8:1::1")], "2001:db8:1::1 - - - -"),
        (&[("x-forwarded-for", "[2001:db8:1::1]:6000")], "2001:db8:1::1 6000 - - -"),
        (&[("x-forwarded-for", "::ffff:203.0.113.9")], "203.0.113.9 - - - -"),
        (&[("x-forwarded-for", "10.0.0.9, 203.0.113.9")], "203.0.113.9 - - - -"),
        (&[("x-forwarded-for", "1.2.3.4,203.0.113.9 ,\t10.2.2.2")], "203.0.113.9 - - - -"),
        (
            &[("x-forwarded-for", "1.2.3.4"), ("x-forwarded-for", "203.0.113.9, 10.2.2.2")],
            "203.0.113.9 - - - -",
        ),
        (&[("x-forwarded-for", "10.0.0.9, 10.0.0.8")], "10.0.0.9 - - - -"),
        (&[("x-forwarded-for", "203.0.113.9, unknown")], "10.0.0.1 - unknown - -"),
        (&[("x-forwarded-for", "203.0.113.9, nonsense, 10.2.2.2")], "10.2.2.2 - unknown - -"),
        (&[("x-forwarded-for", "\"203.0.113.9\"")], "10.0.0.1 - unknown - -"),
        (&[("x-forwarded-for", "a\", 203.0.113.9")], "203.0.113.9 - - - -"),
        // The place of the outermost proxy, and else the leftmost.
        (
            &[
                ("x-forwarded-for", "1.2.3.4, 203.0.113.9, 10.2.2.2"),
                ("x-forwarded-proto", "ftp, https, http"),
                ("x-forwarded-host", "evil, app, inner"),
            ],
            "203.0.113.9 - - https app",
        ),
        (
            &[
                ("x-forwarded-for", "203.0.113.9, 10.2.2.2"),
                ("x-forwarded-proto", "https"),
                ("x-forwarded-host", "app"),
            ],
            "203.0.113.9 - - https app",
        ),
        (&[("x-forwarded-for", "203.0.113.9"), ("forwarded", "for=1.2.3.4")], "203.0.113.9 - - - -"),
    ];
    for (fields, expected) in rows {
        assert_eq!(x_forwarded(NEAR, fields), expected, "{fields:?}");
        assert_eq!(x_forwarded(FAR, fields), "203.0.113.9 6000 - - -", "{fields:?}");
    }
    // A listener of both families sees IPv4 as IPv6.
    assert_eq!(
        x_forwarded("[::ffff:10.0.0.1]:1", &[("x-forwarded-for", "203.0.113.9")]),
        "203.0.113.9 - - - -"
    );
}

#[test]
fn a_row_of_proxies_has_an_end() {
    let many = ["10.0.0.1"; 1000].join(", ");
    assert_eq!(x_forwarded(NEAR, &[("x-forwarded-for", &many)]), "10.0.0.1 - unknown - -");
    let as_many = format!("203.0.113.9, {}", ["10.0.0.1"; PROXIES_MAX - 1].join(", "));
    assert_eq!(x_forwarded(NEAR, &[("x-forwarded-for", &as_many)]), "203.0.113.9 - - - -");
}

#[test]
fn proxies_that_are_none_are_an_error() {
    let error = BehindProxies::forwarded(["10.0.0.0/8", "proxy.internal"]).unwrap_err();
    assert_eq!(
        error.to_string(),
        "\"proxy.internal\" is neither an address nor a network such as 10.0.0.0/8 or 2001:db8::/32, nor `unix`"
    );
}

/// A Unix socket has no address, so what is nearest is what its proxy says.
#[test]
fn over_a_unix_socket_the_proxy_says_who_it_is() {
    fn by(proxies: &BehindProxies, fields: &[(&'static str, &str)]) -> String {
        proxies.client_over_unix(&headers(fields)).as_ref().map_or_else(|| "nobody".into(), describe)
    }
    let x_forwarded = BehindProxies::x_forwarded(["unix", "10.0.0.0/8"]).unwrap();
    for (value, expected) in [
        ("198.51.100.1", "198.51.100.1 - - https a.example"),
        ("1.1.1.1, 198.51.100.1", "198.51.100.1 - - https a.example"),
        ("198.51.100.1:8080", "198.51.100.1 8080 - https a.example"),
        ("1.1.1.1, 198.51.100.1, 10.0.0.1", "198.51.100.1 - - https a.example"),
        ("10.0.0.1", "10.0.0.1 - - https a.example"),
        ("_hidden, 10.0.0.1", "10.0.0.1 - _hidden https a.example"),
        ("unknown", "nobody"),
        ("1.1.1.1, ", "nobody"),
        ("", "nobody"),
        ("1.1.1.1, unix", "nobody"),
    ] {
        let fields =
            [("x-forwarded-for", value), ("x-forwarded-proto", "https"), ("x-forwarded-host", "a.example")];
        assert_eq!(by(&x_forwarded, &fields), expected, "{value:?}");
    }
    assert_eq!(by(&x_forwarded, &[]), "nobody");
    assert_eq!(by(&x_forwarded, &[("forwarded", "for=198.51.100.1")]), "nobody");
    let forwarded = BehindProxies::forwarded(["10.0.0.0/8", "unix"]).unwrap();
    let lines =
        [("forwarded", "for=1.1.1.1"), ("forwarded", "for=\"198.51.100.1:1\";proto=http, for=10.0.0.1")];
    assert_eq!(by(&forwarded, &lines), "198.51.100.1 1 - http -");
    assert_eq!(by(&forwarded, &[("forwarded", "for=_h")]), "nobody");
    // Nobody is trusted who was not named; and a network that holds every address names no socket.
    let networks = BehindProxies::x_forwarded(["0.0.0.0/0", "::/0"]).unwrap();
    assert_eq!(by(&networks, &[("x-forwarded-for", "198.51.100.1")]), "nobody");
    assert!(BehindProxies::x_forwarded(["Unix"]).is_err());
}
