//! How is an intake driven to its end, when was each fetch complete, and when are its bytes synced?
//!
//! The blocking driver of the receive side: it steps the engine until every byte is where it belongs.
//! A socket that stays empty is waited for within a bound. Nothing here allocates.

use super::super::wire::{Trouble, errno_name};
use crate::counters::now;
use crate::scenario::ingest::Fsync;
use nix::errno::Errno;
use std::os::fd::RawFd;
use std::time::Duration;
use zclab_report::record::Status;
use zclab_strategies::{CallError, IngestEngine, Intake, Step, sys};

/// An empty socket is waited for no longer than this.
const EMPTY_SOCKET: Duration = Duration::from_secs(20);

/// When which file is synced.
#[derive(Clone, Copy, Debug)]
pub struct Sync {
    /// When.
    pub when: Fsync,
    /// The file.
    pub file: RawFd,
}

/// What can end a drive before its time.
#[derive(Debug)]
pub enum DriveError {
    /// A call on the data path failed.
    Call(CallError),
    /// No byte came for [`EMPTY_SOCKET`].
    Stuck {
        /// Bytes that had not come.
        left_bytes: u64,
    },
    /// Waiting itself failed.
    Poll(Errno),
}

impl DriveError {
    /// The trouble to report.
    #[must_use]
    pub fn trouble(&self) -> Trouble {
        match self {
            DriveError::Call(error) => Trouble {
                status: Status::Failed,
                call: Some(error.call.to_owned()),
                errno: Some(errno_name(error.errno)),
                message: format!(
                    "{} at offset {} of the ingested file: {}",
                    error.call, error.offset_bytes, error.errno
                ),
            },
            DriveError::Stuck { left_bytes } => Trouble::failed(format!(
                "no byte came for {EMPTY_SOCKET:?}; {left_bytes} bytes were left"
            )),
            DriveError::Poll(errno) => Trouble::call("poll", "the source", *errno),
        }
    }
}

/// Drives the engine until the intake is done, stamping each completed fetch: after its sync, where
/// each has one.
///
/// # Errors
/// See [`DriveError`].
pub fn drive(
    engine: &mut dyn IngestEngine,
    intake: &mut Intake,
    stamps: &mut Vec<u64>,
    sync: Sync,
) -> Result<(), DriveError> {
    loop {
        let step = engine.step(intake).map_err(DriveError::Call)?;
        let finished = intake.finished();
        if finished > 0 {
            if sync.when == Fsync::EachFetch {
                fdatasync(intake, sync)?;
            }
            let stamp = now().0;
            stamps.extend(std::iter::repeat_n(stamp, finished));
            intake.forget_finished();
        }
        match step {
            Step::Moved => {}
            Step::Done if sync.when == Fsync::End => return fdatasync(intake, sync),
            Step::Done => return Ok(()),
            Step::Blocked => wait_for_bytes(intake)?,
        }
    }
}

fn fdatasync(intake: &Intake, sync: Sync) -> Result<(), DriveError> {
    sys::fdatasync(&intake.calls, sync.file)
        .map_err(|errno| DriveError::Call(intake.error("fdatasync", errno)))
}

fn wait_for_bytes(intake: &mut Intake) -> Result<(), DriveError> {
    let mut wait = libc::pollfd { fd: intake.source().fd, events: libc::POLLIN, revents: 0 };
    let limit = EMPTY_SOCKET.as_millis() as libc::c_int;
    intake.calls.count(zclab_strategies::Call::Poll);
    // SAFETY: `wait` lives on this stack frame; the kernel writes its `revents` during the call.
    let ready = unsafe { libc::poll(&raw mut wait, 1, limit) };
    match Errno::result(ready) {
        Ok(0) => Err(DriveError::Stuck { left_bytes: intake.remaining().0 }),
        Ok(_) | Err(Errno::EINTR) => {
            intake.unblock();
            Ok(())
        }
        Err(errno) => Err(DriveError::Poll(errno)),
    }
}
