//! What happens inside the child process that runs one cell?
//!
//! A trial child (`zclab trial`) owns the sinks, the receiver, the engine and the queue of one cell, so
//! that CPU time, faults and switches are its own, and so that a SIGBUS or a hang becomes a row. It
//! takes orders from its parent one at a time: the order is the token, and whoever has none sleeps.

pub mod alias;
pub mod bare;
pub mod canary;
pub mod child;
pub mod drive;
pub mod fetches;
pub mod footprint;
pub mod hot;
pub mod ingest;
pub mod latency;
pub mod limits;
pub mod opening;
pub mod opens;
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

/// The CPUs for sender and receiver: the first and the last that this process may use, or nothing
/// when there is only one.
#[must_use]
pub fn pins() -> Option<(usize, usize)> {
    let allowed = crate::cpus::allowed(0).ok()?;
    let mut allowed = allowed.iter();
    let first = allowed.next()?;
    allowed.next_back().map(|last| (first, last))
}
