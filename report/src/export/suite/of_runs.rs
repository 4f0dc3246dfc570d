//! What do runs say, as cases and arms?
//!
//! Each run is an arm; cells with the same id are one case. Runs judge no number: what is checked is
//! that a cell came to a result, and that nothing contradicts its claim.

use super::{
    Arm, Better, Case, Check, Distribution, Measured, Number, Outcome, Quantity, Ratio, SCHEMA,
    Slice, Source, Statement, Suite,
};
use crate::metric::Metric;
use crate::metric::kernel::Witness;
use crate::record::{Agreement, Record, Status};
use crate::study::{self, Row, State, Study};
use crate::{table, verdict};
use serde_json::Value;
use std::collections::BTreeMap;

impl Suite {
    /// The suite of runs.
    #[must_use]
    pub fn of_runs(records: &[Record]) -> Suite {
        let mut suite = Suite {
            schema: SCHEMA,
            source: Source::Run,
            conclusion: None,
            arms: Vec::new(),
            quantities: quantities(),
            cases: Vec::new(),
            statements: Vec::new(),
        };
        for record in records {
            let run = &record.run;
            // The same record twice is two arms all the same.
            let again = suite.arms.iter().filter(|arm| arm.label_of_run(&run.run_id)).count();
            let name = match again {
                0 => run.run_id.clone(),
                n => format!("{}~{}", run.run_id, n + 1),
            };
            suite.arms.push(Arm {
                name: name.clone(),
                label: run.revision.clone(),
                started_at: run.started_at.clone(),
                machine: run.machine.clone(),
            });
            for study in study::studies(record) {
                suite.statements.extend(statements(&study, &name));
                for (params, row) in table::rows(&study) {
                    add(&mut suite.cases, &study, params, row, &name);
                }
            }
        }
        let measured = |key: &str| {
            let mut all = suite.cases.iter().flat_map(|case| case.measured.values());
            all.any(|measured| measured.values.contains_key(key))
        };
        let quantities = suite.quantities.iter().filter(|one| measured(&one.key)).cloned();
        suite.quantities = quantities.collect();
        suite
    }
}

impl Arm {
    fn label_of_run(&self, run_id: &str) -> bool {
        self.name.split('~').next() == Some(run_id)
    }
}

/// Everything that a run can have measured.
fn quantities() -> Vec<Quantity> {
    let better = |witness: &Witness| match witness {
        Witness::WireLog => Some(Better::Higher),
        Witness::WirePrivate | Witness::WireOther | Witness::Submitted | Witness::Fill => None,
        _ => Some(Better::Lower),
    };
    let witnesses = Witness::ALL.iter().map(|witness| {
        let name = format!("{} (observed)", witness.title());
        Quantity::new(witness.key(), &name, witness.unit(), better(witness))
    });
    let latencies =
        LATENCIES.iter().map(|(key, name)| Quantity::new(key, name, "ns", Some(Better::Lower)));
    Metric::ALL.into_iter().map(Quantity::of).chain(witnesses).chain(latencies).collect()
}

/// Key and name of what is taken from latency distributions.
pub(super) const LATENCIES: [(&str, &str); 4] = [
    ("fetch_latency_p50_ns", "Fetch latency, median"),
    ("fetch_latency_p99_ns", "Fetch latency, 99 %"),
    ("fetch_latency_p99_9_ns", "Fetch latency, 99.9 %"),
    ("fetch_latency_max_ns", "Fetch latency, slowest"),
];

fn statements(study: &Study, arm: &str) -> Vec<Statement> {
    let answer = verdict::answer(study);
    let said = |condition: &str, sentences: Vec<String>| Statement {
        scenario: study.scenario.scenario.clone(),
        arm: arm.to_owned(),
        condition: condition.to_owned(),
        sentences,
    };
    let panels = answer.panels.iter().map(|panel| said(&panel.title, vec![panel.sentence.clone()]));
    let notes = (!answer.notes.is_empty()).then(|| said("", answer.notes.clone()));
    panels.chain(notes).collect()
}

fn add(cases: &mut Vec<Case>, study: &Study, params: Params, row: &Row, arm: &str) {
    let scenario = &study.scenario.scenario;
    let id =
        row.measured.map_or_else(|| unfinished(scenario, row.label, &params), |m| m.id.clone());
    let known = cases.iter().position(|case| case.id == id).unwrap_or_else(|| {
        cases.push(Case {
            id,
            scenario: scenario.clone(),
            contender: row.label.to_owned(),
            params,
            decides: row.side.cpu().key().to_owned(),
            measured: BTreeMap::new(),
            ratios: Vec::new(),
            conclusion: None,
            checks: Vec::new(),
            sentences: Vec::new(),
        });
        cases.len() - 1
    });
    let case = &mut cases[known];
    case.measured.insert(arm.to_owned(), measured(row));
    case.checks.extend(checks(row, arm));
    if !row.baseline {
        case.ratios.extend(row.ratios.iter().filter_map(|(metric, estimate)| {
            Some(Ratio {
                key: metric.key().to_owned(),
                over: study.scenario.baseline.clone(),
                arm: arm.to_owned(),
                ratio: Number::of(estimate)?,
                judged: false,
            })
        }));
    }
}

type Params = BTreeMap<String, Value>;

/// The id that a cell without a line would have, as far as it is known.
fn unfinished(scenario: &str, label: &str, params: &Params) -> String {
    let params: Vec<String> =
        params.iter().map(|(name, value)| format!("{name}={value}")).collect();
    format!("{scenario}/{label}/{}", params.join(",")).replace('"', "")
}

fn measured(row: &Row) -> Measured {
    if row.state != State::Ok {
        return Measured::default();
    }
    let figures = row.figures.iter().map(|(metric, figure)| (metric.key(), figure));
    let witnessed = row.witnessed.iter().map(|(witness, figure)| (witness.key(), figure));
    let numbers = figures.chain(witnessed).filter_map(|(key, figure)| {
        Some((key.to_owned(), Number::new(figure.median()?, figure.interval())?))
    });
    let mut values: BTreeMap<String, Number> = numbers.collect();
    if let Ok(latency) = &row.latency {
        let all = [latency.p50_ns, latency.p99_ns, latency.p999_ns, latency.max_ns];
        let numbers = LATENCIES.iter().zip(all);
        values.extend(
            numbers
                .filter_map(|((key, _), ns)| Some(((*key).to_owned(), Number::exact(ns as f64)?))),
        );
    }
    let slices = row.samples().map(|sample| Slice {
        launch: sample.launch,
        turn: sample.turn,
        payload_bytes: sample.bytes,
        fetches: sample.fetches,
        wall_ns: sample.wall_ns,
        values: Metric::ALL
            .into_iter()
            .filter_map(|metric| Some((metric.key().to_owned(), metric.of(sample).ok()?.0)))
            .filter(|(_, value)| value.is_finite())
            .collect(),
    });
    let histograms = row.measured.iter().flat_map(|measured| &measured.histograms);
    let latencies = histograms.filter(|one| one.encoding == "hdr-v2-deflate").map(|one| {
        let (what, launch, data) = (one.what.clone(), one.launch, one.data.clone());
        Distribution { what, launch, data }
    });
    Measured { values, slices: slices.collect(), latencies: latencies.collect() }
}

/// That there is a result, and that nothing contradicts what is claimed of the path.
fn checks(row: &Row, arm: &str) -> Vec<Check> {
    let check = |name: &str, outcome: Outcome, word: &str, sentence: String| Check {
        name: name.to_owned(),
        arm: Some(arm.to_owned()),
        outcome,
        word: word.to_owned(),
        sentence,
    };
    let mut checks = vec![match &row.state {
        State::Ok => check("result", Outcome::Passed, "ok", String::new()),
        State::Unfinished => {
            let why = "the run ended before the cell was over".to_owned();
            check("result", Outcome::Skipped, "unfinished", why)
        }
        State::Not(status, troubles) => {
            let why: Vec<String> = troubles.iter().map(ToString::to_string).collect();
            check("result", outcome_of(*status), status.name(), why.join("; "))
        }
    }];
    let claims = row.measured.filter(|_| row.state == State::Ok).into_iter().flat_map(|measured| {
        let ledger = measured.ledger.iter().map(|one| ("copies", one.agreement, &one.reason));
        let aliasing = measured.aliasing.iter().map(|one| ("aliasing", one.verdict, &one.reason));
        ledger.chain(aliasing)
    });
    checks.extend(claims.map(|(name, agreement, reason)| {
        let (outcome, word) = match agreement {
            Agreement::Agrees => (Outcome::Passed, "agrees"),
            Agreement::Contradicts => (Outcome::Failed, "contradicts"),
            Agreement::Unobserved => (Outcome::Skipped, "unobserved"),
        };
        check(name, outcome, word, reason.clone().unwrap_or_default())
    }));
    checks
}

pub(super) fn outcome_of(status: Status) -> Outcome {
    match status {
        Status::Ok => Outcome::Passed,
        Status::Unsupported | Status::Refused | Status::Skipped => Outcome::Skipped,
        Status::Invalid => Outcome::Errored,
        Status::Failed => Outcome::Failed,
    }
}
