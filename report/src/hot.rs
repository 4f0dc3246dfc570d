//! How long did hot consumers wait before, during and after a cold scan, and was their log still in
//! memory?
//!
//! A cell of a scenario with `[pressure]` has, beside the samples of its scan, histograms of the hot
//! consumers' latencies for three phases and readings of what was resident ([`reading`]). A launch is
//! one round, so that each number has one value for each launch, paired with those of other contenders.

use crate::record::{Measured, Pass, Sample, reading};
use crate::stats::interval::over_launches;
use crate::stats::latency::{self, Latency};
use crate::stats::paired::{self, Placed};
use crate::stats::{Estimate, centre};

/// The phases, in order.
pub const PHASES: [&str; 3] = ["before", "during", "after"];

/// The phase of the scan, as an index.
pub const DURING: usize = 1;

/// Share of the hot set from which on it counts as having stayed in memory.
pub const STAYED: f64 = 0.95;

/// What became of the hot consumers of one cell.
#[derive(Clone, Debug, PartialEq)]
pub struct Hot {
    /// Before, during and after the scan.
    pub phases: [Phase; 3],
}

/// One phase.
#[derive(Clone, Debug, PartialEq)]
pub struct Phase {
    /// Latencies of all launches together, or why there are none.
    pub latency: Result<Latency, String>,
    /// The 99th percentile of each launch, in nanoseconds.
    pub p99_ns: Vec<Placed>,
    /// The resident share of the hot set in each launch; of the phase of the scan, the least.
    pub shares: Vec<Placed>,
}

impl Hot {
    /// The hot consumers of a cell; nothing where it had none.
    #[must_use]
    pub fn of(measured: &Measured) -> Option<Hot> {
        let shares = [
            reading::HOT_RESIDENT_BYTES_BEFORE,
            reading::HOT_RESIDENT_BYTES_DURING,
            reading::HOT_RESIDENT_BYTES_AFTER,
        ];
        let phase = |(what, resident): (&str, &str)| Phase {
            latency: latencies(measured, what),
            p99_ns: p99_of_launches(measured, what),
            shares: samples(measured).filter_map(|sample| share(sample, resident)).collect(),
        };
        let mut pairs = reading::HOT_LATENCIES.into_iter().zip(shares).map(phase);
        let phases = [pairs.next()?, pairs.next()?, pairs.next()?];
        let known = |phase: &Phase| !phase.p99_ns.is_empty() || !phase.shares.is_empty();
        phases.iter().any(known).then_some(Hot { phases })
    }

    /// The phase of the scan.
    #[must_use]
    pub fn during(&self) -> &Phase {
        &self.phases[DURING]
    }
}

impl Phase {
    /// The 99th percentile, typical of the launches.
    #[must_use]
    pub fn p99(&self) -> Option<Estimate> {
        paired::typical(&self.p99_ns)
    }

    /// The resident share, as a mean over launches.
    #[must_use]
    pub fn share(&self) -> Option<Estimate> {
        let shares: Vec<f64> = self.shares.iter().map(|one| one.value).collect();
        over_launches(&shares)
    }

    /// Whether the hot set stayed, by the interval over launches; nothing where that is open.
    #[must_use]
    pub fn stayed(&self) -> Option<bool> {
        let share = self.share()?;
        if share.below(STAYED) {
            return Some(false);
        }
        share.above(STAYED).then_some(true)
    }
}

/// The median of a reading over the rounds of a cell.
#[must_use]
pub fn median(measured: &Measured, name: &str) -> Option<f64> {
    let values: Vec<f64> =
        samples(measured).filter_map(|one| one.readings.get(name)).map(|one| *one as f64).collect();
    centre::median(&values)
}

/// What a group had, as (reading, title), in bytes.
pub const MEMORY: [(&str, &str); 2] = [
    (reading::GROUP_FILE_BYTES, "Page cache of the senders"),
    (reading::GROUP_ANON_BYTES, "Own memory of the senders"),
];

fn samples(measured: &Measured) -> impl Iterator<Item = &Sample> {
    measured.samples.iter().filter(|sample| sample.pass == Pass::Timing)
}

fn share(sample: &Sample, resident: &str) -> Option<Placed> {
    let set = *sample.readings.get(reading::HOT_SET_BYTES)?;
    let value = *sample.readings.get(resident)? as f64 / set.max(1) as f64;
    Some(Placed { launch: sample.launch, turn: sample.turn, value })
}

fn latencies(measured: &Measured, what: &str) -> Result<Latency, String> {
    let ours = measured.histograms.iter().filter(|one| one.what == what);
    latency::merge(ours.map(|one| (one.encoding.as_str(), one.data.as_str())))
}

fn p99_of_launches(measured: &Measured, what: &str) -> Vec<Placed> {
    let ours = measured.histograms.iter().filter(|one| one.what == what);
    let p99 = ours.filter_map(|one| {
        let latency = latency::merge([(one.encoding.as_str(), one.data.as_str())]).ok()?;
        Some(Placed { launch: one.launch, turn: 0, value: latency.p99_ns as f64 })
    });
    p99.collect()
}
