//! How is a queue of fetches driven to its end, and when was each fetch done?
//!
//! The blocking driver: it steps the engine until every byte is accepted. Sinks block, so a step that
//! reports full sinks means that a sink's own time limit (`SO_SNDTIMEO`) ran out or that a ring came
//! back early; the driver then waits for room, within a bound. Nothing here allocates: the stamps'
//! memory is taken before.

use super::wire::{Trouble, errno_name};
use crate::counters::now;
use nix::errno::Errno;
use std::path::PathBuf;
use std::time::Duration;
use zclab_report::record::Status;
use zclab_strategies::{CallError, Engine, Queue, Step};

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
    /// Waiting itself failed.
    Poll(Errno),
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
            DriveError::Poll(errno) => Trouble::call("poll", "the sinks", *errno),
        }
    }
}

/// Drives the engine until the queue is empty, stamping each completed delivery.
///
/// # Errors
/// See [`DriveError`].
pub fn drive(
    engine: &mut dyn Engine,
    queue: &mut Queue,
    stamps: &mut Vec<u64>,
) -> Result<(), DriveError> {
    loop {
        let step = engine.step(queue).map_err(DriveError::Call)?;
        let finished = queue.finished().len();
        if finished > 0 {
            let stamp = now().0;
            stamps.extend(std::iter::repeat_n(stamp, finished));
            queue.forget_finished();
        }
        match step {
            Step::Moved => {}
            Step::Done => return Ok(()),
            Step::Blocked => wait_for_room(queue)?,
        }
    }
}

/// Waits until one of the full sinks has room, and unblocks those that have.
fn wait_for_room(queue: &mut Queue) -> Result<(), DriveError> {
    let full: Vec<_> = queue.blocked().collect();
    let mut waits: Vec<libc::pollfd> = full
        .iter()
        .map(|(_, sink)| libc::pollfd { fd: sink.fd, events: libc::POLLOUT, revents: 0 })
        .collect();
    let limit = FULL_SINK.as_millis() as libc::c_int;
    // SAFETY: `waits` is a live vector of that many pollfd; the kernel writes their `revents` only
    // during the call.
    let ready = unsafe { libc::poll(waits.as_mut_ptr(), waits.len() as libc::nfds_t, limit) };
    match Errno::result(ready) {
        Ok(0) => Err(DriveError::Stuck { left_bytes: queue.remaining().0 }),
        Ok(_) => {
            for ((lane, _), wait) in full.iter().zip(&waits) {
                if wait.revents != 0 {
                    queue.unblock(*lane);
                }
            }
            Ok(())
        }
        Err(Errno::EINTR) => Ok(()),
        Err(errno) => Err(DriveError::Poll(errno)),
    }
}
