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
//! A pipe as the target is handed references as well, since Linux 5.12; before, it was written by a
//! copy, as a file is to this day.
//!
//! `sendfile` knows no flags, so what keeps a header from leaving in a packet of its own is what the
//! header is sent with (option `join`): `more` says `MSG_MORE`, one call and no more; `cork` holds
//! back everything but full packets from before the header to the end of the fetch, at the price of
//! two calls of `setsockopt` (TCP only); `plain` says nothing, and pays with a packet for the header.
//!
//! Sources: sendfile(2), tcp(7) `TCP_CORK`; `do_splice_direct`, `splice_to_socket` in `fs/splice.c`,
//! `filemap_splice_read` in `mm/filemap.c`, `skb_splice_from_iter` in `net/core/skbuff.c`.
//!
//! Timed: the calls. Not timed: nothing else is needed.

use crate::{
    CallError, Engine, Hop, Job, Mover, OpenError, OptionKind, OptionSpec, Part, Path, Piece,
    Place, Queue, Route, Setup, SinkKind, Step, Strategy, sys,
};
use nix::errno::Errno;
use std::os::fd::{AsRawFd, RawFd};

/// The most that one call moves (sendfile(2), NOTES).
pub(super) const CALL_BYTES_MAX: u64 = 0x7fff_f000;

/// See the module.
pub struct Sendfile;

const OPTIONS: &[OptionSpec] = &[OptionSpec {
    name: "join",
    what: "what keeps a header from being a packet of its own: MSG_MORE, TCP_CORK, or nothing",
    kind: OptionKind::Choice { default: "more", of: &["more", "cork", "plain"] },
}];

impl Strategy for Sendfile {
    fn name(&self) -> &'static str {
        "sendfile"
    }

    fn question(&self) -> &'static str {
        "Can one call hand a file's pages to a socket, with no copy and no buffer of ours?"
    }

    fn path(&self, on: &Route) -> Path {
        by_references(on)
    }

    fn options(&self) -> &'static [OptionSpec] {
        OPTIONS
    }

    fn open(&self, setup: &Setup) -> Result<Box<dyn Engine>, OpenError> {
        let header = setup.options.word("join");
        if header == "cork" && !setup.sinks.iter().all(|sink| sink.kind.is_tcp()) {
            let why = "TCP_CORK is an option of TCP: no other sink holds anything back";
            return Err(OpenError::Refused { why });
        }
        Ok(Box::new(Sender {
            log: setup.segments.iter().map(|segment| segment.file.as_raw_fd()).collect(),
            says_more: header == "more",
            corked: (header == "cork").then(|| vec![false; setup.sinks.len()]),
        }))
    }
}

/// The way of bytes that `sendfile` takes out of the page cache.
pub(super) fn by_references(on: &Route) -> Path {
    let mut hops = on.fill();
    if on.sink == SinkKind::Pipe && on.sendfile_splices {
        // A pipe as the target takes the place of the task's own (`splice_file_to_pipe`).
        let why = "sendfile puts page references into the sink itself";
        hops.extend(on.into_sink(Place::PageCache, Mover::Reference, why));
        return Path { hops };
    }
    let why = "sendfile puts page references into the task's own pipe";
    hops.push(Hop::new(Place::PageCache, Place::Pipe, Mover::Reference, why));
    let (by, why) = out_of_the_pipe(on);
    hops.extend(on.into_sink(Place::Pipe, by, why));
    Path { hops }
}

/// How bytes that `sendfile` put into the task's own pipe get out of it.
pub(super) fn out_of_the_pipe(on: &Route) -> (Mover, &'static str) {
    match on.sink {
        SinkKind::Pipe => {
            let why = "before Linux 5.12 a pipe is written as a file is (iter_file_splice_write)";
            (Mover::CpuCopy, why)
        }
        _ => (Mover::Reference, "the socket's queue takes over the page references"),
    }
}

struct Sender {
    log: Vec<RawFd>,
    says_more: bool,
    /// Which lanes' sinks are corked, where corks are used.
    corked: Option<Vec<bool>>,
}

impl Engine for Sender {
    fn step(&mut self, queue: &mut Queue) -> Result<Step, CallError> {
        let Some(job) = queue.next_job() else { return Ok(queue.idle()) };
        self.cork(queue, job, true)?;
        let step = match job.part {
            Part::Header(header) => {
                let job = Job { more: job.more && self.says_more, ..job };
                queue.send_header(job, header)
            }
            Part::Log(piece) => {
                sendfile(queue, job, piece, self.log[piece.segment as usize]).map(|_| Step::Moved)
            }
        }?;
        if queue.head(job.lane).is_none_or(|next| next.fetch != job.fetch) {
            self.cork(queue, job, false)?;
        }
        Ok(step)
    }
}

impl Sender {
    /// Corks or uncorks the lane's sink, unless it is so already.
    fn cork(&mut self, queue: &Queue, job: Job, on: bool) -> Result<(), CallError> {
        let Some(corked) = self.corked.as_mut().map(|lanes| &mut lanes[job.lane]) else {
            return Ok(());
        };
        if *corked != on {
            sys::cork(&queue.calls, job.sink.fd, on)
                .map_err(|errno| queue.error(job.lane, "setsockopt(TCP_CORK)", errno))?;
            *corked = on;
        }
        Ok(())
    }
}

/// Hands the next bytes of a piece to the sink; says how many it took.
pub(super) fn sendfile(
    queue: &mut Queue,
    job: Job,
    piece: Piece,
    log: RawFd,
) -> Result<u64, CallError> {
    let len = piece.len_bytes.min(CALL_BYTES_MAX) as usize;
    match sys::sendfile(&queue.calls, job.sink.fd, log, piece.offset_bytes, len) {
        // There is no error for a file that ends too early, only a count of zero.
        Ok(0) => Err(queue.error(job.lane, "sendfile", Errno::ENODATA)),
        Ok(sent) => {
            queue.advance(job.lane, sent as u64);
            Ok(sent as u64)
        }
        Err(errno) => queue.refuse(job.lane, "sendfile", errno).map(|_| 0),
    }
}
