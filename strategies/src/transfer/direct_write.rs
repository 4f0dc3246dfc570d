//! What does the page cache cost, and what is lost without it?
//!
//! The log is opened again with `O_DIRECT`: the device writes straight into our buffer, nothing is
//! cached, and `send` copies from there: one CPU copy, like `mmap-write`, and none of the upkeep of
//! the page cache. It wins on cold data that nobody will ask for again, with enough reads in
//! flight; it loses whenever the data is in memory already, and at depth 1, where device and socket
//! take turns.
//!
//! Offset, length and memory have to be aligned as `statx` says (`STATX_DIOALIGN`). So unaligned
//! heads and tails are read as whole blocks, of which the wanted part is sent; neighbouring fetches
//! read their common block twice. Option `depth`: 1 is `pread`, more are reads of an io_uring in
//! flight ahead of the sends, each into a buffer of its own.
//!
//! Without direct I/O there is no result: a file system that refuses `O_DIRECT`, or that does not
//! say how to align (it might serve such reads from its cache), is unsupported.
//!
//! Sources: open(2) `O_DIRECT`, statx(2); `iomap_dio_rw` in `fs/iomap/direct-io.c`.
//!
//! Timed: reads and sends. Not timed: opening, the buffers, the ring.

pub(super) mod ahead;

use crate::memory::Slots;
use crate::{
    CallError, Calls, Engine, Hop, Job, LaneId, Mover, OpenError, OptionKind, OptionSpec, Outlet,
    Part, Path, Piece, Place, Queue, Residue, Route, Segment, Setup, Step, Strategy, sys,
};
use ahead::{Ahead, Filled};
use nix::errno::Errno;
use std::fs::File;
use std::ops::Range;
use std::os::fd::AsRawFd;
use std::os::unix::fs::OpenOptionsExt;

/// See the module.
pub struct DirectWrite;

const OPTIONS: &[OptionSpec] = &[
    OptionSpec {
        name: "depth",
        what: "reads in flight; 1 is pread, more are reads of an io_uring",
        kind: OptionKind::Number { default: 1, min: 1, max: 256 },
    },
    OptionSpec {
        name: "buffer",
        what: "bytes of each read, rounded up to whole blocks",
        kind: OptionKind::Number { default: 256 << 10, min: 1, max: 1 << 30 },
    },
];

impl Strategy for DirectWrite {
    fn name(&self) -> &'static str {
        "direct-write"
    }

    fn question(&self) -> &'static str {
        "What does the page cache cost, and what is lost without it?"
    }

    fn path(&self, on: &Route) -> Path {
        let mut hops = vec![Hop::new(
            Place::Disk,
            Place::UserBuffer,
            Mover::Device,
            "an O_DIRECT read passes by the page cache, warm or not",
        )];
        let why = "send copies into the socket's queue";
        hops.extend(on.into_sink(Place::UserBuffer, Mover::CpuCopy, why));
        Path { hops }
    }

    fn options(&self) -> &'static [OptionSpec] {
        OPTIONS
    }

    fn transforms(&self) -> Result<(), &'static str> {
        Ok(())
    }

    fn open(&self, setup: &Setup) -> Result<Box<dyn Engine>, OpenError> {
        let depth = setup.options.number("depth").max(1) as usize;
        let (files, blocks, slots) = open_direct(setup, depth)?;
        let outlet = Outlet::open(setup, blocks.slot_len())?;
        if depth == 1 {
            let residue = Residue::default();
            return Ok(Box::new(OneByOne { files, blocks, slots, residue, outlet }));
        }
        let ahead = Ahead::open(files, blocks, depth, slots, setup.sinks.len())?;
        Ok(Box::new(SendAhead { ahead, outlet }))
    }
}

/// The log opened for direct reads, how to read it, and so many buffers for that.
pub(super) fn open_direct(
    setup: &Setup,
    buffers: usize,
) -> Result<(Vec<File>, Blocks, Slots), OpenError> {
    let files = setup.segments.iter().map(reopen).collect::<Result<Vec<_>, _>>()?;
    let aligns = files.iter().map(alignment).collect::<Result<Vec<_>, _>>()?;
    let align = aligns.into_iter().max().unwrap_or(1);
    let buffer = setup.fetch_bytes_max.0.min(setup.options.number("buffer")).max(1);
    let blocks = Blocks { align, buffer: buffer.next_multiple_of(align) };
    let mut slots = Slots::new(buffers, blocks.slot_len(), align as usize)?;
    probe(&files, &mut slots, align)?;
    Ok((files, blocks, slots))
}

/// Opens a segment a second time, for direct reads.
pub(super) fn reopen(segment: &Segment) -> Result<File, OpenError> {
    File::options().read(true).custom_flags(libc::O_DIRECT).open(&segment.path).map_err(|error| {
        match sys::errno_of(error) {
            Errno::EINVAL => OpenError::Unsupported {
                call: "open(O_DIRECT)",
                errno: Errno::EINVAL,
                hint: "this file system has no direct I/O",
            },
            errno => OpenError::failed("open(O_DIRECT)", errno),
        }
    })
}

/// The alignment that serves offset, length and memory of direct reads.
pub(super) fn alignment(file: &File) -> Result<u64, OpenError> {
    const CALL: &str = "statx(STATX_DIOALIGN)";
    let (mem, offset) =
        sys::direct_alignment(file.as_raw_fd()).map_err(|errno| OpenError::failed(CALL, errno))?;
    if mem == 0 || offset == 0 {
        return Err(OpenError::Unsupported {
            call: CALL,
            errno: Errno::EOPNOTSUPP,
            hint: "no direct I/O here, or a kernel (before 6.1) or file system that does not say",
        });
    }
    Ok(u64::from(mem.max(offset)).next_power_of_two())
}

/// Reads one block: some file systems refuse only then.
pub(super) fn probe(files: &[File], slots: &mut Slots, align: u64) -> Result<(), OpenError> {
    for file in files {
        // SAFETY: nothing is in flight before the engine exists.
        let block = unsafe { slots.bytes_mut(0) };
        let block = &mut block[..align as usize];
        sys::pread(&Calls::default(), file.as_raw_fd(), block, 0)
            .map_err(|errno| OpenError::unsupported("pread(O_DIRECT)", errno))?;
    }
    Ok(())
}

/// How a piece is covered by whole blocks.
#[derive(Clone, Copy)]
pub(super) struct Blocks {
    align: u64,
    buffer: u64,
}

/// One aligned read: of `len` bytes at `offset`, the ones from `skip` on are the `wanted` ones.
struct Window {
    offset: u64,
    len: usize,
    skip: usize,
    wanted: u64,
}

impl Blocks {
    /// An unaligned fetch no longer than the buffer still fits one read.
    fn slot_len(self) -> usize {
        (self.buffer + self.align) as usize
    }

    /// The read that brings the beginning of a piece, and ends on a block.
    fn window(self, piece: Piece) -> Window {
        let skip = piece.offset_bytes % self.align;
        let fits = skip + piece.len_bytes <= self.slot_len() as u64;
        let wanted = if fits { piece.len_bytes } else { self.buffer - skip };
        let len = (skip + wanted).next_multiple_of(self.align) as usize;
        Window { offset: piece.offset_bytes - skip, len, skip: skip as usize, wanted }
    }
}

/// Depth 1: read, send, read, send.
struct OneByOne {
    files: Vec<File>,
    blocks: Blocks,
    slots: Slots,
    residue: Residue,
    outlet: Outlet,
}

impl Engine for OneByOne {
    fn step(&mut self, queue: &mut Queue) -> Result<Step, CallError> {
        let Some(job) = queue.next_job() else { return Ok(queue.idle()) };
        if self.outlet.flush(queue, job)? {
            return Ok(Step::Moved);
        }
        match job.part {
            Part::Header(header) => self.outlet.send_header(queue, job, header),
            Part::Log(piece) => self.copy(queue, job, piece),
        }
    }
}

impl OneByOne {
    fn copy(&mut self, queue: &mut Queue, job: Job, piece: Piece) -> Result<Step, CallError> {
        let filled = match self.residue.find(job.lane, piece) {
            Some(left) => left,
            None => self.fill(queue, job.lane, piece)?,
        };
        let more = job.more || (filled.len() as u64) < piece.len_bytes;
        // SAFETY: this engine has no ring; its only read was over when `pread` returned.
        let bytes = &unsafe { self.slots.bytes(0) }[filled];
        let taken = self.outlet.send(queue, job, bytes, more)?;
        self.residue.sent(taken);
        Ok(Step::Moved)
    }

    fn fill(&mut self, q: &Queue, lane: LaneId, piece: Piece) -> Result<Range<usize>, CallError> {
        let window = self.blocks.window(piece);
        let log = self.files[piece.segment as usize].as_raw_fd();
        // SAFETY: this engine has no ring, so nothing is in flight.
        let block = &mut unsafe { self.slots.bytes_mut(0) }[..window.len];
        let got = sys::pread(&q.calls, log, block, window.offset)
            .map_err(|errno| q.error(lane, "pread(O_DIRECT)", errno))?;
        // The last block of a file is read short, which is right as long as the wanted part is in
        // it.
        let usable = (got.saturating_sub(window.skip) as u64).min(window.wanted);
        if usable == 0 {
            return Err(q.error(lane, "pread(O_DIRECT)", Errno::ENODATA));
        }
        self.residue.keep(lane, Piece { len_bytes: usable, ..piece }, window.skip);
        Ok(window.skip..window.skip + usable as usize)
    }
}

/// Depth above 1: a read is under way while another is being sent.
struct SendAhead {
    ahead: Ahead,
    outlet: Outlet,
}

impl Engine for SendAhead {
    fn step(&mut self, queue: &mut Queue) -> Result<Step, CallError> {
        let Some(job) = queue.next_job() else { return Ok(queue.idle()) };
        let flushed = self.outlet.flush(queue, job)?;
        self.ahead.held_bytes[job.lane] = self.outlet.held_bytes(job.lane);
        if flushed {
            return Ok(Step::Moved);
        }
        self.ahead.plan(queue, job.lane)?;
        match job.part {
            Part::Header(header) => self.outlet.send_header(queue, job, header),
            Part::Log(piece) => self.deliver(queue, job, piece),
        }
    }
}

impl SendAhead {
    fn deliver(&mut self, queue: &mut Queue, job: Job, piece: Piece) -> Result<Step, CallError> {
        let Some(filled) = self.ahead.first(queue, job, piece)? else { return Ok(Step::Moved) };
        let Filled { slot, skip, usable } = filled;
        let more = job.more || (usable as u64) < piece.len_bytes;
        // SAFETY: the slot's read is over, and the slot stays out of the free list until it is
        // sent.
        let bytes = &unsafe { self.ahead.ring.slots.bytes(slot) }[skip..skip + usable];
        let taken = self.outlet.send(queue, job, bytes, more)?;
        self.ahead.held_bytes[job.lane] = self.outlet.held_bytes(job.lane);
        self.ahead.sent(job.lane, slot, taken, taken == usable);
        Ok(Step::Moved)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_are_aligned_and_cover_the_piece_without_a_gap() {
        let blocks = Blocks { align: 512, buffer: 4096 };
        for offset in [0, 1, 511, 512, 513, 4095, 70_001] {
            for len in [1, 511, 512, 513, 4096, 4097, 4608, 5000, 100_000] {
                let mut piece = Piece { segment: 0, offset_bytes: offset, len_bytes: len };
                let mut reads = 0;
                while piece.len_bytes > 0 {
                    let window = blocks.window(piece);
                    assert!(window.offset.is_multiple_of(512) && window.len.is_multiple_of(512));
                    assert!(window.len <= blocks.slot_len() && window.wanted > 0);
                    assert_eq!(window.offset + window.skip as u64, piece.offset_bytes);
                    assert!(window.skip as u64 + window.wanted <= window.len as u64);
                    piece.offset_bytes += window.wanted;
                    piece.len_bytes -= window.wanted;
                    reads += 1;
                }
                assert!(reads <= len.div_ceil(4096) + 1);
            }
        }
    }
}
