//! How does critcmp compare it?
//!
//! The tree that criterion leaves below `target/criterion`: for each benchmark a folder, in it one for each
//! baseline with estimates, samples, fences and the benchmark's names. It is no public format, but
//! one that its tools have read for years. An iteration is a MiB of payload. Two benchmarks for each
//! case: `cpu`, what the measured side's CPU time was, and `wall`. A gate's base is the baseline
//! `base`, its head `new`; of several runs each is a baseline of its own, of one `new`.
//!
//! Intervals are over launches, of each launch's own statistic. From one launch there is none: then both
//! ends are the estimate, and `confidence_level` is 0.

use super::suite::{Case, Measured, Source};
use super::{Suite, json_text, shortened};
use crate::stats::{Estimate, centre, interval, spread};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

const MIB: f64 = 1024.0 * 1024.0;

/// One statistic of the times of an iteration.
type Statistic = fn(&[f64]) -> Option<f64>;

pub(super) fn write(suite: &Suite) -> Vec<(String, String)> {
    let mut files = Vec::new();
    let mut taken = BTreeSet::new();
    for case in &suite.cases {
        for what in ["cpu", "wall"] {
            let folder = unique(folder(case, what), &mut taken);
            for arm in &suite.arms {
                let baseline = match (suite.source, arm.name.as_str()) {
                    (Source::Gate, "base") => "base".to_owned(),
                    (Source::Run, id) if suite.arms.len() > 1 => component(id),
                    _ => "new".to_owned(),
                };
                let times = case.measured.get(&arm.name).map(|one| times(case, what, one));
                let Some(times) = times.filter(|times| !times.is_empty()) else { continue };
                let Some(estimates) = estimates(&times) else { continue };
                let mut put = |name: &str, value: &Value| {
                    files.push((format!("{folder}/{baseline}/{name}"), json_text(value)));
                };
                put("benchmark.json", &names(case, what, &folder));
                put("estimates.json", &estimates);
                put("sample.json", &samples(&times));
                put("tukey.json", &fences(&times));
            }
        }
    }
    files
}

/// A slice's iterations (MiB) and its time.
#[derive(Clone, Copy)]
struct Timed {
    launch: u32,
    mib: f64,
    ns: f64,
}

impl Timed {
    fn each(&self) -> f64 {
        self.ns / self.mib
    }
}

fn times(case: &Case, what: &str, measured: &Measured) -> Vec<Timed> {
    let slices = measured.slices.iter().filter(|slice| slice.payload_bytes > 0);
    slices
        .filter_map(|slice| {
            let mib = slice.payload_bytes as f64 / MIB;
            let ns = match what {
                "cpu" => slice.values.get(&case.decides)? * 1024.0 * mib,
                _ => slice.wall_ns as f64,
            };
            Some(Timed { launch: slice.launch, mib, ns })
        })
        .collect()
}

fn names(case: &Case, what: &str, folder: &str) -> Value {
    let params = case.id.rsplit('/').next().unwrap_or_default();
    json!({
        "group_id": case.scenario,
        "function_id": format!("{}/{what}", case.contender),
        "value_str": params,
        "throughput": {"Bytes": MIB as u64},
        "full_id": format!("{}/{what}", case.id),
        "directory_name": folder,
        "title": format!("{}/{what}", case.id),
    })
}

fn estimates(times: &[Timed]) -> Option<Value> {
    let spread: Statistic = |values| Some(spread::deviation(values).unwrap_or(0.0));
    let statistics: [(&str, Statistic); 4] = [
        ("mean", centre::mean),
        ("median", centre::median),
        ("median_abs_dev", spread::median_absolute_deviation),
        ("std_dev", spread),
    ];
    let mut launches: BTreeMap<u32, Vec<f64>> = BTreeMap::new();
    for time in times {
        launches.entry(time.launch).or_default().push(time.each());
    }
    let all: Vec<f64> = times.iter().map(Timed::each).collect();
    let mut estimates = serde_json::Map::new();
    for (name, statistic) in statistics {
        let own: Vec<f64> = launches.values().filter_map(|values| statistic(values)).collect();
        let over = interval::over_launches(&own);
        estimates.insert(name.into(), estimate(statistic(&all)?, &own, over));
    }
    estimates.insert("slope".into(), Value::Null);
    Some(Value::Object(estimates))
}

/// The estimate of all slices with the interval over launches, widened where it lies outside.
fn estimate(point: f64, own: &[f64], over: Option<Estimate>) -> Value {
    let interval = over.and_then(|over| over.interval);
    let (low, high) = interval.unwrap_or((point, point));
    let error = spread::deviation(own).map_or(0.0, |spread| spread / (own.len() as f64).sqrt());
    json!({
        "confidence_interval": {
            "confidence_level": if interval.is_some() { 0.95 } else { 0.0 },
            "lower_bound": low.min(point),
            "upper_bound": high.max(point),
        },
        "point_estimate": point,
        "standard_error": error,
    })
}

fn samples(times: &[Timed]) -> Value {
    let iters: Vec<f64> = times.iter().map(|time| time.mib).collect();
    let times: Vec<f64> = times.iter().map(|time| time.ns).collect();
    json!({"sampling_mode": "Flat", "iters": iters, "times": times})
}

/// Tukey's fences: 3 and 1.5 interquartile ranges outside of the quartiles.
fn fences(times: &[Timed]) -> Value {
    let each: Vec<f64> = times.iter().map(Timed::each).collect();
    let quartile = |q: f64| centre::percentile(&each, q).unwrap_or_default();
    let (low, high) = (quartile(0.25), quartile(0.75));
    let range = high - low;
    json!([low - 3.0 * range, low - 1.5 * range, high + 1.5 * range, high + 3.0 * range])
}

fn folder(case: &Case, what: &str) -> String {
    let params = case.id.rsplit('/').next().unwrap_or_default();
    let function = format!("{}_{what}", case.contender);
    [case.scenario.as_str(), &function, params].map(component).join("/")
}

/// A name that is a folder's on any system, and leads nowhere else: records come from anywhere.
fn component(text: &str) -> String {
    let fits = |c: char| c.is_ascii_alphanumeric() || "._=,+-~".contains(c);
    let name: String = text.chars().map(|c| if fits(c) { c } else { '_' }).collect();
    let name = if name.is_empty() || name.starts_with('.') { format!("_{name}") } else { name };
    shortened(&name, 64)
}

/// The same folder for no two benchmarks.
fn unique(folder: String, taken: &mut BTreeSet<String>) -> String {
    let mut name = folder.clone();
    let mut n = 1;
    while !taken.insert(name.clone()) {
        n += 1;
        name = format!("{folder}~{n}");
    }
    name
}
