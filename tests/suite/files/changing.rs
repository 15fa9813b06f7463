//! Files that change while they are sent, and what is no file.

use std::{
    fs,
    io::{ErrorKind, Write},
};

use trijet::{Backend, Router, files::Files, get};

use super::{Site, pattern, settled, with};
use crate::common::{
    client::{Client, get as request},
    pattern::Pattern,
    response::Ending,
    server::{start, start_with, unhurried},
};

on_every_backend!(
    a_file_that_shrinks_is_cut,
    a_file_that_grows_is_as_long_as_it_was,
    a_file_that_is_replaced_is_sent_as_it_was,
    a_file_that_is_overwritten_is_cut,
    nobody_waits_for_a_fifo,
);

/// Far more than sockets and buffers hold.
const LENGTH: usize = 32 << 20;

/// Asks for a large file, and reads its head and nothing more.
fn begin(client: &mut Client) {
    client.send(request("/file"));
    let head = client.head().with_status(200);
    assert_eq!(head.ending(), Ending::Length(LENGTH as u64));
}

fn a_file_that_shrinks_is_cut(on: Backend) {
    let site = Site::new();
    site.write("file", pattern(LENGTH));
    let server = start_with(on, Router::new().fallback(Files::dir(site.root())), unhurried());
    let mut client = Client::connect_narrow(server.address());
    begin(&mut client);
    let file = fs::OpenOptions::new().write(true).open(site.root().join("file")).unwrap();
    file.set_len(LENGTH as u64 / 2).unwrap();
    let (received, end) = client.everything();
    assert!(matches!(end, Ok(()) | Err(ErrorKind::ConnectionReset)), "{end:?}");
    assert!(received.len() <= LENGTH / 2, "{} bytes", received.len());
    assert!(Pattern::default().matches(&received));
    // The next one is told what there is now.
    let answer = server.connect().get("/file").with_status(200);
    assert_eq!(answer.body.len(), LENGTH / 2);
}

fn a_file_that_grows_is_as_long_as_it_was(on: Backend) {
    let site = Site::new();
    site.write("file", pattern(LENGTH));
    let server = start_with(on, Router::new().fallback(Files::dir(site.root())), unhurried());
    let mut client = Client::connect_narrow(server.address());
    let mut file = fs::OpenOptions::new().append(true).open(site.root().join("file")).unwrap();
    // It is one that is written to, however long it took to make it.
    file.set_modified(std::time::SystemTime::now()).unwrap();
    begin(&mut client);
    file.write_all(&[b'x'; 100_000]).unwrap();
    let mut received = Pattern::default();
    client.body(Ending::Length(LENGTH as u64), |piece| assert!(received.matches(piece)));
    // Nothing of what was added: the next answer follows at once.
    let part = client.send(with("/file", "range: bytes=-1\r\n")).response();
    assert_eq!((part.status, part.text()), (206, "x"));
}

fn a_file_that_is_replaced_is_sent_as_it_was(on: Backend) {
    let site = Site::new();
    site.write("file", pattern(LENGTH)).write("next", "new");
    let server = start_with(on, Router::new().fallback(Files::dir(site.root())), unhurried());
    let mut client = Client::connect_narrow(server.address());
    begin(&mut client);
    fs::rename(site.root().join("next"), site.root().join("file")).unwrap();
    server.connect().get("/file").says("new");
    let mut received = Pattern::default();
    client.body(Ending::Length(LENGTH as u64), |piece| assert!(received.matches(piece)));
    client.get("/file").says("new");
}

/// Once there is a tag, it stands for one content: what goes out under it is no mixture.
fn a_file_that_is_overwritten_is_cut(on: Backend) {
    use std::os::unix::fs::FileExt;

    for grows in [0, 1] {
        let site = Site::new();
        site.write("file", pattern(LENGTH));
        let server = start_with(on, Router::new().fallback(Files::dir(site.root())), unhurried());
        settled(&mut server.connect(), "/file");
        let mut client = Client::connect_narrow(server.address());
        begin(&mut client);
        let file = fs::OpenOptions::new().write(true).open(site.root().join("file")).unwrap();
        file.write_all_at(&[0; 1000], LENGTH as u64 - 1000 + grows).unwrap();
        let (received, end) = client.everything();
        assert!(matches!(end, Ok(()) | Err(ErrorKind::ConnectionReset)), "{end:?}");
        assert!(received.len() < LENGTH, "{} bytes", received.len());
        assert!(Pattern::default().matches(&received));
    }
}

/// Opening one waits for somebody who writes to it, unless it is opened so that it does not.
fn nobody_waits_for_a_fifo(on: Backend) {
    use rustix::fs::{CWD, FileType, Mode, mknodat};

    let site = Site::new();
    site.write("file", "x");
    mknodat(CWD, site.root().join("fifo"), FileType::Fifo, Mode::RWXU, 0).unwrap();
    let app = Router::new().fallback(Files::dir(site.root()).listing());
    let server = start(on, app);
    let mut client = server.connect();
    for path in ["/fifo", "/fifo/", "/fifo/x"] {
        client.get(path).with_status(404);
    }
    assert!(!client.get("/").with_status(200).text().contains("fifo"));
    // A file that becomes one while the app runs.
    let app = Router::new().route("/", get(Files::file(site.root().join("file"))));
    let server = start(on, app);
    let mut client = server.connect();
    client.get("/").says("x");
    fs::rename(site.root().join("fifo"), site.root().join("file")).unwrap();
    client.get("/").with_status(404);
}
