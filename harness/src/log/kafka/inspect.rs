//! What is in a partition, file by file?

use super::index;
use super::partition::{self, Walk};
use super::verify::{self, Report};
use crate::log::LogError;
use serde::Serialize;
use std::path::Path;

/// What [`inspect`] found.
#[derive(Clone, Debug, Serialize)]
pub struct Inspection {
    /// The segments, in order.
    pub segments: Vec<Segment>,
    /// What `verify` says: counts, anomalies.
    pub report: Report,
}

/// One segment.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Segment {
    /// Name of its `.log`.
    pub file: String,
    /// The offset that names it.
    pub base_offset: i64,
    /// Its last offset; `None` when it is empty.
    pub last_offset: Option<i64>,
    /// Bytes of the file.
    pub file_bytes: u64,
    /// Bytes of whole batches.
    pub valid_bytes: u64,
    /// How many batches.
    pub batch_count: u64,
    /// How many records.
    pub record_count: u64,
    /// Names of the codecs that its batches use, in order of appearance.
    pub codecs: Vec<&'static str>,
    /// The batches, when asked for.
    pub batches: Vec<Batch>,
    /// Entries of `.index`: offset, position.
    pub index: Vec<(i64, i64)>,
    /// Entries of `.timeindex`: timestamp in milliseconds, offset.
    pub time_index: Vec<(i64, i64)>,
}

/// One batch.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Batch {
    /// Where it begins.
    pub position_bytes: u64,
    /// Its length, header included.
    pub bytes: u64,
    /// Its first offset.
    pub base_offset: i64,
    /// Its last offset.
    pub last_offset: i64,
    /// Records in it.
    pub records: i32,
    /// Its codec, `?` when unknown.
    pub codec: &'static str,
    /// The newest record's time, in milliseconds since the epoch.
    pub max_timestamp_ms: i64,
    /// Epoch of the leader that appended it.
    pub leader_epoch: i32,
    /// Producer's id, -1 for none.
    pub producer_id: i64,
    /// Whether it belongs to a transaction.
    pub transactional: bool,
    /// Whether it holds transaction markers.
    pub control: bool,
}

/// Looks at a partition; `with_batches` lists each batch, else they are only counted.
///
/// # Errors
/// When the directory is no partition or a call fails. Damage is no error but part of the report.
pub fn inspect(dir: &Path, with_batches: bool) -> Result<Inspection, LogError> {
    let report = verify::verify(dir)?;
    let mut segments = Vec::new();
    for base_offset in partition::list(dir)?.segments {
        segments.push(segment(dir, base_offset, with_batches)?);
    }
    Ok(Inspection { segments, report })
}

fn segment(dir: &Path, base_offset: i64, with_batches: bool) -> Result<Segment, LogError> {
    let path = partition::file(dir, base_offset, "log");
    let mut walk = Walk::open(&path)?;
    let mut segment = Segment {
        file: format!("{base_offset:020}.log"),
        base_offset,
        file_bytes: walk.end_bytes(),
        ..Segment::default()
    };
    loop {
        let (position_bytes, header) = match walk.next_header() {
            Ok(Some(next)) => next,
            // The report says what is wrong there.
            Ok(None) | Err(LogError::Damaged { .. }) => break,
            Err(error) => return Err(error),
        };
        let codec = header.codec().map_or("?", super::Codec::name);
        if !segment.codecs.contains(&codec) {
            segment.codecs.push(codec);
        }
        segment.batch_count += 1;
        segment.record_count += header.records as u64;
        segment.last_offset = Some(header.last_offset());
        if with_batches {
            segment.batches.push(Batch {
                position_bytes,
                bytes: header.total_bytes(),
                base_offset: header.base_offset,
                last_offset: header.last_offset(),
                records: header.records,
                codec,
                max_timestamp_ms: header.max_timestamp_ms,
                leader_epoch: header.partition_leader_epoch,
                producer_id: header.producer_id,
                transactional: header.is_transactional(),
                control: header.is_control(),
            });
        }
    }
    segment.valid_bytes = walk.position_bytes();
    add_indexes(dir, &mut segment)?;
    Ok(segment)
}

fn add_indexes(dir: &Path, segment: &mut Segment) -> Result<(), LogError> {
    let base = segment.base_offset;
    let absolute = |relative: i32| base.saturating_add(i64::from(relative));
    let path = partition::file(dir, base, "index");
    if path.exists() {
        let entries = index::parse(&partition::read(&path)?).entries.into_iter();
        let entries = entries.map(|e| (absolute(e.relative_offset), i64::from(e.position_bytes)));
        segment.index = entries.collect();
    }
    let path = partition::file(dir, base, "timeindex");
    if path.exists() {
        let entries = index::parse_time(&partition::read(&path)?).entries.into_iter();
        segment.time_index =
            entries.map(|e| (e.timestamp_ms, absolute(e.relative_offset))).collect();
    }
    Ok(())
}
