//! What is moved, by which fetches, and how is a whole transfer run and checked?

use crate::allocations;
use crate::far_end::{FarEnd, Manner};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use std::collections::{BTreeMap, HashSet};
use std::fs::File;
use std::io::Write as _;
use std::os::fd::BorrowedFd;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{LazyLock, Mutex};
use std::thread;
use std::time::Duration;
use zclab_strategies::{
    Bytes, Call, CallError, Disturbance, Engine, LaneId, OpenError, OptionKind, OptionSpec,
    OptionValue, Options, Piece, Queue, Segment, Setup, Sink, SinkKind, Step, Strategy, transform,
};

/// No single transfer of this suite takes this long unless something hangs.
const WATCHDOG: Duration = Duration::from_secs(20);

/// A log of a few segments with known bytes, on the file system of the build directory.
pub struct Log {
    pub dir: tempfile::TempDir,
    pub segments: Vec<Segment>,
    pub bytes: Vec<Vec<u8>>,
}

impl Log {
    pub fn new(lens: &[usize]) -> Log {
        Log::inside(env!("CARGO_TARGET_TMPDIR"), lens)
    }

    pub fn inside(parent: &str, lens: &[usize]) -> Log {
        let dir = tempfile::tempdir_in(parent).unwrap();
        let bytes: Vec<_> = lens.iter().zip(1..).map(|(&len, seed)| noise(len, seed)).collect();
        let segment = |(id, bytes): (usize, &Vec<u8>)| {
            let path = dir.path().join(format!("{id:020}.log"));
            std::fs::write(&path, bytes).unwrap();
            let file = File::open(&path).unwrap();
            Segment { path, file, len: Bytes(bytes.len() as u64) }
        };
        let segments = bytes.iter().enumerate().map(segment).collect();
        Log { dir, segments, bytes }
    }

    pub fn of(&self, piece: Piece) -> &[u8] {
        let start = piece.offset_bytes as usize;
        &self.bytes[piece.segment as usize][start..start + piece.len_bytes as usize]
    }

    /// Shortens a segment behind the back of whoever has opened it.
    pub fn truncate(&self, segment: usize, len: u64) {
        let path = &self.segments[segment].path;
        File::options().write(true).open(path).unwrap().set_len(len).unwrap();
    }
}

/// Bytes without a period that a page or a buffer could hide.
fn noise(len: usize, seed: u64) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    };
    let mut bytes: Vec<u8> = (0..len.div_ceil(8)).flat_map(|_| next()).collect();
    bytes.truncate(len);
    bytes
}

pub fn piece(segment: u32, offset_bytes: u64, len_bytes: u64) -> Piece {
    Piece { segment, offset_bytes, len_bytes }
}

/// A fetch as a test states it.
#[derive(Clone, Debug)]
pub struct Fetch {
    pub header: Vec<u8>,
    pub pieces: Vec<Piece>,
    pub lanes: Vec<LaneId>,
}

/// A fetch for lane 0.
pub fn fetch(header: &str, pieces: &[Piece]) -> Fetch {
    fetch_for(header, pieces, &[0])
}

pub fn fetch_for(header: &str, pieces: &[Piece], lanes: &[LaneId]) -> Fetch {
    Fetch { header: header.into(), pieces: pieces.to_vec(), lanes: lanes.to_vec() }
}

/// What must arrive on a lane.
pub fn expected(log: &Log, fetches: &[Fetch], lane: LaneId) -> Vec<u8> {
    let mut bytes = Vec::new();
    for fetch in fetches.iter().filter(|fetch| fetch.lanes.contains(&lane)) {
        bytes.extend_from_slice(&fetch.header);
        fetch.pieces.iter().for_each(|&piece| bytes.extend_from_slice(log.of(piece)));
    }
    bytes
}

/// Aborts the whole test binary when a transfer hangs, and says which.
pub struct Watchdog(#[expect(dead_code, reason = "dropping it is the signal")] mpsc::Sender<()>);

impl Watchdog {
    pub fn over(what: String) -> Watchdog {
        let (alive, over) = mpsc::channel::<()>();
        thread::spawn(move || {
            if over.recv_timeout(WATCHDOG) == Err(RecvTimeoutError::Timeout) {
                say(&format!("HANGS: {what}"));
                std::process::abort();
            }
        });
        Watchdog(alive)
    }
}

/// Prints past the test harness, which keeps the output of tests that pass to itself.
pub fn say(line: &str) {
    let _ = writeln!(std::io::stderr(), "{line}");
}

/// Reports a strategy that cannot run here, once.
pub fn skipped(strategy: &str, error: &OpenError) {
    static SAID: LazyLock<Mutex<HashSet<String>>> = LazyLock::new(Mutex::default);
    let line = format!("SKIPPED: {strategy}: {error}");
    if SAID.lock().unwrap().insert(line.clone()) {
        say(&line);
    }
}

pub type Set = BTreeMap<String, OptionValue>;

/// The options as a scenario would have set them, for messages.
pub fn options_of(strategy: &dyn Strategy, set: &Set) -> Options {
    for spec in strategy.options() {
        if let Some(value) = set.get(spec.name) {
            spec.check(value).unwrap();
        }
    }
    Options::new(strategy.options(), set)
}

/// Opens an engine; a refusal is reported, any other error fails the test.
pub fn open(
    strategy: &dyn Strategy,
    log: &Log,
    sinks: &[Sink],
    fetches: &[Fetch],
    set: &Set,
) -> Option<Box<dyn Engine>> {
    open_with(strategy, log, sinks, fetches, set, None)
}

/// The same, with something that is done to the bytes.
pub fn open_with(
    strategy: &dyn Strategy,
    log: &Log,
    sinks: &[Sink],
    fetches: &[Fetch],
    set: &Set,
    transform: Option<&transform::Factory>,
) -> Option<Box<dyn Engine>> {
    let payload = |fetch: &Fetch| fetch.pieces.iter().map(|piece| piece.len_bytes).sum::<u64>();
    let setup = Setup {
        segments: &log.segments,
        sinks,
        options: &options_of(strategy, set),
        fetch_bytes_max: Bytes(fetches.iter().map(payload).max().unwrap_or(0)),
        header_bytes_max: Bytes(fetches.iter().map(|f| f.header.len()).max().unwrap_or(0) as u64),
        transform,
    };
    match transform::open(strategy, &setup) {
        Ok(engine) => Some(engine),
        Err(error @ (OpenError::Unsupported { .. } | OpenError::Refused { .. })) => {
            skipped(strategy.name(), &error);
            None
        }
        Err(error) => panic!("{}: {error}", strategy.name()),
    }
}

pub fn fill(queue: &mut Queue, fetches: &[Fetch]) {
    fetches.iter().for_each(|fetch| queue.push(&fetch.header, &fetch.pieces, &fetch.lanes));
}

/// The driver for both kinds of sinks: steps, and polls when every sink is full.
pub fn drive(engine: &mut dyn Engine, queue: &mut Queue) -> Result<(), CallError> {
    loop {
        let taken = allocations::taken();
        let step = engine.step(queue)?;
        assert_eq!(allocations::taken(), taken, "a step took memory");
        match step {
            Step::Moved => {}
            Step::Done => return Ok(()),
            Step::Blocked => wait(queue),
        }
    }
}

pub fn wait(queue: &mut Queue) {
    let full: Vec<_> = queue.blocked().collect();
    assert!(!full.is_empty(), "blocked, but no sink is full");
    // SAFETY: the sinks outlive the queue in every test.
    let borrow = |&(_, sink): &(LaneId, Sink)| unsafe { BorrowedFd::borrow_raw(sink.fd) };
    let mut fds: Vec<_> =
        full.iter().map(|lane| PollFd::new(borrow(lane), PollFlags::POLLOUT)).collect();
    match poll(&mut fds, PollTimeout::from(1000_u16)) {
        Ok(_) | Err(nix::errno::Errno::EINTR) => {}
        Err(errno) => panic!("poll: {errno}"),
    }
    let ready: Vec<_> = fds.iter().map(|fd| fd.any().unwrap_or(true)).collect();
    for ((lane, _), _) in full.iter().zip(ready).filter(|(_, ready)| *ready) {
        queue.unblock(*lane);
    }
}

/// One transfer from beginning to end, twice with the same engine, everything checked.
pub fn transfer(
    strategy: &dyn Strategy,
    log: &Log,
    fetches: &[Fetch],
    ends: &[(SinkKind, Manner)],
    set: &Set,
) {
    let name = strategy.name();
    let what = format!("{name} {set:?} over {ends:?}");
    let _watchdog = Watchdog::over(what.clone());
    let far: Vec<_> = ends
        .iter()
        .enumerate()
        .map(|(id, &(kind, manner))| FarEnd::open(kind, manner, log.dir.path(), id))
        .collect();
    let sinks: Vec<_> = far.iter().map(|end| end.sink).collect();
    let mut queue = Queue::new(&sinks);
    let Some(mut engine) = open(strategy, log, &sinks, fetches, set) else { return };
    for round in 0..2 {
        queue.clear();
        fill(&mut queue, fetches);
        drive(&mut *engine, &mut queue).unwrap_or_else(|error| panic!("{what}: {error}"));
        // One that keeps a core busy for it may get by without a call.
        let calls = strategy.disturbs() != Disturbance::Core;
        check_queue(&what, &queue, fetches, calls);
        let again = engine.step(&mut queue);
        assert_eq!(again, Ok(Step::Done), "{what}, round {round}: a step after the last");
    }
    drop(engine);
    for (lane, end) in far.into_iter().enumerate() {
        let once = expected(log, fetches, lane);
        let Some(received) = end.received() else { continue };
        assert_eq!(received.len(), 2 * once.len(), "{what}, lane {lane}: length");
        if strategy.moves_the_log() {
            let wrong = received.iter().zip(once.iter().cycle()).position(|(a, b)| a != b);
            assert_eq!(wrong, None, "{what}, lane {lane}: first wrong byte");
        }
    }
}

pub fn check_queue(what: &str, queue: &Queue, fetches: &[Fetch], calls: bool) {
    assert_eq!(queue.remaining(), Bytes(0), "{what}");
    assert_eq!(queue.blocked().count(), 0, "{what}: a lane is still blocked");
    let lanes = fetches.iter().flat_map(|fetch| &fetch.lanes).max().map_or(0, |&lane| lane + 1);
    for lane in 0..lanes {
        let done: Vec<_> =
            queue.finished().iter().filter(|f| f.lane == lane).map(|f| f.fetch as usize).collect();
        let due: Vec<_> = (0..fetches.len())
            .flat_map(|id| fetches[id].lanes.iter().filter(|&&l| l == lane).map(move |_| id))
            .collect();
        assert_eq!(done, due, "{what}: deliveries on lane {lane}");
    }
    let sum: u64 = queue.calls.counts().map(|(_, count)| count).sum();
    assert_eq!(queue.calls.total(), sum, "{what}");
    let (maps, unmaps) = (queue.calls.of(Call::Mmap), queue.calls.of(Call::Munmap));
    assert_eq!(maps, unmaps, "{what}: what a slice maps, it unmaps");
    let bytes: u64 = fetches
        .iter()
        .map(|f| f.header.len() as u64 + f.pieces.iter().map(|p| p.len_bytes).sum::<u64>())
        .sum();
    assert!(sum > 0 || bytes == 0 || !calls, "{what}: no call for {bytes} bytes");
    assert!(sum == 0 || bytes > 0, "{what}: {sum} calls for nothing");
}

/// Interesting values of one option: default, bounds, and sizes that fit nothing.
pub fn values(spec: &OptionSpec) -> Vec<OptionValue> {
    match spec.kind {
        OptionKind::Number { default, min, max } => {
            let mut values = vec![default, min, max, 2, 3, 7, 64, 4097, 65_535, 65_537];
            values.retain(|value| (min..=max).contains(value));
            values.sort_unstable();
            values.dedup();
            values.into_iter().map(OptionValue::Number).collect()
        }
        OptionKind::Choice { of, .. } => {
            of.iter().map(|&word| OptionValue::Word(word.to_owned())).collect()
        }
    }
}

/// Each option at each of its values, the words of the other options in every combination.
pub fn variants(strategy: &dyn Strategy) -> Vec<Set> {
    let specs = strategy.options();
    let mut words = vec![Set::new()];
    for spec in specs.iter().filter(|spec| matches!(spec.kind, OptionKind::Choice { .. })) {
        let with = |set: &Set| {
            let set = set.clone();
            values(spec).into_iter().map(move |value| {
                let mut set = set.clone();
                set.insert(spec.name.to_owned(), value);
                set
            })
        };
        words = words.iter().flat_map(with).collect();
    }
    let numbers = specs.iter().filter(|spec| matches!(spec.kind, OptionKind::Number { .. }));
    let alone = numbers.flat_map(|spec| {
        values(spec).into_iter().map(|value| Set::from([(spec.name.to_owned(), value)]))
    });
    words.iter().cloned().chain(alone).collect()
}
