//! What are system calls worth to a sender that makes none?
//!
//! The chains of `uring-read-send`, but a thread of the kernel picks the operations up by itself
//! (`IORING_SETUP_SQPOLL`) and performs them: reads, copies, TCP and all. This thread writes entries
//! into memory and finds completions in memory. It calls only to wake the other one after a pause,
//! and to sleep when it has looked for completions so many times (option `spins`) in vain.
//!
//! It wins where calls are dear and a core has nothing else to do; it loses where there is none to
//! spare, for it takes two cores' time to do one core's work, and the bytes cross from one to the
//! other. Since Linux 6.12 the thread has the affinity of whoever made it: a sender that is bound to
//! a core would share that core with it, each waiting for the other to be scheduled away. So it is
//! bound to another one (option `cpu`), which on a machine with two is the receiver's.
//!
//! The polling thread stays awake for a while after its last operation (option `idle`), so
//! an idle sender still keeps a core busy: it gets rounds of its own, and lets its thread fall
//! asleep before it goes.
//!
//! Before Linux 5.11 only a privileged process may have such a thread (`EPERM`).
//!
//! Sources: io_uring_setup(2) `IORING_SETUP_SQPOLL`; `io_sq_thread` in `io_uring/sqpoll.c`.
//!
//! Timed: writing entries, looking for completions, waking and waiting calls. Not timed: the ring,
//! its thread's start, the buffers.

use super::uring_read_send::{ReadSend, slots};
use crate::chains::{Chains, ring_entries};
use crate::ring::{Polling, Ring};
use crate::transform::CHAINED;
use crate::{
    Disturbance, Engine, Hop, Mover, OpenError, OptionKind, OptionSpec, Path, Place, Route, Setup,
    Strategy, sys,
};
use nix::errno::Errno;

/// See the module. Its operations are those of [`ReadSend`].
pub struct UringSqpoll;

const OPTIONS: &[OptionSpec] = &[
    OptionSpec {
        name: "depth",
        what: "READ and SEND pairs in one batch",
        kind: OptionKind::Number { default: 8, min: 1, max: 256 },
    },
    OptionSpec {
        name: "buffer",
        what: "bytes of each pair's buffer",
        kind: OptionKind::Number { default: 1 << 20, min: 4096, max: 1 << 30 },
    },
    OptionSpec {
        name: "idle",
        what: "milliseconds without work after which the polling thread falls asleep",
        kind: OptionKind::Number { default: 1, min: 1, max: 100 },
    },
    OptionSpec {
        name: "cpu",
        what: "the polling thread's CPU: the last but one of those that are not the sender's (the \
               last is for receivers), or the sender's own",
        kind: OptionKind::Choice { default: "other", of: &["other", "own"] },
    },
    OptionSpec {
        name: "spins",
        what: "looks at the completions before sleeping until they come",
        kind: OptionKind::Number { default: 10_000, min: 0, max: 1_000_000 },
    },
];

impl Strategy for UringSqpoll {
    fn name(&self) -> &'static str {
        "uring-sqpoll"
    }

    fn question(&self) -> &'static str {
        "What are system calls worth to a sender that makes none?"
    }

    fn path(&self, on: &Route) -> Path {
        let mut hops = on.fill();
        hops.push(Hop::new(
            Place::PageCache,
            Place::UserBuffer,
            Mover::CpuCopy,
            "the polling thread's READ copies out of the page cache",
        ));
        let why = "its SEND copies into the socket's queue";
        hops.extend(on.into_sink(Place::UserBuffer, Mover::CpuCopy, why));
        Path { hops }
    }

    fn disturbs(&self) -> Disturbance {
        Disturbance::Core
    }

    fn options(&self) -> &'static [OptionSpec] {
        OPTIONS
    }

    fn transforms(&self) -> Result<(), &'static str> {
        Err(CHAINED)
    }

    fn open(&self, setup: &Setup) -> Result<Box<dyn Engine>, OpenError> {
        let depth = setup.options.number("depth").max(1) as usize;
        let [idle_ms, spins] = ["idle", "spins"].map(|name| setup.options.number(name) as u32);
        let other = setup.options.word("cpu") == "other";
        let polling = Polling { idle_ms: idle_ms.max(1), cpu: Some(cpu(other)?), spins };
        let ring = Ring::open_polled(ring_entries(depth), slots(setup, depth)?, &polling)?;
        Chains::open(setup, depth, ring, ReadSend::of(setup))
    }
}

/// The CPU that this thread is on, or the last but one of the others that are online; the only other
/// one, if it is.
fn cpu(other: bool) -> Result<u32, OpenError> {
    const ONLINE: &str = "/sys/devices/system/cpu/online";
    // SAFETY: the call takes nothing and touches no memory of this process.
    let own = Errno::result(unsafe { libc::sched_getcpu() })
        .map_err(|errno| OpenError::failed("sched_getcpu", errno))? as u32;
    if !other {
        return Ok(own);
    }
    let online = std::fs::read_to_string(ONLINE).map_err(|error| {
        OpenError::failed("read(/sys/devices/system/cpu/online)", sys::errno_of(error))
    })?;
    let cpus: Vec<u32> = listed(&online).filter(|&cpu| cpu != own).collect();
    let cpu =
        if cpus.len() > 1 { cpus[cpus.len() - 2] } else { cpus.first().copied().unwrap_or(own) };
    if cpu == own {
        let why = "there is no other CPU for the polling thread";
        return Err(OpenError::Refused { why });
    }
    Ok(cpu)
}

/// The numbers in a list like `0-1,3`.
fn listed(text: &str) -> impl Iterator<Item = u32> + '_ {
    text.trim().split(',').flat_map(|range| {
        let mut ends = range.split('-').filter_map(|number| number.parse::<u32>().ok());
        let first = ends.next();
        let last = ends.next_back().or(first);
        first.into_iter().flat_map(move |first| first..=last.unwrap_or(first))
    })
}

#[cfg(test)]
mod tests {
    use super::listed;

    #[test]
    fn lists_of_cpus_are_numbers_and_ranges() {
        assert_eq!(listed("0-1,3\n").collect::<Vec<_>>(), [0, 1, 3]);
        assert_eq!(listed("5").collect::<Vec<_>>(), [5]);
        assert_eq!(listed("").count(), 0);
    }
}
