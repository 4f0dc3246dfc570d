//! What is known about one contender under one condition?

use super::side::Side;
use crate::format;
use crate::metric::kernel::Witness;
use crate::metric::{self, Metric, Provenance};
use crate::record::{Cell, Ledger, Measured, Pass, Record, Sample, Scenario, Status, reading};
use crate::stats::latency::{self, Latency};
use crate::stats::paired::{self, Placed};
use crate::stats::{Estimate, centre};
use serde_json::Value;
use std::collections::BTreeMap;

/// Share of the wall clock from which on a side counts as the bottleneck.
const BUSY: f64 = 0.9;
/// Share of the wall clock below which a side mostly waited.
const WAITING: f64 = 0.5;

/// One contender under one condition.
#[derive(Debug)]
pub struct Row<'a> {
    /// The contender.
    pub label: &'a str,
    /// Whether it is the one that the others are compared with.
    pub baseline: bool,
    /// Whether it moves the log's bytes; the floor does not, and takes part in no ranking.
    pub moves_the_log: bool,
    /// What became of the cell.
    pub state: State,
    /// The cell's lines, where it was over.
    pub measured: Option<&'a Measured>,
    /// Every metric.
    pub figures: BTreeMap<Metric, Figure>,
    /// What the kernel programs saw.
    pub witnessed: BTreeMap<Witness, Figure>,
    /// Whose cost decides.
    pub side: Side,
    /// Paired ratios to the baseline, for [`Side::compared`].
    pub ratios: BTreeMap<Metric, Estimate>,
    /// Percentiles of fetch latency, or why there are none.
    pub latency: Result<Latency, String>,
    /// What held it back.
    pub bottleneck: Bottleneck,
}

/// What became of a cell.
#[derive(Clone, Debug, PartialEq)]
pub enum State {
    /// Measured and verified.
    Ok,
    /// Over, but not with a result.
    Not(Status, Vec<Trouble>),
    /// The run ended before the cell was over.
    Unfinished,
}

/// A reason why a cell is not ok.
#[derive(Clone, Debug, PartialEq)]
pub struct Trouble {
    /// The call that failed, where a call did.
    pub call: Option<String>,
    /// The name of the errno.
    pub errno: Option<String>,
    /// The whole message.
    pub message: String,
}

/// One metric of a row.
#[derive(Clone, Debug, PartialEq)]
pub enum Figure {
    /// Known.
    Known {
        /// Median over the timing samples.
        median: f64,
        /// Mean over them: what remains of events too rare for a median.
        mean: f64,
        /// The typical value over launches with its interval; absent where a value is 0.
        typical: Option<Estimate>,
        /// Samples behind it.
        samples: usize,
        /// How it was obtained.
        provenance: Provenance,
    },
    /// Not known.
    Unavailable {
        /// Why.
        reason: String,
    },
}

/// The side that held a transfer back.
#[derive(Clone, Debug, PartialEq)]
pub enum Bottleneck {
    /// The sender was on CPU for 90 % of the wall clock or more.
    Sender,
    /// The receiver was.
    Receiver,
    /// Both were.
    Both,
    /// Device bytes flowed and both sides mostly waited.
    Device,
    /// Nobody stands out.
    None,
    /// It cannot be told.
    Unknown(String),
}

impl Bottleneck {
    /// The name in tables and exports.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Bottleneck::Sender => "sender",
            Bottleneck::Receiver => "receiver",
            Bottleneck::Both => "both",
            Bottleneck::Device => "device",
            Bottleneck::None => "none",
            Bottleneck::Unknown(_) => "unknown",
        }
    }
}

impl Figure {
    /// The median, where it is known.
    #[must_use]
    pub fn median(&self) -> Option<f64> {
        match self {
            Figure::Known { median, .. } => Some(*median),
            Figure::Unavailable { .. } => None,
        }
    }

    /// The mean, where it is known.
    #[must_use]
    pub fn mean(&self) -> Option<f64> {
        match self {
            Figure::Known { mean, .. } => Some(*mean),
            Figure::Unavailable { .. } => None,
        }
    }

    /// The interval of the typical value, where there is one; widened to the median, which stands
    /// beside it, where that lies outside.
    #[must_use]
    pub fn interval(&self) -> Option<(f64, f64)> {
        match self {
            Figure::Known { median, typical, .. } => typical
                .and_then(|typical| typical.interval)
                .map(|(low, high)| (low.min(*median), high.max(*median))),
            Figure::Unavailable { .. } => None,
        }
    }

    /// How it was obtained.
    #[must_use]
    pub fn provenance(&self) -> Provenance {
        match self {
            Figure::Known { provenance, .. } => *provenance,
            Figure::Unavailable { .. } => Provenance::Unavailable,
        }
    }
}

impl std::fmt::Display for Trouble {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match (&self.call, &self.errno) {
            (Some(call), Some(errno)) if !self.message.contains(errno.as_str()) => {
                write!(f, "{call}: {errno}: {}", self.message)
            }
            (Some(call), _) if !self.message.contains(call.as_str()) => {
                write!(f, "{call}: {}", self.message)
            }
            _ => f.write_str(&self.message),
        }
    }
}

impl Row<'_> {
    /// The timing samples.
    pub fn samples(&self) -> impl Iterator<Item = &Sample> {
        self.measured.iter().flat_map(|measured| timing(measured))
    }

    /// A metric's values, placed in the run.
    #[must_use]
    pub fn placed(&self, metric: Metric) -> Vec<Placed> {
        self.measured.map(|measured| placed(measured, metric)).unwrap_or_default()
    }

    /// Whether it takes part in rankings: it moved the log, was measured, and pays for no copy that a
    /// network card would not make.
    #[must_use]
    pub fn ranked(&self) -> bool {
        self.moves_the_log && self.state == State::Ok && !self.copied_late()
    }

    /// Whether its pages are copied at delivery, since this very kernel delivers its packets.
    #[must_use]
    pub fn copied_late(&self) -> bool {
        let hops = self.measured.and_then(|cell| cell.ledger.as_ref()).map(|ledger| &ledger.hops);
        hops.into_iter().flatten().any(|hop| {
            let way = (hop.from.as_str(), hop.to.as_str(), hop.by.as_str());
            way == ("wire", "kernel-pages", "cpu-copy") && hop.predicted_bytes > 0
        })
    }

    /// The paired ratio of what decides: CPU time of the measured side.
    #[must_use]
    pub fn cost_ratio(&self) -> Option<&Estimate> {
        self.ratios.get(&self.side.cpu())
    }

    /// Whether the far end was busy throughout: then throughput says how fast *it* is.
    #[must_use]
    pub fn at_far_end(&self) -> bool {
        self.side.held_back_by_far_end(&self.bottleneck)
    }

    /// The median of a metric.
    #[must_use]
    pub fn median(&self, metric: Metric) -> Option<f64> {
        self.figures.get(&metric).and_then(Figure::median)
    }

    /// Its ledger, where something was observed.
    #[must_use]
    pub fn observation(&self) -> Option<&Ledger> {
        let ledger = self.measured.and_then(|measured| measured.ledger.as_ref());
        ledger.filter(|ledger| ledger.payload_bytes > 0)
    }

    /// Observed CPU copies for each byte, and the claim where it is another: `2.00`,
    /// `1.00 (0 claimed)`.
    #[must_use]
    pub fn copies(&self) -> Option<(String, Option<String>)> {
        let copies = self.measured?.ledger.as_ref()?.cpu_copies_per_byte;
        let observed = copies.observed?;
        let other = copies.predicted.filter(|claim| (claim - observed).abs() >= 0.005);
        Some((
            format!("{observed:.2}"),
            other.map(|claim| format!("{} claimed", format::tick(claim))),
        ))
    }

    /// Launches behind its numbers.
    #[must_use]
    pub fn launches(&self) -> usize {
        let mut launches: Vec<u32> = self.samples().map(|sample| sample.launch).collect();
        launches.sort_unstable();
        launches.dedup();
        launches.len()
    }
}

/// The rows of one condition, in the scenario's order of contenders.
pub(super) fn rows<'a>(
    record: &'a Record,
    scenario: &'a Scenario,
    cells: &[&'a Measured],
    condition: &[(&str, &Value)],
) -> Vec<Row<'a>> {
    let here: Vec<(&'a Measured, &'a Cell)> = cells
        .iter()
        .filter_map(|measured| measured.cell.as_ref().map(|cell| (*measured, cell)))
        .filter(|(_, cell)| {
            condition
                .iter()
                .all(|(name, value)| cell.params.get(*name).is_some_and(|found| same(found, value)))
        })
        .collect();
    let baseline = here
        .iter()
        .find(|(_, cell)| cell.label == scenario.baseline && cell.status == Status::Ok)
        .map(|(measured, _)| *measured);
    scenario
        .contenders
        .iter()
        .map(|label| {
            let found = here.iter().find(|(_, cell)| cell.label == *label).copied();
            row(record, scenario, label, found, baseline)
        })
        .collect()
}

fn row<'a>(
    record: &Record,
    scenario: &Scenario,
    label: &'a str,
    found: Option<(&'a Measured, &'a Cell)>,
    baseline: Option<&Measured>,
) -> Row<'a> {
    let strategy = found.map_or(label, |(_, cell)| cell.strategy.as_str());
    let fact = record.run.catalogue.iter().find(|fact| fact.name == strategy);
    let state = match found {
        None => State::Unfinished,
        Some((_, cell)) if cell.status == Status::Ok => State::Ok,
        Some((measured, cell)) => State::Not(cell.status, troubles(measured, cell)),
    };
    let measured = found.map(|(measured, _)| measured);
    let side = Side::of(record, scenario);
    let compared = measured.zip(baseline).filter(|_| label != scenario.baseline);
    Row {
        label,
        baseline: label == scenario.baseline,
        moves_the_log: fact.is_none_or(|fact| fact.moves_the_log),
        state,
        measured,
        figures: Metric::ALL.map(|metric| (metric, figure(measured, metric))).into(),
        witnessed: Witness::ALL.map(|one| (one, witness(measured, one))).into(),
        side,
        ratios: side
            .compared()
            .into_iter()
            .filter_map(|metric| {
                let (measured, baseline) = compared?;
                let ratio = paired::ratio(&placed(measured, metric), &placed(baseline, metric))?;
                Some((metric, ratio))
            })
            .collect(),
        latency: latency_of(measured),
        bottleneck: measured.map_or(Bottleneck::Unknown("not measured".into()), bottleneck),
    }
}

/// Equal as values; numbers as numbers, so that 1 and 1.0 are the same.
pub(crate) fn same(a: &Value, b: &Value) -> bool {
    a == b || a.as_f64().zip(b.as_f64()).is_some_and(|(a, b)| a == b)
}

fn timing(measured: &Measured) -> impl Iterator<Item = &Sample> {
    measured.samples.iter().filter(|sample| sample.pass == Pass::Timing)
}

fn placed(measured: &Measured, metric: Metric) -> Vec<Placed> {
    timing(measured)
        .filter_map(|sample| {
            let (value, _) = metric.of(sample).ok()?;
            Some(Placed { launch: sample.launch, turn: sample.turn, value })
        })
        .collect()
}

fn figure(measured: Option<&Measured>, metric: Metric) -> Figure {
    let Some(measured) = measured else {
        return Figure::Unavailable { reason: "the cell was not finished".into() };
    };
    if let Some(value) = measured.ledger.as_ref().and_then(|ledger| metric.observed(ledger)) {
        return once(value, Provenance::Observed);
    }
    let mut values = Vec::new();
    let mut provenance = Provenance::Observed;
    let mut reason = "no timing sample".to_owned();
    for sample in timing(measured) {
        match metric.of(sample) {
            Ok((value, how)) => {
                values.push(value);
                provenance = provenance.max(how);
            }
            Err(why) => reason = why,
        }
    }
    match centre::median(&values) {
        Some(median) => Figure::Known {
            median,
            mean: centre::mean(&values).unwrap_or(median),
            // A logarithm of 0 there is not: a typical value over the others would mislead.
            typical: values
                .iter()
                .all(|value| *value > 0.0)
                .then(|| paired::typical(&placed(measured, metric)))
                .flatten(),
            samples: values.len(),
            provenance,
        },
        None => Figure::Unavailable { reason },
    }
}

/// A figure that was taken once.
fn once(value: f64, provenance: Provenance) -> Figure {
    Figure::Known { median: value, mean: value, typical: None, samples: 1, provenance }
}

fn witness(measured: Option<&Measured>, witness: Witness) -> Figure {
    let Some(measured) = measured else {
        return Figure::Unavailable { reason: "the cell was not finished".into() };
    };
    match witness.of(measured.ledger.as_ref()) {
        Ok((value, provenance)) => once(value, provenance),
        Err(reason) => Figure::Unavailable { reason },
    }
}

fn latency_of(measured: Option<&Measured>) -> Result<Latency, String> {
    let measured = measured.ok_or("the cell was not finished")?;
    let histograms = measured.histograms.iter().filter(|one| one.what == "fetch_latency_ns");
    latency::merge(histograms.map(|one| (one.encoding.as_str(), one.data.as_str())))
}

fn troubles(measured: &Measured, cell: &Cell) -> Vec<Trouble> {
    let mut troubles: Vec<Trouble> = Vec::new();
    for failure in &measured.failures {
        let trouble = Trouble {
            call: failure.call.clone(),
            errno: failure.errno.clone(),
            message: failure.message.clone(),
        };
        if !troubles.contains(&trouble) {
            troubles.push(trouble);
        }
    }
    for reason in &cell.reasons {
        if !troubles.iter().any(|known| known.message == *reason || known.to_string() == *reason) {
            troubles.push(Trouble { call: None, errno: None, message: reason.clone() });
        }
    }
    troubles
}

fn bottleneck(measured: &Measured) -> Bottleneck {
    // A sample of several processes is their sum; busy is one that is on its CPU all the time.
    let params = measured.cell.as_ref().map(|cell| &cell.params);
    let count = |name: &str| params?.get(name)?.as_u64();
    let processes = count("senders").or(count("readers")).unwrap_or(1).max(1) as f64;
    let share = |name: &str| {
        let shares: Vec<f64> = timing(measured)
            .filter(|sample| sample.wall_ns > 0)
            .filter_map(|sample| Some((sample, *sample.readings.get(name)? as f64 / processes)))
            .map(|(sample, spent_ns)| spent_ns / sample.wall_ns as f64)
            .collect();
        centre::median(&shares)
    };
    let Some(sender) = share(reading::SENDER_CPU_NS) else {
        return Bottleneck::Unknown(format!("no reading {}", reading::SENDER_CPU_NS));
    };
    let receiver = share(reading::RECEIVER_CPU_NS).unwrap_or(0.0);
    let device: Vec<f64> = timing(measured)
        .filter_map(|sample| metric::device_bytes(sample).ok())
        .map(|(bytes, _)| bytes as f64)
        .collect();
    let device = centre::median(&device).is_some_and(|bytes| bytes > 0.0);
    match (sender >= BUSY, receiver >= BUSY) {
        (true, true) => Bottleneck::Both,
        (true, false) => Bottleneck::Sender,
        (false, true) => Bottleneck::Receiver,
        (false, false) if device && sender < WAITING && receiver < WAITING => Bottleneck::Device,
        (false, false) => Bottleneck::None,
    }
}
