//! Listeners in a process of their own: one that fails for good, and one by a path that is short only from here.

use std::{
    env, fs,
    net::{Shutdown, TcpListener},
    process,
    time::{Duration, Instant},
};

use socket2::SockRef;
use trijet::{Address, Backend, Limits, Router, Server, get};

use crate::common::{client::Client, log_lines::LogLines, server::Running};

in_children_on_every_backend!(
    ":":
    one_that_is_broken_is_named_and_in_nobody_s_way,
    a_path_may_be_short_from_where_the_server_starts,
);

fn app() -> Router {
    Router::new().route("/", get(async || "hello"))
}

fn one_that_is_broken_is_named_and_in_nobody_s_way(on: Backend) {
    let lines = LogLines::collect();
    let [broken, good] = [(); 2].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
    let (other, address) = (broken.try_clone().unwrap(), good.local_addr().unwrap());
    let named = format!("accept failed at {}: ", broken.local_addr().unwrap());
    // The stop is not to end by its time.
    let limits = Limits { shutdown_timeout: Duration::from_secs(600), ..Limits::default() };
    let server = Server::new(app()).backend(on).limits(limits).start_on([broken, good]);
    let server = Running::new(on, server);
    // From now on its `accept` says EINVAL.
    SockRef::from(&other).shutdown(Shutdown::Both).unwrap();
    lines.await_one("the fault is told", |line| line.contains(&named));
    let start = Instant::now();
    for _ in 0..100 {
        Client::connect(address).get("/").says("hello");
    }
    let taken = start.elapsed();
    assert!(taken < Duration::from_secs(5), "it waits for the other: {taken:?}");
    server.handle().shutdown();
    server.ended();
}

fn a_path_may_be_short_from_where_the_server_starts(on: Backend) {
    let root = env::temp_dir().join(format!("trijet-deep-{}", process::id()));
    let folder = root.join("d".repeat(60)).join("e".repeat(60));
    fs::create_dir_all(&folder).unwrap();
    env::set_current_dir(&folder).unwrap();
    let socket = folder.join("app.sock");
    let address: Address = "unix:app.sock".parse().unwrap();
    let server = Running::new(on, Server::new(app()).backend(on).start_on([&address]));
    assert_eq!(server.handle().local_addrs()[0].unix(), Some(&*socket));
    Client::connect_unix("app.sock".as_ref()).get("/").says("hello");
    env::set_current_dir("/").unwrap();
    drop(server);
    assert!(!socket.exists(), "its file goes with it, wherever the process is");
    fs::remove_dir_all(root).unwrap();
}
