//! How is a buffer sent from its own pages, and when may it be filled again?

use super::{Ahead, SLOT_BITS};
use crate::chains::notices::{NOTICE_LIMIT, NOTICE_PATIENCE, PARTING};
use crate::ring::Completion;
use crate::zerocopy::REPORT_USAGE;
use crate::{CallError, Calls, Job, LaneId, Queue, Step};
use io_uring::squeue;
use nix::errno::Errno;

/// What is known of sends whose pages the kernel has.
#[derive(Default)]
pub(super) struct Pins {
    /// A lane may have so many slots lined up or resting; no bound where nothing is pinned.
    share: Option<usize>,
    /// How many slots of each lane rest.
    resting: Vec<usize>,
    /// Notices say whether bytes were copied.
    reports: bool,
    /// The number of the latest send, its result, and the notice that came before that.
    number: u64,
    result: Option<i32>,
    early: Option<bool>,
}

impl Ahead {
    /// From now on slots are sent from their own pages, with these flags.
    pub(in crate::transfer) fn pin(&mut self, zc_flags: u16) {
        let lanes = self.lines.len();
        self.pins = Pins {
            share: Some((self.reads.len() / lanes.max(1)).max(1)),
            resting: vec![0; lanes],
            reports: zc_flags & REPORT_USAGE != 0,
            ..Pins::default()
        };
    }

    pub(super) fn has_its_share(&self, lane: LaneId) -> bool {
        let taken = || self.lines[lane].len() + self.pins.resting[lane];
        self.pins.share.is_some_and(|share| taken() >= share)
    }

    /// Whether a lane will have to wait for a notice after the buffer at the front of its line.
    pub(in crate::transfer) fn is_last(&self, lane: LaneId) -> bool {
        self.lines[lane].len() == 1 && (self.free.is_empty() || self.has_its_share(lane))
    }

    /// Whether too many sends of a slot wait for their notices already.
    pub(in crate::transfer) fn has_to_rest(&self, slot: usize) -> bool {
        self.reads[slot].due.is_full()
    }

    /// Performs a send from a slot and waits for its result, not for its notice.
    pub(in crate::transfer) fn send(
        &mut self,
        queue: &Queue,
        lane: LaneId,
        slot: usize,
        entry: squeue::Entry,
    ) -> Result<i32, CallError> {
        self.pins.number += 1;
        (self.pins.result, self.pins.early) = (None, None);
        let entry = entry.user_data(self.pins.number << SLOT_BITS | slot as u64);
        // SAFETY: the send reads a slot of this ring, which is filled again only after its notices.
        unsafe { self.ring.push(&[entry]) }
            .map_err(|errno| queue.error(lane, "io_uring_enter", errno))?;
        loop {
            self.enter(queue, lane, 1)?;
            self.reap(&queue.calls);
            if let Some(result) = self.pins.result {
                return Ok(result);
            }
        }
    }

    /// Waits for the notices that are due, until one does not come. Not counted: no slice is running.
    pub(in crate::transfer) fn take_late_notices(&mut self, queue: &Queue) {
        let untimed = Calls::default();
        self.reap(&untimed);
        while self.reads.iter().any(|read| !read.due.is_empty())
            && self.ring.wait(&untimed, PARTING) == Ok(true)
        {
            self.reap(&untimed);
        }
        queue.calls.add_answers(&untimed);
    }

    /// Takes the result of a send, or its notice.
    pub(super) fn of_a_send(&mut self, over: Completion, slot: usize, calls: &Calls) {
        let (number, copied) = (over.id >> SLOT_BITS, over.says_copied());
        let (pins, read) = (&mut self.pins, &mut self.reads[slot]);
        if !over.is_notice() {
            pins.result = Some(over.result);
            // Only a send that was accepted leaves pages with the kernel.
            if over.announces_notice() && over.result > 0 {
                calls.zerocopy_send();
                match pins.early {
                    Some(copied) if pins.reports => calls.zerocopy_answer(1, copied),
                    Some(_) => {}
                    None => read.due.add(number),
                }
            }
        } else if read.due.take(number) {
            if pins.reports {
                calls.zerocopy_answer(1, copied);
            }
            if read.resting && read.due.is_empty() {
                read.resting = false;
                pins.resting[read.lane] -= 1;
                self.free.push(slot);
            }
        } else if number == pins.number && pins.result.is_none() {
            pins.early = Some(copied);
        }
    }

    /// A slot has no more bytes to send: it is free once its notices have come.
    pub(super) fn retire(&mut self, slot: usize) {
        let read = &mut self.reads[slot];
        if read.due.is_empty() {
            self.free.push(slot);
        } else {
            read.resting = true;
            self.pins.resting[read.lane] += 1;
        }
    }

    /// A lane can go on only after a notice: waits for one, within a bound.
    pub(in crate::transfer) fn await_notice(
        &mut self,
        queue: &mut Queue,
        job: Job,
        blocks: bool,
    ) -> Result<Step, CallError> {
        const CALL: &str = "io_uring_enter(notice)";
        let limit = if blocks { NOTICE_LIMIT } else { NOTICE_PATIENCE };
        match self.ring.wait(&queue.calls, limit) {
            Ok(true) => {}
            Ok(false) if blocks => return Err(queue.error(job.lane, CALL, Errno::ETIMEDOUT)),
            Ok(false) => queue.block(job.lane),
            Err(errno) => return Err(queue.error(job.lane, CALL, errno)),
        }
        Ok(Step::Moved)
    }
}
