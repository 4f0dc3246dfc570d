//! What if each fetch has a file of its own, which is opened for it and closed after it?
//!
//! A server of small files opens, sends and closes. An engine knows its files by their descriptors'
//! numbers, so the number stays and the file behind it is closed and opened again: the kernel gives a
//! new file the lowest number that is free, and only that one is. Each fetch costs one `close` and
//! one `openat` more, and is begun when all consumers have the one before.

use super::drive::DriveError;
use super::fetches::Block;
use super::wire::Trouble;
use nix::errno::Errno;
use std::ffi::CString;
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
            |call, errno| CallError { call, segment: self.segment, offset_bytes: 0, errno };
        calls.count(Call::Close);
        // SAFETY: the descriptor is the segment's own, and the engine, the only one to use it, is at
        // rest: every byte that was asked of it has been delivered. Until the number is given out
        // again below nobody looks at it, and its owner closes whatever is behind it in the end.
        let closed = unsafe { libc::close(self.fd) };
        calls.count(Call::Openat);
        // SAFETY: the name ends with a zero, lives as long as `self`, and is only read.
        let fd = unsafe { libc::openat(libc::AT_FDCWD, self.name.as_ptr(), FLAGS) };
        let opened = Errno::result(fd);
        if opened == Ok(self.fd) {
            return Errno::result(closed).map(drop).map_err(|errno| failed("close", errno));
        }
        // The number's owner will close it: something has to be behind it, whatever went wrong.
        self.fill(opened.ok());
        match opened {
            Err(errno) => Err(failed("openat", errno)),
            // Another thread of this process took the number meanwhile.
            Ok(_) => Err(failed("openat", Errno::EMFILE)),
        }
    }

    /// Puts this descriptor, or /dev/null, behind the number.
    fn fill(&self, opened: Option<RawFd>) {
        let null = c"/dev/null";
        // SAFETY: the name is a constant that ends with a zero, and is only read.
        let other = || unsafe { libc::openat(libc::AT_FDCWD, null.as_ptr(), FLAGS) };
        let from = opened.unwrap_or_else(other);
        if from >= 0 && from != self.fd {
            // SAFETY: two integers; `from` was just opened here and is nobody else's.
            unsafe { libc::dup3(from, self.fd, libc::O_CLOEXEC) };
            // SAFETY: as above; its file lives on behind the number.
            unsafe { libc::close(from) };
        }
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

    #[test]
    fn a_file_that_was_replaced_is_another_behind_the_same_number() {
        let dir = tempfile::tempdir().unwrap();
        let segments = [segment(dir.path(), "first"), segment(dir.path(), "second")];
        let piece = Piece { segment: 1, offset_bytes: 0, len_bytes: 6 };
        let block = Block { fetches: vec![vec![piece]], messages: 0 };
        let opens = Opens::new(&block, 1, &segments).unwrap();
        std::fs::remove_file(&segments[1].path).unwrap();
        std::fs::write(&segments[1].path, "third").unwrap();
        let calls = Calls::default();
        // Other tests of this process may take the number, which is then an error and not a file.
        if opens.files[0].open(&calls).is_ok() {
            let mut text = String::new();
            (&segments[1].file).read_to_string(&mut text).unwrap();
            assert_eq!(text, "third");
        }
        std::fs::remove_file(&segments[1].path).unwrap();
        let gone = opens.files[0].open(&calls).unwrap_err();
        assert_eq!((gone.call, gone.segment), ("openat", 1));
        assert!(segments[1].file.metadata().is_ok(), "something is behind the number");
    }
}
