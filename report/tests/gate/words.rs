//! Does a gate come to the verdict that is true, and say so in words that are?

use crate::support::gate::{Gate, Truth};
use crate::support::gates;
use zclab_report::gate::{Undecided, Verdict, report};

/// Verdict, headline and all sentences of a gate.
fn said(gate: &Gate) -> (Verdict, String, Vec<String>) {
    let record = gate.record();
    let report = report(&record);
    let sentences = report.cells.iter().flat_map(|cell| cell.sentences.clone()).collect();
    (report.verdict, report.sentence, sentences)
}

/// The verdict is this, and this stands in one sentence.
fn holds(gate: &Gate, verdict: Verdict, words: &[&str]) {
    let (found, headline, sentences) = said(gate);
    assert_eq!(found, verdict, "{headline}\n{sentences:#?}");
    let all = |sentence: &String| words.iter().all(|word| sentence.contains(word));
    let found = sentences.iter().any(all) || all(&headline);
    assert!(found, "{words:?} not in\n{headline}\n{sentences:#?}");
}

#[test]
fn each_verdict_says_what_it_rests_on() {
    use Verdict::{Improvement, Inconclusive, Invalid, Pass, Regression};
    holds(&gates::passes(), Pass, &["needs at most 1\u{a0}% more sender CPU: 2 cells."]);
    holds(&gates::passes(), Pass, &["more than the margin of 1\u{a0}% is excluded"]);
    holds(&gates::passes(), Pass, &["What is done for the bytes is the same", "6 counts"]);
    let seen = "seen twice, ";
    let nothing = "beyond what this machine makes of nothing";
    holds(&gates::regresses(), Regression, &["worse than the base in 1 of 2 cells"]);
    holds(&gates::regresses(), Regression, &["% more than the base (", nothing, seen]);
    holds(&gates::is_not_confirmed(), Inconclusive, &["only one of two sets shows it"]);
    holds(&gates::awaits_confirmation(), Inconclusive, &["not looked at again"]);
    holds(&gates::awaits_confirmation(), Inconclusive, &["The gate was cut short."]);
    holds(&gates::improves(), Improvement, &["% less than the base (", "an improvement."]);
    holds(
        &gates::is_too_noisy(),
        Inconclusive,
        &["would have been seen", "launches instead of 24"],
    );
    holds(&gates::cannot_be_trusted(), Invalid, &["a second copy of the base", "4.", "itself"]);
    holds(&gates::does_more(), Regression, &["Every fetch makes 2 system calls instead of 1"]);
    holds(&gates::does_more(), Regression, &["CPU copies of each byte: 1 instead of 0"]);
    holds(&gates::strategies(), Improvement, &["less than mmap-write"]);
    holds(&gates::baseline(), Pass, &["Times were not compared", "kernel 6.12.1"]);
    holds(
        &gates::ended_otherwise(),
        Regression,
        &["What the base can do, the head cannot: failed"],
    );
    holds(&gates::ended_otherwise(), Regression, &["both are unsupported"]);
    holds(&gates::ended_otherwise(), Regression, &["nothing to compare"]);
}

#[test]
fn a_small_change_within_the_margin_is_tolerated_and_said() {
    let mut gate = Gate::default().sized(60, 12);
    gate.cell("quick/size", "sendfile", &Truth { head: 1.006, ..Truth::default() });
    holds(&gate.end(), Verdict::Pass, &["within the margin of 1\u{a0}%, which is tolerated"]);
}

#[test]
fn too_few_launches_say_how_many_it_takes() {
    let mut gate = Gate::default().sized(5, 12);
    gate.cell("quick/size", "sendfile", &Truth { head: 1.5, ..Truth::default() });
    let words = ["5 launches cannot be significant for 1 cell, it takes 8"];
    holds(&gate.end(), Verdict::Inconclusive, &words);
}

#[test]
fn a_killed_gate_and_an_empty_one_are_no_pass() {
    let record = zclab_report::gate::record::read(&gates::killed()).expect("the rest is fine");
    let killed = report(&record);
    assert_eq!(killed.verdict, Verdict::Inconclusive);
    let cell = &killed.cells[1];
    assert_eq!((cell.scenario, cell.label), ("quick/size", "splice"));
    assert!(cell.sentences[0].contains("unfinished"), "{:?}", cell.sentences);
    holds(&Gate::default().end(), Verdict::Inconclusive, &["Nothing was compared"]);
}

#[test]
fn exit_codes() {
    use Undecided::{Fail, Own, Pass};
    let codes = |how| Verdict::ALL.map(|verdict| verdict.exit_code(how));
    assert_eq!(codes(Own), [0, 0, 3, 3, 1]);
    assert_eq!(codes(Fail), [0, 0, 1, 1, 1]);
    assert_eq!(codes(Pass), [0, 0, 0, 0, 1]);
    assert!(Verdict::ALL.is_sorted());
}
