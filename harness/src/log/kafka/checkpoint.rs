//! What do a partition's two text files say?
//!
//! `leader-epoch-checkpoint`: a version, a count, then `epoch startOffset` lines (Kafka's
//! `LeaderEpochCheckpointFile.java`). `partition.metadata`: a version and the topic's id
//! (`PartitionMetadataFile.java`). Both are read strictly: what would print differently is damaged.

use super::Malformed;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// Name of the file with the leader epochs.
pub const LEADER_EPOCHS: &str = "leader-epoch-checkpoint";
/// Name of the file with the topic's id.
pub const METADATA: &str = "partition.metadata";

/// Name of the file, beside the partitions, that says from where on each one's records are not deleted.
pub const LOG_STARTS: &str = "log-start-offset-checkpoint";

/// From which offset on a leader's epoch holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EpochStart {
    /// The epoch.
    pub epoch: i32,
    /// The first offset that it may bear.
    pub start_offset: i64,
}

/// Prints a `leader-epoch-checkpoint`.
#[must_use]
pub fn print_epochs(epochs: &[EpochStart]) -> String {
    let head = format!("0\n{}\n", epochs.len());
    let line = |entry: &EpochStart| format!("{} {}\n", entry.epoch, entry.start_offset);
    head + &epochs.iter().map(line).collect::<String>()
}

/// Reads a `leader-epoch-checkpoint`.
///
/// # Errors
/// When a line is not as Kafka writes it, or epochs and offsets do not both rise.
pub fn parse_epochs(text: &str) -> Result<Vec<EpochStart>, Malformed> {
    let wrong = |what: String| Malformed::new(what);
    let mut epochs: Vec<EpochStart> = Vec::new();
    for (number, line) in text.lines().enumerate().skip(2) {
        let entry = line.split_once(' ').and_then(|(epoch, start)| {
            Some(EpochStart { epoch: epoch.parse().ok()?, start_offset: start.parse().ok()? })
        });
        let entry =
            entry.filter(|entry| entry.epoch >= 0 && entry.start_offset >= 0).ok_or_else(|| {
                wrong(format!("line {}: {line:?} is no epoch and offset", number + 1))
            })?;
        let rises = epochs
            .last()
            .is_none_or(|last| last.epoch < entry.epoch && last.start_offset < entry.start_offset);
        if !rises {
            return Err(wrong(format!("line {}: {line:?} does not rise", number + 1)));
        }
        epochs.push(entry);
    }
    if print_epochs(&epochs) != text {
        let expected = format!("version 0, then the count {}, then as many lines", epochs.len());
        return Err(wrong(format!("not as Kafka writes it: {expected}")));
    }
    Ok(epochs)
}

/// Prints a `partition.metadata`.
#[must_use]
pub fn print_metadata(topic_id: uuid::Uuid) -> String {
    format!("version: 0\ntopic_id: {}", URL_SAFE_NO_PAD.encode(topic_id.as_bytes()))
}

/// Reads a `partition.metadata`.
///
/// # Errors
/// When it is not as Kafka writes it.
pub fn parse_metadata(text: &str) -> Result<uuid::Uuid, Malformed> {
    let id = text.strip_prefix("version: 0\ntopic_id: ").ok_or_else(|| {
        Malformed::new("does not begin with the lines `version: 0` and `topic_id: …`")
    })?;
    let bytes =
        URL_SAFE_NO_PAD.decode(id).ok().and_then(|bytes| uuid::Uuid::from_slice(&bytes).ok());
    let wrong = || Malformed::new(format!("topic_id {id:?} is not 16 bytes in URL-safe Base64"));
    bytes.filter(|id| !id.is_nil()).ok_or_else(wrong)
}
