//! Can a socket send from our own buffer, so that only the read copies?
//!
//! READ into a buffer, then SEND_ZC from it, as chains of an io_uring: the socket's queue gets
//! references to the buffer's pages, and the one copy left is the one out of the page cache. The
//! buffer is the kernel's until its notice: each send completes twice, first with the bytes
//! accepted, later with the word that the pages are free again, and only then may the next READ
//! fill them. With `buffers = "fixed"` (the default) the pages are pinned once beforehand; with
//! `plain` each send looks them up and pins them anew.
//!
//! It wins on a device that gathers, with sends of some ten KiB and more, where a copy costs more
//! than pinning and a notice; it loses on small sends. Over loopback it always loses: pages that the
//! sender may still change are copied when the packet is delivered, so the copy is merely put off,
//! and the notice says so (`IORING_NOTIF_USAGE_ZC_COPIED`). A consumer that reads slowly keeps the
//! buffers that it was sent; so there are twice as many as the batch needs, and no sink gets more
//! than its share of them.
//!
//! Only sockets that support it take SEND_ZC (TCP and UDP; a Unix stream says `EOPNOTSUPP`), which
//! is asked when the engine is opened. It came with Linux 6.0; notices that say whether bytes were
//! copied came with 6.2, and before that the lab's count of such answers stays zero.
//!
//! Sources: io_uring_enter(2) `IORING_OP_SEND_ZC`; `io_send_zc` in `io_uring/net.c`,
//! `io_tx_ubuf_complete` in `io_uring/notif.c`, `skb_orphan_frags_rx` in `include/linux/skbuff.h`.
//!
//! Timed: every `io_uring_enter`, and waiting for a notice where no buffer is free. Not timed: the
//! ring, the buffers, pinning fixed ones, notices that come after the last byte was accepted.

use super::uring_read_send::slots;
use crate::chains::{Chains, Links, Work, ring_entries};
use crate::ring::Ring;
use crate::transform::CHAINED;
use crate::zerocopy;
use crate::{
    Engine, Hop, Mover, OpenError, OptionKind, OptionSpec, Path, Place, Route, Setup, Strategy,
};
use io_uring::{opcode, squeue, types::Fd};
use std::os::fd::{AsRawFd, RawFd};

/// See the module.
pub struct UringSendZc;

/// Slots for each link of a batch: one to fill while another's pages are with the kernel.
const SLOTS_EACH: usize = 2;

const OPTIONS: &[OptionSpec] = &[
    OptionSpec {
        name: "depth",
        what: "READ and SEND_ZC pairs in one batch; there are twice as many buffers",
        kind: OptionKind::Number { default: 8, min: 1, max: 256 },
    },
    OptionSpec {
        name: "buffer",
        what: "bytes of each buffer",
        kind: OptionKind::Number { default: 1 << 20, min: 1, max: 1 << 29 },
    },
    OptionSpec {
        name: "buffers",
        what: "pinned once beforehand, or by each send",
        kind: OptionKind::Choice { default: "fixed", of: &["fixed", "plain"] },
    },
];

impl Strategy for UringSendZc {
    fn name(&self) -> &'static str {
        "uring-send-zc"
    }

    fn question(&self) -> &'static str {
        "Can a socket send from our own buffer, so that only the read copies?"
    }

    fn path(&self, on: &Route) -> Path {
        let mut hops = on.fill();
        hops.push(Hop::new(
            Place::PageCache,
            Place::UserBuffer,
            Mover::CpuCopy,
            "READ copies out of the page cache",
        ));
        let why = "SEND_ZC gives the socket's queue references to the buffer's pages";
        hops.extend(on.pinned_into_sink(Place::UserBuffer, why));
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
        let mut ring = Ring::open(ring_entries(depth), slots(setup, depth * SLOTS_EACH)?)?;
        let zc_flags = zerocopy::probe(&mut ring, setup.sinks)?;
        let fixed = setup.options.word("buffers") == "fixed";
        if fixed {
            ring.register_slots()?;
        }
        let log = setup.segments.iter().map(|segment| segment.file.as_raw_fd()).collect();
        Chains::open(setup, depth, ring, Pinned { log, fixed, zc_flags })
    }
}

/// The operations.
struct Pinned {
    log: Vec<RawFd>,
    fixed: bool,
    zc_flags: u16,
}

impl Links for Pinned {
    const FILL: Option<&'static str> = Some("io_uring READ");
    const SEND: &'static str = "io_uring SEND_ZC";
    const PINS: bool = true;

    fn fill(&self, work: &Work) -> Option<squeue::Entry> {
        let log = Fd(self.log[work.piece.segment as usize]);
        let (slot, offset) = (work.slot as u16, work.piece.offset_bytes);
        if self.fixed {
            let read = opcode::ReadFixed::new(log, work.memory, work.len(), slot);
            return Some(read.offset(offset).build());
        }
        Some(opcode::Read::new(log, work.memory, work.len()).offset(offset).build())
    }

    fn send(&self, work: &Work) -> squeue::Entry {
        opcode::SendZc::new(Fd(work.sink.fd), work.memory.cast_const(), work.len())
            .buf_index(self.fixed.then_some(work.slot as u16))
            .flags(work.flags)
            .zc_flags(self.zc_flags)
            .build()
    }

    fn reports(&self) -> bool {
        self.zc_flags & zerocopy::REPORT_USAGE != 0
    }
}
