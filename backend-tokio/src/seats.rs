//! The places from which the watchdog sees the threads that poll connections. Which threads those are is the
//! runtime's to know, so each takes its place with its first poll: one for each server that it works for.

use std::{
    cell::{Cell, RefCell},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use trijet_backend::{Seat, Watch};

thread_local! {
    /// The thread's own number; 0 before it has one. It needs no destructor, and so costs a load.
    static NUMBER: Cell<usize> = const { Cell::new(0) };
    static SEATS: RefCell<Vec<Arc<Seat>>> = const { RefCell::new(Vec::new()) };
}

static NEXT_NUMBER: AtomicUsize = AtomicUsize::new(1);

/// The seat of the thread that has polled a connection last, which mostly is the one that does again.
#[derive(Debug, Default)]
pub(crate) struct SeatHere(Option<Arc<Seat>>);

impl SeatHere {
    /// This thread begins a poll of the app, for the route of this number.
    #[inline]
    pub(crate) fn enter(&mut self, watch: &Watch, route: u32) {
        match &self.0 {
            Some(seat) if seat.tag() == NUMBER.get() => seat.enter(route),
            _ => self.change(watch, route),
        }
    }

    /// It polls nothing of the app any more. Where the connection has come to this thread without a poll of the app, the
    /// seat is another thread's, who may hold it for something else by now.
    #[inline]
    pub(crate) fn leave(&self) {
        if let Some(seat) = self.0.as_ref().filter(|seat| seat.tag() == NUMBER.get()) {
            seat.leave();
        }
    }

    #[cold]
    fn change(&mut self, watch: &Watch, route: u32) {
        // A thread that is ending is no worker any more.
        let seat = SEATS.try_with(|seats| seat_of(&mut seats.borrow_mut(), watch)).ok();
        if let Some(seat) = &seat {
            seat.enter(route);
        }
        self.0 = seat;
    }
}

/// The seat of this thread in this watch, which it takes if it has none.
fn seat_of(seats: &mut Vec<Arc<Seat>>, watch: &Watch) -> Arc<Seat> {
    if NUMBER.get() == 0 {
        NUMBER.set(NEXT_NUMBER.fetch_add(1, Ordering::Relaxed));
    }
    if let Some(seat) = seats.iter().find(|seat| watch.has(seat)) {
        return seat.clone();
    }
    // Nobody looks any more at those that only this thread has.
    seats.retain(|seat| Arc::strong_count(seat) > 1);
    let seat = watch.seat(NUMBER.get());
    seat.occupy();
    seats.push(seat.clone());
    seat
}

#[cfg(test)]
mod tests {
    use std::{
        net::TcpListener,
        thread,
        time::{Duration, Instant},
    };

    use trijet_backend::{Backend, Server};
    use trijet_core::{Router, get};

    use super::*;
    use crate::Tokio;

    /// A connection that has moved to another thread ends there, while a handler holds the thread that it was on.
    #[test]
    fn who_leaves_elsewhere_hides_no_hold() {
        let (router, settings) =
            Server::<Tokio>::new(Router::new().route("/", get(async || "hello"))).into_parts();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let (service, handle) = settings.service(router, vec![listener.into()], Tokio::NAME).unwrap();
        let _watchdog = service.watch.start();
        let (mut moved, mut holder) = (SeatHere::default(), SeatHere::default());
        moved.enter(&service.watch, 0);
        moved.leave();
        holder.enter(&service.watch, 0);
        thread::spawn(move || moved.leave()).join().unwrap();
        let start = Instant::now();
        while handle.statistics().holds == 0 {
            assert!(start.elapsed() < Duration::from_secs(20), "nobody saw the hold");
            thread::yield_now();
        }
        holder.leave();
    }
}
