//! The parked connections, and the count of all, in every order that threads can come to them: `just loom`.

use std::{
    net::{TcpListener, TcpStream},
    os::fd::AsRawFd,
    sync::LazyLock,
    time::Duration,
};

use mio::Poll;
use trijet_backend::poll::token;
use trijet_loom::{model, thread};

use super::*;
use crate::{shared::Shared, task::models::service, watching::Watching};

const HOUR: Duration = Duration::from_secs(3600);

fn server() -> Arc<Shared> {
    let poll = Poll::new().unwrap();
    let waker = Arc::new(Waker::new(poll.registry(), token::WAKER).unwrap());
    let parking = Parking::new(poll.registry().try_clone().unwrap(), waker.clone());
    let (watching, _) = Watching::new(poll.registry()).unwrap();
    Arc::new(Shared::new(service(), parking, watching, waker, std::sync::Weak::new()))
}

/// A connection between two requests. All are one socket, on which nothing happens.
fn connection(shared: &Arc<Shared>) -> (Parked, RawFd) {
    static SOCKET: LazyLock<(TcpStream, TcpStream)> = LazyLock::new(|| {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        (listener.accept().unwrap().0, client)
    });
    let stream = SOCKET.0.try_clone().unwrap();
    let (socket, peer) = (stream.as_raw_fd(), stream.peer_addr().unwrap());
    (Parked::Idle(ThreadedTransport::new(stream, Some(peer), shared).unwrap()), socket)
}

fn park(shared: &Arc<Shared>, deadline: Option<Instant>) -> Key {
    let (parked, socket) = connection(shared);
    let key = shared.parking.park(parked, socket, Interest::READABLE, deadline);
    key.unwrap_or_else(|_| panic!("it is kept"))
}

#[test]
fn a_parked_connection_is_taken_once() {
    model(|| {
        let shared = server();
        let key = park(&shared, Some(Instant::now() + HOUR));
        let (on_event, on_stop) = (shared.clone(), shared.clone());
        let others = [
            thread::spawn(move || on_event.parking.take(key).into_iter().count()),
            thread::spawn(move || on_stop.parking.take_idle().len()),
        ];
        let mut taken = shared.parking.take_due(Instant::now() + 2 * HOUR).len();
        taken += others.into_iter().map(|other| other.join().unwrap()).sum::<usize>();
        assert_eq!((taken, shared.connections()), (1, 0));
    });
}

/// An event comes while the slot of its connection is given to another one.
#[test]
fn a_late_event_does_not_take_the_next_in_its_slot() {
    model(|| {
        let shared = server();
        let first = park(&shared, None);
        let poller = shared.clone();
        let event = thread::spawn(move || poller.parking.take(first).is_some());
        let is_taken = shared.parking.take(first).is_some();
        let second = park(&shared, None);
        assert_eq!(event.join().unwrap(), !is_taken, "the first is taken once");
        assert_eq!(shared.connections(), 1);
        assert!(shared.parking.take(second).is_some(), "the second is still there");
    });
}

/// The poller goes to sleep for as long as nothing is due.
#[test]
fn an_earlier_deadline_wakes_the_poller() {
    model(|| {
        let shared = server();
        let deadline = Instant::now() + HOUR;
        let later = park(&shared, Some(deadline + HOUR));
        let parking = shared.clone();
        let thread = thread::spawn(move || park(&parking, Some(deadline)));
        while shared.parking.sleep_until(None) != Some(deadline) {
            // A deadline that the poller does not hear of leaves it asleep, which loom reports.
            shared.poller.poll();
        }
        let sooner = thread.join().unwrap();
        assert!(shared.parking.take(later).is_some() && shared.parking.take(sooner).is_some());
    });
}

/// The limit of connections is reached, and accepting waits for one to end.
#[test]
fn a_connection_that_ends_lets_the_next_one_in() {
    model(|| {
        let shared = server();
        let ending = connection(&shared);
        let end = thread::spawn(move || drop(ending));
        while !shared.has_room() {
            shared.poller.poll();
        }
        end.join().unwrap();
        assert_eq!(shared.connections(), 0);
    });
}
