//! What does a program read: every cell with raw sums, derived figures, intervals and provenance?

use crate::expect::{self, Expectation, Finding, Question};
use crate::metric::Metric;
use crate::metric::kernel::Witness;
use crate::record::{Record, Sample};
use crate::stats::Estimate;
use crate::study::{self, Figure, Row, State, Study};
use crate::verdict;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// The records as one JSON value: `{"records": [{"run_id", …, "scenarios": [{…, "cells": […]}]}]}`.
/// Units stand in the keys; what is not known is `null` with a `…_reason` beside it.
#[must_use]
pub fn cmp_json(records: &[Record]) -> Value {
    let records: Vec<Value> = records
        .iter()
        .map(|record| {
            let scenarios: Vec<Value> = study::studies(record).iter().map(scenario).collect();
            json!({
                "run_id": record.run.run_id,
                "started_at": record.run.started_at,
                "revision": record.run.revision,
                "dirty": record.run.dirty,
                "complete": record.end.as_ref().is_some_and(|end| end.how == "complete"),
                "remarks": record.remarks,
                "scenarios": scenarios,
            })
        })
        .collect();
    json!({ "records": records })
}

fn scenario(study: &Study) -> Value {
    let answer = verdict::answer(study);
    let cells: Vec<Value> = rows(study)
        .into_iter()
        .map(|(params, row)| cell(&params, row).into_iter().collect())
        .collect();
    json!({
        "scenario": study.scenario.scenario,
        "question": study.scenario.question,
        "baseline": study.scenario.baseline,
        "answers": answer
            .panels
            .iter()
            .map(|panel| {
                json!({
                    "condition": panel.title,
                    "sentence": panel.sentence,
                    "against_baseline": panel.clauses,
                })
            })
            .collect::<Vec<_>>(),
        "notes": answer.notes,
        "expect": expect::verdicts(study).iter().map(expectation).collect::<Vec<_>>(),
        "cells": cells,
    })
}

/// A rule of the file, and what came of it.
fn expectation(one: &Expectation) -> Value {
    let question = |asked: &Question| {
        json!({
            "at": asked.at,
            "ratio": asked.ratio.point,
            "ratio_low": asked.ratio.interval.map(|(low, _)| low),
            "ratio_high": asked.ratio.interval.map(|(_, high)| high),
            "launches": asked.ratio.launches,
            "wanted": if asked.wants_above { "above" } else { "below" },
            "bound": asked.bound,
            "p": asked.chance,
            "p_holm": asked.corrected,
            "questions": asked.of,
        })
    };
    let finding = |found: &Finding| {
        json!({
            "condition": found.condition,
            "verdict": found.verdict.name(),
            "measured": found.measured,
            "reason": found.why,
            "value": found.value,
            "ratios": found.questions.iter().map(question).collect::<Vec<_>>(),
        })
    };
    json!({
        "rule": one.rule,
        "claim": one.claim,
        "verdict": one.verdict.name(),
        "findings": one.findings.iter().map(finding).collect::<Vec<_>>(),
    })
}

/// The records as CSV with a header line: one row for each cell, the same columns for all.
#[must_use]
pub fn cmp_csv(records: &[Record]) -> String {
    let mut rows_of_all: Vec<BTreeMap<String, String>> = Vec::new();
    let mut columns: Vec<String> = ["run_id", "scenario"].map(String::from).to_vec();
    let mut params_seen: Vec<String> = Vec::new();
    let mut fields_seen: Vec<String> = Vec::new();
    for record in records {
        for study in study::studies(record) {
            for (params, row) in rows(&study) {
                let mut fields: BTreeMap<String, String> = BTreeMap::new();
                fields.insert("run_id".into(), record.run.run_id.clone());
                fields.insert("scenario".into(), study.scenario.scenario.clone());
                for (name, value) in &params {
                    let column = format!("param_{name}");
                    if !params_seen.contains(&column) {
                        params_seen.push(column.clone());
                    }
                    fields.insert(column, text(value));
                }
                for (name, value) in cell(&BTreeMap::new(), row) {
                    if name == "params" {
                        continue;
                    }
                    if !fields_seen.contains(&name) {
                        fields_seen.push(name.clone());
                    }
                    fields.insert(name, text(&value));
                }
                rows_of_all.push(fields);
            }
        }
    }
    params_seen.sort();
    columns.extend(params_seen);
    columns.extend(fields_seen);
    let mut out = line(columns.iter().map(String::as_str));
    for fields in &rows_of_all {
        let values = columns.iter().map(|name| fields.get(name).map_or("", String::as_str));
        out += &line(values);
    }
    out
}

/// Rows with the parameters of their cells; of an unfinished cell only the axes are known.
pub(crate) fn rows<'a, 'b>(study: &'b Study<'a>) -> Vec<(BTreeMap<String, Value>, &'b Row<'a>)> {
    let mut rows = Vec::new();
    for panel in &study.panels {
        for point in &panel.points {
            for row in &point.rows {
                let known = row.measured.and_then(|measured| measured.cell.as_ref());
                let params = known.map(|cell| cell.params.clone()).unwrap_or_else(|| {
                    let x = study.x.zip(point.x).map(|(axis, value)| (axis.name.as_str(), value));
                    panel
                        .fixed
                        .iter()
                        .copied()
                        .chain(x)
                        .map(|(name, value)| (name.to_owned(), value.clone()))
                        .collect()
                });
                rows.push((params, row));
            }
        }
    }
    rows
}

/// What one side or the other is compared by; every row has all, so that columns are the same in all.
const COMPARED: [Metric; 5] =
    [Metric::SenderCpu, Metric::ReceiverCpu, Metric::TotalCpu, Metric::Throughput, Metric::CpuLeft];

/// The fields of a cell, in the order of the columns.
fn cell(params: &BTreeMap<String, Value>, row: &Row) -> Vec<(String, Value)> {
    let (status, reason) = match &row.state {
        State::Ok => ("ok", String::new()),
        State::Unfinished => ("unfinished", String::new()),
        State::Not(status, troubles) => {
            let reasons: Vec<String> = troubles.iter().map(ToString::to_string).collect();
            (status.name(), reasons.join("; "))
        }
    };
    let mut fields = Vec::new();
    let mut put = |key: &str, value: Value| fields.push((key.to_owned(), value));
    put("cell", json!(row.measured.map(|measured| measured.id.as_str())));
    put("contender", json!(row.label));
    put("baseline", json!(row.baseline));
    put("moves_the_log", json!(row.moves_the_log));
    put("status", json!(status));
    put("reason", json!(reason));
    put("params", json!(params));
    put("launches", json!(row.launches()));
    put("samples", json!(row.samples().count()));
    put("payload_bytes_sum", json!(sum(row, |sample| sample.bytes)));
    put("header_bytes_sum", json!(sum(row, |sample| sample.header_bytes)));
    put("fetches_sum", json!(sum(row, |sample| sample.fetches)));
    put("messages_sum", json!(sum(row, |sample| sample.messages)));
    put("wall_ns_sum", json!(sum(row, |sample| sample.wall_ns)));
    for metric in Metric::ALL {
        if let Some(figure) = row.figures.get(&metric) {
            put_figure(&mut put, metric.key(), figure);
        }
        if COMPARED.contains(&metric) {
            put_ratio(&mut put, metric.key(), row.ratios.get(&metric));
        }
    }
    put_kernel(&mut put, row);
    let latency = row.latency.as_ref();
    put("fetch_latency_p50_ns", json!(latency.ok().map(|one| one.p50_ns)));
    put("fetch_latency_p99_ns", json!(latency.ok().map(|one| one.p99_ns)));
    put("fetch_latency_p99_9_ns", json!(latency.ok().map(|one| one.p999_ns)));
    put("fetch_latency_max_ns", json!(latency.ok().map(|one| one.max_ns)));
    put("fetch_latency_reason", json!(latency.err()));
    put("bottleneck", json!(row.bottleneck.name()));
    fields
}

/// A sum of raw values, stuck at the largest that fits.
fn sum(row: &Row, value: fn(&Sample) -> u64) -> u64 {
    row.samples().map(value).fold(0, u64::saturating_add)
}

fn put_figure(put: &mut impl FnMut(&str, Value), key: &str, figure: &Figure) {
    let interval = figure.interval();
    put(key, json!(figure.median()));
    put(&format!("{key}_low"), json!(interval.map(|(low, _)| low)));
    put(&format!("{key}_high"), json!(interval.map(|(_, high)| high)));
    put(&format!("{key}_provenance"), json!(figure.provenance().name()));
    let reason = match figure {
        Figure::Unavailable { reason } => Some(reason),
        Figure::Known { .. } => None,
    };
    put(&format!("{key}_reason"), json!(reason));
}

/// What the kernel programs saw, the claim about copies, and what the judge says.
fn put_kernel(put: &mut impl FnMut(&str, Value), row: &Row) {
    let ledger = row.measured.and_then(|measured| measured.ledger.as_ref());
    put("claimed_copies_per_byte", json!(ledger.and_then(|one| one.cpu_copies_per_byte.predicted)));
    for witness in Witness::ALL {
        let key = witness.key();
        let figure = row.witnessed.get(&witness);
        let reason = match figure {
            Some(Figure::Unavailable { reason }) => Some(reason),
            _ => None,
        };
        put(key, json!(figure.and_then(Figure::median)));
        put(&format!("{key}_provenance"), json!(figure.map(|one| one.provenance().name())));
        put(&format!("{key}_reason"), json!(reason));
    }
    put("agreement", json!(ledger.map(|one| one.agreement)));
    put("agreement_reason", json!(ledger.and_then(|one| one.reason.as_deref())));
}

fn put_ratio(put: &mut impl FnMut(&str, Value), key: &str, ratio: Option<&Estimate>) {
    let interval = ratio.and_then(|ratio| ratio.interval);
    put(&format!("{key}_ratio_to_baseline"), json!(ratio.map(|ratio| ratio.point)));
    put(&format!("{key}_ratio_low"), json!(interval.map(|(low, _)| low)));
    put(&format!("{key}_ratio_high"), json!(interval.map(|(_, high)| high)));
    put(&format!("{key}_ratio_basis"), json!(ratio.map(|ratio| ratio.basis.name())));
}

fn text(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// One CSV line, quoted by RFC 4180 where needed.
fn line<'a>(values: impl Iterator<Item = &'a str>) -> String {
    let quoted: Vec<String> = values
        .map(|value| {
            if value.contains([',', '"', '\n', '\r']) {
                format!("\"{}\"", value.replace('"', "\"\""))
            } else {
                value.to_owned()
            }
        })
        .collect();
    quoted.join(",") + "\r\n"
}
