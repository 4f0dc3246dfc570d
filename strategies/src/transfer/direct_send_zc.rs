//! Can bytes go from device to device with no CPU and no page cache in between?
//!
//! Direct reads fill registered buffers, many in flight (option `depth`), and SEND_ZC gives the
//! socket's queue references to those very pages, all through one io_uring. The disk writes into
//! memory, the network card reads from it, and no CPU touches a byte; nothing is cached, nothing is
//! evicted. It is what `sendfile` would be without the page cache, and without `sendfile`'s wait for
//! each 64 KiB of a cold file.
//!
//! It wins on cold data that goes out once, from fast disks to a fast card: catching-up consumers,
//! tiering, backups. It loses whenever the data is in memory already, or is wanted again soon, or
//! the sends are small. Over loopback the bytes are copied at delivery after all, and the notice
//! says so. A consumer that reads slowly keeps the buffers that it was sent; there are twice as many
//! as reads in flight, and no sink gets more than its share.
//!
//! Offset, length and memory have to be aligned as for `direct-write`: heads and tails are read as
//! whole blocks, of which the wanted part is sent.
//!
//! Sources: open(2) `O_DIRECT`, statx(2), io_uring_enter(2) `IORING_OP_SEND_ZC`; `iomap_dio_rw` in
//! `fs/iomap/direct-io.c`, `io_send_zc` in `io_uring/net.c`.
//!
//! Timed: every `io_uring_enter`, sends of headers, waiting for a notice where no buffer is free.
//! Not timed: opening, the buffers, pinning them, notices that come after the last byte was
//! accepted.

use super::direct_write::ahead::{Ahead, Filled};
use super::direct_write::open_direct;
use crate::transform::KEPT;
use crate::zerocopy;
use crate::{
    CallError, Engine, Hop, Job, Mover, OpenError, OptionKind, OptionSpec, Part, Path, Piece,
    Place, Queue, Route, Setup, Step, Strategy, sys,
};
use io_uring::{opcode, types::Fd};
use nix::errno::Errno;

/// See the module.
pub struct DirectSendZc;

/// Buffers for each read in flight: one to fill while another's pages are with the kernel.
const BUFFERS_EACH: usize = 2;

const OPTIONS: &[OptionSpec] = &[
    OptionSpec {
        name: "depth",
        what: "reads in flight; there are twice as many buffers",
        kind: OptionKind::Number { default: 8, min: 1, max: 256 },
    },
    OptionSpec {
        name: "buffer",
        what: "bytes of each read and send, rounded up to whole blocks",
        kind: OptionKind::Number { default: 256 << 10, min: 1, max: 1 << 29 },
    },
];

impl Strategy for DirectSendZc {
    fn name(&self) -> &'static str {
        "direct-send-zc"
    }

    fn question(&self) -> &'static str {
        "Can bytes go from device to device with no CPU and no page cache in between?"
    }

    fn path(&self, on: &Route) -> Path {
        let why = "an O_DIRECT read passes by the page cache, warm or not";
        let mut hops = vec![Hop::new(Place::Disk, Place::UserBuffer, Mover::Device, why)];
        let why = "SEND_ZC gives the socket's queue references to the buffer's pages";
        hops.extend(on.pinned_into_sink(Place::UserBuffer, why));
        Path { hops }
    }

    fn options(&self) -> &'static [OptionSpec] {
        OPTIONS
    }

    fn transforms(&self) -> Result<(), &'static str> {
        Err(KEPT)
    }

    fn open(&self, setup: &Setup) -> Result<Box<dyn Engine>, OpenError> {
        let depth = setup.options.number("depth").max(1) as usize;
        let (files, blocks, slots) = open_direct(setup, depth * BUFFERS_EACH)?;
        let mut ahead = Ahead::open(files, blocks, depth, slots, setup.sinks.len())?;
        let zc_flags = zerocopy::probe(&mut ahead.ring, setup.sinks)?;
        ahead.register()?;
        ahead.pin(zc_flags);
        let nonblocking = setup.sinks.iter().map(|&sink| sys::is_nonblocking(sink));
        let nonblocking = nonblocking
            .collect::<Result<_, _>>()
            .map_err(|errno| OpenError::failed("fcntl(F_GETFL)", errno))?;
        Ok(Box::new(Sender { ahead, zc_flags, nonblocking }))
    }
}

struct Sender {
    ahead: Ahead,
    zc_flags: u16,
    nonblocking: Vec<bool>,
}

impl Engine for Sender {
    fn step(&mut self, queue: &mut Queue) -> Result<Step, CallError> {
        let Some(job) = queue.next_job() else {
            self.ahead.reap(&queue.calls);
            return Ok(queue.idle());
        };
        let ready = self.ahead.plan(queue, job.lane)?;
        match job.part {
            Part::Header(header) => queue.send_header(job, header),
            Part::Log(_) if !ready => self.wait(queue, job),
            Part::Log(piece) => self.deliver(queue, job, piece),
        }
    }

    fn rest(&mut self, queue: &Queue) {
        self.ahead.take_late_notices(queue);
    }
}

impl Sender {
    fn wait(&mut self, queue: &mut Queue, job: Job) -> Result<Step, CallError> {
        self.ahead.await_notice(queue, job, !self.nonblocking[job.lane])
    }

    /// Sends from the first buffer of the lane's line, once its read is over.
    fn deliver(&mut self, queue: &mut Queue, job: Job, piece: Piece) -> Result<Step, CallError> {
        const CALL: &str = "io_uring SEND_ZC";
        let Some(filled) = self.ahead.first(queue, job, piece)? else { return Ok(Step::Moved) };
        let Filled { slot, skip, usable } = filled;
        if self.ahead.has_to_rest(slot) {
            return self.wait(queue, job);
        }
        // TCP keeps back what more is said to follow, and gives no notice of what it keeps back.
        let more = job.more || (usable as u64) < piece.len_bytes;
        let more = if more && !self.ahead.is_last(job.lane) { libc::MSG_MORE } else { 0 };
        let wait = if self.nonblocking[job.lane] { libc::MSG_DONTWAIT } else { libc::MSG_WAITALL };
        let bytes = self.ahead.ring.slots.pointer(slot).wrapping_add(skip).cast_const();
        let send = opcode::SendZc::new(Fd(job.sink.fd), bytes, usable as u32)
            .buf_index(Some(slot as u16))
            .flags(libc::MSG_NOSIGNAL | wait | more)
            .zc_flags(self.zc_flags)
            .build();
        match self.ahead.send(queue, job.lane, slot, send)? {
            sent @ 0.. => {
                let sent = sent as usize;
                if sent < usable {
                    queue.calls.short_write();
                }
                queue.advance(job.lane, sent as u64);
                self.ahead.sent(job.lane, slot, sent, sent == usable);
                Ok(Step::Moved)
            }
            failed => match Errno::from_raw(-failed) {
                Errno::EINTR => Ok(Step::Moved),
                errno => queue.refuse(job.lane, CALL, errno),
            },
        }
    }
}
