//! How does a message cross a pipe, and how long is one waited for?

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::io::{Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::time::{Duration, Instant};

/// Reads lines from a pipe, each within a time limit.
pub struct Lines<R> {
    from: R,
    buffer: Vec<u8>,
    scanned: usize,
}

/// Why no line came.
#[derive(Debug, thiserror::Error)]
pub enum NoLine {
    /// The other side has gone.
    #[error("the other side closed the pipe")]
    Closed,
    /// Nothing came in time.
    #[error("no answer within {0:?}")]
    Late(Duration),
    /// Reading failed, or what came was not what the protocol says.
    #[error("{0}")]
    Broken(String),
}

impl<R: Read + AsFd> Lines<R> {
    /// A reader of lines from this pipe.
    pub fn new(from: R) -> Lines<R> {
        Lines { from, buffer: Vec::new(), scanned: 0 }
    }

    /// The next message, or why none came within the limit.
    ///
    /// # Errors
    /// See [`NoLine`].
    pub fn next<T: DeserializeOwned>(&mut self, limit: Duration) -> Result<T, NoLine> {
        let line = self.line(limit)?;
        serde_json::from_slice(&line).map_err(|error| {
            NoLine::Broken(format!("{error} in {:.200}", String::from_utf8_lossy(&line)))
        })
    }

    fn line(&mut self, limit: Duration) -> Result<Vec<u8>, NoLine> {
        let deadline = Instant::now() + limit;
        loop {
            if let Some(at) = self.buffer[self.scanned..].iter().position(|&b| b == b'\n') {
                let rest = self.buffer.split_off(self.scanned + at + 1);
                self.scanned = 0;
                return Ok(std::mem::replace(&mut self.buffer, rest));
            }
            self.scanned = self.buffer.len();
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(NoLine::Late(limit));
            }
            self.more(left)?;
        }
    }

    fn more(&mut self, left: Duration) -> Result<(), NoLine> {
        let millis = left.as_millis().min(60_000) as u16 + 1;
        let mut wait = [PollFd::new(self.from.as_fd(), PollFlags::POLLIN)];
        match poll(&mut wait, PollTimeout::from(millis)) {
            Ok(0) | Err(Errno::EINTR) => return Ok(()),
            Ok(_) => {}
            Err(errno) => return Err(NoLine::Broken(format!("poll: {errno}"))),
        }
        let mut chunk = [0u8; 16 << 10];
        match self.from.read(&mut chunk) {
            Ok(0) => Err(NoLine::Closed),
            Ok(got) => {
                self.buffer.extend_from_slice(&chunk[..got]);
                Ok(())
            }
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => Ok(()),
            Err(error) => Err(NoLine::Broken(format!("read: {error}"))),
        }
    }
}

impl<R: AsFd> AsFd for Lines<R> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.from.as_fd()
    }
}

/// Writes one message and its line end.
///
/// # Errors
/// What the pipe said; `EPIPE` when the other side has gone.
pub fn say<T: Serialize>(to: &mut impl Write, message: &T) -> std::io::Result<()> {
    let mut line = serde_json::to_vec(message)?;
    line.push(b'\n');
    to.write_all(&line)?;
    to.flush()
}

#[cfg(test)]
mod tests {
    use super::super::Expect;
    use super::*;

    #[test]
    fn lines_arrive_whole_however_they_are_cut() {
        let (reader, mut writer) = std::io::pipe().unwrap();
        let mut lines = Lines::new(reader);
        writer.write_all(b"{\"bytes_each\":7,\"con").unwrap();
        let late = lines.next::<Expect>(Duration::from_millis(20));
        assert!(matches!(late, Err(NoLine::Late(_))));
        writer.write_all(b"tent\":true}\n{\"bytes_each\":8,\"content\":false}\nrub").unwrap();
        let limit = Duration::from_secs(5);
        assert_eq!(lines.next::<Expect>(limit).unwrap(), Expect { bytes_each: 7, content: true });
        assert_eq!(lines.next::<Expect>(limit).unwrap().bytes_each, 8);
        writer.write_all(b"bish\n").unwrap();
        assert!(matches!(lines.next::<Expect>(limit), Err(NoLine::Broken(_))));
        drop(writer);
        assert!(matches!(lines.next::<Expect>(limit), Err(NoLine::Closed)));
    }
}
