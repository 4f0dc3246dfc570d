//! Which bytes are still to be moved, to which sink, and how far has each sink come?
//!
//! A fetch is what a broker does for one request: a header, then pieces of the log, to one or more
//! sinks. The queue keeps one [`Lane`] for each sink, with the fetches due on it in order and the
//! position reached. Engines read jobs from it and report progress to it; they hold no position of
//! their own, so a short write, a full socket or an interrupted batch is taken up where it stopped.

use crate::fetch::{Fetch, Finished, Header, Job, LaneId, Part, Piece};
use crate::{Bytes, CallError, Calls, Sink};
use nix::errno::Errno;
use std::collections::VecDeque;

/// A position on a lane: fetch (index into its order), part of it (0 is the header), bytes of that
/// part. An engine that works ahead of what the sinks accepted keeps one of its own; it goes stale
/// when the queue is cleared.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cursor {
    turn: usize,
    part: usize,
    offset_bytes: u64,
}

impl Cursor {
    /// How many fetches of the lane lie before this position.
    #[must_use]
    pub fn fetches_before(self) -> usize {
        self.turn
    }
}

/// The fetches due to one sink, in order.
#[derive(Debug)]
pub struct Lane {
    sink: Sink,
    order: Vec<u32>,
    /// How many of them an engine may see.
    due: usize,
    at: Cursor,
    blocked: bool,
    listed: bool,
}

/// The work of one slice: filled before it, emptied by an engine during it.
#[derive(Debug)]
pub struct Queue {
    /// Counts of the calls made for this queue.
    pub calls: Calls,
    headers: Vec<u8>,
    pieces: Vec<Piece>,
    fetches: Vec<Fetch>,
    lanes: Vec<Lane>,
    ready: VecDeque<LaneId>,
    blocked: usize,
    finished: Vec<Finished>,
    deliveries: usize,
    remaining_bytes: u64,
}

impl Queue {
    /// An empty queue with a lane for each sink.
    #[must_use]
    pub fn new(sinks: &[Sink]) -> Queue {
        let lane = |&sink| Lane {
            sink,
            order: Vec::new(),
            due: 0,
            at: Cursor::default(),
            blocked: false,
            listed: false,
        };
        Queue {
            calls: Calls::default(),
            headers: Vec::new(),
            pieces: Vec::new(),
            fetches: Vec::new(),
            lanes: sinks.iter().map(lane).collect(),
            ready: VecDeque::with_capacity(sinks.len()),
            blocked: 0,
            finished: Vec::new(),
            deliveries: 0,
            remaining_bytes: 0,
        }
    }

    /// Empties the queue and sets the call counts to zero; keeps its memory.
    ///
    /// An engine may carry bytes of an unfinished fetch (in a buffer, a pipe or a ring). So a queue
    /// is cleared when an engine has said [`Done`](crate::Step::Done), or that engine is dropped.
    pub fn clear(&mut self) {
        self.headers.clear();
        self.pieces.clear();
        self.fetches.clear();
        self.ready.clear();
        self.blocked = 0;
        self.finished.clear();
        self.deliveries = 0;
        self.remaining_bytes = 0;
        self.calls.reset();
        for lane in &mut self.lanes {
            lane.order.clear();
            lane.due = 0;
            lane.at = Cursor::default();
            lane.blocked = false;
            lane.listed = false;
        }
    }

    /// Adds a fetch for these lanes. All memory that a slice needs is taken here.
    pub fn push(&mut self, header: &[u8], pieces: &[Piece], lanes: &[LaneId]) {
        self.hold(header, pieces, lanes);
        lanes.iter().for_each(|&lane| self.release(lane));
    }

    /// The same for a fetch that is not due yet: no engine sees it before it is
    /// [released](Self::release). Lanes keep their order, so that what is pushed behind a fetch
    /// that is held is held, too.
    pub fn hold(&mut self, header: &[u8], pieces: &[Piece], lanes: &[LaneId]) {
        let fetch = Fetch {
            header: self.headers.len()..self.headers.len() + header.len(),
            pieces: self.pieces.len()..self.pieces.len() + pieces.len(),
        };
        self.headers.extend_from_slice(header);
        self.pieces.extend_from_slice(pieces);
        let id = self.fetches.len() as u32;
        self.fetches.push(fetch);
        // Room for every delivery at once: the list must not grow while an engine is being timed.
        self.deliveries += lanes.len();
        self.finished.reserve(self.deliveries.saturating_sub(self.finished.len()));
        lanes.iter().for_each(|&lane| self.lanes[lane].order.push(id));
    }

    /// The next fetch that a lane holds has become due. Nothing happens where it holds none, and
    /// nothing allocates.
    #[inline]
    pub fn release(&mut self, lane: LaneId) {
        let Some(&id) = self.lanes[lane].order.get(self.lanes[lane].due) else { return };
        let fetch = &self.fetches[id as usize];
        let pieces = &self.pieces[fetch.pieces.clone()];
        let payload_bytes: u64 = pieces.iter().map(|piece| piece.len_bytes).sum();
        self.remaining_bytes += fetch.header.len() as u64 + payload_bytes;
        self.lanes[lane].due += 1;
        self.settle(lane);
        self.list(lane);
    }

    /// Memory that it has taken for lanes and deliveries; what all lanes share (headers, pieces) is
    /// not in it.
    #[must_use]
    pub fn lane_bytes(&self) -> usize {
        let order = |lane: &Lane| lane.order.capacity() * size_of::<u32>();
        self.lanes.capacity() * size_of::<Lane>()
            + self.lanes.iter().map(order).sum::<usize>()
            + self.ready.capacity() * size_of::<LaneId>()
            + self.finished.capacity() * size_of::<Finished>()
    }

    /// The next job, lanes in round robin, each for a whole fetch; a full sink loses its turn.
    /// Nothing when no lane can go on: see [`idle`](Self::idle).
    #[inline]
    pub fn next_job(&mut self) -> Option<Job> {
        loop {
            let lane = *self.ready.front()?;
            if self.lanes[lane].blocked || self.at_end(lane) {
                self.ready.pop_front();
                self.lanes[lane].listed = false;
            } else {
                return self.head(lane);
            }
        }
    }

    /// The bytes of a header.
    #[must_use]
    #[inline]
    pub fn header(&self, header: Header) -> &[u8] {
        &self.headers[header.start..header.end]
    }

    /// What a step returns when there is no next job.
    #[must_use]
    pub fn idle(&self) -> crate::Step {
        if self.remaining_bytes == 0 { crate::Step::Done } else { crate::Step::Blocked }
    }

    /// The lanes that can go on, in the order of their turns.
    pub fn ready(&self) -> impl Iterator<Item = LaneId> + '_ {
        self.ready.iter().copied().filter(|&lane| !self.lanes[lane].blocked && !self.at_end(lane))
    }

    /// The job at the head of a lane, if it has any left.
    #[must_use]
    #[inline]
    pub fn head(&self, lane: LaneId) -> Option<Job> {
        self.job_at(lane, self.lanes[lane].at)
    }

    /// All jobs of a lane from where it stands, across fetches.
    pub fn jobs(&self, lane: LaneId) -> impl Iterator<Item = Job> + '_ {
        let mut at = self.lanes[lane].at;
        std::iter::from_fn(move || {
            let job = self.job_at(lane, at)?;
            at = self.after(lane, at);
            Some(job)
        })
    }

    /// Where a lane stands: the first byte that its sink has not accepted.
    #[must_use]
    pub fn cursor(&self, lane: LaneId) -> Cursor {
        self.lanes[lane].at
    }

    /// The position `bytes` further in the part that lies at `at`, or at the next part with bytes
    /// when that reaches its end. Together with [`job_at`](Self::job_at) this lets an engine plan
    /// ahead of what the sink has accepted, without a list.
    #[must_use]
    pub fn ahead(&self, lane: LaneId, at: Cursor, bytes: u64) -> Cursor {
        let offset_bytes = at.offset_bytes.saturating_add(bytes);
        if offset_bytes < self.part_bytes(lane, at) {
            Cursor { offset_bytes, ..at }
        } else {
            self.after(lane, at)
        }
    }

    /// Ends a lane's turn before its fetch is complete: for engines that give every lane a share of
    /// one batch. It is that lane's turn again when all others had theirs.
    pub fn end_turn(&mut self, lane: LaneId) {
        if self.ready.front() == Some(&lane) {
            self.ready.rotate_left(1);
        }
    }

    /// Notes that a sink accepted the next `moved_bytes` of its lane. They may span parts and
    /// fetches.
    #[inline]
    pub fn advance(&mut self, lane: LaneId, moved_bytes: u64) {
        let mut left_bytes = moved_bytes;
        self.remaining_bytes = self.remaining_bytes.saturating_sub(moved_bytes);
        while left_bytes > 0 && !self.at_end(lane) {
            let at = self.lanes[lane].at;
            let part_bytes = self.part_bytes(lane, at) - at.offset_bytes;
            let step_bytes = part_bytes.min(left_bytes);
            left_bytes -= step_bytes;
            self.lanes[lane].at.offset_bytes += step_bytes;
            if step_bytes == part_bytes {
                self.lanes[lane].at.part += 1;
                self.lanes[lane].at.offset_bytes = 0;
                self.settle(lane);
            }
        }
        debug_assert!(left_bytes == 0, "a sink accepted more than its lane had");
    }

    /// Notes that a sink is full. Its lane is passed over until [`unblock`](Self::unblock).
    pub fn block(&mut self, lane: LaneId) {
        let before = std::mem::replace(&mut self.lanes[lane].blocked, true);
        self.blocked += usize::from(!before);
    }

    /// Notes that a sink can take bytes again.
    pub fn unblock(&mut self, lane: LaneId) {
        let before = std::mem::replace(&mut self.lanes[lane].blocked, false);
        self.blocked -= usize::from(before);
        self.list(lane);
    }

    /// Whether any sink is known to be full.
    #[must_use]
    #[inline]
    pub fn any_blocked(&self) -> bool {
        self.blocked > 0
    }

    /// The lanes whose sinks are full, with their sinks: what a driver has to wait for.
    pub fn blocked(&self) -> impl Iterator<Item = (LaneId, Sink)> + '_ {
        let waits = |lane: &Lane| lane.blocked;
        self.lanes
            .iter()
            .enumerate()
            .filter(move |(_, lane)| waits(lane))
            .map(|(id, l)| (id, l.sink))
    }

    /// The deliveries completed since the last call to [`forget_finished`](Self::forget_finished),
    /// in order.
    #[must_use]
    #[inline]
    pub fn finished(&self) -> &[Finished] {
        &self.finished
    }

    /// Empties the list of completed deliveries.
    #[inline]
    pub fn forget_finished(&mut self) {
        self.finished.clear();
    }

    /// Bytes, headers included, that are due and that no sink has accepted yet.
    #[must_use]
    pub fn remaining(&self) -> Bytes {
        Bytes(self.remaining_bytes)
    }

    /// The error for a call that failed at the head of a lane.
    #[must_use]
    pub fn error(&self, lane: LaneId, call: &'static str, errno: Errno) -> CallError {
        let (segment, offset_bytes) = self
            .jobs(lane)
            .find_map(|job| match job.part {
                Part::Log(piece) => Some((piece.segment, piece.offset_bytes)),
                Part::Header(_) => None,
            })
            .unwrap_or_default();
        CallError { call, segment, offset_bytes, errno }
    }

    /// Sends (the rest of) a header by a plain `send`, as every strategy without a ring does.
    ///
    /// # Errors
    /// The call's error, unless the sink was merely full.
    pub fn send_header(&mut self, job: Job, header: Header) -> Result<crate::Step, CallError> {
        match crate::sys::send(&self.calls, job.sink, self.header(header), job.more) {
            Ok(sent) => self.advance(job.lane, sent as u64),
            Err(errno) => return self.refuse(job.lane, "send(header)", errno),
        }
        Ok(crate::Step::Moved)
    }

    /// The usual answer to a failed call: a full sink is noted and the step goes on, anything else
    /// is an error.
    ///
    /// # Errors
    /// The call's error, unless it was `EAGAIN`.
    pub fn refuse(
        &mut self,
        lane: LaneId,
        call: &'static str,
        errno: Errno,
    ) -> Result<crate::Step, CallError> {
        if errno == Errno::EAGAIN {
            self.block(lane);
            return Ok(crate::Step::Moved);
        }
        Err(self.error(lane, call, errno))
    }

    fn list(&mut self, lane: LaneId) {
        if !self.lanes[lane].listed && !self.at_end(lane) {
            self.lanes[lane].listed = true;
            self.ready.push_back(lane);
        }
    }

    fn at_end(&self, lane: LaneId) -> bool {
        self.lanes[lane].at.turn >= self.lanes[lane].due
    }

    /// The fetch at a position, due or not: positions run on over what is held.
    fn fetch(&self, lane: LaneId, at: Cursor) -> Option<&Fetch> {
        let lane = &self.lanes[lane];
        lane.order.get(at.turn).map(|&id| &self.fetches[id as usize])
    }

    fn part_bytes(&self, lane: LaneId, at: Cursor) -> u64 {
        match (self.fetch(lane, at), at.part) {
            (None, _) => 0,
            (Some(fetch), 0) => fetch.header.len() as u64,
            (Some(fetch), part) => self.pieces[fetch.pieces.start + part - 1].len_bytes,
        }
    }

    /// Moves a lane's cursor over parts without bytes, completing fetches on the way.
    fn settle(&mut self, lane: LaneId) {
        while !self.at_end(lane) {
            let at = self.lanes[lane].at;
            let Some(fetch) = self.fetch(lane, at) else { return };
            if at.part > fetch.pieces.len() {
                let fetch = self.lanes[lane].order[at.turn];
                self.finished.push(Finished { lane, fetch });
                self.lanes[lane].at = Cursor { turn: at.turn + 1, part: 0, offset_bytes: 0 };
                self.end_turn(lane);
            } else if self.part_bytes(lane, at) == at.offset_bytes {
                self.lanes[lane].at = Cursor { part: at.part + 1, offset_bytes: 0, ..at };
            } else {
                return;
            }
        }
    }

    /// The cursor of the next part that has bytes, after the one at `at`.
    fn after(&self, lane: LaneId, at: Cursor) -> Cursor {
        let mut next = Cursor { part: at.part + 1, offset_bytes: 0, ..at };
        while let Some(fetch) = self.fetch(lane, next) {
            if next.part > fetch.pieces.len() {
                next = Cursor { turn: next.turn + 1, part: 0, offset_bytes: 0 };
            } else if self.part_bytes(lane, next) == 0 {
                next.part += 1;
            } else {
                break;
            }
        }
        next
    }

    /// What lies at a position of a lane: the rest of that part.
    #[must_use]
    #[inline]
    pub fn job_at(&self, lane: LaneId, at: Cursor) -> Option<Job> {
        let fetch = self.fetch(lane, at).filter(|_| at.turn < self.lanes[lane].due)?;
        let rest = &self.pieces[fetch.pieces.clone()][at.part.min(fetch.pieces.len())..];
        let more = rest.iter().any(|piece| piece.len_bytes > 0);
        let part = if at.part == 0 {
            let start = fetch.header.start + at.offset_bytes as usize;
            Part::Header(Header { start, end: fetch.header.end })
        } else {
            let piece = self.pieces[fetch.pieces.start + at.part - 1];
            Part::Log(Piece {
                offset_bytes: piece.offset_bytes + at.offset_bytes,
                len_bytes: piece.len_bytes - at.offset_bytes,
                ..piece
            })
        };
        let id = self.lanes[lane].order[at.turn];
        Some(Job { lane, fetch: id, sink: self.lanes[lane].sink, part, more })
    }
}

#[cfg(test)]
mod tests;
