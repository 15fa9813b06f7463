//! The links app as its users run it, on each backend that is compiled in; and what `kill -9` under load
//! leaves of it: every link that was acknowledged.

#![expect(clippy::print_stdout, reason = "figures of the run, shown with --nocapture")]

#[expect(dead_code, reason = "it serves the tests of the other examples too")]
#[path = "../../../tests/examples/process.rs"]
mod process;

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

use process::{Client, Process};

const JSON: &str = "application/json";
const FORM: &str = "application/x-www-form-urlencoded";

/// The facade's default backend, and those of the features.
const BACKENDS: &[&str] = &[
    "threaded",
    #[cfg(feature = "mio")]
    "mio",
    #[cfg(feature = "tokio")]
    "tokio",
];

fn start(backend: &str, file: &Path) -> Process {
    Process::start(Path::new(env!("CARGO_BIN_EXE_links")), backend, &[("LINKS_DB", file)])
}

/// A place for a database that does not exist yet.
fn fresh(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("links-{name}-{}", std::process::id()));
    _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).expect("a folder for the database");
    folder.join("links.db")
}

#[test]
fn the_api_and_the_page() {
    for backend in BACKENDS {
        let file = fresh(&format!("api-{backend}"));
        let process = start(backend, &file);
        let mut client = process.connect();

        let added = client.ask("POST", "/api/links", JSON, br#"{"url":"https://example.com/a?b=c&d"}"#);
        assert_eq!(added.status, 201, "{added:?}");
        let link: serde_json::Value = serde_json::from_slice(&added.body).expect("JSON");
        let code = link["code"].as_str().expect("a code").to_owned();
        assert_eq!(added.header("location"), Some(&*format!("/{code}")));
        let followed = client.get(&format!("/{code}"));
        assert_eq!(
            (followed.status, followed.header("location")),
            (307, Some("https://example.com/a?b=c&d"))
        );

        let named = br#"{"url":"http://example.com/","code":"mine"}"#;
        assert_eq!(client.ask("POST", "/api/links", JSON, named).status, 201);
        let taken = client.ask("POST", "/api/links", JSON, named);
        let problem = r#"{"title":"Conflict","status":409,"detail":"This code is taken."}"#;
        assert_eq!((taken.status, taken.text()), (409, problem));
        assert_eq!(taken.header("content-type"), Some("application/problem+json"));
        for (body, status) in [
            (&br#"{"url":"javascript:alert(1)"}"#[..], 422),
            (br#"{"url":"http://u:p@example.com/"}"#, 422),
            (br#"{"url":"http://example.com/","code":"a/b"}"#, 422),
            (br#"{"url":"http://example.com/","code":"static"}"#, 409),
            (br#"{"link":"http://example.com/"}"#, 422),
            (b"{", 400),
        ] {
            let refused = client.ask("POST", "/api/links", JSON, body);
            assert_eq!(refused.status, status, "{refused:?}");
            assert!(refused.text().starts_with(r#"{"title":""#), "{refused:?}");
        }
        assert_eq!(
            client.get("/api/links?limit=1").text(),
            r#"[{"code":"mine","url":"http://example.com/"}]"#
        );

        let form = client.ask("POST", "/", FORM, b"url=http%3A%2F%2Fexample.com%2F%3Fa%3D'%26b&code=");
        assert_eq!((form.status, form.header("location")), (303, Some("/")), "{form:?}");
        let page = client.get("/");
        let shown = page.text().replace("&#x2f;", "/").replace("&#x27;", "&#39;");
        assert!(shown.contains("http://example.com/?a=&#39;&amp;b"), "{page:?}");
        assert_eq!(process.connect().get("/").text().matches("class=\"code\"").count(), 0, "others'");
        let metrics = client.get("/metrics");
        assert!(metrics.text().contains(r#"route="/api/links",method="POST",status="201""#), "{metrics:?}");
        assert_eq!(client.get("/static/style.css").status, 200);

        assert_eq!(client.ask("DELETE", "/api/links/mine", "", b"").status, 204);
        assert_eq!(client.ask("DELETE", "/api/links/mine", "", b"").status, 404);
        assert_eq!(client.get("/mine").status, 404);
        let nowhere = r#"{"title":"Not Found","status":404,"detail":"There is nothing at this path."}"#;
        assert_eq!(client.get("/api/other").text(), nowhere);
        process.interrupt();
        fs::remove_dir_all(file.parent().expect("its folder")).expect("cleared away");
    }
}

#[test]
fn kill_9_under_load_loses_no_acknowledged_link() {
    const CLIENTS: usize = 8;
    const ROUNDS: usize = 3;
    const ENOUGH: usize = 200;
    for backend in BACKENDS {
        let file = fresh(&format!("kill-{backend}"));
        let mut acknowledged: Vec<(String, String)> = Vec::new();
        for round in 0..ROUNDS {
            let process = start(backend, &file);
            let address = process.address();
            let (send, receive) = mpsc::channel();
            let clients: Vec<_> = (0..CLIENTS)
                .map(|client| {
                    let send = send.clone();
                    thread::spawn(move || write_until_cut(address, &format!("{round}-{client}"), &send))
                })
                .collect();
            drop(send);
            let mut process = Some(process);
            let deadline = Instant::now() + Duration::from_secs(60);
            let mut count = 0;
            // All that was acknowledged is received: the channel ends when the last client was cut.
            for link in receive {
                acknowledged.push(link);
                count += 1;
                if (count >= ENOUGH || Instant::now() > deadline)
                    && let Some(process) = process.take()
                {
                    // kill -9
                    drop(process);
                }
            }
            assert!(count >= ENOUGH, "{backend}: {count} links in a minute");
            let sent: usize = clients.into_iter().map(|client| client.join().expect("no panic")).sum();
            println!("{backend}: killed with {count} links acknowledged, {sent} sent");
        }
        let process = start(backend, &file);
        let mut client = process.connect();
        for (code, url) in &acknowledged {
            let answer = client.get(&format!("/{code}"));
            assert_eq!((answer.status, answer.header("location")), (307, Some(&**url)), "{backend}: {code}");
        }
        process.interrupt();
        fs::remove_dir_all(file.parent().expect("its folder")).expect("cleared away");
    }
}

/// Adds links until the connection breaks, and tells of each that was acknowledged. Gives how many were sent.
fn write_until_cut(
    address: std::net::SocketAddr,
    name: &str,
    acknowledged: &mpsc::Sender<(String, String)>,
) -> usize {
    let mut client = Client::connect(address);
    for number in 0.. {
        let (code, url) = (format!("{name}-{number}"), format!("http://example.com/{name}/{number}"));
        let body = format!(r#"{{"url":"{url}","code":"{code}"}}"#);
        let answer: io::Result<_> = client.try_ask("POST", "/api/links", JSON, body.as_bytes());
        match answer {
            Ok(answer) => {
                assert_eq!(answer.status, 201, "{answer:?}");
                acknowledged.send((code, url)).expect("it is received");
            }
            Err(_) => return number + 1,
        }
    }
    unreachable!("the numbers do not end")
}
