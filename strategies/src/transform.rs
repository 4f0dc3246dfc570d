//! What is done to a log's bytes before they are sent, and which strategies can let it be done?
//!
//! A broker that checks, compresses or encrypts what it sends has to look at the bytes, so they have
//! to pass through memory of its process. A [`Transform`] is that look. Its makers live outside of
//! this crate; a strategy takes one for each lane from [`Setup::transform`](crate::Setup::transform)
//! and hands its bytes through an [`Outlet`](crate::Outlet). A strategy whose bytes never pass
//! through user memory says so ([`Strategy::transforms`]), and is
//! refused where a transform is asked for: it never sends plain bytes instead.

use crate::{Engine, LaneId, OpenError, Setup, Strategy};
use nix::errno::Errno;

/// Why strategies without a user buffer are refused.
pub const NEEDS_USER_SPACE: &str = "needs user space: no byte passes through this process's memory";

/// Why strategies are refused whose sends follow their reads within one chain of a ring.
pub const CHAINED: &str =
    "needs user space: the linked send follows its read inside the kernel, unseen";

/// Why strategies are refused that send the very pages that were read into.
pub const KEPT: &str =
    "needs user space: the kernel sends the pages that were read into, and keeps them meanwhile";

/// Looks at the bytes of one lane, in order, and may change them. One for each lane, since some have
/// a state that the far end follows.
pub trait Transform: Send {
    /// Its name, which stands for the call in errors.
    fn name(&self) -> &'static str;

    /// The most bytes that an input of this length can become.
    fn bound_bytes(&self, input_bytes: usize) -> usize;

    /// Takes whatever memory chunks of up to this length need, before anything is timed.
    ///
    /// # Errors
    /// When the library behind it refuses.
    fn warm_up(&mut self, _chunk_bytes: usize) -> Result<(), Errno> {
        Ok(())
    }

    /// Takes the next bytes of the lane: all of them, whatever becomes of them. What they become is
    /// appended to `out`.
    ///
    /// The answer is of the same kind for every input. [`Applied::Same`] leaves `out` as it was.
    ///
    /// # Errors
    /// When the library behind it refuses.
    fn apply(&mut self, bytes: &[u8], out: &mut Vec<u8>) -> Result<Applied, Errno>;
}

/// What a transform did to the bytes that it was given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Applied {
    /// It looked: the bytes are to be sent as they are, from where they lie.
    Same,
    /// What is to be sent instead has been appended to the output.
    Changed,
}

/// A transform, or why it cannot be had.
pub type Made = Result<Box<dyn Transform>, OpenError>;

/// Makes the transform of a lane.
pub type Factory<'a> = dyn Fn(LaneId) -> Made + Sync + 'a;

/// Opens an engine, unless a transform is asked for that the strategy cannot let happen.
///
/// # Errors
/// As [`Strategy::open`], and [`OpenError::Refused`] for a strategy that nobody can look between.
pub fn open(strategy: &dyn Strategy, setup: &Setup) -> Result<Box<dyn Engine>, OpenError> {
    if setup.transform.is_some() {
        strategy.transforms().map_err(|why| OpenError::Refused { why })?;
    }
    strategy.open(setup)
}
