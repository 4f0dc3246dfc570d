//! What does a cold scan do to consumers of a hot set, when memory holds the hot set but not the log?
//!
//! One round: two children verify their fetches and close their engines; the log is evicted; a group
//! with little memory is made and both move into it (their receivers stay outside: a consumer's memory
//! is not a broker's); the child of the hot consumers reads the hot set in, so that its pages are
//! charged to the group and have been used twice, as pages have that consumers read again and again.
//! `mincore` has to say then that all of the hot set is resident and nothing of the rest, else the round
//! is `invalid`. Then hot consumers are served alone, beside the scan, and alone again.
//!
//! Residency is looked at by this process, outside the group, every [`LOOK_EVERY`] in all three phases
//! and for all contenders alike. It is the one thing that samples while something is timed: what the
//! hot set lost cannot be seen afterwards.
//!
//! The contender `null` scans nothing: its bytes come from memory. What hot consumers suffer beside it
//! is the price of sharing CPUs, not memory.

mod parts;

use super::super::interrupt;
use super::super::turns::abba;
use super::{Measure, TrialChild, VERIFY_FETCHES, cells};
use crate::cache::Watched;
use crate::cgroup::place::Place;
use crate::cgroup::{Group, Stat, sweep};
use crate::counters::now;
use crate::scenario::{self, Pressure};
use crate::trial::proof::Witness;
use crate::trial::wire::{Access, Cache, Moved, Order, Served, Spec, Trouble};
use parts::{Parts, bytes};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::{Duration, Instant};
use zclab_report::record::{Histogram, Line, Pass, reading};

/// How often the residency of the hot set is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// The hot set is moved so many times before a round: pages count as in use from the second on.
const SETTLE_PASSES: u32 = 2;

/// Everything that one round measured.
struct Round {
    verified: Vec<Moved>,
    scan: Moved,
    latencies: Vec<(String, String)>,
    hot: [String; 3],
}

/// The files of a part, watched.
struct Part(Vec<(Watched, u64, u64)>);

impl Part {
    fn open(ranges: Vec<(PathBuf, u64, u64)>) -> Result<Part, Trouble> {
        let watch = |(path, offset_bytes, len_bytes): (PathBuf, u64, u64)| {
            Ok((Watched::open(&path)?, offset_bytes, len_bytes))
        };
        let watched: Result<Vec<_>, crate::cache::CacheError> =
            ranges.into_iter().map(watch).collect();
        watched.map(Part).map_err(|error| Trouble::failed(error.to_string()))
    }

    /// Evicts it. Read-ahead of the content check may have been in flight when the log was evicted:
    /// `mincore` sees such pages only when they have arrived.
    fn evict(&self) -> Result<(), Trouble> {
        for (file, offset_bytes, len_bytes) in &self.0 {
            file.evict_range(*offset_bytes, *len_bytes)
                .map_err(|error| Trouble::invalid(error.to_string()))?;
        }
        Ok(())
    }

    /// Pages, and of them resident.
    fn pages(&self) -> Result<(u64, u64), Trouble> {
        let mut sum = (0, 0);
        for (file, offset_bytes, len_bytes) in &self.0 {
            let seen = file.resident(*offset_bytes, *len_bytes);
            let (pages, resident) = seen.map_err(|error| Trouble::failed(error.to_string()))?;
            sum = (sum.0 + pages, sum.1 + resident);
        }
        Ok(sum)
    }
}

/// Resident pages of the hot set over time.
struct Looks<'a> {
    hot: &'a Part,
    seen: Vec<(u64, u64)>,
}

impl Looks<'_> {
    fn look(&mut self) -> Result<(), Trouble> {
        let resident = self.hot.pages()?.1;
        self.seen.push((now().0, resident));
        Ok(())
    }

    /// Looks every so often, for so long.
    fn look_for(&mut self, long: Duration) -> Result<(), Trouble> {
        let begun = Instant::now();
        while begun.elapsed() < long && !interrupt::asked() {
            self.look()?;
            std::thread::sleep(LOOK_EVERY);
        }
        self.look()
    }
}

/// Resident pages when the scan began, the least during it, and those at the end; absent where nobody
/// looked in time.
fn residency(seen: &[(u64, u64)], (begin, end): (u64, u64)) -> [Option<u64>; 3] {
    let before = seen.iter().take_while(|(at, _)| *at < begin).last();
    let during = seen.iter().filter(|(at, _)| (begin..=end).contains(at));
    let after = seen.last().filter(|(at, _)| *at > end);
    [before.map(|one| one.1), during.map(|one| one.1).min(), after.map(|one| one.1)]
}

impl Measure<'_> {
    /// One round of each contender under pressure.
    pub(super) fn pressed(&mut self, pressure: &Pressure, launch: u32) -> anyhow::Result<()> {
        let place = match Place::open() {
            Ok(place) => place,
            Err(refusal) => {
                let all = 0..self.entries.len();
                all.for_each(|at| self.give_up(at, refusal.clone().into()));
                return Ok(());
            }
        };
        sweep(&place).iter().for_each(|line| eprintln!("zclab: {line}"));
        for (slot, at) in abba(self.entries.len(), launch).into_iter().enumerate() {
            if self.entries[at].trouble.is_some() || interrupt::asked() {
                continue;
            }
            match self.one_pressed(pressure, &place, at) {
                Ok(round) => self.keep(at, (launch, slot as u32), round)?,
                Err(trouble) => self.give_up(at, trouble),
            }
        }
        Ok(())
    }

    fn keep(&mut self, at: usize, (launch, slot): (u32, u32), round: Round) -> anyhow::Result<()> {
        for (turn, moved) in round.verified.into_iter().enumerate() {
            self.sample(at, Pass::Verify, (launch, turn as u32, slot), moved)?;
        }
        self.sample(at, Pass::Timing, (launch, 0, slot), round.scan)?;
        self.histograms(at, launch, round.latencies)?;
        for (what, data) in reading::HOT_LATENCIES.into_iter().zip(round.hot) {
            if !data.is_empty() {
                let (cell, what) = (self.entries[at].id.clone(), what.to_owned());
                let encoding = "hdr-v2-deflate".to_owned();
                let line = Histogram { cell, launch, what, encoding, data };
                (self.write)(&[Line::Histogram(line)])?;
            }
        }
        Ok(())
    }

    /// The specifications of the scan's child and of the hot consumers' child.
    fn both(&self, pressure: &Pressure, parts: &Parts, at: usize) -> Result<(Spec, Spec), Trouble> {
        let cell = &self.entries[at].cell;
        let scan = cells::spec(cell, &self.ready, 1, self.ground);
        let strategy = zclab_strategies::find(pressure.hot_strategy)
            .ok_or_else(|| Trouble::failed(format!("unknown: {}", pressure.hot_strategy)))?;
        let contender = scenario::Contender::new(
            zclab_strategies::Entry::Transfer(strategy),
            false,
            BTreeMap::new(),
        );
        let server = scenario::Cell { contender: &contender, ..cell.clone() };
        let hot = cells::spec(&server, &self.ready, 1, self.ground);
        let access = match pressure.hot_access {
            scenario::Access::Sequential => Access::Sequential,
            _ => Access::Random,
        };
        // Nobody has a CPU of its own; sets that were named hold for all.
        let within = |spec| Spec { pin: self.ground.cpus.sets(), ..spec };
        Ok((within(parts.scanning(scan)), within(parts.serving(hot, access))))
    }

    fn one_pressed(
        &mut self,
        pressure: &Pressure,
        place: &Place,
        at: usize,
    ) -> Result<Round, Trouble> {
        let segments: Vec<(PathBuf, u64)> =
            self.ready.log.segments.iter().map(|s| (s.path.clone(), s.len_bytes)).collect();
        let parts = Parts::of(&segments, pressure)?;
        let (cold_part, hot_part) =
            (Part::open(parts.ranges(parts.scan))?, Part::open(parts.ranges(parts.hot))?);
        let (scan, hot) = self.both(pressure, &parts, at)?;
        // The group is made first and so dropped last, after its processes.
        let group = Group::make(place, Some(pressure.memory_bytes))?;
        let (mut scan, mut hot) = (TrialChild::spawn(&scan)?, TrialChild::spawn(&hot)?);
        let setup = scan.ready()?;
        self.entries[at].setup.extend(setup);
        hot.ready()?;
        let verify = Order::Verify { block: 0, fetches_max: VERIFY_FETCHES };
        hot.moved(verify)?;
        let verified = vec![scan.moved(verify)?];
        for child in [&mut scan, &mut hot] {
            child.done(Order::Vacate)?;
        }
        Witness::open(&segments)?.arrange(Cache::Cold)?;
        for child in [&mut scan, &mut hot] {
            group.add(child.id())?;
        }
        hot.done(Order::Settle { passes: SETTLE_PASSES, read_in: true })?;
        scan.done(Order::Settle { passes: 0, read_in: false })?;
        cold_part.evict()?;
        proven(&hot_part, &cold_part)?;
        let mut looks = Looks { hot: &hot_part, seen: Vec::new() };
        let alone = |ms: u32| Duration::from_millis(u64::from(ms));
        hot.done(Order::Serve { rate_per_s: pressure.hot_rate_per_s })?;
        looks.look_for(alone(pressure.alone_ms.0))?;
        let begin = group.stat();
        let order = Order::Slice { block: 0, keep: true };
        let told = scan.moved_while(order, LOOK_EVERY, || looks.look());
        let mut moved = told.map_err(|trouble| starved(trouble, &group))?;
        let over = group.stat();
        looks.look_for(alone(pressure.alone_ms.1))?;
        let served = hot.stopped(moved.span_ns).map_err(|trouble| starved(trouble, &group))?;
        let pages = hot_part.pages()?.0;
        let seen = residency(&looks.seen, moved.span_ns);
        read_into(&mut moved.readings, pages, seen, &served);
        group_into(&mut moved.readings, &group, [begin, over, group.stat()]);
        let finished = scan.finish()?;
        self.entries[at].setup.extend(finished.setup);
        let latencies = finished.histograms;
        Ok(Round { verified, scan: moved, latencies, hot: served.histograms })
    }
}

/// Whether all of the hot set is resident, and nothing of the rest.
fn proven(hot: &Part, cold: &Part) -> Result<(), Trouble> {
    let (hot_pages, hot_resident) = hot.pages()?;
    let (cold_pages, cold_resident) = cold.pages()?;
    if hot_resident == hot_pages && cold_resident == 0 {
        return Ok(());
    }
    Err(Trouble::invalid(format!(
        "mincore: before the scan {hot_resident} of {hot_pages} pages of the hot set were resident and \
         {cold_resident} of {cold_pages} of the rest; all and none were expected"
    )))
}

/// A child that died since the limit left it no page says so.
fn starved(trouble: Trouble, group: &Group) -> Trouble {
    match group.stat().killed {
        Some(killed) if killed > 0 => Trouble {
            message: format!(
                "{}; the kernel killed it: {} bytes were too little memory (oom_kill {killed})",
                trouble.message,
                group.limit_bytes().unwrap_or(0)
            ),
            ..trouble
        },
        _ => trouble,
    }
}

fn read_into(
    readings: &mut BTreeMap<String, u64>,
    hot_pages: u64,
    seen: [Option<u64>; 3],
    served: &Served,
) {
    let [before, during, after] = seen.map(|pages| pages.map(bytes));
    let rows = [
        (reading::HOT_SET_BYTES, Some(bytes(hot_pages))),
        (reading::HOT_RESIDENT_BYTES_BEFORE, before),
        (reading::HOT_RESIDENT_BYTES_DURING, during),
        (reading::HOT_RESIDENT_BYTES_AFTER, after),
        (reading::HOT_READ_BYTES, served.read_bytes),
        (reading::HOT_FETCHES, Some(served.fetches)),
    ];
    put(readings, rows);
}

/// What the kernel counted in the group: as the scan began, as it was over, and at the end.
fn group_into(readings: &mut BTreeMap<String, u64>, group: &Group, [begin, over, end]: [Stat; 3]) {
    let since = |of: fn(&Stat) -> Option<u64>| {
        of(&end).zip(of(&begin)).map(|(end, begin)| end.saturating_sub(begin))
    };
    let rows = [
        (reading::GROUP_LIMIT_BYTES, group.limit_bytes()),
        (reading::GROUP_PEAK_BYTES, end.peak_bytes),
        (reading::GROUP_FILE_BYTES, over.file_bytes),
        (reading::GROUP_ANON_BYTES, over.anon_bytes),
        (reading::GROUP_REFAULTS, since(|stat| stat.refaults)),
        (reading::GROUP_SCANNED_PAGES, since(|stat| stat.scanned_pages)),
        (reading::GROUP_LIMIT_HITS, since(|stat| stat.limit_hits)),
    ];
    put(readings, rows);
}

/// What is not known is left out, never 0.
fn put<const N: usize>(readings: &mut BTreeMap<String, u64>, rows: [(&str, Option<u64>); N]) {
    readings.extend(rows.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn residency_is_read_before_at_its_lowest_and_at_the_end() {
        let seen = [(5, 100), (9, 99), (12, 70), (15, 40), (18, 60), (25, 80), (30, 90)];
        assert_eq!(residency(&seen, (10, 20)), [Some(99), Some(40), Some(90)]);
        assert_eq!(residency(&seen, (13, 14)), [Some(70), None, Some(90)]);
        assert_eq!(residency(&seen[..3], (10, 20)), [Some(99), Some(70), None]);
        assert_eq!(residency(&[], (10, 20)), [None, None, None]);
    }

    #[test]
    fn what_is_not_known_is_left_out() {
        let mut readings = BTreeMap::new();
        put(&mut readings, [("a", Some(0)), ("b", None)]);
        assert_eq!(readings, BTreeMap::from([("a".to_owned(), 0)]));
    }
}
