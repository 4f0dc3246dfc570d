//! How does a broker leave a partition on disk after a clean stop?
//!
//! Batches are appended to a segment until the next one would make it too long; then its indexes are
//! written, trimmed, and a new segment begins, as Kafka's `LogSegment` and `UnifiedLog` do.

use super::batch::BatchHeader;
use super::checkpoint::{self, EpochStart};
use super::index::{Builder, INTERVAL_BYTES};
use super::{partition, producers};
use crate::log::LogError;
use crate::log::staging::Staging;
use serde::Serialize;
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

/// Bytes gathered before they are written: long enough that the call costs little, short enough to
/// stay in the cache between being filled and being written.
const BUFFER_BYTES: usize = 256 * 1024;

/// What was written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Summary {
    /// `.log` files.
    pub segments: u64,
    /// Batches in them.
    pub batches: u64,
    /// Records in those.
    pub records: u64,
    /// Bytes of the `.log` files together.
    pub bytes: u64,
}

/// Writes one partition, batch by batch.
pub(super) struct Writer {
    staging: Staging,
    segment_bytes: u64,
    segment: Segment,
    buffer: Vec<u8>,
    end_offset: i64,
    summary: Summary,
}

struct Segment {
    base_offset: i64,
    path: PathBuf,
    log: File,
    indexes: Builder,
}

impl Segment {
    fn create(dir: &Path, base_offset: i64) -> Result<Self, LogError> {
        let path = partition::file(dir, base_offset, "log");
        let log = File::create_new(&path).map_err(LogError::io("open", &path))?;
        let indexes = Builder::new(base_offset, INTERVAL_BYTES);
        Ok(Self { base_offset, path, log, indexes })
    }
}

impl Writer {
    /// Begins a partition that will be `dir` once it is complete.
    pub(super) fn create(dir: &Path, segment_bytes: u64) -> Result<Self, LogError> {
        let staging = Staging::new(dir)?;
        let segment = Segment::create(staging.dir(), 0)?;
        let buffer = Vec::with_capacity(BUFFER_BYTES);
        let summary = Summary { segments: 1, ..Summary::default() };
        Ok(Self { staging, segment_bytes, segment, buffer, end_offset: 0, summary })
    }

    /// Appends a sealed batch, rolling the segment first if it would become too long.
    pub(super) fn append(&mut self, header: &BatchHeader, batch: &[u8]) -> Result<(), LogError> {
        let held = self.segment.indexes.position_bytes();
        let relative = header.last_offset() - self.segment.base_offset;
        let full =
            held + batch.len() as u64 > self.segment_bytes || i32::try_from(relative).is_err();
        if held > 0 && full {
            self.roll()?;
        }
        if self.buffer.len() + batch.len() > BUFFER_BYTES {
            self.flush()?;
        }
        if batch.len() >= BUFFER_BYTES {
            self.write(batch)?;
        } else {
            self.buffer.extend_from_slice(batch);
        }
        self.segment.indexes.add(header);
        self.end_offset = header.last_offset() + 1;
        self.summary.batches += 1;
        self.summary.records += header.records as u64;
        self.summary.bytes += batch.len() as u64;
        Ok(())
    }

    fn flush(&mut self) -> Result<(), LogError> {
        let mut buffer = std::mem::take(&mut self.buffer);
        self.write(&buffer)?;
        buffer.clear();
        self.buffer = buffer;
        Ok(())
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), LogError> {
        let Segment { log, path, .. } = &mut self.segment;
        log.write_all(bytes).map_err(LogError::io("write", path))
    }

    fn roll(&mut self) -> Result<(), LogError> {
        let next = Segment::create(self.staging.dir(), self.end_offset)?;
        self.close(next)?;
        self.summary.segments += 1;
        // A broker takes a snapshot of its producers at each roll, named by the new segment.
        self.put(&partition::file(Path::new(""), self.end_offset, "snapshot"), &producers::empty())
    }

    /// Writes the rest of the current segment and its indexes.
    fn close(&mut self, next: Segment) -> Result<(), LogError> {
        self.flush()?;
        let Segment { base_offset, indexes, .. } = std::mem::replace(&mut self.segment, next);
        self.put_indexes(base_offset, indexes)
    }

    fn put_indexes(&self, base_offset: i64, indexes: Builder) -> Result<(), LogError> {
        let (entries, times) = indexes.finish();
        let name = |extension| partition::file(Path::new(""), base_offset, extension);
        let entries: Vec<u8> = entries.into_iter().flat_map(|entry| entry.to_bytes()).collect();
        let times: Vec<u8> = times.into_iter().flat_map(|entry| entry.to_bytes()).collect();
        self.put(&name("index"), &entries)?;
        self.put(&name("timeindex"), &times)
    }

    fn put(&self, name: &Path, bytes: &[u8]) -> Result<(), LogError> {
        let path = self.staging.dir().join(name);
        let mut file = File::create(&path).map_err(LogError::io("open", &path))?;
        file.write_all(bytes).map_err(LogError::io("write", &path))
    }

    /// Bytes of `.log` files so far.
    pub(super) fn bytes(&self) -> u64 {
        self.summary.bytes
    }

    /// Completes the partition and gives it its name.
    pub(super) fn finish(mut self, topic_id: uuid::Uuid) -> Result<Summary, LogError> {
        self.flush()?;
        self.put_indexes(self.segment.base_offset, self.segment.indexes.clone())?;
        if self.end_offset > 0 {
            let name = partition::file(Path::new(""), self.end_offset, "snapshot");
            self.put(&name, &producers::empty())?;
        }
        let epochs = checkpoint::print_epochs(&[EpochStart { epoch: 0, start_offset: 0 }]);
        self.put(Path::new(checkpoint::LEADER_EPOCHS), epochs.as_bytes())?;
        let metadata = checkpoint::print_metadata(topic_id);
        self.put(Path::new(checkpoint::METADATA), metadata.as_bytes())?;
        self.staging.commit()?;
        Ok(self.summary)
    }
}
