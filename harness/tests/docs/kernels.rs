//! Does the committed page of kernels say what the committed records say?

use crate::support::{files, read, root, run, scratch, zclab};
use std::process::Command;
use std::time::Duration;

const RECORD: &str = "results/record/kernels";

/// What stands between two marks of a page.
fn between<'a>(page: &'a str, start: &str, end: &str) -> &'a str {
    let (_, rest) = page.split_once(start).expect(start);
    rest.split_once(end).expect(end).0
}

#[test]
fn the_page_is_made_of_the_records_beside_it() {
    let out = scratch();
    let mut command = Command::new(zclab());
    command.current_dir(root()).args(["report", RECORD, "--out"]).arg(out.path());
    run(&mut command, Duration::from_secs(60)).expect_ok("zclab report");
    let fresh = std::fs::read_to_string(out.path().join("index.html")).expect("a page");
    let kept = read(&format!("{RECORD}/index.html"));
    for part in ["<section id=\"answer\"", "<section id=\"results\"", "<section id=\"gaps\""] {
        let (fresh, kept) =
            (between(&fresh, part, "</section>"), between(&kept, part, "</section>"));
        assert_eq!(fresh, kept, "make it again: zclab report {RECORD}");
    }
    assert!(!fresh.contains("class=\"fate contradicts\""), "a claim is contradicted");
    assert!(!fresh.contains("class=\"fate failed\""), "a cell failed");
}

/// The strategies of each family on each of its routes: by what tells routes apart in a cell's id.
#[test]
fn every_strategy_was_tried_on_every_route() {
    let routes = [
        ("transfer", "sink=tcp-loopback"),
        ("transfer", "scatter_gather=on,segmentation=on,sink=tcp-veth"),
        ("transfer", "scatter_gather=off,segmentation=on,sink=tcp-veth"),
        ("transfer", "sink=unix-stream"),
        ("transfer", "sink=pipe"),
        ("transfer", "sink=file"),
        ("ingest", "source=tcp-loopback"),
        ("ingest", "source=unix-stream"),
        ("receive", "source=tcp-loopback"),
    ];
    let records = files().into_iter();
    for name in records.filter(|one| one.starts_with(RECORD) && one.ends_with("-ext4.jsonl")) {
        let text = read(&name);
        let lines = || text.lines().map(|line| serde_json::from_str(line).expect("JSON"));
        let run: serde_json::Value = lines().next().expect("a first line");
        assert_eq!(run["dirty"], false, "{name}: of no revision");
        let cells: Vec<String> = lines()
            .filter(|line: &serde_json::Value| line["kind"] == "cell")
            .map(|cell| cell["cell"].as_str().expect("an id").to_owned())
            .collect();
        let catalogue = run["catalogue"].as_array().expect("a catalogue");
        for (family, route) in routes {
            for strategy in catalogue.iter().filter(|fact| fact["family"] == family) {
                let strategy = format!("/{}/", strategy["name"].as_str().expect("a name"));
                let tried = |id: &&String| id.contains(&strategy) && id.contains(route);
                assert!(cells.iter().any(|id| tried(&id)), "{name}: {strategy} over {route}");
            }
        }
    }
}

#[test]
fn every_kernel_that_was_asked_for_is_there_or_says_why_not() {
    let text = read(&format!("{RECORD}/matrix.json"));
    let matrix: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    let kernels = matrix["kernels"].as_array().expect("a list");
    assert!(kernels.len() >= 5, "{text}");
    for kernel in kernels {
        let records = kernel["records"].as_array().map_or(0, Vec::len);
        assert!(records == 2 || kernel["missing"].is_string(), "{kernel}");
    }
}
