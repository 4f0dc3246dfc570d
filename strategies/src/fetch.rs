//! What is to be moved: which runs of bytes, behind which header, and which of it is next?

use crate::Sink;
use std::ops::Range;

/// Index of a sink, and of its lane.
pub type LaneId = usize;

/// A run of bytes in one segment of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Piece {
    /// Index of the segment.
    pub segment: u32,
    /// Where in the segment the piece begins.
    pub offset_bytes: u64,
    /// How long it is; zero is allowed and moves nothing.
    pub len_bytes: u64,
}

impl Piece {
    /// How many of its bytes lie before its first and behind its last whole block; none where there
    /// are no blocks.
    #[must_use]
    pub fn outside_blocks(self, block_bytes: u64) -> u64 {
        if block_bytes == 0 {
            return 0;
        }
        let to_first = self.offset_bytes.next_multiple_of(block_bytes) - self.offset_bytes;
        let head = to_first.min(self.len_bytes);
        head + (self.len_bytes - head) % block_bytes
    }
}

/// One request to serve: where its header and its pieces lie in the queue's own arenas.
#[derive(Clone, Debug)]
pub struct Fetch {
    pub(crate) header: Range<usize>,
    pub(crate) pieces: Range<usize>,
}

/// Where in the queue's memory the rest of a header lies: see
/// [`Queue::header`](crate::Queue::header).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    pub(crate) start: usize,
    pub(crate) end: usize,
}

/// What lies next on a lane.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// Bytes in memory that precede the data; never empty.
    Header(Header),
    /// Bytes of the log; never empty.
    Log(Piece),
}

/// The next bytes for one sink.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Job {
    /// The lane to report progress on.
    pub lane: LaneId,
    /// Index of the fetch, in the order of [`Queue::push`](crate::Queue::push); lanes that share a
    /// fetch share its bytes.
    pub fetch: u32,
    /// Where the bytes go.
    pub sink: Sink,
    /// What is left of the part that comes next.
    pub part: Part,
    /// More of the same fetch follows this part: `MSG_MORE` is right.
    pub more: bool,
}

impl PartialEq for Sink {
    fn eq(&self, other: &Self) -> bool {
        self.fd == other.fd && self.kind == other.kind
    }
}
impl Eq for Sink {}

/// A delivery that was completed: one fetch, on one lane.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Finished {
    /// The lane.
    pub lane: LaneId,
    /// Index of the fetch, in the order of [`Queue::push`](crate::Queue::push).
    pub fetch: u32,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heads_and_tails_of_blocks() {
        let of = |offset_bytes, len_bytes| {
            Piece { segment: 0, offset_bytes, len_bytes }.outside_blocks(512)
        };
        assert_eq!([of(0, 0), of(7, 0), of(0, 512), of(512, 4096)], [0; 4]);
        assert_eq!([of(1, 4096), of(511, 512), of(100, 100), of(0, 511)], [512, 512, 100, 511]);
        assert_eq!([of(510, 4), of(510, 2 + 512 + 9), of(1024, 513)], [4, 11, 1]);
        assert_eq!(Piece { segment: 0, offset_bytes: 9, len_bytes: 9 }.outside_blocks(0), 0);
    }
}
