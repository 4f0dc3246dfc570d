//! Do page references and batches add up?
//!
//! The two calls of `splice` as linked operations of an io_uring: SPLICE from the log into a pipe,
//! SPLICE from the pipe to the sink, a pipe for each pair, and one `io_uring_enter` for a batch of
//! pairs (option `depth`). No byte is copied, and few calls are made. But the kernel may wait
//! inside a splice, so it never performs one in the caller's thread: each is handed to a worker
//! thread, and the operation linked to it waits for that worker. What is saved in crossings is paid
//! in switches between threads. It loses to `sendfile` nearly everywhere; it can win where the
//! sender's own thread must never wait, since the workers wait for it.
//!
//! A pipe holds pages, not bytes: what it takes of a piece ends where its last page ends. A worker
//! waits for a full sink unless the sink itself is non-blocking; SPLICE_F_NONBLOCK would be about
//! the pipe, which is empty or full as the link before left it, so nobody has to wait for it. When
//! every pipe holds what full sinks did not take, one of them is emptied into `/dev/null`, by a
//! plain call.
//!
//! Sources: io_uring_enter(2) `IORING_OP_SPLICE`; `io_splice_prep` (`REQ_F_FORCE_ASYNC`) in
//! `io_uring/splice.c`, `splice_to_socket` in `fs/splice.c`.
//!
//! Timed: every `io_uring_enter`, and emptying pipes. Not timed: the ring, the pipes.

use crate::chains::{Chains, Links, Work, header_room, ring_entries};
use crate::memory::Slots;
use crate::ring::Ring;
use crate::{
    CallError, Engine, Hop, LaneId, Mover, OpenError, OptionKind, OptionSpec, Path, Piece, Place,
    Queue, Route, Setup, Strategy, sys,
};
use io_uring::{opcode, squeue, types::Fd};
use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use std::fs::File;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};

/// A pipe's slots hold a page each, or a part of one.
const PAGE_BYTES: u64 = 4096;

/// SPLICE: this end has no offset of its own.
const NONE: i64 = -1;

/// See the module.
pub struct UringSplice;

const OPTIONS: &[OptionSpec] = &[
    OptionSpec {
        name: "depth",
        what: "pairs of SPLICE in one batch, each with a pipe",
        kind: OptionKind::Number { default: 8, min: 1, max: 64 },
    },
    OptionSpec {
        name: "pipe",
        what: "bytes that a pipe holds; the kernel rounds up to pages and a power of two",
        kind: OptionKind::Number { default: 64 << 10, min: 1, max: 1 << 30 },
    },
];

impl Strategy for UringSplice {
    fn name(&self) -> &'static str {
        "uring-splice"
    }

    fn question(&self) -> &'static str {
        "Do page references and batches add up?"
    }

    fn path(&self, on: &Route) -> Path {
        let mut hops = on.fill();
        hops.push(Hop::new(
            Place::PageCache,
            Place::Pipe,
            Mover::Reference,
            "a worker's SPLICE puts page references into the pipe",
        ));
        let why = "another SPLICE hands the references on";
        hops.extend(on.into_sink(Place::Pipe, Mover::Reference, why));
        Path { hops }
    }

    fn options(&self) -> &'static [OptionSpec] {
        OPTIONS
    }

    fn open(&self, setup: &Setup) -> Result<Box<dyn Engine>, OpenError> {
        let depth = setup.options.number("depth").max(1) as usize;
        // The slots hold headers only; the byte beyond is for a ring's length of at least one.
        let slots = Slots::new(depth, header_room(setup) + 1, 1)?;
        let ring = Ring::open(ring_entries(depth), slots)?;
        let null = File::options().write(true).open("/dev/null");
        let links = Pipes {
            log: setup.segments.iter().map(|segment| segment.file.as_raw_fd()).collect(),
            pipes: (0..depth)
                .map(|_| Pipe::new(setup.options.number("pipe")))
                .collect::<Result<_, _>>()?,
            null: null.map_err(|e| OpenError::failed("open(/dev/null)", sys::errno_of(e)))?,
        };
        Chains::open(setup, depth, ring, links)
    }
}

struct Pipe {
    out: OwnedFd,
    into: OwnedFd,
    capacity_bytes: u64,
}

impl Pipe {
    fn new(capacity_bytes: u64) -> Result<Pipe, OpenError> {
        let (out, into) = nix::unistd::pipe2(OFlag::O_CLOEXEC)
            .map_err(|errno| OpenError::failed("pipe2", errno))?;
        let size = FcntlArg::F_SETPIPE_SZ(capacity_bytes.min(i32::MAX as u64) as i32);
        let capacity_bytes = fcntl(&into, size).map_err(|errno| OpenError::Unsupported {
            call: "fcntl(F_SETPIPE_SZ)",
            errno,
            hint: "limits are in /proc/sys/fs/pipe-max-size and pipe-user-pages-soft",
        })? as u64;
        Ok(Pipe { out, into, capacity_bytes })
    }
}

/// The operations: a pipe for each slot.
struct Pipes {
    log: Vec<RawFd>,
    pipes: Vec<Pipe>,
    null: File,
}

impl Links for Pipes {
    const FILL: Option<&'static str> = Some("io_uring SPLICE(log, pipe)");
    const SEND: &'static str = "io_uring SPLICE(pipe, sink)";

    /// As many pages as every pipe has slots.
    fn most(&self, piece: Piece, _room_bytes: u64) -> u64 {
        let least = self.pipes.iter().map(|pipe| pipe.capacity_bytes).min().unwrap_or(0);
        least - piece.offset_bytes % PAGE_BYTES
    }

    fn fill(&self, work: &Work) -> Option<squeue::Entry> {
        let log = Fd(self.log[work.piece.segment as usize]);
        let pipe = Fd(self.pipes[work.slot].into.as_raw_fd());
        let at = work.piece.offset_bytes as i64;
        Some(opcode::Splice::new(log, at, pipe, NONE, work.len()).build())
    }

    fn send(&self, work: &Work) -> squeue::Entry {
        let pipe = Fd(self.pipes[work.slot].out.as_raw_fd());
        let flags = if work.more { libc::SPLICE_F_MORE } else { 0 };
        opcode::Splice::new(pipe, NONE, Fd(work.sink.fd), NONE, work.len()).flags(flags).build()
    }

    fn discard(&mut self, queue: &Queue, lane: LaneId, slot: usize) -> Result<(), CallError> {
        const CALL: &str = "splice(pipe, /dev/null)";
        let (out, null) = (self.pipes[slot].out.as_raw_fd(), self.null.as_raw_fd());
        let len = self.pipes[slot].capacity_bytes as usize;
        match sys::splice(&queue.calls, out, None, null, len, libc::SPLICE_F_NONBLOCK) {
            Ok(1..) => Ok(()),
            Ok(0) => Err(queue.error(lane, CALL, Errno::EIO)),
            Err(errno) => Err(queue.error(lane, CALL, errno)),
        }
    }
}
