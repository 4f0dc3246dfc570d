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

mod chain;

use crate::memory::Slots;
use crate::ring::Ring;
use crate::{
    CallError, Cursor, Engine, Header, Hop, Job, LaneId, Mover, OpenError, OptionKind, OptionSpec,
    Part, Path, Piece, Place, Queue, Route, Setup, Sink, SinkKind, Step, Strategy, sys,
};
use io_uring::{opcode, squeue, types::Fd};
use nix::errno::Errno;
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

    fn open(&self, setup: &Setup) -> Result<Box<dyn Engine>, OpenError> {
        let depth = setup.options.number("depth").max(1) as usize;
        let buffer = setup.fetch_bytes_max.0.min(setup.options.number("buffer")).max(1) as usize;
        let header_room = setup.header_bytes_max.0.max(1) as usize;
        let nonblocking = setup.sinks.iter().map(|&sink| sys::is_nonblocking(sink));
        let lanes = setup.sinks.len();
        Ok(Box::new(Batcher {
            log: setup.segments.iter().map(|segment| segment.file.as_raw_fd()).collect(),
            ring: Ring::open(depth * 3, Slots::new(depth, header_room + buffer, 1)?)?,
            header_room,
            pipe_nowait: sys::pipe_nowait().map_err(|errno| OpenError::failed("pipe2", errno))?,
            nonblocking: nonblocking
                .collect::<Result<_, _>>()
                .map_err(|errno| OpenError::failed("fcntl(F_GETFL)", errno))?,
            depth,
            items: Vec::with_capacity(depth),
            free: (0..depth).collect(),
            held: vec![None; lanes],
            batch: 0,
            batch_of: vec![0; lanes],
        }))
    }
}

/// One link of a lane's chain: perhaps a header, perhaps bytes of the log, and what became of them.
#[derive(Clone, Copy)]
struct Item {
    lane: LaneId,
    sink: Sink,
    slot: usize,
    header_len: usize,
    header_more: bool,
    /// Bytes of the log to send; empty when there is only a header.
    piece: Piece,
    /// Where in the slot they begin, and whether they are there already.
    start: usize,
    held: bool,
    more: bool,
    results: [i32; 3],
}

/// Bytes that were read for a lane and not sent.
#[derive(Clone, Copy)]
struct Held {
    slot: usize,
    start: usize,
    piece: Piece,
}

#[derive(Clone, Copy)]
enum Op {
    Header,
    Read,
    Send,
}

struct Batcher {
    log: Vec<RawFd>,
    ring: Ring,
    /// Each slot begins with room for a header; the bytes of the log follow.
    header_room: usize,
    nonblocking: Vec<bool>,
    pipe_nowait: libc::c_int,
    depth: usize,
    items: Vec<Item>,
    free: Vec<usize>,
    held: Vec<Option<Held>>,
    /// Number of this batch, and of the latest that each lane took part in.
    batch: u64,
    batch_of: Vec<u64>,
}

impl Engine for Batcher {
    fn step(&mut self, queue: &mut Queue) -> Result<Step, CallError> {
        self.plan(queue);
        let Some(first) = self.items.first() else { return Ok(queue.idle()) };
        let lane = first.lane;
        self.submit()
            .and_then(|()| self.ring.enter(&queue.calls, self.ring.in_flight()))
            .map_err(|errno| queue.error(lane, "io_uring_enter", errno))?;
        while let Some((id, result)) = self.ring.completion() {
            self.items[id as usize / 3].results[id as usize % 3] = result;
        }
        self.settle(queue)?;
        Ok(Step::Moved)
    }
}

impl Batcher {
    /// Gives every lane that can go on its share of the batch, as many as there are slots.
    fn plan(&mut self, queue: &mut Queue) {
        self.items.clear();
        self.batch += 1;
        let share = (self.depth / queue.ready().count().max(1)).max(1);
        while self.items.len() < self.depth {
            let Some(Job { lane, .. }) = queue.next_job() else { break };
            if self.batch_of[lane] == self.batch {
                break;
            }
            self.batch_of[lane] = self.batch;
            let mut at = queue.cursor(lane);
            for _ in 0..share.min(self.depth - self.items.len()) {
                let Some(next) = self.plan_item(queue, lane, at) else { break };
                at = next;
            }
            queue.end_turn(lane);
        }
    }

    /// Plans what lies at a position of a lane: the rest of a header and the beginning of the piece
    /// behind it, or the (rest of a) piece. Returns the position behind that.
    fn plan_item(&mut self, queue: &Queue, lane: LaneId, mut at: Cursor) -> Option<Cursor> {
        let job = queue.job_at(lane, at)?;
        let held = self.held[lane].take();
        let slot = held.map_or_else(|| self.free_slot(), |held| Some(held.slot))?;
        let mut item = Item {
            lane,
            sink: job.sink,
            slot,
            header_len: 0,
            header_more: job.more,
            piece: Piece { segment: 0, offset_bytes: 0, len_bytes: 0 },
            start: self.header_room,
            held: false,
            more: false,
            results: [0; 3],
        };
        let mut data = Some(job);
        if let Part::Header(header) = job.part {
            let (len, whole) = self.copy_header(queue, header, slot);
            (item.header_len, item.header_more) = (len, job.more || !whole);
            at = queue.ahead(lane, at, len as u64);
            data = queue.job_at(lane, at).filter(|next| whole && next.fetch == job.fetch);
        }
        if let Some(Job { part: Part::Log(piece), more, .. }) = data {
            let room = (self.ring.slots.len() - self.header_room) as u64;
            item.piece = Piece { len_bytes: piece.len_bytes.min(room), ..piece };
            if let Some(held) = held.filter(|held| begins(held.piece) == begins(piece)) {
                (item.piece, item.start, item.held) = (held.piece, held.start, true);
            }
            item.more = more || item.piece.len_bytes < piece.len_bytes;
            at = queue.ahead(lane, at, item.piece.len_bytes);
        }
        self.items.push(item);
        Some(at)
    }

    /// Copies the header, or what there is room for, to the beginning of a slot: the operation may
    /// outlive the queue. Says how much that was, and whether it was all.
    fn copy_header(&mut self, queue: &Queue, header: Header, slot: usize) -> (usize, bool) {
        let bytes = queue.header(header);
        let len = bytes.len().min(self.header_room);
        // SAFETY: batches are planned when nothing is in flight.
        let room = unsafe { self.ring.slots.bytes_mut(slot) };
        room[..len].copy_from_slice(&bytes[..len]);
        (len, len == bytes.len())
    }

    /// A slot that nothing needs. When all hold bytes that full sinks did not take, those of a lane
    /// outside this batch are given up: they will be read again.
    fn free_slot(&mut self) -> Option<usize> {
        if let Some(slot) = self.free.pop() {
            return Some(slot);
        }
        let outside = |lane: &LaneId| self.batch_of[*lane] != self.batch;
        let idle = (0..self.held.len()).find(|lane| self.held[*lane].is_some() && outside(lane));
        self.held[idle?].take().map(|held| held.slot)
    }

    /// Queues every item's operations, those of one lane linked.
    fn submit(&mut self) -> Result<(), Errno> {
        for id in 0..self.items.len() {
            let item = self.items[id];
            let last = self.items.get(id + 1).is_none_or(|next| next.lane != item.lane);
            let has_data = item.piece.len_bytes > 0;
            if item.header_len > 0 {
                let entry = self.send(item, 0, item.header_len, item.header_more);
                self.push(entry, id, Op::Header, last && !has_data)?;
            }
            if has_data && !item.held {
                self.push(self.read(item), id, Op::Read, false)?;
            }
            if has_data {
                let len = item.piece.len_bytes as usize;
                self.push(self.send(item, item.start, len, item.more), id, Op::Send, last)?;
            }
        }
        Ok(())
    }

    fn push(&mut self, entry: squeue::Entry, id: usize, op: Op, last: bool) -> Result<(), Errno> {
        let link = if last { squeue::Flags::empty() } else { squeue::Flags::IO_LINK };
        let entry = entry.flags(link).user_data(id as u64 * 3 + op as u64);
        // SAFETY: reads and sends touch their item's own slot of this ring and no other memory, and
        // nobody borrows a slot before the whole batch is complete.
        unsafe { self.ring.push(&entry) }
    }

    fn read(&self, item: Item) -> squeue::Entry {
        let file = Fd(self.log[item.piece.segment as usize]);
        let buffer = self.ring.slots.pointer(item.slot).wrapping_add(item.start);
        opcode::Read::new(file, buffer, item.piece.len_bytes as u32)
            .offset(item.piece.offset_bytes)
            .build()
    }

    /// SEND for a socket, WRITE at its own position for a file, WRITE for a pipe.
    fn send(&self, item: Item, start: usize, len: usize, more: bool) -> squeue::Entry {
        let sink = Fd(item.sink.fd);
        let buffer = self.ring.slots.pointer(item.slot).wrapping_add(start).cast_const();
        // The ring would wait for a full sink even where the caller made it non-blocking.
        let nonblocking = self.nonblocking[item.lane];
        if !item.sink.kind.is_socket() {
            let pipe = item.sink.kind == SinkKind::Pipe;
            let wait = if nonblocking && pipe { self.pipe_nowait } else { 0 };
            let write = opcode::Write::new(sink, buffer, len as u32).offset(u64::MAX);
            return write.rw_flags(wait).build();
        }
        let wait = if nonblocking { libc::MSG_DONTWAIT } else { 0 };
        let more = if more { libc::MSG_MORE } else { 0 };
        let flags = libc::MSG_NOSIGNAL | libc::MSG_WAITALL | wait | more;
        opcode::Send::new(sink, buffer, len as u32).flags(flags).build()
    }
}

fn begins(piece: Piece) -> (u32, u64) {
    (piece.segment, piece.offset_bytes)
}
