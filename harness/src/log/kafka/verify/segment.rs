//! Are the batches of a segment whole, and do their offsets go up?

use super::epochs::Epochs;
use super::transactions::Transactions;
use super::{Report, name_of};
use crate::log::LogError;
use crate::log::kafka::Malformed;
use crate::log::kafka::batch::{self, BatchHeader, HEADER_BYTES};
use crate::log::kafka::codec::DECOMPRESSED_MAX_BYTES;
use crate::log::kafka::partition::{self, Tail, Walk};
use std::os::unix::fs::FileExt;
use std::path::Path;

/// A batch beyond this is taken for a lie of its length field.
const BATCH_MAX_BYTES: u64 = 256 << 20;

/// What the indexes are held against.
pub(super) struct Facts {
    pub base_offset: i64,
    pub batches: Vec<Fact>,
    /// Whether all batches up to the file's end could be walked.
    pub complete: bool,
    /// Whether all of them are sound.
    pub sound: bool,
}

/// One batch.
pub(super) struct Fact {
    pub position_bytes: u64,
    pub header: BatchHeader,
    /// Whether its CRC and its records are right, so that its offsets can be believed.
    pub sound: bool,
}

/// Checks one segment. `last_offset` is the greatest before it, and after it.
pub(super) fn check(
    dir: &Path,
    base_offset: i64,
    last_offset: &mut Option<i64>,
    epochs: &mut Epochs,
    transactions: &mut Transactions,
    report: &mut Report,
) -> Result<Facts, LogError> {
    let path = partition::file(dir, base_offset, "log");
    let name = name_of(&path);
    let mut walk = Walk::open(&path)?;
    let mut facts = Facts { base_offset, batches: Vec::new(), complete: true, sound: true };
    let mut bytes = Vec::new();
    if let Some(last) = last_offset.filter(|&last| last >= base_offset) {
        report.damage(&name, None, format!("the segment before it goes up to offset {last}"));
    }
    report.counts.segments += 1;
    transactions.begin_segment(base_offset);
    loop {
        let (position, header) = match walk.next_header() {
            Ok(Some(next)) => next,
            Ok(None) => break,
            Err(LogError::Damaged { position_bytes, what, .. }) => {
                let rest = walk.end_bytes() - position_bytes;
                let what = format!("{what}; the {rest} bytes from here on cannot be read");
                report.damage(&name, Some(position_bytes), what);
                facts.complete = false;
                break;
            }
            Err(error) => return Err(error),
        };
        let content = read_batch(&walk, &path, position, &header, &mut bytes)?;
        let content = content.and_then(|batch| check_content(&header, batch, transactions));
        let sound = content.is_ok();
        if let Err(what) = content {
            report.damage(&name, Some(position), what);
        }
        // A header whose CRC is wrong says nothing about offsets either.
        if sound {
            let gap = check_offsets(&header, base_offset, *last_offset, report, &name, position);
            // What a damaged batch leaves out is no gap.
            if facts.batches.last().is_none_or(|fact| fact.sound) {
                report.counts.gaps += gap;
            }
            epochs.batch(&header, &name, position, report);
            *last_offset = Some(last_offset.unwrap_or(-1).max(header.last_offset()));
        }
        count(&header, report);
        facts.sound &= sound;
        facts.batches.push(Fact { position_bytes: position, header, sound });
    }
    check_tail(&walk, &name, &mut facts, report);
    report.counts.bytes += walk.position_bytes();
    Ok(facts)
}

fn read_batch<'a>(
    walk: &Walk,
    path: &Path,
    position: u64,
    header: &BatchHeader,
    bytes: &'a mut Vec<u8>,
) -> Result<Result<&'a [u8], Malformed>, LogError> {
    let length = header.total_bytes();
    if length > BATCH_MAX_BYTES {
        return Ok(Err(Malformed::new(format!("a batch of {length} bytes is absurd"))));
    }
    bytes.resize(length as usize, 0);
    walk.file().read_exact_at(bytes, position).map_err(LogError::io("pread", path))?;
    Ok(Ok(bytes))
}

fn check_content(
    header: &BatchHeader,
    batch: &[u8],
    transactions: &mut Transactions,
) -> Result<(), Malformed> {
    let computed = batch::crc_of(batch);
    if computed != header.crc {
        let stored = header.crc;
        let what = format!("CRC-32C is {computed:08x}, the header says {stored:08x}");
        return Err(Malformed::new(what));
    }
    let plain = batch::plain_records(header, &batch[HEADER_BYTES..], DECOMPRESSED_MAX_BYTES)?;
    let mut marker = None;
    batch::for_each_record(header, &plain, |record| marker = marker.or(record.key))?;
    if header.is_transactional() {
        transactions.batch(header, marker)?;
    }
    Ok(())
}

/// Gives the number of offsets that are missing before the batch.
fn check_offsets(
    header: &BatchHeader,
    segment_base: i64,
    last_offset: Option<i64>,
    report: &mut Report,
    name: &str,
    position: u64,
) -> u64 {
    let base = header.base_offset;
    // What a clean log continues with; the first segment may begin anywhere.
    let due = last_offset.map_or(segment_base, |last| last.saturating_add(1));
    if base < due {
        let what = format!("base offset {base} where {due} or more is due");
        report.damage(name, Some(position), what);
    } else if base < segment_base {
        let what = format!("base offset {base} in the segment of {segment_base}");
        report.damage(name, Some(position), what);
    } else if i32::try_from(header.last_offset() - segment_base).is_err() {
        let last = header.last_offset();
        let what = format!("last offset {last} is too far from the segment's {segment_base}");
        report.damage(name, Some(position), what);
    }
    u64::try_from(base.saturating_sub(due)).unwrap_or(0)
}

fn check_tail(walk: &Walk, name: &str, facts: &mut Facts, report: &mut Report) {
    let position = Some(walk.position_bytes());
    match walk.tail() {
        Tail::None => {}
        Tail::Zeros => report.note(name, position, "zeros from here on: preallocated"),
        Tail::Truncated { needs_bytes, has_bytes } => {
            facts.complete = false;
            let what =
                format!("truncated: a batch needs {needs_bytes} bytes, {has_bytes} are left");
            report.damage(name, position, what);
        }
    }
}

fn count(header: &BatchHeader, report: &mut Report) {
    let counts = &mut report.counts;
    counts.batches += 1;
    counts.records += u64::try_from(header.records).unwrap_or(0);
    counts.thinned_batches += u64::from(i64::from(header.records) < header.span());
    counts.control_batches += u64::from(header.is_control());
    counts.transactional_batches += u64::from(header.is_transactional());
    counts.log_append_time_batches += u64::from(header.is_log_append_time());
    counts.delete_horizon_batches += u64::from(header.has_delete_horizon());
}
