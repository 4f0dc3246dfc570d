//! Do the formats that keep histories (Bencher, github-action-benchmark) hold names, units and directions?

use crate::made_up::Made;
use serde_json::Value;
use zclab_report::export::Format;

fn bmf(made: &Made) -> serde_json::Map<String, Value> {
    let value: Value = serde_json::from_str(made.text(Format::Bmf)).expect("JSON");
    value.as_object().expect("an object").clone()
}

#[test]
fn bencher_gets_numbers_under_slugs_that_it_can_keep() {
    for made in Made::all() {
        for (name, measures) in bmf(made) {
            assert!(name.chars().count() <= 1024, "{name}");
            for (slug, metric) in measures.as_object().expect("measures") {
                let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
                assert!(slug.len() <= 64 && slug.chars().all(fits), "{slug}");
                assert_ne!(slug, "throughput", "Bencher's is in operations per second");
                let number = |name: &str| metric.get(name).map(|v| v.as_f64().expect("a number"));
                let value = number("value").expect("a value");
                assert_eq!(number("lower_value").is_some(), number("upper_value").is_some());
                assert!(number("lower_value").unwrap_or(value) <= value, "{name} {slug}");
                assert!(value <= number("upper_value").unwrap_or(value), "{name} {slug}");
            }
        }
    }
}

#[test]
fn a_gate_adds_its_head_alone_and_the_ratio_to_its_base() {
    let benchmarks = bmf(Made::named("regression"));
    let head = &benchmarks["quick/size/sendfile/cache=warm,fetch=65536"];
    assert_eq!(head["syscalls-per-mib"]["value"], 17.0);
    assert_eq!(head["sender-cpu-ns-ratio-to-base"]["value"], 1.06);
    assert_eq!(head["sender-cpu-ns-ratio-to-base"]["lower_value"], 1.056);
    assert!(head["latency"]["value"].as_f64().expect("a median") > 1000.0);
    // Five cells were measured, one is unsupported, and has no number at all.
    assert_eq!(benchmarks.len(), 5);
}

#[test]
fn two_runs_keep_their_names_apart() {
    let names = bmf(Made::named("two runs"));
    let (one, two): (Vec<_>, Vec<_>) =
        names.keys().partition(|name| name.ends_with("run=20261124T091500Z-1a2b3c"));
    assert!(one.len() == 14 && one.len() == two.len(), "{} {}", one.len(), two.len());
}

#[test]
fn each_file_of_github_action_benchmark_has_one_direction() {
    for made in Made::all() {
        for (file, text) in made.files(Format::GhaBenchmark) {
            let entries: Vec<Value> = serde_json::from_str(text).expect("a list");
            assert!(!entries.is_empty(), "an empty list is an error to the tool");
            for entry in &entries {
                let name = entry["name"].as_str().expect("a name");
                assert!(entry["value"].is_f64() || entry["value"].is_u64(), "{entry}");
                for text in ["unit", "extra"] {
                    assert!(entry[text].is_string(), "{entry}");
                }
                assert!(entry.get("range").is_none_or(Value::is_string), "{entry}");
                let more = name.contains("· Throughput")
                    || name.contains("log’s pages")
                    || name.contains("wire log bytes");
                assert_eq!(more, *file == "bigger.json", "{name} in {file}");
            }
            let mut names: Vec<_> = entries.iter().map(|one| one["name"].as_str()).collect();
            names.sort_unstable();
            names.dedup();
            assert_eq!(names.len(), entries.len(), "{}: names are not unique", made.name);
        }
    }
}
