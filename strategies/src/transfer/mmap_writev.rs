//! Does one call for many mapped messages save what a call for each costs?
//!
//! The header and up to 1023 messages of a fetch, each a slice of the mapped log, go out by one
//! `sendmsg` (`writev` on a file): the kernel copies them one after the other from the page cache
//! into the socket's queue. One copy as with `mmap-write`, one call for a fetch with its header, and
//! a little work in the kernel for each vector. It wins over `mmap-write-each` by the calls, and over
//! `mmap-write` where a fetch has several pieces or a header; it loses to page references when
//! fetches are large.
//!
//! A message is what the queue's pieces say, cut at `chunk` bytes, as for `mmap-write-each`. After
//! a short write the next call begins where the sink stopped.
//!
//! A file that shrinks, and `/dev/null`: as for `mmap-write`.
//!
//! Sources: sendmsg(2), writev(2); `import_iovec` and `_copy_from_iter` in `lib/iov_iter.c`,
//! `tcp_sendmsg_locked` in `net/ipv4/tcp.c`.
//!
//! Timed: the call, and listing what it shall send. Not timed: the mappings.

use super::mmap_write::{UNSEEN, copied_from_the_mapping, map_log};
use crate::{
    CallError, Engine, Job, OpenError, OptionKind, OptionSpec, Part, Path, Queue, Route, Setup,
    Step, Strategy, sys,
};
use memmap2::Mmap;
use nix::errno::Errno;

/// See the module.
pub struct MmapWritev;

const OPTIONS: &[OptionSpec] = &[OptionSpec {
    name: "chunk",
    what: "bytes of each vector at most; a piece's end ends a vector, too",
    kind: OptionKind::Number { default: 1024, min: 1, max: 1 << 30 },
}];

impl Strategy for MmapWritev {
    fn name(&self) -> &'static str {
        "mmap-writev"
    }

    fn question(&self) -> &'static str {
        "Does one call for many mapped messages save what a call for each costs?"
    }

    fn path(&self, on: &Route) -> Path {
        copied_from_the_mapping(on, "sendmsg copies all messages from the mapped page cache")
    }

    fn options(&self) -> &'static [OptionSpec] {
        OPTIONS
    }

    fn transforms(&self) -> Result<(), &'static str> {
        Err(UNSEEN)
    }

    fn open(&self, setup: &Setup) -> Result<Box<dyn Engine>, OpenError> {
        Ok(Box::new(Gatherer {
            maps: map_log(setup, None)?,
            message_bytes: setup.options.number("chunk").max(1),
            vectors: Vec::with_capacity(sys::VECTORS_MAX),
        }))
    }
}

struct Gatherer {
    maps: Vec<Mmap>,
    message_bytes: u64,
    /// What the next call shall send; made anew for each.
    vectors: Vec<libc::iovec>,
}

impl Engine for Gatherer {
    fn step(&mut self, queue: &mut Queue) -> Result<Step, CallError> {
        let Some(job) = queue.next_job() else { return Ok(queue.idle()) };
        let more = self.gather(queue, job);
        if self.vectors.is_empty() {
            return Err(queue.error(job.lane, "sendmsg(mapping)", Errno::ENODATA));
        }
        // SAFETY: the first vector may be the queue's header, which nobody touches meanwhile; the
        // others lie in mappings that `self` owns, and only the kernel reads them.
        match unsafe { sys::send_vectors(&queue.calls, job.sink, &self.vectors, more) } {
            Ok(sent) => queue.advance(job.lane, sent as u64),
            Err(errno) => return queue.refuse(job.lane, "sendmsg(mapping)", errno),
        }
        Ok(Step::Moved)
    }
}

impl Gatherer {
    /// Lists the rest of the fetch, or as much of it as a call takes; whether more of it follows.
    fn gather(&mut self, queue: &Queue, first: Job) -> bool {
        self.vectors.clear();
        for job in queue.jobs(first.lane).take_while(|job| job.fetch == first.fetch) {
            let piece = match job.part {
                Part::Header(header) => {
                    let header = queue.header(header);
                    self.vectors.push(vector(header.as_ptr(), header.len()));
                    continue;
                }
                Part::Log(piece) => piece,
            };
            let map = &self.maps[piece.segment as usize];
            let mapped = (map.len() as u64).saturating_sub(piece.offset_bytes);
            let (mut at, end) = (0, piece.len_bytes.min(mapped));
            while at < end && self.vectors.len() < sys::VECTORS_MAX {
                let len = self.message_bytes.min(end - at);
                let start = map.as_ptr().wrapping_add((piece.offset_bytes + at) as usize);
                self.vectors.push(vector(start, len as usize));
                at += len;
            }
            if at < piece.len_bytes {
                return true;
            }
        }
        false
    }
}

fn vector(start: *const u8, len: usize) -> libc::iovec {
    libc::iovec { iov_base: start.cast_mut().cast(), iov_len: len }
}
