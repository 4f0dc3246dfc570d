//! What does a strategy claim for a cell, written as a ledger without evidence?

use crate::net::ethtool::{self, Offload};
use crate::scenario::{Cache, Cell, Receiver};
use serde_json::Value;
use std::collections::BTreeMap;
use zclab_report::record::{Agreement, Compared, Hop, Ledger};
use zclab_strategies::{CacheState, Route, SinkKind};

/// Hops are predicted for this many bytes as long as nothing is observed.
const CLAIM_BYTES: u64 = 1 << 20;

/// The route of a cell as it is. Offloads of the loopback device are read back here; a device between
/// two hosts was the child's, which read it back (`setup`).
#[must_use]
pub fn route(cell: &Cell, setup: &BTreeMap<String, Value>) -> Route {
    let ask = |offload: Offload, asked: bool| match cell.condition.sink {
        // Where the device cannot be asked the claim is made for loopback as every kernel ships it.
        SinkKind::TcpLoopback => ethtool::get("lo", offload).unwrap_or(true),
        // Of a child that never came to be, what was asked for is all there is.
        SinkKind::TcpVeth => setup.get(offload.name).and_then(Value::as_bool).unwrap_or(asked),
        SinkKind::UnixStream | SinkKind::Pipe | SinkKind::File | SinkKind::Null => true,
    };
    let link = cell.condition.link.asked();
    Route {
        sink: cell.condition.sink,
        cache: match cell.condition.cache {
            Cache::Warm => CacheState::Warm,
            Cache::Cold => CacheState::Cold,
            Cache::Partial { resident } => CacheState::Partial { resident },
        },
        scatter_gather: ask(ethtool::SCATTER_GATHER, link.scatter_gather),
        tx_checksum: ask(ethtool::TX_CHECKSUM, link.checksum),
        receiver_copies: cell.condition.receiver == Receiver::Copy,
    }
}

/// The claim of a cell of which nothing was observed, and why not.
#[must_use]
pub fn ledger(cell: &Cell, setup: &BTreeMap<String, Value>, why: &str) -> Ledger {
    let path = cell.contender.strategy.path(&route(cell, setup));
    let hop = |hop: &zclab_strategies::Hop| Hop {
        from: hop.from.name().to_owned(),
        to: hop.to.name().to_owned(),
        by: hop.by.name().to_owned(),
        predicted_bytes: (hop.share * CLAIM_BYTES as f64).round() as u64,
        observed_bytes: None,
        evidence: format!("unavailable: {why}"),
        why: hop.why.to_owned(),
    };
    Ledger {
        cell: cell.id(),
        payload_bytes: 0,
        cpu_copies_per_byte: Compared {
            predicted: Some(path.sender_copies_per_byte()),
            observed: None,
        },
        mode_switches_per_mib: Compared { predicted: None, observed: None },
        hops: path.hops.iter().map(hop).collect(),
        agreement: Agreement::Unobserved,
        reason: Some(why.to_owned()),
        counts: BTreeMap::new(),
        gaps: BTreeMap::new(),
        syscalls: BTreeMap::new(),
    }
}
