//! How sockets are set up, as the system tells it. An accepted socket is found by its peer.

use std::{fs, net::SocketAddr};

use rustix::{
    fd::OwnedFd,
    io::Errno,
    net::sockopt,
    process::{Pid, PidfdFlags, PidfdGetfdFlags, getpid, pidfd_getfd, pidfd_open},
};
use trijet::{Backend, Router, get};

use crate::common::server::{launch_at, start};

on_every_backend!(
    accepted_sockets_close_on_exec_and_send_at_once,
    the_listener_queues_1024,
    port_zero_is_reported,
    an_address_whose_connections_linger_can_be_bound,
);

fn app() -> Router {
    Router::new().route("/", get(async || "hello")).route("/fn", get(|| "hello"))
}

/// The rows of the system's table of TCP sockets: local and remote address, state, inode.
fn table() -> Vec<[String; 4]> {
    let table = fs::read_to_string("/proc/self/net/tcp").unwrap();
    let column = |row: &str, index: usize| row.split_whitespace().nth(index).unwrap_or("").to_owned();
    table.lines().skip(1).map(|row| [1, 2, 3, 9].map(|index| column(row, index))).collect()
}

fn hexadecimal(address: SocketAddr) -> String {
    let SocketAddr::V4(address) = address else { panic!("the tests bind IPv4") };
    format!("{:08X}:{:04X}", u32::from_ne_bytes(address.ip().octets()), address.port())
}

/// The number of this process's descriptor of the socket with this inode.
fn descriptor(inode: &str) -> i32 {
    let link = format!("socket:[{inode}]");
    let found = fs::read_dir("/proc/self/fd").unwrap().flatten().find(|entry| {
        fs::read_link(entry.path()).is_ok_and(|target| target.as_os_str().to_str() == Some(&*link))
    });
    let found = found.unwrap_or_else(|| panic!("{link} is not open"));
    found.file_name().to_str().unwrap().parse().unwrap()
}

fn flags(descriptor: i32) -> u32 {
    let info = fs::read_to_string(format!("/proc/self/fdinfo/{descriptor}")).unwrap();
    let flags = info.lines().find_map(|line| line.strip_prefix("flags:")).unwrap();
    u32::from_str_radix(flags.trim(), 8).unwrap()
}

const O_CLOEXEC: u32 = 0o2_000_000;

/// Another descriptor of the same socket; `None` where a sandbox does not let processes have one.
fn duplicate(descriptor: i32) -> Option<OwnedFd> {
    let this: Pid = getpid();
    let process = pidfd_open(this, PidfdFlags::empty()).ok()?;
    match pidfd_getfd(process, descriptor, PidfdGetfdFlags::empty()) {
        Err(Errno::PERM | Errno::NOSYS) => None,
        other => Some(other.expect("a descriptor that is open")),
    }
}

fn accepted_sockets_close_on_exec_and_send_at_once(on: Backend) {
    let server = start(on, app());
    for path in ["/", "/fn"] {
        let mut client = server.connect();
        client.get(path).says("hello");
        let (local, remote) =
            (hexadecimal(server.address()), hexadecimal(client.stream().local_addr().unwrap()));
        let rows = table();
        let row = rows.iter().find(|row| row[0] == local && row[1] == remote).expect("the server's side");
        let accepted = descriptor(&row[3]);
        assert!(flags(accepted) & O_CLOEXEC != 0, "O_CLOEXEC of an accepted socket");
        if let Some(socket) = duplicate(accepted) {
            assert!(sockopt::tcp_nodelay(&socket).unwrap(), "TCP_NODELAY");
        }
        client.get("/").says("hello");
    }
}

fn the_listener_queues_1024(on: Backend) {
    let server = start(on, app());
    let local = hexadecimal(server.address());
    let rows = table();
    let row = rows.iter().find(|row| row[0] == local && row[2] == "0A").expect("the listener");
    let listener = descriptor(&row[3]);
    assert!(flags(listener) & O_CLOEXEC != 0, "O_CLOEXEC of the listener");
    if let Some(socket) = duplicate(listener) {
        assert!(sockopt::socket_reuseaddr(&socket).unwrap(), "SO_REUSEADDR");
        assert!(!sockopt::socket_reuseport(&socket).unwrap(), "a second server would share the port");
    }
    let Ok(listening) = std::process::Command::new("ss")
        .args(["-ltnH", &format!("sport = :{}", server.address().port())])
        .output()
    else {
        return;
    };
    let text = String::from_utf8(listening.stdout).unwrap();
    // The limit of the system, where that is lower, is what it can give.
    let most = fs::read_to_string("/proc/sys/net/core/somaxconn").unwrap().trim().parse().unwrap();
    let backlog = text.split_whitespace().nth(2).map(|queue| queue.parse::<u32>().expect("a queue's length"));
    assert_eq!(backlog, Some(1024.min(most)), "{text}");
}

fn port_zero_is_reported(on: Backend) {
    let servers = [start(on, app()), start(on, app())];
    assert_ne!(servers[0].address().port(), 0);
    assert_ne!(servers[0].address(), servers[1].address());
    for server in &servers {
        server.connect().get("/").says("hello");
    }
}

fn an_address_whose_connections_linger_can_be_bound(on: Backend) {
    let server = start(on, app());
    let address = server.address();
    // The server closes first, so that its side lingers.
    let closing = "GET / HTTP/1.1\r\nhost: t\r\nconnection: close\r\n\r\n";
    for _ in 0..5 {
        let mut client = server.connect();
        client.send(closing).response().says("hello");
        client.is_ended();
    }
    let mut open = server.connect();
    open.get("/").says("hello");
    drop(server);
    let again = launch_at(on, app(), address);
    again.connect().get("/fn").says("hello");
}
