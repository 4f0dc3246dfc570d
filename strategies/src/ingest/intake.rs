//! Which bytes are still to come, where in the file do they go, and how far has the file come?
//!
//! Two positions, both in the file: up to the first, bytes have left the socket; up to the second,
//! they are in the file. What lies between is in the engine's hands. Engines hold no position of their
//! own, so a short write or an empty socket is taken up where it stopped. A fetch is due only when the
//! one before it is complete, so that a caller can sync after each.

use super::Source;
use crate::{Bytes, CallError, Calls, Step};
use nix::errno::Errno;
use std::cell::Cell;

/// A run of bytes of the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// Where in the file it begins.
    pub offset_bytes: u64,
    /// How long it is; never empty.
    pub len_bytes: u64,
}

/// The work of one slice: filled before it, emptied by an engine during it.
#[derive(Debug)]
pub struct Intake {
    /// Counts of the calls made for this intake.
    pub calls: Calls,
    source: Source,
    /// Where in the file each fetch ends, in order.
    ends: Vec<u64>,
    taken_at: u64,
    kept_at: u64,
    complete: usize,
    finished: usize,
    blocked: bool,
    mapped_bytes: Cell<u64>,
}

impl Intake {
    /// An intake with nothing due.
    #[must_use]
    pub fn new(source: Source) -> Intake {
        Intake {
            calls: Calls::default(),
            source,
            ends: Vec::new(),
            taken_at: 0,
            kept_at: 0,
            complete: 0,
            finished: 0,
            blocked: false,
            mapped_bytes: Cell::new(0),
        }
    }

    /// Empties it and sets the counts to zero; what is pushed next goes to the file from here on.
    pub fn clear(&mut self, offset_bytes: u64) {
        self.ends.clear();
        (self.taken_at, self.kept_at) = (offset_bytes, offset_bytes);
        (self.complete, self.finished, self.blocked) = (0, 0, false);
        self.mapped_bytes.set(0);
        self.calls.reset();
    }

    /// Adds a fetch of so many bytes behind those pushed before. All memory is taken here.
    pub fn push(&mut self, len_bytes: u64) {
        let begin = self.ends.last().copied().unwrap_or(self.taken_at);
        self.ends.push(begin + len_bytes);
        self.settle();
    }

    /// The socket.
    #[must_use]
    pub fn source(&self) -> Source {
        self.source
    }

    /// What is to be taken from the socket next: the rest of the fetch at hand. Nothing when all of it
    /// was taken, or the socket has nothing: see [`idle`](Self::idle).
    #[must_use]
    #[inline]
    pub fn due(&self) -> Option<Span> {
        let end = *self.ends.get(self.complete)?;
        let len_bytes = end - self.taken_at;
        let some = len_bytes > 0 && !self.blocked;
        some.then_some(Span { offset_bytes: self.taken_at, len_bytes })
    }

    /// What has left the socket and is not in the file yet.
    #[must_use]
    #[inline]
    pub fn held(&self) -> Option<Span> {
        let len_bytes = self.taken_at - self.kept_at;
        (len_bytes > 0).then_some(Span { offset_bytes: self.kept_at, len_bytes })
    }

    /// Notes that so many bytes left the socket.
    #[inline]
    pub fn take(&mut self, bytes: u64) {
        self.taken_at += bytes;
        debug_assert!(self.taken_at <= self.end(), "more bytes came than were due");
    }

    /// Notes that so many of the bytes taken are in the file.
    #[inline]
    pub fn keep(&mut self, bytes: u64) {
        self.kept_at += bytes;
        debug_assert!(self.kept_at <= self.taken_at, "bytes were kept that never came");
        self.settle();
    }

    /// Notes that so many bytes were handed over by mapping their pages.
    pub fn note_mapped(&self, bytes: u64) {
        self.mapped_bytes.set(self.mapped_bytes.get() + bytes);
    }

    /// Bytes that were handed over by mapping their pages.
    #[must_use]
    pub fn mapped(&self) -> Bytes {
        Bytes(self.mapped_bytes.get())
    }

    /// Notes that the socket has nothing. Nothing is due until [`unblock`](Self::unblock).
    pub fn block(&mut self) {
        self.blocked = true;
    }

    /// Notes that the socket can be read again.
    pub fn unblock(&mut self) {
        self.blocked = false;
    }

    /// What a step returns when nothing is due.
    #[must_use]
    pub fn idle(&self) -> Step {
        match self.remaining().0 {
            0 => Step::Done,
            _ if self.blocked => Step::Blocked,
            _ => Step::Moved,
        }
    }

    /// How many fetches were completed since the last call to
    /// [`forget_finished`](Self::forget_finished).
    #[must_use]
    pub fn finished(&self) -> usize {
        self.finished
    }

    /// Begins to count completed fetches anew.
    pub fn forget_finished(&mut self) {
        self.finished = 0;
    }

    /// Bytes that are not in the file yet.
    #[must_use]
    pub fn remaining(&self) -> Bytes {
        Bytes(self.end() - self.kept_at)
    }

    /// The error for a call that failed where the file stands.
    #[must_use]
    pub fn error(&self, call: &'static str, errno: Errno) -> CallError {
        CallError { call, segment: 0, offset_bytes: self.kept_at, errno }
    }

    /// The usual answer to a call on the socket that failed: an empty socket is noted and the step
    /// goes on, anything else is an error.
    ///
    /// # Errors
    /// The call's error, unless it was `EAGAIN`.
    pub fn refuse(&mut self, call: &'static str, errno: Errno) -> Result<Step, CallError> {
        if errno == Errno::EAGAIN {
            self.block();
            return Ok(Step::Moved);
        }
        Err(self.error(call, errno))
    }

    fn end(&self) -> u64 {
        self.ends.last().copied().unwrap_or(self.taken_at)
    }

    fn settle(&mut self) {
        while self.ends.get(self.complete).is_some_and(|&end| end == self.kept_at) {
            self.complete += 1;
            self.finished += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::SinkKind;

    #[test]
    fn a_fetch_is_due_when_the_one_before_it_is_in_the_file() {
        let mut intake = Intake::new(Source { fd: -1, kind: SinkKind::UnixStream });
        assert_eq!((intake.due(), intake.idle()), (None, Step::Done));
        intake.clear(100);
        [0, 10, 0, 5].into_iter().for_each(|len| intake.push(len));
        assert_eq!(intake.finished(), 1, "one without bytes is complete when it is asked for");
        let span = |offset_bytes, len_bytes| Some(Span { offset_bytes, len_bytes });
        assert_eq!((intake.due(), intake.held()), (span(100, 10), None));
        intake.take(10);
        assert_eq!((intake.due(), intake.held()), (None, span(100, 10)));
        assert_eq!(intake.idle(), Step::Moved, "there is something to write");
        intake.keep(9);
        assert_eq!((intake.due(), intake.held()), (None, span(109, 1)));
        intake.keep(1);
        assert_eq!((intake.due(), intake.finished()), (span(110, 5), 3));
        intake.block();
        assert_eq!((intake.due(), intake.idle()), (None, Step::Blocked));
        intake.unblock();
        intake.take(5);
        intake.keep(5);
        assert_eq!(
            (intake.idle(), intake.remaining(), intake.finished()),
            (Step::Done, Bytes(0), 4)
        );
    }
}
