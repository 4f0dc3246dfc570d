//! What if each fetch has a file of its own, which is opened for it and closed after it?
//!
//! A server of small files opens, sends and closes. An engine knows its files by their descriptors'
//! numbers, so the number stays and the file behind it is closed and opened again. The kernel gives a
//! new file the lowest number that is free, which is the one that was just given back: each fetch costs
//! one `close` and one `openat` more. Where a lower one is free, the file is moved (`fcntl`, `close`),
//! and that is counted as well. A fetch is begun when all consumers have the one before.

use super::drive::DriveError;
use super::fetches::Block;
use super::wire::Trouble;
use nix::errno::Errno;
use std::ffi::{CStr, CString};
use std::os::fd::{AsRawFd, RawFd};
use std::os::unix::ffi::OsStrExt;
use zclab_strategies::{Call, CallError, Calls, Queue, Segment};

/// How files are opened.
const FLAGS: libc::c_int = libc::O_RDONLY | libc::O_CLOEXEC;

/// One file to open: its name, and the number that its descriptor has to have.
#[derive(Clone, Debug)]
struct Opened {
    segment: u32,
    name: CString,
    fd: RawFd,
}

/// The files of a slice's fetches, in their order.
#[derive(Clone, Debug)]
pub struct Opens {
    files: Vec<Opened>,
    lanes: usize,
    begun: usize,
    delivered: usize,
}

impl Opens {
    /// The files of a block, each fetch of which lies in one.
    ///
    /// # Errors
    /// A name that no system call could be given.
    pub fn new(block: &Block, lanes: usize, segments: &[Segment]) -> Result<Opens, Trouble> {
        let file = |segment: u32| {
            let of = &segments[segment as usize];
            let name = CString::new(of.path.as_os_str().as_bytes())
                .map_err(|error| Trouble::failed(format!("{}: {error}", of.path.display())))?;
            Ok(Opened { segment, name, fd: of.file.as_raw_fd() })
        };
        let first = |pieces: &Vec<zclab_strategies::Piece>| Some(pieces.first()?.segment);
        let files: Result<Vec<Opened>, Trouble> =
            block.fetches.iter().filter_map(first).map(file).collect();
        Ok(Opens { files: files?, lanes, begun: 0, delivered: 0 })
    }

    /// Begins anew.
    pub fn begin(&mut self) {
        (self.begun, self.delivered) = (0, 0);
    }

    /// Opens the next file and lets its fetch go, where all consumers have the one before; whether
    /// there are more.
    ///
    /// # Errors
    /// A file that could not be closed or opened again.
    #[inline]
    pub fn release(&mut self, queue: &mut Queue) -> Result<bool, DriveError> {
        if self.delivered == self.begun * self.lanes
            && let Some(next) = self.files.get(self.begun)
        {
            next.open(&queue.calls).map_err(DriveError::Call)?;
            (0..self.lanes).for_each(|lane| queue.release(lane));
            self.begun += 1;
        }
        Ok(self.begun < self.files.len())
    }

    /// So many deliveries are complete.
    #[inline]
    pub fn delivered(&mut self, count: usize) {
        self.delivered += count;
    }
}

impl Opened {
    /// Closes the file and opens it again behind the same number.
    fn open(&self, calls: &Calls) -> Result<(), CallError> {
        let failed =
            |call| move |errno| CallError { call, segment: self.segment, offset_bytes: 0, errno };
        calls.count(Call::Close);
        // SAFETY: the descriptor is the segment's own, and the engine, the only one to use it, is at
        // rest: every byte that was asked of it has been delivered. Until the number is given out
        // again below nobody looks at it, and its owner closes whatever is behind it in the end.
        let closed = unsafe { libc::close(self.fd) };
        let opened = open(calls, &self.name);
        if opened == Ok(self.fd) {
            return Errno::result(closed).map(drop).map_err(failed("close"));
        }
        // The number's owner will close it: something has to be behind it, whatever went wrong.
        let instead = opened.or_else(|_| open(calls, c"/dev/null")).map_err(failed("openat"))?;
        if instead != self.fd {
            move_to(calls, instead, self.fd).map_err(failed("fcntl(F_DUPFD_CLOEXEC)"))?;
        }
        opened.map(drop).map_err(failed("openat"))
    }
}

/// openat(2), for reading.
fn open(calls: &Calls, name: &CStr) -> Result<RawFd, Errno> {
    calls.count(Call::Openat);
    // SAFETY: the name ends with a zero, is borrowed for the call, and is only read.
    Errno::result(unsafe { libc::openat(libc::AT_FDCWD, name.as_ptr(), FLAGS) })
}

/// Puts a descriptor that is nobody else's behind another number, which is free.
fn move_to(calls: &Calls, from: RawFd, to: RawFd) -> Result<(), Errno> {
    calls.count(Call::Fcntl);
    // SAFETY: integers only; `from` was just opened and is nobody else's, and unlike dup3 the call takes
    // no number away from a file that has it.
    let moved = Errno::result(unsafe { libc::fcntl(from, libc::F_DUPFD_CLOEXEC, to) });
    calls.count(Call::Close);
    // SAFETY: as above; its file lives on behind the other number.
    unsafe { libc::close(from) };
    match moved {
        // Of a race with another thread's open dup3(2) says EBUSY; no trial with this access has any.
        Ok(number) if number != to => Err(Errno::EBUSY),
        other => other.map(drop),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::File;
    use std::io::Read;
    use zclab_strategies::{Bytes, Piece};

    fn segment(dir: &std::path::Path, name: &str) -> Segment {
        let path = dir.join(name);
        std::fs::write(&path, name).unwrap();
        Segment { file: File::open(&path).unwrap(), path, len: Bytes(name.len() as u64) }
    }

    /// Whether this process has no other test that could take a number that is free for a moment; if it
    /// has, the test is run in one of its own.
    fn alone(name: &str) -> bool {
        const ALONE: &str = "ZCLAB_TEST_ALONE";
        if std::env::var_os(ALONE).is_some() {
            return true;
        }
        let name = format!("trial::opens::tests::{name}");
        let mut command = std::process::Command::new(std::env::current_exe().unwrap());
        let output = command.args(["--exact", &name]).env(ALONE, "1").output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success() && said.contains("1 passed"), "{said}");
        false
    }

    #[test]
    fn where_a_lower_number_is_free_the_file_is_moved_and_that_is_counted() {
        if !alone("where_a_lower_number_is_free_the_file_is_moved_and_that_is_counted") {
            return;
        }
        let dir = tempfile::tempdir().unwrap();
        let lower = File::open(dir.path()).unwrap();
        let segments = [segment(dir.path(), "only")];
        let piece = Piece { segment: 0, offset_bytes: 0, len_bytes: 4 };
        let block = Block { fetches: vec![vec![piece]; 2], messages: 0 };
        let opens = Opens::new(&block, 1, &segments).unwrap();
        drop(lower);
        let calls = Calls::default();
        opens.files.iter().for_each(|file| file.open(&calls).unwrap());
        let mut text = String::new();
        (&segments[0].file).read_to_string(&mut text).unwrap();
        assert_eq!(text, "only");
        // The first goes to the lower number and is moved, which frees it for the second.
        assert_eq!((calls.of(Call::Openat), calls.of(Call::Fcntl)), (2, 2));
        assert_eq!(calls.of(Call::Close), 2 + calls.of(Call::Fcntl));
    }

    #[test]
    fn a_file_that_was_replaced_is_another_behind_the_same_number() {
        if !alone("a_file_that_was_replaced_is_another_behind_the_same_number") {
            return;
        }
        let dir = tempfile::tempdir().unwrap();
        let segments = [segment(dir.path(), "first"), segment(dir.path(), "second")];
        let piece = Piece { segment: 1, offset_bytes: 0, len_bytes: 6 };
        let block = Block { fetches: vec![vec![piece]], messages: 0 };
        let opens = Opens::new(&block, 1, &segments).unwrap();
        std::fs::remove_file(&segments[1].path).unwrap();
        std::fs::write(&segments[1].path, "third").unwrap();
        let calls = Calls::default();
        opens.files[0].open(&calls).unwrap();
        let mut text = String::new();
        (&segments[1].file).read_to_string(&mut text).unwrap();
        assert_eq!(text, "third");
        std::fs::remove_file(&segments[1].path).unwrap();
        let gone = opens.files[0].open(&calls).unwrap_err();
        assert_eq!((gone.call, gone.segment), ("openat", 1));
        assert!(segments[1].file.metadata().is_ok(), "something is behind the number");
    }
}
