//! Can SEND_ZC take a file's pages straight from its mapping, with no copy and no buffer of ours?
//!
//! The log is mapped, and SEND_ZC is given the mapping: the kernel looks the pages up in the page
//! table, pins them and puts references to them into the socket's queue. These are the page cache's
//! own pages, so on a device that gathers no CPU copies a byte, as with `sendfile`; and many sends
//! go with one `io_uring_enter` (option `depth`), and a notice says when the pages are free.
//!
//! It wins over `sendfile` where fetches are many and small enough for calls to matter and large
//! enough for pinning to pay; it loses by the page table: a page that was never touched costs a
//! fault inside the send, and every page a look-up. Over loopback the bytes are copied at delivery,
//! since the kernel cannot tell these pages from a buffer that we may write to.
//!
//! Nothing is reused, so a notice is no leave to write but an end to waiting: it limits how many
//! sends a slow consumer can have outstanding. As with every mapping a file that shrinks is
//! answered by `EFAULT`, and inside its last page by zeros.
//!
//! Sources: `io_send_zc` in `io_uring/net.c`, `zerocopy_fill_skb_from_iter` in
//! `net/core/datagram.c`, `skb_orphan_frags_rx` in `include/linux/skbuff.h`.
//!
//! Timed: every `io_uring_enter`. Not timed: the ring, the mappings.

use super::mmap_write::UNSEEN;
use crate::chains::{Chains, Links, Work, header_room, ring_entries};
use crate::memory::Slots;
use crate::ring::Ring;
use crate::zerocopy;
use crate::{
    Calls, Engine, OpenError, OptionKind, OptionSpec, Path, Piece, Place, Route, Setup, Strategy,
    sys,
};
use io_uring::{opcode, squeue, types::Fd};
use std::os::fd::AsRawFd;

/// See the module.
pub struct UringMmapSendZc;

/// Sends that may wait for their notices, for each link of a batch.
const SLOTS_EACH: usize = 2;

const OPTIONS: &[OptionSpec] = &[
    OptionSpec {
        name: "depth",
        what: "sends in one batch; twice as many may wait for their notices",
        kind: OptionKind::Number { default: 8, min: 1, max: 256 },
    },
    OptionSpec {
        name: "buffer",
        what: "bytes of the mapping that one send takes",
        kind: OptionKind::Number { default: 1 << 20, min: 1, max: 1 << 29 },
    },
];

impl Strategy for UringMmapSendZc {
    fn name(&self) -> &'static str {
        "uring-mmap-send-zc"
    }

    fn question(&self) -> &'static str {
        "Can SEND_ZC take a file's pages straight from its mapping, with no copy and no buffer of \
         ours?"
    }

    fn path(&self, on: &Route) -> Path {
        let mut hops = on.fill();
        let why = "SEND_ZC pins the mapped pages and gives the socket's queue references to them";
        hops.extend(on.pinned_into_sink(Place::PageCache, why));
        Path { hops }
    }

    fn options(&self) -> &'static [OptionSpec] {
        OPTIONS
    }

    fn transforms(&self) -> Result<(), &'static str> {
        Err(UNSEEN)
    }

    fn open(&self, setup: &Setup) -> Result<Box<dyn Engine>, OpenError> {
        let depth = setup.options.number("depth").max(1) as usize;
        // The slots hold headers only.
        let slots = Slots::new(depth * SLOTS_EACH, header_room(setup) + 1, 1)?;
        let mut ring = Ring::open(ring_entries(depth), slots)?;
        let zc_flags = zerocopy::probe(&mut ring, setup.sinks)?;
        let mut segments = Vec::with_capacity(setup.segments.len());
        for (id, segment) in setup.segments.iter().enumerate() {
            let whole = Piece { segment: id as u32, offset_bytes: 0, len_bytes: segment.len.0 };
            let map = sys::map(&Calls::default(), segment.file.as_raw_fd(), whole)
                .map_err(|errno| OpenError::unsupported("mmap", errno))?;
            segments.push(Mapped { start: map.as_ptr(), len_bytes: map.len() as u64 });
            // The ring owns the mappings: its operations may outlive this engine.
            ring.maps.push(map);
        }
        let send_bytes = setup.options.number("buffer");
        Chains::open(setup, depth, ring, Mapping { segments, send_bytes, zc_flags })
    }
}

/// Where a segment lies in memory.
struct Mapped {
    start: *const u8,
    len_bytes: u64,
}

/// The one operation.
struct Mapping {
    segments: Vec<Mapped>,
    send_bytes: u64,
    zc_flags: u16,
}

impl Links for Mapping {
    const FILL: Option<&'static str> = None;
    const SEND: &'static str = "io_uring SEND_ZC";
    const PINS: bool = true;

    fn most(&self, piece: Piece, _room_bytes: u64) -> u64 {
        let mapped = self.segments[piece.segment as usize].len_bytes;
        mapped.saturating_sub(piece.offset_bytes).min(self.send_bytes)
    }

    fn send(&self, work: &Work) -> squeue::Entry {
        let start = self.segments[work.piece.segment as usize].start;
        let bytes = start.wrapping_add(work.piece.offset_bytes as usize);
        opcode::SendZc::new(Fd(work.sink.fd), bytes, work.len())
            .flags(work.flags)
            .zc_flags(self.zc_flags)
            .build()
    }

    fn reports(&self) -> bool {
        self.zc_flags & zerocopy::REPORT_USAGE != 0
    }
}
