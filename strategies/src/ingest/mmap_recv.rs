//! Is one copy saved by receiving straight into the mapped log?
//!
//! `recv` is given the address of the log's own page: the one CPU copy that a receive makes ends in
//! the page cache, and nothing is written. What is saved is paid for in faults: the first touch of each
//! page traps inside the copy, is given a page and a block (`ext4_page_mkwrite` in `fs/ext4/inode.c`),
//! and has its first write noted. It wins where pages are there already, as in a log that is laid out
//! and reused; in a fresh file the faults may cost more than the copy.
//!
//! The file must have its final length beforehand (`ftruncate`, not timed): a mapping can write to no
//! page beyond the end. A full disk shows as `EFAULT` of `recv`, since only the kernel touches the
//! mapping; a process that wrote to it by itself would die of SIGBUS.
//!
//! Sources: mmap(2); `copy_page_to_iter` and its faults in `lib/iov_iter.c`.
//!
//! Timed: every `recv` with its faults. Not timed: the mapping and the file's length.

use crate::{
    CallError, Hop, Ingest, IngestEngine, IngestRoute, IngestSetup, Intake, Mover, OpenError,
    OptionKind, OptionSpec, Path, Place, Step, sys,
};
use memmap2::MmapMut;
use nix::errno::Errno;

/// See the module.
pub struct MmapRecv;

const OPTIONS: &[OptionSpec] = &[OptionSpec {
    name: "chunk",
    what: "bytes that one recv asks for at most",
    kind: OptionKind::Number { default: 256 << 10, min: 1, max: 1 << 30 },
}];

impl Ingest for MmapRecv {
    fn name(&self) -> &'static str {
        "mmap-recv"
    }

    fn question(&self) -> &'static str {
        "Is one copy saved by receiving straight into the mapped log?"
    }

    fn options(&self) -> &'static [OptionSpec] {
        OPTIONS
    }

    fn path(&self, on: &IngestRoute) -> Path {
        let why = "recv copies out of the socket's queue into the mapped log";
        on.by(&[Hop::new(Place::SocketBuffer, Place::PageCache, Mover::CpuCopy, why)])
    }

    fn needs_length(&self) -> bool {
        true
    }

    fn open(&self, setup: &IngestSetup) -> Result<Box<dyn IngestEngine>, OpenError> {
        let map = sys::map_to_write(setup.file, setup.file_bytes_max.0.max(1) as usize)
            .map_err(|errno| OpenError::unsupported("mmap(log)", errno))?;
        Ok(Box::new(Mapped { map, chunk: setup.options.number("chunk").max(1) }))
    }
}

struct Mapped {
    /// Never dereferenced here: only the kernel touches it, inside `recv`.
    map: MmapMut,
    chunk: u64,
}

impl IngestEngine for Mapped {
    fn step(&mut self, intake: &mut Intake) -> Result<Step, CallError> {
        let Some(due) = intake.due() else { return Ok(intake.idle()) };
        let (start, len) = (due.offset_bytes as usize, due.len_bytes.min(self.chunk) as usize);
        if start + len > self.map.len() {
            return Err(intake.error("recv(mapped log)", Errno::EFBIG));
        }
        let pointer = self.map.as_mut_ptr().wrapping_add(start);
        let socket = intake.source().fd;
        // SAFETY: the range lies in the mapping that this engine owns for as long as it lives, and
        // nobody forms a reference to it; the kernel touches it only during the call.
        match unsafe { sys::recv_raw(&intake.calls, socket, pointer, len) } {
            Ok(0) => return Err(intake.error("recv(mapped log)", Errno::ENODATA)),
            Ok(got) => {
                intake.take(got as u64);
                intake.keep(got as u64);
            }
            Err(errno) => return intake.refuse("recv(mapped log)", errno),
        }
        Ok(Step::Moved)
    }
}
