//! Each example, as its users run it: a process on each backend that is compiled in, asked over a socket,
//! stopped by SIGINT. `links` has its test in its own package.

#![expect(clippy::print_stdout, reason = "figures of the run, shown with --nocapture")]

mod process;

use std::{
    io::{self, BufRead, BufReader, Write},
    net::{TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use process::{Client, Process};
use trijet::Backend;

const JSON: &str = "application/json";
const FORM: &str = "application/x-www-form-urlencoded";

/// Where cargo has put the example, beside this test.
fn program(name: &str) -> PathBuf {
    let test = std::env::current_exe().expect("the path of this test");
    let profile = test.parent().and_then(Path::parent).expect("target/<profile>/deps");
    profile.join("examples").join(name)
}

/// Runs `test` with the example on each backend. `cargo test` builds the examples that the features allow;
/// with `--test examples` alone, they are those of the last build.
fn on_each_backend(name: &str, test: impl Fn(&Process)) {
    on_each_backend_with(name, &[], test);
}

/// As [`on_each_backend`], with these variables.
fn on_each_backend_with(name: &str, variables: &[(&str, &str)], test: impl Fn(&Process)) {
    let program = program(name);
    assert!(program.exists(), "{} is not built: run `cargo build --examples`", program.display());
    for backend in Backend::compiled() {
        let process = Process::start(&program, backend.name(), variables);
        test(&process);
        process.interrupt();
    }
}

#[test]
#[cfg(feature = "json")]
fn hello() {
    on_each_backend("hello", |process| {
        let mut client = process.connect();
        for (target, body) in [
            ("/", "Hello, World!"),
            ("/json", r#"{"hello":"World"}"#),
            ("/hello/J%C3%BCrgen", "Hello, Jürgen!"),
            ("/slow", "slept 50 ms on a thread\n"),
        ] {
            let answer = client.get(target);
            assert_eq!((answer.status, answer.text()), (200, body), "{target}");
        }
        assert_eq!(client.ask("POST", "/echo", "text/plain", b"to and fro").text(), "to and fro");
        assert_eq!(client.get("/nothing").status, 404);
        let refused = client.ask("DELETE", "/json", "", b"");
        assert_eq!((refused.status, refused.header("allow")), (405, Some("GET, HEAD, OPTIONS")));
        assert_eq!(client.ask("HEAD", "/", "", b"").header("content-length"), Some("13"));
    });
}

/// Settings of a file and of the environment, TCP and a Unix socket, readiness through a drain, and hooks.
#[test]
#[cfg(feature = "config")]
fn life() {
    use std::{fs, os::unix::net::UnixStream};

    let folder = std::env::temp_dir().join(format!("trijet-life-{}", std::process::id()));
    fs::create_dir(&folder).expect("a folder of its own");
    let (file, socket) = (folder.join("life.toml"), folder.join("socket"));
    fs::write(&file, "greeting = \"Hi!\"\n[server]\naddress = \"127.0.0.1:1\"\ndrain_delay = \"10 min\"\n")
        .expect("it is written");
    let addresses = format!("127.0.0.1:0, unix:{}", socket.display());
    let variables = [
        ("LIFE_CONFIG", file.to_str().expect("UTF-8")),
        ("LIFE_SERVER_ADDRESS", &*addresses),
        ("LIFE_SERVER_BODY_BYTES_MAX", "1 KiB"),
    ];
    on_each_backend_with("life", &variables, |process| {
        let mut client = process.connect();
        assert_eq!(client.get("/").text(), "Hi! The database is open: true.\n");
        assert_eq!((client.get("/ready").status, client.get("/live").status), (200, 200));
        let mut unix = UnixStream::connect(&socket).expect("it listens");
        unix.write_all(b"GET / HTTP/1.0\r\n\r\n").expect("it takes the request");
        let answer = io::read_to_string(unix).expect("an answer");
        assert!(answer.starts_with("HTTP/1.1 200 ") && answer.ends_with("open: true.\n"), "{answer}");
        process.signal();
        // It says that it is about to stop, and serves, until the second one ends it now.
        while client.get("/ready").status != 503 {}
        assert_eq!(client.get("/").status, 200);
        process.signal();
        process.await_line("the last connection has ended; the database was open for ");
    });
    assert!(!socket.exists(), "it goes with the server");
    // What the file says holds, its zeros too, but for the backend, which the environment names.
    let rest = "backend = \"threaded\"\ndrain_delay = 0";
    fs::write(&file, format!("[server]\naddress = \"127.0.0.1:0\"\n{rest}\n")).expect("it is written");
    on_each_backend_with("life", &variables[..1], |process| {
        process.connect().get("/");
        let signalled = Instant::now();
        process.signal();
        process.await_line("the last connection has ended");
        assert!(signalled.elapsed() < Duration::from_secs(2), "it has drained for the default");
    });
    fs::write(&file, "[server]\nwrokers = 3\n").expect("it is written");
    let output =
        Command::new(program("life")).env("LIFE_CONFIG", &file).output().expect("it starts and fails");
    let error = String::from_utf8(output.stderr).expect("UTF-8");
    assert!(error.starts_with("life: ") && error.contains("line 2"), "{error}");
    assert!(error.contains("`wrokers`: there is no such setting"), "{error}");
    fs::remove_dir_all(&folder).expect("the folder");
}

const STYLES: [&str; 4] = ["blocking", "async", "deferred", "by-hand"];

#[test]
fn styles() {
    on_each_backend("styles", |process| {
        let mut client = process.connect();
        for name in ["apples", "J%C3%BCrgen"] {
            let answers = STYLES.map(|style| {
                let answer = client.get(&format!("/{style}/{name}"));
                assert_eq!(answer.status, 200, "{style}");
                answer.text().to_owned()
            });
            assert!(answers[0].ends_with(" in stock\n"), "{}", answers[0]);
            assert!(answers.iter().all(|answer| *answer == answers[0]), "{answers:?}");
        }
    });
}

/// A database that does to a connection what the line asks for.
fn start_bad_database() -> io::Result<String> {
    fn serve(mut stream: TcpStream) -> io::Result<()> {
        let mut asked = BufReader::new(stream.try_clone()?);
        let mut line = String::new();
        asked.read_line(&mut line)?;
        match line.trim() {
            "close" => Ok(()),
            "cut" => stream.write_all(b"half of a li"),
            // Until whoever asks gives up.
            "silence" => io::copy(&mut asked, &mut io::sink()).map(drop),
            "noise" => stream.write_all(b"\xff\xfe\n"),
            other => stream.write_all(format!("{other}?\n").as_bytes()),
        }
    }
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            thread::spawn(move || serve(stream));
        }
    });
    Ok(address.to_string())
}

/// Each style says the same of a database that fails, in whichever way it does.
#[test]
fn styles_with_a_database_that_fails() {
    let database = start_bad_database().expect("a free port");
    on_each_backend_with("styles", &[("DATABASE", &database)], |process| {
        // At once, as the silence takes each its time.
        thread::scope(|scope| {
            let styles = STYLES.map(|style| {
                let ask = move || {
                    let mut client = process.connect();
                    ["pears", "close", "cut", "noise", "silence"].map(|what| {
                        let answer = client.get(&format!("/{style}/{what}"));
                        (what, answer.status, answer.text().to_owned())
                    })
                };
                (style, scope.spawn(ask))
            });
            let failed = |what| (what, 502, "The database did not answer.\n".to_owned());
            let [close, cut, noise, silence] = ["close", "cut", "noise", "silence"].map(failed);
            let expected = [("pears", 200, "pears?\n".to_owned()), close, cut, noise, silence];
            for (style, asked) in styles {
                assert_eq!(asked.join().expect("answers"), expected, "{style}");
            }
        });
    });
}

#[test]
#[cfg(feature = "json")]
fn a_failing_start_is_told_in_a_sentence() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = taken.local_addr().expect("bound").port().to_string();
    let start = |variables: &[(&str, &str)]| {
        let output = Command::new(program("hello"))
            .env_remove("TRIJET_BACKEND")
            .envs(variables.iter().copied())
            .stdin(Stdio::null())
            .output()
            .expect("it starts and fails");
        assert_eq!(output.status.code(), Some(1));
        String::from_utf8(output.stderr).expect("UTF-8")
    };
    let error = start(&[("PORT", &port)]);
    assert!(error.starts_with(&format!("hello: cannot listen on 127.0.0.1:{port}: ")), "{error}");
    let error = start(&[("PORT", "many")]);
    assert_eq!(error, "hello: PORT is \"many\": it must be a number up to 65535\n");
    let error = start(&[("PORT", "0"), ("TRIJET_BACKEND", "rocket")]);
    assert!(
        error.starts_with("hello: TRIJET_BACKEND: there is no backend \"rocket\": compiled in: "),
        "{error}"
    );
}

#[test]
#[cfg(all(feature = "json", feature = "query", feature = "form"))]
fn routes() {
    on_each_backend("routes", |process| {
        let mut client = process.connect();
        assert_eq!(client.get("/health").text(), "ok\n");
        assert_eq!(client.get("/sum/40/2").text(), "42\n");
        let refused = client.get("/sum/40/two");
        assert_eq!((refused.status, refused.header("content-type")), (400, Some(PROBLEM)));
        assert_eq!(
            refused.text(),
            r#"{"title":"Bad Request","status":400,"detail":"The path value `right` is not valid: invalid digit found in string; a whole number is expected."}"#
        );
        assert_eq!(client.get("/below/a/b%20c").text(), "below: a/b c\n");
        let moved = client.get("/home");
        assert_eq!((moved.status, moved.header("location")), (308, Some("/")));
        let slashed = client.get("/notes/1/?a");
        assert_eq!((slashed.status, slashed.header("location")), (308, Some("/notes/1?a")));
        assert_eq!(client.get("http://status.localhost/").text(), "all is well\n");
        let missing = client.get("/notes/1");
        assert_eq!((missing.status, missing.text().contains("No such note")), (404, true));

        let added = client.ask("POST", "/notes", FORM, b"title=a+%3Cb%3E&text=first");
        assert_eq!((added.status, added.header("location")), (303, Some("/notes/1")));
        let page = client.get("/notes/1");
        assert!(page.text().contains("<h1>a &lt;b&gt;</h1><p>first"), "{page:?}");
        assert!(client.get("/").text().contains(r#"<li><a href="/notes/1">a &lt;b&gt;</a>"#));
        assert_eq!(client.ask("POST", "/notes", FORM, b"title=").status, 422);

        let added = client.ask("POST", "/api/notes", JSON, br#"{"title":"second"}"#);
        assert_eq!((added.status, added.header("location")), (201, Some("/api/notes/2")));
        assert_eq!(added.text(), r#"{"id":2,"title":"second","text":""}"#);
        let timing = added.header("server-timing").expect("a header");
        assert!(timing.starts_with("app;dur=") && timing.ends_with(r#";desc="/api/notes""#), "{timing}");
        assert_eq!(client.get("/api/notes/2").text(), added.text());
        assert_eq!(client.get("/api/notes?contains=sec&limit=5").text(), format!("[{}]", added.text()));
        assert_eq!(client.get("/api/notes?contains=sec&contains=first").text(), "[]");
        let changed = client.ask("PUT", "/api/notes/2", JSON, b"{}");
        assert_eq!((changed.status, changed.header("allow")), (405, Some("GET, HEAD, DELETE, OPTIONS")));
        assert!(changed.text().contains("PUT? Notes are never changed"), "{changed:?}");
        assert_eq!(client.ask("POST", "/api/notes", JSON, b"{").status, 400);
        assert_eq!(client.ask("POST", "/api/notes", JSON, br#"{"text":"x"}"#).status, 422);
        assert_eq!(client.ask("POST", "/api/notes", "text/plain", b"x").status, 415);
        assert!(client.ask("POST", "/api/export", "", b"").text().contains(" bytes in "));
        assert_eq!(client.ask("DELETE", "/api/notes/2", "", b"").status, 204);
        let missing = client.get("/api/notes/2");
        assert_eq!(missing.text(), r#"{"title":"Not Found","status":404,"detail":"There is no note 2."}"#);
        assert_eq!(client.get("/api/nothing").text(), r#""no such endpoint""#);
    });
    let output = Command::new(program("routes")).arg("--table").output().expect("it starts and ends");
    let table = String::from_utf8(output.stdout).expect("UTF-8");
    let line = "                  /api/notes/{id}      GET, DELETE, others  api-note  3";
    assert!(table.lines().any(|known| known == line), "{table}");
}

#[test]
#[cfg(all(
    feature = "form",
    feature = "sessions",
    feature = "middleware",
    feature = "multipart",
    feature = "sse"
))]
fn forms() {
    const UPLOAD: &str = "multipart/form-data; boundary=b";
    fn form(files: &[(&str, &str)]) -> Vec<u8> {
        let head = "--b\r\nContent-Disposition: form-data; name=";
        let files: String = files
            .iter()
            .map(|(name, content)| format!("{head}\"file\"; filename=\"{name}\"\r\n\r\n{content}\r\n"))
            .collect();
        format!("{head}\"title\"\r\n\r\nSummer\r\n{files}--b--\r\n").into_bytes()
    }
    let secret = "s".repeat(64);
    on_each_backend_with("forms", &[("SECRET", &secret)], |process| {
        let mut window = process.connect();
        let live = window.listen("/live");
        assert_eq!((live.status, live.header("content-type")), (200, Some("text/event-stream")));
        assert_eq!(window.chunk(), "event: uploads\nid: 0\ndata: 0\n\n");

        let mut client = process.connect();
        assert!(client.get("/").text().contains("action=/log-in"));
        // Login by the form of another site: no session.
        for place in [("Sec-Fetch-Site", "cross-site"), ("Sec-Fetch-Site", "same-site"), ("Accept", "*/*")] {
            let fields = [("Origin", "https://evil.example"), place, ("Content-Type", FORM)];
            let forged = client.ask_with("POST", "/log-in", &fields, b"name=Eve&password=sesame");
            assert_eq!((forged.status, forged.header("set-cookie")), (403, None), "{forged:?}");
        }
        assert!(client.get("/").text().contains("action=/log-in"));
        assert_eq!(client.ask("POST", "/upload", UPLOAD, &form(&[])).status, 401);
        assert_eq!(client.ask("POST", "/log-in", FORM, b"name=Eve&password=guess").status, 403);
        assert_eq!(client.ask("POST", "/log-in", FORM, b"name=Ada+%3CL%3E&password=sesame").status, 303);
        assert!(client.get("/").text().contains("Hello, Ada &lt;L&gt;!"));
        assert_eq!(client.ask("POST", "/theme", "text/plain", b"dark").status, 200);
        assert!(client.get("/").text().contains("color-scheme content=\"dark\""));

        let large = "large ".repeat(100_000);
        let files = form(&[("../../a.txt", "text"), ("C:\\b.bin", &large)]);
        let answer = client.ask("POST", "/upload", UPLOAD, &files);
        assert_eq!(
            (answer.status, answer.text()),
            (200, "title: Summer\na.txt: 4 bytes\nb.bin: 600000 bytes\n")
        );
        let mut seen = window.chunk();
        // Two at once may be one event.
        if !seen.contains("data: 2") {
            seen += &window.chunk();
        }
        assert!(seen.ends_with("event: uploads\nid: 2\ndata: 2\n\n"), "{seen}");
        assert_eq!(client.ask("POST", "/upload", UPLOAD, &form(&[("a", ""); 16])).status, 413);
        assert_eq!(client.ask("POST", "/upload", FORM, b"a=b").status, 415);

        let mut client = process.connect();
        let own = [("Origin", "http://localhost"), ("Sec-Fetch-Site", "same-origin"), ("Content-Type", FORM)];
        assert_eq!(client.ask_with("POST", "/log-in", &own, b"name=Bob&password=sesame").status, 303);
        let forged = [("Sec-Fetch-Site", "cross-site")];
        assert_eq!(client.ask_with("POST", "/log-out", &forged, b"").status, 403);
        assert!(client.get("/").text().contains("Hello, Bob!"), "still logged in");
        assert_eq!(client.ask("POST", "/log-out", "", b"").status, 303);
        assert_eq!(client.ask("POST", "/upload", UPLOAD, &form(&[])).status, 401);
    });
}

#[test]
#[cfg(all(feature = "form", feature = "static-files"))]
fn pages() {
    on_each_backend("pages", |process| {
        let mut client = process.connect();
        let page = client.get("/");
        assert_eq!((page.status, page.header("content-type")), (200, Some("text/html; charset=utf-8")));
        assert!(page.text().contains("<h1>0 guests</h1>"), "{page:?}");
        assert!(page.text().contains(r#"<link rel="stylesheet" href="/static/style.css">"#));

        let signed = client.ask("POST", "/", FORM, b"name=%3Cb%3EAda%3C%2Fb%3E&words=%22hi%22+%26+bye");
        assert_eq!((signed.status, signed.header("location")), (303, Some("/")));
        let page = client.get("/");
        assert!(page.text().contains("<h1>1 guests</h1>"), "{page:?}");
        let row = "<li><b>&lt;b&gt;Ada&lt;/b&gt;</b>: &quot;hi&quot; &amp; bye</li>";
        assert!(page.text().replace("&#x2f;", "/").contains(row), "{page:?}");
        assert_eq!(client.ask("POST", "/", FORM, b"name=").status, 422);
        let long = format!("name=x&words={}", "y".repeat(1_000));
        assert_eq!(client.ask("POST", "/", FORM, long.as_bytes()).status, 422);
        let export = client.get("/guests.txt");
        assert_eq!(export.text(), "<b>Ada</b>: \"hi\" & bye\n");
        assert_eq!(export.header("content-disposition"), Some("attachment; filename=\"guests.txt\""));

        // The book is bounded: the oldest makes room.
        for _ in 0..100 {
            assert_eq!(client.ask("POST", "/", FORM, b"name=Bob").status, 303);
        }
        assert!(client.get("/").text().contains("<h1>100 guests</h1>"));
        assert!(!client.get("/guests.txt").text().contains("Ada"));

        let style = client.get("/static/style.css");
        assert_eq!((style.status, style.header("content-type")), (200, Some("text/css; charset=utf-8")));
        assert_eq!(style.header("cache-control"), Some("no-cache"));
        assert_eq!(client.get("/robots.txt").header("content-type"), Some("text/plain; charset=utf-8"));
        assert_eq!(client.get("/static/../Cargo.toml").status, 400);
        for missing in ["/static/", "/static/nothing", "/nothing"] {
            assert_eq!(client.get(missing).status, 404, "{missing}");
        }
    });
}

#[test]
#[cfg(all(feature = "middleware", feature = "compression", feature = "metrics"))]
fn middleware() {
    use std::io::Read;

    // `ada:lovelace`
    let ada = ("Authorization", "Basic YWRhOmxvdmVsYWNl");
    on_each_backend("middleware", |process| {
        let mut client = process.connect();
        let index = client.get("/");
        let id = index.header("x-request-id").expect("an id").to_owned();
        assert_eq!(index.text(), format!("This is request {id}.\n"));
        for (name, value) in [("x-content-type-options", "nosniff"), ("x-frame-options", "DENY")] {
            assert_eq!(index.header(name), Some(value));
        }

        let missing = client.get("/nothing");
        assert_eq!((missing.status, missing.header("x-content-type-options")), (404, Some("nosniff")));

        let refused = client.get("/admin/report");
        assert_eq!(refused.status, 401);
        let fields = [ada, ("Accept-Encoding", "gzip")];
        let report = client.ask_with("GET", "/admin/report", &fields, b"");
        assert_eq!((report.status, report.header("content-encoding")), (200, Some("gzip")));
        let mut text = String::new();
        flate2::read::GzDecoder::new(&*report.body).read_to_string(&mut text).expect("gzip");
        assert!(text.starts_with("A report for ada\n") && text.lines().count() == 501);
        let tag = report.header("etag").expect("a tag").to_owned();
        let again = client.ask_with("GET", "/admin/report", &[ada, ("If-None-Match", &tag)], b"");
        assert_eq!((again.status, again.text()), (304, ""));

        // As a page of another origin, of a trusted one, and as no page.
        for (fields, status) in [
            (&[("Sec-Fetch-Site", "cross-site"), ("Origin", "https://evil.example")][..], 403),
            (&[("Sec-Fetch-Site", "cross-site"), ("Origin", "https://app.example")], 200),
            (&[("Accept", "*/*")], 200),
        ] {
            assert_eq!(client.ask_with("POST", "/count", fields, b"a\nb").status, status, "{fields:?}");
        }
        let mut encoder = flate2::read::GzEncoder::new(&b"a\nb\nc"[..], flate2::Compression::fast());
        let mut packed = Vec::new();
        encoder.read_to_end(&mut packed).expect("in memory");
        let answer = client.ask_with("POST", "/count", &[("Content-Encoding", "gzip")], &packed);
        assert_eq!(answer.text(), "3 lines\n");
        assert_eq!(client.ask_with("POST", "/count", &[("Content-Encoding", "rot13")], b"x").status, 415);
        assert_eq!(client.get("/endless").status, 504);

        let attempts = [0; 12].map(|_| client.get("/admin/report").status);
        assert!(attempts.starts_with(&[401]) && attempts.ends_with(&[429]), "{attempts:?}");

        let page = client.get("/metrics");
        let page = page.text();
        for part in [
            r#"http_requests_total{route="/admin/report",method="GET",status="304"} 1"#,
            r#"http_requests_total{route="/count",method="POST",status="403"} 1"#,
            r#"http_requests_in_flight{route="/endless",method="GET"} 0"#,
            "trijet_connections{backend=",
        ] {
            assert!(page.contains(part), "no {part} in\n{page}");
        }
    });
}
#[cfg(all(feature = "json", feature = "query", feature = "form"))]
const PROBLEM: &str = "application/problem+json";

/// Large against all buffers, small enough for a debug build.
const LARGE: u64 = 32 << 20;
/// What the example may hold at its peak. It takes about 6 MiB.
const MEMORY_MAX: u64 = LARGE / 2;
const PIECE: usize = 64 << 10;

#[test]
fn streaming() {
    on_each_backend("streaming", |process| {
        let connect = || Client::connect(process.address());
        for kind in ["async", "blocking"] {
            let mut received = 0_u64;
            let mut wrong = 0_u64;
            let answer = connect()
                .exchange("GET", &format!("/bytes/{kind}/{LARGE}"), std::iter::empty(), |piece| {
                    for byte in piece {
                        wrong += u64::from(*byte != received.to_le_bytes()[0]);
                        received += 1;
                    }
                })
                .expect("a whole answer");
            assert_eq!((answer.status, received, wrong), (200, LARGE, 0), "{kind}");
        }
        let sums = ["async", "blocking"].map(|kind| {
            let pieces = (0..LARGE / PIECE as u64).map(|index| vec![index.to_le_bytes()[0]; PIECE]);
            let mut text = Vec::new();
            let answer = connect()
                .exchange("PUT", &format!("/sum/{kind}"), pieces, |piece| text.extend_from_slice(piece))
                .expect("a whole answer");
            assert_eq!(answer.status, 200, "{kind}");
            String::from_utf8(text).expect("UTF-8")
        });
        assert!(sums[0].starts_with(&format!("{LARGE} bytes, sum ")), "{sums:?}");
        assert_eq!(sums[0], sums[1]);

        let mut received = 0;
        let pieces = (0..LARGE / PIECE as u64).map(|_| b"abcdefgh".repeat(PIECE / 8));
        connect()
            .exchange("POST", "/shout", pieces, |piece| {
                assert!(piece.iter().all(u8::is_ascii_uppercase));
                received += piece.len() as u64;
            })
            .expect("a whole answer");
        assert_eq!(received, LARGE);

        if let Some(peak) = process.peak_memory() {
            println!("{} KiB at the peak", peak >> 10);
            assert!(peak <= MEMORY_MAX, "{} KiB at the peak", peak >> 10);
        }
    });
}
