//! How do hyperfine's scripts plot it?
//!
//! One result for each case and arm; a "run" is a timed slice, its time the wall clock in seconds. Two
//! things that hyperfine knows are not in a record: how a process' CPU time divides into user and
//! system, and exit codes, since a slice is no process. The first are `null`, the second an empty list.

use super::suite::{Case, Measured};
use super::{Suite, json_text};
use crate::format;
use crate::stats::{centre, spread};
use serde_json::{Value, json};

pub(super) fn write(suite: &Suite) -> String {
    let mut results = Vec::new();
    for case in &suite.cases {
        for arm in &suite.arms {
            let measured = case.measured.get(&arm.name);
            results.extend(measured.and_then(|measured| result(suite, case, &arm.name, measured)));
        }
    }
    json_text(&json!({ "results": results }))
}

fn result(suite: &Suite, case: &Case, arm: &str, measured: &Measured) -> Option<Value> {
    let times: Vec<f64> = measured.slices.iter().map(|slice| slice.wall_ns as f64 / 1e9).collect();
    let (mean, median) = (centre::mean(&times)?, centre::median(&times)?);
    let parameters =
        case.params.iter().map(|(name, value)| (name.clone(), format::parameter(name, value)));
    let mut parameters: serde_json::Map<String, Value> =
        parameters.map(|(name, value)| (name, Value::String(value))).collect();
    parameters.insert("scenario".into(), json!(case.scenario));
    parameters.insert("contender".into(), json!(case.contender));
    let mut command = case.id.clone();
    if let Some(key) = suite.arm_key() {
        command += &format!(" {key}={arm}");
        parameters.insert(key.into(), json!(arm));
    }
    Some(json!({
        "command": command,
        "mean": mean,
        "stddev": spread::deviation(&times),
        "median": median,
        "user": null,
        "system": null,
        "min": times.iter().copied().fold(f64::INFINITY, f64::min),
        "max": times.iter().copied().fold(0.0, f64::max),
        "times": times,
        "exit_codes": [],
        "parameters": parameters,
    }))
}
