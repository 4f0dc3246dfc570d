//! When is a slot free again, and what if none is?

use super::{Chains, Links, OPS, Op};
use crate::ring::Completion;
use crate::{CallError, Calls, LaneId, Queue, Step};
use nix::errno::Errno;
use std::time::Duration;

/// Sinks that block are given so long to let one send's pages go.
const NOTICE_LIMIT: Duration = Duration::from_secs(20);

/// The same for sinks that must not block: after this their lanes count as full.
const NOTICE_PATIENCE: Duration = Duration::from_millis(1);

impl<L: Links> Chains<L> {
    /// Takes the completions that have arrived.
    pub(super) fn reap(&mut self, calls: &Calls) {
        while let Some(completion) = self.ring.completion() {
            if completion.is_notice() {
                self.noticed(completion, calls);
            } else {
                self.answered(completion, calls);
            }
        }
    }

    fn answered(&mut self, completion: Completion, calls: &Calls) {
        let (id, op) = ((completion.id / OPS) as usize, (completion.id % OPS) as usize);
        let slot = &mut self.slots[id];
        self.unanswered -= 1;
        self.items[slot.item].results[op] = completion.result;
        if completion.announces_notice() {
            slot.notices += 1;
            match completion.result {
                1.. => calls.zerocopy_send(),
                _ => slot.failed += 1,
            }
        }
        debug_assert!(op <= Op::Send as usize);
    }

    /// The pages of one send of a slot are free. That nothing of a send that failed was sent by
    /// reference is no news, and such a notice comes at once.
    fn noticed(&mut self, completion: Completion, calls: &Calls) {
        let id = (completion.id / OPS) as usize;
        let slot = &mut self.slots[id];
        slot.notices -= 1;
        if slot.failed > 0 {
            slot.failed -= 1;
        } else if self.links.reports() {
            calls.zerocopy_answer(1, completion.says_copied());
        }
        if slot.notices == 0
            && let Some(lane) = slot.resting.take()
        {
            self.resting[lane] -= 1;
            self.free.push(id);
        }
    }

    /// A slot has no more bytes to send: it is free once its notices have come.
    pub(super) fn retire(&mut self, id: usize, lane: LaneId) {
        let slot = &mut self.slots[id];
        if slot.notices == 0 {
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
