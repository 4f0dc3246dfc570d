//! What went wrong with a log, where, and what can be done about it?

use std::io;
use std::path::{Path, PathBuf};
use thiserror::Error;

/// Why a log could not be generated, read or imported.
#[derive(Debug, Error)]
pub enum LogError {
    /// A system call failed.
    #[error("{call} {}: {}{}", path.display(), errno_text(error), advice(error))]
    Io {
        /// The call as the manual page names it.
        call: &'static str,
        /// The file it was made for.
        path: PathBuf,
        /// What the kernel answered.
        error: io::Error,
    },
    /// The directory holds no Kafka partition.
    #[error(
        "{}: not a Kafka partition: {why}; name the directory <topic>-<partition> that holds files like 00000000000000000000.log",
        path.display()
    )]
    NotAPartition {
        /// What was looked at.
        path: PathBuf,
        /// What is missing or wrong.
        why: String,
    },
    /// A file's content contradicts its format.
    #[error("{}, byte {position_bytes}: {what}; `zclab log verify` tells what else is wrong", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Where in it.
        position_bytes: u64,
        /// What is wrong there.
        what: String,
    },
    /// A spec that no log can have.
    #[error("log spec, {key}: {why}")]
    Spec {
        /// The field.
        key: &'static str,
        /// What was expected.
        why: String,
    },
    /// The place is taken.
    #[error("{}: exists already; remove it or choose another place", path.display())]
    Exists {
        /// The place.
        path: PathBuf,
    },
    /// A name of an imported log that cannot be used.
    #[error("imported log {name:?}: {why}")]
    Name {
        /// The name as given.
        name: String,
        /// What is wrong with it, and what to do.
        why: String,
    },
}

impl LogError {
    /// Makes `result.map_err(LogError::io("open", path))` possible.
    pub(crate) fn io<'a>(
        call: &'static str,
        path: &'a Path,
    ) -> impl FnOnce(io::Error) -> Self + 'a {
        move |error| Self::Io { call, path: path.to_path_buf(), error }
    }
}

/// `ENOSPC (No space left on device)`: the name is what manual pages and scripts look for.
fn errno_text(error: &io::Error) -> String {
    match error.raw_os_error() {
        Some(code) => {
            let errno = nix::errno::Errno::from_raw(code);
            format!("{errno:?} ({})", errno.desc())
        }
        None => error.to_string(),
    }
}

fn advice(error: &io::Error) -> &'static str {
    match error.raw_os_error() {
        Some(libc::ENOSPC) => "; free some space or ask for a smaller log",
        Some(libc::EDQUOT) => "; the quota is used up: free some space or ask for a smaller log",
        Some(libc::EROFS) => "; the file system is read-only: choose another place",
        Some(libc::EACCES | libc::EPERM) => "; run as a user who may, or change the permissions",
        _ => "",
    }
}
