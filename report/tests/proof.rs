//! Is a proof of the gate read back as what it was, and are its rates those of its gates?

#[path = "support/html.rs"]
mod html;
mod support;

use support::gate::{Gate, Truth};
use zclab_report::gate::power::{
    Line, Packed, Planted, Proof, Proven, Summary, Trial, markdown, read, summaries,
};
use zclab_report::gate::{self, Verdict};
use zclab_report::lines::LinesError;
use zclab_report::page;

/// A gate of one cell, small enough to make many.
fn one(truth: &Truth, seed: u64) -> Gate {
    let mut gate = Gate::default().sized(12, 6).seed(seed);
    gate.opening().rule.alpha = 0.05;
    gate.cell("gate/power", "sendfile", truth);
    gate.end()
}

/// Nothing differs, and launches hardly vary.
fn quiet() -> Truth {
    Truth { launch_noise: 0.003, turn_noise: 0.02, ..Truth::default() }
}

fn trial(experiment: &str, planted: &str, gate: &Gate) -> Trial {
    let record = gate.record();
    Trial {
        experiment: experiment.to_owned(),
        planted: planted.to_owned(),
        budget_ns: 15_000_000_000,
        took_ns: 6_500_000_000,
        load: 1.25,
        verdict: gate::report(&record).verdict.name().to_owned(),
        timing: match planted {
            "call" => "no: only counts were asked for (--only exact)".to_owned(),
            _ => "yes".to_owned(),
        },
        launches: 12,
        cells: record.cells.iter().filter_map(|cell| Packed::of(cell, true)).collect(),
    }
}

/// Twelve gates of nothing, eight of 5 %, one of which is too noisy to say; two of one call more.
fn proven() -> Proven {
    let mut trials: Vec<Trial> =
        (0..12).map(|seed| trial("aa-15s", "", &one(&quiet(), seed))).collect();
    let slower = Truth { head: 1.05, confirmation: Some(1.05), ..Truth::default() };
    trials.extend((0..7).map(|seed| trial("cpu-5%-15s", "cpu:4.600", &one(&slower, 100 + seed))));
    let noisy = Truth { launch_noise: 0.3, ..slower.clone() };
    trials.push(trial("cpu-5%-15s", "cpu:4.600", &one(&noisy, 9)));
    let calls = Truth { calls: (1, 2), ..Truth::default() };
    trials.extend((0..2).map(|seed| trial("call", "call", &one(&calls, seed))));
    let opening = one(&Truth::default(), 0).record().opening;
    Proven { proof: Proof { base_ns_per_kib: 92.0, opening }, trials, remark: None }
}

fn text(proven: &Proven) -> String {
    let lines = std::iter::once(Line::Proof(Box::new(proven.proof.clone())))
        .chain(proven.trials.iter().map(|trial| Line::Trial(Box::new(trial.clone()))));
    lines.map(|line| serde_json::to_string(&line).expect("JSON") + "\n").collect()
}

fn summary<'a>(all: &'a [Summary], name: &str) -> &'a Summary {
    all.iter().find(|one| one.experiment == name).expect("the experiment")
}

/// Packing keeps what a verdict rests on: base, head and control of every slice, and the counts.
#[test]
fn a_packed_gate_says_what_the_whole_one_said() {
    let Proven { proof, trials, .. } = proven();
    for (trial, gate) in trials.iter().zip((0..12).map(|seed| one(&quiet(), seed))) {
        let (whole, packed) = (gate.record(), trial.record(&proof));
        let (whole, packed) = (gate::report(&whole), gate::report(&packed));
        assert_eq!(whole.verdict, packed.verdict);
        assert_eq!(whole.cells[0].timing, packed.cells[0].timing);
        assert_eq!(whole.cells[0].exact, packed.cells[0].exact);
    }
}

#[test]
fn a_proof_is_read_back_and_what_is_none_is_refused() {
    let proven = proven();
    let written = text(&proven);
    let again = read(&written).expect("readable");
    assert_eq!((again.proof, again.trials), (proven.proof.clone(), proven.trials.clone()));
    let cut = read(&written[..written.len() - 9]).expect("readable");
    assert_eq!(cut.trials.len(), proven.trials.len() - 1);
    assert!(cut.remark.is_some_and(|words| words.contains("cut off")));
    assert!(matches!(read(""), Err(LinesError::Empty { .. })));
    assert!(matches!(read(&(written.clone() + &written)), Err(LinesError::Second { .. })));
    let other = read(&Gate::default().text()).unwrap_err().to_string();
    assert!(other.starts_with("not a proof of the gate: line 1: "), "{other}");
}

#[test]
fn rates_are_those_of_the_gates() {
    let Proven { proof, trials, .. } = proven();
    let all = summaries(&proof, &trials);
    let names: Vec<&str> = all.iter().map(|one| one.experiment.as_str()).collect();
    assert_eq!(names, ["aa-15s", "cpu-5%-15s", "call"]);
    let nothing = summary(&all, "aa-15s");
    assert_eq!((nothing.count(Verdict::Pass), nothing.trials()), (12, 12));
    // 1 − 0.05^(1/12), the exact bound of none out of twelve.
    assert!(nothing.sentence().contains("no false alarm in 12"), "{}", nothing.sentence());
    assert!(nothing.sentence().contains("at most 22.1\u{a0}% of such gates"));
    let slower = summary(&all, "cpu-5%-15s");
    assert!(matches!(slower.planted, Planted::Cpu(share) if (share - 0.05).abs() < 1e-9));
    let found = slower.count(Verdict::Regression);
    assert_eq!((found, slower.count(Verdict::Inconclusive)), (7, 1));
    // 0.05 quantile of Beta(7, 2): 52.9 %.
    assert!(slower.sentence().contains("found in 7 of 8"), "{}", slower.sentence());
    assert!(slower.sentence().contains("in at least 52.9\u{a0}%"), "{}", slower.sentence());
    assert!(slower.sentence().ends_with("Others: 1 inconclusive."), "{}", slower.sentence());
    assert!(slower.effect().is_some_and(|(mean, _)| (0.03..0.07).contains(&mean)));
    let called = summary(&all, "call");
    assert_eq!(called.count(Verdict::Regression), 2);
    let words = called.gates[0].words.as_deref().expect("a sentence");
    assert!(words.contains("2 system calls instead of 1"), "{words}");
    assert!(all.iter().flat_map(|one| &one.gates).all(|gate| !gate.changed));
}

/// What the program said at the time is no evidence: the launches are.
#[test]
fn a_verdict_that_does_not_follow_from_its_launches_is_counted() {
    let mut proven = proven();
    proven.trials[0].verdict = "regression".to_owned();
    let all = summaries(&proven.proof, &proven.trials);
    assert!(summary(&all, "aa-15s").gates[0].changed);
    assert_eq!(summary(&all, "aa-15s").count(Verdict::Regression), 0);
    let text = markdown(&proven.proof, &all);
    assert!(text.contains("; 1 of 22 differ from what was said at the time"), "{text}");
}

#[test]
fn table_and_page() {
    let proven = proven();
    insta::assert_snapshot!(
        "proof_markdown",
        markdown(&proven.proof, &summaries(&proven.proof, &proven.trials))
    );
    let text = page::proof(&proven);
    if let Some(folder) = std::env::var_os("ZCLAB_SITE") {
        std::fs::create_dir_all(&folder).expect("a folder");
        std::fs::write(std::path::Path::new(&folder).join("proof.html"), &text).expect("a file");
    }
    let read = html::read(&text);
    let ids = html::ids(&read);
    for id in ["answer", "heaps", "figures", "said", "how", "misleading", "machine", "reproduce"] {
        assert!(ids.contains(id), "no #{id}");
    }
    for word in ["NaN", "inf ", "http:", "https:", "<script", "<img", "src=\""] {
        assert!(!text.contains(word), "{word}");
    }
    let wide = text.split("id=\"heaps-wide-t\"").nth(1).expect("a drawing");
    let wide = wide.split("</svg>").next().expect("an end");
    assert_eq!(wide.matches("class=\"heap ").count(), 20, "a dot for each gate with times");
    assert_eq!(wide.matches("class=\"heap right").count(), 19);
    assert_eq!(wide.matches("class=\"heap open").count(), 1);
    insta::assert_snapshot!("proof_page", html::skeleton(&text));
}

#[test]
fn a_false_alarm_is_said_first_and_drawn_apart() {
    let mut proven = proven();
    let slower = Truth { head: 1.05, confirmation: Some(1.05), ..Truth::default() };
    proven.trials[0] = trial("aa-15s", "", &one(&slower, 50));
    let text = page::proof(&proven);
    assert!(text.contains("1 false alarm in 12 gates of a program against itself"));
    assert!(text.contains("class=\"heap wrong\""));
}

#[test]
fn a_proof_that_was_cut_off_at_once_is_a_page() {
    let text = page::proof(&Proven { trials: Vec::new(), ..proven() });
    html::read(&text);
    assert!(text.contains("No false alarm in 0 gates"), "{text}");
}
