//! When does a fetch of a log's end become due?
//!
//! When its bytes are in the file, and not before: nobody reads what is not there. So a queue holds
//! all fetches of a slice, and each is let go, for all consumers, as soon as the producer has noted
//! on the [`Board`] that it appended its bytes. A sender that has delivered everything and is ahead
//! of the producer sleeps, as a broker does with a fetch that waits at the end of a log.

use super::board::Board;
use crate::trial::drive::DriveError;
use nix::errno::Errno;
use std::sync::Arc;
use std::time::Duration;
use zclab_strategies::{Call, Calls, LaneId};

/// A sender's view of the board during one slice.
#[derive(Clone, Debug)]
pub struct Follow {
    board: Arc<Board>,
    fetches: u32,
    released: u32,
    lanes: usize,
    limit: Duration,
}

impl Follow {
    /// A slice of so many fetches for each of so many lanes, in which an append comes within this
    /// time.
    #[must_use]
    pub fn new(board: &Arc<Board>, fetches: u32, lanes: usize, limit: Duration) -> Follow {
        Follow { board: Arc::clone(board), fetches, released: 0, lanes, limit }
    }

    /// The same for a queue that has one lane of many.
    #[must_use]
    pub fn of_one_lane(&self) -> Follow {
        Follow { lanes: 1, ..self.clone() }
    }

    /// Lets go what was appended since it last looked; whether more will be.
    #[inline]
    pub fn release(&mut self, mut release: impl FnMut(LaneId)) -> bool {
        let appended = self.board.appended().min(self.fetches);
        while self.released < appended {
            (0..self.lanes).for_each(&mut release);
            self.released += 1;
        }
        self.released < self.fetches
    }

    /// So many deliveries were accepted: a producer that waits for its consumers may go on.
    #[inline]
    pub fn delivered(&self, count: usize) {
        self.board.deliver(count as u64);
    }

    /// Sleeps until there is more: every byte that is in the file has been accepted.
    ///
    /// # Errors
    /// Nothing came in time, or nothing will.
    pub fn wait(&self, calls: &Calls) -> Result<(), DriveError> {
        calls.count(Call::Futex);
        let waited = self.board.wait(self.released, self.limit);
        match waited {
            _ if self.board.failed() => Err(DriveError::NoAppend { after: None }),
            Err(Errno::ETIMEDOUT) => Err(DriveError::NoAppend { after: Some(self.limit) }),
            Err(errno) => Err(DriveError::Wait("futex", errno)),
            Ok(()) => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_fetch_is_let_go_once_it_is_there_for_every_lane() {
        let board = Arc::new(Board::make(8).unwrap());
        let mut follow = Follow::new(&board, 3, 2, Duration::from_secs(60));
        let mut seen = Vec::new();
        assert!(follow.release(|lane| seen.push(lane)), "nothing is there yet");
        board.append(0, 1);
        assert!(follow.release(|lane| seen.push(lane)));
        board.append(1, 2);
        board.append(2, 3);
        assert!(!follow.release(|lane| seen.push(lane)), "that was all");
        assert_eq!(seen, [0, 1, 0, 1, 0, 1]);
        follow.delivered(5);
        assert_eq!(board.delivered(), 5);
    }

    #[test]
    fn a_wait_ends_with_the_producer_or_with_patience() {
        let board = Arc::new(Board::make(1).unwrap());
        let calls = Calls::default();
        let follow = Follow::new(&board, 1, 1, Duration::from_millis(1));
        let late = follow.wait(&calls);
        assert!(matches!(late, Err(DriveError::NoAppend { after: Some(_) })), "{late:?}");
        board.fail();
        let gone = follow.wait(&calls);
        assert!(matches!(gone, Err(DriveError::NoAppend { after: None })), "{gone:?}");
        assert_eq!(calls.counts().map(|(_, n)| n).sum::<u64>(), 2);
    }
}
