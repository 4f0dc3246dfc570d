//! Does an odd record become a reason, rather than a panic or a number that is none?

use crate::support::gate::Gate;
use proptest::prelude::*;
use serde_json::json;
use std::collections::BTreeMap;
use zclab_report::gate::record::{Arm, Cell, Counts, Latency, Line, Phase, Sample};
use zclab_report::gate::{Judged, Verdict, report};
use zclab_report::record::{Status, Verified};
use zclab_report::stats::Estimate;

fn number() -> impl Strategy<Value = u64> {
    prop_oneof![Just(0), Just(1), Just(u64::MAX), 1..1_000_000u64, any::<u64>()]
}

fn arm() -> impl Strategy<Value = Arm> {
    prop_oneof![Just(Arm::Base), Just(Arm::Head), Just(Arm::Control)]
}

fn phase() -> impl Strategy<Value = Phase> {
    prop_oneof![4 => Just(Phase::First), 1 => Just(Phase::Second)]
}

fn id() -> impl Strategy<Value = String> {
    prop_oneof![Just("a/b/fetch=1".to_owned()), Just("x".to_owned()), Just(String::new())]
}

fn sample() -> impl Strategy<Value = Line> {
    let place = (id(), phase(), arm(), prop_oneof![0..9u32, any::<u32>()], 0..3u32);
    (place, number(), number(), number(), any::<bool>()).prop_map(
        |((cell, phase, arm, launch, turn), bytes, cpu_ns, wall_ns, silent)| {
            let readings = [("sender_cpu_ns", cpu_ns), ("receiver_cpu_ns", wall_ns)];
            let readings = readings.map(|(name, value)| (name.to_owned(), value));
            Line::Sample(Sample {
                cell,
                phase,
                arm,
                launch,
                turn,
                slot: 0,
                bytes,
                header_bytes: 0,
                fetches: 0,
                wall_ns,
                readings: if silent { BTreeMap::new() } else { BTreeMap::from(readings) },
                verified: Verified::None,
            })
        },
    )
}

fn word() -> impl Strategy<Value = String> {
    let words = ["syscalls", "calls:x", "calls", "wire", "wire_log_bytes", "verified", "none", ""];
    proptest::sample::select(words.to_vec()).prop_map(str::to_owned)
}

fn counts() -> impl Strategy<Value = Line> {
    let counted = prop::collection::btree_map(word(), number(), 0..4);
    let (facts, gaps) = (
        prop::collection::btree_map(word(), word(), 0..3),
        prop::collection::btree_map(word(), word(), 0..2),
    );
    (id(), arm(), 0..3u32, number(), counted, facts, gaps).prop_map(
        |(cell, arm, capture, payload_bytes, counts, facts, gaps)| {
            Line::Counts(Counts { cell, arm, capture, payload_bytes, counts, facts, gaps })
        },
    )
}

fn over() -> impl Strategy<Value = Line> {
    let status = proptest::sample::select(vec![
        Status::Ok,
        Status::Ok,
        Status::Unsupported,
        Status::Refused,
        Status::Skipped,
        Status::Invalid,
        Status::Failed,
    ]);
    let latency = (arm(), phase()).prop_map(|(arm, phase)| {
        let data = "HISTFAAAAA".to_owned();
        Latency { phase, arm, launch: 0, data }
    });
    let latencies = prop::collection::vec(latency, 0..3);
    (id(), prop::collection::btree_map(arm(), status, 0..4), latencies).prop_map(
        |(cell, status, latencies)| {
            Line::Cell(Cell {
                cell,
                scenario: "a".into(),
                strategy: "b".into(),
                label: "b".into(),
                params: BTreeMap::from([("fetch".into(), json!(0))]),
                status,
                reasons: Vec::new(),
                untimed: None,
                setup: BTreeMap::new(),
                latencies,
            })
        },
    )
}

fn check(estimate: &Estimate) -> Result<(), TestCaseError> {
    let (low, high) = estimate.interval.unwrap_or((estimate.point, estimate.point));
    for end in [low, estimate.point, high] {
        prop_assert!(end.is_finite() && end > 0.0, "{estimate:?}");
    }
    Ok(())
}

fn check_judged(judged: &Judged) -> Result<(), TestCaseError> {
    check(&judged.ratio)?;
    check(&judged.control)?;
    let numbers = [judged.p, judged.p_holm, judged.floor, judged.margin];
    prop_assert!(numbers.iter().all(|number| number.is_finite()), "{judged:?}");
    prop_assert!(judged.smallest_seen.is_none_or(f64::is_finite));
    prop_assert!(judged.floor >= 1.0 && (0.0..=1.0).contains(&judged.p_holm));
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]
    #[test]
    fn no_line_makes_it_panic(
        lines in prop::collection::vec(
            prop_oneof![12 => sample(), 2 => counts(), 1 => over()], 0..60),
        margin in prop_oneof![Just(0.01), Just(-3.0), Just(0.0), Just(1e300)],
        alpha in prop_oneof![Just(0.01), Just(0.0), Just(-1.0), Just(2.0), Just(1e-300)],
        confirm in any::<bool>(),
        compares in prop_oneof![Just("programs"), Just("strategies"), Just("?")],
        timing in prop_oneof![3 => Just("yes"), 1 => Just("no: it rained"), 1 => Just("")],
    ) {
        let mut gate = Gate::new(compares);
        let opening = gate.opening();
        opening.timing = timing.into();
        (opening.rule.margin, opening.rule.alpha, opening.rule.confirm) = (margin, alpha, confirm);
        gate.lines.extend(lines);
        let record = gate.end().record();
        let report = report(&record);
        let mut text = report.sentence.clone();
        for cell in &report.cells {
            text += &cell.sentences.join(" ");
            prop_assert!(!cell.sentences.is_empty());
            for row in &cell.exact {
                let numbers = [row.base, row.head, Some(row.slack)];
                prop_assert!(numbers.into_iter().flatten().all(f64::is_finite), "{row:?}");
            }
            for one in &cell.advisory {
                one.ratio.as_ref().map_or(Ok(()), check)?;
            }
            if let Ok(timing) = &cell.timing {
                check_judged(&timing.first)?;
                check_judged(&timing.all)?;
                timing.second.as_ref().map_or(Ok(()), check_judged)?;
            }
        }
        prop_assert!(!text.contains("NaN") && !text.contains("inf "), "{}", text);
        if report.cells.is_empty() {
            prop_assert_eq!(report.verdict, Verdict::Inconclusive);
        }
    }
}
