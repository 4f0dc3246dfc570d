//! A made-up run under memory pressure: who leaves the hot set alone is known beforehand.

use super::{Builder, Noise, encoded_histogram};
use serde_json::json;
use std::collections::BTreeMap;
use zclab_report::record::{Histogram, Line, reading};

/// Bytes of the hot set.
pub const SET: u64 = 32 << 20;

/// 99th percentile during the scan in µs, and share of the hot set that stays, by strategy.
fn model(label: &str) -> (f64, f64) {
    match label {
        "null" => (900.0, 1.0),
        "read-write" => (18_000.0, 0.34),
        "mmap-write" => (30_000.0, 0.05),
        "sendfile" => (26_000.0, 0.0),
        "direct-write depth=8" => (1_000.0, 1.0),
        _ => (24_000.0, 0.1),
    }
}

/// The run; each cell has one sample in each launch.
pub fn pressed(launches: u32) -> Builder {
    let mut builder = Builder::new();
    (builder.launches, builder.turns) = (launches, 1);
    let scenario =
        builder.scenario("consume/cold-scan", "What does a cold scan do to hot consumers?", &[]);
    builder.measure(&scenario, &|_, _| None);
    let mut noise = Noise::new(7);
    let mut added = Vec::new();
    for line in &mut builder.lines {
        match line {
            Line::Cell(cell) => cell.params.extend(params()),
            Line::Sample(sample) => {
                let label = sample.cell.split('/').nth(2).unwrap_or_default().to_owned();
                let (during_us, stays) = model(&label);
                sample.readings.extend(readings(stays));
                let luck = 1.0 + 0.05 * noise.next();
                for (what, p99_us) in reading::HOT_LATENCIES.iter().zip([400.0, during_us, 420.0]) {
                    // 980 short ones and 20 long ones: the 99th percentile is among the long ones.
                    let short = std::iter::repeat_n(90_000, 980);
                    let long = std::iter::repeat_n((p99_us * luck * 1000.0) as u64, 20);
                    added.push(Line::Histogram(Histogram {
                        cell: sample.cell.clone(),
                        launch: sample.launch,
                        what: (*what).to_owned(),
                        encoding: "hdr-v2-deflate".to_owned(),
                        data: encoded_histogram(short.chain(long)),
                    }));
                }
            }
            _ => {}
        }
    }
    let at = builder.lines.len();
    builder.lines.splice(at..at, added);
    builder.end("complete");
    builder
}

fn params() -> BTreeMap<String, serde_json::Value> {
    [
        ("pressure_memory", json!(96 << 20)),
        ("pressure_hot", json!(SET)),
        ("pressure_hot_rate", json!(1000)),
        ("pressure_hot_strategy", json!("sendfile")),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .into()
}

fn readings(stays: f64) -> BTreeMap<String, u64> {
    let least = (SET as f64 * stays) as u64;
    [
        (reading::HOT_SET_BYTES, SET),
        (reading::HOT_RESIDENT_BYTES_BEFORE, SET),
        (reading::HOT_RESIDENT_BYTES_DURING, least),
        (reading::HOT_RESIDENT_BYTES_AFTER, SET),
        (reading::HOT_READ_BYTES, SET - least),
        (reading::GROUP_REFAULTS, (SET - least) / 4096),
        (reading::GROUP_FILE_BYTES, 90 << 20),
        (reading::GROUP_ANON_BYTES, 4 << 20),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .into()
}
