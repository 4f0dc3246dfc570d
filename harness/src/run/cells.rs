//! What is there to know about a cell before a child is started for it?
//!
//! What can be refused without trying, how many fetches a slice has, and the specification of the child.

use super::logs::Ready;
use super::{capacity, claims};
use crate::scenario::{self, Budget, Cell, Condition, Receiver, Wait};
use crate::trial::wire::{Access, Cache, Spec, Trouble};
use serde_json::Value;
use std::path::Path;
use zclab_report::record::Status;
use zclab_strategies::{Disturbance, FarEnd, OptionValue, Place, SinkKind};

/// A receiver of more connections than this sleeps unless it is told to spin: among so many some have
/// always brought bytes, so that it is seldom woken, and looking at all of them would take long.
const SPUN_MAX: u32 = 128;

/// The condition in a few words, for the line of progress: the scenario and what it varies.
#[must_use]
pub fn words(cell: &Cell) -> String {
    let params = cell.condition.params();
    let axes = cell.scenario.axes.iter().filter_map(|axis| {
        let value = params.get(&axis.name)?;
        let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        Some(format!(" {}={text}", axis.name))
    });
    cell.scenario.name.clone() + &axes.collect::<String>()
}

/// Fetches of a slice: as many as make its bytes over all sinks, within the scenario's bound.
#[must_use]
pub fn fetches(condition: &Condition, budget: Budget) -> u32 {
    let each = condition.fetch_bytes.max(1) * u64::from(condition.consumers.max(1));
    (budget.slice_bytes / each).clamp(1, u64::from(budget.fetches_max.max(1))) as u32
}

/// What can be refused without trying.
#[must_use]
pub fn refused(cell: &Cell, ready: &Ready) -> Option<Trouble> {
    let condition = cell.condition;
    let trouble = |status, message: &str| Some(Trouble { status, ..Trouble::failed(message) });
    let log_bytes: u64 = ready.log.segments.iter().map(|segment| segment.len_bytes).sum();
    if condition.fetch_bytes > log_bytes {
        let fetch_bytes = condition.fetch_bytes;
        let message = format!("a fetch of {fetch_bytes} bytes does not fit a log of {log_bytes}");
        return trouble(Status::Refused, &message);
    }
    if condition.cache != scenario::Cache::Warm && lies_in_memory(&ready.log.dir) {
        return trouble(
            Status::Unsupported,
            "the log lies on tmpfs, whose pages are nowhere else: none can be evicted (--logs DIR)",
        );
    }
    if condition.receiver == Receiver::Discard {
        match condition.sink {
            SinkKind::TcpLoopback => {}
            SinkKind::UnixStream => {
                return trouble(
                    Status::Unsupported,
                    "recv(MSG_TRUNC) discards nothing on a Unix stream: only TCP drops the bytes in the kernel",
                );
            }
            SinkKind::File | SinkKind::Null => {
                return trouble(Status::Refused, "this sink has no receiver that could discard");
            }
        }
    }
    if condition.receiver == Receiver::Discard
        && cell.contender.strategy.far_end() == FarEnd::KernelTls
    {
        return trouble(
            Status::Refused,
            "the receiver has to decrypt, so its kernel cannot drop the bytes unseen",
        );
    }
    if condition.wait == Wait::Spin && crate::trial::pins().is_none() {
        return trouble(
            Status::Refused,
            "a spinning receiver needs a CPU of its own and there is only one: wait = \"sleep\" or \"auto\"",
        );
    }
    if condition.cache != scenario::Cache::Warm && !ready.owned {
        return trouble(
            Status::Refused,
            "evicting the pages of somebody else's log would hurt its broker: import it with --copy",
        );
    }
    if let Some(trouble) = capacity::refused(cell, ready.log.segments.len() as u64) {
        return Some(trouble);
    }
    let strategy = cell.contender.strategy;
    if strategy.disturbs() == Disturbance::PageCache && !ready.owned {
        return trouble(
            Status::Refused,
            "it takes pages out of the page cache, and somebody else's log needs them there: import \
             it with --copy",
        );
    }
    let path = cell.contender.path(&claims::route(cell));
    let reads = path.hops.iter().any(|hop| hop.from == Place::Disk);
    if condition.cache != scenario::Cache::Warm && strategy.moves_the_log() && !reads {
        return trouble(
            Status::Refused,
            "on its way to this sink the strategy never looks at the log, so no cache state can matter",
        );
    }
    None
}

/// Whether a file system keeps its files in the page cache alone.
fn lies_in_memory(dir: &Path) -> bool {
    let kind = nix::sys::statfs::statfs(dir).map(|stat| stat.filesystem_type());
    kind == Ok(nix::sys::statfs::TMPFS_MAGIC)
}

/// Everything that a child has to know of its cell.
#[must_use]
pub fn spec(cell: &Cell, ready: &Ready, fetches: u32, scratch: &Path) -> Spec {
    let Cell { contender, condition, .. } = cell;
    let value = |value: &OptionValue| match value {
        OptionValue::Number(number) => Value::from(*number),
        OptionValue::Word(word) => Value::from(word.clone()),
    };
    let options = contender.complete_options();
    let pin = crate::trial::pins();
    Spec {
        strategy: contender.strategy.name().to_owned(),
        bare: contender.bare,
        options: options.iter().map(|(name, v)| (name.to_owned(), value(v))).collect(),
        segments: ready.log.segments.iter().map(|s| (s.path.clone(), s.len_bytes)).collect(),
        batches: ready
            .log
            .batches
            .iter()
            .map(|batch| (batch.segment, batch.position_bytes, batch.records))
            .collect(),
        fetch_bytes: condition.fetch_bytes,
        header_bytes: condition.header_bytes,
        fetches,
        access: match condition.access {
            scenario::Access::Sequential => Access::Sequential,
            scenario::Access::Random => Access::Random,
            scenario::Access::Zipf { exponent } => Access::Zipf(exponent),
        },
        seed: 1,
        consumers: condition.consumers,
        sink: condition.sink.name().to_owned(),
        scratch: scratch.to_owned(),
        discard: condition.receiver == Receiver::Discard,
        spins: match condition.wait {
            Wait::Auto => pin.is_some() && condition.consumers <= SPUN_MAX,
            Wait::Spin => true,
            Wait::Sleep => false,
        },
        socket_buffer_bytes: condition.socket_buffer_bytes,
        cache: match condition.cache {
            scenario::Cache::Warm => Cache::Warm,
            scenario::Cache::Cold => Cache::Cold,
            scenario::Cache::Partial { resident } => Cache::Partial(resident),
        },
        pin,
        markers: false,
        demand: condition.demand,
    }
}
