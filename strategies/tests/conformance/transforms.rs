//! Does a transform see every byte, once and in order, and does the sink get what it made of them?

use crate::far_end::{FarEnd, KINDS, Manner, Pace};
use crate::world::{
    Fetch, Log, Set, Watchdog, check_queue, drive, expected, fetch, fetch_for, fill, open_with,
    piece, variants,
};
use nix::errno::Errno;
use proptest::prelude::*;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use zclab_strategies::transform::{self, Applied, Made, Transform};
use zclab_strategies::{
    ALL, Bytes, LaneId, OpenError, OptionValue, Options, Queue, Setup, SinkKind, Strategy, outlet,
};

/// Frames each chunk by its length and a number that counts the chunks of a lane, and stretches it:
/// a byte that is sent twice, left out or out of turn cannot be decoded.
struct Stretch {
    chunks: u8,
}

impl Transform for Stretch {
    fn name(&self) -> &'static str {
        "stretch"
    }

    fn bound_bytes(&self, input_bytes: usize) -> usize {
        5 + input_bytes + input_bytes.div_ceil(3)
    }

    fn apply(&mut self, bytes: &[u8], out: &mut Vec<u8>) -> Result<Applied, Errno> {
        assert!(!bytes.is_empty());
        out.push(self.chunks);
        out.extend_from_slice(&(bytes.len() as u32).to_le_bytes());
        for three in bytes.chunks(3) {
            out.extend(three.iter().map(|byte| byte ^ self.chunks));
            out.push(0xaa);
        }
        self.chunks = self.chunks.wrapping_add(1);
        Ok(Applied::Changed)
    }
}

fn unstretch(mut wire: &[u8]) -> Vec<u8> {
    let (mut plain, mut chunk) = (Vec::new(), 0u8);
    while let [number, a, b, c, d, rest @ ..] = wire {
        assert_eq!(*number, chunk, "chunks in order");
        let mut left = u32::from_le_bytes([*a, *b, *c, *d]) as usize;
        wire = rest;
        while left > 0 {
            let three = left.min(3);
            plain.extend(wire[..three].iter().map(|byte| byte ^ chunk));
            assert_eq!(wire[three], 0xaa);
            wire = &wire[three + 1..];
            left -= three;
        }
        chunk = chunk.wrapping_add(1);
    }
    assert_eq!(wire, [0u8; 0], "a chunk is cut off");
    plain
}

/// Looks and changes nothing: a sum in which each byte counts by its place.
#[derive(Clone, Default)]
struct Look(Arc<[AtomicU64; 2]>);

impl Transform for Look {
    fn name(&self) -> &'static str {
        "look"
    }

    fn bound_bytes(&self, _input_bytes: usize) -> usize {
        0
    }

    fn apply(&mut self, bytes: &[u8], _out: &mut Vec<u8>) -> Result<Applied, Errno> {
        let [count, sum] = &*self.0;
        for &byte in bytes {
            let at = count.fetch_add(1, Ordering::Relaxed);
            sum.fetch_add((at + 1).wrapping_mul(u64::from(byte) + 1), Ordering::Relaxed);
        }
        Ok(Applied::Same)
    }
}

fn sum_of(bytes: &[u8]) -> u64 {
    let mut look = Look::default();
    look.apply(bytes, &mut Vec::new()).unwrap();
    look.0[1].load(Ordering::Relaxed)
}

/// What arrived at each end; nothing is known of `/dev/null`.
type Arrived = Vec<Option<Vec<u8>>>;

/// Moves everything twice with one engine; what arrived at each end, and what was looked at and
/// handed over.
fn moved(
    strategy: &dyn Strategy,
    log: &Log,
    fetches: &[Fetch],
    ends: &[(SinkKind, Manner)],
    set: &Set,
    factory: &transform::Factory,
) -> Option<(Arrived, [u64; 2])> {
    let what = format!("{} {set:?} over {ends:?}, transformed", strategy.name());
    let _watchdog = Watchdog::over(what.clone());
    let far = ends.iter().enumerate();
    let far: Vec<_> =
        far.map(|(id, &(kind, how))| FarEnd::open(kind, how, log.dir.path(), id)).collect();
    let sinks: Vec<_> = far.iter().map(|end| end.sink).collect();
    let mut queue = Queue::new(&sinks);
    let mut engine = open_with(strategy, log, &sinks, fetches, set, Some(factory))?;
    let mut counted = [0; 2];
    for _ in 0..2 {
        queue.clear();
        fill(&mut queue, fetches);
        drive(&mut *engine, &mut queue).unwrap_or_else(|error| panic!("{what}: {error}"));
        check_queue(&what, &queue, fetches, true);
        counted[0] += queue.calls.looked_bytes();
        counted[1] += queue.calls.handed_bytes();
    }
    drop(engine);
    Some((far.into_iter().map(FarEnd::received).collect(), counted))
}

fn stretched(
    strategy: &dyn Strategy,
    log: &Log,
    fetches: &[Fetch],
    ends: &[(SinkKind, Manner)],
    set: &Set,
) {
    let factory = |_: LaneId| -> Made { Ok(Box::new(Stretch { chunks: 0 })) };
    let Some((received, [looked, handed])) = moved(strategy, log, fetches, ends, set, &factory)
    else {
        return;
    };
    let (mut wire, mut plain) = (0, 0);
    for (lane, received) in received.into_iter().enumerate() {
        let once = expected(log, fetches, lane);
        plain += 2 * once.len() as u64;
        let Some(received) = received else { continue };
        wire += received.len() as u64;
        assert!(unstretch(&received) == once.repeat(2), "{}, lane {lane}", strategy.name());
    }
    assert_eq!(looked, plain, "every byte once");
    if ends.iter().all(|(kind, _)| *kind != SinkKind::Null) {
        assert_eq!(handed, wire, "what the sinks took is what arrived");
    }
}

fn looked_at(
    strategy: &dyn Strategy,
    log: &Log,
    fetches: &[Fetch],
    ends: &[(SinkKind, Manner)],
    set: &Set,
) {
    let looks: Vec<Look> = ends.iter().map(|_| Look::default()).collect();
    let mine = looks.clone();
    let factory = move |lane: LaneId| -> Made { Ok(Box::new(mine[lane].clone())) };
    let Some((received, _)) = moved(strategy, log, fetches, ends, set, &factory) else { return };
    for (lane, received) in received.into_iter().enumerate() {
        let twice = expected(log, fetches, lane).repeat(2);
        let [count, sum] = &*looks[lane].0;
        assert_eq!(count.load(Ordering::Relaxed), twice.len() as u64, "once, lane {lane}");
        assert_eq!(sum.load(Ordering::Relaxed), sum_of(&twice), "in order, lane {lane}");
        if let Some(received) = received {
            assert!(received == twice, "{}, lane {lane}: unchanged", strategy.name());
        }
    }
}

fn those_that_can() -> impl Iterator<Item = &'static dyn Strategy> {
    ALL.iter().copied().filter(|strategy| strategy.transforms().is_ok())
}

fn several(lanes: &[LaneId]) -> Vec<Fetch> {
    let one = |at: u64| {
        let pieces = [piece(0, at * 9973, 20_000 + at), piece(1, at, 3), piece(0, at, at * 999)];
        fetch_for(&format!("header {at}"), &pieces, lanes)
    };
    (0..8).map(one).collect()
}

#[test]
fn the_plainest_strategies_can_be_looked_between() {
    let names: Vec<_> = those_that_can().map(Strategy::name).collect();
    for name in
        ["read-write", "preadv-sendmsg", "mmap-heap-write", "direct-write", "uncached-write"]
    {
        assert!(names.contains(&name), "{names:?}");
    }
}

#[test]
fn others_are_refused_and_say_why() {
    let log = Log::new(&[10_000]);
    let fetches = [fetch("h", &[piece(0, 0, 100)])];
    let factory = |_: LaneId| -> Made { Ok(Box::new(Stretch { chunks: 0 })) };
    for strategy in ALL.iter().filter(|strategy| strategy.transforms().is_err()) {
        let setup = Setup {
            segments: &log.segments,
            sinks: &[],
            options: &Options::new(strategy.options(), &Set::new()),
            fetch_bytes_max: Bytes(fetches[0].pieces[0].len_bytes),
            header_bytes_max: Bytes(1),
            transform: Some(&factory),
        };
        let why = strategy.transforms().unwrap_err();
        let refused = transform::open(*strategy, &setup).map(|_| ());
        assert_eq!(refused, Err(OpenError::Refused { why }), "{}", strategy.name());
        assert!(strategy.name() == "null" || why.starts_with("needs user space"), "{why}");
    }
}

#[test]
fn outputs_beyond_the_limit_are_refused() {
    struct Huge;
    impl Transform for Huge {
        fn name(&self) -> &'static str {
            "huge"
        }
        fn bound_bytes(&self, _input_bytes: usize) -> usize {
            outlet::OUTPUTS_BYTES_MAX / 4 + 1
        }
        fn apply(&mut self, _bytes: &[u8], _out: &mut Vec<u8>) -> Result<Applied, Errno> {
            Err(Errno::EIO)
        }
    }
    let log = Log::new(&[10_000]);
    let far = FarEnd::open(SinkKind::Null, Manner::PLAIN, log.dir.path(), 0);
    let factory = |_: LaneId| -> Made { Ok(Box::new(Huge)) };
    for strategy in those_that_can() {
        let open = |sinks: &[_]| {
            transform::open(
                strategy,
                &Setup {
                    segments: &log.segments,
                    sinks,
                    options: &Options::new(strategy.options(), &Set::new()),
                    fetch_bytes_max: Bytes(1000),
                    header_bytes_max: Bytes(0),
                    transform: Some(&factory),
                },
            )
        };
        if let Err(OpenError::Unsupported { .. }) = open(&[far.sink]) {
            continue;
        }
        let error = open(&[far.sink; 2]).map(|_| ()).unwrap_err();
        assert!(error.to_string().contains("1 GiB"), "{error}");
        // One lane fits, and the transform's own error names it.
        let mut engine = open(&[far.sink]).unwrap();
        let mut queue = Queue::new(&[far.sink]);
        fill(&mut queue, &[fetch("", &[piece(0, 512, 100)])]);
        let error = drive(&mut *engine, &mut queue).unwrap_err();
        assert_eq!((error.call, error.offset_bytes, error.errno), ("huge", 512, Errno::EIO));
    }
}

#[test]
fn over_every_kind_of_sink_by_every_option() {
    let log = Log::new(&[300_000, 5000]);
    for strategy in those_that_can() {
        for mut set in variants(strategy) {
            // A chunk of a byte or two makes a packet each and proves nothing more.
            if set.get("buffer").is_some_and(|bytes| *bytes < OptionValue::Number(64)) {
                set.insert("buffer".into(), OptionValue::Number(64));
            }
            for kind in KINDS {
                let ends = [(kind, Manner::PLAIN)];
                stretched(strategy, &log, &several(&[0]), &ends, &set);
                looked_at(strategy, &log, &several(&[0]), &ends, &set);
            }
        }
    }
}

#[test]
fn full_sinks_beside_free_ones() {
    let log = Log::new(&[200_000, 5000]);
    let poll = Manner { nonblocking: true, ..Manner::PLAIN };
    let ends = [
        (SinkKind::TcpLoopback, Manner { pace: Pace::Late, tiny: true, ..poll }),
        (SinkKind::UnixStream, poll),
        (SinkKind::UnixStream, Manner { pace: Pace::Slow, tiny: true, ..poll }),
        (SinkKind::File, Manner::PLAIN),
        (SinkKind::TcpLoopback, Manner { tiny: true, ..poll }),
    ];
    let mut fetches = several(&[0, 1, 2, 3, 4]);
    for (at, fetch) in fetches.iter_mut().enumerate() {
        fetch.lanes.rotate_left(at % 5);
        fetch.lanes.truncate(5 - at % 2);
    }
    for strategy in those_that_can() {
        for depth in [1, 2, 64] {
            let has = strategy.options().iter().any(|spec| spec.name == "depth");
            let depth = has.then(|| ("depth".to_owned(), OptionValue::Number(depth)));
            let set: Set = depth.into_iter().collect();
            stretched(strategy, &log, &fetches, &ends, &set);
            looked_at(strategy, &log, &fetches, &ends, &set);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        failure_persistence: None,
        max_shrink_iters: 60,
        ..ProptestConfig::with_cases(25)
    })]

    #[test]
    fn what_the_far_end_decodes_is_the_log(
        shape in prop::collection::vec((0..140_000u64, 0..40_000u64, 0..40usize, 1..8usize), 1..8),
        manners in prop::collection::vec((0..4usize, any::<bool>(), any::<bool>()), 3),
        buffer in 64..70_000u64,
    ) {
        let log = Log::new(&[200_000]);
        let fetches: Vec<Fetch> = shape
            .iter()
            .map(|&(at, len, header, lanes)| Fetch {
                header: vec![b'h'; header],
                pieces: vec![piece(0, at, len), piece(0, len, at / 7)],
                lanes: (0..3).filter(|lane| lanes >> lane & 1 == 1).collect(),
            })
            .collect();
        let ends: Vec<_> = manners
            .iter()
            .map(|&(kind, nonblocking, tiny)| {
                (KINDS[kind], Manner { nonblocking, tiny, pace: Pace::Eager })
            })
            .collect();
        let set = Set::from([("buffer".to_owned(), OptionValue::Number(buffer))]);
        for strategy in those_that_can() {
            let has = strategy.options().iter().any(|spec| spec.name == "buffer");
            let set = if has { set.clone() } else { Set::new() };
            stretched(strategy, &log, &fetches, &ends, &set);
            looked_at(strategy, &log, &fetches, &ends, &set);
        }
    }
}
