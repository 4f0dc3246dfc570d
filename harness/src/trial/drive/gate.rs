//! How do many threads start at one moment, and how does one learn that the last has ended?
//!
//! A number that waiters watch by futex(2): one call lets all of them go, and only the last to come
//! wakes whoever counts them. The library's own locks would have each thread queue for a mutex behind
//! the door. These calls are the lab's, like its readings of the clock: they are not counted among
//! the calls of the data path.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// A number that can be waited for.
#[derive(Debug, Default)]
pub struct Gate(AtomicU32);

impl Gate {
    /// The number now.
    pub fn number(&self) -> u32 {
        self.0.load(Ordering::Acquire)
    }

    /// Sets the number, and wakes nobody: those who will wait for another one are not there yet.
    pub fn set(&self, number: u32) {
        self.0.store(number, Ordering::Release);
    }

    /// Opens the gate for all who wait while the number is the one that it was.
    pub fn open(&self) {
        self.0.fetch_add(1, Ordering::AcqRel);
        self.wake(libc::c_int::MAX);
    }

    /// Counts down, and wakes the one who waits for 0.
    pub fn arrive(&self) {
        if self.0.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.wake(1);
        }
    }

    /// Waits until the number is 0; whether it was in time.
    pub fn wait_for_zero(&self, limit: Duration) -> bool {
        self.wait_until(|number| number == 0, limit)
    }

    /// Waits until the number is another one; whether it was in time.
    pub fn wait_while(&self, number: u32, limit: Duration) -> bool {
        self.wait_until(|other| other != number, limit)
    }

    fn wait_until(&self, good: impl Fn(u32) -> bool, limit: Duration) -> bool {
        let deadline = Instant::now() + limit;
        loop {
            let number = self.number();
            if good(number) {
                return true;
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            self.sleep_while(number, left);
        }
    }

    /// Sleeps unless the number is another one already; comes back early at will.
    fn sleep_while(&self, number: u32, limit: Duration) {
        let limit = libc::timespec {
            tv_sec: limit.as_secs() as libc::time_t,
            tv_nsec: libc::c_long::from(limit.subsec_nanos()),
        };
        let (call, how) = (libc::SYS_futex, libc::FUTEX_WAIT | libc::FUTEX_PRIVATE_FLAG);
        // SAFETY: the number outlives the call, since `self` is borrowed for it, and the kernel only
        // reads it; `limit` lives on this stack frame. Whatever the answer, the caller looks again.
        unsafe { libc::syscall(call, self.0.as_ptr(), how, number, &raw const limit) };
    }

    fn wake(&self, waiters: libc::c_int) {
        let (call, how) = (libc::SYS_futex, libc::FUTEX_WAKE | libc::FUTEX_PRIVATE_FLAG);
        // SAFETY: the call touches nothing of this process: the address only names a queue of waiters.
        unsafe { libc::syscall(call, self.0.as_ptr(), how, waiters) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::AtomicUsize;

    #[test]
    fn nobody_passes_a_closed_gate_and_all_pass_an_open_one() {
        let (gate, left, through) = (Gate::default(), Gate::default(), AtomicUsize::new(0));
        left.set(20);
        let closed = gate.number();
        std::thread::scope(|scope| {
            for _ in 0..20 {
                scope.spawn(|| {
                    assert!(gate.wait_while(closed, Duration::from_secs(60)));
                    through.fetch_add(1, Ordering::Relaxed);
                    left.arrive();
                });
            }
            assert!(!left.wait_for_zero(Duration::from_millis(1)), "nobody may pass yet");
            assert_eq!(through.load(Ordering::Relaxed), 0);
            gate.open();
            assert!(left.wait_for_zero(Duration::from_secs(60)));
            assert_eq!(through.load(Ordering::Relaxed), 20);
        });
    }
}
