//! Reports of gates with verdicts that a test decides, whatever the statistics would say: what is
//! tested is how they are shown.

use std::collections::BTreeMap;
use zclab_report::gate::record::{Arm, Measured, Phase, Record};
use zclab_report::gate::shown::{self, Pair};
use zclab_report::gate::{
    Advisory, CellReport, Exact, Fact, Judged, Launch, Report, Timing, Verdict,
};
use zclab_report::record::Status;
use zclab_report::stats::{centre, interval};

/// A report of this record: timing and counts by simple rules, the sentences in so many words.
pub fn report(record: &Record) -> Report<'_> {
    let cells: Vec<CellReport> = record.cells.iter().map(|of| cell(record, of)).collect();
    let verdict = cells.iter().map(|cell| cell.verdict).max().unwrap_or(Verdict::Inconclusive);
    let sentence = match verdict {
        Verdict::Pass => {
            "Nothing got worse: no count differs, and more than 1 % more sender CPU is excluded."
        }
        Verdict::Regression => "The head is worse than the base in at least one cell.",
        Verdict::Improvement => "The head is better than the base.",
        Verdict::Invalid => {
            "This machine cannot be trusted: the same program twice differs from itself."
        }
        Verdict::Inconclusive => "Whether the head is worse cannot be told from what was measured.",
    };
    Report { record, verdict, sentence: sentence.into(), cells }
}

fn cell<'a>(record: &'a Record, measured: &'a Measured) -> CellReport<'a> {
    static NONE: BTreeMap<String, serde_json::Value> = BTreeMap::new();
    let of = measured.cell.as_ref();
    let status = of.and_then(|of| of.status.values().copied().max_by_key(|s| *s != Status::Ok));
    let exact = exact(measured);
    let timing = timing(record, measured);
    let mut found: Vec<Verdict> = exact.iter().map(|exact| exact.verdict).collect();
    found.push(timing.as_ref().map_or(Verdict::Pass, |timing| timing.verdict));
    if measured.samples.is_empty() && exact.is_empty() {
        found.push(Verdict::Inconclusive);
    }
    let mut sentences = Vec::new();
    if let Ok(Timing { first, .. }) = &timing {
        let (change, interval) = (shown::change(first.ratio.point), shown::interval(&first.ratio));
        sentences.push(format!("Sender CPU per KiB: {change} ({interval})."));
    }
    let worse = exact.iter().filter(|exact| exact.verdict == Verdict::Regression);
    sentences.extend(worse.map(|exact| format!("{} grew.", shown::count_name(&exact.name))));
    CellReport {
        cell: &measured.id,
        scenario: of.map_or("", |of| &of.scenario),
        label: of.map_or("", |of| &of.label),
        params: of.map_or(&NONE, |of| &of.params),
        status: status.unwrap_or(Status::Failed),
        reasons: of.map_or(&[], |of| &of.reasons),
        exact_missing: exact.is_empty().then(|| "no counts were captured".into()),
        facts: facts(measured),
        exact,
        advisory: timing.as_ref().map(|_| advisory(measured)).unwrap_or_default(),
        timing,
        verdict: found.into_iter().max().expect("a verdict"),
        sentences,
    }
}

fn timing(record: &Record, measured: &Measured) -> Result<Timing, String> {
    if let Some(why) = record.opening.timing.strip_prefix("no: ") {
        return Err(why.into());
    }
    let margin = 1.0 + record.opening.rule.margin;
    let first = judged(measured, Phase::First, margin).ok_or("no paired samples")?;
    let confirmation = judged(measured, Phase::Confirmation, margin);
    let verdict = match (&first.verdict, &confirmation) {
        (Verdict::Regression, None) => Verdict::Inconclusive,
        (Verdict::Regression, Some(again)) if again.verdict != Verdict::Regression => {
            Verdict::Inconclusive
        }
        (verdict, _) => *verdict,
    };
    Ok(Timing { first, confirmation, verdict })
}

fn judged(measured: &Measured, phase: Phase, margin: f64) -> Option<Judged> {
    let mut launches: BTreeMap<u32, Vec<Pair>> = BTreeMap::new();
    for pair in shown::pairs(measured, phase) {
        launches.entry(pair.launch).or_default().push(pair);
    }
    let middle = |pairs: &[Pair], of: fn(&Pair) -> Option<f64>| {
        let logs: Vec<f64> = pairs.iter().filter_map(of).map(f64::ln).collect();
        Some(centre::mid_mean(&logs)?.exp())
    };
    let launches: Vec<Launch> = launches
        .iter()
        .filter_map(|(launch, pairs)| {
            let (head, control) = (middle(pairs, |p| p.head)?, middle(pairs, |p| p.control)?);
            Some(Launch { launch: *launch, head, control, turns: pairs.len() })
        })
        .collect();
    let over = |of: fn(&Launch) -> f64| {
        let logs: Vec<f64> = launches.iter().map(|launch| of(launch).ln()).collect();
        interval::over_launches(&logs).map(|estimate| estimate.map(f64::exp))
    };
    let (ratio, control) = (over(|one| one.head)?, over(|one| one.control)?);
    let (low, high) = ratio.interval.unwrap_or((0.0, f64::INFINITY));
    let ends = control.interval.unwrap_or((1.0, 1.0));
    let floor = ends.1.max(1.0 / ends.0);
    let verdict = match () {
        () if ends.0 > margin => Verdict::Invalid,
        () if low > margin.max(floor) => Verdict::Regression,
        () if high < 1.0 / margin.max(floor) => Verdict::Improvement,
        () if high <= margin => Verdict::Pass,
        () => Verdict::Inconclusive,
    };
    let p = if ratio.differs_from(1.0) { 0.000_31 } else { 0.43 };
    Some(Judged {
        smallest_seen: Some(margin.max(floor) * high / ratio.point),
        launches_wanted: (verdict == Verdict::Inconclusive).then_some(900),
        values: (Some(92.4), Some(92.4 * ratio.point)),
        p_holm: (p * 2.0f64).min(1.0),
        ratio,
        control,
        launches,
        p,
        floor,
        margin,
        verdict,
    })
}

fn exact(measured: &Measured) -> Vec<Exact> {
    let of = |arm| measured.counts.iter().find(|counts| counts.arm == arm);
    let Some((base, head)) = of(Arm::Base).zip(of(Arm::Head)) else { return Vec::new() };
    let names = base.counts.keys().map(|name| {
        let mib = base.payload_bytes as f64 / f64::from(1 << 20);
        let value = |counts: &BTreeMap<String, u64>| counts.get(name).map(|n| *n as f64 / mib);
        let (base, head) = (value(&base.counts), value(&head.counts));
        let verdict = match base.partial_cmp(&head) {
            Some(std::cmp::Ordering::Less) => Verdict::Regression,
            Some(std::cmp::Ordering::Greater) => Verdict::Improvement,
            _ => Verdict::Pass,
        };
        Exact { name: format!("{name}_per_mib"), base, head, slack: 0.0, verdict, reason: None }
    });
    let gaps = base.gaps.iter().map(|(name, why)| Exact {
        name: name.clone(),
        base: None,
        head: None,
        slack: 0.0,
        verdict: Verdict::Inconclusive,
        reason: Some(why.clone()),
    });
    names.chain(gaps).collect()
}

fn facts(measured: &Measured) -> Vec<Fact> {
    let of = |arm| measured.counts.iter().find(|counts| counts.arm == arm);
    let Some((base, head)) = of(Arm::Base).zip(of(Arm::Head)) else { return Vec::new() };
    let fact = |(name, base): (&String, &String)| Fact {
        name: name.clone(),
        base: Some(base.clone()),
        head: head.facts.get(name).cloned(),
        verdict: Verdict::Pass,
        reason: None,
    };
    base.facts.iter().map(fact).collect()
}

fn advisory(measured: &Measured) -> Vec<Advisory> {
    let pairs = shown::pairs(measured, Phase::First);
    let logs: Vec<f64> = pairs.iter().filter_map(|pair| pair.head).map(f64::ln).collect();
    let ratio = interval::over_launches(&logs).map(|estimate| estimate.map(f64::exp));
    let one = |metric: &str, name: &str, base: f64, less_is_better| Advisory {
        metric: metric.into(),
        name: name.into(),
        ratio,
        values: (Some(base), ratio.map(|ratio| base * ratio.point)),
        less_is_better,
    };
    vec![
        one("total_cpu_ns_per_kib", "Total CPU", 158.2, true),
        one("throughput_mib_per_s", "Throughput", 9_812.0, false),
        Advisory {
            ratio: None,
            ..one("fetch_latency_p99_ns", "Fetch latency, p99", 31_200.0, true)
        },
    ]
}
