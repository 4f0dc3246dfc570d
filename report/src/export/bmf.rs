//! How does Bencher keep a history of it?
//!
//! Bencher Metric Format, version 0: benchmark → measure → `value`, `lower_value`, `upper_value`. It knows
//! no units, so the measure's slug ends in its unit. Two slugs are Bencher's own: `latency` is in
//! nanoseconds, and here the median fetch latency; `throughput` would be operations per second, and
//! is not used. A gate's base is not in it: it was the news of an earlier commit, under the same name.

use super::suite::Number;
use super::{Suite, json_text, shortened};
use serde_json::{Map, Value, json};

/// The longest name of a benchmark, in characters.
const NAME_CHARS_MAX: usize = 1024;

pub(super) fn write(suite: &Suite) -> String {
    let mut benchmarks = Map::new();
    for case in &suite.cases {
        for arm in suite.news() {
            let Some(measured) = case.measured.get(&arm.name) else { continue };
            let mut measures = Map::new();
            for (key, number) in &measured.values {
                measures.insert(slug(key), metric(number));
            }
            for ratio in case.ratios.iter().filter(|ratio| ratio.arm == arm.name) {
                let stem = ratio.key.split("_per_").next().unwrap_or(&ratio.key);
                let over = if ratio.over == "base" { "base" } else { "baseline" };
                let name = format!("{stem}_ratio_to_{over}");
                measures.insert(slug(&name), metric(&ratio.ratio));
            }
            if measures.is_empty() {
                continue;
            }
            let name = match (suite.arms.len(), suite.arm_key()) {
                (_, Some("run")) => format!("{} run={}", case.id, arm.name),
                _ => case.id.clone(),
            };
            benchmarks.insert(shortened(&name, NAME_CHARS_MAX), Value::Object(measures));
        }
    }
    json_text(&benchmarks)
}

/// The slug of a measure; at most 64 characters, and so are all keys.
fn slug(key: &str) -> String {
    match key {
        "fetch_latency_p50_ns" => "latency".to_owned(),
        _ => shortened(&key.replace('_', "-"), 64),
    }
}

fn metric(number: &Number) -> Value {
    match number.interval() {
        Some((low, high)) => {
            json!({"value": number.value, "lower_value": low, "upper_value": high})
        }
        None => json!({"value": number.value}),
    }
}
