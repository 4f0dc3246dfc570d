//! Is nothing left behind when a run is killed, at whatever moment?

use crate::lab::{results, scenario, zclab};
use crate::support::ledger;
use std::collections::BTreeSet;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

/// How many times a run is killed, each time later.
const KILLS: u64 = 8;

/// Ids of the BPF programs that a process holds, as the kernel shows them beside its descriptors.
fn programs_of(process: u32) -> BTreeSet<u32> {
    let Ok(infos) = std::fs::read_dir(format!("/proc/{process}/fdinfo")) else {
        return BTreeSet::new();
    };
    let texts = infos.flatten().filter_map(|info| std::fs::read_to_string(info.path()).ok());
    let id = |text: String| -> Option<u32> {
        let line = text.lines().find_map(|line| line.strip_prefix("prog_id:"))?;
        line.trim().parse().ok()
    };
    texts.filter_map(id).collect()
}

fn loaded() -> BTreeSet<u32> {
    aya::programs::loaded_programs().flatten().map(|program| program.id()).collect()
}

/// Waits until something holds, within a bound.
fn soon(what: &str, holds: impl Fn() -> bool) {
    let begin = Instant::now();
    while !holds() {
        assert!(begin.elapsed() < Duration::from_secs(20), "{what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn children_of(process: u32) -> Vec<String> {
    let list = std::fs::read_to_string(format!("/proc/{process}/task/{process}/children"));
    list.unwrap_or_default().split_whitespace().map(str::to_owned).collect()
}

#[test]
fn a_killed_run_leaves_no_program_no_process_and_no_file() {
    if ledger("what a killed run leaves").is_none() {
        return;
    }
    let dir = results();
    let strategies = "\"read-write\", \"sendfile\"";
    let matrix = "fetch = [\"4 KiB\", \"64 KiB\"]\nsink = [\"tcp-loopback\", \"file\"]";
    let budget = "launches = 1\nturns = 2\nslice = \"1 MiB\"";
    let file = scenario(dir.path(), "killed", strategies, matrix, budget);
    let mut seen_programs = 0;
    for kill in 0..KILLS {
        let mut run = zclab();
        run.arg("run").arg(&file).arg("--quiet").arg("--results").arg(dir.path());
        let mut run = run.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let records = || record_bytes(dir.path());
        let before = records();
        // Later with each round: at once, while programs load, while slices run, while it counts.
        soon("the run goes on", || {
            records() >= before + kill * 4096 || programs_of(run.id()).len() as u64 > 2 * kill
        });
        let (programs, children) = (programs_of(run.id()), children_of(run.id()));
        seen_programs += programs.len();
        run.kill().unwrap();
        run.wait().unwrap();
        soon("programs go with their process", || loaded().is_disjoint(&programs));
        soon("children go with their parent", || !children.iter().any(|child| is_a_trial(child)));
    }
    assert!(seen_programs > 0, "no run had loaded a program yet: the test says nothing");
    let logs = std::fs::read_dir(dir.path().join("logs")).unwrap().flatten();
    let left: Vec<_> = logs.map(|e| e.file_name()).filter(|n| !is_a_log(n)).collect();
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn a_killed_watch_leaves_no_program() {
    if ledger("what a killed watch leaves").is_none() {
        return;
    }
    let listener = std::net::TcpListener::bind((std::net::Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = listener.local_addr().unwrap().port().to_string();
    for wanted in [1, 9, 18] {
        let mut watch = zclab();
        watch.args(["watch", "--port", &port, "--duration", "60s", "--json"]);
        let mut watch = watch.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        soon("programs load", || programs_of(watch.id()).len() >= wanted);
        let programs = programs_of(watch.id());
        watch.kill().unwrap();
        watch.wait().unwrap();
        soon("programs go with their process", || loaded().is_disjoint(&programs));
    }
}

fn is_a_log(name: &std::ffi::OsStr) -> bool {
    name.to_string_lossy().starts_with("kafka-")
}

fn is_a_trial(process: &str) -> bool {
    let command = std::fs::read(format!("/proc/{process}/cmdline")).unwrap_or_default();
    String::from_utf8_lossy(&command).contains("trial")
}

fn record_bytes(results: &Path) -> u64 {
    let Ok(runs) = std::fs::read_dir(results.join("runs")) else { return 0 };
    let records = runs.flatten().map(|run| run.path().join("run.jsonl"));
    records.filter_map(|record| record.metadata().ok()).map(|metadata| metadata.len()).sum()
}
