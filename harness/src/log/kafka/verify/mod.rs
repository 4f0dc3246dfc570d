//! Is this partition sound: does every byte say what the others say?

mod epochs;
mod indexes;
mod segment;
mod transactions;

use super::partition::{self, Listing};
use super::{checkpoint, producers};
use crate::log::LogError;
use epochs::Epochs;
use serde::Serialize;
use std::path::Path;
use transactions::Transactions;

/// Findings that are kept; more are only counted, so that a garbled gigabyte cannot fill the memory.
const FINDINGS_MAX: usize = 1000;

/// One thing that is wrong or worth knowing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// Name of the file; empty when it concerns the partition.
    pub file: String,
    /// Where in the file.
    pub position_bytes: Option<u64>,
    /// What is found.
    pub what: String,
}

/// What a partition holds, by kind. All of these are normal.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// `.log` files.
    pub segments: u64,
    /// Batches.
    pub batches: u64,
    /// Records.
    pub records: u64,
    /// Bytes of whole batches.
    pub bytes: u64,
    /// Entries of the offset indexes.
    pub index_entries: u64,
    /// Entries of the time indexes.
    pub time_index_entries: u64,
    /// Offsets missing between batches, which compaction took.
    pub gaps: u64,
    /// Batches that compaction left with fewer records than offsets.
    pub thinned_batches: u64,
    /// Batches of transaction markers.
    pub control_batches: u64,
    /// Batches that belong to transactions, markers included.
    pub transactional_batches: u64,
    /// Batches stamped by the broker.
    pub log_append_time_batches: u64,
    /// Batches with a delete horizon.
    pub delete_horizon_batches: u64,
    /// Index files that end in preallocated zeros.
    pub preallocated_indexes: u64,
}

/// What [`verify`] found.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    /// What there is.
    pub counts: Counts,
    /// One past the last offset.
    pub end_offset: i64,
    /// What is wrong; at most 1,000 are kept.
    pub damage: Vec<Finding>,
    /// How many there were in all.
    pub damage_total: u64,
    /// What is unusual but no damage.
    pub notes: Vec<Finding>,
}

impl Report {
    /// Whether nothing is wrong.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.damage_total == 0
    }

    fn damage(&mut self, file: &str, position_bytes: Option<u64>, what: impl ToString) {
        self.damage_total += 1;
        if self.damage.len() < FINDINGS_MAX {
            self.damage.push(finding(file, position_bytes, what));
        }
    }

    fn note(&mut self, file: &str, position_bytes: Option<u64>, what: impl ToString) {
        if self.notes.len() < FINDINGS_MAX {
            self.notes.push(finding(file, position_bytes, what));
        }
    }
}

fn finding(file: &str, position_bytes: Option<u64>, what: impl ToString) -> Finding {
    Finding { file: file.to_owned(), position_bytes, what: what.to_string() }
}

/// Reads a whole partition and holds its files against their checksums and against each other:
///
/// - every batch: header, CRC-32C, decompression (bounded), structure of its records; offsets that rise,
///   within the segment that names them;
/// - `.index` and `.timeindex`: each entry leads to a batch with that last offset, or that timestamp;
///   entries rise; the time index ends with the segment's largest timestamp unless its preallocated tail
///   is still there; after the entries, nothing but zeros;
/// - `leader-epoch-checkpoint`: each batch bears the epoch that the file gives for its offset; no epoch
///   begins before the log's end, within a batch, or after the log's first batch;
/// - `partition.metadata`: as Kafka prints it; `.snapshot`: version, CRC-32C, length, not beyond the end;
/// - `.txnindex`: rebuilt from the markers in the log and compared.
///
/// A flipped bit is found wherever a CRC covers it or another file tells what it must be. **What
/// nothing covers is not found:**
///
/// 1. `baseOffset` of a batch beside a gap (compaction leaves gaps, so one more offset missing is
///    normal), or of the last batch where it moves up, as long as it stays clear of its neighbours and no
///    index entry names the batch. Without a gap every change overlaps a neighbour and is found.
/// 2. `partitionLeaderEpoch` where `leader-epoch-checkpoint` is missing: then epochs must only not fall.
/// 3. In `leader-epoch-checkpoint`: the number of an epoch that no batch bears (the leader's that has
///    not appended yet), as long as epochs rise; the start of such an epoch, or of one that begins in a
///    gap, as long as it stays within the gap; the start of the first epoch, as long as it is not after
///    the log's start (Kafka moves it there when it deletes segments, older versions later than others).
/// 4. In `partition.metadata`: the topic's id, as long as it is 16 bytes in canonical Base64.
/// 5. A whole entry missing from an `.index`, or from the middle of a `.timeindex`: a restarted broker
///    leaves such indexes, so it is a note.
/// 6. Indexes that a follower before Kafka 4 wrote name the last offset of a whole append at its start
///    (KAFKA-806), and older time indexes a record within a batch. Two entries or more of that kind in a
///    partition make it such a partition, a note; a single one is called damage.
/// 7. `.txnindex` of a compacted log (any gap) or of one that begins within a transaction without a
///    snapshot: then only its structure is checked, as compaction drops markers.
/// 8. Where a batch is damaged, index entries that lead to it and transactions are not judged as well.
///
/// A partition that a live broker writes to may seem truncated at its end. Batches above 256 MiB are
/// called absurd, and so are records that swell beyond 256 MiB when decompressed: a broker takes at most
/// 100 MiB in a request unless told otherwise.
///
/// # Errors
/// When the directory is no partition or a call fails: what could not be read is not called damaged.
pub fn verify(dir: &Path) -> Result<Report, LogError> {
    let listing = partition::list(dir)?;
    let mut report = Report::default();
    list_strangers(dir, &listing, &mut report);
    let mut epochs = Epochs::read(dir, listing.segments[0], &mut report)?;
    check_metadata(dir, &mut report)?;
    let mut transactions = Transactions::begin(dir, &listing)?;
    let mut older = Vec::new();
    let mut last_offset = None;
    for &base_offset in &listing.segments {
        let facts = segment::check(
            dir,
            base_offset,
            &mut last_offset,
            &mut epochs,
            &mut transactions,
            &mut report,
        )?;
        indexes::check(dir, &facts, &mut older, &mut report)?;
    }
    // A log that holds nothing ends where its last segment begins.
    let base = listing.segments.last().copied().unwrap_or(0);
    report.end_offset = last_offset.map_or(base, |last: i64| last.saturating_add(1)).max(base);
    let sound = report.is_clean();
    epochs.finish(&mut report);
    judge_older(older, &mut report);
    transactions.check(dir, &listing, sound, &mut report)?;
    check_snapshots(dir, &listing, &mut report)?;
    sum_up(&mut report);
    Ok(report)
}

fn list_strangers(dir: &Path, listing: &Listing, report: &mut Report) {
    for name in &listing.foreign {
        let kafkas = [".deleted", ".cleaned", ".swap"].iter().any(|suffix| name.ends_with(suffix));
        let what =
            if kafkas { "left by deletion or compaction" } else { "not one of Kafka's files" };
        report.note(name, None, format!("{what}: ignored"));
    }
    for &(offset, extension) in &listing.beside {
        if extension != "snapshot" && listing.segments.binary_search(&offset).is_err() {
            let name = format!("{offset:020}.{extension}");
            report.note(&name, None, "belongs to no segment: ignored");
        }
    }
    for &offset in &listing.segments {
        let path = partition::file(dir, offset, "log");
        if path.is_symlink() {
            report.note(&name_of(&path), None, "a symbolic link");
        }
    }
}

fn name_of(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

fn check_metadata(dir: &Path, report: &mut Report) -> Result<(), LogError> {
    let path = dir.join(checkpoint::METADATA);
    if !path.exists() {
        report.note(checkpoint::METADATA, None, "missing: Kafka before 2.8 wrote none");
        return Ok(());
    }
    let text = partition::read(&path)?;
    if let Err(what) = checkpoint::parse_metadata(&String::from_utf8_lossy(&text)) {
        report.damage(checkpoint::METADATA, None, what);
    }
    Ok(())
}

fn check_snapshots(dir: &Path, listing: &Listing, report: &mut Report) -> Result<(), LogError> {
    for &(offset, _) in listing.beside.iter().filter(|(_, extension)| *extension == "snapshot") {
        let path = partition::file(dir, offset, "snapshot");
        if let Err(what) = producers::parse(&partition::read(&path)?) {
            report.damage(&name_of(&path), None, what);
        } else if offset > report.end_offset {
            let what =
                format!("taken at offset {offset}, but the log ends at {}", report.end_offset);
            report.damage(&name_of(&path), None, what);
        }
    }
    Ok(())
}

/// One entry of the older kind is more likely a flipped byte, several are an older broker's habit.
fn judge_older(older: Vec<Finding>, report: &mut Report) {
    let count = older.len();
    for Finding { file, position_bytes, what } in older {
        if count == 1 {
            report.damage(&file, position_bytes, what);
        } else {
            report.note(&file, position_bytes, "an entry as Kafka before 4 writes them");
        }
    }
}

fn sum_up(report: &mut Report) {
    let counts = report.counts;
    for (count, what) in [
        (counts.gaps, "offsets missing between batches: compacted"),
        (counts.thinned_batches, "batches with fewer records than offsets: compacted"),
        (counts.control_batches, "control batches"),
        (counts.log_append_time_batches, "batches with the broker's timestamps"),
        (counts.delete_horizon_batches, "batches with a delete horizon"),
        (counts.preallocated_indexes, "indexes with a preallocated tail: not cleanly stopped"),
    ] {
        if count > 0 {
            report.note("", None, format!("{count} {what}"));
        }
    }
}
