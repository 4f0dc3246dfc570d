//! Which sends of a socket have been released, and how long may one wait for the rest?

use crate::zerocopy::{self, Released};
use crate::{Calls, LaneId, OpenError, Setup, Sink, sys};
use nix::errno::Errno;

/// Notifications are taken after so many sends of a lane: the kernel has merged some by then.
const DUE_MAX: u32 = 16;

/// A sink that blocks is given so long to release something.
const LIMIT_MS: libc::c_int = 20_000;

/// The same for one that must not block: after this its lane counts as full.
const PATIENCE_MS: libc::c_int = 1;

/// An engine that ends waits so long for each notification that is due, until one does not come.
const PARTING_MS: libc::c_int = 500;

struct Lane {
    sink: Sink,
    blocks: bool,
    /// Sends so far, and how many of them were released.
    sent: u32,
    released: u32,
    /// The kernel's number for the first of them. The socket may have sent before, so it is known
    /// only with the first notification: they come in order, unless packets are lost.
    first: Option<u32>,
}

/// The sends of all lanes that have not been released.
pub(super) struct Notices {
    lanes: Vec<Lane>,
}

/// What waiting brought.
pub(super) enum Waited {
    Something,
    Nothing,
}

impl Notices {
    pub(super) fn open(setup: &Setup) -> Result<Notices, OpenError> {
        let lane = |&sink: &Sink| {
            let nonblocking = sys::is_nonblocking(sink)
                .map_err(|errno| OpenError::failed("fcntl(F_GETFL)", errno))?;
            Ok(Lane { sink, blocks: !nonblocking, sent: 0, released: 0, first: None })
        };
        Ok(Notices { lanes: setup.sinks.iter().map(lane).collect::<Result<_, _>>()? })
    }

    pub(super) fn lanes(&self) -> usize {
        self.lanes.len()
    }

    /// How many sends of a lane were not released.
    pub(super) fn due(&self, lane: LaneId) -> u32 {
        self.lanes[lane].sent.wrapping_sub(self.lanes[lane].released)
    }

    /// Whether a lane has so many of them that it is time to look.
    pub(super) fn are_due(&self, lane: LaneId) -> bool {
        self.due(lane) >= DUE_MAX && self.lanes[lane].sent.is_multiple_of(DUE_MAX)
    }

    /// Notes a send; its number among this engine's on the lane.
    pub(super) fn sent(&mut self, lane: LaneId) -> u32 {
        let lane = &mut self.lanes[lane];
        lane.sent = lane.sent.wrapping_add(1);
        lane.sent.wrapping_sub(1)
    }

    /// Takes the notifications that have come, by this engine's numbers; whether there were any.
    pub(super) fn reap(
        &mut self,
        calls: &Calls,
        lane: LaneId,
        mut each: impl FnMut(Released),
    ) -> Result<bool, Errno> {
        let lane = &mut self.lanes[lane];
        let mut any = false;
        while lane.sent != lane.released
            && let Some(notice) = zerocopy::released(calls, lane.sink.fd)?
        {
            let start = *lane.first.get_or_insert(notice.first);
            let first = notice.first.wrapping_sub(start);
            let last = notice.last.wrapping_sub(start);
            lane.released = lane.released.wrapping_add(notice.sends() as u32);
            if lane.sent.wrapping_sub(last) as i32 <= 0 || (last.wrapping_sub(first) as i32) < 0 {
                return Err(Errno::EPROTO);
            }
            calls.zerocopy_answer(notice.sends(), notice.copied);
            each(Released { first, last, ..notice });
            any = true;
        }
        Ok(any)
    }

    /// Waits for a notification on a lane, or on any that has some due when this one has none.
    pub(super) fn wait(&self, calls: &Calls, lane: LaneId) -> Result<Waited, Errno> {
        let waits = if self.due(lane) > 0 { Some(lane) } else { self.first_due() };
        let Some(waits) = waits else { return Err(Errno::ENOBUFS) };
        let blocks = self.lanes[lane].blocks;
        let limit_ms = if blocks { LIMIT_MS } else { PATIENCE_MS };
        let sink = self.lanes[waits].sink;
        match zerocopy::wait(calls, sink, limit_ms)? {
            true => match sys::pending_error(sink)? {
                None => Ok(Waited::Something),
                Some(errno) => Err(errno),
            },
            false if blocks => Err(Errno::ETIMEDOUT),
            false => Ok(Waited::Nothing),
        }
    }

    /// A lane with sends that were not released.
    pub(super) fn first_due(&self) -> Option<LaneId> {
        (0..self.lanes.len()).find(|&lane| self.due(lane) > 0)
    }

    /// Waits a little for a notification on a lane, when nothing is timed: whether one has come.
    pub(super) fn comes(&self, untimed: &Calls, lane: LaneId) -> Result<bool, Errno> {
        zerocopy::wait(untimed, self.lanes[lane].sink, PARTING_MS)
    }
}
