//! What if some packets were not seen, or were seen twice?

use super::super::{Case, judge};
use super::{LOG, MIB, READ, SENDFILE, SOCKET, USER, WRITE, case, counts, log, private, route};
use std::collections::BTreeMap;
use zclab_report::record::Agreement;
use zclab_strategies::{SinkKind, find};

/// Where headers are most of what is sent, a few packets that were not seen are most of the payload.
#[test]
fn a_hole_as_large_as_the_payload_is_no_contradiction() {
    let tcp = route(SinkKind::TcpLoopback, true);
    let judged = |seen_bytes: u64| {
        let (payload_bytes, header_bytes) = (256, 70 * 256);
        let all = payload_bytes + header_bytes;
        let moves = [(READ, LOG, USER, payload_bytes), (WRITE, USER, SOCKET, all)];
        let counts = counts(&moves, private(seen_bytes), private(seen_bytes), private(all));
        let path = find("read-write").unwrap().path(&tcp);
        let (gaps, missing_bytes, counts) = (BTreeMap::new(), None, &counts);
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
    assert_eq!(judged(71 * 256).agreement, Agreement::Agrees);
    let hole = judged(71 * 256 - 140);
    assert_eq!(hole.agreement, Agreement::Unobserved, "{:?}", hole.reason);
    assert!(hole.reason.unwrap().contains("18036 of 18176"));
}

/// Bytes that TCP sent twice, as it does to ten thousand consumers, hide what was copied at delivery. They
/// contradict no claim, and whoever reads a dash in place of the copies is told why.
#[test]
fn copies_that_nobody_knows_have_a_reason_beside_a_claim_that_holds() {
    let tcp = route(SinkKind::TcpLoopback, true);
    let moves = [(SENDFILE, LOG, SOCKET, MIB)];
    let judged = |twice: u64| {
        let mut counts = counts(&moves, log(MIB), log(MIB), log(MIB + twice));
        counts.singles.insert("received_bytes", MIB);
        case("sendfile", &tcp, &counts, &[])
    };
    let hidden = judged(MIB / 50);
    assert_eq!((hidden.agreement, hidden.copies.observed), (Agreement::Agrees, None));
    let reason = hidden.reason.expect("why");
    assert!(reason.contains("wire → kernel-pages: 1069547 of 1048576 bytes"), "{reason}");
    let clear = judged(0);
    assert_eq!((clear.copies.observed, clear.reason), (Some(0.0), None));
}
