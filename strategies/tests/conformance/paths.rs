//! Do the claimed paths agree with what was measured of the kernel, route by route?
//!
//! The numbers are those of the table of copy paths in the project's notes on the kernel: CPU
//! copies per payload byte on the sending side. A strategy that is not in the table is only held to
//! what holds for every path.

use zclab_strategies::{ALL, CacheState, Mover, Path, Place, Route, SinkKind, find};

const TCP: Route = Route {
    sink: SinkKind::TcpLoopback,
    cache: CacheState::Warm,
    scatter_gather: true,
    tx_checksum: true,
    receiver_copies: true,
};

fn routes() -> [Route; 7] {
    let no_gather = Route { scatter_gather: false, ..TCP };
    let no_checksum = Route { tx_checksum: false, ..TCP };
    let to = |sink| Route { sink, ..TCP };
    let [unix, pipe, file, null] =
        [SinkKind::UnixStream, SinkKind::Pipe, SinkKind::File, SinkKind::Null].map(to);
    [TCP, no_gather, no_checksum, unix, pipe, file, null]
}

/// Copies over TCP, without scatter-gather, without checksum offload, to Unix stream, pipe, file,
/// null.
const COPIES: &[(&str, [f64; 7])] = &[
    ("null", [1.0, 2.0, 1.0, 1.0, 1.0, 1.0, 0.0]),
    ("read-write", [2.0, 3.0, 2.0, 2.0, 2.0, 2.0, 1.0]),
    ("mmap-write", [1.0, 2.0, 1.0, 1.0, 1.0, 1.0, 0.0]),
    ("sendfile", [0.0, 1.0, 1.0, 0.0, 0.0, 1.0, 0.0]),
    ("splice", [0.0, 1.0, 1.0, 0.0, 0.0, 1.0, 0.0]),
    ("uring-read-send", [2.0, 3.0, 2.0, 2.0, 2.0, 2.0, 1.0]),
    ("direct-write", [1.0, 2.0, 1.0, 1.0, 1.0, 1.0, 0.0]),
];

#[test]
fn copies_per_byte() {
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

fn every_route() -> Vec<Route> {
    let states = [CacheState::Warm, CacheState::Cold, CacheState::Partial { resident: 0.25 }];
    let with = |cache| routes().map(|route| Route { cache, ..route });
    let mut all: Vec<Route> = states.into_iter().flat_map(with).collect();
    all.push(Route { receiver_copies: false, ..TCP });
    all
}

#[test]
fn hops_follow_each_other_from_the_log_to_the_far_end() {
    for strategy in ALL {
        for route in every_route() {
            let Path { hops } = strategy.path(&route);
            let what = format!("{} on {route:?}: {hops:#?}", strategy.name());
            assert!(hops.windows(2).all(|pair| pair[0].to == pair[1].from), "{what}");
            let end = match route.sink {
                sink if sink.is_tcp() && !route.receiver_copies => Place::Nowhere,
                SinkKind::TcpLoopback | SinkKind::TcpVeth => Place::Receiver,
                SinkKind::UnixStream | SinkKind::Pipe => Place::Receiver,
                SinkKind::File => Place::SinkPageCache,
                SinkKind::Null => Place::Nowhere,
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
                "direct-write" => (Place::UserBuffer, 1.0),
                // The null device never makes anybody touch the mapping.
                "mmap-write" if route.sink == SinkKind::Null => (Place::PageCache, 0.0),
                _ => (Place::PageCache, route.cache.missing()),
            };
            assert_eq!(from_device(&path, to), share, "{name} on {route:?}");
        }
    }
}
