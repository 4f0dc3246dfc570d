//! What does the plainest way cost: read into a buffer, write the buffer?
//!
//! `pread` copies from the page cache into user memory, `send` copies from there into the socket's
//! queue: two CPU copies and two system calls for each buffer. It wins where transfers are so small
//! that a call costs more than a copy, and where the data has to be looked at anyway; it loses to
//! page references as transfers grow.
//!
//! Sources: pread(2), send(2); `filemap_read` in `mm/filemap.c`, `tcp_sendmsg_locked` in
//! `net/ipv4/tcp.c`.
//!
//! Timed: both calls. Not timed: the buffer.

use crate::{
    CallError, Engine, Hop, Job, LaneId, Mover, OpenError, OptionKind, OptionSpec, Outlet, Part,
    Path, Piece, Place, Queue, Residue, Route, Setup, Step, Strategy, sys,
};
use nix::errno::Errno;
use std::ops::Range;
use std::os::fd::{AsRawFd, RawFd};

/// See the module.
pub struct ReadWrite;

const OPTIONS: &[OptionSpec] = &[OptionSpec {
    name: "buffer",
    what: "bytes of the user buffer; one read and one write for each",
    kind: OptionKind::Number { default: 1 << 20, min: 1, max: 1 << 30 },
}];

impl Strategy for ReadWrite {
    fn name(&self) -> &'static str {
        "read-write"
    }

    fn question(&self) -> &'static str {
        "What does the plainest way cost: read into a buffer, write the buffer?"
    }

    fn options(&self) -> &'static [OptionSpec] {
        OPTIONS
    }

    fn path(&self, on: &Route) -> Path {
        let mut hops = on.fill();
        hops.push(Hop::new(
            Place::PageCache,
            Place::UserBuffer,
            Mover::CpuCopy,
            "pread copies out of the page cache",
        ));
        let why = "send copies into the socket's queue";
        hops.extend(on.into_sink(Place::UserBuffer, Mover::CpuCopy, why));
        Path { hops }
    }

    fn transforms(&self) -> Result<(), &'static str> {
        Ok(())
    }

    fn open(&self, setup: &Setup) -> Result<Box<dyn Engine>, OpenError> {
        let len = (setup.fetch_bytes_max.0).min(setup.options.number("buffer")).max(1);
        Ok(Box::new(Copier {
            log: setup.segments.iter().map(|segment| segment.file.as_raw_fd()).collect(),
            buffer: vec![0; len as usize],
            residue: Residue::default(),
            outlet: Outlet::open(setup, len as usize)?,
        }))
    }
}

struct Copier {
    log: Vec<RawFd>,
    buffer: Vec<u8>,
    residue: Residue,
    outlet: Outlet,
}

impl Engine for Copier {
    fn step(&mut self, queue: &mut Queue) -> Result<Step, CallError> {
        let Some(job) = queue.next_job() else { return Ok(queue.idle()) };
        if self.outlet.flush(queue, job)? {
            return Ok(Step::Moved);
        }
        match job.part {
            Part::Header(header) => self.outlet.send_header(queue, job, header),
            Part::Log(piece) => self.copy(queue, job, piece),
        }
    }
}

impl Copier {
    /// Reads a buffer of the piece, unless a short write left some there, and sends it.
    fn copy(&mut self, queue: &mut Queue, job: Job, piece: Piece) -> Result<Step, CallError> {
        let filled = match self.residue.find(job.lane, piece) {
            Some(left) => left,
            None => self.fill(queue, job.lane, piece)?,
        };
        let more = job.more || (filled.len() as u64) < piece.len_bytes;
        let taken = self.outlet.send(queue, job, &self.buffer[filled], more)?;
        self.residue.sent(taken);
        Ok(Step::Moved)
    }

    fn fill(&mut self, q: &Queue, lane: LaneId, piece: Piece) -> Result<Range<usize>, CallError> {
        let want = (piece.len_bytes as usize).min(self.buffer.len());
        let log = self.log[piece.segment as usize];
        let got = sys::pread(&q.calls, log, &mut self.buffer[..want], piece.offset_bytes)
            .map_err(|errno| q.error(lane, "pread", errno))?;
        if got == 0 {
            return Err(q.error(lane, "pread", Errno::ENODATA));
        }
        self.residue.keep(lane, Piece { len_bytes: got as u64, ..piece }, 0);
        Ok(0..got)
    }
}
