//! What does the plainest way into a log cost: receive into a buffer, write the buffer?
//!
//! `recv` copies out of the socket's queue into user memory, `pwrite` copies from there into the page
//! cache: two CPU copies and two system calls for each buffer. It is what brokers do, since they look
//! at what they are sent before they keep it. It loses to a mapping by a copy, and where nobody looks
//! at the bytes, by the buffer's misses in the processor's caches.
//!
//! Sources: recv(2), pwrite(2); `tcp_recvmsg_locked` in `net/ipv4/tcp.c`, `generic_perform_write` in
//! `mm/filemap.c`.
//!
//! Timed: both calls. Not timed: the buffer.

use crate::{
    CallError, Hop, Ingest, IngestEngine, IngestRoute, IngestSetup, Intake, Mover, OpenError,
    OptionKind, OptionSpec, Path, Place, Step, sys,
};
use nix::errno::Errno;
use std::os::fd::RawFd;

/// See the module.
pub struct RecvWrite;

const OPTIONS: &[OptionSpec] = &[OptionSpec {
    name: "buffer",
    what: "bytes of the user buffer; one recv and one write for each",
    kind: OptionKind::Number { default: 256 << 10, min: 1, max: 1 << 30 },
}];

impl Ingest for RecvWrite {
    fn name(&self) -> &'static str {
        "recv-write"
    }

    fn question(&self) -> &'static str {
        "What does the plainest way into a log cost: receive into a buffer, write the buffer?"
    }

    fn options(&self) -> &'static [OptionSpec] {
        OPTIONS
    }

    fn path(&self, on: &IngestRoute) -> Path {
        let received = "recv copies out of the socket's queue";
        let written = "pwrite copies into the page cache";
        on.by(&[
            Hop::new(Place::SocketBuffer, Place::UserBuffer, Mover::CpuCopy, received),
            Hop::new(Place::UserBuffer, Place::PageCache, Mover::CpuCopy, written),
        ])
    }

    fn open(&self, setup: &IngestSetup) -> Result<Box<dyn IngestEngine>, OpenError> {
        let len = setup.fetch_bytes_max.0.min(setup.options.number("buffer")).max(1);
        Ok(Box::new(Copier { file: setup.file, buffer: vec![0; len as usize], start: 0 }))
    }
}

struct Copier {
    file: RawFd,
    buffer: Vec<u8>,
    /// Where in the buffer the bytes begin that are not in the file yet.
    start: usize,
}

impl IngestEngine for Copier {
    fn step(&mut self, intake: &mut Intake) -> Result<Step, CallError> {
        if intake.held().is_none() {
            let Some(due) = intake.due() else { return Ok(intake.idle()) };
            let want = self.buffer.len().min(due.len_bytes as usize);
            let socket = intake.source().fd;
            match sys::recv(&intake.calls, socket, &mut self.buffer[..want]) {
                Ok(0) => return Err(intake.error("recv", Errno::ENODATA)),
                Ok(got) => intake.take(got as u64),
                Err(errno) => return intake.refuse("recv", errno),
            }
            self.start = 0;
        }
        self.write(intake)
    }
}

impl Copier {
    fn write(&mut self, intake: &mut Intake) -> Result<Step, CallError> {
        let Some(held) = intake.held() else { return Ok(intake.idle()) };
        let bytes = &self.buffer[self.start..self.start + held.len_bytes as usize];
        let written = sys::pwrite(&intake.calls, self.file, bytes, held.offset_bytes)
            .map_err(|errno| intake.error("pwrite", errno))?;
        if written == 0 {
            return Err(intake.error("pwrite", Errno::EIO));
        }
        self.start += written;
        intake.keep(written as u64);
        Ok(Step::Moved)
    }
}
