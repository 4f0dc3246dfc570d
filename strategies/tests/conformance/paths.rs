//! Do the claimed paths agree with what was measured of the kernel, route by route?
//!
//! The numbers are those of the table of copy paths in the project's notes on the kernel: CPU
//! copies per payload byte on the sending side. A strategy that is not in the table is only held to
//! what holds for every path.

use crate::world::{Set, options_of};
use zclab_strategies::{ALL, CacheState, Mover, OptionValue, Path, Place, Route, SinkKind, find};

const TCP: Route = Route::to(SinkKind::TcpLoopback);

fn routes() -> [Route; 7] {
    let no_gather = Route { scatter_gather: false, ..TCP };
    let no_checksum = Route { tx_checksum: false, ..TCP };
    let to = |sink| Route { sink, ..TCP };
    let [unix, pipe, file, null] =
        [SinkKind::UnixStream, SinkKind::Pipe, SinkKind::File, SinkKind::Null].map(to);
    [TCP, no_gather, no_checksum, unix, pipe, file, null]
}

/// Copies over TCP, without scatter-gather, without checksum offload, to Unix stream, pipe,
/// file, null.
const COPIES: &[(&str, [f64; 7])] = &[
    ("null", [1.0, 2.0, 1.0, 1.0, 1.0, 1.0, 0.0]),
    ("read-write", [2.0, 3.0, 2.0, 2.0, 2.0, 2.0, 1.0]),
    ("preadv-sendmsg", [2.0, 3.0, 2.0, 2.0, 2.0, 2.0, 1.0]),
    ("mmap-write", [1.0, 2.0, 1.0, 1.0, 1.0, 1.0, 0.0]),
    ("mmap-heap-write", [2.0, 3.0, 2.0, 2.0, 2.0, 2.0, 1.0]),
    ("mmap-write-each", [1.0, 2.0, 1.0, 1.0, 1.0, 1.0, 0.0]),
    ("mmap-writev", [1.0, 2.0, 1.0, 1.0, 1.0, 1.0, 0.0]),
    ("sendfile", [0.0, 1.0, 1.0, 0.0, 0.0, 1.0, 0.0]),
    ("sendfile-dropbehind", [0.0, 1.0, 1.0, 0.0, 0.0, 1.0, 0.0]),
    ("ktls-sendfile", [1.0, 2.0, 1.0, 1.0, 2.0, 2.0, 1.0]),
    ("splice", [0.0, 1.0, 1.0, 0.0, 0.0, 1.0, 0.0]),
    ("splice-tee", [0.0, 1.0, 1.0, 0.0, 0.0, 1.0, 0.0]),
    ("vmsplice-splice", [0.0, 1.0, 1.0, 0.0, 0.0, 1.0, 0.0]),
    ("copy-file-range", [0.0, 1.0, 1.0, 0.0, 0.0, 1.0, 0.0]),
    // One copy less on a device that gathers; over loopback it is put off until delivery.
    ("msg-zerocopy", [1.0, 1.0, 1.0, 0.0, 0.0, 1.0, 0.0]),
    ("uring-read-send", [2.0, 3.0, 2.0, 2.0, 2.0, 2.0, 1.0]),
    ("uring-fixed", [2.0, 3.0, 2.0, 2.0, 2.0, 2.0, 1.0]),
    ("uring-sqpoll", [2.0, 3.0, 2.0, 2.0, 2.0, 2.0, 1.0]),
    ("uring-splice", [0.0, 1.0, 1.0, 0.0, 0.0, 1.0, 0.0]),
    // One copy less on a device that gathers; over loopback it is put off until delivery.
    ("uring-send-zc", [2.0, 2.0, 2.0, 1.0, 1.0, 2.0, 1.0]),
    ("uring-mmap-send-zc", [1.0, 1.0, 1.0, 0.0, 0.0, 1.0, 0.0]),
    ("direct-write", [1.0, 2.0, 1.0, 1.0, 1.0, 1.0, 0.0]),
    ("direct-send-zc", [1.0, 1.0, 1.0, 0.0, 0.0, 1.0, 0.0]),
    ("direct-sendfile", [0.0, 1.0, 1.0, 0.0, 0.0, 1.0, 0.0]),
    ("uncached-write", [2.0, 3.0, 2.0, 2.0, 2.0, 2.0, 1.0]),
];

#[test]
fn copies_per_byte() {
    for strategy in ALL {
        let name = strategy.name();
        assert!(COPIES.iter().any(|(known, _)| *known == name), "{name}: COPIES here wants a row");
    }
    for (name, copies) in COPIES {
        let strategy = find(name).unwrap();
        for (route, copies) in routes().iter().zip(copies) {
            let path = strategy.path(route);
            assert_eq!(path.sender_copies_per_byte(), *copies, "{name} on {route:?}: {path:#?}");
            if route.sink.is_tcp() {
                // Loopback and veth are devices alike: what they gather and checksum decides.
                let veth = strategy.path(&Route { sink: SinkKind::TcpVeth, ..*route });
                assert_eq!(veth, path, "{name} on {route:?}");
            }
        }
    }
}

#[test]
fn before_sendfile_spliced_into_pipes_it_copied() {
    let pipe = Route { sendfile_splices: false, ..Route::to(SinkKind::Pipe) };
    for strategy in ALL {
        let copies = |route: &Route| strategy.path(route).sender_copies_per_byte();
        let by_sendfile = ["sendfile", "sendfile-dropbehind", "direct-sendfile"];
        let more = if by_sendfile.contains(&strategy.name()) { 1.0 } else { 0.0 };
        let now = copies(&Route::to(SinkKind::Pipe));
        let list = "by_sendfile here names those that call sendfile";
        assert_eq!(copies(&pipe), now + more, "{}: {list}", strategy.name());
    }
}

fn every_route() -> Vec<Route> {
    let states = [CacheState::Warm, CacheState::Cold, CacheState::Partial { resident: 0.25 }];
    let with = |cache| routes().map(|route| Route { cache, ..route });
    let mut all: Vec<Route> = states.into_iter().flat_map(with).collect();
    all.push(Route { receiver_copies: false, ..TCP });
    all.push(Route { sink: SinkKind::TcpRemote, ..TCP });
    all.push(Route { sendfile_splices: false, ..Route::to(SinkKind::Pipe) });
    all
}

#[test]
fn another_host_costs_the_sender_what_a_device_like_loopback_does() {
    for strategy in ALL {
        for route in [TCP, Route { scatter_gather: false, ..TCP }] {
            let remote = Route { sink: SinkKind::TcpRemote, ..route };
            let copies = |route| strategy.path(&route).sender_copies_per_byte();
            // Where loopback makes a deferred copy of shared pages, a device makes none.
            assert!(copies(remote) <= copies(route), "{}", strategy.name());
        }
    }
}

#[test]
fn hops_follow_each_other_from_the_log_to_the_far_end() {
    for strategy in ALL {
        for route in every_route() {
            let Path { hops } = strategy.path(&route);
            let what = format!("{} on {route:?}: {hops:#?}", strategy.name());
            assert!(hops.windows(2).all(|pair| pair[0].to == pair[1].from), "{what}");
            let end = match route.sink {
                tcp if tcp.is_tcp() && !route.receiver_copies => Place::Nowhere,
                SinkKind::File => Place::SinkPageCache,
                SinkKind::Null => Place::Nowhere,
                _ => Place::Receiver,
            };
            assert_eq!(hops.last().unwrap().to, end, "{what}");
            assert!(hops.iter().all(|hop| !hop.why.is_empty() && hop.share > 0.0), "{what}");
        }
    }
}

#[test]
fn the_device_brings_what_the_cache_lacks() {
    let from_device = |path: &Path, to| {
        let device = |hop: &&zclab_strategies::Hop| hop.by == Mover::Device;
        let hops: Vec<_> = path.hops.iter().filter(device).collect();
        assert!(hops.iter().all(|hop| hop.from == Place::Disk && hop.to == to), "{path:?}");
        hops.iter().map(|hop| hop.share).sum::<f64>()
    };
    for (name, _) in COPIES {
        let strategy = find(name).unwrap();
        for route in every_route() {
            let path = strategy.path(&route);
            let (to, share) = match *name {
                "null" => (Place::Nowhere, 0.0),
                "direct-write" | "direct-send-zc" => (Place::UserBuffer, 1.0),
                "direct-sendfile" if route.sink == SinkKind::Pipe && route.sendfile_splices => {
                    (Place::SinkPipe, 1.0)
                }
                "direct-sendfile" => (Place::Pipe, 1.0),
                // The null device never makes anybody touch the mapping.
                "mmap-write" | "mmap-write-each" | "mmap-writev"
                    if route.sink == SinkKind::Null =>
                {
                    (Place::PageCache, 0.0)
                }
                _ => (Place::PageCache, route.cache.missing()),
            };
            assert_eq!(from_device(&path, to), share, "{name} on {route:?}");
        }
    }
}

/// What an option changes of the way.
#[test]
fn a_gift_is_copied_once_and_handed_on() {
    let strategy = find("vmsplice-splice").unwrap();
    let word = |word: &str| Set::from([("source".to_owned(), OptionValue::Word(word.to_owned()))]);
    let path = |set: &Set| strategy.path_with(&TCP, &options_of(strategy, set));
    assert_eq!(path(&word("mapped")), strategy.path(&TCP));
    assert_eq!(path(&word("gift")).sender_copies_per_byte(), 1.0);
}

/// Heads and tails of blocks take another way into the same queue.
#[test]
fn a_share_of_direct_bytes_is_copied() {
    let route = Route { outside_blocks: 0.25, ..TCP };
    let Path { hops } = find("direct-sendfile").unwrap().path(&route);
    let share = |from, to| {
        let of = |hop: &&zclab_strategies::Hop| (hop.from, hop.to) == (from, to);
        hops.iter().filter(of).map(|hop| hop.share).sum::<f64>()
    };
    let [blocks, ends] = [Place::Pipe, Place::UserBuffer];
    assert_eq!([share(Place::Disk, blocks), share(blocks, Place::SocketBuffer)], [0.75; 2]);
    assert_eq!([share(Place::Disk, ends), share(ends, Place::SocketBuffer)], [0.25; 2]);
    assert_eq!(share(Place::SocketBuffer, Place::Wire), 1.0, "{hops:?}");
    assert_eq!(share(Place::Wire, Place::Receiver), 1.0, "{hops:?}");
    assert_eq!(hops.len(), 6, "what is common is one hop: {hops:?}");
    assert_eq!(hops.last().unwrap().to, Place::Receiver);
}
