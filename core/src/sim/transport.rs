//! The server's end of a wire. It does what sockets do at their worst: short reads and writes, readiness
//! that comes late, and a close that destroys what the peer has not read yet.

use std::{
    io::{self, IoSlice},
    net::{Ipv4Addr, SocketAddr},
    task::{Context, Poll},
    time::{Instant, SystemTime},
};

use super::{
    holding::Holding,
    world::{End, Shared},
};
use crate::{PeerWatch, Transport, jobs::Job};

/// One simulated connection, as the driver sees it.
pub struct SimTransport {
    world: Shared,
    wire: usize,
    is_used: bool,
}

/// A transport is held back once in so many polls.
const HELD_BACK: usize = 4;

impl SimTransport {
    pub(super) fn new(world: Shared, wire: usize) -> Self {
        Self { world, wire, is_used: false }
    }
}

impl Transport for SimTransport {
    fn poll_read(&mut self, cx: &mut Context<'_>, into: &mut [u8]) -> Poll<io::Result<usize>> {
        assert!(!into.is_empty(), "the driver reads into nothing");
        let world = &mut *self.world.lock();
        if !world.is_stopping {
            world.block(self.wire, |wire| wire.to_server.is_readable());
        }
        let pipe = &mut world.wires[self.wire].to_server;
        if pipe.end == End::Reset {
            return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
        }
        if !pipe.is_readable() {
            pipe.waker = Some(cx.waker().clone());
            return Poll::Pending;
        }
        // A server that stops relies on being told what is there.
        if !world.is_stopping && world.rng.is_once_in(HELD_BACK) {
            world.late.push(cx.waker().clone());
            return Poll::Pending;
        }
        if pipe.bytes.is_empty() {
            return Poll::Ready(Ok(0));
        }
        let count = world.rng.portion(pipe.bytes.len().min(into.len()));
        for (byte, place) in pipe.bytes.drain(..count).zip(into) {
            *place = byte;
        }
        Poll::Ready(Ok(count))
    }

    /// As on an event loop, but where calls block.
    fn may_read(&self) -> bool {
        let world = self.world.lock();
        let pipe = &world.wires[self.wire].to_server;
        world.is_stopping || !world.tick.is_zero() || pipe.end == End::Reset || pipe.is_readable()
    }

    fn poll_write(&mut self, cx: &mut Context<'_>, from: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        let offered: usize = from.iter().map(|slice| slice.len()).sum();
        assert!(offered > 0, "the driver writes nothing");
        let world = &mut *self.world.lock();
        let buffer_bytes = world.buffer_bytes;
        world.block(self.wire, |wire| {
            wire.to_peer.bytes.len() < buffer_bytes || wire.to_peer.end != End::Open
        });
        let wire = &mut world.wires[self.wire];
        assert!(wire.to_peer.end != End::Ended, "the driver writes after it has ended its direction");
        if wire.to_peer.end == End::Reset {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        let room = buffer_bytes.saturating_sub(wire.to_peer.bytes.len());
        if room == 0 {
            wire.to_peer.waker = Some(cx.waker().clone());
            return Poll::Pending;
        }
        if world.rng.is_once_in(HELD_BACK) {
            world.late.push(cx.waker().clone());
            return Poll::Pending;
        }
        let count = world.rng.portion(room.min(offered));
        let mut rest = count;
        for slice in from {
            let part = rest.min(slice.len());
            wire.to_peer.bytes.extend(&slice[..part]);
            rest -= part;
        }
        Poll::Ready(Ok(count))
    }

    fn poll_close_write(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let world = &mut *self.world.lock();
        if world.rng.is_once_in(HELD_BACK) {
            world.late.push(cx.waker().clone());
            return Poll::Pending;
        }
        let wire = &mut world.wires[self.wire];
        if wire.to_peer.end == End::Reset {
            return Poll::Ready(Err(io::ErrorKind::NotConnected.into()));
        }
        wire.to_peer.finish();
        wire.closed_at.get_or_insert(world.now);
        Poll::Ready(Ok(()))
    }

    fn reset(&mut self) {
        self.world.lock().wires[self.wire].to_peer.reset();
    }

    fn watch_peer(&mut self, cx: &mut Context<'_>, watch: &PeerWatch) {
        let has_left = {
            let world = &mut *self.world.lock();
            let pipe = &mut world.wires[self.wire].to_server;
            if pipe.end == End::Open {
                pipe.waker = Some(cx.waker().clone());
                return;
            }
            let is_late = world.rng.is_once_in(HELD_BACK);
            if is_late {
                world.late.push(cx.waker().clone());
            }
            !is_late
        };
        if has_left {
            watch.tell();
        }
    }

    fn poll_deadline(&mut self, cx: &mut Context<'_>, at: Instant) -> Poll<()> {
        let world = &mut *self.world.lock();
        let deadline = &mut world.wires[self.wire].deadline;
        if world.now >= at {
            *deadline = None;
            return Poll::Ready(());
        }
        *deadline = Some((at, cx.waker().clone()));
        Poll::Pending
    }

    fn now(&self) -> Instant {
        self.world.lock().now
    }

    fn wall_clock(&self) -> SystemTime {
        self.world.lock().wall_clock
    }

    fn run_job(&mut self, job: Job) {
        self.world.lock().jobs.push_back(job);
    }

    fn enter_app(&mut self, route: u32) {
        let world = &mut *self.world.lock();
        let fault = world.holding.as_mut().and_then(|holding| holding.enter(route));
        world.fault = fault.or(world.fault.take());
    }

    fn leave_app(&mut self) {
        let world = &mut *self.world.lock();
        let fault = world.holding.as_mut().and_then(Holding::leave);
        world.fault = fault.or(world.fault.take());
    }

    fn is_stopping(&self) -> bool {
        self.world.lock().is_stopping
    }

    fn mark_used(&mut self) {
        self.is_used = true;
    }

    fn is_used(&self) -> bool {
        self.is_used
    }

    fn peer_address(&self) -> Option<SocketAddr> {
        let port = u16::try_from(self.wire).unwrap_or(u16::MAX).saturating_add(1);
        Some((Ipv4Addr::LOCALHOST, port).into())
    }
}

impl Drop for SimTransport {
    fn drop(&mut self) {
        let world = &mut *self.world.lock();
        let wire = &mut world.wires[self.wire];
        wire.is_dropped = true;
        wire.closed_at.get_or_insert(world.now);
        wire.deadline = None;
        // RFC 9112 §9.6: a close with bytes unread resets the connection, and the reset may destroy what
        // the peer has not read yet. Here it always does.
        if wire.to_server.bytes.is_empty() {
            // After a reset this changes nothing.
            wire.to_peer.finish();
        } else {
            wire.to_peer.reset();
        }
    }
}

impl std::fmt::Debug for SimTransport {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SimTransport").field("wire", &self.wire).finish_non_exhaustive()
    }
}
