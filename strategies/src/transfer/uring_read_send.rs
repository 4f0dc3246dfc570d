//! How much of the price of read and send is the two calls, rather than the two copies?
//!
//! The same two copies as `read-write`, but as linked operations of an io_uring: READ into a
//! buffer, SEND from it, a chain for each lane, and one `io_uring_enter` for a whole batch of
//! chains (option `depth`). It wins where calls are dear and fetches are small; it loses to
//! anything that does not copy once they are large.
//!
//! A link is an order: the kernel starts an operation when the one before it was complete. That
//! keeps each lane's bytes in order, and costs parallel reads within a lane. A short read, a full
//! socket or a short send breaks the chain and the rest comes back as `ECANCELED`; it is taken up
//! in the next step, from the buffer where the bytes were read already. A SEND counts as short only
//! with `MSG_WAITALL`: without it the chain would run on over a gap.
//!
//! Sources: io_uring_enter(2), io_uring(7); `io_send` in `io_uring/net.c`, `io_read` in
//! `io_uring/rw.c`.
//!
//! Timed: every `io_uring_enter`. Not timed: the ring and the buffers. When a step ends nothing is
//! in flight, so the batch waits for its slowest sink, unless that sink is non-blocking.

use crate::chains::{Chains, Links, Work, header_room, ring_entries};
use crate::memory::Slots;
use crate::ring::Ring;
use crate::transform::CHAINED;
use crate::{
    Engine, Hop, Mover, OpenError, OptionKind, OptionSpec, Path, Place, Route, Setup, Strategy,
};
use io_uring::{opcode, squeue, types::Fd};
use std::os::fd::{AsRawFd, RawFd};

/// See the module.
pub struct UringReadSend;

const OPTIONS: &[OptionSpec] = &[
    OptionSpec {
        name: "depth",
        what: "READ and SEND pairs in one batch",
        kind: OptionKind::Number { default: 8, min: 1, max: 256 },
    },
    OptionSpec {
        name: "buffer",
        what: "bytes of each pair's buffer",
        kind: OptionKind::Number { default: 1 << 20, min: 1, max: 1 << 30 },
    },
];

impl Strategy for UringReadSend {
    fn name(&self) -> &'static str {
        "uring-read-send"
    }

    fn question(&self) -> &'static str {
        "How much of the price of read and send is the two calls, rather than the two copies?"
    }

    fn path(&self, on: &Route) -> Path {
        let mut hops = on.fill();
        hops.push(Hop::new(
            Place::PageCache,
            Place::UserBuffer,
            Mover::CpuCopy,
            "READ copies out of the page cache",
        ));
        let why = "SEND copies into the socket's queue";
        hops.extend(on.into_sink(Place::UserBuffer, Mover::CpuCopy, why));
        Path { hops }
    }

    fn options(&self) -> &'static [OptionSpec] {
        OPTIONS
    }

    fn transforms(&self) -> Result<(), &'static str> {
        Err(CHAINED)
    }

    fn open(&self, setup: &Setup) -> Result<Box<dyn Engine>, OpenError> {
        let depth = setup.options.number("depth").max(1) as usize;
        let ring = Ring::open(ring_entries(depth), slots(setup, depth)?)?;
        Chains::open(setup, depth, ring, ReadSend::of(setup))
    }
}

/// A slot for each pair: room for a header and a buffer.
pub(super) fn slots(setup: &Setup, count: usize) -> Result<Slots, OpenError> {
    let buffer = setup.fetch_bytes_max.0.min(setup.options.number("buffer")).max(1) as usize;
    Slots::new(count, header_room(setup) + buffer, 1)
}

/// The two operations.
pub(super) struct ReadSend {
    log: Vec<RawFd>,
}

impl ReadSend {
    pub(super) fn of(setup: &Setup) -> ReadSend {
        ReadSend { log: setup.segments.iter().map(|segment| segment.file.as_raw_fd()).collect() }
    }
}

impl Links for ReadSend {
    const FILL: Option<&'static str> = Some("io_uring READ");
    const SEND: &'static str = "io_uring SEND";

    fn fill(&self, work: &Work) -> Option<squeue::Entry> {
        let log = Fd(self.log[work.piece.segment as usize]);
        let read = opcode::Read::new(log, work.memory, work.len());
        Some(read.offset(work.piece.offset_bytes).build())
    }

    /// SEND for a socket, WRITE at its own position for a file.
    fn send(&self, work: &Work) -> squeue::Entry {
        let (sink, bytes) = (Fd(work.sink.fd), work.memory.cast_const());
        if work.sink.kind.is_socket() {
            opcode::Send::new(sink, bytes, work.len()).flags(work.flags).build()
        } else {
            let write = opcode::Write::new(sink, bytes, work.len()).offset(u64::MAX);
            write.rw_flags(work.write_flags()).build()
        }
    }
}
