//! Which ranges of the log does a block of fetches ask for?
//!
//! A block is a slice's worth of fetches, named by a number; the same number gives the same ranges in
//! every child. A fetch has exactly the bytes that the scenario says, so that an axis of sizes is exact
//! (a broker would round up to whole batches); one that crosses the end of a segment has two pieces.
//! Sequential fetches abut, beginning at the second batch: as with a broker, whose fetches begin at
//! batches, hardly any begins at a page's beginning, and whole pages would flatter page references.

use super::wire::{Access, Spec};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use zclab_strategies::{LaneId, Piece, Queue};

/// The fetches of a block, in order.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Block {
    /// Pieces of every fetch.
    pub fetches: Vec<Vec<Piece>>,
    /// Records of batches that lie wholly inside the fetches.
    pub messages: u64,
}

impl Block {
    /// Fills an empty queue with every fetch for each of these lanes. Where a schedule will let them
    /// become due, they are held until then.
    pub fn fill(&self, queue: &mut Queue, header: &[u8], lanes: &[LaneId], held: bool) {
        queue.clear();
        for pieces in &self.fetches {
            match held {
                true => queue.hold(header, pieces, lanes),
                false => queue.push(header, pieces, lanes),
            }
        }
    }
}

/// Gives blocks of fetches over a log.
pub struct Planner {
    /// Where each segment begins in the log as a whole; one more entry for its end.
    starts: Vec<u64>,
    /// Where batches begin in the log as a whole, and the records before each; one more entry for the end.
    batches: Vec<(u64, u64)>,
    fetch_bytes: u64,
    fetches: u64,
    access: Access,
    seed: u64,
    /// The part of the log that fetches lie in.
    range: (u64, u64),
    /// Where segments begin that hold a fetch, for a file of its own for each; empty otherwise.
    files: Vec<u64>,
    /// Running totals of the Zipf law over ranks of batches; empty for other laws.
    zipf: Vec<f64>,
}

impl Planner {
    /// A planner for this trial.
    ///
    /// # Errors
    /// A log that is too short for a single fetch.
    pub fn new(spec: &Spec) -> Result<Planner, String> {
        let mut starts = vec![0u64];
        for (_, len_bytes) in &spec.segments {
            starts.push(starts[starts.len() - 1] + len_bytes);
        }
        let total_bytes = starts[starts.len() - 1];
        if spec.fetch_bytes == 0 || total_bytes < spec.fetch_bytes {
            return Err(format!(
                "a fetch of {} bytes does not fit a log of {total_bytes}",
                spec.fetch_bytes
            ));
        }
        let mut batches = Vec::with_capacity(spec.batches.len() + 1);
        let mut records = 0u64;
        for &(segment, position_bytes, count) in &spec.batches {
            batches.push((starts[segment as usize] + position_bytes, records));
            records += u64::from(count);
        }
        batches.push((total_bytes, records));
        let range = spec.range_bytes.unwrap_or((0, total_bytes));
        if range.1 > total_bytes || range.0 + spec.fetch_bytes > range.1 {
            return Err(format!(
                "a fetch of {} bytes does not fit bytes {} to {} of a log of {total_bytes}",
                spec.fetch_bytes, range.0, range.1
            ));
        }
        // A fetch that begins near the end would not fit: those batches are never starts.
        let last_start = range.1 - spec.fetch_bytes;
        let first = batches.partition_point(|&(at, _)| at < range.0);
        let eligible = batches.partition_point(|&(at, _)| at <= last_start);
        let eligible = eligible.saturating_sub(first).max(1);
        let zipf = match spec.access {
            Access::Zipf(exponent) => zipf_totals(eligible.min(batches.len() - 1), exponent),
            _ => Vec::new(),
        };
        let files = match spec.access {
            Access::Files => files(&starts, range, spec.fetch_bytes)?,
            _ => Vec::new(),
        };
        let fetches = u64::from(spec.fetches.max(1));
        let (fetch_bytes, access, seed) = (spec.fetch_bytes, spec.access, spec.seed);
        Ok(Planner { starts, batches, fetch_bytes, fetches, access, seed, range, files, zipf })
    }

    /// Where sequential fetches begin: at the second batch, unless that leaves no room for one.
    fn origin(&self) -> u64 {
        let (begin, end) = self.range;
        let second = (self.first() + 1).min(self.batches.len() - 1);
        let second = self.batches[second].0;
        if second + self.fetch_bytes <= end { second } else { begin }
    }

    /// The first batch of the range.
    fn first(&self) -> usize {
        self.batches.partition_point(|&(at, _)| at < self.range.0)
    }

    /// How many sequential blocks the log holds; block numbers beyond it begin anew.
    #[must_use]
    pub fn blocks(&self) -> u64 {
        ((self.range.1 - self.origin()) / (self.fetch_bytes * self.fetches)).max(1)
    }

    /// The block of that number, with at most this many fetches.
    #[must_use]
    pub fn block(&self, number: u64, fetches_max: u64) -> Block {
        let count = self.fetches.min(fetches_max);
        let mut random = ChaCha8Rng::seed_from_u64(self.seed ^ number.wrapping_mul(0x9e37_79b9));
        let mut block = Block::default();
        for index in 0..count {
            let start = match self.access {
                Access::Sequential => self.sequential(number, index),
                Access::Random => self.start_of(random.random_range(0..self.eligible())),
                Access::Zipf(_) => self.popular(&mut random),
                Access::Files => self.file(number * self.fetches + index),
            };
            block.fetches.push(self.pieces(start));
            block.messages += self.messages(start, start + self.fetch_bytes);
        }
        block
    }

    /// How many fetches that abut the range has room for.
    #[must_use]
    pub fn fits(&self) -> u64 {
        ((self.range.1 - self.origin()) / self.fetch_bytes).max(1)
    }

    /// Fetches that abut; the last ones of a log that is no multiple of them are left out.
    fn sequential(&self, number: u64, index: u64) -> u64 {
        let place = ((number % self.blocks()) * self.fetches + index) % self.fits();
        self.origin() + place * self.fetch_bytes
    }

    /// How many batches are far enough from the end to be the start of a fetch.
    fn eligible(&self) -> usize {
        let last_start = self.range.1 - self.fetch_bytes;
        let batches = &self.batches[self.first()..self.batches.len() - 1];
        batches.partition_point(|&(at, _)| at <= last_start).max(1)
    }

    /// Where a batch begins, counted from the range's first; the range itself where none begins in it.
    fn start_of(&self, batch: usize) -> u64 {
        let start = self.batches[(self.first() + batch).min(self.batches.len() - 1)].0;
        if start + self.fetch_bytes <= self.range.1 { start } else { self.range.0 }
    }

    /// A batch by the Zipf law. Ranks are scattered over the log by a multiplicative hash, since
    /// popular batches need not be neighbours.
    fn popular(&self, random: &mut ChaCha8Rng) -> u64 {
        let total = self.zipf.last().copied().unwrap_or(1.0);
        let aim = random.random::<f64>() * total;
        let rank = self.zipf.partition_point(|&sum| sum < aim).min(self.zipf.len().max(1) - 1);
        let eligible = self.eligible() as u64;
        let place = (rank as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) % eligible;
        self.start_of(place as usize)
    }

    /// The beginning of a file: one after another, so that each is opened as often as any.
    fn file(&self, place: u64) -> u64 {
        self.files[(place % self.files.len() as u64) as usize]
    }

    /// The whole range as the pieces of one fetch.
    #[must_use]
    pub fn whole(&self) -> Vec<Piece> {
        self.pieces_between(self.range.0, self.range.1)
    }

    fn pieces(&self, start: u64) -> Vec<Piece> {
        self.pieces_between(start, start + self.fetch_bytes)
    }

    fn pieces_between(&self, start: u64, end: u64) -> Vec<Piece> {
        let mut pieces = Vec::with_capacity(2);
        let mut at = start;
        while at < end {
            let segment = self.starts.partition_point(|&begin| begin <= at) - 1;
            let stop = end.min(self.starts[segment + 1]);
            let offset_bytes = at - self.starts[segment];
            pieces.push(Piece { segment: segment as u32, offset_bytes, len_bytes: stop - at });
            at = stop;
        }
        pieces
    }

    fn messages(&self, start: u64, end: u64) -> u64 {
        let first = self.batches.partition_point(|&(at, _)| at < start);
        // The first batch that does not end inside begins after the last that does.
        let last = self.batches.partition_point(|&(at, _)| at <= end).saturating_sub(1);
        match (self.batches.get(first), self.batches.get(last)) {
            (Some(first), Some(last)) => last.1.saturating_sub(first.1),
            _ => 0,
        }
    }
}

/// Where segments begin in which a fetch has room.
fn files(starts: &[u64], range: (u64, u64), fetch_bytes: u64) -> Result<Vec<u64>, String> {
    let bounds = starts.iter().zip(&starts[1..]);
    let holds = |(begin, end): &(&u64, &u64)| {
        **begin >= range.0 && **end <= range.1 && *end - *begin >= fetch_bytes
    };
    let files: Vec<u64> = bounds.filter(holds).map(|(begin, _)| *begin).collect();
    match files.is_empty() {
        true => Err(format!("access = \"files\": no segment of the log has {fetch_bytes} bytes")),
        false => Ok(files),
    }
}

/// Running totals of `1 / rank^exponent`, by `libm` so that they are the same everywhere.
fn zipf_totals(ranks: usize, exponent: f64) -> Vec<f64> {
    let mut total = 0.0;
    (1..=ranks.max(1))
        .map(|rank| {
            total += libm::pow(rank as f64, -exponent);
            total
        })
        .collect()
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::trial::wire::{Cache, Demand, Transform};
    use std::collections::BTreeMap;

    /// A specification over two segments of 10,000 and 6,000 bytes with batches of 1,000 bytes and 10 records.
    pub fn spec(access: Access, fetch_bytes: u64, fetches: u32) -> Spec {
        let batch = |segment: u32| move |at: u64| (segment, at * 1000, 10);
        Spec {
            strategy: "read-write".into(),
            bare: false,
            options: BTreeMap::new(),
            segments: vec![("a".into(), 10_000), ("b".into(), 6_000)],
            batches: (0..10).map(batch(0)).chain((0..6).map(batch(1))).collect(),
            fetch_bytes,
            header_bytes: 0,
            fetches,
            access,
            seed: 1,
            consumers: 1,
            sink: "null".into(),
            scratch: ".".into(),
            beside: ".".into(),
            remote: None,
            discard: false,
            spins: false,
            socket_buffer_bytes: 0,
            cache: Cache::Warm,
            link: crate::net::Link::default(),
            pin: None,
            markers: false,
            demand: Demand::default(),
            transform: Transform::None,
            intake: None,
            canary: false,
            range_bytes: None,
        }
    }

    #[test]
    fn sequential_fetches_abut_and_cross_segments() {
        let planner = Planner::new(&spec(Access::Sequential, 3_000, 2)).unwrap();
        assert_eq!(planner.blocks(), 2);
        let block = planner.block(1, u64::MAX);
        let piece = |segment, offset_bytes, len_bytes| Piece { segment, offset_bytes, len_bytes };
        assert_eq!(block.fetches, [vec![piece(0, 7_000, 3_000)], vec![piece(1, 0, 3_000)]]);
        assert_eq!(block.messages, 60);
        assert_eq!(planner.block(3, u64::MAX), block, "numbers beyond the last begin anew");
        assert_eq!(planner.block(1, 1).fetches.len(), 1);
        let odd = Planner::new(&spec(Access::Sequential, 5_000, 1)).unwrap();
        let crossing = vec![piece(0, 6_000, 4_000), piece(1, 0, 1_000)];
        assert_eq!(odd.block(1, 1).fetches, [crossing]);
        let whole = Planner::new(&spec(Access::Sequential, 16_000, 1)).unwrap();
        assert_eq!(whole.block(0, 1).fetches[0][0], piece(0, 0, 10_000), "no room to skip a batch");
    }

    #[test]
    fn only_whole_batches_count_as_messages() {
        let planner = Planner::new(&spec(Access::Sequential, 1_500, 1)).unwrap();
        assert_eq!(planner.block(0, 1).messages, 10, "1000..2500 holds one batch");
        assert_eq!(planner.block(1, 1).messages, 10, "2500..4000 holds one batch");
        let tiny = Planner::new(&spec(Access::Sequential, 999, 1)).unwrap();
        assert_eq!(tiny.block(0, 1).messages, 0);
    }

    #[test]
    fn random_fetches_begin_at_batches_and_stay_inside() {
        for access in [Access::Random, Access::Zipf(1.2)] {
            let planner = Planner::new(&spec(access, 2_500, 500)).unwrap();
            let block = planner.block(7, u64::MAX);
            assert_eq!(block, planner.block(7, u64::MAX));
            assert_ne!(block, planner.block(8, u64::MAX));
            for pieces in &block.fetches {
                assert_eq!(pieces[0].offset_bytes % 1000, 0);
                assert_eq!(pieces.iter().map(|p| p.len_bytes).sum::<u64>(), 2_500);
                let limit = [10_000, 6_000];
                assert!(
                    pieces
                        .iter()
                        .all(|p| p.offset_bytes + p.len_bytes <= limit[p.segment as usize])
                );
            }
        }
    }

    #[test]
    fn a_range_is_never_left() {
        for access in [Access::Sequential, Access::Random, Access::Zipf(1.2)] {
            let range_bytes = Some((9_500, 14_000));
            let spec = Spec { range_bytes, ..spec(access, 1_500, 40) };
            let planner = Planner::new(&spec).unwrap();
            let starts = [0, 10_000];
            for piece in planner.block(3, u64::MAX).fetches.iter().flatten() {
                let at = starts[piece.segment as usize] + piece.offset_bytes;
                assert!(at >= 9_500 && at + piece.len_bytes <= 14_000, "{access:?} {piece:?}");
            }
        }
        let narrow = Spec { range_bytes: Some((15_000, 16_001)), ..spec(Access::Random, 900, 1) };
        assert!(Planner::new(&narrow).is_err(), "beyond the log");
        let within = Spec { range_bytes: Some((9_100, 9_900)), ..spec(Access::Random, 800, 1) };
        let only = Planner::new(&within).unwrap().block(0, 1).fetches;
        assert_eq!(only[0][0].offset_bytes, 9_100, "no batch begins in it");
    }

    #[test]
    fn zipf_prefers_few() {
        let planner = Planner::new(&spec(Access::Zipf(1.5), 1_000, 2_000)).unwrap();
        let mut counts = BTreeMap::new();
        for pieces in planner.block(0, u64::MAX).fetches {
            *counts.entry((pieces[0].segment, pieces[0].offset_bytes)).or_insert(0) += 1;
        }
        let most = counts.values().max().unwrap();
        assert!(*most > 2_000 / 4, "the most popular of 16 has {most} of 2000");
    }

    #[test]
    fn a_log_shorter_than_a_fetch_is_refused() {
        assert!(Planner::new(&spec(Access::Sequential, 16_001, 1)).is_err());
        assert!(Planner::new(&spec(Access::Sequential, 16_000, 1)).is_ok());
    }
}
