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
