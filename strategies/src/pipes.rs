//! Which pipe holds whose bytes, when there are more sinks than pipes?
//!
//! Strategies that splice give each lane a pipe while bytes of it are under way. A sink that is full
//! leaves its lane with a pipe of its own until it goes on; the number of pipes is bounded, and when
//! all are taken the longest-held one is emptied into `/dev/null` (it holds references only) and its
//! lane fills another one later: its position is in the queue.

use crate::{CallError, Job, LaneId, OpenError, Piece, Queue, Setup, Step, sys};
use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use std::collections::VecDeque;
use std::fs::File;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};

/// More pipes than this are never open.
pub(crate) const PIPES_MAX: usize = 64;

/// Index of a pipe.
pub(crate) type PipeId = usize;

struct Pipe {
    out: OwnedFd,
    into: OwnedFd,
    capacity_bytes: u64,
    /// What lies in it; empty when it is free.
    held: Piece,
}

impl Pipe {
    fn new(capacity_bytes: u64) -> Result<Pipe, OpenError> {
        let (out, into) = nix::unistd::pipe2(OFlag::O_CLOEXEC)
            .map_err(|errno| OpenError::failed("pipe2", errno))?;
        let size = FcntlArg::F_SETPIPE_SZ(capacity_bytes.min(i32::MAX as u64) as i32);
        let capacity_bytes = fcntl(&into, size).map_err(|errno| OpenError::Unsupported {
            call: "fcntl(F_SETPIPE_SZ)",
            errno,
            hint: "limits are in /proc/sys/fs/pipe-max-size and pipe-user-pages-soft",
        })? as u64;
        let held = Piece { segment: 0, offset_bytes: 0, len_bytes: 0 };
        Ok(Pipe { out, into, capacity_bytes, held })
    }
}

/// The pipes of an engine.
pub(crate) struct Pipes {
    pipes: Vec<Pipe>,
    free: Vec<PipeId>,
    /// Lanes that have a pipe, the longest-held first.
    taken: VecDeque<LaneId>,
    of_lane: Vec<Option<PipeId>>,
    null: File,
}

impl Pipes {
    /// A pipe for each sink within the bound, of so many bytes each.
    pub(crate) fn open(setup: &Setup, pipe_bytes: u64) -> Result<Pipes, OpenError> {
        let null = File::options().write(true).open("/dev/null");
        let null = null.map_err(|e| OpenError::failed("open(/dev/null)", sys::errno_of(e)))?;
        let count = setup.sinks.len().clamp(1, PIPES_MAX);
        Ok(Pipes {
            pipes: (0..count).map(|_| Pipe::new(pipe_bytes)).collect::<Result<_, _>>()?,
            free: (0..count).collect(),
            taken: VecDeque::with_capacity(count),
            of_lane: vec![None; setup.sinks.len()],
            null,
        })
    }

    /// The pipe with this lane's next bytes.
    pub(crate) fn of(&self, lane: LaneId) -> Option<PipeId> {
        self.of_lane[lane]
    }

    /// An empty pipe, if one is free.
    pub(crate) fn free(&mut self) -> Option<PipeId> {
        self.free.pop()
    }

    /// An empty pipe, if need be the one that was held for longest.
    pub(crate) fn take(&mut self, queue: &Queue, lane: LaneId) -> Result<PipeId, CallError> {
        if self.free.is_empty() {
            self.empty_longest_held(queue)?;
        }
        self.free.pop().ok_or_else(|| queue.error(lane, "pipe2", Errno::ENOBUFS))
    }

    /// The end of a pipe that bytes go into.
    pub(crate) fn entry(&self, id: PipeId) -> RawFd {
        self.pipes[id].into.as_raw_fd()
    }

    /// The end of a pipe that bytes come out of.
    pub(crate) fn exit(&self, id: PipeId) -> RawFd {
        self.pipes[id].out.as_raw_fd()
    }

    /// How many bytes a pipe takes, in whole pages.
    pub(crate) fn capacity_bytes(&self, id: PipeId) -> u64 {
        self.pipes[id].capacity_bytes
    }

    /// Notes that a pipe now holds this piece, for this lane.
    pub(crate) fn hold(&mut self, id: PipeId, lane: LaneId, piece: Piece) {
        self.pipes[id].held = piece;
        self.of_lane[lane] = Some(id);
        self.taken.push_back(lane);
    }

    /// `splice(pipe, sink)`: what the sink does not take stays in the pipe, for this lane.
    pub(crate) fn drain(
        &mut self,
        queue: &mut Queue,
        job: Job,
        piece: Piece,
        id: PipeId,
    ) -> Result<Step, CallError> {
        const CALL: &str = "splice(pipe, sink)";
        let pipe = &mut self.pipes[id];
        let (held, len) = (pipe.held, pipe.held.len_bytes as usize);
        if (held.segment, held.offset_bytes) != (piece.segment, piece.offset_bytes) {
            // The queue was cleared before it was done; these bytes belong to nobody.
            return Err(queue.error(job.lane, CALL, Errno::ESTALE));
        }
        let more = job.more || held.len_bytes < piece.len_bytes;
        let flags = if more { libc::SPLICE_F_MORE } else { 0 };
        match sys::splice(&queue.calls, pipe.out.as_raw_fd(), None, job.sink.fd, len, flags) {
            Ok(0) => return Err(queue.error(job.lane, CALL, Errno::EIO)),
            Ok(sent) => {
                if sent < len {
                    queue.calls.short_write();
                }
                pipe.held.offset_bytes += sent as u64;
                pipe.held.len_bytes -= sent as u64;
                queue.advance(job.lane, sent as u64);
            }
            Err(errno) => return queue.refuse(job.lane, CALL, errno),
        }
        if self.pipes[id].held.len_bytes == 0 {
            self.release(job.lane, id);
        }
        Ok(Step::Moved)
    }

    fn release(&mut self, lane: LaneId, id: PipeId) {
        self.of_lane[lane] = None;
        self.taken.retain(|&other| other != lane);
        self.free.push(id);
    }

    fn empty_longest_held(&mut self, queue: &Queue) -> Result<(), CallError> {
        let Some(&lane) = self.taken.front() else { return Ok(()) };
        let Some(id) = self.of_lane[lane] else { return Ok(()) };
        let pipe = &mut self.pipes[id];
        while pipe.held.len_bytes > 0 {
            let (out, null, len) =
                (pipe.out.as_raw_fd(), self.null.as_raw_fd(), pipe.held.len_bytes as usize);
            let dropped = sys::splice(&queue.calls, out, None, null, len, 0)
                .and_then(|dropped| if dropped == 0 { Err(Errno::EIO) } else { Ok(dropped) })
                .map_err(|errno| queue.error(lane, "splice(pipe, /dev/null)", errno))?;
            pipe.held.len_bytes -= dropped as u64;
        }
        self.release(lane, id);
        Ok(())
    }
}
