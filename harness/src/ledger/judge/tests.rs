//! The judge on counts as kernels were seen to give them.

mod holes;

use super::super::counts::{Classes, Counts};
use super::super::moves::Move;
use super::{Case, Changed, Judgement, judge};
use std::collections::BTreeMap;
use zclab_report::record::Agreement;
use zclab_strategies::{
    CacheState, Hop, Mover, OptionValue, Options, Path, Place, Route, SinkKind, find,
};

const MIB: u64 = 1 << 20;
const USER: u8 = 1;
const LOG: u8 = 2;
const FILE: u8 = 3;
const PIPE: u8 = 4;
const SOCKET: u8 = 5;
const READ: u16 = 0;
const WRITE: u16 = 1;
const SENDFILE: u16 = 40;

fn route(sink: SinkKind, scatter_gather: bool) -> Route {
    Route { scatter_gather, ..Route::to(sink) }
}

fn counts(moves: &[(u16, u8, u8, u64)], queued: Classes, wire: Classes, got: Classes) -> Counts {
    let mut counts = Counts { queued, wire, received: got, ..Counts::default() };
    counts.moves = moves
        .iter()
        .map(|&(call, from, to, bytes)| Move::of(call, [from, to, 0], 1, bytes))
        .collect();
    counts.singles.insert("received_bytes", got.total());
    counts
}

fn case(
    strategy: &str,
    route: &Route,
    counts: &Counts,
    gaps: &[(&'static str, &str)],
) -> Judgement {
    let path = find(strategy).map_or_else(Path::default, |strategy| strategy.path(route));
    let gaps: BTreeMap<_, _> = gaps.iter().map(|(gap, why)| (*gap, (*why).to_owned())).collect();
    let (payload_bytes, header_bytes) = (MIB, 0);
    let missing_bytes = None;
    judge(&Case {
        path: &path,
        route,
        payload_bytes,
        header_bytes,
        changed: None,
        missing_bytes,
        counts,
        gaps: &gaps,
    })
}

fn private(bytes: u64) -> Classes {
    Classes { private: bytes, ..Classes::default() }
}

fn log(bytes: u64) -> Classes {
    Classes { log: bytes, ..Classes::default() }
}

fn linear(bytes: u64) -> Classes {
    Classes { linear: bytes, ..Classes::default() }
}

#[test]
fn two_copies_of_read_and_write_agree() {
    let tcp = route(SinkKind::TcpLoopback, true);
    let all = private(MIB);
    let seen = counts(&[(READ, LOG, USER, MIB), (WRITE, USER, SOCKET, MIB)], all, all, all);
    let judged = case("read-write", &tcp, &seen, &[]);
    assert_eq!(judged.agreement, Agreement::Agrees, "{:?}", judged.reason);
    assert_eq!(judged.copies.observed, Some(2.0));
}

#[test]
fn page_cache_on_the_wire_agrees_with_sendfile_and_private_pages_do_not() {
    let tcp = route(SinkKind::TcpLoopback, true);
    let moves = [(SENDFILE, LOG, SOCKET, MIB)];
    let honest = case("sendfile", &tcp, &counts(&moves, log(MIB), log(MIB), log(MIB)), &[]);
    assert_eq!(honest.agreement, Agreement::Agrees, "{:?}", honest.reason);
    assert_eq!(honest.copies.observed, Some(0.0));
    // The call says sendfile, and yet the pages are nobody's: its splice read copied.
    let all = private(MIB);
    let copied = case("sendfile", &tcp, &counts(&moves, all, all, all), &[]);
    assert_eq!(copied.agreement, Agreement::Contradicts);
    assert_eq!(copied.copies.observed, Some(1.0));
    // So does a library that reads and writes instead.
    let moves = [(READ, LOG, USER, MIB), (WRITE, USER, SOCKET, MIB)];
    let lied = case("sendfile", &tcp, &counts(&moves, all, all, all), &[]);
    assert_eq!(lied.agreement, Agreement::Contradicts);
    assert_eq!(lied.copies.observed, Some(2.0));
    assert!(lied.reason.unwrap().contains("page-cache → pipe"));
}

#[test]
fn pages_of_another_file_are_not_the_log() {
    let tcp = route(SinkKind::TcpLoopback, true);
    let other = Classes { file: MIB, ..Classes::default() };
    let moves = [(SENDFILE, FILE, SOCKET, MIB)];
    let judged = case("sendfile", &tcp, &counts(&moves, other, other, other), &[]);
    assert_eq!(judged.agreement, Agreement::Contradicts);
}

#[test]
fn a_device_that_cannot_gather_costs_a_copy_that_the_claim_must_name() {
    let moves = [(SENDFILE, LOG, SOCKET, MIB)];
    let seen = counts(&moves, log(MIB), linear(MIB), linear(MIB));
    let aware = case("sendfile", &route(SinkKind::TcpLoopback, false), &seen, &[]);
    assert_eq!(aware.agreement, Agreement::Agrees, "{:?}", aware.reason);
    assert_eq!(aware.copies.observed, Some(1.0));
    let unaware = case("sendfile", &route(SinkKind::TcpLoopback, true), &seen, &[]);
    assert_eq!(unaware.agreement, Agreement::Contradicts);
    // A plain send has three copies there, not one: its linear bytes are an extra copy.
    let moves = [(READ, LOG, USER, MIB), (WRITE, USER, SOCKET, MIB)];
    let seen = counts(&moves, private(MIB), linear(MIB), linear(MIB));
    let plain = case("read-write", &route(SinkKind::TcpLoopback, false), &seen, &[]);
    assert_eq!(plain.agreement, Agreement::Agrees, "{:?}", plain.reason);
    assert_eq!(plain.copies.observed, Some(3.0));
}

#[test]
fn headers_that_become_linear_are_no_payload() {
    let header = MIB / 16;
    let moves = [(WRITE, USER, SOCKET, header), (SENDFILE, LOG, SOCKET, MIB)];
    let queued = Classes { private: header, ..log(MIB) };
    let seen = counts(&moves, queued, linear(MIB + header), linear(MIB + header));
    let route = route(SinkKind::TcpVeth, false);
    let path = find("sendfile").unwrap().path(&route);
    let gaps = BTreeMap::new();
    let (path, route, gaps, missing_bytes) = (&path, &route, &gaps, None);
    let (payload_bytes, header_bytes, counts) = (MIB, header, &seen);
    let changed = None;
    let case =
        Case { path, route, payload_bytes, header_bytes, changed, missing_bytes, counts, gaps };
    let judged = judge(&case);
    assert_eq!(judged.agreement, Agreement::Agrees, "{:?}", judged.reason);
    assert_eq!(judged.copies.observed, Some(1.0));
}

#[test]
fn a_pipe_shows_writes_and_hides_what_a_splice_put_into_it() {
    let pipe = route(SinkKind::Pipe, true);
    let nothing = Classes::default();
    let seen = |moves: &[_]| counts(moves, nothing, nothing, nothing);
    let moves = [(READ, LOG, USER, MIB), (WRITE, USER, PIPE, MIB)];
    let copied = case("read-write", &pipe, &seen(&moves), &[]);
    assert_eq!(copied.agreement, Agreement::Agrees, "{:?}", copied.reason);
    assert_eq!(copied.copies.observed, Some(2.0));
    let unseen = case("sendfile", &pipe, &seen(&[(SENDFILE, LOG, PIPE, MIB)]), &[]);
    assert_eq!((unseen.agreement, unseen.copies.observed), (Agreement::Unobserved, None));
    // Who claims to splice and writes instead is found out all the same.
    let lied = case("sendfile", &pipe, &seen(&moves), &[]);
    assert_eq!(lied.agreement, Agreement::Contradicts);
    let half = [(READ, LOG, USER, MIB), (WRITE, USER, PIPE, MIB / 2)];
    assert_eq!(case("read-write", &pipe, &seen(&half), &[]).agreement, Agreement::Contradicts);
}

#[test]
fn a_copy_on_delivery_is_seen() {
    let tcp = route(SinkKind::TcpLoopback, true);
    let moves = [(SENDFILE, LOG, SOCKET, MIB)];
    let judged = case("sendfile", &tcp, &counts(&moves, log(MIB), log(MIB), private(MIB)), &[]);
    assert_eq!(judged.agreement, Agreement::Contradicts);
    assert!(judged.reason.unwrap().contains("wire → kernel-pages"));
}

#[test]
fn an_o_direct_splice_needs_device_bytes() {
    let tcp = route(SinkKind::TcpLoopback, true);
    let all = private(MIB);
    let mut seen = counts(&[], all, all, all);
    seen.moves.push(Move::of(SENDFILE, [LOG, SOCKET, 1], 16, MIB));
    let unmatched = case("sendfile", &tcp, &seen, &[]);
    assert_eq!(unmatched.copies.observed, None);
    seen.device_reads.insert(1, MIB);
    let matched = case("sendfile", &tcp, &seen, &[]);
    assert_eq!(matched.copies.observed, Some(0.0));
}

#[test]
fn what_was_not_seen_is_never_zero() {
    let tcp = route(SinkKind::TcpLoopback, true);
    let moves = [(SENDFILE, LOG, SOCKET, MIB)];
    let seen = counts(&moves, log(MIB), log(MIB), log(MIB));
    for gap in ["queue", "transmit", "receive", "enter", "leave"] {
        let judged = case("sendfile", &tcp, &seen, &[(gap, "no such tracepoint")]);
        assert_eq!(judged.agreement, Agreement::Unobserved, "{gap}");
        assert!(judged.reason.unwrap().contains("no such tracepoint"), "{gap}");
        assert_eq!(judged.copies.observed, None, "{gap}");
    }
    let half = counts(&moves, log(MIB / 2), log(MIB / 2), log(MIB / 2));
    let judged = case("sendfile", &tcp, &half, &[]);
    assert_eq!((judged.agreement, judged.copies.observed), (Agreement::Unobserved, None));
    let mut lost = seen.clone();
    lost.singles.insert("lost", 1);
    assert_eq!(case("sendfile", &tcp, &lost, &[]).agreement, Agreement::Unobserved);
}

#[test]
fn a_splice_into_a_file_is_unobserved() {
    let file = route(SinkKind::File, true);
    let none = Classes::default();
    let moves = [(SENDFILE, LOG, FILE, MIB)];
    let judged = case("sendfile", &file, &counts(&moves, none, none, none), &[]);
    assert_eq!((judged.agreement, judged.copies.observed), (Agreement::Unobserved, None));
    let moves = [(READ, LOG, USER, MIB), (WRITE, USER, FILE, MIB)];
    let judged = case("read-write", &file, &counts(&moves, none, none, none), &[]);
    assert_eq!(judged.agreement, Agreement::Agrees, "{:?}", judged.reason);
}

#[test]
fn a_cold_range_has_to_be_filled_and_one_that_recurs_only_once() {
    let cold = Route { cache: CacheState::Cold, ..route(SinkKind::TcpLoopback, true) };
    let path = find("sendfile").unwrap().path(&cold);
    let judged = |filled, missing_bytes| {
        let mut seen = counts(&[(SENDFILE, LOG, SOCKET, MIB)], log(MIB), log(MIB), log(MIB));
        seen.singles.insert("cache_fill_bytes", filled);
        let (counts, gaps) = (&seen, &BTreeMap::new());
        let (payload_bytes, header_bytes, route) = (MIB, 0, &cold);
        let path = &path;
        let changed = None;
        let case =
            Case { path, route, payload_bytes, header_bytes, changed, missing_bytes, counts, gaps };
        judge(&case).agreement
    };
    assert_eq!(judged(MIB, None), Agreement::Agrees);
    assert_eq!(judged(9 * MIB, Some(MIB)), Agreement::Agrees, "read-ahead overshoots");
    assert_eq!(judged(MIB / 2, Some(MIB / 2)), Agreement::Agrees, "half of it recurs");
    assert_eq!(judged(MIB / 2, Some(MIB)), Agreement::Contradicts);
    assert_eq!(judged(0, None), Agreement::Contradicts);
}

#[test]
fn what_full_sinks_left_is_read_again_where_nobody_waits_for_one_alone() {
    let tcp = route(SinkKind::TcpLoopback, true);
    let judged = |read_bytes, waits: &str| {
        let moves = [(READ, LOG, USER, read_bytes), (WRITE, USER, SOCKET, MIB)];
        let mut seen = counts(&moves, private(MIB), private(MIB), private(MIB));
        seen.syscalls.insert(("sender", waits.to_owned()), 3);
        case("read-write", &tcp, &seen, &[])
    };
    let again = judged(3 * MIB, "epoll_wait");
    assert_eq!((again.agreement, again.copies.observed), (Agreement::Agrees, Some(4.0)));
    assert_eq!(judged(3 * MIB, "poll").agreement, Agreement::Contradicts);
    assert_eq!(judged(MIB / 2, "epoll_wait").agreement, Agreement::Contradicts);
}

/// What the kernel shows of a cell whose megabyte became so many bytes, of which the outlet says that
/// it handed over `said`.
fn compressed(shown: u64, said: u64) -> Judgement {
    let tcp = route(SinkKind::TcpLoopback, true);
    let all = private(shown);
    let seen = counts(&[(READ, LOG, USER, MIB), (WRITE, USER, SOCKET, shown)], all, all, all);
    let mut path = find("read-write").unwrap().path(&tcp);
    let share = said as f64 / MIB as f64;
    path.hops[1..].iter_mut().for_each(|hop| hop.share = share);
    let changes = Hop::new(Place::UserBuffer, Place::UserBuffer, Mover::CpuCopy, "lz4");
    path.hops.insert(1, changes);
    judge(&Case {
        path: &path,
        route: &tcp,
        payload_bytes: MIB,
        header_bytes: 700,
        changed: Some(Changed { taken_bytes: MIB + 700, sent_bytes: said }),
        missing_bytes: None,
        counts: &seen,
        gaps: &BTreeMap::new(),
    })
}

#[test]
fn hops_behind_a_transform_have_the_bytes_that_the_outlet_handed_over() {
    let judged = compressed(MIB / 2, MIB / 2);
    assert_eq!(judged.agreement, Agreement::Agrees, "{:?}", judged.reason);
    assert_eq!(judged.copies.observed, Some(2.5), "in, through, and half of it out");
    assert!(judged.hops[1].evidence.contains("counted by the strategy's outlet"));
    assert_eq!(judged.hops[1].observed_bytes, Some(MIB), "headers are no payload");
    // More or less than the outlet says: it lies, or something else sent.
    for shown in [MIB / 2 - MIB / 50, MIB / 2 + MIB / 50, MIB] {
        let judged = compressed(shown, MIB / 2);
        assert_eq!(judged.agreement, Agreement::Contradicts, "{shown}");
        assert!(judged.reason.unwrap().contains("user-buffer → socket-buffer"), "{shown}");
    }
    // Of a tenth, a hundredth of the payload is a tenth: the slack shrinks with what is sent.
    let judged = compressed(MIB / 10 + MIB / 200, MIB / 10);
    assert_eq!(judged.agreement, Agreement::Contradicts);
}

#[test]
fn another_host_is_judged_by_what_leaves_this_one() {
    let remote = route(SinkKind::TcpRemote, true);
    let sent = [(SENDFILE, LOG, SOCKET, MIB)];
    let seen = counts(&sent, log(MIB), log(MIB), Classes::default());
    let judged = case("sendfile", &remote, &seen, &[]);
    assert_eq!((judged.agreement, judged.reason), (Agreement::Agrees, None));
    assert_eq!(judged.copies.observed, Some(0.0));
    let last = judged.hops.last().unwrap();
    assert_eq!((last.to.as_str(), last.observed_bytes), ("receiver", None));
    assert!(last.evidence.contains("on another host"), "{}", last.evidence);
    // What this host does is judged as ever: here the packets were linearised, and nobody said so.
    let seen = counts(&sent, log(MIB), linear(MIB), Classes::default());
    assert_eq!(case("sendfile", &remote, &seen, &[]).agreement, Agreement::Contradicts);
    let route = Route { scatter_gather: false, ..remote };
    assert_eq!(case("sendfile", &route, &seen, &[]).agreement, Agreement::Agrees);
    // On this host the same receiver that was not seen leaves it open.
    let near = Route { sink: SinkKind::TcpLoopback, ..remote };
    let seen = counts(&sent, log(MIB), log(MIB), Classes::default());
    assert_eq!(case("sendfile", &near, &seen, &[]).agreement, Agreement::Unobserved);
}

/// A copy that the process makes by itself is never agreed to; a read that is made instead of it is
/// found out.
#[test]
fn a_copy_in_user_space_is_unobserved_and_a_read_in_its_place_contradicts() {
    let tcp = route(SinkKind::TcpLoopback, true);
    let all = private(MIB);
    let honest = counts(&[(WRITE, USER, SOCKET, MIB)], all, all, all);
    let judged = case("mmap-heap-write", &tcp, &honest, &[]);
    assert_eq!(judged.agreement, Agreement::Unobserved, "{:?}", judged.reason);
    assert_eq!((judged.copies.predicted, judged.copies.observed), (Some(2.0), None));
    assert!(judged.hops[0].evidence.contains("copies by itself"), "{:?}", judged.hops[0]);
    let reads = counts(&[(READ, LOG, USER, MIB), (WRITE, USER, SOCKET, MIB)], all, all, all);
    let judged = case("mmap-heap-write", &tcp, &reads, &[]);
    assert_eq!(judged.agreement, Agreement::Contradicts);
}

/// The kernel encrypts into pages of its own: that copy is seen, and what it read is not.
#[test]
fn encryption_is_seen_as_a_copy_into_the_kernels_pages() {
    let tcp = route(SinkKind::TcpLoopback, true);
    let moves = [(SENDFILE, LOG, SOCKET, MIB)];
    let sealed = private(MIB + MIB / 700);
    let judged = case("ktls-sendfile", &tcp, &counts(&moves, sealed, sealed, private(MIB)), &[]);
    assert_eq!(judged.agreement, Agreement::Unobserved, "{:?}", judged.reason);
    assert!(judged.reason.unwrap().contains("encrypted"));
    let copies = judged.copies.observed.unwrap();
    assert!((copies - 1.0).abs() < 0.01, "{copies}");
    // The receiver's kernel decrypts into packets that it uses again: their pages say nothing.
    let again = counts(&moves, sealed, sealed, private(MIB / 7));
    let judged = case("ktls-sendfile", &tcp, &again, &[]);
    assert!(judged.copies.observed.is_some_and(|copies| copies > 0.99), "{:?}", judged.copies);
    // Clear pages of the log on the wire would be no encryption at all.
    let judged = case("ktls-sendfile", &tcp, &counts(&moves, log(MIB), log(MIB), log(MIB)), &[]);
    assert_eq!(judged.agreement, Agreement::Contradicts);
}

/// Pages that were given to a pipe arrive as anonymous ones.
#[test]
fn a_gift_is_anonymous_on_the_wire() {
    const VMSPLICE: u16 = 278;
    const SPLICE: u16 = 275;
    const PIPE: u8 = 4;
    let tcp = route(SinkKind::TcpLoopback, true);
    let moves = [(READ, LOG, USER, MIB), (VMSPLICE, USER, PIPE, MIB), (SPLICE, PIPE, SOCKET, MIB)];
    let strategy = find("vmsplice-splice").unwrap();
    let set = BTreeMap::from([("source".to_owned(), OptionValue::Word("gift".to_owned()))]);
    let path = strategy.path_with(&tcp, &Options::new(strategy.options(), &set));
    let judged = |pages: Classes| {
        let counts = counts(&moves, pages, pages, pages);
        let (gaps, missing_bytes) = (BTreeMap::new(), None);
        let (payload_bytes, header_bytes, counts) = (MIB, 0, &counts);
        let (path, route, gaps) = (&path, &tcp, &gaps);
        let changed = None;
        judge(&Case {
            path,
            route,
            payload_bytes,
            header_bytes,
            changed,
            missing_bytes,
            counts,
            gaps,
        })
    };
    let given = judged(Classes { anon: MIB, ..Classes::default() });
    assert_eq!(given.agreement, Agreement::Agrees, "{:?}", given.reason);
    assert_eq!(given.copies.observed, Some(1.0));
    assert_eq!(judged(private(MIB)).agreement, Agreement::Contradicts);
}

fn anon(bytes: u64) -> Classes {
    Classes { anon: bytes, ..Classes::default() }
}

/// Counts of sends whose pages were to be pinned.
fn pinned(reads: bool, queued: Classes, wire: Classes, got: Classes) -> Counts {
    const SEND_ZC: u16 = 1024 + 47;
    const ZEROCOPY: u8 = 2;
    let read = [(READ, LOG, USER, MIB)];
    let mut counts = counts(if reads { &read } else { &[] }, queued, wire, got);
    counts.moves.push(Move::of(SEND_ZC, [USER, SOCKET, ZEROCOPY], 1, MIB));
    counts
}

/// Pinned pages leave as they are and are copied at delivery; shared at both ends would contradict.
#[test]
fn pinned_pages_are_copied_at_delivery() {
    let tcp = route(SinkKind::TcpLoopback, true);
    for (strategy, reads, pages, copies) in
        [("uring-send-zc", true, anon(MIB), 2.0), ("uring-mmap-send-zc", false, log(MIB), 1.0)]
    {
        let judged = |got| case(strategy, &tcp, &pinned(reads, pages, pages, got), &[]);
        let seen = judged(private(MIB));
        assert_eq!(seen.agreement, Agreement::Agrees, "{strategy}: {:?}", seen.reason);
        assert_eq!(seen.copies.observed, Some(copies), "{strategy}");
        assert_eq!(judged(pages).agreement, Agreement::Contradicts, "{strategy}");
        // The send copied by itself: there is nothing left to put off.
        let all = private(MIB);
        let seen = case(strategy, &tcp, &pinned(reads, all, all, all), &[]);
        assert_eq!(seen.agreement, Agreement::Contradicts, "{strategy}");
        assert_eq!(seen.copies.observed, Some(copies), "{strategy}");
    }
}

/// A device that cannot gather gets them linear: then nothing is put off.
#[test]
fn pinned_pages_that_were_linearised_are_not_copied_again() {
    let no_gather = route(SinkKind::TcpLoopback, false);
    let seen = pinned(false, log(MIB), linear(MIB), linear(MIB));
    let judged = case("msg-zerocopy", &no_gather, &seen, &[]);
    assert_eq!(judged.agreement, Agreement::Agrees, "{:?}", judged.reason);
    assert_eq!(judged.copies.observed, Some(1.0));
}

/// Where the receiver drops its bytes nobody sees whether they were copied before; of bytes that
/// were not pinned it is known that they were not.
#[test]
fn a_copy_at_delivery_is_unobserved_where_nobody_reads() {
    let dropped = Route { receiver_copies: false, ..route(SinkKind::TcpLoopback, true) };
    let seen = pinned(false, log(MIB), log(MIB), Classes::default());
    let judged = case("msg-zerocopy", &dropped, &seen, &[]);
    assert_eq!(judged.agreement, Agreement::Unobserved, "{:?}", judged.reason);
    assert_eq!(judged.copies.observed, None);
    let moves = [(SENDFILE, LOG, SOCKET, MIB)];
    let seen = counts(&moves, log(MIB), log(MIB), Classes::default());
    let judged = case("sendfile", &dropped, &seen, &[]);
    assert_eq!(judged.copies.observed, Some(0.0), "{:?}", judged.reason);
}
