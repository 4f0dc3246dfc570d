//! Do the documents say of the gate's error rates what the committed proof says?

use crate::support::{read, root, run, scratch, zclab};
use std::process::Command;
use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(300);

#[test]
fn the_rates_in_the_documents_are_those_of_the_committed_launches() {
    let proof = root().join("results/record/gate-power");
    let mut command = Command::new(zclab());
    let said = run(command.arg("gate-power").arg(&proof), LIMIT).expect_ok("gate-power");
    let methodology = read("METHODOLOGY.md");
    let rates: Vec<&str> = said.lines().filter_map(|line| line.strip_prefix("* ")).collect();
    assert_eq!(rates.len(), 5, "{said}");
    for rate in rates {
        let (_, rate) = rate.split_once("): ").expect("a title before the rate");
        assert!(methodology.contains(&rate.replace('\u{a0}', " ")), "METHODOLOGY lacks {rate:?}");
    }
    assert!(said.contains("; 0 of "), "a verdict does not follow from its launches:\n{said}");
}

/// Of its beginning, since five gates make a page as well as hundreds do.
#[test]
fn its_page_is_made_of_the_record_alone() {
    let dir = scratch();
    let whole = read("results/record/gate-power/power.jsonl");
    let few: String = whole.split_inclusive('\n').take(6).collect();
    std::fs::write(dir.path().join("power.jsonl"), few).expect("a record");
    let record = dir.path().join("power.jsonl");
    run(Command::new(zclab()).arg("report").arg(record), LIMIT).expect_ok("report");
    let page = std::fs::read_to_string(dir.path().join("index.html")).expect("a page");
    assert!(page.contains("5 whole gates, one after the other"), "{page}");
    assert!(page.contains("Does the gate find what was planted"), "{page}");
}
