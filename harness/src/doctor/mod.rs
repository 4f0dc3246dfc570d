//! What can this machine do for zclab, and what would unlock the rest?
//!
//! One file for each group of capabilities. A probe makes the call that zclab would make and lets it
//! go again, or reads the file that decides; nothing is concluded from a version number. No probe
//! needs a privilege, and none writes anywhere but to an unlinked file in the folder asked about. A
//! group is asked in a thread of its own, so that a file system that hangs costs one row and no more.
//! The record's `capabilities` are answers of the same probes.

pub mod accounting;
pub mod bpf;
pub mod btf;
pub mod devices;
pub mod isolation;
pub mod limits;
pub mod memory;
pub mod perf;
pub mod privileges;
pub mod sockets;
pub mod storage;
pub mod topology;
pub mod tracepoints;
pub mod uring;

use nix::errno::Errno;
use serde::Serialize;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::Duration;

/// No group is waited for longer.
const PATIENCE: Duration = Duration::from_secs(10);

/// Whether a capability is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// It is.
    Yes,
    /// It is, but not all of it, or in a form that distorts results.
    Partly,
    /// It is not, or it could not be asked.
    No,
}

impl State {
    /// The word in tables and in JSON.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            State::Yes => "yes",
            State::Partly => "partly",
            State::No => "no",
        }
    }
}

/// What a probe found. Whatever is not wholly there comes with what would unlock it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// There: the value, or what was tried.
    Yes(String),
    /// Not wholly there: what is missing, and how to get it.
    Partly(String, String),
    /// Not there: the call and errno, and how to get it.
    No(String, String),
}

/// One row: what it is called, what it is good for, and whether it is there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Capability {
    /// The group, with what was asked about where that was more than one thing: `storage:DIR`.
    pub group: String,
    /// Unique within its group.
    pub name: String,
    /// Whether it is there.
    pub state: State,
    /// The value, or the call and errno that refused it.
    pub value: String,
    /// What zclab does with it.
    pub enables: &'static str,
    /// How to get it: a command wherever there is one. Nothing where all is there.
    pub unlock: Option<String>,
}

impl Capability {
    /// A row; its group is set when the group is gathered.
    pub(crate) fn new(name: impl Into<String>, enables: &'static str, found: Found) -> Capability {
        let (state, value, unlock) = match found {
            Found::Yes(value) => (State::Yes, value, None),
            Found::Partly(value, unlock) => (State::Partly, value, Some(unlock)),
            Found::No(value, unlock) => (State::No, value, Some(unlock)),
        };
        Capability { group: String::new(), name: name.into(), state, value, enables, unlock }
    }

    /// The answer as the record has it: `yes`, or `no: <reason>`. What is there only in part is not
    /// relied on.
    #[must_use]
    pub fn answer(&self) -> String {
        match self.state {
            State::Yes => "yes".to_owned(),
            State::Partly | State::No => format!("no: {}", self.value),
        }
    }
}

/// Every capability, in groups; those of storage once for each folder.
#[must_use]
pub fn examine(dirs: &[PathBuf]) -> Vec<Capability> {
    let mut all = Vec::new();
    let mut group = |name: &str, rows: fn() -> Vec<Capability>| {
        all.extend(gathered(name, PATIENCE, rows));
    };
    group("bpf", bpf::rows);
    group("tracepoints", tracepoints::rows);
    group("perf", perf::rows);
    group("io_uring", uring::rows);
    group("sockets", sockets::rows);
    group("devices", devices::rows);
    group("isolation", isolation::rows);
    group("limits", limits::rows);
    group("memory", memory::rows);
    group("accounting", accounting::rows);
    group("topology", topology::rows);
    for dir in dirs {
        let (name, dir) = (format!("storage:{}", dir.display()), dir.clone());
        all.extend(gathered(&name, PATIENCE, move || storage::rows(&dir)));
    }
    all
}

/// The rows of a group, asked in a thread of its own: a probe that hangs or panics is one row.
fn gathered(
    group: &str,
    patience: Duration,
    ask: impl FnOnce() -> Vec<Capability> + Send + 'static,
) -> Vec<Capability> {
    let (done, waits) = channel();
    let thread = std::thread::Builder::new().spawn(move || done.send(ask()));
    let trouble = match thread.map(|_| waits.recv_timeout(patience)) {
        Ok(Ok(mut rows)) => {
            rows.iter_mut().for_each(|row| row.group = group.to_owned());
            return rows;
        }
        Ok(Err(RecvTimeoutError::Timeout)) => {
            let how = "see with `strace -f zclab doctor` which call does not return".to_owned();
            Found::No(format!("no answer within {patience:?}"), how)
        }
        Ok(Err(RecvTimeoutError::Disconnected)) => {
            let how = "report it with what standard error says: it is a defect of zclab".to_owned();
            Found::No("the probe panicked".to_owned(), how)
        }
        Err(error) => {
            let how = "raise the limit on threads: ulimit -u unlimited".to_owned();
            Found::No(failed("pthread_create", &error), how)
        }
    };
    let mut row = Capability::new("answer", "everything in this group", trouble);
    row.group = group.to_owned();
    vec![row]
}

/// A refused call, as rows say it: the call, the errno by name, and what that means.
fn refused(call: &str, errno: Errno) -> String {
    format!("{call}: {errno}")
}

/// The same for an error of the standard library.
pub(crate) fn failed(call: &str, error: &std::io::Error) -> String {
    match error.raw_os_error() {
        Some(raw) => refused(call, Errno::from_raw(raw)),
        None => format!("{call}: {error}"),
    }
}

/// A file of the kernel as text, or its path and why it cannot be read.
pub(crate) fn read(path: impl AsRef<Path>) -> Result<String, String> {
    let path = path.as_ref();
    let text = std::fs::read_to_string(path);
    let text = text.map_err(|error| failed(&path.display().to_string(), &error))?;
    Ok(text.trim().to_owned())
}

/// A setting as it is told beside a finding: `kernel.perf_event_paranoid = 2`, or why not.
fn sysctl(name: &str) -> String {
    match read(format!("/proc/sys/{}", name.replace('.', "/"))) {
        Ok(value) => format!("{name} = {value}"),
        Err(reason) => reason,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_probe_that_hangs_or_panics_is_one_row() {
        let hangs = || {
            std::thread::sleep(Duration::from_secs(60));
            Vec::new()
        };
        let rows = gathered("storage:x", Duration::from_millis(20), hangs);
        assert_eq!((rows.len(), rows[0].state), (1, State::No));
        assert!(rows[0].value.contains("20ms") && rows[0].group == "storage:x", "{rows:?}");
        let panics = || panic!("as a test wants it");
        let rows = gathered("bpf", PATIENCE, panics);
        assert!(rows[0].value.contains("panicked") && rows[0].unlock.is_some(), "{rows:?}");
    }

    #[test]
    fn what_is_there_only_in_part_is_not_relied_on() {
        let row = |found| Capability::new("a", "b", found).answer();
        assert_eq!(row(Found::Yes("512".into())), "yes");
        assert_eq!(row(Found::Partly("says 0".into(), "x".into())), "no: says 0");
        assert_eq!(row(Found::No("open: EPERM".into(), "x".into())), "no: open: EPERM");
    }

    #[test]
    fn a_refusal_names_call_and_errno() {
        assert_eq!(refused("bpf", Errno::EPERM), "bpf: EPERM: Operation not permitted");
        let error = read("/proc/no-such-file").unwrap_err();
        assert_eq!(error, "/proc/no-such-file: ENOENT: No such file or directory");
    }
}
