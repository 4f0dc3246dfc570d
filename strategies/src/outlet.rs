//! How does a strategy with a user buffer hand its bytes to the sinks?
//!
//! Without a transform an [`Outlet`] is a plain `send` and the queue's `advance`, nothing more. With
//! one, each lane has an output of its own, taken when the engine is opened. What a transform made of
//! a chunk is held there until the sink has accepted all of it, and only then does the queue advance,
//! by the chunk's length before the transform. So an engine flushes the lane whose turn it is before
//! it does anything else, and a full sink leaves it no work to do twice: the chunk itself may be
//! forgotten as soon as it was taken.
//!
//! Headers go through the transform as well, or an encrypted stream would have a hole. A transform
//! that only looks costs no copy, and looks at each byte once, however often the sink makes the
//! engine offer it again.

use crate::transform::{Applied, Transform};
use crate::{CallError, Calls, Header, Job, LaneId, OpenError, Queue, Setup, Sink, sys};
use nix::errno::Errno;

/// The outputs of all lanes together take no more memory than this.
pub const OUTPUTS_BYTES_MAX: usize = 1 << 30;

const TOO_LARGE: &str = "the transform would need more than 1 GiB of output buffers: fewer \
                         consumers, or a smaller buffer";

/// See the module.
#[derive(Default)]
pub struct Outlet {
    /// One for each sink; none without a transform.
    lanes: Vec<Lane>,
}

struct Lane {
    transform: Box<dyn Transform>,
    /// What the transform made of the last chunk.
    out: Vec<u8>,
    /// How much of it the sink has accepted.
    sent: usize,
    /// The length of the chunk before the transform.
    covers: usize,
    /// More of the same fetch follows that chunk.
    more: bool,
    /// Bytes at the head of the lane that were looked at, and that the sink has not accepted.
    looked: usize,
}

/// What became of bytes that were offered.
struct Offered {
    /// So many the caller may forget.
    taken: usize,
    /// So many the queue may count.
    accepted: usize,
    /// The sink refused.
    refused: Option<Errno>,
}

impl Outlet {
    /// An outlet for chunks of up to `chunk_bytes`, and for the headers of this setup.
    ///
    /// # Errors
    /// [`OpenError::Refused`] when the outputs would exceed [`OUTPUTS_BYTES_MAX`]; what the
    /// transform's maker says.
    pub fn open(setup: &Setup, chunk_bytes: usize) -> Result<Outlet, OpenError> {
        let Some(make) = setup.transform else { return Ok(Outlet::default()) };
        let header_bytes = setup.header_bytes_max.0 as usize;
        let mut lanes = Vec::with_capacity(setup.sinks.len());
        let mut left_bytes = OUTPUTS_BYTES_MAX;
        for lane in 0..setup.sinks.len() {
            let mut transform = make(lane)?;
            let bound_bytes =
                transform.bound_bytes(chunk_bytes) + transform.bound_bytes(header_bytes);
            left_bytes =
                left_bytes.checked_sub(bound_bytes).ok_or(OpenError::Refused { why: TOO_LARGE })?;
            transform
                .warm_up(chunk_bytes.max(header_bytes))
                .map_err(|errno| OpenError::failed(transform.name(), errno))?;
            let out = Vec::with_capacity(bound_bytes);
            lanes.push(Lane { transform, out, sent: 0, covers: 0, more: false, looked: 0 });
        }
        Ok(Outlet { lanes })
    }

    /// Bytes at the head of a lane that were taken and not yet counted by the queue: an engine that
    /// works ahead goes on behind them.
    #[must_use]
    pub fn held_bytes(&self, lane: LaneId) -> u64 {
        self.lanes.get(lane).map_or(0, |lane| lane.covers as u64)
    }

    /// Sends what is held for the lane of this job. `true` when something was: then the queue has
    /// moved on, or the sink is full, and the job is no longer what comes next.
    ///
    /// # Errors
    /// The call's error, unless the sink was merely full.
    #[inline]
    pub fn flush(&mut self, queue: &mut Queue, job: Job) -> Result<bool, CallError> {
        let Some(lane) = self.lanes.get_mut(job.lane).filter(|lane| lane.covers > 0) else {
            return Ok(false);
        };
        let offered = lane.push(&queue.calls, job.sink);
        settle(queue, job.lane, "send", offered).map(|_| true)
    }

    /// Hands the next bytes of a lane to its sink; so many of them were taken, and the caller need
    /// not offer those again. The queue has been told of what the sink accepted, or that it is full.
    ///
    /// # Errors
    /// The call's error, unless the sink was merely full; the transform's.
    #[inline]
    pub fn send(
        &mut self,
        queue: &mut Queue,
        job: Job,
        bytes: &[u8],
        more: bool,
    ) -> Result<usize, CallError> {
        let offered = self.offer(queue, job, [&[], bytes], more, alone)?;
        settle(queue, job.lane, "send", offered)
    }

    /// The same for (the rest of) a header.
    ///
    /// # Errors
    /// As for [`send`](Self::send).
    #[inline]
    pub fn send_header(
        &mut self,
        queue: &mut Queue,
        job: Job,
        header: Header,
    ) -> Result<crate::Step, CallError> {
        let offered = self.offer(queue, job, [&[], queue.header(header)], job.more, alone)?;
        settle(queue, job.lane, "send(header)", offered)?;
        Ok(crate::Step::Moved)
    }

    /// A header, if there is one, and the bytes behind it, together: one `sendmsg` of both (or, when
    /// they were changed, one send of what they became). Of what was taken the header comes first.
    ///
    /// # Errors
    /// As for [`send`](Self::send).
    #[inline]
    pub fn send_together(
        &mut self,
        queue: &mut Queue,
        job: Job,
        header: Option<Header>,
        bytes: &[u8],
        more: bool,
    ) -> Result<usize, CallError> {
        let header = header.map_or(&[][..], |header| queue.header(header));
        let offered = self.offer(queue, job, [header, bytes], more, together)?;
        settle(queue, job.lane, "sendmsg", offered)
    }

    #[inline]
    fn offer(
        &mut self,
        queue: &Queue,
        job: Job,
        parts: [&[u8]; 2],
        more: bool,
        send: impl Fn(&Calls, Sink, [&[u8]; 2], bool) -> Result<usize, Errno>,
    ) -> Result<Offered, CallError> {
        let Some(lane) = self.lanes.get_mut(job.lane) else {
            return Ok(plain(send(&queue.calls, job.sink, parts, more)));
        };
        let len = parts[0].len() + parts[1].len();
        match lane.apply(&queue.calls, parts) {
            Ok(Applied::Same) => {
                let offered = plain(send(&queue.calls, job.sink, parts, more));
                queue.calls.handed(offered.accepted);
                lane.looked -= offered.accepted;
                Ok(offered)
            }
            Ok(Applied::Changed) => {
                lane.covers = len;
                lane.more = more;
                Ok(Offered { taken: len, ..lane.push(&queue.calls, job.sink) })
            }
            Err(errno) => Err(queue.error(job.lane, lane.transform.name(), errno)),
        }
    }
}

/// How most strategies send: one buffer.
#[inline]
fn alone(calls: &Calls, sink: Sink, parts: [&[u8]; 2], more: bool) -> Result<usize, Errno> {
    sys::send(calls, sink, parts[1], more)
}

/// Both parts by one call.
#[inline]
fn together(calls: &Calls, sink: Sink, parts: [&[u8]; 2], more: bool) -> Result<usize, Errno> {
    let vectors = parts
        .map(|part| libc::iovec { iov_base: part.as_ptr().cast_mut().cast(), iov_len: part.len() });
    let used = if parts[0].is_empty() { &vectors[1..] } else { &vectors[..] };
    // SAFETY: both slices are borrowed for the whole call, which only reads them and keeps nothing.
    unsafe { sys::send_vectors(calls, sink, used, more) }
}

impl Lane {
    /// Gives the transform what it has not seen yet.
    fn apply(&mut self, calls: &Calls, parts: [&[u8]; 2]) -> Result<Applied, Errno> {
        debug_assert!(self.covers == 0, "a chunk was offered before the last one was flushed");
        let (mut applied, mut seen) = (Applied::Same, self.looked);
        for part in parts {
            let fresh = part.get(seen..).unwrap_or_default();
            seen = seen.saturating_sub(part.len());
            if !fresh.is_empty() {
                calls.looked(fresh.len());
                applied = self.transform.apply(fresh, &mut self.out)?;
            }
        }
        if applied == Applied::Same {
            self.looked = self.looked.max(parts[0].len() + parts[1].len());
        }
        Ok(applied)
    }

    /// Sends (the rest of) the output; with its last byte the whole chunk is accepted.
    fn push(&mut self, calls: &Calls, sink: Sink) -> Offered {
        let offered = plain(sys::send(calls, sink, &self.out[self.sent..], self.more));
        calls.handed(offered.accepted);
        self.sent += offered.accepted;
        let mut accepted = 0;
        if self.sent == self.out.len() {
            accepted = std::mem::take(&mut self.covers);
            self.sent = 0;
            self.out.clear();
        }
        Offered { taken: 0, accepted, refused: offered.refused }
    }
}

#[inline]
fn plain(sent: Result<usize, Errno>) -> Offered {
    match sent {
        Ok(sent) => Offered { taken: sent, accepted: sent, refused: None },
        Err(errno) => Offered { taken: 0, accepted: 0, refused: Some(errno) },
    }
}

#[inline]
fn settle(
    queue: &mut Queue,
    lane: LaneId,
    call: &'static str,
    offered: Offered,
) -> Result<usize, CallError> {
    if let Some(errno) = offered.refused {
        queue.refuse(lane, call, errno)?;
    }
    queue.advance(lane, offered.accepted as u64);
    Ok(offered.taken)
}

#[cfg(test)]
mod tests;
