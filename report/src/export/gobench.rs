//! How does benchstat compare it?
//!
//! Go's benchmark format: a line for each slice, with the parameters as `/key=value`, so that
//! `benchstat -col /arm` sets a gate's head against its base, and `-col /contender` one contender against
//! another. Parameters that are the same throughout are configuration lines. An operation is a fetch. Counts
//! and percentiles, which a slice does not have, follow on a line of their own; a gate's counts are declared
//! exact. `MB` is Go's million bytes.

use super::Suite;
use super::suite::{Better, Case, Measured, Quantity};
use crate::format;
use crate::metric::Metric;
use serde_json::Value;
use std::collections::BTreeMap;

pub(super) fn write(suite: &Suite) -> String {
    let cases: Vec<&Case> = suite.cases.iter().collect();
    let varying = Suite::varying(&cases);
    let mut out = String::from("goos: linux\n");
    for (name, value) in configuration(suite) {
        out += &format!("{name}: {value}\n");
    }
    out += "Unit ns/op better=lower\nUnit MB/s better=higher\n";
    for quantity in suite.quantities.iter().filter(|one| one.key != Metric::Throughput.key()) {
        let better = match quantity.better {
            Some(Better::Lower) => " better=lower",
            Some(Better::Higher) => " better=higher",
            None => "",
        };
        let exact = if quantity.exact { " assume=exact" } else { "" };
        if !better.is_empty() || quantity.exact {
            out += &format!("Unit {}{better}{exact}\n", unit(&quantity.key));
        }
    }
    let cpus = suite.arms.iter().find_map(|arm| arm.machine.get("cpus")?.as_u64()).unwrap_or(1);
    for case in &suite.cases {
        for arm in &suite.arms {
            let Some(measured) = case.measured.get(&arm.name) else { continue };
            let arm = suite.arm_key().map(|key| format!("/{key}={}", word(&arm.name)));
            let arm = arm.unwrap_or_default();
            let name = format!("{}{arm}-{cpus}", name(case, &varying));
            out += &lines(&name, measured, &suite.quantities);
        }
    }
    out
}

/// What is the same throughout: facts of the machine, and parameters that do not vary.
fn configuration(suite: &Suite) -> BTreeMap<String, String> {
    let mut facts = BTreeMap::new();
    let mut put = |name: &str, value: String| {
        let name = word(name).to_lowercase().replace('_', "-");
        if name.starts_with(|first: char| first.is_ascii_lowercase()) {
            facts.insert(name, value.split_whitespace().collect::<Vec<_>>().join(" "));
        }
    };
    for (name, value) in suite.cases.first().into_iter().flat_map(|case| &case.params) {
        if suite.cases.iter().all(|case| case.params.get(name) == Some(value)) {
            put(name, format::parameter(name, value));
        }
    }
    for fact in ["kernel", "cpu_model", "filesystem"] {
        let all: Vec<_> = suite.arms.iter().map(|arm| arm.machine.get(fact)).collect();
        let same = all.windows(2).all(|two| two[0] == two[1]);
        if let Some(Some(Value::String(value))) = all.first().filter(|_| same) {
            put(if fact == "cpu_model" { "cpu" } else { fact }, value.clone());
        }
    }
    facts
}

/// `BenchmarkQuick_size/contender=sendfile/fetch=4KiB`.
fn name(case: &Case, varying: &[String]) -> String {
    let scenario = word(&case.scenario);
    let mut letters = scenario.chars();
    let first = letters.next().map(|first| first.to_ascii_uppercase()).unwrap_or('_');
    let mut name =
        format!("Benchmark{first}{}/contender={}", letters.as_str(), word(&case.contender));
    for key in varying {
        if let Some(value) = case.params.get(key) {
            let value = format::parameter(key, value).replace(' ', "");
            name += &format!("/{}={}", word(key), word(&value));
        }
    }
    name
}

/// A part of a name: no white space, no `/`, nothing that is not printable ASCII.
fn word(text: &str) -> String {
    let fits = |c: char| c.is_ascii_graphic() && c != '/' && c != ':';
    text.chars().map(|c| if fits(c) { c } else { '_' }).collect()
}

/// The unit of a key, in Go's way: `sender_cpu_ns_per_kib` is `sender-cpu-ns/KiB`.
fn unit(key: &str) -> String {
    let (name, per) = key.split_once("_per_").unwrap_or((key, ""));
    let per = per.replace("kib", "KiB").replace("mib", "MiB");
    let slash = if per.is_empty() { "" } else { "/" };
    format!("{}{slash}{per}", name.replace('_', "-"))
}

fn lines(name: &str, measured: &Measured, quantities: &[Quantity]) -> String {
    let mut out = String::new();
    let sampled = |key: &str| measured.slices.iter().any(|slice| slice.values.contains_key(key));
    let others: Vec<&Quantity> =
        quantities.iter().filter(|one| one.key != Metric::Throughput.key()).collect();
    for slice in &measured.slices {
        let mut line = format!("{name} {}", slice.fetches.max(1));
        if slice.fetches > 0 {
            line += &format!(" {} ns/op", slice.wall_ns as f64 / slice.fetches as f64);
        }
        if slice.wall_ns > 0 {
            let rate = slice.payload_bytes as f64 / 1e6 / (slice.wall_ns as f64 / 1e9);
            line += &format!(" {rate} MB/s");
        }
        for quantity in others.iter().filter(|one| !one.exact) {
            if let Some(value) = slice.values.get(&quantity.key) {
                line += &format!(" {value} {}", unit(&quantity.key));
            }
        }
        out += &line;
        out.push('\n');
    }
    let once: Vec<String> = others
        .iter()
        .filter(|one| one.exact || !sampled(&one.key))
        .filter_map(|one| Some((one, measured.values.get(&one.key)?)))
        .map(|(one, number)| format!(" {} {}", number.value, unit(&one.key)))
        .collect();
    if !once.is_empty() {
        out += &format!("{name} 1{}\n", once.concat());
    }
    out
}
