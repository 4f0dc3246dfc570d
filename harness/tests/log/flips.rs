//! Is every flipped byte found, but for the exceptions that `verify` lists?

use crate::support::{GOLDEN, small_spec, unpack};
use std::collections::BTreeSet;
use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::Path;
use zclab::log::kafka::batch::BatchHeader;
use zclab::log::kafka::partition::{self, Walk};
use zclab::log::kafka::verify::verify;
use zclab::log::kafka::{Codec, checkpoint, generate, index};
use zclab::log::scan;

/// Files up to this are flipped byte by byte, longer ones at headers and at a seeded sample.
/// `ZCLAB_TEST_EVERY_BYTE=1` flips every byte of all files but golden-0's (hours in a debug build).
const EVERY_BYTE_UP_TO: u64 = 18_000;
/// Flips in a longer file, besides its headers.
const SAMPLE: u64 = 1000;
/// Flips in each file of a partition that takes long to verify.
const FEW: u64 = 120;

/// A repeatable scramble of a number (splitmix64).
fn scramble(number: u64) -> u64 {
    let mut x = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

/// What is needed to tell whether a flip may go unnoticed, worked out apart from `verify`.
struct Known {
    /// Per batch: file, position, header, in order.
    batches: Vec<(String, u64, BatchHeader)>,
    /// Offsets that index entries name.
    named: BTreeSet<i64>,
    last_epoch_is_borne: bool,
}

impl Known {
    fn of(dir: &Path) -> Self {
        let mut known =
            Self { batches: vec![], named: BTreeSet::new(), last_epoch_is_borne: false };
        for segment in scan(dir).expect("a log").segments {
            let name =
                segment.path.file_name().expect("a name").to_str().expect("UTF-8").to_owned();
            let mut walk = Walk::open(&segment.path).expect("a segment");
            while let Some((position, header)) = walk.next_header().expect("a header") {
                known.batches.push((name.clone(), position, header));
            }
            let base = segment.base_offset;
            let offsets = fs::read(segment.path.with_extension("index")).expect("an index");
            let times = fs::read(segment.path.with_extension("timeindex")).expect("an index");
            let offsets = index::parse(&offsets).entries.into_iter().map(|e| e.relative_offset);
            let times = index::parse_time(&times).entries.into_iter().map(|e| e.relative_offset);
            known.named.extend(offsets.chain(times).map(|relative| base + i64::from(relative)));
        }
        let text = fs::read_to_string(dir.join(checkpoint::LEADER_EPOCHS)).expect("epochs");
        let last = checkpoint::parse_epochs(&text).expect("epochs").pop().expect("an epoch").epoch;
        let epochs = known.batches.iter().map(|(_, _, header)| header.partition_leader_epoch);
        known.last_epoch_is_borne = epochs.max() == Some(last);
        known
    }

    /// Whether `verify` says of this flip that nothing covers it.
    fn excuses(&self, file: &str, position: u64, flipped: u8, text: &[u8]) -> bool {
        match file {
            checkpoint::METADATA => {
                let id = text.len() - 22..text.len() - 1;
                let base64 = flipped.is_ascii_alphanumeric() || b"-_".contains(&flipped);
                // The last character holds two bits that must be 0.
                let canonical = b"AQgw".contains(&flipped) && position as usize == id.end;
                id.contains(&(position as usize)) && base64 || canonical
            }
            // The first epoch may begin before the log's first offset: 4571 becomes less.
            checkpoint::LEADER_EPOCHS if (6..10).contains(&position) && text[6..10] == *b"4571" => {
                flipped.is_ascii_digit() && flipped < text[position as usize]
            }
            checkpoint::LEADER_EPOCHS => {
                let before = text[..text.len() - 1].iter().rposition(|&b| b == b'\n');
                let last_line = before.expect("a line before") + 1;
                let digits = text[last_line..].iter().position(|&b| b == b' ').expect("a space");
                !self.last_epoch_is_borne
                    && (last_line..last_line + digits).contains(&(position as usize))
                    && flipped.is_ascii_digit()
            }
            _ if file.ends_with(".log") => self.excuses_base_offset(file, position, flipped),
            _ => false,
        }
    }

    fn excuses_base_offset(&self, file: &str, position: u64, flipped: u8) -> bool {
        let number = self
            .batches
            .partition_point(|(name, from, _)| (name.as_str(), *from) <= (file, position));
        let (_, from, header) = &self.batches[number - 1];
        let byte = (position - from) as usize;
        if byte >= 8 || self.named.contains(&header.last_offset()) {
            return false;
        }
        let mut base = header.base_offset.to_be_bytes();
        base[byte] = flipped;
        let base = i64::from_be_bytes(base);
        let last = base.checked_add(i64::from(header.last_offset_delta));
        let before = number.checked_sub(2).map_or(-1, |i| self.batches[i].2.last_offset());
        let after = self.batches.get(number).map_or(i64::MAX, |(_, _, next)| next.base_offset);
        let segment: i64 = file[..20].parse().expect("a segment's name");
        base > before
            && base >= segment
            && last.is_some_and(|last| last < after && i32::try_from(last - segment).is_ok())
    }

    /// Where to flip: everything, or a sample that has whole headers in it.
    fn plan(&self, file: &str, length: u64, sample: u64) -> BTreeSet<u64> {
        let every = std::env::var_os("ZCLAB_TEST_EVERY_BYTE").is_some();
        if (every || length <= EVERY_BYTE_UP_TO) && sample > FEW {
            return (0..length).collect();
        }
        let mut plan: BTreeSet<u64> = (0..sample).map(|n| scramble(n) % length.max(1)).collect();
        plan.retain(|position| *position < length);
        if sample > FEW {
            let here = || self.batches.iter().filter(|batch| batch.0 == file).map(|batch| batch.1);
            // Whole headers at both ends, and what no CRC covers in every batch.
            let ends = here().take(2).chain(here().skip(here().count().saturating_sub(2)));
            plan.extend(ends.flat_map(|from| from..from + 61));
            plan.extend(here().flat_map(|from| [from + 3, from + 6, from + 7, from + 15]));
            // The entries of a preallocated index, and the zeros after them.
            if !file.ends_with(".log") {
                plan.extend((0..700).chain(length - 12..length));
            }
        }
        plan
    }
}

fn flip_all(dir: &Path, sample: u64) -> (u64, Vec<String>) {
    let report = verify(dir).expect("a partition");
    assert!(report.is_clean(), "{}: {:#?}", dir.display(), report.damage);
    let known = Known::of(dir);
    let (mut flips, mut missed) = (0, Vec::new());
    for entry in fs::read_dir(dir).expect("the partition").flatten() {
        let name = entry.file_name().into_string().expect("UTF-8");
        let text = fs::read(entry.path()).expect("a file");
        let file = OpenOptions::new().write(true).open(entry.path()).expect("a file of ours");
        for position in known.plan(&name, text.len() as u64, sample) {
            let was = text[position as usize];
            let mask = (scramble(position ^ u64::from(was)) as u8).max(1);
            // Digits become digits where they can: the flips that are hardest to see.
            for flipped in if was.is_ascii_digit() && text.len() < 100 {
                vec![was ^ mask, was ^ 1]
            } else {
                vec![was ^ mask]
            } {
                flips += 1;
                set(&file, position, flipped);
                if verify(dir).expect("a partition still").is_clean() {
                    let at = format!("{}/{name} at {position}", dir.display());
                    assert!(known.excuses(&name, position, flipped, &text), "unnoticed: {at}");
                    missed.push(format!("{name}:{position}"));
                }
            }
            set(&file, position, was);
        }
    }
    (flips, missed)
}

fn set(file: &File, position: u64, byte: u8) {
    file.write_all_at(&[byte], position).expect("a flipped byte");
}

/// Shortens preallocated tails, so that verifying takes milliseconds; a multiple of both entries.
fn shorten_tails(dir: &Path) {
    for extension in ["index", "timeindex"] {
        let path = partition::file(dir, 0, extension);
        OpenOptions::new()
            .write(true)
            .open(path)
            .expect("an index")
            .set_len(24_000)
            .expect("a cut");
    }
}

#[test]
fn every_flip_in_the_newest_segment_of_a_rolled_log_is_found_or_excused() {
    let scratch = tempfile::tempdir().expect("a scratch directory");
    let dir = unpack("golden-0", scratch.path());
    for entry in fs::read_dir(&dir).expect("the partition").flatten() {
        let name = entry.file_name().into_string().expect("UTF-8");
        if name.starts_with("00000000000000000000") || name.starts_with("00000000000000002291") {
            fs::remove_file(entry.path()).expect("an older segment goes");
        }
    }
    // A broker that deletes old segments lets the first epoch begin with the log.
    fs::write(dir.join(checkpoint::LEADER_EPOCHS), "0\n2\n2 4571\n4 6000\n").expect("epochs");
    let (flips, missed) = flip_all(&dir, SAMPLE);
    println!("{flips} flips, excused: {missed:?}");
}

#[test]
fn every_flip_in_a_golden_partition_is_found_or_excused() {
    let scratch = tempfile::tempdir().expect("a scratch directory");
    std::thread::scope(|scope| {
        for group in 0..2 {
            let scratch = scratch.path();
            scope.spawn(move || {
                for name in GOLDEN.iter().skip(group).step_by(2) {
                    let begun = std::time::Instant::now();
                    let dir = unpack(name, scratch);
                    if *name == "golden-killed-0" {
                        shorten_tails(&dir);
                    }
                    let sample = if *name == "golden-0" { FEW } else { SAMPLE };
                    let (flips, missed) = flip_all(&dir, sample);
                    let took = begun.elapsed();
                    println!("{name}: {flips} flips in {took:?}, excused: {missed:?}");
                }
            });
        }
    });
}

#[test]
fn every_flip_in_a_generated_partition_is_found_or_excused() {
    let scratch = tempfile::tempdir().expect("a scratch directory");
    let spec = zclab::log::kafka::Spec {
        total_bytes: 5 << 10,
        segment_bytes: 3 << 10,
        batch_bytes: 1 << 10,
        ..small_spec(Codec::None)
    };
    let dir = scratch.path().join("tiny-0");
    generate(&spec, &dir, &mut |_| {}).expect("a partition");
    assert!(partition::list(&dir).expect("a listing").segments.len() > 1);
    let (flips, missed) = flip_all(&dir, SAMPLE);
    println!("{flips} flips, excused: {missed:?}");
}
