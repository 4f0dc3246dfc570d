//! What does a strategy claim for a cell, written as a ledger without evidence?

use super::cells::{Ground, lies_in_memory};
use crate::net::ethtool::{self, Offload};
use crate::remote::link::Link;
use crate::scenario::ingest::{Feed, Fsync};
use crate::scenario::{Cache, Cell, Condition, Receiver};
use crate::trial::wire::Moved;
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::Path;
use zclab_report::record::{Agreement, Compared, Hop, Ledger, reading};
use zclab_strategies::{
    CacheState, Entry, Family, IngestRoute, Mover, Pages, Path as Claim, Place, Route, SinkKind,
    Strategy,
};

/// What a child set and read back, by name.
pub type Setup = BTreeMap<String, Value>;

/// Hops are predicted for this many bytes as long as nothing is observed.
const CLAIM_BYTES: u64 = 1 << 20;

/// The route of a cell as it is. Offloads of the device that bytes leave by are read back: of the
/// loopback device here, of the one between two hosts by the child (`setup`), of the one to another
/// host when the run began (`link`). A sink of `--to` that is on this host is reached over loopback, so
/// the claim is the one for that.
#[must_use]
pub fn route(cell: &Cell, link: Option<&Link>, setup: &Setup) -> Route {
    let sink = match (cell.condition.sink, link) {
        (SinkKind::TcpRemote, Some(link)) if link.is_near() => SinkKind::TcpLoopback,
        (sink, _) => sink,
    };
    let ask = |offload: Offload, asked: bool| match (sink, link) {
        // Where the device cannot be asked the claim is made for one as every kernel has them today.
        (SinkKind::TcpLoopback, _) => ethtool::get("lo", offload).unwrap_or(true),
        (SinkKind::TcpRemote, Some(link)) => link.offload(offload),
        // Of a child that never came to be, what was asked for is all there is.
        (SinkKind::TcpVeth, _) => setup.get(offload.name).and_then(Value::as_bool).unwrap_or(asked),
        _ => true,
    };
    let link = cell.condition.link.asked();
    Route {
        sink,
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
        sendfile_splices: crate::machine::is_at_least((5, 12)),
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

/// What a cell claims: its strategy's path, and where the bytes are changed on their way, the hop that
/// changes them. Only the outlet knows how many there are behind it (`sent_per_byte`, for each byte
/// of payload); as long as it has not said, the path is the strategy's own.
#[must_use]
pub fn transfer_path(
    cell: &Cell,
    strategy: &dyn Strategy,
    on: &Route,
    sent_per_byte: Option<f64>,
) -> Claim {
    let mut path = strategy.path_with(on, &cell.contender.complete_options());
    let changes = cell.condition.transform.changes();
    let Some(sent_per_byte) = sent_per_byte.filter(|_| changes) else { return path };
    let Some(taken) = path.hops.iter().rposition(|hop| hop.to == Place::UserBuffer) else {
        return path;
    };
    for hop in &mut path.hops[taken + 1..] {
        hop.share *= sent_per_byte;
    }
    let why = "the transform reads each byte and writes what it becomes";
    let changed =
        zclab_strategies::Hop::new(Place::UserBuffer, Place::UserBuffer, Mover::CpuCopy, why);
    path.hops.insert(taken + 1, changed);
    path
}

/// Bytes that sinks took for each byte of a sample's payload, where the outlet counted them.
#[must_use]
pub fn sent_per_byte(moved: &Moved) -> Option<f64> {
    let sent_bytes = *moved.readings.get(reading::SENT_BYTES)?;
    (moved.bytes > 0).then(|| sent_bytes as f64 / moved.bytes as f64)
}

/// What the strategy claims for the cell's route.
#[must_use]
pub fn path(cell: &Cell, ground: Ground, setup: &Setup, sent_per_byte: Option<f64>) -> Claim {
    match cell.contender.strategy {
        Entry::Transfer(one) => {
            transfer_path(cell, one, &route(cell, ground.link, setup), sent_per_byte)
        }
        Entry::Ingest(one) => one.path(&ingest_route(cell, ground.scratch)),
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
pub fn ledger(
    cell: &Cell,
    ground: Ground,
    setup: &Setup,
    sent_per_byte: Option<f64>,
    why: &str,
) -> Ledger {
    let path = path(cell, ground, setup, sent_per_byte);
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
