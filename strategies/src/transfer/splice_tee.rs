//! Is one look at the page cache enough for many sinks?
//!
//! The range goes from the log into one pipe by `splice`, and from there into the pipes of other
//! sinks that want the same bytes next by `tee`: another reference to each page, no copy, and no
//! further search of the page cache. Then each pipe is spliced into its own sink. With N sinks a
//! chunk costs 1 + (N - 1) + N calls, one more for no sink than `splice`; what is saved is the search
//! for pages (and, cold, the others' waits for the device). It wins where many consumers follow the
//! same end of the log in step; it loses to `sendfile`, with half the calls, everywhere else.
//!
//! Sinks go on in step, a pipe's worth each in turn. One that is full keeps its pipe and its place;
//! the others go on without it, and when it comes back at a position of its own it gets a splice of
//! its own. So no sink waits for another one, and none is served twice. See `pipes` for the bound on
//! their number.
//!
//! Sources: tee(2), splice(2); `link_pipe`, `splice_to_socket` in `fs/splice.c`.
//!
//! Timed: all calls. Not timed: making the pipes.

use crate::pipes::{PIPES_MAX, PipeId, Pipes};
use crate::{
    CallError, Engine, Hop, LaneId, Mover, OpenError, OptionKind, OptionSpec, Part, Path, Piece,
    Place, Queue, Route, Setup, Step, Strategy, sys,
};
use nix::errno::Errno;
use std::os::fd::{AsRawFd, RawFd};

/// See the module.
pub struct SpliceTee;

const OPTIONS: &[OptionSpec] = &[OptionSpec {
    name: "pipe",
    what: "bytes that a pipe holds; the kernel rounds up to pages and a power of two",
    kind: OptionKind::Number { default: 64 << 10, min: 1, max: 1 << 30 },
}];

impl Strategy for SpliceTee {
    fn name(&self) -> &'static str {
        "splice-tee"
    }

    fn question(&self) -> &'static str {
        "Is one look at the page cache enough for many sinks?"
    }

    fn path(&self, on: &Route) -> Path {
        let mut hops = on.fill();
        hops.push(Hop::new(
            Place::PageCache,
            Place::Pipe,
            Mover::Reference,
            "splice(log, pipe) puts page references into one pipe, tee into the others",
        ));
        let why = "splice(pipe, sink) hands the references on";
        hops.extend(on.into_sink(Place::Pipe, Mover::Reference, why));
        Path { hops }
    }

    fn options(&self) -> &'static [OptionSpec] {
        OPTIONS
    }

    fn open(&self, setup: &Setup) -> Result<Box<dyn Engine>, OpenError> {
        Ok(Box::new(Forker {
            log: setup.segments.iter().map(|segment| segment.file.as_raw_fd()).collect(),
            pipes: Pipes::open(setup, setup.options.number("pipe"))?,
        }))
    }
}

struct Forker {
    log: Vec<RawFd>,
    pipes: Pipes,
}

impl Engine for Forker {
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
        let step = self.pipes.drain(queue, job, piece, pipe)?;
        if self.pipes.of(job.lane).is_none() {
            // In step with the others: they hold the same bytes.
            queue.end_turn(job.lane);
        }
        Ok(step)
    }
}

impl Forker {
    /// Log to pipe for this lane, and from that pipe to those of others that want the same.
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
        let held = Piece { len_bytes: filled as u64, ..piece };
        self.pipes.hold(id, lane, held);
        for other in queue.ready().take(PIPES_MAX).filter(|&other| other != lane) {
            if let Some(wanted) = next_of_log(queue, other)
                && (wanted.segment, wanted.offset_bytes) == (held.segment, held.offset_bytes)
                && self.pipes.of(other).is_none()
                && !self.tee(queue, id, other, held.len_bytes.min(wanted.len_bytes), held)?
            {
                break;
            }
        }
        Ok(id)
    }

    /// Pipe to pipe: the first `len` bytes of what is held, for another lane. Whether a pipe was free.
    fn tee(
        &mut self,
        queue: &Queue,
        from: PipeId,
        lane: LaneId,
        len_bytes: u64,
        held: Piece,
    ) -> Result<bool, CallError> {
        let Some(id) = self.pipes.free() else { return Ok(false) };
        let (exit, entry) = (self.pipes.exit(from), self.pipes.entry(id));
        let forked = sys::tee(&queue.calls, exit, entry, len_bytes as usize)
            .and_then(|forked| if forked == 0 { Err(Errno::EIO) } else { Ok(forked) })
            .map_err(|errno| queue.error(lane, "tee", errno))?;
        self.pipes.hold(id, lane, Piece { len_bytes: forked as u64, ..held });
        Ok(true)
    }
}

/// What a lane wants of the log next, behind its header if that is still to come.
fn next_of_log(queue: &Queue, lane: LaneId) -> Option<Piece> {
    let head = queue.head(lane)?;
    if let Part::Log(piece) = head.part {
        return Some(piece);
    }
    let behind = queue.ahead(lane, queue.cursor(lane), u64::MAX);
    match queue.job_at(lane, behind)?.part {
        Part::Log(piece) => Some(piece),
        Part::Header(_) => None,
    }
}
