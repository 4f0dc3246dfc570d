//! What does it cost to receive bytes and keep none of them?
//!
//! The consumer's plainest way: `recv` copies out of the socket's queue into a buffer, which the next
//! `recv` overwrites. It is the floor of the receive side, and what a mapping of packets has to beat.
//!
//! Sources: recv(2); `skb_copy_datagram_iter` in `net/core/datagram.c`.
//!
//! Timed: every `recv`. Not timed: the buffer.

use crate::{
    CallError, Hop, Ingest, IngestEngine, IngestRoute, IngestSetup, Intake, Mover, OpenError,
    OptionKind, OptionSpec, Path, Place, Step, sys,
};
use nix::errno::Errno;

/// See the module.
pub struct RecvDrop;

const OPTIONS: &[OptionSpec] = &[OptionSpec {
    name: "buffer",
    what: "bytes of the user buffer, and of one recv at most",
    kind: OptionKind::Number { default: 256 << 10, min: 1, max: 1 << 30 },
}];

impl Ingest for RecvDrop {
    fn name(&self) -> &'static str {
        "recv-drop"
    }

    fn question(&self) -> &'static str {
        "What does it cost to receive bytes and keep none of them?"
    }

    fn options(&self) -> &'static [OptionSpec] {
        OPTIONS
    }

    fn keeps(&self) -> bool {
        false
    }

    fn path(&self, on: &IngestRoute) -> Path {
        let why = "recv copies out of the socket's queue";
        on.by(&[Hop::new(Place::SocketBuffer, Place::UserBuffer, Mover::CpuCopy, why)])
    }

    fn open(&self, setup: &IngestSetup) -> Result<Box<dyn IngestEngine>, OpenError> {
        let len = setup.fetch_bytes_max.0.min(setup.options.number("buffer")).max(1);
        Ok(Box::new(Dropper { buffer: vec![0; len as usize] }))
    }
}

struct Dropper {
    buffer: Vec<u8>,
}

impl IngestEngine for Dropper {
    fn step(&mut self, intake: &mut Intake) -> Result<Step, CallError> {
        let Some(due) = intake.due() else { return Ok(intake.idle()) };
        let want = self.buffer.len().min(due.len_bytes as usize);
        match sys::recv(&intake.calls, intake.source().fd, &mut self.buffer[..want]) {
            Ok(0) => return Err(intake.error("recv", Errno::ENODATA)),
            Ok(got) => {
                intake.take(got as u64);
                intake.keep(got as u64);
            }
            Err(errno) => return intake.refuse("recv", errno),
        }
        Ok(Step::Moved)
    }
}
