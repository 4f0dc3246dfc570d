//! How do HdrHistogram's tools read the latencies?
//!
//! An interval log, version 1.3: a line for each distribution of a launch, tagged with its cell, what
//! was measured, and its arm. Histograms are V2, compressed, as the readers in Java and Python want
//! them. A record does not say when a launch began, only how long its slices took: so stamps count
//! timed seconds, one launch after another, from the start of the run, and a comment says so. The
//! third field is the largest value in milliseconds, as the format has it.

use super::Suite;
use super::suite::{Distribution, Measured};
use crate::stats::latency;
use hdrhistogram::serialization::V2DeflateSerializer;
use hdrhistogram::serialization::interval_log::{IntervalLogWriterBuilder, Tag};
use std::time::{Duration, SystemTime};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

const NS_PER_MS: f64 = 1e6;

pub(super) fn write(suite: &Suite) -> String {
    let mut serializer = V2DeflateSerializer::new();
    let mut bytes = Vec::new();
    let mut builder = IntervalLogWriterBuilder::new();
    builder.add_comment("[Histogram log format version 1.3]");
    builder.add_comment(
        "Stamps count timed seconds, one launch after another, since the start; values are ns.",
    );
    builder.with_max_value_divisor(NS_PER_MS);
    let start = suite.arms.first().and_then(|arm| moment(&arm.started_at));
    if let Some(start) = start {
        builder.with_start_time(start).with_base_time(start);
    }
    // Writing into memory does not fail; were it to, the log would end early and say nothing false.
    let Ok(mut log) = builder.begin_log_with(&mut bytes, &mut serializer) else {
        return String::new();
    };
    let mut stamp = Duration::ZERO;
    for case in &suite.cases {
        for arm in &suite.arms {
            let Some(measured) = case.measured.get(&arm.name) else { continue };
            let arm = suite.arm_key().map(|key| format!(";{key}={}", arm.name));
            for launch in launches(measured) {
                let took = duration(measured, launch);
                for one in measured.latencies.iter().filter(|one| one.launch == launch) {
                    let name = format!("{};{}{}", case.id, one.what, arm.as_deref().unwrap_or(""));
                    let name = tag(&name);
                    // What cannot be decoded is named in a comment, not left out in silence.
                    let _ = match decoded(one) {
                        Ok(histogram) => {
                            log.write_histogram(&histogram, stamp, took, Tag::new(&name)).is_ok()
                        }
                        Err(why) => log.write_comment(&format!("{name}: {why}")).is_ok(),
                    };
                }
                stamp += took;
            }
        }
    }
    drop(log);
    String::from_utf8(bytes).unwrap_or_default()
}

fn decoded(one: &Distribution) -> Result<hdrhistogram::Histogram<u64>, String> {
    latency::decode("hdr-v2-deflate", &one.data)
}

fn moment(text: &str) -> Option<SystemTime> {
    OffsetDateTime::parse(text, &Rfc3339).ok().map(SystemTime::from)
}

/// The launches that have a distribution, in order.
fn launches(measured: &Measured) -> Vec<u32> {
    let mut launches: Vec<u32> = measured.latencies.iter().map(|one| one.launch).collect();
    launches.sort_unstable();
    launches.dedup();
    launches
}

fn duration(measured: &Measured, launch: u32) -> Duration {
    let slices = measured.slices.iter().filter(|slice| slice.launch == launch);
    Duration::from_nanos(slices.map(|slice| slice.wall_ns).fold(0, u64::saturating_add))
}

/// A tag has no comma, no space, no line end.
fn tag(text: &str) -> String {
    let fits = |c: char| !c.is_whitespace() && !c.is_control() && c != ',';
    text.chars()
        .map(|c| {
            if fits(c) {
                c
            } else if c == ',' {
                ';'
            } else {
                '_'
            }
        })
        .collect()
}
