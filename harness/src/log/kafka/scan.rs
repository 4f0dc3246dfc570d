//! Where do the batches of a partition lie? Headers are read, nothing else.

use super::partition::{self, Walk};
use crate::log::{BatchSpan, Log, LogError, SegmentFile};
use std::path::Path;

/// Reads the headers of all batches. A truncated or preallocated tail is left out; files that are
/// not Kafka's are ignored. Checksums are not looked at: that is `verify`'s work.
///
/// # Errors
/// When the directory is no Kafka partition, a call fails, or a batch's header cannot be one.
pub fn scan(dir: &Path) -> Result<Log, LogError> {
    let listing = partition::list(dir)?;
    let mut log = Log { dir: dir.to_path_buf(), segments: Vec::new(), batches: Vec::new() };
    let mut last_offset = -1;
    for (number, &base_offset) in listing.segments.iter().enumerate() {
        let path = partition::file(dir, base_offset, "log");
        let mut walk = Walk::open(&path)?;
        while let Some((position_bytes, header)) = walk.next_header()? {
            if header.base_offset <= last_offset || header.base_offset < base_offset {
                let what = format!(
                    "base offset {} after {last_offset} in the segment of {base_offset}",
                    header.base_offset
                );
                return Err(LogError::Damaged { path, position_bytes, what });
            }
            last_offset = header.last_offset();
            log.batches.push(BatchSpan {
                segment: number as u32,
                position_bytes,
                // A checked header's length is an i32 of 49 or more, so 12 more fit a u32.
                len_bytes: header.total_bytes() as u32,
                records: header.records as u32,
            });
        }
        log.segments.push(SegmentFile { path, base_offset, len_bytes: walk.position_bytes() });
    }
    Ok(log)
}
