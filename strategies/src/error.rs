//! What went wrong, in which call, where in the log, and with which errno?

use nix::errno::Errno;

/// A call on the data path that failed.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
#[error("{call} at offset {offset_bytes} of segment {segment}: {errno}")]
pub struct CallError {
    /// The call, with its ends where that helps: `splice(log, pipe)`.
    pub call: &'static str,
    /// Index of the segment that was being read.
    pub segment: u32,
    /// Offset in that segment.
    pub offset_bytes: u64,
    /// What the kernel said. `ENODATA` stands for a log that ended before the range did.
    pub errno: Errno,
}

/// Why a strategy could not be opened.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
pub enum OpenError {
    /// The kernel, the file system or the device refuses a call that the strategy needs.
    #[error("{call}: {errno}{}{hint}", if hint.is_empty() { "" } else { ": " })]
    Unsupported {
        /// The refused call.
        call: &'static str,
        /// What the kernel said.
        errno: Errno,
        /// What would help, or nothing.
        hint: &'static str,
    },
    /// The strategy cannot do what the scenario asks.
    #[error("{why}")]
    Refused {
        /// The reason, as a clause.
        why: &'static str,
    },
    /// Something that should have worked did not.
    #[error("{call}: {errno}")]
    Failed {
        /// The call that failed.
        call: &'static str,
        /// What the kernel said.
        errno: Errno,
    },
}

impl OpenError {
    /// A refusal by the kernel.
    #[must_use]
    pub fn unsupported(call: &'static str, errno: Errno) -> OpenError {
        OpenError::Unsupported { call, errno, hint: "" }
    }

    /// A failure that says nothing about what the kernel supports.
    #[must_use]
    pub fn failed(call: &'static str, errno: Errno) -> OpenError {
        OpenError::Failed { call, errno }
    }
}
