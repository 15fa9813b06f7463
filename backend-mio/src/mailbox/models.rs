//! The mailbox in every order that its threads can come in: `just loom`. Every waker here is called by a
//! foreign thread: the loop's own never comes to the mailbox.

use std::sync::LazyLock;

use mio::Poll;
use trijet_loom::{atomic::AtomicUsize, model, thread};

use super::*;

fn mailbox() -> Arc<Mailbox> {
    static POLL: LazyLock<Poll> = LazyLock::new(|| Poll::new().unwrap());
    Arc::new(Mailbox::new(POLL.registry()).unwrap())
}

fn waker(mailbox: &Arc<Mailbox>, slot: usize) -> Arc<ConnectionWaker> {
    Arc::new(ConnectionWaker::new(Key::new(slot, 1), mailbox.clone()))
}

/// A turn of the loop, which reads the same mail again and again: the connections to poll.
fn turn(mailbox: &Mailbox, mail: &mut Mail) -> Vec<Key> {
    mailbox.waker.poll();
    mailbox.take(mail);
    mail.woken.drain(..).map(|waker| waker.received()).collect()
}

#[test]
fn many_wakes_are_one_message_each_and_one_event() {
    model(|| {
        let mailbox = mailbox();
        let wakers = [waker(&mailbox, 3), waker(&mailbox, 4)];
        let others = wakers.clone().map(|waker| thread::spawn(move || waker.wake_by_ref()));
        wakers.iter().for_each(|waker| waker.wake_by_ref());
        others.into_iter().for_each(|other| other.join().unwrap());
        let mut woken = turn(&mailbox, &mut Mail::default());
        woken.sort_unstable();
        assert_eq!(woken, [Key::new(3, 1), Key::new(4, 1)]);
        assert_eq!(mailbox.waker.system_calls(), 1);
        assert!(mailbox.is_empty());
    });
}

/// What was written before a wake is seen by the poll after it, whenever the loop takes its mail; also
/// where the two share nothing but this waker.
#[test]
fn no_wake_is_lost_against_the_drain() {
    model(|| {
        let mailbox = mailbox();
        let written = Arc::new(AtomicUsize::new(0));
        let waker = waker(&mailbox, 0);
        let others: Vec<_> = [1, 2]
            .map(|bit| {
                let (waker, written) = (waker.clone(), written.clone());
                thread::spawn(move || {
                    written.fetch_or(bit, Ordering::Relaxed);
                    waker.wake_by_ref();
                })
            })
            .into();
        let (mut turns, mut mail) = (0, Mail::default());
        while written.load(Ordering::Relaxed) != 3 {
            // A lost wake leaves the loop in its poll for ever, which loom reports.
            turn(&mailbox, &mut mail);
            turns += 1;
        }
        assert!(turns <= 2);
        others.into_iter().for_each(|other| other.join().unwrap());
    });
}

#[test]
fn two_connections_and_a_notification_come_through() {
    model(|| {
        let mailbox = mailbox();
        let others: Vec<_> = (0..2)
            .map(|slot| {
                let waker = waker(&mailbox, slot);
                thread::spawn(move || waker.wake())
            })
            .collect();
        let (mut woken, mut mail) = (Vec::new(), Mail::default());
        while woken.len() < 2 {
            woken.extend(turn(&mailbox, &mut mail));
        }
        mailbox.notify();
        assert!(turn(&mailbox, &mut mail).is_empty());
        woken.sort_unstable();
        assert_eq!(woken, [Key::new(0, 1), Key::new(1, 1)]);
        assert!(mailbox.waker.system_calls() <= 3);
        others.into_iter().for_each(|other| other.join().unwrap());
    });
}

/// The slot has been given to another connection when the wake arrives: it is for the old key.
#[test]
fn a_wake_of_a_connection_that_ends_is_for_nobody_else() {
    model(|| {
        let mailbox = mailbox();
        let old = waker(&mailbox, 0);
        let late = old.clone();
        let other = thread::spawn(move || late.wake());
        drop(old);
        let next = Arc::new(ConnectionWaker::new(Key::new(0, 2), mailbox.clone()));
        next.wake_by_ref();
        let (mut woken, mut mail) = (Vec::new(), Mail::default());
        while woken.len() < 2 {
            woken.extend(turn(&mailbox, &mut mail));
        }
        woken.sort_unstable();
        assert_eq!(woken, [Key::new(0, 1), Key::new(0, 2)]);
        other.join().unwrap();
    });
}

#[test]
fn a_waker_outlives_its_loop() {
    model(|| {
        let mailbox = mailbox();
        let waker = waker(&mailbox, 0);
        let others: Vec<_> = (0..2)
            .map(|_| {
                let waker = waker.clone();
                thread::spawn(move || waker.wake_by_ref())
            })
            .collect();
        mailbox.take(&mut Mail::default());
        mailbox.close();
        others.into_iter().for_each(|other| other.join().unwrap());
        waker.wake();
        assert_eq!(Arc::strong_count(&mailbox), 1, "the mailbox keeps no waker that keeps the mailbox");
        assert!(mailbox.is_empty());
        assert!(mailbox.waker.system_calls() <= 2);
    });
}
