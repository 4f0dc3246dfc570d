//! Is every entry of the kernel counted, and none that was not made?
//!
//! Exact numbers for transfers whose calls can be told beforehand. An independent witness
//! (`strace`) checks the counters of a whole sender in the harness.

use crate::far_end::{FarEnd, Manner};
use crate::world::{Log, Set, drive, fetch, fetch_for, fill, open, piece, say};
use zclab_strategies::{Call, OptionValue, Queue, SinkKind, Zerocopy, find};

const FETCHES: u64 = 5;

/// Five times a header and 64 KiB of the log (always the same) to each of these many null sinks.
fn counts(name: &str, set: &[(&str, &str)], lanes: usize) -> Option<Vec<(Call, u64)>> {
    let value = |value: &str| {
        value.parse().map_or_else(|_| OptionValue::Word(value.to_owned()), OptionValue::Number)
    };
    let set: Set = set.iter().map(|&(name, v)| (name.to_owned(), value(v))).collect();
    let log = Log::new(&[1 << 20]);
    let far: Vec<_> = (0..lanes)
        .map(|id| FarEnd::open(SinkKind::Null, Manner::PLAIN, log.dir.path(), id))
        .collect();
    let sinks: Vec<_> = far.iter().map(|end| end.sink).collect();
    let all: Vec<_> = (0..lanes).collect();
    let same = fetch_for("head", &[piece(0, 8192, 64 << 10)], &all);
    let fetches = vec![same; FETCHES as usize];
    let mut queue = Queue::new(&sinks);
    let mut engine = open(find(name).unwrap(), &log, &sinks, &fetches, &set)?;
    fill(&mut queue, &fetches);
    drive(&mut *engine, &mut queue).unwrap();
    assert_eq!(queue.calls.short_writes(), 0);
    Some(queue.calls.counts().collect())
}

/// A strategy, its options, and its calls.
type Case<'a> = (&'a str, &'a [(&'a str, &'a str)], &'a [(Call, u64)]);

#[test]
fn exact_counts() {
    use Call::{
        Fadvise, Madvise, Mmap, Munmap, Pread, Preadv, Preadv2, Sendfile, Splice, UringEnter,
        Vmsplice, Write, Writev,
    };
    let n = FETCHES;
    let per_fetch = ("map", "per-fetch");
    let cases: &[Case] = &[
        ("null", &[], &[(Write, 2 * n)]),
        ("read-write", &[], &[(Pread, n), (Write, 2 * n)]),
        ("read-write", &[("buffer", "32768")], &[(Pread, 2 * n), (Write, 3 * n)]),
        ("mmap-write", &[("advice", "willneed")], &[(Write, 2 * n)]),
        ("mmap-write", &[per_fetch], &[(Write, 2 * n), (Mmap, n), (Munmap, n)]),
        (
            "mmap-write",
            &[per_fetch, ("advice", "populate")],
            &[(Write, 2 * n), (Mmap, n), (Munmap, n), (Madvise, n)],
        ),
        ("preadv-sendmsg", &[], &[(Preadv, n), (Writev, n)]),
        ("preadv-sendmsg", &[("buffer", "32768")], &[(Preadv, 2 * n), (Writev, 2 * n)]),
        ("mmap-heap-write", &[], &[(Write, 2 * n)]),
        ("mmap-write-each", &[], &[(Write, 65 * n)]),
        ("mmap-writev", &[], &[(Writev, n)]),
        ("mmap-writev", &[("chunk", "32")], &[(Writev, 3 * n)]),
        ("sendfile", &[], &[(Write, n), (Sendfile, n)]),
        ("splice", &[], &[(Write, n), (Splice, 2 * n)]),
        ("sendfile", &[("join", "plain")], &[(Write, n), (Sendfile, n)]),
        ("sendfile-dropbehind", &[], &[(Write, n), (Sendfile, n), (Fadvise, n)]),
        ("splice-tee", &[], &[(Write, n), (Splice, 2 * n)]),
        ("vmsplice-splice", &[], &[(Write, n), (Splice, n), (Vmsplice, n)]),
        (
            "vmsplice-splice",
            &[("source", "gift")],
            &[(Pread, n), (Write, n), (Splice, n), (Vmsplice, n), (Mmap, n), (Munmap, n)],
        ),
        ("direct-sendfile", &[], &[(Write, n), (Sendfile, n)]),
        ("uncached-write", &[], &[(Preadv2, n), (Write, 2 * n)]),
        ("splice", &[("pipe", "32768")], &[(Write, n), (Splice, 4 * n)]),
        ("uring-read-send", &[("depth", "8")], &[(UringEnter, 1)]),
        ("uring-read-send", &[("depth", "1")], &[(UringEnter, n)]),
        ("uring-fixed", &[("depth", "8")], &[(UringEnter, 1)]),
        ("uring-fixed", &[("depth", "2")], &[(UringEnter, 3)]),
        ("uring-splice", &[("depth", "8")], &[(UringEnter, 1)]),
        ("uring-splice", &[("depth", "1")], &[(UringEnter, n)]),
        ("direct-write", &[], &[(Pread, n), (Write, 2 * n)]),
    ];
    for &(name, set, due) in cases {
        let Some(counted) = counts(name, set, 1) else { continue };
        assert_eq!(counted, due, "{name} {set:?}");
    }
}

/// Nothing may be read once for several sinks, unless that is what a strategy is for.
#[test]
fn sinks_do_not_share_reads() {
    for name in ["read-write", "direct-write"] {
        let Some(counted) = counts(name, &[], 3) else { continue };
        assert_eq!(counted, [(Call::Pread, 3 * FETCHES), (Call::Write, 6 * FETCHES)], "{name}");
    }
    let counted = counts("preadv-sendmsg", &[], 3).unwrap();
    assert_eq!(counted, [(Call::Preadv, 3 * FETCHES), (Call::Writev, 3 * FETCHES)]);
}

/// Reads ahead are started many at a time: fewer entries than reads, and the sends as ever.
#[test]
fn reads_ahead_are_batched() {
    let Some(counted) = counts("direct-write", &[("depth", "64")], 4) else { return };
    let of = |call| counted.iter().find(|(other, _)| *other == call).map_or(0, |&(_, n)| n);
    assert_eq!(of(Call::Write), 8 * FETCHES);
    assert_eq!(of(Call::Pread), 0);
    assert!((1..=4 * FETCHES).contains(&of(Call::UringEnter)), "{counted:?}");
}

/// Pieces that adjoin are read by one call, scattered ones by one each; the send is one either way.
#[test]
fn scattered_pieces_are_one_send() {
    let log = Log::new(&[1 << 20]);
    let far = FarEnd::open(SinkKind::UnixStream, Manner::PLAIN, log.dir.path(), 0);
    let sinks = [far.sink];
    let adjoining = [piece(0, 100, 50), piece(0, 150, 7), piece(0, 157, 1)];
    let scattered = [piece(0, 9000, 50), piece(0, 100, 7), piece(0, 107, 3)];
    let fetches = [fetch("head", &adjoining), fetch("head", &scattered)];
    for (name, due) in [
        ("preadv-sendmsg", vec![(Call::Preadv, 3), (Call::Sendmsg, 2)]),
        ("mmap-writev", vec![(Call::Sendmsg, 2)]),
    ] {
        let mut queue = Queue::new(&sinks);
        let strategy = find(name).unwrap();
        let mut engine = open(strategy, &log, &sinks, &fetches, &Set::new()).unwrap();
        fill(&mut queue, &fetches);
        drive(&mut *engine, &mut queue).unwrap();
        assert_eq!(queue.calls.counts().collect::<Vec<_>>(), due, "{name}");
    }
}

/// One look at the page cache for three sinks, as long as they want the same.
#[test]
fn a_tee_looks_once() {
    let counted = counts("splice-tee", &[], 3).unwrap();
    let due = [(Call::Write, 3), (Call::Splice, 1 + 3), (Call::Tee, 2)];
    assert_eq!(counted, due.map(|(call, each)| (call, each * FETCHES)));
}

/// A cork is drawn before a fetch's header and let go behind its last byte.
#[test]
fn corks() {
    let log = Log::new(&[100_000]);
    let far = FarEnd::open(SinkKind::TcpLoopback, Manner::PLAIN, log.dir.path(), 0);
    let sinks = [far.sink];
    let fetches = [fetch("head", &[piece(0, 0, 9), piece(0, 50, 9)]), fetch("", &[piece(0, 7, 9)])];
    let set = Set::from([("join".to_owned(), OptionValue::Word("cork".to_owned()))]);
    let mut queue = Queue::new(&sinks);
    let mut engine = open(find("sendfile").unwrap(), &log, &sinks, &fetches, &set).unwrap();
    fill(&mut queue, &fetches);
    drive(&mut *engine, &mut queue).unwrap();
    let due = [(Call::Send, 1), (Call::Sendfile, 3), (Call::Setsockopt, 4)];
    assert_eq!(queue.calls.counts().collect::<Vec<_>>(), due);
}

/// Every send of pinned pages is answered once the engine has come to rest, and over loopback the
/// answer is that it was copied.
#[test]
fn the_kernel_answers_every_send_of_pinned_pages() {
    let word =
        |name: &str, word: &str| Set::from([(name.to_owned(), OptionValue::Word(word.into()))]);
    for (name, set) in [
        ("msg-zerocopy", Set::new()),
        ("msg-zerocopy", word("source", "buffer")),
        ("uring-send-zc", Set::new()),
        ("uring-send-zc", word("buffers", "plain")),
        ("uring-mmap-send-zc", Set::new()),
        ("direct-send-zc", Set::new()),
    ] {
        let log = Log::new(&[1 << 20]);
        let far = FarEnd::open(SinkKind::TcpLoopback, Manner::PLAIN, log.dir.path(), 0);
        let sinks = [far.sink];
        let fetches = vec![fetch_for("head", &[piece(0, 8192, 64 << 10)], &[0]); 20];
        let mut queue = Queue::new(&sinks);
        let Some(mut engine) = open(find(name).unwrap(), &log, &sinks, &fetches, &set) else {
            continue;
        };
        for _ in 0..2 {
            queue.clear();
            fill(&mut queue, &fetches);
            drive(&mut *engine, &mut queue).unwrap();
            let before = queue.calls.total();
            engine.rest(&queue);
            assert_eq!(queue.calls.total(), before, "{name}: calls at rest are not counted");
            let Zerocopy { sends, answered, copied } = queue.calls.zerocopy();
            assert!(sends >= 20, "{name}: {sends} sends");
            if answered == 0 && name != "msg-zerocopy" {
                say(&format!("SKIPPED: {name}: the kernel's answers (Linux 6.2)"));
                continue;
            }
            assert_eq!((answered, copied), (sends, sends), "{name} {set:?}");
        }
        drop(engine);
        drop(far.received());
    }
}
