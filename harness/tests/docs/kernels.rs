//! Does the committed page of kernels say what the committed records say?

use crate::support::{read, root, run, scratch, zclab};
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
