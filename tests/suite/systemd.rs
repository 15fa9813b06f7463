//! Sockets that systemd passes, as it does: descriptors from 3 on, and variables that tell of them. A shell stands in for it,
//! with two sockets of the test's as its input and output.

use std::{
    env,
    net::TcpListener,
    os::{
        fd::{AsRawFd, OwnedFd},
        unix::net::UnixListener,
    },
    process::{self, Command, Stdio},
};

use trijet::{Address, Backend, Router, Server, ServerHandle, extract::PeerAddress, get};

use crate::common::{client::Client, server::Running};

on_every_backend!(
    sockets_that_are_passed_are_listened_on_by_their_names,
    what_is_passed_and_is_no_listener_is_in_nobody_s_way,
    without_any_it_is_an_error,
    those_of_another_process_are_not_taken,
);

/// The path of the Unix socket, for the process that gets it.
const CHILD: &str = "TRIJET_TEST_SYSTEMD";

fn app() -> Router {
    Router::new()
        .route("/", get(async |peer: Option<PeerAddress>| if peer.is_some() { "somebody" } else { "nobody" }))
}

fn start(on: Backend, address: Address) -> std::io::Result<ServerHandle> {
    Server::new(app()).backend(on).start_on([address])
}

fn sockets_that_are_passed_are_listened_on_by_their_names(on: Backend) {
    let test = "sockets_that_are_passed_are_listened_on_by_their_names";
    let Some(path) = env::var_os(CHILD) else {
        return pass_them(on, test, "LISTEN_PID=$$ LISTEN_FDS=2 LISTEN_FDNAMES=web:admin");
    };
    let missing = start(on, Address::systemd(Some("other"))).unwrap_err().to_string();
    assert!(missing.contains("no socket of the name \"other\""), "{missing}");
    let admin = Running::new(on, start(on, Address::systemd(Some("admin"))));
    let rest = Running::new(on, start(on, "systemd".parse().unwrap()));
    let again = start(on, Address::systemd(None)).unwrap_err().to_string();
    assert_eq!(again, "cannot listen on systemd: all that were passed are taken (2)");
    assert!(env::var_os("LISTEN_FDS").is_none(), "no child takes them for its own");
    assert_eq!(admin.handle().local_addrs()[0].unix().unwrap(), path);
    Client::connect_unix(path.as_ref()).get("/").says("nobody");
    rest.connect().get("/").says("somebody");
    drop((admin, rest));
    assert!(std::path::Path::new(&path).exists(), "it is systemd's");
}

/// Neither for another name, nor for who takes it: it stays open.
fn what_is_passed_and_is_no_listener_is_in_nobody_s_way(on: Backend) {
    let test = "what_is_passed_and_is_no_listener_is_in_nobody_s_way";
    if env::var_os(CHILD).is_none() {
        let variables = "LISTEN_PID=$$ LISTEN_FDS=5 LISTEN_FDNAMES=web:admin:file:udp:idle";
        return pass_them(on, test, variables);
    }
    // What the shell cannot open is opened here, before anything is taken: 5 is a file, and these are 6 and 7.
    let udp = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let idle = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    let open = [&udp as &dyn AsRawFd, &idle].map(AsRawFd::as_raw_fd);
    assert_eq!(open, [6, 7], "the first that are free");
    let web = Running::new(on, start(on, Address::systemd(Some("web"))));
    for (number, name) in [(3, "file"), (4, "udp"), (5, "idle")] {
        for address in [format!("systemd:{name}"), "systemd".to_owned()] {
            let error = start(on, address.parse().unwrap()).unwrap_err().to_string();
            let why = "it is no socket of TCP or Unix streams that listens";
            let first = format!("cannot listen on {address}: descriptor ");
            assert!(error.starts_with(&first) && error.ends_with(why), "{error}");
            let own = format!("descriptor {number} of 5, of the name {name:?}: ");
            assert!(address == "systemd" || error.contains(&own), "{error}");
        }
    }
    let admin = Running::new(on, start(on, Address::systemd(Some("admin"))));
    web.connect().get("/").says("somebody");
    drop((web, admin));
    for descriptor in [5, 6, 7] {
        let path = format!("/proc/self/fd/{descriptor}");
        assert!(std::fs::symlink_metadata(path).is_ok(), "{descriptor} is closed");
    }
    // One that has its number by now must not be closed by it.
    std::mem::forget((udp, idle));
}

/// Runs this test again, in a process that gets a socket of TCP as 3, one of Unix as 4, and a file as 5.
fn pass_them(on: Backend, test: &str, variables: &str) {
    let path = env::temp_dir().join(format!("trijet-systemd-{}-{on}-{}", process::id(), test.len()));
    let web = OwnedFd::from(TcpListener::bind("127.0.0.1:0").unwrap());
    let admin = OwnedFd::from(UnixListener::bind(&path).unwrap());
    let script = format!("{variables} exec \"$0\" \"$@\" 3<&0 4<&1 5</dev/null 0</dev/null 1>&2");
    let test = format!("systemd::{on}::{test}");
    let output = Command::new("sh")
        .args(["-c", &script])
        .arg(env::current_exe().unwrap())
        .args(["--exact", &test, "--nocapture", "--test-threads", "1"])
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

/// Nor are the variables, so that the next try says so too.
fn those_of_another_process_are_not_taken(on: Backend) {
    let test = "those_of_another_process_are_not_taken";
    if env::var_os(CHILD).is_none() {
        return pass_them(on, test, "LISTEN_PID=1 LISTEN_FDS=2 LISTEN_FDNAMES=web:admin");
    }
    for _ in 0..2 {
        let error = start(on, Address::systemd(Some("web"))).unwrap_err().to_string();
        assert!(error.contains("are process 1's (LISTEN_PID)"), "{error}");
    }
}

fn without_any_it_is_an_error(on: Backend) {
    let error = start(on, Address::systemd(None)).unwrap_err().to_string();
    assert_eq!(error, "cannot listen on systemd: no socket was passed (LISTEN_FDS is not set)");
}
