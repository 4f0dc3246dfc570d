//! Which bytes of the log lie in the user buffer, left over from a short write?
//!
//! Strategies that carry bytes through user memory read a piece and then hand it to a sink that may
//! take only a part. The rest is sent from the buffer, not read again, as long as the same lane
//! comes next; with several full sinks sharing one buffer the rest is read again, which costs what
//! it costs and shows in the counts. A residue never serves another lane, and bytes that were sent
//! once are never found again: either would turn N reads into one.

use crate::{LaneId, Piece};
use std::ops::Range;

/// The unsent bytes in a user buffer.
#[derive(Debug, Default)]
pub struct Residue {
    held: Option<Held>,
}

#[derive(Debug)]
struct Held {
    lane: LaneId,
    /// The unsent bytes, as a piece of the log.
    piece: Piece,
    /// Where in the buffer they begin.
    start: usize,
}

impl Residue {
    /// The part of the buffer that holds the beginning of `piece` for `lane`, if any.
    #[must_use]
    #[inline]
    pub fn find(&self, lane: LaneId, piece: Piece) -> Option<Range<usize>> {
        let held = self.held.as_ref()?;
        let here = held.lane == lane
            && held.piece.segment == piece.segment
            && held.piece.offset_bytes == piece.offset_bytes;
        let len = held.piece.len_bytes.min(piece.len_bytes) as usize;
        here.then_some(held.start..held.start + len)
    }

    /// Notes that the buffer, from `start` on, holds this unsent piece for that lane.
    #[inline]
    pub fn keep(&mut self, lane: LaneId, piece: Piece, start: usize) {
        self.held = Some(Held { lane, piece, start });
    }

    /// Notes that the first `bytes` of what is held were sent.
    #[inline]
    pub fn sent(&mut self, bytes: usize) {
        let Some(held) = &mut self.held else { return };
        held.start += bytes;
        held.piece.offset_bytes += bytes as u64;
        held.piece.len_bytes = held.piece.len_bytes.saturating_sub(bytes as u64);
        if held.piece.len_bytes == 0 {
            self.held = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_same_lane_finds_the_rest_and_only_once() {
        let piece = |offset_bytes, len_bytes| Piece { segment: 3, offset_bytes, len_bytes };
        let mut residue = Residue::default();
        residue.keep(1, piece(100, 50), 4);
        residue.sent(10);
        assert_eq!(residue.find(1, piece(110, 40)), Some(14..54));
        assert_eq!(residue.find(1, piece(110, 4)), Some(14..18));
        assert_eq!(residue.find(0, piece(110, 40)), None);
        assert_eq!(residue.find(1, piece(100, 50)), None);
        assert_eq!(residue.find(1, Piece { segment: 2, ..piece(110, 40) }), None);
        residue.sent(40);
        assert_eq!(residue.find(1, piece(110, 40)), None);
        assert_eq!(residue.find(1, piece(150, 1)), None);
    }
}
