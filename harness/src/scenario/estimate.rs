//! How much will a scenario move, and about how long will that take?
//!
//! A sketch before measuring, good to a factor of two or so on a slow two-core machine: it tells
//! minutes from hours. No result is ever computed from it.

use super::{Access, Cache, Cell, Condition, Contender, LogChoice, Pressure, Scenario, Transform};
use crate::log::kafka::Spec;
use crate::trial::canary::CONTROL;
use zclab_strategies::{CacheState, Disturbance, Place, Route, SinkKind};

/// Starting a child, opening its log and its sinks, and its verified fetches before and after.
const START_NS: u64 = 60_000_000;

/// Making two network namespaces and what joins them, for one child.
const TWO_HOSTS_NS: u64 = 40_000_000;

/// Preparing one round: a child of its own, eviction and its proof before and after.
const ROUND_NS: u64 = 400_000_000;

/// One payload byte to one sink over loopback, receiver included, in thousandths of a nanosecond.
const BYTE_PS: u64 = 500;

/// One fetch to one sink: its calls and the wake-up at the other end.
const FETCH_NS: u64 = 3_000;

/// One fetch, and one byte of it in thousandths of a nanosecond, that has to come from the device.
const DEVICE_FETCH_NS: u64 = 80_000;
const DEVICE_BYTE_PS: u64 = 1_000;

/// A sketch of what a scenario needs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Estimate {
    /// Timed slices and rounds.
    pub samples: u64,
    /// Payload bytes that they deliver, all sinks together.
    pub delivered_bytes: u64,
    /// Bytes of the logs that have to exist (imported ones not counted).
    pub log_bytes: u64,
    /// Wall time, without generating logs.
    pub wall_ns: u64,
}

impl Contender {
    /// Whether cells of this contender under this condition run as rounds rather than as slices:
    /// where the cache has to be prepared for each sample, or neighbours would be disturbed.
    #[must_use]
    pub fn needs_rounds(&self, condition: &Condition) -> bool {
        condition.several().is_some()
            || condition.cache != Cache::Warm
            || self.strategy.disturbs() != Disturbance::Nothing
    }
}

impl Scenario {
    /// The generated logs that its conditions read, each once, in order.
    #[must_use]
    pub fn generated_logs(&self) -> Vec<&Spec> {
        let mut logs: Vec<&Spec> = Vec::new();
        for condition in &self.conditions {
            if let LogChoice::Kafka(spec) = &condition.log
                && !logs.contains(&spec)
            {
                logs.push(spec);
            }
        }
        logs
    }

    /// A sketch of what it needs.
    #[must_use]
    pub fn estimate(&self) -> Estimate {
        let log_bytes = self.generated_logs().iter().map(|spec| spec.total_bytes).sum();
        self.cells().fold(Estimate { log_bytes, ..Estimate::default() }, |sum, cell| {
            let cell = of_cell(&cell);
            Estimate {
                samples: sum.samples.saturating_add(cell.samples),
                delivered_bytes: sum.delivered_bytes.saturating_add(cell.delivered_bytes),
                wall_ns: sum.wall_ns.saturating_add(cell.wall_ns),
                ..sum
            }
        })
    }
}

fn of_cell(cell: &Cell) -> Estimate {
    let Cell { scenario, contender, condition } = cell;
    let budget = &scenario.budget;
    let launches = u64::from(budget.launches);
    let rounds = contender.needs_rounds(condition);
    let sinks = u64::from(condition.consumers);
    let fetch_all_sinks = condition.fetch_bytes.saturating_mul(sinks).max(1);
    let fetches = (budget.slice_bytes / fetch_all_sinks).clamp(1, budget.fetches_max.into());
    let slice_bytes = fetches.saturating_mul(fetch_all_sinks);
    let mut slice_ns = (slice_bytes / 1000)
        .saturating_mul(BYTE_PS + transform_byte_ps(condition.transform))
        .saturating_add(fetches.saturating_mul(sinks).saturating_mul(FETCH_NS));
    if reads_the_device(contender, condition) {
        let device_ns = (fetches.saturating_mul(condition.fetch_bytes) / 1000)
            .saturating_mul(DEVICE_BYTE_PS)
            .saturating_add(fetches.saturating_mul(DEVICE_FETCH_NS));
        slice_ns = slice_ns.saturating_add(device_ns);
    }
    // A bound on what leaves the device is a bound on the slice, too.
    let link = condition.link.asked();
    if let Some(bandwidth) = std::num::NonZeroU64::new(link.bandwidth_bytes) {
        slice_ns = slice_ns.max(slice_bytes.saturating_mul(1_000_000_000) / bandwidth);
    }
    let hosts_ns = if condition.sink == SinkKind::TcpVeth { TWO_HOSTS_NS } else { 0 };
    if let Some(pressure) = &condition.pressure {
        return under_pressure(scenario, pressure, condition);
    }
    slice_ns = slice_ns.max(asked_over(condition, fetches));
    if condition.canary {
        slice_ns = slice_ns.saturating_add(CONTROL.as_nanos() as u64);
    }
    if let Some(several) = condition.several() {
        return at_once(scenario, u64::from(several.count()), slice_bytes, slice_ns);
    }
    let (samples, overhead_ns) = if rounds {
        // One launch is one round of each contender; the next launch goes through them backwards.
        (launches, launches.saturating_mul(ROUND_NS + hosts_ns))
    } else {
        let samples = launches.saturating_mul(budget.turns.into());
        (samples, launches.saturating_mul(START_NS + hosts_ns))
    };
    Estimate {
        samples,
        delivered_bytes: samples.saturating_mul(slice_bytes),
        log_bytes: 0,
        wall_ns: samples.saturating_mul(slice_ns).saturating_add(overhead_ns),
    }
}

/// Each of several processes moves a slice of its own. What they gain from more than one CPU is left
/// out: their receivers want those, too.
fn at_once(scenario: &Scenario, count: u64, slice_bytes: u64, slice_ns: u64) -> Estimate {
    let launches = u64::from(scenario.budget.launches);
    let samples = launches.saturating_mul(scenario.budget.turns.into());
    let all_ns = slice_ns.saturating_mul(count);
    Estimate {
        samples,
        delivered_bytes: samples.saturating_mul(slice_bytes).saturating_mul(count),
        log_bytes: 0,
        wall_ns: samples.saturating_mul(all_ns).saturating_add(launches * count * START_NS),
    }
}

/// How long consumers take to ask, or to read: a schedule, or a slow consumer's pace.
fn asked_over(condition: &Condition, fetches: u64) -> u64 {
    let demand = condition.demand;
    let per_second = |count: u64, rate: u64| count.saturating_mul(1_000_000_000) / rate.max(1);
    let due_ns = match demand.rate {
        0 => 0,
        rate => per_second(fetches.saturating_mul(condition.consumers.into()), rate),
    };
    let slow_ns = match demand.slow {
        0 => 0,
        _ => per_second(fetches.saturating_mul(condition.fetch_bytes), demand.slow_rate_bytes),
    };
    let appended_ns = match (condition.access, condition.append_rate_bytes) {
        (Access::Tail, rate) if rate > 0 => {
            per_second(fetches.saturating_mul(condition.fetch_bytes), rate)
        }
        _ => 0,
    };
    due_ns.max(slow_ns).max(appended_ns)
}

/// What a transform and its undoing add to each byte, roughly.
fn transform_byte_ps(transform: Transform) -> u64 {
    match transform {
        Transform::None => 0,
        Transform::Crc32c => 100,
        Transform::Tls => 1_500,
        Transform::Lz4 => 3_000,
        Transform::Zstd => 6_000,
    }
}

/// A round reads the log once, between two stretches for which hot consumers are alone.
fn under_pressure(scenario: &Scenario, pressure: &Pressure, condition: &Condition) -> Estimate {
    let launches = u64::from(scenario.budget.launches);
    let log_bytes = match &condition.log {
        LogChoice::Kafka(spec) => spec.total_bytes,
        LogChoice::Imported(_) => pressure.memory_bytes,
    };
    let scan_bytes = log_bytes.saturating_sub(pressure.hot_bytes);
    let scan_ns = scan_bytes / 1000 * (BYTE_PS + DEVICE_BYTE_PS);
    let alone_ms = u64::from(pressure.alone_ms.0) + u64::from(pressure.alone_ms.1);
    let round_ns = scan_ns + alone_ms * 1_000_000 + 2 * ROUND_NS;
    Estimate {
        samples: launches,
        delivered_bytes: launches.saturating_mul(scan_bytes),
        log_bytes: 0,
        wall_ns: launches.saturating_mul(round_ns),
    }
}

/// By the strategy's own claim, so that no strategy has to be named here.
fn reads_the_device(contender: &Contender, condition: &Condition) -> bool {
    let cache = match condition.cache {
        Cache::Warm => CacheState::Warm,
        Cache::Cold => CacheState::Cold,
        Cache::Partial { resident } => CacheState::Partial { resident },
    };
    let route = Route { cache, ..Route::to(SinkKind::TcpLoopback) };
    // The far end of the receive side reads a warm log.
    contender.path(&route).is_some_and(|path| path.hops.iter().any(|hop| hop.from == Place::Disk))
}
