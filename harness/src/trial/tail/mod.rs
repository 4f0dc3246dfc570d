//! How does a log grow while consumers follow its end?
//!
//! What a broker's live consumers read is what has just been appended: pages that a producer has
//! written a moment ago, in the page cache, dirty, and not on any device yet. So a trial makes a
//! private copy of the log that has no name and no bytes, on the log's own file system, and a process
//! of its own appends to it ([`producer`]). A fetch is due when its bytes are in the file
//! ([`follow`]), and its latency counts from that moment. The log itself is only read.
//!
//! * **Offsets stay.** The copy has a file for each segment, and what is appended to one stands where
//!   it stands in the log: pieces, positions within pages and the check of every byte are the log's.
//!   Before its first append a block's file has a hole that nobody asks for.
//! * **The file grows**, as Kafka's segments do, and is not laid out at its full length beforehand, as
//!   RocketMQ's are. Whoever would read ahead of the producer finds the end of the file, which is an
//!   error, and not zeros. A mapping may be longer than its file: pages that come to be are faulted in
//!   one by one as they are read, which is what following costs by a mapping. What has to touch a page
//!   beforehand (`madvise(MADV_POPULATE_READ)`) is refused by the kernel, and is a row that says so.
//! * **Each block begins anew**, with empty files, untimed: its pages are fresh, and all contenders
//!   find the same. No disk has to hold more than what one block writes, and none of it is written
//!   unless a strategy has it written: the files are never closed meanwhile (see `Watched::growing`).
//! * **Dirty pages are not for dropping.** `POSIX_FADV_DONTNEED` begins to write them back and drops
//!   only what the device has by then (`mm/fadvise.c`), and reads with `RWF_DONTCACHE` leave alone what
//!   they did not bring in. A direct read has the kernel write back its range first and wait for that
//!   (`mm/filemap.c`, `kiocb_write_and_wait`), and then reads from the device what was in memory all
//!   the time.

pub mod board;
pub mod follow;
pub mod producer;

use super::alias::{nameless, same_device};
use super::fetches::Block;
use super::limits;
use super::proof::Witness;
use super::sinks::io;
use super::sinks::receiver::Receiver;
use super::wire::demand::Tail as Ask;
use super::wire::{Counted, Spec, Trouble, say};
use crate::cache::PAGE_BYTES;
use board::Board;
use follow::Follow;
use producer::{Go, Load, ProducerSpec};
use serde_json::{Value, json};
use std::fs::File;
use std::os::fd::{AsRawFd, RawFd};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use zclab_report::record::Status;
use zclab_strategies::{Bytes, Piece, Segment};

/// An append is waited for no longer than this, beyond the time from one to the next.
const APPEND: Duration = Duration::from_secs(20);

/// The growing file in error messages.
const GROWING: &str = "the growing copy of the log";

/// Where another process finds a file of this one, for as long as this one has it open.
pub(super) fn elsewhere(file: RawFd) -> PathBuf {
    PathBuf::from(format!("/proc/{}/fd/{file}", std::process::id()))
}

/// A log that grows, and the process that appends to it.
pub struct Tail {
    ask: Ask,
    copies: Vec<Copy>,
    witness: Witness,
    board: Arc<Board>,
    producer: Receiver,
    consumers: u32,
    fetch_bytes: u64,
    block_bytes: u64,
}

/// One growing segment.
struct Copy {
    file: File,
    path: PathBuf,
    /// What it would have in the end.
    len_bytes: u64,
}

impl Tail {
    /// Makes the files and starts the producer.
    ///
    /// # Errors
    /// The call that failed; `refused` where the copy would lie on another file system than the log.
    pub fn open(spec: &Spec, ask: Ask, log: &[Segment]) -> Result<Tail, Trouble> {
        let mut copies = Vec::with_capacity(log.len());
        for segment in log {
            let file = nameless(&spec.beside)?;
            same_device(&file, log).map_err(|trouble| trouble.with_status(Status::Refused))?;
            let path = elsewhere(file.as_raw_fd());
            let copy = Copy { file, path, len_bytes: segment.len.0 };
            copy.set_len(PAGE_BYTES)?;
            copies.push(copy);
        }
        let board = Board::make(spec.fetches).map_err(|e| io("memfd_create", "the board", &e))?;
        let mut producer = Receiver::spawn("append")?;
        let told = ProducerSpec {
            log: spec.segments.iter().map(|(path, _)| path.clone()).collect(),
            copies: copies.iter().map(|copy| copy.path.clone()).collect(),
            board: board.path(),
            fetches_max: spec.fetches,
            cpu: ask.cpu,
            block_ms: limits::block(spec).as_millis() as u64,
        };
        say(&mut producer.orders, &told).map_err(|e| io("write", "the producer's pipe", &e))?;
        producer.next()?;
        let files = copies.iter().map(|copy| (copy.path.as_path(), &copy.file, copy.len_bytes));
        let witness = Witness::of_growing(files)?;
        Ok(Tail {
            ask,
            copies,
            witness,
            board: Arc::new(board),
            producer,
            consumers: spec.consumers,
            fetch_bytes: spec.fetch_bytes,
            block_bytes: 0,
        })
    }

    /// The growing files as the log of a strategy: each as long as it may become.
    ///
    /// # Errors
    /// A file that cannot be opened a second time.
    pub fn segments(&self) -> Result<Vec<Segment>, Trouble> {
        let segment = |copy: &Copy| {
            let file = File::open(&copy.path).map_err(|error| io("open", GROWING, &error))?;
            Ok(Segment { path: copy.path.clone(), file, len: Bytes(copy.len_bytes) })
        };
        self.copies.iter().map(segment).collect()
    }

    /// The files, for programs that have to tell their pages from others. None is ever empty while no
    /// block is under way.
    #[must_use]
    pub fn files(&self) -> Vec<(PathBuf, u64)> {
        self.copies.iter().map(|copy| (copy.path.clone(), PAGE_BYTES)).collect()
    }

    /// What there is to say of the producer.
    #[must_use]
    pub fn setup(&self) -> Option<(String, Value)> {
        self.ask.cpu.map(|cpu| ("producer_cpu".to_owned(), json!(cpu)))
    }

    /// Empties the files and has the producer get ready for a block; what a sender is to follow.
    ///
    /// # Errors
    /// A failed call, a producer that has gone.
    pub fn prepare(&mut self, block: &Block, lanes: usize) -> Result<Follow, Trouble> {
        let pieces = merged(block);
        self.block_bytes = pieces.iter().map(|piece| piece.len_bytes).sum();
        self.board.clear();
        for (id, copy) in self.copies.iter().enumerate() {
            let first = pieces.iter().find(|piece| piece.segment as usize == id);
            copy.set_len(0)?;
            // Only the first piece of a block begins anywhere but at its segment's beginning.
            copy.set_len(first.map_or(PAGE_BYTES, |piece| piece.offset_bytes))?;
        }
        let gap_ns = self.gap_ns();
        let fetches = block.fetches.len() as u32;
        let load = Load {
            pieces: pieces.iter().map(|p| (p.segment, p.offset_bytes, p.len_bytes)).collect(),
            fetch_bytes: self.fetch_bytes,
            fetches,
            consumers: self.consumers,
            gap_ns,
        };
        self.tell(&load)?;
        self.producer.next()?;
        let limit = APPEND + Duration::from_nanos(gap_ns);
        Ok(Follow::new(&self.board, fetches, lanes, limit))
    }

    /// From one append to the next; 0 where it waits for its consumers.
    fn gap_ns(&self) -> u64 {
        let gap = u128::from(self.fetch_bytes) * 1_000_000_000;
        gap.checked_div(u128::from(self.ask.append_rate_bytes)).unwrap_or(0) as u64
    }

    /// From the first append of the last block until its last was due.
    #[must_use]
    pub fn schedule_ns(&self) -> u64 {
        (self.block_bytes / self.fetch_bytes.max(1)).saturating_sub(1) * self.gap_ns()
    }

    /// Lets the producer begin.
    ///
    /// # Errors
    /// A producer that has gone.
    pub fn go(&mut self) -> Result<(), Trouble> {
        self.tell(&Go { go: true })
    }

    fn tell(&mut self, message: &impl serde::Serialize) -> Result<(), Trouble> {
        let orders = &mut self.producer.orders;
        say(orders, message).map_err(|error| io("write", "the producer's pipe", &error))
    }

    /// What appending the block has cost, once all of it was delivered.
    ///
    /// # Errors
    /// A producer that could not go on.
    pub fn appended(&mut self) -> Result<Counted, Trouble> {
        self.producer.next()
    }

    /// The trouble of a slice that did not come to its end, or what the producer says of it.
    pub fn trouble(&mut self, other: Trouble) -> Trouble {
        match self.board.failed() {
            true => self.producer.next().err().unwrap_or(other),
            false => other,
        }
    }

    /// Since when the bytes of a fetch of the last block are in the file.
    #[must_use]
    pub fn since(&self, fetch: u32) -> u64 {
        self.board.since(fetch)
    }

    /// Of the pages of these fetches, how many there are and how many are in memory.
    ///
    /// # Errors
    /// A failed call.
    pub fn resident(&self, fetches: &[Vec<Piece>]) -> Result<(u64, u64), Trouble> {
        self.witness.resident_of(fetches)
    }
}

impl Copy {
    fn set_len(&self, len_bytes: u64) -> Result<(), Trouble> {
        self.file.set_len(len_bytes).map_err(|error| io("ftruncate", GROWING, &error))
    }
}

/// The bytes of a block of fetches that abut, in as few pieces as there are segments.
fn merged(block: &Block) -> Vec<Piece> {
    let mut pieces: Vec<Piece> = Vec::new();
    for &piece in block.fetches.iter().flatten() {
        match pieces.last_mut() {
            Some(last)
                if last.segment == piece.segment
                    && last.offset_bytes + last.len_bytes == piece.offset_bytes =>
            {
                last.len_bytes += piece.len_bytes;
            }
            _ => pieces.push(piece),
        }
    }
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trial::fetches::Planner;
    use crate::trial::fetches::tests::spec;
    use crate::trial::wire::Access;

    #[test]
    fn a_block_becomes_one_piece_for_each_segment() {
        let planner = Planner::new(&spec(Access::Sequential, 3_000, 4)).unwrap();
        let pieces = merged(&planner.block(0, u64::MAX));
        let piece = |segment, offset_bytes, len_bytes| Piece { segment, offset_bytes, len_bytes };
        assert_eq!(pieces, [piece(0, 1_000, 9_000), piece(1, 0, 3_000)]);
    }
}
