//! Are rules of a scenario file judged by what the record carries, and by nothing else?

#[path = "support/html.rs"]
mod html;
mod support;

use serde_json::json;
use std::collections::BTreeMap;
use support::Builder;
use zclab_report::expect::{self, Expectation, Verdict};
use zclab_report::metric::Metric;
use zclab_report::record::{Claim, Expect, Line, Record};
use zclab_report::study::{Study, studies};
use zclab_report::{page, table};

/// sendfile ÷ mmap-write in sender CPU: 2300 + 104 x to 1250 + 240 x for fetches of x KiB, so that
/// the order turns at 7.7 KiB; the noise of a launch is 1 %, that of a turn 8 %.
fn size(record: &Record) -> Study<'_> {
    Study::new(record, &record.scenarios[0])
}

fn below(bound: f64) -> Expect {
    Expect::ratio("sendfile", "mmap-write", Metric::SenderCpu, None, Some(bound))
}

fn at(rule: Expect, axis: &str, values: &[serde_json::Value]) -> Expect {
    Expect { places: BTreeMap::from([(axis.into(), values.to_vec())]), ..rule }
}

fn crossover(from: f64, to: f64) -> Expect {
    let claim = Claim::Crossover { than: "mmap-write".into(), from, to };
    Expect { claim, ..below(1.0) }
}

fn copies(strategy: &str, at_least: Option<f64>, at_most: Option<f64>) -> Expect {
    Expect {
        strategy: strategy.into(),
        metric: "observed_copies_per_byte".into(),
        claim: Claim::Value { at_least, at_most },
        places: BTreeMap::new(),
    }
}

fn judge(record: &Record, rule: Expect) -> Expectation {
    expect::judge(&size(record), &[rule]).remove(0)
}

fn verdicts(one: &Expectation) -> Vec<Verdict> {
    one.findings.iter().map(|finding| finding.verdict).collect()
}

#[test]
fn ratios_are_judged_condition_by_condition_and_the_worst_counts() {
    use Verdict::{Broken, Holds};
    let record = support::showcase().record();
    let everywhere = judge(&record, below(1.0));
    // 512 B, 2 KiB | 8 KiB is just beyond the turn | 64 KiB, 256 KiB, 1 MiB.
    let found = verdicts(&everywhere);
    assert_eq!((&found[..2], &found[3..]), (&[Broken; 2][..], &[Holds; 3][..]), "{everywhere}");
    assert_eq!(everywhere.verdict, Broken);
    assert_eq!(everywhere.claim, "sendfile stays below mmap-write in sender CPU");
    let worst = everywhere.outcome();
    let said = "broken under 2 of 6 conditions: fetch size 512 B: ";
    assert!(worst.starts_with(said) && worst.contains("beyond 1 (p"), "{worst}");
    let large = judge(&record, at(below(1.0), "fetch", &[json!(65536), json!(262_144.0)]));
    assert_eq!(verdicts(&large), [Holds, Holds], "numbers are equal as numbers");
    let said = "sendfile stays below mmap-write in sender CPU (fetch size 64 KiB and 256 KiB): \
                holds under all 2 conditions";
    assert_eq!(large.to_string(), said);
    let claims_too_much = judge(&record, at(below(0.3), "fetch", &[json!(65536)]));
    assert_eq!(claims_too_much.verdict, Broken);
    let (above, below) = (Some(0.3), Some(0.7));
    let band = Expect::ratio("sendfile", "mmap-write", Metric::SenderCpu, above, below);
    let band = judge(&record, at(band, "fetch", &[json!(65536)]));
    assert_eq!(band.verdict, Holds, "{band}");
    assert_eq!(band.findings[0].questions.len(), 2);
    assert!(band.claim.contains("stays between 0.3 and 0.7 times mmap-write"), "{}", band.claim);
}

#[test]
fn more_is_better_for_throughput_and_the_rule_says_what_it_wants() {
    let record = support::showcase().record();
    let throughput = |above, below| {
        let rule = Expect::ratio("mmap-write", "read-write", Metric::Throughput, above, below);
        judge(&record, at(rule, "fetch", &[json!(65536)]))
    };
    assert_eq!(throughput(Some(1.0), None).verdict, Verdict::Holds);
    assert_eq!(throughput(None, Some(1.0)).verdict, Verdict::Broken);
}

#[test]
fn a_bound_within_the_interval_decides_nothing() {
    let record = support::showcase().record();
    let first = judge(&record, at(below(1.0), "fetch", &[json!(65536)]));
    let point = first.findings[0].questions[0].ratio.point;
    let on_it = judge(&record, at(below(point), "fetch", &[json!(65536)]));
    assert_eq!(on_it.verdict, Verdict::Undecided);
    assert!(on_it.findings[0].why.starts_with("the interval contains 0."), "{on_it}");
}

/// The interval of each condition alone lies beyond its bound, if only just; asked once that breaks
/// the rule, asked together with eleven other questions it does not.
#[test]
fn what_one_question_decides_many_leave_undecided() {
    let record = support::showcase().record();
    let here = |bound| at(below(bound), "fetch", &[json!(65536)]);
    let interval = judge(&record, here(1.0)).findings[0].questions[0].ratio.interval;
    let (low, _) = interval.expect("five launches");
    let tight = here(low * 0.999);
    let alone = judge(&record, tight.clone());
    assert_eq!(alone.verdict, Verdict::Broken, "{alone}");
    assert_eq!(alone.findings[0].questions[0].of, 1);
    let rules: Vec<Expect> = std::iter::once(tight).chain((0..11).map(|_| here(0.9))).collect();
    let together = expect::judge(&size(&record), &rules);
    assert_eq!(together[0].verdict, Verdict::Undecided, "{}", together[0]);
    let why = &together[0].findings[0].why;
    assert!(why.contains("may be chance") && why.contains("for 12 questions"), "{why}");
    let held = together[1..].iter().all(|one| one.verdict == Verdict::Holds);
    assert!(held, "what holds needs no correction");
}

#[test]
fn a_crossover_is_asked_at_both_its_ends() {
    let record = support::showcase().record();
    let right = judge(&record, crossover(2048.0, 65536.0));
    assert_eq!(right.verdict, Verdict::Holds, "{right}");
    let said = "sendfile overtakes mmap-write in sender CPU between fetch size 2 KiB and 64 KiB";
    assert_eq!(right.claim, said);
    assert!(right.findings[0].measured.starts_with("turns at "), "{right}");
    let late = judge(&record, crossover(65536.0, 262_144.0));
    assert_eq!(late.verdict, Verdict::Broken, "sendfile is better at 64 KiB already");
    assert!(late.findings[0].why.starts_with("at 64 KiB the ratio is 0."), "{late}");
    let early = judge(&record, crossover(512.0, 2048.0));
    assert_eq!(early.verdict, Verdict::Broken, "sendfile is still worse at 2 KiB");
    let mut turned = crossover(2048.0, 65536.0);
    turned.strategy = "mmap-write".into();
    turned.claim = Claim::Crossover { than: "sendfile".into(), from: 2048.0, to: 65536.0 };
    assert_eq!(judge(&record, turned).verdict, Verdict::Broken, "it is overtaken there");
    let unmeasured = judge(&record, crossover(1000.0, 65536.0));
    assert_eq!(unmeasured.verdict, Verdict::Undecided);
    assert!(unmeasured.findings[0].why.contains("was not measured"), "{unmeasured}");
}

#[test]
fn cells_without_a_result_decide_nothing_and_say_why() {
    let record = support::showcase().record();
    let rule = |strategy: &str| Expect { strategy: strategy.into(), ..below(1.0) };
    let unsupported = judge(&record, rule("uring-read-send"));
    assert_eq!(unsupported.verdict, Verdict::Undecided);
    let why = "uring-read-send: unsupported: io_uring_setup: EPERM (seccomp)";
    assert_eq!(unsupported.findings[0].why, why);
    assert_eq!(judge(&record, rule("sendfyle")).findings[0].why, "no contender is called sendfyle");
    let nowhere = judge(&record, at(below(1.0), "fetch", &[json!(3)]));
    assert_eq!(verdicts(&nowhere), [Verdict::Undecided]);
    let killed = zclab_report::record::read(&support::killed()).expect("readable");
    let unfinished = judge(&killed, at(below(1.0), "fetch", &[json!(65536)]));
    assert_eq!(unfinished.findings[0].why, "sendfile was not measured");
    let unknown = judge(&record, Expect { metric: "elegance".into(), ..below(1.0) });
    assert_eq!(unknown.findings[0].why, "no metric has the key elegance");
    let zero = judge(&record, Expect { metric: "short_writes_per_mib".into(), ..below(1.0) });
    assert_eq!(zero.findings[0].why, "no turn has a value above 0 of both");
    let reading = judge(
        &support::single().record(),
        Expect { metric: "receiver_cpu_ns_per_kib".into(), ..below(1.0) },
    );
    assert!(reading.findings[0].why.contains("no reading receiver_cpu_ns"), "{reading}");
}

#[test]
fn too_few_launches_decide_nothing() {
    for launches in [1, 2] {
        let mut builder = Builder::new();
        builder.launches = launches;
        let axes = [("fetch", json!([1_048_576]))];
        let scenario = builder.scenario("x", "?", &axes);
        builder.measure(&scenario, &|_, _| None);
        let rule = judge(&builder.record(), below(1.0));
        assert_eq!(rule.verdict, Verdict::Undecided);
        let why = &rule.findings[0].why;
        assert_eq!(*why, format!("too few launches: {launches}, and it takes 3 to decide"));
    }
}

#[test]
fn counts_are_exact_and_what_was_not_observed_is_undecided() {
    let record = support::witnessed().record();
    let none = judge(&record, copies("sendfile", None, Some(0.0)));
    assert_eq!(none.claim, "sendfile stays at 0 in CPU copies per byte");
    // One of the six conditions contradicts: there the pages were copied.
    let found = verdicts(&none);
    assert_eq!(found.iter().filter(|one| **one == Verdict::Broken).count(), 1, "{none}");
    assert!(none.outcome().contains("fetch size 64 KiB: 1, beyond the bound"), "{none}");
    let two = judge(&record, copies("read-write", Some(2.0), Some(2.0)));
    assert_eq!(two.verdict, Verdict::Holds, "{two}");
    let unobserved = expect::judge(&studies(&record)[1], &[copies("sendfile", None, Some(0.0))]);
    assert_eq!(unobserved[0].verdict, Verdict::Undecided);
    assert!(unobserved[0].findings[0].why.starts_with("not observed: "), "{}", unobserved[0]);
    let unknown = Expect { metric: "loops".into(), ..copies("sendfile", None, Some(0.0)) };
    assert_eq!(judge(&record, unknown).findings[0].why, "no count has the key loops");
}

#[test]
fn panels_are_asked_one_by_one() {
    let record = support::showcase().record();
    let fan_out = &studies(&record)[2];
    let rule = below(1.0);
    let found = expect::judge(fan_out, std::slice::from_ref(&rule)).remove(0);
    assert_eq!(found.findings.len(), 6, "three numbers of consumers, two kinds of access");
    let rule = at(rule, "access", &[json!("random")]);
    let found = expect::judge(fan_out, &[rule]).remove(0);
    let conditions: Vec<&str> = found.findings.iter().map(|one| one.condition.as_str()).collect();
    let wanted = ["1", "4", "16"].map(|n| format!("access: random, consumers {n}"));
    assert_eq!(conditions, wanted);
}

/// A record whose file states rules: one that holds, one that is broken, one that is undecided.
fn with_rules() -> Builder {
    let mut builder = support::showcase();
    let rules = [
        crossover(2048.0, 65536.0),
        below(1.0),
        Expect { strategy: "splice".into(), ..at(below(1.0), "fetch", &[json!(512)]) },
        at(copies("sendfile", None, Some(0.0)), "fetch", &[json!(65536)]),
    ];
    for line in &mut builder.lines {
        if let Line::Scenario(scenario) = line
            && scenario.scenario == "quick/size"
        {
            scenario.expect = rules.to_vec();
        }
    }
    builder
}

#[test]
fn rules_travel_with_the_record_and_the_worst_is_the_whole() {
    let record = with_rules().record();
    let found = expect::verdicts(&size(&record));
    let verdicts: Vec<Verdict> = found.iter().map(|one| one.verdict).collect();
    use Verdict::{Broken, Holds, Undecided};
    assert_eq!(verdicts, [Holds, Broken, Undecided, Undecided]);
    assert_eq!(expect::overall(&studies(&record)), Some(Broken));
    assert_eq!(expect::overall(&studies(&support::showcase().record())), None);
    assert_eq!([Holds, Broken, Undecided].map(Verdict::exit_code), [0, 1, 3]);
    let gate = zclab_report::gate::Verdict::from;
    assert!(gate(Holds) < gate(Undecided) && gate(Undecided) < gate(Broken));
}

#[test]
fn tables_and_exports_say_the_same() {
    let record = with_rules().record();
    let text = table::cmp(std::slice::from_ref(&record));
    let lines: Vec<&str> = text.lines().filter(|line| line.starts_with("expect: ")).collect();
    insta::assert_snapshot!("terminal", lines.join("\n"));
    let json = table::cmp_json(std::slice::from_ref(&record));
    let rules = &json["records"][0]["scenarios"][0]["expect"];
    assert_eq!(rules[1]["verdict"], "broken");
    let asked = &rules[1]["findings"][0]["ratios"][0];
    assert_eq!(
        (&asked["wanted"], &asked["bound"], &asked["questions"]),
        (&json!("below"), &json!(1.0), &json!(8))
    );
    assert!(asked["p_holm"].as_f64() < Some(expect::LEVEL), "{asked}");
    assert_eq!(rules[3]["findings"][0]["value"], json!(null), "not observed is not 0");
}

#[test]
fn the_page_shows_each_rule_with_its_numbers() {
    let pages = page::site(&with_rules().record());
    let (file, text) = &pages[1];
    assert_eq!(file, "quick-size.html");
    let ids = html::ids(&html::read(text));
    assert!(ids.contains("expect"));
    let start = text.find("<section id=\"expect\">").expect("the block");
    let block = &text[start..];
    let block = &block[..block.find("</section>").expect("its end")];
    insta::assert_snapshot!("block", block);
    let without = page::site(&support::showcase().record());
    assert!(without.iter().all(|(_, text)| !text.contains("id=\"expect\"")));
    if let Some(folder) = std::env::var_os("ZCLAB_SITE") {
        std::fs::write(std::path::Path::new(&folder).join("expect.html"), text).expect("a file");
    }
}
