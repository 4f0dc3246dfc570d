//! Does every batch bear the epoch of the leader that `leader-epoch-checkpoint` names for its offset?

use super::Report;
use crate::log::LogError;
use crate::log::kafka::batch::BatchHeader;
use crate::log::kafka::checkpoint::{self, EpochStart, LEADER_EPOCHS, LOG_STARTS};
use crate::log::kafka::partition;
use std::path::Path;

/// The checkpoint, held against the batches as they go by.
pub(super) struct Epochs {
    /// Empty when there is no checkpoint, or none that can be read.
    starts: Vec<EpochStart>,
    log_start: i64,
    newest: i32,
    /// Epoch of the log's first batch.
    oldest: Option<i32>,
}

impl Epochs {
    pub(super) fn read(dir: &Path, first: i64, report: &mut Report) -> Result<Self, LogError> {
        let log_start = deleted_up_to(dir).unwrap_or(first).max(first);
        let mut epochs = Self { starts: Vec::new(), log_start, newest: -1, oldest: None };
        let path = dir.join(LEADER_EPOCHS);
        if !path.exists() {
            report.note(LEADER_EPOCHS, None, "missing: epochs are only held to not falling");
            return Ok(epochs);
        }
        let text = partition::read(&path)?;
        match checkpoint::parse_epochs(&String::from_utf8_lossy(&text)) {
            Ok(starts) => epochs.starts = starts,
            Err(what) => report.damage(LEADER_EPOCHS, None, what),
        }
        Ok(epochs)
    }

    /// Takes note of a sound batch.
    pub(super) fn batch(
        &mut self,
        header: &BatchHeader,
        name: &str,
        position: u64,
        report: &mut Report,
    ) {
        let epoch = header.partition_leader_epoch;
        let (base, last) = (header.base_offset, header.last_offset());
        if epoch < self.newest {
            let what = format!("leader epoch {epoch} after {}", self.newest);
            report.damage(name, Some(position), what);
        }
        self.newest = self.newest.max(epoch);
        self.oldest.get_or_insert(epoch);
        let after = self.starts.partition_point(|start| start.start_offset <= base);
        let due = after.checked_sub(1).map(|index| self.starts[index].epoch);
        if due.is_some_and(|due| due != epoch) {
            let due = due.unwrap_or(-1);
            let what = format!("leader epoch {epoch}, but {LEADER_EPOCHS} gives {due} for {base}");
            report.damage(name, Some(position), what);
        }
        // Only where records were deleted up to within a batch may an epoch begin within it.
        let inside = |next: &&EpochStart| next.start_offset <= last;
        if let Some(next) = self.starts.get(after).filter(inside)
            && next.start_offset != self.log_start
        {
            let start = next.start_offset;
            let what = format!("epoch {} begins at {start}, within {base} to {last}", next.epoch);
            report.damage(LEADER_EPOCHS, None, what);
        }
    }

    /// Holds the epochs against where the log begins and ends.
    pub(super) fn finish(self, report: &mut Report) {
        // Batches from before Kafka knew epochs bear -1.
        if let Some(first) = self.starts.first()
            && first.start_offset > self.log_start
            && self.oldest.is_none_or(|oldest| oldest >= 0)
        {
            let what = format!(
                "the first epoch begins at {}, the log at {}; normal only where records were \
                 deleted up to there, which ../{LOG_STARTS} would say",
                first.start_offset, self.log_start
            );
            report.damage(LEADER_EPOCHS, None, what);
        }
        if let Some(last) = self.starts.last()
            && last.start_offset > report.end_offset
        {
            let end = report.end_offset;
            let what = format!(
                "epoch {} begins at {}, after the log's end at {end}",
                last.epoch, last.start_offset
            );
            report.damage(LEADER_EPOCHS, None, what);
        }
    }
}

/// The offset up to which records were deleted, as the broker noted it beside the partitions.
fn deleted_up_to(dir: &Path) -> Option<i64> {
    let dir = dir.canonicalize().ok()?;
    let text = std::fs::read_to_string(dir.parent()?.join(LOG_STARTS)).ok()?;
    let (topic, partition) = dir.file_name()?.to_str()?.rsplit_once('-')?;
    let prefix = format!("{topic} {partition} ");
    text.lines().find_map(|line| line.strip_prefix(&prefix)?.parse().ok())
}
