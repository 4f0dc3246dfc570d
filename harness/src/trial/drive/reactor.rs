//! How does one thread serve thousands of sinks, none of which may keep it waiting?
//!
//! Sinks do not block, so an engine's step comes back from a full one at once, and one epoll says
//! which sinks have room again. They are registered once, edge-triggered: epoll(7) reports a sink
//! when it gets room after it was found full. Before the clock starts the edges of connecting are
//! taken, so that each edge in the loop means room.
//!
//! An engine may pass a lane over for another reason than a full sink: one that sends the caller's own
//! pages has only so many of them. Of such a sink no edge will come. So where none has come for
//! [`EDGE`], epoll is asked to look at each of them anew (`EPOLL_CTL_MOD`), and reports those that have
//! room; this is the only `epoll_ctl` in the loop.
//!
//! While some sinks have room the engine goes on with those; every [`STEPS`] steps the loop looks
//! whether full ones have got room, so that a fast consumer cannot starve them. Files and /dev/null
//! are never full and cannot be registered (`EPERM`).

use super::{DriveError, bound, nothing_had_room};
use crate::trial::wire::{Spec, Trouble};
use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags};
use std::os::fd::{AsRawFd, BorrowedFd, RawFd};
use std::time::Duration;
use zclab_report::record::Status;
use zclab_strategies::{Call, Calls, LaneId, Queue, Sink};

/// Steps between two looks at full sinks.
const STEPS: u32 = 64;

/// So long an edge is waited for before each blocked sink is looked at.
const EDGE: Duration = Duration::from_millis(10);

/// At most so many sinks are reported at once.
const EVENTS_MAX: usize = 512;

/// One epoll over all sinks.
#[derive(Debug)]
pub struct Reactor {
    epoll: Epoll,
    events: Vec<libc::epoll_event>,
    steps: u32,
}

impl Reactor {
    /// Makes sinks that never block, and watches them.
    ///
    /// # Errors
    /// The call that failed; where the kernel has no wait as fine as a schedule needs, `unsupported`.
    pub fn open(sinks: &[Sink], spec: &Spec) -> Result<Reactor, Trouble> {
        let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)
            .map_err(|errno| Trouble::call("epoll_create1", "the sinks", errno))?;
        for (lane, sink) in sinks.iter().enumerate() {
            // SAFETY: the descriptor is the trial's own and open for as long as the trial lives.
            let fd = unsafe { BorrowedFd::borrow_raw(sink.fd) };
            let flags = fcntl(fd, FcntlArg::F_GETFL)
                .map_err(|errno| Trouble::call("fcntl(F_GETFL)", "a sink", errno))?;
            let flags = OFlag::from_bits_retain(flags) | OFlag::O_NONBLOCK;
            fcntl(fd, FcntlArg::F_SETFL(flags))
                .map_err(|errno| Trouble::call("fcntl(O_NONBLOCK)", "a sink", errno))?;
            let event = EpollFlags::EPOLLOUT | EpollFlags::EPOLLET;
            match epoll.add(fd, EpollEvent::new(event, lane as u64)) {
                Ok(()) | Err(Errno::EPERM) => {}
                Err(errno) => return Err(Trouble::call("epoll_ctl", "a sink", errno)),
            }
        }
        let empty = libc::epoll_event { events: 0, u64: 0 };
        let events = vec![empty; sinks.len().clamp(1, EVENTS_MAX)];
        let mut reactor = Reactor { epoll, events, steps: 0 };
        if spec.demand.rate > 0 {
            reactor.wait_finely(Duration::ZERO).map_err(|errno| {
                let trouble = Trouble::call("epoll_pwait2", "the sinks", errno);
                match errno {
                    Errno::ENOSYS => trouble.with_status(Status::Unsupported),
                    _ => trouble,
                }
            })?;
        }
        Ok(reactor)
    }

    /// Takes the edges that belong to no slice. Not timed.
    ///
    /// # Errors
    /// What the kernel said.
    pub fn settle(&mut self) -> Result<(), Trouble> {
        self.steps = 0;
        loop {
            match self.wait(Duration::ZERO) {
                Ok(0) => return Ok(()),
                Ok(_) | Err(Errno::EINTR) => {}
                Err(errno) => return Err(Trouble::call("epoll_wait", "the sinks", errno)),
            }
        }
    }

    /// Every so many steps, a look at whether full sinks have got room.
    #[inline]
    pub(super) fn glance(&mut self, queue: &mut Queue) -> Result<(), DriveError> {
        self.steps += 1;
        if self.steps < STEPS || !queue.any_blocked() {
            return Ok(());
        }
        self.steps = 0;
        queue.calls.count(Call::EpollWait);
        let ready = self.wait(Duration::ZERO);
        self.unblock(queue, "epoll_wait", ready).map(drop)
    }

    /// Waits until a full sink has room, or until the next fetch is due.
    pub(super) fn room(
        &mut self,
        queue: &mut Queue,
        due_ns: Option<u64>,
    ) -> Result<(), DriveError> {
        self.steps = 0;
        if self.wait_for(queue, due_ns, bound(due_ns).min(EDGE))? != Some(0) {
            return Ok(());
        }
        self.look_anew(queue)?;
        match self.wait_for(queue, due_ns, bound(due_ns))? {
            Some(0) => nothing_had_room(queue, due_ns),
            _ => Ok(()),
        }
    }

    /// One wait, as fine as it has to be; how many sinks had room, unless a signal came first.
    fn wait_for(
        &mut self,
        queue: &mut Queue,
        due_ns: Option<u64>,
        limit: Duration,
    ) -> Result<Option<usize>, DriveError> {
        let (call, ready) = match due_ns {
            Some(_) => ("epoll_pwait2", self.counted_finely(&queue.calls, limit)),
            None => {
                queue.calls.count(Call::EpollWait);
                ("epoll_wait", self.wait(limit))
            }
        };
        self.unblock(queue, call, ready)
    }

    /// Has epoll report those blocked sinks that have room, whether or not they were ever full.
    fn look_anew(&self, queue: &Queue) -> Result<(), DriveError> {
        for (lane, sink) in queue.blocked() {
            let interest = (libc::EPOLLOUT | libc::EPOLLET) as u32;
            let mut event = libc::epoll_event { events: interest, u64: lane as u64 };
            queue.calls.count(Call::EpollCtl);
            let (epoll, how) = (self.fd(), libc::EPOLL_CTL_MOD);
            // SAFETY: `event` lives on this stack frame for the whole call, which only reads it.
            let answer = unsafe { libc::epoll_ctl(epoll, how, sink.fd, &raw mut event) };
            Errno::result(answer).map_err(|errno| DriveError::Wait("epoll_ctl", errno))?;
        }
        Ok(())
    }

    fn counted_finely(&mut self, calls: &Calls, limit: Duration) -> Result<usize, Errno> {
        calls.count(Call::EpollPwait2);
        self.wait_finely(limit)
    }

    /// Notes that those sinks have room; how many there were, unless a signal came first.
    fn unblock(
        &mut self,
        queue: &mut Queue,
        call: &'static str,
        ready: Result<usize, Errno>,
    ) -> Result<Option<usize>, DriveError> {
        match ready {
            Ok(count) => {
                for event in &self.events[..count] {
                    queue.unblock(event.u64 as LaneId);
                }
                Ok(Some(count))
            }
            Err(Errno::EINTR) => Ok(None),
            Err(errno) => Err(DriveError::Wait(call, errno)),
        }
    }

    fn wait(&mut self, limit: Duration) -> Result<usize, Errno> {
        let (fd, millis) = (self.fd(), limit.as_millis() as libc::c_int);
        let (events, room) = (self.events.as_mut_ptr(), self.events.len() as libc::c_int);
        // SAFETY: `events` has room for so many events and is the reactor's own; the kernel writes it
        // during the call only.
        let ready = unsafe { libc::epoll_wait(fd, events, room, millis) };
        Errno::result(ready).map(|ready| ready as usize)
    }

    /// The same to the nanosecond (Linux 5.11).
    fn wait_finely(&mut self, limit: Duration) -> Result<usize, Errno> {
        let limit = libc::timespec {
            tv_sec: limit.as_secs() as libc::time_t,
            tv_nsec: libc::c_long::from(limit.subsec_nanos()),
        };
        let (fd, events, room) = (self.fd(), self.events.as_mut_ptr(), self.events.len());
        let no_mask = std::ptr::null::<libc::sigset_t>();
        let (call, limit) = (libc::SYS_epoll_pwait2, &raw const limit);
        // SAFETY: as above; `limit` lives on this stack frame for the whole call, which only reads it,
        // and there is no mask of signals.
        let ready = unsafe { libc::syscall(call, fd, events, room, limit, no_mask, 0usize) };
        Errno::result(ready).map(|ready| ready as usize)
    }

    fn fd(&self) -> RawFd {
        self.epoll.0.as_raw_fd()
    }
}
