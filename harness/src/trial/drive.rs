//! How is a queue of fetches driven to its end, and when was each fetch done?
//!
//! One loop for all drivers: let fetches become due, step the engine, stamp what is complete, and wait
//! when there is nothing to do. Drivers differ in how they wait for full sinks ([`Waits`]). Where
//! sinks block, a step that reports full ones means that a sink's own time limit (`SO_SNDTIMEO`) ran
//! out or that a ring came back early; a reactor's sinks never block, and epoll says which has room.
//! A thread for each sink runs this same loop in each ([`crew`]).
//!
//! The stamps' memory is taken before. What waits is counted among the calls; a sleep that the kernel
//! itself takes up again, when io_uring had something to do meanwhile, counts once.

pub mod crew;
mod gate;
pub mod reactor;

use super::schedule::{Next, Schedule};
use super::wire::{Trouble, errno_name};
use crate::counters::now;
use nix::errno::Errno;
use reactor::Reactor;
use std::path::PathBuf;
use std::time::Duration;
use zclab_report::record::Status;
use zclab_strategies::{Call, CallError, Calls, Engine, Queue, Step};

/// A full sink is waited for no longer than this.
const FULL_SINK: Duration = Duration::from_secs(20);

/// What can end a drive before its time.
#[derive(Debug)]
pub enum DriveError {
    /// A call on the data path failed.
    Call(CallError),
    /// No sink took a byte for [`FULL_SINK`].
    Stuck {
        /// Bytes that no sink had accepted.
        left_bytes: u64,
    },
    /// Nothing was appended to the log whose end is followed.
    NoAppend {
        /// In this time; none where the producer said that it gave up.
        after: Option<Duration>,
    },
    /// Waiting itself failed, in this call.
    Wait(&'static str, Errno),
}

/// One fetch was accepted by one sink to its last byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    /// When.
    pub at_ns: u64,
    /// By which sink.
    pub lane: u32,
    /// Which of the slice's fetches.
    pub fetch: u32,
}

/// How full sinks are waited for.
#[derive(Debug)]
pub enum Waits {
    /// By `poll`: sinks that block seldom need it.
    Poll,
    /// By epoll, together.
    Epoll(Reactor),
}

/// A queue on its way to its end.
pub struct Drive<'a> {
    /// Moves the bytes.
    pub engine: &'a mut dyn Engine,
    /// Has the fetches.
    pub queue: &'a mut Queue,
    /// Says when they become due; it has begun.
    pub schedule: &'a mut Schedule,
    /// Waits for full sinks.
    pub waits: &'a mut Waits,
    /// Takes the stamps; has room for all.
    pub stamps: &'a mut Vec<Stamp>,
}

impl DriveError {
    /// The trouble to report, naming the segment's file.
    #[must_use]
    pub fn trouble(&self, segments: &[(PathBuf, u64)]) -> Trouble {
        match self {
            DriveError::Call(error) => {
                let file = segments.get(error.segment as usize);
                let file = file.map_or_else(|| "?".into(), |(path, _)| path.display().to_string());
                Trouble {
                    status: Status::Failed,
                    call: Some(error.call.to_owned()),
                    errno: Some(errno_name(error.errno)),
                    message: format!(
                        "{} at offset {} of {file}: {}",
                        error.call, error.offset_bytes, error.errno
                    ),
                }
            }
            DriveError::Stuck { left_bytes } => Trouble::failed(format!(
                "no sink took a byte for {FULL_SINK:?}; {left_bytes} bytes were left"
            )),
            DriveError::NoAppend { after } => Trouble::failed(match after {
                Some(after) => format!("the producer appended nothing for {after:?}"),
                None => "the producer gave up".to_owned(),
            }),
            DriveError::Wait(call, errno) => Trouble::call(call, "the sinks", *errno),
        }
    }
}

impl Drive<'_> {
    /// Drives until every fetch is complete, stamping each.
    ///
    /// # Errors
    /// See [`DriveError`].
    pub fn run(self) -> Result<(), DriveError> {
        let Drive { engine, queue, schedule, waits, stamps } = self;
        loop {
            let next = schedule.release(queue)?;
            #[cfg(feature = "planted")]
            let before_bytes = queue.remaining().0;
            let step = engine.step(queue).map_err(DriveError::Call)?;
            #[cfg(feature = "planted")]
            super::planted::after_step(queue, before_bytes - queue.remaining().0);
            if !queue.finished().is_empty() {
                let at_ns = now().0;
                let stamp = |done: &zclab_strategies::Finished| Stamp {
                    at_ns,
                    lane: done.lane as u32,
                    fetch: done.fetch,
                };
                stamps.extend(queue.finished().iter().map(stamp));
                schedule.delivered(queue.finished().len());
                queue.forget_finished();
            }
            match (step, next) {
                (Step::Moved, _) => waits.glance(queue)?,
                (Step::Done, Next::Nothing) => return Ok(()),
                (Step::Done, Next::At(due_ns)) => sleep_until(&queue.calls, due_ns)?,
                (Step::Done, Next::Append) => schedule.wait(&queue.calls)?,
                (Step::Done, Next::Open) => {}
                (Step::Blocked, next) => waits.room(queue, next.due_ns())?,
            }
        }
    }
}

impl Waits {
    /// A look at sinks that were full, while others keep the engine busy.
    #[inline]
    fn glance(&mut self, queue: &mut Queue) -> Result<(), DriveError> {
        match self {
            Waits::Poll => Ok(()),
            Waits::Epoll(reactor) => reactor.glance(queue),
        }
    }

    /// Waits until one of the full sinks has room, or until the next fetch is due.
    fn room(&mut self, queue: &mut Queue, due_ns: Option<u64>) -> Result<(), DriveError> {
        match self {
            Waits::Poll => poll_for_room(queue, due_ns),
            Waits::Epoll(reactor) => reactor.room(queue, due_ns),
        }
    }
}

/// How long a wait for room may be.
fn bound(due_ns: Option<u64>) -> Duration {
    due_ns.map_or(FULL_SINK, |due_ns| {
        Duration::from_nanos(due_ns.saturating_sub(now().0)).min(FULL_SINK)
    })
}

/// What it means that no sink had room in time: nothing where a fetch became due meanwhile.
fn nothing_had_room(queue: &Queue, due_ns: Option<u64>) -> Result<(), DriveError> {
    match due_ns {
        Some(_) => Ok(()),
        None => Err(DriveError::Stuck { left_bytes: queue.remaining().0 }),
    }
}

/// Waits until one of the full sinks has room, and unblocks those that have.
fn poll_for_room(queue: &mut Queue, due_ns: Option<u64>) -> Result<(), DriveError> {
    let full: Vec<_> = queue.blocked().collect();
    let mut waits: Vec<libc::pollfd> = full
        .iter()
        .map(|(_, sink)| libc::pollfd { fd: sink.fd, events: libc::POLLOUT, revents: 0 })
        .collect();
    let limit = bound(due_ns).as_millis() as libc::c_int;
    queue.calls.count(Call::Poll);
    // SAFETY: `waits` is a live vector of that many pollfd; the kernel writes their `revents` only
    // during the call.
    let ready = unsafe { libc::poll(waits.as_mut_ptr(), waits.len() as libc::nfds_t, limit) };
    match Errno::result(ready) {
        Ok(0) => nothing_had_room(queue, due_ns),
        Ok(_) => {
            for ((lane, _), wait) in full.iter().zip(&waits) {
                if wait.revents != 0 {
                    queue.unblock(*lane);
                }
            }
            Ok(())
        }
        Err(Errno::EINTR) => Ok(()),
        Err(errno) => Err(DriveError::Wait("poll", errno)),
    }
}

/// Sleeps until the next fetch is due: every byte that is due has been accepted.
fn sleep_until(calls: &Calls, due_ns: u64) -> Result<(), DriveError> {
    if due_ns <= now().0 {
        return Ok(());
    }
    let until = libc::timespec {
        tv_sec: (due_ns / 1_000_000_000) as libc::time_t,
        tv_nsec: (due_ns % 1_000_000_000) as libc::c_long,
    };
    calls.count(Call::ClockNanosleep);
    let (clock, how) = (libc::CLOCK_MONOTONIC, libc::TIMER_ABSTIME);
    // SAFETY: `until` lives on this stack frame for the whole call, which only reads it; there is no
    // remainder to write for an absolute time.
    let answer =
        unsafe { libc::clock_nanosleep(clock, how, &raw const until, std::ptr::null_mut()) };
    match Errno::from_raw(answer) {
        // Interrupted: the loop comes back here if it is still too early.
        Errno::EINTR => Ok(()),
        _ if answer == 0 => Ok(()),
        errno => Err(DriveError::Wait("clock_nanosleep", errno)),
    }
}
