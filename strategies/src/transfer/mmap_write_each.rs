//! What does it cost to send every message of a mapped log by a call of its own?
//!
//! RocketMQ's way when it is told not to copy to the heap: each message that a consumer gets is a
//! slice of the mapped commit log, and each is written to the socket by itself. The bytes are copied
//! once, as by `mmap-write`; what is added is a system call for each message, and for small messages
//! that is most of the price. It wins nowhere over `mmap-writev`; it is what one gets where no
//! vectored write is at hand.
//!
//! A message here is what the queue's pieces say, cut at `chunk` bytes: no send reaches over the
//! end of a piece. This crate knows no log format, and to the kernel it makes no difference where a
//! boundary lies, only how many there are. All sends but a fetch's last say `MSG_MORE`, so that
//! TCP's packets stay full and only the calls are added (a broker that does not say it pays for
//! small packets, too).
//!
//! A file that shrinks, and `/dev/null`: as for `mmap-write`.
//!
//! Sources: mmap(2), send(2); `tcp_sendmsg_locked` in `net/ipv4/tcp.c`.
//!
//! Timed: `send`. Not timed: the mappings.

use super::mmap_write::{UNSEEN, copied_from_the_mapping, map_log, send};
use crate::{
    CallError, Engine, Job, OpenError, OptionKind, OptionSpec, Part, Path, Piece, Queue, Route,
    Setup, Step, Strategy,
};
use memmap2::Mmap;

/// See the module.
pub struct MmapWriteEach;

const OPTIONS: &[OptionSpec] = &[OptionSpec {
    name: "chunk",
    what: "bytes of each send at most; a piece's end ends a send, too",
    kind: OptionKind::Number { default: 1024, min: 1, max: 1 << 30 },
}];

impl Strategy for MmapWriteEach {
    fn name(&self) -> &'static str {
        "mmap-write-each"
    }

    fn question(&self) -> &'static str {
        "What does it cost to send every message of a mapped log by a call of its own?"
    }

    fn path(&self, on: &Route) -> Path {
        copied_from_the_mapping(on, "send copies each message from the mapped page cache")
    }

    fn options(&self) -> &'static [OptionSpec] {
        OPTIONS
    }

    fn transforms(&self) -> Result<(), &'static str> {
        Err(UNSEEN)
    }

    fn open(&self, setup: &Setup) -> Result<Box<dyn Engine>, OpenError> {
        let message_bytes = setup.options.number("chunk").max(1);
        Ok(Box::new(Each { maps: map_log(setup, None)?, message_bytes }))
    }
}

struct Each {
    maps: Vec<Mmap>,
    message_bytes: u64,
}

impl Engine for Each {
    fn step(&mut self, queue: &mut Queue) -> Result<Step, CallError> {
        let Some(job) = queue.next_job() else { return Ok(queue.idle()) };
        let piece = match job.part {
            Part::Header(header) => return queue.send_header(job, header),
            Part::Log(piece) => piece,
        };
        let message = Piece { len_bytes: piece.len_bytes.min(self.message_bytes), ..piece };
        let job = Job { more: job.more || message.len_bytes < piece.len_bytes, ..job };
        let map = &self.maps[piece.segment as usize];
        send(queue, job, message, map, piece.offset_bytes).map(|_| Step::Moved)
    }
}
