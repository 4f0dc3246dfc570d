//! Is criterion's tree one that leads nowhere else, and whose baselines belong together?

use crate::made_up::{Made, committed};
use crate::support::{self, HOSTILE};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use zclab_report::export::{self, Exported, Format};

fn parsed(files: &[(String, String)]) -> BTreeMap<&str, Value> {
    files
        .iter()
        .map(|(path, text)| (path.as_str(), serde_json::from_str(text).expect("JSON")))
        .collect()
}

#[test]
fn a_gate_s_head_is_new_and_its_base_is_base() {
    let files = Made::named("regression").files(Format::Criterion);
    let tree = parsed(files);
    let folder = "quick_size/sendfile_cpu/cache=warm,fetch=65536";
    let mean = |baseline: &str| {
        let estimates = &tree[format!("{folder}/{baseline}/estimates.json").as_str()];
        estimates["mean"]["point_estimate"].as_f64().expect("a mean")
    };
    let ratio = mean("new") / mean("base");
    assert!((1.03..1.09).contains(&ratio), "6 % were planted, {ratio} found");
    let names = &tree[format!("{folder}/new/benchmark.json").as_str()];
    assert_eq!(names["full_id"], "quick/size/sendfile/cache=warm,fetch=65536/cpu");
    assert_eq!(names["directory_name"], folder);
    assert_eq!(names["throughput"]["Bytes"], 1 << 20);
    let samples = &tree[format!("{folder}/new/sample.json").as_str()];
    assert_eq!(samples["times"].as_array().map(Vec::len), Some(12 * 4));
}

#[test]
fn every_estimate_lies_in_its_interval() {
    for made in Made::all() {
        let files = made.files(Format::Criterion);
        for (path, value) in parsed(files) {
            if !path.ends_with("/estimates.json") {
                continue;
            }
            for name in ["mean", "median", "median_abs_dev", "std_dev"] {
                let one = &value[name];
                let number = |value: &Value| value.as_f64().expect("a number");
                let interval = &one["confidence_interval"];
                let point = number(&one["point_estimate"]);
                assert!(number(&interval["lower_bound"]) <= point, "{path} {name}");
                assert!(point <= number(&interval["upper_bound"]), "{path} {name}");
                assert!(number(&one["standard_error"]) >= 0.0);
                let level = number(&interval["confidence_level"]);
                assert!(level == 0.95 || level == 0.0, "{path}: {level}");
            }
            assert!(value["slope"].is_null());
        }
    }
}

#[test]
fn no_name_in_a_record_leads_out_of_the_folder() {
    let mut record = support::showcase().record();
    let names = ["../../etc", "/etc/passwd", "..", HOSTILE, "a\\b", "CON ", ""];
    for (cell, name) in record.cells.iter_mut().zip(names.iter().cycle()) {
        cell.id = format!("{name}/{}", cell.id);
        if let Some(cell) = &mut cell.cell {
            cell.params.insert("note".into(), (*name).into());
        }
    }
    for scenario in &mut record.scenarios {
        let was = scenario.scenario.clone();
        scenario.scenario = format!("../..//{HOSTILE}/{was}");
        for cell in record.cells.iter_mut().filter_map(|cell| cell.cell.as_mut()) {
            if cell.scenario == was {
                cell.scenario = scenario.scenario.clone();
            }
        }
    }
    let Exported::Files(files) = export::run(&[record], Format::Criterion) else {
        panic!("files");
    };
    assert!(files.len() > 100);
    let mut seen = BTreeSet::new();
    for (path, _) in &files {
        assert!(seen.insert(path), "{path} is written twice");
        for part in path.split('/') {
            assert!(!part.is_empty() && !part.starts_with('.') && part.len() <= 80, "{path}");
            assert!(!part.contains(['\\', '\0', '\n', '<', '"']), "{path}");
        }
    }
}

#[test]
fn several_runs_are_baselines_by_their_ids() {
    let record = committed("overhead/run.jsonl");
    let id = record.run.run_id.clone();
    let Exported::Files(files) = export::run(&[record.clone(), record], Format::Criterion) else {
        panic!("files");
    };
    let baselines: BTreeSet<&str> =
        files.iter().filter_map(|(path, _)| path.rsplit('/').nth(1)).collect();
    // The same record twice is two arms all the same.
    let expected = BTreeSet::from([id.clone(), format!("{id}~2")]);
    assert_eq!(baselines, expected.iter().map(String::as_str).collect());
}
