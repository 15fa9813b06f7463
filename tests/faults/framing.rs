//! Bodies that are not read, cut, lied about or made of a million pieces, and requests in one segment.

use std::{
    io::{Read, Write},
    sync::mpsc::{Receiver, Sender, channel},
    thread,
};

use futures_util::stream;
use trijet::{Backend, Body, Bytes, Limits, Router, StatusCode, get, post};

use crate::common::{
    PATIENCE,
    client::{Client, get as request, post as upload},
    oracle::{Bystanders, Oracle},
};

in_children_on_every_backend!(
    ":":
    a_second_request_in_an_unread_body,
    bodies_cut_at_every_byte,
    sizes_that_overflow,
    a_million_chunks_of_one_byte,
    a_thousand_requests_in_one_segment,
    a_bad_request_in_a_pipeline,
    what_follows_an_announced_close,
    a_declared_length_that_is_wrong,
    head_204_and_304,
);

/// What a handler read: the body, or that it was not whole.
type Reported = Result<usize, ()>;

fn app(report: Sender<Reported>) -> Router {
    let [collecting, reading, piecewise] = [report.clone(), report.clone(), report];
    let collect = move |body: Body| {
        let report = collecting.clone();
        async move {
            let body = body.bytes().await;
            report.send(body.as_ref().map(Bytes::len).map_err(drop)).unwrap();
            body.map(|body| body.len().to_string())
        }
    };
    let read = move |body: Body| {
        let mut all = Vec::new();
        let result = body.reader().read_to_end(&mut all);
        reading.send(result.as_ref().map(|count| *count).map_err(drop)).unwrap();
        result.map(|count| count.to_string()).map_err(|_| StatusCode::BAD_REQUEST)
    };
    let pieces = move |mut body: Body| {
        let report = piecewise.clone();
        async move {
            let mut count = 0;
            while let Some(piece) = body.next().await {
                match piece {
                    Ok(piece) => count += piece.len(),
                    Err(error) => {
                        report.send(Err(())).unwrap();
                        return Err(error);
                    }
                }
            }
            report.send(Ok(count)).unwrap();
            Ok(count.to_string())
        }
    };
    Router::new()
        .route("/", get(async || "hello").post(async || "not read"))
        .route("/fn", get(|| "hello").post(|| "not read"))
        .route("/collect", post(collect))
        .route("/read", post(read))
        .route("/pieces", post(pieces))
}

const READERS: [&str; 3] = ["/collect", "/read", "/pieces"];

fn watched(on: Backend, limits: Limits) -> (Oracle, Receiver<Reported>) {
    let (report, reports) = channel();
    (Oracle::watch_with(on, app(report), limits, Bystanders::Served), reports)
}

fn a_second_request_in_an_unread_body(on: Backend) {
    let (oracle, _reports) = watched(on, Limits::default());
    let mut client = oracle.connect();
    for path in ["/", "/fn", "/missing"] {
        for count in [1, 100, 1000] {
            let body = "GET /fn HTTP/1.1\r\nhost: smuggled\r\n\r\n".repeat(count);
            client.send(upload(path, &body) + &request("/"));
            assert!(!client.response().closes(), "{path}");
            client.response().says("hello");
        }
    }
    assert!(client.is_silent());
}

fn bodies_cut_at_every_byte(on: Backend) {
    let (oracle, reports) = watched(on, Limits::default());
    let framings = [
        ("content-length: 11", &b"hello world"[..]),
        ("transfer-encoding: chunked", b"5\r\nhello\r\n6;x=y\r\n world\r\n0\r\nx-sum: 1\r\n\r\n"),
    ];
    for path in READERS {
        for (framing, body) in framings {
            let head = format!("POST {path} HTTP/1.1\r\nhost: t\r\n{framing}\r\n\r\n");
            for cut in 0..=body.len() {
                let whole = cut == body.len();
                let expected = if whole { Ok(11) } else { Err(()) };
                let mut client = oracle.connect();
                client.send([head.as_bytes(), &body[..cut]].concat()).half_close();
                assert_eq!(reports.recv_timeout(PATIENCE), Ok(expected), "{path} {framing}, cut at {cut}");
                client.response().with_status(if whole { 200 } else { 400 });
                client.is_ended();
            }
        }
    }
    // One that is reset is not told of, where the reset overtakes the head.
    for path in READERS {
        for (framing, body) in framings {
            let head = format!("POST {path} HTTP/1.1\r\nhost: t\r\n{framing}\r\n\r\n");
            for cut in 0..body.len() {
                let mut client = oracle.connect();
                client.send([head.as_bytes(), &body[..cut]].concat());
                client.reset();
            }
        }
    }
    drop(oracle);
    assert!(reports.try_iter().all(|report| report.is_err()), "a body that was cut was taken for whole");
}

fn sizes_that_overflow(on: Backend) {
    let (oracle, reports) = watched(on, Limits { body_bytes_max: u64::MAX, ..Limits::default() });
    let sizes = ["ffffffffffffffff", "fffffffffffffffe", "10000000000000000", "ffffffffffffffffffffffff"];
    let lengths =
        ["18446744073709551615", "18446744073709551616", "99999999999999999999999", "9223372036854775808"];
    let bodies = sizes
        .iter()
        .map(|size| format!("transfer-encoding: chunked\r\n\r\n{size}\r\nhello"))
        // The sum of two overflows, where neither does.
        .chain(["transfer-encoding: chunked\r\n\r\n5\r\nhello\r\nfffffffffffffffd\r\nhello".to_owned()])
        .chain(lengths.iter().map(|length| format!("content-length: {length}\r\n\r\nhello")));
    for body in bodies {
        for path in READERS {
            let mut client = oracle.connect();
            client.send(format!("POST {path} HTTP/1.1\r\nhost: t\r\n{body}")).half_close();
            let answer = client.response();
            assert!([400, 413].contains(&answer.status) && answer.closes(), "{body}: {answer:?}");
            client.is_ended();
        }
    }
    assert!(reports.try_iter().all(|report| report.is_err()));
}

fn a_million_chunks_of_one_byte(on: Backend) {
    const CHUNKS: usize = 1_000_000;
    let limits = Limits { chunk_extension_bytes_max: usize::MAX, ..Limits::default() };
    let send = |client: &Client, path: &str| {
        let head = format!("POST {path} HTTP/1.1\r\nhost: t\r\ntransfer-encoding: chunked\r\n\r\n");
        let mut sender = client.sender();
        thread::spawn(move || {
            let thousand = b"1;x\r\n.\r\n".repeat(1000);
            sender.write_all(head.as_bytes())?;
            for _ in 0..CHUNKS / 1000 {
                sender.write_all(&thousand)?;
            }
            sender.write_all(b"0\r\n\r\n")
        })
    };
    // Among others: by default nobody would be idle for so long.
    let limits = Limits { idle_timeout: 18 * PATIENCE, ..limits };
    let (oracle, reports) = watched(on, limits);
    let mut client = oracle.connect();
    // A million pieces take their time where nothing is optimised.
    client.stream().set_read_timeout(Some(18 * PATIENCE)).unwrap();
    let sending = send(&client, "/pieces");
    client.response().says(&CHUNKS.to_string());
    sending.join().unwrap().unwrap();
    assert_eq!(reports.recv_timeout(PATIENCE), Ok(Ok(CHUNKS)));
    drop(client);
    drop(oracle);
    // By default, extensions are bounded.
    let (oracle, _reports) = watched(on, Limits::default());
    for path in ["/collect", "/read"] {
        let mut client = oracle.connect();
        let sending = send(&client, path);
        assert!(client.response().with_status(400).closes());
        // More than is read of it before the close: the sender may be told of a reset.
        _ = sending.join().unwrap();
        client.is_cut();
    }
}

fn a_thousand_requests_in_one_segment(on: Backend) {
    let (oracle, _reports) = watched(on, Limits::default());
    let mut client = oracle.connect();
    for _ in 0..3 {
        client.send((request("/") + &request("/fn")).repeat(500));
        for _ in 0..1000 {
            client.response().says("hello");
        }
    }
    assert!(client.is_silent());
}

fn a_bad_request_in_a_pipeline(on: Backend) {
    let (oracle, _reports) = watched(on, Limits::default());
    for bad in [
        "GET / HTTP/1.1\r\n\r\n",
        "\0",
        "GET / HTTP/1.1\r\nhost : t\r\n\r\n",
        "POST / HTTP/1.1\r\nhost: t\r\ncontent-length: 1, 1\r\n\r\n",
    ] {
        let mut client = oracle.connect();
        client.send(request("/").repeat(20) + &request("/fn") + bad + "\r\n\r\n" + &request("/").repeat(20));
        for _ in 0..21 {
            assert!(!client.response().says("hello").closes());
        }
        assert!(client.response().with_status(400).closes(), "{bad}");
        client.is_ended();
    }
}

fn what_follows_an_announced_close(on: Backend) {
    let (oracle, reports) = watched(on, Limits::default());
    for first in [
        "GET / HTTP/1.1\r\nhost: t\r\nconnection: close\r\n\r\n".to_owned(),
        "GET /fn HTTP/1.0\r\n\r\n".to_owned(),
        "GET /missing HTTP/1.1\r\nhost: t\r\nconnection: x, close\r\n\r\n".to_owned(),
    ] {
        for next in [upload("/collect", "more"), request("/").repeat(1000), "\0".repeat(100_000)] {
            let mut client = oracle.connect();
            client.send(first.clone() + &next);
            assert!(client.response().closes(), "{first}");
            client.is_ended();
        }
    }
    drop(oracle);
    assert!(reports.try_recv().is_err(), "what follows was served");
}

fn a_declared_length_that_is_wrong(on: Backend) {
    let declared = |length: &'static str| {
        get(move || {
            let body = stream::iter(["12345", "67890"].map(Ok::<_, std::io::Error>));
            std::future::ready(([("content-length", length)], Body::from_stream(body)))
        })
    };
    let declared_fn = |length: &'static str| {
        get(move || {
            let body = Body::from_iter(["12345", "67890"].map(Ok::<_, std::io::Error>));
            ([("content-length", length)], body)
        })
    };
    let app = Router::new()
        .route("/short", declared("9"))
        .route("/short/fn", declared_fn("9"))
        .route("/long", declared("11"))
        .route("/long/fn", declared_fn("11"));
    let oracle = Oracle::watch(on, app);
    for _ in 0..20 {
        for path in ["/short", "/short/fn"] {
            let mut client = oracle.connect();
            client.send(request(path).repeat(2)).response().says("123456789");
            client.is_ended();
        }
        for path in ["/long", "/long/fn"] {
            let mut client = oracle.connect();
            assert_eq!(client.send(request(path).repeat(2)).head().header("content-length"), Some("11"));
            assert_eq!(client.everything(), (b"1234567890".to_vec(), Ok(())));
        }
    }
}

fn head_204_and_304(on: Backend) {
    let piece = || Body::from_iter([Ok::<_, std::io::Error>("not to be sent")]);
    let app = Router::new()
        .route("/", get(async || "hello"))
        .route("/stream", get(piece))
        .route("/204", get(move || (StatusCode::NO_CONTENT, piece())))
        .route("/304", get(move || (StatusCode::NOT_MODIFIED, piece())))
        .route("/204/text", get(async || (StatusCode::NO_CONTENT, "not to be sent")))
        .route("/304/text", get(async || (StatusCode::NOT_MODIFIED, "not to be sent")));
    let oracle = Oracle::watch(on, app);
    let mut client = oracle.connect();
    for _ in 0..20 {
        for (path, status) in [("/204", 204), ("/204/text", 204), ("/304", 304), ("/304/text", 304)] {
            client.get(path).with_status(status);
            client.send(request(path).replacen("GET", "HEAD", 1)).response_to_head().with_status(status);
            client.get("/").says("hello");
        }
        for path in ["/", "/stream", "/missing"] {
            client.send(request(path).replacen("GET", "HEAD", 1)).response_to_head();
            client.get("/").says("hello");
        }
    }
}
