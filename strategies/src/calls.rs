//! Which system calls did the data path make, and how many of each?
//!
//! The wrappers in [`sys`](crate::sys) count where the call is made, interrupted and refused calls
//! included, so that the numbers equal what `strace` prints for the same thread.

use std::cell::Cell;

macro_rules! calls {
    ($($variant:ident $name:literal),* $(,)?) => {
        /// A system call of the data path.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Call { $(#[doc = concat!("`", $name, "`")] $variant),* }

        impl Call {
            /// Every call, in the order of [`Calls::counts`].
            pub const ALL: &'static [Call] = &[$(Call::$variant),*];

            /// The kernel's name of the call, as `strace` prints it.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self { $(Call::$variant => $name),* }
            }
        }

        const CALL_COUNT: usize = Call::ALL.len();
    };
}

calls! {
    Read "read",
    Pread "pread64",
    Preadv "preadv",
    Preadv2 "preadv2",
    Write "write",
    Writev "writev",
    Send "sendto",
    Sendmsg "sendmsg",
    Recvmsg "recvmsg",
    Sendfile "sendfile",
    Splice "splice",
    Tee "tee",
    Vmsplice "vmsplice",
    CopyFileRange "copy_file_range",
    UringEnter "io_uring_enter",
    Mmap "mmap",
    Munmap "munmap",
    Madvise "madvise",
    Fadvise "fadvise64",
    Setsockopt "setsockopt",
    Poll "poll",
    EpollWait "epoll_wait",
    EpollPwait2 "epoll_pwait2",
    EpollCtl "epoll_ctl",
    ClockNanosleep "clock_nanosleep",
    Recv "recvfrom",
    Pwrite "pwrite64",
    Fdatasync "fdatasync",
    Getsockopt "getsockopt",
    Futex "futex",
    Openat "openat",
    Close "close",
    Fcntl "fcntl",
}

/// Counts of data-path calls, by name. Shared by reference inside one thread.
#[derive(Debug)]
pub struct Calls {
    counts: [Cell<u64>; CALL_COUNT],
    short_writes: Cell<u64>,
    looked_bytes: Cell<u64>,
    handed_bytes: Cell<u64>,
    zerocopy: Cell<Zerocopy>,
}

impl Default for Calls {
    fn default() -> Calls {
        Calls {
            counts: std::array::from_fn(|_| Cell::default()),
            short_writes: Cell::default(),
            looked_bytes: Cell::default(),
            handed_bytes: Cell::default(),
            zerocopy: Cell::default(),
        }
    }
}

/// Sends of the caller's own pages, and what the kernel said of them when it let the pages go.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Zerocopy {
    /// Sends that the kernel accepted.
    pub sends: u64,
    /// Sends of which it said, with their notification, whether it copied. Notifications may come
    /// after the last byte was accepted: then they count with the next transfer.
    pub answered: u64,
    /// Of those, the ones that it copied after all, at least in part.
    pub copied: u64,
}

impl Calls {
    /// Notes one call.
    #[inline]
    pub fn count(&self, call: Call) {
        let cell = &self.counts[call as usize];
        cell.set(cell.get() + 1);
    }

    /// Notes that a sink took fewer bytes than it was offered.
    #[inline]
    pub fn short_write(&self) {
        self.short_writes.set(self.short_writes.get() + 1);
    }

    /// Notes that a transform was given so many bytes.
    #[inline]
    pub fn looked(&self, bytes: usize) {
        self.looked_bytes.set(self.looked_bytes.get() + bytes as u64);
    }

    /// Notes that a sink took so many bytes that had been through a transform.
    #[inline]
    pub fn handed(&self, bytes: usize) {
        self.handed_bytes.set(self.handed_bytes.get() + bytes as u64);
    }

    /// Notes that a send of the caller's own pages was accepted.
    #[inline]
    pub fn zerocopy_send(&self) {
        let seen = self.zerocopy.get();
        self.zerocopy.set(Zerocopy { sends: seen.sends + 1, ..seen });
    }

    /// Notes what the kernel said of so many of those sends.
    #[inline]
    pub fn zerocopy_answer(&self, sends: u64, copied: bool) {
        let seen = self.zerocopy.get();
        let copied = seen.copied + if copied { sends } else { 0 };
        self.zerocopy.set(Zerocopy { answered: seen.answered + sends, copied, ..seen });
    }

    /// Notes what the kernel said while other calls were counted elsewhere.
    pub(crate) fn add_answers(&self, elsewhere: &Calls) {
        let (seen, more) = (self.zerocopy.get(), elsewhere.zerocopy.get());
        let (answered, copied) = (seen.answered + more.answered, seen.copied + more.copied);
        self.zerocopy.set(Zerocopy { answered, copied, ..seen });
    }

    /// Sends of the caller's own pages so far.
    #[must_use]
    pub fn zerocopy(&self) -> Zerocopy {
        self.zerocopy.get()
    }

    /// How often that call was made.
    #[must_use]
    pub fn of(&self, call: Call) -> u64 {
        self.counts[call as usize].get()
    }

    /// How often a sink took fewer bytes than it was offered.
    #[must_use]
    pub fn short_writes(&self) -> u64 {
        self.short_writes.get()
    }

    /// Bytes that transforms were given, headers included.
    #[must_use]
    pub fn looked_bytes(&self) -> u64 {
        self.looked_bytes.get()
    }

    /// Bytes that sinks took after a transform, headers included.
    #[must_use]
    pub fn handed_bytes(&self) -> u64 {
        self.handed_bytes.get()
    }

    /// All calls that were made at least once, with their counts.
    pub fn counts(&self) -> impl Iterator<Item = (Call, u64)> + '_ {
        Call::ALL.iter().map(|&call| (call, self.of(call))).filter(|&(_, count)| count > 0)
    }

    /// The sum over all calls.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.counts.iter().map(Cell::get).sum()
    }

    /// Adds what another thread counted.
    pub fn add(&self, other: &Calls) {
        for (sum, count) in self.counts.iter().zip(&other.counts) {
            sum.set(sum.get() + count.get());
        }
        self.short_writes.set(self.short_writes.get() + other.short_writes());
        self.looked(other.looked_bytes() as usize);
        self.handed(other.handed_bytes() as usize);
        let (own, more) = (self.zerocopy(), other.zerocopy());
        self.zerocopy.set(Zerocopy {
            sends: own.sends + more.sends,
            answered: own.answered + more.answered,
            copied: own.copied + more.copied,
        });
    }

    /// Sets every count to zero.
    pub fn reset(&self) {
        self.counts.iter().for_each(|count| count.set(0));
        self.short_writes.set(0);
        self.looked_bytes.set(0);
        self.handed_bytes.set(0);
        self.zerocopy.set(Zerocopy::default());
    }
}
