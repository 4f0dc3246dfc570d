//! What does a gate say, as cases and arms?
//!
//! The arms are base and head; the control, a second copy of the base, is behind the floor that the
//! sentences name, and no arm. Launches of the second set have odd numbers, those of the first even
//! ones.

use super::of_runs::{LATENCIES, outcome_of};
use super::{
    Arm, Better, Case, Check, Distribution, Measured, Number, Outcome, Quantity, Ratio, SCHEMA,
    Slice, Source, Suite, parts_of,
};
use crate::format;
use crate::gate::record as gate;
use crate::gate::{CellReport, Exact, Fact, Judged, Report, Timing, Verdict};
use crate::metric::Metric;
use crate::record::{Pass, Sample, Status};
use crate::stats::latency;
use crate::stats::paired::{self, Placed};
use crate::stats::{Estimate, centre};
use std::collections::{BTreeMap, HashMap};

/// What is taken from the slices.
const SAMPLED: [Metric; 4] =
    [Metric::SenderCpu, Metric::ReceiverCpu, Metric::TotalCpu, Metric::Throughput];

const ARMS: [(gate::Arm, &str); 2] = [(gate::Arm::Base, "base"), (gate::Arm::Head, "head")];

impl Suite {
    /// The suite of a gate.
    #[must_use]
    pub fn of_gate(report: &Report) -> Suite {
        let opening = &report.record.opening;
        let sides = [&opening.base, &opening.head].into_iter().zip(ARMS);
        let arms = sides.map(|(side, (_, name))| Arm {
            name: name.to_owned(),
            label: side.label.clone(),
            started_at: opening.started_at.clone(),
            machine: match side.machine.is_empty() {
                true => opening.machine.clone(),
                false => side.machine.clone(),
            },
        });
        let recorded: HashMap<&str, &gate::Measured> =
            report.record.cells.iter().map(|one| (one.id.as_str(), one)).collect();
        let of = |cell: &CellReport| case(recorded.get(cell.cell).copied(), cell);
        let cases: Vec<Case> = report.cells.iter().map(of).collect();
        Suite {
            schema: SCHEMA,
            source: Source::Gate,
            conclusion: Some(check("gate", report.verdict, report.sentence.clone())),
            arms: arms.collect(),
            quantities: quantities(report, &cases),
            cases,
            statements: Vec::new(),
        }
    }
}

/// The sampled quantities that any case has, the counts, the percentiles.
fn quantities(report: &Report, cases: &[Case]) -> Vec<Quantity> {
    let mut all: Vec<Quantity> = SAMPLED.into_iter().map(Quantity::of).collect();
    for exact in report.cells.iter().flat_map(|cell| &cell.exact) {
        let (name, unit) = parts_of(&exact.name);
        if !all.iter().any(|known| known.key == exact.name) {
            let plain = Quantity::new(&exact.name, &name, &unit, better(&exact.name));
            all.push(Quantity { exact: true, ..plain });
        }
    }
    let latencies = LATENCIES.iter();
    all.extend(latencies.map(|(key, name)| Quantity::new(key, name, "ns", Some(Better::Lower))));
    let mut values = cases.iter().flat_map(|case| case.measured.values()).map(|one| &one.values);
    let known: Vec<&String> = values.by_ref().flat_map(BTreeMap::keys).collect();
    all.into_iter().filter(|quantity| known.contains(&&quantity.key)).collect()
}

/// Which way a count is better: more of the log's own pages in packets is less copying, and which call
/// of two is made is nobody's loss.
fn better(key: &str) -> Option<Better> {
    match key {
        "wire_log_bytes_per_byte" | "wire_reference_bytes_per_byte" => Some(Better::Higher),
        "wire_linear_bytes_per_byte" => Some(Better::Lower),
        _ if key.starts_with("wire_") || key.ends_with("_calls_per_mib") => None,
        _ => Some(Better::Lower),
    }
}

fn case(recorded: Option<&gate::Measured>, cell: &CellReport) -> Case {
    let measured = ARMS.map(|(arm, name)| {
        let mut measured = recorded.map(|one| measured(one, arm)).unwrap_or_default();
        for exact in &cell.exact {
            let value = if arm == gate::Arm::Base { exact.base } else { exact.head };
            if let Some(number) = value.and_then(Number::exact) {
                measured.values.insert(exact.name.clone(), number);
            }
        }
        (name.to_owned(), measured)
    });
    Case {
        id: cell.cell.to_owned(),
        scenario: cell.scenario.to_owned(),
        contender: cell.label.to_owned(),
        params: cell.params.clone(),
        decides: Metric::SenderCpu.key().to_owned(),
        measured: measured.into(),
        ratios: ratios(cell),
        conclusion: Some(check("cell", cell.verdict, cell.sentences.join(" "))),
        checks: checks(cell),
        sentences: cell.sentences.clone(),
    }
}

/// What the launches of an arm measured.
fn measured(cell: &gate::Measured, arm: gate::Arm) -> Measured {
    let own = cell.samples.iter().filter(|one| one.arm == arm);
    let samples: Vec<Sample> = own.map(as_of_a_run).collect();
    let slices = samples.iter().map(|sample| Slice {
        launch: sample.launch,
        turn: sample.turn,
        payload_bytes: sample.bytes,
        fetches: sample.fetches,
        wall_ns: sample.wall_ns,
        values: SAMPLED
            .into_iter()
            .filter_map(|metric| Some((metric.key().to_owned(), metric.of(sample).ok()?.0)))
            .filter(|(_, value)| value.is_finite())
            .collect(),
    });
    let slices: Vec<Slice> = slices.collect();
    let numbers = SAMPLED.into_iter().filter_map(|metric| {
        let key = metric.key();
        let placed = slices.iter().filter_map(|slice| {
            let (launch, turn) = (slice.launch, slice.turn);
            Some(Placed { launch, turn, value: *slice.values.get(key)? })
        });
        let placed: Vec<Placed> = placed.collect();
        let values: Vec<f64> = placed.iter().map(|one| one.value).collect();
        let median = centre::median(&values)?;
        // The interval is that of the typical value; widened where the median lies outside.
        let interval = paired::typical(&placed).and_then(|typical| typical.interval);
        let around = interval.map(|(low, high)| (low.min(median), high.max(median)));
        Some((key.to_owned(), Number::new(median, around)?))
    });
    let mut values: BTreeMap<String, Number> = numbers.collect();
    let lines = cell.cell.iter().flat_map(|line| &line.latencies);
    let lines = lines.filter(|one| one.arm == arm);
    let latencies: Vec<Distribution> = lines
        .map(|one| Distribution {
            what: "fetch_latency_ns".to_owned(),
            launch: one.phase.among_all(one.launch),
            data: one.data.clone(),
        })
        .collect();
    let merged = latency::merge(latencies.iter().map(|one| ("hdr-v2-deflate", one.data.as_str())));
    if let Ok(one) = merged {
        let all = LATENCIES.iter().zip([one.p50_ns, one.p99_ns, one.p999_ns, one.max_ns]);
        values.extend(
            all.filter_map(|((key, _), ns)| Some(((*key).to_owned(), Number::exact(ns as f64)?))),
        );
    }
    Measured { values, slices, latencies }
}

/// A gate's sample as one of a run, so that metrics can be derived from it.
fn as_of_a_run(sample: &gate::Sample) -> Sample {
    Sample {
        cell: sample.cell.clone(),
        pass: Pass::Timing,
        launch: sample.phase.among_all(sample.launch),
        turn: sample.turn,
        slot: sample.slot,
        bytes: sample.bytes,
        header_bytes: sample.header_bytes,
        fetches: sample.fetches,
        messages: 0,
        wall_ns: sample.wall_ns,
        readings: sample.readings.clone(),
        calls: BTreeMap::new(),
        verified: sample.verified,
        cache: None,
    }
}

fn ratios(cell: &CellReport) -> Vec<Ratio> {
    let ratio = |key: &str, estimate: &Estimate, judged: bool| {
        Some(Ratio {
            key: key.to_owned(),
            over: "base".to_owned(),
            arm: "head".to_owned(),
            ratio: Number::of(estimate)?,
            judged,
        })
    };
    let timing = cell.timing.iter();
    let judged = timing.filter_map(|one| ratio(Metric::SenderCpu.key(), &one.all.ratio, true));
    let shown = cell.advisory.iter().filter(|one| one.metric != Metric::SenderCpu.key());
    let shown = shown.filter_map(|one| ratio(&one.metric, one.ratio.as_ref()?, false));
    judged.chain(shown).collect()
}

/// Everything that was judged of a cell. What its verdict says is said by a check at least.
fn checks(cell: &CellReport) -> Vec<Check> {
    let mut checks = Vec::new();
    if cell.status != Status::Ok {
        let outcome = outcome_of(cell.status);
        let (name, word) = ("result".to_owned(), cell.status.name().to_owned());
        checks.push(Check { name, arm: None, outcome, word, sentence: cell.reasons.join("; ") });
    } else {
        checks.extend(compared(cell));
    }
    let worst = checks.iter().map(|check| check.outcome).max();
    if worst < Some(outcome(cell.verdict)) {
        checks.push(check("cell", cell.verdict, cell.sentences.join(" ")));
    }
    checks
}

/// The tiers of a cell that was measured.
fn compared(cell: &CellReport) -> Vec<Check> {
    let exact = cell.exact.iter();
    let mut checks: Vec<Check> =
        exact.map(|exact| check(&exact.name, exact.verdict, counts(exact))).collect();
    checks.extend(cell.facts.iter().map(|fact| check(&fact.name, fact.verdict, words(fact))));
    if let Some(why) = &cell.exact_missing {
        checks.push(check("counts", Verdict::Inconclusive, why.clone()));
    }
    checks.push(match &cell.timing {
        Ok(timing) => check(Metric::SenderCpu.key(), timing.verdict, times(timing)),
        Err(why) => check(Metric::SenderCpu.key(), Verdict::Inconclusive, why.clone()),
    });
    checks
}

fn check(name: &str, verdict: Verdict, sentence: String) -> Check {
    let (name, word) = (name.to_owned(), verdict.name().to_owned());
    Check { name, arm: None, outcome: outcome(verdict), word, sentence }
}

fn outcome(verdict: Verdict) -> Outcome {
    match verdict {
        Verdict::Improvement => Outcome::Improved,
        Verdict::Pass => Outcome::Passed,
        Verdict::Inconclusive => Outcome::Skipped,
        Verdict::Invalid => Outcome::Errored,
        Verdict::Regression => Outcome::Failed,
    }
}

/// `base 16, head 17, slack 0`, and the reason where there is one.
fn counts(exact: &Exact) -> String {
    let value = |value: Option<f64>| value.map_or(format::NONE.into(), exactly);
    let (base, head) = (value(exact.base), value(exact.head));
    let said = format!("base {base}, head {head}, slack {}", exactly(exact.slack));
    match &exact.reason {
        Some(reason) => format!("{said}: {reason}"),
        None => said,
    }
}

/// A count as it is, up to six decimals: two that differ are not shown alike.
fn exactly(value: f64) -> String {
    if !value.is_finite() {
        return format::NONE.into();
    }
    let text = format!("{value:.6}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// `base sendfile, head splice`, and the reason where there is one.
fn words(fact: &Fact) -> String {
    let value = |value: &Option<String>| value.clone().unwrap_or(format::NONE.into());
    let said = format!("base {}, head {}", value(&fact.base), value(&fact.head));
    match &fact.reason {
        Some(reason) => format!("{said}: {reason}"),
        None => said,
    }
}

/// The judged ratios and all that they were held against.
fn times(timing: &Timing) -> String {
    let judged = |judged: &Judged| {
        let floor_and_margin = [judged.floor, judged.margin].map(three);
        format!(
            "head over base {}, control over base {}, floor {}, margin {}, p {} ({} after Holm), \
            smallest ratio that would have been seen {}",
            interval(&judged.ratio),
            interval(&judged.control),
            floor_and_margin[0],
            floor_and_margin[1],
            format::number(judged.p),
            format::number(judged.p_holm),
            judged.smallest_seen.map_or(format::NONE.into(), three),
        )
    };
    let all = judged(&timing.all);
    match &timing.second {
        Some(second) => format!(
            "{all}; of these the first launches alone {}, those in fresh processes {}",
            interval(&timing.first.ratio),
            interval(&second.ratio)
        ),
        None => all,
    }
}

/// Three decimals: a gate tells effects of a per cent apart.
fn three(value: f64) -> String {
    if value.is_finite() { format!("{value:.3}") } else { format::NONE.into() }
}

fn interval(estimate: &Estimate) -> String {
    match estimate.interval {
        Some((low, high)) => {
            format!("{} ({}–{})", three(estimate.point), three(low), three(high))
        }
        None => format!("{} (no interval)", three(estimate.point)),
    }
}
