//! How are operations handed to the kernel in batches, and how does their memory outlive them?
//!
//! A [`Ring`] is an io_uring together with the [`Slots`] that its operations read and write. Both
//! are dropped together and only when the kernel has let go: operations still in flight are
//! cancelled and waited for, within a bound; if the kernel keeps them nevertheless, ring and memory
//! are leaked rather than freed under it. Each entry of the kernel is counted.

use crate::memory::Slots;
use crate::{Call, Calls, OpenError, sys};
use io_uring::types::{CancelBuilder, SubmitArgs, Timespec};
use io_uring::{IoUring, squeue};
use nix::errno::Errno;
use std::mem::ManuallyDrop;
use std::time::Duration;

/// How long a dropped ring waits for the next of the operations that it has cancelled.
const CANCEL_WAIT: Duration = Duration::from_millis(500);

/// How many waits may bring nothing (each may be cut short by a signal) before it gives up.
const FRUITLESS_MAX: usize = 4;

/// A submission queue, its completions, and the memory of the operations in between.
pub(crate) struct Ring {
    ring: ManuallyDrop<IoUring>,
    /// The buffers of all operations.
    pub(crate) slots: ManuallyDrop<Slots>,
    in_flight: usize,
}

impl Ring {
    /// A ring for at most `entries` operations in flight.
    pub(crate) fn open(entries: usize, slots: Slots) -> Result<Ring, OpenError> {
        let size = entries.next_power_of_two() as u32;
        let ring = IoUring::new(size).map_err(|error| OpenError::Unsupported {
            call: "io_uring_setup",
            errno: sys::errno_of(error),
            hint: "see /proc/sys/kernel/io_uring_disabled, and the seccomp profile of a container",
        })?;
        Ok(Ring { ring: ManuallyDrop::new(ring), slots: ManuallyDrop::new(slots), in_flight: 0 })
    }

    /// Queues an operation for the next [`enter`](Self::enter).
    ///
    /// # Safety
    /// The operation may touch no other memory than this ring's own slots, and none that is
    /// borrowed before its completion was taken.
    pub(crate) unsafe fn push(&mut self, entry: &squeue::Entry) -> Result<(), Errno> {
        let mut queue = self.ring.submission();
        // SAFETY: the caller vouches for the memory; the slots live until the operation is over,
        // because dropping the ring waits for it or leaks them.
        unsafe { queue.push(entry) }.map_err(|_| Errno::ENOBUFS)?;
        self.in_flight += 1;
        Ok(())
    }

    /// Submits what is queued and waits until `want` completions can be taken.
    pub(crate) fn enter(&mut self, calls: &Calls, want: usize) -> Result<(), Errno> {
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

    /// The next completion, if one has arrived: the operation's number and its result.
    pub(crate) fn completion(&mut self) -> Option<(u64, i32)> {
        let entry = self.ring.completion().next()?;
        self.in_flight -= 1;
        Some((entry.user_data(), entry.result()))
    }

    /// Operations queued or submitted whose completions have not been taken.
    pub(crate) fn in_flight(&self) -> usize {
        self.in_flight
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
        if self.in_flight > 0 {
            return;
        }
        // SAFETY: nothing uses the ring after this, and it is dropped once.
        unsafe { ManuallyDrop::drop(&mut self.ring) };
        // SAFETY: no operation is in flight, so the kernel holds no address in the slots.
        unsafe { ManuallyDrop::drop(&mut self.slots) };
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
        unsafe { ring.push(&read) }.unwrap();
        ring.enter(&Calls::default(), 0).unwrap();
        assert_eq!((ring.in_flight(), ring.completion()), (1, None));
        let started = Instant::now();
        ring.cancel();
        assert_eq!(ring.in_flight(), 0);
        assert!(started.elapsed() < CANCEL_WAIT * 2);
    }
}
