//! What else changed, though nobody is judged by it?
//!
//! Total and receiver CPU, throughput and latency depend on the receiver, on the sink and on who else
//! runs; they explain a verdict and never make one. Ratios are paired by turn as the judged metric's
//! are; percentiles of latency by launch, each arm's histogram of a launch against the base's.

use super::Advisory;
use super::record::{Arm, Latency, Measured, Phase, Sample};
use super::timing::{Set, finite, per_kib, select};
use crate::record::reading;
use crate::stats::interval::over_launches;
use crate::stats::{Estimate, latency, paired};
use std::collections::BTreeSet;

/// A value of one slice.
type Value = fn(&Sample) -> Option<f64>;
/// One of a distribution's percentiles.
type Percentile = fn(&latency::Latency) -> u64;

/// The metrics that a cell has values of, in the order of tables.
pub(super) fn of(measured: &Measured) -> Vec<Advisory> {
    let turns: [(&str, &str, bool, Value); 3] = [
        ("total_cpu_ns_per_kib", "Total CPU", true, |sample| {
            let sender = per_kib(sample, reading::SENDER_CPU_NS)?;
            Some(sender + per_kib(sample, reading::RECEIVER_CPU_NS)?)
        }),
        ("receiver_cpu_ns_per_kib", "Receiver CPU", true, |sample| {
            per_kib(sample, reading::RECEIVER_CPU_NS)
        }),
        ("throughput_mib_per_s", "Throughput", false, |sample| {
            let mib = sample.bytes as f64 / (1024.0 * 1024.0);
            (sample.wall_ns > 0).then(|| mib / (sample.wall_ns as f64 / 1e9))
        }),
    ];
    let turns = turns.into_iter().map(|(metric, name, less_is_better, value)| {
        let base = select(measured, Set::All, Arm::Base, value);
        let head = select(measured, Set::All, Arm::Head, value);
        let typical = |values: &[paired::Placed]| paired::typical(values).map(|one| one.point);
        Advisory {
            metric: metric.into(),
            name: name.into(),
            ratio: paired::ratio(&head, &base).map(finite),
            values: (typical(&base), typical(&head)),
            less_is_better,
        }
    });
    turns.chain(latencies(measured)).filter(|one| one.values != (None, None)).collect()
}

/// Typical and late fetches.
fn latencies(measured: &Measured) -> Vec<Advisory> {
    let recorded = measured.cell.as_ref().map_or(&[][..], |cell| &cell.latencies);
    let percentiles: [(&str, &str, Percentile); 2] = [
        ("fetch_latency_p50_ns", "Fetch latency, p50", |one| one.p50_ns),
        ("fetch_latency_p99_ns", "Fetch latency, p99", |one| one.p99_ns),
    ];
    percentiles
        .into_iter()
        .map(|(metric, name, pick)| {
            let whole = |arm| merged(recorded, arm, None).map(|one| pick(&one) as f64);
            Advisory {
                metric: metric.into(),
                name: name.into(),
                ratio: ratio(recorded, pick),
                values: (whole(Arm::Base), whole(Arm::Head)),
                less_is_better: true,
            }
        })
        .collect()
}

/// Head over base of a percentile: launch by launch, then the mean over launches.
fn ratio(recorded: &[Latency], pick: Percentile) -> Option<Estimate> {
    let launches: BTreeSet<(Phase, u32)> =
        recorded.iter().map(|one| (one.phase, one.launch)).collect();
    let logs: Vec<f64> = launches
        .into_iter()
        .filter_map(|launch| {
            let of = |arm| merged(recorded, arm, Some(launch)).map(|one| pick(&one) as f64);
            let ratio = of(Arm::Head)? / of(Arm::Base)?;
            ratio.is_normal().then(|| ratio.ln())
        })
        .collect();
    over_launches(&logs).map(|estimate| finite(estimate.map(f64::exp)))
}

/// Latencies of one arm, of one launch or of all.
fn merged(
    recorded: &[Latency],
    arm: Arm,
    launch: Option<(Phase, u32)>,
) -> Option<latency::Latency> {
    let chosen = recorded.iter().filter(|one| {
        one.arm == arm && launch.is_none_or(|launch| (one.phase, one.launch) == launch)
    });
    latency::merge(chosen.map(|one| ("hdr-v2-deflate", one.data.as_str()))).ok()
}
