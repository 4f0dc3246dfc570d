//! Can user memory go into a pipe by reference, and from there to a socket?
//!
//! `vmsplice` puts references to pages of the caller's memory into a pipe; `splice` hands them on to
//! the socket. Nothing is copied between that memory and the wire. What the memory is makes two
//! strategies of it (option `source`):
//!
//! * `mapped`: the memory is a mapping of the log, so the pages are the page cache's own and no byte
//!   is copied at all. It is `splice` with a detour over the page table: every page has to be mapped
//!   and looked up. It wins over `splice` nowhere; it shows what the detour costs.
//! * `gift`: `pread` copies into fresh pages, which are then given away (`SPLICE_F_GIFT`): one copy.
//!   It is the way for data that a process makes or changes itself. The pages may never be written
//!   again, since nothing tells when the receiver has got them: the pipe, the socket's queue and, on
//!   this machine, the receiver's queue keep references. So each filling takes a fresh anonymous
//!   mapping and unmaps it as soon as the pipe has it; the pages live on by their references and go
//!   when the last reader has them. The price is `mmap`, `munmap`, and a page fault and the zeroing
//!   of a page for each 4 KiB, about as much memory traffic as the copy that is saved.
//!
//! The kernel gives a pipe one slot for each page, so a pipe that begins in the middle of a page
//! takes a little less. A file that shrinks under `mapped`: the kernel answers `EFAULT`, and inside
//! the last page the bytes behind the end are zeros. See `pipes` for what happens when sinks are full.
//!
//! Sources: vmsplice(2); `iter_to_pipe`, `splice_to_socket` in `fs/splice.c`. For a socket
//! `SPLICE_F_GIFT` changes nothing: it matters to readers that steal pages.
//!
//! Timed: all calls, with `gift` also `mmap` and `munmap`. Not timed: the pipes, the log's mappings.

use super::mmap_write::map_log;
use crate::pipes::{PipeId, Pipes};
use crate::{
    CallError, Engine, Hop, LaneId, Mover, OpenError, OptionKind, OptionSpec, Options, Part, Path,
    Piece, Place, Queue, Route, Setup, Step, Strategy, sys,
};
use memmap2::Mmap;
use nix::errno::Errno;
use std::os::fd::{AsRawFd, RawFd};

/// See the module.
pub struct VmspliceSplice;

const OPTIONS: &[OptionSpec] = &[
    OptionSpec {
        name: "source",
        what: "the mapped log itself, or fresh pages that are read into and given away",
        kind: OptionKind::Choice { default: "mapped", of: &["mapped", "gift"] },
    },
    OptionSpec {
        name: "pipe",
        what: "bytes that a pipe holds; the kernel rounds up to pages and a power of two",
        kind: OptionKind::Number { default: 64 << 10, min: 1, max: 1 << 30 },
    },
];

impl Strategy for VmspliceSplice {
    fn name(&self) -> &'static str {
        "vmsplice-splice"
    }

    fn question(&self) -> &'static str {
        "Can user memory go into a pipe by reference, and from there to a socket?"
    }

    fn path(&self, on: &Route) -> Path {
        let mut hops = on.fill();
        let why = "vmsplice puts references to the mapped pages into the pipe";
        hops.push(Hop::new(Place::PageCache, Place::Pipe, Mover::Reference, why));
        hops.extend(on.into_sink(Place::Pipe, Mover::Reference, SPLICED));
        Path { hops }
    }

    fn path_with(&self, on: &Route, options: &Options) -> Path {
        if options.word("source") != "gift" {
            return self.path(on);
        }
        let mut hops = on.fill();
        let why = "pread copies out of the page cache into fresh pages";
        hops.push(Hop::new(Place::PageCache, Place::UserBuffer, Mover::CpuCopy, why));
        let why = "vmsplice puts references to those pages into the pipe";
        hops.push(Hop::new(Place::UserBuffer, Place::Pipe, Mover::Reference, why));
        hops.extend(on.into_sink(Place::Pipe, Mover::Reference, SPLICED));
        Path { hops }
    }

    fn options(&self) -> &'static [OptionSpec] {
        OPTIONS
    }

    fn transforms(&self) -> Result<(), &'static str> {
        Err("needs user space: it hands on the log's own pages, or pages that it gives away")
    }

    fn open(&self, setup: &Setup) -> Result<Box<dyn Engine>, OpenError> {
        let pipes = Pipes::open(setup, setup.options.number("pipe"))?;
        let source = if setup.options.word("source") == "gift" {
            let log = setup.segments.iter().map(|segment| segment.file.as_raw_fd());
            Source::Gift(log.collect())
        } else {
            Source::Mapped(map_log(setup, None)?)
        };
        Ok(Box::new(Splicer { source, pipes }))
    }
}

const SPLICED: &str = "splice(pipe, sink) hands the references on";

enum Source {
    Mapped(Vec<Mmap>),
    /// The log's descriptors.
    Gift(Vec<RawFd>),
}

struct Splicer {
    source: Source,
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
    /// Memory to pipe: gives the lane a pipe and fills it with the beginning of the piece.
    fn fill(&mut self, queue: &Queue, lane: LaneId, piece: Piece) -> Result<PipeId, CallError> {
        let id = self.pipes.take(queue, lane)?;
        let want = piece.len_bytes.min(self.pipes.capacity_bytes(id));
        let wanted = Piece { len_bytes: want, ..piece };
        let filled = match &self.source {
            Source::Mapped(maps) => {
                lend(queue, lane, wanted, &maps[piece.segment as usize], self.pipes.entry(id))?
            }
            Source::Gift(log) => {
                give(queue, lane, wanted, log[piece.segment as usize], self.pipes.entry(id))?
            }
        };
        self.pipes.hold(id, lane, Piece { len_bytes: filled as u64, ..piece });
        Ok(id)
    }
}

/// References to the log's own pages.
fn lend(
    queue: &Queue,
    lane: LaneId,
    piece: Piece,
    map: &Mmap,
    pipe: RawFd,
) -> Result<usize, CallError> {
    let mapped = (map.len() as u64).saturating_sub(piece.offset_bytes).min(piece.len_bytes);
    let failed = |errno| queue.error(lane, "vmsplice(mapping)", errno);
    if mapped == 0 {
        return Err(failed(Errno::ENODATA));
    }
    let pointer = map.as_ptr().wrapping_add(piece.offset_bytes as usize);
    // SAFETY: the range lies within the mapping, which the engine owns; nobody here writes to it or
    // forms a reference to it, and the pipe's references to its pages need no mapping.
    unsafe { sys::vmsplice(&queue.calls, pipe, pointer, mapped as usize, 0) }.map_err(failed)
}

/// A copy in fresh pages, which nobody can write to any more when this returns.
fn give(
    queue: &Queue,
    lane: LaneId,
    piece: Piece,
    log: RawFd,
    pipe: RawFd,
) -> Result<usize, CallError> {
    let failed = |call| move |errno| queue.error(lane, call, errno);
    let len = piece.len_bytes as usize;
    let mut fresh = sys::map_fresh(&queue.calls, len).map_err(failed("mmap(anonymous)"))?;
    let got =
        sys::pread(&queue.calls, log, &mut fresh, piece.offset_bytes).map_err(failed("pread"))?;
    if got == 0 {
        return Err(failed("pread")(Errno::ENODATA));
    }
    let flags = libc::SPLICE_F_GIFT;
    // SAFETY: the bytes lie in the fresh mapping, which lives until the next line; nobody writes to
    // its pages afterwards, whatever the pipe's references do.
    let given = unsafe { sys::vmsplice(&queue.calls, pipe, fresh.as_ptr(), got, flags) };
    sys::unmap(&queue.calls, fresh);
    given.map_err(failed("vmsplice(gift)"))
}
