//! What does it cost to see the pipe that sendfile hides?
//!
//! `splice` joins a file to a pipe or a pipe to a socket, never a file to a socket, so each chunk
//! takes two calls: log to pipe, pipe to sink. Both hand over page references; no byte is copied.
//! It wins over `sendfile` only where the pipe is good for something: a larger one than the hidden
//! 64 KiB (option `pipe`), or one range for several sinks. It loses by its second call when fetches
//! are small.
//!
//! Bytes in a pipe belong to one lane: see `pipes` for what happens when sinks are full.
//!
//! Sources: splice(2), fcntl(2) `F_SETPIPE_SZ`; `splice_file_to_pipe`, `splice_to_socket` in
//! `fs/splice.c`. `SPLICE_F_MOVE` has done nothing since Linux 2.6.21.
//!
//! Timed: all calls of `splice`. Not timed: making the pipes.

use crate::pipes::{PipeId, Pipes};
use crate::{
    CallError, Engine, Hop, LaneId, Mover, OpenError, OptionKind, OptionSpec, Part, Path, Piece,
    Place, Queue, Route, Setup, Step, Strategy, sys,
};
use nix::errno::Errno;
use std::os::fd::{AsRawFd, RawFd};

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
        Ok(Box::new(Splicer {
            log: setup.segments.iter().map(|segment| segment.file.as_raw_fd()).collect(),
            pipes: Pipes::open(setup, setup.options.number("pipe"))?,
        }))
    }
}

struct Splicer {
    log: Vec<RawFd>,
    pipes: Pipes,
}

impl Engine for Splicer {
    fn step(&mut self, queue: &mut Queue) -> Result<Step, CallError> {
        let Some(job) = queue.next_job() else { return Ok(queue.idle()) };
        let piece = match job.part {
            Part::Header(header) => return queue.send_header(job, header),
            Part::Log(piece) => piece,
        };
        let pipe = match self.pipes.of(job.lane) {
            Some(pipe) => pipe,
            None => self.fill(queue, job.lane, piece)?,
        };
        self.pipes.drain(queue, job, piece, pipe)
    }
}

impl Splicer {
    /// Log to pipe: gives the lane a pipe and fills it with the beginning of the piece.
    fn fill(&mut self, queue: &Queue, lane: LaneId, piece: Piece) -> Result<PipeId, CallError> {
        let id = self.pipes.take(queue, lane)?;
        let want = piece.len_bytes.min(self.pipes.capacity_bytes(id)) as usize;
        let log = self.log[piece.segment as usize];
        let offset = Some(piece.offset_bytes);
        let filled = sys::splice(&queue.calls, log, offset, self.pipes.entry(id), want, 0)
            .map_err(|errno| queue.error(lane, "splice(log, pipe)", errno))?;
        if filled == 0 {
            return Err(queue.error(lane, "splice(log, pipe)", Errno::ENODATA));
        }
        self.pipes.hold(id, lane, Piece { len_bytes: filled as u64, ..piece });
        Ok(id)
    }
}
