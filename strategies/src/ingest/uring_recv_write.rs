//! How much of the price of receive and write is the two calls, rather than the two copies?
//!
//! The same two copies as `recv-write`, but as linked operations of an io_uring: RECV into a buffer,
//! WRITE from it, and one `io_uring_enter` for a batch of such pairs (option `depth`) of one fetch. The
//! length of a fetch is known, so a RECV waits for all of its buffer (`MSG_WAITALL`); one that comes
//! back short breaks the chain, and what it brought is written in the next step.
//!
//! It wins where calls are dear. It loses where the file system cannot write without blocking: then
//! every WRITE goes through a worker thread of the ring (`io_write` in `io_uring/rw.c`; ext4's buffered
//! writes do), and each hand-over costs more than a call.
//!
//! Sources: io_uring_enter(2), io_uring(7); `io_recv` in `io_uring/net.c`.
//!
//! Timed: every `io_uring_enter`. Not timed: the ring and the buffers. When a step ends nothing is in
//! flight.

use crate::memory::Slots;
use crate::ring::Ring;
use crate::{
    CallError, Hop, Ingest, IngestEngine, IngestRoute, IngestSetup, Intake, Mover, OpenError,
    OptionKind, OptionSpec, Path, Place, Sink, Step, sys,
};
use io_uring::{opcode, squeue, types::Fd};
use nix::errno::Errno;
use std::os::fd::RawFd;

/// See the module.
pub struct UringRecvWrite;

const OPTIONS: &[OptionSpec] = &[
    OptionSpec {
        name: "depth",
        what: "RECV and WRITE pairs in one batch",
        kind: OptionKind::Number { default: 4, min: 1, max: 256 },
    },
    OptionSpec {
        name: "buffer",
        what: "bytes of each pair's buffer",
        kind: OptionKind::Number { default: 64 << 10, min: 1, max: 1 << 30 },
    },
];

impl Ingest for UringRecvWrite {
    fn name(&self) -> &'static str {
        "uring-recv-write"
    }

    fn question(&self) -> &'static str {
        "How much of the price of receive and write is the two calls, rather than the two copies?"
    }

    fn options(&self) -> &'static [OptionSpec] {
        OPTIONS
    }

    fn path(&self, on: &IngestRoute) -> Path {
        let received = "RECV copies out of the socket's queue";
        let written = "WRITE copies into the page cache";
        on.by(&[
            Hop::new(Place::SocketBuffer, Place::UserBuffer, Mover::CpuCopy, received),
            Hop::new(Place::UserBuffer, Place::PageCache, Mover::CpuCopy, written),
        ])
    }

    fn open(&self, setup: &IngestSetup) -> Result<Box<dyn IngestEngine>, OpenError> {
        let depth = setup.options.number("depth").max(1) as usize;
        let buffer = setup.fetch_bytes_max.0.min(setup.options.number("buffer")).max(1) as usize;
        let source = Sink { fd: setup.source.fd, kind: setup.source.kind };
        let nonblocking = sys::is_nonblocking(source)
            .map_err(|errno| OpenError::failed("fcntl(F_GETFL)", errno))?;
        Ok(Box::new(Batcher {
            file: setup.file,
            ring: Ring::open(depth * 2, Slots::new(depth, buffer, 1)?)?,
            nonblocking,
            pairs: Vec::with_capacity(depth),
            depth,
            left: (0, 0),
        }))
    }
}

/// One RECV and the WRITE behind it, and what became of them.
#[derive(Clone, Copy)]
struct Pair {
    offset_bytes: u64,
    len: usize,
    results: [i32; 2],
}

struct Batcher {
    file: RawFd,
    ring: Ring,
    nonblocking: bool,
    pairs: Vec<Pair>,
    depth: usize,
    /// The slot that has the bytes taken and not written, and where in it they begin.
    left: (usize, usize),
}

/// Numbers of operations: two for each slot.
const RECV: u64 = 0;
const WRITE: u64 = 1;

impl IngestEngine for Batcher {
    fn step(&mut self, intake: &mut Intake) -> Result<Step, CallError> {
        if intake.held().is_some() {
            return self.write_rest(intake);
        }
        let Some(due) = intake.due() else { return Ok(intake.idle()) };
        self.pairs.clear();
        let (mut offset_bytes, end) = (due.offset_bytes, due.offset_bytes + due.len_bytes);
        while offset_bytes < end && self.pairs.len() < self.depth {
            let len = (end - offset_bytes).min(self.ring.slots.len() as u64) as usize;
            self.pairs.push(Pair { offset_bytes, len, results: [-libc::ECANCELED; 2] });
            offset_bytes += len as u64;
        }
        self.submit(intake.source().fd)
            .and_then(|()| self.ring.enter(&intake.calls, self.ring.in_flight()))
            .map_err(|errno| intake.error("io_uring_enter", errno))?;
        while let Some(done) = self.ring.completion() {
            self.pairs[done.id as usize / 2].results[done.id as usize % 2] = done.result;
        }
        self.settle(intake)
    }
}

impl Batcher {
    /// Queues all pairs as one chain.
    fn submit(&mut self, socket: RawFd) -> Result<(), Errno> {
        let wait = if self.nonblocking { libc::MSG_DONTWAIT } else { 0 };
        for slot in 0..self.pairs.len() {
            let Pair { offset_bytes, len, .. } = self.pairs[slot];
            let buffer = self.ring.slots.pointer(slot);
            let last = slot + 1 == self.pairs.len();
            let recv = opcode::Recv::new(Fd(socket), buffer, len as u32)
                .flags(libc::MSG_WAITALL | wait)
                .build();
            self.push(recv, slot, RECV, false)?;
            let write = opcode::Write::new(Fd(self.file), buffer, len as u32).offset(offset_bytes);
            self.push(write.build(), slot, WRITE, last)?;
        }
        Ok(())
    }

    fn push(
        &mut self,
        entry: squeue::Entry,
        slot: usize,
        which: u64,
        last: bool,
    ) -> Result<(), Errno> {
        let link = if last { squeue::Flags::empty() } else { squeue::Flags::IO_LINK };
        let entry = entry.flags(link).user_data(slot as u64 * 2 + which);
        // SAFETY: the operation touches its own slot of this ring and no other memory, and nobody
        // borrows a slot before the whole batch is complete.
        unsafe { self.ring.push(&[entry]) }
    }

    /// Takes what became of the pairs, in order, until one that was cut short: behind that one the
    /// kernel did nothing.
    fn settle(&mut self, intake: &mut Intake) -> Result<Step, CallError> {
        for slot in 0..self.pairs.len() {
            let Pair { len, results: [received, written], .. } = self.pairs[slot];
            match received {
                0 => return Err(intake.error("uring(RECV)", Errno::ENODATA)),
                got if got > 0 => intake.take(got as u64),
                refused => match Errno::from_raw(-refused) {
                    // Nothing had come when a signal did.
                    Errno::EINTR => return Ok(Step::Moved),
                    errno => return intake.refuse("uring(RECV)", errno),
                },
            }
            self.left = (slot, 0);
            if (received as usize) < len {
                break;
            }
            self.wrote(intake, written)?;
            if intake.held().is_some() {
                break;
            }
        }
        Ok(Step::Moved)
    }

    /// Writes what a batch has left in a slot.
    fn write_rest(&mut self, intake: &mut Intake) -> Result<Step, CallError> {
        let Some(held) = intake.held() else { return Ok(intake.idle()) };
        let (slot, start) = self.left;
        let buffer = self.ring.slots.pointer(slot).wrapping_add(start).cast_const();
        let write = opcode::Write::new(Fd(self.file), buffer, held.len_bytes as u32)
            .offset(held.offset_bytes)
            .build();
        self.push(write, slot, WRITE, true)
            .and_then(|()| self.ring.enter(&intake.calls, 1))
            .map_err(|errno| intake.error("io_uring_enter", errno))?;
        let written = self.ring.completion().map_or(-libc::EIO, |done| done.result);
        self.wrote(intake, written)?;
        Ok(Step::Moved)
    }

    /// Notes what a WRITE said.
    fn wrote(&mut self, intake: &mut Intake, written: i32) -> Result<(), CallError> {
        if written <= 0 {
            let errno = if written == 0 { Errno::EIO } else { Errno::from_raw(-written) };
            return Err(intake.error("uring(WRITE)", errno));
        }
        let held_bytes = intake.held().map_or(0, |held| held.len_bytes);
        if (written as u64) < held_bytes {
            intake.calls.short_write();
        }
        self.left.1 += written as usize;
        intake.keep(written as u64);
        Ok(())
    }
}
