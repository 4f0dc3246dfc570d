//! Which transactions were aborted, by the markers in the log and by `.txnindex`?
//!
//! An entry of a `.txnindex` is 34 bytes: version 0, producer id, first offset, offset of the abort
//! marker, last stable offset after it (Kafka's `AbortedTxn.java`).

use super::{Report, name_of};
use crate::log::LogError;
use crate::log::kafka::batch::BatchHeader;
use crate::log::kafka::partition::{self, Listing};
use crate::log::kafka::{Malformed, producers};
use std::collections::BTreeMap;
use std::path::Path;

const ENTRY_BYTES: usize = 34;
/// Types of control records (`ControlRecordType.java`).
const ABORT: i16 = 0;
const COMMIT: i16 = 1;

/// An aborted transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Aborted {
    producer_id: i64,
    first_offset: i64,
    last_offset: i64,
    last_stable_offset: i64,
}

/// Follows transactions as their batches go by.
pub(super) struct Transactions {
    /// First offset of each producer's open transaction.
    open: BTreeMap<i64, i64>,
    /// Whether transactions may have begun before the log's first batch.
    blind: bool,
    segments: Vec<(i64, Vec<Aborted>)>,
}

impl Transactions {
    /// Starts with what the snapshot of the first segment knows.
    pub(super) fn begin(dir: &Path, listing: &Listing) -> Result<Self, LogError> {
        let first = listing.segments.first().copied().unwrap_or(0);
        let mut transactions =
            Self { open: BTreeMap::new(), blind: first > 0, segments: Vec::new() };
        let path = partition::file(dir, first, "snapshot");
        if first > 0
            && path.exists()
            && let Ok(known) = producers::parse(&partition::read(&path)?)
        {
            let open = known.iter().filter(|producer| producer.open_since_offset >= 0);
            transactions.open = open.map(|p| (p.id, p.open_since_offset)).collect();
            transactions.blind = false;
        }
        Ok(transactions)
    }

    pub(super) fn begin_segment(&mut self, base_offset: i64) {
        self.segments.push((base_offset, Vec::new()));
    }

    /// Takes note of a sound batch that belongs to a transaction. `key` is its first record's.
    pub(super) fn batch(
        &mut self,
        header: &BatchHeader,
        key: Option<&[u8]>,
    ) -> Result<(), Malformed> {
        let producer_id = header.producer_id;
        if !header.is_control() {
            self.open.entry(producer_id).or_insert(header.base_offset);
            return Ok(());
        }
        // The key of a marker: version, type.
        let kind =
            key.and_then(|key| key.get(2..4)).map_or(-1, |b| i16::from_be_bytes([b[0], b[1]]));
        if kind != ABORT && kind != COMMIT {
            // An empty batch stands for a marker that compaction took.
            let what = "a transaction's control batch without commit or abort marker";
            return if header.records == 0 { Ok(()) } else { Err(Malformed::new(what)) };
        }
        let first_offset = self.open.remove(&producer_id);
        if let (Some(first_offset), ABORT) = (first_offset, kind) {
            let last_offset = header.last_offset();
            let stable = self.open.values().min().copied();
            let last_stable_offset = stable.unwrap_or(last_offset.saturating_add(1));
            let aborted = Aborted { producer_id, first_offset, last_offset, last_stable_offset };
            if let Some((_, list)) = self.segments.last_mut() {
                list.push(aborted);
            }
        }
        Ok(())
    }

    /// Compares with the `.txnindex` files. `sound` is whether the log itself is.
    pub(super) fn check(
        self,
        dir: &Path,
        listing: &Listing,
        sound: bool,
        report: &mut Report,
    ) -> Result<(), LogError> {
        let derivable = sound && !self.blind && report.counts.gaps == 0;
        let derivable = derivable && report.counts.thinned_batches == 0;
        for (base_offset, expected) in &self.segments {
            let path = partition::file(dir, *base_offset, "txnindex");
            let name = name_of(&path);
            let exists = listing.beside.binary_search(&(*base_offset, "txnindex")).is_ok();
            let bytes = if exists { partition::read(&path)? } else { Vec::new() };
            let entries = match parse(&bytes) {
                Ok(entries) => entries,
                Err((position, what)) => {
                    report.damage(&name, Some(position), what);
                    continue;
                }
            };
            if derivable && entries != *expected {
                let differs = entries.iter().zip(expected).position(|(held, due)| held != due);
                let number = differs.unwrap_or(entries.len().min(expected.len()));
                let what = format!(
                    "entry {number} is {:?}, by the log's markers {:?}",
                    entries.get(number),
                    expected.get(number)
                );
                report.damage(&name, Some((number * ENTRY_BYTES) as u64), what);
            } else if !entries.is_empty() && !derivable {
                report.note(&name, None, "checked for its structure only");
            }
        }
        Ok(())
    }
}

/// Reads a `.txnindex`; on error, where and what.
fn parse(bytes: &[u8]) -> Result<Vec<Aborted>, (u64, String)> {
    let (whole, torn) = bytes.as_chunks::<ENTRY_BYTES>();
    let mut entries: Vec<Aborted> = Vec::with_capacity(whole.len());
    for (number, entry) in whole.iter().enumerate() {
        let field = |from: usize| {
            let mut bytes = [0; 8];
            bytes.copy_from_slice(&entry[from..from + 8]);
            i64::from_be_bytes(bytes)
        };
        let version = i16::from_be_bytes([entry[0], entry[1]]);
        let aborted = Aborted {
            producer_id: field(2),
            first_offset: field(10),
            last_offset: field(18),
            last_stable_offset: field(26),
        };
        let rises = entries.last().is_none_or(|last| last.last_offset < aborted.last_offset);
        let range = 0 <= aborted.first_offset && aborted.first_offset <= aborted.last_offset;
        let stable = aborted.last_stable_offset;
        let range = range && (0..=aborted.last_offset.saturating_add(1)).contains(&stable);
        if version != 0 || !rises || !range || aborted.producer_id < 0 {
            let what = format!("version {version}, {aborted:?} cannot be");
            return Err(((number * ENTRY_BYTES) as u64, what));
        }
        entries.push(aborted);
    }
    match torn.len() {
        0 => Ok(entries),
        rest => Err(((bytes.len() - rest) as u64, format!("{rest} bytes are no whole entry"))),
    }
}
