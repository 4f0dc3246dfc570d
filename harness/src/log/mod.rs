//! What is the log that a scenario moves, and where do its bytes lie?

mod error;
pub mod kafka;
pub(crate) mod staging;

pub use error::LogError;
pub use kafka::scan;

use std::path::PathBuf;

/// A log that is ready to be read.
#[derive(Clone, Debug)]
pub struct Log {
    /// The partition's directory.
    pub dir: PathBuf,
    /// Its segments, in order of offsets.
    pub segments: Vec<SegmentFile>,
    /// Its batches, in order.
    pub batches: Vec<BatchSpan>,
}

/// One `.log` file.
#[derive(Clone, Debug)]
pub struct SegmentFile {
    /// Where it lies.
    pub path: PathBuf,
    /// The offset that names it.
    pub base_offset: i64,
    /// Bytes of whole, valid batches: a truncated tail is not counted.
    pub len_bytes: u64,
}

/// Where one batch lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BatchSpan {
    /// Index of its segment.
    pub segment: u32,
    /// Where in the segment it begins.
    pub position_bytes: u64,
    /// Its length, header included.
    pub len_bytes: u32,
    /// Records in it.
    pub records: u32,
}
