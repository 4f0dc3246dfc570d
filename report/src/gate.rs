//! Did the head get worse than the base?
//!
//! A gate compares two programs (base and head), two strategies, or a program with stored counts.
//! [`record`] is what it writes while it measures; everything that it says follows from that alone.
//! The types here are what is said: [`Report`] has one [`CellReport`] for each cell, with the exact
//! tier ([`Exact`]: counts, which need no statistics) and the timing tier ([`Timing`]: paired ratios
//! of sender CPU per byte, an A/A control beside them). [`report`] makes them of a record;
//! [`needs_second`] and [`needs_captures`] say what should be measured once more before that.

mod advisory;
mod exact;
mod facts;
mod judge;
pub mod power;
mod reader;
pub mod record;
mod sentence;
pub mod shown;
pub mod timing;
mod words;

pub use exact::key;
pub use judge::{needs_captures, report};
pub use timing::needs_second;

use crate::record::Status;
use crate::stats::Estimate;
use serde_json::Value;
use std::collections::BTreeMap;

/// What a gate, or one cell or tier of it, comes to. Ordered: the worst is the greatest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// The head is better, beyond doubt.
    Improvement,
    /// The head is not worse by more than the margin, beyond doubt.
    Pass,
    /// Neither can be said from what was measured.
    Inconclusive,
    /// The measurement itself cannot be trusted: the A/A control "regressed", or a condition could not be proven.
    Invalid,
    /// The head is worse, beyond margin, floor and doubt, and was so again in fresh processes.
    Regression,
}

impl Verdict {
    /// All, from the best to the worst.
    pub const ALL: [Verdict; 5] = [
        Verdict::Improvement,
        Verdict::Pass,
        Verdict::Inconclusive,
        Verdict::Invalid,
        Verdict::Regression,
    ];

    /// The name in exports and on pages.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Verdict::Improvement => "improvement",
            Verdict::Pass => "pass",
            Verdict::Inconclusive => "inconclusive",
            Verdict::Invalid => "invalid",
            Verdict::Regression => "regression",
        }
    }

    /// The program's exit code. What could not run at all is 2, and no verdict.
    #[must_use]
    pub fn exit_code(self, undecided: Undecided) -> u8 {
        match self {
            Verdict::Improvement | Verdict::Pass => 0,
            Verdict::Regression => 1,
            Verdict::Inconclusive | Verdict::Invalid => match undecided {
                Undecided::Fail => 1,
                Undecided::Pass => 0,
                Undecided::Own => 3,
            },
        }
    }
}

/// What it means for the exit code that a gate is inconclusive or invalid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Undecided {
    /// As a regression.
    Fail,
    /// As a pass.
    Pass,
    /// A code of its own.
    Own,
}

/// Everything that a gate has to say.
#[derive(Clone, Debug)]
pub struct Report<'a> {
    /// What was recorded.
    pub record: &'a record::Record,
    /// The worst of the cells.
    pub verdict: Verdict,
    /// The verdict in one sentence.
    pub sentence: String,
    /// One for each cell, in the record's order.
    pub cells: Vec<CellReport<'a>>,
}

/// What is said of one cell.
#[derive(Clone, Debug)]
pub struct CellReport<'a> {
    /// Its id.
    pub cell: &'a str,
    /// Its scenario's name.
    pub scenario: &'a str,
    /// The contender's label.
    pub label: &'a str,
    /// Its parameters.
    pub params: &'a BTreeMap<String, Value>,
    /// What became of it in both arms: the worse of the two.
    pub status: Status,
    /// Why it is not `ok`.
    pub reasons: &'a [String],
    /// The counts, compared; empty with a reason in `exact_missing`.
    pub exact: Vec<Exact>,
    /// What has to be the same for both, in words: the strategy really used, how bytes were verified.
    pub facts: Vec<Fact>,
    /// Why counts were not compared, where they were not.
    pub exact_missing: Option<String>,
    /// The judged metric, or why it was not judged.
    pub timing: Result<Timing, String>,
    /// Other metrics, shown but never judged.
    pub advisory: Vec<Advisory>,
    /// The worst of the tiers.
    pub verdict: Verdict,
    /// A plain sentence for each thing that was found.
    pub sentences: Vec<String>,
}

/// One fact of base and head.
#[derive(Clone, Debug, PartialEq)]
pub struct Fact {
    /// Its name: `strategy`, `verified`, `agreement`.
    pub name: String,
    /// What was so for the base.
    pub base: Option<String>,
    /// What was so for the head.
    pub head: Option<String>,
    /// What it comes to.
    pub verdict: Verdict,
    /// Why, where it is no `pass`.
    pub reason: Option<String>,
}

/// One count of base and head.
#[derive(Clone, Debug, PartialEq)]
pub struct Exact {
    /// Its name, unit at the end: `syscalls_per_mib`, `cpu_copies_per_byte`.
    pub name: String,
    /// The base's value.
    pub base: Option<f64>,
    /// The head's value.
    pub head: Option<f64>,
    /// By how much the head may exceed the base before it counts as worse.
    pub slack: f64,
    /// What it comes to.
    pub verdict: Verdict,
    /// Why nothing could be said, where that is so.
    pub reason: Option<String>,
}

/// The judged metric: sender CPU per KiB, head over base.
#[derive(Clone, Debug, PartialEq)]
pub struct Timing {
    /// The launches that every cell has.
    pub first: Judged,
    /// As many again in fresh processes, where the first ones did not pass.
    pub second: Option<Judged>,
    /// All launches together: the first ones where there are no others.
    pub all: Judged,
    /// What they come to.
    pub verdict: Verdict,
}

/// What one set of launches says.
#[derive(Clone, Debug, PartialEq)]
pub struct Judged {
    /// Head over base, with the interval over launches.
    pub ratio: Estimate,
    /// The second copy of the base over the first: the A/A control.
    pub control: Estimate,
    /// Head over base and control over base of each launch, in order.
    pub launches: Vec<Launch>,
    /// Permutation test over launches, two-sided.
    pub p: f64,
    /// The same, corrected for the number of cells by Holm's method.
    pub p_holm: f64,
    /// What the control shows that this machine can produce from nothing: a ratio, at least 1.
    pub floor: f64,
    /// What is tolerated: a ratio, at least 1.
    pub margin: f64,
    /// The smallest ratio that this gate would have called a regression in 8 of 10 runs; absent where
    /// none would have been, as with too few launches.
    pub smallest_seen: Option<f64>,
    /// Launches with which, by the spread that was measured, `smallest_seen` would be one per cent
    /// beyond the margin; absent where no number of them that anybody would wait for is enough.
    pub launches_wanted: Option<u32>,
    /// Typical sender CPU of base and head, ns per KiB.
    pub values: (Option<f64>, Option<f64>),
    /// What it comes to.
    pub verdict: Verdict,
}

/// Mid-means of one launch's paired ratios.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Launch {
    /// Which launch.
    pub launch: u32,
    /// Head over base.
    pub head: f64,
    /// Control over base.
    pub control: f64,
    /// Turns behind it.
    pub turns: usize,
}

/// A metric that is shown beside the judged one.
#[derive(Clone, Debug, PartialEq)]
pub struct Advisory {
    /// Its key, as in exports: `total_cpu_ns_per_kib`, `throughput_mib_per_s`, `fetch_latency_p99_ns`.
    pub metric: String,
    /// Its name on pages.
    pub name: String,
    /// Head over base.
    pub ratio: Option<Estimate>,
    /// Typical values of base and head.
    pub values: (Option<f64>, Option<f64>),
    /// Whether less is better.
    pub less_is_better: bool,
}
