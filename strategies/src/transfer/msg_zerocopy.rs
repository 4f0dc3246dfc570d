//! Can an ordinary send hand over our own pages, and what does getting them back cost?
//!
//! `send` with MSG_ZEROCOPY pins the pages that it is given and puts references to them into the
//! socket's queue. They stay the kernel's until it says otherwise, in the socket's error queue: a
//! `recvmsg` more for every few sends. With `source = "mapped"` the pages are the log's own, mapped:
//! on a device that gathers, no CPU copies a byte. With `buffer` they are ours, filled by `pread`:
//! one copy, and the buffer cannot be filled again before its notification.
//!
//! It wins over a plain send where a copy costs more than pinning, notifying and reaping: above ten
//! KiB or so for each send, on a real device. It loses below that, and over loopback it loses
//! always: pages that the sender may still change are copied when the packet is delivered
//! (the notification says so: SO_EE_CODE_ZEROCOPY_COPIED), and all the upkeep comes on top. A
//! consumer that reads slowly keeps the buffers that it was sent.
//!
//! A socket's sends are numbered, and the kernel merges what it has to say of neighbours, so one
//! notification may release many (`notices`). The numbers go on when an engine ends; so it waits for
//! what is due before it goes. ENOBUFS says that too much is pinned or due (RLIMIT_MEMLOCK,
//! net.core.optmem_max): then it reaps, waits within a bound, and sends again, the same way. TCP and
//! UDP know the option; others refuse it when the engine is opened. A file that shrinks under the
//! mapping is answered by EFAULT, and inside its last page by zeros.
//!
//! Sources: send(2), recv(2), `Documentation/networking/msg_zerocopy.rst`;
//! `msg_zerocopy_realloc` in `net/core/skbuff.c`, `skb_orphan_frags_rx` in
//! `include/linux/skbuff.h`.
//!
//! Timed: sends, `pread`, reaping, waiting for a buffer. Not timed: the mappings or buffers,
//! SO_ZEROCOPY, notifications that come after the last byte was accepted.

mod buffers;
mod notices;

use super::mmap_write::map_log;
use crate::memory::Slots;
use crate::zerocopy;
use crate::{
    CallError, Calls, Engine, Hop, Job, LaneId, Mover, OpenError, OptionKind, OptionSpec, Options,
    Part, Path, Piece, Place, Queue, Route, Setup, Step, Strategy, sys,
};
use buffers::Buffers;
use memmap2::Mmap;
use nix::errno::Errno;
use notices::{Notices, Waited};
use std::os::fd::{AsRawFd, RawFd};

/// See the module.
pub struct MsgZerocopy;

const OPTIONS: &[OptionSpec] = &[
    OptionSpec {
        name: "source",
        what: "whose pages are sent: the mapped log's, or a buffer's that pread fills",
        kind: OptionKind::Choice { default: "mapped", of: &["mapped", "buffer"] },
    },
    OptionSpec {
        name: "buffer",
        what: "bytes of one send, and of each buffer",
        kind: OptionKind::Number { default: 1 << 20, min: 1, max: 1 << 30 },
    },
    OptionSpec {
        name: "buffers",
        what: "how many buffers there are, with source = buffer",
        kind: OptionKind::Number { default: 8, min: 1, max: 256 },
    },
];

impl Strategy for MsgZerocopy {
    fn name(&self) -> &'static str {
        "msg-zerocopy"
    }

    fn question(&self) -> &'static str {
        "Can an ordinary send hand over our own pages, and what does getting them back cost?"
    }

    fn path(&self, on: &Route) -> Path {
        let mut hops = on.fill();
        let why = "MSG_ZEROCOPY pins the mapped pages: the socket's queue refers to them";
        hops.extend(on.pinned_into_sink(Place::PageCache, why));
        Path { hops }
    }

    fn path_with(&self, on: &Route, options: &Options) -> Path {
        if options.word("source") != "buffer" {
            return self.path(on);
        }
        let mut hops = on.fill();
        let why = "pread copies out of the page cache";
        hops.push(Hop::new(Place::PageCache, Place::UserBuffer, Mover::CpuCopy, why));
        let why = "MSG_ZEROCOPY pins the buffer's pages: the socket's queue refers to them";
        hops.extend(on.pinned_into_sink(Place::UserBuffer, why));
        Path { hops }
    }

    fn options(&self) -> &'static [OptionSpec] {
        OPTIONS
    }

    fn open(&self, setup: &Setup) -> Result<Box<dyn Engine>, OpenError> {
        setup.sinks.iter().try_for_each(|&sink| zerocopy::allow(sink))?;
        let send_bytes = setup.fetch_bytes_max.0.min(setup.options.number("buffer")).max(1);
        let source = if setup.options.word("source") == "buffer" {
            let count = setup.options.number("buffers").max(1) as usize;
            let slots = Slots::new(count, send_bytes as usize, 1)?;
            let log = setup.segments.iter().map(|segment| segment.file.as_raw_fd()).collect();
            Source::Buffers { log, buffers: Buffers::new(slots, setup.sinks.len()) }
        } else {
            Source::Mapped(map_log(setup, None)?)
        };
        Ok(Box::new(Sender { source, send_bytes, notices: Notices::open(setup)? }))
    }
}

enum Source {
    Mapped(Vec<Mmap>),
    Buffers { log: Vec<RawFd>, buffers: Buffers },
}

struct Sender {
    source: Source,
    send_bytes: u64,
    notices: Notices,
}

/// What is to be sent next, or that a buffer has to be waited for.
enum Ready {
    Bytes { pointer: *const u8, len: u64, last_buffer: bool },
    NoBuffer,
}

impl Engine for Sender {
    fn step(&mut self, queue: &mut Queue) -> Result<Step, CallError> {
        let Some(job) = queue.next_job() else { return Ok(queue.idle()) };
        let piece = match job.part {
            Part::Header(header) => return queue.send_header(job, header),
            Part::Log(piece) => piece,
        };
        if self.notices.are_due(job.lane) {
            self.reap(queue, job.lane)?;
        }
        match self.ready(queue, job.lane, piece)? {
            Ready::NoBuffer => self.wait(queue, job),
            Ready::Bytes { pointer, len, last_buffer } => {
                // TCP keeps back what more is said to follow, and gives no notice of it.
                let more = (job.more || len < piece.len_bytes) && !last_buffer;
                // SAFETY: the range lies in a mapping or buffer that this engine owns; a buffer is
                // filled again only after its notification.
                let sent =
                    unsafe { zerocopy::send(&queue.calls, job.sink, pointer, len as usize, more) };
                self.sent(queue, job, sent)
            }
        }
    }

    fn rest(&mut self, queue: &Queue) {
        let untimed = Calls::default();
        self.take_late_notices(&untimed);
        queue.calls.add_answers(&untimed);
    }
}

impl Sender {
    fn ready(&mut self, queue: &Queue, lane: LaneId, piece: Piece) -> Result<Ready, CallError> {
        match &mut self.source {
            Source::Mapped(maps) => {
                let map = &maps[piece.segment as usize];
                let mapped = (map.len() as u64).saturating_sub(piece.offset_bytes);
                let len = mapped.min(piece.len_bytes).min(self.send_bytes);
                if len == 0 {
                    return Err(queue.error(lane, "send(MSG_ZEROCOPY)", Errno::ENODATA));
                }
                let pointer = map.as_ptr().wrapping_add(piece.offset_bytes as usize);
                Ok(Ready::Bytes { pointer, len, last_buffer: false })
            }
            Source::Buffers { log, buffers } => {
                let Some(id) = buffers.with(lane, piece) else { return Ok(Ready::NoBuffer) };
                if buffers.held(lane).is_none() {
                    let file = log[piece.segment as usize];
                    // SAFETY: the buffer is free: every send of it was released.
                    let room = unsafe { buffers.slots.bytes_mut(id) };
                    let want = room.len().min(piece.len_bytes as usize);
                    let got = sys::pread(&queue.calls, file, &mut room[..want], piece.offset_bytes)
                        .map_err(|errno| queue.error(lane, "pread", errno));
                    buffers.filled(id, lane, Piece { len_bytes: got? as u64, ..piece });
                }
                match buffers.held(lane) {
                    Some((pointer, len)) if len > 0 => {
                        let last_buffer = buffers.is_last(lane);
                        Ok(Ready::Bytes { pointer, len, last_buffer })
                    }
                    _ => Err(queue.error(lane, "pread", Errno::ENODATA)),
                }
            }
        }
    }

    fn sent(
        &mut self,
        queue: &mut Queue,
        job: Job,
        sent: Result<usize, Errno>,
    ) -> Result<Step, CallError> {
        const CALL: &str = "send(MSG_ZEROCOPY)";
        match sent {
            Ok(bytes) => {
                let number = self.notices.sent(job.lane);
                if let Source::Buffers { buffers, .. } = &mut self.source {
                    buffers.sent(job.lane, number, bytes as u64);
                }
                queue.advance(job.lane, bytes as u64);
                Ok(Step::Moved)
            }
            Err(Errno::ENOBUFS) if self.notices.due(job.lane) > 0 => self.wait(queue, job),
            Err(errno) => {
                if errno == Errno::EAGAIN && self.notices.due(job.lane) > 0 {
                    // A notification would wake whoever waits for room.
                    self.reap(queue, job.lane)?;
                }
                queue.refuse(job.lane, CALL, errno)
            }
        }
    }

    /// Takes the notifications of a lane that have come.
    fn reap(&mut self, queue: &Queue, lane: LaneId) -> Result<bool, CallError> {
        let reaped = self.released(&queue.calls, lane);
        reaped.map_err(|errno| queue.error(lane, "recvmsg(MSG_ERRQUEUE)", errno))
    }

    fn released(&mut self, calls: &Calls, lane: LaneId) -> Result<bool, Errno> {
        let (notices, source) = (&mut self.notices, &mut self.source);
        notices.reap(calls, lane, |released| {
            if let Source::Buffers { buffers, .. } = source {
                buffers.released(lane, released);
            }
        })
    }

    /// Waits for everything that is due, until something does not come.
    fn take_late_notices(&mut self, untimed: &Calls) {
        while let Some(lane) = self.notices.first_due() {
            let come = self.released(untimed, lane).and_then(|any| {
                let waited = any || self.notices.comes(untimed, lane)?;
                Ok(any || (waited && self.released(untimed, lane)?))
            });
            if come != Ok(true) {
                return;
            }
        }
    }

    /// Nothing can be sent before something is released, if need be on another lane. A sink that
    /// must not block is waited for hardly at all: its lane counts as full.
    fn wait(&mut self, queue: &mut Queue, job: Job) -> Result<Step, CallError> {
        for lane in 0..self.notices.lanes() {
            if self.notices.due(lane) > 0 && self.reap(queue, lane)? {
                return Ok(Step::Moved);
            }
        }
        match self.notices.wait(&queue.calls, job.lane) {
            Ok(Waited::Something) => {}
            Ok(Waited::Nothing) => queue.block(job.lane),
            Err(errno) => return Err(queue.error(job.lane, "poll(POLLERR)", errno)),
        }
        Ok(Step::Moved)
    }
}

impl Drop for Sender {
    /// The next engine on these sockets would take notifications that come late for its own.
    fn drop(&mut self) {
        self.take_late_notices(&Calls::default());
    }
}
