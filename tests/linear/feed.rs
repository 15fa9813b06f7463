//! Core's driver on a connection in memory: the whole way of a request, without a socket, a thread or a clock.
//! Only `measured` is counted.

use std::{
    io::{self, IoSlice},
    net::SocketAddr,
    sync::{Arc, Mutex},
    task::{Context, Poll, Waker},
    time::{Instant, SystemTime},
};

use trijet_core::{App, Limits, Outcome, PeerWatch, Transport, driver::drive, jobs::Job};

/// How the input arrives.
#[derive(Clone, Copy)]
pub(crate) enum Arrival {
    Whole,
    ByteByByte,
}

struct Memory {
    input: Vec<u8>,
    position: usize,
    arrival: Arrival,
    now: Instant,
    output: Arc<Mutex<Output>>,
}

/// What has come out, in short: it must cost no more than it does.
#[derive(Default)]
struct Output {
    first: Vec<u8>,
    jobs: Vec<Job>,
}

impl Transport for Memory {
    fn poll_read(&mut self, _: &mut Context<'_>, into: &mut [u8]) -> Poll<io::Result<usize>> {
        let left = &self.input[self.position..];
        let most = match self.arrival {
            Arrival::Whole => into.len(),
            Arrival::ByteByByte => 1,
        };
        let count = most.min(left.len());
        into[..count].copy_from_slice(&left[..count]);
        self.position += count;
        Poll::Ready(Ok(count))
    }

    fn poll_write(&mut self, _: &mut Context<'_>, from: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        let first = &mut self.output.lock().unwrap().first;
        if first.len() < 12 {
            first.extend_from_slice(from.iter().find(|slice| !slice.is_empty()).expect("not all are empty"));
            first.truncate(12);
        }
        Poll::Ready(Ok(from.iter().map(|slice| slice.len()).sum()))
    }

    fn poll_close_write(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn reset(&mut self) {}

    fn watch_peer(&mut self, _: &mut Context<'_>, _: &PeerWatch) {}

    fn poll_deadline(&mut self, _: &mut Context<'_>, _: Instant) -> Poll<()> {
        Poll::Pending
    }

    fn now(&self) -> Instant {
        self.now
    }

    fn wall_clock(&self) -> SystemTime {
        SystemTime::UNIX_EPOCH
    }

    fn run_job(&mut self, job: Job) {
        self.output.lock().unwrap().jobs.push(job);
    }

    fn is_stopping(&self) -> bool {
        false
    }

    fn mark_used(&mut self) {}

    fn is_used(&self) -> bool {
        true
    }

    fn peer_address(&self) -> Option<SocketAddr> {
        None
    }
}

/// Serves `input` to its end; the status of the first answer.
pub(crate) fn feed(app: App, limits: Limits, input: Vec<u8>, arrival: Arrival) -> String {
    let output = Arc::new(Mutex::new(Output::default()));
    let memory = Memory { input, position: 0, arrival, now: Instant::now(), output: output.clone() };
    measured(memory, Arc::new(app), Arc::new(limits), &output);
    let first = &output.lock().unwrap().first;
    String::from_utf8_lossy(first.get(9..12).unwrap_or(b"none")).into_owned()
}

/// Callgrind knows it by its name, and would take a closure in it for it.
#[inline(never)]
fn measured(mut memory: Memory, app: Arc<App>, limits: Arc<Limits>, output: &Mutex<Output>) {
    let mut cx = Context::from_waker(Waker::noop());
    loop {
        let mut driver = Box::pin(drive(memory, app.clone(), limits.clone()));
        memory = loop {
            match driver.as_mut().poll(&mut cx) {
                Poll::Ready(Outcome::Idle(transport)) => break transport,
                Poll::Ready(_) => return,
                Poll::Pending => {
                    let jobs = std::mem::take(&mut output.lock().unwrap().jobs);
                    for job in jobs {
                        job.run(None);
                    }
                }
            }
        };
    }
}
