//! `trijet::rt`: what handlers wait for. That two waits go on at once is shown by what each needs of the other,
//! never by a clock.

mod connections;
mod tasks;
mod time;

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpListener},
    sync::{
        Arc, Barrier,
        mpsc::{Receiver, Sender, channel},
    },
    thread,
    time::Duration,
};

use futures_util::AsyncReadExt;
use trijet::{
    Backend, Router, get,
    rt::{self, TcpStream},
};

use crate::common::server::{Running, start};

/// Longer than any test takes.
const LONG: Duration = Duration::from_secs(600);

/// A server at the other end of the handlers' connections: each connection is given to `serve` on a thread.
struct Remote {
    address: SocketAddr,
}

impl Remote {
    fn new(serve: impl Fn(std::net::TcpStream) + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let serve = Arc::new(serve);
        // It ends with the process.
        thread::spawn(move || {
            for stream in listener.incoming() {
                let serve = serve.clone();
                thread::spawn(move || serve(stream.unwrap()));
            }
        });
        Self { address }
    }
}

/// Serves one route.
fn serving<F>(on: Backend, handler: impl Fn() -> F + Clone + Send + Sync + 'static) -> Running
where
    F: Future<Output = String> + Send + 'static,
{
    start(on, Router::new().route("/", get(handler)))
}

fn answer(server: &Running) -> String {
    server.connect().get("/").with_status(200).text().to_owned()
}

/// Answers two connections once both are there.
fn for_two() -> Remote {
    let both = Barrier::new(2);
    Remote::new(move |mut stream| {
        both.wait();
        stream.write_all(b"both").unwrap();
    })
}

async fn ask(address: SocketAddr) -> String {
    let mut answer = String::new();
    TcpStream::connect(address).await.unwrap().read_to_string(&mut answer).await.unwrap();
    answer
}

/// Keeps connections open and says nothing; tells when each has ended.
fn silent() -> (Remote, Receiver<()>) {
    let (end, ends) = channel();
    let remote = Remote::new(move |mut stream| {
        // A reset is an end too.
        _ = stream.read(&mut [0]);
        end.send(()).unwrap();
    });
    (remote, ends)
}

/// Tells that it was dropped.
struct Dropped(Sender<()>);

impl Drop for Dropped {
    fn drop(&mut self) {
        _ = self.0.send(());
    }
}

fn hold(dropped: Sender<()>) -> impl Future<Output = ()> + Send + 'static {
    // Made here: a task may be dropped before its first poll.
    let held = Dropped(dropped);
    async move {
        let _held = held;
        rt::sleep(LONG).await;
    }
}
