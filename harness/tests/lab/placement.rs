//! Do processes run on the CPUs, and take the memory of the node, that a command line names?

use crate::support::{finish, latest, lines, of_kind, results, scenario, zclab};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;
use zclab::cpus::{allowed, numa};

const LIMIT: Duration = Duration::from_secs(300);

fn file(dir: &Path, matrix: &str) -> PathBuf {
    let budget = "launches = 1\nturns = 1\nslice = \"1 MiB\"";
    scenario(dir, "placed", "\"read-write\"", matrix, budget)
}

fn run(file: &Path, dir: &Path) -> Command {
    let mut command = zclab();
    command.arg("run").arg(file).args(["--quiet", "--no-report", "--results"]).arg(dir);
    command
}

fn record(command: &mut Command, dir: &Path) -> Vec<Value> {
    let (output, out, err) = finish(command, LIMIT);
    assert_eq!(output.status.code(), Some(0), "{out}{err}");
    lines(&latest(dir))
}

#[test]
fn sets_are_kept_to_read_back_and_part_of_the_run() {
    let dir = results();
    let file = file(dir.path(), "fetch = \"64 KiB\"");
    let all = allowed(0).unwrap();
    let (first, last) = (all.iter().next().unwrap(), all.iter().next_back().unwrap());
    let mut command = run(&file, dir.path());
    // The other way round than by default.
    command.arg("--sender-cpus").arg(last.to_string());
    let seen = record(command.arg("--receiver-cpus").arg(first.to_string()), dir.path());
    let machine = &of_kind(&seen, "run")[0]["machine"];
    assert_eq!(machine["sender_cpus"], last.to_string());
    assert_eq!(machine["receiver_cpus"], first.to_string());
    let setup = &of_kind(&seen, "cell")[0]["setup"];
    assert_eq!(setup["sender_cpus"], last.to_string(), "{setup}");
    assert_eq!(setup["receiver_cpus"], first.to_string(), "{setup}");
    assert!(setup["numa_node"].is_null(), "{setup}");

    let taken_up = |options: &[&str]| {
        let mut resume = zclab();
        resume.args(["run", "--quiet", "--no-report", "--resume"]).arg(latest(dir.path()));
        finish(resume.args(options), LIMIT)
    };
    let (output, out, err) = taken_up(&[]);
    assert_eq!(output.status.code(), Some(0), "{out}{err}");
    let all = all.to_string();
    let (output, _, err) = taken_up(&["--sender-cpus", all.as_str()]);
    if all != last.to_string() {
        assert_eq!(output.status.code(), Some(2), "{err}");
        assert!(err.contains("it cannot go on with --sender-cpus"), "{err}");
    }
}

#[test]
fn what_is_not_there_is_refused_before_anything_begins() {
    let dir = results();
    let file = file(dir.path(), "fetch = \"64 KiB\"");
    for (option, value, words) in [
        ("--sender-cpus", "0,8000", "has no CPU 8000: it has 0"),
        ("--receiver-cpus", "8000-8001", "has no CPU 8000-8001: it has 0"),
        ("--receiver-cpus", "3-1", "a range that ends before it begins"),
        ("--numa", "900", "--numa 900: this"),
    ] {
        let (output, out, err) = finish(run(&file, dir.path()).args([option, value]), LIMIT);
        assert_eq!(output.status.code(), Some(2), "{option} {value}: {out}{err}");
        assert!(err.contains(words), "{option} {value}: {err}");
    }
    assert!(!dir.path().join("runs").exists(), "no run was begun");
}

#[test]
fn a_receiver_that_spins_needs_a_cpu_that_no_sender_has() {
    let dir = results();
    let file = file(dir.path(), "wait = \"spin\"");
    let cpu = allowed(0).unwrap().iter().next().unwrap().to_string();
    let mut command = run(&file, dir.path());
    command.args(["--sender-cpus", &cpu, "--receiver-cpus", &cpu]);
    let seen = record(&mut command, dir.path());
    let cell = &of_kind(&seen, "cell")[0];
    assert_eq!(cell["status"], "refused", "{cell}");
}

#[test]
fn a_node_holds_memory_and_the_log() {
    let dir = results();
    let file = file(dir.path(), "senders = 2");
    let node = match numa::nodes().map(|nodes| nodes.iter().next_back()) {
        Ok(Some(node)) => node,
        other => {
            println!("SKIPPED: a node: {other:?} (a kernel built with CONFIG_NUMA=y)");
            return;
        }
    };
    let mut command = run(&file, dir.path());
    let (output, out, err) = finish(command.arg("--numa").arg(node.to_string()), LIMIT);
    if err.contains("set_mempolicy(MPOL_BIND)") {
        println!("SKIPPED: memory of a node: {err} (docker run --cap-add SYS_NICE)");
        return;
    }
    assert_eq!(output.status.code(), Some(0), "{out}{err}");
    let seen = lines(&latest(dir.path()));
    let setup = &of_kind(&seen, "cell")[0]["setup"];
    assert_eq!(setup["numa_node"], node.to_string(), "{setup}");
    let pages = setup["log_numa_pages"].as_object().unwrap();
    assert_eq!(pages.keys().collect::<Vec<_>>(), [&node.to_string()], "{setup}");
    assert!(pages.values().all(|count| count.as_u64() >= Some((8 << 20) / 4096 - 64)), "{setup}");
}
