//! When is a slot free again, and what if none is?

use super::{Chains, Links};
use crate::ring::Completion;
use crate::{CallError, Calls, LaneId, Queue, Step};
use nix::errno::Errno;
use std::time::Duration;

/// Sinks that block are given so long to let one send's pages go.
pub(crate) const NOTICE_LIMIT: Duration = Duration::from_secs(20);

/// The same for sinks that must not block: after this their lanes count as full.
pub(crate) const NOTICE_PATIENCE: Duration = Duration::from_millis(1);

/// An engine at rest waits so long for each notice that is due, until one does not come.
pub(crate) const PARTING: Duration = Duration::from_millis(500);

/// How an operation is numbered.
#[derive(Clone, Copy)]
pub(super) struct Id {
    pub(super) batch: u64,
    pub(super) slot: usize,
    pub(super) op: usize,
}

impl Id {
    /// As one number: an operation in the lowest two bits, a slot in the next fourteen.
    pub(super) fn number(self) -> u64 {
        self.batch << 16 | (self.slot as u64) << 2 | self.op as u64
    }

    fn of(number: u64) -> Id {
        let (slot, op) = ((number >> 2 & 0x3fff) as usize, (number & 3) as usize);
        Id { batch: number >> 16, slot, op }
    }
}

impl<L: Links> Chains<L> {
    /// Takes the completions that have arrived.
    pub(super) fn reap(&mut self, calls: &Calls) {
        while let Some(completion) = self.ring.completion() {
            let id = Id::of(completion.id);
            if completion.is_notice() {
                self.noticed(id, completion.says_copied(), calls);
            } else {
                self.answered(id, completion, calls);
            }
        }
    }

    /// Waits for the notices that are due, until one does not come. Not counted: no slice is running.
    pub(super) fn take_late_notices(&mut self, queue: &Queue) {
        let untimed = Calls::default();
        self.reap(&untimed);
        while self.slots.iter().any(|slot| !slot.due.is_empty())
            && self.ring.wait(&untimed, PARTING) == Ok(true)
        {
            self.reap(&untimed);
        }
        queue.calls.add_answers(&untimed);
    }

    fn answered(&mut self, id: Id, completion: Completion, calls: &Calls) {
        self.unanswered -= 1;
        let slot = &mut self.slots[id.slot];
        let item = &mut self.items[slot.item];
        item.results[id.op] = Some(completion.result);
        // Only a send that was accepted leaves pages with the kernel.
        if !completion.announces_notice() || completion.result <= 0 {
            return;
        }
        calls.zerocopy_send();
        match item.early {
            Some(copied) => self.account(copied, calls),
            None => slot.due.add(id.batch),
        }
    }

    /// The pages of one send of a slot are free.
    fn noticed(&mut self, id: Id, copied: bool, calls: &Calls) {
        let slot = &mut self.slots[id.slot];
        if !slot.due.take(id.batch) {
            if id.batch == self.batch && self.unanswered > 0 {
                self.items[slot.item].early = Some(copied);
            }
            return;
        }
        if slot.due.is_empty()
            && let Some(lane) = slot.resting.take()
        {
            self.resting[lane] -= 1;
            self.free.push(id.slot);
        }
        self.account(copied, calls);
    }

    fn account(&self, copied: bool, calls: &Calls) {
        if self.links.reports() {
            calls.zerocopy_answer(1, copied);
        }
    }

    /// A slot has no more bytes to send: it is free once its notices have come.
    pub(super) fn retire(&mut self, id: usize, lane: LaneId) {
        let slot = &mut self.slots[id];
        if slot.due.is_empty() {
            self.free.push(id);
        } else {
            slot.resting = Some(lane);
            self.resting[lane] += 1;
        }
    }

    /// Every lane that could go on lacks a slot, and slots rest: waits for a notice, within a bound.
    pub(super) fn await_notice(&mut self, queue: &mut Queue) -> Result<Step, CallError> {
        const CALL: &str = "io_uring_enter(notice)";
        let Some(lane) = queue.ready().next() else { return Ok(queue.idle()) };
        let blocks = queue.ready().any(|lane| !self.nonblocking[lane]);
        let limit = if blocks { NOTICE_LIMIT } else { NOTICE_PATIENCE };
        let waited = self.ring.wait(&queue.calls, limit);
        match waited.map_err(|errno| queue.error(lane, CALL, errno))? {
            true => {}
            false if blocks => return Err(queue.error(lane, CALL, Errno::ETIMEDOUT)),
            false => {
                while let Some(job) = queue.next_job() {
                    queue.block(job.lane);
                }
            }
        }
        Ok(Step::Moved)
    }
}
