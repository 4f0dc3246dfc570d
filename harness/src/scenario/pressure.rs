//! How short is memory, and who reads what under that pressure?
//!
//! The table `[pressure]` makes every condition of a scenario one of little memory: the strategies
//! compete in serving a *cold scan* of the log from its beginning, while *hot consumers* read the end
//! of the log again and again, served by one strategy for all contenders, in the same group.

use super::document::{Reader, Section};
use super::keys::{self, Key};
use super::matrix::Matrix;
use super::parse::Tables;
use super::{Access, Cache, LogChoice, words};
use crate::size;
use serde_json::{Value, json};
use zclab_strategies::Strategy;

/// What the limit has to hold beside the hot set: buffers, queues, and read-ahead of the scan.
const ROOM_BYTES: u64 = 8 << 20;

/// What serves the hot consumers when the file is silent.
const HOT_STRATEGY: &str = "sendfile";

/// A condition of little memory.
#[derive(Clone, Debug, PartialEq)]
pub struct Pressure {
    /// The limit of the group that both senders are in.
    pub memory_bytes: u64,
    /// The hot set: so much of the log's end.
    pub hot_bytes: u64,
    /// Name of the strategy that serves the hot consumers.
    pub hot_strategy: &'static str,
    /// Fetches each second that the hot consumers ask for, whether or not they are served in time.
    pub hot_rate_per_s: u32,
    /// Where consecutive fetches lie in the hot set.
    pub hot_access: Access,
    /// How long the hot consumers are alone before the scan, and how long after it.
    pub alone_ms: (u32, u32),
}

impl Pressure {
    /// As parameters of a cell.
    #[must_use]
    pub fn params(&self) -> Vec<(String, Value)> {
        let named = |(name, value): (&str, Value)| (format!("pressure_{name}"), value);
        [
            ("memory", json!(self.memory_bytes)),
            ("hot", json!(self.hot_bytes)),
            ("hot_strategy", json!(self.hot_strategy)),
            ("hot_rate", json!(self.hot_rate_per_s)),
            ("hot_access", json!(self.hot_access.name())),
            ("before_ms", json!(self.alone_ms.0)),
            ("after_ms", json!(self.alone_ms.1)),
        ]
        .map(named)
        .into()
    }
}

/// Reads the table, where the file has one.
pub(super) fn read<'a>(reader: &mut Reader<'a>, section: Option<&Section<'a>>) -> Option<Pressure> {
    let section = section?;
    reader.only(section, &keys::of("pressure"));
    let word = |reader: &mut Reader<'a>, key: &Key| {
        let given = section.get(key.name).and_then(|item| reader.word(key, &item));
        given.or_else(|| key.values.default_word())
    };
    let hot_strategy = server(reader, section)?;
    let hot_access = match word(reader, &keys::HOT_ACCESS)? {
        "sequential" => Access::Sequential,
        _ => Access::Random,
    };
    let mut number = |key: &Key| {
        let given = section.get(key.name).and_then(|item| reader.number(key, &item));
        given.unwrap_or_else(|| key.values.default_number())
    };
    let mut number32 = |key: &Key| u32::try_from(number(key)).unwrap_or(u32::MAX);
    let hot_rate_per_s = number32(&keys::HOT_RATE);
    let alone_ms = (number32(&keys::BEFORE_MS), number32(&keys::AFTER_MS));
    let (memory_bytes, hot_bytes) = (number(&keys::MEMORY), number(&keys::HOT));
    Some(Pressure { memory_bytes, hot_bytes, hot_strategy, hot_rate_per_s, hot_access, alone_ms })
}

/// The strategy that serves the hot consumers.
fn server<'a>(reader: &mut Reader<'a>, section: &Section<'a>) -> Option<&'static str> {
    let movers = zclab_strategies::ALL.iter().filter(|one| one.moves_the_log());
    let names: Vec<&'static str> = movers.map(|one: &&dyn Strategy| one.name()).collect();
    let Some(item) = section.get(keys::HOT_STRATEGY.name) else { return Some(HOT_STRATEGY) };
    let wanted = reader.text(&keys::HOT_STRATEGY, &item)?;
    let found = names.iter().copied().find(|name| *name == wanted);
    if found.is_none() {
        reader.unknown_word(&item, wanted, &names, format!("one of {}", names.join(", ")));
    }
    found
}

/// Refuses what would be no pressure, and parameters that it decides.
pub(super) fn check(
    reader: &mut Reader,
    tables: &Tables,
    pressure: &Pressure,
    log: &LogChoice,
    matrix: &Matrix,
) {
    let Some(section) = &tables.pressure else { return };
    let place = |name: &str| section.get(name).map_or(section.span.clone(), |item| item.span);
    let Pressure { memory_bytes, hot_bytes, .. } = *pressure;
    if hot_bytes + ROOM_BYTES > memory_bytes {
        let what = format!(
            "a hot set of {} does not fit {} with {} of room for those who serve",
            size::show(hot_bytes),
            size::show(memory_bytes),
            size::show(ROOM_BYTES)
        );
        reader.note("pressure.hot", &place("hot"), what).expected =
            format!("no more than {}", size::show(memory_bytes.saturating_sub(ROOM_BYTES)));
    }
    if let LogChoice::Kafka(spec) = log
        && memory_bytes >= spec.total_bytes
    {
        let log = size::show(spec.total_bytes);
        let what =
            format!("the log of {log} fits {}: there is no pressure", size::show(memory_bytes));
        reader.note("pressure.memory", &place("memory"), what).expected =
            format!("less than the log's size, {log}");
    }
    for parameter in &matrix.parameters {
        let why = match parameter.name {
            "cache" => "the scan is cold and the hot set is warm",
            "access" => "the scan reads the log from its beginning; see hot_access",
            "consumers" => "the scan is one consumer",
            "driver" | "slow" | "slow_rate" | "rate" | "arrivals" | "append_rate" => {
                "the scan asks at once and is served by one thread"
            }
            "canary" => "nobody is pinned to a CPU there",
            _ => continue,
        };
        for (_, span) in &parameter.settings {
            let path = format!("matrix.{}", parameter.name);
            let what = format!("[pressure] decides it: {why}");
            reader.note(&path, span, what).expected = format!("no `{}`", parameter.name);
        }
    }
}

/// The state of the log when a scan begins.
pub(super) const CACHE: Cache = Cache::Cold;

/// The words for the order of hot fetches.
pub(super) fn orders() -> Vec<&'static str> {
    words::names(&[("random", Access::Random), ("sequential", Access::Sequential)])
}
