//! What does it cost to copy a mapped log to the heap before it is sent?
//!
//! RocketMQ's default: the broker's own code copies the messages from the mapped commit log into a
//! buffer on the heap, and `send` copies that into the socket's queue. Two CPU copies as with
//! `read-write`, but the first one is made by the process itself: no call for it, and instead a page
//! fault for every page (or 16 of them) that the mapping has not been asked for yet. It wins over
//! `read-write` where ranges are small and asked for again and again, since a call is saved; it loses
//! to `mmap-write` by a whole copy, which only pays where the data has to be changed, or must not
//! change, on its way.
//!
//! The process itself touches the mapping. When the file shrinks meanwhile there is no error to be
//! returned: the kernel sends SIGBUS, and whoever started the process has to make sense of its death.
//! (A JVM turns that into an error of its own.) Inside the last page the bytes behind the end are
//! zeros.
//!
//! No tracepoint and no system call shows a copy that a process makes by itself, so nobody can
//! confirm that hop; what can be seen is that no call read the log, and what the sends took.
//!
//! Sources: mmap(2) (SIGBUS); `filemap_map_pages` in `mm/filemap.c`, `tcp_sendmsg_locked` in
//! `net/ipv4/tcp.c`.
//!
//! Timed: the copy and `send`. Not timed: the mappings, the buffer.

use super::mmap_write::map_log;
use crate::{
    CallError, Engine, Hop, Job, LaneId, Mover, OpenError, OptionKind, OptionSpec, Outlet, Part,
    Path, Piece, Place, Queue, Residue, Route, Setup, Step, Strategy,
};
use memmap2::Mmap;
use nix::errno::Errno;
use std::ops::Range;

/// See the module.
pub struct MmapHeapWrite;

const OPTIONS: &[OptionSpec] = &[OptionSpec {
    name: "buffer",
    what: "bytes of the buffer on the heap; one copy and one send for each",
    kind: OptionKind::Number { default: 1 << 20, min: 1, max: 1 << 30 },
}];

impl Strategy for MmapHeapWrite {
    fn name(&self) -> &'static str {
        "mmap-heap-write"
    }

    fn question(&self) -> &'static str {
        "What does it cost to copy a mapped log to the heap before it is sent?"
    }

    fn path(&self, on: &Route) -> Path {
        let mut hops = on.fill();
        hops.push(Hop::in_user_space(
            Place::PageCache,
            Place::UserBuffer,
            "the process itself copies from its mapping",
        ));
        let why = "send copies into the socket's queue";
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
        Ok(Box::new(Copier {
            maps: map_log(setup, None)?,
            buffer: vec![0; len as usize],
            residue: Residue::default(),
            outlet: Outlet::open(setup, len as usize)?,
        }))
    }
}

struct Copier {
    maps: Vec<Mmap>,
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
        let piece = match job.part {
            Part::Header(header) => return self.outlet.send_header(queue, job, header),
            Part::Log(piece) => piece,
        };
        let filled = match self.residue.find(job.lane, piece) {
            Some(left) => left,
            None => self.fill(queue, job.lane, piece)?,
        };
        self.send(queue, job, piece, filled)
    }
}

impl Copier {
    /// Copies the beginning of the piece to the heap.
    fn fill(&mut self, q: &Queue, lane: LaneId, piece: Piece) -> Result<Range<usize>, CallError> {
        let map = &self.maps[piece.segment as usize];
        let mapped = (map.len() as u64).saturating_sub(piece.offset_bytes).min(piece.len_bytes);
        let len = (mapped as usize).min(self.buffer.len());
        if len == 0 {
            return Err(q.error(lane, "copy(mapping)", Errno::ENODATA));
        }
        let from = map.as_ptr().wrapping_add(piece.offset_bytes as usize);
        // SAFETY: `len` bytes from there on lie within the mapping, which `self` owns, and fit the
        // buffer, which is borrowed mutably; the two do not overlap. No reference to the mapped bytes
        // is formed. Where the file has become too short this process gets SIGBUS.
        unsafe { std::ptr::copy_nonoverlapping(from, self.buffer.as_mut_ptr(), len) };
        self.residue.keep(lane, Piece { len_bytes: len as u64, ..piece }, 0);
        Ok(0..len)
    }

    fn send(
        &mut self,
        queue: &mut Queue,
        job: Job,
        piece: Piece,
        filled: Range<usize>,
    ) -> Result<Step, CallError> {
        let more = job.more || (filled.len() as u64) < piece.len_bytes;
        let taken = self.outlet.send(queue, job, &self.buffer[filled], more)?;
        self.residue.sent(taken);
        Ok(Step::Moved)
    }
}
