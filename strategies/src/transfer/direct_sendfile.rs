//! Can a device fill the very pages that the socket sends?
//!
//! `sendfile` from a descriptor that was opened with `O_DIRECT`: the kernel takes fresh pages, has the
//! device write into them, and hands them to the socket. No page cache and no CPU copy: the device's
//! bytes even when the log is warm. But it reads 64 KiB at a time, the hidden pipe's size, and waits
//! for each: nothing is read ahead. It wins on cold data that nobody will ask for again, where memory
//! traffic is scarcer than the device's time; it loses to `direct-write` with reads in flight wherever
//! the device is slow to answer, and to everything else on warm data.
//!
//! Such reads have to begin and end on the blocks that `statx` names, and `sendfile` cannot leave out
//! bytes of what it reads. So it moves the whole blocks of each piece, and the bytes before and behind
//! them (less than a block each) are read by `pread` into a buffer, with the same descriptor, and sent
//! by `send`: a share of the bytes has a CPU copy, 512 bytes of each fetch where blocks have 512 bytes.
//! The claim says which share. After a short write the rest of a block goes that way, too.
//! `sendfile` knows no `MSG_MORE`, so the bytes behind the last whole block may be a packet of their own.
//!
//! A file system that refuses `O_DIRECT`, or that does not say how to align, is unsupported, as for
//! `direct-write`.
//!
//! Sources: open(2) `O_DIRECT`, statx(2); `copy_splice_read` in `fs/splice.c`, `iomap_dio_rw` in
//! `fs/iomap/direct-io.c`.
//!
//! Timed: all calls. Not timed: opening, the buffer of one block.

use super::direct_write::{alignment, probe, reopen};
use super::sendfile::{out_of_the_pipe, sendfile};
use crate::memory::Slots;
use crate::{
    CallError, Engine, Hop, Job, LaneId, Mover, OpenError, Part, Path, Piece, Place, Queue,
    Residue, Route, Setup, SinkKind, Step, Strategy, sys,
};
use nix::errno::Errno;
use std::fs::File;
use std::ops::Range;
use std::os::fd::AsRawFd;

/// See the module.
pub struct DirectSendfile;

impl Strategy for DirectSendfile {
    fn name(&self) -> &'static str {
        "direct-sendfile"
    }

    fn question(&self) -> &'static str {
        "Can a device fill the very pages that the socket sends?"
    }

    fn path(&self, on: &Route) -> Path {
        let why = "whole blocks: the device fills pages of the task's own pipe";
        let mut blocks = vec![Hop::new(Place::Disk, Place::Pipe, Mover::Device, why)];
        let (by, why) = out_of_the_pipe(on);
        blocks.extend(on.into_sink(Place::Pipe, by, why));
        if on.sink == SinkKind::Pipe && on.sendfile_splices {
            // A pipe as the target takes the place of the task's own, as for `sendfile`.
            blocks.remove(1);
            blocks[0].to = Place::SinkPipe;
        }
        let why = "heads and tails of blocks: an O_DIRECT read of the whole block";
        let mut ends = vec![Hop::new(Place::Disk, Place::UserBuffer, Mover::Device, why)];
        let why = "send copies into the socket's queue";
        ends.extend(on.into_sink(Place::UserBuffer, Mover::CpuCopy, why));
        Path::joined(&[(1.0 - on.outside_blocks, blocks), (on.outside_blocks, ends)])
    }

    fn transforms(&self) -> Result<(), &'static str> {
        Err("needs user space: whole blocks go from the device into the socket, unseen")
    }

    fn open(&self, setup: &Setup) -> Result<Box<dyn Engine>, OpenError> {
        let files = setup.segments.iter().map(reopen).collect::<Result<Vec<_>, _>>()?;
        let aligns = files.iter().map(alignment).collect::<Result<Vec<_>, _>>()?;
        let align = aligns.into_iter().max().unwrap_or(1);
        let mut block = Slots::new(1, align as usize, align as usize)?;
        probe(&files, &mut block, align)?;
        Ok(Box::new(Sender { files, align, block, residue: Residue::default() }))
    }
}

struct Sender {
    files: Vec<File>,
    align: u64,
    /// One block, for heads and tails.
    block: Slots,
    residue: Residue,
}

impl Engine for Sender {
    fn step(&mut self, queue: &mut Queue) -> Result<Step, CallError> {
        let Some(job) = queue.next_job() else { return Ok(queue.idle()) };
        let piece = match job.part {
            Part::Header(header) => return queue.send_header(job, header),
            Part::Log(piece) => piece,
        };
        if piece.offset_bytes % self.align != 0 || piece.len_bytes < self.align {
            return self.send_end(queue, job, piece);
        }
        let whole = Piece { len_bytes: piece.len_bytes / self.align * self.align, ..piece };
        let file = self.files[piece.segment as usize].as_raw_fd();
        sendfile(queue, job, whole, file).map(|_| Step::Moved)
    }
}

impl Sender {
    /// Sends what the piece has of its first block, which is not all of it.
    fn send_end(&mut self, queue: &mut Queue, job: Job, piece: Piece) -> Result<Step, CallError> {
        let filled = match self.residue.find(job.lane, piece) {
            Some(left) => left,
            None => self.fill(queue, job.lane, piece)?,
        };
        let more = job.more || (filled.len() as u64) < piece.len_bytes;
        // SAFETY: this engine has no ring; its only read was over when `pread` returned.
        let bytes = &unsafe { self.block.bytes(0) }[filled];
        match sys::send(&queue.calls, job.sink, bytes, more) {
            Ok(sent) => {
                self.residue.sent(sent);
                queue.advance(job.lane, sent as u64);
            }
            Err(errno) => return queue.refuse(job.lane, "send", errno),
        }
        Ok(Step::Moved)
    }

    fn fill(&mut self, q: &Queue, lane: LaneId, piece: Piece) -> Result<Range<usize>, CallError> {
        const CALL: &str = "pread(O_DIRECT)";
        let skip = piece.offset_bytes % self.align;
        let wanted = (self.align - skip).min(piece.len_bytes);
        let log = self.files[piece.segment as usize].as_raw_fd();
        // SAFETY: this engine has no ring, so nothing is in flight.
        let block = &mut unsafe { self.block.bytes_mut(0) }[..self.align as usize];
        let got = sys::pread(&q.calls, log, block, piece.offset_bytes - skip)
            .map_err(|errno| q.error(lane, CALL, errno))?;
        // The last block of a file is read short, which is right as long as the wanted part is in it.
        let usable = (got as u64).saturating_sub(skip).min(wanted);
        if usable == 0 {
            return Err(q.error(lane, CALL, Errno::ENODATA));
        }
        self.residue.keep(lane, Piece { len_bytes: usable, ..piece }, skip as usize);
        Ok(skip as usize..(skip + usable) as usize)
    }
}
