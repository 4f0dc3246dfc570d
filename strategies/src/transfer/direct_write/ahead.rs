//! How are direct reads kept in flight while earlier ones are being sent?
//!
//! Every lane has a line of reads that cover its next bytes in order, without a gap; slots are
//! handed out in the order in which lanes will have their turns. A full sink leaves its lane's
//! reads where they are; a lane whose turn it is always gets a slot, if need be from the end of
//! another's line. How a buffer is sent is not decided here; one whose pages the kernel has after
//! that rests until its notices have come (`pinned`), and a lane may have its share of such.

mod pinned;

use super::{Blocks, File};
use crate::memory::Slots;
use crate::ring::{Due, Ring};
use crate::{CallError, Calls, Cursor, Job, LaneId, OpenError, Part, Piece, Queue};
use io_uring::{opcode, types::Fd};
use nix::errno::Errno;
use std::collections::VecDeque;
use std::os::fd::AsRawFd;

const CALL: &str = "io_uring READ(O_DIRECT)";

/// Operations are numbered by slot; sends have numbers of their own above it.
const SLOT_BITS: u32 = 16;

/// One buffer, and the read that fills it.
#[derive(Clone, Copy)]
struct Read {
    lane: LaneId,
    /// Where in the lane the wanted part begins.
    at: Cursor,
    /// The wanted bytes that were not sent.
    piece: Piece,
    /// Where in the slot those bytes begin.
    skip: usize,
    state: State,
    due: Due,
    /// It is free but for its notices.
    resting: bool,
}

#[derive(Clone, Copy, PartialEq)]
enum State {
    InFlight,
    /// In flight, but nobody waits for it: its slot becomes free with its completion.
    Abandoned,
    /// Over, with this result.
    Over(i32),
}

/// Bytes that were read and can be sent.
pub(in crate::transfer) struct Filled {
    pub(in crate::transfer) slot: usize,
    /// Where in the slot they begin, and how many there are.
    pub(in crate::transfer) skip: usize,
    pub(in crate::transfer) usable: usize,
}

/// The reads of an engine.
pub(in crate::transfer) struct Ahead {
    files: Vec<File>,
    blocks: Blocks,
    pub(in crate::transfer) ring: Ring,
    /// The slots are registered, each as the fixed buffer of its number.
    fixed: bool,
    reads: Vec<Read>,
    /// So many reads may be in flight or wait to be sent.
    depth: usize,
    lined_up: usize,
    free: Vec<usize>,
    lines: Vec<VecDeque<usize>>,
    /// Where each lane's next read begins; valid while its line is not empty.
    planned: Vec<Cursor>,
    /// Bytes of each lane that were read and taken on, but that its sink has not accepted.
    pub(in crate::transfer) held_bytes: Vec<u64>,
    pins: pinned::Pins,
}

impl Ahead {
    /// Reads of such blocks, so many at a time, into the slots of a ring.
    pub(in crate::transfer) fn open(
        files: Vec<File>,
        blocks: Blocks,
        depth: usize,
        slots: Slots,
        lanes: usize,
    ) -> Result<Ahead, OpenError> {
        let unused = Read {
            lane: 0,
            at: Cursor::default(),
            piece: Piece { segment: 0, offset_bytes: 0, len_bytes: 0 },
            skip: 0,
            state: State::Over(0),
            due: Due::default(),
            resting: false,
        };
        let count = slots.count();
        Ok(Ahead {
            files,
            blocks,
            // A send goes on top of the reads.
            ring: Ring::open(depth + 1, slots)?,
            fixed: false,
            reads: vec![unused; count],
            depth,
            lined_up: 0,
            free: (0..count).collect(),
            lines: (0..lanes).map(|_| VecDeque::with_capacity(depth)).collect(),
            planned: vec![Cursor::default(); lanes],
            held_bytes: vec![0; lanes],
            pins: pinned::Pins::default(),
        })
    }

    /// Pins the slots once for all reads and sends.
    pub(in crate::transfer) fn register(&mut self) -> Result<(), OpenError> {
        self.fixed = true;
        self.ring.register_slots()
    }

    /// Starts reads in the slots that are free, half of them at a time so that few calls start
    /// many. Whether the lane has what it needs: it has not when all slots rest.
    pub(in crate::transfer) fn plan(
        &mut self,
        queue: &Queue,
        lane: LaneId,
    ) -> Result<bool, CallError> {
        self.reap(&queue.calls);
        let starved = self.lines[lane].is_empty() && self.next_read(queue, lane).is_some();
        if starved && self.has_its_share(lane) {
            return Ok(false);
        }
        if !starved && self.room() < self.depth.div_ceil(2) {
            return Ok(true);
        }
        if starved && self.room() == 0 && !self.take_from_another(queue, lane)? {
            return Ok(false);
        }
        let before = self.ring.in_flight();
        self.plan_turns(queue)?;
        if self.ring.in_flight() > before {
            self.enter(queue, lane, 0)?;
        }
        Ok(!starved || !self.lines[lane].is_empty())
    }

    /// How many more reads could be started.
    fn room(&self) -> usize {
        self.free.len().min(self.depth - self.lined_up)
    }

    /// Walks the turns to come: the present fetch of each lane that can go on, then their next, and
    /// so on, until no slot is free or nothing is left to read.
    fn plan_turns(&mut self, queue: &Queue) -> Result<(), CallError> {
        let mut horizon = 1;
        loop {
            let mut further = false;
            for lane in queue.ready() {
                let turn = queue.cursor(lane).fetches_before();
                while let Some((at, piece)) = self.next_read(queue, lane) {
                    if at.fetches_before() - turn >= horizon {
                        further = true;
                        break;
                    }
                    if self.has_its_share(lane) {
                        break;
                    }
                    let slot = if self.room() > 0 { self.free.pop() } else { None };
                    let Some(slot) = slot else { return Ok(()) };
                    self.start(queue, slot, lane, at, piece)?;
                }
            }
            if !further {
                return Ok(());
            }
            horizon += 1;
        }
    }

    /// The first bytes of the log on a lane that no read covers yet.
    fn next_read(&mut self, queue: &Queue, lane: LaneId) -> Option<(Cursor, Piece)> {
        if self.lines[lane].is_empty() {
            let held_bytes = self.held_bytes[lane];
            self.planned[lane] = queue.ahead(lane, queue.cursor(lane), held_bytes);
        }
        loop {
            let at = self.planned[lane];
            match queue.job_at(lane, at)?.part {
                Part::Log(piece) => return Some((at, piece)),
                Part::Header(_) => self.planned[lane] = queue.ahead(lane, at, u64::MAX),
            }
        }
    }

    fn start(
        &mut self,
        queue: &Queue,
        slot: usize,
        lane: LaneId,
        at: Cursor,
        piece: Piece,
    ) -> Result<(), CallError> {
        let window = self.blocks.window(piece);
        let file = Fd(self.files[piece.segment as usize].as_raw_fd());
        let (memory, len) = (self.ring.slots.pointer(slot), window.len as u32);
        let entry = if self.fixed {
            opcode::ReadFixed::new(file, memory, len, slot as u16).offset(window.offset).build()
        } else {
            opcode::Read::new(file, memory, len).offset(window.offset).build()
        };
        let entry = entry.user_data(slot as u64);
        // SAFETY: the read fills a slot of this ring, which nobody borrows before the read is over.
        unsafe { self.ring.push(&[entry]) }.map_err(|errno| queue.error(lane, CALL, errno))?;
        let piece = Piece { len_bytes: window.wanted, ..piece };
        let read = Read { lane, at, piece, skip: window.skip, ..self.reads[slot] };
        self.reads[slot] = Read { state: State::InFlight, ..read };
        self.lines[lane].push_back(slot);
        self.lined_up += 1;
        self.planned[lane] = queue.ahead(lane, at, window.wanted);
        Ok(())
    }

    /// The first buffer of the lane's line, once its read is over; nothing when that was
    /// interrupted and has to be made again.
    pub(in crate::transfer) fn first(
        &mut self,
        queue: &Queue,
        job: Job,
        piece: Piece,
    ) -> Result<Option<Filled>, CallError> {
        let Some(&slot) = self.lines[job.lane].front() else {
            return Err(queue.error(job.lane, CALL, Errno::ENOBUFS));
        };
        let result = self.await_read(queue, slot)?;
        let read = self.reads[slot];
        let (wanted, begins) = (read.piece, (piece.segment, piece.offset_bytes));
        if (wanted.segment, wanted.offset_bytes) != begins {
            // The queue was cleared before it was done; these bytes belong to nobody.
            return Err(queue.error(job.lane, CALL, Errno::ESTALE));
        }
        if result == -libc::EINTR {
            self.sent(job.lane, slot, 0, true);
            return Ok(None);
        }
        if result < 0 {
            return Err(queue.error(job.lane, CALL, Errno::from_raw(-result)));
        }
        let usable = (result as usize).saturating_sub(read.skip).min(wanted.len_bytes as usize);
        if usable == 0 {
            return Err(queue.error(job.lane, CALL, Errno::ENODATA));
        }
        Ok(Some(Filled { slot, skip: read.skip, usable }))
    }

    /// Notes what was sent from a buffer. After a read that was shorter than asked for (or
    /// interrupted) the reads behind it are given up: they would leave a gap.
    pub(in crate::transfer) fn sent(
        &mut self,
        lane: LaneId,
        slot: usize,
        sent: usize,
        used_up: bool,
    ) {
        let read = &mut self.reads[slot];
        read.piece.offset_bytes += sent as u64;
        read.piece.len_bytes -= sent as u64;
        read.skip += sent;
        if !used_up {
            return;
        }
        let was_short = read.piece.len_bytes > 0;
        self.lines[lane].pop_front();
        self.lined_up -= 1;
        self.retire(slot);
        while was_short && let Some(slot) = self.lines[lane].pop_back() {
            self.abandon(slot);
        }
    }

    fn abandon(&mut self, slot: usize) {
        if self.reads[slot].state == State::InFlight {
            self.reads[slot].state = State::Abandoned;
        } else {
            self.lined_up -= 1;
            self.retire(slot);
        }
    }

    /// Takes the last read of the longest line for a lane that has none; it will be made again.
    /// Whether there was one.
    fn take_from_another(&mut self, queue: &Queue, lane: LaneId) -> Result<bool, CallError> {
        let longest = (0..self.lines.len()).max_by_key(|&other| self.lines[other].len());
        let Some(other) = longest else { return Ok(false) };
        let Some(slot) = self.lines[other].pop_back() else { return Ok(self.room() > 0) };
        self.planned[other] = self.reads[slot].at;
        self.abandon(slot);
        while self.reads[slot].state == State::Abandoned {
            self.enter(queue, lane, 1)?;
            self.reap(&queue.calls);
        }
        Ok(self.room() > 0)
    }

    fn await_read(&mut self, queue: &Queue, slot: usize) -> Result<i32, CallError> {
        loop {
            if let State::Over(result) = self.reads[slot].state {
                return Ok(result);
            }
            self.enter(queue, self.reads[slot].lane, 1)?;
            self.reap(&queue.calls);
        }
    }

    fn enter(&mut self, queue: &Queue, lane: LaneId, want: usize) -> Result<(), CallError> {
        self.ring.enter(&queue.calls, want).map_err(|e| queue.error(lane, "io_uring_enter", e))
    }

    /// Takes the completions that have arrived.
    pub(in crate::transfer) fn reap(&mut self, calls: &Calls) {
        while let Some(over) = self.ring.completion() {
            let slot = (over.id & ((1 << SLOT_BITS) - 1)) as usize;
            if over.id >> SLOT_BITS != 0 {
                self.of_a_send(over, slot, calls);
                continue;
            }
            let abandoned = self.reads[slot].state == State::Abandoned;
            self.reads[slot].state = State::Over(over.result);
            if abandoned {
                self.lined_up -= 1;
                self.retire(slot);
            }
        }
    }
}
