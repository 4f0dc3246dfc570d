//! How does a ring work whose submissions a kernel thread picks up by itself?
//!
//! With `IORING_SETUP_SQPOLL` a thread of the kernel looks at the submission queue, so that nobody
//! has to call to submit. It falls asleep when it has found nothing for a while and says so by a
//! flag (`IORING_SQ_NEED_WAKEUP`); only then a call is needed, to wake it. Completions are looked
//! for in memory, too, so many times; after that this thread sleeps in the kernel like any other.
//!
//! Source: io_uring_setup(2), `io_sq_thread` in `io_uring/sqpoll.c`.

use super::Ring;
use crate::memory::Slots;
use crate::{Call, Calls, OpenError, sys};
use io_uring::{EnterFlags, IoUring};
use nix::errno::Errno;
use std::time::Duration;

/// A dropped ring gives its thread so many naps of this length to fall asleep.
const NAP: Duration = Duration::from_millis(1);
const NAPS_MAX: u32 = 200;

/// How a polling thread is to work.
pub(crate) struct Polling {
    /// It falls asleep after so long without work.
    pub(crate) idle_ms: u32,
    /// The CPU that it is bound to; without one it has the affinity of whoever made it, since Linux
    /// 6.12, and none before.
    pub(crate) cpu: Option<u32>,
    /// So many looks are taken at the completions before this thread sleeps until they come.
    pub(crate) spins: u32,
}

impl Ring {
    /// A ring with a polling thread.
    pub(crate) fn open_polled(
        entries: usize,
        slots: Slots,
        polling: &Polling,
    ) -> Result<Ring, OpenError> {
        let mut builder = IoUring::builder();
        builder.setup_sqpoll(polling.idle_ms);
        if let Some(cpu) = polling.cpu {
            builder.setup_sqpoll_cpu(cpu);
        }
        // The thread frees the entries of a batch only when it has started all of it, which may be after
        // their completions were taken: there has to be room for the next batch meanwhile.
        Self::build(&mut builder, entries * 2, slots, Some(polling.spins))
    }

    /// As [`enter`](Self::enter): no call at all while the thread is awake and quick enough.
    pub(super) fn enter_polled(
        &mut self,
        calls: &Calls,
        want: usize,
        spins: u32,
    ) -> Result<(), Errno> {
        if self.ring.submission().need_wakeup() {
            self.call(calls, 0, EnterFlags::SQ_WAKEUP)?;
        }
        for _ in 0..spins {
            if self.ring.completion().len() >= want {
                return Ok(());
            }
            std::hint::spin_loop();
        }
        while self.ring.completion().len() < want {
            let wake = match self.ring.submission().need_wakeup() {
                true => EnterFlags::SQ_WAKEUP,
                false => EnterFlags::empty(),
            };
            self.call(calls, want as u32, EnterFlags::GETEVENTS | wake)?;
        }
        Ok(())
    }

    fn call(&self, calls: &Calls, want: u32, flags: EnterFlags) -> Result<(), Errno> {
        calls.count(Call::UringEnter);
        // SAFETY: no argument is passed, and the kernel reads entries whose memory `push` vouches
        // for.
        let entered =
            unsafe { self.ring.submitter().enter::<libc::sigset_t>(0, want, flags.bits(), None) };
        match entered.map_err(sys::errno_of) {
            Ok(_) | Err(Errno::EINTR) => Ok(()),
            Err(errno) => Err(errno),
        }
    }

    /// Waits until the thread, if there is one, sleeps, within a bound, so that it takes no CPU from whoever comes
    /// next. Dropping the ring ends it in any case, but not at once.
    pub(crate) fn let_it_sleep(&mut self) {
        if self.spins.is_none() {
            return;
        }
        for _ in 0..NAPS_MAX {
            if self.ring.submission().need_wakeup() {
                return;
            }
            std::thread::sleep(NAP);
        }
    }
}
