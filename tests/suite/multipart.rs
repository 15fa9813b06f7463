//! Forms with files over real sockets: in both kinds of handlers, cut in any way, larger than memory should hold, and as an
//! attacker would send them.

use std::{
    fmt::Write as _,
    io::{Read, Write},
    thread,
};

use trijet::{
    Backend, Router,
    multipart::{Multipart, MultipartError, MultipartLimits, Part},
    post,
};

use crate::common::{
    client::Client,
    pattern::Pattern,
    response::Response,
    server::{start, start_with, unhurried},
};

on_every_backend!(
    fields_and_files_are_read,
    any_cut_changes_nothing,
    what_is_not_read_is_skipped,
    files_larger_than_memory_stream,
    forms_that_are_none_are_refused,
    every_limit_is_kept,
    floods_are_refused_in_time,
    a_form_that_is_cut_is_never_whole,
    a_blocking_read_in_an_async_fn_says_so,
);

const BOUNDARY: &str = "----Form'Boundary (7)";

fn describe(answer: &mut String, part: &Part<'_>, text: &str) {
    let (name, file) = (part.name(), part.file_name());
    writeln!(answer, "{name} {file:?} {:?} {:?} {text:?}", part.safe_file_name(), part.content_type())
        .unwrap();
}

/// By `text` where it is a field, piece by piece where it is a file.
async fn read_async(mut form: Multipart) -> Result<String, MultipartError> {
    let mut answer = String::new();
    while let Some(mut part) = form.next().await? {
        let mut text = Vec::new();
        while let Some(piece) = part.next().await? {
            assert!(!piece.is_empty());
            text.extend_from_slice(&piece);
        }
        assert!(part.next().await?.is_none(), "the end stays");
        describe(&mut answer, &part, &String::from_utf8_lossy(&text));
    }
    assert!(form.next().await?.is_none(), "the end stays");
    Ok(answer)
}

async fn read_as_streams(mut form: Multipart) -> Result<String, MultipartError> {
    let mut answer = String::new();
    while let Some(mut part) = form.next().await? {
        let mut text = Vec::new();
        while let Some(piece) = futures_util::StreamExt::next(&mut part).await {
            text.extend_from_slice(&piece?);
        }
        describe(&mut answer, &part, &String::from_utf8_lossy(&text));
    }
    Ok(answer)
}

fn read(mut form: Multipart) -> Result<String, MultipartError> {
    let mut answer = String::new();
    while let Some(mut part) = form.next_blocking()? {
        let mut text = String::new();
        // Small reads between large ones.
        part.by_ref().take(3).read_to_string(&mut text)?;
        part.read_to_string(&mut text)?;
        assert_eq!(part.read(&mut [0; 4])?, 0, "the end stays");
        describe(&mut answer, &part, &text);
    }
    Ok(answer)
}

async fn texts(mut form: Multipart) -> Result<String, MultipartError> {
    let mut answer = String::new();
    while let Some(part) = form.next().await? {
        answer += &part.text().await?;
    }
    Ok(answer)
}

fn texts_blocking(mut form: Multipart) -> Result<String, MultipartError> {
    let mut answer = String::new();
    while let Some(part) = form.next_blocking()? {
        answer += &part.text_blocking()?;
    }
    Ok(answer)
}

async fn names(mut form: Multipart) -> Result<String, MultipartError> {
    let mut answer = String::new();
    while let Some(part) = form.next().await? {
        answer += part.name();
    }
    Ok(answer)
}

fn names_blocking(mut form: Multipart) -> Result<String, MultipartError> {
    let mut answer = String::new();
    while let Some(mut part) = form.next_blocking()? {
        answer += part.name();
        // A little of it is read.
        let _ = part.read(&mut [0; 2])?;
    }
    Ok(answer)
}

async fn blocking_in_async(mut form: Multipart) -> Result<String, MultipartError> {
    Ok(form.next_blocking()?.map(|part| part.name().to_owned()).unwrap_or_default())
}

/// What has come with the head needs no waiting; that must not make it work.
async fn half_blocking(mut form: Multipart) -> Result<String, MultipartError> {
    match form.next().await? {
        Some(part) => part.text_blocking(),
        None => Ok("no part".to_owned()),
    }
}

fn app() -> Router {
    Router::new()
        .route("/async", post(read_async))
        .route("/streams", post(read_as_streams))
        .route("/fn", post(read))
        .route("/texts", post(texts))
        .route("/texts/fn", post(texts_blocking))
        .route("/names", post(names))
        .route("/names/fn", post(names_blocking))
        .route("/wrong", post(blocking_in_async))
        .route("/half", post(half_blocking))
}

fn content_type() -> String {
    format!("multipart/form-data; boundary=\"{BOUNDARY}\"")
}

/// A form of these heads and contents.
fn form(parts: &[(&str, &str)]) -> String {
    let parts: String =
        parts.iter().map(|(head, content)| format!("--{BOUNDARY}\r\n{head}\r\n\r\n{content}\r\n")).collect();
    format!("{parts}--{BOUNDARY}--\r\n")
}

fn field(name: &str) -> String {
    format!("Content-Disposition: form-data; name=\"{name}\"")
}

fn post_as(path: &str, content_type: &str, body: &str) -> String {
    let length = body.len();
    format!(
        "POST {path} HTTP/1.1\r\nhost: t\r\ncontent-type: {content_type}\r\ncontent-length: {length}\r\n\r\n{body}"
    )
}

/// Sends it, as far as the server takes it, and reads the answer.
fn ask(client: &mut Client, path: &str, content_type: &str, body: &str) -> Response {
    _ = client.try_send(post_as(path, content_type, body));
    client.response()
}

const UPLOAD: &str =
    "Content-Disposition: form-data; name=\"photo\"; filename=\"..\\a b.png\"\r\nContent-Type: image/png";

fn usual() -> (String, String) {
    let hidden = format!("\r\n--\r\n-- --{BOUNDARY}\r\r\n\n--{}", &BOUNDARY[..10]);
    let sent = form(&[
        (&field("title"), "Summer"),
        (UPLOAD, &hidden),
        ("content-disposition:form-data;name=empty", ""),
        ("X-Other: 1\r\nCONTENT-DISPOSITION: Form-Data; filename=\"\"; name=\"no; name=x\"", "\r\n"),
    ]);
    let read = format!(
        "title None None None \"Summer\"\n\
         photo Some(\"..\\\\a b.png\") Some(\"a b.png\") Some(\"image/png\") {hidden:?}\n\
         empty None None None \"\"\n\
         no; name=x Some(\"\") None None \"\\r\\n\"\n"
    );
    (sent, read)
}

fn fields_and_files_are_read(on: Backend) {
    let server = start(on, app());
    let mut client = server.connect();
    let (mut sent, read) = usual();
    // What the boundary's line may have behind it (RFC 2046 §5.1.1), and what comes before and after.
    sent = sent.replacen(&format!("{BOUNDARY}\r\n"), &format!("{BOUNDARY} \t\r\n"), 1);
    sent = format!("preamble\r\n{sent}epilogue");
    for path in ["/async", "/streams", "/fn"] {
        ask(&mut client, path, &content_type(), &sent).says(&read);
        // What comes behind is read too, and the connection kept, as long as it is short.
        send_in_pieces(&mut client, path, &sent, 50);
        assert!(!client.response().with_status(200).closes());
        send_in_pieces(&mut client, path, &format!("{sent}{}", "epilogue".repeat(10_000)), 50);
        assert!(client.response().with_status(200).closes());
        client = server.connect();
    }
    for path in ["/texts", "/texts/fn"] {
        let two = form(&[(&field("a"), "one, "), (&field("b"), "two")]);
        ask(&mut client, path, &content_type(), &two).says("one, two");
    }
}

/// In chunks of so many bytes each, which are frames of the body.
fn send_in_pieces(client: &mut Client, path: &str, body: &str, size: usize) {
    let content_type = content_type();
    let mut request = format!(
        "POST {path} HTTP/1.1\r\nhost: t\r\ncontent-type: {content_type}\r\ntransfer-encoding: chunked\r\n\r\n"
    )
    .into_bytes();
    for piece in body.as_bytes().chunks(size) {
        request.extend_from_slice(format!("{:x}\r\n", piece.len()).as_bytes());
        request.extend_from_slice(piece);
        request.extend_from_slice(b"\r\n");
    }
    request.extend_from_slice(b"0\r\n\r\n");
    client.send(request);
}

fn any_cut_changes_nothing(on: Backend) {
    let server = start(on, app());
    let mut client = server.connect();
    let (sent, read) = usual();
    for path in ["/async", "/fn"] {
        for size in [1, 2, 3, 5, 7, 11, 23, 64, 100, 1000] {
            send_in_pieces(&mut client, path, &sent, size);
            client.response().says(&read);
        }
    }
}

fn what_is_not_read_is_skipped(on: Backend) {
    let server = start(on, app());
    let mut client = server.connect();
    let long = format!("\r\n--{}", "long ".repeat(30_000));
    let sent = form(&[(&field("a"), &long), (&field("b"), ""), (&field("c"), &long), (&field("d"), "d")]);
    for path in ["/names", "/names/fn"] {
        ask(&mut client, path, &content_type(), &sent).says("abcd");
        send_in_pieces(&mut client, path, &sent, 1009);
        client.response().says("abcd");
    }
}

const LARGE: u64 = 24 << 20;

async fn compare_async(mut form: Multipart) -> Result<String, MultipartError> {
    let mut answer = String::new();
    while let Some(mut part) = form.next().await? {
        let mut pattern = Pattern::default();
        while let Some(piece) = part.next().await? {
            assert!(piece.len() <= 64 << 10 && pattern.matches(&piece), "near {}", pattern.position());
        }
        answer += &format!("{} ", pattern.position());
    }
    Ok(answer)
}

fn compare(mut form: Multipart) -> Result<String, MultipartError> {
    let mut answer = String::new();
    let mut buffer = vec![0; 50_000];
    while let Some(mut part) = form.next_blocking()? {
        let mut pattern = Pattern::default();
        loop {
            let count = part.read(&mut buffer)?;
            if count == 0 {
                break;
            }
            assert!(pattern.matches(&buffer[..count]), "near {}", pattern.position());
        }
        answer += &format!("{} ", pattern.position());
    }
    Ok(answer)
}

fn files_larger_than_memory_stream(on: Backend) {
    let app = Router::new()
        .route("/async", post(compare_async).body_limit(u64::MAX))
        .route("/fn", post(compare).body_limit(u64::MAX));
    let server = start(on, app);
    let mut client = server.connect();
    for path in ["/async", "/fn"] {
        let begin = format!("--{BOUNDARY}\r\n{}\r\n\r\n", field("file"));
        let end = format!("\r\n--{BOUNDARY}--\r\n");
        let length = 2 * (begin.len() as u64 + LARGE) + end.len() as u64 + 2;
        client.send(format!(
            "POST {path} HTTP/1.1\r\nhost: t\r\ncontent-type: {}\r\ncontent-length: {length}\r\n\r\n",
            content_type()
        ));
        for index in 0..2 {
            client.send(if index == 0 { begin.clone() } else { format!("\r\n{begin}") });
            let mut sent = Pattern::default();
            while sent.position() < LARGE {
                let rest = usize::try_from(LARGE - sent.position()).unwrap();
                client.send(sent.piece(rest.min(61_003)));
            }
        }
        client.send(end).response().says(&format!("{LARGE} {LARGE} "));
    }
}

fn forms_that_are_none_are_refused(on: Backend) {
    let server = start(on, app());
    let one = form(&[(&field("a"), "1")]);
    let mixed = "multipart/mixed; boundary=x".to_owned();
    let boundary = |boundary: &str| format!("multipart/form-data; boundary={boundary}");
    let types = [
        ("", 415),
        ("text/plain", 415),
        ("application/x-www-form-urlencoded", 415),
        (&mixed, 415),
        ("multipart/form-data; boundary", 400),
        ("multipart/form-data", 400),
        (&boundary("\"\""), 400),
        (&boundary(&"x".repeat(71)), 400),
        (&boundary(&"x".repeat(5000)), 400),
        (&boundary("\"a;b\""), 400),
        (&boundary("\"ends \""), 400),
        (&boundary("\"\u{fc}\""), 400),
    ];
    for path in ["/async", "/fn"] {
        for (content_type, status) in types {
            let answer = ask(&mut server.connect(), path, content_type, &one).with_status(status);
            assert!(answer.text().starts_with("The request was refused: "), "{content_type}: {answer:?}");
        }
        let heads = [
            "",
            "X: 1",
            "Content-Disposition: form-data",
            "Content-Disposition: attachment; name=\"a\"",
            "Content-Disposition: form-data; name=\"a",
            "Content-Disposition: form-data; name=\"a\"; name=\"b\"",
            "Content-Disposition: form-data; filename=\"a\"",
            "no field",
            "Content Disposition: form-data; name=\"a\"",
            "Content-Disposition: form-data; name=\"a\0\"",
        ];
        for head in heads {
            let answer = ask(&mut server.connect(), path, &content_type(), &form(&[(head, "1")]));
            assert_eq!(answer.status, 400, "{head:?}: {answer:?}");
            assert!(!answer.text().contains("form-data;"), "nothing of the input: {answer:?}");
        }
        let bodies = [
            String::new(),
            "hello".to_owned(),
            format!("--{BOUNDARY}"),
            format!("--{BOUNDARY}-"),
            format!("--{BOUNDARY}\r\n"),
            format!("--{BOUNDARY} x\r\n{}\r\n\r\n1\r\n--{BOUNDARY}--", field("a")),
            format!("--{BOUNDARY}\r\n{}\r\n\r\n1", field("a")),
            format!("--{BOUNDARY}\r\n{}\r\n\r\n1\r\n--{BOUNDARY}", field("a")),
            one.replace("\r\n", "\n"),
        ];
        for body in bodies {
            ask(&mut server.connect(), path, &content_type(), &body).with_status(400);
        }
    }
    // Not UTF-8, where a text is asked for.
    for path in ["/texts", "/texts/fn"] {
        let body = form(&[(&field("a"), "?")]).into_bytes();
        let body: Vec<u8> = body.into_iter().map(|byte| if byte == b'?' { 0xff } else { byte }).collect();
        let mut client = server.connect();
        client.send(format!(
            "POST {path} HTTP/1.1\r\nhost: t\r\ncontent-type: {}\r\ncontent-length: {}\r\n\r\n",
            content_type(),
            body.len()
        ));
        client.send(body).response().with_status(400);
    }
}

fn every_limit_is_kept(on: Backend) {
    let limits = MultipartLimits {
        parts_max: 3,
        part_bytes_max: 1000,
        collected_bytes_max: 100,
        head_bytes_max: 500,
        name_bytes_max: 10,
        file_name_bytes_max: 20,
    };
    let server = start(on, app().state(limits));
    let file = |name: &str| format!("{}; filename=\"{name}\"", field("f"));
    let padded = |bytes: usize| {
        let head = format!("{}\r\nX: ", field("a"));
        format!("{head}{}", "x".repeat(bytes - head.len() - 8))
    };
    let rows = [
        ("parts", form(&[(&*field("a"), "1"); 3]), form(&[(&*field("a"), "1"); 4])),
        ("bytes", form(&[(&field("a"), &"x".repeat(1000))]), form(&[(&field("a"), &"x".repeat(1001))])),
        ("name", form(&[(&field(&"n".repeat(10)), "")]), form(&[(&field(&"n".repeat(11)), "")])),
        ("file", form(&[(&file(&"n".repeat(20)), "")]), form(&[(&file(&"n".repeat(21)), "")])),
        ("head", form(&[(&padded(440), "")]), form(&[(&padded(600), "")])),
    ];
    for path in ["/async", "/fn"] {
        for (what, most, more) in &rows {
            ask(&mut server.connect(), path, &content_type(), most).with_status(200);
            let answer = ask(&mut server.connect(), path, &content_type(), more).with_status(413);
            assert!(answer.text().contains(what), "{answer:?}");
        }
    }
    for path in ["/texts", "/texts/fn"] {
        let text = |bytes: usize| form(&[(&field("a"), &"x".repeat(bytes))]);
        ask(&mut server.connect(), path, &content_type(), &text(100)).says(&"x".repeat(100));
        let answer = ask(&mut server.connect(), path, &content_type(), &text(101)).with_status(413);
        assert!(answer.text().contains("in memory"), "{answer:?}");
    }
    // The route's own limit, which a length breaks before a byte is read, and chunks while they come.
    let server = start(on, app());
    let large = form(&[(&field("a"), &"x".repeat(3 << 20))]);
    for path in ["/async", "/fn", "/names"] {
        ask(&mut server.connect(), path, &content_type(), &large).with_status(413);
        let mut client = server.connect();
        let mut sender = client.sender();
        let sent = large.clone();
        let sending = thread::spawn(move || {
            let head = format!(
                "POST {path} HTTP/1.1\r\nhost: t\r\ncontent-type: {}\r\ntransfer-encoding: chunked\r\n\r\n{:x}\r\n",
                content_type(),
                sent.len()
            );
            // The server stops reading once it has refused.
            _ = sender.write_all(head.as_bytes()).and_then(|()| sender.write_all(sent.as_bytes()));
        });
        client.response().with_status(413);
        sending.join().unwrap();
    }
}

/// Each would cost memory or time without bounds, were there none.
fn floods_are_refused_in_time(on: Backend) {
    let server = start_with(on, app(), unhurried());
    let many = form(&vec![(&*field("a"), ""); 10_000]);
    let endless_head = format!("--{BOUNDARY}\r\n{}", "X-Header: value\r\n".repeat(50_000));
    let endless_field = format!("--{BOUNDARY}\r\nX: {}", "x".repeat(1 << 20));
    let endless_padding = format!("--{BOUNDARY}{}", " ".repeat(1 << 20));
    let preamble = "-".repeat(1 << 20);
    let boundaries = format!("--{BOUNDARY}\r\n").repeat(30_000);
    let many_fields = form(&[(&format!("{}\r\n{}", field("a"), "X: 1\r\n".repeat(100)), "")]);
    let quotes = form(&[(&format!("Content-Disposition: form-data; name=\"{}", "\\\"".repeat(3000)), "")]);
    let rows = [
        ("thousands of parts", &many, 413),
        ("an endless head", &endless_head, 413),
        ("an endless field", &endless_field, 413),
        ("endless padding", &endless_padding, 413),
        ("an endless preamble", &preamble, 413),
        ("boundaries alone", &boundaries, 413),
        ("many fields in a head", &many_fields, 400),
        ("quotes without end", &quotes, 400),
    ];
    for path in ["/async", "/fn"] {
        for (what, body, status) in rows {
            let answer = ask(&mut server.connect(), path, &content_type(), body);
            assert_eq!(answer.status, status, "{what}: {answer:?}");
            // Byte by byte: the server answers long before the end, and so the rest may find no reader.
            let mut client = server.connect();
            let content_type = content_type();
            let head = format!(
                "POST {path} HTTP/1.1\r\nhost: t\r\ncontent-type: {content_type}\r\ntransfer-encoding: chunked\r\n\r\n"
            );
            client.send(head);
            let drops: String = body.chars().take(200_000).map(|byte| format!("1\r\n{byte}\r\n")).collect();
            _ = client.try_send(drops);
            _ = client.try_send("0\r\n\r\n");
            assert_eq!(client.response().status, status, "{what}, dripped");
        }
    }
    // A form within a form is the content of a part.
    let nested = form(&[(
        "Content-Disposition: form-data; name=\"a\"\r\nContent-Type: multipart/mixed; boundary=b",
        "--b\r\n\r\n1\r\n--b--",
    )]);
    let answer = ask(&mut server.connect(), "/async", &content_type(), &nested).with_status(200);
    assert!(
        answer.text().contains(r#"Some("multipart/mixed; boundary=b") "--b\r\n\r\n1\r\n--b--""#),
        "{answer:?}"
    );
}

fn a_form_that_is_cut_is_never_whole(on: Backend) {
    let server = start(on, app());
    let (sent, _) = usual();
    let end = sent.len() - "--\r\n".len();
    for path in ["/async", "/fn", "/names", "/names/fn"] {
        for length in (0..=end).step_by(7).chain([end]) {
            let answer = ask(&mut server.connect(), path, &content_type(), &sent[..length]);
            assert_eq!(answer.status, 400, "{path}, {length} of {end}: {answer:?}");
            // The connection that breaks in the middle of the declared body.
            let mut client = server.connect();
            let whole = post_as(path, &content_type(), &sent);
            client.send(&whole[..whole.len() - sent.len() + length]).half_close();
            let answer = client.response();
            assert_eq!(answer.status, 400, "{path}, {length} of {end}: {answer:?}");
        }
    }
}

fn a_blocking_read_in_an_async_fn_says_so(on: Backend) {
    let server = start(on, app());
    let (sent, _) = usual();
    let mut client = server.connect();
    let answer = ask(&mut client, "/wrong", &content_type(), &sent).with_status(500);
    assert!(!answer.text().contains("Body"), "{answer:?}");
    ask(&mut server.connect(), "/half", &content_type(), &sent).with_status(500);
    let mut dripped = server.connect();
    send_in_pieces(&mut dripped, "/half", &sent, 1);
    dripped.response().with_status(500);
    ask(&mut server.connect(), "/names", &content_type(), &form(&[(&field("a"), "")])).says("a");
}
