//! How are direct reads kept in flight while earlier ones are being sent?
//!
//! Every lane has a line of reads that cover its next bytes in order, without a gap; slots are
//! handed out in the order in which lanes will have their turns. A full sink leaves its lane's
//! reads where they are; a lane whose turn it is always gets a slot, if need be from the end of
//! another's line.

use super::{Blocks, File};
use crate::memory::Slots;
use crate::ring::Ring;
use crate::{CallError, Cursor, Engine, Job, LaneId, OpenError, Part, Piece, Queue, Step, sys};
use io_uring::{opcode, types::Fd};
use nix::errno::Errno;
use std::collections::VecDeque;
use std::os::fd::AsRawFd;

const CALL: &str = "io_uring READ(O_DIRECT)";

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
}

#[derive(Clone, Copy, PartialEq)]
enum State {
    InFlight,
    /// In flight, but nobody waits for it: its slot becomes free with its completion.
    Abandoned,
    /// Over, with this result.
    Over(i32),
}

struct Ahead {
    files: Vec<File>,
    blocks: Blocks,
    ring: Ring,
    reads: Vec<Read>,
    free: Vec<usize>,
    lines: Vec<VecDeque<usize>>,
    /// Where each lane's next read begins; valid while its line is not empty.
    planned: Vec<Cursor>,
}

/// Makes the engine for a depth above 1.
pub(super) fn open(
    files: Vec<File>,
    blocks: Blocks,
    depth: usize,
    slots: Slots,
    lanes: usize,
) -> Result<Box<dyn Engine>, OpenError> {
    let unused = Read {
        lane: 0,
        at: Cursor::default(),
        piece: Piece { segment: 0, offset_bytes: 0, len_bytes: 0 },
        skip: 0,
        state: State::Over(0),
    };
    Ok(Box::new(Ahead {
        files,
        blocks,
        ring: Ring::open(depth, slots)?,
        reads: vec![unused; depth],
        free: (0..depth).collect(),
        lines: (0..lanes).map(|_| VecDeque::with_capacity(depth)).collect(),
        planned: vec![Cursor::default(); lanes],
    }))
}

impl Engine for Ahead {
    fn step(&mut self, queue: &mut Queue) -> Result<Step, CallError> {
        let Some(job) = queue.next_job() else { return Ok(queue.idle()) };
        self.plan(queue, job.lane)?;
        match job.part {
            Part::Header(header) => queue.send_header(job, header),
            Part::Log(piece) => self.deliver(queue, job, piece),
        }
    }
}

impl Ahead {
    /// Starts reads in the slots that are free, half of them at a time so that few calls start
    /// many.
    fn plan(&mut self, queue: &Queue, lane: LaneId) -> Result<(), CallError> {
        self.reap();
        let starved = self.lines[lane].is_empty();
        if !starved && self.free.len() < self.reads.len().div_ceil(2) {
            return Ok(());
        }
        if starved && self.free.is_empty() && self.next_read(queue, lane).is_some() {
            self.take_from_another(queue, lane)?;
        }
        let before = self.ring.in_flight();
        self.plan_turns(queue)?;
        if self.ring.in_flight() > before {
            self.enter(queue, lane, 0)?;
        }
        Ok(())
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
                    let Some(slot) = self.free.pop() else { return Ok(()) };
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
            self.planned[lane] = queue.cursor(lane);
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
        let entry = opcode::Read::new(file, self.ring.slots.pointer(slot), window.len as u32)
            .offset(window.offset)
            .build()
            .user_data(slot as u64);
        // SAFETY: the read fills its own slot of this ring, which nobody borrows before the read is
        // over.
        unsafe { self.ring.push(&[entry]) }.map_err(|errno| queue.error(lane, CALL, errno))?;
        let piece = Piece { len_bytes: window.wanted, ..piece };
        self.reads[slot] = Read { lane, at, piece, skip: window.skip, state: State::InFlight };
        self.lines[lane].push_back(slot);
        self.planned[lane] = queue.ahead(lane, at, window.wanted);
        Ok(())
    }

    /// Sends from the first buffer of the lane's line, once its read is over.
    fn deliver(&mut self, queue: &mut Queue, job: Job, piece: Piece) -> Result<Step, CallError> {
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
            return Ok(Step::Moved);
        }
        if result < 0 {
            return Err(queue.error(job.lane, CALL, Errno::from_raw(-result)));
        }
        let usable = (result as usize).saturating_sub(read.skip).min(wanted.len_bytes as usize);
        if usable == 0 {
            return Err(queue.error(job.lane, CALL, Errno::ENODATA));
        }
        let more = job.more || (usable as u64) < piece.len_bytes;
        // SAFETY: the slot's read is over, and the slot stays out of the free list until it is
        // sent.
        let bytes = &unsafe { self.ring.slots.bytes(slot) }[read.skip..read.skip + usable];
        match sys::send(&queue.calls, job.sink, bytes, more) {
            Ok(sent) => {
                queue.advance(job.lane, sent as u64);
                self.sent(job.lane, slot, sent, sent == usable);
            }
            Err(errno) => return queue.refuse(job.lane, "send", errno),
        }
        Ok(Step::Moved)
    }

    /// Notes what was sent from a buffer. After a read that was shorter than asked for (or
    /// interrupted) the reads behind it are given up: they would leave a gap.
    fn sent(&mut self, lane: LaneId, slot: usize, sent: usize, used_up: bool) {
        let read = &mut self.reads[slot];
        read.piece.offset_bytes += sent as u64;
        read.piece.len_bytes -= sent as u64;
        read.skip += sent;
        if !used_up {
            return;
        }
        let was_short = read.piece.len_bytes > 0;
        self.lines[lane].pop_front();
        self.free.push(slot);
        while was_short && let Some(slot) = self.lines[lane].pop_back() {
            self.abandon(slot);
        }
    }

    fn abandon(&mut self, slot: usize) {
        if self.reads[slot].state == State::InFlight {
            self.reads[slot].state = State::Abandoned;
        } else {
            self.free.push(slot);
        }
    }

    /// Takes the last read of the longest line for a lane that has none; it will be made again.
    fn take_from_another(&mut self, queue: &Queue, lane: LaneId) -> Result<(), CallError> {
        let longest = (0..self.lines.len()).max_by_key(|&other| self.lines[other].len());
        if let Some(other) = longest
            && let Some(slot) = self.lines[other].pop_back()
        {
            self.planned[other] = self.reads[slot].at;
            self.abandon(slot);
        }
        while self.free.is_empty() {
            self.enter(queue, lane, 1)?;
            self.reap();
        }
        Ok(())
    }

    fn await_read(&mut self, queue: &Queue, slot: usize) -> Result<i32, CallError> {
        loop {
            if let State::Over(result) = self.reads[slot].state {
                return Ok(result);
            }
            self.enter(queue, self.reads[slot].lane, 1)?;
            self.reap();
        }
    }

    fn enter(&mut self, queue: &Queue, lane: LaneId, want: usize) -> Result<(), CallError> {
        self.ring.enter(&queue.calls, want).map_err(|e| queue.error(lane, "io_uring_enter", e))
    }

    /// Takes the completions that have arrived.
    fn reap(&mut self) {
        while let Some(over) = self.ring.completion() {
            let read = &mut self.reads[over.id as usize];
            if read.state == State::Abandoned {
                self.free.push(over.id as usize);
            }
            read.state = State::Over(over.result);
        }
    }
}
