//! Was the run asked to stop?
//!
//! The first Ctrl-C (or SIGTERM) ends the run after the block that is being moved, with a valid record
//! and a report of what was measured; the second one ends the program at once, as ever.

use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, sigaction};
use std::sync::atomic::{AtomicBool, Ordering};

static ASKED: AtomicBool = AtomicBool::new(false);

extern "C" fn note(_: libc::c_int) {
    ASKED.store(true, Ordering::Relaxed);
}

/// Begins to listen.
///
/// # Errors
/// What the kernel said.
pub fn listen() -> nix::Result<()> {
    let action = SigAction::new(SigHandler::Handler(note), SaFlags::SA_RESETHAND, SigSet::empty());
    for signal in [Signal::SIGINT, Signal::SIGTERM] {
        // SAFETY: the handler only stores to an atomic, which is async-signal-safe.
        unsafe { sigaction(signal, &action) }?;
    }
    Ok(())
}

/// Leaves the signals to the system for a while: they end the program.
pub fn leave() {
    let default = SigAction::new(SigHandler::SigDfl, SaFlags::empty(), SigSet::empty());
    for signal in [Signal::SIGINT, Signal::SIGTERM] {
        // It fails for signals that cannot be caught, and these can.
        // SAFETY: the system's own action installs no handler.
        let _ = unsafe { sigaction(signal, &default) };
    }
}

/// Whether a signal has come.
#[must_use]
pub fn asked() -> bool {
    ASKED.load(Ordering::Relaxed)
}
