//! What does it cost to see the pipe that sendfile hides?
//!
//! `splice` joins a file to a pipe or a pipe to a socket, never a file to a socket, so each chunk
//! takes two calls: log to pipe, pipe to sink. Both hand over page references; no byte is copied.
//! It wins over `sendfile` only where the pipe is good for something: a larger one than the hidden
//! 64 KiB (option `pipe`), or one range for several sinks. It loses by its second call when fetches
//! are small.
//!
//! Bytes in a pipe belong to one lane. A sink that is full leaves its lane with a pipe of its own
//! until it goes on; the number of pipes is bounded, and when all are taken the longest-held one is
//! emptied into `/dev/null` (it holds references only) and its lane fills another one later.
//!
//! Sources: splice(2), fcntl(2) `F_SETPIPE_SZ`; `splice_file_to_pipe`, `splice_to_socket` in
//! `fs/splice.c`. `SPLICE_F_MOVE` has done nothing since Linux 2.6.21.
//!
//! Timed: all calls of `splice`. Not timed: making the pipes.

use crate::{
    CallError, Engine, Hop, Job, LaneId, Mover, OpenError, OptionKind, OptionSpec, Part, Path,
    Piece, Place, Queue, Route, Setup, Step, Strategy, sys,
};
use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use std::collections::VecDeque;
use std::fs::File;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};

/// More pipes than this are never open; see the module for what happens then.
const PIPES_MAX: usize = 64;

/// See the module.
pub struct Splice;

const OPTIONS: &[OptionSpec] = &[OptionSpec {
    name: "pipe",
    what: "bytes that a pipe holds; the kernel rounds up to pages and a power of two",
    kind: OptionKind::Number { default: 64 << 10, min: 1, max: 1 << 30 },
}];

impl Strategy for Splice {
    fn name(&self) -> &'static str {
        "splice"
    }

    fn question(&self) -> &'static str {
        "What does it cost to see the pipe that sendfile hides?"
    }

    fn path(&self, on: &Route) -> Path {
        let mut hops = on.fill();
        hops.push(Hop::new(
            Place::PageCache,
            Place::Pipe,
            Mover::Reference,
            "splice(log, pipe) puts page references into the pipe",
        ));
        let why = "splice(pipe, sink) hands the references on";
        hops.extend(on.into_sink(Place::Pipe, Mover::Reference, why));
        Path { hops }
    }

    fn options(&self) -> &'static [OptionSpec] {
        OPTIONS
    }

    fn open(&self, setup: &Setup) -> Result<Box<dyn Engine>, OpenError> {
        let null = File::options().write(true).open("/dev/null");
        let null = null.map_err(|e| OpenError::failed("open(/dev/null)", sys::errno_of(e)))?;
        let count = setup.sinks.len().clamp(1, PIPES_MAX);
        let pipe = |_| Pipe::new(setup.options.number("pipe"));
        Ok(Box::new(Splicer {
            log: setup.segments.iter().map(|segment| segment.file.as_raw_fd()).collect(),
            pipes: (0..count).map(pipe).collect::<Result<_, _>>()?,
            free: (0..count).collect(),
            taken: VecDeque::with_capacity(count),
            of_lane: vec![None; setup.sinks.len()],
            null,
        }))
    }
}

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

struct Splicer {
    log: Vec<RawFd>,
    pipes: Vec<Pipe>,
    free: Vec<usize>,
    /// Lanes that have a pipe, the longest-held first.
    taken: VecDeque<LaneId>,
    of_lane: Vec<Option<usize>>,
    null: File,
}

impl Engine for Splicer {
    fn step(&mut self, queue: &mut Queue) -> Result<Step, CallError> {
        let Some(job) = queue.next_job() else { return Ok(queue.idle()) };
        let piece = match job.part {
            Part::Header(header) => return queue.send_header(job, header),
            Part::Log(piece) => piece,
        };
        let pipe = match self.of_lane[job.lane] {
            Some(pipe) => pipe,
            None => self.fill(queue, job.lane, piece)?,
        };
        self.drain(queue, job, piece, pipe)
    }
}

impl Splicer {
    /// Log to pipe: gives the lane a pipe and fills it with the beginning of the piece.
    fn fill(&mut self, queue: &Queue, lane: LaneId, piece: Piece) -> Result<usize, CallError> {
        if self.free.is_empty() {
            self.empty_longest_held(queue)?;
        }
        let Some(id) = self.free.pop() else {
            return Err(queue.error(lane, "splice(log, pipe)", Errno::ENOBUFS));
        };
        let pipe = &mut self.pipes[id];
        let want = piece.len_bytes.min(pipe.capacity_bytes) as usize;
        let log = self.log[piece.segment as usize];
        let offset = Some(piece.offset_bytes);
        let filled = sys::splice(&queue.calls, log, offset, pipe.into.as_raw_fd(), want, 0)
            .map_err(|errno| queue.error(lane, "splice(log, pipe)", errno))?;
        if filled == 0 {
            return Err(queue.error(lane, "splice(log, pipe)", Errno::ENODATA));
        }
        pipe.held = Piece { len_bytes: filled as u64, ..piece };
        self.of_lane[lane] = Some(id);
        self.taken.push_back(lane);
        Ok(id)
    }

    /// Pipe to sink: what the sink does not take stays in the pipe, for this lane.
    fn drain(
        &mut self,
        queue: &mut Queue,
        job: Job,
        piece: Piece,
        id: usize,
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

    fn release(&mut self, lane: LaneId, id: usize) {
        self.of_lane[lane] = None;
        self.taken.retain(|&other| other != lane);
        self.free.push(id);
    }

    /// Takes the pipe from the lane that has held one for longest; its position is in the queue.
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
