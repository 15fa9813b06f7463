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
        atomic::{AtomicBool, Ordering},
        mpsc::{Receiver, Sender, channel},
    },
    thread::{self, JoinHandle},
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

/// A server at the other end of the handlers' connections: each connection is given to `serve` on a thread. It takes none
/// any more once it is dropped.
struct Remote {
    address: SocketAddr,
    is_over: Arc<AtomicBool>,
    accepting: Option<JoinHandle<()>>,
}

impl Remote {
    fn new(serve: impl Fn(std::net::TcpStream) + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let serve = Arc::new(serve);
        let is_over = Arc::<AtomicBool>::default();
        let told = is_over.clone();
        let accepting = thread::spawn(move || {
            for stream in listener.incoming() {
                if told.load(Ordering::SeqCst) {
                    return;
                }
                let serve = serve.clone();
                thread::spawn(move || serve(stream.unwrap()));
            }
        });
        Self { address, is_over, accepting: Some(accepting) }
    }
}

impl Drop for Remote {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::SeqCst);
        // So that it looks.
        let woken = std::net::TcpStream::connect(self.address);
        if let (Ok(_), Some(accepting)) = (woken, self.accepting.take()) {
            accepting.join().expect("it only accepts");
        }
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
