//! What happens inside the child process that runs one cell?
//!
//! A trial child (`zclab trial`) owns the sinks, the receiver, the engine and the queue of one cell, so
//! that CPU time, faults and switches are its own, and so that a SIGBUS or a hang becomes a row. It
//! takes orders from its parent one at a time: the order is the token, and whoever has none sleeps.

pub mod alias;
pub mod bare;
pub mod child;
pub mod drive;
pub mod fetches;
pub mod footprint;
pub mod hot;
pub mod ingest;
pub mod latency;
pub mod limits;
pub mod opening;
#[cfg(feature = "planted")]
pub mod planted;
pub mod proof;
pub mod receiver;
pub mod schedule;
pub mod sinks;
pub mod tail;
pub mod transform;
pub mod wire;
pub mod work;
pub mod worker;

use anyhow::Context;
use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::unistd::Pid;

/// This very program, even when its file has been replaced meanwhile: a child of another build would
/// measure something else.
pub const SELF: &str = "/proc/self/exe";

/// Allows this process as many open files as the system lets it: each consumer is one. What is refused
/// shows when a file cannot be opened.
pub fn raise_files_limit() {
    use nix::sys::resource::{Resource, getrlimit, setrlimit};
    if let Ok((_, hard)) = getrlimit(Resource::RLIMIT_NOFILE) {
        let _ = setrlimit(Resource::RLIMIT_NOFILE, hard, hard);
    }
}

/// Pins this process to one CPU.
///
/// # Errors
/// What the kernel said.
pub fn pin(cpu: usize) -> anyhow::Result<()> {
    let mut set = CpuSet::new();
    set.set(cpu).with_context(|| format!("CPU {cpu} is out of range"))?;
    sched_setaffinity(Pid::from_raw(0), &set)
        .with_context(|| format!("sched_setaffinity to CPU {cpu}"))
}

/// The CPUs for sender and receiver: the first and the last that this process may use, or nothing
/// when there is only one.
#[must_use]
pub fn pins() -> Option<(usize, usize)> {
    let set = sched_getaffinity(Pid::from_raw(0)).ok()?;
    let mut allowed = (0..CpuSet::count()).filter(|&cpu| set.is_set(cpu).unwrap_or(false));
    let first = allowed.next()?;
    allowed.next_back().map(|last| (first, last))
}

/// A CPU beside those two, for a process that neither should have to share one with.
#[must_use]
pub fn spare() -> Option<usize> {
    let (first, last) = pins()?;
    let set = sched_getaffinity(Pid::from_raw(0)).ok()?;
    (first + 1..last).find(|&cpu| set.is_set(cpu).unwrap_or(false))
}
