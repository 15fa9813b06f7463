//! A server that does nothing but the hand-over: a loop in its poll (or a task of Tokio's) that reads some bytes and
//! writes others, either at once, or after an item has gone to a thread that waits at a queue and that thread has woken it.
//! No HTTP, no job, no result: what is left is what a channel and a wake cost, between the same threads.

use std::{
    collections::VecDeque,
    io::{ErrorKind, Read, Write},
    net::{SocketAddr, TcpListener},
    sync::{Arc, Condvar, Mutex},
    thread,
};

use mio::{Events, Interest, Poll, Token, Waker, net::TcpStream};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    sync::oneshot,
};
use trijet::Backend;

const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello";
/// Asked for at this path, the answer goes by the thread.
const BY_THREAD: &[u8] = b"GET /fn ";

/// Serves one connection; its threads end with the process.
pub(crate) fn start(backend: Backend) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("bound");
    thread::spawn(move || match backend {
        Backend::Tokio => serve_by_task(&listener),
        _ => serve_by_loop(&listener),
    });
    address
}

/// A queue with a lock and a condition, as a pool has it, and one thread that waits there.
struct Queue<T>(Mutex<VecDeque<T>>, Condvar);

impl<T: Send + 'static> Queue<T> {
    fn start(run: impl Fn(T) + Send + 'static) -> Arc<Self> {
        let queue = Arc::new(Self(Mutex::new(VecDeque::new()), Condvar::new()));
        let own = queue.clone();
        thread::spawn(move || {
            loop {
                let items = own.0.lock().expect("no panic");
                let mut items = own.1.wait_while(items, |items| items.is_empty()).expect("no panic");
                let item = items.pop_front().expect("it is not empty");
                drop(items);
                run(item);
            }
        });
        queue
    }

    fn push(&self, item: T) {
        self.0.lock().expect("no panic").push_back(item);
        self.1.notify_one();
    }
}

fn serve_by_loop(listener: &TcpListener) {
    const STREAM: Token = Token(0);
    const WAKER: Token = Token(1);
    let (stream, _) = listener.accept().expect("the client connects");
    stream.set_nonblocking(true).and_then(|()| stream.set_nodelay(true)).expect("a socket");
    let mut stream = TcpStream::from_std(stream);
    let mut poll = Poll::new().expect("a poll");
    let waker = Arc::new(Waker::new(poll.registry(), WAKER).expect("a waker"));
    poll.registry().register(&mut stream, STREAM, Interest::READABLE).expect("a poll");
    let queue = Queue::start(|waker: Arc<Waker>| waker.wake().expect("the poll is there"));
    let (mut events, mut buffer) = (Events::with_capacity(8), [0; 4096]);
    loop {
        poll.poll(&mut events, None).expect("a poll");
        for event in &events {
            if event.token() == WAKER {
                stream.write_all(ANSWER).expect("a small answer");
                continue;
            }
            match stream.read(&mut buffer) {
                Ok(0) => return,
                Ok(_) if buffer.starts_with(BY_THREAD) => queue.push(waker.clone()),
                Ok(_) => stream.write_all(ANSWER).expect("a small answer"),
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(_) => return,
            }
        }
    }
}

fn serve_by_task(listener: &TcpListener) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_io().build();
    let runtime = runtime.expect("a runtime");
    let (stream, _) = listener.accept().expect("the client connects");
    stream.set_nonblocking(true).and_then(|()| stream.set_nodelay(true)).expect("a socket");
    let queue = Queue::start(|reply: oneshot::Sender<()>| reply.send(()).expect("the task waits"));
    let task = runtime.spawn(async move {
        let mut stream = tokio::net::TcpStream::from_std(stream).expect("a socket");
        let mut buffer = [0; 4096];
        while stream.read(&mut buffer).await.is_ok_and(|count| count > 0) {
            if buffer.starts_with(BY_THREAD) {
                let (reply, answer) = oneshot::channel();
                queue.push(reply);
                answer.await.expect("a reply");
            }
            stream.write_all(ANSWER).await.expect("a small answer");
        }
    });
    runtime.block_on(task).expect("no panic");
}
