//! What is counted for the whole catalogue, beside witnesses of other kinds?

use crate::lab::{finish, latest, lines, of_kind, results, scenario, zclab};
use crate::support::ledger;
use serde_json::{Value, json};
use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(240);
const ALL: &str = "\"null\", \"read-write\", \"mmap-write\", \"sendfile\", \"splice\", \
                   \"uring-read-send\", \"direct-write\"";

/// The ledger lines of a run, each with the counting sample of its cell.
fn run(matrix: &str) -> Vec<(Value, Value)> {
    run_of(ALL, matrix)
}

/// The same of other strategies than the first ones.
pub fn run_of(strategies: &str, matrix: &str) -> Vec<(Value, Value)> {
    let dir = results();
    let budget = "launches = 1\nturns = 1\nslice = \"4 MiB\"";
    let file = scenario(dir.path(), "seen", strategies, matrix, budget);
    let mut command = zclab();
    command.arg("run").arg(file).arg("--quiet").arg("--results").arg(dir.path());
    let (output, _, err) = finish(&mut command, LIMIT);
    assert_eq!(output.status.code(), Some(0), "{err}");
    let record = lines(&latest(dir.path()));
    let counting: Vec<&Value> =
        of_kind(&record, "sample").into_iter().filter(|s| s["pass"] == "counting").collect();
    let ledgers = of_kind(&record, "ledger").into_iter();
    let joined: Vec<_> = ledgers
        .filter_map(|ledger| {
            let sample = counting.iter().find(|sample| sample["cell"] == ledger["cell"])?;
            Some((ledger.clone(), (*sample).clone()))
        })
        .collect();
    assert!(!joined.is_empty());
    joined
}

pub fn count(ledger: &Value, name: &str) -> u64 {
    ledger["counts"][name].as_u64().unwrap_or(0)
}

#[test]
fn copies_of_the_catalogue() {
    if ledger("copies of the catalogue").is_none() {
        return;
    }
    // A busy machine was seen to hide a packet now and then from all programs alike; then the cell says
    // how many bytes were seen, and the next run is exact.
    let mut wrong = Vec::new();
    for _ in 0..3 {
        let cells = run("sink = [\"tcp-loopback\", \"unix-stream\"]\nfetch = \"64 KiB\"");
        wrong = cells.iter().flat_map(|(ledger, sample)| differences(ledger, sample)).collect();
        if wrong.is_empty() {
            return;
        }
        println!("again: {wrong:?}");
    }
    panic!("{wrong:#?}");
}

/// What of a cell is not as everybody knows it to be.
fn differences(ledger: &Value, sample: &Value) -> Vec<String> {
    const COPIES: [(&str, f64); 7] = [
        ("/null/", 1.0),
        ("/read-write/", 2.0),
        ("/mmap-write/", 1.0),
        ("/sendfile/", 0.0),
        ("/splice/", 0.0),
        ("/uring-read-send/", 2.0),
        ("/direct-write/", 1.0),
    ];
    let cell = ledger["cell"].as_str().unwrap();
    let (_, copies) = COPIES.iter().find(|(name, _)| cell.contains(name)).unwrap();
    let payload = ledger["payload_bytes"].as_u64().unwrap();
    // The receiver copies the payload and the headers, and not a byte more.
    let all = payload + sample["header_bytes"].as_u64().unwrap();
    let mut checks = vec![
        ("copies", ledger["cpu_copies_per_byte"]["observed"].clone(), json!(copies)),
        ("agreement", ledger["agreement"].clone(), json!("agrees")),
        ("payload", sample["bytes"].clone(), json!(payload)),
        ("received", json!(count(ledger, "received_bytes")), json!(all)),
    ];
    if cell.contains("tcp-loopback") {
        let classes = ["log", "file", "anon", "private", "device", "linear", "unwalked"];
        let of = |class: &str| count(ledger, &format!("wire_{class}_bytes"));
        let wire: u64 = classes.iter().map(|class| of(class)).sum();
        let shared = cell.contains("/sendfile/") || cell.contains("/splice/");
        let log = if shared { payload } else { 0 };
        checks.push(("each sequence range once", json!(wire), json!(all)));
        checks.push(("sent", json!(count(ledger, "sent_tcp_bytes")), json!(all)));
        checks.push(("the log's own pages", json!(of("log")), json!(log)));
    } else {
        checks.push(("sent", json!(count(ledger, "sent_unix_bytes")), json!(all)));
    }
    let differs = checks.into_iter().filter(|(_, seen, expected)| seen != expected);
    differs
        .map(|(what, seen, expected)| format!("{cell}: {what}: {seen}, not {expected}"))
        .collect()
}

#[test]
fn system_calls_and_switches_equal_what_the_trial_counts_of_itself() {
    if ledger("system calls and switches").is_none() {
        return;
    }
    // Receivers that sleep make the sender wait now and then: there are switches to count.
    let matrix = "sink = \"tcp-loopback\"\nfetch = [\"4 KiB\", \"256 KiB\"]\n\
                  wait = \"sleep\"\nsocket_buffer = \"64 KiB\"";
    let mut wrong = Vec::new();
    for _ in 0..3 {
        let cells = run(matrix);
        assert_eq!(cells.len(), 14);
        wrong = cells.iter().flat_map(|(ledger, sample)| unequal(ledger, sample)).collect();
        let waited = cells.iter().any(|(ledger, _)| count(ledger, "sender_voluntary_switches") > 0);
        assert!(waited, "nobody ever waited: the comparison says nothing");
        if wrong.is_empty() {
            return;
        }
        println!("again: {wrong:?}");
    }
    panic!("{wrong:#?}");
}

/// Where the kernel programs and the trial's own counts differ.
fn unequal(ledger: &Value, sample: &Value) -> Vec<String> {
    let (cell, mut found) = (&ledger["cell"], Vec::new());
    let mut calls = ledger["syscalls"].clone();
    // A clock reading is a call only where the vDSO has no clock; and it is the harness's.
    calls.as_object_mut().unwrap().remove("clock_gettime");
    if calls != sample["calls"] {
        found.push(format!("{cell}: {calls}, not {}", sample["calls"]));
    }
    let roles = ["sender", "io_worker", "sq_thread"];
    let of = |role: &str| count(ledger, &format!("{role}_voluntary_switches"));
    let sum: u64 = roles.into_iter().map(of).sum();
    let rusage = sample["readings"]["voluntary_switches"].as_u64().unwrap();
    // io_uring's workers go to sleep when they like, also between the window and the readings of
    // rusage around it.
    let alone = count(ledger, "uring_submitted") == 0;
    if sum > rusage || (alone && sum != rusage) {
        found.push(format!("{cell}: {sum} voluntary switches, rusage says {rusage}"));
    }
    found
}

#[test]
fn cold_pages_come_from_the_device() {
    if ledger("cold pages").is_none() {
        return;
    }
    for (ledger, _) in run("sink = \"tcp-loopback\"\nfetch = \"64 KiB\"\ncache = \"cold\"") {
        let cell = ledger["cell"].as_str().unwrap();
        if cell.contains("/null/") || cell.contains("/direct-write/") {
            continue;
        }
        let payload = ledger["payload_bytes"].as_u64().unwrap();
        assert!(count(&ledger, "cache_fill_bytes") >= payload, "{cell}: {}", ledger["counts"]);
        assert_eq!(ledger["agreement"], "agrees", "{cell}: {}", ledger["reason"]);
    }
}
