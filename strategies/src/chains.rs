//! How does a batch of linked operations keep each lane's bytes in order?
//!
//! What the strategies with a ring have in common. A batch gives every lane that can go on a chain
//! of operations: header, bytes into a slot, bytes out of it, and so on; what they are is the
//! strategy's own business ([`Links`]). A link is an order: the kernel starts an operation when the
//! one before it was complete. A short read, a full sink or a short send breaks the chain, and the
//! rest comes back as `ECANCELED` (`settle`); it is taken up in the next batch, from the slot where
//! the bytes are already. When a step ends every operation has its result.
//!
//! A slot whose bytes the kernel sends from their own pages rests until the kernel gives them back
//! (`notices`), perhaps steps later. So that no sink that reads slowly keeps every slot, a lane may
//! have no more of them resting than its share.

pub(crate) mod notices;
mod settle;

use crate::ring::{Due, Ring};
use crate::{
    CallError, Cursor, Engine, Header, Job, LaneId, OpenError, Part, Piece, Queue, Setup, Sink,
    SinkKind, Step, sys,
};
use io_uring::{opcode, squeue, types::Fd};
use nix::errno::Errno;

/// What a strategy's operations are.
pub(crate) trait Links {
    /// What brings bytes into a slot, as errors name it; nothing where they need not be brought.
    const FILL: Option<&'static str>;
    /// What hands them to a sink.
    const SEND: &'static str;

    /// Whether a slot that was sent from stays with the kernel until its notice.
    const PINS: bool = false;

    /// How many bytes of a piece one link can take, if a slot has so much room; zero where the log
    /// has ended.
    fn most(&self, _piece: Piece, room_bytes: u64) -> u64 {
        room_bytes
    }

    /// Brings the bytes of a piece into a slot; nothing only where [`FILL`](Self::FILL) has no name.
    fn fill(&self, _work: &Work) -> Option<squeue::Entry> {
        None
    }

    /// Hands bytes to a sink.
    fn send(&self, work: &Work) -> squeue::Entry;

    /// Forgets what a slot holds: nobody will send it.
    ///
    /// # Errors
    /// The call that failed.
    fn discard(&mut self, _: &Queue, _lane: LaneId, _slot: usize) -> Result<(), CallError> {
        Ok(())
    }

    /// Whether the kernel says in its notices what it did with the pages.
    fn reports(&self) -> bool {
        false
    }
}

/// What one operation is to work on.
pub(crate) struct Work {
    pub(crate) slot: usize,
    /// Where the bytes lie in the slot, or are to lie.
    pub(crate) memory: *mut u8,
    /// The bytes, as a piece of the log; of a header only the length means something.
    pub(crate) piece: Piece,
    pub(crate) lane: LaneId,
    pub(crate) sink: Sink,
    /// More of the same fetch follows.
    pub(crate) more: bool,
    /// For a send: whatever else it needs.
    pub(crate) flags: i32,
    /// For a write into a pipe that must not wait: see [`sys::pipe_nowait`].
    pipe_nowait: i32,
}

impl Work {
    /// How many bytes.
    pub(crate) fn len(&self) -> u32 {
        self.piece.len_bytes as u32
    }

    /// The flags of a write to this sink. A ring waits for room in a socket or pipe even where it
    /// was made non-blocking, unless the write itself says that it must not.
    pub(crate) fn write_flags(&self) -> i32 {
        let waits = self.flags & libc::MSG_DONTWAIT == 0;
        match self.sink.kind {
            SinkKind::File | SinkKind::Null => 0,
            _ if waits => 0,
            SinkKind::Pipe => self.pipe_nowait,
            _ => libc::RWF_NOWAIT,
        }
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
    results: [Option<i32>; 3],
    /// The notice that came before its send's result: whether it says that bytes were copied.
    early: Option<bool>,
}

/// Bytes that were brought for a lane and not sent.
#[derive(Clone, Copy)]
struct Held {
    slot: usize,
    start: usize,
    piece: Piece,
}

#[derive(Clone, Copy)]
enum Op {
    Header,
    Fill,
    Send,
}

/// What a slot is good for.
#[derive(Clone, Copy, Default)]
struct Slot {
    /// The link that it is part of, in this batch.
    item: usize,
    /// The lane whose unsent bytes it holds.
    holder: Option<LaneId>,
    /// Its sends whose notices are due, by the numbers of their batches.
    due: Due,
    /// It is free but for its notices, and counts for this lane's share.
    resting: Option<LaneId>,
}

/// The engine of a strategy that is made of chains.
pub(crate) struct Chains<L> {
    links: L,
    ring: Ring,
    /// Each slot begins with room for a header; the bytes of the log follow.
    header_room: usize,
    nonblocking: Vec<bool>,
    pipe_nowait: i32,
    depth: usize,
    items: Vec<Item>,
    entries: Vec<squeue::Entry>,
    /// Operations of this batch that have no result yet.
    unanswered: usize,
    slots: Vec<Slot>,
    free: Vec<usize>,
    held: Vec<Option<Held>>,
    /// How many slots of a lane rest, and how many may.
    resting: Vec<u32>,
    share: usize,
    /// Number of this batch, and of the latest that each lane took part in.
    batch: u64,
    batch_of: Vec<u64>,
}

impl<L: Links + 'static> Chains<L> {
    /// The engine for batches of so many links, over the slots of a ring.
    pub(crate) fn open(
        setup: &Setup,
        depth: usize,
        ring: Ring,
        links: L,
    ) -> Result<Box<dyn Engine>, OpenError> {
        let nonblocking = setup.sinks.iter().map(|&sink| sys::is_nonblocking(sink));
        let (lanes, count) = (setup.sinks.len(), ring.slots.count());
        Ok(Box::new(Chains {
            links,
            ring,
            header_room: header_room(setup),
            nonblocking: nonblocking
                .collect::<Result<_, _>>()
                .map_err(|errno| OpenError::failed("fcntl(F_GETFL)", errno))?,
            pipe_nowait: sys::pipe_nowait().map_err(|errno| OpenError::failed("pipe2", errno))?,
            depth,
            items: Vec::with_capacity(depth),
            entries: Vec::with_capacity(ring_entries(depth)),
            unanswered: 0,
            slots: vec![Slot::default(); count],
            free: (0..count).collect(),
            held: vec![None; lanes],
            resting: vec![0; lanes],
            share: (count / lanes.max(1)).max(1),
            batch: 0,
            batch_of: vec![0; lanes],
        }))
    }
}

/// Room for a header at the beginning of each slot.
pub(crate) fn header_room(setup: &Setup) -> usize {
    setup.header_bytes_max.0.max(1) as usize
}

/// Operations of a batch of so many links: the size of the ring.
pub(crate) fn ring_entries(depth: usize) -> usize {
    depth * 3
}

impl<L: Links> Engine for Chains<L> {
    fn step(&mut self, queue: &mut Queue) -> Result<Step, CallError> {
        self.reap(&queue.calls);
        let starved = self.plan(queue)?;
        let Some(first) = self.items.first() else {
            return if starved { self.await_notice(queue) } else { Ok(queue.idle()) };
        };
        let lane = first.lane;
        self.submit().map_err(|errno| queue.error(lane, "io_uring_enter", errno))?;
        while self.unanswered > 0 {
            self.ring
                .enter(&queue.calls, self.unanswered)
                .map_err(|errno| queue.error(lane, "io_uring_enter", errno))?;
            self.reap(&queue.calls);
        }
        self.settle(queue)?;
        Ok(Step::Moved)
    }

    fn rest(&mut self, queue: &Queue) {
        self.take_late_notices(queue);
        self.ring.let_it_sleep();
    }
}

impl<L: Links> Chains<L> {
    /// Gives every lane that can go on its share of the batch, as many as there are slots. Says
    /// whether a lane could have gone on but for a slot that rests.
    fn plan(&mut self, queue: &mut Queue) -> Result<bool, CallError> {
        self.items.clear();
        self.batch += 1;
        let mut starved = false;
        let share = (self.depth / queue.ready().count().max(1)).max(1);
        while self.items.len() < self.depth {
            let Some(Job { lane, .. }) = queue.next_job() else { break };
            if self.batch_of[lane] == self.batch {
                break;
            }
            self.batch_of[lane] = self.batch;
            let (mut at, planned) = (queue.cursor(lane), self.items.len());
            for _ in 0..share.min(self.depth - planned) {
                let Some(next) = self.plan_item(queue, lane, at)? else { break };
                at = next;
            }
            starved |= self.items.len() == planned;
            queue.end_turn(lane);
        }
        Ok(starved)
    }

    /// Plans what lies at a position of a lane: the rest of a header and the beginning of the piece
    /// behind it, or the (rest of a) piece. Returns the position behind that.
    fn plan_item(
        &mut self,
        queue: &Queue,
        lane: LaneId,
        at: Cursor,
    ) -> Result<Option<Cursor>, CallError> {
        let Some(job) = queue.job_at(lane, at) else { return Ok(None) };
        let header = match job.part {
            Part::Header(header) => Some(header),
            Part::Log(_) => None,
        };
        let header_len = header.map_or(0, |header| queue.header(header).len());
        let whole = header_len <= self.header_room;
        let header_len = header_len.min(self.header_room);
        let mut end = if header_len > 0 { queue.ahead(lane, at, header_len as u64) } else { at };
        let behind = queue.job_at(lane, end).filter(|next| whole && next.fetch == job.fetch);
        let mut item = Item {
            lane,
            sink: job.sink,
            slot: 0,
            header_len,
            header_more: job.more || !whole,
            piece: Piece { segment: 0, offset_bytes: 0, len_bytes: 0 },
            start: self.header_room,
            held: L::FILL.is_none(),
            more: false,
            results: [None; 3],
            early: None,
        };
        let mut held = None;
        if let Some(Job { part: Part::Log(piece), more, .. }) = behind {
            held = self.held[lane].filter(|held| begins(held.piece) == begins(piece));
            let room = (self.ring.slots.len() - self.header_room) as u64;
            let most = self.links.most(piece, room);
            item.piece = Piece { len_bytes: piece.len_bytes.min(most), ..piece };
            if let Some(held) = held {
                (item.piece, item.start, item.held) = (held.piece, held.start, true);
            }
            item.more = more || item.piece.len_bytes < piece.len_bytes;
            end = queue.ahead(lane, end, item.piece.len_bytes);
        }
        if header_len == 0 && item.piece.len_bytes == 0 {
            // The log has ended. Whatever lies before the end is sent first.
            let is_first = self.items.last().is_none_or(|item| item.lane != lane);
            let call = L::FILL.unwrap_or(L::SEND);
            return if is_first { Err(queue.error(lane, call, Errno::ENODATA)) } else { Ok(None) };
        }
        let slot = match held {
            Some(held) => Some(held.slot).filter(|&slot| !self.slots[slot].due.is_full()),
            None => {
                // Bytes of a queue that was cleared before it was done belong to nobody.
                self.give_up(queue, lane)?;
                self.free_slot(queue, lane)?
            }
        };
        let Some(slot) = slot else { return Ok(None) };
        if let Some(header) = header {
            self.copy_header(queue, header, header_len, slot);
        }
        self.release_hold(lane);
        // TCP keeps back what more is said to follow, and gives no notice of what it keeps back:
        // whoever may have to wait for a slot must not say so.
        item.more &= !(L::PINS && (self.free.is_empty() || self.taken(lane) + 1 >= self.share));
        (item.slot, self.slots[slot].item) = (slot, self.items.len());
        self.items.push(item);
        Ok(Some(end))
    }

    /// Copies (the beginning of) the header to the beginning of a slot: the operation may outlive
    /// the queue.
    fn copy_header(&mut self, queue: &Queue, header: Header, len: usize, slot: usize) {
        // SAFETY: batches are planned when every operation has its result, and headers are sent
        // plainly, so the kernel has nothing to do with this part of a slot.
        let room = unsafe { self.ring.slots.bytes_mut(slot) };
        room[..len].copy_from_slice(&queue.header(header)[..len]);
    }

    /// A slot that nothing needs. When all hold bytes that full sinks did not take, those of a lane
    /// outside this batch are given up: they will be brought again.
    fn free_slot(&mut self, queue: &Queue, lane: LaneId) -> Result<Option<usize>, CallError> {
        if L::PINS && self.taken(lane) >= self.share {
            return Ok(None);
        }
        loop {
            if let Some(slot) = self.free.pop() {
                return Ok(Some(slot));
            }
            let outside = |slot: &Slot| slot.holder.filter(|&l| self.batch_of[l] != self.batch);
            let Some(holder) = self.slots.iter().find_map(outside) else { return Ok(None) };
            self.give_up(queue, holder)?;
        }
    }

    /// How many slots of a lane rest or will rest after this batch.
    fn taken(&self, lane: LaneId) -> usize {
        let planned = self.items.iter().rev().take_while(|item| item.lane == lane).count();
        self.resting[lane] as usize + planned
    }

    /// A lane's unsent bytes are to be sent now.
    fn release_hold(&mut self, lane: LaneId) {
        if let Some(held) = self.held[lane].take() {
            self.slots[held.slot].holder = None;
        }
    }

    /// A lane's unsent bytes are forgotten.
    fn give_up(&mut self, queue: &Queue, lane: LaneId) -> Result<(), CallError> {
        let Some(Held { slot, .. }) = self.held[lane] else { return Ok(()) };
        self.release_hold(lane);
        self.links.discard(queue, lane, slot)?;
        self.retire(slot, lane);
        Ok(())
    }

    /// Queues every item's operations, those of one lane linked.
    fn submit(&mut self) -> Result<(), Errno> {
        self.entries.clear();
        for id in 0..self.items.len() {
            let item = self.items[id];
            let last = self.items.get(id + 1).is_none_or(|next| next.lane != item.lane);
            let has_data = item.piece.len_bytes > 0;
            if item.header_len > 0 {
                let piece = Piece { len_bytes: item.header_len as u64, ..item.piece };
                let entry = header(&self.work(item, 0, piece, item.header_more));
                self.link(entry, item, Op::Header, last && !has_data);
            }
            let work = self.work(item, item.start, item.piece, item.more);
            if has_data
                && !item.held
                && let Some(fill) = self.links.fill(&work)
            {
                self.link(fill, item, Op::Fill, false);
            }
            if has_data {
                self.link(self.links.send(&work), item, Op::Send, last);
            }
        }
        self.unanswered = self.entries.len();
        // SAFETY: operations touch their item's own slot or mapping of this ring and no other
        // memory, and nobody borrows a slot before the whole batch has its results.
        unsafe { self.ring.push(&self.entries) }
    }

    fn link(&mut self, entry: squeue::Entry, item: Item, op: Op, last: bool) {
        let link = if last { squeue::Flags::empty() } else { squeue::Flags::IO_LINK };
        let id = notices::Id { batch: self.batch, slot: item.slot, op: op as usize };
        self.entries.push(entry.flags(link).user_data(id.number()));
    }

    fn work(&self, item: Item, start: usize, piece: Piece, more: bool) -> Work {
        // A send counts as short, and breaks its chain, only with MSG_WAITALL. The ring would wait
        // for a full socket even where the caller made it non-blocking.
        let wait = if self.nonblocking[item.lane] { libc::MSG_DONTWAIT } else { 0 };
        let more_flag = if more { libc::MSG_MORE } else { 0 };
        Work {
            slot: item.slot,
            memory: self.ring.slots.pointer(item.slot).wrapping_add(start),
            piece,
            lane: item.lane,
            sink: item.sink,
            more,
            flags: libc::MSG_NOSIGNAL | libc::MSG_WAITALL | wait | more_flag,
            pipe_nowait: self.pipe_nowait,
        }
    }
}

/// A header is sent plainly: SEND for a socket, WRITE at its own position for a file.
fn header(work: &Work) -> squeue::Entry {
    let (sink, bytes) = (Fd(work.sink.fd), work.memory.cast_const());
    if work.sink.kind.is_socket() {
        opcode::Send::new(sink, bytes, work.len()).flags(work.flags).build()
    } else {
        let write = opcode::Write::new(sink, bytes, work.len()).offset(u64::MAX);
        write.rw_flags(work.write_flags()).build()
    }
}

fn begins(piece: Piece) -> (u32, u64) {
    (piece.segment, piece.offset_bytes)
}
