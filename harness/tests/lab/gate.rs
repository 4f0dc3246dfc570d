//! Does a gate say of programs, strategies and stored counts what is true of them?
//!
//! Both sides are the program of this build, or the coreutils; no time is asserted.

use crate::support::{finish, lines, of_kind, results, scenario, zclab};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(120);
const FETCH: &str = "fetch = \"64 KiB\"\nsocket_buffer = \"256 KiB\"";

/// Asks for a gate in a folder; its exit code, and what it printed.
fn gate(dir: &Path, arguments: &[&str]) -> (Option<i32>, String, String) {
    let mut command = zclab();
    command.arg("gate").args(arguments).args(["--quiet", "--results"]).arg(dir.join("results"));
    let (output, out, err) = finish(&mut command, LIMIT);
    (output.status.code(), out, err)
}

/// The folder of the newest gate.
fn newest(dir: &Path) -> PathBuf {
    dir.join("results/runs/latest-gate")
}

fn this() -> &'static str {
    env!("CARGO_BIN_EXE_zclab")
}

/// A scenario of one cell.
fn one_cell(dir: &Path) -> String {
    let budget = "launches = 1\nturns = 1\nslice = \"1 MiB\"";
    scenario(dir, "one", "\"read-write\"", FETCH, budget).display().to_string()
}

#[test]
fn a_program_does_what_it_does_and_stored_counts_remember_it() {
    let dir = results();
    let file = one_cell(dir.path());
    let (code, out, err) = gate(dir.path(), &["--base", this(), "--only", "exact", &file]);
    assert_eq!(code, Some(0), "{out}{err}");
    let record = newest(dir.path()).join("gate.jsonl");
    let written = lines(&record);
    let counts = of_kind(&written, "counts");
    assert!(counts.len() >= 4, "two captures of two arms: {}", counts.len());
    for counted in &counts {
        assert!(counted["counts"]["syscalls"].as_u64().is_some_and(|calls| calls > 0), "{counted}");
        assert_eq!(counted["facts"]["verified"], "content");
    }
    assert!(newest(dir.path()).join("index.html").is_file());

    // The same record as a baseline: what the head was is now what it is compared with.
    let baseline = dir.path().join("baseline.jsonl");
    std::fs::copy(&record, &baseline).expect("a copy");
    let stored = baseline.display().to_string();
    let (code, out, err) = gate(dir.path(), &["--baseline", &stored, &file]);
    assert_eq!(code, Some(0), "{out}{err}");
    assert!(out.contains("stored counts have no times"), "{out}");
    // A baseline that needed fewer calls makes a regression of the same program.
    let fewer: String = written
        .into_iter()
        .map(|mut line| {
            if let Some(counts) = line.get_mut("counts").and_then(Value::as_object_mut) {
                for (_, count) in counts.iter_mut().filter(|(name, _)| name.contains("call")) {
                    *count = (count.as_u64().unwrap_or(0) / 2).into();
                }
            }
            format!("{line}\n")
        })
        .collect();
    std::fs::write(&baseline, fewer).expect("a file");
    let (code, out, err) = gate(dir.path(), &["--baseline", &stored, &file]);
    assert_eq!(code, Some(1), "{out}{err}");
    assert!(out.contains("regression") && out.contains("Syscalls per MiB"), "{out}");
}

#[test]
fn strategies_are_told_apart_by_their_calls_and_said_again_in_every_format() {
    let dir = results();
    let budget = "launches = 1\nturns = 1\nslice = \"1 MiB\"";
    let strategies = "\"read-write\", \"mmap-write-each\"";
    let file = scenario(dir.path(), "two", strategies, FETCH, budget).display().to_string();
    let of = ["--strategy-a", "read-write", "--strategy-b", "mmap-write-each"];
    let (code, out, err) = gate(dir.path(), &[&of[..], &["--only", "exact", &file]].concat());
    assert_eq!(code, Some(1), "a write for each message is more calls: {out}{err}");
    let newest = newest(dir.path());
    let again = newest.display().to_string();
    for format in ["junit", "github", "bmf", "gobench", "hyperfine", "markdown", "json"] {
        let (code, out, err) = gate(dir.path(), &["--again", &again, "--format", format]);
        assert_eq!(code, Some(1), "{format}: {err}");
        assert!(!out.is_empty(), "{format}");
    }
    let passed = ["--again", &again, "--inconclusive", "pass"];
    assert_eq!(gate(dir.path(), &passed).0, Some(1), "a regression is not inconclusive");
}

#[test]
fn launches_have_three_arms_that_move_the_same_from_the_same_slots() {
    let dir = results();
    let file = one_cell(dir.path());
    let timed = ["--base", this(), "--only", "timing", "--budget", "20s", &file];
    let (code, out, err) = gate(dir.path(), &timed);
    assert!(matches!(code, Some(0 | 3)), "a program against itself: {code:?} {out}{err}");
    let written = lines(&newest(dir.path()).join("gate.jsonl"));
    if written[0]["timing"] != "yes" {
        // A machine that is busy enough has no room for launches, and says so.
        assert!(out.contains("--budget"), "{out}");
        return;
    }
    let launches = written[0]["rule"]["launches"].as_u64().expect("a number");
    assert!(launches >= 12 && launches.is_multiple_of(6), "{launches}");
    let mut places: BTreeMap<&str, BTreeMap<u64, u64>> = BTreeMap::new();
    let mut moved: BTreeMap<&str, u64> = BTreeMap::new();
    for sample in of_kind(&written, "sample") {
        let arm = sample["arm"].as_str().expect("an arm");
        let slot = sample["slot"].as_u64().expect("a slot");
        *places.entry(arm).or_default().entry(slot).or_default() += 1;
        *moved.entry(arm).or_default() += sample["bytes"].as_u64().expect("bytes");
    }
    assert_eq!(places.len(), 3, "{places:?}");
    let even = &places["base"];
    assert_eq!(even.values().min(), even.values().max(), "{even:?}");
    assert!(places.values().all(|of| of == even), "{places:?}");
    assert!(moved.values().all(|bytes| *bytes == moved["base"]), "{moved:?}");
}

#[test]
fn a_budget_without_room_is_named_and_decides_nothing() {
    let dir = results();
    let file = one_cell(dir.path());
    let asked = ["--base", this(), "--only", "timing", "--budget", "500ms", &file];
    let (code, out, err) = gate(dir.path(), &asked);
    assert_eq!(code, Some(3), "{out}{err}");
    assert!(out.contains("12 are needed: --budget"), "{out}");
    let (code, ..) = gate(dir.path(), &[&asked[..], &["--inconclusive", "pass"]].concat());
    assert_eq!(code, Some(0));
    let (code, ..) = gate(dir.path(), &[&asked[..], &["--inconclusive", "fail"]].concat());
    assert_eq!(code, Some(1));
}

#[test]
fn what_cannot_be_compared_is_named() {
    let dir = results();
    let file = one_cell(dir.path());
    let path = dir.path().display().to_string();
    for (arguments, words) in [
        (vec!["--base", "no-such-revision", file.as_str()], "neither a program's file nor"),
        (vec!["--base", "/bin/true", &file], "--version"),
        (vec!["--strategy-a", "read-write", "--strategy-b", "no-such", &file], "no-such"),
        (vec![&file], "name what to compare with"),
        (vec!["--again", &path], "no record of a gate"),
        (vec!["--baseline", &file, &file], "one.toml"),
        (vec!["--base", this(), "--budget", "15", &file], "has no unit"),
    ] {
        let (code, out, err) = gate(dir.path(), &arguments);
        assert_eq!(code, Some(2), "{arguments:?}: {out}{err}");
        assert!(err.contains(words), "{arguments:?} should say {words:?}: {err}");
    }
}

#[test]
fn an_interrupted_gate_leaves_a_record_that_says_so() {
    let dir = results();
    let file = one_cell(dir.path());
    let mut child = zclab()
        .args(["gate", "--base", this(), "--budget", "60s", "--quiet", &file, "--results"])
        .arg(dir.path().join("results"))
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .expect("the program starts");
    let record = newest(dir.path()).join("gate.jsonl");
    let begun = std::time::Instant::now();
    while !std::fs::read_to_string(&record).is_ok_and(|text| text.contains("\"kind\":\"sample\"")) {
        assert!(begun.elapsed() < LIMIT, "no sample within {LIMIT:?}");
        assert!(child.try_wait().expect("wait").is_none(), "it ended by itself");
        std::thread::sleep(Duration::from_millis(20));
    }
    let pid = nix::unistd::Pid::from_raw(child.id() as i32);
    nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGINT).expect("kill");
    let output = child.wait_with_output().expect("its end");
    assert_eq!(output.status.code(), Some(2));
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains("interrupted; what was measured is in"), "{said}");
    let written = lines(&record);
    assert_eq!(written.last().expect("a line")["how"], "interrupted");
    let again = record.display().to_string();
    let (code, out, _) = gate(dir.path(), &["--again", &again]);
    assert_eq!(code, Some(3), "what was cut short decides nothing: {out}");
}
