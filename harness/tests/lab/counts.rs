//! Are the system calls that the lab counts those that strace sees, to the last one? And those that
//! the kernel programs count?

use crate::support::{finish, results, zclab};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::process::Stdio;
use std::time::Duration;
use zclab::ledger::{Ledger, Watched};
use zclab::run::opened::BY_DESCRIPTOR;

/// As in `trial::worker::MARKER`.
const MARKER: &str = "lseek(-1, 2053336161, SEEK_SET";

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
    let mut ledger = Ledger::load().and_then(|mut ledger| ledger.attach().map(|()| ledger));
    if let Err(why) = &ledger {
        println!("SKIPPED: kernel programs beside strace: {why}");
    }
    for strategy in zclab_strategies::ALL {
        for (fetch, consumers, demand) in [
            (100_000, 1, json!({})),
            (4096, 3, json!({})),
            // Buffers of 64 KiB are full at once, so that the reactor has to wait for room.
            (100_000, 3, json!({"driver": "reactor"})),
            (100_000, 3, json!({"driver": "threads"})),
            (4096, 3, json!({"rate": 20_000})),
            (100_000, 3, json!({"driver": "reactor", "rate": 5_000, "arrivals": "fixed"})),
            (4096, 3, json!({"driver": "threads", "rate": 20_000})),
        ] {
            let asked = (fetch, consumers, "sequential", demand);
            compare(strategy.name(), dir.path(), asked, ledger.as_mut().ok());
        }
        if BY_DESCRIPTOR.contains(&strategy.name()) {
            // Each of sixteen fetches opens its file.
            let asked = (4096, 2, "files", json!({}));
            compare(strategy.name(), dir.path(), asked, ledger.as_mut().ok());
        }
    }
}

fn compare(
    strategy: &str,
    dir: &std::path::Path,
    (fetch_bytes, consumers, access, demand): (u64, u32, &str, Value),
    ledger: Option<&mut Ledger>,
) {
    let trace = dir.join("trace");
    let spec = json!({
        "strategy": strategy, "bare": false, "options": {},
        "segments": [[dir.join("log"), 4u64 << 20]], "batches": [[0, 0, 1]],
        "fetch_bytes": fetch_bytes, "header_bytes": 70, "fetches": 16, "access": access,
        "seed": 1, "consumers": consumers, "sink": "tcp-loopback", "scratch": dir, "beside": dir,
        "discard": false, "spins": false, "socket_buffer_bytes": 65536, "cache": "warm", "pin": null,
        "markers": true, "demand": demand,
    });
    let exe = zclab().get_program().to_owned();
    let mut child = std::process::Command::new("strace")
        .args(["-f", "-o"])
        .arg(&trace)
        .arg(exe)
        .arg("trial")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut orders = child.stdin.take().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut reply = || -> Value { serde_json::from_str(&lines.next().unwrap().unwrap()).unwrap() };
    writeln!(orders, "{spec}").unwrap();
    let ready = reply();
    if ready["reply"] == "failed" && ready["status"] == "unsupported" {
        println!("SKIPPED: {strategy}: {}", ready["message"]);
        child.wait().unwrap();
        return;
    }
    let tracer = child.id();
    let children =
        std::fs::read_to_string(format!("/proc/{tracer}/task/{tracer}/children")).unwrap();
    let sender = children.trim().parse().unwrap();
    let mut ledger = ledger;
    if let Some(ledger) = &mut ledger {
        ledger.arm(&Watched { sender, ..Watched::default() }).unwrap();
    }
    writeln!(orders, "{}", json!({"do": "verify", "block": 0, "fetches_max": 16})).unwrap();
    let moved = reply();
    let threads: Vec<String> = std::fs::read_dir(format!("/proc/{sender}/task"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    let by_kernel = ledger.as_mut().map(|ledger| ledger.read().unwrap().calls_of("sender"));
    writeln!(orders, "{}", json!({"do": "finish"})).unwrap();
    reply();
    child.wait().unwrap();
    assert_eq!(moved["reply"], "moved", "{strategy}: {moved}");
    let counted: BTreeMap<String, u64> = serde_json::from_value(moved["calls"].clone()).unwrap();
    let (traced, again) = between_markers(&std::fs::read_to_string(&trace).unwrap(), &threads);
    let what = format!("{strategy}, fetches of {fetch_bytes}, {consumers} consumers, {demand}");
    let taken_up: BTreeMap<String, u64> = traced
        .iter()
        .map(|(name, calls)| (name.clone(), calls - again.get(name).copied().unwrap_or(0)))
        .collect();
    assert_eq!(counted, taken_up, "{what}");
    if let Some(mut by_kernel) = by_kernel {
        by_kernel.retain(|name, _| !OF_THE_LAB.contains(&name.as_str()));
        assert_eq!(by_kernel, traced, "{what}: kernel programs and strace");
    }
    let total: u64 = counted.values().sum();
    assert_eq!(moved["readings"]["syscalls"], total);
}

type Counts = BTreeMap<String, u64>;

/// Readings of the clock are calls only where the vDSO has no clock; threads start and end a slice
/// together by a futex. Both are the lab's own, and not counted among the calls of the data path.
const OF_THE_LAB: [&str; 2] = ["clock_gettime", "futex"];

/// The calls of these threads between the first two markers, by name, and how many of them the kernel
/// itself took up again when something had to be done meanwhile (a sleep while io_uring gave pages
/// back): the process made those once. The receiver is traced, too, and not asked for. Each line
/// begins with a thread's number.
fn between_markers(trace: &str, threads: &[String]) -> (Counts, Counts) {
    let mut marked = trace.split(MARKER);
    let inside = marked.nth(1).expect("a first and a second marker");
    let number = |line: &str| line.split_whitespace().next().unwrap_or_default().to_owned();
    let (mut counts, mut again) = (Counts::new(), Counts::new());
    for line in inside.lines().skip(1).filter(|line| threads.contains(&number(line))) {
        let call = line.split_once(' ').map_or("", |(_, call)| call.trim_start());
        if call.contains("= ? ERESTART") {
            let name = call.trim_start_matches("<... ").split(['(', ' ']).next().unwrap();
            *again.entry(name.to_owned()).or_insert(0) += 1;
        }
        let Some((name, _)) = call.split_once('(') else { continue };
        let plain = name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
        if plain && !OF_THE_LAB.contains(&name) {
            *counts.entry(name.to_owned()).or_insert(0) += 1;
        }
    }
    (counts, again)
}

#[test]
fn a_trial_started_by_hand_needs_no_run() {
    let (output, _, err) = finish(zclab().arg("receive"), Duration::from_secs(20));
    assert_eq!(output.status.code(), Some(2), "{err}");
}
