//! Where in a segment does an offset lie, and what should its indexes hold?
//!
//! `.index` entries are 8 bytes: offset less the segment's base, position (Kafka's
//! `OffsetIndex.java`); `.timeindex` entries 12: timestamp, offset less base (`TimeIndex.java`). Both
//! big-endian, without a checksum. While a broker writes, they are preallocated: zeros follow the
//! last entry.

use super::batch::BatchHeader;
use super::partition::{self, Walk};
use crate::log::{Log, LogError};
use std::path::Path;

/// `index.interval.bytes` of a default broker.
pub const INTERVAL_BYTES: u64 = 4096;
/// Bytes of an offset index's entry.
pub const ENTRY_BYTES: usize = 8;
/// Bytes of a time index's entry.
pub const TIME_ENTRY_BYTES: usize = 12;

const ZEROS: [u8; 4096] = [0; 4096];

/// An entry of an offset index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Last offset of the batch, less the segment's base offset.
    pub relative_offset: i32,
    /// Where that batch begins.
    pub position_bytes: i32,
}

/// An entry of a time index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimeEntry {
    /// Largest timestamp up to there, in milliseconds since the epoch.
    pub timestamp_ms: i64,
    /// Last offset of the batch that has it, less the segment's base offset.
    pub relative_offset: i32,
}

impl Entry {
    /// As in the file.
    #[must_use]
    pub fn to_bytes(self) -> [u8; ENTRY_BYTES] {
        let mut bytes = [0; ENTRY_BYTES];
        bytes[..4].copy_from_slice(&self.relative_offset.to_be_bytes());
        bytes[4..].copy_from_slice(&self.position_bytes.to_be_bytes());
        bytes
    }

    fn read(bytes: &[u8; ENTRY_BYTES]) -> Self {
        let [a, b, c, d, e, f, g, h] = *bytes;
        Self {
            relative_offset: i32::from_be_bytes([a, b, c, d]),
            position_bytes: i32::from_be_bytes([e, f, g, h]),
        }
    }
}

impl TimeEntry {
    /// As in the file.
    #[must_use]
    pub fn to_bytes(self) -> [u8; TIME_ENTRY_BYTES] {
        let mut bytes = [0; TIME_ENTRY_BYTES];
        bytes[..8].copy_from_slice(&self.timestamp_ms.to_be_bytes());
        bytes[8..].copy_from_slice(&self.relative_offset.to_be_bytes());
        bytes
    }

    fn read(bytes: &[u8; TIME_ENTRY_BYTES]) -> Self {
        let [a, b, c, d, e, f, g, h, i, j, k, l] = *bytes;
        Self {
            timestamp_ms: i64::from_be_bytes([a, b, c, d, e, f, g, h]),
            relative_offset: i32::from_be_bytes([i, j, k, l]),
        }
    }
}

/// What an index file holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parsed<E> {
    /// Its entries.
    pub entries: Vec<E>,
    /// Zeros after the last entry: a preallocated tail that was not trimmed.
    pub tail_bytes: usize,
    /// Bytes beyond the last whole entry that are no zeros.
    pub torn_bytes: usize,
}

/// Splits an offset index into entries and tail.
#[must_use]
pub fn parse(bytes: &[u8]) -> Parsed<Entry> {
    parse_entries(bytes, Entry::read)
}

/// Splits a time index into entries and tail.
#[must_use]
pub fn parse_time(bytes: &[u8]) -> Parsed<TimeEntry> {
    parse_entries(bytes, TimeEntry::read)
}

fn parse_entries<E, const N: usize>(bytes: &[u8], read: fn(&[u8; N]) -> E) -> Parsed<E> {
    // Preallocated tails are long: whole blocks of zeros are passed over at once.
    let blocks = bytes.rchunks(ZEROS.len()).take_while(|block| **block == ZEROS[..block.len()]);
    let rest = &bytes[..bytes.len() - blocks.map(<[u8]>::len).sum::<usize>()];
    let used = rest.iter().rposition(|&byte| byte != 0).map_or(0, |last| last + 1);
    let (whole, _) = bytes.as_chunks::<N>();
    let held = used.div_ceil(N);
    let entries: Vec<E> = whole.iter().take(held).map(read).collect();
    let end = (held * N).min(bytes.len());
    let torn_bytes = if held > whole.len() { bytes.len() - whole.len() * N } else { 0 };
    Parsed { entries, tail_bytes: bytes.len() - end, torn_bytes }
}

/// Position of the greatest entry whose offset is not beyond `relative_offset`; 0 when there is none.
/// From there on, headers are to be read until a batch reaches the offset.
#[must_use]
pub fn floor(entries: &[Entry], relative_offset: i64) -> u64 {
    let after =
        entries.partition_point(|entry| i64::from(entry.relative_offset) <= relative_offset);
    let entry = after.checked_sub(1).and_then(|index| entries.get(index));
    entry.map_or(0, |entry| u64::try_from(entry.position_bytes).unwrap_or(0))
}

/// Finds batches by offset, as a broker does: the index's greatest entry that is not beyond, then
/// header by header. The indexes are read once.
#[derive(Debug)]
pub struct Lookup<'a> {
    log: &'a Log,
    entries: Vec<Vec<Entry>>,
}

impl<'a> Lookup<'a> {
    /// Reads the offset indexes; a segment without one is searched from its start.
    ///
    /// # Errors
    /// When an index cannot be read.
    pub fn new(log: &'a Log) -> Result<Self, LogError> {
        let entries = log.segments.iter().map(|segment| {
            let index = segment.path.with_extension("index");
            if index.exists() { Ok(read(&index)?.entries) } else { Ok(Vec::new()) }
        });
        Ok(Self { log, entries: entries.collect::<Result<_, LogError>>()? })
    }

    /// Where the batch with `offset` begins, or the next one where compaction took it: the number of
    /// its segment, and the position there. `None` beyond the log's end.
    ///
    /// # Errors
    /// When a segment cannot be read, or the index leads to what is no batch.
    pub fn find(&self, offset: i64) -> Result<Option<(usize, u64)>, LogError> {
        let segments = &self.log.segments;
        let after = segments.partition_point(|segment| segment.base_offset <= offset);
        let both = segments.iter().zip(&self.entries).enumerate();
        for (number, (segment, entries)) in both.skip(after.saturating_sub(1)) {
            let from = floor(entries, offset.saturating_sub(segment.base_offset));
            let mut walk =
                Walk::open(&segment.path)?.ending_at(segment.len_bytes).starting_at(from);
            while let Some((position, header)) = walk.next_header()? {
                if header.last_offset() >= offset {
                    return Ok(Some((number, position)));
                }
            }
        }
        Ok(None)
    }
}

/// Reads the entries of an offset index file.
///
/// # Errors
/// When the file cannot be read.
pub fn read(path: &Path) -> Result<Parsed<Entry>, LogError> {
    Ok(parse(&partition::read(path)?))
}

/// Builds both indexes of a segment while its batches go by, as Kafka 4 does (`LogSegment.append`
/// since KAFKA-806): batch by batch, an entry when more than the interval came since the last one.
#[derive(Clone, Debug)]
pub struct Builder {
    base_offset: i64,
    interval_bytes: u64,
    position_bytes: u64,
    since_entry_bytes: u64,
    newest: Option<TimeEntry>,
    entries: Vec<Entry>,
    times: Vec<TimeEntry>,
}

impl Builder {
    /// Starts a segment.
    #[must_use]
    pub fn new(base_offset: i64, interval_bytes: u64) -> Self {
        Self {
            base_offset,
            interval_bytes,
            position_bytes: 0,
            since_entry_bytes: 0,
            newest: None,
            entries: Vec::new(),
            times: Vec::new(),
        }
    }

    /// Takes note of the next batch.
    pub fn add(&mut self, header: &BatchHeader) {
        let relative_offset = header.last_offset().wrapping_sub(self.base_offset) as i32;
        let timestamp_ms = header.max_timestamp_ms;
        if self.newest.is_none_or(|newest| timestamp_ms > newest.timestamp_ms) && timestamp_ms >= 0
        {
            self.newest = Some(TimeEntry { timestamp_ms, relative_offset });
        }
        if self.since_entry_bytes > self.interval_bytes {
            let position_bytes = self.position_bytes as i32;
            self.entries.push(Entry { relative_offset, position_bytes });
            self.add_time();
            self.since_entry_bytes = 0;
        }
        self.position_bytes += header.total_bytes();
        self.since_entry_bytes += header.total_bytes();
    }

    /// An entry is due only when time has moved on since the last one.
    fn add_time(&mut self) {
        let last = self.times.last().map_or(-1, |entry| entry.timestamp_ms);
        if let Some(newest) = self.newest.filter(|newest| newest.timestamp_ms > last) {
            self.times.push(newest);
        }
    }

    /// Bytes of the batches so far.
    #[must_use]
    pub fn position_bytes(&self) -> u64 {
        self.position_bytes
    }

    /// The entries when the segment is rolled or the broker stops: then the time index gets a last one.
    #[must_use]
    pub fn finish(mut self) -> (Vec<Entry>, Vec<TimeEntry>) {
        self.add_time();
        (self.entries, self.times)
    }

    /// The entries of a segment that is still being written.
    #[must_use]
    pub fn unfinished(&self) -> (&[Entry], &[TimeEntry]) {
        (&self.entries, &self.times)
    }
}
