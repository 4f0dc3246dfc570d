//! Can packets become pages of a log without passing through the process?
//!
//! `splice` takes references to the packets' memory into a pipe and writes the pipe into the file. The
//! name promises more than the kernel does: socket to pipe is a matter of references, but the page
//! cache is written by a CPU copy out of the pipe (`iter_file_splice_write` in `fs/splice.c`), since
//! packets hardly ever are whole pages that a file could take over. So it saves the copy into user
//! memory, as a mapping does, without its faults; it costs a second call, and a pipe's slots fill up
//! early where packets are small (`skb_splice_bits` in `net/core/skbuff.c` copies what lies in a
//! packet's linear part, so a Unix stream's short sends are copied twice after all).
//!
//! Sources: splice(2), fcntl(2) `F_SETPIPE_SZ`; `tcp_splice_read` in `net/ipv4/tcp.c`.
//!
//! Timed: all calls of `splice`. Not timed: making the pipe.

use crate::{
    CallError, Hop, Ingest, IngestEngine, IngestRoute, IngestSetup, Intake, Mover, OpenError,
    OptionKind, OptionSpec, Path, Place, Step, sys,
};
use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use std::os::fd::{AsRawFd, OwnedFd, RawFd};

/// See the module.
pub struct SpliceIn;

const OPTIONS: &[OptionSpec] = &[OptionSpec {
    name: "pipe",
    what: "bytes that the pipe holds in whole pages; the kernel rounds up to a power of two of slots",
    kind: OptionKind::Number { default: 64 << 10, min: 1, max: 1 << 30 },
}];

impl Ingest for SpliceIn {
    fn name(&self) -> &'static str {
        "splice-in"
    }

    fn question(&self) -> &'static str {
        "Can packets become pages of a log without passing through the process?"
    }

    fn options(&self) -> &'static [OptionSpec] {
        OPTIONS
    }

    fn path(&self, on: &IngestRoute) -> Path {
        let into = "splice(socket, pipe) refers to the packets' memory";
        let out = "splice(pipe, log) copies into the page cache";
        on.by(&[
            Hop::new(Place::SocketBuffer, Place::Pipe, Mover::Reference, into),
            Hop::new(Place::Pipe, Place::PageCache, Mover::CpuCopy, out),
        ])
    }

    fn open(&self, setup: &IngestSetup) -> Result<Box<dyn IngestEngine>, OpenError> {
        let (out, into) = nix::unistd::pipe2(OFlag::O_CLOEXEC)
            .map_err(|errno| OpenError::failed("pipe2", errno))?;
        let wish = setup.options.number("pipe").min(i32::MAX as u64) as i32;
        fcntl(&into, FcntlArg::F_SETPIPE_SZ(wish)).map_err(|errno| OpenError::Unsupported {
            call: "fcntl(F_SETPIPE_SZ)",
            errno,
            hint: "limits are in /proc/sys/fs/pipe-max-size and pipe-user-pages-soft",
        })?;
        Ok(Box::new(Splicer { file: setup.file, out, into }))
    }
}

/// What lies in the pipe is what the intake calls held.
struct Splicer {
    file: RawFd,
    out: OwnedFd,
    into: OwnedFd,
}

impl IngestEngine for Splicer {
    fn step(&mut self, intake: &mut Intake) -> Result<Step, CallError> {
        if intake.held().is_none() {
            let Some(due) = intake.due() else { return Ok(intake.idle()) };
            let (socket, into) = (intake.source().fd, self.into.as_raw_fd());
            let len = due.len_bytes.min(1 << 30) as usize;
            match sys::splice(&intake.calls, socket, None, into, len, 0) {
                Ok(0) => return Err(intake.error("splice(socket, pipe)", Errno::ENODATA)),
                Ok(got) => intake.take(got as u64),
                Err(errno) => return intake.refuse("splice(socket, pipe)", errno),
            }
        }
        let Some(held) = intake.held() else { return Ok(intake.idle()) };
        let (out, len) = (self.out.as_raw_fd(), held.len_bytes as usize);
        let kept = sys::splice_into_file(&intake.calls, out, self.file, held.offset_bytes, len)
            .map_err(|errno| intake.error("splice(pipe, log)", errno))?;
        if kept == 0 {
            return Err(intake.error("splice(pipe, log)", Errno::EIO));
        }
        intake.keep(kept as u64);
        Ok(Step::Moved)
    }
}
