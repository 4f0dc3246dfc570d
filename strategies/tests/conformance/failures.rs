//! Is everything that goes wrong reported as one call, one place in the log and one errno?

use crate::far_end::{FarEnd, Manner, Pace, QUEUES};
use crate::world::{
    Fetch, Log, Set, Watchdog, drive, expected, fetch, fill, open, piece, skipped, variants,
};
use nix::errno::Errno;
use zclab_strategies::{
    ALL, Bytes, CallError, Disturbance, OpenError, OptionValue, Options, Queue, Setup, SinkKind,
    Step, Strategy,
};

/// When segment 1 is shortened behind the engine's back, and to what.
#[derive(Clone, Copy)]
enum Cut {
    Never,
    Opened(u64),
    Blocked(u64),
}

/// A transfer that is expected to fail: the error, and what arrived up to then is checked.
fn failing(
    strategy: &dyn Strategy,
    log: &Log,
    fetches: &[Fetch],
    end: (SinkKind, Manner),
    set: &Set,
    cut: Cut,
) -> Option<(CallError, u64)> {
    let what = format!("{} {set:?} over {end:?}", strategy.name());
    let _watchdog = Watchdog::over(what.clone());
    let far = FarEnd::open(end.0, end.1, log.dir.path(), 0);
    let sinks = [far.sink];
    let mut queue = Queue::new(&sinks);
    let mut engine = open(strategy, log, &sinks, fetches, set)?;
    fill(&mut queue, fetches);
    let total = queue.remaining().0;
    match cut {
        Cut::Never => {}
        Cut::Opened(len) => log.truncate(1, len),
        Cut::Blocked(len) => {
            // Now bytes are under way: mapped, in a buffer, in a pipe.
            loop {
                match engine.step(&mut queue).expect(&what) {
                    Step::Moved => {}
                    Step::Blocked => break,
                    // The reader kept pace, so there was nothing to cut.
                    Step::Done => return None,
                }
            }
            log.truncate(1, len);
        }
    }
    let Err(error) = drive(&mut *engine, &mut queue) else {
        // A thread of the kernel may have had all of it in hand by then.
        let polled = strategy.disturbs() == Disturbance::Core;
        assert!(polled && matches!(cut, Cut::Blocked(_)), "{what}: did not fail");
        return None;
    };
    drop(engine);
    let sent = total - queue.remaining().0;
    assert!(!error.call.is_empty());
    let received = far.received().unwrap_or_default();
    let due = expected(log, fetches, 0);
    match end.1.pace {
        Pace::Leaves(_) => assert!(due.starts_with(&received) || !strategy.moves_the_log()),
        _ => assert!(received == due[..sent as usize], "{what}: what arrived before {error}"),
    }
    Some((error, sent))
}

#[test]
fn a_reader_that_leaves() {
    let log = Log::new(&[1 << 20]);
    let fetches = vec![fetch("head", &[piece(0, 1, (1 << 20) - 1)]); 12];
    for strategy in ALL {
        for kind in QUEUES {
            for nonblocking in [false, true] {
                let manner = Manner { pace: Pace::Leaves(100_000), nonblocking, tiny: false };
                let failed =
                    failing(*strategy, &log, &fetches, (kind, manner), &Set::new(), Cut::Never);
                let Some((error, _)) = failed else { continue };
                let gone = matches!(error.errno, Errno::EPIPE | Errno::ECONNRESET);
                assert!(gone, "{} over {kind:?}: {error}", strategy.name());
            }
        }
    }
}

/// Each mover with each way of mapping and each depth, and with several small buffers in flight.
fn movers() -> impl Iterator<Item = (&'static dyn Strategy, Set)> {
    let movers = ALL.iter().copied().filter(|strategy| strategy.moves_the_log());
    movers.flat_map(|strategy| {
        let sizes = |set: &Set| {
            !["buffer", "pipe", "chunk", "every"].iter().any(|name| set.contains_key(*name))
        };
        let has = |name| strategy.options().iter().any(|spec| spec.name == name);
        let several = (has("depth") && has("buffer")).then(|| {
            let number = |name: &str, n| (name.to_owned(), OptionValue::Number(n));
            Set::from([number("depth", 3), number("buffer", 8192)])
        });
        let sets = variants(strategy).into_iter().filter(sizes).chain(several);
        sets.map(move |set| (strategy, set)).collect::<Vec<_>>()
    })
}

/// Files, sockets and pipes, blocking and not; `/dev/null` looks at nothing, so nothing can be missing.
/// Who reads the log through a mapping of it.
const MAPPED: &[&str] = &[
    "mmap-write",
    "mmap-write-each",
    "mmap-writev",
    "vmsplice-splice",
    "msg-zerocopy",
    "uring-mmap-send-zc",
];

/// Who reads its mapping by itself: a page that is gone is SIGBUS, which `child` looks at.
const TOUCHES: &str = "mmap-heap-write";

/// Files and sockets, blocking and not; `/dev/null` looks at nothing, so nothing can be missing.
fn ends() -> Vec<(SinkKind, Manner)> {
    let slow = Manner { pace: Pace::Slow, nonblocking: true, tiny: true };
    let [tcp, unix, pipe] = QUEUES;
    let plain = [tcp, unix, pipe, SinkKind::File].map(|kind| (kind, Manner::PLAIN));
    plain.into_iter().chain([(unix, slow), (pipe, slow)]).collect()
}

/// The range reaches over the end that the segment has had all along.
#[test]
fn a_range_beyond_the_end() {
    for (strategy, set) in movers() {
        for end in ends() {
            let mut log = Log::new(&[10, 70_003]);
            log.bytes[1].resize(80_000, 0);
            let fetches = [fetch("head", &[piece(0, 0, 10), piece(1, 60_000, 20_000)])];
            let failed = failing(strategy, &log, &fetches, end, &set, Cut::Never);
            let Some((error, sent)) = failed else { break };
            let what = format!("{} {set:?} {end:?}: {error}", strategy.name());
            assert_eq!(error.errno, Errno::ENODATA, "{what}");
            assert_eq!((error.segment, error.offset_bytes), (1, 70_003), "{what}");
            assert_eq!(sent, 4 + 10 + 10_003, "{what}");
        }
    }
}

fn maps(strategy: &dyn Strategy) -> bool {
    MAPPED.contains(&strategy.name()) || strategy.name() == TOUCHES
}

/// What has to hold for every error after a cut at a page boundary.
fn check_cut(what: &str, error: &CallError, sent: u64, before: u64, cut: u64) {
    assert!(matches!(error.errno, Errno::EFAULT | Errno::ENODATA), "{what}");
    assert_eq!(error.segment, 1, "{what}");
    // The error names the first byte that was not sent.
    assert_eq!(error.offset_bytes + before, sent, "{what}");
    if error.errno == Errno::EFAULT && error.call != "madvise" {
        // A copy that fails half-way may stop a little before the byte that is missing.
        assert!(error.offset_bytes <= cut && cut - error.offset_bytes < 64 << 10, "{what}");
    }
}

/// The segment is shortened after the engine has opened and perhaps mapped it.
#[test]
fn a_log_truncated_before_it_is_read() {
    const CUT: u64 = 512 << 10;
    for (strategy, set) in movers().filter(|(strategy, _)| strategy.name() != TOUCHES) {
        for end in ends() {
            let log = Log::new(&[4096, 1 << 20]);
            let fetches = [
                fetch("head", &[piece(0, 0, 4096), piece(1, 0, 100)]),
                fetch("head", &[piece(1, 100, (1 << 20) - 100)]),
            ];
            let cut = Cut::Opened(CUT);
            let Some((error, sent)) = failing(strategy, &log, &fetches, end, &set, cut) else {
                break;
            };
            let what = format!("{} {set:?} {end:?}: {error}", strategy.name());
            check_cut(&what, &error, sent, 8 + 4096, CUT);
            assert!(error.offset_bytes <= CUT, "{what}");
        }
    }
}

/// The segment is shortened while bytes of it lie in buffers, pipes and mappings. Those may still
/// go out; the rest is missed.
#[test]
fn a_log_truncated_under_way() {
    const CUT: u64 = 3 << 20;
    let slow = Manner { pace: Pace::Slow, nonblocking: true, tiny: true };
    for (strategy, set) in movers().filter(|(strategy, _)| strategy.name() != TOUCHES) {
        // Deeper reads ahead have all of the segment in hand before it is cut.
        if set.get("depth").is_some_and(|depth| *depth > OptionValue::Number(3)) {
            continue;
        }
        let log = Log::new(&[0, 4 << 20]);
        let fetches = [fetch("head", &[piece(1, 0, 4 << 20)])];
        let end = (SinkKind::UnixStream, slow);
        let cut = Cut::Blocked(CUT);
        let Some((error, sent)) = failing(strategy, &log, &fetches, end, &set, cut) else {
            continue;
        };
        let what = format!("{} {set:?}: {error}", strategy.name());
        check_cut(&what, &error, sent, 4, CUT);
    }
}

/// A cut inside a page: who maps it sends zeros up to the end of that page, and no call can tell.
/// Every other way misses exactly the first byte that is gone.
#[test]
fn a_log_truncated_inside_a_page() {
    const CUT: u64 = 100_001;
    for (strategy, set) in movers().filter(|(strategy, _)| !maps(*strategy)) {
        for end in ends() {
            let log = Log::new(&[10, 300_000]);
            let fetches = [fetch("head", &[piece(1, 8193, 200_000)])];
            let cut = Cut::Opened(CUT);
            let Some((error, _)) = failing(strategy, &log, &fetches, end, &set, cut) else { break };
            let what = format!("{} {set:?} {end:?}: {error}", strategy.name());
            assert_eq!((error.segment, error.offset_bytes), (1, CUT), "{what}");
            assert_eq!(error.errno, Errno::ENODATA, "{what}");
        }
    }
}

/// What tmpfs cannot do: the strategy says which call refused, and does not read some other way.
#[test]
fn a_file_system_that_cannot() {
    let parent = "/dev/shm";
    if !std::path::Path::new(parent).is_dir() {
        return skipped("tmpfs", &OpenError::unsupported("stat(/dev/shm)", Errno::ENOENT));
    }
    let log = Log::inside(parent, &[10_000]);
    for name in ["direct-write", "direct-sendfile", "direct-send-zc", "uncached-write"] {
        let (call, errno) = refused_to_open(name, &log, SinkKind::Null);
        let named = ["O_DIRECT", "DIOALIGN", "DONTCACHE"].iter().any(|what| call.contains(what));
        assert!(named, "{name}: {call}: {errno}");
    }
}

/// What files alone can do, and what TCP alone can.
#[test]
fn a_sink_that_cannot() {
    let log = Log::new(&[10_000]);
    for kind in [SinkKind::TcpLoopback, SinkKind::UnixStream, SinkKind::Null] {
        let refused = refused_to_open("copy-file-range", &log, kind);
        assert_eq!(refused, ("copy_file_range", Errno::EINVAL), "{kind:?}");
    }
    for kind in [SinkKind::UnixStream, SinkKind::File, SinkKind::Null] {
        let (call, errno) = refused_to_open("ktls-sendfile", &log, kind);
        assert_eq!(call, "setsockopt(TCP_ULP, tls)", "{kind:?}: {errno}");
    }
}

/// Tries to open a strategy that the kernel has to refuse; the call and the errno.
fn refused_to_open(name: &str, log: &Log, kind: SinkKind) -> (&'static str, Errno) {
    let strategy = zclab_strategies::find(name).unwrap();
    let far = FarEnd::open(kind, Manner::PLAIN, log.dir.path(), 0);
    let setup = Setup {
        segments: &log.segments,
        sinks: &[far.sink],
        options: &Options::new(strategy.options(), &Set::new()),
        fetch_bytes_max: Bytes(1000),
        header_bytes_max: Bytes(0),
        transform: None,
    };
    match strategy.open(&setup).map(|_| ()) {
        Err(OpenError::Unsupported { call, errno, .. }) => (call, errno),
        other => panic!("{name} over {kind:?}: {other:?}"),
    }
}
