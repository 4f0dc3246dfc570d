//! What is seen of work that kernel threads do for a sender, and of pages that it has pinned?

use crate::counting::{count, run_of};
use crate::support::ledger;
use serde_json::{Value, json};

/// A strategy, its copies, and the class of memory that its packets lie in as they leave.
const CASES: [(&str, f64, &str); 8] = [
    ("read-write", 2.0, "private"),
    ("msg-zerocopy", 1.0, "log"),
    ("uring-fixed", 2.0, "private"),
    ("uring-sqpoll", 2.0, "private"),
    ("uring-splice", 0.0, "log"),
    ("uring-send-zc", 2.0, "anon"),
    ("uring-mmap-send-zc", 1.0, "log"),
    ("direct-send-zc", 1.0, "anon"),
];

#[test]
fn rings_and_pinned_pages_are_as_claimed() {
    if ledger("rings and pinned pages").is_none() {
        return;
    }
    let names = CASES.map(|(name, _, _)| format!("\"{name}\"")).join(", ");
    // A busy machine may hide a packet now and then from all programs alike.
    let mut wrong = Vec::new();
    for _ in 0..3 {
        let cells = run_of(&names, "sink = \"tcp-loopback\"\nfetch = \"64 KiB\"");
        wrong = cells.iter().flat_map(|(ledger, sample)| differences(ledger, sample)).collect();
        if wrong.is_empty() {
            return;
        }
        println!("again: {wrong:?}");
    }
    panic!("{wrong:#?}");
}

fn differences(ledger: &Value, sample: &Value) -> Vec<String> {
    let cell = ledger["cell"].as_str().unwrap();
    let of = |case: &&(&str, f64, &str)| cell.contains(&format!("/{}/", case.0));
    let &(name, copies, class) = CASES.iter().find(of).unwrap();
    let payload = ledger["payload_bytes"].as_u64().unwrap();
    let all = payload + sample["header_bytes"].as_u64().unwrap();
    let own = if class == "private" { all } else { payload };
    let mut calls = ledger["syscalls"].clone();
    calls.as_object_mut().unwrap().remove("clock_gettime");
    let mut checks = vec![
        ("agreement", ledger["agreement"].clone(), json!("agrees")),
        ("copies", ledger["cpu_copies_per_byte"]["observed"].clone(), json!(copies)),
        ("at the driver", json!(count(ledger, &format!("wire_{class}_bytes"))), json!(own)),
        ("system calls", calls, sample["calls"].clone()),
    ];
    if name.ends_with("-zc") || name == "msg-zerocopy" {
        // Copied at delivery, every byte, and the kernel says so of every send.
        let readings = &sample["readings"];
        let private =
            count(ledger, "received_private_bytes") + count(ledger, "received_linear_bytes");
        checks.push(("at the receiver", json!(private), json!(all)));
        let sends = readings["zerocopy_sends"].clone();
        checks.push(("answered", readings["zerocopy_answered"].clone(), sends.clone()));
        checks.push(("copied", readings["zerocopy_copied"].clone(), sends));
    }
    if name == "uring-sqpoll" {
        // The polling thread is no worker.
        let workers = |kind: &str| count(ledger, &format!("io_worker_{kind}_switches"));
        checks.push(("workers", json!(workers("voluntary") + workers("involuntary")), json!(0)));
    }
    let differs = checks.into_iter().filter(|(_, seen, expected)| seen != expected);
    differs
        .map(|(what, seen, expected)| format!("{cell}: {what}: {seen}, not {expected}"))
        .collect()
}
