//! What does it cost to gather scattered pieces, so that a fetch is one send?
//!
//! In a commit log that all topics share, a consumer's messages lie scattered. `preadv` reads them
//! into one buffer: pieces that lie one behind the other in a segment by one call, with a vector for
//! each, every other one by a call of its own (no call reads from several places of a file). Then one
//! `sendmsg` (`writev` on a file) sends the header and all pieces, however many they are. Two CPU
//! copies as with `read-write`; what is saved is a send for each piece and for the header. It wins
//! where fetches have many small pieces; it loses to page references when pieces are large.
//!
//! Pieces that exceed the buffer (option `buffer`, and never more than the longest fetch) are gathered
//! as far as there is room, sent with `MSG_MORE`, and gathered on behind: one send for each buffer.
//! After a short write the rest goes out of the buffer as long as the same lane comes next, and is
//! read again otherwise.
//!
//! Sources: readv(2), sendmsg(2); `vfs_readv` in `fs/read_write.c`, `filemap_read` in
//! `mm/filemap.c`, `tcp_sendmsg_locked` in `net/ipv4/tcp.c`.
//!
//! Timed: all calls, and listing the pieces. Not timed: the buffer.

use crate::{
    CallError, Cursor, Engine, Hop, Job, LaneId, Mover, OpenError, OptionKind, OptionSpec, Outlet,
    Part, Path, Piece, Place, Queue, Route, Setup, Step, Strategy, sys,
};
use nix::errno::Errno;
use std::os::fd::{AsRawFd, RawFd};

/// See the module.
pub struct PreadvSendmsg;

const OPTIONS: &[OptionSpec] = &[OptionSpec {
    name: "buffer",
    what: "bytes of the user buffer; one send for each",
    kind: OptionKind::Number { default: 1 << 20, min: 1, max: 1 << 30 },
}];

impl Strategy for PreadvSendmsg {
    fn name(&self) -> &'static str {
        "preadv-sendmsg"
    }

    fn question(&self) -> &'static str {
        "What does it cost to gather scattered pieces, so that a fetch is one send?"
    }

    fn path(&self, on: &Route) -> Path {
        let mut hops = on.fill();
        let why = "preadv copies out of the page cache";
        hops.push(Hop::new(Place::PageCache, Place::UserBuffer, Mover::CpuCopy, why));
        let why = "sendmsg copies into the socket's queue";
        hops.extend(on.into_sink(Place::UserBuffer, Mover::CpuCopy, why));
        Path { hops }
    }

    fn options(&self) -> &'static [OptionSpec] {
        OPTIONS
    }

    fn transforms(&self) -> Result<(), &'static str> {
        Ok(())
    }

    fn open(&self, setup: &Setup) -> Result<Box<dyn Engine>, OpenError> {
        let len = (setup.fetch_bytes_max.0).min(setup.options.number("buffer")).max(1);
        Ok(Box::new(Gatherer {
            log: setup.segments.iter().map(|segment| segment.file.as_raw_fd()).collect(),
            buffer: vec![0; len as usize],
            vectors: Vec::with_capacity(sys::VECTORS_MAX),
            held: Held::default(),
            outlet: Outlet::open(setup, len as usize)?,
        }))
    }
}

/// Which unsent bytes lie in the buffer: of that lane, from one position to another.
#[derive(Clone, Copy, Default)]
struct Held {
    lane: LaneId,
    at: Cursor,
    end: Cursor,
    start: usize,
    len: usize,
}

struct Gatherer {
    log: Vec<RawFd>,
    buffer: Vec<u8>,
    /// Where the next call shall put what it reads; made anew for each.
    vectors: Vec<libc::iovec>,
    held: Held,
    outlet: Outlet,
}

impl Engine for Gatherer {
    fn step(&mut self, queue: &mut Queue) -> Result<Step, CallError> {
        let Some(job) = queue.next_job() else { return Ok(queue.idle()) };
        if self.outlet.flush(queue, job)? {
            return Ok(Step::Moved);
        }
        let at = queue.cursor(job.lane);
        let header = match job.part {
            Part::Header(header) => Some(header),
            Part::Log(_) => None,
        };
        let log_at = if header.is_none() { at } else { queue.ahead(job.lane, at, u64::MAX) };
        let there = self.held.len > 0 && (self.held.lane, self.held.at) == (job.lane, log_at);
        if !there {
            self.gather(queue, job, log_at)?;
        }
        let behind = queue.job_at(job.lane, self.held.end);
        let more = behind.is_some_and(|next| next.fetch == job.fetch);
        let header_len = header.map_or(0, |header| queue.header(header).len());
        let gathered = &self.buffer[self.held.start..self.held.start + self.held.len];
        let taken = self.outlet.send_together(queue, job, header, gathered, more)?;
        let payload = taken.saturating_sub(header_len);
        self.held.start += payload;
        self.held.len -= payload;
        if payload > 0 {
            self.held.at = queue.cursor(job.lane);
        }
        Ok(Step::Moved)
    }
}

impl Gatherer {
    /// Reads the rest of the fetch into the buffer, or as much of it as there is room for.
    fn gather(&mut self, queue: &Queue, job: Job, from: Cursor) -> Result<(), CallError> {
        let (mut at, mut filled) = (from, 0);
        while let Some(run) = self.run(queue, job, at, filled) {
            let log = self.log[run.segment as usize];
            // SAFETY: the vectors lie one behind the other in the buffer, which `self` owns and
            // nobody refers to meanwhile.
            let read = unsafe { sys::preadv(&queue.calls, log, &self.vectors, run.offset_bytes) };
            match read {
                // What is there goes out first; the next step meets the same end or error again.
                Ok(0) | Err(_) if filled > 0 => break,
                Ok(0) => return Err(queue.error(job.lane, "preadv", Errno::ENODATA)),
                Err(errno) => return Err(queue.error(job.lane, "preadv", errno)),
                Ok(got) => {
                    filled += got;
                    at = over(queue, job.lane, at, got as u64);
                }
            }
        }
        self.held = Held { lane: job.lane, at: from, end: at, start: 0, len: filled };
        Ok(())
    }

    /// Lists the pieces of the fetch that adjoin from there on, as one piece; nothing when the fetch
    /// or the buffer ends there.
    fn run(&mut self, queue: &Queue, job: Job, at: Cursor, filled: usize) -> Option<Piece> {
        self.vectors.clear();
        let (mut at, mut run, mut room) = (at, None::<Piece>, self.buffer.len() - filled);
        while room > 0 && self.vectors.len() < sys::VECTORS_MAX {
            let next = queue.job_at(job.lane, at).filter(|next| next.fetch == job.fetch);
            let Some(Part::Log(piece)) = next.map(|next| next.part) else { break };
            let so_far = run.unwrap_or(Piece { len_bytes: 0, ..piece });
            let behind = (so_far.segment, so_far.offset_bytes + so_far.len_bytes);
            if behind != (piece.segment, piece.offset_bytes) {
                break;
            }
            let len = room.min(piece.len_bytes as usize);
            let place = self.buffer.as_mut_ptr().wrapping_add(self.buffer.len() - room);
            self.vectors.push(vector(place, len));
            room -= len;
            run = Some(Piece { len_bytes: so_far.len_bytes + len as u64, ..so_far });
            at = queue.ahead(job.lane, at, len as u64);
        }
        run
    }
}

/// The position so many bytes further on a lane, over the ends of pieces.
fn over(queue: &Queue, lane: LaneId, mut at: Cursor, mut bytes: u64) -> Cursor {
    while let Some(Part::Log(piece)) = queue.job_at(lane, at).map(|job| job.part)
        && bytes > 0
    {
        let step = piece.len_bytes.min(bytes);
        at = queue.ahead(lane, at, step);
        bytes -= step;
    }
    at
}

fn vector(start: *const u8, len: usize) -> libc::iovec {
    libc::iovec { iov_base: start.cast_mut().cast(), iov_len: len }
}
