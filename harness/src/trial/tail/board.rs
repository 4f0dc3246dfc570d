//! What do a producer and a sender know of each other while the clock runs?
//!
//! A page or a few of memory that both have mapped: how many fetches' bytes are in the file, since
//! when each of them is, and how many deliveries were accepted. Looking costs the sender a load, no
//! call; only one that has nothing to do sleeps, by futex(2) on the number of appends, and is woken by
//! the producer. The memory is a memfd, so that it goes with the two processes.

use memmap2::{MmapOptions, MmapRaw};
use nix::errno::Errno;
use nix::sys::memfd::{MFdFlags, memfd_create};
use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

/// Bytes of one word of the board.
const WORD_BYTES: usize = 8;

/// The words before the moments: appends, deliveries.
const HEAD_WORDS: usize = 2;

/// In place of the number of appends: the producer could not go on.
const FAILED: u32 = u32::MAX;

/// Memory that a producer and a sender share.
#[derive(Debug)]
pub struct Board {
    file: File,
    map: MmapRaw,
    fetches_max: u32,
}

impl Board {
    /// A board for slices of at most so many fetches.
    ///
    /// # Errors
    /// The call that failed says why.
    pub fn make(fetches_max: u32) -> io::Result<Board> {
        let file = File::from(memfd_create(c"zclab-board", MFdFlags::MFD_CLOEXEC)?);
        file.set_len(((HEAD_WORDS + fetches_max as usize) * WORD_BYTES) as u64)?;
        Board::of(file, fetches_max)
    }

    /// The same board in another process.
    ///
    /// # Errors
    /// The call that failed says why.
    pub fn join(path: &Path, fetches_max: u32) -> io::Result<Board> {
        Board::of(File::options().read(true).write(true).open(path)?, fetches_max)
    }

    fn of(file: File, fetches_max: u32) -> io::Result<Board> {
        let map = MmapOptions::new().map_raw(&file)?;
        if map.len() < (HEAD_WORDS + fetches_max as usize) * WORD_BYTES {
            return Err(io::Error::from(io::ErrorKind::UnexpectedEof));
        }
        Ok(Board { file, map, fetches_max })
    }

    /// Where another process finds it, for as long as this one keeps it.
    #[must_use]
    pub fn path(&self) -> PathBuf {
        super::elsewhere(self.file.as_raw_fd())
    }

    /// Nothing was appended yet, and nothing delivered.
    pub fn clear(&self) {
        self.appends().store(0, Ordering::Release);
        self.word(1).store(0, Ordering::Release);
    }

    /// How many fetches' bytes are in the file; what was written before is seen by now.
    #[inline]
    #[must_use]
    pub fn appended(&self) -> u32 {
        match self.appends().load(Ordering::Acquire) {
            FAILED => 0,
            count => count,
        }
    }

    /// Whether the producer gave up.
    #[must_use]
    pub fn failed(&self) -> bool {
        self.appends().load(Ordering::Acquire) == FAILED
    }

    /// The bytes of this fetch, the next one, are in the file since then.
    pub fn append(&self, fetch: u32, at_ns: u64) {
        self.moment(fetch).store(at_ns, Ordering::Relaxed);
        self.appends().store(fetch + 1, Ordering::Release);
        self.wake();
    }

    /// Nothing more will be appended.
    pub fn fail(&self) {
        self.appends().store(FAILED, Ordering::Release);
        self.wake();
    }

    /// Since when the bytes of a fetch are in the file.
    #[must_use]
    pub fn since(&self, fetch: u32) -> u64 {
        self.moment(fetch).load(Ordering::Relaxed)
    }

    /// So many more deliveries were accepted by their sinks.
    #[inline]
    pub fn deliver(&self, count: u64) {
        self.word(1).fetch_add(count, Ordering::Release);
    }

    /// How many were.
    #[must_use]
    pub fn delivered(&self) -> u64 {
        self.word(1).load(Ordering::Acquire)
    }

    /// Sleeps until more than these are appended; comes back early at will.
    ///
    /// # Errors
    /// `ETIMEDOUT` when nothing came in time.
    pub fn wait(&self, seen: u32, limit: Duration) -> Result<(), Errno> {
        let limit = libc::timespec {
            tv_sec: limit.as_secs() as libc::time_t,
            tv_nsec: libc::c_long::from(limit.subsec_nanos()),
        };
        let (call, appends, how) = (libc::SYS_futex, self.appends().as_ptr(), libc::FUTEX_WAIT);
        // SAFETY: the number lies in the mapping, which `self` owns for longer than the call, and the
        // kernel only reads it; `limit` lives on this stack frame.
        let answer = unsafe { libc::syscall(call, appends, how, seen, &raw const limit) };
        match Errno::result(answer) {
            // It was another number already, or a signal came: the caller looks again.
            Ok(_) | Err(Errno::EAGAIN | Errno::EINTR) => Ok(()),
            Err(errno) => Err(errno),
        }
    }

    fn wake(&self) {
        let (call, appends) = (libc::SYS_futex, self.appends().as_ptr());
        let (how, all) = (libc::FUTEX_WAKE, libc::c_int::MAX);
        // SAFETY: the call reads nothing of this process: the address only names a queue of waiters.
        unsafe { libc::syscall(call, appends, how, all) };
    }

    fn moment(&self, fetch: u32) -> &AtomicU64 {
        assert!(fetch < self.fetches_max, "a slice has no more fetches than its board");
        self.word(HEAD_WORDS + fetch as usize)
    }

    /// The first half of the first word: a futex has 32 bits.
    #[inline]
    fn appends(&self) -> &AtomicU32 {
        // SAFETY: the mapping is page-aligned, longer than a word, and lives as long as `self`; both
        // processes touch these bytes by atomic operations of 32 bits only.
        unsafe { AtomicU32::from_ptr(self.map.as_mut_ptr().cast()) }
    }

    #[inline]
    fn word(&self, index: usize) -> &AtomicU64 {
        debug_assert!((1..self.map.len() / WORD_BYTES).contains(&index), "inside of the board");
        let word = self.map.as_mut_ptr().wrapping_add(index * WORD_BYTES);
        // SAFETY: `of` checked that the mapping has so many words, it is page-aligned and lives as
        // long as `self`; both processes touch these bytes by atomic operations of 64 bits only.
        unsafe { AtomicU64::from_ptr(word.cast()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_one_side_notes_the_other_side_sees() {
        let ours = Board::make(3).unwrap();
        let theirs = Board::join(&ours.path(), 3).unwrap();
        ours.clear();
        let (first, second) = (1_000_000_007, 1_000_000_009);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                theirs.append(0, first);
                while theirs.delivered() < 2 {
                    std::thread::yield_now();
                }
                theirs.append(1, second);
            });
            let mut seen = 0;
            while seen < 2 {
                ours.wait(seen, Duration::from_secs(60)).unwrap();
                if ours.appended() > seen {
                    seen = ours.appended();
                    ours.deliver(2);
                }
            }
        });
        assert_eq!((ours.since(0), ours.since(1)), (first, second));
        assert_eq!(ours.delivered(), 4);
        ours.clear();
        assert_eq!((theirs.appended(), theirs.delivered()), (0, 0));
    }

    #[test]
    fn a_producer_that_gives_up_wakes_and_appends_nothing() {
        let board = Board::make(1).unwrap();
        assert_eq!(board.wait(0, Duration::from_millis(1)), Err(Errno::ETIMEDOUT));
        board.fail();
        assert_eq!(board.wait(0, Duration::from_secs(60)), Ok(()));
        assert!(board.failed());
        assert_eq!(board.appended(), 0);
        board.clear();
        assert!(!board.failed());
    }
}
