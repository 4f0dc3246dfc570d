//! What should the aliasing probe see of a cell, and does what it saw agree with the claim?

use super::claims;
use crate::remote::link::Link;
use crate::scenario::{Cell, Receiver};
use crate::trial::wire::Aliased;
use zclab_report::record::{Agreement, Aliasing, Sharing};
use zclab_strategies::{Family, Mover, Path, Place, SinkKind};

/// Why a cell is not probed, where that can be said beforehand.
#[must_use]
pub fn not_probed(cell: &Cell, link: Option<&Link>) -> Option<&'static str> {
    if cell.contender.bare {
        return Some("a bare loop is the strategy's own calls: see the strategy");
    }
    if cell.condition.family != Family::Transfer {
        return Some("nothing is sent on this side: the probe rewrites what a sender has queued");
    }
    if !cell.contender.strategy.moves_the_log() {
        return Some("it sends bytes that are not the log's");
    }
    match cell.condition.sink {
        SinkKind::File => return Some("a file's page cache is always written by a copy"),
        SinkKind::Null => return Some("the null device keeps no byte to look at"),
        SinkKind::TcpRemote if !link.is_some_and(Link::is_near) => {
            return Some("the device carries bytes away before the log's pages can be rewritten");
        }
        SinkKind::TcpLoopback
        | SinkKind::TcpVeth
        | SinkKind::TcpRemote
        | SinkKind::UnixStream
        | SinkKind::Pipe => {}
    }
    if cell.condition.transform.changes() {
        return Some(
            "its bytes are changed on their way, and the probe knows them by what they are",
        );
    }
    if cell.condition.receiver == Receiver::Discard {
        return Some("the receiver drops the bytes unseen");
    }
    None
}

/// What a path predicts: shared where references lead from the page cache to whatever the receiver
/// copies from, copied where a copy or a private read stands between.
#[must_use]
pub fn expected(path: &Path) -> Sharing {
    let from_cache = path.hops.iter().skip_while(|hop| hop.from != Place::PageCache);
    let mut on_the_way = from_cache.take_while(|hop| hop.to != Place::Receiver).peekable();
    let led = on_the_way.peek().is_some();
    match led && on_the_way.all(|hop| hop.by == Mover::Reference) {
        true => Sharing::Shared,
        false => Sharing::Copied,
    }
}

/// Whether the probe agrees with what was expected. All bytes have to: a path that holds for a part
/// of them is not the one that was claimed.
#[must_use]
pub fn verdict(expected: Sharing, shared_bytes: u64, probed_bytes: u64) -> Agreement {
    match expected {
        _ if probed_bytes == 0 => Agreement::Unobserved,
        Sharing::Shared if shared_bytes == probed_bytes => Agreement::Agrees,
        Sharing::Copied if shared_bytes == 0 => Agreement::Agrees,
        _ => Agreement::Contradicts,
    }
}

/// The record's line of a cell.
#[must_use]
pub fn line(cell: &Cell, link: Option<&Link>, setup: &claims::Setup, seen: Aliased) -> Aliasing {
    let Aliased { shared_bytes, probed_bytes, reason } = seen;
    let route = claims::route(cell, link, setup);
    let path = cell.contender.path(&route);
    // Pinned pages are shared until they are delivered: bytes that still waited for that say nothing.
    let copied_late = path.as_ref().is_some_and(|path| {
        path.hops.iter().any(|hop| (hop.from, hop.to) == (Place::Wire, Place::KernelPages))
    });
    if copied_late && 0 < shared_bytes && shared_bytes < probed_bytes {
        let reason = format!(
            "{shared_bytes} of {probed_bytes} bytes had not been delivered, which is when they are \
             copied, before they were rewritten"
        );
        let (shared_bytes, probed_bytes, expected) = (0, 0, None);
        let (verdict, reason) = (Agreement::Unobserved, Some(reason));
        return Aliasing { cell: cell.id(), shared_bytes, probed_bytes, expected, verdict, reason };
    }
    let claim = || path.as_ref().map(expected);
    let expected = Some(probed_bytes).filter(|&bytes| bytes > 0).and_then(|_| claim());
    let verdict = expected
        .map_or(Agreement::Unobserved, |expected| verdict(expected, shared_bytes, probed_bytes));
    Aliasing { cell: cell.id(), shared_bytes, probed_bytes, expected, verdict, reason }
}

#[cfg(test)]
mod tests {
    use super::*;
    use zclab_strategies::{CacheState, Hop, Route, find};

    const TCP: Route = Route::to(SinkKind::TcpLoopback);

    fn of(strategy: &str, route: Route) -> Sharing {
        expected(&find(strategy).unwrap().path(&route))
    }

    #[test]
    fn references_share_and_any_copy_does_not() {
        let unix = Route { sink: SinkKind::UnixStream, ..TCP };
        let cold = Route { cache: CacheState::Cold, ..TCP };
        let veth = Route { sink: SinkKind::TcpVeth, ..TCP };
        let pipe = Route { sink: SinkKind::Pipe, ..TCP };
        for route in [TCP, veth, unix, pipe, cold] {
            for (strategy, sharing) in [
                ("read-write", Sharing::Copied),
                ("mmap-write", Sharing::Copied),
                ("sendfile", Sharing::Shared),
                ("splice", Sharing::Shared),
                ("uring-read-send", Sharing::Copied),
                ("direct-write", Sharing::Copied),
                ("uring-splice", Sharing::Shared),
                ("preadv-sendmsg", Sharing::Copied),
                ("mmap-heap-write", Sharing::Copied),
                ("mmap-writev", Sharing::Copied),
                ("splice-tee", Sharing::Shared),
                ("vmsplice-splice", Sharing::Shared),
                ("sendfile-dropbehind", Sharing::Shared),
                ("ktls-sendfile", Sharing::Copied),
                ("direct-sendfile", Sharing::Copied),
                ("uncached-write", Sharing::Copied),
                ("null", Sharing::Copied),
            ] {
                assert_eq!(of(strategy, route), sharing, "{strategy} on {route:?}");
            }
        }
        assert_eq!(expected(&Path::default()), Sharing::Copied, "no way, no sharing");
        let straight = Hop::new(Place::PageCache, Place::Receiver, Mover::CpuCopy, "recv");
        let straight = Path { hops: vec![straight] };
        assert_eq!(expected(&straight), Sharing::Copied, "nothing is queued");
    }

    #[test]
    fn a_device_that_cannot_gather_or_checksum_ends_the_sharing() {
        assert_eq!(of("sendfile", Route { scatter_gather: false, ..TCP }), Sharing::Copied);
        assert_eq!(of("splice", Route { tx_checksum: false, ..TCP }), Sharing::Copied);
    }

    /// Pages that the sender may change are copied at delivery.
    #[test]
    fn pinned_pages_are_not_shared_with_a_receiver_on_this_machine() {
        for strategy in ["msg-zerocopy", "uring-send-zc", "uring-mmap-send-zc", "direct-send-zc"] {
            assert_eq!(of(strategy, TCP), Sharing::Copied, "{strategy}");
        }
    }

    #[test]
    fn one_byte_that_differs_contradicts() {
        use Agreement::{Agrees, Contradicts, Unobserved};
        for (expected, shared, probed, agreement) in [
            (Sharing::Shared, 9, 9, Agrees),
            (Sharing::Shared, 8, 9, Contradicts),
            (Sharing::Shared, 0, 9, Contradicts),
            (Sharing::Copied, 0, 9, Agrees),
            (Sharing::Copied, 1, 9, Contradicts),
            (Sharing::Copied, 9, 9, Contradicts),
            (Sharing::Shared, 0, 0, Unobserved),
            (Sharing::Copied, 0, 0, Unobserved),
        ] {
            assert_eq!(verdict(expected, shared, probed), agreement, "{expected:?} {shared}");
        }
    }
}
