//! How does github-action-benchmark keep a history of it?
//!
//! The tool takes one direction for each file: `smaller.json` is for `customSmallerIsBetter`,
//! `bigger.json` for `customBiggerIsBetter`. An empty list is an error to it, so a file that would
//! have none is not made. `range` and `extra` are text for people. As with Bencher, a gate's base is left out.

use super::suite::{Better, Number};
use super::{Suite, json_text};
use crate::format;
use serde_json::{Value, json};

pub(super) fn write(suite: &Suite) -> Vec<(String, String)> {
    [("smaller.json", Better::Lower), ("bigger.json", Better::Higher)]
        .into_iter()
        .filter_map(|(file, better)| {
            let entries = entries(suite, better);
            (!entries.is_empty()).then(|| (file.to_owned(), json_text(&entries)))
        })
        .collect()
}

fn entries(suite: &Suite, better: Better) -> Vec<Value> {
    let mut entries = Vec::new();
    for case in &suite.cases {
        for arm in suite.news() {
            let Some(measured) = case.measured.get(&arm.name) else { continue };
            let run = match suite.arm_key() {
                Some("run") => format!(" · run={}", arm.name),
                _ => String::new(),
            };
            let slices = match measured.slices.len() {
                0 => String::new(),
                slices => format!("\n{slices} slices"),
            };
            let extra = format!("{}{slices}", arm.label);
            let mut put = |name: &str, unit: &str, number: &Number| {
                let name = format!("{}{run} · {name}", case.id);
                entries.push(entry(&name, unit, number, &extra));
            };
            for quantity in suite.quantities.iter().filter(|one| one.better == Some(better)) {
                if let Some(number) = measured.values.get(&quantity.key) {
                    put(&quantity.name, &quantity.unit, number);
                }
            }
            for ratio in case.ratios.iter().filter(|ratio| ratio.arm == arm.name) {
                let quantity = suite.quantity(&ratio.key);
                if let Some(quantity) = quantity.filter(|one| one.better == Some(better)) {
                    let name = format!("{}, ratio to {}", quantity.name, ratio.over);
                    put(&name, "ratio", &ratio.ratio);
                }
            }
        }
    }
    entries
}

fn entry(name: &str, unit: &str, number: &Number, extra: &str) -> Value {
    let mut entry = json!({"name": name, "value": number.value, "unit": unit, "extra": extra});
    if let Some((low, high)) = number.interval() {
        let (low, high) = format::ends(low, high);
        entry["range"] = json!(format!("{low}–{high}"));
    }
    entry
}
