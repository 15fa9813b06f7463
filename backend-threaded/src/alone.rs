//! For the tests of this package: what the threads share, without a poller.

use std::{
    net::{TcpListener, TcpStream},
    sync::{Arc, Weak},
};

use trijet_backend::Settings;
use trijet_core::{Limits, Router};

use crate::{parking::Parking, shared::Shared, transport::ThreadedTransport, watching::Watching};

/// A server with one thread, and nobody who polls.
pub(crate) fn shared(router: Router, limits: Limits) -> Arc<Shared> {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let settings = Settings { workers: Some(1), limits, ..Settings::default() };
    let (service, _) = settings.service(router, vec![listener.into()], "threaded").unwrap();
    let poll = mio::Poll::new().unwrap();
    let waker = Arc::new(mio::Waker::new(poll.registry(), mio::Token(0)).unwrap());
    let parking = Parking::new(poll.registry().try_clone().unwrap(), waker.clone());
    let (watching, _) = Watching::new(poll.registry()).unwrap();
    Arc::new(Shared::new(&service, parking, watching, waker, Weak::new()))
}

/// A client, and its connection in the server.
pub(crate) fn connect(shared: &Arc<Shared>) -> (TcpStream, ThreadedTransport) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (stream, peer) = listener.accept().unwrap();
    (client, ThreadedTransport::new(stream, Some(peer), shared).unwrap())
}
