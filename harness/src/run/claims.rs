//! What does a strategy claim for a cell, written as a ledger without evidence?

use super::cells::lies_in_memory;
use crate::net::ethtool::{self, Offload};
use crate::scenario::ingest::{Feed, Fsync};
use crate::scenario::{Cache, Cell, Condition, Receiver};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::Path;
use zclab_report::record::{Agreement, Compared, Hop, Ledger};
use zclab_strategies::{
    CacheState, Entry, Family, IngestRoute, Pages, Path as Claim, Route, SinkKind,
};

/// What a child set and read back, by name.
pub type Setup = BTreeMap<String, Value>;

/// Hops are predicted for this many bytes as long as nothing is observed.
const CLAIM_BYTES: u64 = 1 << 20;

/// The route of a cell as it is. Offloads of the loopback device are read back here; a device between
/// two hosts was the child's, which read it back (`setup`).
#[must_use]
pub fn route(cell: &Cell, setup: &Setup) -> Route {
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
        // Where nothing was moved yet, nobody knows where the fetches will lie.
        outside_blocks: 0.0,
        receiver_copies: cell.condition.receiver == Receiver::Copy,
    }
}

/// The route of a cell of the receive side, into a file of this folder.
#[must_use]
pub fn ingest_route(cell: &Cell, scratch: &Path) -> IngestRoute {
    let Condition { intake, fetch_bytes, .. } = *cell.condition;
    let whole = fetch_bytes.is_multiple_of(crate::cache::PAGE_BYTES);
    IngestRoute {
        source: intake.source,
        pages: match intake.feed {
            Feed::Zerocopy if whole => Pages::All,
            // A fetch that is shorter than a page is received, not mapped.
            Feed::Zerocopy if fetch_bytes > crate::cache::PAGE_BYTES => Pages::Some,
            _ => Pages::None,
        },
        durable: intake.fsync != Fsync::Never && !lies_in_memory(scratch),
    }
}

/// What the strategy claims for the cell's route.
#[must_use]
pub fn path(cell: &Cell, scratch: &Path, setup: &Setup) -> Claim {
    match cell.contender.strategy {
        Entry::Transfer(one) => {
            one.path_with(&route(cell, setup), &cell.contender.complete_options())
        }
        Entry::Ingest(one) => one.path(&ingest_route(cell, scratch)),
    }
}

/// Whose CPU time and calls are measured: the side that the strategies are of.
#[must_use]
pub fn side(family: Family) -> &'static str {
    match family {
        Family::Transfer => "sender",
        Family::Ingest | Family::Receive => "receiver",
    }
}

/// The claim of a cell of which nothing was observed, and why not.
#[must_use]
pub fn ledger(cell: &Cell, scratch: &Path, setup: &Setup, why: &str) -> Ledger {
    let path = path(cell, scratch, setup);
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
        side: side(cell.condition.family).to_owned(),
    }
}
