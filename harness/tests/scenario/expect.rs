//! Rules of a file are read as they are meant, and refused where they could speak of nothing.

use crate::{whole, with_head};
use proptest::prelude::*;
use serde_json::json;
use std::collections::BTreeMap;
use zclab::scenario::{RULES_MAX, parse, parse_bytes};
use zclab_report::record::{Claim, Expect};

/// Nine lines: the rule's own begin at line 10.
const HEAD: &str = r#"question = "Why?"
baseline = "mmap-write"
strategies = ["mmap-write", "sendfile", { strategy = "splice", pipe = "1 MiB" }]
[matrix]
fetch = ["64 KiB", "1 KiB", "8 KiB"]
cache = ["warm", { partial = 0.5 }]
consumers = 1
[budget]
launches = 4
"#;

fn rules(text: &str) -> Vec<Expect> {
    whole(&format!("{HEAD}{text}")).expect
}

fn rule(body: &str) -> Expect {
    let mut rules = rules(&format!("[[expect]]\nstrategy = \"sendfile\"\n{body}"));
    assert_eq!(rules.len(), 1);
    rules.remove(0)
}

/// Refuses a rule with this body: the only problem has this key, stands on this line of the rule
/// (1 is `[[expect]]`), and its message holds all the words.
fn refused(body: &str, key: &str, line: usize, words: &[&str]) {
    let text = format!("{HEAD}[[expect]]\n{body}");
    let bad = parse("test", "test.toml", &text).expect_err(body);
    let [problem] = bad.problems.as_slice() else { panic!("not one problem:\n{bad}") };
    let message = bad.to_string();
    assert_eq!(problem.key, key, "{message}");
    assert_eq!(problem.place.as_ref().map_or(0, |spot| spot.line), 9 + line, "{message}");
    for word in words {
        assert!(message.contains(word), "{message}\nlacks {word}");
    }
}

#[test]
fn a_file_without_rules_expects_nothing() {
    assert!(with_head("").expect.is_empty());
    let record = serde_json::to_value(with_head("").to_record()).expect("plain values");
    assert!(record.get("expect").is_none(), "records are as they were");
}

#[test]
fn every_form_of_a_rule_is_read() {
    let ratio = rule("than = \"mmap-write\"\nratio = { below = 1.0 }\n");
    let wanted = Expect {
        strategy: "sendfile".into(),
        metric: "sender_cpu_ns_per_kib".into(),
        claim: Claim::Ratio { than: "mmap-write".into(), above: None, below: Some(1.0) },
        places: BTreeMap::new(),
    };
    assert_eq!(ratio, wanted);
    let both = rule(
        "than = \"splice pipe=1048576\"\nmetric = \"throughput_mib_per_s\"\n\
         ratio = { above = 0.5, below = 2 }\n",
    );
    assert_eq!(both.metric, "throughput_mib_per_s");
    let than = "splice pipe=1048576".to_owned();
    assert_eq!(both.claim, Claim::Ratio { than, above: Some(0.5), below: Some(2.0) });
    let crossover = rule("than = \"mmap-write\"\ncrossover = { from = 1024, to = \"64 KiB\" }\n");
    let than = "mmap-write".to_owned();
    assert_eq!(crossover.claim, Claim::Crossover { than, from: 1024.0, to: 65536.0 });
    let value = rule("metric = \"observed_copies_per_byte\"\nvalue = { at_most = 0 }\n");
    assert_eq!(value.claim, Claim::Value { at_least: None, at_most: Some(0.0) });
}

#[test]
fn where_becomes_the_values_that_it_means() {
    let at = |places: &str| {
        rule(&format!("than = \"mmap-write\"\nratio = {{ below = 1 }}\nwhere = {places}\n")).places
    };
    let fetch = |values: &[u64]| {
        BTreeMap::from([("fetch".to_owned(), values.iter().map(|one| json!(one)).collect())])
    };
    assert_eq!(at("{ fetch = { from = \"8 KiB\" } }"), fetch(&[65536, 8192]));
    assert_eq!(at("{ fetch = { to = 8192, from = 2 } }"), fetch(&[1024, 8192]));
    assert_eq!(at("{ fetch = \"1 KiB\" }"), fetch(&[1024]));
    assert_eq!(at("{ fetch = [1024, \"64 KiB\"] }"), fetch(&[1024, 65536]));
    assert_eq!(at("{}"), BTreeMap::new());
    let cold = at("{ cache = { partial = 0.5 } }");
    assert_eq!(cold, BTreeMap::from([("cache".to_owned(), vec![json!("partial:0.5")])]));
}

#[test]
fn what_bytes_cost_the_receiver_is_compared_where_it_receives() {
    let ingest = whole(
        "question = \"Why?\"\nbaseline = \"recv-write\"\nstrategies = [\"recv-write\", \"splice-in\"]\n\
         [[expect]]\nstrategy = \"splice-in\"\nthan = \"recv-write\"\nratio = { below = 2 }\n",
    );
    assert_eq!(ingest.expect[0].metric, "receiver_cpu_ns_per_kib");
}

#[test]
fn the_record_has_the_rules_and_gives_them_back() {
    let scenario = whole(&format!(
        "{HEAD}[[expect]]\nstrategy = \"sendfile\"\nthan = \"mmap-write\"\n\
         ratio = {{ below = 1 }}\nwhere = {{ fetch = \"1 KiB\" }}\n"
    ));
    let record = scenario.to_record();
    assert_eq!(record.expect, scenario.expect);
    let value = serde_json::to_value(&record.expect).expect("plain values");
    let wanted = json!([{
        "strategy": "sendfile",
        "metric": "sender_cpu_ns_per_kib",
        "claim": { "ratio": { "than": "mmap-write", "below": 1.0 } },
        "where": { "fetch": [1024] },
    }]);
    assert_eq!(value, wanted);
    let back: Vec<Expect> = serde_json::from_value(value).expect("it reads back");
    assert_eq!(back, scenario.expect);
}

#[test]
fn a_rule_that_speaks_of_nothing_is_refused() {
    let than = "than = \"mmap-write\"\n";
    let head = "strategy = \"sendfile\"\nthan = \"mmap-write\"\n";
    let ratio = "ratio = { below = 1 }\n";
    let with = |rest: &str| format!("{head}{ratio}{rest}");
    refused(&format!("{than}{ratio}"), "expect[1].strategy", 1, &["missing", "label of the"]);
    let unknown = format!("strategy = \"sendfil\"\n{than}{ratio}");
    let words = ["no contender", "did you mean `sendfile`?", "splice pipe=1048576"];
    refused(&unknown, "expect[1].strategy", 2, &words);
    let itself = format!("strategy = \"mmap-write\"\n{than}{ratio}");
    refused(&itself, "expect[1].than", 3, &["with itself"]);
    let alone = format!("strategy = \"sendfile\"\n{ratio}");
    refused(&alone, "expect[1].than", 1, &["missing"]);
    refused(head, "expect[1]", 1, &["claims nothing", "one of ratio, crossover, value"]);
    let two = with("crossover = { from = 1024, to = 8192 }\n");
    refused(&two, "expect[1]", 5, &["several things"]);
    refused(&with("wher = {}\n"), "expect[1].wher", 5, &["did you mean `where`?"]);
    let metric = with("metric = \"sender_cpu\"\n");
    refused(&metric, "expect[1].metric", 5, &["did you mean `sender_cpu_ns_per_kib`?"]);
    let path = "expect[1].where.fetch";
    let far = with("where = { fetch = { from = \"1 MiB\" } }\n");
    refused(&far, path, 5, &["this stretch is not among", "one of 65536, 1024, 8192"]);
    let other = with("where = { fetch = \"2 KiB\" }\n");
    refused(&other, path, 5, &["2048 is not among the values of `fetch`"]);
    let second = with("where = { fetch = [1024, 3] }\n");
    refused(&second, "expect[1].where.fetch[2]", 5, &["3 is not among"]);
    let fixed = with("where = { consumers = 1 }\n");
    refused(&fixed, "expect[1].where.consumers", 5, &["it is no axis", "one of fetch, cache"]);
    let misspelt = with("where = { fetsch = 1024 }\n");
    refused(&misspelt, "expect[1].where.fetsch", 5, &["did you mean `fetch`?"]);
    let end = with("where = { fetch = { form = 1024 } }\n");
    refused(&end, "expect[1].where.fetch.form", 5, &["did you mean `from`?"]);
}

#[test]
fn bounds_that_cannot_be_meant_are_refused() {
    let head = "strategy = \"sendfile\"\nthan = \"mmap-write\"\n";
    let with = |rest: &str| format!("{head}{rest}\n");
    refused(&with("ratio = {}"), "expect[1].ratio", 4, &["no bound", "{ below = number }"]);
    refused(&with("ratio = 1"), "expect[1].ratio", 4, &["a whole number is no table"]);
    let turned = with("ratio = { above = 2, below = 1 }");
    refused(&turned, "expect[1].ratio", 4, &["nothing lies between 2 and 1"]);
    refused(&with("ratio = { below = 0 }"), "expect[1].ratio.below", 4, &["above 0"]);
    refused(&with("ratio = { under = 1 }\n"), "expect[1].ratio.under", 4, &["one of above, below"]);
    let path = "expect[1].crossover";
    let between = with("crossover = { from = \"2 KiB\", to = \"64 KiB\" }");
    refused(&between, &format!("{path}.from"), 4, &["2048 is not among the values of `fetch`"]);
    let turned = with("crossover = { from = 8192, to = 1024 }");
    refused(&turned, path, 4, &["`from` is not less than `to`"]);
    refused(&with("crossover = { from = 1024 }"), &format!("{path}.to"), 4, &["missing"]);
    let along = with("crossover = { from = 1024, to = 8192 }\nwhere = { fetch = 1024 }");
    refused(&along, "expect[1].where.fetch", 5, &["goes along this axis"]);
    let value = "strategy = \"sendfile\"\n";
    let with = |rest: &str| format!("{value}{rest}\n");
    refused(&with("value = { at_most = 0 }"), "expect[1].metric", 1, &["missing"]);
    let copies = "metric = \"observed_copies_per_byte\"\n";
    let with = |rest: &str| format!("{value}{copies}{rest}\n");
    refused(&with("value = { at_most = -1 }"), "expect[1].value.at_most", 4, &["0 or greater"]);
    refused(&with("value = { at_most = nan }"), "expect[1].value.at_most", 4, &["no number"]);
    let than = with("than = \"mmap-write\"\nvalue = { at_most = 0 }");
    refused(&than, "expect[1].than", 4, &["no `than` beside `value`"]);
}

#[test]
fn a_crossover_needs_an_axis_of_numbers() {
    let crossing = "[[expect]]\nstrategy = \"sendfile\"\nthan = \"mmap-write\"\n\
                    crossover = { from = 1, to = 2 }\n";
    let head = "question = \"Why?\"\nbaseline = \"mmap-write\"\n\
                strategies = [\"mmap-write\", \"sendfile\"]\n";
    let say = |matrix: &str| {
        let text = format!("{head}{matrix}{crossing}");
        parse("test", "test.toml", &text).expect_err("no numbers").to_string()
    };
    assert!(say("").contains("the file has no axis"));
    let words = say("[matrix]\ncache = [\"warm\", \"partial\"]\nfetch = [1, 2]\n");
    assert!(words.contains("the first axis, `cache`, has values that are no numbers"), "{words}");
}

#[test]
fn there_are_only_so_many_rules() {
    let one = "[[expect]]\nstrategy = \"sendfile\"\nthan = \"mmap-write\"\nratio = { below = 1 }\n";
    assert_eq!(rules(&one.repeat(RULES_MAX)).len(), RULES_MAX);
    let text = format!("{HEAD}{}", one.repeat(RULES_MAX + 1));
    let bad = parse("test", "test.toml", &text).expect_err("too many").to_string();
    assert!(bad.contains("101 rules") && bad.contains("no more than 100"), "{bad}");
}

/// What rules are made of, well and badly.
fn body() -> impl Strategy<Value = String> {
    let label =
        prop::sample::select(vec!["sendfile", "mmap-write", "splice pipe=1048576", "spice"]);
    let metric = prop::sample::select(vec![
        "",
        "metric = \"sender_cpu_ns_per_kib\"\n",
        "metric = \"observed_copies_per_byte\"\n",
        "metric = 3\n",
    ]);
    let claim = prop::sample::select(vec![
        "ratio = { below = 1.5 }\n",
        "ratio = { above = 0.5, below = 0.25 }\n",
        "crossover = { from = 1024, to = 65536 }\n",
        "crossover = { from = 1024, to = 4096 }\n",
        "value = { at_least = 1, at_most = 2.5 }\n",
        "",
    ]);
    let places = prop::sample::select(vec![
        "",
        "where = { fetch = { from = 1025 } }\n",
        "where = { cache = \"warm\" }\n",
        "where = { fetch = { from = 9000, to = 1000 } }\n",
        "where = { message = 1 }\n",
    ]);
    (label.clone(), prop::option::of(label), metric, claim, places).prop_map(
        |(strategy, than, metric, claim, places)| {
            let than = than.map(|than| format!("than = \"{than}\"\n")).unwrap_or_default();
            format!("[[expect]]\nstrategy = \"{strategy}\"\n{than}{metric}{claim}{places}")
        },
    )
}

proptest! {
    /// Whatever is accepted speaks of contenders, metrics and conditions that exist, and whatever is
    /// refused is told by a line of the rules.
    #[test]
    fn rules_of_any_make(bodies in prop::collection::vec(body(), 1..4)) {
        let text = format!("{HEAD}{}", bodies.concat());
        match parse_bytes("fuzz", "fuzz.toml", text.as_bytes()) {
            Ok(scenario) => {
                prop_assert_eq!(scenario.expect.len(), bodies.len());
                for rule in &scenario.expect {
                    for (axis, values) in &rule.places {
                        let axis = scenario.axes.iter().find(|one| one.name == *axis);
                        let axis = axis.expect("an axis of the file");
                        prop_assert!(!values.is_empty());
                        prop_assert!(values.iter().all(|value| axis.values.contains(value)));
                    }
                    let line = serde_json::to_string(rule).expect("plain values");
                    let back: Expect = serde_json::from_str(&line).expect("it reads back");
                    prop_assert_eq!(&back, rule);
                }
            }
            Err(bad) => {
                for problem in &bad.problems {
                    prop_assert!(problem.key.starts_with("expect["), "{}", bad);
                    prop_assert!(problem.place.as_ref().is_some_and(|spot| spot.line > 9));
                }
            }
        }
    }
}
