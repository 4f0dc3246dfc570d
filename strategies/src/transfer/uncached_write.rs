//! Can a cold scan read through the page cache and leave nothing in it?
//!
//! `preadv2` with `RWF_DONTCACHE`: the read goes through the page cache like any other, read-ahead
//! included, but pages that it brought in are dropped as soon as they have been read. Pages that were
//! cached before stay. Then `send` copies the buffer into the socket's queue: two CPU copies, as with
//! `read-write`, whose code and whose alignment it shares (any offset will do, unlike `O_DIRECT`).
//!
//! It wins where a scan of cold data would push out what others need. It loses on warm data (nothing
//! is gained), and with small buffers: a folio goes after the first read of any part of it, so that
//! the rest of a large folio is read from the device again.
//!
//! A file system without it (tmpfs), or a kernel before 6.14, says `EOPNOTSUPP`: that is found out when
//! the engine is opened, by a read at the very end of each segment, which brings in no page and drops
//! none.
//!
//! Sources: readv(2); `filemap_read`, `filemap_end_dropbehind_read` in `mm/filemap.c`.
//!
//! Timed: both calls. Not timed: the buffer.

use crate::{
    CallError, Calls, Disturbance, Engine, Hop, Job, LaneId, Mover, OpenError, OptionKind,
    OptionSpec, Outlet, Part, Path, Piece, Place, Queue, Residue, Route, Setup, Step, Strategy,
    sys,
};
use nix::errno::Errno;
use std::ops::Range;
use std::os::fd::{AsRawFd, RawFd};

const CALL: &str = "preadv2(RWF_DONTCACHE)";

/// See the module.
pub struct UncachedWrite;

const OPTIONS: &[OptionSpec] = &[OptionSpec {
    name: "buffer",
    what: "bytes of the user buffer; one read and one write for each",
    kind: OptionKind::Number { default: 1 << 20, min: 1, max: 1 << 30 },
}];

impl Strategy for UncachedWrite {
    fn name(&self) -> &'static str {
        "uncached-write"
    }

    fn question(&self) -> &'static str {
        "Can a cold scan read through the page cache and leave nothing in it?"
    }

    fn options(&self) -> &'static [OptionSpec] {
        OPTIONS
    }

    fn path(&self, on: &Route) -> Path {
        let mut hops = on.fill();
        let why = "preadv2 copies out of the page cache, and drops what it brought in";
        hops.push(Hop::new(Place::PageCache, Place::UserBuffer, Mover::CpuCopy, why));
        let why = "send copies into the socket's queue";
        hops.extend(on.into_sink(Place::UserBuffer, Mover::CpuCopy, why));
        Path { hops }
    }

    fn disturbs(&self) -> Disturbance {
        Disturbance::PageCache
    }

    fn transforms(&self) -> Result<(), &'static str> {
        Ok(())
    }

    fn open(&self, setup: &Setup) -> Result<Box<dyn Engine>, OpenError> {
        for segment in setup.segments {
            let end = segment.len.0;
            sys::preadv2(&Calls::default(), segment.file.as_raw_fd(), &mut [0], end, FLAGS)
                .map_err(|errno| OpenError::unsupported(CALL, errno))?;
        }
        let len = (setup.fetch_bytes_max.0).min(setup.options.number("buffer")).max(1);
        Ok(Box::new(Copier {
            log: setup.segments.iter().map(|segment| segment.file.as_raw_fd()).collect(),
            buffer: vec![0; len as usize],
            residue: Residue::default(),
            outlet: Outlet::open(setup, len as usize)?,
        }))
    }
}

const FLAGS: i32 = libc::RWF_DONTCACHE;

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
        let got = sys::preadv2(&q.calls, log, &mut self.buffer[..want], piece.offset_bytes, FLAGS)
            .map_err(|errno| q.error(lane, CALL, errno))?;
        if got == 0 {
            return Err(q.error(lane, CALL, Errno::ENODATA));
        }
        self.residue.keep(lane, Piece { len_bytes: got as u64, ..piece }, 0);
        Ok(0..got)
    }
}
