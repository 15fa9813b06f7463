//! Sockets that systemd passes, as it does: descriptors from 3 on, and variables that tell of them. A shell stands in for it,
//! with two sockets of the test's as its input and output.

use std::{
    env,
    net::TcpListener,
    os::{fd::OwnedFd, unix::net::UnixListener},
    process::{self, Command, Stdio},
};

use trijet::{Address, Backend, Router, Server, extract::PeerAddress, get};

use crate::common::{client::Client, server::Running};

on_every_backend!(sockets_that_are_passed_are_listened_on_by_their_names, without_any_it_is_an_error);

/// The path of the Unix socket, for the process that gets it.
const CHILD: &str = "TRIJET_TEST_SYSTEMD";

fn app() -> Router {
    Router::new()
        .route("/", get(async |peer: Option<PeerAddress>| if peer.is_some() { "somebody" } else { "nobody" }))
}

fn sockets_that_are_passed_are_listened_on_by_their_names(on: Backend) {
    let Some(path) = env::var_os(CHILD) else { return pass_them(on) };
    let start = |address: Address| Server::new(app()).backend(on).start_on([address]);
    let missing = start(Address::systemd(Some("other"))).unwrap_err().to_string();
    assert!(missing.contains("no socket of the name \"other\""), "{missing}");
    let admin = Running::new(on, start(Address::systemd(Some("admin"))));
    let rest = Running::new(on, start("systemd".parse().unwrap()));
    assert!(start(Address::systemd(None)).is_err(), "each is taken once");
    assert!(env::var_os("LISTEN_FDS").is_none(), "no child takes them for its own");
    assert_eq!(admin.handle().local_addrs()[0].unix().unwrap(), path);
    Client::connect_unix(path.as_ref()).get("/").says("nobody");
    rest.connect().get("/").says("somebody");
    drop((admin, rest));
    assert!(std::path::Path::new(&path).exists(), "it is systemd's");
}

/// Runs this test again, in a process that gets a socket of TCP named `web`, and one of Unix named `admin`.
fn pass_them(on: Backend) {
    let path = env::temp_dir().join(format!("trijet-systemd-{}-{on}", process::id()));
    let web = OwnedFd::from(TcpListener::bind("127.0.0.1:0").unwrap());
    let admin = OwnedFd::from(UnixListener::bind(&path).unwrap());
    let script =
        "LISTEN_PID=$$ LISTEN_FDS=2 LISTEN_FDNAMES=web:admin exec \"$0\" \"$@\" 3<&0 4<&1 0</dev/null 1>&2";
    let test = format!("systemd::{on}::sockets_that_are_passed_are_listened_on_by_their_names");
    let output = Command::new("sh")
        .args(["-c", script])
        .arg(env::current_exe().unwrap())
        .args(["--exact", &test, "--nocapture"])
        .env(CHILD, &path)
        .stdin(Stdio::from(web))
        .stdout(Stdio::from(admin))
        .stderr(Stdio::piped())
        .output()
        .unwrap();
    std::fs::remove_file(path).unwrap();
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && text.contains("1 passed"), "{}\n{text}", output.status);
}

fn without_any_it_is_an_error(on: Backend) {
    let error = Server::new(app()).backend(on).start_on([Address::systemd(None)]).unwrap_err().to_string();
    assert_eq!(error, "cannot listen on systemd: no socket was passed (LISTEN_FDS)");
}
