//! What has every comparison in common, whoever made it?
//!
//! A [`Suite`] has cases (cells), and for each the arms that were measured: base and head of a gate, or
//! the runs that are compared. Every number is finite; what is not known is not there. The format
//! `json` is this and nothing else, so the names here are relied on by other tools.

mod of_gate;
mod of_runs;

use crate::metric::Metric;
use crate::stats::Estimate;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// The version of this format.
pub const SCHEMA: u32 = 1;

/// Everything that is exported.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct Suite {
    /// [`SCHEMA`].
    pub schema: u32,
    /// What made it.
    pub source: Source,
    /// What the whole comes to; absent for runs, which judge nothing.
    pub conclusion: Option<Check>,
    /// What the cases have values of; the order of columns.
    pub arms: Vec<Arm>,
    /// The quantities, in the order of columns.
    pub quantities: Vec<Quantity>,
    /// The cases, in the record's order.
    pub cases: Vec<Case>,
    /// Sentences about several cases.
    pub statements: Vec<Statement>,
}

/// What made a suite.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Source {
    /// A gate: its arms are `base` and `head`.
    Gate,
    /// Runs: an arm each, named by its id.
    Run,
}

/// One of the things that are compared.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct Arm {
    /// Its name: `base`, `head`, or the id of a run.
    pub name: String,
    /// What it is: a revision, a path, a strategy; the revision of a run.
    pub label: String,
    /// RFC 3339, UTC.
    pub started_at: String,
    /// Facts of the machine, as the record has them.
    pub machine: BTreeMap<String, Value>,
}

/// A quantity, and which way is better.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct Quantity {
    /// Its name in the other fields, unit included.
    pub key: String,
    /// Its name for people.
    pub name: String,
    /// Its unit.
    pub unit: String,
    /// Which way is better; absent where neither is.
    pub better: Option<Better>,
    /// Whether it is a count that does not vary, so that one value says all.
    pub exact: bool,
}

/// Which way is better.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Better {
    /// Less is.
    Lower,
    /// More is.
    Higher,
}

/// One cell.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct Case {
    /// The cell's id.
    pub id: String,
    /// Its scenario.
    pub scenario: String,
    /// The contender.
    pub contender: String,
    /// Its parameters.
    pub params: BTreeMap<String, Value>,
    /// The key of the quantity that decides: CPU time of the measured side.
    pub decides: String,
    /// What was measured, by the arm's name.
    pub measured: BTreeMap<String, Measured>,
    /// Paired ratios.
    pub ratios: Vec<Ratio>,
    /// What it comes to; absent where nothing is judged as a whole, as in a run.
    pub conclusion: Option<Check>,
    /// What was judged.
    pub checks: Vec<Check>,
    /// What is said of it in plain words.
    pub sentences: Vec<String>,
}

/// What was measured of one arm of a case.
#[derive(Clone, Debug, Default, PartialEq, Serialize, JsonSchema)]
pub struct Measured {
    /// Values by key.
    pub values: BTreeMap<String, Number>,
    /// The timed slices, in order.
    pub slices: Vec<Slice>,
    /// Latency distributions.
    pub latencies: Vec<Distribution>,
}

/// A value and its 95 % interval, where there is one.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, JsonSchema)]
pub struct Number {
    /// The median of the slices, or what was counted once.
    pub value: f64,
    /// The interval's lower end.
    pub low: Option<f64>,
    /// The interval's upper end.
    pub high: Option<f64>,
}

/// One timed slice.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct Slice {
    /// Which set of children.
    pub launch: u32,
    /// Which turn of the launch.
    pub turn: u32,
    /// Payload bytes.
    pub payload_bytes: u64,
    /// Fetches.
    pub fetches: u64,
    /// From the first call until the receiver had counted the last byte.
    pub wall_ns: u64,
    /// Values by key.
    pub values: BTreeMap<String, f64>,
}

/// How long fetches took.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct Distribution {
    /// What was measured: `fetch_latency_ns`.
    pub what: String,
    /// Which set of children.
    pub launch: u32,
    /// HdrHistogram V2, compressed, in base64.
    pub data: String,
}

/// One arm or contender over another, paired.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct Ratio {
    /// Of which quantity.
    pub key: String,
    /// Over what: `base`, or the baseline's label.
    pub over: String,
    /// Of which arm.
    pub arm: String,
    /// The ratio and its interval.
    #[serde(flatten)]
    pub ratio: Number,
    /// Whether it was judged, or is only shown.
    pub judged: bool,
}

/// Something that was judged.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct Check {
    /// What.
    pub name: String,
    /// Of which arm; absent where arms are compared.
    pub arm: Option<String>,
    /// What it comes to.
    pub outcome: Outcome,
    /// The verdict's own word: `pass`, `regression`, `unsupported`.
    pub word: String,
    /// Why.
    pub sentence: String,
}

/// What a check comes to. Ordered: the worst is the greatest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// All is well.
    Passed,
    /// Better than before.
    Improved,
    /// Nothing can be said.
    Skipped,
    /// The measurement cannot be trusted.
    Errored,
    /// Worse than before, or failed.
    Failed,
}

/// Sentences about several cases.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct Statement {
    /// Of which scenario.
    pub scenario: String,
    /// Of which arm.
    pub arm: String,
    /// Under which condition; empty for all.
    pub condition: String,
    /// The sentences.
    pub sentences: Vec<String>,
}

impl Number {
    /// A value without an interval; none where it is not finite.
    #[must_use]
    pub fn exact(value: f64) -> Option<Number> {
        Number::new(value, None)
    }

    /// A value and its interval; none where the value is not finite.
    #[must_use]
    pub fn new(value: f64, interval: Option<(f64, f64)>) -> Option<Number> {
        let finite = interval.filter(|(low, high)| low.is_finite() && high.is_finite());
        let (low, high) = finite.unzip();
        value.is_finite().then_some(Number { value, low, high })
    }

    fn of(estimate: &Estimate) -> Option<Number> {
        Number::new(estimate.point, estimate.interval)
    }

    /// Both ends of the interval.
    #[must_use]
    pub fn interval(&self) -> Option<(f64, f64)> {
        self.low.zip(self.high)
    }
}

impl Quantity {
    fn of(metric: Metric) -> Quantity {
        let better = if metric.less_is_better() { Better::Lower } else { Better::Higher };
        Quantity::new(metric.key(), metric.title(), metric.unit(), Some(better))
    }

    fn new(key: &str, name: &str, unit: &str, better: Option<Better>) -> Quantity {
        let [key, name, unit] = [key, name, unit].map(str::to_owned);
        Quantity { key, name, unit, better, exact: false }
    }
}

impl Case {
    /// What it comes to: its conclusion, or else the worst of its checks.
    #[must_use]
    pub fn outcome(&self) -> Outcome {
        let worst = self.checks.iter().map(|check| check.outcome).max();
        let concluded = self.conclusion.as_ref().map(|check| check.outcome);
        concluded.or(worst).unwrap_or(Outcome::Skipped)
    }
}

impl Suite {
    /// The arms whose numbers belong into a history: a gate's head alone, since its base is in there.
    pub fn news(&self) -> impl Iterator<Item = &Arm> {
        self.arms.iter().filter(|arm| self.source == Source::Run || arm.name == "head")
    }

    /// What tells arms apart in names: `arm` or `run`; none where there is but one.
    #[must_use]
    pub fn arm_key(&self) -> Option<&'static str> {
        match self.source {
            _ if self.arms.len() < 2 => None,
            Source::Gate => Some("arm"),
            Source::Run => Some("run"),
        }
    }

    /// The scenarios, in order.
    #[must_use]
    pub fn scenarios(&self) -> Vec<&str> {
        let mut names: Vec<&str> = Vec::new();
        for case in &self.cases {
            if !names.contains(&case.scenario.as_str()) {
                names.push(&case.scenario);
            }
        }
        names
    }

    /// The parameters that tell cases of one contender and scenario apart. Options that only differ
    /// between contenders are not among them: they would keep apart what is to be compared.
    #[must_use]
    pub fn varying(cases: &[&Case]) -> Vec<String> {
        let mut values: BTreeMap<(&str, &str, &str), &Value> = BTreeMap::new();
        let mut varying = BTreeSet::new();
        for case in cases {
            for (name, value) in &case.params {
                let place = (case.scenario.as_str(), case.contender.as_str(), name.as_str());
                if values.insert(place, value).is_some_and(|before| before != value) {
                    varying.insert(name.clone());
                }
            }
        }
        varying.into_iter().collect()
    }

    /// How many checks came to this.
    #[must_use]
    pub fn count(&self, outcome: Outcome) -> usize {
        self.cases.iter().flat_map(|case| &case.checks).filter(|c| c.outcome == outcome).count()
    }

    /// The quantity of a key.
    #[must_use]
    pub fn quantity(&self, key: &str) -> Option<&Quantity> {
        self.quantities.iter().find(|quantity| quantity.key == key)
    }
}

/// Name and unit of a count from its key: `cpu_copied_bytes_per_byte` is "cpu copied bytes", per byte.
fn parts_of(key: &str) -> (String, String) {
    let (name, unit) = match key.rsplit_once("_per_") {
        Some((name, "mib")) => (name, "per MiB"),
        Some((name, "kib")) => (name, "per KiB"),
        Some((name, "byte")) => (name, "per byte"),
        Some((name, "fetch")) => (name, "per fetch"),
        Some((name, "call")) => (name, "per call"),
        _ if key.ends_with("_bytes") => (key, "bytes"),
        _ if key.ends_with("_ns") => (key, "ns"),
        _ => (key, "count"),
    };
    (name.replace('_', " "), unit.to_owned())
}
