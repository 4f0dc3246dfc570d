//! How is one block of fetches moved and measured?
//!
//! Everything that takes time but is not the strategy's happens outside the two clock readings: plans,
//! the queue's memory, the look at the cache, the receiver's order and its answer.

mod due;
mod mover;
pub(super) mod outcome;

pub(super) use outcome::encoded;

use super::canary::{self, Canary};
use super::drive::reactor::Reactor;
use super::drive::{Stamp, Waits};
use super::fetches::{Block, Planner};
use super::footprint;
use super::latency::Latencies;
use super::limits;
use super::opening::{block_bytes, filesystems, header, options, refusal};
use super::proof::{Witness, block_bytes_read, judge_after};
use super::schedule::Schedule;
use super::sinks::{Sinks, io};
use super::tail::Tail;
use super::transform::Transforms;
use super::wire::demand::Driver;
use super::wire::{Expect, FarEnd, Moved, Spec, Trouble};
use crate::counters::{ProcessIo, Usage, now, process_io, steal};
use crate::cpus::{self, Numbers};
use hdrhistogram::Histogram;
pub(super) use mover::Mover;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fs::File;
use std::sync::Arc;
use zclab_report::record::reading::PRODUCER_CPU_NS;
use zclab_report::record::{CacheProof, Status};
use zclab_strategies::{
    Bytes, Disturbance, LaneId, Options, Piece, Queue, Segment, Setup, Strategy, find,
};

/// Latencies are kept between a nanosecond and ten minutes, to three significant digits.
const LATENCY_NS_MAX: u64 = 600_000_000_000;

/// A number that the marker calls carry, so that a tracer finds them: `lseek(-1, MARKER, SEEK_SET)`.
pub const MARKER: i64 = 0x7a63_6c61;

/// One cell at work.
pub struct Worker {
    pub(super) spec: Spec,
    strategy: &'static dyn Strategy,
    options: Options,
    /// What is sent: the log, or where its end is followed, the files that grow.
    pub(super) segments: Arc<Vec<Segment>>,
    /// The log, which knows every byte that has to arrive.
    log: Arc<Vec<Segment>>,
    tail: Option<Tail>,
    pub(super) sinks: Sinks,
    pub(super) witness: Witness,
    /// Blocks of direct I/O on the log; 0 where there are none.
    block_bytes: u64,
    pub(super) planner: Planner,
    pub(super) queue: Queue,
    pub(super) mover: Option<Mover>,
    pub(super) header: Vec<u8>,
    pub(super) transforms: Transforms,
    pub(super) waits: Waits,
    schedule: Schedule,
    /// Blocks that were moved so far: each has a schedule of its own.
    blocks: u64,
    pub(super) stamps: Vec<Stamp>,
    latencies: Latencies,
    /// Memory of the queue for each lane in the largest block.
    lane_bytes: usize,
    tcp_memory_before: Option<u64>,
    /// Works beside what is timed and kept, where the cell wants one.
    canary: Option<Canary>,
}

/// The CPU that a canary shares with its sender.
fn only(sender: &Numbers) -> Result<usize, Trouble> {
    sender.only().ok_or_else(|| Trouble {
        status: Status::Refused,
        ..Trouble::failed(format!(
            "a canary needs a sender that is kept to one CPU, and this one has {sender}: \
             --sender-cpus"
        ))
    })
}

/// The raw readings around the timed loop.
struct Timed {
    start_ns: u64,
    end_ns: u64,
    used: Usage,
    io: Option<(ProcessIo, ProcessIo)>,
    steal_ns: Option<u64>,
    /// What a canary did meanwhile, and what beside the sleeping sender.
    canary: Option<(canary::Done, canary::Done)>,
}

impl Worker {
    /// Opens log, sinks and engine.
    ///
    /// # Errors
    /// The trouble to report: `unsupported` when the kernel refuses what the strategy needs.
    pub fn open(spec: Spec) -> Result<Worker, Trouble> {
        if let Some((own, _)) = &spec.pin {
            cpus::keep_to(own).map_err(|error| Trouble::failed(format!("{error:#}")))?;
        }
        let strategy = find(&spec.strategy)
            .ok_or_else(|| Trouble::failed(format!("unknown strategy {}", spec.strategy)))?;
        let mut segments = Vec::with_capacity(spec.segments.len());
        for (path, len_bytes) in &spec.segments {
            let file = File::open(path).map_err(|e| io("open", &path.display().to_string(), &e))?;
            segments.push(Segment { path: path.clone(), file, len: Bytes(*len_bytes) });
        }
        #[cfg(feature = "planted")]
        super::planted::plant(&segments)?;
        let planner = Planner::new(&spec).map_err(Trouble::failed)?;
        let log = Arc::new(segments);
        // Before this process enters another namespace: the producer stays where the files are made.
        let (tail, segments) = due::files(&spec, &planner, &log)?;
        let tcp_memory_before = footprint::tcp_memory_bytes();
        let mut sinks = Sinks::open(&spec)?;
        let encrypted = std::mem::take(&mut sinks.encrypted);
        let transforms = Transforms::new(spec.transform, sinks.sinks.len(), encrypted);
        // Engines ask when they are opened whether a sink blocks.
        let waits = match spec.demand.driver {
            Driver::Reactor => Waits::Epoll(Reactor::open(&sinks.sinks, &spec)?),
            Driver::Blocking | Driver::Threads => Waits::Poll,
        };
        if spec.demand.rate > 0 {
            // A sleep would otherwise end some fifty microseconds late.
            nix::sys::prctl::set_timerslack(1)
                .map_err(|errno| Trouble::call("prctl(PR_SET_TIMERSLACK)", "the sender", errno))?;
        }
        let latencies = Latencies::new(&spec.demand)?;
        let block_bytes = block_bytes(&log)?;
        let canary = match spec.pin.as_ref().filter(|_| spec.canary) {
            Some((sender, _)) => Some(Canary::start(only(sender)?, limits::idling(&spec))?),
            None => None,
        };
        let mut worker = Worker {
            options: options(strategy.options(), &spec),
            strategy,
            segments,
            log,
            tail,
            witness: Witness::open(&spec.segments)?,
            block_bytes,
            planner,
            queue: Queue::new(&sinks.sinks),
            sinks,
            mover: None,
            header: header(spec.header_bytes as usize, spec.fetch_bytes),
            transforms,
            waits,
            schedule: Schedule::default(),
            blocks: 0,
            stamps: Vec::with_capacity(spec.fetches as usize * spec.consumers as usize),
            latencies,
            lane_bytes: 0,
            tcp_memory_before,
            canary,
            spec,
        };
        worker.open_mover()?;
        Ok(worker)
    }

    /// What was set and read back.
    #[must_use]
    pub fn setup(&self) -> BTreeMap<String, Value> {
        let mut setup = self.sinks.setup.clone();
        // A receiver on another host is kept to CPUs of its own, which this host cannot see.
        let receiver = self.far_end().receiver.filter(|_| self.spec.remote.is_none());
        setup.extend(cpus::setup("sender", "receiver", receiver));
        if let Some(canary) = &self.canary {
            setup.insert("canary_class".into(), json!(canary.class));
        }
        setup.insert("descriptors".into(), json!(self.sinks.descriptors()));
        setup.extend(filesystems(&self.spec));
        setup.insert("fetches_per_slice".into(), json!(self.spec.fetches));
        setup.extend(self.tail.as_ref().and_then(Tail::setup));
        let mut known = |name: &str, value: Option<u64>| {
            setup.extend(value.map(|value| (name.to_owned(), json!(value))));
        };
        known("sender_descriptors", footprint::descriptors());
        known("descriptor_limit", Some(footprint::descriptor_limits().0));
        known("tcp_memory_before_bytes", self.tcp_memory_before);
        if self.spec.demand.each {
            setup.insert("latency_since".into(), json!(self.spec.demand.since().name()));
        }
        setup
    }

    /// Buffers as they are now: the kernel's tuning grows those that nobody set. And the most memory
    /// that it took.
    #[must_use]
    pub fn setup_at_end(&self) -> BTreeMap<String, Value> {
        let mut setup = self.sinks.at_end();
        let lanes = self.sinks.sinks.len().max(1);
        setup.insert("queue_bytes_per_consumer".into(), json!(self.lane_bytes.div_ceil(lanes)));
        let peak = footprint::peak_rss_bytes();
        setup.extend(peak.map(|bytes| ("sender_peak_rss_bytes".to_owned(), json!(bytes))));
        setup
    }

    /// The latencies so far, encoded; empty when none was kept. And those of classes, by name.
    #[must_use]
    pub fn histograms(&self) -> (String, BTreeMap<String, String>) {
        (self.latencies.encoded(), self.latencies.classes())
    }

    /// What tells this trial's packets and processes from others.
    #[must_use]
    pub fn far_end(&self) -> FarEnd {
        let instead = self.tail.as_ref().map_or_else(Vec::new, Tail::files);
        FarEnd { instead, ..self.sinks.far_end() }
    }

    /// Moves up to so many fetches of a block and checks every byte at the sinks.
    ///
    /// # Errors
    /// A wrong byte, a failed call.
    pub fn verify(&mut self, block: u64, fetches_max: u32) -> Result<Moved, Trouble> {
        let block = self.planner.block(block, u64::from(fetches_max));
        self.measure(&block, true, false)
    }

    /// Moves a block, timed; in a warm cell the pages are looked at before and after.
    ///
    /// # Errors
    /// A failed call, a short count, or a cache that is not warm.
    pub fn slice(&mut self, block: u64, keep: bool) -> Result<Moved, Trouble> {
        let block = self.planner.block(block, u64::MAX);
        self.proven(&block, keep)
    }

    /// A sample with its own preparation: the connections are warmed up by bytes from memory, the
    /// cache is arranged while no engine holds a page, and a fresh engine moves the block.
    ///
    /// # Errors
    /// As for [`slice`](Self::slice).
    pub fn round(&mut self, block: u64) -> Result<Moved, Trouble> {
        let block = self.planner.block(block, u64::MAX);
        self.prepare_round()?;
        self.proven(&block, true)
    }

    /// The same as a slice or a round, between marker calls. Nothing else of the trial is.
    ///
    /// # Errors
    /// As for [`slice`](Self::slice).
    pub fn count(&mut self, block: u64, fresh: bool) -> Result<Moved, Trouble> {
        let block = self.planner.block(block, u64::MAX);
        if fresh {
            self.prepare_round()?;
        }
        let markers = std::mem::replace(&mut self.spec.markers, true);
        let moved = self.proven(&block, false);
        self.spec.markers = markers;
        moved
    }

    fn prepare_round(&mut self) -> Result<(), Trouble> {
        self.mover = None;
        self.warm_connections(u64::MAX)?;
        self.witness.arrange(self.spec.cache)?;
        self.open_mover()
    }

    fn proven(&mut self, block: &Block, keep: bool) -> Result<Moved, Trouble> {
        self.log_is_whole()?;
        if self.tail.is_some() {
            return self.followed(block, keep);
        }
        let before = self.witness.before(&block.fetches, self.spec.cache)?;
        before.judge(self.spec.cache)?;
        let read_before = block_bytes_read();
        let mut moved = self.measure(block, false, keep)?;
        let read = block_bytes_read().zip(read_before).map(|(end, begin)| end - begin);
        let proof: CacheProof = self.witness.after(&before)?;
        let read = self.witness.read_bytes(read, &proof);
        self.log_is_whole()?;
        let reads_log = self.strategy.moves_the_log();
        if reads_log || self.spec.cache == super::wire::Cache::Warm {
            let payload_bytes = moved.bytes / u64::from(self.spec.consumers.max(1));
            if !(self.spec.cache == super::wire::Cache::Warm && self.changes_the_cache()) {
                judge_after(self.spec.cache, &proof, payload_bytes, read)?;
            }
        }
        moved.cache = Some(proof);
        Ok(moved)
    }

    /// Pages that such a strategy sends away are its result, not a condition that was missed: of a warm
    /// sample of it only the beginning is judged.
    fn changes_the_cache(&self) -> bool {
        self.strategy.disturbs() == Disturbance::PageCache
    }

    /// A log that was cut since the run began would look like a cache that lost its pages.
    fn log_is_whole(&self) -> Result<(), Trouble> {
        for segment in self.log.iter() {
            let name = segment.path.display().to_string();
            let metadata = segment.file.metadata().map_err(|error| io("fstat", &name, &error))?;
            if metadata.len() < segment.len.0 {
                return Err(Trouble::failed(format!(
                    "{name} was cut while it was measured: {} bytes, {} when the run began",
                    metadata.len(),
                    segment.len.0
                )));
            }
        }
        Ok(())
    }

    /// Sends as many bytes as a block of so many fetches has, from memory, so that windows and buffers have
    /// grown, and so that no packet still refers to a page of the log. Where bytes are transformed the
    /// strategy itself sends them, since bytes that are not the log's would shrink to another size.
    pub(super) fn warm_connections(&mut self, fetches_max: u64) -> Result<(), Trouble> {
        let block = self.planner.block(0, fetches_max);
        if self.transforms.any() {
            self.open_mover()?;
            return self.warm(&block);
        }
        let Some(floor) = zclab_strategies::ALL.iter().find(|s| !s.moves_the_log()) else {
            return Ok(());
        };
        let setup = Setup {
            segments: &self.segments,
            sinks: &self.sinks.sinks,
            options: &Options::new(floor.options(), &BTreeMap::new()),
            fetch_bytes_max: Bytes(self.spec.fetch_bytes),
            header_bytes_max: Bytes(self.spec.header_bytes),
            transform: None,
        };
        self.mover = Some(Mover::Engine(floor.open(&setup).map_err(refusal)?));
        self.warm(&block)
    }

    /// Moves a block for its effect alone, all at once: no rate holds it up.
    fn warm(&mut self, block: &Block) -> Result<(), Trouble> {
        let rate = std::mem::replace(&mut self.spec.demand.rate, 0);
        // Bytes from memory need nobody to append them.
        let idle = if self.transforms.any() { None } else { self.tail.take() };
        let warmed = self.measure(block, false, false);
        self.spec.demand.rate = rate;
        self.tail = self.tail.take().or(idle);
        self.mover = None;
        warmed.map(drop)
    }

    pub(super) fn measure(
        &mut self,
        block: &Block,
        content: bool,
        keep: bool,
    ) -> Result<Moved, Trouble> {
        let lanes: Vec<LaneId> = (0..self.sinks.sinks.len()).collect();
        self.plan(block, lanes.len())?;
        self.fill(block, &lanes)?;
        let payload_each: u64 = block.fetches.iter().flatten().map(|piece| piece.len_bytes).sum();
        let outside = |piece: &Piece| piece.outside_blocks(self.block_bytes);
        let outside_each: u64 = block.fetches.iter().flatten().map(outside).sum();
        let headers_each = (block.fetches.len() * self.header.len()) as u64;
        let checks = content && self.strategy.moves_the_log();
        let expect = Expect { bytes_each: payload_each + headers_each, content: checks };
        self.sinks.prepare(expect)?;
        self.transforms.begin();
        if let Some(canary) = self.canary.as_mut().filter(|_| keep) {
            canary.begin()?;
        }
        let timed = self.timed(block).map_err(|trouble| self.whose(trouble))?;
        if let Some(canary) = &mut self.canary {
            canary.end()?;
        }
        let appended = self.tail.as_mut().map(Tail::appended).transpose()?;
        let counted = self.sinks.count(expect)?;
        self.rest()?;
        let lanes = lanes.len() as u64;
        let verified = self.check(block, expect, counted.as_ref())?;
        if keep {
            self.keep(&timed);
        }
        let end_ns = counted.as_ref().map_or(0, |counted| counted.end_ns).max(timed.end_ns);
        let (mut readings, calls) = self.readings(&timed, counted.as_ref());
        let producer = appended.map(|appended| (PRODUCER_CPU_NS.to_owned(), appended.cpu_ns));
        readings.extend(producer);
        Ok(Moved {
            bytes: payload_each * lanes,
            header_bytes: headers_each * lanes,
            outside_blocks_bytes: outside_each * lanes,
            fetches: block.fetches.len() as u64 * lanes,
            messages: block.messages * lanes,
            wall_ns: end_ns.saturating_sub(timed.start_ns),
            span_ns: (timed.start_ns, timed.end_ns),
            readings,
            calls,
            verified,
            cache: None,
        })
    }

    /// The timed part: nothing in it but the engine, the driver and the clocks.
    fn timed(&mut self, block: &Block) -> Result<Timed, Trouble> {
        if let Waits::Epoll(reactor) = &mut self.waits {
            reactor.settle()?;
        }
        let stolen = steal();
        let io_before = process_io();
        let markers = self.spec.markers;
        if let Some(tail) = &mut self.tail {
            tail.go()?;
        }
        let canary_before = self.canary.as_ref().and_then(Canary::at_work);
        let begin = Usage::begin();
        let start_ns = now().0;
        mark(markers);
        let outcome = self.run(block, start_ns);
        mark(markers);
        let end_ns = now().0;
        let used = Usage::end().since(begin);
        let canary_after = self.canary.as_ref().and_then(Canary::at_work);
        outcome.map_err(|trouble| self.sinks.explain(trouble))?;
        self.gather()?;
        let io = io_before.zip(process_io());
        let steal_ns = stolen.zip(steal()).map(|(before, after)| after.0.saturating_sub(before.0));
        let canary = canary_before.zip(canary_after);
        let canary = canary.map(|(before, after)| (after.0.since(before.0), after.1));
        Ok(Timed { start_ns, end_ns, used, io, steal_ns, canary })
    }
}

/// A histogram for latencies.
pub(super) fn latencies() -> Result<Histogram<u64>, Trouble> {
    Histogram::new_with_bounds(1, LATENCY_NS_MAX, 3)
        .map_err(|error| Trouble::failed(format!("histogram: {error}")))
}

/// Opens or closes the window of programs that count.
pub(super) fn mark(wanted: bool) {
    if wanted {
        // SAFETY: lseek takes three integers; descriptor -1 makes it fail with EBADF and change nothing.
        unsafe { libc::lseek(-1, MARKER, libc::SEEK_SET) };
    }
}
