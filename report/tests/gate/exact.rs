//! Does a count that changed block, and does one that cannot be known not?

use crate::support::gate::{Gate, Truth};
use crate::support::gates;
use zclab_report::gate::record::{Arm, Counts, Line};
use zclab_report::gate::{Exact, Fact, Verdict, needs_captures, report};

/// Exact tier of a gate of one cell whose counts are changed first; arm and capture are the closure's
/// to look at.
fn tier(mut gate: Gate, change: impl Fn(&mut Counts)) -> (Vec<Exact>, Vec<Fact>, Verdict) {
    for line in &mut gate.lines {
        if let Line::Counts(counts) = line {
            change(counts);
        }
    }
    let record = gate.record();
    let cell = report(&record).cells.remove(0);
    (cell.exact, cell.facts, cell.verdict)
}

fn plain() -> Gate {
    let mut gate = Gate::default();
    gate.cell("quick/size", "sendfile", &Truth::default());
    gate.end()
}

fn row<'a>(rows: &'a [Exact], name: &str) -> &'a Exact {
    rows.iter().find(|row| row.name == name).unwrap_or_else(|| panic!("no {name} in {rows:?}"))
}

/// Adds to a count of the head, in every capture.
fn more(name: &'static str, by: u64) -> impl Fn(&mut Counts) {
    move |counts| {
        if counts.arm == Arm::Head {
            *counts.counts.entry(name.into()).or_default() += by;
        }
    }
}

#[test]
fn equal_counts_pass_with_their_units() {
    let (rows, facts, verdict) = tier(plain(), |_| {});
    assert_eq!(verdict, Verdict::Pass);
    assert!(rows.iter().all(|row| row.verdict == Verdict::Pass && row.base == row.head));
    assert_eq!(row(&rows, "syscalls_per_mib").base, Some(16.0));
    assert_eq!(row(&rows, "cpu_copies_per_byte").base, Some(0.0));
    assert_eq!(row(&rows, "wire_log_bytes_per_byte").head, Some(1.0));
    assert_eq!(row(&rows, "sendfile_calls_per_mib").head, Some(16.0));
    assert_eq!(facts.len(), 3);
}

#[test]
fn one_call_or_one_byte_more_is_a_regression_and_less_an_improvement() {
    let (rows, _, verdict) = tier(plain(), more("syscalls", 1));
    assert_eq!(row(&rows, "syscalls_per_mib").verdict, Verdict::Regression);
    assert_eq!(verdict, Verdict::Regression);
    let (rows, ..) = tier(plain(), more("cpu_copied_bytes", 1));
    assert_eq!(row(&rows, "cpu_copies_per_byte").verdict, Verdict::Regression);
    let (rows, _, verdict) = tier(plain(), |counts| {
        if counts.arm == Arm::Base {
            *counts.counts.get_mut("syscalls").expect("a count") += 1;
        }
    });
    assert_eq!(row(&rows, "syscalls_per_mib").verdict, Verdict::Improvement);
    assert_eq!(verdict, Verdict::Improvement);
}

#[test]
fn more_of_the_logs_own_pages_in_packets_is_better() {
    let (rows, ..) = tier(plain(), more("wire_log_bytes", 4096));
    assert_eq!(row(&rows, "wire_log_bytes_per_byte").verdict, Verdict::Improvement);
    let (rows, ..) = tier(plain(), |counts| {
        if counts.arm == Arm::Head {
            *counts.counts.get_mut("wire_log_bytes").expect("a count") -= 4096;
        }
    });
    assert_eq!(row(&rows, "wire_log_bytes_per_byte").verdict, Verdict::Regression);
}

#[test]
fn another_call_instead_of_one_is_left_to_the_sum() {
    let (rows, _, verdict) = tier(plain(), |counts| {
        if counts.arm == Arm::Head {
            let calls = counts.counts.remove("calls:sendfile").expect("a count");
            counts.counts.insert("calls:sendfile64".into(), calls);
        }
    });
    let other = row(&rows, "sendfile64_calls_per_mib");
    assert_eq!((other.base, other.head, other.verdict), (Some(0.0), Some(16.0), Verdict::Pass));
    assert!(other.reason.as_ref().is_some_and(|reason| reason.contains("decide")));
    assert_eq!(verdict, Verdict::Pass);
}

#[test]
fn declared_slack_is_tolerated_and_no_more() {
    let slack = |share| {
        let mut gate = plain();
        gate.opening().rule.slack.syscalls = share;
        gate
    };
    // 1024 calls of the base; eleven more are more than 1 %.
    let (rows, ..) = tier(slack(0.01), more("syscalls", 10));
    assert_eq!(row(&rows, "syscalls_per_mib").verdict, Verdict::Pass);
    assert!((row(&rows, "syscalls_per_mib").slack - 0.16).abs() < 1e-12);
    let (rows, ..) = tier(slack(0.01), more("syscalls", 11));
    assert_eq!(row(&rows, "syscalls_per_mib").verdict, Verdict::Regression);
    let mut gate = plain();
    gate.opening().rule.slack.short_writes = 0.01;
    let (rows, ..) = tier(gate, more("short_writes", 10));
    assert_eq!(row(&rows, "short_writes_per_mib").verdict, Verdict::Pass);
}

#[test]
fn a_count_that_is_not_exact_here_needs_a_clear_distance() {
    // Captures of the base differ by one short write in 64 MiB.
    let by = |head: u64| {
        tier(plain(), move |counts| {
            let count = match counts.arm {
                Arm::Head => head,
                _ => u64::from(counts.capture),
            };
            counts.counts.insert("short_writes".into(), count);
        })
    };
    let (rows, _, verdict) = by(1);
    assert_eq!(
        (row(&rows, "short_writes_per_mib").verdict, verdict),
        (Verdict::Pass, Verdict::Pass)
    );
    assert!(row(&rows, "short_writes_per_mib").reason.is_some());
    let (rows, _, verdict) = by(6);
    assert_eq!(row(&rows, "short_writes_per_mib").verdict, Verdict::Inconclusive);
    assert_eq!(verdict, Verdict::Inconclusive);
    let (rows, ..) = by(1000);
    assert_eq!(row(&rows, "short_writes_per_mib").verdict, Verdict::Regression);
}

#[test]
fn a_single_capture_proves_no_difference() {
    let mut gate = plain();
    gate.lines.retain(|line| !matches!(line, Line::Counts(counts) if counts.capture > 0));
    let (rows, _, verdict) = tier(gate, more("syscalls", 1));
    assert_eq!(row(&rows, "syscalls_per_mib").verdict, Verdict::Inconclusive);
    assert_eq!(verdict, Verdict::Inconclusive);
}

#[test]
fn what_one_side_could_not_count_is_inconclusive_and_what_neither_could_is_said() {
    let gap = |whose: Option<Arm>| {
        move |counts: &mut Counts| {
            if whose.is_none_or(|arm| arm == counts.arm) {
                counts.counts.remove("cpu_copied_bytes");
                counts.gaps.insert("cpu_copied_bytes".into(), "EPERM from bpf".into());
            }
        }
    };
    let (rows, _, verdict) = tier(plain(), gap(Some(Arm::Base)));
    let copies = row(&rows, "cpu_copies_per_byte");
    assert_eq!((copies.base, copies.head), (None, Some(0.0)));
    assert_eq!((copies.verdict, verdict), (Verdict::Inconclusive, Verdict::Inconclusive));
    assert!(copies.reason.as_ref().is_some_and(|reason| reason.contains("EPERM")));

    let mut gate = plain();
    for line in &mut gate.lines {
        if let Line::Counts(counts) = line {
            gap(None)(counts);
            counts.gaps.insert("wire".into(), "no kfree_skb".into());
        }
    }
    let record = gate.record();
    let all = report(&record);
    let missing = all.cells[0].exact_missing.as_deref().expect("gaps");
    assert!(missing.contains("EPERM from bpf") && missing.contains("no kfree_skb"), "{missing}");
    assert!(all.cells[0].exact.iter().all(|row| !row.name.starts_with("wire")));
    assert_eq!(all.verdict, Verdict::Pass);
}

/// A gate that was told to leave counts out says so; one that has them of another cell misses some.
#[test]
fn counts_that_are_missing_are_no_pass_but_counts_that_nobody_asked_for_may_be() {
    let without = |few: bool| {
        let mut gate = gates::passes();
        let kept = |cell: &str| few && cell.contains("read-write");
        gate.lines.retain(|line| !matches!(line, Line::Counts(one) if !kept(&one.cell)));
        let record = gate.record();
        let report = report(&record);
        (report.verdict, report.sentence)
    };
    let (verdict, sentence) = without(false);
    assert_eq!(verdict, Verdict::Pass, "{sentence}");
    assert!(sentence.ends_with("Counts were not compared."), "{sentence}");
    let (verdict, sentence) = without(true);
    assert_eq!(verdict, Verdict::Inconclusive, "{sentence}");
    assert!(!sentence.contains("Counts were not compared."), "{sentence}");
}

/// A cell that cannot be sliced has no times by nature: its counts decide, and both are said.
#[test]
fn a_cell_without_times_is_judged_by_its_counts() {
    let judged = |counted: bool| {
        let mut gate = gates::passes();
        for line in &mut gate.lines {
            if let Line::Cell(cell) = line {
                cell.untimed = Some("cold cells take turns in rounds".into());
            }
        }
        gate.lines.retain(|line| counted || !matches!(line, Line::Counts(_)));
        let record = gate.record();
        let cell = report(&record).cells.remove(0);
        assert!(cell.sentences.iter().any(|sentence| sentence.contains("in rounds")));
        cell.verdict
    };
    assert_eq!(judged(true), Verdict::Pass);
    assert_eq!(judged(false), Verdict::Inconclusive);
}

#[test]
fn facts_have_to_be_the_same() {
    let with = |name: &'static str, base: &'static str, head: &'static str| {
        let (_, facts, _) = tier(plain(), move |counts| {
            let value = if counts.arm == Arm::Head { head } else { base };
            counts.facts.insert(name.into(), value.into());
        });
        facts.into_iter().find(|fact| fact.name == name).expect("the fact").verdict
    };
    assert_eq!(with("strategy", "sendfile", "read-write"), Verdict::Regression);
    assert_eq!(with("verified", "content", "length"), Verdict::Regression);
    assert_eq!(with("verified", "length", "content"), Verdict::Pass);
    assert_eq!(with("agreement", "agrees", "contradicts"), Verdict::Regression);
    assert_eq!(with("agreement", "contradicts", "agrees"), Verdict::Improvement);
    assert_eq!(with("agreement", "agrees", "unobserved"), Verdict::Inconclusive);
    assert_eq!(with("weather", "sun", "rain"), Verdict::Inconclusive);
    let (_, facts, _) = tier(plain(), |counts| {
        counts.facts.insert("strategy".into(), format!("capture {}", counts.capture));
    });
    assert!(facts.iter().any(|fact| fact.verdict == Verdict::Inconclusive));
    // Between strategies the strategy differs on purpose.
    let record = gates::strategies().record();
    let cell = report(&record).cells.remove(0);
    let strategy = cell.facts.iter().find(|fact| fact.name == "strategy").expect("the fact");
    assert_eq!((strategy.base.as_deref(), strategy.verdict), (Some("mmap-write"), Verdict::Pass));
}

#[test]
fn cells_that_got_worse_can_be_counted_again() {
    assert_eq!(needs_captures(&gates::does_more().record()).len(), 2);
    assert!(needs_captures(&gates::passes().record()).is_empty());
}
