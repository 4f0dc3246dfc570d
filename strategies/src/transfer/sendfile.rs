//! Can one call hand a file's pages to a socket, with no copy and no buffer of ours?
//!
//! `sendfile` puts references to page-cache pages into a hidden pipe of the task (16 slots, so 64
//! KiB a turn) and hands them from there to the socket as fragments: no CPU copy on the sending
//! side, one system call for as many bytes as the socket takes. It wins when transfers are large
//! and nobody has to look at the data. It loses where a copy is cheaper than the bookkeeping for
//! pages (a few KiB), where the device cannot gather fragments (the kernel copies after all,
//! unseen), and where the data has to be transformed. The pages are shared until the peer has them:
//! bytes that are rewritten meanwhile go out as rewritten.
//!
//! Sources: sendfile(2); `do_splice_direct`, `splice_to_socket` in `fs/splice.c`,
//! `filemap_splice_read` in `mm/filemap.c`, `skb_splice_from_iter` in `net/core/skbuff.c`.
//!
//! Timed: the call. Not timed: nothing else is needed.

use crate::{
    CallError, Engine, Hop, Mover, OpenError, Part, Path, Place, Queue, Route, Setup, SinkKind,
    Step, Strategy, sys,
};
use nix::errno::Errno;
use std::os::fd::{AsRawFd, RawFd};

/// The most that one call moves (sendfile(2), NOTES).
const CALL_BYTES_MAX: u64 = 0x7fff_f000;

/// See the module.
pub struct Sendfile;

impl Strategy for Sendfile {
    fn name(&self) -> &'static str {
        "sendfile"
    }

    fn question(&self) -> &'static str {
        "Can one call hand a file's pages to a socket, with no copy and no buffer of ours?"
    }

    fn path(&self, on: &Route) -> Path {
        let mut hops = on.fill();
        if on.sink == SinkKind::Pipe {
            // A pipe as the target takes the place of the task's own (`splice_file_to_pipe`).
            let why = "sendfile puts page references into the sink itself";
            hops.extend(on.into_sink(Place::PageCache, Mover::Reference, why));
            return Path { hops };
        }
        hops.push(Hop::new(
            Place::PageCache,
            Place::Pipe,
            Mover::Reference,
            "sendfile puts page references into the task's own pipe",
        ));
        let why = "the socket's queue takes over the page references";
        hops.extend(on.into_sink(Place::Pipe, Mover::Reference, why));
        Path { hops }
    }

    fn open(&self, setup: &Setup) -> Result<Box<dyn Engine>, OpenError> {
        let log = setup.segments.iter().map(|segment| segment.file.as_raw_fd()).collect();
        Ok(Box::new(Sender { log }))
    }
}

struct Sender {
    log: Vec<RawFd>,
}

impl Engine for Sender {
    fn step(&mut self, queue: &mut Queue) -> Result<Step, CallError> {
        let Some(job) = queue.next_job() else { return Ok(queue.idle()) };
        let piece = match job.part {
            Part::Header(header) => return queue.send_header(job, header),
            Part::Log(piece) => piece,
        };
        let log = self.log[piece.segment as usize];
        let len = piece.len_bytes.min(CALL_BYTES_MAX) as usize;
        match sys::sendfile(&queue.calls, job.sink.fd, log, piece.offset_bytes, len) {
            // There is no error for a file that ends too early, only a count of zero.
            Ok(0) => Err(queue.error(job.lane, "sendfile", Errno::ENODATA)),
            Ok(sent) => {
                queue.advance(job.lane, sent as u64);
                Ok(Step::Moved)
            }
            Err(errno) => queue.refuse(job.lane, "sendfile", errno),
        }
    }
}
