//! Who appends to a log that is followed, and what does that cost him?
//!
//! A process of its own (`zclab append`), so that nothing of it is in the sender's CPU time, faults
//! or calls. It is told a block, reads those bytes of the real log into memory, and says so; when it
//! is told to go it appends one fetch's bytes after the other by plain `pwrite`, and notes each on the
//! board. At a rate each append has its moment, planned before, that no slow consumer moves. Without
//! one it is one fetch ahead: it appends the next when all consumers have been sent the last. For
//! that it looks at the board every [`LOOK`], so that no sender has to wake it and pay for that.

use super::super::wire::{Counted, Lines, say};
use super::board::Board;
use crate::counters::{Usage, now};
use crate::cpus::{self, Numbers};
use anyhow::{Context, bail};
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::io::IsTerminal;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// How long it waits for the next order: longer than any other child's slice may take.
const IDLE: Duration = Duration::from_secs(600);

/// Consumers who take nothing for this long, beyond what a block may take, are given up.
const SILENCE: Duration = Duration::from_secs(30);

/// Between two looks at how far the consumers are.
const LOOK: Duration = Duration::from_micros(20);

/// Everything that a producer has to know.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ProducerSpec {
    /// The log's segments, whose bytes are appended.
    pub log: Vec<PathBuf>,
    /// The files that grow, one for each.
    pub copies: Vec<PathBuf>,
    /// The board.
    pub board: PathBuf,
    /// Fetches of the largest block.
    pub fetches_max: u32,
    /// CPU to pin to.
    pub cpu: Option<usize>,
    /// What a block may take.
    pub block_ms: u64,
}

/// What to append next. Answered by one [`Counted`].
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Load {
    /// The block's bytes as (segment, position, bytes), in order and without gaps.
    pub pieces: Vec<(u32, u64, u64)>,
    /// Bytes of one append.
    pub fetch_bytes: u64,
    /// How many there are.
    pub fetches: u32,
    /// Deliveries of each.
    pub consumers: u32,
    /// From one append to the next; 0: as consumers take them.
    pub gap_ns: u64,
}

/// Append it. Answered by one [`Counted`] when every byte is in its file.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Go {
    /// Always.
    pub go: bool,
}

/// Runs a producer: specification and orders on stdin, counts on stdout.
///
/// # Errors
/// What could not be set up; later trouble is reported in [`Counted::error`].
pub fn run() -> anyhow::Result<()> {
    if std::io::stdin().is_terminal() {
        bail!("`zclab append` is a part of a trial and is started by it");
    }
    let mut orders = Lines::new(std::io::stdin());
    let spec: ProducerSpec = orders.next(IDLE).context("reading the producer's specification")?;
    let idle = IDLE + Duration::from_millis(spec.block_ms) * 4;
    let mut out = std::io::stdout();
    let failed =
        |error: &anyhow::Error| Counted { error: Some(format!("{error:#}")), ..Counted::default() };
    let mut producer = match Producer::open(&spec) {
        Ok(producer) => producer,
        Err(error) => return Ok(say(&mut out, &failed(&error))?),
    };
    say(&mut out, &Counted::default())?;
    // The child closes the pipe when it is done: that is the end, not an error.
    while let Ok(load) = orders.next::<Load>(idle) {
        if let Err(error) = producer.load(&load) {
            return Ok(say(&mut out, &failed(&error))?);
        }
        say(&mut out, &Counted::default())?;
        let Ok(Go { .. }) = orders.next::<Go>(idle) else { break };
        match producer.append(&load) {
            Ok(counted) => say(&mut out, &counted)?,
            Err(error) => {
                producer.board.fail();
                return Ok(say(&mut out, &failed(&error))?);
            }
        }
    }
    Ok(())
}

struct Producer {
    log: Vec<File>,
    copies: Vec<File>,
    board: Board,
    memory: Vec<u8>,
    patience: Duration,
}

/// Where the next byte of a block lies: in memory, and in which piece.
#[derive(Clone, Copy, Default)]
struct Place {
    in_memory: usize,
    piece: usize,
    in_piece: u64,
}

impl Producer {
    fn open(spec: &ProducerSpec) -> anyhow::Result<Producer> {
        if let Some(cpu) = spec.cpu {
            cpus::keep_to(&Numbers::one(cpu))?;
        }
        // A sleep would otherwise end some fifty microseconds late.
        nix::sys::prctl::set_timerslack(1).context("prctl(PR_SET_TIMERSLACK)")?;
        let open = |path: &PathBuf, writes: bool| {
            let opened = File::options().read(!writes).write(writes).open(path);
            opened.with_context(|| format!("open {}", path.display()))
        };
        let log = spec.log.iter().map(|path| open(path, false)).collect::<Result<_, _>>()?;
        let copies = spec.copies.iter().map(|path| open(path, true)).collect::<Result<_, _>>()?;
        let board = Board::join(&spec.board, spec.fetches_max).context("mmap(the board)")?;
        let patience = SILENCE + Duration::from_millis(spec.block_ms);
        Ok(Producer { log, copies, board, memory: Vec::new(), patience })
    }

    /// Brings what is to be appended into memory: how fast a log can be read is no follower's question.
    fn load(&mut self, load: &Load) -> anyhow::Result<()> {
        let bytes = load.pieces.iter().map(|(_, _, len_bytes)| *len_bytes as usize).sum::<usize>();
        self.memory.resize(bytes, 0);
        let mut at = 0;
        for &(segment, offset_bytes, len_bytes) in &load.pieces {
            let into = at..at + len_bytes as usize;
            let file = self.log.get(segment as usize).context("no such segment")?;
            file.read_exact_at(&mut self.memory[into.clone()], offset_bytes)
                .with_context(|| format!("pread at offset {offset_bytes} of segment {segment}"))?;
            at = into.end;
        }
        Ok(())
    }

    fn append(&self, load: &Load) -> anyhow::Result<Counted> {
        let begin = Usage::begin();
        let start_ns = now().0;
        let mut place = Place::default();
        for fetch in 0..load.fetches {
            match load.gap_ns {
                0 => self.wait_for_consumers(u64::from(fetch) * u64::from(load.consumers))?,
                gap_ns => sleep_until(start_ns + u64::from(fetch) * gap_ns),
            }
            place = self.write(load, place)?;
            self.board.append(fetch, now().0);
        }
        let used = Usage::end().since(begin);
        Ok(Counted {
            end_ns: now().0,
            cpu_ns: used.cpu.0,
            voluntary: used.voluntary,
            involuntary: used.involuntary,
            ..Counted::default()
        })
    }

    /// Writes one fetch's bytes behind what is there; in two calls where a segment ends within them.
    fn write(&self, load: &Load, mut place: Place) -> anyhow::Result<Place> {
        let mut left_bytes = load.fetch_bytes;
        while left_bytes > 0 {
            let &(segment, offset_bytes, len_bytes) =
                load.pieces.get(place.piece).context("a block shorter than its fetches")?;
            let some_bytes = left_bytes.min(len_bytes - place.in_piece);
            let bytes = &self.memory[place.in_memory..place.in_memory + some_bytes as usize];
            let at_bytes = offset_bytes + place.in_piece;
            let copy = self.copies.get(segment as usize).context("no such segment")?;
            copy.write_all_at(bytes, at_bytes).with_context(|| {
                format!("pwrite at offset {at_bytes} of the growing segment {segment}")
            })?;
            left_bytes -= some_bytes;
            place.in_memory += some_bytes as usize;
            place.in_piece += some_bytes;
            if place.in_piece == len_bytes {
                place = Place { piece: place.piece + 1, in_piece: 0, ..place };
            }
        }
        Ok(place)
    }

    fn wait_for_consumers(&self, deliveries: u64) -> anyhow::Result<()> {
        let begun = Instant::now();
        while self.board.delivered() < deliveries {
            if begun.elapsed() > self.patience {
                bail!("consumers did not take what was appended within {:?}", self.patience);
            }
            std::thread::sleep(LOOK);
        }
        Ok(())
    }
}

/// Sleeps until a moment of the monotonic clock; returns at once when that has passed.
fn sleep_until(due_ns: u64) {
    loop {
        let left_ns = due_ns.saturating_sub(now().0);
        if left_ns == 0 {
            return;
        }
        std::thread::sleep(Duration::from_nanos(left_ns));
    }
}
