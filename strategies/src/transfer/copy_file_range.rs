//! Can the kernel copy one file's range into another without a visit to user space?
//!
//! `copy_file_range` is for files only: compaction, tiering, a replica on the same disk. One call, and
//! what it does depends on the file system. Where extents can be shared (XFS, Btrfs) and both offsets
//! and the length lie on blocks, the new file refers to the old one's blocks and nothing is read or
//! written. A fetch of a log hardly ever lies on blocks, least of all behind a header, so that the
//! kernel copies there, too. Elsewhere (ext4, tmpfs) it does what `sendfile` does: page references into
//! a hidden pipe, and a CPU copy out of it into the other file's page cache. Between file systems it
//! is refused (`EXDEV`, since 5.19).
//!
//! It wins over `read-write` by one copy and half the calls; it loses to nothing where both ends are
//! files. Sockets, pipes and `/dev/null` are refused (`EINVAL`): a call of no bytes, made when the
//! engine is opened, tells. The header is written plainly.
//!
//! Sources: copy_file_range(2); `vfs_copy_file_range`, `generic_copy_file_checks` in
//! `fs/read_write.c`, `generic_remap_file_range_prep` in `fs/remap_range.c`.
//!
//! Timed: the call. Not timed: nothing else is needed.

use crate::{
    CallError, Calls, Engine, Hop, Mover, OpenError, Part, Path, Place, Queue, Route, Setup, Step,
    Strategy, sys,
};
use nix::errno::Errno;
use std::os::fd::{AsRawFd, RawFd};

const CALL: &str = "copy_file_range";

/// See the module.
pub struct CopyFileRange;

impl Strategy for CopyFileRange {
    fn name(&self) -> &'static str {
        "copy-file-range"
    }

    fn question(&self) -> &'static str {
        "Can the kernel copy one file's range into another without a visit to user space?"
    }

    fn path(&self, on: &Route) -> Path {
        let mut hops = on.fill();
        let why = "copy_file_range puts page references into the task's own pipe";
        hops.push(Hop::new(Place::PageCache, Place::Pipe, Mover::Reference, why));
        hops.extend(on.into_sink(Place::Pipe, Mover::Reference, "it takes files only"));
        Path { hops }
    }

    fn open(&self, setup: &Setup) -> Result<Box<dyn Engine>, OpenError> {
        let log: Vec<RawFd> = setup.segments.iter().map(|s| s.file.as_raw_fd()).collect();
        for sink in setup.sinks {
            for &file in &log {
                sys::copy_file_range(&Calls::default(), file, 0, sink.fd, 0)
                    .map_err(|errno| OpenError::unsupported(CALL, errno))?;
            }
        }
        Ok(Box::new(Copier { log }))
    }
}

struct Copier {
    log: Vec<RawFd>,
}

impl Engine for Copier {
    fn step(&mut self, queue: &mut Queue) -> Result<Step, CallError> {
        let Some(job) = queue.next_job() else { return Ok(queue.idle()) };
        let piece = match job.part {
            Part::Header(header) => return queue.send_header(job, header),
            Part::Log(piece) => piece,
        };
        let log = self.log[piece.segment as usize];
        let len = piece.len_bytes as usize;
        match sys::copy_file_range(&queue.calls, log, piece.offset_bytes, job.sink.fd, len) {
            // There is no error for a file that ends too early, only a count of zero.
            Ok(0) => Err(queue.error(job.lane, CALL, Errno::ENODATA)),
            Ok(copied) => {
                queue.advance(job.lane, copied as u64);
                Ok(Step::Moved)
            }
            Err(errno) => queue.refuse(job.lane, CALL, errno),
        }
    }
}
