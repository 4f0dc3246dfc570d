//! Which bytes of the log lie in the user buffer, left over from a short write?
//!
//! Strategies that carry bytes through user memory read a piece and then hand it to a sink that may
//! take only a part. The rest is sent from the buffer, not read again, as long as the same lane comes
//! next; with several full sinks sharing one buffer the rest is read again, which costs what it costs
//! and shows in the counts. A residue never serves another lane: that would turn N reads into one.

use crate::{LaneId, Piece};
use std::ops::Range;

/// What a user buffer holds of the log.
#[derive(Debug, Default)]
pub struct Residue {
    held: Option<(LaneId, Piece)>,
}

impl Residue {
    /// The part of the buffer that holds the beginning of `piece` for `lane`, if any.
    #[must_use]
    pub fn find(&self, lane: LaneId, piece: Piece) -> Option<Range<usize>> {
        let (owner, held) = self.held?;
        let skip = piece.offset_bytes.checked_sub(held.offset_bytes)?;
        let here = owner == lane && held.segment == piece.segment && skip < held.len_bytes;
        let end = held.len_bytes.min(skip + piece.len_bytes);
        here.then_some(skip as usize..end as usize)
    }

    /// Notes that the buffer, from its beginning, holds this piece for that lane.
    pub fn keep(&mut self, lane: LaneId, piece: Piece) {
        self.held = Some((lane, piece));
    }

    /// Notes that everything was sent.
    pub fn forget(&mut self) {
        self.held = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_same_lane_finds_the_rest() {
        let piece = |offset_bytes, len_bytes| Piece { segment: 3, offset_bytes, len_bytes };
        let mut residue = Residue::default();
        residue.keep(1, piece(100, 50));
        assert_eq!(residue.find(1, piece(110, 40)), Some(10..50));
        assert_eq!(residue.find(1, piece(110, 4)), Some(10..14));
        assert_eq!(residue.find(0, piece(110, 40)), None);
        assert_eq!(residue.find(1, piece(150, 1)), None);
        assert_eq!(residue.find(1, piece(99, 1)), None);
        assert_eq!(residue.find(1, Piece { segment: 2, ..piece(110, 1) }), None);
        residue.forget();
        assert_eq!(residue.find(1, piece(110, 40)), None);
    }
}
