//! The client's end of a wire: a script of steps, which waits as well as sends, so that exchanges in
//! which each side waits for the other can be told. It knows bytes and the ends of responses, no more.

use std::{collections::VecDeque, time::Duration, time::Instant};

use super::{
    CENTURY,
    rng::Rng,
    world::{End, Shared, Wire, World},
};
use crate::testing::{Asked, find, whole_len};

/// The client of one simulated connection. Its steps are taken in order while the simulation runs;
/// reading goes on beside them, unless it is stopped.
///
/// ```
/// use trijet_core::{Router, get, sim::{Settings, Sim}};
///
/// let sim = Sim::new(Router::new().route("/", get(|| "hello")), Settings::default());
/// let peer = sim.connect();
/// peer.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await_response().send("GET / HT");
/// sim.run();
/// assert!(peer.received_text().ends_with("the request head did not arrive in time\n"));
/// ```
#[derive(Clone)]
pub struct Peer {
    pub(super) world: Shared,
    pub(super) wire: usize,
}

/// What a peer does next.
#[derive(Debug)]
enum Step {
    Send(VecDeque<u8>),
    AwaitBytes(usize),
    AwaitText(Vec<u8>),
    AwaitResponse,
    AwaitClose,
    Wait(Duration),
    WaitUntil(Instant),
    StopReading,
    /// Reads so many bytes while reading is stopped.
    Read(usize),
    ReadOn,
    HalfClose,
    Close,
    Reset,
}

/// A peer's steps, and what it has come to.
#[derive(Debug, Default)]
pub(super) struct Script {
    steps: VecDeque<Step>,
    reading: Reading,
    received: Vec<u8>,
    /// The most bytes that are received in all, if there is a most.
    window: Option<usize>,
    /// Where what the next `await_text` or `await_response` looks for begins.
    awaited: usize,
}

#[derive(Debug, Default)]
enum Reading {
    #[default]
    On,
    /// So many bytes, then no more.
    Bytes(usize),
    /// The peer is gone.
    Over,
}

impl Peer {
    fn then(&self, step: Step) -> &Self {
        self.world.lock().wires[self.wire].script.steps.push_back(step);
        self
    }

    /// Sends `bytes`, as fast as the server takes them.
    pub fn send(&self, bytes: impl AsRef<[u8]>) -> &Self {
        self.then(Step::Send(bytes.as_ref().iter().copied().collect()))
    }

    /// Waits until `count` bytes have been received in all.
    pub fn await_bytes(&self, count: usize) -> &Self {
        self.then(Step::AwaitBytes(count))
    }

    /// Waits for `text`, after what was awaited before.
    pub fn await_text(&self, text: impl AsRef<[u8]>) -> &Self {
        self.then(Step::AwaitText(text.as_ref().to_vec()))
    }

    /// Waits for one whole response, after what was awaited before; not for one to a HEAD request, whose
    /// end cannot be told from its bytes.
    pub fn await_response(&self) -> &Self {
        self.then(Step::AwaitResponse)
    }

    /// Waits until the server has ended its direction, or reset the connection.
    pub fn await_close(&self) -> &Self {
        self.then(Step::AwaitClose)
    }

    /// Waits for `duration` of virtual time.
    pub fn wait(&self, duration: Duration) -> &Self {
        self.then(Step::Wait(duration))
    }

    /// Reads nothing from here on, so that the server's writes fill the buffer and wait.
    pub fn stop_reading(&self) -> &Self {
        self.then(Step::StopReading)
    }

    /// Reads `count` bytes more, after [`stop_reading`](Self::stop_reading).
    pub fn read(&self, count: usize) -> &Self {
        self.then(Step::Read(count))
    }

    /// Reads again whatever comes.
    pub fn read_on(&self) -> &Self {
        self.then(Step::ReadOn)
    }

    /// Ends its direction, and still reads.
    pub fn half_close(&self) -> &Self {
        self.then(Step::HalfClose)
    }

    /// Goes away: what the server writes from here on fails.
    pub fn close(&self) -> &Self {
        self.then(Step::Close)
    }

    /// Resets the connection.
    pub fn reset(&self) -> &Self {
        self.then(Step::Reset)
    }

    /// Everything received so far.
    pub fn received(&self) -> Vec<u8> {
        self.world.lock().wires[self.wire].script.received.clone()
    }

    /// Adds what was received after the first `taken` bytes to `into`, and tells how much it was.
    pub(super) fn received_after(&self, taken: usize, into: &mut Vec<u8>) -> usize {
        let world = self.world.lock();
        let rest = &world.wires[self.wire].script.received[taken..];
        into.extend_from_slice(rest);
        rest.len()
    }

    /// Receives no more than `count` bytes in all, until it is told another number.
    pub(super) fn receive_up_to(&self, count: usize) {
        self.world.lock().wires[self.wire].script.window = Some(count);
    }

    /// What fits into a socket's buffer.
    pub(super) fn buffer_bytes(&self) -> usize {
        self.world.lock().buffer_bytes
    }

    /// Leaves at once where what is still to be sent waits for a server that waits to be read; tells whether it is so.
    pub(super) fn give_up(&self) -> bool {
        let script = &mut self.world.lock().wires[self.wire].script;
        let is_stuck = script.room() == 0 && matches!(script.steps.front(), Some(Step::Send(_)));
        if is_stuck {
            script.steps = VecDeque::from([Step::Close]);
        }
        is_stuck
    }

    /// Everything received so far, as text.
    pub fn received_text(&self) -> String {
        String::from_utf8_lossy(&self.received()).into_owned()
    }

    /// Whether every step has been taken.
    pub fn is_done(&self) -> bool {
        self.world.lock().wires[self.wire].script.is_done()
    }

    /// Whether the server has ended its direction, and everything before that was received.
    pub fn is_closed(&self) -> bool {
        let world = self.world.lock();
        let pipe = &world.wires[self.wire].to_peer;
        pipe.end != End::Open && pipe.bytes.is_empty()
    }

    /// The virtual time at which the server ended its direction.
    pub fn closed_at(&self) -> Option<Duration> {
        let world = self.world.lock();
        world.wires[self.wire].closed_at.map(|at| world.since_start(at))
    }

    /// Whether the connection was reset, by either side: bytes may have been lost.
    pub fn is_reset(&self) -> bool {
        self.world.lock().wires[self.wire].to_peer.end == End::Reset
    }
}

impl std::fmt::Debug for Peer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let world = self.world.lock();
        f.debug_struct("Peer").field("script", &world.wires[self.wire].script).finish_non_exhaustive()
    }
}

impl Script {
    pub(super) fn waits_until(&self) -> Option<Instant> {
        match self.steps.front() {
            Some(Step::WaitUntil(at)) => Some(*at),
            _ => None,
        }
    }

    pub(super) fn is_done(&self) -> bool {
        self.steps.is_empty()
    }

    fn can_read(&self) -> bool {
        !matches!(self.reading, Reading::Bytes(0) | Reading::Over) && self.room() > 0
    }

    /// How many bytes more it receives.
    fn room(&self) -> usize {
        self.window.map_or(usize::MAX, |window| window.saturating_sub(self.received.len()))
    }
}

/// Whether the peer of `wire` could do something now.
pub(super) fn can_act(wire: &Wire, now: Instant, buffer_bytes: usize) -> bool {
    can_read(wire) || can_step(wire, now, buffer_bytes)
}

fn can_read(wire: &Wire) -> bool {
    wire.script.can_read() && !wire.to_peer.bytes.is_empty()
}

fn can_step(wire: &Wire, now: Instant, buffer_bytes: usize) -> bool {
    let Script { steps, received, awaited, reading, .. } = &wire.script;
    match steps.front() {
        None => false,
        Some(Step::Send(_)) => {
            wire.is_dropped || wire.to_server.end != End::Open || wire.to_server.bytes.len() < buffer_bytes
        }
        Some(Step::AwaitBytes(count)) => received.len() >= *count,
        Some(Step::AwaitText(text)) => find(&received[*awaited..], text).is_some(),
        Some(Step::AwaitResponse) => {
            let is_over = wire.to_peer.end != End::Open && wire.to_peer.bytes.is_empty();
            matches!(whole_len(&received[*awaited..], Asked::Other, is_over), Ok(Some(_)))
        }
        Some(Step::AwaitClose) => wire.to_peer.end != End::Open && wire.to_peer.bytes.is_empty(),
        Some(Step::WaitUntil(at)) => now >= *at,
        Some(Step::ReadOn) => !matches!(reading, Reading::Over),
        Some(
            Step::Wait(_) | Step::StopReading | Step::Read(_) | Step::HalfClose | Step::Close | Step::Reset,
        ) => true,
    }
}

/// Lets the peer of `wire` do one thing that it can do.
pub(super) fn act(world: &mut World, wire: usize) {
    let World { wires, rng, now, buffer_bytes, .. } = world;
    let wire = &mut wires[wire];
    let (reads, steps) = (can_read(wire), can_step(wire, *now, *buffer_bytes));
    if reads && !(steps && rng.is_once_in(2)) {
        read(wire, rng);
    } else if steps {
        step(wire, rng, *now, *buffer_bytes);
    }
}

fn read(wire: &mut Wire, rng: &mut Rng) {
    let most = match wire.script.reading {
        Reading::Bytes(count) => count,
        Reading::On | Reading::Over => usize::MAX,
    };
    let count = rng.portion(wire.to_peer.bytes.len().min(most).min(wire.script.room()));
    wire.script.received.extend(wire.to_peer.bytes.drain(..count));
    if let Reading::Bytes(rest) = &mut wire.script.reading {
        *rest -= count;
    }
    wire.to_peer.wake();
}

fn step(wire: &mut Wire, rng: &mut Rng, now: Instant, buffer_bytes: usize) {
    let script = &mut wire.script;
    let Some(step) = script.steps.pop_front() else { return };
    match step {
        Step::Send(mut bytes) => {
            if wire.is_dropped || wire.to_server.end == End::Reset {
                // What arrives at a closed socket is answered with a reset.
                wire.to_peer.reset();
                return;
            }
            if bytes.is_empty() || wire.to_server.end == End::Ended {
                return;
            }
            let count = rng.portion(bytes.len().min(buffer_bytes - wire.to_server.bytes.len()));
            wire.to_server.bytes.extend(bytes.drain(..count));
            wire.to_server.wake();
            if !bytes.is_empty() {
                script.steps.push_front(Step::Send(bytes));
            }
        }
        Step::AwaitText(text) => {
            let found = find(&script.received[script.awaited..], &text).unwrap_or(0);
            script.awaited += found + text.len();
        }
        Step::AwaitResponse => {
            let rest = &script.received[script.awaited..];
            if let Ok(Some(len)) = whole_len(rest, Asked::Other, true) {
                script.awaited += len;
            }
        }
        Step::AwaitBytes(_) | Step::AwaitClose | Step::WaitUntil(_) => {}
        Step::Wait(duration) => script.steps.push_front(Step::WaitUntil(now + duration.min(CENTURY))),
        Step::StopReading => script.reading = Reading::Bytes(0),
        Step::Read(count) => script.reading = Reading::Bytes(count),
        Step::ReadOn => script.reading = Reading::On,
        Step::HalfClose => wire.to_server.finish(),
        Step::Close => {
            script.reading = Reading::Over;
            wire.to_server.finish();
            wire.to_peer.reset();
        }
        Step::Reset => {
            script.reading = Reading::Over;
            wire.to_server.reset();
            wire.to_peer.reset();
        }
    }
}
