//! How is one block of fetches received, kept and measured?
//!
//! The other direction of `worker`: here the child is the follower. It listens, the far end (`zclab
//! feed`) connects and sends the block's bytes of the log when it is told to. They go to a file without
//! a name, which is emptied before each block, so that every page of it is fresh, as an appended log's
//! are. Where the strategy maps the file, its length is set beforehand; neither is timed. Syncing is the
//! driver's, and is.

pub mod drive;
pub mod feeder;
mod source;

use super::fetches::{Block, Planner};
use super::opening::{options, refusal};
use super::sinks::{checksum as checksum_of, io};
use super::wire::{Aliased, Counted, FarEnd, Moved, Spec, Trouble};
use super::work::Work;
use super::worker::{mark, outcome};
use crate::counters::{Usage, now, steal};
use crate::cpus;
use crate::scenario::ingest::Intake as Ask;
use drive::{Sync, drive};
use hdrhistogram::Histogram;
use serde_json::{Value, json};
use source::Far;
use std::collections::BTreeMap;
use std::fs::File;
use std::os::fd::AsRawFd;
use zclab_report::record::{Verified, reading};
use zclab_strategies::{
    Bytes, Ingest, IngestEngine, IngestSetup, Intake, Options, Segment, ingest,
};

/// Latencies are kept between a nanosecond and a minute, to three significant digits.
const LATENCY_NS_MAX: u64 = 60_000_000_000;

/// One cell of the receive side at work.
pub struct IngestWorker {
    spec: Spec,
    ask: Ask,
    strategy: &'static dyn Ingest,
    options: Options,
    segments: Vec<Segment>,
    planner: Planner,
    far: Far,
    file: File,
    intake: Intake,
    engine: Option<Box<dyn IngestEngine>>,
    stamps: Vec<u64>,
    latencies: Histogram<u64>,
}

/// The raw readings around the timed loop.
struct Timed {
    start_ns: u64,
    end_ns: u64,
    used: Usage,
    steal_ns: Option<u64>,
}

impl IngestWorker {
    /// Opens socket, file and engine.
    ///
    /// # Errors
    /// The trouble to report: `unsupported` when the kernel refuses what the strategy needs.
    pub fn open(spec: Spec, ask: Ask) -> Result<IngestWorker, Trouble> {
        if let Some((own, _)) = &spec.pin {
            cpus::keep_to(own).map_err(|error| Trouble::failed(format!("{error:#}")))?;
        }
        let strategy = ingest::find(&spec.strategy)
            .ok_or_else(|| Trouble::failed(format!("unknown strategy {}", spec.strategy)))?;
        let mut segments = Vec::with_capacity(spec.segments.len());
        for (path, len_bytes) in &spec.segments {
            let file = File::open(path).map_err(|e| io("open", &path.display().to_string(), &e))?;
            segments.push(Segment { path: path.clone(), file, len: Bytes(*len_bytes) });
        }
        let scratch = &spec.scratch;
        let file = tempfile::tempfile_in(scratch)
            .map_err(|error| io("open", &scratch.display().to_string(), &error))?;
        let far = Far::open(&spec, ask)?;
        let latencies = Histogram::new_with_bounds(1, LATENCY_NS_MAX, 3)
            .map_err(|error| Trouble::failed(format!("histogram: {error}")))?;
        let mut worker = IngestWorker {
            options: options(strategy.options(), &spec),
            strategy,
            segments,
            planner: Planner::new(&spec).map_err(Trouble::failed)?,
            intake: Intake::new(far.source),
            far,
            file,
            engine: None,
            stamps: Vec::with_capacity(spec.fetches as usize),
            latencies,
            ask,
            spec,
        };
        worker.open_engine()?;
        Ok(worker)
    }

    fn open_engine(&mut self) -> Result<(), Trouble> {
        self.engine = None;
        let block_bytes = u64::from(self.spec.fetches.max(1)) * self.spec.fetch_bytes;
        let setup = IngestSetup {
            source: self.far.source,
            file: self.file.as_raw_fd(),
            file_bytes_max: Bytes(block_bytes),
            options: &self.options,
            fetch_bytes_max: Bytes(self.spec.fetch_bytes),
        };
        self.engine = Some(self.strategy.open(&setup).map_err(refusal)?);
        Ok(())
    }

    fn measure(&mut self, block: &Block, content: bool, keep: bool) -> Result<Moved, Trouble> {
        let bytes: u64 = block.fetches.iter().flatten().map(|piece| piece.len_bytes).sum();
        self.empty_file(bytes)?;
        self.intake.clear(0);
        self.stamps.clear();
        for pieces in &block.fetches {
            self.intake.push(pieces.iter().map(|piece| piece.len_bytes).sum());
        }
        self.intake.forget_finished();
        self.stamps.reserve(block.fetches.len());
        self.far.load(block)?;
        let timed = self.timed()?;
        let sent = self.far.sent()?;
        let verified = self.check(block, bytes, content)?;
        if keep {
            outcome::keep(&mut self.latencies, &self.stamps, timed.start_ns);
        }
        let calls = self.intake.calls.counts();
        Ok(Moved {
            bytes,
            header_bytes: 0,
            outside_blocks_bytes: 0,
            fetches: block.fetches.len() as u64,
            messages: block.messages,
            wall_ns: timed.end_ns.saturating_sub(timed.start_ns),
            span_ns: (timed.start_ns, timed.end_ns),
            calls: calls.map(|(call, n)| (call.name().to_owned(), n)).collect(),
            readings: self.readings(&timed, &sent),
            verified,
            cache: None,
        })
    }

    /// Every page that comes is a fresh one. A mapping needs the file's length.
    fn empty_file(&self, bytes: u64) -> Result<(), Trouble> {
        let set = |len| {
            self.file.set_len(len).map_err(|error| io("ftruncate", "the ingested file", &error))
        };
        set(0)?;
        if self.strategy.needs_length() { set(bytes) } else { Ok(()) }
    }

    /// The timed part: nothing in it but the engine, the driver and the clocks. The far end is told to
    /// send just before.
    fn timed(&mut self) -> Result<Timed, Trouble> {
        let Some(engine) = &mut self.engine else {
            return Err(Trouble::failed("no engine is open"));
        };
        let sync = Sync { when: self.ask.fsync, file: self.file.as_raw_fd() };
        let stolen = steal();
        let markers = self.spec.markers;
        // Programs count packets from the first marker call on: none may leave before it. The window of
        // what this process does is closed again until the loop begins.
        mark(markers);
        mark(markers);
        self.far.go()?;
        let begin = Usage::begin();
        let start_ns = now().0;
        mark(markers);
        let outcome = drive(engine.as_mut(), &mut self.intake, &mut self.stamps, sync);
        mark(markers);
        let end_ns = now().0;
        let used = Usage::end().since(begin);
        outcome.map_err(|error| error.trouble())?;
        let steal_ns = stolen.zip(steal()).map(|(before, after)| after.0.saturating_sub(before.0));
        Ok(Timed { start_ns, end_ns, used, steal_ns })
    }

    /// What a consumer drops can only be counted.
    fn check(&self, block: &Block, bytes: u64, content: bool) -> Result<Verified, Trouble> {
        let missing = self.intake.remaining().0;
        if missing > 0 {
            return Err(Trouble::failed(format!("{missing} of {bytes} bytes did not come")));
        }
        if !self.strategy.keeps() {
            return Ok(Verified::Length);
        }
        let metadata = self.file.metadata().map_err(|e| io("fstat", "the ingested file", &e))?;
        if metadata.len() != bytes {
            return Err(Trouble::failed(format!(
                "the file has {} bytes, {bytes} were sent",
                metadata.len()
            )));
        }
        if !content {
            return Ok(Verified::Length);
        }
        let mut want = 0;
        for pieces in &block.fetches {
            want = outcome::checksum(&self.segments, pieces, want)?;
        }
        let got = checksum_of(&self.file)?;
        if got != want {
            return Err(Trouble::failed(format!(
                "wrong bytes in the file: CRC-32C {got:08x}, {want:08x} expected over {bytes} bytes"
            )));
        }
        Ok(Verified::Content)
    }

    fn readings(&self, timed: &Timed, sent: &Counted) -> BTreeMap<String, u64> {
        let mut readings = BTreeMap::new();
        timed.used.as_receiver(&mut readings);
        let mut set = |name: &str, value: u64| {
            readings.insert(name.to_owned(), value);
        };
        set(reading::SENDER_CPU_NS, sent.cpu_ns);
        set(reading::VOLUNTARY_SWITCHES, sent.voluntary);
        set(reading::INVOLUNTARY_SWITCHES, sent.involuntary);
        set(reading::SYSCALLS, self.intake.calls.total());
        set(reading::SHORT_WRITES, self.intake.calls.short_writes());
        if !self.strategy.keeps() {
            set(reading::MAPPED_BYTES, self.intake.mapped().0);
        }
        if let Some(steal_ns) = timed.steal_ns {
            set(reading::STEAL_NS, steal_ns);
        }
        readings
    }
}

impl Work for IngestWorker {
    fn setup(&self) -> BTreeMap<String, Value> {
        let mut setup = self.far.setup.clone();
        setup.extend(cpus::setup("receiver", "sender", self.far.feeder_id()));
        setup.insert("fetches_per_slice".into(), json!(self.spec.fetches));
        setup
    }

    fn setup_at_end(&self) -> BTreeMap<String, Value> {
        self.far.buffers()
    }

    fn far_end(&self) -> FarEnd {
        self.far.far_end()
    }

    fn verify(&mut self, block: u64, fetches_max: u32) -> Result<Moved, Trouble> {
        let block = self.planner.block(block, u64::from(fetches_max));
        self.measure(&block, true, false)
    }

    fn slice(&mut self, block: u64, keep: bool) -> Result<Moved, Trouble> {
        let block = self.planner.block(block, u64::MAX);
        self.measure(&block, false, keep)
    }

    fn round(&mut self, block: u64) -> Result<Moved, Trouble> {
        self.open_engine()?;
        self.slice(block, true)
    }

    fn count(&mut self, block: u64, fresh: bool) -> Result<Moved, Trouble> {
        if fresh {
            self.open_engine()?;
        }
        let markers = std::mem::replace(&mut self.spec.markers, true);
        let moved = self.slice(block, false);
        self.spec.markers = markers;
        moved
    }

    fn alias(&mut self) -> Result<Aliased, Trouble> {
        let reason = Some("nothing is sent on this side".to_owned());
        Ok(Aliased { reason, ..Aliased::default() })
    }

    fn histogram(&self) -> String {
        outcome::encoded(&self.latencies)
    }
}
