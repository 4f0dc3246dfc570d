//! Does every entry of a segment's indexes lead to the batch that it names?

use super::segment::{Fact, Facts};
use super::{Finding, Report, finding, name_of};
use crate::log::LogError;
use crate::log::kafka::index::{
    self, Builder, ENTRY_BYTES, Entry, INTERVAL_BYTES, TIME_ENTRY_BYTES, TimeEntry,
};
use crate::log::kafka::partition;
use std::path::Path;

/// Findings per index after which the rest of it is not looked at.
const PER_FILE_MAX: u64 = 16;

/// Checks `.index` and `.timeindex`. Entries that only an older broker would write go to `older`.
pub(super) fn check(
    dir: &Path,
    facts: &Facts,
    older: &mut Vec<Finding>,
    report: &mut Report,
) -> Result<(), LogError> {
    let mut rebuilt = Builder::new(facts.base_offset, INTERVAL_BYTES);
    facts.batches.iter().for_each(|fact| rebuilt.add(&fact.header));
    let (rebuilt, rebuilt_times) = rebuilt.finish();
    for (extension, expected) in [("index", rebuilt.len()), ("timeindex", rebuilt_times.len())] {
        let path = partition::file(dir, facts.base_offset, extension);
        let name = name_of(&path);
        if !path.exists() {
            report.damage(&name, None, "missing; a broker rebuilds it when it starts");
            continue;
        }
        let bytes = partition::read(&path)?;
        let mut check = Check { facts, name, older, report };
        let before = check.report.damage_total;
        let held = match extension {
            "index" => check.offsets(&bytes),
            _ => check.times(&bytes),
        };
        if held < expected && before == check.report.damage_total && facts.complete {
            let what = format!("{held} entries where a rebuild every 4,096 bytes gives {expected}");
            check.report.note(&check.name, None, what);
        }
    }
    Ok(())
}

struct Check<'a> {
    facts: &'a Facts,
    name: String,
    older: &'a mut Vec<Finding>,
    report: &'a mut Report,
}

/// How an entry agrees with the log.
enum Agreement {
    Yes,
    /// As an older broker would have written it.
    Older(String),
    No(String),
    /// The log is damaged there.
    Unknown,
}

impl Check<'_> {
    /// Checks an offset index; gives the number of its entries.
    fn offsets(&mut self, bytes: &[u8]) -> usize {
        let parsed = index::parse(bytes);
        self.tail(parsed.tail_bytes, parsed.torn_bytes, bytes.len());
        self.report.counts.index_entries += parsed.entries.len() as u64;
        let before = self.report.damage_total;
        let mut previous = Entry { relative_offset: -1, position_bytes: -1 };
        for (number, &entry) in parsed.entries.iter().enumerate() {
            let rises = entry.relative_offset > previous.relative_offset
                && entry.position_bytes > previous.position_bytes;
            let following = parsed.entries.get(number + 1);
            let agreement = if rises {
                self.offset_entry(entry, following)
            } else {
                Agreement::No(format!(
                    "offset +{} at {} after +{} at {}",
                    entry.relative_offset,
                    entry.position_bytes,
                    previous.relative_offset,
                    previous.position_bytes
                ))
            };
            previous = entry;
            self.judge(agreement, number * ENTRY_BYTES);
            if self.report.damage_total - before >= PER_FILE_MAX {
                break;
            }
        }
        parsed.entries.len()
    }

    fn offset_entry(&self, entry: Entry, following: Option<&Entry>) -> Agreement {
        let batches = &self.facts.batches;
        let position = entry.position_bytes as u64;
        let Ok(number) = batches.binary_search_by_key(&position, |fact| fact.position_bytes) else {
            let end = batches.last().map_or(0, |fact| fact.position_bytes);
            if !self.facts.complete && position > end {
                return Agreement::Unknown;
            }
            return Agreement::No(format!("no batch begins at {position}"));
        };
        if !batches[number].sound {
            return Agreement::Unknown;
        }
        let last = batches[number].header.last_offset();
        let named = self.facts.base_offset.saturating_add(i64::from(entry.relative_offset));
        if named == last {
            return Agreement::Yes;
        }
        let what = format!("offset {named} for the batch at {position}, which ends with {last}");
        let limit =
            following.map_or(u64::MAX, |next| u64::try_from(next.position_bytes).unwrap_or(0));
        let appended = batches[number..].iter().take_while(|fact| fact.position_bytes < limit);
        match appended.into_iter().any(|fact| fact.header.last_offset() == named) {
            true => Agreement::Older(what),
            false => Agreement::No(what),
        }
    }

    /// Checks a time index; gives the number of its entries.
    fn times(&mut self, bytes: &[u8]) -> usize {
        let parsed = index::parse_time(bytes);
        self.tail(parsed.tail_bytes, parsed.torn_bytes, bytes.len());
        self.report.counts.time_index_entries += parsed.entries.len() as u64;
        let before = self.report.damage_total;
        let mut previous = TimeEntry { timestamp_ms: -1, relative_offset: -1 };
        for (number, &entry) in parsed.entries.iter().enumerate() {
            let rises = entry.timestamp_ms > previous.timestamp_ms
                && entry.relative_offset > previous.relative_offset;
            let agreement = if rises {
                self.time_entry(entry)
            } else {
                Agreement::No(format!(
                    "{} ms at +{} after {} ms at +{}",
                    entry.timestamp_ms,
                    entry.relative_offset,
                    previous.timestamp_ms,
                    previous.relative_offset
                ))
            };
            previous = entry;
            self.judge(agreement, number * TIME_ENTRY_BYTES);
            if self.report.damage_total - before >= PER_FILE_MAX {
                break;
            }
        }
        if parsed.tail_bytes == 0 {
            self.last_time(parsed.entries.last());
        }
        parsed.entries.len()
    }

    fn time_entry(&self, entry: TimeEntry) -> Agreement {
        let batches = &self.facts.batches;
        let named = self.facts.base_offset.saturating_add(i64::from(entry.relative_offset));
        let number = batches.partition_point(|fact| fact.header.last_offset() < named);
        let unknown = !self.facts.complete || !self.facts.sound;
        let fact: &Fact = match batches.get(number) {
            Some(fact) if fact.header.base_offset <= named => fact,
            _ if unknown => return Agreement::Unknown,
            _ => return Agreement::No(format!("no batch holds offset {named}")),
        };
        let newest = fact.header.max_timestamp_ms;
        let (last, time) = (fact.header.last_offset(), entry.timestamp_ms);
        match () {
            () if !fact.sound => Agreement::Unknown,
            () if time != newest && unknown => Agreement::Unknown,
            () if time != newest => {
                Agreement::No(format!("{time} ms for offset {named}, whose batch says {newest}"))
            }
            () if named != last => {
                Agreement::Older(format!("offset {named} where the batch ends with {last}"))
            }
            () => Agreement::Yes,
        }
    }

    /// A segment that was closed ends its time index with its largest timestamp.
    fn last_time(&mut self, last: Option<&TimeEntry>) {
        let batches = &self.facts.batches;
        if !self.facts.complete || !self.facts.sound {
            return;
        }
        let newest = batches.iter().map(|fact| fact.header.max_timestamp_ms).max().unwrap_or(-1);
        let named = last.map_or(-1, |entry| entry.timestamp_ms);
        if named < newest {
            let what = format!("ends with {named} ms, the segment with {newest}");
            self.report.damage(&self.name, None, what);
        }
    }

    fn tail(&mut self, tail_bytes: usize, torn_bytes: usize, file_bytes: usize) {
        self.report.counts.preallocated_indexes += u64::from(tail_bytes > 0);
        if torn_bytes > 0 {
            let position = (file_bytes - torn_bytes) as u64;
            let what = format!("{torn_bytes} bytes are no whole entry");
            self.report.damage(&self.name, Some(position), what);
        }
    }

    fn judge(&mut self, agreement: Agreement, position: usize) {
        let position = Some(position as u64);
        match agreement {
            Agreement::Yes | Agreement::Unknown => {}
            Agreement::Older(what) => self.older.push(finding(&self.name, position, what)),
            Agreement::No(what) => self.report.damage(&self.name, position, what),
        }
    }
}
