//! How much of what a ring costs is looking up files and pinning pages, again and again?
//!
//! The same two copies as `uring-read-send`, with everything registered beforehand: the log's files
//! and the sinks, so that no operation takes and drops a reference to a file, and the buffers, so
//! that the kernel has their pages pinned and mapped. READ_FIXED fills a buffer, and either SEND or
//! WRITE_FIXED (option `send`) hands it on. No copy is saved: what goes is upkeep for each
//! operation. It wins, a little, on small fetches; on large ones the copies drown it.
//!
//! A plain SEND takes its file from the table but not its buffer: the kernel allows a fixed buffer
//! (`IORING_RECVSEND_FIXED_BUF`) for sends of the caller's pages only, so it reads the buffer by
//! its address as ever. WRITE_FIXED uses the fixed buffer, but a write knows no MSG_MORE: a fetch
//! that is longer than a buffer leaves in more packets. Files and devices get WRITE_FIXED in any
//! case.
//!
//! Registered memory counts against RLIMIT_MEMLOCK, registered files against RLIMIT_NOFILE.
//!
//! Sources: io_uring_register(2); `io_import_reg_buf` in `io_uring/rsrc.c`, `io_send` in
//! `io_uring/net.c`, `io_write` in `io_uring/rw.c`.
//!
//! Timed: every `io_uring_enter`. Not timed: the ring, the buffers, registering both.

use super::uring_read_send::slots;
use crate::chains::{Chains, Links, Work, ring_entries};
use crate::ring::Ring;
use crate::transform::CHAINED;
use crate::{
    Engine, Hop, Mover, OpenError, OptionKind, OptionSpec, Path, Place, Route, Setup, Strategy,
};
use io_uring::{opcode, squeue, types::Fixed};
use std::os::fd::AsRawFd;

/// See the module.
pub struct UringFixed;

const OPTIONS: &[OptionSpec] = &[
    OptionSpec {
        name: "depth",
        what: "READ_FIXED and SEND pairs in one batch",
        kind: OptionKind::Number { default: 8, min: 1, max: 256 },
    },
    OptionSpec {
        name: "buffer",
        what: "bytes of each pair's buffer, all of them pinned",
        kind: OptionKind::Number { default: 1 << 20, min: 1, max: 1 << 29 },
    },
    OptionSpec {
        name: "send",
        what: "which operation hands a buffer to a socket",
        kind: OptionKind::Choice { default: "send", of: &["send", "write-fixed"] },
    },
];

impl Strategy for UringFixed {
    fn name(&self) -> &'static str {
        "uring-fixed"
    }

    fn question(&self) -> &'static str {
        "How much of what a ring costs is looking up files and pinning pages, again and again?"
    }

    fn path(&self, on: &Route) -> Path {
        let mut hops = on.fill();
        hops.push(Hop::new(
            Place::PageCache,
            Place::UserBuffer,
            Mover::CpuCopy,
            "READ_FIXED copies out of the page cache",
        ));
        let why = "SEND or WRITE_FIXED copies into the socket's queue";
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
        let mut ring = Ring::open(ring_entries(depth), slots(setup, depth)?)?;
        ring.register_slots()?;
        let log = setup.segments.iter().map(|segment| segment.file.as_raw_fd());
        let files: Vec<_> = log.chain(setup.sinks.iter().map(|sink| sink.fd)).collect();
        ring.register_files(&files)?;
        let first_sink = setup.segments.len() as u32;
        let writes = setup.options.word("send") == "write-fixed";
        Chains::open(setup, depth, ring, Registered { first_sink, writes })
    }
}

/// The operations. Files are numbered as they were registered: the log's, then the sinks.
struct Registered {
    first_sink: u32,
    writes: bool,
}

impl Links for Registered {
    const FILL: Option<&'static str> = Some("io_uring READ_FIXED");
    const SEND: &'static str = "io_uring SEND";

    fn fill(&self, work: &Work) -> Option<squeue::Entry> {
        let log = Fixed(work.piece.segment);
        let read = opcode::ReadFixed::new(log, work.memory, work.len(), work.slot as u16);
        Some(read.offset(work.piece.offset_bytes).build())
    }

    fn send(&self, work: &Work) -> squeue::Entry {
        let sink = Fixed(self.first_sink + work.lane as u32);
        let bytes = work.memory.cast_const();
        if work.sink.kind.is_socket() && !self.writes {
            return opcode::Send::new(sink, bytes, work.len()).flags(work.flags).build();
        }
        let write = opcode::WriteFixed::new(sink, bytes, work.len(), work.slot as u16);
        write.offset(u64::MAX).rw_flags(work.write_flags()).build()
    }
}
