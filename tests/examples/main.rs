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
        assert_eq!(client.get("/sum/40/two").status, 400);
        assert_eq!(client.get("/below/a/b%20c").text(), "below: a/b c\n");
        let moved = client.get("/home");
        assert_eq!((moved.status, moved.header("location")), (308, Some("/")));

        let added = client.ask("POST", "/notes", FORM, b"title=a+%3Cb%3E&text=first");
        assert_eq!((added.status, added.header("location")), (303, Some("/notes/1")));
        let page = client.get("/notes/1");
        assert!(page.text().contains("<h1>a &lt;b&gt;</h1><p>first"), "{page:?}");
        assert!(client.get("/").text().contains(r#"<li><a href="/notes/1">a &lt;b&gt;</a>"#));
        assert_eq!(client.ask("POST", "/notes", FORM, b"title=").status, 422);

        let added = client.ask("POST", "/api/notes", JSON, br#"{"title":"second"}"#);
        assert_eq!((added.status, added.header("location")), (201, Some("/api/notes/2")));
        assert_eq!(added.text(), r#"{"id":2,"title":"second","text":""}"#);
        assert!(added.header("server-timing").is_some_and(|value| value.starts_with("app;dur=")));
        assert_eq!(client.get("/api/notes/2").text(), added.text());
        assert_eq!(client.get("/api/notes?contains=sec&limit=5").text(), format!("[{}]", added.text()));
        assert_eq!(client.ask("POST", "/api/notes", JSON, b"{").status, 400);
        assert_eq!(client.ask("POST", "/api/notes", JSON, br#"{"text":"x"}"#).status, 422);
        assert_eq!(client.ask("POST", "/api/notes", "text/plain", b"x").status, 415);
        assert!(client.ask("POST", "/api/export", "", b"").text().contains(" bytes in "));
        assert_eq!(client.ask("DELETE", "/api/notes/2", "", b"").status, 204);
        let missing = client.get("/api/notes/2");
        assert_eq!((missing.status, missing.text()), (404, "There is no note 2.\n"));
        assert_eq!(client.get("/api/nothing").text(), r#""no such endpoint""#);
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
