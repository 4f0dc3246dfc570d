//! What does a strategy claim for a cell, written as a ledger without evidence?

use crate::machine::{ETHTOOL_GSG, ETHTOOL_GTXCSUM, offload};
use crate::scenario::{Cache, Cell, Receiver};
use std::collections::BTreeMap;
use zclab_report::record::{Agreement, Compared, Hop, Ledger};
use zclab_strategies::{CacheState, Route, SinkKind};

/// Hops are predicted for this many bytes as long as nothing is observed.
const CLAIM_BYTES: u64 = 1 << 20;

/// The route of a cell as it is: offloads of the loopback device are read back.
#[must_use]
pub fn route(cell: &Cell) -> Route {
    let over_loopback = cell.condition.sink == SinkKind::TcpLoopback;
    // Where the device cannot be asked the claim is made for loopback as every kernel ships it.
    let ask = |command| !over_loopback || offload("lo", command).unwrap_or(true);
    Route {
        sink: cell.condition.sink,
        cache: match cell.condition.cache {
            Cache::Warm => CacheState::Warm,
            Cache::Cold => CacheState::Cold,
            Cache::Partial { resident } => CacheState::Partial { resident },
        },
        scatter_gather: ask(ETHTOOL_GSG),
        tx_checksum: ask(ETHTOOL_GTXCSUM),
        // Where nothing was moved yet, nobody knows where the fetches will lie.
        outside_blocks: 0.0,
        receiver_copies: cell.condition.receiver == Receiver::Copy,
    }
}

/// The claim of a cell of which nothing was observed, and why not.
#[must_use]
pub fn ledger(cell: &Cell, why: &str) -> Ledger {
    let path = cell.contender.path(&route(cell));
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
