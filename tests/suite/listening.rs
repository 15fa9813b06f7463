//! Several listeners for one app, and Unix sockets: what TCP does, they do.

use std::{
    fs,
    net::TcpListener,
    os::unix::{fs::MetadataExt, net::UnixListener},
    path::PathBuf,
    process,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
        mpsc::channel,
    },
    thread,
    time::Duration,
};

use futures_util::stream;
use trijet::{
    Address, Backend, Body, Limits, Listen, LocalAddress, Path, Router, Server, SocketSettings,
    extract::{Disconnected, PeerAddress},
    get, inline, post,
};

use crate::common::{
    PATIENCE,
    client::{Client, get as request, post as upload},
    eventually,
    held::held,
    server::{Running, unhurried},
};

on_every_backend!(
    tcp_v4_v6_and_unix_at_once,
    what_is_bound_already_and_what_is_not,
    many_listeners_are_all_served,
    at_the_limit_they_take_turns,
    v4_and_all_of_v6_share_a_port,
    a_stop_closes_them_all,
    unix_carries_large_bodies_both_ways,
    unix_notices_a_client_that_leaves,
    unix_cuts_a_reader_that_stalls,
    unix_idle_connections_hold_no_thread,
    what_was_connected_to_unix_before_a_stop_is_answered,
    the_file_of_a_unix_socket_goes_with_the_server,
    a_given_unix_listener_keeps_its_file,
    a_dead_file_is_replaced_and_a_live_one_refused,
    the_file_has_the_mode_that_is_set,
    one_that_cannot_be_bound_leaves_none,
);

/// A folder of a test's own, gone with it.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let folder = std::env::temp_dir().join(format!("trijet-suite-{}-{number}", process::id()));
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir(&folder).unwrap();
        Self(folder)
    }

    fn socket(&self) -> PathBuf {
        self.0.join("socket")
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Says who asks, by which kind of handler.
fn app() -> Router {
    let name = |peer: Option<PeerAddress>| peer.map_or("nobody".to_owned(), |peer| peer.0.ip().to_string());
    Router::new()
        .route("/", get(move |peer: Option<PeerAddress>| async move { name(peer) }))
        .route("/fn", get(move |peer: Option<PeerAddress>| name(peer)))
        .route("/peer", get(async |PeerAddress(peer)| peer.to_string()))
}

fn start<L: Into<Listen>>(on: Backend, app: Router, listeners: impl IntoIterator<Item = L>) -> Running {
    Running::new(on, Server::new(app).backend(on).limits(unhurried()).start_on(listeners))
}

fn address(text: &str) -> Address {
    text.parse().unwrap()
}

/// A server on a Unix socket alone.
fn start_unix(on: Backend, app: Router, folder: &Folder) -> Running {
    start(on, app, [Address::unix(folder.socket())])
}

fn tcp_v4_v6_and_unix_at_once(on: Backend) {
    let folder = Folder::new();
    let mut addresses = vec![address("127.0.0.1:0"), Address::unix(folder.socket())];
    let has_v6 = TcpListener::bind("[::1]:0").is_ok();
    if has_v6 {
        addresses.push(address("[::1]:0"));
    }
    let server = start(on, app(), &addresses);
    let local = server.handle().local_addrs();
    assert_eq!(local.len(), addresses.len());
    assert_eq!(local[0].tcp(), Some(server.address()));
    assert_eq!(local[1], LocalAddress::Unix(Some(folder.socket())));
    assert_eq!(local[1].to_string(), addresses[1].to_string());
    let mut clients = vec![
        (Client::connect(server.address()), "127.0.0.1"),
        (Client::connect_unix(local[1].unix().unwrap()), "nobody"),
    ];
    if has_v6 {
        clients.push((Client::connect(local[2].tcp().unwrap()), "::1"));
    }
    for _ in 0..3 {
        for (client, peer) in &mut clients {
            client.get("/").says(peer);
            client.send(request("/fn").repeat(2));
            client.response().says(peer);
            client.response().says(peer);
        }
    }
    assert_eq!(clients[1].0.get("/peer").status, 500, "it says that it needs one");
    assert_eq!(clients[0].0.get("/peer").status, 200);
}

fn what_is_bound_already_and_what_is_not(on: Backend) {
    let folder = Folder::new();
    let bound = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = bound.local_addr().unwrap().port();
    let listeners =
        [Listen::from(bound), Listen::from(Address::unix(folder.socket())), address("localhost:0").into()];
    let server = start(on, app(), listeners);
    assert_eq!(server.address().port(), port);
    server.connect().get("/").says("127.0.0.1");
    Client::connect_unix(&folder.socket()).get("/").says("nobody");
    let by_name = server.handle().local_addrs()[2].tcp().unwrap();
    let answer = Client::connect(by_name).get("/").with_status(200);
    assert!(["127.0.0.1", "::1"].contains(&answer.text()), "{answer:?}");
}

fn many_listeners_are_all_served(on: Backend) {
    let server = start(on, app(), vec![address("127.0.0.1:0"); 20]);
    let addresses: Vec<_> = server.handle().local_addrs().iter().filter_map(LocalAddress::tcp).collect();
    assert_eq!(addresses.len(), 20);
    // While the others are held by nothing: at once, and more than one turn at each.
    for _ in 0..3 {
        let mut clients: Vec<_> = addresses.iter().map(|address| Client::connect(*address)).collect();
        for client in &mut clients {
            client.send(request("/fn"));
        }
        for client in &mut clients {
            client.response().says("127.0.0.1");
        }
    }
}

/// Though there is a queue at one, and room for one connection at a time.
fn at_the_limit_they_take_turns(on: Backend) {
    let order = Arc::new(Mutex::new(Vec::new()));
    let served = order.clone();
    let note = move |Path(name): Path<String>| served.lock().unwrap().push(name);
    let app = Router::new().route("/{name}", get(inline(note)));
    let limits = Limits { connections_max: Some(1), ..unhurried() };
    let server = Server::new(app).backend(on).limits(limits).start_on(vec![address("127.0.0.1:0"); 2]);
    let server = Running::new(on, server);
    let [first, second] = [0, 1].map(|index| server.handle().local_addrs()[index].tcp().unwrap());
    let mut holder = Client::connect(first);
    holder.get("/holder").with_status(200);
    let queued = [("first", first); 8].into_iter().chain([("second", second)]);
    let clients: Vec<_> = queued
        .map(|(name, address)| {
            let mut client = Client::connect(address);
            client.send(format!("GET /{name} HTTP/1.1\r\nhost: t\r\nconnection: close\r\n\r\n"));
            thread::spawn(move || drop(client.response()))
        })
        .collect();
    drop(holder);
    clients.into_iter().for_each(|client| client.join().unwrap());
    let order = order.lock().unwrap();
    assert!(order[..4].iter().any(|name| name == "second"), "{order:?}");
}

fn v4_and_all_of_v6_share_a_port(on: Backend) {
    if TcpListener::bind("[::]:0").is_err() {
        return;
    }
    let bound = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = bound.local_addr().unwrap().port();
    let server = start(on, app(), [Listen::from(bound), address(&format!("[::]:{port}")).into()]);
    Client::connect(([127, 0, 0, 1], port).into()).get("/").says("127.0.0.1");
    Client::connect(format!("[::1]:{port}").parse().unwrap()).get("/").says("::1");
    server.handle().shutdown();
    server.ended();
}

fn a_stop_closes_them_all(on: Backend) {
    let folder = Folder::new();
    let server =
        start(on, app(), [address("127.0.0.1:0"), Address::unix(folder.socket()), address("127.0.0.1:0")]);
    let addresses: Vec<_> = server.handle().local_addrs().iter().filter_map(LocalAddress::tcp).collect();
    let mut clients: Vec<_> = addresses.iter().map(|address| Client::connect(*address)).collect();
    clients.push(Client::connect_unix(&folder.socket()));
    for client in &mut clients {
        client.get("/");
        // Half of the next one.
        client.send("GET /fn HTT");
    }
    server.handle().shutdown();
    for client in &mut clients {
        assert!(client.send("P/1.1\r\nhost: t\r\n\r\n").response().with_status(200).closes());
        client.is_ended();
    }
    drop(clients);
    server.ended();
    for address in addresses {
        std::net::TcpStream::connect(address).expect_err("the port is closed");
    }
    std::os::unix::net::UnixStream::connect(folder.socket()).expect_err("the file is gone");
}

/// Against all buffers: each write comes short, on both sides.
const LARGE: usize = 8 << 20;

fn unix_carries_large_bodies_both_ways(on: Backend) {
    let folder = Folder::new();
    let app = Router::new()
        .route("/echo", post(async |body: Body| body).body_limit(LARGE as u64))
        .route("/count", post(|body: trijet::Bytes| body.len().to_string()).body_limit(LARGE as u64));
    let _server = start_unix(on, app, &folder);
    let body: String = (0..LARGE).map(|index| char::from(b'a' + u8::try_from(index % 23).unwrap())).collect();
    let mut client = Client::connect_unix(&folder.socket());
    client.send(upload("/count", &body)).response().says(&LARGE.to_string());
    let mut sender = client.sender();
    let request = upload("/echo", &body);
    let sending = thread::spawn(move || std::io::Write::write_all(&mut sender, request.as_bytes()));
    let answer = client.response();
    sending.join().unwrap().unwrap();
    assert!(answer.body == body.as_bytes(), "{} bytes came back", answer.body.len());
    // And the connection is kept.
    client.half_close();
    client.is_ended();
}

fn unix_notices_a_client_that_leaves(on: Backend) {
    let folder = Folder::new();
    let (tell, told) = channel();
    let app = Router::new().route(
        "/",
        get(move |client: Disconnected| {
            let tell = tell.clone();
            async move {
                tell.send("begun").unwrap();
                client.await;
                tell.send("left").unwrap();
            }
        }),
    );
    let _server = start_unix(on, app, &folder);
    let mut client = Client::connect_unix(&folder.socket());
    client.send(request("/"));
    assert_eq!(told.recv_timeout(PATIENCE), Ok("begun"));
    drop(client);
    assert_eq!(told.recv_timeout(PATIENCE), Ok("left"));
}

fn unix_cuts_a_reader_that_stalls(on: Backend) {
    let folder = Folder::new();
    async fn endless() -> Body {
        Body::from_stream(stream::repeat_with(|| Ok::<_, std::io::Error>(vec![b'x'; 16 << 10])))
    }
    let limits = Limits { stall_timeout: Duration::from_millis(300), ..unhurried() };
    let app = Router::new().route("/", get(endless)).route("/ok", get(async || "ok"));
    let server = Server::new(app).backend(on).limits(limits).start_on([Address::unix(folder.socket())]);
    let server = Running::new(on, server);
    let mut stalled = Client::connect_unix(&folder.socket());
    stalled.send(request("/"));
    eventually("it is served", || server.handle().statistics().connections == 1);
    Client::connect_unix(&folder.socket()).get("/ok").says("ok");
    eventually("it is cut", || server.handle().statistics().connections == 0);
}

fn unix_idle_connections_hold_no_thread(on: Backend) {
    let folder = Folder::new();
    let server = start_unix(on, app(), &folder);
    let mut clients: Vec<_> = (0..50).map(|_| Client::connect_unix(&folder.socket())).collect();
    for client in &mut clients {
        client.get("/fn").says("nobody");
    }
    eventually("their threads are let go", || server.handle().statistics().threads <= 1);
    assert_eq!(server.handle().statistics().connections, clients.len());
    for client in &mut clients {
        client.get("/").says("nobody");
    }
}

fn what_was_connected_to_unix_before_a_stop_is_answered(on: Backend) {
    for _ in 0..10 {
        let folder = Folder::new();
        let server = start_unix(on, held().app, &folder);
        let mut clients: Vec<_> = (0..20).map(|_| Client::connect_unix(&folder.socket())).collect();
        for client in &mut clients {
            client.send(request("/fn"));
        }
        server.handle().shutdown();
        for client in &mut clients {
            client.response().says("hello");
            client.is_ended();
        }
        drop(clients);
        server.ended();
    }
}

fn the_file_of_a_unix_socket_goes_with_the_server(on: Backend) {
    let stops: [fn(&Running); 2] =
        [|server| server.handle().shutdown(), |server| server.handle().shutdown_now()];
    for stop in stops {
        let folder = Folder::new();
        let mut held = held();
        let server = start_unix(on, std::mem::take(&mut held.app), &folder);
        let mut client = Client::connect_unix(&folder.socket());
        client.send(request("/hold"));
        held.entries.recv_timeout(PATIENCE).unwrap();
        stop(&server);
        // While what is in flight is finished: another server may take its place.
        eventually("the file is gone", || !folder.socket().exists());
        let next = start_unix(on, app(), &folder);
        held.gate.open();
        drop(client);
        server.ended();
        Client::connect_unix(&folder.socket()).get("/").says("nobody");
        drop(next);
    }
}

fn a_given_unix_listener_keeps_its_file(on: Backend) {
    let folder = Folder::new();
    let listener = UnixListener::bind(folder.socket()).unwrap();
    let server = start(on, app(), [listener]);
    Client::connect_unix(&folder.socket()).get("/").says("nobody");
    drop(server);
    assert!(folder.socket().exists(), "it is whose who has made it");
}

fn a_dead_file_is_replaced_and_a_live_one_refused(on: Backend) {
    let folder = Folder::new();
    drop(UnixListener::bind(folder.socket()).unwrap());
    let server = start_unix(on, app(), &folder);
    Client::connect_unix(&folder.socket()).get("/").says("nobody");
    let again = Server::new(app()).backend(on).start_on([Address::unix(folder.socket())]);
    let error = again.unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::AddrInUse);
    let named = format!("cannot listen on unix:{}: ", folder.socket().display());
    assert!(error.to_string().starts_with(&named), "{error}");
    Client::connect_unix(&folder.socket()).get("/").says("nobody");
    drop(server);
    fs::write(folder.socket(), "precious").unwrap();
    let refused = Server::new(app()).backend(on).start_on([Address::unix(folder.socket())]);
    assert_eq!(refused.unwrap_err().kind(), std::io::ErrorKind::AlreadyExists);
    assert_eq!(fs::read(folder.socket()).unwrap(), b"precious");
}

fn the_file_has_the_mode_that_is_set(on: Backend) {
    let folder = Folder::new();
    let sockets = SocketSettings { unix_mode: Some(0o620), ..SocketSettings::default() };
    let server = Server::new(app()).backend(on).sockets(sockets).start_on([Address::unix(folder.socket())]);
    let _server = Running::new(on, server);
    assert_eq!(fs::metadata(folder.socket()).unwrap().mode() & 0o7777, 0o620);
    Client::connect_unix(&folder.socket()).get("/").says("nobody");
}

fn one_that_cannot_be_bound_leaves_none(on: Backend) {
    let folder = Folder::new();
    let other = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = Address::from(other.local_addr().unwrap());
    let error =
        Server::new(app()).backend(on).start_on([Address::unix(folder.socket()), taken.clone()]).unwrap_err();
    assert!(error.to_string().starts_with(&format!("cannot listen on {taken}: ")), "{error}");
    assert!(!folder.socket().exists());
    let none = Server::new(app()).backend(on).start_on(Vec::<Listen>::new());
    assert!(none.unwrap_err().to_string().contains("no listener was given"));
}
