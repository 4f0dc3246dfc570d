//! How are operations handed to the kernel in batches, and how does their memory outlive them?
//!
//! A [`Ring`] is an io_uring together with the memory that its operations read and write: its
//! [`Slots`], and mappings of files. Both are dropped together and only when the kernel has let go:
//! operations still in flight are cancelled and waited for, within a bound; if the kernel keeps
//! them nevertheless, the memory is leaked rather than freed under it. Each entry of the kernel is
//! counted.
//!
//! A send of the caller's own pages (`SEND_ZC`) completes twice. With the first completion the
//! kernel is done with our addresses; from then on it holds the pages themselves, so that memory
//! may be unmapped but not written to until the second one, the notice.

mod due;
mod polled;

pub(crate) use due::Due;
pub(crate) use polled::Polling;

use crate::memory::Slots;
use crate::zerocopy;
use crate::{Call, Calls, OpenError, sys};
use io_uring::types::{CancelBuilder, SubmitArgs, Timespec};
use io_uring::{IoUring, cqueue, squeue};
use memmap2::Mmap;
use nix::errno::Errno;
use std::mem::ManuallyDrop;
use std::os::fd::RawFd;
use std::time::Duration;

/// How long a dropped ring waits for the next of the operations that it has cancelled.
const CANCEL_WAIT: Duration = Duration::from_millis(500);

/// How many waits may bring nothing (each may be cut short by a signal) before it gives up.
const FRUITLESS_MAX: usize = 4;

const SETUP_HINT: &str =
    "see /proc/sys/kernel/io_uring_disabled, and the seccomp profile of a container";

/// A submission queue, its completions, and the memory of the operations in between.
pub(crate) struct Ring {
    ring: ManuallyDrop<IoUring>,
    /// The buffers of all operations.
    pub(crate) slots: ManuallyDrop<Slots>,
    /// Mapped files that operations read from.
    pub(crate) maps: ManuallyDrop<Vec<Mmap>>,
    /// Operations that may still use our addresses.
    in_flight: usize,
    /// Looks at the completions before sleeping; only with a polling thread.
    spins: Option<u32>,
}

/// What the kernel says of an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Completion {
    /// The operation's number.
    pub(crate) id: u64,
    /// Its result.
    pub(crate) result: i32,
    flags: u32,
}

impl Completion {
    /// Another completion of the same operation follows: its notice.
    pub(crate) fn announces_notice(self) -> bool {
        cqueue::more(self.flags)
    }

    /// This is no result but the notice that the operation's pages are free again.
    pub(crate) fn is_notice(self) -> bool {
        cqueue::notif(self.flags)
    }

    /// Whether a notice says that the bytes were copied.
    pub(crate) fn says_copied(self) -> bool {
        zerocopy::copied(self.flags, self.result) == Some(true)
    }
}

impl Ring {
    /// A ring for at most `entries` operations in flight.
    pub(crate) fn open(entries: usize, slots: Slots) -> Result<Ring, OpenError> {
        Self::build(&mut IoUring::builder(), entries, slots, None)
    }

    fn build(
        builder: &mut io_uring::Builder,
        entries: usize,
        slots: Slots,
        spins: Option<u32>,
    ) -> Result<Ring, OpenError> {
        let size = entries.next_power_of_two() as u32;
        let ring = builder.build(size).map_err(|error| OpenError::Unsupported {
            call: "io_uring_setup",
            errno: sys::errno_of(error),
            hint: SETUP_HINT,
        })?;
        Ok(Ring {
            ring: ManuallyDrop::new(ring),
            slots: ManuallyDrop::new(slots),
            maps: ManuallyDrop::default(),
            in_flight: 0,
            spins,
        })
    }

    /// Pins every slot for the ring's life, as the fixed buffer of the slot's number.
    pub(crate) fn register_slots(&mut self) -> Result<(), OpenError> {
        let buffers: Vec<libc::iovec> = (0..self.slots.count())
            .map(|slot| libc::iovec {
                iov_base: self.slots.pointer(slot).cast(),
                iov_len: self.slots.len(),
            })
            .collect();
        // SAFETY: each range is a slot, which lives until the ring is gone, or is leaked with it.
        let registered = unsafe { self.ring.submitter().register_buffers(&buffers) };
        registered.map_err(|error| OpenError::Unsupported {
            call: "io_uring_register(BUFFERS)",
            errno: sys::errno_of(error),
            hint: "fixed buffers count against RLIMIT_MEMLOCK, and none may exceed 1 GiB",
        })
    }

    /// Looks these files up once: operations then name them by their places in this list.
    pub(crate) fn register_files(&mut self, files: &[RawFd]) -> Result<(), OpenError> {
        self.ring.submitter().register_files(files).map_err(|error| OpenError::Unsupported {
            call: "io_uring_register(FILES)",
            errno: sys::errno_of(error),
            hint: "fixed files count against RLIMIT_NOFILE",
        })
    }

    /// Queues operations for the next [`enter`](Self::enter), all at once: a polling thread that
    /// came between two of them would tear a chain apart.
    ///
    /// # Safety
    /// The operations may touch no other memory than this ring's own slots and mappings, and none
    /// that is borrowed before their completions were taken.
    pub(crate) unsafe fn push(&mut self, entries: &[squeue::Entry]) -> Result<(), Errno> {
        let mut queue = self.ring.submission();
        // SAFETY: the caller vouches for the memory; slots and mappings live until the operations
        // are over, because dropping the ring waits for them or leaks the memory.
        unsafe { queue.push_multiple(entries) }.map_err(|_| Errno::ENOBUFS)?;
        self.in_flight += entries.len();
        Ok(())
    }

    /// Submits what is queued and waits until `want` completions can be taken.
    pub(crate) fn enter(&mut self, calls: &Calls, want: usize) -> Result<(), Errno> {
        if let Some(spins) = self.spins {
            return self.enter_polled(calls, want, spins);
        }
        while !self.ring.submission().is_empty() || self.ring.completion().len() < want {
            calls.count(Call::UringEnter);
            match self.ring.submit_and_wait(want) {
                Ok(_) => {}
                Err(error) if error.raw_os_error() == Some(libc::EINTR) => {}
                Err(error) => return Err(sys::errno_of(error)),
            }
        }
        Ok(())
    }

    /// Waits for a completion, but no longer than this: whether there is one.
    pub(crate) fn wait(&mut self, calls: &Calls, limit: Duration) -> Result<bool, Errno> {
        let limit = Timespec::from(limit);
        let args = SubmitArgs::new().timespec(&limit);
        while self.ring.completion().is_empty() {
            calls.count(Call::UringEnter);
            match self.ring.submitter().submit_with_args(1, &args) {
                Ok(_) => {}
                Err(error) => match sys::errno_of(error) {
                    Errno::EINTR => {}
                    Errno::ETIME => return Ok(!self.ring.completion().is_empty()),
                    errno => return Err(errno),
                },
            }
        }
        Ok(true)
    }

    /// The next completion, if one has arrived.
    pub(crate) fn completion(&mut self) -> Option<Completion> {
        let entry = self.ring.completion().next()?;
        let (id, result, flags) = (entry.user_data(), entry.result(), entry.flags());
        let completion = Completion { id, result, flags };
        if !completion.is_notice() {
            self.in_flight -= 1;
        }
        Some(completion)
    }

    /// Operations queued or submitted whose results have not been taken.
    pub(crate) fn in_flight(&self) -> usize {
        self.in_flight
    }

    /// Makes one operation that touches no memory and says what came of it: whether the kernel
    /// knows it, asked when an engine is opened. A notice that it announces is waited for, too.
    pub(crate) fn try_one(&mut self, entry: &squeue::Entry) -> Result<i32, Errno> {
        let untimed = Calls::default();
        // SAFETY: the caller's operation has no bytes to read or write.
        unsafe { self.push(std::slice::from_ref(entry)) }?;
        self.enter(&untimed, 1)?;
        let Some(first) = self.completion() else { return Err(Errno::EIO) };
        if first.announces_notice() {
            self.enter(&untimed, 1)?;
            self.completion();
        }
        Ok(first.result)
    }

    /// Cancels everything and waits for it, within a bound. Not counted: no slice is running.
    fn cancel(&mut self) {
        let wait = Timespec::from(CANCEL_WAIT);
        // Before Linux 6.0 there is no such call; waiting alone has to do then.
        let _ = self.ring.submitter().register_sync_cancel(Some(wait), CancelBuilder::any());
        let mut fruitless = 0;
        while self.in_flight > 0 && fruitless < FRUITLESS_MAX {
            let args = SubmitArgs::new().timespec(&wait);
            let _ = self.ring.submitter().submit_with_args(1, &args);
            fruitless += 1;
            while self.completion().is_some() {
                fruitless = 0;
            }
        }
    }
}

impl Drop for Ring {
    fn drop(&mut self) {
        if self.in_flight > 0 {
            self.cancel();
        }
        self.let_it_sleep();
        // SAFETY: nothing uses the ring after this, and it is dropped once. The kernel keeps what
        // of it operations need.
        unsafe { ManuallyDrop::drop(&mut self.ring) };
        if self.in_flight > 0 {
            return;
        }
        // SAFETY: no operation is in flight, so the kernel holds no address in the slots.
        unsafe { ManuallyDrop::drop(&mut self.slots) };
        // SAFETY: nor in the mappings.
        unsafe { ManuallyDrop::drop(&mut self.maps) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use io_uring::{opcode, types::Fd};
    use std::os::fd::AsRawFd;
    use std::time::Instant;

    /// A read that would never end by itself: the pipe stays open and empty.
    #[test]
    fn a_ring_dropped_with_an_operation_in_flight_cancels_it() {
        let (out, _into) = nix::unistd::pipe().unwrap();
        let mut ring = match Ring::open(2, Slots::new(1, 64, 1).unwrap()) {
            Ok(ring) => ring,
            Err(error) => return eprintln!("SKIPPED: ring: {error}"),
        };
        let read = opcode::Read::new(Fd(out.as_raw_fd()), ring.slots.pointer(0), 64).build();
        // SAFETY: the read fills the ring's own slot, which nobody borrows.
        unsafe { ring.push(&[read]) }.unwrap();
        ring.enter(&Calls::default(), 0).unwrap();
        assert_eq!((ring.in_flight(), ring.completion()), (1, None));
        assert_eq!(ring.wait(&Calls::default(), Duration::from_millis(1)), Ok(false));
        let started = Instant::now();
        ring.cancel();
        assert_eq!(ring.in_flight(), 0);
        assert!(started.elapsed() < CANCEL_WAIT * 2);
    }
}
