//! What is counted for the whole catalogue, beside witnesses of other kinds?

use crate::lab::{finish, latest, lines, of_kind, results, scenario, zclab};
use crate::support::ledger;
use serde_json::Value;
use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(240);
const ALL: &str = "\"null\", \"read-write\", \"mmap-write\", \"sendfile\", \"splice\", \
                   \"uring-read-send\", \"direct-write\"";

/// The ledger lines of a run, each with the counting sample of its cell.
fn run(matrix: &str) -> Vec<(Value, Value)> {
    let dir = results();
    let file =
        scenario(dir.path(), "seen", ALL, matrix, "launches = 1\nturns = 1\nslice = \"4 MiB\"");
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

fn count(ledger: &Value, name: &str) -> u64 {
    ledger["counts"][name].as_u64().unwrap_or(0)
}

#[test]
fn copies_of_the_catalogue() {
    if ledger("copies of the catalogue").is_none() {
        return;
    }
    let expected = [
        ("/null/", 1.0),
        ("/read-write/", 2.0),
        ("/mmap-write/", 1.0),
        ("/sendfile/", 0.0),
        ("/splice/", 0.0),
        ("/uring-read-send/", 2.0),
        ("/direct-write/", 1.0),
    ];
    for (ledger, sample) in run("sink = [\"tcp-loopback\", \"unix-stream\"]\nfetch = \"64 KiB\"") {
        let cell = ledger["cell"].as_str().unwrap();
        let (_, copies) = expected.iter().find(|(name, _)| cell.contains(name)).unwrap();
        assert_eq!(ledger["cpu_copies_per_byte"]["observed"], *copies, "{cell}");
        assert_eq!(ledger["agreement"], "agrees", "{cell}: {}", ledger["reason"]);
        let payload = ledger["payload_bytes"].as_u64().unwrap();
        assert_eq!(sample["bytes"], payload, "{cell}");
        // The receiver copies the payload and the headers, and not a byte more.
        let all = payload + sample["header_bytes"].as_u64().unwrap();
        assert_eq!(count(&ledger, "received_bytes"), all, "{cell}");
        if cell.contains("tcp-loopback") {
            let wire: u64 = ["log", "file", "anon", "private", "device", "linear", "unwalked"]
                .iter()
                .map(|class| count(&ledger, &format!("wire_{class}_bytes")))
                .sum();
            assert_eq!(wire, all, "{cell}: each sequence range once");
            assert_eq!(count(&ledger, "sent_tcp_bytes"), all, "{cell}");
            let of_the_log = count(&ledger, "wire_log_bytes");
            let shared = cell.contains("/sendfile/") || cell.contains("/splice/");
            assert_eq!(of_the_log, if shared { payload } else { 0 }, "{cell}");
        } else {
            assert_eq!(count(&ledger, "sent_unix_bytes"), all, "{cell}");
        }
    }
}

#[test]
fn system_calls_and_switches_equal_what_the_trial_counts_of_itself() {
    if ledger("system calls and switches").is_none() {
        return;
    }
    // Receivers that sleep make the sender wait now and then: there are switches to count.
    let matrix = "sink = \"tcp-loopback\"\nfetch = [\"4 KiB\", \"256 KiB\"]\n\
                  wait = \"sleep\"\nsocket_buffer = \"64 KiB\"";
    let (mut voluntary, mut compared) = (0, 0);
    for (ledger, sample) in run(matrix) {
        let cell = &ledger["cell"];
        let mut calls = ledger["syscalls"].clone();
        // A clock reading is a call only where the vDSO has no clock; and it is the harness's.
        calls.as_object_mut().unwrap().remove("clock_gettime");
        assert_eq!(calls, sample["calls"], "{cell}");
        let sum = |kind: &str| -> u64 {
            let roles = ["sender", "io_worker", "sq_thread"];
            roles.iter().map(|role| count(&ledger, &format!("{role}_{kind}_switches"))).sum()
        };
        let rusage = sample["readings"]["voluntary_switches"].as_u64().unwrap();
        if count(&ledger, "uring_submitted") == 0 {
            assert_eq!(sum("voluntary"), rusage, "{cell}");
        } else {
            // io_uring's workers go to sleep when they like, also between the window and the readings
            // of rusage around it.
            assert!(sum("voluntary") <= rusage, "{cell}: {} of {rusage}", sum("voluntary"));
        }
        voluntary += sum("voluntary");
        compared += 1;
    }
    assert_eq!(compared, 14);
    assert!(voluntary > 0, "nobody ever waited: the comparison says nothing");
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
