//! Do the formats of single samples (Go, hyperfine, HdrHistogram, JSON) hold every slice and distribution?

use crate::made_up::{Made, committed};
use base64::Engine;
use hdrhistogram::serialization::Deserializer;
use hdrhistogram::serialization::interval_log::{IntervalLogIterator, LogEntry};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use zclab_report::export::Format;

fn json(made: &Made) -> Value {
    serde_json::from_str(made.text(Format::Json)).expect("JSON")
}

/// Slices of all cases and arms.
fn slices(suite: &Value) -> usize {
    let cases = suite["cases"].as_array().expect("cases");
    let arms = cases.iter().flat_map(|case| case["measured"].as_object().expect("arms").values());
    arms.map(|arm| arm["slices"].as_array().expect("slices").len()).sum()
}

#[test]
fn json_holds_the_record_s_own_numbers() {
    let record = committed("overhead/run.jsonl");
    let suite = json(Made::named("overhead"));
    assert_eq!(suite["schema"], 1);
    assert_eq!(suite["source"], "run");
    assert_eq!(suite["cases"].as_array().map(Vec::len), Some(record.cells.len()));
    let case = &suite["cases"][0];
    let cell = record.cells.iter().find(|cell| case["id"] == *cell.id).expect("the cell");
    let arm = &case["measured"][&record.run.run_id];
    let timing = cell.samples.iter().filter(|one| one.pass == zclab_report::record::Pass::Timing);
    let first = timing.clone().next().expect("a sample");
    assert_eq!(arm["slices"].as_array().map(Vec::len), Some(timing.count()));
    assert_eq!(arm["slices"][0]["wall_ns"], first.wall_ns);
    assert_eq!(arm["slices"][0]["payload_bytes"], first.bytes);
}

#[test]
fn go_s_lines_are_names_counts_and_pairs_of_value_and_unit() {
    for made in Made::all() {
        let text = made.text(Format::Gobench);
        let mut units = BTreeSet::new();
        let mut lines = 0;
        for line in text.lines() {
            let fields: Vec<&str> = line.split(' ').collect();
            if line.starts_with("Unit ") {
                assert!(units.insert(fields[1].to_owned()), "{} is declared twice", fields[1]);
            } else if line.starts_with("Benchmark") {
                let (name, numbers) = fields.split_first().expect("a name");
                assert!(
                    name.is_ascii() && !name["Benchmark".len()..].starts_with(char::is_lowercase)
                );
                assert!(numbers[0].parse::<u64>().expect("a count") > 0);
                assert!(numbers.len() > 2 && numbers.len() % 2 == 1, "{line}");
                for pair in numbers[1..].chunks(2) {
                    assert!(pair[0].parse::<f64>().expect("a number").is_finite(), "{line}");
                }
                lines += usize::from(numbers.contains(&"ns/op"));
            } else {
                let (key, value) = line.split_once(": ").expect("a configuration line");
                assert!(key.starts_with(|c: char| c.is_ascii_lowercase()), "{line}");
                assert!(!key.contains(char::is_whitespace) && !value.is_empty(), "{line}");
            }
        }
        let json = json(made);
        assert_eq!(lines, slices(&json), "{}: a line for each slice", made.name);
    }
}

#[test]
fn go_s_names_tell_arms_apart_and_counts_are_exact() {
    let text = Made::named("regression").text(Format::Gobench);
    assert!(text.contains("Unit syscalls/MiB better=lower assume=exact\n"));
    assert!(text.contains("Unit sender-cpu-ns/KiB better=lower\n"));
    assert!(text.contains("Unit wire-log-bytes/byte better=higher assume=exact\n"));
    let count = |start: &str| text.lines().filter(|line| line.starts_with(start)).count();
    let name = "BenchmarkQuick_size/contender=sendfile";
    assert_eq!(count(&format!("{name}/arm=base-2 ")), 12 * 4 + 1);
    assert_eq!(count(&format!("{name}/arm=head-2 ")), 12 * 4 + 1);
    assert!(text.contains(&format!("{name}/arm=head-2 1 17 syscalls/MiB 0 cpu-copies/byte")));
    assert!(text.contains("\nfetch: 64 KiB\n") && text.contains("\nkernel: 6.18.5\n"));
}

#[test]
fn hyperfine_s_results_have_its_fields() {
    for made in Made::all() {
        let value: Value = serde_json::from_str(made.text(Format::Hyperfine)).expect("JSON");
        let results = value["results"].as_array().expect("results");
        let mut commands = BTreeSet::new();
        let mut count = 0;
        for result in results {
            assert!(commands.insert(result["command"].as_str().expect("a command")));
            let number = |name: &str| result[name].as_f64().expect("a number");
            let times = result["times"].as_array().expect("times");
            count += times.len();
            for name in ["mean", "median"] {
                let middle = number(name);
                let slack = middle * 1e-12;
                assert!(number("min") <= middle + slack && middle <= number("max") + slack);
            }
            assert_eq!(result["stddev"].is_number(), times.len() > 1);
            assert!(result["user"].is_null() && result["system"].is_null());
            assert!(
                result["parameters"]
                    .as_object()
                    .expect("parameters")
                    .values()
                    .all(Value::is_string)
            );
        }
        assert_eq!(count, slices(&json(made)), "{}: a time for each slice", made.name);
    }
}

#[test]
fn histograms_come_back_whole() {
    for made in Made::all() {
        let suite = json(made);
        let mut written: BTreeMap<String, usize> = BTreeMap::new();
        for case in suite["cases"].as_array().expect("cases") {
            for arm in case["measured"].as_object().expect("arms").values() {
                for one in arm["latencies"].as_array().expect("latencies") {
                    *written.entry(one["data"].as_str().expect("data").into()).or_default() += 1;
                }
            }
        }
        let text = made.text(Format::Hlog);
        let mut tags = BTreeSet::new();
        let mut stamps = Vec::new();
        let mut read = 0;
        for entry in IntervalLogIterator::new(text.as_bytes()) {
            let LogEntry::Interval(interval) = entry.expect("a line that can be read") else {
                continue;
            };
            let tag = interval.tag().expect("a tag").as_str().to_owned();
            assert!(!tag.contains([',', ' ', '\n']), "{tag}");
            tags.insert(tag);
            stamps.push(interval.start_timestamp());
            let bytes = base64::engine::general_purpose::STANDARD
                .decode(interval.encoded_histogram())
                .expect("base64");
            let histogram: hdrhistogram::Histogram<u64> =
                Deserializer::new().deserialize(&mut bytes.as_slice()).expect("a histogram");
            assert!(!histogram.is_empty());
            read += 1;
        }
        assert_eq!(read, written.values().sum::<usize>(), "{}", made.name);
        assert!(stamps.is_sorted(), "{}: stamps go back", made.name);
        let head = "#[Histogram log format version 1.3]\n";
        assert!(text.starts_with(head), "{}: {}", made.name, &text[..80.min(text.len())]);
        assert_eq!(tags.iter().any(|tag| tag.ends_with(";arm=head")), made.is_gate() && read > 0);
    }
}
