//! What is there to know about a cell before a child is started for it?
//!
//! What can be refused without trying, how many fetches a slice has, and the specification of the child.

use super::logs::Ready;
use super::{capacity, claims, opened};
use crate::cpus::{Cpus, Pair};
use crate::remote::link::Link;
use crate::scenario::ingest::Feed;
use crate::scenario::{self, Budget, Cell, Condition, Receiver, Wait};
use crate::trial::wire::demand::Tail;
use crate::trial::wire::{Access, Cache, Demand, Spec, Transform, Trouble};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::Path;
use zclab_report::record::Status;
use zclab_strategies::transform::NEEDS_USER_SPACE;
use zclab_strategies::{Disturbance, Entry, Family, FarEnd, Hop, OptionValue, Place, SinkKind};

/// Where a cell's bytes lie and go, beside its log.
#[derive(Clone, Copy)]
pub struct Ground<'a> {
    /// A directory for file sinks.
    pub scratch: &'a Path,
    /// A directory on the log's own file system.
    pub beside: &'a Path,
    /// The sink on another host, where `--to` names one.
    pub link: Option<&'a Link>,
    /// Where its processes run.
    pub cpus: &'a Cpus,
}

impl Ground<'_> {
    /// Where one of the processes of a cell that has several senders runs, or the only one.
    #[must_use]
    pub fn pair(&self, condition: &Condition, sender: u32) -> Pair {
        match condition.senders {
            None => self.cpus.alone(),
            // All conditions of a scenario alike: what a CPU of one's own saves is no sender's doing.
            Some(senders) => self.cpus.one_of(sender as usize, senders.most as usize),
        }
    }
}

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

/// A Unix stream has no zero-copy sends, so the far end of the receive side cannot make any there.
fn no_such_feed(condition: &Condition) -> Option<Trouble> {
    let intake = condition.intake;
    ((intake.feed, intake.source) == (Feed::Zerocopy, SinkKind::UnixStream)).then(|| Trouble {
        status: Status::Unsupported,
        call: Some("setsockopt(SO_ZEROCOPY)".to_owned()),
        errno: Some("EOPNOTSUPP".to_owned()),
        message: "setsockopt(SO_ZEROCOPY): a Unix stream has no zero-copy sends".to_owned(),
    })
}

/// What the sink cannot be given, or its receiver not be asked for.
fn refused_by_sink(cell: &Cell) -> Option<Trouble> {
    let condition = cell.condition;
    let trouble = |status, message: &str| Some(Trouble { status, ..Trouble::failed(message) });
    if let Some(parameter) = condition.impossible_link() {
        let sink = condition.sink.name();
        let message = format!(
            "{sink} has no device that zclab may change ({parameter}): only tcp-veth has one of its own"
        );
        return trouble(Status::Refused, &message);
    }
    if condition.receiver != Receiver::Discard {
        return None;
    }
    cannot_discard(cell)
}

/// What can be refused without trying.
#[must_use]
pub fn refused(cell: &Cell, ready: &Ready, ground: Ground) -> Option<Trouble> {
    let Ground { link, .. } = ground;
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
    if let Some(why) = opened::refused(cell) {
        return trouble(Status::Refused, &why);
    }
    if let Some(why) = no_part_for_each(condition, log_bytes) {
        return trouble(Status::Refused, &why);
    }
    if let Some(trouble) = refused_by_sink(cell) {
        return Some(trouble);
    }
    if let Some(why) = not_transformed(cell) {
        return trouble(Status::Refused, &why);
    }
    if let Some(trouble) = no_such_feed(condition) {
        return Some(trouble);
    }
    if let Some(why) = needs_a_cpu(condition, ground) {
        return trouble(Status::Refused, why);
    }
    if condition.cache != scenario::Cache::Warm && !ready.owned {
        return trouble(
            Status::Refused,
            "evicting the pages of somebody else's log would hurt its broker: import it with --copy",
        );
    }
    if let Some(fits) = fits_in_memory(condition, log_bytes) {
        return trouble(Status::Refused, &fits);
    }
    if let Some(trouble) = capacity::refused(cell, ready.log.segments.len() as u64) {
        return Some(trouble);
    }
    let Entry::Transfer(strategy) = cell.contender.strategy else { return None };
    if strategy.disturbs() == Disturbance::PageCache && !ready.owned {
        return trouble(
            Status::Refused,
            "it takes pages out of the page cache, and somebody else's log needs them there: import \
             it with --copy",
        );
    }
    let route = claims::route(cell, link, &BTreeMap::new());
    let path = strategy.path_with(&route, &cell.contender.complete_options());
    let reads = path.hops.iter().any(|hop| hop.from == Place::Disk);
    if condition.cache != scenario::Cache::Warm && strategy.moves_the_log() && !reads {
        return trouble(
            Status::Refused,
            "on its way to this sink the strategy never looks at the log, so no cache state can matter",
        );
    }
    let why = waits_for_timers(condition, &path)?;
    trouble(Status::Refused, why)
}

/// Why there are too few CPUs for who wants one to itself, if so.
fn needs_a_cpu(condition: &Condition, ground: Ground) -> Option<&'static str> {
    let apart = ground.pair(condition, 0).apart;
    let far = condition.sink == SinkKind::TcpRemote;
    match condition {
        _ if apart => None,
        Condition { wait: Wait::Spin, .. } if !far => Some(
            "a spinning receiver needs a CPU of its own and there is none: wait = \"sleep\" or \
             \"auto\"",
        ),
        Condition { canary: true, .. } => Some(
            "a canary takes what the sender leaves of a CPU that nobody else is pinned to, and there \
             is only one",
        ),
        _ => None,
    }
}

/// With less than this the receiver's window was seen to shrink below a packet, so that 1 KiB took a
/// second.
const PINNED_BUFFER_BYTES_MIN: u64 = 8 << 10;

/// Why pinned pages would come at the pace of TCP's timers, if so.
fn waits_for_timers(condition: &Condition, path: &zclab_strategies::Path) -> Option<&'static str> {
    let put_off = |hop: &Hop| (hop.from, hop.to) == (Place::Wire, Place::KernelPages);
    let small = (1..PINNED_BUFFER_BYTES_MIN).contains(&condition.socket_buffer_bytes);
    (small && path.hops.iter().any(put_off)).then_some(
        "pinned pages are copied at delivery into whole pages, which a receive buffer of less \
         than 16 KiB (twice the socket_buffer) accounts for by closing its window to below a \
         packet: the sender would wait for TCP's persist timer, 200 ms for each",
    )
}

/// Why the bytes of a cell cannot be dropped by the receiver's kernel, if so.
fn cannot_discard(cell: &Cell) -> Option<Trouble> {
    let (status, why) = match (cell.condition.sink, cell.contender.strategy) {
        (SinkKind::UnixStream, _) => (
            Status::Unsupported,
            "recv(MSG_TRUNC) discards nothing on a Unix stream: only TCP drops the bytes in the kernel",
        ),
        (SinkKind::Pipe, _) => (
            Status::Unsupported,
            "a pipe has no recv(MSG_TRUNC): only TCP drops the bytes in the kernel",
        ),
        (SinkKind::File | SinkKind::Null, _) => {
            (Status::Refused, "this sink has no receiver that could discard")
        }
        (tcp, Entry::Transfer(strategy))
            if tcp.is_tcp() && strategy.far_end() == FarEnd::KernelTls =>
        {
            let why = "the receiver has to decrypt, so its kernel cannot drop the bytes unseen";
            (Status::Refused, why)
        }
        _ => return None,
    };
    Some(Trouble { status, ..Trouble::failed(why) })
}

/// Why the transform that is asked for cannot be made, if so.
fn not_transformed(cell: &Cell) -> Option<String> {
    let Cell { contender, condition, .. } = cell;
    if condition.transform == scenario::Transform::None {
        return None;
    }
    if contender.bare {
        return Some("a bare loop hands its bytes on as they are: see the strategy".to_owned());
    }
    let tls = condition.transform == scenario::Transform::Tls;
    let Entry::Transfer(strategy) = contender.strategy else {
        return Some(
            "what arrives is taken as it comes: only what is sent is transformed".to_owned(),
        );
    };
    if condition.pressure.is_some() {
        return Some("what transforms cost under pressure on memory is not built yet".to_owned());
    }
    if let Err(why) = strategy.transforms() {
        // What is missing is not encryption but user space: there is a way without it.
        let instead = if tls && why == NEEDS_USER_SPACE { " (kernel TLS needs none)" } else { "" };
        return Some(format!("{why}{instead}"));
    }
    if condition.receiver == Receiver::Discard {
        let why = "a receiver that discards sees no byte, so it cannot undo what was done to them";
        return Some(why.to_owned());
    }
    (tls && !condition.sink.is_socket())
        .then(|| "TLS needs somebody to shake hands with, and this sink is nobody".to_owned())
}

/// Why a log cannot be shared among the senders, if so: each has to have a fetch at least.
fn no_part_for_each(condition: &Condition, log_bytes: u64) -> Option<String> {
    let count = condition.senders?.count;
    let part_bytes = log_bytes / u64::from(count.max(1));
    let fetch_bytes = condition.fetch_bytes;
    (fetch_bytes > part_bytes).then(|| {
        format!(
            "a fetch of {fetch_bytes} bytes does not fit a part of {part_bytes}, which each of \
             {count} senders has of the log"
        )
    })
}

/// Why there is no pressure on memory where a scenario wants some: the log has to exceed the limit.
fn fits_in_memory(condition: &Condition, log_bytes: u64) -> Option<String> {
    let memory_bytes = condition.pressure.as_ref()?.memory_bytes;
    let fits = log_bytes <= memory_bytes;
    fits.then(|| format!("a log of {log_bytes} bytes fits {memory_bytes}: there is no pressure"))
}

/// Whether a file system keeps its files in the page cache alone.
#[must_use]
pub fn lies_in_memory(dir: &Path) -> bool {
    let kind = nix::sys::statfs::statfs(dir).map(|stat| stat.filesystem_type());
    kind == Ok(nix::sys::statfs::TMPFS_MAGIC)
}

/// How the log grows, where its end is followed. The producer has a CPU of its own, or else the
/// receiver's: the sender's is being measured.
fn tail(condition: &Condition, ground: Ground, pair: &Pair) -> Option<Tail> {
    let own = ground.cpus.spare(pair);
    let receivers = || pair.cpus.as_ref()?.1.iter().next_back();
    let append_rate_bytes = condition.append_rate_bytes;
    let tail = Tail { append_rate_bytes, cpu: own.or_else(receivers), alone: own.is_some() };
    (condition.access == scenario::Access::Tail).then_some(tail)
}

fn plain(value: &OptionValue) -> Value {
    match value {
        OptionValue::Number(number) => Value::from(*number),
        OptionValue::Word(word) => Value::from(word.clone()),
    }
}

/// Whether a receiver may keep its CPU from others while it has nothing to do.
fn spins(condition: &Condition, ground: Ground, apart: bool, tail: Option<Tail>) -> bool {
    match condition.wait {
        // Nobody here pays for waking a receiver on another host.
        Wait::Auto if condition.sink == SinkKind::TcpRemote => {
            apart && ground.link.is_some_and(Link::is_near)
        }
        // The producer would have to share the CPU of a receiver that spins.
        Wait::Auto if tail.is_some_and(|tail| !tail.alone) => false,
        Wait::Auto => apart && condition.consumers <= SPUN_MAX,
        Wait::Spin => true,
        Wait::Sleep => false,
    }
}

/// Everything that a child has to know of its cell.
#[must_use]
pub fn spec(cell: &Cell, ready: &Ready, fetches: u32, ground: Ground) -> Spec {
    let Cell { contender, condition, .. } = cell;
    let options = contender.complete_options();
    let pair = ground.pair(condition, 0);
    let tail = tail(condition, ground, &pair);
    Spec {
        strategy: contender.strategy.name().to_owned(),
        bare: contender.bare,
        options: options.iter().map(|(name, v)| (name.to_owned(), plain(v))).collect(),
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
            scenario::Access::Sequential | scenario::Access::Tail => Access::Sequential,
            scenario::Access::Random => Access::Random,
            scenario::Access::Zipf { exponent } => Access::Zipf(exponent),
            scenario::Access::Files => Access::Files,
        },
        seed: 1,
        consumers: condition.consumers,
        sink: condition.sink.name().to_owned(),
        scratch: ground.scratch.to_owned(),
        beside: ground.beside.to_owned(),
        remote: match condition.sink {
            SinkKind::TcpRemote => ground.link.map(Link::to_wire),
            _ => None,
        },
        discard: condition.receiver == Receiver::Discard,
        spins: spins(condition, ground, pair.apart, tail),
        socket_buffer_bytes: condition.socket_buffer_bytes,
        cache: match condition.cache {
            scenario::Cache::Warm => Cache::Warm,
            scenario::Cache::Cold => Cache::Cold,
            scenario::Cache::Partial { resident } => Cache::Partial(resident),
        },
        link: condition.link.asked(),
        pin: pair.of_child(condition.family == Family::Transfer),
        markers: false,
        demand: Demand { tail, ..condition.demand },
        transform: match condition.transform {
            scenario::Transform::None => Transform::None,
            scenario::Transform::Crc32c => Transform::Crc32c,
            scenario::Transform::Lz4 => Transform::Lz4,
            scenario::Transform::Zstd => Transform::Zstd,
            scenario::Transform::Tls => Transform::Tls,
        },
        intake: (condition.family != Family::Transfer).then_some(condition.intake),
        canary: condition.canary,
        range_bytes: None,
    }
}
