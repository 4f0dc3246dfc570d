//! Does the ledger see on each route what the claim for that very route says?

use crate::lab::{finish, lines, of_kind, results, scenario, zclab};
use crate::support::ledger;
use serde_json::{Value, json};
use std::path::Path;
use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(240);
const MOVERS: &str = "\"read-write\", \"mmap-write\", \"sendfile\", \"splice\", \
                      \"uring-read-send\"";

/// The record of a check of the movers.
fn check(matrix: &str) -> Vec<Value> {
    let dir = results();
    let budget = "launches = 1\nturns = 1\nslice = \"1 MiB\"\nfetches_max = 200";
    let file = scenario(dir.path(), "route", MOVERS, matrix, budget);
    let mut command = zclab();
    command.arg("check").arg(&file).arg("--quiet").arg("--results").arg(dir.path());
    let (output, out, err) = finish(&mut command, LIMIT);
    assert_eq!(output.status.code(), Some(0), "{out}{err}");
    lines(Path::new(out.lines().find_map(|line| line.strip_prefix("record: ")).unwrap()))
}

/// Whether there is a cell that had to be skipped; says why.
fn skipped(record: &[Value], what: &str) -> bool {
    let cell = of_kind(record, "cell").into_iter().find(|cell| cell["status"] == "skipped");
    if let Some(cell) = cell {
        println!("SKIPPED: {what}: {}", cell["reasons"][0]);
    }
    cell.is_some()
}

fn strategy(line: &Value) -> &str {
    line["cell"].as_str().unwrap().split('/').nth(1).unwrap()
}

/// CPU copies on the sending side over a device with these offloads: kernel.md, sections 1 and 1.5.
fn copies(strategy: &str, scatter_gather: bool, checksum: bool) -> f64 {
    let (own, shared) = match strategy {
        "read-write" | "uring-read-send" => (2.0, false),
        "mmap-write" => (1.0, false),
        _ => (0.0, true),
    };
    own + if !scatter_gather || (shared && !checksum) { 1.0 } else { 0.0 }
}

/// What of a record over veth is not as it should be.
fn differences(record: &[Value]) -> Vec<String> {
    let mut wrong = Vec::new();
    for cell in of_kind(record, "cell") {
        let (params, setup) = (&cell["params"], &cell["setup"]);
        let on = |name: &str| params[name] == "on";
        let (gathers, sums) = (on("scatter_gather"), on("checksum"));
        // Without the other two there is nothing that could be cut late.
        let cuts = on("segmentation") && gathers && sums;
        let id = &cell["cell"];
        let ledgers = of_kind(record, "ledger");
        let ledger = ledgers.iter().find(|ledger| ledger["cell"] == *id).unwrap();
        let copies = copies(strategy(cell), gathers, sums);
        for (what, seen, expected) in [
            ("agreement", &ledger["agreement"], json!("agrees")),
            ("copies", &ledger["cpu_copies_per_byte"]["observed"], json!(copies)),
            ("claim", &ledger["cpu_copies_per_byte"]["predicted"], json!(copies)),
            ("scatter-gather", &setup["scatter_gather"], json!(gathers)),
            ("checksum", &setup["tx_checksum"], json!(sums)),
            ("segmentation", &setup["tcp_segmentation"], json!(cuts)),
            ("mtu", &setup["mtu_bytes"], params["mtu"].clone()),
        ] {
            if *seen != expected {
                wrong.push(format!("{id}: {what}: {seen}, not {expected}: {}", ledger["reason"]));
            }
        }
    }
    wrong
}

/// A busy machine hides a packet now and then from all programs alike: see `counting`.
fn in_three_tries(matrix: &str, differences: impl Fn(&[Value]) -> Vec<String>) {
    let mut wrong = Vec::new();
    for _ in 0..3 {
        let record = check(matrix);
        if skipped(&record, "two hosts") {
            return;
        }
        wrong = differences(&record);
        if wrong.is_empty() {
            return;
        }
        println!("again: {wrong:#?}");
    }
    panic!("{wrong:#?}");
}

#[test]
fn each_offload_is_read_back_and_decides_what_is_copied() {
    if ledger("offloads of a veth pair").is_none() {
        return;
    }
    let offloads = "sink = \"tcp-veth\"\nscatter_gather = [\"on\", \"off\"]\n\
                    checksum = [\"on\", \"off\"]\nsegmentation = [\"on\", \"off\"]\nheader = 0";
    in_three_tries(offloads, differences);
}

#[test]
fn headers_become_linear_with_the_payload_and_are_not_counted_as_such() {
    if ledger("headers over a veth pair").is_none() {
        return;
    }
    let small = "sink = \"tcp-veth\"\nscatter_gather = [\"on\", \"off\"]\n\
                 checksum = [\"on\", \"off\"]\nfetch = 1000\nheader = 70\nmtu = 9000";
    in_three_tries(small, |record| {
        let agrees = |ledger: &&Value| ledger["agreement"] != "agrees";
        of_kind(record, "ledger").into_iter().filter(agrees).map(Value::to_string).collect()
    });
}

#[test]
fn a_pipe_shows_copies_and_says_that_references_cannot_be_seen() {
    if ledger("a pipe").is_none() {
        return;
    }
    let record = check("sink = \"pipe\"\nfetch = \"64 KiB\"");
    let probes = of_kind(&record, "aliasing");
    for ledger in of_kind(&record, "ledger") {
        let copies = &ledger["cpu_copies_per_byte"]["observed"];
        let probe = probes.iter().find(|probe| probe["cell"] == ledger["cell"]).unwrap();
        assert_eq!(probe["verdict"], "agrees", "{probe}");
        assert_eq!(ledger["hops"].as_array().unwrap().last().unwrap()["from"], "sink-pipe");
        match strategy(ledger) {
            "sendfile" | "splice" => {
                assert_eq!(ledger["agreement"], "unobserved", "{ledger}");
                assert!(copies.is_null(), "nobody looked into the pipe: {ledger}");
                assert!(ledger["reason"].as_str().unwrap().contains("into a pipe"), "{ledger}");
                assert_eq!(probe["shared_bytes"], probe["probed_bytes"], "{probe}");
            }
            other => {
                assert_eq!(ledger["agreement"], "agrees", "{ledger}");
                assert_eq!(*copies, if other == "mmap-write" { 1.0 } else { 2.0 }, "{ledger}");
                assert_eq!(probe["shared_bytes"], 0, "{probe}");
            }
        }
    }
}
