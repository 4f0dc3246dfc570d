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

/// The strategies of each family on each of its routes, by what tells routes apart in a cell's id.
const ROUTES: [(&str, &str); 9] = [
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

/// Records that were made before there were so many scenarios stay as they are until they are renewed.
const SINCE: &str = "kernels/routes";

#[test]
fn every_strategy_was_tried_on_every_route() {
    let mut held = 0;
    let records = files().into_iter();
    for name in records.filter(|one| one.starts_with(RECORD) && one.ends_with("-ext4.jsonl")) {
        let text = read(&name);
        let lines: Vec<serde_json::Value> =
            text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
        let run = lines.first().expect("a first line");
        assert_eq!(run["dirty"], false, "{name}: of no revision");
        if !lines.iter().any(|line| line["scenario"] == SINCE) {
            continue;
        }
        held += 1;
        let cells = lines.iter().filter(|line| line["kind"] == "cell");
        let cells: Vec<&str> = cells.filter_map(|cell| cell["cell"].as_str()).collect();
        for (family, route) in ROUTES {
            let catalogue = run["catalogue"].as_array().expect("a catalogue").iter();
            for fact in catalogue.filter(|fact| fact["family"] == family) {
                let strategy = format!("/{}/", fact["name"].as_str().expect("a name"));
                let tried = |id: &&str| id.contains(&strategy) && id.contains(route);
                assert!(cells.iter().any(tried), "{name}: {strategy} over {route}");
            }
        }
    }
    assert!(held > 0, "no record has {SINCE}");
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
