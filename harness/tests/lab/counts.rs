//! Are the system calls that the lab counts those that strace sees, to the last one?

use crate::support::{finish, results, zclab};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io::Write;
use std::process::Stdio;
use std::time::Duration;

/// As in `trial::worker::MARKER`.
const MARKER: &str = "lseek(-1, 2053336161, SEEK_SET)";

fn strace_works() -> bool {
    let probe = std::process::Command::new("strace").args(["-o", "/dev/null", "true"]).status();
    let works = probe.is_ok_and(|status| status.success());
    if !works {
        println!("SKIPPED: strace is not installed, or may not trace (apt-get install strace)");
    }
    works
}

#[test]
fn calls_equal_strace_between_the_markers() {
    if !strace_works() {
        return;
    }
    let dir = results();
    let log = dir.path().join("log");
    std::fs::write(&log, (0..4u32 << 20).map(|n| (n / 7) as u8).collect::<Vec<u8>>()).unwrap();
    for strategy in zclab_strategies::ALL {
        for (fetch, consumers) in [(100_000, 1), (4096, 3)] {
            compare(strategy.name(), dir.path(), fetch, consumers);
        }
    }
}

fn compare(strategy: &str, dir: &std::path::Path, fetch_bytes: u64, consumers: u32) {
    let trace = dir.join("trace");
    let spec = json!({
        "strategy": strategy, "bare": false, "options": {},
        "segments": [[dir.join("log"), 4u64 << 20]], "batches": [[0, 0, 1]],
        "fetch_bytes": fetch_bytes, "header_bytes": 70, "fetches": 16, "access": "sequential",
        "seed": 1, "consumers": consumers, "sink": "tcp-loopback", "scratch": dir,
        "discard": false, "spins": false, "socket_buffer_bytes": 65536, "cache": "warm", "pin": null,
        "markers": true,
    });
    let exe = zclab().get_program().to_owned();
    let mut child = std::process::Command::new("strace")
        .arg("-o")
        .arg(&trace)
        .arg(exe)
        .arg("trial")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut orders = child.stdin.take().unwrap();
    let order = json!({"do": "verify", "block": 0, "fetches_max": 16});
    write!(orders, "{spec}\n{order}\n{}\n", json!({"do": "finish"})).unwrap();
    let output = child.wait_with_output().unwrap();
    let replies: Vec<Value> = String::from_utf8_lossy(&output.stdout)
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    if replies[0]["reply"] == "failed" && replies[0]["status"] == "unsupported" {
        println!("SKIPPED: {strategy}: {}", replies[0]["message"]);
        return;
    }
    assert_eq!(replies[1]["reply"], "moved", "{strategy}: {replies:?}");
    let counted: BTreeMap<String, u64> =
        serde_json::from_value(replies[1]["calls"].clone()).unwrap();
    let traced = between_markers(&std::fs::read_to_string(&trace).unwrap());
    assert_eq!(counted, traced, "{strategy}, fetches of {fetch_bytes}, {consumers} consumers");
    let total: u64 = counted.values().sum();
    assert_eq!(replies[1]["readings"]["syscalls"], total);
}

/// The calls of the traced thread between the first two markers, by name. Clock readings are calls
/// only where the vDSO has no clock; they are the harness's, so they are left out.
fn between_markers(trace: &str) -> BTreeMap<String, u64> {
    let mut marked = trace.split(MARKER);
    let inside = marked.nth(1).expect("a first and a second marker");
    let mut counts = BTreeMap::new();
    for line in inside.lines().skip(1) {
        let Some((name, _)) = line.split_once('(') else { continue };
        if name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') && name != "clock_gettime" {
            *counts.entry(name.to_owned()).or_insert(0) += 1;
        }
    }
    counts
}

#[test]
fn a_trial_started_by_hand_needs_no_run() {
    let (output, _, err) = finish(zclab().arg("receive"), Duration::from_secs(20));
    assert_eq!(output.status.code(), Some(2), "{err}");
}
