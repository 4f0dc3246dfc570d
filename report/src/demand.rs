//! What did consumers get of what they asked for, and what did it take to hold so many?
//!
//! An open loop has a rate that was offered and one that was served; consumers of two classes have
//! latencies apart; thousands of connections have descriptors and memory. Each is said in a line for
//! each cell that has it, on the page and on the terminal alike.

use crate::format;
use crate::record::{Measured, Pass, Sample, reading};
use crate::stats::centre;
use crate::stats::latency::{self, Latency};
use crate::study::{Row, State, Study};
use serde_json::Value;

/// From so many consumers on it is worth saying what holding them took.
const CROWD: u64 = 100;

/// An open loop that serves less than this share of what is offered cannot keep up.
const KEPT_UP: f64 = 0.99;

/// The histograms of the classes, by what people call those.
const CLASSES: [(&str, &str); 2] =
    [("fast", "fetch_latency_fast_ns"), ("slow", "fetch_latency_slow_ns")];

/// What a cell's consumers got, or what holding them took.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Statement {
    /// The contender.
    pub label: String,
    /// The condition: `consumers 1000, driver: reactor`; empty where there is one.
    pub place: String,
    /// What there is to say.
    pub words: String,
}

impl std::fmt::Display for Statement {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.place.as_str() {
            "" => write!(f, "{}: {}", self.label, self.words),
            place => write!(f, "{} ({place}): {}", self.label, self.words),
        }
    }
}

/// The statements of a study, condition by condition; none where consumers are few, alike, and ask
/// as soon as they can.
#[must_use]
pub fn statements(study: &Study) -> Vec<Statement> {
    let mut all = Vec::new();
    for panel in &study.panels {
        for point in &panel.points {
            let x = match study.x {
                Some(_) => format!("{} {}", study.x_name(), study.x_label(point)),
                None => String::new(),
            };
            let parts = [x, panel.title()];
            let parts: Vec<&str> =
                parts.iter().map(String::as_str).filter(|part| !part.is_empty()).collect();
            for row in &point.rows {
                all.extend(of(row).into_iter().map(|words| Statement {
                    label: row.label.to_owned(),
                    place: parts.join(", "),
                    words,
                }));
            }
        }
    }
    all
}

fn of(row: &Row) -> Vec<String> {
    let Some(measured) = row.measured.filter(|_| row.state == State::Ok) else {
        return Vec::new();
    };
    [offered(measured), appended(measured), classes(measured), held(measured)]
        .into_iter()
        .flatten()
        .collect()
}

fn param(measured: &Measured, name: &str) -> Option<u64> {
    measured.cell.as_ref()?.params.get(name)?.as_u64()
}

/// Whether an open loop is served at the rate that is offered; nothing where there is no rate.
#[must_use]
pub fn keeps_up(measured: &Measured) -> Option<bool> {
    param(measured, "rate").filter(|rate| *rate > 0)?;
    kept(measured).map(|(kept, _)| kept >= KEPT_UP)
}

/// The rate that was offered, the one that was served, and how late the last fetch was.
fn offered(measured: &Measured) -> Option<String> {
    let offered = param(measured, "rate").filter(|rate| *rate > 0)? as f64;
    let (kept, late_ns) = kept(measured)?;
    Some(format!(
        "offered {}/s, served {}/s; the last fetch was accepted {} after it was due: {}",
        format::number(offered),
        format::number(offered * kept),
        format::duration(late_ns),
        verdict(kept)
    ))
}

/// The pace at which a log grew, and how far behind its end the followers were in the end.
fn appended(measured: &Measured) -> Option<String> {
    let rate = param(measured, "append_rate").filter(|rate| *rate > 0)? as f64;
    let (kept, late_ns) = kept(measured)?;
    Some(format!(
        "{}/s appended, {}/s served to each; the last fetch was accepted {} after its append was \
         due: {}",
        format::bytes(rate),
        format::bytes(rate * kept),
        format::duration(late_ns),
        verdict(kept)
    ))
}

fn verdict(kept: f64) -> &'static str {
    if kept < KEPT_UP { "it cannot keep up" } else { "it keeps up" }
}

/// The share of a schedule that was kept, and how late its last fetch was, in the middle of all samples.
fn kept(measured: &Measured) -> Option<(f64, f64)> {
    let timing = || measured.samples.iter().filter(|sample| sample.pass == Pass::Timing);
    let served = |sample: &Sample| {
        let due_ns = *sample.readings.get(reading::SCHEDULE_NS)?;
        let late_ns = *sample.readings.get(reading::LATE_NS)?;
        let taken_ns = (due_ns + late_ns).max(1) as f64;
        // What this sample's schedule asked for: at random, no two are alike.
        let planned = sample.fetches as f64 * 1e9 / due_ns.max(1) as f64;
        let kept = (sample.fetches as f64 * 1e9 / taken_ns) / planned;
        Some((kept.min(1.0), late_ns as f64))
    };
    let (kept, late): (Vec<f64>, Vec<f64>) = timing().filter_map(served).unzip();
    Some((centre::median(&kept)?, centre::median(&late)?))
}

/// Latencies of fast and of slow consumers.
fn classes(measured: &Measured) -> Option<String> {
    let said = CLASSES.map(|(class, what)| {
        let own = measured.histograms.iter().filter(|one| one.what == what);
        let pairs = own.map(|one| (one.encoding.as_str(), one.data.as_str()));
        let latency: Latency = latency::merge(pairs).ok()?;
        Some(format!(
            "{class} consumers p50 {}, p99 {}, max {}",
            format::duration(latency.p50_ns as f64),
            format::duration(latency.p99_ns as f64),
            format::duration(latency.max_ns as f64)
        ))
    });
    let said: Vec<String> = said.into_iter().flatten().collect();
    (!said.is_empty()).then(|| said.join("; "))
}

/// Descriptors and memory of a crowd.
fn held(measured: &Measured) -> Option<String> {
    let consumers = param(measured, "consumers").filter(|count| *count >= CROWD)?;
    let setup = &measured.cell.as_ref()?.setup;
    let number = |name: &str| setup.get(name).and_then(Value::as_u64);
    let bytes = |name: &str| number(name).map(|bytes| format::bytes(bytes as f64));
    let side = |side: &str| {
        let descriptors = number(&format!("{side}_descriptors"))?;
        let memory = bytes(&format!("{side}_peak_rss_bytes"))?;
        Some(format!("{side} {descriptors} descriptors, {memory} at most"))
    };
    let sockets = || {
        let before = bytes("tcp_memory_before_bytes")?;
        let peak = bytes("tcp_memory_peak_bytes")?;
        Some(format!("TCP sockets of the system {before} before, {peak} at most"))
    };
    let queue = bytes("queue_bytes_per_consumer").map(|size| format!("queue {size} for each"));
    let parts: Vec<String> =
        [side("sender"), side("receiver"), sockets(), queue].into_iter().flatten().collect();
    (!parts.is_empty()).then(|| format!("{consumers} consumers held: {}", parts.join("; ")))
}
