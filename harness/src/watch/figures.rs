//! What do the counts of a stretch of time say, as figures?

use super::diagnosis::{Seen, diagnose};
use super::files::{Names, device_name};
use crate::ledger::counts::Counts;
use crate::ledger::moves::{End, Move};
use std::collections::BTreeMap;
use zclab_report::watch::{FileShare, Transfer, Watch};

const MIB: f64 = (1 << 20) as f64;
/// Below this share of the bytes, what clients on this host received says nothing about the rest.
const MOSTLY_HERE: f64 = 0.9;
/// Files that are listed, at most.
const FILES_MAX: usize = 50;

/// What was counted after an earlier moment.
#[must_use]
pub fn since(now: &Counts, before: &Counts) -> Counts {
    let values = |counts: &Counts| counts.flat();
    let flat: Vec<u64> =
        values(now).iter().zip(values(before)).map(|(a, b)| a.saturating_sub(b)).collect();
    let mut out = Counts::of(&flat);
    out.syscalls = less(&now.syscalls, &before.syscalls);
    out.device_reads = less(&now.device_reads, &before.device_reads);
    out.files = less(&now.files, &before.files);
    for one in &now.moves {
        let same = |other: &&Move| other.name() == one.name();
        let (calls, bytes) =
            before.moves.iter().find(same).map_or((0, 0), |old| (old.calls, old.bytes));
        let rest = Move {
            calls: one.calls.saturating_sub(calls),
            bytes: one.bytes.saturating_sub(bytes),
            ..*one
        };
        if rest.calls > 0 {
            out.moves.push(rest);
        }
    }
    out
}

fn less<K: Ord + Clone>(now: &BTreeMap<K, u64>, before: &BTreeMap<K, u64>) -> BTreeMap<K, u64> {
    let rest = now.iter().map(|(key, count)| {
        (key.clone(), count.saturating_sub(before.get(key).copied().unwrap_or(0)))
    });
    rest.filter(|(_, count)| *count > 0).collect()
}

/// Share of the bytes that were shared when sent, but copied when a receiver on this host was handed
/// them.
///
/// # Errors
/// Why that is not known.
pub fn deferred(counts: &Counts, received: bool) -> Result<f64, String> {
    let (wire, here) = (counts.wire, counts.received);
    if !received {
        return Err("the receivers' copies are not seen on this kernel".to_owned());
    }
    if wire.total() == 0 {
        return Err("nothing was sent".to_owned());
    }
    let local = here.total() as f64 / wire.total() as f64;
    if local < MOSTLY_HERE {
        return Err(format!(
            "{} of the bytes were copied to a reader on this host; what other hosts do is not seen",
            zclab_report::watch::percent(local)
        ));
    }
    let shared = |of: crate::ledger::counts::Classes| of.shared() as f64 / of.total() as f64;
    Ok((shared(wire) - shared(here)).max(0.0))
}

/// Everything that is derived from counts alone.
pub fn figures(watch: &mut Watch, seen: &mut Seen, names: &Names) {
    let counts = seen.counts;
    let total = counts.wire.total();
    let share = |bytes: u64| (total > 0).then(|| bytes as f64 / total as f64);
    let per_mib = |count: u64| count as f64 * MIB / total as f64;
    watch.wire_bytes = total;
    watch.again_bytes = counts.single("wire_again_bytes");
    watch.wire_packets = counts.single("wire_packets");
    watch.reference_share = share(counts.wire.page_cache());
    watch.copied_share = share(counts.wire.private);
    watch.user_share = share(counts.wire.anon);
    watch.linear_share = share(counts.wire.linear);
    watch.other_share = share(counts.wire.device + counts.wire.unwalked);
    let has = |gap: &str| !watch.gaps.contains_key(gap);
    if has("queue") {
        watch.linearised_share = share(counts.wire.linear.saturating_sub(counts.queued.linear));
        let queued = counts.queued.total();
        watch.queued_reference_share =
            (queued > 0).then(|| counts.queued.page_cache() as f64 / queued as f64);
    }
    watch.device_read_bytes = has("device").then(|| counts.device_reads.values().sum());
    watch.cache_fill_bytes = has("cache-fill").then(|| counts.single("cache_fill_bytes"));
    if has("enter") && total > 0 {
        let calls = counts.calls_of("sender");
        watch.syscalls_per_mib =
            Some(calls.into_iter().map(|(name, count)| (name, per_mib(count))).collect());
    }
    if has("switch") && total > 0 {
        let (voluntary, involuntary) = counts.switches.get("sender").copied().unwrap_or_default();
        watch.voluntary_switches_per_mib = Some(per_mib(voluntary));
        watch.involuntary_switches_per_mib = Some(per_mib(involuntary));
    }
    watch.sends = transfers(counts, |one| one.to == End::Socket);
    watch.reads =
        transfers(counts, |one| one.to == End::User && [End::File, End::Log].contains(&one.from));
    watch.files = files(counts, names, total);
    match deferred(counts, has("receive")) {
        Ok(share) => watch.deferred_share = Some(share),
        Err(why) => drop(watch.gaps.insert("deferred".to_owned(), why)),
    }
    match counts.single("lost") {
        0 => {}
        count => {
            let why = format!("{count} events found no room in a map and are missing");
            watch.gaps.insert("lost".to_owned(), why);
        }
    }
    seen.deferred = watch.deferred_share;
    watch.diagnosis = diagnose(seen);
}

fn transfers(counts: &Counts, takes: impl Fn(&Move) -> bool) -> Vec<Transfer> {
    let mut all: Vec<Transfer> = counts
        .moves
        .iter()
        .filter(|one| takes(one))
        .map(|one| Transfer {
            name: one.name(),
            calls: one.calls,
            bytes: one.bytes,
            bytes_per_call: one.bytes as f64 / one.calls.max(1) as f64,
        })
        .collect();
    all.sort_by_key(|one| std::cmp::Reverse(one.bytes));
    all
}

fn files(counts: &Counts, names: &Names, total: u64) -> Vec<FileShare> {
    let mut all: Vec<FileShare> = counts
        .files
        .iter()
        .map(|(&(device, inode), &bytes)| FileShare {
            path: names.get(device, inode),
            device: device_name(device),
            inode,
            bytes,
            share: (total > 0).then(|| bytes as f64 / total as f64),
        })
        .collect();
    all.sort_by_key(|file| std::cmp::Reverse(file.bytes));
    all.truncate(FILES_MAX);
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::counts::{Classes, ENTRIES};

    fn counts(scale: u64) -> Counts {
        let mut counts = Counts::of(&(0..ENTRIES as u64).map(|n| n * scale).collect::<Vec<_>>());
        counts.syscalls.insert(("sender", "sendfile".to_owned()), 7 * scale);
        counts.files.insert((1 << 20 | 2, 3), 9 * scale);
        counts.moves.push(Move::of(40, [3, 5, 0], scale, 100 * scale));
        counts
    }

    #[test]
    fn what_was_counted_since_is_the_difference_in_every_part() {
        assert_eq!(since(&counts(5), &counts(2)), counts(3));
        let nothing = since(&counts(2), &counts(2));
        assert!(nothing.moves.is_empty() && nothing.files.is_empty());
        assert_eq!(nothing.wire.total(), 0);
    }

    #[test]
    fn late_copies_are_known_only_where_most_was_received_here() {
        let wire = Classes { anon: 1000, ..Classes::default() };
        let mut counts = Counts { wire, ..Counts::default() };
        assert!(deferred(&counts, true).unwrap_err().contains("0.0 %"));
        counts.received = Classes { private: 990, anon: 10, ..Classes::default() };
        assert!((deferred(&counts, true).unwrap() - 0.99).abs() < 1e-9);
        assert!(deferred(&counts, false).is_err());
    }
}
