//! What if some packets were not seen?

use super::super::{Case, judge};
use super::{LOG, READ, SOCKET, USER, WRITE, counts, private, route};
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
